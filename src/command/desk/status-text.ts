// `tidegate status` as one screen: is anything wrong, what was decided and why, what is overridden and until when, when each path was last proven,
// how open incidents converge. Pure. Lines are shared out so that a normal cluster fits 80 by 24; whatever had to be left out is counted.
import type { StatusDocument } from '../../client/types.ts';
import { speakersIn } from '../../client/voice.ts';
import { plural } from '../../config/words.ts';
import { isInForce } from '../../decide/override.ts';
import { isoTime } from '../../ports.ts';
import { lagText } from '../../runbook/tiers/record.ts';
import { databaseFinding, type Finding, findingsOf, scopeText, servedState } from './findings.ts';
import { bad, type CellText, fit, good, idle, type Paint, roundPercent, span, table, took, warn, width, wrap } from './text.ts';

export interface Screen {
  columns: number;
  rows: number;
  paint: Paint;
}

type Service = StatusDocument['services'][number];
type Drill = NonNullable<StatusDocument['microDrills']>[number];

export const clockTime = (atMs: number): string => isoTime(atMs).slice(11, 19);
/** `2026-11-26 03:12:00`: of something that may be long ago. */
export const dayTime = (atMs: number): string => isoTime(atMs).slice(0, 19).replace('T', ' ');
/** `07:12Z`, with the day when it is another one. */
export const untilText = (atMs: number, nowMs: number): string => {
  const text = isoTime(atMs);
  return `${text.slice(0, 10) === isoTime(nowMs).slice(0, 10) ? '' : `${text.slice(5, 10)} `}${text.slice(11, 16)}Z`;
};

const FINDINGS_MAX = 6;

const findingLines = (findings: readonly Finding[], { columns, paint }: Screen): readonly string[] => {
  const shown = findings.slice(0, FINDINGS_MAX);
  const more = findings.length - shown.length;
  const mark = { bad: '✗', warn: '!', note: '-' } as const;
  const tone = { bad: 'bad', warn: 'warn', note: 'dim' } as const;
  // A few of them have room for two lines each.
  const linesOf = (text: string): readonly string[] => {
    const [first = '', ...rest] = shown.length > 3 ? [fit(text, columns)] : wrap(text, columns - 2);
    return rest.length === 0 ? [first] : [first, fit(`  ${rest.join(' ')}`, columns)];
  };
  return [
    ...shown.flatMap(({ level, text }) => linesOf(`${mark[level]} ${text}`).map((line) => paint(tone[level], line))),
    ...(more > 0 ? [`  and ${plural(more, 'more thing')} (--json has all)`] : []),
  ];
};

const verdictLine = (status: StatusDocument, findings: readonly Finding[], { paint }: Screen): string => {
  const count = (level: Finding['level']): number => findings.filter((each) => each.level === level).length;
  const orders = status.overrides.items.filter((o) => isInForce(o, status.clusterTimeMs)).length;
  const by = orders === 0 ? '' : `; ${plural(orders, 'order')} in force`;
  if (count('bad') > 0) return paint('bad', `✗ WRONG: ${plural(count('bad'), 'thing')} to look at now${by}`);
  if (count('warn') > 0) return paint('warn', `! ok, with ${plural(count('warn'), 'warning')}${by}`);
  return paint('good', `✓ ok: nothing is wrong${by}`);
};

/** Shares that are less than the configured ones carry those behind them. */
export const routeText = (service: Service): string =>
  service.route === null
    ? 'nothing decided yet'
    : service.pools
        .map(({ name, share, configuredShare }) =>
          (share ?? 0) >= configuredShare - 1
            ? `${name} ${roundPercent(share ?? 0)}`
            : `${name} ${roundPercent(share ?? 0)} (of ${roundPercent(configuredShare)})`,
        )
        .join(', ');

const isAsConfigured = ({ route, pools }: Service): boolean =>
  route !== null && pools.every(({ share, configuredShare }) => Math.abs((share ?? 0) - configuredShare) <= 1);

