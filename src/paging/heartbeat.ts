// The dead man's switch: a monitor outside hears from every replica that is well, and pages when it hears nothing. So silence is the alarm: a replica that is
// not well says nothing, one that cannot reach the monitor logs it once, and nothing else here can fail loudly.
import pRetry from 'p-retry';
import { errorText } from '../errors.ts';
import type { Log } from '../log.ts';
import { sleep, type Timer, withDeadline } from '../ports.ts';
import type { ChannelContext } from './channel.ts';
import { createPoster, judged, type Poster, tryOnce } from './post.ts';
import { secretUrl } from './secret-url.ts';

const RETRIES_MAX = 2;
/** Three tries and two waits are over well before the next turn. */
const TRY_PART = 1 / 5;
const WAIT_PART = 1 / 10;
/** The monitor wants to hear that, not what. */
const EMPTY = '{}';

export interface HeartbeatOptions {
  /** Of an address that may be a secret. */
  urlFile: string;
  everyMs: number;
  context: ChannelContext;
  /** Asked before each turn. */
  isWell: () => boolean;
  log: Log;
  /** For tests in virtual time. */
  post?: Poster;
}

export interface Heartbeat {
  /** No beat begins after it; one under way is aborted, which for the monitor may be one beat too few. */
  close(): Promise<void>;
}

/** `again`: worth another try in this turn. */
class NotTaken extends Error {
  readonly again: boolean;
  constructor(because: string, again: boolean) {
    super(because);
    this.again = again;
  }
}

type Standing = { state: 'beating' } | { state: 'withheld' | 'failing'; because: string };

/** Beats at once and then every `everyMs`. Throws ERR_SECRET when the file holds no address. */
export const createHeartbeat = (options: HeartbeatOptions): Heartbeat => {
  const { everyMs, context, isWell, log } = options;
  const { timers } = context.ports;
  const url = secretUrl('heartbeat', options.urlFile, context);
  // Not guarded: the address is the operator's own, nothing is told there and nothing of the answer is shown, and a monitor may well be of one's own network.
  const post = options.post ?? createPoster({ name: 'heartbeat' }, context, { guarded: false });
  const stopping = new AbortController();
  let state: Standing['state'] | null = null;
  let timer: Timer;
  let underWay: Promise<void>;

  const attempt = async (): Promise<void> => {
    const within: Poster = (request, signal) =>
      withDeadline(timers, everyMs * TRY_PART, 'the monitor', (inner) => post(request, inner), signal);
    const delivery = await tryOnce(within, { url, headers: {}, body: EMPTY }, judged, stopping.signal);
    // Asked to wait, or refused: the next turn is soon enough.
    if (!delivery.sent) throw new NotTaken(delivery.because, delivery.retry && delivery.afterMs === undefined);
  };

  /** The waits are ours, by the ports: with none of its own p-retry sets no timer. */
  const persist = (): Promise<void> =>
    pRetry(attempt, {
      retries: RETRIES_MAX,
      minTimeout: 0,
      signal: stopping.signal,
      shouldRetry: async ({ error }) => {
        if (!(error instanceof NotTaken && error.again)) return false;
        await sleep(timers, everyMs * WAIT_PART, stopping.signal);
        return true;
      },
    });

  const beat = async (): Promise<Standing> => {
    try {
      if (!isWell()) return { state: 'withheld', because: 'this replica is not well' };
      await persist();
      return { state: 'beating' };
    } catch (error) {
      return { state: 'failing', because: errorText(error) };
    }
  };

  const note = (standing: Standing): void => {
    if (standing.state === state || stopping.signal.aborted) return;
    state = standing.state;
    if (standing.state === 'beating') log.info('heartbeat.beating', { place: url.host, everyMs });
    else log.warn(`heartbeat.${standing.state}`, { place: url.host, because: standing.because });
  };

  const turn = (): void => {
    timer = timers.after(everyMs, turn);
    underWay = beat().then(note);
  };
  turn();

  return {
    async close() {
      timer.cancel();
      stopping.abort(new Error('this process is stopping'));
      await underWay;
    },
  };
};
