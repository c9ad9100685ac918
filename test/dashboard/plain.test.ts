// The page without a script: what it says in every state, that no text of anybody's becomes markup, and that a large cluster stays readable.
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import type { InjectOptions } from 'fastify';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { statusDocument } from '../../src/api/status.ts';
import { plainPage } from '../../src/dashboard/plain.ts';
import { Fault } from '../../src/errors.ts';
import type { ClusterConfig, PoolTally } from '../../src/model.ts';
import { AUTHORIZED, cluster, type Opened, openApi, statusInput, TOKEN, tokenAccess, viewOf } from '../api/fixture.ts';
import { dying, healthy, overridden } from '../command/desk/fixture.ts';
import { tallyOf } from '../health/votes.ts';

/** Elements and their attributes; throws where something is not closed, or stands where no markup of ours is. */
const elementsOf = (page: string): readonly { name: string; attributes: string }[] => {
  const body = page.replace(/^<!doctype html>\n/, '');
  const elements: { name: string; attributes: string }[] = [];
  const open: string[] = [];
  const rest = body.replace(/<(\/?)([a-z][a-z0-9]*)((?:\s+[a-z-]+="[^"<>]*")*)>/g, (_, close: string, name: string, attributes: string) => {
    if (close === '/') expect(open.pop(), `</${name}>`).toBe(name);
    else {
      elements.push({ name, attributes });
      if (!['meta', 'link', 'br'].includes(name)) open.push(name);
    }
    return '';
  });
  expect(open).toEqual([]);
  expect(rest).not.toMatch(/[<>]/);
  return elements;
};
const NAMES =
  'html head meta title link body header main section h1 h2 h3 p a ul li div table caption thead tbody tr th td span details summary br'.split(
    ' ',
  );
const textOf = (page: string): string => page.replace(/<[^>]*>/g, ' ').replace(/\s+/g, ' ');

/** The document with every text in it replaced: also those that the API would never take. */
const poisoned = (value: unknown, poison: string): unknown => {
  if (typeof value === 'string') return poison;
  if (Array.isArray(value)) return value.map((each) => poisoned(each, poison));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, poisoned(each, poison)]));
};

describe('no text becomes markup', () => {
  const HOSTILE = `"><script>alert(1)</script><img src=x onerror='a()'>&lt;\u202e\u0000`;
  test.each([
    ['a healthy cluster', healthy],
    ['a dying one', dying],
    ['one with orders', overridden],
  ])('%s, every text of which is hostile', (_name, make) => {
    const page = plainPage(poisoned(make(), HOSTILE) as never);
    const elements = elementsOf(page);
    expect(elements.map(({ name }) => name).filter((name) => !NAMES.includes(name))).toEqual([]);
    expect(elements.filter(({ attributes }) => /\son|\sstyle|javascript:|\ssrc/.test(attributes))).toEqual([]);
    for (const char of ['\u202e', '\u0000']) expect(page).not.toContain(char);
    expect(page).toContain('&lt;script&gt;');
  });

  test('nor do names of services, regions and targets, which are keys of maps', () => {
    const name = '<b>x</b>';
    const [service] = cluster.services;
    const hostile = {
      ...cluster,
      regions: [{ ...cluster.regions[0], name }],
      services: [{ ...service, name, pools: [{ ...service?.pools[0], name, region: name }] }],
    };
    expect(
      elementsOf(plainPage(statusDocument(statusInput({ cluster: hostile as ClusterConfig })))).some(({ name: each }) => each === 'b'),
    ).toBe(false);
  });

  test('whatever it is', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.stringMatching(/^[<>"'&;/a-z ]{0,20}$/)), (text) => {
        elementsOf(plainPage(poisoned(dying(), text) as never));
      }),
      { numRuns: 40 },
    );
  });
});

