// `tidegate verify`: is a deployment out and does it work, step by step. With a replica's file as far as it can be seen from here: it uses the systems that the file
// names, and asks the API what the replicas of the other regions measured. Without one the replica that answers looks, with its own. Writes nothing.

import type { VerifyReport } from '../client/types.ts';
import { loadConfig } from '../config/load.ts';
import type { ReplicaConfig } from '../config/schema.ts';
import { KEYS } from '../coordinate/keys.ts';
import { ERRORS, errorText, Fault } from '../errors.ts';
import { createHttp } from '../http.ts';
import { createLog } from '../log.ts';
import type { ClusterConfig } from '../model.ts';
import type { MatrixCell } from '../objectives/model.ts';
import { type Ends, lookContext } from '../open.ts';
import { type Ports, sleep, withDeadline } from '../ports.ts';
import { probe } from '../probe/index.ts';
import { openSystems } from '../runbook/open.ts';
import type { PlatformConfig } from '../runbook/platform.ts';
import { platformNamed } from '../runbook/reader.ts';
import { readPem, readSecret } from '../secrets.ts';
import type { Store } from '../store/store.ts';
import { checkBy } from '../verify/check.ts';
import { isAllGood } from '../verify/line.ts';
import { type LookOptions as Looks, lookAtDeployment } from '../verify/look.ts';
import { verifyPlan } from '../verify/plan.ts';
import { durationOf } from './desk/look.ts';
import { type Console, type LookOptions, withSession } from './desk/session.ts';
import { clean, jsonLine } from './desk/text.ts';
import { openStoreToRead } from './open.ts';
import { sayProblems } from './problems.ts';
import { verifyLines } from './verify-text.ts';

export interface VerifyOptions extends LookOptions {
  /** A replica's file, to look from here. Absent: the replica that answers looks. */
  config?: string;
  platform: string;
  /** All of the platform unless said. */
  region?: string;
  /** Look again and again until all is good. */
  wait?: string;
}

export interface VerifyContext {
  /** How the store is opened; as the replica's file says unless said. */
  open?: (config: ReplicaConfig, ports: Ports) => Promise<Store>;
  /** Between rounds; five seconds unless said. */
  everyMs?: number;
}

const STORE_MS = 10_000;
const AGAIN_MS = 5_000;
const WAIT_MS = 5 * 60_000;
/** One round: every call has a deadline of its own. */
const ROUND_MS = 2 * 60_000;

/** The file's own, else the store's. Throws Fault ERR_CONFIG where neither has one, and what the store throws. */
const clusterOf = async (config: ReplicaConfig, ports: Ports, { open = openStoreToRead }: VerifyContext): Promise<ClusterConfig> => {
  if (config.cluster !== null) return config.cluster;
  const store = await open(config, ports);
  try {
    const { kvs } = await withDeadline(ports.timers, STORE_MS, 'reading the store', (signal) =>
      store.get({ keys: [KEYS.members] }, signal),
    );
    const [found] = kvs;
    if (found !== undefined) return found.value as ClusterConfig;
    throw new Fault('ERR_CONFIG', 'neither this file nor the store holds the configuration of a cluster; run tidegate apply first');
  } finally {
    await store.close();
  }
};

/** What the replicas measured, by the API; a text: why that is not known. */
const measuredBy = async (options: VerifyOptions, console: Console, { name }: PlatformConfig): Promise<readonly MatrixCell[] | string> => {
  try {
    const { items } = await withSession({ ...options, json: false }, { ...console, err: () => undefined }, (session) =>
      session.api.objectives(),
    );
    const found = items.find(({ platform }) => platform === name);
    if (found === undefined) return `the API that was asked knows no platform ${name}`;
    const frontends = found.objectives.filter(({ kind }) => kind === 'temporal').map((each) => each.name);
    return found.cells.filter(({ objective }) => frontends.includes(objective));
  } catch (error) {
    return `what the replicas measured is not known: ${errorText(error)}`;
  }
};

/** Where it is active, by the API. */
const activeBy = async (options: VerifyOptions, console: Console, { name }: PlatformConfig): Promise<string | null> => {
  try {
    return await withSession(
      { ...options, json: false },
      { ...console, err: () => undefined },
      async ({ api }) => (await api.platform(name)).platform.active,
    );
  } catch {
    return null;
  }
};

/** All that a round of looks needs, and how it ends. `namespace`: in whose name codec servers are asked. */
const openLooks = (
  config: ReplicaConfig,
  cluster: ClusterConfig,
  namespace: string,
  console: Console,
): Pick<Looks, 'system' | 'probe' | 'check'> & { close(): Promise<void> } => {
  const { ports, version } = console;
  const ends: Ends = { working: [], open: [] };
  const log = createLog({ level: 'silent', clock: ports.clock });
  const looking = lookContext(config, { ports, log, version }, ends);
  const systems = openSystems(config.systems ?? {}, {
    ports,
    log,
    secret: readSecret,
    text: readPem,
    resolve: looking.resolve,
    httpTrusting: (trust = {}) => createHttp({ ports, resolve: looking.resolve, ...trust }),
  });
  const { timeoutMs, connectTimeoutMs } = cluster.policy;
  return {
    system: systems.system,
    probe: (spec, signal) => probe(spec, { ...looking, timeoutMs, connectTimeoutMs }, signal),
    check: checkBy(ports, systems.system, namespace),
    async close() {
      await systems.close();
      for (const close of ends.open.reverse()) await close();
    },
  };
};

