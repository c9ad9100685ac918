// Stories of who is told when, on virtual time: ladders, threads in order, ends that are overtaken, dead letters, the relief by another region, and a
// region's queue that moves or does not.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { outboxKey } from '../../src/coordinate/keys.ts';
import { createMetrics } from '../../src/metrics.ts';
import type { Page } from '../../src/model.ts';
import type { Delivery } from '../../src/paging/channel.ts';
import { createOutbox, type Outbox, type OutboxOptions } from '../../src/paging/outbox.ts';
import type { Errand, Queue } from '../../src/paging/queue.ts';
import type { Report } from '../../src/paging/report.ts';
import { type Store, StoreDefiniteError } from '../../src/store/store.ts';
import { type RecordingLog, recordingLog } from '../recording-log.ts';
import { createVirtual, type Virtual, type VirtualProcess } from '../virtual.ts';
import { failing, noticed, openPages, type PageStore, pageOf, refusing, type ScriptedChannel, scripted } from './fixture.ts';

const ROUTES = [{ to: ['pd', 'mail'], also: ['chat'] }];

let virtual: Virtual;
let pages: PageStore;
let log: RecordingLog;
let reports: Report[];
let opened: Outbox[];
let [pd, mail, chat, lines]: ScriptedChannel[] = [];

beforeEach(() => {
  virtual = createVirtual({ startWallMs: Date.UTC(2026, 10, 22), seed: 1 });
  pages = openPages(virtual.ports);
  log = recordingLog();
  [reports, opened] = [[], []];
  [pd, mail, chat, lines] = ['pd', 'mail', 'chat', 'log'].map((name) => scripted(name, virtual.now));
});
afterEach(async () => {
  const closing = Promise.all(opened.map((outbox) => outbox.close(0)));
  await virtual.advance(1);
  await closing;
  await pages.store.close();
});

const start = (given: Partial<OutboxOptions> = {}, process: VirtualProcess = virtual): Outbox => {
  const outbox = createOutbox({
    store: pages.store,
    ports: process.ports,
    channels: [lines!, pd!, mail!, chat!],
    routes: ROUTES,
    noticeOf: noticed,
    log,
    metrics: createMetrics(),
    nowMs: virtual.now,
    report: (report) => void reports.push(report),
    ...given,
  });
  opened.push(outbox);
  return outbox;
};
const ids = (channel: ScriptedChannel | undefined) => channel!.told.map(({ id }) => id);
const told = () => ({ pd: ids(pd), mail: ids(mail), chat: ids(chat) });
const down = (id: string, given: Parameters<typeof pageOf>[1] = {}) =>
  pageOf(id, { dedupKey: 'k', atMs: virtual.now(), v: virtual.now(), ...given });
const end = (id: string, given: Parameters<typeof pageOf>[1] = {}) => down(id, { type: 'incident.resolved', severity: 'info', ...given });
const always = (channel: ScriptedChannel | undefined, step: () => Promise<Delivery>) => {
  channel!.next.push(...Array.from({ length: 5_000 }, () => step));
};

/** a, its end z, which is held for five minutes, and b under the same key a minute later; then ten minutes. */
const beganEndedAndBeganAnew = async (): Promise<void> => {
  await pages.put(down('a'));
  await virtual.advance(1_000);
  await pages.put(end('z', { notBeforeMs: virtual.now() + 300_000 }));
  await virtual.advance(60_000);
  await pages.put(down('b'));
  await virtual.advance(600_000);
};

