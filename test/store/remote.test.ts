// The way to a served store through a network that misbehaves: what each failure means to a writer, how a writer in doubt finds out, when the
// client refuses to go on, and how a watch survives.
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { Fault } from '../../src/errors.ts';
import { type Ports, realPorts } from '../../src/ports.ts';
import { openEmbedded } from '../../src/store/embedded.ts';
import { connectStore } from '../../src/store/remote.ts';
import { serveStore } from '../../src/store/serve.ts';
import type { Store, WatchEvent } from '../../src/store/store.ts';
import { StoreAmbiguousError, StoreDefiniteError } from '../../src/store/store.ts';
import { WATCH_SILENCE_MS } from '../../src/store/wire.ts';
import { startChaosProxy } from '../chaos-proxy.ts';

// The machine that runs the tests may be busy.
vi.setConfig({ testTimeout: 60_000 });

const TOKEN = 'a-token-that-must-not-show';
const ports = realPorts();
/** A deadline that comes only when the test says so: see `heldPorts`. */
const HELD_MS = 77_777;

const closers: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** The same store as a plain object, to replace one of its methods. */
const behind = (inner: Store): Store => ({
  clusterId: inner.clusterId,
  get: (query) => inner.get(query),
  txn: (txn) => inner.txn(txn),
  watch: (prefix, onEvent) => inner.watch(prefix, onEvent),
  close: () => inner.close(),
});

const memory = (): Store => {
  const store = openEmbedded({ file: ':memory:', ports });
  closers.push(() => store.close());
  return store;
};
const serve = async (store: Store, servePorts: Ports = ports): Promise<number> => {
  const served = await serveStore({ store, host: '127.0.0.1', port: 0, token: TOKEN, ports: servePorts });
  closers.push(() => served.close());
  return served.port;
};
const proxyTo = async (port: number) => {
  const proxy = await startChaosProxy(port);
  closers.push(() => proxy.close());
  return proxy;
};
const connect = (port: number, clientPorts: Ports = ports, timeoutMs = 30_000): Store => {
  const client = connectStore({ url: `http://127.0.0.1:${port}`, token: TOKEN, ports: clientPorts, timeoutMs });
  closers.push(() => client.close());
  return client;
};
const withTimers = (after: Ports['timers']['after']): Ports => ({ ...ports, timers: { after } });
/** Ports whose timers run `factor` times as fast. */
const hurried = (factor: number): Ports => withTimers((ms, fn, options) => ports.timers.after(ms / factor, fn, options));
/** Ports that keep timers of `heldMs` until `expire` fires them, so that no test depends on how busy the machine is. */
const heldPorts = (heldMs: number) => {
  const pending = new Set<() => void>();
  const held = withTimers((ms, fn, options) => {
    if (ms !== heldMs) return ports.timers.after(ms, fn, options);
    pending.add(fn);
    return { cancel: () => void pending.delete(fn) };
  });
  const expire = (): void => {
    for (const fn of pending) fn();
    pending.clear();
  };
  return { ports: held, expire };
};

