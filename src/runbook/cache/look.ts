// What a cache is while nothing happens, for audits.
import type { CacheFacts } from '../model.ts';
import type { RedisSystem } from './system.ts';

/** Rejects when it does not answer, or says nothing that can be used. */
export const cacheFacts = (system: RedisSystem, signal: AbortSignal): Promise<CacheFacts> => system.facts(signal);
