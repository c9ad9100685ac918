// The commands of drills. A drill is shown first, with what must hold, what is expected and how it is undone; it acts only with --yes. What it does is an order
// with an end of its own, so that it is over in time even if nobody is left to end it. Scorecards are files in a folder, and feed what is expected next time.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Forecast, OrderBody, StatusDocument } from '../../client/types.ts';
import { say } from '../../config/words.ts';
import {
  abortReason,
  DRILL_PHASES,
  type DrillPhase,
  decidedAtMs,
  type Expected,
  expectedOf,
  type Guard,
  guardsOf,
  lateBy,
  markdownOf,
  movedBy,
  type Scorecard,
  stampsOf,
} from '../../drill/lose-region.ts';
import { ERRORS, errorText, Fault } from '../../errors.ts';
import type { Override } from '../../model.ts';
import { isoTime, sleep } from '../../ports.ts';
import { userName } from '../apply.ts';
import { oneLine } from '../providers.ts';
import { progressOfEnd } from './landing.ts';
import { durationOf } from './look.ts';
import { end, reasonOf } from './orders.ts';
import { type Console, type LookOptions, type Session, withSession } from './session.ts';
import { clockTime, dayTime } from './status-text.ts';
import { subjectNamed } from './subject.ts';
import { jsonLine, safe, table, wrap } from './text.ts';

export interface DrillOptions extends LookOptions {
  region: string;
  reason: string;
  onCall?: string;
  ttl?: string;
  /** After the goal has passed: how long it waits for the rest. */
  timeout?: string;
  scorecards?: string;
  yes?: boolean;
}

export interface HistoryOptions {
  scorecards?: string;
  json?: boolean;
}

const DRILLS = [
  {
    name: 'lose-region',
    does: 'drains a region in every service by an order that is marked as a drill and ends by itself, measures how long users take to leave, and brings it back by the ramp',
    needs: 'three regions, the others able to carry it, nothing else going on, somebody who watches',
  },
] as const;
const FOLDER = 'drills';
const TTL = { defaultMs: 15 * 60_000, maxMs: 4 * 3_600_000 } as const;
const RETURN_MS = 15 * 60_000;
const LOOK_EVERY_MS = 500;
/** The status cannot be read for so long: what goes on is not known, so the drill ends. */
const BLIND_MS = 15_000;
const FILE_BYTES_MAX = 256 * 1024;
const FILES_MAX = 1000;
const PREFIX = 'drill-';

const isCard = (value: unknown): value is Scorecard =>
  typeof value === 'object' && value !== null && 'drill' in value && 'phases' in value && 'startedAtMs' in value;

