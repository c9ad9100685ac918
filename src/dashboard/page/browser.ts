// The doors to the browser: time, timers, requests, the address, randomness. Nothing else in this page touches them.

/** Milliseconds that never jump; they may stand still while the machine sleeps. */
export const monoMs = (): number => performance.now();
export const wallMs = (): number => Date.now();

/** Calls once after `ms`; the answer takes it back. */
export const after = (ms: number, act: () => void): (() => void) => {
  const timer = setTimeout(act, ms);
  return () => clearTimeout(timer);
};
/** Before the next picture; the answer takes it back. A page that nobody sees paints none. */
export const nextFrame = (act: () => void): (() => void) => {
  const frame = requestAnimationFrame(act);
  return () => cancelAnimationFrame(frame);
};
export const every = (ms: number, act: () => void): (() => void) => {
  const timer = setInterval(act, ms);
  return () => clearInterval(timer);
};

/** On a line on which the head has come and the rest does not. */
const BODY_MS = 20_000;

/** `take`: what of the answer has to be here in time. */
const inTime = async (
  url: string,
  init: RequestInit,
  ms: number,
  cancel: AbortSignal | undefined,
  take: (answer: Response) => Promise<Response>,
): Promise<Response> => {
  const tooLong = new AbortController();
  const within = (spanMs: number) => after(spanMs, () => tooLong.abort(new Error(`no answer within ${spanMs / 1000} s`)));
  let give = within(ms);
  try {
    const signal = cancel === undefined ? tooLong.signal : AbortSignal.any([tooLong.signal, cancel]);
    // Without credentials of the browser's own: a password given to /status would go to every path.
    const answer = await fetch(url, { ...init, signal, cache: 'no-store', credentials: 'omit', redirect: 'error' });
    give();
    give = within(BODY_MS);
    return await take(answer);
  } finally {
    give();
  }
};

/** `ms`: until the answer's head is there; it then goes on until it is cancelled. */
export const requestStream = (url: string, init: RequestInit, ms: number, cancel?: AbortSignal): Promise<Response> =>
  inTime(url, init, ms, cancel, (answer) => Promise.resolve(answer));

/** The whole answer. `ms`: until its head is there. */
export const request = (url: string, init: RequestInit, ms: number, cancel?: AbortSignal): Promise<Response> =>
  inTime(url, init, ms, cancel, async (answer) => {
    const body = await answer.arrayBuffer();
    const { status, statusText, headers } = answer;
    return new Response(body.byteLength === 0 ? null : body, { status, statusText, headers });
  });

/** A key for one act: 32 hexadecimal digits. */
export const freshKey = (): string =>
  [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('');

export const freshBytes = (length: number): Uint8Array => crypto.getRandomValues(new Uint8Array(length));
/** Only where the page came by TLS, or from this machine. */
export const sha256 = async (text: string): Promise<Uint8Array> =>
  new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text)));

/** Else the browser makes no hash. */
export const isSecure = (): boolean => isSecureContext;

export const origin = (): string => location.origin;
export const fragment = (): string => location.hash.replace(/^#/, '');
export const setFragment = (text: string): void => history.replaceState(null, '', `${location.pathname}${text === '' ? '' : `#${text}`}`);
export const onFragment = (act: () => void): void => addEventListener('hashchange', act);
export const query = (): URLSearchParams => new URLSearchParams(location.search);
export const go = (url: string): void => location.assign(url);

/** Of this tab, until it is closed. Holds nothing that lets anybody act: what a sign-in elsewhere needs to come back. */
export const recall = (name: string): string | null => sessionStorage.getItem(name);
export const remember = (name: string, value: string | null): void =>
  value === null ? sessionStorage.removeItem(name) : sessionStorage.setItem(name, value);

export const isVisible = (): boolean => document.visibilityState === 'visible';
/** The page is looked at again, or the network is back. */
export const onReturn = (act: () => void): void => {
  document.addEventListener('visibilitychange', () => {
    if (isVisible()) act();
  });
  addEventListener('online', act);
  addEventListener('pageshow', ({ persisted }) => {
    if (persisted) act();
  });
};

/** Calls once when the element comes near the window. */
export const whenSeen = (element: Element, act: () => void): (() => void) => {
  const observer = new IntersectionObserver(
    (entries) => {
      if (!entries.some(({ isIntersecting }) => isIntersecting)) return;
      observer.disconnect();
      act();
    },
    { rootMargin: '300px' },
  );
  observer.observe(element);
  return () => observer.disconnect();
};

/** Offers the text as a file. */
export const save = (name: string, type: string, text: string): void => {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  URL.revokeObjectURL(url);
};

/** Where the browser lets it: only where the page came by TLS, or from this machine. */
export const copy = async (text: string): Promise<void> => {
  if (!isSecureContext) throw new Error('this browser lets a page copy only when it came by TLS: select the text and copy it by hand');
  await navigator.clipboard.writeText(text);
};

/** Calls with the width of the element, now and when it changes. */
export const onWidth = (element: Element, act: (px: number) => void): (() => void) => {
  const observer = new ResizeObserver(([entry]) => entry !== undefined && act(Math.round(entry.contentRect.width)));
  observer.observe(element);
  return () => observer.disconnect();
};
