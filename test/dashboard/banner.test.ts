// The sentence that is read first, of clusters in every state there is: the worst thing first, its figures those of the document.
import { describe, expect, test } from 'vitest';
import { overviewDocument } from '../../src/api/overview.ts';
import { type BannerFacts, bannerOf, cutOffMs } from '../../src/dashboard/banner.ts';
import { isAlike, shown } from '../../src/dashboard/page/words.ts';
import { NOW_MS, statusInput } from '../api/fixture.ts';

const REGIONS = ['eu-west', 'us-east', 'ap-south'];
type Service = BannerFacts['services'][number];
type Incident = BannerFacts['incidents'][number];
type Order = BannerFacts['overrides']['items'][number];

const service = (name: string, out: readonly string[] = [], given: Partial<Service> = {}): Service => ({
  name,
  mode: 'auto',
  because: '',
  pools: REGIONS.map((region) => ({
    name: region,
    region,
    verdict: out.includes(region) ? 'out' : 'up',
    share: out.includes(region) ? 0 : Math.round(1000 / (3 - out.length)),
    configuredShare: 333,
  })),
  ...given,
});
const HOUR_MS = 3_600_000;
const facts = (given: Partial<BannerFacts> = {}): BannerFacts => ({
  nowMs: NOW_MS,
  self: { region: 'us-east', replica: 'a', canVote: true, canDecide: true, because: '' },
  coordinator: { region: 'us-east', replica: 'a', released: false },
  decision: { atMs: NOW_MS - 4 * HOUR_MS },
  services: [service('web'), service('api')],
  incidents: [],
  holds: [],
  overrides: { items: [] },
  reminders: [],
  votes: { vantages: REGIONS.map((region) => ({ region, ageMs: 400, self: { state: 'ok' as const } })) },
  ...given,
});
const T0_MS = NOW_MS - 12_000;
const fell = (given: Partial<Incident> = {}): Incident => ({
  kind: 'region-down',
  region: 'eu-west',
  because: 'eu-west down: 3 of 4 vantages (needs 3), first fault 6.1 s ago',
  t0AtMs: T0_MS,
  t3AtMs: T0_MS + 6_000,
  closedAtMs: null,
  t4AtMs: null,
  t6AtMs: null,
  convergence: { judgement: 'pending', goalMs: 60_000, waitingFor: ['web', 'api'] },
  ...given,
});
const order = (given: Partial<Order> = {}): Order => ({
  kind: 'stop',
  scope: {},
  owner: 'ana',
  reason: 'vendor works on the zone',
  expiresAtMs: Date.UTC(2026, 10, 22, 4),
  active: true,
  obeyed: true,
  because: '',
  ...given,
});
const out = [service('web', ['eu-west']), service('api', ['eu-west'])];

