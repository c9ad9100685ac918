import { describe, expect, test } from 'vitest';
import type { Applied } from '../../providers/provider.ts';
import { publishing, routingOf } from './fixture.ts';

describe('a decided route', () => {
  test('is written in one batch with every changed service, read back, and acknowledged once', async () => {
    const p = publishing();
    await p.virtual.advance(100);
    expect(p.calls.writes.map((batch) => batch.map((c) => c.desired.service))).toEqual([['web', 'api']]);
    expect(p.acknowledged).toEqual(['web 1', 'api 2']);
    await p.virtual.advance(60_000);
    expect(p.calls.writes.length).toBe(1);
    expect(p.acknowledged.length).toBe(2);
    expect(p.applied('web')).toMatchObject({ fence: 1, outcome: 'applied' });
    await p.publisher.stop();
    expect(p.virtual.pendingTimers()).toBe(0);
  });

  test('goes out at once after a decision, and only for what changed', async () => {
    const p = publishing();
    await p.virtual.advance(5000);
    p.state.routing = routingOf(3, { web: 3, api: 2 }, 0);
    p.publisher.publish(p.state.routing);
    await p.virtual.advance(1);
    expect(p.calls.writes.at(-1)?.map((c) => c.desired.service)).toEqual(['web']);
    expect([p.fenceOf('web'), p.fenceOf('api')]).toEqual([3, 2]);
    await p.publisher.stop();
  });

  test('committed here but not yet read back from the store is not overtaken by the older one', async () => {
    const p = publishing();
    await p.virtual.advance(5000);
    p.publisher.publish(routingOf(4, { web: 4, api: 2 }));
    await p.virtual.advance(5000);
    expect(p.fenceOf('web')).toBe(4);
    expect(p.pages()).toEqual([]);
    await p.publisher.stop();
  });
});

describe('nothing leaves this process', () => {
  test('without the leader record', async () => {
    const p = publishing((inner) => inner, { holdsOffice: false });
    await p.virtual.advance(60_000);
    expect([p.calls.reads, p.calls.writes.length]).toEqual([0, 0]);
    await p.publisher.stop();
  });

  test('when the renewal right before the write is refused', async () => {
    const p = publishing();
    p.state.renews = false;
    await p.virtual.advance(2000);
    expect(p.calls.writes).toEqual([]);
    expect(p.outcomes).toContain('refused');
    await p.publisher.stop();
  });

  test('while a human has stopped it, though everything is decided', async () => {
    const p = publishing((inner) => inner, {
      overrides: [{ id: 'x', kind: 'stop', scope: {}, reason: '', owner: 'alice', createdAtMs: 0, expiresAtMs: 50_000 }],
    });
    await p.virtual.advance(40_000);
    expect(p.calls.writes).toEqual([]);
    await p.virtual.advance(60_000);
    expect(p.fenceOf('web')).toBe(1);
    await p.publisher.stop();
  });
});

describe('a write in doubt', () => {
  test('that had happened is found by reading back and not repeated', async () => {
    let doubts = 1;
    const p = publishing((inner) => ({
      ...inner,
      async apply(changes, signal) {
        const result = await inner.apply(changes, signal);
        return doubts-- > 0 ? { outcome: 'undecided', because: 'the reply was lost' } : result;
      },
    }));
    await p.virtual.advance(10_000);
    expect(p.calls.writes.length).toBe(1);
    expect(p.acknowledged).toEqual(['web 1', 'api 2']);
    expect(p.abdications).toEqual([]);
    await p.publisher.stop();
  });

  test('that had not happened is made after reading back', async () => {
    let lost = 1;
    const p = publishing((inner) => ({
      ...inner,
      apply: async (changes, signal): Promise<Applied> =>
        lost-- > 0 ? { outcome: 'undecided', because: 'lost' } : inner.apply(changes, signal),
    }));
    await p.virtual.advance(500);
    expect([p.acknowledged, p.applied('web')]).toEqual([[], undefined]);
    await p.virtual.advance(10_000);
    expect([p.calls.writes.length, p.fenceOf('web')]).toEqual([1, 1]);
    await p.publisher.stop();
  });

  test('that never answers ends at its deadline', async () => {
    const p = publishing((inner) => ({ ...inner, apply: () => new Promise(() => undefined) }));
    await p.virtual.advance(3100);
    expect(p.outcomes).toEqual(['undecided']);
    await p.publisher.stop();
  });
});

test('a batch that is refused is split, so that one service in conflict does not keep the others waiting', async () => {
  const p = publishing((inner) => ({
    ...inner,
    apply: async (changes, signal): Promise<Applied> =>
      changes.some((c) => c.desired.service === 'web') ? { outcome: 'fatal', because: 'policy' } : inner.apply(changes, signal),
  }));
  await p.virtual.advance(500);
  expect([p.fenceOf('web'), p.fenceOf('api')]).toEqual([undefined, 2]);
  expect(p.acknowledged).toEqual(['api 2']);
  await p.publisher.stop();
});

