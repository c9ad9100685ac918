// The whole state as one page without a script: for lynx, for a narrow telephone, for who lets no script run. The same sentence comes first as on the other page,
// then what needs the eye, in detail; what is well is counted. Everything that it says is in the status document. Pure.
import type { StatusDocument } from '../api/status.ts';
import { voiceOfRegion } from '../api/vantage-card.ts';
import { findingsOf, scopeText, servedState, voters } from '../command/desk/findings.ts';
import { type Course, courseOf, slowest } from '../converge/timings.ts';
import { type Banner, bannerOf } from './banner.ts';
import { type Content, html, type Markup } from './markup.ts';
import { ago, count, duration, list, percent, utc } from './page/words.ts';

type Service = StatusDocument['services'][number];
type Pool = Service['pools'][number];
type Order = StatusDocument['overrides']['items'][number];
type Incident = StatusDocument['incidents'][number];
type Tone = 'good' | 'warn' | 'bad' | 'idle';

const REFRESH_S = 5;
const ROWS_MAX = 40;
const FINDINGS_MAX = 20;
const PAST_MAX = 10;
const NAMED_MAX = 4;

const GLYPHS: Readonly<Record<Tone, string>> = { good: '✓', warn: '!', bad: '✗', idle: '–' };
const mark = (tone: Tone, word: string): Markup => html`<span class="mark ${tone}">${GLYPHS[tone]} ${word}</span>`;
const none = html``;

/** Rows beyond the first few are counted; a table without rows is no table. */
const table = (caption: string, head: readonly string[], rows: readonly (readonly Content[])[], most = ROWS_MAX): Markup => {
  if (rows.length === 0) return none;
  const line = ([first = '', ...rest]: readonly Content[]): Markup =>
    html`<tr><th scope="row">${first}</th>${rest.map((cell) => html`<td>${cell}</td>`)}</tr>\n`;
  const more = rows.length > most ? html`<p class="dim">And ${count(rows.length - most, 'more')}.</p>` : none;
  return html`<div class="scroll" tabindex="0"><table><caption>${caption}</caption>
<thead><tr>${head.map((name) => html`<th scope="col">${name}</th>`)}</tr></thead>
<tbody>${rows.slice(0, most).map(line)}</tbody></table></div>${more}`;
};

const panel = (title: string, ...content: readonly Markup[]): Markup =>
  content.every(({ text }) => text === '') ? none : html`<section class="panel"><h2>${title}</h2>${content}</section>\n`;

const details = (summary: string, content: Markup): Markup =>
  content.text === '' ? none : html`<details><summary>${summary}</summary>${content}</details>`;

// ---- head ----

const bannerIn = (status: StatusDocument): Banner => {
  const incidents = status.incidents.map((each) => ({ ...each, t4AtMs: slowest(each, 't4AtMs'), t6AtMs: slowest(each, 't6AtMs') }));
  return bannerOf({ ...status, incidents, nowMs: status.clusterTimeMs });
};

const banner = (status: StatusDocument): Markup => {
  const { tone, sentence, more } = bannerIn(status);
  return html`<section class="banner ${tone}"><p class="sentence">${GLYPHS[tone === 'ok' ? 'good' : tone]} ${sentence}</p>${more.map((line) => html`<p>${line}</p>`)}</section>\n`;
};

const speaker = ({ cluster, self, coordinator, decision, clusterTimeMs }: StatusDocument): Markup => {
  const who =
    coordinator === null || coordinator.released ? 'nobody' : `${coordinator.region}/${coordinator.replica}, term ${coordinator.epoch}`;
  const decided = decision === null ? 'nothing yet' : `v${decision.v}, ${ago(clusterTimeMs - decision.atMs)}: ${decision.because}`;
  return html`<p>${cluster.name}, configuration ${cluster.version}; ${utc(clusterTimeMs, clusterTimeMs)} UTC, as ${self.region}/${self.replica} sees it. Coordinates: ${who}. Decided: ${decided}</p>\n`;
};

const findings = (status: StatusDocument): Markup => {
  const all = findingsOf(status);
  const tones = { bad: 'bad', warn: 'warn', note: 'idle' } as const;
  const shown = all.slice(0, FINDINGS_MAX).map(({ level, text }) => html`<li>${mark(tones[level], level)} ${text}</li>\n`);
  const more = all.length > FINDINGS_MAX ? html`<li>And ${count(all.length - FINDINGS_MAX, 'more')}.</li>` : none;
  return panel('To look at', all.length === 0 ? html`<p>Nothing.</p>` : html`<ul>${shown}${more}</ul>`);
};

// ---- regions and services ----

const shareSum = (pools: readonly Pool[], of: (pool: Pool) => number): number => pools.reduce((sum, pool) => sum + of(pool), 0);

