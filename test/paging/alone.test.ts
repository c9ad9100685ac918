// What a region says when the store does not answer, as tables of facts and news.
import { describe, expect, test } from 'vitest';
import { ownerOf } from '../../src/health/owner.ts';
import type { ClusterConfig, Routing, Vote } from '../../src/model.ts';
import { type Facts, lasted, type News, newsOf, type OpenSubject } from '../../src/paging/alone.ts';
import { routeWithout } from '../../src/paging/break-glass.ts';
import { clusterOf, poolOf, serviceOf } from '../world.ts';
import { cluster3, routingOf, voteOf } from './region-alone.ts';

const factsOf = (given: Partial<Facts> = {}): Facts => ({
  region: 'ap',
  replica: 'a',
  name: 'test',
  cluster: cluster3,
  routing: routingOf({ web: { ap: 334, eu: 333, us: 333 } }),
  vote: voteOf(),
  store: { state: 'silent', forMs: 11_000, everAnswered: true, complaint: null },
  open: new Map(),
  mayOpen: () => true,
  firstFaultAgeMs: () => null,
  nowMs: 1_000_000,
  ...given,
});
const EU_DOWN = voteOf({ down: ['web/eu/app'], unready: ['web/eu/app'] });
const openOf = (...subjects: string[]): Facts['open'] =>
  new Map(subjects.map((s): [string, OpenSubject] => [s, { dedupKey: `direct-test-ap-${s.replace('/', '-')}`, sinceAtMs: 748_000 }]));
const said = (news: readonly News[]) => news.map(({ subject, type, ends }) => `${ends ? 'end' : 'begin'} ${subject} ${type}`);
const ANSWERS: Facts['store'] = { state: 'answers', adopted: 3 };

