// YAML text to plain values, with the place of every key and value. Stricter than YAML: one document, text keys, no tags, no duplicate keys.
// Bounded before it is believed: nesting is measured on tokens, since the parser recurses, and aliases are expanded under a budget.
import {
  type Alias,
  CST,
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  Lexer,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  visit,
  type YAMLMap,
  type YAMLParseError,
} from 'yaml';
import type { Path } from './problem.ts';

/** Deepest nesting. A configuration needs about ten levels. */
export const DEPTH_MAX = 64;
/** Most values once aliases are expanded: several times what the largest sensible file holds. */
export const VALUES_MAX = 200_000;
/** Widest indentation, which bounds the nesting of blocks before anything recurses. */
const INDENT_MAX = 256;
/** Most complaints about the grammar: after the first few they are echoes of one another. */
const GRAMMAR_MAX = 20;

export interface Place {
  line: number;
  column: number;
  /** The path as far as the file spells it out: a value written short has no keys inside. */
  path: Path;
}

export interface Source {
  value: unknown;
  locate(path: Path, at: 'key' | 'value'): Place;
}

export interface Complaint {
  line: number;
  column: number;
  path: Path;
  message: string;
}

/** `source` is null when the text is no tree that could be looked at further. */
export interface YamlRead {
  source: Source | null;
  complaints: readonly Complaint[];
}

const TOO_DEEP = `found values nested too deeply, expected at most ${DEPTH_MAX} levels; look for brackets that never close`;
const UNCLOSED = 'found a quote that never closes, expected its pair; close it, or use the other kind of quotes around it';

/** What the parser's codes mean to somebody who has just edited a file. */
const GRAMMAR: Readonly<Record<string, string>> = {
  TAB_AS_INDENT: 'found a tab as indentation, expected spaces; replace the tab by spaces',
  MULTIPLE_DOCS: 'found a second document, expected one; remove the line "---" and what follows it, or split the file',
  BAD_INDENT: 'found an indentation that fits nothing around it, expected that of its siblings; align the line',
  MISSING_CHAR: 'found something unfinished, expected a closing quote or bracket, a comma, or ":" and a space after a key; complete it',
  BLOCK_AS_IMPLICIT_KEY: 'found a second "key: value" within one, expected one per line; start a new line or put the text in quotes',
  MULTILINE_IMPLICIT_KEY: 'found a key that runs over several lines, expected "key: value"; a line without ":" is the usual cause',
  BLOCK_IN_FLOW: 'found a block inside brackets, expected entries with commas; close the bracket first',
  BAD_SCALAR_START: 'found a text that starts with a reserved character, expected a plain text; put it in quotes',
  BAD_DQ_ESCAPE: 'found a backslash escape that does not exist, expected one of YAML; double the backslash or use single quotes',
  KEY_OVER_1024_CHARS: 'found a key of more than 1024 characters, expected a short one; a missing line break is the usual cause',
  MULTIPLE_ANCHORS: 'found two anchors on one value, expected one; remove one',
  RESOURCE_EXHAUSTION: TOO_DEEP,
};

const grammar = (code: string): string =>
  GRAMMAR[code] ??
  `found text that is not YAML (${code.toLowerCase()}), expected "key: value"; put texts with special characters in quotes`;

