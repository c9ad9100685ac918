import { describe, expect, test } from 'vitest';
import { encodeQuery } from '../../src/dns/codec.ts';
import { exchange, exchangeAll, frames, PIPELINE_MAX, query, serverText } from '../../src/dns/exchange.ts';
import { Fault } from '../../src/errors.ts';
import { type Ports, realPorts } from '../../src/ports.ts';
import { type Act, type Asked, addresses, framed, replyTo, startFakeDns } from './fake-dns.ts';

/** Ports that know whether everything they opened was closed again. */
const watchedPorts = (): { ports: Ports; open(): number; opened: () => number } => {
  const real = realPorts();
  let opened = 0;
  let open = 0;
  const watch = <S extends { once(event: 'close', fn: () => void): unknown }>(socket: S): S => {
    opened++;
    open++;
    socket.once('close', () => open--);
    return socket;
  };
  const net = {
    ...real.net,
    tcp: (to: { host: string; port: number }) => watch(real.net.tcp(to)),
    udp: (family: 'udp4' | 'udp6') => watch(real.net.udp(family)),
  };
  return { ports: { ...real, net }, open: () => open, opened: () => opened };
};

const LONG_MS = 20_000;
const PATIENT = { timeout: 10_000, interval: 5 };
const web = (id = 7) => encodeQuery({ id, name: 'web.test', type: 'A', recursionDesired: true });

/** Runs `story` against a server that acts so, and holds it to leaving no socket open. */
const withServer = async (
  act: (asked: Asked) => Act,
  story: (options: { ports: Ports; server: { host: string; port: number }; timeoutMs: number }, asked: Asked[]) => Promise<void>,
): Promise<void> => {
  const watched = watchedPorts();
  await using server = await startFakeDns(act);
  await story({ ports: watched.ports, server, timeoutMs: LONG_MS }, server.asked);
  expect(watched.opened()).toBeGreaterThan(0);
  await expect.poll(watched.open, PATIENT).toBe(0);
};

const good = (asked: Asked): Buffer => addresses(asked, 30, '192.0.2.1', '2001:db8::1');

describe('over UDP', () => {
  test('a question is answered', () =>
    withServer(
      (asked) => [good(asked)],
      async (options, asked) => {
        const reply = await query({ ...options, name: 'web.test', type: 'AAAA', recursionDesired: true });
        expect(reply).toMatchObject({ rcode: 'NOERROR', answers: [{ name: 'web.test', type: 'AAAA', ttlS: 30, data: '2001:db8::1' }] });
        expect(asked).toMatchObject([{ over: 'udp', name: 'web.test', type: 'AAAA' }]);
      },
    ));

  test('ids differ from question to question', () =>
    withServer(
      (asked) => [good(asked)],
      async (options, asked) => {
        for (let n = 0; n < 8; n++) await query({ ...options, name: 'web.test', type: 'A', recursionDesired: true });
        expect(new Set(asked.map((some) => some.request.readUInt16BE(0))).size).toBeGreaterThan(4);
      },
    ));

  test('strays are ignored: another id, another question, garbage, nothing; then the reply counts', () =>
    withServer(
      (asked) => {
        const wrongId = good(asked);
        wrongId.writeUInt16BE(wrongId.readUInt16BE(0) ^ 1, 0);
        return [
          wrongId,
          addresses({ ...asked, request: web(asked.request.readUInt16BE(0)), name: 'web.test' }, 1),
          Buffer.from('junk'),
          Buffer.alloc(0),
          good(asked),
        ];
      },
      async (options) => {
        const reply = await query({ ...options, name: 'www.test', type: 'A', recursionDesired: true });
        expect(reply.answers).toMatchObject([{ name: 'www.test', data: '192.0.2.1' }]);
      },
    ));

  test('datagrams of another sender never count', async () => {
    const packet = web();
    await withServer(
      () => [],
      async (options, asked) => {
        const forged = realPorts().net.udp('udp4');
        let from = 0;
        const net: Ports['net'] = {
          ...options.ports.net,
          udp: (family) => {
            const socket = options.ports.net.udp(family);
            socket.once('connect', () => {
              from = socket.address().port;
            });
            return socket;
          },
        };
        const waiting = exchange({ ...options, ports: { ...options.ports, net }, packet, timeoutMs: 700 });
        const outcome = expect(waiting).rejects.toThrow('no answer within 700 ms');
        await expect.poll(() => asked.length, PATIENT).toBe(1);
        forged.send(replyTo(packet), from, '127.0.0.1');
        await outcome;
        forged.close();
      },
    );
  });

  test('a truncated reply is asked for again over TCP', () =>
    withServer(
      (asked) => [asked.over === 'udp' ? replyTo(asked.request, { truncated: true }) : good(asked)],
      async (options, asked) => {
        const reply = await query({ ...options, name: 'web.test', type: 'A', recursionDesired: true });
        expect(reply).toMatchObject({ truncated: false, answers: [{ data: '192.0.2.1' }] });
        expect(asked.map((some) => some.over)).toEqual(['udp', 'tcp']);
      },
    ));

  test('a closed port is told at once, long before the deadline', async () => {
    const watched = watchedPorts();
    let server: { host: string; port: number };
    {
      await using gone = await startFakeDns(() => []);
      server = { host: gone.host, port: gone.port };
    }
    for (const transport of ['udp', 'tcp'] as const) {
      const attempt = exchange({ ports: watched.ports, server, packet: web(), timeoutMs: LONG_MS, transport });
      await expect(attempt).rejects.toThrow(/^DNS server 127\.0\.0\.1:\d+: .*ECONNREFUSED/);
    }
    await expect.poll(watched.open, PATIENT).toBe(0);
  });

  test('a malformed reply to the right question is a Fault', () =>
    withServer(
      (asked) => [Buffer.concat([good(asked), Buffer.of(1)])],
      async (options) => {
        const attempt = query({ ...options, name: 'web.test', type: 'A', recursionDesired: true });
        await expect(attempt).rejects.toThrow(Fault);
        await expect(attempt).rejects.toThrow('1 bytes follow the last record');
      },
    ));
});

