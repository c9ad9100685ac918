// @generated from src/api/openapi.json by test/api/openapi.test.ts (UPDATE=1): do not edit. What the API takes and answers, as types, and where each operation is.

export interface Problem {
  /** `urn:tidegate:error:<code>` */
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code:
    | 'ERR_USAGE'
    | 'ERR_CONFIG'
    | 'ERR_CONFIG_READ'
    | 'ERR_SECRET'
    | 'ERR_STORE_LOCKED'
    | 'ERR_STORE_FILE'
    | 'ERR_STORE_REPLACED'
    | 'ERR_STORE_UNREACHABLE'
    | 'ERR_STORE_DENIED'
    | 'ERR_NAME_TAKEN'
    | 'ERR_LISTEN'
    | 'ERR_INSTALL'
    | 'ERR_DNS'
    | 'ERR_TSIG'
    | 'ERR_SYSTEM'
    | 'ERR_PROVIDER'
    | 'ERR_UNAUTHORIZED'
    | 'ERR_FORBIDDEN'
    | 'ERR_TOO_MANY'
    | 'ERR_REFUSED'
    | 'ERR_APPROVAL'
    | 'ERR_PRECONDITION'
    | 'ERR_IDEMPOTENCY'
    | 'ERR_CONFLICT'
    | 'ERR_IN_FLIGHT'
    | 'ERR_NOT_ACCEPTABLE'
    | 'ERR_AUDIT'
    | 'ERR_UNHEALTHY'
    | 'ERR_UNREACHABLE'
    | 'ERR_TIMEOUT'
    | 'ERR_BAD_REQUEST'
    | 'ERR_NOT_FOUND'
    | 'ERR_METHOD'
    | 'ERR_LIMIT'
    | 'ERR_MEDIA_TYPE'
    | 'ERR_TOO_LARGE'
    | 'ERR_STALE'
    | 'ERR_UNDECIDED'
    | 'ERR_STOPPING'
    | 'ERR_INTERNAL'
    | 'ERR_RECORD'
    | 'ERR_NOT_CLEAN'
    | 'ERR_DEMO';
  readonly requestId: string;
  readonly errors?: readonly {
    /** JSON pointer into the body. */
    readonly pointer: string;
    readonly detail: string;
  }[];
  readonly refusals?: readonly Refusal[];
  readonly [more: string]: unknown;
}

/** Thousandths per pool; together 1000. */
export type Route = Readonly<Record<string, number>>;

export interface Scope {
  readonly region?: string;
  readonly service?: string;
  readonly pool?: string;
}

export interface OverrideOrder {
  readonly kind: 'drain' | 'force-in' | 'pin' | 'freeze' | 'evacuate' | 'stop';
  /** What it covers; empty: everything. A pool is named together with its service. */
  readonly scope: {
    readonly region?: string;
    readonly service?: string;
    readonly pool?: string;
  };
  /** Of a pin, and needed there: thousandths per pool of the service, together 1000. */
  readonly weights?: Readonly<Record<string, number>>;
  /** What the next morning’s reader should know. */
  readonly reason: string;
  /** Whom to ask about it. Default: the name of the credentials. */
  readonly owner?: string;
  readonly ticket?: string;
  /** How long it stands from its start: 1s to 168h. Default 4h. */
  readonly ttl?: string;
  /** The same in milliseconds; give one of them. */
  readonly ttlMs?: number;
  /** Not in force before; at most 30 days ahead. Default: at once. */
  readonly startsAt?: string;
  /** Passes the safety rules that would refuse it; never-empty is not one of them. Pages. */
  readonly breakGlass?: boolean;
  /** An exercise: it wakes nobody. */
  readonly drill?: boolean;
}

export interface Override {
  readonly id: string;
  readonly kind: 'drain' | 'force-in' | 'pin' | 'freeze' | 'evacuate' | 'stop';
  readonly scope: Scope;
  readonly reason: string;
  readonly owner: string;
  /** Milliseconds of cluster time since 1970. */
  readonly createdAtMs: number;
  /** Milliseconds of cluster time since 1970. */
  readonly expiresAtMs: number;
  /** Thousandths per pool; together 1000. */
  readonly weights?: Readonly<Record<string, number>>;
  /** Who was authenticated when it was ordered. */
  readonly by?: string;
  readonly ticket?: string;
  /** Milliseconds of cluster time since 1970. */
  readonly startsAtMs?: number;
  readonly breakGlass?: boolean;
  readonly approval?: {
    readonly by: string | null;
    readonly atMs: number | null;
  };
  readonly drill?: boolean;
  /** News of it that were told. */
  readonly told?: readonly string[];
}

export interface Measured {
  readonly service: string;
  readonly pool: string;
  readonly region: string;
  readonly verdict: 'up' | 'out' | 'unknown';
  /** The count behind the verdict, as a sentence. */
  readonly count: string;
  readonly share: number | null;
}

export interface OverrideItem {
  readonly id: string;
  readonly kind: 'drain' | 'force-in' | 'pin' | 'freeze' | 'evacuate' | 'stop';
  readonly scope: Scope;
  readonly reason: string;
  readonly owner: string;
  /** Milliseconds of cluster time since 1970. */
  readonly createdAtMs: number;
  /** Milliseconds of cluster time since 1970. */
  readonly expiresAtMs: number;
  /** Begun, not over, and agreed to where that is needed. */
  readonly active: boolean;
  /** Until it ends. */
  readonly leftMs: number;
  /** What it asks for is so now. */
  readonly obeyed: boolean;
  /** Why it is obeyed, or not. */
  readonly because: string;
  readonly measured: readonly Measured[];
  /** Thousandths per pool; together 1000. */
  readonly weights?: Readonly<Record<string, number>>;
  /** Who was authenticated when it was ordered. */
  readonly by?: string;
  readonly ticket?: string;
  /** Milliseconds of cluster time since 1970. */
  readonly startsAtMs?: number;
  readonly breakGlass?: boolean;
  readonly approval?: {
    readonly by: string | null;
    readonly atMs: number | null;
  };
  readonly drill?: boolean;
  /** News of it that were told. */
  readonly told?: readonly string[];
}

export interface OverrideList {
  readonly version: number;
  readonly items: readonly OverrideItem[];
}

export interface OverrideOne {
  readonly override: Override;
  readonly version: number;
  /** Begun, not over, and agreed to where that is needed. */
  readonly active: boolean;
  /** Until it ends. */
  readonly leftMs: number;
  /** What it asks for is so now. */
  readonly obeyed: boolean;
  /** Why it is obeyed, or not. */
  readonly because: string;
  readonly measured: readonly Measured[];
}

export interface Undo {
  readonly cli: string;
  readonly curl: string;
}

export interface Ordered {
  readonly override: Override;
  /** Of all orders together, once this one stands. */
  readonly version: number;
  readonly expiresAt: string;
  /** Nothing was written. */
  readonly dryRun: boolean;
  /** `needed`: not in force before a second person agrees. */
  readonly approval: 'not-needed' | 'needed' | 'given';
  /** Safety rules in the way: those that break-glass passes, or that a dry run would meet. */
  readonly refusals: readonly Refusal[];
  readonly undo: Undo | null;
  readonly forecast: Forecast | null;
  readonly notes: readonly string[];
}

export interface Refusal {
  readonly service: string;
  readonly pool: string;
  readonly rule: string;
  /** `high`: whoever passes it by break-glass needs a second person. */
  readonly risk: 'low' | 'high';
  /** With the numbers. */
  readonly because: string;
  /** When it would pass if nothing else changes; null: time alone changes nothing. */
  readonly againAtMs: number | null;
  /** What would have let it pass. */
  readonly counterfactual: string;
  /** The order that it stands in the way of; null: of what comes back up. Absent: of a drain by health. */
  readonly order?: string | null;
}

export interface Hold {
  readonly service: string;
  readonly pool: string;
  readonly hold: string;
  readonly because: string;
}

export interface Supposed {
  readonly hypotheses: readonly (
    | {
        readonly kind: 'region-down';
        readonly region: string;
      }
    | {
        readonly kind: 'pool-down';
        readonly service: string;
        readonly pool: string;
      }
    | {
        readonly kind: 'vantage-cut';
        readonly region: string;
      }
    | {
        readonly kind: 'override';
        readonly override: {
          readonly id?: string;
          readonly kind: 'drain' | 'force-in' | 'pin' | 'freeze' | 'evacuate' | 'stop';
          readonly scope: {
            readonly region?: string;
            readonly service?: string;
            readonly pool?: string;
          };
          readonly weights?: Readonly<Record<string, number>>;
          readonly reason?: string;
          readonly owner?: string;
          readonly by?: string;
          readonly ticket?: string;
          readonly ttl?: string;
          readonly ttlMs?: number;
          readonly startsAt?: string;
          readonly createdAtMs?: number;
          readonly startsAtMs?: number;
          readonly expiresAtMs?: number;
          readonly breakGlass?: boolean;
          readonly approval?: {
            readonly by: string | null;
            readonly atMs: number | null;
          };
          readonly drill?: boolean;
          readonly told?: readonly ('started' | 'expiring' | 'break-glass' | 'replaced')[];
        };
      }
    | {
        readonly kind: 'override-gone';
        readonly id: string;
      }
  )[];
  readonly horizonMs?: number;
}

export interface Forecast {
  readonly steps: readonly ForecastStep[];
  readonly services: readonly ForecastService[];
  readonly refusals: readonly Refusal[];
  readonly holds: readonly Hold[];
  readonly pages: readonly {
    readonly severity: 'critical' | 'warning' | 'info';
    readonly type: string;
    readonly summary: string;
  }[];
  readonly notes: readonly string[];
}

export interface ForecastStep {
  /** Virtual time since the question. */
  readonly afterMs: number;
  /** The number that the decision would have. */
  readonly v: number;
  readonly because: string;
  readonly changes: readonly {
    readonly service: string;
    readonly before: Route;
    readonly after: Route;
  }[];
  readonly holds: readonly Hold[];
}

export interface ForecastService {
  readonly service: string;
  readonly mode: 'observe' | 'advise' | 'auto';
  readonly before: Route;
  readonly after: Route;
  /** What each provider would be asked to serve, where that differs from what it serves. */
  readonly writes: readonly {
    readonly provider: string;
    readonly before: Route;
    readonly after: Route;
  }[];
  readonly capacity: {
    readonly load: number;
    readonly capacity: number;
    /** Of the tightest pool; below 0: it is overloaded. */
    readonly leftPercent: number;
    readonly source: 'configured' | 'reported';
    readonly because: string;
  } | null;
  readonly converge: {
    readonly p50Ms: number;
    readonly p99Ms: number;
    readonly samples: number;
    readonly source: 'history' | 'worst-case';
    readonly because: string;
  } | null;
}

export interface WhatIfMatrix {
  readonly regions: readonly {
    readonly region: string;
    readonly forecast: Forecast;
  }[];
}

export interface Report {
  /** What the whole service bears now, in a unit of your choice. */
  readonly load?: number;
  /** What each pool can bear, in the unit of the load. */
  readonly capacity: Readonly<Record<string, number>>;
  /** It counts for so long: 10s to 1h. */
  readonly ttl: string;
}

export interface Reported {
  readonly load: number | null;
  readonly capacity: Readonly<Record<string, number>>;
  /** Milliseconds of cluster time since 1970. */
  readonly atMs: number;
  /** Milliseconds of cluster time since 1970. */
  readonly expiresAtMs: number;
  readonly by: string;
}

export interface ReportedOne {
  readonly service: string;
  readonly reported: Reported;
  readonly version: number;
}

export interface ReportList {
  readonly version: number;
  readonly services: Readonly<
    Record<
      string,
      {
        readonly load: number | null;
        readonly capacity: Readonly<Record<string, number>>;
        /** Milliseconds of cluster time since 1970. */
        readonly atMs: number;
        /** Milliseconds of cluster time since 1970. */
        readonly expiresAtMs: number;
        readonly by: string;
        readonly fresh: boolean;
        readonly leftMs: number;
      }
    >
  >;
}

