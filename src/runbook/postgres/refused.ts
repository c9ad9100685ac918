// What a refusal of Patroni's means for a step.
import { Answered } from '../../exchange.ts';
import type { Effect } from '../kind.ts';

/** Throws what is no refusal. */
export const refusedBy = (what: string, error: unknown): Effect => {
  if (!(error instanceof Answered)) throw error;
  const because = `${what}: ${error.message}`;
  if (error.code === 401 || error.code === 403) return { took: 'fatal', because: `${because}: it wants other credentials` };
  // Not now: another change came first, or it has no store, or no candidate, at the moment.
  if ([409, 412, 429, 503].includes(error.code)) return { took: 'refused', because };
  return { took: error.code >= 500 ? 'undecided' : 'fatal', because };
};
