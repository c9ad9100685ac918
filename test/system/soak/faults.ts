// What breaks during a soak, each as one line of a table: how it begins, whose users have to leave, what has to be undone besides mending the world.
// Replicas named in LASTING are never killed, so that their memory can be watched from the first minute to the last; they are cut off and put to sleep.
import type { Random } from '../../../src/ports.ts';
import { without } from '../cluster/deaths.ts';
import { COORDINATORS, REGIONS, REPLICAS, type Region, type ReplicaName, SERVING } from '../cluster/files.ts';
import type { Order } from '../cluster/history.ts';
import { PROVIDER } from '../cluster/servers.ts';
import { holderOf } from '../cluster/takeovers.ts';
import { isolate, type World } from '../cluster/world.ts';
import { until } from '../until.ts';

/** A coordinator's, a serving region's and the witness's. */
export const LASTING: readonly ReplicaName[] = ['r2/b', 'r4/a', 'r5/a'];

export interface Felt {
  where: string;
  /** This region's users have to be gone within the goals. `unseen`: regions that cannot be asked meanwhile. */
  drains?: { region: Region; unseen?: readonly Region[] };
  /** Replicas that the fault itself keeps from running. */
  asleep?: readonly string[];
  /** Before the world is mended. */
  undo?: () => Promise<void> | void;
}

export interface Fault {
  name: string;
  begin(world: World, random: Random): Promise<Felt>;
}

const pick = <T>(random: Random, from: readonly T[]): T => {
  const found = from[Math.floor(random.unit() * from.length)];
  if (found === undefined) throw new Error('nothing to pick from');
  return found;
};

const mortal = (name: ReplicaName): boolean => !LASTING.includes(name);

/** Its application, replicas, store member and servers of names; only where no lasting replica lives. */
const FELLED: readonly Region[] = SERVING.filter((region) => !LASTING.some((name) => name.startsWith(region)));

const ordered = async (world: World, region: Region, order: Parameters<ReturnType<World['site']>['order']>[0]): Promise<Felt> => {
  world.truth.break(region);
  await world.site(region).order(order);
  return { where: region, drains: { region } };
};

const cutBothWays = async (world: World, from: Region, to: readonly string[]): Promise<Felt> => {
  await world.cut(
    to.flatMap((other) => [
      { from, to: other },
      { from: other, to: from },
    ]),
  );
  return { where: `${from} from ${to.join()}` };
};

export const FAULTS: readonly Fault[] = [
  { name: 'an application dies', begin: (world, random) => ordered(world, pick(random, SERVING), { app: 'down' }) },
  {
    name: 'an application is not ready',
    begin: (world, random) => ordered(world, pick(random, SERVING), { app: 'health', healthz: true, readyz: false }),
  },
  {
    name: 'a region dies',
    async begin(world, random) {
      const region = pick(random, FELLED);
      world.truth.break(region);
      await world.killRegion(region);
      return { where: region, drains: { region, unseen: [region] } };
    },
  },
  {
    name: 'a region is cut off from all',
    async begin(world, random) {
      const region = pick(random, SERVING);
      world.truth.break(region);
      await world.cut(isolate(region));
      return { where: region, drains: { region, unseen: [region] } };
    },
  },
  {
    name: 'a region is cut off from one other',
    begin(world, random) {
      const from = pick(random, SERVING);
      return cutBothWays(world, from, [pick(random, without(from))]);
    },
  },
  {
    name: 'packets are lost one way',
    async begin(world, random) {
      const from = pick(random, SERVING);
      const to = pick(random, without(from));
      await world.cut([{ from, to }]);
      return { where: `${from} to ${to}` };
    },
  },
  {
    name: 'packets are lost everywhere',
    async begin(world) {
      await world.cut([], [], 0.02);
      return { where: '2 % of all' };
    },
  },
  {
    name: 'the provider is out of reach',
    begin: (world) => cutBothWays(world, holderOf(world).region, [PROVIDER]),
  },
  {
    name: 'the coordinator dies',
    async begin(world) {
      const holder = holderOf(world);
      // One that has to last leads: it leaves its lease as it sleeps.
      if (!mortal(holder.name)) return sleeps(world, holder.name);
      await holder.kill();
      return { where: holder.name };
    },
  },
  {
    name: 'the coordinator and the leading store member die',
    async begin(world) {
      const holder = holderOf(world);
      await world.leadEtcd(holder.region);
      await Promise.all([world.member(holder.region).kill(), mortal(holder.name) ? holder.kill() : undefined]);
      return { where: holder.name };
    },
  },
  { name: 'a replica sleeps', begin: (world, random) => sleeps(world, pick(random, REPLICAS)) },
  {
    name: 'a replica restarts',
    async begin(world, random) {
      const replica = world.replica(pick(random, REPLICAS.filter(mortal)));
      await replica.stop();
      await replica.start();
      return { where: replica.name };
    },
  },
  {
    name: 'a store member dies',
    async begin(world, random) {
      const region = pick(random, REGIONS);
      await world.member(region).kill();
      return { where: region };
    },
  },
  {
    name: 'the store loses its majority',
    async begin(world, random) {
      const spared = pick(random, COORDINATORS);
      const lost = REGIONS.filter((region) => region !== spared).slice(0, 3);
      await Promise.all(lost.map((region) => world.member(region).kill()));
      return { where: lost.join() };
    },
  },
  {
    name: 'everything is stopped by an order',
    async begin(world, random) {
      await given(world, 'soak-stop', { kind: 'stop', scope: {}, reason: `a soak stops every write: ${random.hex(8)}` });
      return { where: 'all', undo: () => withdrawn(world, 'soak-stop') };
    },
  },
  {
    name: 'a region is drained by an order',
    async begin(world, random) {
      const region = pick(random, SERVING);
      world.truth.break(region);
      await given(world, 'soak-drain', { kind: 'drain', scope: { region }, reason: `a soak drains a region: ${random.hex(8)}` });
      return { where: region, drains: { region }, undo: () => withdrawn(world, 'soak-drain') };
    },
  },
];

const sleeps = (world: World, name: ReplicaName): Promise<Felt> => {
  const { process } = world.replica(name);
  process.signal('SIGSTOP');
  return Promise.resolve({ where: name, asleep: [name], undo: () => process.signal('SIGCONT') });
};

/** What nobody could tell is ordered again, which is safe. */
const given = (world: World, id: string, order: Order): Promise<void> =>
  until(`the order ${id}`, async () => (await world.orders.put('r4/a', id, order)).outcome === 'done').then(() => undefined);

const withdrawn = (world: World, id: string): Promise<void> =>
  until(`the end of the order ${id}`, async () => ['done', 'missing'].includes((await world.orders.remove('r4/a', id)).outcome)).then(
    () => undefined,
  );
