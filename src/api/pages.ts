// Pages of the outbox: read, given another life where a channel would not take one, acknowledged. Each act and its entry in the journal are ONE transaction,
// guarded on the pages as they were read; the outbox of whoever coordinates hears of it by its watch and sends, or climbs no further.
import { appendOps, type Draft, headOf, JOURNAL_KEYS } from '../audit/journal.ts';
import { type Used, usedKey, usedOps } from '../auth/once.ts';
import { KEYS, outboxKey } from '../coordinate/keys.ts';
import { Fault } from '../errors.ts';
import type { Page } from '../model.ts';
import { aboutAlone, aboutOf } from '../paging/about.ts';
import { actionOf, isOvertaken, type Thread, threadsOf } from '../paging/incidents.ts';
import { ACKNOWLEDGED } from '../paging/page-types.ts';
import { byAge, EVERYBODY, isPage, isSettled } from '../paging/retention.ts';
import type { Ports } from '../ports.ts';
import type { Op, Store } from '../store/store.ts';
import type { Principal } from './access.ts';
import { createLedger, type Records, type Step } from './ledger.ts';
import { type AcknowledgeInput, channelProblems, type PageNamed, type ReplayInput } from './page-input.ts';
import { reached } from './page-list.ts';
import { BodyFault } from './problem.ts';

export interface Replayed {
  page: Page;
  thread: Thread['state'];
  channels: readonly string[];
  /** The end of its alert, which goes again behind it: nobody is left with an alert that never ends. */
  end: string | null;
}

export interface Acknowledged {
  dedupKey: string;
  by: string;
  atMs: number;
  /** Ids of the pages that were marked just now; none: somebody had them already. */
  pages: readonly string[];
}

export interface PageWriter {
  /** Oldest first. */
  listPages(): Promise<readonly Page[]>;
  /** Throws ERR_NOT_FOUND; ERR_CONFLICT when no channel is named and none has refused it; ERR_FORBIDDEN. */
  replay(id: string, input: ReplayInput, principal: Principal): Promise<Replayed>;
  /** All pages that ask for somebody under the key of what is named. Throws ERR_NOT_FOUND, ERR_CONFLICT when it is over, ERR_FORBIDDEN. */
  acknowledge(named: PageNamed, input: AcknowledgeInput, principal: Principal): Promise<Acknowledged>;
  /** Whether the credential, or the message, has acted. */
  hasActed(once: NonNullable<Principal['once']>): Promise<boolean>;
  /** The message was answered and is worth nothing from now on, although it did nothing: sent again later it would mean something else. */
  spend(once: NonNullable<Principal['once']>, by: string): Promise<void>;
}

export interface PageWriterOptions {
  store: Store;
  ports: Pick<Ports, 'clock' | 'timers' | 'random'>;
  clusterNowMs: () => number;
  /** Names of this replica's channels. */
  channels: readonly string[];
}

/** Marked by one acknowledgement: a transaction is bounded, and only the newest can still climb. */
const MARKED_MAX = 50;

const notFound = (text: string): Fault =>
  new Fault('ERR_NOT_FOUND', `no page is called "${text.slice(0, 120)}"; GET /v1/pages?state=all lists them`);

/** The pages with the key of what is named, oldest first. Throws ERR_NOT_FOUND. */
const threadNamed = (pages: readonly Page[], named: PageNamed): readonly Page[] => {
  const key = 'id' in named ? pages.find(({ id }) => id === named.id)?.dedupKey : named.dedupKey;
  const found = pages.filter(({ dedupKey }) => dedupKey === key);
  if (found.length === 0) throw notFound('id' in named ? named.id : named.dedupKey);
  return found;
};

/** The page with this id, or the newest with this key. Throws ERR_NOT_FOUND. */
export const pageNamed = (pages: readonly Page[], named: PageNamed): Page => {
  const page = threadNamed(pages, named).findLast((each) => !('id' in named) || each.id === named.id);
  if (page === undefined) throw notFound('id' in named ? named.id : named.dedupKey);
  return page;
};

