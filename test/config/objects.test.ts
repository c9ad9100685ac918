// Entries that lead to the same object of a vendor are refused, whichever way they spell it; two ways to a service that differ there are what lists are for.
// The files of it are fixtures/config/bad-*-two-entries.yaml.
import { describe, expect, test } from 'vitest';
import type { ProviderConfig } from '../../providers/index.ts';
import { joinProblems } from '../../src/config/check.ts';
import { sharedObjects } from '../../src/config/objects.ts';
import { showPath } from '../../src/config/problem.ts';
import { clusterOf } from '../world.ts';
import { accepted, fixture } from './files.ts';

const entriesOf = (name: string) => accepted(fixture(`good-${name}.yaml`)).config.providers;
const entry = (name: string, called: string): ProviderConfig => entriesOf(name)[called] ?? expect.fail(`no ${called}`);
const found = (providers: Readonly<Record<string, ProviderConfig>>, service = 'web.example.test'): readonly string[] => {
  const [provider = '', ...also] = Object.keys(providers);
  const cluster = clusterOf(['eu-west', 'us-east'], [{ name: service, provider, also }]);
  return sharedObjects(providers, cluster).map(({ path, message }) => `${showPath(path)}: ${message}`);
};
const at = (port: number) => ({ host: '127.0.0.1', port });
const KEY = { name: 'k', algorithm: 'hmac-sha256', file: 'k' } as const;
const rfc2136 = (zone: string, port: number) => ({ kind: 'rfc2136', zone, server: at(port), key: KEY }) as unknown as ProviderConfig;

test('every good file has objects of its own for every service', () => {
  for (const name of ['cloudflare', 'gclb', 'kubernetes', 'route53']) expect(sharedObjects(entriesOf(name), null)).toEqual([]);
});

describe('the same object by two entries', () => {
  test.each<[string, Readonly<Record<string, ProviderConfig>>, string | undefined, readonly unknown[]]>([
    [
      'a load balancer',
      { a: entry('cloudflare', 'edge'), b: entry('cloudflare', 'edge') },
      undefined,
      [
        'providers.b.services.web.example.test: found load balancer 699d98642c564d2e855e9661899b7252 for provider "b", expected an object of its own, since provider "a" writes it for web.example.test; remove one of the two',
      ],
    ],
    [
      'records of a zone at Cloudflare',
      { a: entry('cloudflare', 'dns'), b: entry('cloudflare', 'dns') },
      undefined,
      [expect.stringMatching(/^cluster\.services\[0\]\.provider: found the records of web.example.test in zone 023e/)],
    ],
    [
      'a backend service',
      { a: entry('gclb', 'backends'), b: { ...entry('gclb', 'backends'), credentialsFile: 'other' } as ProviderConfig },
      undefined,
      [expect.stringContaining('found backend service web-backend of project tide-project')],
    ],
    [
      'a fence in a hosted zone, whatever the mode',
      { a: entry('route53', 'failover'), b: entry('route53', 'switches') },
      'api.example.test',
      [expect.stringContaining('found the records of api.example.test in hosted zone Z0123456789ABC')],
    ],
    [
      'a routing control',
      { a: entry('route53', 'arc'), b: entry('route53', 'arc') },
      undefined,
      [expect.stringContaining('routing control arn:')],
    ],
    [
      'a route of a cluster',
      { a: entry('kubernetes', 'mesh'), b: entry('kubernetes', 'mesh') },
      undefined,
      [expect.stringContaining('found route prod/web of ')],
    ],
    ['a zone of a server', { a: rfc2136('test', 53), b: rfc2136('test', 53) }, undefined, [expect.stringContaining('at 127.0.0.1:53')]],
  ])('%s', (_what, providers, service, expected) => {
    expect(found(providers, service)).toEqual(expected);
  });
});

test('two ways that differ at the vendor are fine', () => {
  expect(found({ a: entry('cloudflare', 'edge'), b: entry('cloudflare', 'dns') })).toEqual([]);
  expect(found({ a: entry('route53', 'failover'), b: entry('route53', 'arc') })).toEqual([]);
  expect(found({ a: entry('gclb', 'backends'), b: entry('gclb', 'maps') })).toEqual([]);
  expect(found({ a: rfc2136('test', 53), b: rfc2136('test', 54) })).toEqual([]);
});

test('one entry says for two services what is its own; another may have services that this one has not', () => {
  const dns = entry('cloudflare', 'dns');
  const cluster = clusterOf(
    ['eu-west', 'us-east'],
    [
      { name: 'web.example.test', provider: 'a' },
      { name: 'api.example.test', provider: 'b' },
    ],
  );
  expect(sharedObjects({ a: dns, b: dns }, cluster)).toEqual([]);
});

test('a replica that takes the cluster from its store does not join one either', () => {
  const providers = { a: entry('cloudflare', 'dns'), b: entry('cloudflare', 'dns') };
  const cluster = clusterOf(['eu-west', 'us-east', 'ap-south'], [{ name: 'web.example.test', provider: 'a', also: ['b'] }]);
  expect(joinProblems({ region: 'eu-west', providers }, cluster)).toContainEqual(expect.stringContaining('since provider "a" writes it'));
});

describe('a service whose pools have no answers', () => {
  const good = fixture('good-gclb.yaml');
  const CONVERGE = /^ +converge: .*\n/m;
  const warnings = (text: string): readonly string[] => accepted(text).warnings.map(({ path, message }) => `${path}: ${message}`);

  test('and no request is warned of, as nobody measures it', () => {
    expect(warnings(good.replace(CONVERGE, ''))).toEqual([
      expect.stringMatching(
        /^cluster\.services\[0\]: found no converge\.resolvers with a converge\.request for web\.example\.test, expected both/,
      ),
    ]);
  });

  test.each(["resolvers: ['192.0.2.53:53'], ", 'request: { port: 443, path: /where, tls: true }'])('with all but %s is, too', (part) => {
    expect(warnings(good.replace(part, ''))).toHaveLength(1);
  });

  test('with both is not', () => expect(warnings(good)).toEqual([]));
});
