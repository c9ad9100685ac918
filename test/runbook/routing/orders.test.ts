// Orders of runs on a real store in memory: as operators' orders, with their entries; refused as those are; prolonged while the platform is elsewhere.
import { beforeEach, expect, test } from 'vitest';
import type { JournalEntry } from '../../../src/audit/journal.ts';
import { incidentKey, KEYS } from '../../../src/coordinate/keys.ts';
import { Fault } from '../../../src/errors.ts';
import type { ClusterConfig, Incident, Overrides, Refusal, Routing as Routes } from '../../../src/model.ts';
import type { Call, StepContext } from '../../../src/runbook/kind.ts';
import { createRunOrders, ORDER_TTL_MS, type RunOrders } from '../../../src/runbook/routing/orders.ts';
import { routeShift } from '../../../src/runbook/routing/shift.ts';
import { routeWait } from '../../../src/runbook/routing/wait.ts';
import type { Forecast } from '../../../src/whatif/forecast.ts';
import { clusterOf, routingOf, START_WALL_MS, serviceOf } from '../../converge/fixture.ts';
import { createMemoryStore, type MemoryStore } from '../../memory-store.ts';
import { createVirtual, seededRandom, type Virtual } from '../../virtual.ts';

const [EU, US] = ['eu-west', 'us-east'];
const WEB = 'web.example.test';
const MAIL = 'mail.example.test';

let virtual: Virtual;
let store: MemoryStore;
let orders: RunOrders;
let refusals: readonly Refusal[];
const cluster: ClusterConfig = clusterOf([serviceOf({ name: WEB }), serviceOf({ name: MAIL })]);

const put = (key: string, value: unknown): Promise<unknown> => store.txn({ if: [], then: [{ put: key, value }] });
const recordOf = <T>(key: string): T | undefined => store.snapshot().records.get(key)?.kv.value as T | undefined;
const items = () => recordOf<Overrides>(KEYS.override)?.items ?? [];
const entries = (): readonly JournalEntry[] =>
  [...store.snapshot().records].filter(([key]) => key.startsWith('journal/')).map(([, { kv }]) => kv.value as JournalEntry);

/** Nobody would be left to take its traffic. */
const NOWHERE = {
  service: WEB,
  pool: '*',
  rule: 'never-empty',
  risk: 'high',
  because: 'no other is up',
  order: 'run-shop-1-1',
} as unknown as Refusal;

beforeEach(async () => {
  virtual = createVirtual({ startWallMs: START_WALL_MS, seed: 5 });
  store = createMemoryStore({ random: seededRandom('orders') });
  refusals = [];
  orders = createRunOrders({
    store,
    ports: virtual.ports,
    cluster: () => cluster,
    clusterNowMs: () => START_WALL_MS + virtual.now(),
    foresee: (given) => (given.length === 0 ? null : ({ refusals } as unknown as Forecast)),
  });
  await put(KEYS.members, cluster);
});

const order = (given: Partial<Parameters<RunOrders['drain']>[0]> = {}): Parameters<RunOrders['drain']>[0] => ({
  run: 'shop-1',
  platform: 'shop',
  services: [WEB, MAIL],
  region: EU,
  because: 'shop leaves eu-west',
  ...given,
});

test('a drain is an order per service, for 24 h, with its entry; again it writes nothing', async () => {
  await orders.drain(order());
  expect(items()).toMatchObject([
    { id: 'run-shop-1-1', kind: 'drain', scope: { service: WEB, region: EU }, owner: 'platform shop', by: 'run shop-1' },
    { id: 'run-shop-1-2', kind: 'drain', scope: { service: MAIL, region: EU } },
  ]);
  expect(items().every(({ createdAtMs, expiresAtMs }) => expiresAtMs - createdAtMs === ORDER_TTL_MS)).toBe(true);
  expect(entries().map(({ kind, by, how }) => `${kind} ${by} ${how}`)).toEqual([
    'override.put run shop-1 service',
    'override.put run shop-1 service',
  ]);
  const { rev } = store.snapshot();
  await orders.drain(order());
  expect(store.snapshot().rev).toBe(rev);
  expect(await orders.orders('shop', [WEB], EU)).toEqual([{ run: 'shop-1', service: WEB }]);
  expect(await orders.orders('other', [WEB], EU)).toEqual([]);
  expect(await orders.orders('shop', [WEB], US)).toEqual([]);
});