const VOICES = { ok: mark('good', 'speaks'), abstain: mark('warn', 'abstains'), silent: mark('warn', 'silent') } as const;

const regions = ({ services, votes, coordinator }: StatusDocument): Markup => {
  const byRegion = Map.groupBy(
    services.flatMap(({ pools }) => pools),
    ({ region }) => region,
  );
  const names = [...new Set([...byRegion.keys(), ...votes.vantages.map(({ region }) => region)])].sort();
  const whole = 1000 * Math.max(1, services.length);
  const rows = names.map((region): readonly Content[] => {
    const pools = byRegion.get(region) ?? [];
    const up = pools.filter(({ verdict }) => verdict === 'up').length;
    const [now, should] = [shareSum(pools, ({ share }) => share ?? 0), shareSum(pools, ({ configuredShare }) => configuredShare)];
    const those = votes.vantages.filter((vantage) => vantage.region === region);
    return [
      coordinator?.region === region ? `${region} (coordinates)` : region,
      pools.length === 0 ? mark('idle', 'no pools') : mark(up === pools.length ? 'good' : 'bad', `${up} of ${pools.length} up`),
      `${percent(Math.round((1000 * now) / whole))} of ${percent(Math.round((1000 * should) / whole))}`,
      those.length === 0 ? mark('idle', 'no vote') : VOICES[voiceOfRegion(those)],
    ];
  });
  return panel('Regions', table('Regions', ['Region', 'Pools', 'Traffic, of configured', 'Vantage'], rows));
};

const isWell = (pool: Pool): boolean => pool.verdict === 'up' && (pool.share ?? 0) >= pool.configuredShare - 1 && pool.memory?.hold == null;

const written = (service: Service): Markup => {
  const { state, because } = servedState(service);
  switch (state) {
    case 'applied':
      return mark('good', `written, v${service.applied?.fence}`);
    case 'unwritten':
      return mark('idle', because === 'advise' ? 'advised only' : 'observed only');
    case 'behind':
      return mark('warn', `on its way: ${because}`);
    case 'wrong':
      return mark('bad', because);
  }
};

/** Pools that are not well, each with its share; the others in a word. */
const routeOf = ({ route, pools }: Service): string => {
  if (route === null) return 'nothing decided yet';
  const ill = pools.filter((pool) => !isWell(pool));
  const named = ill.map(({ name, verdict, share, configuredShare }) => {
    const state = verdict === 'up' ? '' : ` (${verdict})`;
    return `${name}${state} ${percent(share ?? 0)} of ${percent(configuredShare)}`;
  });
  const rest = pools.length - ill.length;
  return [list(named, NAMED_MAX), rest === 0 ? '' : `${count(rest, 'pool')} as configured or more`]
    .filter((part) => part !== '')
    .join('; ');
};

const services = (status: StatusDocument): Markup => {
  const isGood = (service: Service): boolean =>
    service.route !== null && service.pools.every(isWell) && ['applied', 'unwritten'].includes(servedState(service).state);
  const ill = status.services.filter((service) => !isGood(service));
  const well = status.services.length - ill.length;
  const rows = ill.map((service): readonly Content[] => [
    service.name,
    html`${routeOf(service)}<br><span class="dim">${service.because}</span>`,
    written(service),
  ]);
  const all = status.services.map((service): readonly Content[] => [
    service.name,
    service.mode,
    `${service.pools.filter(({ verdict }) => verdict === 'up').length} of ${service.pools.length}`,
    written(service),
  ]);
  return panel(
    'Services',
    table('Services that are not as configured', ['Service', 'Route, and why', 'Written'], rows),
    html`<p>${well} of ${count(status.services.length, 'service')} as configured and served.</p>`,
    details('All services', table('All services', ['Service', 'Mode', 'Pools up', 'Written'], all, 1_000)),
  );
};

const votes = (status: StatusDocument): Markup => {
  const { matrix, vantages } = status.votes;
  const rows = Object.entries(matrix).flatMap(([target, cells]): readonly (readonly Content[])[] => {
    const against = Object.entries(cells).filter(([, { state }]) => state !== 'up');
    if (against.length === 0) return [];
    return [
      [
        target,
        list(
          against.map(([region, { state, because }]) => `${region}: ${state} (${because})`),
          NAMED_MAX,
        ),
      ],
    ];
  });
  const well = Object.keys(matrix).length - rows.length;
  const mute = vantages.flatMap(({ region, replica, self }): readonly (readonly Content[])[] =>
    self.state === 'abstain' ? [[`${region}/${replica}`, mark('warn', 'abstains'), self.because]] : [],
  );
  return panel(
    'Votes',
    table('Votes that are not up', ['Target', 'Who says what'], rows),
    html`<p>All of ${count(voters(status).size, 'region')} say up of ${well} of ${count(Object.keys(matrix).length, 'target')}.</p>`,
    table('Vantages that abstain', ['Vantage', 'State', 'Because'], mute),
  );
};

