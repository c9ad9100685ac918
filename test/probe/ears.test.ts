// What a vantage hears of the others when a region signs: forgeries make nobody look, doubt or wait.
import { afterEach, beforeEach, expect, test } from 'vitest';
import { beatKey, KEYS, voteKey } from '../../src/coordinate/keys.ts';
import { createSigner, newKeyPair } from '../../src/coordinate/signing.ts';
import type { Beat, ClusterConfig, Vote } from '../../src/model.ts';
import { createEars, type Ears } from '../../src/probe/ears.ts';
import { openEmbedded } from '../../src/store/embedded.ts';
import type { Store } from '../../src/store/store.ts';
import { recordingLog } from '../recording-log.ts';
import { createVirtual, type Virtual } from '../virtual.ts';
import { clusterOf } from '../world.ts';

const TARGET = 'web/eu/t1';
const [good, stolen] = [newKeyPair(), newKeyPair()];
const plain = clusterOf(['eu', 'us', 'ap'], [{}]);
const cluster: ClusterConfig = {
  ...plain,
  regions: plain.regions.map((r) => (r.name === 'us' ? { ...r, keys: [good.publicKey] } : r)),
};

let virtual: Virtual;
let store: Store;
let ears: Ears;
let hints: string[];
let others: string[][];
let elders: boolean[];
let reads: number;

beforeEach(async () => {
  virtual = createVirtual({ startWallMs: Date.UTC(2026, 10, 22), seed: 1 });
  store = openEmbedded({ file: ':memory:', ports: virtual.ports });
  await store.txn({ if: [], then: [{ put: KEYS.members, value: cluster }] });
  [hints, others, elders, reads] = [[], [], [], 0];
  const { get } = store;
  store.get = (...asked) => {
    reads++;
    return get.apply(store, asked);
  };
  ears = createEars({
    ports: virtual.ports,
    store,
    log: recordingLog(),
    region: 'eu',
    cluster: () => cluster,
    saw: () => undefined,
    onMembers: () => undefined,
    onAdopted: () => undefined,
    onHints: (from) => hints.push(from),
    onOthers: (votes) => others.push(votes.map(({ region }) => region)),
    onElders: (some) => elders.push(some),
  });
  await virtual.advance(10);
});
afterEach(async () => {
  ears.stop();
  await store.close();
});

const beatOf = (n: number, bootN?: number): Beat => ({
  boot: 'b',
  ...(bootN === undefined ? {} : { bootN }),
  seq: 1,
  n,
  configVersion: 1,
  suspects: { [`${TARGET}#healthz`]: { firstFaultAgeMs: 10, lastOkAgeMs: null, faults: 1, reason: 'refused' } },
  loopDelayMs: 0,
  wallMs: 0,
});
const vote: Vote = {
  boot: 'b',
  bootN: 1,
  seq: 1,
  configVersion: 1,
  self: { state: 'ok' },
  peers: ['a'],
  down: [TARGET],
  unready: [],
  unknown: [],
};

/** Two beats and a vote, as somebody with this key writes them; null: unsigned. */
const speak = async (region: string, privatePem: string | null, bootN?: number): Promise<void> => {
  const place = { cluster: cluster.name, region, replica: 'a' };
  const signed = <T extends object>(kind: 'vote' | 'beat', record: T): T =>
    privatePem === null ? record : { ...record, signature: createSigner(privatePem).sign(kind, place, record) };
  for (const n of [1, 2]) {
    const then = [
      { put: voteKey(region, 'a'), value: signed('vote', vote) },
      { put: beatKey(region, 'a'), value: signed('beat', beatOf(n, bootN)) },
    ];
    await store.txn({ if: [], then });
    ears.listen();
    await virtual.advance(10);
  }
};

test('what a region has signed is heard: hints, and votes to compare with', async () => {
  await speak('us', good.privatePem, 1);
  expect(hints).toEqual(['us']);
  expect(others.at(-1)).toEqual(['us']);
});

test.each([
  ['unsigned', null],
  ['signed with another key', stolen.privatePem],
])('%s records of a region that signs are not heard at all', async (_name, key) => {
  await speak('us', key, 1);
  expect(hints).toEqual([]);
  expect(others.at(-1)).toEqual([]);
});

test('a forgery without a boot number makes nobody believe that an old version runs', async () => {
  await speak('us', null);
  expect(elders.every((some) => !some)).toBe(true);
});

test('a region without keys is heard as it is', async () => {
  await speak('ap', null, 1);
  expect(hints).toEqual(['ap']);
  expect(others.at(-1)).toEqual(['ap']);
});

test('the store is asked without a reason only when it has not been heard for the span of a heartbeat', async () => {
  const { beatMs } = cluster.policy;
  const before = reads;
  for (let n = 0; n < 10; n++) {
    await virtual.advance(beatMs - 100);
    ears.listen();
  }
  await virtual.advance(50);
  expect(reads - before).toBe(10);
  await virtual.advance(10 * beatMs);
  expect(reads - before).toBe(20);
});

test('a store that does not answer is asked again after that span, as often as it takes', async () => {
  const { get } = store;
  let asked = 0;
  store.get = () => {
    asked++;
    return Promise.reject(new Error('out of reach'));
  };
  await virtual.advance(10 * cluster.policy.beatMs);
  expect(asked).toBe(10);
  store.get = get;
});
