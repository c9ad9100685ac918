// What this replica hears of the others: the cluster's configuration, other regions' suspicions as hints for bursts, and their votes to compare its own
// with. Everything here is a hint or a copy; nothing is counted. So beats and votes are taken as they come with the news of them, and read only where the
// news says too little, or has been all there was for a while.
import { beatKey, KEYS, placeOf, voteKey } from '../coordinate/keys.ts';
import { createVerifier, keysOf, type Verifier } from '../coordinate/signing.ts';
import type { Log } from '../log.ts';
import type { Adopted, Beat, ClusterConfig, EndpointKey, Vote } from '../model.ts';
import type { Ports, Timer } from '../ports.ts';
import type { KeyValue, Read, Store, WatchEvent } from '../store/store.ts';
import { createTrouble } from '../trouble.ts';
import { createCopy } from './copy.ts';

export interface EarsOptions {
  ports: Ports;
  store: Store;
  log: Log;
  region: string;
  /** Verifies what others have signed; absent: one of its own. */
  verifier?: Verifier;
  /** The configuration held, for its cadence. */
  cluster: () => ClusterConfig | null;
  saw: (rev: number) => void;
  onMembers: (cluster: ClusterConfig, rev: number) => void;
  /** A human has adopted a store that was replaced: what was known of the old one counts no more. */
  onAdopted: () => void;
  onHints: (from: string, keys: readonly EndpointKey[]) => void;
  onOthers: (votes: readonly { region: string; vote: Vote }[]) => void;
  /** Does a replica of 0.1 run anywhere? */
  onElders: (some: boolean) => void;
}

export interface Ears {
  /** Something changed in the store. */
  notice(event: WatchEvent): void;
  stop(): void;
}

const QUERY = { keys: [KEYS.members, KEYS.adopted], prefixes: ['beat/', 'vote/'] } as const;

/** What is known by news alone is compared with the store this often. */
const COMPARE_MS = 10_000;

/** Records whose signature is known to be right or wrong: more than the replicas of a cluster write. */
const JUDGED_MAX = 4096;

/** Whatever another region has written: only what has the right shape is heard, and nothing makes this one deaf to the rest. */
const suspectsIn = (beat: unknown): readonly EndpointKey[] => Object.keys((beat as Partial<Beat> | null)?.suspects ?? {});
const isVote = (vote: unknown): boolean => {
  const { down, unready } = (vote ?? {}) as Partial<Vote>;
  return Array.isArray(down) && Array.isArray(unready);
};

/** `beat/eu-west/a` -> `vote/eu-west/a`. */
const voteOfBeat = (key: string): string => `vote/${key.slice('beat/'.length)}`;

/** A replica's beat: since when it has been the last one. */
interface HeardBeat {
  mod: number;
  atMs: number;
  from: string;
  voteAt: string;
}

const heardBeat = ({ key, mod }: KeyValue, atMs: number, known: HeardBeat | undefined): HeardBeat => {
  if (known !== undefined) return { ...known, mod, atMs };
  return { mod, atMs, from: placeOf(key).region, voteAt: voteOfBeat(key) };
};

