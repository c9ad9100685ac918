// Answers whose every text is hostile. The same text becomes the same poison wherever it stands, so that names still belong together; what the page then asks
// for by such a name is turned back. Only the enumerations of the API's document are left alone: nobody outside chooses those.
import { readFileSync } from 'node:fs';
import type { Page, Route } from 'playwright-core';

type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json };

const LONG = 'W'.repeat(10_000);
/** How many texts may be as long as that: one screen has to show them. */
const LONG_MAX = 40;

/** What each begins with. The bare names are given once each, whole. */
export const POISONS = [
  `"'><img src=x onerror=alert(1)>`,
  '<script>alert(2)</script>',
  'javascript:alert(3)',
  '\u202e\u2066gpj.exe',
  '🦠👩‍👩‍👧‍👦🏴‍☠️',
  '</title></style><style>*{display:none}</style>',
  `<svg/onload=alert(4)>\${alert(5)}{{alert(6)}}`,
  'data:text/html,<script>alert(7)</script>',
  `'-alert(8)-'\u0000\r\nevent: hostile\r\ndata: {}`,
  '%00%2e%2e%2f&lt;b&gt;&#x3c;#fragment=1&service=2',
] as const;
const BARE = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', '[object Object]', ' '];

const DOCUMENT: unknown = JSON.parse(readFileSync(new URL('../../../src/api/openapi.json', import.meta.url), 'utf8'));
const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);
const namesIn = (node: unknown, take: (schema: Record<string, unknown>) => readonly unknown[]): readonly string[] => {
  if (Array.isArray(node)) return node.flatMap((each) => namesIn(each, take));
  if (!isRecord(node)) return [];
  const own = take(node).filter((each) => typeof each === 'string');
  return [...own, ...Object.values(node).flatMap((each) => namesIn(each, take))];
};
const ENUMERATED = new Set(namesIn(DOCUMENT, ({ enum: all, const: one }) => [...(Array.isArray(all) ? all : []), one]));
/** Names of members; whatever else stands as one is a name that somebody gave. */
const isMember = (name: string): boolean => /^[a-z]+([A-Z0-9][a-z0-9]*)*$/.test(name);
const isInstant = (text: string): boolean => /^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(text);

const putOwn = (into: Record<string, Json>, name: string, value: Json): void => {
  Object.defineProperty(into, name, { value, enumerable: true, writable: true, configurable: true });
};
const mapped = (value: Json, text: (given: string) => string, name: (given: string) => string): Json => {
  if (typeof value === 'string') return text(value);
  if (Array.isArray(value)) return value.map((each) => mapped(each, text, name));
  if (value === null || typeof value !== 'object') return value;
  const made: Record<string, Json> = {};
  for (const [key, each] of Object.entries(value)) putOwn(made, name(key), mapped(each, text, name));
  return made;
};

export interface Poison {
  /** The same document, poisoned. */
  poison(value: Json): Json;
  textOf(text: string): string;
  /** Every text that was given out. */
  given(): readonly string[];
  cureUrl(url: string): string;
  cureBody(body: string | null): string | undefined;
}

export const createPoison = (): Poison => {
  const poisoned = new Map<string, string>();
  const cured = new Map<string, string>();
  let n = 0;
  const make = (text: string): string => {
    const at = n++;
    if (at % 7 === 6 && at / 7 < BARE.length) return BARE[Math.floor(at / 7)] ?? '';
    const start = POISONS[at % POISONS.length] ?? '';
    return at % 13 === 12 && at / 13 < LONG_MAX ? `${start}${LONG}${at}` : `${start} ${text}`;
  };
  const textOf = (text: string): string => {
    if (text === '' || ENUMERATED.has(text) || isInstant(text)) return text;
    const known = poisoned.get(text) ?? make(text);
    poisoned.set(text, known);
    cured.set(known, text);
    return known;
  };
  const cure = (text: string): string => cured.get(text) ?? text;
  return {
    textOf,
    poison: (value) => mapped(value, textOf, (key) => (isMember(key) ? key : textOf(key))),
    given: () => [...poisoned.values()],
    cureUrl(given) {
      const url = new URL(given);
      url.pathname = url.pathname
        .split('/')
        .map((part) => encodeURIComponent(cure(decodeURIComponent(part))))
        .join('/');
      for (const [name, value] of [...url.searchParams]) url.searchParams.set(name, cure(value));
      return url.href;
    },
    cureBody: (body) => (body === null ? undefined : JSON.stringify(mapped(JSON.parse(body) as Json, cure, cure))),
  };
};

export interface Poisoning {
  poison: Poison;
  /** Adds to an answer what this world has none of. */
  fill(path: string, answer: Json): Json;
  /** Answers that are not asked of the replica at all: a problem for what is acted. */
  instead(method: string, path: string): { status: number; body: Json } | null;
  /** The stream of events, whole. */
  events(): string;
}

/** Every answer of the API on its way to the page. */
export const poisonPage = async (page: Page, { poison, fill, instead, events }: Poisoning): Promise<void> => {
  const answer = (route: Route, status: number, headers: Record<string, string>, body: Json, type: string): Promise<void> =>
    route.fulfill({ status, headers: { ...headers, 'content-type': type }, body: JSON.stringify(poison.poison(body)) });
  await page.route(/\/(v1|api)\//, async (route) => {
    const request = route.request();
    const { pathname, search } = new URL(request.url());
    if (pathname === '/v1/events') {
      await route.fulfill({ status: 200, headers: { 'content-type': 'text/event-stream' }, body: events() });
      return;
    }
    const given = instead(request.method(), `${pathname}${search}`);
    if (given !== null) return answer(route, given.status, {}, given.body, 'application/problem+json');
    const url = poison.cureUrl(request.url());
    const postData = poison.cureBody(request.postData());
    const response = await route.fetch({ url, ...(postData === undefined ? {} : { postData }) });
    const { 'content-length': _, 'content-encoding': __, 'content-type': type = '', ...headers } = response.headers();
    const text = await response.text();
    if (!type.includes('json'))
      return route.fulfill({ status: response.status(), headers: { ...headers, 'content-type': type }, body: text });
    return answer(route, response.status(), headers, fill(new URL(url).pathname, JSON.parse(text) as Json), type);
  });
};
