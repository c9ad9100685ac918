// A store on etcd and what comes with it: what a file becomes, who proves what, what is lawful but hardly meant, and numbers that follow the store's pace.
import { describe, expect, test } from 'vitest';
import { paceOf, USUAL_PACE, worstCaseOf } from '../../src/config/arithmetic.ts';
import { joinProblems } from '../../src/config/check.ts';
import { parseCluster, parseConfig } from '../../src/config/load.ts';
import { report } from '../../src/config/report.ts';
import { needsRestart } from '../../src/config/transition.ts';
import type { ClusterConfig } from '../../src/model.ts';
import { accepted, expectFile, fixture, goodWith, problemsOf } from './files.ts';

const GOOD = fixture('good-etcd.yaml');
const with_ = (...pairs: readonly (readonly [string, string])[]): string =>
  pairs.reduce((text, [from, to]) => {
    if (!text.includes(from)) throw new Error(`good-etcd.yaml has no ${from}`);
    return text.replace(from, () => to);
  }, GOOD);
const warned = (text: string): string[] => accepted(text).warnings.map(({ path, message }) => `${path}: ${message}`);
const storeOf = (text: string) => {
  const { store } = accepted(text, '/etc/tidegate/a.yaml').config;
  return store.kind === 'etcd' ? store : expect.fail('no etcd');
};
const SECOND = '    - https://etcd-2.example.net:2379\n';
const TLS = '  tls: { caFile: ./ca.pem, certFile: ./client.pem, keyFile: ./client.key }\n';
const KEY = 'TVKbBb6sbjIg8vA8hU689eI3Onbe6RV0i3rCyA61ZVw';
const OTHER = '0Vi7l4-LVkIMExNh88KRyKaeXx1Y1GE_uTENsRna_3I';

describe('what the section becomes', () => {
  test('paths are absolute, the timeout is in ms and has a default, and nothing is warned of', () => {
    expect(storeOf(GOOD)).toEqual({
      kind: 'etcd',
      endpoints: ['https://etcd-1.example.net:2379', 'https://etcd-2.example.net:2379', 'https://etcd-3.example.net:2379'],
      prefix: '/tidegate/prod/',
      tls: { caFile: '/etc/tidegate/ca.pem', certFile: '/etc/tidegate/client.pem', keyFile: '/etc/tidegate/client.key' },
      timeoutMs: 1500,
    });
    expect(accepted(GOOD, '/etc/tidegate/a.yaml').config).toMatchObject({
      signing: { keyFile: '/etc/tidegate/signing.pem' },
      paging: { channels: [{ name: 'am' }, { name: 'mail' }], routes: [], spoolFile: '/etc/tidegate/spool.jsonl' },
      cluster: null,
    });
    expect(warned(GOOD)).toEqual([]);
  });

  test('the prefix does not depend on a section that is not used: every replica without one finds the same store', () => {
    const bare = with_(['  prefix: /tidegate/prod/\n', '']);
    const beside = `${bare}${fixture('good.yaml').slice(fixture('good.yaml').indexOf('cluster:'))}`.replace(
      'signing: { keyFile: ./signing.pem }\n',
      '',
    );
    expect([storeOf(bare).prefix, storeOf(beside).prefix]).toEqual(['/tidegate/default/', '/tidegate/default/']);
  });

  test.each([
    ['https://etcd-1.example.net:2379/', 'https://etcd-1.example.net:2379'],
    ['https://ETCD-1.Example.net:2379', 'https://etcd-1.example.net:2379'],
    ['https://etcd-1.example.net:443', 'https://etcd-1.example.net:443'],
    ['https://192.0.2.7:2379', 'https://192.0.2.7:2379'],
    ["'https://[2001:DB8::7]:2379'", 'https://[2001:db8::7]:2379'],
  ])('the endpoint %s is %s', (given, canonical) => {
    expect(storeOf(with_(['https://etcd-1.example.net:2379', given])).endpoints[0]).toBe(canonical);
  });

  test.each(['http://localhost:2379', 'http://127.0.0.1:2379', 'http://127.9.9.9:2379', "'http://[::1]:2379'"])(
    '%s in the clear reaches this machine only, and needs no proof',
    (endpoint) => {
      const text = GOOD.replace(/ {2}endpoints:\n( {4}.*\n)+/, `  endpoints: [${endpoint}]\n`).replace(TLS, '');
      expect(parseConfig(text, 'f').ok).toBe(true);
    },
  );

  test.each([
    'http://localhost.example.net:2379',
    'http://127.0.0.1.example.net:2379',
    'http://192.0.2.7:2379',
    "'http://[2001:db8::7]:2379'",
    'https://etcd-1.example.net',
    'https://etcd-1.example.net:0',
    'https://etcd-1.example.net:70000',
    'https://etcd-1.example.net:2379/v3',
    'https://etcd-1.example.net:2379?a=b',
    'https://root:hunter2@etcd-1.example.net:2379',
    'etcd-1.example.net:2379',
    'tcp://etcd-1.example.net:2379',
  ])('the endpoint %s is refused at its place', (endpoint) => {
    const [problem, ...more] = problemsOf(parseConfig(with_(['https://etcd-1.example.net:2379', endpoint]), 'f'));
    expect(more).toEqual([]);
    expect(problem).toMatchObject({ line: 10, column: 7, path: 'store.endpoints[0]' });
    expect(problem?.message).not.toContain('hunter2');
  });

  test.each(['/', '/a/', '/tidegate/prod/eu/'])('the prefix %s is taken', (prefix) => {
    expect(storeOf(with_(['/tidegate/prod/', prefix])).prefix).toBe(prefix);
  });
  test.each(['tidegate/', '/tidegate', '//', '/a//b/', '"/a b/"', '/ü/', `/${'x'.repeat(127)}/`])('the prefix %s is refused', (prefix) => {
    expect(problemsOf(parseConfig(with_(['/tidegate/prod/', prefix]), 'f'))).toMatchObject([{ path: 'store.prefix' }]);
  });
});

