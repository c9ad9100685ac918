// What the cluster leans on, and what of it is proved to work: dependencies, data, drills; with charts of what was measured.
import { effect } from '@preact/signals';
import { useEffect, useRef, useState } from 'preact/hooks';
import type uPlot from 'uplot';
import type { HealthDetail, LanguageModels, ObjectiveCell, ObjectiveList, PlatformObjectives, Status } from '../../../client/schema.ts';
import { onWidth, whenSeen } from '../browser.ts';
import { get, isNotOffered, nowMs, overview, Refused, useWatched } from '../live.ts';
import { Ago, At, Chip, Empty, html, Mark, Panel, still, Table, Trouble } from '../parts.ts';
import {
  type BudgetRow,
  budgetRows,
  cellName,
  cellText,
  columnsOf,
  databaseTrouble,
  type HealthRow,
  healthRows,
  LAG_OLD_MS,
  lossText,
  minutesOf,
  regionsOf,
  type Samples,
  samplesKept,
} from '../records.ts';
import type { ServiceCard } from '../types.ts';
import { age, count, duration, shown, utc } from '../words.ts';
import { State } from './runs.ts';

// ---- charts ----
// A chart of what was measured while this page is open, with the same as a table. The code that draws it is fetched when it is first seen.

/** Ink of the style, a dash, and how that looks in the legend: colour is not all that tells them apart. */
const LINES: readonly (readonly [ink: string, dash: number[], looks: string])[] = [
  ['--link', [], '──'],
  ['--bad', [6, 4], '╌╌'],
  ['--good', [2, 3], '··'],
  ['--warn', [10, 3, 2, 3], '─·'],
  ['--ink', [4, 2], '┄┄'],
  ['--dim', [12, 4], '━ ━'],
];
const HEIGHT_PX = 220;

/** What a variable of the style comes to on this element, in the light or in the dark. */
const colour = (element: Element, name: string): string => {
  const probe = element.appendChild(document.createElement('i'));
  probe.style.color = `var(${name})`;
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
};

const optionsOf = (element: Element, lines: readonly Line[], Plot: typeof uPlot): uPlot.Options => {
  const [stroke, line] = [colour(element, '--ink'), { stroke: colour(element, '--line'), width: 1 }];
  const axis = { stroke, grid: line, ticks: line };
  return {
    width: Math.max(200, element.clientWidth),
    height: HEIGHT_PX,
    tzDate: (at) => Plot.tzDate(new Date(at * 1000), 'Etc/UTC'),
    scales: { y: { range: (_plot, _least, most) => [0, Math.max(1, (most ?? 0) * 1.1)] } },
    axes: [
      { ...axis, space: 80, values: (_plot, at) => at.map((each) => utc(each * 1000, each * 1000).slice(0, 8)) },
      { ...axis, size: 70, values: (_plot, all) => all.map(duration) },
    ],
    series: [
      { label: 'UTC', value: (_plot, at) => (at === null ? '–' : utc(at * 1000, at * 1000)) },
      ...lines.map(({ label }, at) => {
        const [name, dash, looks] = LINES[at % LINES.length] ?? ['--ink', [], ''];
        return {
          label: `${looks} ${shown(label)}`,
          dash,
          stroke: colour(element, name),
          width: 2,
          points: { size: 5 },
          value: (_plot: uPlot, ms: number | null) => (ms == null ? '–' : duration(ms)),
        };
      }),
    ],
  };
};

/** A series of the samples, and what it is called here. */
export interface Line {
  name: string;
  label: string;
}

interface ChartProps {
  title: string;
  samples: Samples;
  lines: readonly Line[];
}

const Canvas = ({ title, samples, lines }: ChartProps) => {
  const ref = useRef<HTMLDivElement>(null);
  const plot = useRef<{ made: uPlot; as: string } | null>(null);
  const [Plot, set] = useState<typeof uPlot | null>(null);
  const [error, setError] = useState<unknown>(null);
  useEffect(
    () =>
      ref.current === null
        ? undefined
        : whenSeen(ref.current, () => void import('uplot').then((made) => set(() => made.default), setError)),
    [],
  );
  useEffect(
    () =>
      ref.current === null
        ? undefined
        : onWidth(ref.current, (width) => plot.current?.made.setSize({ width: Math.max(200, width), height: HEIGHT_PX })),
    [],
  );
  useEffect(() => () => plot.current?.made.destroy(), []);
  useEffect(() => {
    const element = ref.current;
    if (element === null || Plot === null) return;
    // Drawn anew when its lines are others, or the page turned dark.
    const as = `${colour(element, '--ink')} ${lines.map(({ name }) => name).join('\n')}`;
    const data = columnsOf(
      samples.all(),
      lines.map(({ name }) => name),
    ) as uPlot.AlignedData;
    if (plot.current?.as === as) return plot.current.made.setData(data);
    plot.current?.made.destroy();
    plot.current = { made: new Plot(optionsOf(element, lines, Plot), data, element), as };
  });
  return html`<div class="chart" ref=${ref} role="img" aria-label="${title}; the same is in the table below"></div><${Trouble} error=${error} />`;
};

