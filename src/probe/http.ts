// One GET on a fresh connection, judged by its status and, where asked, by a text in the first 64 KiB of its body. A redirect is an answer like any other
// and is not followed; a content encoding is not decoded. undici reads HTTP (its llhttp is strict and maintained), and nothing else: the connection is
// made before, and its own timeouts, which run on a coarse wheel and not at all while connecting, are off. The deadline of the look covers everything.
// Strict to a fault: undici refuses a `100 Continue` that nobody asked for ("bad response"), which RFC 9110 15.2 would let a client skip.
import type { Socket } from 'node:net';
import { Client, type Dispatcher, errors } from 'undici';
import type { ProbeSpec } from '../model.ts';
import { connect, endByError } from './connect.ts';
import type { ProbeContext, ProbeKind } from './kind.ts';
import { type Look, look } from './look.ts';

type HttpSpec = Extract<ProbeSpec, { kind: 'http' }>;

/** Names and values of the head; the bytes of an unfinished head as well. */
export const HEAD_BYTES_MAX = 16 * 1024;
/** Past this the rest is not wanted. */
export const BODY_BYTES_MAX = 64 * 1024;
/** Everything a peer may send in one look: head, body, and as much again as the head for chunk framing. */
const WIRE_BYTES_MAX = BODY_BYTES_MAX + 2 * HEAD_BYTES_MAX;

const expected = (ranges: HttpSpec['status']): string => ranges.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(', ');

/** Judges an answer as it arrives. */
const judge = (look: Look, spec: HttpSpec, where: string): Dispatcher.DispatchHandler & { received(bytes: number): void } => {
  const wanted = spec.bodyIncludes === undefined ? null : Buffer.from(spec.bodyIncludes);
  const chunks: Buffer[] = [];
  let wireBytes = 0;
  let bodyBytes = 0;
  let head = false;

  const judgeBody = (): void => {
    if (wanted === null || Buffer.concat(chunks).subarray(0, BODY_BYTES_MAX).includes(wanted)) look.ok();
    else look.fault('body', `the expected text is not in the first ${Math.min(bodyBytes, BODY_BYTES_MAX)} bytes of the body`);
  };
  return {
    /** Called with every chunk before it is parsed. */
    received(bytes) {
      if (!head && wireBytes >= HEAD_BYTES_MAX) look.fault('protocol', `the head exceeds ${HEAD_BYTES_MAX} bytes`);
      wireBytes += bytes;
      if (head && wireBytes > WIRE_BYTES_MAX) judgeBody();
    },
    onRequestStart() {
      look.stage = 'head of an answer';
    },
    onResponseStart(_controller, status) {
      if (status < 200) return; // interim; the answer is still to come
      head = true;
      look.stage = 'end of the body';
      if (spec.status.some(([from, to]) => from <= status && status <= to)) return;
      const redirect = status >= 300 && status < 400 ? ' (redirects are not followed)' : '';
      look.fault('status', `${status}${redirect}, expected ${expected(spec.status)}`);
    },
    onResponseData(_controller, chunk) {
      bodyBytes += chunk.length;
      if (wanted !== null) chunks.push(chunk);
      if (bodyBytes > BODY_BYTES_MAX) judgeBody();
    },
    onResponseEnd: judgeBody,
    onResponseError(_controller, error) {
      if (error instanceof errors.HeadersOverflowError) look.fault('protocol', `the head exceeds ${HEAD_BYTES_MAX} bytes`);
      else endByError(look, error, 'protocol', `${where}, waiting for the ${look.stage}`);
    },
  };
};

/** Sends the request on a connected socket. Ends the look by itself; undici gives the socket up when the look closes it. */
const exchange = (look: Look, spec: HttpSpec, context: ProbeContext, socket: Socket, url: URL): void => {
  const handler = judge(look, spec, url.host);
  const client = new Client(url.origin, {
    allowH2: false,
    headersTimeout: 0,
    bodyTimeout: 0,
    maxHeaderSize: HEAD_BYTES_MAX,
    // undici asks again when a connection ends before its request was sent: one look is one connection.
    connect: (_options, connected) =>
      queueMicrotask(() => {
        if (socket.destroyed) {
          connected(new Error('the connection ended before the request was sent'), null);
          return;
        }
        connected(null, socket);
        // undici reads by 'readable'; its every read() also shows the chunk here, before the parser has it. Added after undici's listener, else it
        // would set the socket flowing. What the parser counts is not all that arrives: reason phrases, chunk extensions and trailers are free.
        socket.on('data', (chunk: Buffer) => handler.received(chunk.length));
      }),
  });
  client.dispatch(
    {
      path: url.pathname + url.search,
      method: 'GET',
      reset: true,
      headers: { host: url.host, 'user-agent': context.userAgent, accept: '*/*', 'accept-encoding': 'identity' },
    },
    handler,
  );
};

export const http: ProbeKind<HttpSpec> = {
  kind: 'http',
  probe: (spec, context, signal) =>
    look(context, signal, async (look) => {
      const url = new URL(spec.url);
      const secure = url.protocol === 'https:';
      const socket = await connect(look, context, {
        host: url.hostname,
        port: Number(url.port || (secure ? 443 : 80)),
        ...(secure ? { secure: tlsWishes(spec) } : {}),
      });
      if (socket !== null) exchange(look, spec, context, socket, url);
    }),
};

const tlsWishes = (spec: HttpSpec): { caFile?: string; serverName?: string } => ({
  ...(spec.caFile === undefined ? {} : { caFile: spec.caFile }),
  ...(spec.serverName === undefined ? {} : { serverName: spec.serverName }),
});
