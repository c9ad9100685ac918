// `tidegate route`: what the providers serve now, and the glass to break when nothing can be decided: a route set by hand from any machine that has the
// credential files, with no store and no other Tidegate process. What was done is kept in a journal beside the file, to be recorded later.
import { appendFileSync } from 'node:fs';
import { isManual } from '../../providers/fence.ts';
import type { ReadBack } from '../../providers/provider.ts';
import type { ReplicaConfig } from '../config/schema.ts';
import { list } from '../config/words.ts';
import { ERRORS, errorText, Fault } from '../errors.ts';
import { pathsOf, type ServiceConfig } from '../model.ts';
import { isoTime, type Ports } from '../ports.ts';
import { routeText } from '../publish/adopt.ts';
import { byHand, type HandContext, type HandPlan, planByHand, readServed, routeFrom, setByHand } from '../publish/break-glass.ts';
import { type Files, filesOf, serviceOf } from './files.ts';
import { openCommandStore, type Saying } from './open.ts';
import { type OpenedProviders, oneLine, openedProviders } from './providers.ts';

export interface RouteShowOptions {
  /** A replica's file: how to reach the providers. */
  config: string;
  /** A file with the cluster section, when the replica's own has none. */
  file?: string;
  service?: readonly string[];
  json?: boolean;
}

export interface RouteSetOptions {
  breakGlass?: boolean;
  config: string;
  file?: string;
  service: string;
  /** Only this path; without it, every path of the service. */
  provider?: string;
  /** `POOL=PERCENT`; pools that are not named get nothing. */
  share: readonly string[];
  reason: string;
  owner: string;
  /** Do not ask. */
  yes?: boolean;
  json?: boolean;
}

export interface RouteContext extends Saying {
  ports: Ports;
  /** Asks the human; null: there is nobody to ask. */
  confirm: ((question: string) => Promise<boolean>) | null;
  /** Opens the store of a service whose gate lies in it; absent: the one that the file names. */
  open?: typeof openCommandStore;
}

const servedText = ({ shares, fence, foreign, unread, leftOut }: ReadBack): string => {
  if (unread !== undefined) return `nobody knows: ${unread}`;
  const by = fence === null ? 'no fence' : `fence ${fence.v} by ${fence.writer}${isManual(fence) ? ', set by hand' : ''}`;
  const strange = foreign.length === 0 ? '' : `; strange answers ${list(foreign)}`;
  return `${routeText(shares)}; ${by}${strange}${leftOut === undefined ? '' : `; left out: ${leftOut}`}`;
};

const servedData = ({ shares, fence, foreign, unread, leftOut }: ReadBack) => ({
  ...(unread === undefined ? {} : { unread }),
  ...(leftOut === undefined ? {} : { leftOut }),
  shares,
  fence,
  manual: fence !== null && isManual(fence),
  foreign,
});

/** The store is opened for what lies in it, and for nothing else: by hand is for when there is none. */
const openedFor = (config: ReplicaConfig, { ports, open = openCommandStore }: RouteContext): OpenedProviders =>
  openedProviders(config, ports, () => open(config, ports));

const WITHOUT_STORE =
  'a gate lies in the store and cannot be read or set without one: the gates go on answering as they last did. What can be done meanwhile is at the vendor: ' +
  'drain with its own switch, as "By hand" in providers/gate/README.md says for each';

/** Adds what else can be done when it is the store that is missing. */
const gateAware = async <T>(config: ReplicaConfig, provider: string, work: () => Promise<T>): Promise<T> => {
  try {
    return await work();
  } catch (error) {
    if (config.providers[provider]?.kind !== 'gate' || !(error instanceof Fault)) throw error;
    throw new Fault(error.code, `${error.message}; ${WITHOUT_STORE}`, { cause: error });
  }
};

// ---- show ----

