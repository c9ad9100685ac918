// What somebody with a stolen store password, or with one region's stolen key, can do to the count: nothing, or no more than that region could.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { beatKey, KEYS, voteKey } from '../../src/coordinate/keys.ts';
import { sightOf } from '../../src/coordinate/read.ts';
import { createVerifier } from '../../src/coordinate/signing.ts';
import { createTrust } from '../../src/coordinate/trust.ts';
import { tally } from '../../src/health/quorum.ts';
import { Hall, publicKey, REGIONS, Speaker, signerOf } from './speakers.ts';

const ALL = ['a/a', 'b/a', 'c/a'];
const DOWN_B = ['web/b/app'];

/** Everybody speaks and the reader has listened for a while. */
const gathered = async (options: ConstructorParameters<typeof Hall>[0] = {}) => {
  const hall = new Hall(options);
  await hall.configure();
  const reader = hall.reader();
  await hall.pass(15_000, [reader]);
  return { hall, reader };
};

/** Verdict on pool b as a reader counts it, with the number of down votes. */
const countOnB = async (hall: Hall, reader: ReturnType<Hall['reader']>) => {
  const { sight } = await hall.look(reader);
  const pool = tally(hall.cluster, sight.heard, hall.virtual.ports.clock.wallMs(), true).find((p) => p.pool === 'b');
  return { verdict: pool?.verdict, down: pool?.targets[0]?.endpoints.healthz?.down };
};

describe('a region with keys', () => {
  test('is heard by what it signs', async () => {
    const { hall, reader } = await gathered();
    expect(await hall.fresh(reader)).toEqual(ALL);
    expect(await hall.refused(reader)).toEqual({});
    for (const s of hall.speakers) s.says(DOWN_B);
    await hall.pass(3000, [reader]);
    expect(await countOnB(hall, reader)).toEqual({ verdict: 'out', down: 3 });
    expect(hall.log.of('vote.refused')).toEqual([]);
  });

  test('is not spoken for by a forged vote: unsigned, signed with another key, or altered; each is told once', async () => {
    const { hall, reader } = await gathered();
    const thief = new Speaker(hall, 'a', 'a', signerOf('thief'));
    thief.asOfRev = 60;
    thief.n = 99;
    thief.says(DOWN_B);
    const stolen = hall.speaker('a').pair();
    const unsigned = { ...stolen.vote, signature: undefined };
    for (const vote of [thief.pair().vote, unsigned, { ...stolen.vote, down: DOWN_B }, { ...stolen.vote, later: 1 }]) {
      await hall.put('a', 'a', { vote });
      for (let n = 0; n < 5; n++) await hall.look(reader);
      expect(await hall.fresh(reader)).toEqual(['b/a', 'c/a']);
      expect(await hall.refused(reader)).toEqual({ 'vote/a/a': 'it is not signed by a key of a' });
    }
    expect(hall.log.of('vote.refused')).toHaveLength(4);
    expect(hall.log.of('vote.refused')[0]?.fields).toEqual({ record: 'vote/a/a', because: 'it is not signed by a key of a' });
    await hall.pass(3000, [reader]);
    expect(await hall.fresh(reader)).toEqual(ALL);
  });

  test('may call endpoints gray, signed like all else, or say nothing of it; what is no list is no vote', async () => {
    const { hall, reader } = await gathered();
    for (const s of hall.speakers.slice(0, 2)) s.gray = ['web/b/app#readyz'];
    await hall.pass(3000, [reader]);
    const grayOnB = async (): Promise<number | undefined> =>
      tally(hall.cluster, (await hall.look(reader)).sight.heard, hall.virtual.ports.clock.wallMs()).find((p) => p.pool === 'b')?.gray;
    expect([await hall.fresh(reader), await grayOnB()]).toEqual([ALL, 1]);
    const { gray: _, ...without } = hall.speaker('a').pair().vote;
    await hall.put('a', 'a', { vote: without });
    expect(await hall.refused(reader)).toEqual({ 'vote/a/a': 'it is not signed by a key of a' });
    for (const wrong of ['web/b/app#readyz', [1], null]) {
      hall.speaker('a').gray = wrong;
      await hall.put('a', 'a', hall.speaker('a').pair());
      expect(await hall.refused(reader)).toEqual({ 'vote/a/a': 'it is no vote' });
    }
  });

  test('does not keep fresh what it no longer says: a forged beat makes its vote silent', async () => {
    const { hall, reader } = await gathered();
    const { beat } = hall.speaker('a').pair();
    await hall.put('a', 'a', { beat: { ...beat, n: beat.n + 1 } });
    expect(await hall.fresh(reader)).toEqual(['b/a', 'c/a']);
    expect(await hall.refused(reader)).toEqual({ 'beat/a/a': 'it is not signed by a key of a' });
    const { sight } = await hall.look(reader);
    expect(sight.heard.find((h) => h.region === 'a')).toMatchObject({ beat: null, ageMs: Number.POSITIVE_INFINITY });
  });

  test('cannot be spoken for by another region’s records, nor under another name of its own', async () => {
    const { hall, reader } = await gathered();
    const pair = hall.speaker('b').pair();
    await hall.put('a', 'a', pair);
    await hall.put('b', 'z', pair);
    expect(await hall.fresh(reader)).toEqual(['b/a', 'c/a']);
    expect(Object.keys(await hall.refused(reader)).sort()).toEqual(['vote/a/a', 'vote/b/z']);
  });

  test('a key that names no replica is no place for a vote', async () => {
    const { hall, reader } = await gathered();
    const { vote } = hall.speaker('b').pair();
    await hall.store.txn({ if: [], then: [{ put: 'vote/b/a/x', value: vote }] });
    expect(await hall.fresh(reader)).toEqual(ALL);
    expect(await hall.refused(reader)).toEqual({ 'vote/b/a/x': 'its key names no region and replica' });
  });
});

