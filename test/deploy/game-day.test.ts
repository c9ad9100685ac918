// The script of a game day against a stand-in on the PATH, which writes down how it was called and ends as it is told to.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { FAULT_DRILLS } from '../../src/drill/faults.ts';

const SCRIPT = join(import.meta.dirname, '../../deploy/ops/ha-failover-game-day.sh');

/** Takes the drill's name as `$3`. `ends/DRILL` holds its exit code, or `stands`: until it is told to stop, and it takes its time to. */
const STAND_IN = `#!/bin/sh
printf '%s\\n' "$*" >>calls
end=$(cat "ends/$3" 2>/dev/null || echo 0)
case " $* " in *' --yes '*) ;; *) echo "nothing was done: add --yes to do it"; exit "$end" ;; esac
if [ "$end" = stands ]; then
  trap 'sleep 0.2; echo "$3" >>restored; end=3; done=1' TERM
  echo "$3" >>begun
  done=''
  until [ -n "$done" ]; do sleep 0.05; done
fi
mkdir -p drills
printf '# %s: x\\n\\n| phase |\\n' "$3" >"drills/$3.md"
echo "drill-$3: outcome"
echo "drills/$3.md"
exit "$end"
`;

let folder = '';
const write = (file: string, text: string): void => {
  writeFileSync(join(folder, file), text);
  chmodSync(join(folder, file), 0o755);
};
const read = (file: string): string => (existsSync(join(folder, file)) ? readFileSync(join(folder, file), 'utf8') : '');
const calls = (): readonly string[] => read('calls').split('\n').slice(0, -1);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tidegate-game-day-'));
  for (const sub of ['bin', 'ends', 'hooks']) mkdirSync(join(folder, sub));
  write('bin/tidegate', STAND_IN);
  for (const { name } of FAULT_DRILLS)
    for (const what of ['inject', 'restore']) write(`hooks/${name}.${what}`, '#!/bin/sh\ntouch hooked\n');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const env = () => ({ PATH: `${join(folder, 'bin')}:${process.env.PATH}` });
const WHO = ['--reason', 'game day of this quarter', '--on-call', 'ana'];
const ALL = [
  'lose-region=eu-west',
  'cut-witness=witness',
  'revoke-credential=cloudflare',
  'expire-certificate=us-east',
  'silence-pager=pagerduty',
  'fill-etcd-quota',
];
const play = (...args: readonly string[]) => spawnSync('/bin/sh', [SCRIPT, ...args], { cwd: folder, env: env(), encoding: 'utf8' });
const reports = (): readonly string[] =>
  existsSync(join(folder, 'drills')) ? readdirSync(join(folder, 'drills')).filter((name) => name.startsWith('game-day-')) : [];
const report = (): string => read(`drills/${reports()[0] ?? expect.fail('no scorecard of the day')}`);

test('the script knows every drill of the table', () => {
  expect(ALL.map((each) => each.split('=')[0]).toSorted()).toEqual(['lose-region', ...FAULT_DRILLS.map(({ name }) => name)].toSorted());
});

test('without --yes every drill is shown, and nothing is touched', () => {
  const before = readdirSync(folder).toSorted();
  writeFileSync(join(folder, 'ends/cut-witness'), '6');
  const { status, stdout } = play(...WHO, ...ALL);
  expect(status).toBe(6);
  expect(calls().length).toBe(ALL.length);
  for (const call of calls()) expect(call).not.toMatch(/--yes|-y\b/);
  expect(readdirSync(folder).toSorted()).toEqual([...before, 'calls'].toSorted());
  expect(stdout.match(/nothing was done/g)?.length).toBe(ALL.length);
});

