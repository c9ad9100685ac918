import { expect, test } from 'vitest';
import { openProvider, providers } from '../../providers/index.ts';
import { realPorts } from '../../src/ports.ts';

test('every line of the table is the adapter of that name, with dated facts', async () => {
  for (const [kind, load] of Object.entries(providers)) {
    const adapter = await load();
    expect(adapter.kind).toBe(kind);
    expect(adapter.can.checkedOn).toMatch(/^\d{4}-\d{2}-\d{2}$/);
    expect(adapter.can.ttlFloorS).toBeGreaterThanOrEqual(0);
  }
});

test('a configuration opens the adapter that its kind names, without asking anything of the network', async () => {
  const address = { host: '127.0.0.1', port: 9 };
  const context = {
    ports: realPorts(),
    fetch: () => Promise.reject(new Error('asked')),
    secret: () => 'c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA==',
  };
  const builtin = await openProvider({ kind: 'builtin', zone: 'example.test', control: address, tokenFile: 'token' }, context);
  expect(builtin.can).toBe((await providers.builtin()).can);
  await builtin.close();
  const zone = { kind: 'cloudflare' as const, zone: 'example.test', zoneId: '0'.repeat(32), tokenFile: 'token', callsPer5Min: 1200 };
  const records = { ...zone, mode: 'dns' as const, proxied: false, plan: 'free' as const, fencing: 'marker' as const };
  const cloudflare = await openProvider(records, context);
  expect(cloudflare.can).toMatchObject({ weights: 'onOff' });
  await cloudflare.close();
  const checker = { kind: 'route53' as const, intervalMs: 10_000, failures: 3, agree: 2, proxied: false };
  const gate = await openProvider({ kind: 'gate', form: 'survivor', checker }, context);
  expect(gate.can).toBe((await providers.gate()).can);
  await gate.close();
  const key = { name: 'tidegate.', algorithm: 'hmac-sha256' as const, secretFile: 'key' };
  const rfc2136 = await openProvider({ kind: 'rfc2136', zone: 'example.test', server: address, key }, context);
  expect(rfc2136.can).toBe((await providers.rfc2136()).can);
  await rfc2136.close();
  const route53 = await openProvider(
    { kind: 'route53', mode: 'weighted', zone: 'example.test', hostedZoneId: 'Z1', credentialsFile: 'aws', services: {} },
    context,
  );
  expect(route53.can).toEqual((await providers.route53()).can);
  await route53.close();
  const api = { url: 'http://127.0.0.1:9', keyFile: 'api-key' };
  const powerdns = await openProvider({ kind: 'powerdns', zone: 'example.test', server: address, key, api }, context);
  expect(powerdns.can).toBe((await providers.powerdns()).can);
  await powerdns.close();
});
