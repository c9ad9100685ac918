// Signed callbacks: not offered unless configured, believed only with a good signature of the last minutes, each acting once; a hold is an order like any other.
import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Webhook } from 'standardwebhooks';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { OVERRIDES_MAX } from '../../src/api/overrides.ts';
import { sha256 } from '../../src/audit/canonical.ts';
import type { JournalEntry } from '../../src/audit/journal.ts';
import { createAccess } from '../../src/auth/access.ts';
import { createCallbacks } from '../../src/auth/callback.ts';
import { usedKey } from '../../src/auth/once.ts';
import { openAccess } from '../../src/auth/open.ts';
import { outboxKey } from '../../src/coordinate/keys.ts';
import { Fault } from '../../src/errors.ts';
import type { Override, Overrides, Page } from '../../src/model.ts';
import { dateOf, type Ports, realPorts } from '../../src/ports.ts';
import { StoreAmbiguousError } from '../../src/store/store.ts';
import { recordingLog } from '../recording-log.ts';
import { AUTHORIZED, NOW_MS, type Opened, openApi, putRecord, TOKEN } from './fixture.ts';
import { FLIP, READY, run, stepped } from './runs.fixture.ts';

const WEB = 'web.example.test';
const KEY = 'tidegate/test/eu-west';
const [OLD, NEW, STRANGE] = ['old', 'new', 'strange'].map(
  (name) => new Webhook(`whsec_${Buffer.from(name.repeat(16)).toString('base64')}`),
) as [Webhook, Webhook, Webhook];
const AT_MS = NOW_MS;
/** The wall clock stands still; nothing else is asked of it. */
const ports: Pick<Ports, 'clock' | 'timers'> = { clock: { wallMs: () => AT_MS, monoMs: () => 0 }, timers: realPorts().timers };

let api: Opened;
let refused: string[];
beforeEach(async () => {
  refused = [];
  const callbacks = createCallbacks([NEW, OLD], ports.clock);
  const onRefusedOnce = (how: string): void => void refused.push(how);
  api = openApi({
    access: createAccess({ ports, log: recordingLog(), bootstrap: TOKEN, anonymous: 'none', callbacks, onRefusedOnce }),
  });
  await put(pageOf('p'));
});
afterEach(() => api.close());

const pageOf = (id: string, given: Partial<Page> = {}): Page => ({
  id,
  dedupKey: KEY,
  type: 'region.drained',
  severity: 'critical',
  summary: 'eu-west down',
  detail: { region: 'eu-west', services: [WEB, 'api.example.test'] },
  atMs: NOW_MS - 1000,
  v: 7,
  delivered: ['log'],
  nonce: 'n',
  ...given,
});
const put = (page: Page): Promise<void> => putRecord(api.store, outboxKey(page.id), page);
const page = async (id: string): Promise<Page> => (await api.store.get({ keys: [outboxKey(id)] })).kvs[0]?.value as Page;
const journal = async (): Promise<readonly JournalEntry[]> =>
  (await api.store.get({ prefixes: ['journal/'] })).kvs.map(({ value }) => value as JournalEntry);
const orders = async (): Promise<readonly Override[]> =>
  ((await api.store.get({ keys: ['override'] })).kvs[0]?.value as Overrides | undefined)?.items ?? [];

let n = 0;
interface Sent {
  id?: string;
  atMs?: number;
  by?: Webhook;
  /** Instead of what is signed. */
  text?: string;
  headers?: Record<string, string | undefined>;
}
const send = (body: unknown, { id = `msg_${n++}`, atMs = AT_MS, by = NEW, text, headers = {} }: Sent = {}) => {
  const signed = typeof body === 'string' ? body : JSON.stringify(body);
  const all = {
    'content-type': 'application/json',
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(atMs / 1000)),
    'webhook-signature': by.sign(id, dateOf(atMs), signed),
    ...headers,
  };
  const told = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)) as Record<string, string>;
  return api.app.inject({ method: 'POST', url: '/v1/callbacks/pages', headers: told, payload: text ?? signed });
};
const ACK = { type: 'page.acknowledged', timestamp: '2026-11-22T03:12:00Z', data: { dedupKey: KEY, by: 'ana' } };
const HOLD = { type: 'automation.hold', data: { pageId: 'p', by: 'ana', reason: 'we are mending the uplink' } };

