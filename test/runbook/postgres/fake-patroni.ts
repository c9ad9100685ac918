// A fake of Patroni's REST API, by the documents and the source of 3.0 and 4.1: one cluster with its nodes, of which each may be asked. It plays what misleads in it:
// the role in `/cluster` comes from the lock and the configuration, that in `/health` from Postgres.
import type { Asked, Said } from '../front.ts';

export interface FakeNode {
  name: string;
  /** By Postgres itself. */
  inRecovery: boolean;
  /** `running`, `stopped`, `starting`, … */
  state: string;
  lsn: number;
  timeline: number;
}

export interface FakePatroni {
  nodes: FakeNode[];
  /** Who holds the lock; null: nobody. */
  leader: string | null;
  config: Record<string, unknown>;
  paused: boolean;
  failsafe: boolean;
  /** Of nodes that cannot see the configuration store. */
  blind: Set<string>;
  version: string;
  /** Changes that were taken, and what was asked of each kind. */
  changes: Record<string, unknown>[];
  switchovers: { leader: string; candidate: string | null }[];
  /** Of the next switchover; null: it is done. */
  refusal: Said | null;
  /** `auth`: the header that unsafe verbs need. `name`: of the node that is asked. */
  answer(name: string, asked: Asked): Said;
}

const isStandby = ({ config }: FakePatroni): boolean => config.standby_cluster !== undefined && config.standby_cluster !== null;

/** As Patroni does it: null takes a key away, and what is the same changes nothing. */
const patched = (config: Record<string, unknown>, change: Record<string, unknown>): boolean => {
  let isChanged = false;
  for (const [key, value] of Object.entries(change)) {
    const before = config[key];
    if (value === null) {
      isChanged = isChanged || (before ?? null) !== null;
      delete config[key];
    } else if (isObject(value) && isObject(before)) isChanged = patched(before, value) || isChanged;
    else if (before === undefined || String(before) !== String(value)) {
      config[key] = value;
      isChanged = true;
    }
  }
  return isChanged;
};

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;

export const fakePatroni = (auth: string | null, given: Partial<FakePatroni> = {}): FakePatroni => {
  const roleIn = (node: FakeNode): string => {
    if (node.name !== fake.leader) return 'replica';
    return isStandby(fake) ? 'standby_leader' : 'leader';
  };
  const status = (node: FakeNode): Said => {
    const isRunning = node.state === 'running';
    const follows = isStandby(fake) && node.name === fake.leader ? 'standby_leader' : 'replica';
    const isBlind = fake.blind.has(node.name);
    return {
      status: 200,
      json: {
        state: node.state,
        role: node.inRecovery ? follows : fake.version.startsWith('3') ? 'master' : 'primary',
        ...(isRunning
          ? {
              timeline: node.timeline,
              xlog: node.inRecovery
                ? { received_location: node.lsn, replayed_location: node.lsn, replayed_timestamp: null, paused: false }
                : { location: node.lsn },
            }
          : {}),
        ...(fake.leader === null || isBlind ? { cluster_unlocked: true } : {}),
        ...(fake.failsafe ? { failsafe_mode_is_active: true } : {}),
        ...(fake.paused ? { pause: true } : {}),
        dcs_last_seen: 1_692_356_718,
        database_system_identifier: '7268616322854375442',
        patroni: { version: fake.version, scope: 'orders', name: node.name },
      },
    };
  };
  const cluster = (): Said => ({
    status: 200,
    json: {
      members: fake.nodes.map((node) => ({
        name: node.name,
        role: roleIn(node),
        state: node.state,
        api_url: `http://${node.name}.invalid:8008/patroni`,
        host: `${node.name}.invalid`,
        port: 5432,
        timeline: node.timeline,
        ...(node.name === fake.leader ? {} : { lag: 'unknown' }),
      })),
      ...(fake.paused ? { pause: true } : {}),
      scope: 'orders',
    },
  });
  const switchover = (body: string): Said => {
    if (fake.refusal !== null) return fake.refusal;
    const { leader, candidate = null } = JSON.parse(body) as { leader: string; candidate?: string };
    if (leader !== fake.leader) return { status: 412, text: 'leader name does not match', headers: { 'content-type': 'text/html' } };
    const next = fake.nodes.find(({ name }) => (candidate === null ? name !== leader : name === candidate));
    if (next === undefined) return { status: 412, text: 'candidate does not exists', headers: { 'content-type': 'text/html' } };
    fake.switchovers.push({ leader, candidate });
    fake.leader = next.name;
    for (const node of fake.nodes) node.inRecovery = isStandby(fake) || node !== next;
    return { status: 200, text: `Successfully switched over to "${next.name}"`, headers: { 'content-type': 'text/html' } };
  };
  const fake: FakePatroni = {
    nodes: [{ name: 'pg-1', inRecovery: false, state: 'running', lsn: 1000, timeline: 1 }],
    leader: 'pg-1',
    config: { ttl: 30, loop_wait: 10, retry_timeout: 10, postgresql: { use_slots: true } },
    paused: false,
    failsafe: false,
    blind: new Set(),
    version: '4.1.0',
    changes: [],
    switchovers: [],
    refusal: null,
    answer(name, { method, path, headers, body }) {
      const node = fake.nodes.find((one) => one.name === name)!;
      if (method !== 'GET' && auth !== null && headers.authorization !== auth) return { status: 401, text: 'no auth header received' };
      if (fake.blind.has(name) && path !== '/health') return { status: 500, text: '' };
      if (path === '/leader') return { ...status(node), status: node.name === fake.leader ? 200 : 503 };
      if (path === '/health') return { ...status(node), status: node.state === 'running' ? 200 : 503 };
      if (path === '/cluster') return cluster();
      if (path === '/switchover') return switchover(body);
      if (path !== '/config') return { status: 404, text: '' };
      if (method === 'PATCH') {
        const change = JSON.parse(body) as Record<string, unknown>;
        if (patched(fake.config, change)) fake.changes.push(change);
      }
      return { status: 200, json: structuredClone(fake.config) };
    },
    ...given,
  };
  return fake;
};
