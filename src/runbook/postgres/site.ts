// All that one region's database says of itself at one time, by SQL and by Patroni, and what follows from it. A source that is silent says nothing; what it would
// have said is never guessed.
import { withDeadline } from '../../ports.ts';
import type { Call, StepContext } from '../kind.ts';
import { saying } from '../outcome.ts';
import type { NodeLook, PatroniSystem } from './patroni.ts';
import { type Cluster, type Config, isStopped } from './patroni-wire.ts';
import type { PostgresSystem, SqlLook } from './sql.ts';

export interface Site {
  /** Every member of the file by SQL; empty: none answers. */
  sql: readonly SqlLook[];
  /** Every node of the file by Patroni; empty: none answers. */
  nodes: readonly NodeLook[];
  cluster: Cluster | null;
  config: Config | null;
  /** Why what is missing is missing. */
  silences: readonly string[];
}

/** Never rejects. Each source has `ms`. Throws only what says that this replica does not know the systems. */
export const siteOf = async (
  { system, sql }: { system: string; sql: string },
  { context, signal }: Pick<Call, 'signal'> & { context: StepContext },
  ms: number,
): Promise<Site> => {
  const patroni = await context.system<PatroniSystem>(system, 'patroni');
  const postgres = await context.system<PostgresSystem>(sql, 'postgres');
  const silences: string[] = [];
  const within = async <T>(name: string, otherwise: T, work: (signal: AbortSignal) => Promise<T>): Promise<T> => {
    try {
      return await withDeadline(context.ports.timers, ms, name, work, signal);
    } catch (error) {
      silences.push(saying(error));
      return otherwise;
    }
  };
  const [members, nodes, cluster, config] = await Promise.all([
    within<readonly SqlLook[]>(sql, [], (inner) => postgres.members(inner)),
    within<readonly NodeLook[]>(system, [], (inner) => patroni.nodes(inner)),
    within<Cluster | null>(system, null, (inner) => patroni.cluster(inner)),
    within<Config | null>(system, null, (inner) => patroni.config(inner)),
  ]);
  return { sql: members, nodes, cluster, config, silences: [...new Set(silences)] };
};

/** Nobody there says anything. */
export const isSilent = ({ sql, nodes, cluster, config }: Site): boolean =>
  sql.length === 0 && nodes.length === 0 && cluster === null && config === null;

/** Who takes writes there, by the word of one that knows. null: nobody who answers does. */
export const writerOf = ({ sql, nodes }: Pick<Site, 'sql' | 'nodes'>): string | null => {
  const member = sql.find(({ state }) => state?.inRecovery === false);
  if (member !== undefined) return `${member.at} takes writes`;
  const node = nodes.find((one) => one.node?.inRecovery === false);
  return node === undefined ? null : `${node.at} says that its Postgres takes writes`;
};

/** Every member answered by SQL, and is in recovery. One that is silent may be the writer. */
export const isAllInRecovery = ({ sql }: Pick<Site, 'sql'>): boolean =>
  sql.length > 0 && sql.every(({ state }) => state?.inRecovery === true);

/** Every node answered, and its Postgres is in recovery or does not run. */
export const isAllQuiet = ({ nodes }: Pick<Site, 'nodes'>): boolean =>
  nodes.length > 0 && nodes.every(({ node }) => node !== null && (node.inRecovery === true || isStopped(node)));

/** Members that say nothing, beside others that do. */
export const missingOf = ({ sql, nodes }: Pick<Site, 'sql' | 'nodes'>): readonly string[] => [
  ...sql.filter(({ state }) => state === null).map(({ because }) => because),
  ...nodes.filter(({ node }) => node === null).map(({ because }) => because),
];