/** Throws ERR_FORBIDDEN unless all services that the page is about are the principal's own. */
const demandPage = ({ name, services }: Principal, page: Page): void => {
  if (services === null) return;
  const about = aboutOf(page).services;
  if (about.length > 0 && about.every((service) => services.includes(service))) return;
  throw new Fault(
    'ERR_FORBIDDEN',
    `${name} may act on ${services.join(', ') || 'no service'}; ${page.id} is about ${about.join(', ') || 'more than a service'}`,
  );
};

const pagesIn = ({ kvs }: Pick<Records, 'kvs'>): readonly Page[] =>
  kvs.flatMap(({ key, value }) => (isPage(value) && key === outboxKey(value.id) ? [value] : [])).toSorted(byAge);

/** The page as it has to be for the outbox to send it again through these channels. */
const again = (page: Page, channels: readonly string[], taken: boolean, nonce: string): Page => {
  const { dead = {}, ...rest } = page;
  const left = Object.entries(dead).filter(([name]) => !channels.includes(name));
  const to = isSettled(page) ? channels : [...new Set([...(page.again?.to ?? []), ...channels])];
  return {
    ...rest,
    delivered: page.delivered.filter((name) => name !== EVERYBODY && !(taken && channels.includes(name))),
    ...(left.length === 0 ? {} : { dead: Object.fromEntries(left) }),
    again: { to, alone: isSettled(page) || page.again?.alone === true },
    nonce,
  };
};

/** What whoever heard of the alert is told: that a human has it. About the same, so that it goes the same ways. */
const acknowledgement = (newest: Page, by: string, reason: string | undefined, { atMs, nonce }: { atMs: number; nonce: string }): Page => ({
  id: `acknowledged-${nonce}`,
  dedupKey: newest.dedupKey,
  type: ACKNOWLEDGED,
  severity: newest.severity,
  summary: `${by} has it: ${reason ?? newest.summary}`,
  detail: aboutAlone(newest.detail),
  atMs,
  v: newest.v,
  delivered: [],
  nonce,
});

/** Triggers of an alert that is open, since it opened. */
const askingIn = (pages: readonly Page[], nowMs: number): readonly Page[] => {
  const ended = pages.findLastIndex((page) => actionOf(page) === 'resolve' && (page.notBeforeMs ?? 0) <= nowMs);
  return pages.slice(ended + 1).filter((page) => actionOf(page) === 'trigger');
};

interface Write {
  pages: readonly Page[];
  draft: Omit<Draft, 'by' | 'how' | 'atMs' | 'nonce'>;
}

