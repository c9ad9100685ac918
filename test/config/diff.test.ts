// One line per changed value, by name; nothing missed, nothing invented.
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { diffCluster, LINES_MAX } from '../../src/config/diff.ts';
import type { ClusterConfig } from '../../src/model.ts';
import { clusterOf, poolOf, serviceOf } from '../world.ts';
import { accepted, fixture } from './files.ts';

const FULL = fixture('full.yaml');
const clusterIn = (text: string): ClusterConfig => accepted(text).config.cluster ?? expect.fail('no cluster');
const BASE = clusterIn(FULL);

/** The lines between full.yaml and itself with pieces of text replaced, which must be there. */
const diff = (...pairs: readonly (readonly [string, string])[]): readonly string[] => {
  const text = pairs.reduce((changed, [from, to]) => {
    if (!changed.includes(from)) throw new Error(`full.yaml has no ${from}`);
    return changed.replace(from, () => to);
  }, FULL);
  return diffCluster(BASE, clusterIn(text));
};

const WITNESS =
  "    - { name: witness, coordinator: false, anchors: ['tcp://192.0.2.1:443'], keys: [5xsUR6zQamjl6lUMjxgpdwqaD9wxLB08pjcSN0nZFIQ] }\n";
const OFFICE = '    - { name: office, vote: false, coordinator: false }\n';

const CASES: readonly [string, readonly (readonly [string, string])[], readonly unknown[]][] = [
  ['nothing', [], []],
  ['the version alone', [['version: 7', 'version: 8']], []],
  ['a duration, as the file spells it', [['interval: 4s', 'interval: 4500ms']], ['/policy/interval: 4s -> 4.5s']],
  ['a TTL', [['ttl: 20s', 'ttl: 30s']], ['/services/web.example.test/ttl: 20s -> 30s']],
  ['a number', [['weight: 100', 'weight: 50']], ['/services/web.example.test/pools/blue/weight: 100 -> 50']],
  ['a word', [['mode: auto', 'mode: observe']], ['/services/web.example.test/mode: "auto" -> "observe"']],
  ['a vote', [['office, vote: false', 'office, vote: true']], ['/regions/office/vote: false -> true']],
  [
    'a list of values, as a whole',
    [['answers: [192.0.2.30]', 'answers: [192.0.2.30, 192.0.2.31]']],
    ['/services/api.bind.test/pools/eu-west/answers: ["192.0.2.30"] -> ["192.0.2.30","192.0.2.31"]'],
  ],
  [
    'a value that comes, and one that goes',
    [
      [WITNESS, WITNESS.replace(/, keys: .*\]/, '')],
      ['office, vote: false,', "office, anchors: ['tcp://192.0.2.1:443'], vote: false,"],
    ],
    [
      '/regions/witness/keys: ["5xsUR6zQamjl6lUMjxgpdwqaD9wxLB08pjcSN0nZFIQ"] -> nothing',
      '/regions/office/anchors: [] -> ["tcp://192.0.2.1:443"]',
    ],
  ],
  ['a setting of a rule', [['regions: 2, window', 'regions: 1, window']], ['/policy/safety/blast-radius/regions: 2 -> 1']],
  [
    'a status of an endpoint, by its path of names',
    [['status: [200-299, 304]', 'status: [204]']],
    ['/services/web.example.test/pools/blue/targets/front/healthz/status: [[200,299],[304,304]] -> [[204,204]]'],
  ],
  [
    'a region added, by name',
    [[OFFICE, `    - { name: sa-east, coordinator: false }\n${OFFICE}`]],
    ['/regions/sa-east: added {"vote":true,"coordinator":false,"anchors":[]}'],
  ],
  ['a region removed: the others stay themselves', [[OFFICE, '']], ['/regions/office: removed']],
  [
    'a pool in place of another',
    [['name: eu-west, answers', 'name: green, region: eu-west, answers']],
    [
      '/services/api.bind.test/pools/eu-west: removed',
      expect.stringMatching(/^\/services\/api\.bind\.test\/pools\/green: added \{.*"answers":\["192\.0\.2\.30"\],.*…$/),
    ],
  ],
  [
    'an order',
    [[WITNESS + OFFICE, OFFICE + WITNESS]],
    ['/regions: order eu-west, us-east, witness, office -> eu-west, us-east, office, witness'],
  ],
  [
    'what follows the ? of an address, without repeating what may be a token',
    [['http://us.example/readyz', 'http://us.example/readyz?token=S3cr3t']],
    ['/services/web.example.test/pools/us-east/targets/front/readyz/url: "http://us.example/readyz" -> "http://us.example/readyz?…"'],
  ],
];

