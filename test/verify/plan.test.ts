// What there is to look at, and what of it nobody here can: never left out in silence.
import { describe, expect, test } from 'vitest';
import type { FleetConfig, PlatformConfig } from '../../src/runbook/model.ts';
import type { SystemKind } from '../../src/runbook/systems.ts';
import { verifyPlan } from '../../src/verify/plan.ts';
import { shop } from '../objectives/fixture.ts';
import { EAST, WEST } from '../runbook/platforms.ts';

const site = { namespace: 'app', deployment: 'codec', replicas: 2, standby: 0 };
const fleet: FleetConfig = {
  name: 'codec',
  kind: 'codec',
  startMs: 0,
  sites: { [WEST]: { ...site, system: 'kube', check: 'codec' } },
} as unknown as FleetConfig;
const platform: PlatformConfig = { ...shop, model: 'active-cold', fleets: [fleet], namespaces: [] };

const planned = (given: Partial<PlatformConfig>, kinds: Readonly<Record<string, SystemKind>> = {}) =>
  verifyPlan({ ...platform, ...given }, { services: [] }, [EAST, WEST], (system) => kinds[system]);

describe("a fleet's check", () => {
  test('of kind http is asked', () => {
    const { checks, unasked } = planned({}, { codec: 'http' });
    expect([checks, unasked]).toEqual([[{ region: WEST, system: 'codec' }], []]);
  });

  test.each([
    ['that this file does not name', {}, 'this file names no codec'],
    ['of another kind', { codec: 'codec' }, 'codec is of kind codec, which is not asked here'],
  ] as const)('%s is unknown', (_name, kinds, because) => {
    const { checks, unasked } = planned({}, kinds);
    expect(checks).toEqual([]);
    expect(unasked).toEqual([{ step: 'health', of: 'codec', region: WEST, because, fix: expect.stringMatching(/.{10,}/) }]);
  });
});

test('a migration in a region where no cluster is named is unknown', () => {
  const verify = { migration: { namespace: 'app', job: 'migrate', regions: [] }, deployments: [], checks: {} };
  const { jobs, unasked } = planned({ verify }, { codec: 'http' });
  expect(jobs.map(({ region }) => region)).toEqual([WEST]);
  expect(unasked).toMatchObject([
    { step: 'migration', of: 'Job app/migrate', region: EAST, because: `the platform names no cluster in ${EAST}` },
  ]);
});

test('none may be wanted of a fleet whose standby is none, unless every region is active', () => {
  expect(planned({}).deployments.map(({ standby }) => standby)).toEqual([0]);
  expect(planned({ model: 'active-active' }).deployments.map(({ standby }) => standby)).toEqual([null]);
});
