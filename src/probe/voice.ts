// What this replica writes: its vote and its beat, in one transaction at a time, always the newest content, signed right before it is written. Guarded on
// its own records, so that a late write of ours cannot undo a newer one, and on the boot record, so that nobody speaks under a name another has taken.
// Decides nothing of what is said. A store that does not answer makes the vote stale, which is safe.
import { beatKey, bootKey, voteKey } from '../coordinate/keys.ts';
import type { Signer } from '../coordinate/signing.ts';
import { errorText } from '../errors.ts';
import type { Beat, Boot, Vote } from '../model.ts';
import { sleep, type Timer, withDeadline } from '../ports.ts';
import type { Op, Read } from '../store/store.ts';
import { createTrouble } from '../trouble.ts';
import { type NameOptions, takeName } from './name.ts';

export interface VoiceOptions extends NameOptions {
  /** Name of the cluster: signatures cover it. */
  cluster: () => string;
  signer: Signer | null;
  /** The program's own; absent: beats do not say. */
  version?: string;
  /** Newest revision of the store that this process has seen. */
  seenRev: () => number;
  /** Called right before anything is written: who stood still since it was said may say something else first. */
  onWriting: () => void;
  /** The name is another's, from the start or since a while: nothing is written any more. */
  onNameTaken: (because: string) => void;
}

export interface Voice {
  /** Keeps what is to be written; `vote` is null when it has not changed, `beat` is made when it is written. Writes as soon as this replica may speak. */
  say(vote: Vote | null, beat: () => Beat): void;
  /** From now on it may speak: takes the name first. */
  open(): void;
  /** Takes its word back and frees the name, within STOP_MS. */
  stop(): Promise<void>;
}

const WRITE_RETRY_MS = 500;
/**
 * A vote that names more targets than this is written at most so often. A region of thousands that dies changes it with nearly every look, and each time
 * all others read all of it.
 */
const [LONG_NAMES, LONG_EVERY_MS] = [256, 250];
/** Telling the others that this replica stops takes this long at most: a store out of reach must not keep the process. */
const STOP_MS = 1000;

const namedIn = ({ down, unready, unknown }: Vote): number => down.length + unready.length + unknown.length;

