// `tidegate route`: what the providers serve now, and the glass to break when nothing can be decided: a route set by hand from any machine that has the
// credential files, with no store and no other Tidegate process. What was done is kept in a journal beside the file, to be recorded later.
import { appendFileSync } from 'node:fs';
import { isManual } from '../../providers/fence.ts';
import type { ReadBack } from '../../providers/provider.ts';
import { list } from '../config/words.ts';
import { ERRORS, errorText, Fault } from '../errors.ts';
import type { ServiceConfig } from '../model.ts';
import { isoTime, type Ports } from '../ports.ts';
import { routeText } from '../publish/adopt.ts';
import { byHand, type HandPlan, planByHand, readServed, routeFrom, setByHand } from '../publish/break-glass.ts';
import { type Files, filesOf, serviceOf } from './files.ts';
import type { Saying } from './open.ts';
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
}

const servedText = ({ shares, fence, foreign }: ReadBack): string => {
  const by = fence === null ? 'no fence' : `fence ${fence.v} by ${fence.writer}${isManual(fence) ? ', set by hand' : ''}`;
  return `${routeText(shares)}; ${by}${foreign.length === 0 ? '' : `; strange answers ${list(foreign)}`}`;
};

const servedData = ({ shares, fence, foreign }: ReadBack) => ({ shares, fence, manual: fence !== null && isManual(fence), foreign });

// ---- show ----

/** Prints what each provider serves. Exit codes: 0, 78 for a file that is not accepted; throws Fault ERR_USAGE, ERR_SECRET, ERR_PROVIDER. */
export const routeShow = async (options: RouteShowOptions, context: RouteContext): Promise<number> => {
  const files = filesOf(options, context);
  if (typeof files === 'number') return files;
  const { config, cluster } = files;
  const names = options.service ?? [];
  const services = names.length === 0 ? cluster.services : names.map((name) => serviceOf(cluster, name));
  const providers = openedProviders(config, context.ports);
  try {
    const found = new Map<string, ReadBack>();
    for (const [name, some] of Map.groupBy(services, (s) => s.provider)) {
      const hand = { ports: context.ports, provider: await providers.provider(name), name };
      const read = await readServed(
        hand,
        some.map((s) => byHand(s, {})),
      );
      for (const [service, back] of read) found.set(service, back);
    }
    const rows = services.flatMap(({ name, provider }) => {
      const back = found.get(name);
      return back === undefined ? [] : [{ service: name, provider, back }];
    });
    const text = rows.map(({ service, provider, back }) => `${service} (provider ${provider})\n  served  ${servedText(back)}\n`).join('');
    const data = { services: rows.map(({ service, provider, back }) => ({ service, provider, ...servedData(back) })) };
    context.out(options.json === true ? `${JSON.stringify(data)}\n` : text);
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

const planText = (service: ServiceConfig, { before, desired, fence, willServe }: HandPlan): string => {
  const after = Object.fromEntries(desired.pools.map((p) => [p.pool, p.share]));
  const rounded = Object.entries(willServe).some(([pool, share]) => after[pool] !== share);
  return [
    `${service.name} (provider ${service.provider}), shares in thousandths`,
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

const setWith = async ({ options, context, files: { config, cluster }, providers, reason, owner }: Work): Promise<number> => {
  const { ports } = context;
  const service = serviceOf(cluster, options.service);
  const route = routeFrom(service, options.share);
  const provider = await providers.provider(service.provider);
  const hand = { ports, provider, name: service.provider };
  const plan = await planByHand(hand, service, route, owner);
  context.err(planText(service, plan));
  if (provider.can.fencing === 'none')
    context.err('this provider keeps no fence: a coordinator at work will not see that a human set this; place a stop first\n');
  if (options.yes !== true) {
    if (context.confirm === null) throw new Fault('ERR_USAGE', 'nobody to ask; add --yes to write it');
    if (!(await context.confirm(`Write this to ${service.provider}?`))) {
      context.err('nothing was written\n');
      return ERRORS.ERR_USAGE.exit;
    }
  }
  const journal = journalOf(config.file);
  const about = {
    service: service.name,
    provider: service.provider,
    owner,
    reason,
    before: servedData(plan.before),
    route,
    fence: plan.fence,
  };
  const keep = (outcome: string, because?: string): void =>
    note(journal, { at: isoTime(ports.clock.wallMs()), outcome, ...about, ...(because === undefined ? {} : { because }) }, context);
  keep('begun');
  try {
    const { after } = await setByHand(hand, plan);
    keep('set');
    const data = {
      outcome: 'set',
      service: service.name,
      provider: service.provider,
      route,
      before: servedData(plan.before),
      after: servedData(after),
    };
    if (options.json === true) context.out(`${JSON.stringify({ ...data, journal })}\n`);
    else context.out(`${service.name} now serves ${servedText(after)}\n`);
    context.err(AFTERWARDS(service.name, journal));
    return 0;
  } catch (error) {
    keep(error instanceof Fault ? error.code : 'failed', errorText(error));
    throw error;
  }
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
  const providers = openedProviders(files.config, context.ports);
  try {
    return await setWith({ options, context, files, providers, reason, owner });
  } finally {
    await providers.close();
  }
};
