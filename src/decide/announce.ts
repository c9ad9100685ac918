// What is told of orders and of safety rules beside what they do: that an order begins, ends soon or is over, that it passes safety rules, that a newer one
// stands in its place; and what a rule reminds of. Each once: what was told is written into the order, or into the service's memory. Pure.
import type { Override, OverrideNews, Overrides, Page, Severity } from '../model.ts';
import { page } from './incident.ts';
import { isInForce } from './override.ts';
import { REFUSED } from './pool.ts';
import type { ServiceStory } from './story.ts';

const MIN_MS = 60_000;
/** So long before its end an order that lasts is announced to end. */
const EXPIRING_MS = 5 * MIN_MS;
/** Orders that last no longer than this end without a word before. */
const SHORT_MS = 15 * MIN_MS;

export interface OrderNews {
  order: Override;
  news: OverrideNews | 'expired';
  severity: Severity;
  summary: string;
}

/** Told by one decision at most: each is a page in its transaction, which a store takes only up to a size. The others follow with the next. */
export const NEWS_MAX = 32;

/** News of every order that are due now and were not told yet, as many as one decision tells. */
export const newsOf = (overrides: Overrides | null, stories: readonly ServiceStory[], nowMs: number): readonly OrderNews[] =>
  (overrides?.items ?? []).flatMap((order) => dueOf(order, overrides?.items ?? [], stories, nowMs)).slice(0, NEWS_MAX);

const dueOf = (order: Override, all: readonly Override[], stories: readonly ServiceStory[], nowMs: number): readonly OrderNews[] => {
  const name = `override ${order.id} (${order.kind}) of ${order.owner}`;
  const why = `${order.reason}${order.ticket === undefined ? '' : ` (${order.ticket})`}`;
  const tell = (news: OrderNews['news'], severity: Severity, summary: string): OrderNews => ({
    order,
    news,
    // That rules are passed is told to people, whatever the order calls itself.
    severity: order.drill === true && news !== 'break-glass' ? 'info' : severity,
    summary,
  });
  if (nowMs >= order.expiresAtMs) {
    const unheard = order.approval !== undefined && order.approval.by === null;
    return [tell('expired', 'info', unheard ? `${name} expired; nobody had approved it: ${why}` : `${name} expired: ${why}`)];
  }
  if (!isInForce(order, nowMs)) return [];
  const due: OrderNews[] = [];
  const isNew = (news: OverrideNews): boolean => order.told?.includes(news) !== true;
  const beginsAtMs = order.startsAtMs ?? order.createdAtMs;
  if (beginsAtMs > order.createdAtMs && isNew('started')) due.push(tell('started', 'info', `${name} begins: ${why}`));
  if (order.breakGlass === true && isNew('break-glass') && isObeyed(order, stories))
    due.push(tell('break-glass', 'warning', `${name} passes the safety rules: ${why}`));
  const newer = order.kind === 'pin' && isNew('replaced') ? newerPin(order, all, nowMs) : undefined;
  if (newer !== undefined)
    due.push(tell('replaced', 'info', `${name} is set aside: ${newer.id} of ${newer.owner} pins ${order.scope.service} too, and is newer`));
  const leftMs = order.expiresAtMs - nowMs;
  if (leftMs <= EXPIRING_MS && order.expiresAtMs - beginsAtMs > SHORT_MS && isNew('expiring'))
    due.push(tell('expiring', 'warning', `${name} ends in ${Math.max(1, Math.round(leftMs / MIN_MS))} min: ${why}`));
  return due;
};

const newerPin = (order: Override, all: readonly Override[], nowMs: number): Override | undefined =>
  all.find(
    (o) =>
      o.kind === 'pin' &&
      o.id !== order.id &&
      o.scope.service === order.scope.service &&
      o.createdAtMs > order.createdAtMs &&
      isInForce(o, nowMs),
  );

/** It does something: some pool that it is about is not held back from it. */
const isObeyed = (order: Override, stories: readonly ServiceStory[]): boolean => {
  const { kind, scope } = order;
  if (kind === 'freeze' || kind === 'stop') return true;
  return stories.some(
    (s) =>
      (scope.service === undefined || scope.service === s.service.name) &&
      (kind === 'pin'
        ? s.ledger.pin?.id === order.id
        : s.service.pools.some(
            (p) =>
              (scope.pool === undefined || scope.pool === p.name) &&
              (scope.region === undefined || scope.region === p.region) &&
              s.memories[p.name]?.told.includes(REFUSED) === false,
          )),
  );
};

/** Orders as they stand after these news: those that are over are gone. null: as before. */
export const toldIn = (overrides: Overrides | null, news: readonly OrderNews[], nonce: string): Overrides | null => {
  if (overrides === null || news.length === 0) return null;
  const items = overrides.items.flatMap((order): Override[] => {
    const mine = news.filter((n) => n.order === order).map((n) => n.news);
    if (mine.length === 0) return [order];
    const told = mine.filter((n) => n !== 'expired');
    return told.length < mine.length ? [] : [{ ...order, told: [...(order.told ?? []), ...told] }];
  });
  return { version: overrides.version + 1, nonce, items };
};

type About = Parameters<typeof page>[0];

export const orderPages = (about: About, news: readonly OrderNews[]): readonly Page[] =>
  news.map(({ order, news: kind, severity, summary }) =>
    page(about, `override.${kind.replace('-', '_')}`, severity, summary, `override-${order.id}`, { override: order }),
  );

/** Reminders of rules that are new with these stories: one page for all services that are told the same stage. */
export const reminderPages = (
  about: About,
  stories: readonly ServiceStory[],
  remindedBefore: (service: string) => readonly string[],
  because: (story: ServiceStory, reminder: string) => string,
): readonly Page[] => {
  const fresh = stories.flatMap((story) =>
    (story.ledger.reminded ?? [])
      .filter((reminder) => !remindedBefore(story.service.name).includes(reminder))
      .map((reminder) => ({ story, reminder })),
  );
  return [...Map.groupBy(fresh, ({ reminder }) => reminder)].map(([reminder, group]) => {
    const told = group.slice(0, 3).map(({ story }) => because(story, reminder));
    const rest = group.length > told.length ? [`and ${group.length - told.length} services more`] : [];
    const [rule = '', stage = ''] = reminder.split(':');
    const services = group.map(({ story }) => story.service.name);
    return page(about, PAGE_OF[rule] ?? `${rule}.${stage}`, 'warning', [...told, ...rest].join('; '), `${rule}-${stage}`, {
      services,
      stage,
    });
  });
};

/** Pages of reminders, where they have a name of their own. */
const PAGE_OF: Readonly<Record<string, string>> = { 'drill-fresh': 'drill.stale' };
