// What API and command line ask of runs: reads, and never writes.
import type { ClusterConfig } from '../model.ts';
import type { Ports } from '../ports.ts';
import type { Store } from '../store/store.ts';
import type { Persons, PlatformConfig, PlatformRecord, Run } from './model.ts';

/** A run as it was read. `mod`: revision of its record. */
export interface Found {
  run: Run;
  mod: number;
}

/** What waits for a human. */
export interface Waiting {
  run: string;
  /** null: the run itself waits to begin. */
  step: string | null;
  /** `approval`: so many persons have to agree. `answer`: one of `choices`. */
  wants: 'approval' | 'answer';
  persons: Persons;
  by: readonly string[];
  untilMs: number | null;
  because: string;
  choices: readonly Choice[];
}

/** `retry`: the step begins anew. `skip`: it goes on without it. `stop`: the run ends as failed. */
export const CHOICES = ['retry', 'skip', 'stop'] as const;
export type Choice = (typeof CHOICES)[number];

export interface PlatformView {
  platform: PlatformConfig;
  /** Where it is active: by its record, else its first region. */
  active: string;
  /** null: no run has moved it, nobody wrote it down. */
  record: PlatformRecord | null;
  /** Its run that has not ended; `prearm` runs that stand are not among them. */
  open: Run | null;
}

export interface RunReader {
  /** Open ones first, newest first among each. Throws ERR_STORE_UNREACHABLE, as the others do. */
  runs(filter?: { platform?: string; open?: boolean }): Promise<readonly Run[]>;
  /** Throws ERR_NOT_FOUND. */
  run(id: string): Promise<Found>;
  /** In configured order. */
  platforms(cluster: ClusterConfig): Promise<readonly PlatformView[]>;
  /** Throws ERR_NOT_FOUND. */
  platform(cluster: ClusterConfig, name: string): Promise<PlatformView>;
}

export interface RunReaderOptions {
  store: Store;
  ports: Pick<Ports, 'clock' | 'timers'>;
}

export declare const createRunReader: (options: RunReaderOptions) => RunReader;

/** What a run asks of humans now, the run itself first. Pure. */
export declare const waitingOf: (run: Run) => readonly Waiting[];
