// What runs do to routes, over the store: drain orders as operators give them, judged by the same ruling, written by the same writer, with their entries in
// the journal. Their ids are `run-<run>-<n>`, their owner the platform. They last 24 h and are prolonged while the platform is active elsewhere.
import { createLedger } from '../../api/ledger.ts';
import { type Act, createOverrideWriter } from '../../api/overrides.ts';
import type { Foresee } from '../../api/ruling.ts';
import { incidentKey, KEYS } from '../../coordinate/keys.ts';
import { Fault } from '../../errors.ts';
import type { ClusterConfig, Incident, Override, Routing as Routes } from '../../model.ts';
import type { Ports } from '../../ports.ts';
import type { Store } from '../../store/store.ts';
import type { Routing } from '../kind.ts';
import { phrase, runsOwner } from '../words.ts';

export interface RunOrdersOptions {
  store: Store;
  ports: Pick<Ports, 'clock' | 'timers' | 'random'>;
  cluster: () => ClusterConfig | null;
  clusterNowMs: () => number;
  foresee: Foresee;
}

export interface RunOrders extends Routing {
  /** Orders that end within half their time are prolonged where `isAway` says that the platform is active elsewhere. */
  prolong(isAway: (platform: string, region: string) => boolean): Promise<void>;
}

export const ORDER_TTL_MS = 24 * 3_600_000;

const OWNER = runsOwner('');
const runOf = ({ by }: Override): string => by?.slice('run '.length) ?? '';

/** Of a run of this platform. */
const isOf = (order: Override, platform: string): boolean =>
  order.kind === 'drain' && order.id.startsWith('run-') && order.owner === runsOwner(platform);

const drains = ({ scope }: Override, services: readonly string[], region: string): boolean =>
  scope.region === region && scope.service !== undefined && services.includes(scope.service);

export const createRunOrders = ({ store, ports, cluster, clusterNowMs, foresee }: RunOrdersOptions): RunOrders => {
  const writer = createOverrideWriter({ store, ports, clusterNowMs });
  const ledger = createLedger({ store, ports });

  const actOf = (run: string, isThere: boolean): Act => {
    const known = cluster();
    if (known === null) throw new Fault('ERR_STORE_UNREACHABLE', 'no configuration of the cluster is known here yet');
    return {
      principal: { name: `run ${run}`, role: 'admin', services: null, how: 'service' },
      cluster: known,
      foresee,
      dryRun: false,
      ifMatch: isThere ? '*' : null,
      ifNoneMatch: null,
    };
  };

  const inForce = async (): Promise<readonly Override[]> => {
    const nowMs = clusterNowMs();
    return (await writer.listOverrides()).items.filter(({ expiresAtMs }) => expiresAtMs > nowMs);
  };

  const putAgain = async (order: Pick<Override, 'id' | 'scope' | 'owner' | 'reason'>, run: string, isThere: boolean): Promise<void> => {
    await writer.putOverride({ ...order, kind: 'drain', ttlMs: ORDER_TTL_MS }, actOf(run, isThere));
  };

  const isShort = ({ expiresAtMs }: Override): boolean => expiresAtMs - clusterNowMs() < ORDER_TTL_MS / 2;

  return {
    async drain({ run, platform, services, region, because }) {
      for (const service of services) {
        const all = (await writer.listOverrides()).items;
        const there = all.find((order) => isOf(order, platform) && runOf(order) === run && drains(order, [service], region));
        if (there !== undefined && !isShort(there)) continue;
        const id = there?.id ?? freeId(run, all);
        await putAgain({ id, scope: { service, region }, owner: runsOwner(platform), reason: phrase(because) }, run, there !== undefined);
      }
    },

    async open({ run, platform, services, region }) {
      const all = (await writer.listOverrides()).items.filter((order) => isOf(order, platform) && drains(order, services, region));
      for (const { id } of all)
        await writer.deleteOverride(id, actOf(run, true)).catch((error: unknown) => {
          // Somebody else has ended it.
          if (!(error instanceof Fault && error.code === 'ERR_NOT_FOUND')) throw error;
        });
    },

    orders: async (platform, services, region) =>
      (await inForce())
        .filter((order) => isOf(order, platform) && drains(order, services, region))
        .map((order) => ({ run: runOf(order), service: order.scope.service ?? '' })),

    async look(services, region) {
      const { value } = await ledger.read('the route', [KEYS.routing, KEYS.members]);
      const routes = value<Routes>(KEYS.routing);
      const known = value<ClusterConfig>(KEYS.members);
      const open = Object.values(routes?.open ?? {});
      const incidents = await ledger.read('open incidents', open.map(incidentKey));
      const fallen = open
        .map((id) => incidents.value<Incident>(incidentKey(id)))
        .find((incident) => incident?.region === region && incident.kind !== 'held');
      return services.map((service) => lookOf(service, region, known, routes, fallen));
    },

    async prolong(isAway) {
      for (const order of await inForce()) {
        const { id, scope, owner, reason } = order;
        if (!id.startsWith('run-') || !owner.startsWith(OWNER) || !isShort(order)) continue;
        if (isAway(owner.slice(OWNER.length), scope.region ?? '')) await putAgain({ id, scope, owner, reason }, runOf(order), true);
      }
    },
  };
};

const freeId = (run: string, all: readonly Override[]): string => {
  for (let n = 1; ; n += 1) {
    const id = `run-${run}-${n}`;
    if (!all.some((order) => order.id === id)) return id;
  }
};

const lookOf = (
  service: string,
  region: string,
  cluster: ClusterConfig | undefined,
  routes: Routes | undefined,
  fallen: Incident | undefined,
): Awaited<ReturnType<Routing['look']>>[number] => {
  const config = cluster?.services.find(({ name }) => name === service);
  const now = routes?.services[service];
  // What nobody decides for cannot be said to have left.
  if (config === undefined || now === undefined)
    return { service, share: 1000, mode: 'observe', landed: null, because: 'no route is decided for it' };
  const share = config.pools.filter((pool) => pool.region === region).reduce((sum, { name }) => sum + (now.route[name] ?? 0), 0);
  const stamps = fallen?.published[service];
  const landed = stamps === undefined || stamps.unmeasured !== undefined ? null : stamps.t6AtMs !== undefined;
  return { service, share, mode: now.mode, landed, because: now.because };
};