describe('a record written again', () => {
  test('counts with nobody who has heard that replica since', async () => {
    const { hall, reader } = await gathered();
    const a = hall.speaker('a');
    a.says(DOWN_B);
    const old = await a.speak();
    a.says([]);
    await hall.pass(500, [reader]);
    expect(await hall.fresh(reader)).toEqual(ALL);
    await hall.put('a', 'a', old);
    expect(await hall.fresh(reader)).toEqual(['b/a', 'c/a']);
    expect((await hall.refused(reader))['beat/a/a']).toMatch(/^it is number \d+ of its boot, and number \d+ was heard before$/);
    // Of an earlier boot just as little, however high its numbers.
    a.restart();
    await hall.pass(500, [reader]);
    await hall.put('a', 'a', old);
    expect((await hall.refused(reader))['beat/a/a']).toBe('it is of boot 1, and boot 2 has spoken');
    await hall.pass(2500, [reader]);
    expect(await hall.fresh(reader)).toEqual(ALL);
  });

  test('counts with nobody who has never heard that replica: its writer had seen too old a store', async () => {
    const { hall, reader } = await gathered();
    const a = hall.speaker('a');
    a.says(DOWN_B);
    const old = await a.speak();
    a.says([]);
    const others = hall.speakers.filter((s) => s !== a);
    await hall.pass(12_000, [reader]);
    // Replica a is gone, and a reader comes that remembers nothing.
    const anew = hall.reader();
    await hall.pass(15_000, [anew], others, () => hall.put('a', 'a', old));
    expect(await hall.fresh(anew)).toEqual(['b/a', 'c/a']);
    expect((await hall.refused(anew))['beat/a/a']).toMatch(
      /^its writer had seen revision \d+ last, which is older than 10\.5 s: somebody wrote an old beat again, or its writer slept$/,
    );
    expect(await countOnB(hall, anew)).toMatchObject({ down: 0 });
  });

  test('is silent with a reader that has just begun, without a word: it cannot know yet', async () => {
    const { hall } = await gathered();
    const old = hall.speaker('a').pair();
    await hall.pass(12_000, []);
    const anew = hall.reader();
    for (let n = 0; n < 10; n++) {
      await hall.put('a', 'a', old);
      expect(await hall.fresh(anew)).toEqual([]);
      expect(await hall.refused(anew)).toEqual({});
      await hall.virtual.advance(100);
    }
  });

  test('keeps the last word of a dead replica fresh no longer than evidence and one beat may be old', async () => {
    const { hall, reader } = await gathered();
    const a = hall.speaker('a');
    a.says(DOWN_B);
    const last = await a.speak();
    const others = hall.speakers.filter((s) => s !== a);
    const { freshMs, beatMs } = hall.cluster.policy;
    let freshUntilMs = 0;
    const diedAtMs = hall.virtual.now();
    await hall.pass(30_000, [reader], others, async () => {
      await hall.put('a', 'a', { beat: last.beat });
      if ((await hall.fresh(reader)).includes('a/a')) freshUntilMs = hall.virtual.now() - diedAtMs;
    });
    expect(freshUntilMs).toBeGreaterThan(0);
    expect(freshUntilMs).toBeLessThanOrEqual(freshMs + beatMs);
    expect((await hall.refused(reader))['beat/a/a']).toMatch(/somebody wrote an old beat again/);
  });

  test('is nothing that the last beat of a replica that fell silent is taken for', async () => {
    const { hall, reader } = await gathered();
    const others = hall.speakers.filter((s) => s !== hall.speaker('a'));
    for (let n = 0; n < 150; n++) {
      await hall.pass(100, [reader], others);
      expect(await hall.refused(reader)).toEqual({});
    }
    expect(await hall.fresh(reader)).toEqual(['b/a', 'c/a']);
  });

  test('from a history that the store has lost counts never', async () => {
    const { hall, reader } = await gathered();
    const a = hall.speaker('a');
    a.asOfRev = 100_000;
    const future = a.pair();
    await hall.put('a', 'a', future);
    expect(await hall.fresh(reader)).toEqual(['b/a', 'c/a']);
    expect((await hall.refused(reader))['beat/a/a']).toMatch(
      /^it knows revision 100000, and was written at \d+: it is of a history that this store lost$/,
    );
  });

  test('of one boot beside a vote of another counts not, and both are genuine', async () => {
    const { hall, reader } = await gathered();
    const a = hall.speaker('a');
    const { vote } = a.pair();
    a.restart();
    const { beat } = a.pair();
    await hall.put('a', 'a', { vote, beat });
    expect(await hall.fresh(reader)).toEqual(['b/a', 'c/a']);
    expect((await hall.refused(reader))['beat/a/a']).toBe('it is of boot 2, and the vote beside it of boot 1');
  });

  test('by a second process under the same name and boot number counts not', async () => {
    const { hall, reader } = await gathered();
    const a = hall.speaker('a');
    const { vote, beat } = a.pair();
    const twin = { boot: 'twin', signature: undefined };
    await hall.put('a', 'a', { vote: a.signed('vote', { ...vote, ...twin }), beat: a.signed('beat', { ...beat, ...twin }) });
    expect(await hall.fresh(reader)).toEqual(['b/a', 'c/a']);
    expect((await hall.refused(reader))['beat/a/a']).toBe('two processes call themselves boot 1');
  });

  test('whatever was genuine once, written again in any order: nobody is ever counted by words older than the limit', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(), { minLength: 10, maxLength: 10 }), fc.boolean(), async (picks, remembers) => {
        const { hall, reader } = await gathered();
        const a = hall.speaker('a');
        const kept: { pair: Awaited<ReturnType<Speaker['speak']>>; atMs: number }[] = [];
        for (let n = 0; n < 12; n++) {
          if (n % 5 === 4) a.restart();
          if (n % 2 === 1) a.says(n % 4 === 1 ? DOWN_B : []);
          kept.push({ pair: await a.speak(), atMs: hall.virtual.now() });
          await hall.pass(
            2500,
            [reader],
            hall.speakers.filter((s) => s !== a),
          );
        }
        const judge = remembers ? reader : hall.reader();
        const { freshMs, beatMs } = hall.cluster.policy;
        for (const pick of picks) {
          const again = kept[pick % kept.length] ?? expect.fail('nothing kept');
          const other = kept[(pick >> 4) % kept.length] ?? expect.fail('nothing kept');
          await hall.put('a', 'a', { vote: again.pair.vote, beat: pick % 3 === 0 ? other.pair.beat : again.pair.beat });
          await hall.pass(
            1000,
            [judge],
            hall.speakers.filter((s) => s !== a),
          );
          if (!(await hall.fresh(judge)).includes('a/a')) continue;
          const { sight } = await hall.look(judge);
          const { vote, beat } = sight.heard.find((h) => h.region === 'a') ?? expect.fail('not heard');
          expect(vote.boot).toBe(beat?.boot);
          const spoken = kept.find(({ pair }) => pair.beat.signature === beat?.signature) ?? expect.fail('never spoken');
          expect(hall.virtual.now() - spoken.atMs).toBeLessThanOrEqual(freshMs + beatMs);
        }
      }),
      { numRuns: 8 },
    );
  });
});

