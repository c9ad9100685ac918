// A drained pool comes back only after its hold, which doubles with each drain, and after the fourth not by itself.
import type { PoolMemory } from '../../../src/model.ts';
import type { Checker } from '../checker.ts';

/** The hold stops doubling here. */
const HOLD_MAX_MS = 30 * 60_000;

export const noFlap: Checker = {
  name: 'no-flap',
  says: 'holds double, the fourth drain latches; nothing returns before its time',
  watch(scene, blame) {
    /** Cluster times of the automatic drains of each pool since a human last acted on it. */
    const drains = new Map<string, number[]>();
    const step = (name: string, was: PoolMemory, is: PoolMemory, atMs: number): void => {
      const { recoveryHoldMs, flapWindowMs, latchAfter } = scene.cluster().policy;
      const past = (drains.get(name) ?? []).filter((at) => atMs - at < flapWindowMs);
      const isHumans = [was, is].some((m) => m.by === 'override' || m.told.includes('forced'));
      if (isHumans) drains.delete(name);
      else if (was.state !== 'out' && is.state === 'out') drains.set(name, [...past, atMs]);
      else if (was.state === 'out' && is.state === 'returning') {
        const last = past.at(-1);
        if (last === undefined) return;
        const holdMs = Math.min(recoveryHoldMs * 2 ** (past.length - 1), Math.max(HOLD_MAX_MS, recoveryHoldMs));
        if (atMs - last < holdMs) blame(`${name} returns ${atMs - last} ms after drain ${past.length} (hold ${holdMs} ms)`);
        if (latchAfter > 0 && past.length >= latchAfter) blame(`${name} returns by itself after ${past.length} drains`);
      }
    };
    return {
      decided({ before, after, adopted }) {
        for (const [service, { pools }] of Object.entries(after.services))
          for (const [pool, is] of Object.entries(pools)) {
            const was = before?.services[service]?.pools[pool];
            if (adopted || was === undefined) drains.delete(`${service}/${pool}`);
            else if (was !== is) step(`${service}/${pool}`, was, is, after.atMs);
          }
      },
      rewound: () => drains.clear(),
    };
  },
};
