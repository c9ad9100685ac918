// When a run begins by itself, or is proposed: judged from what the quorum has decided already (incidents, tallies, orders in force) and from the records of
// platforms and runs. It votes on nothing and moves no route. Pure; starter-duty.ts commits what comes out.
import { sha256 } from '../audit/canonical.ts';
import { activeOverrides, freezeOn, stopOn } from '../decide/override.ts';
import type { ClusterConfig, Incident, Mode, Override, Overrides, PoolTally, ServiceConfig } from '../model.ts';
import { isOfMode, type PlatformRecord, type Purpose, type Run, type Step, type StepKindName } from './model.ts';
import type { chooseTarget, RegionState } from './plan.ts';
import type { PlatformConfig, RunMode } from './platform.ts';
import { isEnded, type NewRun, servesEverywhere } from './run.ts';
import { phrase, runsOwner } from './words.ts';

export type ChooseTarget = typeof chooseTarget;

export interface Scene {
  cluster: ClusterConfig;
  tallies: readonly PoolTally[];
  incidents: readonly Incident[];
  overrides: Overrides | null;
  records: ReadonlyMap<string, PlatformRecord>;
  runs: readonly Run[];
  /** By platform, the region in which all its namespaces are active, as far as that was seen. */
  followed: ReadonlyMap<string, string>;
  /** Incidents of drains that wait until a database is proved elsewhere: their region may have fallen, and its traffic has not left. Absent: none is known. */
  waiting?: ReadonlySet<string>;
  /** What is done with the decisions of a service now, by its name; absent: as it is configured. */
  modes?: ReadonlyMap<string, Mode>;
  /** Regions whose own vantage speaks. Absent: none is known to. */
  speaking?: ReadonlySet<string>;
  watch: Watch;
  nowMs: number;
}

/** Since when, in cluster time, by platform. A takeover begins to count anew, which only makes it slower. */
export interface Watch {
  /** The active region is no longer suspect. */
  calm: ReadonlyMap<string, number>;
  /** Home is well, and it is not active. */
  homeWell: ReadonlyMap<string, number>;
}

export type Move =
  | { do: 'begin'; platform: PlatformConfig; run: Omit<NewRun, 'plan' | 'nonce'>; incident: string | null }
  | { do: 'moot'; run: Run; because: string }
  | { do: 'undo'; run: Run; because: string; only: readonly StepKindName[] | null };

export const NO_WATCH: Watch = { calm: new Map(), homeWell: new Map() };
/** Suspicion has to be over for so long before what was done for it is taken back. */
export const CALM_MS = 60_000;
/** What gets ready is begun no more often, however long a region flickers. */
export const PREARM_EVERY_MS = 5 * 60_000;
/** What a run did to namespaces is seen everywhere by then: names are believed for a while, and looked at twice (LATE_MS of temporal/moves.ts). */
export const FOLLOW_AFTER_MS = 120_000;
/** While it stands, what got ready stays so. */
const STANDS: ReadonlySet<Run['state']> = new Set(['proposed', 'running', 'stopping', 'done']);

export const activeOf = ({ name, regions }: PlatformConfig, records: Scene['records']): string =>
  records.get(name)?.active ?? regions[0] ?? '';

/** Regions whose fall concerns it. */
const fallible = ({ model, regions }: PlatformConfig, active: string): readonly string[] => (servesEverywhere(model) ? regions : [active]);

const poolsOf = ({ services }: PlatformConfig, tallies: readonly PoolTally[], region: string): readonly PoolTally[] =>
  tallies.filter((tally) => tally.region === region && (services.length === 0 || services.includes(tally.service)));

/** All of its pools there fail at a quorum's first looks, or are out already. */
const isSuspect = (platform: PlatformConfig, { tallies }: Pick<Scene, 'tallies'>, region: string): boolean => {
  const pools = poolsOf(platform, tallies, region);
  return pools.length > 0 && pools.every(({ suspectAtQuorum, verdict }) => suspectAtQuorum || verdict === 'out');
};

/** Its traffic is kept away by a run, so an incident there stays open until a failback ends that. */
const isKeptAway = ({ name }: PlatformConfig, { overrides, nowMs }: Pick<Scene, 'overrides' | 'nowMs'>, region: string): boolean =>
  activeOverrides(overrides, nowMs).some(
    ({ kind, owner, scope }) => kind === 'drain' && owner === runsOwner(name) && scope.region === region,
  );

