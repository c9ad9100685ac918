// The transaction of an adoption: reads the store and what the providers serve, and writes the new decision, its audit, what each provider acknowledged and
// who ordered it, all at once and only over what was looked at. Works beside a running cluster and beside one whose replicas have stopped trusting the store.
import { canFollow, isManual } from '../../providers/fence.ts';
import type { Provider, ProviderService, ReadBack } from '../../providers/provider.ts';
import { appendOps, type Head, headOf } from '../audit/journal.ts';
import { appliedKey, auditKey, KEYS, outboxKey } from '../coordinate/keys.ts';
import { page } from '../decide/incident.ts';
import { errorText, Fault } from '../errors.ts';
import {
  type Adopted,
  type AppliedRecord,
  type ClusterConfig,
  type Override,
  type Overrides,
  type Page,
  pathsOf,
  type Routing,
  type ServiceConfig,
} from '../model.ts';
import { DeadlineError, type Ports, withDeadline } from '../ports.ts';
import { type KeyValue, type Op, type Store, StoreAmbiguousError, type Txn } from '../store/store.ts';
import { type AdoptedRouting, type AdoptedService, adoptRouting, isAstray, type Served } from './adopt.ts';
import { endless } from './break-glass.ts';
import { desiredOf, isClosed } from './plan.ts';

export interface AdoptionRequest {
  /** `adopt`: whatever the store does not know. `ack`: routes that a human set by hand. */
  kind: 'adopt' | 'ack';
  /** Empty: every service in auto, or frozen before it was taken out of auto, whose provider is not as the store says. */
  services: readonly string[];
  owner: string;
  reason: string;
  /** Look and say, write nothing. */
  dryRun: boolean;
  /** A freeze of this length is placed on each service in the same transaction, so that automation leaves the adopted route alone; null: none. */
  holdMs: number | null;
  /** What else belongs in the audit. */
  journal: readonly unknown[];
}

export interface AdoptionContext {
  ports: Ports;
  store: Store;
  /** Opens a provider by the name the cluster uses; throws Fault when this machine's file does not know it. The caller closes it. */
  provider: (name: string) => Promise<Provider>;
}

export interface AdoptionResult {
  written: boolean;
  cluster: string;
  /** Of the new decision; of the present one when nothing is written. */
  v: number;
  services: readonly AdoptedService[];
  holds: readonly Override[];
}

/** A coordinator at work renews its record each 1.5 s; each try takes two round trips. */
const ATTEMPTS_MAX = 10;
const STORE_MS = 10_000;
const READ_MS = 10_000;
/** etcd takes 128 operations in a transaction. What is left over follows in transactions of its own, each guarded by what was read. */
const APPLIED_EACH = 60;
const PAGES_MAX = 20;
const SERVICES_TOLD_MAX = 100;
const OVERRIDES_MAX = 200;

interface Known {
  mods: ReadonlyMap<string, number>;
  cluster: ClusterConfig;
  routing: Routing | null;
  overrides: Overrides | null;
  adopted: Adopted | null;
  applied: ReadonlyMap<string, AppliedRecord>;
  journal: Head;
}

const GUARDED_ROUTE = [KEYS.routing, KEYS.members];
const GUARDED = [...GUARDED_ROUTE, KEYS.leader, KEYS.override, KEYS.adopted];

const look = async ({ ports, store }: AdoptionContext): Promise<Known> => {
  const query = { keys: [...GUARDED, KEYS.journal], prefixes: ['applied/'] };
  const { kvs } = await withDeadline(ports.timers, STORE_MS, 'reading the store', (signal) => store.get(query, signal));
  const value = <T>(key: string): T | null => (kvs.find((kv) => kv.key === key)?.value as T | undefined) ?? null;
  const cluster = value<ClusterConfig>(KEYS.members);
  if (cluster === null)
    throw new Fault(
      'ERR_CONFIG',
      'the store holds no configuration of a cluster, so nobody can say what is served for whom; run tidegate apply first',
    );
  return {
    mods: new Map(kvs.map((kv: KeyValue) => [kv.key, kv.mod])),
    cluster,
    routing: value<Routing>(KEYS.routing),
    overrides: value<Overrides>(KEYS.override),
    adopted: value<Adopted>(KEYS.adopted),
    applied: new Map(kvs.filter((kv) => kv.key.startsWith('applied/')).map((kv) => [kv.key, kv.value as AppliedRecord])),
    journal: headOf(kvs),
  };
};

/** Nothing is written for it there until a human has looked. */
const isClosedAt = ({ applied }: Pick<Known, 'applied'>, path: string, service: string): boolean =>
  isClosed(applied.get(appliedKey(path, service)));

