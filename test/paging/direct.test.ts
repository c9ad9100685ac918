// Stories of a region whose store does not answer, on virtual time: what is paged, when, and that nothing is lost or told under two keys when the process
// dies at any moment and starts again from its spool.
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createMetrics } from '../../src/metrics.ts';
import type { Page, Routing, Vote } from '../../src/model.ts';
import type { Channel } from '../../src/paging/channel.ts';
import { createDirectPages, type DirectOptions, type DirectPages } from '../../src/paging/direct.ts';
import { createOutbox, type Outbox } from '../../src/paging/outbox.ts';
import { openSpool } from '../../src/paging/spool.ts';
import { sleep } from '../../src/ports.ts';
import { StoreAmbiguousError, StoreDefiniteError } from '../../src/store/store.ts';
import { type RecordingLog, recordingLog } from '../recording-log.ts';
import { createVirtual, type Virtual, type VirtualProcess } from '../virtual.ts';
import { failing, noticed, openPages, type PageStore, refusing, type ScriptedChannel, scripted } from './fixture.ts';
import { cluster3, type Paper, paper, routingOf, voteOf } from './region-alone.ts';

const START_WALL_MS = Date.UTC(2026, 10, 22);
const EU_DOWN = voteOf({ down: ['web/eu/app'], unready: ['web/eu/app'] });
const SPLIT = routingOf({ web: { ap: 334, eu: 333, us: 333 } });
const DRAINED: Routing = { ...routingOf({ web: { ap: 500, eu: 0, us: 500 } }, 8), open: { eu: '8-eu' } };

let virtual: Virtual;
let pages: PageStore;
let log: RecordingLog;
let oncall: ScriptedChannel;
let disk: Paper;
let vote: Vote | null;
let routing: Routing | null;
/** Virtual time of the store's last answer. */
let answeredAtMs: number;
let storeUp: boolean;
let opened: DirectPages[];

beforeEach(() => {
  virtual = createVirtual({ startWallMs: START_WALL_MS, seed: 1 });
  pages = openPages(virtual.ports);
  log = recordingLog();
  oncall = scripted('oncall', virtual.now);
  disk = paper();
  [vote, routing, answeredAtMs, storeUp, opened] = [voteOf(), SPLIT, 0, true, []];
  const read = (): void => {
    if (storeUp) answeredAtMs = virtual.now();
    pages.deaf.now = !storeUp;
    virtual.ports.timers.after(500, read);
  };
  read();
});
afterEach(async () => {
  const closing = Promise.all(opened.map((direct) => direct.close(0)));
  await virtual.advance(1);
  await closing;
  await pages.store.close();
});

const start = async (given: Partial<DirectOptions> = {}, process: VirtualProcess = virtual): Promise<DirectPages> => {
  const { ports } = process;
  const direct = createDirectPages({
    ports,
    log,
    channels: [oncall],
    noticeOf: noticed,
    spool: await openSpool({ disk, ports, log }),
    region: 'ap',
    replica: 'a',
    store: pages.store,
    storeAgeMs: () => virtual.now() - answeredAtMs,
    belief: () => vote,
    cluster: () => cluster3,
    routing: () => routing,
    nowMs: () => virtual.now(),
    ...given,
  });
  opened.push(direct);
  return direct;
};
const spooled = (): Page[] =>
  disk.text
    .split('\n')
    .filter((line) => line.includes('"kind":"page"'))
    .map((line) => (JSON.parse(line) as { page: Page }).page);
const inOutbox = async (): Promise<string[]> => (await pages.pages()).sort((a, b) => a.atMs - b.atMs).map(({ type }) => type);
const kinds = (channel: ScriptedChannel): string[] => channel.told.map(({ id }) => id.replace(/^ap\.a-[0-9a-f]{12}-/, ''));

