// Services with several paths: each is always brought to the decided route, one that fails holds up nothing, and only when none is left does this region give
// way.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Applied, Provider } from '../../providers/provider.ts';
import { publishing, routingOf } from './fixture.ts';

const DEAD = (inner: Provider): Provider => ({ ...inner, read: () => Promise.reject(new Error('connection refused')) });
const fine = (inner: Provider): Provider => inner;

describe('a service with two paths', () => {
  test('is written at both, and each acknowledges for itself', async () => {
    const p = publishing(fine, { also: { dns: fine } });
    await p.virtual.advance(2000);
    for (const name of ['memory', 'dns']) {
      expect(p.zoneOf(name).services.get('web')).toMatchObject({ fence: { v: 1 }, shares: { a: 1000, b: 0 } });
      expect(p.applied('web', name)).toMatchObject({ fence: 1, outcome: 'applied' });
    }
    expect(p.pages()).toEqual([]);
    await p.publisher.stop();
  });

  test('goes by the other when one fails: told once as a warning, and nobody gives way', async () => {
    const p = publishing(DEAD, { also: { dns: fine } });
    await p.virtual.advance(60_000);
    expect(p.zoneOf('dns').services.get('web')?.fence.v).toBe(1);
    expect(p.abdications).toEqual([]);
    expect(p.pages().map((page) => [page.type, page.severity])).toEqual([['provider.failing', 'warning']]);
    expect(p.pages()[0]?.summary).toContain('connection refused; its services go by dns meanwhile');
    p.state.routing = routingOf(3, { web: 3, api: 3 });
    p.publisher.publish(p.state.routing);
    expect(p.logged.filter(({ event }) => event === 'publish.path').map(({ fields }) => [fields.service, fields.path])).toEqual([
      ['web', 'dns'],
      ['api', 'dns'],
    ]);
    await p.publisher.stop();
  });

  test('of which neither works makes this region give way, with a page that is critical', async () => {
    const p = publishing(DEAD, { also: { dns: DEAD } });
    await p.virtual.advance(12_000);
    expect(p.abdications).toHaveLength(1);
    expect(p.pages().some((page) => page.severity === 'critical' && page.type === 'provider.failing')).toBe(true);
    await p.publisher.stop();
  });

  test('that were both mended are told anew when they fail again', async () => {
    let isDead = true;
    const sometimes = (inner: Provider): Provider => ({
      ...inner,
      read: (services, signal) => (isDead ? Promise.reject(new Error('connection refused')) : inner.read(services, signal)),
    });
    const p = publishing(sometimes, { also: { dns: fine } });
    await p.virtual.advance(20_000);
    isDead = false;
    await p.virtual.advance(5000);
    expect(p.zoneOf('memory').services.get('web')?.fence.v).toBe(1);
    isDead = true;
    await p.virtual.advance(60_000);
    expect(p.pages().map((page) => page.type)).toEqual(['provider.failing', 'provider.failing']);
    await p.publisher.stop();
  });

  test('one of them set by hand is left alone there, and only there', async () => {
    const p = publishing(fine, { also: { dns: fine } });
    await p.virtual.advance(2000);
    const web = p.zoneOf('dns').services.get('web') ?? expect.fail('not served');
    p.zoneOf('dns').services.set('web', { fence: { ...web.fence, v: 2, writer: 'manual/alice', nonce: 'x' }, shares: { a: 0, b: 1000 } });
    await p.virtual.advance(40_000);
    expect(p.applied('web', 'dns')?.outcome).toBe('manual');
    expect(p.applied('web', 'memory')?.outcome).toBe('applied');
    expect(p.zoneOf('dns').services.get('web')?.shares).toEqual({ a: 0, b: 1000 });
    await p.publisher.stop();
  });
});

/** How a path misbehaves for a while. */
const TROUBLES = ['fine', 'dead', 'lost', 'unanswered', 'fatal', 'slow'] as const;

const troubled =
  (trouble: () => (typeof TROUBLES)[number], running: Map<string, number>, name: string, hang: (ms: number) => Promise<void>) =>
  (inner: Provider): Provider => ({
    ...inner,
    can: { ...inner.can, batchMax: name === 'dns' ? 1 : 1000 },
    read: (services, signal) => (trouble() === 'dead' ? Promise.reject(new Error('reset')) : inner.read(services, signal)),
    async apply(changes, signal): Promise<Applied> {
      for (const { desired } of changes) {
        const key = `${name} ${desired.service}`;
        expect(running.get(key) ?? 0, `two writes of ${key} at once`).toBe(0);
        running.set(key, 1);
      }
      try {
        const now = trouble();
        if (now === 'lost') return { outcome: 'undecided', because: 'lost' };
        if (now === 'fatal') return { outcome: 'fatal', because: 'denied' };
        if (now === 'slow') await hang(700);
        const result = await inner.apply(changes, signal);
        return now === 'unanswered' ? { outcome: 'undecided', because: 'no reply' } : result;
      } finally {
        for (const { desired } of changes) running.set(`${name} ${desired.service}`, 0);
      }
    },
  });

test('whatever fails, every path comes to the same route or is told of; one write of a service at a time at each; none without a proof', async () => {
  const trouble = fc.constantFrom(...TROUBLES);
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(trouble, trouble), { minLength: 1, maxLength: 5 }), trouble, async (spans, last) => {
      const now = { memory: 'fine' as (typeof TROUBLES)[number], dns: 'fine' as (typeof TROUBLES)[number] };
      const running = new Map<string, number>();
      let provenAtMs = Number.NEGATIVE_INFINITY;
      const hang = (ms: number): Promise<void> => new Promise((resolve) => p.virtual.ports.timers.after(ms, resolve));
      const proved = (inner: Provider): Provider => ({
        ...inner,
        apply(changes, signal) {
          expect(p.virtual.now() - provenAtMs).toBeLessThanOrEqual(1000);
          return inner.apply(changes, signal);
        },
      });
      const p = publishing((inner) => proved(troubled(() => now.memory, running, 'memory', hang)(inner)), {
        also: { dns: (inner) => proved(troubled(() => now.dns, running, 'dns', hang)(inner)) },
      });
      p.state.renew = async () => {
        provenAtMs = p.virtual.now();
        return true;
      };
      /** Whoever gave way comes back with a term of its own. */
      const regain = (): void => {
        if (!p.state.holdsOffice) p.state.epoch++;
        p.state.holdsOffice = true;
      };
      await p.virtual.advance(100);
      for (const [i, [memory, dns]] of spans.entries()) {
        Object.assign(now, { memory, dns });
        regain();
        p.state.routing = routingOf(3 + i, { web: 3 + i, api: 3 + i }, i % 2 === 0 ? 1000 : 0);
        p.publisher.publish(p.state.routing);
        await p.virtual.advance(9000);
      }
      Object.assign(now, { memory: 'fine', dns: last });
      regain();
      await p.virtual.advance(45_000);
      const { v, services } = p.state.routing;
      for (const name of ['memory', ...(['fine', 'slow', 'unanswered'].includes(last) ? ['dns'] : [])])
        expect(p.zoneOf(name).services.get('web'), name).toMatchObject({ fence: { v }, shares: services.web?.route });
      const isThere = p.zoneOf('dns').services.get('web')?.fence.v === v;
      if (!isThere) expect(p.pages().map((page) => page.type)).toContain('provider.failing');
      await p.publisher.stop();
    }),
    { numRuns: 60 },
  );
});