/** Out of auto nothing is published; but who goes back to auto with a frozen record is frozen, however often a human has adopted. */
const isConcerned = (known: Known, service: ServiceConfig): boolean =>
  service.mode === 'auto' || pathsOf(service).some((path) => isClosedAt(known, path, service.name));

const chosen = (known: Known, { services }: AdoptionRequest): readonly ServiceConfig[] => {
  const { cluster } = known;
  const missing = services.find((name) => !cluster.services.some((s) => s.name === name));
  if (missing !== undefined) {
    const names = cluster.services.map((s) => s.name).slice(0, 10);
    throw new Fault('ERR_USAGE', `the cluster has no service "${missing}"; known: ${names.join(', ')}`);
  }
  return services.length > 0
    ? cluster.services.filter((s) => services.includes(s.name))
    : cluster.services.filter((s) => isConcerned(known, s));
};

/** Only names and answers matter for reading. */
const askFor = (service: ServiceConfig): ProviderService =>
  desiredOf(service, { fence: 0, sinceAtMs: 0, mode: service.mode, route: {}, because: '', pools: {} });

/** By service, its paths in configured order. */
type Reading = ReadonlyMap<string, readonly Served[]>;

/** `ack` names what a human set: there a path that does not answer need not wait for the others' sake. What is recorded of it stays. */
const readAll = async (context: AdoptionContext, services: readonly ServiceConfig[], kind: AdoptionRequest['kind']): Promise<Reading> => {
  const failures = new Map<string, Fault>();
  const backs = new Map<string, { provider: Provider; read: Awaited<ReturnType<Provider['read']>> }>();
  for (const name of new Set(services.flatMap(pathsOf))) {
    const provider = await context.provider(name);
    const some = services.filter((service) => pathsOf(service).includes(name)).map(askFor);
    const what = `reading from ${name}`;
    await withDeadline(context.ports.timers, READ_MS, what, (signal) => provider.read(some, signal)).then(
      (read) => backs.set(name, { provider, read }),
      (error) => failures.set(name, new Fault('ERR_PROVIDER', `${what}: ${errorText(error)}; ${TODO}`, { cause: error })),
    );
  }
  return new Map(
    services.map((service) => {
      const paths = pathsOf(service);
      const known = paths.flatMap((path): Served[] => {
        const found = backs.get(path);
        const back = found?.read.get(service.name);
        return found === undefined || back === undefined || back.unread !== undefined ? [] : [{ path, back, provider: found.provider }];
      });
      const failure = paths
        .map((path) => failures.get(path) ?? unreadFault(path, backs.get(path)?.read.get(service.name)))
        .find((fault) => fault !== undefined);
      if (failure !== undefined && (known.length === 0 || kind === 'adopt')) throw failure;
      return [service.name, known] as const;
    }),
  );
};

const TODO = 'nothing was written; mend the way to it, or name the services of the others with --service';

const unreadFault = (path: string, back: ReadBack | undefined): Fault | undefined =>
  back?.unread === undefined ? undefined : new Fault('ERR_PROVIDER', `reading from ${path}: ${back.unread}; ${TODO}`);

const vOf = ({ back }: Served): number => back.fence?.v ?? 0;

/** The path whose route is taken: the newest of these, and of equals the first in order. */
const newestOf = (paths: readonly Served[]): Served | undefined => paths.toSorted((a, b) => vOf(b) - vOf(a))[0];

/** Of the paths of one service the one to take, with the others; null: none is to be adopted. Throws when a route is to be acknowledged that no human set. */
const sourceOf = (known: Known, request: AdoptionRequest, service: ServiceConfig, paths: readonly Served[]): Served | null => {
  const byHand = paths.filter(({ back }) => back.fence !== null && isManual(back.fence));
  if (request.kind === 'ack' && byHand.length === 0) {
    const fence = paths[0]?.back.fence ?? null;
    const carries = fence === null ? 'no fence' : `fence ${fence.v} by ${fence.writer}`;
    throw new Fault(
      'ERR_USAGE',
      `${service.name} carries ${carries}, which no human set by hand: there is nothing to acknowledge; if it is frozen, run tidegate adopt`,
    );
  }
  const astray = paths.filter((served) => {
    const applied = known.applied.get(appliedKey(served.path ?? service.provider, service.name)) ?? null;
    return isAstray(service, known.routing?.services[service.name], applied, served);
  });
  const asked = request.services.length > 0 ? newestOf(paths) : undefined;
  const source = request.kind === 'ack' ? newestOf(byHand) : (newestOf(astray) ?? asked);
  return source === undefined ? null : { ...source, others: paths.filter(({ path }) => path !== source.path) };
};

