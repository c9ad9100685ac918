// Steps that deployment models are made of: of a fleet in a region, of namespaces, of routes, of users' own systems, of gates. A model says in which order
// they come; here is what each of them is: its deadline, what happens when it fails, what takes it back. Pure.
import assert from 'node:assert';
import {
  type ByRegion,
  type ExternalConfig,
  type ExternalWhen,
  FLEET_KINDS,
  type FleetConfig,
  type GateConfig,
  type NamespacesConfig,
  type Phase,
  type PlatformConfig,
  type RunMode,
  type SiteConfig,
  type Span,
  type Step,
  type StepKindName,
  type StepOf,
  type StepSpecs,
} from '../src/runbook/model.ts';
import { SEEDS } from '../src/runbook/seeds.ts';
import type { Move } from './policy.ts';

/** A fence of a region that may be gone is waited for so long. */
export const FENCE_MS = 10_000;
/** Work that was begun before a drain gets so long to end. */
export const IN_FLIGHT_MS = 30_000;
/** A look that nobody waits for, or at what should be so already. */
const GLANCE_MS = 5_000;
const CALL_MS = 30_000;
const CHECK_MS = 60_000;
const MOVE_MS = 180_000;
const WAIT_LEAST_MS = 120_000;
const WAIT_MOST_MS = 1_800_000;

/** What moves together: all of a platform, or what one of its entries takes with it. */
export interface Part {
  /** Before the ids of its steps; empty: it is the whole platform. */
  prefix: string;
  platform: PlatformConfig;
  fleets: readonly FleetConfig[];
  namespaces: readonly NamespacesConfig[];
  externals: readonly ExternalConfig[];
  services: readonly string[];
  /** Graceful: one namespace after the other, whatever `parallel` says. */
  oneByOne: boolean;
}

export const wholeOf = (platform: PlatformConfig): Part => ({
  prefix: '',
  platform,
  fleets: platform.fleets,
  namespaces: platform.namespaces,
  externals: platform.externals,
  services: platform.services,
  oneByOne: false,
});

/** What several entries name: to move it for one of them would move it under the others. */
export const coupledOf = ({ namespaces }: PlatformConfig): readonly string[] => {
  const named = namespaces.flatMap(({ fleets = [], services = [], externals = [] }) => [
    ...new Set(fleets.map((name) => `fleet ${name}`)),
    ...new Set(services.map((name) => `service ${name}`)),
    ...new Set(externals.map((name) => `external ${name}`)),
  ]);
  return [...new Set(named.filter((name, at) => named.indexOf(name) !== at))];
};

/** Each entry of namespaces with what it alone takes with it: what is coupled goes with nobody. */
export const partsOf = (platform: PlatformConfig): readonly { entry: NamespacesConfig; part: Part }[] => {
  const coupled = coupledOf(platform);
  return platform.namespaces.map((entry) => {
    const isOwn = (kind: string, names: readonly string[] | undefined, name: string): boolean =>
      names?.includes(name) === true && !coupled.includes(`${kind} ${name}`);
    const part: Part = {
      prefix: `${entry.name}.`,
      platform,
      fleets: platform.fleets.filter(({ name }) => isOwn('fleet', entry.fleets, name)),
      namespaces: [entry],
      externals: platform.externals.filter(({ name }) => isOwn('external', entry.externals, name)),
      services: platform.services.filter((name) => isOwn('service', entry.services, name)),
      oneByOne: true,
    };
    return { entry, part };
  });
};

/** Does it have to be started there before it can work? */
export const isCold = ({ fleets }: Part, region: string): boolean =>
  fleets.some(({ kind, sites }) => PROCESSING.some((each) => each === kind) && sites[region]?.standby === 0);

// ---- order ----

export const idsOf = (...groups: readonly (readonly Step[])[]): readonly string[] => groups.flat().map(({ id }) => id);

const MODES: readonly RunMode[] = ['graceful', 'ungraceful'];

const isOf = (step: Step, mode: RunMode): boolean => step.mode === mode || step.mode === 'both';

