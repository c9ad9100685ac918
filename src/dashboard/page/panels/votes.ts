// Who says what of whom: the targets that anybody doubts, with every vantage's word, its reason and the count that decides.
import { useState } from 'preact/hooks';
import { html } from '../html.ts';
import { want } from '../live/address.ts';
import { overview } from '../live/live.ts';
import { Empty, Mark, Panel, still, Table } from '../parts.ts';
import type { DoubtCard } from '../types.ts';
import { count, duration } from '../words.ts';

const Row = still(({ doubt, vantages }: { doubt: DoubtCard; vantages: readonly string[] }) => {
  const [open, setOpen] = useState(false);
  const reasons = vantages.flatMap((region) => {
    const cell = doubt.cells[region];
    return cell === undefined || cell.because === '' ? [] : [{ region, ...cell }];
  });
  return html`<tr>
      <th scope="row"><button type="button" class="link" onClick=${() => want('service', doubt.service)}>${doubt.target}</button></th>
      ${vantages.map((region) => {
        const cell = doubt.cells[region];
        return html`<td key=${region} title=${cell?.because}>${cell === undefined ? html`<span class="dim">not asked</span>` : html`<${Mark} state=${cell.state} />`}</td>`;
      })}
      <td><${Mark} state=${doubt.verdict} /> <span class="dim">${doubt.tally}</span></td>
      <td>${reasons.length === 0 ? null : html`<button type="button" class="quiet" aria-expanded=${open} onClick=${() => setOpen(!open)}>why</button>`}</td>
    </tr>
    ${open ? html`<tr class="more"><td colspan=${vantages.length + 3}><ul class="plain">${reasons.map(({ region, state, because, ageMs }) => html`<li><b>${region}</b> ${state}: ${because} <span class="dim">${ageMs === null ? '' : `vote ${duration(ageMs)} old`}</span></li>`)}</ul></td></tr>` : null}`;
});

export const Votes = () => {
  const seen = overview.value;
  const vantages = seen?.regions.filter(({ vote }) => vote).map(({ name }) => name) ?? [];
  const abstaining = seen?.regions.filter(({ vote, vantages: own }) => vote && own.every(({ state }) => state !== 'ok')) ?? [];
  const note =
    abstaining.length === 0
      ? undefined
      : html`Without a vote now: ${abstaining.map(({ name, vantages: own }) => html`<b>${name}</b> (${own[0]?.because ?? 'not heard'}) `)}`;
  return html`<${Panel} id="votes" title="Votes" note=${note}>
    ${
      seen === null || seen.doubts.length === 0
        ? html`<${Empty}>${seen === null ? 'Nothing is known yet.' : 'Every vantage that votes sees every target up.'}<//>`
        : html`<${Table} caption="Targets in doubt: what each vantage says" head=${['target', ...vantages, 'verdict', '']}>
          ${seen.doubts.map((doubt) => html`<${Row} key=${doubt.target} doubt=${doubt} vantages=${vantages} />`)}
        <//>`
    }
    ${seen !== null && seen.doubtsOmitted > 0 ? html`<p class="dim">and ${count(seen.doubtsOmitted, 'target')} more</p>` : null}
  <//>`;
};
