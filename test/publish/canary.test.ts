// Canaries: flown by the holder of the office through the calls of a failover, timed by stages, never in the way, never past a stop; what fails pages once.
import { describe, expect, test } from 'vitest';
import { formatFence } from '../../providers/fence.ts';
import type { Applied, Fence, Provider } from '../../providers/provider.ts';
import type { Reply } from '../../src/dns/codec.ts';
import type { QueryOptions } from '../../src/dns/exchange.ts';
import { sleep } from '../../src/ports.ts';
import { publishing, routingOf } from './fixture.ts';

const fine = (inner: Provider): Provider => inner;
const NAME = 'canary.test';
const ONE = { canaries: [{}] };

const only = (changes: readonly { desired: { service: string } }[]): boolean => changes.every(({ desired }) => desired.service === NAME);

/** What befalls writes of the canary only. */
const grounded =
  (result: () => Applied | null) =>
  (inner: Provider): Provider => ({
    ...inner,
    apply: async (changes, signal) => (only(changes) ? result() : null) ?? inner.apply(changes, signal),
  });

describe('a canary', () => {
  test('is written every now and then with a fence of its own, and read back', async () => {
    const p = publishing(fine, ONE);
    await p.virtual.advance(31_000);
    expect(p.fenceOf(NAME)).toBe(1);
    await p.virtual.advance(300_000);
    const flights = p.flown.filter((line) => line === 'memory acknowledged 0').length;
    expect(flights).toBeGreaterThanOrEqual(5);
    expect(flights).toBeLessThanOrEqual(7);
    expect(p.fenceOf(NAME)).toBe(flights);
    expect(p.pages()).toEqual([]);
    expect(p.applied(NAME)).toBeUndefined();
    expect(p.publisher.standing.provenAgoMs('memory')).toBeLessThan(66_000);
    await p.publisher.stop();
    expect(p.virtual.pendingTimers()).toBe(0);
  });

  test('counts on from whatever is carried, so that a new holder is never behind', async () => {
    const p = publishing(fine, ONE);
    const fence = { v: 900, epoch: 1, writer: 'b/a/old', nonce: 'n', hash: '0' };
    p.zone.services.set(NAME, { fence, shares: { canary: 1000 } });
    await p.virtual.advance(31_000);
    expect(p.fenceOf(NAME)).toBe(901);
    await p.publisher.stop();
  });

  test('is left alone where a human wrote it', async () => {
    const p = publishing(fine, ONE);
    p.zone.services.set(NAME, { fence: { v: 9, epoch: 1, writer: 'manual/alice', nonce: 'n', hash: '0' }, shares: { canary: 1000 } });
    await p.virtual.advance(300_000);
    expect(p.fenceOf(NAME)).toBe(9);
    expect(p.pages()).toEqual([]);
    await p.publisher.stop();
  });

  test('flies only in office', async () => {
    const p = publishing(fine, { ...ONE, holdsOffice: false });
    await p.virtual.advance(300_000);
    expect(p.zone.services.size).toBe(0);
    await p.publisher.stop();
  });

  test.each([{}, { region: 'a' }])('does not fly once a stop of %j is in the store, read or not', async (scope) => {
    const p = publishing(fine, ONE);
    await p.virtual.advance(31_000);
    const seen = p.fenceOf(NAME);
    p.state.lastSeen = { overrides: [], mod: p.state.overridesMod };
    p.state.overrides = [{ id: 'x', kind: 'stop', scope, reason: '', owner: 'alice', createdAtMs: 0, expiresAtMs: 1e15 }];
    p.state.overridesMod++;
    await p.virtual.advance(200_000);
    p.state.lastSeen = null;
    await p.virtual.advance(200_000);
    expect(p.fenceOf(NAME)).toBe(seen);
    await p.publisher.stop();
  });

  test('a stop that has expired holds it until the decision that ends it has taken it out of the store (simulator, seed 2)', async () => {
    const p = publishing(fine, ONE);
    await p.virtual.advance(31_000);
    const seen = p.fenceOf(NAME);
    p.state.overrides = [{ id: 'x', kind: 'stop', scope: {}, reason: '', owner: 'alice', createdAtMs: 0, expiresAtMs: 32_000 }];
    p.state.overridesMod++;
    await p.virtual.advance(200_000);
    expect(p.fenceOf(NAME)).toBe(seen);
    p.state.overrides = [];
    p.state.overridesMod++;
    await p.virtual.advance(200_000);
    expect(p.fenceOf(NAME)).toBeGreaterThan(seen ?? Number.NaN);
    await p.publisher.stop();
  });

  test('in a zone of its own proves the path that it is for: written there, counted and told of here', async () => {
    let isDenied = false;
    const own = (inner: Provider): Provider => ({
      ...inner,
      apply: async (changes, signal) =>
        isDenied && only(changes) ? { outcome: 'fatal', because: 'token expired' } : inner.apply(changes, signal),
    });
    const p = publishing(fine, { canaries: [{ provider: 'dns', path: 'memory', everyMs: 20_000 }], also: { dns: own } });
    await p.virtual.advance(60_000);
    expect([p.zoneOf('dns').services.has(NAME), p.zoneOf('memory').services.has(NAME)]).toEqual([true, false]);
    expect(p.birds.states()).toMatchObject([{ provider: 'memory', service: NAME, ok: true }]);
    isDenied = true;
    await p.virtual.advance(30_000);
    expect(p.birds.states()).toMatchObject([{ provider: 'memory', ok: false }]);
    const [page] = p.pages().filter(({ type }) => type === 'provider.canary_failing');
    expect(page?.summary).toMatch(/^a failover by memory would fail now: its canary canary\.test .*token expired/);
    await p.publisher.stop();
  });

  test('waits while any service is behind, and where writes are known to fail', async () => {
    let isHeld = false;
    const p = publishing(
      (inner) => ({
        ...inner,
        async apply(changes, signal) {
          if (isHeld && !only(changes)) {
            await sleep(p.virtual.ports.timers, 2900);
            return { outcome: 'undecided', because: 'slow' };
          }
          return inner.apply(changes, signal);
        },
      }),
      { canaries: [{ everyMs: 2000 }], also: { dns: fine } },
    );
    const flights = (): number => p.fenceOf(NAME) ?? 0;
    await p.virtual.advance(31_000);
    const before = flights();
    await p.virtual.advance(8000);
    // Or the rest would show nothing.
    expect(flights()).toBeGreaterThan(before + 2);
    isHeld = true;
    p.state.routing = routingOf(3, { web: 3, api: 3 });
    p.publisher.publish(p.state.routing);
    const held = flights();
    // Behind, and not known to fail yet; then known to.
    await p.virtual.advance(8000);
    expect(flights()).toBe(held);
    await p.virtual.advance(60_000);
    expect(p.publisher.standing.isFailing('memory')).toBe(true);
    expect(flights()).toBe(held);
    isHeld = false;
    await p.virtual.advance(10_000);
    expect(flights()).toBeGreaterThan(held);
    await p.publisher.stop();
  });

  test('that was written though its reply was lost has not come through: a failover would meet the same', async () => {
    const p = publishing(
      (inner) => ({
        ...inner,
        async apply(changes, signal) {
          const applied = await inner.apply(changes, signal);
          return only(changes) ? { outcome: 'undecided', because: 'no reply' } : applied;
        },
      }),
      ONE,
    );
    await p.virtual.advance(31_000);
    expect(p.fenceOf(NAME)).toBe(1);
    expect(p.birds.states()[0]).toMatchObject({ ok: false, because: 'not acknowledged: written, but in doubt: no reply' });
    await p.publisher.stop();
  });

  test('that fails twice in a row pages once while it lasts, critical where its services have no other path', async () => {
    let isDown = true;
    const p = publishing(
      grounded(() => (isDown ? { outcome: 'undecided', because: '503' } : null)),
      ONE,
    );
    await p.virtual.advance(31_000);
    expect(p.pages()).toEqual([]);
    await p.virtual.advance(300_000);
    expect(p.pages().map(({ type, severity }) => [type, severity])).toEqual([['provider.canary_failing', 'critical']]);
    expect(p.pages()[0]?.summary).toBe(
      'a failover by memory would fail now: its canary canary.test was not acknowledged (503); no path of web, api is proven',
    );
    expect(p.abdications).toEqual([]);
    expect(p.birds.states()[0]).toMatchObject({ ok: false, because: 'not acknowledged: 503' });
    isDown = false;
    await p.virtual.advance(120_000);
    isDown = true;
    await p.virtual.advance(300_000);
    expect(p.pages()).toHaveLength(2);
    await p.publisher.stop();
  });

  test('that is refused for good pages at once, as a warning where another path works', async () => {
    const p = publishing(
      grounded(() => ({ outcome: 'fatal', because: 'the token has expired' })),
      { ...ONE, also: { dns: fine } },
    );
    await p.virtual.advance(31_000);
    expect(p.pages().map(({ type, severity }) => [type, severity])).toEqual([['provider.canary_failing', 'warning']]);
    p.state.routing = routingOf(3, { web: 3, api: 2 });
    p.publisher.publish(p.state.routing);
    const said = p.logged.findLast(({ event }) => event === 'publish.path');
    expect(said?.fields).toMatchObject({ service: 'web', path: 'dns' });
    expect(said?.fields.because).toContain('memory fails (its canary: the token has expired)');
    await p.publisher.stop();
  });

  test('that lost a race to another holder has not failed', async () => {
    const p = publishing(
      grounded(() => ({ outcome: 'conflict', because: 'another fence' })),
      ONE,
    );
    await p.virtual.advance(200_000);
    expect([p.pages(), p.flown]).toEqual([[], []]);
    await p.publisher.stop();
  });

  test('that was acknowledged and is not there has failed', async () => {
    const p = publishing(
      grounded(() => ({ outcome: 'applied' })),
      ONE,
    );
    await p.virtual.advance(100_000);
    expect(p.pages()[0]?.summary).toContain('it was acknowledged, and is not there');
    await p.publisher.stop();
  });

  test('is timed to its receipt, to the servers and to resolvers that had the old answer', async () => {
    const asked: string[] = [];
    const since = new Map<string, number>();
    const dnsQuery = async (options: QueryOptions): Promise<Reply> => {
      const { host } = options.server;
      asked.push(`${host} ${options.type} ${options.name} ${options.recursionDesired}`);
      const served = p.zone.services.get(NAME);
      // The servers follow after 3 s, the resolver after 20 s.
      const text = served === undefined ? '' : formatFence(served.fence);
      if (text !== '' && !since.has(text)) since.set(text, p.virtual.now());
      const isNew = text !== '' && p.virtual.now() - (since.get(text) ?? 0) >= (host === '198.51.100.1' ? 3000 : 20_000);
      const answers = isNew ? [{ name: options.name, ttlS: 60, type: 'TXT' as const, data: [text.slice(0, 40), text.slice(40)] }] : [];
      return { rcode: 'NOERROR', authoritative: true, answers, authorities: [] } as unknown as Reply;
    };
    const p = publishing(
      (inner) => ({
        ...inner,
        apply: async (changes, signal) =>
          ({ ...(await inner.apply(changes, signal)), ...(only(changes) ? { receipt: 'r' } : {}) }) as Applied,
        settle: async () => ({ state: 'settled' }),
      }),
      { canaries: [{ authoritative: ['198.51.100.1:53'], resolvers: ['203.0.113.53:53'] }], dnsQuery },
    );
    await p.virtual.advance(58_000);
    expect(p.flown.map((line) => line.replace(/\d+$/, (ms) => `${Math.round(Number(ms) / 1000)}s`))).toEqual([
      'memory acknowledged 0s',
      'memory settled 2s',
      'memory authoritative 5s',
      'memory resolver 22s',
    ]);
    expect(asked[0]).toBe(`203.0.113.53 TXT _tidegate.${NAME} true`);
    expect(asked).toContain(`198.51.100.1 TXT _tidegate.${NAME} false`);
    await p.publisher.stop();
  });

  test('that no server comes to answer has failed at that stage', async () => {
    const dnsQuery = async (): Promise<Reply> =>
      ({ rcode: 'REFUSED', authoritative: false, answers: [], authorities: [] }) as unknown as Reply;
    const p = publishing(fine, { canaries: [{ authoritative: ['198.51.100.1:53'] }], dnsQuery });
    await p.virtual.advance(240_000);
    expect(p.flown).toContain('memory not authoritative');
    expect(p.pages()[0]?.summary).toContain('not within 60 s: 198.51.100.1:53 answers REFUSED');
    await p.publisher.stop();
  });

  test('whose name has become a service of the cluster flies no more', async () => {
    const p = publishing(fine, { canaries: [{ service: 'web' }] });
    await p.virtual.advance(300_000);
    expect([p.fenceOf('web'), p.flown]).toEqual([1, []]);
    await p.publisher.stop();
  });

  test.each([
    ['conflict', () => grounded(() => ({ outcome: 'conflict', because: 'a record of somebody else is there' })), null],
    ['fence of a human', () => fine, { v: 9, epoch: 1, writer: 'manual/alice', nonce: 'n', hash: '0' }],
  ] as const)(
    'that meets a %s does not ask for ever and every second, and somebody hears of it in the end',
    async (_what, change, fence) => {
      const p = publishing(change(), { ...ONE, services: [] });
      if (fence !== null) p.zone.services.set(NAME, { fence, shares: { canary: 1000 } });
      await p.virtual.advance(300_000);
      expect(p.calls.reads).toBeGreaterThan(5);
      expect(p.calls.reads).toBeLessThan(15);
      expect(p.birds.states()[0]).toMatchObject({ ok: null, because: expect.stringMatching(/somebody else|manual\/alice/) });
      expect(p.pages()).toEqual([]);
      await p.virtual.advance(3_600_000);
      expect(p.pages().map(({ type, severity }) => [type, severity])).toEqual([['provider.canary_failing', 'warning']]);
      await p.publisher.stop();
    },
  );

  test.each([
    { shares: null, foreign: ['203.0.113.7'] },
    { shares: { canary: 1000 }, foreign: ['203.0.113.7'] },
  ])('never takes over a name that answers without a fence of ours: %j', async (there) => {
    const p = publishing(
      (inner) => ({
        ...inner,
        read: async (services, signal) => {
          const read = await inner.read(services, signal);
          return services.some(({ service }) => service === NAME) ? new Map([[NAME, { fence: null, token: null, ...there }]]) : read;
        },
      }),
      ONE,
    );
    await p.virtual.advance(900_000);
    expect(p.calls.writes.some(only)).toBe(false);
    expect(p.pages()[0]?.summary).toContain('canary.test answers 203.0.113.7');
    await p.publisher.stop();
  });

  const real = { v: 40, epoch: 7, writer: 'eu/a/0f3c', nonce: 'n', hash: '0' };
  const carrying =
    (there: { fence: Fence; foreign: readonly string[] }) =>
    (inner: Provider): Provider => ({
      ...inner,
      read: async (services, signal) => {
        const read = await inner.read(services, signal);
        return services.some(({ service }) => service === NAME) ? new Map([[NAME, { shares: null, token: null, ...there }]]) : read;
      },
    });

  test.each([false, true])(
    'never takes over a name of a sibling cluster, or of a service that left this one, though it carries a fence (micro-drill: %s)',
    async (isDrill) => {
      const drill = { microDrill: true as const, pools: ['a', 'b'].map((name, i) => ({ name, weight: 1, answers: [`192.0.2.${i + 1}`] })) };
      const wrote: string[] = [];
      const p = publishing(
        (inner) => ({
          ...carrying({ fence: real, foreign: ['203.0.113.7', '203.0.113.8'] })(inner),
          apply: async (changes, signal) => {
            wrote.push(...changes.map(({ desired }) => desired.service));
            return inner.apply(changes, signal);
          },
        }),
        { canaries: [isDrill ? drill : {}] },
      );
      await p.virtual.advance(900_000);
      expect(wrote).not.toContain(NAME);
      const because =
        "canary.test answers 203.0.113.7, 203.0.113.8, and carries fence 40 of eu/a/0f3c, which is no canary's; give the canary a name of its own";
      expect(p.birds.states()[0]?.because).toBe(`not written: ${because}`);
      expect(p.pages()[0]?.summary).toContain(because);
      await p.publisher.stop();
    },
  );

  test('puts right what it wrote itself, also after its pools were configured anew', async () => {
    const p = publishing(carrying({ fence: { ...real, writer: 'canary/eu/a/0f3c' }, foreign: ['192.0.2.9'] }), {
      ...ONE,
      fencing: 'marker',
    });
    await p.virtual.advance(31_000);
    expect(p.zone.services.get(NAME)?.fence).toMatchObject({ v: 41, writer: 'canary/a/a/boot' });
    await p.publisher.stop();
  });

  test('that may not be written again and again asks its provider less and less often, and says why it waits', async () => {
    const p = publishing(fine, { ...ONE, services: [] });
    await p.virtual.advance(31_000);
    const [seen, reads] = [p.fenceOf(NAME), p.calls.reads];
    p.state.renews = false;
    await p.virtual.advance(600_000);
    expect(p.fenceOf(NAME)).toBe(seen);
    expect(p.calls.reads - reads).toBeGreaterThan(15);
    expect(p.calls.reads - reads).toBeLessThan(30);
    expect(p.birds.states()[0]?.because).toMatch(/^waits: the leader record/);
    p.state.renews = true;
    await p.virtual.advance(31_000);
    expect(p.fenceOf(NAME)).toBeGreaterThan(seen ?? Number.NaN);
    expect(p.pages()).toEqual([]);
    await p.publisher.stop();
  });

  test("that ends in an error which is nobody's does not ask every second either, and somebody hears of it", async () => {
    const p = publishing(
      (inner) => ({
        ...inner,
        read: async (services, signal) => {
          const read = await inner.read(services, signal);
          // An adapter with a bug: no list of what is foreign.
          return services.some(({ service }) => service === NAME)
            ? (new Map([[NAME, { fence: null, shares: null, token: null }]]) as unknown as typeof read)
            : read;
        },
      }),
      { ...ONE, services: [] },
    );
    await p.virtual.advance(900_000);
    expect(p.calls.reads).toBeLessThan(40);
    expect(p.birds.states()[0]?.because).toMatch(/^not written: /);
    expect(p.pages().map(({ type }) => type)).toEqual(['provider.canary_failing']);
    await p.publisher.stop();
  });

  test('pages again in a later term when others have seen it come through meanwhile', async () => {
    let isDown = true;
    const p = publishing(
      grounded(() => (isDown ? { outcome: 'fatal', because: 'the token has expired' } : null)),
      ONE,
    );
    await p.virtual.advance(31_000);
    expect(p.pages()).toHaveLength(1);
    p.state.holdsOffice = false;
    await p.virtual.advance(3_600_000);
    p.state.epoch = 3;
    p.state.holdsOffice = true;
    await p.virtual.advance(60_000);
    expect(p.pages()).toHaveLength(2);
    isDown = false;
    await p.publisher.stop();
  });
});