/** Oldest first. A folder that is not there has none; a file that is none of ours is a mistake that is said. */
const cardsIn = (folder: string): readonly Scorecard[] => {
  let names: readonly string[];
  try {
    names = readdirSync(folder).filter((name) => name.startsWith(PREFIX) && name.endsWith('.json'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw new Fault('ERR_RECORD', `--scorecards ${folder}: ${errorText(error)}`);
  }
  const cards = names.slice(-FILES_MAX).map((name): Scorecard => {
    const file = join(folder, name);
    try {
      const text = readFileSync(file, 'utf8');
      const card: unknown = text.length > FILE_BYTES_MAX ? null : JSON.parse(text);
      if (isCard(card)) return card;
    } catch (error) {
      throw new Fault('ERR_RECORD', `${file}: ${errorText(error)}; move it out of the folder`);
    }
    throw new Fault('ERR_RECORD', `${file} is no scorecard of tidegate drill; move it out of the folder`);
  });
  return cards.toSorted((a, b) => a.startedAtMs - b.startedAtMs);
};

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

const planOf = async (session: Session, options: DrillOptions, past: readonly Scorecard[]): Promise<Plan> => {
  const { api, console } = session;
  const status = await session.during(() => 'asking', api.status);
  const region = subjectNamed(status, options.region, ['region']).name;
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
  const onCall = options.onCall === undefined ? null : oneLine('--on-call', options.onCall);
  return {
    status,
    body,
    id: `${PREFIX}lose-region-${region}-${console.ports.random.hex(3)}`,
    region,
    services,
    forecast,
    guards: guardsOf(status, region, { refusals, forecast, onCall }),
    expected: Object.fromEntries(
      DRILL_PHASES.map((phase) => [phase, expectedOf(phase, region, services, { past, forecast })]),
    ) as Plan['expected'],
  };
};

const ttlOf = ({ ttl }: Pick<DrillOptions, 'ttl'>): number => {
  const ms = durationOf('--ttl', ttl, TTL.defaultMs);
  if (ms > TTL.maxMs) throw new Fault('ERR_USAGE', `--ttl ${ttl}: a drill stands for 4h at most`);
  return ms;
};

type Measured = Record<DrillPhase, number | null>;
interface Ending {
  outcome: Scorecard['outcome'];
  because: string;
}

/** Looks until `judge` has an answer. A status that cannot be read for a while is one too. */
const watch = async <T>(session: Session, now: () => string, judge: (status: StatusDocument) => T | null, blind: T): Promise<T> => {
  const { console, api } = session;
  const { clock, timers } = console.ports;
  let seenAtMs = clock.monoMs();
  return session.during(now, async () => {
    for (;;) {
      const status = await api.status().catch((error: unknown) => {
        if (!(error instanceof Fault)) throw error;
        return null;
      });
      if (status !== null) seenAtMs = clock.monoMs();
      const answer = status === null ? null : judge(status);
      if (answer !== null) return answer;
      if (clock.monoMs() - seenAtMs > BLIND_MS) return blind;
      await sleep(timers, LOOK_EVERY_MS);
    }
  });
};

/** While its traffic is away. */
const measure = (session: Session, plan: Plan, order: Override, measured: Measured, patienceMs: number): Promise<Ending> => {
  const { region, services, status } = plan;
  const goalMs = status.cluster.goals.convergenceMs;
  let t3AtMs: number | null = null;
  const judge = (seen: StatusDocument): Ending | null => {
    const because = abortReason(seen, region, order.id);
    if (because !== null) return { outcome: 'aborted', because };
    const sinceMs = seen.clusterTimeMs - order.createdAtMs;
    t3AtMs ??= decidedAtMs(seen, services, region, order.createdAtMs);
    if (t3AtMs === null)
      return sinceMs > goalMs + patienceMs ? { outcome: 'missed', because: 'it was not obeyed; tidegate explain says why' } : null;
    const { done, ...stamps } = stampsOf(seen, services, order.createdAtMs, t3AtMs);
    Object.assign(measured, stamps);
    if (!done && seen.clusterTimeMs - t3AtMs <= goalMs + patienceMs) return null;
    if (!done) return { outcome: 'missed', because: `not seen to have arrived within ${say(goalMs + patienceMs)}` };
    const late = lateBy({ phases: phasesOf(plan, measured), goalMs });
    return late === null
      ? { outcome: 'passed', because: 'everything that is measured arrived in time' }
      : { outcome: 'missed', because: late };
  };
  return watch(session, () => `measuring ${plan.id}`, judge, { outcome: 'aborted', because: `nobody answered for ${say(BLIND_MS)}` });
};

const phasesOf = ({ expected }: Plan, measured: Measured): Scorecard['phases'] =>
  Object.fromEntries(DRILL_PHASES.map((phase) => [phase, { expected: expected[phase], ms: measured[phase] }])) as Scorecard['phases'];

/** Ends the order and waits until all is as it was. Out: ms; null: not in time, or nobody knows. */
const bringBack = async (session: Session, order: Override): Promise<number | null> => {
  const { console, api } = session;
  const { clock } = console.ports;
  const endedAtMs = clock.monoMs();
  await api.remove(order);
  const judge = (status: StatusDocument): boolean | null => {
    if (progressOfEnd(status, order).done) return true;
    return clock.monoMs() - endedAtMs > RETURN_MS ? false : null;
  };
  const isBack = await watch(session, () => `${order.id} has ended; traffic returns`, judge, false);
  return isBack ? Math.round(clock.monoMs() - endedAtMs) : null;
};

const keep = (folder: string, card: Scorecard): string => {
  const file = join(folder, card.id);
  mkdirSync(folder, { recursive: true });
  writeFileSync(`${file}.json`, `${JSON.stringify(card, null, 2)}\n`);
  writeFileSync(`${file}.md`, markdownOf(card, isoTime));
  return `${file}.md`;
};

const act = async (session: Session, options: DrillOptions, plan: Plan): Promise<number> => {
  const { console, api } = session;
  const patienceMs = durationOf('--timeout', options.timeout, 60_000);
  const { override } = await api.put(plan.id, plan.body);
  const release = console.onInterrupt(
    () =>
      `the drill stands until ${clockTime(override.expiresAtMs)}Z, and then ends by itself; end it now: tidegate drill abort ${plan.id}`,
  );
  const measured: Measured = { decided: null, written: null, served: null, users: null, returned: null };
  // Whatever happens to this command, what it injected is taken back.
  const ending = await measure(session, plan, override, measured, patienceMs).catch(
    (error: unknown): Ending => ({ outcome: 'aborted', because: errorText(error) }),
  );
  if (ending.outcome === 'aborted') session.note(`! aborted: ${safe(ending.because)}\n`);
  measured.returned = await bringBack(session, override).catch((error: unknown) => {
    session.note(`! the order could not be ended (${safe(errorText(error))}); it ends by itself at ${clockTime(override.expiresAtMs)}Z\n`);
    return null;
  });
  release();
  const isBack = measured.returned !== null;
  const because = isBack ? ending.because : `${ending.because}; it was not seen to be back as it was`;
  const card: Scorecard = {
    id: plan.id,
    drill: 'lose-region',
    cluster: plan.status.cluster.name,
    region: plan.region,
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
  const file = keep(options.scorecards ?? FOLDER, card);
  if (session.json) console.out(jsonLine(card));
  else console.out(`${safe(`${card.id}: ${card.outcome}: ${card.because}`)}\n${file}\n`);
  return card.outcome === 'passed' ? 0 : card.outcome === 'missed' ? ERRORS.ERR_TIMEOUT.exit : ERRORS.ERR_UNHEALTHY.exit;
};

/** Dry run unless `yes`. */
export const run = async (name: string, options: DrillOptions, console: Console): Promise<number> => {
  if (!DRILLS.some((drill) => drill.name === name))
    throw new Fault('ERR_USAGE', `no drill is called "${name}"; there are: ${DRILLS.map((drill) => drill.name).join(', ')}`);
  const ttlMs = ttlOf(options);
  durationOf('--timeout', options.timeout, 60_000);
  const past = cardsIn(options.scorecards ?? FOLDER);
  return withSession(options, console, async (session) => {
    const plan = await planOf(session, options, past);
    const unmet = plan.guards.filter(({ ok }) => !ok);
    if (options.yes === true && unmet.length === 0) {
      if (!session.json) session.note([...planLines(plan, ttlMs), '']);
      return act(session, options, plan);
    }
    if (session.json)
      console.out(
        jsonLine({ outcome: unmet.length === 0 ? 'planned' : 'refused', guards: plan.guards, expected: plan.expected, order: plan.body }),
      );
    else
      console.out(
        `${planLines(plan, ttlMs).join('\n')}\n${unmet.length > 0 ? 'it may not begin' : 'nothing was done: add --yes to do it'}\n`,
      );
    return unmet.length === 0 ? 0 : ERRORS.ERR_REFUSED.exit;
  });
};

export const drillList = (console: Console): number => {
  console.out(
    `${DRILLS.flatMap(({ name, does, needs }) => [name, ...wrap(`  ${does}`, 100), ...wrap(`  needs: ${needs}`, 100)]).join('\n')}\n`,
  );
  return 0;
};

const isDrill = ({ drill, leftMs }: StatusDocument['overrides']['items'][number]): boolean => drill === true && leftMs > 0;

/** Drills that go on, whoever began them: an order that is marked as one. */
export const drillStatus = (options: LookOptions, console: Console): Promise<number> =>
  withSession(options, console, async (session) => {
    const status = await session.during(() => 'asking', session.api.status);
    const drills = status.overrides.items.filter(isDrill);
    session.show(drills, (clean) =>
      clean.length === 0
        ? ['no drill goes on']
        : clean.map(
            ({ id, kind, obeyed, because, expiresAtMs }) =>
              `${id}: ${kind}, ${obeyed ? 'obeyed' : 'not obeyed'}: ${because}; ends by itself at ${clockTime(expiresAtMs)}Z`,
          ),
    );
    return 0;
  });

/** Ends one: what it injected is taken back, and traffic returns by the ramp. */
export const drillAbort = async (id: string, options: LookOptions & { yes?: boolean }, console: Console): Promise<number> => {
  await withSession(options, console, async ({ api }) => {
    const order = (await api.status()).overrides.items.find((each) => each.id === id);
    if (order !== undefined && order.drill !== true)
      throw new Fault('ERR_USAGE', `${id} is no drill; end it with tidegate override end ${id}`);
  });
  return end([], id, options, console);
};

export const drillHistory = ({ scorecards = FOLDER, json }: HistoryOptions, console: Console): number => {
  const cards = cardsIn(scorecards);
  if (json === true) {
    console.out(jsonLine(cards));
    return 0;
  }
  const rows = cards.map(({ startedAtMs, drill, region, outcome, phases, because }) => [
    dayTime(startedAtMs),
    `${drill} ${region}`,
    outcome,
    phases.users.ms === null ? '-' : say(phases.users.ms),
    phases.returned.ms === null ? '-' : say(phases.returned.ms),
    because,
  ]);
  const lines =
    rows.length === 0
      ? [`no drill is recorded in ${scorecards}`]
      : table(
          ['ORDERED', 'DRILL', 'OUTCOME', 'USERS LEFT', 'BACK', 'BECAUSE'],
          rows.map((row) => row.map(safe)),
          console.screen(),
        );
  console.out(`${lines.join('\n')}\n`);
  return 0;
};