export interface PageItem {
  readonly id: string;
  /** Of its alert: the same for all that is said of it. */
  readonly dedupKey: string;
  readonly type: string;
  /** What it does to its alert. `change`: it wakes nobody. */
  readonly action: 'trigger' | 'acknowledge' | 'resolve' | 'change';
  readonly severity: 'critical' | 'warning' | 'info';
  readonly headline: string;
  /** Milliseconds of cluster time since 1970. */
  readonly atMs: number;
  /** The decision that it is about; 0: none. */
  readonly v: number;
  /** `waiting`: somebody is still to be told. `dead`: somebody will never have it. `told`: neither. */
  readonly state: 'waiting' | 'dead' | 'told';
  /** Of all pages with its key together. */
  readonly thread: 'silent' | 'firing' | 'resolved';
  /** Channels that accepted it. */
  readonly delivered: readonly string[];
  /** By channel. */
  readonly dead: Readonly<
    Record<
      string,
      {
        readonly because: string;
        /** Milliseconds of cluster time since 1970. */
        readonly atMs: number;
        readonly tries: number;
      }
    >
  >;
  readonly acknowledged: {
    readonly by: string;
    /** Milliseconds of cluster time since 1970. */
    readonly atMs: number;
  } | null;
  /** Nobody is told before: an end that a new beginning may still take back. */
  readonly notBeforeMs: number | null;
}

export interface PageList {
  readonly items: readonly PageItem[];
  /** That pass the filter, shown or not. */
  readonly total: number;
  /** Milliseconds of cluster time since 1970. */
  readonly clusterTimeMs: number;
}

export interface Replay {
  /** Why it is worth another try. */
  readonly reason: string;
  /** Whom to ask about it. Default: the name of the credentials. */
  readonly owner?: string;
  /** Through these, also those that have taken it. Default: those that never did. */
  readonly channels?: readonly string[];
}

export interface Replayed {
  readonly page: PageItem;
  /** It goes again through these. */
  readonly channels: readonly string[];
  /** The end of its alert, which goes again behind it. */
  readonly end: string | null;
}

export interface Acknowledge {
  readonly reason?: string;
  /** Whom to ask about it. Default: the name of the credentials. */
  readonly owner?: string;
}

export interface Acknowledged {
  readonly dedupKey: string;
  readonly by: string;
  /** Milliseconds of cluster time since 1970. */
  readonly atMs: number;
  /** Marked just now; none: somebody had them already. */
  readonly pages: readonly string[];
}

export interface Callback {
  readonly type: 'page.acknowledged' | 'automation.hold' | 'run.approved';
  readonly data: {
    /** The key of the alert, as pages have it. */
    readonly dedupKey?: string;
    /** Or the id of one of its pages. */
    readonly pageId?: string;
    /** Who did it. */
    readonly by: string;
    readonly reason?: string;
  };
}

export type CallbackDone =
  | {
      readonly outcome: 'repeated';
    }
  | {
      readonly outcome: 'acknowledged';
      readonly dedupKey: string;
      readonly by: string;
      /** Milliseconds of cluster time since 1970. */
      readonly atMs: number;
      /** Marked just now; none: somebody had them already. */
      readonly pages: readonly string[];
    }
  | {
      readonly outcome: 'approved';
      readonly run: string;
      /** null: that the run begins. */
      readonly step: string | null;
      readonly state: 'proposed' | 'running' | 'stopping' | 'undoing' | 'done' | 'failed' | 'aborted' | 'undone' | 'dropped';
      readonly by: string;
    }
  | {
      readonly outcome: 'held';
      readonly override: Override;
      readonly version: number;
      readonly expiresAt: string;
    };

export interface Self {
  readonly region: string;
  readonly replica: string;
  readonly boot: string;
  readonly role: 'coordinator' | 'standby';
  readonly epoch: number;
  readonly canVote: boolean;
  readonly canDecide: boolean;
  readonly because: string;
  readonly [more: string]: unknown;
}

export interface PoolStatus {
  readonly name: string;
  readonly region: string;
  readonly share: number | null;
  readonly configuredShare: number;
  readonly verdict: 'up' | 'out' | 'unknown';
  readonly cause: 'up' | 'unready' | 'down' | 'suspect' | 'unknown';
  readonly up: number;
  readonly unknown: number;
  readonly total: number;
  readonly minUp: number;
  readonly gray: number;
  readonly gate: 'open' | 'closed';
  readonly because: string;
  readonly targets: readonly {
    readonly id: string;
    readonly name: string;
    readonly verdict: 'up' | 'unready' | 'down' | 'suspect' | 'unknown';
    readonly [more: string]: unknown;
  }[];
  readonly [more: string]: unknown;
}

export interface ServiceStatus {
  readonly name: string;
  readonly mode: 'observe' | 'advise' | 'auto';
  readonly provider: string;
  readonly ttlS: number;
  readonly route: Route | null;
  readonly fence: number | null;
  readonly because: string;
  readonly pools: readonly PoolStatus[];
  readonly [more: string]: unknown;
}

export interface Status {
  readonly cluster: {
    readonly name: string;
    readonly version: number;
    readonly goals: {
      readonly detectionMs: number;
      readonly convergenceMs: number;
    };
    readonly [more: string]: unknown;
  };
  /** Milliseconds of cluster time since 1970. */
  readonly clusterTimeMs: number;
  readonly self: Self;
  readonly coordinator: {
    readonly region: string;
    readonly replica: string;
    readonly epoch: number;
    readonly released: boolean;
    readonly [more: string]: unknown;
  } | null;
  readonly decision: {
    readonly v: number;
    readonly epoch: number;
    /** Milliseconds of cluster time since 1970. */
    readonly atMs: number;
    readonly because: string;
    readonly [more: string]: unknown;
  } | null;
  readonly services: readonly ServiceStatus[];
  readonly holds: readonly Hold[];
  readonly votes: {
    readonly vantages: readonly {
      readonly region: string;
      readonly replica: string;
      readonly ageMs: number | null;
      /** Whether its word counts now. Absent: of a replica of 0.1. */
      readonly state?: 'ok' | 'abstain' | 'silent';
      /** Why it does not, or of how much it cannot speak yet; empty when all is well. */
      readonly because?: string;
      readonly [more: string]: unknown;
    }[];
    readonly [more: string]: unknown;
  };
  readonly overrides: OverrideList;
  readonly incidents: readonly {
    readonly id: string;
    readonly kind: string;
    readonly region: string;
    readonly because: string;
    readonly closedAtMs: number | null;
    readonly [more: string]: unknown;
  }[];
  /** Absent: no platform is configured. */
  readonly platforms?: readonly PlatformStatus[];
  readonly [more: string]: unknown;
}

export interface Me {
  readonly name: string;
  readonly role: 'viewer' | 'operator' | 'approver' | 'admin';
  /** null: all of them. */
  readonly services: readonly string[] | null;
  readonly how: 'anonymous' | 'token' | 'oidc' | 'certificate' | 'break-glass' | 'callback';
  /** null: no configuration is known yet. */
  readonly cluster: string | null;
}

export interface SignInWays {
  readonly token: true;
  /** Authorization code with proof key (S256); null: not configured, or the issuer has not said where. */
  readonly oidc: {
    readonly authorizationUrl: string;
    readonly clientId: string;
    readonly scopes: readonly string[];
  } | null;
  /** What who shows nothing may do. */
  readonly anonymous: 'viewer' | 'none';
  /** By region, the origin of its API: where the page can go on. */
  readonly peers: Readonly<Record<string, string>>;
}

export interface Redeem {
  /** As the issuer sent it. */
  readonly code: string;
  /** What the challenge (S256) was made of. */
  readonly verifier: string;
  /** As it was sent to the issuer: `/` of this API, or of a peer of the dashboard. */
  readonly redirectUri: string;
}

export interface Redeemed {
  readonly token: string;
  /** Milliseconds since 1970, by the issuer’s clock. */
  readonly expiresAtMs: number;
}

export interface Alive {
  readonly status: 'pass' | 'fail';
  readonly because?: string;
  readonly [more: string]: unknown;
}

export interface RunWaiting {
  readonly run: string;
  /** null: the run waits to begin. */
  readonly step: string | null;
  /** `approval`: so many persons. `answer`: one of `choices`. */
  readonly wants: 'approval' | 'answer';
  readonly persons: number;
  /** Who have agreed. */
  readonly by: readonly string[];
  readonly untilMs: number | null;
  readonly because: string;
  readonly choices: readonly ('retry' | 'skip' | 'stop')[];
}

export interface RunItem {
  readonly id: string;
  readonly platform: string;
  readonly model: 'active-cold' | 'active-hot' | 'active-active' | 'dual-active';
  readonly purpose: 'failover' | 'failback' | 'prearm' | 'drill';
  readonly mode: 'graceful' | 'ungraceful';
  /** The region that is left. */
  readonly from: string;
  /** The region that is activated. */
  readonly to: string;
  /** Who or what began it. */
  readonly cause:
    | {
        readonly kind: 'incident';
        readonly incident: string;
        readonly because: string;
      }
    | {
        readonly kind: 'order';
        readonly by: string;
        readonly reason: string;
        readonly ticket?: string;
      }
    | {
        readonly kind: 'seen';
        readonly because: string;
      };
  readonly state: 'proposed' | 'running' | 'stopping' | 'undoing' | 'done' | 'failed' | 'aborted' | 'undone' | 'dropped';
  readonly because: string;
  /** Milliseconds of cluster time since 1970. */
  readonly createdAtMs: number;
  readonly startedAtMs: number | null;
  readonly endedAtMs: number | null;
  /** From its start to its end, or until now. */
  readonly tookMs: number | null;
  /** From its start until the other region served; null: it does not yet. */
  readonly recoveryMs: number | null;
  readonly estimate: {
    readonly recovery: {
      readonly p50Ms: number;
      readonly p95Ms: number;
    };
    readonly whole: {
      readonly p50Ms: number;
      readonly p95Ms: number;
    };
  };
  /** Steps of its mode; `done`: ended well or passed over. */
  readonly progress: {
    readonly done: number;
    readonly of: number;
  };
  /** What it asks of humans. */
  readonly waiting: readonly RunWaiting[];
  /** What goes on. */
  readonly now: readonly string[];
}

export interface RunList {
  readonly items: readonly RunItem[];
  /** That pass the filter, shown or not. */
  readonly total: number;
  /** Milliseconds of cluster time since 1970. */
  readonly clusterTimeMs: number;
}

export interface PlannedStep {
  readonly id: string;
  readonly kind:
    | 'route.shift'
    | 'route.wait'
    | 'k8s.scale'
    | 'k8s.wait'
    | 'http.check'
    | 'grpc.check'
    | 'codec.canary'
    | 'temporal.failover'
    | 'temporal.handover'
    | 'temporal.canary'
    | 'temporal.wait'
    | 'gate.promql'
    | 'gate.lag'
    | 'fence.patroni'
    | 'fence.pgbouncer'
    | 'pgbouncer.pause'
    | 'pgbouncer.resume'
    | 'pg.switchover'
    | 'pg.demote'
    | 'pg.caughtup'
    | 'pg.promote'
    | 'pg.canary'
    | 'managed.failover'
    | 'cache.takeover'
    | 'cache.promote'
    | 'cache.rejoin'
    | 'verify.objectives'
    | 'webhook.call'
    | 'approval'
    | 'sleep';
  readonly phase: 'gate' | 'fence' | 'drain' | 'scale' | 'promote' | 'namespaces' | 'ready' | 'route' | 'after' | 'verify';
  /** What it moves or asks, for people. */
  readonly target: string;
  /** Of which runs it is. */
  readonly mode: 'graceful' | 'ungraceful' | 'both';
  /** Steps that have to have ended, well or passed over. */
  readonly needs: readonly string[];
  readonly timeoutMs: number;
  readonly onFail: 'stop' | 'continue' | 'ask';
  readonly onUnknown: 'stop' | 'ask' | 'proceed';
  /** Who have to agree before it begins. */
  readonly persons: number;
  readonly undo:
    | {
        readonly can: true;
      }
    | {
        readonly can: false;
        readonly because: string;
      };
  /** `seed`: assumed. `runs`: measured here, three times at least. */
  readonly estimate: {
    readonly p50Ms: number;
    readonly p95Ms: number;
    readonly source: 'seed' | 'runs';
  };
}

