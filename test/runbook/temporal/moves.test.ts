// Namespaces that moved: by whom, who owns the way back; which region routing may follow; and a watch that tells each once.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Reply } from '../../../src/dns/codec.ts';
import { type Evidence, follow, movedBetween, type OurMove } from '../../../src/runbook/temporal/moves.ts';
import { type Sight, sightByName } from '../../../src/runbook/temporal/sight.ts';
import { startMoveWatch, type Told } from '../../../src/runbook/temporal/watch.ts';
import { recordingLog } from '../../recording-log.ts';
import { createVirtual } from '../../virtual.ts';

const NOW_MS = 1_000_000;
const inCloud = (managedFailoverDisabled: boolean | null, ordered: boolean | null): Evidence => ({
  kind: 'temporal-cloud',
  managedFailoverDisabled,
  ordered,
});
const ours = (over: Partial<OurMove> = {}): OurMove => ({ namespace: 'shop', to: 'eu', fromMs: NOW_MS - 5000, untilMs: null, ...over });
const moved = (evidence: Evidence, moves: readonly OurMove[] = []) =>
  movedBetween({ namespace: 'shop', before: 'us', now: 'eu' }, moves, evidence, NOW_MS);

describe('who moved it, and who moves it back', () => {
  test('nobody, where it is where it was', () => {
    expect(movedBetween({ namespace: 'shop', before: 'eu', now: 'eu' }, [], inCloud(false, false), NOW_MS)).toBe(null);
  });
  test.each([
    ['a run that runs', [ours()], 'us'],
    ['a run that ended just now', [ours({ untilMs: NOW_MS - 119_000 })], 'us'],
    ['a run that ended long ago', [ours({ untilMs: NOW_MS - 121_000 })], 'temporal'],
    ['a run that began later', [ours({ fromMs: NOW_MS + 1 })], 'temporal'],
    ['a run to elsewhere', [ours({ to: 'us' })], 'temporal'],
    ['a run of another namespace', [ours({ namespace: 'other' })], 'temporal'],
  ] as const)('%s', (_, moves, by) => {
    expect(moved(inCloud(false, false), moves)?.by).toBe(by);
  });
  test.each([
    [inCloud(false, false), 'temporal', 'will move it back by itself; to keep it there, order a failover to eu, which ends that'],
    [inCloud(false, true), 'unknown', 'somebody ordered it, and it was no run of ours; Temporal Cloud does not move it back'],
    [inCloud(true, false), 'unknown', 'Temporal Cloud may not by itself here; so somebody ordered it'],
    [inCloud(null, null), 'unknown', 'if Temporal Cloud did, it will move it back by itself'],
    [inCloud(false, null), 'unknown', 'if Temporal Cloud did, it will move it back by itself'],
    [{ kind: 'temporal', managedFailoverDisabled: null, ordered: null }, 'unknown', 'clusters of your own never move back by themselves'],
  ] as const)('%j is %s', (evidence, by, sentence) => {
    const told = moved(evidence);
    expect(told).toMatchObject({ type: 'namespace.moved', namespace: 'shop', from: 'us', to: 'eu', by });
    expect(told?.because).toMatch(/^shop moved from us to eu: /);
    expect(told?.because).toContain(sentence);
  });
  test('ours ends the failback of the cloud, and says so', () => {
    expect(moved(inCloud(false, false), [ours()])?.because).toContain('which ends the failback of Temporal Cloud');
  });
});

