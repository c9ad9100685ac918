// The served store as a stranger meets it: who is let in, what is refused and how, and how the server ends.
import { once } from 'node:events';
import net from 'node:net';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Fault } from '../../src/errors.ts';
import { type Ports, realPorts } from '../../src/ports.ts';
import { openEmbedded } from '../../src/store/embedded.ts';
import { TXN_BYTES_MAX } from '../../src/store/limits.ts';
import { type ServedStore, serveStore } from '../../src/store/serve.ts';
import type { Store } from '../../src/store/store.ts';

// The machine that runs the tests may be busy.
vi.setConfig({ testTimeout: 60_000 });

const TOKEN = 'a-token-that-must-not-show';
const ports = realPorts();
let store: Store;
let served: ServedStore;

const start = (behind: Store = store, servePorts: Ports = ports): Promise<ServedStore> =>
  serveStore({ store: behind, host: '127.0.0.1', port: 0, token: TOKEN, ports: servePorts });
beforeEach(async () => {
  store = openEmbedded({ file: ':memory:', ports });
  served = await start();
});
afterEach(async () => {
  await served.close();
  await store.close();
});

const url = (path: string): string => `http://127.0.0.1:${served.port}/store/v1/${path}`;
const bearer = { authorization: `Bearer ${TOKEN}` };
const post = (path: string, body: string, headers: Record<string, string> = bearer) =>
  fetch(url(path), { method: 'POST', body, headers: { 'content-type': 'application/json', ...headers } });

/** The same store as a plain object, to replace one of its methods. */
const behind = (inner: Store): Store => ({
  clusterId: inner.clusterId,
  get: (query) => inner.get(query),
  txn: (txn) => inner.txn(txn),
  watch: (prefix, onEvent) => inner.watch(prefix, onEvent),
  close: () => inner.close(),
});

interface Problem {
  status: number;
  code: string;
  title: string;
  detail: string;
  happened: string;
}
const problemOf = async (response: Response): Promise<Problem> => {
  expect(response.headers.get('content-type')).toContain('application/problem+json');
  const text = await response.text();
  expect(text).not.toContain(TOKEN);
  const problem = JSON.parse(text) as Problem;
  expect(problem.status).toBe(response.status);
  expect(problem.title).not.toBe('');
  return problem;
};

describe('who is let in', () => {
  test('only a bearer of the token, on every path', async () => {
    for (const authorization of [
      '',
      'Bearer',
      'Bearer ',
      `Basic ${TOKEN}`,
      TOKEN,
      `Bearer ${TOKEN}x`,
      `Bearer ${TOKEN.slice(1)}`,
      `bearer ${TOKEN}`,
    ])
      for (const response of [
        await post('get', '{}', { authorization }),
        await post('txn', '{"if":[],"then":[{"put":"a","value":1}]}', { authorization }),
        await fetch(url('watch'), { headers: { authorization } }),
        await fetch(url('nothing'), { headers: { authorization } }),
      ])
        expect(await problemOf(response), authorization).toMatchObject({ status: 401, code: 'ERR_UNAUTHORIZED', happened: 'no' });
    expect((await store.get({})).rev).toBe(0);
  });

  test('an empty token is refused before anything listens', async () => {
    const error: unknown = await serveStore({ store, host: '127.0.0.1', port: 0, token: '', ports }).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'ERR_SECRET' });
  });

  test('a port in use is a fault that names it', async () => {
    const error: unknown = await serveStore({ store, host: '127.0.0.1', port: served.port, token: TOKEN, ports }).catch(
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(Fault);
    expect(error).toMatchObject({ code: 'ERR_LISTEN', message: expect.stringContaining(`127.0.0.1:${served.port}`) });
  });
});

