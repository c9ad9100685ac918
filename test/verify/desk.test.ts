// A replica verifies a deployment for whoever asks: one round at a time, none without an end, the young one answered again. On virtual time, over fakes.
import { expect, test } from 'vitest';
import { Fault } from '../../src/errors.ts';
import type { PlatformConfig } from '../../src/runbook/platform.ts';
import { createVerifyDesk, PAUSE_MS, ROUND_MS, type VerifyReport, YOUNG_MS } from '../../src/verify/desk.ts';
import { platform } from '../api/runs.fixture.ts';
import { clusterWith } from '../runbook/rig.ts';
import { createVirtual } from '../virtual.ts';

const NOW_MS = 1_795_316_400_000;
const [EU, US] = ['eu-west', 'us-east'];
const asked = (name: string, checks: readonly string[]): PlatformConfig =>
  platform(name, { regions: [EU, US], services: [], verify: { deployments: [], checks: { [EU]: checks } } });

const stage = () => {
  const virtual = createVirtual({ startWallMs: NOW_MS, seed: 'verify' });
  const calls: string[] = [];
  /** Systems that never answer. */
  const silent = new Set<string>();
  const desk = createVerifyDesk({
    ports: virtual.ports,
    region: EU,
    replica: 'a',
    nowMs: () => NOW_MS + virtual.now(),
    kindOf: () => 'http',
    system: async (name) =>
      ({
        kind: 'http',
        host: name,
        good: [[200, 299]],
        ask: async () => {
          calls.push(name);
          return silent.has(name) ? new Promise<never>(() => undefined) : 200;
        },
      }) as never,
    probe: () => async () => ({ saw: 'ok', tookMs: 1 }) as never,
    check: () => async () => ({ is: 'reached', because: '' }),
    matrices: async () => [],
    activeOf: async () => EU,
  });
  const verify = (of: PlatformConfig, regions: readonly string[] = of.regions) => desk.verify(clusterWith(of), of, regions);
  return { virtual, calls, silent, verify };
};

const refused = (report: Promise<VerifyReport>): Promise<string> =>
  report.then(
    () => 'answered',
    (error: unknown) => (error instanceof Fault ? `${error.code} ${error.busyMs}` : String(error)),
  );

test('all is looked at, by whom and when', async () => {
  const { verify } = stage();
  expect(await verify(asked('shop', ['ui']))).toEqual({
    platform: 'shop',
    outcome: 'good',
    by: { region: EU, replica: 'a' },
    atMs: NOW_MS,
    lines: [{ step: 'health', of: 'ui', region: EU, is: 'ok', because: 'ui answered 200', fix: '' }],
  });
});

test('nothing to look at is not good', async () => {
  const { verify } = stage();
  expect(await verify(asked('shop', []))).toMatchObject({ outcome: 'not-good', lines: [] });
});

test('who asks the same while it is looked at, or just after, shares the round', async () => {
  const { virtual, calls, verify } = stage();
  const shop = asked('shop', ['ui']);
  const [one, two] = await Promise.all([verify(shop), verify(shop)]);
  expect(two).toBe(one);
  await virtual.advance(YOUNG_MS - 1);
  expect(await verify(shop)).toBe(one);
  expect(calls).toEqual(['ui']);
  await virtual.advance(1);
  expect((await verify(shop)).atMs).toBe(NOW_MS + YOUNG_MS);
  expect(calls).toEqual(['ui', 'ui']);
});

test('another question waits until the round is over, and a moment more; one region is another question', async () => {
  const { virtual, silent, verify } = stage();
  silent.add('slow');
  const slow = verify(asked('slow', ['slow']));
  expect(await refused(verify(asked('shop', ['ui'])))).toBe(`ERR_TOO_MANY ${PAUSE_MS}`);
  expect(await refused(verify(asked('slow', ['slow']), [EU]))).toBe(`ERR_TOO_MANY ${PAUSE_MS}`);
  await virtual.advance(ROUND_MS);
  expect((await slow).outcome).toBe('not-good');
  expect(await refused(verify(asked('shop', ['ui'])))).toBe(`ERR_TOO_MANY ${PAUSE_MS}`);
  await virtual.advance(PAUSE_MS);
  expect(await verify(asked('shop', ['ui']))).toMatchObject({ platform: 'shop', outcome: 'good' });
});

test('a round ends in time: what did not answer is unknown, what was not begun too, and what answered is told', async () => {
  const { virtual, calls, silent, verify } = stage();
  const names = Array.from({ length: 20 }, (_, at) => `hang-${String(at).padStart(2, '0')}`);
  for (const name of names) silent.add(name);
  const report = verify(asked('shop', ['ui', ...names]));
  await virtual.advance(ROUND_MS);
  const { outcome, lines } = await report;
  expect(outcome).toBe('not-good');
  expect(lines.filter(({ is }) => is === 'ok').map(({ of }) => of)).toEqual(['ui']);
  expect(new Set(lines.filter(({ is }) => is !== 'ok').map(({ is, because }) => `${is} ${because}`))).toEqual(
    new Set(['unknown it was not looked at within 10 s; ask again']),
  );
  expect(lines).toHaveLength(21);
  // Eight at a time: the others were never asked.
  expect(calls.length).toBeLessThanOrEqual(9);
});
