// Where a command finds its token, and what it says of a file that holds something else.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readSettings } from '../../src/client/settings.ts';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tidegate-settings-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const settingsOf = (content: Uint8Array | string, mode = 0o600) => {
  const tokenFile = join(folder, 'token');
  rmSync(tokenFile, { force: true });
  writeFileSync(tokenFile, content, { mode });
  return readSettings({ tokenFile, endpoint: ['http://127.0.0.1:7700'] }, { HOME: folder });
};

test('a token is read without the line break at its end', async () => {
  expect((await settingsOf('a-token-of-some-length\n')).token).toBe('a-token-of-some-length');
});

test.each<[string, Uint8Array | string]>([
  ['two lines', 'a-token-of\nsome-length'],
  ['words', 'this is no token'],
  ['bytes', Uint8Array.from({ length: 64 }, (_, i) => 255 - i)],
  ['a control character', 'a-token\u0000of-some-length'],
])('%s are no token: said with the file, without what it holds', async (_what, content) => {
  const reading = settingsOf(content);
  await expect(reading).rejects.toMatchObject({ code: 'ERR_SECRET', message: expect.stringContaining(`${join(folder, 'token')}: holds`) });
  await expect(reading).rejects.not.toThrow(/some-length/);
});

test('a token that others can read is not sent', async () => {
  await expect(settingsOf('a-token-of-some-length\n', 0o644)).rejects.toMatchObject({ code: 'ERR_SECRET' });
});

test('a folder is told to be one', async () => {
  const reading = readSettings({ tokenFile: folder, endpoint: ['http://127.0.0.1:7700'] }, { HOME: folder });
  await expect(reading).rejects.toMatchObject({
    code: 'ERR_SECRET',
    message: `${folder}: is a folder; name the file that holds only the secret`,
  });
});

test('a token does not travel where others could read it, unless that is said', async () => {
  const tokenFile = join(folder, 'token-to-send');
  writeFileSync(tokenFile, 'a-token-of-some-length\n', { mode: 0o600 });
  const elsewhere = { tokenFile, endpoint: ['https://a.example.net', 'http://192.0.2.7:7700'] };
  await expect(readSettings(elsewhere, { HOME: folder })).rejects.toMatchObject({
    code: 'ERR_CONFIG',
    message: expect.stringMatching(/readable to http:\/\/192\.0\.2\.7:7700: use https/),
  });
  expect((await readSettings({ ...elsewhere, plainHttp: true }, { HOME: folder })).token).toBe('a-token-of-some-length');
  for (const url of ['http://127.0.0.1:7700', 'http://localhost:7700', 'http://[::1]:7700', 'https://a.example.net'])
    expect((await readSettings({ tokenFile, endpoint: [url] }, { HOME: folder })).endpoints).toEqual([url]);
  for (const url of ['http://127.0.0.1.example.net', 'http://localhost.example.net'])
    await expect(readSettings({ tokenFile, endpoint: [url] }, { HOME: folder })).rejects.toMatchObject({ code: 'ERR_CONFIG' });
});

test('the token of the example on this machine is taken only when nothing was said, so it never leaves the machine', async () => {
  const here = process.cwd();
  mkdirSync(join(folder, '.tidegate'), { recursive: true });
  writeFileSync(join(folder, '.tidegate/operator.token'), 'the-example-token\n', { mode: 0o600 });
  process.chdir(folder);
  try {
    expect((await readSettings({}, { HOME: folder })).token).toBe('the-example-token');
    expect((await readSettings({ endpoint: ['https://a.example.net'] }, { HOME: folder })).token).toBeNull();
    expect((await readSettings({ endpoint: ['http://127.0.0.1:7700', 'https://a.example.net'] }, { HOME: folder })).token).toBeNull();
  } finally {
    process.chdir(here);
  }
});
