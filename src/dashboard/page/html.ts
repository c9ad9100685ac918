// Markup: HTML in template literals, made into nodes. What is put in as text stays text; nothing in this page writes HTML from a string.
import htm from 'htm';
import { type ComponentChildren, h, type VNode } from 'preact';

export type Node = ComponentChildren;
type Markup = (strings: TemplateStringsArray, ...values: unknown[]) => VNode;
/** One root, or several. */
export const html: Markup = (htm as unknown as { bind(make: typeof h): Markup }).bind(h);
