// The page: its parts in the order of the questions that are asked in an outage.
import { render } from 'preact';
import { html } from './html.ts';
import { isStale, start } from './live/live.ts';
import { isLocked } from './live/session.ts';
import { comeBack } from './live/sign-in.ts';
import { Head } from './panels/head.ts';
import { Orders } from './panels/orders.ts';
import { Regions } from './panels/regions.ts';
import { ServiceDialog } from './panels/service.ts';
import { Services } from './panels/services.ts';
import { Locked, Session } from './panels/sign-in.ts';
import { Votes } from './panels/votes.ts';

/** In order of the questions. */
const PANELS = [
  { id: 'regions', title: 'Regions', panel: Regions },
  { id: 'services', title: 'Services', panel: Services },
  { id: 'orders', title: 'Orders', panel: Orders },
  { id: 'votes', title: 'Votes', panel: Votes },
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
  ${isLocked.value ? null : html`<a class="skip" href="#regions" onClick=${(event: Event) => jump(event, 'regions')}>Skip to the regions</a>`}
  <header class="top"><h1>Tidegate</h1>${isLocked.value ? null : html`<${Nav} />`}<${Session} /></header>
  <main class=${isStale.value ? 'old' : ''}>${isLocked.value ? html`<${Locked} />` : html`<${Head} />${PANELS.map(({ id, panel }) => html`<${panel} key=${id} />`)}<${ServiceDialog} />`}</main>`;

const root = document.getElementById('app');
if (root !== null) {
  root.replaceChildren();
  render(html`<${App} />`, root);
  void comeBack().then(start);
}
