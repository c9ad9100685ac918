// One call of gRPC's health protocol (grpc.health.v1.Health/Check) on a fresh connection: ok is SERVING, and nothing else. Node's http2 reads the frames (its nghttp2 is
// maintained) on a connection that is made as for every look; what is inside, one text out and one number back, is read here.
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { FaultReason, ProbeSpec } from '../model.ts';
import { connect, endByError } from './connect.ts';
import type { ProbeContext, ProbeKind } from './kind.ts';
import { type Look, look } from './look.ts';

type GrpcSpec = Extract<ProbeSpec, { kind: 'grpc' }>;

const PATH = '/grpc.health.v1.Health/Check';
/** A good answer has seven bytes. */
const BODY_BYTES_MAX = 1024;
const PREFIX_BYTES = 5;
const STATUS = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'];
/** Of gRPC's own statuses, those that operators meet here. */
const CODES: Readonly<Record<string, string>> = {
  5: 'NOT_FOUND: the server does not know the service',
  7: 'PERMISSION_DENIED',
  12: 'UNIMPLEMENTED: the server does not offer grpc.health.v1',
  14: 'UNAVAILABLE',
  16: 'UNAUTHENTICATED',
};

/** HealthCheckRequest in its frame. `service` has at most 127 bytes. */
export const checkOf = (service: string): Buffer => {
  const name = Buffer.from(service);
  const message = name.length === 0 ? name : Buffer.concat([Buffer.of(0x0a, name.length), name]);
  return Buffer.concat([Buffer.of(0, 0, 0, 0, message.length), message]);
};

/** A varint: its value, where it ends. Past 2^53 it is no value that is known. */
const varintAt = (message: Buffer, from: number): readonly [value: number, end: number] | null => {
  let value = 0;
  for (let i = 0; i < 10; i += 1) {
    const byte = message[from + i];
    if (byte === undefined) return null;
    value += (byte & 0x7f) * 2 ** (7 * i);
    if (byte < 0x80) return [value, from + i + 1];
  }
  return null;
};

/** Where the value of a field ends; null: not within the message. */
const endOf = (message: Buffer, wire: number, from: number): number | null => {
  if (wire === 0) return varintAt(message, from)?.[1] ?? null;
  const sized = wire === 2 ? varintAt(message, from) : null;
  const end = wire === 1 ? from + 8 : wire === 5 ? from + 4 : sized === null ? null : sized[1] + sized[0];
  return end !== null && end <= message.length ? end : null;
};

/** `status` of HealthCheckResponse, 0 where it is left out; unknown fields are skipped, and of several the last one counts. null: it is none. */
const statusIn = (message: Buffer): number | null => {
  let status = 0;
  for (let at = 0; at < message.length; ) {
    const tag = varintAt(message, at);
    if (tag === null) return null;
    const [field, wire] = [Math.floor(tag[0] / 8), tag[0] % 8];
    const end = endOf(message, wire, tag[1]);
    if (end === null || field === 0) return null;
    if (field === 1 && wire !== 0) return null;
    if (field === 1) status = varintAt(message, tag[1])?.[0] ?? 0;
    at = end;
  }
  return status;
};

/** What one framed HealthCheckResponse says, in the protocol's words; null: it is none. */
export const answerIn = (body: Buffer): string | null => {
  if (body.length < PREFIX_BYTES || body[0] !== 0 || body.readUInt32BE(1) !== body.length - PREFIX_BYTES) return null;
  const status = statusIn(body.subarray(PREFIX_BYTES));
  return status === null ? null : (STATUS[status] ?? `status ${status}`);
};

/** What a header says, if it says it once. */
const textOf = (value: string | readonly string[] | undefined): string => (typeof value === 'string' ? value : '');

/** grpc-message is percent-encoded; what is badly so is left as it is. */
const decoded = (message: string): string => {
  try {
    return decodeURIComponent(message);
  } catch {
    return message;
  }
};

