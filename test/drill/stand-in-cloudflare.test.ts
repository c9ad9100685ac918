// The stand-in for Cloudflare holds to the vendor's rules: what it refuses, with which code, that a batch is one transaction, and what users are served.
import { describe, expect, test } from 'vitest';
import { type CloudflareOptions, type CloudflareStandIn, standInForCloudflare } from '../../src/drill/stand-ins/cloudflare.ts';
import type { StandInServed } from '../../src/drill/stand-ins/stand-in.ts';
import { realPorts } from '../../src/ports.ts';

const ZONE = 'tide.test';
const start = async (over: Partial<CloudflareOptions> = {}): Promise<CloudflareStandIn & AsyncDisposable> => {
  const standIn = await standInForCloudflare({ ports: realPorts(), token: 'token', zone: ZONE, ...over });
  return { ...standIn, [Symbol.asyncDispose]: standIn.close };
};

interface Said {
  status: number;
  headers: Headers;
  body: { success: boolean; result: never; errors: { code: number }[] };
}

const ask = async ({ url }: CloudflareStandIn, method: string, path: string, body?: unknown, token = 'token'): Promise<Said> => {
  const reply = await fetch(`${url}${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: reply.status, headers: reply.headers, body: (await reply.json()) as Said['body'] };
};

const codeOf = ({ status, body }: Said): string => `${status} ${body.errors.map(({ code }) => code).join()}`;

describe('records', () => {
  const a = (content: string, over: object = {}) => ({ name: `web.${ZONE}`, type: 'A', content, ttl: 60, ...over });

  test('a batch is done in order of deletes, patches, posts, and replies what it did', async () => {
    await using standIn = await start();
    const [one, two] = [standIn.record(a('192.0.2.1')), standIn.record(a('192.0.2.2'))];
    const said = await ask(standIn, 'POST', `/zones/${standIn.zoneId}/dns_records/batch`, {
      posts: [a('192.0.2.1')],
      patches: [{ id: two.id, content: '192.0.2.3' }],
      deletes: [{ id: one.id }],
    });
    expect(codeOf(said)).toBe('200 ');
    expect(standIn.state().records.map(({ content }) => content)).toEqual(['192.0.2.3', '192.0.2.1']);
    const result = said.body.result as Record<string, { content: string }[]>;
    expect([result.deletes?.[0]?.content, result.patches?.[0]?.content, result.posts?.[0]?.content]).toEqual([
      '192.0.2.1',
      '192.0.2.3',
      '192.0.2.1',
    ]);
  });

  const refusals: readonly [string, (ids: { one: string }) => object, string][] = [
    ['deletes what is gone', () => ({ deletes: [{ id: '0'.repeat(32) }] }), '404 81044'],
    ['changes what is gone', () => ({ patches: [{ id: '0'.repeat(32), ttl: 60 }] }), '404 81044'],
    ['changes what it deletes', ({ one }) => ({ deletes: [{ id: one }], patches: [{ id: one, ttl: 60 }] }), '404 81044'],
    ['makes what is there', () => ({ posts: [a('192.0.2.1')] }), '400 81058'],
    ['makes the same twice', () => ({ posts: [a('192.0.2.9'), a('192.0.2.9')] }), '400 81058'],
    ['has too low a TTL', () => ({ posts: [a('192.0.2.9', { ttl: 59 })] }), '400 9021'],
    ['has no address', () => ({ posts: [a('2001:db8::1')] }), '400 9005'],
    ['leaves the zone', () => ({ posts: [a('192.0.2.9', { name: 'web.other.test' })] }), '400 1004'],
    ['proxies a text', () => ({ posts: [a('x', { type: 'TXT', proxied: true })] }), '400 9004'],
    ['joins an alias', () => ({ posts: [a('192.0.2.9', { name: `alias.${ZONE}` })] }), '400 81053'],
    ['is too large', () => ({ posts: Array.from({ length: 201 }, (_, n) => a(`192.0.2.${n}`)) }), '400 1004'],
  ];
  test.each(refusals)('a batch that %s changes nothing, whatever else is in it', async (_what, bodyOf, code) => {
    await using standIn = await start();
    const { id: one } = standIn.record(a('192.0.2.1'));
    const { id: other } = standIn.record(a('192.0.2.2'));
    standIn.record({ name: `alias.${ZONE}`, type: 'CNAME', content: 'elsewhere.test' });
    const before = standIn.state();
    const given = bodyOf({ one }) as { deletes?: object[]; posts?: object[] };
    const body = { ...given, deletes: [{ id: other }, ...(given.deletes ?? [])], posts: [a('192.0.2.77'), ...(given.posts ?? [])] };
    expect(codeOf(await ask(standIn, 'POST', `/zones/${standIn.zoneId}/dns_records/batch`, body))).toBe(code);
    expect(standIn.state()).toEqual(before);
  });

  test('the list is cut into pages and by name and type', async () => {
    await using standIn = await start();
    for (let n = 1; n <= 5; n++) standIn.record(a(`192.0.2.${n}`, { name: `s${n}.${ZONE}` }));
    standIn.record({ name: `_tidegate.s1.${ZONE}`, type: 'TXT', content: '"x"' });
    const list = async (query: string): Promise<number> => {
      const { body } = await ask(standIn, 'GET', `/zones/${standIn.zoneId}/dns_records?${query}`);
      return (body.result as unknown[]).length;
    };
    expect([await list(''), await list('per_page=4'), await list('per_page=4&page=2')]).toEqual([6, 4, 2]);
    expect([await list('type=TXT'), await list('type=TXT&name.startswith=_tidegate.'), await list('name.startswith=s')]).toEqual([1, 1, 5]);
  });
});

describe('load balancers', () => {
  test('a PATCH replaces the fields it holds and keeps the others; what is not valid changes nothing', async () => {
    await using standIn = await start();
    const pools = ['a', 'b'].map((name) => standIn.pool({ name }).id) as [string, string];
    const { id } = standIn.balancer({ name: `web.${ZONE}`, default_pools: pools, description: 'mine' });
    const patch = (body: object) => ask(standIn, 'PATCH', `/zones/${standIn.zoneId}/load_balancers/${id}`, body);
    expect(codeOf(await patch({ random_steering: { pool_weights: { [pools[0]]: 0.25 } } }))).toBe('200 ');
    expect(standIn.state().balancers[0]).toMatchObject({ description: 'mine', random_steering: { pool_weights: { [pools[0]]: 0.25 } } });
    expect(standIn.state().balancers[0]?.random_steering).not.toHaveProperty('default_weight');
    const before = standIn.state();
    for (const wrong of [
      { random_steering: { pool_weights: { [pools[0]]: 0.255 } } },
      { random_steering: { pool_weights: { [pools[0]]: '1' } } },
      { random_steering: { pool_weights: { [pools[0]]: 1.01 } } },
      { random_steering: { default_weight: 0.15 } },
      { steering_policy: 'best' },
      { default_pools: ['nobody'] },
      { description: 7 },
    ])
      expect(codeOf(await patch(wrong)), JSON.stringify(wrong)).toBe('400 1002');
    expect(standIn.state()).toEqual(before);
  });
});

describe('the API around them', () => {
  test('an unknown token, zone, account, object or path has its code', async () => {
    await using standIn = await start();
    const codes = await Promise.all([
      ask(standIn, 'GET', `/zones/${standIn.zoneId}/load_balancers`, undefined, 'other'),
      ask(standIn, 'GET', '/zones/0/load_balancers'),
      ask(standIn, 'GET', `/zones/${standIn.zoneId}/load_balancers/0`),
      ask(standIn, 'GET', '/zones/0/dns_records'),
      ask(standIn, 'GET', '/accounts/0/load_balancers/pools'),
      ask(standIn, 'GET', '/nowhere'),
    ]);
    expect(codes.map(codeOf)).toEqual(['403 10000', '404 1001', '404 1001', '404 7003', '404 1001', '400 7003']);
    expect(standIn.calls().map(({ status }) => status)).toEqual(expect.arrayContaining([403, 404, 400]));
  });

  test('past the limit every call is refused, and says for how long', async () => {
    await using standIn = await start({ callsMax: 2 });
    const list = () => ask(standIn, 'GET', `/zones/${standIn.zoneId}/load_balancers`);
    expect([codeOf(await list()), codeOf(await list())]).toEqual(['200 ', '200 ']);
    const refused = await list();
    expect(codeOf(refused)).toBe('429 10429');
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(290);
  });
});

describe('what users are served', () => {
  test('each change is told once, by pool or by address, and a load balancer hides the records of its name', async () => {
    const told: StandInServed[] = [];
    let wake = (): void => {};
    await using standIn = await start({
      onServed: (served) => {
        told.push(served);
        wake();
      },
    });
    const heard = async (count: number): Promise<void> => {
      while (told.length < count)
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
    };
    const name = `web.${ZONE}`;
    const record = standIn.record({ name, type: 'A', content: '192.0.2.1', ttl: 60 });
    await heard(1);
    await ask(standIn, 'POST', `/zones/${standIn.zoneId}/dns_records/batch`, {
      patches: [{ id: record.id, content: '192.0.2.2' }],
      posts: [{ name, type: 'AAAA', content: '2001:DB8::2', ttl: 60 }],
    });
    await heard(2);
    const pools = ['a', 'b'].map((each) => standIn.pool({ name: each }).id) as [string, string];
    const { id } = standIn.balancer({ name, default_pools: pools });
    await heard(3);
    const path = `/zones/${standIn.zoneId}/load_balancers/${id}`;
    await ask(standIn, 'PATCH', path, { random_steering: { pool_weights: { [pools[0]]: 0, [pools[1]]: 1 } } });
    await ask(standIn, 'PATCH', path, { description: 'no change of weights' });
    await ask(standIn, 'PATCH', path, { enabled: false });
    await heard(5);
    expect(told).toEqual([
      { name, weights: { '192.0.2.1': 1 } },
      { name, weights: { '192.0.2.2': 1, '2001:db8::2': 1 } },
      { name, weights: { [pools[0]]: 1, [pools[1]]: 1 } },
      { name, weights: { [pools[0]]: 0, [pools[1]]: 1 } },
      { name, weights: { [pools[0]]: 0, [pools[1]]: 0 } },
    ]);
  });

  test('a change is seen by users as late as it is said to be', async () => {
    let seenAtMs = 0;
    const seen = new Promise<void>((resolve) => {
      void start({
        visibleAfterMs: 80,
        onServed: () => {
          seenAtMs = performance.now();
          resolve();
        },
      }).then(async (standIn) => {
        madeAtMs = performance.now();
        standIn.record({ name: `web.${ZONE}`, type: 'A', content: '192.0.2.1', ttl: 60 });
        await seen;
        await standIn.close();
      });
    });
    let madeAtMs = 0;
    await seen;
    expect(seenAtMs - madeAtMs).toBeGreaterThanOrEqual(79);
  });
});
