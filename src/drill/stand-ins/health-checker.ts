// A stand-in for the health checkers of the vendors, which poll gates: Route 53 with inverted checks of other regions and a calculated one above them, or a
// checker that polls the pool's own address. It knows their rules (polls in a row, how many must agree, everybody drained is nobody drained) and serves users
// by fixed weights, as records that nobody writes during a failover do. It asks over real HTTP, or whatever it is given. A stand-in: what a vendor's own
// checkers do beside this (several places that vote, what they take for an answer) is in providers/gate/README.md.
import type { Http } from '../../http.ts';
import { type Ports, type Timer, withDeadline } from '../../ports.ts';
import type { StandInServed } from './stand-in.ts';

export interface CheckedPool {
  pool: string;
  /** What its users are sent to. */
  address: string;
  /** Of its record. */
  weight: number;
  /** `survivor`: the gates of other regions, for this pool. `origin`: the pool's own. */
  gates: readonly string[];
}

export interface HealthCheckerOptions {
  ports: Pick<Ports, 'timers' | 'random'>;
  /** Status of a reply; rejects when there is none. */
  ask: (url: string, signal: AbortSignal) => Promise<number>;
  form: 'survivor' | 'origin';
  /** The name of the service. */
  name: string;
  pools: readonly CheckedPool[];
  intervalMs: number;
  /** Of one poll. */
  timeoutMs: number;
  /** Polls in a row until it believes what it sees, both ways. */
  failures: number;
  /** Survivor gates that must say the same. */
  agree: number;
  /** Every change of what users are served, and what they are served at the start. */
  onServed?: (served: StandInServed) => void;
  /** Every change of which pools are drained. */
  onDrained?: (drained: readonly string[]) => void;
}

export interface HealthChecker {
  /** Names, in configured order. */
  drained(): readonly string[];
  served(): StandInServed;
  close(): void;
}

/** Over real HTTP: no redirect is followed and no body looked at. */
export const askOver =
  (http: Pick<Http, 'fetch'>): HealthCheckerOptions['ask'] =>
  async (url, signal) => {
    const reply = await http.fetch(url, { signal });
    await reply.body?.cancel();
    return reply.status;
  };

interface Check {
  pool: string;
  url: string;
  /** It believes that the pool is to be drained. */
  drains: boolean;
  /** Polls in a row that said otherwise. */
  against: number;
}

export const startHealthChecker = (options: HealthCheckerOptions): HealthChecker => {
  const { ports, form, pools, intervalMs, timeoutMs, failures } = options;
  const checks = pools.flatMap(({ pool, gates }) => gates.map((url): Check => ({ pool, url, drains: false, against: 0 })));
  const timers = new Map<Check, Timer>();
  const stopped = new AbortController();
  const needs = form === 'origin' ? 1 : options.agree;

  const drained = (): readonly string[] =>
    pools.map(({ pool }) => pool).filter((pool) => checks.filter((c) => c.pool === pool && c.drains).length >= needs);

  const served = (): StandInServed => {
    const out = new Set(drained());
    const isAnybodyIn = pools.some(({ pool, weight }) => weight > 0 && !out.has(pool));
    // When nobody is well, everybody counts as well: the vendors fail open.
    return {
      name: options.name,
      weights: Object.fromEntries(pools.map((p) => [p.address, isAnybodyIn && out.has(p.pool) ? 0 : p.weight])),
    };
  };

  /** Whether this answer asks for a drain. No answer is a reason to drain only where the pool itself was asked. */
  const saysDrain = (status: number | null): boolean => (form === 'survivor' ? status === 200 : status !== 200);

  const heard = (check: Check, status: number | null): void => {
    check.against = saysDrain(status) === check.drains ? 0 : check.against + 1;
    if (check.against < failures) return;
    const before = drained();
    check.drains = !check.drains;
    check.against = 0;
    if (before.join() === drained().join()) return;
    options.onDrained?.(drained());
    options.onServed?.(served());
  };

  const poll = (check: Check): void => {
    timers.set(
      check,
      ports.timers.after(intervalMs, () => poll(check)),
    );
    withDeadline(ports.timers, timeoutMs, 'a poll', (signal) => options.ask(check.url, signal), stopped.signal).then(
      (status) => heard(check, status),
      () => {
        if (!stopped.signal.aborted) heard(check, null);
      },
    );
  };

  options.onServed?.(served());
  for (const check of checks)
    timers.set(
      check,
      ports.timers.after(ports.random.unit() * intervalMs, () => poll(check)),
    );
  return {
    drained,
    served,
    close() {
      stopped.abort(new Error('the checker ends'));
      for (const timer of timers.values()) timer.cancel();
    },
  };
};
