// When something is asked again: every so often while somebody looks, and soon after it changed, whatever happens at once. Pure.
const GAP_MS = 1_000;

export interface Door {
  after(ms: number, act: () => void): () => void;
  isVisible(): boolean;
  monoMs(): number;
}

/** Calls at once, then every `ms`; never twice at the same time, and not more often than once a second. */
export const paced = (look: () => Promise<void>, ms: number, { after, isVisible, monoMs }: Door): { soon(): void; stop(): void } => {
  let [isBusy, isDue, isOver] = [false, false, false];
  let lastMs = Number.NEGATIVE_INFINITY;
  let unschedule = (): void => undefined;
  const plan = (waitMs: number): void => {
    unschedule();
    unschedule = after(waitMs, go);
  };
  const go = (): void => {
    // Whoever comes back does not wait for the span to end.
    if (!isVisible()) {
      plan(GAP_MS);
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