describe('the store is told lost', () => {
  test('after 10 s without an answer, not by an election of nine', async () => {
    await start();
    await virtual.advance(20_000);
    storeUp = false;
    await virtual.advance(9_000);
    storeUp = true;
    await virtual.advance(20_000);
    expect(oncall.told).toEqual([]);
    storeUp = false;
    const tookMs = await virtual.advanceUntil(() => oncall.told.length > 0, 13_000);
    expect(tookMs).toBeGreaterThan(9_000);
    expect(kinds(oncall)).toEqual(['store_lost']);
    await virtual.advance(3_600_000);
    expect(kinds(oncall)).toEqual(['store_lost']);
  });

  test('after 30 s by a process that starts without a store and knows nothing but its name', async () => {
    storeUp = false;
    await start({ storeAgeMs: () => Number.POSITIVE_INFINITY, cluster: () => null, routing: () => null, belief: () => null });
    await virtual.advance(29_000);
    expect(oncall.told).toEqual([]);
    await virtual.advance(3_000);
    expect(kinds(oncall)).toEqual(['store_lost']);
    const [page] = spooled();
    expect(page).toMatchObject({ dedupKey: 'direct-ap-store', v: 0, severity: 'critical' });
    expect(page?.summary).toContain('has not answered since this process started');
  });

  test("under the name in the replica's file, if that is all there is", async () => {
    storeUp = false;
    await start({ storeAgeMs: () => Number.POSITIVE_INFINITY, cluster: () => null, clusterName: 'prod' });
    await virtual.advance(32_000);
    expect(spooled()[0]?.dedupKey).toBe('direct-prod-ap-store');
  });

  test('by nobody who merely stood still: a process that wakes gives the store its time', async () => {
    const process = virtual.spawn('ap');
    await start({}, process);
    await virtual.advance(5_000);
    process.pause();
    storeUp = false;
    await virtual.advance(60_000);
    storeUp = true;
    process.resume();
    // The tick comes before the first read after the sleep.
    await virtual.advance(60_000);
    expect(oncall.told).toEqual([]);
  });
});

test('the whole story: lost, a region down, back, all in one history, each taken back', async () => {
  const other = scripted('other', virtual.now);
  for (let i = 0; i < 100; i += 1) other.next.push(failing());
  await start({ channels: [oncall, other] });
  await virtual.advance(5_000);
  storeUp = false;
  await virtual.advance(12_000);
  vote = EU_DOWN;
  await virtual.advance(30_000);
  expect(kinds(oncall)).toEqual(['store_lost', 'belief_down']);
  storeUp = true;
  await virtual.advance(2_000);
  expect(await inOutbox()).toEqual(['store.lost', 'belief.down', 'store.resolved']);
  const [lost, down, back] = (await pages.pages()).sort((a, b) => a.atMs - b.atMs);
  expect(lost?.delivered).toEqual(['oncall']);
  expect(down).toMatchObject({ dedupKey: 'direct-test-ap-down-eu', delivered: ['oncall'] });
  expect(back?.summary).toMatch(/^ap\/a: the store answers again after \d+ s; 2 pages adopted$/);
  routing = DRAINED;
  await virtual.advance(2_000);
  expect(await inOutbox()).toEqual(['store.lost', 'belief.down', 'store.resolved', 'belief.handed_over']);
  expect(disk.text).toBe('');
  // What this region told is not told again by whoever coordinates; what it could not tell, and the ends, are.
  other.next.length = 0;
  const outbox = createOutbox({
    store: pages.store,
    ports: virtual.ports,
    channels: [oncall, other],
    noticeOf: noticed,
    log,
    metrics: createMetrics(),
    nowMs: virtual.now,
  });
  await virtual.advance(10_000);
  expect(kinds(oncall)).toEqual(['store_lost', 'belief_down', 'store_resolved', 'belief_handed_over']);
  for (const page of await pages.pages()) expect([...page.delivered].sort()).toEqual(['*', 'oncall', 'other']);
  await Promise.all([outbox.close(0), virtual.advance(1)]);
});

