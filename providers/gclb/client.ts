// The vendor's client library on our own HTTP: its requests leave through the context's fetch, so names go through our resolver and the caller's signal
// ends them. Bodies go out and come in as JSON, untouched: the library drops every field that is newer than itself, and what is dropped from an array would
// be dropped at the vendor. No retry anywhere: what a lost reply means is for the caller to find out. Three of its hundred clients are imported, by their
// files: its index loads all of them, for five times the time and twice the memory.
import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { BackendServicesClient } from '@google-cloud/compute/build/src/v1/backend_services_client.js';
import { GlobalOperationsClient } from '@google-cloud/compute/build/src/v1/global_operations_client.js';
import { UrlMapsClient } from '@google-cloud/compute/build/src/v1/url_maps_client.js';
import { type AuthClient, gaxios, IdentityPoolClient, JWT, OAuth2Client } from 'google-auth-library';
import type { RequestInit } from 'undici';
import { z } from 'zod';
import { errorText, Fault } from '../../src/errors.ts';
import type { Fetch } from '../../src/http.ts';
import { type Ports, withDeadline } from '../../src/ports.ts';

/** What the vendor answered, or that it did not. */
export interface Reply {
  /** null: no answer of the API itself. */
  status: number | null;
  /** Parsed JSON, or the text; without an answer, nothing. */
  body: unknown;
  /** Without an answer: why, and whether somebody refused our credentials before. */
  because: string;
  denied: boolean;
}

/** `kind`: the collection that a configuration's mode works on. */
export type Collection = 'backendServices' | 'urlMaps';

export interface ComputeClient {
  get(name: string, signal: AbortSignal): Promise<Reply>;
  /** One page. */
  list(pageToken: string | undefined, signal: AbortSignal): Promise<Reply>;
  patch(name: string, body: Readonly<Record<string, unknown>>, requestId: string, signal: AbortSignal): Promise<Reply>;
  operation(name: string, signal: AbortSignal): Promise<Reply>;
  close(): Promise<void>;
}

export interface ClientOptions {
  ports: Pick<Ports, 'timers' | 'clock'>;
  fetch: Fetch;
  collection: Collection;
  project: string;
  /** Origin of the API. */
  endpoint: string;
  /** Text and path of the credentials; null: the metadata server of the machine. */
  credentials: { text: string; path: string } | null;
}

/** Behind the caller's signal, which is shorter. */
const CALL_MS_MAX = 30_000;
/** The most that the API gives at once. */
const PAGE_MAX = 500;
const SCOPE = 'https://www.googleapis.com/auth/compute';

/** One call of ours while the library makes it. */
interface Call {
  signal: AbortSignal;
  /** JSON to send instead of what the library made of it. */
  send: string | undefined;
  answer: { status: number; text: string } | null;
}

const NO_BODY = new Set([204, 205, 304]);

/** Throws Fault ERR_SECRET for credentials that are none. */
export const openCompute = (options: ClientOptions): ComputeClient => {
  const { project, endpoint, collection } = options;
  const calls = new AsyncLocalStorage<Call>();
  const authClient = authClientFrom(options, transporter(options, calls));
  const { hostname, port, protocol } = new URL(endpoint);
  const at = {
    authClient,
    fallback: true as const,
    apiEndpoint: hostname,
    protocol: protocol.slice(0, -1),
    port: Number(port) || (protocol === 'https:' ? 443 : 80),
  };
  const operations = new GlobalOperationsClient(at);
  const objects = collection === 'backendServices' ? backendServices(at) : urlMaps(at);
  const once: Once = { timeout: CALL_MS_MAX, retry: { retryCodes: [] }, autoPaginate: false };

  const run = async (signal: AbortSignal, work: () => Promise<unknown>, send?: unknown): Promise<Reply> => {
    const call: Call = { signal, send: send === undefined ? undefined : JSON.stringify(send), answer: null };
    let failure: unknown = null;
    try {
      signal.throwIfAborted();
      await calls.run(call, () => untilAborted(work(), signal));
    } catch (error) {
      failure = error;
    }
    if (call.answer !== null) return { status: call.answer.status, body: bodyOf(call.answer.text), because: '', denied: false };
    const because = signal.aborted ? errorText(signal.reason) : plainText(failure);
    return { status: null, body: undefined, because, denied: !signal.aborted && isDenied(failure) };
  };

  return {
    get: (name, signal) => run(signal, () => objects.get(project, name, once)),
    list: (pageToken, signal) =>
      run(signal, () => objects.list({ project, maxResults: PAGE_MAX, ...(pageToken === undefined ? {} : { pageToken }) }, once)),
    patch: (name, body, requestId, signal) => run(signal, () => objects.patch(project, name, requestId, once), body),
    operation: (name, signal) => run(signal, () => operations.get({ project, operation: name }, once)),
    close: async () => {
      await Promise.all([operations.close(), objects.close()]);
    },
  };
};