describe('what is refused', () => {
  const bad = [
    ['txn', ''],
    ['txn', '{'],
    ['txn', 'null'],
    ['txn', '{}'],
    ['txn', '{"if":[],"then":[],"also":1}'],
    ['txn', '{"if":[{"key":"a","mod":-1}],"then":[]}'],
    ['txn', '{"if":[{"key":"a","mod":"0"}],"then":[]}'],
    ['txn', '{"if":[],"then":[{"put":"a"}]}'],
    ['txn', '{"if":[],"then":[{"put":"a","value":1,"del":"b"}]}'],
    ['txn', '{"if":[],"then":[{"put":"a b","value":1}]}'],
    ['txn', '{"if":[],"then":[{"put":"a","value":1},{"put":"a","value":2}]}'],
    ['get', '{"keys":"a"}'],
    ['get', '{"keys":[""]}'],
    ['get', '[]'],
  ] as const;
  test.each(bad)('%s %s: a problem that says nothing happened', async (path, body) => {
    const problem = await problemOf(await post(path, body));
    expect(problem).toMatchObject({ status: 400, code: 'ERR_BAD_REQUEST', happened: 'no' });
    expect(problem.detail).not.toBe('');
    expect((await store.get({})).rev).toBe(0);
  });

  test('another content type, another method, another path', async () => {
    expect(await problemOf(await post('txn', 'if=', { ...bearer, 'content-type': 'text/plain' }))).toMatchObject({
      code: 'ERR_BAD_REQUEST',
    });
    expect(await problemOf(await fetch(url('txn'), { headers: bearer }))).toMatchObject({ status: 404, code: 'ERR_NOT_FOUND' });
    expect(await problemOf(await post('other', '{}'))).toMatchObject({ status: 404, code: 'ERR_NOT_FOUND' });
  });

  test('a body beyond its limit', async () => {
    const body = JSON.stringify({ if: [], then: [{ put: 'a', value: 'x'.repeat(TXN_BYTES_MAX + 1024 * 1024) }] });
    expect(await problemOf(await post('txn', body))).toMatchObject({ status: 413, code: 'ERR_TOO_LARGE', happened: 'no' });
  });

  test('a store that the asker does not expect', async () => {
    await store.txn({ if: [], then: [{ put: 'a', value: 1 }] });
    const txn = (expect: object) => post('txn', JSON.stringify({ if: [], then: [{ put: 'b', value: 1 }], expect }));
    for (const expectation of [
      { clusterId: 'another', rev: 0 },
      { clusterId: store.clusterId, rev: 2 },
    ])
      expect(await problemOf(await txn(expectation))).toMatchObject({ status: 409, code: 'ERR_STORE_REPLACED', happened: 'no' });
    expect((await store.get({})).rev).toBe(1);
    expect((await txn({ clusterId: store.clusterId, rev: 1 })).status).toBe(200);
  });

  test('one watch more than the most', async () => {
    const abort = new AbortController();
    // Held: fetch ends the streams of responses that nobody can reach any more.
    const responses: Response[] = [];
    for (let i = 0; i < 129; i++) responses.push(await fetch(url('watch'), { headers: bearer, signal: abort.signal }));
    const refused = responses.pop();
    expect(responses.every(({ status }) => status === 200)).toBe(true);
    expect(refused && (await problemOf(refused))).toMatchObject({ status: 503, detail: expect.stringContaining('128 watches') });
    abort.abort();
  });
});

describe('how many', () => {
  test('one connection more than the most is closed at once; when others have gone there is room again', async () => {
    const sockets = Array.from({ length: 256 }, () => net.connect(served.port, '127.0.0.1'));
    await Promise.all(sockets.map((socket) => once(socket, 'connect')));
    const extra = net.connect(served.port, '127.0.0.1');
    extra.on('error', () => {});
    await once(extra, 'close');
    for (const socket of sockets) socket.destroy();
    await Promise.all(sockets.map(async (socket) => socket.closed || once(socket, 'close')));
    let status = 0;
    while (status !== 200)
      status = await post('get', '{}').then(
        (response) => response.status,
        () => 0,
      );
  });
});

