// Providers that acknowledge a write and show the state before it for a while: that state is no drift, and the write is not made a second time.
import { describe, expect, test } from 'vitest';
import { stateHash } from '../../providers/fence.ts';
import type { Provider } from '../../providers/provider.ts';
import type { Unsettled } from '../../src/publish/plan.ts';
import { desiredOf, newsOf, stepFor } from '../../src/publish/plan.ts';
import { lagging, publishing, routingOf } from './fixture.ts';

let p: ReturnType<typeof publishing>;
/** What was sent, as `service fence`. */
let sent: string[];

const counted = (inner: Provider): Provider => ({
  ...inner,
  apply: (changes, signal) => {
    sent.push(...changes.map(({ desired, fence }) => `${desired.service} ${fence.v}`));
    return inner.apply(changes, signal);
  },
});
/** A publisher on a provider that carries writes out `ms` later. */
const begin = (ms: number, ends?: 'settled' | 'failed'): void => {
  sent = [];
  p = publishing((inner) => counted(lagging(() => p.virtual.now(), ms, ends)(inner)));
};
const types = (): readonly string[] => p.pages().map(({ type }) => type);

describe('while a write is being carried out', () => {
  test('the state before it is neither told as drift nor written over again', async () => {
    begin(30_000);
    await p.virtual.advance(29_000);
    expect([sent, types()]).toEqual([['web 1', 'api 2'], []]);
    await p.virtual.advance(60_000);
    expect([sent.length, types(), p.ended, p.abdications]).toEqual([2, [], ['memory settled 30000'], []]);
    await p.publisher.stop();
  });

  test('nothing is called drift after a later decision either', async () => {
    begin(20_000);
    await p.virtual.advance(25_000);
    p.state.routing = routingOf(3, { web: 3, api: 3 }, 500);
    p.publisher.publish(p.state.routing);
    await p.virtual.advance(19_000);
    expect([sent.slice(2), types()]).toEqual([['web 3', 'api 3'], []]);
    await p.virtual.advance(40_000);
    expect([p.fenceOf('web'), sent.length, types()]).toEqual([3, 4, []]);
    await p.publisher.stop();
  });

  test('a new decision is sent at once, and passes when the write before it has; nobody gives way meanwhile', async () => {
    begin(8000);
    await p.virtual.advance(1500);
    p.state.routing = routingOf(3, { web: 3, api: 3 }, 1000);
    p.publisher.publish(p.state.routing);
    await p.virtual.advance(1);
    expect([sent.slice(2, 4), p.outcomes.at(-1)]).toEqual([['web 3', 'api 3'], 'conflict']);
    await p.virtual.advance(20_000);
    expect([p.fenceOf('web'), p.abdications, types()]).toEqual([3, [], []]);
    await p.publisher.stop();
  });

  test('it is read at once when it settles', async () => {
    begin(20_000);
    await p.virtual.advance(19_990);
    const reads = p.calls.reads;
    await p.virtual.advance(20);
    expect([p.ended, p.calls.reads]).toEqual([['memory settled 20000'], reads + 1]);
    await p.publisher.stop();
  });

  test('it is read at once when it failed, and written again', async () => {
    begin(20_000, 'failed');
    await p.virtual.advance(20_010);
    expect(p.ended).toEqual(['memory failed 20000']);
    expect(sent).toEqual(['web 1', 'api 2', 'web 1', 'api 2']);
    expect(types()).toContain('provider.fence_lost');
    await p.publisher.stop();
  });

  test('one that is given up is believed no longer', async () => {
    begin(1_000_000);
    await p.virtual.advance(119_000);
    expect([sent.length, types()]).toEqual([2, []]);
    await p.virtual.advance(10_000);
    expect(sent.length).toBeGreaterThan(2);
    expect(types()).toContain('provider.fence_lost');
    await p.publisher.stop();
  });
});

