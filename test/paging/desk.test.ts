// The wiring of a replica's desk, with real sockets: when its beat is withheld, and which of what is open it says again. Time runs faster than in life.
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { memoryDisk } from '../../src/disk.ts';
import { createMetrics } from '../../src/metrics.ts';
import { createDesk, type Desk } from '../../src/paging/desk.ts';
import type { ChannelConfig } from '../../src/paging/index.ts';
import type { PageRoute } from '../../src/paging/routing.ts';
import { openSpool } from '../../src/paging/spool.ts';
import { type Ports, realPorts } from '../../src/ports.ts';
import { measuredStore } from '../../src/store/measured.ts';
import { type RecordingLog, recordingLog } from '../recording-log.ts';
import { clusterOf } from '../world.ts';
import { startHttpReceiver } from './channels/receiver.ts';
import { openPages, type PageStore, pageOf } from './fixture.ts';

const HASTE = 40;
const real = realPorts();
const hasty: Ports = {
  ...real,
  clock: { ...real.clock, monoMs: () => real.clock.monoMs() * HASTE },
  timers: { after: (ms, fn, options) => real.timers.after(ms / HASTE, fn, options) },
};
const HOOK_SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;

const CLUSTER = clusterOf(['eu-west', 'us-east', 'ap-south'], [{}]);

let box: PageStore;
let log: RecordingLog;
let knows: { isCoordinator: boolean; storeAgeMs: number };
let monitor: http.Server;
let desk: Desk;

const open = async (channels: readonly ChannelConfig[], routes: readonly PageRoute[] = []): Promise<void> => {
  const url = `http://127.0.0.1:${(monitor.address() as AddressInfo).port}/beat`;
  const metrics = createMetrics();
  desk = await createDesk({
    paging: { channels, routes, heartbeat: { urlFile: '/etc/beat.url', everyMs: 6_000 } },
    ports: hasty,
    log,
    metrics,
    store: measuredStore(box.store, metrics, hasty.clock),
    region: 'eu-west',
    replica: 'a',
    secret: (path) => (path === '/etc/beat.url' ? url : HOOK_SECRET),
    text: () => '',
    resolve: async () => ({ addresses: ['127.0.0.1'], stale: null, ageMs: 0 }),
    spool: await openSpool({ disk: memoryDisk(), ports: hasty, log }),
    gates: new Set(),
    knows: {
      cluster: () => CLUSTER,
      routing: () => null,
      vote: () => null,
      isCoordinator: () => knows.isCoordinator,
      nowMs: () => real.clock.wallMs(),
      storeAgeMs: () => knows.storeAgeMs,
      firstFaultAgeMs: () => null,
    },
  });
};
/** How the last turn of the beat ended, which is logged when it changes. */
const untilBeat = (state: 'beating' | 'withheld') =>
  vi.waitFor(() => expect(log.lines.findLast(({ event }) => event.startsWith('heartbeat.'))?.event).toBe(`heartbeat.${state}`), 10_000);

beforeEach(async () => {
  box = openPages(real);
  log = recordingLog();
  knows = { isCoordinator: true, storeAgeMs: 0 };
  monitor = http.createServer((request, reply) => void request.resume().on('end', () => reply.end()));
  monitor.listen(0, '127.0.0.1');
  await once(monitor, 'listening');
});
afterEach(async () => {
  await desk.close(0);
  monitor.closeAllConnections();
  monitor.close();
  await box.store.close();
});

test('a beat is withheld while the store is silent, while every channel fails, and while who coordinates reads no outbox', async () => {
  await using receiver = await startHttpReceiver();
  const hook = {
    kind: 'webhook' as const,
    url: `http://127.0.0.1:${receiver.port}/`,
    secretFiles: ['/etc/hook'],
    networks: ['127.0.0.0/8'],
  };
  await open([{ ...hook, name: 'one' }]);
  await untilBeat('beating');

  knows.storeAgeMs = 31_000;
  await untilBeat('withheld');
  knows.storeAgeMs = 0;
  await untilBeat('beating');

  receiver.behave(...Array.from({ length: 4 }, () => 'fail' as const));
  await box.put(pageOf('b', { atMs: real.clock.wallMs() }));
  await untilBeat('withheld');
  await untilBeat('beating');
  expect((await box.page('b'))?.delivered).toContain('one');

  box.deaf.now = true;
  await untilBeat('withheld');
  // Another coordinates: what this one reads is nobody's concern.
  knows.isCoordinator = false;
  await untilBeat('beating');
}, 60_000);

