// What `check` says of the files that a configuration names: missing ones may come later, open and foreign ones are told, and no secret is repeated.
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { examineConfig } from '../../src/config/files.ts';
import { newKeyPair } from '../../src/coordinate/signing.ts';
import { createAuthority } from '../etcd-certificates.ts';
import { fixture, goodWith, problemsOf } from './files.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tidegate-examine-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const SECRET = 'S3cr3tValue-of-some-length';

const put = (name: string, text: string, mode = 0o600): void => {
  writeFileSync(join(folder, name), text);
  chmodSync(join(folder, name), mode);
};

/** Judges the text as a file of the folder, and tells its problems or else its warnings. */
const examined = (text: string): { ok: boolean; said: string[] } => {
  put('site.yaml', text);
  const loaded = examineConfig(join(folder, 'site.yaml'));
  const said = (loaded.ok ? loaded.warnings : problemsOf(loaded)).map(
    ({ line, path, message }) => `${line} ${path}: ${message.replaceAll(folder, '.')}`,
  );
  expect(said.join('\n')).not.toContain(SECRET);
  return { ok: loaded.ok, said };
};

const ETCD = fixture('good-etcd.yaml');
const present = (): void => {
  for (const name of ['ca.pem', 'client.pem']) put(name, 'public', 0o644);
  for (const name of ['client.key', 'dns.token']) put(name, SECRET);
  put('signing.pem', newKeyPair().privatePem);
};

describe('files of a replica on etcd', () => {
  test('those that are there as they should be are not mentioned; the operator token and the spool are made at the first start', () => {
    present();
    expect(examined(ETCD)).toEqual({ ok: true, said: [] });
  });

  test('missing ones are warnings, each at its place: certificates are often issued after the file is written', () => {
    expect(examined(ETCD)).toEqual({
      ok: true,
      said: [
        '14 store.tls.caFile: found no file ./ca.pem, expected it before the replica starts; create it',
        '14 store.tls.certFile: found no file ./client.pem, expected it before the replica starts; create it',
        '14 store.tls.keyFile: found no file ./client.key, expected it before the replica starts; create it with mode 600',
        '15 signing.keyFile: found no file ./signing.pem, expected it before the replica starts; create it with mode 600',
        '22 providers.dns.tokenFile: found no file ./dns.token, expected it before the replica starts; create it with mode 600',
      ],
    });
  });

  test.each([0o644, 0o640, 0o604])(
    'a secret of mode %o is told, since the replica will not start with it; a certificate may be read by all',
    (mode) => {
      present();
      put('client.key', SECRET, mode);
      expect(examined(ETCD)).toEqual({
        ok: true,
        said: [
          `14 store.tls.keyFile: found ./client.key open: other users can read it (mode ${mode.toString(8)}), expected 600; run chmod 600 on it, or the replica does not start`,
        ],
      });
    },
  );

  test('the secret of a system around that others can read is told: a run would stand still for it, at the worst hour', () => {
    present();
    put('ledger.secret', SECRET, 0o644);
    const systems = `systems:
  ledger: { kind: webhook, url: https://ledger.example.net/, secretFile: ./ledger.secret }
  metrics: { kind: prometheus, url: https://prometheus.example.net, tokenFile: ./metrics.token, caFile: ./ca.pem }
`;
    const { ok, said } = examined(`${ETCD}${systems}`);
    expect(ok).toBe(true);
    expect(said.map((line) => line.replace(/^\d+ /, ''))).toEqual([
      'systems.ledger.secretFile: found ./ledger.secret open: other users can read it (mode 644), expected 600; run chmod 600 on it, or every run that needs it stands still',
      'systems.metrics.tokenFile: found no file ./metrics.token, expected it before a run needs it; create it with mode 600',
    ]);
  });

  test('a folder in place of a file is told', () => {
    present();
    rmSync(join(folder, 'ca.pem'));
    mkdirSync(join(folder, 'ca.pem'));
    expect(examined(ETCD).said).toEqual([
      '14 store.tls.caFile: found something that is no file at ./ca.pem, expected a file; check the path',
    ]);
  });

  test.each([
    ['no key', SECRET],
    ['a public key', '-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA8vJY\n-----END PUBLIC KEY-----\n'],
  ])('a signing file that holds %s is a problem', (_, text) => {
    present();
    put('signing.pem', text);
    const { ok, said } = examined(ETCD);
    expect(ok).toBe(false);
    expect(said).toEqual([
      expect.stringMatching(/^15 signing\.keyFile: found a file that cannot be used .*expected an Ed25519 private key/),
    ]);
  });
});

