// What a health document says of the chain, and when that is told: whatever is odd is unknown, and unknown begins and ends nothing.
import { describe, expect, test } from 'vitest';
import { type LlmKnown, llmAfter, NOTHING_KNOWN, type Seen, seenIn } from '../../src/llm/chain.ts';
import type { ByRegion, LlmConfig } from '../../src/runbook/platform.ts';
import { EAST, WEST } from '../runbook/platforms.ts';

const CONFIG: LlmConfig = {
  systems: { [EAST]: 'health-east', [WEST]: 'health-west' },
  section: 'checks.llm',
  active: 'provider',
  chain: ['openrouter', 'azure'],
  churn: { switches: 3, windowMs: 600_000 },
};
const MINUTE_MS = 60_000;

test.each([
  [{ checks: { llm: { provider: 'azure' } } }, 'azure'],
  [{ checks: { llm: { provider: 'bedrock' } } }, null],
  [{ checks: { llm: { provider: '' } } }, null],
  [{ checks: { llm: { provider: ['azure'] } } }, null],
  [{ checks: { llm: 'azure' } }, null],
  [{ checks: [] }, null],
  [{ provider: 'azure' }, null],
  ['azure', null],
  [null, null],
])('%j: %s', (document, provider) => {
  expect(seenIn(document, CONFIG).provider).toBe(provider);
});

test('names that every object has are no providers', () => {
  expect(seenIn({}, { ...CONFIG, section: 'constructor', active: 'name' }).provider).toBeNull();
});

/** Looks, each a minute after the one before: the provider of the east and of the west, `-` for unknown. */
const looked = (...looks: readonly (readonly [string, string])[]) => {
  const told: string[] = [];
  let [known, before]: [LlmKnown, ByRegion<Seen>] = [NOTHING_KNOWN, {}];
  looks.forEach((look, n) => {
    const [east, west] = look.map((provider): Seen => ({ provider: provider === '-' ? null : provider, because: '' }));
    const seen = { [EAST]: east, [WEST]: west } as ByRegion<Seen>;
    const after = llmAfter('shop', CONFIG, known, { seen, seenBefore: before }, n * MINUTE_MS);
    told.push(...after.news.map(({ type, summary }) => `${n} ${type} ${summary.slice('language models of platform shop: '.length)}`));
    [known, before] = [after.known, seen];
  });
  return { told, known };
};
const [O, A] = ['openrouter', 'azure'];

describe('what is told', () => {
  test('a region that is not on the first provider, once it was seen so twice; and its end', () => {
    const { told } = looked([O, O], [O, A], [O, A], [O, A], [O, O], [O, O], ...Array.from({ length: 10 }, () => [O, O] as const));
    expect(told).toEqual([
      '2 llm.degraded eu-west is on azure, not on openrouter; no route moves for it',
      '5 llm.recovered every region is on openrouter again, or is asked no more',
    ]);
  });

  test('nothing while all is well, or nobody knows', () => {
    expect(looked([O, O], [O, '-'], ['-', '-'], [O, O]).told).toEqual([]);
    expect(looked(['-', A], ['-', '-'], ['-', A]).told).toEqual([]);
  });

  test('what is unknown ends nothing', () => {
    const { told, known } = looked([O, A], [O, A], [O, '-'], ['-', '-'], [O, '-']);
    expect(told).toHaveLength(1);
    expect(known.told).toEqual([`degraded ${WEST}`]);
    expect(known.regions[WEST]?.provider).toBe(A);
  });

  test('every region on the last provider', () => {
    expect(looked([A, A], [A, A]).told.map((text) => text.split(' ')[1])).toEqual(['llm.degraded', 'llm.last']);
    expect(looked([A, '-'], [A, '-']).told.map((text) => text.split(' ')[1])).toEqual(['llm.degraded']);
  });

  test('more switches than that within the window, until it was quiet for as long', () => {
    const quiet = Array.from({ length: 11 }, () => [O, O] as const);
    expect(looked([O, O], [O, A], [O, O], [O, A], [O, A], [O, A]).told.map((text) => text.split(' ')[1])).not.toContain('llm.churn');
    const { told } = looked([O, O], [O, A], [O, O], [O, A], [O, O], ...quiet);
    expect(told).toEqual([
      '4 llm.churn eu-west has switched 4 times in 10 min, more than 3',
      '14 llm.recovered every region is on openrouter again, or is asked no more',
    ]);
  });
});