const servedCell = (service: Service): CellText => {
  const { state, because } = servedState(service);
  switch (state) {
    case 'unwritten':
      return idle(because === 'advise' ? 'advised only' : 'observed only');
    case 'applied':
      return good(`v${service.applied?.fence}`);
    case 'behind':
      return warn(because);
    case 'wrong':
      return bad(service.applied?.outcome ?? 'wrong');
  }
};

const serviceLines = (status: StatusDocument, screen: Screen, room: number): readonly string[] => {
  const order = (service: Service): number => {
    const { state } = servedState(service);
    return state === 'wrong' ? 0 : !isAsConfigured(service) ? 1 : state === 'behind' ? 2 : 3;
  };
  const sorted = status.services.toSorted((a, b) => order(a) - order(b));
  const shown = sorted.slice(0, sorted.length <= room ? room : Math.max(1, room - 1));
  const rest = sorted.slice(shown.length);
  const well = rest.filter((service) => order(service) === 3).length;
  const { clusterTimeMs } = status;
  const rows = shown.map((service) => [
    service.name,
    servedCell(service),
    service.provenAtMs === null ? 'never' : `${span(clusterTimeMs - service.provenAtMs)} ago`,
    routeText(service),
  ]);
  const columns = ['SERVICE', 'WRITTEN', 'PROVEN', 'ROUTE'];
  // A long route goes on in the next line where there is room for it.
  const whole = table(columns, rows, { ...screen, wraps: true });
  const lines = whole.length + (rest.length > 0 ? 1 : 0) <= room + 1 ? whole : table(columns, rows, screen);
  const restText = `  and ${plural(rest.length, 'service')} more, ${well === rest.length ? 'all' : well} as configured and served`;
  return rest.length === 0 ? lines : [...lines, restText];
};

const orderLines = ({ overrides, clusterTimeMs }: StatusDocument, screen: Screen, room: number): readonly string[] => {
  if (overrides.items.length === 0) return [];
  const shown = overrides.items.slice(0, room);
  const state = (o: (typeof overrides.items)[number]): string => {
    if (o.approval?.by === null) return 'awaits approval';
    if ((o.startsAtMs ?? 0) > clusterTimeMs) return `from ${untilText(o.startsAtMs ?? 0, clusterTimeMs)}`;
    return o.active ? span(o.leftMs) : 'over';
  };
  const obeyed = (o: (typeof overrides.items)[number]): CellText => (!o.active ? idle('not yet') : o.obeyed ? good('yes') : bad('no'));
  const rows = shown.map((o) => [o.id, `${o.kind} ${scopeText(o.scope)}`, state(o), obeyed(o), o.by ?? o.owner, o.reason]);
  const more = overrides.items.length - shown.length;
  return [
    '',
    ...table(['OVERRIDE', 'WHAT', 'LEFT', 'OBEYED', 'BY', 'REASON'], rows, { ...screen, wraps: rows.length <= 2 }),
    ...(more > 0 ? [`  and ${more} more`] : []),
  ];
};

/** Of a replica that does not write: what the records of the last writes say. */
const recordedRows = ({ services, coordinator, clusterTimeMs }: StatusDocument): readonly (readonly CellText[])[] => {
  const records = services.flatMap(({ paths }) =>
    paths.flatMap(({ provider, applied }) => (applied === null ? [] : [{ provider, applied }])),
  );
  const more = coordinator === null ? 'not known here' : `${coordinator.region}/${coordinator.replica} knows`;
  return [...Map.groupBy(records, ({ provider }) => provider)].map(([provider, those]) => {
    const wrong = those.find(({ applied }) => applied.outcome !== 'applied');
    const lastAtMs = Math.max(...those.map(({ applied }) => applied.atMs));
    return [provider, wrong === undefined ? good(`wrote ${span(clusterTimeMs - lastAtMs)} ago`) : bad(wrong.applied.outcome), '-', more];
  });
};

