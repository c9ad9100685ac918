// A card for each region: does it serve, does it see, who holds it back.
import { html } from '../html.ts';
import { overview } from '../live/live.ts';
import { Chip, Empty, Mark, Panel, Share, still, type Tone } from '../parts.ts';
import type { RegionCard, VantageCard } from '../types.ts';
import { count, duration, list, percent } from '../words.ts';
import { OrderLink } from './order-parts.ts';

const WORST = ['down', 'suspect', 'unready', 'unknown', 'up'] as const;
const worstOf = ({ pools }: RegionCard): (typeof WORST)[number] => WORST.find((verdict) => pools[verdict] > 0) ?? 'unknown';

const TONES: Readonly<Record<string, Tone>> = { up: 'good', suspect: 'warn', unready: 'warn', down: 'bad', unknown: 'idle' };

const Vantage = ({ vantage }: { vantage: VantageCard }) => html`<li>
  <${Mark} state=${vantage.state} /> ${vantage.replica}
  <span class="dim">${vantage.ageMs === null ? '' : ` vote ${duration(vantage.ageMs)} old`}${vantage.version === null ? '' : `, ${vantage.version}`}</span>
  ${vantage.because === '' ? null : html`<p class="because">${vantage.because}</p>`}
</li>`;

const Card = still(({ region }: { region: RegionCard }) => {
  const worst = worstOf(region);
  const counts = WORST.filter((verdict) => region.pools[verdict] > 0).map((verdict) => `${region.pools[verdict]} ${verdict}`);
  const { not } = region.share;
  const { actual, configured } = region.sharesSum;
  const order = region.evacuated ?? region.drained;
  const served = configured === 0 ? 0 : Math.round((100 * actual) / configured) * 10;
  return html`<li class="card ${TONES[worst]}">
    <h3>${region.name} ${region.coordinates ? html`<${Chip} title="decides for all regions">coordinates<//>` : null}</h3>
    <p><${Mark} state=${worst} says=${counts.length === 0 ? 'no pool here' : counts.join(', ')} /></p>
    <p class="row"><span class="dim">traffic</span> <${Share} value=${served} /></p>
    <p class="dim">${percent(served)} of what is configured${not > 0 ? `; ${count(not, 'service')} not at all` : ''}</p>
    ${order === null ? null : html`<p><${Chip} tone="warn">order ${order}<//></p>`}
    ${region.holds.length > 0 ? html`<p><${Chip} tone="warn">held: ${list(region.holds, 3)}<//></p>` : null}
    <ul class="plain">${region.vote ? region.vantages.map((vantage) => html`<${Vantage} key=${vantage.replica} vantage=${vantage} />`) : html`<li class="dim">has no vote</li>`}</ul>
    <p class="row"><${OrderLink} kind="drain" scope=${{ region: region.name }} /><${OrderLink} kind="evacuate" scope=${{ region: region.name }} /></p>
  </li>`;
});

export const Regions = () => {
  const seen = overview.value;
  return html`<${Panel} id="regions" title="Regions">
    ${seen === null || seen.regions.length === 0 ? html`<${Empty}>No region is known yet.<//>` : html`<ul class="cards">${seen.regions.map((region) => html`<${Card} key=${region.name} region=${region} />`)}</ul>`}
  <//>`;
};
