// Steps of fleets: started, waited for, looked at, stopped, fenced. Pure.
import type { Phase, Span, Step, StepOf, StepSpecs } from '../../src/runbook/model.ts';
import { FLEET_KINDS, type FleetConfig, type SiteConfig } from '../../src/runbook/platform.ts';
import { SEEDS } from '../../src/runbook/seeds.ts';
import { idsOf } from './order.ts';
import type { Part } from './part.ts';
import {
  CALL_MS,
  CHECK_MS,
  FENCE_MS,
  type Forced,
  GLANCE_MS,
  inFlight,
  ONLY_READS,
  perMode,
  stepOf,
  TRIED,
  WAIT_LEAST_MS,
  WAIT_MOST_MS,
} from './step.ts';

interface Placed {
  fleet: FleetConfig;
  site: SiteConfig;
}

/** Fleets of these kinds that have a Deployment in the region, in the order in which they are needed. */
export const placedIn = (part: Part, region: string, kinds: readonly FleetConfig['kind'][] = FLEET_KINDS): readonly Placed[] =>
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

export const PROCESSING = ['workers', 'starters'] as const;
export const SERVING = ['codec', 'proxy'] as const;

/** Does it have to be started there before it can work? */
export const isCold = ({ fleets }: Part, region: string): boolean =>
  fleets.some(({ kind, sites }) => PROCESSING.some((each) => each === kind) && sites[region]?.standby === 0);

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

/** A namespace in whose name codec servers are asked. */
const anyNamespace = ({ namespaces, platform }: Part): string => (namespaces[0] ?? platform.namespaces[0])?.namespaces[0] ?? '';

type CheckKind = 'codec.canary' | 'grpc.check' | 'http.check' | 'temporal.canary';

/** The fleet's own answer whether it works, and what its endpoint of Temporal answers; none where none is configured. `forced`: how an ungraceful run asks otherwise. */
const checkOf = (
  part: Part,
  { fleet, site }: Placed,
  region: string,
  needs: readonly string[],
  phase: Phase,
  forced: Pick<Forced<CheckKind>, 'needs' | 'timeoutMs' | 'onFail' | 'onUnknown' | 'ifPassed'> | null,
): readonly Step[] => {
  const made = <K extends CheckKind>(what: string, by: string, kind: K, spec: StepSpecs[K]): readonly StepOf<K>[] => {
    const target = `${fleet.name} in ${region}, by ${by}`;
    const given = { name: `${fleet.name}.${what}@${region}`, kind, phase, target, spec, needs, timeoutMs: CHECK_MS, undo: ONLY_READS };
    return forced === null ? [stepOf(part, given)] : perMode(part, given, forced);
  };
  const own = (check: string): readonly Step[] => {
    if (fleet.kind === 'codec') return made('check', check, 'codec.canary', { system: check, namespace: anyNamespace(part) });
    return made('check', check, fleet.kind === 'proxy' ? 'grpc.check' : 'http.check', { system: check });
  };
  const { check, canary } = site;
  return [
    ...(check === undefined ? [] : own(check)),
    ...(canary === undefined ? [] : made('canary', canary, 'temporal.canary', { system: canary, namespace: anyNamespace(part) })),
  ];
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
