// A reading that looks again. While a database changes its writer its clients are held, and every look that comes late makes that longer: what is under way is
// looked at for a while, at a short distance, before it is said that it is not so yet.
import { sleep } from '../../ports.ts';
import type { Call, Reading } from '../kind.ts';

const LOOK_EVERY_MS = 100;
/** Well within the deadline of a call, with what one look may take. */
const PATIENCE_MS = 5_000;

/** `isUnderWay`: it may become so without another act. */
export const patiently = async (
  { context, signal }: Call,
  look: () => Promise<{ reading: Reading; isUnderWay: boolean }>,
): Promise<Reading> => {
  const { clock, timers } = context.ports;
  const untilMs = clock.monoMs() + PATIENCE_MS;
  for (;;) {
    const { reading, isUnderWay } = await look();
    if (!isUnderWay || clock.monoMs() + LOOK_EVERY_MS > untilMs) return reading;
    await sleep(timers, LOOK_EVERY_MS, signal);
  }
};