/** Ids that have to have ended before each step of this mode, through steps of this mode alone. Steps come after what they need. */
const beforeEach = (steps: readonly Step[], mode: RunMode): ReadonlyMap<string, ReadonlySet<string>> => {
  const before = new Map<string, Set<string>>();
  for (const step of steps.filter((each) => isOf(each, mode))) {
    const all = new Set<string>();
    for (const need of step.needs)
      if (before.has(need)) {
        all.add(need);
        for (const earlier of before.get(need) ?? []) all.add(earlier);
      }
    before.set(step.id, all);
  }
  return before;
};

/**
 * The same order with fewer needs: one goes when the others bring it about in every mode in which both steps are run. A need on a step of the other mode holds
 * nothing back, so it goes too.
 */
export const tidy = (steps: readonly Step[]): readonly Step[] => {
  const orders = MODES.map((mode) => beforeEach(steps, mode));
  return steps.map((step) => {
    const inEvery = orders.filter((order) => order.has(step.id));
    let needs = [...new Set(step.needs)];
    for (const need of needs) {
      const others = needs.filter((other) => other !== need);
      const isImplied = (order: ReadonlyMap<string, ReadonlySet<string>>): boolean =>
        !order.has(need) || others.some((other) => order.get(other)?.has(need));
      if (inEvery.every(isImplied)) needs = others;
    }
    return { ...step, needs };
  });
};

// ---- one step ----

const ONLY_READS = { no: 'it only reads' };

type Given<K extends StepKindName> = Pick<StepOf<K>, 'kind' | 'phase' | 'target' | 'spec' | 'needs' | 'timeoutMs' | 'undo'> & {
  /** Without the prefix: `workers.scale@eu-west`. */
  name: string;
} & Partial<Pick<StepOf<K>, 'mode' | 'retry' | 'onFail' | 'onUnknown' | 'ifPassed'>> & { span?: Span };

const stepOf = <K extends StepKindName>({ prefix, platform }: Part, given: Given<K>): StepOf<K> => {
  const { name, span = SEEDS[given.kind], ...rest } = given;
  return {
    mode: 'both',
    retry: { tries: 1, everyMs: 2_000 },
    onFail: 'ask',
    onUnknown: 'ask',
    approvals: platform.approvals.steps[given.kind] ?? 0,
    ...rest,
    id: `${prefix}${name}`,
    // None is waited for beyond its deadline.
    estimate: { p50Ms: Math.min(span.p50Ms, rest.timeoutMs), p95Ms: Math.min(span.p95Ms, rest.timeoutMs), source: 'seed' },
  };
};

const TRIED = { tries: 3, everyMs: 2_000 };

/** The step of a graceful run, and the one that stands in for it when nobody can wait. */
type Forced<K extends StepKindName> = Partial<
  Pick<StepOf<K>, 'spec' | 'target' | 'needs' | 'timeoutMs' | 'retry' | 'onFail' | 'onUnknown' | 'ifPassed' | 'undo'>
>;

const perMode = <K extends StepKindName>(part: Part, given: Given<K>, forced: Forced<K>): readonly StepOf<K>[] => {
  const [name = '', region] = given.name.split('@');
  return [
    stepOf(part, { ...given, mode: 'graceful' }),
    stepOf(part, { ...given, ...forced, mode: 'ungraceful', name: `${name}-forced${region === undefined ? '' : `@${region}`}` }),
  ];
};

// ---- fleets ----

interface Placed {
  fleet: FleetConfig;
  site: SiteConfig;
}

/** Fleets of these kinds that have a Deployment in the region, in the order in which they are needed. */
const placedIn = (part: Part, region: string, kinds: readonly FleetConfig['kind'][] = FLEET_KINDS): readonly Placed[] =>
  FLEET_KINDS.filter((kind) => kinds.includes(kind)).flatMap((kind) =>
    part.fleets.flatMap((fleet): readonly Placed[] => {
      const site = fleet.sites[region];
      return fleet.kind !== kind || site === undefined ? [] : [{ fleet, site }];
    }),
  );