describe('deadline and abort', () => {
  test('silence ends at the deadline, on either transport, named with its server', () =>
    withServer(
      () => [],
      async (options) => {
        for (const transport of ['udp', 'tcp'] as const) {
          const attempt = exchange({ ...options, packet: web(), timeoutMs: 50, transport });
          await expect(attempt).rejects.toThrow(`DNS server ${serverText(options.server)}: no answer within 50 ms`);
          await expect(attempt).rejects.toBeInstanceOf(Fault);
        }
      },
    ));

  test('one deadline covers UDP and the TCP that follows it', () =>
    withServer(
      (asked) => (asked.over === 'udp' ? [replyTo(asked.request, { truncated: true })] : []),
      async (options, asked) => {
        await expect(exchange({ ...options, packet: web(), timeoutMs: 1500 })).rejects.toThrow('no answer within 1500 ms');
        expect(asked.map((some) => some.over)).toEqual(['udp', 'tcp']);
      },
    ));

  test("the caller's abort ends it with the caller's reason, before and during", () =>
    withServer(
      () => [],
      async (options, asked) => {
        const packet = web();
        await expect(exchange({ ...options, packet, signal: AbortSignal.abort(new Error('stopping')) })).rejects.toThrow(/^stopping$/);
        for (const [n, transport] of (['udp', 'tcp'] as const).entries()) {
          const controller = new AbortController();
          const attempt = exchange({ ...options, packet, transport, signal: controller.signal });
          const outcome = expect(attempt).rejects.toThrow(/^stopping$/);
          await expect.poll(() => asked.length, PATIENT).toBe(n + 1);
          controller.abort(new Error('stopping'));
          await outcome;
        }
      },
    ));

  test('a host that is a name is refused, since nobody here resolves it', async () => {
    const attempt = exchange({ ports: realPorts(), server: { host: 'localhost', port: 53 }, packet: web(), timeoutMs: 1000 });
    await expect(attempt).rejects.toThrow('DNS server localhost:53: the host must be an IP address');
  });
});

describe('over TCP', () => {
  test('several questions share a connection and get their own replies, whatever the order', () => {
    const held: Buffer[] = [];
    return withServer(
      (asked) => {
        held.push(addresses(asked, asked.request.readUInt16BE(0), '192.0.2.1'));
        return held.length < 5 ? [] : held.toReversed();
      },
      async (options, asked) => {
        const packets = [9, 3, 7, 1, 5].map((id) => web(id));
        const replies = await exchangeAll({ ...options, packets });
        expect(replies.map((reply) => reply.readUInt16BE(0))).toEqual([9, 3, 7, 1, 5]);
        expect(asked.map((some) => some.over)).toEqual(Array(5).fill('tcp'));
      },
    );
  });

  test('no packets, no connection; too many or equal ids are our bug', async () => {
    const none = watchedPorts();
    const options = { ports: none.ports, server: { host: '127.0.0.1', port: 1 }, timeoutMs: 1000 };
    expect(await exchangeAll({ ...options, packets: [] })).toEqual([]);
    expect(none.opened()).toBe(0);
    await expect(exchangeAll({ ...options, packets: [web(1), web(1)] })).rejects.toThrow('2 messages at once, 1 ids');
    await expect(exchangeAll({ ...options, packets: Array.from({ length: PIPELINE_MAX + 1 }, (_, id) => web(id)) })).rejects.toThrow(
      'at most 300',
    );
  });

  test('a reply to something not asked, a reset and an early end are Faults', async () => {
    for (const [act, message] of [
      [(asked: Asked) => [replyTo(web(8)), good(asked)], 'something that was not asked'],
      [(asked: Asked) => [Buffer.alloc(3), good(asked)], 'shorter than a header'],
      [() => 'reset' as const, /ECONNRESET|connection closed after 0 of 1/],
    ] as const) {
      await withServer(act, async (options) => {
        const attempt = exchange({ ...options, packet: web(), transport: 'tcp' });
        await expect(attempt).rejects.toThrow(message);
        await expect(attempt).rejects.toBeInstanceOf(Fault);
      });
    }
  });

  test('the same reply twice does not stand for two replies', () =>
    withServer(
      (asked) => (asked.n === 1 ? [good(asked), good(asked)] : []),
      async (options) => {
        await expect(exchangeAll({ ...options, packets: [web(1), web(2)] })).rejects.toThrow('something that was not asked');
      },
    ));

  test('a stream is cut into the same messages however it arrives', () => {
    const messages = [Buffer.from('a'), Buffer.alloc(0), Buffer.alloc(65_535, 7), Buffer.from('end')];
    const stream = Buffer.concat(messages.map(framed));
    for (const step of [1, 2, 3, 1000, stream.length]) {
      const got: Buffer[] = [];
      const receive = frames((message) => got.push(Buffer.from(message)));
      for (let at = 0; at < stream.length; at += step) receive(stream.subarray(at, at + step));
      expect(got.map((message) => message.length)).toEqual(messages.map((message) => message.length));
      expect(Buffer.concat(got).equals(Buffer.concat(messages)), `in steps of ${step}`).toBe(true);
    }
  });
});
