// Between a decided route and record sets of Route 53, where one name and type has many sets that share the answers by weight, or two that stand in for each other.
// A weighted set holds one value, so a pool has a set per address and its weight is divided among them. Reading back and promising use the same arithmetic, so
// drift is a plain comparison. Fields that are not ours (health checks that a human attached) are written back as they were. Pure.
import assert from 'node:assert/strict';
import type { Change as SetChange } from '@aws-sdk/client-route-53';
import { addressesOf, typeOf } from '../addresses.ts';
import { FENCE_TTL_S, fenceName, formatFence, parseFence } from '../fence.ts';
import type { Change, Fence, ProviderService, ReadBack } from '../provider.ts';
import { thousandthsOf, wholeUnits } from '../rounding.ts';
import type { PoolRecords, RecordsConfig } from './config.ts';
import { answersOf, bareName, keyOf, policyName, policyOf, quoted, type RecordSet, unquoted } from './sets.ts';

export type Mode = RecordsConfig['mode'];
type Type = 'A' | 'AAAA' | 'CNAME';
const TYPES: readonly Type[] = ['A', 'AAAA', 'CNAME'];

/** A set that may have to exist, whatever the shares: what it answers with and under which identifier. */
interface Slot {
  pool: string;
  type: Type;
  identifier: string;
  answer: Pick<RecordSet, 'TTL' | 'ResourceRecords' | 'AliasTarget'>;
  healthCheckId: string | undefined;
}

export interface Objects {
  mode: Mode;
  pools: Readonly<Record<string, PoolRecords>>;
}

/** Weights of one name and type, together: the most that one set can have. */
const WEIGHT_TOTAL = 255;

// ---- what should be there ----

const slotsOf = ({ mode, pools }: Objects, service: ProviderService): readonly Slot[] =>
  service.pools.flatMap((pool) => {
    const said = pools[pool.pool] ?? {};
    const identifier = said.setIdentifier ?? pool.pool;
    const of = (type: Type, answer: Slot['answer'], n = 0): Slot => ({
      pool: pool.pool,
      type,
      identifier: n === 0 ? identifier : `${identifier}#${n + 1}`,
      answer,
      healthCheckId: said.healthCheckId,
    });
    if (said.alias !== undefined) {
      const { name, hostedZoneId, evaluateTargetHealth, types } = said.alias;
      const AliasTarget = { DNSName: name, HostedZoneId: hostedZoneId, EvaluateTargetHealth: evaluateTargetHealth };
      return types.map((type) => of(type, { AliasTarget }));
    }
    const valued = (values: readonly string[]): Slot['answer'] => ({
      TTL: service.ttlS,
      ResourceRecords: values.map((Value) => ({ Value })),
    });
    if (said.cname !== undefined) return [of('CNAME', valued([said.cname]))];
    return [...Map.groupBy(addressesOf(pool.answers), typeOf)].flatMap(([type, values]) =>
      mode === 'weighted' ? values.map((value, n) => of(type, valued([value]), n)) : [of(type, valued(values))],
    );
  });

/** Units per pool of one type; null: no pool that carries anything has a set of this type, so there must be none at all. */
const unitsOf = (mode: Mode, service: ProviderService, slots: readonly Slot[]): ReadonlyMap<string, number> | null => {
  if (mode === 'failover') {
    const primary = primaryOf(service);
    return primary !== null && slots.some(({ pool }) => pool === primary) ? new Map([[primary, WEIGHT_TOTAL]]) : null;
  }
  const pools = service.pools.filter(({ pool }) => slots.some((slot) => slot.pool === pool));
  return pools.some(({ share }) => share > 0) ? wholeUnits(pools, WEIGHT_TOTAL) : null;
};

/** The pool that stands first: the one with the largest share, of equals the one configured first. null: no pool has any. */
const primaryOf = (service: ProviderService): string | null => {
  const most = Math.max(0, ...service.pools.map(({ share }) => share));
  return most === 0 ? null : (service.pools.find(({ share }) => share === most)?.pool ?? null);
};

