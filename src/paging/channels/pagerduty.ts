// PagerDuty's Events API v2: a trigger opens an alert or changes the open one of its key, a resolve ends it. A change goes to another path, which notifies
// nobody. PagerDuty takes a resolve only under the routing key of its trigger, and after it the same key opens a new alert. A ruleset's key (it begins with R)
// takes no changes. What is too large loses its details, never the event. Limits as documented, August 2026.
import { Fault } from '../../errors.ts';
import { registerSecret } from '../../log.ts';
import { isoTime } from '../../ports.ts';
import { aboutOf } from '../about.ts';
import type { Channel, ChannelContext, Notice } from '../channel.ts';
import { jsonOf, keyWithin, line } from '../fit.ts';
import type { ChannelConfigs } from '../index.ts';
import { createPoster, judged, type Reply, tryOnce } from '../post.ts';
import { headlineOf, linkOf } from '../wording.ts';

const BODY_BYTES_MAX = 512_000;
const SUMMARY_CHARS_MAX = 1024;
const KEY_CHARS_MAX = 255;
/** No limit is documented for the other texts; one that was far longer would be no name. */
const NAME_CHARS_MAX = 255;
const SERVICES_MAX = 10;
/** Its throttle has no fixed number and says nothing of when it lifts; the manual asks to back off. */
const THROTTLED_MS = 120_000;
/** The manual: the request will be as wrong the next time. */
const NEVER = new Set([400]);

const ROUTING_KEY = /^[A-Za-z0-9]{32}$/;

const routingKeyOf = (name: string, file: string, text: string): string => {
  const key = text.trim();
  registerSecret(key);
  if (ROUTING_KEY.test(key)) return key;
  throw new Fault(
    'ERR_SECRET',
    `${file}: the routing key of channel ${name} must be 32 letters and digits, alone in the file; copy the integration key from PagerDuty`,
  );
};

const told = (facts: Notice['facts']) =>
  Object.fromEntries(facts.map(([label, value]) => [line(label, NAME_CHARS_MAX), line(value, SUMMARY_CHARS_MAX)]));

/** What both kinds of event say: where it is, when it was, what there is to read. */
const payloadOf = (notice: Notice) => {
  const { page, cluster, facts } = notice;
  return {
    summary: headlineOf(notice, SUMMARY_CHARS_MAX),
    source: line(aboutOf(page).regions[0] ?? cluster, NAME_CHARS_MAX).trim() || 'tidegate',
    timestamp: isoTime(page.atMs),
    custom_details: { ...told(facts), page: page.id, decision: page.v, detail: page.detail },
  };
};

const linksOf = (notice: Notice) => {
  const link = linkOf(notice);
  return link === null ? {} : { links: [{ href: link, text: 'The decision in Tidegate' }] };
};

const triggerOf = (notice: Notice) => {
  const { page, cluster } = notice;
  const link = linkOf(notice);
  const services = aboutOf(page).services.slice(0, SERVICES_MAX);
  const placed = {
    ...(services.length === 0 ? {} : { component: line(services.join(', '), NAME_CHARS_MAX) }),
    group: line(cluster, NAME_CHARS_MAX),
    class: line(page.type, NAME_CHARS_MAX),
  };
  return {
    client: 'Tidegate',
    ...(link === null ? {} : { client_url: link }),
    ...linksOf(notice),
    payload: { severity: page.severity, ...placed, ...payloadOf(notice) },
  };
};

const eventOf = (notice: Notice) => {
  const { action, page } = notice;
  if (action === 'change') return { ...linksOf(notice), payload: payloadOf(notice) };
  const keyed = { event_action: action, dedup_key: keyWithin(page.dedupKey, KEY_CHARS_MAX) };
  return action === 'trigger' ? { ...keyed, ...triggerOf(notice) } : keyed;
};

/** The body of a notice: the same text for the same notice, never over 512,000 bytes. */
const bodyOf = (notice: Notice, routingKey: string): string => {
  const event = { routing_key: routingKey, ...eventOf(notice) };
  const body = jsonOf(event);
  if (Buffer.byteLength(body) <= BODY_BYTES_MAX || !('payload' in event)) return body;
  return jsonOf({ ...event, payload: { ...event.payload, custom_details: { cut: 'details were larger than PagerDuty takes' } } });
};

const judge = (reply: Reply) => judged(reply.status === 429 ? { ...reply, askedMs: reply.askedMs ?? THROTTLED_MS } : reply, NEVER);

/** Opens no connection. Throws ERR_SECRET when the file holds no routing key. */
export const openPagerduty = (config: ChannelConfigs['pagerduty'], context: ChannelContext): Channel => {
  const routingKey = routingKeyOf(config.name, config.routingKeyFile, context.secret(config.routingKeyFile));
  const [events, changes] = ['/v2/enqueue', '/v2/change/enqueue'].map((path) => new URL(`${config.url}${path}`)) as [URL, URL];
  const post = createPoster(config, context);
  return {
    name: config.name,
    places: [events.origin],
    async deliver(notice, signal) {
      const isChange = notice.action === 'change';
      if (isChange && routingKey.startsWith('R')) return { sent: true, receipt: 'no change events on a ruleset key' };
      return tryOnce(post, { url: isChange ? changes : events, headers: {}, body: bodyOf(notice, routingKey) }, judge, signal);
    },
  };
};
