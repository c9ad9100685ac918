// The powerdns provider against a real PowerDNS: LUA records by signed update with the fence in the same transaction, read back through the HTTP API.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { stateHash } from '../../providers/fence.ts';
import { type PowerDnsConfig, powerdns } from '../../providers/powerdns/index.ts';
import type { Change, Provider, ProviderService, ReadBack } from '../../providers/provider.ts';
import { createHttp, type Fetch } from '../../src/http.ts';
import { realPorts } from '../../src/ports.ts';
import { providerContract } from '../contract/provider.contract.ts';
import { type PowerDns, startPowerDns } from './powerdns.ts';
import { startTcpProxy } from './tcp-proxy.ts';

const TEST_MS = 60_000;
const patience = (): AbortSignal => AbortSignal.timeout(TEST_MS);

const pool = (name: string, share: number, configuredShare: number, ...answers: string[]) => ({
  pool: name,
  region: name,
  share,
  configuredShare,
  answers,
});
const web: ProviderService = {
  service: 'web.tide.test',
  ttlS: 30,
  pools: [pool('eu-west', 900, 900, '192.0.2.1', '2001:db8::1'), pool('us-east', 100, 100, '192.0.2.2', '2001:DB8:0::2')],
};
const api: ProviderService = {
  service: 'api.tide.test',
  ttlS: 10,
  pools: [
    pool('eu-west', 500, 500, '192.0.2.11'),
    pool('us-east', 300, 300, '192.0.2.12', '192.0.2.13', '192.0.2.15'),
    pool('ap-south', 200, 200, '192.0.2.14'),
  ],
};
const drainedWeb: ProviderService = {
  ...web,
  pools: [
    { ...web.pools[0]!, share: 0 },
    { ...web.pools[1]!, share: 1000 },
  ],
};

const ports = realPorts();
const http = createHttp({ ports, resolve: () => Promise.reject(new Error('no name is asked for here')) });

const otherSecret = Buffer.alloc(32, 7).toString('base64');

interface Over {
  secret?: string;
  apiKey?: string;
  server?: { host: string; port: number };
  apiUrl?: string;
  fetch?: Fetch;
}

const writer = (power: PowerDns, over: Over = {}): Provider => {
  const config: PowerDnsConfig = {
    kind: 'powerdns',
    zone: power.zone,
    server: over.server ?? { host: power.host, port: power.port },
    key: { name: power.key.name, algorithm: power.key.algorithm, secretFile: '/secrets/dns.key' },
    api: { url: over.apiUrl ?? power.apiUrl, keyFile: '/secrets/api.key' },
  };
  const secrets: Record<string, string> = {
    '/secrets/dns.key': over.secret ?? power.key.secret,
    '/secrets/api.key': over.apiKey ?? power.apiKey,
  };
  return powerdns.open(config, { ports, secret: (path) => `${secrets[path]}\n`, fetch: over.fetch ?? http.fetch });
};

providerContract('powerdns', async () => {
  const power = await startPowerDns();
  const dns = await startTcpProxy(power);
  const apiProxy = await startTcpProxy({ host: '127.0.0.1', port: Number(new URL(power.apiUrl).port) });
  const apiUrl = `http://127.0.0.1:${apiProxy.port}`;
  return {
    can: powerdns.can,
    services: [web, api],
    provider: () => writer(power, { server: dns, apiUrl }),
    snapshot: () => power.records(),
    async plant({ service }) {
      await power.replace(service, 'A', 30, '192.0.2.99');
      return '192.0.2.99';
    },
    secrets: [power.key.secret, otherSecret, power.apiKey],
    intruder: () => writer(power, { secret: otherSecret }),
    faults: {
      loseNextReply: dns.loseNextReply,
      hang() {
        dns.hang();
        apiProxy.hang();
      },
    },
    async [Symbol.asyncDispose]() {
      await dns[Symbol.asyncDispose]();
      await apiProxy[Symbol.asyncDispose]();
      await power[Symbol.asyncDispose]();
    },
  };
}, ['quota', 'refusedPart']);

let nonces = 0;
const changeTo = (desired: ProviderService, v: number, previous: ReadBack): Change => ({
  desired,
  fence: { v, epoch: 1, writer: 'eu-west/a', nonce: `n${++nonces}`, hash: stateHash(desired) },
  previous,
});
const readOne = async (provider: Provider, service: ProviderService): Promise<ReadBack> =>
  (await provider.read([service], patience())).get(service.service)!;
