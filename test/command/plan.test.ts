// `plan` on the wire of the builtin server, over a store in memory: a sentence per service, an exit code per outcome, and nothing written whatever it finds.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { stateHash } from '../../providers/fence.ts';
import type { Provider } from '../../providers/provider.ts';
import { type PlanContext, type PlanOptions, plan } from '../../src/command/plan.ts';
import { appliedKey, KEYS } from '../../src/coordinate/keys.ts';
import { blankRouting } from '../../src/decide/snapshot.ts';
import type { ClusterConfig, Mode, Override, Route } from '../../src/model.ts';
import { realPorts } from '../../src/ports.ts';
import { readOnly } from '../../src/publish/pending.ts';
import { desiredOf } from '../../src/publish/plan.ts';
import { listening } from './fixture.ts';
import { type Hands, openHands, WEB } from './hand.fixture.ts';

const ports = realPorts();

const run = async (hands: Hands, options: Partial<PlanOptions> = {}, context: Partial<PlanContext> = {}) => {
  const said = listening();
  const { store } = hands;
  const open = async () => ({
    clusterId: store.clusterId,
    get: store.get.bind(store),
    txn: async () => {
      throw new Error('a plan never writes to the store');
    },
    watch: store.watch.bind(store),
    close: async () => undefined,
  });
  const exit = await plan({ config: hands.config, ...options }, { ports, out: said.out, err: said.err, open, ...context });
  return { exit, stdout: said.stdout, stderr: said.stderr };
};

const put = async ({ store }: Hands, key: string, value: unknown): Promise<void> => {
  const { kvs } = await store.get({ keys: [key] });
  expect((await store.txn({ if: [{ key, mod: kvs[0]?.mod ?? 0 }], then: [{ put: key, value }] })).ok).toBe(true);
};

const clusterIn = async ({ store }: Hands): Promise<ClusterConfig> =>
  (await store.get({ keys: [KEYS.members] })).kvs[0]?.value as ClusterConfig;

/** The store decides this route with this fence. */
const decide = async (hands: Hands, fence: number, route: Route, membersVersion = 1): Promise<void> => {
  const cluster = await clusterIn(hands);
  const { mode } = cluster.services[0]!;
  await put(hands, KEYS.routing, {
    ...blankRouting(cluster, 0),
    v: fence,
    membersVersion,
    services: { [WEB]: { fence, nonce: `d${fence}`, sinceAtMs: 0, mode, route, because: '', pools: {} } },
  });
};

const setMode = async (hands: Hands, mode: Mode): Promise<void> => {
  const cluster = await clusterIn(hands);
  await put(hands, KEYS.members, { ...cluster, services: cluster.services.map((s) => ({ ...s, mode })) });
};

const ADDRESSES: Readonly<Record<string, string>> = { 'eu-west': '192.0.2.10', 'us-east': '192.0.2.20', stranger: '198.51.100.9' };

/** Somebody serves this. */
const serve = (hands: Hands, fence: string, route: Route, ifFence: string | null = null): Promise<void> =>
  hands.dns.put({
    service: {
      name: WEB,
      ttlS: 30,
      pools: Object.entries(route).map(([pool, share]) => ({ pool, share, answers: [ADDRESSES[pool] ?? ''] })),
      fence,
    },
    ifFence,
  });

const fenceText = (v: number, writer = 'us-east/a/x'): string => `v=1;fence=${v};epoch=1;writer=${writer};nonce=d${v}-1;hash=ab`;

test('says what would change and with which fence, exits 3, and changes nothing', async () => {
  await using hands = await openHands();
  await serve(hands, fenceText(41), { 'eu-west': 500, 'us-east': 500 });
  await decide(hands, 42, { 'eu-west': 0, 'us-east': 1000 });
  const before = await hands.show();
  const { exit, stdout } = await run(hands);
  expect(stdout).toBe(
    `${WEB} at dns: eu-west 500 -> 0, us-east 500 -> 1000 (fence 41 -> 42)\n1 service: 1 would be written; nothing was written\n`,
  );
  expect(exit).toBe(3);
  expect(await hands.show()).toEqual(before);
});

test('a route that is served as decided is nothing to do, and exits 0; as one object it says the same', async () => {
  await using hands = await openHands();
  await decide(hands, 3, { 'eu-west': 250, 'us-east': 750 });
  const service = (await clusterIn(hands)).services[0]!;
  const hash = stateHash(
    desiredOf(service, { fence: 3, sinceAtMs: 0, mode: 'auto', route: { 'eu-west': 250, 'us-east': 750 }, because: '', pools: {} }),
  );
  await serve(hands, fenceText(3).replace('hash=ab', `hash=${hash}`), { 'eu-west': 250, 'us-east': 750 });
  expect(await run(hands)).toMatchObject({
    exit: 0,
    stdout: `${WEB} at dns: nothing to do, eu-west 250, us-east 750 (fence 3)\n1 service: 1 as decided; nothing was written\n`,
  });
  expect(JSON.parse((await run(hands, { json: true })).stdout)).toMatchObject({
    outcome: 'nothing',
    cluster: 'fixture',
    v: 3,
    services: [{ service: WEB, provider: 'dns', mode: 'auto', state: 'unchanged', fence: { from: 3, to: 3 }, foreign: [] }],
  });
});