test('with --yes each is run in order, by the option that names what it is about, and the day has one scorecard', () => {
  const { status, stdout } = play(...WHO, '--yes', ...ALL, '--', '--endpoint', 'https://a.example:7700');
  expect(status).toBe(0);
  const common = '--reason game day of this quarter --on-call ana --scorecards drills --endpoint https://a.example:7700';
  const hooks = (name: string): string => `--yes --inject ./hooks/${name}.inject --restore ./hooks/${name}.restore`;
  expect(calls()).toEqual([
    `drill run lose-region --yes --region eu-west ${common}`,
    `drill run cut-witness ${hooks('cut-witness')} --region witness ${common}`,
    `drill run revoke-credential ${hooks('revoke-credential')} --provider cloudflare ${common}`,
    `drill run expire-certificate ${hooks('expire-certificate')} --region us-east ${common}`,
    `drill run silence-pager ${hooks('silence-pager')} --channel pagerduty ${common}`,
    `drill run fill-etcd-quota ${hooks('fill-etcd-quota')} ${common}`,
  ]);
  expect(existsSync(join(folder, 'hooked'))).toBe(false);
  expect(stdout.trim().split('\n').at(-1)).toBe(`drills/${reports()[0]}`);
  for (const each of ALL) expect(report()).toContain(`| ${each} | as expected | 0 | drills/${each.split('=')[0]}.md |`);
  expect(report()).toContain('## lose-region: x');
});

test.each<[string, string, number]>([
  ['3', 'aborted', 3],
  ['5', 'missed', 5],
  ['6', 'did not begin', 6],
  ['1', 'failed', 1],
])('a drill that ends with %s (%s) ends the day, with its exit code', (end, outcome, exit) => {
  writeFileSync(join(folder, 'ends/cut-witness'), end);
  expect(play(...WHO, '--yes', ...ALL).status).toBe(exit);
  expect(calls().length).toBe(2);
  expect(report()).toContain(`| cut-witness=witness | ${outcome} | ${end} |`);
  expect(report()).toContain('| fill-etcd-quota | not begun | | none |');
});

test('with --go-on the others are run too, and the exit code is that of the first that was not as expected', () => {
  writeFileSync(join(folder, 'ends/cut-witness'), '5');
  writeFileSync(join(folder, 'ends/silence-pager'), '3');
  expect(play(...WHO, '--yes', '--go-on', ...ALL).status).toBe(5);
  expect(calls().length).toBe(ALL.length);
  expect(report()).toContain('| silence-pager=pagerduty | aborted | 3 |');
});

const ended = (child: ChildProcess): Promise<number | null> => new Promise((resolve) => child.once('exit', resolve));

test.each<[NodeJS.Signals, number]>([
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
])('%s lets what is under way take back what it did, begins nothing more, and still writes the day', async (signal, exit) => {
  writeFileSync(join(folder, 'ends/cut-witness'), 'stands');
  const child = spawn('/bin/sh', [SCRIPT, ...WHO, '--yes', '--go-on', ...ALL], { cwd: folder, env: env(), stdio: 'ignore' });
  const end = ended(child);
  await expect.poll(() => read('begun'), { timeout: 20_000 }).toBe('cut-witness\n');
  child.kill(signal);
  expect(await end).toBe(exit);
  expect(read('restored')).toBe('cut-witness\n');
  expect(calls().length).toBe(2);
  expect(report()).toContain('| cut-witness=witness | aborted | 3 |');
  expect(report()).toContain('| revoke-credential=cloudflare | not begun | | none |');
});

test('everything wrong with the list is said at once, and nothing begins', () => {
  rmSync(join(folder, 'hooks/silence-pager.restore'));
  const { status, stderr } = play('--yes', 'lose-region', 'fill-etcd-quota=a', 'drop-tables=all', 'silence-pager=pagerduty');
  expect(status).toBe(2);
  for (const said of [
    '--reason TEXT is missing',
    '--on-call NAME is missing',
    'lose-region: of what? lose-region=NAME',
    'fill-etcd-quota is about the whole cluster',
    'no drill is called drop-tables',
    'hooks/silence-pager.restore is no program',
  ])
    expect(stderr).toContain(said);
  expect(calls()).toEqual([]);
  expect(play(...WHO, '--yes').stderr).toContain('no drill is named');
  expect(play(...WHO, '--hooks', 'a;b', 'lose-region=a').stderr).toContain('since it becomes a command');
  expect(play('--frob').status).toBe(2);
  expect(play('--reason').stderr).toContain('--reason needs a value');
  expect(play('--help').stdout).toContain('usage:');
});

// Only where it is installed.
if (spawnSync('shellcheck', ['--version']).status === 0)
  test('shellcheck has nothing to say', () => {
    expect(spawnSync('shellcheck', ['-s', 'sh', SCRIPT], { encoding: 'utf8' }).stdout).toBe('');
  });