describe('a page of this region', () => {
  test('is on disk before anybody is told', async () => {
    const seen: string[] = [];
    oncall.next.push(async (page) => {
      seen.push(disk.text.includes(page.id) ? 'on disk' : 'only in memory');
      return { sent: true, receipt: 'ok' };
    });
    await start();
    storeUp = false;
    await virtual.advance(15_000);
    expect(seen).toEqual(['on disk']);
  });

  test('is sent although the disk fails or hangs, and is written when the disk takes it', async () => {
    const { append, replace } = disk;
    disk.append = () => new Promise(() => undefined);
    disk.replace = () => Promise.reject(new Error('no space left'));
    await start();
    storeUp = false;
    await virtual.advance(20_000);
    expect(kinds(oncall)).toEqual(['store_lost']);
    expect(log.of('spool.failed').length).toBeGreaterThan(0);
    Object.assign(disk, { append, replace });
    vote = EU_DOWN;
    await virtual.advance(5_000);
    expect(spooled().map(({ type }) => type)).toEqual(['store.lost', 'belief.down']);
  });

  test('that no channel accepts is tried again on the ladder, through each channel by itself', async () => {
    const hanging = scripted('hanging', virtual.now);
    hanging.next.push(() => new Promise(() => undefined));
    oncall.next.push(failing(), failing());
    await start({ channels: [oncall, hanging] });
    storeUp = false;
    await virtual.advance(60_000);
    expect(kinds(oncall)).toEqual(['store_lost', 'store_lost', 'store_lost']);
    expect(kinds(hanging)).toEqual(['store_lost', 'store_lost']);
    expect(new Set(oncall.told.map(({ id }) => id)).size).toBe(1);
  });

  test('that a channel refuses is still adopted', async () => {
    oncall.next.push(refusing);
    await start();
    storeUp = false;
    await virtual.advance(15_000);
    storeUp = true;
    await virtual.advance(3_000);
    expect(await inOutbox()).toEqual(['store.lost', 'store.resolved']);
    expect(oncall.told).toHaveLength(1);
  });

  test('flaps at most as often as the rests allow', async () => {
    await start();
    storeUp = false;
    for (let i = 0; i < 360; i += 1) {
      vote = i % 2 === 0 ? EU_DOWN : voteOf();
      await virtual.advance(10_000);
    }
    // An hour of flapping every ten seconds: rests of 1, 2, 4, 8, 16 and 32 minutes.
    const downs = kinds(oncall).filter((kind) => kind === 'belief_down').length;
    expect(downs).toBeGreaterThanOrEqual(5);
    expect(downs).toBeLessThanOrEqual(7);
  });
});

describe('adoption', () => {
  const lostAndBack = async (): Promise<void> => {
    storeUp = false;
    await virtual.advance(15_000);
    storeUp = true;
    await virtual.advance(30_000);
  };

  test.each([
    [
      'that happened although the reply was lost',
      async (run: () => Promise<unknown>) => {
        await run();
        throw new StoreAmbiguousError('reply lost');
      },
    ],
    ['whose request was lost', () => Promise.reject(new StoreAmbiguousError('request lost'))],
    ['that the store refused once', () => Promise.reject(new StoreDefiniteError('no'))],
    ['that hangs', () => new Promise<never>(() => undefined)],
  ])('%s: one record per page, told once', async (_name, trouble) => {
    await start();
    pages.troubles.push(trouble as PageStore['troubles'][number]);
    await lostAndBack();
    expect(await inOutbox()).toEqual(['store.lost', 'store.resolved']);
    expect(kinds(oncall)).toEqual(['store_lost']);
    expect(disk.text).toBe('');
  });

  test('that the store never takes lets this region go on telling by itself, asking less and less often', async () => {
    oncall.next.push(failing(), failing(), failing(), failing());
    await start({ store: { ...pages.store, txn: () => Promise.reject(new StoreDefiniteError('permission denied')) } });
    storeUp = false;
    await virtual.advance(12_000);
    storeUp = true;
    await virtual.advance(600_000);
    expect(kinds(oncall)).toEqual(Array.from({ length: 5 }, () => 'store_lost'));
    expect(log.of('direct.adopt').length).toBeLessThan(15);
    expect(spooled()).toHaveLength(1);
  });

  test('of more pages than fit one transaction takes them all', async () => {
    await start();
    storeUp = false;
    await virtual.advance(15_000);
    for (let i = 0; i < 12; i += 1) {
      vote = EU_DOWN;
      await virtual.advance(3_600_000);
      vote = voteOf();
      await virtual.advance(3_600_000);
    }
    storeUp = true;
    await virtual.advance(5_000);
    expect(await inOutbox()).toHaveLength(26);
    expect(disk.text).toBe('');
  });
});

test('a page on its way to a channel when the store is back is adopted with what became of it', async () => {
  oncall.next.push(async () => {
    await sleep(virtual.ports.timers, 8_000);
    return { sent: true, receipt: 'slow' };
  });
  await start();
  storeUp = false;
  await virtual.advanceUntil(() => oncall.told.length > 0, 20_000);
  storeUp = true;
  await virtual.advance(4_000);
  expect(await inOutbox()).toEqual([]);
  await virtual.advance(6_000);
  const [lost] = (await pages.pages()).sort((a, b) => a.atMs - b.atMs);
  expect(lost).toMatchObject({ type: 'store.lost', delivered: ['oncall'] });
});

