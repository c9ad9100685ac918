// Runbooks: what moves together, how ready it is, what moves it now and what moved it before. The runs that go on stand open; others open by their name.
import { useRef, useState } from 'preact/hooks';
import type { Platform, PlatformList, RunItem, RunList, VerifyReport } from '../../../client/schema.ts';
import { html } from '../html.ts';
import { asked, want } from '../live/address.ts';
import { get } from '../live/api.ts';
import { may } from '../live/session.ts';
import { isNotOffered, useWatched } from '../live/watch.ts';
import { At, Chip, Dialog, Empty, Panel, still, Table, Trouble, useDeed } from '../parts.ts';
import { causeText, isOpen, spanText } from '../steps.ts';
import { count, duration } from '../words.ts';
import { Move } from './move.ts';
import { RunCard, State } from './run.ts';

// ---- a platform ----

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

const PlatformCard = ({ platform, onChange }: { platform: Platform; onChange(): void }) => {
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

// ---- all of them, and their runs ----

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
