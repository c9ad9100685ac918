// The provider that writes to the builtin DNS server. Shares are served exactly, and the server compares the fence text it was read with
// in the same step as it writes, so fencing is conditional. One request per read and one per batch; retry belongs to the caller.
import assert from 'node:assert/strict';
import { Agent, request } from 'undici';
import { errorText, Fault } from '../../src/errors.ts';
import type { Ports } from '../../src/ports.ts';
import { formatFence, parseFence } from '../fence.ts';
import type { Applied, Capabilities, Change, Provider, ProviderModule, ProviderService, ReadBack } from '../provider.ts';
import { problemShape, type SwapRequest, servicesShape } from './wire.ts';
import type { ZonePool, ZoneService } from './zone.ts';

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

const can: Capabilities = { fencing: 'conditional', weights: 'exact', ttlFloorS: 0, checkedOn: '2026-11-22' };

const CONNECTIONS_MAX = 4;
/** A thousand services of the largest size would exceed it; such a zone is not what this server is for. */
const REPLY_BYTES_MAX = 4 * 1024 * 1024;
/** A request line with more names than this is replaced by asking for the whole zone. */
const NAMES_MAX = 100;

/** What was read of a service: the text to compare with. */
interface Token {
  fenceText: string | null;
}

interface Reply {
  status: number;
  body: string;
}

type Call = (path: string, token: string, signal: AbortSignal, body?: SwapRequest) => Promise<Reply>;

export const builtin: ProviderModule<BuiltinConfig> = {
  kind: 'builtin',
  can,
  open(config, { ports, secret }): Provider {
    const agent = new Agent({ connect: connector(ports, config.control), connections: CONNECTIONS_MAX, maxResponseSize: REPLY_BYTES_MAX });
    const { host, port } = config.control;
    const origin = `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
    const call: Call = (path, token, signal, body) => exchange(agent, `${origin}${path}`, token, signal, body);
    // Read anew for every request, so that a rotated token needs no restart.
    const readToken = (): string => secret(config.tokenFile);
    return {
      can,
      quantise: sharesWanted,
      read: async (services, signal) => readBack(call, readToken(), config.zone, services, signal),
      apply: (changes, signal) => apply(call, readToken, changes, signal),
      close: () => agent.destroy(),
    };
  },
};

const readBack = async (
  call: Call,
  token: string,
  zone: string,
  services: readonly ProviderService[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, ReadBack>> => {
  const names = services.map(({ service }) => service);
  const query = names.length > NAMES_MAX ? '' : `?names=${names.map(encodeURIComponent).join(',')}`;
  const { status, body } = await call(`/zone/v1/services${query}`, token, signal);
  if (status !== 200) throw new Fault('ERR_PROVIDER', `builtin dns: read answered ${explained(status, body)}`);
  const found = servicesShape.safeParse(jsonOf(body));
  if (!found.success)
    throw new Fault('ERR_PROVIDER', 'builtin dns: the reply to a read is not understood; is another program on the control address?');
  if (found.data.zone !== zone)
    throw new Fault('ERR_PROVIDER', `builtin dns: the server holds the zone ${found.data.zone}, expected ${zone}`);
  const served = new Map(found.data.services.map((service) => [service.name, service]));
  return new Map(services.map((service) => [service.service, seenOf(service, served.get(service.service))]));
};

const NOT_SERVED: ReadBack = { fence: null, shares: null, foreign: [], token: { fenceText: null } satisfies Token };

const seenOf = ({ service, pools }: ProviderService, served: ZoneService | undefined): ReadBack => {
  if (served === undefined) return NOT_SERVED;
  const fence = parseFence(served.fence);
  if (fence === null) {
    throw new Fault(
      'ERR_PROVIDER',
      `builtin dns: ${service} carries the fence "${served.fence}", which Tidegate never writes; find out who did`,
    );
  }
  const configured = new Set(pools.flatMap(({ answers }) => answers));
  const foreign = served.pools
    .filter(({ share }) => share > 0)
    .flatMap(({ answers }) => answers.filter((answer) => !configured.has(answer)));
  const shares = Object.fromEntries(pools.map(({ pool, answers }) => [pool, shareOf(served.pools, pool, answers)]));
  return { fence, shares, foreign: [...new Set(foreign)], token: { fenceText: served.fence } satisfies Token };
};

/** A pool's share counts only while it is served with all of the configured addresses. */
const shareOf = (served: readonly ZonePool[], pool: string, answers: readonly string[]): number => {
  const found = served.find((each) => each.pool === pool);
  return found !== undefined && answers.every((answer) => found.answers.includes(answer)) ? found.share : 0;
};

const sharesWanted = ({ pools }: ProviderService): Record<string, number> =>
  Object.fromEntries(pools.map(({ pool, share }) => [pool, share]));

const apply = async (call: Call, readToken: () => string, changes: readonly Change[], signal: AbortSignal): Promise<Applied> => {
  refuseBugs(changes);
  const behind = changes.find(({ fence, previous }) => previous.fence !== null && previous.fence.v > fence.v);
  if (behind !== undefined) {
    return {
      outcome: 'conflict',
      because: `${behind.desired.service} carries fence ${behind.previous.fence?.v}, newer than ${behind.fence.v}`,
    };
  }
  if (changes.length === 0) return { outcome: 'applied' };
  let token: string;
  try {
    token = readToken();
  } catch (error) {
    return { outcome: 'fatal', because: `builtin dns: ${errorText(error)}` };
  }
  try {
    return outcomeOf(await call('/zone/v1/swap', token, signal, { changes: changes.map(changeOf) }));
  } catch (error) {
    return { outcome: 'undecided', because: `builtin dns: ${errorText(error)}` };
  }
};

const changeOf = ({ desired, fence, previous }: Change): SwapRequest['changes'][number] => ({
  service: {
    name: desired.service,
    ttlS: desired.ttlS,
    pools: desired.pools.map(({ pool, share, answers }) => ({ pool, share, answers: [...answers] })),
    fence: formatFence(fence),
  },
  ifFence: (previous.token as Token).fenceText,
});

/** The caller's mistakes, caught before anything leaves: they would be bugs of ours, not states of the world. */
const refuseBugs = (changes: readonly Change[]): void => {
  const names = changes.map(({ desired }) => desired.service);
  for (const { desired } of changes) {
    const served = desired.pools.filter(({ share }) => share > 0);
    assert(
      served.length > 0 && served.every(({ answers }) => answers.length > 0),
      `${desired.service}: a pool with a share and no address, or an empty route`,
    );
    assert(names.indexOf(desired.service) === names.lastIndexOf(desired.service), `${desired.service}: named twice in one batch`);
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
