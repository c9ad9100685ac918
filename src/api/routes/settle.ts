// What humans settle of databases that nobody can prove: where the writer is, and that this is taken back.
import { Fault } from '../../errors.ts';
import type { Principal } from '../access.ts';
import { askedBy, isDryRun, keyNeeded, replay } from '../keyed.ts';
import { type ApiRequest, type ApiRoute, configured, headerOf, type RouteOptions } from '../route.ts';
import type { RunAct } from '../run-desk.ts';
import type { SettleDesk } from '../settle-desk.ts';
import { unsettleLines } from '../undo.ts';
import { SETTLE_DOCS } from './settle-docs.ts';

const ACTS = ['settle', 'unsettle'] as const satisfies readonly (keyof SettleDesk)[];

export const settleRoutes = ({ view, settles, log, baseUrl }: RouteOptions): readonly ApiRoute[] => {
  const desk = (): SettleDesk => {
    if (settles === undefined) throw new Fault('ERR_NOT_FOUND', 'nothing is offered at this path: this replica carries out no runs');
    return settles;
  };
  const actOf = (request: ApiRequest, principal: Principal): RunAct => ({
    principal,
    cluster: configured(view.cluster()),
    ifMatch: headerOf(request.headers['if-match']),
    asked: askedBy(request, principal),
  });

  return ACTS.map(
    (does): ApiRoute => ({
      method: 'POST',
      url: `/v1/platforms/:name/databases/:database/${does}`,
      needs: 'operator',
      once: 'spends',
      schema: SETTLE_DOCS[does],
      async handler(request, reply, principal) {
        const { name: platform = '', database = '' } = request.params;
        const [act, dryRun] = [actOf(request, principal), isDryRun(request)];
        if (!dryRun && act.asked === null) throw keyNeeded();
        const { settlement, tag, replayed } = await desk()[does]({ platform, database }, request.body, act, dryRun);
        const { writer, fenced, by } = settlement;
        if (!dryRun && !replayed) log.info(`data.${does}d`, { requestId: request.id, platform, database, writer, fenced, by });
        replay(reply, replayed);
        void reply.header('etag', tag);
        const undo = does === 'settle' ? unsettleLines(platform, database, baseUrl()) : null;
        return { settlement, dryRun, undo, clusterTimeMs: view.clusterNowMs() };
      },
    }),
  );
};
