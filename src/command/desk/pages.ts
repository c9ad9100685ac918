// The commands about pages: who was told and who never will be, another life for a dead letter, and a human's word that the alert is theirs.
import type { PageItem, PageList } from '../../client/types.ts';
import { ERRORS, Fault } from '../../errors.ts';
import { userName } from '../apply.ts';
import { oneLine } from '../providers.ts';
import { wholeOf } from './look.ts';
import { demandConsent, isWanted, reasonOf } from './orders.ts';
import { type Console, type LookOptions, type Session, withSession } from './session.ts';
import type { Screen } from './status-text.ts';
import { bad, type CellText, good, jsonLine, safe, span, table, warn, wrap } from './text.ts';

export interface PagesOptions extends LookOptions {
  state?: string;
  limit?: string;
}

export interface ReplayOptions extends LookOptions {
  reason: string;
  owner?: string;
  channel?: readonly string[];
  yes?: boolean;
  dryRun?: boolean;
}

export interface AckPageOptions extends LookOptions {
  reason?: string;
  owner?: string;
}

/** As many as the API gives at once. */
const PAGES_MAX = 500;
const INDENT = '  ';

const MARKS: Readonly<Record<PageItem['state'], CellText>> = { waiting: warn('waiting'), dead: bad('dead'), told: good('told') };

/** `ana; log, mail`: a human first. */
const whoHas = ({ acknowledged, delivered }: PageItem): string =>
  [...(acknowledged === null ? [] : [acknowledged.by]), ...(delivered.length === 0 ? [] : [delivered.join(', ')])].join('; ') || 'nobody';

const tries = (n: number): string => `${n} ${n === 1 ? 'try' : 'tries'}`;
const whyDead = ({ dead }: PageItem): string =>
  Object.entries(dead)
    .map(([name, letter]) => `${name}: ${letter.because} (${tries(letter.tries)})`)
    .join('; ');

/** A line of the table for each, and below it what has to be whole: the id, which other commands take, and why somebody never had it. */
const pageLines = ({ items, total, clusterTimeMs }: PageList, isUsual: boolean, screen: Screen): readonly string[] => {
  if (items.length === 0) return [isUsual ? 'no page waits, and none is dead' : 'no pages'];
  const rows = items.map((item): readonly CellText[] => [
    MARKS[item.state],
    item.severity,
    span(clusterTimeMs - item.atMs),
    whoHas(item),
    item.headline,
  ]);
  const [head = '', ...lines] = table(['STATE', 'SEVERITY', 'AGE', 'WHO HAS IT', 'PAGE'], rows, screen);
  const below = (item: PageItem): readonly string[] => [
    item.id,
    ...(item.state === 'dead' ? wrap(`never reached ${whyDead(item)}`, screen.columns - INDENT.length) : []),
  ];
  const left = total - items.length;
  return [
    head,
    ...items.flatMap((item, n) => [lines[n] ?? '', ...below(item).map((line) => `${INDENT}${line}`)]),
    ...(left === 0 ? [] : [`and ${left} more; --limit ${Math.min(PAGES_MAX, total)}`]),
  ];
};

export const pages = async (options: PagesOptions, console: Console): Promise<number> => {
  const limit = options.limit === undefined ? 100 : wholeOf('--limit', options.limit, PAGES_MAX);
  const state = options.state ?? null;
  return withSession(options, console, async (session) => {
    const found = await session.during(
      () => 'asking',
      () => session.api.pages(state, limit),
    );
    session.show(found, (shown, screen) => pageLines(shown, state === null, screen));
    return 0;
  });
};

/** Dead ones may be older than all that the list has room for. */
const pageNamed = async ({ api }: Session, id: string): Promise<PageItem> => {
  for (const state of ['all', 'dead']) {
    const found = (await api.pages(state, PAGES_MAX)).items.find((item) => item.id === id);
    if (found !== undefined) return found;
  }
  throw new Fault('ERR_NOT_FOUND', `no page is called "${id}"; tidegate pages --state all lists them`);
};

const wordsOf = (page: PageItem, channels: readonly string[]): readonly string[] => {
  const because = (name: string): string =>
    page.dead[name] === undefined ? (page.delivered.includes(name) ? ' (it took it)' : '') : ` (${page.dead[name].because})`;
  return [
    `again through ${channels.map((name) => `${name}${because(name)}`).join(', ')}: ${page.headline}`,
    ...(page.action === 'trigger' && page.thread === 'resolved' ? ['! its alert is over: the end goes again behind it'] : []),
  ];
};

/** Exit codes: 0; 2 without a yes, and nothing was written; 4 when there is nothing to send again. */
export const replay = async (id: string, options: ReplayOptions, console: Console): Promise<number> => {
  demandConsent(options, console);
  const reason = reasonOf(options.reason);
  const owner = options.owner === undefined ? userName() : oneLine('--owner', options.owner);
  return withSession(options, console, async (session) => {
    const page = await session.during(
      () => 'asking',
      () => pageNamed(session, id),
    );
    const channels = options.channel ?? Object.keys(page.dead);
    if (channels.length === 0)
      throw new Fault('ERR_CONFLICT', `no channel has refused ${id} for good; name those that it shall go through again with --channel`);
    const words = wordsOf(page, channels).flatMap((line) => wrap(safe(line), console.screen().columns));
    if (options.dryRun === true) {
      console.out(session.json ? jsonLine({ outcome: 'planned', page, channels }) : `${words.join('\n')}\n`);
      return 0;
    }
    if (!session.json) session.note(words);
    if (options.yes !== true && !(await isWanted(console, `Send ${safe(id)} again?`, null))) {
      session.note('nothing was written\n');
      return ERRORS.ERR_USAGE.exit;
    }
    const done = await session.during(
      () => 'giving it another life',
      () => session.api.replayPage(id, { reason, owner, ...(options.channel === undefined ? {} : { channels: [...options.channel] }) }),
    );
    const end = done.end === null ? '' : `; ${done.end} follows it`;
    if (session.json) console.out(jsonLine({ outcome: 'replayed', ...done }));
    else console.out(`${safe(`${id} goes again through ${done.channels.join(', ')}${end}; tidegate pages shows how it fares`)}\n`);
    return 0;
  });
};

/** Nothing moves and nobody is told, so nothing is asked. */
export const acknowledge = async (id: string, options: AckPageOptions, console: Console): Promise<number> => {
  const owner = options.owner === undefined ? userName() : oneLine('--owner', options.owner);
  const reason = options.reason === undefined ? {} : { reason: oneLine('--reason', options.reason) };
  return withSession(options, console, async (session) => {
    const done = await session.during(
      () => 'telling',
      () => session.api.acknowledgePage(id, { ...reason, owner }),
    );
    const isNew = done.pages.length > 0;
    if (session.json) console.out(jsonLine({ outcome: isNew ? 'acknowledged' : 'already', ...done }));
    else {
      const said = isNew ? `${done.by} has ${done.dedupKey}: nobody else is woken for it` : `${done.by} has ${done.dedupKey} already`;
      console.out(`${safe(said)}\n`);
    }
    return 0;
  });
};
