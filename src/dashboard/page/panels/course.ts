// One incident's times as a drawing and as tables with the same numbers. What is not there yet grows while one looks.
import { useEffect, useRef, useState } from 'preact/hooks';
import { onWidth } from '../browser.ts';
import { type Bar, type Drawing, drawingOf, type ServiceBar } from '../drawing.ts';
import { html } from '../html.ts';
import { nowMs } from '../live/live.ts';
import { Mark, Table } from '../parts.ts';
import {
  type Course,
  convergenceText,
  decidedAtMs,
  detectionText,
  isPending,
  judged,
  type ServiceTimes,
  signed,
  slowestFirst,
  stampsOf,
} from '../timeline.ts';
import { count, duration, utc } from '../words.ts';

const LABEL_PX = 16;
const BAR_PX = 14;
const ROW_PX = 44;
const GLYPHS: Readonly<Record<string, string>> = { met: '✓', missed: '✕', pending: '…', unmeasured: '–' };

const Parts = ({ bar, y }: { bar: Bar; y: number }) => html`
  ${bar.parts.map(({ kind, x, width }) => html`<rect class="part ${kind} ${bar.judgement}" x=${x} y=${y} width=${width} height=${BAR_PX} />`)}
  ${bar.goalX === null ? null : html`<line class="goal-line" x1=${bar.goalX} x2=${bar.goalX} y1=${y - 4} y2=${y + BAR_PX + 4} />`}`;

const steps = ({ curve }: ServiceBar, y: number): string =>
  curve
    .map(({ x, share }, n) => {
      const at = (y + BAR_PX * (1 - share)).toFixed(1);
      return n === 0 ? `M${x.toFixed(1)} ${at}` : `H${x.toFixed(1)}V${at}`;
    })
    .join('');

const Row = ({ bar, y, width }: { bar: ServiceBar; y: number; width: number }) => {
  const room = Math.max(8, Math.floor((width - 170) / 7.2));
  const name = bar.service.length > room ? `${bar.service.slice(0, room - 1)}…` : bar.service;
  return html`<g>
    <text x="0" y=${y + 12}>${name}</text>
    <text class="judged ${bar.judgement}" x=${width} y=${y + 12} text-anchor="end">${GLYPHS[bar.judgement]} ${bar.text}${bar.isCut ? ' →' : ''}</text>
    <${Parts} bar=${bar} y=${y + 18} />
    ${bar.curve.length < 2 ? null : html`<path class="curve" d=${steps(bar, y + 18)} />`}
  </g>`;
};

const Picture = ({ drawing, says, goal }: { drawing: Drawing; says: string; goal: string }) => {
  const { width, labels, levels, ticks, zeroX, detection, services } = drawing;
  const top = levels * LABEL_PX + 6;
  const first = top + ROW_PX;
  const bottom = first + services.length * ROW_PX;
  return html`<svg class="timeline" viewBox="0 0 ${width} ${bottom + 22}" width=${width} height=${bottom + 22} role="img" aria-label=${says}>
    ${ticks.map(({ x, text }) => html`<line class="grid" x1=${x} x2=${x} y1=${top} y2=${bottom} /><text class="tick" x=${x} y=${bottom + 15} text-anchor=${x < 24 ? 'start' : x > width - 24 ? 'end' : 'middle'}>${text}</text>`)}
    <line class="zero" x1=${zeroX} x2=${zeroX} y1=${top} y2=${bottom} />
    ${labels.map(({ x, level }) => html`<line class="lead" x1=${x} x2=${x} y1=${top - level * LABEL_PX - 4} y2=${top + 18 + BAR_PX} />`)}
    ${labels.map(({ text, left, level }) => html`<text x=${left} y=${top - level * LABEL_PX - 6}>${text}</text>`)}
    <text x="0" y=${top + 12}>detection</text>
    <text class="judged ${detection.judgement}" x=${width} y=${top + 12} text-anchor="end">${GLYPHS[detection.judgement]} ${goal}${detection.isCut ? ' →' : ''}</text>
    <${Parts} bar=${detection} y=${top + 18} />
    ${services.map((bar, n) => html`<${Row} key=${bar.service} bar=${bar} y=${first + n * ROW_PX} width=${width} />`)}
  </svg>`;
};

