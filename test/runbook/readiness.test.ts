// Audits of platforms while nothing happens: which is due, what of it is told, and the duty that looks, writes and pages.
import { describe, expect, test } from 'vitest';
import { outboxKey, platformKey, readinessKey } from '../../src/coordinate/keys.ts';
import type { Sight } from '../../src/coordinate/read.ts';
import type { ClusterConfig, Page } from '../../src/model.ts';
import type { AuditLine, Steady } from '../../src/runbook/facts.ts';
import type { PlatformConfig } from '../../src/runbook/platform.ts';
import { AUDIT_EVERY_MS, createReadinessDuty, dueNow, newsOf, type ReadinessRecord } from '../../src/runbook/readiness.ts';
import { createMemoryStore } from '../memory-store.ts';
import { recordingLog } from '../recording-log.ts';
import { createVirtual } from '../virtual.ts';
import { clusterOf } from '../world.ts';
import { platformOf } from './rig.ts';

const platform = (name: string): PlatformConfig => platformOf({ name, model: 'active-hot', regions: ['a', 'b'], services: ['web'] });
const CLUSTER: ClusterConfig = { ...clusterOf(['a', 'b', 'c'], [{}]), platforms: [platform('orders'), platform('tenants')] };
const recordOf = (fields: Partial<ReadinessRecord>): ReadinessRecord => ({
  platform: 'orders',
  atMs: 0,
  score: 100,
  lines: [],
  membersVersion: CLUSTER.version,
  told: [],
  nonce: 'n',
  ...fields,
});
const line = (fields: Partial<AuditLine>): AuditLine => ({
  check: 'forwarding-disabled',
  of: 'orders.a1b2c',
  is: 'bad',
  weight: 'must',
  because: 'forwarding is on',
  fix: 'disable it',
  ...fields,
});

describe('which is due', () => {
  const due = (records: Readonly<Record<string, ReadinessRecord>>, nowMs: number): string | undefined =>
    dueNow(CLUSTER, new Map(Object.entries(records)), nowMs)?.name;

  test.each<[string, Record<string, ReadinessRecord>, number, string | undefined]>([
    ['none was ever looked at: the first', {}, 0, 'orders'],
    ['one was: the other', { orders: recordOf({ atMs: 5 }) }, 10, 'tenants'],
    ['both were, a moment ago', { orders: recordOf({ atMs: 5 }), tenants: recordOf({ atMs: 5 }) }, 10, undefined],
    ['a millisecond before half an hour', { orders: recordOf({}), tenants: recordOf({ atMs: 9 }) }, AUDIT_EVERY_MS - 1, undefined],
    ['after half an hour', { orders: recordOf({}), tenants: recordOf({ atMs: 9 }) }, AUDIT_EVERY_MS, 'orders'],
    ['the one that waits longest', { orders: recordOf({ atMs: 9 }), tenants: recordOf({ atMs: 3 }) }, 2 * AUDIT_EVERY_MS, 'tenants'],
    [
      'after a change of configuration',
      { orders: recordOf({ atMs: 5 }), tenants: recordOf({ atMs: 5, membersVersion: 0 }) },
      10,
      'tenants',
    ],
  ])('%s', (_, records, nowMs, name) => expect(due(records, nowMs)).toBe(name));

  test('nothing without platforms', () => expect(dueNow({ version: 1 }, new Map(), 0)).toBeNull());
});

describe('what is told', () => {
  const news = (told: readonly string[] | null, lines: readonly AuditLine[]) =>
    newsOf(CLUSTER, told === null ? null : { told }, { platform: 'orders', atMs: 7, score: 60, lines }, { v: 12, nonce: 'ff', nowMs: 7 });

  test('what would break a failover, once', () => {
    const { told, page } = news(null, [
      line({}),
      line({ of: 'orders.z9' }),
      line({ weight: 'should', of: 'x' }),
      line({ is: 'unknown', of: 'y' }),
    ]);
    expect(told).toEqual(['forwarding-disabled orders.a1b2c', 'forwarding-disabled orders.z9']);
    expect(page).toMatchObject({ type: 'runbook.unready', severity: 'warning', dedupKey: 'tidegate/test/platform-orders', v: 12, atMs: 7 });
    expect(page?.summary).toBe(
      'platform orders: a failover would not do what its model promises; orders.a1b2c: forwarding is on (disable it); orders.z9: forwarding is on (disable it)',
    );
    expect(page?.detail).toMatchObject({ services: ['web'], score: 60 });
    expect(news(told, [line({}), line({ of: 'orders.z9' })]).page).toBeNull();
  });

  test('one more is told again; one less is not', () => {
    expect(news(['forwarding-disabled orders.a1b2c'], [line({}), line({ of: 'orders.z9' })]).page?.type).toBe('runbook.unready');
    const less = news(['forwarding-disabled orders.a1b2c', 'forwarding-disabled orders.z9'], [line({})]);
    expect(less).toEqual({ told: ['forwarding-disabled orders.a1b2c'], page: null });
  });

  test('that all is mended ends it, and only what was told ends', () => {
    const mended = news(['forwarding-disabled orders.a1b2c'], [line({ is: 'good' })]);
    expect(mended.told).toEqual([]);
    expect(mended.page).toMatchObject({ type: 'runbook.ready', severity: 'info', dedupKey: 'tidegate/test/platform-orders' });
    expect(news([], [line({ is: 'good' })]).page).toBeNull();
    expect(news(null, [line({ is: 'unknown' })]).page).toBeNull();
  });

  test('two pages of one decision have ids of their own', () => {
    const first = news(null, [line({})]).page;
    const again = newsOf(
      CLUSTER,
      { told: [] },
      { platform: 'orders', atMs: 9, score: 1, lines: [line({})] },
      { v: 12, nonce: 'ee', nowMs: 9 },
    ).page;
    expect(first?.id).not.toBe(again?.id);
    expect(first?.id).toMatch(/^[A-Za-z0-9_-]+$/);
  });
});

