// A database that a vendor keeps in several regions, one of which writes: what its API says of it, and what its refusals mean. Pure.
import type { Effect, System } from '../kind.ts';

/** As the vendor says that it is now. */
export interface Standing {
  /** Name of the member that writes, as the vendor calls it. null: it does not say. */
  writer: string | null;
  /** null: the member that is asked for is none of it. */
  member: { writes: boolean; ready: boolean; state: string } | null;
  /**
   * What is under way already; null: nothing. `isThis`: it leads to the member that is asked for, as far as the vendor says. `waits`: for what the writer has and
   * has not passed on, so that it never ends where the writer is gone, and a move by force is asked for beside it. Absent: the vendor does one thing at a time.
   */
  busy: { says: string; isThis: boolean; waits?: boolean } | null;
}

/** An operation that was begun, as it stands. */
export type Operation = { is: 'running' | 'done'; because: string } | { is: 'failed'; because: string };

export interface ManagedDatabase extends System {
  readonly kind: 'aurora' | 'cloud-sql';
  /** `member`: the one that is to write. Throws Answered for what the vendor refuses. */
  look(member: string, signal: AbortSignal): Promise<Standing>;
  /** `lossy`: the writer is gone, and what it had not passed on is lost. Resolves with the operation's name; null: the vendor names none. */
  move(member: string, lossy: boolean, signal: AbortSignal): Promise<string | null>;
  /** null: operations have no names here, and `look` tells. */
  operation: ((name: string, signal: AbortSignal) => Promise<Operation>) | null;
}

const DENIED = new Set([401, 403]);
/** Asked again later it may be taken: it is throttled, or something else is under way. */
const LATER = new Set([409, 412, 429]);

/** What a refusal of the call that moves means. `code`: the status; null: nobody knows whether it was taken. */
export const refusalOf = (code: number | null, isBusy: boolean, because: string): Effect => {
  if (code === null || code >= 500) return { took: 'undecided', because };
  if (isBusy || LATER.has(code)) return { took: 'refused', because };
  return { took: 'fatal', because: DENIED.has(code) ? `${because}; the credentials may not do that` : because };
};
