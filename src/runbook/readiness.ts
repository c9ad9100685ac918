// Whether a failover would do what its model promises, looked at while nothing happens: every half hour and after every change of configuration, by the
// coordinator. What was found is written down for all replicas to tell; what would break a failover is paged once, and again when it is mended.
import type { Term } from '../coordinate/coordinator.ts';
import { outboxKey, platformKey, readinessKey } from '../coordinate/keys.ts';
import type { Sight } from '../coordinate/read.ts';
import { page } from '../decide/incident.ts';
import { errorText } from '../errors.ts';
import type { Log } from '../log.ts';
import type { ClusterConfig, Page } from '../model.ts';
import { type Ports, withDeadline } from '../ports.ts';
import type { KeyValue, Store } from '../store/store.ts';
import type { AuditLine, Readiness, Steady } from './facts.ts';
import type { PlatformRecord } from './model.ts';
import type { PlatformConfig } from './platform.ts';

/** `readiness/<platform>`: the last audit. */
export interface ReadinessRecord extends Readiness {
  /** Version of the configuration that was audited. */
  membersVersion: number;
  /** What was paged and is not mended, as `check of`. */
  told: readonly string[];
  nonce: string;
}

export interface ReadinessDutyOptions {
  ports: Pick<Ports, 'clock' | 'timers' | 'random'>;
  log: Log;
  store: Pick<Store, 'get'>;
  /** What is so now; asks the systems around, and says of each that does not answer that it was not seen. */
  see(platform: PlatformConfig, active: string, signal: AbortSignal): Promise<Steady>;
  /** How its model judges that. */
  judge(platform: PlatformConfig, steady: Steady): Readiness;
}

export interface ReadinessDuty {
  /** Once per turn of a term. Returns at once; at most one platform is looked at at a time. */
  turn(sight: Sight, nowMs: number, term: Pick<Term, 'commit'>): void;
  /** Resolves when nothing is under way. */
  idle(): Promise<void>;
}

export const AUDIT_EVERY_MS = 30 * 60_000;
/** After one that could not be written, or whose store did not answer. */
const AGAIN_MS = 60_000;
/** Between looks at which audits are due. */
const LOOK_EVERY_MS = 10_000;
const STORE_MS = 2_000;
/** All systems of a platform together. */
const SEE_MS = 60_000;
const NAMED_MAX = 5;

const isBroken = ({ is, weight }: AuditLine): boolean => is === 'bad' && weight === 'must';
const nameOf = ({ check, of }: AuditLine): string => `${check} ${of}`;

/** The platform that is due longest; null: none is. Pure. */
export const dueNow = (
  { version, platforms = [] }: Pick<ClusterConfig, 'version' | 'platforms'>,
  records: ReadonlyMap<string, ReadinessRecord>,
  nowMs: number,
): PlatformConfig | null => {
  const dueAtMs = ({ name }: PlatformConfig): number => {
    const record = records.get(name);
    return record === undefined || record.membersVersion !== version ? Number.NEGATIVE_INFINITY : record.atMs + AUDIT_EVERY_MS;
  };
  const due = platforms.filter((platform) => dueAtMs(platform) <= nowMs).toSorted((a, b) => dueAtMs(a) - dueAtMs(b));
  return due[0] ?? null;
};

