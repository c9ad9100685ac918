// A safety rule that refuses an order is passed only by an order that says so. Judged are decisions of which orders alone moved a service: what they did to
// its route is measured against the settings in the store, by arithmetic of the checker's own.
import { KEYS } from '../../../src/coordinate/keys.ts';
import type { Override, Policy, Reports, Route, ServiceConfig, ServiceRouting } from '../../../src/model.ts';
import { type Checker, concerns, ordersIn, type Scene } from '../checker.ts';

type Settings = Policy['safety'];

/** A change of one service by orders. */
interface Change {
  service: ServiceConfig;
  before: Route;
  after: Route;
  atMs: number;
}

const share = (route: Route, pool: string): number => route[pool] ?? 0;

/** Orders that a decision newly obeys on a service; null: something else moves in it too, or one of them passes the rules. */
const newlyObeyed = (service: ServiceConfig, was: ServiceRouting, is: ServiceRouting, orders: readonly Override[]): boolean => {
  const ordered: Override[] = [];
  for (const pool of service.pools) {
    const [from, to] = [was.pools[pool.name], is.pools[pool.name]];
    if (from === undefined || to === undefined) return false;
    const mine = (...kinds: readonly string[]): readonly Override[] =>
      orders.filter((o) => kinds.includes(o.kind) && concerns(o, service, pool));
    if (from.by !== 'override' && to.by === 'override') ordered.push(...mine('drain', 'evacuate'));
    else if (!from.told.includes('forced') && to.told.includes('forced')) ordered.push(...mine('force-in'));
    else if (from.state !== to.state || from.stage !== to.stage || from.scale !== to.scale || from.by !== to.by) return false;
  }
  if (JSON.stringify([was.pin?.id, was.pin?.weights]) !== JSON.stringify([is.pin?.id, is.pin?.weights])) {
    const pin = orders.find((o) => o.id === is.pin?.id);
    if (pin === undefined) return false;
    ordered.push(pin);
  }
  return ordered.length > 0 && ordered.every((o) => o.breakGlass !== true);
};

/** How many of these pools, all of one service, carry traffic. */
const carrying = (route: Route, controls: readonly string[]): number =>
  controls.filter((control) => share(route, control.slice(control.indexOf('/') + 1)) > 0).length;

interface Counted {
  name: string;
  threshold: number;
  controls?: readonly string[];
  gates?: readonly string[];
  targets?: readonly string[];
}

const rulesIn = (settings: Settings[string] | undefined, service: ServiceConfig): readonly Counted[] =>
  ((settings?.rules ?? []) as readonly Counted[]).filter((rule) =>
    [...(rule.controls ?? []), ...(rule.gates ?? []), ...(rule.targets ?? [])].every((c) => c.startsWith(`${service.name}/`)),
  );

const judgeCounts = ({ assertion, gating }: Settings, { service, before, after }: Change, blame: (sentence: string) => void): void => {
  for (const { name, threshold, controls = [] } of rulesIn(assertion, service)) {
    const [had, has] = [carrying(before, controls), carrying(after, controls)];
    if (has < threshold && has < had) blame(`leaves ${has} of ${controls.length} pools of ${name}, which asks for ${threshold}`);
  }
  for (const { name, threshold, gates = [], targets = [] } of rulesIn(gating, service)) {
    const changed = targets.filter((target) => carrying(before, [target]) !== carrying(after, [target]));
    if (changed.length > 0 && carrying(after, gates) < threshold) blame(`changes ${changed.join()} while ${name} is shut`);
  }
};

/** A report of so long ago has been seen by whoever decides. */
const SEEN_MS = 5000;

const judgeCapacity = (scene: Scene, rule: Settings[string], change: Change, blame: (sentence: string) => void): void => {
  const { service, before, after, atMs } = change;
  const kept = scene.records.get(KEYS.reported);
  if (kept !== undefined && scene.nowMs() - kept.atMs < SEEN_MS) return;
  const report = (kept?.value as Reports | undefined)?.services[service.name];
  const fresh = report !== undefined && atMs < report.expiresAtMs ? report : undefined;
  const load = fresh?.load ?? service.load;
  if (load === undefined) return;
  for (const pool of service.pools) {
    const bears = fresh?.capacity[pool.name] ?? pool.capacity;
    const needs = (load * share(after, pool.name)) / 1000;
    if (bears === undefined || share(after, pool.name) <= share(before, pool.name)) continue;
    if (needs > (bears * Number(rule.headroomPercent)) / 100 + 0.001)
      blame(`gives ${pool.name} ${needs} to bear, which bears ${bears} (limit ${String(rule.headroomPercent)} %)`);
  }
};

/** Windows that open every so many minutes, UTC. */
const judgeWindows = (rule: Settings[string], { atMs }: Change, blame: (sentence: string) => void): void => {
  for (const { cron, durationMs } of (rule.windows ?? []) as readonly { cron: string; durationMs: number }[]) {
    const everyMs = Number(/^\*\/(\d+) \* \* \* \*$/.exec(cron)?.[1]) * 60_000;
    if (atMs % everyMs < durationMs) blame(`moves it ${atMs % everyMs} ms into a freeze window of ${durationMs} ms`);
  }
};

const movedIn = ({ before, after }: Change): number =>
  Object.entries(after).reduce((sum, [pool, now]) => sum + Math.max(0, now - share(before, pool)), 0);

export const rulesKept: Checker = {
  name: 'rules-kept',
  says: 'an order that a safety rule refuses is obeyed only if it says that it passes the rules',
  watch(scene, blame) {
    /** What orders alone have moved of each service: at least that much counts. */
    const moves = new Map<string, { atMs: number; moved: number }[]>();
    const judge = (v: number, change: Change): void => {
      const { safety } = scene.cluster().policy;
      const { name } = change.service;
      const say = (sentence: string): void => blame(`decision ${v} obeys an order that a rule refuses: of ${name} it ${sentence}`);
      judgeCounts(safety, change, say);
      if (safety.capacity !== undefined) judgeCapacity(scene, safety.capacity, change, say);
      if (safety['freeze-windows'] !== undefined) judgeWindows(safety['freeze-windows'], change, say);
      if (safety.velocity === undefined) return;
      const [windowMs, limit] = [Number(safety.velocity.windowMs), Number(safety.velocity.percent) * 10];
      const recent = (moves.get(name) ?? []).filter(({ atMs }) => change.atMs - atMs < windowMs);
      const moved = movedIn(change);
      const total = recent.reduce((sum, m) => sum + m.moved, moved);
      if (total > limit) say(`moves ${total} thousandths within ${windowMs} ms (limit ${limit})`);
      moves.set(name, [...recent, { atMs: change.atMs, moved }]);
    };
    return {
      decided({ before, after, adopted }) {
        if (adopted || before === null) return;
        const orders = ordersIn(scene, after.atMs);
        for (const service of scene.cluster().services) {
          const [was, is] = [before.services[service.name], after.services[service.name]];
          if (was === undefined || is === undefined || was.fence === 0 || was.route === is.route) continue;
          const change = { service, before: was.route, after: is.route, atMs: after.atMs };
          if (movedIn(change) > 0 && before.membersVersion === after.membersVersion && newlyObeyed(service, was, is, orders))
            judge(after.v, change);
        }
      },
      rewound: () => moves.clear(),
    };
  },
};
