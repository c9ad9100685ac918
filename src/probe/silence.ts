// How much silence one read of the store proves. Beats go through the store: while it does not answer, nobody can be heard and nobody is silent. So
// silence is counted over reads that succeeded, each worth no more than the span between two of them when all is well. Pure.

/** Who watches for silence reads this often, in ms. */
export const LISTEN_EVERY_MS = 400;
/** Most silence that one read proves, however long it took: a slow read is the store's slowness, not the others'. */
const STEP_MAX_MS = 600;
/** No read succeeded for so long: the store, or this process, stood still. Whoever was silent before could not have been heard meanwhile. */
const STALL_MS = 1500;

/** Ms to add to everybody's silence when a read that was sent at `sentAtMs` has succeeded after one sent at `lastSentAtMs`; null: count anew. */
export const silenceProved = (lastSentAtMs: number | null, sentAtMs: number): number | null => {
  if (lastSentAtMs === null) return 0;
  const spanMs = sentAtMs - lastSentAtMs;
  return spanMs > STALL_MS ? null : Math.min(spanMs, STEP_MAX_MS);
};
