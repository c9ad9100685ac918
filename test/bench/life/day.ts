// A day of a replica in an hour of nobody's time: three replicas of the production code over an embedded store on disk, on virtual time, with what a replica runs
// beside its core (paging, duties, the stream of events with a listener, the documents). Every hour a region dies and comes back, a target flaps and an order
// is given. What is left on the heap after a collection, at the hours asked for: what grows with what has happened would show.
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createDocuments } from '../../../src/api/documents.ts';
import { createEventHub } from '../../../src/api/events.ts';
import { createSpentDuty } from '../../../src/api/spent.ts';
import { inputNow, talliesNow, type Viewing } from '../../../src/api/view.ts';
import { createAuditDuty } from '../../../src/audit/retention.ts';
import { createConvergeDuties } from '../../../src/converge/duties.ts';
import { KEYS } from '../../../src/coordinate/keys.ts';
import type { Sight } from '../../../src/coordinate/read.ts';
import { createMetrics } from '../../../src/metrics.ts';
import type { Outcome } from '../../../src/model.ts';
import { createOutbox } from '../../../src/paging/outbox.ts';
import { createReplica, type Replica } from '../../../src/replica.ts';
import { openEmbedded } from '../../../src/store/embedded.ts';
import { type MemoryZone, memoryProvider } from '../../memory-provider.ts';
import { noticed } from '../../paging/fixture.ts';
import { createVirtual } from '../../virtual.ts';
import { clusterOf, START_WALL_MS, silentLog } from '../../world.ts';

const REGIONS = ['a', 'b', 'c'] as const;
const SERVICES = 2;
const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;
const DOCUMENTS_EVERY_MS = 10_000;
/** In memory where the machine has that: a commit costs no wait for a disk, and the file is not on the heap either way. */
const FOLDER = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

const heapMB = (): number => {
  collect();
  collect();
  return process.memoryUsage().heapUsed / 1e6;
};

/** Who is ill at this minute of the hour: a region for five minutes, and one target that fails now and then. */
const isIll = (atMs: number, url: string): boolean => {
  const [hour, minute] = [Math.floor(atMs / HOUR_MS), (atMs % HOUR_MS) / MINUTE_MS];
  const region = REGIONS[hour % REGIONS.length] ?? '';
  if (minute >= 10 && minute < 15) return url.includes(`//${region}-`);
  return minute >= 40 && minute < 50 && url.includes('//b-') && Math.floor(atMs / 20_000) % 2 === 0;
};

/** A listener that takes everything at once. */
const listener = (heard: () => void): ServerResponse => {
  const none = { writableLength: 0, writableNeedDrain: false, socket: null, end: () => undefined, destroy: () => undefined };
  const own = {
    ...none,
    write: (text: string) => {
      if (text.includes('data:')) heard();
      return true;
    },
    once: () => own,
    on: () => own,
  };
  return own as unknown as ServerResponse;
};

