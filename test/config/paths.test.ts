// Several providers for one service, and canaries: how they are written, what is wrong with them, and how long each path takes.
import { describe, expect, test } from 'vitest';
import { worstCaseOf } from '../../src/config/arithmetic.ts';
import { canaryService } from '../../src/config/canary.ts';
import { joinProblems } from '../../src/config/check.ts';
import { parseConfig } from '../../src/config/load.ts';
import { report } from '../../src/config/report.ts';
import { configHash } from '../../src/health/config-hash.ts';
import type { ClusterConfig } from '../../src/model.ts';
import { canaryDesired } from '../../src/publish/flight.ts';
import { accepted, fixture, goodWith, problemsOf } from './files.ts';

const TWIN = '  twin: { kind: builtin, zone: example.test, control: 127.0.0.1:7721, tokenFile: ./dns.token }\n';
const OTHER = '  other: { kind: builtin, zone: other.test, control: 127.0.0.1:7722, tokenFile: ./dns.token }\n';

/** good.yaml with more providers, the service's `provider` as written, and more at the end. */
const withPaths = (provider: string, more = ''): string =>
  goodWith('cluster:\n', `${TWIN}${OTHER}cluster:\n`).replace('provider: dns', `provider: ${provider}`) + more;

const clusterIn = (text: string): ClusterConfig => accepted(text).config.cluster ?? expect.fail('no cluster');
const serviceIn = (text: string) => clusterIn(text).services[0] ?? expect.fail('no service');
const messages = (text: string): readonly string[] => problemsOf(parseConfig(text, 'f')).map(({ path, message }) => `${path}: ${message}`);

describe('a service', () => {
  test.each([
    ['dns', 'dns', undefined],
    ['[dns]', 'dns', undefined],
    ['[twin, dns]', 'twin', ['dns']],
  ])('whose provider is %s', (written, provider, also) => {
    const service = serviceIn(withPaths(written));
    expect([service.provider, service.also]).toEqual([provider, also]);
    // What has no further path has no field of it either, so that its hash is that of releases which know none.
    expect(Object.hasOwn(service, 'also')).toBe(also !== undefined);
  });

  test('written with a list of one is the same configuration', () => {
    expect(configHash(clusterIn(withPaths('[dns]')))).toBe(configHash(clusterIn(withPaths('dns'))));
    expect(configHash(clusterIn(withPaths('[dns, twin]')))).not.toBe(configHash(clusterIn(withPaths('dns'))));
  });

  test.each([
    [
      '[twin, nobody]',
      'cluster.services[0].provider[1]: found "nobody", expected a provider of this file: dns, twin, other; declare it under providers',
    ],
    ['[dns, dns]', 'cluster.services[0].provider[1]: found a second provider "dns", expected each once; rename or remove one of them'],
    [
      '[dns, other]',
      'cluster.services[0].name: found "web.example.test", expected a name in the zone other.test of provider "other"; rename it or choose another provider',
    ],
    ['[]', expect.stringContaining('cluster.services[0].provider: ')],
    ['{ dns: 1 }', expect.stringContaining('the name of an entry of providers, or a list of such names')],
  ])('whose provider is %s is refused', (written, message) => {
    expect(messages(withPaths(written))).toEqual([message]);
  });

  test('joins a replica only if that knows every path', () => {
    const cluster = clusterIn(withPaths('[dns, twin]'));
    const { region, providers } = accepted(fixture('good.yaml')).config;
    expect(joinProblems({ region, providers }, cluster)).toEqual([
      expect.stringContaining('found "twin", expected a provider of this file: dns'),
    ]);
  });
});

describe('the worst case', () => {
  const cluster = clusterIn(withPaths('[twin, dns]'));
  const service = cluster.services[0] ?? expect.fail('no service');
  const GATE = { visibleMs: 40_000, what: "the provider's checks", ttl: true };
  const ARC = { visibleMs: 2000, what: 'routing controls', ttl: false };

  test('is worked out by each path, and the goal is held against the first', () => {
    const worst = worstCaseOf(cluster, service, { storeMs: 1000, of: '', arrivals: { twin: ARC, dns: GATE } });
    expect(worst.convergence.totalMs).toBe(1000 + 6000 + 2000 + 5000);
    expect(worst.convergence.steps.map(({ what }) => what)).not.toContain('TTL in the resolvers');
    expect(worst.paths?.map(({ provider, sum }) => [provider, sum.totalMs])).toEqual([
      ['twin', 14_000],
      ['dns', 1000 + 6000 + 40_000 + 30_000 + 5000],
    ]);
  });

  test('of a provider that this file does not know is that of a zone with secondaries', () => {
    expect(worstCaseOf(cluster, service).convergence.totalMs).toBe(47_000);
  });

  test('is printed by check for each path', () => {
    const text = report(accepted(withPaths('[twin, dns]')).config, []);
    expect(text).toContain('each path alone: by twin 47 s, by dns 47 s; the goal is held against the first');
    expect(report(accepted(withPaths('dns')).config, [])).not.toContain('each path alone');
  });

  test('that misses the goal is said of the path that was judged', () => {
    const [message] = messages(withPaths('[twin, dns]\n      ttl: 5m'));
    expect(message).toContain('until users of web.example.test have left by twin (');
  });
});

