// What would happen, as tables: shares before and after by service, what each provider would be asked to serve, capacity left, how long it would take,
// which rules refuse and when they would not. Pure.
import type { DecisionItem, Forecast, Refusal, WhatIfMatrix } from '../../client/types.ts';
import { plural } from '../../config/words.ts';
import type { Route } from '../../model.ts';
import { clockTime, type Screen, untilText } from './status-text.ts';
import { bad, type CellText, good, idle, percent, roundPercent, span, table, took, warn, wrap } from './text.ts';

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
    ...pages.slice(0, 5).flatMap(({ severity, summary }) => say(`${severity}: ${summary}`)),
    ...more(pages.length - 5, 'page'),
    ...(notes.length === 0 ? [] : ['', ...notes.slice(0, 8).flatMap((note) => say(`- ${note}`))]),
  ];
};

type Regional = WhatIfMatrix['regions'][number]['forecast'];

const verdictOf = ({ services, refusals, holds }: Regional, moved: number): CellText => {
  const lefts = services.flatMap(({ capacity }) => (capacity === null ? [] : [capacity.leftPercent]));
  if (refusals.length > 0) return bad('refused');
  if (holds.length > 0) return bad('held');
  if (lefts.some((left) => left < 0)) return bad('overloads');
  return moved === 0 ? idle('nothing moves') : good('moves away');
};

const carriersOf = (route: Route): string =>
  Object.entries(route)
    .filter(([, share]) => share > 0)
    .map(([name, share]) => `${name} ${roundPercent(share)}`)
    .join(', ') || 'nothing';

/** Services that end up with the same route are one row. */
const routesAfter = (forecast: Regional): readonly { names: readonly string[]; change: string; services: Regional['services'] }[] =>
  [
    ...Map.groupBy(forecast.services, ({ before, after }) => (changeText(before, after) === 'no change' ? 'as now' : carriersOf(after))),
  ].map(([change, services]) => ({ names: services.map(({ service }) => service), change, services }));

/** When the last decision of it falls, and how long users take from there at worst. */
const howLong = (forecast: Regional, services: Regional['services']): string => {
  const names = new Set(services.map(({ service }) => service));
  const last = forecast.steps.filter(({ changes }) => changes.some(({ service }) => names.has(service))).at(-1);
  const slowest = Math.max(...services.map(({ converge }) => converge?.p99Ms ?? 0));
  if (last === undefined) return '-';
  return slowest === 0 ? span(last.afterMs) : `${span(last.afterMs)} + ${took(slowest)}`;
};

/** "What if X dies", for every region: what would be decided, what each service would be served from, what is left, who is woken, how long it takes. */
export const matrixLines = ({ regions }: WhatIfMatrix, screen: Screen): readonly string[] => {
  const { columns, paint } = screen;
  const rows = regions.flatMap(({ region, forecast }): readonly (readonly CellText[])[] => {
    const routes = routesAfter(forecast);
    const moved = forecast.services.filter(({ before, after }) => changeText(before, after) !== 'no change').length;
    const woken = forecast.pages.filter(({ severity }) => severity === 'critical').length;
    const others = forecast.pages.length - woken;
    const pages = [...(woken > 0 ? [`${woken} critical`] : []), ...(others > 0 ? [`${others} other`] : [])].join(', ') || '-';
    const head: readonly CellText[] = [region, verdictOf(forecast, moved)];
    if (routes.length === 0) return [[...head, '-', pages, '-', 'nothing would be decided']];
    return routes.map(({ names, change, services }, at) => {
      const lefts = services.flatMap(({ capacity }) => (capacity === null ? [] : [capacity.leftPercent]));
      const least = Math.min(...lefts);
      const who = names.length === 1 ? (names[0] ?? '') : plural(names.length, 'service');
      return [
        ...(at === 0 ? head : ['', '']),
        lefts.length === 0 ? 'unknown' : `${Math.round(least)}%`,
        at === 0 ? pages : '',
        howLong(forecast, services),
        routes.length === 1 ? change : `${who}: ${change}`,
      ];
    });
  });
  const whys = regions.flatMap(({ region, forecast }) => {
    const [refusal] = forecast.refusals;
    const [hold] = forecast.holds;
    const why =
      refusal !== undefined
        ? `rule ${refusal.rule} refuses ${refusal.service}/${refusal.pool}: ${refusal.because}`
        : hold !== undefined
          ? `held (${hold.hold}) ${hold.service}/${hold.pool}: ${hold.because}`
          : null;
    return why === null ? [] : wrap(`✗ ${region}: ${why}`, columns - 2).map((line, at) => paint('bad', at === 0 ? line : `  ${line}`));
  });
  // What is said of every region is said once; the rest with the region's name.
  const isCommon = (note: string): boolean => regions.every(({ forecast }) => forecast.notes.includes(note));
  const notes = [
    ...new Set(
      regions.flatMap(({ region, forecast }) => forecast.notes.map((note) => (isCommon(note) ? note : `if ${region} dies: ${note}`))),
    ),
  ].slice(0, 6);
  return [
    ...table(['IF IT DIES', 'THEN', 'LEFT', 'PAGES', 'WITHIN', 'SERVED FROM'], rows, { ...screen, wraps: true }),
    ...(whys.length === 0 ? [] : ['', ...whys]),
    ...(notes.length === 0
      ? []
      : ['', ...notes.flatMap((note) => wrap(`- ${note}`, columns - 2).map((line, at) => (at === 0 ? line : `  ${line}`)))]),
    '',
    ...wrap('LEFT: of the capacity that remains; WITHIN: until decided, and then until users are there at worst', columns),
  ];
};

export const decisionLines = (items: readonly DecisionItem[], screen: Screen): readonly string[] =>
  table(
    ['V', 'AT', 'BY', 'CHANGES', 'BECAUSE'],
    items.map(({ v, atMs, by, changes, because }) => [String(v), `${clockTime(atMs)}Z`, by, String(changes.length), because]),
    { ...screen, wraps: true },
  );
