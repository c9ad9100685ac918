// Who looks, and how one becomes somebody who may act. Nothing is kept: a page that is closed or loaded again has forgotten the token.
import { signal, useComputed } from '@preact/signals';
import { html, type Node } from '../html.ts';
import { Refused } from '../live/api.ts';
import { begin, nowMs } from '../live/live.ts';
import { forgetting, isLocked, me, token, ways } from '../live/session.ts';
import { canLeave, endsAtMs, leave, returnTrouble, signIn, signOut } from '../live/sign-in.ts';
import { providerUrl } from '../oidc.ts';
import { Chip, Dialog, Field, Trouble, useDeed } from '../parts.ts';
import { duration } from '../words.ts';

const isOpen = signal(false);

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
    <${Trouble} error=${error} /><${Wait} error=${error} />
    <p class="row"><button class="primary" type="submit" disabled=${busy}>Sign in</button><span role="status">${busy ? 'asking …' : ''}</span></p>
  </form>`;
};

const Elsewhere = () => {
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
  <${Elsewhere} />
  ${ways.value?.token === false ? html`<p class="note">This replica takes no tokens of its own.</p>` : html`<${TokenForm} onDone=${onDone} />`}`;

/** Stands in the place of all panels while nothing may be seen. */
export const Locked = () => {
  const { busy, error, run } = useDeed();
  const look = ways.value?.anonymous === 'viewer';
  return html`<section class="panel" aria-labelledby="sign-in-title">
    <header><h2 id="sign-in-title">Sign in</h2></header>
    <p>${look ? 'Your sign-in has ended, or is not accepted any more.' : 'This cluster shows itself only to those whom it knows.'}</p>
    <${Ways} onDone=${() => undefined} />
    ${look ? html`<p><button type="button" disabled=${busy} onClick=${() => run(begin)}>Look without signing in</button></p>` : null}
    <${Trouble} error=${error} />
  </section>`;
};

export const SignInButton = ({ says = 'Sign in' }: { says?: Node }) =>
  html`<button type="button" onClick=${() => {
    isOpen.value = true;
  }}>${says}</button>`;

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
export const Session = () => {
  const close = (): void => {
    isOpen.value = false;
    returnTrouble.value = null;
  };
  const open = !isLocked.value && (isOpen.value || returnTrouble.value !== null);
  return html`<div class="row session">${isLocked.value ? null : html`<${Who} />`}</div>
    <${Dialog} title="Sign in" open=${open} onClose=${close}><${Ways} onDone=${close} /><//>`;
};
