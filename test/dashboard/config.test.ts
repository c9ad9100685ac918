// What a file may say of the page: with whom it goes on, and how one signs in. Every key of it is in test/fixtures/config/full.yaml.
import { describe, expect, test } from 'vitest';
import { parseConfig } from '../../src/config/load.ts';
import { needsRestart } from '../../src/config/transition.ts';
import { accepted, fixture, problemsOf } from '../config/files.ts';

const FULL = fixture('full.yaml');
const PEERS = "dashboard: { peers: { us-east: 'https://tidegate.us-east.example.net:7700', ap-south: 'http://127.0.0.1:7702' } }";
const fullWith = (from: string, to: string): string => {
  if (!FULL.includes(from)) throw new Error(`full.yaml has no ${from}`);
  return FULL.replace(from, () => to);
};
const peersAs = (url: string) => parseConfig(fullWith(PEERS, `dashboard: { peers: { us-east: '${url}' } }`), 'f');

describe('dashboard.peers', () => {
  test('are origins: by https, or of this machine', () => {
    const loaded = peersAs('https://US-East.example.net:443/');
    expect(loaded.ok && loaded.config.dashboard).toEqual({ peers: { 'us-east': 'https://us-east.example.net' } });
    for (const url of [
      'http://us-east.example.net',
      'https://us-east.example.net/page',
      'https://ana@us-east.example.net',
      'us-east',
      'https://a; script-src *',
    ])
      expect(problemsOf(peersAs(url)), url).toMatchObject([{ path: 'dashboard.peers.us-east' }]);
  });

  test('name one host each: no pattern, by which the page could speak with many, and no end of its policy', () => {
    for (const url of ['https://*.example.net', 'https://*', 'https://a;sandbox', "https://'self'", 'https://a,b'])
      expect(problemsOf(peersAs(url.replaceAll("'", "''"))), url).toMatchObject([{ path: 'dashboard.peers.us-east' }]);
    for (const url of [
      'https://eu_west.example.net:7700',
      'https://192.0.2.1',
      'https://[2001:db8::1]:7700',
      'https://xn--bcher-kva.example',
    ])
      expect(peersAs(url), url).toMatchObject({ ok: true, config: { dashboard: { peers: { 'us-east': url } } } });
  });

  test('may be absent, and a change of them needs a restart', () => {
    const without = accepted(fullWith(`${PEERS}\n`, '')).config;
    expect(without.dashboard).toBeUndefined();
    expect(needsRestart(accepted(FULL).config, without)).toMatchObject([{ path: 'dashboard' }]);
  });
});

describe('api.auth.oidc.signIn', () => {
  test('asks for openid alone unless it says more, and finds the addresses by itself', () => {
    const text = fullWith('        scopes: [openid, email]\n', '')
      .replace(/ {8}authorizationUrl: .*\n/, '')
      .replace(/ {8}tokenUrl: .*\n/, '');
    const { signIn } = accepted(text).config.api.auth?.oidc ?? {};
    expect(signIn).toMatchObject({ clientId: 'tidegate-dashboard', scopes: ['openid'] });
    expect(signIn?.tokenUrl).toBeUndefined();
  });

  test('names both addresses, or none', () => {
    for (const line of [/ {8}authorizationUrl: .*\n/, / {8}tokenUrl: .*\n/])
      expect(problemsOf(parseConfig(FULL.replace(line, ''), 'f'))).toMatchObject([
        { path: 'api.auth.oidc.signIn', message: expect.stringContaining('together, or neither') },
      ]);
  });

  test('takes no address without TLS, no scope with a space in it, and no key that is unknown', () => {
    const wrong = [
      ['https://id.example.net/realms/sre/token', 'http://id.example.net/token', 'tokenUrl'],
      ['[openid, email]', "['openid email']", 'scopes'],
      ['clientId: tidegate-dashboard', 'clientId: tidegate-dashboard\n        secret: abc', ''],
    ] as const;
    for (const [from, to, path] of wrong) {
      const [problem] = problemsOf(parseConfig(fullWith(from, to), 'f'));
      expect(problem?.path, to).toContain(`api.auth.oidc.signIn${path === '' ? '' : `.${path}`}`);
    }
  });
});
