// The systems around that a replica's file names: each is opened at its first use and kept, and every call to one goes through its breaker and under a
// deadline. A call is a method that is given a signal as its last argument, of the client or of a plain object in it; it rejects for trouble, and with a status
// as `code` where the system answered; or it resolves with what breaker.ts calls a Silence.
import { errorText, Fault } from '../errors.ts';
import { quoted } from '../exchange.ts';
import { DeadlineError, type Timers, withDeadline } from '../ports.ts';
import { type Breaker, type BreakerStanding, createBreaker } from './breaker.ts';
import type { System, SystemContext } from './kind.ts';
import { type SystemConfig, type SystemKind, systems } from './systems.ts';

/** Of one call. A client that ignores its signal is left behind. */
const CALL_MS = 10_000;
/** Of why one could not be opened, which names a file. */
const REFUSED_CHARS_MAX = 300;
/** For a client to say in its own words that its signal has ended the call. */
const LAST_WORD_MS = 250;
/** Of closing one: a client that never ends must not keep the process. */
const CLOSE_MS = 2_000;

export interface SystemStanding extends BreakerStanding {
  name: string;
  kind: SystemKind;
  /** It has been used. */
  isOpen: boolean;
  /** It cannot be used: it could not be opened when that was last tried, or it was left alone and has not answered since. */
  isFailing: boolean;
}

export interface Systems {
  /** Throws Fault ERR_SYSTEM for an entry that is missing, of another kind, or refused; ERR_STOPPING once they are closed. */
  system<S extends System>(name: string, kind: S['kind']): Promise<S>;
  standing(): readonly SystemStanding[];
  close(): Promise<void>;
}

interface Kept {
  config: SystemConfig;
  breaker: Breaker;
  opening: Promise<System> | null;
  /** Why it could not be opened; null: it could, or nobody has tried. */
  refused: string | null;
}

/** Opens nothing yet. */
export const openSystems = (entries: Readonly<Record<string, SystemConfig>>, context: SystemContext): Systems => {
  const { clock, timers } = context.ports;
  const kept = new Map<string, Kept>(
    Object.entries(entries).map(([name, config]) => [name, { config, breaker: createBreaker(name, clock), opening: null, refused: null }]),
  );
  let isClosed = false;
  const opened = async (name: string, entry: Kept): Promise<System> => {
    try {
      const system = await openOne(entry.config, context);
      entry.refused = null;
      return guarded(system, (work, signal) => entry.breaker.run(() => leaving(timers, `system ${name}`, work, signal), signal));
    } catch (error) {
      // What was wrong may be mended: the next use tries again.
      entry.opening = null;
      entry.refused = quoted(errorText(error), REFUSED_CHARS_MAX);
      throw error instanceof Fault ? new Fault(error.code, `system ${name}: ${error.message}`, { cause: error }) : error;
    }
  };
  return {
    async system<S extends System>(name: string, kind: S['kind']): Promise<S> {
      if (isClosed) throw new Fault('ERR_STOPPING', `system ${name} is closed: this process is stopping`);
      const entry = kept.get(name);
      if (entry === undefined)
        throw new Fault('ERR_SYSTEM', `no system "${name}" is named under systems in this replica's file, expected one of kind ${kind}`);
      if (entry.config.kind !== kind) throw new Fault('ERR_SYSTEM', `system ${name} is of kind ${entry.config.kind}, expected ${kind}`);
      entry.opening ??= opened(name, entry);
      return (await entry.opening) as S;
    },
    standing: () =>
      [...kept].map(([name, { config, breaker, opening, refused }]) => {
        const at = breaker.standing();
        return {
          name,
          kind: config.kind,
          isOpen: opening !== null,
          isFailing: refused !== null || at.state !== 'closed',
          ...at,
          ...(refused === null ? {} : { because: `${name} cannot be opened: ${refused}` }),
        };
      }),
    async close() {
      isClosed = true;
      const closing = [...kept].map(async ([name, { opening }]) => {
        if (opening === null) return;
        await withDeadline(timers, CLOSE_MS, `closing system ${name}`, async () => (await opening).close());
      });
      for (const ended of await Promise.allSettled(closing))
        if (ended.status === 'rejected') context.log.warn('system.close-failed', { error: ended.reason });
    },
  };
};

/** One kind's line of the table, with the entry that it is for. */
const openOne = async (config: SystemConfig, context: SystemContext): Promise<System> => {
  // The table's type pairs each kind with its own configuration; a lookup by a union of kinds loses that.
  const load = systems[config.kind] as () => Promise<{ open(config: SystemConfig, context: SystemContext): Promise<System> }>;
  return (await load()).open(config, context);
};

/** Runs `work` under CALL_MS and the caller's signal. When either is over so is the signal of `work`, and a moment later it is left behind. */
const leaving = <T>(timers: Timers, what: string, work: (signal: AbortSignal) => Promise<T>, given: AbortSignal): Promise<T> =>
  new Promise((resolve, reject) => {
    const over = new AbortController();
    let timer = timers.after(CALL_MS, () => end(new DeadlineError(what, CALL_MS)));
    const end = (reason: unknown): void => {
      timer.cancel();
      over.abort(reason);
      timer = timers.after(LAST_WORD_MS, () => settle(() => reject(reason)));
    };
    const onGiven = (): void => end(given.reason);
    const settle = (how: () => void): void => {
      timer.cancel();
      given.removeEventListener('abort', onGiven);
      how();
    };
    if (given.aborted) onGiven();
    else given.addEventListener('abort', onGiven, { once: true });
    work(over.signal).then(
      (value) => settle(() => resolve(value)),
      (error: unknown) => settle(() => reject(error)),
    );
  });

type Around = (work: (signal: AbortSignal) => Promise<unknown>, signal: AbortSignal) => Promise<unknown>;

/** A client may keep its calls in plain objects of its own. */
const isGroup = (member: unknown): member is object =>
  typeof member === 'object' && member !== null && Object.getPrototypeOf(member) === Object.prototype && !Object.isFrozen(member);

/** `client` with every call of it put into `around`. */
export const guarded = <T extends object>(client: T, around: Around): T =>
  new Proxy(client, {
    get(target, property) {
      const member: unknown = Reflect.get(target, property, target);
      if (isGroup(member)) return guarded(member, around);
      if (typeof member !== 'function') return member;
      return (...given: readonly unknown[]): unknown => {
        const signal = given.at(-1);
        if (!(signal instanceof AbortSignal)) return member.apply(target, given);
        return around(async (inner) => member.apply(target, [...given.slice(0, -1), inner]), signal);
      };
    },
  });
