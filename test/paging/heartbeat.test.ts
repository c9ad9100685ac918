import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ChannelContext } from '../../src/paging/channel.ts';
import { createHeartbeat, type Heartbeat, type HeartbeatOptions } from '../../src/paging/heartbeat.ts';
import type { Poster, Reply } from '../../src/paging/post.ts';
import { realPorts } from '../../src/ports.ts';
import { type RecordingLog, recordingLog } from '../recording-log.ts';
import { createVirtual, type Virtual } from '../virtual.ts';

const EVERY_MS = 60_000;
const SECRET_PATH = '/ping/an-id-that-is-a-secret';

let log: RecordingLog;
let virtual: Virtual;
/** What the next beats meet; then 200. */
let next: Poster[];
/** Virtual time of each try. */
let tries: number[];
let well: boolean;
let heartbeat: Heartbeat;

const contextOf = (ports: ChannelContext['ports'], url: string): ChannelContext => ({
  ports,
  log,
  secret: () => `${url}\n`,
  text: () => '',
  resolve: async () => ({ addresses: ['127.0.0.1'], stale: null, ageMs: 0 }),
});
const replying =
  (status: number, askedMs: number | null = null): Poster =>
  async (): Promise<Reply> => ({ status, askedMs, text: 'words of the monitor' });
const failing: Poster = async () => {
  throw Object.assign(new Error('words of the system'), { code: 'ECONNREFUSED' });
};
const hanging: Poster = (_post, signal) =>
  new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }));

const start = (given: Partial<HeartbeatOptions> = {}): Heartbeat =>
  createHeartbeat({
    urlFile: '/etc/heartbeat.url',
    everyMs: EVERY_MS,
    context: contextOf(virtual.ports, `https://monitor.example.com${SECRET_PATH}`),
    isWell: () => well,
    log,
    post: (post, signal) => {
      tries.push(virtual.now());
      return (next.shift() ?? replying(200))(post, signal);
    },
    ...given,
  });
const events = (): [string, unknown][] => log.lines.map(({ event, fields }) => [event, fields.because]);

beforeEach(() => {
  log = recordingLog();
  virtual = createVirtual({ startWallMs: 0, seed: 'heartbeat' });
  [next, tries, well] = [[], [], true];
});

