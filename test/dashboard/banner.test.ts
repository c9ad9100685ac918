// The sentence that is read first, of clusters in every state there is: the worst thing first, its figures those of the document.
import { describe, expect, test } from 'vitest';
import { overviewDocument } from '../../src/api/overview.ts';
import { type BannerFacts, bannerOf } from '../../src/dashboard/page/banner.ts';
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
  votes: { vantages: REGIONS.map((region) => ({ region, ageMs: 400, self: { state: 'ok' } })) },
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
      votes: { vantages: [{ region: 'eu-west', ageMs: 90_000, self: { state: 'ok' } }, ...(facts().votes?.vantages.slice(1) ?? [])] },
    }),
    'warn',
    '1 of 3 vantages does not speak (eu-west: last heard 90 s ago)',
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

test('takes an overview as it is', () => {
  const overview = overviewDocument(statusInput());
  expect(bannerOf({ ...overview, nowMs: overview.clusterTimeMs })).toMatchObject({
    tone: 'bad',
    sentence: 'Nothing can be decided: another region coordinates',
  });
});
