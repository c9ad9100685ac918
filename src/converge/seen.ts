// Writes this replica's own `seen/` record: one transaction at a time, always the newest content, guarded on its own revision so that a late write of
// ours cannot undo a newer one. Says nothing about content. In doubt it learns the revision again and writes what is true by then.
import type { Log } from '../log.ts';
import type { Seen } from '../model.ts';
import type { Ports, Timer } from '../ports.ts';
import type { Store } from '../store/store.ts';
import { createTrouble } from '../trouble.ts';

export interface SeenWriterOptions {
  ports: Pick<Ports, 'timers'>;
  store: Store;
  log: Log;
  key: string;
  /** Ages are those of the moment it is called. */
  content: () => Seen | null;
  /** Ms until the record is written again although nothing changed. */
  againMs: () => number;
}

export interface SeenWriter {
  /** Something changed: write soon. */
  soon(): void;
  stop(): Promise<void>;
}

/** Changes closer than this are one write: fifty services of a region land together. */
const COALESCE_MS = 50;
const RETRY_MS = 1000;

export const createSeenWriter = ({ ports, store, log, key, content, againMs }: SeenWriterOptions): SeenWriter => {
  let timer: Timer | null = null;
  let soonSet = false;
  let writing: Promise<void> | null = null;
  let stopped = false;
  let mod: number | null = null;
  const trouble = createTrouble(log, 'converge.write');

  const arm = (ms: number): void => {
    timer?.cancel();
    timer = stopped ? null : ports.timers.after(ms, start);
  };

  const start = (): void => {
    soonSet = false;
    if (writing !== null) {
      soon();
      return;
    }
    writing = write()
      .then(
        () => {
          trouble.over();
          return againMs();
        },
        (error) => {
          mod = null;
          trouble.tell(error);
          return RETRY_MS;
        },
      )
      .then((ms) => {
        writing = null;
        if (!soonSet) arm(ms);
      });
  };

  const write = async (): Promise<void> => {
    mod ??= (await store.get({ keys: [key] })).kvs[0]?.mod ?? 0;
    const value = content();
    if (value === null) return;
    const result = await store.txn({ if: [{ key, mod }], then: [{ put: key, value }] });
    if (!result.ok) throw new Error('our own record changed since we wrote it');
    mod = result.rev;
  };

  const soon = (): void => {
    if (soonSet || stopped) return;
    soonSet = true;
    arm(COALESCE_MS);
  };

  return {
    soon,
    async stop() {
      stopped = true;
      timer?.cancel();
      await writing;
    },
  };
};
