// The commands that give and end orders. What moves traffic is shown first, then asked about; what was done is said together with how to undo it.
// Nothing is written without a `yes`: typed, or given by `--yes`. An order is sent under an id of this side's, so that sending it again is safe.
import { endCommand, quoted } from '../../api/undo.ts';
import type { Forecast, Order, OrderBody, Ordered, Refusal, StatusDocument } from '../../client/types.ts';
import { ERRORS, Fault } from '../../errors.ts';
import type { Override, OverrideKind, OverrideScope, Route } from '../../model.ts';
import { isoTime, parseTime, sleep } from '../../ports.ts';
import { userName } from '../apply.ts';
import { oneLine } from '../providers.ts';
import { scopeText } from './findings.ts';
import { forecastLines, refusalLines } from './forecast-text.ts';
import { type Progress, progressOf, progressOfEnd } from './landing.ts';
import { durationOf, orderNamed } from './look.ts';
import { type Console, type LookOptions, type Session, withSession } from './session.ts';
import { clockTime } from './status-text.ts';
import { type Subject, subjectNamed } from './subject.ts';
import { clean, jsonLine, safe, span, wrap } from './text.ts';

export interface ConfirmOptions extends LookOptions {
  yes?: boolean;
  dryRun?: boolean;
  wait?: boolean;
  timeout?: string;
}

export interface OrderOptions extends ConfirmOptions {
  reason: string;
  owner?: string;
  ttl?: string;
  ticket?: string;
  start?: string;
  breakGlass?: boolean;
  drill?: boolean;
  id?: string;
  /** Freeze and stop: everything, where no name is given. */
  all?: boolean;
}

const REASON_CHARS_MIN = 10;
const WAIT_MS = 5 * 60_000;
const LOOK_EVERY_MS = 500;

export const reasonOf = (given: string): string => {
  const reason = oneLine('--reason', given);
  if (reason.length < REASON_CHARS_MIN)
    throw new Fault(
      'ERR_USAGE',
      `--reason: ${reason.length} characters; say in at least ${REASON_CHARS_MIN} why, the next one on call will read it`,
    );
  return reason;
};

const startOf = (text: string): string => {
  const atMs = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/.test(text) ? parseTime(text) : null;
  if (atMs === null) throw new Fault('ERR_USAGE', `--start ${text}: expected an instant with its zone, e.g. 2026-11-26T03:00:00Z`);
  return isoTime(atMs);
};

/** Before anything is asked of anybody: whoever cannot be asked has to say so by an option. */
export const demandConsent = ({ yes, dryRun, json }: Pick<ConfirmOptions, 'yes' | 'dryRun' | 'json'>, { ask }: Console): void => {
  if (yes === true || dryRun === true) return;
  if (ask === null)
    throw new Fault('ERR_USAGE', 'there is no terminal to ask at: add --yes to do it, or --dry-run to see what it would do');
  if (json === true) throw new Fault('ERR_USAGE', '--json asks nothing: add --yes to do it, or --dry-run to see what it would do');
};

const bodyOf = (kind: OverrideKind, scope: OverrideScope, options: OrderOptions, weights?: Route): OrderBody => ({
  kind,
  scope,
  ...(weights === undefined ? {} : { weights }),
  reason: reasonOf(options.reason),
  owner: options.owner === undefined ? userName() : oneLine('--owner', options.owner),
  ...(options.ticket === undefined ? {} : { ticket: oneLine('--ticket', options.ticket) }),
  ...(options.ttl === undefined ? {} : { ttlMs: durationOf('--ttl', options.ttl, 0) }),
  ...(options.start === undefined ? {} : { startsAt: startOf(options.start) }),
  ...(options.breakGlass === true ? { breakGlass: true as const } : {}),
  ...(options.drill === true ? { drill: true as const } : {}),
});

/** `drain-eu-west-4f2a1c`: says what it is wherever it is seen; two of them are never the same. */
const idFor = (kind: OverrideKind, scope: OverrideScope, random: string): string =>
  `${kind}-${scopeText(scope)
    .replaceAll(/[^A-Za-z0-9]+/g, '-')
    .slice(0, 40)}-${random}`.replaceAll(/-+/g, '-');

