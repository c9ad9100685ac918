// When workers of a region count as working, over every namespace and queue; and what of it is missing.
import { expect, test } from 'vitest';
import type { Facts, Reading, System } from '../../../src/runbook/kind.ts';
import type { TemporalCluster } from '../../../src/runbook/temporal/cluster.ts';
import { type QueueDescribed, type QueueFacts, queueOf } from '../../../src/runbook/temporal/cluster-wire.ts';
import { missingIn, temporalWait } from '../../../src/runbook/temporal/wait.ts';
import { callOf, stepContext } from './fixture.ts';

const NOW_MS = 1_800_000_000_000;
const queue = (over: Partial<QueueFacts> = {}): QueueFacts => ({ pollers: [], backlog: 0, added: 0, dispatched: 0, ...over });
const polled = (identity: string, agoMs = 1000) => ({ identity, seenAtMs: NOW_MS - agoMs });

test.each([
  ['nobody polls', queue(), '0 of 1 pollers seen'],
  ['one of the region does', queue({ pollers: [polled('eu-1')] }), null],
  ['only others do', queue({ pollers: [polled('us-1')] }), '0 of 1 pollers seen, beside 1 of elsewhere or long gone'],
  ['one did, long ago', queue({ pollers: [polled('eu-1', 120_001)] }), '0 of 1 pollers seen, beside 1 of elsewhere or long gone'],
  ['one does for two kinds of task', queue({ pollers: [polled('eu-1'), polled('eu-1')] }), null],
  ['tasks wait and none goes', queue({ pollers: [polled('eu-1')], backlog: 7 }), '7 tasks wait, and none is dispatched'],
  ['tasks wait and some go', queue({ pollers: [polled('eu-1')], backlog: 7, dispatched: 0.2 }), null],
])('%s', (_, facts, because) => {
  expect(missingIn(facts, { identity: /^eu-/, pollers: 1 }, null, NOW_MS)).toBe(because);
});

test('a backlog that falls is work, one that stays is none', () => {
  const facts = queue({ pollers: [polled('eu-1')], backlog: 7 });
  expect(missingIn(facts, { identity: null, pollers: 1 }, 8, NOW_MS)).toBe(null);
  expect(missingIn(facts, { identity: null, pollers: 1 }, 7, NOW_MS)).toBe('7 tasks wait, and none is dispatched');
});

test('two pollers are two identities', () => {
  const facts = queue({ pollers: [polled('eu-1'), polled('eu-1'), polled('us-1')] });
  expect(missingIn(facts, { identity: /^eu-/, pollers: 2 }, null, NOW_MS)).toBe('1 of 2 pollers seen, beside 1 of elsewhere or long gone');
  expect(missingIn(facts, { identity: null, pollers: 2 }, null, NOW_MS)).toBe(null);
});

test('what the server answers becomes one picture of both kinds of tasks', () => {
  const described = [
    {
      pollers: [{ identity: 'eu-1', lastAccessTime: { seconds: 1_800_000_000, nanos: 250_000_000 } }],
      stats: { approximateBacklogCount: 3, tasksDispatchRate: 1 },
    },
    { stats: { approximateBacklogCount: 4, tasksAddRate: 2, tasksDispatchRate: 0.5 } },
    {},
  ] as unknown as QueueDescribed[];
  expect(queueOf(described)).toEqual({ pollers: [{ identity: 'eu-1', seenAtMs: NOW_MS + 250 }], backlog: 7, added: 2, dispatched: 1.5 });
});

const reading = (queues: Record<string, QueueFacts | Error>, facts: Facts = {}, identity: string | null = '^eu-'): Promise<Reading> => {
  const cluster = {
    kind: 'temporal',
    close: async () => undefined,
    queue: async (namespace: string, name: string) => {
      const found = queues[`${namespace}/${name}`]!;
      if (found instanceof Error) throw found;
      return found;
    },
  } as unknown as TemporalCluster & System;
  const context = { ...stepContext({ eu: cluster }), nowMs: () => NOW_MS };
  const pairs = Object.keys(queues).map((key) => key.split('/') as [string, string]);
  const namespaces = [...new Set(pairs.map(([namespace]) => namespace))];
  const names = [...new Set(pairs.map(([, name]) => name))];
  return temporalWait.read({ system: 'eu', namespaces, queues: names, identity, pollers: 1 }, callOf(context, facts));
};

test('every queue of every namespace has to work, and what is missing is named', async () => {
  const good = queue({ pollers: [polled('eu-1')] });
  expect(await reading({ 'a/x': good, 'a/y': good, 'b/x': good, 'b/y': good })).toMatchObject({
    is: 'reached',
    because: '4 task queues have their pollers, and no task waits in vain',
  });
  expect(await reading({ 'a/x': good, 'a/y': good, 'b/x': good, 'b/y': queue() })).toMatchObject({
    is: 'pending',
    because: '3 of 4 task queues work; b/y: 0 of 1 pollers seen',
  });
});

test('no answer is unknown, and pending beside what is known to be missing', async () => {
  const lost = new Error('frontend answered UNAVAILABLE: gone');
  expect(await reading({ 'a/x': lost })).toMatchObject({
    is: 'unknown',
    because: '0 of 1 task queues work; a/x: frontend answered UNAVAILABLE: gone',
  });
  expect(await reading({ 'a/x': lost, 'b/x': queue() })).toMatchObject({ is: 'pending' });
});

test('a backlog is remembered from one look to the next', async () => {
  const stuck = (backlog: number): QueueFacts => queue({ pollers: [polled('eu-1')], backlog });
  const first = await reading({ 'a/x': stuck(9) });
  expect(first).toMatchObject({ is: 'pending', facts: { backlogs: { 'a/x': 9 } } });
  expect((await reading({ 'a/x': stuck(9) }, first.facts)).is).toBe('pending');
  expect((await reading({ 'a/x': stuck(5) }, first.facts)).is).toBe('reached');
});

test('an identity that is no regular expression never', async () => {
  expect(await reading({ 'a/x': queue() }, {}, '(')).toMatchObject({ is: 'never' });
});
