// How soon a lane tries again: a vendor that asks everybody to wait is waited for and gives nobody's office away; what only a human can mend is tried less and
// less often, and a new decision goes at once whatever came before it.
import { describe, expect, test } from 'vitest';
import type { Applied, Provider, ReadBack } from '../../providers/provider.ts';
import { Fault } from '../../src/errors.ts';
import { publishing, routingOf } from './fixture.ts';

type World = ReturnType<typeof publishing>;
const types = (p: World): readonly string[] => p.pages().map(({ type, severity }) => `${type} ${severity}`);

describe('a vendor that asks everybody to wait', () => {
  const BUSY: Applied = { outcome: 'undecided', because: 'Rate exceeded', busyMs: 5000 };
  /** Busy until `untilMs`; `at` is when it was called. */
  const busy =
    (untilMs: number, at: number[], answer: Applied = BUSY) =>
    (now: () => number) =>
    (inner: Provider): Provider => ({
      ...inner,
      apply: async (changes, signal) => {
        at.push(now());
        return now() < untilMs ? answer : inner.apply(changes, signal);
      },
    });
  const begin = (change: (now: () => number) => (inner: Provider) => Provider, also?: Parameters<typeof publishing>[1]): World => {
    let p: World | null = null;
    // The first look comes before there is a world to look at.
    p = publishing((inner) => change(() => p?.virtual.now() ?? 0)(inner), also);
    return p;
  };

  test('is called again when it said, and nobody gives way', async () => {
    const at: number[] = [];
    const p = begin(busy(9000, at));
    await p.virtual.advance(60_000);
    expect(at).toEqual([0, 5000, 10_000]);
    expect([p.fenceOf('web'), p.abdications, types(p)]).toEqual([1, [], []]);
    await p.publisher.stop();
  });

  test('for long is told with its reason, once, and still nobody gives way', async () => {
    const p = begin(busy(100_000, []));
    await p.virtual.advance(95_000);
    expect([p.abdications, types(p)]).toEqual([[], ['provider.failing critical']]);
    expect(p.pages()[0]?.summary).toMatch(/Rate exceeded; the vendor asks everybody to wait, so another region would meet the same/);
    await p.virtual.advance(30_000);
    expect(p.fenceOf('web')).toBe(1);
    await p.publisher.stop();
  });

  test.each([
    [100, [0, 1000, 2000]],
    [3_600_000, [0, 30_000, 60_000]],
  ])('and says %i ms is asked at a pace within bounds', async (busyMs, expected) => {
    const at: number[] = [];
    const p = begin(busy(1e9, at, { outcome: 'undecided', because: 'later', busyMs }));
    await p.virtual.advance(expected.at(-1) ?? 0);
    expect(at).toEqual(expected);
    await p.publisher.stop();
  });

  test('is asked as soon as it allows where users have to leave a pool', async () => {
    const at: number[] = [];
    const later: Applied = { outcome: 'undecided', because: 'later', busyMs: 300 };
    const p = begin((now) => (inner) => ({
      ...inner,
      apply: async (changes, signal) => {
        at.push(now());
        return now() < 5000 ? inner.apply(changes, signal) : later;
      },
    }));
    await p.virtual.advance(5000);
    p.state.routing = routingOf(3, { web: 3, api: 3 }, 1000);
    p.publisher.publish(p.state.routing);
    await p.virtual.advance(900);
    expect(at).toEqual([0, 5000, 5300, 5600, 5900]);
    await p.publisher.stop();
  });

  test('does not hold back a new decision', async () => {
    const at: number[] = [];
    const p = begin(busy(1e9, at));
    await p.virtual.advance(1000);
    p.state.routing = routingOf(3, { web: 3, api: 3 });
    p.publisher.publish(p.state.routing);
    await p.virtual.advance(1);
    expect(at).toEqual([0, 1000]);
    await p.publisher.stop();
  });

  test('when it is read is waited for alike', async () => {
    const at: number[] = [];
    const p = begin((now) => (inner) => ({
      ...inner,
      read: async (services, signal) => {
        at.push(now());
        if (now() < 9000) throw new Fault('ERR_PROVIDER', 'Rate exceeded', { busyMs: 5000 });
        return inner.read(services, signal);
      },
    }));
    await p.virtual.advance(10_000);
    expect([at, p.fenceOf('web'), p.abdications]).toEqual([[0, 5000, 10_000], 1, []]);
    await p.publisher.stop();
  });

  test('beside a path that works is a warning, once it lasts', async () => {
    const p = begin(busy(1e9, []), { also: { dns: (inner) => inner } });
    await p.virtual.advance(60_000);
    expect([p.abdications, types(p), p.zoneOf('dns').services.get('web')?.fence.v]).toEqual([[], ['provider.failing warning'], 1]);
    expect(p.pages()[0]?.summary).toContain('its services go by dns meanwhile');
    await p.publisher.stop();
  });

  test('beside a path that another region may reach makes this one give way', async () => {
    const dead = (inner: Provider): Provider => ({ ...inner, read: () => Promise.reject(new Error('connection refused')) });
    const p = begin(busy(1e9, []), { also: { dns: dead } });
    await p.virtual.advance(60_000);
    expect(p.abdications).toHaveLength(1);
    await p.publisher.stop();
  });

  test('now and then does not hide failures of another kind', async () => {
    let n = 0;
    const p = begin(() => (inner) => ({
      ...inner,
      apply: async (): Promise<Applied> => (n++ % 2 === 0 ? { ...BUSY, busyMs: 1000 } : { outcome: 'undecided', because: 'no reply' }),
    }));
    await p.virtual.advance(10_000);
    expect(p.abdications).toEqual(['provider memory: no reply']);
    await p.publisher.stop();
  });
});

