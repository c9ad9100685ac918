// A forecast told as a story: what would be decided and when, where traffic goes, what would be written, what is left, what stands in the way.
import type { Forecast } from '../../../client/schema.ts';
import { alike, moves, movesText, namesText } from '../forecast.ts';
import { html } from '../html.ts';
import { At, Chip, Mark, Share, still, Table, type Tone } from '../parts.ts';
import { duration } from '../words.ts';

const SHOWN_MAX = 30;
const TONES: Readonly<Record<string, Tone>> = { critical: 'bad', warning: 'warn', info: 'idle' };

const Rest = ({ all }: { all: number }) => (all > SHOWN_MAX ? html`<p class="dim">and ${all - SHOWN_MAX} more</p>` : null);

const Steps = ({ steps }: Pick<Forecast, 'steps'>) =>
  steps.length === 0
    ? html`<p>Nothing would be decided.</p>`
    : html`<ol class="story">${steps.map(
        ({ afterMs, v, because, changes, holds }) => html`<li>
        <p><b class="number">${afterMs === 0 ? 'at once' : `+${duration(afterMs)}`}</b> decision ${v}: ${because}</p>
        <ul>${alike(changes).map((change) => html`<li>${namesText(change.services)}: ${movesText(change) || 'stays as it is'}</li>`)}
          ${holds.slice(0, 5).map(({ service, pool, hold, because: why }) => html`<li><${Chip} tone="warn">held: ${hold}<//> ${service}/${pool}: ${why}</li>`)}
          ${holds.length > 5 ? html`<li class="dim">and ${holds.length - 5} holds more</li>` : null}</ul>
      </li>`,
      )}</ol>`;

const Capacity = ({ capacity }: Pick<Forecast['services'][number], 'capacity'>) =>
  capacity === null
    ? html`<span class="dim">not known</span>`
    : html`<${Mark} state=${capacity.leftPercent < 0 ? 'down' : capacity.leftPercent < 10 ? 'warn' : 'ok'} says="${Math.round(capacity.leftPercent)} % left" /> <span class="dim">${capacity.because} (${capacity.source})</span>`;

const Services = ({ services, of }: Pick<Forecast, 'services'> & { of: string }) => {
  const told = services.filter((service) => moves(service).length > 0 || service.writes.length > 0);
  if (told.length === 0) return null;
  return html`<h4>Routes before and after</h4>
    <${Table} caption="Routes before and after, ${of}" head=${['service', 'pool', 'before', 'after', 'written', 'capacity', 'users follow within']}>
      ${told.slice(0, SHOWN_MAX).map((service) => {
        const moved = moves(service);
        const rows = Math.max(1, moved.length);
        const { converge } = service;
        return Array.from(
          { length: rows },
          (_, n) => html`<tr>
          ${n === 0 ? html`<th scope="rowgroup" rowspan=${rows}>${service.service} ${service.mode === 'auto' ? null : html`<${Chip} tone="warn">${service.mode}: nothing is written<//>`}</th>` : null}
          <td class="tight">${moved[n]?.pool ?? 'as it is'}</td><td>${moved[n] === undefined ? null : html`<${Share} value=${moved[n].from} />`}</td><td>${moved[n] === undefined ? null : html`<${Share} value=${moved[n].to} />`}</td>
          ${
            n === 0
              ? html`<td rowspan=${rows}>${service.writes.length === 0 ? html`<span class="dim">nothing</span>` : service.writes.map((write) => html`<p>${write.provider}: ${movesText(write) || 'the same again'}</p>`)}</td>
            <td rowspan=${rows}><${Capacity} capacity=${service.capacity} /></td>
            <td rowspan=${rows}>${converge === null ? html`<span class="dim">not known</span>` : html`${duration(converge.p50Ms)}, at worst ${duration(converge.p99Ms)} <span class="dim">${converge.because}</span>`}</td>`
              : null
          }
        </tr>`,
        );
      })}
    <//><${Rest} all=${told.length} />`;
};

const Refusals = ({ refusals }: Pick<Forecast, 'refusals'>) =>
  refusals.length === 0
    ? null
    : html`<h4>Refused</h4><ul>${refusals.slice(0, SHOWN_MAX).map(
        ({
          service,
          pool,
          rule,
          because,
          counterfactual,
          againAtMs,
        }) => html`<li><${Mark} state="fail" says=${rule} /> ${service}/${pool}: ${because}.
        <span class="dim">${counterfactual}</span>${againAtMs === null ? null : html` It would pass by itself at <${At} atMs=${againAtMs} />.`}</li>`,
      )}</ul><${Rest} all=${refusals.length} />`;

const Holds = ({ holds }: Pick<Forecast, 'holds'>) =>
  holds.length === 0
    ? null
    : html`<h4>Still held at the end</h4><ul>${holds.slice(0, SHOWN_MAX).map(({ service, pool, hold, because }) => html`<li><${Chip} tone="warn">${hold}<//> ${service}/${pool}: ${because}</li>`)}</ul><${Rest} all=${holds.length} />`;

export const Story = still(
  ({ forecast, of }: { forecast: Forecast; of: string }) => html`<div>
  <${Steps} steps=${forecast.steps} />
  <${Services} services=${forecast.services} of=${of} />
  <${Refusals} refusals=${forecast.refusals} />
  <${Holds} holds=${forecast.holds} />
  ${forecast.pages.length === 0 ? null : html`<h4>Who would be told</h4><ul>${forecast.pages.slice(0, SHOWN_MAX).map(({ severity, type, summary }) => html`<li><${Chip} tone=${TONES[severity] ?? 'idle'}>${severity}<//> ${type}: ${summary}</li>`)}</ul>`}
  ${forecast.notes.length === 0 ? null : html`<h4>What it could not know</h4><ul>${forecast.notes.map((note) => html`<li>${note}</li>`)}</ul>`}
</div>`,
);
