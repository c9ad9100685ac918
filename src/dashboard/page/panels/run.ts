// One run: what it waits for, what can be said to it, and each step with what it took beside what it was to take.
import { useComputed } from '@preact/signals';
import type { RunItem, RunStep } from '../../../client/schema.ts';
import { html } from '../html.ts';
import { nowMs } from '../live/live.ts';
import { useWatched } from '../live/watch.ts';
import { At, Mark, still, Table, Trouble } from '../parts.ts';
import { type Bar, causeText, isOpen, personsText, runBars, sourceText, spanText, stepsShown } from '../steps.ts';
import { duration } from '../words.ts';
import { Controls, type Read, readRun } from './deeds.ts';

/** By the marks that there are. */
const MARKED: Readonly<Record<string, string>> = {
  proposed: 'warn',
  running: 'warn',
  stopping: 'warn',
  asking: 'warn',
  acting: 'warn',
  undoing: 'warn',
  waiting: 'warn',
  aborted: 'fail',
  breach: 'fail',
  bad: 'fail',
  good: 'ok',
};
/** A state of a run, a step, a check or a line, with a mark. */
export const State = ({ state, title }: { state: string; title?: string }) =>
  html`<${Mark} state=${MARKED[state] ?? state} says=${state} title=${title} />`;

/** Estimated above, usual and slow; measured below. Its figures stand beside it. */
export const Bars = ({ bar }: { bar: Bar | undefined }) =>
  bar === undefined
    ? null
    : html`<svg class="bars" viewBox="0 0 100 12" preserveAspectRatio="none" aria-hidden="true" focusable="false">
        <rect class="track" x=${bar.x} y="1" width=${bar.slow} height="4" />
        <rect class="usual" x=${bar.x} y="1" width=${Math.max(0.5, bar.usual)} height="4" />
        ${bar.took === null ? null : html`<rect class=${bar.isOver ? 'over' : 'fill'} x=${bar.x} y="7" width=${Math.max(0.5, bar.took)} height="4" />`}
      </svg>`;

/** Goes on counting while it is under way. */
const Took = ({ step }: { step: RunStep }) => {
  const text = useComputed(() => (step.startedAtMs === null ? '' : duration(Math.max(step.tookMs ?? 0, nowMs.value - step.startedAtMs))));
  const ended = step.endedAtMs !== null || !['acting', 'undoing'].includes(step.state);
  return html`<span class="number">${ended ? (step.tookMs === null ? '–' : duration(step.tookMs)) : text}</span>`;
};

const StepRow = still(({ step, bar, isOnWay }: { step: RunStep; bar: Bar | undefined; isOnWay: boolean }) => {
  const { id, target, phase, state, because, tries, persons, approvedBy, undo, estimate } = step;
  return html`<tr>
    <th scope="row">${target}<br /><code class="dim">${id}</code></th>
    <td>${phase}${isOnWay ? html`<br /><span class="dim">longest way</span>` : null}</td>
    <td><${State} state=${state} />${tries > 1 ? ` try ${tries}` : ''}
      ${because === '' || state === 'pending' ? null : html`<p class="dim">${because}</p>`}
      ${persons === 0 ? null : html`<p class="dim">${personsText(persons)} to agree${approvedBy.length === 0 ? '' : `; ${approvedBy.join(', ')} did`}</p>`}
      ${undo.can || state === 'pending' ? null : html`<p class="dim">no undo: ${undo.because}</p>`}
    </td>
    <td class="times"><${Bars} bar=${bar} /><${Took} step=${step} />${bar?.isOver ? html` <${Mark} state="slow" says="longer than p95" />` : null}
      <p class="dim">${spanText(estimate)}, ${sourceText(estimate)}</p></td>
  </tr>`;
});

const Facts = ({ read: { run } }: { read: Read }) => html`<dl class="facts">
  <dt>why</dt><dd>${causeText(run.cause)}${causeText(run.cause).startsWith(run.because) ? null : html`<br /><span class="dim">${run.because}</span>`}</dd>
  <dt>recovered</dt><dd>${run.recoveryMs === null ? 'not yet' : `after ${duration(run.recoveryMs)}`} <span class="dim">estimated ${spanText(run.estimate.recovery)}</span></dd>
  <dt>whole</dt><dd>${run.tookMs === null ? 'not begun' : duration(run.tookMs)} <span class="dim">estimated ${spanText(run.estimate.whole)}; waits for persons are in no estimate</span></dd>
  ${run.startedAtMs === null ? null : html`<dt>began</dt><dd><${At} atMs=${run.startedAtMs} /></dd>`}
  ${run.forceAfterMs === null ? null : html`<dt>forced</dt><dd>by itself ${duration(run.forceAfterMs)} after its begin</dd>`}
  ${run.aborted === null ? null : html`<dt>aborted</dt><dd>by ${run.aborted.by}: ${run.aborted.reason}</dd>`}
  <dt>carried out by</dt><dd>${run.executor === null ? 'nobody yet' : `${run.executor.region}/${run.executor.replica}`}</dd>
</dl>`;

const OPEN_MS = 5_000;
const ENDED_MS = 60_000;

/** `item`: as the list has it. */
export const RunCard = ({ item, onChange }: { item: RunItem; onChange(): void }) => {
  const open = isOpen(item);
  const { value, error, again, ref } = useWatched(() => readRun(item.id), open ? OPEN_MS : ENDED_MS, ['run.changed'], `${item.id} ${open}`);
  const steps = value === null ? [] : stepsShown(value.run);
  const bars = runBars(steps);
  return html`<article class="card ${item.state === 'failed' || item.state === 'aborted' ? 'bad' : open ? 'warn' : 'good'}" ref=${ref} aria-label=${item.id}>
    <h3>${item.purpose} of ${item.platform}: ${item.from} to ${item.to}</h3>
    <p class="row" role="status"><${State} state=${item.state} /> <span>${item.mode}, ${item.progress.done} of ${item.progress.of} steps</span> <code class="dim">${item.id}</code></p>
    ${item.now.map((line) => html`<p class="because">${line}</p>`)}
    <${Trouble} error=${error} />
    ${
      value === null
        ? html`<p class="dim">Asking for its steps …</p>`
        : html`<${Controls} read=${value} onDone=${() => {
            again();
            onChange();
          }} />
          <${Facts} read=${value} />
          <${Table} caption="Steps of ${item.id}: what they took beside what they were to take" head=${['step', 'phase', 'state', 'took, beside estimated']}>
            ${steps.map((step) => html`<${StepRow} key=${step.id} step=${step} bar=${bars.get(step.id)} isOnWay=${value.run.criticalPath.includes(step.id)} />`)}
          <//>`
    }
  </article>`;
};
