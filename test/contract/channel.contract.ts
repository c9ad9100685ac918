// What every paging channel promises, whatever receives its notices. An entry of CHANNELS passes this suite or is no channel.
// Sockets and TLS are real; time passes by hand alone (virtual timers), so that a deadline of seconds is met at once and at the same instant in every run.
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { maskText } from '../../src/log.ts';
import type { Channel, ChannelContext, Delivery, Notice } from '../../src/paging/channel.ts';
import { type ChannelConfig, type ChannelKind, openChannel } from '../../src/paging/index.ts';
import { type Ports, realPorts } from '../../src/ports.ts';
import { hostileNotices, noticeOf } from '../paging/channels/notices.ts';
import { type Identity, type Receiver, type StartReceiver, startHttpReceiver, type Told } from '../paging/channels/receiver.ts';
import { type Certificates, makeCertificates, startOrigin } from '../probe/origin.ts';
import { type RecordingLog, recordingLog } from '../recording-log.ts';
import { createVirtual, type Virtual } from '../virtual.ts';

/** Where a channel is to send to. */
export interface Place {
  /** A name or an address, IPv6 without brackets. */
  host: string;
  port: number;
  tls: boolean;
  caFile?: string;
  networks?: readonly string[];
}

/**
 * What a kind may lack, and with it the claims that need it. `http`: its receiver speaks something else. `guard`: it may connect to whatever it is told to.
 * `change`, `acknowledge`: it sends none of these. `still`: what it sends of a notice depends on when it does. `secret`: it has none.
 */
export type Lack = 'http' | 'guard' | 'change' | 'acknowledge' | 'still' | 'secret';

export interface ChannelEntry {
  kind: ChannelKind;
  /** What this kind has not; a test holds it to the truth, so that no claim is left out unseen. */
  lacks: readonly Lack[];
  /** Its configuration for a place, and its secrets' files by path. */
  configure(place: Place): { config: ChannelConfig; files: Readonly<Record<string, string>> };
  /** Anything of those files that must appear nowhere but in what is sent. */
  secrets: readonly string[];
  /** Holds what was sent to the vendor's published limits. Throws where it is beyond. */
  hold(told: Told): void;
  /** By the vendor's manual. Without where nothing is said in statuses of HTTP. */
  statuses?: { accepted: readonly number[]; again: readonly number[]; never: readonly number[] };
  /** Without: over HTTP. */
  start?: StartReceiver;
}

export const ACTIONS = ['trigger', 'acknowledge', 'resolve', 'change'] as const;
const TEST_MS = 20_000;
/** The courier gives a channel no longer. */
const GIVEN_UP_MS = 15_000;
const START_WALL_MS = Date.UTC(2026, 7, 1, 12);
const LOOPBACK = ['127.0.0.0/8'];
/** A name of the test's certificates. */
const NAME = 'good.test';
const NEVER_ENDS = new AbortController().signal;

interface Harness extends AsyncDisposable {
  receiver: Receiver;
  virtual: Virtual;
  log: RecordingLog;
  /** Another one of the kind, that sends to the receiver. */
  open(given?: Partial<Place>, context?: Partial<ChannelContext>): Promise<Channel>;
  /** One try, of which everything is held that holds for every try. Does not advance the time. */
  deliver(channel: Channel, notice?: Notice, signal?: AbortSignal): Promise<Delivery>;
  /** What became of it by the instant at which the courier would give it up. */
  inTime(delivery: Promise<Delivery>): Promise<Delivery>;
}

/** Real IO has a few turns to arrive. */
const turns = async (count: number): Promise<void> => {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
};