const startOf = ({ startMs }: FleetConfig): Span =>
  startMs === undefined ? SEEDS['k8s.wait'] : { p50Ms: startMs, p95Ms: startMs * (SEEDS['k8s.wait'].p95Ms / SEEDS['k8s.wait'].p50Ms) };

/** What takes longest first; of equals, what others need. */
const slowestFirst = (placed: readonly Placed[]): readonly Placed[] =>
  placed.toSorted((a, b) => startOf(b.fleet).p50Ms - startOf(a.fleet).p50Ms);

const deploymentOf = ({ namespace, deployment }: SiteConfig, region: string): string =>
  `Deployment ${namespace}/${deployment} in ${region}`;

const scaleSpec = ({ system, namespace, deployment }: SiteConfig, replicas: number, atLeast: boolean) => ({
  system,
  namespace,
  deployment,
  replicas,
  atLeast,
});

const PROCESSING = ['workers', 'starters'] as const;
export const SERVING = ['codec', 'proxy'] as const;

export type Counting = (fleet: FleetConfig, site: SiteConfig) => number;

export const ownOf: Counting = (_, { replicas }) => replicas;

export const standbyOf: Counting = (_, { standby }) => standby;

/** What is left of a region that was stopped while the others run: nothing that works, and what harms nobody as it is kept otherwise. */
export const stoppedOf: Counting = ({ kind }, { standby }) => (PROCESSING.some((each) => each === kind) ? 0 : standby);

/** What a region needs that carries another one too. */
export const sumOf =
  (from: string): Counting =>
  ({ sites }, { replicas }) =>
    replicas + (sites[from]?.replicas ?? 0);

/** Fleets of the region, to at least so many each: they start side by side, what takes longest is asked for first. `back`: what they had before. */
export const scaleUps = (
  part: Part,
  region: string,
  needs: readonly string[],
  [wanted, back]: readonly [Counting, Counting],
  kinds: readonly FleetConfig['kind'][] = FLEET_KINDS,
): readonly Step[] =>
  slowestFirst(placedIn(part, region, kinds)).map(({ fleet, site }) => {
    const replicas = wanted(fleet, site);
    return stepOf(part, {
      name: `${fleet.name}.scale@${region}`,
      kind: 'k8s.scale',
      phase: 'scale',
      target: `${deploymentOf(site, region)} to ${replicas} or more`,
      spec: scaleSpec(site, replicas, true),
      needs,
      timeoutMs: CALL_MS,
      retry: TRIED,
      undo: { spec: scaleSpec(site, back(fleet, site), false) },
    });
  });

/** Codec servers and proxies of a region that is not needed yet: they take no work from anybody. */
export const warmUps = (part: Part, region: string): readonly Step[] =>
  scaleUps(part, region, [], [ownOf, standbyOf], SERVING).map((step) => ({ ...step, onFail: 'continue', onUnknown: 'proceed' }));

/** Where nobody is left to acknowledge it, it takes its whole deadline. */
const FENCE_SPAN: Span = { p50Ms: SEEDS['k8s.scale'].p50Ms, p95Ms: FENCE_MS };

/** Workers and starters of a region that counts as gone, to nothing: tried, and not insisted on. */
export const fences = (part: Part, region: string, needs: readonly string[]): readonly Step[] =>
  placedIn(part, region, PROCESSING).map(({ fleet, site }) =>
    stepOf(part, {
      name: `${fleet.name}.fence@${region}`,
      kind: 'k8s.scale',
      phase: 'fence',
      target: `${deploymentOf(site, region)} to 0`,
      spec: scaleSpec(site, 0, false),
      mode: 'ungraceful',
      needs,
      timeoutMs: FENCE_MS,
      retry: { tries: 2, everyMs: 2_000 },
      onFail: 'continue',
      onUnknown: 'proceed',
      span: FENCE_SPAN,
      ifPassed: `nobody acknowledged that ${fleet.name} of ${region} stopped: if that region still runs, it goes on working beside the other one, so activities may run twice and its writes are not held back`,
      undo: { spec: scaleSpec(site, site.replicas, true) },
    }),
  );

