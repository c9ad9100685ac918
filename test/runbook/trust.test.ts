// Systems over HTTPS: believed with the authority of caFile and no other, by the name in the certificate; nothing reaches whoever is not believed.
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import net, { type AddressInfo } from 'node:net';
import tls from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Facts } from '../../src/runbook/kind.ts';
import type { StepKindName } from '../../src/runbook/model.ts';
import type { SystemConfig } from '../../src/runbook/systems.ts';
import { type Harness, type StepWorld, startHarness } from '../contract/step.contract.ts';
import { type Authority, type Certificate, createAuthority } from '../etcd-certificates.ts';
import { workDir } from '../system/server.ts';
import { startCodecWorld } from './codec/world.ts';
import { startHttpWorld } from './http/world.ts';
import { startGateWorld } from './prometheus/world.ts';
import { startWebhookWorld } from './webhook/world.ts';

let [dir, authority, other, good, elsewhere] = ['', {} as Authority, {} as Authority, {} as Certificate, {} as Certificate];
beforeAll(() => {
  dir = workDir('runbook-trust');
  [authority, other] = [createAuthority(dir, 'ca'), createAuthority(dir, 'other')];
  [good, elsewhere] = [authority.issue('good', ['IP:127.0.0.1', 'DNS:good.test']), authority.issue('elsewhere', ['DNS:elsewhere.test'])];
});
afterAll(() => rmSync(dir, { recursive: true }));

/** Ends TLS before a port of this machine. */
const startTls = async (port: number, { certPem, keyPem }: Certificate) => {
  const open = new Set<net.Socket>();
  let bytes = 0;
  const server = tls.createServer({ cert: certPem, key: keyPem }, (socket) => {
    const inner = net.connect(port, '127.0.0.1');
    for (const one of [socket, inner]) {
      open.add(one);
      one.on('error', () => undefined);
    }
    socket.on('data', (chunk) => {
      bytes += chunk.length;
    });
    socket.pipe(inner).pipe(socket);
  });
  server.on('tlsClientError', () => undefined);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    bytes: () => bytes,
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
};

/** The world behind TLS, and what it heard. */
const behindTls = async <K extends StepKindName>(
  name: K,
  start: () => Promise<StepWorld<K>>,
  shown: Certificate,
  trusted: Authority | null,
  host = '127.0.0.1',
): Promise<Harness<K> & { bytes(): number }> => {
  const world = await start();
  const [system = '', config] = Object.entries(world.systems)[0]!;
  const url = new URL((config as { url: string }).url);
  const proxy = await startTls(Number(url.port), shown);
  Object.assign(url, { protocol: 'https:', port: String(proxy.port), hostname: host });
  const secured = { ...config, url: url.href.replace(/\/$/, ''), ...(trusted === null ? {} : { caFile: trusted.caFile }) } as SystemConfig;
  const h = await startHarness(name, async () => ({
    ...world,
    systems: { [system]: secured },
    files: { ...world.files, [authority.caFile]: authority.caPem, [other.caFile]: other.caPem },
    async [Symbol.asyncDispose]() {
      await proxy[Symbol.asyncDispose]();
      await world[Symbol.asyncDispose]();
    },
  }));
  await world.settle();
  return Object.assign(h, { bytes: proxy.bytes });
};

/** `facts`: with which reading calls somebody. */
const claims = <K extends StepKindName>(name: K, start: () => Promise<StepWorld<K>>, facts: Facts = {}): void => {
  describe(`${name} over HTTPS`, () => {
    test.each(['127.0.0.1', 'good.test'])('the authority of caFile is believed, for %s', async (host) => {
      await using h = await behindTls(name, start, good, authority, host);
      // A receiver that does not know the id is pending; that it is asked is enough.
      expect(['reached', 'pending']).toContain((await h.read(facts)).is);
      expect(h.bytes()).toBeGreaterThan(0);
    });

    test('another authority, those of the system, and a certificate of another name are not, and nothing is sent to them', async () => {
      for (const [shown, trusted] of [
        [good, other],
        [good, null],
        [elsewhere, authority],
      ] as const) {
        await using h = await behindTls(name, start, shown, trusted);
        expect(await h.read(facts)).toMatchObject({ is: 'unknown' });
        if (h.kind.apply !== undefined) expect((await h.apply()).took).toBe('undecided');
        expect(h.bytes()).toBe(0);
      }
    });
  });
};

claims('gate.promql', startGateWorld);
claims('codec.canary', startCodecWorld);
claims('http.check', startHttpWorld);
claims('webhook.call', startWebhookWorld, { told: true });
