// Tidegate in the race: three replicas, each a process and a vantage of its own, one cluster of which every name is published twice, through the builtin server
// and by signed updates to a BIND 9. Numbers are the defaults at the interval of the race, but those of the way back, of pacing and of the latch: many
// names fail here within a minute, again and again.
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { stringify } from 'yaml';
import type { Vote } from '../../../src/model.ts';
import { realPorts } from '../../../src/ports.ts';
import { connectStore } from '../../../src/store/remote.ts';
import type { Store } from '../../../src/store/store.ts';
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

export interface Doubts {
  /** Forgets what was seen. */
  reset(): void;
  /** How often vantages had no vote since then, and what they said most often. */
  say(): string;
}

const DOUBTS_EVERY_MS = 500;

/** On a machine that is busy with other things vantages doubt themselves, all at once: what was measured then is the machine's. */
const watchDoubts = (store: Store, stack: AsyncDisposableStack): Doubts => {
  let seen: Vote['self'][] = [];
  const end = new AbortController();
  const look = async (): Promise<void> => {
    while (!end.signal.aborted) {
      const { kvs } = await store.get({ prefixes: ['vote/'] }).catch(() => ({ kvs: [] }));
      seen.push(...kvs.map(({ value }) => (value as Vote).self));
      await delay(DOUBTS_EVERY_MS, undefined, { signal: end.signal }).catch(() => undefined);
    }
  };
  const looking = look();
  stack.defer(() => {
    end.abort();
    return looking;
  });
  return {
    reset: () => {
      seen = [];
    },
    say() {
      const why = seen.flatMap((self) => (self.state === 'abstain' ? [self.because.replace(/by \d+ ms/, 'by more than that')] : []));
      const share = `Tidegate's vantages abstained in ${((100 * why.length) / seen.length).toFixed(1)} % of ${seen.length} looks at their votes`;
      const most = [...Map.groupBy(why, (each) => each)].toSorted(([, a], [, b]) => b.length - a.length)[0];
      return most === undefined ? share : `${share}, most often: ${most[0]}`;
    },
  };
};

/** Files go to `folder`. Out: a contender per way of publishing. */
export const startTidegate = async (
  course: Course,
  folder: string,
  stack: AsyncDisposableStack,
): Promise<{ ways: readonly Contender[]; doubts: Doubts }> => {
  const [store, control, dns] = [await freePort(), await freePort(), await freePort()];
  const secret = (name: string, text = randomBytes(20).toString('hex')): void =>
    writeFileSync(join(folder, name), `${text}\n`, { mode: 0o600 });
  const storeToken = randomBytes(20).toString('hex');
  for (const name of ['operator.token', 'dns.token']) secret(name);
  secret('store.token', storeToken);
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
  const reader = connectStore({ url: `http://${at(store)}`, token: storeToken, ports: realPorts(), timeoutMs: 5000 });
  stack.defer(() => reader.close());
  return { ways, doubts: watchDoubts(reader, stack) };
};