/** The same while the region still works: it begins nothing new, ends what it has begun, and then stops. */
export const stops = (part: Part, region: string, needs: readonly string[]): readonly Step[] => {
  const stop = ({ fleet, site }: Placed, after: readonly string[]): Step =>
    stepOf(part, {
      name: `${fleet.name}.stop@${region}`,
      kind: 'k8s.scale',
      phase: 'fence',
      target: `${deploymentOf(site, region)} to 0`,
      spec: scaleSpec(site, 0, false),
      mode: 'graceful',
      needs: after,
      timeoutMs: CALL_MS,
      retry: TRIED,
      ifPassed: `${fleet.name} of ${region} may go on working beside the other region, so activities may run twice`,
      undo: { spec: scaleSpec(site, site.replicas, true) },
    });
  const starters = placedIn(part, region, ['starters']).map((placed) => stop(placed, needs));
  const workers = placedIn(part, region, ['workers']);
  // Where nobody is stopped from beginning new work, waiting does not make it less.
  const rest = starters.length === 0 || workers.length === 0 ? [] : [inFlight(part, 'begun-work', idsOf(starters))];
  return [...starters, ...rest, ...workers.map((placed) => stop(placed, [...needs, ...idsOf(rest)]))];
};

/** What a region keeps while it is not active; only when nothing there is needed any more. */
export const parks = (
  part: Part,
  region: string,
  needs: readonly string[],
  kinds: readonly FleetConfig['kind'][] = FLEET_KINDS,
): readonly Step[] =>
  placedIn(part, region, kinds)
    .toReversed()
    .flatMap(({ fleet, site }): readonly Step[] => {
      const replicas = stoppedOf(fleet, site);
      return replicas >= site.replicas ? [] : [park(part, { fleet, site }, region, replicas, site.replicas, needs)];
    });

/** Down to what the region had before it carried the other one too. */
export const shrinks = (part: Part, region: string, needs: readonly string[]): readonly Step[] =>
  placedIn(part, region)
    .toReversed()
    .map(({ fleet, site }) => park(part, { fleet, site }, region, site.replicas, null, needs));

const park = (
  part: Part,
  { fleet, site }: Placed,
  region: string,
  replicas: number,
  before: number | null,
  needs: readonly string[],
): Step =>
  stepOf(part, {
    name: `${fleet.name}.park@${region}`,
    kind: 'k8s.scale',
    phase: 'after',
    target: `${deploymentOf(site, region)} to ${replicas}`,
    spec: scaleSpec(site, replicas, false),
    mode: 'graceful',
    needs,
    timeoutMs: CALL_MS,
    retry: TRIED,
    onFail: 'continue',
    onUnknown: 'proceed',
    ifPassed: `${fleet.name} of ${region} keeps running; by itself it harms nothing that has moved`,
    undo: before === null ? { no: 'how many it had is not remembered, and fewer are enough' } : { spec: scaleSpec(site, before, true) },
  });

export const inFlight = (part: Part, what: string, needs: readonly string[], phase: Phase = 'drain'): Step =>
  stepOf(part, {
    name: `in-flight.${what}`,
    kind: 'sleep',
    phase,
    target: 'work in flight',
    spec: { ms: IN_FLIGHT_MS },
    mode: 'graceful',
    needs,
    timeoutMs: IN_FLIGHT_MS + GLANCE_MS,
    onFail: 'continue',
    undo: { no: 'it only waits' },
    span: { p50Ms: IN_FLIGHT_MS, p95Ms: IN_FLIGHT_MS },
  });

/** A namespace in whose name codec servers are asked. */
const anyNamespace = ({ namespaces, platform }: Part): string => (namespaces[0] ?? platform.namespaces[0])?.namespaces[0] ?? '';

/** Graceful: the entry before has ended, and a moment has passed in which it could be seen to fail. */
export const inTurn = (part: Part, needs: readonly string[]): Step => ({
  ...inFlight(part, 'turn', needs),
  id: `${part.prefix}turn`,
  phase: 'gate',
  target: 'its turn, after the namespaces before it',
});

