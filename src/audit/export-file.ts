// An export read back, line by line: its chains, and its seal, which is the hash of everything before the last line. Pure.
import { createHash } from 'node:crypto';
import type { Finding } from './chain.ts';
import { type AuditLine, CHAINS, FORMAT } from './lines.ts';
import { type AuditReport, createChainVerifier, FINDINGS_MAX, type Verifier } from './verify.ts';

export interface FileVerifier {
  line(text: string): void;
  /** Some line was one of an export: else it is another file, and not a broken export. */
  any(): boolean;
  end(): AuditReport;
  hashes: Verifier['hashes'];
}

export const createFileVerifier = (): FileVerifier => {
  const verifier = createChainVerifier();
  const seal = createHash('sha256');
  const findings: Finding[] = [];
  let lines = 0;
  let understood = false;
  let ended = false;
  const find = (what: Finding['what'], because: string): void => {
    if (findings.length < FINDINGS_MAX) findings.push({ chain: 'file', n: lines, what, because });
  };
  const check = (line: AuditLine, text: string): void => {
    if (ended) find('forged', `line ${lines} comes behind the last one`);
    if (lines === 1 && (line.kind !== 'export' || line.format !== FORMAT)) find('missing', 'the first line is not that of an export');
    if (line.kind !== 'end') seal.update(`${text}\n`);
    else {
      ended = true;
      if (line.lines !== lines - 1) find('missing', `the last line counts ${line.lines} before it, there are ${lines - 1}`);
      if (line.sha256 !== seal.copy().digest('hex')) find('changed', 'the lines are not those that the last one was written behind');
    }
  };
  return {
    line(text) {
      lines += 1;
      const line = parseLine(text);
      if (line === null) {
        find('changed', `line ${lines} is no line of an export`);
        seal.update(`${text}\n`);
        return;
      }
      understood = true;
      check(line, text);
      verifier.take(line);
    },
    any: () => understood,
    end() {
      if (!ended) find('missing', 'the last line is missing: the export is cut short');
      const report = verifier.end();
      // What the chains say is more exact, and comes first.
      const all = [...report.findings, ...findings];
      return { ...report, ok: all.length === 0, findings: all };
    },
    hashes: verifier.hashes,
  };
};

const KINDS = ['export', 'head', 'anchor', 'decision', 'journal', 'config', 'stray', 'end'];

const parseLine = (text: string): AuditLine | null => {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null || !('kind' in value) || !KINDS.includes(String(value.kind))) return null;
    const { kind, key, chain, record } = value as Record<string, unknown>;
    const isRecord = kind === 'decision' || kind === 'journal' || kind === 'config';
    if (isRecord && (typeof key !== 'string' || typeof record !== 'object' || record === null)) return null;
    if ((kind === 'head' || kind === 'anchor') && !CHAINS.some((each) => each === chain)) return null;
    return value as AuditLine;
  } catch {
    return null;
  }
};
