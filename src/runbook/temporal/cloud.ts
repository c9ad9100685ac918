// Temporal Cloud by its Ops API: namespaces are looked at, asked to fail over by operations that have names, and those are followed. The token is read anew
// for each request, and once more when it is refused, since keys are rotated while we run. One request, one deadline, no retry: those are the caller's.

import { isLoopbackHost } from '../../config/fields.ts';
import { errorText, Fault } from '../../errors.ts';
import { quoted } from '../../exchange.ts';
import type { Fetch } from '../../http.ts';
import { DeadlineError, isoTime, withDeadline } from '../../ports.ts';
import type { System, SystemContext } from '../kind.ts';
import type { SystemModule, TemporalCloudConfig } from '../systems.ts';
import { silence } from './answering.ts';
import { API_VERSION, errorOf, jsonOf, operationOf, orderedIn, placeOf } from './cloud-wire.ts';
import { type CodeName, WRITE } from './codes.ts';
import type { Begun, Mover, Operation } from './mover.ts';

export interface TemporalCloud extends System {
  readonly kind: 'temporal-cloud';
  readonly forced: Mover;
  /** Did anybody order a failover of it since then, by the account's own journal? null: it cannot be told. Rejects for want of an answer. */
  ordered(namespace: string, sinceMs: number, signal: AbortSignal): Promise<boolean | null>;
}

/** A look takes a tenth of a second, and a request to fail over about one. */
const CALL_MS = 5_000;
/** A namespace with all its search attributes is some kilobytes. */
const REPLY_CHARS_MAX = 1_000_000;

/** `message` ends a sentence. `code` null: no answer, or none of use. `silent`: which its breaker counts. */
type Answer = { ok: true; body: unknown } | { ok: false; code: CodeName | null; message: string; silent?: true };

type Method = 'GET' | 'POST';

interface Door {
  config: TemporalCloudConfig;
  context: SystemContext;
  fetch: Fetch;
}

const request = async (door: Door, token: string, method: Method, path: string, body: object | null, signal: AbortSignal) => {
  const response = await door.fetch(`${door.config.url}${path}`, {
    method,
    signal,
    headers: {
      authorization: `Bearer ${token}`,
      accept: 'application/json',
      'temporal-cloud-api-version': API_VERSION,
      ...(body === null ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === null ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, text: await response.text() };
};

/** Never rejects but for a secret that cannot be read. */
const ask = async (door: Door, method: Method, path: string, body: object | null, signal: AbortSignal): Promise<Answer> => {
  const { config, context } = door;
  const { host } = new URL(config.url);
  const once = (token: string): Promise<{ status: number; text: string }> =>
    withDeadline(context.ports.timers, CALL_MS, host, (own) => request(door, token, method, path, body, own), signal);
  try {
    const token = context.secret(config.tokenFile);
    let reply = await once(token);
    const newer = reply.status === 401 ? context.secret(config.tokenFile) : token;
    if (newer !== token) reply = await once(newer);
    return answerOf(host, reply);
  } catch (error) {
    if (error instanceof Fault) throw error;
    const message = error instanceof DeadlineError ? error.message : `${host} did not answer: ${quoted(errorText(error))}`;
    return { ok: false, code: null, message, ...silence(null) };
  }
};

const answerOf = (host: string, { status, text }: { status: number; text: string }): Answer => {
  if (text.length > REPLY_CHARS_MAX) return { ok: false, code: null, message: `${host} answered with ${text.length} characters` };
  if (status < 200 || status > 299) {
    const { code, message } = errorOf(status, text);
    return { ok: false, code, message: `${host} answered ${message}`, ...silence(code) };
  }
  return { ok: true, body: jsonOf(text) };
};

const silentAs = ({ silent }: { silent?: true }): { silent?: true } => (silent === undefined ? {} : { silent });

const begun = (answer: Answer): Begun => {
  if (answer.ok) {
    const operation = operationOf(answer.body);
    // It was taken, whatever the rest of the answer is.
    return { took: 'accepted', operation };
  }
  const took = answer.code === null ? 'undecided' : WRITE[answer.code];
  if (took !== 'accepted') return { took, because: answer.message, ...silentAs(answer) };
  return { took, operation: { is: 'moving', because: 'the operation was asked for before', againMs: 0 } };
};

const followed = (answer: Answer): Operation => {
  if (answer.ok) return operationOf(answer.body);
  return { is: answer.code === 'NOT_FOUND' ? 'unheard' : 'unknown', because: answer.message, ...silentAs(answer) };
};

const moverOf = (door: Door): Mover => ({
  async look(namespace, signal) {
    const answer = await ask(door, 'GET', `/cloud/namespaces/${encodeURIComponent(namespace)}`, null, signal);
    if (answer.ok) return placeOf(namespace, answer.body);
    return { is: answer.code === 'NOT_FOUND' ? 'never' : 'unknown', because: `${namespace}: ${answer.message}`, ...silentAs(answer) };
  },
  async begin(namespace, to, id, signal) {
    const path = `/cloud/namespaces/${encodeURIComponent(namespace)}/failover-region`;
    return begun(await ask(door, 'POST', path, { region: to, asyncOperationId: id }, signal));
  },
  async follow(_namespace, _to, id, signal) {
    return followed(await ask(door, 'GET', `/cloud/operations/${encodeURIComponent(id)}`, null, signal));
  },
});

/** Entries of one page; more in so short a time are nobody's journal. */
const LOGS_MAX = 1000;

const ordered = async (door: Door, namespace: string, sinceMs: number, signal: AbortSignal): Promise<boolean | null> => {
  const query = new URLSearchParams({ pageSize: String(LOGS_MAX), startTimeInclusive: isoTime(sinceMs) });
  const answer = await ask(door, 'GET', `/cloud/audit-logs?${query}`, null, signal);
  if (!answer.ok && answer.silent) throw new Error(answer.message);
  return answer.ok ? orderedIn(namespace, answer.body) : null;
};

export const temporalCloud: SystemModule<TemporalCloudConfig> = {
  async open(config, context) {
    const { protocol, hostname } = new URL(config.url);
    if (protocol !== 'https:' && !isLoopbackHost(hostname))
      throw new Fault('ERR_SYSTEM', `temporal-cloud: the token would go to ${config.url} in the clear; write https://`);
    context.secret(config.tokenFile);
    const caPem = config.caFile === undefined ? undefined : context.text(config.caFile);
    const { fetch, close } = context.httpTrusting(caPem === undefined ? {} : { caPem });
    const door: Door = { config, context, fetch };
    const cloud: TemporalCloud = {
      kind: 'temporal-cloud',
      forced: moverOf(door),
      ordered: (namespace, sinceMs, signal) => ordered(door, namespace, sinceMs, signal),
      close,
    };
    return cloud;
  },
};
