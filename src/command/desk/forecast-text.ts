// What would happen, as tables: shares before and after by service, what each provider would be asked to serve, capacity left, how long it would take,
// which rules refuse and when they would not. Pure.
import type { DecisionItem, Dossier, Forecast, Refusal, WhatIfMatrix } from '../../client/types.ts';
import { plural } from '../../config/words.ts';
import type { Route } from '../../model.ts';
import { clockTime, type Screen, untilText } from './status-text.ts';
import { bad, type CellText, fit, good, idle, percent, roundPercent, span, table, took, warn, wrap } from './text.ts';

const pair = (before: number, after: number): string =>
  roundPercent(before) === roundPercent(after)
    ? `${percent(before)}->${percent(after)}`
    : `${roundPercent(before)}->${roundPercent(after)}`;

/** `eu-west 33%->0%`, only what differs; `no change`. */
export const changeText = (before: Route | null, after: Route): string => {
  const names = [...new Set([...Object.keys(before ?? {}), ...Object.keys(after)])];
  const moved = names.filter((name) => (before?.[name] ?? 0) !== (after[name] ?? 0));
  return moved.length === 0 ? 'no change' : moved.map((name) => `${name} ${pair(before?.[name] ?? 0, after[name] ?? 0)}`).join(', ');
};

const capacityCell = (capacity: Forecast['services'][number]['capacity']): CellText => {
  if (capacity === null) return idle('not known');
  const text = `${Math.round(capacity.leftPercent)}% left`;
  return capacity.leftPercent < 0 ? bad(text) : capacity.leftPercent < 10 ? warn(text) : good(text);
};

const convergeText = ({ converge, mode }: Forecast['services'][number]): string =>
  mode !== 'auto'
    ? `not written: ${mode}`
    : converge === null
      ? 'not written'
      : converge.source === 'history'
        ? `${took(converge.p50Ms)}, p99 ${took(converge.p99Ms)}`
        : `${took(converge.p99Ms)} at worst`;

export const refusalLines = (refusals: readonly Refusal[], nowMs: number, { columns, paint }: Screen): readonly string[] =>
  refusals.flatMap(({ service, pool, rule, risk, because, againAtMs, counterfactual }) => {
    const when = againAtMs == null ? '' : `; it would pass at ${untilText(againAtMs, nowMs)}`;
    const what = counterfactual === undefined || counterfactual === '' ? '' : `; ${counterfactual}`;
    const text = `✗ rule ${rule} refuses ${service}${pool === undefined ? '' : `/${pool}`} (${risk} risk): ${because}${when}${what}`;
    return wrap(text, columns - 2).map((line, at) => paint('bad', at === 0 ? line : `  ${line}`));
  });

const SHOWN_MAX = 40;

/** `nowMs`: cluster time. */
export const forecastLines = (forecast: Forecast, nowMs: number, screen: Screen): readonly string[] => {
  const { columns, paint } = screen;
  const { steps, services, refusals, holds, pages, notes } = forecast;
  const moved = services.filter(({ before, after }) => changeText(before, after) !== 'no change');
  const all = services.flatMap(({ service, before, after, writes: each }) =>
    each.map((write) => ({ service, ...write, alike: changeText(write.before, write.after) === changeText(before, after) })),
  );
  // What a provider serves exactly as decided is said in one line; a table is for what it can only serve otherwise.
  const writes = all.filter(({ alike }) => !alike);
  const alike = [
    ...Map.groupBy(
      all.filter((write) => write.alike),
      ({ provider }) => provider,
    ),
  ];
  const more = (count: number, what: string): readonly string[] =>
    count > 0 ? [`  and ${plural(count, what)} more (--json has all)`] : [];
  const say = (text: string): readonly string[] => wrap(text, columns - 2).map((line, at) => (at === 0 ? line : `  ${line}`));
  return [
    ...(moved.length === 0
      ? [`no route changes (${plural(services.length, 'service')} looked at)`]
      : table(
          ['SERVICE', 'CAPACITY', 'USERS THERE IN', 'TRAFFIC'],
          moved
            .slice(0, SHOWN_MAX)
            .map((each) => [each.service, capacityCell(each.capacity), convergeText(each), changeText(each.before, each.after)]),
          { ...screen, wraps: true },
        )),
    ...more(moved.length - SHOWN_MAX, 'service'),
    ...(alike.length === 0
      ? []
      : [
          '',
          ...say(`written as decided by ${alike.map(([provider, each]) => `${provider} (${plural(each.length, 'service')})`).join(', ')}`),
        ]),
    ...(writes.length === 0
      ? []
      : [
          '',
          ...table(
            ['PROVIDER', 'SERVICE', 'WOULD SERVE'],
            writes.slice(0, SHOWN_MAX).map(({ provider, service, before, after }) => [provider, service, changeText(before, after)]),
            { ...screen, wraps: true },
          ),
          ...more(writes.length - SHOWN_MAX, 'write'),
        ]),
    ...(refusals.length === 0 ? [] : ['', ...refusalLines(refusals, nowMs, screen)]),
    ...holds.slice(0, 8).flatMap(({ service, pool, hold, because }) => say(`! held (${hold}) ${service}/${pool}: ${because}`)),
    ...(steps.length === 0 ? [] : ['', paint('dim', 'DECISIONS')]),
    ...steps.slice(0, 8).flatMap(({ afterMs, v, because }) => say(`+${span(afterMs)}  v${v}  ${because}`)),
    ...more(steps.length - 8, 'decision'),
    ...(pages.length === 0 ? [] : ['', paint('dim', 'PAGES')]),
    ...pages.slice(0, 5).map(({ severity, summary }) => fit(`${severity}: ${summary}`, columns)),
    ...more(pages.length - 5, 'page'),
    ...(notes.length === 0 ? [] : ['', ...notes.slice(0, 8).flatMap((note) => say(`- ${note}`))]),
  ];
};

