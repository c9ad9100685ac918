// Endpoints that are dead, hang or fail: a read goes to the next, a write may be sent again because it is the same write, and what nobody knows is said so.
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { OrderBody } from '../../src/client/types.ts';
import type { Override } from '../../src/model.ts';
import { createAuthority } from '../etcd-certificates.ts';
import { type Answering, caller, type Endpoint, endpoint, hang, json, nobody, problem } from './servers.ts';

const BODY = { kind: 'drain', scope: { region: 'eu-west' }, reason: 'a test of orders', owner: 'ana' } as const satisfies OrderBody;

/** A replica that keeps orders as ours does; several may share one store. */
const replica =
  (store: { version: number; items: Override[] }): Answering =>
  ({ method, url, headers, body }, reply) => {
    const id = url.split('/').at(-1) ?? '';
    const there = store.items.find((item) => item.id === id);
    const etag = { etag: `"${store.version}"` };
    if (method === 'GET' && url === '/v1/overrides') return json(reply, 200, store, etag);
    if (method === 'PUT') {
      if (there !== undefined && headers['if-match'] === undefined) return problem(reply, 428, 'ERR_PRECONDITION');
      const override = { ...(body as Override), id, createdAtMs: 1, expiresAtMs: 2 };
      store.items = [...store.items.filter((item) => item.id !== id), override];
      store.version += 1;
      return json(reply, 200, { override, version: store.version });
    }
    if (method === 'DELETE') {
      if (headers['if-match'] !== `"${store.version}"`) return problem(reply, 412, 'ERR_STALE');
      if (there === undefined) return problem(reply, 404, 'ERR_NOT_FOUND');
      store.items = store.items.filter((item) => item.id !== id);
      store.version += 1;
      return json(reply, 200, { override: there, version: store.version });
    }
    return problem(reply, 404, 'ERR_NOT_FOUND');
  };

/** Does what it is told and never says so: the reply is lost on the way. */
const lost =
  (answer: Answering): Answering =>
  (asked, reply) => {
    if (asked.method === 'GET') return answer(asked, reply);
    const nothing = { writeHead: () => nothing, end: () => nothing } as unknown as typeof reply;
    answer(asked, nothing);
    return reply.destroy();
  };

/** For an endpoint that hangs; the next one is the last, which has its time. */
const BRIEF = { tryMs: 300 };
const empty = () => ({ version: 4, items: [] as Override[] });
const statusOf: Answering = (_asked, reply) => json(reply, 200, { cluster: { name: 'test' } });
const gone: Answering = (_asked, reply) => problem(reply, 503, 'ERR_STORE_UNREACHABLE');
const broken: Answering = (_asked, reply) => problem(reply, 500, 'ERR_INTERNAL');

test.each<[string, () => Promise<string | Endpoint>]>([
  ['not there', nobody],
  ['hanging', () => endpoint(hang)],
  ['failing with 503', () => endpoint(gone)],
  ['failing with 500', () => endpoint(broken)],
  ['breaking off', () => endpoint((_asked, reply) => void reply.destroy())],
])('a read goes on at the next endpoint when the first is %s, says so once, and begins there from then on', async (_how, make) => {
  const first = await make();
  await using second = await endpoint(statusOf);
  await using asking = caller([typeof first === 'string' ? first : first.url, second.url], BRIEF);
  try {
    expect((await asking.api.status()).cluster.name).toBe('test');
    await asking.api.status();
    expect(second.asked).toHaveLength(2);
    if (typeof first !== 'string') expect(first.asked).toHaveLength(1);
    expect(asking.notes).toHaveLength(1);
    expect(asking.notes[0]).toContain(`${second.url} answers`);
  } finally {
    if (typeof first !== 'string') await first.close();
  }
});

test('the first that answers is not announced; its token travels in the header', async () => {
  await using first = await endpoint(statusOf);
  await using asking = caller([first.url], { token: 'secret-token-1234' });
  await asking.api.status();
  expect(asking.notes).toEqual([]);
  expect(first.asked[0]?.headers.authorization).toBe('Bearer secret-token-1234');
  await using nameless = caller([first.url]);
  await nameless.api.status();
  expect(first.asked[1]?.headers).not.toHaveProperty('authorization');
});

test('what every endpoint would answer alike is no reason to ask the next: refused credentials, a wrong body', async () => {
  await using first = await endpoint((_asked, reply) => problem(reply, 403, 'ERR_FORBIDDEN'));
  await using second = await endpoint(statusOf);
  await using asking = caller([first.url, second.url]);
  await expect(asking.api.status()).rejects.toMatchObject({
    code: 'ERR_FORBIDDEN',
    message: expect.stringContaining('because of ERR_FORBIDDEN'),
  });
  expect(second.asked).toEqual([]);
});

