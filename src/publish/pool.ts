// Jobs done side by side, never more than `most` at once, in order. What a job turns into goes before the rest.

/** Rejects when a job does, once those under way have ended; the rest is left undone. */
export const inPool = async <T>(jobs: readonly T[], most: number, work: (job: T) => Promise<readonly T[]>): Promise<void> => {
  const queue = [...jobs];
  const running = new Set<Promise<void>>();
  let failure: { error: unknown } | null = null;
  while (failure === null && (queue.length > 0 || running.size > 0)) {
    for (let job = queue[0]; running.size < most && queue.length > 0 && job !== undefined; job = queue[0]) {
      queue.shift();
      const one: Promise<void> = work(job).then(
        (more) => {
          running.delete(one);
          queue.unshift(...more);
        },
        (error: unknown) => {
          running.delete(one);
          failure ??= { error };
        },
      );
      running.add(one);
    }
    await Promise.race(running);
  }
  await Promise.all(running);
  if (failure !== null) throw (failure as { error: unknown }).error;
};