test('a service that could not be read is not written and is told of, and the others go on', async () => {
  const p = publishing((inner) => ({
    ...inner,
    read: async (services, signal) => {
      const found = new Map(await inner.read(services, signal));
      const back = found.get('web');
      return back === undefined ? found : found.set('web', { ...back, unread: 'its cluster is gone' });
    },
  }));
  await p.virtual.advance(15_000);
  expect([p.fenceOf('web'), p.fenceOf('api')]).toEqual([undefined, 2]);
  expect(p.calls.writes.flat().map(({ desired }) => desired.service)).not.toContain('web');
  expect(p.pages()).toMatchObject([{ summary: expect.stringContaining('its cluster is gone') }]);
  await p.publisher.stop();
});

test('what was left out of a service keeps nothing from being written, is told once while it lasts, and is looked for soon', async () => {
  let isSilent = true;
  const p = publishing((inner) => ({
    ...inner,
    read: async (services, signal) => {
      const found = new Map(await inner.read(services, signal));
      const back = found.get('web')!;
      return isSilent ? found.set('web', { ...back, leftOut: 'pool b: its cluster is gone' }) : found;
    },
  }));
  await p.virtual.advance(20);
  expect([p.fenceOf('web'), p.fenceOf('api')]).toEqual([1, 2]);
  // One look may have been a slow reply.
  expect(p.pages()).toEqual([]);
  await p.virtual.advance(60_000);
  expect(p.calls.writes.length).toBe(1);
  expect(p.pages().map(({ type }) => type)).toEqual(['provider.left_out']);
  expect(p.pages()).toMatchObject([{ summary: expect.stringContaining('pool b: its cluster is gone') }]);
  expect(p.applied('web')).toMatchObject({ outcome: 'applied', fence: 1 });
  isSilent = false;
  p.zone.services.set('web', { ...p.zone.services.get('web')!, shares: { a: 500, b: 500 } });
  await p.virtual.advance(5100);
  expect(p.zone.services.get('web')?.shares).toEqual({ a: 1000, b: 0 });
  isSilent = true;
  await p.virtual.advance(60_000);
  expect(p.pages().map(({ type }) => type)).toEqual(['provider.left_out', 'provider.drift', 'provider.left_out']);
  await p.publisher.stop();
});

describe('a provider that differs', () => {
  test('and is ahead of the store is left alone: frozen, told once', async () => {
    const p = publishing();
    await p.virtual.advance(2000);
    const web = p.zone.services.get('web')!;
    p.zone.services.set('web', { ...web, fence: { ...web.fence, v: 1_000_000 } });
    const written = p.calls.writes.length;
    await p.virtual.advance(120_000);
    expect(p.calls.writes.length).toBe(written);
    expect(p.pages().map((page) => page.type)).toEqual(['provider.ahead']);
    expect(p.applied('web')).toMatchObject({ outcome: 'frozen', fence: 1_000_000 });
    await p.publisher.stop();
  });

  test('because a stranger edited the shares is re-asserted, and told once', async () => {
    const p = publishing();
    await p.virtual.advance(2000);
    p.zone.services.set('web', { ...p.zone.services.get('web')!, shares: { a: 0, b: 1000 } });
    await p.virtual.advance(40_000);
    expect(p.zone.services.get('web')?.shares).toEqual({ a: 1000, b: 0 });
    expect(p.pages().map((page) => page.type)).toEqual(['provider.drift']);
    await p.publisher.stop();
  });

  test('and stays so whatever is written is written against every few seconds, not every second', async () => {
    const p = publishing((inner) => ({
      ...inner,
      read: async (services, signal) =>
        new Map([...(await inner.read(services, signal))].map(([name, back]) => [name, { ...back, foreign: ['backend canary weight 5'] }])),
    }));
    await p.virtual.advance(10_000);
    const [reads, writes] = [p.calls.reads, p.calls.writes.length];
    await p.virtual.advance(120_000);
    expect(p.calls.writes.length - writes).toBeLessThanOrEqual(25);
    expect(p.calls.writes.length - writes).toBeGreaterThan(3);

    expect(p.calls.reads - reads).toBeLessThanOrEqual(30);
    expect(p.pages().map(({ type }) => type)).toEqual(['provider.drift', 'provider.drift']);
    await p.publisher.stop();
  });

  test('because the fence was deleted gets a new one, with a page', async () => {
    const p = publishing();
    await p.virtual.advance(2000);
    p.zone.services.delete('web');
    await p.virtual.advance(40_000);
    expect(p.fenceOf('web')).toBe(1);
    expect(p.pages().map((page) => page.type)).toEqual(['provider.fence_lost']);
    await p.publisher.stop();
  });
});

test('a provider that keeps failing makes this region give way, with a page, within seconds', async () => {
  const p = publishing((inner) => ({ ...inner, read: () => Promise.reject(new Error('connection refused')) }));
  await p.virtual.advance(12_000);
  expect(p.abdications.length).toBe(1);
  expect(p.abdications[0]).toContain('connection refused');
  expect(p.pages().map((page) => [page.type, page.severity])).toEqual([['provider.failing', 'critical']]);
  expect(p.calls.writes).toEqual([]);
  await p.publisher.stop();
});

test('stopping waits for what is under way and starts nothing more', async () => {
  const p = publishing();
  await p.virtual.advance(2000);
  await p.publisher.stop();
  const { reads } = p.calls;
  p.publisher.publish(routingOf(9, { web: 9, api: 9 }));
  await p.virtual.advance(60_000);
  expect(p.calls.reads).toBe(reads);
  expect(p.virtual.pendingTimers()).toBe(0);
});
