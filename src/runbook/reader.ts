// What API and command line ask of runs: reads, and never writes.
import { createLedger, type Records } from '../api/ledger.ts';
import { platformKey, runKey } from '../coordinate/keys.ts';
import { Fault } from '../errors.ts';
import type { ClusterConfig } from '../model.ts';
import type { Ports } from '../ports.ts';
import type { Store } from '../store/store.ts';
import type { PlatformRecord, Run } from './model.ts';
import type { Persons, PlatformConfig } from './platform.ts';
import { CHOICES, type Choice, isEnded, standingOf, wantsPersons } from './run.ts';

export { CHOICES, type Choice } from './run.ts';

/** A run as it was read. `mod`: revision of its record. */
export interface Found {
  run: Run;
  mod: number;
}

/** What waits for a human. */
export interface Waiting {
  run: string;
  /** null: the run itself waits to begin. */
  step: string | null;
  /** `approval`: so many persons have to agree. `answer`: one of `choices`. */
  wants: 'approval' | 'answer';
  persons: Persons;
  by: readonly string[];
  untilMs: number | null;
  because: string;
  choices: readonly Choice[];
}

export interface PlatformView {
  platform: PlatformConfig;
  /** Where it is active: by its record, else its first region. */
  active: string;
  /** null: no run has moved it, nobody wrote it down. */
  record: PlatformRecord | null;
  /** Its run that has not ended; `prearm` runs are not among them. */
  open: Run | null;
}

export interface RunReader {
  /** Open ones first, newest first among each. Throws ERR_STORE_UNREACHABLE, as the others do. */
  runs(filter?: { platform?: string; open?: boolean }): Promise<readonly Run[]>;
  /** Throws ERR_NOT_FOUND. */
  run(id: string): Promise<Found>;
  /** In configured order. */
  platforms(cluster: ClusterConfig): Promise<readonly PlatformView[]>;
  /** Throws ERR_NOT_FOUND. */
  platform(cluster: ClusterConfig, name: string): Promise<PlatformView>;
}

export interface RunReaderOptions {
  store: Store;
  ports: Pick<Ports, 'clock' | 'timers'>;
}

export const RUN_PREFIX = runKey('');
export const PLATFORM_PREFIX = platformKey('');

/** Open ones first, newest first among each. */
export const byState = (a: Run, b: Run): number =>
  Number(isEnded(a)) - Number(isEnded(b)) || b.createdAtMs - a.createdAtMs || (a.id < b.id ? -1 : 1);

export const runsIn = ({ kvs }: Pick<Records, 'kvs'>): readonly Run[] =>
  kvs.filter(({ key }) => key.startsWith(RUN_PREFIX)).map(({ value }) => value as Run);

/** What moves the platform now, beside what only gets it ready. */
export const openOf = (runs: readonly Run[], platform: string): Run | null =>
  runs.find((run) => run.platform === platform && run.purpose !== 'prearm' && !isEnded(run)) ?? null;

/** Throws ERR_NOT_FOUND. */
export const platformNamed = (cluster: ClusterConfig | null, name: string): PlatformConfig => {
  const found = cluster?.platforms?.find((each) => each.name === name);
  if (found !== undefined) return found;
  const names = (cluster?.platforms ?? []).map((each) => each.name);
  throw new Fault(
    'ERR_NOT_FOUND',
    `no platform is called "${name.slice(0, 64)}"; there ${names.length === 0 ? 'are none' : `is ${names.slice(0, 10).join(', ')}`}`,
  );
};

/** What is called otherwise is no run, and not every text is a key that a store takes. */
export const isRunId = (id: string): boolean => /^[A-Za-z0-9][A-Za-z0-9_-]{0,47}$/.test(id);

export const noRun = (id: string): Fault =>
  new Fault('ERR_NOT_FOUND', `no run is called "${id.slice(0, 64)}"; tidegate runs --all lists those that are kept`);

export const createRunReader = ({ store, ports }: RunReaderOptions): RunReader => {
  const ledger = createLedger({ store, ports });

  const viewOf = (platform: PlatformConfig, record: PlatformRecord | undefined, runs: readonly Run[]): PlatformView => ({
    platform,
    active: record?.active ?? platform.regions[0] ?? '',
    record: record ?? null,
    open: openOf(runs, platform.name),
  });

  const views = async (platforms: readonly PlatformConfig[]): Promise<readonly PlatformView[]> => {
    if (platforms.length === 0) return [];
    const runs = runsIn(await ledger.readAll('the runs', RUN_PREFIX));
    const records = await ledger.read(
      'the platforms',
      platforms.map(({ name }) => platformKey(name)),
    );
    return platforms.map((platform) => viewOf(platform, records.value<PlatformRecord>(platformKey(platform.name)), runs));
  };

  return {
    async runs({ platform, open } = {}) {
      const all = runsIn(await ledger.readAll('the runs', RUN_PREFIX));
      return all
        .filter((run) => (platform === undefined || run.platform === platform) && (open === undefined || !isEnded(run) === open))
        .toSorted(byState);
    },
    async run(id) {
      if (!isRunId(id)) throw noRun(id);
      const records = await ledger.read('the run', [runKey(id)]);
      const run = records.value<Run>(runKey(id));
      if (run === undefined) throw noRun(id);
      return { run, mod: records.mod(runKey(id)) };
    },
    platforms: (cluster) => views(cluster.platforms ?? []),
    async platform(cluster, name) {
      const [view] = await views([platformNamed(cluster, name)]);
      if (view === undefined) throw new Error('a view for each platform');
      return view;
    },
  };
};

/** What a run asks of humans now, the run itself first. Pure. */
export const waitingOf = (run: Run): readonly Waiting[] => {
  const { approval } = run;
  if (run.state === 'proposed' && approval !== undefined)
    return [
      {
        run: run.id,
        step: null,
        wants: 'approval',
        persons: approval.persons,
        by: approval.by,
        untilMs: approval.untilMs,
        because: run.because,
        choices: [],
      },
    ];
  if (run.state !== 'running') return [];
  return run.plan.flatMap((step): Waiting[] => {
    const at = standingOf(run, step.id);
    if (at.state !== 'asking') return [];
    const forPersons = wantsPersons(step, at);
    return [
      {
        run: run.id,
        step: step.id,
        wants: forPersons ? 'approval' : 'answer',
        persons: forPersons ? step.approvals : 1,
        by: forPersons ? (at.approvedBy ?? []) : [],
        untilMs: at.askedUntilMs ?? null,
        because: at.because,
        choices: forPersons ? [] : CHOICES,
      },
    ];
  });
};