describe('one line per change', () => {
  test.each(CASES)('%s', (_, pairs, lines) => {
    expect(diff(...pairs)).toEqual(lines);
  });

  test('the first configuration is told part by part', () => {
    expect(diffCluster(null, BASE).map((line) => line.split(/:? /)[0])).toEqual([
      '/name',
      '/goals',
      '/regions/eu-west',
      '/regions/us-east',
      '/regions/witness',
      '/regions/office',
      '/policy',
      '/services/web.example.test',
      '/services/api.bind.test',
      '/platforms/orders',
      '/platforms/mirror',
    ]);
  });

  test('another cluster altogether is cut, with its count, and a long value too', () => {
    const pools = (n: number): ClusterConfig =>
      clusterOf(
        ['a'],
        Array.from({ length: 600 }, (_, i) => ({ name: `s${i}`, pools: [poolOf('a', n, 0)] })),
      );
    const lines = diffCluster(pools(1), pools(2));
    expect(lines).toHaveLength(LINES_MAX);
    expect(lines.at(-1)).toBe('… and 101 more changes');
    const long = diff(["'https://anchor.example/'", `'https://anchor.example/${'x'.repeat(1000)}'`]);
    expect(long.join('').length).toBeLessThan(400);
  });
});

describe('the diff and equality', () => {
  const name = fc.constantFrom('a', 'b', 'c');
  const region = fc.record({ name, vote: fc.boolean(), coordinator: fc.boolean(), anchors: fc.subarray(['tcp://x:1', 'tcp://y:1']) });
  const pool = fc.record({
    name,
    region: name,
    weight: fc.nat(2),
    minUp: fc.constant(1),
    answers: fc.subarray(['1.1.1.1', '2.2.2.2']),
    targets: fc.constant([]),
  });
  const unique = <T extends { name: string }>(item: fc.Arbitrary<T>): fc.Arbitrary<T[]> =>
    fc.uniqueArray(item, { selector: (each) => each.name });
  const service = fc.record({ name, ttlS: fc.constantFrom(10, 20), pools: unique(pool) });
  const cluster = fc
    .record({ version: fc.nat(3), regions: unique(region), services: unique(service), interval: fc.constantFrom(1000, 2000) })
    .map(({ interval, ...given }) => {
      const base = clusterOf(['a'], [{}], { intervalMs: interval });
      return { ...base, ...given, services: given.services.map((each) => ({ ...serviceOf(['a'], {}), ...each })) } satisfies ClusterConfig;
    });

  test('it is empty iff nothing but the version differs', () => {
    fc.assert(
      fc.property(cluster, cluster, (before, after) => {
        const same = isDeepStrictEqual({ ...before, version: 0 }, { ...after, version: 0 });
        expect(diffCluster(before, after).length === 0).toBe(same);
      }),
      { numRuns: 500 },
    );
  });

  test('each line has a path of its own, and turning the change round turns the lines round', () => {
    fc.assert(
      fc.property(cluster, cluster, (before, after) => {
        const paths = (lines: readonly string[]): string[] => lines.map((line) => line.slice(0, line.indexOf(': '))).sort();
        const there = paths(diffCluster(before, after));
        expect(new Set(there).size).toBe(there.length);
        expect(paths(diffCluster(after, before))).toEqual(there);
      }),
      { numRuns: 300 },
    );
  });
});