const valueText = (value: number | null | undefined): string =>
  value === undefined ? '–' : value === null ? 'no figure' : duration(value);

/** The first few lines are drawn, all are in the table. */
const Chart = ({ title, samples, lines }: ChartProps) => {
  const measured = lines.filter(({ name }) => samples.all().has(name));
  if (measured.length === 0) return html`<${Empty}>Nothing of it was measured since this page was opened.<//>`;
  const drawn = measured.slice(0, LINES.length);
  const names = measured.map(({ name }) => name);
  return html`<${Canvas} title=${title} samples=${samples} lines=${drawn} />
    ${measured.length > drawn.length ? html`<p class="dim">${count(measured.length - drawn.length, 'line')} more in the table</p>` : null}
    <details><summary>${title}, as a table</summary>
      <${Table} caption="${title}: the last look of each minute, the newest first" head=${['UTC', ...measured.map(({ label }) => label)]}>
        ${minutesOf(samples.all(), names).map(({ atMs, values }) => html`<tr key=${atMs}><th scope="row">${utc(atMs, atMs).slice(0, 5)}</th>${values.map((value) => html`<td class="number">${valueText(value)}</td>`)}</tr>`)}
      <//>
    </details>`;
};

// ---- data ----
// Data of the platforms: where each database is written, how that is known, and what a move would lose now.

type PlatformStatus = NonNullable<Status['platforms']>[number];
type Database = PlatformStatus['databases'][number];

const lags = samplesKept();
effect(() => {
  for (const { name, databases } of overview.value?.platforms ?? [])
    for (const { database, standbys } of databases)
      for (const { region, measuredAtMs, lagMs } of standbys) lags.add(`${name}/${database} in ${region}`, measuredAtMs, lagMs);
});

const Standby = ({ standby, isBehind }: { standby: Database['standbys'][number]; isBehind: boolean }) => {
  const isOld = nowMs.value - standby.measuredAtMs > LAG_OLD_MS;
  return html`<li><b>${standby.region}</b> ${isBehind ? html`<${Mark} state="warn" says="too far behind" /> ` : null}${isOld ? html`<${Mark} state="unknown" says="not known now; last" /> ` : null}
    <span class="number">${lossText(standby)}</span> <span class="dim">measured <${Ago} atMs=${standby.measuredAtMs} /></span></li>`;
};

const DatabaseRow = ({ platform, database }: { platform: string; database: Database }) => {
  const trouble = databaseTrouble(database);
  return html`<tr>
    <th scope="row">${platform}/${database.database}</th>
    <td>${database.writer === null ? html`<span class="dim">nowhere</span>` : html`<b>${database.writer}</b>`}
      ${trouble === null ? html` <${Mark} state="ok" says="proved" />` : html`<p><${Mark} state=${trouble.state} /> ${trouble.says}</p>`}
      ${database.provedAtMs === null ? null : html` <${At} atMs=${database.provedAtMs} />`}
      ${database.fenced.length === 0 ? null : html`<p class="dim">said to take no writes: ${database.fenced.join(', ')}</p>`}</td>
    <td><ul class="plain">${database.standbys.map((standby) => html`<${Standby} key=${standby.region} standby=${standby} isBehind=${database.behind.includes(standby.region)} />`)}
      ${database.unmeasured.map((region) => html`<li><b>${region}</b> <${Mark} state="unknown" says="never measured" /></li>`)}</ul></td>
  </tr>`;
};

const Databases = ({ platforms }: { platforms: readonly PlatformStatus[] }) => {
  const rows = platforms.flatMap(({ name, databases }) => databases.map((database) => ({ name, database })));
  if (rows.length === 0) return html`<${Empty}>No platform has a database that is watched.<//>`;
  return html`<${Table} caption="Databases: where they are written, and what a move would lose now" head=${['database', 'written in', 'expected loss now, by standby']}>
    ${rows.map(({ name, database }) => html`<${DatabaseRow} key="${name}/${database.database}" platform=${name} database=${database} />`)}
  <//>`;
};

