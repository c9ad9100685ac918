// The drill that takes a region's traffic away on purpose and brings it back: what must hold before it begins, what ends it early, what was measured. Judges
// status documents and nothing else. Pure.
import type { Forecast, Refusal, StatusDocument } from '../client/types.ts';
import { list, say } from '../config/words.ts';
import { calmGuards, type Guard, guard, isOpen, poolsNotUp, type Service, silent, watchedGuard } from './calm.ts';
import { type Expected, measuredOf, type Phase, type Scorecard } from './scorecard.ts';

export const LOSE_REGION = 'lose-region';

/** From the order to t3, from t3 to t4, t5 and t6, and from the end of the order until all is as it was. */
export const DRILL_PHASES = ['decided', 'written', 'served', 'users', 'returned'] as const;
export type DrillPhase = (typeof DRILL_PHASES)[number];

/** Services whose traffic the drill moves. */
export const movedBy = ({ services }: StatusDocument, region: string): readonly Service[] =>
  services.filter(({ mode, pools }) => mode === 'auto' && pools.some((pool) => pool.region === region && (pool.share ?? 0) > 0));

/** In: `refusals` and `forecast` of the order as the cluster previews it. All must hold. */
export const guardsOf = (
  status: StatusDocument,
  region: string,
  { refusals, forecast, onCall }: { refusals: readonly Refusal[]; forecast: Forecast | null; onCall: string | null },
): readonly Guard[] => {
  const moved = movedBy(status, region).map(({ name }) => name);
  const tight = (forecast?.services ?? []).flatMap(({ service, capacity }) =>
    capacity != null && capacity.leftPercent < 0 ? [`${service} would lack ${-capacity.leftPercent} % capacity`] : [],
  );
  return [
    ...calmGuards(status),
    guard(
      'rules allow it',
      refusals.map(({ rule, because }) => `${rule}: ${because}`),
      'no safety rule refuses it, no window is open',
    ),
    guard(
      'capacity',
      [...tight, ...(forecast === null ? ['this endpoint cannot foresee it'] : [])],
      'as far as load and capacity are known',
    ),
    guard('something moves', moved.length === 0 ? [`no service in auto sends traffic to ${region}`] : [], list(moved, 3)),
    watchedGuard(onCall),
  ];
};

/** Why it must end now; null: it may go on. What the drill itself does is no reason. */
export const abortReason = (status: StatusDocument, region: string, orderId: string): string | null => {
  const [mute] = silent(status);
  if (mute !== undefined) return `the quorum is no longer full: ${mute}`;
  const incident = status.incidents.find(isOpen);
  if (incident !== undefined) return `incident ${incident.id} has begun: ${incident.because}`;
  const [sick] = poolsNotUp(status, region);
  if (sick !== undefined) return `${sick}, and it carries what was moved`;
  const out = status.services.flatMap(({ name, pools }) =>
    pools.filter((pool) => pool.region === region && pool.verdict === 'out').map((pool) => `${name}/${pool.name}`),
  )[0];
  if (out !== undefined) return `${out} has really failed while it is drained`;
  const failing = (status.providers ?? []).find((provider) => provider.failing);
  if (failing !== undefined) return `${failing.name} takes no writes`;
  const other = status.overrides.items.find(({ id, active }) => active && id !== orderId);
  return other === undefined ? null : `${other.kind} ${other.id} of ${other.owner} is in force`;
};

export type Stamps = Readonly<Record<Exclude<DrillPhase, 'returned'>, number | null>> & { done: boolean };

const namedIn = ({ services }: StatusDocument, names: readonly string[]): readonly Service[] =>
  services.filter(({ name }) => names.includes(name));

/** Cluster time of the decision that obeyed it, when it is first seen; null: none has yet. */
export const decidedAtMs = (status: StatusDocument, names: readonly string[], region: string, orderedAtMs: number): number | null => {
  const isMoved = namedIn(status, names).every(({ pools }) => pools.every((pool) => pool.region !== region || pool.share === 0));
  const atMs = status.decision?.atMs ?? null;
  return isMoved && atMs !== null && atMs >= orderedAtMs ? atMs : null;
};

/** What the route in force of these services has reached, as the slowest of them. Instants in cluster time. */
export const stampsOf = (status: StatusDocument, names: readonly string[], orderedAtMs: number, t3AtMs: number): Stamps => {
  const services = namedIn(status, names);
  const slowest = (stamps: readonly (number | null | undefined)[]): number | null => {
    const measured = stamps.filter((atMs) => atMs !== undefined);
    if (measured.length === 0 || measured.includes(null)) return null;
    return Math.max(0, ...measured.map((atMs) => (atMs ?? 0) - t3AtMs));
  };
  const written = services.map(({ applied, fence }) =>
    applied?.outcome === 'applied' && fence !== null && applied.fence >= fence ? applied.atMs : null,
  );
  const t5 = services.map(({ arrived }) => arrived?.t5AtMs);
  const t6 = services.map(({ arrived }) => arrived?.t6AtMs);
  return {
    decided: Math.max(0, t3AtMs - orderedAtMs),
    written: slowest(written),
    served: slowest(t5),
    users: slowest(t6),
    done: ![...written, ...t5, ...t6].includes(null),
  };
};

/** In: scorecards of drills, in any order. */
export const expectedOf = (
  phase: DrillPhase,
  region: string,
  services: readonly string[],
  { past, forecast }: { past: readonly Scorecard[]; forecast: Forecast | null },
): Expected | null => {
  const measured = measuredOf(past, LOSE_REGION, region, phase);
  if (measured !== null) return measured;
  if (phase !== 'users') return null;
  const seeds = (forecast?.services ?? []).flatMap(({ service, converge }) =>
    converge !== null && services.includes(service) ? [converge] : [],
  );
  const slowest = seeds.toSorted((a, b) => b.p99Ms - a.p99Ms)[0];
  return slowest === undefined ? null : { ms: slowest.p99Ms, source: 'seed', because: slowest.because };
};

/** A phase against what was expected of it: users against the goal too. */
export const lateBy = (phases: Readonly<Record<DrillPhase, Phase>>, goalMs: number): string | null => {
  const { users, written } = phases;
  if (written.ms === null) return 'the provider did not acknowledge it in time';
  if (users.ms === null) return null;
  return users.ms <= goalMs ? null : `users left in ${say(users.ms)}, the goal is ${say(goalMs)}`;
};