describe('a store that does not answer', () => {
  test('is told once, with since when, the routes, what is seen here and a command', () => {
    const [lost, ...more] = newsOf(factsOf());
    expect(more).toEqual([]);
    expect(lost).toMatchObject({
      subject: 'store',
      ends: false,
      severity: 'critical',
      type: 'store.lost',
      dedupKey: 'direct-test-ap-store',
      sinceAtMs: 989_000,
    });
    expect(lost?.summary).toBe(
      'ap/a: the store has not answered for 11 s; nothing can be decided and routes stay as decided (v 7); this region sees every region that carries traffic up; ' +
        'break-glass, should a region have to leave: tidegate route set --break-glass -c FILE -f CLUSTER --service web --share ap=33.4 eu=33.3 us=33.3 --reason WHY --owner YOU',
    );
    expect(newsOf(factsOf({ open: openOf('store') }))).toEqual([]);
  });

  test('names no command for a service on gates, which lie in that store, and says what else there is', () => {
    const gates = new Set(['memory']);
    const [lost, eu] = newsOf(factsOf({ vote: EU_DOWN, gates }));
    const instead =
      'no command: web is on gates, which need the store; drain eu at the vendor or in front of the gates, by "By hand" in providers/gate/README.md';
    expect(lost?.summary).toContain(instead);
    expect(eu?.summary).toContain(instead);
    expect(newsOf(factsOf({ gates }))[0]?.summary).toContain('drain the pool that has to go at the vendor');
    expect(newsOf(factsOf({ vote: EU_DOWN, gates: new Set(['other']) }))[1]?.summary).toContain('tidegate route set');
  });

  test('names the path that needs no store where a service has one beside a gate', () => {
    const facts = factsOf({ vote: EU_DOWN, gates: new Set(['gate']) });
    const withAlso = (provider: string, also: readonly string[]): typeof facts => ({
      ...facts,
      cluster:
        facts.cluster === null ? null : { ...facts.cluster, services: facts.cluster.services.map((each) => ({ ...each, provider, also })) },
    });
    const commandOf = (provider: string, ...also: string[]): string => newsOf(withAlso(provider, also))[1]?.summary ?? '';
    expect(commandOf('gate', 'dns')).toContain('--service web --provider dns --share');
    expect(commandOf('dns', 'gate')).toContain('--service web --provider dns --share');
    expect(commandOf('dns', 'arc')).toContain('--service web --share');
    expect(commandOf('gate', 'dns', 'arc')).toContain('--service web --share');
    expect(newsOf(withAlso('gate', ['gate']))[1]?.summary).toContain('no command: web is on gates');
  });

  test('or answers and takes nothing says its reason: a full one wants something else than a lost one', () => {
    const complaint = 'etcd /tidegate/prod/: database space exceeded; compact and defragment the members';
    const [lost] = newsOf(factsOf({ store: { state: 'silent', forMs: 11_000, everAnswered: true, complaint } }));
    expect(lost?.summary).toMatch(
      /^ap\/a: the store has failed for 11 s \(etcd .*: database space exceeded; compact and defragment the members\); nothing can/,
    );
    const [long] = newsOf(factsOf({ store: { state: 'silent', forMs: 11_000, everAnswered: false, complaint: 'x'.repeat(5000) } }));
    expect(long?.summary.length).toBeLessThan(1000);
  });

  test('lets each region that the own vote holds down be told once, with the command that takes it out', () => {
    const facts = factsOf({ vote: EU_DOWN, firstFaultAgeMs: (key) => (key === 'web/eu/app#readyz' ? 12_400 : 11_000) });
    const [lost, eu, ...more] = newsOf(facts);
    expect(more).toEqual([]);
    expect(lost?.summary).toContain('this region sees eu down; break-glass: tidegate route set');
    expect(eu).toMatchObject({ subject: 'down/eu', severity: 'critical', dedupKey: 'direct-test-ap-down-eu', type: 'belief.down' });
    expect(eu?.summary).toBe(
      'ap/a: we alone see eu down (both endpoints of 1 of 1 target, first fault 12 s ago); cannot act without the store; ' +
        'break-glass: tidegate route set --break-glass -c FILE -f CLUSTER --service web --share ap=50.1 eu=0 us=49.9 --reason WHY --owner YOU',
    );
    expect(said(newsOf({ ...facts, open: openOf('store', 'down/eu') }))).toEqual([]);
  });

  test('advises to take nobody out while this vantage abstains: what it holds down may be its own uplink', () => {
    const [store] = newsOf(factsOf({ vote: { ...EU_DOWN, self: { state: 'abstain', because: '3 of 4 anchors unreachable' } } }));
    expect(store?.summary).toContain('break-glass, should a region have to leave: ');
    expect(store?.summary).not.toMatch(/=0( |$)/);
  });

  test.each<{ name: string; given: Partial<Facts>; wanted: string[]; words: string }>([
    {
      name: 'before any configuration was read',
      given: {
        cluster: null,
        routing: null,
        vote: null,
        name: null,
        store: { state: 'silent', forMs: 31_000, everAnswered: false, complaint: null },
      },
      wanted: ['begin store store.lost'],
      words: 'since this process started, 31 s ago',
    },
    {
      name: 'before this vantage has looked',
      given: { vote: null },
      wanted: ['begin store store.lost'],
      words: 'this vantage has not looked yet',
    },
    {
      name: 'while this vantage abstains',
      given: { vote: { ...EU_DOWN, self: { state: 'abstain', because: '3 of 4 anchors unreachable' } } },
      wanted: ['begin store store.lost'],
      words: 'this vantage abstains (3 of 4 anchors unreachable)',
    },
    {
      name: 'in warm-up',
      given: { vote: voteOf({ unknown: ['web/eu/app', 'web/us/app', 'web/ap/app'] }) },
      wanted: ['begin store store.lost'],
      words: 'ap, eu, us not clearly',
    },
    {
      name: 'of targets another replica owns',
      given: { vote: voteOf({ peers: ['b', 'c'] }) },
      wanted: ['begin store store.lost'],
      words: 'ap, eu, us not clearly',
    },
    {
      name: 'with /healthz alone failing (suspect)',
      given: { vote: voteOf({ down: ['web/eu/app'] }) },
      wanted: ['begin store store.lost'],
      words: 'every region that carries traffic up',
    },
    {
      name: 'with /readyz alone failing',
      given: { vote: voteOf({ unready: ['web/eu/app'] }) },
      wanted: ['begin store store.lost', 'begin down/eu belief.down'],
      words: 'sees eu down',
    },
    {
      name: 'of a region that carries nothing',
      given: { vote: EU_DOWN, routing: routingOf({ web: { ap: 500, eu: 0, us: 500 } }) },
      wanted: ['begin store store.lost'],
      words: 'every region that carries traffic up',
    },
    {
      name: 'before the first decision, by the configured weights',
      given: { vote: EU_DOWN, routing: null },
      wanted: ['begin store store.lost', 'begin down/eu belief.down'],
      words: 'nothing has been read of the routes',
    },
    {
      name: 'in observe mode',
      given: { vote: EU_DOWN, cluster: clusterOf(['ap', 'eu', 'us'], [{ mode: 'observe' }]) },
      wanted: ['begin store store.lost'],
      words: 'every region',
    },
    {
      name: 'with the own region down',
      given: { vote: voteOf({ down: ['web/ap/app'], unready: ['web/ap/app'] }) },
      wanted: ['begin store store.lost', 'begin down/ap belief.down'],
      words: 'sees ap down',
    },
  ])('$name', ({ given, wanted, words }) => {
    const news = newsOf(factsOf(given));
    expect(said(news)).toEqual(wanted);
    expect(news[0]?.summary).toContain(words);
    for (const { summary } of news) expect(summary).toMatch(/^ap\/a: /);
  });

  test('has the keys of this region, whichever replica speaks: what one region takes back another may still see', () => {
    const keys = (given: Partial<Facts>) => newsOf(factsOf({ vote: EU_DOWN, ...given })).map(({ dedupKey }) => dedupKey);
    expect(keys({})).toEqual(['direct-test-ap-store', 'direct-test-ap-down-eu']);
    expect(keys({ replica: 'c', vote: { ...EU_DOWN, peers: ['c'] } })).toEqual(keys({}));
    expect(keys({ region: 'us', replica: 'b', vote: { ...EU_DOWN, peers: ['b'] } })).toEqual([
      'direct-test-us-store',
      'direct-test-us-down-eu',
    ]);
    expect(keys({ name: null, cluster: null })).toEqual(['direct-ap-store']);
  });

  test('names how many targets of how many, over all services of a region', () => {
    const names = ['ap', 'eu', 'us'];
    const three = (region: string, i: number) => poolOf(region, 1, i, 3);
    const cluster = clusterOf(names, [
      { name: 'web', pools: names.map(three) },
      { name: 'api', pools: names.map(three) },
    ]);
    const eu = ['web', 'api'].flatMap((s) => [1, 2, 3].map((i) => `${s}/eu/app-${i}`));
    const routing = routingOf({ web: { ap: 334, eu: 333, us: 333 }, api: { ap: 334, eu: 333, us: 333 } });
    const news = newsOf(factsOf({ cluster, routing, vote: voteOf({ down: eu, unready: eu.slice(1) }) }));
    // web/eu/app-1 has only /healthz down: suspect, which serves.
    expect(news[1]?.summary).toContain('both endpoints of 5 of 6 targets');
    expect(news[1]?.summary).toContain('(and 1 more, see detail)');
    expect(news[1]?.detail).toMatchObject({ down: 'eu', services: ['web', 'api'], region: 'ap', replica: 'a' });
  });

  test('is judged by the share of a replica that looks at some of the targets only', () => {
    const names = ['ap', 'eu', 'us'];
    const cluster = clusterOf(names, [{ pools: names.map((region, i) => poolOf(region, 1, i, 20)) }]);
    const peers = ['a', 'b'];
    const mine = Array.from({ length: 20 }, (_, i) => `web/eu/app-${i + 1}`).filter((id) => ownerOf(id, peers) === 'a');
    expect(mine.length).toBeGreaterThan(1);
    expect(mine.length).toBeLessThan(19);
    const page = (down: readonly string[]) => newsOf(factsOf({ cluster, vote: voteOf({ peers, down, unready: down }) }))[1]?.summary;
    expect(page(mine)).toContain(`both endpoints of ${mine.length} of ${mine.length} targets, this replica's share of 20`);
    expect(page(mine.slice(0, 1))).toBeUndefined();
  });

  test('counts no target that has no vote', () => {
    const local = { ...poolOf('ap', 1, 0).targets[0]!, name: 'db', from: 'local' as const };
    const pools = ['ap', 'eu', 'us'].map((region, i) => poolOf(region, 1, i));
    const cluster = clusterOf(['ap', 'eu', 'us'], [{ pools: pools.map((pool) => ({ ...pool, targets: [...pool.targets, local] })) }]);
    const news = newsOf(factsOf({ cluster, vote: voteOf({ down: ['web/ap/app'], unready: ['web/ap/app'] }) }));
    expect(news[1]?.summary).toContain('ap down (both endpoints of 1 of 1 target)');
  });

  test('opens fifty subjects at most, and none that has to rest', () => {
    const names = Array.from({ length: 60 }, (_, i) => `r${i}`);
    const cluster = clusterOf(names, [{}]);
    const all = names.map((r) => `web/${r}/app`);
    const facts = factsOf({ cluster, routing: null, region: 'r0', vote: voteOf({ down: all, unready: all }) });
    expect(newsOf(facts)).toHaveLength(50);
    expect(newsOf({ ...facts, open: openOf(...names.slice(0, 49).map((r) => `down/${r}`)) })).toHaveLength(1);
    expect(newsOf({ ...facts, mayOpen: () => false })).toEqual([]);
  });

  test('stays the one incident while nobody knows better: silence, warm-up and abstention take nothing back', () => {
    const open = openOf('store', 'down/eu');
    for (const vote of [null, voteOf({ unknown: ['web/eu/app'] }), voteOf({ self: { state: 'abstain', because: 'late' } }), EU_DOWN])
      expect(newsOf(factsOf({ vote, open }))).toEqual([]);
    expect(newsOf(factsOf({ open, store: { state: 'unclear' } }))).toEqual([]);
  });
});