describe('the ladder', () => {
  test('the second rung is told 30 s after the page when the first has not accepted, and the first is tried on', async () => {
    always(pd, failing());
    await pages.put(down('a'));
    start();
    await virtual.advance(29_900);
    expect(told()).toMatchObject({ mail: [], chat: ['a'] });
    await virtual.advance(200);
    expect(ids(mail)).toEqual(['a']);
    expect((await pages.page('a'))?.delivered).not.toContain('*');
    pd!.next.length = 0;
    await virtual.advance(300_000);
    expect((await pages.page('a'))?.delivered).toEqual(expect.arrayContaining(['pd', 'mail', 'chat', 'log', '*']));
  });

  test('a rung that comes due after the office was lost is not looked for: a former coordinator looked a thousand times a second', async () => {
    let leads = true;
    let looks = 0;
    const isLeader = (): boolean => {
      looks += 1;
      return leads;
    };
    always(pd, failing());
    await pages.put(down('a'));
    start({ isLeader });
    await virtual.advance(20_000);
    leads = false;
    await virtual.advance(20_000);
    looks = 0;
    await virtual.advance(60_000);
    expect(looks).toBeLessThanOrEqual(12);
  });

  test('a rung that comes due while the store cannot be read does not make it be asked in a loop', async () => {
    always(pd, failing());
    await pages.put(down('a'));
    start();
    await virtual.advance(20_000);
    pages.deaf.now = true;
    await virtual.advance(60_000);
    expect(log.of('outbox.failed').length).toBeLessThanOrEqual(60);
    pages.deaf.now = false;
    await virtual.advance(5_001);
    expect(ids(mail)).toEqual(['a']);
  });

  test('a first rung that accepts leaves the second alone', async () => {
    await pages.put(down('a'));
    start();
    await virtual.advance(120_000);
    expect(told()).toEqual({ pd: ['a'], mail: [], chat: ['a'] });
    expect((await pages.page('a'))?.delivered).toContain('*');
  });

  test('a first rung that refuses for good is followed at once; the dead letter is kept and told by the others, once', async () => {
    always(pd, refusing);
    await pages.put(down('a'), down('b', { dedupKey: 'other' }));
    start();
    await virtual.advance(1_000);
    expect(told()).toMatchObject({ pd: ['a', 'b'], mail: ['a', 'b'] });
    expect(await pages.page('a')).toMatchObject({
      delivered: expect.arrayContaining(['mail', '*']),
      dead: { pd: { because: 'gone', tries: 1 } },
    });
    expect(reports.map(({ type, subject, detail }) => ({ type, subject, channel: detail?.channel }))).toContainEqual({
      type: 'paging.dead_letter',
      subject: 'dead-letter-pd',
      channel: 'pd',
    });
    await virtual.advance(26 * 3_600_000);
    expect((await pages.page('a'))?.dead).toBeDefined();
  });

  test('a receiver that wants no more is not asked again for an hour', async () => {
    pd!.next.push(async () => ({ sent: false, retry: false, gone: true, because: '410' }));
    start();
    await pages.put(down('a'));
    await virtual.advance(1_000);
    await pages.put(down('b', { dedupKey: 'other' }));
    await virtual.advance(1_000);
    expect(told()).toMatchObject({ pd: ['a'], mail: ['a', 'b'] });
    await virtual.advance(3_600_000);
    await pages.put(down('c', { dedupKey: 'third' }));
    await virtual.advance(1_000);
    expect(ids(pd)).toEqual(['a', 'c']);
  });
});

describe('a thread', () => {
  test('is heard in order: an end waits until its beginning was accepted', async () => {
    pd!.next.push(failing(), failing(), failing());
    start();
    await pages.put(down('a'));
    await virtual.advance(500);
    await pages.put(end('z'));
    await virtual.advance(60_000);
    expect(ids(pd)).toEqual(['a', 'a', 'a', 'a', 'z']);
    expect(ids(chat)).toEqual(['a', 'z']);
  });

  test('another one is not held up by it', async () => {
    pd!.next.push(failing());
    start();
    await pages.put(down('a'), down('b', { dedupKey: 'other' }));
    await virtual.advance(10);
    expect(ids(pd)).toEqual(['a', 'b']);
  });

  test('an end is told after its hold, to whoever heard of the beginning', async () => {
    always(pd, refusing);
    start();
    await pages.put(down('a'));
    await virtual.advance(1_000);
    await pages.put(end('z', { notBeforeMs: virtual.now() + 300_000 }));
    await virtual.advance(299_000);
    expect(ids(mail)).toEqual(['a']);
    await virtual.advance(2_000);
    expect(told()).toEqual({ pd: ['a'], mail: ['a', 'z'], chat: ['a', 'z'] });
  });

  test('an end that a new beginning overtakes is told to nobody', async () => {
    start();
    await beganEndedAndBeganAnew();
    expect(told()).toEqual({ pd: ['a', 'b'], mail: [], chat: ['a', 'b'] });
    expect((await pages.page('z'))?.delivered).toContain('*');
    expect(log.of('page.overtaken')).toHaveLength(1);
  });

  test('an end is told after all when the store is restored, without what had overtaken it, while that is written down (simulator, seed 4202)', async () => {
    let restores = 0;
    const { store } = pages;
    const restored: Store = {
      clusterId: store.clusterId,
      get: (query, signal) => store.get(query, signal),
      watch: (prefix, onEvent) => store.watch(prefix, onEvent),
      close: () => store.close(),
      async txn(txn, signal) {
        const isMark = txn.then.some((op) => 'put' in op && op.put === outboxKey('z') && (op.value as Page).delivered.includes('*'));
        if (isMark && restores++ === 0) await store.txn({ if: [], then: [{ del: outboxKey('b') }] });
        return store.txn(txn, signal);
      },
    };
    start({ store: restored });
    await beganEndedAndBeganAnew();
    expect(restores).toBeGreaterThan(0);
    expect(told()).toEqual({ pd: ['a', 'b', 'z'], mail: [], chat: ['a', 'b', 'z'] });
  });
});

