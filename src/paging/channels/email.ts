// A message of plain text over SMTP. Its id comes from the page's, so that mail programs and people tell repeats; all messages of one key refer to the same
// message that never was, so that an incident is one thread, whichever of them came first. Sockets and names are ours; what is spoken on them is nodemailer's,
// with its own limits of time behind our deadline. Of what the server says only its codes are kept: its texts may quote what it was sent.
import ipaddr from 'ipaddr.js';
import type { SendMailOptions } from 'nodemailer';
import { sha256 } from '../../audit/canonical.ts';
import { reach } from '../../connect.ts';
import { registerSecret } from '../../log.ts';
import { DeadlineError, dateOf, isoTime, withDeadline } from '../../ports.ts';
import type { Channel, ChannelContext, Delivery, Notice } from '../channel.ts';
import { keyWithin, line } from '../fit.ts';
import type { ChannelConfigs } from '../index.ts';
import { headlineOf, headOf, linkOf } from '../wording.ts';

type Config = ChannelConfigs['email'];

/** Within the courier's patience; a server that greets late on purpose takes up to about five seconds. */
const DEADLINE_MS = 12_000;
const SUBJECT_CHARS_MAX = 200;
const NAME_CHARS_MAX = 255;
const TEXT_CHARS_MAX = 1_000;
const REPLY_BYTES_MAX = 64 * 1024;
/** A server that refuses outright is likelier misconfigured than busy. */
const REFUSED_AFTER_MS = 60_000;

// ---- the message ----

const digest = (...parts: readonly string[]): string => sha256(JSON.stringify(parts)).slice(0, 32);

const wordOf = (notice: Notice): string => headOf(notice).toUpperCase();

const textOf = (notice: Notice): string => {
  const { page, cluster, facts } = notice;
  const name = (text: string): string => line(text, NAME_CHARS_MAX);
  const paragraphs = [
    `${wordOf(notice)}: ${headlineOf(notice, TEXT_CHARS_MAX)}`,
    facts.map(([label, value]) => line(`${label}: ${value}`, TEXT_CHARS_MAX)).join('\n'),
    linkOf(notice) ?? '',
    `Tidegate ${name(cluster)}, ${isoTime(page.atMs)}\n${name(page.type)} ${name(page.id)}\n${name(page.dedupKey)}`,
  ];
  return `${paragraphs.filter((paragraph) => paragraph !== '').join('\n\n')}\n`;
};

/** The same message for the same notice, dated by the page, of a `from` and `to` that the configuration has checked. */
export const messageOf = (notice: Notice, { from, to }: Pick<Config, 'from' | 'to'>): SendMailOptions => {
  const { page, cluster } = notice;
  const domain = from.slice(from.lastIndexOf('@') + 1);
  const thread = `<${digest('thread', cluster, page.dedupKey)}@${domain}>`;
  return {
    from: { name: 'Tidegate', address: from },
    to: [...to],
    envelope: { from, to: [...to] },
    subject: line(`[${wordOf(notice)}] ${headlineOf(notice, SUBJECT_CHARS_MAX)}`, SUBJECT_CHARS_MAX),
    messageId: `<${digest('page', cluster, page.dedupKey, page.id)}@${domain}>`,
    inReplyTo: thread,
    references: thread,
    date: dateOf(page.atMs),
    // The first: so that out-of-office replies and mailing lists leave it alone (RFC 3834).
    headers: { 'Auto-Submitted': 'auto-generated', 'X-Tidegate-Key': keyWithin(page.dedupKey, NAME_CHARS_MAX) },
    xMailer: false,
    text: textOf(notice),
    disableFileAccess: true,
    disableUrlAccess: true,
  };
};

// ---- what became of it ----

/** What nodemailer tells of a failure; each part may be missing, and `message` and `response` hold the server's words. */
interface SmtpError extends Error {
  code?: string;
  originalCode?: string;
  command?: string;
  responseCode?: number;
  rejectedErrors?: readonly SmtpError[];
}

const isPermanent = ({ responseCode }: SmtpError): boolean => responseCode !== undefined && responseCode >= 500 && responseCode <= 599;

/** Steps of the protocol as nodemailer names them; anything else is not repeated. */
const STEP = /^(CONN|EHLO|HELO|STARTTLS|AUTH [A-Z0-9-]{1,20}|MAIL FROM|RCPT TO|DATA)$/;
const CODE = /^[A-Z][A-Z0-9_]{1,60}$/;

