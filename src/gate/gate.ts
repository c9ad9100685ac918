// One replica's gate: what it answers, kept true. It looks at the store whenever its watch says so and every few seconds besides, keeps what it saw in
// memory and in a small file, and goes on answering that while the store does not: a gate in a minority says what it said last, and its age grows.
import { GATE_PREFIX, serviceOfKey } from '../../providers/gate/record.ts';
import { KEYS } from '../coordinate/keys.ts';
import { errorText } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Adopted, ClusterConfig } from '../model.ts';
import { type Ports, sleep, type Timer, withDeadline } from '../ports.ts';
import type { Store } from '../store/store.ts';
import { type Answer, answering, answerOf, configuredOf, drainsOf, highestFence, type Known, NOTHING, taken } from './answers.ts';
import { type GateFile, memoryText, readMemory } from './file.ts';

export interface GateOptions {
  ports: Pick<Ports, 'clock' | 'timers'>;
  store: Store;
  log: Log;
  file: GateFile;
  /** `region/replica`. */
  who: string;
  /** The configuration as this replica last read it; null: not yet. */
  cluster: () => ClusterConfig | null;
  /** Something that a human should mend; the same `subject` may come again. */
  onTrouble?: (subject: 'file' | 'store', because: string) => void;
}

/** What a gate is worth now. */
export interface GateStatus {
  /** The store has answered lately. */
  seesStore: boolean;
  /** Since the store last confirmed what is answered; null: it never did, and nothing is drained. */
  ageS: number | null;
  /** The same as an instant, by this machine's wall clock. */
  seenAtMs: number | null;
  /** Nothing was read from the store since the start: the answers are those of the file. */
  fromFile: boolean;
  services: number;
  /** Highest fence that is answered from; null: none. */
  fence: number | null;
  drained: readonly { service: string; pool: string; fence: number }[];
  /** Records of the store that are not followed, and why. */
  refused: readonly string[];
  /** Why a restart without a store would not answer as now; null: it would. */
  fileTrouble: string | null;
}

export interface Gate {
  /** From memory. */
  answer(service: string, pool: string): Answer;
  /** The same as in `status`, and as cheap as an answer. */
  age(): Pick<GateStatus, 'ageS' | 'seenAtMs' | 'seesStore'>;
  status(): GateStatus;
  close(): Promise<void>;
}

/** A watch may be silent for reasons of its own. */
export const GATE_LOOK_MS = 5000;
const READ_MS = 3000;
const RETRY_MS = 1000;
/** Watch events closer than this are one. */
const COALESCE_MS = 10;
/** Beyond this the store counts as lost: a look that failed, and the next. */
const SEEN_MS = GATE_LOOK_MS + 2 * READ_MS + RETRY_MS;
/** A page is for people. */
const REFUSED_SHOWN = 3;
/** A disk that hangs keeps no answer. */
const DISK_MS = 2000;
/** The file says when the store was last seen, though nothing else has changed, at least so often; and what could not be written is tried again. */
const SAVE_EVERY_MS = 60_000;
const SAVE_AGAIN_MS = 5000;

