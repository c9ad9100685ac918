// Providers that do not compare the fence as they write: the last write of a holder that has lost its office may arrive at any time, and must be healed.
import { describe, expect, test } from 'vitest';
import { publishing, routingOf } from './fixture.ts';

const OLD = { fence: { v: 1, epoch: 1, writer: 'b/a/old', nonce: 'old', hash: 'ab' }, shares: { a: 0, b: 1000 } };
const ROUTE = { a: 1000, b: 0 };

describe.each(['marker', 'none'] as const)('a provider with fencing "%s"', (fencing) => {
  const taken = (heldSinceMs?: number) => {
    const p = publishing((x) => x, { fencing, routing: routingOf(2, { web: 2, api: 2 }) });
    p.state.heldSinceMs = heldSinceMs;
    return p;
  };

  test('is read but not written until a write of the last holder must have ended', async () => {
    const p = taken();
    await p.virtual.advance(4900);
    expect(p.calls.reads).toBeGreaterThan(0);
    expect(p.calls.writes).toEqual([]);
    await p.virtual.advance(200);
    expect(p.calls.writes).toHaveLength(1);
    expect(p.abdications).toEqual([]);
    await p.publisher.stop();
  });

  test('waits anew in each term, and counts from where the term says it began', async () => {
    const p = taken();
    await p.virtual.advance(6000);
    p.state.epoch = 2;
    p.state.heldSinceMs = p.virtual.ports.clock.monoMs() - 2000;
    p.publisher.publish(routingOf(3, { web: 3, api: 3 }, 1000));
    await p.virtual.advance(2900);
    expect(p.calls.writes).toHaveLength(1);
    await p.virtual.advance(200);
    expect(p.calls.writes).toHaveLength(2);
    await p.publisher.stop();
  });

  test('a late write of the last holder within the delay is what the first write finds', async () => {
    const p = taken();
    await p.virtual.advance(4500);
    p.zone.services.set('web', OLD);
    await p.virtual.advance(1000);
    expect(p.served('web').shares).toEqual(ROUTE);
    await p.publisher.stop();
  });

  test('a late write that comes after all is healed within 30 s, whenever it comes', async () => {
    for (const afterMs of [100, 1500, 4000, 6000, 20_000, 29_000, 45_000, 61_000]) {
      const p = taken();
      await p.virtual.advance(5100 + afterMs);
      expect(p.served('web').shares).toEqual(ROUTE);
      p.zone.services.set('web', OLD);
      await p.virtual.advance(30_100);
      expect(p.served('web').shares).toEqual(ROUTE);
      expect(p.pages().map((x) => x.type)).toEqual(['provider.drift']);
      await p.publisher.stop();
    }
  });

  test('that serves what was decided is recorded once', async () => {
    const p = taken();
    await p.virtual.advance(10_000);
    const known = p.applied('web');
    expect(known).toMatchObject({ fence: 2, outcome: 'applied' });
    const { rev } = p.stored();
    await p.virtual.advance(300_000);
    expect([p.applied('web'), p.stored().rev]).toEqual([known, rev]);
    await p.publisher.stop();
  });

  test('is read back 5 s and 30 s after each write', async () => {
    const p = taken();
    await p.virtual.advance(5100);
    const readsAt: number[] = [];
    let reads = p.calls.reads;
    for (let ms = 100; ms <= 31_000; ms += 100) {
      await p.virtual.advance(100);
      if (p.calls.reads > reads) readsAt.push(Math.round(ms / 1000));
      reads = p.calls.reads;
    }
    expect(readsAt).toEqual([1, 5, 30]);
    await p.publisher.stop();
  });
});

test('a provider that compares is written at once', async () => {
  const p = publishing();
  await p.virtual.advance(100);
  expect(p.calls.writes).toHaveLength(1);
  await p.publisher.stop();
});
