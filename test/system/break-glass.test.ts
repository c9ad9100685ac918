// The glass broken on a real BIND 9 while a cluster is at work: automation keeps its hands off what a human set, through an outage of it, until somebody
// acknowledges that; then it goes on by itself. Replicas are production code on real time; only the looks at the targets are made up.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openProvider } from '../../providers/index.ts';
import { ack } from '../../src/command/ack.ts';
import { routeSet, routeShow } from '../../src/command/route.ts';
import { loadConfig } from '../../src/config/load.ts';
import { appliedKey, KEYS } from '../../src/coordinate/keys.ts';
import type { AppliedRecord, Page, Routing } from '../../src/model.ts';
import { realPorts, sleep } from '../../src/ports.ts';
import { createReplica } from '../../src/replica.ts';
import { readSecret } from '../../src/secrets.ts';
import { openEmbedded } from '../../src/store/embedded.ts';
import type { Store } from '../../src/store/store.ts';
import { silentLog } from '../world.ts';
import { startBind } from './bind.ts';
import { until } from './until.ts';

const WEB = 'web.tide.test';
const REGIONS = ['eu-west', 'us-east', 'ap-south'];
const ADDRESS: Readonly<Record<string, string>> = { 'eu-west': '192.0.2.1', 'us-east': '192.0.2.2', 'ap-south': '192.0.2.3' };

const fileFor = (port: number, key: string): string => `
region: eu-west
replica: a
api: { tokenFile: ./operator.token }
store: { kind: embedded, file: ./store.sqlite }
providers:
  bind: { kind: rfc2136, zone: tide.test, server: 127.0.0.1:${port}, key: { name: ${key}, algorithm: hmac-sha256, secretFile: ./dns.key } }
cluster:
  name: glass
  regions:
${REGIONS.map((r) => `    - { name: ${r}, anchors: [tcp://192.0.2.1:53] }`).join('\n')}
  services:
    - name: ${WEB}
      mode: auto
      provider: bind
      ttl: 5s
      pools:
${REGIONS.map((r) => `        - { name: ${r}, answers: [${ADDRESS[r]}], targets: [{ name: app, healthz: "http://${ADDRESS[r]}/healthz", readyz: "http://${ADDRESS[r]}/readyz" }] }`).join('\n')}
`;

test('a route set by hand stays until it is acknowledged, whatever dies; then automation goes on', { timeout: 240_000 }, async () => {
  await using bind = await startBind();
  const folder = mkdtempSync(join(tmpdir(), 'tidegate-glass-'));
  const ports = realPorts();
  const config = join(folder, 'replica.yaml');
  writeFileSync(config, fileFor(bind.port, bind.key.name));
  writeFileSync(join(folder, 'dns.key'), `${bind.key.secret}\n`, { mode: 0o600 });
  const loaded = loadConfig(config);
  if (!loaded.ok || loaded.config.cluster === null) throw new Error(JSON.stringify(loaded));
  const store = openEmbedded({ file: ':memory:', ports });
  const dead = new Set<string>();
  const entry = loaded.config.providers.bind ?? expect.fail('provider');
  const provider = await openProvider(entry, { ports, secret: readSecret, fetch: () => Promise.reject(new Error('no vendor here')) });
  const replicas = REGIONS.map((region) =>
    createReplica({
      ports,
      store,
      log: silentLog,
      region,
      replica: 'a',
      boot: ports.random.hex(8),
      providers: new Map([['bind', provider]]),
      async look(spec) {
        await sleep(ports.timers, 5);
        const isDead = [...dead].some((r) => new URL(spec.url).hostname === ADDRESS[r]);
        return isDead ? { saw: 'fault', reason: 'refused', tookMs: 5, detail: 'refused' } : { saw: 'ok', tookMs: 5 };
      },
    }),
  );
  const record = async <T>(key: string): Promise<T | undefined> => (await store.get({ keys: [key] })).kvs[0]?.value as T | undefined;
  const applied = () => record<AppliedRecord>(appliedKey('bind', WEB));
  const served = () => bind.dig(WEB, 'A');
  const guard = async () => (await bind.dig(`_tidegate.${WEB}`, 'TXT')).join('');
  const said: string[] = [];
  const context = { ports, confirm: null, out: (text: string) => void said.push(text), err: () => undefined };
  const pages = async () => (await store.get({ prefixes: ['outbox/'] })).kvs.map((kv) => (kv.value as Page).type);
  try {
    await store.txn({ if: [], then: [{ put: KEYS.members, value: { ...loaded.config.cluster, version: 1 } }] });
    await until('all regions are served', async () => (await served()).length === 3, 60_000);
    expect(await guard()).not.toContain('manual/');

    const order = { config, owner: 'bob', reason: 'eu-west and ap-south look wrong' };
    expect(await routeSet({ ...order, breakGlass: true, yes: true, service: WEB, share: ['us-east=100'] }, context)).toBe(0);
    expect(await served()).toEqual([ADDRESS['us-east']]);
    expect(await guard()).toContain('writer=manual/bob');
    expect(said.splice(0).join('')).toContain('set by hand');
    await until('the coordinator has seen it', async () => (await applied())?.outcome === 'manual', 60_000);

    dead.add('us-east');
    const hold = async () => (await record<Routing>(KEYS.routing))?.services[WEB]?.pools['us-east']?.hold;
    await until('the drain is held', async () => (await hold()) === 'frozen', 60_000);
    expect(await served()).toEqual([ADDRESS['us-east']]);
    expect(await pages()).toEqual(expect.arrayContaining(['provider.manual', 'service.hold_frozen']));

    const lasting: Store = {
      clusterId: store.clusterId,
      get: (query) => store.get(query),
      txn: (txn) => store.txn(txn),
      watch: (prefix, onEvent) => store.watch(prefix, onEvent),
      close: async () => undefined,
    };
    const journal = `${config}.break-glass.ndjson`;
    expect(readFileSync(journal, 'utf8').trim().split('\n')).toHaveLength(2);
    const noted = { ...order, owner: 'alice', reason: 'looked at it', service: [WEB], journal };
    expect(await ack(noted, { ...context, open: async () => lasting })).toBe(0);
    // The others return by hold and ramp; until then the reserve rule must get users off the dead one.
    await until('traffic has left the dead region', async () => !(await served()).includes(ADDRESS['us-east'] ?? ''), 60_000);
    expect((await served()).length).toBeGreaterThan(0);
    await until(
      'the fence is ours again',
      async () => !(await guard()).includes('manual/') && (await applied())?.outcome === 'applied',
      60_000,
    );
    await routeShow({ config }, context);
    expect(said.join('')).not.toContain('set by hand');
  } finally {
    await Promise.all(replicas.map((replica) => replica.stop()));
    await provider.close();
    await store.close();
    rmSync(folder, { recursive: true });
  }
});
