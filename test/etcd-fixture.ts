// What tests of the etcd store share: a log that is kept, and waiting for something to become true.
import type { Fields, Log } from '../src/log.ts';

export interface KeptLog extends Log {
  readonly lines: readonly { event: string; fields: Fields }[];
}

export const keptLog = (): KeptLog => {
  const lines: { event: string; fields: Fields }[] = [];
  const keep = (event: string, fields: Fields = {}): void => void lines.push({ event, fields });
  const log: KeptLog = { lines, debug: keep, info: keep, warn: keep, error: keep, child: () => log };
  return log;
};

/** Asks again every 20 ms until `holds` gives true; throws after `ms`. */
export const eventually = async (what: string, holds: () => boolean | Promise<boolean>, ms = 20_000): Promise<void> => {
  const deadline = performance.now() + ms;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`not within ${ms} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
};
