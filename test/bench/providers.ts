// What Tidegate adds to a provider's own time, by provider: the production publisher with the real adapter over real sockets, against the vendor's stand-in
// (no latency of its own) or a real server on this machine. Every byte is timed at the socket: what passes between a request's first byte and the last byte
// that came back for it is the other side's, all else is ours. A service fails over to and fro; each time is one failover.
import { EventEmitter, once } from 'node:events';
import type net from 'node:net';
import type { Provider } from '../../providers/provider.ts';
import type { Term } from '../../src/coordinate/coordinator.ts';
import type { Sight } from '../../src/coordinate/read.ts';
import type { ClusterConfig, Routing } from '../../src/model.ts';
import { type Ports, realPorts, sleep } from '../../src/ports.ts';
import { createPublisher } from '../../src/publish/publisher.ts';
import type { KeyValue, Op } from '../../src/store/store.ts';
import { clusterOf, silentLog } from '../world.ts';
import { quantile } from './numbers.ts';
import { type BenchedProvider, HARNESSES } from './providers/harnesses.ts';

const FAILOVERS = 100;
const FAILOVERS_QUICK = 20;
/** The first ones pay for code that was never run; they are shown, and not among the others. */
const WARM_UP = 5;
const GOAL_P99_MS = 100;
const PATIENCE_MS = 10_000;
const PAUSE_MS = 5;

// ---- the wire ----

interface Wire {
  ports: Ports;
  /** Forgets what was. */
  reset(): void;
  /** Instants of the first byte of each request: a write after something was heard, or on a connection of its own. */
  requests(): readonly number[];
  /** Of the last byte that came. */
  lastHeardMs(): number;
  /** How long up to `untilMs` some request waited for an answer. */
  waitedMs(untilMs: number): number;
}

/** Sockets of these ports are timed. */
const timed = (real: Ports): Wire => {
  let events: { atMs: number; socket: number; out: boolean }[] = [];
  let sockets = 0;
  const watch = <S extends net.Socket>(socket: S): S => {
    const id = sockets++;
    const note = (out: boolean): void => void events.push({ atMs: performance.now(), socket: id, out });
    const [write, end] = [socket.write.bind(socket), socket.end.bind(socket)] as ((...args: unknown[]) => unknown)[];
    Object.assign(socket, {
      write(...args: unknown[]) {
        note(true);
        return write?.(...args);
      },
      end(...args: unknown[]) {
        if (args.length > 0 && typeof args[0] !== 'function') note(true);
        return end?.(...args);
      },
    });
    socket.on('data', () => note(false));
    return socket;
  };
  /** Per socket, from the first byte out until the last byte in before the next request. */
  const exchanges = (): readonly { fromMs: number; toMs: number | null }[] =>
    [...Map.groupBy(events, (e) => e.socket).values()].flatMap((own) => {
      const found: { fromMs: number; toMs: number | null }[] = [];
      let out = false;
      for (const event of own) {
        if (event.out && !out) found.push({ fromMs: event.atMs, toMs: null });
        const last = found.at(-1);
        if (!event.out && last !== undefined) last.toMs = event.atMs;
        out = event.out;
      }
      return found;
    });
  return {
    ports: {
      ...real,
      net: { ...real.net, tcp: (options) => watch(real.net.tcp(options)), tls: (options) => watch(real.net.tls(options)) },
    },
    reset() {
      events = [];
    },
    requests: () =>
      exchanges()
        .map(({ fromMs }) => fromMs)
        .sort((a, b) => a - b),
    lastHeardMs: () => Math.max(...events.filter((e) => !e.out).map((e) => e.atMs)),
    waitedMs(untilMs) {
      const spans = exchanges()
        .map(({ fromMs, toMs }) => [fromMs, Math.min(untilMs, toMs ?? untilMs)] as const)
        .filter(([from, to]) => to > from)
        .sort(([a], [b]) => a - b);
      let [total, reached] = [0, Number.NEGATIVE_INFINITY];
      for (const [from, to] of spans) {
        total += Math.max(0, to - Math.max(from, reached));
        reached = Math.max(reached, to);
      }
      return total;
    },
  };
};

// ---- the publisher ----

const NAME = 'bench';

/** An office that is never lost, over a store that is a map. */
const office = (cluster: ClusterConfig, routing: () => Routing) => {
  const records = new Map<string, KeyValue>();
  let rev = 0;
  const term: Term = {
    epoch: 1,
    // Long ago: no late write of a predecessor is to be waited for.
    heldSinceMs: -60_000,
    renew: async () => true,
    async commit(_conditions, ops: readonly Op[]) {
      rev++;
      for (const op of ops) if ('put' in op) records.set(op.put, { key: op.put, value: op.value, mod: rev });
      return true;
    },
    nowMs: () => Math.round(performance.timeOrigin + performance.now()),
  };
  const sight = (): Sight => ({
    rev,
    cluster,
    leader: null,
    routing: routing(),
    overrides: null,
    adopted: null,
    heard: [],
    refused: [],
    incidents: [],
    frozen: [],
    mod: (key) => records.get(key)?.mod ?? 0,
    ageMs: () => 0,
    has: (prefix) => [...records.values()].filter((kv) => kv.key.startsWith(prefix)),
  });
  return { term, sight };
};

