// A chart of what was measured while this page is open, with the same as a table. The code that draws it is fetched when it is first seen.
import { useEffect, useRef, useState } from 'preact/hooks';
import type uPlot from 'uplot';
import { onResize, whenSeen } from '../browser.ts';
import { html } from '../html.ts';
import { Empty, Table, Trouble } from '../parts.ts';
import { columnsOf, minutesOf, type Samples } from '../samples.ts';
import { count, duration, utc } from '../words.ts';

/** Ink of the style, a dash, and how that looks in the legend: colour is not all that tells them apart. */
const LINES: readonly (readonly [ink: string, dash: number[], looks: string])[] = [
  ['--link', [], '──'],
  ['--bad', [6, 4], '╌╌'],
  ['--good', [2, 3], '··'],
  ['--warn', [10, 3, 2, 3], '─·'],
  ['--ink', [4, 2], '┄┄'],
  ['--dim', [12, 4], '━ ━'],
];
const HEIGHT_PX = 220;

/** What a variable of the style comes to on this element, in the light or in the dark. */
const colour = (element: Element, name: string): string => {
  const probe = element.appendChild(document.createElement('i'));
  probe.style.color = `var(${name})`;
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
};

const optionsOf = (element: Element, lines: readonly Line[], Plot: typeof uPlot): uPlot.Options => {
  const [stroke, line] = [colour(element, '--ink'), { stroke: colour(element, '--line'), width: 1 }];
  const axis = { stroke, grid: line, ticks: line };
  return {
    width: Math.max(200, element.clientWidth),
    height: HEIGHT_PX,
    tzDate: (at) => Plot.tzDate(new Date(at * 1000), 'Etc/UTC'),
    scales: { y: { range: (_plot, _least, most) => [0, Math.max(1, (most ?? 0) * 1.1)] } },
    axes: [
      { ...axis, space: 80, values: (_plot, at) => at.map((each) => utc(each * 1000, each * 1000).slice(0, 8)) },
      { ...axis, size: 70, values: (_plot, all) => all.map(duration) },
    ],
    series: [
      { label: 'UTC', value: (_plot, at) => (at === null ? '–' : utc(at * 1000, at * 1000)) },
      ...lines.map(({ label }, at) => {
        const [name, dash, looks] = LINES[at % LINES.length] ?? ['--ink', [], ''];
        return {
          label: `${looks} ${label}`,
          dash,
          stroke: colour(element, name),
          width: 2,
          points: { size: 5 },
          value: (_plot: uPlot, ms: number | null) => (ms == null ? '–' : duration(ms)),
        };
      }),
    ],
  };
};

/** A series of the samples, and what it is called here. */
export interface Line {
  name: string;
  label: string;
}

interface ChartProps {
  title: string;
  samples: Samples;
  lines: readonly Line[];
}

const Canvas = ({ title, samples, lines }: ChartProps) => {
  const ref = useRef<HTMLDivElement>(null);
  const plot = useRef<{ made: uPlot; as: string } | null>(null);
  const [Plot, set] = useState<typeof uPlot | null>(null);
  const [error, setError] = useState<unknown>(null);
  useEffect(
    () =>
      ref.current === null
        ? undefined
        : whenSeen(ref.current, () => void import('uplot').then((made) => set(() => made.default), setError)),
    [],
  );
  useEffect(
    () =>
      ref.current === null
        ? undefined
        : onResize(ref.current, (width) => plot.current?.made.setSize({ width: Math.max(200, width), height: HEIGHT_PX })),
    [],
  );
  useEffect(() => () => plot.current?.made.destroy(), []);
  useEffect(() => {
    const element = ref.current;
    if (element === null || Plot === null) return;
    // Drawn anew when its lines are others, or the page turned dark.
    const as = `${colour(element, '--ink')} ${lines.map(({ name }) => name).join('\n')}`;
    const data = columnsOf(
      samples.all(),
      lines.map(({ name }) => name),
    ) as uPlot.AlignedData;
    if (plot.current?.as === as) return plot.current.made.setData(data);
    plot.current?.made.destroy();
    plot.current = { made: new Plot(optionsOf(element, lines, Plot), data, element), as };
  });
  return html`<div class="chart" ref=${ref} role="img" aria-label="${title}; the same is in the table below"></div><${Trouble} error=${error} />`;
};

const valueText = (value: number | null | undefined): string =>
  value === undefined ? '–' : value === null ? 'no figure' : duration(value);

/** The first few lines are drawn, all are in the table. */
export const Chart = ({ title, samples, lines }: ChartProps) => {
  const measured = lines.filter(({ name }) => samples.all().has(name));
  if (measured.length === 0) return html`<${Empty}>Nothing of it was measured since this page was opened.<//>`;
  const drawn = measured.slice(0, LINES.length);
  const names = measured.map(({ name }) => name);
  return html`<${Canvas} title=${title} samples=${samples} lines=${drawn} />
    ${measured.length > drawn.length ? html`<p class="dim">${count(measured.length - drawn.length, 'line')} more in the table</p>` : null}
    <details><summary>${title}, as a table</summary>
      <${Table} caption="${title}: the last look of each minute, the newest first" head=${['UTC', ...measured.map(({ label }) => label)]}>
        ${minutesOf(samples.all(), names).map(({ atMs, values }) => html`<tr key=${atMs}><th scope="row">${utc(atMs, atMs).slice(0, 5)}</th>${values.map((value) => html`<td class="number">${valueText(value)}</td>`)}</tr>`)}
      <//>
    </details>`;
};
