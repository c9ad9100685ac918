// The page: its parts in the order of the questions that are asked in an outage.
import { render } from 'preact';
import { html } from './html.ts';
import { isStale, start } from './live/live.ts';
import { isLocked } from './live/session.ts';
import { Dependencies } from './panels/dependencies.ts';
import { Drills } from './panels/drills.ts';
import { Head } from './panels/head.ts';
import { Regions } from './panels/regions.ts';
import { Runs } from './panels/runs.ts';
import { Services } from './panels/services.ts';
import { Votes } from './panels/votes.ts';

/** In order of the questions. */
const PANELS = [
  { id: 'regions', title: 'Regions', panel: Regions },
  { id: 'services', title: 'Services', panel: Services },
  { id: 'votes', title: 'Votes', panel: Votes },
  { id: 'runs', title: 'Runbooks', panel: Runs },
  { id: 'dependencies', title: 'Dependencies', panel: Dependencies },
  { id: 'drills', title: 'Drills', panel: Drills },
] as const;

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
  <a class="skip" href="#regions" onClick=${(event: Event) => jump(event, 'regions')}>Skip to the regions</a>
  <header class="top"><h1>Tidegate</h1><${Nav} /></header>
  <main class=${isStale.value ? 'old' : ''}><${Head} />${isLocked.value ? null : PANELS.map(({ id, panel }) => html`<${panel} key=${id} />`)}</main>`;

const root = document.getElementById('app');
if (root !== null) {
  root.replaceChildren();
  render(html`<${App} />`, root);
  start();
}
