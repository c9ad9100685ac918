// The members of the cluster as this instance finds them: one connection to each, made anew when it ends, and who of them is believed good. Own region's
// first. A member that failed or kept us waiting is set aside for a growing, bounded time and comes back when a read through it succeeds.
// Decides nothing about what is asked; `identify` is that read, and no other request uses a connection before it.
import { errorText } from '../../errors.ts';
import type { Link } from '../../grpc-link.ts';
import type { Log } from '../../log.ts';
import { type Ports, sleep, withDeadline } from '../../ports.ts';

/** Set aside for this long at first, doubling. */
const ASIDE_FIRST_MS = 200;
const ASIDE_LAST_MS = 5000;
/** A member that speaks, if only to say that it has no leader or to end the connection, is asked again this soon at the latest. */
const ASIDE_SPEAKING_MS = 500;
/** Good for this long: earlier failures are forgotten. */
const FORGET_MS = 30_000;
/** A connection that nobody used for this long is tried, so that a dead one is found before it is needed. */
const IDLE_MS = 10_000;

export interface Member {
  readonly name: string;
  /** Own region's is 0. */
  readonly order: number;
  /** A connection that may be used; null while the member is aside. */
  link(): Link | null;
  /** It answered. */
  praise(): void;
  /** It failed, or kept us waiting. */
  blame(because: string): void;
}

/** Members that do not count. */
export type Excluded = Pick<ReadonlySet<Member>, 'has'>;

export interface Roster {
  /** The first good member that is not in `except`; null when there is none now. */
  good(except?: Excluded): Member | null;
  /** Waits for a good member. Rejects with the signal's reason. */
  anyGood(signal: AbortSignal, except?: Excluded): Promise<Member>;
  /** Why none is good, by member. */
  complaints(): string;
  /** Called at each change of who is good. */
  onChange(listener: () => void): () => void;
  close(): void;
}

export interface RosterOptions {
  ports: Pick<Ports, 'clock' | 'timers' | 'random'>;
  log: Log | undefined;
  endpoints: readonly { name: string; open(signal: AbortSignal): Promise<Link> }[];
  /** Reads through this connection; whoever answers is good. */
  identify(link: Link, signal: AbortSignal): Promise<void>;
  timeoutMs: number;
}

export const createRoster = ({ ports, log, endpoints, identify, timeoutMs }: RosterOptions): Roster => {
  const { clock, timers, random } = ports;
  const closed = new AbortController();
  const listeners = new Set<() => void>();
  const changed = (): void => {
    for (const listener of [...listeners]) listener();
  };

  const members = endpoints.map(({ name, open }, order) => {
    let link: Link | null = null;
    let good = false;
    let because = 'not connected yet';
    let failures = 0;
    let usedAtMs = 0;
    let trouble: (() => void) | null = null;

    const member: Member & { good(): boolean; because(): string } = {
      name,
      order,
      link: () => (good ? link : null),
      good: () => good && link !== null && !link.lost.aborted,
      because: () => because,
      praise: () => {
        usedAtMs = clock.monoMs();
      },
      blame: (why) => {
        if (!good) return;
        setGood(false, why);
        trouble?.();
      },
    };

    /** A link that comes too late is not kept. */
    const opened = async (signal: AbortSignal): Promise<Link> => {
      const made = await open(signal);
      if (signal.aborted) made.close();
      signal.throwIfAborted();
      return made;
    };

    /** Connects when needed and reads; throws what stands in the way. */
    const attempt = (): Promise<void> =>
      withDeadline(
        timers,
        timeoutMs,
        'a first read',
        async (signal) => {
          link ??= await opened(signal);
          await identify(link, signal);
        },
        closed.signal,
      );

    /** Until the connection ends, somebody complains or nobody has used it for a while. */
    const untilDoubted = (sound: Link): Promise<void> =>
      new Promise((resolve) => {
        const done = (): void => {
          timer.cancel();
          sound.lost.removeEventListener('abort', done);
          trouble = null;
          resolve();
        };
        let timer = timers.after(IDLE_MS, idle);
        function idle(): void {
          const leftMs = usedAtMs + IDLE_MS - clock.monoMs();
          if (leftMs <= 0) done();
          else timer = timers.after(leftMs, idle);
        }
        trouble = done;
        if (sound.lost.aborted) done();
        else sound.lost.addEventListener('abort', done, { once: true });
      });

    const setGood = (next: boolean, why: string): void => {
      if (good && !next && !closed.signal.aborted) log?.warn('etcd.member.aside', { member: name, because: why });
      if (!good && next) log?.info('etcd.member.good', { member: name });
      if (!next) because = why;
      const isChange = good !== next;
      good = next;
      if (isChange) changed();
    };

    /** Good for as long as it lasts; ends when there is a reason to set it aside, which is in `because`. */
    const serve = async (): Promise<void> => {
      for (;;) {
        await attempt();
        usedAtMs = clock.monoMs();
        setGood(true, '');
        const sound = link!;
        await untilDoubted(sound);
        if (sound.lost.aborted) {
          link = null;
          setGood(false, 'the connection was lost');
        }
        // Only idle: read through it once more.
        if (!good) return;
      }
    };

    const turn = async (): Promise<void> => {
      const sinceMs = clock.monoMs();
      let speaks = false;
      try {
        await serve();
        speaks = link === null;
      } catch (error) {
        link?.close();
        link = null;
        setGood(false, errorText(error));
        speaks = because.includes('etcdserver:');
      }
      failures = clock.monoMs() - sinceMs >= FORGET_MS ? 1 : failures + 1;
      const asideMs = Math.min(ASIDE_FIRST_MS * 2 ** Math.min(failures - 1, 10), speaks ? ASIDE_SPEAKING_MS : ASIDE_LAST_MS);
      await sleep(timers, asideMs * (0.75 + random.unit() / 2), closed.signal).catch(() => undefined);
    };

    void (async () => {
      while (!closed.signal.aborted) await turn();
      (link as Link | null)?.close();
    })();
    closed.signal.addEventListener('abort', () => trouble?.(), { once: true });
    return member;
  });

  const good = (except?: Excluded): Member | null => members.find((m) => m.good() && !except?.has(m)) ?? null;

  return {
    good,
    anyGood: (signal, except) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const found = good(except);
          if (found === null && !signal.aborted) return;
          listeners.delete(look);
          signal.removeEventListener('abort', look);
          if (signal.aborted) reject(signal.reason);
          else if (found !== null) resolve(found);
        };
        listeners.add(look);
        signal.addEventListener('abort', look, { once: true });
        look();
      }),
    complaints: () =>
      members
        .filter((m) => !m.good())
        .map((m) => `${m.name}: ${m.because()}`)
        .join('; '),
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close: () => closed.abort(new Error('the store is closed')),
  };
};
