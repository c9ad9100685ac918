// Pages of the outbox: who has been told of what, what never arrived, and what a human can do about it.

import { Fault } from '../../errors.ts';
import type { Parsed } from '../body.ts';
import { parseAcknowledge, parseReplay } from '../page-input.ts';
import { itemOf, PAGE_FILTERS, type PageFilter, pageItems } from '../page-list.ts';
import { BodyFault } from '../problem.ts';
import { type ApiRoute, configured, type RouteOptions } from '../route.ts';
import { LIMIT_DEFAULT, LIMIT_MAX, PAGE_DOCS } from './page-docs.ts';

const filterOf = (text: string | undefined): PageFilter | null => {
  if (text === undefined) return null;
  const found = PAGE_FILTERS.find((each) => each === text);
  if (found !== undefined) return found;
  throw new Fault('ERR_BAD_REQUEST', `state is one of ${PAGE_FILTERS.join(', ')}; left out: what waits and what is dead`);
};

const limitOf = (text: string | undefined): number => {
  if (text === undefined) return LIMIT_DEFAULT;
  const value = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (value >= 1 && value <= LIMIT_MAX) return value;
  throw new Fault('ERR_BAD_REQUEST', `limit must be a whole number from 1 to ${LIMIT_MAX}, found "${text.slice(0, 40)}"`);
};

const understood = <T>(parsed: Parsed<T>): T => {
  if (!parsed.ok) throw new BodyFault(parsed.problems);
  return parsed.value;
};

export const pageRoutes = ({ view, pages, log }: RouteOptions): readonly ApiRoute[] => {
  const clusterName = (): string => configured(view.cluster()).name;
  return [
    {
      method: 'GET',
      url: '/v1/pages',
      needs: 'viewer',
      schema: PAGE_DOCS.list,
      async handler({ query }) {
        const [filter, limit] = [filterOf(query.state), limitOf(query.limit)];
        const items = pageItems(await pages.listPages(), filter, clusterName(), view.clusterNowMs());
        return { items: items.slice(0, limit), total: items.length, clusterTimeMs: view.clusterNowMs() };
      },
    },
    {
      method: 'POST',
      url: '/v1/pages/:id/replay',
      needs: 'operator',
      schema: PAGE_DOCS.replay,
      async handler(request, _reply, principal) {
        const id = request.params.id ?? '';
        const { page, thread, channels, end } = await pages.replay(id, understood(parseReplay(request.body)), principal);
        log.info('page.replayed', { requestId: request.id, page: id, channels, by: principal.name });
        return { page: itemOf(page, thread, clusterName()), channels, end };
      },
    },
    {
      method: 'POST',
      url: '/v1/pages/:id/acknowledge',
      needs: 'operator',
      schema: PAGE_DOCS.acknowledge,
      async handler(request, _reply, principal) {
        const done = await pages.acknowledge({ id: request.params.id ?? '' }, understood(parseAcknowledge(request.body)), principal);
        if (done.pages.length > 0) log.info('page.acknowledged', { requestId: request.id, ...done });
        return done;
      },
    },
  ];
};
