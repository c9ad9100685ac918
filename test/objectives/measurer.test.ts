// What a replica measures and writes, over named fakes of the systems around, on virtual time.
import { expect, test } from 'vitest';
import { measuredKey } from '../../src/coordinate/keys.ts';
import { Fault } from '../../src/errors.ts';
import type { ClusterConfig } from '../../src/model.ts';
import { matrixOf } from '../../src/objectives/matrix.ts';
import { AGAIN_MS, MEASURE_EVERY_MS, startMeasurer } from '../../src/objectives/measurer.ts';
import type { Measured, MeasuredCell } from '../../src/objectives/model.ts';
import type { System } from '../../src/runbook/kind.ts';
import { createMemoryStore } from '../memory-store.ts';
import { recordingLog } from '../recording-log.ts';
import { EAST, WEST } from '../runbook/platforms.ts';
import { clusterWith } from '../runbook/rig.ts';
import { stepContext } from '../runbook/temporal/fixture.ts';
import { createVirtual } from '../virtual.ts';
import { NOW_MS, SHIPPED, shop } from './fixture.ts';

const KEY = measuredKey(WEST, 'a');

/** A measurer in the west. `answers`: what a system takes for one answer, by its name; an Error: it refuses; null: it never answers. */
const begun = (cluster: ClusterConfig | null = clusterWith(shop)) => {
  const virtual = createVirtual({ startWallMs: NOW_MS, seed: 'measurer' });
  const { ports } = virtual;
  const memory = createMemoryStore(ports);
  const answers = new Map<string, number | Error | null>();
  const asked: string[] = [];
  const answer = async (name: string): Promise<number> => {
    asked.push(name);
    const given = answers.get(name) ?? 10;
    if (given instanceof Error) throw given;
    return answers.get(name) === null ? new Promise<never>(() => undefined) : given;
  };
  const fakeOf = (kind: string, name: string): System =>
    ({
      kind,
      describes: async (namespace: string) => void asked.push(`${name} ${namespace}`),
      roundTripMs: () => answer(name),
    }) as unknown as System;
  const context = stepContext(
    {
      'temporal-us-east': fakeOf('temporal', 'temporal-us-east'),
      'temporal-eu-west': fakeOf('temporal', 'temporal-eu-west'),
      'sql-east': fakeOf('postgres', 'sql-east'),
      'sql-west': fakeOf('postgres', 'sql-west'),
    },
    ports,
  );
  const trouble: { next: Error | null } = { next: null };
  const log = recordingLog();
  let now = cluster;
  const measurer = startMeasurer({
    ports,
    log,
    store: {
      get: (query, signal) => memory.get(query, signal),
      txn: async (txn, signal) => {
        const { next } = trouble;
        trouble.next = null;
        const result = await memory.txn(txn, signal);
        if (next !== null) throw next;
        return result;
      },
    },
    context,
    region: WEST,
    replica: 'a',
    boot: 'b1',
    cluster: () => now,
    nowMs: () => NOW_MS + virtual.now(),
    shipped: () => SHIPPED,
  });
  const record = async (): Promise<Measured | null> => ((await memory.get({ keys: [KEY] })).kvs[0]?.value as Measured | undefined) ?? null;
  return {
    virtual,
    answers,
    asked,
    log,
    trouble,
    measurer,
    record,
    configure: (next: ClusterConfig | null) => {
      now = next;
    },
    rev: async (): Promise<number> => (await memory.get({ keys: [KEY] })).kvs[0]?.mod ?? 0,
    cell: async (objective: string, to: string): Promise<MeasuredCell | undefined> =>
      (await record())?.cells.find((each) => each.objective === objective && each.to === to),
    put: (value: unknown) => memory.txn({ if: [], then: [{ put: KEY, value }] }),
    rounds: (n: number) => virtual.advance(n * MEASURE_EVERY_MS),
    async end() {
      const stopping = measurer.stop();
      await virtual.advance(1);
      await stopping;
      expect(virtual.pendingTimers()).toBe(0);
    },
  };
};

test('every region of the platform from its own, each ten seconds, with the namespace that is worked in', async () => {
  const { virtual, asked, answers, cell, record, rounds, end } = begun();
  answers.set('sql-east', 130);
  await virtual.advance(0);
  expect(asked.toSorted()).toEqual([
    'sql-east',
    'sql-west',
    'temporal-eu-west',
    'temporal-eu-west acme.abc12',
    'temporal-us-east',
    'temporal-us-east acme.abc12',
  ]);
  expect(await cell('postgres', EAST)).toMatchObject({ platform: 'shop', of: 'orders', ms: 130, samples: 1, lost: 0, because: '' });
  await rounds(4);
  expect(asked.filter((name) => name === 'sql-east')).toHaveLength(5);
  expect(await cell('postgres', EAST)).toMatchObject({ ms: 130, samples: 5 });
  expect(await record()).toMatchObject({ boot: 'b1' });
  await end();
});

