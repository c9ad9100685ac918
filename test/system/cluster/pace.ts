// Whether this machine kept up. A case that it was too slow for proves nothing either way, so it fails by that name: neither passed nor tried again.
import type { Chronicle } from './chronicle.ts';
import { REGIONS } from './files.ts';
import type { Wan } from './wan.ts';

export interface Pace {
  /** A case begins. */
  begin(): void;
  /** Why the machine was too slow since then; null: it was not. `asleep`: replicas that the case itself kept from running. */
  tooSlow(asleep?: readonly string[]): string | null;
  stop(): void;
}

/** A second in which this process woke up later than that was a slow one; so was one in which the router delivered that late. */
const OWN_MS = 500;
const ROUTER_MS = 250;
/** So many slow seconds are too many. */
const SECONDS_MAX = 3;
const TICK_MS = 100;
/** Loading and compiling block a process for a moment. */
const STARTING_MS = 10_000;
/** A vantage that says this of itself did not run when it should have. Those that have just started are excused. */
const BY_LOAD = /event loop late|paused or overloaded/;
/** One that keeps its vote for a moment is what the others are for. For longer, or so many at once that no quorum is left, and nothing could have moved. */
const ABSTAINED_MS = 10_000;
const MUTE_REGIONS_MAX = REGIONS.length - (Math.floor(REGIONS.length / 2) + 1);

const regionOf = (replica: string): string => replica.split('/')[0] ?? replica;

/** `startedAtMs`: of the replica of that name. */
export const keepPace = (wan: Wan, chronicle: Chronicle, startedAtMs: (replica: string) => number): Pace => {
  let ownMs: number[] = [];
  let routerMs: number[] = [];
  let beganAtMs = performance.now();
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
    begin() {
      ownMs = [];
      wan.lateMs();
      routerMs = [];
      beganAtMs = performance.now();
    },
    tooSlow(asleep = []) {
      routerMs.push(...wan.lateMs());
      const [own, router] = [slow(ownMs, OWN_MS), slow(routerMs, ROUTER_MS)];
      if (own.length >= SECONDS_MAX) return told('the test', own);
      if (router.length >= SECONDS_MAX) return told('the network', router);
      const silent = chronicle.abstentions.filter(
        ({ fromMs, replica, because }) =>
          fromMs >= beganAtMs && BY_LOAD.test(because) && !asleep.includes(replica) && fromMs - startedAtMs(replica) > STARTING_MS,
      );
      const long = silent.find(({ fromMs, toMs }) => toMs - fromMs > ABSTAINED_MS);
      if (long !== undefined) return `${long.replica} abstained for ${Math.round((long.toMs - long.fromMs) / 1000)} s: ${long.because}`;
      const muteWith = (one: (typeof silent)[number]): number =>
        new Set(silent.filter((other) => other.fromMs <= one.toMs && other.toMs >= one.fromMs).map(({ replica }) => regionOf(replica)))
          .size;
      const together = silent.find((one) => muteWith(one) > MUTE_REGIONS_MAX);
      return together === undefined ? null : `no quorum was left, ${together.replica}: ${together.because}`;
    },
    stop: () => clearInterval(timer),
  };
};
