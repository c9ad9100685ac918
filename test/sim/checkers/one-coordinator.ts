// Who decides holds the office: every decision is committed by the process that the leader record names, each epoch has one holder, and nobody writes
// under a name that another process has taken. A region that a human evacuates leaves the office to another one, if any could have taken it.
import { KEYS } from '../../../src/coordinate/keys.ts';
import type { Leader, Vote } from '../../../src/model.ts';
import { type Checker, ordersIn, type Scene } from '../checker.ts';

/** Whoever is evacuated has written what it decided by then, and heard of another who could go on; or another has taken what stood. */
const HANDED_OVER_MS = 90_000;
/** A heartbeat's span, by a slow clock over slow wires. */
const BEAT_GAP_MS = 4000;

/** Blames an evacuated region that goes on coordinating although another one, itself not evacuated all that time, has reached the store all that time. */
const watchEvacuated = (scene: Scene, blame: (sentence: string) => void): ((leader: Leader, isTakeover: boolean) => void) => {
  /** Since when each region has reached the store without being evacuated itself, and has been evacuated. */
  const steadySinceMs = new Map<string, number>();
  const evacuatedSinceMs = new Map<string, number>();
  let heldSinceMs = 0;
  let lastMs = 0;
  const keep = (since: Map<string, number>, region: string, isSo: boolean): void => {
    if (!isSo) since.delete(region);
    else if (!since.has(region)) since.set(region, scene.nowMs());
  };
  return (leader, isTakeover) => {
    const nowMs = scene.nowMs();
    const regions = scene.cluster().regions.filter((r) => r.coordinator);
    const orders = ordersIn(scene, scene.world.clusterNowMs()).filter((o) => o.kind === 'evacuate');
    // Nobody could be heard while nobody wrote.
    if (nowMs - lastMs > BEAT_GAP_MS) steadySinceMs.clear();
    lastMs = nowMs;
    const beats = (place: string): boolean => nowMs - (scene.records.get(`beat/${place}`)?.atMs ?? Number.NEGATIVE_INFINITY) <= BEAT_GAP_MS;
    for (const { name } of regions) {
      const isEvacuated = orders.some((o) => o.scope.region === name);
      keep(steadySinceMs, name, scene.world.placesOf(name).some(beats) && scene.world.reaches(name) && !isEvacuated);
      keep(evacuatedSinceMs, name, isEvacuated);
    }
    if (isTakeover) heldSinceMs = nowMs;
    const sinceMs = evacuatedSinceMs.get(leader.region);
    if (sinceMs === undefined || leader.released || nowMs - Math.max(sinceMs, heldSinceMs) < HANDED_OVER_MS) return;
    const other = regions.find(({ name }) => nowMs - (steadySinceMs.get(name) ?? nowMs) >= HANDED_OVER_MS);
    if (other !== undefined)
      blame(`${leader.region} coordinates ${nowMs - sinceMs} ms after it was evacuated, although ${other.name} could`);
  };
};

export const oneCoordinator: Checker = {
  name: 'one-coordinator',
  says: 'one holder per epoch, decisions only by it, one process per name; an evacuated region leaves it to another',
  watch(scene, blame) {
    const watchLeader = watchEvacuated(scene, blame);
    const holders = new Map<number, string>();
    const speakers = new Map<string, { bootN: number; boot: string }>();
    return {
      commit(commit, author) {
        const [was, is] = [commit.before(KEYS.leader), commit.after(KEYS.leader)];
        if (is !== undefined && is.mod === commit.rev) {
          const [from, to] = [was?.value as Leader | undefined, is.value as Leader];
          const isTakeover = from?.epoch !== to.epoch;
          if (isTakeover && to.epoch !== (from?.epoch ?? 0) + 1) blame(`epoch ${to.epoch} follows epoch ${from?.epoch ?? 0}`);
          if (isTakeover && holders.has(to.epoch)) blame(`epoch ${to.epoch} is held twice`);
          if (!isTakeover && from?.boot !== to.boot) blame(`epoch ${to.epoch} passes from ${from?.boot} to ${to.boot}`);
          if (author !== null && author.boot !== to.boot) blame(`${author.place} writes a leader record for another process`);
          holders.set(to.epoch, to.boot);
          watchLeader(to, isTakeover);
        }
        for (const op of commit.txn.then) {
          // Thieves write what they like.
          if (author === null || !('put' in op) || !op.put.startsWith('vote/')) continue;
          const { boot, bootN = 0 } = op.value as Vote;
          const last = speakers.get(op.put);
          if (last !== undefined && (bootN < last.bootN || (bootN === last.bootN && bootN > 0 && boot !== last.boot)))
            blame(`${op.put} is written by start ${bootN} (${boot}) after start ${last.bootN} (${last.boot}) has spoken`);
          speakers.set(op.put, { boot, bootN });
        }
      },
      decided({ commit, author, after, adopted }) {
        if (adopted) return;
        const leader = commit.before(KEYS.leader)?.value as Leader | undefined;
        if (leader?.epoch !== after.epoch) blame(`decision ${after.v} of epoch ${after.epoch} is committed in epoch ${leader?.epoch}`);
        else if (author !== null && leader.boot !== author.boot)
          blame(`decision ${after.v} is committed by ${author.place} (${author.boot}), the leader record names ${leader.boot}`);
      },
      rewound() {
        holders.clear();
        speakers.clear();
      },
    };
  },
};
