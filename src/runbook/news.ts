// What people are told of a run: the pages of one change of it, for the transaction of that change. All pages of one run are one thread. Pure.
import { page } from '../decide/incident.ts';
import type { ClusterConfig, Page, Severity } from '../model.ts';
import { isOfMode, type Run, type Span, type Step } from './model.ts';
import { leftWaiting, standingOf, wantsPersons } from './run.ts';
import { phrase, seconds } from './words.ts';

/** Who tells it. */
export interface Teller {
  cluster: ClusterConfig;
  /** Pages of a replica are its own, by their ids. */
  region: string;
  replica: string;
  nowMs: number;
  /** How long the run should take; null: nobody knows. */
  estimateOf?: (run: Run) => Span | null;
  /** What it may lose by what is known now; null: nothing that is measured. */
  lossOf?: (run: Run) => string | null;
}

const loud = ({ purpose }: Run): Severity => (purpose === 'failover' ? 'critical' : 'warning');

const what = ({ platform, purpose, mode, from, to }: Run): string => `${platform}: ${mode} ${purpose} from ${from} to ${to}`;

const why = ({ cause }: Run): string => (cause.kind === 'order' ? `ordered by ${cause.by}: ${cause.reason}` : cause.because);

const lossOf = (run: Run, teller: Teller): string => {
  const loss = teller.lossOf?.(run) ?? null;
  return loss === null ? '' : `; ${loss}`;
};

/** `before` null: it is new. `after` is as it is written, with its nonce. */
export const newsOf = (before: Run | null, after: Run, teller: Teller): readonly Page[] => [
  ...stateNews(before, after, teller),
  ...after.plan.flatMap((step) => askingNews(before, after, step, teller)),
];

/** It is paged as failed: that it did not begin in time is, too, and that it ended and left clients waiting. */
export const isFailure = (run: Run, nowMs: number): boolean => {
  const { state, approval, aborted } = run;
  if (state === 'failed' || leftWaiting(run).length > 0) return true;
  return state === 'dropped' && approval !== undefined && aborted === undefined && nowMs >= approval.untilMs;
};

/** Ends the pages of a run that failed before this one moved its platform: nothing else would, since what has been followed is not taken back. */
export const followedNews = (failed: string, by: Run, teller: Teller): Page => {
  const told = pageOf(
    { ...by, id: failed },
    teller,
    'runbook.done',
    'info',
    `${failed} failed before; by now ${by.id} has moved ${by.platform} to ${by.to}`,
  );
  return { ...told, detail: { ...told.detail, followedBy: by.id } };
};

/** The same run, by hand. */
const againBy = ({ platform, purpose, mode, to }: Run): string =>
  `tidegate ${purpose === 'failback' ? 'failback' : 'failover'} ${platform} --to ${to} --${mode}${purpose === 'drill' ? ' --drill' : ''} --reason WHY`;

const stateNews = (before: Run | null, after: Run, teller: Teller): readonly Page[] => {
  if (before?.state === after.state) return [];
  switch (after.state) {
    case 'proposed':
      return [
        pageOf(
          after,
          teller,
          'runbook.proposed',
          loud(after),
          `${what(after)} waits for agreement: ${why(after)}${lossOf(after, teller)}`,
          {
            commands: [`tidegate approve-run ${after.id}`, `tidegate abort ${after.id} --reason WHY`],
          },
        ),
      ];
    case 'running':
      return [pageOf(after, teller, 'runbook.started', 'info', `${what(after)} has begun: ${why(after)}${lossOf(after, teller)}`)];
    case 'failed':
      return [
        pageOf(after, teller, 'runbook.failed', loud(after), `${what(after)} failed: ${after.because}`, {
          commands: [`tidegate undo-run ${after.id} --reason WHY`, ...freeing(after)],
        }),
      ];
    case 'done':
      return [doneNews(after, teller)];
    case 'aborted':
      return [stoppedNews(after, teller)];
    case 'dropped':
      return [
        isFailure(after, teller.nowMs)
          ? pageOf(after, teller, 'runbook.lapsed', loud(after), `${what(after)} did not begin, and nothing has moved: ${after.because}`, {
              commands: [againBy(after)],
            })
          : pageOf(after, teller, 'runbook.aborted', 'info', `${what(after)} did not begin: ${after.because}`),
      ];
    case 'undone':
      return [pageOf(after, teller, 'runbook.undone', 'info', `${what(after)}: ${after.because}`)];
    default:
      return [];
  }
};

/** By hand, at each pooler's console: whoever was cut is let in first. */
const freeing = (run: Run): readonly string[] =>
  leftWaiting(run).map(
    ({ system, database }) => `at the console of pooler ${system}: ENABLE ${database}; RECONNECT ${database}; RESUME ${database}`,
  );

