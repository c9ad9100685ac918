// What comes after the first panels stand: the rest of the page. It is fetched at once and not when somebody looks at it, since a region that is lost takes
// with it where its modules come from.
import { type Signal, signal } from '@preact/signals';
import type { ComponentType } from 'preact';
import { after } from './browser.ts';
import { html } from './html.ts';
import { Empty, Panel } from './parts.ts';

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
