// A store that was replaced by an older copy of itself gives the same revisions to other records: nothing that was remembered by revision may survive it,
// neither in a reader nor in a coordinator. A reader notices by a revision that went backwards, or by an adoption.
import { afterEach, describe, expect, test } from 'vitest';
import { KEYS, voteKey } from '../../src/coordinate/keys.ts';
import type { Adopted, Leader, Routing, Vote } from '../../src/model.ts';
import { seededRandom } from '../virtual.ts';
import { Offices } from './offices.ts';
import { type Restorable, restorable } from './restorable.ts';
import { Hall } from './speakers.ts';

const open: Restorable[] = [];
const openStore = (seed = 1): Restorable => {
  const made = restorable({ random: seededRandom(`restorable ${seed}`) });
  open.push(made);
  return made;
};
afterEach(async () => {
  for (const { store } of open.splice(0)) await store.close();
});

const adoption = (nonce: string): Adopted => ({ nonce, atMs: 1, by: 'alice', reason: 'restored from the backup of last night' });

describe('a reader', () => {
  const gathered = async () => {
    const backup = openStore();
    const hall = new Hall({ store: backup.store });
    await hall.configure();
    const reader = hall.reader();
    await hall.pass(15_000, [reader]);
    return { backup, hall, reader };
  };

  test('notices a revision that goes backwards, once', async () => {
    const { backup, hall, reader } = await gathered();
    await backup.backUp();
    await hall.pass(2500, [reader]);
    await backup.restore();
    expect((await hall.look(reader)).restored).toBe(true);
    expect((await hall.look(reader)).restored).toBe(false);
    expect(hall.log.of('store.restored')).toHaveLength(1);
  });

  test('notices one that its looks have not seen, but its transactions have', async () => {
    const { backup, hall, reader } = await gathered();
    await backup.backUp();
    const { rev } = await hall.store.txn({ if: [], then: [{ put: 'x', value: 1 }] });
    reader.saw(rev);
    await backup.restore();
    expect((await hall.look(reader)).restored).toBe(true);
  });

  test('notices an adoption, of whatever revision, but not the one it finds when it begins', async () => {
    const { hall, reader } = await gathered();
    await hall.store.txn({ if: [], then: [{ put: KEYS.adopted, value: adoption('one') }] });
    const looked = await hall.look(reader);
    expect(looked).toMatchObject({ restored: true, sight: { adopted: { nonce: 'one', by: 'alice' } } });
    expect(looked.sight.heard.map((h) => h.ageMs)).toEqual(Array(3).fill(Number.POSITIVE_INFINITY));
    expect((await hall.look(reader)).restored).toBe(false);
    const anew = hall.reader();
    expect((await hall.look(anew)).restored).toBe(false);
    await hall.store.txn({ if: [], then: [{ put: KEYS.adopted, value: adoption('two') }] });
    expect((await hall.look(reader)).restored).toBe(true);
    expect((await hall.look(anew)).restored).toBe(true);
  });

  test('does not take the record it kept of a revision for the one that has it now', async () => {
    for (const told of ['a revision that is lower', 'an adoption'] as const) {
      const { backup, hall, reader } = await gathered();
      const a = hall.speaker('a');
      await backup.backUp();
      a.says(['web/b/app']);
      await a.speak();
      await hall.store.txn({ if: [], then: [{ put: 'x', value: 1 }] });
      const before = (await hall.look(reader)).sight;
      await backup.restore();
      // The same revision again, by another boot that says something else.
      a.restart();
      a.asOfRev = 0;
      a.says(['web/c/app']);
      await a.speak();
      // The store may have overtaken what it was: then only a human's word tells.
      if (told === 'an adoption')
        for (const nonce of ['one', 'two']) await hall.store.txn({ if: [], then: [{ put: KEYS.adopted, value: adoption(nonce) }] });
      const { sight: after, restored } = await hall.look(reader);
      expect(restored).toBe(true);
      expect(after.rev < before.rev).toBe(told !== 'an adoption');
      expect(after.mod(voteKey('a', 'a'))).toBe(before.mod(voteKey('a', 'a')));
      expect(after.heard.find((h) => h.region === 'a')?.vote.down).toEqual(['web/c/app']);
    }
  });

  test('counts nobody by the ages of the other history, and everybody as soon as they speak again', async () => {
    const { backup, hall, reader } = await gathered();
    await backup.backUp();
    await hall.pass(20_000, [reader]);
    await backup.restore();
    expect(await hall.fresh(reader)).toEqual([]);
    // Records of the copy are as old as anybody can tell.
    for (let n = 0; n < 4; n++) {
      await hall.pass(500, [reader], []);
      expect(await hall.fresh(reader)).toEqual([]);
    }
    for (const s of hall.speakers) s.asOfRev = 0;
    await hall.pass(6000, [reader]);
    expect(await hall.fresh(reader)).toEqual(['a/a', 'b/a', 'c/a']);
  });

  test('does not hold what it heard in the other history against those who speak in this one', async () => {
    const { backup, hall, reader } = await gathered();
    const a = hall.speaker('a');
    await backup.backUp();
    // A boot that this store will know nothing of.
    a.restart();
    a.bootN = 9;
    await hall.pass(5000, [reader]);
    await backup.restore();
    a.bootN = 2;
    a.n = 0;
    for (const s of hall.speakers) s.asOfRev = 0;
    await hall.pass(6000, [reader]);
    expect(await hall.fresh(reader)).toEqual(['a/a', 'b/a', 'c/a']);
  });
});

