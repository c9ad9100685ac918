// The section `llm` of a platform: where its chain of language model providers is read. What the words mean is in src/runbook/platform.ts.
import { z } from 'zod';
import type { LlmConfig } from '../runbook/platform.ts';
import { duration, matching, name, regionName } from './fields.ts';

const PROVIDERS_MAX = 8;
const path = (example: string) =>
  matching(
    `where in the document it is, by dots; write it like ${example}`,
    (value) => /^[\w-]+(?:\.[\w-]+){0,7}$/.test(value) && value.length <= 128,
  );
const provider = matching('a provider as the document names it, of 1 to 64 characters', (value) => value.length >= 1 && value.length <= 64);
const CHAIN = 'two to eight providers, each once, the first one first; write it like [openrouter, azure]';

export const llmSchema = z
  .strictObject({
    systems: z.record(regionName, name),
    section: path('llm').default('llm'),
    active: path('active').default('active'),
    chain: z
      .array(provider, { error: CHAIN })
      .min(2, { error: CHAIN })
      .max(PROVIDERS_MAX, { error: CHAIN })
      .refine((all) => new Set(all).size === all.length, { error: CHAIN }),
    churn: z
      .strictObject({
        switches: z.number().int().min(1).max(20).default(3),
        window: duration({ minMs: 60_000, maxMs: 3_600_000 }).default(600_000),
      })
      .default({ switches: 3, window: 600_000 }),
  })
  .transform(({ churn: { switches, window }, ...given }): LlmConfig => ({ ...given, churn: { switches, windowMs: window } }));
