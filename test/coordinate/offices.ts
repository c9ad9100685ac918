// Several coordinators on one store and virtual time, each behind a link of its own that can lose, delay and duplicate nothing but truth: requests that
// never arrive, replies that are lost, commits that happen long after the sender gave up. Votes are written by hand. Every commit is looked at.
import { createHash } from 'node:crypto';
import { type Coordinator, createCoordinator, type Role } from '../../src/coordinate/coordinator.ts';
import { auditKey, beatKey, KEYS, voteKey } from '../../src/coordinate/keys.ts';
import type { Audit, ClusterConfig, Leader, Routing } from '../../src/model.ts';
import { type Random, sleep } from '../../src/ports.ts';
import { openEmbedded } from '../../src/store/embedded.ts';
import { type Read, type Store, StoreAmbiguousError, StoreDefiniteError, type Txn, type TxnResult } from '../../src/store/store.ts';
import { type RecordingLog, recordingLog } from '../recording-log.ts';
import { createVirtual, seededRandom, type Virtual, type VirtualProcess } from '../virtual.ts';
import { clusterOf } from '../world.ts';

export const START_MS = Date.UTC(2026, 10, 22, 3, 12);
/** How long a client waits for the store. */
const TIMEOUT_MS = 1500;
/** The oldest look that a decision may rest on when it is sent. */
const SIGHT_MAX_MS = 500;

/** Chances of each mishap per request; the rest goes well. */
export interface Noise {
  lostRequest: number;
  lostReply: number;
  lateCommit: number;
  definite: number;
}

export const QUIET: Noise = { lostRequest: 0, lostReply: 0, lateCommit: 0, definite: 0 };

interface Office {
  /** The region, or `region/replica` for all but the first. */
  name: string;
  region: string;
  replica: string;
  boot: string;
  process: VirtualProcess;
  coordinator: Coordinator;
  announced: number[];
  roles: Role[];
  cut: boolean;
  noise: Noise;
  /** When its last look arrived, by the world's clock. */
  lookedAtMs: number;
  looks: number;
  log: RecordingLog;
}

export interface Commit {
  atMs: number;
  /** Name of the office. */
  region: string;
  routing: Routing | null;
}

/** What no run may ever show. */
const violations = (was: { leader: Leader | null; routing: Routing | null }, office: Office, txn: Txn): readonly string[] => {
  const put = <T>(key: string): T | undefined => txn.then.flatMap((op) => ('put' in op && op.put === key ? [op.value as T] : []))[0];
  const found: string[] = [];
  const leader = put<Leader>(KEYS.leader);
  if (leader === undefined) found.push('a transaction without the leader record');
  if (leader !== undefined && was.leader !== null && leader.epoch !== was.leader.epoch && leader.epoch !== was.leader.epoch + 1)
    found.push(`epoch ${was.leader.epoch} -> ${leader.epoch}`);
  if (
    leader !== undefined &&
    leader.epoch === was.leader?.epoch &&
    (was.leader.region !== office.region || was.leader.replica !== office.replica || was.leader.boot !== office.boot)
  )
    found.push(`${office.region} wrote in the epoch of ${was.leader.region}`);
  const routing = put<Routing>(KEYS.routing);
  if (routing === undefined) return found;
  if (was.leader?.region !== office.region || was.leader.boot !== office.boot || was.leader.released) found.push('decided without office');
  if (routing.epoch !== was.leader?.epoch) found.push(`decided in epoch ${routing.epoch} of ${was.leader?.epoch}`);
  if (routing.v !== (was.routing?.v ?? 0) + 1) found.push(`v ${was.routing?.v} -> ${routing.v}`);
  if (routing.atMs < (was.routing?.atMs ?? 0)) found.push('time went backwards');
  const audit = put<Audit>(auditKey(routing.v));
  if (audit?.v !== routing.v) found.push('a decision without its audit');
  if (audit !== undefined && audit.prevHash !== (was.routing?.auditHash ?? '')) found.push('the audit does not follow the last one');
  if (routing.auditHash !== createHash('sha256').update(JSON.stringify(audit)).digest('hex')) found.push('the hash is not of its audit');
  for (const key of [KEYS.leader, KEYS.routing, KEYS.override, KEYS.members])
    if (!txn.if.some((c) => c.key === key)) found.push(`decided without a guard on ${key}`);
  return found;
};

export interface OfficesOptions {
  regions?: readonly string[];
  /** Candidates per region, named a, b, …; the first is known by its region's name, the others as `region/b`. */
  replicas?: number;
  seed?: number;
  cluster?: ClusterConfig;
  /** There and back; by default 10 to 130 ms. */
  rttMs?: number;
  store?: Store;
}

