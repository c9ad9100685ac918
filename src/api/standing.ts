// How an order stands: what it covers, what health says of the same pools now, and whether what it asks for is so. An order hides nothing that is measured.
// Pure; reads what the status document says of services.

import { list } from '../config/words.ts';
import { isInForce } from '../decide/override.ts';
import { REFUSED, SET_ASIDE } from '../decide/pool.ts';
import type { Override } from '../model.ts';
import type { PoolFacts, ServiceFacts } from './status.ts';

export interface Measured {
  service: string;
  pool: string;
  region: string;
  verdict: PoolFacts['verdict'];
  /** The count behind the verdict, as a sentence. */
  count: string;
  /** Thousandths now; null before the first decision. */
  share: number | null;
}

export interface Standing {
  active: boolean;
  leftMs: number;
  obeyed: boolean;
  because: string;
  measured: readonly Measured[];
}

export interface StandingInShort extends Omit<Standing, 'measured'> {
  /** Pools, by verdict. */
  covers: Readonly<Record<PoolFacts['verdict'], number>>;
}

interface Covered {
  service: ServiceFacts;
  pool: PoolFacts;
}

const coveredBy = ({ scope }: Override, services: readonly ServiceFacts[]): readonly Covered[] =>
  services
    .filter(({ name }) => scope.service === undefined || scope.service === name)
    .flatMap((service) =>
      service.pools
        .filter(
          ({ name, region }) =>
            (scope.pool === undefined || scope.pool === name) && (scope.region === undefined || scope.region === region),
        )
        .map((pool) => ({ service, pool })),
    );

const nameOf = ({ service, pool }: Covered): string => `${service.name}/${pool.name}`;
const names = (covered: readonly Covered[]): string => list(covered.map(nameOf), 3);

type Judged = Pick<Standing, 'obeyed' | 'because'>;
const yes = (because: string): Judged => ({ obeyed: true, because });
const no = (because: string): Judged => ({ obeyed: false, because });

const whyNot = (covered: Covered): string => {
  const { pool, service } = covered;
  const told = pool.memory?.told ?? [];
  if (told.includes(SET_ASIDE)) return `${nameOf(covered)} was called back: nobody else could serve`;
  if (told.includes(REFUSED)) return `${nameOf(covered)} is the last that can serve, and stays`;
  if (pool.memory?.hold != null) return `${nameOf(covered)} is held (${pool.memory.hold})`;
  return `${nameOf(covered)} has ${pool.share} thousandths: ${service.because}`;
};

const drained = (covered: readonly Covered[]): Judged => {
  const carrying = covered.filter(({ pool }) => (pool.share ?? 0) > 0);
  const [first] = carrying;
  return first === undefined ? yes(`${names(covered)} gets no traffic`) : no(whyNot(first));
};

const forcedIn = (covered: readonly Covered[]): Judged => {
  const without = covered.filter(({ pool }) => pool.memory?.state === 'out' || (pool.share === 0 && pool.configuredShare > 0));
  const [first] = without;
  return first === undefined ? yes(`${names(covered)} counts as up whatever the votes say`) : no(whyNot(first));
};

const pinned = ({ weights = {} }: Override, covered: readonly Covered[]): Judged => {
  const other = covered.filter(({ pool }) => pool.share !== (weights[pool.name] ?? 0));
  const [first] = other;
  if (first === undefined) return yes('the shares are those that were ordered');
  return no(
    `health takes from it: ${nameOf(first)} has ${first.pool.share} of the ${weights[first.pool.name] ?? 0} thousandths ordered (${first.pool.because})`,
  );
};

const judge = (order: Override, covered: readonly Covered[], nowMs: number): Judged => {
  if (nowMs >= order.expiresAtMs) return no('it has expired; the next decision takes it out');
  if (order.approval?.by === null) return no('a second person has to agree first');
  if (nowMs < (order.startsAtMs ?? 0)) return no('it has not begun yet');
  if (covered.length === 0) return no('it covers nothing that is configured');
  if (covered.some(({ pool }) => pool.share === null)) return no('nothing has been decided yet');
  switch (order.kind) {
    case 'drain':
    case 'evacuate':
      return drained(covered);
    case 'force-in':
      return forcedIn(covered);
    case 'pin':
      return pinned(order, covered);
    case 'freeze':
      return yes('the route is held as it is');
    case 'stop':
      return yes('no provider is written, while detection goes on');
  }
};

/** The sentence, with what a mode takes from it. */
const inMode = (judged: Judged, covered: readonly Covered[]): Judged => {
  const silent = [...new Set(covered.filter(({ service }) => service.mode !== 'auto').map(({ service }) => service.name))];
  return judged.obeyed && silent.length > 0
    ? { ...judged, because: `${judged.because}; nothing is written of ${list(silent, 3)}, whose mode is not auto` }
    : judged;
};

const standing = (order: Override, covered: readonly Covered[], nowMs: number): Omit<Standing, 'measured'> => ({
  active: isInForce(order, nowMs),
  leftMs: Math.max(0, order.expiresAtMs - nowMs),
  ...inMode(judge(order, covered, nowMs), covered),
});

/** The same with the verdicts of the pools that it covers counted, not listed: an order may cover all there are. */
export const standingInShort = (order: Override, services: readonly ServiceFacts[], nowMs: number): StandingInShort => {
  const covered = coveredBy(order, services);
  const covers = { up: 0, out: 0, unknown: 0 };
  for (const { pool } of covered) covers[pool.verdict] += 1;
  return { ...standing(order, covered, nowMs), covers };
};

/** `services`: of the status document. */
export const standingOf = (order: Override, services: readonly ServiceFacts[], nowMs: number): Standing => {
  const covered = coveredBy(order, services);
  return {
    ...standing(order, covered, nowMs),
    measured: covered.map(({ service, pool }) => ({
      service: service.name,
      pool: pool.name,
      region: pool.region,
      verdict: pool.verdict,
      count: pool.because,
      share: pool.share,
    })),
  };
};
