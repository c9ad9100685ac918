// The trail of a decision: what is kept of how it reached its providers, for several writers, within bounds, and never in the way of the work itself.
import { describe, expect, test } from 'vitest';
import { stateHash } from '../../providers/fence.ts';
import type { Applied, Change, Provider } from '../../providers/provider.ts';
import { trailKey } from '../../src/coordinate/keys.ts';
import type { Trail } from '../../src/model.ts';
import { realPorts } from '../../src/ports.ts';
import { createTrailKeeper } from '../../src/publish/trail.ts';
import type { Store } from '../../src/store/store.ts';
import { createMemoryStore } from '../memory-store.ts';
import * as aws from '../providers/route53.fixture.ts';
import { createVirtual, seededRandom } from '../virtual.ts';
import { silentLog } from '../world.ts';
import { lagging, publishing, routingOf, SERVICES } from './fixture.ts';

const storeOf = (): Store => createMemoryStore({ random: seededRandom('trail') });

const read = async (store: Pick<Store, 'get'>, v: number): Promise<Trail | undefined> =>
  (await store.get({ keys: [trailKey(v)] })).kvs[0]?.value as Trail | undefined;

/** Names every request that it takes. */
const naming = (inner: Provider): Provider => {
  let n = 0;
  return {
    ...inner,
    async apply(changes, signal): Promise<Applied> {
      return { ...(await inner.apply(changes, signal)), requests: [`req-${++n}`] };
    },
  };
};

describe('what a publisher leaves behind', () => {
  test('each service by each provider, with the vendor’s names, a moment after the acknowledgement', async () => {
    const store = storeOf();
    const p = publishing(naming, { trail: store, also: { second: (inner) => inner } });
    await p.virtual.advance(900);
    expect(p.acknowledged.length).toBeGreaterThan(0);
    expect(await read(store, 2)).toBeUndefined();
    await p.virtual.advance(1000);
    const step = { outcome: 'applied', tries: 1, because: '', by: 'a/a/boot' };
    expect((await read(store, 1))?.services).toMatchObject({
      web: { memory: { ...step, requests: ['req-1'] }, second: { ...step, requests: [] } },
    });
    expect((await read(store, 2))?.services).toMatchObject({ api: { memory: step, second: step } });
    await p.publisher.stop();
    expect(p.virtual.pendingTimers()).toBe(0);
  });

  test('tries that failed, and how it came through in the end', async () => {
    const store = storeOf();
    let failures = 2;
    const p = publishing(
      (inner) => ({
        ...inner,
        apply: async (changes, signal) =>
          failures-- > 0
            ? { outcome: 'undecided', because: 'no answer in 3000 ms', requests: [`lost-${failures}`] }
            : inner.apply(changes, signal),
      }),
      { trail: store, services: ['web'], routing: routingOf(1, { web: 1 }) },
    );
    await p.virtual.advance(1900);
    expect((await read(store, 1))?.services.web?.memory).toMatchObject({ outcome: 'undecided', because: 'no answer in 3000 ms' });
    await p.virtual.advance(20_000);
    expect((await read(store, 1))?.services.web?.memory).toMatchObject({
      outcome: 'applied',
      tries: 3,
      requests: ['lost-1', 'lost-0'],
      because: '',
    });
    await p.publisher.stop();
  });

  test('a receipt is a name too, and how it ended is added', async () => {
    const store = storeOf();
    const p = publishing((inner) => lagging(() => p0.virtual.now(), 5000)(inner), {
      trail: store,
      services: ['web'],
      routing: routingOf(1, { web: 1 }),
    });
    const p0 = p;
    await p.virtual.advance(30_000);
    expect((await read(store, 1))?.services.web?.memory).toMatchObject({
      outcome: 'applied',
      requests: ['operation-1'],
      settled: { ended: 'settled', because: 'as acknowledged' },
    });
    await p.publisher.stop();
  });

  test('a store that does not answer costs the trail, and nothing else', async () => {
    const broken: Pick<Store, 'get' | 'txn'> = { get: () => new Promise(() => {}), txn: () => Promise.reject(new Error('gone')) };
    const p = publishing(naming, { trail: broken });
    const q = publishing(naming);
    await Promise.all([p.virtual.advance(60_000), q.virtual.advance(60_000)]);
    expect([p.acknowledged, p.outcomes, p.calls.reads]).toEqual([q.acknowledged, q.outcomes, q.calls.reads]);
    await Promise.all([p.publisher.stop(), q.publisher.stop()]);
    expect(p.virtual.pendingTimers()).toBe(0);
  });
});

