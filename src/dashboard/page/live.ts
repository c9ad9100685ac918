// What the page is in touch with: who looks, what the address asks for, the replica that answers, how fresh its answers are.
import { batch, computed, effect, signal } from '@preact/signals';
import { useEffect, useRef, useState } from 'preact/hooks';
import {
  after,
  every,
  fragment,
  freshBytes,
  freshKey,
  go,
  isSecure,
  isVisible,
  monoMs,
  onFragment,
  onReturn,
  origin,
  query,
  recall,
  remember,
  request,
  requestStream,
  setFragment,
  sha256,
  wallMs,
  whenSeen,
} from './browser.ts';
import type { Asked } from './parts.ts';
import { type Away, awayUrl, backFrom, base64url, eventParser, nonceOf, paced, type StreamEvent } from './protocol.ts';
import type { Happening, Me, Overview, Problem, SignIn } from './types.ts';
import { sharing } from './words.ts';

// ---- who looks ----
// Who looks, with which replica the page speaks, and what he may do. The token lives in the memory of this page and nowhere else: closing or loading it again
// forgets it.

export const token = signal<string | null>(null);
export const me = signal<Me | null>(null);
/** What this replica lets one sign in with; null: not asked yet. */
export const ways = signal<SignIn | null>(null);
/** What is forgotten, too, when somebody signs out. */
export const forgetting = new Set<() => void>();
/** The how many-th reader looks: what panels hold for themselves goes with the last one. */
export const reader = signal(1);
/** It wants credentials before it shows anything. */
export const isLocked = signal(false);

/** Where the page goes on after its own region was lost: a region and its address; null: where it came from. */
export const elsewhere = signal<{ region: string; url: string } | null>(null);
const base = (): string => elsewhere.value?.url ?? origin();

const RANK = ['viewer', 'operator', 'approver', 'admin'];
export const may = (role: Me['role']): boolean => me.value !== null && RANK.indexOf(me.value.role) >= RANK.indexOf(role);
export const isOperator = computed(() => may('operator'));
export const isApprover = computed(() => may('approver'));

// ---- the address ----
// What the address asks for, behind the `#`: `incident=…&service=…`. So a link leads a colleague to the same place.

const read = (): Readonly<Record<string, string>> => Object.fromEntries(new URLSearchParams(fragment()));

export const asked = signal(read());
onFragment(() => {
  asked.value = read();
});

/** null takes it out. */
export const want = (name: string, value: string | null): void => {
  const next = new URLSearchParams(asked.value);
  if (value === null) next.delete(name);
  else next.set(name, value);
  setFragment(next.toString());
  asked.value = Object.fromEntries(next);
};

// ---- requests ----
// Requests to the replica that this page speaks with, and what it says when it refuses.

export class Refused extends Error {
  readonly problem: Problem;
  constructor(problem: Problem) {
    super(problem.detail === '' ? problem.title : problem.detail);
    this.problem = problem;
  }
}

/** Of this page itself, before anybody is asked. */
const refusal = (detail: string): Refused => new Refused({ title: 'It did not work', detail, code: '', status: 0 });

const ANSWER_MS = 8_000;

interface Ask {
  method?: 'GET' | 'POST' | 'PUT' | 'DELETE';
  body?: unknown;
  headers?: Readonly<Record<string, string>>;
  signal?: AbortSignal;
  /** What takes longer than most. */
  ms?: number;
}

const headersOf = (given: Readonly<Record<string, string>> = {}): Record<string, string> => ({
  ...(token.value === null ? {} : { authorization: `Bearer ${token.value}` }),
  ...given,
});

/** The answer as it is. Throws Refused for what the API refuses, Error for a replica that does not answer. */
export const ask = async (path: string, { method = 'GET', body, headers, signal, ms = ANSWER_MS }: Ask = {}): Promise<Response> => {
  const sent: RequestInit = {
    method,
    headers: headersOf({ accept: 'application/json', ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers }),
  };
  if (body !== undefined) sent.body = JSON.stringify(body);
  const answer = await request(`${base()}${path}`, sent, ms, signal);
  if (answer.ok || answer.status === 304) return answer;
  throw new Refused(await problemOf(answer));
};

const problemOf = async (answer: Response): Promise<Problem> => {
  const retryAfterS = Number(answer.headers.get('retry-after')) || null;
  const plain: Problem = { title: `${answer.status} ${answer.statusText}`, detail: '', code: '', status: answer.status, retryAfterS };
  try {
    const told = (await answer.json()) as Partial<Problem>;
    return { ...plain, ...told };
  } catch {
    return plain;
  }
};

/** The body of the answer. `/api/health/detail` says `fail` with a 503 and its document. */
export const get = async <T>(path: string, signal?: AbortSignal): Promise<T> =>
  (await ask(path, signal === undefined ? {} : { signal })).json() as Promise<T>;

/** An act under a key of its own: make the key once, and a retry after a doubt is safe. */
export const act = async <T>(
  method: 'POST' | 'PUT' | 'DELETE',
  path: string,
  body: unknown,
  { key = freshKey(), ifMatch }: { key?: string; ifMatch?: string } = {},
): Promise<T> => {
  const headers = { 'idempotency-key': key, ...(ifMatch === undefined ? {} : { 'if-match': ifMatch }) };
  const answer = await ask(path, { method, headers, ...(body === undefined ? {} : { body }) });
  return (answer.status === 204 ? {} : await answer.json()) as T;
};

