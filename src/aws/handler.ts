// How the AWS libraries reach the network: our own fetch, so that names go through our resolver, sockets through the ports, and nothing is retried below us.
import type { Route53ClientConfig } from '@aws-sdk/client-route-53';
import type { Fetch } from '../http.ts';

/** What the libraries hand over; bodies of these two services are texts. */
interface Asked {
  method: string;
  protocol: string;
  hostname: string;
  port?: number;
  path: string;
  query?: Readonly<Record<string, string | string[] | null>>;
  headers: Readonly<Record<string, string>>;
  body?: unknown;
}

type Handler = NonNullable<Route53ClientConfig['requestHandler']>;

/** Set by fetch itself from the same URL and body; the signature covers what it will say. */
const FETCH_SETS = new Set(['host', 'content-length']);

export const handlerOver = (send: Fetch): Handler => {
  const handler = {
    metadata: { handlerProtocol: 'http/1.1' },
    async handle(request: Asked, { abortSignal }: { abortSignal?: AbortSignal } = {}) {
      const headers = Object.fromEntries(Object.entries(request.headers).filter(([name]) => !FETCH_SETS.has(name.toLowerCase())));
      const reply = await send(urlOf(request), {
        method: request.method,
        headers,
        ...(typeof request.body === 'string' || request.body instanceof Uint8Array ? { body: request.body } : {}),
        ...(abortSignal === undefined ? {} : { signal: abortSignal }),
      });
      const body = new Uint8Array(await reply.arrayBuffer());
      return { response: { statusCode: reply.status, reason: reply.statusText, headers: Object.fromEntries(reply.headers), body } };
    },
    updateHttpClientConfig: () => undefined,
    httpHandlerConfigs: () => ({}),
  };
  return handler as unknown as Handler;
};

const urlOf = ({ protocol, hostname, port, path, query = {} }: Asked): string => {
  const pairs = Object.entries(query)
    .filter(([, value]) => value !== null)
    .flatMap(([name, value]) => [value].flat().map((each) => `${escaped(name)}=${escaped(String(each))}`));
  return `${protocol}//${hostname}${port === undefined ? '' : `:${port}`}${path}${pairs.length === 0 ? '' : `?${pairs.join('&')}`}`;
};

/** As the signature has it: everything but letters, digits and `-_.~` in percent. */
const escaped = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