/** All sets of the service, by their keys. Throws for a route that serves nobody. */
const desiredSets = (objects: Objects, service: ProviderService): readonly RecordSet[] => {
  const slots = slotsOf(objects, service);
  const groups = TYPES.map((type) => slots.filter((slot) => slot.type === type));
  const sets = groups.flatMap((group) => {
    const units = unitsOf(objects.mode, service, group);
    if (units === null) return [];
    const primary = objects.mode === 'failover' ? primaryOf(service) : null;
    return group.map((slot): RecordSet => {
      const own = group.filter(({ pool }) => pool === slot.pool);
      const role = slot.pool === primary ? 'PRIMARY' : 'SECONDARY';
      return {
        Name: `${service.service}.`,
        Type: slot.type,
        SetIdentifier: slot.identifier,
        ...(primary === null ? { Weight: partOf(units.get(slot.pool) ?? 0, own.length, own.indexOf(slot)) } : { Failover: role }),
        ...slot.answer,
        ...(slot.healthCheckId === undefined ? {} : { HealthCheckId: slot.healthCheckId }),
      };
    });
  });
  assert(sets.length > 0, `${service.service}: an empty route; no pool has both a share and something to answer with`);
  return sets;
};

/** Whole units among `count`, the first ones one more where they do not divide. */
const partOf = (units: number, count: number, at: number): number => Math.floor(units / count) + (at < units % count ? 1 : 0);

/** What will be read once the route is served. In: a route that is not empty. */
export const quantise = (objects: Objects, service: ProviderService): Readonly<Record<string, number>> => {
  const shares = sharesOf(objects, service, desiredSets(objects, service));
  assert(shares !== null, `${service.service}: an empty route`);
  return shares;
};

// ---- what is there ----

/** What `apply` compares with: the sets at the service's name that answer for it, and the fence's, as they were read. */
interface Token {
  sets: readonly RecordSet[];
  fence: RecordSet | null;
}

/** In: any sets of the zone, this service's among them. */
export const readBackOf = (objects: Objects, service: ProviderService, listed: readonly RecordSet[]): ReadBack => {
  const sets = listed.filter(({ Name, Type }) => bareName(Name ?? '') === service.service && TYPES.includes(Type as Type));
  const { fence, foreign, token } = fenceReadBack(service, listed);
  return {
    fence,
    shares: sharesOf(objects, service, sets),
    foreign: [...foreignIn(objects, service, sets), ...foreign],
    token: { sets, fence: token } satisfies Token,
  };
};

/** The fence of a service alone, with texts in its place that are none. `token`: for `fenceChanges`. */
export const fenceReadBack = (
  { service }: Pick<ProviderService, 'service'>,
  listed: readonly RecordSet[],
): Pick<ReadBack, 'fence' | 'foreign'> & { token: RecordSet | null } => {
  const set = listed.find(({ Name, Type }) => bareName(Name ?? '') === fenceName(service) && Type === 'TXT') ?? null;
  const fence = fenceOf(set);
  return { fence, foreign: fence === null ? (set?.ResourceRecords ?? []).map(({ Value = '' }) => `TXT ${Value}`) : [], token: set };
};

/** A text that is not ours to the letter, or two of them, is no fence: every write is refused until it is put right, since nobody knows who wrote last. */
const fenceOf = (set: RecordSet | null): Fence | null => {
  const values = set?.ResourceRecords ?? [];
  return values.length === 1 ? parseFence(unquoted(values[0]?.Value ?? '')) : null;
};

/** The slot whose set this is, and that it answers as the slot does. */
const slotServed = (slots: readonly Slot[], set: RecordSet): Slot | null => {
  const slot = slots.find(({ type, identifier }) => set.Type === type && set.SetIdentifier === identifier);
  return slot !== undefined && isSameAnswer(slot, set) ? slot : null;
};

const isSameAnswer = ({ type, answer }: Slot, set: RecordSet): boolean => {
  const expected = answersOf({ Name: '', Type: type, ...answer });
  return expected.join(' ') === answersOf(set).join(' ');
};

/**
 * Thousandths per pool, all pools named: each type's by its weights, then the mean of the types, since nobody knows who asks for which. A set that is ours by name
 * but answers otherwise counts for nobody. null: nothing of the service is served.
 */