test('when nobody answers, every endpoint is named with its reason', async () => {
  const [dead, other] = [await nobody(), await nobody()];
  await using asking = caller([dead, other]);
  await expect(asking.api.status()).rejects.toMatchObject({
    code: 'ERR_UNREACHABLE',
    message: expect.stringMatching(new RegExp(`${dead}.*ECONNREFUSED.*${other}`)),
  });
});

test.each<[string, (store: ReturnType<typeof empty>) => Answering]>([
  ['hangs before it acts', () => hang],
  ['acts and its reply is lost', (store) => lost(replica(store))],
  ['says that nobody knows', () => (_asked, reply) => problem(reply, 503, 'ERR_UNDECIDED')],
  ['has lost its store', () => gone],
])('an order whose endpoint %s is sent to the next, and stands once', async (_how, make) => {
  const store = empty();
  await using first = await endpoint(make(store));
  await using second = await endpoint(replica(store));
  await using asking = caller([first.url, second.url], BRIEF);
  const { override } = await asking.api.put('drain-1', BODY);
  expect(override).toMatchObject({ id: 'drain-1', reason: BODY.reason });
  expect(store.items.map(({ id }) => id)).toEqual(['drain-1']);
  expect(store.version).toBe(5);
  const writes = [...first.asked, ...second.asked].filter(({ method }) => method === 'PUT');
  expect(writes.map(({ url, headers }) => `${url} ${headers['if-none-match']}`)).toEqual(writes.map(() => '/v1/overrides/drain-1 *'));
});

test('an order that may or may not stand is looked for: found it is done, not found nobody knows, and the way to send it again is told', async () => {
  const store = empty();
  await using only = await endpoint(lost(replica(store)));
  await using asking = caller([only.url]);
  expect((await asking.api.put('drain-1', BODY)).override.id).toBe('drain-1');
  await using silent = await endpoint((asked, reply) => (asked.method === 'GET' ? replica(empty())(asked, reply) : void reply.destroy()));
  await using doubting = caller([silent.url]);
  await expect(doubting.api.put('drain-2', BODY)).rejects.toMatchObject({
    code: 'ERR_UNDECIDED',
    message: expect.stringContaining('--id drain-2'),
  });
});

test("an id that stands for somebody else's order is not taken for one's own", async () => {
  const other: Override = { ...BODY, id: 'drain-1', reason: 'quite another reason', createdAtMs: 1, expiresAtMs: 2 };
  const store = { version: 4, items: [other] };
  await using only = await endpoint(replica(store));
  await using asking = caller([only.url]);
  await expect(asking.api.put('drain-1', BODY)).rejects.toMatchObject({ code: 'ERR_PRECONDITION' });
  expect(store.items[0]?.reason).toBe('quite another reason');
});

test('an end names the version that was read; a race with another order is tried again, a change of the order itself is not overwritten', async () => {
  const seen: Override = { ...BODY, id: 'drain-1', createdAtMs: 1, expiresAtMs: 2 };
  const store = { version: 4, items: [seen] };
  let races = 1;
  await using only = await endpoint((asked, reply) => {
    if (asked.method === 'DELETE' && races-- > 0) store.version += 1;
    replica(store)(asked, reply);
  });
  await using asking = caller([only.url]);
  expect((await asking.api.remove(seen)).override.id).toBe('drain-1');
  expect(only.asked.filter(({ method }) => method === 'DELETE').map(({ headers }) => headers['if-match'])).toEqual(['"4"', '"5"']);
  store.items = [{ ...seen, expiresAtMs: 3 }];
  await expect(asking.api.remove(seen)).rejects.toMatchObject({ code: 'ERR_STALE' });
  // Ended by somebody, and ordered anew under the same id: it is not the one that was seen.
  store.items = [{ ...seen, createdAtMs: 2 }];
  await expect(asking.api.remove(seen)).rejects.toMatchObject({ code: 'ERR_STALE' });
  expect(store.items).toHaveLength(1);
});

test('an end whose reply is lost is an end', async () => {
  const seen: Override = { ...BODY, id: 'drain-1', createdAtMs: 1, expiresAtMs: 2 };
  const store = { version: 4, items: [seen] };
  await using first = await endpoint(lost(replica(store)));
  await using second = await endpoint(replica(store));
  await using asking = caller([first.url, second.url]);
  expect((await asking.api.remove(seen)).override.id).toBe('drain-1');
  expect(store.items).toEqual([]);
});