export const createEars = (options: EarsOptions): Ears => {
  const { ports, store, log, region, verifier = createVerifier() } = options;
  const stopped = new AbortController();
  let listening = false;
  let listenAgain = false;
  /** The same object for the same revision: what is worked out per configuration is worked out once. */
  let members: KeyValue | null = null;
  let adoptedNonce: string | null | undefined;
  let heardAt: ReadonlyMap<string, HeardBeat> = new Map();

  /** When the store last answered, or told any news. */
  let heardAtMs = Number.NEGATIVE_INFINITY;
  /** Beats and votes. */
  const spoken = createCopy();
  const trouble = createTrouble(log, 'vantage.listen');

  const judged = new Map<string, { mod: number; keys: readonly string[]; genuine: boolean }>();

  const mono = (): number => ports.clock.monoMs();

  const isSpoken = (key: string): boolean => key.startsWith('beat/') || key.startsWith('vote/');
  const isOwn = (key: string): boolean => key.startsWith(beatKey(region, '')) || key.startsWith(voteKey(region, ''));
  /** Is this a key whose change is worth a look? */
  const concerns = (key: string): boolean => key === KEYS.members || key === KEYS.adopted || (isSpoken(key) && !isOwn(key));

  const listen = async (): Promise<void> => {
    if (listening) {
      listenAgain = true;
      return;
    }
    listening = true;
    try {
      const read = await store.get(QUERY, stopped.signal);
      heardAtMs = mono();
      trouble.over();
      options.saw(read.rev);
      if (!stopped.signal.aborted) take(read);
    } catch (error) {
      if (!stopped.signal.aborted) trouble.tell(error);
      // What it was to show is missed: no news fills that gap.
      spoken.spoil();
    } finally {
      listening = false;
      if (listenAgain && !stopped.signal.aborted) {
        listenAgain = false;
        void listen();
      }
    }
  };

  /** In a region with keys only what is signed by one of them is heard: a forgery could make others burst, or doubt themselves. Asked once per record. */
  const isGenuine = (kind: 'beat' | 'vote', from: string, { key, mod, value }: KeyValue): boolean => {
    const cluster = options.cluster();
    if (cluster === null) return true;
    const keys = keysOf(cluster, from);
    if (keys.length === 0) return true;
    const known = judged.get(key);
    if (known?.mod === mod && known.keys === keys) return known.genuine;
    if (judged.size >= JUDGED_MAX) judged.clear();
    const genuine = verifier.isGenuine(kind, { cluster: cluster.name, region: from, replica: placeOf(key).replica }, value, keys);
    judged.set(key, { mod, keys, genuine });
    return genuine;
  };

  const learn = (adopted: KeyValue | undefined, found: KeyValue | undefined, rev: number): void => {
    const nonce = (adopted?.value as Adopted | undefined)?.nonce ?? null;
    if (adoptedNonce !== undefined && nonce !== adoptedNonce) {
      members = null;
      options.onAdopted();
      options.saw(rev);
    }
    adoptedNonce = nonce;
    if (found === undefined) return;
    if (members?.mod !== found.mod) members = found;
    options.onMembers(members.value as ClusterConfig, rev);
  };

  const take = ({ rev, kvs }: Read): void => {
    const found = (wanted: string): KeyValue | undefined => kvs.find(({ key }) => key === wanted);
    learn(found(KEYS.adopted), found(KEYS.members), rev);
    spoken.read(
      rev,
      kvs.filter(({ key }) => isSpoken(key)),
      mono(),
    );
    hear(spoken.records);
  };

  const notice = (event: WatchEvent): void => {
    if (event.kind === 'resync') {
      void listen();
      return;
    }
    // What is said in the own region is worth no look, and must not look old at the next one.
    spoken.enter(event, event.keys.filter(isOwn));
    const keys = event.keys.filter(concerns);
    if (keys.length === 0) return;
    const isEnough = !listening && keys.every(isSpoken) && spoken.isYounger(COMPARE_MS, mono());
    const newer = isEnough ? spoken.enter(event, keys) : null;
    if (newer === null) {
      void listen();
      return;
    }
    heardAtMs = mono();
    if (newer.length === 0) return;
    options.saw(event.rev);
    hear(spoken.records);
  };

  const hear = (records: ReadonlyMap<string, KeyValue>): void => {
    const [beats, votes]: [KeyValue[], KeyValue[]] = [[], []];
    for (const kv of records.values()) (kv.key.startsWith('beat/') ? beats : votes).push(kv);
    const nowMs = mono();
    const freshMs = options.cluster()?.policy.freshMs ?? 0;
    const heardNow = new Map<string, HeardBeat>();
    const changed: [string, KeyValue][] = [];
    const speaking = new Map<string, string>();
    let elders = false;
    for (const kv of beats) {
      const known = heardAt.get(kv.key);
      const heard = known?.mod === kv.mod ? known : heardBeat(kv, nowMs, known);
      if (!isGenuine('beat', heard.from, kv)) continue;
      heardNow.set(kv.key, heard);
      // The first sight of a beat may be old; only one that changed while we watched is a hint.
      if (known !== undefined && known !== heard) changed.push([heard.from, kv]);
      if (nowMs - heard.atMs > freshMs) continue;
      speaking.set(heard.voteAt, heard.from);
      elders ||= (kv.value as Partial<Beat> | null)?.bootN === undefined;
    }
    heardAt = heardNow;
    options.onElders(elders);
    for (const [from, { value }] of changed) if (from !== region) options.onHints(from, suspectsIn(value));
    const others: { region: string; vote: Vote }[] = [];
    for (const kv of votes) {
      const from = speaking.get(kv.key);
      if (from === undefined || from === region || !isVote(kv.value) || !isGenuine('vote', from, kv)) continue;
      others.push({ region: from, vote: kv.value as Vote });
    }
    options.onOthers(others);
  };

  // The watch is a hint: a look when it has been silent for long makes sure that its silence is not taken for silence of the others.
  let slow: Timer | null = null;
  const beatMs = (): number => options.cluster()?.policy.beatMs ?? 2500;
  const lookAgain = (): void => {
    const dueInMs = heardAtMs + beatMs() - mono();
    if (dueInMs <= 0) void listen();
    slow = ports.timers.after(dueInMs <= 0 ? beatMs() : dueInMs, lookAgain);
  };
  lookAgain();

  return {
    notice,
    stop() {
      stopped.abort(new Error('stopping'));
      slow?.cancel();
    },
  };
};
