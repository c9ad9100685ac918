// Platforms, plans and runs as text: where each is active and how ready it is, what a run would do, how far one is and what it asks, measured beside
// estimated. Pure.
import type { Platform, PlatformList, Run, RunItem, RunList, RunPlan, RunStep, Settled } from '../../client/types.ts';
import { plural } from '../../config/words.ts';
import { isOfMode } from '../../runbook/model.ts';
import { clockTime, dayTime, type Screen } from './status-text.ts';
import { bad, type CellText, fit, good, idle, span, table, took, warn, wordsOf, wrap } from './text.ts';

const INDENT = '  ';
const onGoing = (word: string): CellText => ({ text: `> ${word}`, tone: 'bold' });

/** A sentence of any length, its later lines set in. */
const say = (text: string, { columns }: Screen): readonly string[] =>
  wrap(text, columns - INDENT.length).map((line, at) => (at === 0 ? line : `${INDENT}${line}`));

/** `40.2s to 2m`; `200ms` where both are the same. */
const estimateText = ({ p50Ms, p95Ms }: { p50Ms: number; p95Ms: number }): string =>
  took(p50Ms) === took(p95Ms) ? took(p50Ms) : `${took(p50Ms)} to ${took(p95Ms)}`;

const moveText = ({ mode, purpose, from, to }: Pick<RunPlan, 'mode' | 'purpose' | 'from' | 'to'>): string =>
  `${mode} ${purpose} ${from} -> ${to}`;

const byWhom = ({ cause }: Pick<RunItem, 'cause'>): string =>
  cause.kind === 'order'
    ? `ordered by ${cause.by}: ${cause.reason}${cause.ticket === undefined ? '' : ` [${cause.ticket}]`}`
    : cause.kind === 'incident'
      ? `for ${cause.incident}: ${cause.because}`
      : cause.because;

// ---- runs ----

const runCell = ({ state, waiting }: Pick<RunItem, 'state' | 'waiting'>): CellText => {
  if (waiting.length > 0) return warn(state === 'proposed' ? 'proposed' : 'asks');
  switch (state) {
    case 'done':
      return good('done');
    case 'failed':
      return bad('failed');
    case 'running':
    case 'stopping':
    case 'undoing':
      return onGoing(state);
    case 'proposed':
      return warn('proposed');
    default:
      return idle(state);
  }
};

const STEP_CELLS: Readonly<Record<RunStep['state'], CellText>> = {
  pending: idle('pending'),
  asking: warn('asking'),
  acting: onGoing('acting'),
  done: good('done'),
  skipped: idle('skipped'),
  failed: bad('failed'),
  undoing: onGoing('undoing'),
  undone: idle('undone'),
};

const personsText = (persons: number, by: readonly string[]): string =>
  `${plural(persons, 'person')} to agree${by.length === 0 ? '' : ` (${by.join(', ')} did)`}`;

type Waits = RunItem['waiting'][number];

/** How to answer it. */
const commandsFor = ({ run, step, wants }: Waits): readonly string[] => {
  if (wants === 'answer') return [`tidegate answer ${run} ${step} retry|skip|stop --reason WHY`];
  return [`tidegate approve-run ${run}${step === null ? '' : ` --step ${step}`}`];
};

/** What it asks, and the command that answers, which has to be whole to be copied. */
const askLines = (waits: Waits, nowMs: number, screen: Screen): readonly string[] => {
  const { step, wants, persons, by, untilMs, because } = waits;
  const what = wants === 'answer' ? `asks: ${because}` : `asks for ${personsText(persons, by)}${step === null ? `: ${because}` : ''}`;
  const until = untilMs === null ? '' : ` (${span(untilMs - nowMs)} left)`;
  return [
    ...say(`! ${step ?? 'to begin it'} ${what}${until}`, screen).map((line) => screen.paint('warn', line)),
    ...commandsFor(waits).map((command) => `${INDENT}${command}`),
  ];
};

