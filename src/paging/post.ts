// One POST to a receiver, as all channels over HTTP send it: a fresh connection per notice (pages are rare, and a kept connection that went stale would
// fail the one that matters), a deadline of our own, no redirect (what was meant for one receiver goes to no other), TLS verified, and no address that is
// not public unless the configuration allows its network. Of the reply a few kilobytes are read and none is ever logged; URLs may be secrets, so only
// their hosts are named.
import ipaddr from 'ipaddr.js';
import { Client, type Dispatcher } from 'undici';
import { connector } from '../connect.ts';
import { parseTime, withDeadline } from '../ports.ts';
import type { ChannelContext, Delivery } from './channel.ts';
import type { OverHttp } from './index.ts';

const DEADLINE_MS = 10_000;
const REPLY_BYTES_MAX = 4 * 1024;
const REPLY_MS = 1_000;
/** A receiver that refuses outright is likelier misconfigured than busy. */
const REFUSED_AFTER_MS = 60_000;

export interface Reply {
  status: number;
  /** What the receiver asked for by Retry-After. */
  askedMs: number | null;
  /** The first 4 KiB, for codes to look for; never to be logged. */
  text: string;
}

export interface Post {
  url: URL;
  headers: Readonly<Record<string, string>>;
  body: string;
}

/** Sends it once. Throws what `failureOf` can tell of. */
export type Poster = (post: Post, signal: AbortSignal) => Promise<Reply>;

/** Addresses that a receiver may have: public ones, and those of `networks`. Throws on a text that is no CIDR block. */
export const allowedBy = (networks: readonly string[]): ((address: string) => boolean) => {
  const blocks = networks.map((block) => ipaddr.parseCIDR(block));
  return (address) => {
    if (!ipaddr.isValid(address)) return false;
    // An IPv4 address that is written as IPv6 is judged as what it is.
    const ip = ipaddr.process(address);
    return ip.range() === 'unicast' || blocks.some((block) => block[0].kind() === ip.kind() && ip.match(block));
  };
};

const text = async (context: Pick<ChannelContext, 'ports'>, body: Dispatcher.ResponseData['body']): Promise<string> => {
  const chunks: Buffer[] = [];
  let bytes = 0;
  await withDeadline(context.ports.timers, REPLY_MS, 'reply', async () => {
    for await (const chunk of body) {
      chunks.push(Buffer.from(chunk as Uint8Array));
      bytes += (chunk as Uint8Array).length;
      if (bytes > REPLY_BYTES_MAX) return;
    }
  }).catch(() => undefined);
  return Buffer.concat(chunks).subarray(0, REPLY_BYTES_MAX).toString('utf8');
};

const retryAfterMs = (header: string | string[] | undefined, wallMs: number): number | null => {
  if (typeof header !== 'string') return null;
  if (/^\d{1,9}$/.test(header.trim())) return Number(header) * 1000;
  const atMs = parseTime(header);
  return atMs === null ? null : Math.max(0, atMs - wallMs);
};

/** Reads the file of authorities, opens no connection. */
export const createPoster = (config: OverHttp, context: ChannelContext, { guarded = true } = {}): Poster => {
  const { ports } = context;
  const trust = config.caFile === undefined ? {} : { trust: ports.net.secureContext(context.text(config.caFile)) };
  const allowed = guarded ? { allow: allowedBy(config.networks ?? []) } : {};
  const within = async ({ url, headers, body }: Post, signal: AbortSignal): Promise<Reply> => {
    // Its own limits of time run on a coarse wheel, and its abort waits for a socket: the deadline is ours, and destroying the client is exact.
    const client = new Client(url.origin, {
      connect: connector({ ports, resolve: context.resolve, ...trust, ...allowed }, signal),
      headersTimeout: 0,
      bodyTimeout: 0,
      allowH2: false,
    });
    const stop = (): void => void client.destroy().catch(() => undefined);
    signal.addEventListener('abort', stop, { once: true });
    try {
      const reply = await client.request({
        method: 'POST',
        path: `${url.pathname}${url.search}`,
        headers: { 'content-type': 'application/json', 'user-agent': 'tidegate', ...headers },
        body,
      });
      const askedMs = retryAfterMs(reply.headers['retry-after'], ports.clock.wallMs());
      return { status: reply.statusCode, askedMs, text: await text(context, reply.body) };
    } finally {
      signal.removeEventListener('abort', stop);
      stop();
    }
  };
  return (post, signal) =>
    withDeadline(ports.timers, DEADLINE_MS, `${config.name} at ${post.url.host}`, (inner) => within(post, inner), signal);
};

const NONE: ReadonlySet<number> = new Set();

/**
 * What a status means where the receiver's manual says nothing else: every failure may pass, and a page is worth the try. `never`: statuses of which the
 * manual says that the same request will fail again, so that whoever is next can be told at once.
 */
export const judged = ({ status, askedMs }: Reply, never = NONE): Delivery => {
  if (status >= 200 && status <= 299) return { sent: true, receipt: String(status) };
  if (never.has(status)) return { sent: false, retry: false, because: `the receiver answered ${status}: it will not take this` };
  const busy = status === 408 || status === 425 || status === 429 || status >= 500;
  const afterMs = askedMs ?? (busy ? null : REFUSED_AFTER_MS);
  return { sent: false, retry: true, because: `the receiver answered ${status}`, ...(afterMs === null ? {} : { afterMs }) };
};

/** What became of a request that got no reply: the system's or TLS's code where there is one, since their texts may quote what the receiver sent. */
const failureOf = (url: URL, error: unknown): Delivery => ({ sent: false, retry: true, because: `${url.host}: ${reasonOf(error)}` });

const reasonOf = (error: unknown): string => {
  if (!(error instanceof Error)) return 'failed';
  const code = 'code' in error && typeof error.code === 'string' ? error.code : error.name;
  return code === 'DeadlineError' ? error.message : code;
};

/** One try, judged by what came back. Throws nothing. */
export const tryOnce = async (poster: Poster, post: Post, judge: (reply: Reply) => Delivery, signal: AbortSignal): Promise<Delivery> => {
  try {
    return judge(await poster(post, signal));
  } catch (error) {
    return failureOf(post.url, error);
  }
};
