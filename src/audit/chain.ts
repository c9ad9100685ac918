// One chain, record after record: where it holds, where it does not, and from where on it can be trusted. Pure.
// A chain proves itself backwards from its head, since each record holds the hash of the one before.
import { auditKey, journalKey } from '../coordinate/keys.ts';
import type { Anchor, Chain } from './lines.ts';

export interface Finding {
  chain: Chain | 'configurations' | 'file';
  /** Number of the record, or of the line of a file. */
  n: number;
  what: 'changed' | 'missing' | 'reordered' | 'forged';
  because: string;
}

export interface ChainReport {
  /** Numbers of the oldest and newest record; null: there is none. */
  from: number | null;
  to: number | null;
  count: number;
  head: { n: number; hash: string } | null;
  anchor: Anchor | null;
  /** Records from here on are as they were written, if the head is; null: nothing can be trusted. */
  trustedFrom: number | null;
}

/** What one chain was seen to be so far. */
export interface Course {
  take(key: string, n: number, prevHash: string, hash: string, said: string): void;
  anchor(anchor: Anchor): void;
  head(head: { n: number; hash: string }): void;
  end(): void;
  hashes: ReadonlyMap<number, string>;
  report(): ChainReport;
}

export const KEY_OF: Readonly<Record<Chain, (n: number) => string>> = { decisions: auditKey, journal: journalKey };
const span = (from: number, to: number): string => (from === to ? `${from} is` : `${from} to ${to} are`);

export const courseOf = (chain: Chain, find: (finding: Finding) => void): Course => {
  const hashes = new Map<number, string>();
  let anchor: Anchor | null = null;
  let head: { n: number; hash: string } | null = null;
  let first: number | null = null;
  let last: { n: number; hash: string } | null = null;
  /** Records before it cannot be trusted; null: none can. */
  let trustedFrom: number | null = 1;

  const broken = (n: number, what: Finding['what'], because: string, from: number | null): void => {
    trustedFrom = from;
    find({ chain, n, what, because });
  };
  const keyOf = KEY_OF[chain];

  const link = (n: number, prevHash: string): void => {
    const before = last ?? anchor ?? { n: 0, hash: '' };
    if (prevHash === before.hash) {
      // An adoption numbers its decision above every fence that it saw; nothing in the journal leaves numbers out.
      if (chain === 'journal' && n !== before.n + 1) broken(n, 'forged', `${keyOf(n)} follows ${before.n} and leaves numbers out`, n + 1);
      return;
    }
    if (n > before.n + 1)
      broken(before.n + 1, 'missing', `${span(before.n + 1, n - 1)} missing: ${n} follows another record than ${before.n}`, n);
    else if (last !== null)
      broken(last.n, 'changed', `${keyOf(last.n)} is not what ${n} was written behind: one of the two was changed`, n);
    else if (anchor !== null) broken(n, 'forged', `${keyOf(n)} does not follow the place where the chain was cut (${anchor.n})`, n + 1);
    else broken(n, 'forged', `${keyOf(n)} is the first record and names one before it: the beginning was changed, or is missing`, n + 1);
  };

  return {
    hashes,
    take(key, n, prevHash, hash, said) {
      if (last !== null && Number(numberOf(key)) <= last.n) {
        const twice = hashes.has(Number(numberOf(key)));
        broken(n, twice ? 'forged' : 'reordered', `${key} comes behind ${keyOf(last.n)}${twice ? ', and a second time' : ''}`, last.n + 1);
        return;
      }
      if (anchor !== null && n <= anchor.n) {
        broken(n, 'forged', `${key} is older than the place where the chain was cut (${anchor.n})`, n + 1);
        return;
      }
      if (key !== keyOf(n)) broken(n, 'reordered', `${key} holds record ${n}`, n + 1);
      if (said !== hash) broken(n, 'changed', `${key} is not what its hash says`, n + 1);
      link(n, prevHash);
      first ??= n;
      last = { n, hash };
      hashes.set(n, hash);
    },
    anchor(given) {
      if (anchor !== null || last !== null) broken(given.n, 'forged', 'the chain is cut in two places', null);
      anchor = given;
      if (given.count > given.n)
        broken(given.n, 'forged', `${given.count} records are said to be removed up to number ${given.n}`, given.n + 1);
    },
    head(given) {
      if (head !== null) broken(given.n, 'forged', 'the chain has two heads', null);
      head = given;
    },
    end() {
      const end = last ?? anchor ?? { n: 0, hash: '' };
      if (head === null) {
        if (end.n > 0) broken(end.n, 'missing', `the head is missing: whether anything came after ${end.n} cannot be told`, null);
      } else if (head.n > end.n) broken(end.n + 1, 'missing', `${span(end.n + 1, head.n)} missing: the head names ${head.n}`, null);
      else if (head.n < end.n) broken(head.n + 1, 'forged', `${span(head.n + 1, end.n)} behind the head, which names ${head.n}`, null);
      else if (head.hash !== end.hash) broken(end.n, 'changed', `${keyOf(end.n)} is not what the head names`, null);
    },
    report: () => ({
      from: first,
      to: last?.n ?? null,
      count: hashes.size,
      head,
      anchor,
      trustedFrom: trustedFrom === null || first === null ? null : Math.max(trustedFrom, first),
    }),
  };
};

export const numberOf = (key: string): string => /(\d+)$/.exec(key)?.[1] ?? '';
