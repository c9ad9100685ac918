// So much at once and no more: whoever comes later waits its turn, in order.

export type Slots = <T>(work: () => Promise<T>) => Promise<T>;

export const createSlots = (most: number): Slots => {
  let free = most;
  const waiting: (() => void)[] = [];
  return async (work) => {
    // A slot is handed on and never free in between, so that nobody overtakes.
    if (free > 0) free--;
    else await new Promise<void>((go) => waiting.push(go));
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next === undefined) free++;
      else next();
    }
  };
};
