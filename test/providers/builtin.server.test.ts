import net from 'node:net';
import { decode } from 'dns-packet';
import { describe, expect, test } from 'vitest';
import { builtin } from '../../providers/builtin/index.ts';
import { TCP_CONNECTIONS_MAX, TCP_IDLE_MS } from '../../providers/builtin/listen.ts';
import { serveBuiltin } from '../../providers/builtin/server.ts';
import type { Provider, ProviderService } from '../../providers/provider.ts';
import { realPorts } from '../../src/ports.ts';
import { framed, queryOf, type Reply, serviceOf, startBuiltin, TOKEN, udpExchange, ZONE } from './builtin.fixture.ts';

const pools = [
  { pool: 'eu', share: 750, answers: ['192.0.2.1'] },
  { pool: 'us', share: 250, answers: ['192.0.2.2'] },
];
const web = serviceOf(`web.${ZONE}`, pools);
const replyOf = (packet: Buffer | undefined): Reply => decode(packet ?? Buffer.alloc(0)) as Reply;

/** The end of a connection, whichever side ends it and however. */
const ended = (socket: net.Socket): Promise<void> =>
  new Promise((resolve) => {
    socket.on('error', () => {});
    socket.once('close', () => resolve());
    socket.resume();
  });

describe('DNS', () => {
  test('UDP and TCP answer on one port, in the shares that were written', async () => {
    await using server = await startBuiltin();
    await server.put({ service: web, ifFence: null });
    const over = { udp: [] as Reply[], tcp: [] as Reply[] };
    for (let i = 0; i < 20; i++) over.udp.push(await server.ask(web.name, 'A'));
    over.tcp.push(...(await server.tcp(Buffer.concat(Array(20).fill(framed(queryOf(web.name, 'A')))), 20)).map(replyOf));
    for (const replies of [over.udp, over.tcp]) {
      const seen = replies.map(({ answers: [answer] = [] }) => answer && 'data' in answer && answer.data);
      expect([seen.filter((address) => address === '192.0.2.1').length, seen.filter((address) => address === '192.0.2.2').length]).toEqual([
        15, 5,
      ]);
    }
  });

  test('an acknowledged swap is in the very next answer', async () => {
    await using server = await startBuiltin();
    for (let i = 1; i <= 20; i++) {
      const service = serviceOf(web.name, [{ pool: 'eu', share: 1000, answers: [`192.0.2.${i}`] }], `fence-${i}`);
      await server.put({ service, ifFence: i === 1 ? null : `fence-${i - 1}` });
      expect((await server.ask(web.name, 'A')).answers).toMatchObject([{ data: `192.0.2.${i}` }]);
      expect((await server.ask(ZONE, 'SOA')).answers).toMatchObject([{ data: { serial: i + 1 } }]);
    }
  });

  test('ten thousand random and damaged packets, then it still answers', async () => {
    await using server = await startBuiltin();
    await server.put({ service: web, ifFence: null });
    // A generator with a fixed seed, so that a failure can be repeated.
    let state = 20_261_122;
    const random = (below: number): number => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
    const good = queryOf(web.name, 'A', {
      additionals: [{ type: 'OPT', name: '.', udpPayloadSize: 1232, options: [{ code: 'COOKIE', data: Buffer.alloc(8) }] }],
    });
    const packets = Array.from({ length: 10_000 }, (_, i) => {
      if (i % 2 === 0) return Buffer.from(Array.from({ length: random(200) }, () => random(256)));
      const damaged = Buffer.from(good).subarray(0, 1 + random(good.length));
      for (let flips = random(6); flips >= 0; flips--) damaged[random(damaged.length)] = random(256);
      return damaged;
    });
    const socket = (await import('node:dgram')).createSocket('udp4');
    let replies = 0;
    socket.on('message', () => {
      replies += 1;
    });
    // Lock-step every hundred packets, or the socket's buffer would drop most before the server saw them.
    for (let at = 0; at < packets.length; at += 100) {
      for (const packet of packets.slice(at, at + 100)) socket.send(packet, server.dnsPort, '127.0.0.1');
      expect(await server.ask(web.name, 'A')).toMatchObject({ rcode: 'NOERROR' });
    }
    expect(replies).toBeGreaterThan(1000);
    await new Promise<void>((resolve) => socket.close(() => resolve()));
    for (const packet of packets.slice(0, 200)) {
      const connection = net.connect(server.dnsPort, '127.0.0.1');
      const end = ended(connection);
      connection.end(packet);
      await end;
    }
    expect((await server.tcp(framed(queryOf(web.name, 'A')), 1)).map(replyOf)).toMatchObject([{ rcode: 'NOERROR' }]);
  });

  test('a TCP query may come a byte at a time, and many at once', async () => {
    await using server = await startBuiltin();
    await server.put({ service: web, ifFence: null });
    const socket = net.connect({ port: server.dnsPort, host: '127.0.0.1', noDelay: true });
    const first = new Promise<Buffer>((resolve) => socket.once('data', resolve));
    for (const byte of framed(queryOf(web.name, 'A'))) await new Promise<void>((resolve) => socket.write(Buffer.of(byte), () => resolve()));
    expect(replyOf((await first).subarray(2))).toMatchObject({ rcode: 'NOERROR' });
    const end = ended(socket);
    socket.end();
    await end;
    expect((await server.tcp(Buffer.concat(Array(2000).fill(framed(queryOf(web.name, 'A')))), 2000)).length).toBe(2000);
  });

  test('a frame larger than any honest query ends the connection', async () => {
    await using server = await startBuiltin();
    const socket = net.connect(server.dnsPort, '127.0.0.1');
    const end = ended(socket);
    socket.write(Buffer.of(0xff, 0xff, 0));
    await end;
  });

  test('a TCP peer that sends nothing whole is dropped when its time is over', async () => {
    const real = realPorts();
    const idle: (() => void)[] = [];
    const armed = Promise.withResolvers<void>();
    const after: typeof real.timers.after = (ms, fn, options) => {
      if (ms !== TCP_IDLE_MS) return real.timers.after(ms, fn, options);
      idle.push(fn);
      armed.resolve();
      return { cancel: () => {} };
    };
    await using server = await startBuiltin({ ...real, timers: { after } });
    const socket = net.connect(server.dnsPort, '127.0.0.1');
    const end = ended(socket);
    socket.write(framed(queryOf(web.name, 'A')).subarray(0, 20));
    await armed.promise;
    for (const fire of idle) fire();
    await end;
  });

  test('a peer that never reads its replies does not make them pile up', async () => {
    await using server = await startBuiltin();
    const wide = serviceOf(web.name, [{ pool: 'eu', share: 1000, answers: Array.from({ length: 64 }, (_, i) => `192.0.2.${i}`) }]);
    await server.put({ service: wide, ifFence: null });
    const greedy = net.connect(server.dnsPort, '127.0.0.1');
    const end = ended(greedy);
    greedy.pause();
    const before = process.memoryUsage().arrayBuffers;
    // Some 200 MB of replies, asked for by 3 MB of queries.
    const asked = Buffer.concat(Array(1000).fill(framed(queryOf(web.name, 'A'))));
    for (let i = 0; i < 100; i++) greedy.write(asked);
    for (let i = 0; i < 20; i++) expect(await server.ask(ZONE, 'SOA')).toMatchObject({ rcode: 'NOERROR' });
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(100 * 1024 * 1024);
    greedy.destroy();
    await end;
  });

  test('TCP connections beyond the limit are turned away and UDP goes on', async () => {
    await using server = await startBuiltin();
    const kept = Array.from({ length: TCP_CONNECTIONS_MAX }, () => net.connect(server.dnsPort, '127.0.0.1'));
    const ends = kept.map(ended);
    await Promise.all(
      kept.map((socket) => new Promise<void>((resolve) => (socket.connecting ? socket.once('connect', resolve) : resolve()))),
    );
    // A reply on the last one shows that all were accepted.
    const last = kept.at(-1)!;
    const answered = new Promise((resolve) => last.once('data', resolve));
    last.write(framed(queryOf(ZONE, 'SOA')));
    await answered;
    await ended(net.connect(server.dnsPort, '127.0.0.1'));
    expect(await server.ask(ZONE, 'SOA')).toMatchObject({ rcode: 'NOERROR' });
    for (const socket of kept) socket.destroy();
    await Promise.all(ends);
  });

  test('close ends open connections, frees both ports, and may be called again', async () => {
    const server = await startBuiltin();
    const socket = net.connect(server.dnsPort, '127.0.0.1');
    const end = ended(socket);
    await new Promise<void>((resolve) => socket.once('connect', () => resolve()));
    await Promise.all([server.close(), server.close()]);
    await end;
    await server.close();
    const again = await serveBuiltin({
      ports: realPorts(),
      zoneName: ZONE,
      dns: { host: '127.0.0.1', port: server.dnsPort },
      control: { host: '127.0.0.1', port: server.controlPort },
      token: TOKEN,
    });
    expect(again.dnsPort).toBe(server.dnsPort);
    await again.close();
  });

  test('a port in use is refused with the address and leaves nothing open', async () => {
    await using server = await startBuiltin();
    const start = (dns: number, control: number, token = TOKEN): Promise<unknown> =>
      serveBuiltin({
        ports: realPorts(),
        zoneName: ZONE,
        dns: { host: '127.0.0.1', port: dns },
        control: { host: '127.0.0.1', port: control },
        token,
      });
    await expect(start(server.dnsPort, 0)).rejects.toMatchObject({
      code: 'ERR_LISTEN',
      message: expect.stringContaining(`127.0.0.1:${server.dnsPort}`),
    });
    await expect(start(0, server.controlPort)).rejects.toMatchObject({ code: 'ERR_LISTEN' });
    await expect(start(0, 0, '')).rejects.toMatchObject({ code: 'ERR_SECRET' });
    await expect(start(0, 0, TOKEN).then((each) => (each as { close(): Promise<void> }).close())).resolves.toBeUndefined();
  });
});

