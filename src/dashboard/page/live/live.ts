// What the page knows, and how fresh that is. The stream of events says that something happened; the overview is then asked for again, at most once a second.
// The stream is resumed from the last event, at whatever replica the page speaks with: ids hold everywhere.
import { batch, computed, signal } from '@preact/signals';
import { after, every, isVisible, monoMs, onReturn, requestStream, wallMs } from '../browser.ts';
import { sharing } from '../same.ts';
import type { Happening, Me, Overview, SignIn } from '../types.ts';
import { get, headersOf, problemOf, Refused } from './api.ts';
import { eventParser, type StreamEvent } from './events.ts';
import { base, elsewhere, isLocked, me, reader, token, ways } from './session.ts';

export const overview = signal<Overview | null>(null);
/** The newest first. */
export const happenings = signal<readonly (Happening & { id: string | null })[]>([]);
/** What went wrong with the last try, and whether the replica said it; null: it went well. */
export const trouble = signal<{ says: string; isAnswer: boolean } | null>(null);
export const isStreaming = signal(false);
/** Of the last event, as the stream and the audit count: `v41.j7`. */
export const lastId = signal<string | null>(null);
/** How often the stream had to begin anew: what happened before is not all among the happenings. */
export const resets = signal(0);

/** Both clocks: one may stand still while the machine sleeps, the other may be set back. */
const clocks = () => ({ mono: monoMs(), wall: wallMs() });
type Clocks = ReturnType<typeof clocks>;
const between = (from: Clocks, to: Clocks): number => Math.max(0, to.mono - from.mono, to.wall - from.wall);

const heard = signal<Clocks | null>(null);
/** Since when a question is not answered; null: none is. */
const waiting = signal<Clocks | null>(null);
/** About once a second while somebody looks. */
const tick = signal(clocks());

const heardAgoMs = computed(() => (heard.value === null ? null : between(heard.value, tick.value)));
/** It answers, and has itself lost the store: so old was all that it knew. null: it has not. */
export const isCutOffMs = computed(() => overview.value?.banner.cutOffMs ?? null);
/** How old what is shown is. */
export const dataAgeMs = computed(() => (heardAgoMs.value === null ? null : heardAgoMs.value + (isCutOffMs.value ?? 0)));
const STALE_MS = 12_000;
const PATIENCE_MS = 3_000;
/** The last answer is old. */
export const isUnheard = computed(
  () => (heardAgoMs.value ?? 0) > STALE_MS || (trouble.value !== null && (heardAgoMs.value ?? STALE_MS) > STALE_MS / 2),
);
/** What is shown is old. */
export const isStale = computed(() => isCutOffMs.value !== null || isUnheard.value);
/** And that is its replica's fault. Whoever was not asked while nobody looked is only asked now. */
export const isFailing = computed(
  () =>
    isStale.value &&
    (isCutOffMs.value !== null || trouble.value !== null || (waiting.value !== null && between(waiting.value, tick.value) > PATIENCE_MS)),
);
/** Cluster time now, as far as the last answer tells. */
export const nowMs = computed(() => (overview.value?.clusterTimeMs ?? 0) + (heardAgoMs.value ?? 0));

const GAP_MS = 1_000;
const POLL_MS = 5_000;
const POLL_HIDDEN_MS = 30_000;
const HAPPENINGS_MAX = 200;
const TELL_MS = 500;
/** Two heartbeats and a bit. */
const SILENCE_MS = 40_000;
/** A second that took so long was a sleep. */
const SLEPT_MS = 10_000;
const RETRY_MS = [500, 1_000, 2_000, 5_000];
/** Longer than that nobody is left without an answer because a replica wished it. */
const WAIT_MS_MAX = 30_000;

let askedAtMs = Number.NEGATIVE_INFINITY;
let isAsking = false;
let isDue = false;
let isBeginning = false;
let failures = 0;
/** Until then it does not want to be asked. */
let againAtMs = Number.NEGATIVE_INFINITY;
let unschedule = (): void => undefined;
let hangUp = (): void => undefined;
/** Of one reader at one replica: another reader or replica ends every question of it, so that no answer to one is taken for the other. */
let round = new AbortController();

const words = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Nothing of what the last reader saw stays. */
export const forget = (): void =>
  batch(() => {
    me.value = null;
    overview.value = null;
    happenings.value = [];
    untold = [];
    reader.value += 1;
  });

const newRound = (): AbortSignal => {
  round.abort();
  round = new AbortController();
  hangUp();
  unschedule();
  isAsking = false;
  isDue = false;
  isBeginning = false;
  return round.signal;
};

const lock = (): void => {
  newRound();
  batch(() => {
    isLocked.value = true;
    token.value = null;
    forget();
  });
};

const waitOf = (error: unknown): number => (error instanceof Refused ? (Number(error.problem.retryAfterS) || 0) * 1_000 : 0);

const failed = (error: unknown): void => {
  if (error instanceof Refused && error.problem.status === 401) {
    lock();
    return;
  }
  failures += 1;
  againAtMs = monoMs() + Math.min(waitOf(error), WAIT_MS_MAX);
  trouble.value = { says: words(error), isAnswer: error instanceof Refused };
};

/** What there is to go on with is learnt before it is needed. */
const learnWays = async (signal: AbortSignal): Promise<void> => {
  if (ways.value !== null) return;
  const found = await get<SignIn>('/v1/sign-in', signal);
  if (!signal.aborted) ways.value = found;
};
const learnMe = async (signal: AbortSignal): Promise<void> => {
  const found = await get<Me>('/v1/me', signal);
  if (!signal.aborted) me.value = found;
};