const nothing: ReadBack = { fence: null, shares: null, foreign: [], token: null };

describe('powerdns', { timeout: TEST_MS }, () => {
  test('users are answered by weight: of 400 questions about a tenth goes to the pool with a tenth, and none to a drained one', async () => {
    await using power = await startPowerDns();
    const provider = writer(power);
    expect(await provider.apply([changeTo(web, 1, nothing)], patience())).toEqual({ outcome: 'applied' });
    for (const [type, large, small] of [
      ['A', '192.0.2.1', '192.0.2.2'],
      ['AAAA', '2001:db8::1', '2001:db8::2'],
    ] as const) {
      const answers = await power.dig('web.tide.test', type, 400);
      const few = answers.filter((answer) => answer === small).length;
      expect(answers.filter((answer) => answer === large)).toHaveLength(400 - few);
      // 40 are expected; beyond 40 +- 36 once in a billion.
      expect(few).toBeGreaterThan(4);
      expect(few).toBeLessThan(76);
    }
    expect(await provider.apply([changeTo(drainedWeb, 2, await readOne(provider, web))], patience())).toEqual({ outcome: 'applied' });
    expect(new Set(await power.dig('web.tide.test', 'A', 40))).toEqual(new Set(['192.0.2.2']));
    expect(await power.records()).toMatch(/^web\.tide\.test\. 30 LUA A "pickwrandom\(\{\{10000000,'192\.0\.2\.2'\}\}\)"$/m);
  });

  test('a code longer than one DNS string is answered and read back the same', async () => {
    await using power = await startPowerDns();
    const many: ProviderService = {
      ...api,
      pools: Array.from({ length: 10 }, (_, p) => pool(`p${p}`, 100, 100, ...Array.from({ length: 7 }, (_, n) => `192.0.${p}.${n}`))),
    };
    const provider = writer(power);
    expect(await provider.apply([changeTo(many, 1, nothing)], patience())).toEqual({ outcome: 'applied' });
    expect(await readOne(provider, many)).toMatchObject({ shares: provider.quantise(many), foreign: [] });
    const answers = await power.dig('api.tide.test', 'A', 100);
    expect(answers).toEqual(Array(100).fill(expect.stringMatching(/^192\.0\.\d\.\d$/)));
    // Drawn from 70 addresses 100 times, fewer than 30 different ones come once in many lifetimes.
    expect(new Set(answers).size).toBeGreaterThan(30);
  });

  test('a plain set gives way to the first write, and the name answers all the while', async () => {
    await using power = await startPowerDns();
    const provider = writer(power);
    await power.replace('web.tide.test', 'A', 60, '192.0.2.1', '192.0.2.50');
    const back = await readOne(provider, web);
    expect(back).toMatchObject({ fence: null, shares: null, foreign: ['192.0.2.1', '192.0.2.50'] });
    expect(await provider.apply([changeTo(drainedWeb, 1, back)], patience())).toEqual({ outcome: 'applied' });
    expect(await power.dig('web.tide.test', 'A')).toEqual(['192.0.2.2']);
    expect(await readOne(provider, web)).toMatchObject({ foreign: [] });
  });

  test('a zone that does not answer with LUA records is refused before anything is written, with the command that turns them on', async () => {
    await using power = await startPowerDns({ lua: false });
    const provider = writer(power);
    const before = await power.records();
    await expect(provider.read([web], patience())).rejects.toThrow(/pdnsutil set-meta tide\.test ENABLE-LUA-RECORDS 1/);
    expect(await power.records()).toBe(before);
    await power.setMeta('ENABLE-LUA-RECORDS', '1');
    expect(await readOne(provider, web)).toEqual(nothing);
  });

  test('weights changed by hand, for one family or both, are drift, and the next write puts them right', async () => {
    await using power = await startPowerDns();
    const provider = writer(power);
    const first = changeTo(web, 1, nothing);
    expect(await provider.apply([first], patience())).toEqual({ outcome: 'applied' });
    const [a, aaaa] = [
      `A "pickwrandom({{9000000,'192.0.2.1'},{1000000,'192.0.2.2'}})"`,
      `AAAA "pickwrandom({{9000000,'2001:db8::1'},{1000000,'2001:db8::2'}})"`,
    ];
    const both = [a, aaaa].map((text) => text.replace('{9000000', '{5000000').replace('{1000000', '{5000000'));
    await power.replace('web.tide.test', 'LUA', 30, ...both);
    expect(await readOne(provider, web)).toMatchObject({ shares: { 'eu-west': 500, 'us-east': 500 }, foreign: [] });
    await power.replace('web.tide.test', 'LUA', 30, a, both[1]!);
    expect(await readOne(provider, web)).toMatchObject({
      shares: { 'eu-west': 900, 'us-east': 100 },
      foreign: [expect.stringMatching(/^LUA AAAA pickwrandom/)],
    });
    await power.replace('web.tide.test', 'LUA', 30, a);
    const half = await readOne(provider, web);
    expect(half).toMatchObject({ foreign: [expect.stringMatching(/^no LUA AAAA pickwrandom/)] });
    expect(await provider.apply([{ ...first, previous: half }], patience())).toEqual({ outcome: 'applied' });
    expect(await readOne(provider, web)).toMatchObject({ shares: { 'eu-west': 900, 'us-east': 100 }, foreign: [] });
    await power.replace('web.tide.test', 'LUA', 30, a, aaaa, `MX "'10 mail.tide.test.'"`);
    const crowded = await readOne(provider, web);
    expect(await provider.apply([changeTo(drainedWeb, 2, crowded)], patience())).toMatchObject({
      outcome: 'fatal',
      because: expect.stringMatching(/LUA MX .* would be lost/),
    });
  });

  test('the policy of deploy/iam is enough, and every call stays inside it: what it lacks is told, not taken for done', async () => {
    const document = readFileSync(join(import.meta.dirname, '../../deploy/iam/powerdns.md'), 'utf8');
    const policy = (/```lua\n([\s\S]*?)```/.exec(document)?.[1] ?? '').replaceAll('example.com', 'tide.test');
    const granted = new RegExp(/location ~ (\S+) \{/.exec(document)?.[1]?.replaceAll('example\\.com', 'tide\\.test') ?? 'nothing');
    await using power = await startPowerDns({ policy });
    const called: string[] = [];
    const provider = writer(power, {
      fetch: (url, init) => {
        called.push(`${init?.method ?? 'GET'} ${new URL(url).pathname}`);
        return http.fetch(url, init);
      },
    });
    expect(await provider.apply([changeTo(web, 1, nothing)], patience())).toEqual({ outcome: 'applied' });
    expect(await provider.apply([changeTo(drainedWeb, 2, await readOne(provider, web))], patience())).toEqual({ outcome: 'applied' });
    expect(called.length).toBeGreaterThan(4);
    for (const call of called) expect(call.replace(/^GET /, '')).toMatch(granted);
    // Not among the services of the policy.
    const refused = await provider.apply([changeTo(api, 1, nothing)], patience());
    expect(refused).toMatchObject({
      outcome: 'fatal',
      because: expect.stringMatching(/not carried out for api\.tide\.test.*must grant A, AAAA and LUA/),
    });
    expect(await power.records()).not.toMatch(/api\.tide\.test/);
    for (const lacking of ['[pdns.A]', '[65402]', '[pdns.TXT]']) {
      await using poorer = await startPowerDns({ policy: policy.replace(lacking, '[pdns.NS]') });
      if (lacking === '[pdns.A]') await poorer.replace('web.tide.test', 'A', 30, '192.0.2.50');
      const outcome = await writer(poorer).apply([changeTo(web, 1, nothing)], patience());
      expect(outcome, lacking).toMatchObject({ outcome: 'fatal' });
    }
  });

  test('a wrong API key, a zone the server lacks and a server that is gone are errors of reading that say what to do', async () => {
    await using power = await startPowerDns();
    await expect(writer(power, { apiKey: 'a-wrong-key-altogether' }).read([web], patience())).rejects.toThrow(
      /401 .* compare the key in api\.keyFile/,
    );
    const elsewhere = writer({ ...power, zone: 'other.test' });
    await expect(elsewhere.read([web], patience())).rejects.toThrow(/404 .* does this server have the zone/);
    const unread = writer(power, { apiKey: 'a-wrong-key-altogether' });
    expect(await unread.apply([changeTo(web, 1, nothing)], patience())).toMatchObject({
      outcome: 'undecided',
      because: expect.stringContaining('acknowledged, and could not be read back'),
    });
    await power.kill();
    await expect(writer(power).read([web], patience())).rejects.toThrow();
    expect(await writer(power).apply([changeTo(web, 2, nothing)], patience())).toMatchObject({ outcome: 'undecided' });
  });
});