test('close aborts what hangs when the grace is over', async () => {
  let aborted = false;
  oncall.next.push((_page, signal) => {
    signal.addEventListener('abort', () => {
      aborted = true;
    });
    return new Promise(() => undefined);
  });
  const direct = await start();
  storeUp = false;
  await virtual.advanceUntil(() => oncall.told.length > 0, 20_000);
  let closed = false;
  const closing = direct.close(2_000).then(() => {
    closed = true;
  });
  await virtual.advance(1_900);
  expect([closed, aborted]).toEqual([false, false]);
  await virtual.advance(200);
  await closing;
  expect(aborted).toBe(true);
});

test('close lets a delivery under way end, leaves the page in the spool, and leaves no timer of its own', async () => {
  const answer = Promise.withResolvers<void>();
  oncall.next.push(async () => {
    await answer.promise;
    return { sent: true, receipt: 'late' };
  });
  const process = virtual.spawn('ap');
  const direct = await start({}, process);
  storeUp = false;
  await virtual.advance(15_000);
  const closing = direct.close(3_000);
  await virtual.advance(1_000);
  answer.resolve();
  await virtual.advance(1);
  await closing;
  expect(virtual.pendingTimers()).toBe(1);
  await start();
  await virtual.advance(30_000);
  expect(kinds(oncall)).toEqual(['store_lost']);
});

// ---- a process that dies anywhere ----

type Death = { at: number; how: 'before' | 'after' | 'torn' };

/** A life of a region with processes that die at the given operations (counted over all of them); answers what there is to judge. */
const live = async (deaths: readonly Death[], seed: number) => {
  const time = createVirtual({ startWallMs: START_WALL_MS, seed });
  const box = openPages(time.ports);
  const sheet = paper();
  const told = new Map<string, Set<string>>();
  const keys = new Map<string, Set<string>>();
  const world = { vote: voteOf() as Vote, routing: SPLIT, up: true };
  let operations = 0;
  const note = (page: Page, channel: string): void => {
    told.set(page.id, (told.get(page.id) ?? new Set()).add(channel));
    keys.set(page.id, (keys.get(page.id) ?? new Set()).add(page.dedupKey));
  };
  const until = [40_000, 100_000, 9_000].map((ms) => ({ ms }));

  const boot = async (n: number): Promise<void> => {
    const process = time.spawn(`life ${n}`);
    const { ports } = process;
    let dead = false;
    const die = (): Promise<never> => {
      if (!dead) time.ports.timers.after(3_000, () => void boot(n + 1));
      dead = true;
      process.kill();
      return new Promise(() => undefined);
    };
    /** One awaited operation on the world: where a crash can fall. */
    const step = async <T>(effect: () => Promise<T>, half: () => void = () => undefined): Promise<T> => {
      if (dead) return new Promise(() => undefined);
      operations += 1;
      const death = deaths.find(({ at }) => at === operations);
      if (death?.how === 'before') return die();
      if (death?.how === 'torn') {
        half();
        return die();
      }
      const result = await effect();
      if (death?.how === 'after') return die();
      return dead ? new Promise(() => undefined) : result;
    };
    let answeredAt = Number.NEGATIVE_INFINITY;
    const read = (): void => {
      if (world.up) answeredAt = ports.clock.monoMs();
      ports.timers.after(500, read);
    };
    read();
    const store: PageStore['store'] = {
      ...box.store,
      get: (query) => (world.up ? step(() => box.store.get(query)) : Promise.reject(new Error('no answer'))),
      txn: (txn) => (world.up ? step(() => box.store.txn(txn)) : Promise.reject(new StoreAmbiguousError('no answer'))),
    };
    const channelOf = (name: string, failures: number): Channel => {
      let left = failures;
      return {
        name,
        places: [],
        deliver: ({ page }) =>
          step(async () => {
            left -= 1;
            if (left >= 0) return { sent: false, retry: true, because: 'busy' };
            note(page, name);
            return { sent: true, receipt: 'ok' };
          }),
      };
    };
    const spool = await openSpool({
      disk: {
        read: () => step(() => sheet.read()),
        append: (text) =>
          step(
            () => sheet.append(text),
            () => {
              sheet.text += text.slice(0, text.length / 2);
            },
          ),
        replace: (text) => step(() => sheet.replace(text)),
      },
      ports,
      log: recordingLog(),
    });
    createDirectPages({
      ports,
      log: recordingLog(),
      channels: [channelOf('first', 1), channelOf('second', 2)],
      noticeOf: noticed,
      spool,
      region: 'ap',
      replica: 'a',
      store,
      storeAgeMs: () => ports.clock.monoMs() - answeredAt,
      belief: () => world.vote,
      cluster: () => cluster3,
      routing: () => world.routing,
      nowMs: time.now,
    });
  };

  void boot(0);
  const coordinator: Channel[] = ['first', 'second'].map((name) => ({
    name,
    places: [],
    deliver: async ({ page }) => {
      note(page, name);
      return { sent: true, receipt: 'ok' };
    },
  }));
  const outbox: Outbox = createOutbox({
    store: box.store,
    ports: time.ports,
    channels: coordinator,
    noticeOf: noticed,
    log: recordingLog(),
    metrics: createMetrics(),
    nowMs: time.now,
  });
  await time.advance(5_000);
  world.up = false;
  await time.advance(until[0]!.ms);
  world.vote = EU_DOWN;
  await time.advance(until[1]!.ms);
  world.vote = voteOf({ down: [...EU_DOWN.down, 'web/us/app'].sort(), unready: [...EU_DOWN.unready, 'web/us/app'].sort() });
  await time.advance(until[1]!.ms);
  world.vote = EU_DOWN;
  await time.advance(until[0]!.ms);
  world.up = true;
  await time.advance(until[2]!.ms);
  world.routing = DRAINED;
  await time.advance(120_000);
  const left = await box.pages();
  await Promise.all([outbox.close(0), time.advance(1)]);
  await box.store.close();
  return { operations, left, told, keys, text: sheet.text };
};

