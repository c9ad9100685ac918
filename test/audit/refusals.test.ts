// Refused credentials in the journal: folded, bounded, never in anybody's way.
import { describe, expect, test } from 'vitest';
import type { JournalEntry } from '../../src/audit/journal.ts';
import { createRefusalJournal, foldRefusals, type RefusedCalls } from '../../src/audit/refusals.ts';
import { realPorts } from '../../src/ports.ts';
import { openEmbedded } from '../../src/store/embedded.ts';
import type { Store } from '../../src/store/store.ts';
import { recordingLog } from '../recording-log.ts';

const call = (address: string, count = 1): RefusedCalls => ({ address, how: 'token', count, because: 'no such token' });

test('calls are counted per address, and beyond fifty addresses together', () => {
  const rows = foldRefusals([call('192.0.2.1'), call('192.0.2.1', 4), ...Array.from({ length: 200 }, (_, i) => call(`2001:db8::${i}`))]);
  expect(rows.length).toBeLessThanOrEqual(51);
  expect(rows.find(({ address }) => address === '192.0.2.1')?.count).toBe(5);
  expect(rows.reduce((sum, { count }) => sum + count, 0)).toBe(205);
  // Folding what is folded changes nothing, so a replica may fold as it goes.
  expect(foldRefusals(rows)).toEqual(rows);
});

describe('on a clock of our own', () => {
  const stage = () => {
    const due: { atMs: number; fn: () => void }[] = [];
    let nowMs = 0;
    const store = openEmbedded({ file: ':memory:', ports: realPorts() });
    const timers = {
      after(ms: number, fn: () => void) {
        const timer = { atMs: nowMs + ms, fn };
        due.push(timer);
        return { cancel: () => void due.splice(due.indexOf(timer) >>> 0, 1) };
      },
    };
    const log = recordingLog();
    const make = (over: Store) =>
      createRefusalJournal({
        store: over,
        ports: { timers, random: realPorts().random },
        log,
        region: 'r',
        replica: 'a',
        nowMs: () => nowMs,
      });
    return {
      store,
      log,
      make,
      journal: make(store),
      pass(ms: number) {
        nowMs += ms;
        for (const timer of due.filter(({ atMs }) => atMs <= nowMs)) {
          due.splice(due.indexOf(timer), 1);
          timer.fn();
        }
      },
      entries: async (): Promise<readonly JournalEntry[]> =>
        (await store.get({ prefixes: ['journal/'] })).kvs.map(({ value }) => value as JournalEntry),
    };
  };

  test('a storm of tries is one entry soon, and one a minute after', async () => {
    const { journal, pass, entries, store } = stage();
    for (let i = 0; i < 500; i += 1) journal.refused([call('192.0.2.1')]);
    pass(2_000);
    await expect.poll(entries).toHaveLength(1);
    for (let s = 0; s < 59; s += 1) {
      journal.refused([call('192.0.2.7')]);
      pass(1_000);
    }
    expect(await entries()).toHaveLength(1);
    pass(1_000);
    await expect.poll(entries).toHaveLength(2);
    const [first, second] = await entries();
    expect(first).toMatchObject({
      kind: 'auth.refused',
      by: 'r/a',
      how: 'service',
      detail: { calls: [{ address: '192.0.2.1', count: 500 }] },
    });
    expect(second).toMatchObject({ because: '59 calls with credentials that were not accepted, from 1 address' });
    await store.close();
  });

  test('what is left is written when the replica stops', async () => {
    const { journal, entries, store } = stage();
    journal.refused([call('192.0.2.1')]);
    await journal.stop();
    expect(await entries()).toHaveLength(1);
    await store.close();
  });

  test('a store that refuses is told in the log', async () => {
    const { make, log, store } = stage();
    const journal = make({ ...store, get: () => Promise.reject(new Error('gone')) });
    journal.refused([call('192.0.2.1')]);
    await journal.stop();
    expect(log.lines.map(({ event }) => event)).toContain('audit.unwritten');
    await store.close();
  });
});