const reasonOf = (error: SmtpError): string => {
  if (error instanceof DeadlineError) return error.message;
  const code = [error.originalCode, error.code].find((text) => text !== undefined && CODE.test(text)) ?? 'failed';
  const step = error.command !== undefined && error.command !== 'CONN' && STEP.test(error.command) ? ` at ${error.command}` : '';
  return error.responseCode === undefined ? `${code}${step}` : `the server answered ${error.responseCode}${step}`;
};

/** Only when each recipient was refused for good nothing is to be hoped for; any other refusal may be of a server that somebody is mending. */
const failureOf = (place: string, thrown: unknown): Delivery => {
  const error: SmtpError = thrown instanceof Error ? thrown : new Error('failed');
  const because = `${place}: ${reasonOf(error)}`;
  const refusals = error.rejectedErrors ?? [];
  if (refusals.length > 0 && refusals.every(isPermanent)) return { sent: false, retry: false, because: `${because}, for every recipient` };
  return { sent: false, retry: true, because, ...(isPermanent(error) ? { afterMs: REFUSED_AFTER_MS } : {}) };
};

// ---- the channel ----

/** Without TLS nothing leaves this machine, wherever a name leads. */
const isLoopback = (address: string): boolean => ipaddr.isValid(address) && ipaddr.process(address).range() === 'loopback';

const placeOf = ({ host, port }: Config): string => `${host.includes(':') ? `[${host}]` : host}:${port}`;

const authOf = ({ user }: Config, context: ChannelContext): { auth?: { user: string; pass: string } } => {
  if (user === undefined) return {};
  const pass = context.secret(user.passwordFile).trim();
  registerSecret(pass);
  return { auth: { user: user.name, pass } };
};

/** Loads nodemailer, opens no connection. Throws ERR_SECRET when the password's file cannot be used. */
export const openEmail = async (config: Config, context: ChannelContext): Promise<Channel> => {
  const { createTransport } = await import('nodemailer');
  const { ports, resolve } = context;
  const { host, port, tls } = config;
  const trust = tls === 'none' || config.caFile === undefined ? undefined : ports.net.secureContext(context.text(config.caFile));
  const reaching = { ports, resolve, ...(trust === undefined ? {} : { trust }), ...(tls === 'none' ? { allow: isLoopback } : {}) };
  const options = {
    host,
    port,
    secure: tls === 'implicit',
    requireTLS: tls === 'starttls',
    ignoreTLS: tls === 'none',
    // Of STARTTLS; with implicit TLS the socket comes with it.
    tls: { rejectUnauthorized: true, ...(trust === undefined ? {} : { secureContext: trust }) },
    ...authOf(config, context),
    // A server that does not offer what it should ask for is told who we are all the same, and refuses; nothing is sent as nobody.
    forceAuth: config.user !== undefined,
    connectionTimeout: DEADLINE_MS,
    greetingTimeout: DEADLINE_MS,
    socketTimeout: DEADLINE_MS,
    socketCloseTimeout: 0,
    maxResponseSize: REPLY_BYTES_MAX,
    logger: false,
  };
  const place = placeOf(config);

  const send = async (notice: Notice, signal: AbortSignal): Promise<Delivery> => {
    const transport = createTransport({
      ...options,
      getSocket: (_options, use) => {
        reach(reaching, { host, port, tlsName: tls === 'implicit' ? host : null }, signal).then(
          (connection) => use(null, { connection, secured: tls === 'implicit' }),
          (error: unknown) => use(error instanceof Error ? error : new Error('failed')),
        );
      },
    });
    const { accepted, rejectedErrors = [] } = await transport.sendMail({ ...messageOf(notice, config), signal });
    // Somebody may be let in later: the message is sent again to all, and its id tells the others that they have it.
    const later = rejectedErrors.filter(({ responseCode }) => responseCode !== undefined && responseCode >= 400 && responseCode < 500);
    if (later.length > 0)
      return {
        sent: false,
        retry: true,
        because: `${place}: ${later.length} of ${config.to.length} addresses refused for now (${later[0]?.responseCode})`,
      };
    return { sent: true, receipt: `taken for ${accepted.length} of ${config.to.length}` };
  };

  return {
    name: config.name,
    places: [`${tls === 'implicit' ? 'smtps' : 'smtp'}://${place}`],
    deliver: (notice, signal) =>
      withDeadline(ports.timers, DEADLINE_MS, 'the mail server', (inner) => send(notice, inner), signal).catch((error: unknown) =>
        failureOf(place, error),
      ),
  };
};
