// On which language models the regions are. Advice: no route, no vote and no run rests on it.
import type { LanguageModels } from '../../../client/schema.ts';
import { html } from '../html.ts';
import { Ago, At, Chip, Mark, still, Table } from '../parts.ts';
import { count, duration } from '../words.ts';

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

export const Llm = still(
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
