// cache.takeover: a replica takes its master's place without loss. Dragonfly has REPLTAKEOVER, asked of the replica. Redis has FAILOVER, asked of the master: it
// holds writes, waits until the replica has them all, and follows it, so that at no moment do two take writes and nothing of ours has to come back and end a
// pause; holding clients by CLIENT PAUSE and promoting would leave the old master to take writes again when the pause ends.
import type { HostPort } from '../dial.ts';
import type { Call, Effect, Reading, StepKind } from '../kind.ts';
import type { StepSpecs } from '../model.ts';
import { applyOr, readOr, saying } from '../outcome.ts';
import type { CacheInfo } from './info.ts';
import { factsOf } from './look.ts';
import { addressText, cacheOf, refusing, standingText } from './standing.ts';
import type { CacheLook, RedisSystem } from './system.ts';

type Spec = StepSpecs['cache.takeover'];

export const cacheTakeover: StepKind<'cache.takeover'> = {
  kind: 'cache.takeover',
  signal: 'target',
  read: (spec, call) => readOr(`cache ${spec.system}`, () => readTakeover(spec, call)),
  apply: (spec, call) => applyOr(`cache ${spec.system}`, () => refusing(`cache ${spec.system}`, () => applyTakeover(spec, call))),
};

const readTakeover = async (spec: Spec, call: Call): Promise<Reading> => {
  const cache = await cacheOf(spec.system, call.context);
  const at = await cache.look(call.signal);
  const [because, facts] = [`cache ${spec.system} ${standingText(at)}`, factsOf(at)];
  if (at.role !== 'master') return { is: 'pending', because, facts };
  const { isSplit, text } = await otherText(spec, call);
  const said = { because: `${because}${text}`, facts: { ...facts, isSplit } };
  const isOurs = call.facts[TAKEN] === true;
  // The old one may need a moment after it was told; where nobody told it, which of two has what counts is for a human to say.
  if (isSplit === true) return { ...said, is: isOurs ? 'pending' : 'never' };
  return { ...said, is: isSplit === false || isOurs ? 'reached' : 'unknown' };
};

/** Among the facts of the step: its takeover was taken, so the old master has given way although it may be silent since. */
const TAKEN = 'isTaken';

/** What became of the old master: two of them are told, since what is written to one is not in the other. `isSplit` null: nobody knows. */
const otherText = async ({ from }: Spec, { context, signal }: Call): Promise<{ isSplit: boolean | null; text: string }> => {
  try {
    const other = await (await cacheOf(from, context)).look(signal);
    if (other.role === 'master') return { isSplit: true, text: `; ${from} is master too, and what is written there is not here` };
    return { isSplit: false, text: `; ${from} ${standingText(other)}` };
  } catch (error) {
    signal.throwIfAborted();
    return { isSplit: null, text: `; what ${from} is could not be told (${saying(error)})` };
  }
};

const applyTakeover = async (spec: Spec, { context, signal }: Call): Promise<Effect> => {
  const cache = await cacheOf(spec.system, context);
  const at = await cache.look(signal);
  if (at.role === 'master') return { took: 'accepted', because: `cache ${spec.system} is master already` };
  const text = `cache ${spec.system} ${standingText(at)}`;
  if (at.follows?.isLinked !== true || at.follows.isSyncing || at.isLoading)
    return { took: 'refused', because: `${text}: it has not all that its master has` };
  if (at.dialect === 'redis') {
    const from = await cacheOf(spec.from, context);
    return await refusing(`cache ${spec.from}`, () => handedOver(spec, cache, at, from, signal));
  }
  await cache.takeOver(spec.waitMs, signal);
  return { took: 'accepted', because: `${text}: it has taken over`, facts: { [TAKEN]: true } };
};

const handedOver = async (spec: Spec, cache: RedisSystem, at: CacheLook, from: RedisSystem, signal: AbortSignal): Promise<Effect> => {
  const master = await from.look(signal);
  const text = `cache ${spec.from} ${standingText(master)}`;
  if (master.role !== 'master') return { took: 'refused', because: `${text}: it has nothing to hand over` };
  if (at.history === '' || at.history !== master.history)
    return { took: 'refused', because: `${text}, and ${spec.system} follows another one: their histories differ` };
  if (master.isFailingOver) return { took: 'accepted', because: `${text} and hands over already` };
  const replica = replicaAt(master, at, cache.at, await cache.addressesOf(cache.at.host, signal));
  if (replica === null)
    return {
      took: 'fatal',
      because: `${text}: which of them is ${spec.system} cannot be told by its port and address; let it announce them (replica-announce-ip, replica-announce-port)`,
    };
  await from.handOver(replica, spec.waitMs, signal);
  const because = `${text} and hands over to ${addressText(replica)}, within ${spec.waitMs} ms or not at all`;
  return { took: 'accepted', because, facts: { [TAKEN]: true } };
};

/** Which of the master's replicas this one is, as the master knows it: by its port, and by its address where several have that. null: none, or nobody knows. Pure. */
export const replicaAt = (
  { replicas }: Pick<CacheInfo, 'replicas'>,
  { port }: Pick<CacheInfo, 'port'>,
  configured: HostPort,
  addresses: readonly string[],
): HostPort | null => {
  const ports = [port, configured.port];
  const fitting = replicas.filter((replica) => ports.includes(replica.port));
  const exact = fitting.filter(({ host }) => addresses.includes(host));
  const found = exact.length > 0 ? exact : fitting;
  return found.length === 1 ? (found[0] ?? null) : null;
};
