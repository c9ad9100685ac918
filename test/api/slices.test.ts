// Long work beside probing: what a document of a large cluster takes is taken in slices, and the same document comes of it.
import { setImmediate } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { createDocuments } from '../../src/api/documents.ts';
import { encoding } from '../../src/api/encoded.ts';
import { healthDetail } from '../../src/api/health-detail.ts';
import { atOnce, inSlices, madeInSlices, type Steps } from '../../src/api/slices.ts';
import { statusDocument, statusInShort } from '../../src/api/status.ts';
import { createMetrics } from '../../src/metrics.ts';
import type { PoolTally } from '../../src/model.ts';
import { isoTime } from '../../src/ports.ts';
import { gaugesOf } from '../../src/serve/health-gauges.ts';
import { openBigWorld } from '../dashboard/big-world.ts';
import { tallyOf } from '../health/votes.ts';
import { healthFacts, NOW_MS, statusInput } from './fixture.ts';

/** Time that passes only when somebody works or sleeps. */
const slowPorts = () => {
  let nowMs = 0;
  const sleeps: number[] = [];
  return {
    sleeps,
    work: (ms: number) => {
      nowMs += ms;
    },
    ports: {
      clock: { monoMs: () => nowMs, wallMs: () => nowMs },
      timers: {
        after(ms: number, run: () => void) {
          sleeps.push(ms);
          void setImmediate().then(() => {
            nowMs += ms;
            run();
          });
          return { cancel: () => undefined };
        },
      },
    },
  };
};

const stepsOf = (work: (ms: number) => void, count: number, ms: number) =>
  function* (): Steps<number> {
    for (let n = 0; n < count; n++) {
      work(ms);
      yield;
    }
    return count;
  };

describe('slices', () => {
  test('after 8 ms everything else has as much time as was taken', async () => {
    const { ports, work, sleeps } = slowPorts();
    expect(await inSlices(ports, stepsOf(work, 10, 3)())).toBe(10);
    expect(sleeps).toEqual([9, 9, 9]);
  });

  test('what is done within one slice waits for nothing', async () => {
    const { ports, work, sleeps } = slowPorts();
    expect(await inSlices(ports, stepsOf(work, 2, 3)())).toBe(2);
    expect(sleeps).toEqual([]);
  });

  test('who asks while it is being made, or soon after, has the same; later it is made anew', async () => {
    const { ports, work } = slowPorts();
    let begun = 0;
    const make = madeInSlices(
      ports,
      () => {
        begun += 1;
        return stepsOf(work, 10, 5)();
      },
      100,
    );
    const first = make();
    await setImmediate();
    expect(make()).toBe(first);
    await first;
    work(99);
    expect([make() === first, begun]).toEqual([true, 1]);
    work(1);
    await make();
    expect(begun).toBe(2);
  });

  test('what failed is made anew for the next', async () => {
    const { ports } = slowPorts();
    let fails = true;
    const make = madeInSlices(
      ports,
      function* (): Steps<string> {
        if (fails) throw new Error('broken');
        yield;
        return 'made';
      },
      100,
    );
    await expect(make()).rejects.toThrow('broken');
    fails = false;
    expect(await make()).toBe('made');
  });
});

/** One pool of so many targets, all up. */
const talliesOf = (count: number): readonly PoolTally[] => [
  tallyOf('eu', { targets: Array.from({ length: count }, (_, n) => ({ target: `web/eu/t${n}`, verdict: 'up' as const, endpoints: {} })) }),
];

describe('the text of a document', () => {
  test.each([
    ['plain members', { a: 1, b: 'x"\n', c: null, d: true }],
    ['what is left out', { a: undefined, b: [undefined, 1], c: { d: { e: { f: undefined, g: [] } } } }],
    ['nothing', {}],
    ['lists of lists', [[], [[]], [[[1, [2]]]], {}]],
    ['no object', 'text'],
    ['none', null],
    ['a status', statusDocument(statusInput())],
  ])('%s is what JSON.stringify says', (_, document) => {
    expect(atOnce(encoding(document)).plain.toString()).toBe(JSON.stringify(document));
  });

  test('a scrape of 20,000 targets is written in many slices: in one go it held the loop for 0.4 to 0.9 s, and a vantage that is held for 0.25 s doubts itself', async () => {
    const { ports, work, sleeps } = slowPorts();
    const monoMs = (): number => {
      work(8);
      return ports.clock.monoMs();
    };
    const metrics = createMetrics();
    metrics.state({ tallies: talliesOf(20_000), routing: null, overrides: null, nowMs: 0 });
    const text = await metrics.text({ ...ports, clock: { ...ports.clock, monoMs } });
    expect(text).toBe(await metrics.text());
    expect(text.match(/^tidegate_target_verdict\{/gm)).toHaveLength(100_000);
    expect(sleeps.length).toBeGreaterThan(100);
  });

  test('of 200 services in 20 regions it is made in many slices; in one go it held the loop that probes for a quarter of a second', async () => {
    await using world = await openBigWorld({ frozen: true });
    const input = world.input();
    const { ports, work, sleeps } = slowPorts();
    // Each look at the clock takes as long as a step may: every step is a slice.
    const monoMs = (): number => {
      work(8);
      return ports.clock.monoMs();
    };
    const documents = createDocuments({ ...ports, clock: { ...ports.clock, monoMs } }, () => input);
    const text = (await documents.status())?.plain.toString();
    expect(text).toBe(JSON.stringify(statusDocument(input)));
    expect(sleeps.length).toBeGreaterThan(100);
  }, 60_000);
});

test('the health of a replica is judged by what does not grow with its targets, and the same is said of it', async () => {
  await using world = await openBigWorld({ frozen: true });
  const input = world.input();
  const { cluster } = input;
  const [short, whole] = [statusInShort(input), statusDocument(input)].map((status) =>
    healthFacts({ status, cluster, wallMs: NOW_MS, paths: input.paths ?? null }),
  );
  if (short === undefined || whole === undefined) throw new Error('nothing was made');
  expect(healthDetail(short, isoTime)).toEqual(healthDetail(whole, isoTime));
  expect(gaugesOf(short)).toEqual(gaugesOf(whole));
  expect(JSON.stringify(short.status).length).toBeLessThan(JSON.stringify(whole.status).length / 100);
}, 60_000);
