// Many namespaces moved with bounded parallelism, whatever moves them. Each is looked at before it is asked for, and asked for under a name made of the step's
// key and its own: so it does not matter who asks, nor how often, nor what the last one who asked still knew. What failed is left to humans; after so many
// failures what was not begun is left alone. Knows nothing of the kind of Temporal.
import { type Ports, sleep } from '../../ports.ts';
import type { Call, Effect, Facts, Reading } from '../kind.ts';
import { inParallel } from '../parallel.ts';
import { answering } from './answering.ts';
import { type Mover, type Operation, obstacle, operationId } from './mover.ts';

export interface Batch {
  namespaces: readonly string[];
  to: string;
  parallel: number;
  stopAfter: number;
}

export interface Circumstances {
  ports: Pick<Ports, 'clock' | 'timers'>;
  mover: Mover;
  /** Of the step. */
  key: string;
  facts: Facts;
  signal: AbortSignal;
}

/** Of a step that is read or acts, by this mover behind its breaker. */
export const circumstancesOf = ({ context, key, facts, signal }: Call, mover: Mover): Circumstances => ({
  ports: context.ports,
  mover: answering(mover),
  key,
  facts,
  signal,
});

/** How one namespace stands. */
type Standing =
  | { is: 'there' }
  | { is: 'moving'; because: string; at: string; againMs: number }
  /** May be asked for, or asked for again. */
  | { is: 'free'; because: string; at: string }
  | { is: 'later'; because: string; at: string }
  | { is: 'failed'; because: string; at: string | null }
  | { is: 'unknown'; because: string };

/** What is kept between calls. `tried`: they were asked for. `failed`: and why. */
interface Kept {
  tried: readonly string[];
  failed: Readonly<Record<string, string>>;
}

const FACT_CHARS_MAX = 120;
const NAMED_MAX = 8;
/** Reading does no harm: more at a time than are moved. */
const READ_PARALLEL = 16;
/** A call ends by itself before anybody ends it: this and the deadline of one request together are less than the twelve seconds that a call may take. */
const ACT_MS = 6_000;
/** How often is looked again where nobody says when. */
const AGAIN_MS = 1_000;

const keptOf = ({ tried, failed }: Facts): Kept => ({
  tried: Array.isArray(tried) ? tried.filter((name): name is string => typeof name === 'string') : [],
  failed: typeof failed === 'object' && failed !== null ? (failed as Record<string, string>) : {},
});

// ---- one namespace ----

const standingOf = async (namespace: string, to: string, isTried: boolean, with_: Circumstances): Promise<Standing> => {
  const { mover, key, signal } = with_;
  const look = await mover.look(namespace, signal);
  if (look.is === 'unknown') return look;
  if (look.is === 'never') return { is: 'failed', because: look.because, at: null };
  const { place } = look;
  if (place.active === to) return { is: 'there' };
  const at = place.active;
  // What keeps it busy may be what was asked for by one who no longer knows.
  const operation = isTried || place.busy !== null ? await mover.follow(namespace, to, operationId(key, namespace), signal) : null;
  const followed = operation === null ? null : standingBy(operation, at);
  if (followed !== null) return followed;
  const hindrance = obstacle(place, to);
  if (hindrance === null) return { is: 'free', because: `${namespace} is active in ${at}`, at };
  return { is: hindrance.when === 'never' ? 'failed' : 'later', because: `${namespace} ${hindrance.because}`, at };
};

/** null: the operation says nothing about it. */
const standingBy = (operation: Operation, at: string): Standing | null => {
  switch (operation.is) {
    case 'moving':
      return { is: 'moving', because: operation.because, at, againMs: operation.againMs };
    case 'moved':
      return { is: 'moving', because: `${operation.because}, and it is active in ${at} yet`, at, againMs: AGAIN_MS };
    case 'failed':
      return { is: 'failed', because: operation.because, at };
    case 'unknown':
      return { is: 'unknown', because: operation.because };
    case 'unheard':
      return null;
  }
};

// ---- reading ----

export const readBatch = async (batch: Batch, with_: Circumstances): Promise<Reading> => {
  const kept = keptOf(with_.facts);
  const tried = new Set(kept.tried);
  const standings = new Map<string, Standing>();
  await inParallel(batch.namespaces, Math.max(batch.parallel, READ_PARALLEL), async (namespace) => {
    standings.set(namespace, await standingOf(namespace, batch.to, tried.has(namespace), with_));
  });
  return judge(batch, kept, standings);
};