const startHarness = async (entry: ChannelEntry, identity?: Identity): Promise<Harness> => {
  const receiver = await (entry.start ?? startHttpReceiver)(identity);
  const virtual = createVirtual({ startWallMs: START_WALL_MS, seed: entry.kind });
  const ports: Ports = { ...virtual.ports, net: realPorts().net };
  const log = recordingLog();
  const channels: Channel[] = [];
  const resolve: ChannelContext['resolve'] = async () => ({ addresses: ['127.0.0.1'], stale: null, ageMs: 0 });
  const holdSilent = (text: string): void => {
    for (const secret of entry.secrets) expect(text).not.toContain(secret);
  };
  const deliver: Harness['deliver'] = async (channel, notice = noticeOf('trigger'), signal = NEVER_ENDS) => {
    const delivery = await channel.deliver(notice, signal).catch((error: unknown): Delivery => {
      holdSilent(`${error} ${(error as Error).stack} ${JSON.stringify(error)}`);
      return { sent: false, retry: true, because: String(error) };
    });
    holdSilent(`${JSON.stringify(delivery)} ${JSON.stringify(log.lines)} ${channel.name} ${channel.places}`);
    const said = delivery.sent ? delivery.receipt : delivery.because;
    expect(said).toMatch(/^[\x20-\x7e]{1,300}$/);
    if (!delivery.sent && delivery.retry && delivery.afterMs !== undefined) {
      expect(Number.isFinite(delivery.afterMs)).toBe(true);
      expect(delivery.afterMs).toBeGreaterThanOrEqual(0);
    }
    expect(virtual.pendingTimers(), 'timers that outlive the try').toBe(0);
    return delivery;
  };
  return {
    receiver,
    virtual,
    log,
    async open(given = {}, context = {}) {
      const place: Place = { host: '127.0.0.1', port: receiver.port, tls: identity !== undefined, networks: LOOPBACK, ...given };
      const { config, files } = entry.configure(place);
      const text = (path: string): string => readFileSync(path, 'utf8');
      const secret = (path: string): string => files[path] ?? text(path);
      const channel = await openChannel(config, { ports, log, secret, text, resolve, ...context });
      channels.push(channel);
      return channel;
    },
    deliver,
    async inTime(delivery) {
      await virtual.advance(GIVEN_UP_MS - 1);
      return delivery;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(channels.map((channel) => channel.close?.()));
      await receiver[Symbol.asyncDispose]();
    },
  };
};

/** Where an address literal has no business in a receiver's name: what is not public, in all its spellings. */
const PRIVATE = [
  ['127.0.0.1', '10.1.2.3', '172.16.0.1', '192.168.1.1', '169.254.169.254', '100.64.0.1', '0.0.0.0', '224.0.0.1', '255.255.255.255'],
  ['192.0.2.1', '198.18.0.1', '::', '::1', 'fd00::1', 'fe80::1', 'ff02::1', '::ffff:127.0.0.1', '::ffff:10.0.0.1', '64:ff9b::a00:1'],
].flat();
/** What URLs read as 127.0.0.1. */
const DISGUISED = ['2130706433', '0x7f000001', '127.1', '0177.0.0.1'];
const PUBLIC = '93.184.216.34';

const lacksOf = async (entry: ChannelEntry): Promise<readonly Lack[]> => {
  await using h = await startHarness(entry);
  const channel = await h.open();
  const anywhere = await h.open({ networks: [] });
  const first = await h.deliver(channel);
  await h.virtual.advance(600_000);
  const later = await h.deliver(channel);
  expect([first.sent, later.sent]).toEqual([true, true]);
  const [one, two] = h.receiver.told;
  const before = h.receiver.told.length;
  await h.deliver(channel, noticeOf('change'));
  const afterChange = h.receiver.told.length;
  await h.deliver(channel, noticeOf('acknowledge'));
  const all: Readonly<Record<Lack, boolean>> = {
    http: entry.start !== undefined,
    change: afterChange === before,
    acknowledge: h.receiver.told.length === afterChange,
    still: one?.body !== two?.body,
    guard: (await h.deliver(anywhere)).sent,
    secret: entry.secrets.length === 0,
  };
  return (Object.keys(all) as Lack[]).filter((lack) => all[lack]);
};

const textsOf = (value: unknown): readonly string[] => {
  if (typeof value === 'string') return [value];
  return typeof value === 'object' && value !== null ? Object.entries(value).flatMap(([name, member]) => [name, ...textsOf(member)]) : [];
};

/** What holds for every body: characters are whole. */
const holdWhole = ({ body }: Told, isJson: boolean): void => {
  expect(body.isWellFormed()).toBe(true);
  if (!isJson) return;
  for (const text of textsOf(JSON.parse(body))) expect(text.isWellFormed(), JSON.stringify(text.slice(0, 80))).toBe(true);
};

