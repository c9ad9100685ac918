// The verdict table: from what a quorum says of each endpoint to what a target is, and from targets to their pool.
// /readyz alone drains (the process says it cannot serve); /healthz alone is suspect and moves nothing; both are down.
import type { PoolTally, Verdict } from '../model.ts';

/** Worst first. */
export const WORST: readonly Verdict[] = ['down', 'unready', 'unknown', 'suspect', 'up'];

type EndpointVerdict = 'up' | 'down' | 'unknown';

/** Verdict of a target. An endpoint that is not configured is undefined; with one endpoint the target is judged by it. */
export const targetVerdict = (healthz: EndpointVerdict | undefined, readyz: EndpointVerdict | undefined): Verdict => {
  if (healthz === undefined) return readyz ?? 'unknown';
  if (readyz === undefined) return healthz;
  // Of /healthz alone nobody can speak who does not know of /readyz: what may be down as a whole must not be called up and given traffic.
  if (healthz === 'down') return readyz === 'up' ? 'suspect' : readyz;
  if (readyz === 'down') return 'unready';
  return healthz === 'up' && readyz === 'up' ? 'up' : 'unknown';
};

/** Does this verdict count against its pool's `minUp`? `suspect` serves; `unknown` decides nothing. */
export const counts = (verdict: Verdict): 'up' | 'out' | 'unknown' => {
  switch (verdict) {
    case 'up':
    case 'suspect':
      return 'up';
    case 'down':
    case 'unready':
      return 'out';
    case 'unknown':
      return 'unknown';
  }
};

/** A pool is up with `minUp` targets up, out when it could not have as many even if all unknown ones were up, else unknown. */
export const poolVerdict = (up: number, unknown: number, minUp: number): 'up' | 'out' | 'unknown' =>
  up >= minUp ? 'up' : up + unknown < minUp ? 'out' : 'unknown';

/**
 * What takes a pool out, as told. /readyz often reaches the quorum a moment before /healthz does; with /healthz failing at as many vantages the
 * region is down, not unready, although the last confirmation is still on its way.
 */
export const causeOf = (tally: PoolTally): Verdict =>
  tally.cause === 'unready' && tally.targets.some((t) => t.verdict === 'unready' && t.endpoints.healthz?.suspectAtQuorum === true)
    ? 'down'
    : tally.cause;
