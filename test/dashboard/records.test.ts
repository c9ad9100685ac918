// What the page makes of records: the journal as one list, forecasts in short, suppositions as the API takes them, the report of an incident.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { AuditItem, DecisionItem, Dossier, Forecast } from '../../src/client/schema.ts';
import { alike, freshDraft, gistOf, hypothesisOf, movesText, sentenceOf, shareText, withOrder } from '../../src/dashboard/page/acts.ts';
import { plain, postMortem, type Recorded } from '../../src/dashboard/page/incident.ts';
import {
  endOf,
  type Filter,
  joined,
  type Line,
  lineOfAct,
  lineOfDecision,
  lineOfHappening,
  matches,
  NO_FILTER,
  newestAct,
  reaching,
} from '../../src/dashboard/page/records.ts';
import { courseWith, pendingCourse, T3_MS } from './course.fixture.ts';

const decision = (v: number, given: Partial<DecisionItem> = {}): DecisionItem => ({
  v,
  atMs: T3_MS + v,
  by: 'us-east/a',
  because: 'eu-west down: 3 of 4 vantages',
  changes: [{ service: 'web', before: { a: 500, b: 500, c: 0 }, after: { a: 0, b: 1000, c: 0 }, because: '' }],
  ...given,
});
const act = (n: number, detail: unknown = {}): AuditItem => ({
  id: `v1.j${n}`,
  kind: 'override.put',
  at: new Date(T3_MS + n).toISOString(),
  by: 'ana',
  because: `act ${n}`,
  record: { n, v: 1, atMs: T3_MS + n, by: 'ana', because: `act ${n}`, kind: 'override.put', how: 'token', detail },
});

