import { describe, expect, test } from 'vitest';
import { providerEntry, shapeOf } from '../../src/config/providers/index.ts';
import { accepted, fixture } from './files.ts';

const GOOD = fixture('good-cloudflare.yaml');
const ID = '023e105f4ecef8ad9ca31a8372d0c353';
const zone = { kind: 'cloudflare', zone: 'example.test', zoneId: ID, tokenFile: './token' };

describe('an entry of kind cloudflare', () => {
  test('in both modes, with what is left out', () => {
    const { config, warnings } = accepted(GOOD);
    expect(warnings).toEqual([]);
    expect(config.providers.edge).toMatchObject({ mode: 'loadBalancer', proxied: true, sessions: 'keep', callsPer5Min: 1200 });
    expect(config.providers.edge).not.toHaveProperty('endpoint');
    expect(config.providers.dns).toMatchObject({ mode: 'dns', proxied: false, plan: 'enterprise', fencing: 'marker' });
  });

  test('its file is named relative to the configuration, as all are', () => {
    expect(accepted(GOOD, '/etc/tidegate/replica.yaml').config.providers.edge).toMatchObject({
      tokenFile: '/etc/tidegate/cloudflare.token',
    });
  });

  test('the API may be elsewhere over TLS, or on this machine without', () => {
    const isTaken = (endpoint: string): boolean => providerEntry.safeParse({ ...zone, mode: 'dns', endpoint }).success;
    for (const good of [
      'https://api.cloudflare.com/client/v4',
      'http://127.0.0.1:8080/client/v4',
      'http://[::1]:8080/v4',
      'https://proxy.example.net:8443',
    ])
      expect(isTaken(good), good).toBe(true);
    for (const bad of [
      'http://api.cloudflare.com/client/v4',
      'https://api.cloudflare.com/client/v4/',
      'https://user:hunter2@api.cloudflare.com/v4',
      'https://api.cloudflare.com/v4?x=1',
      'ftp://api.cloudflare.com/v4',
      'api.cloudflare.com',
      'https://',
    ])
      expect(isTaken(bad), bad).toBe(false);
  });

  test('a TTL counts for what is not proxied, and not for what is', () => {
    const of = (more: object): { ttl: boolean } => {
      const entry = providerEntry.parse({ ...zone, ...more });
      return shapeOf(entry).arrival(entry);
    };
    expect(of({ mode: 'loadBalancer' })).toMatchObject({ ttl: false, visibleMs: 5000 });
    expect(of({ mode: 'loadBalancer', proxied: false })).toMatchObject({ ttl: true });
    expect(of({ mode: 'dns' })).toMatchObject({ ttl: true });
    expect(of({ mode: 'dns', proxied: true })).toMatchObject({ ttl: false });
  });

  test('the least TTL is that of the plan, and none where it is proxied', () => {
    for (const [more, ttl, says] of [
      ['plan: enterprise', '29s', /expected at least 30s, .*plan "enterprise"/],
      ['plan: paid', '59s', /expected at least 60s, .*plan "paid"/],
      ['plan: free', '30s', /expected at least 60s, .*plan "free"/],
    ] as const)
      expect(() => accepted(GOOD.replace('plan: enterprise', more).replace('ttl: 30s', `ttl: ${ttl}`))).toThrow(says);
    expect(accepted(GOOD.replace('plan: enterprise', 'proxied: true').replace('ttl: 30s', 'ttl: 5s')).warnings).toEqual([]);
    const dull = GOOD.replace('mode: loadBalancer', 'mode: loadBalancer\n    proxied: false').replace(
      'provider: edge',
      'provider: edge\n      ttl: 20s',
    );
    expect(() => accepted(dull)).toThrow(/at least 30s, the least that provider "edge" has for load balancers that are not proxied/);
  });
});