const sharesOf = (objects: Objects, service: ProviderService, sets: readonly RecordSet[]): Readonly<Record<string, number>> | null => {
  const byType = TYPES.map((type) => servedUnits(objects, service, sets, type)).filter((units) => units !== null);
  return thousandthsOf(new Map(service.pools.map(({ pool }) => [pool, byType.reduce((sum, units) => sum + (units.get(pool) ?? 0), 0)])));
};

/** Scaled to the same total for every type; null: no set of this type serves a pool. */
const servedUnits = (
  objects: Objects,
  service: ProviderService,
  sets: readonly RecordSet[],
  type: Type,
): ReadonlyMap<string, number> | null => {
  const slots = slotsOf(objects, service);
  const units = new Map<string, number>();
  for (const set of sets.filter((each) => each.Type === type && policyOf(each) === objects.mode)) {
    const slot = slotServed(slots, set);
    const weight = objects.mode === 'weighted' ? (set.Weight ?? 0) : set.Failover === 'PRIMARY' ? WEIGHT_TOTAL : 0;
    if (slot !== null) units.set(slot.pool, (units.get(slot.pool) ?? 0) + weight);
  }
  const sum = [...units.values()].reduce((all, each) => all + each, 0);
  return sum === 0 ? null : new Map([...units].map(([pool, each]) => [pool, (each * WEIGHT_TOTAL) / sum]));
};

/** Answers that no pool gives, those of weight 0 too, since they answer when all others are unhealthy; and types that share differently although the same pools have both. */
const foreignIn = (objects: Objects, service: ProviderService, sets: readonly RecordSet[]): readonly string[] => {
  const slots = slotsOf(objects, service);
  const strange = sets.filter((set) => policyOf(set) !== objects.mode || slotServed(slots, set) === null);
  const own = (set: RecordSet): readonly string[] => {
    const slot = slots.find(({ type, identifier }) => set.Type === type && set.SetIdentifier === identifier);
    return slot === undefined ? [] : answersOf({ Name: '', Type: slot.type, ...slot.answer });
  };
  return [
    ...new Set([
      ...strange.flatMap((set) => answersOf(set).filter((answer) => !own(set).includes(answer))),
      ...unlikeTypes(objects, service, sets),
    ]),
  ];
};

const unlikeTypes = (objects: Objects, service: ProviderService, sets: readonly RecordSet[]): readonly string[] => {
  const [v4, v6] = (['A', 'AAAA'] as const).map((type) => servedUnits(objects, service, sets, type));
  if (v4 == null || v6 == null) return [];
  const slots = slotsOf(objects, service);
  const poolsWith = (type: Type): string => [...new Set(slots.filter((slot) => slot.type === type).map(({ pool }) => pool))].join(' ');
  if (poolsWith('A') !== poolsWith('AAAA')) return [];
  const differs = service.pools.some(({ pool }) => Math.abs((v4.get(pool) ?? 0) - (v6.get(pool) ?? 0)) > 1e-6);
  return differs ? ['AAAA shared otherwise than A'] : [];
};

// ---- from the one to the other ----

/** Why this change cannot be made at all, in a sentence; null: it can. */
export const blockedBy = (mode: Mode, { desired: { service }, previous }: Change): string | null => {
  const other = (tokenOf(previous)?.sets ?? []).find((set) => !['simple', mode].includes(policyOf(set)));
  if (other === undefined) return null;
  const policy = policyOf(other) === 'other' ? policyName(other) : policyOf(other);
  return `${service} ${other.Type} has ${policy} sets, which cannot stand beside ${mode} ones; remove them, or choose another mode`;
};

const tokenOf = (previous: ReadBack): Token | null => previous.token as Token | null;

/** In: a batch without a service twice. Out: what brings it about, fences first; empty when all of it is there. Throws for an empty route. */
export const changesOf = (objects: Objects, change: Change): readonly SetChange[] => {
  const token = tokenOf(change.previous);
  const sets = setChanges(desiredSets(objects, change.desired), token?.sets ?? []);
  const fences = fenceChanges(change, token?.fence ?? null);
  return sets.length > 0 && fences.length === 0 ? [...fenceSwap(change, token?.fence ?? null), ...sets] : [...fences, ...sets];
};