describe('the record', () => {
  const change = (service: string, v: number): Change => ({
    desired: { service, ttlS: 10, pools: [] },
    fence: { v, epoch: 1, writer: 'w', nonce: 'n', hash: 'h' },
    previous: { fence: null, shares: null, foreign: [], token: null },
  });

  const keeping = (store: Store, writer: string) => {
    const virtual = createVirtual({ startWallMs: 0, seed: writer });
    const keeper = createTrailKeeper({ ports: virtual.ports, log: silentLog, store, writer, nowMs: () => virtual.now() });
    return { virtual, keeper };
  };

  test('the first acknowledgement stays, whoever writes again: after a takeover, and after drift', async () => {
    const store = storeOf();
    const [first, second] = [keeping(store, 'a/a/1'), keeping(store, 'b/a/1')];
    first.keeper.wrote('dns', [change('web', 7), change('api', 7)], { outcome: 'applied', requests: ['one'] }, 10);
    await first.virtual.advance(2000);
    second.keeper.wrote('dns', [change('web', 7), change('new', 7)], { outcome: 'applied', requests: ['two'] }, 10);
    first.keeper.wrote('dns', [change('web', 7)], { outcome: 'fatal', because: 'denied' }, 10);
    await Promise.all([first.virtual.advance(5000), second.virtual.advance(5000)]);
    const { services } = (await read(store, 7)) as Trail;
    expect(services).toMatchObject({
      web: { dns: { outcome: 'applied', by: 'a/a/1', requests: ['one'] } },
      api: { dns: { by: 'a/a/1' } },
      new: { dns: { by: 'b/a/1', requests: ['two'] } },
    });
  });

  test('what was taken back is written again, and that is told', async () => {
    const store = storeOf();
    const { virtual, keeper } = keeping(store, 'a/a/1');
    const c = change('web', 7);
    keeper.wrote('lb', [c], { outcome: 'applied', receipt: 'op-1' }, 10);
    keeper.ended('lb', new Map([['web', c.fence]]), 'failed', 4000, 'rolled back');
    await virtual.advance(2000);
    expect((await read(store, 7))?.services.web?.lb?.settled).toEqual({ ended: 'failed', tookMs: 4000, because: 'rolled back' });
    keeper.wrote('lb', [c], { outcome: 'applied', receipt: 'op-2' }, 10);
    await virtual.advance(2000);
    const step = (await read(store, 7))?.services.web?.lb;
    expect(step).toMatchObject({ outcome: 'applied', tries: 2, requests: ['op-1', 'op-2'] });
    expect(step?.settled).toBeUndefined();
  });

  test('it stays small, and says what it left out', async () => {
    const store = storeOf();
    const { virtual, keeper } = keeping(store, 'a/a/1');
    const long = 'x'.repeat(5000);
    for (let n = 0; n < 300; n++)
      keeper.wrote(
        'dns',
        [change(`s${n}`, 7)],
        { outcome: 'fatal', because: long, requests: Array.from({ length: 20 }, (_, i) => `${i}${long}`) },
        10,
      );
    await virtual.advance(2000);
    const trail = (await read(store, 7)) as Trail;
    expect(Object.keys(trail.services)).toHaveLength(256);
    expect(trail.omitted).toBe(44);
    expect(JSON.stringify(trail).length).toBeLessThan(1024 * 1024);
  });

  test('many decisions at once leave the newest', async () => {
    const store = storeOf();
    const { virtual, keeper } = keeping(store, 'a/a/1');
    for (let v = 1; v <= 100; v++) keeper.wrote('dns', [change('web', v)], { outcome: 'applied' }, 10);
    await virtual.advance(5000);
    expect((await store.get({ prefixes: ['trail/'] })).kvs.map(({ key }) => key)).toEqual(
      Array.from({ length: 64 }, (_, i) => trailKey(37 + i)),
    );
  });

  test('of a write to Route 53 it keeps the request and the change, and of a refused one the request', async () => {
    await using world = await aws.startWorld('weighted');
    const store = storeOf();
    const { virtual, keeper } = keeping(store, 'a/a/1');
    const provider = world.writer();
    const signal = AbortSignal.timeout(20_000);
    const changeTo = async (v: number): Promise<Change> => {
      const previous = (await provider.read([aws.web], signal)).get(aws.web.service);
      if (previous === undefined) throw new Error('nothing was read');
      const desired = v === 1 ? aws.web : { ...aws.web, ttlS: 60 };
      return { desired, fence: { v, epoch: 1, writer: 'a/a', nonce: `n${v}`, hash: stateHash(desired) }, previous };
    };
    const first = await changeTo(1);
    keeper.wrote('route53', [first], await provider.apply([first], signal), 10);
    const second = await changeTo(2);
    world.standIn.failNext({ status: 400, code: 'InvalidInput', message: 'no' });
    keeper.wrote('route53', [second], await provider.apply([second], signal), 10);
    await virtual.advance(2000);
    const requests = (await read(store, 1))?.services[aws.web.service]?.route53?.requests;
    expect(requests).toEqual([expect.stringMatching(/^[0-9a-f]{32}$/), expect.stringMatching(/^C[0-9A-Z]+$/)]);
    expect((await read(store, 2))?.services[aws.web.service]?.route53).toMatchObject({
      outcome: 'fatal',
      because: expect.stringContaining('InvalidInput (400)'),
      requests: [expect.stringMatching(/^[0-9a-f]{32}$/)],
    });
  });
});

test('the trail of a real clock is written too', async () => {
  const store = storeOf();
  const keeper = createTrailKeeper({ ports: realPorts(), log: silentLog, store, writer: 'a/a/1', nowMs: () => 5 });
  let seen: (() => void) | null = null;
  const written = new Promise<void>((resolve) => (seen = resolve));
  const watch = store.watch('trail/', () => seen?.());
  keeper.wrote(
    'dns',
    SERVICES.map((service) => ({
      desired: { service, ttlS: 10, pools: [] },
      fence: { v: 3, epoch: 1, writer: 'w', nonce: 'n', hash: 'h' },
      previous: { fence: null, shares: null, foreign: [], token: null },
    })),
    { outcome: 'applied' },
    1,
  );
  await written;
  watch.close();
  keeper.stop();
  expect(Object.keys((await read(store, 3))?.services ?? {})).toEqual(SERVICES);
});
