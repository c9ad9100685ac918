// Stories of the outbox on virtual time: at least once, the same id, and nothing lost by receivers, stores or processes that fail.
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createMetrics, type Metrics } from '../../src/metrics.ts';
import type { Page } from '../../src/model.ts';
import type { Channel } from '../../src/paging/channel.ts';
import { createOutbox, type Outbox, type OutboxOptions } from '../../src/paging/outbox.ts';
import { sleep } from '../../src/ports.ts';
import { type Store, StoreAmbiguousError, StoreDefiniteError } from '../../src/store/store.ts';
import { type RecordingLog, recordingLog } from '../recording-log.ts';
import { createVirtual, type Virtual, type VirtualProcess } from '../virtual.ts';
import { failing, noticed, openPages, type PageStore, pageOf, refusing, type ScriptedChannel, scripted } from './fixture.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const START_WALL_MS = Date.UTC(2026, 10, 22);

let virtual: Virtual;
let pages: PageStore;
let log: RecordingLog;
let metrics: Metrics;
let oncall: ScriptedChannel;
let other: ScriptedChannel;
let opened: Outbox[];

beforeEach(() => {
  virtual = createVirtual({ startWallMs: START_WALL_MS, seed: 1 });
  pages = openPages(virtual.ports);
  log = recordingLog();
  metrics = createMetrics();
  oncall = scripted('oncall', virtual.now);
  other = scripted('other', virtual.now);
  opened = [];
});
afterEach(async () => {
  const closing = Promise.all(opened.map((outbox) => outbox.close(0)));
  await virtual.advance(1);
  await closing;
  await pages.store.close();
});

const start = (given: Partial<OutboxOptions> = {}, process: VirtualProcess = virtual): Outbox => {
  const options = {
    store: pages.store,
    ports: process.ports,
    channels: [oncall],
    noticeOf: noticed,
    log,
    metrics,
    nowMs: () => virtual.now(),
    ...given,
  };
  const outbox = createOutbox(options);
  opened.push(outbox);
  return outbox;
};
const ids = (channel: ScriptedChannel) => channel.told.map(({ id }) => id);
const times = (channel: ScriptedChannel) => channel.told.map(({ atMs }) => atMs);
const delivered = async (id: string) => (await pages.page(id))?.delivered;

describe('a page', () => {
  test('goes to every channel at once when it is written, and the store says so', async () => {
    start({ channels: [oncall, other] });
    await virtual.advance(2_500);
    await pages.put(pageOf('a'));
    await virtual.advance(1);
    expect([ids(oncall), ids(other)]).toEqual([['a'], ['a']]);
    expect(oncall.told[0]?.atMs).toBeLessThanOrEqual(2_501);
    expect(await delivered('a')).toEqual(expect.arrayContaining(['oncall', 'other', '*']));
    await virtual.advance(HOUR_MS);
    expect([ids(oncall), ids(other)]).toEqual([['a'], ['a']]);
  });

  test('that waits goes before younger ones', async () => {
    await pages.put(pageOf('z', { atMs: 1 }), pageOf('a', { atMs: 3 }), pageOf('m', { atMs: 2 }));
    start();
    await virtual.advance(10);
    expect(ids(oncall)).toEqual(['z', 'm', 'a']);
  });

  test('already told to one channel goes to the others only; one told to everybody goes nowhere, also not to a new channel', async () => {
    await pages.put(pageOf('half', { delivered: ['oncall'] }), pageOf('done', { delivered: ['oncall', '*'] }));
    start({ channels: [oncall, other] });
    await virtual.advance(10);
    expect([ids(oncall), ids(other)]).toEqual([[], ['half']]);
  });

  test('whose receiver fails three times is tried after about 2, 5 and 10 s, then accepted', async () => {
    oncall.next.push(failing(), failing(), failing());
    await pages.put(pageOf('a'));
    start();
    await virtual.advance(60_000);
    const at = times(oncall);
    const gaps = at.slice(1).map((ms, i) => ms - at[i]!);
    expect(gaps).toHaveLength(3);
    for (const [i, rungMs] of [2_000, 5_000, 10_000].entries()) {
      expect(gaps[i]).toBeGreaterThanOrEqual(0.8 * rungMs);
      expect(gaps[i]).toBeLessThanOrEqual(1.2 * rungMs + 1);
    }
    expect(await delivered('a')).toEqual(['oncall', '*']);
    expect(log.of('page.failed').map(({ fields }) => fields.failures)).toEqual([1, 2, 3]);
    const text = await metrics.text();
    expect(text).toContain('tidegate_pages_total{channel="oncall",outcome="retry"} 3');
    expect(text).toContain('tidegate_pages_total{channel="oncall",outcome="sent"} 1');
  });

  test('that fails late is tried again as soon as its time has come, not at the next sweep', async () => {
    oncall.next.push(async () => {
      await sleep(virtual.ports.timers, 500);
      return { sent: false, retry: true, because: 'slow to fail' };
    });
    await pages.put(pageOf('a'));
    start();
    await virtual.advance(500 + 2_400 + 2);
    expect(times(oncall)).toHaveLength(2);
  });

  test('is tried again no sooner than the receiver asks, but never later than a quarter of an hour', async () => {
    oncall.next.push(failing({ afterMs: 40_000 }), failing({ afterMs: 100 * DAY_MS }));
    await pages.put(pageOf('a'));
    start();
    await virtual.advance(HOUR_MS);
    const [first = 0, second = 0, third = 0] = times(oncall);
    expect(second - first).toBeGreaterThanOrEqual(40_000);
    expect(second - first).toBeLessThan(41_000);
    expect(third - second).toBeGreaterThanOrEqual(900_000);
    expect(third - second).toBeLessThan(901_000);
  });

  test('that a receiver refuses for good is not sent to it again, also not after a restart, and the others get it', async () => {
    oncall.next.push(refusing);
    await pages.put(pageOf('a'));
    const outbox = start({ channels: [oncall, other] });
    await virtual.advance(10);
    await outbox.close();
    start({ channels: [oncall, other] });
    await virtual.advance(DAY_MS / 2);
    expect([ids(oncall), ids(other)]).toEqual([['a'], ['a']]);
    expect(await delivered('a')).toEqual(['other', '*']);
    expect(log.of('page.refused')).toHaveLength(1);
  });

  test('that makes a channel throw is tried again like any failure', async () => {
    oncall.next.push(() => Promise.reject(new Error('bug in the adapter')));
    await pages.put(pageOf('a'));
    start();
    await virtual.advance(10_000);
    expect(ids(oncall)).toEqual(['a', 'a']);
  });
});