describe('another region', () => {
  test('delivers what only a log has taken for long, while the coordinator cannot reach anybody', async () => {
    const stuck = ['pd', 'mail', 'chat'].map((name) => scripted(name, virtual.now));
    for (const channel of stuck) always(channel, () => new Promise(() => undefined));
    start({ channels: [lines!, ...stuck] }, virtual.spawn('coordinator'));
    start({ isLeader: () => false }, virtual.spawn('relief'));
    await pages.put(down('a'), down('quiet', { dedupKey: 'q', severity: 'info' }));
    await virtual.advance(44_000);
    expect(told()).toEqual({ pd: [], mail: [], chat: [] });
    await virtual.advance(56_000);
    expect(ids(pd)).toEqual(['a']);
    expect((await pages.page('a'))?.delivered).toEqual(expect.arrayContaining(['pd', 'chat']));
    expect(ids(lines)).toEqual(expect.arrayContaining(['a', 'quiet']));
  });

  test.each([0, 7_000, 14_000, 21_000, 29_000])(
    'does so 45 to 65 s after the page, whenever it last looked (%i ms before)',
    async (phaseMs) => {
      start({ isLeader: () => false });
      await virtual.advance(30_000 + phaseMs);
      const atMs = virtual.now();
      await pages.put(down('a'));
      await virtual.advance(90_000);
      const tookMs = (pd?.told[0]?.atMs ?? Number.POSITIVE_INFINITY) - atMs;
      expect(tookMs).toBeGreaterThan(45_000);
      // A spread of 15 s so that not all do at once, and the sweep of 5 s.
      expect(tookMs).toBeLessThanOrEqual(65_000);
    },
  );
});

/** A queue that holds what it is told to hold and lets the test play the worker. */
const scriptedQueue = (): Queue & { held: Errand[]; moves: boolean; offers: number } => {
  const queue = {
    held: [] as Errand[],
    moves: true,
    offers: 0,
    async offer(errands: readonly Errand[]) {
      queue.offers += 1;
      if (!queue.moves) return [];
      queue.held.push(...errands.filter((e) => !queue.held.some((h) => h.page === e.page && h.channel === e.channel)));
      return errands;
    },
    standing: () => ({ state: 'ok' as const, jobs: { waiting: queue.held.length, failed: 0 } }),
    close: async () => undefined,
  };
  return queue;
};
const never = new AbortController().signal;