/** With its lag while this page is open. */
const Data = ({ platforms }: { platforms: readonly PlatformStatus[] }) => {
  const lines = platforms
    .flatMap(({ name, databases }) =>
      databases.flatMap(({ database, standbys }) => standbys.map(({ region }) => `${name}/${database} in ${region}`)),
    )
    .map((name) => ({ name, label: name }));
  return html`<h3>Data</h3><${Databases} platforms=${platforms} />${lines.length === 0 ? null : html`<p class="dim">Replication lag while this page is open</p><${Chart} title="Replication lag" samples=${lags} lines=${lines} />`}`;
};

// ---- dependencies ----
// What the cluster leans on, against what it may take: round trips between regions, data and what a move would lose now, language models, and what this very replica needs.

/** While the page is open. */
const trips = samplesKept();

const objectivesNow = async (): Promise<ObjectiveList> => {
  const found = await get<ObjectiveList>('/v1/objectives');
  for (const { platform, cells } of found.items)
    for (const cell of cells)
      if (cell.ageMs !== null) trips.add(`${platform}: ${cellName(cell)}`, found.clusterTimeMs - cell.ageMs, cell.ms);
  return found;
};

const Cell = ({ cell }: { cell: ObjectiveCell | undefined }) =>
  cell === undefined
    ? html`<td class="dim">not asked</td>`
    : html`<td class=${cell.verdict === 'breach' ? 'moved' : ''} title=${cell.because}><${Mark} state=${{ good: 'met', breach: 'missed', unknown: 'unknown' }[cell.verdict]} says=${cellText(cell)} />
        ${cell.ageMs === null ? null : html` <span class="dim">${age(cell.ageMs)} old</span>`}${cell.verdict === 'unknown' ? html`<p class="dim">${cell.because}</p>` : null}</td>`;

const MEANS: Readonly<Record<BudgetRow['role'], string>> = {
  advice: 'nothing waits for it',
  gate: 'a recovery waits while it is over its bound',
  recovery: 'a recovery waits until it is seen to hold',
};

const Breach = ({
  cell,
}: {
  cell: ObjectiveCell;
}) => html`<li class="note"><${Mark} state="missed" says="over" /> <b>${cellName(cell)}</b>: ${cell.because}
  ${cell.remedies.length === 0 ? null : html`<p>What helps:</p><ul>${cell.remedies.map((remedy) => html`<li>${remedy}</li>`)}</ul>`}</li>`;

