// Where the namespaces of platforms are active, watched while this replica coordinates: one that moved although no run of ours moved it is told, with who
// owns the way back, and so is its return. Other replicas leave it to the coordinator, so that it is told once.
import { platformKey, runKey } from '../coordinate/keys.ts';
import type { DnsServer } from '../dns/exchange.ts';
import { errorText } from '../errors.ts';
import type { Log } from '../log.ts';
import type { ClusterConfig } from '../model.ts';
import type { Report } from '../paging/report.ts';
import { type Ports, withDeadline } from '../ports.ts';
import type { StepContext } from '../runbook/kind.ts';
import type { PlatformRecord, Run } from '../runbook/model.ts';
import type { NamespacesConfig, PlatformConfig } from '../runbook/platform.ts';
import type { TemporalCloud } from '../runbook/temporal/cloud.ts';
import type { TemporalCluster } from '../runbook/temporal/cluster.ts';
import { follow, type OurMove } from '../runbook/temporal/moves.ts';
import { watchedInCloud, watchedInClusters } from '../runbook/temporal/sources.ts';
import { type MoveWatch, startMoveWatch, type Told, type Watched } from '../runbook/temporal/watch.ts';
import type { Store } from '../store/store.ts';

export interface NamespacesOptions {
  ports: Ports;
  log: Log;
  store: Pick<Store, 'get'>;
  context: StepContext;
  /** Servers that are asked for names, in order. */
  dnsServers: readonly DnsServer[];
  report: (report: Report) => void;
  /** Whether this replica's file names the system. */
  reaches: (system: string) => boolean;
}

export interface Namespaces {
  /** Once per turn of a term: watches what the cluster has now. */
  turn(cluster: ClusterConfig): void;
  /** This replica does not coordinate any more. */
  rest(): void;
  /** By platform, the region in which all its namespaces were seen at the last two looks; one that is not here has none, or they are not together. */
  regions(): ReadonlyMap<string, string>;
  stop(): Promise<void>;
}

const STORE_MS = 2_000;
/** Where platforms are active, and what runs have asked for, is read so often. */
const READ_EVERY_MS = 5_000;

interface Known {
  records: ReadonlyMap<string, PlatformRecord>;
  runs: readonly Run[];
}

/** One namespace, and whose it is. */
interface Owned {
  namespace: string;
  entry: NamespacesConfig;
  platform: PlatformConfig;
}

/** Those whose systems this replica reaches. */
const ownedIn = ({ platforms = [] }: Pick<ClusterConfig, 'platforms'>, reaches: (system: string) => boolean): readonly Owned[] =>
  platforms.flatMap((platform) =>
    platform.namespaces
      .filter(({ system }) => (typeof system === 'string' ? [system] : Object.values(system)).every(reaches))
      .flatMap((entry) => entry.namespaces.map((namespace) => ({ namespace, entry, platform }))),
  );

/** What runs have asked for of namespaces. */
const movesIn = (runs: readonly Run[]): readonly OurMove[] =>
  runs.flatMap(({ plan, steps }) =>
    plan.flatMap((step): OurMove[] => {
      const at = steps[step.id];
      if ((step.kind !== 'temporal.failover' && step.kind !== 'temporal.handover') || at?.startedAtMs === undefined) return [];
      const { namespaces, to } = step.spec;
      const span = { fromMs: at.startedAtMs, untilMs: at.endedAtMs ?? null };
      const back = 'spec' in step.undo && 'to' in step.undo.spec ? step.undo.spec.to : null;
      return namespaces.flatMap((namespace) => [
        { namespace, to, ...span },
        ...(back === null || (at.state !== 'undoing' && at.state !== 'undone') ? [] : [{ namespace, to: back, ...span }]),
      ]);
    }),
  );

/** Systems are opened at their first use. */
const lazily = (namespace: string, open: () => Promise<Watched>): Watched => ({
  namespace,
  look: async (signal) => (await open()).look(signal),
  evidence: async (signal) => (await open()).evidence(signal),
});

const slug = (text: string): string => text.replaceAll(/[^A-Za-z0-9-]+/g, '-');

const reportOf = (told: Told, platform: string): Report => ({
  type: told.type,
  severity: told.type === 'namespace.moved' ? 'warning' : 'info',
  subject: `namespace-${slug(told.namespace)}`,
  summary: `platform ${platform}: ${told.because}`,
  again: true,
  detail: {
    platform,
    namespace: told.namespace,
    ...(told.type === 'namespace.moved' ? { from: told.from, to: told.to, by: told.by } : {}),
  },
});

