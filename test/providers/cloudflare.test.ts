// What the contract suite does not ask of cloudflare: replies of every kind through the real client, the limit on calls, what bypasses weights, what is left
// alone, sessions, records that turn instead of vanishing, and least privilege.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { Response } from 'undici';
import { describe, expect, test } from 'vitest';
import { joinDescription, quantise, splitDescription } from '../../providers/cloudflare/balancer-convert.ts';
import type { CloudflareConfig, RecordsConfig } from '../../providers/cloudflare/config.ts';
import { txtText } from '../../providers/cloudflare/dns-convert.ts';
import { cloudflare } from '../../providers/cloudflare/index.ts';
import { createLimiter } from '../../providers/cloudflare/limiter.ts';
import { sortReply } from '../../providers/cloudflare/replies.ts';
import { shedPercent } from '../../providers/cloudflare/sessions.ts';
import { fenceName, formatFence, stateHash } from '../../providers/fence.ts';
import type { Applied, Fence, Provider, ProviderService, ReadBack } from '../../providers/provider.ts';
import type { Fetch } from '../../src/http.ts';
import { realPorts } from '../../src/ports.ts';
import { stepFor, type Wanted } from '../../src/publish/plan.ts';
import { type CloudflareWorld, FIXTURES, startWorld, TOKEN, ZONE } from './cloudflare.fixture.ts';

const patience = (): AbortSignal => AbortSignal.timeout(30_000);

const pool = (name: string, share: number, ...answers: string[]) => ({ pool: name, region: name, share, configuredShare: 500, answers });
const web: ProviderService = {
  service: `web.${ZONE}`,
  ttlS: 60,
  pools: [pool('eu-west', 500, '192.0.2.1', '2001:db8::1'), pool('us-east', 500, '192.0.2.2', '2001:db8::2')],
};
const shares = (eu: number, us: number): ProviderService => ({
  ...web,
  pools: web.pools.map((each, at) => ({ ...each, share: at === 0 ? eu : us })),
});
const drained = shares(0, 1000);

let nonces = 0;
const fenceOf = (v: number, desired: ProviderService): Fence => ({
  v,
  epoch: 1,
  writer: 'eu-west/a',
  nonce: `n${++nonces}`,
  hash: stateHash(desired),
});

const readOne = async (provider: Provider): Promise<ReadBack> => (await provider.read([web], patience())).get(web.service)!;

/** Reads, then writes. */
const write = async (provider: Provider, desired: ProviderService, v: number): Promise<Applied> =>
  provider.apply([{ desired, fence: fenceOf(v, desired), previous: await readOne(provider) }], patience());

const established = async (provider: Provider, desired: ProviderService, v: number): Promise<void> =>
  expect(await write(provider, desired, v)).toMatchObject({ outcome: 'applied' });

const changesOf = ({ standIn }: CloudflareWorld): readonly { path: string; body: unknown }[] =>
  standIn.calls().filter(({ method }) => method !== 'GET');

const balanced = async (over?: Parameters<typeof startWorld>[0]): Promise<CloudflareWorld> => {
  const world = await startWorld(over);
  world.balance(web);
  return world;
};

// ---- every reply there is ----

interface Case {
  name: string;
  status: number;
  headers: Record<string, string>;
  body: unknown;
}

const cases: readonly Case[] = JSON.parse(readFileSync(join(FIXTURES, 'errors.json'), 'utf8')).cases;

