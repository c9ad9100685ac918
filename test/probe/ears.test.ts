// What a vantage hears of the others when a region signs: forgeries make nobody look, doubt or wait.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { beatKey, KEYS, voteKey } from '../../src/coordinate/keys.ts';
import { createSigner, newKeyPair } from '../../src/coordinate/signing.ts';
import type { Beat, ClusterConfig, Vote } from '../../src/model.ts';
import { createEars, type Ears } from '../../src/probe/ears.ts';
import { openEmbedded } from '../../src/store/embedded.ts';
import type { Op, Store, Watch, WatchEvent } from '../../src/store/store.ts';
import { type RecordingLog, recordingLog } from '../recording-log.ts';
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
let saw: number[];
let log: RecordingLog;
let watch: Watch;
/** Of the news: what gets through. */
let passes: (event: WatchEvent) => boolean;

beforeEach(async () => {
  virtual = createVirtual({ startWallMs: Date.UTC(2026, 10, 22), seed: 1 });
  store = openEmbedded({ file: ':memory:', ports: virtual.ports });
  await store.txn({ if: [], then: [{ put: KEYS.members, value: cluster }] });
  log = recordingLog();
  saw = [];
  [hints, others, elders, reads] = [[], [], [], 0];
  passes = () => true;
  const { get } = store;
  store.get = (...asked) => {
    reads++;
    return get.apply(store, asked);
  };
  ears = createEars({
    ports: virtual.ports,
    store,
    log,
    region: 'eu',
    cluster: () => cluster,
    saw: (rev) => saw.push(rev),
    onMembers: () => undefined,
    onAdopted: () => undefined,
    onHints: (from) => hints.push(from),
    onOthers: (votes) => others.push(votes.map(({ region }) => region)),
    onElders: (some) => elders.push(some),
  });
  watch = store.watch('', (event) => passes(event) && ears.notice(event));
  await virtual.advance(10);
});
afterEach(async () => {
  watch.close();
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
    ears.notice({ kind: 'resync' });
  }
  await virtual.advance(50);
  expect(reads - before).toBe(10);
  await virtual.advance(10 * beatMs);
  expect(reads - before).toBe(20);
});

test('a store that does not answer is asked again after that span, as often as it takes, and why is told once', async () => {
  const { get } = store;
  let asked = 0;
  const out = (because: string) => () => {
    asked++;
    return Promise.reject(new Error(because));
  };
  const told = () => log.of('vantage.listen').map(({ fields }) => fields.because);
  store.get = out('out of reach');
  await virtual.advance(10 * cluster.policy.beatMs);
  expect(asked).toBe(10);
  expect(told()).toEqual(['out of reach']);
  store.get = out('no leader');
  await virtual.advance(2 * cluster.policy.beatMs);
  store.get = get;
  await virtual.advance(2 * cluster.policy.beatMs);
  store.get = out('no leader');
  await virtual.advance(2 * cluster.policy.beatMs);
  expect(told()).toEqual(['out of reach', 'no leader', 'no leader']);
  store.get = get;
});

