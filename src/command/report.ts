// `tidegate report`: what the services in observe and advise would have done, from the audit in the store, beside what their providers were seen to serve.
// Reads the store only.
import { parseSpan } from '../config/fields.ts';
import { loadConfig } from '../config/load.ts';
import type { ReplicaConfig } from '../config/schema.ts';
import { list } from '../config/words.ts';
import { type Findings, findingsOf } from '../drill/findings.ts';
import { Fault } from '../errors.ts';
import type { ClusterConfig, ServiceConfig } from '../model.ts';
import type { Ports } from '../ports.ts';
import type { Store } from '../store/store.ts';
import { readHistory } from './history.ts';
import { openStoreToRead, type Saying } from './open.ts';
import { sayProblems } from './problems.ts';
import { tellReport } from './report-text.ts';

export interface ReportOptions {
  /** A replica's file: which store, and how to reach it. */
  config: string;
  /** Only this one. */
  service?: string;
  /** How far back: `14d`, `36h`. */
  since?: string;
  json?: boolean;
}

export interface ReportContext extends Saying {
  ports: Ports;
  /** How the store is opened; as the replica's file says unless said. */
  open?: (config: ReplicaConfig, ports: Ports) => Promise<Store>;
}

const DAYS_MAX = 999;
export const SINCE = '14d';

/** `14d`, or a duration as the file spells it. Throws Fault ERR_USAGE. */
export const sinceMs = (given = SINCE): number => {
  const ms = parseSpan(given, DAYS_MAX);
  if (ms !== null && ms > 0) return ms;
  throw new Fault('ERR_USAGE', `--since ${given}: expected a duration; write it like 14d or 36h`);
};

export const serviceNamed = ({ services }: ClusterConfig, name: string): ServiceConfig => {
  const service = services.find((s) => s.name === name);
  if (service === undefined) throw new Fault('ERR_USAGE', `--service ${name}: the cluster has ${list(services.map((s) => s.name))}`);
  return service;
};

const chosen = (cluster: ClusterConfig, name: string | undefined): readonly ServiceConfig[] => {
  if (name === undefined) return cluster.services.filter((s) => s.mode !== 'auto');
  const service = serviceNamed(cluster, name);
  if (service.mode === 'auto') throw new Fault('ERR_USAGE', `--service ${name}: it is in auto already; what it did is in its incidents`);
  return [service];
};

export interface Reported {
  cluster: ClusterConfig;
  findings: readonly Findings[];
}

/** Reads and judges. Throws Fault ERR_USAGE, ERR_NOT_FOUND and what the store throws. */
export const reportOn = async (store: Store, wallMs: number, service: string | undefined, spanMs: number): Promise<Reported> => {
  const history = await readHistory(store, wallMs - spanMs, wallMs);
  const { cluster } = history;
  return { cluster, findings: chosen(cluster, service).map((each) => findingsOf(history, each, wallMs - spanMs)) };
};

/** Reports. Exit codes: 0 whatever it finds, 78 when the file is not accepted; throws Fault ERR_USAGE, ERR_NOT_FOUND and what the store throws. */
export const report = async (options: ReportOptions, { ports, out, err, open = openStoreToRead }: ReportContext): Promise<number> => {
  const spanMs = sinceMs(options.since);
  const loaded = loadConfig(options.config);
  if (!loaded.ok) return sayProblems(loaded.problems, options.json, { out, err });
  const store = await open(loaded.config, ports);
  try {
    const { cluster, findings } = await reportOn(store, ports.clock.wallMs(), options.service, spanMs);
    const { text, data } = tellReport(findings, cluster.policy.recoveryHoldMs);
    out(options.json === true ? data : text);
    return 0;
  } finally {
    await store.close();
  }
};
