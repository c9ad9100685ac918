// `tidegate explain`: why a service, a pool or a region stands as it does: who votes what, how that is counted, what is held, and what would change it. Pure.
import type { StatusDocument } from '../../client/types.ts';
import { voiceIn } from '../../client/voice.ts';
import { plural } from '../../config/words.ts';
import { isInForce } from '../../decide/override.ts';
import { scopeText, servedState } from './findings.ts';
import { routeText, type Screen, untilText } from './status-text.ts';
import type { Subject } from './subject.ts';
import { bad, type CellText, good, idle, roundPercent, span, table, warn, wrap } from './text.ts';

type Pool = Subject['pools'][number]['pool'];
type Target = Pool['targets'][number];

const verdictCell = (verdict: string): CellText =>
  verdict === 'up' ? good('up') : verdict === 'out' || verdict === 'down' ? bad(verdict) : warn(verdict);

const CELLS: Readonly<Record<string, CellText>> = {
  up: good('up'),
  down: bad('down'),
  unready: bad('unready'),
  unknown: warn('unknown'),
  abstain: idle('abstains'),
  silent: idle('silent'),
};

const poolRows = ({ pools }: Subject, nowMs: number): readonly (readonly CellText[])[] =>
  pools.map(({ service, pool }) => [
    `${service.name}/${pool.name}`,
    verdictCell(pool.verdict),
    `${pool.up}/${pool.total}`,
    pool.share === null ? '-' : `${roundPercent(pool.share)} of ${roundPercent(pool.configuredShare)}`,
    pool.memory === null
      ? '-'
      : `${pool.memory.state}${pool.memory.by === null ? '' : ` (${pool.memory.by})`} ${span(nowMs - pool.memory.sinceAtMs)}`,
    pool.memory?.hold ?? '-',
  ]);

const targetsOf = ({ pools }: Subject): readonly Target[] => pools.flatMap(({ pool }) => pool.targets);

const matrixLines = (status: StatusDocument, subject: Subject, screen: Screen): readonly string[] => {
  const targets = targetsOf(subject);
  const regions = [...new Set(targets.flatMap(({ id }) => Object.keys(status.votes.matrix[id] ?? {})))];
  const rows = targets.map(({ id }) => [
    id,
    ...regions.map((region) => {
      const cell = status.votes.matrix[id]?.[region];
      return cell === undefined ? '.' : (CELLS[cell.state] ?? warn(cell.state));
    }),
  ]);
  const why = targets.flatMap(({ id }) =>
    Object.entries(status.votes.matrix[id] ?? {})
      .filter(([, { state, because }]) => state !== 'up' || because !== 'answers')
      .map(([region, { state, because }]) => `${id}: ${region} ${state}: ${because}`),
  );
  const shown = why.slice(0, 12);
  return [
    '',
    ...table(['VOTES ON', ...regions], rows, { ...screen, gives: 0 }),
    ...shown.flatMap((line) => wrap(line, screen.columns - 2).map((part, at) => (at === 0 ? `  ${part}` : `    ${part}`))),
    ...(why.length > shown.length ? [`  and ${plural(why.length - shown.length, 'reason')} more`] : []),
  ];
};

const countRows = (subject: Subject): readonly (readonly CellText[])[] =>
  targetsOf(subject).flatMap(({ id, endpoints }) =>
    Object.entries(endpoints).map(([name, { verdict, down, up, electorate, needs }]) => [
      `${id} /${name}`,
      verdictCell(verdict),
      `${down} down, ${up} up of ${electorate}`,
      String(needs),
    ]),
  );