test('is not offered where nothing is configured, whatever is sent', async () => {
  const bare = openApi();
  try {
    const reply = await bare.app.inject({ method: 'POST', url: '/v1/callbacks/pages', headers: AUTHORIZED, payload: ACK });
    expect(reply.json()).toMatchObject({ status: 404, code: 'ERR_NOT_FOUND' });
  } finally {
    await bare.close();
  }
});

describe('a signature', () => {
  test('of any of the secrets is good, within five minutes either way, also among others', async () => {
    expect((await send(ACK, { by: OLD })).statusCode).toBe(200);
    expect((await send(ACK, { atMs: AT_MS - 300_000 })).statusCode).toBe(200);
    expect((await send(ACK, { atMs: AT_MS + 300_000 })).statusCode).toBe(200);
    const several = `v1a,xyz ${STRANGE.sign('msg_x', dateOf(AT_MS), JSON.stringify(ACK))} ${OLD.sign('msg_x', dateOf(AT_MS), JSON.stringify(ACK))}`;
    expect((await send(ACK, { id: 'msg_x', headers: { 'webhook-signature': several } })).statusCode).toBe(200);
    expect(refused).toEqual([]);
  });

  test.each<[string, Sent]>([
    ['of another secret', { by: STRANGE }],
    ['of another body', { text: JSON.stringify({ ...ACK, data: { ...ACK.data, by: 'eve' } }) }],
    ['of the same body in other words', { text: JSON.stringify(ACK, null, 1) }],
    ['of another id', { headers: { 'webhook-id': 'msg_other' } }],
    ['of another time', { headers: { 'webhook-timestamp': String(AT_MS / 1000 + 1) } }],
    ['that is too old', { atMs: AT_MS - 302_000 }],
    ['that is too new', { atMs: AT_MS + 302_000 }],
    ['that is empty', { headers: { 'webhook-signature': '' } }],
    ['that is missing', { headers: { 'webhook-signature': undefined } }],
    ['without an id', { headers: { 'webhook-id': undefined } }],
    ['with an id that holds a dot', { id: 'msg.1' }],
    ['without a time', { headers: { 'webhook-timestamp': undefined } }],
    ['with a time that is none', { headers: { 'webhook-timestamp': 'now' } }],
  ])('%s is 401, counted, and does nothing', async (_, sent) => {
    const reply = await send(ACK, sent);
    expect(reply.json()).toMatchObject({ status: 401, code: 'ERR_UNAUTHORIZED' });
    expect(reply.body).not.toContain('signature');
    expect(refused).toEqual(['callback']);
    expect((await page('p')).acknowledged).toBeUndefined();
    expect(await journal()).toEqual([]);
  });

  test('that is wrong again and again slows its address down as wrong tokens do; a good one still passes', async () => {
    const codes: number[] = [];
    for (let i = 0; i < 12; i++) codes.push((await send(ACK, { by: STRANGE })).statusCode);
    expect(codes.slice(0, 10)).toEqual(Array(10).fill(401));
    expect(codes.slice(10)).toEqual([429, 429]);
    const token = await api.app.inject({ url: '/v1/pages', headers: { authorization: 'Bearer wrong' } });
    expect(token.statusCode).toBe(429);
    expect((await send(ACK)).statusCode).toBe(200);
  });

  test('a token in its place is nothing', async () => {
    const reply = await api.app.inject({ method: 'POST', url: '/v1/callbacks/pages', headers: AUTHORIZED, payload: ACK });
    expect(reply.statusCode).toBe(401);
  });
});