describe('the duty', () => {
  const stage = () => {
    const virtual = createVirtual({ startWallMs: 1_800_000_000_000, seed: 'readiness' });
    const store = createMemoryStore({ random: virtual.ports.random });
    const log = recordingLog();
    const { lines } = log;
    let answers: readonly AuditLine[] = [];
    let commits = true;
    const seen: string[] = [];
    const steady = (active: string): Steady => ({ atMs: 0, active, sites: {}, namespaces: {} });
    let see = async (platform: PlatformConfig, active: string): Promise<Steady> => {
      seen.push(`${platform.name}@${active}`);
      return steady(active);
    };
    const duty = createReadinessDuty({
      ports: virtual.ports,
      log,
      store,
      see: (platform, active) => see(platform, active),
      judge: (platform, { atMs }) => ({ platform: platform.name, atMs, score: 50, lines: answers }),
    });
    const term = {
      commit: async (conditions: Parameters<typeof store.txn>[0]['if'], then: Parameters<typeof store.txn>[0]['then']) =>
        commits && (await store.txn({ if: conditions, then })).ok,
    };
    const sight = { cluster: CLUSTER, routing: { v: 3 } } as unknown as Sight;
    return {
      store,
      seen,
      lines,
      say: (next: readonly AuditLine[]) => {
        answers = next;
      },
      look: (next: typeof see) => {
        see = next;
      },
      refuse: (next: boolean) => {
        commits = !next;
      },
      /** Turns every half second for so long. */
      async run(ms: number) {
        for (const endMs = virtual.now() + ms; virtual.now() < endMs; ) {
          duty.turn(sight, 1_000_000 + virtual.now(), term);
          await virtual.advance(500);
        }
      },
      async pages(): Promise<readonly string[]> {
        return (await store.get({ prefixes: [outboxKey('')] })).kvs.map(({ value }) => (value as Page).type);
      },
    };
  };

  test('looks at each platform at once, then every half hour, and writes what it found', async () => {
    const { run, seen, store } = stage();
    await run(60_000);
    expect(seen).toEqual(['orders@a', 'tenants@a']);
    const { kvs } = await store.get({ prefixes: [readinessKey('')] });
    expect(kvs.map(({ key }) => key)).toEqual(['readiness/orders', 'readiness/tenants']);
    expect(kvs[0]?.value).toMatchObject({ platform: 'orders', score: 50, told: [], membersVersion: CLUSTER.version });
    await run(AUDIT_EVERY_MS);
    expect(seen).toHaveLength(4);
  });

  test('looks at a platform as active where its record says', async () => {
    const { run, seen, store } = stage();
    await store.txn({ if: [], then: [{ put: platformKey('tenants'), value: { active: 'b' } }] });
    await run(60_000);
    expect(seen).toEqual(['orders@a', 'tenants@b']);
  });

  test('what is broken is paged once, and its end', async () => {
    const { run, say, pages } = stage();
    say([line({})]);
    await run(2 * AUDIT_EVERY_MS);
    expect((await pages()).toSorted()).toEqual(['runbook.unready', 'runbook.unready']);
    say([line({ is: 'good' })]);
    await run(2 * AUDIT_EVERY_MS);
    expect((await pages()).filter((type) => type === 'runbook.ready')).toHaveLength(2);
  });

  test('a look that fails or hangs, and a commit that is refused, are tried again, and no sooner than a minute', async () => {
    const { run, look, seen, refuse, lines, store } = stage();
    let calls = 0;
    look(async () => {
      calls++;
      throw new Error('no such system');
    });
    await run(59_000);
    expect(calls).toBe(1);
    expect(lines.some((each) => JSON.stringify(each).includes('no such system'))).toBe(true);
    look(() => new Promise(() => {}));
    await run(70_000);
    refuse(true);
    look(async (platform, active) => {
      seen.push(platform.name);
      return { atMs: 0, active, sites: {}, namespaces: {} };
    });
    await run(180_000);
    expect((await store.get({ prefixes: [readinessKey('')] })).kvs).toEqual([]);
    expect(seen.length).toBeGreaterThan(0);
    refuse(false);
    await run(130_000);
    expect((await store.get({ prefixes: [readinessKey('')] })).kvs).toHaveLength(2);
  });
});