export interface RunStep {
  readonly id: string;
  readonly kind:
    | 'route.shift'
    | 'route.wait'
    | 'k8s.scale'
    | 'k8s.wait'
    | 'http.check'
    | 'grpc.check'
    | 'codec.canary'
    | 'temporal.failover'
    | 'temporal.handover'
    | 'temporal.canary'
    | 'temporal.wait'
    | 'gate.promql'
    | 'gate.lag'
    | 'fence.patroni'
    | 'fence.pgbouncer'
    | 'pgbouncer.pause'
    | 'pgbouncer.resume'
    | 'pg.switchover'
    | 'pg.demote'
    | 'pg.caughtup'
    | 'pg.promote'
    | 'pg.canary'
    | 'managed.failover'
    | 'cache.takeover'
    | 'cache.promote'
    | 'cache.rejoin'
    | 'verify.objectives'
    | 'webhook.call'
    | 'approval'
    | 'sleep';
  readonly phase: 'gate' | 'fence' | 'drain' | 'scale' | 'promote' | 'namespaces' | 'ready' | 'route' | 'after' | 'verify';
  /** What it moves or asks, for people. */
  readonly target: string;
  /** Of which runs it is. */
  readonly mode: 'graceful' | 'ungraceful' | 'both';
  /** Steps that have to have ended, well or passed over. */
  readonly needs: readonly string[];
  readonly timeoutMs: number;
  readonly onFail: 'stop' | 'continue' | 'ask';
  readonly onUnknown: 'stop' | 'ask' | 'proceed';
  /** Who have to agree before it begins. */
  readonly persons: number;
  readonly undo:
    | {
        readonly can: true;
      }
    | {
        readonly can: false;
        readonly because: string;
      };
  /** `seed`: assumed. `runs`: measured here, three times at least. */
  readonly estimate: {
    readonly p50Ms: number;
    readonly p95Ms: number;
    readonly source: 'seed' | 'runs';
  };
  readonly state: 'pending' | 'asking' | 'acting' | 'done' | 'skipped' | 'failed' | 'undoing' | 'undone';
  readonly because: string;
  readonly tries: number;
  /** When all that it needs had ended. */
  readonly dueAtMs: number | null;
  readonly startedAtMs: number | null;
  readonly endedAtMs: number | null;
  readonly tookMs: number | null;
  readonly approvedBy: readonly string[];
  readonly askedUntilMs: number | null;
}

export interface Run {
  readonly id: string;
  readonly platform: string;
  readonly model: 'active-cold' | 'active-hot' | 'active-active' | 'dual-active';
  readonly purpose: 'failover' | 'failback' | 'prearm' | 'drill';
  readonly mode: 'graceful' | 'ungraceful';
  /** The region that is left. */
  readonly from: string;
  /** The region that is activated. */
  readonly to: string;
  /** Who or what began it. */
  readonly cause:
    | {
        readonly kind: 'incident';
        readonly incident: string;
        readonly because: string;
      }
    | {
        readonly kind: 'order';
        readonly by: string;
        readonly reason: string;
        readonly ticket?: string;
      }
    | {
        readonly kind: 'seen';
        readonly because: string;
      };
  readonly state: 'proposed' | 'running' | 'stopping' | 'undoing' | 'done' | 'failed' | 'aborted' | 'undone' | 'dropped';
  readonly because: string;
  /** Milliseconds of cluster time since 1970. */
  readonly createdAtMs: number;
  readonly startedAtMs: number | null;
  readonly endedAtMs: number | null;
  /** From its start to its end, or until now. */
  readonly tookMs: number | null;
  /** From its start until the other region served; null: it does not yet. */
  readonly recoveryMs: number | null;
  readonly estimate: {
    readonly recovery: {
      readonly p50Ms: number;
      readonly p95Ms: number;
    };
    readonly whole: {
      readonly p50Ms: number;
      readonly p95Ms: number;
    };
  };
  /** Steps of its mode; `done`: ended well or passed over. */
  readonly progress: {
    readonly done: number;
    readonly of: number;
  };
  /** What it asks of humans. */
  readonly waiting: readonly RunWaiting[];
  /** What goes on. */
  readonly now: readonly string[];
  /** To begin; null: it asked nobody. */
  readonly approval: {
    readonly persons: number;
    readonly by: readonly string[];
    /** Milliseconds of cluster time since 1970. */
    readonly untilMs: number;
  } | null;
  /** Goes on ungracefully by itself when it has not ended by then. */
  readonly forceAfterMs: number | null;
  readonly aborted: {
    readonly by: string;
    readonly reason: string;
    /** Milliseconds of cluster time since 1970. */
    readonly atMs: number;
  } | null;
  /** The replica that carries it out. */
  readonly executor: {
    readonly region: string;
    readonly replica: string;
  } | null;
  /** The longest way to its recovery. */
  readonly criticalPath: readonly string[];
  /** In the order of the plan, those of the other mode too. */
  readonly steps: readonly RunStep[];
}

export interface RunOne {
  readonly run: Run;
  /** Milliseconds of cluster time since 1970. */
  readonly clusterTimeMs: number;
}

export interface RunOrder {
  /** The region to be activated. Default: home for a failback, else the first of the priorities that is not active. */
  readonly to?: string;
  /** `graceful`: nothing is lost, and the region that is left has to work. `ungraceful`: it is gone, or counts as gone. */
  readonly mode: 'graceful' | 'ungraceful';
  readonly purpose: 'failover' | 'failback' | 'drill';
  /** What the next morning’s reader should know. */
  readonly reason: string;
  readonly ticket?: string;
  /** Of a graceful one: it goes on ungracefully by itself when it has not ended by then. */
  readonly forceAfterMs?: number;
}

export interface RunBegun {
  readonly run: Run;
  readonly plan: RunPlan;
  /** Nothing was written: there is no such run. */
  readonly dryRun: boolean;
  readonly undo: Undo;
}

export interface RunApprove {
  /** The id of a step that asks. Default: the beginning of the run, or the one step that asks. */
  readonly step?: string;
  readonly reason?: string;
}

export interface RunAnswer {
  /** The id of the step. */
  readonly step: string;
  /** `retry`: try it again. `skip`: go on without it. `stop`: begin nothing more. */
  readonly choice: 'retry' | 'skip' | 'stop';
  /** What the next morning’s reader should know. */
  readonly reason: string;
}

export interface RunReason {
  /** What the next morning’s reader should know. */
  readonly reason: string;
}

export interface SettleOrder {
  /** Where the database is written. */
  readonly region: string;
  /** Regions that you answer for: they take no writes, since they are gone for good, were fenced by hand, or are known to follow. Every other region that is not seen to follow has to be among them. */
  readonly fenced?: readonly string[];
  /** What the next morning’s reader should know. */
  readonly reason: string;
}

export interface UnsettleOrder {
  /** What the next morning’s reader should know. */
  readonly reason: string;
}

export interface Settled {
  readonly settlement: {
    readonly platform: string;
    readonly database: string;
    /** Where it is held to be written after it; null: nowhere. */
    readonly writer: string | null;
    /** Regions that whoever ordered it answers for. */
    readonly fenced: readonly string[];
    readonly by: string;
    readonly reason: string;
    /** Milliseconds of cluster time since 1970. */
    readonly atMs: number;
    /** What it means, a sentence each. */
    readonly meaning: readonly string[];
    /** What the watch sees of each region. */
    readonly seen: readonly {
      readonly region: string;
      /** `unseen`: it was not asked, or has not answered for so long that nothing is known. */
      readonly is: 'writes' | 'reads' | 'unseen';
      /** Since it answered last; null: unseen. */
      readonly agoMs: number | null;
    }[];
  };
  readonly dryRun: boolean;
  /** null: nothing to take back. */
  readonly undo: {
    readonly cli: string;
    readonly curl: string;
  } | null;
  /** Milliseconds of cluster time since 1970. */
  readonly clusterTimeMs: number;
}

export interface RunPlan {
  readonly platform: string;
  readonly model: 'active-cold' | 'active-hot' | 'active-active' | 'dual-active';
  readonly purpose: 'failover' | 'failback' | 'prearm' | 'drill';
  readonly mode: 'graceful' | 'ungraceful';
  readonly from: string;
  readonly to: string;
  readonly steps: readonly PlannedStep[];
  readonly estimate: {
    /** Until the other region serves. */
    readonly recovery: {
      readonly p50Ms: number;
      readonly p95Ms: number;
      /** The longest way, first to last. */
      readonly path: readonly string[];
    };
    /** Until the last step has ended. */
    readonly whole: {
      readonly p50Ms: number;
      readonly p95Ms: number;
      /** The longest way, first to last. */
      readonly path: readonly string[];
    };
  };
  /** What it would ask for. */
  readonly approvals: readonly {
    /** null: to begin, beside whoever orders it. */
    readonly step: string | null;
    readonly persons: number;
  }[];
  /** What it would lose now, by database, as its lag was measured last. */
  readonly losses: readonly string[];
  /** Of what it would move. */
  readonly cannotUndo: readonly {
    readonly step: string;
    readonly because: string;
  }[];
}

export interface Database {
  readonly database: string;
  /** The region in which a row was written and read back last; null: it is proved nowhere. */
  readonly writer: string | null;
  /** null: it never was. */
  readonly provedAtMs: number | null;
  readonly because: string;
  /** Regions that both take writes; null: no two do. */
  readonly split: readonly string[] | null;
  /** The writer stands on a human’s word; null: on a row, or there is none. */
  readonly settled: {
    readonly by: string;
    readonly reason: string;
    /** Milliseconds of cluster time since 1970. */
    readonly atMs: number;
  } | null;
  /** Regions that a human said take no writes. */
  readonly fenced: readonly string[];
  /** Why no row could be written, and since when; null: there is one, or none is wanted. */
  readonly unproved: {
    readonly region: string | null;
    readonly because: string;
    /** Milliseconds of cluster time since 1970. */
    readonly sinceMs: number;
  } | null;
  readonly standbys: readonly {
    readonly region: string;
    /** null: it could not be told. */
    readonly lagMs: number | null;
    readonly lagBytes: number | null;
    /** Milliseconds of cluster time since 1970. */
    readonly measuredAtMs: number;
    /** What would be lost by a failover there now, and when that was measured. */
    readonly because: string;
  }[];
}

export interface Platform {
  readonly name: string;
  readonly model: 'active-cold' | 'active-hot' | 'active-active' | 'dual-active';
  /** Failover priorities: the first is home. */
  readonly regions: readonly string[];
  /** By which users reach it. */
  readonly services: readonly string[];
  /** `off`: only humans begin runs. `propose`: a run waits for approval. `auto`: it begins. */
  readonly trigger: 'off' | 'propose' | 'auto';
  readonly failback: 'manual' | 'automatic' | 'fail-forward';
  /** The region in which it is active. */
  readonly active: string;
  /** null: nothing has moved it since it was configured. */
  readonly sinceAtMs: number | null;
  readonly because: string;
  readonly openRun: RunItem | null;
  /** As audited last; null: not yet. */
  readonly readiness: {
    /** Milliseconds of cluster time since 1970. */
    readonly atMs: number;
    readonly score: number;
    readonly lines: readonly {
      readonly check: string;
      /** `fleet@region`, a namespace, or the platform. */
      readonly of: string;
      readonly is: 'good' | 'bad' | 'unknown';
      /** A bad `must`: a failover would not do what the model promises. */
      readonly weight: 'must' | 'should';
      readonly because: string;
      /** What to do; empty when it is good. */
      readonly fix: string;
    }[];
  } | null;
  /** What is proved of its databases, and how far their standbys are behind. */
  readonly databases: readonly Database[];
  /** Advice; null: the platform has no chain of language models. */
  readonly llm: LanguageModels | null;
  /** Newest first, with what each step took: what estimates are measured from. */
  readonly lastRuns: readonly {
    readonly run: string;
    readonly purpose: 'failover' | 'failback' | 'prearm' | 'drill';
    readonly mode: 'graceful' | 'ungraceful';
    readonly tookMs: number;
    readonly steps: Readonly<Record<string, number>>;
    /** Milliseconds of cluster time since 1970. */
    readonly atMs: number;
  }[];
}

export interface PlatformList {
  readonly items: readonly Platform[];
  /** Milliseconds of cluster time since 1970. */
  readonly clusterTimeMs: number;
}

export interface PlatformOne {
  readonly platform: Platform;
  /** Milliseconds of cluster time since 1970. */
  readonly clusterTimeMs: number;
}

export interface VerifyReport {
  readonly platform: string;
  /** `good`: something was looked at, and all of it is as it should be. */
  readonly outcome: 'good' | 'not-good';
  /** Who looked, with its own systems. */
  readonly by: {
    readonly region: string;
    readonly replica: string;
  };
  /** Cluster time at the begin of the round. */
  readonly atMs: number;
  /** In the order in which a deployment comes to be. */
  readonly lines: readonly {
    readonly step: 'migration' | 'rollout' | 'guards' | 'health' | 'namespaces' | 'llm';
    readonly of: string;
    readonly region: string;
    /** `waiting`: on its way. `unknown`: it could not be looked at, which is never good. */
    readonly is: 'ok' | 'waiting' | 'failed' | 'unknown';
    readonly because: string;
    /** What to do; empty when it is good. */
    readonly fix: string;
  }[];
}

