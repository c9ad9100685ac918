// What the list, the form and the dialog of orders have in common.
import { useComputed } from '@preact/signals';
import type { Overview, Undo } from '../../../client/schema.ts';
import { after } from '../browser.ts';
import { html } from '../html.ts';
import { asked, want } from '../live/address.ts';
import { Refused } from '../live/api.ts';
import { lookSoon, nowMs } from '../live/live.ts';
import { isOperator } from '../live/session.ts';
import { type Kind, nameOf, prefill, type Stage, stageOf } from '../order-form.ts';
import { Chip, type Tone } from '../parts.ts';
import { countdown } from '../words.ts';

export type Listed = Overview['overrides']['items'][number];

/** Nobody knows whether an act that had no answer was done. */
export const isDoubt = (error: unknown): boolean =>
  error !== null &&
  (!(error instanceof Refused) || error.problem.code === 'ERR_UNDECIDED' || (error.problem.code === '' && error.problem.status >= 500));

export const Doubt = ({ error, then }: { error: unknown; then: string }) =>
  isDoubt(error) ? html`<p class="note" role="status">Nobody knows whether it was written. ${then}</p>` : null;

const SAYS: Readonly<Record<Stage, readonly [string, Tone]>> = {
  waits: ['waits for a second person', 'warn'],
  coming: ['has not begun', 'idle'],
  over: ['over', 'idle'],
  obeyed: ['obeyed', 'good'],
  ignored: ['not obeyed', 'bad'],
};

type Standing = Pick<Listed, 'approval' | 'startsAtMs' | 'expiresAtMs' | 'obeyed'>;

export const StageChip = ({ order }: { order: Standing }) => {
  const stage = useComputed(() => stageOf(order, nowMs.value));
  const [says, tone] = SAYS[stage.value];
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
