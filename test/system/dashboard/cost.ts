// What an open page costs its browser: time that its main thread really ran, so that a busy machine changes little; and its heap.
import type { Browser, Page } from 'playwright-core';

export interface Cost {
  updates: number;
  /** Of the main thread: of everything between two overviews, in the middle; and of the longest task, which is what keeps a key waiting. */
  cpuMs: { update: number; longest: number };
  heapBytes: { peak: number; settled: number };
}

interface Traced {
  name: string;
  pid: number;
  tid: number;
  /** Microseconds of the thread. */
  tdur?: number;
  args?: { name?: string };
}

const CATEGORIES = ['disabled-by-default-devtools.timeline', '__metadata'];

const longestMs = (trace: Buffer): number => {
  const { traceEvents } = JSON.parse(trace.toString()) as { traceEvents: readonly Traced[] };
  const threadOf = ({ pid, tid }: Traced): string => `${pid}/${tid}`;
  const mains = new Set(
    traceEvents.filter(({ name, args }) => name === 'thread_name' && args?.name === 'CrRendererMain').map((event) => threadOf(event)),
  );
  const tasks = traceEvents.filter((event) => event.name === 'RunTask' && mains.has(threadOf(event)));
  if (tasks.length === 0) throw new Error('the trace has no task of a page');
  return Math.max(...tasks.map(({ tdur = 0 }) => tdur)) / 1000;
};

/** Follows the page until it has asked for so many more overviews. */
export const costOf = async (browser: Browser, page: Page, updates: number): Promise<Cost> => {
  const session = await page.context().newCDPSession(page);
  await session.send('Performance.enable', { timeDomain: 'threadTicks' });
  const read = async (name: string): Promise<number> =>
    (await session.send('Performance.getMetrics')).metrics.find((metric) => metric.name === name)?.value ?? 0;
  const asked = () => page.waitForResponse((response) => new URL(response.url()).pathname === '/v1/overview' && response.status() === 200);
  await asked();
  const spent: number[] = [];
  let [last, peak] = [await read('TaskDuration'), 0];
  await browser.startTracing(page, { categories: CATEGORIES });
  for (let n = 0; n < updates; n++) {
    await asked();
    // What it made of the one before; events of the stream in between are counted with it.
    const now = await read('TaskDuration');
    spent.push((now - last) * 1000);
    last = now;
    peak = Math.max(peak, await read('JSHeapUsedSize'));
  }
  const longest = longestMs(await browser.stopTracing());
  await session.send('HeapProfiler.collectGarbage');
  const settled = await read('JSHeapUsedSize');
  await session.detach();
  const update = spent.toSorted((a, b) => a - b)[Math.floor(spent.length / 2)] ?? 0;
  return { updates, cpuMs: { update, longest }, heapBytes: { peak, settled } };
};