/** By case: the outcome for a PATCH of a load balancer, and for a batch of records. */
const OUTCOMES: Readonly<Record<string, readonly [Applied['outcome'], Applied['outcome'], RegExp]>> = {
  'dns-record-missing': ['undecided', 'conflict', /81044 Record does not exist/],
  'dns-record-exists': ['undecided', 'conflict', /81057/],
  'dns-identical-record': ['undecided', 'conflict', /81058/],
  'lb-object-referenced': ['fatal', 'fatal', /412 \(1005 /],
  'lb-validation': ['fatal', 'fatal', /400 \(1002 .*not valid/],
  'lb-not-unique': ['undecided', 'undecided', /1003/],
  auth: ['fatal', 'fatal', /403 \(10000 Authentication error\).*permissions/],
  'no-route': ['fatal', 'fatal', /7003 .*compare the ids/],
  'rate-limited': ['undecided', 'undecided', /429 \(971 .*no call of this token for 30 s/],
  internal: ['undecided', 'undecided', /500 \(10013/],
  'success-false-with-200': ['undecided', 'undecided', /200 \(1000 soft failure\); refused with a status of success/],
  'html-502': ['undecided', 'undecided', /502/],
};

describe('every case of errors.json, through the real client', () => {
  test('there is an outcome for each', () => {
    expect(Object.keys(OUTCOMES).sort()).toEqual(cases.map(({ name }) => name).sort());
  });

  test.each(cases)('$name', async ({ name, status, headers, body }) => {
    const [balancer, records, says] = OUTCOMES[name]!;
    for (const [mode, outcome] of [
      ['loadBalancer', balancer],
      ['dns', records],
    ] as const) {
      await using world = await balanced();
      const config: CloudflareConfig = mode === 'dns' ? world.recordsConfig() : world.balancerConfig();
      await established(world.open(config), web, 1);
      const provider = world.open(config);
      const previous = await readOne(provider);
      const before = JSON.stringify(world.standIn.state());
      world.standIn.answerNext({ status, headers, body });
      const applied = await provider.apply([{ desired: drained, fence: fenceOf(2, drained), previous }], patience());
      const isBusy = name === 'rate-limited';
      // The vendor's name of the request is told whenever there was a reply that has one.
      const { requests, ...told } = applied as typeof applied & { requests?: readonly string[] };
      expect(told, mode).toEqual({ outcome, because: expect.stringMatching(says), ...(isBusy ? { busyMs: 30_000 } : {}) });
      expect(requests ?? [], mode).toEqual((requests ?? []).map(() => expect.stringMatching(/^[0-9a-f]{16}-[A-Z]{3}$/)));
      expect(JSON.stringify(applied)).not.toContain(TOKEN);
      expect(JSON.stringify(world.standIn.state())).toBe(before);
      // A look has no other way than to throw.
      world.standIn.answerAll({ status, headers, body });
      const failure = await world
        .open(config)
        .read([web], patience())
        .catch((error: unknown) => error);
      expect(failure, mode).toMatchObject({ message: expect.stringMatching(/load balancers of zone|records of zone/) });
      // The block of the write still holds: nothing is sent, and what is left of it is said.
      expect((failure as { busyMs?: number }).busyMs !== undefined, mode).toBe(isBusy);
    }
  });

  test('what is no JSON, no envelope, or of another form is undecided; so is a line that is cut', async () => {
    const bodies = ['', '[]', '{"success":true,"result":{"id":7}}', '{"result":{}}'];
    for (const text of bodies) {
      await using world = await balanced();
      const provider = world.open(world.balancerConfig());
      const previous = await readOne(provider);
      world.standIn.answerNext({ status: 200, headers: { 'content-type': 'application/json' }, body: text });
      const applied = await provider.apply([{ desired: web, fence: fenceOf(1, web), previous }], patience());
      expect(applied.outcome, text).toBe('undecided');
    }
  });

  test('a reply that does not show the change is undecided, whatever its status', async () => {
    await using world = await balanced();
    const provider = world.open(world.balancerConfig());
    const previous = await readOne(provider);
    const [unchanged] = world.standIn.state().balancers;
    world.standIn.answerNext({ status: 200, body: { result: unchanged, success: true, errors: [], messages: [] } });
    const applied = await provider.apply([{ desired: web, fence: fenceOf(1, web), previous }], patience());
    expect(applied).toMatchObject({ outcome: 'undecided', because: expect.stringContaining('does not show it') });
  });
});

// ---- the client ----

describe('the client', () => {
  /** Answers by itself, and remembers what was asked. */
  const fake = (answer: (url: URL) => Response): { fetch: Fetch; asked: { url: URL; headers: Headers }[] } => {
    const asked: { url: URL; headers: Headers }[] = [];
    return {
      asked,
      async fetch(url, init) {
        asked.push({ url: new URL(url), headers: new Headers(init?.headers as never) });
        return answer(new URL(url)) as never;
      },
    };
  };
  const json = (body: unknown): Response => new Response(JSON.stringify(body), { headers: { 'content-type': 'application/json' } });
  const recordsConfig: RecordsConfig = {
    kind: 'cloudflare',
    mode: 'dns',
    zone: ZONE,
    zoneId: '0'.repeat(32),
    tokenFile: 't',
    callsPer5Min: 1200,
    proxied: false,
    plan: 'free',
    fencing: 'marker',
  };

  test('calls Cloudflare with the token and a pinned release of the API, and takes nothing from the environment', async () => {
    process.env.CLOUDFLARE_API_KEY = 'key-from-the-environment';
    process.env.CLOUDFLARE_EMAIL = 'someone@example.test';
    process.env.CLOUDFLARE_BASE_URL = 'http://127.0.0.1:9';
    try {
      const { fetch, asked } = fake(() => json({ success: true, errors: [], messages: [], result: [] }));
      await cloudflare.open(recordsConfig, { ports: realPorts(), fetch, secret: () => `${TOKEN}\n` }).read([web], patience());
      expect(asked).toHaveLength(1);
      expect(asked[0]?.url.href).toMatch(/^https:\/\/api\.cloudflare\.com\/client\/v4\/zones\/0{32}\/dns_records\?/);
      const headers = Object.fromEntries(asked[0]!.headers);
      expect(headers).toMatchObject({ authorization: `Bearer ${TOKEN}`, 'api-version': '2026-11-01' });
      expect(Object.keys(headers).filter((name) => name.startsWith('x-auth'))).toEqual([]);
    } finally {
      delete process.env.CLOUDFLARE_API_KEY;
      delete process.env.CLOUDFLARE_EMAIL;
      delete process.env.CLOUDFLARE_BASE_URL;
    }
  });

  test('a token that is no single word is refused with the name of its file and not its text', () => {
    const open = (text: string) =>
      cloudflare.open(recordsConfig, { ports: realPorts(), fetch: fake(() => json({})).fetch, secret: () => text });
    for (const text of ['', 'two words', 'line\nline']) expect(() => open(text)).toThrow(/^t: expected a Cloudflare API token/);
  });

  test('records come in pages, and a zone that is too large is refused instead of half read', async () => {
    const page = (url: URL, pages: number): Response => {
      const at = Number(url.searchParams.get('page'));
      const result = [{ id: `r${at}`, name: web.service, type: 'A', content: `192.0.2.${at}`, ttl: 60, proxied: false }];
      return json({ success: true, errors: [], messages: [], result, result_info: { page: at, total_pages: pages } });
    };
    const two = fake((url) => page(url, 2));
    const context = { ports: realPorts(), secret: () => TOKEN };
    const back = await readOne(cloudflare.open(recordsConfig, { ...context, fetch: two.fetch }));
    expect(back.shares).toEqual({ 'eu-west': 250, 'us-east': 250 });
    expect(two.asked.map(({ url }) => url.searchParams.get('page'))).toEqual(['1', '2']);
    const many = fake((url) => page(url, 21));
    await expect(readOne(cloudflare.open(recordsConfig, { ...context, fetch: many.fetch }))).rejects.toThrow(/zone of their own/);
  });

  test('a load balancer that the list leaves out is asked for by id, and one that is gone hides no other', async () => {
    await using world = await balanced();
    const { services } = world.balancerConfig();
    const { standIn } = world;
    const context = world.context();
    const cut: Fetch = async (url, init) => {
      const reply = await context.fetch(url, init);
      if (!String(url).endsWith('/load_balancers')) return reply;
      return json({ success: true, errors: [], messages: [], result: [], result_info: { total_pages: 2 } }) as never;
    };
    const gone = { ...web, service: `gone.${ZONE}` };
    const config = world.balancerConfig({
      services: { ...services, [gone.service]: { loadBalancerId: 'f'.repeat(32), pools: services[web.service]!.pools } },
    });
    for (const fetch of [cut, context.fetch]) {
      const found = await cloudflare.open(config, { ...context, fetch }).read([web, gone], patience());
      expect(found.get(web.service)).toMatchObject({ foreign: [] });
      expect(found.get(gone.service)).toMatchObject({ fence: null, shares: null, foreign: [expect.stringContaining('is not there')] });
    }
    const provider = world.open(config);
    const previous = (await provider.read([gone], patience())).get(gone.service)!;
    const applied = await provider.apply([{ desired: gone, fence: fenceOf(1, gone), previous }], patience());
    expect(applied).toMatchObject({ outcome: 'fatal', because: expect.stringContaining('compare its id') });
    expect(standIn.calls().filter(({ method }) => method !== 'GET')).toEqual([]);
  });

  test('the reason of an abort is told in its own words', async () => {
    await using world = await balanced();
    const provider = world.open(world.balancerConfig());
    world.standIn.hang();
    const controller = new AbortController();
    const pending = provider.read([web], controller.signal);
    controller.abort(new Error('the deadline of three seconds'));
    await expect(pending).rejects.toThrow(/the deadline of three seconds/);
  });
});

// ---- the limit on calls ----

describe('the limit on calls', () => {
  const clockAt = (startMs: number) => {
    const at = { ms: startMs };
    return { at, clock: { monoMs: () => at.ms, wallMs: () => 1_700_000_000_000 + at.ms } };
  };

  test('routine looks leave a part to failovers; what was called five minutes ago no longer counts', () => {
    const { at, clock } = clockAt(0);
    const limiter = createLimiter({ clock });
    for (let n = 0; n < 960; n++) expect(limiter.refusal('look', 1200)).toBeNull();
    at.ms = 60_000;
    expect(limiter.refusal('look', 1200)).toEqual({
      because: expect.stringMatching(/960 calls in the last 5 min, callsPer5Min is 1200.*sent in 240 s/),
      busyMs: 240_000,
    });
    for (let n = 0; n < 240; n++) expect(limiter.refusal('change', 1200)).toBeNull();
    expect(limiter.refusal('change', 1200)?.because).toMatch(/1200 calls/);
    at.ms = 300_000;
    expect(limiter.refusal('look', 1200)).toBeNull();
  });

  test('callsPer5Min leaves the rest of the limit to others', async () => {
    await using world = await balanced();
    const provider = world.open(world.balancerConfig({ callsPer5Min: 60 }));
    for (let n = 0; n < 48; n++) await readOne(provider);
    await expect(readOne(provider)).rejects.toThrow(/48 calls in the last 5 min, callsPer5Min is 60/);
    expect(world.standIn.calls()).toHaveLength(48);
  });

  test('Retry-After is obeyed as seconds or a date, and never beyond five minutes', () => {
    const { at, clock } = clockAt(0);
    const limiter = createLimiter({ clock });
    expect(limiter.stop('30')).toBe(30);
    expect(limiter.stop(new Date(clock.wallMs() + 90_000).toUTCString())).toBe(90);
    expect(limiter.stop('999999')).toBe(300);
    expect(limiter.stop(null)).toBe(30);
    expect(limiter.refusal('change', 1200)).toEqual({
      because: expect.stringMatching(/refuses every call of this token for 300 s more \(429/),
      busyMs: 300_000,
    });
    at.ms = 300_001;
    expect(limiter.refusal('change', 1200)).toBeNull();
  });

  test('a 429 stops every provider with that token, sends nothing until its time is over, and leaves other tokens alone', async () => {
    await using world = await balanced({ callsMax: 3 });
    const { at, clock } = clockAt(0);
    const ports = { ...world.context().ports, clock };
    const open = (token: string): Provider => cloudflare.open(world.balancerConfig(), { ...world.context(token), ports });
    const [one, two, other] = [open(TOKEN), open(TOKEN), open('another-token')];
    for (let n = 0; n < 3; n++) await readOne(one);
    await expect(readOne(one)).rejects.toThrow(/429 .*no call of this token for 300 s/);
    const asked = world.standIn.calls().length;
    at.ms = 299_000;
    for (const provider of [one, two]) await expect(readOne(provider)).rejects.toThrow(/429 Too Many Requests.*nothing is sent/);
    const previous = { fence: null, shares: null, foreign: [], token: null };
    expect(await two.apply([{ desired: web, fence: fenceOf(1, web), previous }], patience())).toMatchObject({
      outcome: 'undecided',
      because: expect.stringContaining('for 1 s more'),
    });
    expect(world.standIn.calls()).toHaveLength(asked);
    await expect(readOne(other)).rejects.toThrow(/429/);
    expect(world.standIn.calls()).toHaveLength(asked + 1);
  });
});

// ---- load balancers ----

describe('load balancers', () => {
  test('a PATCH holds the weights of all pools and the description, and nothing else; a second fence holds no weights', async () => {
    await using world = await balanced();
    const provider = world.open(world.balancerConfig());
    await established(provider, shares(331, 669), 1);
    await established(provider, shares(331, 669), 2);
    const [first, second] = changesOf(world).map(({ body }) => body as Record<string, unknown>);
    const ids = world.balancerConfig().services[web.service]!.pools;
    expect(first).toEqual({
      description: expect.stringMatching(/^Checkout, owned by payments \[tidegate v=1;fence=1;.*\]$/),
      random_steering: { default_weight: 1, pool_weights: { [ids['eu-west']!]: 0.33, [ids['us-east']!]: 0.67 } },
    });
    expect(second).toEqual({ description: expect.stringMatching(/^Checkout, owned by payments \[tidegate v=1;fence=2;/) });
    expect(world.problems).toEqual([]);
  });

  type Hand = (world: CloudflareWorld) => void;
  const balancer =
    (over: object): Hand =>
    ({ standIn }) =>
      standIn.byHand(({ balancers }) => void Object.assign(balancers[0]!, over));
  const obstacles: readonly [string, Hand, string | RegExp, RegExp][] = [
    ['is disabled', balancer({ enabled: false }), 'disabled', /enable it/],
    ['steers by proximity', balancer({ steering_policy: 'proximity' }), 'steering_policy "proximity"', /set it to "random"/],
    ['steers by order', balancer({ steering_policy: 'off' }), 'steering_policy "off"', /set it to "random"/],
    [
      'has a rule that picks pools',
      balancer({ rules: [{ name: 'beta', condition: 'true', overrides: { default_pools: ['x'] } }] }),
      'rule "beta"',
      /remove or disable the rule/,
    ],
    ['has a rule that answers', balancer({ rules: [{ fixed_response: { status_code: 503 } }] }), 'rule "without a name"', /the rule/],
    [
      'has a pool set',
      balancer({ pool_sets: [{ name: 'wnam', match: {}, overrides: { pools: ['x'] } }] }),
      'pool set "wnam"',
      /disable the pool set/,
    ],
    ['serves another name', balancer({ name: 'shop.tide.test' }), 'the name shop.tide.test', /id of its own load balancer/],
    ['has an edited fence', balancer({ description: 'hands off [tidegate v=1;fence=9' }), 'an edited fence', /remove all of/],
  ];
  test.each(obstacles)(
    'one that %s is shown as foreign and refused for a human, without a changing call',
    async (_what, hand, seen, advice) => {
      await using world = await balanced();
      const provider = world.open(world.balancerConfig());
      await established(provider, web, 1);
      const fresh = await readOne(provider);
      hand(world);
      const before = changesOf(world).length;
      expect((await readOne(provider)).foreign).toContain(seen);
      // As read by then, and as it has become since the read.
      for (const previous of [await readOne(provider), fresh]) {
        const applied = await provider.apply([{ desired: drained, fence: fenceOf(2, drained), previous }], patience());
        expect(applied).toEqual({ outcome: 'fatal', because: expect.stringMatching(advice) });
      }
      expect(changesOf(world)).toHaveLength(before);
    },
  );

  test('rules and pool sets that are disabled, or choose no pool, stand in nobody’s way', async () => {
    await using world = await balanced();
    balancer({
      rules: [
        { name: 'old', disabled: true, overrides: { default_pools: ['x'] } },
        { name: 'sticky', overrides: { session_affinity: 'cookie', session_affinity_ttl: 1800 } },
      ],
      pool_sets: [{ name: 'off', disabled: true, overrides: { pools: ['x'] } }],
    })(world);
    const provider = world.open(world.balancerConfig());
    await established(provider, web, 1);
    await established(provider, drained, 2);
    expect(await readOne(provider)).toMatchObject({ foreign: [], shares: { 'eu-west': 0, 'us-east': 1000 } });
  });

  test('a late write of a holder that lost its office is seen at the next look, and mended by the next write', async () => {
    await using world = await balanced();
    const provider = world.open(world.balancerConfig());
    await established(provider, web, 3);
    const old = structuredClone(world.standIn.state().balancers[0]!);
    await established(provider, drained, 4);
    const mine = (await readOne(provider)).fence!;
    balancer({ description: old.description, random_steering: old.random_steering })(world);
    const wanted = { desired: drained, fence: fenceOf(4, drained), applied: { fence: 4, nonce: mine.nonce, outcome: 'applied' as const } };
    const step = stepFor(wanted as Wanted, await readOne(provider), provider);
    expect(step).toMatchObject({ kind: 'write', why: 'drift', because: expect.stringContaining('went back to fence 3 after 4') });
    if (step.kind !== 'write') return;
    expect(await provider.apply([step.change], patience())).toMatchObject({ outcome: 'applied' });
    expect(stepFor(wanted as Wanted, await readOne(provider), provider)).toMatchObject({ kind: 'done' });
  });

  test('a pool outside default_pools is refused while it should serve, and does not hinder its own drain', async () => {
    await using world = await balanced();
    const ids = world.balancerConfig().services[web.service]!.pools;
    const provider = world.open(world.balancerConfig());
    await established(provider, web, 1);
    world.standIn.byHand(({ balancers }) => {
      balancers[0]!.default_pools = [ids['us-east']!];
    });
    expect(await readOne(provider)).toMatchObject({ shares: { 'eu-west': 0, 'us-east': 1000 } });
    expect(await write(provider, web, 2)).toMatchObject({ outcome: 'fatal', because: expect.stringMatching(/"eu-west" .*default_pools/) });
    await established(provider, drained, 2);
  });

  test('weights that say the same in other numbers are no drift and are not written', async () => {
    await using world = await balanced();
    const ids = world.balancerConfig().services[web.service]!.pools;
    const provider = world.open(world.balancerConfig());
    await established(provider, web, 1);
    world.standIn.byHand(({ balancers }) => {
      balancers[0]!.random_steering = { default_weight: 0.7, pool_weights: { [ids['eu-west']!]: 0.7 } };
    });
    expect(await readOne(provider)).toMatchObject({ shares: provider.quantise(web), foreign: [] });
    await established(provider, web, 2);
    expect(changesOf(world).at(-1)?.body).toEqual({ description: expect.any(String) });
  });

  test('what a PATCH replaces whole goes back whole: fields newer than us, and weights of pools that are not among its own', async () => {
    await using world = await balanced();
    const elsewhere = world.standIn.pool({ name: 'elsewhere' }).id;
    world.standIn.byHand(({ balancers }) => {
      const steering = balancers[0]!.random_steering;
      balancers[0]!.random_steering = {
        ...steering,
        pool_weights: { ...steering.pool_weights, [elsewhere]: 0.3 },
        newer: 'field',
      } as never;
    });
    await established(world.open(world.balancerConfig()), drained, 1);
    expect(world.standIn.state().balancers[0]?.random_steering).toMatchObject({
      default_weight: 1,
      newer: 'field',
      pool_weights: { [elsewhere]: 0.3 },
    });
  });

  test('a pool that left the service is a stranger there, even while the configuration still knows its id', async () => {
    await using world = await balanced();
    const provider = world.open(world.balancerConfig());
    await established(provider, web, 1);
    const smaller: ProviderService = { ...web, pools: [{ ...web.pools[1]!, share: 1000, configuredShare: 1000 }] };
    const previous = (await provider.read([smaller], patience())).get(web.service)!;
    expect(previous).toMatchObject({ shares: { 'us-east': 500 }, foreign: [expect.stringMatching(/^pool [0-9a-f]{32}$/)] });
    expect(await provider.apply([{ desired: smaller, fence: fenceOf(2, smaller), previous }], patience())).toMatchObject({
      outcome: 'applied',
    });
    expect(await readOne(provider)).toMatchObject({ shares: { 'eu-west': 0, 'us-east': 1000 }, foreign: [] });
  });

  test('a service that the configuration does not know yet is refused by itself and hides no other', async () => {
    await using world = await balanced();
    const provider = world.open(world.balancerConfig());
    const fresh = { ...web, service: `new.${ZONE}` };
    const found = await provider.read([fresh, web], patience());
    expect(found.get(web.service)).toMatchObject({ foreign: [] });
    const previous = found.get(fresh.service)!;
    for (const known of [previous, { fence: null, shares: null, foreign: [], token: null }])
      expect(await provider.apply([{ desired: fresh, fence: fenceOf(1, fresh), previous: known }], patience())).toMatchObject({
        outcome: 'fatal',
        because: expect.stringContaining('add it under services'),
      });
    expect(provider.owns([fresh])).toEqual([]);
  });

  test('two services in one write are our bug: two load balancers cannot be changed together', async () => {
    await using world = await balanced();
    const api = { ...web, service: `api.${ZONE}` };
    world.balance(api);
    const provider = world.open(world.balancerConfig());
    const found = await provider.read([web, api], patience());
    const changes = [web, api].map((desired) => ({ desired, fence: fenceOf(1, desired), previous: found.get(desired.service)! }));
    await expect(provider.apply(changes, patience())).rejects.toThrow(/2 services in one write, at most 1/);
  });

  test('any description, and any fence behind it, come apart again as they were', () => {
    const field = (chars: string) => fc.string({ unit: fc.constantFrom(...chars), minLength: 1, maxLength: 40 });
    const fence = fc.record({
      v: fc.nat(),
      epoch: fc.nat(),
      writer: field('abc[]()/-!~='),
      nonce: field('abc-_09'),
      hash: fc.constant('0123456789abcdef'),
    });
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fence, (human, given) => {
        fc.pre(!human.includes('[tidegate v=1;') && !human.endsWith(' '));
        const text = joinDescription(human, given);
        expect(splitDescription(text)).toEqual({ human, fence: given, broken: false });
        expect(text).toContain(formatFence(given));
        expect(splitDescription(`${text} and more`)).toMatchObject({ fence: null, broken: true });
        expect(splitDescription(`${text} ${joinDescription('', given)}`)).toMatchObject({ fence: null, broken: true });
      }),
    );
  });

  test('whatever the route, weights are steps of 0.01 that sum to 1, and what is read back is what was promised', async () => {
    await using world = await startWorld({ callsMax: Number.POSITIVE_INFINITY });
    const names = ['a', 'b', 'c', 'd', 'e'];
    const five: ProviderService = { ...web, pools: names.map((name) => pool(name, 200)) };
    world.balance(five);
    const provider = world.open(world.balancerConfig());
    let v = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 1000 }), { minLength: 5, maxLength: 5 }), async (parts) => {
        const sum = parts.reduce((all, part) => all + part, 0);
        fc.pre(sum > 0);
        const desired = { ...five, pools: five.pools.map((each, at) => ({ ...each, share: Math.round((parts[at]! * 1000) / sum) })) };
        fc.pre(desired.pools.some(({ share }) => share > 0));
        const previous = (await provider.read([five], patience())).get(five.service)!;
        const change = { desired, fence: fenceOf(++v, desired), previous };
        expect(await provider.apply([change], patience())).toMatchObject({ outcome: 'applied' });
        expect((await provider.read([five], patience())).get(five.service)).toMatchObject({ shares: quantise(desired), foreign: [] });
        const weights = Object.values(world.standIn.state().balancers[0]?.random_steering.pool_weights ?? {});
        expect(Math.round(weights.reduce((all, each) => all + each, 0) * 100)).toBe(100);
      }),
      { numRuns: 40 },
    );
    expect(world.problems).toEqual([]);
  });
});