describe('what is over', () => {
  test('a region that is seen up again is taken back under the same key while the store is still lost', () => {
    const [end, ...more] = newsOf(factsOf({ open: openOf('store', 'down/eu') }));
    expect(more).toEqual([]);
    expect(end).toMatchObject({
      subject: 'down/eu',
      ends: true,
      severity: 'info',
      dedupKey: 'direct-test-ap-down-eu',
      type: 'belief.resolved',
    });
    expect(end?.summary).toBe('ap/a: we no longer see eu down, after 4 min 12 s');
  });

  test('the store that answers again is told, with how long it took and how many pages were adopted', () => {
    const [end, ...more] = newsOf(factsOf({ open: openOf('store'), store: ANSWERS }));
    expect(more).toEqual([]);
    expect(end).toMatchObject({ subject: 'store', ends: true, dedupKey: 'direct-test-ap-store', type: 'store.resolved' });
    expect(end?.summary).toBe('ap/a: the store answers again after 4 min 12 s; 3 pages adopted');
  });

  test('with a store that answers, a region still held down stays open until a decision has drained it; then its incident takes over', () => {
    const facts = factsOf({ open: openOf('down/eu'), store: ANSWERS, vote: EU_DOWN });
    expect(newsOf(facts)).toEqual([]);
    const drained: Routing = { ...routingOf({ web: { ap: 500, eu: 0, us: 500 } }), v: 8, open: { eu: '8-eu' } };
    const [end] = newsOf({ ...facts, routing: drained });
    expect(end).toMatchObject({
      type: 'belief.handed_over',
      ends: true,
      dedupKey: 'direct-test-ap-down-eu',
      detail: { incident: '8-eu', v: 8 },
    });
    expect(end?.summary).toBe('ap/a: eu carries no traffic since decision v 8: incident 8-eu takes over');
  });

  test('without a store nothing is handed over: what was decided meanwhile is not known here', () => {
    const routing = routingOf({ web: { ap: 500, eu: 0, us: 500 } });
    expect(newsOf(factsOf({ open: openOf('store', 'down/eu'), vote: EU_DOWN, routing }))).toEqual([]);
  });

  test('a region that is configured no more is taken back too', () => {
    const cluster: ClusterConfig = clusterOf(['ap', 'us'], [{}]);
    expect(said(newsOf(factsOf({ cluster, open: openOf('down/eu'), store: ANSWERS })))).toEqual(['end down/eu belief.handed_over']);
  });

  test('nothing new begins while the store answers', () => {
    expect(newsOf(factsOf({ vote: EU_DOWN, store: ANSWERS }))).toEqual([]);
  });
});