export interface LanguageModels {
  /** Providers, the wanted one first. */
  readonly chain: readonly string[];
  /** More switches of a region than that within the window are told. */
  readonly churn: {
    readonly switches: number;
    readonly windowMs: number;
  };
  readonly regions: readonly {
    readonly region: string;
    /** The one that was seen last; null: none of the chain was ever seen. */
    readonly provider: string | null;
    /** In the chain; null: it is in the chain no more, or there is none. */
    readonly position: number | null;
    /** When it was first seen on that provider. */
    readonly sinceAtMs: number | null;
    /** Within the window. */
    readonly switches: number;
    /** The last look saw it, and is not old; else it is what was known last. */
    readonly known: boolean;
    /** The last look, whatever it saw; null: there was none. */
    readonly lookedAtMs: number | null;
    readonly because: string;
  }[];
  /** What was told and is not over. */
  readonly alarms: readonly {
    readonly is: 'degraded' | 'churn' | 'last';
    /** null: of all of them together. */
    readonly region: string | null;
  }[];
}

export interface PlatformStatus {
  readonly name: string;
  readonly databases: readonly {
    readonly database: string;
    /** The region in which a row was written and read back last; null: it is proved nowhere. */
    readonly writer: string | null;
    /** null: it never was. */
    readonly provedAtMs: number | null;
    readonly because: string;
    /** Regions that both take writes; null: no two do. */
    readonly split: readonly string[] | null;
    /** The writer stands on a human’s word; null: on a row, or there is none. */
    readonly settled: {
      readonly by: string;
      readonly reason: string;
      /** Milliseconds of cluster time since 1970. */
      readonly atMs: number;
    } | null;
    /** Regions that a human said take no writes. */
    readonly fenced: readonly string[];
    /** Why no row could be written, and since when; null: there is one, or none is wanted. */
    readonly unproved: {
      readonly region: string | null;
      readonly because: string;
      /** Milliseconds of cluster time since 1970. */
      readonly sinceMs: number;
    } | null;
    readonly standbys: readonly {
      readonly region: string;
      /** null: it could not be told. */
      readonly lagMs: number | null;
      readonly lagBytes: number | null;
      /** Milliseconds of cluster time since 1970. */
      readonly measuredAtMs: number;
      /** What would be lost by a failover there now, and when that was measured. */
      readonly because: string;
    }[];
    /** Regions whose standby was told to be too far behind and has not been back since. */
    readonly behind: readonly string[];
    /** Regions whose standby was never measured. */
    readonly unmeasured: readonly string[];
  }[];
  /** Advice; null: the platform has no chain of language models. */
  readonly llm: LanguageModels | null;
  /** What is over its bound, as it was told. */
  readonly over: readonly {
    readonly name: string;
    /** Nothing waits for it. */
    readonly advice: boolean;
  }[];
}

export interface ObjectiveCell {
  /** The region that measured. */
  readonly from: string;
  /** The region of what was measured. */
  readonly to: string;
  readonly objective: string;
  /** An entry of namespaces or databases; of a query the objective itself. */
  readonly of: string;
  /** What waits for it: nothing; a recovery while it is seen over its bound; a recovery until it is seen to hold. */
  readonly role: 'advice' | 'gate' | 'recovery';
  /** `unknown` is never good. */
  readonly verdict: 'good' | 'breach' | 'unknown';
  /** null: not measured, or mostly without an answer. */
  readonly ms: number | null;
  /** It holds below that. */
  readonly maxMs: number;
  readonly samples: number;
  /** Of the samples, without an answer. */
  readonly lost: number;
  /** null: nobody has measured it lately. */
  readonly ageMs: number | null;
  readonly because: string;
  /** Beside a breach between two regions. */
  readonly remedies: readonly string[];
}

export interface PlatformObjectives {
  readonly platform: string;
  readonly objectives: readonly {
    readonly name: string;
    readonly kind: 'temporal' | 'postgres' | 'promql';
    readonly says: string;
    /** It holds below that. */
    readonly maxMs: number;
    /** What waits for it: nothing; a recovery while it is seen over its bound; a recovery until it is seen to hold. */
    readonly role: 'advice' | 'gate' | 'recovery';
    /** false: the platform names nothing that it could be measured by. */
    readonly measured: boolean;
  }[];
  readonly cells: readonly ObjectiveCell[];
}

export interface ObjectiveList {
  readonly items: readonly PlatformObjectives[];
  /** Milliseconds of cluster time since 1970. */
  readonly clusterTimeMs: number;
}

export interface MatrixCell {
  readonly state: 'up' | 'unready' | 'down' | 'unknown' | 'abstain' | 'silent';
  readonly because: string;
  /** Of the region’s freshest vote; null: there is none. */
  readonly ageMs: number | null;
}

export interface VantageCard {
  readonly replica: string;
  /** `silent`: it has no word that counts. */
  readonly state: 'ok' | 'abstain' | 'silent';
  /** Why it does not speak, or of how much it cannot speak yet; empty when all is well. */
  readonly because: string;
  /** Since it was last heard; null: nobody can say. */
  readonly ageMs: number | null;
  readonly version: string | null;
  readonly configVersion: number;
}

export interface RegionCard {
  readonly name: string;
  readonly vote: boolean;
  /** Of the region as one voter: the best of its replicas. */
  readonly state: 'ok' | 'abstain' | 'silent';
  readonly vantages: readonly VantageCard[];
  /** Pools there. One that is up with some targets out is up. */
  readonly pools: {
    readonly up: number;
    readonly unready: number;
    readonly suspect: number;
    readonly down: number;
    readonly unknown: number;
  };
  /** Services configured to have traffic there, by how much of that it carries. `unknown`: nothing has been decided yet. */
  readonly share: {
    readonly fully: number;
    readonly partly: number;
    readonly not: number;
    readonly unknown: number;
  };
  /** Thousandths, over all services. */
  readonly sharesSum: {
    readonly actual: number;
    readonly configured: number;
  };
  readonly coordinates: boolean;
  /** The order in force. */
  readonly evacuated: string | null;
  /** The order in force. */
  readonly drained: string | null;
  /** What keeps moves of its pools back, each name once. */
  readonly holds: readonly string[];
  /** Its targets that somebody doubts, listed or not. */
  readonly doubts: number;
}

export interface AppliedCard {
  readonly fence: number;
  /** Milliseconds of cluster time since 1970. */
  readonly atMs: number;
  readonly ok: boolean;
  readonly outcome: 'applied' | 'frozen' | 'manual' | 'failing' | 'drift';
  readonly because: string;
}

export interface PoolCard {
  readonly name: string;
  readonly region: string;
  readonly verdict: 'up' | 'out' | 'unknown';
  readonly cause: 'up' | 'unready' | 'down' | 'suspect' | 'unknown';
  /** Thousandths now; null before the first decision. */
  readonly share: number | null;
  readonly configuredShare: number;
  readonly up: number;
  readonly total: number;
  readonly gray: number;
  readonly hold: string | null;
}

export interface ServiceCard {
  readonly name: string;
  readonly mode: 'observe' | 'advise' | 'auto';
  readonly provider: string;
  readonly ttlS: number;
  readonly fence: number | null;
  readonly because: string;
  /** The route in force is not the configured one. */
  readonly moved: boolean;
  readonly applied: AppliedCard | null;
  readonly provenAtMs: number | null;
  readonly pools: readonly PoolCard[];
  /** Every path, in configured order. Absent: there is one. */
  readonly paths?: readonly {
    readonly provider: string;
    readonly applied: AppliedCard | null;
  }[];
  /** Since when all servers answer the route in force, and users land on it; null: not yet. Absent: not measured. */
  readonly arrived?: {
    readonly t5AtMs?: number | null;
    readonly t6AtMs?: number | null;
  };
}

export interface DoubtCard {
  readonly target: string;
  readonly service: string;
  readonly pool: string;
  readonly region: string;
  readonly verdict: 'up' | 'unready' | 'down' | 'suspect' | 'unknown';
  /** Regions that see more errors than are acceptable. */
  readonly gray: readonly string[];
  /** `3 of 4 down, needs 3`, of the endpoint that most speak against. */
  readonly tally: string;
  /** By region: every vantage that looks at it. */
  readonly cells: Readonly<Record<string, MatrixCell>>;
}

export interface IncidentCard {
  readonly id: string;
  readonly kind: 'region-down' | 'region-unready' | 'all-down' | 'held';
  readonly region: string;
  readonly because: string;
  /** The decision that opened it. */
  readonly v: number;
  readonly epoch: number;
  /** Start of the first failed probe. */
  readonly t0AtMs: number | null;
  /** First suspicion. */
  readonly t1AtMs: number | null;
  /** Quorum. */
  readonly t2AtMs: number | null;
  /** Milliseconds of cluster time since 1970. */
  readonly t3AtMs: number;
  /** Acknowledged, authoritative, landed: of the slowest service. null: not yet, or not to be seen. */
  readonly t4AtMs: number | null;
  readonly t5AtMs: number | null;
  readonly t6AtMs: number | null;
  readonly closedAtMs: number | null;
  /** At most ten. */
  readonly services: readonly string[];
  /** So many more than are listed. */
  readonly servicesOmitted: number;
  readonly detection: {
    readonly ms: number | null;
    readonly atMostMs: number | null;
    readonly goalMs: number;
    readonly judgement: 'met' | 'missed' | 'pending' | 'unmeasured';
  };
  readonly convergence: {
    readonly ms: number | null;
    readonly goalMs: number;
    readonly judgement: 'met' | 'missed' | 'pending' | 'unmeasured';
    /** At most ten. */
    readonly waitingFor: readonly string[];
    /** So many more than are listed. */
    readonly waitingOmitted: number;
  };
}

export interface Overview {
  readonly cluster: {
    readonly name: string;
    readonly version: number;
    readonly goals: {
      readonly detectionMs: number;
      readonly convergenceMs: number;
    };
    readonly [more: string]: unknown;
  };
  /** Milliseconds of cluster time since 1970. */
  readonly clusterTimeMs: number;
  readonly decision: {
    readonly v: number;
    readonly epoch: number;
    /** Milliseconds of cluster time since 1970. */
    readonly atMs: number;
    readonly because: string;
    readonly [more: string]: unknown;
  } | null;
  /** What a human should read first. */
  readonly banner: {
    /** `bad`: users suffer, or nothing would be moved if they did. */
    readonly tone: 'ok' | 'warn' | 'bad';
    /** What is so, the worst of it. */
    readonly sentence: string;
    /** What else is so, worst first, at most 6. */
    readonly more: readonly string[];
    /** How old all of this is at least, since this replica has lost the store; null: it has not. */
    readonly cutOffMs: number | null;
  };
  readonly self: Self;
  readonly coordinator: {
    readonly region: string;
    readonly replica: string;
    readonly epoch: number;
    readonly released: boolean;
    readonly [more: string]: unknown;
  } | null;
  /** In configured order. */
  readonly regions: readonly RegionCard[];
  /** In configured order. */
  readonly services: readonly ServiceCard[];
  /** Targets of which a vantage that speaks says anything but `up`. Worst first, at most 100. */
  readonly doubts: readonly DoubtCard[];
  /** So many more than are listed. */
  readonly doubtsOmitted: number;
  /** At most 100; every pool has its own. */
  readonly holds: readonly Hold[];
  /** So many more than are listed. */
  readonly holdsOmitted: number;
  /** At most 100. */
  readonly reminders: readonly {
    readonly service: string;
    readonly rule: string;
    readonly stage: string;
    readonly because: string;
  }[];
  /** So many more than are listed. */
  readonly remindersOmitted: number;
  readonly overrides: {
    readonly version: number;
    readonly items: readonly OverrideInShort[];
  };
  /** Newest first, at most 20. */
  readonly incidents: readonly IncidentCard[];
  /** Absent: this replica does not write. */
  readonly providers?: readonly {
    readonly name: string;
    readonly failing: boolean;
    readonly [more: string]: unknown;
  }[];
  /** Absent: there are none. */
  readonly microDrills?: readonly {
    readonly provider: string;
    readonly stale: boolean;
    readonly [more: string]: unknown;
  }[];
  /** Absent: there is no second policy. */
  readonly shadow?: {
    readonly file: string;
    readonly state: 'asked' | 'idle' | 'broken';
    readonly because: string;
    readonly moves: number;
    /** So many more than are listed. */
    readonly divergingOmitted: number;
    readonly [more: string]: unknown;
  };
  /** Absent: this replica serves none. */
  readonly gate?: {
    readonly seesStore: boolean;
    readonly services: number;
    /** So many more than are listed. */
    readonly drainedOmitted: number;
    readonly [more: string]: unknown;
  };
  /** Absent: no platform is configured. */
  readonly platforms?: readonly PlatformStatus[];
}

