// Who did what: pages of JSON, or an export as lines that `tidegate audit verify --file` proves. For operators and above: it names people and addresses.
import { Readable } from 'node:stream';
import { cursorText, type FeedItem, parseCursor, START } from '../../audit/feed.ts';
import { parseSpan } from '../../config/fields.ts';
import { Fault } from '../../errors.ts';
import { mask } from '../../log.ts';
import { DeadlineError, isoTime } from '../../ports.ts';
import { BodyFault } from '../problem.ts';
import type { ApiRequest, ApiRoute, RouteOptions } from '../route.ts';
import { AUDIT_DOCS, KINDS, LIMIT_DEFAULT, LIMIT_MAX } from './audit-docs.ts';

const NDJSON = 'application/x-ndjson';
const DAYS_MAX = 9_999;

const kindOf = (item: FeedItem): string => (item.chain === 'decisions' ? 'decision' : item.record.kind);

const shown = (item: FeedItem): unknown => {
  const { cursor, record } = item;
  const about = { id: cursorText(cursor), kind: kindOf(item), at: isoTime(record.atMs), by: record.by, because: record.because };
  // What people typed may hold a secret; what they did is never masked away.
  return mask({ ...about, record });
};

interface Asked {
  after: { v: number; n: number };
  limit: number;
  kinds: readonly string[];
  sinceMs: number | null;
}

/** Throws BodyFault with every problem of the query. */
const askedOf = ({ query }: ApiRequest): Asked => {
  const problems: { pointer: string; detail: string }[] = [];
  const after = query.after === undefined ? START : parseCursor(String(query.after));
  if (after === null)
    problems.push({ pointer: '/after', detail: 'expected a cursor such as v12.j7: the id of a record, or `next` of a page' });
  const limit = query.limit === undefined ? LIMIT_DEFAULT : Number(query.limit);
  if (!Number.isInteger(limit) || limit < 1 || limit > LIMIT_MAX)
    problems.push({ pointer: '/limit', detail: `expected a whole number from 1 to ${LIMIT_MAX}` });
  const kinds = query.kind === undefined ? [] : String(query.kind).split(',');
  if (kinds.some((kind) => !KINDS.includes(kind)))
    problems.push({ pointer: '/kind', detail: `expected some of ${KINDS.join(', ')}, with commas between` });
  const sinceMs = query.since === undefined ? null : parseSpan(String(query.since), DAYS_MAX);
  if (query.since !== undefined && sinceMs === null) problems.push({ pointer: '/since', detail: 'expected a duration such as 30d or 36h' });
  if (problems.length > 0) throw new BodyFault(problems);
  return { after: after ?? START, limit, kinds, sinceMs };
};

const unreachable = (error: unknown): Fault =>
  new Fault(
    'ERR_STORE_UNREACHABLE',
    error instanceof DeadlineError ? 'the store did not answer in time: try again' : 'the store refused or is out of reach: try again',
    { cause: error },
  );

export const auditRoutes = ({ audit, view }: RouteOptions): readonly ApiRoute[] => [
  {
    method: 'GET',
    url: '/v1/audit',
    needs: 'operator',
    schema: AUDIT_DOCS.page,
    async handler(request, reply) {
      const asked = askedOf(request);
      if (String(request.headers.accept ?? '').includes(NDJSON)) {
        const gone = new AbortController();
        reply.raw.once('close', () => gone.abort());
        const nowMs = Math.round(view.clusterNowMs());
        const lines = audit.lines(nowMs, asked.sinceMs === null ? null : nowMs - asked.sinceMs, gone.signal);
        // The first line before the status: a store that is out of reach is told as such.
        const first = await lines.next().catch((error: unknown) => {
          throw unreachable(error);
        });
        const all = async function* (): AsyncGenerator<string> {
          if (first.done !== true) yield first.value;
          yield* lines;
        };
        return reply.type(NDJSON).send(Readable.from(all()));
      }
      const page = await audit.page(asked.after, asked.limit).catch((error: unknown) => {
        throw unreachable(error);
      });
      const items = page.items.filter((item) => asked.kinds.length === 0 || asked.kinds.includes(kindOf(item)));
      return { items: items.map(shown), next: cursorText(page.cursor), more: page.items.length === asked.limit };
    },
  },
];
