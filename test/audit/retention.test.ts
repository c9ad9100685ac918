// What of the audit is kept: tables for the rule, and the duty on a store, whose chains prove themselves after every single removal.
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { append } from '../../src/audit/append.ts';
import { type Anchor, decisionHash } from '../../src/audit/lines.ts';
import { readAuditLines } from '../../src/audit/read.ts';
import { createAuditDuty, KEEPING, type Keeping, type Kept, nextAnchor, toRemove } from '../../src/audit/retention.ts';
import { type AuditReport, createChainVerifier } from '../../src/audit/verify.ts';
import type { Term } from '../../src/coordinate/coordinator.ts';
import { anchorKey, auditKey, KEYS, trailKey } from '../../src/coordinate/keys.ts';
import type { Sight } from '../../src/coordinate/read.ts';
import { realPorts } from '../../src/ports.ts';
import { openEmbedded } from '../../src/store/embedded.ts';
import type { Store } from '../../src/store/store.ts';
import { recordingLog } from '../recording-log.ts';
import { DAY_MS, decisionsOf } from './chains.ts';

const ports = realPorts();
const kept = (n: number, atMs = n): Kept => ({ n, atMs, prevHash: `h${n - 1}`, hash: `h${n}` });
const keeping: Keeping = { newest: 10, youngerMs: 100, cap: 20 };

describe('which of the oldest go', () => {
  const from = (first: number, count: number): Kept[] => Array.from({ length: count }, (_, i) => kept(first + i));
  test.each<[string, readonly Kept[], number, number, readonly number[]]>([
    ['none while no more than the newest are there', from(1, 10), 10, 10_000, []],
    ['those beyond the newest that are old', from(1, 5), 13, 10_000, [1, 2, 3]],
    ['not what is young', from(1, 5), 13, 101, [1]],
    ['but what is young goes beyond the cap', from(1, 5), 23, 2, [1, 2, 3]],
    ['a young one keeps those behind it', [kept(1, 0), kept(2, 9_950), kept(3, 0)], 19, 10_000, [1]],
    ['at most fifty', from(1, 100), 500, 10_000, from(1, 50).map(({ n }) => n)],
  ])('%s', (_, oldest, newest, nowMs, gone) => {
    expect(toRemove(oldest, newest, nowMs, keeping).map(({ n }) => n)).toEqual(gone);
  });

  test('the newest are never among them, and no more than the cap stays behind when all is done', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 60 }), fc.nat(400), fc.boolean(), (count, nowMs, young) => {
        let left = Array.from({ length: count }, (_, i) => kept(i + 1, young ? nowMs : i));
        for (let gone = toRemove(left, count, nowMs, keeping); gone.length > 0; gone = toRemove(left, count, nowMs, keeping))
          left = left.slice(gone.length);
        expect(left.length).toBeGreaterThanOrEqual(Math.min(count, keeping.newest));
        expect(left.length).toBeLessThanOrEqual(keeping.cap);
      }),
    );
  });
});

describe('the anchor', () => {
  const before: Anchor = { n: 4, hash: 'h4', count: 4, cutAtMs: 1 };
  test('stands for the last one removed and counts all', () => {
    expect(nextAnchor(before, [kept(5), kept(6)], [kept(5)], 50, 7)).toEqual({ n: 5, hash: 'h5', count: 5, cutAtMs: 7 });
    expect(nextAnchor(before, [kept(5)], [], 50, 7)).toBeNull();
    expect(nextAnchor(null, [], [], 50, 7)).toBeNull();
  });
  test('says when what was removed did not prove itself, for ever after', () => {
    expect(nextAnchor(before, [kept(7)], [kept(7)], 50, 7)).toMatchObject({ n: 7, unproved: true });
    expect(nextAnchor({ ...before, unproved: true }, [kept(5)], [kept(5)], 50, 7)).toMatchObject({ n: 5, unproved: true });
  });
  test('takes over a beginning that older versions removed, and no other', () => {
    expect(nextAnchor(null, [kept(300)], [], 10_299, 7)).toEqual({ n: 299, hash: 'h299', count: 0, cutAtMs: 7, unproved: true });
    expect(nextAnchor(null, [kept(300)], [], 5_000, 7)).toBeNull();
    expect(nextAnchor(null, [{ ...kept(1), prevHash: '' }], [], 20_000, 7)).toBeNull();
  });
});

