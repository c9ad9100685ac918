// The chains verified: what is honest passes, and whatever is changed, left out, swapped or put in is found, in a store's records and in an export.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { sha256 } from '../../src/audit/canonical.ts';
import { createFileVerifier } from '../../src/audit/export-file.ts';
import { type AuditLine, decisionHash } from '../../src/audit/lines.ts';
import { contradictions, createChainVerifier, verifyChain } from '../../src/audit/verify.ts';
import { auditKey } from '../../src/coordinate/keys.ts';
import { decisionsOf, honest, journalOf, linesOf } from './chains.ts';

type Record_ = Extract<AuditLine, { record: unknown }>;
const isRecord = (line: AuditLine): line is Record_ => 'record' in line;
const LINES = honest();
const RECORDS = LINES.flatMap((line, at) => (isRecord(line) ? [at] : []));
const anyRecord = fc.constantFrom(...RECORDS);

/** Every place of a JSON value that holds something plain. */
const places = (value: unknown, path: readonly (string | number)[] = []): readonly (readonly (string | number)[])[] =>
  typeof value === 'object' && value !== null
    ? Object.entries(value).flatMap(([name, member]) => places(member, [...path, Array.isArray(value) ? Number(name) : name]))
    : [path];

const changedAt = (value: unknown, [name, ...rest]: readonly (string | number)[], by: (old: unknown) => unknown): unknown => {
  if (name === undefined) return by(value);
  const copy = Array.isArray(value) ? [...value] : { ...(value as object) };
  (copy as Record<string | number, unknown>)[name] = changedAt((value as Record<string | number, unknown>)[name], rest, by);
  return copy;
};
const other = (old: unknown): unknown => (typeof old === 'number' ? old + 1 : `${String(old)}x`);

describe('honest chains', () => {
  test('pass, with everything to be trusted', () => {
    expect(verifyChain(LINES)).toMatchObject({
      ok: true,
      findings: [],
      chains: { decisions: { from: 1, to: 12, count: 12, trustedFrom: 1 }, journal: { from: 1, to: 9, count: 9, trustedFrom: 1 } },
      configurations: 3,
    });
  });

  test('pass when there is nothing yet', () => {
    expect(verifyChain([])).toMatchObject({ ok: true, chains: { decisions: { count: 0, trustedFrom: null } } });
  });

  test('an adoption may number its decision far above the last one; the journal leaves nothing out', () => {
    const before = decisionsOf(3);
    const after = decisionsOf(2, 80, decisionHash(before[2]!));
    expect(verifyChain(linesOf([...before, ...after], [])).ok).toBe(true);
    const journal = journalOf(4, () => null);
    const report = verifyChain(linesOf([], [journal[0]!, { ...journal[1]!, n: 7 }]));
    expect(report.findings[0]).toMatchObject({ chain: 'journal', n: 7, what: 'forged' });
  });

  test('after a cut the anchor stands for what is gone', () => {
    const all = decisionsOf(10);
    const cut = (hash: string, n = 4): readonly AuditLine[] => {
      const [start, head, ...rest] = linesOf(all.slice(4), []);
      return [start!, head!, { kind: 'anchor', chain: 'decisions', n, hash, count: 4, cutAtMs: 1 }, ...rest];
    };
    expect(verifyChain(cut(decisionHash(all[3]!)))).toMatchObject({ ok: true, chains: { decisions: { from: 5, trustedFrom: 5 } } });
    expect(verifyChain(cut('other')).findings[0]).toMatchObject({ what: 'forged', n: 5 });
    expect(verifyChain(cut(decisionHash(all[3]!), 3)).ok).toBe(false);
    expect(verifyChain(linesOf(all.slice(4), [])).findings[0]).toMatchObject({ what: 'missing', n: 1 });
  });
});

