// What is said again to receivers that forget: what is open, and for a while what ended; by whoever knows the threads.
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Channel } from '../../src/paging/channel.ts';
import { type Thread, threadsOf } from '../../src/paging/incidents.ts';
import { createRepeater, type Repeater } from '../../src/paging/repeater.ts';
import { type RecordingLog, recordingLog } from '../recording-log.ts';
import { createVirtual, type Virtual } from '../virtual.ts';
import { noticed, pageOf } from './fixture.ts';

let virtual: Virtual;
let log: RecordingLog;
let threads: ReadonlyMap<string, Thread>;
let said: { atMs: number; firing: string[]; resolved: string[] }[];
let answer: () => Promise<void>;
let repeater: Repeater;

beforeEach(() => {
  virtual = createVirtual({ startWallMs: 0, seed: 1 });
  log = recordingLog();
  threads = new Map();
  said = [];
  answer = async () => undefined;
  const am: Channel = {
    name: 'am',
    places: [],
    deliver: async () => ({ sent: true, receipt: 'ok' }),
    repeat: {
      everyMs: 60_000,
      resolvedForMs: 300_000,
      tell(firing, resolved) {
        said.push({ atMs: virtual.now(), firing: firing.map(({ page }) => page.id), resolved: resolved.map(({ page }) => page.id) });
        return answer();
      },
    },
  };
  const other: Channel = { name: 'other', places: [], deliver: am.deliver };
  repeater = createRepeater({
    ports: virtual.ports,
    channels: [am, other],
    log,
    noticeOf: noticed,
    threads: () => threads,
    nowMs: virtual.now,
  });
});
afterEach(() => repeater.close());

const opened = pageOf('a', { dedupKey: 'k', atMs: 0, delivered: ['am', '*'] });
const unheard = pageOf('b', { dedupKey: 'l', atMs: 0, delivered: ['other', '*'] });

test('nothing is said while nothing is open', async () => {
  await virtual.advance(600_000);
  expect(said).toEqual([]);
});

test('what is open and was told there is said every minute; its end for five minutes after it was told', async () => {
  threads = threadsOf([opened, unheard], virtual.now());
  await virtual.advance(125_000);
  expect(said.map(({ firing, resolved }) => [firing, resolved])).toEqual([
    [['a'], []],
    [['a'], []],
  ]);
  const end = { ...opened, id: 'z', type: 'incident.resolved', severity: 'info' as const, v: 2, atMs: virtual.now() };
  threads = threadsOf([opened, end], virtual.now());
  said.length = 0;
  await virtual.advance(900_000);
  expect(said.map(({ firing, resolved }) => [firing, resolved])).toEqual(Array.from({ length: 5 }, () => [[], ['z']]));
});

test('an end that was withheld for long is said again for five minutes from when it was told', async () => {
  const z = pageOf('z', {
    dedupKey: 'k',
    type: 'incident.resolved',
    severity: 'info',
    v: 2,
    atMs: 1,
    notBeforeMs: 900_000,
    delivered: ['am'],
  });
  await virtual.advance(900_000);
  threads = threadsOf([opened, z], virtual.now());
  await virtual.advance(600_000);
  expect(said.map(({ resolved }) => resolved)).toEqual(Array.from({ length: 4 }, () => ['z']));
});

test('a turn that fails or hangs is said and made up for by the next', async () => {
  threads = threadsOf([opened], virtual.now());
  answer = () => Promise.reject(new Error('no way'));
  await virtual.advance(61_000);
  answer = () => new Promise(() => undefined);
  await virtual.advance(90_000);
  expect(log.of('page.unrepeated').map(({ fields }) => fields.because)).toEqual(['no way', expect.stringContaining('15000 ms')]);
  answer = async () => undefined;
  await virtual.advance(60_000);
  expect(said).toHaveLength(3);
});

test('while its end is withheld, an alert goes on', async () => {
  const z = pageOf('z', { dedupKey: 'k', type: 'incident.resolved', severity: 'info', atMs: 1, notBeforeMs: 300_001 });
  threads = threadsOf([opened, z], 2);
  await virtual.advance(290_000);
  expect(said.map(({ firing }) => firing)).toEqual([['a'], ['a'], ['a'], ['a']]);
});