const ServiceRow = ({ course, times, now }: { course: Course; times: ServiceTimes; now: number }) => {
  const ms = (value: number | null) => (value === null ? html`<span class="dim">–</span>` : duration(value));
  return html`<tr>
    <th scope="row">${times.service}</th>
    <td class="number">${signed(decidedAtMs(course, times.service) - course.t3AtMs)}</td>
    <td class="number">${ms(times.acknowledgedMs)}</td><td class="number">${ms(times.authoritativeMs)}</td><td class="number">${ms(times.convergedMs)}</td>
    <td><${Mark} state=${judged(course, times, now)} /></td>
    <td class="says">${times.landed.map(({ region, ms: after }) => `${region} ${duration(after)}`).join(', ')}${times.because === null ? null : html` <span class="dim">${times.because}</span>`}</td>
  </tr>`;
};

/** So many bars before somebody asks for all. */
const SHOWN_MAX = 8;

export const Times = ({ course }: { course: Course }) => {
  const ref = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  const [isAll, setAll] = useState(false);
  useEffect(() => (ref.current === null ? undefined : onWidth(ref.current, setWidth)), []);
  // Only what goes on is drawn again each second.
  const now = isPending(course) ? nowMs.value : (course.closedAtMs ?? nowMs.peek());
  const all = slowestFirst(course);
  const shown = isAll ? all : all.slice(0, SHOWN_MAX);
  const { detection, convergence, witnesses } = course;
  const landed = convergenceText(course, now);
  const more = all.length - shown.length;
  return html`<div ref=${ref}>
    <dl class="facts">
      <dt>detection</dt><dd><${Mark} state=${detection.judgement} /> ${detectionText(detection)} <span class="dim">goal ${duration(detection.goalMs)}; from the first failed probe, at most from the last good look</span></dd>
      <dt>convergence</dt><dd><${Mark} state=${convergence.judgement} /> ${landed} <span class="dim">goal ${duration(convergence.goalMs)}; of the slowest service</span></dd>
    </dl>
    ${width === 0 ? null : html`<${Picture} drawing=${drawingOf(course, shown, now, Math.max(240, width))} goal=${`${detectionText(detection)} of ${duration(detection.goalMs)}`} says="Detected in ${detectionText(detection)}; users landed: ${landed}. The tables below have the numbers." />`}
    <p class="legend dim"><span class="key unsure"></span> it may have begun <span class="key detect"></span> until the decision <span class="key t4"></span> acknowledged <span class="key t5"></span> all servers <span class="key t6"></span> users
      <span class="key pending"></span> still waiting <span class="key goal-key"></span> goal; the line over a bar: how many of ${count(witnesses.length, 'vantage')} saw users land</p>
    <${Table} caption="The incident's times" head=${['stamp', 'what', 'UTC', 'from the decision', 'note']}>
      ${stampsOf(course).map(
        ({ id, name, atMs, state, because }) => html`<tr>
        <th scope="row">${id}</th><td>${name}</td>
        <td class="number">${atMs === null ? html`<${Mark} state=${state} says=${state} />` : utc(atMs, now)}</td>
        <td class="number">${atMs === null ? '' : signed(atMs - course.t3AtMs)}</td><td class="dim">${because}</td>
      </tr>`,
      )}
    <//>
    ${
      all.length === 0
        ? null
        : html`<${Table} caption="Times of each service, from its decision" head=${['service', 'decided', 't4', 't5', 't6', 'goal', 'users landed, by vantage']}>
          ${shown.map((times) => html`<${ServiceRow} key=${times.service} course=${course} times=${times} now=${now} />`)}
        <//>`
    }
    ${more > 0 || isAll ? html`<button type="button" onClick=${() => setAll(!isAll)}>${isAll ? 'the slowest only' : `all ${all.length} services`}</button>` : null}
  </div>`;
};
