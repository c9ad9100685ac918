// A signed webhook, after the Standard Webhooks specification: headers webhook-id, -timestamp and -signature, body {type, timestamp, data} below 20 kB.
// The id is the page's, so a receiver tells repeats; the body is the same at every try, the timestamp is the try's. One fresh connection per page:
// pages are rare, and a kept connection that went stale would fail the one that matters. Redirects are not followed: a signature is for one receiver.
// The receiver's words are neither kept nor logged; its URL may hold a secret, so only its host is ever named.
import { createHash } from 'node:crypto';
import { Webhook } from 'standardwebhooks';
import { Client, type Dispatcher } from 'undici';
import { connector } from '../connect.ts';
import { Fault } from '../errors.ts';
import { registerSecret } from '../log.ts';
import type { Page } from '../model.ts';
import { dateOf, isoTime, type Ports, parseTime, withDeadline } from '../ports.ts';
import type { Channel, ChannelContext, Delivery } from './channel.ts';

const DEADLINE_MS = 10_000;
/** The specification asks for less than 20 kB. */
const BODY_BYTES_MAX = 20_000 - 1;
const DETAIL_BYTES_MAX = 14_000;
const TEXT_CHARS_MAX = 1_000;
const REPLY_BYTES_MAX = 4 * 1024;
const REPLY_MS = 1_000;
/** A receiver that refuses outright is likelier misconfigured than busy. */
const REFUSED_AFTER_MS = 60_000;

/** `text` cut to whole characters. */
const clipped = (text: string, charsMax = TEXT_CHARS_MAX): string => {
  const chars = Array.from(text);
  return chars.length <= charsMax ? text : `${chars.slice(0, charsMax - 1).join('')}…`;
};

const bytesOf = (value: unknown): number => Buffer.byteLength(JSON.stringify(value) ?? '');

/** The members of `detail` that fit, in order, and the names of those that did not. */
const fitting = (detail: Page['detail']): Readonly<Record<string, unknown>> => {
  if (bytesOf(detail) <= DETAIL_BYTES_MAX) return detail;
  const kept: [string, unknown][] = [];
  const cut: string[] = [];
  let bytes = 0;
  for (const [name, value] of Object.entries(detail)) {
    const size = bytesOf({ [name]: value });
    if (bytes + size > DETAIL_BYTES_MAX) cut.push(clipped(name, 60));
    else {
      bytes += size;
      kept.push([name, value]);
    }
  }
  return Object.fromEntries([...kept, ['cut', cut.slice(0, 20)]]);
};

/** The body of a page: the same text for the same page, always below 20 kB. */
export const bodyOf = (page: Page): string => {
  const data = {
    id: clipped(page.id),
    dedupKey: clipped(page.dedupKey),
    severity: page.severity,
    summary: clipped(page.summary),
    v: page.v,
    detail: fitting(page.detail),
  };
  const type = page.type.slice(0, 200).replaceAll(/[^A-Za-z0-9_.]/g, '_');
  const event = { type, timestamp: isoTime(page.atMs), data };
  const body = JSON.stringify(event);
  return Buffer.byteLength(body) <= BODY_BYTES_MAX ? body : JSON.stringify({ ...event, data: { ...data, detail: { cut: ['detail'] } } });
};

/** The page's id in the alphabet of the specification, which has no dot: the signature is over `id.timestamp.body`. */
export const webhookId = (id: string): string => {
  const safe = id.replaceAll(/[^A-Za-z0-9_-]/g, '_').slice(0, 200);
  return safe === id ? id : `${safe}_${createHash('sha256').update(id).digest('hex').slice(0, 12)}`;
};

const SECRET_BYTES_MIN = 24;
const SECRET_BYTES_MAX = 64;

