// The provider that writes to the builtin DNS server. Shares are served exactly, and the server compares the fence text it was read with
// in the same step as it writes, so fencing is conditional. One request per read and one per batch; retry belongs to the caller.
import { Agent, request } from 'undici';
import { errorText, Fault } from '../../src/errors.ts';
import type { Ports } from '../../src/ports.ts';
import { assertBatch, behindIn } from '../batch.ts';
import type { Applied, Capabilities, Change, Provider, ProviderContext, ProviderModule, ProviderService, ReadBack } from '../provider.ts';
import { quantise, readBackOf, swapOf } from './convert.ts';
import { problemShape, type SwapRequest, servicesShape } from './wire.ts';

export interface BuiltinConfig {
  kind: 'builtin';
  /** The zone that the server serves; every service lies in it. */
  zone: string;
  /** Where the server takes writes: an IP literal and a port. */
  control: { host: string; port: number };
  tokenFile: string;
  /** Present in the one replica that also runs the server. */
  serve?: { dns: { host: string; port: number } };
}

const can: Capabilities = {
  fencing: 'conditional',
  weights: 'exact',
  batchMax: 1000,
  servesAnswers: true,
  ttlFloorS: 0,
  checkedOn: '2026-11-22',
};

const CONNECTIONS_MAX = 4;
/** A thousand services of the largest size would exceed it; such a zone is not what this server is for. */
const REPLY_BYTES_MAX = 4 * 1024 * 1024;
/** Node takes 16 KiB of request head; a longer list of names is replaced by asking for the whole zone. */
const NAMES_CHARS_MAX = 8192;

interface Reply {
  status: number;
  body: string;
}

type Call = (path: string, token: string, signal: AbortSignal, body?: SwapRequest) => Promise<Reply>;

export const builtin = {
  kind: 'builtin',
  can,
  open(config: BuiltinConfig, { ports, secret }: Pick<ProviderContext, 'ports' | 'secret'>): Provider {
    const agent = new Agent({ connect: connector(ports, config.control), connections: CONNECTIONS_MAX, maxResponseSize: REPLY_BYTES_MAX });
    const { host, port } = config.control;
    const origin = `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
    const call: Call = (path, token, signal, body) => exchange(agent, `${origin}${path}`, token, signal, body);
    // Read anew for every request, so that a rotated token needs no restart.
    const readToken = (): string => secret(config.tokenFile);
    return {
      can,
      quantise,
      read: async (services, signal) => readBack(call, readToken(), config.zone, services, signal),
      apply: (changes, signal) => apply(call, readToken, changes, signal),
      owns: (services) => services.map(({ service }) => ({ object: `service ${service}`, fields: ['fence', 'ttl', 'pools'] })),
      close: () => agent.destroy(),
    };
  },
} satisfies ProviderModule<BuiltinConfig>;

const readBack = async (
  call: Call,
  token: string,
  zone: string,
  services: readonly ProviderService[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, ReadBack>> => {
  const names = services.map(({ service }) => encodeURIComponent(service)).join(',');
  const query = names.length > NAMES_CHARS_MAX ? '' : `?names=${names}`;
  const { status, body } = await call(`/zone/v1/services${query}`, token, signal);
  if (status !== 200) throw new Fault('ERR_PROVIDER', `builtin dns: read answered ${explained(status, body)}`);
  const found = servicesShape.safeParse(jsonOf(body));
  if (!found.success)
    throw new Fault('ERR_PROVIDER', 'builtin dns: the reply to a read is not understood; is another program on the control address?');
  if (found.data.zone !== zone)
    throw new Fault('ERR_PROVIDER', `builtin dns: the server holds the zone ${found.data.zone}, expected ${zone}`);
  const served = new Map(found.data.services.map((service) => [service.name, service]));
  return new Map(services.map((service) => [service.service, readBackOf(service, served.get(service.service))]));
};

const apply = async (call: Call, readToken: () => string, changes: readonly Change[], signal: AbortSignal): Promise<Applied> => {
  assertBatch(changes);
  const swap = swapOf(changes);
  const behind = behindIn(changes);
  if (behind !== null) return behind;
  let token: string;
  try {
    token = readToken();
  } catch (error) {
    return { outcome: 'fatal', because: `builtin dns: ${errorText(error)}` };
  }
  try {
    return outcomeOf(await call('/zone/v1/swap', token, signal, swap));
  } catch (error) {
    return { outcome: 'undecided', because: `builtin dns: ${errorText(error)}` };
  }
};

const outcomeOf = ({ status, body }: Reply): Applied => {
  const because = `builtin dns: swap answered ${explained(status, body)}`;
  if (status === 200) return { outcome: 'applied' };
  if (status === 409) return { outcome: 'conflict', because };
  return status >= 500 ? { outcome: 'undecided', because } : { outcome: 'fatal', because };
};

const explained = (status: number, body: string): string => {
  const problem = problemShape.safeParse(jsonOf(body));
  return problem.success
    ? `${status}: ${problem.data.title}: ${problem.data.detail}`
    : `${status} with a body that is not a problem document`;
};

const jsonOf = (body: string): unknown => {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
};

const exchange = async (agent: Agent, url: string, token: string, signal: AbortSignal, body?: SwapRequest): Promise<Reply> => {
  signal.throwIfAborted();
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  const asked = request(url, {
    dispatcher: agent,
    signal,
    ...(body === undefined
      ? { headers: { authorization: headers.authorization } }
      : { method: 'POST', headers, body: JSON.stringify(body) }),
  }).then(async (reply) => ({ status: reply.statusCode, body: await reply.body.text() }));
  return Promise.race([asked, aborted(signal, asked)]);
};

/** undici does not look at the signal before a socket is connected; this does. Never leaves a listener or an unhandled rejection behind. */
const aborted = (signal: AbortSignal, until: Promise<unknown>): Promise<never> =>
  new Promise((_, reject) => {
    const onAbort = (): void => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    const stop = (): void => signal.removeEventListener('abort', onAbort);
    until.then(stop, stop);
  });

/** Sockets come from the ports, like everybody's. The address is fixed, so nothing is resolved. */
const connector =
  (ports: Ports, { host, port }: { host: string; port: number }): NonNullable<Agent.Options['connect']> =>
  (_options, callback) => {
    const socket = ports.net.tcp({ host, port });
    const onError = (error: Error): void => callback(error, null);
    socket.once('error', onError);
    socket.once('connect', () => {
      socket.off('error', onError);
      callback(null, socket);
    });
  };