/** What the tokens show before anything recurses: the offset of the first one nested too deeply, and of a quote that never closes. */
const scan = (text: string): { deep: number | null; unclosed: number | null } => {
  let offset = 0;
  let brackets = 0;
  let indicators = 0;
  let lineStart = true;
  let plain = false;
  let unclosed: number | null = null;
  for (const token of new Lexer().lex(text)) {
    const type: ReturnType<typeof CST.tokenType> = plain ? null : CST.tokenType(token);
    plain = type === 'scalar';
    // Three kinds of token are marks of the lexer's own and stand nowhere in the text.
    if (plain || type === 'doc-mode' || type === 'flow-error-end') continue;
    if (type === 'flow-map-start' || type === 'flow-seq-start') brackets++;
    else if (type === 'flow-map-end' || type === 'flow-seq-end') brackets--;
    else if (type === 'seq-item-ind' || type === 'explicit-key-ind' || type === 'map-value-ind') indicators++;
    else if (type === 'newline') indicators = 0;
    else if (/^(double|single)-quoted/.test(type ?? '') && (token.length === 1 || !token.endsWith(token[0] ?? ''))) unclosed = offset;
    const wide = lineStart && type === 'space' && token.length > INDENT_MAX;
    if (wide || brackets > DEPTH_MAX || indicators > 2 * DEPTH_MAX) return { deep: offset, unclosed: null };
    lineStart = type === 'newline';
    offset += token.length;
  }
  return { deep: null, unclosed };
};

interface Conversion {
  complain(offset: number, path: Path, message: string): void;
  targets: ReadonlyMap<Alias, Node>;
  left: number;
  /** An alias bomb, or a value that contains itself, is told once and ends the conversion. */
  exhausted: boolean;
}

const toValue = (state: Conversion, given: Node | null, path: Path): unknown => {
  if (state.exhausted || given === null) return null;
  const refuse = (message: string): null => {
    state.complain(given.range?.[0] ?? 0, path, message);
    return null;
  };
  if (--state.left < 0 || path.length > DEPTH_MAX) {
    state.exhausted = true;
    const found = path.length > DEPTH_MAX ? `${DEPTH_MAX} levels` : `${VALUES_MAX} values`;
    const message = `found more than ${found} once aliases are expanded, expected fewer; look for an alias that contains itself or other aliases`;
    state.complain(given.range?.[0] ?? 0, path.slice(0, 1), message);
    return null;
  }
  const node = isAlias(given) ? state.targets.get(given) : given;
  if (node === undefined) return refuse('found an alias without its anchor, expected "&name" before "*name"; add the anchor');
  if ('tag' in node && node.tag !== undefined) return refuse('found a tag ("!…"), expected a plain value; remove the tag');
  if (isScalar(node)) return node.value;
  if (isSeq(node)) return node.items.map((item, i) => toValue(state, isNode(item) ? item : null, [...path, i]));
  if (isMap(node)) return toObject(state, node.items, path);
  return null;
};

const toObject = (state: Conversion, pairs: readonly { key: unknown; value: unknown }[], path: Path): Record<string, unknown> => {
  const object: Record<string, unknown> = {};
  for (const { key, value } of pairs) {
    const offset = isNode(key) ? (key.range?.[0] ?? 0) : 0;
    const name = isScalar(key) ? key.value : null;
    if (typeof name !== 'string') {
      state.complain(offset, path, 'found a key that is no text, expected a name; put it in quotes');
    } else if (name === '__proto__') {
      state.complain(offset, [...path, name], 'found the key "__proto__", expected a name of this format; remove it');
    } else if (Object.hasOwn(object, name)) {
      // The parser's own check compares every key with every other one; this one is linear.
      state.complain(offset, [...path, name], 'found this key a second time, expected it once; remove one of them');
    } else {
      object[name] = toValue(state, isNode(value) ? value : null, [...path, name]);
    }
  }
  return object;
};

/** What each alias stands for: the last anchor of its name before it. */
const aliasTargets = (document: Document.Parsed): ReadonlyMap<Alias, Node> => {
  const anchors = new Map<string, Node>();
  const targets = new Map<Alias, Node>();
  visit(document, (_, node) => {
    if (!isNode(node)) return;
    if (isAlias(node)) {
      const target = anchors.get(node.source);
      if (target) targets.set(node, target);
    } else if (node.anchor) anchors.set(node.anchor, node);
  });
  return targets;
};