export const createPageWriter = ({ store, ports, clusterNowMs, channels }: PageWriterOptions): PageWriter => {
  const ledger = createLedger({ store, ports });
  const listPages = async (): Promise<readonly Page[]> => pagesIn(await ledger.readAll('the pages', outboxKey('')));

  /** One act on pages that were found: read again by their keys, judged, and written together with its entry. */
  const act = <T>(
    found: readonly Page[],
    { name: by, how, once }: Principal,
    judge: (pages: readonly Page[], about: { atMs: number; nonce: string; doubt: boolean }) => { done: T } | { write: Write; result: T },
  ): Promise<T> => {
    const atMs = Math.round(clusterNowMs());
    const nonce = ports.random.hex(12);
    const used = once === undefined ? [] : [usedKey(once.id)];
    return ledger.commit<T>({
      what: 'the pages',
      keys: [...found.map(({ id }) => outboxKey(id)), ...JOURNAL_KEYS, ...used],
      judge(records, doubt): Step<T> {
        const record = once === undefined ? undefined : records.value<Used>(usedKey(once.id));
        if (record !== undefined && record.nonce !== nonce) throw new Fault('ERR_FORBIDDEN', 'this was good for one act, and has acted');
        const step = judge(pagesIn(records), { atMs, nonce, doubt });
        if ('done' in step) return step;
        const { pages, draft } = step.write;
        const entry = appendOps(headOf(records.kvs), { ...draft, by, how, atMs, nonce });
        const puts = pages.map((page): Op => ({ put: outboxKey(page.id), value: page }));
        return {
          on: [...pages.map(({ id }) => outboxKey(id)), KEYS.journal, ...used],
          ops: [...puts, ...entry.ops, ...(once === undefined ? [] : usedOps(once, { by, atMs, nonce }).ops)],
          result: step.result,
        };
      },
    });
  };

  return {
    listPages,

    hasActed: async ({ id }) => (await ledger.read('what has acted', [usedKey(id)])).kvs.length > 0,

    async spend(once, by) {
      const { conditions, ops } = usedOps(once, { by, atMs: Math.round(clusterNowMs()), nonce: ports.random.hex(12) });
      // Somebody else has: as good. In doubt it is asked again, and finds itself.
      await store.txn({ if: conditions, then: ops });
    },

    async replay(id, { reason, owner, channels: named }, principal) {
      const found = threadNamed(await listPages(), { id });
      let sent: readonly string[] = [];
      return act(found, principal, (pages, { atMs, nonce, doubt }) => {
        const page = pages.find((each) => each.id === id);
        const thread = threadsOf(pages, atMs).get(found[0]?.dedupKey ?? '');
        if (page === undefined || thread === undefined) throw notFound(id);
        demandPage(principal, page);
        const dead = Object.keys(page.dead ?? {});
        const known = [...new Set([...channels, ...reached(page), ...dead])];
        if (isOvertaken(page, thread))
          throw new Fault('ERR_CONFLICT', `${id} says that it is over, and its alert is open again: told now, it would close what goes on`);
        const problems = channelProblems(named ?? [], known);
        if (problems.length > 0) throw new BodyFault(problems);
        const end = actionOf(page) === 'trigger' ? thread.ended : null;
        // What was in doubt was written, and the outbox may have gone on from it.
        if (doubt && sent.length > 0 && sent.every((name) => page.again?.to.includes(name)))
          return { done: { page, thread: thread.state, channels: sent, end: end?.id ?? null } };
        sent = named ?? dead;
        if (sent.length === 0)
          throw new Fault('ERR_CONFLICT', `no channel has refused ${id} for good: name those that it shall go through again`);
        const next = again(page, sent, named !== undefined, nonce);
        const because = `page ${id} goes again through ${sent.join(', ')}, by ${owner ?? principal.name}: ${reason}`;
        const detail = { page: id, dedupKey: page.dedupKey, type: page.type, channels: sent, ...(owner === undefined ? {} : { owner }) };
        return {
          write: {
            pages: [next, ...(end === null ? [] : [again(end, sent, true, nonce)])],
            draft: { kind: 'page.replayed', because, detail: { ...detail, ...(end === null ? {} : { end: end.id }) } },
          },
          result: { page: next, thread: thread.state, channels: sent, end: end?.id ?? null },
        };
      });
    },

    async acknowledge(named, { reason, owner }, principal) {
      const found = threadNamed(await listPages(), named);
      const by = owner ?? principal.name;
      return act(found, principal, (pages, { atMs, nonce }) => {
        const [first] = pages;
        if (first === undefined) throw notFound('id' in named ? named.id : named.dedupKey);
        const { dedupKey } = first;
        for (const page of pages) demandPage(principal, page);
        const asking = askingIn(pages, atMs);
        const newest = asking.at(-1);
        if (newest === undefined)
          throw new Fault(
            'ERR_CONFLICT',
            `nothing of ${dedupKey} asks for anybody: ${pages.some((page) => actionOf(page) === 'resolve') ? 'it is over' : 'it only told'}`,
          );
        const open = asking.filter(({ acknowledged }) => acknowledged === undefined).slice(-MARKED_MAX);
        if (open.length === 0) return { done: { dedupKey, ...(newest.acknowledged ?? { by, atMs }), pages: [] } };
        const ids = open.map(({ id }) => id);
        const because = `${dedupKey} acknowledged by ${by}${reason === undefined ? '' : `: ${reason}`}`;
        return {
          write: {
            pages: [
              ...open.map((page) => ({ ...page, acknowledged: { by, atMs }, nonce })),
              acknowledgement(newest, by, reason, { atMs, nonce }),
            ],
            draft: { kind: 'page.acknowledged', because, detail: { dedupKey, pages: ids, ...(owner === undefined ? {} : { owner }) } },
          },
          result: { dedupKey, by, atMs, pages: ids },
        };
      });
    },
  };
};