const Budgets = still(({ of }: { of: PlatformObjectives }) => {
  const regions = regionsOf(of);
  const rows = budgetRows(of);
  const breaches = of.cells.filter(({ verdict }) => verdict === 'breach');
  const unasked = of.objectives.filter(({ measured }) => !measured).map(({ name }) => name);
  return html`<h3>Budgets of ${of.platform}</h3>
    ${
      rows.length === 0
        ? html`<${Empty}>Nothing of it is measured.<//>`
        : html`<${Table} caption="What each region measured of each dependency of ${of.platform}" head=${['dependency', 'in', 'bound', ...regions.map((region) => `from ${region}`)]}>
          ${rows.map(
            ({ key, objective, of: entry, to, maxMs, role, cells }) => html`<tr key=${key}>
              <th scope="row">${objective}${entry === objective ? '' : ` ${entry}`} <${Chip} title=${MEANS[role]}>${role}<//></th>
              <td>${to ?? 'its own region'}</td><td class="number">${duration(maxMs)}</td>
              ${regions.map((region) => html`<${Cell} key=${region} cell=${cells.get(region)} />`)}
            </tr>`,
          )}
        <//>`
    }
    ${unasked.length === 0 ? null : html`<p class="dim">Not measured, since ${of.platform} names nothing to ask: ${unasked.join(', ')}.</p>`}
    ${breaches.length === 0 ? null : html`<ul class="plain">${breaches.map((cell) => html`<${Breach} key=${cellName(cell)} cell=${cell} />`)}</ul>`}`;
});

/** Of one objective at a time. */
const Trips = ({ items }: { items: readonly PlatformObjectives[] }) => {
  const [wanted, want] = useState(0);
  const all = items.flatMap(({ platform, objectives, cells }) =>
    objectives.flatMap(({ name, maxMs }) => {
      const lines = cells
        .filter(({ objective }) => objective === name)
        .map((cell) => ({
          name: `${platform}: ${cellName(cell)}`,
          label: `${cell.of === name ? '' : `${cell.of}: `}${cell.from}${cell.to === cell.from ? '' : ` to ${cell.to}`}`,
        }));
      return lines.length === 0 ? [] : [{ title: `${platform}: ${name}, below ${duration(maxMs)} is wanted`, lines }];
    }),
  );
  const shown = all[wanted] ?? all[0];
  if (shown === undefined) return null;
  return html`<h3>Round trips and waits</h3>
    ${
      all.length === 1
        ? html`<p class="dim">${shown.title}</p>`
        : html`<p><label>of <select value=${all.indexOf(shown)} onChange=${({ currentTarget }: { currentTarget: HTMLSelectElement }) => want(Number(currentTarget.value))}>
          ${all.map(({ title }, at) => html`<option value=${at}>${title}</option>`)}</select></label></p>`
    }
    <${Chart} title=${shown.title} samples=${trips} lines=${shown.lines} />`;
};

// ---- language models ----

const Model = ({
  region: { region, provider, position, sinceAtMs, switches, known, lookedAtMs, because },
  of,
}: {
  region: LanguageModels['regions'][number];
  of: LanguageModels['chain'];
}) => html`<tr>
  <th scope="row">${region}</th>
  <td>${provider === null ? html`<span class="dim">none was ever seen</span>` : html`<${Mark} state=${!known ? 'unknown' : position === 1 ? 'ok' : 'warn'} says=${provider} />`} ${position === null ? '' : html`<span class="dim">${position} of ${of.length}</span>`}</td>
  <td>${sinceAtMs === null ? '–' : html`<${At} atMs=${sinceAtMs} />`}</td>
  <td>${switches}</td>
  <td>${lookedAtMs === null ? html`<span class="dim">never looked at</span>` : html`<${Ago} atMs=${lookedAtMs} />`}</td>
  <td>${because}</td>
</tr>`;

const Llm = still(
  ({
    name,
    llm,
  }: {
    name: string;
    llm: LanguageModels;
  }) => html`<h3>Language models of ${name} <${Chip} title="no route, no vote and no run rests on it">advice<//></h3>
  <p class="dim">${llm.chain.join(' → ')}; more than ${count(llm.churn.switches, 'switch', 'switches')} in ${duration(llm.churn.windowMs)} are told</p>
  ${llm.alarms.map(({ is, region }) => html`<p><${Mark} state="warn" says=${is} /> ${region ?? 'all regions are on the last of the chain'}</p>`)}
  <${Table} caption="Language models of ${name}, by region" head=${['region', 'on', 'since', 'switches', 'looked at', 'because']}>
    ${llm.regions.map((region) => html`<${Model} key=${region.region} region=${region} of=${llm.chain} />`)}
  <//>`,
);

// ---- what this very replica needs ----

const LOOK_MS = 10_000;

/** It says `fail` with a 503 and the same document. */
const healthNow = async (): Promise<HealthDetail> => {
  try {
    return await get<HealthDetail>('/api/health/detail');
  } catch (error) {
    if (error instanceof Refused && 'checks' in error.problem) return error.problem as unknown as HealthDetail;
    throw error;
  }
};

const Checks = still(
  ({
    caption,
    rows,
  }: {
    caption: string;
    rows: readonly HealthRow[];
  }) => html`<${Table} caption=${caption} head=${['is', 'check', 'of', 'value', 'because']}>
  ${rows.map(({ name, id, state, value, because }) => html`<tr key="${name} ${id}"><td><${State} state=${state} /></td><th scope="row">${name}</th><td>${id}</td><td>${value}</td><td>${because}</td></tr>`)}
<//>`,
);

const Health = () => {
  const { value, error, ref } = useWatched(healthNow, LOOK_MS);
  const rows = value === null ? [] : healthRows(value);
  const bad = rows.filter(({ state }) => state !== 'pass');
  const good = rows.filter(({ state }) => state === 'pass');
  return html`<div ref=${ref}><h3>What this replica depends on</h3><${Trouble} error=${error} />
    ${value === null ? null : html`<p role="status"><${State} state=${value.status} /> <span class="dim">${value.description}, ${value.releaseId}</span></p>`}
    ${bad.length === 0 ? null : html`<${Checks} caption="What is not well of this replica, worst first" rows=${bad} />`}
    ${good.length === 0 ? null : html`<details><summary>${count(good.length, 'check')} passed</summary><${Checks} caption="What is well of this replica" rows=${good} /></details>`}
  </div>`;
};

