// gRPC health over real TLS: who is believed, what its answers mean, how long its certificate has to last.
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import { status } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { judged } from '../../../src/runbook/grpc/check.ts';
import type { GrpcConfig } from '../../../src/runbook/systems.ts';
import { type Harness, startHarness } from '../../contract/step.contract.ts';
import { createAuthority } from '../../etcd-certificates.ts';
import { workDir } from '../../system/server.ts';
import { type GrpcOptions, type GrpcWorld, startGrpcWorld } from './world.ts';

const DAY_MS = 86_400_000;

/** A world that serves, looked at with another configuration. */
const serving = (
  change: (world: GrpcWorld) => Partial<GrpcConfig> = () => ({}),
  options: GrpcOptions = {},
): Promise<Harness<'grpc.check', GrpcWorld>> =>
  startHarness('grpc.check', async () => {
    const world = await startGrpcWorld(options);
    world.says = 'SERVING';
    world.systems = world.config(change(world));
    return world;
  });

describe('grpc.check', () => {
  test('asks for the service that is configured, anew at every look', async () => {
    await using h = await serving();
    expect(await h.read()).toMatchObject({
      is: 'reached',
      because: expect.stringMatching(/^orders at 127\.0\.0\.1:\d+ serves; its certificate ends in 1\.9 days/),
    });
    h.world.says = 'NOT_SERVING';
    expect(await h.read()).toMatchObject({ is: 'pending', because: expect.stringContaining('says NOT_SERVING') });
    expect(h.world.asks).toEqual(['orders', 'orders']);
  });

  test.each([
    ['SERVICE_UNKNOWN', 'pending'],
    ['UNKNOWN', 'unknown'],
    [null, 'never'],
    [{ code: status.NOT_FOUND }, 'pending'],
    [{ code: status.UNAVAILABLE }, 'unknown'],
    [{ code: status.INTERNAL }, 'unknown'],
    [{ code: status.PERMISSION_DENIED }, 'unknown'],
  ] as const)('%j is %s', async (says, is) => {
    await using h = await serving();
    h.world.says = says;
    expect(await h.read()).toMatchObject({ is });
  });

  test('a certificate that ends too soon is not good, though the server serves', async () => {
    await using h = await serving(() => ({ certificateMinMs: 3 * DAY_MS }));
    expect(await h.read()).toMatchObject({
      is: 'pending',
      because: expect.stringMatching(/serves, but its certificate ends in 1\.9 days .*expected 3 days/),
    });
  });

  test('the bound on the certificate is inclusive', () => {
    const look = { status: 'SERVING', certificateEndsAtMs: DAY_MS } as const;
    expect(judged('x', DAY_MS, look, 0)).toMatchObject({ is: 'reached' });
    expect(judged('x', DAY_MS, look, 1)).toMatchObject({ is: 'pending' });
    expect(judged('x', DAY_MS, { status: 'SERVING', certificateEndsAtMs: null }, 0)).toMatchObject({ is: 'reached' });
  });

  test('an authority that is not trusted is not believed', async () => {
    const dir = workDir('grpc-other');
    using _ = { [Symbol.dispose]: () => rmSync(dir, { recursive: true }) };
    const other = createAuthority(dir, 'other');
    await using h = await serving((world) => {
      Object.assign(world.files, { [other.caFile]: other.caPem });
      return { tls: { caFile: other.caFile } };
    });
    expect(await h.read()).toMatchObject({ is: 'unknown' });
    expect(h.world.asks).toEqual([]);
  });

  test('a certificate of another name or address is not believed', async () => {
    await using byAddress = await serving(undefined, { names: ['IP:127.0.0.9'] });
    expect(await byAddress.read()).toMatchObject({
      is: 'unknown',
      because: expect.stringContaining('the certificate is not for 127.0.0.1'),
    });
    await using byName = await serving((world) => ({ tls: { caFile: world.authority.caFile, serverName: 'proxy.example' } }), {
      names: ['DNS:other.example'],
    });
    expect(await byName.read()).toMatchObject({
      is: 'unknown',
      because: expect.stringContaining('the certificate is not for proxy.example'),
    });
    expect([...byAddress.world.asks, ...byName.world.asks]).toEqual([]);
  });

  test('serverName is what is verified, whatever the address; a name is resolved by our resolver', async () => {
    await using h = await serving(
      (world) => ({
        address: world.config({})['proxy-eu']!.address.replace('127.0.0.1', 'proxy.test'),
        tls: { caFile: world.authority.caFile, serverName: 'proxy.example' },
      }),
      { names: ['DNS:proxy.example'] },
    );
    expect(await h.read()).toMatchObject({ is: 'reached', because: expect.stringContaining('proxy.test') });
  });

  test('shows its own certificate to a server that asks for one, and is refused without', async () => {
    await using h = await serving(
      (world) => {
        const own = world.authority.issue('tidegate');
        Object.assign(world.files, { [own.certFile]: own.certPem, [own.keyFile]: own.keyPem });
        return { tls: { caFile: world.authority.caFile, certFile: own.certFile, keyFile: own.keyFile } };
      },
      { wantsClients: true },
    );
    expect(await h.read()).toMatchObject({ is: 'reached' });
    await using without = await serving(undefined, { wantsClients: true });
    expect(await without.read()).toMatchObject({ is: 'unknown' });
    expect(without.world.asks).toEqual([]);
  });

  test('a proxy that knows no such page is not taken for a server without health', async () => {
    await using h = await serving();
    const shown = h.world.authority.issue('proxy', ['IP:127.0.0.1']);
    const proxy = http2.createSecureServer(
      { cert: shown.certPem, key: shown.keyPem },
      (_request, reply) => void reply.writeHead(404).end(),
    );
    proxy.listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    await using _ = {
      [Symbol.asyncDispose]: async () => {
        proxy.close();
        await once(proxy, 'close');
      },
    };
    await using through = await startHarness('grpc.check', async () => ({
      ...h.world,
      systems: h.world.config({ address: `127.0.0.1:${(proxy.address() as AddressInfo).port}` }),
      [Symbol.asyncDispose]: async () => undefined,
    }));
    expect(await through.read()).toMatchObject({ is: 'unknown' });
  });

  test('what is no PEM is refused when it is opened, with the name of its file', async () => {
    await using h = await serving((world) => {
      Object.assign(world.files, { '/etc/ca.pem': 'no certificate' });
      return { tls: { caFile: '/etc/ca.pem' } };
    });
    expect(await h.read()).toMatchObject({ is: 'unknown', because: expect.stringContaining('/etc/ca.pem') });
  });
});
