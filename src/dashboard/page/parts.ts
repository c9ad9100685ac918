// What panels are made of.
import { type Signal, signal, useComputed } from '@preact/signals';
import htm from 'htm';
import { Component, type ComponentChildren, type ComponentType, h, type VNode } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Overview, Undo } from '../../client/schema.ts';
import { type Kind, nameOf, prefill, type Stage, stageOf } from './acts.ts';
import { after, nextFrame, whenSeen } from './browser.ts';
import { asked, forgetting, isOperator, lookSoon, nowMs, Refused, want } from './live.ts';
import { ago, countdown, percent, shown, turned, utc } from './words.ts';

// ---- markup ----
// Markup: HTML in template literals, made into nodes. What is put in as text stays text; nothing in this page writes HTML from a string.

export type Node = ComponentChildren;
type Markup = (strings: TemplateStringsArray, ...values: unknown[]) => VNode;
type Make = (type: Parameters<typeof h>[0], props: object | null, ...children: ComponentChildren[]) => VNode;
const hasText = (child: ComponentChildren): boolean => typeof child === 'string' || (Array.isArray(child) && child.some(hasText));
/** Lists of nodes stay the lists that they are: of thousands of cells no copy is made. */
const told = (child: ComponentChildren): ComponentChildren =>
  typeof child === 'string' ? shown(child) : Array.isArray(child) && hasText(child) ? child.map(told) : child;
const make: Make = (type, props, ...children) => h(type, props, ...children.map(told)) as VNode;
/** One root, or several. No text turns the direction of what stands around it. */
export const html: Markup = (htm as unknown as { bind(make: Make): Markup }).bind(make);

// ---- parts ----
// The parts that all panels are made of. A state is a mark, a word and a colour, never a colour alone.

export type Tone = 'good' | 'warn' | 'bad' | 'idle';

/** Drawn again only when one of its properties is another object. */
export const still = <P extends object>(draw: (props: P) => Node): ComponentType<P> =>
  class Still extends Component<P> {
    override shouldComponentUpdate(next: Readonly<P>): boolean {
      const [a, b] = [this.props as Record<string, unknown>, next as Record<string, unknown>];
      return Object.keys(b).length !== Object.keys(a).length || Object.keys(b).some((name) => a[name] !== b[name]);
    }
    override render(props: P) {
      return draw(props);
    }
  } as unknown as ComponentType<P>;

interface PanelProps {
  id: string;
  title: string;
  note?: Node;
  aside?: Node;
  children?: Node;
  watch?: { current: Element | null };
}

/** A section with a heading; `id` is where the navigation leads. `watch`: the `ref` of what asks when it is seen. */
export const Panel = ({ id, title, note, children, aside, watch }: PanelProps) => html`
  <section id=${id} ref=${watch} class="panel" aria-labelledby="${id}-title" tabindex="-1">
    <header><h2 id="${id}-title">${title}</h2>${aside}</header>
    ${note === undefined ? null : html`<p class="dim">${note}</p>`}
    ${children}
  </section>`;

const MARKS: Readonly<Record<string, readonly [string, Tone]>> = {
  up: ['●', 'good'],
  ok: ['●', 'good'],
  done: ['✓', 'good'],
  pass: ['✓', 'good'],
  met: ['✓', 'good'],
  suspect: ['▲', 'warn'],
  unready: ['▲', 'warn'],
  slow: ['▲', 'warn'],
  warn: ['▲', 'warn'],
  abstain: ['–', 'warn'],
  pending: ['…', 'idle'],
  down: ['✕', 'bad'],
  out: ['✕', 'bad'],
  fail: ['✕', 'bad'],
  failed: ['✕', 'bad'],
  missed: ['✕', 'bad'],
  silent: ['◌', 'idle'],
  unknown: ['?', 'idle'],
};