/** Looks until all is good or time is up; once without a time. */
const untilGood = async <R extends Pick<VerifyReport, 'lines'>>(
  look: () => Promise<R>,
  waitMs: number | null,
  everyMs: number,
  { ports, err }: Console,
): Promise<R> => {
  const { clock, timers } = ports;
  const untilMs = clock.monoMs() + (waitMs ?? 0);
  for (;;) {
    const report = await look();
    const { lines } = report;
    const leftMs = untilMs - clock.monoMs();
    if (waitMs === null || isAllGood(lines) || leftMs <= 0) return report;
    err(`${lines.filter(({ is }) => is !== 'ok').length} of ${lines.length} not yet; ${Math.ceil(leftMs / 1000)} s left\n`);
    await sleep(timers, Math.min(everyMs, leftMs));
  }
};

const regionsOf = ({ name, regions }: PlatformConfig, region: string | undefined): readonly string[] => {
  if (region === undefined) return regions;
  if (regions.includes(region)) return [region];
  throw new Fault('ERR_USAGE', `--region ${region}: platform ${name} has ${regions.join(', ')}`);
};

/** What it says, and the exit code. */
const told = (
  { lines, ...report }: Omit<VerifyReport, 'by' | 'atMs' | 'outcome'>,
  { json, wait }: VerifyOptions,
  { out, screen }: Console,
): number => {
  const isGood = lines.length > 0 && isAllGood(lines);
  if (json === true) out(jsonLine({ outcome: isGood ? 'good' : 'not-good', ...report, lines }));
  else out(`${verifyLines(clean(lines), screen()).join('\n')}\n`);
  if (isGood) return 0;
  return wait === undefined ? ERRORS.ERR_UNHEALTHY.exit : ERRORS.ERR_TIMEOUT.exit;
};

/** A replica that looks at another deployment is asked again a few times. */
const BUSY_TRIES = 15;
const BUSY_MS = 1_000;

/** By the replica that answers. */
const verifyThere = (options: VerifyOptions, waitMs: number | null, console: Console, everyMs: number): Promise<number> =>
  withSession(options, console, async ({ api, during }) => {
    const look = async (): Promise<VerifyReport> => {
      for (let tries = 1; ; tries++) {
        try {
          return await api.verify(options.platform, options.region);
        } catch (error) {
          if (!(error instanceof Fault) || error.code !== 'ERR_TOO_MANY' || tries >= BUSY_TRIES) throw error;
          await sleep(console.ports.timers, BUSY_MS);
        }
      }
    };
    const { outcome: _, ...report } = await during(
      () => 'asking a replica to look',
      () => untilGood(look, waitMs, everyMs, console),
    );
    return told(report, options, console);
  });

/**
 * Exit codes: 0 all is good; 3 something is not, or could not be looked at; 5 it was not within `wait`; 78 the file is not accepted. Throws Fault ERR_USAGE,
 * ERR_NOT_FOUND for a platform that is not there, and what the store and the API throw.
 */
export const verify = async (options: VerifyOptions, console: Console, context: VerifyContext = {}): Promise<number> => {
  const waitMs = options.wait === undefined ? null : durationOf('--wait', options.wait, WAIT_MS);
  const everyMs = context.everyMs ?? AGAIN_MS;
  if (options.config === undefined) return verifyThere(options, waitMs, console, everyMs);
  const loaded = loadConfig(options.config);
  if (!loaded.ok) return sayProblems(loaded.problems, options.json, console);
  const { config } = loaded;
  const cluster = await clusterOf(config, console.ports, context);
  const platform = platformNamed(cluster, options.platform);
  const { systems = {} } = config;
  const plan = verifyPlan(platform, cluster, regionsOf(platform, options.region), (name) => systems[name]?.kind);
  const { close, ...opened } = openLooks(config, cluster, platform.namespaces[0]?.namespaces[0] ?? 'default', console);
  try {
    const measured = () => measuredBy(options, console, platform);
    const active = () => activeBy(options, console, platform);
    const looks: Looks = { platform, plan, region: config.region, measured, active, ...opened };
    const look = async () => ({
      lines: await withDeadline(console.ports.timers, ROUND_MS, 'looking at the deployment', (signal) => lookAtDeployment(looks, signal)),
    });
    const { lines } = await untilGood(look, waitMs, everyMs, console);
    return told({ platform: platform.name, lines }, options, console);
  } finally {
    await close();
  }
};