test('what a rule refuses is refused, and nothing is written', async () => {
  refusals = [NOWHERE];
  await expect(orders.drain(order({ services: [WEB] }))).rejects.toThrow(/never-empty refuses/);
  expect(items()).toEqual([]);
});

test('opening ends what runs of the platform drained there, and nothing else', async () => {
  await orders.drain(order());
  await orders.drain(order({ run: 'shop-2', region: US }));
  await orders.drain(order({ run: 'bank-1', platform: 'bank', services: [WEB] }));
  await orders.open(order({ run: 'shop-3' }));
  expect(items().map(({ id }) => id)).toEqual(['run-shop-2-1', 'run-shop-2-2', 'run-bank-1-1']);
  await orders.open(order({ run: 'shop-3' }));
  expect(entries().filter(({ kind }) => kind === 'override.deleted')).toHaveLength(2);
});

test('prolonged past half of its time, only while the platform is elsewhere', async () => {
  await orders.drain(order({ services: [WEB] }));
  const expires = () => items()[0]?.expiresAtMs ?? 0;
  const first = expires();
  await orders.prolong(() => true);
  expect(expires()).toBe(first);
  await virtual.advance(ORDER_TTL_MS / 2 + 1_000);
  await orders.prolong(() => false);
  expect(expires()).toBe(first);
  await orders.prolong((platform, region) => platform === 'shop' && region === EU);
  expect(expires()).toBe(START_WALL_MS + virtual.now() + ORDER_TTL_MS);
});

test('what humans have ordered is never prolonged, whatever it is called', async () => {
  await orders.drain(order({ services: [WEB] }));
  const [mine] = items();
  const all = items();
  const others = [
    { ...mine!, id: 'by-hand' },
    { ...mine!, id: 'run-by-hand', owner: 'ops' },
  ];
  await put(KEYS.override, { ...recordOf<Overrides>(KEYS.override), items: [...all, ...others] });
  await virtual.advance(ORDER_TTL_MS / 2 + 1_000);
  const asked: string[] = [];
  await orders.prolong((platform) => asked.push(platform) > 0);
  expect(asked).toEqual(['shop']);
  expect(
    items()
      .filter(({ expiresAtMs }) => expiresAtMs > mine!.expiresAtMs)
      .map(({ id }) => id),
  ).toEqual([mine!.id]);
});

const shares = (eu: number, us: number): Promise<unknown> =>
  put(
    KEYS.routing,
    routingOf(
      {
        [WEB]: { fence: 1, route: { 'eu-west': eu, 'us-east': us, 'ap-south': 0 } },
        [MAIL]: { fence: 1, route: { 'eu-west': 0, 'us-east': 1000, 'ap-south': 0 } },
      },
      { open: { 'eu-west': 'i1' } },
    ),
  );

const call = (): Call => ({
  key: 'shop-1.shift',
  run: { id: 'shop-1', platform: 'shop', from: EU, to: US, mode: 'ungraceful' },
  facts: {},
  signal: new AbortController().signal,
  context: { routing: orders, nowMs: () => START_WALL_MS + virtual.now() } as unknown as StepContext,
});