/** What would have to happen for it to be otherwise, by the counts. */
const changeLines = (status: StatusDocument, subject: Subject): readonly string[] => {
  const ofPool = ({ service, pool }: Subject['pools'][number]): readonly string[] => {
    const name = `${service.name}/${pool.name}`;
    if (pool.memory?.latched === true) return [`${name}: it is latched out; an operator must release it`];
    if (pool.memory?.hold != null) return [`${name}: held (${pool.memory.hold}): ${pool.because}`];
    if (pool.memory?.by === 'override') return [`${name}: it is out by order; it returns when the order ends`];
    if (pool.verdict === 'out') return [`${name}: it returns once a majority has said up for the recovery hold, with no vote against it`];
    if (pool.memory?.state === 'returning') return [`${name}: it is on its way back, stage ${pool.memory.stage + 1}`];
    return pool.targets.flatMap(({ id, endpoints }) =>
      Object.entries(endpoints)
        .filter(([, { verdict, down }]) => verdict === 'up' && down > 0)
        .map(([endpoint, { down, needs }]) => `${id}: ${plural(needs - down, 'more region')} saying down of /${endpoint} takes it out`),
    );
  };
  const lines = subject.pools.flatMap(ofPool);
  if (lines.length > 0) return lines;
  const needs = Math.min(...targetsOf(subject).flatMap(({ endpoints }) => Object.values(endpoints).map((each) => each.needs)));
  return Number.isFinite(needs)
    ? [`${plural(needs, 'region')} saying down of the same target would take it out; nobody says so now`]
    : [status.self.canDecide ? 'nobody has counted votes on it yet' : `nothing can be decided: ${status.self.because}`];
};

const serviceHead = ({ pools }: Subject): readonly string[] =>
  [...new Map(pools.map(({ service }) => [service.name, service])).values()].slice(0, 8).flatMap((service) => {
    const { state, because } = servedState(service);
    const served =
      state === 'applied'
        ? `served v${service.applied?.fence} through ${service.provider}`
        : `${state}${because === '' ? '' : ` (${because})`}`;
    return [`${service.name}: ${routeText(service)}; ${service.mode}, ${served}`, `  because ${service.because}`];
  });

const orderLines = ({ overrides, clusterTimeMs }: StatusDocument, subject: Subject): readonly string[] =>
  overrides.items
    .filter(({ scope }) =>
      subject.pools.some(
        ({ service, pool }) =>
          (scope.service ?? service.name) === service.name &&
          (scope.pool ?? pool.name) === pool.name &&
          (scope.region ?? pool.region) === pool.region,
      ),
    )
    .map((o) => {
      const until = isInForce(o, clusterTimeMs) ? `until ${untilText(o.expiresAtMs, clusterTimeMs)}` : 'not in force';
      return `${o.id}: ${o.kind} ${scopeText(o.scope)}, ${until}, by ${o.by ?? o.owner}: ${o.reason}`;
    });

const vantageLine = (vantage: StatusDocument['votes']['vantages'][number]): string => {
  const { state, because } = voiceIn(vantage);
  const says = state === 'ok' ? 'speaks' : `${state === 'silent' ? 'is silent' : 'abstains'}: ${because}`;
  const heard = vantage.ageMs === null ? 'never' : `${span(vantage.ageMs)} ago`;
  return `vantage ${vantage.region}/${vantage.replica}: ${says}${state === 'silent' ? '' : `, heard ${heard}`}`;
};

/** Give it a document whose texts are clean. */
export const explainLines = (status: StatusDocument, subject: Subject, screen: Screen): readonly string[] => {
  const { columns, paint } = screen;
  const wrapped = (lines: readonly string[], indent = '  '): readonly string[] =>
    lines.flatMap((line) => wrap(line, columns - indent.length - 2).map((part, at) => `${indent}${at === 0 ? '' : '  '}${part}`));
  const vantage = status.votes.vantages.filter(({ region }) => subject.kind === 'region' && region === subject.name);
  const orders = orderLines(status, subject);
  return [
    paint('bold', `${subject.kind} ${subject.name}`),
    ...serviceHead(subject).flatMap((line) => wrap(line, columns)),
    ...vantage.map(vantageLine),
    '',
    ...table(['POOL', 'VERDICT', 'UP', 'SHARE', 'STATE', 'HOLD'], poolRows(subject, status.clusterTimeMs), { ...screen, gives: 0 }),
    ...matrixLines(status, subject, screen),
    '',
    ...table(['COUNTED', 'VERDICT', 'VOTES', 'NEEDS'], countRows(subject), { ...screen, gives: 0 }),
    ...(orders.length === 0 ? [] : ['', paint('dim', 'ORDERS'), ...wrapped(orders)]),
    '',
    paint('dim', 'WHAT WOULD CHANGE IT'),
    ...wrapped(changeLines(status, subject).slice(0, 12)),
  ];
};
