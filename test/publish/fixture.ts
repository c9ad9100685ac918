// A publisher on virtual time: a cluster of two services behind one provider that can be told to fail, and a term that records what is committed.

import { expect } from 'vitest';
import type { Applied, Capabilities, Change, Fence, Provider } from '../../providers/provider.ts';
import type { CanaryConfig } from '../../src/config/canary.ts';
import type { Term } from '../../src/coordinate/coordinator.ts';
import { KEYS } from '../../src/coordinate/keys.ts';
import type { Sight } from '../../src/coordinate/read.ts';
import type { query } from '../../src/dns/exchange.ts';
import type { Heard } from '../../src/health/chamber.ts';
import type { Adopted, AppliedRecord, ClusterConfig, Incident, Override, Page, Routing } from '../../src/model.ts';
import { createCanaries } from '../../src/publish/canary.ts';
import { createPublisher } from '../../src/publish/publisher.ts';
import type { KeyValue, Op, Store } from '../../src/store/store.ts';
import { type MemoryZone, memoryProvider, type Served } from '../memory-provider.ts';
import { createVirtual } from '../virtual.ts';
import { clusterOf, silentLog } from '../world.ts';

export const SERVICES = ['web', 'api'];

export const routingOf = (v: number, fences: Readonly<Record<string, number>>, share = 0, mode: 'auto' | 'advise' = 'auto'): Routing => ({
  v,
  epoch: 1,
  nonce: '',
  atMs: 0,
  membersVersion: 1,
  because: '',
  regionDrainsAtMs: {},
  auditHash: '',
  open: {},
  services: Object.fromEntries(
    Object.entries(fences).map(([name, fence]) => [
      name,
      { fence, sinceAtMs: 0, mode, route: { a: 1000 - share, b: share }, because: '', pools: {} },
    ]),
  ),
});

/**
 * Acknowledges a write at once and carries it out `ms` later, when it is asked after, as the operations of a cloud go; until then the state before it shows,
 * and another write of the same service comes into conflict.
 */
export const lagging =
  (clock: () => number, ms: number, ends: 'settled' | 'failed' = 'settled') =>
  (inner: Provider): Provider => {
    const open = new Map<string, { atMs: number; changes: readonly Change[] }>();
    let count = 0;
    return {
      ...inner,
      async apply(changes): Promise<Applied> {
        const busy = [...open.values()].flatMap((one) => one.changes.map(({ desired }) => desired.service));
        if (changes.some(({ desired }) => busy.includes(desired.service)))
          return { outcome: 'conflict', because: 'an operation is under way' };
        const receipt = `operation-${++count}`;
        open.set(receipt, { atMs: clock() + ms, changes });
        return { outcome: 'applied', receipt };
      },
      async settle(receipt, signal) {
        const one = open.get(receipt) ?? expect.fail(`no ${receipt}`);
        if (clock() < one.atMs) return { state: 'pending' };
        open.delete(receipt);
        if (ends === 'failed') return { state: 'failed', because: 'the operation failed' };
        expect((await inner.apply(one.changes, signal)).outcome).toBe('applied');
        return { state: 'settled' };
      },
    };
  };

