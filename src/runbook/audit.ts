// Is a platform as its model needs it to be, now that nothing happens? A score, and what to do about the rest. Pure.
import { modelOf } from '../../policies/index.ts';
import type { AuditLine, Readiness, Steady } from './facts.ts';
import type { PlatformConfig } from './platform.ts';

const WEIGHTS: Readonly<Record<AuditLine['weight'], number>> = { must: 3, should: 1 };

const weightOf = (lines: readonly AuditLine[]): number => lines.reduce((sum, { weight }) => sum + WEIGHTS[weight], 0);

/** Rounded down: 100 is everything. Nothing that is asked is nothing that is missing. */
const scoreOf = (lines: readonly AuditLine[]): number => {
  const asked = weightOf(lines);
  return asked === 0 ? 100 : Math.floor((100 * weightOf(lines.filter(({ is }) => is === 'good'))) / asked);
};

export const readinessOf = (platform: PlatformConfig, steady: Steady): Readiness => {
  const lines = modelOf(platform.model).audit(platform, steady);
  return { platform: platform.name, atMs: steady.atMs, score: scoreOf(lines), lines };
};

const lineText = ({ check, of, is, weight, because, fix }: AuditLine): string =>
  `${is.padEnd(8)} ${weight.padEnd(7)} ${check} of ${of}: ${because}${fix === '' ? '' : `; to do: ${fix}`}`;

/** The score, then a line for each thing that was asked. */
export const readinessLines = ({ platform, score, lines }: Readiness): readonly string[] => {
  const n = (is: AuditLine['is']): number => lines.filter((line) => line.is === is).length;
  return [`${platform}: ready to ${score} of 100; ${n('bad')} bad, ${n('unknown')} unknown, ${n('good')} good`, ...lines.map(lineText)];
};
