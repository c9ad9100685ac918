// What may be reported of a service, and what is wrong with a report: shape, then names against the cluster's configuration, all problems at once. Pure.
import { z } from 'zod';
import type { ClusterConfig, Reported } from '../model.ts';
import { type BodyProblem, durationText, type Parsed, schemaOf, shapeProblems, unknownName } from './body.ts';

export type ReportInput = Pick<Reported, 'load' | 'capacity'> & { service: string; ttlMs: number };

const REPORT_TTL_MIN_MS = 10_000;
const REPORT_TTL_MAX_MS = 3_600_000;
/** In whatever unit; beyond it a number is a mistake. */
const AMOUNT_MAX = 1e15;
const POOLS_MAX = 100;

const amount = z.number().min(0, 'must not be negative').max(AMOUNT_MAX, 'is too large to be meant');
const BODY = z.strictObject({
  load: amount.optional().describe('What the whole service bears now, in a unit of your choice.'),
  capacity: z.record(z.string(), amount).describe('What each pool can bear, in the unit of the load.'),
  ttl: durationText.describe('It counts for so long: 10s to 1h.'),
});
export const REPORT_SCHEMA = schemaOf(BODY);

/** Understands the body of PUT /v1/reports/:service, or says everything that is wrong with it. */
export const parseReport = (service: string, body: unknown, cluster: ClusterConfig): Parsed<ReportInput> => {
  const shaped = BODY.safeParse(body);
  const problems: BodyProblem[] = shaped.success
    ? []
    : shaped.error.issues.flatMap((issue) => shapeProblems(issue, { '': Object.keys(BODY.shape) }));
  const configured = cluster.services.find(({ name }) => name === service);
  if (shaped.success) {
    const pools = configured?.pools.map(({ name }) => name) ?? [];
    const named = Object.keys(shaped.data.capacity);
    if (named.length > POOLS_MAX) problems.push({ pointer: '/capacity', detail: `may name ${POOLS_MAX} pools` });
    else if (configured !== undefined)
      problems.push(...named.flatMap((pool) => unknownName(['capacity', pool], `pool of ${service}`, pool, pools)));
    if (named.length === 0 && shaped.data.load === undefined)
      problems.push({ pointer: '/capacity', detail: 'names no pool, and there is no load either' });
    if (shaped.data.ttl < REPORT_TTL_MIN_MS || shaped.data.ttl > REPORT_TTL_MAX_MS)
      problems.push({ pointer: '/ttl', detail: 'must be from 10s to 1h' });
  }
  if (!shaped.success || problems.length > 0) return { ok: false, problems };
  const { load, capacity, ttl } = shaped.data;
  return { ok: true, value: { service, load: load ?? null, capacity, ttlMs: ttl } };
};
