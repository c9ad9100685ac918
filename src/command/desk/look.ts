// The commands that only look: status, explain, why, matrix, simulate, events, the list of orders. Each answers from whichever endpoint answers first.
import { followEvents, type StreamEvent } from '../../client/events.ts';
import type { Hypothesis, Order, StatusDocument } from '../../client/types.ts';
import { parseDuration } from '../../config/fields.ts';
import { ERRORS, Fault } from '../../errors.ts';
import { OVERRIDE_KINDS } from '../../model.ts';
import { isoTime, sleep } from '../../ports.ts';
import { dossierLines } from './dossier-text.ts';
import { explainLines } from './explain-text.ts';
import { findingsOf, scopeText } from './findings.ts';
import { decisionLines, forecastLines, matrixLines } from './forecast-text.ts';
import { type Console, type LookOptions, type Session, withSession } from './session.ts';
import { type Screen, statusLines, untilText } from './status-text.ts';
import { subjectNamed } from './subject.ts';
import { clean, jsonLine, safe, span, table } from './text.ts';

export interface StatusOptions extends LookOptions {
  watch?: boolean;
  every?: string;
  check?: boolean;
}

const EVERY_MS = 2_000;
const EVERY_MIN_MS = 500;

export const durationOf = (option: string, text: string | undefined, otherwiseMs: number): number => {
  if (text === undefined) return otherwiseMs;
  const ms = parseDuration(text);
  if (ms === null) throw new Fault('ERR_USAGE', `${option} ${text}: expected a duration such as 500ms, 30s, 10m or 4h`);
  return ms;
};

const exitOf = (status: StatusDocument): number =>
  findingsOf(status).some(({ level }) => level === 'bad') ? ERRORS.ERR_UNHEALTHY.exit : 0;

const watch = async (session: Session, everyMs: number): Promise<number> => {
  const { console, api, json } = session;
  const begin = (): string => (console.live && !json ? '\u001b[H\u001b[2J' : '');
  for (;;) {
    try {
      const status = await api.status();
      if (json) console.out(jsonLine(status));
      else console.out(`${begin()}${statusLines(clean(status), console.screen()).join('\n')}\n`);
    } catch (error) {
      // A watch outlives what it watches.
      if (!(error instanceof Fault)) throw error;
      session.note(`${error.message}\n`);
    }
    await sleep(console.ports.timers, everyMs);
  }
};

/** Exit code with `--check`: 0 nothing is wrong, 3 something is. */
export const status = async (options: StatusOptions, console: Console): Promise<number> => {
  const everyMs = Math.max(EVERY_MIN_MS, durationOf('--every', options.every, EVERY_MS));
  return withSession(options, console, async (session) => {
    if (options.watch === true) return watch(session, everyMs);
    const document = await session.during(() => 'asking', session.api.status);
    session.show(document, statusLines);
    return options.check === true ? exitOf(document) : 0;
  });
};

export const explain = (name: string, options: LookOptions, console: Console): Promise<number> =>
  withSession(options, console, async (session) => {
    const document = await session.during(() => 'asking', session.api.status);
    const subject = subjectNamed(document, name);
    if (session.json) {
      const { kind, scope, pools } = subject;
      const matrix = Object.fromEntries(pools.flatMap(({ pool }) => pool.targets.map(({ id }) => [id, document.votes.matrix[id] ?? {}])));
      console.out(
        jsonLine({
          kind,
          name: subject.name,
          scope,
          pools: pools.map(({ service, pool }) => ({ service: service.name, ...pool })),
          matrix,
        }),
      );
      return 0;
    }
    // Of the clean document, so that the subject's own texts are clean too.
    const shown = clean(document);
    console.out(`${explainLines(shown, subjectNamed(shown, safe(subject.name)), console.screen()).join('\n')}\n`);
    return 0;
  });

export interface WhyOptions extends LookOptions {
  list?: boolean;
  limit?: string;
}

export const wholeOf = (what: string, text: string, most: number): number => {
  const n = Number(text.replace(/^v/, ''));
  const range = most === Number.MAX_SAFE_INTEGER ? '' : ` to ${most}`;
  if (!/^v?\d+$/.test(text) || n < 1 || n > most) throw new Fault('ERR_USAGE', `${what} ${text}: expected a whole number from 1${range}`);
  return n;
};

/** As many as the API gives at once. */
const DECISIONS_MAX = 100;

export const why = async (v: string | undefined, options: WhyOptions, console: Console): Promise<number> => {
  const wanted = v === undefined ? null : wholeOf('decision', v, Number.MAX_SAFE_INTEGER);
  const limit = options.limit === undefined ? 20 : wholeOf('--limit', options.limit, DECISIONS_MAX);
  return withSession(options, console, async (session) => {
    const { api } = session;
    if (options.list === true) {
      session.show(
        await session.during(
          () => 'asking',
          () => api.decisions(limit),
        ),
        ({ items }, screen) => decisionLines(items, screen),
      );
      return 0;
    }
    const last = async (): Promise<number> => {
      const { decision } = await api.status();
      if (decision === null) throw new Fault('ERR_NOT_FOUND', 'nothing has been decided yet');
      return decision.v;
    };
    session.show(
      await session.during(
        () => 'asking',
        async () => api.decision(wanted ?? (await last())),
      ),
      dossierLines,
    );
    return 0;
  });
};