/** "What if X dies", for every region. */
export const matrixLines = ({ regions }: WhatIfMatrix, screen: Screen): readonly string[] => {
  const rows = regions.map(({ region, forecast }): readonly CellText[] => {
    const moved = forecast.services.filter(({ before, after }) => changeText(before, after) !== 'no change');
    const lefts = forecast.services.flatMap(({ capacity }) => (capacity === null ? [] : [capacity.leftPercent]));
    const least = lefts.length === 0 ? null : Math.min(...lefts);
    const verdict =
      forecast.refusals.length > 0 || forecast.holds.length > 0
        ? bad('held')
        : least !== null && least < 0
          ? bad('overloads')
          : moved.length === 0
            ? idle('nothing moves')
            : good('survives');
    const slowest = Math.max(...forecast.services.map(({ converge }) => converge?.p99Ms ?? 0));
    const [refusal] = forecast.refusals;
    const [hold] = forecast.holds;
    const why = refusal !== undefined ? `rule ${refusal.rule}: ${refusal.because}` : (hold?.because ?? forecast.steps[0]?.because ?? '-');
    return [
      region,
      verdict,
      String(moved.length),
      least === null ? 'not known' : `${Math.round(least)}%`,
      slowest === 0 ? '-' : took(slowest),
      why,
    ];
  });
  return table(['IF IT DIES', 'THEN', 'MOVED', 'LEFT', 'WITHIN', 'WHY'], rows, { ...screen, wraps: true });
};

export const decisionLines = (items: readonly DecisionItem[], screen: Screen): readonly string[] =>
  table(
    ['V', 'AT', 'BY', 'CHANGES', 'BECAUSE'],
    items.map(({ v, atMs, by, changes, because }) => [String(v), `${clockTime(atMs)}Z`, by, String(changes.length), because]),
    { ...screen, wraps: true },
  );

const SHOWN_ALREADY = ['v', 'atMs', 'by', 'because', 'changes', 'holds', 'wouldChange', 'epoch', 'prevHash'];

/** One part of a dossier that has no table of its own: a line for each thing in it. */
const partLines = (name: string, value: unknown, columns: number): readonly string[] => {
  if (value === null || value === undefined || (typeof value === 'object' && Object.keys(value).length === 0)) return [];
  const entries: readonly (readonly [string, unknown])[] =
    typeof value === 'object' ? Object.entries(value).map(([key, each]) => [Array.isArray(value) ? '-' : key, each]) : [['', value]];
  const flat = (each: unknown): string =>
    typeof each === 'object' && each !== null
      ? Object.entries(each)
          .map(([key, inner]) => `${Array.isArray(each) ? '' : `${key} `}${flat(inner)}`)
          .join(', ')
      : String(each);
  const lines = entries
    .slice(0, 24)
    .flatMap(([key, each]) => wrap(`${key} ${flat(each)}`.trim(), columns - 4).map((line, at) => `${at === 0 ? '  ' : '    '}${line}`));
  return [
    '',
    name.replace(/([a-z])([A-Z])/g, '$1 $2').toUpperCase(),
    ...lines,
    ...(entries.length > 24 ? [`  and ${entries.length - 24} more`] : []),
  ];
};

/** The dossier of one decision. */
export const dossierLines = (dossier: Dossier, screen: Screen): readonly string[] => {
  const { columns, paint } = screen;
  const { v, atMs, by, because, changes = [], holds = [], wouldChange } = dossier;
  return [
    paint('bold', `decision v${v}, ${clockTime(atMs)}Z, by ${by}${dossier.epoch === undefined ? '' : ` (term ${dossier.epoch})`}`),
    ...wrap(`because ${because}`, columns),
    ...(wouldChange === undefined || wouldChange === '' ? [] : wrap(`it would have been otherwise: ${wouldChange}`, columns)),
    ...(changes.length === 0
      ? ['', 'no route changed']
      : [
          '',
          ...table(
            ['SERVICE', 'TRAFFIC'],
            changes.map(({ service, before, after }) => [service, changeText(before, after)]),
            { ...screen, wraps: true },
          ),
        ]),
    ...(holds.length === 0
      ? []
      : [
          '',
          ...table(
            ['HELD', 'POOL', 'BECAUSE'],
            holds.map(({ hold, service, pool, because: why }) => [hold, `${service}/${pool}`, why]),
            { ...screen, wraps: true },
          ),
        ]),
    ...Object.entries(dossier)
      .filter(([name]) => !SHOWN_ALREADY.includes(name))
      .flatMap(([name, value]) => partLines(name, value, columns)),
  ];
};