describe('a channel that hangs', () => {
  const hang = () => new Promise<never>(() => undefined);

  test('delays no other channel, and is given up after 15 s and tried again', async () => {
    oncall.next.push(hang);
    await pages.put(pageOf('a'));
    start({ channels: [oncall, other] });
    await virtual.advance(1);
    expect(await delivered('a')).toEqual(['other']);
    await virtual.advance(20_000);
    expect(ids(oncall)).toEqual(['a', 'a']);
    expect(await delivered('a')).toEqual(['other', 'oncall', '*']);
  });

  test('holds at most four pages at a time', async () => {
    await pages.put(...Array.from({ length: 20 }, (_, i) => pageOf(`p${i}`, { atMs: i })));
    for (let i = 0; i < 20; i += 1) oncall.next.push(hang);
    start({ channels: [oncall, other] });
    await virtual.advance(14_000);
    expect(oncall.told).toHaveLength(4);
    expect(other.told).toHaveLength(20);
  });
});

describe('between sending and marking', () => {
  test('a crash means the same page again with the same id, from whoever comes next', async () => {
    const first = virtual.spawn('first');
    pages.troubles.push(() => new Promise(() => undefined));
    await pages.put(pageOf('a'));
    start({}, first);
    await virtual.advance(1);
    expect(ids(oncall)).toEqual(['a']);
    expect(await delivered('a')).toEqual([]);
    first.kill();
    opened = [];
    start({}, virtual.spawn('second'));
    await virtual.advance(1);
    expect(ids(oncall)).toEqual(['a', 'a']);
    expect(await delivered('a')).toEqual(['oncall', '*']);
  });

  test('a mark in doubt that happened is read back, and nothing is sent twice', async () => {
    pages.troubles.push(async (run) => {
      await run();
      throw new StoreAmbiguousError('reply lost');
    });
    await pages.put(pageOf('a'));
    start();
    await virtual.advance(HOUR_MS);
    expect(ids(oncall)).toEqual(['a']);
    expect(await delivered('a')).toEqual(['oncall', '*']);
  });

  test('a mark in doubt that did not happen is written again, and nothing is sent twice', async () => {
    pages.troubles.push(() => Promise.reject(new StoreAmbiguousError('request lost')));
    await pages.put(pageOf('a'));
    start();
    await virtual.advance(1);
    expect(ids(oncall)).toEqual(['a']);
    expect(await delivered('a')).toEqual(['oncall', '*']);
  });

  test('a store that refuses is told later by the same process, which does not send again meanwhile', async () => {
    pages.troubles.push(...Array.from({ length: 3 }, () => () => Promise.reject(new StoreDefiniteError('disk full'))));
    await pages.put(pageOf('a'));
    start();
    await virtual.advance(4_000);
    expect(await delivered('a')).toEqual([]);
    await virtual.advance(20_000);
    expect(ids(oncall)).toEqual(['a']);
    expect(await delivered('a')).toEqual(['oncall', '*']);
    expect(log.of('page.unmarked').length).toBeLessThanOrEqual(3);
  });

  test('another change of the record is not undone by the mark', async () => {
    await pages.put(pageOf('a'));
    pages.troubles.push(async (run) => {
      await pages.put(pageOf('a', { delivered: ['elsewhere'], summary: 'changed' }));
      return run();
    });
    start();
    await virtual.advance(1);
    expect(await pages.page('a')).toMatchObject({ summary: 'changed', delivered: ['elsewhere', 'oncall', '*'] });
  });
});

