// The coordinator reads the chains, on virtual time: one region falls to its second provider, and that is told once, over takeovers too. Nothing else is written.
import { expect, test } from 'vitest';
import { llmKey, outboxKey } from '../../src/coordinate/keys.ts';
import type { Sight } from '../../src/coordinate/read.ts';
import type { LlmRecord } from '../../src/llm/chain.ts';
import { createLlmDuty, LLM_EVERY_MS } from '../../src/llm/duty.ts';
import type { Page } from '../../src/model.ts';
import { DeadlineError, sleep } from '../../src/ports.ts';
import type { System } from '../../src/runbook/kind.ts';
import type { PlatformConfig } from '../../src/runbook/platform.ts';
import { createMemoryStore } from '../memory-store.ts';
import { NOW_MS, shop } from '../objectives/fixture.ts';
import { recordingLog } from '../recording-log.ts';
import { EAST, WEST } from '../runbook/platforms.ts';
import { clusterWith } from '../runbook/rig.ts';
import { stepContext } from '../runbook/temporal/fixture.ts';
import { createVirtual } from '../virtual.ts';

const platform: PlatformConfig = {
  ...shop,
  llm: {
    systems: { [EAST]: 'health-east', [WEST]: 'health-west' },
    section: 'llm',
    active: 'active',
    chain: ['openrouter', 'azure'],
    churn: { switches: 3, windowMs: 600_000 },
  },
};

const stage = () => {
  const virtual = createVirtual({ startWallMs: NOW_MS, seed: 'llm' });
  const store = createMemoryStore(virtual.ports);
  /** null: it never answers. */
  const active: Record<string, string | null> = { 'health-east': 'openrouter', 'health-west': 'openrouter' };
  /** Of each question, as it was put: whether its time was over, and by whose word. */
  const asked: { isOver: boolean; reason: unknown }[] = [];
  const fakeOf = (name: string) =>
    ({
      kind: 'http',
      document: (signal: AbortSignal) => {
        asked.push({ isOver: signal.aborted, reason: signal.reason });
        return active[name] === null ? new Promise<never>(() => undefined) : Promise.resolve({ llm: { active: active[name] } });
      },
    }) as never;
  const context = stepContext({ 'health-east': fakeOf('health-east'), 'health-west': fakeOf('health-west') }, virtual.ports);
  /** How long a system takes to be opened. */
  const opening = { ms: 0 };
  const system = async <S extends System>(name: string, kind: S['kind']): Promise<S> => {
    if (opening.ms > 0) await sleep(virtual.ports.timers, opening.ms);
    return context.system<S>(name, kind);
  };
  const open = () => createLlmDuty({ ports: virtual.ports, log: recordingLog(), store, system });
  let duty = open();
  const written = new Set<string>();
  const term = {
    commit: async (conditions: Parameters<typeof store.txn>[0]['if'], then: Parameters<typeof store.txn>[0]['then']) => {
      for (const op of then) if ('put' in op) written.add(op.put.split('/')[0] ?? '');
      return (await store.txn({ if: conditions, then })).ok;
    },
  };
  const sight = { cluster: clusterWith(platform), routing: { v: 3 } } as unknown as Sight;
  return {
    active,
    asked,
    opening,
    written,
    takeOver: () => {
      duty = open();
    },
    async looks(n: number) {
      for (let look = 0; look < n; look++) {
        duty.turn(sight, NOW_MS + virtual.now(), term);
        await virtual.advance(LLM_EVERY_MS);
      }
      await duty.idle();
    },
    pages: async () => (await store.get({ prefixes: [outboxKey('')] })).kvs.map(({ value }) => value as Page),
    record: async () => (await store.get({ keys: [llmKey('shop')] })).kvs[0]?.value as LlmRecord | undefined,
    rev: async () => (await store.get({ keys: [llmKey('shop')] })).kvs[0]?.mod,
  };
};

test('openrouter is down in one region: azure is shown and told there, once, and no route changes', async () => {
  const { active, looks, pages, record, rev, written, takeOver } = stage();
  await looks(3);
  expect(await pages()).toEqual([]);
  active['health-west'] = 'azure';
  await looks(2);
  expect((await pages()).map(({ type, severity, summary, dedupKey }) => ({ type, severity, summary, dedupKey }))).toEqual([
    {
      type: 'llm.degraded',
      severity: 'warning',
      summary: 'language models of platform shop: eu-west is on azure, not on openrouter; no route moves for it',
      dedupKey: expect.stringMatching(/^tidegate\/.+\/llm-shop$/),
    },
  ]);
  expect((await record())?.regions).toMatchObject({ [EAST]: { provider: 'openrouter' }, [WEST]: { provider: 'azure' } });
  const before = await rev();
  takeOver();
  await looks(4);
  expect([await rev(), (await pages()).length]).toEqual([before, 1]);
  active['health-west'] = 'openrouter';
  await looks(2);
  expect((await pages()).map(({ type }) => type).toSorted()).toEqual(['llm.degraded', 'llm.recovered']);
  expect(written).toEqual(new Set(['llm', 'outbox']));
});

test('a region that does not answer is unknown, holds up no other, and ends nothing', async () => {
  const { active, looks, pages, record } = stage();
  [active['health-east'], active['health-west']] = [null, 'azure'];
  await looks(4);
  expect((await pages()).map(({ type }) => type)).toEqual(['llm.degraded']);
  active['health-west'] = null;
  await looks(4);
  expect((await record())?.told).toEqual([`degraded ${WEST}`]);
});

test('a question whose time was over before it could be put is not left to run, and ends by a word for which no breaker counts', async () => {
  const { asked, opening, looks } = stage();
  opening.ms = 6_000;
  await looks(1);
  expect(asked.map(({ isOver, reason }) => [isOver, reason instanceof DeadlineError])).toEqual([
    [true, false],
    [true, false],
  ]);
});

test('how old the looks are stands in the record: written again after a minute, at once when a region falls silent or speaks again', async () => {
  const { active, looks, record, rev } = stage();
  await looks(1);
  const first = await rev();
  expect((await record())?.looks).toMatchObject({ [EAST]: { provider: 'openrouter', atMs: NOW_MS }, [WEST]: { provider: 'openrouter' } });
  await looks(4);
  expect(await rev()).toBe(first);
  await looks(1);
  expect((await record())?.looks?.[EAST]?.atMs).toBe(NOW_MS + 5 * LLM_EVERY_MS);
  const again = await rev();
  active['health-west'] = null;
  await looks(1);
  expect(await rev()).toBeGreaterThan(again ?? 0);
  expect((await record())?.looks?.[WEST]).toMatchObject({ provider: null, because: expect.stringMatching(/no answer/) });
  expect((await record())?.regions[WEST]?.provider).toBe('openrouter');
});