test('the first write, drift, strange answers and a lost history are told apart', async () => {
  await using hands = await openHands();
  await decide(hands, 2, { 'eu-west': 500, 'us-east': 500 });
  expect((await run(hands)).stdout).toContain(`${WEB} at dns: nothing -> eu-west 500, us-east 500 (no fence -> 2)\n`);

  await serve(hands, fenceText(2), { 'eu-west': 400, 'us-east': 500, stranger: 100 });
  const drift = await run(hands);
  expect(drift.stdout).toContain(
    `${WEB} at dns: eu-west 400 -> 500 (fence 2, drift); also served, and no pool's: 198.51.100.9\n1 service: 1 would be put right`,
  );
  expect(drift.exit).toBe(3);

  await serve(hands, fenceText(9), { 'eu-west': 1000 }, fenceText(2));
  const ahead = await run(hands);
  expect(ahead.stdout).toContain('frozen: the provider carries fence 9');
  expect(ahead.stdout).toContain('until a human runs tidegate adopt');
  expect(ahead.exit).toBe(1);

  await serve(hands, fenceText(10, 'manual/bob'), { 'eu-west': 1000 }, fenceText(9));
  expect((await run(hands)).stdout).toContain(
    'frozen: manual/bob wrote web.example.test by hand (fence 10); nothing is written until a human runs tidegate ack',
  );
});

test('a stop, an undecided route and one that was decided for an older configuration write nothing', async () => {
  await using hands = await openHands();
  expect(await run(hands)).toMatchObject({ exit: 0, stdout: expect.stringContaining('no route was decided yet') });
  await decide(hands, 2, { 'eu-west': 500, 'us-east': 500 }, 7);
  expect(await run(hands)).toMatchObject({ exit: 0, stdout: expect.stringContaining('was decided for version 7 of the configuration') });
  await decide(hands, 2, { 'eu-west': 500, 'us-east': 500 });
  const stop: Override = {
    id: 'halt',
    kind: 'stop',
    scope: {},
    reason: 'migration',
    owner: 'alice',
    createdAtMs: 0,
    expiresAtMs: Number.MAX_SAFE_INTEGER,
  };
  await put(hands, KEYS.override, { version: 1, nonce: 'n', items: [stop] });
  expect(await run(hands)).toMatchObject({ exit: 0, stdout: expect.stringContaining('while stop halt is in force (migration)') });
});

test('what is recorded as frozen stays frozen here, too', async () => {
  await using hands = await openHands();
  await serve(hands, fenceText(5), { 'eu-west': 1000 });
  await decide(hands, 6, { 'eu-west': 500, 'us-east': 500 });
  await put(hands, appliedKey('dns', WEB), { fence: 5, nonce: 'd5-1', atMs: 0, outcome: 'frozen', because: '' });
  expect(await run(hands)).toMatchObject({ exit: 1, stdout: expect.stringContaining('still carries fence 5') });
});

test('in observe the first-fence plan says what would be created, and nothing is pending', async () => {
  await using hands = await openHands();
  await setMode(hands, 'observe');
  const { exit, stdout } = await run(hands);
  expect(exit).toBe(0);
  expect(stdout).toContain(
    `${WEB} at dns: in observe, nothing is written; its first fence would write nothing -> eu-west 500, us-east 500 (no fence -> 1)\n`,
  );
  expect(stdout).toContain(`  takes over service ${WEB}: fence, ttl, pools\n1 service: 1 not written in its mode; nothing was written\n`);
});

test('--route-from-config needs no store: the configured shares, and a fence that is there already is no new cluster’s', async () => {
  await using hands = await openHands();
  const noStore = async (): Promise<never> => {
    throw new Error('the store was opened');
  };
  const asked = { routeFromConfig: true };
  expect(await run(hands, asked, { open: noStore })).toMatchObject({
    exit: 3,
    stdout: expect.stringContaining('nothing -> eu-west 500, us-east 500 (no fence -> 1)'),
  });
  await serve(hands, fenceText(41), { 'eu-west': 500, 'us-east': 500 });
  expect(await run(hands, asked, { open: noStore })).toMatchObject({ exit: 1, stdout: expect.stringContaining('tidegate adopt') });
  await expect(run(hands, { file: hands.config })).rejects.toMatchObject({ code: 'ERR_USAGE' });
  expect(existsSync(join(hands.folder, 'store.sqlite'))).toBe(false);
});

