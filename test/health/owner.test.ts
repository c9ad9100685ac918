// Who owns a target among a region's replicas: total, the same for everybody, fair, and moved by nothing but its owner's leaving or a newcomer's claim.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ownerOf } from '../../src/health/owner.ts';
import { targetId } from '../../src/model.ts';

const names = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 12 }), { minLength: 1, maxLength: 8 });
const targets = Array.from({ length: 5000 }, (_, i) =>
  targetId(`svc-${i % 50}`, ['eu-west', 'us-east', 'ap-south'][i % 3] ?? '', `app-${i}`),
);

const shares = (peers: readonly string[]): ReadonlyMap<string, number> => {
  const counts = new Map<string, number>();
  for (const target of targets) counts.set(ownerOf(target, peers), (counts.get(ownerOf(target, peers)) ?? 0) + 1);
  return counts;
};

describe('the owner of a target', () => {
  test('is always one of the peers', () => {
    fc.assert(fc.property(fc.string(), names, (target, peers) => peers.includes(ownerOf(target, peers))));
    expect(ownerOf('web/b/app', [])).toBe('');
  });

  test('is the same in whatever order the peers are named', () => {
    fc.assert(
      fc.property(
        fc.string(),
        names.chain((peers) => fc.tuple(fc.constant(peers), fc.shuffledSubarray(peers, { minLength: peers.length }))),
        (target, [peers, shuffled]) => ownerOf(target, shuffled) === ownerOf(target, peers),
      ),
    );
  });

  test('stays when another peer leaves, and when one joins it stays or is the newcomer', () => {
    fc.assert(
      fc.property(fc.string(), names, fc.string({ minLength: 1 }), (target, peers, newcomer) => {
        const owner = ownerOf(target, peers);
        for (const gone of peers)
          if (gone !== owner)
            expect(
              ownerOf(
                target,
                peers.filter((p) => p !== gone),
              ),
            ).toBe(owner);
        expect([owner, newcomer]).toContain(ownerOf(target, [...peers, newcomer]));
      }),
    );
  });

  test.each([
    [['a', 'b']],
    [['a', 'b', 'c']],
    [['tidegate-0', 'tidegate-1', 'tidegate-2']],
    [['tidegate-7d9c5b6f4-x2x9k', 'tidegate-7d9c5b6f4-q8w4z']],
    [['1', '2', '3', '4', '5', '6', '7']],
  ])('of 5000 targets each of %j has its share, within a tenth', (peers) => {
    const fair = targets.length / peers.length;
    const counts = shares(peers);
    for (const peer of peers) expect(Math.abs((counts.get(peer) ?? 0) - fair) / fair, peer).toBeLessThan(0.1);
  });
});
