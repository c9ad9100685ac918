// On which provider of its chain of language models a region is, and what of that is worth telling: advice, on which no route and no vote rests. Pure.
import { quoted } from '../exchange.ts';
import type { ByRegion, LlmConfig } from '../runbook/platform.ts';

/** null: nobody knows, and `because` says why. */
export interface Seen {
  provider: string | null;
  because: string;
}

/** `llm/<platform>`. */
export interface LlmRecord {
  /** As each region was known last. */
  regions: ByRegion<{ provider: string; sinceAtMs: number }>;
  /** Cluster times, oldest first, of a region's switches within the window. */
  switches: ByRegion<readonly number[]>;
  /** What was told and is not over: `degraded eu-west`, `churn eu-west`, `last`. */
  told: readonly string[];
  /** The last look at each region, at its cluster time; a minute older at most than the last one was. Absent: of an earlier version. */
  looks?: ByRegion<Seen & { atMs: number }>;
  nonce: string;
}

export type LlmKnown = Omit<LlmRecord, 'nonce' | 'looks'>;
export const NOTHING_KNOWN: LlmKnown = { regions: {}, switches: {}, told: [] };

const NAME_CHARS_MAX = 64;
/** Of a region: more are more than any churn that can be asked for. */
const SWITCHES_MAX = 32;

const at = (document: unknown, path: string): unknown =>
  path
    .split('.')
    .reduce<unknown>(
      (here, key) =>
        typeof here === 'object' && here !== null && Object.hasOwn(here, key) ? (here as Record<string, unknown>)[key] : undefined,
      document,
    );

/** What the health document says; whatever is odd is unknown. */
export const seenIn = (document: unknown, { section, active, chain }: LlmConfig): Seen => {
  const found = at(at(document, section), active);
  if (typeof found !== 'string' || found === '') return { provider: null, because: `the document says no ${section}.${active}` };
  if (!chain.includes(found))
    return { provider: null, because: `found the provider "${quoted(found, NAME_CHARS_MAX)}", expected one of ${chain.join(', ')}` };
  return { provider: found, because: `on ${found}` };
};

export interface LlmNews {
  type: 'llm.degraded' | 'llm.churn' | 'llm.last' | 'llm.recovered';
  severity: 'critical' | 'warning' | 'info';
  summary: string;
}

const knownAfter = (before: LlmKnown, seen: ByRegion<Seen>, { churn, systems }: LlmConfig, nowMs: number): Omit<LlmKnown, 'told'> => {
  const regions: Record<string, { provider: string; sinceAtMs: number }> = {};
  const switches: Record<string, readonly number[]> = {};
  for (const region of Object.keys(systems)) {
    const was = before.regions[region];
    const provider = seen[region]?.provider ?? was?.provider;
    const recent = (before.switches[region] ?? []).filter((atMs) => nowMs - atMs < churn.windowMs);
    const isSwitch = was !== undefined && provider !== was.provider;
    switches[region] = isSwitch ? [...recent, nowMs].slice(-SWITCHES_MAX) : recent;
    if (provider !== undefined) regions[region] = was?.provider === provider ? was : { provider, sinceAtMs: nowMs };
  }
  return { regions, switches };
};

/**
 * What is known and told after one look. `seenBefore`: the look before it; what is not so at two looks in a row is not told, and what is unknown begins and ends
 * nothing.
 */
export const llmAfter = (
  platform: string,
  config: LlmConfig,
  before: LlmKnown,
  looks: { seen: ByRegion<Seen>; seenBefore: ByRegion<Seen> },
  nowMs: number,
): { known: LlmKnown; news: readonly LlmNews[] } => {
  const { chain, churn, systems } = config;
  const [first] = chain;
  const last = chain.at(-1);
  const known = knownAfter(before, looks.seen, config, nowMs);
  const named = Object.keys(systems);
  const twice = (region: string): string | null => {
    const provider = looks.seen[region]?.provider ?? null;
    return provider !== null && provider === looks.seenBefore[region]?.provider ? provider : null;
  };
  /** Told if it is so, told no more if it is not, as it was if nobody knows. */
  const standing = (what: string, is: boolean | null): readonly string[] => ((is ?? before.told.includes(what)) ? [what] : []);
  const degraded = (region: string): boolean | null => (twice(region) === null ? null : twice(region) !== first);
  const churns = (region: string): boolean | null => {
    const count = known.switches[region]?.length ?? 0;
    return count > churn.switches ? true : count === 0 ? false : null;
  };
  const isLast = named.every((region) => twice(region) === last)
    ? true
    : named.some((region) => (twice(region) ?? last) !== last)
      ? false
      : null;
  const told = [
    ...named.flatMap((region) => standing(`degraded ${region}`, degraded(region))),
    ...named.flatMap((region) => standing(`churn ${region}`, churns(region))),
    ...(named.length === 0 ? [] : standing('last', isLast)),
  ];
  const begun = told.filter((what) => !before.told.includes(what));
  const of = (kind: string): readonly string[] =>
    begun.filter((what) => what.startsWith(`${kind} `)).map((what) => what.slice(kind.length + 1));
  const say = (type: LlmNews['type'], severity: LlmNews['severity'], what: string): LlmNews => ({
    type,
    severity,
    summary: `language models of platform ${platform}: ${what}`,
  });
  const minutes = Math.round(churn.windowMs / 60_000);
  const news = [
    ...(of('degraded').length === 0
      ? []
      : [
          say(
            'llm.degraded',
            'warning',
            `${of('degraded')
              .map((region) => `${region} is on ${known.regions[region]?.provider}`)
              .join(', ')}, not on ${first}; no route moves for it`,
          ),
        ]),
    ...(of('churn').length === 0
      ? []
      : [
          say(
            'llm.churn',
            'warning',
            `${of('churn')
              .map((region) => `${region} has switched ${known.switches[region]?.length} times`)
              .join(', ')} in ${minutes} min, more than ${churn.switches}`,
          ),
        ]),
    ...(begun.includes('last')
      ? [say('llm.last', 'critical', `every region is on ${last}, the last of ${chain.join(', ')}: nothing is left to fail over to`)]
      : []),
    ...(before.told.length > 0 && told.length === 0
      ? [say('llm.recovered', 'info', `every region is on ${first} again, or is asked no more`)]
      : []),
  ];
  return { known: { ...known, told }, news };
};