describe('keys', () => {
  test('are rotated with two active ones, without one look at which a vote is missing', async () => {
    const { hall, reader } = await gathered();
    let looks = 0;
    const allThere = async (): Promise<void> => {
      looks++;
      expect(await hall.fresh(reader)).toEqual(ALL);
    };
    await hall.configure({ a: [publicKey('a'), publicKey('a2')] });
    await hall.pass(5000, [reader], hall.speakers, allThere);
    hall.speaker('a').signer = signerOf('a2');
    await hall.pass(5000, [reader], hall.speakers, allThere);
    await hall.configure({ a: [publicKey('a2')] });
    await hall.pass(5000, [reader], hall.speakers, allThere);
    expect(looks).toBe(30);
  });

  test('that are retired count no longer, from the next look on, also for records that were verified before', async () => {
    const { hall, reader } = await gathered();
    expect(await hall.fresh(reader)).toEqual(ALL);
    await hall.configure({ a: [publicKey('a2')] });
    expect((await hall.look(reader)).sight.heard.map((h) => h.region)).toEqual(['b', 'c']);
    await hall.pass(5000, [reader]);
    expect(await hall.fresh(reader)).toEqual(['b/a', 'c/a']);
    expect(await hall.refused(reader)).toEqual({ 'vote/a/a': 'it is not signed by a key of a' });
  });

  test('one that is stolen speaks for one region, under however many names', async () => {
    const { hall, reader } = await gathered();
    const names = Array.from({ length: 40 }, (_, i) => `r${i}`);
    const mob = names.map((name) => {
      const speaker = new Speaker(hall, 'a', name, signerOf('a'));
      speaker.says(DOWN_B);
      return speaker;
    });
    // And it tries for the others, too.
    const posing = ['b', 'c'].flatMap((region) =>
      ['a', 'x'].map((name) => {
        const speaker = new Speaker(hall, region, name, signerOf('a'));
        speaker.says(DOWN_B);
        return speaker;
      }),
    );
    hall.speaker('a').says(DOWN_B);
    await hall.pass(10_000, [reader], [...mob, ...posing, ...hall.speakers]);
    expect((await hall.fresh(reader)).filter((name) => name.startsWith('a/'))).toHaveLength(41);
    const { verdict, down } = await countOnB(hall, reader);
    expect(verdict).toBe('up');
    expect(down).toBeLessThanOrEqual(1);
  });

  test('cost one verification per record, however often it is looked at', async () => {
    const { hall } = await gathered();
    const real = createVerifier();
    let verified = 0;
    const trust = createTrust({
      isGenuine(...given) {
        verified++;
        return real.isGenuine(...given);
      },
    });
    const clock = { sample: () => undefined, ageMs: () => 0, leastAgeMs: () => 0, clear: () => undefined };
    const cache = new Map();
    const read = await hall.store.get({ keys: [KEYS.members], prefixes: ['vote/', 'beat/'] });
    for (let n = 0; n < 50; n++) expect(sightOf(read, clock, 0, cache, trust).heard).toHaveLength(3);
    expect(verified).toBe(6);
    await hall.speaker('a').speak();
    const later = await hall.store.get({ keys: [KEYS.members], prefixes: ['vote/', 'beat/'] });
    for (let n = 0; n < 50; n++) sightOf(later, clock, 0, cache, trust);
    expect(verified).toBe(8);
  });
});

