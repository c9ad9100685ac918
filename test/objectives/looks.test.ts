// One look over the wire: a frontend of Temporal and a Prometheus, both named fakes, through the systems as a replica opens them.
import { afterEach, describe, expect, test } from 'vitest';
import { createHttp } from '../../src/http.ts';
import { lookAt } from '../../src/objectives/looks.ts';
import type { Dependency, Objective } from '../../src/objectives/model.ts';
import { realPorts } from '../../src/ports.ts';
import { createBreaker } from '../../src/runbook/breaker.ts';
import type { StepContext } from '../../src/runbook/kind.ts';
import { guarded, openSystems } from '../../src/runbook/open.ts';
import type { SystemConfig } from '../../src/runbook/systems.ts';
import { recordingLog } from '../recording-log.ts';
import { startFront } from '../runbook/front.ts';
import { WEST } from '../runbook/platforms.ts';
import { described, startFakeFrontend } from '../runbook/temporal/fake-frontend.ts';
import { stepContext } from '../runbook/temporal/fixture.ts';
import { createVirtual } from '../virtual.ts';
import { shop } from './fixture.ts';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.reverse().splice(0)) await close();
});

const NEVER = new AbortController().signal;

const contextOf = (systems: Readonly<Record<string, SystemConfig>>): StepContext => {
  const ports = realPorts();
  const resolve = async () => ({ addresses: ['127.0.0.1'], stale: null, ageMs: 0 });
  const opened = openSystems(systems, {
    ports,
    log: recordingLog(),
    secret: String,
    text: String,
    resolve,
    httpTrusting: (trust) => createHttp({ ports, resolve, ...trust }),
  });
  closing.push(() => opened.close());
  return { ...stepContext({}), system: opened.system };
};

const objective = (over: Partial<Objective>): Objective => ({
  name: 'waits',
  kind: 'promql',
  says: '',
  maxMs: 2_000,
  quantile: 0.95,
  role: 'recovery',
  remedies: [],
  system: 'metrics',
  query: { query: 'waits_p95{region="$region"}', unit: 's' },
  maxAgeMs: 60_000,
  ...over,
});
const dependency = (over: Partial<Dependency>): Dependency => ({
  objective: 'waits',
  kind: 'promql',
  of: 'waits',
  to: WEST,
  system: 'metrics',
  ...over,
});

describe('a query', () => {
  /** `value` null: no series. `agoS`: when it was sampled. */
  const prometheus = async (value: string | null, agoS = 1) => {
    const queries: string[] = [];
    const front = await startFront(({ path }) => {
      const query = new URL(path, 'http://fake').searchParams.get('query') ?? '';
      queries.push(query);
      const nowS = Date.now() / 1000;
      const said = query.includes('timestamp(') ? String(nowS - agoS) : value;
      const result = said === null ? [] : [{ metric: {}, value: [nowS, said] }];
      return { status: 200, json: { status: 'success', data: { resultType: 'vector', result } } };
    });
    closing.push(() => front[Symbol.asyncDispose]());
    return { queries, context: contextOf({ metrics: { kind: 'prometheus', url: front.url } }) };
  };

  test('is asked of its region, and its unit counts', async () => {
    const { context, queries } = await prometheus('1.5');
    const looked = await lookAt({ context, platform: shop, objective: objective({}), dependency: dependency({}) }, NEVER);
    expect(looked).toEqual({ saw: 'ms', ms: 1_500 });
    expect(queries[0]).toBe(`waits_p95{region="${WEST}"}`);
    const inMs = objective({ query: { query: 'x', unit: 'ms' } });
    expect(await lookAt({ context, platform: shop, objective: inMs, dependency: dependency({}) }, NEVER)).toEqual({ saw: 'ms', ms: 1.5 });
  });

  test.each([
    ['empty', null, 1],
    ['NaN', 'NaN', 1],
    ['without end', '+Inf', 1],
    ['stale', '0.1', 61],
  ] as const)('that is answered with what is %s says nothing, and never that it is good', async (_name, value, agoS) => {
    const { context } = await prometheus(value, agoS);
    const looked = await lookAt({ context, platform: shop, objective: objective({}), dependency: dependency({}) }, NEVER);
    expect(looked).toMatchObject({ saw: 'nothing' });
  });

  test('of a Prometheus that is gone says nothing of what it measures', async () => {
    const context = contextOf({ metrics: { kind: 'prometheus', url: 'http://127.0.0.1:9' } });
    expect(await lookAt({ context, platform: shop, objective: objective({}), dependency: dependency({}) }, NEVER)).toMatchObject({
      saw: 'nothing',
    });
  });
});

