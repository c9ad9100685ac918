// The file of a replica with every mode of route53.
import { expect, test } from 'vitest';
import { shapeOf } from '../../src/config/providers/index.ts';
import { accepted, fixture } from './files.ts';

const { config, warnings } = accepted(fixture('good-route53.yaml'));
const entry = (name: string) => config.providers[name]!;

test('each mode is accepted without a warning, with its paths and defaults', () => {
  expect(warnings).toEqual([]);
  expect(entry('weighted')).toMatchObject({
    services: {
      'app.example.test': {
        pools: { 'eu-west': { alias: { types: ['A', 'AAAA'] } }, 'us-east': { setIdentifier: 'US (east)', alias: { types: ['A'] } } },
      },
    },
  });
  expect(entry('failover')).not.toHaveProperty('endpoint');
  for (const provider of Object.values(config.providers))
    expect(provider).toMatchObject({ kind: 'route53', credentialsFile: expect.stringMatching(/aws\.credentials$/) });
});

test('how long users wait for a change says what AWS says', () => {
  expect(Object.fromEntries(Object.entries(config.providers).map(([name, each]) => [name, shapeOf(each).arrival(each).visibleMs]))).toEqual(
    {
      weighted: 60_000,
      failover: 60_000,
      switches: 30_000,
      arc: 30_000,
    },
  );
});

test.each([
  ['a name outside the zone', 'weighted', { name: 'web.example.org' }, /expected a name in the zone example.test/],
  ['a pool with nothing to answer', 'weighted', { name: 'other.example.test' }, /neither cname nor alias/],
  ['a failover alias that looks at no health', 'failover', { name: 'deaf.example.test' }, /expected true, since Route 53 asks for it/],
  ['two pools of one identifier', 'weighted', { name: 'same.example.test' }, /two pools with the set identifier "x"/],
  ['a hundred and one addresses', 'weighted', { name: 'wide.example.test' }, /found 101 addresses/],
  ['eleven routing controls', 'arc', { name: 'many.example.test' }, /expected at most 10/],
] as const)('%s does not fit', (_what, called, { name }, message) => {
  const pools = (count: number, answers: readonly string[] = []) => Array.from({ length: count }, (_, n) => ({ name: `p${n}`, answers }));
  const alias = { alias: { name: 'lb.example.net', hostedZoneId: 'Z1', evaluateTargetHealth: false, types: ['A'] } };
  const cases = {
    'web.example.org': { pools: pools(2, ['192.0.2.1']), said: {} },
    'other.example.test': { pools: pools(2), said: {} },
    'deaf.example.test': { pools: pools(2, ['192.0.2.1']), said: { p0: alias } },
    'same.example.test': { pools: pools(2, ['192.0.2.1']), said: { p0: { setIdentifier: 'x' }, p1: { setIdentifier: 'x' } } },
    'wide.example.test': {
      pools: pools(
        1,
        Array.from({ length: 101 }, (_, n) => `192.0.2.${n}`),
      ),
      said: {},
    },
    'many.example.test': {
      pools: pools(11),
      said: Object.fromEntries(pools(11).map((pool) => [pool.name, { routingControlArn: 'arn:x' }])),
    },
  } as const;
  const given = cases[name];
  const provider = { ...entry(called), services: { [name]: { pools: given.said } } } as unknown as ReturnType<typeof entry>;
  const misfit = shapeOf(provider).misfit(provider, { name, pools: given.pools } as never, called, []);
  expect(misfit?.message).toMatch(message);
});
