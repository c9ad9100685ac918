// Reads a zone as text (master file, RFC 1035 section 5, with $TTL of RFC 2308 and the time units of BIND): what each record says, and where a text is wrong, by
// line and column. The record types that routing is about are understood; others keep their fields as written. Files that are included are not followed.
// Written by hand: of the libraries at hand the common one takes other names for an omitted owner, drops lines it does not understand and reports nothing. Pure.
import { addressBytes, addressText } from './address.ts';
import type { Soa } from './codec.ts';
import { canonicalName } from './wire.ts';

export interface Place {
  /** Both counted from 1. */
  line: number;
  column: number;
}

export type ZoneRecord = Place & { name: string; ttlS: number } & (
    | { type: 'A' | 'AAAA' | 'CNAME' | 'NS'; data: string }
    | { type: 'TXT'; data: readonly string[] }
    | { type: 'SOA'; data: Soa }
    /** `type` is the other record's in upper case, or `$INCLUDE` or `$GENERATE`; fields as written. */
    | { type: 'other'; called: string; data: readonly string[] }
  );

export interface ZoneProblem extends Place {
  message: string;
}

export interface ZoneFile {
  records: readonly ZoneRecord[];
  /** Empty: the whole text was understood. In the order of the text. */
  problems: readonly ZoneProblem[];
}

/** `origin`: what relative names end with until the text says otherwise. Names come out lower-case, whole, without the dot at the end. Throws nothing. */
export const parseZoneFile = (text: string, origin: string): ZoneFile => {
  const problems: ZoneProblem[] = [];
  const read: Reading = { origin: canonicalName(origin), owner: null, defaultTtlS: null, lastTtlS: null };
  const records: ZoneRecord[] = [];
  for (const entry of entriesOf(text, problems)) {
    try {
      const record = readEntry(entry, read);
      if (record !== null) records.push(record);
    } catch (error) {
      if (!(error instanceof Wrong)) throw error;
      problems.push({ line: error.at.line, column: error.at.column, message: error.message });
    }
  }
  return { records, problems: problems.toSorted((a, b) => a.line - b.line || a.column - b.column) };
};

class Wrong extends Error {
  readonly at: Place;
  constructor(at: Place, message: string) {
    super(message);
    this.at = at;
  }
}

const SHOWN_MAX = 64;

/** A piece of the text as a problem repeats it: it may be of any length, and of bytes that a terminal obeys. */
const shown = (text: string): string => {
  const head = text.slice(0, SHOWN_MAX).replace(/\p{Cc}/gu, '?');
  return text.length > SHOWN_MAX ? `${head}…` : head;
};

// ---- from characters to entries ----

interface Token extends Place {
  /** As written, quotes aside: escapes are still in it. */
  text: string;
  isQuoted: boolean;
}

interface Entry extends Place {
  tokens: readonly Token[];
  /** It begins with a blank: the owner is the one before. */
  isIndented: boolean;
}

/** One logical line each: parentheses join lines, comments are gone. What is broken in the characters themselves is told, and reading goes on in the next line. */
function* entriesOf(text: string, problems: ZoneProblem[]): Generator<Entry> {
  let tokens: Token[] = [];
  let open: Place | null = null;
  let isIndented = false;
  let isBroken = false;
  for (const [n, content] of text.split(/\r\n|\n|\r/).entries()) {
    const line = n + 1;
    const wrong = (column: number, message: string): void => {
      problems.push({ line, column, message });
      isBroken = true;
    };
    if (open === null) isIndented = /^[ \t]/.test(content);
    for (const { 0: found, index } of content.matchAll(TOKEN)) {
      const column = index + 1;
      if (found.startsWith(';')) break;
      if (found === '(') {
        if (open !== null) wrong(column, `a "(" within the one of line ${open.line}; close that first`);
        open = { line, column };
      } else if (found === ')') {
        if (open === null) wrong(column, 'a ")" without "("; remove it');
        open = null;
      } else if (found.startsWith('"')) {
        if (found.length < 2 || !found.endsWith('"') || isEscaped(found))
          wrong(column, 'a text in quotes that does not end in this line; close it');
        tokens.push({ line, column, text: found.slice(1, -1), isQuoted: true });
      } else tokens.push({ line, column, text: found, isQuoted: false });
    }
    if (open !== null && !isBroken) continue;
    if (tokens.length > 0 && !isBroken) yield { line: tokens[0]!.line, column: tokens[0]!.column, tokens, isIndented };
    [tokens, open, isBroken] = [[], null, false];
  }
  if (open !== null) problems.push({ ...open, message: 'a "(" that is never closed; add the ")"' });
}

