// `tidegate advise`: which deployment model fits, from what must be met and what is so. Asks nobody and reads nothing: the answers are options.
import { parseDuration } from '../config/fields.ts';
import { say } from '../config/words.ts';
import { Fault } from '../errors.ts';
import { type Advice, type Answers, adviseOn } from '../runbook/advise.ts';
import { plain, table } from './desk/text.ts';
import type { Saying } from './open.ts';

export interface AdviseOptions {
  rto?: string;
  rtt?: string;
  singleWriter?: string;
  consistency?: string;
  budget?: string;
  coldStart?: string;
  pinned?: string;
  serveBoth?: string;
  regionBound?: string;
  /** One object on stdout instead of text. */
  json?: boolean;
}

/** How each answer is given. */
const OPTIONS: Readonly<Record<keyof Answers, string>> = {
  rtoMs: '--rto',
  rttMs: '--rtt',
  singleWriter: '--single-writer',
  consistency: '--consistency',
  budget: '--budget',
  coldStartMs: '--cold-start',
  pinned: '--pinned',
  serveBoth: '--serve-both',
  regionBound: '--region-bound',
};

const refuse = (option: string, given: string, expected: string): never => {
  throw new Fault('ERR_USAGE', `${option} ${given}: expected ${expected}`);
};

const durationOf = (option: string, given: string | undefined): number | undefined =>
  given === undefined ? undefined : (parseDuration(given) ?? refuse(option, given, 'a duration like 60s, 80ms or 15m'));

const YES_NO: Readonly<Record<string, boolean>> = { yes: true, no: false };

const yesNoOf = (option: string, given: string | undefined): boolean | undefined => {
  if (given === undefined) return undefined;
  return Object.hasOwn(YES_NO, given) ? YES_NO[given] : refuse(option, given, 'yes or no');
};

const budgetOf = (given: string | undefined): Answers['budget'] => {
  if (given === undefined || given === 'one-fleet' || given === 'two-fleets') return given;
  return refuse(OPTIONS.budget, given, 'one-fleet or two-fleets');
};

/** Throws Fault ERR_USAGE for what is no answer. */
const answersOf = (options: AdviseOptions): Answers => {
  const all = {
    rtoMs: durationOf(OPTIONS.rtoMs, options.rto),
    rttMs: durationOf(OPTIONS.rttMs, options.rtt),
    singleWriter: yesNoOf(OPTIONS.singleWriter, options.singleWriter),
    consistency: yesNoOf(OPTIONS.consistency, options.consistency),
    budget: budgetOf(options.budget),
    coldStartMs: durationOf(OPTIONS.coldStartMs, options.coldStart),
    pinned: yesNoOf(OPTIONS.pinned, options.pinned),
    serveBoth: yesNoOf(OPTIONS.serveBoth, options.serveBoth),
    regionBound: yesNoOf(OPTIONS.regionBound, options.regionBound),
  };
  return Object.fromEntries(Object.entries(all).filter(([, answer]) => answer !== undefined));
};

const COLUMNS = 150;

const MET: Readonly<Record<'true' | 'false' | 'null', string>> = {
  true: 'met',
  false: 'not met by any model that the other answers allow',
  null: 'no RTO was said',
};

const textOf = ({ model, recoveryMs, meets, reasons, costs, fits, missing }: Advice): string => {
  const rows = fits.map((fit) => {
    const verdict = fit.model === model ? 'recommended' : fit.against.length === 0 ? 'nothing is against it' : fit.against.join('; ');
    return [fit.model, `up to ${say(fit.recoveryMs)}`, verdict];
  });
  const lines = [
    `${model}: up to ${say(recoveryMs)} from the failure; ${MET[`${meets}`]}`,
    '',
    ...reasons.map((reason) => `why        ${reason}`),
    ...costs.map((cost) => `costs      ${cost}`),
    '',
    ...table(['MODEL', 'RECOVERY', 'VERDICT'], rows, { columns: COLUMNS, paint: plain, wraps: true }),
    ...(missing.length === 0 ? [] : ['', ...missing.map(({ answer, changes }) => `not said   ${OPTIONS[answer].padEnd(15)} ${changes}`)]),
    '',
    'Times are assumed until drills have measured them here.',
  ];
  return `${lines.join('\n')}\n`;
};

/** Exit code 0, also when nothing meets what is wanted: that is an answer. Throws Fault ERR_USAGE. */
export const advise = (options: AdviseOptions, { out }: Saying): number => {
  const answers = answersOf(options);
  const advice = adviseOn(answers);
  out(options.json === true ? `${JSON.stringify({ answers, ...advice })}\n` : textOf(advice));
  return 0;
};
