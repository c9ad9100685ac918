// What of the gate the contract does not say: how a record looks, what may not be written, and what the store's refusals mean.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatFence } from '../../providers/fence.ts';
import { quantise, readBackOf, recordOf } from '../../providers/gate/convert.ts';
import { gate } from '../../providers/gate/index.ts';
import { gateKey, parseGate } from '../../providers/gate/record.ts';
import type { Change, ProviderService } from '../../providers/provider.ts';
import { Fault } from '../../src/errors.ts';
import { stepFor } from '../../src/publish/plan.ts';
import { StoreDefiniteError } from '../../src/store/store.ts';
import { createMemoryStore } from '../memory-store.ts';
import { seededRandom } from '../virtual.ts';
import { fenceOf, GATE, serviceOf, WEB } from './gate.fixture.ts';

const NOW = new AbortController().signal;
const NONE = { fence: null, shares: null, foreign: [], token: null };
const changeOf = (desired: ProviderService, v = 1): Change => ({ desired, fence: fenceOf(v, desired), previous: NONE });
const memoryStore = () => createMemoryStore({ random: seededRandom('gate') });

describe('a record', () => {
  test('names every pool with its region, and which are open', () => {
    const desired = serviceOf(WEB, { 'us-east': 500, 'ap-south': 500 });
    const fence = fenceOf(7, desired);
    expect(recordOf({ desired, fence })).toEqual({
      v: 1,
      fence: formatFence(fence),
      pools: {
        'eu-west': { open: false, region: 'eu-west' },
        'us-east': { open: true, region: 'us-east' },
        'ap-south': { open: true, region: 'ap-south' },
      },
    });
    expect(quantise(desired)).toEqual({ 'eu-west': 0, 'us-east': 500, 'ap-south': 500 });
  });

  test('of a route that serves somebody is understood, has somebody open, and reads back as it was quantised', () => {
    const shares = fc.array(fc.record({ share: fc.nat(1000), configuredShare: fc.nat(1000) }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(shares, (given) => {
        fc.pre(given.some(({ share }) => share > 0));
        const pools = given.map((share, at) => ({ pool: `p${at}`, region: `r${at}`, answers: [], ...share }));
        const desired: ProviderService = { service: WEB, ttlS: 1, pools };
        const record = recordOf({ desired, fence: fenceOf(1, desired) });
        expect(parseGate(JSON.parse(JSON.stringify(record)))).toEqual(record);
        expect(Object.values(record.pools).some(({ open }) => open)).toBe(true);
        expect(readBackOf(desired, { value: record, mod: 1 }).shares).toEqual(quantise(desired));
        for (const { pool, share } of pools) if (share === 0) expect(record.pools[pool]?.open).toBe(false);
      }),
    );
  });

  test('that is not understood is written anew over the revision that was seen', async () => {
    const store = memoryStore();
    const desired = serviceOf();
    await store.txn({ if: [], then: [{ put: gateKey(WEB), value: { v: 99 } }] });
    const provider = gate.open(GATE, { store });
    const back = (await provider.read([desired], NOW)).get(WEB)!;
    expect(back).toMatchObject({ fence: null, shares: null, foreign: ['a record that is not understood'] });
    expect(await provider.apply([{ ...changeOf(desired), previous: back }], NOW)).toMatchObject({ outcome: 'applied' });
    expect((await provider.read([desired], NOW)).get(WEB)).toMatchObject({ fence: { v: 1 }, foreign: [] });
  });

  test('keeps a pool that was drained when it left the configuration, and that is no drift', async () => {
    const store = memoryStore();
    const provider = gate.open(GATE, { store });
    const before = serviceOf(WEB, { 'us-east': 500, 'ap-south': 500 });
    const fence = fenceOf(1, before);
    await provider.apply([{ desired: before, fence, previous: NONE }], NOW);
    const after = { ...before, pools: before.pools.slice(1) };
    const back = (await provider.read([after], NOW)).get(WEB)!;
    const step = stepFor({ desired: after, fence: fenceOf(1, after), applied: null }, back, provider);
    expect(step).toMatchObject({ kind: 'write', why: 'behind' });
  });
});

describe('what is not written', () => {
  test('a batch beyond the limit is refused as a whole, so that it is split', async () => {
    const provider = gate.open(GATE, { store: memoryStore() });
    const changes = Array.from({ length: gate.can.batchMax + 1 }, (_, n) => changeOf(serviceOf(`s${n}.test`)));
    expect(await provider.apply(changes, NOW)).toMatchObject({ outcome: 'fatal', because: expect.stringContaining('at most 100') });
    expect(await provider.apply(changes.slice(1), NOW)).toMatchObject({ outcome: 'applied' });
  });

  test('without a store nothing is read or written, and the sentence says so; what it would own is known all the same', async () => {
    const provider = gate.open(GATE, {});
    await expect(provider.read([serviceOf()], NOW)).rejects.toMatchObject({
      code: 'ERR_PROVIDER',
      message: expect.stringContaining('the store'),
    });
    expect(await provider.apply([changeOf(serviceOf())], NOW)).toMatchObject({ outcome: 'fatal' });
    expect(provider.owns([serviceOf()])).toEqual([{ object: `record gate/${WEB} of our own store`, fields: ['the whole record'] }]);
  });

  test.each([
    ['rights that are missing', new StoreDefiniteError('denied', { cause: new Fault('ERR_STORE_DENIED', 'denied') }), 'fatal'],
    ['rights that are missing, said plainly', new Fault('ERR_STORE_DENIED', 'denied'), 'fatal'],
    ['a store that is another one', new Fault('ERR_STORE_REPLACED', 'replaced'), 'undecided'],
    ['a disk that is full', new StoreDefiniteError('full'), 'undecided'],
    ['anything else', new Error('reset'), 'undecided'],
  ])('%s', async (_what, error, outcome) => {
    const store = { ...memoryStore(), get: async () => ({ rev: 0, kvs: [] }), txn: () => Promise.reject(error) };
    const provider = gate.open(GATE, { store: store as never });
    expect(await provider.apply([changeOf(serviceOf())], NOW)).toMatchObject({
      outcome,
      because: expect.stringContaining('did not take it'),
    });
  });
});

test('five hundred gates are read in one request', async () => {
  const store = memoryStore();
  const provider = gate.open(GATE, { store });
  const services = Array.from({ length: 500 }, (_, n) => serviceOf(`s${n}.test`));
  for (let at = 0; at < services.length; at += 100)
    await provider.apply(
      services.slice(at, at + 100).map((desired) => changeOf(desired)),
      NOW,
    );
  let reads = 0;
  const counting = {
    ...store,
    get: (...args: Parameters<typeof store.get>) => {
      reads++;
      return store.get(...args);
    },
  };
  expect((await gate.open(GATE, { store: counting as never }).read(services, NOW)).size).toBe(500);
  expect(reads).toBe(1);
});
