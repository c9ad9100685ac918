// Who else runs in this region: the replicas among which its targets are shared. A sibling is one whose beats come, that does not abstain (one that has
// stopped does), and covers the configuration held here. It is gone after a beat and a fifth of silence, counted only while the store answers
// (silence.ts), or at once when it says so. Reads its own region's records only; what follows from company is the vantage machine's.
import { beatKey, placeOf, voteKey } from '../coordinate/keys.ts';
import { keysOf, type Verifier } from '../coordinate/signing.ts';
import { configHash } from '../health/config-hash.ts';
import { goneAfterMs } from '../health/timing.ts';
import type { Company } from '../health/vantage.ts';
import type { Log } from '../log.ts';
import type { Beat, ClusterConfig, Vote } from '../model.ts';
import type { Ports, Timer } from '../ports.ts';
import type { KeyValue, Store } from '../store/store.ts';
import { createTrouble } from '../trouble.ts';
import { LISTEN_EVERY_MS, silenceProved } from './silence.ts';

export interface SiblingsOptions {
  ports: Ports;
  store: Store;
  log: Log;
  region: string;
  replica: string;
  verifier: Verifier;
  /** The configuration held; null: none yet, and nobody shares anything. */
  cluster: () => ClusterConfig | null;
  saw: (rev: number) => void;
  /** After every look. */
  onCompany: (company: Pick<Company, 'peers' | 'elder'>) => void;
}

export interface Siblings {
  /** Something of this region changed: looks now. */
  look(): void;
  isSibling(key: string): boolean;
  stop(): void;
}

/** One other name of this region. */
interface Sibling {
  /** Revision of its last beat. */
  mod: number;
  silentMs: number;
  /** Of 0.1: it names no boot number. */
  old: boolean;
  speaks: boolean;
}

/** A store that is slow to answer is left alone for so long between two looks. */
const LISTEN_GAP_MS = 100;

export const createSiblings = (options: SiblingsOptions): Siblings => {
  const { ports, store, log, region, replica, verifier } = options;
  const stopped = new AbortController();
  const beats = beatKey(region, '');
  const query = { prefixes: [beats, voteKey(region, '')] };
  const own = new Set([beatKey(region, replica), voteKey(region, replica)]);
  let known: ReadonlyMap<string, Sibling> = new Map();
  /** Of the last look that succeeded, and of the last one begun. */
  let lastSentAtMs: number | null = null;
  let begunAtMs = 0;
  let timer: Timer | null = null;
  const trouble = createTrouble(log, 'vantage.siblings');
  let looking = false;
  let lookAgain = false;

  const look = async (): Promise<void> => {
    const cluster = options.cluster();
    if (cluster === null || stopped.signal.aborted) return;
    if (looking) {
      lookAgain = true;
      return;
    }
    looking = true;
    timer?.cancel();
    const sentAtMs = ports.clock.monoMs();
    begunAtMs = sentAtMs;
    try {
      const { rev, kvs } = await store.get(query, stopped.signal);
      options.saw(rev);
      if (!stopped.signal.aborted) meet(kvs, options.cluster() ?? cluster, silenceProved(lastSentAtMs, sentAtMs));
      lastSentAtMs = sentAtMs;
      trouble.over();
    } catch (error) {
      if (!stopped.signal.aborted) trouble.tell(error);
    } finally {
      looking = false;
      if (!stopped.signal.aborted) next(cluster);
    }
  };

  /** Alone, it is enough to look now and then, in case the watch kept something back. */
  const next = (cluster: ClusterConfig): void => {
    if (lookAgain) {
      lookAgain = false;
      void look();
      return;
    }
    const goneMs = goneAfterMs(cluster.policy);
    const isAlone = ![...known.values()].some((s) => s.silentMs <= goneMs);
    const tookMs = ports.clock.monoMs() - begunAtMs;
    timer = ports.timers.after(isAlone ? cluster.policy.beatMs : Math.max(LISTEN_GAP_MS, LISTEN_EVERY_MS - tookMs), () => void look());
  };

  const meet = (kvs: readonly KeyValue[], cluster: ClusterConfig, provedMs: number | null): void => {
    const records = new Map(kvs.map((kv) => [kv.key, kv]));
    const others = kvs.filter((kv) => kv.key.startsWith(beats) && !own.has(kv.key));
    known = new Map(others.map((kv) => [placeOf(kv.key).replica, heard(kv, records, cluster, provedMs)]));
    const goneMs = goneAfterMs(cluster.policy);
    const present = [...known].filter(([, s]) => s.silentMs <= goneMs && s.speaks);
    const peers = present.filter(([, s]) => !s.old).map(([name]) => name);
    const elder = present.find(([, s]) => s.old)?.[0] ?? null;
    options.onCompany({ peers: [...peers, replica].sort(), elder });
  };

  const heard = (kv: KeyValue, records: ReadonlyMap<string, KeyValue>, cluster: ClusterConfig, provedMs: number | null): Sibling => {
    const name = placeOf(kv.key).replica;
    const beat = kv.value as Beat;
    const vote = records.get(voteKey(region, name))?.value as Vote | undefined;
    const before = known.get(name);
    const isNews = before?.mod !== kv.mod;
    // Of a word that was heard before, only the age is new; what it covers is asked again, since the configuration held here may have changed.
    const isGood = covers(beat, cluster) && (!isNews || isGenuine(name, beat, vote, cluster));
    // A store that stood still gives everybody their time anew, but who was gone before it did stays gone until it is heard again.
    const isGone = before !== undefined && before.silentMs > goneAfterMs(cluster.policy);
    const silentMs = before === undefined || (provedMs === null && !isGone) ? 0 : before.silentMs + (provedMs ?? 0);
    return {
      mod: kv.mod,
      // One that covers another configuration has as long to follow as one that is silent.
      silentMs: isGood && isNews ? 0 : before === undefined && !isGood ? Number.POSITIVE_INFINITY : silentMs,
      old: beat.bootN === undefined,
      speaks: vote?.boot === beat.boot && vote.self?.state === 'ok',
    };
  };

  const covers = (beat: Beat, cluster: ClusterConfig): boolean =>
    beat.configVersion === cluster.version && (beat.configHash === undefined || beat.configHash === configHash(cluster));

  /** In a region with keys, only what is signed by one of them is its own. */
  const isGenuine = (name: string, beat: Beat, vote: Vote | undefined, cluster: ClusterConfig): boolean => {
    const keys = keysOf(cluster, region);
    if (keys.length === 0) return true;
    const place = { cluster: cluster.name, region, replica: name };
    return verifier.isGenuine('beat', place, beat, keys) && verifier.isGenuine('vote', place, vote, keys);
  };

  return {
    look: () => void look(),
    isSibling: (key) => query.prefixes.some((prefix) => key.startsWith(prefix)) && !own.has(key),
    stop() {
      stopped.abort(new Error('stopping'));
      timer?.cancel();
    },
  };
};
