// lose-region at the desk: an order that is marked as a drill takes a region's traffic away, and has an end of its own, so that it is over in time even if
// nobody is left to end it.
import type { Forecast, OrderBody, StatusDocument } from '../../client/types.ts';
import { say } from '../../config/words.ts';
import type { Guard } from '../../drill/calm.ts';
import {
  abortReason,
  DRILL_PHASES,
  type DrillPhase,
  decidedAtMs,
  expectedOf,
  guardsOf,
  LOSE_REGION,
  lateBy,
  movedBy,
  stampsOf,
} from '../../drill/lose-region.ts';
import type { Expected, Phase, Scorecard } from '../../drill/scorecard.ts';
import { errorText, Fault } from '../../errors.ts';
import type { Override } from '../../model.ts';
import { userName } from '../apply.ts';
import { PREFIX } from './drill-cards.ts';
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
import { progressOfEnd } from './landing.ts';
import { reasonOf } from './orders.ts';
import type { Session } from './session.ts';
import { clockTime } from './status-text.ts';
import { subjectNamed } from './subject.ts';
import { safe, wrap } from './text.ts';

const LOOK_EVERY_MS = 500;

interface Plan {
  status: StatusDocument;
  body: OrderBody;
  id: string;
  region: string;
  services: readonly string[];
  forecast: Forecast | null;
  guards: readonly Guard[];
  expected: Readonly<Record<DrillPhase, Expected | null>>;
}

const planLines = ({ status, body, id, region, services, guards, expected }: Plan, ttlMs: number): readonly string[] => [
  ...wrap(`lose-region ${region}: drains it in ${services.length} services for at most ${say(ttlMs)}, measures, and lets it return`, 80),
  '',
  'must hold before it begins:',
  ...guards.flatMap(({ name, ok, because }) => wrap(`  ${ok ? 'yes' : 'NO '}  ${name}: ${safe(because)}`, 100)),
  '',
  'expected:',
  ...DRILL_PHASES.map((phase) => {
    const its = expected[phase];
    return `  ${phase.padEnd(9)} ${its === null ? 'not known until three drills were measured' : `${say(its.ms)} (${its.source}: ${safe(its.because)})`}`;
  }),
  `  the goal of convergence is ${say(status.cluster.goals.convergenceMs)}`,
  '',
  'ends early when: a vantage falls silent, an incident begins, a pool elsewhere is not up, the region really fails, a path fails, another order',
  `comes into force, or the status cannot be read for ${say(BLIND_MS)}`,
  '',
  `undo: tidegate drill abort ${id}; without it the order ends by itself after ${say(ttlMs)}`,
  `order: ${body.kind} ${region}, marked as a drill`,
];

const planOf = async (session: Session, options: DrillOptions, subject: string, past: readonly Scorecard[]): Promise<Plan> => {
  const { api, console } = session;
  const status = await session.during(() => 'asking', api.status);
  const region = subjectNamed(status, subject, ['region']).name;
  const services = movedBy(status, region).map(({ name }) => name);
  const body: OrderBody = {
    kind: 'drain',
    scope: { region },
    reason: reasonOf(options.reason),
    owner: userName(),
    ttlMs: ttlOf(options),
    drill: true,
  };
  const preview = await session.during(
    () => 'asking what would happen',
    () => api.preview(body),
  );
  const forecast = preview?.forecast ?? null;
  const refusals = preview?.refusals ?? forecast?.refusals ?? [];
  return {
    status,
    body,
    id: `${PREFIX}lose-region-${region}-${console.ports.random.hex(3)}`,
    region,
    services,
    forecast,
    guards: guardsOf(status, region, { refusals, forecast, onCall: onCallOf(options) }),
    expected: Object.fromEntries(
      DRILL_PHASES.map((phase) => [phase, expectedOf(phase, region, services, { past, forecast })]),
    ) as Plan['expected'],
  };
};

type Measured = Record<DrillPhase, number | null>;

const statusOf = ({ api }: Session): Promise<StatusDocument | null> =>
  api.status().catch((error: unknown) => {
    if (!(error instanceof Fault)) throw error;
    return null;
  });

const standing = ({ overrides }: StatusDocument, id: string): Override | undefined =>
  overrides.items.find((item) => item.id === id && item.active);

/** While its traffic is away. */
const measure = (session: Session, plan: Plan, order: Override, measured: Measured, patienceMs: number, stops: Stops): Promise<Ending> => {
  const { region, services, status } = plan;
  const goalMs = status.cluster.goals.convergenceMs;
  let t3AtMs: number | null = null;
  let stood = false;
  const judge = (seen: StatusDocument): Ending | null => {
    const because = abortReason(seen, region, order.id);
    if (because !== null) return { outcome: 'aborted', because };
    const stands = standing(seen, order.id) !== undefined;
    // An endpoint that is behind may not know it yet.
    if (stood && !stands) return { outcome: 'aborted', because: 'its order ended meanwhile: somebody else ended it, or its time was over' };
    stood ||= stands;
    const sinceMs = seen.clusterTimeMs - order.createdAtMs;
    t3AtMs ??= decidedAtMs(seen, services, region, order.createdAtMs);
    if (t3AtMs === null)
      return sinceMs > goalMs + patienceMs ? { outcome: 'missed', because: 'it was not obeyed; tidegate explain says why' } : null;
    const { done, ...stamps } = stampsOf(seen, services, order.createdAtMs, t3AtMs);
    Object.assign(measured, stamps);
    if (!done && seen.clusterTimeMs - t3AtMs <= goalMs + patienceMs) return null;
    if (!done) return { outcome: 'missed', because: `not seen to have arrived within ${say(goalMs + patienceMs)}` };
    const late = lateBy(phasesOf(plan, measured), goalMs);
    return late === null
      ? { outcome: 'passed', because: 'everything that is measured arrived in time' }
      : { outcome: 'missed', because: late };
  };
  return watch(session, {
    now: () => `measuring ${plan.id}`,
    look: () => statusOf(session),
    judge,
    stopped: () => (stops.times() > 0 ? { outcome: 'aborted', because: stops.because() } : null),
    blind: nobodyAnswered,
    everyMs: LOOK_EVERY_MS,
  });
};

