// Between Temporal Cloud's Ops API (HTTP, version v0.19.1, a public preview in August 2026) and what is asked of it here. proto3's JSON leaves out what has
// its default: a flag that is absent is false, a name that is absent is empty. Fields that are not needed are read over. Pure.
import { z } from 'zod';
import { quoted } from '../../exchange.ts';
import { type CodeName, codeName, codeOfStatus } from './codes.ts';
import type { Look, Operation, Place } from './mover.ts';

export const API_VERSION = 'v0.19.1';

const replicaShape = z.object({ region: z.string().default(''), state: z.string().default('REPLICA_STATE_UNSPECIFIED') });

const namespaceShape = z.object({
  namespace: z.object({
    namespace: z.string().default(''),
    activeRegion: z.string().default(''),
    state: z.string().default('RESOURCE_STATE_UNSPECIFIED'),
    replicas: z.array(replicaShape).default([]),
    spec: z
      .object({
        highAvailability: z
          .object({ disableManagedFailover: z.boolean().default(false), disablePassivePollerForwarding: z.boolean().default(false) })
          .optional(),
      })
      .optional(),
  }),
});

const operationShape = z.object({
  asyncOperation: z.object({
    state: z.string().default('STATE_UNSPECIFIED'),
    checkDuration: z.string().optional(),
    failureReason: z.string().default(''),
  }),
});

const errorShape = z.object({ code: z.number().int().optional(), message: z.string().default('') });

/** In these it takes no change, and nothing but Temporal's support mends them. */
const DEAD: ReadonlySet<string> = new Set([
  'RESOURCE_STATE_DELETING',
  'RESOURCE_STATE_DELETE_FAILED',
  'RESOURCE_STATE_DELETED',
  'RESOURCE_STATE_SUSPENDED',
  'RESOURCE_STATE_EXPIRED',
]);

/** In: the answer to `GET /cloud/namespaces/{namespace}`. */
export const placeOf = (namespace: string, body: unknown): Look => {
  const read = namespaceShape.safeParse(body);
  if (!read.success) return { is: 'unknown', because: `${namespace}: the answer is no namespace as the API describes it` };
  const { namespace: name, activeRegion, state, replicas, spec } = read.data.namespace;
  if (name !== namespace) return { is: 'unknown', because: `${namespace}: the answer is about ${quoted(name) || 'no namespace'}` };
  if (activeRegion === '') return { is: 'unknown', because: `${namespace}: the answer names no active region` };
  const place: Place = {
    active: activeRegion,
    replicas: replicas.map((one) => ({ place: one.region, state: one.state, ready: one.state === 'REPLICA_STATE_ACTIVE' })),
    forwardingDisabled: spec?.highAvailability?.disablePassivePollerForwarding ?? false,
    managedFailoverDisabled: spec?.highAvailability?.disableManagedFailover ?? false,
    busy: null,
    fixed: DEAD.has(state) ? `is in ${state}` : null,
    version: null,
  };
  return { is: 'seen', place };
};

/** The server says when to look again; more often than twice a second it is not asked, and for longer than ten seconds not left alone. */
const AGAIN_MS = { least: 500, most: 10_000, unsaid: 1_000 };

const againMs = (text: string | undefined): number => {
  const seconds = /^(\d+(?:\.\d+)?)s$/.exec(text ?? '')?.[1];
  return seconds === undefined ? AGAIN_MS.unsaid : Math.min(AGAIN_MS.most, Math.max(AGAIN_MS.least, Number(seconds) * 1000));
};

/** In: the answer to `GET /cloud/operations/{id}` or to the request itself. */
export const operationOf = (body: unknown): Operation => {
  const read = operationShape.safeParse(body);
  if (!read.success) return { is: 'unknown', because: 'the answer is no operation as the API describes it' };
  const { state, checkDuration, failureReason } = read.data.asyncOperation;
  const why = failureReason === '' ? '' : `: ${quoted(failureReason)}`;
  switch (state) {
    case 'STATE_PENDING':
    case 'STATE_IN_PROGRESS':
      return { is: 'moving', because: `the operation is in ${state}`, againMs: againMs(checkDuration) };
    case 'STATE_FULFILLED':
      return { is: 'moved', because: 'the operation is fulfilled' };
    case 'STATE_FAILED':
    case 'STATE_CANCELLED':
    case 'STATE_REJECTED':
      return { is: 'failed', because: `the operation ended in ${state}${why}` };
    default:
      return { is: 'unknown', because: `the operation is in ${quoted(state)}, which this version does not know` };
  }
};

/** In: an answer that is not 2xx. The code in the body counts: HTTP has one status for several. */
export const errorOf = (status: number, text: string): { code: CodeName; message: string } => {
  const read = errorShape.safeParse(jsonOf(text));
  const code = read.success && read.data.code !== undefined ? codeName(read.data.code) : codeOfStatus(status);
  const message = read.success ? quoted(read.data.message) : '';
  return { code, message: message === '' ? `status ${status}` : `status ${status}: ${message}` };
};

/** undefined: it is none. */
export const jsonOf = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

const logsShape = z.object({
  logs: z.array(z.object({ operation: z.string().default(''), rawDetails: z.unknown() })).default([]),
  nextPageToken: z.string().default(''),
});

/** In: the answer to `GET /cloud/audit-logs`. What the details look like is written nowhere, so the namespace's name anywhere in them counts. */
export const orderedIn = (namespace: string, body: unknown): boolean | null => {
  const read = logsShape.safeParse(body);
  if (!read.success) return null;
  const isIt = ({ operation, rawDetails }: { operation: string; rawDetails?: unknown }): boolean =>
    /^FailoverNamespace/.test(operation) && (JSON.stringify(rawDetails) ?? '').includes(JSON.stringify(namespace));
  if (read.data.logs.some(isIt)) return true;
  // A journal that goes on says nothing of what it does not show.
  return read.data.nextPageToken === '' ? false : null;
};

const REGION = /^([a-z0-9]+-[a-z0-9-]+)\.region\.tmprl\.cloud$/;

/** Temporal's name of the region that a namespace's endpoint points to; null: it points elsewhere. */
export const regionOfTarget = (target: string): string | null => REGION.exec(target.toLowerCase().replace(/\.$/, ''))?.[1] ?? null;