type CheckKind = 'codec.canary' | 'grpc.check' | 'http.check';

/** The fleet's own answer whether it works; none where none is configured. `forced`: how an ungraceful run asks otherwise. */
const checkOf = (
  part: Part,
  { fleet, site }: Placed,
  region: string,
  needs: readonly string[],
  phase: Phase,
  forced: Pick<Forced<CheckKind>, 'needs' | 'timeoutMs' | 'onFail' | 'onUnknown' | 'ifPassed'> | null,
): readonly Step[] => {
  const { check } = site;
  if (check === undefined) return [];
  const made = <K extends CheckKind>(kind: K, spec: StepSpecs[K]): readonly StepOf<K>[] => {
    const target = `${fleet.name} in ${region}, by ${check}`;
    const given = { name: `${fleet.name}.check@${region}`, kind, phase, target, spec, needs, timeoutMs: CHECK_MS, undo: ONLY_READS };
    return forced === null ? [stepOf(part, given)] : perMode(part, given, forced);
  };
  switch (fleet.kind) {
    case 'codec':
      return made('codec.canary', { system: check, namespace: anyNamespace(part) });
    case 'proxy':
      return made('grpc.check', { system: check });
    default:
      return made('http.check', { system: check });
  }
};

const waitSpec = ({ system, namespace, deployment }: SiteConfig, ready: number) => ({ system, namespace, deployment, ready });

/** What is left of a start that began together with others which were waited for first. */
const restOf = (whole: Span, waited: Span): Span => ({
  p50Ms: Math.max(SEEDS['http.check'].p50Ms, whole.p50Ms - waited.p50Ms),
  p95Ms: Math.max(SEEDS['http.check'].p95Ms, whole.p95Ms - waited.p95Ms),
});

/** Fleets that were started are ready, each after those that it needs. `started`: what all of them were started after. */
export const readies = (part: Part, region: string, started: readonly string[], readyOf: Counting = ownOf): readonly Step[] => {
  const steps: Step[] = [];
  let needed: readonly string[] = started;
  let waited: Span = { p50Ms: 0, p95Ms: 0 };
  for (const kind of FLEET_KINDS) {
    const placed = placedIn(part, region, [kind]);
    const ofKind = placed.flatMap(({ fleet, site }): readonly Step[] => {
      const ready = readyOf(fleet, site);
      const whole = startOf(fleet);
      const wait = stepOf(part, {
        name: `${fleet.name}.ready@${region}`,
        kind: 'k8s.wait',
        phase: 'ready',
        target: `${deploymentOf(site, region)}: ${ready} ready`,
        spec: waitSpec(site, ready),
        needs: [...needed, `${part.prefix}${fleet.name}.scale@${region}`],
        timeoutMs: Math.min(WAIT_MOST_MS, Math.max(WAIT_LEAST_MS, whole.p95Ms * 2)),
        undo: ONLY_READS,
        span: restOf(whole, waited),
      });
      return [wait, ...checkOf(part, { fleet, site }, region, [wait.id], 'ready', null)];
    });
    steps.push(...ofKind);
    if (ofKind.length > 0) needed = [...started, ...idsOf(ofKind)];
    waited = placed.map(({ fleet }) => startOf(fleet)).reduce(longer, waited);
  }
  return steps;
};

const longer = (a: Span, b: Span): Span => ({ p50Ms: Math.max(a.p50Ms, b.p50Ms), p95Ms: Math.max(a.p95Ms, b.p95Ms) });

/**
 * Fleets that should be warm are. A graceful run insists on all of it; an ungraceful one looks for a moment and goes on, since the other region is gone in any
 * case. Pollers are not asked: of a standby they say nothing.
 */
