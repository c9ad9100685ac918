// The rules of Route 53 that a batch of changes can run into, and what users are served by the sets that result. Pure.

export interface StandInSet {
  Name: string;
  Type: string;
  SetIdentifier?: string;
  Weight?: number;
  Failover?: string;
  Region?: string;
  GeoLocation?: Readonly<Record<string, string>>;
  MultiValueAnswer?: boolean;
  TrafficPolicyInstanceId?: string;
  TTL?: number;
  ResourceRecords?: readonly { Value: string }[];
  AliasTarget?: { DNSName: string; HostedZoneId: string; EvaluateTargetHealth: boolean };
  HealthCheckId?: string;
}

export interface StandInChange {
  Action: string;
  ResourceRecordSet: StandInSet;
}

const WEIGHTED_MAX = 100;
const RECORDS_MAX = 1000;
const CHARACTERS_MAX = 32_000;

const dotted = (name: string): string => `${name.toLowerCase().replace(/\.$/, '')}.`;
const normal = (set: StandInSet): StandInSet => ({ ...set, Name: dotted(set.Name) });
const idOf = ({ Name, Type, SetIdentifier = '' }: StandInSet): string => `${dotted(Name)} ${Type} ${SetIdentifier}`;
const groupOf = ({ Name, Type }: StandInSet): string => `${Name} ${Type}`;
const policyOf = (set: StandInSet): string => {
  if (set.SetIdentifier === undefined) return 'simple';
  if (set.Weight !== undefined) return 'weighted';
  if (set.Failover !== undefined) return 'failover';
  return set.Region === undefined ? 'other' : 'latency';
};

/** The same set in every word, whatever the order of its values. */
const isEqual = (a: StandInSet, b: StandInSet): boolean => textOf(a) === textOf(b);
const textOf = (set: StandInSet): string => {
  const values = (set.ResourceRecords ?? []).map(({ Value }) => Value).toSorted();
  const { ResourceRecords: _, ...rest } = normal(set);
  return JSON.stringify([values, Object.entries(rest).toSorted(([a], [b]) => (a < b ? -1 : 1))]);
};

const called = (set: StandInSet): string => {
  const id = set.SetIdentifier === undefined ? '' : `, set identifier='${set.SetIdentifier}'`;
  return `resource record set [name='${dotted(set.Name)}', type='${set.Type}'${id}]`;
};

export interface Judged {
  /** Empty: all of it is done, and `sets` is what results. */
  refusals: readonly string[];
  sets: readonly StandInSet[];
}

/** All or none. `protections`: comment by `name. TYPE`. */
export const judge = (
  zoneName: string,
  current: readonly StandInSet[],
  changes: readonly StandInChange[],
  protections: ReadonlyMap<string, string>,
): Judged => {
  const sets = new Map(current.map((set) => [idOf(set), set]));
  const refusals = changes.flatMap((change) =>
    step(zoneName, sets, { ...change, ResourceRecordSet: normal(change.ResourceRecordSet) }, protections),
  );
  const all = [...sets.values()];
  const groups = Map.groupBy(all, groupOf);
  const touched = new Set(changes.map(({ ResourceRecordSet }) => groupOf(normal(ResourceRecordSet))));
  const unlawful = [...touched].flatMap((group) => groupTrouble(groups.get(group) ?? [], all));
  return { refusals: [...sizeTrouble(changes), ...refusals, ...(refusals.length === 0 ? unlawful : [])], sets: all };
};

const sizeTrouble = (changes: readonly StandInChange[]): readonly string[] => {
  const values = changes.flatMap(({ Action, ResourceRecordSet: { ResourceRecords = [] } }) =>
    ResourceRecords.flatMap(({ Value }) => (Action === 'UPSERT' ? [Value, Value] : [Value])),
  );
  const characters = values.reduce((sum, value) => sum + value.length, 0);
  return values.length > RECORDS_MAX || characters > CHARACTERS_MAX
    ? ['Number of records limit of 1000 or of 32000 characters exceeded.']
    : [];
};

