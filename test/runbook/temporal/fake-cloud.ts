// A fake of Temporal Cloud's Ops API over HTTP: namespaces with replicas, failovers as operations that take some looks to end, and everything that can go wrong
// on the way. Every exchange is held to the published protos; what breaks them is in `broken`, which every test ends by asserting empty.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exchangeErrors } from './proto-json.ts';

export interface FakeNamespace {
  active: string;
  replicas: Record<string, string>;
  state: string;
  highAvailability?: { disableManagedFailover?: boolean; disablePassivePollerForwarding?: boolean };
}

export interface FakeOperation {
  namespace: string;
  region: string;
  /** How often it is still found in progress. */
  left: number;
  /** How it ends. */
  end: string;
  reason: string;
}

/** What happens to the next requests of that kind instead. `lost`: it is done, and 500 is answered; `hang`: it is done, and nothing is. */
export type Mishap = { status: number; code?: number; message?: string } | 'lost' | 'hang' | 'garbage';

export interface FakeCloud extends AsyncDisposable {
  url: string;
  namespaces: Map<string, FakeNamespace>;
  operations: Map<string, FakeOperation>;
  /** Requests to fail over that began an operation, by namespace. */
  begun: string[];
  /** `GET /cloud/…`, in order of arrival. */
  asked: string[];
  /** Called at each of them, once it is in `asked` and before anything comes of it. */
  onAsked(): void;
  /** Those that are accepted. */
  tokens: Set<string>;
  /** For the next requests whose `METHOD path` begins so. */
  mishaps: { on: string; what: Mishap }[];
  /** How an operation of this namespace goes. */
  fate(namespace: string): { looks: number; end: string; reason: string; checkDuration: string };
  /** How a known operation id is answered: as the operation it was, or with ALREADY_EXISTS. */
  again: 'same' | 'exists';
  logs: object[];
  /** The most operations that were in progress at once. */
  mostAtOnce: number;
  broken: string[];
}

const bodyOf = async (request: IncomingMessage): Promise<unknown> => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString();
  return text === '' ? null : JSON.parse(text);
};

interface Answer {
  status: number;
  body: unknown;
}

const refusal = (status: number, code: number, message: string): Answer => ({ status, body: { code, message, details: [] } });

const settle = (fake: FakeCloud, operation: FakeOperation): string => {
  if (operation.left > 0) return 'STATE_IN_PROGRESS';
  if (operation.end === 'STATE_FULFILLED') fake.namespaces.get(operation.namespace)!.active = operation.region;
  return operation.end;
};

const operationBody = (fake: FakeCloud, id: string, operation: FakeOperation): object => {
  const state = settle(fake, operation);
  return {
    asyncOperation: {
      id,
      state,
      checkDuration: fake.fate(operation.namespace).checkDuration,
      operationType: 'FailoverNamespaceRegion',
      startedTime: '2026-08-03T10:00:00Z',
      ...(operation.reason === '' || state === 'STATE_IN_PROGRESS' ? {} : { failureReason: operation.reason }),
    },
  };
};

const namespaceAnswer = (fake: FakeCloud, name: string): Answer => {
  const found = fake.namespaces.get(name);
  if (found === undefined) return refusal(404, 5, `namespace ${name} not found`);
  const { active, replicas, state, highAvailability } = found;
  // As proto3 has it: what has its default is left out.
  const flags = Object.fromEntries(Object.entries(highAvailability ?? {}).filter(([, value]) => value));
  return {
    status: 200,
    body: {
      namespace: {
        namespace: name,
        resourceVersion: 'v1',
        spec: { name: name.split('.')[0], retentionDays: 7, ...(highAvailability === undefined ? {} : { highAvailability: flags }) },
        state,
        activeRegion: active,
        replicas: Object.entries(replicas).map(([region, one]) => ({
          id: `r-${region}`,
          region,
          state: one,
          ...(region === active ? { isPrimary: true } : {}),
        })),
      },
    },
  };
};

