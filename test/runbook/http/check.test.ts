// http.check: which statuses are good.
import { expect, test } from 'vitest';
import { startHarness } from '../../contract/step.contract.ts';
import { startFront } from '../front.ts';
import { startHttpWorld } from './world.ts';

test.each([
  [200, 'reached'],
  [204, 'reached'],
  [205, 'pending'],
  [199 + 300, 'pending'],
  [307, 'pending'],
  [429, 'reached'],
  [500, 'pending'],
] as const)('%i is %s', async (status, is) => {
  await using h = await startHarness('http.check', async () => {
    const world = await startHttpWorld();
    // The redirect would lead to something good.
    const front = await startFront(({ path }) =>
      path === '/elsewhere' ? { status: 200, text: '' } : { status, text: '', headers: { location: '/elsewhere' } },
    );
    await world[Symbol.asyncDispose]();
    const systems = {
      'proxy-eu': {
        kind: 'http',
        url: front.url,
        status: [
          [200, 204],
          [429, 429],
        ],
      },
    } as const;
    return { ...world, systems, [Symbol.asyncDispose]: () => front[Symbol.asyncDispose]() };
  });
  expect(await h.read()).toMatchObject({ is, because: expect.stringContaining(`answered ${status}, expected 200-204 or 429`) });
});
