// The right to write, and what is told: proofs that must be fresh, routes that must fit the configuration, problems told once each and never lost.
import { describe, expect, test } from 'vitest';
import type { Applied } from '../../providers/provider.ts';
import { sleep } from '../../src/ports.ts';
import { publishing, routingOf } from './fixture.ts';

const CONFLICT: Applied = { outcome: 'conflict', because: 'web carries another fence' };

describe('the proof right before a write', () => {
  test('counts for a second: a process that slept after it proves it again', async () => {
    const p = publishing();
    let slept = 0;
    p.state.renew = async () => {
      if (slept++ === 0) await sleep(p.virtual.ports.timers, 60_000);
      return true;
    };
    await p.virtual.advance(60_000);
    expect([slept, p.calls.writes.length]).toEqual([2, 1]);
    await p.publisher.stop();
  });

  test('that takes longer each time is none: nothing is written, and another region should try', async () => {
    const p = publishing();
    p.state.renew = async () => {
      await sleep(p.virtual.ports.timers, 1001);
      return true;
    };
    await p.virtual.advance(30_000);
    expect(p.calls.writes).toEqual([]);
    expect(p.abdications).toHaveLength(1);
    expect(p.abdications[0]).toContain('could not be renewed within 1000 ms');
    await p.publisher.stop();
  });

  test('is asked for anew for the parts of a batch that is split, which share it while they begin within a second of it', async () => {
    let renewals = 0;
    const p = publishing((inner) => ({
      ...inner,
      apply: async (changes, signal): Promise<Applied> => (changes.length > 1 ? CONFLICT : inner.apply(changes, signal)),
    }));
    p.state.renew = async () => {
      renewals++;
      return true;
    };
    await p.virtual.advance(500);
    expect([p.fenceOf('web'), p.fenceOf('api'), renewals]).toEqual([1, 2, 2]);
    await p.publisher.stop();
  });

  test('that takes too long each time is a failure for each of many batches, not a change of what was read', async () => {
    const p = publishing((inner) => inner, { batchMax: 1 });
    p.state.renew = async () => {
      await sleep(p.virtual.ports.timers, 1001);
      return true;
    };
    await p.virtual.advance(30_000);
    expect(p.calls.writes).toEqual([]);
    expect(p.abdications).toHaveLength(1);
    await p.publisher.stop();
  });

  test('lost between read and write: nothing leaves, nothing is told', async () => {
    const p = publishing((inner) => ({
      ...inner,
      async read(services, signal) {
        p.state.renews = false;
        return inner.read(services, signal);
      },
    }));
    await p.virtual.advance(2000);
    expect(p.calls.writes).toEqual([]);
    expect(p.pages()).toEqual([]);
    await p.publisher.stop();
  });
});

describe('a conflict', () => {
  test('goes back to store and provider before anything is written again, and is never forced', async () => {
    const p = publishing((inner) => ({ ...inner, apply: async (): Promise<Applied> => CONFLICT }));
    await p.virtual.advance(900);
    const { reads } = p.calls;
    // The batch, then its two services by themselves; each later try begins with a read.
    expect(reads).toBe(1);
    await p.virtual.advance(10_000);
    expect(p.calls.reads).toBe(3);
    expect(p.abdications).toHaveLength(1);
    expect(p.zone.services.size).toBe(0);
    await p.publisher.stop();
  });

  test('over once: the write is made from what was read then', async () => {
    let conflicts = 1;
    const p = publishing((inner) => ({
      ...inner,
      apply: async (changes, signal): Promise<Applied> => {
        if (changes.length > 1 && conflicts-- > 0) {
          p.zone.services.set('web', { fence: { v: 0, epoch: 9, writer: 'x', nonce: 'x', hash: 'ab' }, shares: { a: 0, b: 1000 } });
          return CONFLICT;
        }
        return inner.apply(changes, signal);
      },
    }));
    await p.virtual.advance(3000);
    expect([p.fenceOf('web'), p.fenceOf('api')]).toEqual([1, 2]);
    expect(p.abdications).toEqual([]);
    await p.publisher.stop();
  });
});

describe('failures', () => {
  test('two and then a success count for nothing', async () => {
    let failures = 2;
    const p = publishing((inner) => ({
      ...inner,
      read: (services, signal) => (failures-- > 0 ? Promise.reject(new Error('reset')) : inner.read(services, signal)),
    }));
    await p.virtual.advance(4000);
    failures = 2;
    await p.virtual.advance(60_000);
    expect(p.abdications).toEqual([]);
    expect(p.fenceOf('web')).toBe(1);
    await p.publisher.stop();
  });

  test('the third in a row gives way', async () => {
    const p = publishing((inner) => ({ ...inner, read: () => Promise.reject(new Error('reset')) }));
    await p.virtual.advance(1500);
    expect(p.abdications).toEqual([]);
    await p.virtual.advance(1000);
    expect(p.abdications).toEqual(['provider memory: reset']);
    await p.publisher.stop();
  });

  test('a fatal answer is one of them', async () => {
    const p = publishing((inner) => ({ ...inner, apply: async (): Promise<Applied> => ({ outcome: 'fatal', because: 'no permission' }) }));
    await p.virtual.advance(5000);
    expect(p.abdications).toEqual(['provider memory: no permission']);
    await p.publisher.stop();
  });

  test('the page is told again in the next outage, not in the same one', async () => {
    let down = true;
    const p = publishing((inner) => ({
      ...inner,
      read: (services, signal) => (down ? Promise.reject(new Error('reset')) : inner.read(services, signal)),
    }));
    await p.virtual.advance(10_000);
    p.state.holdsOffice = true;
    await p.virtual.advance(10_000);
    expect(p.pages().map((x) => x.type)).toEqual(['provider.failing']);
    down = false;
    p.state.holdsOffice = true;
    await p.virtual.advance(31_000);
    down = true;
    await p.virtual.advance(60_000);
    expect(p.pages().map((x) => x.type)).toEqual(['provider.failing', 'provider.failing']);
    expect(new Set(p.pages().map((x) => x.id)).size).toBe(2);
    expect(new Set(p.pages().map((x) => x.dedupKey)).size).toBe(1);
    await p.publisher.stop();
  });
});

