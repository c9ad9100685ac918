// One cluster's API server as the provider and the runbook use it: get and patch objects, ask for what has no object of its own. They travel over our own
// resolver and sockets, with the cluster's own authority trusted and no other. A bearer token is the only credential: programs and plug-ins that a kubeconfig
// may name are not run, and client certificates are not taken.
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import {
  ApiException,
  type Configuration,
  CustomObjectsApi,
  createConfiguration,
  KubeConfig,
  type RequestContext,
  ResponseContext,
  ServerConfiguration,
  wrapHttpLibrary,
} from '@kubernetes/client-node';
import { z } from 'zod';
import { Fault } from './errors.ts';
import { exchange, jsonIn } from './exchange.ts';
import type { Fetch, Http } from './http.ts';
import { registerSecret } from './log.ts';

/** How to reach one cluster. */
export type ClusterConfig = { kubeconfigFile: string } | { inCluster: true };

export interface ObjectRef {
  cluster: string;
  group: string;
  version: string;
  plural: string;
  namespace: string;
  name: string;
}

/** RFC 6902. */
export type PatchOp = { op: 'test' | 'add' | 'replace'; path: string; value: unknown };

/** A request by its path below the server: of subresources, and of kinds whose group has no name. */
export interface ClusterRequest {
  /** Its parts, each of which is escaped: `apis`, `apps`, `v1`, … */
  path: readonly string[];
  query?: Readonly<Record<string, string>>;
  /** RFC 7386. Absent: it is read. */
  merge?: unknown;
  /** Of the answer; more is refused. */
  bytesMax: number;
}

export interface Cluster {
  /** The JSON that it answers. Throws ApiException for a status that is not 2xx, Error for what is no JSON. */
  ask(request: ClusterRequest, signal: AbortSignal): Promise<unknown>;
  get(ref: ObjectRef, signal: AbortSignal): Promise<unknown>;
  /** `isTrial`: everything is judged and nothing is kept. */
  patch(ref: ObjectRef, ops: readonly PatchOp[], isTrial: boolean, signal: AbortSignal, onAuditId?: (id: string) => void): Promise<unknown>;
  close(): Promise<void>;
}

interface Access {
  server: string;
  token: string;
  /** PEM text; null: the system's authorities. */
  ca: string | null;
}

interface Context {
  secret: (path: string) => string;
  /** With the system's authorities trusted. */
  fetch: Fetch;
  httpTrusting?: (caPem: string) => Http;
}

/** Throws Fault ERR_CONFIG or ERR_SECRET for credentials that cannot be used. Files are read again before each call: tokens are replaced while we run. */
export const openCluster = (name: string, config: ClusterConfig, context: Context): Cluster => {
  let trusting: { ca: string; http: Http } | null = null;
  const fetchFor = async ({ ca }: Access): Promise<Fetch> => {
    if (ca === null) return context.fetch;
    if (trusting?.ca !== ca) {
      await trusting?.http.close();
      if (context.httpTrusting === undefined) throw new Fault('ERR_CONFIG', `cluster ${name}: no private authority can be trusted here`);
      trusting = { ca, http: context.httpTrusting(ca) };
    }
    return trusting.http.fetch;
  };
  const api = async (signal: AbortSignal, onAuditId: (id: string) => void = () => undefined): Promise<CustomObjectsApi> => {
    const access = accessOf(name, config, context);
    return new CustomObjectsApi(configurationOf(access, await fetchFor(access), signal, onAuditId) as never);
  };
  accessOf(name, config, context);
  return {
    ask: async (request, signal) => {
      const access = accessOf(name, config, context);
      return ask(access, await fetchFor(access), request, signal);
    },
    get: async (ref, signal) => (await api(signal)).getNamespacedCustomObject(partsOf(ref)),
    patch: async (ref, ops, isTrial, signal, onAuditId) =>
      (await api(signal, onAuditId)).patchNamespacedCustomObject({
        ...partsOf(ref),
        body: ops,
        fieldManager: 'tidegate',
        fieldValidation: 'Strict',
        ...(isTrial ? { dryRun: 'All' } : {}),
      }),
    close: async () => void (await trusting?.http.close()),
  };
};

const partsOf = ({ group, version, plural, namespace, name }: ObjectRef) => ({ group, version, plural, namespace, name });

/** Status of a reply that is an error, the sentence in it and its word for why; null: something in between answered. Itself null: no reply is an error. */
export const refusalOf = (error: unknown): { status: number; message: string; reason: string | null } | null => {
  if (!(error instanceof ApiException)) return null;
  const said = statusShape.safeParse(parsedJson(String(error.body)));
  const { message, reason = null } = said.success ? said.data : { message: `status ${error.code}` };
  return { status: error.code, message, reason };
};

const statusShape = z.object({ message: z.string(), reason: z.string().optional() });

const parsedJson = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
};

