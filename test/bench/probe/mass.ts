// A region dies with all its targets at once: does that delay looks at the others? A production vantage with its bursts of confirmation, and a store.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { MassJob, MassReport } from './mass-vantage.ts';
import { cpuS, end, pidOf, rssMB, waitedS } from './process.ts';
import { type Behaviour, startTargets } from './targets.ts';

/** Longer than a detection takes, and long enough for bursts to overlap. */
const DYING_MS = 8000;
const QUIET_MS = 5000;
/** Six rounds of looks. A vantage is warm after four. */
const WARM_MAX_MS = 30_000;
/** The product's own interval, whatever the other tables were measured at. */
const INTERVAL_MS = 5000;

/** How a region dies, in order of how long its looks stay in flight. */
const WAYS: readonly Behaviour[] = ['refuse', 'silent', 'hang'];

export interface MassRow extends Partial<MassReport> {
  region: string;
  perS?: number;
  cpuPercent?: number;
  /** Of the time: it was ready to run, and the machine busy with others. */
  waitedPercent?: number;
  rssMB?: number;
}

/** `program`: of sockets.c; without it nothing can drop connections, and that line says so. */
export const massFailure = async (program: string | null, targets: number, quick: boolean): Promise<MassRow[]> => {
  await using server = await startTargets(program, INTERVAL_MS);
  const job: MassJob = { targets, intervalMs: INTERVAL_MS, ports: server.ports };
  const child = fork(join(import.meta.dirname, 'mass-vantage.ts'), [JSON.stringify(job)]);
  await using _ = { [Symbol.asyncDispose]: () => end(child) };
  process.stderr.write(`probe: a region dies, ${targets} targets\n`);
  const isWarm = await Promise.race([once(child, 'message').then(() => true), sleep(WARM_MAX_MS).then(() => false)]);
  if (!isWarm) return [{ region: `not warm within ${WARM_MAX_MS / 1000} s` }];

  const during = async (region: string, ms: number): Promise<MassRow> => {
    child.send('report');
    await once(child, 'message');
    const pid = pidOf(child);
    const [cpuBeforeS, waitedBeforeS] = [cpuS([pid]), waitedS(pid)];
    await sleep(ms);
    const percentOf = (seconds: number): number => (100_000 * seconds) / ms;
    const [cpuPercent, waitedPercent] = [percentOf(cpuS([pid]) - cpuBeforeS), percentOf(waitedS(pid) - waitedBeforeS)];
    child.send('report');
    const [report] = (await once(child, 'message')) as [MassReport];
    const perS = Math.round((1000 * report.looksAtHealthy) / ms);
    return { region, perS, ...report, cpuPercent, waitedPercent, rssMB: Math.round(rssMB([pid])) };
  };

  await sleep(QUIET_MS + 1000); // it starts with many looks at once, until it knows every endpoint
  const rows: MassRow[] = [await during('all are well', QUIET_MS)];
  for (const how of quick ? (['refuse'] as const) : WAYS) {
    if (how === 'silent' && program === null) {
      rows.push({ region: 'silent: needs a compiler' });
      continue;
    }
    process.stderr.write(`probe: ${how}\n`);
    await server.behave(how);
    rows.push(await during(how, DYING_MS));
    await server.behave('answer');
    await sleep(QUIET_MS + 1000); // every endpoint is seen well again
  }
  return rows;
};