const refresh = async (): Promise<void> => {
  if (isAsking || isLocked.value) {
    isDue = true;
    return;
  }
  const { signal } = round;
  isAsking = true;
  isDue = false;
  askedAtMs = monoMs();
  waiting.value ??= clocks();
  void learnWays(signal).catch(() => undefined);
  try {
    const next = await get<Overview>('/v1/overview', signal);
    if (signal.aborted) return;
    batch(() => {
      overview.value = sharing(overview.value, next);
      heard.value = clocks();
      tick.value = clocks();
      trouble.value = null;
      waiting.value = null;
    });
    failures = 0;
    if (me.value === null) await learnMe(signal);
  } catch (error) {
    if (!signal.aborted) failed(error);
  } finally {
    if (!signal.aborted) {
      isAsking = false;
      plan(
        failures > 0
          ? (RETRY_MS[Math.min(failures, RETRY_MS.length) - 1] ?? 5_000)
          : isDue
            ? GAP_MS
            : isVisible()
              ? POLL_MS
              : POLL_HIDDEN_MS,
      );
    }
  }
};

const plan = (ms: number): void => {
  unschedule();
  unschedule = after(Math.max(ms, againAtMs - monoMs()), () => void refresh());
};

/** Something changed: soon, and not more often than once a second. */
export const lookSoon = (): void => {
  if (isAsking) isDue = true;
  else plan(Math.max(0, askedAtMs + GAP_MS - monoMs()));
};

let untold: readonly (Happening & { id: string | null })[] = [];
/** In an outage there are many a second: they are shown together. */
const tell = (): void => {
  happenings.value = [...untold, ...happenings.value].slice(0, HAPPENINGS_MAX);
  untold = [];
};

const hear = ({ id, type, data }: StreamEvent): void => {
  if (id !== null && id !== '') lastId.value = id;
  if (!type.startsWith('stream.')) {
    if (untold.length === 0) after(TELL_MS, tell);
    untold = [{ ...(JSON.parse(data) as Happening), id }, ...untold];
  }
  if (type === 'stream.reset') resets.value += 1;
  if (type !== 'stream.closed') lookSoon();
};

/** Reads one stream to its end. */
const listen = async (cancel: AbortController): Promise<void> => {
  const headers = headersOf({ accept: 'text/event-stream', ...(lastId.value === null ? {} : { 'last-event-id': lastId.value }) });
  const answer = await requestStream(`${base()}/v1/events`, { headers }, 8_000, cancel.signal);
  if (!answer.ok) throw new Refused(await problemOf(answer));
  const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
  if (reader === undefined) return;
  const parser = eventParser();
  let quiet = after(SILENCE_MS, () => cancel.abort());
  isStreaming.value = true;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      quiet();
      quiet = after(SILENCE_MS, () => cancel.abort());
      batch(() => {
        for (const event of parser.push(value)) hear(event);
      });
    }
  } finally {
    quiet();
    cancel.abort();
    isStreaming.value = false;
  }
};

let line = 0;
/** Keeps a stream open until it is hung up. */
const keepListening = (): void => {
  hangUp();
  line += 1;
  const own = line;
  let cancel = new AbortController();
  let tries = 0;
  hangUp = () => {
    line += 1;
    cancel.abort();
  };
  const again = async (): Promise<void> => {
    if (own !== line || isLocked.value) return;
    cancel = new AbortController();
    const openedAtMs = monoMs();
    let waitMs = 0;
    try {
      await listen(cancel);
    } catch (error) {
      if (own === line && error instanceof Refused && error.problem.status === 401) return failed(error);
      waitMs = Math.min(waitOf(error), WAIT_MS_MAX);
    }
    tries = monoMs() - openedAtMs > 5_000 ? 0 : tries + 1;
    if (own === line) after(Math.max(waitMs, RETRY_MS[Math.min(tries, RETRY_MS.length - 1)] ?? 5_000), () => void again());
  };
  void again();
};

/** Asks afresh who looks and what is so: at the start, after a sign-in, after going elsewhere. */
export const begin = async (): Promise<void> => {
  const signal = newRound();
  isBeginning = true;
  againAtMs = Number.NEGATIVE_INFINITY;
  isLocked.value = false;
  waiting.value = clocks();
  try {
    await learnWays(signal);
    await learnMe(signal);
  } catch (error) {
    if (!signal.aborted) failed(error);
  }
  if (signal.aborted || isLocked.value) return;
  isBeginning = false;
  keepListening();
  void refresh();
};

/** Speaks with another region from now on, with the same credentials. */
export const goTo = (region: string, url: string): void => {
  elsewhere.value = { region, url };
  failures = 0;
  trouble.value = null;
  void begin();
};

/** Starts the clock of the page, and wakes up with whoever looks. Whoever is signing in is not disturbed. */
export const start = (): void => {
  let ticked = clocks();
  every(1_000, () => {
    const at = clocks();
    // The machine slept: what was connected is not any more.
    if (between(ticked, at) > SLEPT_MS && isVisible() && !isLocked.value) void begin();
    ticked = at;
    if (isVisible()) tick.value = at;
  });
  onReturn(() => {
    tick.value = clocks();
    if (isLocked.value) return;
    if (isBeginning) return void begin();
    if (!isStreaming.value) keepListening();
    lookSoon();
  });
  void begin();
};
