// The shapes of what the status document says of platforms, by name, for the OpenAPI document.
import { LLM_ALARMS, type LlmAlarm, type LlmRegionView, type LlmView } from '../llm/view.ts';
import { OUTCOMES, type VerifyReport } from '../verify/desk.ts';
import { STEPS, type VerifyLine } from '../verify/line.ts';
import { type JsonSchema, ref } from './openapi.ts';
import type { DatabaseStatus, OverBudget, PlatformStatus } from './platform-status.ts';
import { DATABASE } from './run-schemas.ts';
import { AT_MS, COUNT, FLAG, listOf, membersOf, oneOfTexts, orNull, shape, shapeOf, TEXT } from './shapes.ts';

const MORE = membersOf<Pick<DatabaseStatus, 'behind' | 'unmeasured'>>(
  {
    behind: { ...listOf(TEXT), description: 'Regions whose standby was told to be too far behind and has not been back since.' },
    unmeasured: { ...listOf(TEXT), description: 'Regions whose standby was never measured.' },
  },
  {},
);

export const PLATFORM_SCHEMAS: Readonly<Record<string, JsonSchema>> = {
  VerifyReport: shapeOf<VerifyReport>(
    {
      platform: TEXT,
      outcome: { ...oneOfTexts(...OUTCOMES), description: '`good`: something was looked at, and all of it is as it should be.' },
      by: { ...shape({ region: TEXT, replica: TEXT }), description: 'Who looked, with its own systems.' },
      atMs: { ...AT_MS, description: 'Cluster time at the begin of the round.' },
      lines: {
        ...listOf(
          shapeOf<VerifyLine>(
            {
              step: oneOfTexts(...STEPS),
              of: TEXT,
              region: TEXT,
              is: {
                ...oneOfTexts('ok', 'waiting', 'failed', 'unknown'),
                description: '`waiting`: on its way. `unknown`: it could not be looked at, which is never good.',
              },
              because: TEXT,
              fix: { ...TEXT, description: 'What to do; empty when it is good.' },
            },
            {},
          ),
        ),
        description: 'In the order in which a deployment comes to be.',
      },
    },
    {},
  ),
  LanguageModels: shapeOf<LlmView>(
    {
      chain: { ...listOf(TEXT), description: 'Providers, the wanted one first.' },
      churn: {
        ...shape({ switches: COUNT, windowMs: COUNT }),
        description: 'More switches of a region than that within the window are told.',
      },
      regions: listOf(
        shapeOf<LlmRegionView>(
          {
            region: TEXT,
            provider: { ...orNull(TEXT), description: 'The one that was seen last; null: none of the chain was ever seen.' },
            position: {
              ...orNull({ type: 'integer', minimum: 1 }),
              description: 'In the chain; null: it is in the chain no more, or there is none.',
            },
            sinceAtMs: { ...orNull(AT_MS), description: 'When it was first seen on that provider.' },
            switches: { ...COUNT, description: 'Within the window.' },
            known: { ...FLAG, description: 'The last look saw it, and is not old; else it is what was known last.' },
            lookedAtMs: { ...orNull(AT_MS), description: 'The last look, whatever it saw; null: there was none.' },
            because: TEXT,
          },
          {},
        ),
      ),
      alarms: {
        ...listOf(
          shapeOf<LlmAlarm>(
            { is: oneOfTexts(...LLM_ALARMS), region: { ...orNull(TEXT), description: 'null: of all of them together.' } },
            {},
          ),
        ),
        description: 'What was told and is not over.',
      },
    },
    {},
  ),
  PlatformStatus: shapeOf<PlatformStatus>(
    {
      name: TEXT,
      databases: listOf(shape({ ...DATABASE.needed, ...MORE.needed })),
      llm: { ...orNull(ref('LanguageModels')), description: 'Advice; null: the platform has no chain of language models.' },
      over: {
        ...listOf(shapeOf<OverBudget>({ name: TEXT, advice: { ...FLAG, description: 'Nothing waits for it.' } }, {})),
        description: 'What is over its bound, as it was told.',
      },
    },
    {},
  ),
};
