// One command's way to the API: connected by its options, closed at its end; who answered instead of the first endpoint, and how long it takes, go to stderr.
import { readFileSync } from 'node:fs';
import { type Api, createApi } from '../../client/api.ts';
import { createExchange, type Exchange } from '../../client/exchange.ts';
import { type ConnectOptions, readSettings } from '../../client/settings.ts';
import { serversOf } from '../../dns/resolv-conf.ts';
import { createResolver } from '../../dns/resolver.ts';
import { createHttp } from '../../http.ts';
import type { Ports } from '../../ports.ts';
import type { Screen } from './status-text.ts';
import { clean, jsonLine, safeLines } from './text.ts';

export interface Console {
  ports: Ports;
  version: string;
  env: Readonly<Record<string, string | undefined>>;
  out(text: string): void;
  err(text: string): void;
  /** Asks the human for a line; null: there is no terminal to ask at. */
  ask: ((question: string) => Promise<string>) | null;
  /** What stdout is. */
  screen(): Screen;
  /** stderr is a terminal: a line of it may be written over. */
  live: boolean;
  /** What to say when the human ends it by ^C; the process then ends with 130. Returns how to take that back. */
  onInterrupt(say: () => string): () => void;
  /** SIGINT, SIGTERM and SIGHUP are told to `stop` instead of ending the process, and a reader that went away ends nothing. Returns how to take that back. */
  onStop(stop: (signal: string) => void): () => void;
}

export interface LookOptions extends ConnectOptions {
  json?: boolean;
}

export interface Session {
  api: Api;
  exchange: Exchange;
  /** Every endpoint by itself: nobody answers for another one. */
  each: readonly { endpoint: string; api: Api }[];
  console: Console;
  json: boolean;
  /** One object on stdout, or what it looks like to a human: never a character of somebody else's that moves the cursor. */
  show<T>(document: T, render: (document: T, screen: Screen) => readonly string[]): void;
  /** For the human, on stderr. */
  note(lines: readonly string[] | string): void;
  /** Work that may take longer than a second says so. `now` is asked for what it waits for. */
  during<T>(now: () => string, work: () => Promise<T>): Promise<T>;
}

const readQuietly = (path: string): string => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
};

/** Longest wait for one endpoint that is asked by itself. */
const ALONE_MS = 2_000;
const LIVE_EVERY_MS = 1_000;
const LINE_EVERY_MS = 10_000;

/** On a terminal one line that is written over; elsewhere a line every ten seconds. */
const during = async <T>({ ports, err, live }: Console, now: () => string, work: () => Promise<T>): Promise<T> => {
  const startMs = ports.clock.monoMs();
  const everyMs = live ? LIVE_EVERY_MS : LINE_EVERY_MS;
  let shown = false;
  const tell = (): void => {
    const text = `${safeLines(now()).replaceAll('\n', ' ').slice(0, 70)} (${Math.round((ports.clock.monoMs() - startMs) / 1000)}s)`;
    err(live ? `\r\u001b[K${text}` : `${text}\n`);
    shown = live;
    timer = ports.timers.after(everyMs, tell, { background: true });
  };
  let timer = ports.timers.after(everyMs, tell, { background: true });
  try {
    return await work();
  } finally {
    timer.cancel();
    if (shown) err('\r\u001b[K');
  }
};

/** Runs `work` with a session; the connections are closed whatever happens. */
export const withSession = async <T>(options: LookOptions, console: Console, work: (session: Session) => Promise<T>): Promise<T> => {
  const { ports } = console;
  const settings = await readSettings(options, console.env);
  const resolver = createResolver({ ports, servers: serversOf(readQuietly('/etc/resolv.conf')) });
  const { caPem, own } = settings;
  const http = createHttp({
    ports,
    resolve: (host, signal) => resolver.resolve(host, signal),
    ...(caPem === undefined ? {} : { caPem }),
    ...(own === undefined ? {} : { own }),
  });
  const note = (lines: readonly string[] | string): void =>
    console.err(typeof lines === 'string' ? safeLines(lines) : lines.map((line) => `${line}\n`).join(''));
  const exchange = createExchange({ settings, http, ports, version: console.version, note: (text) => note(`note: ${text}`) });
  const alone = (endpoint: string): Api =>
    createApi(
      createExchange({
        settings: { ...settings, endpoints: [endpoint] },
        http,
        ports,
        version: console.version,
        note: () => undefined,
        lastTryMs: ALONE_MS,
      }),
    );
  const json = options.json === true;
  const session: Session = {
    api: createApi(exchange),
    exchange,
    each: settings.endpoints.map((endpoint) => ({ endpoint, api: alone(endpoint) })),
    console,
    json,
    show(document, render) {
      if (json) console.out(jsonLine(document));
      else console.out(`${render(clean(document), console.screen()).join('\n')}\n`);
    },
    note,
    during: (now, task) => during(console, now, task),
  };
  try {
    return await work(session);
  } finally {
    resolver.close();
    await http.close();
  }
};