describe('a store in trouble', () => {
  test('that cannot be read is asked every 5 s, not in a loop, and the pages leave when it is back', async () => {
    await pages.put(pageOf('a'));
    oncall.next.push(failing());
    start();
    await virtual.advance(1);
    pages.deaf.now = true;
    await virtual.advance(60_000);
    expect(pages.deaf.asked).toBeGreaterThanOrEqual(11);
    expect(pages.deaf.asked).toBeLessThanOrEqual(14);
    expect(log.of('outbox.failed')).toHaveLength(1);
    pages.deaf.now = false;
    await virtual.advance(5_001);
    expect(await delivered('a')).toEqual(['oncall', '*']);
  });

  test('that holds a record that is no page loses no other page by it', async () => {
    await pages.store.txn({
      if: [],
      then: [
        { put: 'outbox/bad', value: { nonsense: true } },
        { put: 'outbox/worse', value: null },
      ],
    });
    await pages.put(pageOf('z'));
    start();
    await virtual.advance(60_000);
    expect(await delivered('z')).toEqual(['oncall', '*']);
    expect(log.of('page.unreadable').map(({ fields }) => fields.record)).toEqual(['outbox/bad', 'outbox/worse']);
  });
});

describe('leadership', () => {
  test('is needed to deliver, and taking over delivers within 5 s, or at once when woken', async () => {
    let leads = false;
    await pages.put(pageOf('a'));
    const outbox = start({ isLeader: () => leads });
    await virtual.advance(30_000);
    expect(ids(oncall)).toEqual([]);
    leads = true;
    await virtual.advance(5_000);
    expect(ids(oncall)).toEqual(['a']);
    leads = false;
    await pages.put(pageOf('b'));
    await virtual.advance(30_000);
    leads = true;
    outbox.wake();
    await virtual.advance(1);
    expect(ids(oncall)).toEqual(['a', 'b']);
  });

  test('of two at once repeats ids at worst: every page is told and marked', async () => {
    await pages.put(...Array.from({ length: 6 }, (_, i) => pageOf(`p${i}`)));
    start({}, virtual.spawn('one'));
    start({}, virtual.spawn('two'));
    await virtual.advance(10_000);
    expect(new Set(ids(oncall)).size).toBe(6);
    expect(oncall.told.length).toBeLessThanOrEqual(12);
    for (const page of await pages.pages()) expect(page.delivered).toEqual(['oncall', '*']);
  });
});

describe('records', () => {
  test('told to everybody are kept for a day, then removed', async () => {
    await pages.put(pageOf('a'));
    start();
    await virtual.advance(DAY_MS - 10_000);
    expect(await delivered('a')).toEqual(['oncall', '*']);
    await virtual.advance(20_000);
    expect(await pages.pages()).toEqual([]);
  });

  test('told to everybody are at most two hundred, the newest', async () => {
    await pages.put(...Array.from({ length: 450 }, (_, i) => pageOf(`p${String(i).padStart(3, '0')}`, { atMs: i, delivered: ['*'] })));
    start();
    await virtual.advance(30_000);
    const left = await pages.pages();
    expect(left).toHaveLength(200);
    expect(left[0]?.id).toBe('p250');
  });

  test('nobody accepts are given up after seven days, loudly, and kept as dead letters', async () => {
    for (let i = 0; i < 100; i += 1) oncall.next.push(failing());
    await pages.put(pageOf('a', { atMs: HOUR_MS - 7 * DAY_MS }));
    start();
    await virtual.advance(HOUR_MS - 1_000);
    expect(await delivered('a')).toEqual([]);
    await virtual.advance(10 * 60_000);
    expect(await pages.page('a')).toMatchObject({
      delivered: ['*'],
      dead: { oncall: { because: 'given up: tried too often, for too long' } },
    });
    expect(log.of('page.given-up')).toHaveLength(1);
    expect(log.of('page.given-up')[0]).toMatchObject({ level: 'error', fields: { page: 'a', delivered: [] } });
    // About one try in five minutes once the ladder is climbed.
    expect(oncall.told.length).toBeLessThan(25);
  });

  test('are not given up by a clock that jumps: they are tried for minutes first', async () => {
    oncall.next.push(failing(), failing(), failing());
    await pages.put(pageOf('a', { atMs: -400 * DAY_MS }));
    start();
    await virtual.advance(HOUR_MS);
    expect(await delivered('a')).toBeUndefined();
    expect(log.of('page.delivered')).toHaveLength(1);
    expect(log.of('page.given-up')).toHaveLength(0);
  });
});

