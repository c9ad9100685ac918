// Drills whose fault an operator's command injects: shown first, injected only with --yes, watched through every endpoint, and taken back whatever happens:
// when something else goes wrong, when nothing is seen, when the command is told to stop. A command that is killed leaves a file by which anybody can take it back.
import type { Api } from '../../client/api.ts';
import type { PageItem } from '../../client/types.ts';
import { say, spell } from '../../config/words.ts';
import type { Guard } from '../../drill/calm.ts';
import { guard } from '../../drill/calm.ts';
import {
  type Case,
  disturbance,
  type Expectation,
  expectedOfFault,
  type FaultDrill,
  faultGuards,
  type Look,
  notBack,
  type Sight,
} from '../../drill/faults.ts';
import type { Phase, Scorecard } from '../../drill/scorecard.ts';
import { ERRORS, errorText, Fault } from '../../errors.ts';
import { userName } from '../apply.ts';
import { type Hooked, runHook } from '../hook.ts';
import { FOLDER, isMarked, markOpen, type OpenDrill, openIn, PREFIX, unmark } from './drill-cards.ts';
import {
  BLIND_MS,
  conclude,
  type DrillOptions,
  type Ending,
  heedStops,
  nobodyAnswered,
  onCallOf,
  patienceOf,
  RETURN_MS,
  type Stops,
  shown,
  ttlOf,
  watch,
} from './drill-watch.ts';
import { durationOf } from './look.ts';
import { demandConsent, isWanted, reasonOf } from './orders.ts';
import type { Console, Session } from './session.ts';
import { safe, safeLines, wrap } from './text.ts';

const LOOK_EVERY_MS = 1_000;
const PAGES_MAX = 500;
const HOOK = { defaultMs: 2 * 60_000, maxMs: 30 * 60_000 } as const;
const COMMAND_MAX = 1_000;

export type HookOptions = Pick<DrillOptions, 'inject' | 'restore' | 'hookTimeout'>;

const commandOf = (option: string, given: string | undefined): string | null => {
  if (given === undefined) return null;
  const command = given.trim();
  if (command.length >= 1 && command.length <= COMMAND_MAX && !/\p{Cc}/u.test(command)) return command;
  throw new Fault(
    'ERR_USAGE',
    `${option}: expected a command of 1 to ${COMMAND_MAX} characters in one line; put longer ones into a script`,
  );
};

export const hooksOf = ({ inject, restore, hookTimeout }: HookOptions) => {
  const limitMs = durationOf('--hook-timeout', hookTimeout, HOOK.defaultMs);
  if (limitMs > HOOK.maxMs) throw new Fault('ERR_USAGE', `--hook-timeout ${hookTimeout}: a command has 30m at most`);
  return { inject: commandOf('--inject', inject), restore: commandOf('--restore', restore), limitMs };
};

interface Plan {
  drill: FaultDrill;
  of: Case;
  id: string;
  cluster: string;
  reason: string;
  /** Cluster time, and by the monotonic clock. */
  atMs: number;
  atMonoMs: number;
  inject: string | null;
  restore: string | null;
  limitMs: number;
  guards: readonly Guard[];
  /** With the times that hold here. */
  expects: readonly Expectation[];
  phases: Record<string, Phase>;
}

const NOTHING: Phase = { expected: null, ms: null };

const orNull = <T>(error: unknown): T | null => {
  if (!(error instanceof Fault)) throw error;
  return null;
};

const lookOf = async ({ endpoint, api }: { endpoint: string; api: Api }): Promise<Look> => {
  const [status, health] = await Promise.all([api.status().catch(orNull<never>), api.health().catch(orNull<never>)]);
  return { endpoint, status, health };
};

const looksOf = (session: Session): Promise<readonly Look[]> => Promise.all(session.each.map(lookOf));

/** Of a drill in its time; null: they cannot be read now. */
const pagesSince = async ({ api }: Session, atMs: number): Promise<readonly PageItem[] | null> =>
  (await api.pages('all', PAGES_MAX).catch(orNull<never>))?.items.filter((page) => page.atMs >= atMs) ?? null;

