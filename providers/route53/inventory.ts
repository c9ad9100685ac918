// What a hosted zone routes today, read only: groups of weighted and failover sets as services, what cannot be owned with its reason, and what a human should know.
import { fenceName } from '../fence.ts';
import { poolNames } from '../pool-names.ts';
import type { FoundService, Inventory } from '../provider.ts';
import { wholeUnits } from '../rounding.ts';
import { type AwsContext, openAccount } from './account.ts';
import type { PoolRecords, RecordsConfig } from './config.ts';
import { fenceReadBack } from './convert.ts';
import { answersOf, bareName, inOrder, policyName, policyOf, type RecordSet } from './sets.ts';
import { allSets } from './zone.ts';

export const route53Inventory = async (
  config: Pick<RecordsConfig, 'zone' | 'hostedZoneId' | 'credentialsFile' | 'endpoint'>,
  context: AwsContext,
  signal: AbortSignal,
): Promise<Inventory> => {
  const account = openAccount(config, context);
  try {
    return inventoryOf(await allSets({ account, hostedZoneId: config.hostedZoneId }, signal));
  } finally {
    account.close();
  }
};

const TYPES = ['A', 'AAAA', 'CNAME'];
/** Above this a drain outlasts the minute that users are promised by default. */
const TTL_NOTED_S = 60;

/** All sets of a zone. Pure. */
export const inventoryOf = (sets: readonly RecordSet[]): Inventory => {
  const routed = sets.filter((set) => TYPES.includes(set.Type ?? '') && policyOf(set) !== 'simple');
  const names = [...new Set(routed.map(({ Name = '' }) => bareName(Name)))].toSorted(inOrder);
  const judged = names.map((name) => {
    const group = sets.filter((set) => bareName(set.Name ?? '') === name && TYPES.includes(set.Type ?? ''));
    const because = refusalOf(name, group);
    return because === null ? { service: serviceOf(name, group, sets) } : { refused: { what: `${name} ${typesOf(group)}`, because } };
  });
  return {
    services: judged.flatMap(({ service }) => (service === undefined ? [] : [service])),
    refused: judged.flatMap(({ refused }) => (refused === undefined ? [] : [refused])),
  };
};

const typesOf = (group: readonly RecordSet[]): string => [...new Set(group.map(({ Type }) => Type))].join(', ');

/** Why this name cannot be owned; null: it can. */
const refusalOf = (name: string, group: readonly RecordSet[]): string | null => {
  if (!/^[a-z0-9-]+(\.[a-z0-9-]+)+$/.test(name)) return 'its name is a wildcard or holds characters that no service may have';
  const other = group.find((set) => policyOf(set) === 'other');
  if (other !== undefined)
    return `${other.Type} is routed by ${policyName(other)}, which has no weights that could be decided; make the sets weighted or failover`;
  const policies = new Set(group.map(policyOf));
  if (policies.size > 1) return `its types are routed by ${[...policies].join(' and ')}; make them alike`;
  const isFailover = policies.has('failover');
  const pools = new Set(group.map((set) => identifierOf(set)));
  if (isFailover && pools.size !== 2) return `it has ${pools.size} failover sets by identifier, expected a primary and a secondary`;
  return null;
};

