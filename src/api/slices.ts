// Long work beside probing, which cannot wait: in slices, so that no look starts late because somebody asked for a large document.
import { type Ports, sleep } from '../ports.ts';

/** The event loop is kept no longer than this, or than one step takes. */
const SLICE_MS = 8;

/** Work that can be left after each step. */
export type Steps<T> = Generator<undefined, T, unknown>;

/** Runs it to its end. Between slices everything else has as much time as they took; what is done within one slice waits for nothing. */
export const inSlices = async <T>({ clock, timers }: Pick<Ports, 'clock' | 'timers'>, steps: Steps<T>): Promise<T> => {
  for (;;) {
    const begunAtMs = clock.monoMs();
    let spentMs = 0;
    do {
      const { done, value } = steps.next();
      if (done === true) return value;
      spentMs = clock.monoMs() - begunAtMs;
    } while (spentMs < SLICE_MS);
    await sleep(timers, spentMs);
  }
};

/** Runs it to its end at once. */
export const atOnce = <T>(steps: Steps<T>): T => {
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
  }
};

/** What `begin` makes in slices, one for all who ask until it has been there for so long. Whoever asks while it is being made waits for it. */
export const madeInSlices = <T>(ports: Pick<Ports, 'clock' | 'timers'>, begin: () => Steps<T>, forMs: number): (() => Promise<T>) => {
  let untilMs = Number.NEGATIVE_INFINITY;
  let latest: Promise<T> | null = null;
  const make = async (): Promise<T> => {
    untilMs = Number.POSITIVE_INFINITY;
    try {
      const value = await inSlices(ports, begin());
      untilMs = ports.clock.monoMs() + forMs;
      return value;
    } catch (error) {
      untilMs = Number.NEGATIVE_INFINITY;
      throw error;
    }
  };
  return () => {
    if (latest === null || ports.clock.monoMs() >= untilMs) latest = make();
    return latest;
  };
};