const setup = async () => {
  const store = memory();
  const proxy = await proxyTo(await serve(store));
  const held = heldPorts(HELD_MS);
  return { store, proxy, client: connect(proxy.port, held.ports, HELD_MS), expire: held.expire };
};
/** Looks until it is so; the test's own deadline ends it otherwise. */
const until = async (so: () => boolean | Promise<boolean>): Promise<void> => {
  while (!(await so())) await new Promise((resolve) => setTimeout(resolve, 5));
};
const reached = (store: Store, rev: number): Promise<void> => until(async () => (await store.get({})).rev >= rev);
const put = (store: Store, key: string, value: unknown) => store.txn({ if: [], then: [{ put: key, value }] });
const rejection = async (promise: Promise<unknown>): Promise<Error> => {
  const error: unknown = await promise.then(
    () => new Error('it was fulfilled'),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(Error);
  expect(String((error as Error).stack)).not.toContain(TOKEN);
  return error as Error;
};

describe('what a failure means', () => {
  test('a refused connection: it did not happen', async () => {
    const { store, proxy, client } = await setup();
    await proxy.cut();
    expect(await rejection(put(client, 'a', 1))).toBeInstanceOf(StoreDefiniteError);
    expect(await rejection(client.get({}))).toBeInstanceOf(StoreDefiniteError);
    await proxy.heal();
    expect(await client.get({ keys: ['a'] })).toEqual({ rev: 0, kvs: [] });
    expect(await put(client, 'a', 2)).toMatchObject({ ok: true, rev: 1 });
    expect((await store.get({})).rev).toBe(1);
  });

  test('a reply that is lost in a reset: nobody knows, and it may well have happened', async () => {
    const { store, proxy, client } = await setup();
    await client.get({});
    proxy.dropReplies(0, 'reset');
    expect(await rejection(put(client, 'a', 1))).toBeInstanceOf(StoreAmbiguousError);
    expect((await store.get({ keys: ['a'] })).kvs).toHaveLength(1);
  });

  test('a reply that breaks off in the middle: nobody knows', async () => {
    const { store, proxy, client } = await setup();
    for (const afterBytes of [10, 60, 200]) {
      const { rev } = await store.get({});
      proxy.dropReplies(afterBytes, 'reset');
      expect(await rejection(put(client, 'a', 1)), `after ${afterBytes} bytes`).toBeInstanceOf(StoreAmbiguousError);
      expect((await store.get({})).rev).toBe(rev + 1);
      await proxy.heal();
    }
  });

  test('a reply slower than the deadline: nobody knows, and the deadline is kept', async () => {
    const store = memory();
    const proxy = await proxyTo(await serve(store));
    const client = connect(proxy.port, ports, 300);
    proxy.delay(60_000);
    const startedAtMs = ports.clock.monoMs();
    const error = await rejection(put(client, 'a', 1));
    expect(ports.clock.monoMs() - startedAtMs).toBeLessThan(5000);
    expect(error).toBeInstanceOf(StoreAmbiguousError);
    expect(error.message).toContain('within 300 ms');
    await reached(store, 1);
  });

  test('a reply slower than before but within the deadline is a reply', async () => {
    const { proxy, client } = await setup();
    proxy.delay(150);
    expect(await put(client, 'a', 1)).toMatchObject({ ok: true, rev: 1 });
  });

  test('a network that swallows everything: nobody knows, though nothing happened; a read just fails', async () => {
    const { store, proxy, client, expire } = await setup();
    proxy.blackhole();
    const calls = Promise.all([rejection(put(client, 'a', 1)), rejection(client.get({}))]);
    await until(() => proxy.accepted === 2 && proxy.requestBytes > 0);
    expire();
    const [writing, reading] = await calls;
    expect(writing).toBeInstanceOf(StoreAmbiguousError);
    expect(reading).toBeInstanceOf(StoreDefiniteError);
    expect((await store.get({})).rev).toBe(0);
    await proxy.heal();
    expect(await put(client, 'a', 1)).toMatchObject({ ok: true });
  });

  test('a caller that gives up while the request is under way: nobody knows', async () => {
    const { store, proxy, client } = await setup();
    await client.get({});
    proxy.delay(60_000);
    const gone = new AbortController();
    const writing = rejection(put(client, 'a', 1));
    const calledOff = rejection(client.txn({ if: [], then: [{ put: 'b', value: 1 }] }, gone.signal));
    await reached(store, 2);
    gone.abort(new Error('the caller left'));
    const error = await calledOff;
    expect(error).toBeInstanceOf(StoreAmbiguousError);
    expect(error.message).toContain('the caller left');
    proxy.reset();
    await writing;
  });

  test('a wrong token: it did not happen', async () => {
    const store = memory();
    const client = connectStore({ url: `http://127.0.0.1:${await serve(store)}`, token: 'another', ports });
    closers.push(() => client.close());
    for (const call of [put(client, 'a', 1), client.get({})]) {
      const error = await rejection(call);
      expect(error).toBeInstanceOf(StoreDefiniteError);
      expect(error.message).toContain('ERR_UNAUTHORIZED');
    }
    expect((await store.get({})).rev).toBe(0);
  });

  test('a refusal or a doubt of the engine behind the server arrives as what it is', async () => {
    const store = memory();
    let failure: Error = new StoreDefiniteError('the disk is full');
    const client = connect(await serve({ ...behind(store), txn: () => Promise.reject(failure) }));
    const refused = await rejection(put(client, 'a', 1));
    expect(refused).toBeInstanceOf(StoreDefiniteError);
    expect(refused.message).toContain('the disk is full');
    for (failure of [new StoreAmbiguousError('the flush failed'), new TypeError('a mistake of ours')]) {
      const doubt = await rejection(put(client, 'a', 1));
      expect(doubt).toBeInstanceOf(StoreAmbiguousError);
      expect(doubt.message).toContain(failure.message);
    }
  });

  test('something else that listens there: a write is in doubt, a read fails', async () => {
    const impostor = ports.net.listenTcp((socket) => {
      socket.on('error', () => {});
      socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}'));
    });
    await new Promise<void>((resolve) => impostor.listen(0, '127.0.0.1', resolve));
    closers.push(() => new Promise<void>((resolve) => impostor.close(() => resolve())));
    const address = impostor.address();
    const client = connect(typeof address === 'object' && address ? address.port : 0);
    expect(await rejection(put(client, 'a', 1))).toBeInstanceOf(StoreAmbiguousError);
    expect(await rejection(client.get({}))).toBeInstanceOf(StoreDefiniteError);
    expect(client.clusterId).toBe('');
  });

  test('an address that would have to be resolved, or another protocol, is refused at once', () => {
    for (const url of ['http://localhost:1', 'http://store.example:1', 'https://127.0.0.1:1', 'tcp://127.0.0.1:1', '127.0.0.1:1', ''])
      expect(() => connectStore({ url, token: TOKEN, ports }), url).toThrow(/http:\/\/127\.0\.0\.1:7710/);
  });
});