describe('with a queue', () => {
  test('errands that it holds are not sent in process; what its worker sent is marked and settled', async () => {
    const queue = scriptedQueue();
    const outbox = start();
    outbox.carryBy(queue);
    await pages.put(down('a'));
    await virtual.advance(20_000);
    expect(told()).toEqual({ pd: [], mail: [], chat: [] });
    expect(queue.held.map(({ channel }) => channel).sort()).toEqual(['chat', 'log', 'mail', 'pd']);
    // The next rung is there in time, for whoever then works; it is spared since one before it accepted.
    expect(queue.held.find(({ channel }) => channel === 'mail')).toMatchObject({ unlessTaken: true, delayMs: expect.any(Number) });
    for (const errand of queue.held.splice(0).toSorted((a, b) => (a.delayMs ?? 0) - (b.delayMs ?? 0)))
      expect(await outbox.tryOne(errand, 0, never)).toEqual({ done: true });
    await virtual.advance(10);
    expect(told()).toEqual({ pd: ['a'], mail: [], chat: ['a'] });
    expect((await pages.page('a'))?.delivered).toEqual(expect.arrayContaining(['pd', 'chat', 'log', '*']));
  });

  test('that moves nothing more is done without within 5 s', async () => {
    const queue = scriptedQueue();
    start().carryBy(queue);
    await pages.put(down('a'));
    await virtual.advance(1_000);
    queue.moves = false;
    await virtual.advance(5_000);
    expect(told()).toMatchObject({ pd: ['a'], chat: ['a'] });
  });

  test('a worker is told when to try again, gives up what is refused, and does what was done only once', async () => {
    const outbox = start({ isLeader: () => false });
    await pages.put(down('a', { atMs: virtual.now() }));
    const errand: Errand = { page: 'a', channel: 'pd', severity: 'critical' };
    pd!.next.push(failing({ afterMs: 7_000 }), refusing);
    expect(await outbox.tryOne(errand, 0, never)).toEqual({ done: false, againAfterMs: 7_000 });
    expect(await outbox.tryOne(errand, 1, never)).toEqual({ done: true });
    expect((await pages.page('a'))?.dead).toMatchObject({ pd: { because: 'gone', tries: 2 } });
    expect(await outbox.tryOne(errand, 2, never)).toEqual({ done: true });
    expect(ids(pd)).toEqual(['a', 'a']);
    expect(await outbox.tryOne({ ...errand, page: 'gone' }, 0, never)).toEqual({ done: true });
    expect(await outbox.tryOne({ ...errand, channel: 'gone' }, 0, never)).toEqual({ done: true });
  });

  test('a worker whose mark is refused tries the mark again and does not send again', async () => {
    const outbox = start({ isLeader: () => false });
    await pages.put(down('a'));
    pages.troubles.push(async () => {
      throw new StoreDefiniteError('no');
    });
    const errand: Errand = { page: 'a', channel: 'pd', severity: 'critical' };
    expect(await outbox.tryOne(errand, 0, never)).toEqual({ done: false, againAfterMs: 1_000 });
    expect(await outbox.tryOne(errand, 1, never)).toEqual({ done: true });
    expect(ids(pd)).toEqual(['a']);
    expect((await pages.page('a'))?.delivered).toEqual(['pd']);
  });
});

test('a channel with a rate gets no more than that, and all of it in the end', async () => {
  const slow = { ...pd!, rate: { max: 2, perMs: 1_000 } };
  await pages.put(...Array.from({ length: 10 }, (_, i) => down(`p${i}`, { dedupKey: `k${i}` })));
  start({ channels: [slow, chat!], routes: [] });
  await virtual.advance(500);
  expect([slow.told.length, ids(chat).length]).toEqual([2, 10]);
  await virtual.advance(10_000);
  expect(slow.told).toHaveLength(10);
  for (let i = 2; i < 10; i += 1) expect((slow.told[i]?.atMs ?? 0) - (slow.told[i - 2]?.atMs ?? 0)).toBeGreaterThanOrEqual(1_000);
});

test('a storm of pages leaves in order, each once', async () => {
  const storm = Array.from({ length: 600 }, (_, i) => down(`p${String(i).padStart(4, '0')}`, { dedupKey: `k${i}`, atMs: i }));
  for (let i = 0; i < storm.length; i += 100) await pages.put(...storm.slice(i, i + 100));
  start({ channels: [pd!], routes: [] });
  await virtual.advance(60_000);
  expect(ids(pd)).toEqual(storm.map(({ id }) => id));
  expect((await pages.pages()).every((page) => page.delivered.includes('*'))).toBe(true);
}, 60_000);