describe('an acknowledgement', () => {
  test('marks the alert for whom it names, and the journal says how it came', async () => {
    const reply = await send(ACK);
    expect(reply.json()).toEqual({ outcome: 'acknowledged', dedupKey: KEY, by: 'ana via callback', atMs: NOW_MS, pages: ['p'] });
    expect((await page('p')).acknowledged).toEqual({ by: 'ana via callback', atMs: NOW_MS });
    expect(await journal()).toMatchObject([{ kind: 'page.acknowledged', by: 'callback', how: 'callback' }]);
  });

  test('acts once per webhook-id: the same message again changes nothing, also when there would be something to change', async () => {
    await send(ACK, { id: 'msg_1' });
    await put(pageOf('later', { atMs: NOW_MS }));
    expect((await send(ACK, { id: 'msg_1', atMs: AT_MS + 60_000 })).json()).toEqual({ outcome: 'repeated' });
    expect((await page('later')).acknowledged).toBeUndefined();
    expect((await send(ACK, { id: 'msg_2' })).json()).toMatchObject({ pages: ['later'] });
    const used = (await api.store.get({ prefixes: ['used/'] })).kvs;
    expect(used.map(({ key }) => key)).toEqual([expect.stringMatching(/^used\/callback-[0-9a-f]{40}$/), expect.any(String)]);
    expect(used[0]?.value).toMatchObject({ by: 'callback', expiresAtMs: AT_MS + 7 * 86_400_000 });
  });

  test('two at once with one id: one acts, also where the other is heard by another replica', async () => {
    const replies = await Promise.all([send(ACK, { id: 'msg_1' }), send(ACK, { id: 'msg_1' })]);
    expect(replies.map((reply) => reply.statusCode)).toEqual([200, 200]);
    expect(await journal()).toHaveLength(1);
    await put(pageOf('later', { atMs: NOW_MS }));
    api.troubles.push(async (run) => {
      await putRecord(api.store, usedKey(`callback-${sha256('msg_2').slice(0, 40)}`), {
        by: 'callback',
        atMs: 1,
        expiresAtMs: 2,
        nonce: 'its',
      });
      return run();
    });
    expect((await send(ACK, { id: 'msg_2' })).json()).toEqual({ outcome: 'repeated' });
    expect((await page('later')).acknowledged).toBeUndefined();
  });

  test('that had nothing to mark is spent: the same bytes acknowledge nothing that comes later', async () => {
    expect((await send(ACK, { id: 'msg_first' })).statusCode).toBe(200);
    expect((await send(ACK, { id: 'msg_none' })).json()).toMatchObject({ pages: [] });
    await put(pageOf('later', { atMs: NOW_MS - 10 }));
    expect((await send(ACK, { id: 'msg_none' })).json()).toMatchObject({ outcome: 'repeated' });
    expect((await page('later')).acknowledged).toBeUndefined();
  });

  test('of what is over is 409 and spent: it does not acknowledge what begins anew', async () => {
    await put(pageOf('end', { type: 'incident.resolved', severity: 'info', atMs: NOW_MS - 500, v: 8 }));
    expect((await send(ACK, { id: 'msg_late' })).statusCode).toBe(409);
    await put(pageOf('anew', { atMs: NOW_MS - 10, v: 9 }));
    expect((await send(ACK, { id: 'msg_late' })).json()).toMatchObject({ outcome: 'repeated' });
    expect((await page('anew')).acknowledged).toBeUndefined();
  });

  test('of a key that nobody knows is 404', async () => {
    for (const about of [{ dedupKey: 'x' }, { pageId: 'x' }])
      for (const type of ['page.acknowledged', 'automation.hold'])
        expect((await send({ type, data: { ...about, by: 'ana' } })).json()).toMatchObject({ status: 404, code: 'ERR_NOT_FOUND' });
  });
});