export const warmths = (part: Part, region: string, needs: readonly string[]): readonly Step[] =>
  placedIn(part, region).flatMap(({ fleet, site }): readonly Step[] => {
    const ready = Math.max(1, site.standby);
    const told = {
      timeoutMs: GLANCE_MS,
      onFail: 'continue',
      onUnknown: 'proceed',
      ifPassed: `${fleet.name} of ${region} was not seen to be warm: it may take as long as a cold start until it works`,
    } as const;
    const given = {
      name: `${fleet.name}.warm@${region}`,
      kind: 'k8s.wait',
      phase: 'gate',
      target: `${deploymentOf(site, region)}: ${ready} ready`,
      spec: waitSpec(site, ready),
      needs,
      timeoutMs: CHECK_MS,
      undo: ONLY_READS,
      span: SEEDS['http.check'],
    } as const;
    return [
      ...perMode(part, given, { ...told, spec: waitSpec(site, 1), target: `${deploymentOf(site, region)}: 1 ready at least` }),
      ...checkOf(part, { fleet, site }, region, needs, 'gate', told),
    ];
  });

// ---- namespaces ----

/** An entry that moves by itself has its name in the prefix already. */
const subjectOf = ({ prefix }: Part, { name }: NamespacesConfig): string => (prefix === '' ? `${name}.` : '');

const placeOf = ({ name, places }: NamespacesConfig, region: string): string => {
  const place = places[region];
  assert(place !== undefined, `namespaces ${name} have no place for ${region}`);
  return place;
};

const clusterOf = ({ name }: NamespacesConfig, systems: ByRegion<string>, region: string): string => {
  const system = systems[region];
  assert(system !== undefined, `namespaces ${name} have no cluster for ${region}`);
  return system;
};

const LOST = 'what the other region had not received yet is decided by now; to move back is a run of its own, with its own gates';

/** Active in `to`: without loss while `from` works, by force when it does not. What is active there already stays as it is. */
export const moves = (part: Part, { from, to }: Move, needs: readonly string[]): readonly Step[] =>
  part.namespaces.flatMap((entry): readonly Step[] => {
    const { namespaces, stopAfter } = entry;
    const [there, back] = [placeOf(entry, to), placeOf(entry, from)];
    const parallel = part.oneByOne ? 1 : entry.parallel;
    const target = `${namespaces.length === 1 ? namespaces[0] : `${namespaces.length} namespaces of ${entry.name}`} to ${there}`;
    const common = { phase: 'namespaces', target, needs, timeoutMs: MOVE_MS, retry: { tries: 3, everyMs: 5_000 } } as const;
    const forced = { ...common, kind: 'temporal.failover', mode: 'ungraceful', undo: { no: LOST } } as const;
    const spec = (system: string, place: string, most: number) => ({ system, namespaces, to: place, parallel: most, stopAfter });
    if (typeof entry.system === 'string') {
      const { system } = entry;
      return [
        stepOf(part, {
          ...common,
          name: `${subjectOf(part, entry)}failover@${to}`,
          kind: 'temporal.failover',
          mode: 'graceful',
          spec: spec(system, there, parallel),
          undo: { spec: spec(system, back, parallel) },
        }),
        stepOf(part, { ...forced, name: `${subjectOf(part, entry)}failover-forced@${to}`, spec: spec(system, there, entry.parallel) }),
      ];
    }
    const [active, activated] = [clusterOf(entry, entry.system, from), clusterOf(entry, entry.system, to)];
    return [
      stepOf(part, {
        ...common,
        name: `${subjectOf(part, entry)}handover@${to}`,
        kind: 'temporal.handover',
        mode: 'graceful',
        spec: spec(active, there, parallel),
        undo: { spec: spec(activated, back, parallel) },
      }),
      stepOf(part, { ...forced, name: `${subjectOf(part, entry)}failover@${to}`, spec: spec(activated, there, entry.parallel) }),
    ];
  });

/** Whose pollers count as the region's: null as soon as one of its fleets of workers cannot be told from others. */
const identityOf = (part: Part, region: string): string | null => {
  const identities = placedIn(part, region, ['workers']).map(({ site }) => site.identity);
  const known = identities.filter((identity) => identity !== undefined);
  if (known.length === 0 || known.length < identities.length) return null;
  return known.length === 1 ? (known[0] ?? null) : known.map((identity) => `(?:${identity})`).join('|');
};

