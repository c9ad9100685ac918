// What a process of a simulated cluster runs beside its core, by production code: what carries runs of platforms out and watches their databases, pages
// through two sinks, looks at its anchors.

import { memoryDisk } from '../../src/disk.ts';
import { tally } from '../../src/health/quorum.ts';
import { createLlmDuty } from '../../src/llm/duty.ts';
import type { Log } from '../../src/log.ts';
import type { ClusterConfig, Page, PoolTally } from '../../src/model.ts';
import type { Channel, Delivery } from '../../src/paging/channel.ts';
import { createDirectPages } from '../../src/paging/direct.ts';
import { createOutbox } from '../../src/paging/outbox.ts';
import { openSpool, type Spool } from '../../src/paging/spool.ts';
import { startSelfCheck, watchAnchors } from '../../src/probe/selfcheck.ts';
import { createExecutor } from '../../src/runbook/executor.ts';
import { approval } from '../../src/runbook/human/approval.ts';
import { sleep } from '../../src/runbook/human/sleep.ts';
import type { KindOf, StepContext } from '../../src/runbook/kind.ts';
import { chooseTarget, planOf } from '../../src/runbook/plan.ts';
import { createRunOrders } from '../../src/runbook/routing/orders.ts';
import { routeShift } from '../../src/runbook/routing/shift.ts';
import { routeWait } from '../../src/runbook/routing/wait.ts';
import { createStarter, type Starter } from '../../src/runbook/starter-duty.ts';
import { createTierDesk } from '../../src/runbook/tiers/desk.ts';
import { createTiers, type Tiers as Watch } from '../../src/serve/tiers.ts';
import { noticed } from '../paging/fixture.ts';
import type { Ground } from './ground.ts';
import { isFaked, type Landscape } from './landscape.ts';
import type { Place } from './place.ts';

/** Imported beforehand: virtual time waits for no file. */
const OWN_KINDS = { 'route.shift': routeShift, 'route.wait': routeWait, approval, sleep } as const;
const ANCHOR_TIMEOUT_MS = 1500;
export const SINKS = ['one', 'two'] as const;

/** Accepts pages; refuses them for now; does not answer; or takes them and does not answer. */
export type SinkMode = 'ok' | 'fail' | 'hang' | 'mute';

export interface Around {
  log: Log;
  ground: Ground;
  /** Files of pages by place, which outlive their processes. */
  spools: Map<string, Spool>;
  modeOf: (sink: string) => SinkMode;
  delivered: (sink: string, page: Page) => void;
}

/** `turn` while it coordinates, `rest` when it does no more. */
export interface Carriers extends Pick<Starter, 'turn'> {
  rest(): void;
}

/** Production's watch over databases of the landscape. A system is its name. */
const watchDatabases = ({ process: { ports }, name: by, store }: Place, landscape: Landscape, context: StepContext): Watch => {
  const system: StepContext['system'] = async (name, kind) => ({ kind, name, close: async () => undefined }) as never;
  return createTiers({
    ports,
    log: context.log,
    store,
    context: { ...context, system },
    by,
    reaches: () => true,
    canary: () => landscape.kindOf('pg.canary'),
    siteSays: (sql) => landscape.tiers.says((sql as unknown as { name: string }).name),
    lagBetween: async () => ({ ms: 0, bytes: 0 }),
  });
};