describe('a hold', () => {
  test('is a freeze of the region for half an hour, on the path of every order', async () => {
    const reply = await send(HOLD);
    expect(reply.json()).toMatchObject({ outcome: 'held', version: 1, expiresAt: '2026-11-22T03:42:00.000Z' });
    const [order] = await orders();
    expect(order).toEqual({
      id: expect.stringMatching(/^hold-[0-9a-f]{16}$/),
      kind: 'freeze',
      scope: { region: 'eu-west' },
      reason: `automation holds still, asked for by callback on ${KEY}: we are mending the uplink`,
      owner: 'ana via callback',
      by: 'callback',
      createdAtMs: NOW_MS,
      expiresAtMs: NOW_MS + 30 * 60_000,
    });
    expect(reply.json().override).toEqual(order);
    expect(await journal()).toMatchObject([
      { kind: 'override.put', by: 'callback', how: 'callback', detail: { override: { id: order?.id } } },
    ]);
    const shown = await api.app.inject({ url: '/v1/overrides', headers: AUTHORIZED });
    expect(shown.json().items).toHaveLength(1);
  });

  test('is of the one service that the page is about', async () => {
    await put(pageOf('p', { detail: { region: 'eu-west', services: [WEB] } }));
    await send(HOLD);
    expect((await orders())[0]?.scope).toEqual({ service: WEB });
  });

  test.each<[string, Page['detail']]>([
    ['nothing that could be held', {}],
    ['names that are not configured', { region: '*', services: ['gone.example.test'] }],
    ['several services without one region', { region: '*', services: [WEB, 'api.example.test'] }],
    ['several services in several regions', { regions: ['eu-west', 'us-east'], services: [WEB, 'api.example.test'] }],
  ])('of a page about %s is 409', async (_, detail) => {
    await put(pageOf('p', { detail }));
    expect((await send(HOLD)).json()).toMatchObject({ status: 409, code: 'ERR_CONFLICT' });
    expect(await orders()).toEqual([]);
  });

  test('is never doubled: while one is in force for the key, 409 says whose and until when', async () => {
    await send(HOLD);
    await put(pageOf('other', { atMs: NOW_MS }));
    const reply = await send({ type: 'automation.hold', data: { dedupKey: KEY, by: 'bob' } });
    expect(reply.json()).toMatchObject({
      status: 409,
      code: 'ERR_CONFLICT',
      detail: expect.stringMatching(/hold-\w+ of ana via callback .* 2026-11-22T03:42/),
    });
    expect(await orders()).toHaveLength(1);
    await put(pageOf('us', { dedupKey: 'tidegate/test/us-east', detail: { region: 'us-east' } }));
    expect((await send({ type: 'automation.hold', data: { pageId: 'us', by: 'bob' } })).statusCode).toBe(200);
  });

  test('that was answered 409 is spent: sent again when the other is over, it holds nothing', async () => {
    expect((await send(HOLD)).statusCode).toBe(200);
    expect((await send(HOLD, { id: 'msg_second' })).statusCode).toBe(409);
    const before = await orders();
    expect((await send(HOLD, { id: 'msg_second' })).json()).toMatchObject({ outcome: 'repeated' });
    expect(await orders()).toEqual(before);
  });

  test('of what a replica tells of itself is refused: the region that speaks is not one to hold', async () => {
    await put(pageOf('store', { type: 'store.lost', dedupKey: 'direct-test-eu-west-store', detail: { region: 'eu-west', replica: 'a' } }));
    expect((await send({ ...HOLD, data: { ...HOLD.data, pageId: 'store' } })).json()).toMatchObject({ status: 409 });
    expect(await orders()).toEqual([]);
  });

  test('of two at once one stands', async () => {
    const replies = await Promise.all([send(HOLD), send(HOLD), send(HOLD)]);
    expect(replies.map((reply) => reply.statusCode).toSorted()).toEqual([200, 409, 409]);
    expect(await orders()).toHaveLength(1);
    expect(await journal()).toHaveLength(1);
  });

  test('that another replica was faster with is 409, like any that is in force', async () => {
    api.troubles.push(async (run) => {
      expect((await send(HOLD)).statusCode).toBe(200);
      return run();
    });
    expect((await send(HOLD)).json()).toMatchObject({ status: 409, code: 'ERR_CONFLICT' });
    expect(await orders()).toHaveLength(1);
  });

  test('takes the place of one that is over and that no decision has taken out yet', async () => {
    await send(HOLD);
    const [order] = await orders();
    await putRecord(api.store, 'override', { version: 2, nonce: 'n', items: [{ ...order, expiresAtMs: NOW_MS }] });
    expect((await send(HOLD)).statusCode).toBe(200);
    expect((await orders()).map(({ expiresAtMs }) => expiresAtMs)).toEqual([NOW_MS + 30 * 60_000]);
  });

  test('acts once per webhook-id, also after it was ended by hand', async () => {
    await send(HOLD, { id: 'msg_1' });
    expect((await send(HOLD, { id: 'msg_1' })).json()).toEqual({ outcome: 'repeated' });
    const url = `/v1/overrides/${(await orders())[0]?.id}`;
    await api.app.inject({ method: 'DELETE', url, headers: { ...AUTHORIZED, 'if-match': '*' } });
    expect((await send(HOLD, { id: 'msg_1' })).json()).toEqual({ outcome: 'repeated' });
    expect(await orders()).toEqual([]);
  });

  test('whose reply was lost stands once', async () => {
    api.troubles.push(async (run) => {
      await run();
      throw new StoreAmbiguousError('lost');
    });
    expect((await send(HOLD)).json()).toMatchObject({ outcome: 'held' });
    expect(await orders()).toHaveLength(1);
    expect(await journal()).toHaveLength(1);
  });

  test('keeps to the limit of orders', async () => {
    const items = Array.from({ length: OVERRIDES_MAX }, (_, i) => ({ id: `o${i}`, expiresAtMs: NOW_MS + 1 }));
    await putRecord(api.store, 'override', { version: 1, nonce: 'n', items });
    expect((await send(HOLD)).json()).toMatchObject({ status: 409, code: 'ERR_LIMIT' });
  });
});

