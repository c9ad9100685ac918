// A route set by hand, on the real wire of the builtin server: what is asked, written, read back, refused and kept.
import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { fenceName, parseFence } from '../../providers/fence.ts';
import { openHands, WEB } from './hand.fixture.ts';

const fault = (code: string, part = '') => expect.objectContaining({ code, message: expect.stringContaining(part) });

const fenceOf = async (hands: Awaited<ReturnType<typeof openHands>>) => {
  const { answers = [] } = await hands.dns.ask(fenceName(WEB), 'TXT');
  const [answer] = answers;
  return answer?.type === 'TXT' ? parseFence(String(answer.data)) : null;
};

test('is written, read back, shown and kept, with nothing but the file and its credentials', async () => {
  await using hands = await openHands();
  const { exit, stdout, stderr } = await hands.set({ share: ['us-east=75', 'eu-west=25'] });
  expect(exit).toBe(0);
  expect(stdout).toBe(`${WEB} now serves eu-west 250, us-east 750; fence 1 by manual/bob, set by hand\n`);
  expect(stderr).toContain('served  nothing; no fence');
  expect(stderr).toContain('set to  eu-west 250, us-east 750; fence 1 by manual/bob');
  expect(stderr).toContain(
    `tidegate ack -c FILE --service ${WEB} --reason TEXT --owner NAME --hold 4h --journal replica.yaml.break-glass.ndjson`,
  );
  expect(await fenceOf(hands)).toMatchObject({ v: 1, epoch: 0, writer: 'manual/bob' });
  expect(hands.journal()).toMatchObject([
    {
      outcome: 'begun',
      service: WEB,
      owner: 'bob',
      reason: 'eu-west is on fire',
      route: { 'eu-west': 250, 'us-east': 750 },
      fence: { v: 1 },
    },
    { outcome: 'set', service: WEB },
  ]);
  expect(statSync(`${hands.config}.break-glass.ndjson`).mode & 0o777).toBe(0o600);
  expect((await hands.show()).stdout).toBe(
    `${WEB} (provider dns)\n  served  eu-west 250, us-east 750; fence 1 by manual/bob, set by hand\n`,
  );
});

test('again goes one above what it found, and names the epoch it found', async () => {
  await using hands = await openHands();
  await hands.dns.put({
    service: {
      name: WEB,
      ttlS: 10,
      pools: [{ pool: 'eu-west', share: 1000, answers: ['192.0.2.10'] }],
      fence: 'v=1;fence=41;epoch=7;writer=eu-west/a/x;nonce=d41-1;hash=ab',
    },
    ifFence: null,
  });
  expect((await hands.set()).stdout).toContain('us-east 1000; fence 42 by manual/bob');
  expect(await fenceOf(hands)).toMatchObject({ v: 42, epoch: 7 });
  const { stdout } = await hands.set({ owner: 'Åsa Öberg; ops' });
  expect(stdout).toContain('fence 43 by manual/_sa__berg__ops');
});

test('as one object', async () => {
  await using hands = await openHands();
  expect(JSON.parse((await hands.set({ json: true })).stdout)).toMatchObject({
    outcome: 'set',
    service: WEB,
    route: { 'eu-west': 0, 'us-east': 1000 },
    before: { shares: null, manual: false },
    after: { shares: { 'us-east': 1000 }, manual: true, fence: { v: 1 } },
  });
  expect(JSON.parse((await hands.show({ json: true })).stdout)).toMatchObject({
    services: [{ service: WEB, provider: 'dns', manual: true }],
  });
});

test('without breaking the glass is refused, and says what to use instead', async () => {
  await using hands = await openHands();
  await expect(hands.set({ breakGlass: false })).rejects.toEqual(fault('ERR_USAGE', 'place an override'));
});

