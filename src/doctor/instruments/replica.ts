// What the running replica of this file says of itself, by its API.
import type { HealthDetail } from '../../api/health-detail.ts';
import type { StatusDocument } from '../../api/status.ts';
import type { ReplicaConfig } from '../../config/schema.ts';
import { errorText } from '../../errors.ts';
import type { Http } from '../../http.ts';
import { type Ports, withDeadline } from '../../ports.ts';
import { readSecret } from '../../secrets.ts';
import { NotLooked } from '../check.ts';
import type { DoorLook } from '../tools.ts';
import { LOOK_MS } from './reach.ts';

const tokenIn = (file: string): string => {
  try {
    return readSecret(file);
  } catch (error) {
    throw new NotLooked(`its API cannot be asked without a token: ${errorText(error)}`);
  }
};

const urlOf = ({ api: { host, port, tls } }: ReplicaConfig, path: string): string => {
  const address = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '[::1]' : host.includes(':') ? `[${host}]` : host;
  return `${tls === undefined ? 'http' : 'https'}://${address}:${port}${path}`;
};

const askFor = async (http: Http, config: ReplicaConfig, { timers }: Ports, path: string, good: readonly number[]): Promise<unknown> => {
  const url = urlOf(config, path);
  const headers = { authorization: `Bearer ${tokenIn(config.api.tokenFile)}` };
  const reply = await withDeadline(timers, LOOK_MS, url, (signal) => http.fetch(url, { headers, signal })).catch((error: unknown) => {
    throw new NotLooked(`no replica of this file answers here: ${errorText(error)}`);
  });
  if (!good.includes(reply.status)) throw new NotLooked(`${url} answered ${reply.status}: without its token it does not say`);
  return reply.json();
};

/** Rejects with NotLooked. */
export const askHealth = async (
  http: Http,
  config: ReplicaConfig,
  ports: Ports,
): Promise<Pick<HealthDetail, 'status' | 'notes' | 'checks'>> => {
  const told = (await askFor(http, config, ports, '/api/health/detail', [200, 503])) as Partial<HealthDetail>;
  if (!Array.isArray(told.notes)) throw new NotLooked('what listens there is no Tidegate that knows /api/health/detail: it is older');
  return { status: told.status ?? 'fail', notes: told.notes.map(String), checks: told.checks ?? {} };
};

/** Rejects with NotLooked. */
export const askStatus = async (http: Http, config: ReplicaConfig, ports: Ports): Promise<StatusDocument> =>
  (await askFor(http, config, ports, '/v1/status', [200])) as StatusDocument;

/** What who shows nothing is answered. The order is none in any case: its body is empty, and it asks for a dry run. Rejects with NotLooked. */
export const tryDoor = async (http: Http, config: ReplicaConfig, { timers }: Ports): Promise<DoorLook> => {
  const ask = async (path: string, init: { method?: string; headers?: Record<string, string>; body?: string }): Promise<number> => {
    const url = urlOf(config, path);
    return withDeadline(timers, LOOK_MS, url, async (signal) => {
      const reply = await http.fetch(url, { ...init, signal });
      await reply.body?.cancel();
      return reply.status;
    }).catch((error: unknown) => {
      throw new NotLooked(`no replica of this file answers here: ${errorText(error)}`);
    });
  };
  return {
    read: await ask('/v1/status', {}),
    order: await ask('/v1/overrides?dryRun=true', { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' }),
  };
};