const judge = ({ left, told, keys, text }: Awaited<ReturnType<typeof live>>): void => {
  expect(text).toBe('');
  expect(left.map(({ dedupKey, type }) => `${dedupKey} ${type}`).sort()).toEqual([
    'direct-test-ap-down-eu belief.down',
    'direct-test-ap-down-eu belief.handed_over',
    'direct-test-ap-down-us belief.down',
    'direct-test-ap-down-us belief.resolved',
    'direct-test-ap-store store.lost',
    'direct-test-ap-store store.resolved',
  ]);
  // Nobody was told of a page that is not in the history, and everybody was told of all that are.
  expect([...told.keys()].sort()).toEqual(left.map(({ id }) => id).sort());
  for (const page of left) {
    expect([...(told.get(page.id) ?? [])].sort()).toEqual(['first', 'second']);
    expect([...(keys.get(page.id) ?? [])]).toEqual([page.dedupKey]);
    expect([...page.delivered].sort()).toEqual(['*', 'first', 'second']);
  }
};

test('a process that dies at any operation leaves every page delivered under one key, in the history, and an empty spool', async () => {
  const calm = await live([], 1);
  judge(calm);
  expect(calm.operations).toBeGreaterThan(30);
  for (let at = 1; at <= calm.operations; at += 1)
    for (const how of ['before', 'after', 'torn'] as const) judge(await live([{ at, how }], 1));
}, 120_000);

test('and so does one that dies again and again', async () => {
  const death = fc.record({ at: fc.integer({ min: 1, max: 80 }), how: fc.constantFrom<Death['how']>('before', 'after', 'torn') });
  await fc.assert(
    fc.asyncProperty(fc.array(death, { minLength: 2, maxLength: 8 }), fc.nat(), async (deaths, seed) => judge(await live(deaths, seed))),
    { numRuns: 60 },
  );
}, 120_000);

test('a belief that is over before a channel took its beginning: no end before it', async () => {
  await start();
  await virtual.advance(20_000);
  storeUp = false;
  vote = EU_DOWN;
  oncall.next.push(...Array.from({ length: 8 }, () => failing()));
  await virtual.advanceUntil(() => oncall.told.length > 7, 200_000);
  vote = voteOf();
  await virtual.advance(1_200_000);
  const k = kinds(oncall).filter((x) => x.startsWith('belief'));
  expect(k.at(-1)).toBe('belief_resolved');
});
