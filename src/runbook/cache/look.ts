// What is kept of a cache: by audits, while nothing happens, and in the records of steps.

import type { CacheFacts } from '../facts.ts';
import type { Facts } from '../kind.ts';
import type { CacheInfo } from './info.ts';
import { addressText } from './standing.ts';
import type { CacheLook, RedisSystem } from './system.ts';

/** Rejects when it does not answer, or says nothing that can be used. */
export const cacheFacts = async (system: RedisSystem, signal: AbortSignal): Promise<CacheFacts> => factsIn(await system.look(signal));

/** Pure. A log of every write counts as saved now. */
export const factsIn = ({ role, dialect, follows, persistence: { savedAtS, isLogged }, nowS }: CacheLook): CacheFacts => ({
  role,
  dialect,
  linked: follows === null ? null : follows.isLinked && !follows.isSyncing,
  heardAgoMs: follows?.heardAgoMs ?? null,
  savedAgoMs: isLogged ? 0 : savedAtS === null ? null : Math.max(0, nowS - savedAtS) * 1000,
});

/** Of a reading of a step. */
export const factsOf = ({ dialect, role, follows, replicaCount, offset }: CacheInfo): Facts => ({
  dialect,
  role,
  follows: follows === null ? null : addressText(follows),
  isLinked: follows?.isLinked ?? null,
  isSyncing: follows?.isSyncing ?? null,
  replicas: replicaCount,
  offset,
});