describe('nothing is sent twice', () => {
  test('however the exchange breaks, the store sees the transaction at most once', async () => {
    const { store, proxy, client, expire } = await setup();
    const append = async (n: number): Promise<void> => {
      const [list] = (await store.get({ keys: ['list'] })).kvs;
      const value = [...((list?.value as number[] | undefined) ?? []), n];
      // Without a condition: a second delivery would show as a second revision.
      const writing = rejection(put(client, 'list', value));
      await reached(store, n + 1);
      expire();
      await writing;
    };
    const breaks = [() => proxy.dropReplies(0, 'reset'), () => proxy.dropReplies(30, 'reset'), () => proxy.dropReplies(0, 'silence')];
    for (const [n, breakIt] of breaks.entries()) {
      breakIt();
      await append(n);
      await proxy.heal();
      await client.get({});
    }
    expect(await store.get({ keys: ['list'] })).toMatchObject({ rev: breaks.length, kvs: [{ value: [0, 1, 2] }] });
  });
});

describe('a writer in doubt', () => {
  /** What the port asks of its users: on doubt read back; if my nonce is there it happened, else evaluate afresh. */
  const increment = async (client: Store, nonce: () => string, onDoubt: () => Promise<void>): Promise<'written' | 'found'> => {
    for (;;) {
      const [now] = (await client.get({ keys: ['n'] })).kvs;
      const mine = { count: ((now?.value as { count: number } | undefined)?.count ?? 0) + 1, nonce: nonce() };
      try {
        if ((await client.txn({ if: [{ key: 'n', mod: now?.mod ?? 0 }], then: [{ put: 'n', value: mine }] })).ok) return 'written';
      } catch (error) {
        if (!(error instanceof StoreAmbiguousError)) throw error;
        await onDoubt();
        const [found] = (await client.get({ keys: ['n'] })).kvs;
        if ((found?.value as { nonce: string } | undefined)?.nonce === mine.nonce) return 'found';
      }
    }
  };

  test('finds its nonce when the reply was lost, and writes once when the request was lost: each increment counts once', async () => {
    const { store, proxy, client, expire } = await setup();
    const nonce = () => ports.random.hex(8);
    let doubts = 0;
    const onDoubt = (): Promise<void> => {
      doubts += 1;
      return proxy.heal();
    };
    expect(await increment(client, nonce, onDoubt)).toBe('written');
    // The read before the write passes: only the reply of the write is lost.
    const lossy: Store = {
      ...behind(client),
      txn: (txn) => {
        proxy.dropReplies(0, 'reset');
        return client.txn(txn);
      },
    };
    expect(await increment(lossy, nonce, onDoubt)).toBe('found');
    let swallow = true;
    const swallowing: Store = {
      ...lossy,
      txn: (txn) => {
        if (!swallow) return client.txn(txn);
        swallow = false;
        proxy.blackhole();
        const before = proxy.requestBytes;
        const writing = client.txn(txn);
        void until(() => proxy.requestBytes > before).then(expire);
        return writing;
      },
    };
    expect(await increment(swallowing, nonce, onDoubt)).toBe('written');
    expect(doubts).toBe(2);
    expect(await store.get({ keys: ['n'] })).toMatchObject({ rev: 3, kvs: [{ value: { count: 3 } }] });
  });
});