const phasesOf = ({ expected }: Plan, measured: Measured): Readonly<Record<DrillPhase, Phase>> =>
  Object.fromEntries(DRILL_PHASES.map((phase) => [phase, { expected: expected[phase], ms: measured[phase] }])) as Readonly<
    Record<DrillPhase, Phase>
  >;

/** Ends the order and waits until all is as it was. Out: ms; null: not in time, or nobody knows. */
const bringBack = async (session: Session, order: Override, stops: Stops): Promise<number | null> => {
  const { console, api } = session;
  const { clock } = console.ports;
  const endedAtMs = clock.monoMs();
  await api.remove(order).catch((error: unknown) => {
    if (!(error instanceof Fault) || error.code !== 'ERR_NOT_FOUND') throw error;
  });
  const judge = (status: StatusDocument): boolean | null => {
    if (progressOfEnd(status, order).done) return true;
    return clock.monoMs() - endedAtMs > RETURN_MS ? false : null;
  };
  const isBack = await watch(session, {
    now: () => `${order.id} has ended; traffic returns`,
    look: () => statusOf(session),
    judge,
    stopped: () => (stops.times() > 1 ? false : null),
    blind: false,
    everyMs: LOOK_EVERY_MS,
  });
  return isBack ? Math.round(clock.monoMs() - endedAtMs) : null;
};

/** Nobody knows whether the order stands: it is looked for a while, and ended where it is found. */
const withdraw = async (session: Session, id: string, stops: Stops): Promise<void> => {
  const { clock } = session.console.ports;
  const untilMs = clock.monoMs() + BLIND_MS;
  const found = await watch<StatusDocument, Override | 'never'>(session, {
    now: () => `looking whether ${id} stands after all`,
    look: () => statusOf(session),
    judge: (seen) => standing(seen, id) ?? (clock.monoMs() > untilMs ? 'never' : null),
    stopped: () => (stops.times() > 1 ? 'never' : null),
    blind: 'never',
    everyMs: LOOK_EVERY_MS,
  });
  if (found !== 'never') await session.api.remove(found);
};

const act = async (session: Session, options: DrillOptions, plan: Plan, folder: string): Promise<number> => {
  const patienceMs = patienceOf(options);
  const stops = heedStops(session);
  const { override } = await session.api.put(plan.id, plan.body).catch(async (error: unknown) => {
    if (error instanceof Fault && error.code === 'ERR_UNDECIDED') await withdraw(session, plan.id, stops);
    stops.release();
    throw error;
  });
  const measured: Measured = { decided: null, written: null, served: null, users: null, returned: null };
  // Whatever happens to this command, what it injected is taken back.
  const ending = await measure(session, plan, override, measured, patienceMs, stops).catch(
    (error: unknown): Ending => ({ outcome: 'aborted', because: errorText(error) }),
  );
  if (ending.outcome === 'aborted') session.note(`! aborted: ${safe(ending.because)}\n`);
  measured.returned = await bringBack(session, override, stops).catch((error: unknown) => {
    session.note(`! the order could not be ended (${safe(errorText(error))}); it ends by itself at ${clockTime(override.expiresAtMs)}Z\n`);
    return null;
  });
  stops.release();
  const isBack = measured.returned !== null;
  const because = isBack ? ending.because : `${ending.because}; it was not seen to be back as it was`;
  const card: Scorecard = {
    id: plan.id,
    drill: LOSE_REGION,
    cluster: plan.status.cluster.name,
    subject: plan.region,
    by: plan.body.owner,
    onCall: options.onCall ?? '',
    reason: plan.body.reason,
    startedAtMs: override.createdAtMs,
    outcome: isBack || ending.outcome === 'aborted' ? ending.outcome : 'missed',
    because,
    services: plan.services,
    goalMs: plan.status.cluster.goals.convergenceMs,
    phases: phasesOf(plan, measured),
    guards: plan.guards,
  };
  return conclude(session, folder, card);
};

/** Dry run unless `yes`. In: the region, and what drills have measured. */
export const loseRegion = async (
  session: Session,
  options: DrillOptions,
  subject: string,
  folder: string,
  past: readonly Scorecard[],
): Promise<number> => {
  const plan = await planOf(session, options, subject, past);
  const lines = planLines(plan, ttlOf(options));
  const mayBegin = plan.guards.every(({ ok }) => ok);
  if (options.yes !== true || !mayBegin)
    return shown(session, lines, { guards: plan.guards, expected: plan.expected, order: plan.body }, mayBegin);
  if (!session.json) session.note([...lines, '']);
  return act(session, options, plan, folder);
};
