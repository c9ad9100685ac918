// What is said beside an order: whether what it asks for is so, and what health says of the same pools.

import { describe, expect, test } from 'vitest';
import { encoded } from '../../src/api/encoded.ts';
import { standingOf } from '../../src/api/standing.ts';
import { type StatusInput, statusDocument } from '../../src/api/status.ts';
import { newMemory, REFUSED, SET_ASIDE } from '../../src/decide/pool.ts';
import type { Override, PoolMemory, Route, Routing } from '../../src/model.ts';
import { cluster, NOW_MS, openApi, putRecord, REGIONS, statusInput, viewOf } from './fixture.ts';

const WEB = 'web.example.test';
const API = 'api.example.test';

const order = (given: Partial<Override>): Override => ({
  id: 'a',
  kind: 'drain',
  scope: { service: WEB, pool: 'eu-west' },
  reason: 'maintenance of the database',
  owner: 'ana',
  createdAtMs: NOW_MS - 1000,
  expiresAtMs: NOW_MS + 60_000,
  ...given,
});

const EVEN: Route = { 'eu-west': 334, 'us-east': 333, 'ap-south': 333 };
const AWAY: Route = { 'eu-west': 0, 'us-east': 500, 'ap-south': 500 };

const routingOf = (route: Route, memory: Partial<PoolMemory> = {}): Routing => ({
  v: 5,
  epoch: 1,
  nonce: 'n',
  atMs: NOW_MS,
  membersVersion: 3,
  because: 'as decided',
  regionDrainsAtMs: {},
  auditHash: '',
  open: {},
  services: Object.fromEntries(
    [WEB, API].map((service) => [
      service,
      {
        fence: 5,
        sinceAtMs: 0,
        mode: 'auto' as const,
        route,
        because: 'as decided',
        pools: Object.fromEntries(
          REGIONS.map((pool) => [
            pool,
            { ...newMemory((route[pool] ?? 0) > 0 ? 'in' : 'out', NOW_MS), ...(pool === 'eu-west' ? memory : {}) },
          ]),
        ),
      },
    ]),
  ),
});

const services = (routing: Routing | null, given: Partial<StatusInput> = {}) => statusDocument(statusInput({ routing, ...given })).services;
const stands = (given: Partial<Override>, routing: Routing | null) => standingOf(order(given), services(routing), NOW_MS);

describe('an order', () => {
  test.each<[string, Partial<Override>, Routing | null, boolean, string]>([
    ['a drain that moved its traffic', {}, routingOf(AWAY), true, `${WEB}/eu-west gets no traffic`],
    ['a drain before its decision', {}, routingOf(EVEN), false, `${WEB}/eu-west has 334 thousandths`],
    ['a drain that is held', {}, routingOf(EVEN, { hold: 'freeze' }), false, `${WEB}/eu-west is held (freeze)`],
    ['a drain of the last pool', {}, routingOf(EVEN, { told: [REFUSED] }), false, 'is the last that can serve'],
    ['a drain that was set aside', {}, routingOf(EVEN, { told: [SET_ASIDE] }), false, 'was called back: nobody else could serve'],
    [
      'an evacuation of two services',
      { kind: 'evacuate', scope: { region: 'eu-west' } },
      routingOf(AWAY),
      true,
      `${WEB}/eu-west, ${API}/eu-west`,
    ],
    ['a force-in', { kind: 'force-in' }, routingOf(EVEN), true, 'counts as up whatever the votes say'],
    ['a force-in that is not obeyed', { kind: 'force-in' }, routingOf(AWAY), false, 'has 0 thousandths'],
    [
      'a pin',
      { kind: 'pin', scope: { service: WEB }, weights: { 'us-east': 500, 'ap-south': 500 } },
      routingOf(AWAY),
      true,
      'the shares are those',
    ],
    [
      'a pin that health takes from',
      { kind: 'pin', scope: { service: WEB }, weights: { 'eu-west': 1000 } },
      routingOf(AWAY),
      false,
      `health takes from it: ${WEB}/eu-west has 0 of the 1000 thousandths`,
    ],
    ['a freeze', { kind: 'freeze', scope: {} }, routingOf(EVEN), true, 'the route is held'],
    ['a stop', { kind: 'stop', scope: {} }, routingOf(EVEN), true, 'no provider is written'],
    ['one that has expired', { expiresAtMs: NOW_MS }, routingOf(AWAY), false, 'it has expired'],
    ['one that begins later', { startsAtMs: NOW_MS + 1 }, routingOf(AWAY), false, 'it has not begun yet'],
    ['one that waits for a second person', { approval: { by: null, atMs: null } }, routingOf(AWAY), false, 'a second person has to agree'],
    ['one about something that is gone', { scope: { region: 'moon' } }, routingOf(AWAY), false, 'covers nothing that is configured'],
    ['any before the first decision', {}, null, false, 'nothing has been decided yet'],
  ])('%s', (_, given, routing, obeyed, because) => {
    const standing = stands(given, routing);
    expect(standing.obeyed).toBe(obeyed);
    expect(standing.because).toContain(because);
  });

  test('says when what it moves is not written at all', () => {
    const observed = { ...cluster, services: cluster.services.map((service) => ({ ...service, mode: 'observe' as const })) };
    const standing = standingOf(order({}), services(routingOf(AWAY), { cluster: observed }), NOW_MS);
    expect(standing).toMatchObject({ obeyed: true, because: expect.stringContaining('whose mode is not auto') });
  });

  test('hides nothing that is measured', () => {
    const standing = stands({ kind: 'evacuate', scope: { region: 'eu-west' } }, routingOf(AWAY));
    expect(standing.measured).toEqual(
      [WEB, API].map((service) => ({
        service,
        pool: 'eu-west',
        region: 'eu-west',
        verdict: 'unknown',
        count: 'not counted yet',
        share: 0,
      })),
    );
    expect(stands({ kind: 'stop', scope: {} }, null).measured).toHaveLength(6);
  });
});

test('the list, one order and the status say the same of it', async () => {
  const routing = routingOf(AWAY);
  const overrides = { version: 4, nonce: 'n', items: [order({})] };
  const document = statusDocument(statusInput({ routing, overrides }));
  const api = openApi({ view: viewOf({ status: async () => encoded(document), services: () => document.services }) });
  await putRecord(api.store, 'override', overrides);
  const expected = {
    active: true,
    leftMs: 60_000,
    obeyed: true,
    because: `${WEB}/eu-west gets no traffic`,
    measured: [{ pool: 'eu-west', share: 0 }],
  };
  expect((await api.app.inject('/v1/overrides')).json().items[0]).toMatchObject({ ...overrides.items[0], ...expected });
  expect((await api.app.inject('/v1/overrides/a')).json()).toMatchObject({ override: overrides.items[0], version: 4, ...expected });
  expect((await api.app.inject('/v1/status')).json().overrides).toMatchObject({ version: 4, items: [expected] });
  expect((await api.app.inject('/v1/overrides/b')).statusCode).toBe(404);
  await api.close();
});
