// Where the time of a look goes, by V8's own profiler: self time by part, and the dearest functions, in µs per look.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Job, Word } from './contender.ts';
import type { Targets } from './targets.ts';

export interface CpuProfile {
  nodes: readonly { id: number; callFrame: { functionName: string; url: string; lineNumber: number } }[];
  samples: readonly number[];
  timeDeltas: readonly number[];
}

export interface ProfileRow {
  look: string;
  part: string;
  usPerLook: number;
  percent: number;
}

/** Functions shown beside the parts. */
const TOP = 10;
const SPAN_MS = 10_000;
/** Loading and compiling, which happens once, is left out. */
const WARM_MS = 4000;

/** Whose work it is. Node's own JavaScript goes by its modules; what has no file is the machine's: system calls, collecting, compiling. */
export const partOf = ({ functionName, url }: CpuProfile['nodes'][number]['callFrame']): string => {
  if (url === '') return functionName.startsWith('(') ? functionName : 'native calls';
  if (url.includes('/node_modules/')) return /node_modules\/([^/]+)/.exec(url)?.[1] ?? url;
  if (url.startsWith('node:')) return /^node:(internal\/streams|internal\/process|internal\/[^/]+|[^/]+)/.exec(url)?.[0] ?? url;
  if (url.startsWith('wasm:')) return 'llhttp (wasm)';
  return /\/(src|test)\/.*$/.exec(url)?.[0].slice(1) ?? url;
};

export const nameOf = (frame: CpuProfile['nodes'][number]['callFrame']): string =>
  `${frame.functionName || '(anonymous)'} ${partOf(frame)}${frame.url === '' ? '' : `:${frame.lineNumber + 1}`}`;

export const selfUs = (
  profile: CpuProfile,
  by: (frame: CpuProfile['nodes'][number]['callFrame']) => string,
  warmMs = WARM_MS,
): ReadonlyMap<string, number> => {
  const names = new Map(profile.nodes.map(({ id, callFrame }) => [id, by(callFrame)]));
  const sums = new Map<string, number>();
  let atUs = 0;
  for (const [i, id] of profile.samples.entries()) {
    atUs += profile.timeDeltas[i] ?? 0;
    if (atUs < 1000 * warmMs) continue;
    const name = names.get(id) ?? '';
    sums.set(name, (sums.get(name) ?? 0) + (profile.timeDeltas[i] ?? 0));
  }
  sums.delete('(idle)');
  sums.delete('(idle) (idle)');
  return sums;
};

/** Runs a contender with the profiler on; `folder` takes the profile and keeps it until the caller removes it. */
export const profileOf = async (job: Job, targets: Targets, folder: string): Promise<readonly ProfileRow[][]> => {
  await targets.forget();
  const flags = ['--cpu-prof', '--cpu-prof-interval=200', `--cpu-prof-dir=${folder}`];
  const child = fork(join(import.meta.dirname, 'contender.ts'), [JSON.stringify(job)], { execArgv: flags });
  const say = async (word: Word): Promise<void> => {
    child.send(word);
    await once(child, 'message');
  };
  await say('run');
  await sleep(WARM_MS);
  await targets.seen();
  await sleep(SPAN_MS);
  await say('pause');
  const { looks } = await targets.seen();
  const gone = once(child, 'exit');
  child.disconnect();
  await gone;
  const file = readdirSync(folder).find((name) => name.includes(`.${child.pid}.`) && name.endsWith('.cpuprofile'));
  if (file === undefined) throw new Error('no profile was written');
  const profile = JSON.parse(readFileSync(join(folder, file), 'utf8')) as CpuProfile;
  const rowsOf = (sums: ReadonlyMap<string, number>): ProfileRow[] => {
    const all = [...sums.values()].reduce((sum, us) => sum + us, 0);
    return [...sums]
      .toSorted(([, a], [, b]) => b - a)
      .slice(0, TOP)
      .map(([part, us]) => ({ look: job.look, part, usPerLook: us / looks, percent: (100 * us) / all }));
  };
  return [rowsOf(selfUs(profile, partOf)), rowsOf(selfUs(profile, nameOf))];
};
