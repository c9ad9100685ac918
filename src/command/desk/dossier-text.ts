// `tidegate why`: the dossier of one decision as tables: who saw what, how it was counted, which rules spoke, what moved, how it reached the providers and in
// which time, and what would have changed it. Pure.
import type { Dossier, DossierIncident, Evidence, TrailLine } from '../../client/types.ts';
import { plural } from '../../config/words.ts';
import { changeText } from './forecast-text.ts';
import { clockTime, dayTime, type Screen, untilText } from './status-text.ts';
import { bad, type CellText, cellWidth, fit, good, idle, table, took, warn, wrap } from './text.ts';

const SERVICES_MAX = 6;
const ROWS_MAX = 12;

const more = (count: number, what: string): readonly string[] => (count > 0 ? [`  and ${plural(count, what)} more (--json has all)`] : []);

const BALLOTS: Readonly<Record<string, CellText>> = {
  up: good('up'),
  down: bad('down'),
  unknown: warn('unknown'),
  abstain: idle('abstains'),
  silent: idle('silent'),
};
const VERDICTS: Readonly<Record<string, CellText>> = {
  up: good('up'),
  down: bad('down'),
  unready: bad('unready'),
  suspect: warn('suspect'),
  unknown: warn('unknown'),
};

/** `service/pool/target#healthz` in its parts. */
const partsOf = (endpoint: string): { service: string; target: string; name: string } => {
  const [id = '', name = ''] = endpoint.split('#');
  const at = id.indexOf('/');
  return { service: id.slice(0, at), target: id.slice(at + 1), name };
};

interface Row {
  target: string;
  names: readonly string[];
  evidence: Evidence;
}

/** Endpoints of a target of which all the same was seen are one row. */
const rowsOf = (evidence: readonly Evidence[]): readonly Row[] => {
  const same = ({ endpoint, ...rest }: Evidence): string =>
    JSON.stringify([partsOf(endpoint).target, rest.ballots, rest.needs, rest.verdict]);
  const isOdd = ({ down, verdict }: Evidence): number => (verdict === 'down' ? 0 : down > 0 ? 1 : 2);
  return [...Map.groupBy(evidence, same).values()]
    .flatMap((those): readonly Row[] => {
      const [first] = those;
      return first === undefined
        ? []
        : [{ target: partsOf(first.endpoint).target, names: those.map((each) => partsOf(each.endpoint).name), evidence: first }];
    })
    .sort((a, b) => isOdd(a.evidence) - isOdd(b.evidence));
};

const countOf = ({ verdict, down, up, electorate, needs, firstFaultAgoMs }: Evidence): readonly CellText[] => [
  verdict === null ? '-' : (VERDICTS[verdict] ?? warn(verdict)),
  `${down} down, ${up} up of ${electorate}`,
  needs === null ? '-' : String(needs),
  firstFaultAgoMs === null ? '-' : `-${took(firstFaultAgoMs)}`,
];

/** Regions by what they say, for more of them than fit side by side. */
const saidOf = ({ ballots }: Evidence): string =>
  [...Map.groupBy(Object.entries(ballots), ([, ballot]) => ballot)]
    .map(([ballot, those]) => `${ballot}: ${those.map(([region]) => region).join(' ')}`)
    .join('; ');

const evidenceOf = (service: string, evidence: readonly Evidence[], screen: Screen): readonly string[] => {
  const rows = rowsOf(evidence);
  const shown = rows.slice(0, ROWS_MAX);
  const regions = [...new Set(rows.flatMap((row) => Object.keys(row.evidence.ballots)))].sort();
  const nameOf = ({ target, names }: Row): string => `${target} /${names.join(' /')}`;
  const seen = shown.map((row): readonly CellText[] => [
    nameOf(row),
    ...regions.map((region) => {
      const ballot = row.evidence.ballots[region];
      return ballot === undefined ? '.' : (BALLOTS[ballot] ?? warn(ballot));
    }),
  ]);
  const head = [`SEEN of ${service}`, ...regions];
  const whole = head.reduce((sum, name, at) => sum + 3 + Math.max(name.length, ...seen.map((row) => cellWidth(row[at] ?? ''))), -3);
  const matrix =
    whole <= screen.columns + 8
      ? table(head, seen, { ...screen, gives: 0 })
      : table(
          [`SEEN of ${service}`, 'BY'],
          shown.map((row) => [nameOf(row), saidOf(row.evidence)]),
          { ...screen, wraps: true },
        );
  return [
    '',
    ...matrix,
    '',
    ...table(
      ['COUNTED', 'VERDICT', 'VOTES', 'NEEDS', 'FIRST FAULT'],
      shown.map((row) => [nameOf(row), ...countOf(row.evidence)]),
      { ...screen, gives: 0 },
    ),
    ...more(rows.length - shown.length, 'endpoint'),
  ];
};