/** What would refuse the drain that the loss of a region would need: a window that is open, a rule. */
const refusalsOf = async ({ api }: Session, looks: readonly Look[], reason: string, ttlMs: number) => {
  const services = looks.flatMap(({ status }) => status?.services ?? []);
  const region = services.flatMap(({ mode, pools }) => (mode === 'auto' ? pools : [])).find(({ share }) => (share ?? 0) > 0)?.region;
  if (region === undefined) return [];
  const body = { kind: 'drain' as const, scope: { region }, reason, owner: userName(), ttlMs, drill: true };
  const preview = await api.preview(body);
  return preview?.refusals ?? preview?.forecast?.refusals ?? [];
};

const hookGuard = ({ inject, restore }: Pick<Plan, 'inject' | 'restore'>, { hook }: FaultDrill): Guard =>
  guard(
    'hooks given',
    [
      ...(inject === null ? [`--inject CMD: a command that ${hook}`] : []),
      ...(restore === null ? ['--restore CMD: the one that takes it back, as often as it is run'] : []),
    ],
    'both commands are yours',
  );

const phasesOf = (plan: Pick<Plan, 'drill' | 'of' | 'expects'>, past: readonly Scorecard[]): Record<string, Phase> => ({
  ...Object.fromEntries(
    plan.expects.map((each): [string, Phase] => {
      const moot = each.moot?.(plan.of) ?? null;
      const expected = expectedOfFault(plan.drill, each, plan.of.subject, past);
      return [each.name, moot === null ? { expected, ms: null } : { expected: null, ms: null, because: `not asked for: ${moot}` }];
    }),
  ),
  returned: NOTHING,
});

const planOf = async (
  session: Session,
  options: DrillOptions,
  drill: FaultDrill,
  subject: string,
  folder: string,
  past: readonly Scorecard[],
): Promise<Plan> => {
  const reason = reasonOf(options.reason);
  const within = durationOf('--within', options.within, 0);
  const expects = drill.expects.map((each) => (within === 0 ? each : { ...each, withinMs: within, from: '--within' }));
  const looks = await session.during(
    () => 'asking every endpoint',
    () => looksOf(session),
  );
  const atMonoMs = session.console.ports.clock.monoMs();
  const statuses = looks.flatMap(({ status }) => status ?? []);
  const [first] = statuses;
  if (first === undefined) {
    await session.api.status();
    throw new Fault('ERR_UNREACHABLE', `no endpoint answered within 2 s: ${looks.map(({ endpoint }) => endpoint).join(', ')}`);
  }
  const of: Case = { subject, before: { looks, pages: (await pagesSince(session, 0)) ?? [] } };
  const hooks = hooksOf(options);
  const refusals = await session.during(
    () => 'asking what a loss would need',
    () => refusalsOf(session, looks, reason, ttlOf(options)),
  );
  const unfinished = openIn(folder).map(({ id }) => `${id} is not taken back: tidegate drill abort ${id}`);
  return {
    drill,
    of,
    id: [PREFIX.slice(0, -1), drill.name, subject.replaceAll(/[^A-Za-z0-9_.-]/g, '_'), session.console.ports.random.hex(3)]
      .filter((part) => part !== '')
      .join('-'),
    cluster: first.cluster.name,
    reason,
    atMs: Math.max(...statuses.map(({ clusterTimeMs }) => clusterTimeMs)),
    atMonoMs,
    ...hooks,
    guards: [...faultGuards(drill, of, { refusals, onCall: onCallOf(options), unfinished }), hookGuard(hooks, drill)],
    expects,
    phases: phasesOf({ drill, of, expects }, past),
  };
};

const expectedText = ({ name, what }: Expectation, { expected, because }: Phase): string =>
  `${name}: ${what}; ${expected === null ? because : `${say(expected.ms)} (${expected.source}: ${expected.because})`}`;

const indented = (text: string): readonly string[] => wrap(text, 98).map((line) => `  ${line}`);