export class Offices {
  readonly virtual: Virtual;
  readonly store: Store;
  readonly random: Random;
  readonly cluster: ClusterConfig;
  readonly commits: Commit[] = [];
  readonly violations: string[] = [];
  /** How often each transaction was sent, by the nonce in it. */
  readonly sent = new Map<string, number>();
  /** Pools that every vantage holds down. */
  readonly dead = new Set<string>();
  /** Regions whose vantage is silent. */
  readonly silent = new Set<string>();
  /** Runs right before a transaction reaches the store. */
  onArrival: (region: string, txn: Txn) => Promise<void> = async () => undefined;
  transactions = 0;
  /** Looks sent, answered or not. */
  asked = 0;
  /** The store elects a leader: what arrives is never answered. */
  electing = false;
  /** Nobody listens at the store's address: every call fails at once. */
  refusing = false;
  readonly #offices = new Map<string, Office>();
  readonly #replicas: readonly string[];
  readonly #rttMs: number | undefined;
  #boots = 0;
  #beats = 0;

  constructor(options: OfficesOptions = {}) {
    const { regions = ['a', 'b', 'c'], seed = 1 } = options;
    this.#replicas = ['a', 'b', 'c', 'd'].slice(0, options.replicas ?? 1);
    this.#rttMs = options.rttMs;
    this.random = seededRandom(`offices ${seed}`);
    this.virtual = createVirtual({ startWallMs: START_MS, seed });
    this.store = options.store ?? openEmbedded({ file: ':memory:', ports: { random: seededRandom(`store ${seed}`) } });
    this.cluster = options.cluster ?? clusterOf(regions, [{}], { recoveryHoldMs: 5000, rampStepMs: 2000, pacingMs: 5000, safety: {} });
  }

  async start(skewMs: (region: string) => number = () => 0, noise: Noise = QUIET): Promise<void> {
    await this.store.txn({ if: [], then: [{ put: KEYS.members, value: this.cluster }] });
    this.#beat();
    for (const { name } of this.cluster.regions)
      for (const replica of this.#replicas) this.boot(replica === 'a' ? name : `${name}/${replica}`, skewMs(name), noise);
  }

  #beat(): void {
    void this.#vote();
    this.virtual.ports.timers.after(1000, () => this.#beat());
  }

  async #vote(): Promise<void> {
    if (this.electing) return;
    this.#beats++;
    const lists = this.cluster.services.flatMap((s) =>
      s.pools.filter((p) => this.dead.has(p.name)).flatMap((p) => p.targets.map((t) => `${s.name}/${p.name}/${t.name}`)),
    );
    const down = lists.sort();
    for (const { name } of this.cluster.regions) {
      if (this.silent.has(name)) continue;
      const seq = down.length === 0 ? 1 : 2 + [...down.join()].reduce((sum, c) => sum + c.charCodeAt(0), 0);
      const vote = {
        boot: 'v',
        seq,
        configVersion: this.cluster.version,
        self: { state: 'ok' },
        peers: ['a'],
        down,
        unready: down,
        unknown: [],
      };
      const { kvs } = await this.store.get({ keys: [voteKey(name, 'a')] });
      const isNew = JSON.stringify(kvs[0]?.value) !== JSON.stringify(vote);
      const beat = {
        boot: 'v',
        seq,
        n: this.#beats,
        configVersion: this.cluster.version,
        suspects: {},
        loopDelayMs: 0,
        wallMs: START_MS + this.virtual.now(),
      };
      await this.store.txn({
        if: [],
        then: [...(isNew ? [{ put: voteKey(name, 'a'), value: vote }] : []), { put: beatKey(name, 'a'), value: beat }],
      });
    }
  }

  boot(name: string, skewMs = 0, noise: Noise = QUIET, candidate: () => boolean = () => true): void {
    const [region = '', replica = 'a'] = name.split('/');
    const boot = `boot-${++this.#boots}`;
    const process = this.virtual.spawn(`${name} ${boot}`, { wallSkewMs: skewMs });
    const office: Office = {
      name,
      region,
      replica,
      boot,
      process,
      announced: [],
      roles: [],
      cut: false,
      noise,
      lookedAtMs: 0,
      looks: 0,
      log: recordingLog(),
      coordinator: undefined as unknown as Coordinator,
    };
    this.#offices.set(name, office);
    office.coordinator = createCoordinator({
      ports: process.ports,
      store: this.#remote(office),
      log: office.log,
      region,
      replica,
      boot,
      candidate: () => (candidate() ? 'yes' : 'no'),
      onSight: () => undefined,
      onDecision: (next) => office.announced.push(next.routing.v),
      onRole: (role) => office.roles.push(role),
      onTurn: async () => undefined,
    });
  }

  of(region: string): Office {
    return this.#offices.get(region) ?? this.#missing(region);
  }

