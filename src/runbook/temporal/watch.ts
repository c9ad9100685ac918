// Watches where namespaces are active, every 15 s, and tells of each that is elsewhere than it should be, once, and when it is back. A new place counts when it
// was seen twice in a row: servers that remember a name for different times would tell of moves that never were.
import { errorText } from '../../errors.ts';
import type { Log } from '../../log.ts';
import { type Ports, sleep } from '../../ports.ts';
import { inParallel } from '../parallel.ts';
import { type Evidence, movedBetween, type NamespaceMoved, type OurMove } from './moves.ts';
import type { Sight } from './sight.ts';

export interface Watched {
  namespace: string;
  look(signal: AbortSignal): Promise<Sight>;
  /** Asked only when it moved. */
  evidence(signal: AbortSignal): Promise<Evidence>;
}

export type Told = NamespaceMoved | { type: 'namespace.back'; namespace: string; at: string; because: string };

export interface WatchOptions {
  ports: Pick<Ports, 'timers'>;
  log: Log;
  watched: readonly Watched[];
  /** Where it should be active by what the platform's record says; null: nothing is said, and what is seen first counts. */
  expected(namespace: string): string | null;
  ours(): readonly OurMove[];
  nowMs(): number;
  tell(told: Told): void;
  everyMs?: number;
}

export interface MoveWatch {
  /** Where each was seen last; null: not seen at the last look. */
  seen(): Readonly<Record<string, string | null>>;
  /** Where each was seen at both of the last two looks; null: not seen, or in two places. */
  seenTwice(): Readonly<Record<string, string | null>>;
  /** Resolves when nothing of it runs any more. */
  stop(): Promise<void>;
}

const EVERY_MS = 15_000;
const PARALLEL = 8;

interface Memory {
  /** At the last look. */
  last: string | null;
  /** At the last look and the one before it. */
  twice: string | null;
  /** Where it is for all that was told. */
  settled: string | null;
  /** Told to be elsewhere: where it was before that, or where a run of ours has put it since. null: it is where it should be. */
  strayedFrom: string | null;
}

export const startMoveWatch = (options: WatchOptions): MoveWatch => {
  const { ports, log, watched, everyMs = EVERY_MS } = options;
  const memories = new Map<string, Memory>(
    watched.map(({ namespace }) => [namespace, { last: null, twice: null, settled: null, strayedFrom: null }]),
  );
  const stopping = new AbortController();
  const { signal } = stopping;
  const lookAtAll = (): Promise<unknown> =>
    inParallel(watched, PARALLEL, async (one) => {
      try {
        await lookAt(one, memories.get(one.namespace)!, options, signal);
      } catch (error) {
        if (!signal.aborted) log.warn('temporal.watch', { namespace: one.namespace, because: errorText(error) });
      }
    });
  const run = async (): Promise<void> => {
    while (!signal.aborted) {
      await lookAtAll();
      await sleep(ports.timers, everyMs, signal).catch(() => undefined);
    }
  };
  const running = run();
  return {
    seen: () => Object.fromEntries([...memories].map(([namespace, { last }]) => [namespace, last])),
    seenTwice: () => Object.fromEntries([...memories].map(([namespace, { twice }]) => [namespace, twice])),
    async stop() {
      stopping.abort(new Error('the watch has been stopped'));
      await running;
    },
  };
};

const lookAt = async (one: Watched, memory: Memory, options: WatchOptions, signal: AbortSignal): Promise<void> => {
  const { namespace } = one;
  const before = memory.last;
  const sight = await one.look(signal).catch((error: unknown) => {
    [memory.last, memory.twice] = [null, null];
    throw error;
  });
  memory.last = 'place' in sight ? sight.place : null;
  memory.twice = memory.last === before ? before : null;
  if (!('place' in sight) || sight.place !== before) return;
  const now = sight.place;
  const settled = memory.settled ?? options.expected(namespace) ?? now;
  memory.settled = settled;
  if (settled !== now) {
    const evidence = await one.evidence(signal);
    const moved = movedBetween({ namespace, before: settled, now }, options.ours(), evidence, options.nowMs());
    memory.settled = now;
    if (moved !== null) {
      memory.strayedFrom = strayedFrom(moved, memory);
      options.tell(moved);
    }
  }
  if (memory.strayedFrom !== null && (options.expected(namespace) ?? memory.strayedFrom) === now) {
    memory.strayedFrom = null;
    options.tell({ type: 'namespace.back', namespace, at: now, because: `${namespace} is active in ${now}, as it should be` });
  }
};

/** A run of ours that moves it mends what others did, and the end of that is told; without others there is nothing to end. */
const strayedFrom = ({ by, from, to }: NamespaceMoved, { strayedFrom: before }: Memory): string | null => {
  if (by === 'us') return before === null ? null : to;
  return before ?? from;
};
