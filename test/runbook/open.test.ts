// Systems around: opened at first use, kept, left behind when they ignore their signal, closed in the end.
import { describe, expect, test } from 'vitest';
import { guardedUrl } from '../../src/exchange.ts';
import type { Fetch } from '../../src/http.ts';
import type { HttpCheckSystem } from '../../src/runbook/http/system.ts';
import type { SystemContext } from '../../src/runbook/kind.ts';
import { guarded, openSystems } from '../../src/runbook/open.ts';
import type { PrometheusSystem } from '../../src/runbook/prometheus/system.ts';
import { recordingLog } from '../recording-log.ts';
import { createVirtual } from '../virtual.ts';

const NEVER = new AbortController().signal;

const setUp = (fetch: Fetch) => {
  const virtual = createVirtual({ startWallMs: 0, seed: 1 });
  const [made, closed] = [[] as unknown[], [] as unknown[]];
  const files = new Map([['/t', 'tok-0a1b2c3d4e']]);
  const log = recordingLog();
  const context: SystemContext = {
    ports: virtual.ports,
    log,
    secret: (path) => files.get(path) ?? '',
    text: () => '',
    resolve: () => Promise.reject(new Error('no names here')),
    httpTrusting: (trust) => {
      made.push(trust);
      return { fetch, close: async () => void closed.push(trust) };
    },
  };
  const url = 'http://127.0.0.1:9';
  const systems = openSystems(
    { site: { kind: 'http', url, status: [[200, 200]] }, metrics: { kind: 'prometheus', url, tokenFile: '/t' } },
    context,
  );
  return { virtual, systems, made, closed, files, log };
};
const silent: Fetch = () => new Promise(() => undefined);