/** Typing the name of a whole region is asked of whoever takes it away; else y or yes. */
export const isWanted = async ({ ask }: Console, question: string, typed: string | null): Promise<boolean> => {
  if (ask === null) return false;
  if (typed === null) return /^y(es)?$/i.test((await ask(`${question} [y/N] `)).trim());
  return (await ask(`${question} Type ${typed} to do it: `)).trim() === typed;
};

interface Plan {
  status: StatusDocument;
  forecast: Forecast | null;
  /** Rules that refuse it, as the server judges the order itself. */
  refusals: readonly Refusal[];
  notes: readonly string[];
  undo: string;
  /** What is about to be done, as a sentence. */
  what: string;
}

/** The preview, on stderr while something will still be asked or done, on stdout when it is all there is. */
const showPlan = (session: Session, { status, forecast, refusals, notes, undo, what }: Plan, only: boolean): void => {
  const { console } = session;
  const lines =
    forecast === null
      ? [...refusalLines(clean(refusals), status.clusterTimeMs, console.screen()), '! this endpoint cannot say what it would do to traffic']
      : forecastLines(clean({ ...forecast, refusals }), status.clusterTimeMs, console.screen());
  const text = [
    ...wrap(safe(what), console.screen().columns),
    '',
    ...lines,
    ...notes.map((note) => `! ${safe(note)}`),
    '',
    `undo: ${undo}`,
  ];
  if (only && !session.json) console.out(`${text.join('\n')}\n`);
  else if (!session.json) session.note([...text, '']);
};

/** Of a rule that would refuse: nothing was written, and who looks for it by script sees it. */
const refusedBy = ({ refusals }: Plan, breakGlass: boolean): boolean => refusals.length > 0 && !breakGlass;

const waitFor = async (session: Session, options: ConfirmOptions, progress: (status: StatusDocument) => Progress): Promise<Progress> => {
  const { console, api } = session;
  const { clock, timers } = console.ports;
  const timeoutMs = durationOf('--timeout', options.timeout, WAIT_MS);
  const untilMs = clock.monoMs() + timeoutMs;
  let last: Progress = { done: false, because: 'waiting for the next decision' };
  return session.during(
    () => last.because,
    async () => {
      for (;;) {
        // An endpoint that is down meanwhile is no reason to stop waiting.
        last = await api.status().then(progress, (error: unknown) => {
          if (!(error instanceof Fault)) throw error;
          return { done: false, because: error.message };
        });
        if (last.done || clock.monoMs() >= untilMs) return last;
        await sleep(timers, Math.min(LOOK_EVERY_MS, Math.max(1, untilMs - clock.monoMs())));
      }
    },
  );
};

interface Done {
  outcome: 'ordered' | 'ended';
  override: Override;
  version: number;
  undo: string | null;
}

/** Says what was done, and waits if that is wanted. */
const conclude = async (session: Session, options: ConfirmOptions, done: Done): Promise<number> => {
  const { console, json } = session;
  const { override, outcome } = done;
  const awaits = override.approval?.by === null;
  const stands = outcome === 'ordered' ? `the order ${override.id} stands` : `the order ${override.id} has ended`;
  const say = (waited: Progress | null): void => {
    if (json) {
      console.out(jsonLine({ outcome: awaits ? 'awaits-approval' : outcome, override, version: done.version, undo: done.undo, waited }));
      return;
    }
    const until =
      outcome === 'ordered' ? ` until ${clockTime(override.expiresAtMs)}Z (${span(override.expiresAtMs - override.createdAtMs)})` : '';
    const lines = [
      `${stands}${until}`,
      ...(awaits ? [`it is not in force: a second person has to agree: tidegate override approve ${override.id}`] : []),
      ...(done.undo === null ? [] : [`undo: ${done.undo}`]),
    ];
    console.out(`${lines.map(safe).join('\n')}\n`);
  };
  if (options.wait !== true) {
    say(null);
    return 0;
  }
  if (!json) say(null);
  const release = console.onInterrupt(() => `${stands}; nobody waits for it any more${done.undo === null ? '' : `; undo: ${done.undo}`}`);
  const waited = await waitFor(session, options, (status) =>
    outcome === 'ordered' ? progressOf(status, override) : progressOfEnd(status, override),
  );
  release();
  if (json) say(waited);
  else session.note(`${waited.done ? '' : `ERR_TIMEOUT ${stands}, but `}${safe(waited.because)}\n`);
  return waited.done ? 0 : ERRORS.ERR_TIMEOUT.exit;
};

