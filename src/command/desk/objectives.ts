// `tidegate objectives`: what things may take beside what they take, from each region; what is over its bound first, with what helps.
import type { ObjectiveCell, ObjectiveList } from '../../client/types.ts';
import { ERRORS, Fault } from '../../errors.ts';
import type { LookOptions } from './session.ts';
import { type Console, withSession } from './session.ts';
import type { Screen } from './status-text.ts';
import { bad, type CellText, good, table, took, warn, wrap } from './text.ts';

export interface ObjectivesOptions extends LookOptions {
  check?: boolean;
}

type Item = ObjectiveList['items'][number];

const RANK = { breach: 0, unknown: 1, good: 2 } as const;
const INDENT = '    ';

const verdictCell = ({ verdict }: ObjectiveCell): CellText =>
  verdict === 'good' ? good('good') : verdict === 'breach' ? bad('over') : warn('unknown');

const whereOf = ({ from, to }: ObjectiveCell): string => (from === to ? `in ${to}` : `${from} to ${to}`);
const whatOf = ({ objective, of }: ObjectiveCell): string => (of === objective ? objective : `${objective} ${of}`);

const indented = (text: string, screen: Screen): readonly string[] =>
  wrap(text, screen.columns - INDENT.length).map((line) => `${INDENT}${line}`);

const overLines = (cell: ObjectiveCell, screen: Screen): readonly string[] => [
  ...wrap(`${whatOf(cell)}, ${whereOf(cell)}: ${cell.because}`, screen.columns),
  ...cell.remedies.flatMap((remedy) => indented(`- ${remedy}`, screen)),
];

/** Those that are not known for the same reason are told together. */
const unknownLines = (cells: readonly ObjectiveCell[], screen: Screen): readonly string[] =>
  [...Map.groupBy(cells, ({ because }) => because)].flatMap(([because, those]) => [
    ...wrap(`not known: ${because}`, screen.columns),
    ...indented(those.map((cell) => `${whatOf(cell)} ${whereOf(cell)}`).join(', '), screen),
  ]);

const itemLines = ({ platform, objectives, cells }: Item, screen: Screen): readonly string[] => {
  const sorted = cells.toSorted((a, b) => RANK[a.verdict] - RANK[b.verdict]);
  const rows = sorted.map((cell): readonly CellText[] => [
    whatOf(cell),
    whereOf(cell),
    cell.ms === null ? '-' : took(cell.ms),
    took(cell.maxMs),
    verdictCell(cell),
    cell.role,
  ]);
  const unasked = objectives.filter(({ measured }) => !measured).map(({ name }) => name);
  const none =
    unasked.length === 0
      ? []
      : wrap(`not measured, since the platform names nothing to measure them by: ${unasked.join(', ')}`, screen.columns);
  return [
    platform,
    ...(rows.length === 0 ? [] : table(['OBJECTIVE', 'WHERE', 'MEASURED', 'BELOW', 'IS', 'ROLE'], rows, screen)),
    ...sorted.filter(({ verdict }) => verdict === 'breach').flatMap((cell) => overLines(cell, screen)),
    ...unknownLines(
      sorted.filter(({ verdict }) => verdict === 'unknown'),
      screen,
    ),
    ...none,
  ];
};

export const objectivesLines = ({ items }: Pick<ObjectiveList, 'items'>, screen: Screen): readonly string[] =>
  items.length === 0 ? ['no platform is configured'] : items.flatMap((item, at) => [...(at === 0 ? [] : ['']), ...itemLines(item, screen)]);

/** Exit code with `--check`: 3 when something is over its bound or not known. Throws Fault ERR_NOT_FOUND for a platform that is not there. */
export const objectives = (name: string | undefined, options: ObjectivesOptions, console: Console): Promise<number> =>
  withSession(options, console, async (session) => {
    const found = await session.during(() => 'asking', session.api.objectives);
    const items = found.items.filter(({ platform }) => name === undefined || platform === name);
    if (name !== undefined && items.length === 0)
      throw new Fault(
        'ERR_NOT_FOUND',
        `no platform ${name}; there are ${found.items.map(({ platform }) => platform).join(', ') || 'none'}`,
      );
    session.show({ ...found, items }, objectivesLines);
    const isGood = items.every(({ cells }) => cells.every(({ verdict }) => verdict === 'good'));
    return options.check === true && !isGood ? ERRORS.ERR_UNHEALTHY.exit : 0;
  });
