// The shipped objectives and what a platform may say differently; the section `verify`.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parseConfig } from '../../src/config/load.ts';
import { objectivesSchema, parseObjectives, shippedObjectives } from '../../src/config/objectives.ts';
import { platformSchema } from '../../src/config/platforms.ts';
import { verifySchema } from '../../src/config/verify.ts';
import { selectorsOf } from '../../src/runbook/prometheus/selectors.ts';

const GOOD = readFileSync(join(import.meta.dirname, '../fixtures/config/good.yaml'), 'utf8');

describe('the shipped file', () => {
  test('is read, and every query is made of series whose age can be asked for', () => {
    const queries = shippedObjectives().flatMap(({ presets = {} }) => Object.values(presets).map(({ query }) => query));
    expect(queries.length).toBeGreaterThanOrEqual(6);
    for (const query of queries) expect(selectorsOf(query), query).toHaveLength(1);
  });

  test.each([
    ['no list', 'a: 1', /objectives/],
    ['no bound', '- { name: x, kind: postgres }', /kind and max/],
    ['twice', '- { name: x, kind: postgres, max: 1s }\n- { name: x, kind: postgres, max: 1s }', /each name once/],
    ['a number that is no duration', '- { name: x, kind: postgres, max: 100 }', /at 0\.max/],
    ['an unknown key', '- { name: x, kind: postgres, max: 1s, maxx: 2s }', /maxx/],
  ])('%s is refused', (_name, text, said) => {
    expect(() => parseObjectives(text)).toThrow(said);
  });
});

describe('what a platform says', () => {
  const said = (given: unknown): readonly string[] => {
    const parsed = objectivesSchema.safeParse(given);
    return parsed.success ? [] : parsed.error.issues.map(({ message }) => message);
  };

  test.each([
    ['another bound', { name: 'postgres', max: '50ms', role: 'recovery' }],
    ['none of a shipped one', { name: 'agent-step', off: true }],
    ['whose Prometheus', { name: 'workflow-schedule-to-start', system: 'metrics', preset: 'core-ms' }],
    ['by region', { name: 'llm', system: { 'eu-west': 'm-eu' }, query: 'llm_p95', unit: 's' }],
    ['one of its own', { name: 'queue', kind: 'promql', max: '1s', system: 'metrics', query: 'q', unit: 'ms' }],
  ])('%s', (_name, given) => {
    expect(said([given])).toEqual([]);
  });

  test.each([
    ['a name that is not shipped, without what it takes', { name: 'queue', max: '1s' }, /kind and max/],
    ['nothing to be off', { name: 'queue', off: true }, /postgres/],
    ['a preset that is not there', { name: 'replication-lag', preset: 'core-ms', system: 'm' }, /cloud-v1, server/],
    ['a system without a query', { name: 'llm', system: 'm' }, /query and unit/],
    ['a query without its unit', { name: 'llm', system: 'm', query: 'q' }, /unit beside query/],
    ['a system of what its own entries measure', { name: 'postgres', system: 'm' }, /remove them/],
  ])('%s is refused', (_name, given, reason) => {
    expect(said([given]).join('\n')).toMatch(reason);
  });

  test('a name twice is refused', () => {
    expect(
      said([
        { name: 'postgres', max: '50ms' },
        { name: 'postgres', off: true },
      ]).join(),
    ).toMatch(/each name once/);
  });
});

const PLATFORM = { name: 'shop', model: 'active-hot', regions: ['eu-west', 'us-east'] };

test('a platform without them has none: plans and records stay as they were', () => {
  const parsed = platformSchema.parse(PLATFORM);
  expect(Object.hasOwn(parsed, 'objectives') || Object.hasOwn(parsed, 'verify')).toBe(false);
});

test('what to verify, with what is not said', () => {
  expect(verifySchema.parse({ migration: { namespace: 'app', job: 'migrate' }, health: { systems: { 'eu-west': 'ui' } } })).toEqual({
    migration: { namespace: 'app', job: 'migrate', regions: [] },
    deployments: [],
    checks: {},
    health: { systems: { 'eu-west': 'ui' }, section: 'llm' },
  });
  expect(verifySchema.safeParse({ health: { systems: {}, section: 'a..b' } }).success).toBe(false);
});

test('systems of another kind, and regions that the platform has not, are told at their places', () => {
  const full = readFileSync(join(import.meta.dirname, '../fixtures/config/full.yaml'), 'utf8');
  const wrong = [
    [
      'system: { eu-west: metrics }',
      'system: { eu-wst: metrics }',
      'cluster.platforms[0].objectives[3].system.eu-wst',
      'did you mean "eu-west"',
    ],
    [
      'llm: { systems: { eu-west: page }',
      'llm: { systems: { eu-wst: page }',
      'cluster.platforms[0].llm.systems.eu-wst',
      'did you mean "eu-west"',
    ],
    ['llm: { systems: { eu-west: page }', 'llm: { systems: { eu-west: metrics }', 'cluster.platforms[0].llm.systems.eu-west', 'http'],
    [
      'name: queue, kind: promql, max: 2s, system: { eu-west: metrics }',
      'name: queue, kind: promql, role: recovery, max: 2s, system: { eu-west: metrics }',
      'cluster.platforms[0].objectives[3].system',
      'found no system for us-east',
    ],
    ['- { name: llm, system: metrics', '- { name: llm, system: kube-eu', 'cluster.platforms[0].objectives[2].system', 'prometheus'],
    ['checks: { eu-west: [page] }', 'checks: { eu-west: [metrics] }', 'cluster.platforms[0].verify.checks.eu-west[0]', 'http'],
    [
      'health: { systems: { eu-west: page }',
      'health: { systems: { eu-west: pagee }',
      'cluster.platforms[0].verify.health.systems.eu-west',
      'page',
    ],
    [
      'job: migrate, regions: [eu-west]',
      'job: migrate, regions: [ap-south]',
      'cluster.platforms[0].verify.migration.regions[0]',
      'eu-west, us-east',
    ],
    [
      'eu-west: { system: kube-eu, namespace: app, deployment: ui }',
      'mars: { system: kube-eu, namespace: app, deployment: ui }',
      'cluster.platforms[0].verify.deployments[0].sites.mars',
      'us-east',
    ],
  ] as const;
  for (const [from, to, path, said] of wrong) {
    if (!full.includes(from)) throw new Error(`full.yaml has no ${from}`);
    const loaded = parseConfig(full.replace(from, to), '/etc/tidegate/full.yaml');
    const problems = loaded.ok ? [] : loaded.problems;
    expect(problems.find((problem) => problem.path === path)?.message, path).toContain(said);
  }
});

test('a mistake in a file is told at its place', () => {
  const text = `${GOOD}  platforms:
    - name: shop
      model: active-hot
      regions: [eu-west, us-east]
      services: [web.example.test]
      objectives:
        - { name: postgres, max: 50ms }
        - { name: postgress, max: 50ms }
      verify:
        migration: { namespace: app, job: migrate, regiones: [eu-west] }
`;
  const loaded = parseConfig(text, '/etc/tidegate/replica.yaml');
  if (loaded.ok) throw new Error('it was accepted');
  const found = loaded.problems.map(({ path, message }) => `${path}: ${message}`).join('\n');
  expect(found).toMatch(/objectives\[1\]\.name: .*kind and max/);
  expect(found).toMatch(/regiones/);
});