/** Without the number of a further address, as convert.ts counts them. */
const identifierOf = ({ SetIdentifier = '' }: RecordSet): string => SetIdentifier.replace(/#\d+$/, '');

interface FoundPool {
  pool: string;
  identifier: string;
  sets: readonly RecordSet[];
  weight: number;
}

const serviceOf = (name: string, group: readonly RecordSet[], zone: readonly RecordSet[]): FoundService => {
  const mode = group.some((set) => policyOf(set) === 'failover') ? 'failover' : 'weighted';
  const pools = poolsOf(group, mode);
  const ttls = [...new Set(group.flatMap(({ TTL }) => (TTL === undefined ? [] : [TTL])))].toSorted((a, b) => a - b);
  const objects = Object.fromEntries(pools.map((pool) => [pool.pool, recordsOf(pool)]));
  const { fence } = fenceReadBack({ service: name }, zone);
  return {
    service: name,
    ttlS: ttls[0] ?? null,
    pools: pools.map(({ pool, weight, sets }) => ({ pool, weight, answers: addressesOf(sets) })),
    objects: Object.values(objects).some((each) => Object.keys(each).length > 0) ? { pools: objects } : null,
    notes: [
      ...(mode === 'failover' ? ['needs an entry of mode failover: one pool serves at a time, and weights are not weighed'] : []),
      ...(fence === null ? [] : [`carries fence ${fence.v} of ${fence.writer} already: another Tidegate writes it, or did`]),
      ...ttlNotes(ttls),
      ...weightNotes(group, pools, mode),
      ...pools.flatMap((pool) => poolNotes(pool, zone)),
    ],
    firstFence: firstFence(name, pools, mode),
  };
};

const poolsOf = (group: readonly RecordSet[], mode: 'weighted' | 'failover'): readonly FoundPool[] => {
  const byIdentifier = [...Map.groupBy(group, identifierOf)];
  const areAllZero = mode === 'weighted' && byIdentifier.every(([, sets]) => weightOf(sets) === 0);
  const names = poolNames(byIdentifier.map(([identifier]) => identifier));
  return byIdentifier.map(([identifier, sets], at) => {
    const pool = names[at]!;
    return { pool, identifier, sets, weight: areAllZero ? 1 : mode === 'weighted' ? weightOf(sets) : primary(sets) ? 1 : 0 };
  });
};

const primary = (sets: readonly RecordSet[]): boolean => sets.some(({ Failover }) => Failover === 'PRIMARY');

/** Of the first type it has: a pool weighs the same in all types, or a note says otherwise. */
const weightOf = (sets: readonly RecordSet[]): number =>
  sets.filter(({ Type }) => Type === sets[0]?.Type).reduce((sum, { Weight = 0 }) => sum + Weight, 0);

/** What has to be said of a pool that is not simply its addresses under its own name. */
const recordsOf = ({ pool, identifier, sets }: FoundPool): PoolRecords => {
  const alias = sets.find(({ AliasTarget }) => AliasTarget !== undefined)?.AliasTarget;
  const cname = sets.find(({ Type }) => Type === 'CNAME')?.ResourceRecords?.[0]?.Value;
  return {
    ...(identifier === pool ? {} : { setIdentifier: identifier }),
    ...(alias === undefined
      ? {}
      : {
          alias: {
            name: bareName(alias.DNSName ?? ''),
            hostedZoneId: alias.HostedZoneId ?? '',
            evaluateTargetHealth: alias.EvaluateTargetHealth === true,
            types: sets.flatMap(({ Type }) => (Type === 'A' || Type === 'AAAA' ? [Type] : [])),
          },
        }),
    ...(alias !== undefined || cname === undefined ? {} : { cname: bareName(cname) }),
  };
};

const addressesOf = (sets: readonly RecordSet[]): readonly string[] =>
  sets.filter(({ Type, AliasTarget }) => Type !== 'CNAME' && AliasTarget === undefined).flatMap((set) => answersOf(set));

// ---- notes ----

const ttlNotes = (ttls: readonly number[]): readonly string[] => {
  const most = ttls.at(-1);
  if (most === undefined) return ['alias only: users keep an answer as long as its target says (60 s for a load balancer of AWS)'];
  return [
    ...(ttls.length > 1 ? [`its sets have TTLs from ${ttls[0]} to ${most} s; the first write makes them alike`] : []),
    ...(most > TTL_NOTED_S ? [`TTL ${most} s: users follow a drain that much later; 30 s or less is usual for failing over`] : []),
  ];
};

const weightNotes = (group: readonly RecordSet[], pools: readonly FoundPool[], mode: 'weighted' | 'failover'): readonly string[] => {
  if (mode === 'failover') return [];
  const allZero = pools.every(({ sets }) => weightOf(sets) === 0);
  const portion = (type: string): string => {
    const sets = group.filter(({ Type }) => Type === type);
    const all = sets.reduce((sum, { Weight = 0 }) => sum + Weight, 0);
    const of = (pool: FoundPool): number => pool.sets.filter(({ Type }) => Type === type).reduce((sum, { Weight = 0 }) => sum + Weight, 0);
    return pools.map((pool) => Math.round((of(pool) * 1000) / Math.max(1, all))).join(' ');
  };
  const types = TYPES.filter((type) => group.some(({ Type }) => Type === type));
  return [
    ...(allZero ? ['all weights are 0, which Route 53 serves evenly; taken as 1 each'] : []),
    ...(new Set(types.map(portion)).size > 1
      ? [`${types.join(' and ')} weigh their pools differently; the weights here are of the first`]
      : []),
  ];
};

const poolNotes = ({ pool, sets }: FoundPool, zone: readonly RecordSet[]): readonly string[] => {
  const checks = [...new Set(sets.flatMap(({ HealthCheckId }) => (HealthCheckId === undefined ? [] : [HealthCheckId])))];
  const alias = sets.find(({ AliasTarget }) => AliasTarget !== undefined)?.AliasTarget;
  const target = bareName(alias?.DNSName ?? '');
  const isNested = alias !== undefined && zone.some((set) => bareName(set.Name ?? '') === target && policyOf(set) !== 'simple');
  return [
    ...checks.map((id) => `${pool} carries health check ${id}: it stays, and takes the pool out by itself when it fails`),
    ...(alias?.EvaluateTargetHealth === true
      ? [`${pool} is an alias that evaluates its target's health: Route 53 takes it out by itself when all targets fail`]
      : []),
    ...(isNested ? [`${pool} is an alias of ${target}, which is routed by sets of its own; what is behind it is not decided here`] : []),
    ...(sets.some(({ Weight, ResourceRecords = [] }) => Weight !== undefined && ResourceRecords.length > 1)
      ? [`${pool} has several values in one weighted set; the first write makes one set of each`]
      : []),
  ];
};

const firstFence = (name: string, pools: readonly FoundPool[], mode: 'weighted' | 'failover'): string => {
  const created = `creates TXT ${fenceName(name)} (TTL 60 s)`;
  if (mode === 'failover') return `${created} and changes nothing else while the primary stays the one with the most weight`;
  const shares = pools.map(({ pool, weight }) => ({ pool, share: weight, configuredShare: weight }));
  const units = [...wholeUnits(shares, 255)].map(([pool, weight]) => `${pool} ${weight}`);
  return `${created} and sets the weights to the same proportions of 255: ${units.join(', ')}`;
};
