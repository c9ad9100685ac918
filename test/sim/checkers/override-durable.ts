// An acknowledged order is never lost, is obeyed by every decision that comes after it, and ends on time.
import { KEYS } from '../../../src/coordinate/keys.ts';
import type { Override, Overrides, ServiceConfig, ServiceRouting } from '../../../src/model.ts';
import { type Checker, concerns, type Decided, drainsOf, isForced, ordersIn, type Scene, votersIn } from '../checker.ts';

/** A decision ends an order within a turn of the loop, or of the loop of whoever takes over. */
const END_MS = 15_000;

/** Not obeyed, and said so: nobody else could serve. */
const EXCUSES = ['set-aside', 'refused'];

const judgeObedience = (scene: Scene, decided: Decided, items: readonly Override[], blame: (sentence: string) => void): void => {
  const { after } = decided;
  for (const service of scene.cluster().services) {
    const known = after.services[service.name];
    if (known === undefined || known.fence === 0) continue;
    for (const pool of service.pools) {
      const memory = known.pools[pool.name];
      if (memory === undefined || EXCUSES.some((tag) => memory.told.includes(tag))) continue;
      const order = items.find((o) => (o.kind === 'drain' || o.kind === 'evacuate') && concerns(o, service, pool));
      if (order !== undefined && memory.state !== 'out')
        blame(`decision ${after.v} does not obey ${order.id}: ${service.name}/${pool.name} is ${memory.state}`);
      if (isForced(items, service, pool) && memory.state !== 'in')
        blame(`decision ${after.v} does not put ${service.name}/${pool.name} in, as ordered: it is ${memory.state}`);
    }
    judgePin(service, known, items, (sentence) => blame(`decision ${after.v} ${sentence}`));
  }
  for (const { service, pool } of drainsOf(scene, decided)) {
    const freeze = items.find((o) => o.kind === 'freeze' && service.pools.some((p) => concerns(o, service, p)));
    if (freeze !== undefined) blame(`decision ${after.v} drains ${service.name}/${pool.name} although ${freeze.id} freezes it`);
  }
};

/** Nothing is done for an order that is not in force: not begun, over, or not agreed to by a second person. */
const judgeAuthority = ({ before, after }: Decided, scene: Scene, items: readonly Override[], blame: (sentence: string) => void): void => {
  for (const service of scene.cluster().services) {
    const [was, is] = [before?.services[service.name], after.services[service.name]];
    if (was === undefined || is === undefined || was.fence === 0) continue;
    const isOrdered = (kinds: readonly string[], pool?: ServiceConfig['pools'][number]): boolean =>
      items.some((o) => kinds.includes(o.kind) && (pool === undefined ? service.pools : [pool]).some((p) => concerns(o, service, p)));
    for (const pool of service.pools) {
      const [from, to] = [was.pools[pool.name], is.pools[pool.name]];
      if (from === undefined || to === undefined) continue;
      const where = `${service.name}/${pool.name}`;
      if (from.by !== 'override' && to.by === 'override' && !isOrdered(['drain', 'evacuate'], pool))
        blame(`drains ${where} for an order that is not in force`);
      if (!from.told.includes('forced') && to.told.includes('forced') && !isOrdered(['force-in'], pool))
        blame(`puts ${where} in for an order that is not in force`);
      if (from.hold !== 'freeze' && to.hold === 'freeze' && !isOrdered(['freeze']))
        blame(`holds ${where} for a freeze that is not in force`);
    }
    if (is.pin !== undefined && is.pin.id !== was.pin?.id && !items.some((o) => o.id === is.pin?.id))
      blame(`pins ${service.name} for ${is.pin.id}, which is not in force`);
    const mayAct = service.mode === 'auto' && votersIn(scene.cluster()).length >= 3;
    if (mayAct && was.mode === 'auto' && is.mode !== 'auto' && !isOrdered(['stop']))
      blame(`stops ${service.name} for an order that is not in force`);
  }
};

/** The newest pin is obeyed, or it is said why not; a pool that it gives nothing gets nothing while one that it gives something is whole. */
const judgePin = (service: ServiceConfig, known: ServiceRouting, items: readonly Override[], blame: (sentence: string) => void): void => {
  const pins = items.filter(
    (o) => o.kind === 'pin' && o.scope.service === service.name && service.pools.some((p) => (o.weights?.[p.name] ?? 0) > 0),
  );
  const newest = Math.max(...pins.map((o) => o.createdAtMs));
  const pin = pins.find((o) => o.id === known.pin?.id);
  if (pins.length > 0 && known.pinHeld === undefined && (pin === undefined || pin.createdAtMs < newest))
    blame(`follows the pin ${known.pin?.id ?? 'of nobody'} of ${service.name}, not ${pins.map((o) => o.id).join(' or ')}`);
  const isWhole = service.pools.some((p) => {
    const memory = known.pools[p.name];
    return (pin?.weights?.[p.name] ?? 0) > 0 && memory?.state === 'in' && memory.scale === 1000;
  });
  // What a freeze or another provider's fence holds still is not steered.
  const isStill = items.some((o) => o.kind === 'freeze') || known.pinHeld?.hold === 'frozen';
  if (pin === undefined || !isWhole || isStill) return;
  const stray = service.pools.find((p) => (pin.weights?.[p.name] ?? 0) === 0 && (known.route[p.name] ?? 0) > 0);
  if (stray !== undefined) blame(`gives ${stray.name} traffic of ${service.name} although ${pin.id} pins it elsewhere`);
};

export const overrideDurable: Checker = {
  name: 'override-durable',
  says: 'an acknowledged order is never lost, is obeyed, and ends on time; nothing is done for one that is not in force',
  watch(scene, blame) {
    const promised = new Map<string, Override>();
    const mayBeGone = new Set<string>();
    /** Orders that the present store has held, and those that only a store held which was replaced: the word of such a one may still be on its way. */
    let held = new Set<string>();
    const wentWithTheirStore = new Set<string>();
    const itemsNow = (): readonly Override[] => (scene.records.get(KEYS.override)?.value as Overrides | undefined)?.items ?? [];
    const lost = (atMs: number): readonly Override[] => {
      const items = itemsNow();
      return [...promised.values()].filter((o) => !mayBeGone.has(o.id) && o.expiresAtMs > atMs && !items.some((i) => i.id === o.id));
    };
    return {
      commit({ txn }) {
        if (txn.then.some((op) => 'put' in op && op.put === KEYS.override)) for (const { id } of itemsNow()) held.add(id);
      },
      acked({ id, override }) {
        if (override === null) promised.delete(id);
        else if (held.has(id) || !wentWithTheirStore.has(id)) promised.set(id, override);
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
        const inForce = ordersIn(scene, after.atMs);
        judgeObedience(scene, decided, inForce, blame);
        judgeAuthority(decided, scene, inForce, (sentence) => blame(`decision ${after.v} ${sentence}`));
      },
      rewound() {
        promised.clear();
        for (const id of held) wentWithTheirStore.add(id);
        held = new Set(itemsNow().map(({ id }) => id));
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