export const matrix = (options: LookOptions, console: Console): Promise<number> =>
  withSession(options, console, async (session) => {
    session.show(await session.during(() => 'asking what would happen for each region', session.api.matrix), matrixLines);
    return 0;
  });

export interface SimulateOptions extends LookOptions {
  regionDown?: readonly string[];
  poolDown?: readonly string[];
  vantageCut?: readonly string[];
  override?: readonly string[];
  overrideGone?: readonly string[];
  horizon?: string;
}

/** `drain:eu-west`, `freeze:www.example.com`, `drain:www.example.com/eu-west`. */
const orderIn = (document: StatusDocument, text: string, n: number): Hypothesis => {
  const at = text.indexOf(':');
  const kind = OVERRIDE_KINDS.find((each) => each === text.slice(0, at));
  if (kind === undefined || kind === 'pin')
    throw new Fault(
      'ERR_USAGE',
      `--override ${text}: expected KIND:NAME, e.g. drain:eu-west; kinds: ${OVERRIDE_KINDS.filter((each) => each !== 'pin').join(', ')}`,
    );
  const { scope } = subjectNamed(document, text.slice(at + 1));
  const createdAtMs = document.clusterTimeMs;
  const override = {
    id: `supposed-${n}`,
    kind,
    scope,
    reason: 'supposed',
    owner: 'simulate',
    createdAtMs,
    expiresAtMs: createdAtMs + 4 * 3_600_000,
  };
  return { kind: 'override', override };
};

const hypothesesOf = (document: StatusDocument, options: SimulateOptions): readonly Hypothesis[] => [
  ...(options.regionDown ?? []).map((name): Hypothesis => ({ kind: 'region-down', region: subjectNamed(document, name, ['region']).name })),
  ...(options.poolDown ?? []).map((name): Hypothesis => {
    const { service = '', pool = '' } = subjectNamed(document, name, ['pool']).scope;
    return { kind: 'pool-down', service, pool };
  }),
  ...(options.vantageCut ?? []).map((name): Hypothesis => ({ kind: 'vantage-cut', region: subjectNamed(document, name, ['region']).name })),
  ...(options.override ?? []).map((text, n) => orderIn(document, text, n)),
  ...(options.overrideGone ?? []).map((id): Hypothesis => ({ kind: 'override-gone', id })),
];

export const simulate = async (options: SimulateOptions, console: Console): Promise<number> => {
  const horizonMs = options.horizon === undefined ? undefined : durationOf('--horizon', options.horizon, 0);
  return withSession(options, console, async (session) => {
    const { api } = session;
    const document = await api.status();
    const hypotheses = hypothesesOf(document, options);
    if (hypotheses.length === 0)
      throw new Fault('ERR_USAGE', 'nothing to suppose: add --region-down, --pool-down, --vantage-cut, --override or --override-gone');
    const forecast = await session.during(
      () => 'asking what would happen',
      () => api.simulate(hypotheses, horizonMs),
    );
    if (forecast === null) throw new Fault('ERR_NOT_FOUND', 'this endpoint is older than forecasts');
    session.show(forecast, (shown, screen) => forecastLines(shown, document.clusterTimeMs, screen));
    return 0;
  });
};

const orderRows = (items: readonly Order[], nowMs: number): readonly (readonly string[])[] =>
  items.map((o) => [
    o.id,
    `${o.kind} ${scopeText(o.scope)}`,
    o.approval?.by === null
      ? 'awaits approval'
      : (o.startsAtMs ?? 0) > nowMs
        ? `from ${untilText(o.startsAtMs ?? 0, nowMs)}`
        : o.active
          ? `${untilText(o.expiresAtMs, nowMs)} (${span(o.leftMs)})`
          : 'over',
    o.by ?? o.owner,
    `${o.reason}${o.ticket === undefined ? '' : ` [${o.ticket}]`}`,
  ]);

export const overrideList = (options: LookOptions, console: Console): Promise<number> =>
  withSession(options, console, async (session) => {
    const { overrides, clusterTimeMs } = await session.during(() => 'asking', session.api.status);
    const list = (shown: typeof overrides, screen: Screen): readonly string[] =>
      shown.items.length === 0
        ? ['no orders']
        : table(['OVERRIDE', 'WHAT', 'UNTIL', 'BY', 'REASON'], orderRows(shown.items, clusterTimeMs), { ...screen, wraps: true });
    session.show(overrides, list);
    return 0;
  });

export const orderNamed = (items: readonly Order[], id: string): Order => {
  const found = items.find((item) => item.id === id);
  if (found === undefined)
    throw new Fault(
      'ERR_NOT_FOUND',
      `no order is called "${id}"; there are: ${
        items
          .map((item) => item.id)
          .slice(0, 10)
          .join(', ') || 'none'
      }`,
    );
  return found;
};