const failover = (fake: FakeCloud, name: string, body: { region?: string; asyncOperationId?: string }): Answer => {
  const found = fake.namespaces.get(name);
  if (found === undefined) return refusal(404, 5, `namespace ${name} not found`);
  const id = body.asyncOperationId ?? '';
  const known = fake.operations.get(id);
  if (known !== undefined)
    return fake.again === 'exists' ? refusal(409, 6, 'operation already exists') : { status: 200, body: operationBody(fake, id, known) };
  if (found.replicas[body.region ?? ''] === undefined) return refusal(400, 3, `namespace is not available in ${body.region}`);
  const { looks, end, reason } = fake.fate(name);
  const operation: FakeOperation = { namespace: name, region: body.region!, left: looks, end, reason };
  fake.operations.set(id, operation);
  fake.begun.push(name);
  fake.mostAtOnce = Math.max(fake.mostAtOnce, [...fake.operations.values()].filter(({ left }) => left > 0).length);
  return { status: 200, body: operationBody(fake, id, operation) };
};

const operationAnswer = (fake: FakeCloud, id: string): Answer => {
  const operation = fake.operations.get(id);
  if (operation === undefined) return refusal(404, 5, 'operation not found');
  operation.left = Math.max(0, operation.left - 1);
  return { status: 200, body: operationBody(fake, id, operation) };
};

const routed = (fake: FakeCloud, method: string, url: URL, body: unknown): Answer => {
  const parts = url.pathname.split('/').map(decodeURIComponent);
  if (parts[2] === 'operations') return operationAnswer(fake, parts[3] ?? '');
  if (parts[2] === 'audit-logs') return { status: 200, body: { logs: fake.logs } };
  return method === 'POST' ? failover(fake, parts[3] ?? '', body as object) : namespaceAnswer(fake, parts[3] ?? '');
};

const serve = async (fake: FakeCloud, request: IncomingMessage, response: ServerResponse): Promise<void> => {
  const url = new URL(request.url ?? '/', 'http://fake');
  const method = request.method ?? '';
  const body = await bodyOf(request);
  const line = `${method} ${url.pathname}`;
  fake.asked.push(line);
  fake.onAsked();
  const send = ({ status, body: reply }: Answer): void => {
    fake.broken.push(...exchangeErrors({ method, url, body }, { status, body: reply }));
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(reply));
  };
  if (request.headers['temporal-cloud-api-version'] !== 'v0.19.1') fake.broken.push(`${line}: no version of the API`);
  if (!fake.tokens.has(String(request.headers.authorization).replace('Bearer ', ''))) return send(refusal(401, 16, 'invalid credentials'));
  const at = fake.mishaps.findIndex(({ on }) => line.startsWith(on));
  const [mishap] = at < 0 ? [] : fake.mishaps.splice(at, 1);
  if (mishap === undefined) return send(routed(fake, method, url, body));
  const { what } = mishap;
  if (what === 'garbage') {
    response.writeHead(200, { 'content-type': 'text/html' }).end('<html>welcome</html>');
  } else if (what === 'hang' || what === 'lost') {
    routed(fake, method, url, body);
    if (what === 'lost') response.writeHead(502, { 'content-type': 'text/html' }).end('<html>bad gateway</html>');
  } else send(what.code === undefined ? { status: what.status, body: {} } : refusal(what.status, what.code, what.message ?? ''));
};

export const startFakeCloud = async (): Promise<FakeCloud> => {
  const server = createServer((request, response) => void serve(fake, request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const fake: FakeCloud = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    namespaces: new Map(),
    operations: new Map(),
    begun: [],
    asked: [],
    onAsked: () => undefined,
    tokens: new Set(['token-0123456789']),
    mishaps: [],
    fate: () => ({ looks: 1, end: 'STATE_FULFILLED', reason: '', checkDuration: '0.5s' }),
    again: 'same',
    logs: [],
    mostAtOnce: 0,
    broken: [],
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return fake;
};

export const tenant = (active = 'aws-us-east-1', standby = 'aws-eu-west-1', standbyState = 'REPLICA_STATE_ACTIVE'): FakeNamespace => ({
  active,
  replicas: { [active]: 'REPLICA_STATE_ACTIVE', [standby]: standbyState },
  state: 'RESOURCE_STATE_ACTIVE',
});
