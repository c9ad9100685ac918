// The stream of events (SSE) as lines come in: parsed, and continued at the next endpoint from the last id that was seen.
import { errorText, Fault } from '../errors.ts';
import { type Ports, sleep } from '../ports.ts';
import type { Exchange } from './exchange.ts';

export interface StreamEvent {
  id: string | null;
  type: string;
  data: string;
}

const LINE_CHARS_MAX = 1024 * 1024;

export interface EventParser {
  /** Events that this piece of text completes. Throws on a line longer than any event of ours. */
  push(text: string): readonly StreamEvent[];
}

/** The grammar of the WHATWG's event streams, without `retry`. */
export const eventParser = (): EventParser => {
  let rest = '';
  let type = '';
  let data: string[] = [];
  let id: string | null = null;
  const take = (line: string): readonly StreamEvent[] => {
    if (line === '') {
      const done = data.length === 0 ? [] : [{ id, type: type === '' ? 'message' : type, data: data.join('\n') }];
      [type, data] = ['', []];
      return done;
    }
    const at = line.indexOf(':');
    const [field, value] = at < 0 ? [line, ''] : [line.slice(0, at), line.slice(at + 1).replace(/^ /, '')];
    if (field === 'event') type = value;
    if (field === 'data') data.push(value);
    if (field === 'id' && !value.includes('\0')) id = value;
    return [];
  };
  return {
    push(text) {
      rest += text;
      const events: StreamEvent[] = [];
      for (;;) {
        // A lone CR at the end may be half of a CRLF.
        const end = /\r\n|\n|\r(?!$)/.exec(rest);
        if (end === null) break;
        events.push(...take(rest.slice(0, end.index)));
        rest = rest.slice(end.index + end[0].length);
      }
      if (rest.length > LINE_CHARS_MAX)
        throw new Fault('ERR_BAD_REQUEST', `a line of the stream is longer than ${LINE_CHARS_MAX} characters`);
      return events;
    },
  };
};

/** Longer than two heartbeats: a stream that is silent for so long is dead. */
const SILENCE_MS = 40_000;
const PAUSE_MS = 1_000;
const PAUSE_MAX_MS = 15_000;

export interface Following {
  exchange: Exchange;
  ports: Ports;
  path: string;
  sinceId: string | null;
  signal: AbortSignal;
  note: (text: string) => void;
  onEvent: (event: StreamEvent) => void;
  silenceMs?: number;
  pauseMs?: number;
}

/** Reads one stream to its end. Resolves true if anything came. */
const readOne = async (following: Following, lastId: string | null, seen: (event: StreamEvent) => void): Promise<boolean> => {
  const { exchange, ports, path, signal, silenceMs = SILENCE_MS } = following;
  const headers = { accept: 'text/event-stream', ...(lastId === null ? {} : { 'last-event-id': lastId }) };
  const whole = new AbortController();
  const onAbort = (): void => whole.abort(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    const { reply, endpoint } = await exchange.open(path, headers, whole.signal);
    const parser = eventParser();
    const decoder = new TextDecoder();
    let any = false;
    const reader = reply.body?.getReader();
    while (reader !== undefined) {
      const timer = ports.timers.after(silenceMs, () => whole.abort(new Error(`${endpoint} has been silent for ${silenceMs / 1000} s`)));
      const { done, value } = await reader.read().finally(() => timer.cancel());
      if (done) break;
      any = true;
      for (const event of parser.push(decoder.decode(value, { stream: true }))) seen(event);
    }
    return any;
  } finally {
    signal.removeEventListener('abort', onAbort);
    whole.abort();
  }
};

/** Goes on until `signal`. An event that is repeated after a change of endpoints is told once. Throws Fault for what no other endpoint would answer better. */
export const followEvents = async (following: Following): Promise<void> => {
  const { exchange, ports, signal, note, onEvent, pauseMs = PAUSE_MS } = following;
  let last = following.sinceId;
  let waitMs = pauseMs;
  const seen = (event: StreamEvent): void => {
    if (event.id !== null && event.id === last) return;
    last = event.id ?? last;
    onEvent(event);
  };
  while (!signal.aborted) {
    try {
      if (await readOne(following, last, seen)) waitMs = pauseMs;
      note(`${exchange.endpoint()} ended the stream; going on at the next\n`);
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Fault && error.code !== 'ERR_UNREACHABLE') throw error;
      note(`${errorText(error)}; trying again\n`);
    }
    exchange.moveOn();
    await sleep(ports.timers, waitMs, signal).catch(() => undefined);
    waitMs = Math.min(PAUSE_MAX_MS, waitMs * 2);
  }
};