/** What carries runs of platforms out in a process; what begins them while it coordinates, watches databases, and reads the chains of language models. */
export const carryOut = (place: Place, landscape: Landscape, watched: boolean, log: Log): Carriers => {
  const { region, name, store, boot } = place;
  const { ports } = place.process;
  const replica = name.slice(region.length + 1);
  const cluster = (): ClusterConfig | null => place.replica?.coordinator.lastSight()?.cluster ?? null;
  const nowMs = (): number => place.replica?.coordinator.nowMs() ?? 0;
  const tallies = (): readonly PoolTally[] => {
    const sight = place.replica?.coordinator.lastSight() ?? null;
    return sight?.cluster == null ? [] : tally(sight.cluster, sight.heard, nowMs());
  };
  const orders = createRunOrders({ store, ports, cluster, clusterNowMs: nowMs, foresee: () => null });
  const context: StepContext = {
    ports,
    log,
    system: () => Promise.reject(new Error('kinds of this world need no systems')),
    routing: orders,
    tiers: createTierDesk({ store, ports, clusterNowMs: nowMs, ageMs: () => null, tallies }),
    nowMs,
  };
  const common = { ports, store, log, region, replica, planOf };
  const executor = createExecutor({
    ...common,
    boot,
    kindOf: async (kind) => (isFaked(kind) ? landscape.kindOf(kind) : OWN_KINDS[kind]) as ReturnType<KindOf>,
    context,
    cluster,
    nowMs,
    metrics: { runbookStep: () => undefined, runbookEnded: () => undefined, runbookWaiting: () => undefined },
  });
  place.ends.push(() => executor.stop());
  const followed = (): ReadonlyMap<string, string> => landscape.followed(cluster()?.platforms ?? []);
  const starter = createStarter({ ...common, choose: chooseTarget, orders, followed });
  const system = async (system: string) => ({ kind: 'http', document: () => landscape.document(system) }) as never;
  const llm = createLlmDuty({ ports, log, store, system });
  const watch = watched ? watchDatabases(place, landscape, context) : null;
  return {
    turn(sight, now, term) {
      starter.turn(sight, now, term);
      watch?.turn(sight, term);
      llm.turn(sight, now, term);
    },
    rest: () => llm.rest(),
  };
};

const channelOf = (place: Place, sink: (typeof SINKS)[number], { modeOf, delivered }: Around): Channel => ({
  name: sink,
  places: [],
  deliver: async ({ page }): Promise<Delivery> => {
    const mode = modeOf(sink);
    if (mode === 'hang' || !place.egress) return new Promise(() => undefined);
    if (mode === 'fail') return { sent: false, retry: true, because: '500' };
    delivered(sink, page);
    if (mode === 'mute') return new Promise(() => undefined);
    return { sent: true, receipt: 'ok' };
  },
});

/** What a process of the service runs beside its core. */
export const equip = async (place: Place, around: Around, storeAgeMs: () => number): Promise<void> => {
  const { replica, region, name, store } = place;
  const { ports } = place.process;
  const { coordinator, vantage } = replica;
  const common = { ports, log: around.log, store, channels: SINKS.map((sink) => channelOf(place, sink, around)), noticeOf: noticed };
  const nowMs = (): number => coordinator.nowMs();
  const outbox = createOutbox({
    ...common,
    // One is asked first; two when it has not taken a page for 30 s.
    routes: [{ to: SINKS, also: [] }],
    metrics: { page: () => undefined },
    isLeader: () => coordinator.role().role === 'coordinator',
    nowMs,
  });
  // Its file outlives the process.
  const spool = around.spools.get(name) ?? (await openSpool({ disk: memoryDisk(), ports, log: around.log }));
  around.spools.set(name, spool);
  const direct = createDirectPages({
    ...common,
    spool,
    region,
    replica: name.slice(region.length + 1),
    storeAgeMs,
    belief: () => vantage.vote(),
    cluster: () => coordinator.lastSight()?.cluster ?? null,
    routing: () => coordinator.lastSight()?.routing ?? null,
    nowMs,
  });
  const anchors = watchAnchors(region, (urls) =>
    startSelfCheck({
      ports,
      anchors: urls,
      context: { timeoutMs: ANCHOR_TIMEOUT_MS } as Parameters<typeof startSelfCheck>[0]['context'],
      onFacts: (facts) => replica.facts(facts),
      look: (_spec, context, signal) => around.ground.anchor(region, ports, context.timeoutMs, signal),
    }),
  );
  place.anchors = anchors;
  const known = coordinator.lastSight()?.cluster ?? null;
  if (known !== null) anchors.follow(known);
  place.ends.push(
    () => outbox.close(0),
    () => direct.close(0),
    () => anchors.stop(),
  );
};