const planLines = ({ drill, of, id, guards, expects, phases, inject, restore, limitMs }: Plan, ttlMs: number): readonly string[] => [
  ...wrap(`${drill.name}${of.subject === '' ? '' : ` ${safe(of.subject)}`}: ${drill.does}`, 100),
  '',
  'must hold before it begins:',
  ...guards.flatMap(({ name, ok, because }) => indented(`${ok ? 'yes' : 'NO '}  ${name}: ${safe(because)}`)),
  '',
  'must be seen:',
  ...expects.flatMap((each) => indented(safe(expectedText(each, phases[each.name] ?? NOTHING)))),
  '  no route moves, no incident begins, and afterwards all is as it was',
  '',
  'ends early when: a route moves, an incident begins, somebody else falls silent, a pool is not up, another path fails, an order comes into',
  `force, no endpoint answers for ${say(BLIND_MS)}, it is told to stop, or ${spell(ttlMs)} are over`,
  '',
  `inject:  ${safe(inject ?? '--inject CMD is missing')}`,
  `restore: ${safe(restore ?? '--restore CMD is missing')}`,
  `each has ${spell(limitMs)}; restore is run whatever happens; undo: tidegate drill abort ${id}`,
];

// ---- acting ----

/** What lasts from one look to the next while the fault stands. */
interface Standing {
  plan: Plan;
  folder: string;
  stops: Stops;
  /** Monotonic, when the fault was in. */
  injectedMs: number;
}

/** Notes what is seen for the first time. Out: what has not been seen yet. */
const noteSeen = (
  { plan, injectedMs }: Standing,
  sight: Sight,
  kinds: readonly Expectation['kind'][],
  nowMs: number,
): readonly Expectation[] =>
  plan.expects.filter((each) => {
    const phase = plan.phases[each.name];
    if (phase === undefined || phase.expected === null || phase.ms !== null || !kinds.includes(each.kind)) return false;
    const seen = each.seen(sight, plan.of);
    if (seen === null) return true;
    const ms = seen.atMs === undefined ? nowMs - injectedMs : seen.atMs - plan.atMs - (injectedMs - plan.atMonoMs);
    plan.phases[each.name] = { ...phase, ms: Math.max(0, Math.round(ms)), because: seen.because.slice(0, 300) };
    return false;
  });

/** Seen, but later than it may be; or never. */
const lateIn = ({ expects, phases }: Plan): readonly string[] =>
  expects.flatMap(({ name, withinMs }) => {
    const { expected, ms } = phases[name] ?? NOTHING;
    if (expected === null) return [];
    if (ms === null) return [`${name} was not seen`];
    return ms <= withinMs ? [] : [`${name} was seen after ${say(ms)}, and ${say(withinMs)} were expected`];
  });

const WHILE = ['state', 'page'] as const;

/** While the fault stands: until all is seen that must be, or something ends it. */
const measure = (session: Session, standing: Standing, patienceMs: number, ttlMs: number): Promise<Ending> => {
  const { plan, folder, stops, injectedMs } = standing;
  const { clock } = session.console.ports;
  let missing: readonly Expectation[] = plan.expects.filter(({ kind }) => kind !== 'later');
  // What is told afterwards has to have been there: a store that is back at once is no page.
  const holdMs = Math.max(0, ...plan.expects.filter(({ kind }) => kind === 'later').map(({ withinMs }) => withinMs));
  let pages: readonly PageItem[] = [];
  const look = async (): Promise<Sight | null> => {
    const looks = await looksOf(session);
    if (missing.some(({ kind }) => kind === 'page')) pages = (await pagesSince(session, plan.atMs)) ?? pages;
    return looks.some(({ status }) => status !== null) ? { looks, pages } : null;
  };
  const judge = (sight: Sight): Ending | null => {
    const because = disturbance(plan.drill, sight, plan.of);
    if (because !== null) return { outcome: 'aborted', because };
    const nowMs = clock.monoMs();
    missing = noteSeen(standing, sight, WHILE, nowMs);
    const isLongEnough = nowMs - injectedMs >= holdMs;
    if (missing.length === 0 && isLongEnough) return { outcome: 'passed', because: '' };
    const limitMs = Math.min(ttlMs, Math.max(holdMs, ...missing.map(({ withinMs }) => withinMs)) + patienceMs);
    return nowMs - injectedMs > limitMs ? { outcome: 'missed', because: '' } : null;
  };
  const stopped = (): Ending | null => {
    if (stops.times() > 0) return { outcome: 'aborted', because: stops.because() };
    return isMarked(folder, plan.id) ? null : { outcome: 'aborted', because: 'tidegate drill abort took it back' };
  };
  const now = (): string =>
    `${plan.id} stands; ${missing.length === 0 ? 'long enough to be paged' : `not seen yet: ${missing.map(({ name }) => name).join(', ')}`}`;
  return watch(session, { now, look, judge, stopped, blind: nobodyAnswered, everyMs: LOOK_EVERY_MS });
};

