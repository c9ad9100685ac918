// Everything that is known of one decision, for whoever asks the morning after: what was seen and by whom, what was counted, which rules spoke, what moved,
// how it reached the providers, how long it took against the goals, and what would have changed it. Put together from the records that were written at the
// time; what an older record lacks is left out, never worked out anew. Pure.
import { type ConvergenceTiming, convergenceOf, type DetectionTiming, detectionOf, slowest } from '../converge/timings.ts';
import type { Audit, Ballot, ClusterConfig, EndpointTally, Incident, Self, TrailStep } from '../model.ts';
import type { DecisionRecords } from './record-reader.ts';

/** What was counted of one endpoint. The numbers are null in records that did not keep them. */
export interface Evidence {
  /** `service/pool/target#healthz` */
  endpoint: string;
  verdict: EndpointTally['verdict'] | null;
  down: number;
  up: number;
  electorate: number;
  needs: number | null;
  firstFaultAgoMs: number | null;
  ballots: Readonly<Record<string, Ballot>>;
}

export interface CastVote {
  region: string;
  replica: string;
  seq: number;
  state: 'ok' | 'abstain';
  /** Why it abstained. */
  because: string | null;
  ageMs: number | null;
}

export interface RefusedBy {
  service: string;
  pool: string;
  rule: string;
  because: string;
  risk: 'low' | 'high' | null;
  againAtMs: number | null;
  counterfactual: string | null;
}

export interface DossierIncident {
  id: string;
  kind: Incident['kind'];
  region: string;
  /** What this decision was to it. */
  relation: 'opened' | 'during' | 'closed';
  t0AtMs: number | null;
  t0LastAtMs: number | null;
  t1AtMs: number | null;
  t2AtMs: number | null;
  t3AtMs: number;
  /** The first provider's acknowledgement, all authoritative servers, users: of the slowest service; null: not all of them yet. */
  t4AtMs: number | null;
  t5AtMs: number | null;
  t6AtMs: number | null;
  detection: DetectionTiming;
  convergence: ConvergenceTiming;
}

export interface TrailLine extends TrailStep {
  service: string;
  provider: string;
  /** Since the decision. */
  afterMs: number;
}

export interface Neighbour {
  v: number;
  href: string;
}

export interface Dossier {
  v: number;
  epoch: number;
  atMs: number;
  by: string;
  because: string;
  /** What would have changed the outcome. */
  wouldChange: string;
  changes: Audit['changes'];
  holds: Audit['holds'];
  evidence: readonly Evidence[];
  votes: readonly CastVote[];
  abstentions: readonly { region: string; replica: string; because: string }[];
  /** Voters by today's configuration that said nothing. */
  silent: readonly string[];
  /** `passed` null: the record did not keep which rules were asked. */
  rules: { passed: readonly string[] | null; refused: readonly RefusedBy[] };
  incidents: readonly DossierIncident[];
  /** Empty: nothing was written for it, or nobody could write that down. */
  trail: readonly TrailLine[];
  trailOmitted: number;
  previous: Neighbour | null;
  next: Neighbour | null;
  prevHash: string;
}

interface KeptHeard {
  region: string;
  replica: string;
  seq: number;
  self: Self;
  ageMs: number | null;
}

type KeptCounts = Pick<EndpointTally, 'verdict' | 'down' | 'up' | 'electorate' | 'needs' | 'firstFaultAtMs'>;

/** What this and older versions keep under `votes`. */
interface KeptVotes {
  heard?: readonly KeptHeard[];
  ballots?: Readonly<Record<string, Readonly<Record<string, Ballot>>>>;
  counts?: Readonly<Record<string, KeptCounts>>;
}

const own = <T>(record: Readonly<Record<string, T>> | undefined, key: string): T | undefined =>
  record !== undefined && Object.hasOwn(record, key) ? record[key] : undefined;

const evidenceOf = ({ votes, atMs }: Audit): readonly Evidence[] => {
  const { ballots = {}, counts } = votes as KeptVotes;
  return Object.entries(ballots).map(([endpoint, cast]) => {
    const kept = own(counts, endpoint);
    const said = Object.values(cast);
    return {
      endpoint,
      verdict: kept?.verdict ?? null,
      down: said.filter((ballot) => ballot === 'down').length,
      up: said.filter((ballot) => ballot === 'up').length,
      electorate: kept?.electorate ?? said.length,
      needs: kept?.needs ?? null,
      firstFaultAgoMs: kept?.firstFaultAtMs == null ? null : Math.max(0, Math.round(atMs - kept.firstFaultAtMs)),
      ballots: cast,
    };
  });
};

