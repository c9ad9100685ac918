// What a panel asks for beside the overview: as long as somebody looks, every so often, and soon after it was told that something changed.
import { effect } from '@preact/signals';
import { useEffect, useRef, useState } from 'preact/hooks';
import { after, isVisible, monoMs, whenSeen } from '../browser.ts';
import type { Asked } from '../parts.ts';
import { sharing } from '../same.ts';
import { Refused } from './api.ts';
import { happenings } from './live.ts';
import { paced } from './pace.ts';
import { base } from './session.ts';

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
