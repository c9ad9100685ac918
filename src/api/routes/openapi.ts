// The OpenAPI document of what this replica offers.
import { type OpenApi, openApiOf } from '../openapi.ts';
import type { ApiRoute } from '../route.ts';
import { SCHEMAS } from '../schemas.ts';

/** `offered`: the whole table but for this row, which adds itself. */
export const openApiRoutes = (version: string, offered: readonly ApiRoute[]): readonly ApiRoute[] => {
  let document: OpenApi | null = null;
  const route: ApiRoute = {
    method: 'GET',
    url: '/openapi.json',
    needs: 'viewer',
    schema: {
      operationId: 'openApi',
      summary: 'This document',
      tags: ['process'],
      response: {
        200: {
          content: {
            'application/json': {
              schema: {
                type: 'object',
                required: ['openapi', 'paths'],
                properties: { openapi: { const: '3.1.0' }, paths: { type: 'object' } },
              },
              examples: { beginning: { value: { openapi: '3.1.0', paths: {} } } },
            },
          },
        },
      },
    },
    async handler() {
      document ??= openApiOf([...offered, route], SCHEMAS, version);
      return document;
    },
  };
  return [route];
};