/** What the end of the call says: null is SERVING. */
const judged = (heads: Readonly<Record<string, string>>, body: Buffer): readonly [reason: FaultReason, detail: string] | null => {
  const { 'grpc-status': code = '', 'grpc-message': message = '' } = heads;
  if (code === '') return ['protocol', 'the answer ends without a grpc-status'];
  if (code !== '0')
    return ['status', `grpc-status ${CODES[code] ?? code}, expected SERVING${message === '' ? '' : ` (${decoded(message)})`}`];
  const answer = answerIn(body);
  if (answer === null) return ['protocol', `${body.length} bytes are no HealthCheckResponse`];
  return answer === 'SERVING' ? null : ['status', `${answer}, expected SERVING`];
};

/** Asks on a connected socket. Ends the look by itself; the session ends with its socket, which the look closes. */
const exchange = (look: Look, spec: GrpcSpec, context: ProbeContext, socket: Socket, url: URL): void => {
  const session = context.ports.net.http2(socket, url.origin);
  const failed = (error: unknown): void => endByError(look, error, 'protocol', `${url.host}, waiting for the ${look.stage}`);
  session.once('error', failed);
  session.on('error', () => {});
  session.once('close', () => failed(new Error('the connection ended')));
  // One that only says goodbye (0) answers first.
  session.once('goaway', (code) => code !== 0 && failed(new Error(`the server says GOAWAY with code ${code}`)));
  look.stage = 'head of an answer';
  const stream = session.request({
    ':method': 'POST',
    ':path': PATH,
    ':authority': url.host,
    'content-type': 'application/grpc',
    te: 'trailers',
    'user-agent': context.userAgent,
  });
  const heads: Record<string, string> = {};
  const chunks: Buffer[] = [];
  let bodyBytes = 0;
  const note = (given: Readonly<Record<string, unknown>>): void => {
    for (const name of ['grpc-status', 'grpc-message']) heads[name] ||= textOf(given[name] as string | undefined);
  };
  stream.once('response', (given) => {
    look.stage = 'end of the body';
    note(given);
    if (given[':status'] !== 200) look.fault('status', `HTTP ${given[':status']}, expected gRPC with 200`);
    else if (!textOf(given['content-type']).startsWith('application/grpc')) look.fault('protocol', 'the answer is no gRPC');
  });
  stream.once('trailers', note);
  stream.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    bodyBytes += chunk.length;
    if (bodyBytes > BODY_BYTES_MAX) look.fault('protocol', `the body exceeds ${BODY_BYTES_MAX} bytes`);
  });
  stream.once('error', failed);
  stream.on('error', () => {});
  stream.once('close', () => failed(new Error('the call ended without an answer')));
  stream.once('end', () => {
    const fault = judged(heads, Buffer.concat(chunks));
    if (fault === null) look.ok();
    else look.fault(...fault);
  });
  stream.end(checkOf(spec.service ?? ''));
};

export const grpc: ProbeKind<GrpcSpec> = {
  kind: 'grpc',
  probe: (spec, context, signal) =>
    look(context, signal, async (look) => {
      const secure = spec.url.startsWith('grpcs:');
      // Parsed by the rules of http and https, as the configuration does: only so are hosts made canonical. Their default ports are then left out.
      const url = new URL(spec.url.replace(/^grpc/, 'http'));
      const wishes = {
        ...(spec.caFile === undefined ? {} : { caFile: spec.caFile }),
        ...(spec.serverName === undefined ? {} : { serverName: spec.serverName }),
      };
      const socket = await connect(look, context, {
        host: url.hostname,
        port: Number(url.port || (secure ? 443 : 80)),
        ...(secure ? { secure: { ...wishes, alpn: 'h2' } } : {}),
      });
      if (socket === null) return;
      if (secure && (socket as TLSSocket).alpnProtocol !== 'h2') look.fault('protocol', `${url.host} does not speak HTTP/2 over TLS`);
      else exchange(look, spec, context, socket, url);
    }),
};
