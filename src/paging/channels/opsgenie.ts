// The alert API that Opsgenie and Jira Service Management share; only the address differs. A trigger opens an alert under its alias or counts as a repeat of
// the open one, a resolve closes it by that alias. Both are taken first and worked on later: 202 says no more than that. A change is not sent: an alert may
// wake somebody, and there is nothing here that surely does not. Limits as documented, August 2026.
import { Fault } from '../../errors.ts';
import { registerSecret } from '../../log.ts';
import type { Severity } from '../../model.ts';
import { aboutOf } from '../about.ts';
import type { Channel, ChannelContext, Notice } from '../channel.ts';
import { jsonOf, keyWithin, line } from '../fit.ts';
import type { ChannelConfigs } from '../index.ts';
import { createPoster, judged, type Post, tryOnce } from '../post.ts';
import { headlineOf, linkOf } from '../wording.ts';

const MESSAGE_CHARS_MAX = 130;
const ALIAS_CHARS_MAX = 512;
const ENTITY_CHARS_MAX = 512;
const SOURCE_CHARS_MAX = 100;
const TAG_CHARS_MAX = 50;
/** Of all details together 8,000 are taken. */
const DETAIL_CHARS_MAX = 1_000;
/** With these a description stays below the 15,000 that are taken. */
const HEADLINE_CHARS_MAX = 1_000;
const LABEL_CHARS_MAX = 100;
const VALUE_CHARS_MAX = 500;
const FACTS_MAX = 20;

const PRIORITIES: Readonly<Record<Severity, string>> = { critical: 'P1', warning: 'P3', info: 'P5' };
/** The request, the key or the plan is not what it takes: the same request fails again. */
const NEVER = new Set([400, 401, 402, 403, 404, 422]);

/** Printable and without blanks: it becomes a header. */
const KEY = /^[\x21-\x7e]{16,256}$/;

const keyOf = (name: string, file: string, text: string): string => {
  const key = text.trim();
  registerSecret(key);
  if (KEY.test(key)) return key;
  throw new Fault(
    'ERR_SECRET',
    `${file}: the key of channel ${name} must be 16 to 256 characters without blanks, alone in the file; copy it from the API integration`,
  );
};

/** Below the headline in full, which the message may have cut, one fact a line. */
const descriptionOf = (notice: Notice): string => {
  const told = notice.facts.slice(0, FACTS_MAX).map(([label, value]) => `${line(label, LABEL_CHARS_MAX)}: ${line(value, VALUE_CHARS_MAX)}`);
  return [headlineOf(notice, HEADLINE_CHARS_MAX), ...told, linkOf(notice) ?? ''].join('\n').trimEnd();
};

const alertOf = (notice: Notice, alias: string) => {
  const { page, cluster } = notice;
  const link = linkOf(notice);
  const [region] = aboutOf(page).regions;
  const details = { cluster, page: page.id, type: page.type, decision: String(page.v), ...(link === null ? {} : { link }) };
  return {
    message: headlineOf(notice, MESSAGE_CHARS_MAX),
    alias,
    description: descriptionOf(notice),
    priority: PRIORITIES[page.severity],
    source: line(`tidegate ${cluster}`, SOURCE_CHARS_MAX),
    ...(region === undefined ? {} : { entity: line(region, ENTITY_CHARS_MAX) }),
    tags: ['tidegate', page.severity, line(page.type, TAG_CHARS_MAX)],
    details: Object.fromEntries(Object.entries(details).map(([name, value]) => [name, line(value, DETAIL_CHARS_MAX)])),
  };
};

const requestOf = (notice: Notice, base: string): Omit<Post, 'headers'> => {
  const alias = keyWithin(notice.page.dedupKey, ALIAS_CHARS_MAX);
  if (notice.action === 'trigger') return { url: new URL(`${base}/v2/alerts`), body: jsonOf(alertOf(notice, alias)) };
  const act = notice.action === 'acknowledge' ? 'acknowledge' : 'close';
  const url = new URL(`${base}/v2/alerts/${encodeURIComponent(alias)}/${act}?identifierType=alias`);
  return { url, body: jsonOf({ source: line(`tidegate ${notice.cluster}`, SOURCE_CHARS_MAX) }) };
};

/** Opens no connection. Throws ERR_SECRET when the file holds no key. */
export const openOpsgenie = (config: ChannelConfigs['opsgenie' | 'jsm'], context: ChannelContext): Channel => {
  const key = keyOf(config.name, config.keyFile, context.secret(config.keyFile));
  const post = createPoster(config, context);
  return {
    name: config.name,
    places: [new URL(config.url).origin],
    async deliver(notice, signal) {
      if (notice.action === 'change') return { sent: true, receipt: 'not sent: a change asks for nobody, an alert might wake somebody' };
      const request = { ...requestOf(notice, config.url), headers: { authorization: `GenieKey ${key}` } };
      return tryOnce(post, request, (reply) => judged(reply, NEVER), signal);
    },
  };
};
