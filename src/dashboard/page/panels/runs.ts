// Runbooks: what moves together, how ready it is, what moves it now and what moved it before. The runs that go on stand open; others open by their name.
import type { PlatformList, RunItem, RunList } from '../../../client/schema.ts';
import { html } from '../html.ts';
import { asked, want } from '../live/address.ts';
import { get } from '../live/api.ts';
import { isNotOffered, useWatched } from '../live/watch.ts';
import { At, Empty, Panel, still, Table, Trouble } from '../parts.ts';
import { count, duration } from '../words.ts';
import { PlatformCard } from './platform.ts';
import { RunCard, State } from './run.ts';
import { causeText, isOpen, spanText } from './steps.ts';

const LOOK_MS = 15_000;
const SHOWN_MAX = 50;

const look = async () => {
  const [platforms, runs] = await Promise.all([get<PlatformList>('/v1/platforms'), get<RunList>(`/v1/runs?state=all&limit=${SHOWN_MAX}`)]);
  return { platforms: platforms.items, runs: runs.items, total: runs.total };
};

const Past = still(
  ({ item, isShown }: { item: RunItem; isShown: boolean }) => html`<tr>
    <th scope="row"><button type="button" class="link" aria-expanded=${isShown} onClick=${() => want('run', isShown ? null : item.id)}>${item.purpose} of ${item.platform}</button></th>
    <td>${item.from} to ${item.to}, ${item.mode}</td>
    <td><${State} state=${item.state} /></td>
    <td><${At} atMs=${item.startedAtMs ?? item.createdAtMs} /></td>
    <td>${item.recoveryMs === null ? '–' : duration(item.recoveryMs)} <span class="dim">of ${spanText(item.estimate.recovery)}</span></td>
    <td>${item.tookMs === null ? '–' : duration(item.tookMs)} <span class="dim">of ${spanText(item.estimate.whole)}</span></td>
    <td>${causeText(item.cause)}</td>
  </tr>`,
);

export const Runs = () => {
  const { value, error, again, ref } = useWatched(look, LOOK_MS, ['run.changed', 'config.applied']);
  const { platforms, runs, total } = value ?? { platforms: [], runs: [], total: 0 };
  const shown = runs.filter((item) => isOpen(item) || item.id === asked.value.run);
  const past = runs.filter((item) => !isOpen(item));
  return html`<${Panel} id="runs" title="Runbooks" watch=${ref}>
    ${isNotOffered(error) ? html`<${Empty}>This replica carries out no runs.<//>` : html`<${Trouble} error=${error} />`}
    ${value === null && error === null ? html`<${Empty}>Asking what there is …<//>` : null}
    ${value !== null && platforms.length === 0 ? html`<${Empty}>No platform is configured (cluster.platforms): routes move alone.<//>` : null}
    ${shown.map((item) => html`<${RunCard} key=${item.id} item=${item} onChange=${again} />`)}
    ${platforms.map((platform) => html`<${PlatformCard} key=${platform.name} platform=${platform} onChange=${again} />`)}
    ${
      past.length === 0
        ? null
        : html`<h3>Runs that have ended</h3>
          <${Table} caption="Runs that have ended, the newest first" head=${['run', 'move', 'state', 'began', 'recovered', 'took', 'why']}>
            ${past.map((item) => html`<${Past} key=${item.id} item=${item} isShown=${item.id === asked.value.run} />`)}
          <//>
          ${total > runs.length ? html`<p class="dim">${count(runs.length, 'run')} of ${total}; GET /v1/runs?state=all&limit=200 has more.</p>` : null}`
    }
  <//>`;
};
