// cache.rejoin: a cache follows an address and loses what it has. Never one that others follow, since they would lose theirs with it; and never itself.
import { Fault } from '../../errors.ts';
import { type HostPort, hostPortOf } from '../dial.ts';
import type { Call, Effect, Reading, StepContext, StepKind } from '../kind.ts';
import type { StepSpecs } from '../model.ts';
import { applyOr, readOr, saying } from '../outcome.ts';
import { factsOf } from './look.ts';
import { addressText, cacheOf, refusing, standingText } from './standing.ts';
import type { CacheLook, RedisSystem } from './system.ts';

type Spec = StepSpecs['cache.rejoin'];

export const cacheRejoin: StepKind<'cache.rejoin'> = {
  kind: 'cache.rejoin',
  signal: 'target',
  read: (spec, call) => readOr(`cache ${spec.system}`, () => readRejoin(spec, call)),
  apply: (spec, call) => applyOr(`cache ${spec.system}`, () => refusing(`cache ${spec.system}`, () => applyRejoin(spec, call))),
};

interface Standing {
  at: CacheLook;
  /** It is the address's replica, whether its link is up or not. */
  follows: boolean;
  /** Why it must not follow; null: it may. */
  never: string | null;
}

const standing = async ({ address }: Spec, cache: RedisSystem, target: HostPort, signal: AbortSignal): Promise<Standing> => {
  const at = await cache.look(signal);
  const targets = await cache.addressesOf(target.host, signal);
  const own = await cache.addressesOf(cache.at.host, signal);
  const isSelf = target.port === cache.at.port && targets.some((host) => own.includes(host));
  const follows = at.follows !== null && at.follows.port === target.port && targets.includes(at.follows.host);
  return { at, follows, never: isSelf ? `${address} is its own address` : leadText(at) };
};

/** Redis' replicas are heard of every second, and are listed for a minute after they have gone. */
const HEARD_S_MAX = 10;

/** One that is still making its first copy follows as well, and one that is told by number alone may. */
const leadText = ({ role, dialect, replicas, replicaCount }: CacheLook): string | null => {
  const gone = replicas.filter(({ lag }) => dialect === 'redis' && (lag ?? 0) > HEARD_S_MAX).length;
  const lost = replicaCount - gone;
  if (role !== 'master' || lost === 0) return null;
  return `${lost} ${lost === 1 ? 'replica follows' : 'replicas follow'} it, and would lose what ${lost === 1 ? 'it has' : 'they have'}`;
};

/** Throws Fault ERR_CONFIG. */
const targetOf = ({ address }: Spec): HostPort => {
  const target = hostPortOf(address);
  if (target === null) throw new Fault('ERR_CONFIG', `found address ${JSON.stringify(address)}, expected host:port`);
  return target;
};

const readRejoin = async (spec: Spec, { context, signal }: Call): Promise<Reading> => {
  const target = targetOf(spec);
  const cache = await cacheOf(spec.system, context);
  const { at, follows, never } = await standing(spec, cache, target, signal);
  const [because, facts] = [`cache ${spec.system} ${standingText(at)}`, factsOf(at)];
  // A copy takes as long as there is much of it.
  if (follows && at.follows?.isSyncing === true && spec.begun === true) return { is: 'reached', because, facts };
  if (follows && at.follows?.isLinked === true && !at.follows.isSyncing) return { is: 'reached', because, facts };
  if (never !== null) return { is: 'never', because: `${because}: ${never}`, facts };
  return { is: 'pending', because: follows ? because : `${because}, not ${addressText(target)}`, facts };
};

/** Why nobody should follow it now; null: it is a master and has its data, or nobody is named who could say. */
const masterText = async ({ master }: Spec, context: StepContext, signal: AbortSignal): Promise<string | null> => {
  if (master === undefined) return null;
  try {
    const there = await (await cacheOf(master, context)).look(signal);
    return there.role === 'master' && !there.isLoading ? null : `${master} ${standingText(there)}`;
  } catch (error) {
    signal.throwIfAborted();
    return `${master} does not say that it is master (${saying(error)})`;
  }
};

const applyRejoin = async (spec: Spec, { context, signal }: Call): Promise<Effect> => {
  const target = targetOf(spec);
  const cache = await cacheOf(spec.system, context);
  const { at, follows, never } = await standing(spec, cache, target, signal);
  if (follows) return { took: 'accepted', because: `cache ${spec.system} follows ${addressText(target)} already` };
  if (never !== null) return { took: 'fatal', because: `cache ${spec.system} ${standingText(at)}: ${never}` };
  const whyNot = await masterText(spec, context, signal);
  if (whyNot !== null) return { took: 'refused', because: `cache ${spec.system} ${standingText(at)}: ${whyNot}` };
  await cache.follow(target, signal);
  return { took: 'accepted', because: `cache ${spec.system} is told to follow ${addressText(target)}; before that it ${standingText(at)}` };
};