/** A state by its word; `says` in place of the word. */
export const Mark = ({ state, says, tone, title }: { state: string; says?: string; tone?: Tone; title?: string }) => {
  const [glyph, usual] = MARKS[state] ?? ['·', 'idle'];
  return html`<span class="mark ${tone ?? usual}" title=${title}><span aria-hidden="true">${glyph}</span> ${says ?? state}</span>`;
};

export const Chip = ({ tone = 'idle', children, title }: { tone?: Tone; children?: Node; title?: string }) =>
  html`<span class="chip ${tone}" title=${title}>${children}</span>`;

/** Ages by itself; nothing around it is drawn again. */
export const Ago = ({ atMs }: { atMs: number }) => {
  const text = useComputed(() => ago(nowMs.value - atMs));
  return html`<time datetime=${new Date(atMs).toISOString()} title="${new Date(atMs).toISOString()}">${text}</time>`;
};

/** The instant in UTC and how long ago. */
export const At = ({ atMs }: { atMs: number }) => {
  const text = useComputed(() => utc(atMs, nowMs.value));
  return html`<span class="at"><time datetime=${new Date(atMs).toISOString()}>${text}</time> <span class="dim">(<${Ago} atMs=${atMs} />)</span></span>`;
};

/** A share as a bar, with a line where it should be. Thousandths. */
export const Share = ({ value, configured }: { value: number | null; configured?: number }) => html`
  <span class="share">
    <svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true" focusable="false">
      <rect class="track" width="100" height="8" />
      <rect class="fill" width=${(value ?? 0) / 10} height="8" />
      ${configured === undefined ? null : html`<rect class="goal" x=${Math.min(99, configured / 10)} width="1" height="8" />`}
    </svg>
    <span class="number">${value === null ? '–' : percent(value)}</span>
  </span>`;

/** A table with a caption for those who do not see it; it scrolls inside itself on narrow screens. */
export const Table = ({ caption, head, children }: { caption: string; head: readonly Node[]; children?: Node }) => html`
  <div class="scroll" tabindex="0" role="region" aria-label=${caption}>
    <table><caption class="hidden">${caption}</caption>
      <thead><tr>${head.map((each) => html`<th scope="col">${each}</th>`)}</tr></thead>
      <tbody>${children}</tbody>
    </table>
  </div>`;

export const Empty = ({ children }: { children?: Node }) => html`<p class="empty">${children}</p>`;

/** What went wrong, as the API says it: rules that refuse, members that are not well. */
export const Trouble = ({ error }: { error: unknown }) => {
  if (error === null || error === undefined) return null;
  const problem = error instanceof Refused ? error.problem : null;
  return html`<div class="trouble" role="alert">
    <p><strong>${problem?.title ?? 'It did not work'}</strong> ${problem === null ? (error instanceof Error ? error.message : String(error)) : problem.detail}</p>
    ${(problem?.errors ?? []).map(({ pointer, detail }) => html`<p><code>${pointer}</code> ${detail}</p>`)}
    ${(problem?.refusals ?? []).map(({ rule, because, counterfactual }) => html`<p><code>${rule}</code> ${because}${counterfactual === undefined ? null : html` <span class="dim">${counterfactual}</span>`}</p>`)}
  </div>`;
};

/** A long list that changes as a whole: a few of its rows in each picture, so that no key has to wait for all of them. */
export const useInTurns = <T>(next: readonly T[], most: number, nameOf: (row: T) => string): readonly T[] => {
  const [shown, show] = useState<readonly T[]>(() => next.slice(0, most));
  useEffect(() => (shown === next ? undefined : nextFrame(() => show((last) => turned(last, next, most, nameOf)))), [shown, next]);
  return shown;
};

/** What is asked for when the panel comes into view, and again whenever one of `on` changes. */
export interface Asked<T> {
  value: T | null;
  error: unknown;
  again(): void;
  /** To be set as `ref` on the element that is watched; without it nothing is asked. */
  ref: { current: Element | null };
}

