// Relations of `objectives`, `verify` and `llm` of a platform: the systems they name and of which kind, and regions that the platform has. Pure, but for the shipped objectives.
import type { ByRegion, PlatformConfig, VerifyConfig } from '../runbook/platform.ts';
import { shippedObjectives } from './objectives.ts';
import { type Finding, finding, type Path } from './problem.ts';
import { didYouMean, list } from './words.ts';

interface Naming {
  at: Path;
  system: string;
  kinds: readonly ['prometheus'] | readonly ['kubernetes'] | readonly ['http'];
}

const NOTHING: VerifyConfig = { deployments: [], checks: {} };

const each = (system: string | ByRegion<string>, at: Path): readonly { at: Path; system: string }[] =>
  typeof system === 'string' ? [{ at, system }] : Object.entries(system).map(([region, name]) => ({ at: [...at, region], system: name }));

/** Systems that are named, where, and of which kind they have to be. */
export const budgetNamings = ({ objectives = [], verify = NOTHING, llm }: PlatformConfig, at: Path): readonly Naming[] => [
  ...objectives.flatMap(({ system }, o) =>
    system === undefined
      ? []
      : each(system, [...at, 'objectives', o, 'system']).map((named) => ({ ...named, kinds: ['prometheus'] as const })),
  ),
  ...verify.deployments.flatMap(({ sites }, d) =>
    Object.entries(sites).map(([region, { system }]) => ({
      at: [...at, 'verify', 'deployments', d, 'sites', region, 'system'],
      system,
      kinds: ['kubernetes'] as const,
    })),
  ),
  ...Object.entries(verify.checks).flatMap(([region, names]) =>
    names.map((system, c) => ({ at: [...at, 'verify', 'checks', region, c], system, kinds: ['http'] as const })),
  ),
  ...each(llm?.systems ?? {}, [...at, 'llm', 'systems']).map((named) => ({ ...named, kinds: ['http'] as const })),
  ...each(verify.health?.systems ?? {}, [...at, 'verify', 'health', 'systems']).map((named) => ({ ...named, kinds: ['http'] as const })),
];

/** Regions that are named and that the platform has not. */
export const budgetFindings = ({ name, regions, objectives = [], verify = NOTHING, llm }: PlatformConfig, at: Path): readonly Finding[] => {
  const named: readonly (readonly [string, Path, 'key' | 'value'])[] = [
    ...objectives.flatMap(({ system }, o) => keysOf(system, [...at, 'objectives', o, 'system'])),
    ...verify.deployments.flatMap(({ sites }, d) => keysOf(sites, [...at, 'verify', 'deployments', d, 'sites'])),
    ...keysOf(verify.checks, [...at, 'verify', 'checks']),
    ...keysOf(llm?.systems, [...at, 'llm', 'systems']),
    ...keysOf(verify.health?.systems, [...at, 'verify', 'health', 'systems']),
    ...(verify.migration?.regions ?? []).map((region, r) => [region, [...at, 'verify', 'migration', 'regions', r], 'value'] as const),
  ];
  const strange = named
    .filter(([region]) => !regions.includes(region))
    .map(([region, path, where]) => {
      const message = `found the region "${region}", expected one of platform ${name}: ${list(regions)}; ${didYouMean(region, regions, 'remove it')}`;
      return finding(path, message, where);
    });
  return [...strange, ...unseenRecoveries({ regions, objectives }, at)];
};

/** A recovery in a region where nobody is named to measure it could never be seen to hold. */
const unseenRecoveries = (
  { regions, objectives }: { regions: readonly string[]; objectives: NonNullable<PlatformConfig['objectives']> },
  at: Path,
): readonly Finding[] =>
  objectives.flatMap(({ name, off, system, role = shippedObjectives().find((each) => each.name === name)?.role }, o) => {
    if (off === true || role !== 'recovery' || system === undefined || typeof system === 'string') return [];
    const lacking = regions.filter((region) => system[region] === undefined);
    if (lacking.length === 0) return [];
    const message = `found no system for ${list(lacking)}, expected one for every region of an objective of recovery; name it, or write role: advice`;
    return [finding([...at, 'objectives', o, 'system'], message)];
  });

const keysOf = (map: string | ByRegion<unknown> | undefined, at: Path): readonly (readonly [string, Path, 'key'])[] =>
  map === undefined || typeof map === 'string' ? [] : Object.keys(map).map((region) => [region, [...at, region], 'key'] as const);
