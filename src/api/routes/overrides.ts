// Orders of operators: read from the store, since the entity tag is what a guarded write is compared with; written through the writer.
import type { FastifyReply } from 'fastify';
import { Fault } from '../../errors.ts';
import type { Override } from '../../model.ts';
import { isoTime } from '../../ports.ts';
import type { Principal } from '../access.ts';
import { fingerprintOf, keyHash } from '../asked.ts';
import { type OverrideInput, orderId, parseOverride } from '../override-input.ts';
import { type Act, type AskedBy, type Committed, etagOf, overrideNamed, tagOf } from '../overrides.ts';
import { BodyFault } from '../problem.ts';
import { type ApiRequest, type ApiRoute, configured, headerOf, type RouteOptions } from '../route.ts';
import { standingOf } from '../standing.ts';
import { endLines, putBackLines, type Undo } from '../undo.ts';
import { OVERRIDE_DOCS } from './override-docs.ts';

const KEY_CHARS = { min: 8, max: 200 };

const isDryRun = ({ query }: ApiRequest): boolean => {
  const { dryRun } = query;
  if (dryRun === undefined || dryRun === 'false') return false;
  // A mistake here must not move traffic.
  if (dryRun !== 'true') throw new Fault('ERR_BAD_REQUEST', 'dryRun is true or false');
  return true;
};

/** null: a dry run without a key. */
const askedBy = ({ headers, body }: ApiRequest, { principal: { name }, dryRun }: Act): AskedBy | null => {
  const given = headerOf(headers['idempotency-key']);
  if (given === null && dryRun) return null;
  const key = given?.trim() ?? '';
  if (key.length < KEY_CHARS.min || key.length > KEY_CHARS.max)
    throw new Fault(
      'ERR_BAD_REQUEST',
      `send Idempotency-Key: a fresh random text of ${KEY_CHARS.min} to ${KEY_CHARS.max} characters, the same again for a retry; or ?dryRun=true`,
    );
  return { hash: keyHash(name, key), fingerprint: fingerprintOf(body) };
};

export const overrideRoutes = ({ view, submit, log, baseUrl, forecast }: RouteOptions): readonly ApiRoute[] => {
  const actOf = (request: ApiRequest, principal: Principal, dryRun: boolean): Act => ({
    principal,
    cluster: configured(view.cluster()),
    foresee: forecast ?? (() => null),
    dryRun,
    ifMatch: headerOf(request.headers['if-match']),
    ifNoneMatch: headerOf(request.headers['if-none-match']),
  });
  const parsed = (id: string, body: unknown, { cluster, principal }: Act): OverrideInput => {
    const result = parseOverride(id, body, { cluster, nowMs: view.clusterNowMs(), principal: principal.name });
    if (!result.ok) throw new BodyFault(result.problems);
    return result.value;
  };
  const approvalOf = ({ override, needsApproval }: Committed): 'not-needed' | 'needed' | 'given' => {
    if (override.approval !== undefined) return override.approval.by === null ? 'needed' : 'given';
    return needsApproval ? 'needed' : 'not-needed';
  };
  /** Every act ends so: it is logged if it was done just now, and answered with what stands and how to take it back. */
  const conclude = (
    event: string,
    request: ApiRequest,
    reply: FastifyReply,
    { dryRun }: Act,
    committed: Committed,
    undo: Undo | null,
  ): unknown => {
    const { override, version, refusals, notes, replayed } = committed;
    if (!dryRun && !replayed) log.info(event, { requestId: request.id, version, override: { ...override } });
    void reply.header('etag', tagOf(override));
    if (replayed) void reply.header('idempotency-replayed', 'true');
    return {
      override,
      version,
      expiresAt: isoTime(override.expiresAtMs),
      dryRun,
      approval: approvalOf(committed),
      refusals,
      undo,
      forecast: committed.forecast,
      notes,
    };
  };
  /** The services are looked at once for all of a list: of a large cluster that is not little. */
  const standings = (items: readonly Override[]): readonly ReturnType<typeof standingOf>[] => {
    const services = view.services();
    return items.map((item) => standingOf(item, services, view.clusterNowMs()));
  };

  return [
    {
      method: 'GET',
      url: '/v1/overrides',
      needs: 'viewer',
      schema: OVERRIDE_DOCS.list,
      async handler(_request, reply) {
        const { version, items } = await submit.listOverrides();
        const stand = standings(items);
        return reply.header('etag', etagOf(version)).send({ version, items: items.map((item, at) => ({ ...item, ...stand[at] })) });
      },
    },
    {
      method: 'GET',
      url: '/v1/overrides/:id',
      needs: 'viewer',
      schema: OVERRIDE_DOCS.get,
      async handler(request, reply) {
        const { version, items } = await submit.listOverrides();
        const override = overrideNamed(items, request.params.id ?? '');
        return reply.header('etag', tagOf(override)).send({ override, version, ...standings([override])[0] });
      },
    },
    {
      method: 'POST',
      url: '/v1/overrides',
      needs: 'operator',
      once: 'spends',
      schema: OVERRIDE_DOCS.post,
      async handler(request, reply, principal) {
        const act = actOf(request, principal, isDryRun(request));
        const committed = await order(request, act, askedBy(request, act));
        if (!act.dryRun) void reply.code(201).header('location', `/v1/overrides/${committed.override.id}`);
        return conclude('override.put', request, reply, act, committed, endLines(committed.override, baseUrl()));
      },
    },
    {
      method: 'PUT',
      url: '/v1/overrides/:id',
      needs: 'operator',
      once: 'spends',
      schema: OVERRIDE_DOCS.put,
      async handler(request, reply, principal) {
        const act = actOf(request, principal, isDryRun(request));
        const committed = await submit.putOverride(parsed(request.params.id ?? '', request.body, act), act);
        if (!act.dryRun && committed.created) void reply.code(201);
        return conclude('override.put', request, reply, act, committed, endLines(committed.override, baseUrl()));
      },
    },
    {
      method: 'DELETE',
      url: '/v1/overrides/:id',
      needs: 'operator',
      once: 'spends',
      schema: OVERRIDE_DOCS.delete,
      async handler(request, reply, principal) {
        const act = actOf(request, principal, isDryRun(request));
        const committed = await submit.deleteOverride(request.params.id ?? '', act);
        return conclude(
          'override.deleted',
          request,
          reply,
          act,
          committed,
          putBackLines(committed.override, baseUrl(), view.clusterNowMs()),
        );
      },
    },
    {
      method: 'POST',
      url: '/v1/overrides/:id/approve',
      needs: 'approver',
      once: 'spends',
      schema: OVERRIDE_DOCS.approve,
      async handler(request, reply, principal) {
        const act = actOf(request, principal, false);
        const committed = await submit.approveOverride(request.params.id ?? '', act);
        return conclude('override.approved', request, reply, act, committed, endLines(committed.override, baseUrl()));
      },
    },
  ];

  /** A retry is answered as the first was, also when its body would not be taken any more: its start has passed, say. */
  async function order(request: ApiRequest, act: Act, asked: AskedBy | null): Promise<Committed> {
    const id = orderId(request.body, asked?.hash ?? fingerprintOf(request.body));
    let input: OverrideInput;
    try {
      input = parsed(id, request.body, act);
    } catch (error) {
      const before = asked === null || act.dryRun ? null : await submit.answered(asked).catch(() => null);
      if (before === null) throw error;
      return before;
    }
    return submit.createOverride(input, act, act.dryRun ? null : asked);
  }
};
