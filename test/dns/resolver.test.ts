import { describe, expect, test } from 'vitest';
import type { Reply } from '../../src/dns/codec.ts';
import type { QueryOptions } from '../../src/dns/exchange.ts';
import { serversOf } from '../../src/dns/resolv-conf.ts';
import { ATTEMPTS_MAX, createResolver, LOOKUPS_MAX, NAMES_MAX, type Resolver } from '../../src/dns/resolver.ts';
import { Fault } from '../../src/errors.ts';
import { realPorts, sleep } from '../../src/ports.ts';
import { createVirtual } from '../virtual.ts';
import { addresses, replyTo, startFakeDns } from './fake-dns.ts';

type Answered = { rcode: string; addresses: readonly string[]; ttlS: number } | Error;

const ok = (ttlS: number, ...all: string[]): Answered => ({ rcode: 'NOERROR', addresses: all, ttlS });
const rcode = (name: string): Answered => ({ rcode: name, addresses: [], ttlS: 0 });
const timeout = new Fault('ERR_DNS', 'DNS server: no answer within 1000 ms');

/** A resolver in virtual time whose servers answer as `world` says at that moment. */
const story = (hosts: readonly string[] = ['192.0.2.53']) => {
  const time = createVirtual({ startWallMs: 0, seed: 1 });
  const asked: { host: string; name: string; type: string; atMs: number }[] = [];
  let world: (question: { host: string; name: string; type: string }) => Answered = () => rcode('SERVFAIL');
  const ask = async ({ server, name, type }: QueryOptions): Promise<Reply> => {
    asked.push({ host: server.host, name, type, atMs: time.now() });
    const answered = world({ host: server.host, name, type });
    if (answered instanceof Error) throw answered;
    const answers = answered.addresses
      .filter((address) => (type === 'AAAA') === address.includes(':'))
      .map((data) => ({ name, type: type as 'A', ttlS: answered.ttlS, data }));
    return {
      id: 0,
      rcode: answered.rcode,
      authoritative: false,
      truncated: false,
      recursionAvailable: true,
      question: null,
      answers,
      negativeTtlS: null,
      ednsBytes: null,
    };
  };
  const resolver = createResolver({ ports: time.ports, servers: hosts.map((host) => ({ host, port: 53 })), ask });
  const look = async (name = 'web.test') => {
    const found = resolver.resolve(name);
    await time.advance(0);
    return found;
  };
  return {
    time,
    asked,
    resolver,
    look,
    set: (next: typeof world | Answered) => {
      world = typeof next === 'function' ? next : () => next;
    },
  };
};

describe('what needs no server', () => {
  test('addresses pass through, in their canonical text, and localhost stays here', async () => {
    const { look, asked } = story();
    expect(await look('192.0.2.7')).toEqual({ addresses: ['192.0.2.7'], stale: null, ageMs: 0 });
    expect(await look('2001:DB8:0::1')).toEqual({ addresses: ['2001:db8::1'], stale: null, ageMs: 0 });
    for (const name of ['localhost', 'LOCALHOST.', 'a.localhost']) expect((await look(name)).addresses).toEqual(['127.0.0.1', '::1']);
    expect(asked).toEqual([]);
  });

  test('a resolver without servers is our bug', () => {
    expect(() => createResolver({ ports: realPorts(), servers: [] })).toThrow('needs a server');
  });
});