/** Who is asked for pollers and dispatch in a region. null: nobody can be. */
export const frontendOf = ({ system, frontend }: NamespacesConfig, region: string): string | null => {
  const asked = typeof system === 'string' ? frontend : system;
  return (typeof asked === 'string' ? asked : asked?.[region]) ?? null;
};

/** Tasks are dispatched in the region. One poller per queue is enough here: how many pods there are was asked elsewhere. */
export const dispatches = (part: Part, { to }: Move, needs: readonly string[]): readonly Step[] =>
  part.namespaces.flatMap((entry): readonly Step[] => {
    const system = frontendOf(entry, to);
    const { namespaces, queues } = entry;
    if (system === null || queues.length === 0) return [];
    return [
      stepOf(part, {
        name: `${subjectOf(part, entry)}dispatch@${to}`,
        kind: 'temporal.wait',
        phase: 'ready',
        target: `tasks of ${entry.name} in ${to}`,
        spec: { system, namespaces, queues, identity: identityOf(part, to), pollers: 1 },
        needs,
        timeoutMs: MOVE_MS,
        undo: ONLY_READS,
      }),
    ];
  });

// ---- users' own systems, gates, routes ----

const NOT_OURS = { no: 'there is no call that takes it back' };

/**
 * Users' own systems of a phase. A fence that its owner lets be passed over is waited for only shortly when the region counts as gone; one that has to be
 * acknowledged keeps its own deadline in every run.
 */
export const calls = (part: Part, when: ExternalWhen, needs: readonly string[]): readonly Step[] =>
  part.externals
    .filter((external) => external.when.includes(when))
    .flatMap((external): readonly Step[] => {
      const { name, system, timeoutMs, onFail, waits } = external;
      const given = {
        name: `call.${name}.${when}`,
        kind: 'webhook.call',
        phase: when,
        target: `${name}: ${when}${waits ? `, until it says ${when === 'fence' ? 'drained' : 'caught up'}` : ''}`,
        spec: { system, external: name, when, waits },
        needs,
        timeoutMs,
        retry: TRIED,
        onFail,
        onUnknown: onFail === 'continue' ? 'proceed' : 'ask',
        undo: NOT_OURS,
        ...(when === 'fence'
          ? { ifPassed: `${name} did not say that it is fenced: it may still be written to from the other region` }
          : {}),
      } as const;
      const isBestEffort = when === 'fence' && onFail === 'continue' && timeoutMs > FENCE_MS;
      return isBestEffort ? perMode(part, given, { timeoutMs: FENCE_MS }) : [stepOf(part, given)];
    });

/** Webhooks that are told of a suspicion, and of its end. */
export const alarms = (part: Part): readonly Step[] =>
  part.platform.prearm.map((system) =>
    stepOf(part, {
      name: `prearm.${system}`,
      kind: 'webhook.call',
      phase: 'gate',
      target: `${system}: a failover may come`,
      spec: { system, external: system, when: 'prearm', waits: false },
      needs: [],
      timeoutMs: CALL_MS,
      retry: TRIED,
      onFail: 'continue',
      onUnknown: 'proceed',
      undo: { spec: { system, external: system, when: 'calm', waits: false } },
    }),
  );

const queryOf = (query: string, { from, to }: Move): string => query.replace(/\$(from|to)\b/g, (_, end) => (end === 'from' ? from : to));

const isBlocking = ({ blocks }: GateConfig): boolean => blocks === 'both';

const gateGiven = ({ name, system, query, max, min, maxAgeMs, onUnknown, before }: GateConfig, move: Move, needs: readonly string[]) =>
  ({
    name: `gate.${name}`,
    kind: 'gate.promql',
    phase: 'gate',
    target: `${name}, before ${before === 'promote' ? 'data and namespaces are promoted' : 'the route moves'}`,
    spec: { system, query: queryOf(query, move), ...(max === undefined ? {} : { max }), ...(min === undefined ? {} : { min }), maxAgeMs },
    needs,
    timeoutMs: WAIT_LEAST_MS,
    onUnknown,
    undo: ONLY_READS,
  }) as const;

