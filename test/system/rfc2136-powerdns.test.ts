// The rfc2136 provider against a real PowerDNS: the same promises as on BIND, and where PowerDNS answers in its own way.
import { describe, expect, test } from 'vitest';
import { stateHash } from '../../providers/fence.ts';
import type { Change, Provider, ProviderService, ReadBack } from '../../providers/provider.ts';
import { rfc2136 } from '../../providers/rfc2136/index.ts';
import { realPorts } from '../../src/ports.ts';
import { providerContract } from '../contract/provider.contract.ts';
import { type PowerDns, startPowerDns } from './powerdns.ts';
import { startTcpProxy } from './tcp-proxy.ts';

const TEST_MS = 60_000;
const patience = (): AbortSignal => AbortSignal.timeout(TEST_MS);

const pool = (name: string, share: number, ...answers: string[]) => ({
  pool: name,
  region: name,
  share,
  configuredShare: share,
  answers,
});
const web: ProviderService = {
  service: 'web.tide.test',
  ttlS: 30,
  pools: [pool('eu-west', 500, '192.0.2.1', '2001:db8::1'), pool('us-east', 500, '192.0.2.2', '2001:db8::2')],
};
const api: ProviderService = {
  service: 'api.tide.test',
  ttlS: 10,
  pools: [pool('eu-west', 500, '192.0.2.11'), pool('us-east', 500, '192.0.2.12', '192.0.2.13')],
};

const writer = (power: PowerDns, over: { name?: string; secret?: string; server?: { host: string; port: number } } = {}): Provider =>
  rfc2136.open(
    {
      kind: 'rfc2136',
      zone: power.zone,
      server: over.server ?? { host: power.host, port: power.port },
      key: { name: over.name ?? power.key.name, algorithm: power.key.algorithm, secretFile: '/secrets/dns.key' },
    },
    { ports: realPorts(), secret: () => over.secret ?? power.key.secret },
  );

const otherSecret = Buffer.alloc(32, 7).toString('base64');

providerContract('rfc2136 on PowerDNS', async () => {
  const power = await startPowerDns();
  const proxy = await startTcpProxy(power);
  return {
    can: rfc2136.can,
    services: [web, api],
    provider: () => writer(power, { server: proxy }),
    snapshot: () => power.records(),
    async plant({ service, pools }) {
      const own = pools.flatMap(({ answers }) => answers).filter((address) => !address.includes(':'));
      await power.replace(service, 'A', 30, ...own, '192.0.2.99');
      return '192.0.2.99';
    },
    secrets: [power.key.secret, otherSecret, Buffer.from(otherSecret, 'base64').toString('hex')],
    intruder: () => writer(power, { secret: otherSecret }),
    faults: proxy,
    async [Symbol.asyncDispose]() {
      await proxy[Symbol.asyncDispose]();
      await power[Symbol.asyncDispose]();
    },
  };
}, ['quota', 'refusedPart']);

const nothing: ReadBack = { fence: null, shares: null, foreign: [], token: null };
const change: Change = {
  desired: web,
  fence: { v: 1, epoch: 1, writer: 'eu-west/a', nonce: 'n1', hash: stateHash(web) },
  previous: nothing,
};

describe('rfc2136 on PowerDNS', { timeout: TEST_MS }, () => {
  test('a key that the server does not know is refused without a signature, so it settles nothing and writes nothing', async () => {
    await using power = await startPowerDns();
    const before = await power.records();
    expect(await writer(power, { name: 'stranger' }).apply([change], patience())).toMatchObject({ outcome: 'undecided' });
    expect(await power.records()).toBe(before);
  });

  test('an update policy drops what it does not grant and acknowledges the rest: the next read shows it', async () => {
    await using power = await startPowerDns({
      policy: 'function updatepolicy(input) return input:getQType() == pdns.TXT end',
    });
    const provider = writer(power);
    expect(await provider.apply([change], patience())).toEqual({ outcome: 'applied' });
    expect((await provider.read([web], patience())).get(web.service)).toMatchObject({ fence: change.fence, shares: null });
  });
});
