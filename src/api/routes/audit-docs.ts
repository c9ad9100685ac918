// How the audit and the stream of events read in the OpenAPI document. Data only.
import { JOURNAL_KINDS } from '../../audit/journal.ts';
import { EVENT_TYPES } from '../event-types.ts';
import { json, type RouteSchema, ref } from '../openapi.ts';
import { listOf } from '../shapes.ts';
import { DECISION_EXAMPLE } from './decision-docs.ts';

export const LIMIT_DEFAULT = 100;
export const LIMIT_MAX = 500;
export const KINDS: readonly string[] = ['decision', ...JOURNAL_KINDS];

const CURSOR = '^v\\d{1,10}\\.j\\d{1,10}$';
const HASH = '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08';
const AT_MS = 1_795_316_400_000;
const AT = '2026-11-22T03:00:00.000Z';
const BECAUSE = 'drain drain-eu-west-1 ordered by ana: the database there is being upgraded';

const ENTRY = {
  n: 7,
  atMs: AT_MS,
  kind: 'override.put',
  by: 'ana',
  how: 'token',
  because: BECAUSE,
  detail: { override: { id: 'drain-eu-west-1', kind: 'drain', scope: { region: 'eu-west' } } },
  nonce: '5f0c9a71d2be',
  v: 41,
  decisionHash: HASH,
  prevHash: HASH,
};
const DECISION = { ...DECISION_EXAMPLE, epoch: 4, wouldChange: '', holds: [], votes: {}, prevHash: HASH };
const PAGE = {
  items: [
    { id: 'v41.j6', kind: 'decision', at: AT, by: 'us-east/a', because: DECISION.because, record: DECISION },
    { id: 'v41.j7', kind: 'override.put', at: AT, by: 'ana', because: BECAUSE, record: ENTRY },
  ],
  next: 'v41.j7',
  more: false,
};

/** Text of one JSON value a line. */
const lines = (...values: readonly unknown[]): string => values.map((value) => `${JSON.stringify(value)}\n`).join('');

/** A text that consists of so many values of `component`. */
const textOf = (mime: string, component: string, description: string): Record<string, unknown> => ({
  type: 'string',
  description,
  contentMediaType: mime,
  contentSchema: listOf(ref(component)),
});

export const AUDIT_DOCS = {
  page: {
    operationId: 'getAudit',
    summary: 'Decisions and orders, oldest first',
    description:
      'Pages of decisions and of the journal in the order in which they were committed. With `Accept: application/x-ndjson` everything there is as a sealed export for `tidegate audit verify --file`; an export without its last line was cut off and proves nothing.',
    tags: ['audit'],
    querystring: {
      type: 'object',
      properties: {
        after: { type: 'string', pattern: CURSOR, description: 'Only what comes behind this cursor.', examples: ['v41.j6'] },
        limit: {
          type: 'integer',
          minimum: 1,
          maximum: LIMIT_MAX,
          default: LIMIT_DEFAULT,
          description: 'So many are read; fewer are shown where `kind` leaves some out.',
          examples: [10],
        },
        kind: {
          type: 'string',
          pattern: `^(${KINDS.join('|').replaceAll('.', '\\.')})(,(${KINDS.join('|').replaceAll('.', '\\.')}))*$`,
          description: `Some of ${KINDS.join(', ')}, with commas between.`,
          examples: ['override.put,override.deleted'],
        },
        since: {
          type: 'string',
          pattern: '^(\\d{1,4}d|\\d{1,9}(\\.\\d{1,3})?(ms|s|m|h))$',
          description: 'Of the export: how far back.',
          examples: ['30d'],
        },
      },
    },
    response: {
      200: {
        description: 'A page, or the export.',
        content: {
          ...(json(ref('AuditPage'), { page: PAGE }).content as object),
          'application/x-ndjson': {
            schema: textOf('application/x-ndjson', 'AuditLine', 'One JSON value a line; the last seals those before it.'),
            examples: {
              export: {
                value: lines(
                  { kind: 'export', format: 1, cluster: 'production', atMs: AT_MS, sinceMs: null },
                  { kind: 'head', chain: 'journal', n: 7, hash: HASH },
                  { kind: 'journal', key: 'journal/0000000007', hash: HASH, record: ENTRY },
                  { kind: 'end', lines: 3, sha256: HASH },
                ),
              },
            },
          },
        },
      },
    },
  },
  events: {
    operationId: 'getEvents',
    summary: 'What happens, as it happens',
    description:
      'Server-Sent Events. Send `Last-Event-ID` to any replica to go on where another one ended; `stream.reset` says that something in between is not kept any more. A comment every 15 s says that the stream lives; it ends after an hour, so that credentials are shown again.',
    tags: ['events'],
    querystring: {
      type: 'object',
      properties: {
        types: {
          type: 'string',
          description: `Only these, with commas between; \`override\` stands for all \`override.…\`. There are ${EVENT_TYPES.join(', ')}.`,
          examples: ['override,decision.made'],
        },
        service: {
          type: 'string',
          description: 'Only what concerns this service, or all services.',
          examples: ['web.example.com'],
        },
      },
    },
    headers: {
      type: 'object',
      properties: {
        'Last-Event-ID': {
          type: 'string',
          description: 'The id of the last event that was received, from whichever replica.',
          examples: ['v41.j6'],
        },
      },
    },
    response: {
      200: {
        description:
          'The stream. Records of the two chains have an id of their own and are replayed; what only this replica saw is told once.',
        content: {
          'text/event-stream': {
            schema: textOf('text/event-stream', 'ApiEvent', 'The `data` of each is one ApiEvent.'),
            examples: {
              stream: {
                value: [
                  'retry: 2000\n\n',
                  `id: v41.j6\nevent: stream.opened\ndata: ${JSON.stringify({
                    type: 'stream.opened',
                    timestamp: AT,
                    data: { cursor: 'v41.j6', region: 'us-east', replica: 'a' },
                  })}\n\n`,
                  ': still here\n\n',
                ].join(''),
              },
            },
          },
        },
      },
    },
    refusals: ['ERR_NOT_ACCEPTABLE', 'ERR_STOPPING'],
  },
} as const satisfies Record<string, RouteSchema>;
