// What an open page costs its browser: time of its main thread, counted while that thread really ran, so that a busy machine does not change it; and its heap.
import type { CDPSession, Page } from 'playwright-core';

export interface Cost {
  updates: number;
  /** Of the main thread, by update: in the middle, and the most. */
  cpuMs: { median: number; most: number };
  heapBytes: { peak: number; settled: number };
}

const metricsOf = async (session: CDPSession): Promise<ReadonlyMap<string, number>> =>
  new Map((await session.send('Performance.getMetrics')).metrics.map(({ name, value }) => [name, value]));

/** Follows the page until it has drawn so many more overviews. */
export const costOf = async (page: Page, updates: number): Promise<Cost> => {
  const session = await page.context().newCDPSession(page);
  await session.send('Performance.enable', { timeDomain: 'threadTicks' });
  const spent: number[] = [];
  let [last, peak] = [(await metricsOf(session)).get('TaskDuration') ?? 0, 0];
  for (let n = 0; n < updates; n++) {
    await page.waitForResponse((response) => new URL(response.url()).pathname === '/v1/overview' && response.status() === 200);
    // What it made of the one before; events of the stream in between are counted with it.
    const metrics = await metricsOf(session);
    const now = metrics.get('TaskDuration') ?? 0;
    spent.push((now - last) * 1000);
    last = now;
    peak = Math.max(peak, metrics.get('JSHeapUsedSize') ?? 0);
  }
  await session.send('HeapProfiler.collectGarbage');
  const settled = (await metricsOf(session)).get('JSHeapUsedSize') ?? 0;
  await session.detach();
  const sorted = spent.toSorted((a, b) => a - b);
  return {
    updates,
    cpuMs: { median: sorted[Math.floor(sorted.length / 2)] ?? 0, most: sorted.at(-1) ?? 0 },
    heapBytes: { peak, settled },
  };
};
