// What a replica has to tell by itself, outside of any decision: that it refuses a configuration, that somebody forges votes. The page goes into the
// outbox under the region's own keys, whoever coordinates delivers it. Told once per subject and process; a store that does not answer is tried again
// for a while and then left, since that has pages of its own (direct.ts).
import { outboxKey } from '../coordinate/keys.ts';
import { page } from '../decide/incident.ts';
import { errorText } from '../errors.ts';
import type { Log } from '../log.ts';
import type { ClusterConfig, Page, Severity } from '../model.ts';
import { type Ports, sleep } from '../ports.ts';
import { type Store, StoreAmbiguousError } from '../store/store.ts';

export interface Report {
  type: string;
  severity: Severity;
  /** What it is about; the same subject is told once. Letters, digits, dashes. */
  subject: string;
  summary: string;
  /** It may be told again under the same subject: what begins and ends more than once. */
  again?: true;
  detail?: Readonly<Record<string, unknown>>;
}

export interface ReporterOptions {
  store: Store;
  ports: Ports;
  log: Log;
  region: string;
  replica: string;
  cluster: () => ClusterConfig | null;
  nowMs: () => number;
}

export interface Reporter {
  /** Resolves when it is committed or given up. Never rejects. */
  tell(report: Report): Promise<void>;
  stop(): void;
}

const TRIES_MAX = 10;
const RETRY_MS = 2000;
/** Subjects remembered; a process that has more to say than this has said enough. */
const SUBJECTS_MAX = 1000;

export const createReporter = ({ store, ports, log, region, replica, cluster, nowMs }: ReporterOptions): Reporter => {
  const told = new Set<string>();
  const stopped = new AbortController();

  const pageOf = ({ type, severity, subject, summary, detail = {} }: Report, about: ClusterConfig): Page => {
    const atMs = nowMs();
    const made = page({ cluster: about, v: 0, nonce: ports.random.hex(8), nowMs: atMs }, type, severity, summary, subject, {
      region,
      replica,
      ...detail,
    });
    return { ...made, id: `${region}.${replica}-${made.id}-${atMs}` };
  };

  const commit = async (report: Report, about: ClusterConfig): Promise<void> => {
    const told = pageOf(report, about);
    const key = outboxKey(told.id);
    for (let tries = 0; tries < TRIES_MAX && !stopped.signal.aborted; tries++) {
      try {
        // Created or there already: a repeat after a lost reply changes nothing.
        await store.txn({ if: [{ key, mod: 0 }], then: [{ put: key, value: told }] }, stopped.signal);
        return;
      } catch (error) {
        log.warn('report.failed', { subject: report.subject, ambiguous: error instanceof StoreAmbiguousError, because: errorText(error) });
      }
      await sleep(ports.timers, RETRY_MS, stopped.signal).catch(() => undefined);
    }
  };

  return {
    async tell(report) {
      const about = cluster();
      if (about === null || (report.again !== true && (told.has(report.subject) || told.size >= SUBJECTS_MAX))) return;
      told.add(report.subject);
      log.error('report', { ...report });
      await commit(report, about);
    },
    stop: () => stopped.abort(new Error('stopping')),
  };
};