const stepsText = ({ progress: { done, of } }: Pick<RunItem, 'progress'>): string => `${done} of ${of}`;

/** A line of the table for each, and below it what has to be whole: its id, and what it asks. */
const withBelow = (lines: readonly string[], below: readonly (readonly string[])[]): readonly string[] => {
  const [head = '', ...rows] = lines;
  return [head, ...rows.flatMap((row, at) => [row, ...(below[at] ?? [])])];
};

/** `isOpen`: only open ones were asked for. */
export const runsLines = ({ items, total, clusterTimeMs }: RunList, isOpen: boolean, screen: Screen): readonly string[] => {
  if (items.length === 0) return [isOpen ? 'nothing moves; --all shows what did' : 'no run was ever made'];
  const rows = items.map((item): readonly CellText[] => [
    runCell(item),
    span(clusterTimeMs - item.createdAtMs),
    stepsText(item),
    item.tookMs === null ? '-' : took(item.tookMs),
    estimateText(item.estimate.whole),
    item.platform,
  ]);
  const below = items.map(({ waiting, ...item }) => [
    `${INDENT}${item.id}  ${moveText(item)}`,
    ...waiting.flatMap((each) => askLines(each, clusterTimeMs, screen)),
  ]);
  const left = total - items.length;
  return [
    ...withBelow(table(['STATE', 'AGE', 'STEPS', 'TOOK', 'ESTIMATE', 'PLATFORM'], rows, screen), below),
    ...(left === 0 ? [] : [`and ${left} more; --limit ${total}`]),
  ];
};

const stepRow = (step: RunStep): readonly CellText[] => [
  STEP_CELLS[step.state],
  step.id,
  step.tookMs === null ? '-' : took(step.tookMs),
  estimateText(step.estimate),
];

/** Why it stands as it does; of one whose turn has not come nothing. One that waits although it is due has a reason, and that is what is looked for. */
const stepBelow = ({ state, because, approvedBy, startedAtMs }: RunStep, { columns }: Screen): readonly string[] => {
  const words = [
    ...(state === 'pending' && startedAtMs === null ? [] : [because]),
    ...(approvedBy.length === 0 ? [] : [`agreed: ${approvedBy.join(', ')}`]),
  ].filter((text) => text !== '');
  return words.length === 0 ? [] : wrap(words.join('; '), columns - INDENT.length).map((line) => `${INDENT}${line}`);
};

const begunText = ({ startedAtMs, endedAtMs, tookMs, recoveryMs }: Run): string => {
  if (startedAtMs === null) return 'not begun';
  const served = recoveryMs === null ? '' : `, recovered in ${took(recoveryMs)}`;
  return `begun ${dayTime(startedAtMs)}Z${served}, ${took(tookMs ?? 0)} ${endedAtMs === null ? 'so far' : 'in all'}`;
};

/** Steps of the other mode are left out. */
export const runLines = ({ run, clusterTimeMs }: { run: Run; clusterTimeMs: number }, screen: Screen): readonly string[] => {
  const { progress, approval, executor, aborted, estimate } = run;
  const steps = run.steps.filter((step) => isOfMode(step, run.mode));
  const isSaid = aborted !== null && run.because.includes(aborted.reason);
  const of = `${progress.done} of ${plural(progress.of, 'step')} over`;
  return [
    run.id,
    ...say(`${run.platform} (${run.model}): ${moveText(run)}`, screen),
    ...say(byWhom(run), screen),
    ...say(`${wordsOf(runCell(run))}${byWhom(run).startsWith(run.because) ? '' : `: ${run.because}`}`, screen),
    ...(aborted === null || isSaid ? [] : say(`stopped by ${aborted.by}: ${aborted.reason}`, screen)),
    ...(approval === null
      ? []
      : say(`agreed: ${approval.by.join(', ') || 'nobody'} (${approval.by.length} of ${approval.persons})`, screen)),
    ...say(`${begunText(run)}; ${of}`, screen),
    ...say(`estimated: recovered in ${estimateText(estimate.recovery)}, ${estimateText(estimate.whole)} in all`, screen),
    ...(executor === null ? [] : say(`carried out by ${executor.region}/${executor.replica}`, screen)),
    '',
    ...withBelow(
      table(['STATE', 'STEP', 'TOOK', 'ESTIMATE'], steps.map(stepRow), screen),
      steps.map((step) => stepBelow(step, screen)),
    ),
    ...(run.waiting.length === 0 ? [] : ['', ...run.waiting.flatMap((each) => askLines(each, clusterTimeMs, screen))]),
  ];
};