describe('control', () => {
  const problem = (status: number, code: string): object => ({
    status,
    type: expect.stringContaining('application/problem+json'),
    body: expect.objectContaining({ status, code, detail: expect.any(String) }),
  });

  test('without the token nothing is read, written or even said to exist', async () => {
    await using server = await startBuiltin();
    for (const authorization of [
      '',
      'Bearer',
      `Bearer ${TOKEN}x`,
      `Bearer ${TOKEN.slice(0, -1)}`,
      `bearer ${TOKEN}`,
      TOKEN,
      `Basic ${TOKEN}`,
    ]) {
      expect(await server.control('/zone/v1/services', undefined, { authorization }), authorization).toMatchObject(
        problem(401, 'ERR_UNAUTHORIZED'),
      );
      expect(await server.control('/nothing', undefined, { authorization })).toMatchObject(problem(401, 'ERR_UNAUTHORIZED'));
      const write = await server.control('/zone/v1/swap', { changes: [{ service: web, ifFence: null }] }, { authorization });
      expect(write).toMatchObject(problem(401, 'ERR_UNAUTHORIZED'));
      expect(JSON.stringify(write.body)).not.toContain(TOKEN);
    }
    expect((await server.control('/zone/v1/services')).body).toEqual({ zone: ZONE, serial: 1, services: [] });
  });

  test('a conflict tells the fences that stand, so that the loser knows whom it lost to', async () => {
    await using server = await startBuiltin();
    await server.put({ service: web, ifFence: null });
    const lost = await server.control('/zone/v1/swap', { changes: [{ service: { ...web, fence: 'fence-2' }, ifFence: 'fence-0' }] });
    expect(lost).toMatchObject(problem(409, 'ERR_STALE'));
    expect(lost.body).toMatchObject({ current: [{ name: web.name, fence: 'fence-1' }] });
  });

  test('reads give the asked services that exist, or all', async () => {
    await using server = await startBuiltin();
    const api = serviceOf(`api.${ZONE}`, pools);
    await server.put({ service: web, ifFence: null }, { service: api, ifFence: null });
    const services = async (query: string): Promise<unknown> =>
      ((await server.control(`/zone/v1/services${query}`)).body as { services: unknown }).services;
    expect(await services('')).toEqual([web, api]);
    expect(await services(`?names=${api.name},no.${ZONE}`)).toEqual([api]);
    expect(await services('?names=')).toEqual([]);
  });

  test('what is not understood is refused with the reason, and nothing changes', async () => {
    await using server = await startBuiltin();
    const change = { service: web, ifFence: null };
    const refusals: [unknown, number, string][] = [
      ['{', 400, 'ERR_BAD_REQUEST'],
      [{}, 400, 'ERR_BAD_REQUEST'],
      [{ changes: [] }, 400, 'ERR_BAD_REQUEST'],
      [{ changes: [{ ...change, force: true }] }, 400, 'ERR_BAD_REQUEST'],
      [{ changes: [{ service: web }] }, 400, 'ERR_BAD_REQUEST'],
      [{ changes: [change, { service: { ...web, name: `api.${ZONE}`, pools: [] }, ifFence: null }] }, 422, 'ERR_CONFIG'],
      [{ changes: [change], filler: 'x'.repeat(1024 * 1024) }, 413, 'ERR_TOO_LARGE'],
    ];
    for (const [body, status, code] of refusals)
      expect(await server.control('/zone/v1/swap', body), code).toMatchObject(problem(status, code));
    expect(await server.control('/zone/v1/swap', 'changes', { 'content-type': 'text/csv' })).toMatchObject(problem(415, 'ERR_MEDIA_TYPE'));
    expect(await server.control('/zone/v2')).toMatchObject(problem(404, 'ERR_NOT_FOUND'));
    expect((await server.control('/zone/v1/services')).body).toMatchObject({ serial: 1, services: [] });
  });
});