export interface OverrideInShort {
  readonly id: string;
  readonly kind: 'drain' | 'force-in' | 'pin' | 'freeze' | 'evacuate' | 'stop';
  readonly scope: Scope;
  readonly reason: string;
  readonly owner: string;
  /** Milliseconds of cluster time since 1970. */
  readonly createdAtMs: number;
  /** Milliseconds of cluster time since 1970. */
  readonly expiresAtMs: number;
  /** Begun, not over, and agreed to where that is needed. */
  readonly active: boolean;
  /** Until it ends. */
  readonly leftMs: number;
  /** What it asks for is so now. */
  readonly obeyed: boolean;
  /** Why it is obeyed, or not. */
  readonly because: string;
  /** Pools that it is about, by verdict. */
  readonly covers: {
    readonly up: number;
    readonly out: number;
    readonly unknown: number;
  };
  /** Thousandths per pool; together 1000. */
  readonly weights?: Readonly<Record<string, number>>;
  /** Who was authenticated when it was ordered. */
  readonly by?: string;
  readonly ticket?: string;
  /** Milliseconds of cluster time since 1970. */
  readonly startsAtMs?: number;
  readonly breakGlass?: boolean;
  readonly approval?: {
    readonly by: string | null;
    readonly atMs: number | null;
  };
  readonly drill?: boolean;
  /** News of it that were told. */
  readonly told?: readonly string[];
}

export interface ServiceOne {
  readonly cluster: {
    readonly name: string;
    readonly version: number;
    readonly goals: {
      readonly detectionMs: number;
      readonly convergenceMs: number;
    };
    readonly [more: string]: unknown;
  };
  /** Milliseconds of cluster time since 1970. */
  readonly clusterTimeMs: number;
  readonly decision: {
    readonly v: number;
    readonly epoch: number;
    /** Milliseconds of cluster time since 1970. */
    readonly atMs: number;
    readonly because: string;
    readonly [more: string]: unknown;
  } | null;
  readonly service: ServiceStatus;
  /** What each region says of each of its targets: target, then region. */
  readonly matrix: Readonly<Record<string, Readonly<Record<string, MatrixCell>>>>;
  readonly holds: readonly Hold[];
  readonly reminders: readonly {
    readonly service: string;
    readonly rule: string;
    readonly stage: string;
    readonly because: string;
  }[];
  /** Those that touch it; whether each is obeyed here, and what is measured here. */
  readonly overrides: OverrideList;
  /** Those that touch it, newest first, at most 20; `timing`: how this service followed. */
  readonly incidents: readonly {
    readonly id: string;
    readonly kind: 'region-down' | 'region-unready' | 'all-down' | 'held';
    readonly region: string;
    readonly because: string;
    /** The decision that opened it. */
    readonly v: number;
    readonly epoch: number;
    /** Start of the first failed probe. */
    readonly t0AtMs: number | null;
    /** First suspicion. */
    readonly t1AtMs: number | null;
    /** Quorum. */
    readonly t2AtMs: number | null;
    /** Milliseconds of cluster time since 1970. */
    readonly t3AtMs: number;
    /** Acknowledged, authoritative, landed: of the slowest service. null: not yet, or not to be seen. */
    readonly t4AtMs: number | null;
    readonly t5AtMs: number | null;
    readonly t6AtMs: number | null;
    readonly closedAtMs: number | null;
    /** At most ten. */
    readonly services: readonly string[];
    /** So many more than are listed. */
    readonly servicesOmitted: number;
    readonly detection: {
      readonly ms: number | null;
      readonly atMostMs: number | null;
      readonly goalMs: number;
      readonly judgement: 'met' | 'missed' | 'pending' | 'unmeasured';
    };
    readonly convergence: {
      readonly ms: number | null;
      readonly goalMs: number;
      readonly judgement: 'met' | 'missed' | 'pending' | 'unmeasured';
      /** At most ten. */
      readonly waitingFor: readonly string[];
      /** So many more than are listed. */
      readonly waitingOmitted: number;
    };
    readonly timing: {
      readonly service: string;
      readonly acknowledgedMs: number | null;
      readonly authoritativeMs: number | null;
      readonly convergedMs: number | null;
      readonly landed: readonly {
        readonly region: string;
        readonly ms: number;
      }[];
      readonly because: string | null;
    };
  }[];
}

export interface DecidedChange {
  readonly service: string;
  readonly before: Route;
  readonly after: Route;
  readonly because: string;
  readonly [more: string]: unknown;
}

export interface DecidedHold {
  readonly service: string;
  readonly pool: string;
  readonly hold: string;
  readonly because: string;
  readonly refusal?: Refusal;
  readonly [more: string]: unknown;
}

export interface DecisionItem {
  /** The number of the decision, and the fence of what it changed. */
  readonly v: number;
  /** Milliseconds of cluster time since 1970. */
  readonly atMs: number;
  readonly by: string;
  readonly because: string;
  readonly changes: readonly DecidedChange[];
}

export interface DecisionList {
  /** Newest first. */
  readonly items: readonly DecisionItem[];
  /** What to send as `before` for the next page; null: there is none. */
  readonly before: number | null;
}

export interface Dossier {
  /** The number of the decision, and the fence of what it changed. */
  readonly v: number;
  readonly epoch: number;
  /** Milliseconds of cluster time since 1970. */
  readonly atMs: number;
  readonly by: string;
  readonly because: string;
  /** What would have changed the outcome. */
  readonly wouldChange: string;
  readonly changes: readonly DecidedChange[];
  readonly holds: readonly DecidedHold[];
  readonly evidence: readonly {
    /** `service/pool/target#healthz` */
    readonly endpoint: string;
    readonly verdict: 'up' | 'down' | 'unknown' | null;
    readonly down: number;
    readonly up: number;
    readonly electorate: number;
    readonly needs: number | null;
    readonly firstFaultAgoMs: number | null;
    readonly ballots: Readonly<Record<string, 'up' | 'down' | 'unknown' | 'abstain' | 'silent'>>;
  }[];
  readonly votes: readonly {
    readonly region: string;
    readonly replica: string;
    readonly seq: number;
    readonly state: 'ok' | 'abstain';
    readonly because: string | null;
    readonly ageMs: number | null;
  }[];
  readonly abstentions: readonly {
    readonly region: string;
    readonly replica: string;
    readonly because: string;
  }[];
  readonly silent: readonly string[];
  readonly rules: {
    /** null: the record did not keep which rules were asked. */
    readonly passed: readonly string[] | null;
    readonly refused: readonly {
      readonly service: string;
      readonly pool: string;
      readonly rule: string;
      readonly because: string;
      readonly risk: 'low' | 'high' | null;
      readonly againAtMs: number | null;
      readonly counterfactual: string | null;
    }[];
  };
  readonly incidents: readonly {
    readonly id: string;
    readonly kind: 'region-down' | 'region-unready' | 'all-down' | 'held';
    readonly region: string;
    readonly relation: 'opened' | 'during' | 'closed';
    readonly t0AtMs: number | null;
    readonly t0LastAtMs: number | null;
    readonly t1AtMs: number | null;
    readonly t2AtMs: number | null;
    /** Milliseconds of cluster time since 1970. */
    readonly t3AtMs: number;
    readonly t4AtMs: number | null;
    readonly t5AtMs: number | null;
    readonly t6AtMs: number | null;
    readonly detection: Detection;
    readonly convergence: Convergence;
  }[];
  readonly trail: readonly {
    readonly service: string;
    readonly provider: string;
    readonly afterMs: number;
    readonly outcome: 'applied' | 'conflict' | 'undecided' | 'fatal' | 'refused';
    /** Milliseconds of cluster time since 1970. */
    readonly atMs: number;
    readonly tookMs: number;
    readonly tries: number;
    /** Names that the vendor gave to requests: what its support asks for. */
    readonly requests: readonly string[];
    readonly because: string;
    readonly by: string;
    readonly settled?: {
      readonly ended: 'settled' | 'failed' | 'given-up';
      readonly tookMs: number;
      readonly because: string;
      readonly [more: string]: unknown;
    };
    readonly [more: string]: unknown;
  }[];
  readonly trailOmitted: number;
  readonly previous: Neighbour | null;
  readonly next: Neighbour | null;
  /** SHA-256; empty: there is nothing before. */
  readonly prevHash: string;
}

export interface Neighbour {
  /** The number of the decision, and the fence of what it changed. */
  readonly v: number;
  readonly href: string;
}

export interface Detection {
  /** t3 - t0; null: no probe failed. */
  readonly ms: number | null;
  /** t3 - the last good look by anybody. */
  readonly atMostMs: number | null;
  readonly goalMs: number;
  readonly judgement: 'met' | 'missed' | 'pending' | 'unmeasured';
}

export interface Convergence {
  /** t6 - t3 of the slowest service; null: not all have it. */
  readonly ms: number | null;
  readonly goalMs: number;
  readonly judgement: 'met' | 'missed' | 'pending' | 'unmeasured';
  readonly waitingFor: readonly string[];
  readonly services: readonly {
    readonly service: string;
    readonly acknowledgedMs: number | null;
    readonly authoritativeMs: number | null;
    readonly convergedMs: number | null;
    readonly landed: readonly {
      readonly region: string;
      readonly ms: number;
    }[];
    readonly because: string | null;
  }[];
}

export interface Published {
  /** Milliseconds of cluster time since 1970. */
  readonly t3AtMs?: number;
  /** Milliseconds of cluster time since 1970. */
  readonly t4AtMs?: number;
  readonly t4By?: string;
  /** Milliseconds of cluster time since 1970. */
  readonly t5AtMs?: number;
  /** Milliseconds of cluster time since 1970. */
  readonly t6AtMs?: number;
  readonly landedAtMs?: Readonly<Record<string, number>>;
  readonly because?: string;
  readonly unmeasured?: string;
  readonly [more: string]: unknown;
}

export interface Incident {
  readonly id: string;
  readonly kind: 'region-down' | 'region-unready' | 'all-down' | 'held';
  readonly region: string;
  readonly services: readonly string[];
  readonly because: string;
  /** The number of the decision, and the fence of what it changed. */
  readonly v: number;
  readonly epoch: number;
  /** Start of the first failed probe. */
  readonly t0AtMs: number | null;
  /** The last good look by anybody. */
  readonly t0LastAtMs: number | null;
  /** First suspicion. */
  readonly t1AtMs: number | null;
  /** Quorum. */
  readonly t2AtMs: number | null;
  /** Decision. */
  readonly t3AtMs: number;
  readonly published: Readonly<Record<string, Published>>;
  readonly witnesses: readonly string[];
  /** null: it goes on. */
  readonly closedAtMs: number | null;
  readonly nonce: string;
  readonly [more: string]: unknown;
}

export type IncidentItem = Incident & {
  readonly t4AtMs: number | null;
  readonly t5AtMs: number | null;
  readonly t6AtMs: number | null;
  readonly detection: Detection;
  readonly convergence: Convergence;
  readonly [more: string]: unknown;
};

export interface IncidentList {
  /** Newest first. */
  readonly items: readonly IncidentItem[];
  readonly total: number;
}

export interface IncidentOne {
  readonly incident: Incident;
  readonly t4AtMs: number | null;
  readonly t5AtMs: number | null;
  readonly t6AtMs: number | null;
  readonly detection: Detection;
  readonly convergence: Convergence;
  /** Where the decision is that opened it. */
  readonly decision: string;
}

export interface DecisionRecord {
  /** The number of the decision, and the fence of what it changed. */
  readonly v: number;
  readonly epoch: number;
  /** Milliseconds of cluster time since 1970. */
  readonly atMs: number;
  readonly by: string;
  readonly because: string;
  readonly wouldChange: string;
  readonly changes: readonly DecidedChange[];
  readonly holds: readonly DecidedHold[];
  /** What was heard and counted. */
  readonly votes: Readonly<Record<string, unknown>>;
  /** SHA-256; empty: there is nothing before. */
  readonly prevHash: string;
  readonly rules?: readonly string[];
  readonly [more: string]: unknown;
}

export interface JournalEntry {
  readonly n: number;
  /** Milliseconds of cluster time since 1970. */
  readonly atMs: number;
  readonly kind:
    | 'override.put'
    | 'override.deleted'
    | 'override.approved'
    | 'reports.put'
    | 'config.applied'
    | 'auth.refused'
    | 'token.used'
    | 'adopted'
    | 'acknowledged'
    | 'page.replayed'
    | 'page.acknowledged'
    | 'run.begun'
    | 'run.approved'
    | 'run.answered'
    | 'run.aborted'
    | 'run.undone'
    | 'run.forced'
    | 'data.settled'
    | 'data.unsettled';
  readonly by: string;
  /** How whoever acted was known. */
  readonly how: string;
  readonly because: string;
  readonly detail: Readonly<Record<string, unknown>>;
  readonly nonce: string;
  /** The last decision that its writer saw. */
  readonly v: number;
  /** SHA-256; empty: there is nothing before. */
  readonly decisionHash: string;
  /** SHA-256; empty: there is nothing before. */
  readonly prevHash: string;
  readonly [more: string]: unknown;
}

