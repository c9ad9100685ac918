// What a checker is: something that must never happen, watched from outside the code under test. It sees every change of the store at its instant, what
// the provider serves, what humans were answered, and the ground truth; it never asks the code under test for its opinion. Checkers keep their own copy of
// what they judge by, so that a mutation of the code cannot blind them.
import { KEYS, placeOf } from '../../src/coordinate/keys.ts';
import type { ClusterConfig, Override, Overrides, PoolConfig, Routing, ServiceConfig, Vote } from '../../src/model.ts';
import type { Served } from '../memory-provider.ts';
import type { Commit } from '../memory-store.ts';
import type { Writing } from '../world/zone.ts';
import type { Acked, Author, World } from '../world.ts';

/** A record as the store holds it, with the instant of its last write. */
export interface Kept {
  value: unknown;
  mod: number;
  atMs: number;
}

/** What checkers may look at. */
export interface Scene {
  readonly world: World;
  nowMs(): number;
  /** The store's present content, at the instant of a commit that commit included. */
  readonly records: ReadonlyMap<string, Kept>;
  /** As the store has it now. */
  cluster(): ClusterConfig;
}

/** One decision: the routing record before and after, and who wrote it. `adopted`: a human took what is served for the truth. */
export interface Decided {
  commit: Commit;
  author: Author | null;
  before: Routing | null;
  after: Routing;
  adopted: boolean;
}

export interface Watch {
  commit?(commit: Commit, author: Author | null): void;
  decided?(decided: Decided): void;
  serving?(service: string, before: Served | null, after: Served | null, how: 'write' | 'stranger'): void;
  writing?(writing: Writing): void;
  acked?(acked: Acked): void;
  /** A human has asked for this to be taken back; whatever the answer is, it may be gone. */
  revoking?(id: string): void;
  delivered?(pageId: string): void;
  /** A database of a platform has two writers, by the databases themselves. */
  torn?(because: string): void;
  /** The store is an older one from now on: what was acknowledged since its backup is lost, and nobody promised otherwise. */
  rewound?(): void;
  /** Everything was mended, and time to recover has passed. */
  end?(): void;
}

export interface Checker {
  /** The invariant's name, as violations print it. */
  name: string;
  says: string;
  watch(scene: Scene, blame: (sentence: string) => void): Watch;
}

// ---- an independent reading of the votes ----

export const votersIn = (cluster: ClusterConfig): readonly string[] => cluster.regions.filter((r) => r.vote).map((r) => r.name);
export const majorityOf = (n: number): number => Math.floor(n / 2) + 1;

/** Every replica's vote that names this configuration and does not abstain. */
export const votesIn = ({ records, cluster }: Scene): readonly { region: string; replica: string; vote: Vote; beatAtMs: number }[] => {
  const { version } = cluster();
  const list = [];
  for (const [key, { value }] of records) {
    if (!key.startsWith('vote/')) continue;
    const vote = value as Vote;
    const { region, replica } = placeOf(key);
    const beat = records.get(`beat/${region}/${replica}`);
    if (vote.self?.state === 'ok' && vote.configVersion === version && beat !== undefined)
      list.push({ region, replica, vote, beatAtMs: beat.atMs });
  }
  return list;
};

type Word = ReturnType<typeof votesIn>[number];

/** Whose word still stands: not that of a replica silent for longer than words are fresh, or that a sibling which has spoken since has counted out. */
export const standing = (scene: Scene, atMs: number): ((word: Word) => boolean) => {
  const all = votesIn(scene);
  const isReplaced = (word: Word): boolean =>
    all.some((o) => o.region === word.region && o.beatAtMs > word.beatAtMs && o.vote.peers?.includes(word.replica) === false);
  return (word) => atMs - word.beatAtMs <= scene.cluster().policy.freshMs && !isReplaced(word);
};

/** Voting regions of which some replica says that the target's /readyz fails: without a majority of them nothing takes it out. `counts`: all words by default. */
export const against = (
  scene: Scene,
  service: string,
  pool: string,
  target: string,
  counts: (word: Word) => boolean = () => true,
): readonly string[] => {
  const id = `${service}/${pool}/${target}`;
  const voters = new Set(votersIn(scene.cluster()));
  return [
    ...new Set(
      votesIn(scene)
        .filter((word) => voters.has(word.region) && word.vote.unready.includes(id) && counts(word))
        .map(({ region }) => region),
    ),
  ];
};

/** A majority of the configured voters holds out so many of the pool's targets that too few are left. `counts`: see `against`. */
export const isOut = (scene: Scene, service: ServiceConfig, pool: PoolConfig, counts?: (word: Word) => boolean): boolean => {
  const needs = majorityOf(votersIn(scene.cluster()).length);
  const out = pool.targets.filter((t) => against(scene, service.name, pool.name, t.name, counts).length >= needs);
  return pool.targets.length - out.length < pool.minUp;
};

export interface Move {
  service: ServiceConfig;
  pool: PoolConfig;
}

/** Pools that a decision newly takes out because of health. Not those that their service starts without. */
export const drainsOf = (scene: Scene, { before, after }: Decided): readonly Move[] =>
  scene.cluster().services.flatMap((service) =>
    service.pools.flatMap((pool): Move[] => {
      const was = before?.services[service.name];
      const [from, to] = [was?.pools[pool.name], after.services[service.name]?.pools[pool.name]];
      const isDrain = from !== undefined && from.state !== 'out' && to?.state === 'out' && to.by === 'health';
      return isDrain && (was?.fence ?? 0) > 0 ? [{ service, pool }] : [];
    }),
  );

export const decidedIn = (commit: Commit, author: Author | null): Decided | null => {
  const { after, before } = commit;
  const routing = after(KEYS.routing);
  if (routing === undefined || routing.mod !== commit.rev) return null;
  const adopted = /^\S+ (adopted|acknowledged) what is served/.test((routing.value as Routing).because);
  return {
    commit,
    author,
    before: (before(KEYS.routing)?.value as Routing | undefined) ?? null,
    after: routing.value as Routing,
    adopted,
  };
};

// ---- an independent reading of the orders ----

export const ordersIn = ({ records }: Scene, atMs: number): readonly Override[] =>
  ((records.get(KEYS.override)?.value as Overrides | undefined)?.items ?? []).filter(
    (o) => atMs < o.expiresAtMs && atMs >= (o.startsAtMs ?? 0) && (o.approval === undefined || o.approval.by !== null),
  );

export const concerns = ({ scope }: Override, service: ServiceConfig, pool: PoolConfig): boolean =>
  (scope.service === undefined || scope.service === service.name) &&
  (scope.pool === undefined || scope.pool === pool.name) &&
  (scope.region === undefined || scope.region === pool.region);

/** A human says that it is up, and none that it should be empty. */
export const isForced = (orders: readonly Override[], service: ServiceConfig, pool: PoolConfig): boolean => {
  const mine = orders.filter((o) => concerns(o, service, pool));
  return mine.some((o) => o.kind === 'force-in') && !mine.some((o) => o.kind === 'drain' || o.kind === 'evacuate');
};
