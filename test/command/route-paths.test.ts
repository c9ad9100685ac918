// A route set by hand where the service goes by several providers: all of them, or the one that is named; one that is down is said and left out.
import { expect, test } from 'vitest';
import { startBuiltin } from '../providers/builtin.fixture.ts';
import { openHands, WEB } from './hand.fixture.ts';

const twoPaths = async () => {
  const second = await startBuiltin();
  const hands = await openHands((text) =>
    text
      .replace('provider: dns', 'provider: [dns, twin]')
      .replace(
        'cluster:\n',
        `  twin: { kind: builtin, zone: example.test, control: 127.0.0.1:${second.controlPort}, tokenFile: ./dns.token }\ncluster:\n`,
      ),
  );
  return { hands, second };
};

test('is written at each and read back from each; the question names them', async () => {
  const { hands, second } = await twoPaths();
  const asked: string[] = [];
  const { exit, stdout } = await hands.set({}, async (question) => {
    asked.push(question);
    return true;
  });
  expect(exit).toBe(0);
  expect(asked).toEqual(['Write this to dns, twin?']);
  expect(stdout).toBe(
    ['dns', 'twin'].map((name) => `${WEB} now serves eu-west 0, us-east 1000; fence 1 by manual/bob, set by hand (${name})\n`).join(''),
  );
  expect((await hands.show()).stdout).toBe(
    ['dns', 'twin']
      .map((name) => `${WEB} (provider ${name})\n  served  eu-west 0, us-east 1000; fence 1 by manual/bob, set by hand\n`)
      .join(''),
  );
  expect(hands.journal().map(({ outcome, provider }) => [outcome, provider])).toEqual([
    ['begun', 'dns'],
    ['set', 'dns'],
    ['begun', 'twin'],
    ['set', 'twin'],
  ]);
  await second.close();
  await hands[Symbol.asyncDispose]();
});

test('with --provider only there; a name that is none of its paths is refused', async () => {
  const { hands, second } = await twoPaths();
  expect((await hands.set({ provider: 'twin' })).exit).toBe(0);
  const { services } = JSON.parse((await hands.show({ json: true })).stdout);
  expect(services).toMatchObject([
    { provider: 'dns', shares: null },
    { provider: 'twin', shares: { 'us-east': 1000 } },
  ]);
  await expect(hands.set({ provider: 'gate' })).rejects.toMatchObject({
    code: 'ERR_USAGE',
    message: expect.stringContaining('goes by dns, twin'),
  });
  await second.close();
  await hands[Symbol.asyncDispose]();
});

test('goes by what answers when one path is down, and says what was left out', async () => {
  const { hands, second } = await twoPaths();
  await second.close();
  const { exit, stdout, stderr } = await hands.set({ json: true });
  expect(exit).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ outcome: 'set', provider: 'dns' });
  expect(stderr).toContain('left out: reading from provider twin');
  // What the others serve is shown all the same, and the failure is not hidden.
  await expect(hands.show()).rejects.toMatchObject({ code: 'ERR_PROVIDER' });
  await hands[Symbol.asyncDispose]();
});
