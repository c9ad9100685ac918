// What the providers serve of services that are decided and not written (observe, advise): read at a slow pace while this replica coordinates, and kept as a
// short history in the store, so that a report can lay what would have been done beside what really happened. Reads only; never writes to a provider.
import type { Provider, ReadBack } from '../../providers/provider.ts';
import type { Term } from '../coordinate/coordinator.ts';
import { observedKey } from '../coordinate/keys.ts';
import type { Sight } from '../coordinate/read.ts';
import { errorText } from '../errors.ts';
import type { Log } from '../log.ts';
import { type Observed, type ObservedChange, pathsOf, type Route, type ServiceConfig } from '../model.ts';
import { type Ports, sleep, withDeadline } from '../ports.ts';
import type { KeyValue, Op, Store } from '../store/store.ts';
import { desiredOf } from './plan.ts';
import { PROVIDER_TIMEOUT_MS } from './round.ts';

export interface ObserverOptions {
  ports: Ports;
  log: Log;
  store: Store;
  providers: ReadonlyMap<string, Provider>;
  sight: () => Sight | null;
  term: () => Term | null;
  onChange: (provider: string, service: string, shares: Route | null) => void;
}

export interface Observer {
  stop(): Promise<void>;
}

/** The pace of routine reads: one call per provider. */
const LOOK_MS = 30_000;
/** Changes kept per service. */
export const OBSERVED_KEPT = 50;
/** A record says at least so often that it is being looked at. */
const TOUCH_MS = 600_000;
/** One call that fails is no news. */
const FAILURES_MIN = 2;

/** Only names and answers matter for reading. */
const askFor = (service: ServiceConfig) =>
  desiredOf(service, { fence: 0, sinceAtMs: 0, mode: service.mode, route: {}, because: '', pools: {} });

const lookOf = (back: ReadBack | undefined): Look =>
  back?.unread === undefined ? { shares: back?.shares ?? null } : { shares: null, because: `no answer: ${back.unread}` };

const sameShares = (a: Route | null, b: Route | null): boolean => {
  if (a === null || b === null) return a === b;
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].every((pool) => (a[pool] ?? 0) === (b[pool] ?? 0));
};

/** What one look showed: shares, or why there are none. */
type Look = Pick<ObservedChange, 'shares' | 'because'>;

/** The record after a look; null: there is nothing worth writing. `lookedAtMs`: the look before, as far as this process made it. Pure. */
export const afterLook = (known: Observed | null, look: Look, lookedAtMs: number | null, nowMs: number): Observed | null => {
  if (known === null) return { sinceAtMs: nowMs, lookedAtMs: nowMs, changes: [{ atMs: nowMs, afterAtMs: null, ...look }] };
  const last = known.changes.at(-1);
  const isSame =
    last !== undefined && sameShares(last.shares, look.shares) && (last.because === undefined) === (look.because === undefined);
  if (isSame) return nowMs - known.lookedAtMs >= TOUCH_MS ? { ...known, lookedAtMs: nowMs } : null;
  const change: ObservedChange = { atMs: nowMs, afterAtMs: lookedAtMs ?? known.lookedAtMs, ...look };
  return { ...known, lookedAtMs: nowMs, changes: [...known.changes, change].slice(-OBSERVED_KEPT) };
};

interface Kept {
  value: Observed;
  mod: number;
}

export const createObserver = ({ ports, log, store, providers, sight, term, onChange }: ObserverOptions): Observer => {
  const stopped = new AbortController();
  /** The records as this term knows them; null: they have to be read. */
  let book: Map<string, Kept> | null = null;
  let bookOf = 0;
  const lookedAtMs = new Map<string, number>();
  const failures = new Map<string, number>();

  const load = async (epoch: number): Promise<Map<string, Kept>> => {
    if (book !== null && bookOf === epoch) return book;
    const { kvs } = await store.get({ prefixes: ['observed/'] }, stopped.signal);
    if (bookOf !== epoch) lookedAtMs.clear();
    book = new Map(kvs.map(({ key, value, mod }: KeyValue) => [key, { value: value as Observed, mod }]));
    bookOf = epoch;
    return book;
  };

  const read = async (name: string, provider: Provider, services: readonly ServiceConfig[]): Promise<ReadonlyMap<string, Look> | null> => {
    try {
      const back = await withDeadline(
        ports.timers,
        PROVIDER_TIMEOUT_MS,
        `read from ${name}`,
        (signal) => provider.read(services.map(askFor), signal),
        stopped.signal,
      );
      failures.delete(name);
      return new Map(services.map((s) => [s.name, lookOf(back.get(s.name))]));
    } catch (error) {
      const count = (failures.get(name) ?? 0) + 1;
      failures.set(name, count);
      if (count < FAILURES_MIN) return null;
      const because = `no answer: ${errorText(error)}`;
      if (count === FAILURES_MIN) log.warn('observed.failing', { provider: name, because });
      return new Map(services.map((s) => [s.name, { shares: null, because }]));
    }
  };

  const look = async (name: string, provider: Provider, services: readonly ServiceConfig[], right: Term): Promise<void> => {
    const known = await load(right.epoch);
    const looks = await read(name, provider, services);
    if (looks === null) return;
    const nowMs = right.nowMs();
    const news = [...looks].flatMap(([service, seen]) => {
      const key = observedKey(name, service);
      const before = known.get(key) ?? null;
      const next = afterLook(before?.value ?? null, seen, lookedAtMs.get(key) ?? null, nowMs);
      lookedAtMs.set(key, nowMs);
      return next === null
        ? []
        : [{ key, service, next, mod: before?.mod ?? 0, isChange: next.changes !== before?.value.changes, shares: seen.shares }];
    });
    if (news.length === 0) return;
    const ops = news.map(({ key, next }): Op => ({ put: key, value: next }));
    // Read anew next time, with the revisions that this gave; or refused, and somebody else knows better.
    book = null;
    if (
      !(await right.commit(
        news.map(({ key, mod }) => ({ key, mod })),
        ops,
      ))
    )
      return;
    for (const { service, shares, isChange } of news) if (isChange) onChange(name, service, shares);
  };

  const round = async (): Promise<void> => {
    const right = term();
    const cluster = sight()?.cluster ?? null;
    if (right === null || cluster === null) {
      book = null;
      return;
    }
    for (const [name, provider] of providers) {
      const services = cluster.services.filter((s) => s.mode !== 'auto' && pathsOf(s).includes(name));
      if (services.length > 0 && !stopped.signal.aborted) await look(name, provider, services, right);
    }
  };

  const loop = (async () => {
    while (!stopped.signal.aborted) {
      await sleep(ports.timers, LOOK_MS, stopped.signal).catch(() => undefined);
      if (stopped.signal.aborted) return;
      await round().catch((error: unknown) => {
        book = null;
        if (!stopped.signal.aborted) log.warn('observed.look', { because: errorText(error) });
      });
    }
  })();

  return {
    async stop() {
      stopped.abort(new Error('stopping'));
      await loop;
    },
  };
};