// ---- the two collections ----

type At = ConstructorParameters<typeof BackendServicesClient>[0];
/** Options of a call: no retry of the library's. */
interface Once {
  timeout: number;
  retry: { retryCodes: number[] };
  autoPaginate: boolean;
}
type ListRequest = { project: string; maxResults: number; pageToken?: string };

interface Objects {
  get(project: string, name: string, once: Once): Promise<unknown>;
  list(request: ListRequest, once: Once): Promise<unknown>;
  /** The body is given to the call itself (see Call.send). */
  patch(project: string, name: string, requestId: string, once: Once): Promise<unknown>;
  close(): Promise<void>;
}

const backendServices = (at: At): Objects => {
  const client = new BackendServicesClient(at);
  return {
    get: (project, backendService, once) => client.get({ project, backendService }, once),
    list: (request, once) => client.list(request, once),
    patch: (project, backendService, requestId, once) =>
      client.patch({ project, backendService, requestId, backendServiceResource: {} }, once),
    close: () => client.close(),
  };
};

const urlMaps = (at: At): Objects => {
  const client = new UrlMapsClient(at);
  return {
    get: (project, urlMap, once) => client.get({ project, urlMap }, once),
    list: (request, once) => client.list(request, once),
    patch: (project, urlMap, requestId, once) => client.patch({ project, urlMap, requestId, urlMapResource: {} }, once),
    close: () => client.close(),
  };
};

// ---- the wire ----

/** What the library sends its requests with. */
const transporter = ({ fetch: send, endpoint }: ClientOptions, calls: AsyncLocalStorage<Call>): gaxios.Gaxios => {
  const origin = new URL(endpoint).origin;
  const relay = async (url: string | URL | Request, init: globalThis.RequestInit = {}): Promise<Response> => {
    const target = new URL(url instanceof Request ? url.url : url);
    const call = calls.getStore();
    const isApi = target.origin === origin && call !== undefined;
    const signals = [init.signal, call?.signal].filter((signal) => signal !== null && signal !== undefined);
    const reply = await send(target, {
      method: init.method ?? 'GET',
      headers: [...new Headers(init.headers)],
      body: ((isApi ? call.send : undefined) ?? init.body ?? null) as RequestInit['body'] & {},
      signal: AbortSignal.any(signals),
    });
    const text = await reply.text();
    if (isApi) call.answer = { status: reply.status, text };
    const type = reply.headers.get('content-type');
    return new Response(NO_BODY.has(reply.status) ? null : text, {
      status: reply.status,
      headers: type === null ? {} : { 'content-type': type },
    });
  };
  return new gaxios.Gaxios({ fetchImplementation: relay as typeof fetch });
};

/** The library's own work may outlast the signal by a little; ours does not wait for it. */
const untilAborted = <T>(work: Promise<T>, signal: AbortSignal): Promise<T> =>
  new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });

const bodyOf = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
};

const REASON_CHARS_MAX = 200;

