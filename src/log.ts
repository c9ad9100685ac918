// Logs: one JSON line per event on stdout, with the event's name in `event`, so that a rule can filter on it without parsing prose.
// Decides what may leave the process: values under telling names and every registered secret are masked, at any depth, whatever the caller passed in.
// Ignores where lines go afterwards. A reader of stdout that stalls loses lines (counted by nobody); it never stalls the process.
import { pino } from 'pino';
import { errorText, Fault } from './errors.ts';
import type { Clock } from './ports.ts';
import { isoTime } from './ports.ts';

export type Fields = Readonly<Record<string, unknown>>;

export interface Log {
  debug(event: string, fields?: Fields): void;
  info(event: string, fields?: Fields): void;
  warn(event: string, fields?: Fields): void;
  error(event: string, fields?: Fields): void;
  /** A log that adds `fields` to every line. */
  child(fields: Fields): Log;
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

export interface LogOptions {
  level: LogLevel;
  clock: Clock;
  /** Receives whole lines; stdout when absent. */
  destination?: { write(line: string): void };
}

const MASK = '***';
const DEPTH_MAX = 8;
/** Members looked at in one line, in all; the rest is named as cut. */
const MEMBERS_MAX = 2_000;
const TEXT_MAX = 8 * 1024;
const STDOUT_BUFFER_BYTES_MAX = 4 * 1024 * 1024;
/** Shorter texts would mask ordinary words; what reads secrets refuses them. */
const SECRET_CHARS_MIN = 6;
const SECRETS_MAX = 256;

// One set for the whole process: a secret is a secret in every log, error and reply, whoever read it.
const registered = new Set<string>();
/** The longest first: a secret that contains another must not leave its tail behind. */
let secrets: readonly string[] = [];

/** From now on `text` never appears in a log line or masked text, in its plain or its percent-encoded form. Beyond 256 forms the oldest are forgotten. */
export const registerSecret = (text: string): void => {
  const plain = text.trim();
  const forms = [plain, plain.replace(/^whsec_/, ''), encodeURIComponent(plain)].filter((form) => form.length >= SECRET_CHARS_MIN);
  for (const form of forms) registered.add(form);
  for (const oldest of [...registered].slice(0, Math.max(0, registered.size - SECRETS_MAX))) registered.delete(oldest);
  secrets = [...registered].sort((a, b) => b.length - a.length);
};

/** Tokens that are told by their looks: ours (`tg_`, `tgbg.`) and signed ones of others. */
const TOKENS = /\btg_[0-9a-f]{40,}|\btgbg\.[\w-]+(\.[\w-]+)?|\beyJ[\w-]+\.[\w-]+\.[\w-]*/g;

/** `text` without registered secrets, bearer tokens, tokens of known looks, webhook secrets and passwords in URLs. */
export const maskText = (text: string): string => {
  let out = text;
  for (const secret of secrets) if (out.includes(secret)) out = out.replaceAll(secret, MASK);
  return out
    .replace(/\b(bearer|basic)\s+[\w.~+/=-]{6,}/gi, `$1 ${MASK}`)
    .replace(TOKENS, MASK)
    .replace(/whsec_[\w+/=-]+/g, MASK)
    .replace(/(\/\/)[^/\s@:]*:[^/\s@]+@/g, `$1${MASK}@`);
};

/** True iff `text` holds a registered secret, or what by its looks is a credential: words after `basic` or `bearer` may be words. */
export const holdsSecret = (text: string): boolean =>
  secrets.some((secret) => text.includes(secret)) || text.search(TOKENS) >= 0 || /whsec_[\w+/=-]{6,}|\/\/[^/\s@:]*:[^/\s@]+@/.test(text);

// `key` alone is a secret's name; `dedupKey` or `storeKey` is not. A name that ends in File holds a path, which is no secret.
const TELLING = /(authorization|token|secret|password|passphrase|cookie|(api|private|secret|access|routing|signing)key|^key)s?$/;

const isTelling = (name: string): boolean => TELLING.test(name.toLowerCase().replaceAll(/[_-]/g, ''));

/** A copy of `value` that is safe to print: JSON types only, secrets masked, bounded in depth, members and text. Throws nothing. */
export const mask = (value: unknown): unknown => {
  let members = 0;
  const walk = (item: unknown, depth: number): unknown => {
    if (typeof item === 'string') return maskText(item.length > TEXT_MAX ? `${item.slice(0, TEXT_MAX)}…` : item);
    if (typeof item === 'number') return Number.isFinite(item) ? item : String(item);
    if (typeof item === 'bigint') return String(item);
    if (typeof item === 'function' || typeof item === 'symbol') return `[${typeof item}]`;
    if (typeof item !== 'object' || item === null) return item;
    if (depth >= DEPTH_MAX) return '[deeper]';
    if (item instanceof Error) return walk(plainError(item), depth);
    if (item instanceof Uint8Array) return `[${item.length} bytes]`;
    if (item instanceof URL) return maskText(item.href);
    if (Array.isArray(item) || item instanceof Set) return walkList([...item], depth);
    return walkMembers(item instanceof Map ? [...item].map(([key, member]) => [String(key), member]) : Object.entries(item), depth);
  };
  const room = (): boolean => {
    members += 1;
    return members <= MEMBERS_MAX;
  };
  const walkList = (list: readonly unknown[], depth: number): unknown[] => {
    const kept: unknown[] = [];
    for (const item of list) {
      if (!room()) return [...kept, '[cut]'];
      kept.push(walk(item, depth + 1));
    }
    return kept;
  };
  const walkMembers = (entries: readonly (readonly [string, unknown])[], depth: number): unknown => {
    const kept: [string, unknown][] = [];
    for (const [name, member] of entries) {
      if (!room()) return Object.fromEntries([...kept, ['cut', true]]);
      kept.push([maskText(name), isTelling(name) && member !== null && member !== undefined ? MASK : walk(member, depth + 1)]);
    }
    return Object.fromEntries(kept);
  };
  try {
    return walk(value, 0);
  } catch (error) {
    return `[unreadable: ${maskText(errorText(error))}]`;
  }
};

/** A Fault is the world's doing and needs no stack; anything else may be ours. */
const plainError = (error: Error): Fields => ({
  name: error.name,
  message: error.message,
  ...('code' in error ? { code: error.code } : {}),
  ...(error instanceof Fault ? {} : { stack: error.stack }),
  ...(error.cause === undefined ? {} : { cause: error.cause }),
});

/** The names that every line has already; a field of the same name would make the JSON ambiguous. */
const RESERVED = new Set(['event', 'level', 'time']);

const line = (event: string, fields: Fields): Fields => {
  const masked = mask(fields);
  const entries = typeof masked === 'object' && masked !== null ? Object.entries(masked) : [['fields', masked] as const];
  return Object.fromEntries([['event', event], ...entries.map(([name, value]) => [RESERVED.has(name) ? `${name}_` : name, value])]);
};

/** A log for this process. Lines carry `level`, `time` (wall clock of `clock`, ISO 8601), `event`, then the fields. */
export const createLog = (options: LogOptions): Log => {
  const logger = pino(
    {
      level: options.level,
      base: null,
      timestamp: () => `,"time":"${isoTime(options.clock.wallMs())}"`,
      formatters: { level: (level) => ({ level }) },
    },
    options.destination ?? pino.destination({ dest: 1, sync: false, maxLength: STDOUT_BUFFER_BYTES_MAX }),
  );
  const withFields = (fixed: Fields): Log => {
    // Fixed fields are masked with every line, so that a secret registered later is masked in them too.
    const at =
      (level: 'debug' | 'info' | 'warn' | 'error') =>
      (event: string, fields: Fields = {}): void => {
        if (logger.isLevelEnabled(level)) logger[level](line(event, { ...fixed, ...fields }));
      };
    return {
      debug: at('debug'),
      info: at('info'),
      warn: at('warn'),
      error: at('error'),
      child: (fields) => withFields({ ...fixed, ...fields }),
    };
  };
  return withFields({});
};