/** Reads its file first, so that its answers are those of before from the start. Never rejects: a file that cannot be used drains nothing. */
export const openGate = async (options: GateOptions): Promise<Gate> => {
  const { ports, store, log, file, who, cluster, onTrouble = () => undefined } = options;
  const stopped = new AbortController();
  let known: Known = NOTHING;
  let refused: readonly string[] = [];
  /** By the wall clock of an earlier process; monotonic and of this one once it has looked. */
  let fileSeenAtMs: number | null = null;
  let seenAtMonoMs: number | null = null;
  let fileTrouble: string | null = null;
  /** Something that is not ours lies where the file should be, and cannot be moved. */
  let isTaken = false;

  const age = (): Pick<GateStatus, 'ageS' | 'seenAtMs' | 'seesStore'> => {
    const wallMs = ports.clock.wallMs();
    if (seenAtMonoMs === null) {
      const ageMs = fileSeenAtMs === null ? null : Math.max(0, wallMs - fileSeenAtMs);
      return { ageS: ageMs === null ? null : ageMs / 1000, seenAtMs: fileSeenAtMs, seesStore: false };
    }
    const ageMs = ports.clock.monoMs() - seenAtMonoMs;
    return { ageS: ageMs / 1000, seenAtMs: wallMs - ageMs, seesStore: ageMs <= SEEN_MS };
  };

  const troubled = (because: string): void => {
    if (fileTrouble === null) log.error('gate.file', { because, meanwhile: 'the answers are right, and kept in memory only' });
    fileTrouble = because;
    onTrouble('file', because);
  };

  const load = async (): Promise<void> => {
    const text = await withDeadline(ports.timers, DISK_MS, 'reading the gate file', () => file.read());
    if (text === '') return;
    const memory = readMemory(text, who);
    if (typeof memory !== 'string') {
      known = memory.known;
      fileSeenAtMs = memory.seenAtMs;
      log.info('gate.remembered', { services: known.records.size, drained: drainsOf(known, null), ageS: age().ageS });
      return;
    }
    // A foreign file may be somebody's only copy of something.
    const because = `the gate file was not used: ${memory}; nothing is drained by it, and it is kept beside as .refused`;
    log.error('gate.file', { because });
    onTrouble('file', because);
    isTaken = true;
    await withDeadline(ports.timers, DISK_MS, 'putting the gate file aside', () => file.setAside());
    isTaken = false;
  };

  // ---- saving: one write at a time, always of the newest ----

  let saving: Promise<void> | null = null;
  let isStale = false;
  let saveTimer: Timer | null = null;

  const save = (): void => {
    if (isTaken) return;
    saveTimer?.cancel();
    isStale = true;
    saving ??= (async () => {
      while (isStale) {
        isStale = false;
        const text = memoryText({ known, seenAtMs: age().seenAtMs ?? 0 }, who);
        try {
          await withDeadline(ports.timers, DISK_MS, 'writing the gate file', () => file.replace(text));
          if (fileTrouble !== null) log.info('gate.file', { because: 'it is written again' });
          fileTrouble = null;
        } catch (error) {
          troubled(
            `the gate file cannot be written: ${errorText(error)}; after a restart without a store this gate would answer as it did before`,
          );
        }
      }
      saving = null;
      if (!stopped.signal.aborted) saveTimer = ports.timers.after(fileTrouble === null ? SAVE_EVERY_MS : SAVE_AGAIN_MS, saveIfSeen);
    })();
  };
  /** An age that only grows is in the file already. */
  const saveIfSeen = (): void => {
    if (age().seesStore || fileTrouble !== null) save();
    else saveTimer = ports.timers.after(SAVE_AGAIN_MS, saveIfSeen);
  };

  // ---- looking ----

  let isBlind = false;
  /** Of every record as last read, with its fence: a store that was put back may give a revision a second time, but no nonce. */
  let lastRevisions: string | null = null;
  const look = async (): Promise<boolean> => {
    const startedAtMs = ports.clock.monoMs();
    try {
      const query = { keys: [KEYS.adopted], prefixes: [GATE_PREFIX] };
      const { kvs } = await withDeadline(
        ports.timers,
        READ_MS,
        'a look at the gates',
        (signal) => store.get(query, signal),
        stopped.signal,
      );
      const adoption = kvs.find(({ key }) => key === KEYS.adopted)?.value as Adopted | undefined;
      const adopted = adoption === undefined ? null : { nonce: adoption.nonce, atMs: adoption.atMs };
      const revisions = kvs.map(({ key, mod, value }) => `${key} ${mod} ${(value as { fence?: unknown } | null)?.fence}`).join();
      // Most looks show nothing new, and a thousand records are not weighed for that while a checker waits for its answer.
      if (revisions === lastRevisions) seenAtMonoMs = startedAtMs;
      else {
        const records = kvs.filter(({ key }) => key.startsWith(GATE_PREFIX)).map(({ key, value }) => [serviceOfKey(key), value] as const);
        take(taken(known, { clusterId: store.clusterId, adopted }, new Map(records)), startedAtMs);
        lastRevisions = revisions;
      }
      if (isBlind) log.info('gate.sees', {});
      isBlind = false;
      return true;
    } catch (error) {
      if (!isBlind && !stopped.signal.aborted)
        log.warn('gate.blind', { because: errorText(error), meanwhile: 'the answers stay as they were' });
      isBlind = true;
      return false;
    }
  };

  const take = ({ next, isNews, refused: not }: ReturnType<typeof taken>, atMonoMs: number): void => {
    const isFirst = seenAtMonoMs === null;
    seenAtMonoMs = atMonoMs;
    known = next;
    if (not.length > 0 && not.join() !== refused.join()) {
      log.error('gate.refused', { because: not });
      const more = not.length > REFUSED_SHOWN ? `; and ${not.length - REFUSED_SHOWN} more` : '';
      onTrouble(
        'store',
        `${not.slice(0, REFUSED_SHOWN).join('; ')}${more}; answered as before until the store is adopted (tidegate adopt)`,
      );
    }
    refused = not;
    if (isNews) log.info('gate.answers', { drained: drainsOf(known, configuredOf(cluster())) });
    if (isNews || isFirst) save();
  };

  let wake: (() => void) | null = null;
  let isWoken = false;
  const watch = store.watch(GATE_PREFIX, () => {
    isWoken = true;
    wake?.();
  });
  const pause = async (ms: number): Promise<void> => {
    const due = new Promise<void>((resolve) => {
      const timer = ports.timers.after(ms, resolve);
      wake = () => {
        timer.cancel();
        resolve();
      };
    });
    if (!isWoken) await due;
    wake?.();
    wake = null;
    if (isWoken && !stopped.signal.aborted) await sleep(ports.timers, COALESCE_MS);
    isWoken = false;
  };

  await load().catch((error: unknown) => troubled(`the gate file cannot be read: ${errorText(error)}`));
  const life = (async () => {
    while (!stopped.signal.aborted) {
      const isSeen = await look();
      if (!stopped.signal.aborted) await pause(isSeen ? GATE_LOOK_MS : RETRY_MS);
    }
  })();

  return {
    answer: (service, pool) => answerOf(known, configuredOf(cluster()), service, pool),
    age,
    status() {
      const configured = configuredOf(cluster());
      const records = answering(known, configured);
      return {
        ...age(),
        fromFile: seenAtMonoMs === null && fileSeenAtMs !== null,
        services: records.length,
        fence: highestFence(records),
        drained: drainsOf(known, configured),
        refused,
        fileTrouble,
      };
    },
    async close() {
      stopped.abort(new Error('stopping'));
      watch.close();
      saveTimer?.cancel();
      isWoken = true;
      (wake as (() => void) | null)?.();
      await life;
      await saving;
    },
  };
};