describe('a server that is away', () => {
  test('is not needed to begin with; the identity is learnt from its first answer', async () => {
    const store = memory();
    const proxy = await proxyTo(await serve(store));
    await proxy.cut();
    const client = connect(proxy.port);
    expect(await rejection(client.get({}))).toBeInstanceOf(StoreDefiniteError);
    expect(client.clusterId).toBe('');
    await proxy.heal();
    await client.get({});
    expect(client.clusterId).toBe(store.clusterId);
  });

  test('and comes back with the same file: the client goes on where it was', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'tidegate-store-'));
    closers.push(() => rmSync(directory, { recursive: true }));
    const file = join(directory, 'store.sqlite');
    const before = openEmbedded({ file, ports });
    const served = await serveStore({ store: before, host: '127.0.0.1', port: 0, token: TOKEN, ports });
    const proxy = await proxyTo(served.port);
    const client = connect(proxy.port);
    await put(client, 'a', 1);
    await served.close();
    await before.close();
    expect(await rejection(put(client, 'a', 2))).not.toBeInstanceOf(Fault);
    const after = openEmbedded({ file, ports });
    closers.push(() => after.close());
    proxy.retarget(await serve(after));
    expect(await client.txn({ if: [{ key: 'a', mod: 1 }], then: [{ put: 'a', value: 2 }] })).toEqual({ ok: true, rev: 2, kvs: [] });
  });
});

