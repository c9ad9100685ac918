// A stand-in for Cloudflare's API (stand-in.ts): load balancers and pools with their PATCH, DNS records with their batch, the envelope, the refusals with
// their codes, the limit on calls. It decides nothing about health and steers by weight alone. That the real batch refuses a delete of a record that is gone
// is what Cloudflare documents; this server takes them at their word.
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { canonicalAddress, familyOf } from '../../dns/address.ts';
import { errorText, Fault } from '../../errors.ts';
import { isoTime, type Ports, sleep } from '../../ports.ts';
import type { StandIn, StandInCall, StandInOptions } from './stand-in.ts';

export interface StandInBalancer {
  id: string;
  name: string;
  description: string;
  enabled: boolean;
  proxied: boolean;
  ttl?: number;
  steering_policy: string;
  default_pools: string[];
  fallback_pool: string;
  random_steering: { default_weight?: number; pool_weights?: Record<string, number> };
  session_affinity: string;
  rules: Record<string, unknown>[];
  pool_sets: Record<string, unknown>[];
  created_on: string;
  modified_on: string;
}

export interface StandInPool {
  id: string;
  name: string;
  enabled: boolean;
  origins: { name: string; address: string; enabled: boolean; weight: number }[];
  load_shedding?: Record<string, unknown>;
  created_on: string;
  modified_on: string;
}

export interface StandInRecord {
  id: string;
  name: string;
  type: string;
  content: string;
  ttl: number;
  proxied: boolean;
  created_on: string;
  modified_on: string;
}

export interface CloudflareState {
  balancers: StandInBalancer[];
  pools: StandInPool[];
  records: StandInRecord[];
}

export interface Answer {
  status: number;
  headers?: Readonly<Record<string, string>>;
  body: unknown;
}

export interface CloudflareStandIn extends StandIn {
  zoneId: string;
  accountId: string;
  /** A copy. */
  state(): CloudflareState;
  /** A human at the dashboard. */
  byHand(change: (state: CloudflareState) => void): void;
  /** A record as the dashboard would make it. */
  record(given: Pick<StandInRecord, 'name' | 'type' | 'content'> & Partial<StandInRecord>): StandInRecord;
  balancer(given: Pick<StandInBalancer, 'name' | 'default_pools'> & Partial<StandInBalancer>): StandInBalancer;
  pool(given: Pick<StandInPool, 'name'> & Partial<StandInPool>): StandInPool;
  /** The next changing request is carried out, and its connection cut instead of a reply. */
  loseNextReply(): void;
  /** From now on requests are taken and never answered. */
  hang(): void;
  /** The next changing request, or every request, gets this and nothing is done; null: no longer. */
  answerNext(answer: Answer): void;
  answerAll(answer: Answer | null): void;
}

export interface CloudflareOptions extends StandInOptions {
  ports: Ports;
  token: string;
  zone: string;
  /** Calls until 429; Cloudflare's own by default. */
  callsMax?: number;
  /** Least TTL of a record, and most records in a batch: those of a plan. */
  ttlFloorS?: number;
  batchMax?: number;
}

const BASE = '/client/v4';
const WINDOW_MS = 300_000;
const CALLS_MAX = 1200;

/** What a handler says: a result, or an error of Cloudflare's. */
type Said = { result: unknown; info?: object } | { status: number; code: number; message: string };

const refuse = (status: number, code: number, message: string): Said => ({ status, code, message });

