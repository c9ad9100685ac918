// What goes out first, in which pieces, and how pieces are sent side by side.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Change } from '../../providers/provider.ts';
import { batchesOf } from '../../src/publish/batches.ts';
import type { Step } from '../../src/publish/plan.ts';
import { inPool } from '../../src/publish/pool.ts';

const write = (service: string, why: 'behind' | 'drift' | 'fence-lost', drains = false): Step => {
  const share = (a: number) => [
    { pool: 'a', region: 'a', share: a, configuredShare: 500, answers: [] },
    { pool: 'b', region: 'b', share: 1000 - a, configuredShare: 500, answers: [] },
  ];
  const previous = { fence: null, shares: { a: 500, b: 500 }, foreign: [], token: null };
  const fence = { v: 1, epoch: 1, writer: 'w', nonce: 'n', hash: '0' };
  const change: Change = { desired: { service, ttlS: 10, pools: share(drains ? 0 : 400) }, fence, previous };
  return { kind: 'write', service, why, because: '', change };
};

const names = (batches: readonly (readonly Change[])[]): readonly (readonly string[])[] =>
  batches.map((batch) => batch.map(({ desired }) => desired.service));

describe('batches', () => {
  const steps = [
    write('drifted', 'drift'),
    write('weighed', 'behind'),
    write('lost', 'fence-lost', true),
    write('drained', 'behind', true),
    { kind: 'done', service: 'fine', fence: { v: 1, epoch: 1, writer: 'w', nonce: 'n', hash: '0' } } as Step,
  ];

  test('drains first, then what else was decided; what is put right again comes last and by itself', () => {
    expect(names(batchesOf(steps, 1000))).toEqual([
      ['drained', 'weighed'],
      ['drifted', 'lost'],
    ]);
  });

  test('one service a call, where nothing there changes two at once', () => {
    expect(names(batchesOf(steps, 1))).toEqual([['drained'], ['weighed'], ['drifted'], ['lost']]);
  });

  test('every service to be written is in exactly one batch, none of which is too large', () => {
    const any = fc.array(fc.tuple(fc.constantFrom('behind', 'drift', 'fence-lost'), fc.boolean()));
    fc.assert(
      fc.property(any, fc.integer({ min: 1, max: 7 }), (kinds, most) => {
        const all = kinds.map(([why, drains], i) => write(`s${i}`, why as 'behind', drains));
        const found = names(batchesOf(all, most));
        expect(found.every((batch) => batch.length >= 1 && batch.length <= most)).toBe(true);
        expect(found.flat().sort()).toEqual(all.map(({ service }) => service).sort());
      }),
    );
  });
});

describe('jobs side by side', () => {
  test('never more than so many at once, and what one turns into goes before the rest', async () => {
    const begun: string[] = [];
    let running = 0;
    let most = 0;
    await inPool(['a', 'b', 'split', 'd', 'e'], 2, async (job) => {
      begun.push(job);
      most = Math.max(most, ++running);
      await Promise.resolve();
      await Promise.resolve();
      running--;
      return job === 'split' ? ['part-1', 'part-2'] : [];
    });
    expect(most).toBe(2);
    expect(begun.indexOf('part-1')).toBeLessThan(begun.indexOf('e'));
    expect(begun.toSorted()).toEqual(['a', 'b', 'd', 'e', 'part-1', 'part-2', 'split']);
  });

  test('one that throws ends it once those under way have ended', async () => {
    const done: string[] = [];
    const work = async (job: string): Promise<readonly string[]> => {
      if (job === 'bad') throw new Error('bug');
      await Promise.resolve();
      done.push(job);
      return [];
    };
    await expect(inPool(['good', 'bad', 'later'], 2, work)).rejects.toThrow('bug');
    expect(done).toEqual(['good']);
  });
});
