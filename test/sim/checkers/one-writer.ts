// The provider's fence only grows where the provider compares it; who writes has proved its right a moment ago; and where nothing compares, no two regions
// write within the time that a late call of the first may take. What is frozen is not decided until a human has looked.
import { appliedKey, KEYS } from '../../../src/coordinate/keys.ts';
import type { AppliedRecord, Overrides, ServiceRouting } from '../../../src/model.ts';
import { carriedBy } from '../../memory-provider.ts';
import type { Checker } from '../checker.ts';

/** A renewal is worth a second by a clock that runs 5 % slow. */
const PROOF_MS = 1000 / 0.95;
/** Call timeout plus lock-delay less what the last holder's proof may outlive its office, by clocks that run 5 % fast. */
const APART_MS = 3500;

/** A freeze of so long ago has been seen by whoever decides. */
const SEEN_MS = 2500;
/** A provider that reads stale shows what it carried before for so long. */
const SHOWN_MS = 20_000 + SEEN_MS;

/** Not ours to write, until a human has looked. */
const isClosed = (record: unknown): boolean => ['frozen', 'manual'].includes((record as AppliedRecord).outcome);

/** The configuration alone made the route another: pools came or went, and who stays carries what it did, unless somebody who carried is gone. */
const isForced = ({ route: was }: ServiceRouting, { route: is }: ServiceRouting): boolean => {
  const gone = Object.keys(was).filter((pool) => !Object.hasOwn(is, pool));
  const isAnother = gone.length > 0 || Object.keys(is).length !== Object.keys(was).length;
  return isAnother && (gone.some((pool) => (was[pool] ?? 0) > 0) || Object.keys(is).every((pool) => is[pool] === (was[pool] ?? 0)));
};

const decisionOf = (nonce: string): string => nonce.slice(0, Math.max(0, nonce.lastIndexOf('-')));

export const oneWriter: Checker = {
  name: 'one-writer',
  says: 'fences only grow; writes follow a proof of right; none after a stop or a freeze; none close to another’s where nothing compares',
  watch(scene, blame) {
    const provedAtMs = new Map<string, number>();
    /** When each stop order came into the store, by id. */
    const stops = new Map<string, { atMs: number; covers: (service: string) => boolean }>();
    const lastWrites = new Map<string, { place: string; atMs: number }>();
    /** And it carries what it was closed for: what a stranger has taken away again closes nothing. */
    const isStillClosed = (path: string, service: string, record: unknown): boolean =>
      isClosed(record) && carriedBy(scene.world.zones.get(path)?.services.get(service))?.v === (record as AppliedRecord).fence;
    return {
      commit(commit, author) {
        if (author !== null && commit.after(KEYS.leader)?.mod === commit.rev) provedAtMs.set(`${author.place}`, author.sentAtMs);
        const orders = commit.after(KEYS.override);
        if (orders === undefined || orders.mod !== commit.rev) return;
        const items = (orders.value as Overrides).items.filter((o) => o.kind === 'stop');
        for (const id of stops.keys()) if (!items.some((o) => o.id === id)) stops.delete(id);
        for (const { id, scope } of items)
          if (!stops.has(id))
            stops.set(id, { atMs: scene.nowMs(), covers: (service) => scope.service === undefined || scope.service === service });
      },
      writing({ path, place, startedAtMs, changes }) {
        const proved = provedAtMs.get(place) ?? Number.NEGATIVE_INFINITY;
        if (startedAtMs - proved > PROOF_MS + 1)
          blame(`${place} writes ${Math.round(startedAtMs - proved)} ms after it last proved its right`);
        for (const { desired } of changes) {
          for (const [id, stop] of stops)
            if (stop.covers(desired.service) && startedAtMs - stop.atMs > PROOF_MS + 1)
              blame(`${place} writes ${desired.service} ${Math.round(startedAtMs - stop.atMs)} ms after order ${id} stopped it`);
          const closed = scene.records.get(appliedKey(path, desired.service));
          if (closed !== undefined && startedAtMs - closed.atMs > SHOWN_MS && isStillClosed(path, desired.service, closed.value))
            blame(`${place} writes ${desired.service} ${Math.round(startedAtMs - closed.atMs)} ms after it was found not to be ours`);
          const last = lastWrites.get(desired.service);
          if (
            scene.world.zone.fencing !== 'conditional' &&
            last !== undefined &&
            last.place !== place &&
            startedAtMs - last.atMs < APART_MS
          )
            blame(
              `${place} writes ${desired.service} ${Math.round(startedAtMs - last.atMs)} ms after ${last.place} did, and nothing compares fences`,
            );
          lastWrites.set(desired.service, { place, atMs: startedAtMs });
        }
      },
      decided({ before, after, adopted }) {
        for (const [key, { value, atMs }] of adopted ? [] : scene.records) {
          if (!key.startsWith('applied/') || !isClosed(value) || scene.nowMs() - atMs < SEEN_MS) continue;
          const service = key.slice(key.lastIndexOf('/') + 1);
          const [was, is] = [before?.services[service], after.services[service]];
          // What is served stays as it is, whatever is configured.
          if (was?.mode === 'auto' && is?.mode === 'auto' && was.fence > 0 && is.fence !== was.fence && !isForced(was, is))
            blame(`decision ${after.v} moves ${service}, which is ${(value as AppliedRecord).outcome}`);
        }
      },
      serving(service, before, after, how) {
        if (how !== 'write' || before === null || before.fenceless || after === null || scene.world.zone.fencing !== 'conditional') return;
        const [from, to] = [before.fence, after.fence];
        if (to.v < from.v || (to.v === from.v && decisionOf(to.nonce) !== decisionOf(from.nonce)))
          blame(`${service}: fence ${to.v} of ${to.writer} takes the place of fence ${from.v} of ${from.writer}`);
      },
      rewound() {
        stops.clear();
      },
    };
  },
};