const told = (o: Order): readonly (readonly string[])[] => [
  ['what', `${o.kind} ${scopeText(o.scope)}`],
  ['reason', o.reason],
  ['by', o.by === undefined || o.by === o.owner ? o.owner : `${o.owner} (as ${o.by})`],
  ...(o.ticket === undefined ? [] : [['ticket', o.ticket]]),
  ['ordered', isoTime(o.createdAtMs)],
  ...(o.startsAtMs === undefined ? [] : [['starts', isoTime(o.startsAtMs)]]),
  ['ends', `${isoTime(o.expiresAtMs)} (${o.active ? `${span(o.leftMs)} left` : 'over'})`],
  ...(o.weights === undefined
    ? []
    : [
        [
          'weights',
          Object.entries(o.weights)
            .map(([pool, share]) => `${pool} ${share / 10}%`)
            .join(', '),
        ],
      ]),
  ...(o.approval === undefined
    ? []
    : [['approval', o.approval.by === null ? `missing: tidegate override approve ${o.id}` : `by ${o.approval.by}`]]),
  ...(o.breakGlass === true ? [['break-glass', 'yes: passes safety rules']] : []),
  ...(o.drill === true ? [['drill', 'yes']] : []),
];

export const overrideShow = (id: string, options: LookOptions, console: Console): Promise<number> =>
  withSession(options, console, async (session) => {
    const { overrides } = await session.during(() => 'asking', session.api.status);
    session.show(orderNamed(overrides.items, id), (order, screen) =>
      table(['OVERRIDE', order.id], told(order), { ...screen, wraps: true }),
    );
    return 0;
  });

export interface EventsOptions extends LookOptions {
  sinceId?: string;
  types?: string;
}

type Words = Readonly<Record<string, unknown>>;
const isWords = (value: unknown): value is Words => typeof value === 'object' && value !== null && !Array.isArray(value);

/** What an event says, in words: whom it is about, what became of what, why; else all of it. */
const wordsOf = (data: Words): string => {
  const text = (name: string): string => (['string', 'number'].includes(typeof data[name]) ? String(data[name]) : '');
  const about =
    text('target') ||
    [text('service'), text('pool')].filter((part) => part !== '').join('/') ||
    text('incident') ||
    [text('run'), text('step')].filter((part) => part !== '').join(' ');
  const became = text('before') === '' ? text('state') : `${text('before')} -> ${text('after')}`;
  const step = text('stage') === '' ? '' : `${text('stage')} after ${text('tookMs')} ms`;
  const why = text('because') || text('summary');
  const by = text('by') === '' ? '' : `by ${text('by')}`;
  const said = [about, became, step, by].filter((part) => part !== '').join(' ');
  if (why !== '') return said === '' ? why : `${said}: ${why}`;
  return became !== '' || step !== '' ? said : JSON.stringify(data);
};

/** `03:12:44Z  v42.j7  decision.made  by us-east/a: eu-west down: ...`: the id is what --since-id takes. */
const eventLine = ({ id, type, data }: StreamEvent, { columns }: Screen): string => {
  let content: Words = {};
  try {
    const parsed: unknown = JSON.parse(data);
    if (isWords(parsed)) content = parsed;
  } catch {
    content = { data };
  }
  const at = typeof content.timestamp === 'string' ? content.timestamp.slice(11, 19) : '--:--:--';
  const text = `${at}Z  ${id ?? '-'}  ${type}  ${wordsOf(isWords(content.data) ? content.data : content)}`;
  return safe(text.length > columns * 3 ? `${text.slice(0, columns * 3)}…` : text);
};

/** Until ^C. `--json`: one object a line. */
export const events = async (options: EventsOptions, console: Console): Promise<number> => {
  if (options.sinceId !== undefined && !/^v\d{1,10}\.j\d{1,10}$/.test(options.sinceId))
    throw new Fault('ERR_USAGE', `--since-id ${options.sinceId}: expected an id as an event has it, e.g. v42.j7; v0.j0: all that is kept`);
  return withSession(options, console, async (session) => {
    const types = (options.types ?? '')
      .split(',')
      .map((each) => each.trim())
      .filter((each) => each !== '');
    const asked = types.length === 0 ? '' : `?types=${encodeURIComponent(types.join(','))}`;
    const wanted = ({ type, data }: StreamEvent): boolean =>
      types.length === 0 || types.some((each) => type === each || type.startsWith(`${each}.`) || data.includes(`"type":"${each}"`));
    const line = (event: StreamEvent): string => {
      if (!session.json) return `${eventLine(event, console.screen())}\n`;
      let data: unknown = event.data;
      try {
        data = JSON.parse(event.data);
      } catch {
        // Told as the text that it is.
      }
      return jsonLine({ id: event.id, type: event.type, data });
    };
    await followEvents({
      exchange: session.exchange,
      ports: console.ports,
      path: `/v1/events${asked}`,
      sinceId: options.sinceId ?? null,
      signal: new AbortController().signal,
      note: (text) => session.note(`note: ${text}`),
      onEvent: (event) => void (wanted(event) && console.out(line(event))),
    });
    return 0;
  });
};