describe('what it says', () => {
  test('of a region that dies: the sentence first, then what is not well, with the times of the incident beside the goals', () => {
    const text = textOf(plainPage(dying()));
    const at = (part: string): number => {
      expect(text).toContain(part);
      return text.indexOf(part);
    };
    expect(at('eu-west is down since')).toBeLessThan(at('To look at'));
    expect(at('To look at')).toBeLessThan(at('Regions'));
    for (const part of ['t0 first probe that failed', 't3 decision', 't6 users land on it', 'goal 30 s', 'Votes that are not up']) at(part);
  });

  test('of a healthy one: that nothing is wrong, and no tables of it', () => {
    const text = textOf(plainPage(healthy()));
    expect(text).toContain('To look at Nothing.');
    expect(text).not.toContain('Services that are not as configured');
    expect(text).not.toContain('Votes that are not up');
    expect(text).toContain('as configured and served');
  });

  test('of orders: whose, until when, and whether they are obeyed', () => {
    const [order] = overridden().overrides.items;
    const text = textOf(plainPage(overridden()));
    for (const part of [order?.reason ?? '', order?.owner ?? '', 'Orders of operators']) expect(text).toContain(part);
  });

  test('before any configuration is known: that, and it asks again', () => {
    expect(textOf(plainPage(null))).toContain('No cluster configuration is known here yet');
    expect(plainPage(null)).toContain('<meta http-equiv="refresh" content="5">');
  });

  test('for whoever reads it aloud: every table has a caption, every heading of one its scope, and the page its language', () => {
    const page = plainPage(dying());
    expect(page).toContain('<html lang="en">');
    expect([...page.matchAll(/<table>(?!<caption>)/g)]).toEqual([]);
    expect([...page.matchAll(/<th(?=[ >])(?! scope="(?:col|row)")/g)]).toEqual([]);
  });
});

test('two hundred services in twenty regions are one page that a telephone loads: what is not well in detail, the rest counted', () => {
  const names = Array.from({ length: 20 }, (_, at) => `region-${at}`);
  const [one] = cluster.services;
  const services = Array.from({ length: 200 }, (_, at) => ({
    ...one!,
    name: `service-${at}.example.test`,
    pools: names.map((name) => ({ ...one!.pools[0]!, name, region: name })),
  }));
  const big: ClusterConfig = { ...cluster, services, regions: names.map((name) => ({ ...cluster.regions[0]!, name })) };
  const tallies = services.flatMap(({ name, pools }) =>
    pools.map(
      (pool, at): PoolTally =>
        tallyOf(pool.region, { service: name, pool: pool.name, ...(at === 0 ? { verdict: 'out', cause: 'down', up: 0 } : {}) }),
    ),
  );
  const status = statusDocument(statusInput({ cluster: big, tallies }));
  const before = performance.now();
  const page = plainPage(status);
  console.log(
    `/status of 200 services in 20 regions: ${Math.round(page.length / 1000)} kB, ${Math.round(gzipSync(page).length / 1000)} kB zipped, ${Math.round(performance.now() - before)} ms`,
  );
  expect(page.length).toBeLessThan(150_000);
  expect(gzipSync(page).length).toBeLessThan(20_000);
  elementsOf(page);
  const text = textOf(page);
  expect(text).toContain('And 160 more');
  expect(text).toContain('0 of 200 services as configured and served');
  expect(text).toContain('0 of 200 up');
});

