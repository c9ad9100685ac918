// Tidegate in the race: three replicas, each a process and a vantage of its own, one cluster of which every name is published twice, through the builtin server
// and by signed updates to a BIND 9. Numbers are the defaults at the interval of the race, but those of the way back, of pacing and of the latch: many
// names fail here within a minute, again and again.
import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { startBind } from '../../system/bind.ts';
import { startReplica } from '../../system/replica-process.ts';
import { freePort } from '../../system/server.ts';
import { type Contender, type Course, createAsker, isInstalled, type Lane } from './contender.ts';

const REGIONS = ['eu-west', 'us-east', 'ap-south'] as const;
/** The builtin server answers one address each, in exact rotation: so many questions in a row name every pool that has a share. */
const ROUND = REGIONS.length + 2;
const HOST = '127.0.0.1';

const serviceOf = ({ name, addresses }: Lane, port: number, paths: readonly string[]) => ({
  name,
  mode: 'auto',
  provider: paths,
  ttl: '10s',
  pools: REGIONS.map((region, i) => ({
    name: region,
    answers: [addresses[i]],
    targets: [
      {
        name: 'app',
        healthz: `http://${addresses[i]}:${port}/tidegate/healthz`,
        readyz: `http://${addresses[i]}:${port}/tidegate/readyz`,
      },
    ],
  })),
});

const clusterOf = ({ lanes, port, intervalMs, timeoutMs }: Course, paths: readonly string[]) => ({
  name: 'race',
  regions: REGIONS.map((name) => ({ name })),
  policy: {
    interval: `${intervalMs}ms`,
    timeout: `${timeoutMs}ms`,
    recoveryHold: '1s',
    ramp: ['100%'],
    rampStep: '1s',
    pacing: '100ms',
    latchAfter: 0,
    safety: { 'blast-radius': { regions: REGIONS.length, window: '1s' } },
  },
  services: lanes.map((lane) => serviceOf(lane, port, paths)),
});

/** Files go to `folder`. Out: a contender per way of publishing. */
export const startTidegate = async (course: Course, folder: string, stack: AsyncDisposableStack): Promise<readonly Contender[]> => {
  const [store, control, dns] = [await freePort(), await freePort(), await freePort()];
  const secret = (name: string, text = randomBytes(20).toString('hex')): void =>
    writeFileSync(join(folder, name), `${text}\n`, { mode: 0o600 });
  for (const name of ['operator.token', 'store.token', 'dns.token']) secret(name);
  const bind = isInstalled('named') ? stack.use(await startBind({ zone: course.zone })) : null;
  if (bind !== null) secret('bind.key', bind.key.secret);
  const at = (port: number): string => `${HOST}:${port}`;
  const providers = (first: boolean) => ({
    own: {
      kind: 'builtin',
      zone: course.zone,
      control: at(control),
      tokenFile: 'dns.token',
      ...(first ? { serve: { dns: at(dns) } } : {}),
    },
    ...(bind === null
      ? {}
      : {
          bind: {
            kind: 'rfc2136',
            zone: course.zone,
            server: at(bind.port),
            key: { name: bind.key.name, algorithm: bind.key.algorithm, secretFile: 'bind.key' },
          },
        }),
  });
  const paths = Object.keys(providers(true));
  for (const [i, region] of REGIONS.entries()) {
    const apiPort = await freePort();
    const first = i === 0;
    mkdirSync(folder, { recursive: true });
    const configFile = join(folder, `${region}.yaml`);
    const text = stringify({
      region,
      replica: 'a',
      api: { listen: at(apiPort), tokenFile: 'operator.token' },
      store: first
        ? { kind: 'embedded', file: 'store.sqlite', serve: { listen: at(store), tokenFile: 'store.token' } }
        : { kind: 'remote', url: `http://${at(store)}`, tokenFile: 'store.token' },
      providers: providers(first),
      paging: { channels: [] },
      ...(first ? { cluster: clusterOf(course, paths) } : {}),
    });
    writeFileSync(configFile, text, { mode: 0o600 });
    const replica = await startReplica({ configFile, logFile: join(folder, `${region}.log`), apiPort });
    stack.defer(() => replica.end('SIGKILL').then(() => undefined));
  }
  const says = 'three vantages, two must agree, four faults each; defaults at this interval';
  const ways = [
    { name: 'Tidegate, builtin', path: 'tidegate', says, serves: createAsker(dns, ROUND, stack) },
    ...(bind === null ? [] : [{ name: 'Tidegate, BIND', path: 'tidegate', says, serves: createAsker(bind.port, 1, stack) }]),
  ];
  return ways;
};