/** Throws Fault ERR_LISTEN. */
export const standInForCloudflare = async (options: CloudflareOptions): Promise<CloudflareStandIn> => {
  const { ports } = options;
  const now = (): string => isoTime(ports.clock.wallMs());
  const id = (): string => ports.random.hex(16);
  const made = (): { id: string; created_on: string; modified_on: string } => ({ id: id(), created_on: now(), modified_on: now() });
  const [zoneId, accountId] = [id(), id()];
  const state: CloudflareState = { balancers: [], pools: [], records: [] };
  const calls: StandInCall[] = [];
  const callsAtMs: number[] = [];
  const faults = { lose: false, hang: false, next: null as Answer | null, all: null as Answer | null };
  const stopped = new AbortController();
  const told = teller(options, stopped.signal);

  const app = Fastify({ forceCloseConnections: true, exposeHeadRoutes: false });

  const send = async (request: FastifyRequest, reply: FastifyReply, { status, headers = {}, body }: Answer): Promise<unknown> => {
    calls.push({ method: request.method, path: request.url.slice(BASE.length), body: request.body ?? null, status });
    if (options.latencyMs !== undefined) await sleep(ports.timers, options.latencyMs, stopped.signal);
    if (request.method !== 'GET' && faults.lose) {
      faults.lose = false;
      reply.hijack();
      request.raw.socket.destroy();
      return reply;
    }
    return reply
      .code(status)
      .headers({ 'cf-ray': `${ports.random.hex(8)}-TID`, ...headers })
      .send(body);
  };

  /** What stands before any handler: null lets the request through. */
  const gate = (request: FastifyRequest): Answer | null => {
    if (faults.all !== null) return faults.all;
    const nowMs = ports.clock.monoMs();
    while ((callsAtMs[0] ?? nowMs) < nowMs - WINDOW_MS) callsAtMs.shift();
    if (callsAtMs.length >= (options.callsMax ?? CALLS_MAX)) return throttled(((callsAtMs[0] ?? nowMs) + WINDOW_MS - nowMs) / 1000);
    callsAtMs.push(nowMs);
    if (request.headers.authorization !== `Bearer ${options.token}`)
      return { status: 403, body: envelope(refuse(403, 10000, 'Authentication error')) };
    if (request.method === 'GET' || faults.next === null) return null;
    const next = faults.next;
    faults.next = null;
    return next;
  };

  const on = (method: 'GET' | 'PATCH' | 'POST', path: string, handle: (request: FastifyRequest) => Said): void => {
    app.route({
      method,
      url: `${BASE}${path}`,
      handler: async (request, reply) => {
        if (faults.hang) return new Promise(() => {});
        const answer = gate(request);
        if (answer !== null) return send(request, reply, answer);
        const said = handle(request);
        told.changed(state);
        return send(request, reply, { status: 'code' in said ? said.status : 200, body: envelope(said) });
      },
    });
  };
  app.setNotFoundHandler((request, reply) =>
    send(request, reply, { status: 400, body: envelope(refuse(400, 7003, `Could not route to ${request.url}`)) }),
  );
  balancerRoutes(on, state, { zoneId, accountId, now });
  recordRoutes(on, state, { zoneId, options, made, now });
  await listen(app);
  const address = app.server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}${BASE}`,
    zoneId,
    accountId,
    calls: () => calls,
    state: () => structuredClone(state),
    byHand(change) {
      change(state);
      told.changed(state);
    },
    record(given) {
      const record = { ttl: 1, proxied: false, ...made(), ...given };
      state.records.push(record);
      told.changed(state);
      return record;
    },
    balancer(given) {
      const balancer = { ...BALANCER, fallback_pool: given.default_pools.at(-1) ?? '', ...made(), ...given };
      state.balancers.push(balancer);
      told.changed(state);
      return balancer;
    },
    pool(given) {
      const pool = { enabled: true, origins: [], ...made(), ...given };
      state.pools.push(pool);
      return pool;
    },
    loseNextReply() {
      faults.lose = true;
    },
    hang() {
      faults.hang = true;
    },
    answerNext(answer) {
      faults.next = answer;
    },
    answerAll(answer) {
      faults.all = answer;
    },
    async close() {
      stopped.abort(new Error('closed'));
      await app.close();
    },
  };
};

const BALANCER = {
  description: '',
  enabled: true,
  proxied: true,
  steering_policy: 'random',
  random_steering: { default_weight: 1 },
  session_affinity: 'none',
  rules: [],
  pool_sets: [],
};

const listen = async (app: FastifyInstance): Promise<void> => {
  try {
    await app.listen({ host: '127.0.0.1', port: 0 });
  } catch (error) {
    await app.close();
    throw new Fault('ERR_LISTEN', `stand-in for Cloudflare: ${errorText(error)}`, { cause: error });
  }
};

const throttled = (leftS: number): Answer => {
  const retryS = Math.max(1, Math.ceil(leftS));
  return {
    status: 429,
    headers: { 'retry-after': String(retryS), ratelimit: `"default";r=0;t=${retryS}`, 'ratelimit-policy': '"default";q=1200;w=300' },
    body: envelope(refuse(429, 10429, 'Please wait and consider throttling your request speed')),
  };
};

const envelope = (said: Said): unknown =>
  'code' in said
    ? { result: null, success: false, errors: [{ code: said.code, message: said.message }], messages: [] }
    : { result: said.result, success: true, errors: [], messages: [], ...(said.info === undefined ? {} : { result_info: said.info }) };

type On = (method: 'GET' | 'PATCH' | 'POST', path: string, handle: (request: FastifyRequest) => Said) => void;

const paramsOf = (request: FastifyRequest): Readonly<Record<string, string>> => request.params as Record<string, string>;
const bodyOf = (request: FastifyRequest): Record<string, unknown> =>
  typeof request.body === 'object' && request.body !== null ? (request.body as Record<string, unknown>) : {};

// ---- load balancing ----

const balancerRoutes = (
  on: On,
  state: CloudflareState,
  { zoneId, accountId, now }: { zoneId: string; accountId: string; now: () => string },
): void => {
  const [balancers, pools] = ['/zones/:zone/load_balancers', '/accounts/:account/load_balancers/pools'];
  const missing = refuse(404, 1001, 'object not found');
  const inZone = (request: FastifyRequest, say: () => Said): Said => (paramsOf(request).zone === zoneId ? say() : missing);
  const inAccount = (request: FastifyRequest, say: () => Said): Said => (paramsOf(request).account === accountId ? say() : missing);
  const one = <T extends { id: string }>(list: readonly T[], request: FastifyRequest, say: (found: T) => Said): Said => {
    const found = list.find(({ id }) => id === paramsOf(request).id);
    return found === undefined ? missing : say(found);
  };
  on('GET', balancers, (request) => inZone(request, () => ({ result: state.balancers, info: infoOf(state.balancers.length) })));
  on('GET', `${balancers}/:id`, (request) => inZone(request, () => one(state.balancers, request, (result) => ({ result }))));
  on('PATCH', `${balancers}/:id`, (request) =>
    inZone(request, () =>
      one(state.balancers, request, (found) => {
        const wrong = wrongBalancer(bodyOf(request), state.pools);
        if (wrong !== null) return refuse(400, 1002, `${wrong}: validation failed`);
        return { result: Object.assign(found, bodyOf(request), { modified_on: now() }) };
      }),
    ),
  );
  on('GET', pools, (request) => inAccount(request, () => ({ result: state.pools, info: infoOf(state.pools.length) })));
  on('GET', `${pools}/:id`, (request) => inAccount(request, () => one(state.pools, request, (result) => ({ result }))));
  on('PATCH', `${pools}/:id`, (request) =>
    inAccount(request, () =>
      one(state.pools, request, (found) => ({ result: Object.assign(found, bodyOf(request), { modified_on: now() }) })),
    ),
  );
  on('GET', `${pools}/:id/references`, (request) =>
    inAccount(request, () => one(state.pools, request, ({ id }) => ({ result: referencesOf(state, id) }))),
  );
};

const infoOf = (count: number): object => ({ page: 1, per_page: Math.max(20, count), count, total_count: count, total_pages: 1 });

const referencesOf = ({ balancers }: CloudflareState, pool: string): readonly object[] =>
  balancers
    .filter(({ default_pools, fallback_pool }) => default_pools.includes(pool) || fallback_pool === pool)
    .map(({ id, name }) => ({ reference_type: 'referrer', resource_id: id, resource_name: name, resource_type: 'load_balancer' }));

const POLICIES = ['off', 'geo', 'random', 'dynamic_latency', 'proximity', 'least_outstanding_requests', 'least_connections', ''];

/** What Cloudflare would find not valid in a PATCH of a load balancer; null: nothing. */
const wrongBalancer = (body: Record<string, unknown>, pools: readonly StandInPool[]): string | null => {
  const { description, steering_policy, default_pools, random_steering } = body;
  if (description !== undefined && typeof description !== 'string') return 'description must be a string';
  if (steering_policy !== undefined && !POLICIES.includes(String(steering_policy))) return 'unknown steering_policy';
  if (Array.isArray(default_pools) && default_pools.some((id) => !pools.some((pool) => pool.id === id)))
    return 'unknown pool in default_pools';
  if (random_steering === undefined) return null;
  const { default_weight, pool_weights = {} } = random_steering as { default_weight?: unknown; pool_weights?: Record<string, unknown> };
  const isStep = (value: unknown, step: number): boolean =>
    typeof value === 'number' && value >= 0 && value <= 1 && Math.abs(value / step - Math.round(value / step)) < 1e-9;
  if (default_weight !== undefined && !isStep(default_weight, 0.1)) return 'default_weight must be in range [0, 1] in steps of 0.1';
  const wrong = Object.entries(pool_weights).find(([, weight]) => !isStep(weight, 0.01));
  return wrong === undefined ? null : `weight of pool ${wrong[0]} must be in range [0, 1] in steps of 0.01`;
};

// ---- DNS records ----

interface RecordsContext {
  zoneId: string;
  options: CloudflareOptions;
  made: () => { id: string; created_on: string; modified_on: string };
  now: () => string;
}

const recordRoutes = (on: On, state: CloudflareState, context: RecordsContext): void => {
  const inZone = (request: FastifyRequest, say: () => Said): Said =>
    paramsOf(request).zone === context.zoneId
      ? say()
      : refuse(404, 7003, 'Could not route to the zone, perhaps your object identifier is invalid?');
  on('GET', '/zones/:zone/dns_records', (request) =>
    inZone(request, () => {
      const query = request.query as Record<string, string>;
      const found = state.records.filter(
        ({ type, name }) =>
          (query.type === undefined || query.type === type) &&
          (query['name.startswith'] === undefined || name.startsWith(query['name.startswith'].toLowerCase())),
      );
      const [page, perPage] = [Number(query.page ?? 1), Number(query.per_page ?? 100)];
      const shown = found.slice((page - 1) * perPage, page * perPage);
      const pages = Math.max(1, Math.ceil(found.length / perPage));
      const info = { page, per_page: perPage, count: shown.length, total_count: found.length, total_pages: pages };
      return { result: shown.map(shownRecord), info };
    }),
  );
  on('POST', '/zones/:zone/dns_records/batch', (request) => inZone(request, () => batch(state, context, bodyOf(request))));
};

/** With everything that a reply holds. */
const shownRecord = ({ type, ...record }: StandInRecord): object => ({
  ...record,
  type,
  data: {},
  proxiable: ['A', 'AAAA', 'CNAME'].includes(type),
  settings: {},
  meta: {},
  comment: '',
  tags: [],
});

/** One transaction, in Cloudflare's order: deletes, patches, (puts,) posts. */
const batch = (state: CloudflareState, context: RecordsContext, body: Record<string, unknown>): Said => {
  const list = (key: string): Record<string, unknown>[] => (Array.isArray(body[key]) ? body[key] : []);
  const [deletes, patches, posts] = [list('deletes'), list('patches'), list('posts')];
  if (deletes.length + patches.length + posts.length > (context.options.batchMax ?? 200))
    return refuse(400, 1004, 'DNS Validation Error: too many records in a batch');
  let records = state.records.map((record) => ({ ...record }));
  const done: Record<'deletes' | 'patches' | 'posts', StandInRecord[]> = { deletes: [], patches: [], posts: [] };
  for (const { id } of deletes) {
    const found = records.find((record) => record.id === id);
    if (found === undefined) return refuse(404, 81044, 'Record does not exist.');
    records = records.filter((record) => record !== found);
    done.deletes.push(found);
  }
  for (const given of patches) {
    const found = records.find((record) => record.id === given.id);
    if (found === undefined) return refuse(404, 81044, 'Record does not exist.');
    const wrong = wrongRecord({ ...found, ...given }, records, context.options);
    if (wrong !== null) return wrong;
    done.patches.push(Object.assign(found, given, { modified_on: context.now() }));
  }
  for (const given of posts) {
    const record = { ttl: 1, proxied: false, content: '', name: '', type: '', ...given, ...context.made() };
    const wrong = wrongRecord(record, records, context.options);
    if (wrong !== null) return wrong;
    records.push(record);
    done.posts.push(record);
  }
  state.records = records;
  return {
    result: {
      deletes: done.deletes.map(shownRecord),
      patches: done.patches.map(shownRecord),
      puts: [],
      posts: done.posts.map(shownRecord),
    },
  };
};

/** What Cloudflare has against a record beside the others; null: nothing. */
const wrongRecord = (record: StandInRecord, others: readonly StandInRecord[], { zone, ttlFloorS = 60 }: CloudflareOptions): Said | null => {
  const { id, name, type, content, ttl, proxied } = record;
  if (name !== zone && !name.endsWith(`.${zone}`)) return refuse(400, 1004, 'DNS Validation Error: the name is outside the zone');
  if (ttl !== 1 && (ttl < ttlFloorS || ttl > 86_400))
    return refuse(400, 9021, `Invalid TTL. Must be between ${ttlFloorS} and 86,400 seconds, or 1 for Automatic`);
  if (type === 'A' && familyOf(content) !== 4) return refuse(400, 9005, 'Content for A record must be a valid IPv4 address.');
  if (type === 'AAAA' && familyOf(content) !== 6) return refuse(400, 9006, 'Content for AAAA record must be a valid IPv6 address.');
  if (proxied && !['A', 'AAAA', 'CNAME'].includes(type)) return refuse(400, 9004, 'This record type cannot be proxied.');
  const beside = others.filter((other) => other.id !== id && other.name === name);
  const text = canonicalAddress(content) ?? content;
  if (beside.some((other) => other.type === type && (canonicalAddress(other.content) ?? other.content) === text))
    return refuse(400, 81058, 'An identical record already exists.');
  if (type !== 'CNAME' && beside.some((other) => other.type === 'CNAME'))
    return refuse(400, 81053, 'An A, AAAA, or CNAME record with that host already exists.');
  return null;
};

// ---- what users are served ----

const teller = (
  { ports, onServed, visibleAfterMs = 0 }: CloudflareOptions,
  signal: AbortSignal,
): { changed(state: CloudflareState): void } => {
  const said = new Map<string, string>();
  return {
    changed(state) {
      if (onServed === undefined) return;
      const served = servedOf(state);
      for (const name of new Set([...said.keys(), ...served.keys()])) {
        const weights = served.get(name) ?? {};
        const text = JSON.stringify(Object.entries(weights).sort(([a], [b]) => (a < b ? -1 : 1)));
        if (said.get(name) === text) continue;
        said.set(name, text);
        ports.timers.after(visibleAfterMs, () => (signal.aborted ? undefined : onServed({ name, weights })), { background: true });
      }
    },
  };
};

/** By the id of a pool, or by address. A load balancer hides the records of its name. */
const servedOf = ({ balancers, records }: CloudflareState): ReadonlyMap<string, Readonly<Record<string, number>>> => {
  const served = new Map<string, Record<string, number>>();
  for (const { name, type, content } of records)
    if (type === 'A' || type === 'AAAA') served.set(name, { ...served.get(name), [canonicalAddress(content) ?? content]: 1 });
  for (const { name, enabled, default_pools, steering_policy, random_steering } of balancers) {
    const weigh = (id: string, at: number): number => {
      if (!enabled) return 0;
      if (steering_policy === 'off') return at === 0 ? 1 : 0;
      return random_steering.pool_weights?.[id] ?? random_steering.default_weight ?? 1;
    };
    served.set(name, Object.fromEntries(default_pools.map((id, at) => [id, weigh(id, at)])));
  }
  return served;
};
