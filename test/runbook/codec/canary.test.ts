// What a canary makes of codec servers that are not as they should be.
import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { startHarness } from '../../contract/step.contract.ts';
import { startCodecWorld } from './world.ts';

const ready = async () => {
  const h = await startHarness('codec.canary', startCodecWorld);
  await h.world.settle();
  return h;
};

test('what is sent is new at every look, as the protocol has it, for the namespace', async () => {
  await using h = await ready();
  expect(await h.read()).toMatchObject({ is: 'reached', because: expect.stringContaining('the bytes are the same') });
  await h.read();
  const sent = h.world.front.told.filter(({ path }) => path === '/codec/encode').map(({ body }) => JSON.parse(body));
  expect(sent[0]).toEqual({ payloads: [{ metadata: { encoding: 'YmluYXJ5L3BsYWlu' }, data: expect.any(String) }] });
  expect(sent[0]).not.toEqual(sent[1]);
  expect(h.world.front.told.map(({ path }) => path)).toEqual(['/codec/encode', '/codec/decode', '/codec/encode', '/codec/decode']);
  for (const { headers } of h.world.front.told)
    expect(headers).toMatchObject({ 'x-namespace': 'orders', 'content-type': 'application/json' });
});

test('another key for decoding is never good, and the sentence says why without quoting', async () => {
  await using h = await ready();
  h.world.keys.decode = randomBytes(32);
  const reading = await h.read();
  expect(reading).toMatchObject({ is: 'never', because: expect.stringMatching(/decode answered 400 .*same key\?/) });
  expect(reading.because).not.toContain(h.world.keys.decode.toString('base64'));
});

test('other bytes than were sent are never good', async () => {
  await using h = await ready();
  h.world.mangles = true;
  expect(await h.read()).toMatchObject({ is: 'never', because: expect.stringContaining('other bytes') });
});

test('whatever answers with what it was given proves nothing', async () => {
  await using h = await ready();
  h.world.echoes = true;
  expect(await h.read()).toMatchObject({ is: 'unknown', because: expect.stringContaining('changed nothing') });
});

test('another namespace than it knows is unknown', async () => {
  await using h = await ready();
  h.world.spec.namespace = 'payments';
  expect(await h.read()).toMatchObject({ is: 'unknown', because: expect.stringContaining('encode answered 403') });
});
