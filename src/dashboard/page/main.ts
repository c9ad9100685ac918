// The page: its head, and its parts in the order of the questions that are asked in an outage.
import { useComputed } from '@preact/signals';
import { render } from 'preact';
import { useRef } from 'preact/hooks';
import { origin } from './browser.ts';
import {
  begin,
  canLeave,
  comeBack,
  dataAgeMs,
  elsewhere,
  endsAtMs,
  forgetting,
  goTo,
  isCutOffMs,
  isFailing,
  isLocked,
  isStale,
  isStreaming,
  isUnheard,
  leave,
  me,
  nowMs,
  overview,
  Refused,
  reader,
  returnTrouble,
  signIn,
  signOut,
  start,
  token,
  trouble,
  ways,
} from './live.ts';
import { Incidents, Regions, Services, Votes } from './panels/state.ts';
import { Chip, Dialog, Field, fetchAll, html, isSigningIn, Later, SignInButton, Trouble, useDeed } from './parts.ts';
import { providerUrl } from './protocol.ts';
import { age, duration, isAlike, utc } from './words.ts';

// ---- who looks: nothing is kept, a page that is closed or loaded again has forgotten the token ----

/** Too many wrong ones from this address. */
const Wait = ({ error }: { error: unknown }) => {
  const seconds = error instanceof Refused ? Number(error.problem.retryAfterS) : Number.NaN;
  return Number.isFinite(seconds) && seconds > 0
    ? html`<p role="status">This address has to wait ${duration(seconds * 1000)} after so many wrong tries.</p>`
    : null;
};

const TokenForm = ({ onDone }: { onDone(): void }) => {
  const { busy, error, run } = useDeed();
  const submit = (event: Event): void => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const given = String(new FormData(form).get('password') ?? '');
    run(async () => {
      await signIn(given);
      form.reset();
      onDone();
    });
  };
  return html`<form class="form" onSubmit=${submit}>
    <${Field} label="Name" hint="Only for your password manager, to tell tokens apart." control=${(id: string) => html`<input id=${id} name="username" autocomplete="username" autocapitalize="off" spellcheck=${false} />`} />
    <${Field} label="Token" hint="It stays in the memory of this page, and nowhere else." control=${(id: string) => html`<input id=${id} name="password" type="password" autocomplete="current-password" required autofocus=${ways.value?.oidc == null} aria-describedby="${id}-hint" />`} />
    <${Trouble} error=${error} /><${Wait} error=${error} />${error === null || error instanceof Refused ? null : html`<${Elsewhere} />`}
    <p class="row"><button class="primary" type="submit" disabled=${busy}>Sign in</button><span role="status">${busy ? 'asking …' : ''}</span></p>
  </form>`;
};

const Provider = () => {
  const { busy, error, run } = useDeed();
  const oidc = ways.value?.oidc;
  if (oidc == null) return null;
  return html`<div>
    ${
      canLeave()
        ? html`<p><button type="button" class="primary" disabled=${busy} onClick=${() => run(leave)}>Sign in with OIDC</button> <span class="dim">at ${providerUrl(oidc.authorizationUrl)?.host ?? 'an address that is none'}</span></p>`
        : html`<p class="note">OIDC needs this page to come by HTTPS (or from this machine): the browser makes no challenge otherwise. A token works.</p>`
    }
    <${Trouble} error=${error} />
  </div>`;
};

const Ways = ({ onDone }: { onDone(): void }) => html`
  <${Trouble} error=${returnTrouble.value} />
  <${Provider} />
  ${ways.value?.token === false ? html`<p class="note">This replica takes no tokens of its own.</p>` : html`<${TokenForm} onDone=${onDone} />`}`;

/** Stands in the place of all panels while nothing may be seen. */
const Locked = () => {
  const { busy, error, run } = useDeed();
  const look = ways.value?.anonymous === 'viewer';
  return html`<section class="panel" aria-labelledby="sign-in-title">
    <header><h2 id="sign-in-title">Sign in</h2></header>
    <p>${look ? 'Your sign-in has ended, or is not accepted any more.' : 'This cluster shows itself only to those whom it knows.'}</p>
    ${elsewhere.value === null ? null : html`<p>You speak with <b>${elsewhere.value.region}</b> now.</p>`}
    <${Ways} onDone=${() => undefined} />
    ${look ? html`<p><button type="button" disabled=${busy} onClick=${() => run(begin)}>Look without signing in</button></p>` : null}
    <${Trouble} error=${error} />
  </section>`;
};

const SOON_MS = 10 * 60_000;

/** Before a token ends, and not once it is too late. */
const Ends = () => {
  const text = useComputed(() => {
    const leftMs = (endsAtMs.value ?? Number.POSITIVE_INFINITY) - nowMs.value;
    return nowMs.value === 0 || leftMs > SOON_MS
      ? ''
      : leftMs <= 0
        ? 'sign-in has ended'
        : `sign-in ends in ${leftMs > 60_000 ? duration(Math.ceil(leftMs / 60_000) * 60_000) : 'less than a minute'}`;
  });
  return text.value === ''
    ? null
    : html`<span role="status"><${Chip} tone="warn">${text}<//></span> <${SignInButton} says="Sign in again" />`;
};

const out = (): void => {
  for (const forget of forgetting) forget();
  void signOut();
};

const Who = () =>
  token.value === null
    ? html`<${SignInButton} />`
    : html`<span>${me.value?.name ?? '–'} <span class="dim">${me.value?.role ?? ''}</span></span> <${Ends} /> <button type="button" onClick=${out}>Sign out</button>`;

