// The simulator itself: the same seed plays the same way, every fault can be played, every missing guard has its text, what is found is made small. A few
// seeds run here with every change; three hundred, and each missing guard, in CI (`npm run sim`).
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import { KEYS } from '../../src/coordinate/keys.ts';
import { Player } from '../scenario.ts';
import { seededRandom } from '../virtual.ts';
import { CHANGES } from './changes.ts';
import type { Checker } from './checker.ts';
import { CHECKERS } from './checkers.ts';
import { createDraw } from './draw.ts';
import { FAULTS, type Site, UNDER_RULES } from './faults.ts';
import { mutated } from './mutate.ts';
import { MUTATIONS } from './mutations.ts';
import { linesOf, planOf } from './plan.ts';
import { platformOf, RUNS } from './platforms.ts';
import { play, Watching } from './play.ts';
import { asStory, shrink } from './shrink.ts';

const SITE: Site = {
  regions: ['a', 'b', 'c'],
  places: ['a/a', 'b/a', 'c/a'],
  services: ['web'],
  targets: 2,
  weights: [1, 1, 1],
  count: () => 1,
};

describe('a seed', () => {
  test('plays the same way twice, bit by bit', { timeout: 60_000 }, async () => {
    const [one, two] = [await play(planOf(4)), await play(planOf(4))];
    expect(two).toEqual(one);
    expect(one.decisions).toBeGreaterThan(0);
  });

  test('is another world than the next one', () => {
    expect(planOf(5)).not.toEqual(planOf(4));
    expect(planOf(4)).toEqual(planOf(4));
  });

  test.each([1001, 1002, 1003, 1004, 1005, 1006, 1007, 1008])('%i breaks no invariant', { timeout: 60_000 }, async (seed) => {
    const { violations, told } = await play(planOf(seed), { tells: true });
    expect(violations, told.join('\n')).toEqual([]);
  });

  test.each([
    [757, 'an order is acknowledged after the store that took it was replaced: nobody keeps what went with it'],
    [1187, 'a region drains towards one that only replicas silent for a minute call dead'],
    [8546, 'all traffic is on a pool that a replica calls dead whose sibling has taken over since'],
  ])('%i breaks none either, though checkers once said so: %s', { timeout: 60_000 }, async (seed) => {
    const { violations, told } = await play(planOf(seed), { tells: true });
    expect(violations, told.join('\n')).toEqual([]);
  });

  test('is told in the words of a story, and played from them again', { timeout: 60_000 }, async () => {
    const plan = { ...planOf(1001), lastDeath: null };
    const story = await asStory(plan, 'none: nothing was found');
    expect(story.startsWith('# Found by the simulator, seed 1001: none')).toBe(true);
    for (const line of linesOf(plan)) expect(story).toContain(line);
    expect(story).toMatch(/decision \d+: /);
  });
});

const ALL = { ...FAULTS, ...UNDER_RULES, ...CHANGES, ...RUNS };

describe('a fault', () => {
  test.each(Object.keys(ALL))('%s is lines that a story understands, and is over in the end', { timeout: 60_000 }, async (name) => {
    const draw = createDraw(seededRandom(`fault ${name}`));
    const player = new Player();
    await player.command('cluster regions=a,b,c targets=2 whole=yes anchors=2 provider=5ms..50ms signed=yes runbooks=yes');
    await player.command(platformOf(draw, SITE.regions).line);
    await player.command('run 10s');
    for (let n = 0; n < 3; n++) {
      const { begin, end = [] } = ALL[name]!.draw(draw, SITE);
      for (const line of [...begin, 'run 2s', ...end, 'run 2s']) await player.command(line);
    }
    await player.close();
  });
});

test('two writers of a database are noticed, as when a region wakes whose silence was taken for a fence', { timeout: 60_000 }, async () => {
  let watching: Watching | null = null;
  const player = new Player((world) => {
    watching = new Watching(world, CHECKERS);
    return watching.events();
  });
  const platform =
    'platform orders model=active-hot regions=a,b fleets=codec:5s namespaces=orders databases=orders rung=witness asks=pg.promote:0';
  for (const line of ['cluster regions=a,b,c weights=100,0,-1 steering=priority runbooks=yes', platform, 'run 20s', 'lose a', 'run 60s'])
    await player.command(line);
  const found = () => (watching as Watching | null)?.violations.map(({ invariant, because }) => `${invariant}: ${because}`);
  expect(found()).toEqual([]);
  await player.command('restore a');
  await player.command('run 5s');
  await player.close();
  expect(found()).toEqual(['one-database-writer: two writers of orders: a, b']);
});

test('a reader that changes what the store has handed out is noticed', { timeout: 60_000 }, async () => {
  const careless: Checker = {
    name: 'careless',
    says: 'nothing',
    watch: ({ records }) => ({
      decided({ after }) {
        Object.assign(after, { because: 'none' });
        expect(records.get(KEYS.routing)?.value).toBe(after);
      },
    }),
  };
  const { violations } = await play(planOf(1001), { checkers: [careless] });
  expect(violations).toEqual([
    { invariant: 'untouched', atMs: expect.any(Number), because: 'routing is not what was written: a reader has changed it' },
  ]);
});

describe('a missing guard', () => {
  test.each(Object.keys(MUTATIONS))('%s is the text of the code that has it, changed', (name) => {
    const sources = mutated(name);
    expect(sources.size).toBeGreaterThan(0);
  });

  // The code without it is loaded in a process of its own: this one has the guard.
  test('can be looked at in one seed, told as a story', { timeout: 60_000 }, async () => {
    const args = ['--mutation', 'carried', '--seed', '1', '--trace'];
    const child = spawn(process.execPath, [join(import.meta.dirname, 'main.ts'), ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [said, code] = await Promise.all([text(child.stdout), once(child, 'exit').then(([code]) => code as number)]);
    expect(said).toMatch(/VIOLATION at [0-9.]+ s: never-empty: /);
    expect(code).toBe(1);
  });

  test('whose text is gone, or is there twice, is no mutation', () => {
    expect(() => mutated('nothing')).toThrow(/no mutation named nothing; there are leader, /);
  });
});

test.each([
  [['--nonsense'], /^Unknown option '--nonsense'/],
  [['--seeds', '0'], /^seeds are whole numbers from 1$/],
  [['--mutation', 'nothing'], /^no mutation named nothing; there are leader, /],
])('%j is refused in one line, before anything is played', async (args, says) => {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'main.ts'), ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const [out, err, code] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit').then(([code]) => code as number),
  ]);
  expect([out, code]).toEqual(['', 2]);
  expect(err.trimEnd()).toMatch(says);
  expect(err.trimEnd().split('\n')).toHaveLength(1);
});

describe('what is found', () => {
  test('is made as small as still breaks the invariant', async () => {
    const plan = planOf(3);
    const culprits = [plan.items[2]!, plan.items[9]!];
    const breaks = async (smaller: typeof plan): Promise<boolean> => culprits.every((item) => smaller.items.includes(item));
    const small = await shrink(plan, 'some', breaks);
    expect(small.items).toEqual(culprits);
    expect(small.lastDeath).toBeNull();
    expect(small.calmAtMs).toBeLessThanOrEqual(plan.calmAtMs);
  });
});
