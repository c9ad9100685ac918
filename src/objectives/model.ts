// What one replica measured of the systems around, and what becomes of all of it: the words of src/objectives. Types, and the numbers that belong to them.
import type { ByRegion, ObjectiveKind, ObjectiveQuery, ObjectiveRole } from '../runbook/platform.ts';

/** An objective as a platform has it: the shipped one with what the platform says differently. */
export interface Objective {
  name: string;
  kind: ObjectiveKind;
  says: string;
  maxMs: number;
  quantile: number;
  role: ObjectiveRole;
  remedies: readonly string[];
  /** Of `promql`. null: nobody measures it here. */
  system: string | ByRegion<string> | null;
  query: ObjectiveQuery | null;
  maxAgeMs: number;
}

/** One thing that is measured from a region. */
export interface Dependency {
  objective: string;
  kind: ObjectiveKind;
  /** What of: an entry of the platform's namespaces or databases; of a query the objective itself. */
  of: string;
  /** The region that it is in. */
  to: string;
  /** Entry of `systems`. */
  system: string;
}

/** One look. `ms` null: it got no answer. */
export interface Sample {
  /** Monotonic. */
  atMs: number;
  ms: number | null;
}

/** What a replica measured of one dependency. */
export interface MeasuredCell extends Pick<Dependency, 'objective' | 'of' | 'to'> {
  platform: string;
  /** The quantile, or what the query said. null: nothing was measured, or so much got no answer that the quantile is among it. */
  ms: number | null;
  samples: number;
  /** Of them without an answer. */
  lost: number;
  /** Since the newest of the samples, or, without any, since the last look; when it was written. */
  agoMs: number;
  /** Of the last looks alone, as many as say something, `agoMs` of the first of them; null: there are fewer. By these a recovery is judged. */
  lately: { ms: number | null; samples: number; lost: number; agoMs: number } | null;
  /** What kept the last look from being one; empty: nothing. */
  because: string;
}

/** `measured/<region>/<replica>`: its own and nobody else's. */
export interface Measured {
  boot: string;
  /** Cluster time. */
  atMs: number;
  cells: readonly MeasuredCell[];
  nonce: string;
}

/** With whose it is. */
export interface MeasuredBy {
  region: string;
  replica: string;
  record: Measured;
}

export const VERDICTS = ['good', 'breach', 'unknown'] as const;
export type Verdict = (typeof VERDICTS)[number];

/** One field of region by dependency. */
export interface MatrixCell {
  from: string;
  to: string;
  objective: string;
  of: string;
  role: ObjectiveRole;
  verdict: Verdict;
  /** Of the replica that counts: the worst of those that have measured lately. */
  ms: number | null;
  maxMs: number;
  samples: number;
  lost: number;
  /** null: nobody has. */
  ageMs: number | null;
  because: string;
  /** Beside a breach between two regions. */
  remedies: readonly string[];
}

export interface PlatformMatrix {
  platform: string;
  /** What the platform is held to, measured or not. */
  objectives: readonly (Pick<Objective, 'name' | 'kind' | 'says' | 'maxMs' | 'role'> & { measured: boolean })[];
  cells: readonly MatrixCell[];
}

/** So many looks are kept. */
export const WINDOW = 20;
/** Fewer say nothing. */
export const SAMPLES_MIN = 3;
/** Of a query. */
export const QUERIES_MIN = 1;
/** Older looks are as good as none. */
export const WINDOW_MS = 5 * 60_000;
/** What was measured longer ago is unknown. */
export const MATRIX_AGE_MS = 60_000;
