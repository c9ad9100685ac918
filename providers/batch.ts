// What every adapter asks of a batch before it calls anybody, and how a batch is called in sentences. Pure.
import assert from 'node:assert';
import type { Applied, Change } from './provider.ts';

/** Throws for bugs of the caller's: no change at all, or one service twice. */
export const assertBatch = (changes: readonly Change[]): void => {
  assert(changes.length > 0, 'an empty batch');
  const names = changes.map(({ desired }) => desired.service);
  assert(new Set(names).size === names.length, `a batch that names a service twice: ${names.join(', ')}`);
};

/** A lower fence never goes over a higher one, however fresh the read that found it. null: none would. */
export const behindIn = (changes: readonly Change[]): (Applied & { outcome: 'conflict' }) | null => {
  const behind = changes.find(({ fence, previous }) => previous.fence !== null && previous.fence.v > fence.v);
  if (behind === undefined) return null;
  const because = `${behind.desired.service}: fence ${behind.previous.fence?.v} is served, ours is ${behind.fence.v}`;
  return { outcome: 'conflict', because };
};

const NAMED_MAX = 3;

/** The services of a batch: the first of them by name, the others by number. */
export const servicesIn = (changes: readonly Change[]): string => {
  const names = changes.map(({ desired }) => desired.service);
  return names.length <= NAMED_MAX ? names.join(', ') : `${names.slice(0, NAMED_MAX).join(', ')} and ${names.length - NAMED_MAX} more`;
};
