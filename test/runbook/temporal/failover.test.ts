// Failover of one namespace and of fifty: what is read before, what is sent, what stops it; and that whoever dies wherever leaves nothing to be done twice.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Ports, realPorts } from '../../../src/ports.ts';
import type { Effect, Facts, Reading, StepContext } from '../../../src/runbook/kind.ts';
import { type TemporalCloud, temporalCloud } from '../../../src/runbook/temporal/cloud.ts';
import { temporalFailover } from '../../../src/runbook/temporal/failover.ts';
import { operationId } from '../../../src/runbook/temporal/mover.ts';
import { type FakeCloud, startFakeCloud, tenant } from './fake-cloud.ts';
import { callOf, stepContext, systemContext, TOKEN_FILE } from './fixture.ts';

/** Time goes by only while somebody waits, and fifty times as fast as in life: on a busy machine as much is done in a step's time as on an idle one. */
const impatient = (): Ports => {
  const ports = realPorts();
  let nowMs = 0;
  const after: Ports['timers']['after'] = (ms, fn, options) => {
    const atMs = nowMs + ms;
    const fire = (): void => {
      nowMs = Math.max(nowMs, atMs);
      fn();
    };
    return ports.timers.after(ms / 50, fire, options);
  };
  return { ...ports, clock: { ...ports.clock, monoMs: () => nowMs }, timers: { after } };
};

const TO = 'aws-eu-west-1';
let fake: FakeCloud;
let cloud: TemporalCloud;
let context: StepContext;

beforeEach(async () => {
  fake = await startFakeCloud();
  const secrets = new Map([[TOKEN_FILE, 'token-0123456789']]);
  cloud = (await temporalCloud.open(
    { kind: 'temporal-cloud', url: fake.url, tokenFile: TOKEN_FILE },
    systemContext(secrets),
  )) as TemporalCloud;
  context = stepContext({ cloud }, impatient());
});

afterEach(async () => {
  await cloud.close();
  await fake[Symbol.asyncDispose]();
  expect(fake.broken).toEqual([]);
});

const spec = (namespaces: readonly string[], over: { parallel?: number; stopAfter?: number } = {}) => ({
  system: 'cloud',
  namespaces,
  to: TO,
  parallel: 5,
  stopAfter: 3,
  ...over,
});

type Spec = ReturnType<typeof spec>;

const read = (of: Spec, facts: Facts = {}): Promise<Reading> => temporalFailover.read(of, callOf(context, facts));
const apply = (of: Spec, facts: Facts = {}): Promise<Effect> => temporalFailover.apply!(of, callOf(context, facts));

/** As a run does it: read, act while it may, read until it is over. */
const drive = async (of: Spec, from: Facts = {}): Promise<{ readings: Reading[]; effects: Effect[]; last: Reading }> => {
  let facts = from;
  let took: Effect['took'] | null = null;
  const [readings, effects]: [Reading[], Effect[]] = [[], []];
  for (let turn = 0; turn < 60; turn++) {
    const reading = await read(of, facts);
    readings.push(reading);
    facts = reading.facts ?? facts;
    if (reading.is === 'reached' || reading.is === 'never') return { readings, effects, last: reading };
    if (reading.is !== 'pending' || took === 'accepted') continue;
    const effect = await apply(of, facts);
    effects.push(effect);
    took = effect.took === 'accepted' && effect.more === true ? null : effect.took;
    facts = effect.facts ?? facts;
    if (took === 'fatal') return { readings, effects, last: await read(of, facts) };
  }
  throw new Error(`not over: ${readings.at(-1)?.because}`);
};

const tenants = (count: number): string[] => {
  const names = Array.from({ length: count }, (_, n) => `t${n}.a1`);
  for (const name of names) fake.namespaces.set(name, tenant());
  return names;
};

