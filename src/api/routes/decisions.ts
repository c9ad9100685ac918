// What was decided, and everything that is known of it.
import { Fault } from '../../errors.ts';
import { dossierOf, timed } from '../dossier.ts';
import { AUDITS_MAX } from '../record-reader.ts';
import { type ApiRoute, configured, type RouteOptions } from '../route.ts';
import { DECISION_DOCS, LIMIT_DEFAULT, NUMBERS_MAX } from './decision-docs.ts';

/** A whole number of the query or the path; null: it is not there. */
const wholeOf = (what: string, text: string | undefined, least: number, most: number): number | null => {
  if (text === undefined) return null;
  const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= least && value <= most) return value;
  throw new Fault('ERR_BAD_REQUEST', `${what} must be a whole number from ${least} to ${most}, found "${text.slice(0, 40)}"`);
};

export const decisionRoutes = ({ view, snapshot, records }: RouteOptions): readonly ApiRoute[] => [
  {
    method: 'GET',
    url: '/v1/decisions',
    needs: 'viewer',
    schema: DECISION_DOCS.list,
    async handler({ query }) {
      const limit = wholeOf('limit', query.limit, 1, AUDITS_MAX) ?? LIMIT_DEFAULT;
      const before = wholeOf('before', query.before, 1, NUMBERS_MAX);
      const newest = configured(snapshot()).routing?.v ?? 0;
      const from = Math.min(newest, (before ?? Number.POSITIVE_INFINITY) - 1);
      const numbers = Array.from({ length: Math.max(0, Math.min(limit, from)) }, (_, i) => from - i);
      const items = (await records.audits(numbers)).map(({ v, atMs, by, because, changes }) => ({ v, atMs, by, because, changes }));
      const oldest = numbers.at(-1) ?? 1;
      return { items, before: items.length > 0 && oldest > 1 ? oldest : null };
    },
  },
  {
    method: 'GET',
    url: '/v1/decisions/:v',
    needs: 'viewer',
    schema: DECISION_DOCS.get,
    async handler({ params }) {
      const v = wholeOf('the number of a decision', params.v, 1, NUMBERS_MAX - 1) ?? 1;
      const found = await records.decision(v);
      const { audit } = found;
      if (audit === null) {
        const newest = snapshot()?.routing?.v ?? 0;
        const why = v > newest ? `the newest is ${newest}` : 'it is older than what is kept';
        throw new Fault('ERR_NOT_FOUND', `there is no record of decision ${v}: ${why}; GET /v1/decisions lists them`);
      }
      return dossierOf({ ...found, audit }, configured(view.cluster()), view.clusterNowMs());
    },
  },
  {
    method: 'GET',
    url: '/v1/incidents',
    needs: 'viewer',
    schema: DECISION_DOCS.incidents,
    async handler({ query }) {
      const limit = wholeOf('limit', query.limit, 1, AUDITS_MAX) ?? LIMIT_DEFAULT;
      const { goals } = configured(view.cluster());
      const all = await records.incidents();
      return {
        items: all.slice(0, limit).map((incident) => ({ ...incident, ...timed(incident, goals, view.clusterNowMs()) })),
        total: all.length,
      };
    },
  },
  {
    method: 'GET',
    url: '/v1/incidents/:id',
    needs: 'viewer',
    schema: DECISION_DOCS.incident,
    async handler({ params }) {
      const id = params.id ?? '';
      const incident = /^[\w.*-]{1,256}$/.test(id) ? await records.incident(id) : null;
      if (incident === null) throw new Fault('ERR_NOT_FOUND', `no incident is called "${id.slice(0, 80)}"; GET /v1/incidents lists them`);
      const { goals } = configured(view.cluster());
      return { incident, ...timed(incident, goals, view.clusterNowMs()), decision: `/v1/decisions/${incident.v}` };
    },
  },
];
