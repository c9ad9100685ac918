// Every number of the policy that a cluster may leave out: spelling in the file, default, range and reason, in one place.
// Fast cadences (an interval under 5 s) shrink what must fit between two looks; everything else keeps its number.
import { confirmEveryMs } from '../health/timing.ts';
import type { GrayPolicy, Policy } from '../model.ts';

export interface Span {
  defaultMs: number;
  minMs: number;
  maxMs: number;
  why: string;
}

const S = 1000;
const MIN = 60 * S;
const H = 60 * MIN;

/** Durations by their spelling in the file under `cluster.policy`; the field of Policy is the same name with Ms. */
export const SPANS = {
  interval: { defaultMs: 5 * S, minMs: 100, maxMs: 5 * MIN, why: 'two endpoints half a period apart give a look every 2.5 s' },
  timeout: { defaultMs: 2 * S, minMs: 50, maxMs: MIN, why: 'several round trips over the longest path, yet well within the interval' },
  connectTimeout: { defaultMs: S, minMs: 50, maxMs: MIN, why: 'one lost SYN and its retransmission' },
  suspectAfter: { defaultMs: S, minMs: 10, maxMs: MIN, why: 'starts the confirmation before the first probe has run into its timeout' },
  faultSpan: { defaultMs: 2 * S, minMs: 0, maxMs: MIN, why: 'longer than most bursts of packet loss' },
  burst: {
    defaultMs: 30 * S,
    minMs: S,
    maxMs: 10 * MIN,
    why: 'long enough for any number of faults, short enough not to burden a slow target',
  },
  fresh: { defaultMs: 8 * S, minMs: 500, maxMs: 5 * MIN, why: 'three beats, so that one lost write silences nobody' },
  beat: { defaultMs: 2.5 * S, minMs: 50, maxMs: MIN, why: 'half an interval: constant work however much is wrong' },
  recoveryHold: { defaultMs: MIN, minMs: 100, maxMs: 24 * H, why: 'a target that dies again within a minute was not back' },
  rampStep: { defaultMs: MIN, minMs: 100, maxMs: 24 * H, why: 'caches fill and connections settle before the next stage' },
  pacing: { defaultMs: MIN, minMs: 100, maxMs: H, why: 'whoever receives the traffic must prove able to carry it before more arrives' },
  receiverWait: { defaultMs: 5 * S, minMs: 0, maxMs: MIN, why: 'a receiver under suspicion is confirmed or cleared within this span' },
  flapWindow: { defaultMs: 6 * H, minMs: MIN, maxMs: 168 * H, why: 'one shift: what fails every hour needs a human' },
  unreadyPage: { defaultMs: 10 * MIN, minMs: S, maxMs: 24 * H, why: 'a rollout or a restart takes less' },
  lease: { defaultMs: 6 * S, minMs: 500, maxMs: MIN, why: 'four missed renewals; an election inside the store takes less' },
  renew: { defaultMs: 1.5 * S, minMs: 100, maxMs: 20 * S, why: 'a quarter of the lease' },
} as const satisfies Record<string, Span>;

export type SpanName = keyof typeof SPANS;

/** Not durations. */
export const LATCH_AFTER = { default: 4, min: 0, max: 100, why: 'three returns may be bad luck, the fourth is a pattern' } as const;
export const FAULTS = { min: 1, max: 20, why: 'auto asks each vantage for more the fewer vantages must agree' } as const;
/** Rates in thousandths. One error in a hundred is the network's; at one in three users have noticed. How 12 was chosen: `npm run bench -- gray`. */
export const GRAY: GrayPolicy = { acceptable: 10, rejectable: 300, threshold: 12, cut: 0 };
/** `cut` leaves a tenth: all of it would be a drain, which takes a verdict. */
export const GRAY_LIMITS = {
  acceptable: { min: 1, max: 500 },
  rejectable: { min: 2, max: 990 },
  threshold: { min: 2, max: 100 },
  cut: { min: 0, max: 900 },
} as const;
/** What the file gave of it; `off` is null. */
export const grayOf = (given: { [name in keyof GrayPolicy]?: number | undefined } | null | undefined): GrayPolicy | null =>
  given === null
    ? null
    : {
        acceptable: given?.acceptable ?? GRAY.acceptable,
        rejectable: given?.rejectable ?? GRAY.rejectable,
        threshold: given?.threshold ?? GRAY.threshold,
        cut: given?.cut ?? GRAY.cut,
      };
/** A tenth shows whether it works, half whether it carries, then everything. */
export const RAMP: readonly number[] = [100, 500, 1000];
/** Somebody always serves, and automation takes at most one region a minute. */
export const SAFETY: Policy['safety'] = { 'last-pool': {}, 'blast-radius': { regions: 1, windowMs: 60_000 } };

export const GOALS = { detectionMs: 30 * S, convergenceMs: 60 * S } as const;
export const TTL_S = 30;

/** What the file gave; absent means default. `faults: null` is auto. */
export type GivenPolicy = { [name in SpanName]?: number | undefined } & {
  faults?: number | null | undefined;
  ramp?: readonly number[] | undefined;
  latchAfter?: number | undefined;
  /** null: off. */
  gray?: GrayPolicy | null | undefined;
  safety?: Policy['safety'] | undefined;
};

/** The whole policy. Defaults follow from the values that were given, so that a short interval alone is a working configuration. */
export const policyOf = (given: GivenPolicy): Policy => {
  const span = (name: SpanName, atMost = Number.POSITIVE_INFINITY): number =>
    given[name] ?? Math.round(Math.min(SPANS[name].defaultMs, atMost));
  const intervalMs = span('interval');
  const timeoutMs = span('timeout', intervalMs);
  return {
    intervalMs,
    timeoutMs,
    connectTimeoutMs: span('connectTimeout', timeoutMs),
    suspectAfterMs: span('suspectAfter', timeoutMs / 2),
    faults: given.faults ?? null,
    faultSpanMs: span('faultSpan', 2 * confirmEveryMs({ intervalMs })),
    burstMs: span('burst'),
    freshMs: span('fresh'),
    beatMs: span('beat', intervalMs / 2),
    recoveryHoldMs: span('recoveryHold'),
    ramp: given.ramp ?? RAMP,
    rampStepMs: span('rampStep'),
    pacingMs: span('pacing'),
    receiverWaitMs: span('receiverWait'),
    flapWindowMs: span('flapWindow'),
    latchAfter: given.latchAfter ?? LATCH_AFTER.default,
    unreadyPageMs: span('unreadyPage'),
    leaseMs: span('lease'),
    renewMs: span('renew'),
    gray: given.gray === undefined ? GRAY : given.gray,
    safety: given.safety ?? SAFETY,
  };
};
