// Reports of load and capacity: advice to the safety rule `capacity`.
import { didYouMean, list } from '../../config/words.ts';
import { Fault } from '../../errors.ts';
import { BodyFault } from '../problem.ts';
import { parseReport } from '../report-input.ts';
import { type ApiRoute, configured, type RouteOptions } from '../route.ts';
import { demandScope } from '../scope.ts';
import { REPORT_DOCS } from './report-docs.ts';

export const reportRoutes = ({ view, reports, log }: RouteOptions): readonly ApiRoute[] => [
  {
    method: 'GET',
    url: '/v1/reports',
    needs: 'viewer',
    schema: REPORT_DOCS.list,
    async handler() {
      const { version, services } = await reports.listReports();
      const nowMs = view.clusterNowMs();
      const fresh = Object.entries(services).map(([name, reported]) => [
        name,
        { ...reported, fresh: nowMs < reported.expiresAtMs, leftMs: Math.max(0, reported.expiresAtMs - nowMs) },
      ]);
      return { version, services: Object.fromEntries(fresh) };
    },
  },
  {
    method: 'PUT',
    url: '/v1/reports/:service',
    needs: 'operator',
    schema: REPORT_DOCS.put,
    async handler(request, _reply, principal) {
      const cluster = configured(view.cluster());
      const service = request.params.service ?? '';
      const names = cluster.services.map(({ name }) => name);
      if (!names.includes(service))
        throw new Fault(
          'ERR_NOT_FOUND',
          `no service is called "${service.slice(0, 80)}"; ${didYouMean(service, names, `known: ${list(names)}`)}`,
        );
      demandScope(principal, cluster, { kind: 'pin', scope: { service } });
      const parsed = parseReport(service, request.body, cluster);
      if (!parsed.ok) throw new BodyFault(parsed.problems);
      const { reported, version, journaled } = await reports.putReport(parsed.value, principal, cluster);
      if (journaled) log.info('reports.put', { requestId: request.id, service, version, reported: { ...reported } });
      return { service, reported, version };
    },
  },
];
