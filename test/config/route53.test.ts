// The file of a replica with every mode of route53.
import { expect, test } from 'vitest';
import { providerEntry, shapeOf } from '../../src/config/providers/index.ts';
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

test.each([
  ['healthChecks', 'healthCheckId', '11111111-2222-3333-4444-555555555555', { hostedZoneId: 'Z1' }],
  [
    'routingControls',
    'routingControlArn',
    'arn:aws:route53-recovery-control::123456789012:controlpanel/abc/routingcontrol/def',
    { endpoints: [{ region: 'us-east-1', url: 'https://a.example.net/v1' }] },
  ],
])(
  'a switch of mode %s belongs to one pool of one service, or a canary would turn on what a decision turned off',
  (mode, key, id, more) => {
    const judge = (services: object) =>
      providerEntry.safeParse({ kind: 'route53', mode, zone: 'example.test', credentialsFile: '/aws', ...more, services });
    const at = (value: string) => ({ [key]: value });
    const other = `${id}x`.replace(/5x$/, '6');
    expect(judge({ 'web.example.test': { pools: { a: at(id), b: at(other) } } }).error?.issues).toBeUndefined();
    for (const services of [
      { 'web.example.test': { pools: { a: at(id) } }, 'canary.example.test': { pools: { canary: at(id) } } },
      { 'web.example.test': { pools: { a: at(id), b: at(id) } } },
    ])
      expect(judge(services).error?.issues.map(({ message }) => message)).toEqual([
        expect.stringMatching(/^one of its own, since pool "a" of web\.example\.test has this one/),
      ]);
  },
);