describe('provider', () => {
  const open = (port: number, more: { secret?: () => string; zone?: string } = {}): Provider =>
    builtin.open(
      { kind: 'builtin', zone: more.zone ?? ZONE, control: { host: '127.0.0.1', port }, tokenFile: 'token' },
      { ports: realPorts(), secret: more.secret ?? (() => TOKEN) },
    );
  const patience = (): AbortSignal => AbortSignal.timeout(30_000);
  const desired = (n: number): ProviderService => ({
    service: `s${n}.${ZONE}`,
    ttlS: 10,
    pools: pools.map((pool) => ({ ...pool, region: pool.pool, configuredShare: 500 })),
  });
  const fence = { v: 1, epoch: 1, writer: 'eu-west/a', nonce: 'n1', hash: 'ff' };

  test('a thousand services are written in one batch and read in one request', async () => {
    await using server = await startBuiltin();
    const provider = open(server.controlPort);
    const all = Array.from({ length: 1000 }, (_, n) => desired(n));
    const before = await provider.read(all, patience());
    const changes = all.map((each) => ({ desired: each, fence, previous: before.get(each.service)! }));
    expect(await provider.apply(changes, patience())).toMatchObject({ outcome: 'applied' });
    const after = await provider.read(all, patience());
    expect(after.size).toBe(1000);
    for (const back of after.values()) expect(back).toMatchObject({ fence, shares: { eu: 750, us: 250 }, foreign: [] });
    expect((await server.control('/zone/v1/services?names=')).body).toMatchObject({ serial: 2 });
    await provider.close();
  });

  test('a pool whose configured address is not served has no share, and its served one is foreign', async () => {
    await using server = await startBuiltin();
    const provider = open(server.controlPort);
    const service = desired(0);
    const [nothing] = (await provider.read([service], patience())).values();
    await provider.apply([{ desired: service, fence, previous: nothing! }], patience());
    const moved = { ...service, pools: service.pools.map((pool, i) => (i === 0 ? { ...pool, answers: ['192.0.2.77'] } : pool)) };
    const [back] = (await provider.read([moved], patience())).values();
    expect(back).toMatchObject({ shares: { eu: 0, us: 250 }, foreign: ['192.0.2.1'] });
    await provider.close();
  });

  test('a fence text that Tidegate never writes stops the read with its words', async () => {
    await using server = await startBuiltin();
    const provider = open(server.controlPort);
    await server.put({ service: serviceOf(`s0.${ZONE}`, pools, 'manual=1'), ifFence: null });
    await expect(provider.read([desired(0)], patience())).rejects.toMatchObject({
      code: 'ERR_PROVIDER',
      message: expect.stringContaining('manual=1'),
    });
    await provider.close();
  });

  test('a server that refuses the connection or never answers: read throws, apply is undecided, both at the deadline', async () => {
    const silent = net.createServer();
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const sockets = new Set<net.Socket>();
    silent.on('connection', (socket) => sockets.add(socket));
    const port = (silent.address() as net.AddressInfo).port;
    const change = { desired: desired(0), fence, previous: { fence: null, shares: null, foreign: [], token: { fenceText: null } } };
    const provider = open(port);
    await expect(provider.read([desired(0)], AbortSignal.timeout(100))).rejects.toThrow();
    expect(await provider.apply([change], AbortSignal.timeout(100))).toMatchObject({ outcome: 'undecided' });
    await provider.close();
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => silent.close(resolve));

    const refused = open(port);
    await expect(refused.read([desired(0)], patience())).rejects.toThrow('ECONNREFUSED');
    expect(await refused.apply([change], patience())).toMatchObject({
      outcome: 'undecided',
      because: expect.stringContaining('ECONNREFUSED'),
    });
    await refused.close();
  });

  test('a write given up while it was still connecting is not sent when the connection comes at last', async () => {
    await using server = await startBuiltin();
    const real = realPorts();
    const slow: net.Socket[] = [];
    let late = true;
    const tcp: typeof real.net.tcp = (to) => {
      if (!late) return real.net.tcp(to);
      const socket = new net.Socket();
      slow.push(socket);
      return socket;
    };
    const config = { kind: 'builtin' as const, zone: ZONE, control: { host: '127.0.0.1', port: server.controlPort }, tokenFile: 'token' };
    const provider = builtin.open(config, { ports: { ...real, net: { ...real.net, tcp } }, secret: () => TOKEN });
    const change = { desired: desired(0), fence, previous: { fence: null, shares: null, foreign: [], token: { fenceText: null } } };
    expect(await provider.apply([change], AbortSignal.timeout(50))).toMatchObject({ outcome: 'undecided' });
    expect(slow.length).toBe(1);
    // The next read waits for the same connection, so when it is answered an earlier write would have been carried out.
    const read = provider.read([desired(0)], patience());
    late = false;
    for (const socket of slow) socket.connect(server.controlPort, '127.0.0.1');
    expect([...(await read).values()]).toMatchObject([{ fence: null }]);
    expect((await server.control('/zone/v1/services')).body).toMatchObject({ serial: 1, services: [] });
    await provider.close();
  });

  test('the zone of another server, a refused service and an unreadable token are for a human', async () => {
    await using server = await startBuiltin();
    const change = {
      desired: { ...desired(0), ttlS: 100_000 },
      fence,
      previous: { fence: null, shares: null, foreign: [], token: { fenceText: null } },
    };
    const other = open(server.controlPort, { zone: 'example.org' });
    await expect(other.read([desired(0)], patience())).rejects.toThrow('holds the zone example.test, expected example.org');
    expect(await other.apply([change], patience())).toMatchObject({ outcome: 'fatal', because: expect.stringContaining('ttlS is 100000') });
    const unreadable = open(server.controlPort, {
      secret: () => {
        throw new Error('token: no such file');
      },
    });
    expect(await unreadable.apply([change], patience())).toEqual({ outcome: 'fatal', because: 'builtin dns: token: no such file' });
    await Promise.all([other.close(), unreadable.close()]);
  });
});