const planned = (session: Session, plan: Plan, body: unknown, breakGlass: boolean): number => {
  const refused = refusedBy(plan, breakGlass);
  if (session.json)
    session.console.out(
      jsonLine({
        outcome: refused ? 'refused' : 'planned',
        order: body,
        forecast: plan.forecast,
        refusals: plan.refusals,
        undo: plan.undo,
      }),
    );
  return refused ? ERRORS.ERR_REFUSED.exit : 0;
};

const notesOf = (preview: Ordered | null): readonly string[] => [
  ...(preview?.notes ?? []),
  ...(preview?.approval === 'needed' ? ['a second person has to agree before it is in force'] : []),
];

const ID = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;

const demandId = (id: string | undefined): void => {
  if (id !== undefined && !ID.test(id))
    throw new Fault('ERR_USAGE', `--id ${id}: expected 1 to 64 of A-Z a-z 0-9 _ - with a letter or digit first, e.g. drain-eu-west-1`);
};

/** Gives one order: looks, previews, asks, writes, waits. */
const give = async (
  options: OrderOptions,
  console: Console,
  make: (status: StatusDocument) => { subject: Subject | null; body: OrderBody },
): Promise<number> => {
  demandConsent(options, console);
  reasonOf(options.reason);
  demandId(options.id);
  durationOf('--timeout', options.timeout, WAIT_MS);
  return withSession(options, console, async (session) => {
    const { api } = session;
    const status = await session.during(() => 'asking', api.status);
    const { subject, body } = make(status);
    const id = options.id ?? idFor(body.kind, body.scope, console.ports.random.hex(3));
    const preview = await session.during(
      () => 'asking what would happen',
      () => api.preview(body),
    );
    if (preview === null && options.dryRun === true)
      throw new Fault('ERR_NOT_FOUND', 'this endpoint cannot say what it would do: it is older than forecasts');
    const undo = endCommand({ kind: body.kind, id });
    // The preview has an id of its own, which nobody will see again.
    const its = preview?.override.id ?? id;
    const named = <T>(told: T): T =>
      JSON.parse(JSON.stringify(told), (_, value) => (typeof value === 'string' ? value.replaceAll(its, id) : value));
    const forecast = named(preview?.forecast ?? null);
    const what = `${body.kind} ${scopeText(body.scope)}: ${body.reason}`;
    const plan: Plan = {
      status,
      forecast,
      refusals: named(preview?.refusals ?? preview?.forecast?.refusals ?? []),
      notes: named(notesOf(preview)),
      undo,
      what,
    };
    showPlan(session, plan, options.dryRun === true);
    if (options.dryRun === true) return planned(session, plan, body, body.breakGlass === true);
    const whole = subject?.kind === 'region' && (body.kind === 'drain' || body.kind === 'evacuate') ? subject.name : null;
    if (options.yes !== true && !(await isWanted(console, `${body.kind} ${safe(scopeText(body.scope))}?`, whole))) {
      session.note('nothing was written\n');
      return ERRORS.ERR_USAGE.exit;
    }
    const { override, version } = await session.during(
      () => 'ordering',
      () => api.put(id, body),
    );
    return conclude(session, options, { outcome: 'ordered', override, version, undo });
  });
};