const evidenceLines = ({ evidence }: Dossier, screen: Screen): readonly string[] => {
  const services = [...Map.groupBy(evidence, ({ endpoint }) => partsOf(endpoint).service)];
  return [
    ...services.slice(0, SERVICES_MAX).flatMap(([service, those]) => evidenceOf(service, those, screen)),
    ...more(services.length - SERVICES_MAX, 'service'),
  ];
};

const voteLines = ({ votes, silent }: Dossier, screen: Screen): readonly string[] => {
  const rows: readonly (readonly CellText[])[] = [
    ...votes.map(({ region, replica, state, because, ageMs }) => [
      `${region}/${replica}`,
      state === 'ok' ? good('spoke') : idle('abstained'),
      ageMs === null ? '-' : `${took(ageMs)} old`,
      because ?? '-',
    ]),
    ...silent.map((region) => [region, idle('silent'), '-', 'no vote of it was heard']),
  ];
  return rows.length === 0
    ? []
    : [
        '',
        ...table(['VANTAGE', 'VOTE', 'AGE', 'WHY NOT'], rows.slice(0, ROWS_MAX), { ...screen, wraps: true }),
        ...more(rows.length - ROWS_MAX, 'vote'),
      ];
};

const ruleLines = ({ rules, atMs }: Dossier, screen: Screen): readonly string[] => {
  const { passed, refused } = rules;
  const rows: readonly (readonly CellText[])[] = [
    ...refused.map(({ service, pool, rule, because, againAtMs, counterfactual }) => [
      rule,
      bad('refused'),
      `${service}/${pool}: ${because}${againAtMs === null ? '' : `; it would pass at ${untilText(againAtMs, atMs)}`}${counterfactual === null ? '' : `; ${counterfactual}`}`,
    ]),
    ...(passed ?? []).map((rule) => [rule, good('passed'), '-']),
  ];
  if (rows.length === 0) return passed === null ? ['', 'which rules were asked was not kept'] : ['', 'no safety rule is configured'];
  return ['', ...table(['RULE', 'SAID', 'WHY'], rows, { ...screen, wraps: true })];
};

const judged = (ms: number | null, goalMs: number, judgement: string): CellText => {
  const text = ms === null ? judgement : `${took(ms)} of ${took(goalMs)}: ${judgement}`;
  return judgement === 'met' ? good(text) : judgement === 'missed' ? bad(text) : idle(text);
};

/** t0 to t6, each with its distance from the one that the goal is counted from. */
const incidentLines = (incident: DossierIncident, screen: Screen): readonly string[] => {
  const { id, kind, region, relation, t0AtMs, t0LastAtMs, t1AtMs, t2AtMs, t3AtMs, t4AtMs, t5AtMs, t6AtMs, detection, convergence } =
    incident;
  const from = (atMs: number | null): string => (atMs === null ? '-' : `${atMs < t3AtMs ? '-' : '+'}${took(Math.abs(atMs - t3AtMs))}`);
  const at = (atMs: number | null): string => (atMs === null ? '-' : clockTime(atMs));
  const unmeasured = convergence.services.find(({ because }) => because !== null)?.because;
  const rows: readonly (readonly CellText[])[] = [
    ['t0-', at(t0LastAtMs), from(t0LastAtMs), 'last good look of any vantage', '-'],
    ['t0', at(t0AtMs), from(t0AtMs), 'first failed probe begins', '-'],
    ['t1', at(t1AtMs), from(t1AtMs), 'first vantage says so', '-'],
    ['t2', at(t2AtMs), from(t2AtMs), 'a quorum says so', '-'],
    ['t3', at(t3AtMs), '0', 'decided', judged(detection.ms, detection.goalMs, detection.judgement)],
    ['t4', at(t4AtMs), from(t4AtMs), 'acknowledged by the provider', '-'],
    ['t5', at(t5AtMs), from(t5AtMs), 'served by its own servers', '-'],
    ['t6', at(t6AtMs), from(t6AtMs), 'users are there', judged(convergence.ms, convergence.goalMs, convergence.judgement)],
  ];
  const waits = convergence.waitingFor.length === 0 ? '' : `; waits for ${convergence.waitingFor.slice(0, 4).join(', ')}`;
  const why = unmeasured == null ? '' : `; ${unmeasured}`;
  return [
    '',
    ...wrap(
      `incident ${id} (${kind} ${region}), ${relation} by this decision${waits}${why}`.replace('during by', 'open at'),
      screen.columns,
    ),
    ...table(['', 'AT', 'FROM t3', 'WHAT', 'GOAL'], rows, screen),
  ];
};

