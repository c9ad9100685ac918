// Where the time of a planned move went: what clients waited for, one after the other, by the run's own record and by what the watcher saw of each Postgres. Each
// part is named after what it ends with, so the longest says whose it is: a `seen` is Tidegate's, a `stopped` or `started` Patroni's and Postgres'.
import type { Run } from '../../../src/runbook/model.ts';
import { standingOf } from '../../../src/runbook/run.ts';
import type { Look } from './patroni-watch.ts';
import type { Gap } from './patroni-writer.ts';

interface Part {
  ends: string;
  ms: number;
}

/** What the watcher saw of the two that lead. */
export interface Seen {
  looks: readonly Look[];
  from: string;
  to: string;
}

/** The interruption in the order in which it went. What was not seen is left out. */
export const breakdownOf = (run: Run, { looks, from, to }: Seen, { startMs, endMs }: Gap): readonly Part[] => {
  const at = (id: string) => standingOf(run, id);
  const old = looks.filter(({ region, toMs }) => region === from && toMs >= startMs);
  const lastOutMs = old.findLast(({ isOut, toMs }) => isOut && toMs <= endMs)?.toMs;
  const writer = old.find(({ isOut }) => isOut)?.member;
  const followsMs = old.find(({ member, isOut, fromMs }) => member === writer && !isOut && fromMs >= (lastOutMs ?? 0))?.toMs;
  const writableMs = looks.find(({ region, isOut, toMs }) => region === to && isOut && toMs >= startMs)?.toMs;
  const instants: readonly (readonly [string, number | undefined])[] = [
    ['held', at('hold').endedAtMs],
    ['told to follow', at('demote').triedAtMs],
    ['old stopped', lastOutMs],
    ['old started', followsMs],
    ['seen', at('demote').endedAtMs],
    ['caught up', at('caughtup').endedAtMs],
    ['told to lead', at('promote').triedAtMs],
    ['new writable', writableMs],
    ['seen', at('promote').endedAtMs],
    ['a row written', at('canary').endedAtMs],
    ['told to let go', at(`go-${from}`).triedAtMs],
    ['a client served', endMs],
  ];
  const parts: Part[] = [];
  let last = startMs;
  for (const [ends, atMs] of instants) {
    if (atMs === undefined) continue;
    parts.push({ ends, ms: Math.round(atMs - last) });
    last = atMs;
  }
  return parts;
};

export const breakdownText = (parts: readonly Part[]): string => parts.map(({ ends, ms }) => `${ends} ${ms}`).join(', ');
