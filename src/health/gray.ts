// Gray failure: an endpoint that answers, only not always. A Bernoulli CUSUM (Page's test): every look adds the logarithm of how much likelier it is at the
// rejectable error rate than at the acceptable one; the sum never falls below 0, so that a good year hides nothing. At `alarmAt` the endpoint is gray.
// The sum never rises above `alarmAt` either: it is over when it is back at 0, so that calling the end takes exactly as much evidence as the alarm did (it
// is the same test with the two rates exchanged), and no more of it after a day of errors than after a minute.
// Fed with scheduled looks only. Looks of a burst are made because one has failed, or because a peer's has: they would count a fault several times.
// Pure. What it needs to know of a streak it reads off the opinion; who is asked, and how many must agree, is the quorum's.
import type { GrayPolicy, Outcome, Policy } from '../model.ts';
import type { Opinion } from './opinion.ts';

export interface GrayRule {
  /** What one fault and one success add, in nats: above and below 0. */
  perFault: number;
  perOk: number;
  /** Gray from here on; also the most that is remembered. */
  alarmAt: number;
  /** A streak of faults that is as old, and down, is no error rate but an outage. */
  outageMs: number;
}

/** What one vantage holds against one endpoint. */
export interface Gray {
  /** Nats in favour of the rejectable rate, from 0 to the rule's `alarmAt`. */
  evidence: number;
  gray: boolean;
}

/** Nothing is held against it. */
export const NOT_GRAY: Gray = { evidence: 0, gray: false };

/** Of an interval: a streak that has gone on since the scheduled look before, however late that one was. */
const OUTAGE_SPAN = 0.75;

/** The weights of a fault and a success at these rates (thousandths), in nats. Rates above 0 and below 1000, the rejectable one the higher. */
export const grayWeights = ({
  acceptable,
  rejectable,
}: Pick<GrayPolicy, 'acceptable' | 'rejectable'>): { perFault: number; perOk: number } => ({
  perFault: Math.log(rejectable / acceptable),
  perOk: Math.log((1000 - rejectable) / (1000 - acceptable)),
});

/** null: nobody asks. Absent in a configuration that 0.1 wrote: off, until somebody applies one that has it. */
export const grayRuleOf = ({ gray, intervalMs }: Pick<Policy, 'gray' | 'intervalMs'>): GrayRule | null =>
  gray === undefined || gray === null ? null : { ...grayWeights(gray), alarmAt: gray.threshold, outageMs: OUTAGE_SPAN * intervalMs };

/** After one scheduled look. `nothing` leaves it as it was. */
export const afterScheduledLook = (g: Gray, saw: Outcome['saw'], rule: GrayRule): Gray => {
  if (saw === 'nothing') return g;
  const evidence = Math.min(rule.alarmAt, Math.max(0, g.evidence + (saw === 'fault' ? rule.perFault : rule.perOk)));
  return { evidence, gray: evidence >= rule.alarmAt || (g.gray && evidence > 0) };
};

/**
 * After one scheduled look that started at `startedAtMs`; `before` is the opinion without it. Within warm-up nothing is held against anybody. What has been
 * down since the scheduled look before has a verdict of its own: everything is forgotten, and its return starts from nothing. A shorter spell is left in:
 * at an error rate of one half, streaks that make an endpoint down for a second or two are common, and forgetting would hide the worst rates longest.
 */
export const afterLookAmid = (g: Gray, before: Opinion, startedAtMs: number, saw: Outcome['saw'], rule: GrayRule): Gray => {
  if (before.state === 'unknown') return g;
  const isOutage = before.state === 'down' && before.firstFaultAtMs !== null && startedAtMs - before.firstFaultAtMs >= rule.outageMs;
  return saw === 'fault' && isOutage ? NOT_GRAY : afterScheduledLook(g, saw, rule);
};