/** Prints what each provider serves. Exit codes: 0, 78 for a file that is not accepted; throws Fault ERR_USAGE, ERR_SECRET, ERR_PROVIDER. */
export const routeShow = async (options: RouteShowOptions, context: RouteContext): Promise<number> => {
  const files = filesOf(options, context);
  if (typeof files === 'number') return files;
  const { config, cluster } = files;
  const names = options.service ?? [];
  const services = names.length === 0 ? cluster.services : names.map((name) => serviceOf(cluster, name));
  const providers = openedFor(config, context);
  try {
    const found = new Map<string, ReadBack>();
    const failures: unknown[] = [];
    for (const name of new Set(services.flatMap(pathsOf))) {
      const some = services.filter((service) => pathsOf(service).includes(name));
      await gateAware(config, name, async () =>
        readServed(
          { ports: context.ports, provider: await providers.provider(name), name },
          some.map((s) => byHand(s, {})),
        ),
      ).then(
        (read) => {
          for (const [service, back] of read) found.set(`${name} ${service}`, back);
        },
        // What the others serve is worth knowing all the more.
        (error: unknown) => failures.push(error),
      );
    }
    const rows = services.flatMap((service) =>
      pathsOf(service).flatMap((provider) => {
        const back = found.get(`${provider} ${service.name}`);
        return back === undefined ? [] : [{ service: service.name, provider, back }];
      }),
    );
    if (rows.length === 0 && failures.length > 0) throw failures[0];
    const text = rows.map(({ service, provider, back }) => `${service} (provider ${provider})\n  served  ${servedText(back)}\n`).join('');
    const data = { services: rows.map(({ service, provider, back }) => ({ service, provider, ...servedData(back) })) };
    context.out(options.json === true ? `${JSON.stringify(data)}\n` : text);
    if (failures.length > 0) throw failures[0];
    return 0;
  } finally {
    await providers.close();
  }
};

// ---- set ----

const INSTEAD =
  'to move traffic while the cluster decides, place an override (PUT /v1/overrides/ID on any replica): it is undone by itself; --break-glass is for when nothing can be decided';

/** Where what was done by hand is kept until it can be recorded. */
export const journalOf = (configFile: string): string => `${configFile}.break-glass.ndjson`;

/** One line per step. That it cannot be kept is no reason to leave users without service. */
const note = (path: string, entry: object, { err }: Saying): void => {
  try {
    appendFileSync(path, `${JSON.stringify(entry)}\n`, { mode: 0o600 });
  } catch (error) {
    err(`tidegate: the journal ${path} cannot be written (${errorText(error)}); keep this line yourself: ${JSON.stringify(entry)}\n`);
  }
};

const planText = (service: ServiceConfig, provider: string, { before, desired, fence, willServe }: HandPlan): string => {
  const after = Object.fromEntries(desired.pools.map((p) => [p.pool, p.share]));
  const rounded = Object.entries(willServe).some(([pool, share]) => after[pool] !== share);
  return [
    `${service.name} (provider ${provider}), shares in thousandths`,
    `  served  ${servedText(before)}`,
    `  set to  ${routeText(after)}; fence ${fence.v} by ${fence.writer}`,
    ...(rounded ? [`  which this provider serves as ${routeText(willServe)}`] : []),
    '',
  ].join('\n');
};

const AFTERWARDS = (service: string, journal: string): string =>
  [
    `set by hand: automation leaves ${service} alone from now on, and pages that it does.`,
    'When the cluster can decide again:',
    `  tidegate ack -c FILE --service ${service} --reason TEXT --owner NAME --hold 4h --journal ${journal}`,
    '',
  ].join('\n');

interface Work {
  options: RouteSetOptions;
  context: RouteContext;
  files: Files;
  providers: OpenedProviders;
  reason: string;
  owner: string;
}

/** One path of the service, looked at. */
interface Planned {
  hand: HandContext;
  plan: HandPlan;
}

/** The paths that are to be written: the one that was named, or all. Throws Fault ERR_USAGE for one that is none of the service's. */
const chosenPaths = (service: ServiceConfig, { provider }: RouteSetOptions): readonly string[] => {
  const paths = pathsOf(service);
  if (provider === undefined) return paths;
  if (!paths.includes(provider)) throw new Fault('ERR_USAGE', `--provider ${provider}: ${service.name} goes by ${list(paths)}`);
  return [provider];
};

