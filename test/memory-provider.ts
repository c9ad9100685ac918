// A provider in memory: what the real ones do, without a wire. A fake, used by scenarios, the simulator and virtual-time benches. By default it compares the
// fence in the same step as it writes; `marker` keeps a fence and does not compare it, `none` keeps no fence at all.
import { formatFence } from '../providers/fence.ts';
import type { Applied, Capabilities, Change, Fence, Provider, ProviderService, ReadBack } from '../providers/provider.ts';

export interface Served {
  fence: Fence;
  shares: Readonly<Record<string, number>>;
  /** Somebody has removed the fence's record; `fence` is what it was. */
  fenceless?: true;
}

/** The fence as the provider carries it; null: there is none. */
export const carriedBy = (served: Served | undefined): Fence | null => (served === undefined || served.fenceless ? null : served.fence);

export interface MemoryZone {
  services: Map<string, Served>;
  /** Called for every change of what is served. */
  onServed: (service: string, served: Served) => void;
}

const exact = (service: ProviderService): Record<string, number> => Object.fromEntries(service.pools.map((p) => [p.pool, p.share]));

export const memoryProvider = (zone: MemoryZone, fencing: Capabilities['fencing'] = 'conditional'): Provider => ({
  can: { fencing, weights: 'exact', batchMax: 1000, servesAnswers: true, ttlFloorS: 1, checkedOn: '2026-11-22' },
  async read(services) {
    return new Map(
      services.map((s): [string, ReadBack] => {
        const served = zone.services.get(s.service);
        return [
          s.service,
          { fence: fencing === 'none' ? null : carriedBy(served), shares: served?.shares ?? null, foreign: [], token: null },
        ];
      }),
    );
  },
  async apply(changes: readonly Change[]): Promise<Applied> {
    for (const { desired, previous } of fencing === 'conditional' ? changes : []) {
      const now = carriedBy(zone.services.get(desired.service));
      const expected = previous.fence === null ? '' : formatFence(previous.fence);
      if ((now === null ? '' : formatFence(now)) !== expected)
        return { outcome: 'conflict', because: `${desired.service} carries another fence` };
    }
    for (const { desired, fence } of changes) {
      const served = { fence, shares: exact(desired) };
      zone.services.set(desired.service, served);
      zone.onServed(desired.service, served);
    }
    return { outcome: 'applied' };
  },
  quantise: exact,
  owns: () => [],
  close: async () => undefined,
});
