// The journal by its length, on a real etcd of three members: an entry more, the newest page and one from the middle as the API reads them, and all of it
// verified. Reference: a bare transaction of as many records and bytes, by the same client. The longest is five times what retention leaves.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { append } from '../../src/audit/append.ts';
import { verifyStore } from '../../src/audit/export.ts';
import { appendOps, type Draft, readHead } from '../../src/audit/journal.ts';
import { createAuditReader } from '../../src/audit/reader.ts';
import { KEEPING } from '../../src/audit/retention.ts';
import { realPorts } from '../../src/ports.ts';
import type { Store } from '../../src/store/store.ts';
import type { Bench, BenchOptions } from './bench.ts';
import { startRing } from './coordination/ring.ts';
import { quantile } from './numbers.ts';

const LENGTHS = [1000, KEEPING.journal.cap, 5 * KEEPING.journal.cap];
const QUICK_LENGTHS = [1000, 5000];
/** Entries written by one transaction while the journal is filled. */
const FILL = 100;
/** As the API reads them. */
const PAGE = 500;
const [APPENDS, PAGES] = [200, 20];
const GOAL_TIMES = 4;
/** Of an append, from the shortest journal to the longest. */
const GOAL_GROWTH = 1.5;

const ports = realPorts();
const monoMs = (): number => ports.clock.monoMs();

const draft = (): Draft => ({
  kind: 'override.put',
  by: 'operator@example.com',
  how: 'token',
  because: 'a region is taken out of service for the replacement of its switches, as was agreed last week',
  detail: { id: ports.random.hex(8), service: 'web.example.test', target: { pool: 'region-a' }, action: 'drain', ttlMs: 3_600_000 },
  atMs: ports.clock.wallMs(),
  nonce: ports.random.hex(8),
});

const fill = async (store: Store, length: number): Promise<void> => {
  for (let head = await readHead(store); head.n < length; head = await readHead(store)) {
    const { conditions, ops } = appendOps(head, ...Array.from({ length: Math.min(FILL, length - head.n) }, draft));
    await store.txn({ if: conditions, then: ops });
  }
};

const timed = async (times: number, work: (i: number) => Promise<unknown>): Promise<readonly number[]> => {
  const tookMs: number[] = [];
  for (let i = 0; i < times; i++) {
    const beganMs = monoMs();
    await work(i);
    tookMs.push(monoMs() - beganMs);
  }
  return tookMs;
};

const measure = async (store: Store, length: number) => {
  await fill(store, length);
  const { ops } = appendOps(await readHead(store), draft());
  const reader = createAuditReader({ store, ports });
  const pageAt = (n: number) => timed(PAGES, () => reader.page({ v: 0, n }, PAGE));
  const appends: number[] = [];
  const bare: number[] = [];
  // In turns, so that both meet the same machine.
  for (let i = 0; i < APPENDS; i++) {
    bare.push(
      ...(await timed(1, () =>
        store.txn({ if: [], then: ops.map((op, k) => ({ put: `bare/${k}`, value: 'put' in op ? op.value : null })) }),
      )),
    );
    appends.push(...(await timed(1, () => append(store, ports, draft()))));
  }
  const [newest, middle] = [await pageAt(length + APPENDS - PAGE), await pageAt(length / 2)];
  const loop = monitorEventLoopDelay({ resolution: 5 });
  loop.enable();
  const [verifiedMs = 0] = await timed(1, async () => {
    const { report } = await verifyStore(store, ports.clock.wallMs());
    if (report.findings.length > 0) throw new Error(`the journal does not verify: ${report.findings[0]?.because}`);
  });
  loop.disable();
  return {
    entries: length,
    appendP50Ms: quantile(appends, 0.5),
    appendP99Ms: quantile(appends, 0.99),
    bareP50Ms: quantile(bare, 0.5),
    timesBare: quantile(appends, 0.5) / quantile(bare, 0.5),
    newestPageP50Ms: quantile(newest, 0.5),
    middlePageP50Ms: quantile(middle, 0.5),
    verifiedS: verifiedMs / 1000,
    loopMaxMs: loop.max / 1e6,
  };
};

export const benchJournal = async ({ quick }: BenchOptions): Promise<Bench> => {
  const ring = await startRing(0);
  const store = ring.open('a');
  try {
    const rows: Awaited<ReturnType<typeof measure>>[] = [];
    for (const length of quick ? QUICK_LENGTHS : LENGTHS) {
      process.stderr.write(`journal: ${length} entries\n`);
      rows.push(await measure(store, length));
    }
    const growth = (rows.at(-1)?.timesBare ?? 0) / (rows[0]?.timesBare ?? 1);
    return {
      goals: { timesBare: GOAL_TIMES, growth: GOAL_GROWTH },
      met: growth <= GOAL_GROWTH && rows.every(({ timesBare }) => timesBare <= GOAL_TIMES),
      rows,
      notes: ['append: a read of the head and a transaction of two records; bare: the transaction alone; page: 500 entries'],
    };
  } finally {
    await store.close();
    await ring.close();
  }
};