const isWell = (platform: PlatformConfig, scene: Omit<Scene, 'watch'>, region: string): boolean => {
  const pools = poolsOf(platform, scene.tallies, region);
  return (
    pools.length > 0 &&
    pools.every(({ verdict, gate, suspectAtQuorum }) => verdict === 'up' && gate === 'open' && !suspectAtQuorum) &&
    (isKeptAway(platform, scene, region) || !scene.incidents.some((incident) => incident.closedAtMs === null && incident.region === region))
  );
};

/** Now: an incident stays open while traffic returns, long after its region is up. */
const isDown = (platform: PlatformConfig, { tallies }: Pick<Scene, 'tallies'>, region: string): boolean =>
  poolsOf(platform, tallies, region).some(({ verdict, cause }) => verdict === 'out' && cause !== 'unready');

/** A service whose route nobody writes: what is around it is not moved without a word. */
const isUnwritten = (platform: PlatformConfig, { cluster, modes }: Pick<Scene, 'cluster' | 'modes'>): boolean =>
  cluster.services.some(({ name, mode }) => platform.services.includes(name) && ['observe', 'advise'].includes(modes?.get(name) ?? mode));

const verdictOf = (platform: PlatformConfig, scene: Pick<Scene, 'tallies'>, region: string): RegionState['verdict'] => {
  const pools = poolsOf(platform, scene.tallies, region);
  const out = pools.find(({ verdict }) => verdict === 'out');
  if (out !== undefined) return out.cause === 'unready' ? 'unready' : 'down';
  if (pools.length === 0 || pools.some(({ verdict }) => verdict === 'unknown')) return 'unknown';
  return pools.some(({ suspectAtQuorum }) => suspectAtQuorum) ? 'suspect' : 'up';
};

/** What lasts: since when. */
export const watched = (before: Watch, scene: Omit<Scene, 'watch'>): Watch => {
  const platforms = scene.cluster.platforms ?? [];
  const since = (was: ReadonlyMap<string, number>, holds: (platform: PlatformConfig) => boolean): ReadonlyMap<string, number> =>
    new Map(platforms.filter(holds).map(({ name }) => [name, was.get(name) ?? scene.nowMs]));
  return {
    calm: since(
      before.calm,
      (platform) => !fallible(platform, activeOf(platform, scene.records)).some((region) => isSuspect(platform, scene, region)),
    ),
    homeWell: since(before.homeWell, (platform) => {
      const home = platform.regions[0] ?? '';
      return activeOf(platform, scene.records) !== home && isWell(platform, scene, home);
    }),
  };
};

const short = (text: string): string => text.replaceAll(/[^A-Za-z0-9_-]+/g, '-').replace(/^[-_]+/, '') || 'run';

/** The same for the same platform and occasion, so that nothing is begun twice for it. */
export const runId = (platform: string, purpose: Purpose, occasion: string): string =>
  `${short(platform).slice(0, 24)}-${purpose}-${sha256(`${platform} ${occasion}`).slice(0, 12)}`;

/** An order by which a human holds automation still. */
const heldBy = (platform: PlatformConfig, active: readonly Override[], { services }: ClusterConfig): Override | undefined => {
  const own = services.filter(({ name }) => platform.services.includes(name));
  const of = (service: ServiceConfig): Override | undefined => stopOn(active, service) ?? freezeOn(active, service);
  const whole = active.find(
    ({ kind, scope }) =>
      (kind === 'stop' || kind === 'freeze') && scope.service === undefined && scope.region === undefined && scope.pool === undefined,
  );
  return whole ?? own.map(of).find((order) => order !== undefined);
};

/** What is done now: at most one beginning per platform. */
export const movesOf = (scene: Scene, choose: ChooseTarget): readonly Move[] => [
  ...(scene.cluster.platforms ?? []).flatMap((platform) => platformMoves(platform, scene, choose)),
  ...orphanMoves(scene),
];

/** Of platforms that are configured no more: nothing begins; who was told of a suspicion hears that it is over. What was started is left to whoever removed it. */
const orphanMoves = ({ cluster, runs }: Scene): readonly Move[] =>
  runs
    .filter(({ platform }) => !(cluster.platforms ?? []).some(({ name }) => name === platform))
    .flatMap((run): Move[] => {
      const because = `${run.platform} is configured no more`;
      if (run.state === 'proposed') return [{ do: 'moot', run, because }];
      return run.purpose === 'prearm' && isStanding(run) ? [{ do: 'undo', run, because, only: ['webhook.call'] }] : [];
    });