test('one channel of two that fails withholds nothing, nor does the log alone', async () => {
  await using receiver = await startHttpReceiver();
  await using broken = await startHttpReceiver();
  const hook = { kind: 'webhook' as const, secretFiles: ['/etc/hook'], networks: ['127.0.0.0/8'] };
  broken.behave(...Array.from({ length: 50 }, () => 'fail' as const));
  await open([
    { ...hook, name: 'one', url: `http://127.0.0.1:${receiver.port}/` },
    { ...hook, name: 'two', url: `http://127.0.0.1:${broken.port}/` },
  ]);
  await box.put(pageOf('b', { atMs: real.clock.wallMs() }));
  await vi.waitFor(() => expect(broken.told.length).toBeGreaterThan(1), 10_000);
  expect(desk.backlog().channels.map(({ name, failing }) => [name, failing === null])).toEqual([
    ['log', true],
    ['one', true],
    ['two', false],
  ]);
  await untilBeat('beating');
  // Of the time before the outbox was read at all.
  expect(log.of('heartbeat.withheld').length).toBeLessThan(2);
});

test('routes are kept to, and dead letters told', async () => {
  await using receiver = await startHttpReceiver();
  await using other = await startHttpReceiver();
  const hook = { kind: 'webhook' as const, secretFiles: ['/etc/hook'], networks: ['127.0.0.0/8'] };
  const channels = [
    { ...hook, name: 'one', url: `http://127.0.0.1:${receiver.port}/` },
    { ...hook, name: 'two', url: `http://127.0.0.1:${other.port}/` },
  ];
  await open(channels, [{ to: ['one', 'two'], also: [] }]);
  await box.put(pageOf('b', { atMs: real.clock.wallMs() }));
  await vi.waitFor(async () => expect((await box.page('b'))?.delivered).toContain('*'), 10_000);
  expect([receiver.told.length, other.told.length]).toEqual([1, 0]);

  // And what a channel will never take is told through the others.
  receiver.behave({ status: 410 });
  await box.put(pageOf('c', { atMs: real.clock.wallMs() }));
  await vi.waitFor(() => expect(other.told.map(({ body }) => JSON.parse(body).type)).toContain('paging.dead_letter'), 10_000);
});

test('what is open is said again by who coordinates, by everybody while the store is silent, and by nobody else', async () => {
  await using receiver = await startHttpReceiver();
  knows.isCoordinator = false;
  await box.put(pageOf('fire', { atMs: real.clock.wallMs(), delivered: ['am', '*'] }));
  await open([{ kind: 'alertmanager', name: 'am', urls: [`http://127.0.0.1:${receiver.port}`], labels: {} }]);
  const saidAgain = (key: string): number => receiver.told.filter(({ body }) => body.includes(key)).length;
  const turns = (count: number) => new Promise((resolve) => setTimeout(resolve, (count * 60_000) / HASTE));
  // Long enough to know of it: others than the coordinator read the outbox every half minute.
  await turns(3);
  expect(saidAgain('[fire]')).toBe(0);

  knows.isCoordinator = true;
  desk.inOffice();
  await vi.waitFor(() => expect(saidAgain('[fire]')).toBeGreaterThan(0), 10_000);
  knows.isCoordinator = false;
  await turns(1);
  const before = saidAgain('[fire]');
  await turns(2);
  expect(saidAgain('[fire]')).toBe(before);

  knows.storeAgeMs = 60_000;
  await vi.waitFor(() => expect(saidAgain('[fire]')).toBeGreaterThan(before), 10_000);
  // And what this replica told alone.
  await vi.waitFor(() => expect(saidAgain('the store has not answered')).toBeGreaterThan(2), 10_000);
}, 60_000);
