// One process's reading of the store, and all it remembers from one read to the next by revision: how old records are, which were verified, who spoke last.
// A store that was restored gives the same revisions to other records, so then all of that is forgotten at once. Decides nothing.
import type { Log } from '../log.ts';
import type { Adopted } from '../model.ts';
import type { Ports } from '../ports.ts';
import type { Store } from '../store/store.ts';
import { createTrouble } from '../trouble.ts';
import { KEYS } from './keys.ts';
import { type RecordCache, SIGHT_QUERY, type Sight, sightOf, valueIn } from './read.ts';
import { createRevisionClock, type Instant } from './revision-clock.ts';
import { createVerifier, type Verifier } from './signing.ts';
import { createTrust } from './trust.ts';

export interface Looked {
  sight: Sight;
  /** When the read was sent and when it arrived, by this process's monotonic clock. */
  sentAtMs: number;
  arrivedAtMs: number;
  /** The store has lost history since the last look, or a human has adopted what it holds: nothing remembered by revision is worth anything. */
  restored: boolean;
}

export interface Looker {
  /** null: the store did not answer. Never rejects, never retries. */
  look(signal: AbortSignal): Promise<Looked | null>;
  /** A transaction of this process was answered at this revision: a later look that shows less is of a restored store. */
  saw(rev: number): void;
}

/** Refusals told per look: somebody who floods the store with forgeries must not flood every log, too. */
const TOLD_MAX = 20;

export interface LookerOptions {
  ports: Ports;
  store: Store;
  log: Log;
  /** Verifies what others have signed; absent: one of its own. */
  verifier?: Verifier;
}

export const createLooker = ({ ports, store, log, verifier = createVerifier() }: LookerOptions): Looker => {
  const revisions = createRevisionClock();
  const cache: RecordCache = new Map();
  const trust = createTrust(verifier);
  let highestRev = 0;
  /** Nonce of the adoption known; undefined before the first look. */
  let adoption: string | null | undefined;
  const trouble = createTrouble(log, 'store.get');
  /** Refusals told, by record and reason: each is told once while it lasts. */
  let told: ReadonlySet<string> = new Set();

  const now = (): Instant => ({ monoMs: ports.clock.monoMs(), wallMs: ports.clock.wallMs() });

  const tell = ({ refused, mod }: Sight): void => {
    if (refused.length === 0 && told.size === 0) return;
    const present = new Map(refused.map((refusal) => [`${refusal.key} ${mod(refusal.key)} ${refusal.because}`, refusal]));
    const news = [...present].filter(([name]) => !told.has(name)).map(([, refusal]) => refusal);
    for (const { key, because } of news.slice(0, TOLD_MAX)) log.warn('vote.refused', { record: key, because });
    if (news.length > TOLD_MAX) log.warn('vote.refused', { more: news.length - TOLD_MAX });
    told = new Set(present.keys());
  };

  const forget = (): void => {
    revisions.clear();
    cache.clear();
    trust.forget();
    highestRev = 0;
  };

  const isAnother = (rev: number, leastRev: number, nonce: string | null): boolean =>
    rev < leastRev || (adoption !== undefined && adoption !== nonce);

  return {
    saw(rev) {
      highestRev = Math.max(highestRev, rev);
    },
    async look(signal) {
      const leastRev = highestRev;
      const sent = now();
      try {
        const read = await store.get(SIGHT_QUERY, signal);
        const arrived = now();
        if (trouble.over()) log.info('store.answers', {});
        const nonce = valueIn<Adopted>(read, KEYS.adopted)?.nonce ?? null;
        const restored = isAnother(read.rev, leastRev, nonce);
        if (restored) {
          log.error('store.restored', { rev: read.rev, was: leastRev, adopted: nonce });
          forget();
        }
        adoption = nonce;
        highestRev = Math.max(highestRev, read.rev);
        revisions.sample(sent, arrived, read.rev);
        const sight = sightOf(read, revisions, arrived.monoMs, cache, trust);
        tell(sight);
        return { sight, sentAtMs: sent.monoMs, arrivedAtMs: arrived.monoMs, restored };
      } catch (error) {
        if (!signal.aborted) trouble.tell(error);
        return null;
      }
    },
  };
};