const CASES: readonly [string, BannerFacts, string, string][] = [
  ['calm', facts(), 'ok', 'All 3 regions serve; nothing has moved for 4 h'],
  [
    'fallen, traffic still there',
    facts({
      incidents: [fell()],
      services: [service('web', []), out[1] as Service].map((s, i) =>
        i === 0 ? { ...s, pools: s.pools.map((p) => (p.region === 'eu-west' ? { ...p, verdict: 'out' as const } : p)) } : s,
      ),
    }),
    'bad',
    'eu-west is down since 03:11:48 (3 of 4 vantages); web still gets traffic there',
  ],
  [
    'fallen, being moved',
    facts({ incidents: [fell()], services: out }),
    'bad',
    'eu-west is down since 03:11:48 (3 of 4 vantages); its traffic is being moved, and is not seen to land yet: web, api',
  ],
  [
    'fallen, written',
    facts({ incidents: [fell({ t4AtMs: T0_MS + 6_400 })], services: out }),
    'bad',
    'eu-west is down since 03:11:48 (3 of 4 vantages); its traffic left 6.4 s after, and is not seen to land yet: web, api',
  ],
  [
    'fallen, landed',
    facts({ incidents: [fell({ t4AtMs: T0_MS + 6_400, t6AtMs: T0_MS + 11_000 })], services: out }),
    'bad',
    'eu-west is down since 03:11:48 (3 of 4 vantages); its traffic was seen to land elsewhere 11 s after',
  ],
  [
    'fallen, goal missed',
    facts({ incidents: [fell({ convergence: { judgement: 'missed', goalMs: 60_000, waitingFor: ['web'] } })], services: out }),
    'bad',
    'eu-west is down since 03:11:48 (3 of 4 vantages); its traffic has not landed elsewhere within 60 s: web not yet',
  ],
  [
    'fallen, observed only',
    facts({ incidents: [fell()], services: out.map((each) => ({ ...each, mode: 'observe' })) }),
    'bad',
    'eu-west is down since 03:11:48 (3 of 4 vantages); nothing is written of it, since no service of it is in auto',
  ],
  [
    'fallen, nobody can see where it lands',
    facts({ incidents: [fell({ convergence: { judgement: 'unmeasured', goalMs: 60_000, waitingFor: [] } })], services: out }),
    'bad',
    'eu-west is down since 03:11:48 (3 of 4 vantages); its traffic was moved, and nobody can see where it lands',
  ],
  [
    'coming back',
    facts({ incidents: [fell()], services: [service('web')] }),
    'warn',
    'eu-west is up again and coming back, with 100 % of its traffic',
  ],
  [
    'out without an incident',
    facts({ services: [service('web', ['eu-west']), service('api')] }),
    'bad',
    'eu-west is out for web, which gets no traffic there',
  ],
  [
    'everything looks down',
    facts({
      holds: ['web', 'api'].map((name) => ({ service: name, pool: 'eu-west', hold: 'all-down', because: '' })),
      services: [service('web', REGIONS), service('api', REGIONS)],
    }),
    'bad',
    'Every pool of everything looks down: the last route stays, since our probes or a shared cause are suspect',
  ],
  [
    'no majority of the store',
    facts({ self: { ...facts().self, canDecide: false, because: 'no majority of the store answers' } }),
    'bad',
    'Nothing can be decided: no majority of the store answers',
  ],
  ['nobody coordinates', facts({ coordinator: null }), 'bad', 'Nobody coordinates, so that nothing is decided'],
  [
    'two writers',
    facts({ platforms: [{ name: 'shop', databases: [{ database: 'orders', split: ['eu-west', 'us-east'] }] }] }),
    'bad',
    'eu-west and us-east both take writes of orders (shop): no route of its services moves',
  ],
  ['a provider that takes nothing', facts({ providers: [{ name: 'route53', failing: true }] }), 'bad', 'route53 takes no writes'],
  [
    'held',
    facts({ holds: [{ service: 'web', pool: 'eu-west', hold: 'floor', because: 'automation has drained as many pools as it may' }] }),
    'bad',
    'Held (floor): web/eu-west: automation has drained as many pools as it may',
  ],
  [
    'stopped',
    facts({ overrides: { items: [order()] } }),
    'warn',
    "No route is written anywhere, by ana's order until 04:00: vendor works on the zone",
  ],
  [
    'drained by hand',
    facts({ overrides: { items: [order({ kind: 'drain', scope: { region: 'eu-west' } })] } }),
    'warn',
    "eu-west is drained, by ana's order until 04:00: vendor works on the zone",
  ],
  [
    'not obeyed',
    facts({ overrides: { items: [order({ kind: 'drain', scope: { region: 'eu-west' }, obeyed: false, because: 'it is the last' })] } }),
    'warn',
    'Not obeyed: drain eu-west: it is the last',
  ],
  [
    'one vantage is mute',
    facts({
      votes: {
        vantages: [
          { region: 'eu-west', ageMs: 90_000, state: 'silent', because: 'last heard 90.0 s ago', self: { state: 'ok' } },
          ...(facts().votes?.vantages.slice(1) ?? []),
        ],
      },
    }),
    'warn',
    '1 of 3 vantages does not speak (eu-west: last heard 90.0 s ago)',
  ],
  [
    'one vantage is mute, as the overview has it',
    (() => {
      const { votes: _, ...rest } = facts();
      return {
        ...rest,
        regions: REGIONS.map((name, at) => ({
          name,
          vantages: [{ state: at === 0 ? 'abstain' : 'ok', because: at === 0 ? 'its anchors do not answer' : '' }],
        })),
      };
    })(),
    'warn',
    '1 of 3 vantages does not speak (eu-west: its anchors do not answer)',
  ],
  ['nothing decided', facts({ decision: null }), 'warn', 'Nothing has been decided yet'],
];