describe('a region without keys', () => {
  test('is heard unsigned, as the first version writes, or with any signature', async () => {
    const { hall, reader } = await gathered({ keys: {} });
    const old = {
      vote: { boot: 'x', seq: 1, configVersion: 1, self: { state: 'ok' }, peers: ['a'], down: [], unready: [], unknown: [] },
      beat: { boot: 'x', seq: 1, n: 1, configVersion: 1, suspects: {}, loopDelayMs: 0, wallMs: 0 },
    };
    await hall.put('a', 'a', old);
    await hall.put('b', 'a', { vote: { ...old.vote, signature: 'junk' }, beat: { ...old.beat, signature: 'junk' } });
    expect(await hall.fresh(reader)).toEqual(ALL);
    expect(await hall.refused(reader)).toEqual({});
  });

  test('and one with keys decide together', async () => {
    const { hall, reader } = await gathered({ keys: { a: [publicKey('a')] } });
    expect(await hall.fresh(reader)).toEqual(ALL);
    await hall.put('a', 'a', { vote: { ...hall.speaker('a').pair().vote, signature: undefined } });
    expect(await hall.fresh(reader)).toEqual(['b/a', 'c/a']);
  });
});

describe('a flood of forgeries', () => {
  test('fills no log: a look tells of twenty, and of how many more there are', async () => {
    const { hall, reader } = await gathered();
    const { vote } = hall.speaker('b').pair();
    await hall.store.txn({ if: [], then: Array.from({ length: 200 }, (_, i) => ({ put: voteKey('a', `x${i}`), value: vote })) });
    for (let n = 0; n < 5; n++) expect(await hall.fresh(reader)).toEqual(ALL);
    expect((await hall.look(reader)).sight.refused).toHaveLength(200);
    const lines = hall.log.of('vote.refused');
    expect(lines).toHaveLength(21);
    expect(lines.at(-1)?.fields).toMatchObject({ more: 180 });
  });
});