describe('the journal', () => {
  test('what the stream tells of a record is the record, not a second one; what was read whole is kept', () => {
    const told = lineOfHappening({
      type: 'decision.made',
      timestamp: new Date(T3_MS + 7).toISOString(),
      data: { v: 7, by: 'x', because: 'y', changes: [] },
    });
    const entry = lineOfHappening({
      type: 'override.put',
      timestamp: new Date(T3_MS + 3).toISOString(),
      data: { n: 3, how: 'token', by: 'ana', because: 'z' },
    });
    const lines = joined([lineOfDecision(decision(7))], [lineOfAct(act(3))], [told, entry]);
    expect(lines.map(({ id, because }) => `${id} ${because}`)).toEqual(['v7 eu-west down: 3 of 4 vantages', 'j3 act 3']);
  });

  test('what only happened is told in a sentence of its own', () => {
    const line = lineOfHappening({
      type: 'pool.verdict.changed',
      timestamp: new Date(T3_MS).toISOString(),
      data: { service: 'web', pool: 'a', region: 'eu-west', before: 'up', after: 'out', cause: 'down', up: 0, total: 2 },
    });
    expect(line).toMatchObject({ sort: 'event', services: ['web'], regions: ['eu-west'] });
    expect(line.because).toBe('service web, pool a, region eu-west, before up, after out, cause down, up 0, total 2');
  });

  test('a list that ends sooner than the other hides what lies behind its end: it would look quiet there', () => {
    const lines = joined(
      [10, 9, 8].map((v) => lineOfDecision(decision(v))),
      [9, 1].map((n) => lineOfAct(act(n))),
    );
    expect(reaching(lines, [T3_MS + 8, null]).map(({ id }) => id)).toEqual(['v10', 'v9', 'j9', 'v8']);
    expect(reaching(lines, [null, null])).toHaveLength(5);
  });

  test('the audit tells oldest first: the end of what was read of it is its oldest all the same, or the journal shows nothing but the last act', () => {
    const acts = [lineOfAct(act(4)), lineOfAct(act(5)), lineOfAct(act(6))];
    expect(endOf(acts, 3)).toBe(T3_MS + 4);
    expect(endOf(acts.toReversed(), 3)).toBe(T3_MS + 4);
    expect(endOf(acts, null)).toBeNull();
    expect(endOf([], 3)).toBeNull();
  });

  test.each([
    ['v41.j7', 7],
    ['v0.j0', 0],
    ['', null],
    ['j7', null],
    [null, null],
  ])('the cursor %s reaches to the act %s', (cursor, n) => {
    expect(newestAct(cursor)).toBe(n);
  });

  const regionOf = (pool: string): string | undefined => ({ 'web/a': 'eu-west', 'web/b': 'us-east', 'web/c': 'ap-south' })[pool];
  const moved = lineOfDecision(decision(7));
  const ordered = lineOfAct(act(3, { override: { scope: { region: 'eu-west', service: 'Web' } } }));
  const passes = (line: Line, given: Partial<Filter>): boolean => matches(line, { ...NO_FILTER, ...given }, regionOf);

  test.each([
    [{}, true, true],
    [{ sort: 'decision' }, true, false],
    [{ kind: 'override.put' }, false, true],
    [{ service: 'wEb ' }, true, true],
    [{ service: 'api' }, false, false],
    // Both pools moved, the third did not.
    [{ region: 'eu-west' }, true, true],
    [{ region: 'us-east' }, true, false],
    [{ region: 'ap-south' }, false, false],
    [{ by: 'AN' }, false, true],
    [{ words: 'vantages  down' }, true, false],
    [{ words: 'j3' }, false, true],
    [{ words: 'web down' }, true, false],
  ] as [Partial<Filter>, boolean, boolean][])('%j shows the decision: %s, the act: %s', (given, first, second) => {
    expect([passes(moved, given), passes(ordered, given)]).toEqual([first, second]);
  });

  test('newest first and each once, whatever comes in whichever order', () => {
    const lines = fc.array(fc.record({ v: fc.integer({ min: 1, max: 20 }), act: fc.boolean() }), { maxLength: 30 });
    fc.assert(
      fc.property(lines, (given) => {
        const all = joined(given.map((each) => (each.act ? lineOfAct(act(each.v)) : lineOfDecision(decision(each.v)))));
        expect(new Set(all.map(({ id }) => id)).size).toBe(all.length);
        for (const [n, { atMs }] of all.entries()) expect(atMs).toBeLessThanOrEqual(all[n - 1]?.atMs ?? Number.POSITIVE_INFINITY);
      }),
    );
  });

  test('any JSON is a line', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string(), fc.jsonValue()),
        fc.constantFrom('decision.made', 'override.put', 'run.changed'),
        (data, type) => {
          const line = lineOfHappening({ type, timestamp: new Date(T3_MS).toISOString(), data });
          expect([...line.services, ...line.regions, line.by, line.because].every((each) => typeof each === 'string')).toBe(true);
          matches(line, { ...NO_FILTER, words: 'a', service: 'a' }, regionOf);
        },
      ),
    );
  });
});

const serviceIn = (service: string, given: Partial<Forecast['services'][number]> = {}): Forecast['services'][number] => ({
  service,
  mode: 'auto',
  before: { a: 500, b: 500 },
  after: { a: 0, b: 1000 },
  writes: [],
  capacity: null,
  converge: null,
  ...given,
});
const forecast = (given: Partial<Forecast> = {}): Forecast => ({
  steps: [],
  services: [],
  refusals: [],
  holds: [],
  pages: [],
  notes: [],
  ...given,
});