describe('an approval', () => {
  const asking = (id: string, detail: Page['detail'], type = 'runbook.asking'): Promise<void> =>
    put(
      pageOf(id, {
        type,
        dedupKey: 'tidegate/test/run-r',
        detail: { services: [WEB], regions: ['eu-west', 'us-east'], run: 'r', ...detail },
      }),
    );
  const approval = (pageId: string, by = 'ana') => ({ type: 'run.approved', data: { pageId, by } });
  beforeEach(async () => {
    api.runs.runs.set('r', stepped(run('r'), { [FLIP]: { state: 'asking' } }));
    await asking('asks', { step: FLIP });
  });

  test('is of the step that the page asks about, by the one person whom the message names; the second lets it go on', async () => {
    expect((await send(approval('asks'))).json()).toEqual({ outcome: 'approved', run: 'r', step: FLIP, state: 'running', by: 'ana' });
    expect((await send(approval('asks', 'ben'))).json()).toMatchObject({ outcome: 'approved', by: 'ben' });
    expect(api.runs.acts).toEqual([`approve r ${FLIP} by ana`, `approve r ${FLIP} by ben`]);
    expect(api.runs.runs.get('r')?.steps[FLIP]).toMatchObject({ state: 'acting', approvedBy: ['ana', 'ben'] });
    expect(api.log.of('callback.taken')[0]?.fields).toMatchObject({ type: 'run.approved', by: 'ana', outcome: 'approved' });
  });

  test('of one person twice is 409, under whichever message, and spent', async () => {
    await send(approval('asks'));
    expect((await send(approval('asks'), { id: 'msg_again' })).json()).toMatchObject({ status: 409, code: 'ERR_APPROVAL' });
    expect((await send(approval('asks'), { id: 'msg_again' })).json()).toEqual({ outcome: 'repeated' });
    expect(api.runs.acts).toHaveLength(1);
  });

  test('that a run begins does not agree to what it asks later', async () => {
    await asking('proposed', {}, 'runbook.proposed');
    expect((await send(approval('proposed'))).json()).toMatchObject({ status: 409, code: 'ERR_CONFLICT' });
    api.runs.runs.set('r', run('r', { state: 'proposed', approval: { persons: 1, by: [], untilMs: NOW_MS + 1 } }));
    expect((await send(approval('proposed'))).json()).toEqual({ outcome: 'approved', run: 'r', step: null, state: 'running', by: 'ana' });
  });

  test('acts once per webhook-id, at once and later', async () => {
    const twice = await Promise.all([send(approval('asks'), { id: 'msg_1' }), send(approval('asks'), { id: 'msg_1' })]);
    expect(twice.map((reply) => reply.json().outcome).toSorted()).toEqual(['approved', 'repeated']);
    api.runs.runs.set('r', stepped(run('r'), { [FLIP]: { state: 'asking' } }));
    expect((await send(approval('asks'), { id: 'msg_1' })).json()).toEqual({ outcome: 'repeated' });
    expect(api.runs.acts).toHaveLength(1);
  });

  test('that is met by a race is judged anew', async () => {
    api.runs.trouble = () => Promise.reject(new Fault('ERR_STALE', 'others were faster'));
    expect((await send(approval('asks'))).json()).toMatchObject({ outcome: 'approved' });
  });

  test.each<[string, string, Page['detail']]>([
    ['a region', 'region.drained', {}],
    ['a run that only tells', 'runbook.started', {}],
    ['a question without its step', 'runbook.asking', {}],
    ['no run', 'runbook.asking', { run: 7, step: FLIP }],
  ])('of a page about %s is 409 and does nothing', async (_, type, detail) => {
    await asking('other', detail, type);
    expect((await send(approval('other'))).json()).toMatchObject({ status: 409, code: 'ERR_CONFLICT' });
    expect(api.runs.acts).toEqual([]);
  });

  test('of a step that asks for an answer is 409; of a run that is gone, or a page that is none, 404', async () => {
    await asking('answer', { step: READY });
    api.runs.runs.set('r', stepped(run('r'), { [READY]: { state: 'asking', tries: 3 } }));
    expect((await send(approval('answer'))).json()).toMatchObject({ status: 409 });
    api.runs.runs.clear();
    expect((await send(approval('asks'))).json()).toMatchObject({ status: 404 });
    expect((await send(approval('none'))).json()).toMatchObject({ status: 404 });
  });

  test('names a page: the key of a run is of all its questions', async () => {
    const reply = await send({ type: 'run.approved', data: { dedupKey: 'tidegate/test/run-r', by: 'ana' } });
    expect(reply.json()).toMatchObject({ status: 400, errors: [{ pointer: '/data/dedupKey' }] });
  });
});