describe('each way to tamper is told by its name, with the place from where on the chain can be trusted', () => {
  const at = LINES.findIndex((line) => isRecord(line) && line.key === auditKey(5));
  const swap = (i: number, j: number): AuditLine[] => {
    const lines = [...LINES];
    [lines[i], lines[j]] = [lines[j]!, lines[i]!];
    return lines;
  };
  test.each<[string, readonly AuditLine[], object, number | null]>([
    [
      'changed, its hash as well',
      LINES.map((line, i) => {
        if (i !== at || line.kind !== 'decision') return line;
        const record = { ...line.record, because: 'another reason' };
        return { ...line, record, hash: decisionHash(record) };
      }),
      { chain: 'decisions', n: 5, what: 'changed' },
      6,
    ],
    [
      'left out',
      LINES.filter((_, i) => i !== at),
      { chain: 'decisions', n: 5, what: 'missing', because: '5 is missing: 6 follows another record than 4' },
      6,
    ],
    ['the newest left out', LINES.filter((line) => !isRecord(line) || line.key !== auditKey(12)), { n: 12, what: 'missing' }, null],
    ['in another place', swap(at, at + 1), { chain: 'decisions', n: 5, what: 'missing' }, 7],
    ['put in twice', [...LINES.slice(0, at), LINES[at]!, ...LINES.slice(at)], { chain: 'decisions', n: 5, what: 'forged' }, 6],
    ['where none belongs', [...LINES, { kind: 'stray', key: 'audit/9999999999' }], { chain: 'decisions', what: 'forged' }, 1],
  ])('%s', (_, lines, finding, trustedFrom) => {
    const report = verifyChain(lines);
    expect(report.ok).toBe(false);
    expect(report.findings[0]).toMatchObject(finding);
    expect(report.chains.decisions.trustedFrom).toBe(trustedFrom);
    expect(report.chains.journal.trustedFrom).toBe(1);
  });

  test('a whole new chain of decisions does not fit the journal', () => {
    const forged = decisionsOf(12).map((audit) => audit);
    const [first, ...others] = forged;
    const again = [{ ...first!, by: 'mallory' }];
    for (const audit of others) again.push({ ...audit, prevHash: decisionHash(again.at(-1)!) });
    const genuine = decisionsOf(12);
    const report = verifyChain(
      linesOf(
        again,
        journalOf(9, (n) => genuine[n - 1] ?? null),
      ),
    );
    expect(report.findings[0]).toMatchObject({ chain: 'decisions', n: 1, what: 'changed' });
  });

  test('an entry that was written at an older decision than the one before it', () => {
    const chain = decisionsOf(9);
    const report = verifyChain(
      linesOf(
        chain,
        journalOf(3, (n) => chain[9 - n] ?? null),
      ),
    );
    expect(report.findings.map(({ what, chain: which }) => `${which} ${what}`)).toContain('journal forged');
  });

  test('new chains that fit each other do not fit an export that lies elsewhere', () => {
    const before = createFileVerifier();
    for (const text of sealed(LINES)) before.line(text);
    const now = createChainVerifier();
    for (const line of honestBut('mallory')) now.take(line);
    const report = now.end();
    expect(report.ok).toBe(true);
    const found = contradictions({ report: before.end(), hashes: before.hashes }, { report, hashes: now.hashes });
    expect(found[0]).toMatchObject({ chain: 'decisions', n: 1, what: 'changed' });
  });

  test('a store that lost what an export has is told', () => {
    const before = createChainVerifier();
    for (const line of LINES) before.take(line);
    const now = createChainVerifier();
    for (const line of honest(6, 6)) now.take(line);
    const found = contradictions({ report: before.end(), hashes: before.hashes }, { report: now.end(), hashes: now.hashes });
    expect(found).toMatchObject([
      { chain: 'decisions', n: 7, what: 'missing' },
      { chain: 'journal', n: 7, what: 'missing' },
    ]);
  });
});

const honestBut = (by: string): readonly AuditLine[] => {
  const chain = decisionsOf(12).map((audit) => ({ ...audit, by }));
  for (const [i, audit] of chain.entries()) chain[i] = { ...audit, prevHash: i === 0 ? '' : decisionHash(chain[i - 1]!) };
  return linesOf(
    chain,
    journalOf(9, (n) => chain[n - 1] ?? null),
  );
};

const sealed = (lines: readonly AuditLine[]): readonly string[] => {
  const texts = lines.map((line) => JSON.stringify(line));
  const sum = sha256(texts.map((text) => `${text}\n`).join(''));
  return [...texts, JSON.stringify({ kind: 'end', lines: texts.length, sha256: sum } satisfies AuditLine)];
};