// ---- the panel ----

export const Dependencies = () => {
  const platforms = overview.value?.platforms ?? [];
  const { value, error, ref } = useWatched(objectivesNow, LOOK_MS);
  const over = platforms.flatMap(({ name, over: all }) => all.map((each) => ({ ...each, name: `${name}: ${each.name}` })));
  return html`<${Panel} id="dependencies" title="Dependencies and budgets" watch=${ref}>
    ${over.map(({ name, advice }) => html`<p><${Mark} state="warn" says="told to be over its bound" /> ${name}${advice ? html` <${Chip}>advice<//>` : ''}</p>`)}
    ${
      platforms.length === 0
        ? html`<${Empty}>No platform is configured: nothing but this replica’s own dependencies is measured.<//>`
        : html`<${Data} platforms=${platforms} />`
    }
    ${error === null || isNotOffered(error) ? null : html`<${Trouble} error=${error} />`}
    ${isNotOffered(error) && platforms.length > 0 ? html`<${Empty}>This replica reads no measurements.<//>` : null}
    ${(value?.items ?? []).map((of) => html`<${Budgets} key=${of.platform} of=${of} />`)}
    <${Trips} items=${value?.items ?? []} />
    ${platforms.flatMap(({ name, llm }) => (llm === null ? [] : [html`<${Llm} key=${name} name=${name} llm=${llm} />`]))}
    <${Health} />
  <//>`;
};

// ---- drills ----
// What is proved to work, and when that was: failovers of names that nobody resolves, canaries of the providers, moves of each service; and what is due.

/** The document leaves these two open; src/api/proofs.ts and src/api/status.ts say what they are. */
interface MicroDrill {
  provider: string;
  service: string;
  everyMs: number;
  provenAtMs: number | null;
  stale: boolean;
  last: { from: string; to: string; t3AtMs: number; ok: boolean | null; because: string };
  phases: Readonly<Partial<Record<keyof typeof PHASES, { p50Ms: number; p95Ms: number; count: number }>>>;
}
type Spread = { p50Ms: number; p99Ms: number; count: number } | null;
interface Provider {
  name: string;
  failing: boolean;
  provenAgoMs: number | null;
  writes: Spread;
  canary: { service: string; atMs: number | null; ok: boolean | null; because: string; stages: Readonly<Record<string, Spread>> } | null;
}

const Proved = ({ atMs }: { atMs: number | null }) => (atMs === null ? html`<span class="dim">never</span>` : html`<${At} atMs=${atMs} />`);

const PHASES = { acknowledged: 'written', authoritative: 'served', resolver: 'users' } as const;