const isStanding = ({ state }: Run): boolean => STANDS.has(state) && state !== 'stopping';

const platformMoves = (platform: PlatformConfig, scene: Scene, choose: ChooseTarget): readonly Move[] => {
  const own = scene.runs.filter((run) => run.platform === platform.name);
  const open = own.find((run) => run.purpose !== 'prearm' && !isEnded(run)) ?? null;
  const active = activeOf(platform, scene.records);
  const ended = [...mootOf(open, active, scene), ...calmOf(platform, own, open, scene)];
  const orders = activeOverrides(scene.overrides, scene.nowMs);
  if (open !== null || heldBy(platform, orders, scene.cluster) !== undefined) return ended;
  const first = (of: (from: string, aim: Aim) => Begun | null): Begun | null =>
    fallible(platform, active)
      .map((from) => of(from, aimOf(platform, scene, choose, from)))
      .find((each) => each !== null && !isKnown(each, scene)) ?? null;
  const begun =
    first((from, aim) => failoverOf(platform, own, scene, aim, from)) ??
    first((from, aim) => evacuationOf(platform, scene, orders, aim, from)) ??
    first((from, aim) => (from === active ? followOf(platform, own, scene, aim, from) : null)) ??
    failbackOf(platform, scene, active) ??
    first((from, aim) => prearmOf(platform, own, scene, aim, from));
  return begun === null || isKnown(begun, scene) ? ended : [...ended, begun];
};

/** It was begun before, for the same occasion. */
const isKnown = ({ run }: Begun, { runs }: Scene): boolean => runs.some(({ id }) => id === run.id);

/** What it was proposed for is over, or has happened otherwise. */
const mootOf = (open: Run | null, active: string, { incidents, followed }: Scene): readonly Move[] => {
  if (open?.state !== 'proposed') return [];
  if (open.from !== active && !servesEverywhere(open.model))
    return [{ do: 'moot', run: open, because: `${open.platform} is active in ${active}, not in ${open.from}` }];
  const { cause } = open;
  if (cause.kind === 'seen' && open.purpose === 'failover' && followed.get(open.platform) === open.from)
    return [{ do: 'moot', run: open, because: `its namespaces are active in ${open.from} again` }];
  if (cause.kind !== 'incident') return [];
  const standing = incidents.filter(({ closedAtMs }) => closedAtMs === null);
  // A drain that waited and is done has ended one incident and opened another, of the same outage.
  return standing.some(({ id, kind, region }) => id === cause.incident || (kind === 'region-down' && region === open.from))
    ? []
    : [{ do: 'moot', run: open, because: `${open.from} is well again` }];
};

/** What got ready is taken back when nothing came of it; where the platform went there, only what was called is told that it is over. */
const calmOf = (platform: PlatformConfig, own: readonly Run[], open: Run | null, { watch, records, nowMs }: Scene): readonly Move[] => {
  const calm = watch.calm.get(platform.name);
  if (open !== null || calm === undefined || nowMs - calm < CALM_MS) return [];
  return own
    .filter((run) => run.purpose === 'prearm' && isStanding(run))
    .map((run): Move => {
      const because = `no region of ${platform.name} has been suspect for ${Math.round((nowMs - calm) / 1000)} s`;
      const record = records.get(platform.name);
      const went = record !== undefined && record.run !== null && record.active === run.to && record.sinceAtMs >= run.createdAtMs;
      return { do: 'undo', run, because, only: went || isLeftThere(run, own) ? ['webhook.call'] : null };
    });
};

/** A failover went there in part, and what it moved is there still: a human says what becomes of it. */
const isLeftThere = ({ to, createdAtMs }: Run, own: readonly Run[]): boolean =>
  own.some(
    (run) =>
      run.purpose !== 'prearm' &&
      run.to === to &&
      run.createdAtMs >= createdAtMs &&
      (run.state === 'failed' || run.state === 'aborted') &&
      Object.values(run.steps).some(({ touched }) => touched === true),
  );

interface Begun {
  do: 'begin';
  platform: PlatformConfig;
  run: Omit<NewRun, 'plan' | 'nonce'>;
  incident: string | null;
}

/** Where to; `only`: there, or nowhere. */
type Aim = (mode: RunMode, only?: string) => string | null;