describe('the signing key and the keys of its region', () => {
  const text = (keys: string): string =>
    goodWith('providers:\n', 'signing: { keyFile: signing.pem }\nproviders:\n').replace(
      '{ name: eu-west,',
      `{ name: eu-west, keys: [${keys}],`,
    );

  test('the key that the cluster knows is accepted, also as the second one; another is a problem', () => {
    present();
    const { privatePem, publicKey } = newKeyPair();
    const other = newKeyPair().publicKey;
    put('signing.pem', privatePem);
    expect(examined(text(publicKey)).ok).toBe(true);
    expect(examined(text(`${other}, ${publicKey}`)).ok).toBe(true);
    const { ok, said } = examined(text(other));
    expect(ok).toBe(false);
    expect(said).toEqual([
      expect.stringContaining(
        `10 signing.keyFile: found the key of ${publicKey}, expected one of those under cluster.regions for eu-west: ${other}`,
      ),
    ]);
  });

  test('a key that is not there yet cannot be compared, and its absence is the only thing said', () => {
    put('dns.token', SECRET);
    expect(examined(text(newKeyPair().publicKey)).said.filter((line) => line.includes('signing'))).toEqual([
      expect.stringContaining('signing.keyFile: found no file'),
    ]);
  });
});

describe('files that let people in', () => {
  const API = goodWith(
    '  tokenFile: ./operator.token\n',
    '  tokenFile: ./operator.token\n  tls: { certFile: ./api.pem, keyFile: ./api.key }\n  auth: { tokensFile: ./tokens }\n',
  );
  const LINE = `{"name":"a","hash":"${'a'.repeat(64)}","role":"viewer"}`;
  const pair = (): void => {
    const { certPem, keyPem } = createAuthority(folder, 'servers').issue('api', ['IP:127.0.0.1']);
    put('api.pem', certPem, 0o644);
    put('api.key', keyPem);
    put('dns.token', SECRET);
  };

  test('that are missing may come later; those that are there and fit are not mentioned', () => {
    put('dns.token', SECRET);
    expect(examined(API)).toEqual({
      ok: true,
      said: [
        '7 api.tls.certFile: found no file ./api.pem, expected it before the replica starts; create it',
        '7 api.tls.keyFile: found no file ./api.key, expected it before the replica starts; create it with mode 600',
        '8 api.auth.tokensFile: found no file ./tokens, expected it before the replica starts; create it',
      ],
    });
    pair();
    put('tokens', LINE);
    expect(examined(API)).toEqual({ ok: true, said: [] });
  });

  test('and hold something else are problems, all at once', () => {
    pair();
    put('api.key', createAuthority(folder, 'others').issue('api').keyPem);
    put('tokens', `${SECRET}\n${LINE.replace('viewer', SECRET)}\n`);
    const { ok, said } = examined(API);
    expect(ok).toBe(false);
    expect(said).toEqual([
      expect.stringMatching(/^7 api\.tls: found files that cannot be used .*the key of another certificate/),
      expect.stringMatching(/^8 api\.auth\.tokensFile: .*tokens:1: found something that is no JSON object/),
      expect.stringMatching(/^8 api\.auth\.tokensFile: .*tokens:2: found no such role/),
    ]);
  });

  test('a token file that others can write is a problem', () => {
    pair();
    put('tokens', LINE, 0o666);
    expect(examined(API)).toMatchObject({ ok: false, said: [expect.stringContaining('other users can write it (mode 666)')] });
  });
});

test('a broken file is told as such, and its files are not looked at', () => {
  expect(examined(ETCD.replace('replica: a', 'replica: A'))).toMatchObject({
    ok: false,
    said: [expect.stringContaining('replica: found "A"')],
  });
});
