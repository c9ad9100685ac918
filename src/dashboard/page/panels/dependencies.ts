// What the cluster leans on, against what it may take: round trips between regions, data and what a move would lose now, language models, and what this very replica needs.
import { useState } from 'preact/hooks';
import type { HealthDetail, LanguageModels, ObjectiveCell, ObjectiveList, PlatformObjectives } from '../../../client/schema.ts';
import { type BudgetRow, budgetRows, cellName, cellText, type HealthRow, healthRows, regionsOf } from '../budgets.ts';
import { html } from '../html.ts';
import { get, Refused } from '../live/api.ts';
import { overview } from '../live/live.ts';
import { isNotOffered, useWatched } from '../live/watch.ts';
import { Ago, At, Chip, Empty, Mark, Panel, still, Table, Trouble } from '../parts.ts';
import { samplesKept } from '../samples.ts';
import { age, count, duration } from '../words.ts';
import { Chart } from './chart.ts';
import { Data } from './databases.ts';
import { State } from './run.ts';

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