/** Where nothing runs yet by intent, pools that are down say nothing: that the region's own vantage speaks says that it is there. */
const receivesOf = (platform: PlatformConfig, scene: Scene, region: string): RegionState['verdict'] =>
  platform.model === 'active-cold' && scene.speaking?.has(region) === true ? 'up' : verdictOf(platform, scene, region);

/** Gates are asked by the run itself, which knows what to do when they cannot be told. */
const aimOf = (platform: PlatformConfig, scene: Scene, choose: ChooseTarget, from: string): Aim => {
  const states = Object.fromEntries(
    platform.regions.map((region) => [region, { verdict: receivesOf(platform, scene, region), gates: {} }]),
  );
  return (mode, only) => {
    const regions = only === undefined ? platform.regions : [from, only];
    return choose({ ...platform, regions, gates: [] }, from, states, mode).to;
  };
};

const begin = (
  platform: PlatformConfig,
  scene: Pick<Scene, 'cluster' | 'modes'>,
  move: { purpose: Purpose; mode: RunMode; from: string; to: string; occasion: string; cause: Run['cause']; because: string },
): Begun => {
  const { purpose, mode, from, to, occasion, cause } = move;
  const isAsked = (platform.trigger.mode === 'propose' || isUnwritten(platform, scene)) && purpose !== 'prearm';
  return {
    do: 'begin',
    platform,
    incident: cause.kind === 'incident' ? cause.incident : null,
    run: {
      id: runId(platform.name, purpose, occasion),
      platform: platform.name,
      model: platform.model,
      purpose,
      mode,
      from,
      to,
      cause,
      because: phrase(move.because),
      askMs: platform.approvals.expireMs,
      // What is proposed waits for a word, even where none is asked for otherwise.
      persons: isAsked ? (Math.max(1, platform.approvals.start) as 1 | 2) : 0,
      by: [],
    },
  };
};

/** Since when it is there, of a run that brought it. */
const cameAtMs = ({ name }: PlatformConfig, { records }: Pick<Scene, 'records'>, region: string): number => {
  const record = records.get(name);
  return record !== undefined && record.run !== null && record.active === region ? record.sinceAtMs : 0;
};

/** Begun while the drain waited: what that was about ended when this incident opened, and the outage is the same one. */
const isOfOutage = ({ from, cause, createdAtMs }: Run, { t2AtMs, t3AtMs }: Incident, { incidents }: Scene, fallen: string): boolean =>
  from === fallen &&
  cause.kind === 'incident' &&
  incidents.some(({ id, kind, closedAtMs }) => id === cause.incident && kind === 'held' && closedAtMs !== null) &&
  createdAtMs >= (t2AtMs ?? t3AtMs);

const failoverOf = (platform: PlatformConfig, own: readonly Run[], scene: Scene, aim: Aim, from: string): Begun | null => {
  const { incidents, waiting, nowMs } = scene;
  if (platform.trigger.mode === 'off' || !isDown(platform, scene, from)) return null;
  const cameMs = cameAtMs(platform, scene, from);
  const incident = incidents.find(
    ({ id, kind, region, services, closedAtMs, t3AtMs }) =>
      // With a cold site beside it, the region that falls is the last one: its routes are held until the other one is up.
      (((kind === 'region-down' || waiting?.has(id) === true) && region === from) ||
        (kind === 'all-down' && platform.model === 'active-cold')) &&
      closedAtMs === null &&
      nowMs - Math.max(t3AtMs, cameMs) >= platform.trigger.holdMs &&
      (platform.services.length === 0 || services.some((service) => platform.services.includes(service))),
  );
  const to = incident === undefined ? null : aim('ungraceful');
  if (incident === undefined || to === null || own.some((run) => isOfOutage(run, incident, scene, from))) return null;
  const cause = { kind: 'incident', incident: incident.id, because: phrase(incident.because) } as const;
  // An incident lasts until traffic is back: whoever came home meanwhile may have to leave again.
  const occasion = cameMs > incident.t3AtMs ? `${incident.id} ${cameMs.toString(36)}` : incident.id;
  return begin(platform, scene, { purpose: 'failover', mode: 'ungraceful', from, to, occasion, cause, because: incident.because });
};