describe('a channel that takes no pages', () => {
  test('is told of after five minutes through the others, and taken back when it does again', async () => {
    always(pd, failing());
    await pages.put(down('a'));
    start();
    await virtual.advance(299_000);
    expect(reports).toEqual([]);
    await virtual.advance(11_000);
    expect(reports).toMatchObject([
      {
        type: 'paging.channel_failing',
        severity: 'warning',
        subject: 'channel-pd',
        detail: { channel: 'pd' },
        summary: expect.stringMatching(/for 5 min: busy/),
      },
    ]);
    pd!.next.length = 0;
    await virtual.advance(3_600_000);
    expect(reports.map(({ type }) => type)).toEqual(['paging.channel_failing', 'paging.channel_ok']);
  });
});

// ---- what an adversarial review of November 2026 found ----

const HOLD = 300_000;
const MIN = 60_000;

test('a rung that comes back late hears the end as well as the beginning, or neither', async () => {
  always(pd, failing());
  start();
  await pages.put(down('a'));
  await virtual.advance(10 * MIN); // mail took it at 30 s
  await pages.put(end('z', { notBeforeMs: virtual.now() + HOLD }));
  await virtual.advance(10 * MIN); // the end is told to mail
  pd!.next.length = 0; // PagerDuty is back
  const before = ids(pd).length;
  await virtual.advance(60 * MIN);
  const after = ids(pd).slice(before);
  // either nothing, or beginning AND end; not an alert that stays open for ever
  expect([[], ['a', 'z']]).toContainEqual(after);
});

test('an outage of more than a day: its end is told to whoever heard the beginning', async () => {
  const routes = [
    { severity: ['critical' as const], to: ['pd', 'mail'], also: [] },
    { to: ['chat'], also: [] },
  ];
  start({ routes });
  await pages.put(down('a', { detail: { region: 'eu-west', incident: 'i' } }));
  await virtual.advance(25 * 60 * MIN);
  expect(ids(pd)).toEqual(['a']);
  await pages.put(end('z', { notBeforeMs: virtual.now() + HOLD, detail: { region: 'eu-west', incident: 'i' } }));
  await virtual.advance(10 * MIN);
  expect(ids(pd)).toEqual(['a', 'z']);
});

test('a failed try whose retry another replica made: no false page about the channel', async () => {
  pd!.next.push(failing());
  const w1 = start({ isLeader: () => false }, virtual.spawn('w1'));
  const w2 = start({ isLeader: () => false }, virtual.spawn('w2'));
  await pages.put(down('a'));
  const signal = new AbortController().signal;
  await w1.tryOne({ page: 'a', channel: 'pd', severity: 'critical' }, 0, signal);
  await virtual.advance(2_000);
  await w2.tryOne({ page: 'a', channel: 'pd', severity: 'critical' }, 1, signal);
  expect((await pages.page('a'))?.delivered).toContain('pd');
  await virtual.advance(60 * MIN);
  expect(reports.map(({ type }) => type)).toEqual([]);
  expect(w1.backlog().channels.find(({ name }) => name === 'pd')?.failing).toBeNull();
});

test('an end that something newer has overtaken while nobody looked', async () => {
  const t = virtual.now();
  await pages.put(
    down('a', { delivered: ['pd', 'chat', 'log', '*'], atMs: t, v: 1 }),
    end('z', { atMs: t + 1, v: 2, notBeforeMs: t + HOLD }),
  );
  await virtual.advance(HOLD + 20_000);
  await pages.put(down('b', { atMs: t + HOLD - 1_000, v: 3 }));
  start(); // the next coordinator
  await virtual.advance(10_000);
  expect(ids(pd)).toEqual(['b']);
});

test('what one channel accepted and the store did not hear is marked by the sweep, though another channel fails', async () => {
  always(mail, failing());
  pages.troubles.push(
    async () => {
      throw new StoreDefiniteError('no');
    },
    async () => {
      throw new StoreDefiniteError('no');
    },
    async () => {
      throw new StoreDefiniteError('no');
    },
    async () => {
      throw new StoreDefiniteError('no');
    },
  );
  start({ routes: [] });
  await pages.put(down('a')).catch(() => undefined);
  await virtual.advance(10 * MIN);
  expect(ids(pd)).toEqual(['a']);
  expect((await pages.page('a'))?.delivered).toEqual(expect.arrayContaining(['pd', 'chat', 'log']));
});