const routingFor = ({ service }: BenchedProvider, v: number): Routing => {
  const [first = '', ...others] = service.pools.map(({ name }) => name);
  const drained = v % 2 === 0;
  const each = Math.floor(1000 / (others.length + (drained ? 0 : 1)));
  const route = Object.fromEntries([[first, drained ? 0 : each] as const, ...others.map((name) => [name, each] as const)]);
  const last = others.at(-1) ?? first;
  const sum = Object.values(route).reduce((a, b) => a + b, 0);
  return {
    v,
    epoch: 1,
    nonce: `n${v}`,
    atMs: 0,
    membersVersion: 1,
    because: '',
    regionDrainsAtMs: {},
    auditHash: '',
    open: {},
    services: {
      [service.name]: {
        fence: v,
        nonce: `d${v}`,
        sinceAtMs: 0,
        mode: 'auto',
        route: { ...route, [last]: (route[last] ?? 0) + 1000 - sum },
        because: '',
        pools: {},
      },
    },
  };
};

interface Failover {
  /** Ours until the first byte of the last request, which is the write or the look that makes it sure. */
  beforeMs: number;
  /** Ours from the last byte that came back until the publisher has it as applied. */
  afterMs: number;
  vendorMs: number;
  calls: number;
}

const failOver = async (wire: Wire, benched: BenchedProvider, provider: Provider, times: number): Promise<readonly Failover[]> => {
  const cluster: ClusterConfig = { ...clusterOf(['a'], []), version: 1, services: [{ ...benched.service, provider: NAME, mode: 'auto' }] };
  let routing = routingFor(benched, 1);
  const { term, sight } = office(cluster, () => routing);
  const news = new EventEmitter();
  const publisher = createPublisher({
    ports: wire.ports,
    log: silentLog,
    writer: 'a/a/bench',
    providers: new Map([[NAME, provider]]),
    sight,
    term: () => term,
    onWrite: (_provider, outcome) => void news.emit('write', outcome, performance.now()),
    onApplied: () => {},
    abdicate: async (because) => void news.emit('error', new Error(because)),
  });
  const measured: Failover[] = [];
  try {
    await once(news, 'write', { signal: AbortSignal.timeout(PATIENCE_MS) });
    for (let n = 0; n < times; n++) {
      // The turn that wrote last ends before the next begins, and whoever limits itself to the vendor's rate has its whole allowance again.
      await sleep(wire.ports.timers, benched.pauseMs ?? PAUSE_MS);
      const next = routingFor(benched, routing.v + 1);
      wire.reset();
      const callsBefore = benched.calls?.() ?? 0;
      const startedAtMs = performance.now();
      const written = once(news, 'write', { signal: AbortSignal.timeout(PATIENCE_MS) });
      routing = next;
      publisher.publish(routing);
      const [outcome, appliedAtMs] = (await written) as [string, number];
      if (outcome !== 'applied') throw new Error(`${benched.name}: a write of the bench ended ${outcome}`);
      const lastAtMs = wire.requests().at(-1) ?? Number.NaN;
      measured.push({
        beforeMs: lastAtMs - startedAtMs - wire.waitedMs(lastAtMs),
        afterMs: appliedAtMs - wire.lastHeardMs(),
        vendorMs: wire.waitedMs(appliedAtMs),
        calls: benched.calls === undefined ? wire.requests().length : benched.calls() - callsBefore,
      });
    }
    return measured;
  } finally {
    await publisher.stop();
  }
};

export const benchProviders = async ({ quick }: { quick: boolean }) => {
  const rows: object[] = [];
  let met = true;
  for (const [name, open] of Object.entries(HARNESSES)) {
    const wire = timed(realPorts());
    await using benched = await open(wire.ports);
    const provider = benched.provider;
    const all = await failOver(wire, benched, provider, WARM_UP + (quick ? FAILOVERS_QUICK : FAILOVERS));
    const [first] = all;
    const warm = all.slice(WARM_UP);
    const of = (what: (failover: Failover) => number, p: number): number => quantile(warm.map(what), p);
    const ours = (f: Failover): number => f.beforeMs + f.afterMs;
    rows.push({
      provider: name,
      behind: benched.behind,
      fencing: provider.can.fencing,
      calls: of((f) => f.calls, 0.5),
      beforeP50Ms: of((f) => f.beforeMs, 0.5),
      beforeP99Ms: of((f) => f.beforeMs, 0.99),
      afterP50Ms: of((f) => f.afterMs, 0.5),
      afterP99Ms: of((f) => f.afterMs, 0.99),
      oursP99Ms: of(ours, 0.99),
      firstMs: first === undefined ? Number.NaN : ours(first),
      itsP50Ms: of((f) => f.vendorMs, 0.5),
      itsP99Ms: of((f) => f.vendorMs, 0.99),
    });
    met &&= of(ours, 0.99) <= GOAL_P99_MS;
  }
  return { goals: { oursP99Ms: GOAL_P99_MS }, met, rows };
};
