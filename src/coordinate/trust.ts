// Which votes and beats count. In a region with keys only what the region signed, for this place, by a process that has not been superseded, and with a
// beat that is no old one written again: by the newest revision its writer had seen, and by what was heard of that replica before. In a region without
// keys whatever has the right shape. Verifies each record once. Freshness of what counts is src/health/chamber.ts.
import { z } from 'zod';
import type { Beat, Vote } from '../model.ts';
import type { KeyValue } from '../store/store.ts';
import type { RevisionClock } from './revision-clock.ts';
import { createVerifier, type SignedKind, type SignedPlace, type Verifier } from './signing.ts';

/** Why a record in the store is not counted. */
export interface Refusal {
  key: string;
  because: string;
  /** Not signed by its region, or of no shape. Else it is genuine but old: written again by somebody, or long under way. */
  isForged: boolean;
}

/** A replica's two records as they were read, and what is asked of them. */
export interface Testimony {
  place: SignedPlace;
  /** The region's keys; none: nothing needs to be signed. */
  keys: readonly string[];
  vote: KeyValue;
  beat: KeyValue | undefined;
  /** Oldest knowledge of the store that a beat may rest on, ms. */
  knowledgeMaxMs: number;
}

/** What is left of them. `vote` null: the replica is not heard at all; `beat` null: it is silent. */
export interface Credible {
  vote: Vote | null;
  beat: Beat | null;
  refused: readonly Refusal[];
}

export interface Trust {
  weigh(testimony: Testimony, clock: Pick<RevisionClock, 'ageMs' | 'leastAgeMs'>, nowMs: number): Credible;
  /** The store was restored: what was heard before is of another history. */
  forget(): void;
}

const texts = z.array(z.string());
const count = z.int().nonnegative();
const spoken = { boot: z.string(), bootN: count.optional(), seq: count, configVersion: count, signature: z.string().optional() };
/** Of the version that a replica says it runs: it is shown to humans, and nothing is decided by it. */
const VERSION_CHARS_MAX = 64;
const SHAPES = {
  vote: z.looseObject({
    ...spoken,
    self: z.union([z.looseObject({ state: z.literal('ok') }), z.looseObject({ state: z.literal('abstain'), because: z.string() })]),
    peers: texts,
    down: texts,
    unready: texts,
    unknown: texts,
    gray: texts.optional(),
  }),
  beat: z.looseObject({
    ...spoken,
    n: count,
    asOfRev: count.optional(),
    suspects: z.record(z.string(), z.looseObject({ firstFaultAgeMs: z.number(), lastOkAgeMs: z.number().nullable(), faults: z.number() })),
    loopDelayMs: z.number(),
    wallMs: z.number(),
    version: z.string().max(VERSION_CHARS_MAX).optional(),
  }),
} as const;

/** Whether a record has the shape of its kind, by the record: several readers may be handed the same. */
const shaped: Record<SignedKind, WeakMap<object, boolean>> = { vote: new WeakMap(), beat: new WeakMap() };

const hasShape = (kind: SignedKind, value: unknown): boolean => {
  if (typeof value !== 'object' || value === null) return false;
  let has = shaped[kind].get(value);
  if (has === undefined) {
    has = SHAPES[kind].safeParse(value).success;
    shaped[kind].set(value, has);
  }
  return has;
};

/** Records whose judgement is kept: far more than the replicas of a cluster write. */
const JUDGED_MAX = 4096;
/** Replicas whose last word is kept. */
const HEARD_MAX = 1024;

interface Heard {
  boot: string;
  bootN: number;
  seq: number;
  n: number;
}

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;

