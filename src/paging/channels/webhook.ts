// A signed webhook, after the Standard Webhooks specification: headers webhook-id, -timestamp and -signature, body {type, timestamp, data} below 20 kB.
// The id is the page's, so a receiver tells repeats; the body is the same at every try, the timestamp is the try's. While a secret is being replaced every
// one of them signs, and the receiver may hold either. 410 disables: the receiver wants no more, and a human has to look.
import { isoTime } from '../../ports.ts';
import type { Channel, ChannelContext, Delivery, Notice } from '../channel.ts';
import { fitting, jsonOf, line } from '../fit.ts';
import type { ChannelConfigs } from '../index.ts';
import { createPoster, judged, type Reply, tryOnce } from '../post.ts';
import { secretUrl } from '../secret-url.ts';
import { signedHeaders, signerOf, webhookId } from '../signer.ts';
import { linkOf } from '../wording.ts';

/** The specification asks for less than 20 kB. */
const BODY_BYTES_MAX = 20_000 - 1;
const DETAIL_BYTES_MAX = 12_000;
/** As plain lines: a control character would be six bytes of JSON, and a few thousand of them more than a body. */
const TEXT_CHARS_MAX = 1_000;

/** The body of a notice: the same text for the same notice, always below 20 kB. Its schema is deploy/paging/webhook.schema.json. */
export const bodyOf = (notice: Notice): string => {
  const { page, action, cluster, headline, facts } = notice;
  const link = linkOf(notice);
  const data = {
    id: line(page.id, TEXT_CHARS_MAX),
    dedupKey: line(page.dedupKey, TEXT_CHARS_MAX),
    action,
    cluster: line(cluster, 100),
    severity: page.severity,
    summary: line(page.summary, TEXT_CHARS_MAX),
    headline: line(headline, TEXT_CHARS_MAX),
    v: page.v,
    ...(link === null ? {} : { link }),
  };
  const type = page.type.slice(0, 200).replaceAll(/[^A-Za-z0-9_.]/g, '_');
  const event = { type, timestamp: isoTime(page.atMs) };
  const told = { ...data, facts: facts.map(([label, value]) => ({ label, value })), detail: fitting(page.detail, DETAIL_BYTES_MAX) };
  const body = jsonOf({ ...event, data: told });
  if (Buffer.byteLength(body) <= BODY_BYTES_MAX) return body;
  return jsonOf({ ...event, data: { ...data, facts: [], detail: { cut: ['facts', 'detail'] } } });
};

const judge = (reply: Reply): Delivery =>
  reply.status === 410 ? { sent: false, retry: false, gone: true, because: 'the receiver answered 410: it wants no more' } : judged(reply);

/** Opens no connection. Throws ERR_SECRET when a secret cannot sign, or an address of a file is none. */
export const openWebhook = (config: ChannelConfigs['webhook'], context: ChannelContext): Channel => {
  const { ports } = context;
  const url = 'url' in config ? new URL(config.url) : secretUrl(config.name, config.urlFile, context);
  const signers = config.secretFiles.map((file) => signerOf(`webhook ${config.name}`, file, context.secret(file)));
  const post = createPoster(config, context);
  return {
    name: config.name,
    places: [url.origin],
    async deliver(notice, signal) {
      const id = webhookId(notice.page.id);
      const body = bodyOf(notice);
      const headers = signedHeaders(signers, id, ports.clock.wallMs(), body);
      return tryOnce(post, { url, headers, body }, judge, signal);
    },
  };
};