/** `at` is how things stand when the publisher starts, which looks at once. */
export const publishing = (
  change: (provider: Provider) => Provider = (p) => p,
  at: {
    holdsOffice?: boolean;
    overrides?: Override[];
    services?: readonly string[];
    routing?: Routing;
    fencing?: Capabilities['fencing'];
    batchMax?: number;
    /** Further paths of every service, by name, each with a zone of its own. */
    also?: Readonly<Record<string, (provider: Provider) => Provider>>;
    canaries?: readonly Partial<CanaryConfig>[];
    dnsQuery?: typeof query;
    /** Absent: a and b. */
    regions?: readonly string[];
    isRunning?: () => Promise<boolean>;
    /** Where trails go; absent: nowhere. */
    trail?: Pick<Store, 'get' | 'txn'>;
  } = {},
) => {
  const virtual = createVirtual({ startWallMs: 0, seed: 'publish' });
  const zone: MemoryZone = { services: new Map(), onServed: () => undefined };
  const calls = { reads: 0, writes: [] as (readonly Change[])[] };
  const memory = memoryProvider(zone, at.fencing);
  const inner: Provider = { ...memory, can: { ...memory.can, batchMax: at.batchMax ?? memory.can.batchMax } };
  const zones = new Map<string, MemoryZone>([['memory', zone]]);
  const others = Object.entries(at.also ?? {}).map(([name, changed]): [string, Provider] => {
    const its: MemoryZone = { services: new Map(), onServed: () => undefined };
    zones.set(name, its);
    return [name, changed(memoryProvider(its, at.fencing))];
  });
  const counted: Provider = {
    ...inner,
    read: (services, signal) => {
      calls.reads++;
      return inner.read(services, signal);
    },
    apply: (changes, signal) => {
      calls.writes.push(changes);
      return inner.apply(changes, signal);
    },
  };
  const cluster: ClusterConfig = clusterOf(
    at.regions ?? ['a', 'b'],
    (at.services ?? SERVICES).map((name) => ({ name, ...(at.also === undefined ? {} : { also: Object.keys(at.also) }) })),
  );
  const state = {
    cluster,
    routing: at.routing ?? routingOf(2, { web: 1, api: 2 }),
    overrides: at.overrides ?? [],
    /** Revision of the orders in the store, and what the last read showed of them; null: all of it. */
    overridesMod: 1,
    lastSeen: null as { overrides: Override[]; mod: number } | null,
    adopted: null as Adopted | null,
    heard: [] as readonly Heard[],
    incidents: [] as readonly Incident[],
    heldSinceMs: undefined as number | undefined,
    epoch: 1,
    holdsOffice: at.holdsOffice ?? true,
    renews: true,
    /** Whether transactions beside renewals go through. */
    commits: true,
    /** Keys that begin like this are refused to this process; null: none are. */
    denied: null as string | null,
    /** What happens once something has been committed. */
    committed: (_ops: readonly Op[]): void => undefined,
    renew: async (): Promise<boolean> => state.renews,
  };
  const records = new Map<string, KeyValue>();
  const abdications: string[] = [];
  const outcomes: string[] = [];
  const acknowledged: string[] = [];
  let rev = 0;
  const begun = new Map<number, number>();
  const term: Term = {
    get epoch() {
      return state.epoch;
    },
    get heldSinceMs() {
      const { epoch, heldSinceMs } = state;
      if (!begun.has(epoch)) begun.set(epoch, virtual.ports.clock.monoMs());
      return heldSinceMs ?? begun.get(epoch) ?? 0;
    },
    renew: () => state.renew(),
    async commit(conditions, ops: readonly Op[]) {
      if (conditions.some(({ key, mod }) => key === KEYS.override && mod !== state.overridesMod)) return false;
      if (ops.length === 0) return state.renew();
      const { denied } = state;
      if (!state.renews || !state.commits) return false;
      if (denied !== null && ops.some((op) => 'put' in op && op.put.startsWith(denied))) return false;
      rev++;
      for (const op of ops) if ('put' in op) records.set(op.put, { key: op.put, value: op.value, mod: rev });
      state.committed(ops);
      return true;
    },
    nowMs: () => virtual.now(),
  };
  const sight = (): Sight => ({
    rev,
    cluster: state.cluster,
    leader: null,
    routing: state.routing,
    overrides: { version: 1, nonce: '', items: state.lastSeen?.overrides ?? state.overrides },
    adopted: state.adopted,
    reported: null,
    tiers: null,
    journal: null,
    heard: state.heard,
    refused: [],
    incidents: state.incidents,
    frozen: [],
    mod: (key) => (key === KEYS.override ? (state.lastSeen?.mod ?? state.overridesMod) : (records.get(key)?.mod ?? 0)),
    ageMs: () => 0,
    has: (prefix) => [...records.values()].filter((kv) => kv.key.startsWith(prefix)),
  });
  const logged: { event: string; fields: Record<string, unknown> }[] = [];
  const keep = (event: string, fields: object = {}): void => void logged.push({ event, fields: { ...fields } });
  const providers = new Map([['memory', change(counted)], ...others]);
  const canaries = (at.canaries ?? []).map(
    (canary): CanaryConfig => ({
      provider: 'memory',
      path: canary.provider ?? 'memory',
      service: 'canary.test',
      everyMs: 60_000,
      ttlS: 30,
      pools: [{ name: 'canary', weight: 1, answers: ['192.0.2.1'] }],
      authoritative: [],
      resolvers: [],
      ...canary,
    }),
  );
  const shared = {
    ports: virtual.ports,
    log: { ...silentLog, info: keep, warn: keep },
    writer: 'a/a/boot',
    providers,
    sight,
    term: () => (state.holdsOffice ? (term as Term) : null),
  };
  const ended: string[] = [];
  const publisher = createPublisher({
    ...shared,
    ...(at.trail === undefined ? {} : { trail: at.trail }),
    others: new Set(canaries.map(({ service }) => service)),
    onSettled: (provider, how, tookMs) => ended.push(`${provider} ${how} ${Math.round(tookMs)}`),
    onWrite: (_provider, outcome) => outcomes.push(outcome),
    onApplied: (service, fence) => acknowledged.push(`${service} ${fence}`),
    abdicate: async (because) => {
      abdications.push(because);
      state.holdsOffice = false;
    },
  });
  const flown: string[] = [];
  const birds = createCanaries({
    ...shared,
    publisher,
    canaries,
    onStage: (provider, stage, tookMs) => flown.push(`${provider} ${stage} ${Math.round(tookMs)}`),
    onFailure: (provider, stage) => flown.push(`${provider} not ${stage}`),
    ...(at.isRunning === undefined ? {} : { isRunning: at.isRunning }),
    ...(at.dnsQuery === undefined ? {} : { dnsQuery: at.dnsQuery }),
  });
  const served = (service: string): Served => zone.services.get(service) ?? expect.fail(`${service} is not served`);
  return {
    virtual,
    zone,
    served,
    /** Somebody else changes what the provider carries. */
    meddle: (service: string, fence: Partial<Fence>, shares?: Served['shares']): void => {
      const now = served(service);
      zone.services.set(service, { fence: { ...now.fence, ...fence }, shares: shares ?? now.shares });
    },
    /** Revision of the last transaction that wrote something. */
    stored: () => ({ rev }),
    put: (key: string, value: unknown): void => {
      records.set(key, { key, value, mod: ++rev });
    },
    calls,
    state,
    publisher: {
      ...publisher,
      async stop(): Promise<void> {
        await Promise.all([birds.stop(), publisher.stop()]);
      },
    },
    birds,
    flown,
    /** How receipts ended. */
    ended,
    logged,
    zoneOf: (provider: string): MemoryZone => zones.get(provider) ?? expect.fail(`no provider ${provider}`),
    abdications,
    outcomes,
    acknowledged,
    record: (key: string): unknown => records.get(key)?.value,
    pages: (): readonly Page[] => [...records.values()].filter((kv) => kv.key.startsWith('outbox/')).map((kv) => kv.value as Page),
    applied: (service: string, provider = 'memory'): AppliedRecord | undefined =>
      records.get(`applied/${provider}/${service}`)?.value as AppliedRecord | undefined,
    fenceOf: (service: string): number | undefined => zone.services.get(service)?.fence.v,
  };
};
