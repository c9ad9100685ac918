// What `tidegate apply` prints: what changes, who then votes, how long the worst case takes, and what came of it; as text or as one object. Pure.
import type { Pace } from '../config/arithmetic.ts';
import { electorateReport, regionReport, worstCaseReport } from '../config/report.ts';
import { plural } from '../config/words.ts';
import type { ClusterConfig } from '../model.ts';

/** What came of applying a file. */
export interface Told {
  /** `planned`: it would be applied. `overtaken`: somebody else's version came in between. */
  outcome: 'applied' | 'unchanged' | 'planned' | 'refused' | 'overtaken';
  cluster: string;
  /** Of the configuration that the store holds now; 0: none. */
  version: number;
  /** Of `before`: who applied it, when and why; empty when nobody knows. */
  author: string;
  before: ClusterConfig | null;
  after: ClusterConfig;
  diff: readonly string[];
  /** Why it was refused. */
  because: readonly string[];
  warnings: readonly string[];
  pace: Pace;
}

const SAID: Readonly<Record<Told['outcome'], (told: Told) => string>> = {
  applied: (told) => {
    const next =
      told.before !== null && electorateLines(told).length > 0 ? '; wait until every voter reports it before you change voters again' : '';
    return `applied: ${told.cluster} is at version ${told.version}${next}`;
  },
  unchanged: ({ cluster, version }) => `unchanged: ${cluster} stays at version ${version}, which says the same`,
  planned: ({ cluster, after }) => `nothing was written: this would be version ${after.version} of ${cluster}`,
  refused: ({ cluster, version, because }) =>
    `refused for ${plural(because.length, 'reason')}; nothing was written, ${cluster} stays at version ${version}`,
  overtaken: ({ version }) =>
    `overtaken: version ${version} was applied while this one was looked at; nothing was written. The changes above are against version ${version}: look at them, then apply again`,
};

const indented = (lines: readonly string[]): readonly string[] => lines.map((line) => `  ${line}`);

/** Voters of before and after, when they differ. */
const electorateLines = ({ before, after }: Told): readonly string[] => {
  const now = electorateReport(after);
  if (before === null) return ['Regions', ...regionReport(after), '', 'Electorates', ...now, ''];
  const old = electorateReport(before);
  if (old.join('\n') === now.join('\n')) return [];
  return ['Electorates before', ...old, '', 'Electorates after', ...now, ''];
};

const changeLines = (told: Told): readonly string[] => {
  const { before, diff, author, after, pace } = told;
  const from = before === null ? 'the first configuration of this store' : `version ${before.version}${author === '' ? '' : `, ${author}`}`;
  return [`Changes from ${from}`, ...indented(diff), '', ...electorateLines(told), ...worstCaseReport(after, pace), ''];
};

/** `to`: what went wrong belongs on stderr. Texts end in a newline. */
export const tell = (told: Told, file: string): { text: string; data: string; to: 'out' | 'err' } => {
  const { outcome, cluster, version, before, diff, because, warnings } = told;
  const lines = [
    `${file}: accepted, ${plural(warnings.length, 'warning')}`,
    ...warnings,
    '',
    ...(outcome === 'unchanged' ? [] : changeLines(told)),
    ...because.map((reason) => `${file}: ${reason}`),
    SAID[outcome](told),
  ];
  const data = { outcome, cluster, version, from: before?.version ?? 0, diff, because, warnings };
  return {
    text: `${lines.join('\n')}\n`,
    data: `${JSON.stringify(data)}\n`,
    to: outcome === 'refused' || outcome === 'overtaken' ? 'err' : 'out',
  };
};
