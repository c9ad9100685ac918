// What a process weighs, again and again: resident memory and open descriptors, as the kernel tells them. Flat means that the end weighs what the second
// quarter did: the first quarter is left out, in which caches fill.
import { readdirSync, readFileSync } from 'node:fs';
import { quantile } from '../bench/numbers.ts';

export interface Vital {
  atMs: number;
  rssMb: number;
  descriptors: number;
}

/** Throws when the process is gone. */
export const vitalOf = (pid: number, atMs: number): Vital => {
  const kb = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return { atMs, rssMb: Number(kb) / 1024, descriptors: readdirSync(`/proc/${pid}/fd`).length };
};

export interface Weight {
  earlyRssMb: number;
  lateRssMb: number;
  maxRssMb: number;
  earlyDescriptors: number;
  lateDescriptors: number;
}

const quarter = (vitals: readonly Vital[], n: number): readonly Vital[] =>
  vitals.slice(Math.floor((vitals.length * (n - 1)) / 4), Math.floor((vitals.length * n) / 4));

/** Medians of the second and of the last quarter. `vitals`: in order, at least eight. */
export const weigh = (vitals: readonly Vital[]): Weight => {
  const median = (n: number, of: (vital: Vital) => number): number => quantile(quarter(vitals, n).map(of), 0.5);
  return {
    earlyRssMb: median(2, ({ rssMb }) => rssMb),
    lateRssMb: median(4, ({ rssMb }) => rssMb),
    maxRssMb: Math.max(...vitals.map(({ rssMb }) => rssMb)),
    earlyDescriptors: median(2, ({ descriptors }) => descriptors),
    lateDescriptors: median(4, ({ descriptors }) => descriptors),
  };
};

/** What a garbage collector leaves lying about is no leak; so many descriptors come and go with what is looked at. */
const RSS_GROWTH_MAX = 0.15;
const DESCRIPTORS_GROWTH_MAX = 8;

/** Why that is not flat, in one sentence; null: it is. */
export const growth = ({ earlyRssMb, lateRssMb, earlyDescriptors, lateDescriptors }: Weight): string | null => {
  if (lateRssMb > earlyRssMb * (1 + RSS_GROWTH_MAX))
    return `memory grew from ${earlyRssMb.toFixed(0)} to ${lateRssMb.toFixed(0)} MB, more than ${100 * RSS_GROWTH_MAX} %`;
  if (lateDescriptors > earlyDescriptors + DESCRIPTORS_GROWTH_MAX)
    return `open descriptors grew from ${earlyDescriptors} to ${lateDescriptors}, by more than ${DESCRIPTORS_GROWTH_MAX}`;
  return null;
};
