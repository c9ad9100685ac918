// What a panel asks for beside the overview: as long as somebody looks, every so often, and soon after it was told that something changed.
import { effect } from '@preact/signals';
import { useEffect, useRef, useState } from 'preact/hooks';
import { after, isVisible, monoMs, whenSeen } from '../browser.ts';
import type { Asked } from '../parts.ts';
import { sharing } from '../same.ts';
import { Refused } from './api.ts';
import { happenings } from './live.ts';
import { base } from './session.ts';

const GAP_MS = 1_000;

/** Calls at once, then every `ms`; never twice at the same time, and not more often than once a second. */
const paced = (look: () => Promise<void>, ms: number): { soon(): void; stop(): void } => {
  let [isBusy, isDue, isOver] = [false, false, false];
  let lastMs = Number.NEGATIVE_INFINITY;
  let unschedule = (): void => undefined;
  const plan = (waitMs: number): void => {
    unschedule();
    unschedule = after(waitMs, go);
  };
  const go = (): void => {
    if (!isVisible()) {
      plan(ms);
      return;
    }
    [isBusy, isDue, lastMs] = [true, false, monoMs()];
    void look().finally(() => {
      isBusy = false;
      if (!isOver) plan(isDue ? GAP_MS : ms);
    });
  };
  go();
  return {
    soon() {
      if (isBusy) isDue = true;
      else if (!isOver) plan(Math.max(0, lastMs + GAP_MS - monoMs()));
    },
    stop() {
      isOver = true;
      unschedule();
    },
  };
};

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