const ask = async (
  { server, token }: Access,
  reach: Fetch,
  { path, query = {}, merge, bytesMax }: ClusterRequest,
  signal: AbortSignal,
): Promise<unknown> => {
  const writes = merge !== undefined;
  const asked = new URLSearchParams({ ...query, ...(writes ? { fieldManager: 'tidegate', fieldValidation: 'Strict' } : {}) });
  const suffix = asked.size === 0 ? '' : `?${asked}`;
  const answer = await exchange(
    reach,
    {
      method: writes ? 'PATCH' : 'GET',
      url: `${server}/${path.map(encodeURIComponent).join('/')}${suffix}`,
      headers: {
        accept: 'application/json',
        authorization: `Bearer ${token}`,
        ...(writes ? { 'content-type': 'application/merge-patch+json' } : {}),
      },
      ...(writes ? { body: JSON.stringify(merge) } : {}),
      bytesMax,
    },
    signal,
  );
  if (answer.status < 200 || answer.status > 299) throw new ApiException(answer.status, 'refused', answer.text, {});
  return jsonIn(answer);
};

// ---- the vendor's client ----

const configurationOf = ({ server, token }: Access, reach: Fetch, signal: AbortSignal, onAuditId: (id: string) => void): Configuration =>
  createConfiguration({
    baseServer: new ServerConfiguration(server, {}),
    httpApi: wrapHttpLibrary({ send: (request) => send(request, token, reach, signal, onAuditId) }),
  });

const send = async (
  request: RequestContext,
  token: string,
  reach: Fetch,
  signal: AbortSignal,
  onAuditId: (id: string) => void,
): Promise<ResponseContext> => {
  const body = request.getBody();
  const response = await reach(request.getUrl(), {
    method: request.getHttpMethod(),
    headers: { ...request.getHeaders(), authorization: `Bearer ${token}` },
    signal,
    ...(typeof body === 'string' ? { body } : {}),
  });
  // The API server's name for the request, under which its audit log has it.
  const auditId = response.headers.get('audit-id');
  if (auditId !== null && /^[\w-]{1,64}$/.test(auditId)) onAuditId(auditId);
  const text = await response.text();
  return new ResponseContext(response.status, Object.fromEntries(response.headers), {
    text: async () => text,
    binary: async () => Buffer.from(text),
    stream: () => null,
  });
};

// ---- credentials ----

const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';

const accessOf = (name: string, config: ClusterConfig, context: Context): Access => {
  const access = 'inCluster' in config ? ownCluster(name) : fromKubeconfig(name, config.kubeconfigFile, context);
  registerSecret(access.token);
  const { protocol, hostname } = new URL(access.server);
  if (protocol === 'https:' || ['localhost', '127.0.0.1', '[::1]'].includes(hostname)) return access;
  throw new Fault('ERR_CONFIG', `cluster ${name}: its server is ${access.server}; the token goes over https only`);
};

/** Of the pod that this runs in. The kubelet replaces the token within the hour. */
const ownCluster = (name: string): Access => {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = process.env;
  if (host === undefined || port === undefined)
    throw new Fault('ERR_CONFIG', `cluster ${name}: inCluster, but this process runs in no pod; name a kubeconfigFile`);
  const at = host.includes(':') ? `[${host}]` : host;
  try {
    const [token, ca] = [readFileSync(`${SERVICE_ACCOUNT}/token`, 'utf8').trim(), readFileSync(`${SERVICE_ACCOUNT}/ca.crt`, 'utf8')];
    return { server: `https://${at}:${port}`, token, ca };
  } catch {
    throw new Fault('ERR_SECRET', `cluster ${name}: no service account in ${SERVICE_ACCOUNT}; let the pod mount its token`);
  }
};

const fromKubeconfig = (name: string, file: string, { secret }: Context): Access => {
  const refuse = (what: string, instead: string): Fault => new Fault('ERR_CONFIG', `cluster ${name}: ${file} ${what}; ${instead}`);
  const kube = new KubeConfig();
  try {
    kube.loadFromString(secret(file));
  } catch (error) {
    if (error instanceof Fault) throw error;
    // The parser quotes what it could not read, and that may be the token.
    throw refuse('is no kubeconfig', 'write one with a current context, its cluster and a user with a token');
  }
  const [cluster, user] = [kube.getCurrentCluster(), kube.getCurrentUser()];
  if (cluster === null || user === null) throw refuse('has no current context with a cluster and a user', 'set current-context');
  if (cluster.skipTLSVerify) throw refuse('turns off the verification of TLS', 'give the cluster its certificate-authority-data');
  if (cluster.proxyUrl !== undefined || cluster.tlsServerName !== undefined)
    throw refuse('names a proxy or another TLS name', 'name the server itself');
  if (!user.token)
    throw refuse('has no token for its user', 'use the token of a service account (programs and certificates are not taken)');
  // What makes the request would quote a header that it cannot send.
  if (!/^[\x21-\x7e]+$/.test(user.token.trim()))
    throw refuse('has more than a token as the token of its user', 'write the token alone, on one line');
  return { server: cluster.server.replace(/\/$/, ''), token: user.token.trim(), ca: authorityOf(cluster, file) };
};

const authorityOf = ({ caData, caFile }: { caData?: string; caFile?: string }, kubeconfigFile: string): string | null => {
  if (caData !== undefined) return Buffer.from(caData, 'base64').toString('utf8');
  return caFile === undefined ? null : readFileSync(resolve(dirname(kubeconfigFile), caFile), 'utf8');
};