// ---- orders, holds, incidents ----

const orders = ({ overrides, clusterTimeMs }: StatusDocument): Markup => {
  const stateOf = ({ active, obeyed, approval, startsAtMs = 0 }: Order): Markup => {
    if (approval?.by === null) return mark('warn', 'awaits approval');
    if (!active) return mark('idle', startsAtMs > clusterTimeMs ? `from ${utc(startsAtMs, clusterTimeMs)}` : 'over');
    return obeyed ? mark('good', 'obeyed') : mark('bad', 'not obeyed');
  };
  const rows = overrides.items.map((order): readonly Content[] => [
    `${order.kind} ${scopeText(order.scope)}`,
    stateOf(order),
    `${utc(order.expiresAtMs, clusterTimeMs)} (${duration(order.leftMs)} left)`,
    order.by ?? order.owner,
    order.reason,
    order.because,
  ]);
  return panel('Orders', table('Orders of operators', ['What', 'State', 'Until, UTC', 'By', 'Reason', 'Standing'], rows));
};

const STAMPS = [
  ['t0AtMs', 't0', 'first probe that failed'],
  ['t1AtMs', 't1', 'first suspicion'],
  ['t2AtMs', 't2', 'quorum'],
  ['t3AtMs', 't3', 'decision'],
  ['t4AtMs', 't4', 'the provider acknowledged'],
  ['t5AtMs', 't5', 'all its servers answer the new route'],
  ['t6AtMs', 't6', 'users land on it'],
] as const satisfies readonly (readonly [keyof Course, string, string])[];

const judged = ({ ms, goalMs, judgement }: Course['detection']): Markup => {
  const tone = judgement === 'met' ? 'good' : judgement === 'missed' ? 'bad' : 'idle';
  return mark(tone, `${ms === null ? judgement : `${duration(ms)}, ${judgement}`} (goal ${duration(goalMs)})`);
};

/** One incident that goes on: every stamp with its distance from the first, and what they come to beside the goals. */
const openIncident = (incident: Incident, { cluster, clusterTimeMs }: StatusDocument): Markup => {
  const course = courseOf(incident, cluster.goals, clusterTimeMs);
  const from = course.t0AtMs ?? course.t3AtMs;
  const rows = STAMPS.map(([stamp, name, means]): readonly Content[] => {
    const atMs = course[stamp];
    return [
      `${name} ${means}`,
      atMs === null ? 'not seen' : utc(atMs, clusterTimeMs),
      atMs === null ? '–' : `${duration(atMs - from)} after`,
    ];
  });
  const { region, kind, services: those, because } = incident;
  const waiting = course.convergence.waitingFor;
  return html`<h3>${kind} ${region}: ${list([...those], NAMED_MAX)}</h3><p>${because}</p>
<p>Detected: ${judged(course.detection)} Converged: ${judged(course.convergence)}${waiting.length === 0 ? '' : ` waits for ${list([...waiting], NAMED_MAX)}`}</p>
${table(`Times of ${incident.id}`, ['Step', 'At, UTC', 'Since the first'], rows)}`;
};

const incidents = (status: StatusDocument): Markup => {
  const { clusterTimeMs } = status;
  const open = status.incidents.filter(({ closedAtMs }) => closedAtMs === null);
  const past = status.incidents.filter(({ closedAtMs }) => closedAtMs !== null);
  const rows = past.map(({ kind, region, t3AtMs, closedAtMs, detection, convergence }): readonly Content[] => [
    `${kind} ${region}`,
    utc(t3AtMs, clusterTimeMs),
    duration((closedAtMs ?? t3AtMs) - t3AtMs),
    judged(detection),
    judged(convergence),
  ]);
  return panel(
    'Incidents',
    ...open.slice(0, PAST_MAX).map((incident) => openIncident(incident, status)),
    open.length === 0 ? html`<p>None is open.</p>` : none,
    details(
      count(past.length, 'incident that is over', 'incidents that are over'),
      table('Incidents that are over', ['Incident', 'Decided, UTC', 'Lasted', 'Detected in', 'Converged in'], rows, PAST_MAX),
    ),
  );
};

/** Of many that are alike, the first few are named. */
const alike = <T>(
  all: readonly T[],
  keyOf: (one: T) => string,
  nameOf: (one: T) => string,
  because: (one: T) => string,
): readonly (readonly Content[])[] =>
  [...Map.groupBy(all, keyOf)].map(([key, those]) => [
    key,
    list(those.map(nameOf), NAMED_MAX),
    those[0] === undefined ? '' : because(those[0]),
  ]);