const STEP_OVER: readonly RunStep['state'][] = ['done', 'skipped', 'failed', 'undone'];

/** A line for each step that has ended, and each question, since the run was seen like `before`. */
export const newsLines = (
  before: Run | null,
  { run, clusterTimeMs }: { run: Run; clusterTimeMs: number },
  screen: Screen,
): readonly string[] => {
  const was = (id: string): RunStep['state'] | undefined => before?.steps.find((step) => step.id === id)?.state;
  const over = run.steps
    .filter((step) => isOfMode(step, run.mode) && STEP_OVER.includes(step.state) && was(step.id) !== step.state)
    .map((step) => {
      const at = step.endedAtMs === null ? clusterTimeMs : step.endedAtMs;
      const words = `${wordsOf(STEP_CELLS[step.state]).padEnd(10)} ${step.id}`;
      return fit(`${clockTime(at)}Z  ${words}  ${step.tookMs === null ? '-' : took(step.tookMs)}  ${step.because}`, screen.columns);
    });
  const asked = new Set((before?.waiting ?? []).map(({ step, wants, untilMs }) => `${step} ${wants} ${untilMs}`));
  const asks = run.waiting.filter(({ step, wants, untilMs }) => !asked.has(`${step} ${wants} ${untilMs}`));
  return [...over, ...asks.flatMap((each) => askLines(each, clusterTimeMs, screen))];
};

// ---- a plan ----

export const planLines = (plan: RunPlan, screen: Screen): readonly string[] => {
  const { steps, estimate, approvals, cannotUndo, losses } = plan;
  const rows = steps.map(({ id, phase, estimate: each }): readonly CellText[] => [
    `${estimate.recovery.path.includes(id) ? '*' : ' '} ${id}`,
    phase,
    `${estimateText(each)}${each.source === 'seed' ? ' ?' : ''}`,
  ]);
  return [
    ...say(`${plan.platform} (${plan.model}): ${moveText(plan)}, ${plural(steps.length, 'step')}`, screen),
    ...say(
      `recovered in ${estimateText(estimate.recovery)}, ${estimateText(estimate.whole)} in all (p50 to p95, persons not counted)`,
      screen,
    ),
    '* on the longest way to recovery; ? assumed, not measured here yet',
    '',
    ...withBelow(
      table(['  STEP', 'PHASE', 'ESTIMATE'], rows, screen),
      steps.map(({ target }) => wrap(target, screen.columns - 4).map((line) => `    ${line}`)),
    ),
    ...(approvals.length + cannotUndo.length + losses.length === 0 ? [] : ['']),
    ...approvals.flatMap(({ step, persons }) =>
      say(
        step === null
          ? `! ${plural(persons, 'more person')} to agree before it begins`
          : `! ${plural(persons, 'person')} to agree before ${step}`,
        screen,
      ),
    ),
    ...losses.flatMap((loss) => say(`! ${loss}`, screen)),
    ...cannotUndo.flatMap(({ step, because }) => say(`! cannot be taken back: ${step}: ${because}`, screen)),
  ];
};

// ---- platforms ----

type Ready = NonNullable<Platform['readiness']>;

const isBad = ({ is }: Ready['lines'][number]): boolean => is !== 'good';