test('a preview is never asked in a way that a server older than previews would take for the order', async () => {
  const store = empty();
  await using old = await endpoint(replica(store));
  await using asking = caller([old.url]);
  expect(await asking.api.preview(BODY)).toBeNull();
  expect(await asking.api.simulate([{ kind: 'override-gone', id: 'x' }])).toBeNull();
  expect(old.asked.map(({ method, url }) => `${method} ${url}`)).toEqual(['POST /v1/overrides?dryRun=true', 'POST /v1/simulate']);
  expect(store).toEqual(empty());
});

test('everything wrong with a body is in the sentence, by its place', async () => {
  await using only = await endpoint((_asked, reply) =>
    json(reply, 400, {
      code: 'ERR_BAD_REQUEST',
      detail: '2 things to correct; see errors',
      errors: [
        { pointer: '/ttl', detail: 'is too long' },
        { pointer: '/kind', detail: 'is none' },
      ],
    }),
  );
  await using asking = caller([only.url]);
  await expect(asking.api.put('x', BODY)).rejects.toMatchObject({
    message: expect.stringMatching(/\/ttl: is too long\n {2}\/kind: is none/),
  });
});

const stranger: Answering = (_asked, reply) => void reply.writeHead(200, { 'content-type': 'text/html' }).end('<h1>It works!</h1>');
const otherJson: Answering = (_asked, reply) => json(reply, 200, { ok: true });
const otherRefusal: Answering = (_asked, reply) => void reply.writeHead(404).end('not found');

test.each<[string, Answering]>([
  ['a page', stranger],
  ['JSON of something else', otherJson],
  ['a page that is not there', otherRefusal],
])('what is no replica (%s) is told by its address', async (_what, answer) => {
  await using only = await endpoint(answer);
  await using asking = caller([only.url]);
  await expect(asking.api.status()).rejects.toMatchObject({
    code: 'ERR_UNREACHABLE',
    message: expect.stringMatching(new RegExp(`${only.url} .*not as a replica does: is that the address of its API\\?`)),
  });
});

test('a page is no stream either', async () => {
  await using only = await endpoint(stranger);
  await using asking = caller([only.url]);
  const opening = asking.exchange.open('/v1/events', { accept: 'text/event-stream' }, new AbortController().signal);
  await expect(opening).rejects.toMatchObject({ code: 'ERR_UNREACHABLE', message: expect.stringContaining('not as a replica does') });
});

test('an order goes past what is no replica, and stands nowhere for certain when nothing else is there', async () => {
  const store = empty();
  await using first = await endpoint(stranger);
  await using second = await endpoint(replica(store));
  await using asking = caller([first.url, second.url]);
  expect((await asking.api.put('drain-1', BODY)).override.id).toBe('drain-1');
  expect(store.items).toHaveLength(1);
  await using alone = caller([first.url]);
  await expect(alone.api.put('drain-1', BODY)).rejects.toMatchObject({
    code: 'ERR_UNDECIDED',
    message: expect.stringContaining('not as a replica does'),
  });
});

test('whoever asks by the wrong scheme, or for a certificate of an authority nobody named, is told so', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tidegate-exchange-'));
  const { certPem, keyPem } = createAuthority(folder, 'servers').issue('api', ['IP:127.0.0.1']);
  const secure = createSecureServer({ cert: certPem, key: keyPem }, (_asked, reply) => void reply.end('{}'));
  await new Promise<void>((resolve) => secure.listen(0, '127.0.0.1', resolve));
  const { port } = secure.address() as AddressInfo;
  await using plain = await endpoint(statusOf);
  try {
    for (const [url, says] of [
      [plain.url.replace('http:', 'https:'), /http:\/\/ instead of https:\/\/\?/],
      [`https://127.0.0.1:${port}`, /name its authority with --ca FILE/],
    ] as const) {
      await using asking = caller([url]);
      await expect(asking.api.status()).rejects.toMatchObject({ code: 'ERR_UNREACHABLE', message: expect.stringMatching(says) });
    }
    await using asking = caller([`http://127.0.0.1:${port}`]);
    const refused = await asking.api.status().catch((error: Error) => error.message);
    expect(refused).toMatch(/https:\/\/ instead of http:\/\/\?/);
  } finally {
    secure.closeAllConnections();
    await new Promise((resolve) => secure.close(resolve));
    rmSync(folder, { recursive: true });
  }
});