describe('the break-glass route', () => {
  const service = serviceOf(['a', 'b', 'c'], {});
  const standby = serviceOf(['a', 'b'], { pools: [poolOf('a', 1, 0), poolOf('b', 0, 1)] });
  test.each([
    { service, route: { a: 200, b: 300, c: 500 }, out: ['c'], wanted: { a: 400, b: 600, c: 0 } },
    { service, route: { a: 500, b: 500, c: 0 }, out: ['a', 'c'], wanted: { a: 0, b: 1000, c: 0 } },
    { service, route: { a: 1000, b: 0, c: 0 }, out: ['a'], wanted: { a: 0, b: 500, c: 500 } },
    { service: standby, route: { a: 1000, b: 0 }, out: ['a'], wanted: { a: 0, b: 1000 } },
    { service, route: { a: 334, b: 333, c: 333 }, out: ['a', 'b', 'c'], wanted: null },
  ])('of $route without $out is $wanted', ({ service: of, route, out, wanted }) => {
    expect(routeWithout(of, route, new Set(out))).toEqual(wanted);
  });

  test('is not offered when this region sees nobody who could take the traffic', () => {
    const all = ['ap', 'eu', 'us'].map((r) => `web/${r}/app`);
    const news = newsOf(factsOf({ vote: voteOf({ down: all, unready: all }) }));
    expect(news).toHaveLength(4);
    expect(news[1]?.summary).toContain('break-glass: none: this region sees no pool that could take the traffic');
  });
});

test.each([
  [400, '0 s'],
  [59_400, '59 s'],
  [252_000, '4 min 12 s'],
  [7_500_000, '2 h 5 min'],
  [-5, '0 s'],
])('%i ms last %s', (ms, text) => {
  expect(lasted(ms)).toBe(text);
});

test('whatever the vote, news name each subject once and no subject twice begins while it is open', () => {
  const votes: (Vote | null)[] = [null, voteOf(), EU_DOWN, voteOf({ unready: ['web/us/app'] })];
  for (const vote of votes)
    for (const open of [openOf(), openOf('store'), openOf('down/eu'), openOf('store', 'down/us')])
      for (const store of [ANSWERS, factsOf().store]) {
        const news = newsOf(factsOf({ vote, open, store }));
        expect(new Set(news.map(({ subject }) => subject)).size).toBe(news.length);
        for (const { subject, ends } of news) expect(open.has(subject)).toBe(ends);
      }
});