describe('memory', () => {
  test('an answer is kept, and asked for again before it expires, without anybody waiting', async () => {
    const { look, set, asked, time } = story();
    set(ok(100, '192.0.2.1', '2001:db8::1'));
    expect(await look('Web.Test.')).toEqual({ addresses: ['192.0.2.1', '2001:db8::1'], stale: null, ageMs: 0 });
    await time.advance(79_000);
    expect(await look()).toEqual({ addresses: ['192.0.2.1', '2001:db8::1'], stale: null, ageMs: 79_000 });
    expect(asked).toHaveLength(2);
    set(ok(100, '192.0.2.2'));
    await time.advance(2_000);
    expect(await look()).toEqual({ addresses: ['192.0.2.2'], stale: null, ageMs: 1_000 });
    expect(asked.map(({ type, atMs }) => `${type}@${atMs}`)).toEqual(['A@0', 'AAAA@0', 'A@80000', 'AAAA@80000']);
  });

  test('a TTL counts as at least 1 s and at most 5 min', async () => {
    for (const [ttlS, refreshMs] of [
      [0, 800],
      [1, 800],
      [86_400, 240_000],
    ] as const) {
      const { look, set, asked, time } = story();
      set(ok(ttlS, '192.0.2.1'));
      await look();
      await time.advance(refreshMs - 1);
      expect(asked).toHaveLength(2);
      await time.advance(1);
      expect(asked).toHaveLength(4);
    }
  });

  test('many who ask at once cause one look-up', async () => {
    const { resolver, set, asked, time } = story();
    set(ok(60, '192.0.2.1'));
    const all = Promise.all(Array.from({ length: 50 }, () => resolver.resolve('web.test')));
    await time.advance(0);
    expect(new Set((await all).map((found) => found.addresses.join()))).toEqual(new Set(['192.0.2.1']));
    expect(asked).toHaveLength(2);
  });

  test('a name nobody asks for any more is forgotten after ten minutes', async () => {
    const { look, set, asked, time } = story();
    set(ok(100, '192.0.2.1'));
    await look();
    await time.advance(3_600_000);
    expect(asked.length).toBeLessThanOrEqual(2 * (600 / 80 + 2));
    expect(time.pendingTimers()).toBe(0);
  });

  test('names beyond the limit push out the one longest unused', async () => {
    const { look, set, asked, time, resolver } = story();
    set(ok(300, '192.0.2.1'));
    const all = Promise.all(Array.from({ length: NAMES_MAX }, (_, n) => resolver.resolve(`n${n}.test`)));
    await time.advance(0);
    await all;
    await look('n0.test');
    expect(asked).toHaveLength(2 * NAMES_MAX);
    await look('one.more.test');
    await look('n0.test');
    expect(asked).toHaveLength(2 * NAMES_MAX + 2);
    await look('n1.test');
    expect(asked).toHaveLength(2 * NAMES_MAX + 4);
    expect(time.pendingTimers()).toBe(NAMES_MAX);
  });

  test('a thousand new names are looked up a hundred at a time', async () => {
    const time = createVirtual({ startWallMs: 0, seed: 1 });
    let under = 0;
    let most = 0;
    const ask = async (): Promise<Reply> => {
      most = Math.max(most, ++under);
      await sleep(time.ports.timers, 100);
      under--;
      throw timeout;
    };
    const resolver = createResolver({ ports: time.ports, servers: [{ host: '192.0.2.53', port: 53 }], ask });
    const all = Promise.all(Array.from({ length: 1_000 }, (_, n) => resolver.resolve(`n${n}.test`)));
    const atMs = await time.advanceUntil(() => under === 0, 60_000);
    resolver.close();
    await time.advance(0);
    expect(most).toBe(2 * LOOKUPS_MAX);
    expect(atMs).toBeGreaterThanOrEqual(2_000);
    expect(await all).toHaveLength(1_000);
  });

  test('closing leaves no timer, and memory still answers', async () => {
    const { look, set, resolver, time, asked } = story();
    set(ok(60, '192.0.2.1'));
    await look();
    resolver.close();
    expect(time.pendingTimers()).toBe(0);
    expect((await look()).addresses).toEqual(['192.0.2.1']);
    expect(await look('new.test')).toEqual({ addresses: [], stale: 'the resolver is closed', ageMs: 0 });
    expect(asked).toHaveLength(2);
    expect(time.pendingTimers()).toBe(0);
  });
});