/** Those that are to be adopted. */
const toAdopt = (known: Known, request: AdoptionRequest, read: Reading): ReadonlyMap<string, Served> => {
  const picked = new Map<string, Served>();
  for (const service of known.cluster.services) {
    const paths = read.get(service.name) ?? [];
    if (paths.length === 0) continue;
    for (const { back } of paths) if (back.fence !== null && !canFollow(back.fence.v)) throw endless(service.name, back.fence.v);
    const source = sourceOf(known, request, service, paths);
    if (source !== null) picked.set(service.name, source);
  }
  return picked;
};

const becauseOf = (request: AdoptionRequest, names: readonly string[]): string => {
  const what = names.length <= 3 ? names.join(', ') : `${names.length} services`;
  return request.kind === 'ack'
    ? `${request.owner} acknowledged what is served for ${what}, set by hand: ${request.reason}`
    : `${request.owner} adopted what is served${names.length === 0 ? '' : ` for ${what}`}: ${request.reason}`;
};

const holdsFor = (request: AdoptionRequest, names: readonly string[], nowMs: number): readonly Override[] => {
  const { holdMs, owner, reason, kind } = request;
  if (holdMs === null) return [];
  return names.map((service) => ({
    id: `${kind}-${service.replace(/[^A-Za-z0-9_-]/g, '-')}`.slice(0, 64),
    kind: 'freeze',
    scope: { service },
    reason,
    owner,
    createdAtMs: nowMs,
    expiresAtMs: nowMs + holdMs,
  }));
};

const withHolds = (overrides: Overrides | null, holds: readonly Override[], nonce: string): Overrides => {
  const items = [...(overrides?.items ?? []).filter((o) => !holds.some((h) => h.id === o.id)), ...holds];
  if (items.length > OVERRIDES_MAX)
    throw new Fault(
      'ERR_LIMIT',
      `there would be ${items.length} overrides (limit ${OVERRIDES_MAX}): delete some first; nothing was written`,
    );
  return { version: (overrides?.version ?? 0) + 1, nonce, items };
};

const pagesOf = (known: Known, request: AdoptionRequest, taken: AdoptedRouting, nonce: string, nowMs: number): readonly Page[] => {
  const about = { cluster: known.cluster, v: taken.routing.v, nonce, nowMs };
  const type = request.kind === 'ack' ? 'provider.acknowledged' : 'provider.adopted';
  const told = taken.services.filter((s) => s.fence !== null);
  const summary = taken.routing.because;
  if (told.length === 0 || told.length > PAGES_MAX)
    return [page(about, type, 'info', summary, 'provider', { services: told.map((s) => s.service) })];
  // Under the key of the alarm that each of them ends.
  return told.flatMap((s) =>
    [s.provider, ...s.others.flatMap(({ provider }) => (isClosedAt(known, provider, s.service) ? [provider] : []))].map((provider) =>
      page(about, type, 'info', summary, `provider-${provider}-${s.service}`, { provider, services: [s.service] }),
    ),
  );
};

/** What ends the frozen state of each service, as far as it is not recorded already. */
const appliedOps = (known: Known, taken: AdoptedRouting): readonly Op[] =>
  taken.services.flatMap(({ service, provider, others }) =>
    [{ provider, applied: taken.applied.get(service) ?? null }, ...others].flatMap(({ provider: path, applied: record }): Op[] => {
      const key = appliedKey(path, service);
      const before = known.applied.get(key);
      if (record === null) return before === undefined ? [] : [{ del: key }];
      return before?.outcome === 'applied' && before.fence === record.fence && before.nonce === record.nonce
        ? []
        : [{ put: key, value: record }];
    }),
  );

const keyOf = (op: Op): string => ('put' in op ? op.put : op.del);

const writeRest = async ({ ports, store }: AdoptionContext, known: Known, ops: readonly Op[]): Promise<void> => {
  for (let at = 0; at < ops.length; at += APPLIED_EACH) {
    const some = ops.slice(at, at + APPLIED_EACH);
    const conditions = some.map(keyOf).map((key) => ({ key, mod: known.mods.get(key) ?? 0 }));
    const txn = { if: conditions, then: some };
    const done = await withDeadline(ports.timers, STORE_MS, 'writing the store', (signal) => store.txn(txn, signal));
    if (!done.ok)
      throw new Fault(
        'ERR_STALE',
        'the routes were adopted, but records of some providers changed meanwhile, which keeps them frozen; run it again',
      );
  }
};

interface Prepared {
  result: AdoptionResult;
  txn: Txn;
  /** What did not fit. */
  rest: readonly Op[];
  known: Known;
}