const outcomeCell = ({ outcome, settled }: TrailLine): CellText =>
  outcome !== 'applied'
    ? bad(outcome)
    : settled?.ended === 'failed'
      ? bad('taken back')
      : good(settled?.ended === 'settled' ? 'settled' : 'applied');

const trailLines = ({ trail, trailOmitted }: Dossier, screen: Screen): readonly string[] => {
  if (trail.length === 0) return ['', 'nothing was written to a provider for it'];
  const shown = trail.slice(0, ROWS_MAX);
  // Ids as they are: somebody will paste them into a ticket.
  const word = ({ because, settled, tries, requests }: TrailLine): string =>
    [
      because,
      settled?.because ?? '',
      tries > 1 ? `after ${tries} tries` : '',
      requests.length === 0 ? '' : `requests ${requests.join(' ')}`,
    ]
      .filter((part) => part !== '')
      .join('; ');
  return [
    '',
    ...table(
      ['PROVIDER', 'SERVICE', 'OUTCOME', 'TOOK', 'AFTER t3', 'REQUESTS'],
      shown.map((line) => [
        line.provider,
        line.service,
        outcomeCell(line),
        took(line.tookMs),
        `+${took(line.afterMs)}`,
        line.requests.length === 0 ? 'none named' : String(line.requests.length),
      ]),
      { ...screen, wraps: true },
    ),
    ...shown
      .filter((line) => word(line) !== '')
      .flatMap((line) => wrap(`  ${line.provider}/${line.service}: ${word(line)}`, screen.columns)),
    ...more(trail.length - shown.length + trailOmitted, 'write'),
  ];
};

/** The dossier of one decision. Give it one whose texts are clean. */
export const dossierLines = (dossier: Dossier, screen: Screen): readonly string[] => {
  const { columns, paint } = screen;
  const { v, epoch, atMs, by, because, changes, wouldChange, previous, next } = dossier;
  // What a rule refused is told with the rules.
  const holds = dossier.holds.filter(({ hold }) => !hold.startsWith('rule:'));
  const others = [previous === null ? '' : `before: tidegate why ${previous.v}`, next === null ? '' : `after: tidegate why ${next.v}`];
  return [
    paint('bold', fit(`decision v${v}, ${dayTime(atMs)}Z, by ${by} (term ${epoch})`, columns)),
    ...wrap(`because ${because}`, columns),
    ...(changes.length === 0
      ? ['', 'no route changed']
      : [
          '',
          ...table(
            ['SERVICE', 'TRAFFIC'],
            changes.slice(0, ROWS_MAX).map(({ service, before, after }) => [service, changeText(before, after)]),
            { ...screen, wraps: true },
          ),
          ...more(changes.length - ROWS_MAX, 'service'),
        ]),
    ...(holds.length === 0
      ? []
      : [
          '',
          ...table(
            ['HELD', 'POOL', 'BECAUSE'],
            holds.slice(0, ROWS_MAX).map(({ hold, service, pool, because: why }) => [hold, `${service}/${pool}`, why]),
            { ...screen, wraps: true },
          ),
          ...more(holds.length - ROWS_MAX, 'hold'),
        ]),
    ...evidenceLines(dossier, screen),
    ...voteLines(dossier, screen),
    ...ruleLines(dossier, screen),
    ...dossier.incidents.slice(0, 3).flatMap((incident) => incidentLines(incident, screen)),
    ...more(dossier.incidents.length - 3, 'incident'),
    ...trailLines(dossier, screen),
    '',
    paint('dim', 'WHAT WOULD HAVE CHANGED IT'),
    ...wrap(wouldChange === '' ? 'nothing is recorded' : wouldChange, columns - 2).map((line) => `  ${line}`),
    ...(others.some((each) => each !== '') ? ['', others.filter((each) => each !== '').join('   ')] : []),
  ];
};