const judge = (batch: Batch, kept: Kept, seen: ReadonlyMap<string, Standing>): Reading => {
  const standings = new Map(batch.namespaces.map((name) => [name, settled(seen.get(name)!, kept.failed[name])]));
  const those = (is: Standing['is']): readonly string[] => batch.namespaces.filter((name) => standings.get(name)!.is === is);
  const because = report(batch, standings);
  const facts = factsOf(kept, standings);
  if (those('there').length === batch.namespaces.length) return { is: 'reached', because, facts };
  const [failed, moving, open] = [those('failed').length, those('moving').length, those('free').length + those('later').length];
  const unknown = those('unknown').length;
  // What is under way ends before anybody is told that it is over.
  if (moving > 0) return { is: 'pending', because, facts };
  if (failed > 0 && (failed >= batch.stopAfter || open + unknown === 0)) return { is: 'never', because, facts };
  return { is: open > 0 ? 'pending' : 'unknown', because, facts };
};

/** What failed has failed, unless it is there all the same or is being moved. */
const settled = (standing: Standing, failure: string | undefined): Standing =>
  failure === undefined || standing.is === 'there' || standing.is === 'moving' || standing.is === 'failed'
    ? standing
    : { is: 'failed', because: failure, at: 'at' in standing ? standing.at : null };

const factsOf = (kept: Kept, standings: ReadonlyMap<string, Standing>): Facts => {
  const failed = [...standings].flatMap(([name, at]) => (at.is === 'failed' ? [[name, at.because.slice(0, FACT_CHARS_MAX)]] : []));
  const elsewhere = [...standings].flatMap(([name, at]) => ('at' in at && at.at !== null ? [[name, at.at]] : []));
  return {
    tried: kept.tried.filter((name) => standings.get(name)?.is !== 'there'),
    failed: Object.fromEntries(failed),
    there: [...standings.values()].filter(({ is }) => is === 'there').length,
    elsewhere: Object.fromEntries(elsewhere.slice(0, ELSEWHERE_MAX)),
  };
};

/** So that facts stay far below 16 KiB. */
const ELSEWHERE_MAX = 100;

// ---- the report ----

const named = (names: readonly string[]): string =>
  names.length > NAMED_MAX ? `${names.slice(0, NAMED_MAX).join(', ')} and ${names.length - NAMED_MAX} more` : names.join(', ');

/** Who is where, in one sentence: `48 of 50 active in eu; failed: t7 (…), t9 (…)`. */
const report = ({ namespaces, to }: Batch, standings: ReadonlyMap<string, Standing>): string => {
  const those = (...kinds: readonly Standing['is'][]): readonly string[] =>
    namespaces.filter((name) => kinds.includes(standings.get(name)!.is));
  const why = (name: string): string => {
    const at = standings.get(name)!;
    const place = 'at' in at && at.at !== null ? `, in ${at.at}` : '';
    return `${name}${place} (${'because' in at ? at.because.slice(0, FACT_CHARS_MAX) : ''})`;
  };
  const part = (label: string, names: readonly string[], withReasons: boolean): readonly string[] => {
    if (names.length === 0) return [];
    if (!withReasons) return [`${label}: ${named(names)}`];
    return [`${label}: ${named(names.slice(0, 3).map(why))}${names.length > 3 ? ` and ${named(names.slice(3))}` : ''}`];
  };
  const [single] = namespaces;
  const there = those('there').length;
  const head =
    namespaces.length === 1
      ? `${single} is ${there === 1 ? '' : 'not '}active in ${to}`
      : `${there} of ${namespaces.length} namespaces are active in ${to}`;
  return [
    head,
    ...part('failed', those('failed'), true),
    ...part('under way', those('moving'), namespaces.length === 1),
    ...part('waiting', those('later'), true),
    ...part('no answer about', those('unknown'), true),
    ...part('not begun', those('free'), false),
  ].join('; ');
};

// ---- acting ----

type Outcome = 'there' | 'asked' | 'failed' | 'later' | 'undecided';

/** What one call has done so far. */
interface Progress {
  tried: Set<string>;
  failed: Map<string, string>;
  outcomes: Map<string, Outcome>;
  reasons: Map<string, string>;
  /** Taken from the list, whatever became of it. */
  begun: number;
  /** No more is begun, and nothing waited for. */
  isOver(): boolean;
}

/**
 * Asks for every namespace that is not there, `parallel` at a time. While there are more to be begun each is followed to its end; the last ones are left to
 * reading. What it can't begin within its time is asked for by the next call, after what is under way then: those take their places first.
 */
