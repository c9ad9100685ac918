// What a platform is held to, and what of it is measured from where. Pure.
import type { ByRegion, ObjectiveConfig, PlatformConfig } from '../runbook/platform.ts';
import type { Dependency, Objective } from './model.ts';

const QUANTILE = 0.95;
const MAX_AGE_MS = 2 * 60_000;

const merged = (config: ObjectiveConfig): Objective | null => {
  const { name, kind, maxMs, off, preset, presets = {}, query, unit } = config;
  if (kind === undefined || maxMs === undefined || off === true) return null;
  const own = query !== undefined && unit !== undefined ? { query, unit } : null;
  return {
    name,
    kind,
    maxMs,
    says: config.says ?? name,
    quantile: config.quantile ?? QUANTILE,
    role: config.role ?? 'advice',
    remedies: config.remedies ?? [],
    system: config.system ?? null,
    query: own ?? (preset === undefined ? null : (presets[preset] ?? null)),
    maxAgeMs: config.maxAgeMs ?? MAX_AGE_MS,
  };
};

/** A platform that chooses a preset of a shipped objective does not mean that one's query. */
const over = (shipped: ObjectiveConfig, own: ObjectiveConfig): ObjectiveConfig => {
  const both = { ...shipped, ...own };
  if (own.preset === undefined || own.query !== undefined) return both;
  const { query: _query, unit: _unit, ...rest } = both;
  return rest;
};

/** In the order of the shipped ones, then the platform's own. */
export const objectivesOf = (
  shipped: readonly ObjectiveConfig[],
  { objectives = [] }: Pick<PlatformConfig, 'objectives'>,
): readonly Objective[] => {
  const own = new Map(objectives.map((each) => [each.name, each]));
  const known = shipped.map((each) => over(each, own.get(each.name) ?? { name: each.name }));
  const more = objectives.filter(({ name }) => !shipped.some((each) => each.name === name));
  return [...known, ...more].flatMap((each) => merged(each) ?? []);
};

const entriesOf = (system: string | ByRegion<string>, regions: readonly string[]): readonly (readonly [region: string, system: string])[] =>
  regions.flatMap((region) => {
    const name = typeof system === 'string' ? system : system[region];
    return name === undefined ? [] : [[region, name] as const];
  });

/** Frontends by region; of a cloud's namespaces those that its owner named beside it. */
const temporalsOf = ({ namespaces, regions }: PlatformConfig, { name: objective }: Objective): readonly Dependency[] =>
  namespaces.flatMap(({ name: of, system, frontend }) => {
    const asked = typeof system === 'string' ? frontend : system;
    return asked === undefined
      ? []
      : entriesOf(asked, regions).map(([to, entry]) => ({ objective, kind: 'temporal' as const, of, to, system: entry }));
  });

const databasesOf = ({ databases = [], regions }: PlatformConfig, { name: objective }: Objective): readonly Dependency[] =>
  databases.flatMap(({ name: of, sites }) =>
    regions.flatMap((to) => {
      const site = sites[to];
      return site === undefined ? [] : [{ objective, kind: 'postgres' as const, of, to, system: site.sql }];
    }),
  );

/** A query is asked in the region that it is about, and nowhere else. */
const queriesOf = ({ regions }: PlatformConfig, { name, system, query }: Objective): readonly Dependency[] =>
  system === null || query === null
    ? []
    : entriesOf(system, regions).map(([to, entry]) => ({ objective: name, kind: 'promql' as const, of: name, to, system: entry }));

const BY_KIND = { temporal: temporalsOf, postgres: databasesOf, promql: queriesOf } as const;

/** What objectives of the platform rest on, in each of its regions. */
export const dependenciesOf = (platform: PlatformConfig, objective: Objective): readonly Dependency[] =>
  BY_KIND[objective.kind](platform, objective);

/** Regions in which nobody is named to answer its query, although somebody is in others. */
export const unnamedIn = ({ regions }: PlatformConfig, { kind, role }: Objective, all: readonly Dependency[]): readonly string[] =>
  kind !== 'promql' || role !== 'recovery' || all.length === 0 ? [] : regions.filter((region) => !all.some(({ to }) => to === region));

/** Whether it is measured from there: what only a region itself can say, only its own replicas ask. */
export const isMeasuredFrom = ({ kind, to }: Pick<Dependency, 'kind' | 'to'>, from: string): boolean => kind !== 'promql' || to === from;