describe('what only a human can mend', () => {
  const fatal =
    (mended: () => boolean, at: number[], now: () => number) =>
    (inner: Provider): Provider => ({
      ...inner,
      can: { ...inner.can, batchMax: 1 },
      apply: async (changes, signal): Promise<Applied> => {
        if (changes[0]?.desired.service !== 'web' || mended()) return inner.apply(changes, signal);
        at.push(now());
        return { outcome: 'fatal', because: 'AccessDenied' };
      },
    });

  test('is tried after 1, 2, 4 … 30 s, and reads are as few; the others go on', async () => {
    const at: number[] = [];
    const p: World = publishing((inner) =>
      fatal(
        () => false,
        at,
        () => p.virtual.now(),
      )(inner),
    );
    p.state.holdsOffice = true;
    await p.virtual.advance(100);
    // Whoever gives way here gets the office back at once.
    const keep = setOffice(p);
    await p.virtual.advance(91_000);
    keep.stop();
    expect(at).toEqual([0, 1000, 3000, 7000, 15_000, 31_000, 61_000, 91_000]);
    expect(p.fenceOf('api')).toBe(2);
    await p.publisher.stop();
  });

  test('goes at once with a new decision', async () => {
    const at: number[] = [];
    const p: World = publishing((inner) =>
      fatal(
        () => false,
        at,
        () => p.virtual.now(),
      )(inner),
    );
    await p.virtual.advance(1500);
    p.state.routing = routingOf(3, { web: 3, api: 2 });
    p.publisher.publish(p.state.routing);
    await p.virtual.advance(1);
    expect(at).toEqual([0, 1000, 1500]);
    await p.publisher.stop();
  });

  test('and is mended is found within half a minute', async () => {
    const p: World = publishing((inner) =>
      fatal(
        () => p.virtual.now() > 32_000,
        [],
        () => p.virtual.now(),
      )(inner),
    );
    const keep = setOffice(p);
    await p.virtual.advance(61_100);
    keep.stop();
    expect(p.fenceOf('web')).toBe(1);
    await p.publisher.stop();
  });

  test('a value that writing does not remove is written and read less and less often', async () => {
    const strange = (back: ReadBack): ReadBack => ({ ...back, foreign: ['198.51.100.9'] });
    const p = publishing((inner) => ({
      ...inner,
      read: async (services, signal) => new Map([...(await inner.read(services, signal))].map(([name, back]) => [name, strange(back)])),
    }));
    await p.virtual.advance(300_000);
    expect(p.calls.writes.length).toBeLessThan(20);
    expect(p.calls.reads).toBeLessThan(25);
    expect(types(p)).toEqual(['provider.drift warning', 'provider.drift warning']);
    await p.publisher.stop();
  });

  test('what is drifting again and again after it was put right is put right within a second of being seen', async () => {
    const p = publishing();
    await p.virtual.advance(5000);
    for (let n = 0; n < 5; n++) {
      p.meddle('web', {}, { a: 0, b: 1000 });
      await p.virtual.advance(30_000);
      expect(p.served('web').shares).toEqual({ a: 1000, b: 0 });
    }
    await p.publisher.stop();
  });
});

/** The office comes back within a moment whenever it was given away. */
const setOffice = (p: World): { stop(): void } => {
  let isOver = false;
  const again = (): void => {
    if (isOver) return;
    p.state.holdsOffice = true;
    p.virtual.ports.timers.after(50, again);
  };
  again();
  return {
    stop() {
      isOver = true;
    },
  };
};

describe('a batch that is refused for good', () => {
  const MANY = Array.from({ length: 60 }, (_, i) => `s${i}.test`);
  const many = { services: MANY, routing: routingOf(2, Object.fromEntries(MANY.map((name) => [name, 2]))) };

  test('costs a few calls a second when everything is refused, not one for each service', async () => {
    let calls = 0;
    const expired = (inner: Provider): Provider => ({
      ...inner,
      apply: async () => {
        calls++;
        return { outcome: 'fatal', because: 'the token has expired' };
      },
    });
    const p = publishing(expired, { ...many, also: { dns: (inner) => inner } });
    await p.virtual.advance(30_000);
    // A turn at the start and one a second: the batch, and two of it alone.
    expect(calls).toBeLessThanOrEqual(31 * 3);
    expect(types(p)).toEqual(['provider.failing warning']);
    expect(p.zoneOf('dns').services.size).toBe(MANY.length);
    await p.publisher.stop();
  });

  test('keeps none of the others waiting for long, wherever those that are refused stand in it', async () => {
    const refused = new Set(['s0.test', 's1.test', 's2.test', 's30.test', 's59.test']);
    const picky = (inner: Provider): Provider => ({
      ...inner,
      apply: async (changes, signal) =>
        changes.some(({ desired }) => refused.has(desired.service))
          ? { outcome: 'fatal', because: 'AccessDenied' }
          : inner.apply(changes, signal),
    });
    const p = publishing(picky, { ...many, also: { dns: (inner) => inner } });
    await p.virtual.advance(5000);
    expect(p.zoneOf('memory').services.size).toBe(MANY.length - refused.size);
    await p.publisher.stop();
  });
});
