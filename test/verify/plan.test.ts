// What there is to look at, and what of it nobody here can: never left out in silence.
import { describe, expect, test } from 'vitest';
import type { FleetConfig, PlatformConfig } from '../../src/runbook/platform.ts';
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
  test.each(['http', 'codec', 'grpc'] as const)('of kind %s is asked', (kind) => {
    const { checks, unasked } = planned({}, { codec: kind });
    expect([checks, unasked]).toEqual([[{ region: WEST, system: 'codec', kind }], []]);
  });

  test('that this file does not name is unknown', () => {
    const { checks, unasked } = planned({}, {});
    expect(checks).toEqual([]);
    expect(unasked).toEqual([
      { step: 'health', of: 'codec', region: WEST, because: 'this file names no codec', fix: expect.stringMatching(/.{10,}/) },
    ]);
  });

  test('is asked once, though verify names it too', () => {
    const verify = { deployments: [], checks: { [WEST]: ['codec', 'page'] } };
    expect(planned({ verify }, { codec: 'codec' }).checks).toEqual([
      { region: WEST, system: 'codec', kind: 'codec' },
      { region: WEST, system: 'page', kind: 'http' },
    ]);
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