describe('which region routing follows', () => {
  const places = { us: 'aws-us-east-1', eu: 'aws-eu-west-1' };
  test('all in one', () => {
    expect(follow(places, { a: 'aws-eu-west-1', b: 'aws-eu-west-1' })).toEqual({ is: 'all', region: 'eu' });
  });
  test('some here, some there', () => {
    expect(follow(places, { a: 'aws-eu-west-1', b: 'aws-us-east-1', c: 'aws-eu-west-1' })).toEqual({
      is: 'some',
      byRegion: { eu: ['a', 'c'], us: ['b'] },
      because: 'eu: a, c; us: b',
    });
  });
  test.each([
    ['none', {}],
    ['one unseen', { a: 'aws-eu-west-1', b: null }],
    ['one where the platform is not', { a: 'aws-eu-west-1', b: 'gcp-us-central1' }],
  ])('%s is unknown', (_, seen) => {
    expect(follow(places, seen).is).toBe('unknown');
  });
  test('is all only when every namespace was seen in that region', () => {
    const place = fc.constantFrom('aws-us-east-1', 'aws-eu-west-1', 'elsewhere', null);
    fc.assert(
      fc.property(fc.dictionary(fc.string({ minLength: 1, maxLength: 3 }), place), (seen) => {
        const followed = follow(places, seen);
        const values = Object.values(seen);
        const isAll = values.length > 0 && values[0] !== 'elsewhere' && values[0] !== null && values.every((one) => one === values[0]);
        expect(followed.is === 'all').toBe(isAll);
        if (followed.is === 'some') expect(Object.values(followed.byRegion).flat().toSorted()).toEqual(Object.keys(seen).toSorted());
      }),
    );
  });
});

describe('by its public name', () => {
  const virtual = createVirtual({ startWallMs: NOW_MS, seed: 1 });
  const servers = [
    { host: '192.0.2.1', port: 53 },
    { host: '192.0.2.2', port: 53 },
  ];
  const reply = (answers: Reply['answers'], rcode = 'NOERROR'): Reply => ({ rcode, answers }) as Reply;
  const cname = (data: string): Reply['answers'][number] => ({ name: 'shop.a1.tmprl.cloud', ttlS: 15, type: 'CNAME', data });
  const look = (replies: readonly (Reply | Error)[]): Promise<Sight> => {
    let at = 0;
    const ask = async ({ name, type }: { name: string; type: string }) => {
      expect([name, type]).toEqual(['shop.a1.tmprl.cloud', 'CNAME']);
      const next = replies[at++]!;
      if (next instanceof Error) throw next;
      return next;
    };
    return sightByName({ ports: virtual.ports, servers, ask }, 'Shop.a1', new AbortController().signal);
  };
  const region = cname('aws-eu-west-1.region.tmprl.cloud');

  test('it points to its region', async () => {
    expect(await look([reply([region])])).toEqual({ place: 'aws-eu-west-1' });
  });
  test('a server that does not answer is passed over', async () => {
    expect(await look([new Error('no answer'), reply([region])])).toEqual({ place: 'aws-eu-west-1' });
    expect(await look([reply([], 'SERVFAIL'), reply([region])])).toEqual({ place: 'aws-eu-west-1' });
    expect(await look([reply([]), reply([region])])).toEqual({ place: 'aws-eu-west-1' });
  });
  test('what points elsewhere, or twice, or nowhere names no region', async () => {
    expect(await look([reply([cname('evil.example')])])).toMatchObject({ unseen: expect.stringContaining('evil.example') });
    expect(await look([reply([region, region]), reply([], 'NXDOMAIN')])).toMatchObject({
      unseen: '192.0.2.1:53: shop.a1.tmprl.cloud has 2 CNAME records; 192.0.2.2:53 answered NXDOMAIN',
    });
    expect(await look([reply([{ ...region, name: 'other.a1.tmprl.cloud' }]), new Error('x')])).toMatchObject({
      unseen: expect.any(String),
    });
  });
});

