// What all replicas measured, as it stands in the store, folded when somebody asks.
import { measuredKey, placeOf } from '../coordinate/keys.ts';
import { Fault } from '../errors.ts';
import type { ClusterConfig } from '../model.ts';
import { DeadlineError, type Ports, withDeadline } from '../ports.ts';
import type { Recovery } from '../runbook/kind.ts';
import type { ObjectiveConfig } from '../runbook/platform.ts';
import type { KeyValue, Store } from '../store/store.ts';
import { matrixOf, recoveryIn } from './matrix.ts';
import type { Measured, MeasuredBy, PlatformMatrix } from './model.ts';

export interface MeasuredReaderOptions {
  ports: Pick<Ports, 'timers'>;
  store: Pick<Store, 'get'>;
  cluster(): ClusterConfig | null;
  nowMs(): number;
  shipped(): readonly ObjectiveConfig[];
}

/** All throw Fault ERR_STORE_UNREACHABLE. */
export interface MeasuredReader {
  /** Of every platform of the cluster. */
  matrices(): Promise<readonly PlatformMatrix[]>;
  /** What a recovery in the region waits for; a platform that is not there has nothing that could hold. */
  recovery(platform: string, region: string, maxAgeMs: number): Promise<Recovery>;
}

const STORE_MS = 2_000;
export const MEASURED = measuredKey('', '').slice(0, -1);

export const measuredIn = (kvs: readonly KeyValue[]): readonly MeasuredBy[] =>
  kvs.filter(({ key }) => key.startsWith(MEASURED)).map(({ key, value }) => ({ ...placeOf(key), record: value as Measured }));

export const createMeasuredReader = ({ ports, store, cluster, nowMs, shipped }: MeasuredReaderOptions): MeasuredReader => {
  const read = async (): Promise<readonly MeasuredBy[]> => {
    try {
      const asked = { prefixes: [MEASURED] };
      return measuredIn(
        (await withDeadline(ports.timers, STORE_MS, 'reading what was measured', (signal) => store.get(asked, signal))).kvs,
      );
    } catch (error) {
      const because =
        error instanceof DeadlineError ? `the store did not answer within ${error.afterMs} ms` : 'the store refused or is out of reach';
      throw new Fault('ERR_STORE_UNREACHABLE', `${because}; try again, or use another replica`, { cause: error });
    }
  };
  return {
    async matrices() {
      const { platforms = [] } = cluster() ?? {};
      const records = platforms.length === 0 ? [] : await read();
      return platforms.map((platform) => matrixOf(platform, shipped(), records, nowMs()));
    },
    async recovery(name, region, maxAgeMs) {
      const platform = cluster()?.platforms?.find((each) => each.name === name);
      if (platform === undefined) return { gaps: [`platform ${name} is not configured any more`], seen: 0, of: 0 };
      return recoveryIn(platform, region, maxAgeMs, await read(), nowMs(), shipped());
    },
  };
};