describe('a forecast', () => {
  test('services that move alike are told together, whatever the order of their pools', () => {
    const changes = [
      { service: 'one', before: { a: 500, b: 500 }, after: { a: 0, b: 1000 } },
      { service: 'two', before: { b: 500, a: 500 }, after: { b: 1000, a: 0 } },
      { service: 'other', before: { a: 500, b: 500 }, after: { a: 500, b: 500 } },
    ];
    expect(alike(changes).map(({ services }) => services)).toEqual([['one', 'two'], ['other']]);
    expect(alike(changes).map(movesText)).toEqual(['a 50 % → 0 %, b 50 % → 100 %', '']);
  });

  test('in short: where traffic goes by region, what is tightest, how long users take', () => {
    const converge = { p50Ms: 1, p99Ms: 31_000, samples: 1, source: 'history' as const, because: '' };
    const capacity = { load: 12, capacity: 10, leftPercent: -20, source: 'reported' as const, because: 'b bears 10' };
    const services = [
      serviceIn('one', { converge, capacity: { ...capacity, leftPercent: 40 } }),
      serviceIn('two', { after: { a: 250, b: 750 }, capacity }),
      serviceIn('still', { after: { a: 500, b: 500 } }),
      serviceIn('three', { after: { a: 0, b: 500, c: 500 }, converge: { ...converge, p99Ms: 12 } }),
    ];
    const gist = gistOf(forecast({ services }), (pool) => (pool.endsWith('/b') ? 'us-east' : undefined));
    expect(gist).toMatchObject({ moved: 3, followMs: 31_000, overloaded: 1, tightest: { service: 'two', leftPercent: -20 } });
    expect(gist.to).toEqual([
      { region: 'us-east', gained: 750 },
      { region: 'c', gained: 500 },
    ]);
    expect(shareText(gist)).toBe('us-east 60 %, c 40 %');
  });

  test('of nothing is nothing', () => {
    expect(gistOf(forecast(), () => undefined)).toEqual({
      moved: 0,
      to: [],
      tightest: null,
      overloaded: 0,
      refused: 0,
      held: 0,
      followMs: null,
    });
  });
});

describe('a supposition', () => {
  const fresh = { ...freshDraft('eu-west', 'web'), pool: 'a', id: 'drain-1' };
  test.each([
    [{ kind: 'region-down' }, { kind: 'region-down', region: 'eu-west' }, 'eu-west dies'],
    [{ kind: 'vantage-cut' }, { kind: 'vantage-cut', region: 'eu-west' }, 'the vantage eu-west falls silent'],
    [{ kind: 'pool-down' }, { kind: 'pool-down', service: 'web', pool: 'a' }, 'web/a dies'],
    [{ kind: 'override-gone' }, { kind: 'override-gone', id: 'drain-1' }, 'the order drain-1 ends'],
    [
      { kind: 'override' },
      { kind: 'override', override: { kind: 'drain', scope: { region: 'eu-west' }, ttl: '4h' } },
      'drain eu-west is ordered',
    ],
    [
      { kind: 'override', covers: 'pool', ttl: ' ' },
      { kind: 'override', override: { kind: 'drain', scope: { service: 'web', pool: 'a' } } },
      'drain web/a is ordered',
    ],
    [
      { kind: 'override', order: 'stop', covers: 'everything', ttl: '90m' },
      { kind: 'override', override: { kind: 'stop', scope: {}, ttl: '90m' } },
      'stop everything is ordered',
    ],
    [
      { kind: 'override', order: 'pin', covers: 'service', weights: { a: '12.5', b: '87,5', c: '', d: 'x' }, ttl: '' },
      { kind: 'override', override: { kind: 'pin', scope: { service: 'web' }, weights: { a: 125, b: 875, c: 0, d: 0 } } },
      'pin web is ordered',
    ],
  ] as const)('%j is sent as %j and said as "%s"', (given, sent, said) => {
    const hypothesis = hypothesisOf({ ...fresh, ...given });
    expect(hypothesis).toEqual(sent);
    expect(sentenceOf(hypothesis)).toBe(said);
  });

  test('another order covers what it can cover', () => {
    expect(withOrder({ ...fresh, covers: 'region' }, 'pin').covers).toBe('service');
    expect(withOrder({ ...fresh, covers: 'region' }, 'evacuate').covers).toBe('region');
  });
});

