// What of platforms stands in the status document: where data is written and what a move would lose, on which language models the regions are, what is over
// budget. All of it is read off the records that every replica has alike: nobody is asked. Pure.
import { budgetsKey, lagKey, llmKey } from '../coordinate/keys.ts';
import type { Sight } from '../coordinate/read.ts';
import type { LlmRecord } from '../llm/chain.ts';
import { type LlmView, llmViewOf } from '../llm/view.ts';
import type { ClusterConfig } from '../model.ts';
import type { BudgetsRecord } from '../objectives/duty.ts';
import type { LagRecord } from '../runbook/facts.ts';
import type { PlatformConfig } from '../runbook/platform.ts';
import { type DatabaseView, databasesOf } from '../runbook/tiers/loss.ts';

export interface DatabaseStatus extends DatabaseView {
  /** Standbys that were told to be too far behind and have not been back since. */
  behind: readonly string[];
  /** Standbys whose lag was never measured. */
  unmeasured: readonly string[];
}

/** What was told to be over its bound, as `postgres orders from eu-west to us-east`. */
export interface OverBudget {
  name: string;
  /** Nothing waits for it. */
  advice: boolean;
}

export interface PlatformStatus {
  name: string;
  databases: readonly DatabaseStatus[];
  /** Advice. null: the platform has no chain. */
  llm: LlmView | null;
  over: readonly OverBudget[];
}

type Records = Pick<Sight, 'tiers' | 'has'>;

const recordsUnder = <T>(sight: Records, prefix: string): ReadonlyMap<string, T> =>
  new Map(sight.has(prefix).map(({ key, value }) => [key, value as T]));

const databaseStatus = (view: DatabaseView, { databases = [] }: PlatformConfig, lags: LagRecord | null): DatabaseStatus => {
  const { database, writer, standbys } = view;
  const regions = Object.keys(databases.find(({ name }) => name === database)?.sites ?? {});
  return {
    ...view,
    behind: regions.filter((region) => region !== writer && lags?.told?.includes(`${database}@${region}`) === true),
    unmeasured: regions.filter((region) => region !== writer && !standbys.some((standby) => standby.region === region)),
  };
};

/** In configured order. */
export const platformsNow = (
  { platforms = [] }: Pick<ClusterConfig, 'platforms'>,
  sight: Records,
  nowMs: number,
): readonly PlatformStatus[] => {
  if (platforms.length === 0) return [];
  const lags = recordsUnder<LagRecord>(sight, lagKey(''));
  const chains = recordsUnder<LlmRecord>(sight, llmKey(''));
  const budgets = recordsUnder<BudgetsRecord>(sight, budgetsKey(''));
  const lagsOf = (name: string): LagRecord | null => lags.get(lagKey(name)) ?? null;
  return platforms.map((platform): PlatformStatus => {
    const { name, llm } = platform;
    const { told = [], advice = [] } = budgets.get(budgetsKey(name)) ?? {};
    return {
      name,
      databases: databasesOf(platform, { tiers: sight.tiers, lagsOf, nowMs }).map((view) => databaseStatus(view, platform, lagsOf(name))),
      llm: llm === undefined ? null : llmViewOf(llm, chains.get(llmKey(name)) ?? null, nowMs),
      over: told.map((each) => ({ name: each, advice: advice.includes(each) })),
    };
  });
};