export const createTrust = (verifier: Verifier = createVerifier()): Trust => {
  const judged = new Map<string, { mod: number; keys: readonly string[]; because: string | null }>();
  const heard = new Map<string, Heard>();

  const judge = (kind: SignedKind, { value }: KeyValue, place: SignedPlace, keys: readonly string[]): string | null => {
    if (!hasShape(kind, value)) return `it is no ${kind}`;
    if (keys.length === 0 || verifier.isGenuine(kind, place, value, keys)) return null;
    return `it is not signed by a key of ${place.region}`;
  };

  /** Why this record is none of its place; null when it is. The same keys are the same array as long as the configuration stands. */
  const whyFalse = (kind: SignedKind, record: KeyValue, place: SignedPlace, keys: readonly string[]): string | null => {
    const known = judged.get(record.key);
    if (known?.mod === record.mod && known.keys === keys) return known.because;
    if (judged.size >= JUDGED_MAX) judged.clear();
    const because = judge(kind, record, place, keys);
    judged.set(record.key, { mod: record.mod, keys, because });
    return because;
  };

  /** Why a genuine beat is an old one; remembers it if it is not. */
  const whyReplayed = (beat: Beat, place: SignedPlace): string | null => {
    const { boot, bootN = 0, seq, n } = beat;
    const name = `${place.region}/${place.replica}`;
    const last = heard.get(name);
    if (last !== undefined) {
      if (bootN < last.bootN) return `it is of boot ${bootN}, and boot ${last.bootN} has spoken`;
      if (bootN === last.bootN && boot !== last.boot) return `two processes call themselves boot ${bootN}`;
      if (bootN === last.bootN && (n < last.n || seq < last.seq))
        return `it is number ${n} of its boot, and number ${last.n} was heard before`;
    }
    heard.delete(name);
    heard.set(name, { boot, bootN, seq, n });
    const [oldest] = heard.keys();
    if (heard.size > HEARD_MAX && oldest !== undefined) heard.delete(oldest);
    return null;
  };

  const whyNoBeatOf = (vote: Vote, beat: Beat, mod: number): string | null => {
    if (beat.bootN === undefined || beat.asOfRev === undefined) return 'it names no boot number or no revision, as a signed beat must';
    if (beat.asOfRev >= mod) return `it knows revision ${beat.asOfRev}, and was written at ${mod}: it is of a history that this store lost`;
    if (vote.boot !== beat.boot || vote.bootN !== beat.bootN)
      return `it is of boot ${beat.bootN}, and the vote beside it of boot ${vote.bootN}`;
    return null;
  };

  return {
    weigh({ place, keys, vote: voteKv, beat: beatKv, knowledgeMaxMs }, clock, nowMs) {
      const falseVote = whyFalse('vote', voteKv, place, keys);
      if (falseVote !== null) return { vote: null, beat: null, refused: [{ key: voteKv.key, because: falseVote, isForged: true }] };
      const vote = voteKv.value as Vote;
      const mute = (because?: string, isForged = false): Credible => ({
        vote,
        beat: null,
        refused: because === undefined || beatKv === undefined ? [] : [{ key: beatKv.key, because, isForged }],
      });
      if (beatKv === undefined) return mute();
      const falseBeat = whyFalse('beat', beatKv, place, keys);
      if (falseBeat !== null) return mute(falseBeat, true);
      const beat = beatKv.value as Beat;
      if (keys.length === 0) return { vote, beat, refused: [] };
      const because = whyNoBeatOf(vote, beat, beatKv.mod) ?? whyReplayed(beat, place);
      if (because !== null) return mute(because);
      const asOfRev = beat.asOfRev ?? 0;
      if (clock.ageMs(asOfRev, nowMs) <= knowledgeMaxMs) return { vote, beat, refused: [] };
      // Too old, or from before anything that this process has read. What was too old already when it was written must have been written again by
      // somebody; the last beat of a replica that fell silent only grows old.
      const isAgain = clock.leastAgeMs(asOfRev, nowMs) - clock.ageMs(beatKv.mod, nowMs) > knowledgeMaxMs;
      return mute(
        isAgain
          ? `its writer had seen revision ${asOfRev} last, which is older than ${seconds(knowledgeMaxMs)}: somebody wrote an old beat again, or its writer slept`
          : undefined,
      );
    },
    forget() {
      judged.clear();
      heard.clear();
    },
  };
};
