// What `tidegate audit` prints: what verifying found, and the records as a table; as text or as JSON. Pure.
import type { AuditLine } from '../audit/lines.ts';
import { CHAINS } from '../audit/lines.ts';
import type { AuditReport } from '../audit/verify.ts';
import { plural } from '../config/words.ts';
import { isoTime } from '../ports.ts';

const FINDINGS_SHOWN = 20;

const chainLine = (report: AuditReport, chain: (typeof CHAINS)[number]): string => {
  const { from, to, count, trustedFrom, anchor } = report.chains[chain];
  const records = count === 0 ? 'no records' : `${plural(count, 'record')}, ${from} to ${to}`;
  const cut = anchor === null ? '' : `; cut at ${anchor.n}${anchor.cutAtMs > 0 ? ` (${isoTime(anchor.cutAtMs)})` : ''}`;
  const trusted =
    count === 0
      ? ''
      : trustedFrom === null
        ? '; none can be trusted'
        : trustedFrom === from
          ? ''
          : `; to be trusted from ${trustedFrom} on`;
  return `${chain.padEnd(9)}  ${records}${cut}${trusted}\n`;
};

/** The head of each chain is printed whole: noted elsewhere, it proves everything before it. */
export const tellVerified = (report: AuditReport, what: string): { text: string; data: string } => {
  const heads = CHAINS.flatMap((chain) => {
    const { head } = report.chains[chain];
    return head === null ? [] : [`head of ${chain} ${head.n} ${head.hash}\n`];
  });
  const found = report.findings
    .slice(0, FINDINGS_SHOWN)
    .map(({ chain, what: kind, because }) => `${kind.toUpperCase()}  ${chain}: ${because}\n`);
  const more = report.findings.length > FINDINGS_SHOWN ? [`and ${report.findings.length - FINDINGS_SHOWN} more; --json has them\n`] : [];
  const verdict = report.ok ? `${what}: whole\n` : `${what}: broken in ${plural(report.findings.length, 'place')}\n`;
  const notes = report.notes.map((note) => `note: ${note}\n`);
  return {
    text: [...CHAINS.map((chain) => chainLine(report, chain)), ...heads, ...found, ...more, ...notes, verdict].join(''),
    data: `${JSON.stringify({ what, ...report })}\n`,
  };
};

export interface AuditRow {
  atMs: number;
  /** `v12` a decision, `j7` an entry of the journal. */
  id: string;
  kind: string;
  by: string;
  how: string;
  because: string;
}

/** null: a line that is no act. */
export const rowOf = (line: AuditLine): AuditRow | null => {
  if (line.kind === 'decision') {
    const { v, atMs, by, because } = line.record;
    return { atMs, id: `v${v}`, kind: 'decision', by, how: 'coordinator', because };
  }
  if (line.kind !== 'journal') return null;
  const { n, atMs, kind, by, how, because } = line.record;
  return { atMs, id: `j${n}`, kind, by, how, because };
};

/** Texts of records come from people and vendors: none may rewrite the terminal around it. */
const plain = (text: string): string => text.replaceAll(/[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu, ' ');

export const tellRows = (rows: readonly AuditRow[], all: number): { text: string; data: string } => {
  const head = ['when', 'id', 'kind', 'by', 'because'];
  const cells = rows.map(({ atMs, id, kind, by, how, because }) => [isoTime(atMs), id, kind, `${by} (${how})`, because].map(plain));
  const widths = head.map((title, at) => Math.max(title.length, ...cells.map((row) => row[at]?.length ?? 0)));
  const lineOf = (row: readonly string[]): string =>
    `${row.map((cell, at) => (at === head.length - 1 ? cell : cell.padEnd(widths[at] ?? 0))).join('  ')}\n`;
  const cut = all > rows.length ? [`the newest ${rows.length} of ${all}; narrow it with --since, --kind, --by\n`] : [];
  return {
    text: rows.length === 0 ? 'nothing in that time\n' : [head, ...cells].map(lineOf).concat(cut).join(''),
    data: `${JSON.stringify({ count: all, items: rows })}\n`,
  };
};
