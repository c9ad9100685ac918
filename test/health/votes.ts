// Votes as one read of the store shows them, made by hand: fresh and sound unless said otherwise.
import type { Heard } from '../../src/health/chamber.ts';
import type { Beat, ClusterConfig, EndpointKey, PoolTally, Suspicion, Vote } from '../../src/model.ts';

export interface Says {
  replica?: string;
  self?: Vote['self'];
  down?: readonly string[];
  unready?: readonly string[];
  unknown?: readonly string[];
  /** Endpoints; absent from the vote when there are none. */
  gray?: readonly string[];
  suspects?: Readonly<Record<EndpointKey, Suspicion>>;
  configVersion?: number;
  ageMs?: number;
  boot?: string;
  /** Among whom it shares; alone unless said. */
  peers?: readonly string[];
  /** Absent: a replica of 0.1. */
  bootN?: number;
  /** Of the beat, when it differs from the vote's. */
  beatBootN?: number;
  configHash?: string;
  /** Of the beat; the vote has 1. */
  seq?: number;
  beat?: null;
}

export const suspicion = (fields: Partial<Suspicion> = {}): Suspicion => ({
  firstFaultAgeMs: 3000,
  lastOkAgeMs: 6000,
  faults: 3,
  reason: 'timeout',
  ...fields,
});

/** A replica's vote. */
export const heardFrom = (cluster: Pick<ClusterConfig, 'version'>, region: string, says: Says = {}): Heard => {
  const { replica = 'a', self = { state: 'ok' }, down = [], unready = [], unknown = [], suspects = {}, ageMs = 500 } = says;
  const configVersion = says.configVersion ?? cluster.version;
  const hash = says.configHash === undefined ? {} : { configHash: says.configHash };
  const number = says.bootN === undefined ? {} : { bootN: says.bootN };
  const beatNumber = says.beatBootN === undefined ? number : { bootN: says.beatBootN };
  const spoken = { seq: says.seq ?? 1, n: 9, configVersion, suspects, loopDelayMs: 0, wallMs: 1_800_000_000_000 };
  const beat: Beat | null = says.beat === null ? null : { boot: says.boot ?? 'boot', ...beatNumber, ...hash, ...spoken };
  return {
    region,
    replica,
    key: `vote/${region}/${replica}`,
    vote: {
      boot: 'boot',
      ...number,
      seq: 1,
      configVersion,
      ...hash,
      self,
      peers: says.peers ?? [replica],
      down: [...down].sort(),
      unready: [...unready].sort(),
      unknown: [...unknown].sort(),
      ...(says.gray === undefined || says.gray.length === 0 ? {} : { gray: [...says.gray].sort() }),
    },
    beat,
    ageMs,
  };
};

/** What such votes come to for a pool: one target, and that is up. */
export const tallyOf = (region: string, given: Partial<PoolTally> = {}): PoolTally => ({
  service: 'web',
  pool: region,
  region,
  verdict: 'up',
  cause: 'up',
  up: 1,
  unknown: 0,
  total: 1,
  minUp: 1,
  gray: 0,
  nearGray: 0,
  suspectAtQuorum: false,
  anyDownVote: false,
  gate: 'open',
  firstFaultAtMs: null,
  lastOkAtMs: null,
  targets: [],
  ...given,
});
