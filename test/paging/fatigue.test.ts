// Whoever is paged the same words all night stops reading them: what goes wrong now and then is told once, or not at all. An hour of each is
// `npm run bench -- fatigue`.
import { expect, test } from 'vitest';
import { CONDITIONS } from '../bench/fatigue/conditions.ts';
import { allowedIn, measureFatigue } from '../bench/fatigue.ts';

const MINUTES = 10;

test.each(CONDITIONS.map((condition) => [condition.name, allowedIn(condition, MINUTES), condition] as const))(
  '%s: at most %i pages in ten minutes',
  { timeout: 60_000 },
  async (_, allowed, condition) => {
    const { pages, kinds } = await measureFatigue(condition, MINUTES);
    expect(pages, JSON.stringify(kinds)).toBeLessThanOrEqual(allowed);
  },
);
