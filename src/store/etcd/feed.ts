// A watch that never ends by itself: a stream of changes through the best member, begun anew elsewhere when it is cut, cancelled, compacted away or silent.
// Each beginning is told as `resync`, since what changed before it was not seen. Nothing is replayed: the watcher looks again, which it must do anyway.
import { errorText } from '../../errors.ts';
import type { Stream } from '../../grpc-link.ts';
import type { Log } from '../../log.ts';
import { type Ports, sleep } from '../../ports.ts';
import type { WatchEvent } from '../store.ts';
import { changesOf, rangeOf, type WatchReply, type WatchRequest } from './protocol.ts';
import type { Member, Roster } from './roster.ts';

/** The member is asked for a sign of life this often, */
const BEAT_MS = 2000;
/** and without one for this long the stream is given up. */
const SILENCE_MS = 6000;
const RETRY_FIRST_MS = 100;
const RETRY_LAST_MS = 5000;

export interface FeedOptions {
  ports: Pick<Ports, 'timers' | 'random'>;
  log: Log | undefined;
  roster: Roster;
  /** Prefix of the cluster, taken off the keys. */
  base: string;
  prefix: string;
  signal: AbortSignal;
  begin(member: Member, onReply: (reply: WatchReply) => void, onEnd: (error: Error) => void): Stream<WatchRequest>;
  /** Is what a member says of the cluster it knows, and believed? If not, it is told that something changed, and not what. */
  believes(reply: WatchReply): boolean;
  tell(event: WatchEvent): void;
}

/** Follows until `signal` aborts; never rejects. */
export const follow = async (options: FeedOptions): Promise<void> => {
  const { ports, log, roster, prefix, signal } = options;
  let waitMs = RETRY_FIRST_MS;
  while (!signal.aborted) {
    try {
      const member = await roster.anyGood(signal);
      const because = await stream(options, member, () => {
        waitMs = RETRY_FIRST_MS;
      });
      if (!signal.aborted) log?.info('etcd.watch', { prefix, member: member.name, because });
    } catch (error) {
      if (!signal.aborted) log?.warn('etcd.watch', { prefix, because: errorText(error) });
    }
    await sleep(ports.timers, waitMs * (0.5 + ports.random.unit()), signal).catch(() => undefined);
    waitMs = Math.min(2 * waitMs, RETRY_LAST_MS);
  }
};

/** Resolves with the reason of its end. */
const stream = (
  { ports, roster, base, prefix, signal, begin, believes, tell }: FeedOptions,
  member: Member,
  onBegun: () => void,
): Promise<string> =>
  new Promise((resolve) => {
    const { timers } = ports;
    const end = (because: string): void => {
      silence.cancel();
      beat.cancel();
      unlisten();
      signal.removeEventListener('abort', onAbort);
      open.close();
      resolve(because);
    };
    const onAbort = (): void => end('closed');
    const fallenSilent = (): void => {
      const because = `no sign of life for ${SILENCE_MS} ms`;
      end(because);
      // Or the next stream would begin at the same member, which nobody else has to be using.
      member.blame(because);
    };
    const listen = () => timers.after(SILENCE_MS, fallenSilent);
    const onReply = (reply: WatchReply): void => {
      silence.cancel();
      if (reply.canceled === true) {
        end(`cancelled by the member: ${reply.cancel_reason || `compacted at ${reply.compact_revision ?? '?'}`}`);
        return;
      }
      silence = listen();
      if (reply.created === true) {
        onBegun();
        tell({ kind: 'resync' });
      }
      const isBelieved = believes(reply);
      for (const { value, ...change } of changesOf(base, reply)) tell({ kind: 'changed', ...change, ...(isBelieved ? { value } : {}) });
    };
    const open = begin(member, onReply, (error) => end(errorText(error)));
    let silence = listen();
    let beat = timers.after(BEAT_MS, ask);
    function ask(): void {
      open.send({ progress_request: {} });
      beat = timers.after(BEAT_MS, ask);
    }
    // A better member is back, or this one is in doubt.
    const unlisten = roster.onChange(() => {
      const best = roster.good();
      if (best !== null && best !== member) end(`${best.name} is better`);
    });
    signal.addEventListener('abort', onAbort, { once: true });
    open.send({ create_request: rangeOf(base + prefix) });
  });
