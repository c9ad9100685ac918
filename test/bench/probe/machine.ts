// What the vantage machine adds to a look, by the number of targets, while all is well and while one region of three dies: no sockets, no clock, the pure
// machine alone. It must not grow with the number of targets, or a large cluster could not be looked at, least of all while something is wrong with it.
import { newOwn, observe } from '../../../src/health/vantage.ts';
import type { EndpointKey, Observation, Outcome } from '../../../src/model.ts';
import { rulesOf, watchedBy } from '../../../src/probe/watching.ts';
import { clusterOf, poolOf, serviceOf } from '../../world/clusters.ts';

const REGIONS = ['here', 'there', 'dying'];
const TARGETS = [900, 3000, 9000];
/** Long enough to warm up; then long enough for bursts to overlap. */
const WELL_MS = 25_000;
const DYING_MS = 8000;
/** A machine that is too slow is not waited for. */
const GIVE_UP_MS = 5000;

const OK: Outcome = { saw: 'ok', tookMs: 1 };
const REFUSED: Outcome = { saw: 'fault', reason: 'refused', tookMs: 1, detail: 'ECONNREFUSED' };

export interface MachineRow {
  targets: number;
  wellUsPerLook: number;
  dyingUsPerLook: number;
  /** Of a look as the engine makes it, in the same run. */
  dyingPercentOfLook: number;
  dyingMaxMs: number;
  heldDown: number;
}

const measure = (targets: number, lookUs: number): MachineRow => {
  const pools = REGIONS.map((region, i) => poolOf(region, 1, i, targets / REGIONS.length));
  const cluster = { ...clusterOf(REGIONS, []), services: [serviceOf(REGIONS, { name: 'web.example.com', pools })] };
  const rules = rulesOf(cluster, watchedBy(cluster, 'here'));
  let own = newOwn('boot', 'a', rules, 0);
  let [nowMs, next] = [0, 0];
  let asked: EndpointKey[] = [];

  const look = (key: EndpointKey, outcome: Outcome, scheduled: boolean): void => {
    const observation: Observation = { key, startedAtMs: nowMs, outcome };
    const step = observe(own, { kind: 'look', observation, late: false, scheduled }, nowMs);
    own = step.own;
    step.beat?.(nowMs, 0, 0);
    asked.push(...step.probes);
  };
  const span = (ms: number, sees: (key: EndpointKey) => Outcome): { usPerLook: number; maxMs: number } => {
    const untilMs = nowMs + ms;
    const [cpu, giveUpAtMs] = [process.cpuUsage(), performance.now() + GIVE_UP_MS];
    let [looks, maxMs] = [0, 0];
    while (nowMs < untilMs && performance.now() < giveUpAtMs) {
      const key = rules.watched[next++ % rules.watched.length]?.key ?? '';
      nowMs += cluster.policy.intervalMs / rules.watched.length;
      const beganMs = performance.now();
      look(key, sees(key), true);
      const answered = asked;
      asked = [];
      for (const probed of answered) look(probed, sees(probed), false);
      maxMs = Math.max(maxMs, performance.now() - beganMs);
      looks += 1 + answered.length;
    }
    const { user, system } = process.cpuUsage(cpu);
    return { usPerLook: (user + system) / looks, maxMs };
  };

  const well = span(WELL_MS, () => OK);
  const dying = span(DYING_MS, (key) => (key.includes('/dying/') ? REFUSED : OK));
  return {
    targets,
    wellUsPerLook: well.usPerLook,
    dyingUsPerLook: dying.usPerLook,
    dyingPercentOfLook: (100 * dying.usPerLook) / lookUs,
    dyingMaxMs: dying.maxMs,
    heldDown: own.vote.down.length,
  };
};

/** `lookUs`: CPU of a look as the engine makes it. */
export const measureMachine = (lookUs: number): MachineRow[] => TARGETS.map((targets) => measure(targets, lookUs));