test('a Postgres is measured by the round trip of a SELECT', async () => {
  const timed = objective({ kind: 'postgres', query: null, system: null });
  const of = (client: object) =>
    lookAt(
      {
        context: stepContext({ sql: { kind: 'postgres', close: async () => undefined, ...client } }),
        platform: shop,
        objective: timed,
        dependency: dependency({ kind: 'postgres', system: 'sql' }),
      },
      NEVER,
    );
  expect(await of({ roundTripMs: async () => 12 })).toEqual({ saw: 'ms', ms: 12 });
});

test('a Prometheus that is silent for five seconds says nothing; a Postgres that is has lost a look', async () => {
  const virtual = createVirtual({ startWallMs: 0, seed: 'silence' });
  const silent = () => new Promise<never>(() => undefined);
  const context = stepContext(
    {
      metrics: { kind: 'prometheus', query: silent, close: silent } as never,
      sql: { kind: 'postgres', roundTripMs: silent, close: silent } as never,
    },
    virtual.ports,
  );
  const both = [
    lookAt({ context, platform: shop, objective: objective({}), dependency: dependency({}) }, NEVER),
    lookAt(
      { context, platform: shop, objective: objective({ kind: 'postgres' }), dependency: dependency({ kind: 'postgres', system: 'sql' }) },
      NEVER,
    ),
  ];
  await virtual.advance(5_000);
  expect((await Promise.all(both)).map(({ saw }) => saw)).toEqual(['nothing', 'lost']);
});

test('to a Postgres that our breaker leaves alone nothing was sent, so nothing was lost; and looks that we ended ourselves open no breaker', async () => {
  const virtual = createVirtual({ startWallMs: 0, seed: 'breaker' });
  const breaker = createBreaker('sql', virtual.ports.clock);
  let answer: () => Promise<number> = () => new Promise<never>(() => undefined);
  const client = { kind: 'postgres', roundTripMs: (_signal: AbortSignal) => answer(), close: async () => undefined } as const;
  const sql = guarded(client, (work, signal) =>
    breaker.run(
      () => Promise.race([work(signal), new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))]),
      signal,
    ),
  );
  const context = stepContext({ sql: sql as never }, virtual.ports);
  const look = async (): Promise<string> => {
    const looking = lookAt(
      { context, platform: shop, objective: objective({ kind: 'postgres' }), dependency: dependency({ kind: 'postgres', system: 'sql' }) },
      NEVER,
    );
    await virtual.advance(5_000);
    return (await looking).saw;
  };
  for (let n = 0; n < 6; n++) expect(await look()).toBe('lost');
  expect(breaker.standing()).toMatchObject({ state: 'closed', failures: 0 });
  answer = () => Promise.reject(new Error('connection refused'));
  for (let n = 0; n < 5; n++) await sql.roundTripMs(NEVER).catch(() => undefined);
  expect(breaker.standing().state).toBe('open');
  expect(await look()).toBe('nothing');
});

describe('a frontend of Temporal', () => {
  const rtt = objective({ kind: 'temporal', query: null, system: null });
  const entry = shop.namespaces[0]?.name ?? '';
  const asked = (context: StepContext) => ({
    context,
    platform: shop,
    objective: rtt,
    dependency: dependency({ kind: 'temporal', of: entry, system: 'west' }),
  });

  test('that answers is measured; the namespace has to be one that it knows', async () => {
    const fake = await startFakeFrontend(null);
    closing.push(() => fake[Symbol.asyncDispose]());
    const context = contextOf({ west: { kind: 'temporal', address: `127.0.0.1:${fake.port}` } });
    fake.answers.set('DescribeNamespace', () => described('west', { namespaceInfo: { name: shop.namespaces[0]?.namespaces[0] } }));
    fake.answers.set('GetSystemInfo', () => ({}));
    const looked = await lookAt(asked(context), NEVER);
    expect(looked).toMatchObject({ saw: 'ms', ms: expect.any(Number) });
    fake.answers.set('DescribeNamespace', () => described('west', { namespaceInfo: { name: 'another' } }));
    expect(await lookAt(asked(context), NEVER)).toMatchObject({ saw: 'lost', because: expect.stringContaining('another namespace') });
  });

  test('that is gone is a look that was lost; one that this replica does not name is none', async () => {
    const context = contextOf({ west: { kind: 'temporal', address: '127.0.0.1:9' } });
    expect(await lookAt(asked(context), NEVER)).toMatchObject({ saw: 'lost' });
    expect(await lookAt(asked(contextOf({})), NEVER)).toMatchObject({ saw: 'nothing', because: expect.stringContaining('west') });
    expect(await lookAt(asked(context), AbortSignal.abort(new Error('stopping')))).toMatchObject({ saw: 'nothing' });
  });
});
