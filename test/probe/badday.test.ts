// Bad days, each its own test: what a probe says of it, that it ends within its deadline, and (in `lookAt`) that no socket and no timer is left.
import { existsSync, readFileSync } from 'node:fs';
import net from 'node:net';
import { networkInterfaces } from 'node:os';
import { setImmediate as immediate } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { FaultReason, ProbeSpec } from '../../src/model.ts';
import { answer, type Certificates, deadPort, type LookOptions, lookAt, makeCertificates, startOrigin } from './origin.ts';

type HttpSpec = Extract<ProbeSpec, { kind: 'http' }>;

const http = (port: number, more: Partial<HttpSpec> = {}): HttpSpec => ({
  kind: 'http',
  url: `http://127.0.0.1:${port}/healthz`,
  status: [[200, 299]],
  ...more,
});

/** One look at a server that behaves so. */
const lookAtOrigin = async (behave: (socket: net.Socket) => void, more: Partial<HttpSpec> = {}, options?: LookOptions) => {
  await using origin = await startOrigin(behave);
  const looked = await lookAt(http(origin.port, more), options);
  return { ...looked, accepted: origin.accepted(), received: origin.received() };
};

const fault = (reason: FaultReason, detail: RegExp | string = /./) => ({
  saw: 'fault',
  reason,
  tookMs: expect.any(Number),
  detail: expect.stringMatching(detail),
});
const OK = { saw: 'ok', tookMs: expect.any(Number) };

/** Writes `chunk` for as long as somebody reads. */
const pour = async (socket: net.Socket, chunk: Buffer): Promise<void> => {
  while (!socket.destroyed && socket.writable) {
    if (socket.write(chunk)) await immediate();
    else await new Promise<void>((resolve) => socket.once('drain', resolve).once('close', () => resolve()));
  }
};

const drip = (socket: net.Socket, text: string, everyMs: number): void => {
  let at = 0;
  const timer = setInterval(() => socket.write(text[at++ % text.length] as string), everyMs);
  socket.once('close', () => clearInterval(timer));
};

describe('a good day, for comparison', () => {
  test('a 200 is ok, and the request says who asks, on a connection of its own', async () => {
    const { outcome, received } = await lookAtOrigin(answer('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'));
    expect(outcome).toEqual(OK);
    expect(received).toMatch(/^GET \/healthz HTTP\/1\.1\r\n/);
    expect(received).toMatch(/\r\nhost: 127\.0\.0\.1:\d+\r\n/);
    expect(received).toContain('\r\nconnection: close\r\n');
    expect(received).toContain('\r\nuser-agent: tidegate-probe/0.0.0 (+region=test)\r\n');
    expect(received).toContain('\r\naccept-encoding: identity\r\n');
  });

  test('each look opens a connection even when the server would keep one alive', async () => {
    await using origin = await startOrigin(answer('HTTP/1.1 200 OK\r\nconnection: keep-alive\r\ncontent-length: 0\r\n\r\n'));
    for (let look = 0; look < 3; look += 1) expect((await lookAt(http(origin.port))).outcome).toEqual(OK);
    expect(origin.accepted()).toBe(3);
  });

  test('a 204 without a body is ok; with a text to find it is a body fault', async () => {
    const behave = answer('HTTP/1.1 204 No Content\r\n\r\n');
    expect((await lookAtOrigin(behave)).outcome).toEqual(OK);
    expect((await lookAtOrigin(behave, { bodyIncludes: 'ready' })).outcome).toEqual(fault('body', /first 0 bytes/));
  });

  test('HTTP/1.0 without a length ends when the server closes', async () => {
    const { outcome } = await lookAtOrigin((socket) => socket.once('data', () => socket.end('HTTP/1.0 200 OK\r\n\r\nall is ready')), {
      bodyIncludes: 'ready',
    });
    expect(outcome).toEqual(OK);
  });

  test('a text is found across chunks', async () => {
    const { outcome } = await lookAtOrigin(
      answer('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nrea\r\n2\r\ndy\r\n0\r\n\r\n'),
      { bodyIncludes: 'ready' },
    );
    expect(outcome).toEqual(OK);
  });

  test('103 early hints before the answer are skipped', async () => {
    const { outcome } = await lookAtOrigin(
      answer('HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n'),
    );
    expect(outcome).toEqual(OK);
  });

  test('a tcp probe is ok when something accepts', async () => {
    await using origin = await startOrigin(() => {});
    expect((await lookAt({ kind: 'tcp', url: `tcp://127.0.0.1:${origin.port}` })).outcome).toEqual(OK);
  });
});

