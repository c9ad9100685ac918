// The worlds of pgbouncer.pause, pgbouncer.resume and fence.pgbouncer: one database at a fake console.
import type { StepWorld } from '../../contract/step.contract.ts';
import { type FakeConsole, type FakeDatabase, PASSWORD, startFakeConsole, USER } from './fake.ts';

const FILE = '/secrets/pooler';
/** As no identifier is: what the console is sent has to be quoted. */
export const DATABASE = 'orders "eu"-1';

interface Base {
  console: FakeConsole;
  at: FakeDatabase;
}

type Kind = 'pgbouncer.pause' | 'pgbouncer.resume' | 'fence.pgbouncer';

const startBase = async (effect: string, loses = effect): Promise<StepWorld<Kind> & Base> => {
  const console = await startFakeConsole(['other', DATABASE]);
  console.loses = loses;
  const at = console.databases.get(DATABASE);
  if (at === undefined) throw new Error('it was made above');
  return {
    console,
    at,
    spec: { system: 'pool-eu', database: DATABASE },
    systems: { 'pool-eu': { kind: 'pgbouncer', address: `127.0.0.1:${console.port}`, user: USER, passwordFile: FILE } },
    // As an editor leaves it.
    files: { [FILE]: `${PASSWORD}\n` },
    secrets: [PASSWORD],
    settle: () => {
      at.busy = 0;
    },
    effects: () => console.effects.filter((order) => order === effect).length,
    meets: console.meets,
    asked: console.asked,
    [Symbol.asyncDispose]: () => console[Symbol.asyncDispose](),
  };
};

export const startPauseWorld = (): Promise<StepWorld<'pgbouncer.pause'> & Base> => startBase('PAUSE');

export const startFenceWorld = (): Promise<StepWorld<'fence.pgbouncer'> & Base> => startBase('KILL');

export const startResumeWorld = async (): Promise<StepWorld<'pgbouncer.resume'> & Base> => {
  const base = await startBase('RESUME');
  base.at.isPaused = true;
  base.at.isDisabled = true;
  base.at.waiting = 2;
  base.at.busy = 0;
  return base;
};
