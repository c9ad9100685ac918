import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatFence, parseFence } from '../../providers/fence.ts';
import type { Fence, ProviderService, ReadBack } from '../../providers/provider.ts';
import type { AppliedRecord } from '../../src/model.ts';
import { desiredOf, driftOf, newsOf, nonceOf, stepFor, writable } from '../../src/publish/plan.ts';
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
const PROVIDER = {
  quantise,
  can: { fencing: 'conditional', weights: 'exact', batchMax: 1000, servesAnswers: true, ttlFloorS: 1, checkedOn: '2026-11-22' },
} as const;
const applied = (v: number, fields: Partial<AppliedRecord> = {}): AppliedRecord => ({
  fence: v,
  atMs: 0,
  outcome: 'applied',
  because: '',
  ...fields,
});
const step = (b: ReadBack | undefined, acknowledged: number | null = 6) =>
  stepFor({ desired, fence: fence(7), applied: acknowledged === null ? null : applied(acknowledged) }, b, PROVIDER);

describe('a step', () => {
  test.each([
    ['nothing there and never written: the first write', undefined, null, { kind: 'write', why: 'behind', because: 'first write' }],
    ['the fence is gone after it was written: created anew, and told', back(null), 6, { kind: 'write', why: 'fence-lost' }],
    [
      'not to be read: nothing is known to be gone, and the provider says why',
      { ...back(null), unread: 'it is down' },
      6,
      { why: 'behind', because: 'it is down' },
    ],
    ['an older fence: written', back(6), 6, { kind: 'write', why: 'behind', because: 'fence 6 -> 7' }],
    ['the same fence and content: nothing', back(7), 6, { kind: 'done', fence: { v: 7 } }],
    ['the same fence, other shares: drift', back(7, { a: 0, b: 1000 }), 7, { kind: 'write', why: 'drift' }],
    ['the same fence, a strange answer: drift', back(7, undefined, ['198.51.100.9']), 7, { kind: 'write', why: 'drift' }],
    ['a newer fence: never written', back(8), 7, { kind: 'ahead', fence: { v: 8 } }],
    ['a fence of 10^9 from a stranger: never written', back(1_000_000_000), 7, { kind: 'ahead' }],
  ])('%s', (_claim, b, acknowledged, expected) => {
    expect(step(b, acknowledged)).toMatchObject(expected);
  });

  const OURS = { ...fence(7), nonce: 'd7-aaaa' };
  const stepWith = (carried: Partial<Fence>, known: AppliedRecord | null, shares?: Record<string, number>) =>
    stepFor({ desired, fence: OURS, applied: known }, { ...back(7, shares), fence: { ...OURS, ...carried } }, PROVIDER);
  const HAND = { writer: 'manual/alice', nonce: 'h' };

  test.each<[string, Partial<Fence>, AppliedRecord | null, object]>([
    ['another write of the same decision: done', { nonce: 'd7-bbbb', epoch: 9, writer: 'x' }, null, { kind: 'done' }],
    ['the same number of another decision: ahead', { nonce: 'd9-bbbb' }, applied(6), { kind: 'ahead', fence: { v: 7 } }],
    ['... however the rest agrees', { nonce: 'd9-aaaa' }, applied(7, { nonce: 'd7-aaaa', hash: 'h' }), { kind: 'ahead' }],
    ['the same number, written by a release that names no decision: taken as ours', { nonce: 'abcdef' }, applied(6), { kind: 'done' }],
    ['our decision with another content that cannot be read back: written', { nonce: 'd7-b', hash: 'f' }, applied(7), { why: 'behind' }],
    ['a human with a higher number: manual', { ...HAND, v: 8 }, applied(7), { kind: 'manual', fence: { v: 8 } }],
    ['a human with our number: manual', HAND, applied(7), { kind: 'manual', fence: { v: 7 } }],
    ['a human with a number that decisions have passed: manual', { ...HAND, v: 3 }, applied(2), { kind: 'manual', fence: { v: 3 } }],
    ['a human whom nobody acknowledged yet: manual', { ...HAND, v: 3 }, applied(3, { nonce: 'h', outcome: 'manual' }), { kind: 'manual' }],
    ['a human who was acknowledged: written over', { ...HAND, v: 6 }, applied(6, { nonce: 'h' }), { kind: 'write', why: 'behind' }],
    ['another write by hand than the acknowledged one: manual', { ...HAND, v: 6 }, applied(6, { nonce: 'g' }), { kind: 'manual' }],
    ['a hand that a record without a nonce seems to know: manual', { ...HAND, v: 6 }, applied(6), { kind: 'manual' }],
    [
      'frozen before, and passed by a decision under way: ahead',
      { v: 6, nonce: 'x-1' },
      applied(6, { outcome: 'frozen', nonce: 'x-1' }),
      { kind: 'ahead' },
    ],
    [
      'frozen before, but put right since: written',
      { v: 5, nonce: 'd5-1' },
      applied(6, { outcome: 'frozen', nonce: 'x-1' }),
      { kind: 'write' },
    ],
    ['frozen before, now ours again: done', {}, applied(9, { outcome: 'frozen', nonce: 'x-1' }), { kind: 'done' }],
    ['gone back behind what was acknowledged: told', { v: 5, nonce: 'd5-1' }, applied(6), { kind: 'write', why: 'drift' }],
  ])('%s', (_claim, carried, known, expected) => {
    expect(stepWith(carried, known)).toMatchObject(expected);
  });

  test('where no fence is kept, only what is served counts', () => {
    const blind = { ...PROVIDER, can: { ...PROVIDER.can, fencing: 'none' } } as const;
    const blindly = (known: AppliedRecord | null, shares?: Record<string, number> | null) =>
      stepFor({ desired, fence: OURS, applied: known }, back(null, shares), blind);
    expect(blindly(applied(7))).toMatchObject({ kind: 'done', fence: { v: 7 } });
    expect(blindly(null, null)).toMatchObject({ kind: 'write', why: 'behind' });
    expect(blindly(applied(6), { a: 0, b: 1000 })).toMatchObject({ kind: 'write', why: 'behind' });
    expect(blindly(applied(7), { a: 0, b: 1000 })).toMatchObject({ kind: 'write', why: 'drift' });
  });

  test('what is compared on write is exactly what was read', () => {
    const read = back(6);
    const s = step(read);
    expect(s.kind === 'write' && s.change.previous).toBe(read);
  });

  test('a lower fence never becomes a write over a higher one', () => {
    fc.assert(
      fc.property(fc.nat(50), fc.nat(50), (served, decided) => {
        const s = stepFor({ desired, fence: fence(decided), applied: applied(decided) }, back(served), PROVIDER);
        expect(s.kind === 'write').toBe(served < decided);
      }),
    );
  });
});

test('the nonce of a fence names its decision where one is known, and always fits the fence', () => {
  expect(nonceOf('0123456789abcdef', 'cafe')).toBe('0123456789abcdef-cafe');
  for (const odd of [undefined, '', 'not-a-word', 'x'.repeat(25)]) expect(nonceOf(odd, 'cafe')).toBe('cafe');
  const text = formatFence({ v: 7, epoch: 1, writer: 'w', nonce: nonceOf('0'.repeat(24), '0'.repeat(8)), hash: 'ab' });
  expect(parseFence(text)).not.toBeNull();
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
  ['a human', { ...back(8), fence: { ...fence(8), writer: 'manual/alice' } }, 7, { type: 'provider.manual', severity: 'critical' }],
  ['ahead', back(8), 7, { type: 'provider.ahead', severity: 'critical' }],
])('of a step, humans hear what is out of the ordinary: %s', (_claim, b, acknowledged, expected) => {
  const news = newsOf(step(b, acknowledged));
  if (expected === null) expect(news).toBeNull();
  else expect(news).toMatchObject(expected);
});
