// The runs as this replica saw them last. They are read when the store hints that one has changed, and now and then, since hints may be lost; never twice at
// once, and not more often than a human can read. What changed goes to the stream of events, how it stands to the health document.
import { errorText } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Ports, Timer } from '../ports.ts';
import type { Run } from '../runbook/model.ts';
import { RUN_PREFIX, type RunReader } from '../runbook/reader.ts';
import type { Store } from '../store/store.ts';

const COALESCE_MS = 200;
const LOOK_MS = 10_000;
const RETRY_MS = 2_000;

export interface RunFeedOptions {
  store: Pick<Store, 'watch'>;
  ports: Pick<Ports, 'timers'>;
  log: Log;
  reader: Pick<RunReader, 'runs'>;
  /** At every look. */
  onRuns: (runs: readonly Run[]) => void;
}

export interface RunFeed {
  /** null: nothing was read yet. */
  latest(): readonly Run[] | null;
  close(): Promise<void>;
}

/** Looks at once. */
export const createRunFeed = ({ store, ports, log, reader, onRuns }: RunFeedOptions): RunFeed => {
  let known: readonly Run[] | null = null;
  let timer: Timer | null = null;
  let looking: Promise<void> | null = null;
  let isHinted = false;
  let isBlind = false;
  let isClosed = false;

  const look = async (): Promise<number> => {
    try {
      known = await reader.runs();
      if (isBlind) log.info('runs.seen', {});
      isBlind = false;
      if (!isClosed) onRuns(known);
      return LOOK_MS;
    } catch (error) {
      if (!isBlind) log.warn('runs.unseen', { because: errorText(error) });
      isBlind = true;
      return RETRY_MS;
    }
  };

  const begin = (): void => {
    isHinted = false;
    looking = look().then((nextMs) => {
      looking = null;
      if (!isClosed) timer = ports.timers.after(isHinted ? COALESCE_MS : nextMs, begin, { background: true });
    });
  };

  const watch = store.watch(RUN_PREFIX, () => {
    if (isClosed || isHinted) return;
    isHinted = true;
    if (looking !== null) return;
    timer?.cancel();
    timer = ports.timers.after(COALESCE_MS, begin, { background: true });
  });
  begin();

  return {
    latest: () => known,
    async close() {
      isClosed = true;
      watch.close();
      timer?.cancel();
      await looking;
    },
  };
};