const stoppedNews = (run: Run, teller: Teller): Page => {
  const summary = `${what(run)} was stopped: ${run.because}`;
  const commands = freeing(run);
  if (commands.length === 0) return pageOf(run, teller, 'runbook.aborted', 'info', summary);
  return pageOf(run, teller, 'runbook.held', loud(run), summary, { commands: [`tidegate undo-run ${run.id} --reason WHY`, ...commands] });
};

/** Steps that were passed over whose meaning is told with them: a page is short. */
const MEANINGS_MAX = 2;

const doneNews = (run: Run, teller: Teller): Page => {
  const tookMs = (run.endedAtMs ?? teller.nowMs) - (run.startedAtMs ?? run.createdAtMs);
  const estimate = teller.estimateOf?.(run) ?? null;
  const beside = estimate === null ? '' : ` (estimated ${seconds(estimate.p50Ms)} to ${seconds(estimate.p95Ms)})`;
  const passed = run.plan.filter((step) => isOfMode(step, run.mode)).filter(({ id }) => standingOf(run, id).state === 'skipped');
  const meaning = ({ id, ifPassed }: Step, at: number): string =>
    ifPassed === undefined || at >= MEANINGS_MAX ? id : `${id} (${ifPassed})`;
  const more = passed.length > MEANINGS_MAX ? `; tidegate run ${run.id} says what each means` : '';
  const without = passed.length === 0 ? '' : `; without ${passed.map(meaning).join(', ')}${more}`;
  const summary = `${what(run)} is done, ${seconds(tookMs)} after it began${beside}${without}`;
  const commands = freeing(run);
  // Nothing of the run lets them go: whoever knows that the old writer writes no more does, or the run that leads back.
  const [type, severity, held] =
    commands.length === 0 ? (['runbook.done', 'info', ''] as const) : (['runbook.held', loud(run), `; ${run.because}`] as const);
  return pageOf(run, teller, type, severity, `${summary}${held}`, {
    ...(commands.length === 0 ? {} : { commands }),
    tookMs,
    ...(estimate === null ? {} : { estimate: { p50Ms: estimate.p50Ms, p95Ms: estimate.p95Ms } }),
  });
};

const askingNews = (before: Run | null, after: Run, step: Step, teller: Teller): readonly Page[] => {
  const at = standingOf(after, step.id);
  const was = before === null ? null : standingOf(before, step.id);
  // Asked anew is another question.
  if (after.state !== 'running' || at.state !== 'asking' || (was?.state === 'asking' && was.askedUntilMs === at.askedUntilMs)) return [];
  const detail = (commands: readonly string[]): Page['detail'] => ({ step: step.id, commands, because: at.because });
  if (wantsPersons(step, at)) {
    const left = step.approvals - (at.approvedBy?.length ?? 0);
    const summary = `${what(after)}: ${step.id} (${step.target}) waits for ${left === 1 ? 'one person' : `${left} persons`} to agree`;
    return [pageOf(after, teller, 'runbook.asking', loud(after), summary, detail([`tidegate approve-run ${after.id} --step ${step.id}`]))];
  }
  const answer = (choice: string): string => `tidegate answer ${after.id} ${step.id} ${choice} --reason WHY`;
  const passed = step.ifPassed === undefined ? '' : `; if it is skipped, ${step.ifPassed}`;
  const summary = `${what(after)}: ${step.id} (${step.target}) asks what to do: ${at.because}${passed}`;
  return [pageOf(after, teller, 'runbook.asking', loud(after), summary, detail(['retry', 'skip', 'stop'].map(answer)))];
};

const pageOf = (
  run: Run,
  { cluster, region, replica, nowMs }: Teller,
  type: string,
  severity: Severity,
  summary: string,
  more: Page['detail'] = {},
): Page => {
  const services = cluster.platforms?.find(({ name }) => name === run.platform)?.services ?? [];
  const made = page({ cluster, v: 0, nonce: run.nonce, nowMs }, type, severity, phraseOf(summary), `run-${run.id}`, {
    ...more,
    run: run.id,
    platform: run.platform,
    purpose: run.purpose,
    mode: run.mode,
    regions: [run.from, run.to],
    services,
    ...(run.cause.kind === 'incident' ? { incident: run.cause.incident } : {}),
  });
  // One change of a run may ask about several steps.
  const about = typeof more.step === 'string' ? `-${more.step.replaceAll(/[^A-Za-z0-9_-]/g, '_')}` : '';
  return { ...made, id: `${region}.${replica}-${run.nonce}-${made.id}${about}` };
};

const SUMMARY_CHARS_MAX = 900;
const phraseOf = (text: string): string => (text.length <= 300 ? phrase(text) : text.slice(0, SUMMARY_CHARS_MAX));
