// Two honest chains with configurations beside them, as the production code writes them, and every way to tamper with what they hold.
import { appendOps, type Draft, entryHash, type Head, type JournalEntry } from '../../src/audit/journal.ts';
import { type AuditLine, configRecordHash, decisionHash, FORMAT } from '../../src/audit/lines.ts';
import { auditKey, configAuditKey, journalKey } from '../../src/coordinate/keys.ts';
import type { Audit, ConfigAudit } from '../../src/model.ts';

export const DAY_MS = 86_400_000;

export const decisionsOf = (count: number, first = 1, prevHash = ''): readonly Audit[] => {
  const list: Audit[] = [];
  let before = prevHash;
  for (let v = first; v < first + count; v += 1) {
    const audit: Audit = {
      v,
      epoch: 1,
      atMs: v * 1000,
      by: 'eu-west/a',
      because: `decision ${v}`,
      wouldChange: '',
      changes: [{ service: 'web', before: { a: 500, b: 500 }, after: { a: 1000 }, because: 'b is down' }],
      holds: [],
      votes: { 'eu-west': { down: v % 3 } },
      prevHash: before,
    };
    list.push(audit);
    before = decisionHash(audit);
  }
  return list;
};

export const configOf = (version: number): ConfigAudit => ({
  version,
  hash: `h${version}`,
  atMs: version,
  by: 'ana',
  reason: 'why',
  nonce: `c${version}`,
  diff: ['+1'],
});

/** `count` entries, every third of which applied a configuration, each beside the decision `vOf` says. */
export const journalOf = (count: number, vOf: (n: number) => Audit | null): readonly JournalEntry[] => {
  const list: JournalEntry[] = [];
  for (let n = 1; n <= count; n += 1) {
    const seen = vOf(n);
    const last = list.at(-1);
    const head: Head = {
      n: n - 1,
      hash: last === undefined ? '' : entryHash(last),
      mod: 0,
      v: seen?.v ?? 0,
      decisionHash: seen === null ? '' : decisionHash(seen),
    };
    const version = Math.ceil(n / 3);
    const draft: Draft = {
      kind: n % 3 === 1 ? 'config.applied' : 'override.put',
      by: 'ana',
      how: 'token',
      because: `act ${n}`,
      detail: n % 3 === 1 ? { version, record: configRecordHash(configOf(version)) } : { id: `o${n}` },
      atMs: n * 1500,
      nonce: `n${n}`,
    };
    list.push(...appendOps(head, draft).entries);
  }
  return list;
};

export const linesOf = (decisions: readonly Audit[], journal: readonly JournalEntry[]): readonly AuditLine[] => {
  const [lastDecision, lastEntry] = [decisions.at(-1), journal.at(-1)];
  const versions = journal.filter(({ kind }) => kind === 'config.applied').map(({ detail }) => Number(detail.version));
  return [
    { kind: 'export', format: FORMAT, cluster: 'test', atMs: 1, sinceMs: null },
    ...versions.map((version): AuditLine => {
      const record = configOf(version);
      return { kind: 'config', key: configAuditKey(version), hash: configRecordHash(record), record };
    }),
    ...(lastDecision === undefined
      ? []
      : [{ kind: 'head', chain: 'decisions', n: lastDecision.v, hash: decisionHash(lastDecision) } as const]),
    ...decisions.map((record): AuditLine => ({ kind: 'decision', key: auditKey(record.v), hash: decisionHash(record), record })),
    ...(lastEntry === undefined ? [] : [{ kind: 'head', chain: 'journal', n: lastEntry.n, hash: entryHash(lastEntry) } as const]),
    ...journal.map((record): AuditLine => ({ kind: 'journal', key: journalKey(record.n), hash: entryHash(record), record })),
  ];
};

export const honest = (decisions = 12, entries = 9): readonly AuditLine[] => {
  const chain = decisionsOf(decisions);
  return linesOf(
    chain,
    journalOf(entries, (n) => chain[Math.min(n, decisions) - 1] ?? null),
  );
};
