// Are the two chains whole, and do they agree? Says what was changed, left out, put in another place or put in. Pure.
// Whoever can write the whole store can also write whole new chains; what he cannot do is to make them fit an export that lies elsewhere (`contradictions`).
import { auditKey, configAuditKey, journalKey } from '../coordinate/keys.ts';
import { type ChainReport, type Course, courseOf, type Finding, KEY_OF, numberOf } from './chain.ts';
import { entryHash } from './journal.ts';
import { type AuditLine, CHAINS, type Chain, configRecordHash, decisionHash } from './lines.ts';

export interface AuditReport {
  ok: boolean;
  chains: Readonly<Record<Chain, ChainReport>>;
  configurations: number;
  /** In the order in which they were found: at most the first hundred of each chain. */
  findings: readonly Finding[];
  /** What is lawful and worth knowing. */
  notes: readonly string[];
}

/** Findings kept of each chain. */
export const FINDINGS_MAX = 100;

/** The parts of a record that the chain rests on; null: it is none. */
const linkOf = (record: unknown, name: 'n' | 'v'): { n: number; prevHash: string } | null => {
  if (typeof record !== 'object' || record === null) return null;
  const { [name]: n, prevHash } = record as Record<string, unknown>;
  return typeof n === 'number' && Number.isSafeInteger(n) && n > 0 && typeof prevHash === 'string' ? { n, prevHash } : null;
};

export interface Verifier {
  take(line: AuditLine): void;
  /** No more lines. */
  end(): AuditReport;
  /** Of the records that were seen, by number. */
  hashes(chain: Chain): ReadonlyMap<number, string>;
}

