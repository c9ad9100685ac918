// Drill-fresh: what was never tried does not work. Refuses nothing; reminds of a service whose traffic was last proved to move too long ago.
import { ruleOf } from '../policy.ts';

const DAY_MS = 24 * 3_600_000;
/** So long before it is due a drill is asked for. */
const SOON_DAYS = 7;

export const drillFresh = ruleOf<{ maxAgeDays: number }>({
  kind: 'drill-fresh',
  question: 'When was it last proved that this traffic moves?',
  risk: 'low',
  passedBy: 'break-glass',
  mayHoldTheDead: false,
  judges: [],
  defaults: { maxAgeDays: 90 },
  judge: () => ({ allow: true }),
  remind({ name }, { provenAtMs, sinceAtMs }, { maxAgeDays }, nowMs) {
    const days = (nowMs - (provenAtMs ?? sinceAtMs)) / DAY_MS;
    if (days < maxAgeDays - SOON_DAYS) return null;
    const since =
      provenAtMs === undefined ? `never in the ${Math.floor(days)} days since it is known` : `last ${Math.floor(days)} days ago`;
    const left = Math.max(1, Math.ceil(maxAgeDays - days));
    return days >= maxAgeDays
      ? { stage: 'stale', because: `that the traffic of ${name} moves was proved ${since} (limit ${maxAgeDays} days): hold a drill` }
      : { stage: 'soon', because: `that the traffic of ${name} moves was proved ${since}; a drill is due in ${left} days` };
  },
});
