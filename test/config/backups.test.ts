// What a platform says of its backups: the example is taken, and nonsense is told at its place.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parseConfig } from '../../src/config/load.ts';

const FILE = join(import.meta.dirname, '../../deploy/examples/data-tiers.yaml');
const EXAMPLE = readFileSync(FILE, 'utf8');
const AT = 'cluster.platforms[0].databases[0].backups';

/** By path. */
const problemsOf = (from: string, to: string): ReadonlyMap<string, string> => {
  if (!EXAMPLE.includes(from)) throw new Error(`the example has no ${from}`);
  const loaded = parseConfig(EXAMPLE.replace(from, to), FILE);
  return new Map(loaded.ok ? [] : loaded.problems.map(({ path, message }) => [path, message]));
};

test('the example is taken: a base backup by its age, a dump by its time', () => {
  const loaded = parseConfig(EXAMPLE, FILE);
  expect(loaded.ok ? [] : loaded.problems).toEqual([]);
  const [platform] = (loaded.ok && loaded.config.cluster?.platforms) || [];
  expect(platform?.databases?.[0]?.backups).toMatchObject([
    { name: 'base', system: 'metrics', value: 'age', maxAgeMs: 26 * 3_600_000, weight: 'must' },
    { name: 'dump', system: 'metrics', value: 'timestamp', maxAgeMs: 27 * 3_600_000, weight: 'must' },
  ]);
});

test('a database without them has none: records and plans stay as they were', () => {
  const loaded = parseConfig(EXAMPLE.replace(/ {10}backups:\n(?: {12}.*\n)+/, ''), FILE);
  const [platform] = (loaded.ok && loaded.config.cluster?.platforms) || [];
  expect(platform?.databases).toHaveLength(1);
  expect(Object.hasOwn(platform?.databases?.[0] ?? {}, 'backups')).toBe(false);
});

const LONG = `"${'a_metric + '.repeat(200)}a_metric"`;
const MANY = `"${Array.from({ length: 17 }, (_, at) => `metric_${at}`).join(' + ')}"`;
const QUERY = `'min(pgbackrest_backup_since_last_completion_seconds{stanza="orders"})'`;

test.each([
  ['no such system', 'base, system: metrics', 'base, system: metric', `${AT}[0].system`, 'did you mean "metrics"'],
  ['a system of another kind', 'base, system: metrics', 'base, system: pg-eu', `${AT}[0].system`, 'of kind prometheus'],
  ['one name twice', 'name: dump', 'name: base', `${AT}[1].name`, 'base'],
  ['a constant', QUERY, '"vector(60)"', `${AT}[0].query`, 'made of one to sixteen metrics'],
  ['nothing asked', QUERY, '""', `${AT}[0].query`, 'PromQL'],
  ['too much asked', QUERY, MANY, `${AT}[0].query`, 'sixteen'],
  ['a query without an end', QUERY, LONG, `${AT}[0].query`, '2000'],
  ['no value', 'value: age, ', '', `${AT}[0].value`, 'age, timestamp'],
  ['another value', 'value: age', 'value: hours', `${AT}[0].value`, 'age'],
  ['no bound', 'maxAge: 26h, ', '', `${AT}[0].maxAge`, 'found nothing'],
  ['a bound that nothing meets', 'maxAge: 26h', 'maxAge: 10s', `${AT}[0].maxAge`, '10s'],
  ['a key that is none', 'maxAge: 26h', 'maxAge: 26h, max: 3', `${AT}[0].max`, 'max'],
])('%s is refused', (_, from, to, path, said) => {
  const problems = problemsOf(from, to);
  expect(
    [...problems]
      .filter(([at]) => at.startsWith(path))
      .map(([, message]) => message)
      .join('\n'),
    JSON.stringify([...problems]),
  ).toContain(said);
});