/** Is there anything that would wait for it? */
const isAsked = ({ services, namespaces, externals }: Part, { before }: GateConfig): boolean =>
  before === 'route' ? services.length > 0 : namespaces.length > 0 || externals.some(({ when }) => when.includes('promote'));

/** Gates that hold what comes next. */
export const gates = (part: Part, before: GateConfig['before'], move: Move, needs: readonly string[]): readonly Step[] =>
  part.platform.gates
    .filter((gate) => gate.before === before && isAsked(part, gate))
    .map((gate) => stepOf(part, { ...gateGiven(gate, move, needs), mode: isBlocking(gate) ? 'both' : 'graceful' }));

/** What an ungraceful run is only told: nothing waits for it. */
export const warnings = (part: Part, move: Move): readonly Step[] =>
  part.platform.gates
    .filter((gate) => !isBlocking(gate) && isAsked(part, gate))
    .map((gate) =>
      stepOf(part, {
        ...gateGiven(gate, move, []),
        name: `gate.${gate.name}.told`,
        target: `${gate.name}, which an ungraceful run does not wait for`,
        mode: 'ungraceful',
        timeoutMs: GLANCE_MS,
        onFail: 'continue',
        onUnknown: 'proceed',
        ifPassed: `${gate.name} does not hold: the run goes on, and what it measures is part of the price`,
      }),
    );

/** The route leaves `from`. `undo`: back as it was, which for a failback is the region that was active before it. */
export const shifts = (part: Part, { from, to, purpose }: Move, needs: readonly string[]): readonly Step[] => {
  const { services } = part;
  if (services.length === 0) return [];
  const undo = purpose === 'failback' ? { services, from: to, to: from } : { services, from: null, to: from };
  return [
    stepOf(part, {
      name: `route.shift@${to}`,
      kind: 'route.shift',
      phase: 'route',
      target: `${services.join(', ')} from ${from} to ${to}`,
      spec: { services, from, to },
      needs,
      timeoutMs: CALL_MS,
      retry: TRIED,
      undo: { spec: undo },
    }),
  ];
};

/** Nobody is to be sent to a region that counts as gone, even before another one is ready: tried, since the other one may be refused as a receiver. */
export const drains = (part: Part, move: Move, needs: readonly string[]): readonly Step[] =>
  shifts(part, move, needs).map((step) => ({
    ...step,
    id: `${part.prefix}route.drain@${move.from}`,
    phase: 'fence',
    target: `${part.services.join(', ')} away from ${move.from}`,
    mode: 'ungraceful',
    timeoutMs: FENCE_MS,
    onFail: 'continue',
    onUnknown: 'proceed',
    ifPassed: `users may still be sent to ${move.from}; the route is asked for again when ${move.to} is ready`,
  }));

/** The region has its share again, beside the others. */
export const openings = (part: Part, { from, to }: Move, needs: readonly string[]): readonly Step[] => {
  const { services } = part;
  if (services.length === 0) return [];
  return [
    stepOf(part, {
      name: `route.open@${to}`,
      kind: 'route.shift',
      phase: 'route',
      target: `${services.join(', ')} in ${to} again, beside ${from}`,
      spec: { services, from: null, to },
      needs,
      timeoutMs: CALL_MS,
      retry: TRIED,
      undo: { spec: { services, from: to, to: from } },
    }),
  ];
};

/** Users have left `from`, as far as that is measured. */
export const landings = (part: Part, { from, to }: Move, needs: readonly string[]): readonly Step[] =>
  part.services.length === 0
    ? []
    : [
        stepOf(part, {
          name: `route.wait@${to}`,
          kind: 'route.wait',
          phase: 'verify',
          target: `users of ${part.services.join(', ')} have left ${from}`,
          spec: { services: part.services, from },
          needs,
          timeoutMs: WAIT_LEAST_MS,
          undo: ONLY_READS,
        }),
      ];
