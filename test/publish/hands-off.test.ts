// When the publisher keeps its hands off: a human's fence, another history's fence, a stop. What is recorded and told, and how it ends.
import { describe, expect, test } from 'vitest';
import type { Override } from '../../src/model.ts';
import { publishing, routingOf } from './fixture.ts';

const HAND = { writer: 'manual/alice', nonce: 'by-hand', v: 2 };

/** Routing whose decisions have nonces of their own, as the core writes them. */
const decided = (v: number, fences: Readonly<Record<string, number>>, share = 0) => {
  const routing = routingOf(v, fences, share);
  const services = Object.entries(routing.services).map(([name, s]) => [name, { ...s, nonce: `d${s.fence}` }] as const);
  return { ...routing, services: Object.fromEntries(services) };
};

const stop = (scope: Override['scope']): Override => ({
  id: 'halt',
  kind: 'stop',
  scope,
  reason: 'works',
  owner: 'bob',
  createdAtMs: 0,
  expiresAtMs: 1e15,
});

describe('a route set by hand', () => {
  test('is never written over, recorded as manual and told once as critical, while the other service goes on', async () => {
    const p = publishing();
    await p.virtual.advance(2000);
    p.meddle('web', HAND, { a: 300, b: 700 });
    await p.virtual.advance(31_000);
    for (let v = 3; v < 9; v++) {
      // Decisions that were under way move the store past the human's number; the human still goes first.
      p.state.routing = routingOf(v, { web: v, api: v });
      p.publisher.publish(p.state.routing);
      await p.virtual.advance(40_000);
      expect(p.served('web')).toMatchObject({ fence: HAND, shares: { a: 300, b: 700 } });
      expect(p.fenceOf('api')).toBe(v);
    }
    expect(p.applied('web')).toMatchObject({
      outcome: 'manual',
      fence: 2,
      nonce: 'by-hand',
      because: 'manual/alice wrote web by hand (fence 2)',
    });
    expect(p.pages().map((x) => [x.type, x.severity])).toEqual([['provider.manual', 'critical']]);
    expect(p.pages()[0]?.summary).toContain('manual/alice wrote web by hand');
    expect(p.pages()[0]?.summary).toContain('tidegate ack');
    expect(p.abdications).toEqual([]);
    await p.publisher.stop();
  });

  test('with the very number of the store is seen as well', async () => {
    const p = publishing();
    await p.virtual.advance(2000);
    p.meddle('web', { ...HAND, v: 1 }, { a: 300, b: 700 });
    await p.virtual.advance(31_000);
    expect(p.served('web').shares).toEqual({ a: 300, b: 700 });
    expect(p.applied('web')).toMatchObject({ outcome: 'manual', fence: 1 });
    await p.publisher.stop();
  });

  test('once acknowledged it is taken up within seconds, and the record says applied', async () => {
    const p = publishing();
    await p.virtual.advance(2000);
    p.meddle('web', HAND, { a: 300, b: 700 });
    await p.virtual.advance(31_000);
    p.put('applied/memory/web', { ...p.applied('web'), outcome: 'applied', because: 'acknowledged by alice' });
    p.state.routing = routingOf(3, { web: 3, api: 2 });
    await p.virtual.advance(6000);
    expect(p.fenceOf('web')).toBe(3);
    expect(p.applied('web')).toMatchObject({ outcome: 'applied', fence: 3 });
    await p.publisher.stop();
  });

  test('that the human took back is over, and the record says so', async () => {
    const p = publishing();
    await p.virtual.advance(2000);
    const ours = p.served('web');
    p.meddle('web', HAND, { a: 300, b: 700 });
    await p.virtual.advance(31_000);
    expect(p.applied('web')?.outcome).toBe('manual');
    p.zone.services.set('web', ours);
    await p.virtual.advance(6000);
    expect(p.applied('web')).toMatchObject({ outcome: 'applied', fence: 1, because: 'fence 1 acknowledged; no longer manual' });
    // The next one is told anew.
    p.meddle('web', HAND, { a: 300, b: 700 });
    await p.virtual.advance(31_000);
    expect(p.pages().map((x) => x.type)).toEqual(['provider.manual', 'provider.manual']);
    await p.publisher.stop();
  });
});

