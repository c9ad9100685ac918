// No route is empty, none names what is not configured, and none leaves all traffic on what a majority holds down while another pool is up.
import { KEYS } from '../../../src/coordinate/keys.ts';
import type { ClusterConfig, Leader, Overrides, Route } from '../../../src/model.ts';
import type { Tiers } from '../../../src/runbook/facts.ts';
import { type Checker, type Decided, isForced, isOut, ordersIn, type Scene, standing, votersIn, votesIn } from '../checker.ts';

const SUM = 1000;
/** Votes younger than this speak. */
const SPEAKING_MS = 4000;

/** A coordinator that has just begun, or learnt that the store is another, has yet to hear fresh votes. */
const HEARD_MS = 6000;
/** Beyond the pacing: confirmation, and a turn of whoever takes over. */
const GRACE_MS = 20_000;

const wrongWith = (route: Route): string | null => {
  const shares = Object.values(route);
  if (shares.some((share) => !Number.isInteger(share) || share < 0)) return 'has a share that is none';
  const sum = shares.reduce((a, b) => a + b, 0);
  return sum === SUM ? null : `sums to ${sum}`;
};

/** A human or the provider holds the service still. */
const isStill = (scene: Scene, service: string): boolean => {
  const overrides = scene.records.get(KEYS.override)?.value as Overrides | undefined;
  const applied = [...scene.records].some(
    ([key, { value }]) =>
      key.startsWith('applied/') &&
      key.endsWith(`/${service}`) &&
      ['frozen', 'manual'].includes(String((value as { outcome?: unknown }).outcome)),
  );
  return (
    applied ||
    (overrides?.items ?? []).some(
      (o) => (o.kind === 'freeze' || o.kind === 'stop') && (o.scope.service === undefined || o.scope.service === service),
    )
  );
};

/** Holds that end by themselves: pacing, and the receiver's confirmation. */
const isPassing = (hold: string | null | undefined): boolean => hold != null && PASSING.has(hold);
const PASSING: ReadonlySet<string> = new Set(['pacing', 'rule:blast-radius', 'confirming', 'settling']);

/** Services whose traffic is all on what is out, although another pool is up, with the sentence. */
const stuck = (
  scene: Scene,
  { before, after }: Decided,
): readonly { service: string; passing: boolean; pools: number; because: string }[] => {
  const cluster: ClusterConfig = scene.cluster();
  const speaking = new Set(
    votesIn(scene)
      .filter((v) => scene.nowMs() - v.beatAtMs <= SPEAKING_MS)
      .map((v) => v.region),
  );
  if (votersIn(cluster).filter((region) => speaking.has(region)).length < votersIn(cluster).length) return [];
  return cluster.services.flatMap((service) => {
    const now = after.services[service.name];
    if (now === undefined || now.mode !== 'auto' || (before?.services[service.name]?.fence ?? 0) === 0) return [];
    if (isStill(scene, service.name)) return [];
    const carrying = service.pools.filter((p) => (now.route[p.name] ?? 0) > 0);
    const orders = ordersIn(scene, after.atMs);
    // Who is drained by a human gives way to who is put in by one.
    const isHumans = carrying.some((p) => isForced(orders, service, p));
    const others = service.pools.filter(
      (p) =>
        (now.route[p.name] ?? 0) === 0 &&
        !isMentioned(scene, service.name, p.name) &&
        !isUnproved(scene, cluster, service.name, p.region) &&
        !(isHumans && now.pools[p.name]?.by === 'override'),
    );
    if (others.length === 0 || !carrying.every((p) => isOut(scene, service, p, standing(scene, scene.nowMs())))) return [];
    const names = (pools: typeof carrying): string => pools.map((p) => p.name).join(', ');
    const because = `decision ${after.v} leaves all of ${service.name} on ${names(carrying)}, which are out; ${names(others)} is up`;
    const passing = carrying.some((p) => isPassing(now.pools[p.name]?.hold));
    return [{ service: service.name, passing, pools: carrying.length, because }];
  });
};

/** Users of the service write to a database that was not proved writable in that region: to send them there would be worse. */
const isUnproved = (scene: Scene, cluster: ClusterConfig, service: string, region: string): boolean => {
  const proved = (scene.records.get(KEYS.tiers)?.value as Tiers | undefined)?.databases ?? {};
  return (cluster.platforms ?? []).some(({ name, databases = [] }) =>
    databases.some((database) => {
      const { writer = null, split } = proved[`${name}/${database.name}`] ?? {};
      return database.services.includes(service) && (writer !== region || split !== undefined);
    }),
  );
};

/** Some vote says something of it that is not "up". */
const isMentioned = (scene: Scene, service: string, pool: string): boolean =>
  votesIn(scene).some(({ vote }) => [...vote.down, ...vote.unready, ...vote.unknown].some((t) => t.startsWith(`${service}/${pool}/`)));

export const neverEmpty: Checker = {
  name: 'never-empty',
  says: 'no route is empty, or all on what is down while another is up; routes fit the configuration in force',
  watch(scene, blame) {
    /** Since when each service has been stuck, and since when by no hold that passes: what a hold held is decided anew when it has passed. */
    const sinceMs = new Map<string, { all: number; plain: number | null }>();
    let last: Decided | null = null;
    const judgeRelief = (decided: Decided): void => {
      const found = stuck(scene, decided);
      for (const service of sinceMs.keys()) if (!found.some((f) => f.service === service)) sinceMs.delete(service);
      for (const { service, passing, pools, because } of found) {
        const was = sinceMs.get(service) ?? { all: scene.nowMs(), plain: null };
        const plain = passing ? null : (was.plain ?? scene.nowMs());
        sinceMs.set(service, { ...was, plain });
        const [forMs, plainMs] = [scene.nowMs() - was.all, plain === null ? 0 : scene.nowMs() - plain];
        const { pacingMs, safety } = scene.cluster().policy;
        const spanMs = Math.max(pacingMs, Number(safety['blast-radius']?.windowMs ?? 0));
        if (forMs > pools * spanMs + GRACE_MS || plainMs > HEARD_MS) blame(`${because}, for ${Math.round(forMs)} ms`);
      }
    };
    return {
      rewound() {
        sinceMs.clear();
        last = null;
      },
      commit({ before, after, rev }) {
        // A holder that renews is alive, and could have decided.
        const renewed = after(KEYS.leader);
        const isRenewal =
          renewed?.mod === rev && (renewed.value as Leader).epoch === (before(KEYS.leader)?.value as Leader | undefined)?.epoch;
        if (sinceMs.size > 0 && last !== null && isRenewal && after(KEYS.routing)?.mod !== rev) judgeRelief(last);
      },
      decided(decided) {
        const { after, adopted } = decided;
        last = adopted ? null : decided;
        for (const [service, { route, fence }] of Object.entries(after.services)) {
          const wrong = fence === 0 ? null : wrongWith(route);
          if (wrong !== null) blame(`decision ${after.v}: the route of ${service} ${wrong}`);
        }
        const { version } = scene.cluster();
        if (!adopted && after.membersVersion !== version)
          blame(`decision ${after.v} is made for configuration ${after.membersVersion}, in force is ${version}`);
        if (!adopted) judgeRelief(decided);
      },
      serving(service, _before, after, how) {
        const wrong = how === 'write' && after !== null ? wrongWith(after.shares) : null;
        if (wrong !== null) blame(`what is served of ${service} ${wrong}`);
      },
    };
  },
};