describe('connecting', () => {
  test.skipIf(!existsSync('/proc/net/tcp'))('a hundred probes leave no TIME_WAIT behind', async () => {
    await using origin = await startOrigin(answer('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n'));
    const remote = `:${origin.port.toString(16).toUpperCase().padStart(4, '0')}`;
    /** Local ends of connections to that port number that wait. Others on this machine may have had the number a moment before us. */
    const waiting = (): readonly string[] =>
      readFileSync('/proc/net/tcp', 'utf8')
        .split('\n')
        .map((line) => line.trim().split(/\s+/))
        .flatMap(([, from = '', to, state]) => (to?.endsWith(remote) && state === '06' ? [from] : []));
    const before = waiting();
    for (let look = 0; look < 50; look += 1) {
      expect((await lookAt(http(origin.port))).outcome).toEqual(OK);
      expect((await lookAt({ kind: 'tcp', url: `tcp://127.0.0.1:${origin.port}` })).outcome).toEqual(OK);
    }
    expect(waiting().filter((from) => !before.includes(from))).toEqual([]);
  });

  test('out of descriptors, ports or memory is our own trouble', async () => {
    for (const code of ['EMFILE', 'EADDRNOTAVAIL', 'ENOBUFS', 'EPERM']) {
      const broken = () => new net.Socket().destroy(Object.assign(new Error(`connect ${code}`), { code }));
      const { outcome } = await lookAt(http(80), { tcp: broken });
      expect(outcome).toEqual({ saw: 'nothing', detail: `${code} at 127.0.0.1 port 80: our own limits or network` });
    }
  });

  test('no route to the host is a fault', async () => {
    const broken = () => new net.Socket().destroy(Object.assign(new Error('connect EHOSTUNREACH'), { code: 'EHOSTUNREACH' }));
    expect((await lookAt(http(80), { tcp: broken })).outcome).toEqual(fault('unreachable', /^EHOSTUNREACH/));
  });

  test('connection refused, http and tcp', async () => {
    const port = await deadPort();
    expect((await lookAt(http(port))).outcome).toEqual(fault('refused', /ECONNREFUSED at 127\.0\.0\.1/));
    expect((await lookAt({ kind: 'tcp', url: `tcp://127.0.0.1:${port}` })).outcome).toEqual(fault('refused'));
  });

  test('reset after accept', async () => {
    const { outcome } = await lookAtOrigin((socket) => socket.once('data', () => socket.resetAndDestroy()));
    expect(outcome).toEqual(fault('reset', /ECONNRESET/));
  });

  test('an empty reply', async () => {
    const { outcome } = await lookAtOrigin((socket) => socket.once('data', () => socket.end()));
    expect(outcome).toEqual(fault('protocol', /closed at .*, waiting for the head of an answer/));
  });

  test('the look is stopped from outside: no evidence, nothing left open', async () => {
    const controller = new AbortController();
    const { outcome, tookMs } = await lookAtOrigin(
      (socket) => socket.once('data', () => controller.abort()),
      {},
      {
        timeoutMs: 10_000,
        signal: controller.signal,
      },
    );
    expect(outcome).toEqual({ saw: 'nothing', detail: 'the look was stopped' });
    expect(tookMs).toBeLessThan(5000);
    expect((await lookAt(http(1), { signal: controller.signal })).outcome).toEqual({ saw: 'nothing', detail: 'the look was stopped' });
  });
});