describe('the sentence', () => {
  for (const [name, given, tone, sentence] of CASES) test(name, () => expect(bannerOf(given)).toMatchObject({ tone, sentence }));
});

test('the worst comes first: users who suffer, then what keeps anything from being moved, then what is dealt with, then orders', () => {
  const landed = fell({ t4AtMs: T0_MS + 6_400, t6AtMs: T0_MS + 11_000 });
  const self = { ...facts().self, canDecide: false, because: 'no majority of the store answers' };
  const handled = bannerOf(facts({ self, incidents: [landed], services: out, overrides: { items: [order()] } }));
  expect(handled.sentence).toBe('Nothing can be decided: no majority of the store answers');
  expect(handled.more[0]).toContain('land elsewhere');
  expect(handled.more[1]).toContain('No route is written anywhere');
  const suffering = bannerOf(facts({ self, incidents: [fell()], services: out }));
  expect(suffering.sentence).toContain('is being moved');
  expect(suffering.more).toEqual(['Nothing can be decided: no majority of the store answers']);
});

test('a freeze that keeps a region from coming back: who ordered it and why comes before what it holds', () => {
  const holds = [{ service: 'web', pool: 'eu-west', hold: 'freeze', because: 'an operator froze the route' }];
  const { tone, sentence, more } = bannerOf(facts({ holds, overrides: { items: [order({ kind: 'freeze' })] } }));
  expect([tone, sentence]).toEqual(['warn', "Every route stays as it is, by ana's order until 04:00: vendor works on the zone"]);
  expect(more).toEqual(['Held (freeze): web/eu-west: an operator froze the route']);
});

test('what there is no room for is counted', () => {
  const holds = Array.from({ length: 20 }, (_, i) => ({ service: `s${i}`, pool: 'eu-west', hold: `rule:r${i}`, because: 'x' }));
  const { more } = bannerOf(facts({ holds }));
  expect([more.length, more.at(-1)]).toEqual([6, 'And 14 things more']);
});

test('calm with reminders and services in observe stays calm, and says so beside', () => {
  const { tone, more } = bannerOf(
    facts({
      services: [service('web'), service('api', [], { mode: 'observe' })],
      reminders: [{ service: 'web', rule: 'drill-fresh', stage: 'soon', because: 'a drill is due in 3 d' }],
    }),
  );
  expect([tone, more]).toEqual(['ok', ['Nothing is written of api: not in auto', '1 reminder; web: a drill is due in 3 d']]);
});

describe('a replica that has lost the store', () => {
  const because = 'the store has not answered for 31.2 s: from here nothing can be voted or decided';
  const self = { region: 'us-east', replica: 'a', canVote: false, canDecide: false, because };
  const { votes: _, ...rest } = facts();
  const regions = (ages: readonly (number | null)[]) =>
    ages.map((ageMs, at) => ({ name: `r${at}`, vantages: [{ state: 'silent', because: '', ageMs }] }));
  const given = { ...rest, self, coordinator: null, regions: regions([31_900, 31_200, 33_000]) };

  test('does not tell who reads it that nothing can be decided: the others go on without it, and what it knows of the outage is old', () => {
    for (const incidents of [[], [fell()]]) {
      const { tone, sentence, more } = bannerOf({ ...given, incidents, services: out });
      expect([tone, sentence]).toEqual(['bad', `us-east/a is cut off: ${because}. Others may well go on; all that it shows is as old`]);
      expect(more.join()).not.toMatch(/Nobody coordinates|Nothing can be decided|do not speak/);
    }
    expect(cutOffMs(given)).toBe(31_200);
  });

  test('is one thing, and a replica that hears somebody, votes, or has just begun is another', () => {
    expect(cutOffMs({ ...given, regions: regions([31_000, 900]) })).toBeNull();
    expect(cutOffMs({ ...given, self: { ...self, canVote: true } })).toBeNull();
    expect(cutOffMs({ ...given, regions: regions([null, null]) })).toBeNull();
    expect(cutOffMs({ ...given, regions: [] })).toBeNull();
  });
});

