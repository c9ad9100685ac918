// What a person is paged while something goes wrong now and then for an hour: whole replicas on virtual time, two sinks. The reference is what a pager would
// say that tells every change of what a quorum believes, as plain health checks with a hook do: each is a committed decision.
import { Player } from '../scenario.ts';
import type { Bench, BenchOptions } from './bench.ts';
import { CONDITIONS, type Condition } from './fatigue/conditions.ts';

export interface Fatigue {
  condition: string;
  minutes: number;
  /** Decisions after the first route. */
  changes: number;
  /** Warnings and criticals. */
  pages: number;
  allowed: number;
  /** Kinds of them, with how many. */
  kinds: Readonly<Record<string, number>>;
}

export const allowedIn = ({ base, perHour }: Condition, minutes: number): number => base + Math.ceil((perHour * minutes) / 60);

/** A story that configures and decides the first route is two decisions. */
const FIRST_DECISIONS = 2;

export const measureFatigue = async (condition: Condition, minutes: number): Promise<Fatigue> => {
  const kinds: Record<string, number> = {};
  let decisions = 0;
  const player = new Player(() => ({
    page(_atMs, { severity, type }) {
      if (severity !== 'info') kinds[type] = (kinds[type] ?? 0) + 1;
    },
    decision: () => {
      decisions += 1;
    },
  }));
  try {
    for (const line of condition.lines(minutes)) await player.command(line);
  } finally {
    await player.close();
  }
  const pages = Object.values(kinds).reduce((sum, count) => sum + count, 0);
  return {
    condition: condition.name,
    minutes,
    changes: Math.max(0, decisions - FIRST_DECISIONS),
    pages,
    allowed: allowedIn(condition, minutes),
    kinds,
  };
};

export const benchFatigue = async ({ quick }: BenchOptions): Promise<Bench> => {
  const rows: Fatigue[] = [];
  for (const condition of CONDITIONS) {
    process.stderr.write(`fatigue: ${condition.name}\n`);
    rows.push(await measureFatigue(condition, quick ? 10 : 60));
  }
  return {
    goals: { beyondAllowed: 0 },
    met: rows.every(({ pages, allowed }) => pages <= allowed),
    rows: rows.map(({ kinds, ...row }) => ({
      ...row,
      what: Object.entries(kinds)
        .map(([type, count]) => `${count} ${type}`)
        .join(', '),
    })),
  };
};