test('what says the same is written again now and then only, and what is otherwise at once', async () => {
  const { answers, rev, rounds, end } = begun();
  await rounds(2);
  const first = await rev();
  const written: number[] = [];
  for (let round = 0; round < 6; round++) {
    await rounds(1);
    written.push(await rev());
  }
  // Each second round, as AGAIN_MS has it.
  expect(new Set([first, ...written]).size).toBe(1 + (6 * MEASURE_EVERY_MS) / AGAIN_MS);
  const before = await rev();
  for (const name of ['sql-west', 'temporal-eu-west']) answers.set(name, 900);
  await rounds(2);
  expect(await rev()).toBeGreaterThan(before);
  await end();
});

test('no answer is a look that was lost, at the latest after five seconds; what this replica cannot ask is none', async () => {
  const { answers, cell, rounds, virtual, end } = begun();
  answers.set('sql-east', null);
  answers.set('sql-west', new Error('connection refused'));
  answers.set('temporal-us-east', new Fault('ERR_SYSTEM', 'no system is named so'));
  await virtual.advance(4_999);
  expect(await cell('postgres', EAST)).toBeUndefined();
  await virtual.advance(1);
  expect(await cell('postgres', EAST)).toMatchObject({ ms: null, samples: 1, lost: 1, because: expect.stringContaining('5000 ms') });
  await rounds(3);
  expect(await cell('postgres', WEST)).toMatchObject({ ms: null, samples: 4, lost: 4, because: 'connection refused' });
  expect(await cell('rtt', EAST)).toMatchObject({ ms: null, samples: 0, lost: 0, because: 'no system is named so' });
  await end();
});

test('a look that brought nothing makes what was seen before it no fresher', async () => {
  const { answers, measurer, rounds, virtual, end } = begun();
  await virtual.advance(0);
  await rounds(3);
  answers.set('sql-west', new Fault('ERR_SYSTEM', 'no system is named so'));
  await rounds(9);
  const cell = measurer.cells().find(({ objective, to }) => objective === 'postgres' && to === WEST);
  expect(cell).toMatchObject({ samples: 4, because: 'no system is named so', agoMs: 9 * MEASURE_EVERY_MS });
  const record = { boot: 'b1', atMs: NOW_MS, cells: measurer.cells(), nonce: '' };
  const { cells } = matrixOf(shop, SHIPPED, [{ region: WEST, replica: 'a', record }], NOW_MS);
  expect(cells.find(({ objective, from, to }) => objective === 'postgres' && from === WEST && to === WEST)).toMatchObject({
    verdict: 'unknown',
    ageMs: null,
  });
  await end();
});

test('the last three looks are told apart from all of them, with the age of the first', async () => {
  const { answers, cell, measurer, rounds, virtual, end } = begun();
  answers.set('sql-west', new Error('connection refused'));
  await virtual.advance(0);
  await rounds(1);
  expect(await cell('postgres', WEST)).toMatchObject({ samples: 2, lately: null });
  await rounds(1);
  answers.set('sql-west', 30);
  await rounds(2);
  const lately = () => measurer.cells().find(({ objective, to }) => objective === 'postgres' && to === WEST);
  expect(lately()?.lately).toEqual({ ms: null, samples: 3, lost: 1, agoMs: 2 * MEASURE_EVERY_MS });
  await rounds(1);
  expect(lately()).toMatchObject({ ms: null, lost: 3, lately: { ms: 30, samples: 3, lost: 0, agoMs: 2 * MEASURE_EVERY_MS } });
  await end();
});

test('a platform that is not of its region is none of its business, nor is one that is gone', async () => {
  const { virtual, asked, configure, record, rounds, end } = begun(clusterWith({ ...shop, regions: [EAST, 'ap-south'] }));
  await virtual.advance(0);
  await rounds(3);
  expect([asked, await record()]).toEqual([[], null]);
  configure(clusterWith(shop));
  await rounds(1);
  expect((await record())?.cells).toHaveLength(4);
  configure(clusterWith());
  await rounds(1);
  expect((await record())?.cells).toEqual([]);
  await end();
});

test('a write in doubt, and a record that another wrote under our name, are mended at the next round', async () => {
  const { trouble, log, answers, put, cell, rounds, virtual, end } = begun();
  trouble.next = new Error('nobody knows');
  await virtual.advance(0);
  expect(log.lines).toContainEqual(expect.objectContaining({ event: 'objectives.measure' }));
  await rounds(1);
  expect(await cell('postgres', EAST)).toMatchObject({ samples: 2 });
  await put({ boot: 'other', atMs: 0, cells: [], nonce: 'x' });
  answers.set('sql-east', 500);
  await rounds(40);
  expect(await cell('postgres', EAST)).toMatchObject({ ms: 500, samples: 20 });
  await end();
});
