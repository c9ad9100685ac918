import { describe, expect, test } from 'vitest';
import { worstCaseOf } from '../../src/config/arithmetic.ts';
import { joinProblems } from '../../src/config/check.ts';
import { SPANS } from '../../src/config/defaults.ts';
import { electorateGroups, electoratesOf } from '../../src/config/electorate.ts';
import { parseConfig } from '../../src/config/load.ts';
import { renderProblem } from '../../src/config/problem.ts';
import { platformReport, report, reportProblems } from '../../src/config/report.ts';
import { warningsOf } from '../../src/config/warnings.ts';
import type { ClusterConfig } from '../../src/model.ts';
import { accepted, expectFile, fixture, goodWith, problemsOf } from './files.ts';

const clusterOf = (text: string): ClusterConfig => accepted(text).config.cluster ?? expect.fail('no cluster');
const warned = (text: string): string[] => accepted(text).warnings.map(({ message }) => message);
const withPolicy = (policy: string): string => goodWith('  services:', `  policy: { ${policy} }\n  services:`);

const REGION = (name: string): string => `    - { name: ${name}, anchors: [tcp://192.0.2.1:53] }\n`;
const TWO = goodWith(REGION('ap-south'), '');
const ONE = TWO.replace(REGION('us-east'), '').replace('- name: us-east\n', '- name: blue\n          region: eu-west\n');

/** good.yaml with fifty services instead of one. */
const FIFTY = (() => {
  const good = fixture('good.yaml');
  const at = good.indexOf('    - name: web');
  const services = Array.from({ length: 50 }, (_, i) => good.slice(at).replace('web.', `web${i}.`).replaceAll('192.0.2.', `192.0.${i}.`));
  return good.slice(0, at) + services.join('');
})();

describe('policy', () => {
  test('defaults are the documented numbers, and each has a reason and lies in its own range', () => {
    expectFile('policy.json', `${JSON.stringify(clusterOf(fixture('good.yaml')).policy, null, 2)}\n`);
    for (const { defaultMs, minMs, maxMs, why } of Object.values(SPANS)) {
      expect(defaultMs).toBeGreaterThanOrEqual(minMs);
      expect(defaultMs).toBeLessThanOrEqual(maxMs);
      expect(why.length).toBeGreaterThan(10);
    }
  });

  test('a fast interval alone is a working configuration: what must fit between two looks shrinks with it', () => {
    const { policy } = clusterOf(withPolicy('interval: 1s'));
    expect(policy).toMatchObject({ timeoutMs: 1000, connectTimeoutMs: 1000, suspectAfterMs: 500, beatMs: 500, faultSpanMs: 700 });
    expect(policy).toMatchObject({ freshMs: 8000, leaseMs: 6000, recoveryHoldMs: 60_000 });
    for (const interval of ['100ms', '250ms', '1s', '2s', '3s', '5s', '15s'])
      expect(parseConfig(withPolicy(`interval: ${interval}`), 'f').ok).toBe(true);
  });

  test('a safety rule that is named keeps its other settings, and the others stay on', () => {
    const { policy } = clusterOf(withPolicy('safety: { blast-radius: { window: 5m } }'));
    expect(policy.safety).toEqual({ 'last-pool': {}, 'blast-radius': { regions: 1, windowMs: 300_000 } });
  });

  test('faults: auto is null', () => {
    expect(clusterOf(withPolicy('faults: auto')).policy.faults).toBeNull();
  });
});

describe('electorates', () => {
  test('with three voters two must agree and one may be lost; with five three and two', () => {
    const three = electoratesOf(clusterOf(fixture('good.yaml')))[0];
    expect(three).toMatchObject({ voters: ['eu-west', 'us-east', 'ap-south'], needs: 2, spare: 1, advisesOnly: false });
    const five = electoratesOf(clusterOf(goodWith(REGION('ap-south'), REGION('ap-south') + REGION('w1') + REGION('w2'))))[0];
    expect(five).toMatchObject({ needs: 3, spare: 2, advisesOnly: false });
  });

  test('fifty services of one electorate are one line', () => {
    const groups = electorateGroups(clusterOf(FIFTY));
    expect(groups).toHaveLength(1);
    expect(groups[0]).toMatchObject({ targets: 100 });
    expect(groups[0]?.services).toHaveLength(50);
  });
});

