// What humans do to runs: each act is one compare-and-write of the run's record together with its entry in the journal and what is told of it.

import type { Principal } from '../api/access.ts';
import type { How } from '../audit/journal.ts';
import type { ClusterConfig } from '../model.ts';
import type { Ports } from '../ports.ts';
import type { Store } from '../store/store.ts';
import type { PlatformConfig, PlatformRecord, Purpose, Run, RunMode, Step } from './model.ts';
import type { Choice } from './run.ts';

/** Who acts: as the API knows them. `services`: those of the platform have to be among them; null: all. */
export interface Person extends Pick<Principal, 'name' | 'services' | 'once'> {
  how: How;
}

export interface BeginOrder {
  platform: string;
  purpose: Exclude<Purpose, 'prearm'>;
  mode: RunMode;
  /** Region to be activated. */
  to: string;
  /** Region to be left; absent: where the platform is active. */
  from?: string;
  reason: string;
  ticket?: string;
  /** Goes on ungracefully by itself when it has not ended by then. */
  forceAfterMs?: number;
  /** Of the caller's choice, so that a repeat begins nothing twice: 1 to 48 of A-Z a-z 0-9 _ -. Absent: made here. */
  id?: string;
  /** Plans and judges, and writes nothing. */
  dryRun?: boolean;
}

export interface Act {
  person: Person;
  reason: string;
}

/**
 * Each answers with the run as it is then. Throw ERR_NOT_FOUND (run, step, platform), ERR_CONFLICT (what stands does not allow it, with what stands),
 * ERR_APPROVAL (the same person twice, too late), ERR_FORBIDDEN (services that are not theirs, a credential that was used), ERR_STORE_UNREACHABLE,
 * ERR_UNDECIDED, ERR_STALE.
 */
export interface RunWriter {
  /** It runs, or is `proposed` until as many as the platform wants have agreed: whoever orders counts as one. */
  begin(order: BeginOrder, person: Person): Promise<Run>;
  /** `step` null: that it begins. */
  approve(run: string, step: string | null, person: Person): Promise<Run>;
  answer(run: string, step: string, choice: Choice, person: Person): Promise<Run>;
  /** Nothing new begins, what is under way ends. A proposed one is dropped. */
  abort(run: string, act: Act): Promise<Run>;
  /** Takes back what can be, in reverse order; of a run under way, or of one that failed or was aborted and nothing has followed. */
  undo(run: string, act: Act): Promise<Run>;
  /** Graceful no longer: what is done stays done. */
  force(run: string, act: Act): Promise<Run>;
}

/** All steps of both modes, with their estimates. */
export type PlanOf = (
  platform: PlatformConfig,
  move: { from: string; to: string; purpose: Purpose },
  history: PlatformRecord['history'],
) => readonly Step[];

export interface RunWriterOptions {
  store: Store;
  ports: Pick<Ports, 'clock' | 'timers' | 'random'>;
  /** Of this replica: pages that it commits are its own. */
  region: string;
  replica: string;
  cluster: () => ClusterConfig | null;
  clusterNowMs: () => number;
  planOf: PlanOf;
}

export declare const createRunWriter: (options: RunWriterOptions) => RunWriter;
