// The token file: what is accepted, every problem at once, changes taken up while it runs; and the commands that write it.
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ROLES } from '../../src/api/access.ts';
import { isWhole, lineOf, parseTokenFile, type TokenEntry, tokenOf } from '../../src/auth/token-file.ts';
import { openTokens } from '../../src/auth/tokens.ts';
import { breakGlassKeygen, breakGlassSign } from '../../src/command/breakglass.ts';
import { tokenList, tokenNew, tokenRevoke } from '../../src/command/token.ts';
import { realPorts } from '../../src/ports.ts';
import { type RecordingLog, recordingLog } from '../recording-log.ts';
import { newToken, writeTokens } from './credentials.ts';

let folder = '';
let file = '';
let log: RecordingLog;
let [out, err] = ['', ''];
const clock = { skipMs: 0 };
const real = realPorts();
const ports = { ...real, clock: { monoMs: () => real.clock.monoMs() + clock.skipMs, wallMs: () => real.clock.wallMs() + clock.skipMs } };
const desk = {
  ports,
  out: (text: string): void => {
    out += text;
  },
  err: (text: string): void => {
    err += text;
  },
};
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tidegate-tokens-'));
  file = join(folder, 'tokens');
  log = recordingLog();
  [out, err, clock.skipMs] = ['', '', 0];
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('a token', () => {
  test('has a prefix that scanners know, 160 bits and a checksum that catches every slip of one or two characters', () => {
    const token = newToken();
    expect(token).toMatch(/^tg_[0-9a-f]{48}$/);
    expect(isWhole(token)).toBe(true);
    const digit = fc.constantFrom(...'0123456789abcdef');
    fc.assert(
      fc.property(fc.integer({ min: 3, max: 50 }), digit, fc.integer({ min: 3, max: 50 }), digit, (i, a, j, b) => {
        const chars = [...token];
        chars[i] = a;
        chars[j] = b;
        const slipped = chars.join('');
        expect(isWhole(slipped)).toBe(slipped === token);
      }),
    );
    for (const wrong of ['', 'tg_', token.slice(0, -1), `${token}0`, token.toUpperCase(), ` ${token}`]) expect(isWhole(wrong)).toBe(false);
  });
});

describe('the file', () => {
  const HASH = 'a'.repeat(64);
  const line = (given: object): string => JSON.stringify({ name: 'a', hash: HASH, role: 'viewer', ...given });

  test('is read whatever the order of keys, with comments and empty lines', () => {
    const text = `# people\n\n${line({ services: ['web.example.test'], expires: '2027-01-31T00:00:00Z' })}\n`;
    expect(parseTokenFile(text)).toEqual({
      ok: true,
      entries: [{ name: 'a', hash: HASH, role: 'viewer', services: ['web.example.test'], expiresAtMs: Date.UTC(2027, 0, 31) }],
    });
    expect(parseTokenFile('')).toEqual({ ok: true, entries: [] });
  });

  test.each<[string, string, string]>([
    ['no JSON', 'tg_1234', 'found something that is no JSON object'],
    ['a list', '[]', 'found something that is no JSON object'],
    ['another key', line({ token: 'hunter2' }), 'found 1 unknown keys'],
    ['no name', line({ name: '' }), 'found no such name'],
    ['a name that would break a log', line({ name: 'a\nb' }), 'found no such name'],
    ['a token in place of its hash', line({ hash: 'tg_hunter2' }), 'found no such hash'],
    ['another role', line({ role: 'root' }), 'found no such role'],
    ['no services', line({ services: [] }), 'found no such services'],
    ['services that are none', line({ services: ['*'] }), 'found no such services'],
    ['an end that is none', line({ expires: 'tomorrow' }), 'found no such expires'],
    ['a day that no calendar has', line({ expires: '2027-13-45T00:00:00Z' }), 'found no such expires'],
  ])('with %s is refused, and the line is not repeated', (_, text, message) => {
    const parsed = parseTokenFile(`${line({ name: 'z', hash: 'b'.repeat(64) })}\n${text}\n`);
    if (parsed.ok) throw new Error('accepted');
    expect(parsed.problems.map(({ line }) => line)).toEqual([2]);
    expect(parsed.problems[0]?.message).toContain(message);
    expect(JSON.stringify(parsed.problems)).not.toMatch(/hunter2|tg_1234/);
  });

  test('tells everything at once: twice the same name, twice the same hash, and what is wrong in each line', () => {
    const parsed = parseTokenFile([line({}), line({}), line({ name: 'b', hash: 'x', role: 'y' })].join('\n'));
    if (parsed.ok) throw new Error('accepted');
    expect(parsed.problems.map(({ line }) => line)).toEqual([2, 2, 3, 3]);
  });

  test('whatever is written is read back, and whatever is in a file is answered without an exception', () => {
    const entry = fc.record({
      name: fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9@._+-]{0,20}$/),
      hash: fc.stringMatching(/^[0-9a-f]{64}$/),
      role: fc.constantFrom(...ROLES),
      services: fc.option(fc.array(fc.stringMatching(/^[a-z][a-z0-9]{0,8}$/), { minLength: 1, maxLength: 5 })),
      expiresAtMs: fc.option(fc.integer({ min: 0, max: Date.UTC(2090, 0) })),
    });
    fc.assert(
      fc.property(fc.uniqueArray(entry, { selector: ({ name }) => name, maxLength: 20 }), (entries) => {
        const unique = entries.filter((each, i) => entries.findIndex(({ hash }) => hash === each.hash) === i) as TokenEntry[];
        expect(parseTokenFile(unique.map(lineOf).join(''))).toEqual({ ok: true, entries: unique });
      }),
    );
    fc.assert(fc.property(fc.array(fc.oneof(fc.json(), fc.string())), (lines) => void parseTokenFile(lines.join('\n'))));
  });
});