/** The errors that are not echoes: those about tabs when there are any, else the first of each stretch of text. */
const firstErrors = (errors: readonly YAMLParseError[]): readonly YAMLParseError[] => {
  const tabs = errors.filter(({ code }) => code === 'TAB_AS_INDENT');
  return (tabs.length > 0 ? tabs : errors).filter(({ pos }, i, all) => pos[0] !== all[i - 1]?.pos[0]).slice(0, GRAMMAR_MAX);
};

const indexes = new WeakMap<YAMLMap, ReadonlyMap<unknown, Pair>>();

/** The pairs of a map by key, the first of equal keys; indexed once, since every problem of a large map looks its place up here. */
const pairsOf = (map: YAMLMap): ReadonlyMap<unknown, Pair> => {
  const known = indexes.get(map);
  if (known) return known;
  const index = new Map(map.items.toReversed().map((pair) => [isScalar(pair.key) ? pair.key.value : undefined, pair]));
  indexes.set(map, index);
  return index;
};

/** Walks as far as the file goes; what is missing is placed at the key (or the list entry) that should hold it. */
const placeOf = (root: Node | null, targets: ReadonlyMap<Alias, Node>, path: Path, at: 'key' | 'value'): { offset: number; path: Path } => {
  let node = root;
  let offset = root?.range?.[0] ?? 0;
  for (const [i, step] of path.entries()) {
    const here = node !== null && isAlias(node) ? (targets.get(node) ?? null) : node;
    if (isMap(here)) {
      const pair = pairsOf(here).get(step);
      if (pair === undefined) return { offset, path };
      offset = (isNode(pair.key) && pair.key.range?.[0]) || 0;
      node = isNode(pair.value) ? pair.value : null;
    } else if (isSeq(here) && typeof step === 'number') {
      const item = here.items[step];
      if (item === undefined) return { offset, path };
      node = isNode(item) ? item : null;
      offset = node?.range?.[0] ?? offset;
    } else return { offset: here?.range?.[0] ?? offset, path: path.slice(0, i) };
  }
  const empty = node === null || (isScalar(node) && node.value === null);
  return { offset: at === 'value' && !empty ? (node?.range?.[0] ?? offset) : offset, path };
};

/** Reads one YAML 1.2 document. Throws nothing, whatever the text. */
export const readYaml = (text: string): YamlRead => {
  const lines = new LineCounter();
  const complaints: Complaint[] = [];
  const complain = (offset: number, path: Path, message: string): void => {
    const { line, col } = lines.linePos(offset);
    complaints.push({ line: Math.max(1, line), column: Math.max(1, col), path, message });
  };
  const { deep, unclosed } = scan(text);
  if (deep !== null || unclosed !== null) {
    lines.addNewLine(0);
    for (let i = text.indexOf('\n'); i !== -1; i = text.indexOf('\n', i + 1)) lines.addNewLine(i + 1);
    complain(deep ?? unclosed ?? 0, [], deep !== null ? TOO_DEEP : UNCLOSED);
    return { source: null, complaints };
  }
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: false, version: '1.2' });
  for (const { code, pos } of firstErrors(document.errors)) complain(pos[0], [], grammar(code));
  const { explicit, version } = document.directives.yaml;
  if (explicit === true && version !== '1.2')
    complain(0, [], 'found a %YAML directive, expected none: this file is YAML 1.2; remove the line');
  if (complaints.length > 0) return { source: null, complaints };
  const targets = aliasTargets(document);
  const state: Conversion = { complain, targets, left: VALUES_MAX, exhausted: false };
  const value = toValue(state, document.contents, []);
  if (state.exhausted) return { source: null, complaints };
  const locate = (path: Path, at: 'key' | 'value'): Place => {
    const place = placeOf(document.contents, targets, path, at);
    const { line, col } = lines.linePos(place.offset);
    return { line: Math.max(1, line), column: Math.max(1, col), path: place.path };
  };
  return { source: { value, locate }, complaints };
};
