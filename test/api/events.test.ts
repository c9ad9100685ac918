// GET /v1/events over real sockets: order and ids, replay over two replicas, filters, slow readers, many readers, stopping.
import { setImmediate } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { KEYS } from '../../src/coordinate/keys.ts';
import { tally } from '../../src/health/quorum.ts';
import { targetId } from '../../src/model.ts';
import { bigCluster } from '../dashboard/big-world.ts';
import { heardFrom } from '../health/votes.ts';
import { AUTHORIZED, type Frame, listen, openSites, type Reader } from './events.fixture.ts';
import { cluster, putRecord } from './fixture.ts';
import { FLIP, platform, run, stepped } from './runs.fixture.ts';

const BIG_CLUSTER = bigCluster();

type Sites = Awaited<ReturnType<typeof openSites>>;
let opened: Sites[] = [];
let readers: Reader[] = [];
afterEach(async () => {
  for (const reader of readers) reader.close();
  for (const sites of opened) await sites.close();
  [opened, readers] = [[], []];
});
const open = async (...args: Parameters<typeof openSites>): Promise<Sites> => {
  const sites = await openSites(...args);
  opened.push(sites);
  return sites;
};
const from = async (...args: Parameters<typeof listen>): Promise<Reader> => {
  const reader = await listen(...args);
  readers.push(reader);
  return reader;
};
const records = (frames: readonly Frame[]): readonly Frame[] => frames.filter(({ event }) => !event.startsWith('stream.'));
const reached = (id: string) => (frames: readonly Frame[]) => frames.some((frame) => frame.id === id && !frame.event.startsWith('stream.'));

