// The shapes of objectives and of the matrix, by name, for the OpenAPI document.
import type { MatrixCell, PlatformMatrix } from '../objectives/model.ts';
import { VERDICTS } from '../objectives/model.ts';
import { OBJECTIVE_KINDS, OBJECTIVE_ROLES } from '../runbook/platform.ts';
import { type JsonSchema, ref } from './openapi.ts';
import { AT_MS, COUNT, FLAG, listOf, oneOfTexts, orNull, shape, shapeOf, TEXT } from './shapes.ts';

const MS = { type: 'number', minimum: 0 } as const;
const ROLE = {
  ...oneOfTexts(...OBJECTIVE_ROLES),
  description: 'What waits for it: nothing; a recovery while it is seen over its bound; a recovery until it is seen to hold.',
};
const BOUND = { ...MS, description: 'It holds below that.' };

export const OBJECTIVE_SCHEMAS: Readonly<Record<string, JsonSchema>> = {
  ObjectiveCell: shapeOf<MatrixCell>(
    {
      from: { ...TEXT, description: 'The region that measured.' },
      to: { ...TEXT, description: 'The region of what was measured.' },
      objective: TEXT,
      of: { ...TEXT, description: 'An entry of namespaces or databases; of a query the objective itself.' },
      role: ROLE,
      verdict: { ...oneOfTexts(...VERDICTS), description: '`unknown` is never good.' },
      ms: { ...orNull(MS), description: 'null: not measured, or mostly without an answer.' },
      maxMs: BOUND,
      samples: COUNT,
      lost: { ...COUNT, description: 'Of the samples, without an answer.' },
      ageMs: { ...orNull(MS), description: 'null: nobody has measured it lately.' },
      because: TEXT,
      remedies: { ...listOf(TEXT), description: 'Beside a breach between two regions.' },
    },
    {},
  ),
  PlatformObjectives: shapeOf<PlatformMatrix>(
    {
      platform: TEXT,
      objectives: listOf(
        shapeOf<PlatformMatrix['objectives'][number]>(
          {
            name: TEXT,
            kind: oneOfTexts(...OBJECTIVE_KINDS),
            says: TEXT,
            maxMs: BOUND,
            role: ROLE,
            measured: { ...FLAG, description: 'false: the platform names nothing that it could be measured by.' },
          },
          {},
        ),
      ),
      cells: listOf(ref('ObjectiveCell')),
    },
    {},
  ),
  ObjectiveList: shape({ items: listOf(ref('PlatformObjectives')), clusterTimeMs: AT_MS }),
};
