// No share for the pools of a region, by orders of the run, so that traffic does not come back by itself before it is wanted; before that, what earlier runs
// of the platform have ordered against the region that it goes to ends. Routes move as ever: by the decision that obeys the order, or says why it can't.
import { Fault } from '../../errors.ts';
import type { Call, Effect, Reading, StepKind } from '../kind.ts';
import type { StepSpecs } from '../model.ts';
import { staying } from './staying.ts';

type Spec = StepSpecs['route.shift'];

export const routeShift: StepKind<'route.shift'> = {
  kind: 'route.shift',
  signal: 'target',

  async read(spec, call) {
    const shut = await call.context.routing.orders(call.run.platform, spec.services, spec.to);
    if (shut.length > 0) return { is: 'pending', because: `${spec.to} is drained by ${names(shut.map(({ run }) => run))}` };
    if (spec.from === null) return { is: 'reached', because: `no run drains ${spec.to} in ${names(spec.services)}` };
    return left(spec.services, spec.from, call);
  },

  async apply(spec, call) {
    try {
      return await moved(spec, call);
    } catch (error) {
      // A rule refuses it as things are: later it may not.
      if (error instanceof Fault && (error.code === 'ERR_REFUSED' || error.code === 'ERR_STALE'))
        return { took: 'refused', because: error.message };
      throw error;
    }
  },
};

const left = async (services: readonly string[], region: string, { run, context }: Call): Promise<Reading> => {
  const own = (await context.routing.orders(run.platform, services, region)).filter((order) => order.run === run.id);
  const without = services.filter((service) => !own.some((order) => order.service === service));
  if (without.length > 0) return { is: 'pending', because: `no order drains ${region} in ${names(without)}` };
  const because = staying(await context.routing.look(services, region), region);
  return because === null ? { is: 'reached', because: `${region} has no share in ${names(services)}` } : { is: 'pending', because };
};

const moved = async ({ services, from, to }: Spec, { run, context }: Call): Promise<Effect> => {
  const order = { run: run.id, platform: run.platform, services };
  await context.routing.open({ ...order, region: to, because: `${run.id}: ${run.platform} goes to ${to}` });
  if (from === null) return { took: 'accepted', because: `what drained ${to} ended` };
  await context.routing.drain({ ...order, region: from, because: `${run.id}: ${run.platform} leaves ${from} for ${to}` });
  return { took: 'accepted', because: `ordered: no share for ${from} in ${names(services)}` };
};

const names = (all: readonly string[]): string => {
  const each = [...new Set(all)];
  return each.length <= 5 ? each.join(', ') : `${each.slice(0, 5).join(', ')} and ${each.length - 5} more`;
};
