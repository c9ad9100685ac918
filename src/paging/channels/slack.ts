// An incoming webhook of Slack. Its address is its secret. The message is blocks, with a plain text for notifications and readers of screens; severity is a
// word. Slack reads markup between < and >, so all that we did not write ourselves is escaped: no text of a page can call @channel or hide a link. Slack posts
// about one message a second and channel; there is no key, so each notice is a message of its own. Limits as documented, August 2026.
import type { Channel, ChannelContext, Delivery, Notice } from '../channel.ts';
import { jsonOf, largest, plain } from '../fit.ts';
import type { ChannelConfigs } from '../index.ts';
import { createPoster, judged, type Reply, tryOnce } from '../post.ts';
import { secretUrl } from '../secret-url.ts';
import { headlineOf, headOf, linkOf } from '../wording.ts';

/** Blocks, texts and all: longer ones were refused. */
const BODY_CHARS_MAX = 13_000;
const SECTION_CHARS_MAX = 3_000;
const FALLBACK_CHARS_MAX = 1_500;
const SMALL_CHARS_MAX = 600;
const LABEL_CHARS_MAX = 100;
const VALUE_CHARS_MAX = 600;
const FACTS_MAX = 20;

/** Slack says in words what is wrong; only those that its manual names are repeated. All of them stay until a human has looked. */
const NEVER = new Set([400, 401, 403, 404, 405, 410]);
const WORDS =
  /^(invalid_payload|invalid_blocks|no_text|user_not_found|action_prohibited|posting_to_general_channel_denied|team_disabled|invalid_token|channel_not_found|no_service|no_service_id|no_team|no_active_hooks|channel_is_archived)$/;

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;' };
const escaped = (text: string): string => text.replaceAll(/[&<>]/g, (char) => ENTITIES[char] ?? '');

/** One plain line, escaped, of at most `charsMax` after that; no entity is cut in two. */
const safe = (text: string, charsMax: number): string => {
  const whole = escaped(plain(text));
  if (whole.length <= charsMax) return whole;
  let cut = '';
  for (const char of plain(text)) {
    const next = cut + escaped(char);
    if (next.length > charsMax - 1) break;
    cut = next;
  }
  return `${cut}…`;
};

/** `verbatim`: names and addresses in the text are left as they are written. */
const markdown = (text: string) => ({ type: 'mrkdwn', text, verbatim: true });
const section = (text: string) => ({ type: 'section', text: markdown(text) });

/** Lines in as few sections as hold them. */
const sectionsOf = (lines: readonly string[]) => {
  const texts: string[] = [];
  for (const text of lines) {
    const last = texts.at(-1);
    if (last !== undefined && last.length + 1 + text.length <= SECTION_CHARS_MAX) texts[texts.length - 1] = `${last}\n${text}`;
    else texts.push(text);
  }
  return texts.map(section);
};

const messageOf = (notice: Notice, factsShown: number): string => {
  const { page, cluster, facts } = notice;
  const headline = headlineOf(notice, SECTION_CHARS_MAX);
  const link = linkOf(notice);
  const head = headOf(notice);
  const shown = facts.slice(0, factsShown).map(([label, value]) => `*${safe(label, LABEL_CHARS_MAX)}*: ${safe(value, VALUE_CHARS_MAX)}`);
  const left = facts.length - shown.length;
  const lines = left === 0 ? shown : [...shown, `and ${left} more`];
  const small = [cluster, page.type, page.id].map((text) => safe(text, SMALL_CHARS_MAX / 3)).join('  ');
  const open = link === null ? '' : `  <${escaped(link)}|Open the decision>`;
  return jsonOf({
    text: safe(`${head}: ${headline}`, FALLBACK_CHARS_MAX),
    unfurl_links: false,
    unfurl_media: false,
    blocks: [
      section(`*${head}*: ${safe(headline, SECTION_CHARS_MAX - 50)}`),
      ...sectionsOf(lines),
      { type: 'context', elements: [markdown(`${small}${open}`)] },
    ],
  });
};

/** The body of a notice: the same text for the same notice, at most 13,000 characters. Facts that do not fit are counted. */
const bodyOf = (notice: Notice): string =>
  largest(
    Math.min(FACTS_MAX, notice.facts.length),
    (shown) => messageOf(notice, shown),
    (body) => body.length <= BODY_CHARS_MAX,
  );

const judge = (reply: Reply): Delivery => {
  const delivery = judged(reply, NEVER);
  const word = reply.text.trim();
  return !delivery.sent && WORDS.test(word) ? { ...delivery, because: `${delivery.because} (${word})` } : delivery;
};

/** Opens no connection. Throws ERR_SECRET when the file holds no address. */
export const openSlack = (config: ChannelConfigs['slack'], context: ChannelContext): Channel => {
  const url = secretUrl(config.name, config.urlFile, context);
  const post = createPoster(config, context);
  return {
    name: config.name,
    places: [url.origin],
    rate: { max: 1, perMs: 1_000 },
    deliver: (notice, signal) => tryOnce(post, { url, headers: {}, body: bodyOf(notice) }, judge, signal),
  };
};
