// `tidegate plan`: what publishing would do now, provider by provider, and nothing done: what is served is read and laid beside the decided route. The
// providers are held without their `apply`, so nothing here can write. Needs the file and the store, and no running replica; with --route-from-config not
// even the store.
import { loadConfig } from '../config/load.ts';
import type { ReplicaConfig } from '../config/schema.ts';
import { list, plural } from '../config/words.ts';
import { appliedKey, KEYS } from '../coordinate/keys.ts';
import { ERRORS, errorText, Fault } from '../errors.ts';
import { type AppliedRecord, type ClusterConfig, type Overrides, pathsOf, type Routing, type ServiceConfig } from '../model.ts';
import { type Ports, withDeadline } from '../ports.ts';
import { byHand } from '../publish/break-glass.ts';
import {
  type Decided,
  type Look,
  type Pending,
  type PendingState,
  pendingOf,
  placeOf,
  type ReadingProvider,
  readOnly,
  routeFor,
} from '../publish/pending.ts';
import type { Store } from '../store/store.ts';
import { filesOf } from './files.ts';
import { openCommandStore, type Saying } from './open.ts';
import { sayProblems } from './problems.ts';
import { type OpenedProviders, openedProviders } from './providers.ts';

export interface PlanOptions {
  /** A replica's file: which store, and how to reach the providers. */
  config: string;
  /** Only with `routeFromConfig`: a file with the cluster section, when the replica's own has none. */
  file?: string;
  service?: readonly string[];
  /** The configured shares instead of the decided ones, without the store. */
  routeFromConfig?: boolean;
  json?: boolean;
}

export interface PlanContext extends Saying {
  ports: Ports;
  /** How the store is opened; as the replica's file says unless said. */
  open?: (config: ReplicaConfig, ports: Ports) => Promise<Store>;
  /** How the providers are opened; as the replica's file says unless said. */
  providers?: typeof openedProviders;
}

/** Exit code when something would be written: neither nothing to do nor an error. */
export const PENDING_EXIT = 3;

const STORE_MS = 10_000;
const READ_MS = 10_000;
/** When reading all of a provider's services fails, so many are asked for one by one, so that one that cannot be owned hides no other. */
const ALONE_MAX = 50;

/** The store as `plan` needs it. Throws Fault ERR_CONFIG when it holds no cluster, and what the store throws. */
export const decidedIn = async (store: Store, { timers, clock }: Ports): Promise<Decided> => {
  const query = { keys: [KEYS.members, KEYS.routing, KEYS.override], prefixes: ['applied/'] };
  const { kvs } = await withDeadline(timers, STORE_MS, 'reading the store', (signal) => store.get(query, signal));
  const value = <T>(key: string): T | null => (kvs.find((kv) => kv.key === key)?.value as T | undefined) ?? null;
  const [cluster, routing] = [value<ClusterConfig>(KEYS.members), value<Routing>(KEYS.routing)];
  if (cluster === null) {
    const todo = 'start a replica or run tidegate apply first, or add --route-from-config';
    throw new Fault('ERR_CONFIG', `the store holds no configuration of a cluster; ${todo}`);
  }
  const applied = cluster.services.flatMap((service) =>
    pathsOf(service).flatMap((provider): [string, AppliedRecord][] => {
      const found = value<AppliedRecord>(appliedKey(provider, service.name));
      return found === null ? [] : [[placeOf(provider, service.name), found]];
    }),
  );
  return {
    cluster,
    routing,
    overrides: value<Overrides>(KEYS.override),
    applied: new Map(applied),
    nowMs: Math.max(routing?.atMs ?? 0, Math.round(clock.wallMs())),
    asConfigured: false,
  };
};

const chosen = ({ services }: ClusterConfig, names: readonly string[] = []): readonly ServiceConfig[] => {
  const missing = names.find((name) => !services.some((s) => s.name === name));
  if (missing !== undefined) throw new Fault('ERR_USAGE', `--service ${missing}: the cluster has ${list(services.map((s) => s.name))}`);
  return names.length === 0 ? services : services.filter((s) => names.includes(s.name));
};

/** What one provider serves of its services, each by itself if not all at once. Rejects never: what cannot be read is told. */
const lookAt = async (
  { timers }: Ports,
  name: string,
  provider: ReadingProvider,
  services: readonly ServiceConfig[],
  decided: Decided,
): Promise<readonly (readonly [string, Look])[]> => {
  const read = (some: readonly ServiceConfig[]): Promise<readonly (readonly [string, Look])[]> =>
    withDeadline(timers, READ_MS, `reading from provider ${name}`, (signal) =>
      provider.read(
        some.map((s) => byHand(s, routeFor(s, decided))),
        signal,
      ),
    ).then((found) => some.map((s) => [placeOf(name, s.name), { provider, back: found.get(s.name) }] as const));
  try {
    return await read(services);
  } catch (error) {
    const failed = (s: ServiceConfig, because: unknown) =>
      [placeOf(name, s.name), { because: `cannot be read: ${errorText(because)}` }] as const;
    if (services.length === 1 || services.length > ALONE_MAX) return services.map((s) => failed(s, error));
    const looks = [];
    for (const s of services) looks.push(await read([s]).catch((because: unknown) => [failed(s, because)]));
    return looks.flat();
  }
};