const DrillRow = still(({ drill }: { drill: MicroDrill }) => {
  const { provider, service, everyMs, provenAtMs, stale, last, phases } = drill;
  return html`<tr>
    <th scope="row">${provider}<br /><code class="dim">${service}</code></th>
    <td><${Proved} atMs=${provenAtMs} /> ${stale ? html`<${Chip} tone="warn">stale<//>` : null}</td>
    <td>each ${duration(everyMs)}</td>
    <td>${last.ok === null ? html`<${Mark} state="pending" says="under way, or whoever flew it died" />` : html`<${Mark} state=${last.ok ? 'pass' : 'fail'} says=${last.ok ? 'came through' : 'failed'} />`} <span class="dim">${last.from} to ${last.to}, <${At} atMs=${last.t3AtMs} /></span>${last.because === '' ? null : html`<p class="dim">${last.because}</p>`}</td>
    ${(Object.keys(PHASES) as (keyof typeof PHASES)[]).map((phase) => {
      const spread = phases[phase];
      return html`<td>${spread === undefined ? html`<span class="dim">not measured</span>` : html`${duration(spread.p50Ms)} <span class="dim">p95 ${duration(spread.p95Ms)}, of ${spread.count}</span>`}</td>`;
    })}
  </tr>`;
});

const ProviderRow = still(({ provider: { name, failing, provenAgoMs, writes, canary } }: { provider: Provider }) => {
  const stages = Object.entries(canary?.stages ?? {}).flatMap(([stage, spread]) =>
    spread === null ? [] : [`${stage} ${duration(spread.p50Ms)} (p99 ${duration(spread.p99Ms)})`],
  );
  return html`<tr>
    <th scope="row">${name}</th>
    <td><${Mark} state=${failing ? 'fail' : 'pass'} says=${failing ? 'failing' : 'works'} /></td>
    <td>${provenAgoMs === null ? html`<span class="dim">never</span>` : `${duration(provenAgoMs)} ago`}</td>
    <td>${writes === null ? html`<span class="dim">no writes yet</span>` : html`${duration(writes.p50Ms)} <span class="dim">p99 ${duration(writes.p99Ms)}, of ${writes.count}</span>`}</td>
    <td>${
      canary === null
        ? html`<span class="dim">none configured</span>`
        : html`${canary.ok === null ? html`<${Mark} state="pending" says="none has ended yet" />` : html`<${Mark} state=${canary.ok ? 'pass' : 'fail'} says=${canary.ok ? 'came through' : 'failed'} />`}
          ${canary.atMs === null ? null : html` <${At} atMs=${canary.atMs} />`} <code class="dim">${canary.service}</code>
          ${canary.because === '' ? null : html`<p class="dim">${canary.because}</p>`}<p class="dim">${stages.join('; ')}</p>`
    }</td>
  </tr>`;
});

const Services = still(({ services }: { services: readonly ServiceCard[] }) => {
  const never = services.filter(({ provenAtMs }) => provenAtMs === null).length;
  const oldest = services.toSorted((a, b) => (a.provenAtMs ?? 0) - (b.provenAtMs ?? 0));
  return html`<details><summary>When each service was last proved to move: ${never === 0 ? 'all were once' : `${count(never, 'service')} of ${services.length} never`}</summary>
    <${Table} caption="When each service was last proved to move, the longest ago first" head=${['service', 'proved']}>
      ${oldest.map(({ name, provenAtMs }) => html`<tr key=${name}><th scope="row">${name}</th><td><${Proved} atMs=${provenAtMs} /></td></tr>`)}
    <//></details>`;
});

export const Drills = () => {
  const seen = overview.value;
  if (seen === null) return html`<${Panel} id="drills" title="Drills"><${Empty}>Nothing is known yet.<//><//>`;
  const { reminders, remindersOmitted, services } = seen;
  const microDrills = (seen.microDrills ?? []) as readonly unknown[] as readonly MicroDrill[];
  const providers = (seen.providers ?? []) as readonly unknown[] as readonly Provider[];
  return html`<${Panel} id="drills" title="Drills">
    ${
      reminders.length === 0
        ? null
        : html`<ul class="plain">${reminders.map(({ service, rule, stage, because }) => html`<li class="note"><${Mark} state="warn" says=${service} /> <code>${rule}</code> <span class="dim">${stage}</span> ${because}</li>`)}</ul>`
    }
    ${remindersOmitted > 0 ? html`<p class="dim">and ${count(remindersOmitted, 'reminder')} more</p>` : null}
    <h3>Micro-drills</h3>
    ${
      microDrills.length === 0
        ? html`<${Empty}>None is flown: <code>microDrill: true</code> of a provider’s canary fails over a name that nobody resolves, every few minutes.<//>`
        : html`<${Table} caption="Micro-drills: from the decision until it was written, served, and met by resolvers" head=${['provider', 'last proved', 'flown', 'the newest', ...Object.values(PHASES).map((says) => `${says}, median`)]}>
          ${microDrills.map((drill) => html`<${DrillRow} key=${drill.provider} drill=${drill} />`)}
        <//>`
    }
    <h3>Providers and canaries</h3>
    ${
      providers.length === 0
        ? html`<${Empty}>This replica writes to no provider now, so it has measured none; whoever coordinates has.<//>`
        : html`<${Table} caption="Providers as this replica writes to them, and their canaries" head=${['provider', 'is', 'proved', 'writes, median', 'canary']}>
          ${providers.map((provider) => html`<${ProviderRow} key=${provider.name} provider=${provider} />`)}
        <//>`
    }
    <${Services} services=${services} />
    <h3>Exercises</h3>
    <p>Scorecards of <code>tidegate drill run</code> are files: the folder <code>drills/</code>, or what <code>--scorecards</code> said, where the command ran. <code>tidegate drill history</code> lists them; no replica has them, so this page shows none. Runs with the purpose drill are under Runbooks.</p>
  <//>`;
};