describe('a configuration newer than the route', () => {
  test('keeps the publisher waiting for the decision that takes it up', async () => {
    const p = publishing();
    await p.virtual.advance(2000);
    const written = p.calls.writes.length;
    p.state.cluster = { ...p.state.cluster, version: 2 };
    p.zone.services.delete('web');
    await p.virtual.advance(60_000);
    expect(p.calls.writes).toHaveLength(written);
    p.state.routing = { ...routingOf(3, { web: 1, api: 2 }), membersVersion: 2 };
    await p.virtual.advance(2000);
    expect(p.fenceOf('web')).toBe(1);
    await p.publisher.stop();
  });
});

describe('services whose names begin alike', () => {
  test('are not taken for one another: a first write is a first write', async () => {
    const p = publishing((x) => x, { services: ['web', 'web2'], routing: routingOf(2, { web: 0, web2: 2 }) });
    await p.virtual.advance(2000);
    p.state.routing = routingOf(3, { web: 2, web2: 2 });
    p.publisher.publish(p.state.routing);
    await p.virtual.advance(5000);
    expect(p.pages()).toEqual([]);
    expect(p.acknowledged).toEqual(['web2 2', 'web 2']);
    expect(p.applied('web')).toMatchObject({ fence: 2, outcome: 'applied' });
    await p.publisher.stop();
  });
});

describe('what is told', () => {
  test('a fence that no decision of this store made is ahead, even if later decisions have passed its number', async () => {
    const p = publishing();
    await p.virtual.advance(2000);
    p.state.routing = routingOf(9, { web: 1, api: 2 });
    const web = p.zone.services.get('web') ?? expect.fail('not served');
    p.zone.services.set('web', { ...web, fence: { ...web.fence, v: 5 } });
    await p.virtual.advance(31_000);
    expect(p.pages().map((x) => x.type)).toEqual(['provider.ahead']);
    expect(p.applied('web')).toMatchObject({ outcome: 'frozen', fence: 5 });
    expect(p.fenceOf('web')).toBe(5);
    await p.publisher.stop();
  });

  test('a frozen service is told once, though the others go on being written', async () => {
    const p = publishing();
    await p.virtual.advance(2000);
    const web = p.zone.services.get('web') ?? expect.fail('not served');
    p.zone.services.set('web', { ...web, fence: { ...web.fence, v: 1000 } });
    for (let v = 3; v < 8; v++) {
      p.state.routing = routingOf(v, { web: 1, api: v });
      p.publisher.publish(p.state.routing);
      await p.virtual.advance(5000);
      expect(p.fenceOf('api')).toBe(v);
    }
    expect(p.pages().map((x) => x.type)).toEqual(['provider.ahead']);
    await p.publisher.stop();
  });

  test('problems of two services have keys of their own', async () => {
    const p = publishing();
    await p.virtual.advance(2000);
    for (const name of ['web', 'api']) {
      const served = p.zone.services.get(name) ?? expect.fail('not served');
      p.zone.services.set(name, { ...served, shares: { a: 0, b: 1000 } });
    }
    await p.virtual.advance(31_000);
    expect(p.pages().map((x) => x.dedupKey)).toEqual(['tidegate/test/provider-memory-web', 'tidegate/test/provider-memory-api']);
    await p.publisher.stop();
  });

  test('drift that comes again is told again', async () => {
    const p = publishing();
    for (let n = 0; n < 2; n++) {
      await p.virtual.advance(2000);
      const web = p.zone.services.get('web') ?? expect.fail('not served');
      p.zone.services.set('web', { ...web, shares: { a: 0, b: 1000 } });
      await p.virtual.advance(35_000);
    }
    expect(p.pages().map((x) => x.type)).toEqual(['provider.drift', 'provider.drift']);
    await p.publisher.stop();
  });

  test('a page whose commit was refused is told at the next turn', async () => {
    const p = publishing();
    await p.virtual.advance(2000);
    const web = p.zone.services.get('web') ?? expect.fail('not served');
    p.zone.services.set('web', { ...web, fence: { ...web.fence, v: 1000 } });
    p.state.commits = false;
    await p.virtual.advance(31_000);
    expect(p.pages()).toEqual([]);
    p.state.commits = true;
    await p.virtual.advance(31_000);
    expect(p.pages().map((x) => x.type)).toEqual(['provider.ahead']);
    await p.publisher.stop();
  });

  test('the record of a frozen service is written once, not at every look', async () => {
    const p = publishing();
    await p.virtual.advance(2000);
    const web = p.zone.services.get('web') ?? expect.fail('not served');
    p.zone.services.set('web', { ...web, fence: { ...web.fence, v: 1000 } });
    await p.virtual.advance(31_000);
    const frozen = p.applied('web');
    await p.virtual.advance(300_000);
    expect(p.applied('web')).toEqual(frozen);
    await p.publisher.stop();
  });
});