describe('after a takeover', () => {
  /** As a replica does: it publishes what it finds decided. */
  const takeOffice = (): void => {
    p.state.holdsOffice = true;
    p.publisher.publish(p.state.routing);
  };

  /** A provider that shows fence 1 of `web` while the store has 5 acknowledged by another process `ageMs` ago. */
  const takenOver = async (ageMs: number, settles = true) => {
    sent = [];
    p = publishing((inner) => counted(settles ? { ...inner, settle: async () => ({ state: 'settled' }) } : inner), { holdsOffice: false });
    await p.virtual.advance(10);
    const fence = { v: 1, epoch: 1, writer: 'x', nonce: 'n', hash: 'a'.repeat(16) };
    p.zone.services.set('web', { fence, shares: { a: 0, b: 1000 } });
    p.state.routing = routingOf(5, { web: 5 });
    await p.virtual.advance(1_000_000);
    p.put('applied/memory/web', { fence: 5, nonce: 'x', hash: 'h', atMs: p.virtual.now() - ageMs, outcome: 'applied', because: '' });
    takeOffice();
    await p.virtual.advance(5000);
  };

  test('what the predecessor wrote a moment ago and does not show is written again, since it may have failed unheard, and not told', async () => {
    await takenOver(20_000);
    expect([sent, p.fenceOf('web'), types()]).toEqual([['web 5'], 5, []]);
    await p.publisher.stop();
  });

  test.each([
    ['acknowledged long ago', 200_000, true],
    ['where an acknowledgement is the end', 20_000, false],
  ])('what was %s has gone back, and is told', async (_claim, ageMs, settles) => {
    await takenOver(ageMs, settles);
    expect([p.fenceOf('web'), types()]).toEqual([5, ['provider.drift']]);
    await p.publisher.stop();
  });

  test('what the predecessor wrote is met by the same write for as long as it takes, and that is no failure', async () => {
    sent = [];
    p = publishing(
      (inner) =>
        counted({
          ...inner,
          apply: async () => ({ outcome: 'conflict', because: 'under way' }),
          settle: async () => ({ state: 'settled' }),
        }),
      { holdsOffice: false },
    );
    await p.virtual.advance(1_000_000);
    p.zone.services.set('web', { fence: { v: 1, epoch: 1, writer: 'x', nonce: 'n', hash: 'a'.repeat(16) }, shares: { a: 0, b: 1000 } });
    p.state.routing = routingOf(5, { web: 5 });
    const desired = desiredOf(
      p.state.cluster.services[0] ?? expect.fail('no service'),
      p.state.routing.services.web ?? expect.fail('no route'),
    );
    const about = { fence: 5, nonce: 'x', hash: stateHash(desired), outcome: 'applied', because: '' };
    p.put('applied/memory/web', { ...about, atMs: p.virtual.now() - 1000 });
    takeOffice();
    await p.virtual.advance(60_000);
    expect(sent.length).toBeGreaterThan(50);
    expect([p.abdications, types()]).toEqual([[], []]);
    // Beyond the deadline of any receipt it is a failure like another.
    await p.virtual.advance(70_000);
    expect([p.abdications.length, types()]).toEqual([1, ['provider.drift', 'provider.failing']]);
    await p.publisher.stop();
  });

  test('what this term wrote itself and saw settled has gone back, and is told', async () => {
    p = publishing((inner) => {
      let n = 0;
      return {
        ...inner,
        apply: async (changes, signal) => {
          const result = await inner.apply(changes, signal);
          return result.outcome === 'applied' ? { ...result, receipt: `r${++n}` } : result;
        },
        settle: async () => ({ state: 'settled' }),
      };
    });
    await p.virtual.advance(10_000);
    p.meddle('web', { v: 0 }, { a: 0, b: 1000 });
    await p.virtual.advance(40_000);
    expect([p.fenceOf('web'), types()]).toEqual([1, ['provider.drift']]);
    await p.publisher.stop();
  });
});

describe('a step', () => {
  const desired = { service: 'web', ttlS: 30, pools: [{ pool: 'a', region: 'a', share: 1000, configuredShare: 1000, answers: [] }] };
  const fence = { v: 7, epoch: 1, writer: 'w', nonce: 'd-2', hash: stateHash(desired) };
  const applied = { fence: 7, nonce: 'd-1', hash: fence.hash, atMs: 0, outcome: 'applied' as const, because: '' };
  const watched: Unsettled = { fence: 7, nonce: 'd-1', hash: fence.hash, isWatched: true };
  const can = { fencing: 'conditional', weights: 'exact', batchMax: 1, servesAnswers: true, ttlFloorS: 1, checkedOn: '' } as const;
  const stepOf = (
    carried: object | null,
    shares: Record<string, number>,
    unsettled: Unsettled | null,
    fencing: 'conditional' | 'none' = 'conditional',
  ) =>
    stepFor(
      { desired, fence, applied, unsettled },
      { fence: carried === null ? null : { ...fence, ...carried }, shares, foreign: [], token: null },
      { can: { ...can, fencing }, quantise: () => ({ a: 1000 }) },
    );
  test.each<[string, object | null, Record<string, number>, Unsettled | null, object]>([
    ['the state before: waits', { v: 6, nonce: 'c-1' }, { a: 0 }, watched, { kind: 'settling' }],
    ['no fence yet: waits', null, { a: 0 }, watched, { kind: 'settling' }],
    ['the write shows, and something else with it: drift', { nonce: 'd-1' }, { a: 0 }, watched, { kind: 'write', why: 'drift' }],
    ['the write shows: done', { nonce: 'd-1' }, { a: 1000 }, watched, { kind: 'done' }],
    ['an earlier decision was written: behind', { v: 5 }, { a: 0 }, { ...watched, fence: 6 }, { kind: 'write', why: 'behind' }],
    ['the same decision with another content: behind', { v: 6 }, { a: 0 }, { ...watched, hash: 'x' }, { kind: 'write', why: 'behind' }],
    ['without its receipt: behind', { v: 6 }, { a: 0 }, { ...watched, isWatched: false }, { kind: 'write', why: 'behind' }],
    ['nothing is under way: drift', { v: 6 }, { a: 0 }, null, { kind: 'write', why: 'drift' }],
    ['somebody is ahead: left alone', { v: 9 }, { a: 0 }, watched, { kind: 'ahead' }],
  ])('%s', (_claim, carried, shares, unsettled, expected) => {
    const step = stepOf(carried, shares, unsettled);
    expect(step).toMatchObject(expected);
    if (step.kind === 'settling') expect(newsOf(step)).toBeNull();
  });

  test('where no fence is kept, what differs waits', () => {
    expect(stepOf(null, { a: 0 }, watched, 'none')).toMatchObject({ kind: 'settling' });
    expect(stepOf(null, { a: 1000 }, watched, 'none')).toMatchObject({ kind: 'done' });
  });
});
