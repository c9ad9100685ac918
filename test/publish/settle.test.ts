// Batches of one service, and receipts: what was acknowledged is asked after until it is done, taken back, or given up.
import { describe, expect, test } from 'vitest';
import type { Applied, Provider, Settled } from '../../providers/provider.ts';
import { sleep } from '../../src/ports.ts';
import { publishing, routingOf } from './fixture.ts';

/** Gives receipts, and says of each what `settle` says. */
const receipts =
  (settle: (receipt: string) => Settled | Promise<Settled>) =>
  (inner: Provider): Provider => {
    let n = 0;
    return {
      ...inner,
      async apply(changes, signal): Promise<Applied> {
        const result = await inner.apply(changes, signal);
        return result.outcome === 'applied' ? { outcome: 'applied', receipt: `r${++n}` } : result;
      },
      settle: async (receipt) => settle(receipt),
    };
  };

describe('a receipt', () => {
  test('is asked for until it is settled, measured, and never again', async () => {
    let asked = 0;
    const p = publishing(receipts(() => (++asked < 3 ? { state: 'pending' } : { state: 'settled' })));
    await p.virtual.advance(60_000);
    expect([asked, p.ended]).toEqual([3, ['memory settled 6000']]);
    expect(p.acknowledged).toEqual(['web 1', 'api 2']);
    await p.publisher.stop();
  });

  test('that cannot be asked for is asked again, and given up in the end', async () => {
    const p = publishing(receipts(() => Promise.reject(new Error('429'))));
    await p.virtual.advance(119_000);
    expect(p.ended).toEqual([]);
    await p.virtual.advance(10_000);
    expect(p.ended).toEqual(['memory given-up 120000']);
    expect(p.pages()).toEqual([]);
    await p.publisher.stop();
    expect(p.virtual.pendingTimers()).toBe(0);
  });

  test('that failed makes the provider be read at once; a second time in a row it is told, as critical', async () => {
    let failures = 1;
    const p = publishing((inner) =>
      receipts((): Settled => {
        if (failures-- <= 0) return { state: 'settled' };
        for (const [name, served] of p.zone.services)
          p.zone.services.set(name, { ...served, fence: { ...served.fence, v: 0 }, shares: { a: 0, b: 1000 } });
        return { state: 'failed', because: 'PRIOR_CHANGE rolled back' };
      })(inner),
    );
    await p.virtual.advance(2100);
    expect(p.served('web').shares).toEqual({ a: 1000, b: 0 });
    expect(p.pages().map(({ type }) => type)).not.toContain('provider.taken_back');
    failures = 2;
    p.state.routing = routingOf(5, { web: 5, api: 5 });
    p.publisher.publish(p.state.routing);
    await p.virtual.advance(60_000);
    const told = p.pages().filter(({ type }) => type === 'provider.taken_back');
    expect(told.map(({ severity, detail }) => [severity, detail.services])).toEqual([
      ['critical', ['web']],
      ['critical', ['api']],
    ]);
    expect(told[0]?.summary).toContain('PRIOR_CHANGE rolled back');
    await p.publisher.stop();
  });

  test('belongs to the term that wrote it', async () => {
    let asked = 0;
    const p = publishing(
      receipts(() => {
        asked++;
        return { state: 'pending' };
      }),
    );
    await p.virtual.advance(5000);
    expect(asked).toBe(2);
    p.state.holdsOffice = false;
    await p.virtual.advance(60_000);
    expect(asked).toBe(2);
    await p.publisher.stop();
  });

  test('many of them are asked for eight at a time, in turn, and none is forgotten', async () => {
    const names = Array.from({ length: 30 }, (_, i) => `svc-${i}`);
    let asking = 0;
    let most = 0;
    const p = publishing(
      (inner) =>
        receipts(async () => {
          most = Math.max(most, ++asking);
          await sleep(p.virtual.ports.timers, 50);
          asking--;
          return { state: p.virtual.now() > 20_000 ? 'settled' : 'pending' };
        })(inner),
      { services: names, routing: routingOf(1, Object.fromEntries(names.map((name) => [name, 1]))), batchMax: 1 },
    );
    await p.virtual.advance(60_000);
    expect(most).toBe(8);
    expect(p.ended.filter((line) => line.startsWith('memory settled'))).toHaveLength(30);
    await p.publisher.stop();
  });
});

describe('where nothing changes two services at once', () => {
  const MANY = Array.from({ length: 40 }, (_, i) => `svc-${i}`);
  const routing = (v: number) => routingOf(v, Object.fromEntries(MANY.map((name) => [name, v])));

  test('calls go side by side, eight at most, under proofs they share; each is recorded', async () => {
    let running = 0;
    let most = 0;
    let renewals = 0;
    const p = publishing(
      (inner) => ({
        ...inner,
        async apply(changes, signal) {
          most = Math.max(most, ++running);
          await sleep(p.virtual.ports.timers, 100);
          running--;
          return inner.apply(changes, signal);
        },
      }),
      { services: MANY, routing: routing(1), batchMax: 1 },
    );
    p.state.renew = async () => {
      renewals++;
      return true;
    };
    await p.virtual.advance(600);
    expect([p.calls.writes.length, most, renewals]).toEqual([40, 8, 1]);
    expect(MANY.every((name) => p.applied(name)?.outcome === 'applied')).toBe(true);
    await p.publisher.stop();
  });

  test('one that hangs does not hold up the others', async () => {
    const p = publishing(
      (inner) => ({
        ...inner,
        apply: (changes, signal) => (changes[0]?.desired.service === 'svc-0' ? new Promise(() => undefined) : inner.apply(changes, signal)),
      }),
      { services: MANY, routing: routing(1), batchMax: 1 },
    );
    await p.virtual.advance(50);
    expect(MANY.filter((name) => p.applied(name)?.outcome === 'applied')).toHaveLength(39);
    expect(p.applied('svc-0')).toBeUndefined();
    await p.publisher.stop();
  });

  test('a proof that has grown old is made anew for the calls that begin after it', async () => {
    let renewals = 0;
    const p = publishing(
      (inner) => ({
        ...inner,
        async apply(changes, signal) {
          await sleep(p.virtual.ports.timers, 700);
          return inner.apply(changes, signal);
        },
      }),
      { services: MANY, routing: routing(1), batchMax: 1 },
    );
    p.state.renew = async () => {
      renewals++;
      return true;
    };
    // Five rounds of eight, beginning at 0, 700, 1400, 2100 and 2800 ms.
    await p.virtual.advance(3600);
    expect([p.calls.writes.length, renewals]).toEqual([40, 3]);
    await p.publisher.stop();
  });

  test('a stop in the middle ends what has not begun', async () => {
    const p = publishing(
      (inner) => ({
        ...inner,
        async apply(changes, signal) {
          await sleep(p.virtual.ports.timers, 400);
          return inner.apply(changes, signal);
        },
      }),
      { services: MANY, routing: routing(1), batchMax: 1 },
    );
    await p.virtual.advance(100);
    p.state.overrides = [{ id: 'x', kind: 'stop', scope: {}, reason: '', owner: 'alice', createdAtMs: 0, expiresAtMs: 1e15 }];
    p.state.overridesMod++;
    await p.virtual.advance(60_000);
    expect(p.zone.services.size).toBe(8);
    await p.publisher.stop();
  });
});