export const useAsked = <T>(look: (signal: AbortSignal) => Promise<T>, on: readonly unknown[]): Asked<T> => {
  const [state, set] = useState<{ value: T | null; error: unknown }>({ value: null, error: null });
  const [round, again] = useState(0);
  const [seen, see] = useState(false);
  const ref = useRef<Element | null>(null);
  useEffect(() => (ref.current === null || seen ? undefined : whenSeen(ref.current, () => see(true))), [seen]);
  useEffect(() => {
    if (!seen) return;
    const cancel = new AbortController();
    look(cancel.signal).then(
      (value) => set({ value, error: null }),
      (error: unknown) => (cancel.signal.aborted ? undefined : set((last) => ({ value: last.value, error }))),
    );
    return () => cancel.abort();
  }, [seen, round, ...on]);
  return { ...state, again: () => again((each) => each + 1), ref };
};

/** A button that does something far away: it says that it is busy, and what went wrong. */
export const useDeed = (): { busy: boolean; error: unknown; run(deed: () => Promise<void>): void; clear(): void } => {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  return {
    busy,
    error,
    clear: () => setError(null),
    run(deed) {
      setBusy(true);
      setError(null);
      deed()
        .catch((why: unknown) => setError(why))
        .finally(() => setBusy(false));
    },
  };
};

/** Asks before an act, over everything else; Escape leaves. */
export const Dialog = ({ title, open, onClose, children }: { title: string; open: boolean; onClose(): void; children?: Node }) => {
  const ref = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (open && ref.current?.open === false) ref.current.showModal();
    if (!open && ref.current?.open === true) ref.current.close();
  }, [open]);
  // Only what the human closes is told: who closed it from outside knows.
  return html`<dialog ref=${ref} onClose=${open ? onClose : undefined} aria-label=${title}>
    ${open ? html`<header><h2>${title}</h2><button type="button" class="quiet" onClick=${onClose} aria-label="Close">✕</button></header>${children}` : null}
  </dialog>`;
};

const kept = new Map<string, unknown>();
forgetting.add(() => kept.clear());

/** Is done with what is kept under `name`. */
export const letGo = (name: string): void => {
  for (const each of [...kept.keys()]) if (each.startsWith(`${name} `)) kept.delete(each);
};

/** As useState, and kept for the form `name` through a new sign-in, until it is let go of or somebody signs out. */
export const useKept = <T>(name: string, part: string, fresh: () => T): readonly [T, (next: T) => void] => {
  const as = `${name} ${part}`;
  const put = (next: T): T => {
    kept.set(as, next);
    return next;
  };
  const [value, set] = useState<T>(() => (kept.has(as) ? (kept.get(as) as T) : put(fresh())));
  return [value, (next) => set(put(next))];
};

let made = 0;
/** A label, its control, and what it is for. `control` is given the id that the label names. */
export const Field = ({ label, hint, control }: { label: string; hint?: string; control(id: string): Node }) => {
  const [id] = useState(() => `field-${++made}`);
  return html`<div class="field"><label for=${id}>${label}</label>${control(id)}${hint === undefined ? null : html`<small id="${id}-hint">${hint}</small>`}</div>`;
};

// ---- what comes later ----
// What comes after the first panels stand: the rest of the page. It is fetched at once and not when somebody looks at it, since a region that is lost takes
// with it where its modules come from.

type Part = ComponentType<object>;
type Load = () => Promise<Part>;

const AGAIN_MS = 3_000;
const parts = new Map<Load, Signal<Part | null>>();

const slotOf = (load: Load): Signal<Part | null> => {
  const slot = parts.get(load) ?? signal<Part | null>(null);
  parts.set(load, slot);
  return slot;
};

