// The parts that all panels are made of. A state is a mark, a word and a colour, never a colour alone.
import { useComputed } from '@preact/signals';
import { Component, type ComponentType } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { nextFrame, whenSeen } from './browser.ts';
import { html, type Node } from './html.ts';
import { Refused } from './live/api.ts';
import { nowMs } from './live/live.ts';
import { turned } from './same.ts';
import { ago, percent, utc } from './words.ts';

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

let made = 0;
/** A label, its control, and what it is for. `control` is given the id that the label names. */
export const Field = ({ label, hint, control }: { label: string; hint?: string; control(id: string): Node }) => {
  const [id] = useState(() => `field-${++made}`);
  return html`<div class="field"><label for=${id}>${label}</label>${control(id)}${hint === undefined ? null : html`<small id="${id}-hint">${hint}</small>`}</div>`;
};