const holds = ({ holds: all, reminders }: StatusDocument): Markup =>
  panel(
    'Holds and reminders',
    table(
      'Moves that are held',
      ['Hold', 'Pools', 'Because'],
      alike(
        all,
        ({ hold }) => hold,
        ({ service, pool }) => `${service}/${pool}`,
        ({ because }) => because,
      ),
    ),
    table(
      'Reminders of safety rules',
      ['Rule', 'Services', 'Because'],
      alike(
        reminders,
        ({ rule, stage }) => `${rule}, ${stage}`,
        ({ service }) => service,
        ({ because }) => because,
      ),
    ),
  );

// ---- what else there is ----

const platforms = ({ platforms: all = [], clusterTimeMs }: StatusDocument): Markup => {
  const data = all.flatMap(({ name, databases }) =>
    databases.map(({ database, writer, split, standbys, because }): readonly Content[] => [
      `${name}/${database}`,
      split !== null
        ? mark('bad', `split: ${split.join(' and ')}`)
        : writer === null
          ? mark('warn', 'proved nowhere')
          : mark('good', `written in ${writer}`),
      standbys.length === 0
        ? because
        : list(
            standbys.map(({ region, because: why, measuredAtMs }) => `${region}: ${why}, ${ago(clusterTimeMs - measuredAtMs)}`),
            NAMED_MAX,
          ),
    ]),
  );
  const models = all.flatMap(({ name, llm }) =>
    (llm?.regions ?? []).map(({ region, known, because }): readonly Content[] => [
      `${name} in ${region}`,
      known ? 'known' : 'not known',
      because,
    ]),
  );
  const over = all.flatMap(({ name, over: those }) =>
    those.map(({ name: what, advice }): readonly Content[] => [what, name, advice ? mark('idle', 'advice') : mark('warn', 'over')]),
  );
  return panel(
    'Platforms',
    table('Data', ['Database', 'Writer', 'Standbys: what a move would lose'], data),
    table('Language models', ['Where', 'State', 'Because'], models),
    table('Over budget', ['What', 'Platform', 'State'], over),
  );
};

const providers = ({ providers: all = [], microDrills = [], clusterTimeMs }: StatusDocument): Markup => {
  const paths = all.map(({ name, failing, provenAgoMs, writes, canary }): readonly Content[] => [
    name,
    failing ? mark('bad', 'takes no writes') : mark('good', provenAgoMs === null ? 'not proven yet' : `proven ${ago(provenAgoMs)}`),
    writes === null ? '–' : `${duration(writes.p50Ms)} / ${duration(writes.p99Ms)} of ${writes.count}`,
    canary === null || canary.ok === null
      ? mark('idle', 'none yet')
      : canary.ok
        ? mark('good', 'came through')
        : mark('bad', canary.because),
  ]);
  const drills = microDrills.map(({ provider, provenAtMs, stale, last }): readonly Content[] => [
    provider,
    provenAtMs === null ? 'never' : ago(clusterTimeMs - provenAtMs),
    last.ok === false ? mark('bad', last.because) : stale ? mark('warn', 'stale') : mark('good', 'fresh'),
  ]);
  return panel(
    'Providers',
    table('Ways out', ['Provider', 'State', 'Writes, p50 / p99', 'Canary'], paths),
    table('Micro-drills', ['Provider', 'Proven', 'State'], drills),
  );
};

const PARTS = [banner, speaker, findings, regions, services, incidents, orders, holds, votes, platforms, providers];

const document = (title: string, body: Content): string => `<!doctype html>
${
  html`<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="${REFRESH_S}">
<title>${title}</title>
<link rel="stylesheet" href="/assets/style.css">
</head>
<body>
<header class="top"><h1>Tidegate</h1><p>Asked again every ${REFRESH_S} s. <a href="/">The page with a script</a> can also give orders.</p></header>
<main>
${body}</main>
</body>
</html>
`.text
}`;

/** One HTML document; null: this replica knows no configuration yet. Total: whatever texts the document holds, none of them is markup. */
export const plainPage = (status: StatusDocument | null): string => {
  if (status === null)
    return document(
      'Tidegate',
      html`<section class="banner warn"><p class="sentence">No cluster configuration is known here yet: it is read from the store.</p></section>\n`,
    );
  const { tone, sentence } = bannerIn(status);
  return document(
    `${GLYPHS[tone === 'ok' ? 'good' : tone]} ${status.cluster.name}: ${sentence}`,
    PARTS.map((part) => part(status)),
  );
};