describe('one namespace', () => {
  test('that is active there is reached, and nothing is sent', async () => {
    fake.namespaces.set('shop.a1', tenant(TO, 'aws-us-east-1'));
    expect(await read(spec(['shop.a1']))).toMatchObject({ is: 'reached', because: `shop.a1 is active in ${TO}` });
    expect(await apply(spec(['shop.a1']))).toMatchObject({ took: 'accepted' });
    expect(fake.asked.filter((line) => line.startsWith('POST'))).toEqual([]);
  });

  test('is asked for once, followed while it is slow, and reached', async () => {
    tenants(1);
    fake.fate = () => ({ looks: 4, end: 'STATE_FULFILLED', reason: '', checkDuration: '0.5s' });
    const { readings, last } = await drive(spec(['t0.a1']));
    expect(readings[0]).toMatchObject({ is: 'pending', because: `t0.a1 is not active in ${TO}; not begun: t0.a1` });
    expect(readings.some(({ because }) => because.includes('STATE_IN_PROGRESS'))).toBe(true);
    expect(last.is).toBe('reached');
    expect([...fake.operations.keys()]).toEqual([operationId('run-1.failover', 't0.a1')]);
  });

  test.each([
    ['REPLICA_STATE_FAILED', 'never'],
    ['REPLICA_STATE_REMOVING', 'never'],
    ['REPLICA_STATE_ADDING', 'pending'],
  ])('whose replica is %s is %s, and nothing is sent', async (state, is) => {
    fake.namespaces.set('shop.a1', tenant('aws-us-east-1', TO, state));
    const reading = await read(spec(['shop.a1']));
    expect(reading.is).toBe(is);
    expect(reading.because).toContain(`its replica in ${TO} is ${state}`);
    expect((await apply(spec(['shop.a1']), reading.facts)).took).toBe(is === 'never' ? 'fatal' : 'refused');
    expect(fake.begun).toEqual([]);
  });

  test('without a replica there, or that does not exist, never', async () => {
    fake.namespaces.set('shop.a1', tenant('aws-us-east-1', 'aws-ap-south-1'));
    expect(await read(spec(['shop.a1']))).toMatchObject({ is: 'never' });
    expect(await read(spec(['nix.a1']))).toMatchObject({ is: 'never' });
  });

  test.each(['STATE_FAILED', 'STATE_REJECTED', 'STATE_CANCELLED'])('whose operation ends in %s never, with the reason', async (end) => {
    tenants(1);
    fake.fate = () => ({ looks: 2, end, reason: 'no capacity', checkDuration: '0.5s' });
    const { last } = await drive(spec(['t0.a1']));
    expect(last).toMatchObject({ is: 'never' });
    expect(last.because).toContain(`t0.a1, in aws-us-east-1 (the operation ended in ${end}: no capacity)`);
    expect(fake.begun).toEqual(['t0.a1']);
  });

  test('that answers nothing is unknown and never reached', async () => {
    tenants(1);
    fake.mishaps.push({ on: 'GET', what: { status: 503, code: 14 } });
    expect(await read(spec(['t0.a1']))).toMatchObject({ is: 'unknown' });
  });

  test('refused by a limit is asked for again, and moves once', async () => {
    tenants(1);
    fake.mishaps.push({ on: 'POST', what: { status: 429, code: 8, message: 'slow down' } });
    const { effects, last } = await drive(spec(['t0.a1']));
    expect(effects.map(({ took }) => took)).toEqual(['refused', 'accepted']);
    expect(last.is).toBe('reached');
    expect(fake.begun).toEqual(['t0.a1']);
  });

  test.each(['same', 'exists'] as const)(
    'taken although 502 was answered: undecided, and one failover all the same (%s)',
    async (again) => {
      tenants(1);
      fake.again = again;
      fake.fate = () => ({ looks: 3, end: 'STATE_FULFILLED', reason: '', checkDuration: '0.5s' });
      fake.mishaps.push({ on: 'POST', what: 'lost' });
      const first = await apply(spec(['t0.a1']));
      expect(first.took).toBe('undecided');
      const { last } = await drive(spec(['t0.a1']), first.facts);
      expect(last.is).toBe('reached');
      expect(fake.begun).toEqual(['t0.a1']);
      // And by one who lost what the first had kept.
      expect((await apply(spec(['t0.a1']))).took).toBe('accepted');
      expect(fake.begun).toEqual(['t0.a1']);
    },
  );

  test('without rights is fatal', async () => {
    tenants(1);
    fake.mishaps.push({ on: 'POST', what: { status: 403, code: 7, message: 'no' } });
    expect(await apply(spec(['t0.a1']))).toMatchObject({ took: 'fatal' });
  });

  test('of a system that is not configured is a fault', async () => {
    await expect(temporalFailover.read({ ...spec(['x']), system: 'nope' }, callOf(context))).rejects.toMatchObject({
      code: 'ERR_SYSTEM',
      message: 'there is no system nope of kind temporal-cloud; there is no system nope of kind temporal',
    });
  });
});