export const channelContract = (entry: ChannelEntry): void => {
  const claim = (needs: readonly Lack[], title: string, body: () => Promise<void>): void => {
    if (!needs.some((need) => entry.lacks.includes(need))) test(title, body);
  };
  const claims = (need: Lack, title: string, body: () => void): void => {
    if (!entry.lacks.includes(need)) describe(title, body);
  };
  const { kind } = entry;
  describe(`channel contract: ${kind}`, { timeout: TEST_MS }, () => {
    let certificates: Certificates;
    beforeAll(() => {
      certificates = makeCertificates();
    });
    afterAll(() => certificates[Symbol.dispose]());
    const trusted = (): Partial<Place> => ({ host: NAME, caFile: certificates.caFile });

    test('what this kind lacks is what was said, and no claim is left out for anything else', async () => {
      expect([...entry.lacks].sort()).toEqual([...(await lacksOf(entry))].sort());
    });

    test('it has the name that it was given, and its places are hosts and ports alone', async () => {
      await using h = await startHarness(entry);
      const channel = await h.open();
      expect(channel.name).toBe('oncall');
      expect(channel.places.length).toBeGreaterThan(0);
      for (const place of channel.places) expect(place).toMatch(/^(https?|smtps?):\/\/[^/?#@]+$/);
      expect(h.receiver.connections(), 'opening connects to nobody').toBe(0);
    });

    test('every action that it sends is accepted once, and nothing is left open', async () => {
      await using h = await startHarness(entry);
      const channel = await h.open();
      for (const action of ACTIONS) {
        expect(await h.deliver(channel, noticeOf(action)), action).toMatchObject({ sent: true });
      }
      expect(h.receiver.told).toHaveLength(ACTIONS.filter((action) => !entry.lacks.some((lack) => lack === action)).length);
      for (const told of h.receiver.told) entry.hold(told);
      await channel.close?.();
      await h.receiver.idle();
    });

    test('many at once are told once each', async () => {
      await using h = await startHarness(entry);
      const channel = await h.open();
      const ids = Array.from({ length: 8 }, (_, at) => `many-${at}`);
      const all = await Promise.all(ids.map((id) => channel.deliver(noticeOf('trigger', { id }), NEVER_ENDS)));
      expect(all.filter(({ sent }) => sent)).toHaveLength(ids.length);
      expect(h.receiver.told).toHaveLength(ids.length);
    });

    claim(['still'], 'the same notice is sent as the same body to the same path, whoever sends it and whenever', async () => {
      await using h = await startHarness(entry);
      for (const notice of [noticeOf('trigger'), noticeOf('resolve'), ...hostileNotices('trigger')]) {
        const before = h.receiver.told.length;
        await h.deliver(await h.open(), notice);
        await h.virtual.advance(3_600_000);
        await h.deliver(await h.open(), structuredClone(notice));
        const [one, two] = h.receiver.told.slice(before).map(({ path, body }) => ({ path, body }));
        expect(one).toBeDefined();
        expect(one).toEqual(two);
      }
    });

    test('what a receiver does is not held against the next notice', async () => {
      await using h = await startHarness(entry);
      const channel = await h.open();
      h.receiver.behave('fail', 'slam', 'die');
      for (let time = 0; time < 3; time++) expect(await h.deliver(channel)).toMatchObject({ sent: false, retry: true });
      expect(await h.deliver(channel)).toMatchObject({ sent: true });
      await h.receiver.idle();
    });

    test('a receiver that takes the notice and never answers is given up in time, and the connection with it', async () => {
      await using h = await startHarness(entry);
      h.receiver.behave('silence');
      const delivery = h.deliver(await h.open());
      await h.receiver.taken(1);
      expect(await h.inTime(delivery)).toMatchObject({ sent: false, retry: true });
      await h.receiver.idle();
    });

    test('a receiver that answers a byte a second is given up in time', async () => {
      await using h = await startHarness(entry);
      h.receiver.behave('drip');
      let settled = false;
      const delivery = h.deliver(await h.open()).finally(() => {
        settled = true;
      });
      await h.receiver.taken(1);
      for (let second = 0; second < GIVEN_UP_MS / 1000 && !settled; second++) {
        await h.receiver.drip();
        await turns(5);
        await h.virtual.advance(1_000);
      }
      expect(settled).toBe(true);
      expect(await delivery).toMatchObject({ sent: false, retry: true });
      await h.receiver.idle();
    });

    test.each([false, true])('a place that takes the connection and says nothing is given up in time (TLS: %s)', async (tls) => {
      await using h = await startHarness(entry);
      const connected = Promise.withResolvers<void>();
      const closed = Promise.withResolvers<void>();
      await using mute = await startOrigin((socket) => {
        socket.resume();
        socket.once('close', () => closed.resolve());
        connected.resolve();
      });
      const delivery = h.deliver(await h.open({ port: mute.port, tls }));
      await connected.promise;
      expect(await h.inTime(delivery)).toMatchObject({ sent: false, retry: true });
      await closed.promise;
    });

    test('a place where nobody listens is a failure to be tried again', async () => {
      await using h = await startHarness(entry);
      const channel = await h.open();
      await h.receiver[Symbol.asyncDispose]();
      h.receiver[Symbol.asyncDispose] = async () => undefined;
      expect(await h.deliver(channel)).toMatchObject({ sent: false, retry: true, because: expect.stringContaining('ECONNREFUSED') });
    });

    test('a name without an address is a failure to be tried again', async () => {
      await using h = await startHarness(entry);
      const nowhere = { resolve: async () => ({ addresses: [], stale: 'SERVFAIL', ageMs: 0 }) };
      const channel = await h.open({ host: 'nowhere.test', tls: true }, nowhere);
      expect(await h.deliver(channel)).toMatchObject({ sent: false, retry: true });
      const broken = { resolve: () => Promise.reject(new Error('no server answers')) };
      expect(await h.deliver(await h.open({ host: 'nowhere.test', tls: true }, broken))).toMatchObject({ sent: false, retry: true });
    });

    test('a certificate that nobody vouches for, or of another name or time, gets nothing', async () => {
      const { good, expired, selfSigned } = certificates;
      for (const [identity, place] of [
        [selfSigned, { host: NAME }],
        [good, { host: NAME }],
        [selfSigned, trusted()],
        [expired, trusted()],
        [good, { ...trusted(), host: 'other.test' }],
      ] as const) {
        await using h = await startHarness(entry, identity);
        expect(await h.deliver(await h.open(place))).toMatchObject({ sent: false, retry: true });
        expect(h.receiver.told).toEqual([]);
      }
    });

    test('a certificate of the authority in caFile is good for its name and its address', async () => {
      await using h = await startHarness(entry, certificates.good);
      for (const host of [NAME, '127.0.0.1']) expect(await h.deliver(await h.open({ ...trusted(), host }))).toMatchObject({ sent: true });
      expect(h.receiver.told).toHaveLength(2);
    });

    test('a second address is tried when the first does not answer', async () => {
      await using h = await startHarness(entry, certificates.good);
      const resolve = async () => ({ addresses: ['127.0.0.2', '127.0.0.1'], stale: null, ageMs: 0 });
      expect(await h.deliver(await h.open(trusted(), { resolve }))).toMatchObject({ sent: true });
    });

    test('an abort ends a try at once, and the connection with it', async () => {
      await using h = await startHarness(entry);
      h.receiver.behave('silence');
      const stop = new AbortController();
      const delivery = h.deliver(await h.open(), noticeOf('trigger'), stop.signal);
      await h.receiver.taken(1);
      stop.abort(new Error('stopping'));
      expect(await delivery).toMatchObject({ sent: false, retry: true });
      await h.receiver.idle();
    });

    test('a signal that has already aborted tells nobody', async () => {
      await using h = await startHarness(entry);
      const over = AbortSignal.abort(new Error('stopping'));
      expect(await h.deliver(await h.open(), noticeOf('trigger'), over)).toMatchObject({ sent: false, retry: true });
      expect(h.receiver.told).toEqual([]);
    });

    test('whatever a notice holds, what is sent stays within the published limits', async () => {
      await using h = await startHarness(entry);
      const channel = await h.open();
      for (const action of ACTIONS) {
        for (const notice of hostileNotices(action)) expect(await h.deliver(channel, notice)).toMatchObject({ sent: true });
      }
      expect(h.receiver.told.length).toBeGreaterThanOrEqual(2 * hostileNotices('trigger').length);
      for (const told of h.receiver.told) {
        holdWhole(told, !entry.lacks.includes('http'));
        entry.hold(told);
      }
    });

    claim(['secret'], 'its secrets come from files alone, and from then on no log repeats them', async () => {
      await using h = await startHarness(entry);
      const { config, files } = entry.configure({ host: '127.0.0.1', port: h.receiver.port, tls: false });
      await h.open();
      for (const secret of entry.secrets) {
        const holding = Object.values(files).filter((text) => text.includes(secret));
        expect(holding).not.toEqual([]);
        for (const text of holding) expect(maskText(`it was ${text.trim()}, of all things`)).not.toContain(secret);
        expect(JSON.stringify(config)).not.toContain(secret);
      }
    });

    claim(
      ['secret', 'http'],
      'a secret that could not be one is refused with the name of its file and nothing of what it holds',
      async () => {
        await using h = await startHarness(entry);
        const { files } = entry.configure({ host: '127.0.0.1', port: h.receiver.port, tls: false });
        for (const path of Object.keys(files)) {
          for (const text of [
            '',
            'hunter2-a',
            'a-secret-with blanks-in-hunter2',
            'hunter2\r\nx-injected: hunter2-and-more',
            'hunter2'.repeat(999),
          ]) {
            const opened = await h.open({}, { secret: (asked) => (asked === path ? text : (files[asked] ?? '')) }).then(
              () => null,
              (error: unknown) => error as Error,
            );
            expect(opened, text.slice(0, 40)).toMatchObject({ code: 'ERR_SECRET', message: expect.stringContaining(path) });
            expect(opened?.message).not.toContain('hunter2');
          }
        }
      },
    );

    claims('guard', 'a receiver whose address is not public', () => {
      test('gets nothing, whether its address is written, resolved or disguised', async () => {
        await using h = await startHarness(entry, certificates.good);
        const { caFile } = certificates;
        for (const host of ['127.0.0.1', NAME, '::ffff:127.0.0.1', ...DISGUISED]) {
          const delivery = await h.deliver(await h.open({ host, caFile, networks: [] }));
          expect(delivery, host).toMatchObject({ sent: false, because: expect.stringContaining('EADDRNOTALLOWED') });
        }
        expect(h.receiver.connections()).toBe(0);
      });

      test.each(PRIVATE)('%s is not connected to, be it written or resolved', async (address) => {
        await using h = await startHarness(entry);
        const real = realPorts().net;
        const opened: unknown[] = [];
        const net = {
          ...real,
          tcp: (options: Parameters<typeof real.tcp>[0]) => real.tcp({ ...options, port: opened.push(options) }),
          tls: (options: Parameters<typeof real.tls>[0]) => real.tls({ ...options, port: opened.push(options) }),
        };
        const ports: Ports = { ...h.virtual.ports, net };
        const resolve = async () => ({ addresses: [address], stale: null, ageMs: 0 });
        for (const host of [address, NAME]) {
          const delivery = await h.deliver(await h.open({ host, tls: true, networks: [] }, { ports, resolve }));
          expect(delivery, host).toMatchObject({ sent: false, because: expect.stringContaining('EADDRNOTALLOWED') });
        }
        expect(opened).toEqual([]);
      });

      test('gets it where its network is allowed, and no other network is allowed by that', async () => {
        await using h = await startHarness(entry, certificates.good);
        for (const host of ['127.0.0.1', NAME])
          expect(await h.deliver(await h.open({ ...trusted(), host, networks: ['10.0.0.0/8', '127.0.0.0/8'] }))).toMatchObject({
            sent: true,
          });
        const elsewhere = await h.open({ ...trusted(), networks: ['10.0.0.0/8', 'fd00::/8', '127.0.0.2/32'] });
        expect(await h.deliver(elsewhere)).toMatchObject({ sent: false });
        // The certificate does not name it so, but the connection was made.
        const before = h.receiver.connections();
        await h.deliver(await h.open({ ...trusted(), host: '::ffff:127.0.0.1' }));
        expect(h.receiver.connections()).toBe(before + 1);
      });

      test('gets nothing where a name resolves to a public address and the socket ends there all the same', async () => {
        await using h = await startHarness(entry, certificates.good);
        const real = realPorts().net;
        const net = { ...real, tls: (options: Parameters<typeof real.tls>[0]) => real.tls({ ...options, host: '127.0.0.1' }) };
        const resolve = async () => ({ addresses: [PUBLIC], stale: null, ageMs: 0 });
        const channel = await h.open({ ...trusted(), networks: [] }, { ports: { ...h.virtual.ports, net }, resolve });
        expect(await h.deliver(channel)).toMatchObject({ sent: false, because: expect.stringContaining('EADDRNOTALLOWED') });
        expect(h.receiver.told).toEqual([]);
      });
    });

    claims('http', 'an answer', () => {
      const { accepted, again, never } = entry.statuses ?? { accepted: [], again: [], never: [] };

      test('is judged by its status as the manual has it', async () => {
        await using h = await startHarness(entry);
        const channel = await h.open();
        expect(accepted.length * again.length).toBeGreaterThan(0);
        for (const [statuses, expected] of [
          [accepted, { sent: true }],
          [again, { sent: false, retry: true }],
          [never, { sent: false, retry: false }],
        ] as const) {
          for (const status of statuses) {
            h.receiver.behave({ status });
            expect(await h.deliver(channel), String(status)).toMatchObject(expected);
          }
        }
      });

      test('of every other class of status is no delivery, and says which it was', async () => {
        await using h = await startHarness(entry);
        const channel = await h.open();
        for (const status of [300, 304, 402, 406, 409, 413, 418, 422, 451, 501, 507, 529, 599].filter((one) => !accepted.includes(one))) {
          h.receiver.behave({ status });
          expect(await h.deliver(channel)).toMatchObject({ sent: false, because: expect.stringContaining(String(status)) });
        }
      });

      test('of 429 or 503 is tried again when it asks for that: in seconds, or at a date by our clock', async () => {
        await using h = await startHarness(entry);
        const channel = await h.open();
        const date = new Date(h.virtual.ports.clock.wallMs() + 30_000).toUTCString();
        for (const status of [429, 503]) {
          for (const [asked, afterMs] of [
            ['7', 7_000],
            ['0', 0],
            [date, 30_000],
            ['Thu, 01 Jan 1970 00:00:00 GMT', 0],
          ] as const) {
            h.receiver.behave({ status, headers: { 'retry-after': asked } });
            expect(await h.deliver(channel), asked).toMatchObject({ sent: false, retry: true, afterMs });
          }
          for (const nonsense of ['soon', '-5', '1e9', '', '9'.repeat(40)]) {
            h.receiver.behave({ status, headers: { 'retry-after': nonsense } });
            expect(await h.deliver(channel), nonsense).toMatchObject({ sent: false, retry: true });
          }
        }
      });

      test('that redirects is followed nowhere', async () => {
        await using h = await startHarness(entry);
        await using elsewhere = await startHttpReceiver();
        const channel = await h.open();
        for (const status of [301, 302, 303, 307, 308]) {
          h.receiver.behave({ status, headers: { location: `http://127.0.0.1:${elsewhere.port}/` } });
          expect(await h.deliver(channel)).toMatchObject({ sent: false });
        }
        expect(elsewhere.connections()).toBe(0);
        expect(h.receiver.told).toHaveLength(5);
      });

      test('of megabytes is judged without reading them', async () => {
        await using h = await startHarness(entry);
        const channel = await h.open();
        for (const [status, sent] of [
          [accepted[0] ?? 200, true],
          [500, false],
        ] as const) {
          h.receiver.behave({ status, endless: 'flood' });
          expect(await h.deliver(channel)).toMatchObject({ sent });
          await h.receiver.idle();
        }
        // What the kernel's buffers took, and no stream of it.
        expect(h.receiver.flooded()).toBeLessThan(64 * 1024 * 1024);
      });

      test('whose body hangs after its status is judged by the status, in time', async () => {
        await using h = await startHarness(entry);
        const armed = Promise.withResolvers<void>();
        const timers: Ports['timers'] = {
          after(ms, fn, options) {
            if (h.receiver.told.length > 0) armed.resolve();
            return h.virtual.ports.timers.after(ms, fn, options);
          },
        };
        h.receiver.behave({ status: accepted[0] ?? 200, endless: 'quiet' });
        const channel = await h.open({}, { ports: { ...h.virtual.ports, net: realPorts().net, timers } });
        const delivery = h.deliver(channel);
        await armed.promise;
        await h.virtual.advance(5_000);
        expect(await delivery).toMatchObject({ sent: true });
        await h.receiver.idle();
      });

      test('is never repeated in what becomes of it', async () => {
        await using h = await startHarness(entry);
        const channel = await h.open();
        for (const status of [...accepted, ...again, ...never]) {
          h.receiver.behave({ status, text: 'word-of-the-receiver', headers: { 'x-word': 'word-of-the-receiver' } });
          expect(JSON.stringify(await h.deliver(channel))).not.toContain('word-of');
        }
      });
    });
  });
};