describe('a canary', () => {
  const canaries = (...lines: string[]): string => withPaths('dns', `canaries:\n${lines.map((line) => `  - ${line}\n`).join('')}`);

  test('has a pool where nobody is, unless it is given others', () => {
    const [canary] = accepted(canaries('{ provider: dns, service: canary.example.test }')).config.canaries ?? [];
    expect(canary).toEqual({
      provider: 'dns',
      path: 'dns',
      service: 'canary.example.test',
      everyMs: 300_000,
      ttlS: 30,
      pools: [{ name: 'canary', weight: 1, answers: ['192.0.2.1'] }],
      authoritative: [],
      resolvers: [],
    });
    expect(canaryDesired(canary ?? expect.fail('no canary')).pools).toMatchObject([{ pool: 'canary', share: 1000, configuredShare: 1000 }]);
  });

  test('that is a micro-drill has two pools where nobody is, unless it is given others', () => {
    const [canary] = accepted(canaries('{ provider: dns, service: canary.example.test, microDrill: true }')).config.canaries ?? [];
    expect(canary).toMatchObject({
      microDrill: true,
      pools: [
        { name: 'a', weight: 1, answers: ['192.0.2.1'] },
        { name: 'b', weight: 1, answers: ['192.0.2.2'] },
      ],
    });
  });

  test.each([
    ['[{ name: a, answers: [192.0.2.1] }]'],
    ['[{ name: a, answers: [192.0.2.1] }, { name: b, answers: [192.0.2.1] }]'],
    ['[{ name: a, answers: [192.0.2.1] }, { name: b, weight: 0, answers: [192.0.2.2] }]'],
    ['[{ name: a, answers: [192.0.2.1] }, { name: b }]'],
  ])('that is a micro-drill cannot fail over between %s', (pools) => {
    const [message] = messages(canaries(`{ provider: dns, service: canary.example.test, microDrill: true, pools: ${pools} }`));
    expect(message).toMatch(/^canaries\[0\]\.pools: found a list, expected at least two pools with a weight, whose answers differ/);
  });

  test('is served whole whatever its weights', () => {
    const pools =
      '[{ name: a, weight: 1, answers: [192.0.2.1] }, { name: b, weight: 1, answers: [192.0.2.2] }, { name: c, answers: [192.0.2.3] }]';
    const text = canaries(`{ provider: dns, service: canary.example.test, every: 1m, pools: ${pools} }`);
    const [canary] = accepted(text).config.canaries ?? [];
    if (canary === undefined) expect.fail('no canary');
    expect(canaryDesired(canary).pools.map(({ share }) => share)).toEqual([334, 333, 333]);
    expect(canaryService(canary)).toMatchObject({ name: 'canary.example.test', mode: 'auto', provider: 'dns' });
  });

  test.each([
    [
      '{ provider: dns, service: web.example.test }',
      'canaries[0].service: found "web.example.test", which is a service of the cluster, expected a name that no user resolves; give the canary its own',
    ],
    [
      '{ provider: bind, service: canary.example.test }',
      'canaries[0].provider: found "bind", expected a provider of this file: dns, twin, other; declare it under providers',
    ],
    [
      '{ provider: dns, for: twim, service: canary.example.test }',
      'canaries[0].for: found "twim", expected a provider of this file: dns, twin, other; did you mean "twin"?',
    ],
    [
      '{ provider: dns, service: canary.elsewhere.test }',
      'canaries[0].service: found "canary.elsewhere.test", expected a name in the zone example.test of provider "dns"; rename it or choose another provider',
    ],
    [
      '{ provider: dns, service: canary.example.test, every: 1s }',
      expect.stringContaining('canaries[0].every: found "1s", expected a duration from 10s to 24h'),
    ],
    [
      '{ provider: dns, service: canary.example.test, pools: [{ name: a }] }',
      expect.stringContaining('canaries[0].pools[0].answers: found no answers'),
    ],
  ])('%s is refused', (line, message) => {
    expect(messages(canaries(line))).toEqual([message]);
  });

  test('there is one for each provider', () => {
    const [message] = messages(canaries('{ provider: dns, service: a.example.test }', '{ provider: dns, service: b.example.test }'));
    expect(message).toBe('canaries[1].provider: found a second canary for "dns", expected each once; rename or remove one of them');
  });
});
