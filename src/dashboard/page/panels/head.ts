// The top of the page: the sentence that matters, who says so, and how old it is.
import { useComputed } from '@preact/signals';
import { useRef } from 'preact/hooks';
import { origin } from '../browser.ts';
import { html } from '../html.ts';
import { dataAgeMs, goTo, isCutOffMs, isFailing, isStale, isStreaming, isUnheard, nowMs, overview, trouble } from '../live/live.ts';
import { elsewhere, me, ways } from '../live/session.ts';
import { Chip } from '../parts.ts';
import { age, isAlike, utc } from '../words.ts';

/** For who listens: a sentence of which only a span of time changes is not said again. Two places, since a place that changes how loud it is is not heard. */
const Spoken = ({ text, loud }: { text: string; loud: boolean }) => {
  const said = useRef('');
  if (!isAlike(said.current, text)) said.current = text;
  return html`<p class="hidden" role="alert">${loud ? said.current : ''}</p><p class="hidden" role="status">${loud ? '' : said.current}</p>`;
};

const Banner = () => {
  const seen = overview.value;
  if (seen === null)
    return html`<${Spoken} text="" loud=${false} /><div class="banner idle"><p class="sentence">Asking what is so …</p></div>`;
  const { tone, sentence, more } = seen.banner;
  const then = isUnheard.value ? `At ${utc(seen.clusterTimeMs, nowMs.value)}: ` : '';
  return html`<${Spoken} text=${sentence} loud=${tone === 'bad'} /><div class="banner ${then === '' ? tone : 'idle'}">
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

let homeRegion: string | null = null;
/** Where the page came from, by the name that it gave itself; its peers need not name it. */
const home = (): Record<string, string> => {
  if (elsewhere.value === null && overview.value !== null) homeRegion = overview.value.self.region;
  return homeRegion === null ? {} : { [homeRegion]: origin() };
};
const goOn = (region: string, url: string): void => {
  goTo(region, url);
  // The button goes; the keyboard goes on from the first panel.
  document.getElementById('regions')?.focus({ preventScroll: true });
};

/** Where else one could go on, when this replica does not answer. */
const Elsewhere = () => {
  const speaking = elsewhere.value?.region ?? overview.value?.self.region;
  const others = Object.entries({ ...home(), ...ways.value?.peers }).filter(([region]) => region !== speaking);
  if (others.length === 0) return html`<p>No other region's address is known here (dashboard.peers): open one of them by hand.</p>`;
  return html`<p>Go on with ${others.map(([region, url]) => html`<button key=${region} type="button" onClick=${() => goOn(region, url)}>${region}</button> `)}</p>`;
};

/** Whom the page asks: not always who said what is shown. */
const askedName = (): string => {
  const self = overview.value?.self;
  const region = elsewhere.value?.region;
  if (self !== undefined && (region === undefined || region === self.region)) return `${self.region}/${self.replica}`;
  return region ?? 'This replica';
};

const Stale = () => {
  home();
  if (!isFailing.value) return null;
  const { says = '', isAnswer = false } = trouble.value ?? {};
  const how = isAnswer
    ? 'answers, and can say nothing'
    : trouble.value === null && isCutOffMs.value !== null
      ? 'is cut off from the store'
      : 'does not answer';
  const whose = overview.value === null ? '' : `, by ${overview.value.self.region}/${overview.value.self.replica}`;
  return html`<div class="banner stale">
    <p class="sentence"><span role="alert">${askedName()} ${how}</span>: what is shown is <${Age} />${whose}</p>
    <p>${says} Traffic is not moved by this page: Tidegate may well go on without it.</p>
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
    <div><dt>data</dt><dd><${Age} /> ${isStreaming.value && !isStale.value ? html`<${Chip} tone="good">live<//>` : html`<${Chip} tone="warn">${isStale.value || trouble.value !== null ? 'old' : 'asking every few seconds'}<//>`}</dd></div>
    <div><dt>time</dt><dd><${Clock} /></dd></div>
    <div><dt>you</dt><dd>${me.value === null ? '–' : `${me.value.name} (${me.value.role})`}</dd></div>
  </dl>`;
};

export const Head = () => html`<${Stale} /><${Banner} /><${Speaker} />`;
