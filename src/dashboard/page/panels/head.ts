// The top of the page: the sentence that matters, who says so, and how old it is.
import { useComputed } from '@preact/signals';
import { bannerOf } from '../banner.ts';
import { html } from '../html.ts';
import { dataAgeMs, goTo, isStale, isStreaming, nowMs, overview, trouble } from '../live/live.ts';
import { elsewhere, me, ways } from '../live/session.ts';
import { Chip } from '../parts.ts';
import { age, utc } from '../words.ts';

const Banner = () => {
  const seen = overview.value;
  if (seen === null) return html`<div class="banner idle" role="status"><p class="sentence">Asking what is so …</p></div>`;
  const { tone, sentence, more } = bannerOf({ ...seen, nowMs: seen.clusterTimeMs });
  const then = isStale.value ? `At ${utc(seen.clusterTimeMs, nowMs.value)}: ` : '';
  return html`<div class="banner ${then === '' ? tone : 'idle'}" role=${tone === 'bad' ? 'alert' : 'status'}>
    <p class="sentence">${then}${sentence}</p>
    ${more.map((line) => html`<p>${line}</p>`)}
  </div>`;
};

const Age = () => {
  const text = useComputed(() => (dataAgeMs.value === null ? 'nothing heard yet' : `${age(dataAgeMs.value)} old`));
  return html`<span class="number">${text}</span>`;
};

const Clock = () => {
  const text = useComputed(() => (overview.value === null ? '' : `${utc(nowMs.value, nowMs.value)} UTC`));
  return html`<span class="number">${text}</span>`;
};

/** Where else one could go on, when this replica does not answer. */
const Elsewhere = () => {
  const speaking = elsewhere.value?.region ?? overview.value?.self.region;
  const others = Object.entries(ways.value?.peers ?? {}).filter(([region]) => region !== speaking);
  if (others.length === 0) return html`<p>No other region's address is known here (dashboard.peers): open one of them by hand.</p>`;
  return html`<p>Go on with ${others.map(([region, url]) => html`<button type="button" onClick=${() => goTo(region, url)}>${region}</button> `)}</p>`;
};

const Stale = () => {
  if (!isStale.value) return null;
  const seen = overview.value;
  const who = seen === null ? 'This replica' : `${seen.self.region}/${seen.self.replica}`;
  return html`<div class="banner stale" role="alert">
    <p class="sentence">${who} does not answer: what is shown is <${Age} /></p>
    <p>${trouble.value ?? ''} Traffic is not moved by this page: Tidegate may well go on without it.</p>
    <${Elsewhere} />
  </div>`;
};

const Speaker = () => {
  const seen = overview.value;
  if (seen === null) return null;
  const { self, cluster, coordinator, decision } = seen;
  return html`<dl class="speaker">
    <div><dt>cluster</dt><dd>${cluster.name} <span class="dim">v${cluster.version}</span></dd></div>
    <div><dt>speaking</dt><dd>${self.region}/${self.replica}</dd></div>
    <div><dt>coordinator</dt><dd>${coordinator === null || coordinator.released ? html`<${Chip} tone="bad">nobody<//>` : `${coordinator.region}/${coordinator.replica}, epoch ${coordinator.epoch}`}</dd></div>
    <div><dt>decision</dt><dd>${decision === null ? 'none yet' : `${decision.v}`}</dd></div>
    <div><dt>data</dt><dd><${Age} /> ${isStreaming.value ? html`<${Chip} tone="good">live<//>` : html`<${Chip} tone="warn">${trouble.value === null ? 'asking every few seconds' : 'no answer'}<//>`}</dd></div>
    <div><dt>time</dt><dd><${Clock} /></dd></div>
    <div><dt>you</dt><dd>${me.value === null ? '–' : `${me.value.name} (${me.value.role})`}</dd></div>
  </dl>`;
};

export const Head = () => html`<${Stale} /><${Banner} /><${Speaker} />`;
