// What every part of a running replica is given.
import type { ReplicaConfig } from '../config/schema.ts';
import type { Metrics } from '../metrics.ts';
import type { Ends, Looking, ServeContext } from '../open.ts';
import type { MeasuredStore } from '../store/measured.ts';
import type { Seen } from './seen.ts';

export interface Part {
  context: ServeContext;
  /** As it was at the start; what a reload changes is asked of `configuration`. */
  config: ReplicaConfig;
  boot: string;
  metrics: Metrics;
  looking: Looking;
  store: MeasuredStore;
  seen: Seen;
  /** Whatever a part opens, it says here how it ends. */
  ends: Ends;
}
