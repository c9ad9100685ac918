// The worlds of route.shift and route.wait: the orders of runs over a store, and a core that obeys when it is told to.
import { KEYS } from '../../../src/coordinate/keys.ts';
import type { Overrides } from '../../../src/model.ts';
import { realPorts } from '../../../src/ports.ts';
import { createRunOrders } from '../../../src/runbook/routing/orders.ts';
import type { StepWorld } from '../../contract/step.contract.ts';
import { createMemoryStore } from '../../memory-store.ts';
import { clusterOf } from '../../world.ts';

const REGIONS = ['us-east', 'eu-west', 'witness'];

const startBase = async () => {
  const ports = realPorts();
  const store = createMemoryStore({ random: ports.random });
  const cluster = clusterOf(REGIONS, [{ name: 'web' }]);
  const routed = async (usEast: number): Promise<void> => {
    const route = Object.fromEntries(
      REGIONS.map((region) => [region, region === 'us-east' ? usEast : region === 'eu-west' ? 1000 - usEast : 0]),
    );
    const routing = { v: 3, open: {}, services: { web: { route, because: 'us-east serves', fence: 3, mode: 'auto' } } };
    await store.txn({ if: [], then: [{ put: KEYS.routing, value: routing }] });
  };
  await store.txn({ if: [], then: [{ put: KEYS.members, value: cluster }] });
  await routed(1000);
  let ordered = 0;
  store.onCommit(({ before, after }) => {
    const items = (kv: ReturnType<typeof after>) => (kv?.value as Overrides | undefined)?.items ?? [];
    ordered += Math.max(0, items(after(KEYS.override)).length - items(before(KEYS.override)).length);
  });
  return {
    systems: {},
    files: {},
    secrets: [],
    routing: createRunOrders({ store, ports, cluster: () => cluster, clusterNowMs: () => ports.clock.wallMs(), foresee: () => null }),
    settle: () => routed(0),
    effects: () => ordered,
    meets: () => undefined,
    asked: () => Promise.resolve(),
    [Symbol.asyncDispose]: () => store.close(),
  };
};

export const startShiftWorld = async (): Promise<StepWorld<'route.shift'>> => ({
  ...(await startBase()),
  spec: { services: ['web'], from: 'us-east', to: 'eu-west' },
});

export const startRouteWaitWorld = async (): Promise<StepWorld<'route.wait'>> => ({
  ...(await startBase()),
  spec: { services: ['web'], from: 'us-east' },
});