test.each<[string, readonly string[], string]>([
  ['that sums to less', ['us-east=99.9'], 'sum to 99.9, expected 100'],
  ['that sums to more', ['us-east=60', 'eu-west=60'], 'sum to 120'],
  ['of nothing', [], 'sum to 0'],
  ['of zeroes', ['us-east=0', 'eu-west=0'], 'sum to 0'],
  ['to an unknown pool', ['mars=100'], 'has no pool "mars"; known: eu-west, us-east'],
  ['to a pool named twice', ['us-east=50', 'us-east=50'], 'named twice'],
  ['that is no percentage', ['us-east=all'], 'expected POOL=PERCENT'],
  ['below nothing', ['us-east=-1', 'eu-west=101'], 'expected POOL=PERCENT'],
  ['finer than a tenth', ['us-east=33.33'], 'expected POOL=PERCENT'],
  ['without a pool', ['=100'], 'expected POOL=PERCENT'],
  ['without a share', ['us-east'], 'expected POOL=PERCENT'],
])('a route %s is refused before anything is asked', async (_claim, share, part) => {
  await using hands = await openHands();
  await expect(hands.set({ share })).rejects.toEqual(fault('ERR_USAGE', part));
  expect((await hands.show()).stdout).toContain('served  nothing');
});

test('tenths of a percent are served to the thousandth', async () => {
  await using hands = await openHands();
  expect((await hands.set({ share: ['us-east=33.3', 'eu-west=66.7%'] })).stdout).toContain('eu-west 667, us-east 333');
});

test('a service or a text that is none is refused', async () => {
  await using hands = await openHands();
  await expect(hands.set({ service: 'api.example.test' })).rejects.toEqual(fault('ERR_USAGE', `the file configures ${WEB}`));
  await expect(hands.set({ reason: ' ' })).rejects.toEqual(fault('ERR_USAGE', '--reason'));
  await expect(hands.set({ owner: 'a\nb' })).rejects.toEqual(fault('ERR_USAGE', '--owner'));
});

test('a human is asked, and may think better of it', async () => {
  await using hands = await openHands();
  const asked: string[] = [];
  const answer = (yes: boolean) => async (question: string) => {
    asked.push(question);
    return yes;
  };
  expect(await hands.set({}, answer(false))).toMatchObject({ exit: 2, stdout: '' });
  expect((await hands.show()).stdout).toContain('served  nothing');
  expect((await hands.set({}, answer(true))).exit).toBe(0);
  expect(asked).toEqual(['Write this to dns?', 'Write this to dns?']);
  await expect(hands.set({ yes: false })).rejects.toEqual(fault('ERR_USAGE', 'add --yes'));
});

test('the cluster section may come from another file', async () => {
  let section = '';
  await using hands = await openHands((text) => {
    section = text.slice(text.indexOf('cluster:'));
    return text
      .slice(0, text.indexOf('cluster:'))
      .replace(
        /store:\n {2}kind: embedded\n {2}file: .*\n/,
        'store:\n  kind: remote\n  url: http://127.0.0.1:1\n  tokenFile: ./gone.token\n',
      );
  });
  await expect(hands.set()).rejects.toEqual(fault('ERR_USAGE', 'has no cluster section'));
  const file = join(hands.folder, 'cluster.yaml');
  writeFileSync(file, section);
  // Neither the store nor its credentials are touched: both are out of reach here.
  expect((await hands.set({ file })).stdout).toContain('us-east 1000');
  expect((await hands.show({ file })).exit).toBe(0);
  writeFileSync(file, section.replace('us-east, anchors', 'mars, anchors'));
  expect(await hands.set({ file })).toMatchObject({ exit: 78, stdout: '' });
});

test('whoever writes at the same time is not overwritten, and nothing is repeated', async () => {
  await using hands = await openHands();
  const fence = 'v=1;fence=9;epoch=1;writer=eu-west/a/x;nonce=d9-1;hash=ab';
  const race = async () => {
    await hands.dns.put({
      service: { name: WEB, ttlS: 10, pools: [{ pool: 'eu-west', share: 1000, answers: ['192.0.2.10'] }], fence },
      ifFence: null,
    });
    return true;
  };
  await expect(hands.set({}, race)).rejects.toEqual(fault('ERR_STALE', 'it serves eu-west 100 %, us-east 0 % with fence 9 by eu-west/a/x'));
  expect(await fenceOf(hands)).toMatchObject({ v: 9 });
  expect(hands.journal().map((e) => e.outcome)).toEqual(['begun', 'ERR_STALE']);
});

test('a provider out of reach, or a wrong credential, writes nothing and says so', async () => {
  await using hands = await openHands();
  writeFileSync(join(hands.folder, 'dns.token'), 'a-wrong-token-altogether\n');
  await expect(hands.set()).rejects.toEqual(fault('ERR_PROVIDER', 'reading from provider dns'));
  await hands.dns.close();
  await expect(hands.show()).rejects.toEqual(fault('ERR_PROVIDER', 'nothing was written'));
});