export type AuditItem =
  | {
      /** A place in both chains; the same on every replica. */
      readonly id: string;
      readonly at: string;
      readonly by: string;
      readonly because: string;
      readonly kind: 'decision';
      /** Masked, and cut where it is very large; the export has it whole. */
      readonly record: {
        /** The number of the decision, and the fence of what it changed. */
        readonly v: number;
        /** Milliseconds of cluster time since 1970. */
        readonly atMs: number;
        readonly by: string;
        readonly because: string;
        readonly epoch?: unknown;
        readonly wouldChange?: unknown;
        readonly changes?: unknown;
        readonly holds?: unknown;
        readonly votes?: unknown;
        readonly prevHash?: unknown;
        readonly rules?: unknown;
        readonly [more: string]: unknown;
      };
    }
  | {
      /** A place in both chains; the same on every replica. */
      readonly id: string;
      readonly at: string;
      readonly by: string;
      readonly because: string;
      readonly kind:
        | 'override.put'
        | 'override.deleted'
        | 'override.approved'
        | 'reports.put'
        | 'config.applied'
        | 'auth.refused'
        | 'token.used'
        | 'adopted'
        | 'acknowledged'
        | 'page.replayed'
        | 'page.acknowledged'
        | 'run.begun'
        | 'run.approved'
        | 'run.answered'
        | 'run.aborted'
        | 'run.undone'
        | 'run.forced'
        | 'data.settled'
        | 'data.unsettled';
      /** Masked, and cut where it is very large; the export has it whole. */
      readonly record: {
        readonly n: number;
        /** Milliseconds of cluster time since 1970. */
        readonly atMs: number;
        readonly by: string;
        readonly because: string;
        /** The last decision that its writer saw. */
        readonly v: number;
        readonly kind?: unknown;
        readonly how?: unknown;
        readonly detail?: unknown;
        readonly nonce?: unknown;
        readonly decisionHash?: unknown;
        readonly prevHash?: unknown;
        readonly [more: string]: unknown;
      };
    };

export interface AuditPage {
  /** Oldest first, in the order of the commits. */
  readonly items: readonly AuditItem[];
  /** What to send as `after` for the next page. */
  readonly next: string;
  /** There may be more behind `next`. */
  readonly more: boolean;
}

/** One line of an export. */
export type AuditLine =
  | {
      readonly kind: 'export';
      readonly format: number;
      readonly cluster: string | null;
      /** Milliseconds of cluster time since 1970. */
      readonly atMs: number;
      readonly sinceMs: number | null;
    }
  | {
      readonly kind: 'head';
      readonly chain: 'decisions' | 'journal';
      readonly n: number;
      /** SHA-256; empty: there is nothing before. */
      readonly hash: string;
    }
  | {
      readonly kind: 'anchor';
      readonly chain: 'decisions' | 'journal';
      readonly n: number;
      /** SHA-256; empty: there is nothing before. */
      readonly hash: string;
      readonly count: number;
      /** Milliseconds of cluster time since 1970. */
      readonly cutAtMs: number;
      readonly unproved?: boolean;
    }
  | {
      readonly kind: 'decision';
      readonly key: string;
      /** SHA-256; empty: there is nothing before. */
      readonly hash: string;
      readonly record: DecisionRecord;
    }
  | {
      readonly kind: 'journal';
      readonly key: string;
      /** SHA-256; empty: there is nothing before. */
      readonly hash: string;
      readonly record: JournalEntry;
    }
  | {
      readonly kind: 'config';
      readonly key: string;
      /** SHA-256; empty: there is nothing before. */
      readonly hash: string;
      readonly record: {
        readonly version: number;
        readonly hash: string;
        /** Milliseconds of cluster time since 1970. */
        readonly atMs: number;
        readonly by: string;
        readonly reason: string;
        readonly nonce: string;
        readonly diff: readonly string[];
        readonly [more: string]: unknown;
      };
    }
  | {
      readonly kind: 'stray';
      readonly key: string;
    }
  | {
      readonly kind: 'end';
      readonly lines: number;
      /** SHA-256; empty: there is nothing before. */
      readonly sha256: string;
    };

export interface JournalEventData {
  readonly n: number;
  readonly v: number;
  readonly by: string;
  readonly how: string;
  readonly because: string;
  readonly detail: Readonly<Record<string, unknown>>;
}

export interface IncidentEventData {
  readonly incident: string;
  readonly kind: 'region-down' | 'region-unready' | 'all-down' | 'held';
  readonly region: string;
  readonly services: readonly string[];
  readonly because: string;
}

export interface StepEventData {
  readonly incident: string;
  readonly region: string;
  readonly service: string;
  readonly stage: 't4' | 't5' | 't6';
  readonly atMs: number;
  readonly tookMs: number;
}

export interface OverrideEventData {
  readonly id: string;
  readonly kind: string;
  readonly scope: {
    readonly region?: string;
    readonly service?: string;
    readonly pool?: string;
  };
  readonly reason: string;
  readonly owner: string;
  readonly expiresAtMs: number;
}

/** The `data` of a server-sent event. */
export type ApiEvent =
  | {
      readonly type: 'decision.made';
      readonly timestamp: string;
      readonly data: {
        readonly v: number;
        readonly epoch: number;
        readonly by: string;
        readonly because: string;
        readonly wouldChange: string;
        readonly changes: readonly {
          readonly service: string;
          readonly before: Readonly<Record<string, number>>;
          readonly after: Readonly<Record<string, number>>;
          readonly because: string;
        }[];
        readonly holds: readonly {
          readonly service: string;
          readonly pool: string;
          readonly hold: string;
          readonly because: string;
        }[];
        readonly leftOut: number;
      };
    }
  | {
      readonly type: 'override.put';
      readonly timestamp: string;
      readonly data: JournalEventData;
    }
  | {
      readonly type: 'override.deleted';
      readonly timestamp: string;
      readonly data: JournalEventData;
    }
  | {
      readonly type: 'override.approved';
      readonly timestamp: string;
      readonly data: JournalEventData;
    }
  | {
      readonly type: 'reports.put';
      readonly timestamp: string;
      readonly data: JournalEventData;
    }
  | {
      readonly type: 'config.applied';
      readonly timestamp: string;
      readonly data: JournalEventData;
    }
  | {
      readonly type: 'auth.refused';
      readonly timestamp: string;
      readonly data: JournalEventData;
    }
  | {
      readonly type: 'token.used';
      readonly timestamp: string;
      readonly data: JournalEventData;
    }
  | {
      readonly type: 'adopted';
      readonly timestamp: string;
      readonly data: JournalEventData;
    }
  | {
      readonly type: 'acknowledged';
      readonly timestamp: string;
      readonly data: JournalEventData;
    }
  | {
      readonly type: 'page.replayed';
      readonly timestamp: string;
      readonly data: JournalEventData;
    }
  | {
      readonly type: 'page.acknowledged';
      readonly timestamp: string;
      readonly data: JournalEventData;
    }
  | {
      readonly type: 'run.begun';
      readonly timestamp: string;
      readonly data: JournalEventData;
    }
  | {
      readonly type: 'run.approved';
      readonly timestamp: string;
      readonly data: JournalEventData;
    }
  | {
      readonly type: 'run.answered';
      readonly timestamp: string;
      readonly data: JournalEventData;
    }
  | {
      readonly type: 'run.aborted';
      readonly timestamp: string;
      readonly data: JournalEventData;
    }
  | {
      readonly type: 'run.undone';
      readonly timestamp: string;
      readonly data: JournalEventData;
    }
  | {
      readonly type: 'run.forced';
      readonly timestamp: string;
      readonly data: JournalEventData;
    }
  | {
      readonly type: 'data.settled';
      readonly timestamp: string;
      readonly data: JournalEventData;
    }
  | {
      readonly type: 'data.unsettled';
      readonly timestamp: string;
      readonly data: JournalEventData;
    }
  | {
      readonly type: 'target.verdict.changed';
      readonly timestamp: string;
      readonly data: {
        readonly target: string;
        readonly service: string;
        readonly before: 'up' | 'unready' | 'down' | 'suspect' | 'unknown';
        readonly after: 'up' | 'unready' | 'down' | 'suspect' | 'unknown';
      };
    }
  | {
      readonly type: 'pool.verdict.changed';
      readonly timestamp: string;
      readonly data: {
        readonly service: string;
        readonly pool: string;
        readonly region: string;
        readonly before: 'up' | 'out' | 'unknown';
        readonly after: 'up' | 'out' | 'unknown';
        readonly cause: 'up' | 'unready' | 'down' | 'suspect' | 'unknown';
        readonly up: number;
        readonly total: number;
      };
    }
  | {
      readonly type: 'vantage.abstained';
      readonly timestamp: string;
      readonly data: {
        readonly region: string;
        readonly replica: string;
        readonly because: string;
      };
    }
  | {
      readonly type: 'vantage.resumed';
      readonly timestamp: string;
      readonly data: {
        readonly region: string;
        readonly replica: string;
      };
    }
  | {
      readonly type: 'quorum.lost';
      readonly timestamp: string;
      readonly data: {
        readonly speak: number;
        readonly voters: number;
      };
    }
  | {
      readonly type: 'quorum.restored';
      readonly timestamp: string;
      readonly data: {
        readonly speak: number;
        readonly voters: number;
      };
    }
  | {
      readonly type: 'coordinator.changed';
      readonly timestamp: string;
      readonly data: {
        readonly region: string;
        readonly replica: string;
        readonly epoch: number;
      };
    }
  | {
      readonly type: 'failover.started';
      readonly timestamp: string;
      readonly data: IncidentEventData;
    }
  | {
      readonly type: 'failover.step';
      readonly timestamp: string;
      readonly data: StepEventData;
    }
  | {
      readonly type: 'failover.converged';
      readonly timestamp: string;
      readonly data: StepEventData;
    }
  | {
      readonly type: 'failover.failed';
      readonly timestamp: string;
      readonly data: {
        readonly incident: string;
        readonly region: string;
        readonly service: string;
        readonly because: string;
      };
    }
  | {
      readonly type: 'failover.finished';
      readonly timestamp: string;
      readonly data: IncidentEventData;
    }
  | {
      readonly type: 'override.started';
      readonly timestamp: string;
      readonly data: OverrideEventData;
    }
  | {
      readonly type: 'override.expiring';
      readonly timestamp: string;
      readonly data: OverrideEventData;
    }
  | {
      readonly type: 'override.expired';
      readonly timestamp: string;
      readonly data: OverrideEventData;
    }
  | {
      readonly type: 'run.changed';
      readonly timestamp: string;
      readonly data: {
        readonly run: string;
        readonly platform: string;
        readonly purpose: 'failover' | 'failback' | 'prearm' | 'drill';
        readonly step: string | null;
        readonly state: string;
        readonly because: string;
      };
    }
  | {
      readonly type: 'stream.opened';
      readonly timestamp: string;
      readonly data: {
        readonly cursor: string;
        readonly region: string;
        readonly replica: string;
      };
    }
  | {
      readonly type: 'stream.reset';
      readonly timestamp: string;
      readonly data: {
        readonly from: string | null;
        readonly to: string;
        readonly because: string;
      };
    }
  | {
      readonly type: 'stream.closed';
      readonly timestamp: string;
      readonly data: {
        readonly because: string;
      };
    };

export interface HealthCheck {
  readonly componentType: 'system' | 'component' | 'datastore';
  readonly observedValue: number | string | boolean | null;
  readonly status: 'pass' | 'warn' | 'fail';
  /** This replica’s clock. */
  readonly time: string;
  /** Which one, where there are several. */
  readonly componentId?: string;
  readonly observedUnit?: string;
  /** Why, when it is not `pass`. */
  readonly output?: string;
}

export interface HealthDetail {
  readonly status: 'pass' | 'warn' | 'fail';
  readonly releaseId: string;
  readonly serviceId: string;
  readonly description: string;
  /** What is not `pass`, worst first, one sentence each. */
  readonly notes: readonly string[];
  /** By `component:measurement`. */
  readonly checks: Readonly<Record<string, readonly HealthCheck[]>>;
}