export const moveBatch = async (batch: Batch, with_: Circumstances): Promise<Effect> => {
  const kept = keptOf(with_.facts);
  const overAtMs = with_.ports.clock.monoMs() + ACT_MS;
  const progress: Progress = {
    tried: new Set(kept.tried),
    failed: new Map(Object.entries(kept.failed)),
    outcomes: new Map(),
    reasons: new Map(),
    begun: 0,
    isOver: () => with_.signal.aborted || with_.ports.clock.monoMs() >= overAtMs || progress.failed.size >= batch.stopAfter,
  };
  await inParallel(batch.namespaces, batch.parallel, async (namespace) => {
    if (progress.isOver()) return;
    progress.begun++;
    if (progress.failed.has(namespace)) return;
    await moveOne(namespace, batch, with_, progress);
  });
  return effectOf(batch, progress, with_.signal.aborted);
};

const moveOne = async (namespace: string, batch: Batch, with_: Circumstances, progress: Progress): Promise<void> => {
  const end = (outcome: Outcome, because: string): void => {
    progress.outcomes.set(namespace, outcome);
    progress.reasons.set(namespace, because);
    if (outcome === 'failed') progress.failed.set(namespace, because);
  };
  const standing = await standingOf(namespace, batch.to, progress.tried.has(namespace), with_);
  if (standing.is === 'there') return end('there', '');
  if (standing.is === 'unknown' || standing.is === 'later') return end('later', standing.because);
  if (standing.is === 'failed') return end('failed', standing.because);
  if (standing.is === 'free') {
    if (progress.isOver()) {
      progress.begun--;
      return;
    }
    // Before it is sent: from here on it may have happened.
    progress.tried.add(namespace);
    const begun = await with_.mover.begin(namespace, batch.to, operationId(with_.key, namespace), with_.signal);
    if (begun.took === 'fatal') return end('failed', `${namespace}: ${begun.because}`);
    if (begun.took === 'refused') return end('later', `${namespace}: ${begun.because}`);
    if (begun.took === 'undecided') return end('undecided', `${namespace}: ${begun.because}`);
    if (begun.operation.is === 'failed') return end('failed', begun.operation.because);
  }
  progress.tried.add(namespace);
  end('asked', '');
  if (progress.begun < batch.namespaces.length) await followOne(namespace, batch, with_, progress, end);
};

/** Until it is there or has failed. What does not answer is asked again: its place is not given to the next before that is known. */
const followOne = async (
  namespace: string,
  batch: Batch,
  with_: Circumstances,
  progress: Progress,
  end: (outcome: Outcome, because: string) => void,
): Promise<void> => {
  while (!progress.isOver()) {
    const standing = await standingOf(namespace, batch.to, true, with_);
    if (standing.is === 'there') return end('there', '');
    if (standing.is === 'failed') return end('failed', standing.because);
    // Asked for, and nothing knows of it: it is begun again by the next try.
    if (standing.is === 'free') return end('later', standing.because);
    const againMs = standing.is === 'moving' ? Math.max(AGAIN_MS / 2, standing.againMs) : AGAIN_MS;
    await sleep(with_.ports.timers, againMs, with_.signal).catch(() => undefined);
  }
};

const effectOf = (batch: Batch, progress: Progress, isCut: boolean): Effect => {
  const { outcomes, failed, reasons } = progress;
  const count = (outcome: Outcome): number => [...outcomes.values()].filter((one) => one === outcome).length;
  const first = (outcome: Outcome): string => {
    const name = [...outcomes].find(([, one]) => one === outcome)?.[0];
    return name === undefined ? '' : (reasons.get(name) ?? '');
  };
  const facts: Facts = {
    tried: [...progress.tried],
    failed: Object.fromEntries([...failed].map(([name, because]) => [name, because.slice(0, FACT_CHARS_MAX)])),
  };
  const [asked, later, undecided] = [count('asked') + count('there'), count('later'), count('undecided')];
  const left = batch.namespaces.length - progress.begun;
  const because = [
    `${asked} of ${batch.namespaces.length} asked for`,
    ...(failed.size === 0 ? [] : [`${failed.size} failed: ${[...failed.values()].slice(0, 2).join(', ')}`]),
    ...(undecided === 0 ? [] : [`${undecided} undecided: ${first('undecided')}`]),
    ...(later === 0 ? [] : [`${later} not yet: ${first('later')}`]),
    ...(left === 0 ? [] : [`${left} not begun`]),
  ].join('; ');
  // So many failures end it, and reading says so.
  if (failed.size >= batch.stopAfter) return { took: asked + undecided === 0 ? 'fatal' : 'accepted', because, facts };
  if (isCut && left + later > 0) return { took: 'undecided', because, facts };
  if (left > 0) return { took: 'accepted', because, facts, more: true };
  if (undecided > 0) return { took: 'undecided', because, facts };
  if (later > 0) return { took: 'refused', because, facts };
  return { took: asked === 0 && failed.size > 0 ? 'fatal' : 'accepted', because, facts };
};
