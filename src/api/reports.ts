// What was reported of load and capacity, kept in the `reported` document by guarded writes. Reports come every few seconds and replace each other, so the
// journal has an entry only where there is news: a reporter that appears, or values that have changed by more than a fifth since the last entry.
import { appendOps, headOf, JOURNAL_KEYS } from '../audit/journal.ts';
import { KEYS } from '../coordinate/keys.ts';
import { Fault } from '../errors.ts';
import type { ClusterConfig, Reported, Reports } from '../model.ts';
import type { Ports } from '../ports.ts';
import type { Store } from '../store/store.ts';
import type { Principal } from './access.ts';
import { createLedger } from './ledger.ts';
import type { ReportInput } from './report-input.ts';

type Values = Pick<Reported, 'load' | 'capacity' | 'by'>;

/** The document, with what the journal last said of each service. */
interface ReportsDocument extends Reports {
  journaled?: Readonly<Record<string, Values>>;
}

export interface ReportWriter {
  listReports(): Promise<Reports>;
  putReport(
    input: ReportInput,
    principal: Principal,
    cluster: ClusterConfig,
  ): Promise<{ reported: Reported; version: number; journaled: boolean }>;
}

const NEWS = 0.2;
const BLANK: ReportsDocument = { version: 0, nonce: '', services: {} };

const differs = (before: number | null | undefined, after: number | null | undefined): boolean => {
  if (before == null || after == null) return before !== after;
  return Math.abs(after - before) > NEWS * Math.max(before, after);
};

const isNews = (told: Values | undefined, now: Values): boolean =>
  told === undefined ||
  told.by !== now.by ||
  differs(told.load, now.load) ||
  [...new Set([...Object.keys(told.capacity), ...Object.keys(now.capacity)])].some((pool) =>
    differs(told.capacity[pool], now.capacity[pool]),
  );

const configuredOnly = <T>(values: Readonly<Record<string, T>>, { services }: ClusterConfig): Record<string, T> =>
  Object.fromEntries(Object.entries(values).filter(([name]) => services.some((service) => service.name === name)));

export const createReportWriter = ({
  store,
  ports,
  clusterNowMs,
}: {
  store: Store;
  ports: Pick<Ports, 'clock' | 'timers' | 'random'>;
  clusterNowMs: () => number;
}): ReportWriter => {
  const ledger = createLedger({ store, ports });
  return {
    listReports: async () => (await ledger.read('the reports', [KEYS.reported])).value<Reports>(KEYS.reported) ?? BLANK,

    putReport({ service, load, capacity, ttlMs }, principal, cluster) {
      if (principal.once !== undefined)
        throw new Fault('ERR_FORBIDDEN', 'a credential that is good for one act is for an order, not for a report');
      const { name: by, how } = principal;
      const atMs = Math.round(clusterNowMs());
      const nonce = ports.random.hex(12);
      const reported: Reported = { load, capacity, atMs, expiresAtMs: atMs + ttlMs, by };
      return ledger.commit({
        what: 'the reports',
        keys: [KEYS.reported, ...JOURNAL_KEYS],
        judge(records) {
          const document = records.value<ReportsDocument>(KEYS.reported) ?? BLANK;
          if (document.nonce === nonce) return { done: { reported, version: document.version, journaled: false } };
          const told = document.journaled?.[service];
          const values: Values = { load, capacity, by };
          const journaled = isNews(told, values);
          const version = document.version + 1;
          const value: ReportsDocument = {
            version,
            nonce,
            services: { ...configuredOnly(document.services, cluster), [service]: reported },
            journaled: { ...configuredOnly(document.journaled ?? {}, cluster), ...(journaled ? { [service]: values } : {}) },
          };
          const because = `${by} ${told === undefined ? 'begins to report' : 'reports'} ${service}: load ${load ?? 'not said'}, capacity ${Object.entries(
            capacity,
          )
            .map(([pool, amount]) => `${pool} ${amount}`)
            .join(', ')}`;
          const entry = journaled
            ? appendOps(headOf(records.kvs), {
                kind: 'reports.put',
                by,
                how,
                because,
                detail: { service, reported, before: told ?? null },
                atMs,
                nonce,
              })
            : null;
          return {
            on: [KEYS.reported, ...(entry === null ? [] : [KEYS.journal])],
            ops: [{ put: KEYS.reported, value }, ...(entry?.ops ?? [])],
            result: { reported, version, journaled },
          };
        },
      });
    },
  };
};