test('given up after a week, in process, though the routes leave a channel out', async () => {
  always(pd, failing());
  start({ routes: [{ to: ['pd'], also: [] }] });
  await pages.put(down('a', { atMs: virtual.now() - 7 * 24 * 60 * MIN }));
  await virtual.advance(5 * MIN);
  expect((await pages.page('a'))?.delivered).not.toContain('*');
  await virtual.advance(120 * MIN);
  expect(await pages.page('a')).toMatchObject({
    delivered: expect.arrayContaining(['*']),
    dead: { pd: { because: expect.stringMatching(/given up/) } },
  });
});

test('the page about a channel that is alone in its route goes by the others', async () => {
  start({
    routes: [
      { severity: ['critical' as const], to: ['pd', 'mail'], also: [] },
      { severity: ['warning' as const], to: ['mail'], also: [] },
    ],
  });
  await pages.put(down('c', { type: 'paging.channel_failing', severity: 'warning', detail: { channel: 'mail' } }));
  await virtual.advance(1_000);
  expect([...ids(pd), ...ids(chat)]).toContain('c');
});

test('a worker of a replica that has just come into office does not settle an end before it knows who heard', async () => {
  await pages.put(down('a', { delivered: ['pd', 'mail', 'chat', 'log', '*'], dead: { pd: { because: 'x', atMs: 0, tries: 1 } } }));
  await virtual.advance(10);
  await pages.put(end('z', { delivered: ['chat', 'log'] }));
  let first = true;
  const store = {
    ...pages.store,
    get: async (...[query, signal]: Parameters<PageStore['store']['get']>) => {
      if (query.prefixes !== undefined && first) {
        first = false;
        throw new Error('no answer');
      }
      return pages.store.get(query, signal);
    },
  };
  const o = start({ store });
  await virtual.advance(1);
  await o.tryOne({ page: 'z', channel: 'pd', severity: 'info' }, 0, new AbortController().signal);
  await virtual.advance(60_000);
  expect(ids(mail)).toEqual(['z']);
});

test('in process, what is critical goes first when a channel has a rate', async () => {
  const slow = { ...scripted('slack', virtual.now), rate: { max: 1, perMs: 1_000 } } as ScriptedChannel;
  await pages.put(...Array.from({ length: 60 }, (_, n) => down(`i${n}`, { dedupKey: `i${n}`, severity: 'info' })));
  await virtual.advance(5);
  await pages.put(down('crit'));
  start({ channels: [lines!, slow], routes: [] });
  await virtual.advance(10_000);
  expect(ids(slow)).toContain('crit');
});

test('a whole route that is dead: somebody else hears of the page itself', async () => {
  always(pd, refusing);
  start({
    routes: [
      { severity: ['critical' as const], to: ['pd'], also: [] },
      { to: ['mail'], also: [] },
    ],
  });
  await pages.put(down('a'));
  await virtual.advance(60_000);
  await pages.put(down('b', { dedupKey: 'other' }));
  await virtual.advance(60_000);
  expect([...ids(mail), ...ids(chat)]).toContain('b');
});

test('a replay is really sent, though this worker remembers a sending that it could not mark', async () => {
  const o = start({ isLeader: () => false }, virtual.spawn('w1'));
  const signal = new AbortController().signal;
  await pages.put(down('a'));
  pages.troubles.push(async () => {
    throw new StoreDefiniteError('no');
  });
  await o.tryOne({ page: 'a', channel: 'pd', severity: 'critical' }, 0, signal); // sent, unmarked
  const page = (await pages.page('a'))!;
  await pages.put({ ...page, delivered: ['pd', 'log', '*'] }); // another worker sent and marked it
  await pages.put({ ...page, delivered: ['log'], again: { to: ['pd'], alone: true } }); // an operator replays it
  await o.tryOne({ page: 'a', channel: 'pd', severity: 'critical' }, 0, signal);
  expect(ids(pd)).toEqual(['a', 'a']);
});

