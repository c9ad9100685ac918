// The contract with a user's own system: what is told and asked, how it is signed, and what each answer means.
import { Webhook } from 'standardwebhooks';
import { describe, expect, test } from 'vitest';
import { realPorts } from '../../../src/ports.ts';
import { startHarness } from '../../contract/step.contract.ts';
import type { Said } from '../front.ts';
import { startWebhookWorld, type WebhookWorld } from './world.ts';

const START_MS = Date.now();
const calling = (given: Partial<WebhookWorld['spec']> = {}) => {
  // Stands still, so that waits are exact.
  const clock = { ...realPorts().clock, wallMs: () => START_MS + passedMs };
  let passedMs = 0;
  const harness = startHarness(
    'webhook.call',
    async () => {
      const world = await startWebhookWorld();
      Object.assign(world.spec, given);
      return world;
    },
    clock,
  );
  return harness.then((h) =>
    Object.assign(h, {
      pass: (ms: number): void => {
        passedMs += ms;
      },
    }),
  );
};
const json = (body: unknown, status = 200): Said => ({ status, json: body });

describe('what is told', () => {
  test('an event of Standard Webhooks that says whose step it is; the same body and id at every try', async () => {
    await using h = await calling();
    const { facts } = await h.read();
    h.world.answers = { status: 500, text: '' };
    await h.apply(facts);
    h.pass(90_000);
    h.world.answers = null;
    await h.apply(facts);
    const posts = h.world.front.told.filter(({ method }) => method === 'POST');
    expect(JSON.parse(posts[0]!.body)).toEqual({
      type: 'runbook.fence',
      timestamp: new Date(START_MS).toISOString(),
      data: {
        run: 'r7',
        step: 'webhook.call@eu-west',
        platform: 'orders',
        from: 'us-east',
        to: 'eu-west',
        mode: 'ungraceful',
        external: 'orders-queue',
        when: 'fence',
      },
    });
    expect(posts[1]!.body).toBe(posts[0]!.body);
    expect(posts[1]!.path).toBe('/hooks/tidegate?a=1');
    expect(posts[1]!.headers['webhook-id']).toBe(posts[0]!.headers['webhook-id']);
    expect(posts[0]!.headers['webhook-id']).toMatch(/^[\w-]+$/);
    expect(Number(posts[1]!.headers['webhook-timestamp']) - Number(posts[0]!.headers['webhook-timestamp'])).toBe(90);
  });

  test('once it is known to be told it is not told again, and until then the body stays as it was', async () => {
    await using h = await calling();
    h.world.answers = { status: 500, text: '' };
    const first = await h.apply();
    h.pass(5_000);
    h.world.answers = null;
    const second = await h.apply(first.facts);
    await h.apply(second.facts);
    const posts = h.world.front.told.map(({ body }) => body);
    expect(posts).toHaveLength(2);
    expect(posts[1]).toBe(posts[0]);
  });

  test('a question is signed over the path as JSON, so it is good for no other path and no body', async () => {
    await using h = await calling();
    const { facts } = await h.apply();
    await h.read(facts);
    const asked = h.world.front.told.at(-1);
    expect(asked).toMatchObject({ method: 'GET', path: '/hooks/tidegate?a=1', body: '' });
    const receiver = new Webhook(Object.values(h.world.files)[0]!.trim());
    const headers = asked!.headers as Record<string, string>;
    expect(receiver.verify('"/hooks/tidegate?a=1"', headers)).toBe('/hooks/tidegate?a=1');
    expect(() => receiver.verify('"/hooks/tidegate?a=2"', headers)).toThrow('No matching signature');
    expect(() => receiver.verify('', headers)).toThrow('No matching signature');
  });

  test.each([
    [202, '', 'accepted'],
    [204, '', 'accepted'],
    [301, '', 'fatal'],
    [307, '', 'fatal'],
    [400, '', 'fatal'],
    [401, '', 'fatal'],
    [404, '', 'fatal'],
    [408, '', 'refused'],
    [410, '', 'fatal'],
    [425, '', 'refused'],
    [429, '', 'refused'],
    [500, '', 'undecided'],
    [502, '', 'undecided'],
    [503, '', 'undecided'],
  ] as const)('%i is %s%s', async (status, text, took) => {
    await using h = await calling();
    h.world.answers = { status, text, headers: { location: '/hooks/other' } };
    expect(await h.apply()).toMatchObject({ took, because: expect.stringContaining(String(status)) });
    expect(h.world.front.told.map(({ path }) => path)).toEqual(['/hooks/tidegate?a=1']);
  });

  test.each([
    [json({ state: 'done' }), 'accepted'],
    [json({ state: 'failed', because: 'no quota' }), 'fatal'],
    [json({ state: 'perhaps' }), 'undecided'],
    [json([]), 'undecided'],
    [json({ state: 'working', statusPath: '//elsewhere.example/x' }), 'fatal'],
    [json({ state: 'working', statusPath: 'https://elsewhere.example/x' }), 'undecided'],
    [{ status: 200, text: 'ok' }, 'accepted'],
    [{ status: 200, text: '<html>', headers: { 'content-type': 'text/html' } }, 'undecided'],
  ] as const)('%j is %s', async (answers, took) => {
    await using h = await calling();
    h.world.answers = answers;
    expect(await h.apply()).toMatchObject({ took });
  });

  test('who asks for time gets it, by Retry-After in seconds or as a date, a minute at most', async () => {
    for (const [header, ms] of [
      ['5', 5_000],
      [new Date(Math.ceil(START_MS / 1000) * 1000 + 20_000).toUTCString(), 21_000],
      ['86400', 60_000],
    ] as const) {
      await using h = await calling();
      h.world.answers = { status: 429, text: '', headers: { 'retry-after': header } };
      const { facts } = await h.apply();
      h.world.answers = null;
      h.pass(ms - 1_001);
      expect(await h.apply(facts)).toMatchObject({ took: 'refused', because: expect.stringContaining('left alone until') });
      expect(await h.read(facts)).toMatchObject({ is: 'pending' });
      expect(h.world.front.told).toHaveLength(1);
      h.pass(1_001);
      expect(await h.apply(facts)).toMatchObject({ took: 'accepted' });
    }
  });
});