describe('a coordinator', () => {
  const running = async (seed = 1) => {
    const backup = openStore(seed);
    const offices = new Offices({ seed, store: backup.store });
    await offices.start();
    await offices.virtual.advance(10_000);
    const holder = offices.holder() ?? expect.fail('nobody coordinates');
    return { backup, offices, holder };
  };
  const leader = async (offices: Offices): Promise<Leader> =>
    (await offices.record<Leader>(KEYS.leader)) ?? expect.fail('no leader record');
  const names = ['a', 'b', 'c'];
  const finish = (offices: Offices): void => {
    expect(offices.violations).toEqual([]);
    for (const name of names) offices.kill(name);
  };

  test('does not believe to hold what the copy says it held: the lease runs anew, and the world is decided afresh', async () => {
    for (let seed = 1; seed <= 3; seed++) {
      const { backup, offices, holder } = await running(seed);
      await backup.backUp();
      offices.dead.add('b');
      await offices.virtual.advance(20_000);
      expect((await offices.record<Routing>(KEYS.routing))?.services.web?.route.b).toBe(0);
      const { epoch } = await leader(offices);
      const since = offices.commits.length;
      await backup.restore();
      await offices.virtual.advance(1500);
      for (const name of names) expect(offices.of(name).log.of('store.restored')).toHaveLength(1);
      expect(offices.of(holder).coordinator.term()).toBeNull();
      // Nobody has written on the strength of the other history.
      expect(offices.commits.slice(since)).toEqual([]);
      await offices.virtual.advance(20_000);
      expect(offices.holder()).not.toBeNull();
      expect((await leader(offices)).epoch).toBe(epoch + 1);
      expect(offices.commits.slice(since)[0]?.atMs).toBeGreaterThan(6000);
      expect((await offices.record<Routing>(KEYS.routing))?.services.web?.route.b).toBe(0);
      finish(offices);
    }
  });

  test('keeps its office when the copy carries the very record it wrote last', async () => {
    const { backup, offices, holder } = await running();
    const before = offices.commits.length;
    await offices.virtual.advanceUntil(() => offices.commits.length > before, 5000);
    // Its reply has arrived, and the next beats are lost with the store.
    await offices.virtual.advance(200);
    const { nonce, epoch } = await leader(offices);
    await backup.backUp();
    // More than what is written between the restore and the next look.
    for (let i = 0; i < 8; i++) await offices.store.txn({ if: [], then: [{ put: `lost/${i}`, value: i }] });
    await offices.virtual.advance(100);
    await offices.store.txn({ if: [], then: [{ put: 'vote/zz/a', value: {} }] });
    await offices.virtual.advance(300);
    expect((await leader(offices)).nonce).toBe(nonce);
    await backup.restore();
    await offices.virtual.advance(10_000);
    expect(offices.of(holder).log.of('store.restored')).toHaveLength(1);
    expect(offices.holder()).toBe(holder);
    expect((await leader(offices)).epoch).toBe(epoch);
    expect(offices.of(holder).roles.filter((r) => r.role === 'standby' && r.epoch === epoch)).toEqual([]);
    finish(offices);
  });

  test('who waits for a dead holder’s record waits for a whole lease of the copy', async () => {
    const { backup, offices, holder } = await running();
    offices.kill(holder);
    await offices.virtual.advance(1000);
    await backup.backUp();
    await offices.virtual.advance(3500);
    await backup.restore();
    const tookMs = await offices.virtual.advanceUntil(() => offices.holder() !== null, 20_000);
    expect(tookMs).toBeGreaterThanOrEqual(6000);
    expect(tookMs).toBeLessThan(7500);
    expect(offices.violations).toEqual([]);
    for (const name of names) if (name !== holder) offices.kill(name);
  });

  test('an adoption that loses nothing changes nobody’s office', async () => {
    const { offices, holder } = await running();
    const { epoch } = await leader(offices);
    await offices.store.txn({ if: [], then: [{ put: KEYS.adopted, value: adoption('one') }] });
    await offices.virtual.advance(15_000);
    for (const name of names) expect(offices.of(name).log.of('store.restored')).toHaveLength(1);
    expect(offices.holder()).toBe(holder);
    expect((await leader(offices)).epoch).toBe(epoch);
    finish(offices);
  });

  test('counts no vote that only the other history made fresh', async () => {
    const { backup, offices } = await running();
    await backup.backUp();
    await offices.virtual.advance(5000);
    for (const name of names) offices.silent.add(name);
    await backup.restore();
    await offices.virtual.advance(2000);
    for (const name of names) {
      const sight = offices.of(name).coordinator.lastSight() ?? expect.fail('nothing seen');
      expect(sight.heard.map((h) => h.ageMs)).toEqual([Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]);
      expect(sight.heard.every((h) => (h.vote as Vote).boot === 'v')).toBe(true);
    }
    finish(offices);
  });
});