/** A human evacuates the region: the platform follows where it may do so by itself, and loses nothing. */
const evacuationOf = (platform: PlatformConfig, scene: Scene, orders: readonly Override[], aim: Aim, from: string): Begun | null => {
  const order = orders.find(({ kind, scope }) => kind === 'evacuate' && scope.region === from);
  const to = order === undefined || platform.trigger.mode !== 'auto' ? null : aim('graceful');
  if (order === undefined || to === null) return null;
  const { owner, by = owner, reason, ticket } = order;
  const cause = { kind: 'order', by, reason, ...(ticket === undefined ? {} : { ticket }) } as const;
  const because = `${from} is evacuated by ${by}: ${reason}`;
  const occasion = `${order.id}-${order.createdAtMs.toString(36)}`;
  return begin(platform, scene, { purpose: 'failover', mode: 'graceful', from, to, occasion, cause, because });
};

/** A run of ours that has not come to its end moved them there: humans know, and decide what becomes of the rest. */
const isMovedBy = ({ state, plan, steps }: Run, places: ReadonlySet<string>): boolean =>
  state !== 'done' &&
  plan.some((step) => {
    const at = steps[step.id];
    const isMove = step.kind === 'temporal.failover' || step.kind === 'temporal.handover';
    return isMove && places.has(step.spec.to) && at?.startedAtMs !== undefined && at.state !== 'undone';
  });

/** Others moved its namespaces, all of them: the rest goes where they are. Once for each time that it was active somewhere, whatever becomes of the run. */
const followOf = (platform: PlatformConfig, own: readonly Run[], scene: Scene, aim: Aim, from: string): Begun | null => {
  const { name, regions, trigger, namespaces } = platform;
  const to = scene.followed.get(name);
  if (platform.follow !== true || servesEverywhere(platform.model) || trigger.mode === 'off') return null;
  if (to === undefined || to === from || !regions.includes(to)) return null;
  const sinceAtMs = scene.records.get(name)?.sinceAtMs ?? 0;
  const runs = own.filter(({ purpose, createdAtMs, endedAtMs }) => purpose !== 'prearm' && (endedAtMs ?? createdAtMs) >= sinceAtMs);
  const lastAtMs = Math.max(sinceAtMs, ...runs.map(({ createdAtMs, endedAtMs }) => endedAtMs ?? createdAtMs));
  const places = new Set(namespaces.flatMap((entry) => entry.places[to] ?? []));
  if (scene.nowMs - lastAtMs < FOLLOW_AFTER_MS || runs.some((run) => isMovedBy(run, places))) return null;
  const mode = verdictOf(platform, scene, from) === 'up' ? 'graceful' : 'ungraceful';
  if (aim(mode, to) === null) return null;
  const because = `its namespaces are active in ${to}, although no run moved them`;
  const occasion = `follow-${sinceAtMs.toString(36)}-${to}`;
  return begin(platform, scene, { purpose: 'failover', mode, from, to, occasion, cause: { kind: 'seen', because }, because });
};

const failbackOf = (platform: PlatformConfig, scene: Scene, from: string): Begun | null => {
  const { watch, records, nowMs } = scene;
  const { failback, trigger, regions } = platform;
  const to = regions[0] ?? '';
  const since = watch.homeWell.get(platform.name);
  if (failback.kind !== 'automatic' || trigger.mode === 'off' || from === to || since === undefined) return null;
  if (nowMs - since < failback.afterMs) return null;
  const because = `${to} has been well for ${Math.round((nowMs - since) / 60_000)} min`;
  const record = records.get(platform.name);
  const occasion = `${record?.sinceAtMs.toString(36) ?? from}`;
  return begin(platform, scene, { purpose: 'failback', mode: 'graceful', from, to, occasion, cause: { kind: 'seen', because }, because });
};

const prearmOf = (platform: PlatformConfig, own: readonly Run[], scene: Scene, aim: Aim, from: string): Begun | null => {
  const { nowMs } = scene;
  if (!platform.trigger.prearm || !isSuspect(platform, scene, from)) return null;
  const stands = own.some(
    ({ purpose, state, createdAtMs }) => purpose === 'prearm' && (STANDS.has(state) || nowMs - createdAtMs < PREARM_EVERY_MS),
  );
  const to = stands ? null : aim('ungraceful');
  if (to === null) return null;
  const because = `${from} is suspect at a quorum`;
  const occasion = Math.round(nowMs).toString(36);
  return begin(platform, scene, { purpose: 'prearm', mode: 'ungraceful', from, to, occasion, cause: { kind: 'seen', because }, because });
};

/** Steps of the run's own mode: without any there is nothing to begin. */
export const hasWork = (plan: readonly Step[], mode: RunMode): boolean => plan.some((step) => isOfMode(step, mode));