describe('warnings', () => {
  test.each([
    ['witness', 'auto', 1],
    ['grace', 'auto', 1],
    ['lease', 'auto', 0],
    ['acknowledged', 'auto', 0],
    ['witness', 'propose', 0],
  ])('a fence of rung %s beside trigger %s: %i', (rung, trigger, count) => {
    const site = (region: string) => `${region}: { system: patroni-${region}, sql: pg-${region}, address: '${region}:5432' }`;
    const platform = `  platforms:
    - name: orders
      model: active-hot
      regions: [eu-west, us-east]
      services: [web.example.test]
      trigger: ${trigger}
      databases:
        - { name: orders, fence: { rung: ${rung} }, sites: { ${site('eu-west')}, ${site('us-east')} } }
`;
    const found = warned(`${fixture('good.yaml')}${platform}`).filter((message) => message.includes('expected acknowledged'));
    expect(found).toHaveLength(count);
    for (const message of found) expect(message).toMatch(/what one of them wrote is lost; write acknowledged/);
  });

  test.each([
    ['services: [web.example.test], ', 'pg-eu-west pg-us-east', []],
    ['services: [web.example.test], ', 'pg-eu-west', ['found no pg-us-east under systems']],
    ['', 'pg-eu-west', []],
  ])('a database (%s) of which this file names %s', (bound, named, expected) => {
    const site = (region: string) => `${region}: { system: patroni-${region}, sql: pg-${region}, address: '${region}:5432' }`;
    const text = `${fixture('good.yaml')}  platforms:
    - name: orders
      model: active-hot
      regions: [eu-west, us-east]
      services: [web.example.test]
      databases:
        - { name: orders, ${bound}sites: { ${site('eu-west')}, ${site('us-east')} } }
`;
    const { config } = accepted(text);
    const entry = { kind: 'postgres' as const, addresses: ['pg:5432'], user: 'tidegate', passwordFile: '/p', database: 'orders' };
    const systems = Object.fromEntries(named.split(' ').map((name) => [name, entry]));
    const messages = (providers: typeof config.providers): readonly string[] =>
      warningsOf({ ...config, providers, systems })
        .map(({ message }) => message)
        .filter((message) => message.includes('under systems of this file'));
    expect(messages(config.providers)).toEqual(expected.map((part) => expect.stringContaining(part)));
    expect(messages({})).toEqual([]);
  });

  test('two voters only advise, and the way out is a witness', () => {
    expect(warned(TWO)).toEqual([
      'found 2 voters (eu-west, us-east) for 2 targets of web.example.test, expected at least 3; nothing moves by itself because of them, Tidegate only advises and pages (with two, a dead region takes the majority with it); add a witness: a small machine in a third place that probes and votes',
    ]);
  });

  test('one voter only advises, and pools in one region have nowhere to go', () => {
    const messages = warned(ONE);
    expect(messages).toContainEqual(expect.stringContaining('found 1 voter (eu-west) for 2 targets'));
    expect(messages).toContainEqual(expect.stringContaining('found all pools of web.example.test in one region'));
  });

  test('a single pool has nowhere to send its traffic', () => {
    const good = fixture('good.yaml');
    expect(warned(good.slice(0, good.indexOf('        - name: us-east')))).toEqual([
      expect.stringContaining('found a single pool for web.example.test'),
    ]);
  });

  test('a voting region without anchors cannot tell its own trouble; one without a vote need not', () => {
    expect(warned(goodWith(REGION('us-east'), '    - { name: us-east }\n'))).toEqual([
      expect.stringContaining('found no anchors for us-east'),
    ]);
    expect(warned(goodWith(REGION('us-east'), `${REGION('us-east')}    - { name: office, vote: false }\n`))).toEqual([]);
  });

  test('what a region without a vote sees moves nothing', () => {
    const text = goodWith(REGION('us-east'), `${REGION('us-east')}    - { name: office, vote: false }\n`).replace(
      'name: app, ',
      'name: app, from: [eu-west, us-east, ap-south, office], ',
    );
    expect(warned(text)).toEqual([expect.stringContaining('found office, which does not vote')]);
  });

  test('listening beyond loopback shows tokens to the network', () => {
    expect(warned(goodWith('127.0.0.1:7700', '0.0.0.0:7700'))).toEqual([
      expect.stringContaining('found 0.0.0.0, expected a loopback address'),
    ]);
    expect(warned(goodWith('127.0.0.1:7700', '"[::1]:7700"'))).toEqual([]);
  });

  test('fifty services with one shortcoming are one warning each', () => {
    expect(warned(FIFTY.replace(REGION('ap-south'), ''))).toEqual([
      expect.stringContaining('for 100 targets of web0.example.test, web1.example.test, web2.example.test and 47 more'),
    ]);
  });

  test('a cluster without services is lawful and said', () => {
    const good = fixture('good.yaml');
    expect(warned(`${good.slice(0, good.indexOf('  services:'))}  services: []\n`)).toEqual([expect.stringContaining('found no service')]);
  });
});