test('over IPv6 it answers as well, and its name server has that address', async ({ skip }) => {
  const server = await serveBuiltin({
    ports: realPorts(),
    zoneName: ZONE,
    dns: { host: '::1', port: 0 },
    control: { host: '::1', port: 0 },
    token: TOKEN,
  }).catch(() => null);
  if (server === null) return skip('no IPv6 loopback here');
  expect(replyOf(await udpExchange(server.dnsPort, queryOf(`ns.${ZONE}`, 'AAAA'), '::1')).answers).toMatchObject([{ data: '::1' }]);
  const config = { kind: 'builtin' as const, zone: ZONE, control: { host: '::1', port: server.controlPort }, tokenFile: 'token' };
  const provider = builtin.open(config, { ports: realPorts(), secret: () => TOKEN });
  expect((await provider.read([], AbortSignal.timeout(30_000))).size).toBe(0);
  await provider.close();
  await server.close();
});

test('replies go back to the port that asked', async () => {
  await using server = await startBuiltin();
  const replies = await Promise.all(Array.from({ length: 50 }, (_, id) => udpExchange(server.dnsPort, queryOf(ZONE, 'SOA', { id }))));
  expect(replies.map((reply) => replyOf(reply).id)).toEqual(Array.from({ length: 50 }, (_, id) => id));
});