describe('answers that never end', () => {
  test('a server that accepts and says nothing', async () => {
    const { outcome, tookMs } = await lookAtOrigin(() => {});
    expect(outcome).toEqual(fault('timeout', 'no head of an answer within 1000 ms'));
    expect(tookMs).toBeGreaterThanOrEqual(1000);
  });

  test('slow headers, one byte per 100 ms', async () => {
    const { outcome, tookMs } = await lookAtOrigin((socket) => drip(socket, 'HTTP/1.1 200 OK\r\nx: yyyyyyyyyyyyyyyyyyy', 100));
    expect(outcome).toEqual(fault('timeout', 'no head of an answer'));
    expect(tookMs).toBeGreaterThanOrEqual(1000);
  });

  test('a slow body', async () => {
    const { outcome } = await lookAtOrigin((socket) => {
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n');
      drip(socket, 'x', 100);
    });
    expect(outcome).toEqual(fault('timeout', 'no end of the body'));
  });

  test('an endless body is cut at 64 KiB: ok by its status, or by a text within', async () => {
    const behave = (socket: net.Socket): void => {
      socket.write('HTTP/1.0 200 OK\r\n\r\nready');
      void pour(socket, Buffer.alloc(16_384, 'x'));
    };
    const { outcome, sockets } = await lookAtOrigin(behave);
    expect(outcome).toEqual(OK);
    expect(sockets[0]?.bytesRead).toBeLessThan(1024 * 1024);
    expect((await lookAtOrigin(behave, { bodyIncludes: 'ready' })).outcome).toEqual(OK);
    expect((await lookAtOrigin(behave, { bodyIncludes: 'steady' })).outcome).toEqual(fault('body', /first 65536 bytes/));
  });

  test('a body that stalls past 64 KiB is not waited for', async () => {
    const behave = answer(`HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n${'x'.repeat(65_537)}`);
    const { outcome, tookMs } = await lookAtOrigin(behave, {}, { timeoutMs: 10_000 });
    expect(outcome).toEqual(OK);
    expect(tookMs).toBeLessThan(5000);
  });

  test('a text past 64 KiB is not found', async () => {
    const body = `${'x'.repeat(65_535)}ready`;
    const { outcome } = await lookAtOrigin(answer(`HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`), {
      bodyIncludes: 'ready',
    });
    expect(outcome).toEqual(fault('body'));
  });

  test('a 10 GB body announced by content-length', async () => {
    const { outcome, sockets } = await lookAtOrigin((socket) => {
      socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${10 * 1024 ** 3}\r\n\r\n`);
      void pour(socket, Buffer.alloc(65_536, 'x'));
    });
    expect(outcome).toEqual(OK);
    expect(sockets[0]?.bytesRead).toBeLessThan(1024 * 1024);
  });

  test('a header of 1 MB', async () => {
    const { outcome, sockets } = await lookAtOrigin(answer(`HTTP/1.1 200 OK\r\nx-big: ${'y'.repeat(1024 * 1024)}\r\n\r\n`));
    expect(outcome).toEqual(fault('protocol', /the head exceeds 16384 bytes/));
    expect(sockets[0]?.bytesRead).toBeLessThan(512 * 1024);
  });

  test('endless small headers, an endless reason phrase, endless interim answers: the head is bounded however it grows', async () => {
    const floods = [
      ['HTTP/1.1 200 OK\r\n', 'x-a: y\r\n'],
      ['HTTP/1.1 200 ', 'O'],
      ['', 'HTTP/1.1 103 Early Hints\r\n\r\n'],
    ] as const;
    for (const [start, more] of floods) {
      const { outcome, sockets } = await lookAtOrigin(
        (socket) => {
          socket.write(start);
          void pour(socket, Buffer.from(more.repeat(1000)));
        },
        {},
        { timeoutMs: 3000 },
      );
      expect(outcome).toEqual(fault('protocol', /the head exceeds 16384 bytes/));
      expect(sockets[0]?.bytesRead).toBeLessThan(512 * 1024);
    }
  });

  test('an endless chunk extension is not the body, and is bounded too', async () => {
    const { sockets, tookMs } = await lookAtOrigin(
      (socket) => {
        socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;x=');
        void pour(socket, Buffer.alloc(1000, 'y'));
      },
      { bodyIncludes: 'ready' },
      { timeoutMs: 3000 },
    );
    expect(tookMs).toBeLessThan(3000);
    expect(sockets[0]?.bytesRead).toBeLessThan(1024 * 1024);
  });

  test('100 Continue or 103, then nothing', async () => {
    const hints = await lookAtOrigin(answer('HTTP/1.1 103 Early Hints\r\n\r\n'));
    expect(hints.outcome).toEqual(fault('timeout', 'no head of an answer'));
    const carryOn = await lookAtOrigin(answer('HTTP/1.1 100 Continue\r\n\r\n'));
    expect(carryOn.outcome).toEqual(fault('protocol'));
  });
});

describe('answers that are wrong', () => {
  test('a status outside the ranges, decided by the head alone', async () => {
    const { outcome, tookMs } = await lookAtOrigin(
      answer('HTTP/1.1 503 Service Unavailable\r\ncontent-length: 1000\r\n\r\n'),
      {},
      {
        timeoutMs: 10_000,
      },
    );
    expect(outcome).toEqual(fault('status', '^503, expected 200-299$'));
    expect(tookMs).toBeLessThan(5000);
    const teapot = await lookAtOrigin(answer('HTTP/1.1 418 Teapot\r\ncontent-length: 0\r\n\r\n'), {
      status: [
        [200, 299],
        [418, 418],
      ],
    });
    expect(teapot.outcome).toEqual(OK);
  });

  test('a redirect loop is not followed', async () => {
    const { outcome, accepted } = await lookAtOrigin(answer('HTTP/1.1 302 Found\r\nlocation: /healthz\r\ncontent-length: 0\r\n\r\n'));
    expect(outcome).toEqual(fault('status', /^302 \(redirects are not followed\)/));
    expect(accepted).toBe(1);
  });

  test('a body without the text; its content is not repeated', async () => {
    const { outcome } = await lookAtOrigin(answer('HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nsecret'), { bodyIncludes: 'ready' });
    expect(outcome).toEqual(fault('body', 'the expected text is not in the first 6 bytes'));
    expect(JSON.stringify(outcome)).not.toContain('secret');
  });

  test('a gzip bomb is not decoded', async () => {
    const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024, 'x'));
    const head = `HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: ${bomb.length}\r\n\r\n`;
    const { outcome } = await lookAtOrigin(answer(Buffer.concat([Buffer.from(head), bomb])), { bodyIncludes: 'xxxxxxxxxx' });
    expect(outcome).toEqual(fault('body'));
  });

  test('garbage instead of HTTP', async () => {
    const { outcome } = await lookAtOrigin(answer('SSH-2.0-OpenSSH_9.2\r\n\x00\x01\x02'));
    expect(outcome).toEqual(fault('protocol'));
    expect((outcome as { detail: string }).detail).not.toContain('OpenSSH');
  });

  test('chunked garbage', async () => {
    const { outcome } = await lookAtOrigin(answer('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nhello\r\n'));
    expect(outcome).toEqual(fault('protocol'));
  });

  test('a body shorter than announced, and one cut within a chunk', async () => {
    const short = await lookAtOrigin((socket) =>
      socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf')),
    );
    expect(short.outcome).toEqual(fault('protocol'));
    const cut = await lookAtOrigin((socket) =>
      socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\na\r\nhalf')),
    );
    expect(cut.outcome).toEqual(fault('protocol'));
  });

  test('an upgrade nobody asked for', async () => {
    const { outcome } = await lookAtOrigin(answer('HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n'));
    expect(outcome).toEqual(fault('protocol'));
  });
});

describe('TLS', () => {
  let certificates: Certificates;
  beforeAll(() => {
    certificates = makeCertificates();
  });
  afterAll(() => certificates[Symbol.dispose]());

  const GOOD = 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n';
  const at127 = (): Promise<{ addresses: string[]; stale: null }> => Promise.resolve({ addresses: ['127.0.0.1'], stale: null });
  const lookAtTls = async (host: string, pair: { key: string; cert: string }, more: Partial<HttpSpec> = {}) => {
    let sni: string | false | undefined;
    await using origin = await startOrigin(answer(GOOD), {
      tls: {
        ...pair,
        SNICallback: (name, done) => {
          sni = name;
          done(null);
        },
      },
    });
    const { outcome } = await lookAt(
      { kind: 'http', url: `https://${host}:${origin.port}/`, status: [[200, 299]], caFile: certificates.caFile, ...more },
      { resolve: at127, timeoutMs: 3000, connectTimeoutMs: 2000 },
    );
    return { outcome, sni };
  };

  test('a good certificate is ok: by name with SNI, by address without', async () => {
    expect(await lookAtTls('good.test', certificates.good)).toEqual({ outcome: OK, sni: 'good.test' });
    expect(await lookAtTls('127.0.0.1', certificates.good)).toEqual({ outcome: OK, sni: undefined });
    expect(await lookAtTls('127.0.0.1', certificates.good, { serverName: 'good.test' })).toEqual({ outcome: OK, sni: 'good.test' });
  });

  test('a wrong name', async () => {
    expect((await lookAtTls('other.test', certificates.good)).outcome).toEqual(fault('tls', /altnames/));
    expect((await lookAtTls('127.0.0.1', certificates.good, { serverName: 'other.test' })).outcome).toEqual(fault('tls', /altnames/));
  });

  test('an expired certificate', async () => {
    expect((await lookAtTls('good.test', certificates.expired)).outcome).toEqual(fault('tls', /expired/));
  });

  test('a self-signed certificate, and an authority the system does not know', async () => {
    expect((await lookAtTls('good.test', certificates.selfSigned)).outcome).toEqual(fault('tls', /self-signed/));
    await using origin = await startOrigin(answer(GOOD), { tls: certificates.good });
    const spec: ProbeSpec = { kind: 'http', url: `https://127.0.0.1:${origin.port}/`, status: [[200, 299]] };
    expect((await lookAt(spec)).outcome).toEqual(fault('tls'));
  });

  test('a handshake that stalls', async () => {
    await using origin = await startOrigin(() => {});
    const spec: ProbeSpec = { kind: 'http', url: `https://127.0.0.1:${origin.port}/`, status: [[200, 299]] };
    const { outcome, tookMs } = await lookAt(spec, { connectTimeoutMs: 300 });
    expect(outcome).toEqual(fault('timeout', 'no TLS handshake within 1000 ms'));
    expect(tookMs).toBeGreaterThanOrEqual(1000);
  });

  test('plain HTTP where TLS was expected; a connection closed in the handshake', async () => {
    await using plain = await startOrigin(answer('HTTP/1.1 400 Bad Request\r\n\r\n'));
    expect((await lookAt({ kind: 'http', url: `https://127.0.0.1:${plain.port}/`, status: [[200, 299]] })).outcome).toEqual(
      fault('tls', /^ERR_SSL_WRONG_VERSION_NUMBER/),
    );
    await using closing = await startOrigin((socket) => socket.once('data', () => socket.end()));
    expect((await lookAt({ kind: 'http', url: `https://127.0.0.1:${closing.port}/`, status: [[200, 299]] })).outcome).toEqual(
      fault('reset'),
    );
  });

  test('a file of authorities that cannot be read is our own trouble', async () => {
    const { outcome, sockets } = await lookAt({
      kind: 'http',
      url: 'https://127.0.0.1:1/',
      status: [[200, 299]],
      caFile: '/nonexistent/ca.pem',
    });
    expect(outcome).toEqual({ saw: 'nothing', detail: expect.stringContaining('authorities cannot be loaded') });
    expect(sockets).toEqual([]);
  });
});

describe('names', () => {
  const named = (port: number): ProbeSpec => ({ kind: 'http', url: `http://app.test:${port}/`, status: [[200, 299]] });
  const GOOD = answer('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n');

  test('NXDOMAIN or SERVFAIL of a name that never resolved is no evidence', async () => {
    for (const rcode of ['NXDOMAIN', 'SERVFAIL']) {
      for (const resolve of [() => Promise.resolve({ addresses: [], stale: rcode }), () => Promise.reject(new Error(rcode))]) {
        const { outcome, sockets } = await lookAt(named(80), { resolve });
        expect(outcome).toEqual({ saw: 'nothing', detail: `no address was ever resolved for app.test: ${rcode}` });
        expect(sockets).toEqual([]);
      }
    }
  });

  test('SERVFAIL after a good answer: the last good address is looked at, and a fault says so', async () => {
    const resolve = () => Promise.resolve({ addresses: ['127.0.0.1'], stale: 'SERVFAIL' });
    await using origin = await startOrigin(GOOD);
    expect((await lookAt(named(origin.port), { resolve })).outcome).toEqual(OK);
    expect((await lookAt(named(await deadPort()), { resolve })).outcome).toEqual(fault('refused', /last good address: SERVFAIL/));
  });

  test('a resolver that never answers is no evidence, and is bounded by the same deadline', async () => {
    const { outcome, tookMs } = await lookAt(named(80), { resolve: () => new Promise(() => {}) });
    expect(outcome).toEqual({ saw: 'nothing', detail: 'name not resolved within 1000 ms' });
    expect(tookMs).toBeGreaterThanOrEqual(1000);
  });

  test('an answer that comes after the deadline opens no socket', async () => {
    let late: (resolved: { addresses: string[]; stale: null }) => void = () => {};
    const { sockets } = await lookAt(named(80), {
      timeoutMs: 50,
      resolve: () =>
        new Promise((resolve) => {
          late = resolve;
        }),
    });
    late({ addresses: ['127.0.0.1'], stale: null });
    await immediate();
    expect(sockets).toEqual([]);
  });

  test('changing answers are followed from look to look', async () => {
    await using origin = await startOrigin(GOOD);
    let address = '127.0.0.1';
    const resolve = () => Promise.resolve({ addresses: [address], stale: null });
    expect((await lookAt(named(origin.port), { resolve })).outcome).toEqual(OK);
    address = '127.0.0.9';
    expect((await lookAt(named(origin.port), { resolve })).outcome).toEqual(fault('refused', /127\.0\.0\.9/));
  });

  const hasIpv6 = networkInterfaces().lo?.some(({ address }) => address === '::1') === true;
  test.skipIf(!hasIpv6)('a name with an AAAA only; an IPv6 literal', async () => {
    await using origin = await startOrigin(GOOD, { host: '::1' });
    const resolve = () => Promise.resolve({ addresses: ['::1'], stale: null });
    expect((await lookAt(named(origin.port), { resolve })).outcome).toEqual(OK);
    expect((await lookAt({ kind: 'http', url: `http://[::1]:${origin.port}/`, status: [[200, 299]] })).outcome).toEqual(OK);
  });

  test('an address that refuses at once gives way to the next of the same name', async () => {
    await using origin = await startOrigin(GOOD);
    const resolve = () => Promise.resolve({ addresses: ['127.0.0.9', '127.0.0.1'], stale: null });
    const { outcome, sockets } = await lookAt(named(origin.port), { resolve });
    expect(outcome).toEqual(OK);
    expect(sockets).toHaveLength(2);
  });
});