const votesOf = ({ votes }: Audit): readonly CastVote[] =>
  ((votes as KeptVotes).heard ?? []).map(({ region, replica, seq, self, ageMs }) => ({
    region,
    replica,
    seq,
    state: self.state,
    because: self.state === 'abstain' ? self.because : null,
    ageMs,
  }));

/** A hold with what a newer core says of the rule behind it. */
type Hold = Audit['holds'][number] & { refusal?: Partial<Omit<RefusedBy, 'service' | 'pool'>> };

const RULE = 'rule:';

const rulesOf = ({ rules, holds, because }: Audit): Dossier['rules'] => {
  const refused = (holds as readonly Hold[])
    .filter(({ hold }) => hold.startsWith(RULE))
    .map(({ service, pool, hold, because: why, refusal }) => ({
      service,
      pool,
      rule: hold.slice(RULE.length),
      // Older records name the hold only; the decision's own sentence has the numbers.
      because: refusal?.because ?? (why === hold ? because : why),
      risk: refusal?.risk ?? null,
      againAtMs: refusal?.againAtMs ?? null,
      counterfactual: refusal?.counterfactual ?? null,
    }));
  const refusing = new Set(refused.map(({ rule }) => rule));
  return { passed: rules === undefined ? null : rules.filter((rule) => !refusing.has(rule)), refused };
};

const relationOf = (incident: Incident, { v, atMs }: Audit): DossierIncident['relation'] | null => {
  if (incident.v === v) return 'opened';
  if (incident.closedAtMs === atMs) return 'closed';
  return incident.t3AtMs <= atMs && (incident.closedAtMs === null || incident.closedAtMs > atMs) ? 'during' : null;
};

/** An incident with its measured times against the goals. */
export const timed = (
  incident: Incident,
  goals: ClusterConfig['goals'],
  nowMs: number,
): Pick<DossierIncident, 't4AtMs' | 't5AtMs' | 't6AtMs' | 'detection' | 'convergence'> => ({
  t4AtMs: slowest(incident, 't4AtMs'),
  t5AtMs: slowest(incident, 't5AtMs'),
  t6AtMs: slowest(incident, 't6AtMs'),
  detection: detectionOf(incident, goals),
  convergence: convergenceOf(incident, goals, nowMs),
});

const incidentsOf = (records: DecisionRecords, audit: Audit, goals: ClusterConfig['goals'], nowMs: number): readonly DossierIncident[] =>
  records.incidents.flatMap((incident) => {
    const relation = relationOf(incident, audit);
    const { id, kind, region, t0AtMs, t0LastAtMs, t1AtMs, t2AtMs, t3AtMs } = incident;
    return relation === null
      ? []
      : [{ id, kind, region, relation, t0AtMs, t0LastAtMs, t1AtMs, t2AtMs, t3AtMs, ...timed(incident, goals, nowMs) }];
  });

const trailOf = ({ trail }: DecisionRecords, { atMs }: Audit): readonly TrailLine[] =>
  Object.entries(trail?.services ?? {})
    .flatMap(([service, providers]) =>
      Object.entries(providers).map(([provider, step]) => ({
        service,
        provider,
        afterMs: Math.max(0, Math.round(step.atMs - atMs)),
        ...step,
      })),
    )
    .sort((a, b) => a.atMs - b.atMs || (a.service < b.service ? -1 : 1));

const neighbour = (v: number, isKept: boolean): Neighbour | null => (isKept ? { v, href: `/v1/decisions/${v}` } : null);

/** `nowMs` is cluster time: what has not converged by now may be late. */
export const dossierOf = (records: DecisionRecords & { audit: Audit }, cluster: ClusterConfig, nowMs: number): Dossier => {
  const { audit } = records;
  const { v, epoch, atMs, by, because, wouldChange, changes, holds, prevHash } = audit;
  const votes = votesOf(audit);
  const heard = new Set(votes.map(({ region }) => region));
  return {
    v,
    epoch,
    atMs,
    by,
    because,
    wouldChange,
    changes,
    holds,
    evidence: evidenceOf(audit),
    votes,
    abstentions: votes.flatMap(({ region, replica, because: why }) => (why === null ? [] : [{ region, replica, because: why }])),
    silent: cluster.regions.filter(({ name, vote }) => vote && !heard.has(name)).map(({ name }) => name),
    rules: rulesOf(audit),
    incidents: incidentsOf(records, audit, cluster.goals, nowMs),
    trail: trailOf(records, audit),
    trailOmitted: records.trail?.omitted ?? 0,
    previous: neighbour(v - 1, records.hasPrevious),
    next: neighbour(v + 1, records.hasNext),
    prevHash,
  };
};
