// The page: its parts in the order of the questions that are asked in an outage.
import { render } from 'preact';
import { comeBack, isLocked, isStale, reader, start } from './live.ts';
import { Head, Locked, Session } from './panels/head.ts';
import { Incidents, Regions, Services, Votes } from './panels/state.ts';
import { fetchAll, html, Later } from './parts.ts';

/** In order of the questions. What answers the first ones is here at once; the rest follows. */
const PANELS = [
  { id: 'regions', title: 'Regions', panel: Regions },
  { id: 'services', title: 'Services', panel: Services },
  { id: 'incidents', title: 'Incidents', panel: Incidents },
  { id: 'votes', title: 'Votes', panel: Votes },
  { id: 'orders', title: 'Orders', load: async () => (await import('./panels/orders.ts')).Orders },
  { id: 'runs', title: 'Runbooks', load: async () => (await import('./panels/runs.ts')).Runs },
  { id: 'pages', title: 'Pages', load: async () => (await import('./panels/records.ts')).Pages },
  { id: 'dependencies', title: 'Dependencies', load: async () => (await import('./panels/readiness.ts')).Dependencies },
  { id: 'what-if', title: 'What if', load: async () => (await import('./panels/what-if.ts')).WhatIf },
  { id: 'drills', title: 'Drills', load: async () => (await import('./panels/readiness.ts')).Drills },
  { id: 'journal', title: 'Journal', load: async () => (await import('./panels/records.ts')).Journal },
];
const DIALOGS = [
  async () => (await import('./panels/records.ts')).ServiceDialog,
  async () => (await import('./panels/records.ts')).DecisionDialog,
];

const Nav = () =>
  html`<nav aria-label="Panels"><ul>${PANELS.map(({ id, title }) => html`<li><a href="#${id}" onClick=${(event: Event) => jump(event, id)}>${title}</a></li>`)}</ul></nav>`;

/** The fragment is for what is asked for; a panel is only scrolled to. */
const jump = (event: Event, id: string): void => {
  event.preventDefault();
  const panel = document.getElementById(id);
  panel?.scrollIntoView();
  panel?.focus({ preventScroll: true });
};

const App = () => html`
  ${isLocked.value ? null : html`<a class="skip" href="#regions" onClick=${(event: Event) => jump(event, 'regions')}>Skip to the regions</a>`}
  <header class="top"><h1>Tidegate</h1>${isLocked.value ? null : html`<${Nav} />`}<${Session} /></header>
  <main key=${reader.value} class=${isStale.value ? 'old' : ''}>${isLocked.value ? html`<${Locked} />` : html`<${Head} />${PANELS.map(({ id, title, panel, load }) => (panel === undefined ? html`<${Later} key=${id} id=${id} title=${title} load=${load} />` : html`<${panel} key=${id} />`))}${DIALOGS.map((load) => html`<${Later} load=${load} />`)}`}</main>`;

const root = document.getElementById('app');
if (root !== null) {
  root.replaceChildren();
  render(html`<${App} />`, root);
  void comeBack()
    .then(start)
    .then(() => fetchAll([...PANELS.flatMap(({ load }) => load ?? []), ...DIALOGS]));
}
