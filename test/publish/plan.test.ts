import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Fence, ProviderService, ReadBack } from '../../providers/provider.ts';
import { desiredOf, driftOf, newsOf, stepFor, writable } from '../../src/publish/plan.ts';
import { clusterOf } from '../world.ts';
import { routingOf } from './fixture.ts';

const cluster = clusterOf(['a', 'b'], [{ name: 'web' }]);
const service = cluster.services[0]!;
const desired: ProviderService = desiredOf(service, routingOf(7, { web: 7 }).services.web!);
const fence = (v: number): Fence => ({ v, epoch: 1, writer: 'w', nonce: 'n', hash: 'h' });
const quantise = (s: ProviderService): Record<string, number> => Object.fromEntries(s.pools.map((p) => [p.pool, p.share]));
const back = (v: number | null, shares: Record<string, number> | null = quantise(desired), foreign: string[] = []): ReadBack => ({
  fence: v === null ? null : fence(v),
  shares,
  foreign,
  token: null,
});
const step = (b: ReadBack | undefined, acknowledged: number | null = 6) => stepFor({ desired, fence: fence(7), acknowledged }, b, quantise);

describe('a step', () => {
  test.each([
    ['nothing there and never written: the first write', undefined, null, { kind: 'write', why: 'behind', because: 'first write' }],
    ['the fence is gone after it was written: created anew, and told', back(null), 6, { kind: 'write', why: 'fence-lost' }],
    ['an older fence: written', back(6), 6, { kind: 'write', why: 'behind', because: 'fence 6 -> 7' }],
    ['the same fence and content: nothing', back(7), 6, { kind: 'done', fence: 7 }],
    ['the same fence, other shares: drift', back(7, { a: 0, b: 1000 }), 7, { kind: 'write', why: 'drift' }],
    ['the same fence, a strange answer: drift', back(7, undefined, ['198.51.100.9']), 7, { kind: 'write', why: 'drift' }],
    ['a newer fence: never written', back(8), 7, { kind: 'ahead', fence: 8 }],
    ['a fence of 10^9 from a stranger: never written', back(1_000_000_000), 7, { kind: 'ahead' }],
  ])('%s', (_claim, b, acknowledged, expected) => {
    expect(step(b, acknowledged)).toMatchObject(expected);
  });

  test('what is compared on write is exactly what was read', () => {
    const read = back(6);
    const s = step(read);
    expect(s.kind === 'write' && s.change.previous).toBe(read);
  });

  test('a lower fence never becomes a write over a higher one', () => {
    fc.assert(
      fc.property(fc.nat(50), fc.nat(50), (served, decided) => {
        const s = stepFor({ desired, fence: fence(decided), acknowledged: decided }, back(served), quantise);
        expect(s.kind === 'write').toBe(served < decided);
      }),
    );
  });
});

test('drift says who serves what instead of what', () => {
  expect(driftOf(desired, back(7, { a: 500, b: 500 }), quantise)).toBe('web: a serves 500 instead of 1000, b serves 500 instead of 0');
  expect(driftOf(desired, back(7), quantise)).toBeNull();
});

test('only decided services in auto are written, and only by their own provider', () => {
  const names = (routing: ReturnType<typeof routingOf>, provider = 'memory') =>
    writable(cluster, routing.services, provider).map((w) => w.service.name);
  expect(names(routingOf(3, { web: 3 }))).toEqual(['web']);
  expect(names(routingOf(3, { web: 0 }))).toEqual([]);
  expect(names(routingOf(3, { web: 3 }, 0, 'advise'))).toEqual([]);
  expect(names(routingOf(3, { web: 3 }), 'other')).toEqual([]);
});

test('a route without traffic on any configured pool is never written', () => {
  const gone = routingOf(3, { web: 3 });
  const web = gone.services.web!;
  expect(writable(cluster, { web: { ...web, route: { gone: 1000 } } }, 'memory')).toEqual([]);
  expect(writable(cluster, { web: { ...web, route: { a: 0, b: 0 } } }, 'memory')).toEqual([]);
  expect(writable(cluster, { web: { ...web, route: { a: 1, gone: 999 } } }, 'memory')).toHaveLength(1);
});

test.each([
  ['first write', undefined, null, null],
  ['an older fence', back(6), 6, null],
  ['nothing to do', back(7), 7, null],
  ['drift', back(7, { a: 0, b: 1000 }), 7, { type: 'provider.drift', severity: 'warning' }],
  ['the fence is gone', back(null), 6, { type: 'provider.fence_lost', severity: 'warning' }],
  ['ahead', back(8), 7, { type: 'provider.ahead', severity: 'critical' }],
])('of a step, humans hear what is out of the ordinary: %s', (_claim, b, acknowledged, expected) => {
  const news = newsOf(step(b, acknowledged));
  if (expected === null) expect(news).toBeNull();
  else expect(news).toMatchObject(expected);
});