describe('who proves what', () => {
  test('a user with a password is enough, though TLS then rests on the authorities of the system', () => {
    expect(warned(with_([TLS, '  user: { name: eu-west, passwordFile: etcd.password }\n']))).toEqual([]);
  });

  test('trust in the store alone lets everybody write it: said, not refused', () => {
    expect(warned(with_([TLS, '  tls: { caFile: ca.pem }\n']))).toEqual([
      'store.tls: found no certFile and no user, expected one of them; the store lets in whoever reaches it',
    ]);
  });

  const cluster = (keys: Readonly<Record<string, readonly string[]>>, more = ''): string =>
    ['eu-west', 'us-east', 'ap-south']
      .map(
        (name) =>
          `    - { name: ${name}, anchors: [tcp://192.0.2.1:53]${keys[name] ? `, keys: [${keys[name].join(', ')}]` : ''}${more} }\n`,
      )
      .join('');
  const regions = /( {4}- \{ name: (eu-west|us-east|ap-south), anchors.*\n)+/;
  const withRegions = (text: string, signs: boolean): string =>
    (signs ? goodWith('providers:\n', 'signing: { keyFile: k.pem }\nproviders:\n') : fixture('good.yaml')).replace(regions, text);

  test('all regions sign or none does: one that does not is the door for a forged majority', () => {
    const some = withRegions(cluster({ 'eu-west': [KEY] }), true);
    expect(warned(some)).toEqual([
      expect.stringContaining('cluster.regions[1]: found no keys for us-east, ap-south beside regions that sign'),
    ]);
    expect(warned(withRegions(cluster({}), false))).toEqual([]);
  });

  test('two keys of one region are a rotation; one key of two regions is a mistake', () => {
    expect(problemsOf(parseConfig(withRegions(cluster({ 'eu-west': [KEY, OTHER] }), true), 'f'))).toEqual([]);
    expect(problemsOf(parseConfig(withRegions(cluster({ 'eu-west': [KEY], 'us-east': [KEY] }), true), 'f'))).toMatchObject([
      { path: 'cluster.regions[1].keys[0]' },
    ]);
    expect(problemsOf(parseConfig(withRegions(cluster({ 'eu-west': [KEY, KEY] }), true), 'f'))).toMatchObject([
      { path: 'cluster.regions[0].keys[1]' },
    ]);
  });

  test('whoever serves the built-in zone has it already, so that is no credential out of place', () => {
    const text = goodWith('tokenFile: ./dns.token }', 'tokenFile: ./dns.token, serve: { dns: 127.0.0.1:7753 } }').replace(
      '{ name: eu-west,',
      '{ name: eu-west, coordinator: false,',
    );
    expect(problemsOf(parseConfig(text, 'f'))).toEqual([]);
  });

  test('a broken cluster section says nothing about keys and credentials', () => {
    const text = withRegions(cluster({ 'eu-west': [KEY] }, ', coordinator: no-idea'), false);
    expect(problemsOf(parseConfig(text, 'f')).map(({ path }) => path)).toEqual([0, 1, 2].map((i) => `cluster.regions[${i}].coordinator`));
  });
});

describe('lawful, hardly meant', () => {
  test.each([
    [2, SECOND, ''],
    [4, SECOND, `${SECOND}    - https://etcd-4.example.net:2379\n`],
  ])('%i members bear no more losses than one less', (n, from, to) => {
    expect(warned(with_([from, to]))).toEqual([
      expect.stringMatching(new RegExp(`^store.endpoints: found ${n} endpoints, expected 3 or 5 members`)),
    ]);
  });
  test('five members are not warned of', () => {
    expect(warned(with_([SECOND, `${SECOND}    - https://etcd-4.example.net:2379\n    - https://etcd-5.example.net:2379\n`]))).toEqual([]);
  });

  test('without a signing key, without a spool, and with a section that is not used', () => {
    const cluster = fixture('good.yaml').slice(fixture('good.yaml').indexOf('cluster:'));
    const text = `${with_([GOOD.slice(GOOD.indexOf('signing:'), GOOD.indexOf('providers:')), ''])}${cluster}`;
    expect(warned(text)).toEqual([
      expect.stringMatching(/^paging\.channels: found no channel but the log, expected two that fail apart; nobody is woken\./),
      expect.stringMatching(/^paging\.spoolFile: found nothing, expected a file; without it pages .* are lost when it restarts$/),
      expect.stringMatching(/^signing: found nothing, expected signing\.keyFile; .*tidegate keygen$/),
      expect.stringMatching(/^cluster: found a cluster section beside a store of kind etcd, .*`tidegate apply -f` writes it there/),
    ]);
  });

  const AM = '    - { kind: alertmanager, name: am, urls: [https://am.example.net] }\n';
  const MAIL = GOOD.split('\n').find((line) => line.includes('kind: email')) ?? expect.fail('no mail');
  test('with one way out for pages, and with two that fail together', () => {
    expect(warned(with_([AM, '']))).toEqual([
      'paging.channels: found one channel (mail), expected two that fail apart; when that one fails nobody is woken. Add one of another kind, or at another host',
    ]);
    const twice = with_([MAIL, AM.trimEnd().replace('name: am', 'name: again').replace('example.net]', 'example.net/path]')]);
    expect(warned(twice)).toEqual([expect.stringMatching(/^paging\.channels: found am, again, which are of one kind at one host/)]);
    expect(warned(with_([MAIL, AM.trimEnd().replace('name: am', 'name: again').replace('am.example', 'other.example')]))).toEqual([]);
  });

  test('with a route that lets only the log hear of critical pages, wherever it stands', () => {
    const routed = (routes: string) => warned(with_(['  spoolFile', `  routes: [${routes}]\n  spoolFile`]));
    expect(routed('{ severity: [info], to: [am] }, { severity: [critical], region: [eu-west], to: [log] }, { to: [am] }')).toEqual([
      expect.stringMatching(/^paging\.routes\[1\]: found a route that tells critical pages to the log alone/),
    ]);
    expect(routed('{ to: [log] }')).toHaveLength(1);
    expect(routed('{ severity: [info, warning], to: [log] }, { to: [log], also: [mail] }')).toEqual([]);
  });

  test('its own part needs a restart when it changes, the signing key included', () => {
    const { config } = accepted(GOOD);
    for (const [from, to, section] of [
      ['prod', 'test', 'store'],
      ['signing.pem', 'next.pem', 'signing'],
      ['spool.jsonl', 'next.jsonl', 'paging'],
    ] as const)
      expect(needsRestart(config, accepted(with_([from, to])).config).map(({ path }) => path)).toEqual([section]);
  });
});

describe('the report of check', () => {
  test.each([
    ['etcd', GOOD],
    ['etcd-user', with_([TLS, '  user: { name: eu-west, passwordFile: etcd.password }\n  timeout: 3s\n'])],
  ])('of a replica on %s is what its file says', (name, text) => {
    const { config, warnings } = accepted(text, '/etc/tidegate/site.yaml');
    expectFile(`report-${name}.txt`, report(config, warnings));
  });
});

describe("the store's pace", () => {
  const cluster = accepted(fixture('good.yaml')).config.cluster ?? expect.fail('no cluster');
  const service = cluster.services[0] ?? expect.fail('no service');
  const store = (timeout: string) => storeOf(with_(['  prefix', `  timeout: ${timeout}\n  prefix`]));

  test('with etcd every bound on the store is its timeout, and the sums say so', () => {
    const usual = worstCaseOf(cluster, service);
    const slow = worstCaseOf(cluster, service, paceOf(store('3s')));
    const named = [...(slow.detection?.steps ?? []), ...slow.convergence.steps].filter(({ what }) => what.includes('store.timeout'));
    expect(named.map(({ ms, what }) => `${ms} ${what}`)).toEqual([
      '3500 sight of the last renewal (500 ms and store.timeout)',
      '3000 campaign (store.timeout)',
      '3000 commit of the decision (store.timeout)',
      '3000 guard before the write (store.timeout)',
    ]);
    expect(slow.convergence.totalMs - usual.convergence.totalMs).toBe(2000);
    expect(paceOf(accepted(fixture('good.yaml')).config.store)).toBe(USUAL_PACE);
  });

  test('a store that slow may miss the goals, and the file of the cluster is refused with the arithmetic', () => {
    const text = fixture('good.yaml').slice(fixture('good.yaml').indexOf('cluster:'));
    const tight = text.replace('  services:', '  goals: { detection: 15s }\n  services:');
    expect(parseCluster(tight, 'f', paceOf(store('1500ms'))).ok).toBe(true);
    const refused = parseCluster(tight, 'f', paceOf(store('4s')));
    expect(refused.ok ? [] : refused.problems).toMatchObject([
      { path: 'cluster.goals.detection', message: expect.stringContaining('campaign (store.timeout)') },
    ]);
  });
});

describe("a cluster's file of its own", () => {
  const SECTION = fixture('good.yaml').slice(fixture('good.yaml').indexOf('cluster:'));
  const problems = (text: string) => {
    const loaded = parseCluster(text, 'f');
    return loaded.ok ? [] : loaded.problems.map(({ line, column, path, message }) => `${line}:${column} ${path}: ${message}`);
  };

  test('the section alone and a whole file with it give the same cluster', () => {
    const [alone, whole] = [parseCluster(SECTION, 'f'), parseCluster(fixture('good.yaml'), 'f')];
    expect(alone.ok && alone.cluster).toEqual(accepted(fixture('good.yaml')).config.cluster);
    expect(whole.ok && whole.cluster).toEqual(alone.ok && alone.cluster);
  });

  test("providers are the replicas' own, so nothing is said about them; every other relation is checked", () => {
    expect(problems(SECTION.replace('provider: dns', 'provider: whatever'))).toEqual([]);
    expect(problems(SECTION.replace('answers: [192.0.2.20]', 'answers: [192.0.2.10]'))).toEqual([
      expect.stringContaining('cluster.services[0].pools[1].answers[0]: found 192.0.2.10 a second time'),
    ]);
    expect(problems(SECTION.replaceAll('anchors: [', 'coordinator: false, anchors: ['))).toEqual([
      expect.stringContaining('found no region with "coordinator: true"'),
    ]);
  });

  test('a slip in the only key, a missing section and an empty file are told as such', () => {
    expect(problems(SECTION.replace('cluster:', 'clutser:'))).toEqual([
      '1:1 clutser: found the unknown key "clutser", expected cluster; did you mean "cluster"?',
    ]);
    expect(problems(GOOD)).toEqual([
      expect.stringMatching(/^2:1 cluster: found nothing, expected the cluster section, which is what apply writes/),
    ]);
    expect(problems('')).toEqual([expect.stringContaining('found an empty file')]);
  });

  test('a path that each replica reads on its own machine is absolute', () => {
    const ca = (path: string): string =>
      SECTION.replace('healthz: http://192.0.2.10/healthz', `healthz: { url: https://192.0.2.10/, caFile: ${path} }`);
    expect(problems(ca('ca.pem'))).toEqual([
      expect.stringContaining('cluster.services[0].pools[0].targets[0].healthz.caFile: found "ca.pem", expected an absolute path'),
    ]);
    expect(problems(ca('/etc/tidegate/ca.pem'))).toEqual([]);
  });

  test('broken and sound parts are told together', () => {
    expect(
      problems(SECTION.replace('provider: dns', 'provider: dns\n      ttl: 30').replace('answers: [192.0.2.20]', 'answers: [192.0.2.10]')),
    ).toEqual([expect.stringContaining('cluster.services[0].ttl: found 30'), expect.stringContaining('found 192.0.2.10 a second time')]);
  });
});

describe('joining a store', () => {
  const plain = accepted(fixture('good.yaml')).config;
  const cluster = plain.cluster ?? expect.fail('no cluster');
  const having = (more: Partial<ClusterConfig['regions'][number]>): ClusterConfig => ({
    ...cluster,
    regions: cluster.regions.map((region) => (region.name === 'eu-west' ? { ...region, ...more } : region)),
  });
  const { region, providers } = plain;

  test('only coordinator regions hold provider credentials', () => {
    expect(joinProblems({ region, providers }, having({ coordinator: false }))).toEqual([
      expect.stringContaining(
        'providers.dns: found "dns" in eu-west, which is no coordinator, expected no provider: only coordinator regions hold',
      ),
    ]);
    expect(joinProblems({ region, providers: {} }, having({ coordinator: false }))).toEqual([]);
  });

  test('who signs must be known, who is known must sign, and with a key that is there', () => {
    expect(joinProblems({ region, providers, publicKey: KEY }, cluster)).toEqual([
      expect.stringContaining('signing: found a signing key, but no keys'),
    ]);
    expect(joinProblems({ region, providers, signing: { keyFile: 'k' } }, cluster)).toHaveLength(1);
    expect(joinProblems({ region, providers }, having({ keys: [KEY] }))).toEqual([expect.stringContaining('which has no signing section')]);
    expect(joinProblems({ region, providers, publicKey: OTHER }, having({ keys: [KEY] }))).toEqual([
      expect.stringContaining(
        `signing.keyFile: found the key of ${OTHER}, expected one of those under cluster.regions for eu-west: ${KEY}`,
      ),
    ]);
    expect(joinProblems({ region, providers, publicKey: OTHER }, having({ keys: [KEY, OTHER] }))).toEqual([]);
  });
});

describe('large clusters', () => {
  const text = (targets: number): string => {
    const lines = Array.from(
      { length: targets },
      (_, i) => `            - { name: app-${i % 250}, healthz: http://host-${i}/healthz, readyz: http://host-${i}/readyz }`,
    );
    const pools = Array.from(
      { length: 4 },
      (_, p) => `        - name: region-${p}\n          answers: [192.0.2.${p + 1}]\n          targets:\n`,
    );
    const services = Array.from({ length: targets / 1000 }, (_, s) => {
      const of = pools.map((pool, p) => pool + lines.slice(1000 * s + 250 * p, 1000 * s + 250 * (p + 1)).join('\n'));
      return `    - name: s${s}.example.test\n      mode: observe\n      provider: dns\n      pools:\n${of.join('\n')}`;
    });
    const regions = pools.map((_, p) => `    - { name: region-${p}, anchors: [tcp://192.0.2.9:53] }`);
    return ['cluster:', '  name: large', '  regions:', ...regions, '  services:', ...services].join('\n');
  };

  test('the 10,000 targets that the manual promises are accepted, with a word on what etcd has to be told for them', () => {
    const loaded = parseCluster(text(10_000), 'cluster.yaml');
    expect(
      loaded.ok ? loaded.cluster.services.flatMap(({ pools }) => pools.flatMap(({ targets }) => targets)) : loaded.problems,
    ).toHaveLength(10_000);
    expect(loaded.ok && loaded.warnings.map(({ message }) => message)).toContainEqual(
      expect.stringContaining('start every member with --max-request-bytes=8388608'),
    );
    const small = parseCluster(text(2000), 'cluster.yaml');
    expect(small.ok && small.warnings.filter(({ message }) => message.includes('max-request-bytes'))).toEqual([]);
  });

  test('one that no store would take as one record is refused by check, with what to do', () => {
    const [problem, ...more] = problemsOf(parseCluster(text(25_000), 'cluster.yaml') as never);
    expect(more).toEqual([]);
    expect(problem?.message).toMatch(
      /^found \d+ bytes once written out, expected at most 4194304, the largest record of a store; split the cluster in two, by service$/,
    );
  });
});