describe('fifty namespaces', () => {
  test('move five at a time', async () => {
    const names = tenants(50);
    fake.fate = () => ({ looks: 1, end: 'STATE_FULFILLED', reason: '', checkDuration: '0.5s' });
    const { last } = await drive(spec(names));
    expect(last).toMatchObject({ is: 'reached', because: `50 of 50 namespaces are active in ${TO}` });
    expect(fake.begun.toSorted()).toEqual(names.toSorted());
    expect(fake.mostAtOnce).toBeLessThanOrEqual(5);
  });

  test('two that fail do not stop the others, and the report names who is where', async () => {
    const names = tenants(50);
    const failing = new Set(['t7.a1', 't31.a1']);
    fake.fate = (name) => ({
      looks: 1,
      end: failing.has(name) ? 'STATE_FAILED' : 'STATE_FULFILLED',
      reason: failing.has(name) ? 'stuck' : '',
      checkDuration: '0.5s',
    });
    const { last } = await drive(spec(names, { parallel: 10 }));
    expect(last.is).toBe('never');
    expect(last.because).toContain(`48 of 50 namespaces are active in ${TO}; failed: t7.a1, in aws-us-east-1 (`);
    expect(last.facts).toMatchObject({ there: 48, elsewhere: { 't7.a1': 'aws-us-east-1', 't31.a1': 'aws-us-east-1' } });
    expect(fake.begun.length).toBe(50);
    expect(JSON.stringify(last.facts).length).toBeLessThan(16_384);
  });

  test('so many failures end it, and what was not begun is left alone', async () => {
    const names = tenants(50);
    fake.fate = () => ({ looks: 1, end: 'STATE_FAILED', reason: 'stuck', checkDuration: '0.5s' });
    const { last } = await drive(spec(names, { parallel: 2, stopAfter: 3 }));
    expect(last.is).toBe('never');
    expect(last.because).toMatch(/failed: t0\.a1.*not begun: t/);
    expect(fake.begun.length).toBeLessThanOrEqual(4);
    expect(fake.begun.length).toBeGreaterThanOrEqual(3);
  });

  test('take more than one call, none longer than its time, and never more than five at once', async () => {
    const names = tenants(50);
    fake.fate = () => ({ looks: 3, end: 'STATE_FULFILLED', reason: '', checkDuration: '2s' });
    const { effects, last } = await drive(spec(names));
    expect(last.is).toBe('reached');
    expect(effects.length).toBeGreaterThan(2);
    expect(effects.slice(0, -1).every((effect) => effect.took === 'accepted' && effect.more === true)).toBe(true);
    expect(effects.at(-1)).not.toHaveProperty('more');
    expect(fake.begun.toSorted()).toEqual(names.toSorted());
    expect(fake.mostAtOnce).toBeLessThanOrEqual(5);
  });

  test('cut off in the middle it says what it had done, and goes on from there', async () => {
    const names = tenants(20);
    fake.fate = () => ({ looks: 2, end: 'STATE_FULFILLED', reason: '', checkDuration: '0.5s' });
    const ending = new AbortController();
    const cut = temporalFailover.apply!(spec(names), callOf(context, {}, { signal: ending.signal }));
    await expect.poll(() => fake.begun.length).toBeGreaterThanOrEqual(5);
    ending.abort(new Error('the deadline'));
    const effect = await cut;
    expect(effect.took).toBe('undecided');
    const { last } = await drive(spec(names), effect.facts);
    expect(last.is).toBe('reached');
    expect(fake.begun.length).toBe(20);
  });
});

// Whoever is killed has asked for something, and perhaps it was answered; what it kept last is what it was given. Another begins with that.
test('killed at any request of it, nothing is asked for twice', async () => {
  const names = tenants(6);
  fake.fate = (name) => ({ looks: 1, end: name === 't4.a1' ? 'STATE_FAILED' : 'STATE_FULFILLED', reason: '', checkDuration: '0.5s' });
  let killedAt = 0;
  for (let boundary = 1; ; boundary++) {
    fake.operations.clear();
    fake.begun.length = 0;
    fake.asked.length = 0;
    for (const name of names) fake.namespaces.set(name, tenant());
    const dying = new AbortController();
    fake.onAsked = () => {
      if (fake.asked.length === boundary) dying.abort(new Error('killed'));
    };
    const effect = await temporalFailover.apply!(spec(names, { parallel: 2 }), callOf(context, {}, { signal: dying.signal }));
    fake.onAsked = () => undefined;
    const wasKilled = dying.signal.aborted;
    if (wasKilled) killedAt++;
    // What it answered is lost with it.
    const { last } = await drive(spec(names, { parallel: 2 }), wasKilled ? {} : effect.facts);
    expect(last.is).toBe('never');
    expect(fake.begun.toSorted(), `killed at request ${boundary}`).toEqual(names);
    if (!wasKilled) break;
  }
  expect(killedAt).toBeGreaterThan(10);
}, 60_000);