describe('arithmetic', () => {
  const worst = (text: string) => {
    const cluster = clusterOf(text);
    return worstCaseOf(cluster, cluster.services[0] ?? expect.fail('no service'));
  };

  test('three voters at the defaults detect a dead region within 12 s and leave it within 50 s, well inside the goals', () => {
    const { detection, convergence, never } = worst(fixture('good.yaml'));
    expect(detection?.totalMs).toBe(11_250);
    expect(convergence.totalMs).toBe(47_000);
    expect(never).toBeNull();
  });

  test('printed steps add up to the total', () => {
    for (const text of [fixture('good.yaml'), fixture('full.yaml'), withPolicy('interval: 1s')]) {
      const { detection, convergence } = worst(text);
      for (const sum of [detection, convergence]) {
        expect(sum?.steps.reduce((total, { ms }) => total + ms, 0)).toBe(sum?.totalMs);
      }
    }
  });

  test('a majority of three out of five needs one fault less from each, a second sooner, so that the lease comes to bound it', () => {
    const five = goodWith(REGION('ap-south'), REGION('ap-south') + REGION('w1') + REGION('w2'));
    expect(worst(five).detection?.totalMs).toBe(10_300);
    expect(worst(five.replace('  services:', '  policy: { lease: 5s }\n  services:')).detection?.totalMs).toBe(10_250);
  });

  test('with one endpoint there are half the looks, and the suspicious one counts', () => {
    const single = fixture('good.yaml').replaceAll(/, readyz: http\S+ /g, ' ');
    expect(worst(single).detection?.totalMs).toBe(11_250 + 2500 - 1000);
  });

  test('a long lease, not the votes, is what a dead coordinator costs', () => {
    const { detection } = worst(withPolicy('lease: 10s'));
    expect(detection?.steps.map(({ what }) => what)).toContain('lease');
    expect(detection?.totalMs).toBe(14_300);
  });

  test('too few voters are never in time, and that is a warning rather than an error', () => {
    expect(worst(TWO).detection).toBeNull();
    expect(parseConfig(TWO.replace('  services:', '  policy: { interval: 40s }\n  goals: { convergence: 90s }\n  services:'), 'f').ok).toBe(
      true,
    );
  });

  test.each([
    ['interval', 'policy: { interval: 60s }', 'goals: { convergence: 10m }'],
    ['lease', 'policy: { lease: 45s }', ''],
  ])('the %s that a refusal proposes is accepted, and so is the goal', (key, policy, goals) => {
    const text = (p: string, g: string): string => goodWith('  services:', `  ${p}\n  ${g}\n  services:`);
    const [problem, ...more] = problemsOf(parseConfig(text(policy, goals), 'f'));
    expect(more).toEqual([]);
    const value = new RegExp(`lower policy\\.${key} to (\\S+) or`).exec(problem?.message ?? '')?.[1];
    expect(problemsOf(parseConfig(text(`policy: { ${key}: ${value} }`, goals), 'f'))).toEqual([]);
    const goal = /raise goals\.detection to (\S+)$/.exec(problem?.message ?? '')?.[1];
    expect(problemsOf(parseConfig(text(policy, `goals: { detection: ${goal}, convergence: 10m }`), 'f'))).toEqual([]);
  });

  test('the TTL that a refusal proposes is accepted', () => {
    const text = (ttl: string): string => goodWith('      provider: dns\n', `      provider: dns\n      ttl: ${ttl}\n`);
    const [problem] = problemsOf(parseConfig(text('10m'), 'f'));
    expect(parseConfig(text(/lower ttl to (\S+) or/.exec(problem?.message ?? '')?.[1] ?? ''), 'f').ok).toBe(true);
  });

  test('fifty services that miss a goal for one reason are one problem', () => {
    const problems = problemsOf(parseConfig(FIFTY.replaceAll('      provider: dns\n', '      provider: dns\n      ttl: 5m\n'), 'f'));
    expect(problems).toHaveLength(1);
    expect(problems[0]?.message).toContain('web0.example.test, web1.example.test, web2.example.test and 47 more');
  });
});