describe('what is told', () => {
  test('decisions and entries in the order of their commits, each with the cursor behind it', async () => {
    const { sites, decide, enter, look } = await open(['eu']);
    await decide(2);
    await look();
    const reader = await from(sites[0].api.port);
    expect(reader.status).toBe(200);
    expect(reader.headers).toMatchObject({ 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    await enter('first');
    await decide();
    await enter('second');
    await look();
    await reader.until(reached('v3.j2'));
    expect(reader.comments[0]).toBe('retry: 2000');
    expect(reader.frames.map(({ id, event }) => `${id} ${event}`)).toEqual([
      'v2.j0 stream.opened',
      'v2.j1 override.put',
      'v3.j1 decision.made',
      'v3.j2 override.put',
    ]);
    expect(reader.frames[2]?.data).toMatchObject({ type: 'decision.made', timestamp: '1970-01-01T00:00:03.000Z', data: { v: 3 } });
  });

  test('what became of runs, under the id of the last record, which every replica has alike; only to whom it is about', async () => {
    const { sites, store, decide, look } = await open(['eu', 'us']);
    await putRecord(store, KEYS.members, { ...cluster, platforms: [platform('shop')] });
    await decide(2);
    await look();
    const all = await Promise.all(sites.map(({ api }) => from(api.port)));
    const other = await from(sites[0].api.port, { path: '/v1/events?service=other.example.test' });
    const before = run('r');
    for (const { hub } of sites) hub.lookAtRuns([before]);
    const after = { ...stepped(before, { [FLIP]: { state: 'done', because: 'moved' } }), nonce: 'm' };
    for (const { hub } of sites) {
      hub.lookAtRuns([after]);
      hub.lookAtRuns([after]);
    }
    await decide();
    await look();
    for (const reader of all) await reader.until(reached('v3.j0'));
    for (const reader of all) {
      expect(reader.frames.map(({ id, event }) => `${id} ${event}`)).toEqual([
        'v2.j0 stream.opened',
        'v2.j0 run.changed',
        'v3.j0 decision.made',
      ]);
      expect(reader.frames[1]?.data.data).toMatchObject({ run: 'r', step: FLIP, state: 'done', because: 'moved' });
    }
    sites[0].hub.close();
    await other.until((frames) => frames.some(({ event }) => event === 'stream.closed'));
    expect(other.frames.map(({ event }) => event)).not.toContain('run.changed');
  });

  test('the store is read once per change, however many listen', async () => {
    const { sites, decide, look, store } = await open(['eu']);
    await decide();
    await look();
    const some = await Promise.all(Array.from({ length: 20 }, () => from(sites[0].api.port)));
    await decide();
    let reads = 0;
    const get = store.get.bind(store);
    store.get = (query, signal) => {
      reads += 1;
      return get(query, signal);
    };
    await look();
    await Promise.all(some.map((reader) => reader.until(reached('v2.j0'))));
    // The look itself, and the two chains.
    expect(reads).toBeLessThanOrEqual(3);
  });

  test('by type and by service; what names addresses is for operators', async () => {
    const { sites, decide, enter, look } = await open(['eu']);
    await decide();
    await look();
    const { port } = sites[0].api;
    const overrides = await from(port, { path: '/v1/events?types=override' });
    const other = await from(port, { path: '/v1/events?service=api' });
    const viewer = await from(port);
    const operator = await from(port, { headers: AUTHORIZED });
    await decide();
    await enter('refused', 'auth.refused');
    await enter('order');
    await look();
    await operator.until(reached('v2.j2'));
    await viewer.until(reached('v2.j2'));
    await overrides.until(reached('v2.j2'));
    expect(records(overrides.frames).map(({ event }) => event)).toEqual(['override.put']);
    expect(records(viewer.frames).map(({ event }) => event)).toEqual(['decision.made', 'override.put']);
    expect(records(operator.frames).map(({ event }) => event)).toEqual(['decision.made', 'auth.refused', 'override.put']);
    expect(records(other.frames)).toEqual([]);
  });

  test('refused: no stream asked for, no such type; HEAD does not stay', async () => {
    const { sites, look } = await open(['eu']);
    await look();
    const { port } = sites[0].api;
    expect((await from(port, { headers: { accept: 'application/json' } })).status).toBe(406);
    expect((await from(port, { headers: { accept: '*/*' } })).status).toBe(406);
    expect((await from(port, { path: '/v1/events?types=nonsense' })).status).toBe(400);
    const head = await fetch(`http://127.0.0.1:${port}/v1/events`, { method: 'HEAD', headers: { accept: 'text/event-stream' } });
    expect(head.status).toBe(200);
    expect(sites[0].hub.clients()).toBe(0);
  });
});

describe('replay', () => {
  const resumed = (sites: Sites, at: 0 | 1, id: string) => from(sites.sites[at].api.port, { headers: { 'last-event-id': id } });

  test('goes on at another region where the first one ended: nothing missing, nothing twice, the same ids', async () => {
    const all = await open(['eu', 'us']);
    await all.decide(3);
    await all.look();
    const eu = await from(all.sites[0].api.port);
    await all.enter('a');
    await all.look();
    await eu.until(reached('v3.j1'));
    const last = eu.frames.at(-1)?.id ?? '';
    eu.close();
    await all.decide(2);
    await all.enter('b');
    await all.look();
    const us = await resumed(all, 1, last);
    await us.until(reached('v5.j2'));
    expect(records(us.frames).map(({ id }) => id)).toEqual(['v4.j1', 'v5.j1', 'v5.j2']);
    const again = await resumed(all, 0, last);
    await again.until(reached('v5.j2'));
    expect(records(again.frames)).toEqual(records(us.frames));
  });

  test('from a replica that was ahead: what it had told is not told again', async () => {
    const all = await open(['eu', 'us']);
    await all.decide(2);
    await all.look();
    await all.decide();
    await all.sites[0].look();
    const us = await resumed(all, 1, 'v3.j0');
    await all.decide();
    await all.look();
    await us.until(reached('v4.j0'));
    expect(records(us.frames).map(({ id }) => id)).toEqual(['v4.j0']);
  });

  test('is bounded: what is not kept any more is named, and what is kept follows', async () => {
    const all = await open(['eu'], { ring: 10 });
    await all.decide(40);
    await all.look();
    const reader = await resumed(all, 0, 'v2.j0');
    await reader.until(reached('v40.j0'));
    const reset = reader.frames.find(({ event }) => event === 'stream.reset');
    expect(reset).toMatchObject({ data: { data: { from: 'v2.j0', to: expect.stringMatching(/^v\d+\.j0$/) } } });
    const first = Number(/^v(\d+)/.exec(String(reset?.data.data.to))?.[1]) + 1;
    expect(first).toBeGreaterThan(30);
    expect(records(reader.frames).map(({ id }) => id)).toEqual(Array.from({ length: 41 - first }, (_, i) => `v${first + i}.j0`));
  });

  test.each([
    ['nothing', ''],
    ['a word', 'x'],
    ['half of it', 'v1.j'],
    ['a number', '-1'],
    ['too many digits', 'v99999999999.j0'],
    ['something behind it', 'v1.j1\u00e9'],
    ['JSON', '{"v":1}'],
    ['far ahead', 'v900.j0'],
    ['eight thousand characters', 'a'.repeat(8_000)],
  ])('of garbage begins with a reset, and goes on: %s', async (_, id) => {
    const all = await open(['eu']);
    await all.decide(2);
    await all.look();
    const reader = await resumed(all, 0, id);
    expect(reader.status).toBe(200);
    await all.decide();
    await all.look();
    await reader.until(reached('v3.j0'));
    expect(reader.frames.map(({ event }) => event)).toEqual(['stream.opened', 'stream.reset', 'decision.made']);
  });

  test('a store that went back is told', async () => {
    const all = await open(['eu']);
    await all.decide(5);
    await all.look();
    const reader = await from(all.sites[0].api.port);
    await all.store.txn({ if: [], then: [{ put: 'routing', value: { v: 3, auditHash: '', services: {}, open: {} } }] });
    await all.look();
    await reader.until((frames) => frames.some(({ event }) => event === 'stream.reset'));
  });
});

describe('readers', () => {
  test('one that does not read is dropped; the others hear everything', async () => {
    const all = await open(['eu'], { heartbeatMs: 500 });
    await all.decide();
    await all.look();
    const { hub, api } = all.sites[0];
    const slow = await from(api.port);
    slow.pause();
    const quick = await from(api.port);
    // More than the buffers of the sockets hold.
    const weight = 'x'.repeat(2_000);
    for (let round = 0; hub.clients() === 2 && round < 150; round += 1) {
      await all.decide(100, weight);
      await all.look();
      await setImmediate();
    }
    await expect.poll(() => hub.clients(), { timeout: 10_000 }).toBe(1);
    expect(quick.ended).toBe(false);
    slow.resume();
    await slow.until(() => slow.ended);
  }, 60_000);

  const lost = (names: readonly string[]) => {
    const down = BIG_CLUSTER.services.flatMap(({ name, pools }) =>
      pools.filter(({ region }) => names.includes(region)).map((pool) => targetId(name, pool.name, 'app')),
    );
    const heard = BIG_CLUSTER.regions.map(({ name }) => heardFrom(BIG_CLUSTER, name, { down, unready: down }));
    return tally(BIG_CLUSTER, heard, 1_000, true);
  };
  const verdicts = (reader: Reader): number => reader.frames.filter(({ event }) => event.endsWith('.verdict.changed')).length;

  test('three regions of 200 services that die in one look are told to the last verdict, also to who reads it late; it dropped everybody who listened', async () => {
    const all = await open(['eu']);
    await putRecord(all.store, KEYS.members, { ...BIG_CLUSTER, services: [] });
    const { hub, api } = all.sites[0];
    await all.look();
    const readers = await Promise.all([from(api.port), from(api.port)]);
    const [quick, late] = readers;
    await all.look(lost([]));
    late.pause();
    await all.look(lost(['region-03', 'region-07', 'region-11']));
    // A target and a pool for each of the services.
    await quick.until(() => verdicts(quick) === 3 * 200 * 2);
    await all.decide();
    late.resume();
    await all.look(lost(['region-03', 'region-07', 'region-11']));
    for (const reader of readers) await reader.until(reached('v1.j0'));
    expect([verdicts(late), hub.clients()]).toEqual([3 * 200 * 2, 2]);
    expect(late.frames.at(-1)?.event).toBe('decision.made');
  }, 30_000);

  test('all of it at once fits what may wait for a client, three times over', async () => {
    const all = await open(['eu']);
    await putRecord(all.store, KEYS.members, { ...BIG_CLUSTER, services: [] });
    await all.look();
    const slow = await from(all.sites[0].api.port);
    slow.pause();
    await all.look(lost([]));
    const regions = BIG_CLUSTER.regions.map(({ name }) => name);
    for (const names of [regions, [], regions]) await all.look(lost(names));
    expect(all.sites[0].hub.clients()).toBe(1);
    slow.resume();
    await slow.until(() => verdicts(slow) === 3 * 20 * 200 * 2);
  }, 60_000);

  test('who has more waiting than that is dropped, and told why', async () => {
    const all = await open(['eu'], { waitingBytes: 50_000 });
    await putRecord(all.store, KEYS.members, { ...BIG_CLUSTER, services: [] });
    await all.look();
    const reader = await from(all.sites[0].api.port);
    await all.look(lost([]));
    await all.look(lost(['region-03']));
    await reader.until(() => reader.ended);
    expect(reader.frames.at(-1)).toMatchObject({
      event: 'stream.closed',
      data: { data: { because: 'it was not read fast enough: come back with Last-Event-ID' } },
    });
  }, 30_000);

  test('who leaves is forgotten', async () => {
    const all = await open(['eu']);
    await all.look();
    const { hub, api } = all.sites[0];
    const some = await Promise.all(Array.from({ length: 30 }, () => from(api.port)));
    expect(hub.clients()).toBe(30);
    for (const reader of some) reader.close();
    await expect.poll(() => hub.clients()).toBe(0);
  });

  test('a heartbeat passes while nothing happens, and a stream ends after its time', async () => {
    const all = await open(['eu'], { heartbeatMs: 20, lifeMs: 150 });
    await all.look();
    const reader = await from(all.sites[0].api.port);
    await reader.until(() => reader.ended);
    expect(reader.comments.filter((comment) => comment === ': still here').length).toBeGreaterThan(2);
    expect(reader.frames.at(-1)).toMatchObject({ event: 'stream.closed' });
  });

  test('no more than there is room for', async () => {
    const all = await open(['eu'], { clients: 3 });
    await all.look();
    for (let i = 0; i < 3; i += 1) expect((await from(all.sites[0].api.port)).status).toBe(200);
    expect((await from(all.sites[0].api.port)).status).toBe(429);
  });

  test('five hundred hear of one decision within two seconds, and stopping takes less than one', async () => {
    const all = await open(['eu']);
    await all.decide();
    await all.look();
    const { hub, api } = all.sites[0];
    const many = await Promise.all(Array.from({ length: 500 }, () => from(api.port)));
    expect(hub.clients()).toBe(500);
    await all.decide();
    const before = performance.now();
    await all.look();
    await Promise.all(many.map((reader) => reader.until(reached('v2.j0'))));
    expect(performance.now() - before).toBeLessThan(2_000);
    const stopping = performance.now();
    await api.close();
    expect(performance.now() - stopping).toBeLessThan(1_000);
    await Promise.all(many.map((reader) => reader.until(() => reader.ended)));
    for (const reader of many) expect(reader.frames.at(-1)?.event).toBe('stream.closed');
  }, 30_000);

  test('stopping does not wait for a reader that does not read', async () => {
    const all = await open(['eu'], { ring: 5_000 });
    await all.look();
    const slow = await from(all.sites[0].api.port);
    slow.pause();
    await all.decide(2_000);
    await all.look();
    const stopping = performance.now();
    await all.sites[0].api.close();
    expect(performance.now() - stopping).toBeLessThan(1_000);
  }, 30_000);
});