const step = (
  zoneName: string,
  sets: Map<string, StandInSet>,
  { Action, ResourceRecordSet: set }: StandInChange,
  protections: ReadonlyMap<string, string>,
): readonly string[] => {
  const protection = protections.get(groupOf(set));
  if (protection !== undefined) return [protection];
  if (set.Name !== dotted(zoneName) && !set.Name.endsWith(`.${dotted(zoneName)}`))
    return [`RRSet with DNS name ${set.Name} is not permitted in zone ${dotted(zoneName)}`];
  const old = sets.get(idOf(set));
  if (Action === 'DELETE') {
    if (old === undefined) return [`Tried to delete ${called(set)} but it was not found`];
    if (!isEqual(old, set)) return [`Tried to delete ${called(set)} but the values provided do not match the current values`];
    sets.delete(idOf(set));
    return [];
  }
  if (Action === 'CREATE' && old !== undefined) return [`Tried to create ${called(set)} but it already exists`];
  const trouble = setTrouble(set);
  if (trouble === null) sets.set(idOf(set), set);
  return trouble === null ? [] : [trouble];
};

const setTrouble = (set: StandInSet): string | null => {
  if (set.Weight !== undefined && !(Number.isInteger(set.Weight) && set.Weight >= 0 && set.Weight <= 255))
    return `Invalid weight ${set.Weight} of ${called(set)}`;
  if (set.SetIdentifier !== undefined && (set.SetIdentifier.length < 1 || set.SetIdentifier.length > 128))
    return `Invalid set identifier of ${called(set)}`;
  const values = set.ResourceRecords ?? [];
  if (set.AliasTarget === undefined && (values.length === 0 || set.TTL === undefined)) return `${called(set)} needs a TTL and a value`;
  if (set.AliasTarget !== undefined && (values.length > 0 || set.TTL !== undefined))
    return `${called(set)} is an alias and may have neither TTL nor values`;
  if (set.Weight !== undefined && values.length > 1) return `${called(set)} is weighted and may have one value only`;
  if (new Set(values.map(({ Value }) => Value)).size !== values.length) return `Duplicate values in ${called(set)}`;
  if (set.Type === 'TXT' && values.some(({ Value }) => !/^("([^"\\]|\\.){0,255}"\s*)+$/.test(Value)))
    return `Invalid Resource Record: FATAL problem: InvalidCharacterString in ${called(set)}`;
  return null;
};

const groupTrouble = (group: readonly StandInSet[], all: readonly StandInSet[]): readonly string[] => {
  const [first] = group;
  if (first === undefined) return [];
  const beside = all.filter(({ Name, Type }) => Name === first.Name && (Type === 'CNAME') !== (first.Type === 'CNAME'));
  const troubles: string[] = [];
  if (beside.length > 0)
    troubles.push(
      `RRSet of type ${first.Type} with DNS name ${first.Name} is not permitted because a conflicting RRSet of type ${beside[0]!.Type} with the same DNS name already exists`,
    );
  if (new Set(group.map(policyOf)).size > 1)
    troubles.push(
      `RRSet with DNS name ${first.Name}, type ${first.Type} cannot be created as other RRSets exist with the same name and type but another routing policy`,
    );
  if (group.length > WEIGHTED_MAX) troubles.push(`more than ${WEIGHTED_MAX} sets of ${first.Name} ${first.Type}`);
  const plain = group.filter(({ TTL }) => TTL !== undefined);
  if (new Set(plain.map(({ TTL }) => TTL)).size > 1) troubles.push(`all sets of ${first.Name} ${first.Type} must have the same TTL`);
  for (const role of ['PRIMARY', 'SECONDARY'])
    if (group.filter(({ Failover }) => Failover === role).length > 1)
      troubles.push(`more than one ${role} set of ${first.Name} ${first.Type}`);
  return troubles;
};

/** Relative weights by answer of one name, as its users get them: addresses, and the names behind CNAME and alias. `isHealthy`: of a set by its health check. */
export const servedBy = (
  name: string,
  sets: readonly StandInSet[],
  isHealthy: (set: StandInSet) => boolean,
): Readonly<Record<string, number>> => {
  const weights: Record<string, number> = {};
  for (const type of ['A', 'AAAA', 'CNAME']) {
    const group = sets.filter((set) => dotted(set.Name) === dotted(name) && set.Type === type);
    // All unhealthy counts as all healthy, and a weight of zero answers only when nothing healthy weighs more.
    const healthy = group.some(isHealthy) ? group.filter(isHealthy) : group;
    const first = healthy.filter(({ Failover }) => Failover === 'PRIMARY');
    const heavy = healthy.filter(({ Weight }) => Weight !== 0);
    const chosen = first.length > 0 ? first : heavy.length > 0 ? heavy : healthy;
    for (const set of chosen) {
      const answers = set.AliasTarget === undefined ? (set.ResourceRecords ?? []).map(({ Value }) => Value) : [set.AliasTarget.DNSName];
      for (const answer of answers) weights[answer] = (weights[answer] ?? 0) + (set.Weight || 1);
    }
  }
  return weights;
};