/** What of it is news: a failover that would not do what it should, for the first time; or that it would again. Pure. */
export const newsOf = (
  cluster: ClusterConfig,
  before: Pick<ReadinessRecord, 'told'> | null,
  after: Readiness,
  about: { v: number; nonce: string; nowMs: number },
): { told: readonly string[]; page: Page | null } => {
  const broken = after.lines.filter(isBroken);
  const names = broken.map(nameOf);
  const told = before?.told ?? [];
  const isNews = names.some((name) => !told.includes(name));
  const { v, nonce, nowMs } = about;
  const say = (type: string, severity: Page['severity'], summary: string, detail: Record<string, unknown>): Page => {
    const said = page({ cluster, v, nonce, nowMs }, type, severity, summary, `platform-${after.platform}`, detail);
    return { ...said, id: `${said.id}-${nonce}` };
  };
  const services = cluster.platforms?.find(({ name }) => name === after.platform)?.services ?? [];
  if (isNews) {
    const shown = broken.slice(0, NAMED_MAX).map(({ of, because, fix }) => `${of}: ${because}${fix === '' ? '' : ` (${fix})`}`);
    const more = broken.length > NAMED_MAX ? [`and ${broken.length - NAMED_MAX} more`] : [];
    const summary = `platform ${after.platform}: a failover would not do what its model promises; ${[...shown, ...more].join('; ')}`;
    return {
      told: names,
      page: say('runbook.unready', 'warning', summary, { platform: after.platform, services, score: after.score, broken: names }),
    };
  }
  // What was mended of several is not told by itself.
  if (names.length > 0 || told.length === 0) return { told: names, page: null };
  const summary = `platform ${after.platform}: a failover would do what its model promises again (readiness ${after.score} of 100)`;
  return { told: [], page: say('runbook.ready', 'info', summary, { platform: after.platform, services, score: after.score }) };
};

const recordsIn = (kvs: readonly KeyValue[]): ReadonlyMap<string, ReadinessRecord> =>
  new Map(
    kvs
      .filter(({ key }) => key.startsWith(readinessKey('')))
      .map(({ key, value }) => [key.slice(readinessKey('').length), value as ReadinessRecord]),
  );

export const createReadinessDuty = ({ ports, log, store, see, judge }: ReadinessDutyOptions): ReadinessDuty => {
  let work: Promise<void> | null = null;
  let lookAtMs = 0;

  const read = (): Promise<readonly KeyValue[]> =>
    withDeadline(ports.timers, STORE_MS, 'reading the last audits', async (signal) => {
      const { kvs } = await store.get({ prefixes: [readinessKey(''), platformKey('')] }, signal);
      return kvs;
    });

  const audit = async (cluster: ClusterConfig, v: number, nowMs: number, term: Pick<Term, 'commit'>): Promise<void> => {
    const kvs = await read();
    const records = recordsIn(kvs);
    const platform = dueNow(cluster, records, nowMs);
    if (platform === null) return;
    const { name } = platform;
    const record = kvs.find(({ key }) => key === platformKey(name))?.value as PlatformRecord | undefined;
    const active = record?.active ?? platform.regions[0] ?? '';
    const steady = await withDeadline(ports.timers, SEE_MS, `looking at platform ${name}`, (signal) => see(platform, active, signal));
    const readiness = judge(platform, { ...steady, atMs: nowMs });
    const nonce = ports.random.hex(8);
    const { told, page: news } = newsOf(cluster, records.get(name) ?? null, readiness, { v, nonce, nowMs });
    const after: ReadinessRecord = { ...readiness, atMs: nowMs, membersVersion: cluster.version, told, nonce };
    const mod = kvs.find(({ key }) => key === readinessKey(name))?.mod ?? 0;
    const isWritten = await term.commit(
      [{ key: readinessKey(name), mod }],
      [{ put: readinessKey(name), value: after }, ...(news === null ? [] : [{ put: outboxKey(news.id), value: news }])],
    );
    log.info('runbook.audited', { platform: name, score: readiness.score, broken: told.length });
    // Another one may be due as well.
    lookAtMs = ports.clock.monoMs() + (isWritten ? 0 : AGAIN_MS);
  };

  return {
    turn({ cluster, routing }, nowMs, term) {
      if (work !== null || cluster === null || (cluster.platforms ?? []).length === 0 || ports.clock.monoMs() < lookAtMs) return;
      lookAtMs = ports.clock.monoMs() + LOOK_EVERY_MS;
      work = audit(cluster, routing?.v ?? 0, nowMs, term)
        .catch((error: unknown) => {
          lookAtMs = ports.clock.monoMs() + AGAIN_MS;
          log.warn('runbook.audit_failed', { because: errorText(error) });
        })
        .finally(() => {
          work = null;
        });
    },
    idle: async () => {
      await work;
    },
  };
};
