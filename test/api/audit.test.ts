// GET /v1/audit: pages in the order of the commits, filters, who may look, and an export that proves itself.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { append } from '../../src/audit/append.ts';
import { createFileVerifier } from '../../src/audit/export-file.ts';
import { decisionHash } from '../../src/audit/lines.ts';
import { auditKey, KEYS } from '../../src/coordinate/keys.ts';
import { realPorts } from '../../src/ports.ts';
import { decisionsOf } from '../audit/chains.ts';
import { AUTHORIZED, type Opened, openApi } from './fixture.ts';

const ports = realPorts();
let opened: Opened;
beforeEach(async () => {
  opened = openApi();
  const { store } = opened;
  for (const audit of decisionsOf(5)) {
    const routing = { v: audit.v, auditHash: decisionHash(audit) };
    await store.txn({
      if: [],
      then: [
        { put: auditKey(audit.v), value: audit },
        { put: KEYS.routing, value: routing },
      ],
    });
    const kind = audit.v === 3 ? 'auth.refused' : 'override.put';
    await append(store, ports, {
      kind,
      by: 'ana',
      how: 'token',
      because: `act ${audit.v}`,
      detail: {},
      atMs: audit.atMs,
      nonce: `n${audit.v}`,
    });
  }
});
afterEach(() => opened.close());

const get = (url: string, headers: Record<string, string> = {}) =>
  opened.app.inject({ method: 'GET', url, headers: { ...AUTHORIZED, ...headers } });
interface Page {
  items: { id: string; kind: string }[];
  next: string;
  more: boolean;
}
const page = async (query: string): Promise<Page> => (await get(`/v1/audit${query}`)).json();

test('both chains in one order, page by page, nothing twice and nothing left out', async () => {
  const all = await page('');
  expect(all.items.map(({ id }) => id)).toEqual(['v1.j0', 'v1.j1', 'v2.j1', 'v2.j2', 'v3.j2', 'v3.j3', 'v4.j3', 'v4.j4', 'v5.j4', 'v5.j5']);
  expect(all.more).toBe(false);
  const found: string[] = [];
  for (let at: Page = await page('?limit=3'); ; at = await page(`?limit=3&after=${at.next}`)) {
    found.push(...at.items.map(({ id }) => id));
    if (!at.more) break;
  }
  expect(found).toEqual(all.items.map(({ id }) => id));
});

test('by kind', async () => {
  expect((await page('?kind=auth.refused')).items).toMatchObject([{ id: 'v3.j3', kind: 'auth.refused', by: 'ana' }]);
  expect((await page('?kind=decision')).items).toHaveLength(5);
});

test('as lines it is an export that proves itself', async () => {
  const reply = await get('/v1/audit', { accept: 'application/x-ndjson' });
  expect(reply.headers['content-type']).toBe('application/x-ndjson');
  const verifier = createFileVerifier();
  for (const line of reply.body.trimEnd().split('\n')) verifier.line(line);
  expect(verifier.end()).toMatchObject({ ok: true, chains: { decisions: { count: 5 }, journal: { count: 5 } } });
});

describe('refused', () => {
  test('whoever is no operator', async () => {
    expect((await opened.app.inject({ method: 'GET', url: '/v1/audit' })).statusCode).toBe(401);
  });
  test('every mistake of the query at once', async () => {
    const reply = await get('/v1/audit?after=x&limit=0&kind=nonsense&since=soon');
    expect(reply.statusCode).toBe(400);
    expect(reply.json<{ errors: { pointer: string }[] }>().errors.map(({ pointer }) => pointer)).toEqual([
      '/after',
      '/limit',
      '/kind',
      '/since',
    ]);
  });
  test.each(['', 'application/x-ndjson'])('a store that is out of reach, Accept: %s', async (accept) => {
    opened.store.get = () => Promise.reject(new Error('gone'));
    const reply = await get('/v1/audit', accept === '' ? {} : { accept });
    expect(reply.statusCode).toBe(503);
    expect(reply.json()).toMatchObject({ code: 'ERR_STORE_UNREACHABLE' });
  });
});
