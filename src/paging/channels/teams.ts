// A Workflow of Microsoft Teams that posts an Adaptive Card to a channel. Its address is its secret. 202 says that the flow was started, not that the card was
// posted: Teams tells nobody of that, so Teams should not be the only one told. All texts are text runs, the one element of cards that reads no markup: no
// text of a page can hide a link. Limits as documented, August 2026.
import type { Channel, ChannelContext, Notice } from '../channel.ts';
import { jsonOf, largest, line } from '../fit.ts';
import type { ChannelConfigs } from '../index.ts';
import { createPoster, judged, tryOnce } from '../post.ts';
import { secretUrl } from '../secret-url.ts';
import { headlineOf, headOf, linkOf } from '../wording.ts';

/** Teams takes messages of about 28 KB, of which the flow adds some. */
const BODY_BYTES_MAX = 25_000;
const HEADLINE_CHARS_MAX = 1_000;
const LABEL_CHARS_MAX = 100;
const VALUE_CHARS_MAX = 500;
const SMALL_CHARS_MAX = 200;
const FACTS_MAX = 20;

/** The flow is gone, off, or not for us, or the card is none: a human has to look. */
const NEVER = new Set([400, 401, 403, 404, 405, 410, 413]);

const run = (text: string, look: Readonly<Record<string, unknown>> = {}) => ({ type: 'TextRun', text, ...look });
const lineOf = (...inlines: readonly object[]) => ({ type: 'RichTextBlock', inlines });

const cardOf = (notice: Notice, factsShown: number) => {
  const { page, cluster, facts } = notice;
  const link = linkOf(notice);
  const shown = facts.slice(0, factsShown);
  const left = facts.length - shown.length;
  const small = [cluster, page.type, page.id].map((text) => line(text, SMALL_CHARS_MAX)).join('  ');
  return {
    $schema: 'http://adaptivecards.io/schemas/adaptive-card.json',
    type: 'AdaptiveCard',
    version: '1.2',
    body: [
      lineOf(run(`${headOf(notice)}: `, { weight: 'Bolder' }), run(headlineOf(notice, HEADLINE_CHARS_MAX))),
      ...shown.map(([label, value]) =>
        lineOf(run(`${line(label, LABEL_CHARS_MAX)}: `, { weight: 'Bolder' }), run(line(value, VALUE_CHARS_MAX))),
      ),
      ...(left === 0 ? [] : [lineOf(run(`and ${left} more`))]),
      lineOf(run(small, { size: 'Small', isSubtle: true })),
    ],
    ...(link === null ? {} : { actions: [{ type: 'Action.OpenUrl', title: 'Open the decision', url: link }] }),
    msteams: { width: 'full' },
  };
};

const messageOf = (notice: Notice, factsShown: number): string =>
  jsonOf({
    type: 'message',
    attachments: [{ contentType: 'application/vnd.microsoft.card.adaptive', contentUrl: null, content: cardOf(notice, factsShown) }],
  });

/** The body of a notice: the same text for the same notice, at most 25,000 bytes. Facts that do not fit are counted. */
const bodyOf = (notice: Notice): string =>
  largest(
    Math.min(FACTS_MAX, notice.facts.length),
    (shown) => messageOf(notice, shown),
    (body) => Buffer.byteLength(body) <= BODY_BYTES_MAX,
  );

/** Opens no connection. Throws ERR_SECRET when the file holds no address. */
export const openTeams = (config: ChannelConfigs['teams'], context: ChannelContext): Channel => {
  const url = secretUrl(config.name, config.urlFile, context);
  const post = createPoster(config, context);
  return {
    name: config.name,
    places: [url.origin],
    rate: { max: 4, perMs: 1_000 },
    deliver: (notice, signal) => tryOnce(post, { url, headers: {}, body: bodyOf(notice) }, (reply) => judged(reply, NEVER), signal),
  };
};