describe('whatever is done to the records is found', () => {
  test('any plain value of any record', () => {
    fc.assert(
      fc.property(anyRecord, fc.nat(), fc.boolean(), (at, pick, rehash) => {
        const line = LINES[at] as Record_;
        const all = places(line.record);
        const record = changedAt(line.record, all[pick % all.length] ?? [], other);
        const changed = { ...line, record } as Record_;
        const hash = rehash && changed.kind === 'decision' ? decisionHash(changed.record) : line.hash;
        expect(verifyChain(LINES.map((each, i) => (i === at ? ({ ...changed, hash } as AuditLine) : each))).ok).toBe(false);
      }),
      { numRuns: 500 },
    );
  });

  test('any record left out', () => {
    for (const at of RECORDS) expect(verifyChain(LINES.filter((_, i) => i !== at)).ok, String(at)).toBe(false);
  });

  test('any two of a chain swapped, with or without their keys', () => {
    fc.assert(
      fc.property(anyRecord, anyRecord, fc.boolean(), (i, j, withKeys) => {
        const [a, b] = [LINES[i] as Record_, LINES[j] as Record_];
        fc.pre(i !== j && a.kind === b.kind && (a.kind !== 'config' || !withKeys));
        const lines = [...LINES];
        lines[i] = (withKeys ? b : { ...b, key: a.key }) as AuditLine;
        lines[j] = (withKeys ? a : { ...a, key: b.key }) as AuditLine;
        expect(verifyChain(lines).ok).toBe(false);
      }),
      { numRuns: 500 },
    );
  });

  test('any record put in again anywhere, under its own number or another', () => {
    fc.assert(
      fc.property(anyRecord, fc.nat(LINES.length), fc.option(fc.integer({ min: 1, max: 40 }), { nil: undefined }), (at, to, n) => {
        const line = LINES[at] as Record_;
        fc.pre(line.kind !== 'config');
        const record = n === undefined ? line.record : { ...line.record, [line.kind === 'decision' ? 'v' : 'n']: n };
        const put = { ...line, record } as AuditLine;
        expect(verifyChain([...LINES.slice(0, to), put, ...LINES.slice(to)]).ok).toBe(false);
      }),
      { numRuns: 500 },
    );
  });

  test('either head left out or changed', () => {
    for (const chain of ['decisions', 'journal']) {
      const isHead = (line: AuditLine): boolean => line.kind === 'head' && line.chain === chain;
      expect(verifyChain(LINES.filter((line) => !isHead(line))).ok).toBe(false);
      for (const change of [{ n: 3 }, { n: 99 }, { hash: 'x' }])
        expect(verifyChain(LINES.map((line) => (isHead(line) ? ({ ...line, ...change } as AuditLine) : line))).ok).toBe(false);
    }
  });
});

describe('an export', () => {
  const verify = (texts: readonly string[]): ReturnType<ReturnType<typeof createFileVerifier>['end']> => {
    const verifier = createFileVerifier();
    for (const text of texts) verifier.line(text);
    return verifier.end();
  };
  const TEXTS = sealed(LINES);

  test('that is whole passes', () => {
    expect(verify(TEXTS)).toMatchObject({ ok: true, findings: [] });
  });

  test('any byte that differs is found', () => {
    fc.assert(
      fc.property(fc.nat(TEXTS.length - 1), fc.nat(), fc.integer({ min: 1, max: 127 }), (at, pick, bits) => {
        const bytes = Buffer.from(TEXTS[at] ?? '');
        const where = pick % bytes.length;
        bytes[where] = (bytes[where] ?? 0) ^ bits;
        const flipped = bytes.toString('latin1');
        fc.pre(!flipped.includes('\n') && flipped !== TEXTS[at]);
        expect(verify(TEXTS.map((text, i) => (i === at ? flipped : text))).ok).toBe(false);
      }),
      { numRuns: 1000 },
    );
  });

  test('any line left out, repeated or swapped is found', () => {
    fc.assert(
      fc.property(fc.nat(TEXTS.length - 1), fc.nat(TEXTS.length - 1), (i, j) => {
        expect(verify(TEXTS.filter((_, at) => at !== i)).ok).toBe(false);
        expect(verify([...TEXTS.slice(0, i), TEXTS[i]!, ...TEXTS.slice(i)]).ok).toBe(false);
        fc.pre(i !== j);
        const swapped = [...TEXTS];
        [swapped[i], swapped[j]] = [TEXTS[j]!, TEXTS[i]!];
        expect(verify(swapped).ok).toBe(false);
      }),
    );
  });

  test('whatever is no export is told and never throws', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.json(), fc.string(), fc.constantFrom(...TEXTS))), (texts) => {
        expect(verify(texts.flatMap((text) => text.split('\n'))).ok).toBe(false);
      }),
    );
  });
});
