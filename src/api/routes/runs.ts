// Platforms and the runs that move them: where each is active and how ready it is, what a run would do, is doing and has done, and what humans say to it.
import { Fault } from '../../errors.ts';
import type { Principal } from '../access.ts';
import { askedBy, isDryRun, keyNeeded, oneOf, replay, understood } from '../keyed.ts';
import { BodyFault } from '../problem.ts';
import { type ApiRequest, type ApiRoute, configured, headerOf, type RouteOptions } from '../route.ts';
import type { Begun, Deed, PlanAsked, RunAct, RunDesk } from '../run-desk.ts';
import { ORDERED_PURPOSES, parseAnswer, parseApprove, parseReason, RUN_MODES } from '../run-input.ts';
import { undoLines } from '../undo.ts';
import { LIMIT_DEFAULT, LIMIT_MAX, PLATFORM_DOCS, RUN_DOCS } from './run-docs.ts';

const limitOf = ({ limit }: ApiRequest['query']): number => {
  if (limit === undefined) return LIMIT_DEFAULT;
  const value = /^\d{1,6}$/.test(limit) ? Number(limit) : 0;
  if (value >= 1 && value <= LIMIT_MAX) return value;
  throw new BodyFault([{ pointer: '/limit', detail: `must be a whole number from 1 to ${LIMIT_MAX}, found "${limit.slice(0, 40)}"` }]);
};

const planAsked = ({ to, mode, purpose }: ApiRequest['query']): PlanAsked => ({
  ...(to === undefined ? {} : { to }),
  mode: oneOf('mode', mode, RUN_MODES, 'graceful'),
  purpose: oneOf('purpose', purpose, ORDERED_PURPOSES, 'failover'),
});

/** Everything that can be said to a run, by the last part of its path. */
const DEEDS: readonly { act: keyof typeof RUN_DOCS.acts; needs: 'operator' | 'approver'; read: (body: unknown) => Deed }[] = [
  {
    act: 'approve',
    needs: 'approver',
    read: (body) => {
      const { step, reason } = understood(parseApprove(body));
      return { do: 'approve', ...(step === undefined ? {} : { step }), ...(reason === undefined ? {} : { reason }) };
    },
  },
  { act: 'answer', needs: 'operator', read: (body) => ({ do: 'answer', ...understood(parseAnswer(body)) }) },
  { act: 'abort', needs: 'operator', read: (body) => ({ do: 'abort', ...understood(parseReason(body)) }) },
  { act: 'undo', needs: 'operator', read: (body) => ({ do: 'undo', ...understood(parseReason(body)) }) },
  { act: 'force', needs: 'operator', read: (body) => ({ do: 'force', ...understood(parseReason(body)) }) },
];

export const runRoutes = ({ view, runs, log, baseUrl }: RouteOptions): readonly ApiRoute[] => {
  const desk = (): RunDesk => {
    if (runs === undefined) throw new Fault('ERR_NOT_FOUND', 'nothing is offered at this path: this replica carries out no runs');
    return runs;
  };
  const cluster = () => configured(view.cluster());
  const actOf = (request: ApiRequest, principal: Principal): RunAct => ({
    principal,
    cluster: cluster(),
    ifMatch: headerOf(request.headers['if-match']),
    asked: askedBy(request, principal),
  });
  const begunBody = ({ run, plan }: Begun, dryRun: boolean): object => ({ run, plan, dryRun, undo: undoLines(run.id, baseUrl()) });

  return [
    {
      method: 'GET',
      url: '/v1/platforms',
      needs: 'viewer',
      schema: PLATFORM_DOCS.list,
      handler: async () => ({ items: await desk().platforms(cluster()), clusterTimeMs: view.clusterNowMs() }),
    },
    {
      method: 'GET',
      url: '/v1/platforms/:name',
      needs: 'viewer',
      schema: PLATFORM_DOCS.get,
      handler: async ({ params }) => ({
        platform: await desk().platform(cluster(), params.name ?? ''),
        clusterTimeMs: view.clusterNowMs(),
      }),
    },
    {
      method: 'GET',
      url: '/v1/platforms/:name/plan',
      needs: 'viewer',
      schema: PLATFORM_DOCS.plan,
      handler: async ({ params, query }) => desk().plan(cluster(), params.name ?? '', planAsked(query)),
    },
    {
      method: 'POST',
      url: '/v1/platforms/:name/runs',
      needs: 'operator',
      once: 'spends',
      schema: PLATFORM_DOCS.begin,
      async handler(request, reply, principal) {
        const name = request.params.name ?? '';
        const [act, dryRun] = [actOf(request, principal), isDryRun(request)];
        if (dryRun) return begunBody(await desk().preview(name, request.body, act), true);
        if (act.asked === null) throw keyNeeded();
        const begun = await desk().begin(name, request.body, act);
        const { id, purpose, mode, from, to } = begun.run;
        if (!begun.replayed) log.info('run.begun', { requestId: request.id, run: id, purpose, mode, from, to, by: principal.name });
        replay(reply, begun.replayed);
        void reply.code(201).header('location', `/v1/runs/${id}`).header('etag', begun.tag);
        return begunBody(begun, false);
      },
    },
    {
      method: 'GET',
      url: '/v1/runs',
      needs: 'viewer',
      schema: RUN_DOCS.list,
      async handler({ query }) {
        const open = oneOf('state', query.state, ['open', 'all'], 'open') === 'open';
        const limit = limitOf(query);
        const items = await desk().runs({ open });
        return { items: items.slice(0, limit), total: items.length, clusterTimeMs: view.clusterNowMs() };
      },
    },
    {
      method: 'GET',
      url: '/v1/runs/:id',
      needs: 'viewer',
      schema: RUN_DOCS.get,
      async handler({ params }, reply) {
        const { run, tag } = await desk().run(params.id ?? '');
        void reply.header('etag', tag);
        return { run, clusterTimeMs: view.clusterNowMs() };
      },
    },
    ...DEEDS.map(
      ({ act: name, needs, read }): ApiRoute => ({
        method: 'POST',
        url: `/v1/runs/:id/${name}`,
        needs,
        once: 'spends',
        schema: RUN_DOCS.acts[name],
        async handler(request, reply, principal) {
          const deed = read(request.body);
          const { run, tag, replayed } = await desk().act(request.params.id ?? '', deed, actOf(request, principal));
          if (!replayed) log.info(`run.${name}`, { requestId: request.id, run: run.id, state: run.state, by: principal.name, ...deed });
          replay(reply, replayed);
          void reply.header('etag', tag);
          return { run, clusterTimeMs: view.clusterNowMs() };
        },
      }),
    ),
  ];
};