describe('last good', () => {
  test.each([
    ['SERVFAIL', rcode('SERVFAIL'), /192\.0\.2\.53:53 answered SERVFAIL/],
    ['REFUSED', rcode('REFUSED'), /answered REFUSED/],
    ['a timeout', timeout, /no answer within 1000 ms/],
    ['NXDOMAIN', rcode('NXDOMAIN'), /^web\.test does not exist \(NXDOMAIN\)$/],
    ['no records', ok(60), /^web\.test has neither A nor AAAA records$/],
  ])('%s keeps the old addresses, with the reason and a growing age, until a good answer replaces them', async (_what, bad, reason) => {
    const { look, set, time } = story();
    set(ok(10, '192.0.2.1', '2001:db8::1'));
    await look();
    set(bad);
    await time.advance(60_000);
    const kept = await look();
    expect(kept).toMatchObject({ addresses: ['192.0.2.1', '2001:db8::1'], ageMs: 60_000 });
    expect(kept.stale).toMatch(reason);
    set(ok(10, '192.0.2.9'));
    await time.advance(30_000);
    expect(await look()).toMatchObject({ addresses: ['192.0.2.9'], stale: null });
  });

  test('a name that never had an address says why at once, and again without waiting', async () => {
    const { look, set, asked } = story();
    set(rcode('NXDOMAIN'));
    expect(await look()).toEqual({ addresses: [], stale: 'web.test does not exist (NXDOMAIN)', ageMs: 0 });
    expect(await look()).toEqual({ addresses: [], stale: 'web.test does not exist (NXDOMAIN)', ageMs: 0 });
    expect(asked).toHaveLength(2);
  });

  test('failures are retried after 1 s, then ever more rarely, at least each 30 s', async () => {
    const { look, set, asked, time, resolver } = story();
    set(rcode('NXDOMAIN'));
    await look();
    for (let second = 0; second < 120; second++) {
      await time.advance(1_000);
      void resolver.resolve('web.test');
    }
    const atS = asked.filter(({ type }) => type === 'A').map(({ atMs }) => atMs / 1000);
    expect(atS).toEqual([0, 1, 3, 7, 15, 31, 61, 91]);
  });

  test('a good answer forgives: the next failure is retried after 1 s again', async () => {
    const { look, set, asked, time } = story();
    set(rcode('SERVFAIL'));
    await look();
    await time.advance(14_000);
    set(ok(10, '192.0.2.1'));
    await time.advance(1_000);
    set(rcode('SERVFAIL'));
    const before = asked.length;
    await time.advance(8_000);
    expect(asked.length).toBeGreaterThan(before);
    const failed = asked.length;
    await time.advance(1_000);
    expect(asked.length).toBeGreaterThan(failed);
  });

  test('one family failing does not take away the other, nor its own last good addresses', async () => {
    const { look, set, time } = story();
    set(ok(10, '192.0.2.1', '2001:db8::1'));
    await look();
    set(({ type }) => (type === 'AAAA' ? rcode('SERVFAIL') : ok(10, '192.0.2.2')));
    await time.advance(9_000);
    expect(await look()).toMatchObject({ addresses: ['192.0.2.2', '2001:db8::1'], stale: null });
    set(({ type }) => (type === 'AAAA' ? ok(10) : ok(10, '192.0.2.2')));
    await time.advance(9_000);
    expect(await look()).toMatchObject({ addresses: ['192.0.2.2'], stale: null });
  });
});

describe('servers', () => {
  test('a dead first server costs one attempt, then the one that works is asked first', async () => {
    const { look, set, asked, time } = story(['192.0.2.1', '192.0.2.2']);
    set(({ host }) => (host === '192.0.2.1' ? timeout : ok(10, '192.0.2.80')));
    expect(await look()).toMatchObject({ addresses: ['192.0.2.80'], stale: null });
    const first = asked.length;
    expect(asked[0]?.host).toBe('192.0.2.1');
    await time.advance(60_000);
    expect(new Set(asked.slice(first).map(({ host }) => host))).toEqual(new Set(['192.0.2.2']));
  });

  test('a server that denies the name is believed, and no other asked', async () => {
    const { look, set, asked } = story(['192.0.2.1', '192.0.2.2']);
    set(rcode('NXDOMAIN'));
    await look();
    expect(asked.map(({ host }) => host)).toEqual(['192.0.2.1', '192.0.2.1']);
  });

  test('a lone server is asked twice, many are asked four times at most, and all failures are told', async () => {
    const one = story();
    one.set(timeout);
    await one.look();
    expect(one.asked.filter(({ type }) => type === 'A')).toHaveLength(2);
    const many = story(['192.0.2.1', '192.0.2.2', '192.0.2.3', '192.0.2.4', '192.0.2.5']);
    many.set(rcode('SERVFAIL'));
    const { stale } = await many.look();
    expect(many.asked.filter(({ type }) => type === 'A')).toHaveLength(ATTEMPTS_MAX);
    expect(stale?.match(/SERVFAIL/g)).toHaveLength(ATTEMPTS_MAX);
  });

  test('what is not a name fails as itself, without a packet', async () => {
    const resolver = createResolver({ ports: realPorts(), servers: [{ host: '127.0.0.1', port: 9 }] });
    expect(await resolver.resolve('not a name')).toMatchObject({ addresses: [], stale: expect.stringContaining('is not a DNS name') });
    resolver.close();
  });

  test("the caller's abort ends the caller's wait, not the look-up", async () => {
    await using server = await startFakeDns((asked) => (asked.n <= 2 ? [] : [addresses(asked, 60, '192.0.2.1')]));
    const resolver = createResolver({ ports: realPorts(), servers: [server], timeoutMs: 1_500 });
    const controller = new AbortController();
    const impatient = resolver.resolve('web.test', controller.signal);
    const outcome = expect(impatient).rejects.toThrow('enough');
    controller.abort(new Error('enough'));
    await outcome;
    expect(await resolver.resolve('web.test')).toMatchObject({ addresses: ['192.0.2.1'], stale: null });
    resolver.close();
  });
});