/** Every path that can be looked at. One that cannot is said and left out, unless it is the only one: in the outage this is for, some path is down. */
const planAll = async ({ options, context, files, providers, owner }: Work, service: ServiceConfig): Promise<readonly Planned[]> => {
  const route = routeFrom(service, options.share);
  const planned: Planned[] = [];
  const failures: unknown[] = [];
  for (const name of chosenPaths(service, options)) {
    await gateAware(files.config, name, async (): Promise<Planned> => {
      const hand = { ports: context.ports, provider: await providers.provider(name), name };
      return { hand, plan: await planByHand(hand, service, route, owner) };
    }).then(
      (path) => planned.push(path),
      (error: unknown) => failures.push(error),
    );
  }
  if (planned.length === 0) throw failures[0];
  for (const error of failures) context.err(`left out: ${errorText(error)}\n`);
  for (const { hand, plan } of planned) {
    context.err(planText(service, hand.name, plan));
    if (hand.provider.can.fencing === 'none')
      context.err('this provider keeps no fence: a coordinator at work will not see that a human set this; place a stop first\n');
  }
  return planned;
};

/** Writes one path and keeps what was done. Out: what it then serves. */
const setOne = async (
  { options, context, files, reason, owner }: Work,
  service: ServiceConfig,
  { hand, plan }: Planned,
): Promise<object> => {
  const about = {
    service: service.name,
    provider: hand.name,
    owner,
    reason,
    before: servedData(plan.before),
    route: routeFrom(service, options.share),
    fence: plan.fence,
  };
  const keep = (outcome: string, because?: string): void =>
    note(
      journalOf(files.config.file),
      { at: isoTime(context.ports.clock.wallMs()), outcome, ...about, ...(because === undefined ? {} : { because }) },
      context,
    );
  keep('begun');
  try {
    const { after } = await setByHand(hand, plan);
    keep('set');
    if (options.json !== true)
      context.out(`${service.name} now serves ${servedText(after)}${service.also === undefined ? '' : ` (${hand.name})`}\n`);
    const { service: name, provider, route, before } = about;
    return { outcome: 'set', service: name, provider, route, before, after: servedData(after) };
  } catch (error) {
    keep(error instanceof Fault ? error.code : 'failed', errorText(error));
    throw error;
  }
};

const setWith = async (work: Work): Promise<number> => {
  const { options, context, files } = work;
  const service = serviceOf(files.cluster, options.service);
  const planned = await planAll(work, service);
  const names = planned.map(({ hand }) => hand.name);
  if (options.yes !== true) {
    if (context.confirm === null) throw new Fault('ERR_USAGE', 'nobody to ask; add --yes to write it');
    if (!(await context.confirm(`Write this to ${list(names)}?`))) {
      context.err('nothing was written\n');
      return ERRORS.ERR_USAGE.exit;
    }
  }
  const done: object[] = [];
  const failures: unknown[] = [];
  // One after the other, the most trusted first: whatever becomes of one, the others are tried.
  for (const one of planned)
    await setOne(work, service, one).then(
      (told) => done.push(told),
      (error: unknown) => failures.push(error),
    );
  const journal = journalOf(files.config.file);
  const [first] = done;
  if (options.json === true && first !== undefined)
    context.out(`${JSON.stringify({ ...first, journal, ...(done.length === 1 ? {} : { paths: done }) })}\n`);
  if (first !== undefined) context.err(AFTERWARDS(service.name, journal));
  for (const error of failures.slice(1)) context.err(`${errorText(error)}\n`);
  if (failures.length > 0) throw failures[0];
  return 0;
};

/**
 * Sets a route by hand. Exit codes: 0 served as asked and read back; 2 not wanted after all; 78 for a file that is not accepted. Throws Fault ERR_USAGE,
 * ERR_SECRET, and those of setByHand: ERR_STALE (somebody else wrote), ERR_UNDECIDED (look before you repeat), ERR_PROVIDER.
 */
export const routeSet = async (options: RouteSetOptions, context: RouteContext): Promise<number> => {
  if (options.breakGlass !== true) throw new Fault('ERR_USAGE', `route set writes past every rule; ${INSTEAD}`);
  const [owner, reason] = [oneLine('--owner', options.owner), oneLine('--reason', options.reason)];
  const files = filesOf(options, context);
  if (typeof files === 'number') return files;
  const providers = openedFor(files.config, context);
  try {
    return await setWith({ options, context, files, providers, reason, owner });
  } finally {
    await providers.close();
  }
};