export const createVoice = (options: VoiceOptions): Voice => {
  const { ports, store, log, region, replica, boot, signer } = options;
  const [bootAt, voteAt, beatAt] = [bootKey(region, replica), voteKey(region, replica), beatKey(region, replica)];
  const stopped = new AbortController();
  let vote: Vote | null = null;
  let beat: (() => Beat) | null = null;
  let unsent = { vote: false, beat: false };
  let name: { n: number; mod: number } | null = null;
  /** The highest number this process has had: a store that lost records must not make it speak under an older one. */
  let highestN = 0;
  let mods: { vote: number; beat: number } | null = null;
  /** What our vote in the store is signed by: with another key it has to be written anew, before the old one stops counting. */
  let votedWith: string | null = null;
  let state: 'closed' | 'open' | 'silenced' = 'closed';
  let writing: Promise<void> | null = null;
  const trouble = createTrouble(log, 'vantage.write');
  /** One for all writes that failed: each with a row of retries of its own would be a storm upon a store that is ill. */
  let again: Timer | null = null;

  const silence = (because: string): void => {
    if (state === 'silenced') return;
    state = 'silenced';
    log.error('vantage.name_taken', { because });
    options.onNameTaken(because);
  };

  const seen = <T extends { rev: number }>(result: T): T => {
    options.saw(result.rev);
    return result;
  };

  const signed = <T extends Vote | Beat>(kind: 'vote' | 'beat', record: T): T =>
    signer === null ? record : { ...record, signature: signer.sign(kind, { cluster: options.cluster(), region, replica }, record) };

  const beatOf = (content: Beat, bootN: number): Beat => ({
    ...content,
    bootN,
    asOfRev: options.seenRev(),
    ...(options.version === undefined ? {} : { version: options.version }),
  });

  /** The name, and the revisions of our own records; null when it is another's. */
  const prepared = async (): Promise<{ n: number; boot: number; vote: number; beat: number } | null> => {
    if (name !== null && mods === null) await recall(name);
    if (name === null && state === 'open') {
      const found = await takeName(options, highestN, stopped.signal);
      if (found.taken) silence(found.because);
      else {
        name = { n: found.n, mod: found.mod };
        highestN = found.n;
        log.info('vantage.name', { n: found.n });
        mods = modsOf(seen(await store.get({ keys: [voteAt, beatAt] }, stopped.signal)));
      }
    }
    return name === null || mods === null || state !== 'open' ? null : { n: name.n, boot: name.mod, ...mods };
  };

  const modsOf = (read: Read): { vote: number; beat: number } => {
    const mod = (key: string): number => read.kvs.find((kv) => kv.key === key)?.mod ?? 0;
    return { vote: mod(voteAt), beat: mod(beatAt) };
  };

  /** In doubt about our own records: reads them again, and whether the name is still ours. */
  const recall = async (mine: { n: number }): Promise<void> => {
    const read = seen(await store.get({ keys: [bootAt, voteAt, beatAt] }, stopped.signal));
    const record = read.kvs.find((kv) => kv.key === bootAt);
    const holder = record?.value as Boot | undefined;
    mods = modsOf(read);
    if (record !== undefined && holder?.boot === boot) name = { n: holder.n, mod: record.mod };
    else if (holder !== undefined && holder.n > mine.n)
      silence(
        `${region}/${replica} has been taken by another process: boot ${holder.boot} is start ${holder.n} under this name, this one (boot ${boot}) was ${mine.n}`,
      );
    // The store has lost what we wrote: an older one was put in its place. Nobody has taken the name from us.
    else name = null;
  };

  const write = async (): Promise<void> => {
    const due = unsent;
    unsent = { vote: false, beat: false };
    try {
      const ready = await prepared();
      if (ready !== null) options.onWriting();
      // Whatever was said while the name was being taken is newer.
      if (ready === null || vote === null || beat === null) return;
      const key = signer?.publicKey ?? null;
      const withVote = due.vote || unsent.vote || key !== votedWith;
      unsent = { vote: false, beat: false };
      const then: Op[] = [
        ...(withVote ? [{ put: voteAt, value: signed('vote', { ...vote, bootN: ready.n }) }] : []),
        { put: beatAt, value: signed('beat', beatOf(beat(), ready.n)) },
      ];
      const conditions = [
        { key: bootAt, mod: ready.boot },
        { key: voteAt, mod: ready.vote },
        { key: beatAt, mod: ready.beat },
      ];
      const result = seen(await store.txn({ if: conditions, then }, stopped.signal));
      if (!result.ok) throw new Error('our own records changed since we wrote them');
      mods = { vote: withVote ? result.rev : ready.vote, beat: result.rev };
      votedWith = key;
      trouble.over();
      if (withVote && namedIn(vote) > LONG_NAMES) await sleep(ports.timers, LONG_EVERY_MS, stopped.signal).catch(() => undefined);
    } catch (error) {
      // In doubt or refused: learn the revisions again and write the newest content. Until then this vantage goes stale, which is safe.
      mods = null;
      if (stopped.signal.aborted) return;
      unsent = { ...unsent, vote: true };
      trouble.tell(error);
      again ??= ports.timers.after(WRITE_RETRY_MS, retry);
    }
  };

  const retry = (): void => {
    again = null;
    unsent = { vote: true, beat: true };
    flush();
  };

  const flush = (): void => {
    if (state !== 'open' || stopped.signal.aborted || !unsent.beat) return;
    writing ??= write().finally(() => {
      writing = null;
      flush();
    });
  };

  /** The last word: this replica says nothing any more, and its name is free. What it wrote before must be out of the way of who owns its targets now. */
  const farewell = async (mine: { n: number; mod: number }, signal: AbortSignal): Promise<void> => {
    const record: Boot = { n: mine.n, boot, nonce: `${boot}.${mine.n}.stopped`, stopped: true };
    const seq = (vote?.seq ?? 0) + 1;
    const lastBeat = beat?.();
    const last: Op[] =
      vote === null || lastBeat === undefined
        ? []
        : [
            {
              put: voteAt,
              value: signed('vote', {
                ...vote,
                seq,
                bootN: mine.n,
                self: { state: 'abstain', because: 'stopped in good order' },
                down: [],
                unready: [],
                unknown: [],
              }),
            },
            {
              put: beatAt,
              value: signed('beat', beatOf({ ...lastBeat, seq, n: lastBeat.n + 1, suspects: {} }, mine.n)),
            },
          ];
    await store.txn({ if: [{ key: bootAt, mod: mine.mod }], then: [{ put: bootAt, value: record }, ...last] }, signal);
  };

  return {
    say(nextVote, nextBeat) {
      vote = nextVote ?? vote;
      beat = nextBeat;
      unsent = { vote: unsent.vote || nextVote !== null, beat: true };
      flush();
    },
    open() {
      if (state !== 'closed') return;
      state = 'open';
      flush();
    },
    async stop() {
      // A beat under way is of no more use to anybody.
      stopped.abort(new Error('stopping'));
      again?.cancel();
      await writing;
      const mine = name;
      if (mine === null || state !== 'open') return;
      await withDeadline(ports.timers, STOP_MS, 'the last word', (signal) => farewell(mine, signal)).catch((error: unknown) => {
        log.warn('vantage.farewell', { because: errorText(error) });
      });
    },
  };
};