describe('a store that is not the one known before', () => {
  const expectFrozen = async (client: Store, saying: RegExp): Promise<void> => {
    for (const call of [() => put(client, 'x', 1), () => client.get({}), () => put(client, 'y', 1)]) {
      const error = await rejection(call());
      expect(error).toBeInstanceOf(Fault);
      expect((error as Fault).code).toBe('ERR_STORE_REPLACED');
      expect(error.message).toMatch(saying);
      expect(error.message).toMatch(/replaced or restored.*start this instance again/);
    }
  };

  test('another one in its place is left alone: every call is refused, nothing is written, also when the old one is back', async () => {
    const [known, other] = [memory(), memory()];
    await put(other, 'theirs', 1);
    const [knownPort, otherPort] = [await serve(known), await serve(other)];
    const proxy = await proxyTo(knownPort);
    const client = connect(proxy.port);
    await put(client, 'a', 1);
    proxy.retarget(otherPort);
    proxy.reset();
    await expectFrozen(client, new RegExp(`${known.clusterId}.*${other.clusterId}`));
    expect((await other.get({ prefixes: [''] })).kvs).toMatchObject([{ key: 'theirs' }]);
    proxy.retarget(knownPort);
    proxy.reset();
    await expectFrozen(client, /replaced/);
    // A new instance starts anew.
    expect(await put(connect(proxy.port), 'b', 1)).toMatchObject({ ok: true });
  });

  test('an older copy of itself is left alone, before a write reaches it', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'tidegate-store-'));
    closers.push(() => rmSync(directory, { recursive: true }));
    const [file, copy] = [join(directory, 'store.sqlite'), join(directory, 'backup.sqlite')];
    const early = openEmbedded({ file, ports });
    await put(early, 'a', 1);
    await early.close();
    copyFileSync(file, copy);
    const [current, restored] = [openEmbedded({ file, ports }), openEmbedded({ file: copy, ports })];
    closers.push(() => Promise.all([current.close(), restored.close()]).then(() => undefined));
    expect(restored.clusterId).toBe(current.clusterId);
    const proxy = await proxyTo(await serve(current));
    const client = connect(proxy.port);
    await put(client, 'a', 2);
    proxy.retarget(await serve(restored));
    proxy.reset();
    await expectFrozen(client, /revision 2.* at 1/);
    expect((await restored.get({})).rev).toBe(1);
  });

  test('a server that does not check is caught by its answer', async () => {
    const store = memory();
    let rev = 10;
    const liar: Store = {
      ...behind(store),
      get: async ({ keys = [] }) => ({ rev: keys.length > 0 ? rev : 10, kvs: [] }),
      // The server looks at the revision first, and finds nothing wrong.
      txn: async () => ({ ok: true, rev, kvs: [] }),
    };
    const client = connect(await serve(liar));
    await put(client, 'a', 1);
    rev = 9;
    expect(await rejection(put(client, 'a', 1))).toMatchObject({ code: 'ERR_STORE_REPLACED' });
    await expectFrozen(client, /expected revision 10 or later; this is 9/);
  });

  test('answers that overtake each other are no sign of it', async () => {
    const store = memory();
    let release = (): void => {};
    let reached = (): void => {};
    const waiting = new Promise<void>((resolve) => {
      reached = resolve;
    });
    const slow: Store = {
      ...behind(store),
      get: async (query) => {
        const read = await store.get(query);
        if (query.keys?.includes('slow')) {
          reached();
          await new Promise<void>((resolve) => {
            release = resolve;
          });
        }
        return read;
      },
    };
    const client = connect(await serve(slow));
    await put(client, 'a', 1);
    const overtaken = client.get({ keys: ['slow'] });
    await waiting;
    await put(client, 'a', 2);
    release();
    expect((await overtaken).rev).toBe(1);
    expect((await client.get({})).rev).toBe(2);
  });
});

