// What every command says of a file that is not accepted.
import { type Problem, renderProblem } from '../config/problem.ts';
import { reportProblems } from '../config/report.ts';
import { ERRORS } from '../errors.ts';
import type { Saying } from './open.ts';

/** Says that a file is not accepted, with every problem at its place. Out: the exit code. */
export const sayProblems = (problems: readonly Problem[], json: boolean | undefined, { out, err }: Saying): number => {
  if (json === true) out(`${JSON.stringify({ outcome: 'not-accepted', because: problems.map(renderProblem) })}\n`);
  else err(reportProblems(problems));
  return ERRORS.ERR_CONFIG.exit;
};