export const lookAll = async (
  ports: Ports,
  providers: OpenedProviders,
  services: readonly ServiceConfig[],
  decided: Decided,
): Promise<ReadonlyMap<string, Look>> => {
  const looks = await Promise.all(
    [...new Set(services.flatMap(pathsOf))].map(async (name) => {
      const some = services.filter((s) => pathsOf(s).includes(name));
      try {
        return await lookAt(ports, name, readOnly(await providers.provider(name)), some, decided);
      } catch (error) {
        return some.map((s) => [placeOf(name, s.name), { because: errorText(error) }] as const);
      }
    }),
  );
  return new Map(looks.flat());
};

// ---- what is said ----

const COUNTED: readonly (readonly [PendingState, string])[] = [
  ['write', 'would be written'],
  ['drift', 'would be put right'],
  ['unchanged', 'as decided'],
  ['first-fence', 'not written in its mode'],
  ['undecided', 'not decided'],
  ['stopped', 'stopped'],
  ['frozen', 'frozen'],
  ['unreadable', 'not readable'],
];

const summary = (pending: readonly Pending[]): string => {
  const parts = COUNTED.map(([state, words]) => ({ n: pending.filter((p) => p.state === state).length, words }))
    .filter(({ n }) => n > 0)
    .map(({ n, words }) => `${n} ${words}`);
  const services = new Set(pending.map(({ service }) => service)).size;
  const what =
    services === pending.length ? plural(services, 'service') : `${plural(services, 'service')} by ${plural(pending.length, 'path')}`;
  return `${what}${parts.length === 0 ? '' : `: ${parts.join(', ')}`}; nothing was written`;
};

const linesOf = ({ says, takes }: Pending): readonly string[] => [
  says,
  ...takes.map(({ object, fields }) => `  takes over ${object}: ${fields.join(', ')}`),
];

const BLOCKED: readonly PendingState[] = ['frozen', 'unreadable'];
const CHANGES: readonly PendingState[] = ['write', 'drift'];

/** What it all amounts to. */
const outcomeOf = (pending: readonly Pending[]): 'nothing' | 'pending' | 'blocked' => {
  if (pending.some(({ state }) => BLOCKED.includes(state))) return 'blocked';
  return pending.some(({ state }) => CHANGES.includes(state)) ? 'pending' : 'nothing';
};

const EXIT = { nothing: 0, pending: PENDING_EXIT, blocked: ERRORS.ERR_NOT_CLEAN.exit } as const;

// ---- the command ----

interface Work {
  options: PlanOptions;
  context: PlanContext;
  config: ReplicaConfig;
  decided: Decided;
  /** For what is published through it: open already, or opened when one such is met. */
  store: Store | (() => Promise<Store>);
}

const planWith = async ({ options, context, config, decided, store }: Work): Promise<number> => {
  const services = chosen(decided.cluster, options.service);
  const providers = (context.providers ?? openedProviders)(config, context.ports, store);
  try {
    const pending = pendingOf(decided, await lookAll(context.ports, providers, services, decided));
    const outcome = outcomeOf(pending);
    const data = { outcome, cluster: decided.cluster.name, v: decided.routing?.v ?? 0, services: pending };
    if (options.json === true) context.out(`${JSON.stringify(data)}\n`);
    else context.out(`${[...pending.flatMap(linesOf), summary(pending)].join('\n')}\n`);
    return EXIT[outcome];
  } finally {
    await providers.close();
  }
};

/** Without a store: everything as configured. */
const fromFiles = async (options: PlanOptions, context: PlanContext): Promise<number> => {
  const files = filesOf(options, context);
  if (typeof files === 'number') return files;
  const { config, cluster } = files;
  const nowMs = Math.round(context.ports.clock.wallMs());
  const decided: Decided = { cluster, routing: null, overrides: null, applied: new Map(), nowMs, asConfigured: true };
  return planWith({ options, context, config, decided, store: () => (context.open ?? openCommandStore)(config, context.ports) });
};

const fromStore = async (options: PlanOptions, context: PlanContext): Promise<number> => {
  if (options.file !== undefined)
    throw new Fault('ERR_USAGE', '--file: the store has the cluster; name a file only together with --route-from-config');
  const loaded = loadConfig(options.config);
  if (!loaded.ok) return sayProblems(loaded.problems, options.json, context);
  const { config } = loaded;
  const store = await (context.open ?? openCommandStore)(config, context.ports);
  try {
    return await planWith({ options, context, config, decided: await decidedIn(store, context.ports), store });
  } finally {
    await store.close();
  }
};

/**
 * Plans. Exit codes: 0 nothing to do, 3 something would be written, 1 something needs a human first (frozen, or not readable), 78 for a file that is not
 * accepted. Throws Fault ERR_USAGE, ERR_CONFIG and what the store throws.
 */
export const plan = (options: PlanOptions, context: PlanContext): Promise<number> =>
  options.routeFromConfig === true ? fromFiles(options, context) : fromStore(options, context);
