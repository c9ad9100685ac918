// Cloud SQL: a primary and replicas in other regions. A planned move is a switchover of the replica, which waits for replication; an unplanned one promotes it
// as a failover, after which the old primary becomes its replica when it is back. Operations have names, and are asked for.
import { JWT } from 'google-auth-library';
import { z } from 'zod';
import { Fault } from '../../errors.ts';
import { Answered, exchange, fitting, guardedUrl, jsonIn, quoted } from '../../exchange.ts';
import { registerSecret } from '../../log.ts';
import type { SystemContext } from '../kind.ts';
import type { CloudSqlConfig, SystemModule } from '../systems.ts';
import type { ManagedDatabase, Operation, Standing } from './standing.ts';

const ANSWER_BYTES_MAX = 256 * 1024;
/** The newest ones: an instance does one thing at a time. */
const OPERATIONS = 10;
const SCOPE = 'https://www.googleapis.com/auth/sqlservice.admin';

const TEXT = { error: 'expected a text' };
const instanceShape = z.looseObject({
  name: z.string(TEXT),
  state: z.string().optional(),
  instanceType: z.string().optional(),
  masterInstanceName: z.string().optional(),
});
const operationShape = z.looseObject({
  name: z.string(TEXT),
  status: z.string(TEXT),
  operationType: z.string().optional(),
  error: z
    .looseObject({ errors: z.array(z.looseObject({ code: z.string().optional(), message: z.string().optional() })).optional() })
    .optional(),
});
const operationsShape = z.looseObject({ items: z.array(operationShape).optional() });
/** Operations that make a replica the writer. */
const MOVES: ReadonlySet<string> = new Set(['PROMOTE_REPLICA', 'SWITCHOVER']);
const errorShape = z.looseObject({ error: z.looseObject({ message: z.string() }) });

export const cloudSql: SystemModule<CloudSqlConfig> = {
  async open({ project, url, credentialsFile, caFile }, context) {
    const base = guardedUrl(url).href.replace(/\/$/, '');
    const http = context.httpTrusting(caFile === undefined ? {} : { caPem: context.text(caFile) });
    keyOf(credentialsFile, context);
    const asked = async (method: 'GET' | 'POST', path: string, signal: AbortSignal): Promise<unknown> => {
      const address = `${base}/v1/projects/${encodeURIComponent(project)}/${path}`;
      const headers = { accept: 'application/json', ...(await authorized(credentialsFile, address, context)) };
      const answer = await exchange(http.fetch, { method, url: address, headers, bytesMax: ANSWER_BYTES_MAX }, signal);
      if (answer.status < 200 || answer.status > 299)
        throw new Answered(answer.status, `it answered ${answer.status}${saidIn(answer.text)}`, answer.retryAfter);
      return jsonIn(answer);
    };
    const system: ManagedDatabase = {
      kind: 'cloud-sql',
      async look(member, signal) {
        const found = fitting(instanceShape, await asked('GET', `instances/${encodeURIComponent(member)}`, signal));
        const { items = [] } = fitting(
          operationsShape,
          await asked('GET', `operations?instance=${encodeURIComponent(member)}&maxResults=${OPERATIONS}`, signal),
        );
        return standingOf(found, items);
      },
      async move(member, lossy, signal) {
        const verb = lossy ? 'promoteReplica?failover=true' : 'switchover';
        const begun = await asked('POST', `instances/${encodeURIComponent(member)}/${verb}`, signal);
        return fitting(operationShape, begun).name;
      },
      operation: async (name, signal) =>
        operationOf(fitting(operationShape, await asked('GET', `operations/${encodeURIComponent(name)}`, signal))),
      close: () => http.close(),
    };
    return system;
  },
};

/** Who is nobody's replica writes. `operations`: of the instance, newest first. */
export const standingOf = (
  { name, state = 'of unknown state', instanceType, masterInstanceName }: z.infer<typeof instanceShape>,
  operations: readonly z.infer<typeof operationShape>[],
): Standing => {
  const running = operations.find((one) => operationOf(one).is === 'running');
  const writes = instanceType === 'CLOUD_SQL_INSTANCE' && masterInstanceName === undefined;
  return {
    // It is named with its project before it.
    writer: writes ? name : (masterInstanceName?.split(':').at(-1) ?? null),
    member: { writes, ready: state === 'RUNNABLE', state },
    // A backup keeps it as busy as a move does, and leads nowhere.
    busy: running === undefined ? null : { says: operationOf(running).because, isThis: MOVES.has(running.operationType ?? '') },
  };
};

export const operationOf = ({ status, operationType = 'the operation', error }: z.infer<typeof operationShape>): Operation => {
  const faults = error?.errors ?? [];
  if (faults.length > 0)
    return { is: 'failed', because: `${operationType}: ${quoted(faults.map(({ code, message }) => message ?? code ?? '').join('; '))}` };
  return { is: status === 'DONE' ? 'done' : 'running', because: `${operationType} is ${status}` };
};

const saidIn = (text: string): string => {
  try {
    const said = errorShape.safeParse(JSON.parse(text));
    return said.success ? `: ${quoted(said.data.error.message)}` : '';
  } catch {
    return '';
  }
};

// ---- who asks ----

const keyShape = z.looseObject({
  type: z.literal('service_account'),
  client_email: z.string().min(1),
  private_key: z.string().includes('PRIVATE KEY'),
  private_key_id: z.string().optional(),
});

const keyOf = (file: string, { secret }: Pick<SystemContext, 'secret'>): z.infer<typeof keyShape> => {
  const found = keyShape.safeParse(parsed(secret(file)));
  if (!found.success)
    throw new Fault('ERR_SECRET', `${file}: found something else, expected the JSON of a service account key; name such a file`);
  registerSecret(found.data.private_key);
  return found.data;
};

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
};

/** Signed here, from the file as it is now: no token server that could be out of reach when it matters. */
const authorized = async (file: string, address: string, context: SystemContext): Promise<Readonly<Record<string, string>>> => {
  const key = keyOf(file, context);
  const client = new JWT({
    email: key.client_email,
    key: key.private_key,
    ...(key.private_key_id === undefined ? {} : { keyId: key.private_key_id }),
    scopes: [SCOPE],
  });
  client.useJWTAccessWithScope = true;
  const headers = Object.fromEntries(await client.getRequestHeaders(address));
  registerSecret(headers.authorization?.replace(/^Bearer /, '') ?? '');
  return headers;
};
