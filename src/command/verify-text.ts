// What `tidegate verify` shows: a table by step, and below it what to do about what is not good. Pure.
import type { StepName, VerifyLine } from '../verify/line.ts';
import type { Screen } from './desk/status-text.ts';
import { bad, type CellText, good, idle, table, warn, wrap } from './desk/text.ts';

const NAMES: Readonly<Record<StepName, string>> = {
  migration: 'migration',
  rollout: 'rollout',
  guards: 'guards',
  health: 'health',
  namespaces: 'namespaces',
  llm: 'llm chain',
};

const CELLS: Readonly<Record<VerifyLine['is'], CellText>> = {
  ok: good('ok'),
  waiting: idle('not yet'),
  failed: bad('failed'),
  unknown: warn('unknown'),
};

export const verifyLines = (lines: readonly VerifyLine[], screen: Screen): readonly string[] => {
  if (lines.length === 0)
    return ['nothing to look at: the platform names no fleets, services or namespaces in these regions, and has no section verify'];
  const rows = lines.map(({ step, region, of, is }): readonly CellText[] => [NAMES[step], region, CELLS[is], of]);
  const wrong = lines.filter(({ is }) => is !== 'ok');
  const told = wrong.flatMap(({ of, region, because, fix }) => [
    ...wrap(`${of}, ${region}: ${because}`, screen.columns),
    ...wrap(fix, screen.columns - 4).map((line) => `    ${line}`),
  ]);
  const count = `${lines.length - wrong.length} of ${lines.length} are as they should be`;
  return [...table(['STEP', 'REGION', 'IS', 'WHAT'], rows, screen), ...(told.length === 0 ? [] : ['', ...told]), '', count];
};