const writerRows = ({ providers = [], clusterTimeMs }: StatusDocument): readonly (readonly CellText[])[] =>
  providers.map(({ name, failing, provenAgoMs, writes, canary }) => [
    name,
    failing ? bad('failing') : provenAgoMs === null ? warn('not proven') : good(`proven ${span(provenAgoMs)} ago`),
    writes === null ? '-' : `${took(writes.p50Ms)} / ${took(writes.p99Ms)} of ${writes.count}`,
    canary === null
      ? 'none'
      : `${canary.ok === null ? 'none yet' : canary.ok ? 'ok' : 'failed'}${canary.atMs === null ? '' : ` ${span(clusterTimeMs - canary.atMs)} ago`}`,
  ]);

const pathLines = (status: StatusDocument, screen: Screen, room: number): readonly string[] => {
  const rows = (status.providers === undefined ? recordedRows(status) : writerRows(status)).slice(0, room);
  return rows.length === 0 ? [] : ['', ...table(['PATH', 'STATE', 'WRITES p50/p99', 'CANARY'], rows, screen)];
};

/** From the decision on: `0.3s / 0.9s`. */
const phaseCell = ({ phases }: Drill, phase: keyof Drill['phases']): string => {
  const spread = phases[phase];
  return spread === undefined ? '-' : `${took(spread.p50Ms)} / ${took(spread.p95Ms)}`;
};

const microDrillLines = ({ microDrills = [], clusterTimeMs }: StatusDocument, screen: Screen, room: number): readonly string[] => {
  const proven = ({ provenAtMs, stale, last }: Drill): CellText => {
    const age = provenAtMs === null ? 'never' : `${span(clusterTimeMs - provenAtMs)} ago`;
    return last.ok === false ? bad(`${age}, failed`) : stale ? warn(`${age}, stale`) : good(age);
  };
  const rows = microDrills
    .slice(0, room)
    .map((drill) => [
      drill.provider,
      proven(drill),
      phaseCell(drill, 'acknowledged'),
      phaseCell(drill, 'authoritative'),
      phaseCell(drill, 'resolver'),
    ]);
  return rows.length === 0 ? [] : ['', ...table(['MICRO-DRILL', 'PROVEN', 'WRITTEN p50/p95', 'SERVED', 'AT RESOLVERS'], rows, screen)];
};

const judged = (ms: number | null, goalMs: number, judgement: string): CellText => {
  const text = ms === null ? judgement : `${took(ms)} of ${took(goalMs)}`;
  return judgement === 'met' ? good(text) : judgement === 'missed' ? bad(ms === null ? `over ${took(goalMs)}` : text) : idle(text);
};

const incidentLines = ({ incidents, clusterTimeMs }: StatusDocument, screen: Screen, room: number): readonly string[] => {
  const open = incidents.filter(({ closedAtMs }) => closedAtMs === null);
  if (open.length === 0) {
    const [last] = incidents;
    return last === undefined
      ? []
      : ['', fit(`no incident is open; the last, ${last.id}, began ${span(clusterTimeMs - last.t3AtMs)} ago`, screen.columns)];
  }
  const rows = open
    .slice(0, room)
    .map(({ kind, region, services, t3AtMs, detection, convergence }) => [
      `${kind} ${region}`.trim(),
      `${span(clusterTimeMs - t3AtMs)} ago`,
      judged(detection.ms, detection.goalMs, detection.judgement),
      judged(convergence.ms, convergence.goalMs, convergence.judgement),
      convergence.waitingFor.length === 0 ? '-' : `${convergence.waitingFor.length} of ${plural(services.length, 'service')}`,
    ]);
  const more = open.length - rows.length;
  return [
    '',
    ...table(['INCIDENT', 'SINCE', 'DETECTED IN', 'CONVERGED IN', 'WAITS FOR'], rows, screen),
    ...(more > 0 ? [`  and ${more} more`] : []),
  ];
};

const decidedLines = ({ decision, clusterTimeMs }: StatusDocument, { columns }: Screen): readonly string[] => {
  if (decision === null) return ['decided    nothing yet'];
  const text = `v${decision.v}, ${span(clusterTimeMs - decision.atMs)} ago: ${decision.because}`;
  const lines = wrap(text, columns - 11).slice(0, 3);
  return lines.map((line, at) => `${at === 0 ? 'decided    ' : '           '}${line}`);
};

