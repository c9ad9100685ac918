// Data of the platforms: where each database is written, how that is known, and what a move would lose now.
import { effect } from '@preact/signals';
import type { Status } from '../../../client/schema.ts';
import { databaseTrouble, LAG_OLD_MS, lossText } from '../budgets.ts';
import { html } from '../html.ts';
import { nowMs, overview } from '../live/live.ts';
import { Ago, At, Empty, Mark, Table } from '../parts.ts';
import { samplesKept } from '../samples.ts';
import { Chart } from './chart.ts';

export type PlatformStatus = NonNullable<Status['platforms']>[number];
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
export const Data = ({ platforms }: { platforms: readonly PlatformStatus[] }) => {
  const lines = platforms
    .flatMap(({ name, databases }) =>
      databases.flatMap(({ database, standbys }) => standbys.map(({ region }) => `${name}/${database} in ${region}`)),
    )
    .map((name) => ({ name, label: name }));
  return html`<h3>Data</h3><${Databases} platforms=${platforms} />${lines.length === 0 ? null : html`<p class="dim">Replication lag while this page is open</p><${Chart} title="Replication lag" samples=${lags} lines=${lines} />`}`;
};