const signerOf = (name: string, file: string, text: string): Webhook => {
  const secret = text.trim();
  registerSecret(secret);
  const [, base64] = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(secret) ?? [];
  const bytes = Buffer.from(base64 ?? '', 'base64').length;
  if (bytes >= SECRET_BYTES_MIN && bytes <= SECRET_BYTES_MAX) return new Webhook(secret);
  throw new Fault(
    'ERR_SECRET',
    `${file}: the secret of webhook ${name} must be whsec_ and the base64 of ${SECRET_BYTES_MIN} to ${SECRET_BYTES_MAX} bytes; ` +
      `make one with: printf 'whsec_%s\\n' "$(openssl rand -base64 32)" > ${file}`,
  );
};

/** Reads a little, so that a polite receiver is not cut off in mid-reply; what it says is of no interest. */
const drain = (ports: Ports, body: Dispatcher.ResponseData['body']): Promise<void> =>
  withDeadline(ports.timers, REPLY_MS, 'reply', async () => {
    let bytes = 0;
    for await (const chunk of body) {
      bytes += chunk.length;
      if (bytes > REPLY_BYTES_MAX) return;
    }
  }).catch(() => undefined);

const retryAfterMs = (header: string | string[] | undefined, wallMs: number): number | null => {
  if (typeof header !== 'string') return null;
  if (/^\d{1,9}$/.test(header.trim())) return Number(header) * 1000;
  const atMs = parseTime(header);
  return atMs === null ? null : Math.max(0, atMs - wallMs);
};

/** What a status means. 410: the receiver wants no more. Every other failure may pass, and a page is worth the try. */
const judged = (status: number, askedMs: number | null): Delivery => {
  if (status >= 200 && status <= 299) return { sent: true, receipt: String(status) };
  if (status === 410) return { sent: false, retry: false, because: 'the receiver answered 410: it wants no more' };
  const busy = status === 408 || status === 425 || status === 429 || status >= 500;
  const afterMs = askedMs ?? (busy ? null : REFUSED_AFTER_MS);
  return { sent: false, retry: true, because: `the receiver answered ${status}`, ...(afterMs === null ? {} : { afterMs }) };
};

/** Opens no connection. Throws ERR_SECRET when the secret cannot sign. */
export const openWebhook = (config: { name: string; url: string; secretFile: string }, context: ChannelContext): Channel => {
  const { ports } = context;
  const url = new URL(config.url);
  const signer = signerOf(config.name, config.secretFile, context.secret(config.secretFile));
  const deliverWithin = async (page: Page, signal: AbortSignal): Promise<Delivery> => {
    const id = webhookId(page.id);
    const body = bodyOf(page);
    const at = dateOf(ports.clock.wallMs());
    // Its own limits of time run on a coarse wheel, and its abort waits for a socket: the deadline is ours, and destroying the client is exact.
    const client = new Client(url.origin, { connect: connector(context, signal), headersTimeout: 0, bodyTimeout: 0, allowH2: false });
    const stop = (): void => void client.destroy().catch(() => undefined);
    signal.addEventListener('abort', stop, { once: true });
    try {
      const reply = await client.request({
        method: 'POST',
        path: `${url.pathname}${url.search}`,
        headers: {
          'content-type': 'application/json',
          'user-agent': 'tidegate',
          'webhook-id': id,
          'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
          'webhook-signature': signer.sign(id, at, body),
        },
        body,
      });
      await drain(ports, reply.body);
      return judged(reply.statusCode, retryAfterMs(reply.headers['retry-after'], ports.clock.wallMs()));
    } finally {
      signal.removeEventListener('abort', stop);
      stop();
    }
  };
  return {
    name: config.name,
    deliver: async (page, signal) => {
      try {
        return await withDeadline(
          ports.timers,
          DEADLINE_MS,
          `webhook ${config.name} at ${url.host}`,
          (inner) => deliverWithin(page, inner),
          signal,
        );
      } catch (error) {
        return { sent: false, retry: true, because: `${url.host}: ${reasonOf(error)}` };
      }
    },
  };
};

/** The system's or TLS's code where there is one: their texts may quote what the receiver sent. */
const reasonOf = (error: unknown): string => {
  if (!(error instanceof Error)) return 'failed';
  const code = 'code' in error && typeof error.code === 'string' ? error.code : error.name;
  return code === 'DeadlineError' ? error.message : code;
};