describe('close', () => {
  test('lets the delivery under way end and be marked, begins nothing new, and leaves no timer', async () => {
    const answer = Promise.withResolvers<void>();
    oncall.next.push(async () => {
      await answer.promise;
      return { sent: true, receipt: 'late' };
    });
    await pages.put(pageOf('a'));
    const outbox = start();
    await virtual.advance(1);
    let closed = false;
    const closing = outbox.close(3_000).then(() => {
      closed = true;
    });
    await pages.put(pageOf('b'));
    await virtual.advance(1_000);
    expect(closed).toBe(false);
    answer.resolve();
    await virtual.advance(1);
    await closing;
    expect(await delivered('a')).toEqual(['oncall', '*']);
    expect(ids(oncall)).toEqual(['a']);
    expect(virtual.pendingTimers()).toBe(0);
  });

  test('aborts what is still under way after the grace; the next process sends it again', async () => {
    let aborted = false;
    oncall.next.push((_page, signal) => {
      signal.addEventListener('abort', () => {
        aborted = true;
      });
      return new Promise(() => undefined);
    });
    await pages.put(pageOf('a'));
    const outbox = start();
    await virtual.advance(1);
    const closing = outbox.close(3_000);
    await virtual.advance(3_000);
    await closing;
    expect(aborted).toBe(true);
    expect(virtual.pendingTimers()).toBe(0);
    start();
    await virtual.advance(1);
    expect(ids(oncall)).toEqual(['a', 'a']);
  });
});

describe('a page that an operator gave another life', () => {
  const revive = async (id: string, given: Partial<Page>): Promise<void> => {
    const { dead: _, ...page } = (await pages.page(id)) as Page;
    await pages.put({ ...page, nonce: 'operator', ...given });
  };

  test('goes again through the channel that had refused it, and through no other', async () => {
    const late = scripted('late', virtual.now);
    oncall.next.push(refusing);
    start({ channels: [oncall, other] });
    await pages.put(pageOf('a'));
    await virtual.advance(1_000);
    expect(await delivered('a')).toEqual(['other', '*']);
    await opened.pop()?.close(0);
    start({ channels: [oncall, other, late] });
    await revive('a', { delivered: ['other'], again: { to: ['oncall'], alone: true } });
    await virtual.advance(1_000);
    expect([ids(oncall), ids(other), ids(late)]).toEqual([['a', 'a'], ['a'], []]);
    expect(await pages.page('a')).toMatchObject({ delivered: ['other', 'oncall', '*'] });
    expect(await pages.page('a')).not.toHaveProperty('dead');
  });

  test('goes again also where the receiver had wanted no more: somebody has looked', async () => {
    oncall.next.push(async () => ({ sent: false, retry: false, gone: true, because: 'answered 410' }));
    start({ channels: [oncall, other] });
    await pages.put(pageOf('a'));
    await virtual.advance(1_000);
    await pages.put(pageOf('b'));
    await virtual.advance(1_000);
    expect(ids(oncall)).toEqual(['a']);
    await revive('b', { delivered: ['other'], again: { to: ['oncall'], alone: true } });
    await virtual.advance(1_000);
    expect(ids(oncall)).toEqual(['a', 'b']);
    await pages.put(pageOf('c'));
    await virtual.advance(1_000);
    expect(ids(oncall), 'a receiver that has taken one is asked as ever').toEqual(['a', 'b', 'c']);
  });

  test('while others are still to be told goes again at once: what happened before counts no more', async () => {
    oncall.next.push(refusing);
    other.next.push(failing({ afterMs: 60_000 }));
    start({ channels: [oncall, other] });
    await pages.put(pageOf('a'));
    await virtual.advance(1_000);
    expect(Object.keys((await pages.page('a'))?.dead ?? {})).toEqual(['oncall']);
    await revive('a', { again: { to: ['oncall'], alone: false } });
    await virtual.advance(1_000);
    expect(ids(oncall)).toEqual(['a', 'a']);
    expect(await pages.page('a')).not.toHaveProperty('dead');
    await virtual.advance(70_000);
    expect(await delivered('a')).toEqual(['oncall', 'other', '*']);
  });

  test('just before its next mark is not called dead again by that mark', async () => {
    oncall.next.push(refusing);
    let accept: () => void = () => undefined;
    other.next.push(() => new Promise((resolve) => (accept = () => resolve({ sent: true, receipt: 'ok' }))));
    // So that the mark reads the page anew before the next look does.
    const get: Store['get'] = async (query, signal) => {
      if (query.prefixes !== undefined) await sleep(virtual.ports.timers, 200);
      return pages.store.get(query, signal);
    };
    start({ channels: [oncall, other], store: { ...pages.store, get } });
    await pages.put(pageOf('a'));
    await virtual.advance(3_000);
    expect(Object.keys((await pages.page('a'))?.dead ?? {})).toEqual(['oncall']);
    pages.troubles.push(async (run) => {
      await revive('a', { again: { to: ['oncall'], alone: false } });
      return run();
    });
    accept();
    await virtual.advance(6_000);
    expect(ids(oncall)).toEqual(['a', 'a']);
    expect(await pages.page('a')).not.toHaveProperty('dead');
    expect(await delivered('a')).toEqual(expect.arrayContaining(['oncall', 'other', '*']));
  });
});

