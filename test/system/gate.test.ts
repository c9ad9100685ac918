// Gates of real processes: three regions over one store, polled over HTTP by a stand-in of the vendors' checkers; killed, started again without the store,
// with a file that was damaged, on a disk that is full. And an origin gate behind a real nginx, as the recipe in providers/gate/README.md has it.
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fetch as undiciFetch } from 'undici';
import { expect, test } from 'vitest';
import { gateKey } from '../../providers/gate/record.ts';
import { parseCluster } from '../../src/config/load.ts';
import { KEYS } from '../../src/coordinate/keys.ts';
import { type App, serveApp } from '../../src/drill/app.ts';
import { askOver, type HealthChecker, startHealthChecker } from '../../src/drill/stand-ins/health-checker.ts';
import type { Answer } from '../../src/gate/answers.ts';
import { serveGate } from '../../src/gate/server.ts';
import { realPorts } from '../../src/ports.ts';
import { openEmbedded } from '../../src/store/embedded.ts';
import { type ServedStore, serveStore } from '../../src/store/serve.ts';
import { ADDRESS, clusterText, REGIONS, type Region, WEB } from './cluster-config.ts';
import { type ReplicaProcess, startReplica } from './replica-process.ts';
import { freePort, runServer, workDir } from './server.ts';
import { until } from './until.ts';

const ports = realPorts();
const TOKEN = 'token-of-the-store-of-this-test';

interface Polled {
  status: number;
  fence: string | null;
  ageS: number;
  from: string | null;
}

interface Setting extends AsyncDisposable {
  folder: string;
  replicas: Map<Region, ReplicaProcess>;
  start(region: Region, wrap?: readonly string[]): Promise<ReplicaProcess>;
  urlOf(region: Region, pool: string): string;
  poll(region: Region, pool: string): Promise<Polled>;
  killApp(region: Region): Promise<void>;
  store: { close(): Promise<void>; open(): Promise<void>; has(key: string): Promise<boolean> };
}

