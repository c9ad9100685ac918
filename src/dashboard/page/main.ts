// The page: what it shows is built here.
import { signal } from '@preact/signals';
import htm from 'htm';
import { h, render } from 'preact';
import UPlot from 'uplot';

const html = htm.bind(h);
const title = signal('Tidegate');
const chart = (element: Element | null): void => {
  if (element instanceof HTMLElement && element.childElementCount === 0)
    new UPlot(
      { width: 300, height: 80, series: [{}, { stroke: 'teal' }] },
      [
        [1, 2, 3],
        [1, 3, 2],
      ],
      element,
    );
};

const root = document.getElementById('page');
if (root !== null) render(html`<h1>${title}</h1><div ref=${chart} />` as never, root);