test('a provider out of reach is told of its services, and exits 1', async () => {
  await using hands = await openHands();
  await decide(hands, 2, { 'eu-west': 500, 'us-east': 500 });
  writeFileSync(join(hands.folder, 'dns.token'), 'a-wrong-token-altogether\n');
  const { exit, stdout } = await run(hands);
  expect(exit).toBe(1);
  expect(stdout).toContain(`${WEB} at dns: cannot be read: builtin dns: read answered 401`);
  expect(stdout).toContain('1 not readable; nothing was written');
  expect(stdout).not.toContain('a-wrong-token');
});

test('a service of a provider that this file does not know hides no other', async () => {
  await using hands = await openHands();
  await decide(hands, 2, { 'eu-west': 500, 'us-east': 500 });
  const cluster = await clusterIn(hands);
  const other = { ...cluster.services[0]!, name: 'api.example.test', provider: 'elsewhere' };
  await put(hands, KEYS.members, { ...cluster, services: [...cluster.services, other] });
  const { exit, stdout } = await run(hands);
  expect(exit).toBe(1);
  expect(stdout).toContain(`${WEB} at dns: nothing -> `);
  expect(stdout).toMatch(/api\.example\.test at elsewhere: .*found the providers dns, expected elsewhere among them/);
  expect((await run(hands, { service: [WEB] })).exit).toBe(3);
  await expect(run(hands, { service: ['nope'] })).rejects.toMatchObject({ code: 'ERR_USAGE' });
});

test('a service of two providers is planned at each of them', async () => {
  await using hands = await openHands();
  await decide(hands, 2, { 'eu-west': 500, 'us-east': 500 });
  const cluster = await clusterIn(hands);
  await put(hands, KEYS.members, { ...cluster, services: [{ ...cluster.services[0]!, also: ['second'] }] });
  const { exit, stdout } = await run(hands);
  expect(stdout).toMatch(new RegExp(`^${WEB} at dns: nothing -> .*\n${WEB} at second: .*expected second among them`));
  expect(stdout).toContain('\n1 service by 2 paths: 1 would be written, 1 not readable; nothing was written\n');
  expect(exit).toBe(1);
});

test('one service that cannot be read alone hides no other', async () => {
  await using hands = await openHands();
  const cluster = await clusterIn(hands);
  const names = [WEB, 'api.example.test'];
  await put(hands, KEYS.members, { ...cluster, services: names.map((name) => ({ ...cluster.services[0]!, name, mode: 'observe' })) });
  const provider: Provider = {
    can: { fencing: 'conditional', weights: 'exact', batchMax: 1, servesAnswers: true, ttlFloorS: 1, checkedOn: '' },
    async read(services) {
      if (services.some((s) => s.service !== WEB)) throw new Error('api.example.test is an alias');
      return new Map(services.map((s) => [s.service, { fence: null, shares: null, foreign: [], token: null }]));
    },
    apply: async () => {
      throw new Error('a plan never writes');
    },
    quantise: (s) => Object.fromEntries(s.pools.map((p) => [p.pool, p.share])),
    owns: () => [],
    close: async () => undefined,
  };
  const providers = () => ({ provider: async () => provider, close: async () => undefined });
  const { exit, stdout } = await run(hands, {}, { providers });
  expect(exit).toBe(1);
  expect(stdout).toContain(`${WEB} at dns: in observe`);
  expect(stdout).toContain('api.example.test at dns: cannot be read: api.example.test is an alias');
});

test('what the plan is given of a provider has nothing that writes', () => {
  const provider = { apply: async () => ({ outcome: 'applied' as const }), settle: async () => ({ state: 'settled' as const }) };
  const looked = readOnly({
    ...provider,
    can: { fencing: 'none', weights: 'exact', batchMax: 1, servesAnswers: true, ttlFloorS: 1, checkedOn: '' },
    read: async () => new Map(),
    quantise: () => ({}),
    owns: () => [],
    close: async () => undefined,
  });
  expect(Object.keys(looked).sort()).toEqual(['can', 'owns', 'quantise', 'read']);
  const source = readFileSync(join(import.meta.dirname, '../../src/command/plan.ts'), 'utf8');
  expect(source).not.toMatch(/\.(apply|txn)\(/);
});

test('a store without a cluster, and a bad file, are told', async () => {
  await using hands = await openHands();
  await hands.store.txn({ if: [], then: [{ del: KEYS.members }] });
  await expect(run(hands)).rejects.toMatchObject({ code: 'ERR_CONFIG', message: expect.stringContaining('--route-from-config') });
  writeFileSync(hands.config, 'region: [');
  expect(await run(hands)).toMatchObject({ exit: 78, stdout: '' });
});