describe('the watch', () => {
  const watching = (expected: () => string | null = () => 'us') => {
    const virtual = createVirtual({ startWallMs: NOW_MS, seed: 7 });
    const told: Told[] = [];
    let place: string | null = 'us';
    const moves: OurMove[] = [];
    return {
      virtual,
      told,
      at(next: string | null) {
        place = next;
      },
      moves,
      watch: startMoveWatch({
        ports: virtual.ports,
        log: recordingLog(),
        watched: [
          {
            namespace: 'shop',
            look: async (): Promise<Sight> => (place === null ? { unseen: 'no answer' } : { place }),
            evidence: async () => inCloud(false, false),
          },
        ],
        expected,
        ours: () => moves,
        nowMs: () => virtual.ports.clock.wallMs(),
        tell: (one) => told.push(one),
      }),
    };
  };

  test('tells of a move once, when it was seen twice, within half a minute', async () => {
    const { virtual, told, at, watch } = watching();
    await virtual.advance(60_000);
    expect(told).toEqual([]);
    at('eu');
    await virtual.advance(30_000);
    expect(told).toMatchObject([{ type: 'namespace.moved', from: 'us', to: 'eu', by: 'temporal' }]);
    await virtual.advance(300_000);
    expect(told.length).toBe(1);
    expect(watch.seen()).toEqual({ shop: 'eu' });
    expect(watch.seenTwice()).toEqual({ shop: 'eu' });
    at('us');
    await virtual.advance(15_000);
    expect([watch.seen(), watch.seenTwice()]).toEqual([{ shop: 'us' }, { shop: null }]);
    at(null);
    await virtual.advance(15_000);
    expect([watch.seen(), watch.seenTwice()]).toEqual([{ shop: null }, { shop: null }]);
    await watch.stop();
    expect(virtual.pendingTimers()).toBe(0);
  });

  test('tells when it is back', async () => {
    const { virtual, told, at, watch } = watching();
    await virtual.advance(30_000);
    at('eu');
    await virtual.advance(45_000);
    at('us');
    await virtual.advance(45_000);
    expect(told.map(({ type }) => type)).toEqual(['namespace.moved', 'namespace.moved', 'namespace.back']);
    await watch.stop();
  });

  test('tells that it is back also when a run of ours brought it', async () => {
    const { virtual, told, at, moves, watch } = watching();
    await virtual.advance(30_000);
    at('eu');
    await virtual.advance(45_000);
    moves.push({ namespace: 'shop', to: 'us', fromMs: NOW_MS, untilMs: null });
    at('us');
    await virtual.advance(45_000);
    expect(told).toMatchObject([
      { type: 'namespace.moved', to: 'eu', by: 'temporal' },
      { type: 'namespace.moved', to: 'us', by: 'us' },
      { type: 'namespace.back', at: 'us' },
    ]);
    await watch.stop();
  });

  test.each([
    ['others', []],
    ['a run of ours', [{ namespace: 'shop', to: 'us', fromMs: NOW_MS, untilMs: null }]],
  ])('where nothing is said of its place it is back where it was before: by %s', async (_by, ours) => {
    const { virtual, told, at, moves, watch } = watching(() => null);
    await virtual.advance(30_000);
    at('eu');
    await virtual.advance(45_000);
    expect(told.map(({ type }) => type)).toEqual(['namespace.moved']);
    moves.push(...ours);
    at('us');
    await virtual.advance(45_000);
    expect(told.map(({ type }) => type)).toEqual(['namespace.moved', 'namespace.moved', 'namespace.back']);
    await watch.stop();
  });

  test('a sight now and then, or none, is no move', async () => {
    const { virtual, told, at, watch } = watching();
    await virtual.advance(30_000);
    for (const place of ['eu', null, 'eu', 'us', 'eu', null]) {
      at(place);
      await virtual.advance(15_000);
    }
    expect(told).toEqual([]);
    await watch.stop();
  });

  test('a process that begins when it is elsewhere already tells of it; one that is told nothing believes what it sees', async () => {
    const first = watching();
    first.at('eu');
    await first.virtual.advance(30_000);
    expect(first.told).toMatchObject([{ type: 'namespace.moved', from: 'us', to: 'eu' }]);
    await first.watch.stop();
    const second = watching(() => null);
    second.at('eu');
    await second.virtual.advance(60_000);
    expect(second.told).toEqual([]);
    await second.watch.stop();
  });

  test('what a run of ours moved is told as ours, and needs no end', async () => {
    let expected = 'us';
    const { virtual, told, at, moves, watch } = watching(() => expected);
    await virtual.advance(30_000);
    moves.push({ namespace: 'shop', to: 'eu', fromMs: 0, untilMs: null });
    at('eu');
    await virtual.advance(30_000);
    expected = 'eu';
    await virtual.advance(60_000);
    expect(told).toMatchObject([{ type: 'namespace.moved', by: 'us' }]);
    await watch.stop();
  });
});