/** A comment, a parenthesis, a text in quotes (closed or not), or a run of anything else. */
const TOKEN = /;.*|[()]|"(?:[^"\\]|\\.)*(?:"|\\?$)|(?:[^\s();"\\]|\\.|\\$)+/g;

/** The last quote is not the closing one. */
const isEscaped = (found: string): boolean => (/\\*(?="$)/.exec(found)?.[0].length ?? 0) % 2 === 1;

// ---- from entries to records ----

interface Reading {
  origin: string;
  owner: string | null;
  defaultTtlS: number | null;
  lastTtlS: number | null;
}

/** null: it told how to read on. */
const readEntry = ({ tokens, isIndented, line, column }: Entry, read: Reading): ZoneRecord | null => {
  const left = [...tokens];
  const at: Place = { line, column };
  const first = left[0]!;
  if (!isIndented && !first.isQuoted && first.text.startsWith('$')) return directive(left, read);
  if (!isIndented) read.owner = nameOf(left.shift()!, read.origin);
  if (read.owner === null) throw new Wrong(at, 'a record without a name, and none before it to take the name from; write its name');
  const ttlS = takeTtlAndClass(left);
  const type = left.shift();
  if (type === undefined) throw new Wrong(at, 'a record without a type; write A, AAAA, CNAME, TXT, ...');
  if (type.isQuoted || !/^[a-z][a-z0-9-]*$/i.test(type.text))
    throw new Wrong(type, `"${shown(type.text)}" where the record's type belongs; write A, AAAA, CNAME, TXT, ...`);
  const called = type.text.toUpperCase();
  const data = dataOf(called, left, type, read.origin);
  if (ttlS !== null) read.lastTtlS = ttlS;
  // RFC 1035: as the record before. A zone that never says one is taken at the word of its SOA.
  if (data.type === 'SOA' && read.defaultTtlS === null && read.lastTtlS === null) read.lastTtlS = data.data.minimumS;
  const effective = ttlS ?? read.defaultTtlS ?? read.lastTtlS;
  if (effective === null)
    throw new Wrong(type, 'a record without a TTL, and neither $TTL nor a record before it says one; add $TTL to the top');
  return { ...at, name: read.owner, ttlS: effective, ...data };
};

const directive = (tokens: readonly Token[], read: Reading): ZoneRecord | null => {
  const [first, argument] = tokens as [Token, Token | undefined];
  const called = first.text.toUpperCase();
  if (called === '$INCLUDE' || called === '$GENERATE') {
    const data = tokens.slice(1).map(({ text }) => text);
    return { line: first.line, column: first.column, name: read.origin, ttlS: 0, type: 'other', called, data };
  }
  if (called !== '$ORIGIN' && called !== '$TTL')
    throw new Wrong(first, `"${shown(first.text)}" is no directive; there are $ORIGIN, $TTL, $INCLUDE and $GENERATE`);
  if (argument === undefined || tokens.length > 2)
    throw new Wrong(argument === undefined ? first : tokens[2]!, `${called} takes one value; write one`);
  if (called === '$ORIGIN') read.origin = nameOf(argument, read.origin);
  else {
    const ttlS = secondsOf(argument.text);
    if (ttlS === null) throw new Wrong(argument, `"${shown(argument.text)}" is no time; write seconds, or a number with its unit: 1h`);
    read.defaultTtlS = ttlS;
  }
  return null;
};

const CLASSES = /^(IN|CH|HS|CS)$/i;

/** TTL and class may come in either order, or not at all. */
const takeTtlAndClass = (left: Token[]): number | null => {
  let ttlS: number | null = null;
  let isClassRead = false;
  for (let next = left[0]; next !== undefined && !next.isQuoted; next = left[0]) {
    const seconds: number | null = ttlS === null ? secondsOf(next.text) : null;
    if (seconds !== null) ttlS = seconds;
    else if (!isClassRead && CLASSES.test(next.text)) {
      if (next.text.toUpperCase() !== 'IN') throw new Wrong(next, `class ${next.text.toUpperCase()}, expected IN; leave other classes out`);
      isClassRead = true;
    } else break;
    left.shift();
  }
  return ttlS;
};

const UNIT_S: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };
const TTL_MAX_S = 2 ** 31 - 1;

/** `3600`, `1h`, `1d12h`; null: no time, or one beyond what DNS can say. */
const secondsOf = (text: string): number | null => {
  if (!/^(\d{1,10}|(\d{1,10}[smhdw])+)$/i.test(text)) return null;
  const parts = [...text.matchAll(/(\d+)([smhdw]?)/gi)];
  const seconds = parts.reduce((sum, [, count, unit]) => sum + Number(count) * (UNIT_S[(unit ?? '').toLowerCase()] ?? 1), 0);
  return seconds <= TTL_MAX_S ? seconds : null;
};

const NAME_MAX = 253;

const nameOf = (token: Token, origin: string): string => {
  const { text } = token;
  if (token.isQuoted || text === '') throw new Wrong(token, 'a text in quotes where a name belongs; write it without quotes');
  if (text === '@') return origin;
  const isWhole = text.endsWith('.') && !/(^|[^\\])(\\\\)*\\\.$/.test(text);
  const name = canonicalName(isWhole || origin === '.' ? text : `${text}.${origin}`);
  const labels = name === '.' ? [] : labelsOf(name);
  const bad = labels.find((label) => label.length === 0 || label.length > 63);
  if (bad !== undefined || name.length > NAME_MAX)
    throw new Wrong(token, `"${shown(text)}" is no name: labels have 1 to 63 characters, the whole at most ${NAME_MAX}`);
  return name;
};

/** Each with its escapes counted as the one character they stand for. */
const labelsOf = (name: string): readonly string[] => name.replace(/\\(\d{3}|.)/g, '?').split('.');

// ---- data ----

/** Without the union's distribution TypeScript would forget which data goes with which type. */
type Data<R = ZoneRecord> = R extends ZoneRecord ? Omit<R, keyof Place | 'name' | 'ttlS'> : never;

const dataOf = (called: string, fields: readonly Token[], type: Token, origin: string): Data => {
  const exactly = (count: number, what: string): void => {
    const extra = fields[count];
    if (extra !== undefined) throw new Wrong(extra, `"${shown(extra.text)}" after the end of the record; ${called} takes ${what}`);
    if (fields.length < count) throw new Wrong(type, `${called} takes ${what}; add it`);
  };
  switch (called) {
    case 'A':
    case 'AAAA': {
      exactly(1, 'one address');
      return { type: called, data: addressOf(fields[0]!, called === 'A' ? 4 : 16) };
    }
    case 'CNAME':
    case 'NS':
      exactly(1, 'one name');
      return { type: called, data: nameOf(fields[0]!, origin) };
    case 'TXT':
      if (fields.length === 0) throw new Wrong(type, 'TXT takes one text or more; add it');
      return { type: 'TXT', data: fields.map(textOf) };
    case 'SOA':
      exactly(7, 'two names and five numbers');
      return { type: 'SOA', data: soaOf(fields, origin) };
    default:
      return { type: 'other', called, data: fields.map(({ text }) => text) };
  }
};

const addressOf = (token: Token, bytes: 4 | 16): string => {
  const address = token.isQuoted ? null : addressBytes(token.text);
  if (address?.length === bytes) return addressText(address);
  throw new Wrong(
    token,
    `"${shown(token.text)}" is no ${bytes === 4 ? 'IPv4' : 'IPv6'} address; write one like ${bytes === 4 ? '192.0.2.1' : '2001:db8::1'}`,
  );
};

const TEXT_MAX = 255;

const textOf = (token: Token): string => {
  const text = token.text.replace(/\\(\d{3}|.)/g, (_all, escaped: string) =>
    escaped.length === 3 ? String.fromCharCode(Number(escaped) & 255) : escaped,
  );
  if (Buffer.byteLength(text) > TEXT_MAX)
    throw new Wrong(token, `a text of ${Buffer.byteLength(text)} bytes, at most ${TEXT_MAX}; write it as several`);
  return text;
};

const soaOf = (fields: readonly Token[], origin: string): Soa => {
  const number = (at: number): number => {
    const token = fields[at]!;
    const value = at === 2 ? (/^\d{1,10}$/.test(token.text) ? Number(token.text) : null) : secondsOf(token.text);
    if (value === null || value > 2 ** 32 - 1)
      throw new Wrong(token, `"${shown(token.text)}" is no ${at === 2 ? 'serial number' : 'time'}; write a number`);
    return value;
  };
  return {
    mname: nameOf(fields[0]!, origin),
    rname: nameOf(fields[1]!, origin),
    serial: number(2),
    refreshS: number(3),
    retryS: number(4),
    expireS: number(5),
    minimumS: number(6),
  };
};