/** Injects, and watches. What was begun is never known to be undone: whoever calls restores. */
const fault = async (session: Session, options: DrillOptions, standing: Standing, inject: string): Promise<Ending> => {
  const { plan, stops } = standing;
  const injected = await hook(session, 'inject', plan, inject, stops.signal);
  if (!injected.ok) return { outcome: 'aborted', because: stops.times() > 0 ? stops.because() : `--inject failed: ${injected.because}` };
  standing.injectedMs = session.console.ports.clock.monoMs();
  return measure(session, standing, patienceOf(options), ttlOf(options));
};

const hook = async (
  session: Session,
  what: 'inject' | 'restore',
  { id, of, drill, limitMs }: Pick<Plan, 'id' | 'of' | 'drill' | 'limitMs'>,
  command: string,
  signal?: AbortSignal,
): Promise<Hooked> => {
  const { console, note } = session;
  const env = { ...console.env, TIDEGATE_DRILL: drill.name, TIDEGATE_DRILL_ID: id, TIDEGATE_DRILL_SUBJECT: of.subject };
  const ended = await session.during(
    () => `${what}: ${command}`,
    () => runHook(console.ports, { command, env, limitMs, ...(signal === undefined ? {} : { signal }) }),
  );
  const words = ended.words.trim();
  if (words !== '') note(`${what} says: ${words}\n`);
  if (!ended.ok) note(`! ${what} failed: ${ended.because}\n`);
  return ended;
};

/** Until all is as it was, and what can only be told afterwards was. Out: ms; null: not in time, or somebody does not want to wait. */
const bringBack = async (session: Session, standing: Standing, patienceMs: number): Promise<{ ms: number | null; because: string }> => {
  const { plan, stops } = standing;
  const { clock } = session.console.ports;
  const restoredMs = clock.monoMs();
  const later = plan.expects.filter(({ kind, name }) => kind === 'later' && plan.phases[name]?.expected != null);
  let backMs: number | null = null;
  let rest: readonly string[] = [];
  const look = async (): Promise<Sight | null> => {
    const looks = await looksOf(session);
    const pages = later.length === 0 ? [] : ((await pagesSince(session, plan.atMs)) ?? []);
    return looks.some(({ status }) => status !== null) ? { looks, pages } : null;
  };
  const judge = (sight: Sight): true | null => {
    const nowMs = clock.monoMs();
    rest = notBack(plan.drill, sight, plan.of);
    const untold = noteSeen(standing, sight, ['later'], nowMs);
    backMs = rest.length > 0 ? null : (backMs ?? nowMs - restoredMs);
    if (backMs !== null && (untold.length === 0 || nowMs - restoredMs - backMs > patienceMs)) return true;
    return nowMs - restoredMs > RETURN_MS ? true : null;
  };
  await watch(session, {
    now: () => `${plan.id} is taken back; ${rest[0] ?? 'waiting for what is told afterwards'}`,
    look,
    judge,
    stopped: () => (stops.times() > 1 ? true : null),
    blind: true,
    everyMs: LOOK_EVERY_MS,
  });
  return { ms: backMs === null ? null : Math.round(backMs), because: rest[0] ?? 'nobody looked' };
};

const cardOf = (plan: Plan, options: DrillOptions, ending: Ending): Scorecard => ({
  id: plan.id,
  drill: plan.drill.name,
  cluster: plan.cluster,
  subject: plan.of.subject,
  by: userName(),
  onCall: options.onCall ?? '',
  reason: plan.reason,
  startedAtMs: plan.atMs,
  ...ending,
  services: [],
  goalMs: null,
  phases: plan.phases,
  guards: plan.guards,
});