/** The first line of what went wrong, and of its cause; nothing of a request is in it. */
const plainText = (error: unknown): string => {
  const texts = [error, error instanceof Error ? error.cause : undefined]
    .filter((each) => each !== undefined && each !== null)
    .map(errorText);
  return [...new Set(texts)].join(': ').split('\n')[0]!.slice(0, REASON_CHARS_MAX);
};

/** Nothing was asked of the API since the token was refused: a human must look at the credentials. */
const isDenied = (error: unknown): boolean => {
  const status = error instanceof Error && 'httpStatusCode' in error ? error.httpStatusCode : null;
  return typeof status === 'number' && status >= 400 && status < 500 && status !== 408 && status !== 429;
};

// ---- credentials ----

const keyShape = z.looseObject({
  type: z.literal('service_account'),
  client_email: z.string().min(1),
  private_key: z.string().includes('PRIVATE KEY'),
  private_key_id: z.string().optional(),
});
/** No program of the file's choice is run, and no cloud's metadata asked. */
const externalShape = z.looseObject({
  type: z.literal('external_account'),
  audience: z.string(),
  token_url: z.string(),
  credential_source: z.union([z.looseObject({ file: z.string() }), z.looseObject({ url: z.string() })]),
});
const credentialsShape = z.discriminatedUnion('type', [keyShape, externalShape]);

const authClientFrom = (options: ClientOptions, via: gaxios.Gaxios): AuthClient => {
  if (options.credentials === null) return metadataClient(options, via);
  const { text, path } = options.credentials;
  const found = credentialsShape.safeParse(bodyOf(text));
  const expected = 'the JSON of a service account key, or of an external account with credential_source.file or .url';
  if (!found.success) throw new Fault('ERR_SECRET', `${path}: found something else, expected ${expected}; name such a file`);
  if (found.data.type === 'service_account') return keyClient(found.data, via);
  return externalClient(found.data, via);
};

/** Signs its tokens itself: no token server that could be out of reach when it matters. */
const keyClient = (key: z.infer<typeof keyShape>, via: gaxios.Gaxios): AuthClient => {
  const client = new JWT({
    email: key.client_email,
    key: key.private_key,
    ...(key.private_key_id === undefined ? {} : { keyId: key.private_key_id }),
    scopes: [SCOPE],
    transporter: via,
  });
  client.useJWTAccessWithScope = true;
  return client;
};

/** The library has no way to give its token exchange a transport: it is put there, or the exchange would resolve names by itself. */
const externalClient = ({ type: _, ...account }: z.infer<typeof externalShape>, via: gaxios.Gaxios): AuthClient => {
  const client = new IdentityPoolClient({ ...account, scopes: [SCOPE], transporter: via } as never);
  const exchange: unknown = Reflect.get(client, 'stsCredential');
  assert(typeof exchange === 'object' && exchange !== null && 'transporter' in exchange, 'this release of the library keeps it elsewhere');
  exchange.transporter = via;
  return client;
};

/** By address: the name is the machine's own affair, and documented as the same. */
const METADATA_URL = 'http://169.254.169.254/computeMetadata/v1/instance/service-accounts/default/token';
const METADATA_MS = 2000;
const tokenShape = z.looseObject({ access_token: z.string().min(1), expires_in: z.number() });

const metadataClient = ({ fetch: send, ports }: ClientOptions, via: gaxios.Gaxios): AuthClient => {
  const client = new OAuth2Client({ transporter: via });
  client.refreshHandler = () =>
    withDeadline(ports.timers, METADATA_MS, 'token from the metadata server', async (signal) => {
      const reply = await send(METADATA_URL, { headers: { 'metadata-flavor': 'Google' }, signal });
      const found = tokenShape.safeParse(bodyOf(await reply.text()));
      if (!found.success)
        throw new Error(`the metadata server answered ${reply.status} without a token; has this machine a service account?`);
      return { access_token: found.data.access_token, expiry_date: ports.clock.wallMs() + found.data.expires_in * 1000 };
    });
  return client;
};