/** In the head of the page. */
const Session = () => {
  const close = (): void => {
    isSigningIn.value = false;
    returnTrouble.value = null;
  };
  const open = !isLocked.value && (isSigningIn.value || returnTrouble.value !== null);
  return html`<div class="row session">${isLocked.value ? null : html`<${Who} />`}</div>
    <${Dialog} title="Sign in" open=${open} onClose=${close}><${Ways} onDone=${close} /><//>`;
};

// ---- what is so, who says it, and how old it is ----

/** For who listens: a sentence of which only a span of time changes is not said again. Two places, since a place that changes how loud it is is not heard. */
const Spoken = ({ text, loud }: { text: string; loud: boolean }) => {
  const said = useRef('');
  if (!isAlike(said.current, text)) said.current = text;
  return html`<p class="hidden" role="alert">${loud ? said.current : ''}</p><p class="hidden" role="status">${loud ? '' : said.current}</p>`;
};

const Banner = () => {
  const seen = overview.value;
  if (seen === null)
    return html`<${Spoken} text="" loud=${false} /><div class="banner idle"><p class="sentence">Asking what is so …</p></div>`;
  const { tone, sentence, more } = seen.banner;
  const then = isUnheard.value ? `At ${utc(seen.clusterTimeMs, nowMs.value)}: ` : '';
  return html`<${Spoken} text=${sentence} loud=${tone === 'bad'} /><div class="banner ${then === '' ? tone : 'idle'}">
    <p class="sentence">${then}${sentence}</p>
    ${more.map((line) => html`<p>${line}</p>`)}
  </div>`;
};

const Age = () => {
  const text = useComputed(() => (dataAgeMs.value === null ? 'nothing heard yet' : `${age(dataAgeMs.value)} old`));
  return html`<span class="number">${text}</span>`;
};

const Clock = () => {
  const text = useComputed(() => (overview.value === null ? '' : `${utc(nowMs.value, nowMs.value)} UTC`));
  return html`<span class="number">${text}</span>`;
};

let homeRegion: string | null = null;
/** Where the page came from, by the name that it gave itself; its peers need not name it. */
const home = (): Record<string, string> => {
  if (elsewhere.value === null && overview.value !== null) homeRegion = overview.value.self.region;
  return homeRegion === null ? {} : { [homeRegion]: origin() };
};
const goOn = (region: string, url: string): void => {
  goTo(region, url);
  // The button goes; the keyboard goes on from the first panel.
  document.getElementById('regions')?.focus({ preventScroll: true });
};

/** Where else one could go on, when this replica does not answer. */
const Elsewhere = () => {
  const speaking = elsewhere.value?.region ?? overview.value?.self.region;
  const others = Object.entries({ ...home(), ...ways.value?.peers }).filter(([region]) => region !== speaking);
  if (others.length === 0) return html`<p>No other region's address is known here (dashboard.peers): open one of them by hand.</p>`;
  return html`<p>Go on with ${others.map(([region, url]) => html`<button key=${region} type="button" onClick=${() => goOn(region, url)}>${region}</button> `)}</p>`;
};

/** Whom the page asks: not always who said what is shown. */
const askedName = (): string => {
  const self = overview.value?.self;
  const region = elsewhere.value?.region;
  if (self !== undefined && (region === undefined || region === self.region)) return `${self.region}/${self.replica}`;
  return region ?? 'This replica';
};

const Stale = () => {
  home();
  if (!isFailing.value) return null;
  const { says = '', isAnswer = false } = trouble.value ?? {};
  const how = isAnswer
    ? 'answers, and can say nothing'
    : trouble.value === null && isCutOffMs.value !== null
      ? 'is cut off from the store'
      : 'does not answer';
  const whose = overview.value === null ? '' : `, by ${overview.value.self.region}/${overview.value.self.replica}`;
  return html`<div class="banner stale">
    <p class="sentence"><span role="alert">${askedName()} ${how}</span>: what is shown is <${Age} />${whose}</p>
    <p>${says} Traffic is not moved by this page: Tidegate may well go on without it.</p>
    <${Elsewhere} />
  </div>`;
};

const Speaker = () => {
  const seen = overview.value;
  if (seen === null) return null;
  const { self, cluster, coordinator, decision } = seen;
  return html`<dl class="speaker">
    <div><dt>cluster</dt><dd>${cluster.name} <span class="dim">v${cluster.version}</span></dd></div>
    <div><dt>speaking</dt><dd>${self.region}/${self.replica}</dd></div>
    <div><dt>coordinator</dt><dd>${coordinator === null || coordinator.released ? html`<${Chip} tone="bad">nobody<//>` : `${coordinator.region}/${coordinator.replica}, epoch ${coordinator.epoch}`}</dd></div>
    <div><dt>decision</dt><dd>${decision === null ? 'none yet' : `${decision.v}`}</dd></div>
    <div><dt>data</dt><dd><${Age} /> ${isStreaming.value && !isStale.value ? html`<${Chip} tone="good">live<//>` : html`<${Chip} tone="warn">${isStale.value || trouble.value !== null ? 'old' : 'asking every few seconds'}<//>`}</dd></div>
    <div><dt>time</dt><dd><${Clock} /></dd></div>
    <div><dt>you</dt><dd>${me.value === null ? '–' : `${me.value.name} (${me.value.role})`}</dd></div>
  </dl>`;
};

const Head = () => html`<${Stale} /><${Banner} /><${Speaker} />`;

// ---- all of it ----

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
