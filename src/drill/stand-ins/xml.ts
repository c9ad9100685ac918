// As much XML as the stand-ins of AWS speak: elements and text, no attributes worth reading, no mixed content. Pure.

export interface Element {
  name: string;
  children: readonly Element[];
  text: string;
}

const ENTITIES: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" };

const unescaped = (text: string): string =>
  text.replace(/&(?:#x([0-9a-f]+)|#(\d+)|(\w+));/gi, (all, hex: string, decimal: string, name: string) => {
    if (hex !== undefined) return String.fromCodePoint(Number.parseInt(hex, 16));
    return decimal === undefined ? (ENTITIES[name] ?? all) : String.fromCodePoint(Number(decimal));
  });

const escaped = (text: string): string =>
  text.replace(/[<>&"]/g, (char) => ({ '<': '&lt;', '>': '&gt;', '&': '&amp;', '"': '&quot;' })[char] ?? char);

/** null: not well-formed. */
export const parseXml = (source: string): Element | null => {
  const open: { name: string; children: Element[]; text: string }[] = [{ name: '', children: [], text: '' }];
  const tokens = source.replace(/<\?[\s\S]*?\?>|<!--[\s\S]*?-->/g, '').matchAll(/<(\/?)([\w.:-]+)[^>]*?(\/?)>|([^<]+)/g);
  for (const [, closing, name, empty, text] of tokens) {
    const inner = open.at(-1)!;
    if (text !== undefined) inner.text += unescaped(text);
    else if (closing === '/') {
      if (open.length < 2 || inner.name !== name) return null;
      open.pop();
      open.at(-1)!.children.push(inner);
    } else if (empty === '/') inner.children.push({ name: name!, children: [], text: '' });
    else open.push({ name: name!, children: [], text: '' });
  }
  const [top] = open;
  return open.length === 1 && top?.children.length === 1 ? top.children[0]! : null;
};

/** What a vendor's model says of names: which hold lists, and which texts are numbers or truths. */
export interface Model {
  lists: Readonly<Record<string, string>>;
  numbers: ReadonlySet<string>;
  booleans: ReadonlySet<string>;
}

/** An element as the vendor's library would have it as an object. */
export const jsonOf = ({ name, children, text }: Element, model: Model): unknown => {
  if (model.lists[name] !== undefined) return children.map((child) => jsonOf(child, model));
  if (children.length > 0) return Object.fromEntries(children.map((child) => [child.name, jsonOf(child, model)]));
  if (model.numbers.has(name)) return Number(text);
  return model.booleans.has(name) ? text === 'true' : text;
};

export const xmlOf = (name: string, value: unknown, model: Model): string => {
  if (value === undefined || value === null) return '';
  const item = model.lists[name];
  if (Array.isArray(value)) return `<${name}>${value.map((each) => xmlOf(item ?? 'member', each, model)).join('')}</${name}>`;
  if (typeof value !== 'object') return `<${name}>${escaped(String(value))}</${name}>`;
  const inner = Object.entries(value).map(([key, each]) => xmlOf(key, each, model));
  return `<${name}>${inner.join('')}</${name}>`;
};