const whoLines = (status: StatusDocument, { columns }: Screen): readonly string[] => {
  const { coordinator, votes } = status;
  const speaking = speakersIn(votes).size;
  const regions = new Set([
    ...votes.vantages.map(({ region }) => region),
    ...Object.values(votes.matrix).flatMap((row) => Object.keys(row)),
  ]).size;
  const who =
    coordinator === null ? 'nobody coordinates' : `${coordinator.region}/${coordinator.replica} coordinates (term ${coordinator.epoch})`;
  return [fit(`who        ${who}; ${speaking} of ${regions} vantages speak`, columns)];
};

type PlatformStatus = NonNullable<StatusDocument['platforms']>[number];
type Database = PlatformStatus['databases'][number];

/** The standby by which a move would lose most; null: there is none. */
const furthest = (kept: readonly Database[]): { name: string; region: string; text: string; measuredAtMs: number } | null => {
  const standbys = kept.flatMap(({ database: name, standbys: all }) => all.map((standby) => ({ name, ...standby })));
  const [most] = standbys.toSorted((a, b) => (b.lagMs ?? 0) - (a.lagMs ?? 0) || (b.lagBytes ?? 0) - (a.lagBytes ?? 0));
  return most === undefined
    ? null
    : { name: most.name, region: most.region, text: lagText({ ms: most.lagMs, bytes: most.lagBytes }), measuredAtMs: most.measuredAtMs };
};

const keptText = (kept: readonly Database[], nowMs: number): string => {
  const [one] = kept;
  if (one === undefined) return '';
  const most = furthest(kept);
  const { database, writer } = one;
  const where = kept.length === 1 ? `${database} proved in ${writer}` : `${kept.length} databases proved`;
  if (most === null) return where;
  const whose = kept.length === 1 ? '' : `${most.name} `;
  return `${where}; a move would lose ${most.text} (${whose}to ${most.region}, ${span(nowMs - most.measuredAtMs)} ago)`;
};

/** One calm line of what moves with the routes and needs nobody's eye: what does is among the findings. */
const platformLines = ({ platforms = [], clusterTimeMs }: StatusDocument, { columns }: Screen): readonly string[] => {
  const kept = platforms.flatMap(({ databases }) => databases.filter((database) => databaseFinding(database, clusterTimeMs) === null));
  const models = platforms.flatMap(({ llm }) =>
    llm !== null && llm.alarms.length === 0 && llm.regions.every(({ known }) => known) ? [llm] : [],
  );
  const [first] = models;
  const onFirst = first === undefined ? '' : `language models on ${models.length === 1 ? first.chain[0] : 'the first of each chain'}`;
  const text = [keptText(kept, clusterTimeMs), onFirst].filter((part) => part !== '').join('; ');
  if (text === '') return [];
  const [line = '', ...rest] = wrap(text, columns - 11);
  return [`platforms  ${line}`, ...(rest.length === 0 ? [] : [fit(`           ${rest.join(' ')}`, columns)])];
};

/** The screen, as lines. Give it a document whose texts are clean. */
export const statusLines = (status: StatusDocument, screen: Screen): readonly string[] => {
  const findings = findingsOf(status);
  const from = `${clockTime(status.clusterTimeMs)}Z, as ${status.self.region}/${status.self.replica} sees it`;
  const title = `${status.cluster.name}, configuration ${status.cluster.version}`;
  const head = [
    fit(`${fit(title, Math.max(20, screen.columns - width(from) - 3))}   ${from}`, screen.columns),
    verdictLine(status, findings, screen),
    ...findingLines(findings, screen),
    '',
    ...decidedLines(status, screen),
    ...whoLines(status, screen),
    ...platformLines(status, screen),
    '',
  ];
  const orders = orderLines(status, screen, 4);
  const paths = [...pathLines(status, screen, 4), ...microDrillLines(status, screen, 3)];
  const incidents = incidentLines(status, screen, 3);
  // The head of the table and the prompt of the shell have their lines too.
  const room = Math.max(3, screen.rows - 2 - head.length - orders.length - paths.length - incidents.length);
  return [...head, ...serviceLines(status, screen, room), ...orders, ...paths, ...incidents];
};