// ---- sessions ----

describe('sessions: shed', () => {
  test('a pool sheds what it loses, gradually, and nothing for what rounding takes', () => {
    const percent = (share: number, configuredShare: number): number => shedPercent({ share, configuredShare });
    expect([percent(500, 500), percent(330, 333), percent(1000, 500), percent(250, 500), percent(10, 500), percent(0, 500)]).toEqual([
      0, 0, 0, 50, 98, 100,
    ]);
    expect([percent(0, 0), percent(1000, 0)]).toEqual([100, 0]);
  });

  const shedding = async (): Promise<{ world: CloudflareWorld; provider: Provider; pools: () => readonly unknown[] }> => {
    const world = await balanced();
    const ids = world.balancerConfig().services[web.service]!.pools;
    world.standIn.byHand(({ balancers, pools }) => {
      balancers[0]!.fallback_pool = ids['us-east']!;
      pools[0]!.load_shedding = { default_percent: 5, default_policy: 'random', session_percent: 0, session_policy: 'hash' };
    });
    const provider = world.open(world.balancerConfig({ sessions: 'shed' }));
    return { world, provider, pools: () => world.standIn.state().pools.map(({ load_shedding }) => load_shedding) };
  };

  test('follows the ramp after the weights, keeps what is not ours, and leaves the fallback pool alone', async () => {
    const { world, provider, pools } = await shedding();
    await using _ = world;
    await established(provider, shares(250, 750), 1);
    const others = { default_percent: 5, default_policy: 'random', session_policy: 'hash' };
    expect(pools()).toEqual([{ ...others, session_percent: 50 }, undefined]);
    await established(provider, drained, 2);
    expect(pools()).toEqual([{ ...others, session_percent: 100 }, undefined]);
    await established(provider, shares(1000, 0), 3);
    // The fallback pool takes everybody when nothing else is healthy.
    expect(pools()).toEqual([{ ...others, session_percent: 0 }, undefined]);
    expect(changesOf(world).map(({ path }) => path.replaceAll(/[0-9a-f]{32}/g, '*'))).toEqual(
      Array(3).fill(['/zones/*/load_balancers/*', '/accounts/*/load_balancers/pools/*']).flat(),
    );
    expect(world.problems).toEqual([]);
  });

  test('fields and policies newer than us stay where sessions are shed', async () => {
    const { world, provider, pools } = await shedding();
    await using _ = world;
    const newer = { default_percent: 5, default_policy: 'by-weather', newer: 'field' };
    world.standIn.byHand((state) => {
      state.pools[0]!.load_shedding = newer;
    });
    await established(provider, drained, 1);
    expect(pools()[0]).toEqual({ ...newer, session_policy: 'hash', session_percent: 100 });
  });

  test('what is left over from a failed second write is drift, and mended by the next', async () => {
    const { world, provider } = await shedding();
    await using _ = world;
    await established(provider, web, 1);
    await established(provider, drained, 2);
    world.standIn.byHand(({ pools }) => {
      pools[0]!.load_shedding = {};
    });
    expect((await readOne(provider)).foreign).toEqual(['pool eu-west sheds 0 % of its sessions instead of 100 %']);
    await established(provider, drained, 2);
    expect((await readOne(provider)).foreign).toEqual([]);
  });

  test('a pool that serves another load balancer, too, is refused once the weights have moved', async () => {
    const { world, provider, pools } = await shedding();
    await using _ = world;
    await established(provider, web, 1);
    const ids = world.balancerConfig().services[web.service]!.pools;
    world.standIn.balancer({ name: `shop.${ZONE}`, default_pools: [ids['eu-west']!] });
    const before = JSON.stringify(pools());
    expect(await write(provider, drained, 2)).toEqual({
      outcome: 'fatal',
      because: expect.stringMatching(/"eu-west" .* also serves "shop\.tide\.test".*sessions: keep/),
    });
    expect((await readOne(provider)).shares).toEqual({ 'eu-west': 0, 'us-east': 1000 });
    expect(JSON.stringify(pools())).toBe(before);
  });
});

