// The desk of this replica, and what it reports by itself: troubles of its gate, votes that somebody forged, a cluster that its own file does not fit.

import { joinProblems } from '../config/check.ts';
import { placeOf } from '../coordinate/keys.ts';
import type { Sight } from '../coordinate/read.ts';
import type { Signer } from '../coordinate/signing.ts';
import type { ClusterConfig } from '../model.ts';
import { createDesk, type Desk, spoolOf } from '../paging/desk.ts';
import { readPublic, readSecret } from '../secrets.ts';
import type { Part } from './part.ts';

/** Throws Fault ERR_SECRET, or ERR_CONFIG for a file of authorities. */
export const openDesk = async ({ config, context, metrics, store, looking, seen }: Part): Promise<Desk> => {
  const { ports, log } = context;
  return createDesk({
    spool: await spoolOf(config.paging, ports, log),
    paging: config.paging,
    ports,
    log,
    metrics,
    store,
    region: config.region,
    replica: config.replica,
    secret: readSecret,
    text: readPublic('ERR_CONFIG', "the PEM of the authorities that sign a receiver's certificate"),
    resolve: looking.resolve,
    gates: new Set(Object.entries(config.providers).flatMap(([called, { kind }]) => (kind === 'gate' ? [called] : []))),
    ...(config.cluster === null ? {} : { clusterName: config.cluster.name }),
    knows: {
      cluster: seen.cluster,
      routing: () => seen.sight()?.routing ?? null,
      vote: seen.vote,
      firstFaultAgeMs: seen.firstFaultAgeMs,
      isCoordinator: seen.isCoordinator,
      nowMs: seen.nowMs,
      storeAgeMs: seen.storeAgeMs,
    },
  });
};

export interface Reports {
  /** After each read of the store. */
  sight(sight: Sight, cluster: ClusterConfig): void;
  configConflict(because: string): void;
}

export const createReports = (
  { config, context: { log }, seen }: Part,
  { desk, signer, gateTroubles }: { desk: Desk; signer: Signer | null; gateTroubles: Map<string, string> },
): Reports => {
  const { region, replica } = config;
  /** Whoever coordinates says it, once per region: somebody writes votes that are not its own, or a replica signs with a key that nobody knows. */
  const doubted = ({ refused }: Sight): void => {
    if (!seen.isCoordinator()) return;
    // One that its writer had signed, but that came late, may have been under way while a partition lasted: it is not counted, and that is in the status.
    for (const { key, because } of refused.filter((each) => each.isForged))
      desk.report({
        type: 'vote.refused',
        severity: 'warning',
        subject: `vote-refused-${placeOf(key).region}`,
        summary: `${key} is not counted: ${because}; nothing rests on it. Either a replica there has the wrong signing key, or somebody writes what is not theirs: look at that replica, then who holds the store's credentials`,
      });
  };
  const pageGate = (): void => {
    for (const [subject, because] of gateTroubles)
      desk.report({ type: `gate.${subject}`, severity: 'warning', subject: `gate-${subject}-${region}-${replica}`, summary: because });
    gateTroubles.clear();
  };
  let joinedVersion = 0;
  /** A cluster taken from a store was checked against another replica's file: what does not fit this one is said once per version. */
  const joined = (cluster: ClusterConfig): void => {
    if (config.store.kind === 'embedded' || joinedVersion === cluster.version) return;
    joinedVersion = cluster.version;
    const because = joinProblems({ ...config, ...(signer === null ? {} : { publicKey: signer.publicKey }) }, cluster);
    if (because.length > 0) log.warn('cluster.unfit', { file: config.file, version: cluster.version, because });
  };
  return {
    sight(sight, cluster) {
      pageGate();
      doubted(sight);
      joined(cluster);
    },
    configConflict: (because) =>
      desk.report({ type: 'config.conflict', severity: 'critical', subject: `config-conflict-${region}-${replica}`, summary: because }),
  };
};
