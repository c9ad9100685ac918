// What a replica tells by itself: once, under its region's keys, and through a store that stumbles.
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Page } from '../../src/model.ts';
import { createReporter, type Report } from '../../src/paging/report.ts';
import { isPage } from '../../src/paging/retention.ts';
import { openEmbedded } from '../../src/store/embedded.ts';
import { type Store, StoreAmbiguousError, StoreDefiniteError, type Txn } from '../../src/store/store.ts';
import { recordingLog } from '../recording-log.ts';
import { createVirtual, type Virtual } from '../virtual.ts';
import { clusterOf } from '../world.ts';

let virtual: Virtual;
let store: Store;
beforeEach(() => {
  virtual = createVirtual({ startWallMs: Date.UTC(2026, 10, 22), seed: 1 });
  store = openEmbedded({ file: ':memory:', ports: virtual.ports });
});
afterEach(() => store.close());

const CONFLICT: Report = { type: 'config.conflict', severity: 'critical', subject: 'config-7', summary: 'two configurations 7' };
const cluster = clusterOf(['eu-west', 'us-east', 'ap-south'], []);
const reporter = (through: Store, known = true) =>
  createReporter({
    store: through,
    ports: virtual.ports,
    log: recordingLog(),
    region: 'eu-west',
    replica: 'a',
    cluster: () => (known ? cluster : null),
    nowMs: () => 1000,
  });
const pages = async (): Promise<readonly Page[]> => (await store.get({ prefixes: ['outbox/'] })).kvs.map(({ value }) => value as Page);

/** A store whose first replies are lost or refused, as `mishaps` says; nothing else about it changes. */
const stumbling = (mishaps: ('lost' | 'refused')[]): Store => ({
  clusterId: store.clusterId,
  get: (query) => store.get(query),
  watch: (prefix, onEvent) => store.watch(prefix, onEvent),
  close: async () => undefined,
  async txn(txn: Txn) {
    const mishap = mishaps.shift();
    if (mishap === 'refused') throw new StoreDefiniteError('no leader');
    const result = await store.txn(txn);
    if (mishap === 'lost') throw new StoreAmbiguousError('the reply was lost');
    return result;
  },
});

test('a report is a page under the keys of its own region, with a stable key for receivers', async () => {
  await reporter(store).tell(CONFLICT);
  const [told] = await pages();
  expect(told).toMatchObject({ type: 'config.conflict', severity: 'critical', summary: 'two configurations 7', delivered: [] });
  expect(told?.id).toMatch(/^eu-west\.a-/);
  expect(told?.dedupKey).toBe(`tidegate/${cluster.name}/config-7`);
  expect(told?.detail).toEqual({ region: 'eu-west', replica: 'a' });
  expect(isPage(told)).toBe(true);
});

test('the same subject is told once, another is told too', async () => {
  const mine = reporter(store);
  await mine.tell(CONFLICT);
  await mine.tell(CONFLICT);
  await mine.tell({ ...CONFLICT, subject: 'config-8' });
  expect(await pages()).toHaveLength(2);
});

test('refused and lost replies: tried again, written once', async () => {
  const telling = reporter(stumbling(['refused', 'lost'])).tell(CONFLICT);
  await virtual.advance(10_000);
  await telling;
  expect(await pages()).toHaveLength(1);
});

test('a store that never answers is given up in the end, and a stop ends the tries at once', async () => {
  const telling = reporter(stumbling(Array.from({ length: 50 }, () => 'refused' as const))).tell(CONFLICT);
  await virtual.advance(60_000);
  await telling;
  const second = reporter(stumbling(Array.from({ length: 50 }, () => 'refused' as const)));
  const stopped = second.tell(CONFLICT);
  second.stop();
  await virtual.advance(1);
  await stopped;
  expect(await pages()).toHaveLength(0);
});

test('before a cluster is known there is nobody to tell it of, and nothing is marked as told', async () => {
  await reporter(store, false).tell(CONFLICT);
  expect(await pages()).toHaveLength(0);
});
