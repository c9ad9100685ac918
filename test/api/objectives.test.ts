// GET /v1/objectives: every platform with what it is held to and what was measured, from the store, to the shape that is published.
import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { afterEach, expect, test } from 'vitest';
import { measuredKey } from '../../src/coordinate/keys.ts';
import { createMeasuredReader } from '../../src/objectives/reader.ts';
import { realPorts } from '../../src/ports.ts';
import type { Store } from '../../src/store/store.ts';
import { cell, SHIPPED, shop } from '../objectives/fixture.ts';
import { EAST, WEST } from '../runbook/platforms.ts';
import { AUTHORIZED, cluster, NOW_MS, type Opened, openApi, putRecord, viewOf } from './fixture.ts';

let api: Opened;
afterEach(() => api.close());

const withShop = { ...cluster, platforms: [shop] };
const open = (over: Partial<Store> = {}): Opened => {
  const ports = realPorts();
  const store: Pick<Store, 'get'> = { get: (query, signal) => (over.get ?? api.store.get)(query, signal) };
  const measured = createMeasuredReader({ ports, store, cluster: () => withShop, nowMs: () => NOW_MS, shipped: () => SHIPPED });
  api = openApi({ measured, view: viewOf({ cluster: () => withShop }) });
  return api;
};

test('tells what is over its bound, with what helps, as the document says', async () => {
  const { app, store } = open();
  const record = { boot: 'b', atMs: NOW_MS - 3_000, nonce: 'n' };
  await putRecord(store, measuredKey(WEST, 'a'), { ...record, cells: [cell({ ms: 182 })] });
  await putRecord(store, measuredKey(EAST, 'a'), { ...record, cells: [cell({ ms: 11 })] });
  const reply = await app.inject({ url: '/v1/objectives', headers: AUTHORIZED });
  expect(reply.statusCode).toBe(200);
  const body = reply.json();
  expect(body.clusterTimeMs).toBe(NOW_MS);
  expect(body.items).toHaveLength(1);
  const found = body.items[0].cells.find(
    ({ from, objective, to }: Record<string, string>) => from === WEST && to === EAST && objective === 'postgres',
  );
  expect(found).toMatchObject({ verdict: 'breach', ms: 182, ageMs: 4_000, remedies: ['pin tools'] });
  expect(found.because).toBe(`p95 182 ms; below 100 ms is wanted; within ${EAST} it takes 11 ms`);
  const document = JSON.parse(readFileSync(new URL('../../src/api/openapi.json', import.meta.url), 'utf8'));
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  ajv.addSchema({ $id: 'https://tidegate.test/openapi.json', components: document.components });
  expect(ajv.validate({ $ref: 'https://tidegate.test/openapi.json#/components/schemas/ObjectiveList' }, body), ajv.errorsText()).toBe(true);
});

test('a store that does not answer is said to be out of reach; a replica that reads no measurements offers nothing', async () => {
  open({ get: () => Promise.reject(new Error('gone')) });
  const lost = await api.app.inject({ url: '/v1/objectives', headers: AUTHORIZED });
  expect([lost.statusCode, lost.json().code]).toEqual([503, 'ERR_STORE_UNREACHABLE']);
  await api.close();
  api = openApi({ view: viewOf({ cluster: () => withShop }) });
  expect((await api.app.inject({ url: '/v1/objectives', headers: AUTHORIZED })).statusCode).toBe(404);
});