const setting = async (): Promise<Setting> => {
  const folder = workDir('gate');
  const stack = new AsyncDisposableStack();
  stack.defer(() => rmSync(folder, { recursive: true, force: true }));
  const doors = {
    store: await freePort(),
    app: await freePort(),
    api: new Map(await Promise.all(REGIONS.map(async (region) => [region, await freePort()] as const))),
    gate: new Map(await Promise.all(REGIONS.map(async (region) => [region, await freePort()] as const))),
  };
  writeFileSync(join(folder, 'store.token'), `${TOKEN}\n`, { mode: 0o600 });
  const places = { api: {} as Record<Region, number>, store: doors.store, control: 0, dns: 1, app: doors.app };
  const text = clusterText({}, places)
    .replace('provider: local', 'provider: gates')
    .replace(/ {6}converge:[\s\S]*$/, '');
  const parsed = parseCluster(text, 'cluster');
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  const store = openEmbedded({ file: join(folder, 'store.sqlite'), ports });
  stack.defer(() => store.close());
  await store.txn({ if: [], then: [{ put: KEYS.members, value: { ...parsed.cluster, version: 1 } }] });
  let served: ServedStore | null = null;
  const lent = {
    async open() {
      served = await serveStore({ store, host: '127.0.0.1', port: doors.store, token: TOKEN, ports });
    },
    async close() {
      await served?.close();
      served = null;
    },
    has: async (key: string) => (await store.get({ keys: [key] })).kvs.length > 0,
  };
  await lent.open();
  stack.defer(() => lent.close());
  const apps = new Map<Region, App>();
  for (const region of REGIONS) {
    const app = await serveApp({ host: ADDRESS[region], port: doors.app, region });
    apps.set(region, app);
    stack.defer(() => apps.get(region)?.close());
  }
  const replicas = new Map<Region, ReplicaProcess>();
  stack.defer(async () => {
    await Promise.all([...replicas.values()].map((replica) => replica.end('SIGKILL')));
  });
  const start = async (region: Region, wrap: readonly string[] = []): Promise<ReplicaProcess> => {
    const configFile = join(folder, `${region}.yaml`);
    mkdirSync(join(folder, region), { recursive: true });
    writeFileSync(
      configFile,
      `region: ${region}
replica: a
api: { listen: 127.0.0.1:${doors.api.get(region)}, tokenFile: ${region}.token }
store: { kind: remote, url: http://127.0.0.1:${doors.store}, tokenFile: store.token }
providers:
  gates: { kind: gate, form: survivor, checker: { kind: other, interval: 1s, failures: 2 } }
gate: { listen: 127.0.0.1:${doors.gate.get(region)}, file: ${region}/gate.json }
`,
    );
    const replica = await startReplica({
      configFile,
      logFile: join(folder, `${region}.log`),
      apiPort: doors.api.get(region) ?? 0,
      wrap,
    });
    replicas.set(region, replica);
    return replica;
  };
  const urlOf = (region: Region, pool: string): string => `http://127.0.0.1:${doors.gate.get(region)}/gate/${WEB}/${pool}`;
  return {
    folder,
    replicas,
    start,
    urlOf,
    async poll(region, pool) {
      const { status, headers } = await fetch(urlOf(region, pool));
      const said = (name: string): string | null => headers.get(`x-tidegate-${name}`);
      return { status, fence: said('fence'), ageS: Number(said('age')), from: said('from') };
    },
    async killApp(region) {
      await apps.get(region)?.close();
      apps.delete(region);
    },
    store: lent,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
};

/** Users as the vendor's records and checkers would steer them. */
const checkerOf = ({ urlOf }: Setting, onDrained: (drained: readonly string[]) => void): HealthChecker =>
  startHealthChecker({
    ports,
    ask: askOver({ fetch: undiciFetch }),
    form: 'survivor',
    name: WEB,
    pools: REGIONS.map((pool) => ({
      pool,
      address: ADDRESS[pool],
      weight: 1,
      gates: REGIONS.filter((region) => region !== pool).map((region) => urlOf(region, pool)),
    })),
    intervalMs: 1000,
    timeoutMs: 500,
    failures: 2,
    agree: 2,
    onDrained,
  });

test('a region dies: its users leave by the gates alone; then the store goes, the processes are killed and started again, and users stay away', {
  timeout: 180_000,
}, async () => {
  await using set = await setting();
  for (const region of REGIONS) await set.start(region);
  const changes: (readonly string[])[] = [];
  const checker = checkerOf(set, (drained) => changes.push(drained));
  try {
    await until('the first decision at the gates', () => set.store.has(gateKey(WEB)));
    await until('it is served', async () => (await set.poll('us-east', 'eu-west')).fence !== 'none');
    expect(checker.drained()).toEqual([]);

    await set.killApp('eu-west');
    await set.replicas.get('eu-west')?.end('SIGKILL');
    await until('users have left', () => checker.drained().join() === 'eu-west');
    expect(await set.poll('us-east', 'eu-west')).toMatchObject({ status: 200, from: 'us-east/a' });
    expect(await set.poll('us-east', 'us-east')).toMatchObject({ status: 404 });
    const before = (await set.poll('us-east', 'eu-west')).fence;
    const status = await set.replicas.get('us-east')?.status();
    expect(status?.gate).toMatchObject({ seesStore: true, drained: [{ service: WEB, pool: 'eu-west' }], fileTrouble: null });
    expect(status?.gate?.fence).toBe(Number(before));

    await set.store.close();
    for (const region of ['us-east', 'ap-south'] as const) {
      await set.replicas.get(region)?.end('SIGKILL');
      const replica = await set.start(region);
      expect(await set.poll(region, 'eu-west')).toMatchObject({ status: 200, fence: before });
      expect(replica.lines('gate.remembered')).toMatchObject([{ services: 1 }]);
      expect((await replica.get('/readyz')).status).toBe(200);
    }
    const { ageS } = await set.poll('us-east', 'eu-west');
    await until('its age grows', async () => (await set.poll('us-east', 'eu-west')).ageS > ageS + 1);
    const metrics = await (await set.replicas.get('us-east')?.get('/metrics'))?.text();
    expect(metrics).toMatch(/tidegate_gate_sees_store\{gate="own"\} 0/);
    expect(metrics).toMatch(/tidegate_gate_drained_pools\{gate="own"\} 1/);
    expect(metrics).toMatch(/tidegate_gate_requests_total\{form="survivor",answer="drain"\} [1-9]/);
    // Two gates that are gone for a moment at a time lose no drain for longer than the checker's own patience.
    await until('users are where they were', () => checker.drained().join() === 'eu-west');

    await set.store.open();
    await until('it sees the store again', async () => (await set.replicas.get('us-east')?.status())?.gate?.seesStore === true);
    expect(await set.poll('us-east', 'eu-west')).toMatchObject({ status: 200 });
  } finally {
    checker.close();
  }
  expect(changes[0]).toEqual(['eu-west']);
  expect(changes.flat().filter((pool) => pool !== 'eu-west')).toEqual([]);
});

test('a file that was damaged while the store is gone drains nothing, is kept beside, and is paged once the store is back', {
  timeout: 120_000,
}, async () => {
  await using set = await setting();
  for (const region of REGIONS) await set.start(region);
  await until('served', async () => (await set.poll('us-east', 'eu-west')).fence !== 'none');
  await set.killApp('eu-west');
  await until('drained', async () => (await set.poll('us-east', 'eu-west')).status === 200);
  const file = join(set.folder, 'us-east', 'gate.json');
  await until(
    'it is on disk',
    () => readFileSync(file, 'utf8').includes('\\"open\\":false') || readFileSync(file, 'utf8').includes('open'),
  );
  await set.store.close();
  await set.replicas.get('us-east')?.end('SIGKILL');
  writeFileSync(file, readFileSync(file, 'utf8').slice(0, 200));
  const replica = await set.start('us-east');
  expect(await set.poll('us-east', 'eu-west')).toMatchObject({ status: 404, fence: 'none' });
  expect(existsSync(`${file}.refused`)).toBe(true);
  await set.store.open();
  await until('drained again', async () => (await set.poll('us-east', 'eu-west')).status === 200);
  await until('it is paged', () => replica.lines('report').some(({ type }) => type === 'gate.file'));
});

test('a disk that is full: the gate answers and says that it would not remember', { timeout: 120_000 }, async () => {
  await using set = await setting();
  for (const region of ['eu-west', 'ap-south'] as const) await set.start(region);
  const own = process.getuid?.() === 0 ? ['-m'] : ['-U', '-r', '-m'];
  // A disk of one page, and something on it already.
  const mounted = 'mount -t tmpfs -o size=4k,mode=700 tidegate "$0" && printf %4096s x >"$0/ballast" && exec "$@"';
  mkdirSync(join(set.folder, 'us-east'), { recursive: true });
  const replica = await set.start('us-east', ['unshare', ...own, 'sh', '-c', mounted, join(set.folder, 'us-east')]);
  await until('served', async () => (await set.poll('us-east', 'eu-west')).fence !== 'none');
  await until('it says so', async () => (await replica.status())?.gate?.fileTrouble?.includes('ENOSPC') === true);
  await set.killApp('eu-west');
  await until('drained', async () => (await set.poll('us-east', 'eu-west')).status === 200);
  rmSync(join(`/proc/${replica.pid}/root`, set.folder, 'us-east', 'ballast'));
  await until('it remembers again', async () => (await replica.status())?.gate?.fileTrouble === null);
});

test('an origin gate behind nginx: a drain fails the check, and neither a dead nor a hanging Tidegate does', {
  timeout: 60_000,
}, async () => {
  const dir = workDir('nginx');
  const [port, gatePort] = [await freePort(), await freePort()];
  let isWell = true;
  const app = createServer((_request, response) => response.writeHead(isWell ? 200 : 500).end('app\n')).listen(0, '127.0.0.1');
  await once(app, 'listening');
  // As in the recipe, between the lines.
  const recipe =
    readFileSync(join(import.meta.dirname, '../../providers/gate/README.md'), 'utf8').match(/```nginx\n([\s\S]*?)```/)?.[1] ??
    expect.fail('no recipe');
  const locations = recipe
    .replaceAll('127.0.0.1:8080', `127.0.0.1:${(app.address() as AddressInfo).port}`)
    .replaceAll('127.0.0.1:7780', `127.0.0.1:${gatePort}`)
    .replaceAll('web.example.com', WEB);
  writeFileSync(
    join(dir, 'nginx.conf'),
    `daemon off; worker_processes 1; pid ${dir}/pid; error_log ${dir}/log;
events { worker_connections 64; }
http { access_log off; client_body_temp_path ${dir}/b; proxy_temp_path ${dir}/p; fastcgi_temp_path ${dir}/f; uwsgi_temp_path ${dir}/u; scgi_temp_path ${dir}/s;
  server { listen 127.0.0.1:${port};
${locations} } }
`,
  );
  const check = async (): Promise<number> => (await fetch(`http://127.0.0.1:${port}/tidegate-health`)).status;
  await using nginx = await runServer({
    command: 'nginx',
    args: ['-c', join(dir, 'nginx.conf'), '-p', dir],
    dir,
    logFile: join(dir, 'log'),
    answers: async () => (await check()) > 0,
  });
  expect(nginx.dir).toBe(dir);
  let answer: Answer = { drain: false, fence: 1 };
  const options = {
    host: '127.0.0.1',
    port: gatePort,
    who: 'eu-west/a',
    gate: { answer: () => answer, age: () => ({ ageS: 0, seenAtMs: 0, seesStore: true }) },
    metrics: { gateRequest: () => undefined },
  };
  // Tidegate is not there at all.
  expect(await check()).toBe(200);
  const gate = await serveGate(options);
  expect(await check()).toBe(200);
  answer = { drain: true, fence: 2 };
  expect(await check()).toBeGreaterThanOrEqual(500);
  answer = { drain: false, fence: 3 };
  expect(await check()).toBe(200);
  isWell = false;
  expect(await check()).toBe(500);
  isWell = true;
  await gate.close();
  expect(await check()).toBe(200);
  // It takes connections and says nothing.
  const mute = createServer(() => undefined).listen(gatePort, '127.0.0.1');
  await once(mute, 'listening');
  const startedAtMs = performance.now();
  expect(await check()).toBe(200);
  expect(performance.now() - startedAtMs).toBeLessThan(2000);
  mute.close();
  mute.closeAllConnections();
  app.close();
  app.closeAllConnections();
});
