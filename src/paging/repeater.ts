// Says again what is open to receivers that forget what is not said again, and what ended for a while longer. Whoever coordinates does, and everybody when
// nobody can: the same alert twice is one alert. A turn that fails is made up for by the next. Nothing is marked: what was told is the outbox's subject.
import { errorText } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Page } from '../model.ts';
import { type Ports, type Timer, withDeadline } from '../ports.ts';
import type { Channel, Notice } from './channel.ts';
import type { Thread } from './incidents.ts';

const TELL_MS = 15_000;

export interface RepeaterOptions {
  ports: Pick<Ports, 'timers'>;
  channels: readonly Channel[];
  log: Log;
  noticeOf: (page: Page) => Notice;
  /** What is open and what has ended, as far as this replica is to say it. */
  threads: () => ReadonlyMap<string, Thread>;
  /** Cluster time. */
  nowMs: () => number;
}

export interface Repeater {
  close(): Promise<void>;
}

export const createRepeater = ({ ports, channels, log, noticeOf, threads, nowMs }: RepeaterOptions): Repeater => {
  const stopping = new AbortController();
  const timers = new Map<string, Timer>();
  const underWay = new Set<Promise<void>>();

  const turn = async (name: string, { resolvedForMs, tell }: NonNullable<Channel['repeat']>): Promise<void> => {
    const all = [...threads().values()];
    const firing = all.flatMap(({ firing: page }) => (page?.delivered.includes(name) ? [noticeOf(page)] : []));
    const resolved = all.flatMap(({ ended: page }) =>
      page?.delivered.includes(name) && nowMs() - Math.max(page.atMs, page.notBeforeMs ?? 0) < resolvedForMs ? [noticeOf(page)] : [],
    );
    if (firing.length + resolved.length === 0) return;
    await withDeadline(ports.timers, TELL_MS, `channel ${name}`, (signal) => tell(firing, resolved, signal), stopping.signal);
  };

  const arm = (name: string, repeat: NonNullable<Channel['repeat']>): void => {
    if (stopping.signal.aborted) return;
    timers.set(
      name,
      ports.timers.after(repeat.everyMs, () => {
        const run = turn(name, repeat)
          .catch((error: unknown) => {
            if (!stopping.signal.aborted) log.warn('page.unrepeated', { channel: name, because: errorText(error) });
          })
          .finally(() => {
            underWay.delete(run);
            arm(name, repeat);
          });
        underWay.add(run);
      }),
    );
  };

  for (const { name, repeat } of channels) if (repeat !== undefined) arm(name, repeat);
  return {
    async close() {
      stopping.abort(new Error('this process is stopping'));
      for (const timer of timers.values()) timer.cancel();
      await Promise.all(underWay);
    },
  };
};