describe('news', () => {
  const beatAt = beatKey('ap', 'a');
  const put = (then: readonly Op[]) => store.txn({ if: [], then });
  /** As a store tells it that says only which keys changed. */
  const bare = ({ rev, keys }: Extract<WatchEvent, { kind: 'changed' }>): WatchEvent => ({ kind: 'changed', rev, keys });

  beforeEach(async () => {
    await speak('ap', null, 1);
    [hints, others] = [[], []];
    reads = 0;
  });

  test('what it says is heard, and nothing is read for it', async () => {
    await put([{ put: beatAt, value: beatOf(3, 1) }]);
    await put([{ put: voteKey('us', 'a'), value: vote }]);
    await virtual.advance(10);
    expect({ hints, reads }).toEqual({ hints: ['ap'], reads: 0 });
    expect(others.at(-1)).toEqual(['ap']);
  });

  test('alone it is believed for ten seconds, then it is compared with the store', async () => {
    for (let n = 3; n < 28; n++) {
      await put([{ put: beatAt, value: beatOf(n, 1) }]);
      await virtual.advance(1000);
    }
    expect(reads).toBe(2);
    expect(hints).toHaveLength(25);
  });

  test('of a key that is gone, of the configuration, and of a store that says only which keys changed is looked at in the store', async () => {
    await put([{ put: KEYS.members, value: cluster }]);
    await virtual.advance(10);
    expect(reads).toBe(1);
    await put([{ del: beatAt }]);
    await virtual.advance(10);
    expect(reads).toBe(2);
    expect(others.at(-1)).toEqual([]);
    passes = (event) => {
      if (event.kind === 'changed') ears.notice(bare(event));
      return false;
    };
    await put([{ put: beatAt, value: beatOf(9, 1) }]);
    await virtual.advance(10);
    expect({ reads, last: others.at(-1) }).toEqual({ reads: 3, last: ['ap'] });
  });

  test('that was overtaken, by later news or by a read, changes nothing', async () => {
    const held: WatchEvent[] = [];
    passes = (event) => {
      held.push(event);
      return false;
    };
    await put([{ put: beatAt, value: beatOf(3, 1) }]);
    await put([{ put: beatAt, value: { ...beatOf(4, 1), suspects: {} } }]);
    await virtual.advance(10);
    const [older, later] = held as [WatchEvent, WatchEvent];
    ears.notice(later);
    ears.notice(older);
    expect(hints).toEqual(['ap']);
    await put([{ del: beatAt }]);
    ears.notice({ kind: 'resync' });
    await virtual.advance(10);
    ears.notice(later);
    expect({ hints, last: others.at(-1) }).toEqual({ hints: ['ap'], last: [] });
  });

  test('is not heard twice while it is read', async () => {
    const { get } = store;
    const answer = Promise.withResolvers<void>();
    store.get = async (...asked) => {
      const read = await get.apply(store, asked);
      await answer.promise;
      return read;
    };
    await put([{ put: beatAt, value: beatOf(3, 1) }]);
    ears.notice({ kind: 'resync' });
    await put([{ put: beatAt, value: beatOf(4, 1) }]);
    await virtual.advance(10);
    // The first of them by its news, before the read.
    expect(hints).toEqual(['ap']);
    answer.resolve();
    await virtual.advance(10);
    expect(hints).toEqual(['ap', 'ap']);
    store.get = get;
  });

  test('after a read that failed does not stand for what that was to show', async () => {
    const { get } = store;
    passes = () => false;
    await put([{ put: voteKey('us', 'a'), value: vote }]);
    await speak('us', good.privatePem, 1);
    store.get = () => Promise.reject(new Error('no leader'));
    ears.notice({ kind: 'resync' });
    await virtual.advance(10);
    store.get = get;
    passes = () => true;
    await put([{ put: beatAt, value: beatOf(5, 1) }]);
    await virtual.advance(10);
    expect(others.at(-1)).toEqual(['ap', 'us']);
  });

  test('of the own region keeps what is known of it fresh, and nothing is read for it', async () => {
    const { beatMs, freshMs } = cluster.policy;
    const elder = beatKey('eu', 'old');
    expect(freshMs).toBeLessThan(10_000);
    await put([{ put: elder, value: beatOf(1) }]);
    ears.notice({ kind: 'resync' });
    await virtual.advance(10);
    elders = [];
    reads = 0;
    for (let n = 2; n < 22; n++) {
      if (n % 2 === 0) await put([{ put: elder, value: beatOf(n) }]);
      await put([{ put: beatAt, value: beatOf(n + 10, 1) }]);
      await virtual.advance(beatMs / 2);
    }
    expect({ hears: elders.length, reads }).toEqual({ hears: 20, reads: 2 });
    expect(elders.every((some) => some)).toBe(true);
  });

  test('raises what this replica has seen of the store', async () => {
    const before = Math.max(...saw);
    const { rev } = await put([{ put: beatAt, value: beatOf(3, 1) }]);
    await virtual.advance(10);
    expect(before).toBeLessThan(rev);
    expect(saw.at(-1)).toBe(rev);
  });
});