/** Takes the records of each chain in the order of their numbers, an anchor before the records of its chain. */
export const createChainVerifier = (): Verifier => {
  const findings: Finding[] = [];
  const counts = new Map<Finding['chain'], number>();
  const notes: string[] = [];
  const find = (finding: Finding): void => {
    const count = (counts.get(finding.chain) ?? 0) + 1;
    counts.set(finding.chain, count);
    if (count <= FINDINGS_MAX) findings.push(finding);
  };
  const courses: Record<Chain, Course> = { decisions: courseOf('decisions', find), journal: courseOf('journal', find) };
  const configs = new Map<number, string>();
  /** By version: what the journal says of the record beside it. */
  const applied = new Map<number, { n: number; record: string }>();
  const seen: { n: number; v: number; hash: string }[] = [];

  const decision = ({ key, hash, record }: Extract<AuditLine, { kind: 'decision' }>): void => {
    const link = linkOf(record, 'v');
    if (link === null) find({ chain: 'decisions', n: Number(numberOf(key)), what: 'forged', because: `${key} is no record of a decision` });
    else courses.decisions.take(key, link.n, link.prevHash, decisionHash(record), hash);
  };
  const entry = ({ key, hash, record }: Extract<AuditLine, { kind: 'journal' }>): void => {
    const link = linkOf(record, 'n');
    if (link === null || !Number.isSafeInteger(record.v)) {
      find({ chain: 'journal', n: Number(numberOf(key)), what: 'forged', because: `${key} is no entry of the journal` });
      return;
    }
    courses.journal.take(key, link.n, link.prevHash, entryHash(record), hash);
    const before = seen.at(-1);
    if (before !== undefined && record.v < before.v)
      find({
        chain: 'journal',
        n: link.n,
        what: 'forged',
        because: `${key} was written at decision ${record.v}, behind one at ${before.v}`,
      });
    seen.push({ n: link.n, v: record.v, hash: record.decisionHash });
    if (record.kind === 'config.applied' && typeof record.detail?.version === 'number')
      applied.set(record.detail.version, { n: link.n, record: String(record.detail.record) });
  };
  const config = ({ key, hash, record }: Extract<AuditLine, { kind: 'config' }>): void => {
    const version = typeof record === 'object' && record !== null ? record.version : Number.NaN;
    const actual = configRecordHash(record);
    const changed = (because: string): void => find({ chain: 'configurations', n: Number(numberOf(key)), what: 'changed', because });
    if (key !== configAuditKey(version)) changed(`${key} holds version ${version}`);
    if (hash !== actual) changed(`${key} is not what its hash says`);
    configs.set(version, actual);
  };

  /** What each entry says of the decisions, where the decision is still there. */
  const crossCheck = (): void => {
    const { head } = courses.decisions.report();
    for (const { n, v, hash } of seen) {
      if (head !== null && v > head.n)
        find({
          chain: 'journal',
          n,
          what: 'forged',
          because: `${journalKey(n)} was written at decision ${v}, and the newest is ${head.n}`,
        });
      const there = courses.decisions.hashes.get(v);
      if (there !== undefined && there !== hash)
        find({ chain: 'decisions', n: v, what: 'changed', because: `${auditKey(v)} is not what the journal's entry ${n} saw` });
    }
  };
  /** Each configuration that the journal knows of has its record, and each record since the first of those its entry. */
  const checkConfigs = (): void => {
    const newest = Math.max(...configs.keys(), ...applied.keys());
    for (const [version, { n, record }] of applied) {
      const there = configs.get(version);
      if (there !== undefined && there !== record)
        find({
          chain: 'configurations',
          n: version,
          what: 'changed',
          because: `${configAuditKey(version)} is not what the journal's entry ${n} saw`,
        });
      if (there === undefined && version > newest - CONFIGS_SURELY_KEPT)
        find({
          chain: 'configurations',
          n: version,
          what: 'missing',
          because: `${configAuditKey(version)} is missing; the journal's entry ${n} tells of it`,
        });
    }
    const firstKnown = Math.min(...applied.keys());
    const before = [...configs.keys()].filter((version) => version < firstKnown).length;
    for (const version of configs.keys())
      if (version > firstKnown && !applied.has(version))
        find({
          chain: 'configurations',
          n: version,
          what: 'forged',
          because: `${configAuditKey(version)} has no entry in the journal: it was put in, or applied by a version before 0.3`,
        });
    if (before > 0)
      notes.push(`${before} records of configurations are older than the oldest entry of the journal: nothing vouches for them`);
  };

  return {
    take(line) {
      switch (line.kind) {
        case 'export':
        case 'end':
          return;
        case 'head':
          return courses[line.chain].head({ n: line.n, hash: line.hash });
        case 'anchor': {
          const { kind: _, chain, ...anchor } = line;
          return courses[chain].anchor(anchor);
        }
        case 'decision':
          return decision(line);
        case 'journal':
          return entry(line);
        case 'config':
          return config(line);
        case 'stray':
          return find({
            chain: line.key.startsWith('journal/') ? 'journal' : 'decisions',
            n: 0,
            what: 'forged',
            because: `${line.key} is no key of the audit`,
          });
      }
    },
    end() {
      for (const chain of CHAINS) courses[chain].end();
      crossCheck();
      checkConfigs();
      const chains = { decisions: courses.decisions.report(), journal: courses.journal.report() };
      for (const chain of CHAINS) {
        const { anchor } = chains[chain];
        if (anchor?.unproved === true)
          notes.push(
            `${chain} up to ${anchor.n} are gone and did not prove themselves when they went: an older version leaves no proof, or somebody removed some`,
          );
      }
      return { ok: findings.length === 0, chains, configurations: configs.size, findings, notes };
    },
    hashes: (chain) => courses[chain].hashes,
  };
};

/** Fewer than what is kept, so that no change of that number makes a finding. */
const CONFIGS_SURELY_KEPT = 400;

/** Both chains from records that lie in memory. */
export const verifyChain = (lines: Iterable<AuditLine>): AuditReport => {
  const verifier = createChainVerifier();
  for (const line of lines) verifier.take(line);
  return verifier.end();
};

/** What a verifier saw, and what it made of it. */
export interface Verified {
  report: AuditReport;
  hashes: Verifier['hashes'];
}

/** What an export that lay elsewhere says against the store of today: records that both hold and that differ, and records that the store has lost. */
export const contradictions = (then: Verified, now: Verified): readonly Finding[] =>
  CHAINS.flatMap((chain): Finding[] => {
    const today = now.hashes(chain);
    for (const [n, hash] of then.hashes(chain))
      if (today.has(n) && today.get(n) !== hash)
        return [{ chain, n, what: 'changed', because: `${KEY_OF[chain](n)} is not what the export holds` }];
    const { to } = then.report.chains[chain];
    const newest = now.report.chains[chain].head?.n ?? 0;
    return to !== null && to > newest
      ? [{ chain, n: newest + 1, what: 'missing', because: `the export knows ${KEY_OF[chain](to)}, the store ends at ${newest}` }]
      : [];
  });
