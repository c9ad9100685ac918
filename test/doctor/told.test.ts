// The world as a running replica tells it: what the checks make of it, and what they leave alone because it is not told.
import { expect, test } from 'vitest';
import { statusDocument } from '../../src/api/status.ts';
import { runChecks } from '../../src/command/doctor.ts';
import { CHECKS } from '../../src/doctor/index.ts';
import { measuredIn, worldTold } from '../../src/doctor/told.ts';
import { NOW_MS, REGIONS, statusInput } from '../api/fixture.ts';
import { cluster, toolsOf } from './fixture.ts';

const check = (observedValue: number, componentId?: string) => [
  {
    componentType: 'system' as const,
    observedValue,
    status: 'pass' as const,
    time: '',
    ...(componentId === undefined ? {} : { componentId }),
  },
];
const checks = { 'coordinator:renewedAgo': check(0.4), 'clock:skew': check(0), 'store:responseTime': check(7, 'get') };
const status = statusDocument(
  statusInput({
    leader: { region: 'us-east', replica: 'a', boot: 'b', epoch: 4, n: 1, nonce: 'n', released: false },
    votes: REGIONS.map((region, at) => ({
      region,
      replica: 'a',
      ageMs: 500,
      beat: { boot: region, seq: 1, configVersion: cluster.version, n: 1, suspects: {}, loopDelayMs: 0, wallMs: NOW_MS, version: '1.0.0' },
      vote: {
        boot: region,
        seq: 1,
        configVersion: cluster.version,
        self: at === 2 ? { state: 'abstain', because: 'anchors unreachable' } : { state: 'ok' },
        peers: [],
        down: [],
        unready: [],
        unknown: [],
      },
    })),
  }),
);

test('what a replica measured is found by its component, and nothing else is a number', () => {
  expect(measuredIn(checks, 'store:responseTime', 'get')).toBe(7);
  expect(measuredIn(checks, 'store:responseTime', 'txn')).toBeNull();
  expect(measuredIn(checks, 'no:such')).toBeNull();
});

test('votes, orders, paths and who coordinates are judged from it; what it does not tell is skipped with a reason', async () => {
  const told = worldTold(cluster, status, checks);
  expect(told).toMatchObject({ from: 'replica', leaderAgeMs: 400, cluster: { version: status.cluster.version } });
  const checked = await runChecks(CHECKS, toolsOf({ world: async () => told }), () => NOW_MS);
  expect(checked.filter(({ state }) => state === 'skip').map(({ id }) => id)).toEqual(['drills', 'pages', 'paging-test']);
  const saying = (id: string): readonly string[] => checked.filter((each) => each.id === id).map(({ state, says }) => `${state} ${says}`);
  expect(saying('votes')).toEqual(['warn ap-south abstains: anchors unreachable; 2 of 3 speak']);
  expect(saying('versions')).toEqual(['ok 1.0.0 at eu-west/a, us-east/a, ap-south/a']);
  expect(saying('coordinator')).toEqual(['ok us-east/a, term 4']);
  for (const { says } of checked) expect(says).not.toMatch(/undefined|NaN|Infinity/);
});
