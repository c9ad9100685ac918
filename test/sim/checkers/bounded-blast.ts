// No more regions are drained in the window than configured, and when everything looks down nothing is.
import { type Checker, drainsOf, isForced, isOut, ordersIn, standing } from '../checker.ts';

export const boundedBlast: Checker = {
  name: 'bounded-blast',
  says: 'at most so many new regions per window; nothing is drained when everything is out',
  watch(scene, blame) {
    /** Cluster time of each new drain. */
    let recent: { region: string; atMs: number }[] = [];
    return {
      decided(decided) {
        if (decided.adopted) return;
        const { after, before } = decided;
        const cluster = scene.cluster();
        const { pacingMs, safety } = cluster.policy;
        const rule = safety['blast-radius'];
        const windowMs = Math.max(pacingMs, Number(rule?.windowMs ?? 0));
        const limit = rule === undefined ? 1 : Math.max(1, Number(rule.regions ?? 1));
        const moves = drainsOf(scene, decided).filter(({ service }) => after.services[service.name]?.mode === 'auto');
        // Who counts as up by an order can receive.
        const orders = ordersIn(scene, after.atMs);
        const counts = standing(scene, decided.author?.sentAtMs ?? scene.nowMs());
        for (const { service, pool } of moves)
          if (service.pools.every((p) => isOut(scene, service, p, counts) && !isForced(orders, service, p)))
            blame(`decision ${after.v} drains ${service.name}/${pool.name} while every pool of ${service.name} is out`);
        // A service that a human puts back into auto brings along what it was advised: that is the human's order, and no new drain.
        const wasOut = (region: string): boolean =>
          cluster.services.some((s) =>
            s.pools.some((p) => {
              const memory = before?.services[s.name]?.pools[p.name];
              const isAuto = after.services[s.name]?.mode === 'auto';
              return p.region === region && isAuto && memory?.state === 'out' && memory.by === 'health' && memory.drainsAtMs.length > 0;
            }),
          );
        for (const region of new Set(moves.map(({ pool }) => pool.region))) {
          recent = recent.filter(({ atMs }) => after.atMs - atMs < windowMs);
          if (recent.some((r) => r.region === region) || wasOut(region)) continue;
          recent.push({ region, atMs: after.atMs });
          if (recent.length > limit)
            blame(
              `decision ${after.v} drains ${region}: ${recent.map((r) => r.region).join(', ')} within ${windowMs / 1000} s (limit ${limit})`,
            );
        }
      },
      rewound() {
        recent = [];
      },
    };
  },
};