describe('the duty', () => {
  const open: Store[] = [];
  afterEach(async () => {
    for (const store of open.splice(0)) await store.close();
  });
  const stage = async (decisions: number, entries: number, small: Keeping = { newest: 100, youngerMs: 30 * DAY_MS, cap: 300 }) => {
    const store = openEmbedded({ file: ':memory:', ports });
    open.push(store);
    const chain = decisionsOf(decisions);
    for (let at = 0; at < chain.length; at += 200)
      await store.txn({
        if: [],
        then: chain.slice(at, at + 200).flatMap((audit) => [
          { put: auditKey(audit.v), value: audit },
          { put: trailKey(audit.v), value: {} },
        ]),
      });
    const last = chain.at(-1);
    if (last !== undefined) await store.txn({ if: [], then: [{ put: KEYS.routing, value: { v: last.v, auditHash: decisionHash(last) } }] });
    for (let n = 1; n <= entries; n += 1)
      await append(store, ports, { kind: 'override.put', by: 'ana', how: 'token', because: '', detail: {}, atMs: n, nonce: `n${n}` });
    const sizes: number[] = [];
    const term: Term = {
      epoch: 1,
      renew: async () => true,
      commit: async (conditions, ops) => {
        sizes.push(ops.length);
        return (await store.txn({ if: conditions, then: ops })).ok;
      },
      nowMs: () => 0,
      heldSinceMs: 0,
    };
    const log = recordingLog();
    const make = () => createAuditDuty({ store, ports, log, keeping: { decisions: small, journal: small } });
    const sight = { routing: { v: last?.v ?? 0 }, journal: { n: entries, hash: '' } } as unknown as Sight;
    const verify = async (): Promise<AuditReport> => {
      const verifier = createChainVerifier();
      for await (const line of readAuditLines(store, { nowMs: 0, sinceMs: null })) verifier.take(line);
      return verifier.end();
    };
    const count = async (prefix: string): Promise<number> => (await store.get({ prefixes: [prefix] })).kvs.length;
    return { store, term, log, make, sight, verify, count, sizes };
  };

  test('removes in small transactions what is old beyond the newest, trails as well; the chain proves itself after each', async () => {
    const { make, sight, term, verify, count, sizes } = await stage(430, 220);
    let duty = make();
    for (let turn = 0; turn < 12; turn += 1) {
      if (turn % 3 === 2) duty = make();
      duty.turn(sight, 100 * DAY_MS + turn, term);
      await duty.idle();
      const report = await verify();
      expect(report.findings).toEqual([]);
      expect(report.notes).toEqual([]);
    }
    expect([await count('audit/0'), await count('trail/'), await count('journal/')]).toEqual([100, 100, 100]);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(101);
  });

  test('what is young stays, up to the cap', async () => {
    const { make, sight, term, count } = await stage(430, 0);
    for (let turn = 0; turn < 6; turn += 1) {
      const duty = make();
      duty.turn(sight, DAY_MS, term);
      await duty.idle();
    }
    expect(await count('audit/0')).toBe(300);
  });

  test('looks at the store once a minute when there is nothing to do', async () => {
    const { make, sight, term, store } = await stage(150, 0);
    let reads = 0;
    const get = store.get.bind(store);
    store.get = (query, signal) => {
      reads += 1;
      return get(query, signal);
    };
    const duty = make();
    for (let ms = 0; ms < 60_000; ms += 500) {
      duty.turn(sight, DAY_MS + ms, term);
      await duty.idle();
    }
    expect(reads).toBeLessThanOrEqual(2);
  });

  test('what a version without anchors has removed is anchored, and said', async () => {
    const { store, make, sight, term, verify } = await stage(10_060, 0, KEEPING.decisions);
    await store.txn({ if: [], then: decisionsOf(40).map(({ v }) => ({ del: auditKey(v) })) });
    expect((await verify()).findings[0]).toMatchObject({ what: 'missing', n: 1 });
    const duty = make();
    duty.turn(sight, 5 * DAY_MS, term);
    await duty.idle();
    const report = await verify();
    expect(report.findings).toEqual([]);
    expect(report.notes).toHaveLength(1);
    expect((await store.get({ keys: [anchorKey('decisions')] })).kvs[0]?.value).toMatchObject({ n: 40, unproved: true });
  });

  test('a store that refuses is told, and nothing else happens', async () => {
    const { make, sight, term, log, store } = await stage(150, 0);
    store.get = () => Promise.reject(new Error('gone'));
    const duty = make();
    duty.turn(sight, 100 * DAY_MS, term);
    await duty.idle();
    expect(log.of('audit.uncut')).toHaveLength(1);
  });
});