export interface Operations {
  /** This process answers */
  readonly alive: {
    readonly path: Readonly<Record<string, never>>;
    readonly query: Readonly<Record<string, never>>;
    readonly headers: Readonly<Record<string, never>>;
    readonly body: undefined;
    readonly replies: {
      readonly 200: Alive;
    };
  };
  /** Configured and listening; never the store, peers or a quorum */
  readonly ready: {
    readonly path: Readonly<Record<string, never>>;
    readonly query: Readonly<Record<string, never>>;
    readonly headers: Readonly<Record<string, never>>;
    readonly body: undefined;
    readonly replies: {
      readonly 200: Alive;
    };
  };
  /** In the text format of Prometheus */
  readonly metrics: {
    readonly path: Readonly<Record<string, never>>;
    readonly query: Readonly<Record<string, never>>;
    readonly headers: Readonly<Record<string, never>>;
    readonly body: undefined;
    readonly replies: {
      readonly 200: string;
    };
  };
  /** The operator's page, for browsers */
  readonly page: {
    readonly path: Readonly<Record<string, never>>;
    readonly query: Readonly<Record<string, never>>;
    readonly headers: Readonly<Record<string, never>>;
    readonly body: undefined;
    readonly replies: {
      readonly 200: string;
    };
  };
  /** A file of the page */
  readonly asset: {
    readonly path: {
      /** As the page names it. */
      readonly path: string;
    };
    readonly query: Readonly<Record<string, never>>;
    readonly headers: Readonly<Record<string, never>>;
    readonly body: undefined;
    readonly replies: {
      readonly 200: string;
    };
  };
  /** The whole state as a page without a script */
  readonly plainStatus: {
    readonly path: Readonly<Record<string, never>>;
    readonly query: Readonly<Record<string, never>>;
    readonly headers: Readonly<Record<string, never>>;
    readonly body: undefined;
    readonly replies: {
      readonly 200: string;
    };
  };
  /** Who asks, and what they may do */
  readonly whoAmI: {
    readonly path: Readonly<Record<string, never>>;
    readonly query: Readonly<Record<string, never>>;
    readonly headers: Readonly<Record<string, never>>;
    readonly body: undefined;
    readonly replies: {
      readonly 200: Me;
    };
  };
  /** How one signs in here, and where the page can go on */
  readonly signInWays: {
    readonly path: Readonly<Record<string, never>>;
    readonly query: Readonly<Record<string, never>>;
    readonly headers: Readonly<Record<string, never>>;
    readonly body: undefined;
    readonly replies: {
      readonly 200: SignInWays;
    };
  };
  /** Redeems the code that the issuer sent the browser back with */
  readonly redeemSignIn: {
    readonly path: Readonly<Record<string, never>>;
    readonly query: Readonly<Record<string, never>>;
    readonly headers: Readonly<Record<string, never>>;
    readonly body: Redeem;
    readonly replies: {
      readonly 200: Redeemed;
    };
  };
  /** What this replica knows now: health, routes, orders, holds, votes, incidents, platforms */
  readonly getStatus: {
    readonly path: Readonly<Record<string, never>>;
    readonly query: Readonly<Record<string, never>>;
    readonly headers: Readonly<Record<string, never>>;
    readonly body: undefined;
    readonly replies: {
      readonly 200: Status;
    };
  };
  /** What an eye needs first of what this replica knows now, however large the cluster */
  readonly getOverview: {
    readonly path: Readonly<Record<string, never>>;
    readonly query: Readonly<Record<string, never>>;
    readonly headers: Readonly<Record<string, never>>;
    readonly body: undefined;
    readonly replies: {
      readonly 200: Overview;
    };
  };
  /** One service whole: its targets, votes, holds, orders and incidents */
  readonly getService: {
    readonly path: {
      readonly name: string;
    };
    readonly query: Readonly<Record<string, never>>;
    readonly headers: Readonly<Record<string, never>>;
    readonly body: undefined;
    readonly replies: {
      readonly 200: ServiceOne;
    };
  };
  /** All orders, and whether each is obeyed */
  readonly listOverrides: {
    readonly path: Readonly<Record<string, never>>;
    readonly query: Readonly<Record<string, never>>;
    readonly headers: Readonly<Record<string, never>>;
    readonly body: undefined;
    readonly replies: {
      readonly 200: OverrideList;
    };
  };
  /** Give an order */
  readonly createOverride: {
    readonly path: Readonly<Record<string, never>>;
    readonly query: {
      /** `true`: judges and foretells, writes nothing, answers 200. */
      readonly dryRun?: 'true' | 'false';
    };
    readonly headers: {
      /** A fresh random text per order. Needed unless this is a dry run. */
      readonly 'Idempotency-Key'?: string;
    };
    readonly body: OverrideOrder;
    readonly replies: {
      readonly 200: Ordered;
      readonly 201: Ordered;
    };
  };
  /** One order, with what health says of the same pools */
  readonly getOverride: {
    readonly path: {
      /** The id of the order. */
      readonly id: string;
    };
    readonly query: Readonly<Record<string, never>>;
    readonly headers: Readonly<Record<string, never>>;
    readonly body: undefined;
    readonly replies: {
      readonly 200: OverrideOne;
    };
  };
  /** Give an order under an id of your choice, or replace one */
  readonly putOverride: {
    readonly path: {
      /** The id of the order. */
      readonly id: string;
    };
    readonly query: {
      /** `true`: judges and foretells, writes nothing, answers 200. */
      readonly dryRun?: 'true' | 'false';
    };
    readonly headers: {
      /** The entity tag that was read: of this order, or of all of them; `*`: whatever it is. Needed where the order exists. */
      readonly 'If-Match'?: string;
      /** `*`: only if no order has this id. */
      readonly 'If-None-Match'?: '*';
    };
    readonly body: OverrideOrder;
    readonly replies: {
      readonly 200: Ordered;
      readonly 201: Ordered;
    };
  };
  /** End an order */
  readonly deleteOverride: {
    readonly path: {
      /** The id of the order. */
      readonly id: string;
    };
    readonly query: {
      /** `true`: judges and foretells, writes nothing, answers 200. */
      readonly dryRun?: 'true' | 'false';
    };
    readonly headers: {
      /** The entity tag that was read: of this order, or of all of them; `*`: whatever it is. Needed where the order exists. */
      readonly 'If-Match'?: string;
    };
    readonly body: undefined;
    readonly replies: {
      readonly 200: Ordered;
    };
  };
  /** Agree to an order that takes a second person */
  readonly approveOverride: {
    readonly path: {
      /** The id of the order. */
      readonly id: string;
    };
    readonly query: Readonly<Record<string, never>>;
    readonly headers: {
      /** The entity tag that was read: of this order, or of all of them; `*`: whatever it is. Needed where the order exists. */
      readonly 'If-Match'?: string;
    };
    readonly body: undefined;
    readonly replies: {
      readonly 200: Ordered;
    };
  };
  /** Pages of the outbox, newest first: who has been told, and who never will be */
  readonly listPages: {
    readonly path: Readonly<Record<string, never>>;
    readonly query: {
      /** `open`: of alerts that have not ended. */
      readonly state?: 'waiting' | 'dead' | 'open' | 'all';
      readonly limit?: number;
    };
    readonly headers: Readonly<Record<string, never>>;
    readonly body: undefined;
    readonly replies: {
      readonly 200: PageList;
    };
  };
  /** Give a page another life where a channel would not take it */
  readonly replayPage: {
    readonly path: {
      /** The id of the page. */
      readonly id: string;
    };
    readonly query: Readonly<Record<string, never>>;
    readonly headers: Readonly<Record<string, never>>;
    readonly body: Replay;
    readonly replies: {
      readonly 200: Replayed;
    };
  };
  /** Say that somebody has the alert of this page: nobody else is woken for it */
  readonly acknowledgePage: {
    readonly path: {
      /** The id of the page. */
      readonly id: string;
    };
    readonly query: Readonly<Record<string, never>>;
    readonly headers: Readonly<Record<string, never>>;
    readonly body: Acknowledge;
    readonly replies: {
      readonly 200: Acknowledged;
    };
  };
  /** What a receiver of pages sends back: somebody has it, automation shall hold still for 30 minutes, or somebody agrees to a run */
  readonly takeCallback: {
    readonly path: Readonly<Record<string, never>>;
    readonly query: Readonly<Record<string, never>>;
    readonly headers: {
      /** 1 to 256 of A-Z a-z 0-9 _ -; the same for a retry. */
      readonly 'webhook-id': string;
      /** Seconds since 1970, within five minutes. */
      readonly 'webhook-timestamp': string;
      /** `v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`; several with blanks between. */
      readonly 'webhook-signature': string;
    };
    readonly body: Callback;
    readonly replies: {
      readonly 200: CallbackDone;
    };
  };
  /** What was reported of load and capacity, by service */
  readonly listReports: {
    readonly path: Readonly<Record<string, never>>;
    readonly query: Readonly<Record<string, never>>;
    readonly headers: Readonly<Record<string, never>>;
    readonly body: undefined;
    readonly replies: {
      readonly 200: ReportList;
    };
  };
  /** Report the load of a service and what its pools can bear */
  readonly putReport: {
    readonly path: {
      /** The name of the service. */
      readonly service: string;
    };
    readonly query: Readonly<Record<string, never>>;
    readonly headers: Readonly<Record<string, never>>;
    readonly body: Report;
    readonly replies: {
      readonly 200: ReportedOne;
    };
  };
  /** Platforms: where each is active, how ready it is to move, what moves it now, what moves took */
  readonly listPlatforms: {
    readonly path: Readonly<Record<string, never>>;
    readonly query: Readonly<Record<string, never>>;
    readonly headers: Readonly<Record<string, never>>;
    readonly body: undefined;
    readonly replies: {
      readonly 200: PlatformList;
    };
  };
  /** One platform */
  readonly getPlatform: {
    readonly path: {
      /** The name of the platform. */
      readonly name: string;
    };
    readonly query: Readonly<Record<string, never>>;
    readonly headers: Readonly<Record<string, never>>;
    readonly body: undefined;
    readonly replies: {
      readonly 200: PlatformOne;
    };
  };
  /** What a run would do, how long it would take, what it would ask for, and what could not be taken back */
  readonly getPlan: {
    readonly path: {
      /** The name of the platform. */
      readonly name: string;
    };
    readonly query: {
      /** Default: home for a failback, else the first of the priorities that is not active. */
      readonly to?: string;
      readonly mode?: 'graceful' | 'ungraceful';
      readonly purpose?: 'failover' | 'failback' | 'drill';
    };
    readonly headers: Readonly<Record<string, never>>;
    readonly body: undefined;
    readonly replies: {
      readonly 200: RunPlan;
    };
  };
  /** Order a run: failover, failback, or a drill */
  readonly beginRun: {
    readonly path: {
      /** The name of the platform. */
      readonly name: string;
    };
    readonly query: {
      /** `true`: judges and plans, writes nothing, answers 200. */
      readonly dryRun?: 'true' | 'false';
    };
    readonly headers: {
      /** A fresh random text per order. Needed unless this is a dry run. */
      readonly 'Idempotency-Key'?: string;
    };
    readonly body: RunOrder;
    readonly replies: {
      readonly 200: RunBegun;
      readonly 201: RunBegun;
    };
  };
  /** Runs, open ones first, newest first among each */
  readonly listRuns: {
    readonly path: Readonly<Record<string, never>>;
    readonly query: {
      readonly state?: 'open' | 'all';
      readonly limit?: number;
    };
    readonly headers: Readonly<Record<string, never>>;
    readonly body: undefined;
    readonly replies: {
      readonly 200: RunList;
    };
  };
  /** One run: its steps, measured beside estimated, who agreed, what it waits for */
  readonly getRun: {
    readonly path: {
      /** The id of the run. */
      readonly id: string;
    };
    readonly query: Readonly<Record<string, never>>;
    readonly headers: Readonly<Record<string, never>>;
    readonly body: undefined;
    readonly replies: {
      readonly 200: RunOne;
    };
  };
  /** Agree that a run begins, or that a step of it does */
  readonly approveRun: {
    readonly path: {
      /** The id of the run. */
      readonly id: string;
    };
    readonly query: Readonly<Record<string, never>>;
    readonly headers: {
      /** The entity tag that was read, or `*`. Left out: whatever the run asks now. */
      readonly 'If-Match'?: string;
      /** For a retry that is answered as done before. Remembered for a day. */
      readonly 'Idempotency-Key'?: string;
    };
    readonly body: RunApprove;
    readonly replies: {
      readonly 200: RunOne;
    };
  };
  /** Say what becomes of a step that failed or could not be read */
  readonly answerRun: {
    readonly path: {
      /** The id of the run. */
      readonly id: string;
    };
    readonly query: Readonly<Record<string, never>>;
    readonly headers: {
      /** The entity tag that was read, or `*`. Left out: whatever the run asks now. */
      readonly 'If-Match'?: string;
      /** For a retry that is answered as done before. Remembered for a day. */
      readonly 'Idempotency-Key'?: string;
    };
    readonly body: RunAnswer;
    readonly replies: {
      readonly 200: RunOne;
    };
  };
  /** Begin nothing more: what is under way ends, what is done stays done */
  readonly abortRun: {
    readonly path: {
      /** The id of the run. */
      readonly id: string;
    };
    readonly query: Readonly<Record<string, never>>;
    readonly headers: {
      /** The entity tag that was read, or `*`. Left out: whatever the run asks now. */
      readonly 'If-Match'?: string;
      /** For a retry that is answered as done before. Remembered for a day. */
      readonly 'Idempotency-Key'?: string;
    };
    readonly body: RunReason;
    readonly replies: {
      readonly 200: RunOne;
    };
  };
  /** Take back what can be, last first */
  readonly undoRun: {
    readonly path: {
      /** The id of the run. */
      readonly id: string;
    };
    readonly query: Readonly<Record<string, never>>;
    readonly headers: {
      /** The entity tag that was read, or `*`. Left out: whatever the run asks now. */
      readonly 'If-Match'?: string;
      /** For a retry that is answered as done before. Remembered for a day. */
      readonly 'Idempotency-Key'?: string;
    };
    readonly body: RunReason;
    readonly replies: {
      readonly 200: RunOne;
    };
  };
  /** Go on ungracefully: what is done stays done, what would have waited for the region that is left is passed over */
  readonly forceRun: {
    readonly path: {
      /** The id of the run. */
      readonly id: string;
    };
    readonly query: Readonly<Record<string, never>>;
    readonly headers: {
      /** The entity tag that was read, or `*`. Left out: whatever the run asks now. */
      readonly 'If-Match'?: string;
      /** For a retry that is answered as done before. Remembered for a day. */
      readonly 'Idempotency-Key'?: string;
    };
    readonly body: RunReason;
    readonly replies: {
      readonly 200: RunOne;
    };
  };
  /** Say where a database is written, where no row can prove it, or two regions took writes and one of them never will again */
  readonly settleDatabase: {
    readonly path: {
      /** The name of the platform. */
      readonly name: string;
      /** The name of the database. */
      readonly database: string;
    };
    readonly query: {
      /** `true`: judges, and writes nothing. */
      readonly dryRun?: 'true' | 'false';
    };
    readonly headers: {
      /** The ETag of the preview (`?dryRun=true`), or `*`. Needed unless this is a preview: what is said is about what was seen. */
      readonly 'If-Match'?: string;
      /** A fresh random text per wish. Needed unless this is a preview. Remembered for a day. */
      readonly 'Idempotency-Key'?: string;
    };
    readonly body: SettleOrder;
    readonly replies: {
      readonly 200: Settled;
    };
  };
  /** Take such a word back: an alarm that it ended rings again, no proof comes back */
  readonly unsettleDatabase: {
    readonly path: {
      /** The name of the platform. */
      readonly name: string;
      /** The name of the database. */
      readonly database: string;
    };
    readonly query: {
      /** `true`: judges, and writes nothing. */
      readonly dryRun?: 'true' | 'false';
    };
    readonly headers: {
      /** The ETag of the preview (`?dryRun=true`), or `*`. Needed unless this is a preview: what is said is about what was seen. */
      readonly 'If-Match'?: string;
      /** A fresh random text per wish. Needed unless this is a preview. Remembered for a day. */
      readonly 'Idempotency-Key'?: string;
    };
    readonly body: UnsettleOrder;
    readonly replies: {
      readonly 200: Settled;
    };
  };
  /** Objectives of each platform, and what was measured: region by dependency */
  readonly listObjectives: {
    readonly path: Readonly<Record<string, never>>;
    readonly query: Readonly<Record<string, never>>;
    readonly headers: Readonly<Record<string, never>>;
    readonly body: undefined;
    readonly replies: {
      readonly 200: ObjectiveList;
    };
  };
  /** Whether a deployment is out and works, as the replica that is asked sees it */
  readonly verifyPlatform: {
    readonly path: {
      /** The name of the platform. */
      readonly name: string;
    };
    readonly query: {
      /** Only what is in this region of the platform. */
      readonly region?: string;
    };
    readonly headers: Readonly<Record<string, never>>;
    readonly body: undefined;
    readonly replies: {
      readonly 200: VerifyReport;
    };
  };
  /** What would happen if all of this were so */
  readonly simulate: {
    readonly path: Readonly<Record<string, never>>;
    readonly query: Readonly<Record<string, never>>;
    readonly headers: Readonly<Record<string, never>>;
    readonly body: Supposed;
    readonly replies: {
      readonly 200: Forecast;
    };
  };
  /** What if it dies, for every region of the live configuration */
  readonly matrix: {
    readonly path: Readonly<Record<string, never>>;
    readonly query: Readonly<Record<string, never>>;
    readonly headers: Readonly<Record<string, never>>;
    readonly body: undefined;
    readonly replies: {
      readonly 200: WhatIfMatrix;
    };
  };
  /** The last decisions, newest first */
  readonly listDecisions: {
    readonly path: Readonly<Record<string, never>>;
    readonly query: {
      /** So many at most. */
      readonly limit?: number;
      /** Only those with a smaller number. */
      readonly before?: number;
    };
    readonly headers: Readonly<Record<string, never>>;
    readonly body: undefined;
    readonly replies: {
      readonly 200: DecisionList;
    };
  };
  /** Everything that is known of one decision */
  readonly getDecision: {
    readonly path: {
      /** The number of the decision. */
      readonly v: number;
    };
    readonly query: Readonly<Record<string, never>>;
    readonly headers: Readonly<Record<string, never>>;
    readonly body: undefined;
    readonly replies: {
      readonly 200: Dossier;
    };
  };
  /** Incidents, newest first, with their measured times */
  readonly listIncidents: {
    readonly path: Readonly<Record<string, never>>;
    readonly query: {
      /** So many at most. */
      readonly limit?: number;
    };
    readonly headers: Readonly<Record<string, never>>;
    readonly body: undefined;
    readonly replies: {
      readonly 200: IncidentList;
    };
  };
  /** One incident with its measured times */
  readonly getIncident: {
    readonly path: {
      /** As the list and the pages name it. */
      readonly id: string;
    };
    readonly query: Readonly<Record<string, never>>;
    readonly headers: Readonly<Record<string, never>>;
    readonly body: undefined;
    readonly replies: {
      readonly 200: IncidentOne;
    };
  };
  /** How everything that this replica depends on stands */
  readonly getHealthDetail: {
    readonly path: Readonly<Record<string, never>>;
    readonly query: Readonly<Record<string, never>>;
    readonly headers: Readonly<Record<string, never>>;
    readonly body: undefined;
    readonly replies: {
      readonly 200: HealthDetail;
    };
  };
  /** Decisions and orders, oldest first */
  readonly getAudit: {
    readonly path: Readonly<Record<string, never>>;
    readonly query: {
      /** Only what comes behind this cursor. */
      readonly after?: string;
      /** So many are read; fewer are shown where `kind` leaves some out. */
      readonly limit?: number;
      /** Some of decision, override.put, override.deleted, override.approved, reports.put, config.applied, auth.refused, token.used, adopted, acknowledged, page.replayed, page.acknowledged, run.begun, run.approved, run.answered, run.aborted, run.undone, run.forced, data.settled, data.unsettled, with commas between. */
      readonly kind?: string;
      /** Of the export: how far back. */
      readonly since?: string;
    };
    readonly headers: Readonly<Record<string, never>>;
    readonly body: undefined;
    readonly replies: {
      readonly 200: AuditPage;
    };
  };
  /** What happens, as it happens */
  readonly getEvents: {
    readonly path: Readonly<Record<string, never>>;
    readonly query: {
      /** Only these, with commas between; `override` stands for all `override.…`. There are decision.made, override.put, override.deleted, override.approved, reports.put, config.applied, auth.refused, token.used, adopted, acknowledged, page.replayed, page.acknowledged, run.begun, run.approved, run.answered, run.aborted, run.undone, run.forced, data.settled, data.unsettled, target.verdict.changed, pool.verdict.changed, vantage.abstained, vantage.resumed, quorum.lost, quorum.restored, coordinator.changed, failover.started, failover.step, failover.converged, failover.failed, failover.finished, override.started, override.expiring, override.expired, run.changed, stream.opened, stream.reset, stream.closed. */
      readonly types?: string;
      /** Only what concerns this service, or all services. */
      readonly service?: string;
    };
    readonly headers: {
      /** The id of the last event that was received, from whichever replica. */
      readonly 'Last-Event-ID'?: string;
    };
    readonly body: undefined;
    readonly replies: {
      readonly 200: string;
    };
  };
  /** This document */
  readonly openApi: {
    readonly path: Readonly<Record<string, never>>;
    readonly query: Readonly<Record<string, never>>;
    readonly headers: Readonly<Record<string, never>>;
    readonly body: undefined;
    readonly replies: {
      readonly 200: {
        readonly openapi: '3.1.0';
        readonly paths: Readonly<Record<string, unknown>>;
      };
    };
  };
}