describe('a store that was restored', () => {
  test('and counted up to the number that the provider carries is frozen, not "corrected" as drift', async () => {
    const p = publishing((x) => x, { routing: decided(15, { web: 15, api: 15 }) });
    const lost = { v: 15, epoch: 7, writer: 'b/a/old', nonce: 'lost15-1234', hash: 'abcd' };
    p.zone.services.set('web', { fence: lost, shares: { a: 0, b: 1000 } });
    await p.virtual.advance(60_000);
    expect(p.served('web')).toMatchObject({ fence: lost, shares: { a: 0, b: 1000 } });
    expect(p.applied('web')).toMatchObject({ outcome: 'frozen', fence: 15, nonce: 'lost15-1234' });
    expect(p.pages().map((x) => x.type)).toEqual(['provider.ahead']);
    expect(p.fenceOf('api')).toBe(15);
    await p.publisher.stop();
  });

  test('a write of this history that another process made and nobody acknowledged is no other history', async () => {
    const p = publishing((x) => x, { routing: decided(15, { web: 15, api: 15 }) });
    p.zone.services.set('web', { fence: { v: 15, epoch: 7, writer: 'b/a/old', nonce: 'd15-1234', hash: 'ab' }, shares: { a: 1000, b: 0 } });
    await p.virtual.advance(60_000);
    expect(p.applied('web')?.outcome).toBe('applied');
    expect(p.pages()).toEqual([]);
    await p.publisher.stop();
  });

  test('stays frozen when a decision that was under way passes the number', async () => {
    const p = publishing((x) => x, { routing: decided(15, { web: 15, api: 15 }) });
    p.zone.services.set('web', { fence: { v: 16, epoch: 7, writer: 'x', nonce: 'lost-1', hash: 'ab' }, shares: { a: 0, b: 1000 } });
    await p.virtual.advance(2000);
    expect(p.applied('web')?.outcome).toBe('frozen');
    p.state.routing = decided(17, { web: 17, api: 15 });
    p.publisher.publish(p.state.routing);
    await p.virtual.advance(60_000);
    expect(p.fenceOf('web')).toBe(16);
    await p.publisher.stop();
  });

  test('the route of the older history is forgotten once the new one is adopted', async () => {
    const p = publishing();
    p.publisher.publish(routingOf(90, { web: 90, api: 90 }, 1000));
    await p.virtual.advance(2000);
    expect(p.fenceOf('web')).toBe(90);
    // Restored to 2, then adopted: 91 is what it counts on from; this process still remembers 95 of before.
    p.state.renews = false;
    p.publisher.publish(routingOf(95, { web: 95, api: 95 }, 1000));
    await p.virtual.advance(500);
    p.state.renews = true;
    p.state.adopted = { nonce: 'n', atMs: 1, by: 'alice', reason: 'restored' };
    p.state.routing = routingOf(91, { web: 91, api: 91 });
    await p.virtual.advance(60_000);
    expect(p.served('web')).toMatchObject({ fence: { v: 91 }, shares: { a: 1000, b: 0 } });
    await p.publisher.stop();
  });
});

describe('the one switch', () => {
  test.each<[string, Override['scope'], boolean]>([
    ['a global stop', {}, false],
    ['a stop of one service', { service: 'web' }, true],
  ])('%s ends writes, re-assertion and frozen records of what it covers', async (_claim, scope, apiGoesOn) => {
    const p = publishing();
    await p.virtual.advance(2000);
    p.state.overrides = [stop(scope)];
    p.state.overridesMod++;
    const [records, writes] = [p.applied('web'), p.calls.writes.length];
    // Drift to re-assert, a newer fence to record, a new route to write: none of it is touched.
    p.meddle('web', {}, { a: 0, b: 1000 });
    await p.virtual.advance(120_000);
    p.meddle('web', { v: 50 });
    await p.virtual.advance(120_000);
    p.meddle('web', HAND);
    p.state.routing = routingOf(3, { web: 3, api: 3 });
    p.publisher.publish(p.state.routing);
    await p.virtual.advance(120_000);
    expect(p.served('web')).toMatchObject({ fence: HAND, shares: { a: 0, b: 1000 } });
    expect(p.applied('web')).toEqual(records);
    expect(p.pages()).toEqual([]);
    expect(p.fenceOf('api')).toBe(apiGoesOn ? 3 : 2);
    expect(p.calls.writes.slice(writes).flatMap((batch) => batch.map((c) => c.desired.service))).toEqual(apiGoesOn ? ['api'] : []);
    if (!apiGoesOn) expect(p.calls.writes.length).toBe(writes);
    await p.publisher.stop();
  });

  test('holds from its commit on: nothing leaves after it, although this process has not read it yet', async () => {
    const p = publishing();
    await p.virtual.advance(2000);
    const writes = p.calls.writes.length;
    p.state.lastSeen = { overrides: [], mod: p.state.overridesMod };
    p.state.overrides = [stop({})];
    p.state.overridesMod++;
    p.meddle('web', {}, { a: 0, b: 1000 });
    p.publisher.publish(routingOf(3, { web: 3, api: 3 }));
    await p.virtual.advance(1500);
    expect(p.calls.writes.length).toBe(writes);
    expect(p.outcomes.at(-1)).toBe('refused');
    p.state.lastSeen = null;
    await p.virtual.advance(60_000);
    expect(p.calls.writes.length).toBe(writes);
    expect(p.abdications).toEqual([]);
    await p.publisher.stop();
  });
});