describe('while it runs', () => {
  test('a change is taken up within seconds; one that is not accepted changes nothing, and is told once', () => {
    const [first = ''] = writeTokens(file, [{ name: 'a', role: 'viewer' }]);
    const tokens = openTokens(file, ports, log);
    expect(tokens.find(first)?.name).toBe('a');
    const [second = ''] = writeTokens(file, [{ name: 'b', role: 'admin' }]);
    clock.skipMs += 3_000;
    expect(tokens.find(second)?.name).toBe('b');
    expect(tokens.find(first)).toBeNull();
    writeFileSync(file, 'nonsense');
    for (let i = 0; i < 5; i += 1) {
      clock.skipMs += 3_000;
      expect(tokens.find(second)?.name).toBe('b');
    }
    expect(log.of('auth.tokens.refused').length).toBe(1);
    expect(tokens.reload().length).toBe(1);
    rmSync(file);
    clock.skipMs += 3_000;
    expect(tokens.find(second)?.name).toBe('b');
  });

  test('a file that others may write is not believed', () => {
    const [token = ''] = writeTokens(file, [{ name: 'a', role: 'admin' }]);
    for (const mode of [0o602, 0o620, 0o666]) {
      chmodSync(file, mode);
      expect(openTokens(file, ports, log).find(token)).toBeNull();
    }
    chmodSync(file, 0o644);
    expect(openTokens(file, ports, log).find(token)?.name).toBe('a');
  });
});

describe('tidegate token', () => {
  const made = (name: string, given: object = {}): string => {
    out = '';
    expect(tokenNew({ file, name, role: 'operator', ...given }, desk)).toBe(0);
    return out.trim();
  };

  test('new prints the token once and keeps its hash; list says who; revoke takes back; comments and the mode stay', () => {
    writeFileSync(file, '# people', { mode: 0o640 });
    const alice = made('alice', { service: ['web.example.test'], ttl: '90d' });
    const bob = made('bob');
    const text = readFileSync(file, 'utf8');
    for (const token of [alice, bob]) expect(text).not.toContain(token.slice(3, 30));
    const tokens = openTokens(file, ports, log);
    expect(tokens.find(alice)).toMatchObject({ name: 'alice', role: 'operator', services: ['web.example.test'] });
    out = '';
    tokenList({ file, json: true }, desk);
    expect(JSON.parse(out).tokens).toMatchObject([
      { name: 'alice', expired: false },
      { name: 'bob', expiresAt: null },
    ]);
    clock.skipMs = 91 * 24 * 3_600_000;
    out = '';
    tokenList({ file }, desk);
    expect(out).toMatch(/alice\s+operator\s+web\.example\.test\s+expired /);
    tokenRevoke('alice', { file }, desk);
    expect(tokens.find(alice)).toBeNull();
    expect(tokens.find(bob)?.name).toBe('bob');
    expect(readFileSync(file, 'utf8')).toMatch(/^# people\n/);
    expect(statSync(file).mode & 0o777).toBe(0o640);
    expect(() => tokenRevoke('alice', { file }, desk)).toThrow(/has no entry alice/);
  });

  test('makes the file for its owner only, and refuses what makes no sense, with nothing written', () => {
    for (const given of [{ role: 'root' }, { name: 'a b' }, { ttl: 'soon' }, { ttl: '0s' }, { service: ['*'] }])
      expect(() => tokenNew({ file, name: 'a', role: 'viewer', ...given }, desk)).toThrow(expect.objectContaining({ code: 'ERR_USAGE' }));
    expect(() => statSync(file)).toThrow();
    made('a');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const before = readFileSync(file, 'utf8');
    expect(() => made('a')).toThrow(/has an entry a already/);
    writeFileSync(file, `${before}nonsense\n{}\n`);
    expect(() => made('b')).toThrow(expect.objectContaining({ code: 'ERR_CONFIG' }));
    expect(readFileSync(file, 'utf8')).toBe(`${before}nonsense\n{}\n`);
  });
});

describe('tidegate breakglass', () => {
  test('keygen and sign: the key stays in its file, the token says until when, and never beyond an hour', () => {
    const key = join(folder, 'key.pem');
    breakGlassKeygen({ out: key }, desk);
    expect(out.trim()).toMatch(/^[\w-]{43}$/);
    expect(statSync(key).mode & 0o777).toBe(0o600);
    expect(() => breakGlassKeygen({ out: key }, desk)).toThrow(/never overwritten/);
    out = '';
    const sign = (given: object = {}) =>
      breakGlassSign({ key, cluster: 'prod', name: 'ann', role: 'approver', reason: 'store lost', ttl: '30m', ...given }, desk);
    sign();
    expect(out.trim()).toMatch(/^tgbg\.[\w-]+\.[\w-]{86}$/);
    expect(err).toContain('good for one act in prod');
    const claims = JSON.parse(Buffer.from(out.split('.')[1] ?? '', 'base64url').toString());
    expect(claims).toMatchObject({ cluster: 'prod', name: 'ann', role: 'approver', reason: 'store lost' });
    expect(claims.exp - claims.iat).toBe(1800);
    for (const given of [{ ttl: '61m' }, { ttl: '0s' }, { role: 'root' }, { reason: ' ' }, { name: 'a b' }, { service: ['*'] }])
      expect(() => sign(given)).toThrow(expect.objectContaining({ code: 'ERR_USAGE' }));
    chmodSync(key, 0o644);
    expect(() => sign()).toThrow(/other users can read it/);
  });
});

test('the checksum is of the random part: the same one always makes the same token', () => {
  expect(tokenOf('00'.repeat(20))).toBe('tg_00000000000000000000000000000000000000000198a448');
});