/** Drain, force-in: a region or a pool. Evacuate: a region. Freeze, stop: anything, or everything with `--all`. */
export const order = async (kind: OverrideKind, name: string | undefined, options: OrderOptions, console: Console): Promise<number> => {
  const wide = kind === 'freeze' || kind === 'stop';
  if (name === undefined && !(wide && options.all === true))
    throw new Fault(
      'ERR_USAGE',
      `${kind} what? Name ${kind === 'evacuate' ? 'a region' : wide ? 'a region, a service or a pool, or say --all' : 'a region, or a pool as SERVICE/POOL'}`,
    );
  if (name !== undefined && options.all === true) throw new Fault('ERR_USAGE', 'a name or --all, not both');
  const kinds =
    kind === 'evacuate' ? (['region'] as const) : wide ? (['region', 'service', 'pool'] as const) : (['region', 'pool'] as const);
  return give(options, console, (status) => {
    const subject = name === undefined ? null : subjectNamed(status, name, kinds);
    return { subject, body: bodyOf(kind, subject?.scope ?? {}, options) };
  });
};

/** `eu-west=70 us-east=30`, or with `%`: percent of each pool, together 100. */
const weightsOf = (subject: Subject, given: readonly string[]): Route => {
  const known = subject.pools.map(({ pool }) => pool.name);
  const weights: Record<string, number> = {};
  for (const text of given) {
    const [, pool = '', number = ''] = /^(.+)=(\d{1,3}(?:\.\d)?)%?$/.exec(text) ?? [];
    if (!known.includes(pool)) throw new Fault('ERR_USAGE', `${text}: expected POOL=PERCENT with one of ${known.join(', ')}`);
    if (Object.hasOwn(weights, pool)) throw new Fault('ERR_USAGE', `${pool} is given twice`);
    weights[pool] = Math.round(Number(number) * 10);
  }
  const sum = Object.values(weights).reduce((a, b) => a + b, 0);
  if (sum !== 1000) throw new Fault('ERR_USAGE', `the shares are ${sum / 10} percent together, expected 100`);
  return weights;
};

export const pin = (service: string, shares: readonly string[], options: OrderOptions, console: Console): Promise<number> =>
  give(options, console, (status) => {
    const subject = subjectNamed(status, service, ['service']);
    return { subject, body: bodyOf('pin', subject.scope, options, weightsOf(subject, shares)) };
  });

/** The order itself, without how it stands. */
const asOrdered = ({
  active: _active,
  leftMs: _leftMs,
  obeyed: _obeyed,
  because: _because,
  measured: _measured,
  ...order
}: Order): Override => order;

/** The one order meant by its id, or by what it is about. */
const orderMeant = (status: StatusDocument, named: string, kinds: readonly OverrideKind[]): Order => {
  const { items } = status.overrides;
  const byId = items.find(({ id }) => id === named);
  if (byId !== undefined) {
    if (kinds.length > 0 && !kinds.includes(byId.kind))
      throw new Fault('ERR_USAGE', `${named} is a ${byId.kind}; end it with ${endCommand(byId)}`);
    return byId;
  }
  const of = items.filter(({ kind }) => kinds.length === 0 || kinds.includes(kind));
  const about = of.filter(({ scope }) => scopeText(scope) === named || (scope.pool !== undefined && scope.pool === named));
  const [one, other] = about;
  if (one !== undefined && other === undefined) return one;
  if (one !== undefined && other !== undefined)
    throw new Fault('ERR_USAGE', `${about.length} orders are about ${named}: name one of ${about.map(({ id }) => id).join(', ')}`);
  const there = of.map(({ id, scope }) => `${id} (${scopeText(scope)})`);
  throw new Fault(
    'ERR_NOT_FOUND',
    `no ${kinds.join(' or ') || 'order'} is called "${named}" or about it; there are: ${there.slice(0, 10).join(', ') || 'none'}`,
  );
};