describe('records of no shape', () => {
  test('are refused by name and disturb nobody, with keys or without', async () => {
    for (const keys of [{}, Object.fromEntries(REGIONS.map((r) => [r, [publicKey(r)]]))]) {
      const { hall, reader } = await gathered({ keys });
      const { vote, beat } = hall.speaker('a').pair();
      const junk: readonly unknown[] = [
        null,
        1,
        'x',
        [],
        {},
        { ...vote, down: 'all' },
        { ...vote, self: null },
        { ...beat, suspects: { x: null } },
        { ...beat, n: -1 },
      ];
      for (const value of junk) {
        await hall.store.txn({ if: [], then: [{ put: voteKey('a', 'a'), value }] });
        expect(await hall.fresh(reader)).toEqual(['b/a', 'c/a']);
        expect(Object.keys(await hall.refused(reader))).toEqual(['vote/a/a']);
      }
      await hall.store.txn({ if: [], then: [{ put: voteKey('a', 'a'), value: vote }] });
      for (const value of junk) {
        await hall.store.txn({ if: [], then: [{ put: beatKey('a', 'a'), value }] });
        expect(await hall.fresh(reader)).toEqual(['b/a', 'c/a']);
        expect(Object.keys(await hall.refused(reader))).toEqual(['beat/a/a']);
      }
    }
  });
});