describe('in virtual time', () => {
  afterEach(async () => {
    await heartbeat.close();
    expect(virtual.pendingTimers()).toBe(0);
  });

  test('it beats at once and then at every turn, and says so once', async () => {
    heartbeat = start();
    await virtual.advance(3 * EVERY_MS);
    expect(tries).toEqual([0, 60_000, 120_000, 180_000]);
    expect(log.lines).toMatchObject([
      { level: 'info', event: 'heartbeat.beating', fields: { place: 'monitor.example.com', everyMs: EVERY_MS } },
    ]);
  });

  test('a replica that is not well says nothing, and begins again when it is', async () => {
    heartbeat = start();
    await virtual.advance(EVERY_MS);
    well = false;
    await virtual.advance(5 * EVERY_MS);
    expect(tries).toEqual([0, 60_000]);
    well = true;
    await virtual.advance(EVERY_MS);
    expect(tries).toEqual([0, 60_000, 420_000]);
    expect(events()).toEqual([
      ['heartbeat.beating', undefined],
      ['heartbeat.withheld', 'this replica is not well'],
      ['heartbeat.beating', undefined],
    ]);
  });

  test('a beat that fails is tried twice more within its turn, and nothing is said when one of them succeeds', async () => {
    heartbeat = start();
    await virtual.advance(EVERY_MS - 1);
    next = [failing, replying(503)];
    await virtual.advance(EVERY_MS);
    expect(tries).toEqual([0, 60_000, 66_000, 72_000]);
    expect(events()).toEqual([['heartbeat.beating', undefined]]);
  });

  test('a monitor that is gone is logged once, with the code alone, and its return once', async () => {
    next = [...Array(3).fill(replying(200))];
    heartbeat = start();
    await virtual.advance(2 * EVERY_MS);
    next = [...Array(9).fill(failing)];
    await virtual.advance(3 * EVERY_MS);
    expect(tries.slice(3)).toEqual([180_000, 186_000, 192_000, 240_000, 246_000, 252_000, 300_000]);
    next = [];
    await virtual.advance(EVERY_MS);
    expect(events()).toEqual([
      ['heartbeat.beating', undefined],
      ['heartbeat.failing', 'monitor.example.com: ECONNREFUSED'],
      ['heartbeat.beating', undefined],
    ]);
    expect(JSON.stringify(log.lines)).not.toMatch(/words of|an-id-that/);
  });

  test('a refusal, and a wish to be left alone, is not tried again before the next turn', async () => {
    next = [replying(404), replying(429, 5_000)];
    heartbeat = start();
    await virtual.advance(2 * EVERY_MS);
    expect(tries).toEqual([0, 60_000, 120_000]);
    expect(events()).toEqual([
      ['heartbeat.failing', 'the receiver answered 404'],
      ['heartbeat.beating', undefined],
    ]);
  });

  test.each([10_000, EVERY_MS, 3_600_000])('a monitor that never answers takes no longer than its turn, of %i ms', async (everyMs) => {
    next = Array(30).fill(hanging);
    heartbeat = start({ everyMs });
    await virtual.advance(everyMs - 1);
    expect(tries).toEqual([0, everyMs * 0.3, everyMs * 0.6]);
    expect(events()).toEqual([['heartbeat.failing', `monitor.example.com: the monitor: no answer within ${everyMs / 5} ms`]]);
    await virtual.advance(1);
    expect(tries).toHaveLength(4);
  });

  test('a look at oneself that throws is no sign of being well', async () => {
    heartbeat = start({
      isWell: () => {
        throw new Error('no state yet');
      },
    });
    await virtual.advance(EVERY_MS);
    expect(tries).toEqual([]);
    expect(events()).toEqual([['heartbeat.failing', 'no state yet']]);
  });

  test.each([
    ['while a try hangs', hanging, 1],
    ['while it waits for the next try', failing, 1],
    ['between turns', replying(200), 30_000],
  ])('it ends at once %s, and says nothing of it', async (_when, poster, afterMs) => {
    next = [poster];
    heartbeat = start();
    await virtual.advance(afterMs);
    await heartbeat.close();
    await virtual.advance(5 * EVERY_MS);
    expect(tries).toHaveLength(1);
    expect(log.of('heartbeat.failing')).toEqual([]);
  });
});

test('a real monitor gets a POST of empty JSON under its secret path, by every replica that is well', async () => {
  const got: { method: string | undefined; path: string | undefined; type: string | undefined; body: string }[] = [];
  const beats = Promise.withResolvers<void>();
  const server = http.createServer((request, reply) => {
    let body = '';
    request.on('data', (chunk) => {
      body += chunk;
    });
    request.on('end', () => {
      got.push({ method: request.method, path: request.url, type: request.headers['content-type'], body });
      // The second fails at first, to be tried again.
      reply.writeHead(got.length === 2 ? 503 : 200).end('OK');
      if (got.length === 4) beats.resolve();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}${SECRET_PATH}`;
  const replicas = [true, true, false].map((isWell) =>
    createHeartbeat({ urlFile: '/etc/heartbeat.url', everyMs: 200, context: contextOf(realPorts(), url), isWell: () => isWell, log }),
  );
  await beats.promise;
  for (const replica of replicas) await replica.close();
  expect(got.slice(0, 4)).toEqual(Array(4).fill({ method: 'POST', path: SECRET_PATH, type: 'application/json', body: '{}' }));
  expect(log.of('heartbeat.withheld')).toHaveLength(1);
  expect(JSON.stringify(log.lines)).not.toContain('an-id-that');
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
});

test('a file without an address is refused, and what it holds is not repeated', () => {
  const opening = () =>
    createHeartbeat({
      urlFile: '/etc/heartbeat.url',
      everyMs: 1_000,
      context: contextOf(realPorts(), 'not-an-address'),
      isWell: () => true,
      log,
    });
  expect(opening).toThrow(expect.objectContaining({ code: 'ERR_SECRET', message: expect.stringContaining('/etc/heartbeat.url') }));
  expect(opening).not.toThrow('not-an-address');
});
