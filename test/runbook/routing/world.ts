// The worlds of route.shift and route.wait: a route of one service that obeys orders of runs a moment later.
import type { StepWorld } from '../../contract/step.contract.ts';

const FROM = 'us-east';
const SERVICES = ['web.example'];

const startBase = () => {
  const drained = new Set<string>();
  let [drains, obeyed] = [0, false];
  const routing = {
    drain: async (...given: readonly unknown[]): Promise<void> => {
      const [order] = given;
      const region = typeof order === 'object' && order !== null && 'region' in order ? String(order.region) : FROM;
      if (!drained.has(region)) drains++;
      drained.add(region);
    },
    open: async (): Promise<void> => undefined,
    release: async (): Promise<void> => undefined,
    orders: async (_platform: string, services: readonly string[], region: string) =>
      drained.has(region) ? services.map((service) => ({ run: 'r7', service })) : [],
    look: async (services: readonly string[], region: string) =>
      services.map((service) => {
        const isLeft = obeyed && (drained.has(region) || region === FROM);
        return { service, share: isLeft ? 0 : 500, landed: isLeft, because: `decided at v12, ${isLeft ? 'seen' : 'not seen yet'}` };
      }),
  };
  return {
    routing,
    systems: {},
    files: {},
    secrets: [],
    settle: () => {
      obeyed = true;
    },
    effects: () => drains,
    meets: () => undefined,
    asked: async () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
  };
};

export const startShiftWorld = async (): Promise<StepWorld<'route.shift'>> => ({
  ...startBase(),
  spec: { services: SERVICES, from: FROM, to: 'eu-west' },
});

export const startRouteWaitWorld = async (): Promise<StepWorld<'route.wait'>> => ({
  ...startBase(),
  spec: { services: SERVICES, from: FROM },
});