/** One after the other, in this order, until all are here; one that does not come keeps none of the others back. */
export const fetchAll = async (loads: readonly Load[]): Promise<void> => {
  const missing: Load[] = [];
  for (const load of loads) {
    try {
      slotOf(load).value = await load();
    } catch {
      missing.push(load);
    }
  }
  if (missing.length > 0) after(AGAIN_MS, () => void fetchAll(missing));
};

/** The part, or until it is here its place; without a title nothing. */
export const Later = ({ load, id, title }: { load: Load; id?: string; title?: string }) => {
  const part = slotOf(load).value;
  if (part !== null) return html`<${part} />`;
  return id === undefined ? null : html`<${Panel} id=${id} title=${title}><${Empty}>Coming …<//><//>`;
};

// ---- orders ----
// What the list, the form and the dialog of orders have in common.

export type Listed = Overview['overrides']['items'][number];

/** Nobody knows whether an act that had no answer was done. */
export const isDoubt = (error: unknown): boolean =>
  error !== null &&
  (!(error instanceof Refused) || error.problem.code === 'ERR_UNDECIDED' || (error.problem.code === '' && error.problem.status >= 500));

export const Doubt = ({ error, then = 'Sending it again is safe: it has the same key.' }: { error: unknown; then?: string }) =>
  isDoubt(error) ? html`<p class="note" role="status">Nobody knows whether it was done. ${then}</p>` : null;

const STAGES: Readonly<Record<Stage, readonly [string, Tone]>> = {
  waits: ['waits for a second person', 'warn'],
  coming: ['has not begun', 'idle'],
  over: ['over', 'idle'],
  obeyed: ['obeyed', 'good'],
  ignored: ['not obeyed', 'bad'],
};

type Standing = Pick<Listed, 'approval' | 'startsAtMs' | 'expiresAtMs' | 'obeyed'>;

export const StageChip = ({ order }: { order: Standing }) => {
  const stage = useComputed(() => stageOf(order, nowMs.value));
  const [says, tone] = STAGES[stage.value];
  return html`<${Chip} tone=${tone}>${says}<//>`;
};

/** Until it begins, else until it ends. */
export const Left = ({ order }: { order: Standing }) => {
  const text = useComputed(() => {
    const startsMs = (order.startsAtMs ?? 0) - nowMs.value;
    return startsMs > 0 ? `begins in ${countdown(startsMs)}` : `ends in ${countdown(order.expiresAtMs - nowMs.value)}`;
  });
  return html`<time class="number" datetime=${new Date(order.expiresAtMs).toISOString()}>${text}</time>`;
};

export const UndoLines = ({ undo, title }: { undo: Undo | null | undefined; title: string }) =>
  undo == null
    ? null
    : html`<p>${title}</p><pre tabindex="0">${undo.cli}</pre><details><summary>with curl</summary><pre tabindex="0">${undo.curl}</pre></details>`;

/** An act shows at once, and what is decided of it a moment later. */
export const lookAtIt = (): void => {
  lookSoon();
  after(2_500, lookSoon);
};

interface LinkProps {
  kind: Kind;
  scope: Parameters<typeof prefill>[1];
}

/** What was open over the page is left: the form is in it. */
const order = ({ kind, scope }: LinkProps): void => {
  for (const name of ['service', 'override']) if (asked.value[name] !== undefined) want(name, null);
  want('order', prefill(kind, scope));
};

/** Leads to the form, filled with this much. Whoever may not order sees none. */
export const OrderLink = (link: LinkProps) =>
  isOperator.value
    ? html`<button type="button" onClick=${() => order(link)}>${link.kind[0]?.toUpperCase()}${link.kind.slice(1)} …<span class="hidden"> ${nameOf(link)}</span></button>`
    : null;

/** The dialog that asks who looks is open. */
export const isSigningIn = signal(false);

export const SignInButton = ({ says = 'Sign in' }: { says?: Node }) =>
  html`<button type="button" onClick=${() => {
    isSigningIn.value = true;
  }}>${says}</button>`;
