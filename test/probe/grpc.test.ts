// gRPC's health protocol: what each answer means, what is no answer, and bad days. A socket or timer that is left is found in `lookAt`.
import http2 from 'node:http2';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { FaultReason, ProbeSpec } from '../../src/model.ts';
import { answerIn, checkOf } from '../../src/probe/grpc.ts';
import { HEALTH, type Says, startGrpcOrigin } from './grpc-origin.ts';
import { answer, type Certificates, type LookOptions, lookAt, makeCertificates, type Origin, startOrigin } from './origin.ts';

type GrpcSpec = Extract<ProbeSpec, { kind: 'grpc' }>;

const grpc = (port: number, more: Partial<GrpcSpec> = {}): GrpcSpec => ({ kind: 'grpc', url: `grpc://127.0.0.1:${port}`, ...more });
const grpcs = (port: number, more: Partial<GrpcSpec> = {}): GrpcSpec => grpc(port, { url: `grpcs://127.0.0.1:${port}`, ...more });
const fault = (reason: FaultReason, detail: RegExp | string) => ({
  saw: 'fault',
  reason,
  tookMs: expect.any(Number),
  detail: expect.stringMatching(detail),
});
const OK = { saw: 'ok', tookMs: expect.any(Number) };

describe('what the server says of itself', () => {
  test.each<[Says, unknown]>([
    ['SERVING', OK],
    ['NOT_SERVING', fault('status', /^NOT_SERVING, expected SERVING$/)],
    ['UNKNOWN', fault('status', /^UNKNOWN, expected SERVING$/)],
    ['SERVICE_UNKNOWN', fault('status', /^SERVICE_UNKNOWN, expected SERVING$/)],
    [5, fault('status', /^grpc-status NOT_FOUND: the server does not know the service, expected SERVING \(as it was told\)$/)],
    [16, fault('status', /^grpc-status UNAUTHENTICATED/)],
    [13, fault('status', /^grpc-status 13, expected SERVING/)],
    [null, fault('status', /^grpc-status UNIMPLEMENTED: the server does not offer grpc\.health\.v1/)],
  ])('%s', async (says, expected) => {
    await using origin = await startGrpcOrigin(says);
    expect((await lookAt(grpc(origin.port))).outcome).toEqual(expected);
  });

  test('of one service, by its name; of the server where none is given', async () => {
    await using origin = await startGrpcOrigin((service) => (service === 'orders.v1.Orders' ? 'SERVING' : 'NOT_SERVING'));
    expect((await lookAt(grpc(origin.port, { service: 'orders.v1.Orders' }))).outcome).toEqual(OK);
    expect((await lookAt(grpc(origin.port))).outcome).toMatchObject({ saw: 'fault' });
    expect(origin.asked).toEqual(['orders.v1.Orders', '']);
  });
});

describe('over TLS', () => {
  let made: Certificates;
  beforeAll(() => {
    made = makeCertificates();
  });
  afterAll(() => made[Symbol.dispose]());

  test('is verified like any other look', async () => {
    await using origin = await startGrpcOrigin('SERVING', made.good);
    const { caFile } = made;
    expect((await lookAt(grpcs(origin.port, { caFile }))).outcome).toEqual(OK);
    expect((await lookAt(grpcs(origin.port, { caFile, serverName: 'good.test' }))).outcome).toEqual(OK);
    expect((await lookAt(grpcs(origin.port, { caFile, serverName: 'other.test' }))).outcome).toEqual(fault('tls', /other\.test/));
    expect((await lookAt(grpcs(origin.port))).outcome).toMatchObject({ reason: 'tls' });
  });

  test('an expired certificate is a fault', async () => {
    await using origin = await startGrpcOrigin('SERVING', made.expired);
    expect((await lookAt(grpcs(origin.port, { caFile: made.caFile }))).outcome).toEqual(fault('tls', /expired/));
  });

  test('a server that speaks HTTP/1.1 only is no gRPC', async () => {
    const tls = { ...made.good, ALPNProtocols: ['http/1.1'] };
    await using origin = await startOrigin(answer('HTTP/1.1 200 OK\r\n\r\n'), { tls });
    expect((await lookAt(grpcs(origin.port, { caFile: made.caFile }))).outcome.saw).toBe('fault');
    await using mute = await startOrigin(answer('HTTP/1.1 200 OK\r\n\r\n'), { tls: made.good });
    expect((await lookAt(grpcs(mute.port, { caFile: made.caFile }))).outcome).toEqual(fault('protocol', /does not speak HTTP\/2 over TLS/));
  });
});