/** Ends an order: `undrain`, `unfreeze`, `resume`, `override end`. */
export const end = async (kinds: readonly OverrideKind[], named: string, options: ConfirmOptions, console: Console): Promise<number> => {
  demandConsent(options, console);
  durationOf('--timeout', options.timeout, WAIT_MS);
  return withSession(options, console, async (session) => {
    const { api } = session;
    const status = await session.during(() => 'asking', api.status);
    const { active, leftMs, ...rest } = orderMeant(status, named, kinds);
    const meant = asOrdered({ active, leftMs, ...rest });
    // As a supposition: what is older than previews would take a DELETE for the thing itself.
    const forecast = await session.during(
      () => 'asking what would happen',
      () => api.simulate([{ kind: 'override-gone', id: meant.id }]),
    );
    if (forecast === null && options.dryRun === true)
      throw new Fault('ERR_NOT_FOUND', 'this endpoint cannot say what it would do: it is older than forecasts');
    const undo = again(meant, active ? leftMs : null);
    const plan: Plan = {
      status,
      forecast,
      refusals: forecast?.refusals ?? [],
      notes: [],
      undo: undo ?? 'nothing to undo: the order is over',
      what: `end ${meant.id}: ${meant.kind} ${scopeText(meant.scope)}, ordered by ${meant.owner}: ${meant.reason}`,
    };
    showPlan(session, plan, options.dryRun === true);
    if (options.dryRun === true) return planned(session, plan, { end: meant.id }, true);
    if (options.yes !== true && !(await isWanted(console, `End ${safe(meant.id)}?`, null))) {
      session.note('nothing was written\n');
      return ERRORS.ERR_USAGE.exit;
    }
    const { override, version } = await session.during(
      () => 'ending the order',
      () => api.remove(meant),
    );
    return conclude(session, options, { outcome: 'ended', override, version, undo });
  });
};

const asWord = (text: string): string => (/^[\w./:=@%+-]+$/.test(text) ? text : quoted(text));

/** The command that gives it again, for the time it had left. */
const again = ({ kind, scope, weights, reason, ticket, breakGlass, drill }: Override, leftMs: number | null): string | null => {
  if (leftMs === null || leftMs < 1_000) return null;
  const name = scopeText(scope);
  const shares = Object.entries(weights ?? {}).map(([pool, share]) => `${pool}=${share / 10}`);
  const words = [
    'tidegate',
    kind,
    ...(name === 'everything' ? ['--all'] : [name, ...shares]),
    '--reason',
    reason,
    '--ttl',
    `${Math.ceil(leftMs / 1000)}s`,
    ...(ticket === undefined ? [] : ['--ticket', ticket]),
    ...(breakGlass === true ? ['--break-glass'] : []),
    ...(drill === true ? ['--drill'] : []),
  ];
  return words.map(asWord).join(' ');
};

/** The second person's yes. */
export const approve = async (id: string, options: ConfirmOptions, console: Console): Promise<number> => {
  demandConsent(options, console);
  return withSession(options, console, async (session) => {
    const { api } = session;
    const status = await session.during(() => 'asking', api.status);
    const meant = asOrdered(orderNamed(status.overrides.items, id));
    // As it would be with the second yes.
    const { told: _told, ...asked } = meant;
    const agreed = { ...asked, approval: { by: 'a second person', atMs: status.clusterTimeMs } };
    const forecast = await session.during(
      () => 'asking what would happen',
      () => api.simulate([{ kind: 'override', override: agreed }]),
    );
    const plan: Plan = {
      status,
      forecast,
      refusals: forecast?.refusals ?? [],
      notes: [],
      undo: endCommand(meant),
      what: `agree to ${id}: ${meant.kind} ${scopeText(meant.scope)}, ordered by ${meant.owner}: ${meant.reason}`,
    };
    showPlan(session, plan, options.dryRun === true);
    if (options.dryRun === true) return planned(session, plan, { approve: id }, true);
    if (
      options.yes !== true &&
      !(await isWanted(
        console,
        `Agree to ${safe(id)}?`,
        meant.scope.region !== undefined && meant.kind !== 'freeze' ? meant.scope.region : null,
      ))
    ) {
      session.note('nothing was written\n');
      return ERRORS.ERR_USAGE.exit;
    }
    const { override, version } = await session.during(
      () => 'agreeing',
      () => api.approve(id),
    );
    return conclude(session, options, { outcome: 'ordered', override, version, undo: endCommand(override) });
  });
};
