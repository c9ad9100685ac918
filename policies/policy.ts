// Contracts of the three kinds of policy. All are pure and total: no clock, no randomness, an answer for every input.
import type { ClusterConfig, Refusal, Reports, Route, Routing, ServiceConfig, ServiceRouting } from '../src/model.ts';
import type { AuditLine, Steady, Tiers } from '../src/runbook/facts.ts';
import type { Purpose, Step } from '../src/runbook/model.ts';
import type { ModelKind, PlatformConfig } from '../src/runbook/platform.ts';

/** A pool as steering sees it. */
export interface SteerPool {
  pool: string;
  weight: number;
  /** 0..1000: how much of its configured share it may carry now (ramp stage times healthy part). 0: out. */
  factor: number;
  /** By which it takes what nobody with a weight can carry. Absent: like every other. */
  spare?: number;
}

export interface SteeringPolicy {
  kind: string;
  /** The question it answers, for `check` and the manual. */
  question: string;
  /** In: pools in configured order, at least one with factor > 0. Out: thousandths per pool, all pools named, sum 1000. */
  steer(pools: readonly SteerPool[]): Route;
}

/** Who wants it: a quorum that holds pools out, pools that come back up, or a human. */
export type Cause = 'health' | 'return' | 'order';

export interface RouteChange {
  service: ServiceConfig;
  before: Route;
  after: Route;
  /** Regions that this decision newly drains by automation. */
  drains: readonly string[];
  cause: Cause;
}

/** A pool as safety rules see it. */
export interface PoolState {
  service: string;
  pool: string;
  region: string;
  verdict: 'up' | 'out' | 'unknown';
  up: number;
  total: number;
  /** Thousandths that the configuration gives it when everything is healthy. */
  configuredShare: number;
}

/** What there is to judge by. */
export interface World {
  cluster: ClusterConfig;
  /** The last routing record. */
  routing: Routing;
  /** Every pool of the cluster. */
  pools: readonly PoolState[];
  /** Routes by service as this decision has them so far: rules over several services see what the others just became. */
  routes: ReadonlyMap<string, Route>;
  reported: Reports | null;
  /** Where the databases behind services were proved writable. null: nowhere yet. */
  tiers: Tiers | null;
}

/** `warn`: allowed, and somebody should know at what price. A refusal carries the numbers. */
export type Ruling =
  | { allow: true; warn?: { because: string } }
  | { allow: false; because: string; againAtMs: number | null; counterfactual: string };

export type Settings = Readonly<Record<string, unknown>>;

export interface SafetyRule {
  kind: string;
  question: string;
  /** What may follow when it is passed: to pass a `high` one by break-glass takes a second person. */
  risk: Refusal['risk'];
  /** `break-glass`: an order that says so passes it. `nobody`: not even that. */
  passedBy: 'break-glass' | 'nobody';
  /** May it hold a drain although all traffic is on pools that are out while another is up? Only what ends by itself soon may, or what would be worse. */
  mayHoldTheDead: boolean;
  /** What it judges. Others it never sees. */
  judges: readonly Cause[];
  /** Used for whatever the settings leave out. What may be set, and how it is spelt, is in src/config/safety.ts. */
  defaults: Settings;
  judge(change: RouteChange, world: World, settings: Settings, nowMs: number): Ruling;
  /** What it has to say of a service although nothing changes: once per stage, in a page, and in the status. */
  remind?(service: ServiceConfig, memory: ServiceRouting, settings: Settings, nowMs: number): Reminder | null;
}

export interface Reminder {
  stage: string;
  because: string;
}

interface TypedRule<S> extends Omit<SafetyRule, 'defaults' | 'judge' | 'remind'> {
  defaults: S;
  judge(change: RouteChange, world: World, settings: S, nowMs: number): Ruling;
  remind?(service: ServiceConfig, memory: ServiceRouting, settings: S, nowMs: number): Reminder | null;
}

/** A rule whose settings have a type: the configuration was checked when it was written, so here they are taken at their word. */
export const ruleOf = <S extends Readonly<{ [key in keyof S]: unknown }>>(rule: TypedRule<S>): SafetyRule => {
  const whole = (settings: Settings): S => ({ ...rule.defaults, ...settings }) as S;
  const { remind, ...rest } = rule;
  return {
    ...rest,
    judge: (change, world, settings, nowMs) => rule.judge(change, world, whole(settings), nowMs),
    ...(remind === undefined
      ? {}
      : {
          remind: (service: ServiceConfig, memory: ServiceRouting, settings: Settings, nowMs: number) =>
            remind(service, memory, whole(settings), nowMs),
        }),
  };
};

/** From where to where, and why. */
export interface Move {
  from: string;
  to: string;
  purpose: Purpose;
  /** Where the platform is active, and with it what has one writer. Absent: in `from`. */
  active?: string;
}

/** A deployment model: what moves, in which order, and what has to be so while nothing does. Pure and total for platforms that were checked. */
export interface DeploymentModel {
  kind: ModelKind;
  question: string;
  /**
   * All steps of both modes, each after what it needs; a run takes those of its mode. The same platform and move give the same steps. `prearm`: only what
   * is harmless and can be taken back.
   */
  expand(platform: PlatformConfig, move: Move): readonly Step[];
  /** In the order of what matters most. */
  audit(platform: PlatformConfig, steady: Steady): readonly AuditLine[];
}