test('a relief goes through a backlog without waiting for its next look', async () => {
  const stuck = ['pd', 'mail', 'chat'].map((name) => scripted(name, virtual.now));
  for (const channel of stuck) always(channel, () => new Promise(() => undefined));
  start({ channels: [lines!, ...stuck] }, virtual.spawn('coordinator'));
  start({ isLeader: () => false }, virtual.spawn('relief'));
  await pages.put(...Array.from({ length: 60 }, (_, n) => down(`p${n}`, { dedupKey: `k${n}` })));
  const took = await virtual.advanceUntil(() => new Set(ids(pd)).size >= 60, 3_600_000);
  expect(took).toBeLessThan(180_000);
});

test('a relief whose own key is wrong does not take the channel from the coordinator', async () => {
  const pdA = scripted('pd', virtual.now);
  pdA.next.push(failing({ afterMs: 120_000 })); // throttled for two minutes, then well
  const pdB = scripted('pd', virtual.now);
  pdB.next.push(...Array.from({ length: 9 }, () => refusing));
  start({ channels: [lines!, pdA], routes: [] }, virtual.spawn('coordinator'));
  start({ channels: [lines!, pdB], routes: [], isLeader: () => false }, virtual.spawn('relief'));
  await pages.put(down('a'));
  await virtual.advance(600_000);
  expect(ids(pdA)).toEqual(['a', 'a']);
});

test('a relief that failed once goes on beating', async () => {
  const all = ['pd', 'mail', 'chat'].map((name) => scripted(name, virtual.now));
  for (const channel of all) channel.next.push(failing());
  const lead = ['pd', 'mail', 'chat'].map((name) => scripted(name, virtual.now));
  for (const channel of lead) always(channel, failing({ afterMs: 70_000 }));
  start({ channels: [lines!, ...lead], routes: [] }, virtual.spawn('coordinator'));
  const b = start({ channels: [lines!, ...all], routes: [], isLeader: () => false }, virtual.spawn('relief'));
  await pages.put(down('a'));
  await virtual.advance(64_000);
  for (const channel of lead) channel.next.length = 0; // the receivers are back: the coordinator delivers
  await virtual.advance(60 * MIN);
  expect((await pages.page('a'))?.delivered).toContain('*');
  expect(b.backlog().channels.some(({ name, failing: why }) => name !== 'log' && why === null)).toBe(true);
});

test('replicas that mark beside a dead letter do not tell of it again', async () => {
  await pages.put(down('a', { dead: { pd: { because: 'x', atMs: 0, tries: 1 } } }));
  const w = start({ isLeader: () => false }, virtual.spawn('w'));
  await w.tryOne({ page: 'a', channel: 'mail', severity: 'critical' }, 0, new AbortController().signal);
  expect(reports).toEqual([]);
});

test('once a human has it, no further pager rings', async () => {
  always(pd, failing());
  always(mail, failing());
  start();
  await pages.put(down('a'));
  await virtual.advance(40_000);
  const page = (await pages.page('a'))!;
  await pages.put({ ...page, acknowledged: { by: 'alice', atMs: virtual.now() } });
  await virtual.advance(1_000);
  pd!.next.length = 0;
  mail!.next.length = 0;
  const before = ids(pd).length + ids(mail).length;
  await virtual.advance(30 * MIN);
  expect(ids(pd).length + ids(mail).length - before).toBe(0);
});

test('an outage of more than a day: also when its end is not taken at the first try', async () => {
  const routes = [
    { severity: ['critical' as const], to: ['pd', 'mail'], also: [] },
    { to: ['chat'], also: [] },
  ];
  start({ routes });
  await pages.put(down('a', { detail: { region: 'eu-west', incident: 'i' } }));
  await virtual.advance(25 * 60 * MIN);
  pd!.next.push(failing());
  await pages.put(end('z', { notBeforeMs: virtual.now() + HOLD, detail: { region: 'eu-west', incident: 'i' } }));
  await virtual.advance(60 * MIN);
  expect(ids(pd)).toEqual(['a', 'z', 'z']);
});
