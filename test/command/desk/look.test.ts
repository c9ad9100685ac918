// What the commands that only look refuse before they ask.
import { expect, test } from 'vitest';
import { why } from '../../../src/command/desk/look.ts';
import type { Console } from '../../../src/command/desk/session.ts';
import { realPorts } from '../../../src/ports.ts';
import { endpoint, json } from '../../client/servers.ts';
import { SCREEN } from './fixture.ts';

const at = (): Console => ({
  ports: realPorts(),
  version: 'test',
  env: { HOME: '/nonexistent' },
  out: () => undefined,
  err: () => undefined,
  ask: null,
  screen: () => SCREEN,
  live: false,
  onInterrupt: () => () => undefined,
  onStop: () => () => undefined,
});

test.each<[string, string | undefined, string | undefined]>([
  ['a list of none', undefined, '0'],
  ['a longer list than the API gives', undefined, '101'],
  ['a list of some', undefined, 'some'],
  ['decision 0', '0', undefined],
  ['a decision below', '-3', undefined],
  ['a decision in another notation', '1e3', undefined],
])('%s is a mistake of usage, with the range, and nobody is asked', async (_what, v, limit) => {
  await using server = await endpoint((_asked, reply) => json(reply, 200, { items: [] }));
  const asking = why(v, { endpoint: [server.url], ...(limit === undefined ? {} : { list: true, limit }) }, at());
  await expect(asking).rejects.toMatchObject({
    code: 'ERR_USAGE',
    message: expect.stringMatching(/expected a whole number from 1( to 100)?$/),
  });
  expect(server.asked).toEqual([]);
});

test('as many decisions as the API gives are asked for', async () => {
  await using server = await endpoint((_asked, reply) => json(reply, 200, { items: [] }));
  expect(await why(undefined, { endpoint: [server.url], list: true, limit: '100' }, at())).toBe(0);
  expect(server.asked.map(({ url }) => url)).toEqual(['/v1/decisions?limit=100']);
});