  #missing(region: string): never {
    throw new Error(`nobody in ${region}`);
  }

  holder(): string | null {
    return [...this.#offices].find(([, o]) => o.coordinator.role().role === 'coordinator')?.[0] ?? null;
  }

  roles(): readonly Role[] {
    return [...this.#offices.values()].map((o) => o.coordinator.role());
  }

  kill(region: string): void {
    this.of(region).process.kill();
    this.#offices.delete(region);
  }

  noise(noise: Noise): void {
    for (const office of this.#offices.values()) office.noise = noise;
  }

  async record<T>(key: string): Promise<T | null> {
    return ((await this.store.get({ keys: [key] })).kvs[0]?.value as T | undefined) ?? null;
  }

  async close(): Promise<void> {
    for (const office of this.#offices.values()) office.process.kill();
    await this.store.close();
  }

  async #commit(office: Office, txn: Txn): Promise<TxnResult> {
    await this.onArrival(office.region, txn);
    const { kvs } = await this.store.get({ keys: [KEYS.leader, KEYS.routing] });
    const value = <T>(key: string): T | null => (kvs.find((kv) => kv.key === key)?.value as T | undefined) ?? null;
    const was = { leader: value<Leader>(KEYS.leader), routing: value<Routing>(KEYS.routing) };
    const result = await this.store.txn(txn);
    if (!result.ok) return result;
    this.violations.push(...violations(was, office, txn));
    const routing = txn.then.flatMap((op) => ('put' in op && op.put === KEYS.routing ? [op.value as Routing] : []))[0] ?? null;
    this.commits.push({ atMs: this.virtual.now(), region: office.name, routing });
    return result;
  }

  #remote(office: Office): Store {
    const { store, virtual, random } = this;
    const world = virtual.ports.timers;
    const own = office.process.ports.timers;
    const delay = (): Promise<void> => sleep(world, this.#rttMs === undefined ? 5 + random.unit() * 60 : this.#rttMs / 2);
    /** Waits for the rest of the client's patience. */
    const expire = (sentAtMs: number): Promise<void> => sleep(own, Math.max(1, sentAtMs + TIMEOUT_MS - virtual.now()));
    const pick = (): keyof Noise | null => {
      let x = random.unit();
      for (const kind of ['lostRequest', 'lostReply', 'lateCommit', 'definite'] as const) {
        x -= office.noise[kind];
        if (x < 0) return kind;
      }
      return null;
    };
    return {
      get clusterId() {
        return store.clusterId;
      },
      get: async (query): Promise<Read> => {
        const sentAtMs = virtual.now();
        this.asked++;
        if (this.refusing) throw new StoreDefiniteError('refused');
        const mishap = office.cut ? 'lostRequest' : pick();
        await delay();
        if (mishap === 'lostRequest' || mishap === 'definite' || this.electing) {
          await expire(sentAtMs);
          throw new StoreDefiniteError('no answer');
        }
        const read = await store.get(query);
        await delay();
        await sleep(own, 1);
        office.lookedAtMs = virtual.now();
        office.looks++;
        return read;
      },
      txn: async (txn): Promise<TxnResult> => {
        const sentAtMs = virtual.now();
        this.transactions++;
        if (this.refusing) throw new StoreDefiniteError('refused');
        const isDecision = txn.then.some((op) => 'put' in op && op.put === KEYS.routing);
        if (isDecision && sentAtMs - office.lookedAtMs > SIGHT_MAX_MS)
          this.violations.push(`${office.region} decides on what it saw ${sentAtMs - office.lookedAtMs} ms ago`);
        for (const op of txn.then)
          if ('put' in op && op.put === KEYS.leader) {
            const { nonce } = op.value as Leader;
            this.sent.set(nonce, (this.sent.get(nonce) ?? 0) + 1);
          }
        const mishap = office.cut ? 'lostRequest' : pick();
        if (mishap === 'definite') throw new StoreDefiniteError('refused');
        await delay();
        if (mishap === 'lostRequest' || this.electing) {
          await expire(sentAtMs);
          throw new StoreAmbiguousError('no answer');
        }
        if (mishap === 'lateCommit') {
          world.after(TIMEOUT_MS + random.unit() * 20_000, () => void this.#commit(office, txn));
          await expire(sentAtMs);
          throw new StoreAmbiguousError('no answer');
        }
        const result = await this.#commit(office, txn);
        if (mishap === 'lostReply') {
          await expire(sentAtMs);
          throw new StoreAmbiguousError('no answer');
        }
        await delay();
        await sleep(own, 1);
        return result;
      },
      watch: (prefix, onEvent) =>
        store.watch(prefix, (event) => {
          if (!office.cut) own.after(20, () => onEvent(event));
        }),
      close: async () => undefined,
    };
  }
}
