// The chain of language models of a platform, as people and machines are told of it: on which provider each region is, and how old that is. Pure.
import type { LlmConfig } from '../runbook/platform.ts';
import { agoText } from '../runbook/tiers/record.ts';
import type { LlmRecord } from './chain.ts';

export const LLM_ALARMS = ['degraded', 'churn', 'last'] as const;

/** What was told and is not over. `region` null: of all of them together. */
export interface LlmAlarm {
  is: (typeof LLM_ALARMS)[number];
  region: string | null;
}

export interface LlmRegionView {
  region: string;
  /** The one that was seen last. null: none of the chain was ever seen. */
  provider: string | null;
  /** In the chain, from 1. null: it is in the chain no more, or there is none. */
  position: number | null;
  /** Since it was first seen there. */
  sinceAtMs: number | null;
  /** Within the window. */
  switches: number;
  /** Whether the last look saw it, and is not old. What is not known is what was known last. */
  known: boolean;
  /** The last look, whatever it saw. null: there was none. */
  lookedAtMs: number | null;
  because: string;
}

export interface LlmView {
  chain: readonly string[];
  churn: LlmConfig['churn'];
  regions: readonly LlmRegionView[];
  alarms: readonly LlmAlarm[];
}

/** Four looks, and the minute after which a record that says the same is written again. */
export const LLM_OLD_MS = 2 * 60_000;

const alarmIn = (told: string): readonly LlmAlarm[] => {
  const [kind, region] = told.split(' ');
  const is = LLM_ALARMS.find((each) => each === kind);
  return is === undefined ? [] : [{ is, region: region ?? null }];
};

const whereText = (provider: string | null, position: number | null, { chain }: LlmConfig): string =>
  provider === null ? 'on no provider of the chain so far' : `on ${provider}${position === null ? '' : `, ${position} of ${chain.length}`}`;

/** `nowMs`: cluster time. */
export const llmViewOf = (config: LlmConfig, record: LlmRecord | null, nowMs: number): LlmView => ({
  chain: config.chain,
  churn: config.churn,
  regions: Object.keys(config.systems).map((region): LlmRegionView => {
    const was = record?.regions[region];
    const look = record?.looks?.[region];
    const provider = was?.provider ?? null;
    const at = provider === null ? -1 : config.chain.indexOf(provider);
    const position = at < 0 ? null : at + 1;
    const ageMs = look === undefined ? null : Math.max(0, nowMs - look.atMs);
    const isOld = ageMs === null || ageMs > LLM_OLD_MS;
    const known = look !== undefined && !isOld && look.provider !== null && position !== null;
    const where = whereText(provider, position, config);
    const doubt = look === undefined ? 'not looked at yet' : isOld ? `not looked at for ${agoText(ageMs ?? 0)}` : look.because;
    const last = provider === null ? '' : `; last ${where}`;
    return {
      region,
      provider,
      position,
      sinceAtMs: was?.sinceAtMs ?? null,
      switches: (record?.switches[region] ?? []).filter((atMs) => nowMs - atMs < config.churn.windowMs).length,
      known,
      lookedAtMs: look?.atMs ?? null,
      because: known ? where : `not known: ${doubt}${last}`,
    };
  }),
  // Of a region that is asked no more nothing is told.
  alarms: (record?.told ?? []).flatMap(alarmIn).filter(({ region }) => region === null || Object.hasOwn(config.systems, region)),
});