test('a region falls while a stop is ordered: nobody is told that its traffic is on its way', () => {
  for (const scope of [{}, { region: 'eu-west' }]) {
    const { sentence } = bannerOf(facts({ incidents: [fell()], services: out, overrides: { items: [order({ scope })] } }));
    expect(sentence).toContain('its traffic stays there, since nothing may be written, by order');
  }
  for (const given of [{ scope: { service: 'web' } }, { obeyed: false }, { active: false }]) {
    const { sentence } = bannerOf(facts({ incidents: [fell()], services: out, overrides: { items: [order(given)] } }));
    expect(sentence).toContain('is being moved');
  }
});

test('a pool that is out in a service that is only observed still has its users, whatever the decided route says', () => {
  const { tone, sentence } = bannerOf(facts({ services: [service('web', ['eu-west'], { mode: 'observe' }), service('api')] }));
  expect([tone, sentence]).toEqual(['bad', 'eu-west is out for web, and nothing is written of web: not in auto']);
});

test('all is not well as long as nobody can say whether it is', () => {
  const unknown = (name: string, regions: readonly string[]) => {
    const { pools, ...rest } = service(name);
    return { ...rest, pools: pools.map((pool) => (regions.includes(pool.region) ? { ...pool, verdict: 'unknown' as const } : pool)) };
  };
  expect(bannerOf(facts({ services: [unknown('web', ['eu-west']), service('api')] }))).toMatchObject({
    tone: 'warn',
    sentence: 'Nobody can say whether eu-west is up for web',
  });
  expect(bannerOf(facts({ services: [unknown('web', ['eu-west', 'us-east']), service('api')] })).sentence).toBe(
    'Nobody can say whether eu-west, us-east are up',
  );
});

test('more holds than the overview lists: of hundreds of services that all look down, none is left out or told as an outage of its own', () => {
  const services = Array.from({ length: 200 }, (_, n) => {
    const { pools, ...rest } = service(`s${n}`, REGIONS);
    return { ...rest, pools: pools.map((pool) => ({ ...pool, hold: 'all-down' })) };
  });
  const holds = services.slice(0, 5).map(({ name }) => ({ service: name, pool: 'eu-west', hold: 'all-down', because: '' }));
  const { sentence, more } = bannerOf(facts({ services, holds }));
  expect(sentence).toMatch(/^Every pool of everything looks down/);
  expect(more).toEqual([]);
});

test('a cluster without a service does not serve', () => {
  expect(bannerOf(facts({ services: [] })).sentence).toBe('No service is configured');
});

test('what turns the direction of a line, or is not to be seen, is shown as what it is; words of any script stay', () => {
  expect(shown('a\u202egpj.exe\u2066\u200f\u0000\u001b[1m')).toBe('a\\u202egpj.exe\\u2066\\u200f\\u0000\\u001b[1m');
  for (const text of ['eu-west', 'two\n\tlines', 'שלום', '🦠👩‍👩‍👧‍👦', 'a ^ b'] as const) expect(shown(text)).toBe(text);
});

test('a sentence whose spans of time alone differ is no news for who listens', () => {
  expect(isAlike('last heard 9.8 s ago', 'last heard 2 min ago')).toBe(true);
  expect(isAlike('nothing has moved for 59 min', 'nothing has moved for 1 h 2 min')).toBe(true);
  expect(isAlike('All 3 regions serve', '2 of 3 regions serve')).toBe(false);
  expect(isAlike('2 of 3 regions serve', '1 of 3 regions serve')).toBe(false);
  expect(isAlike('eu-west is down', 'us-east is down')).toBe(false);
});

test('the overview carries it: the page and whoever else asks read the same', () => {
  const { banner, ...overview } = overviewDocument(statusInput());
  expect(banner).toMatchObject({ tone: 'bad', sentence: 'Nothing can be decided: another region coordinates', cutOffMs: null });
  expect(banner).toEqual(bannerOf({ ...overview, nowMs: overview.clusterTimeMs }));
});
