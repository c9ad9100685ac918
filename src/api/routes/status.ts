// What this replica knows now.
import { type ApiRoute, configured, type RouteOptions } from '../route.ts';
import type { StatusDocument } from '../status.ts';

/** The same document is turned into text once: of a large cluster it is hundreds of kilobytes. */
const texts = new WeakMap<StatusDocument, string>();

const textOf = (document: StatusDocument): string => {
  const text = texts.get(document) ?? JSON.stringify(document);
  texts.set(document, text);
  return text;
};

export const statusRoutes = ({ view }: RouteOptions): readonly ApiRoute[] => [
  {
    method: 'GET',
    url: '/v1/status',
    needs: 'viewer',
    handler: async (_request, reply) => reply.type('application/json; charset=utf-8').send(textOf(configured(view.status()))),
  },
];