export const measureDay = async (hours: readonly number[]) => {
  const folder = mkdtempSync(join(FOLDER, 'tidegate-bench-'));
  const virtual = createVirtual({ startWallMs: START_WALL_MS, seed: 1 });
  const { ports } = virtual;
  const store = openEmbedded({ file: join(folder, 'store.sqlite'), ports });
  const zone: MemoryZone = { services: new Map(), onServed: () => undefined };
  const counts = { looks: 0, votes: 0, decisions: 0, orders: 0, pages: 0, events: 0, documents: 0 };
  const count = (what: keyof typeof counts): void => {
    counts[what] += 1;
  };
  const hub = createEventHub({ ports, log: silentLog, store, region: 'a', replica: 'a' });
  let seen: Sight | null = null;
  const viewing = (sight: Sight): Viewing => ({
    sight,
    seenAgoMs: 0,
    region: 'a',
    replica: 'a',
    boot: 'a',
    role: replicas[0]?.coordinator.role() ?? { role: 'standby', epoch: 0 },
    vote: null,
    nowMs: replicas[0]?.coordinator.nowMs() ?? 0,
    wallMs: ports.clock.wallMs(),
  });
  const documents = createDocuments(ports, () => (seen === null ? null : inputNow(viewing(seen))));
  const audit = createAuditDuty({ store, ports, log: silentLog });
  const spent = createSpentDuty({ store, ports, log: silentLog });
  const metrics = createMetrics('day');
  const look = async ({ url }: { url: string }): Promise<Outcome> => {
    count('looks');
    return isIll(virtual.now(), url)
      ? { saw: 'fault', reason: 'refused', detail: 'connection refused', tookMs: 1 }
      : { saw: 'ok', tookMs: 1 };
  };
  const replicas: Replica[] = [];
  const outboxes = REGIONS.map((region, at) => {
    const duties = createConvergeDuties({
      log: silentLog,
      detection: metrics.detection,
      convergence: metrics.convergence,
      missed: metrics.convergenceMissed,
    });
    const replica = createReplica({
      ports,
      store,
      log: silentLog,
      region,
      replica: 'a',
      boot: region,
      providers: new Map([['memory', memoryProvider(zone)]]),
      look,
      events: {
        vote: () => count('votes'),
        decision: () => count('decisions'),
        look: (_key, _spec, _outcome, lateMs) => metrics.probeLateness(lateMs),
        sight(sight, nowMs) {
          if (at !== 0) return;
          seen = sight;
          hub.look(sight, () => talliesNow(viewing(sight)), nowMs);
        },
        turn(sight, nowMs, term) {
          audit.turn(sight, nowMs, term);
          spent.turn(nowMs, term);
          return duties.turn(sight, nowMs, term);
        },
      },
    });
    replicas.push(replica);
    return createOutbox({
      ports,
      log: silentLog,
      store,
      noticeOf: noticed,
      channels: [
        {
          name: 'one',
          places: [],
          async deliver() {
            count('pages');
            return { sent: true, receipt: 'ok' };
          },
        },
      ],
      routes: [{ to: ['one'], also: [] }],
      metrics: { page: () => undefined },
      isLeader: () => replica.coordinator.role().role === 'coordinator',
      nowMs: () => replica.coordinator.nowMs(),
    });
  });
  const order = async (hour: number): Promise<void> => {
    const { kvs } = await store.get({ keys: [KEYS.override] });
    const now = kvs[0]?.value as { version: number; items: readonly object[] } | undefined;
    const nowMs = replicas[0]?.coordinator.nowMs() ?? 0;
    const item = {
      id: `hour-${hour}`,
      kind: 'drain',
      scope: { service: `s${hour % SERVICES}.test`, pool: 'c' },
      reason: 'maintenance',
      owner: 'ana',
      createdAtMs: nowMs,
      expiresAtMs: nowMs + 5 * MINUTE_MS,
    };
    const value = { version: (now?.version ?? 0) + 1, nonce: `o${hour}`, items: [...(now?.items ?? []), item] };
    if ((await store.txn({ if: [{ key: KEYS.override, mod: kvs[0]?.mod ?? 0 }], then: [{ put: KEYS.override, value }] })).ok)
      counts.orders += 1;
  };
  try {
    await store.txn({
      if: [],
      then: [
        {
          put: KEYS.members,
          value: clusterOf(
            REGIONS,
            Array.from({ length: SERVICES }, (_, n) => ({ name: `s${n}.test` })),
          ),
        },
      ],
    });
    await virtual.advance(MINUTE_MS);
    const rows: object[] = [];
    const heap = new Map<number, number>();
    const startedAtMs = performance.now();
    for (let hour = 0; hour < Math.max(...hours); hour++) {
      // A stream ends after an hour, and who listens comes back.
      await hub.open({ lastEventId: null, types: null, service: null, confidential: true }, () => listener(() => count('events')));
      for (let slice = 0; slice < HOUR_MS / DOCUMENTS_EVERY_MS; slice++) {
        if (slice === 180) await order(hour);
        await virtual.advance(DOCUMENTS_EVERY_MS);
        if ((await documents.status()) !== null) counts.documents += 1;
      }
      if (!hours.includes(hour + 1)) continue;
      heap.set(hour + 1, heapMB());
      rows.push({
        hour: hour + 1,
        heapMB: heap.get(hour + 1),
        timesFirst: (heap.get(hour + 1) ?? 0) / (heap.get(hours[0] ?? 0) ?? 0),
        ...counts,
      });
    }
    return { rows, heap, tookS: (performance.now() - startedAtMs) / 1000 };
  } finally {
    hub.close();
    const stopping = Promise.all([...replicas.map((replica) => replica.stop()), ...outboxes.map((outbox) => outbox.close(0))]);
    await virtual.advance(10_000);
    await stopping;
    await store.close();
    rmSync(folder, { recursive: true, force: true });
  }
};
