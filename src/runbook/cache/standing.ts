// What the kinds of steps of a cache have in common: the words for how one stands, and what a refusal means.
import type { HostPort } from '../dial.ts';
import type { Effect, StepContext } from '../kind.ts';
import { saying } from '../outcome.ts';
import { Refusal } from './client.ts';
import type { CacheInfo } from './info.ts';
import type { RedisSystem } from './system.ts';

export const cacheOf = (name: string, context: StepContext): Promise<RedisSystem> => context.system<RedisSystem>(name, 'redis');

export const addressText = ({ host, port }: HostPort): string => `${host.includes(':') ? `[${host}]` : host}:${port}`;

export const standingText = ({ role, follows, replicaCount, isLoading }: CacheInfo): string => {
  const loading = isLoading ? ', and reads its data from disk' : '';
  if (role === 'master' || follows === null) return `is master of ${replicaCount} ${replicaCount === 1 ? 'replica' : 'replicas'}${loading}`;
  const heard = follows.heardAgoMs === null ? 'never heard of it' : `heard of it ${Math.round(follows.heardAgoMs / 1000)} s ago`;
  const link = follows.isSyncing ? 'makes its first copy' : follows.isLinked ? 'has its link up' : 'has its link down';
  return `follows ${addressText(follows)}, ${link}, ${heard}${loading}`;
};

/** Rights, names, and commands that it does not know: no later try mends that. */
const HUMAN_WORDS: readonly string[] = ['NOAUTH', 'NOPERM', 'WRONGPASS'];

/** What `act` came to, or a server's refusal of any part of it. Rejects with what is no answer of a server. */
export const refusing = (name: string, act: () => Promise<Effect>): Promise<Effect> =>
  act().catch((error: unknown) => refusalAs(name, error));

const refusalAs = (name: string, error: unknown): Effect => {
  if (!(error instanceof Refusal)) throw error;
  const isHuman =
    HUMAN_WORDS.includes(error.word) || /unknown (command|subcommand)|syntax error|wrong number|not allowed/i.test(error.message);
  return { took: isHuman ? 'fatal' : 'refused', because: `${name}: ${saying(error)}` };
};
