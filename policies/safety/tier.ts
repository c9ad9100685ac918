// Tier: users who write are sent to no region in which a row was not written and read back. What counts is the proof, never a status: a database that calls
// itself primary is not yet one that takes writes. Moving writers to one that takes none, or that lacks their last rows, is worse than the outage.
import type { Route } from '../../src/model.ts';
import type { TierState, Unproved } from '../../src/runbook/facts.ts';
import type { DatabaseConfig, PlatformConfig } from '../../src/runbook/platform.ts';
import { type RouteChange, type Ruling, ruleOf, type World } from '../policy.ts';

interface Tier {
  platform: PlatformConfig;
  database: DatabaseConfig;
  /** null: nothing was ever proved. */
  state: TierState | null;
  /** Why no row could be written; null: nobody has said. */
  unproved: Unproved | null;
}

/** Databases that this service's users write to. */
export const databasesBehind = ({ platforms = [] }: World['cluster'], service: string): readonly Pick<Tier, 'platform' | 'database'>[] =>
  platforms.flatMap((platform) =>
    (platform.databases ?? []).filter(({ services }) => services.includes(service)).map((database) => ({ platform, database })),
  );

/** What was proved of a system that the writer's region has no more is no proof of the one it has now. */
const aboutNow = (state: TierState | null, { sites }: DatabaseConfig): TierState | null => {
  const region = state?.writer ?? null;
  const sql = region === null ? undefined : state?.sites?.[region];
  if (state === null || region === null || sql === undefined || sql === sites[region]?.sql) return state;
  return { ...state, writer: null, because: `what was proved in ${region} is about ${sql}, which is not its site any more` };
};

const tiersOf = ({ cluster, tiers }: World, service: string): readonly Tier[] =>
  databasesBehind(cluster, service).map(({ platform, database }) => {
    const name = `${platform.name}/${database.name}`;
    const named = <T>(known: Readonly<Record<string, T>> = {}): T | null => (Object.hasOwn(known, name) ? (known[name] ?? null) : null);
    return { platform, database, state: aboutNow(named(tiers?.databases), database), unproved: named(tiers?.unproved) };
  });

const share = (route: Route, pool: string): number => route[pool] ?? 0;

const isChange = ({ service, before, after }: RouteChange): boolean =>
  service.pools.some(({ name }) => share(before, name) !== share(after, name));

const agoText = (ms: number): string => (ms < 120_000 ? `${Math.max(0, Math.round(ms / 1000))} s` : `${Math.round(ms / 60_000)} min`);

/**
 * A pool elsewhere that would begin to carry traffic, or carries more where all of those elsewhere together would: what goes from one of them to another is
 * not made worse by it. With no writer known, whatever grows.
 */
const astray = ({ service, before, after }: RouteChange, writer: string | null) => {
  const elsewhere = service.pools.filter(({ region }) => region !== writer);
  const sum = (route: Route): number => elsewhere.reduce((all, { name }) => all + share(route, name), 0);
  const isWorse = writer === null || sum(after) > sum(before);
  return elsewhere.find(({ name }) => share(after, name) > share(before, name) && (isWorse || share(before, name) === 0));
};

/** Where its writer is held to be, and what that stands on. */
const standing = ({ platform, database: { name }, state, unproved }: Tier, nowMs: number): string => {
  if (state !== null && state.writer !== null)
    return state.settled === undefined
      ? `${name} was proved writable in ${state.writer} last, ${agoText(nowMs - state.provedAtMs)} ago`
      : `${name} was settled by ${state.settled.by} to be written in ${state.writer}, ${agoText(nowMs - state.settled.atMs)} ago`;
  const why = [
    ...(state === null ? [] : [state.because]),
    ...(unproved === null ? [] : [`no row since ${agoText(nowMs - unproved.sinceMs)}: ${unproved.because}`]),
  ];
  return `${name} is proved writable in none of ${platform.regions.length} regions${why.length === 0 ? '' : ` (${why.join('; ')})`}`;
};

const judgeOne = (each: Tier, change: RouteChange, nowMs: number): Ruling => {
  const { platform, database, state } = each;
  const { service, before, after } = change;
  if (state?.split !== undefined) {
    const both = state.split.regions.join(' and ');
    return {
      allow: false,
      because: `${both} both take writes of ${database.name}, for ${agoText(nowMs - state.split.atMs)}: nothing of ${service.name} moves`,
      againAtMs: null,
      counterfactual: 'once only one of them takes writes it would have passed',
    };
  }
  const writer = state?.writer ?? null;
  const pool = astray(change, writer);
  if (pool === undefined) return { allow: true };
  return {
    allow: false,
    because: `${pool.region} would get ${share(after, pool.name)} thousandths of ${service.name} (${share(before, pool.name)} now), and ${standing(each, nowMs)}`,
    againAtMs: null,
    counterfactual: `with a row written and read back in ${pool.region} it would have passed: a run of platform ${platform.name} promotes and proves it`,
  };
};

export const tier = ruleOf<Readonly<Record<string, never>>>({
  kind: 'tier',
  question: 'Is the database behind it proved writable where writers would be sent?',
  risk: 'high',
  passedBy: 'break-glass',
  mayHoldTheDead: true,
  judges: ['health', 'return', 'order'],
  defaults: {},
  judge(change, world, _, nowMs) {
    if (!isChange(change)) return { allow: true };
    for (const each of tiersOf(world, change.service.name)) {
      const ruling = judgeOne(each, change, nowMs);
      if (!ruling.allow) return ruling;
    }
    return { allow: true };
  },
});
