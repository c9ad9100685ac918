// An acknowledged order is never lost, is obeyed by every decision that comes after it, and ends on time.
import { KEYS } from '../../../src/coordinate/keys.ts';
import type { Override, Overrides, PoolConfig, ServiceConfig } from '../../../src/model.ts';
import { type Checker, type Decided, drainsOf, type Scene } from '../checker.ts';

/** A decision ends an order within a turn of the loop, or of the loop of whoever takes over. */
const END_MS = 15_000;

const covers = ({ scope }: Override, service: ServiceConfig, pool: PoolConfig): boolean =>
  (scope.service === undefined || scope.service === service.name) &&
  (scope.pool === undefined || scope.pool === pool.name) &&
  (scope.region === undefined || scope.region === pool.region);

/** Not obeyed, and said so: nobody else could serve. */
const EXCUSES = ['set-aside', 'refused'];

const judgeObedience = (scene: Scene, decided: Decided, items: readonly Override[], blame: (sentence: string) => void): void => {
  const { after } = decided;
  for (const service of scene.cluster().services)
    for (const pool of service.pools) {
      const memory = after.services[service.name]?.pools[pool.name];
      if (memory === undefined || (after.services[service.name]?.fence ?? 0) === 0) continue;
      const order = items.find((o) => o.kind === 'drain' && covers(o, service, pool));
      if (order !== undefined && memory.state !== 'out' && !EXCUSES.some((tag) => memory.told.includes(tag)))
        blame(`decision ${after.v} does not obey ${order.id}: ${service.name}/${pool.name} is ${memory.state}`);
    }
  for (const { service, pool } of drainsOf(scene, decided)) {
    const freeze = items.find((o) => o.kind === 'freeze' && service.pools.some((p) => covers(o, service, p)));
    if (freeze !== undefined) blame(`decision ${after.v} drains ${service.name}/${pool.name} although ${freeze.id} freezes it`);
  }
};

export const overrideDurable: Checker = {
  name: 'override-durable',
  says: 'an acknowledged order is never lost, is obeyed, and ends on time',
  watch(scene, blame) {
    const promised = new Map<string, Override>();
    const mayBeGone = new Set<string>();
    const itemsNow = (): readonly Override[] => (scene.records.get(KEYS.override)?.value as Overrides | undefined)?.items ?? [];
    const lost = (atMs: number): readonly Override[] => {
      const items = itemsNow();
      return [...promised.values()].filter((o) => !mayBeGone.has(o.id) && o.expiresAtMs > atMs && !items.some((i) => i.id === o.id));
    };
    return {
      acked({ id, override }) {
        if (override === null) promised.delete(id);
        else promised.set(id, override);
      },
      revoking: (id) => void mayBeGone.add(id),
      decided(decided) {
        const { after, adopted } = decided;
        const items = itemsNow();
        for (const o of lost(after.atMs)) blame(`decision ${after.v} is committed without ${o.id}, which was acknowledged`);
        if (adopted) return;
        const over = items.find((o) => o.expiresAtMs <= after.atMs);
        if (over !== undefined)
          blame(`decision ${after.v} leaves ${over.id} in force, which ended ${after.atMs - over.expiresAtMs} ms ago`);
        judgeObedience(
          scene,
          decided,
          items.filter((o) => o.expiresAtMs > after.atMs),
          blame,
        );
      },
      rewound() {
        promised.clear();
      },
      end() {
        const atMs = scene.world.clusterNowMs();
        for (const o of lost(atMs)) blame(`${o.id} is gone, which was acknowledged and had ${o.expiresAtMs - atMs} ms to run`);
        for (const o of itemsNow())
          if (atMs - o.expiresAtMs > END_MS) blame(`${o.id} ended ${atMs - o.expiresAtMs} ms ago and is still in force`);
      },
    };
  },
};
