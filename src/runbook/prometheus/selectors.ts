// Which series a query of PromQL is made of, so that Prometheus can be asked how old their newest samples are: an instant query answers with the time at which
// it was evaluated, and finds a series that has ended for five minutes more. Reads words, not grammar: what it takes for a selector and is none makes a query
// that Prometheus refuses, and the gate is unknown. Pure.

/** A clause of labels follows. */
const CLAUSES: readonly string[] = ['by', 'without', 'on', 'ignoring', 'group_left', 'group_right'];
const WORDS: readonly string[] = ['and', 'or', 'unless', 'atan2', 'bool', 'offset', 'nan', 'inf', 'start', 'end', 'anchored', 'smoothed'];
/** Where labels are told before what they are of. */
const AGGREGATED = /^\s*(?:by|without)\b/i;

const STRING = /"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`/y;
const COMMENT = /#[^\n]*/y;
const NUMBER = /\d[\w.]*/y;
const NAME = /[a-zA-Z_:][\w:]*/y;
const MATCHERS = /\{(?:[^}"'`]|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`)*\}/y;
const BRACKETS = /\[[^\]]*\]/y;
const LIST = /\s*\([^)]*\)/y;
const SPACE = /\s*/y;

/** Each once, in order: `name`, `name{…}` or `{…}`. */
export const selectorsOf = (query: string): readonly string[] => {
  const found = new Set<string>();
  let at = 0;
  const take = (pattern: RegExp): string | null => {
    pattern.lastIndex = at;
    const [text] = pattern.exec(query) ?? [];
    if (text === undefined) return null;
    at += text.length;
    return text;
  };
  while (at < query.length) {
    if (take(STRING) ?? take(COMMENT) ?? take(BRACKETS) ?? take(NUMBER)) continue;
    const matchers = take(MATCHERS);
    if (matchers !== null) {
      found.add(matchers);
      continue;
    }
    const name = take(NAME);
    if (name === null) {
      at++;
      continue;
    }
    const word = name.toLowerCase();
    if (CLAUSES.includes(word)) {
      take(LIST);
      continue;
    }
    take(SPACE);
    const isCalled = query[at] === '(' || AGGREGATED.test(query.slice(at, at + 10));
    if (!isCalled && !WORDS.includes(word)) found.add(`${name}${take(MATCHERS) ?? ''}`);
  }
  return [...found];
};

export const SELECTORS_MAX = 16;

/** Answers, per selector that has samples, when the oldest of its series had its newest one. null: the query is made of no series. Throws for too many. */
export const agesQuery = (query: string): string | null => {
  const selectors = selectorsOf(query);
  if (selectors.length > SELECTORS_MAX) throw new Error(`a query of ${selectors.length} selectors, at most ${SELECTORS_MAX} are looked at`);
  const ages = selectors.map((selector, at) => `label_replace(min(timestamp(${selector})), "selector", "${at}", "", "")`);
  return ages.length === 0 ? null : ages.join(' or ');
};
