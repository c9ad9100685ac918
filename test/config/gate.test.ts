// What `check` knows of gates: which checker bears which form, how many regions a survivor gate needs, and how long users take. Broken files are among
// fixtures/config/bad-gate-*.yaml.
import { describe, expect, test } from 'vitest';
import type { GateConfig } from '../../providers/gate/index.ts';
import { joinProblems } from '../../src/config/check.ts';
import { parseConfig } from '../../src/config/load.ts';
import { gate as shape } from '../../src/config/providers/gate.ts';
import { report } from '../../src/config/report.ts';
import { clusterOf } from '../world.ts';
import { accepted, goodWith, problemsOf } from './files.ts';

const BUILTIN = 'kind: builtin, zone: example.test, control: 127.0.0.1:7720, tokenFile: ./dns.token';
const SECTION = 'gate: { listen: 0.0.0.0:7780, file: ./gate.json }\n';
const withGate = (entry: string, section = SECTION): string =>
  goodWith(BUILTIN, `kind: gate, ${entry}`).replace('cluster:\n', `${section}cluster:\n  goals: { convergence: 3m }\n`);
const entryOf = (entry: string): GateConfig => {
  const { dns } = accepted(withGate(entry)).config.providers;
  return dns?.kind === 'gate' ? dns : expect.fail('no gate');
};
const SURVIVOR = 'form: survivor, checker: { kind: route53, interval: 10s, failures: 3 }';

describe('forms', () => {
  test.each(['cloudflare', 'gclb', 'traffic-manager', 'front-door', 'ns1'])(
    '%s polls a pool’s own address: origin, and nothing else',
    (kind) => {
      const checker = `checker: { kind: ${kind}, interval: 10s, failures: 2 }`;
      expect(entryOf(`form: origin, ${checker}`)).toMatchObject({ form: 'origin', checker: { kind } });
      expect(problemsOf(parseConfig(withGate(`form: survivor, ${checker}`), 'f'))).toMatchObject([
        { path: 'providers.dns.form', message: expect.stringContaining('expected origin') },
      ]);
    },
  );

  test.each(['route53', 'other'])('%s can do both', (kind) => {
    for (const form of ['origin', 'survivor'])
      expect(entryOf(`form: ${form}, checker: { kind: ${kind}, interval: 10s, failures: 2 }`).form).toBe(form);
  });

  test('two others must agree unless more are asked for', () => {
    expect(entryOf(SURVIVOR).checker.agree).toBe(2);
    expect(accepted(withGate(SURVIVOR)).warnings).toEqual([]);
  });
});

describe('regions', () => {
  const problems = (regions: readonly string[], form: 'survivor' | 'origin', pools = regions): readonly string[] => {
    const cluster = clusterOf(pools, [{ name: 'web.example.test', provider: 'gates' }]);
    const all = { ...cluster, regions: regions.map((name) => ({ name, vote: true, coordinator: true, anchors: [] })) };
    const checker = { kind: 'route53' as const, intervalMs: 10_000, failures: 3, agree: 2, proxied: false };
    return joinProblems({ region: regions[0] ?? '', providers: { gates: { kind: 'gate', form, checker } } }, all);
  };

  test('every pool needs as many beside its own as must agree; a witness counts', () => {
    expect(problems(['eu-west', 'us-east', 'witness'], 'survivor', ['eu-west', 'us-east'])).toEqual([]);
    expect(problems(['eu-west', 'us-east'], 'survivor')).toEqual([
      expect.stringContaining(
        'found 1 region beside eu-west (us-east), expected at least 2, since provider "gates" wants the gates of 2 others to agree',
      ),
    ]);
    expect(problems(['eu-west'], 'survivor')).toEqual([expect.stringContaining('found 0 regions beside eu-west, expected at least 2')]);
  });

  test('an origin gate needs nobody else', () => {
    expect(problems(['eu-west', 'us-east'], 'origin')).toEqual([]);
  });
});

describe('how long users take', () => {
  test.each([
    ['form: survivor, checker: { kind: route53, interval: 10s, failures: 3 }', 35_000, true],
    ['form: survivor, checker: { kind: route53, interval: 30s, failures: 3 }', 95_000, true],
    ['form: origin, checker: { kind: cloudflare, interval: 15s, failures: 2 }', 35_000, true],
    ['form: origin, checker: { kind: cloudflare, interval: 15s, failures: 2, proxied: true }', 35_000, false],
    ['form: origin, checker: { kind: gclb, interval: 5s, failures: 2 }', 15_000, false],
    ['form: origin, checker: { kind: traffic-manager, interval: 10s, failures: 3 }', 35_000, true],
    ['form: origin, checker: { kind: front-door, interval: 30s, failures: 3 }', 95_000, false],
    ['form: origin, checker: { kind: ns1, interval: 60s, failures: 1 }', 65_000, true],
  ])('%s: %i ms, TTL %s', (entry, visibleMs, ttl) => {
    expect(shape.arrival(entryOf(entry))).toMatchObject({ visibleMs, ttl });
  });

  test('is said in words', () => {
    expect(shape.arrival(entryOf(SURVIVOR)).what).toBe("the gates' next look (5 s) and 3 polls of the checker, one per 10 s");
  });
});

test('check says where the gate is served; a provider without one is a warning', () => {
  const { config, warnings } = accepted(withGate(SURVIVOR), '/etc/tidegate/site.yaml');
  expect(report(config, warnings)).toContain('gate       served at 0.0.0.0:7780, remembered in /etc/tidegate/gate.json\n');
  expect(report(config, warnings)).toContain('providers  dns (gate, survivor form, polled by route53)\n');
  expect(accepted(withGate(SURVIVOR, '')).warnings.map(({ message }) => message)).toEqual([
    'found nothing, expected gate.listen and gate.file beside the provider "dns"; its decisions are written, and checkers that ask this replica hear nothing',
  ]);
});

test('answers may be left out: the vendor has them', () => {
  const bare = withGate(SURVIVOR).replaceAll(/ {10}answers: .*\n/g, '');
  expect(accepted(bare).warnings.map(({ message }) => message)).toEqual([
    expect.stringMatching(/^found no converge.resolvers with a converge.request/),
  ]);
});
