import net from 'node:net';
import { builtin } from '../../providers/builtin/index.ts';
import type { ZoneService } from '../../providers/builtin/zone.ts';
import type { Provider, ProviderService } from '../../providers/provider.ts';
import { realPorts } from '../../src/ports.ts';
import { type ProviderHarness, providerContract } from '../contract/provider.contract.ts';
import { startBuiltin, TOKEN, ZONE } from './builtin.fixture.ts';

const service = (name: string, hosts: readonly number[]): ProviderService => ({
  service: `${name}.${ZONE}`,
  ttlS: 10,
  pools: hosts.map((host, at) => ({
    pool: `region-${at}`,
    region: `region-${at}`,
    share: at === 0 ? 1000 - 333 * (hosts.length - 1) : 333,
    configuredShare: 333,
    answers: [`192.0.2.${host}`, `2001:db8::${host}`],
  })),
});

/** Forwards to the control port; when told to, carries out the next request and cuts the line instead of its reply. */
const forgetfulProxy = async (port: number): Promise<{ port: number; loseNextReply(): void; close(): Promise<void> }> => {
  let lose = false;
  const sockets = new Set<net.Socket>();
  const server = net.createServer((client) => {
    const upstream = net.connect(port, '127.0.0.1');
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        client.destroy();
        upstream.destroy();
      });
    }
    client.on('data', (chunk) => upstream.write(chunk));
    upstream.on('data', (chunk) => {
      if (lose) client.destroy();
      else client.write(chunk);
      lose = false;
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as net.AddressInfo).port,
    loseNextReply: () => {
      lose = true;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
};

const harness = async (): Promise<ProviderHarness> => {
  const server = await startBuiltin();
  const proxy = await forgetfulProxy(server.controlPort);
  const opened: Provider[] = [];
  const open = (token: string): Provider => {
    const config = { kind: 'builtin' as const, zone: ZONE, control: { host: '127.0.0.1', port: proxy.port }, tokenFile: 'token' };
    const provider = builtin.open(config, { ports: realPorts(), secret: () => token });
    opened.push(provider);
    return provider;
  };
  return {
    can: builtin.can,
    services: [service('web', [1, 2, 3]), service('api', [11, 12])],
    provider: () => open(TOKEN),
    intruder: () => open('not-the-token-at-all'),
    requestId: null,
    secrets: [TOKEN, 'not-the-token-at-all'],
    snapshot: async () => JSON.stringify((await server.control('/zone/v1/services')).body),
    async plant({ service: name }) {
      const { body } = await server.control(`/zone/v1/services?names=${name}`);
      const [served] = (body as { services: [ZoneService] }).services;
      const pools = served.pools.map((pool, at) => (at === 0 ? { ...pool, share: pool.share - 1 } : pool));
      await server.put({
        service: { ...served, pools: [...pools, { pool: 'by-hand', share: 1, answers: ['198.51.100.9'] }] },
        ifFence: served.fence,
      });
      return '198.51.100.9';
    },
    faults: { loseNextReply: proxy.loseNextReply },
    async [Symbol.asyncDispose]() {
      await Promise.all(opened.map((provider) => provider.close()));
      await proxy.close();
      await server.close();
    },
  };
};

providerContract('builtin', harness, ['hang', 'quota', 'refusedPart']);
