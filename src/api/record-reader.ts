// Reads what was written down of decisions: their audit records, how they reached the providers, and the incidents. From the store, with a deadline, since
// this is history: what is now is answered from memory. Reads only.
import { auditKey, incidentKey, trailKey } from '../coordinate/keys.ts';
import { Fault } from '../errors.ts';
import type { Audit, Incident, Trail } from '../model.ts';
import { DeadlineError, type Ports, withDeadline } from '../ports.ts';
import type { KeyValue, Query, Store } from '../store/store.ts';

export interface RecordReader {
  /** The audit records of these decisions that are kept, newest first. */
  audits(numbers: readonly number[]): Promise<readonly Audit[]>;
  /** A decision with what followed it and its neighbours, at one revision. */
  decision(v: number): Promise<DecisionRecords>;
  incidents(): Promise<readonly Incident[]>;
  /** null: there is none of that name. */
  incident(id: string): Promise<Incident | null>;
}

export interface DecisionRecords {
  audit: Audit | null;
  trail: Trail | null;
  /** Every incident that is kept. */
  incidents: readonly Incident[];
  /** Whether the decision before and the one after are kept. */
  hasPrevious: boolean;
  hasNext: boolean;
}

/** Keys of one read: a store takes so many in a transaction. */
export const AUDITS_MAX = 100;
const STORE_MS = 1_500;

const isRecord = (value: unknown): boolean => typeof value === 'object' && value !== null;

export const createRecordReader = ({ store, ports }: { store: Pick<Store, 'get'>; ports: Pick<Ports, 'timers'> }): RecordReader => {
  const read = async (what: string, query: Query): Promise<ReadonlyMap<string, KeyValue>> => {
    try {
      const { kvs } = await withDeadline(ports.timers, STORE_MS, `reading ${what}`, (signal) => store.get(query, signal));
      return new Map(kvs.filter(({ value }) => isRecord(value)).map((kv) => [kv.key, kv]));
    } catch (error) {
      const because =
        error instanceof DeadlineError ? `the store did not answer within ${error.afterMs} ms` : 'the store refused or is out of reach';
      throw new Fault('ERR_STORE_UNREACHABLE', `${because}; try again, or use another replica`, { cause: error });
    }
  };
  const incidentsIn = (records: ReadonlyMap<string, KeyValue>): readonly Incident[] =>
    [...records.values()].filter(({ key }) => key.startsWith('incident/')).map(({ value }) => value as Incident);
  const one = <T>(records: ReadonlyMap<string, KeyValue>, key: string): T | null => (records.get(key)?.value as T | undefined) ?? null;
  return {
    async audits(numbers) {
      const wanted = numbers.slice(0, AUDITS_MAX);
      if (wanted.length === 0) return [];
      const records = await read('decisions', { keys: wanted.map(auditKey) });
      return wanted.flatMap((v) => one<Audit>(records, auditKey(v)) ?? []).sort((a, b) => b.v - a.v);
    },
    async decision(v) {
      const records = await read(`decision ${v}`, { keys: [v - 1, v, v + 1].map(auditKey).concat(trailKey(v)), prefixes: ['incident/'] });
      return {
        audit: one(records, auditKey(v)),
        trail: one(records, trailKey(v)),
        incidents: incidentsIn(records),
        hasPrevious: records.has(auditKey(v - 1)),
        hasNext: records.has(auditKey(v + 1)),
      };
    },
    async incidents() {
      return incidentsIn(await read('incidents', { prefixes: ['incident/'] })).toSorted((a, b) => b.t3AtMs - a.t3AtMs || b.v - a.v);
    },
    async incident(id) {
      return one<Incident>(await read('the incident', { keys: [incidentKey(id)] }), incidentKey(id));
    },
  };
};