// ---- records ----

describe('records', () => {
  const recordsOf = (world: CloudflareWorld, name = web.service) => world.standIn.state().records.filter((each) => each.name === name);
  const lastBatch = (world: CloudflareWorld) =>
    changesOf(world).at(-1)?.body as Record<string, { id?: string; content?: string; ttl?: number }[]>;

  test('an address that goes and one that comes are one patch: the name is never without one', async () => {
    await using world = await startWorld();
    const provider = world.open(world.recordsConfig());
    await established(provider, shares(1000, 0), 1);
    const ids = recordsOf(world).map(({ id }) => id);
    await established(provider, drained, 2);
    expect(recordsOf(world).map(({ id, content }) => [id, content])).toEqual([
      [ids[0], '192.0.2.2'],
      [ids[1], '2001:db8::2'],
    ]);
    const { deletes, patches, posts } = lastBatch(world);
    expect([deletes?.length, patches?.length, posts?.length]).toEqual([1, 2, 1]);
    expect(world.problems).toEqual([]);
  });

  test('only what changes is sent: a new fence alone is one delete and one post, a TTL patches the addresses', async () => {
    await using world = await startWorld();
    const provider = world.open(world.recordsConfig());
    await established(provider, web, 1);
    await established(provider, web, 2);
    expect(Object.entries(lastBatch(world)).map(([key, list]) => [key, list.length])).toEqual([
      ['deletes', 1],
      ['posts', 1],
    ]);
    await established(provider, { ...web, ttlS: 120 }, 3);
    expect(lastBatch(world).patches?.map(({ ttl }) => ttl)).toEqual([120, 120, 120, 120]);
    expect(new Set(recordsOf(world).map(({ ttl }) => ttl))).toEqual(new Set([120]));
  });

  test('records that are proxied stay so, with the automatic TTL; the first ones are as the configuration says', async () => {
    await using world = await startWorld();
    world.standIn.record({ name: web.service, type: 'A', content: '192.0.2.1', proxied: true });
    await established(world.open(world.recordsConfig({ proxied: false })), web, 1);
    expect(recordsOf(world).map(({ proxied, ttl }) => [proxied, ttl])).toEqual(Array(4).fill([true, 1]));
    await using empty = await startWorld();
    await established(empty.open(empty.recordsConfig({ proxied: true })), web, 1);
    expect(recordsOf(empty).map(({ proxied, ttl }) => [proxied, ttl])).toEqual(Array(4).fill([true, 1]));
  });

  test('what a human added is foreign, and goes with the next write; a name of others is not touched', async () => {
    await using world = await startWorld();
    world.standIn.record({ name: `mail.${ZONE}`, type: 'A', content: '192.0.2.1', ttl: 60 });
    world.standIn.record({ name: web.service, type: 'TXT', content: '"v=spf1 -all"', ttl: 60 });
    world.standIn.record({ name: web.service, type: 'A', content: '198.51.100.1', ttl: 60 });
    const provider = world.open(world.recordsConfig());
    expect(await readOne(provider)).toMatchObject({ shares: null, foreign: ['198.51.100.1'] });
    await established(provider, web, 1);
    expect(await readOne(provider)).toMatchObject({ shares: { 'eu-west': 500, 'us-east': 500 }, foreign: [] });
    expect(recordsOf(world, `mail.${ZONE}`)).toHaveLength(1);
    expect(recordsOf(world).filter(({ type }) => type === 'TXT')).toHaveLength(1);
  });

  test('a name that is an alias, two fences, or an edited one wait for a human', async () => {
    const hands: readonly [Parameters<CloudflareWorld['standIn']['record']>[0], RegExp, string][] = [
      [{ name: web.service, type: 'CNAME', content: 'elsewhere.example.net' }, /remove it/, 'CNAME elsewhere.example.net'],
      [{ name: fenceName(web.service), type: 'TXT', content: '"hands off"' }, /nobody knows who wrote last/, 'TXT "hands off"'],
      [
        { name: fenceName(web.service), type: 'TXT', content: `"${formatFence(fenceOf(3, web))}"` },
        /more than one fence/,
        `TXT "v=1;fence=3`,
      ],
    ];
    for (const [record, advice, seen] of hands) {
      await using world = await startWorld();
      const provider = world.open(world.recordsConfig());
      if (record.type === 'TXT') await established(provider, web, 1);
      world.standIn.record(record);
      const before = changesOf(world).length;
      const back = await readOne(provider);
      expect(back).toMatchObject({ fence: null, foreign: expect.arrayContaining([expect.stringContaining(seen)]) });
      expect(await write(provider, drained, 2)).toEqual({ outcome: 'fatal', because: expect.stringMatching(advice) });
      expect(changesOf(world)).toHaveLength(before);
    }
  });

  test('a fence that was lost is made again on condition that nobody else does: the latch decides, or its absence', async () => {
    for (const latchToo of [false, true]) {
      await using world = await startWorld();
      const config = world.recordsConfig({ fencing: 'conditional' });
      const [one, two] = [world.open(config), world.open(config)];
      await established(one, web, 5);
      world.standIn.byHand((state) => {
        state.records = state.records.filter(
          ({ name, content }) => name !== fenceName(web.service) || (!latchToo && !content.includes('fence=')),
        );
      });
      const previous = await readOne(one);
      expect(previous).toMatchObject({ fence: null, shares: two.quantise(web), foreign: [] });
      const outcomes = await Promise.all(
        [one, two].map((provider) => provider.apply([{ desired: drained, fence: fenceOf(6, drained), previous }], patience())),
      );
      expect(outcomes.map(({ outcome }) => outcome).sort()).toEqual(['applied', 'conflict']);
      expect(recordsOf(world, fenceName(web.service))).toHaveLength(2);
    }
  });

  test('as a marker, a write that another came before is refused by the fresh look, with no changing call', async () => {
    await using world = await startWorld();
    const provider = world.open(world.recordsConfig());
    await established(provider, web, 1);
    const stale = await readOne(provider);
    await established(provider, web, 2);
    const before = changesOf(world).length;
    const applied = await provider.apply([{ desired: drained, fence: fenceOf(3, drained), previous: stale }], patience());
    expect(applied).toMatchObject({ outcome: 'conflict', because: expect.stringContaining('carries fence 2 of eu-west/a by now') });
    expect(changesOf(world)).toHaveLength(before);
  });

  test('as a marker, a fence that was made and lost again since the read is seen by its latch, with no changing call', async () => {
    await using world = await startWorld();
    const provider = world.open(world.recordsConfig());
    const loseFence = (): void =>
      world.standIn.byHand((state) => {
        state.records = state.records.filter(({ content }) => !content.includes('fence='));
      });
    await established(provider, web, 1);
    loseFence();
    const stale = await readOne(provider);
    await established(provider, web, 2);
    loseFence();
    const before = changesOf(world).length;
    const applied = await provider.apply([{ desired: drained, fence: fenceOf(3, drained), previous: stale }], patience());
    expect(applied).toMatchObject({ outcome: 'conflict', because: expect.stringContaining('carries no fence by now') });
    expect(changesOf(world)).toHaveLength(before);
  });

  test('whatever goes wrong on the way, a text that quotes the token is not passed on', async () => {
    await using world = await startWorld();
    const fetch: Fetch = () => Promise.reject(new Error(`header "Bearer ${TOKEN}" was not taken`));
    const provider = cloudflare.open(world.recordsConfig(), { ...world.context(), fetch });
    const failure = await provider.read([web], patience()).then(() => 'nothing was thrown', String);
    expect(failure).toMatch(/header "Bearer \(token\)" was not taken/);
    expect(failure).not.toContain(TOKEN);
  });

  test.each([408, 409, 429, 500, 503, 200, 302])('a refusal with %i alone settles nothing', (status) => {
    expect(sortReply({ status, errors: [] })).toBe('undecided');
  });

  test('a reply that shows less than the batch is undecided', async () => {
    await using world = await startWorld();
    const provider = world.open(world.recordsConfig());
    const previous = await readOne(provider);
    world.standIn.answerNext({ status: 200, body: { result: { posts: [] }, success: true, errors: [], messages: [] } });
    const applied = await provider.apply([{ desired: web, fence: fenceOf(1, web), previous }], patience());
    expect(applied).toMatchObject({ outcome: 'undecided', because: expect.stringContaining('shows 0/0/0 records') });
  });

  test('more records than the plan takes in one batch are refused unsent, with the number', async () => {
    await using world = await startWorld();
    const provider = world.open(world.recordsConfig());
    const many = Array.from({ length: 40 }, (_, n): ProviderService => ({ ...web, service: `s${n}.${ZONE}` }));
    const found = await provider.read(many, patience());
    const changes = many.map((desired) => ({ desired, fence: fenceOf(1, desired), previous: found.get(desired.service)! }));
    expect(await provider.apply(changes, patience())).toMatchObject({
      outcome: 'fatal',
      because: expect.stringMatching(/s2\.tide\.test and 37 more .* changes 240 records, at most 200 with plan "free"/),
    });
    expect(changesOf(world)).toEqual([]);
    expect(await provider.apply(changes.slice(0, provider.can.batchMax), patience())).toMatchObject({ outcome: 'applied' });
  });

  test('records of other and of unknown kinds are nobody’s trouble', async () => {
    await using world = await startWorld();
    world.standIn.record({ name: web.service, type: 'MX', content: 'mail.tide.test', ttl: 60 });
    world.standIn.byHand(({ records }) => void records.push({ id: 'x', name: web.service, type: 'FUTURE' } as never));
    const context = world.context();
    const provider = cloudflare.open(world.recordsConfig(), { ...context, fetch: context.fetch });
    expect(await readOne(provider)).toEqual(expect.objectContaining({ fence: null, shares: null, foreign: [] }));
    await established(provider, web, 1);
  });

  test('text of a TXT record is read quoted, in parts, escaped or bare', () => {
    expect(txtText('"v=1;fence=1"')).toBe('v=1;fence=1');
    expect(txtText('"v=1;" "fence=1"')).toBe('v=1;fence=1');
    expect(txtText('v=1;fence=1')).toBe('v=1;fence=1');
    expect(txtText('"say \\"hi\\" \\\\"')).toBe('say "hi" \\');
  });
});

// ---- least privilege ----

test('what each mode may do and must be is said by its entry', async () => {
  await using world = await startWorld();
  expect(world.open(world.balancerConfig()).can).toMatchObject({ fencing: 'marker', weights: 'exact', batchMax: 1, ttlFloorS: 0 });
  expect(world.open(world.balancerConfig({ proxied: false })).can).toMatchObject({ ttlFloorS: 30, servesAnswers: false });
  expect(world.open(world.recordsConfig()).can).toMatchObject({ fencing: 'marker', weights: 'onOff', batchMax: 20, ttlFloorS: 60 });
  expect(world.open(world.recordsConfig({ fencing: 'conditional', plan: 'enterprise' })).can).toMatchObject({
    fencing: 'conditional',
    batchMax: 100,
    ttlFloorS: 30,
  });
});