const readyCell = (readiness: Platform['readiness']): CellText => {
  if (readiness === null) return idle('not yet');
  const text = String(Math.round(readiness.score));
  const ails = readiness.lines.filter(isBad);
  if (ails.some(({ weight }) => weight === 'must')) return bad(text);
  return ails.length > 0 ? warn(text) : good(text);
};

const nowCell = ({ openRun }: Platform): CellText => (openRun === null ? idle('nothing') : runCell(openRun));

const lastText = ({ lastRuns: [last] }: Platform, nowMs: number): string =>
  last === undefined ? '-' : `${took(last.tookMs)}, ${span(nowMs - last.atMs)} ago`;

const activeText = ({ active, sinceAtMs }: Platform, nowMs: number): string =>
  sinceAtMs === null ? active : `${active}, ${span(nowMs - sinceAtMs)}`;

export const platformsLines = ({ items, clusterTimeMs }: PlatformList, screen: Screen): readonly string[] => {
  if (items.length === 0) return ['no platform is configured'];
  const rows = items.map((item): readonly CellText[] => [
    item.name,
    item.model,
    activeText(item, clusterTimeMs),
    readyCell(item.readiness),
    nowCell(item),
    lastText(item, clusterTimeMs),
  ]);
  const asking = items.flatMap(({ openRun }) => openRun?.waiting ?? []);
  return [
    ...table(['PLATFORM', 'MODEL', 'ACTIVE', 'READY', 'NOW', 'LAST MOVE'], rows, screen),
    ...asking.flatMap((each) => askLines(each, clusterTimeMs, screen)),
  ];
};

const RANK = { bad: 0, unknown: 1, good: 2 } as const;
const WEIGHT = { must: 0, should: 1 } as const;

const auditLines = (readiness: Ready, screen: Screen): readonly string[] => {
  const ails = readiness.lines.filter(isBad).toSorted((a, b) => WEIGHT[a.weight] - WEIGHT[b.weight] || RANK[a.is] - RANK[b.is]);
  return ails.flatMap(({ check, of, is, weight, because, fix }) => {
    const isGrave = weight === 'must';
    const lines = [...say(`${isGrave ? '✗' : '!'} ${weight} ${check}, ${of}: ${is === 'unknown' ? 'not known: ' : ''}${because}`, screen)];
    return [
      ...lines.map((line) => screen.paint(isGrave ? 'bad' : 'warn', line)),
      ...(fix === '' ? [] : wrap(`fix: ${fix}`, screen.columns - INDENT.length).map((line) => `${INDENT}${line}`)),
    ];
  });
};

/** `orders: written in eu-west; us-east: expected loss now: 3.2 s / 48 MB, measured 4 s ago`. */
const dataText = (
  { database, writer, because, split, settled, fenced, unproved, standbys }: Platform['databases'][number],
  nowMs: number,
): string =>
  [
    split === null
      ? `${database}: ${writer === null ? `proved writable nowhere: ${because}` : `written in ${writer}`}`
      : `${database}: ${split.join(' and ')} both take writes`,
    ...(settled === null ? [] : [`by the word of ${settled.by}, ${span(nowMs - settled.atMs)} ago: ${settled.reason}`]),
    ...(fenced.length === 0 ? [] : [`said to take no writes: ${fenced.join(', ')}`]),
    ...(unproved === null || because.includes(unproved.because) ? [] : [`no row: ${unproved.because}`]),
    ...standbys.map((standby) => `${standby.region}: ${standby.because}`),
  ].join('; ');

type Models = NonNullable<Platform['llm']>;

