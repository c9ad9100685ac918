// Whether this machine kept up. A case that it was too slow for proves nothing either way, so it fails by that name: neither passed nor tried again.
import type { Chronicle } from './chronicle.ts';
import type { Wan } from './wan.ts';

export interface Pace {
  /** A case begins. `paused`: replicas that the case itself will keep from running. */
  begin(paused?: readonly string[]): void;
  /** Why the machine was too slow since then; null: it was not. */
  tooSlow(): string | null;
  stop(): void;
}

/** A second in which this process woke up later than that was a slow one; so was one in which the router delivered that late. */
const OWN_MS = 500;
const ROUTER_MS = 250;
/** So many slow seconds are too many. */
const SECONDS_MAX = 3;
const TICK_MS = 100;
/** A vantage that says this of itself did not run when it should have. Those that have just started are excused. */
const BY_LOAD = /event loop late|paused or overloaded/;

export const keepPace = (wan: Wan, chronicle: Chronicle): Pace => {
  let ownMs: number[] = [];
  let routerMs: number[] = [];
  let beganAtMs = performance.now();
  let paused: readonly string[] = [];
  let lastMs = performance.now();
  let worstMs = 0;
  let ticks = 0;
  const timer = setInterval(() => {
    const nowMs = performance.now();
    worstMs = Math.max(worstMs, nowMs - lastMs - TICK_MS);
    lastMs = nowMs;
    ticks += 1;
    if (ticks % 10 !== 0) return;
    ownMs.push(worstMs);
    worstMs = 0;
  }, TICK_MS);
  const slow = (samples: readonly number[], limitMs: number): readonly number[] => samples.filter((ms) => ms > limitMs);
  const told = (who: string, late: readonly number[]): string =>
    `${who} was late by up to ${Math.round(Math.max(...late))} ms in ${late.length} seconds`;
  return {
    begin(names = []) {
      paused = names;
      ownMs = [];
      wan.lateMs();
      routerMs = [];
      beganAtMs = performance.now();
    },
    tooSlow() {
      routerMs.push(...wan.lateMs());
      const [own, router] = [slow(ownMs, OWN_MS), slow(routerMs, ROUTER_MS)];
      if (own.length >= SECONDS_MAX) return told('the test', own);
      if (router.length >= SECONDS_MAX) return told('the network', router);
      const silent = chronicle.abstentions.filter(
        ({ atMs, replica, because }) => atMs >= beganAtMs && BY_LOAD.test(because) && !paused.includes(replica),
      );
      const [first] = silent;
      return first === undefined ? null : `${first.replica} abstained: ${first.because}`;
    },
    stop: () => clearInterval(timer),
  };
};
