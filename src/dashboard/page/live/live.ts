// What the page knows, and how fresh that is. The stream of events says that something happened; the overview is then asked for again, at most once a second.
// The stream is resumed from the last event, at whatever replica the page speaks with: ids hold everywhere.
import { batch, computed, signal } from '@preact/signals';
import { after, every, isVisible, monoMs, onReturn, request, wallMs } from '../browser.ts';
import { sharing } from '../same.ts';
import type { Happening, Me, Overview, SignIn } from '../types.ts';
import { get, headersOf, problemOf, Refused } from './api.ts';
import { eventParser, type StreamEvent } from './events.ts';
import { base, elsewhere, isLocked, me, token, ways } from './session.ts';

export const overview = signal<Overview | null>(null);
/** The newest first. */
export const happenings = signal<readonly (Happening & { id: string | null })[]>([]);
/** What went wrong with the last try; null: it went well. */
export const trouble = signal<string | null>(null);
export const isStreaming = signal(false);
/** Of the last event, as the stream and the audit count: `v41.j7`. */
export const lastId = signal<string | null>(null);

/** Both clocks: one may stand still while the machine sleeps, the other may be set back. */
const clocks = () => ({ mono: monoMs(), wall: wallMs() });
type Clocks = ReturnType<typeof clocks>;
const between = (from: Clocks, to: Clocks): number => Math.max(0, to.mono - from.mono, to.wall - from.wall);

const heard = signal<Clocks | null>(null);
/** About once a second while somebody looks. */
const tick = signal(clocks());

/** How old what is shown is. */
export const dataAgeMs = computed(() => (heard.value === null ? null : between(heard.value, tick.value)));
const STALE_MS = 12_000;
export const isStale = computed(
  () => (dataAgeMs.value ?? 0) > STALE_MS || (trouble.value !== null && (dataAgeMs.value ?? STALE_MS) > STALE_MS / 2),
);
/** Cluster time now, as far as the last answer tells. */
export const nowMs = computed(() => (overview.value?.clusterTimeMs ?? 0) + (dataAgeMs.value ?? 0));

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

let askedAtMs = Number.NEGATIVE_INFINITY;
let isAsking = false;
let isDue = false;
let failures = 0;
let unschedule = (): void => undefined;
let hangUp = (): void => undefined;

const words = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Nothing of what the last reader saw stays. */
export const forget = (): void =>
  batch(() => {
    me.value = null;
    overview.value = null;
    happenings.value = [];
    untold = [];
  });

const failed = (error: unknown): void => {
  if (error instanceof Refused && error.problem.status === 401) {
    batch(() => {
      isLocked.value = true;
      token.value = null;
      forget();
    });
    hangUp();
    return;
  }
  failures += 1;
  trouble.value = words(error);
};

const refresh = async (): Promise<void> => {
  if (isAsking || isLocked.value) {
    isDue = true;
    return;
  }
  isAsking = true;
  isDue = false;
  askedAtMs = monoMs();
  const [from, as] = [base(), token.value];
  // An answer to whoever looked before, or from elsewhere, is not for this page.
  const isWanted = (): boolean => from === base() && as === token.value && !isLocked.value;
  try {
    const next = await get<Overview>('/v1/overview');
    if (!isWanted()) return;
    batch(() => {
      overview.value = sharing(overview.value, next);
      heard.value = clocks();
      tick.value = clocks();
      trouble.value = null;
    });
    failures = 0;
    me.value ??= await get<Me>('/v1/me');
  } catch (error) {
    if (isWanted()) failed(error);
  } finally {
    isAsking = false;
    plan(
      isDue ? GAP_MS : failures > 0 ? (RETRY_MS[Math.min(failures, RETRY_MS.length) - 1] ?? 5_000) : isVisible() ? POLL_MS : POLL_HIDDEN_MS,
    );
  }
};

const plan = (ms: number): void => {
  unschedule();
  unschedule = after(ms, () => void refresh());
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
  if (type !== 'stream.closed') lookSoon();
};

/** Reads one stream to its end. */
const listen = async (cancel: AbortController): Promise<void> => {
  const headers = headersOf({ accept: 'text/event-stream', ...(lastId.value === null ? {} : { 'last-event-id': lastId.value }) });
  const answer = await request(`${base()}/v1/events`, { headers }, 8_000, cancel.signal);
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
    try {
      await listen(cancel);
    } catch (error) {
      if (own === line && error instanceof Refused && error.problem.status === 401) return failed(error);
    }
    tries = monoMs() - openedAtMs > 5_000 ? 0 : tries + 1;
    if (own === line) after(RETRY_MS[Math.min(tries, RETRY_MS.length - 1)] ?? 5_000, () => void again());
  };
  void again();
};

/** Asks afresh who looks and what is so: at the start, after a sign-in, after going elsewhere. */
export const begin = async (): Promise<void> => {
  hangUp();
  unschedule();
  isLocked.value = false;
  try {
    ways.value ??= await get<SignIn>('/v1/sign-in');
    me.value = await get<Me>('/v1/me');
  } catch (error) {
    failed(error);
  }
  if (isLocked.value) return;
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

/** Starts the clock of the page, and wakes up with whoever looks. */
export const start = (): void => {
  let ticked = clocks();
  every(1_000, () => {
    const at = clocks();
    // The machine slept: what was connected is not any more.
    if (between(ticked, at) > SLEPT_MS && isVisible()) void begin();
    ticked = at;
    if (isVisible()) tick.value = at;
  });
  onReturn(() => {
    tick.value = clocks();
    if (!isStreaming.value) keepListening();
    lookSoon();
  });
  void begin();
};
