// The contract of a kind of step. A kind knows one way to read and to act; it decides nothing about order, approvals, retries or deadlines: that is run.ts,
// and executor.ts for what outlives a process. Every kind reads before it acts, and acting twice with one key, or on what is so already, does nothing more.

import type { Resolver } from '../dns/resolver.ts';
import type { Fetch } from '../http.ts';
import type { Log } from '../log.ts';
import type { Mode } from '../model.ts';
import type { Ports } from '../ports.ts';
import type { LagSample, TierState } from './facts.ts';
import type { StepKindName, StepSpecs } from './model.ts';
import type { RunMode } from './platform.ts';

/** What is so. `because` is one sentence with what was seen, and never a secret nor more than 300 characters of what others answered. */
export type Reading =
  /** As the step wants it. */
  | { is: 'reached'; because: string; facts?: Facts }
  /** Not yet: act, or wait. */
  | { is: 'pending'; because: string; facts?: Facts }
  /** It did not answer, or said nothing that can be used. Never taken for reached. */
  | { is: 'unknown'; because: string; facts?: Facts }
  /** It can't become so by itself or by acting again: an operation that failed, a gate that refuses. */
  | { is: 'never'; because: string; facts?: Facts };

export type Effect =
  /** Taken; whether it becomes so, reading tells. `more`: a part of it, and the rest is asked for by acting again, which is no other try. */
  | { took: 'accepted'; because: string; facts?: Facts; more?: true }
  /** Nobody knows whether it was taken: reading tells. */
  | { took: 'undecided'; because: string; facts?: Facts }
  /** Not taken; later it may be. */
  | { took: 'refused'; because: string; facts?: Facts }
  /** Not taken, and it never will be without a human: rights, names, what does not exist. */
  | { took: 'fatal'; because: string; facts?: Facts };

/** Kept in the run's record, over what was kept under the same names, and given back at the next call: JSON, below 16 KiB. */
export type Facts = Readonly<Record<string, unknown>>;

export interface Call {
  /**
   * The same for every try of one step of one run, and for nothing else: `<run>.<step>`. Taking it back, and what a human has begun anew after it had
   * failed, are other acts with keys and facts of their own.
   */
  key: string;
  run: { id: string; platform: string; from: string; to: string; mode: RunMode };
  /** When all that the step needs had ended, cluster time. Absent: no run asks. */
  dueAtMs?: number;
  /** What this step kept; empty at first. */
  facts: Facts;
  /** Ends the call: its deadline, or this process. A call that does not end by it is left behind. */
  signal: AbortSignal;
  context: StepContext;
}

export interface StepKind<K extends StepKindName> {
  readonly kind: K;
  /** `target`: it moves something. `gate`: it only reads, and what follows waits for it. Neither ever votes. */
  readonly signal: 'target' | 'gate';
  read(spec: StepSpecs[K], call: Call): Promise<Reading>;
  /** Absent: a gate. May throw: nobody knows whether it was taken. */
  apply?(spec: StepSpecs[K], call: Call): Promise<Effect>;
}

/** What a replica's file names under `systems`, opened: one client per entry, kept. */
export interface System {
  readonly kind: string;
  close(): Promise<void>;
}

/** What clients of systems are opened with. */
export interface SystemContext {
  ports: Ports;
  log: Log;
  /** Of a secret's file; registered, so that no log repeats it. Read anew at each call where a token may be rotated. */
  secret: (path: string) => string;
  /** Of a file that is no secret. */
  text: (path: string) => string;
  resolve: Resolver['resolve'];
  /** Names by our resolver, no redirect, no retry. `caPem`: authorities instead of the system's. */
  httpTrusting: (trust?: { caPem?: string; own?: { certPem: string; keyPem: string } }) => { fetch: Fetch; close(): Promise<void> };
}

/** Which orders of runs are meant. */
export interface RouteOrder {
  run: string;
  platform: string;
  services: readonly string[];
  region: string;
  because: string;
}

/** What runs do to routes, as orders of their own. All throw a Fault when they are refused, or nobody knows. */
export interface Routing {
  /** Drains the region in these services, by orders of the run; does nothing where they stand. */
  drain(order: RouteOrder): Promise<void>;
  /** Ends every order of runs of the platform that drains the region in these services. */
  open(order: RouteOrder): Promise<void>;
  /** Orders of runs of the platform that drain the region in these services. */
  orders(platform: string, services: readonly string[], region: string): Promise<readonly { run: string; service: string }[]>;
  /** What is decided and what users were seen to get. `mode`: only in `auto` does anybody write it. `landed` null: not measured. */
  look(
    services: readonly string[],
    region: string,
  ): Promise<readonly { service: string; share: number; mode: Mode; landed: boolean | null; because: string }[]>;
}

/** `gaps`: what does not hold, or has to be seen to hold and was not; a sentence each. `seen`: so many were seen to hold, `of` so many that there are. */
export interface Recovery {
  gaps: readonly string[];
  seen: number;
  of: number;
}

/** What is known of data tiers, beside what they answer now. All throw a Fault when the store does not answer. */
export interface TierDesk {
  /** The last known lag of that region's standby, and its age. null: it was never measured. */
  lag(platform: string, database: string, region: string): Promise<(LagSample & { ageMs: number }) | null>;
  /** What is decided by. null: nothing was ever proved. */
  state(platform: string, database: string): Promise<TierState | null>;
  /**
   * A row was written there and read back: it is the writer from now on. `seen`: as state() told it before the row was written. Throws Fault ERR_CONFLICT when
   * it is another one by now, or two regions take writes.
   */
  proved(platform: string, database: string, region: string, because: string, seen: TierState | null): Promise<void>;
  /** Whether a quorum of vantages holds the region down, and for how long it has (a duration). `sinceMs` null: it does not. */
  witness(region: string): Promise<{ sinceMs: number | null; because: string }>;
  /** What a recovery waits for in the region, by looks that are all younger than that. */
  objectives(platform: string, region: string, maxAgeMs: number): Promise<Recovery>;
}

export interface StepContext {
  ports: Ports;
  log: Log;
  /** Opened at its first use and kept. Throws Fault ERR_SYSTEM when this replica's file has no such entry, or it is of another kind. */
  system<S extends System>(name: string, kind: S['kind']): Promise<S>;
  routing: Routing;
  tiers: TierDesk;
  /** Cluster time. */
  nowMs(): number;
}

/** A kind of step, whichever it is. */
export interface AnyKind {
  readonly signal: 'target' | 'gate';
  read(spec: StepSpecs[StepKindName], call: Call): Promise<Reading>;
  apply?(spec: StepSpecs[StepKindName], call: Call): Promise<Effect>;
}

/** The kinds, each imported when a plan has one. */
export type KindOf = (name: StepKindName) => Promise<AnyKind>;