describe('systems', () => {
  test('nothing is opened before it is used, and then once', async () => {
    const { systems, made } = setUp(silent);
    expect(made).toEqual([]);
    expect(systems.standing().map(({ name, kind, isOpen, state }) => [name, kind, isOpen, state])).toEqual([
      ['site', 'http', false, 'closed'],
      ['metrics', 'prometheus', false, 'closed'],
    ]);
    const [one, two] = await Promise.all([
      systems.system<HttpCheckSystem>('site', 'http'),
      systems.system<HttpCheckSystem>('site', 'http'),
    ]);
    expect(one).toBe(two);
    expect(one.host).toBe('127.0.0.1:9');
    expect(made).toHaveLength(1);
    expect(systems.standing()[0]).toMatchObject({ isOpen: true });
  });

  test('one that cannot be opened is failing, with why, until it can be', async () => {
    const { systems, files } = setUp(silent);
    expect(systems.standing().map(({ isFailing }) => isFailing)).toEqual([false, false]);
    files.delete('/t');
    await systems.system<PrometheusSystem>('metrics', 'prometheus').then(
      () => expect.fail('opened'),
      () => undefined,
    );
    expect(systems.standing()[1]).toMatchObject({ isFailing: true, because: expect.stringMatching(/^metrics cannot be opened: /) });
    files.set('/t', 'tok-0a1b2c3d4e');
    await systems.system<PrometheusSystem>('metrics', 'prometheus');
    expect(systems.standing()[1]).toMatchObject({ isFailing: false, because: 'metrics answers' });
  });

  test('an entry that is missing or of another kind is said with its name', async () => {
    const { systems } = setUp(silent);
    await expect(systems.system<HttpCheckSystem>('sight', 'http')).rejects.toMatchObject({
      code: 'ERR_SYSTEM',
      message: expect.stringContaining('"sight"'),
    });
    await expect(systems.system<HttpCheckSystem>('metrics', 'http')).rejects.toMatchObject({
      code: 'ERR_SYSTEM',
      message: 'system metrics is of kind prometheus, expected http',
    });
    // A member of every object is no entry.
    await expect(systems.system<HttpCheckSystem>('constructor', 'http')).rejects.toMatchObject({ code: 'ERR_SYSTEM' });
  });

  test('what could not be opened is tried again, and its sentence names it', async () => {
    const { systems, files } = setUp(silent);
    files.set('/t', 'a token with blanks');
    await expect(systems.system<PrometheusSystem>('metrics', 'prometheus')).rejects.toMatchObject({
      code: 'ERR_SECRET',
      message: expect.stringMatching(/^system metrics: \/t: /),
    });
    files.set('/t', 'tok-0a1b2c3d4e');
    expect((await systems.system<PrometheusSystem>('metrics', 'prometheus')).kind).toBe('prometheus');
  });

  test('nothing secret goes over plain http but to this machine, nor to an address with a user in it', () => {
    for (const good of ['https://x.example/a', 'http://127.0.0.1:1', 'http://[::1]/', 'http://localhost'])
      expect(guardedUrl(good).href).toBe(new URL(good).href);
    for (const bad of [
      'http://x.example',
      'http://127.0.0.1.x.example',
      'https://u:hunter2@x.example',
      'ftp://x.example',
      'x',
      'http://10.0.0.1',
    ])
      expect(() => guardedUrl(bad), bad).toThrow(/^found (?!.*hunter2)/);
    expect(guardedUrl('http://prometheus.monitoring:9090', true).port).toBe('9090');
    expect(() => guardedUrl('http://u:p@x.example', true)).toThrow('without a user');
  });

  test('a call that ignores its signal is left behind after ten seconds, and five of them leave the system alone', async () => {
    const { systems, virtual } = setUp(silent);
    const site = await systems.system<HttpCheckSystem>('site', 'http');
    for (let time = 0; time < 5; time++) {
      const call = site.ask(NEVER).catch(String);
      await virtual.advance(10_250);
      expect(await call).toBe('DeadlineError: system site: no answer within 10000 ms');
    }
    await expect(site.ask(NEVER)).rejects.toThrow('left alone until');
    expect(systems.standing()[0]).toMatchObject({ state: 'open', failures: 5, isFailing: true });
    expect(systems.standing()[1]).toMatchObject({ state: 'closed' });
    expect(virtual.pendingTimers()).toBe(0);
  });

  test('values and calls without a signal pass as they are', async () => {
    const { systems } = setUp(async () => new Response('') as never);
    const site = await systems.system<HttpCheckSystem>('site', 'http');
    expect([site.kind, site.good, await site.ask(NEVER)]).toEqual(['http', [[200, 200]], 200]);
  });

  test('calls in a client’s own groups are guarded, what is no plain object is left alone', async () => {
    const [seen, around] = [[] as string[], [] as unknown[]];
    class Opaque {
      readonly #secret = 'kept';
      tell(_signal: AbortSignal): string {
        return this.#secret;
      }
    }
    const client = guarded(
      {
        kind: 'x',
        mover: { look: async (name: string, _signal: AbortSignal) => seen.push(name), named: (name: string) => name },
        opaque: new Opaque(),
        list: [1],
        close: async () => undefined,
      },
      async (work, signal) => {
        around.push(signal);
        return work(signal);
      },
    );
    await client.mover.look('orders', NEVER);
    expect([client.mover.named('n'), client.opaque.tell(NEVER), client.list]).toEqual(['n', 'kept', [1]]);
    expect([seen, around]).toEqual([['orders'], [NEVER]]);
  });

  test('a client has its last word when its signal ends the call, and is left behind when it has none', async () => {
    const words: Fetch = (_url, init) =>
      new Promise((_resolve, reject) => init?.signal?.addEventListener('abort', () => reject(new Error('in its own words'))));
    for (const [fetch, said] of [
      [words, 'Error: in its own words'],
      [silent, 'Error: stopping'],
    ] as const) {
      const { systems, virtual } = setUp(fetch);
      const site = await systems.system<HttpCheckSystem>('site', 'http');
      const stop = new AbortController();
      const call = site.ask(stop.signal).catch(String);
      await virtual.advance(1);
      stop.abort(new Error('stopping'));
      await virtual.advance(250);
      expect(await call).toBe(said);
      expect(systems.standing()[0]).toMatchObject({ failures: 0 });
      expect(virtual.pendingTimers()).toBe(0);
    }
  });

  test('closing ends what was opened, waits for none for ever, and nothing is opened after it', async () => {
    const { systems, closed } = setUp(silent);
    await systems.system<HttpCheckSystem>('site', 'http');
    await systems.close();
    expect(closed).toHaveLength(1);
    await expect(systems.system<HttpCheckSystem>('site', 'http')).rejects.toMatchObject({ code: 'ERR_STOPPING' });
  });
});
