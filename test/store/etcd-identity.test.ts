// The state machine that tells a store that was replaced or restored from the one we knew.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createIdentity } from '../../src/store/identity.ts';

const at = (rev: number, clusterId = 'c1') => ({ clusterId, rev });
const adopted = (nonce: string, atMs: number) => ({ nonce, atMs });

describe('a store that stays itself', () => {
  test('is empty before its first reply, and then known by its cluster', () => {
    const identity = createIdentity();
    expect(identity.clusterId()).toBe('');
    expect(identity.learn(at(5), identity.before(), null)).toBe('ok');
    expect(identity.clusterId()).toBe('c1');
  });

  test('replies that overtake each other freeze nothing, however they are interleaved', () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 9 }), { maxLength: 200 }), (choices) => {
        const identity = createIdentity();
        let rev = 0;
        const open: { before: ReturnType<typeof identity.before>; rev: number }[] = [];
        for (const choice of choices) {
          if (choice < 5 || open.length === 0) {
            // Linearizable: answered at some revision from the one current when the request left.
            const before = identity.before();
            rev += choice;
            open.push({ before, rev });
          } else {
            const [request] = open.splice(choice % open.length, 1);
            expect(identity.learn(at(request!.rev), request!.before, choice % 2 === 0 ? null : undefined)).toBe('ok');
          }
        }
        expect(identity.frozen()).toBeNull();
      }),
    );
  });

  test('an adoption while all is well changes nothing', () => {
    const identity = createIdentity();
    identity.learn(at(5), identity.before(), null);
    expect(identity.learn(at(6), identity.before(), adopted('a', 1))).toBe('ok');
  });
});

describe('a store that is another', () => {
  test('another cluster freezes it, and says which was expected and which was found', () => {
    const identity = createIdentity();
    identity.learn(at(5), identity.before(), null);
    expect(identity.learn(at(500, 'c2'), identity.before(), null)).toBe('frozen');
    expect(identity.frozen()).toMatch(/expected cluster c1; this is cluster c2 at revision 500/);
    expect(identity.clusterId()).toBe('c1');
  });

  test('a revision below the one known when the request left freezes it; below the newest alone does not', () => {
    const identity = createIdentity();
    const early = identity.before();
    identity.learn(at(50), identity.before(), null);
    expect(identity.learn(at(49), early, null)).toBe('ok');
    expect(identity.learn(at(49), identity.before(), undefined)).toBe('frozen');
    expect(identity.frozen()).toMatch(/expected revision 50 or later; this is cluster c1 at revision 49/);
  });

  test('frozen it stays: no reply of either store ends it, nor one that does not speak of an adoption', () => {
    const identity = createIdentity();
    identity.learn(at(50), identity.before(), adopted('old', 1000));
    identity.learn(at(3), identity.before(), undefined);
    for (const [rev, mark] of [
      [60, null],
      [61, undefined],
      [62, adopted('old', 1000)],
      // Known before under another nonce, or written by an earlier adoption that the restored copy holds.
      [63, adopted('older', 999)],
      [64, adopted('other', 1000)],
      [65, adopted('old', 5000)],
    ] as const)
      expect(identity.learn(at(rev), identity.before(), mark)).toBe('frozen');
  });

  test('a later adoption ends it, and the store is known from there on', () => {
    const identity = createIdentity();
    identity.learn(at(50), identity.before(), adopted('old', 1000));
    identity.learn(at(3, 'c2'), identity.before(), null);
    expect(identity.learn(at(4, 'c2'), identity.before(), adopted('new', 1001))).toBe('adopted');
    expect(identity.frozen()).toBeNull();
    expect(identity.clusterId()).toBe('c2');
    expect(identity.learn(at(5, 'c2'), identity.before(), adopted('new', 1001))).toBe('ok');
    expect(identity.learn(at(4, 'c2'), identity.before(), undefined)).toBe('frozen');
    // The same adoption does not count twice.
    expect(identity.learn(at(6, 'c2'), identity.before(), adopted('new', 1001))).toBe('frozen');
  });

  test('an adoption that appears while it is frozen ends it, though the clock of who made it is an hour behind (simulator, seed 335)', () => {
    const identity = createIdentity();
    identity.learn(at(50), identity.before(), adopted('second', 9_000_000));
    // The restored copy is of before the second adoption.
    expect(identity.learn(at(10), identity.before(), adopted('first', 1000))).toBe('frozen');
    expect(identity.learn(at(11), identity.before(), adopted('first', 1000))).toBe('frozen');
    expect(identity.learn(at(12), identity.before(), adopted('third', 1001))).toBe('adopted');
    expect(identity.frozen()).toBeNull();
  });

  test('restored once more while frozen, to a copy with an older adoption or to another cluster, it stays frozen', () => {
    const identity = createIdentity();
    identity.learn(at(50), identity.before(), adopted('second', 9000));
    identity.learn(at(30), identity.before(), adopted('first', 1000));
    expect(identity.learn(at(20), identity.before(), adopted('zeroth', 500))).toBe('frozen');
    expect(identity.learn(at(29), identity.before(), adopted('none', 1))).toBe('frozen');
    expect(identity.learn(at(40, 'c2'), identity.before(), adopted('other', 2000))).toBe('frozen');
  });

  test('with no adoption known, the first one that appears ends it', () => {
    const identity = createIdentity();
    identity.learn(at(50), identity.before(), null);
    identity.learn(at(3), identity.before(), null);
    expect(identity.learn(at(4), identity.before(), adopted('first', 1))).toBe('adopted');
  });

  test('a reply asked for before an adoption says nothing of the store after it', () => {
    const identity = createIdentity();
    identity.learn(at(50), identity.before(), null);
    const early = identity.before();
    identity.learn(at(3), identity.before(), null);
    identity.learn(at(4), identity.before(), adopted('a', 1));
    expect(identity.learn(at(51), early, null)).toBe('late');
    expect(identity.learn(at(5), identity.before(), undefined)).toBe('ok');
    expect(identity.frozen()).toBeNull();
  });

  test('an older read that arrives late does not bring an older adoption back as the one known', () => {
    const identity = createIdentity();
    const early = identity.before();
    identity.learn(at(50), identity.before(), adopted('new', 2000));
    identity.learn(at(40), early, adopted('old', 1000));
    identity.learn(at(3), identity.before(), undefined);
    expect(identity.learn(at(4), identity.before(), adopted('new', 2000))).toBe('frozen');
  });
});