test('an outbox without channels is refused: it would call every page told', () => {
  expect(() => start({ channels: [] })).toThrow('without a channel');
  expect(() => start({ channels: [oncall, oncall as Channel] })).toThrow('same name');
});

test('whatever receivers, the store and processes do, every page is accepted by every channel and marked in the end', async () => {
  const outcomes = fc.array(fc.constantFrom('fail', 'throw', 'hang', 'ok'), { maxLength: 12 });
  const storeTroubles = fc.array(fc.constantFrom('fine', 'lost request', 'lost reply', 'refused', 'hangs'), { maxLength: 12 });
  const crashes = fc.array(fc.integer({ min: 1, max: 20_000 }), { maxLength: 3 });
  await fc.assert(
    fc.asyncProperty(outcomes, outcomes, storeTroubles, crashes, fc.nat(), async (first, second, troubles, crashesMs, seed) => {
      const time = createVirtual({ startWallMs: START_WALL_MS, seed });
      const box = openPages(time.ports);
      const accepted = new Map<string, Set<string>>();
      const channelOf = (name: string, script: string[]): Channel => ({
        name,
        places: [],
        async deliver({ page }) {
          const step = script.shift() ?? 'ok';
          if (step === 'fail') return { sent: false, retry: true, because: 'busy' };
          if (step === 'throw') throw new Error('thrown');
          if (step === 'hang') return new Promise(() => undefined);
          accepted.set(page.id, (accepted.get(page.id) ?? new Set()).add(name));
          return { sent: true, receipt: 'ok' };
        },
      });
      const channels = [channelOf('first', [...first]), channelOf('second', [...second])];
      for (const trouble of troubles)
        box.troubles.push(async (run) => {
          if (trouble === 'refused') throw new StoreDefiniteError('no');
          if (trouble === 'hangs') return new Promise(() => undefined);
          if (trouble === 'lost request') throw new StoreAmbiguousError('?');
          const result = await run();
          if (trouble === 'lost reply') throw new StoreAmbiguousError('?');
          return result;
        });
      await box.put(...['a', 'b', 'c'].map((id) => pageOf(id)));
      const run = (name: string): { process: VirtualProcess; outbox: Outbox } => {
        const process = time.spawn(name);
        const options = {
          store: box.store,
          ports: process.ports,
          channels,
          noticeOf: noticed,
          log: recordingLog(),
          metrics,
          nowMs: time.now,
        };
        return { process, outbox: createOutbox(options) };
      };
      let current = run('p0');
      for (const [i, ms] of crashesMs.entries()) {
        await time.advance(ms);
        current.process.kill();
        current = run(`p${i + 1}`);
      }
      await time.advance(HOUR_MS / 2);
      for (const page of await box.pages()) {
        expect(page.delivered).toContain('*');
        expect([...(accepted.get(page.id) ?? [])].sort()).toEqual(['first', 'second']);
      }
      expect(await box.pages()).toHaveLength(3);
      const closing = current.outbox.close(0);
      await time.advance(1);
      await closing;
      await box.store.close();
    }),
    { numRuns: 60 },
  );
}, 60_000);
