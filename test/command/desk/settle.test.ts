// Settling a database at a desk of our own, against the production API and settler over a real store: what is shown, what is typed, what is sent, which exit code.
import { Command } from 'commander';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { addOperating } from '../../../src/cli/operating.ts';
import type { Shell } from '../../../src/cli/shell.ts';
import { type SettleOptions, settle, unsettle } from '../../../src/command/desk/settle.ts';
import { width } from '../../../src/command/desk/text.ts';
import { openSettleable, type Settleable, SPLIT } from '../../api/settle.fixture.ts';
import { type Desk, desk } from './desk.fixture.ts';

let api: Settleable;
let url: string;
beforeEach(async () => {
  api = openSettleable('ana');
  await api.known(SPLIT);
  await api.seen({ 'us-east': 'writes' });
  url = await api.app.listen({ host: '127.0.0.1', port: 0 });
});
afterEach(() => api.close());
const exitBefore = process.exitCode;
afterEach(() => {
  process.exitCode = exitBefore ?? 0;
});

type Ran = Desk & { code: number | string };
const at = async (work: (console: Desk['console']) => Promise<number>, answers: readonly string[] | null = null): Promise<Ran> => {
  const sat = desk(answers);
  const code = await work(sat.console).catch((error: { code: string; message: string }) => `${error.code} ${error.message}`);
  return { ...sat, code };
};
const says = (given: Partial<SettleOptions> = {}, answers: readonly string[] | null = null, named = 'shop/orders') =>
  at(
    (console) =>
      settle(
        named,
        { endpoint: [url], region: 'us-east', fenced: ['eu-west'], reason: 'eu-west burnt down, its disks are gone', ...given },
        console,
      ),
    answers,
  );

test('a preview shows what is seen, what it means and how it is undone, and writes nothing', async () => {
  const ran = await says({ dryRun: true });
  expect(ran.code, ran.err()).toBe(0);
  await expect(ran.out()).toMatchFileSnapshot('golden/settle.txt');
  for (const line of ran.out().split('\n')) expect(width(line), line).toBeLessThanOrEqual(80);
  expect(await api.state()).toEqual(SPLIT);
  const raw = JSON.parse((await says({ dryRun: true, json: true })).out());
  expect(raw).toMatchObject({ outcome: 'planned', settlement: { writer: 'us-east' }, dryRun: true });
});

test('the region is typed, and nothing else is a yes', async () => {
  const no = await says({}, ['y']);
  expect([no.code, no.asked]).toEqual([2, ['Hold us-east for the writer of shop/orders? Type us-east to do it: ']]);
  expect(no.err()).toContain('nothing was written');
  expect(await api.state()).toEqual(SPLIT);
  const yes = await says({}, ['us-east']);
  expect(yes.code).toBe(0);
  expect(yes.out()).toBe('shop/orders is held for written in us-east\nundo: tidegate unsettle shop/orders --reason WHY\n');
  expect(await api.state()).toMatchObject({ settled: { by: 'ana' } });
});

test('what was shown is what is said: whoever asks for more while it is read is told to look again', async () => {
  const sat = desk([]);
  const ask = async (): Promise<string> => {
    await api.known({ ...SPLIT, because: 'another row was written' });
    return 'us-east';
  };
  const options = { endpoint: [url], region: 'us-east', fenced: ['eu-west'], reason: 'eu-west burnt down, its disks are gone' };
  await expect(settle('shop/orders', options, { ...sat.console, ask })).rejects.toMatchObject({ code: 'ERR_STALE' });
});

test('it is taken back by a yes, and said to be', async () => {
  await says({ yes: true });
  const ran = await at((console) => unsettle('shop/orders', { endpoint: [url], reason: 'eu-west answers after all' }, console), ['y']);
  expect([ran.code, ran.out(), ran.asked]).toEqual([
    0,
    'shop/orders is proved writable nowhere\n',
    ['Take back what was said of shop/orders? [y/N] '],
  ]);
  expect(await api.state()).toMatchObject({ writer: null, split: SPLIT.split, fenced: ['eu-west'] });
});

test.each<[string, Partial<SettleOptions>, string, RegExp]>([
  ['no database', {}, 'shop', /ERR_USAGE shop: expected PLATFORM\/DATABASE/],
  ['too many parts', {}, 'shop/orders/x', /ERR_USAGE/],
  ['a short reason', { reason: 'it burnt' }, 'shop/orders', /ERR_USAGE --reason/],
  ['nobody to ask and no yes', { yes: false }, 'shop/orders', /ERR_USAGE there is no terminal/],
  ['what is seen against it', { region: 'eu-west', fenced: [] }, 'shop/orders', /ERR_CONFLICT us-east was seen to take writes/],
])('%s is said', async (_, given, named, said) => expect((await says({ yes: true, ...given }, null, named)).code).toMatch(said));

test('the command line says it', async () => {
  const sat = desk();
  const program = new Command().exitOverride();
  addOperating(program, { console: () => sat.console, say: { out: () => undefined } } as unknown as Shell);
  const words = [
    'settle',
    'shop/orders',
    '--endpoint',
    url,
    '--region',
    'us-east',
    '--fenced',
    'eu-west',
    '--reason',
    'eu-west burnt down',
    '--yes',
  ];
  await program.parseAsync(words, { from: 'user' });
  expect(await api.state()).toMatchObject({ writer: 'us-east', fenced: ['eu-west'] });
  await program.parseAsync(['unsettle', 'shop/orders', '--endpoint', url, '--reason', 'eu-west answers', '--yes'], { from: 'user' });
  expect(await api.state()).toMatchObject({ writer: null, split: SPLIT.split, fenced: ['eu-west'] });
});
