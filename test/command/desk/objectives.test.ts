// `tidegate objectives` against the production API: what a human sees, to the character; JSON; exit codes.
import { afterEach, beforeEach, expect, test } from 'vitest';
import { objectives } from '../../../src/command/desk/objectives.ts';
import { width } from '../../../src/command/desk/text.ts';
import { matrixOf } from '../../../src/objectives/matrix.ts';
import type { MeasuredBy } from '../../../src/objectives/model.ts';
import { cluster, NOW_MS, type Opened, openApi, viewOf } from '../../api/fixture.ts';
import { by, cell, SHIPPED, shop } from '../../objectives/fixture.ts';
import { EAST, WEST } from '../../runbook/platforms.ts';
import { desk } from './desk.fixture.ts';

let api: Opened;
let url: string;
let records: readonly MeasuredBy[];
const HOSTILE = '\u001b[2J\u202eetis';

beforeEach(async () => {
  records = [
    by(WEST, [cell({ ms: 182 }), cell({ to: WEST, ms: 7 })], { atMs: NOW_MS - 3_000 }),
    by(EAST, [cell({ ms: 11 }), cell({ to: WEST, samples: 0, ms: null, because: HOSTILE })], { atMs: NOW_MS - 3_000 }),
  ];
  const measured = { matrices: async () => [matrixOf(shop, SHIPPED, records, NOW_MS)] };
  api = openApi({ measured, view: viewOf({ cluster: () => ({ ...cluster, platforms: [shop] }) }) });
  url = await api.app.listen({ host: '127.0.0.1', port: 0 });
});
afterEach(() => api.close());

const ran = async (name: string | undefined, options: object = {}) => {
  const sat = desk();
  const code = await objectives(name, { endpoint: [url], ...options }, sat.console).catch((error: { code: string }) => error.code);
  return { code, out: sat.out() };
};

test('what is over its bound first, with the numbers and what helps', async () => {
  const { code, out } = await ran(undefined);
  expect(code).toBe(0);
  await expect(out).toMatchFileSnapshot('golden/objectives.txt');
  for (const line of out.split('\n')) expect(width(line), line).toBeLessThanOrEqual(80);
  expect(out).not.toContain('\u001b');
});

test('as JSON, of one platform; with --check what is not good is an exit code', async () => {
  const { code, out } = await ran('shop', { json: true, check: true });
  expect(code).toBe(3);
  expect(JSON.parse(out).items[0].platform).toBe('shop');
  const all = [EAST, WEST].flatMap((to) => [cell({ to }), cell({ to, objective: 'rtt', of: 'tenants' })]);
  records = [EAST, WEST].map((from) => by(from, all, { atMs: NOW_MS }));
  expect((await ran('shop', { check: true })).code).toBe(0);
  expect((await ran('nothing')).code).toBe('ERR_NOT_FOUND');
});