/** `eu-west: on azure, 2 of 2, for 12m, seen 20s ago; 1 switch in 10m`. */
const modelsText = (llm: Models, nowMs: number): string => {
  const { churn, regions, alarms } = llm;
  const told = alarms.map(({ is, region }) =>
    is === 'last' ? 'every region is on the last' : `${region}: ${is === 'churn' ? 'it switches too often' : 'degraded'}`,
  );
  const each = regions.map(({ region, known, because, sinceAtMs, lookedAtMs, switches }) => {
    const since = known && sinceAtMs !== null ? `, for ${span(nowMs - sinceAtMs)}` : '';
    const seen = lookedAtMs === null ? '' : `, ${known ? 'seen' : 'looked at'} ${span(nowMs - lookedAtMs)} ago`;
    const often = switches === 0 ? '' : `, ${plural(switches, 'switch', 'switches')} in ${span(churn.windowMs)}`;
    return `${region}: ${because}${since}${seen}${often}`;
  });
  return [...each, ...(told.length === 0 ? [] : [`told: ${told.join(', ')}`])].join('; ');
};

const SEEN = { writes: 'takes writes', reads: 'follows', unseen: 'not seen: nobody here can tell' } as const;

/** What is seen of a database, and what a human's word about it means. */
export const settleLines = ({ settlement, undo }: Settled, screen: Screen): readonly string[] => {
  const { platform, database, seen, meaning, reason } = settlement;
  return [
    ...say(`${platform}/${database}: ${reason}`, screen),
    '',
    ...table(
      ['REGION', 'SEEN', 'AGO'],
      seen.map(({ region, is, agoMs }) => [region, is === 'unseen' ? warn(SEEN[is]) : SEEN[is], agoMs === null ? '' : span(agoMs)]),
      screen,
    ),
    '',
    ...meaning.flatMap((each) => say(`- ${each}`, screen)),
    ...(undo === null ? [] : ['', ...say(`undo: ${undo.cli}`, screen)]),
  ];
};

const TRIGGERS = { off: 'only humans begin runs', propose: 'a run waits for approval', auto: 'runs begin by themselves' } as const;

export const platformLines = (
  { platform, clusterTimeMs }: { platform: Platform; clusterTimeMs: number },
  screen: Screen,
): readonly string[] => {
  const { name, model, regions, services, active, sinceAtMs, because, trigger, failback, openRun, readiness, databases, llm, lastRuns } =
    platform;
  const named = (label: string, text: string): readonly string[] =>
    wrap(text, screen.columns - 10).map((line, at) => `${at === 0 ? label.padEnd(10) : ' '.repeat(10)}${line}`);
  return [
    ...say(`${name} (${model})`, screen),
    ...named('active', `${active}${sinceAtMs === null ? '' : ` since ${dayTime(sinceAtMs)}Z`}: ${because}`),
    ...named('regions', regions.map((region, at) => (at === 0 ? `${region} (home)` : region)).join(', ')),
    ...named('services', services.join(', ') || 'none: nobody reaches it by a route of ours'),
    ...named('begins', `${trigger}: ${TRIGGERS[trigger]}; failback: ${failback}`),
    ...named(
      'ready',
      readiness === null ? 'not audited yet' : `${wordsOf(readyCell(readiness))} of 100, ${span(clusterTimeMs - readiness.atMs)} ago`,
    ),
    ...(readiness === null ? [] : auditLines(readiness, screen)),
    ...databases.flatMap((each) => named('data', dataText(each, clusterTimeMs))),
    // An older replica tells of none.
    ...(llm == null ? [] : named('models', modelsText(llm, clusterTimeMs))),
    ...(openRun === null
      ? named('now', 'nothing moves it')
      : [
          ...named('now', `${openRun.id}: ${moveText(openRun)}, ${openRun.progress.done} of ${plural(openRun.progress.of, 'step')} over`),
          ...openRun.waiting.flatMap((each) => askLines(each, clusterTimeMs, screen)),
        ]),
    ...(lastRuns.length === 0
      ? []
      : [
          '',
          ...table(
            ['LAST RUNS', 'WHAT', 'TOOK', 'AGO'],
            lastRuns.map(({ run, mode, purpose, tookMs, atMs }) => [run, `${mode} ${purpose}`, took(tookMs), span(clusterTimeMs - atMs)]),
            screen,
          ),
        ]),
  ];
};