const prepare = ({ ports }: AdoptionContext, known: Known, request: AdoptionRequest, read: Reading, nonce: string): Prepared => {
  const picked = toAdopt(known, request, read);
  const wallMs = Math.round(ports.clock.wallMs());
  const nowMs = Math.max(wallMs, (known.routing?.atMs ?? 0) + 1);
  const taken = adoptRouting({
    cluster: known.cluster,
    routing: known.routing,
    served: picked,
    otherFences: [...read.values()].flat().map(vOf),
    nowMs,
    by: `${request.kind}/${request.owner}`,
    because: becauseOf(request, [...picked.keys()]),
    evidence: request.journal.length === 0 ? {} : { journal: request.journal },
    nonce,
  });
  const holds = holdsFor(request, [...picked.keys()], nowMs);
  const { owner: by, reason } = request;
  const adopted: Adopted = { nonce, atMs: Math.max(wallMs, (known.adopted?.atMs ?? 0) + 1), by, reason };
  const applied = appliedOps(known, taken);
  const journal = appendOps(known.journal, {
    kind: request.kind === 'adopt' ? 'adopted' : 'acknowledged',
    by,
    how: 'store',
    because: taken.audit.because,
    detail: { decision: taken.routing.v, services: [...picked.keys()].slice(0, SERVICES_TOLD_MAX), holds: holds.map(({ id }) => id) },
    atMs: nowMs,
    nonce,
  });
  const ops: Op[] = [
    { put: KEYS.routing, value: taken.routing },
    { put: auditKey(taken.routing.v), value: taken.audit },
    ...(request.kind === 'adopt' ? [{ put: KEYS.adopted, value: adopted }] : []),
    ...(holds.length === 0 ? [] : [{ put: KEYS.override, value: withHolds(known.overrides, holds, nonce) }]),
    ...pagesOf(known, request, taken, nonce, nowMs).map((p): Op => ({ put: outboxKey(p.id), value: p })),
    ...applied.slice(0, APPLIED_EACH),
    ...journal.ops,
  ];
  return {
    result: { written: !request.dryRun, cluster: known.cluster.name, v: taken.routing.v, services: taken.services, holds },
    txn: { if: [...GUARDED.map((key) => ({ key, mod: known.mods.get(key) ?? 0 })), ...journal.conditions], then: ops },
    rest: applied.slice(APPLIED_EACH),
    known,
  };
};

/** `doubt`: nobody knows whether it happened. */
const write = async ({ ports, store }: AdoptionContext, txn: Txn): Promise<'done' | 'refused' | 'doubt'> => {
  try {
    const { ok } = await withDeadline(ports.timers, STORE_MS, 'writing the store', (signal) => store.txn(txn, signal));
    return ok ? 'done' : 'refused';
  } catch (error) {
    if (error instanceof StoreAmbiguousError || error instanceof DeadlineError) return 'doubt';
    throw error;
  }
};

/**
 * Adopts or acknowledges. Throws Fault ERR_USAGE for services that are not there or not set by hand, ERR_PROVIDER when one cannot be read, ERR_STALE when
 * the store changed at every try, ERR_UNDECIDED when it broke off; and what the store throws. Safe to run again after any of them.
 */
export const runAdoption = async (context: AdoptionContext, request: AdoptionRequest): Promise<AdoptionResult> => {
  const nonce = context.ports.random.hex(8);
  let doubted: Prepared | null = null;
  const finished = async ({ known, rest, result }: Prepared): Promise<AdoptionResult> => {
    await writeRest(context, known, rest);
    return result;
  };
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const before = await look(context);
    // A try that seemed lost is found by its nonce. Guarded on what it had read, it cannot happen after another one has.
    if (doubted !== null && before.routing?.nonce === nonce) return finished(doubted);
    const read = await readAll(context, chosen(before, request), request.kind);
    const known = await look(context);
    // A decision in between may have been published after it was read: look at both again.
    if (GUARDED_ROUTE.some((key) => known.mods.get(key) !== before.mods.get(key))) continue;
    const prepared = prepare(context, known, request, read, nonce);
    if (request.dryRun) return prepared.result;
    const outcome = await write(context, prepared.txn);
    if (outcome === 'done') return finished(prepared);
    if (outcome === 'doubt') doubted = prepared;
  }
  if (doubted !== null)
    throw new Fault(
      'ERR_UNDECIDED',
      'the store broke off while it was written, and could not say afterwards whether it was; run it again, that is safe',
    );
  throw new Fault('ERR_STALE', `the store changed in each of ${ATTEMPTS_MAX} tries; nothing was written: run it again`);
};
