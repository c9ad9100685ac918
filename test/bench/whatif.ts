// What a forecast costs: one region's death and an order in a cluster of 50 services in five regions, and the whole matrix; and the longest stretch for which
// it keeps the event loop, since it runs in the process that probes.
import { decide } from '../../src/decide/decide.ts';
import type { Snapshot } from '../../src/decide/snapshot.ts';
import type { ClusterConfig, Override } from '../../src/model.ts';
import { forecasting, HORIZON_MAX_MS } from '../../src/whatif/forecast.ts';
import type { Hypothesis } from '../../src/whatif/hypothesis.ts';
import { surveying } from '../../src/whatif/matrix.ts';
import { heardFrom } from '../health/votes.ts';
import { clusterOf, poolOf, serviceOf } from '../world.ts';
import type { Bench, BenchOptions } from './bench.ts';
import { quantile } from './numbers.ts';

const REGIONS = ['a', 'b', 'c', 'd', 'e'];
const GOAL_MS = 50;
const START_MS = 1_800_000_000_000;

const clusterWith = (targets: number): ClusterConfig => ({
  ...clusterOf(REGIONS, []),
  services: Array.from({ length: 50 }, (_, i) =>
    serviceOf(REGIONS, { name: `svc-${i}`, pools: REGIONS.map((region, p) => poolOf(region, 1, p, targets)) }),
  ),
});

const settled = (cluster: ClusterConfig): Snapshot => {
  const heard = REGIONS.map((region) => heardFrom(cluster, region));
  let snapshot: Snapshot = { cluster, routing: null, overrides: null, heard, incidents: [], epoch: 1, by: 'a/a', nonce: 'n' };
  for (const ms of [0, 500]) snapshot = { ...snapshot, routing: decide(snapshot, START_MS + ms).next?.routing ?? snapshot.routing };
  return snapshot;
};

const timed = (run: Generator<undefined, unknown, boolean>): { totalMs: number; longestMs: number } => {
  const begunAt = performance.now();
  let [longestMs, last] = [0, begunAt];
  for (let done: boolean | undefined = false; done !== true; ) {
    done = run.next(true).done;
    const now = performance.now();
    longestMs = Math.max(longestMs, now - last);
    last = now;
  }
  return { totalMs: performance.now() - begunAt, longestMs };
};

const casesOf = (snapshot: Snapshot): Readonly<Record<string, () => Generator<undefined, unknown, boolean>>> => {
  const nowMs = START_MS + 1000;
  const death: Hypothesis = { kind: 'region-down', region: 'c' };
  const order: Override = {
    id: 'x',
    kind: 'drain',
    scope: { region: 'b' },
    reason: 'works',
    owner: 'ana',
    createdAtMs: START_MS,
    expiresAtMs: START_MS + 120_000,
  };
  return {
    'region-down, 5 min': () => forecasting(snapshot, [death], { nowMs }),
    'region-down, 30 min': () => forecasting(snapshot, [death], { nowMs, horizonMs: HORIZON_MAX_MS }),
    'drain and its return, 10 min': () => forecasting(snapshot, [{ kind: 'override', override: order }], { nowMs, horizonMs: 600_000 }),
    'matrix of 5 regions': () => surveying(snapshot, { nowMs }),
  };
};

export const benchWhatIf = async ({ quick, trials }: BenchOptions): Promise<Bench> => {
  const rounds = trials ?? (quick ? 10 : 50);
  const rows = (quick ? [1] : [1, 4, 20]).flatMap((perPool) => {
    const snapshot = settled(clusterWith(perPool));
    return Object.entries(casesOf(snapshot)).map(([what, begin]) => {
      for (let i = 0; i < 5; i++) timed(begin());
      const runs = Array.from({ length: rounds }, () => timed(begin()));
      const round = (ms: number): number => Math.round(ms * 10) / 10;
      return {
        targets: 50 * REGIONS.length * perPool,
        what,
        p50Ms: round(
          quantile(
            runs.map(({ totalMs }) => totalMs),
            0.5,
          ),
        ),
        p99Ms: round(
          quantile(
            runs.map(({ totalMs }) => totalMs),
            0.99,
          ),
        ),
        longestStretchMs: round(Math.max(...runs.map(({ longestMs }) => longestMs))),
      };
    });
  });
  const met = rows.every(({ targets, what, p50Ms }) => targets > 250 || what.startsWith('matrix') || p50Ms <= GOAL_MS);
  return { goals: { 'p50 of a forecast with 50 services in 5 regions, ms': GOAL_MS }, met, rows };
};
