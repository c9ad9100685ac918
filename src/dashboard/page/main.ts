// The page: its parts in the order of the questions that are asked in an outage.
import { render } from 'preact';
import { html } from './html.ts';
import { isStale, start } from './live/live.ts';
import { isLocked } from './live/session.ts';
import { comeBack } from './live/sign-in.ts';
import { Dependencies } from './panels/dependencies.ts';
import { DecisionDialog } from './panels/dossier.ts';
import { Drills } from './panels/drills.ts';
import { Head } from './panels/head.ts';
import { Incidents } from './panels/incidents.ts';
import { Journal } from './panels/journal.ts';
import { Orders } from './panels/orders.ts';
import { Pages } from './panels/pages.ts';
import { Regions } from './panels/regions.ts';
import { Runs } from './panels/runs.ts';
import { ServiceDialog } from './panels/service.ts';
import { Services } from './panels/services.ts';
import { Locked, Session } from './panels/sign-in.ts';
import { Votes } from './panels/votes.ts';
import { WhatIf } from './panels/what-if.ts';

/** In order of the questions. */
const PANELS = [
  { id: 'regions', title: 'Regions', panel: Regions },
  { id: 'services', title: 'Services', panel: Services },
  { id: 'incidents', title: 'Incidents', panel: Incidents },
  { id: 'votes', title: 'Votes', panel: Votes },
  { id: 'orders', title: 'Orders', panel: Orders },
  { id: 'runs', title: 'Runbooks', panel: Runs },
  { id: 'pages', title: 'Pages', panel: Pages },
  { id: 'dependencies', title: 'Dependencies', panel: Dependencies },
  { id: 'what-if', title: 'What if', panel: WhatIf },
  { id: 'drills', title: 'Drills', panel: Drills },
  { id: 'journal', title: 'Journal', panel: Journal },
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
  <header class="top"><h1>Tidegate</h1><${Nav} /><${Session} /></header>
  <main class=${isStale.value ? 'old' : ''}>${isLocked.value ? html`<${Locked} />` : html`<${Head} />${PANELS.map(({ id, panel }) => html`<${panel} key=${id} />`)}<${ServiceDialog} /><${DecisionDialog} />`}</main>`;

const root = document.getElementById('app');
if (root !== null) {
  root.replaceChildren();
  render(html`<${App} />`, root);
  void comeBack().then(start);
}