export const createNamespaces = ({ ports, log, store, context, dnsServers, report, reaches }: NamespacesOptions): Namespaces => {
  let watch: MoveWatch | null = null;
  let watching = '';
  let owned: readonly Owned[] = [];
  let known: Known = { records: new Map(), runs: [] };
  let reading: Promise<void> | null = null;
  let readAtMs = Number.NEGATIVE_INFINITY;

  const read = async (): Promise<void> => {
    const { kvs } = await withDeadline(ports.timers, STORE_MS, 'reading platforms and runs', (signal) =>
      store.get({ prefixes: [platformKey(''), runKey('')] }, signal),
    );
    const of = (prefix: string) => kvs.filter(({ key }) => key.startsWith(prefix));
    known = {
      records: new Map(of(platformKey('')).map(({ key, value }) => [key.slice(platformKey('').length), value as PlatformRecord])),
      runs: of(runKey('')).map(({ value }) => value as Run),
    };
  };

  const activeOf = ({ name, regions }: PlatformConfig): string => known.records.get(name)?.active ?? regions[0] ?? '';

  /** Where it should be, in Temporal's word. In Dual Active each has a home of its own, and where a run has put it is what was seen last. */
  const expected = (namespace: string): string | null => {
    const mine = owned.find((each) => each.namespace === namespace);
    if (mine === undefined || mine.platform.model === 'dual-active') return null;
    return mine.entry.places[activeOf(mine.platform)] ?? null;
  };

  const watchedOf = ({ namespace, entry: { system }, platform }: Owned): Watched =>
    lazily(namespace, async () => {
      if (typeof system === 'string') {
        const cloud = await context.system<TemporalCloud>(system, 'temporal-cloud');
        return watchedInCloud(namespace, cloud, { ports, servers: dnsServers }, context.nowMs);
      }
      const names = platform.regions.flatMap((region) => system[region] ?? []);
      return watchedInClusters(namespace, await Promise.all(names.map((name) => context.system<TemporalCluster>(name, 'temporal'))));
    });

  const tell = (told: Told): void => {
    log.info(told.type, { namespace: told.namespace, because: told.because });
    const platform = owned.find(({ namespace }) => namespace === told.namespace)?.platform.name ?? '';
    // What a run does is told by the run.
    if (told.type !== 'namespace.moved' || told.by !== 'us') report(reportOf(told, platform));
  };

  const stopWatch = async (): Promise<void> => {
    const ending = watch;
    [watch, watching] = [null, ''];
    await ending?.stop();
  };

  return {
    turn(cluster) {
      owned = ownedIn(cluster, reaches);
      const wanted = JSON.stringify(owned.map(({ namespace, entry, platform }) => [namespace, entry.system, platform.regions]));
      if (owned.length === 0) {
        if (watch !== null) void stopWatch();
        return;
      }
      if (reading === null && ports.clock.monoMs() >= readAtMs) {
        readAtMs = ports.clock.monoMs() + READ_EVERY_MS;
        reading = read()
          .catch((error: unknown) => log.warn('namespaces.read', { because: errorText(error) }))
          .finally(() => {
            reading = null;
          });
      }
      if (watching === wanted) return;
      void stopWatch();
      watching = wanted;
      watch = startMoveWatch({
        ports,
        log,
        watched: owned.map(watchedOf),
        expected,
        ours: () => movesIn(known.runs),
        nowMs: context.nowMs,
        tell,
      });
    },
    rest: () => void stopWatch(),
    regions() {
      const seen = watch?.seenTwice() ?? {};
      const platforms = [...new Set(owned.map(({ platform }) => platform))];
      return new Map(
        platforms.flatMap((platform) => {
          const regions = platform.namespaces.map(({ places, namespaces }) =>
            follow(places, Object.fromEntries(namespaces.map((name) => [name, seen[name] ?? null]))),
          );
          const [first] = regions;
          const isOne = first?.is === 'all' && regions.every((each) => each.is === 'all' && each.region === first.region);
          return isOne ? [[platform.name, first.region] as const] : [];
        }),
      );
    },
    stop: stopWatch,
  };
};