export type OperationId = keyof Operations;

/** Where each operation is; `{name}` stands for a parameter of the path. */
export const OPERATIONS = {
  alive: { method: 'GET', path: '/healthz' },
  ready: { method: 'GET', path: '/readyz' },
  metrics: { method: 'GET', path: '/metrics' },
  page: { method: 'GET', path: '/' },
  asset: { method: 'GET', path: '/assets/{path}' },
  plainStatus: { method: 'GET', path: '/status' },
  whoAmI: { method: 'GET', path: '/v1/me' },
  signInWays: { method: 'GET', path: '/v1/sign-in' },
  redeemSignIn: { method: 'POST', path: '/v1/sign-in/oidc' },
  getStatus: { method: 'GET', path: '/v1/status' },
  getOverview: { method: 'GET', path: '/v1/overview' },
  getService: { method: 'GET', path: '/v1/services/{name}' },
  listOverrides: { method: 'GET', path: '/v1/overrides' },
  createOverride: { method: 'POST', path: '/v1/overrides' },
  getOverride: { method: 'GET', path: '/v1/overrides/{id}' },
  putOverride: { method: 'PUT', path: '/v1/overrides/{id}' },
  deleteOverride: { method: 'DELETE', path: '/v1/overrides/{id}' },
  approveOverride: { method: 'POST', path: '/v1/overrides/{id}/approve' },
  listPages: { method: 'GET', path: '/v1/pages' },
  replayPage: { method: 'POST', path: '/v1/pages/{id}/replay' },
  acknowledgePage: { method: 'POST', path: '/v1/pages/{id}/acknowledge' },
  takeCallback: { method: 'POST', path: '/v1/callbacks/pages' },
  listReports: { method: 'GET', path: '/v1/reports' },
  putReport: { method: 'PUT', path: '/v1/reports/{service}' },
  listPlatforms: { method: 'GET', path: '/v1/platforms' },
  getPlatform: { method: 'GET', path: '/v1/platforms/{name}' },
  getPlan: { method: 'GET', path: '/v1/platforms/{name}/plan' },
  beginRun: { method: 'POST', path: '/v1/platforms/{name}/runs' },
  listRuns: { method: 'GET', path: '/v1/runs' },
  getRun: { method: 'GET', path: '/v1/runs/{id}' },
  approveRun: { method: 'POST', path: '/v1/runs/{id}/approve' },
  answerRun: { method: 'POST', path: '/v1/runs/{id}/answer' },
  abortRun: { method: 'POST', path: '/v1/runs/{id}/abort' },
  undoRun: { method: 'POST', path: '/v1/runs/{id}/undo' },
  forceRun: { method: 'POST', path: '/v1/runs/{id}/force' },
  settleDatabase: { method: 'POST', path: '/v1/platforms/{name}/databases/{database}/settle' },
  unsettleDatabase: { method: 'POST', path: '/v1/platforms/{name}/databases/{database}/unsettle' },
  listObjectives: { method: 'GET', path: '/v1/objectives' },
  verifyPlatform: { method: 'GET', path: '/v1/platforms/{name}/verify' },
  simulate: { method: 'POST', path: '/v1/simulate' },
  matrix: { method: 'GET', path: '/v1/matrix' },
  listDecisions: { method: 'GET', path: '/v1/decisions' },
  getDecision: { method: 'GET', path: '/v1/decisions/{v}' },
  listIncidents: { method: 'GET', path: '/v1/incidents' },
  getIncident: { method: 'GET', path: '/v1/incidents/{id}' },
  getHealthDetail: { method: 'GET', path: '/api/health/detail' },
  getAudit: { method: 'GET', path: '/v1/audit' },
  getEvents: { method: 'GET', path: '/v1/events' },
  openApi: { method: 'GET', path: '/openapi.json' },
} as const satisfies Record<OperationId, { method: string; path: string }>;