describe('what is waited for', () => {
  test.each([
    ['fence', 'drained'],
    ['scale', 'caught-up'],
    ['promote', 'caught-up'],
    ['ready', 'caught-up'],
    ['after', 'caught-up'],
    ['prearm', 'done'],
    ['calm', 'done'],
  ] as const)('of %s it is the word %s and no other', async (when, word) => {
    await using h = await calling({ when });
    const { facts } = await h.apply();
    for (const state of ['done', 'drained', 'caught-up', 'working']) {
      h.world.says = json({ state, because: '3 left' });
      expect(await h.read(facts)).toMatchObject({
        is: state === word ? 'reached' : 'pending',
        because: expect.stringContaining(`says ${state}: 3 left`),
      });
    }
    h.world.says = json({ state: 'failed', because: 'a consumer is stuck' });
    expect(await h.read(facts)).toMatchObject({ is: 'never', because: 'orders-queue says failed: a consumer is stuck' });
  });

  test.each([
    json({ state: 'drained' }),
    json({ state: 'working' }),
    { status: 200, text: '<html>hello', headers: { 'content-type': 'text/html' } },
    { status: 401, text: '' },
    { status: 500, text: '' },
  ] as const)('whatever a receiver says to everybody, %j, it is told, and asked only afterwards', async (says) => {
    await using h = await calling();
    h.world.says = says;
    expect(await h.read()).toMatchObject({ is: 'pending', because: 'orders-queue has not been told of fence yet' });
    expect(h.world.front.told).toEqual([]);
    const { facts } = await h.apply();
    h.world.says = json({ state: 'drained' });
    expect(await h.read(facts)).toMatchObject({ is: 'reached' });
    expect(h.world.front.told.map(({ method }) => method)).toEqual(['POST', 'GET']);
  });

  test('it is asked where and when it said', async () => {
    await using h = await calling();
    h.world.answers = json({ state: 'working', checkAfterMs: 3_000, statusPath: '/progress/7?x=1' });
    const { facts } = await h.apply();
    h.pass(2_999);
    expect(await h.read(facts)).toMatchObject({ is: 'pending', because: expect.stringContaining('left alone') });
    h.pass(1);
    h.world.says = json({ state: 'drained' });
    expect(await h.read(facts)).toMatchObject({ is: 'reached' });
    expect(h.world.front.told.map(({ method, path }) => `${method} ${path}`)).toEqual(['POST /hooks/tidegate?a=1', 'GET /progress/7?x=1']);
  });

  test.each([
    [404, 'pending'],
    [405, 'never'],
    [501, 'never'],
    [410, 'never'],
    [401, 'unknown'],
    [302, 'unknown'],
    [429, 'unknown'],
    [500, 'unknown'],
  ] as const)('%i to a question is %s', async (status, is) => {
    await using h = await calling();
    h.world.says = { status, text: '', headers: { location: '/' } };
    const { facts } = await h.apply();
    expect(await h.read(facts)).toMatchObject({ is });
  });

  test('with nothing to wait for, having been told is all, and it is not asked', async () => {
    await using h = await calling({ waits: false });
    expect(await h.read()).toMatchObject({ is: 'pending' });
    const { facts } = await h.apply();
    expect(await h.read(facts)).toMatchObject({ is: 'reached' });
    expect(h.world.front.told.map(({ method }) => method)).toEqual(['POST']);
  });
});

test('a secret that cannot sign is refused by the name of its file alone', async () => {
  await using h = await calling();
  const [path] = Object.keys(h.world.files);
  Object.assign(h.world.files, { [path!]: 'hunter2-hunter2-hunter2' });
  const effect = await h.apply();
  expect(effect).toMatchObject({ took: 'fatal', because: expect.stringContaining(path!) });
  expect(effect.because).not.toContain('hunter2');
});