// ---- what is known ----
// What the page knows, and how fresh that is. The stream of events says that something happened; the overview is then asked for again, at most once a second.
// The stream is resumed from the last event, at whatever replica the page speaks with: ids hold everywhere.

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

// ---- signing in and out ----
// Signing in and out. The token is in memory alone; of a sign-in elsewhere this tab keeps until it is back what it needs to believe the answer.

const KEPT = 'tidegate-sign-in';

/** What went wrong on the way back. */
export const returnTrouble = signal<unknown>(null);
/** When the token ends, ms since 1970; null: nobody said. */
export const endsAtMs = signal<number | null>(null);

const redirectUri = (): string => `${origin()}/`;

const enter = (text: string, untilMs: number | null): void =>
  batch(() => {
    token.value = text;
    endsAtMs.value = untilMs;
    returnTrouble.value = null;
  });

/** Throws Refused where nobody here is known by it: a provider may know whom nothing maps to a role. */
const whoIs = async (text: string): Promise<Me> =>
  (await (await ask('/v1/me', { headers: { authorization: `Bearer ${text}` } })).json()) as Me;

/** Throws Refused for a token that is not good; what was good before goes on. Done as soon as the token is known to be good, so that its form goes then. */
export const signIn = async (given: string): Promise<void> => {
  const text = given.trim();
  if (!/^[\x21-\x7e]+$/.test(text)) throw refusal('A token has neither spaces nor letters with accents: copy it again.');
  me.value = await whoIs(text);
  enter(text, null);
  void begin();
};

export const signOut = async (): Promise<void> => {
  batch(() => {
    token.value = null;
    endsAtMs.value = null;
  });
  forget();
  await begin();
};

/** A page that came without TLS can't make the challenge. */
export const canLeave = isSecure;

/** Leaves this page. */
export const leave = async (): Promise<void> => {
  const oidc = ways.value?.oidc;
  if (oidc == null) throw new Error('This replica knows no provider to sign in with.');
  const [state = '', nonce = '', verifier = ''] = [32, 32, 48].map((length) => base64url(freshBytes(length)));
  const away: Away = { state, nonce, verifier, fragment: fragment() };
  remember(KEPT, JSON.stringify(away));
  go(awayUrl(oidc, away, await sha256(verifier), redirectUri()));
};

/** At the start of the page: takes what a sign-in elsewhere brought, and cleans the address of it. */
export const comeBack = async (): Promise<void> => {
  const back = backFrom(query(), recall(KEPT));
  if (back.kind === 'none') return;
  remember(KEPT, null);
  const looked = back.kind === 'code' ? back.away.fragment : back.fragment;
  setFragment(looked);
  asked.value = Object.fromEntries(new URLSearchParams(looked));
  if (back.kind === 'wrong') {
    returnTrouble.value = new Error(back.because);
    return;
  }
  const { code, away } = back;
  try {
    const body = { code, verifier: away.verifier, redirectUri: redirectUri() };
    const got = await act<{ token: string; expiresAtMs: number | null }>('POST', '/v1/sign-in/oidc', body);
    const nonce = nonceOf(got.token);
    if (nonce !== null && nonce !== away.nonce) throw new Error('The token that came back is not for this sign-in. Begin again.');
    me.value = await whoIs(got.token);
    enter(got.token, got.expiresAtMs);
  } catch (error) {
    returnTrouble.value = error;
  }
};

// ---- what panels ask ----
// What a panel asks for beside the overview: as long as somebody looks, every so often, and soon after it was told that something changed.

/** `types`: of the events that make it ask again. `key`: another one begins anew. What is alike stays the same object. */
export const useWatched = <T>(look: () => Promise<T>, ms: number, types: readonly string[] = [], key = ''): Asked<T> => {
  const [state, set] = useState<{ value: T | null; error: unknown }>({ value: null, error: null });
  const [seen, see] = useState(false);
  const ref = useRef<Element | null>(null);
  const soon = useRef((): void => undefined);
  useEffect(() => (ref.current === null || seen ? undefined : whenSeen(ref.current, () => see(true))), [seen]);
  const from = base();
  useEffect(() => {
    if (!seen) return;
    let isOver = false;
    set({ value: null, error: null });
    const pace = paced(
      () =>
        look().then(
          (value) => isOver || set((last) => ({ value: sharing(last.value, value), error: null })),
          (error: unknown) => isOver || set((last) => ({ value: last.value, error })),
        ) as Promise<void>,
      ms,
      { after, isVisible, monoMs },
    );
    soon.current = pace.soon;
    const newest = () => happenings.value.find(({ type }) => types.includes(type));
    let told = newest();
    const deaf = effect(() => {
      const last = newest();
      if (last !== told) pace.soon();
      told = last;
    });
    return () => {
      isOver = true;
      deaf();
      pace.stop();
    };
  }, [seen, key, from]);
  return { ...state, again: () => soon.current(), ref };
};

/** This replica does not have it, and will not. */
export const isNotOffered = (error: unknown): boolean => error instanceof Refused && error.problem.status === 404;
