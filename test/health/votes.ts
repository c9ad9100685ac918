// Votes as one read of the store shows them, made by hand: fresh and sound unless said otherwise.
import type { Heard } from '../../src/health/chamber.ts';
import type { Beat, ClusterConfig, EndpointKey, Suspicion, Vote } from '../../src/model.ts';

export interface Says {
  replica?: string;
  self?: Vote['self'];
  down?: readonly string[];
  unready?: readonly string[];
  unknown?: readonly string[];
  suspects?: Readonly<Record<EndpointKey, Suspicion>>;
  configVersion?: number;
  ageMs?: number;
  boot?: string;
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
  const beat: Beat | null =
    says.beat === null
      ? null
      : { boot: says.boot ?? 'boot', seq: says.seq ?? 1, n: 9, configVersion, suspects, loopDelayMs: 0, wallMs: 1_800_000_000_000 };
  return {
    region,
    replica,
    key: `vote/${region}/${replica}`,
    vote: {
      boot: 'boot',
      seq: 1,
      configVersion,
      self,
      peers: [replica],
      down: [...down].sort(),
      unready: [...unready].sort(),
      unknown: [...unknown].sort(),
    },
    beat,
    ageMs,
  };
};