/** What came of it: that it was cut short counts for more than what was not seen, and a fault that is still there for more than anything. */
const endingOf = (plan: Plan, ended: Ending, restored: Hooked, back: { ms: number | null; because: string }): Ending => {
  const trouble = [
    ...(restored.ok ? [] : [`--restore failed (${restored.because}): take it back by hand, or by tidegate drill abort ${plan.id}`]),
    ...(back.ms === null ? [`it was not seen to be back as it was: ${back.because}`] : []),
  ];
  if (ended.outcome === 'aborted' || !restored.ok)
    return { outcome: 'aborted', because: [...(ended.because === '' ? [] : [ended.because]), ...trouble].join('; ') };
  const wrong = [...lateIn(plan), ...trouble];
  return wrong.length > 0
    ? { outcome: 'missed', because: wrong.join('; ') }
    : { outcome: 'passed', because: 'what had to be seen was seen in time, nothing moved, and all is as it was' };
};

const act = async (
  session: Session,
  options: DrillOptions,
  plan: Plan,
  folder: string,
  inject: string,
  restore: string,
): Promise<number> => {
  const { drill, of, id, atMs } = plan;
  const stops = heedStops(session);
  markOpen(folder, { id, drill: drill.name, subject: of.subject, by: userName(), restore, startedAtMs: atMs });
  const standing: Standing = { plan, folder, stops, injectedMs: 0 };
  // Whatever happens to this command, what it injected is taken back.
  const ended = await fault(session, options, standing, inject).catch(
    (error: unknown): Ending => ({ outcome: 'aborted', because: errorText(error) }),
  );
  if (ended.outcome === 'aborted') session.note(`! aborted: ${safe(ended.because)}\n`);
  const restored = await hook(session, 'restore', plan, restore);
  if (restored.ok) unmark(folder, id);
  // What was cut short need not have been told of.
  const patienceMs = ended.outcome === 'aborted' ? 0 : patienceOf(options);
  const back = await bringBack(session, standing, patienceMs).catch((error: unknown) => ({ ms: null, because: errorText(error) }));
  plan.phases.returned = { expected: null, ms: back.ms };
  stops.release();
  return conclude(session, folder, cardOf(plan, options, endingOf(plan, ended, restored, back)));
};

/** Dry run unless `yes`. */
export const runFault = async (
  drill: FaultDrill,
  session: Session,
  options: DrillOptions,
  subject: string,
  folder: string,
  past: readonly Scorecard[],
): Promise<number> => {
  const plan = await planOf(session, options, drill, subject, folder, past);
  const { inject, restore, guards, phases } = plan;
  const lines = planLines(plan, ttlOf(options));
  const mayBegin = guards.every(({ ok }) => ok);
  if (options.yes !== true || !mayBegin || inject === null || restore === null)
    return shown(session, lines, { guards, expected: phases, inject, restore }, mayBegin);
  if (!session.json) session.note([...lines, '']);
  return act(session, options, plan, folder, inject, restore);
};

/** Takes back what a drill injected, by the command that it left; a command that still watches it then ends. */
export const restoreOpen = async (
  { id, drill, restore, subject }: OpenDrill,
  options: HookOptions & { scorecards?: string; yes?: boolean; dryRun?: boolean; json?: boolean },
  console: Console,
): Promise<number> => {
  demandConsent(options, console);
  const { limitMs } = hooksOf(options);
  console.err(`${safe(`restore: ${restore}`)}\n`);
  if (options.dryRun === true) return 0;
  if (options.yes !== true && !(await isWanted(console, `Run it to take ${safe(id)} back?`, null))) return ERRORS.ERR_USAGE.exit;
  const env = { ...console.env, TIDEGATE_DRILL: drill, TIDEGATE_DRILL_ID: id, TIDEGATE_DRILL_SUBJECT: subject };
  const { ok, because, words } = await runHook(console.ports, { command: restore, env, limitMs });
  if (words.trim() !== '') console.err(`${safeLines(`restore says: ${words.trim()}`)}\n`);
  if (!ok)
    throw new Fault('ERR_UNHEALTHY', `${id} is not taken back: ${because}; take it back by hand and remove ${id}.open from its folder`);
  unmark(options.scorecards ?? FOLDER, id);
  console.out(`${safe(`${id} is taken back`)}\n`);
  return 0;
};
