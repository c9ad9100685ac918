// A process of the service in a simulated cluster, with all that it consists of there.
import type { Gate } from '../../src/gate/gate.ts';
import type { AnchorWatch } from '../../src/probe/selfcheck.ts';
import type { Replica } from '../../src/replica.ts';
import type { Store } from '../../src/store/store.ts';
import type { Client } from './client.ts';

export interface Place extends Client {
  replica: Replica;
  store: Store;
  /** Whether it reaches the provider and the sinks of pages. */
  egress: boolean;
  gate: Gate | null;
  anchors: AnchorWatch | null;
  /** What is to be stopped with it. */
  ends: (() => Promise<unknown>)[];
}