test('a shift is there when its orders stand and no share is left, although health has drained the region before', async () => {
  const spec = { services: [WEB, MAIL], from: EU, to: US };
  await shares(0, 1000);
  // Its share is zero by health; without an order it would come back by itself.
  expect(await routeShift.read(spec, call())).toMatchObject({ is: 'pending', because: `no order drains ${EU} in ${WEB}, ${MAIL}` });
  await orders.drain(order({ run: 'shop-0', region: US }));
  expect((await routeShift.read(spec, call())).because).toBe(`${US} is drained by shop-0`);
  expect(await routeShift.apply?.(spec, call())).toMatchObject({ took: 'accepted' });
  expect(items().map(({ id }) => id)).toEqual(['run-shop-1-1', 'run-shop-1-2']);
  expect(await routeShift.read(spec, call())).toMatchObject({ is: 'reached' });
  await shares(400, 600);
  expect(await routeShift.read(spec, call())).toMatchObject({ is: 'pending', because: expect.stringContaining(`gives ${EU} 40 %`) });
  // Taken back: nobody is drained, and its own orders end too.
  const back = { services: [WEB, MAIL], from: null, to: EU };
  expect(await routeShift.read(back, call())).toMatchObject({ is: 'pending' });
  await routeShift.apply?.(back, call());
  expect(items()).toEqual([]);
  expect(await routeShift.read(back, call())).toMatchObject({ is: 'reached' });
});

test('a shift that a rule refuses is refused, not in doubt; what nobody knows is in doubt', async () => {
  refusals = [NOWHERE];
  const spec = { services: [WEB], from: EU, to: US };
  expect(await routeShift.apply?.(spec, call())).toMatchObject({
    took: 'refused',
    because: expect.stringContaining('never-empty refuses'),
  });
  const inDoubt = { ...orders, open: () => Promise.reject(new Fault('ERR_UNDECIDED', 'nobody knows')) };
  const gone: Call = { ...call(), context: { ...call().context, routing: inDoubt } };
  await expect(routeShift.apply?.(spec, gone)).rejects.toThrow('nobody knows');
});

test('users have left when no share is left and nobody is seen there; what is not measured is said', async () => {
  const spec = { services: [WEB], from: EU };
  expect(await routeWait.read(spec, call())).toMatchObject({ is: 'pending' });
  await shares(400, 600);
  expect(await routeWait.read(spec, call())).toMatchObject({ is: 'pending', because: expect.stringContaining('40 %') });
  await shares(0, 1000);
  expect(await routeWait.read(spec, call())).toMatchObject({ is: 'reached', because: expect.stringContaining('not measured') });
  const incident = (published: Incident['published']): Partial<Incident> => ({ id: 'i1', region: EU, published, closedAtMs: null });
  await put(incidentKey('i1'), incident({ [WEB]: { t4AtMs: 1 } }));
  expect(await routeWait.read(spec, call())).toMatchObject({ is: 'pending', because: expect.stringContaining('still there') });
  await put(incidentKey('i1'), incident({ [WEB]: { t4AtMs: 1, t6AtMs: 2 } }));
  expect(await routeWait.read(spec, call())).toMatchObject({ is: 'reached', because: `the route has left ${EU}, and users with it` });
});

test('a route that nobody writes has not left, whatever is decided', async () => {
  await orders.drain(order({ services: [MAIL] }));
  for (const mode of ['observe', 'advise'] as const) {
    await put(KEYS.routing, routingOf({ [MAIL]: { fence: 1, mode, route: { 'eu-west': 0, 'us-east': 1000, 'ap-south': 0 } } }));
    const because = `${MAIL} is in ${mode}: that it leaves ${EU} is decided, and nobody writes it`;
    expect(await routeWait.read({ services: [MAIL], from: EU }, call())).toEqual({ is: 'pending', because });
    expect(await routeShift.read({ services: [MAIL], from: EU, to: US }, call())).toEqual({ is: 'pending', because });
  }
});

test('a route that nobody decides has not left', async () => {
  await put(KEYS.routing, routingOf({}, {}) satisfies Routes);
  expect(await routeWait.read({ services: ['none.test'], from: EU }, call())).toMatchObject({ is: 'pending' });
});
