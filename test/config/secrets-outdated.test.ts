// A secret that was changed in its file and is still the old one in the process: nobody finds that out at 03:12.
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { rememberSecrets } from '../../src/config/files.ts';
import { accepted, goodWith } from './files.ts';

const KEY = 'v-arrZmbzLykyJKePlYCckt6Y6xa1FH7YBBGXWtgdwQ';

test('names the files whose text is another one than at the start, and no others', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tidegate-secrets-'));
  const file = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text, { mode: 0o600 });
    return join(folder, name);
  };
  try {
    const [dns, hook, key] = [file('dns.token', 'dns-token-1'), file('hook.secret', 'whsec_first'), file('signing.pem', 'a key of before')];
    const paging = `paging: { channels: [{ kind: webhook, name: oncall, url: https://hooks.example.test/, secretFile: ${hook} }] }\nsigning: { keyFile: ${key} }\n`;
    const { config } = accepted(
      goodWith('./dns.token', dns)
        .replace('cluster:\n', `${paging}cluster:\n`)
        .replace('eu-west, anchors', `eu-west, keys: [${KEY}], anchors`),
      join(folder, 'replica.yaml'),
    );
    const outdated = rememberSecrets(config);
    expect(outdated()).toEqual([]);
    // The key is read again by itself, and who had no token yet makes one.
    file('signing.pem', 'another key');
    file('operator.token', 'made at the start');
    expect(outdated()).toEqual([]);
    file('dns.token', 'dns-token-2');
    file('hook.secret', 'whsec_second');
    expect(outdated()).toEqual([dns, hook]);
    file('hook.secret', 'whsec_first\n');
    expect(outdated()).toEqual([dns]);
    // What cannot be read is another complaint.
    chmodSync(dns, 0o644);
    expect(outdated()).toEqual([]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