/** A server of HTTP/2 that does with a call what `behave` says. */
const startHttp2 = async (
  behave: (stream: http2.ServerHttp2Stream, session: http2.Http2Session) => void,
): Promise<Pick<Origin, 'port'> & AsyncDisposable> => {
  const sessions = new Set<http2.Http2Session>();
  const server = http2.createServer();
  server.on('session', (session) => {
    sessions.add(session);
    session.on('error', () => {});
  });
  server.on('stream', (stream: http2.ServerHttp2Stream) => {
    stream.on('error', () => {});
    if (stream.session !== undefined) behave(stream, stream.session);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    async [Symbol.asyncDispose]() {
      for (const session of sessions) session.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
};

const HEAD = { ':status': 200, 'content-type': 'application/grpc' };
const SERVING = Buffer.from('00000000020801', 'hex');
/** An answer with this body, and these trailers. */
const answers =
  (body: Buffer, trailers: http2.OutgoingHttpHeaders | null = { 'grpc-status': '0' }, head: http2.OutgoingHttpHeaders = HEAD) =>
  (stream: http2.ServerHttp2Stream): void => {
    stream.respond(head, { waitForTrailers: trailers !== null });
    stream.once('wantTrailers', () => stream.sendTrailers(trailers ?? {}));
    stream.end(body);
  };

describe('what is no answer', () => {
  test.each<[string, (stream: http2.ServerHttp2Stream, session: http2.Http2Session) => void, unknown]>([
    ['for comparison: a good one', answers(SERVING), OK],
    ['no trailers', answers(SERVING, null), fault('protocol', /without a grpc-status/)],
    ['trailers of another kind', answers(SERVING, { 'x-done': 'yes' }), fault('protocol', /without a grpc-status/)],
    ['ok without a message', answers(Buffer.alloc(0)), fault('protocol', /0 bytes are no HealthCheckResponse/)],
    ['a compressed message', answers(Buffer.from('01000000020801', 'hex')), fault('protocol', /7 bytes are no/)],
    ['two messages', answers(Buffer.concat([SERVING, SERVING])), fault('protocol', /14 bytes are no/)],
    ['a length that is a lie', answers(Buffer.from('00ffffffff0801', 'hex')), fault('protocol', /7 bytes are no/)],
    ['a status that nobody knows', answers(Buffer.from('00000000020809', 'hex')), fault('status', /^status 9, expected SERVING/)],
    ['an empty message, which is UNKNOWN', answers(Buffer.from('0000000000', 'hex')), fault('status', /^UNKNOWN/)],
    ['a proxy that says 503', answers(Buffer.from('no backend'), null, { ':status': 503 }), fault('status', /^HTTP 503, expected gRPC/)],
    ['a page', answers(Buffer.from('<html>'), null, { ':status': 200, 'content-type': 'text/html' }), fault('protocol', /no gRPC/)],
    ['a body without end', answers(Buffer.alloc(1 << 20)), fault('protocol', /body exceeds 1024 bytes/)],
    ['the call is reset', (stream) => stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR), fault('protocol', /INTERNAL_ERROR/)],
    ['the call ends without a word', (stream) => stream.close(), fault('protocol', /without a grpc-status/)],
    [
      'a message that is badly encoded',
      answers(Buffer.alloc(0), { 'grpc-status': '14', 'grpc-message': '%zz' }),
      fault('status', /^grpc-status UNAVAILABLE, expected SERVING \(%zz\)$/),
    ],
    [
      'goodbye with a reason',
      (_, session) => session.goaway(http2.constants.NGHTTP2_ENHANCE_YOUR_CALM),
      fault('protocol', /GOAWAY with code 11/),
    ],
    [
      'the connection ends',
      (_, session) => session.destroy(),
      { saw: 'fault', reason: expect.any(String), tookMs: expect.any(Number), detail: expect.any(String) },
    ],
    ['a head, and then nothing', (stream) => stream.respond(HEAD), fault('timeout', /no end of the body within 300 ms/)],
    ['nothing', () => {}, fault('timeout', /no head of an answer within 300 ms/)],
  ])('%s', async (_, behave, expected) => {
    await using origin = await startHttp2(behave);
    expect((await lookAt(grpc(origin.port), { timeoutMs: 300 })).outcome).toEqual(expected);
  });

  test('goodbye without a reason: the answer still counts', async () => {
    await using origin = await startHttp2((stream, session) => {
      session.goaway();
      answers(SERVING)(stream);
    });
    expect((await lookAt(grpc(origin.port))).outcome).toEqual(OK);
  });
});

describe('below HTTP/2', () => {
  const frame = (type: number, payload: Buffer, flags = 0, stream = 0): Buffer => {
    const head = Buffer.alloc(9);
    head.writeUIntBE(payload.length, 0, 3);
    head.writeUInt8(type, 3);
    head.writeUInt8(flags, 4);
    head.writeUInt32BE(stream, 5);
    return Buffer.concat([head, payload]);
  };
  const SETTINGS = frame(4, Buffer.alloc(0));
  const short: LookOptions = { timeoutMs: 400 };
  const faults = async (bytes: string | Buffer, options = short) => {
    await using origin = await startOrigin(answer(bytes));
    const { outcome } = await lookAt(grpc(origin.port), options);
    expect(outcome.saw).toBe('fault');
    return outcome;
  };

  test('a server of HTTP/1.1', async () => {
    expect(await faults('HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n')).toMatchObject({ reason: 'protocol' });
  });

  test('garbage', async () => {
    expect(await faults(Buffer.alloc(4096, 0xff))).toMatchObject({ reason: 'protocol' });
  });

  test('heads that never end are cut off before the deadline', async () => {
    const more = frame(9, Buffer.alloc(16_000, 0x40), 0, 1);
    const outcome = await faults(
      Buffer.concat([SETTINGS, frame(1, Buffer.alloc(1, 0x88), 0, 1), ...Array.from({ length: 200 }, () => more)]),
    );
    expect(outcome).not.toMatchObject({ reason: 'timeout' });
  });

  test('settings and pings without end are no reason to wait longer', async () => {
    const flood = Buffer.concat([SETTINGS, ...Array.from({ length: 20_000 }, () => frame(6, Buffer.alloc(8)))]);
    const { tookMs } = (await faults(flood)) as { tookMs: number };
    expect(tookMs).toBeLessThan(2000);
  });

  test('an end in mid-frame', async () => {
    await using origin = await startOrigin((socket) =>
      socket.once('data', () => socket.end(Buffer.concat([SETTINGS, Buffer.from([0, 0, 50])]))),
    );
    expect((await lookAt(grpc(origin.port), short)).outcome.saw).toBe('fault');
  });

  test('a reset is one', async () => {
    await using origin = await startOrigin((socket) => socket.once('data', () => socket.resetAndDestroy()));
    expect((await lookAt(grpc(origin.port), short)).outcome).toEqual(fault('reset', /ECONNRESET/));
  });

  test('a look that is stopped in the middle is no evidence and leaves nothing', async () => {
    const stop = new AbortController();
    await using origin = await startHttp2(() => stop.abort());
    const { outcome, sockets } = await lookAt(grpc(origin.port), { signal: stop.signal });
    expect([outcome.saw, sockets.length]).toEqual(['nothing', 1]);
  });
});

describe('the two messages', () => {
  const { Check } = HEALTH as unknown as Record<
    'Check',
    { requestDeserialize(bytes: Buffer): unknown; responseSerialize(value: unknown): Buffer }
  >;
  const framed = (message: Buffer): Buffer => {
    const head = Buffer.alloc(5);
    head.writeUInt32BE(message.length, 1);
    return Buffer.concat([head, message]);
  };

  test('the question is read by others as it was meant', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 100, unit: 'grapheme-ascii' }), (service) => {
        expect(Check.requestDeserialize(checkOf(service).subarray(5))).toEqual({ service });
      }),
    );
  });

  test('the answer of others is read as it was meant, with fields that nobody knows around it', () => {
    const unknown = fc.constantFrom('', '1003', '120161', '1d00000000', '190000000000000000', '120161100312026161');
    fc.assert(
      fc.property(fc.constantFrom('UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'), unknown, unknown, (status, before, after) => {
        const message = Buffer.concat([Buffer.from(before, 'hex'), Check.responseSerialize({ status }), Buffer.from(after, 'hex')]);
        expect(answerIn(framed(message))).toBe(status);
      }),
    );
  });

  test('any bytes are an answer or none, and never SERVING by mistake of their length', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        const said = answerIn(Buffer.from(bytes));
        if (said === 'SERVING') expect([bytes[0], Buffer.from(bytes).readUInt32BE(1)]).toEqual([0, bytes.length - 5]);
        else expect(said === null || typeof said === 'string').toBe(true);
      }),
    );
  });
});