/** Nothing when our fence is there to the letter. `old`: the set it was read from. */
export const fenceChanges = (change: Change, old: RecordSet | null): readonly SetChange[] => {
  const { fence, previous } = change;
  return previous.fence !== null && formatFence(previous.fence) === formatFence(fence) ? [] : fenceSwap(change, old);
};

/** The compare: deleting what is not there to the letter, or creating what exists, refuses the whole batch. */
const fenceSwap = ({ desired, fence, previous }: Change, old: RecordSet | null): readonly SetChange[] => {
  const next: RecordSet = {
    Name: `${fenceName(desired.service)}.`,
    Type: 'TXT',
    TTL: FENCE_TTL_S,
    ResourceRecords: [{ Value: quoted(formatFence(fence)) }],
  };
  const deleted = previous.fence === null || old === null ? [] : [{ Action: 'DELETE' as const, ResourceRecordSet: old }];
  return [...deleted, { Action: 'CREATE', ResourceRecordSet: next }];
};

const setChanges = (desired: readonly RecordSet[], current: readonly RecordSet[]): readonly SetChange[] => {
  const there = new Map(current.map((set) => [keyOf(set), set]));
  const wanted = new Set(desired.map(keyOf));
  const gone = current.filter((set) => !wanted.has(keyOf(set)));
  const made = desired.flatMap((set): { deleted: RecordSet | null; change: SetChange }[] => {
    const old = there.get(keyOf(set));
    if (old === undefined) return [{ deleted: null, change: { Action: 'CREATE', ResourceRecordSet: set } }];
    const next: RecordSet = { ...kept(old), ...set };
    if (isSameSet(old, next)) return [];
    // There may be one PRIMARY only, so a set that changes its part is deleted before it is made anew.
    return old.Failover === next.Failover && (old.Weight !== undefined) === (next.Weight !== undefined)
      ? [{ deleted: null, change: { Action: 'UPSERT', ResourceRecordSet: next } }]
      : [{ deleted: old, change: { Action: 'CREATE', ResourceRecordSet: next } }];
  });
  const deleted = [...gone, ...made.flatMap((each) => (each.deleted === null ? [] : [each.deleted]))];
  return [...deleted.map((set) => ({ Action: 'DELETE' as const, ResourceRecordSet: set })), ...made.map(({ change }) => change)];
};

/** Everything of a set but what a route decides. */
const kept = (set: RecordSet): Partial<RecordSet> => {
  const { TTL: _ttl, ResourceRecords: _values, AliasTarget: _alias, Weight: _weight, Failover: _failover, ...rest } = set;
  return rest;
};

const isSameSet = (a: RecordSet, b: RecordSet): boolean =>
  a.Weight === b.Weight &&
  a.Failover === b.Failover &&
  a.TTL === b.TTL &&
  a.HealthCheckId === b.HealthCheckId &&
  answersOf(a).join(' ') === answersOf(b).join(' ') &&
  a.AliasTarget?.HostedZoneId === b.AliasTarget?.HostedZoneId &&
  a.AliasTarget?.EvaluateTargetHealth === b.AliasTarget?.EvaluateTargetHealth;

// ---- limits of a batch ----

const RECORDS_MAX = 1000;
const CHARACTERS_MAX = 32_000;

/** Why Route 53 would not take so large a batch; null: it would. What is upserted counts twice (AWS, DNSLimitations). */
export const tooLarge = (changes: readonly SetChange[]): string | null => {
  const counted = changes.flatMap(({ Action, ResourceRecordSet }) =>
    (ResourceRecordSet?.ResourceRecords ?? []).flatMap(({ Value = '' }) => (Action === 'UPSERT' ? [Value, Value] : [Value])),
  );
  const characters = counted.reduce((sum, value) => sum + value.length, 0);
  return counted.length <= RECORDS_MAX && characters <= CHARACTERS_MAX
    ? null
    : `${counted.length} records of ${characters} characters are more than the ${RECORDS_MAX} and ${CHARACTERS_MAX} that one batch may hold`;
};