describe('joining a store', () => {
  const cluster = clusterOf(fixture('good.yaml'));
  const { region, providers } = accepted(fixture('good.yaml')).config;

  test('a replica whose region and providers fit may join', () => {
    expect(joinProblems({ region, providers }, cluster)).toEqual([]);
  });

  test('one of a region that the cluster does not have may not', () => {
    expect(joinProblems({ region: 'us-eest', providers }, cluster)).toEqual([
      'region: found "us-eest", expected a region of the cluster: eu-west, us-east, ap-south; did you mean "us-east"?',
    ]);
  });

  test('a coordinator needs every provider; a region that never coordinates needs none', () => {
    expect(joinProblems({ region, providers: {} }, cluster)).toEqual([
      expect.stringContaining('found "dns", expected a provider of this file: none'),
    ]);
    const voting = { ...cluster, regions: cluster.regions.map((each) => ({ ...each, coordinator: each.name !== region })) };
    expect(joinProblems({ region, providers: {} }, voting)).toEqual([]);
  });
});

describe('the report of check', () => {
  test.each([
    ['of the defaults', 'good', fixture('good.yaml')],
    ['of every key', 'full', fixture('full.yaml')],
    ['of fifty services', 'fifty', FIFTY],
    ['of two voters', 'two-voters', TWO],
    [
      'of a joining replica',
      'remote',
      goodWith('kind: embedded\n  file: ./store.sqlite', 'kind: remote\n  url: http://127.0.0.1:7710\n  tokenFile: t'),
    ],
  ])('%s is what its file says', (_, name, text) => {
    const { config, warnings } = accepted(text, '/etc/tidegate/site.yaml');
    expectFile(`report-${name}.txt`, report(config, warnings));
  });

  test('of platforms: what begins a run, how long it takes, what cannot be undone, at 80 columns', () => {
    const { config } = accepted(fixture('full.yaml'));
    const lines = platformReport(config.cluster ?? expect.fail('no cluster'));
    expect(lines.filter((line) => line.length > 80)).toEqual([]);
    expect(platformReport({ ...(config.cluster ?? expect.fail('no cluster')), platforms: [] })).toEqual([]);
  });

  test('fifty services fit one screen', () => {
    const { config, warnings } = accepted(FIFTY);
    expect(report(config, warnings).split('\n').length).toBeLessThan(40);
  });

  test('a refusal ends with its count', () => {
    const problems = problemsOf(parseConfig(goodWith('replica: a', 'replica: A'), 'f'));
    expect(reportProblems(problems)).toBe(`${problems.map(renderProblem).join('\n')}\n1 problem\n`);
  });
});