describe('watch', () => {
  const collect = (client: Store, prefix = '') => {
    const seen: WatchEvent[] = [];
    let wake = (): void => {};
    const watch = client.watch(prefix, (event) => {
      seen.push(event);
      wake();
    });
    closers.push(() => watch.close());
    /** Resolves when an event after the first `from` ones satisfies `wanted`. */
    const next = async (from: number, wanted: (event: WatchEvent) => boolean): Promise<void> => {
      while (!seen.slice(from).some(wanted))
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
    };
    return { seen, next, close: () => watch.close() };
  };
  const isResync = (event: WatchEvent): boolean => event.kind === 'resync';
  const isChange = (event: WatchEvent): boolean => event.kind === 'changed';

  test('begins with a resync, then tells changes; every reconnect resyncs again', async () => {
    const { store, proxy, client } = await setup();
    const { seen, next } = collect(client, 'w/');
    await next(0, isResync);
    for (let round = 0; round < 3; round++) {
      const told = seen.length;
      await put(store, 'w/a', round);
      await next(told, isChange);
      const before = seen.length;
      if (round === 1) await proxy.cut();
      else proxy.reset();
      // Nobody hears of this one but through the resync.
      await put(store, 'w/a', 'unheard');
      await proxy.heal();
      await next(before, isResync);
    }
    expect(seen.filter(isResync).length).toBeGreaterThanOrEqual(4);
  });

  test('a server that falls silent without a word is left for a new connection', async () => {
    const store = memory();
    const proxy = await proxyTo(await serve(store));
    const client = connect(proxy.port, hurried(20));
    const { seen, next } = collect(client);
    await next(0, isResync);
    const before = proxy.accepted;
    // The connection stays up, and nothing comes through it. The client’s six seconds are 300 ms here, the server’s two are two.
    proxy.blackhole();
    await until(() => proxy.accepted > before);
    const silent = seen.length;
    await proxy.heal();
    await next(silent, isResync);
  });

  test('a stream on which nothing changes stays: each beat of the server puts the silence off', async () => {
    const store = memory();
    const proxy = await proxyTo(await serve(store, hurried(100)));
    const silences: { cancelled: boolean }[] = [];
    const recording = withTimers((ms, fn, options) => {
      if (ms !== WATCH_SILENCE_MS) return ports.timers.after(ms, fn, options);
      const silence = { cancelled: false };
      silences.push(silence);
      return {
        cancel: () => {
          silence.cancelled = true;
        },
      };
    });
    const { seen, next } = collect(connect(proxy.port, recording));
    await next(0, isResync);
    // One for the connection, one for the hello, and then one per beat.
    await until(() => silences.length >= 7);
    expect(silences.filter(({ cancelled }) => !cancelled)).toHaveLength(1);
    expect(silences.at(-1)).toEqual({ cancelled: false });
    expect(proxy.accepted).toBe(1);
    expect(seen).toHaveLength(1);
  });

  test('a server that is away, or refuses, is asked again at a growing distance, and after close not at all', async () => {
    const store = memory();
    const proxy = await proxyTo(await serve(store));
    const waits: number[] = [];
    const recording: Ports = {
      ...ports,
      random: { ...ports.random, unit: () => 0.5 },
      timers: {
        after: (ms, fn, options) => {
          waits.push(ms);
          return ports.timers.after(Math.min(ms, 5), fn, options);
        },
      },
    };
    const client = connectStore({ url: `http://127.0.0.1:${proxy.port}`, token: 'wrong', ports: recording, timeoutMs: 999 });
    closers.push(() => client.close());
    const { seen, close } = collect(client);
    const pauses = () => waits.filter((ms) => ms <= 5000 && ms !== 999);
    await until(() => pauses().length >= 8);
    expect(pauses().slice(0, 8)).toEqual([100, 200, 400, 800, 1600, 3200, 5000, 5000]);
    expect(seen).toEqual([]);
    close();
    await new Promise((resolve) => setTimeout(resolve, 50));
    const accepted = proxy.accepted;
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(proxy.accepted).toBe(accepted);
  });

  test('many watches leave room for requests', async () => {
    const { store, client } = await setup();
    const watches = Array.from({ length: 20 }, () => collect(client));
    await Promise.all(watches.map(({ next }) => next(0, isResync)));
    await put(client, 'a', 1);
    await Promise.all(watches.map(({ next }) => next(0, isChange)));
    expect((await store.get({})).rev).toBe(1);
  });

  test('a client closed with streams and requests under way lets go of all of them', async () => {
    const { proxy, client } = await setup();
    const { next, seen } = collect(client);
    await next(0, isResync);
    proxy.delay(60_000);
    const reading = rejection(client.get({}));
    const writing = rejection(put(client, 'a', 1));
    await new Promise((resolve) => setTimeout(resolve, 50));
    await client.close();
    expect(await reading).toBeInstanceOf(StoreDefiniteError);
    expect(await writing).toBeInstanceOf(StoreAmbiguousError);
    const heard = seen.length;
    await proxy.heal();
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(seen).toHaveLength(heard);
  });
});
