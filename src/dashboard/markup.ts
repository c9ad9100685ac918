// HTML as a value: whatever is put into a template is text and is escaped, unless it is markup itself; what would turn the direction of a line is shown as
// what it is. Pure.
import { safe } from '../command/desk/text.ts';

const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
const escaped = (text: string): string => safe(text).replace(/[&<>"']/g, (char) => ESCAPES[char] ?? char);

/** Made by `html` alone: no document from outside can be one. */
export class Markup {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

export type Content = Markup | string | number | readonly Markup[];

const textOf = (content: Content): string => {
  if (content instanceof Markup) return content.text;
  if (typeof content === 'string') return escaped(content);
  return typeof content === 'number' ? String(content) : content.map(textOf).join('');
};

/** Text stays text, in attributes (which have to be quoted) as well. */
export const html = (strings: TemplateStringsArray, ...contents: readonly Content[]): Markup =>
  new Markup(strings.map((string, at) => string + (at < contents.length ? textOf(contents[at] ?? '') : '')).join(''));
