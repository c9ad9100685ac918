// The contract of a paging channel: one place that notices go to. An adapter says whether it was accepted, and if not, whether and when to try again;
// the outbox owns retries, deadlines and memory. The same notice may come twice with the same id: receivers tell repeats by it.
// A channel decides nothing about who is told: that is routing.ts; nor what is said: that is message.ts. It fits it into what its receiver takes.
import type { Resolver } from '../dns/resolver.ts';
import type { Log } from '../log.ts';
import type { Page } from '../model.ts';
import type { Ports } from '../ports.ts';

/**
 * What a notice does to the alert of its key. `trigger`: opens it, or changes one that is open. `acknowledge`: a human has it. `resolve`: ends it. `change`: something to know that asks
 * for nobody: an order obeyed, a drill, a route that has converged; it never wakes anybody.
 */
export type Action = 'trigger' | 'acknowledge' | 'resolve' | 'change';

/** A page as people are told of it. Same page, same notice: whoever sends it, and however often. */
export interface Notice {
  page: Page;
  action: Action;
  /** What the cluster is called. */
  cluster: string;
  /** The first line, 1 to 1,000 characters: what happened, what Tidegate did, whether it worked, what it needs from the human. */
  headline: string;
  /** Below it, in order: label and value, plain text of one line each, at most 20 of at most 500 characters. */
  facts: readonly (readonly [label: string, value: string])[];
  /** Of the decision's dossier, where the API has an address that people can open. */
  link: string | null;
}

export type Delivery =
  /** `receipt`: what the receiver answered, in a word; logged, so never a secret. */
  | { sent: true; receipt: string }
  /** `afterMs`: what the receiver asked for. `because` never holds a secret, nor the receiver's own words. */
  | { sent: false; retry: true; afterMs?: number; because: string }
  /** It will never take this one. `gone`: nor any other, until a human has looked. */
  | { sent: false; retry: false; gone?: true; because: string };

export interface Channel {
  /** Unique in a replica; pages are marked with it. */
  readonly name: string;
  /** Where it goes, to look whether it can be reached: `https://host:port`, `smtp://host:port`, without path or query, which may be secrets. */
  readonly places: readonly string[];
  /** What the receiver bears. Absent: no limit is known. */
  readonly rate?: { max: number; perMs: number };
  /** One try. May throw: that is a failure to be tried again. */
  deliver(notice: Notice, signal: AbortSignal): Promise<Delivery>;
  /**
   * For receivers that forget what is not said again. Asked every `everyMs` for as long as something is open: `firing` are the newest notices of alerts that
   * are open, `resolved` those that ended within the last `resolvedForMs`. May throw; the next turn says it again.
   */
  readonly repeat?: {
    everyMs: number;
    resolvedForMs: number;
    tell(firing: readonly Notice[], resolved: readonly Notice[], signal: AbortSignal): Promise<void>;
  };
  /** Ends connections that it keeps. */
  close?(): Promise<void>;
}

export interface ChannelContext {
  ports: Ports;
  log: Log;
  /** Reads a secret's file. Throws Fault ERR_SECRET. */
  secret: (path: string) => string;
  /** Reads a file that is no secret: the PEM of authorities. */
  text: (path: string) => string;
  resolve: Resolver['resolve'];
}
