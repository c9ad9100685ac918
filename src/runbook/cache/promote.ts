// cache.promote: a replica stands for itself with what it has. What its master had and had not sent is lost, and nothing stops the master: that is for whoever
// knows that it is gone.
import type { Call, Effect, Reading, StepKind } from '../kind.ts';
import type { StepSpecs } from '../model.ts';
import { applyOr, readOr } from '../outcome.ts';
import { factsOf } from './look.ts';
import { cacheOf, refusing, standingText } from './standing.ts';

type Spec = StepSpecs['cache.promote'];

export const cachePromote: StepKind<'cache.promote'> = {
  kind: 'cache.promote',
  signal: 'target',
  read: (spec, call) => readOr(`cache ${spec.system}`, () => readPromote(spec, call)),
  apply: (spec, call) => applyOr(`cache ${spec.system}`, () => refusing(`cache ${spec.system}`, () => applyPromote(spec, call))),
};

const readPromote = async ({ system: name }: Spec, { context, signal }: Call): Promise<Reading> => {
  const cache = await cacheOf(name, context);
  const at = await cache.look(signal);
  const isThere = at.role === 'master' && !at.isLoading;
  return { is: isThere ? 'reached' : 'pending', because: `cache ${name} ${standingText(at)}`, facts: factsOf(at) };
};

const applyPromote = async ({ system: name, whole }: Spec, { context, signal }: Call): Promise<Effect> => {
  const cache = await cacheOf(name, context);
  const at = await cache.look(signal);
  if (at.role === 'master') return { took: 'accepted', because: `cache ${name} is master already` };
  if (whole === true && (at.isLoading || at.follows?.isSyncing === true))
    return { took: 'refused', because: `cache ${name} ${standingText(at)}: what it has is not whole` };
  await cache.promote(signal);
  const partial = at.follows?.isSyncing === true ? '; its first copy was not whole' : '';
  return { took: 'accepted', because: `cache ${name} stands for itself; before that it ${standingText(at)}${partial}` };
};