describe('the watch stream', () => {
  test('is lines of JSON: a hello, changes under the prefix, and a beat at least every two seconds', async () => {
    await served.close();
    const hurried: Ports = { ...ports, timers: { after: (ms, fn, options) => ports.timers.after(ms === 2000 ? 20 : ms, fn, options) } };
    served = await start(store, hurried);
    const response = await fetch(url('watch?prefix=w%2F'), { headers: bearer });
    expect(response.headers.get('content-type')).toBe('application/x-ndjson');
    let text = '';
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    const readUntil = async (part: string): Promise<void> => {
      while (!text.includes(part)) text += (await reader?.read())?.value ?? '';
    };
    await readUntil('hello');
    await store.txn({
      if: [],
      then: [
        { put: 'w/a', value: 1 },
        { put: 'x', value: 1 },
      ],
    });
    await readUntil('changed');
    text = `${text.slice(text.indexOf('{"kind":"changed"'))}`;
    await readUntil('beat"}\n');
    expect(text).toBe('{"kind":"changed","rev":1,"keys":["w/a"]}\n{"kind":"beat"}\n');
    await reader?.cancel();
  });

  test('a watcher that does not read is cut off instead of filling the memory', async () => {
    await served.close();
    let closed = false;
    const watched: Store = {
      ...behind(store),
      watch: (prefix, onEvent) => {
        const watch = store.watch(prefix, onEvent);
        return {
          close: () => {
            closed = true;
            watch.close();
          },
        };
      },
    };
    served = await start(watched);
    const socket = net.connect(served.port, '127.0.0.1');
    socket.on('error', () => {});
    socket.write(`GET /store/v1/watch HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${TOKEN}\r\n\r\n`);
    // Nothing is read after the beginning. Each event names 200 KiB of keys; the kernel takes some megabytes, the server one more.
    await once(socket, 'readable');
    const then = Array.from({ length: 400 }, (_, i) => ({ put: `${'k'.repeat(500)}${i}`, value: i }));
    let events = 0;
    for (; !closed && events < 500; events++) {
      await store.txn({ if: [], then });
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(closed).toBe(true);
    expect(events).toBeGreaterThan(5);
    socket.destroy();
  }, 30_000);
});

describe('the end', () => {
  test('answers what is running, ends the streams, does not wait for idle connections, and leaves the store open', async () => {
    let reached = (): void => {};
    let release = (): void => {};
    const running = new Promise<void>((resolve) => {
      reached = resolve;
    });
    const slow: Store = {
      ...behind(store),
      txn: async (txn) => {
        reached();
        await new Promise<void>((resolve) => {
          release = resolve;
        });
        return store.txn(txn);
      },
    };
    await served.close();
    // The hard end after two seconds never comes here: without the sweep the idle connections would stay for 72 s.
    const patient: Ports = {
      ...ports,
      timers: { after: (ms, fn, options) => (ms === 2000 ? { cancel: () => {} } : ports.timers.after(ms, fn, options)) },
    };
    served = await start(slow, patient);
    const idle = await post('get', '{}');
    await idle.text();
    const stream = await fetch(url('watch'), { headers: bearer });
    const streamed = stream.text();
    const writing = post('txn', '{"if":[],"then":[{"put":"a","value":1}]}');
    await running;
    const closing = served.close();
    expect(served.close()).toBe(closing);
    expect(await streamed).toBe('{"kind":"hello"}\n');
    release();
    expect(await (await writing).json()).toMatchObject({ ok: true, rev: 1 });
    await closing;
    await expect(post('get', '{}')).rejects.toThrow();
    expect((await store.get({})).rev).toBe(1);
  });

  test('a request that never ends is cut', async () => {
    await served.close();
    let reached = (): void => {};
    const running = new Promise<void>((resolve) => {
      reached = resolve;
    });
    const stuck: Store = {
      ...behind(store),
      txn: () => {
        reached();
        return new Promise(() => {});
      },
    };
    served = await start(stuck);
    const writing = post('txn', '{"if":[],"then":[{"put":"a","value":1}]}').catch((error: unknown) => error);
    await running;
    await served.close();
    expect(await writing).toBeInstanceOf(TypeError);
  }, 30_000);
});