describe('GET /status', () => {
  let api: Opened;
  let closed: Opened;
  beforeAll(() => {
    api = openApi();
    closed = openApi({ access: { ...tokenAccess(TOKEN), identify: (caller) => locked.identify(caller) } });
  });
  afterAll(async () => {
    await api.close();
    await closed.close();
  });
  const known = tokenAccess(TOKEN);
  /** As where nobody may look without saying who they are. */
  const locked = {
    identify: async (caller: Parameters<typeof known.identify>[0]) => {
      const principal = await known.identify(caller);
      if (principal.how !== 'anonymous') return principal;
      throw new Fault('ERR_UNAUTHORIZED', 'say who you are');
    },
  };
  let addresses = 0;
  /** Wrong tokens make their address wait. */
  const elsewhere = (): string => `10.0.0.${++addresses}`;
  const ask = (request: InjectOptions) => closed.app.inject({ remoteAddress: elsewhere(), ...request });
  const basic = (password: string, name = 'ana') => ({ authorization: `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}` });

  test('is HTML that may load its style and nothing else', async () => {
    const { statusCode, headers, body } = await api.app.inject('/status');
    expect([statusCode, headers['content-type']]).toEqual([200, 'text/html; charset=utf-8']);
    expect(headers['content-security-policy']).toMatch(/^default-src 'none'; style-src 'self'; base-uri 'none';/);
    expect(headers['content-security-policy']).not.toContain('script-src');
    expect(headers['cache-control']).toBe('no-store');
    expect(body).toContain('<link rel="stylesheet" href="/assets/style.css">');
    elementsOf(body);
    const zipped = await api.app.inject({ url: '/status', headers: { 'accept-encoding': 'gzip' } });
    expect(zipped.headers).toMatchObject({ 'content-encoding': 'gzip', vary: 'accept-encoding' });
    expect((await api.app.inject({ method: 'HEAD', url: '/status' })).body).toBe('');
  });

  test('is asked for by many at once, and is then made of a state that they share', async () => {
    const shared = openApi({ view: { ...viewOf(), status: () => expect.unreachable('made anew'), glance: async () => null } });
    expect((await shared.app.inject('/status')).statusCode).toBe(200);
    await shared.close();
  });

  test('is a page also before any configuration is known', async () => {
    const empty = openApi({ view: viewOf({ glance: async () => null }) });
    const { statusCode, body } = await empty.app.inject('/status');
    expect([statusCode, body.includes('No cluster configuration')]).toEqual([200, true]);
    await empty.close();
  });

  test('asks a browser for a password, which is the token', async () => {
    const refused = await ask({ url: '/status' });
    expect([refused.statusCode, refused.headers['www-authenticate']]).toEqual([
      401,
      'Basic realm="tidegate", charset="UTF-8", Bearer realm="tidegate"',
    ]);
    for (const headers of [basic(TOKEN), basic(TOKEN, ''), AUTHORIZED])
      expect((await ask({ url: '/status', headers })).statusCode).toBe(200);
    for (const password of ['wrong', '', `${TOKEN}x`, `x ${TOKEN}`])
      expect((await ask({ url: '/status', headers: basic(password) })).statusCode, password).toBe(401);
    for (const authorization of ['Basic', 'Basic !!!', `Basic ${TOKEN}`, `Basic ${Buffer.from(TOKEN).toString('base64')}`])
      expect((await ask({ url: '/status', headers: { authorization } })).statusCode, authorization).toBe(401);
  });

  test('gives a password that a browser then sends to other paths too, where it is refused and is no guess: the next token still gets in', async () => {
    const remoteAddress = elsewhere();
    for (let n = 0; n < 15; n += 1)
      expect((await closed.app.inject({ remoteAddress, url: '/v1/status', headers: basic(TOKEN) })).statusCode).toBe(401);
    expect((await closed.app.inject({ remoteAddress, url: '/v1/status', headers: AUTHORIZED })).statusCode).toBe(200);
    for (let n = 0; n < 15; n += 1) await closed.app.inject({ remoteAddress, url: '/status', headers: basic('guess') });
    expect((await closed.app.inject({ remoteAddress, url: '/status', headers: basic(TOKEN) })).statusCode).toBe(429);
  });

  test('is the only path that does: what a browser sends by itself opens no other, and none asks it to', async () => {
    for (const [method, url] of [
      ['GET', '/v1/status'],
      ['GET', '/v1/me'],
      ['POST', '/v1/overrides'],
      ['DELETE', '/v1/overrides/x'],
      ['POST', '/status'],
    ] as const) {
      const reply = await ask({ method, url, headers: basic(TOKEN) });
      expect(reply.statusCode, url).toBe(url === '/status' ? 405 : 401);
      expect(String(reply.headers['www-authenticate'] ?? ''), url).not.toContain('Basic');
    }
  });
});
