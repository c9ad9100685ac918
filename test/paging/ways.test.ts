// Ways out that fail apart, and routes that tell nobody who could act.
import { expect, test } from 'vitest';
import type { ChannelConfig } from '../../src/paging/index.ts';
import { deafRoute, waysOf } from '../../src/paging/ways.ts';

const hook = (name: string, url: string): ChannelConfig => ({ kind: 'webhook', name, url, secretFiles: ['/s'] });
const secretHook = (name: string, urlFile: string): ChannelConfig => ({ kind: 'webhook', name, urlFile, secretFiles: ['/s'] });
const chat = (kind: 'slack' | 'teams', name: string): ChannelConfig => ({ kind, name, urlFile: `/${name}` });
const alerts = (kind: 'opsgenie' | 'jsm', name: string, url: string): ChannelConfig => ({ kind, name, url, keyFile: '/k' });
const members = (name: string, ...urls: string[]): ChannelConfig => ({ kind: 'alertmanager', name, urls, labels: {} });
const mail = (name: string, host: string): ChannelConfig => ({
  kind: 'email',
  name,
  host,
  port: 465,
  tls: 'implicit',
  from: 'a@b',
  to: ['c@d'],
});

test.each<[string, readonly ChannelConfig[], readonly (readonly string[])[]]>([
  ['none', [], []],
  ['two paths of one host', [hook('a', 'https://h.example/x'), hook('b', 'https://h.example/y')], [['a', 'b']]],
  ['two ports of one machine', [hook('a', 'https://h.example/'), hook('b', 'https://h.example:8443/')], [['a'], ['b']]],
  ['two hosts', [hook('a', 'https://h.example/'), hook('b', 'https://i.example/')], [['a'], ['b']]],
  ['one file of an address, and another', [secretHook('a', '/a'), secretHook('b', '/a'), secretHook('c', '/c')], [['a', 'b'], ['c']]],
  ['two rooms of one chat, and another chat', [chat('slack', 'a'), chat('slack', 'b'), chat('teams', 'c')], [['a', 'b'], ['c']]],
  ['two kinds at one host', [alerts('opsgenie', 'a', 'https://h.example'), alerts('jsm', 'b', 'https://h.example')], [['a'], ['b']]],
  [
    'the same members in another order',
    [members('a', 'http://m1:9093', 'http://m2:9093'), members('b', 'http://m2:9093', 'http://m1:9093')],
    [['a', 'b']],
  ],
  ['two lists of one mail server', [mail('a', 'smtp.example'), mail('b', 'smtp.example'), mail('c', 'other.example')], [['a', 'b'], ['c']]],
])('%s', (_, channels, ways) => {
  expect(waysOf(channels)).toEqual(ways);
});

test('a route is deaf that takes critical pages and names only the log', () => {
  expect(deafRoute([])).toBe(-1);
  expect(deafRoute([{ to: ['log'], also: ['pd'] }])).toBe(-1);
  expect(deafRoute([{ severity: ['info'], to: ['log'], also: [] }])).toBe(-1);
  expect(
    deafRoute([
      { to: ['pd'], also: [] },
      { severity: ['warning', 'critical'], to: [], also: ['log'] },
    ]),
  ).toBe(1);
});
