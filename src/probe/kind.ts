// What a kind of probe is: one bounded look at one endpoint. A kind answers with an outcome for anything the world does, and rejects only when it is
// itself wrong. It keeps nothing between looks: no connection, no TLS session, no cookie, so that every look meets the whole path a new user meets.
import type { SecureContext } from 'node:tls';
import type { Outcome, ProbeSpec } from '../model.ts';
import type { Ports } from '../ports.ts';

export interface Resolved {
  /** IP literals, in the order to try them. Empty: none is known and none ever was, which is our trouble and not the target's. */
  addresses: readonly string[];
  /** Why these are the last good addresses, or none; null when they are the current answer. */
  stale: string | null;
}

export interface ProbeContext {
  ports: Pick<Ports, 'clock' | 'timers' | 'net'>;
  /** Addresses of a host name. A rejection counts as no address. */
  resolve(host: string): Promise<Resolved>;
  /** Limit of the whole look: names, connecting, TLS, head and body together. */
  timeoutMs: number;
  /** Limit of connecting, over all addresses tried. */
  connectTimeoutMs: number;
  userAgent: string;
  /** The authorities to trust: the system's, or those of a PEM file. One context per file, shared by all looks. Throws when the file cannot be used. */
  tlsContext(caFile?: string): SecureContext;
}

export interface ProbeKind<S extends ProbeSpec = ProbeSpec> {
  readonly kind: S['kind'];
  /**
   * One look, ended within `context.timeoutMs` or when `signal` aborts. Whatever it opened is closed when it answers, and nobody listens to the signal any
   * more, which a later look may be given.
   */
  probe(spec: S, context: ProbeContext, signal: AbortSignal): Promise<Outcome>;
}

/** How probes name themselves, so that an operator who reads an access log knows who asks and from where. */
export const userAgentOf = (version: string, region: string): string => `tidegate-probe/${version} (+region=${region})`;