describe('over real sockets', () => {
  const withResolver = async (
    servers: readonly { host: string; port: number }[],
    work: (resolver: Resolver) => Promise<void>,
  ): Promise<void> => {
    const resolver = createResolver({ ports: realPorts(), servers, timeoutMs: 5_000 });
    try {
      await work(resolver);
    } finally {
      resolver.close();
    }
  };

  test('a changed answer arrives by itself, a failing server does not take it away, and a good one renews it', {
    timeout: 60_000,
  }, async () => {
    let now: 'one' | 'two' | 'SERVFAIL' | 'NXDOMAIN' = 'one';
    await using server = await startFakeDns((asked) => {
      if (now === 'one' || now === 'two') return [addresses(asked, 1, now === 'one' ? '192.0.2.1' : '192.0.2.2')];
      return [replyTo(asked.request, { rcode: now })];
    });
    await withResolver([server], async (resolver) => {
      const seen = async () => {
        const { addresses: found, stale } = await resolver.resolve('web.test');
        return { found, stale };
      };
      const patience = { timeout: 20_000, interval: 20 };
      expect(await seen()).toEqual({ found: ['192.0.2.1'], stale: null });
      now = 'two';
      await expect.poll(seen, patience).toEqual({ found: ['192.0.2.2'], stale: null });
      now = 'SERVFAIL';
      await expect.poll(seen, patience).toEqual({ found: ['192.0.2.2'], stale: expect.stringContaining('answered SERVFAIL') });
      now = 'NXDOMAIN';
      await expect.poll(seen, patience).toEqual({ found: ['192.0.2.2'], stale: 'web.test does not exist (NXDOMAIN)' });
      now = 'one';
      await expect.poll(seen, patience).toEqual({ found: ['192.0.2.1'], stale: null });
    });
  });

  test('a first server whose port is closed costs nothing noticeable', async () => {
    let dead: { host: string; port: number };
    {
      await using gone = await startFakeDns(() => []);
      dead = { host: gone.host, port: gone.port };
    }
    await using server = await startFakeDns((asked) => [addresses(asked, 60, '192.0.2.1')]);
    await withResolver([dead, server], async (resolver) => {
      expect(await resolver.resolve('web.test')).toMatchObject({ addresses: ['192.0.2.1'], stale: null });
    });
  });
});

describe('resolv.conf', () => {
  test('name servers are taken in order, at most three; the rest is ignored', () => {
    const text = `# nameserver 192.0.2.1\nnameserver 192.0.2.2\n;nameserver 192.0.2.3\n nameserver 192.0.2.4\nnameserver\t2001:DB8::5 # five
search tide.test\noptions ndots:5\nnameserver fe80::1%eth0\nnameserver dns.test\nnameserver 192.0.2.6\nnameserver 192.0.2.7\n`;
    expect(serversOf(text)).toEqual(['192.0.2.2', '2001:db8::5', '192.0.2.6'].map((host) => ({ host, port: 53 })));
  });
  test('none named means this machine', () => {
    for (const text of ['', 'search tide.test\n', 'nameserver\n']) expect(serversOf(text)).toEqual([{ host: '127.0.0.1', port: 53 }]);
  });
});
