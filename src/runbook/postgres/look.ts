// How a database stands in one region, for the coordinator's watch and the audits.
import type { DatabaseFacts } from '../model.ts';
import type { PatroniSystem } from './patroni.ts';
import type { PostgresSystem } from './sql.ts';

/** Rejects when nobody there says whether it is primary or standby. */
export const siteFacts = async (_patroni: PatroniSystem, _sql: PostgresSystem, _signal: AbortSignal): Promise<DatabaseFacts> => {
  throw new Error('nobody has written it yet');
};

export interface Lag {
  /** null: it could not be told. */
  ms: number | null;
  bytes: number | null;
}

/** How far `standby` is behind `primary`; null: the primary is not asked, so what the standby itself knows has to do. Rejects when the standby does not answer. */
export const lagBetween = async (_primary: PostgresSystem | null, _standby: PostgresSystem, _signal: AbortSignal): Promise<Lag> => {
  throw new Error('nobody has written it yet');
};

/** Whether any member there takes writes. Rejects when no member answers; members that are silent beside one that answers say nothing. */
export const takesWrites = async (_sql: PostgresSystem, _signal: AbortSignal): Promise<boolean> => {
  throw new Error('nobody has written it yet');
};
