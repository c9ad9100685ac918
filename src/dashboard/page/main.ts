// The page: what it shows is built here.
import { signal } from '@preact/signals';
import { render } from 'preact';
import UPlot from 'uplot';
import { html } from './html.ts';

const title = signal('Tidegate');
const chart = (element: Element | null): void => {
  const data: UPlot.AlignedData = [
    [1, 2],
    [3, 4],
  ];
  if (element instanceof HTMLElement && element.childElementCount === 0)
    new UPlot({ width: 300, height: 80, series: [{}, { stroke: 'teal' }] }, data, element);
};

const root = document.getElementById('app');
if (root !== null) render(html`<h1>${title}</h1><div ref=${chart} />`, root);
