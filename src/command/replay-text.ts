// What `tidegate replay` prints: what was recorded, how far to trust it, the moves of both policies side by side; as text or as one object. Pure.
import { list, plural, say } from '../config/words.ts';
import type { BacktestResult, RecorderResult, Side } from '../drill/backtest.ts';
import { type Difference, differenceOf, type Row, sideBySide } from '../drill/moves.ts';
import { isoTime } from '../ports.ts';

export interface Replayed {
  result: BacktestResult;
  /** Of the other configuration; null: none was given. */
  file: string | null;
  warnings: readonly string[];
  /** Files whose last line was cut off in mid-write. */
  cut: readonly string[];
  files: number;
}

/** Shown in text; `--json` has all. */
const ROWS_MAX = 200;
const DIFFERENT_MAX = 5;

const USE: Readonly<Record<RecorderResult['use'], string>> = {
  'as cast': 'its votes are taken as they were cast: without its looks, other thresholds do not show in them',
  'same thresholds': 'its votes are taken as they were cast: its thresholds are the same',
  'made anew': 'its votes are made anew from its looks, and count without the way through the store (tens of ms)',
};

const trustLines = ({ trust, dropped }: BacktestResult): readonly string[] => {
  const { checked, same, late, lateMaxMs, unseen, differing, different } = trust;
  const parts = [`${same} of ${plural(checked, 'recorded decision')} reproduced at the same time`];
  if (late > 0) parts.push(`${late} reproduced, but made up to ${say(lateMaxMs)} apart`);
  if (differing > 0) parts.push(`${differing} not reproduced`);
  if (unseen > 0) parts.push(`${unseen} missing in the recording`);
  if (dropped > 0) parts.push(`${plural(dropped, 'line')} dropped by the recorder`);
  const trusted =
    checked === 0
      ? 'nothing was decided meanwhile, so nothing could be checked'
      : differing > 0
        ? 'what follows is as far off as those'
        : 'what follows can be relied on';
  return [
    `trust      ${parts.join(', ')}: ${trusted}`,
    ...different
      .slice(0, DIFFERENT_MAX)
      .map(({ v, atMs, because, expected }) => `           ${isoTime(atMs)} decision ${v}: ${because}; replayed: ${expected}`),
  ];
};

const recorderLine = ({ by, looks, votes, use }: RecorderResult, compares: boolean): string => {
  const own = looks === 0 ? 'no looks' : `${plural(looks, 'look')}, which reproduce ${votes.same} of ${plural(votes.checked, 'own vote')}`;
  return `looks      ${by}: ${own}${compares ? `; ${USE[use]}` : ''}`;
};

const recordLines = ({ result, file, files, cut }: Replayed): readonly string[] => {
  const { fromAtMs, toAtMs, sights, recorders, silent } = result;
  const hours = Math.floor((toAtMs - fromAtMs) / 3_600_000);
  const minutes = ((toAtMs - fromAtMs) % 3_600_000) / 60_000;
  const span = hours > 0 ? `${hours} h ${Math.round(minutes)} min` : `${Math.round(minutes * 10) / 10} min`;
  return [
    `record     ${plural(files, 'file')} of ${list(recorders.map(({ by }) => by))}, ${isoTime(fromAtMs)} to ${isoTime(toAtMs)} (${span}), decided on ${plural(sights, 'time', 'times')}`,
    ...cut.map((path) => `           ${path} ends in mid-write; everything before is used`),
    ...trustLines(result),
    ...recorders.map((each) => recorderLine(each, file !== null)),
    ...(silent.length > 0 && file !== null ? [`           ${list(silent)}: no recording of its own looks here; ${USE['as cast']}`] : []),
  ];
};

const apart = ({ first, second }: Row): string => (first === null || second === null ? '' : say(Math.abs(second.atMs - first.atMs)));

const WORDS: Readonly<Record<Difference, (row: Row) => string>> = {
  same: () => 'same',
  earlier: (row) => `${apart(row)} earlier`,
  later: (row) => `${apart(row)} later`,
  'only-first': () => 'only as recorded',
  'only-second': () => 'only new',
};

const rowLines = (row: Row, compares: boolean): readonly string[] => {
  const { first, second, change } = row;
  const atMs = first?.atMs ?? second?.atMs ?? 0;
  const because = first?.because ?? second?.because ?? '';
  const difference = differenceOf(row);
  const other = first !== null && second !== null && difference !== 'same' && second.because !== first.because ? second.because : null;
  return [
    `  ${isoTime(atMs)}  ${compares ? `${WORDS[difference](row).padEnd(17)}` : ''}${change}`,
    `      ${because}`,
    ...(other === null ? [] : [`      ${isoTime(second?.atMs ?? 0)} new: ${other}`]),
  ];
};

const holdsText = ({ holds }: Side): string =>
  Object.keys(holds).length === 0
    ? 'nothing held'
    : Object.entries(holds)
        .map(([hold, n]) => `${hold} ${n}`)
        .join(', ');

const countText = (rows: readonly Row[]): string => {
  const n = (kind: Difference): number => rows.filter((row) => differenceOf(row) === kind).length;
  const apartMost = Math.max(0, ...rows.map(({ first, second }) => (first && second ? Math.abs(second.atMs - first.atMs) : 0)));
  const shifted = n('earlier') + n('later');
  const parts = [
    `${n('same')} the same`,
    `${shifted} at another time${shifted > 0 ? ` (by up to ${say(apartMost)})` : ''}`,
    `${n('only-first')} only as recorded`,
    `${n('only-second')} only new`,
  ];
  return rows.length === n('same')
    ? `no difference: ${plural(rows.length, 'move')}, all the same`
    : `${plural(rows.length, 'move')}: ${parts.join(', ')}`;
};

/** Texts end in a newline. */
export const tellReplay = (replayed: Replayed): { text: string; data: string } => {
  const { result, file, warnings } = replayed;
  const { recorded, next, notes } = result;
  const rows = sideBySide(recorded.moves, file === null ? recorded.moves : next.moves);
  const compares = file !== null;
  const lines = [
    ...recordLines(replayed),
    `config     as recorded: version ${recorded.cluster.version} of ${recorded.cluster.name}${compares ? `; new: ${file}` : ''}`,
    ...warnings.map((warning) => `           ${warning}`),
    ...notes.map((note) => `note       ${note}`),
    '',
    compares ? 'Moves as recorded, and what the new configuration would have made of them' : 'Moves',
    ...(rows.length === 0 ? ['  none'] : rows.slice(0, ROWS_MAX).flatMap((row) => rowLines(row, compares))),
    ...(rows.length > ROWS_MAX ? [`  and ${rows.length - ROWS_MAX} more; --json has them all`] : []),
    '',
    `Holds      as recorded: ${holdsText(recorded)}${compares ? `; new: ${holdsText(next)}` : ''}`,
    compares ? countText(rows) : plural(rows.length, 'move'),
  ];
  const side = ({ cluster, moves, holds }: Side) => ({ cluster: cluster.name, version: cluster.version, moves, holds });
  const data = {
    fromAtMs: result.fromAtMs,
    toAtMs: result.toAtMs,
    sights: result.sights,
    dropped: result.dropped,
    cut: replayed.cut,
    recorders: result.recorders,
    unrecorded: result.silent,
    trust: result.trust,
    notes,
    warnings,
    recorded: side(recorded),
    ...(compares ? { new: side(next), differences: rows.map((row) => ({ ...row, difference: differenceOf(row) })) } : {}),
  };
  return { text: `${lines.join('\n')}\n`, data: `${JSON.stringify(data)}\n` };
};
