// The contract of a paging channel: one place that pages go to. An adapter says whether it was accepted, and if not, whether and when to try again;
// the outbox owns retries, deadlines and memory. The same page may come twice with the same id: receivers tell repeats by it.
import type { Resolver } from '../dns/resolver.ts';
import type { Log } from '../log.ts';
import type { Page } from '../model.ts';
import type { Ports } from '../ports.ts';

export type Delivery =
  /** `receipt`: what the receiver answered, in a word; logged, so never a secret. */
  | { sent: true; receipt: string }
  /** `afterMs`: what the receiver asked for. `because` never holds a secret, nor the receiver's own words. */
  | { sent: false; retry: boolean; afterMs?: number; because: string };

export interface Channel {
  /** Unique in a replica; pages are marked with it. */
  readonly name: string;
  /** One try. May throw: that is a failure to be tried again. */
  deliver(page: Page, signal: AbortSignal): Promise<Delivery>;
}

export interface ChannelContext {
  ports: Ports;
  log: Log;
  /** Reads a secret's file. */
  secret: (path: string) => string;
  resolve: Resolver['resolve'];
}
