// What is known of data tiers, as runs ask for it: the last known lags and what was proved, in the store; and how the vantages see a region.
import { isDeepStrictEqual } from 'node:util';
import { createLedger } from '../../api/ledger.ts';
import { KEYS, lagKey } from '../../coordinate/keys.ts';
import { Fault } from '../../errors.ts';
import type { ClusterConfig, PoolTally, Routing } from '../../model.ts';
import type { Ports } from '../../ports.ts';
import type { Store } from '../../store/store.ts';
import type { LagRecord, TierState, Tiers } from '../facts.ts';
import type { TierDesk } from '../kind.ts';
import { seconds } from '../words.ts';
import { ageIn, changed, NO_TIERS, provedIn, stateIn, type TierChange, tierName } from './record.ts';

export interface TierDeskOptions {
  store: Store;
  ports: Pick<Ports, 'clock' | 'timers' | 'random'>;
  clusterNowMs: () => number;
  /** Of the record of that key, at most, as it was measured here; null, Infinity: it could not be. */
  ageMs: (key: string) => number | null;
  /** What the vantages say now, as this replica has heard it. */
  tallies: () => readonly PoolTally[];
  /** Absent: nobody has named any. */
  objectives?: TierDesk['objectives'];
}

/** Changes one entry of `tiers` by compare-and-write, and writes nothing where that changes nothing. Throws a Fault as a ledger does. */
export const createTierBook = ({ store, ports }: Pick<TierDeskOptions, 'store' | 'ports'>) => {
  const ledger = createLedger({ store, ports });
  return (platform: string, database: string, change: TierChange): Promise<Tiers> => {
    const nonce = ports.random.hex(8);
    return ledger.commit<Tiers>({
      what: 'the data tiers',
      keys: [KEYS.tiers],
      judge(records) {
        const before = records.value<Tiers>(KEYS.tiers) ?? NO_TIERS;
        const after = changed(before, tierName(platform, database), change, nonce);
        return after === before ? { done: before } : { on: [KEYS.tiers], ops: [{ put: KEYS.tiers, value: after }], result: after };
      },
    });
  };
};

/** What a split keeps from being proved. Throws ERR_CONFLICT. */
const unlessSplit =
  (database: string, change: TierChange): TierChange =>
  (before) => {
    if (before?.split === undefined) return change(before);
    const both = before.split.regions.join(' and ');
    throw new Fault(
      'ERR_CONFLICT',
      `${both} both take writes of ${database}; nothing of it is proved until one of them is a standby again`,
    );
  };

/** A row that was written before something else was proved, by a replica that was frozen since, proves nothing of now. Throws ERR_CONFLICT. */
const unlessChanged =
  (database: string, region: string, seen: TierState | null, change: TierChange): TierChange =>
  (before) => {
    if (before?.writer === region || isDeepStrictEqual(before, seen)) return change(before);
    throw new Fault(
      'ERR_CONFLICT',
      `what is proved of ${database} has changed since the row in ${region} was written: it has to be written anew`,
    );
  };

export const createTierDesk = (options: TierDeskOptions): TierDesk => {
  const { store, ports, clusterNowMs, ageMs, tallies, objectives = async () => ({ gaps: [], seen: 0, of: 0 }) } = options;
  const ledger = createLedger({ store, ports });
  const change = createTierBook({ store, ports });
  return {
    async lag(platform, database, region) {
      const record = (await ledger.read('the last known lags', [lagKey(platform)])).value<LagRecord>(lagKey(platform));
      const sample = record?.databases[database]?.[region];
      if (record === undefined || sample === undefined) return null;
      return { ...sample, ageMs: ageIn(record, sample.atMs, ageMs(lagKey(platform)), clusterNowMs()) };
    },
    state: async (platform, database) =>
      stateIn((await ledger.read('the data tiers', [KEYS.tiers])).value<Tiers>(KEYS.tiers) ?? null, platform, database),
    async proved(platform, database, region, because, seen) {
      const proof = provedIn(region, because, Math.round(clusterNowMs()));
      await change(platform, database, unlessSplit(database, unlessChanged(database, region, seen, proof)));
    },
    async witness(region) {
      const { value } = await ledger.read('the routes', [KEYS.routing, KEYS.members]);
      return witnessOf(region, value<ClusterConfig>(KEYS.members), value<Routing>(KEYS.routing), tallies(), clusterNowMs());
    },
    objectives,
  };
};

/** Down by quorum now, in all that is probed there; since when, the routing record says, so that a takeover forgets nothing. Pure. */
export const witnessOf = (
  region: string,
  cluster: ClusterConfig | undefined,
  routing: Routing | undefined,
  tallies: readonly PoolTally[],
  nowMs: number,
): Awaited<ReturnType<TierDesk['witness']>> => {
  const here = tallies.filter((tally) => tally.region === region);
  if (here.length === 0) return { sinceMs: null, because: `nothing in ${region} is probed, so no vantage can say that it is down` };
  const standing = here.find(({ verdict, cause }) => verdict !== 'out' || cause === 'unready');
  if (standing !== undefined)
    return {
      sinceMs: null,
      because: `no quorum holds ${region} down: ${standing.service} there is ${standing.verdict === 'out' ? 'unready' : standing.verdict}`,
    };
  const sinceAtMs = (cluster?.services ?? []).flatMap(({ name, pools }) =>
    pools.filter((pool) => pool.region === region).map((pool) => routing?.services[name]?.pools[pool.name]?.outAtMs ?? null),
  );
  const known = sinceAtMs.filter((atMs) => atMs !== null);
  if (known.length === 0 || known.length < sinceAtMs.length)
    return { sinceMs: null, because: `a quorum calls ${region} down, and no decision has said so yet` };
  // The one that fell last: before that it was not all of the region.
  const sinceMs = Math.max(0, nowMs - Math.max(...known));
  return { sinceMs, because: `a quorum has held ${region} down for ${seconds(sinceMs)}` };
};