describe('the report of an incident', () => {
  const dossier = {
    v: 41,
    wouldChange: 'with 1 DOWN vote fewer eu-west would have kept its traffic',
    changes: decision(41).changes,
    holds: [{ service: 'api', pool: 'a', hold: 'pacing', because: 'another region was drained' }],
    evidence: [
      {
        endpoint: 'web/a/app#healthz',
        verdict: 'down',
        down: 3,
        up: 0,
        electorate: 4,
        needs: 3,
        firstFaultAgoMs: 6_100,
        ballots: { 'us-east': 'down' },
      },
    ],
    abstentions: [],
    silent: ['eu-west'],
    rules: { passed: [], refused: [] },
    trail: [{ service: 'web', provider: 'dns', outcome: 'applied', afterMs: 310, tries: 2, because: '' }],
  } as unknown as Dossier;
  const recorded = (given: Partial<Recorded> = {}): Recorded => ({
    course: courseWith(),
    cluster: 'prod',
    nowMs: T3_MS + 400_000,
    origin: 'https://tidegate.example',
    dossier,
    decisions: [decision(42), decision(41)],
    ...given,
  });

  test('has every number that is on record, and asks for what only people know', () => {
    const text = postMortem(recorded());
    for (const part of [
      '# eu-west: region-down, 2026-11-22 03:11:53.900 UTC',
      'https://tidegate.example/#incident=eu-west-41, decision 41: https://tidegate.example/#decision=41',
      'Detected in 6.1 s to 8.1 s (goal 30 s: met); users on the new route: 14 s (goal 60 s: met)',
      '| t6 | users land | 2026-11-22 03:12:14.200 | +14 s |  |',
      '| web | 2026-11-22 03:12:00.000 | 310 ms | 2.4 s | 14 s | met |  |',
      '| web/a/app\\#healthz | down | 3 of 4 down, needs 3 | us-east: down |',
      'Silent: eu-west.',
      '| web | a 50 %, b 50 %, c 0 % | a 0 %, b 100 %, c 0 % |',
      '| web | dns | applied | 310 ms | 2 |  |',
      '- held: api/a (pacing): another region was drained',
      '## Impact',
      '## Causes',
      '## What we will do',
    ])
      expect(text).toContain(part);
    expect(text.indexOf('| 41 |')).toBeLessThan(text.indexOf('| 42 |'));
    expect(text).not.toMatch(/undefined|NaN|null|\[object/);
  });

  test('says so where the incident goes on, and where the decision could not be read', () => {
    const text = postMortem(recorded({ course: pendingCourse(), dossier: null, decisions: [] }));
    expect(text).toContain('**Not over: written while it went on.**');
    expect(text).toContain('| t6 | users land |  | pending | waits for web |');
    expect(text.match(/The decision could not be read\./g)).toHaveLength(2);
  });

  test('what others wrote stays text: no heading, no cell, no element, no picture of theirs', () => {
    const evil = '\n# owned\n| a | b |\n<img src=x onerror=alert(1)> ![x](http://evil.example/p.png) `code` **bold**';
    const text = postMortem(
      recorded({
        course: courseWith({ because: evil, region: evil, services: [evil] }),
        decisions: [decision(41, { because: evil, by: evil })],
      }),
    );
    expect(text).not.toMatch(/^# owned/m);
    expect(text).not.toMatch(/(?<!\\)<img/);
    expect(text).not.toMatch(/(?<!\\)!\[/);
    for (const line of text.split('\n').filter((each) => each.startsWith('| 41 |'))) expect(line.match(/(?<!\\)\|/g)).toHaveLength(5);
  });

  test('any text is one line without an unescaped sign', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const line = plain(text);
        expect(line).not.toMatch(/[\r\n]/);
        expect(line.replaceAll(/\\./gu, '')).not.toMatch(/[`|<>[\]#*_{}~!&]/);
      }),
    );
  });
});