test.each<[string, unknown, string]>([
  ['no JSON', '{', ''],
  ['nothing', '', ''],
  ['another type', { type: 'page.lost', data: { dedupKey: KEY, by: 'ana' } }, '/type'],
  ['nobody', { type: 'page.acknowledged', data: { dedupKey: KEY } }, '/data/by'],
  ['neither key nor page', { type: 'page.acknowledged', data: { by: 'ana' } }, '/data'],
  ['both', { type: 'page.acknowledged', data: { by: 'ana', dedupKey: KEY, pageId: 'p' } }, '/data'],
  ['a name that would turn the line', { type: 'page.acknowledged', data: { dedupKey: KEY, by: 'a\u202eb' } }, '/data/by'],
])('a signed message with %s is 400 with its place', async (_, body, pointer) => {
  const reply = await send(body);
  expect(reply.json()).toMatchObject({ status: 400, errors: [{ pointer }] });
});

test('a body beyond the limit is 413, one that is not named as JSON 415; a replica that stops takes nothing', async () => {
  expect((await send({ ...ACK, more: 'x'.repeat(70_000) })).statusCode).toBe(413);
  expect((await send(ACK, { headers: { 'content-type': 'text/plain' } })).statusCode).toBe(415);
  const stopping = openApi({ access: { identify: () => Promise.reject(new Error('not asked')) } }, () => true);
  try {
    const reply = await stopping.app.inject({ method: 'POST', url: '/v1/callbacks/pages', payload: ACK });
    expect(reply.json()).toMatchObject({ status: 503, code: 'ERR_STOPPING' });
  } finally {
    await stopping.close();
  }
});

test('a secret that cannot sign keeps the replica from starting, and is not repeated', () => {
  const folder = mkdtempSync(join(tmpdir(), 'callbacks-'));
  const file = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text, { mode: 0o600 });
    return join(folder, name);
  };
  const opened = (text: string) =>
    openAccess({
      api: { host: '127.0.0.1', port: 0, tokenFile: join(folder, 'token') },
      ports: realPorts(),
      log: recordingLog(),
      resolve: () => Promise.reject(new Error('nobody asks')),
      clusterName: () => null,
      callbackFiles: [file('secret', text)],
    });
  try {
    expect(opened(`whsec_${Buffer.from('s'.repeat(32)).toString('base64')}\n`).identifySigned).toBeDefined();
    for (const text of ['whsec_c2hvcnQ=', 'a plain password of some length', ' '])
      expect(() => opened(text)).toThrow(
        expect.objectContaining({ code: 'ERR_SECRET', message: expect.not.stringContaining('plain password') }),
      );
  } finally {
    rmSync(folder, { recursive: true });
  }
});

const hasTools = spawnSync('sh', ['-c', 'command -v curl openssl od base64']).status === 0;
test.skipIf(!hasTools)('the example of the manual works as it stands there', async () => {
  const manual = readFileSync(join(import.meta.dirname, '../../src/api/README.md'), 'utf8');
  const block = /### Callbacks[\s\S]*?\n\n((?: {4}.*\n)+)/.exec(manual)?.[1] ?? expect.fail('no example');
  const folder = mkdtempSync(join(tmpdir(), 'callbacks-'));
  const secret = `whsec_${Buffer.from('manual'.repeat(6)).toString('base64')}`;
  writeFileSync(join(folder, 'callbacks.secret'), `${secret}\n`);
  const access = createAccess({
    ports: realPorts(),
    log: recordingLog(),
    bootstrap: null,
    anonymous: 'none',
    callbacks: createCallbacks([new Webhook(secret)], realPorts().clock),
  });
  const served = openApi({ access });
  try {
    await putRecord(served.store, outboxKey('p'), pageOf('p', { dedupKey: 'tidegate/prod/eu-west' }));
    const address = await served.app.listen({ host: '127.0.0.1', port: 0 });
    const script = block.replace(/TIDEGATE=.*/, `TIDEGATE=${address}`);
    const { stdout } = await promisify(execFile)('sh', ['-c', script], { cwd: folder });
    expect(JSON.parse(stdout)).toMatchObject({ outcome: 'held', override: { kind: 'freeze', owner: 'ana via callback' } });
  } finally {
    await served.close();
    rmSync(folder, { recursive: true });
  }
});
