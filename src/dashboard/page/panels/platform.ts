// One platform: where it is active, how ready a move would find it, what moves it now, what moves took, and whether a deployment of it is out.
import { useRef, useState } from 'preact/hooks';
import type { Platform, VerifyReport } from '../../../client/schema.ts';
import { html } from '../html.ts';
import { want } from '../live/address.ts';
import { get } from '../live/api.ts';
import { may } from '../live/session.ts';
import { At, Chip, Dialog, Empty, Table, Trouble, useDeed } from '../parts.ts';
import { count, duration } from '../words.ts';
import { Move } from './move.ts';
import { State } from './run.ts';

const ORDER = ['bad', 'unknown', 'good'];

const brokenIn = (readiness: Platform['readiness']): number =>
  readiness?.lines.filter(({ is, weight }) => is === 'bad' && weight === 'must').length ?? 0;

const Score = ({ readiness }: Pick<Platform, 'readiness'>) => {
  if (readiness === null) return html`<span class="dim">not audited yet</span>`;
  const broken = brokenIn(readiness);
  return html`${broken > 0 ? html`<${Chip} tone="bad">${broken} must be mended<//> ` : null}<b>${readiness.score} of 100</b>, <${At} atMs=${readiness.atMs} />`;
};

const Readiness = ({ name, readiness }: Pick<Platform, 'name' | 'readiness'>) => {
  const lines = readiness?.lines.toSorted((a, b) => ORDER.indexOf(a.is) - ORDER.indexOf(b.is)) ?? [];
  if (lines.length === 0) return null;
  return html`<details open=${brokenIn(readiness) > 0}><summary>Readiness: ${count(lines.length, 'check')}</summary>
    <${Table} caption="Readiness of ${name}" head=${['is', 'check', 'of', 'because', 'what to do']}>
      ${lines.map(({ is, check, of, weight, because, fix }) => html`<tr><td><${State} state=${is} /></td><th scope="row">${check} <span class="dim">${weight}</span></th><td>${of}</td><td>${because}</td><td>${fix}</td></tr>`)}
    <//>
  </details>`;
};

const LastRuns = ({ lastRuns }: Pick<Platform, 'lastRuns'>) =>
  lastRuns.length === 0
    ? html`<span class="dim">nothing was moved yet: all times are assumed</span>`
    : html`<ul class="plain">${lastRuns.map(
        ({ run, purpose, mode, tookMs, steps, atMs }) => html`<li>
          <details><summary><b>${duration(tookMs)}</b> ${purpose}, ${mode}, <${At} atMs=${atMs} /></summary>
            <dl class="facts">${Object.entries(steps).map(([id, ms]) => html`<dt><code>${id}</code></dt><dd>${duration(ms)}</dd>`)}</dl>
            <button type="button" class="link" onClick=${() => want('run', run)}>${run}</button>
          </details></li>`,
      )}</ul>`;

/** Asked on demand: it costs the systems around a look. */
const Verify = ({ name, regions }: Pick<Platform, 'name' | 'regions'>) => {
  const [region, setRegion] = useState('');
  const [report, set] = useState<VerifyReport | null>(null);
  const { busy, error, run } = useDeed();
  const look = (event: Event): void => {
    event.preventDefault();
    const query = region === '' ? '' : `?region=${encodeURIComponent(region)}`;
    run(async () => set(await get<VerifyReport>(`/v1/platforms/${encodeURIComponent(name)}/verify${query}`)));
  };
  return html`<form class="inline" onSubmit=${look}>
      <label>deployment in <select value=${region} onChange=${({ currentTarget }: { currentTarget: HTMLSelectElement }) => setRegion(currentTarget.value)}>
        <option value="">all regions</option>${regions.map((each) => html`<option value=${each}>${each}</option>`)}
      </select></label>
      <button disabled=${busy}>Verify</button><span role="status">${busy ? 'looking, up to ten seconds …' : report === null ? '' : `${report.outcome}, as ${report.by.region}/${report.by.replica} saw it`}</span>
    </form>
    <${Trouble} error=${error} />
    ${
      report === null
        ? null
        : html`<p><${State} state=${report.outcome === 'good' ? 'good' : 'bad'} /> <${At} atMs=${report.atMs} /></p>
          ${
            report.lines.length === 0
              ? html`<${Empty}>Nothing was looked at.<//>`
              : html`<${Table} caption="Deployment of ${name}, in the order in which it comes to be" head=${['step', 'region', 'is', 'of', 'because', 'what to do']}>
                ${report.lines.map((line) => html`<tr><th scope="row">${line.step}</th><td>${line.region}</td><td><${State} state=${line.is} /></td><td>${line.of}</td><td>${line.because}</td><td>${line.fix}</td></tr>`)}
              <//>`
          }`
    }`;
};

export const PlatformCard = ({ platform, onChange }: { platform: Platform; onChange(): void }) => {
  const { name, model, regions, services, trigger, failback, active, sinceAtMs, because, openRun } = platform;
  const [moving, setMoving] = useState(false);
  const opener = useRef<HTMLButtonElement>(null);
  const close = (): void => {
    setMoving(false);
    opener.current?.focus();
  };
  return html`<article class="card ${openRun === null ? 'good' : 'warn'}" aria-labelledby="platform-${name}">
    <h3 id="platform-${name}">${name} <${Chip}>${model}<//></h3>
    <dl class="facts">
      <dt>active in</dt><dd><b>${active}</b>${sinceAtMs === null ? '' : html` since <${At} atMs=${sinceAtMs} />`} <span class="dim">${because}</span></dd>
      <dt>regions</dt><dd>${regions.map((region, at) => html`${region}${at === 0 ? html` <span class="dim">(home)</span>` : ''} `)}</dd>
      <dt>services</dt><dd>${services.join(', ')}</dd>
      <dt>begins</dt><dd>${{ off: 'by humans only', propose: 'when somebody agrees', auto: 'by itself' }[trigger]}; back home: ${failback}</dd>
      <dt>moves now</dt><dd>${openRun === null ? 'nothing' : html`<button type="button" class="link" onClick=${() => want('run', openRun.id)}>${openRun.purpose} to ${openRun.to}</button> <${State} state=${openRun.state} />`}</dd>
      <dt>readiness</dt><dd><${Score} readiness=${platform.readiness} /></dd>
      <dt>moves took</dt><dd><${LastRuns} lastRuns=${platform.lastRuns} /></dd>
    </dl>
    <${Readiness} name=${name} readiness=${platform.readiness} />
    <p><button type="button" ref=${opener} class=${may('operator') ? 'primary' : ''} onClick=${() => setMoving(true)}>${may('operator') ? `Move ${name} …` : `Plan a move of ${name} …`}</button></p>
    <${Verify} name=${name} regions=${regions} />
    <${Dialog} title="Move ${name}" open=${moving} onClose=${close}>${
      moving
        ? html`<${Move} platform=${platform} onOrdered=${() => {
            close();
            onChange();
          }} />`
        : null
    }<//>
  </article>`;
};
