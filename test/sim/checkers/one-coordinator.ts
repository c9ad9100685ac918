// Who decides holds the office: every decision is committed by the process that the leader record names, each epoch has one holder, and nobody writes
// under a name that another process has taken.
import { KEYS } from '../../../src/coordinate/keys.ts';
import type { Leader, Vote } from '../../../src/model.ts';
import type { Checker } from '../checker.ts';

export const oneCoordinator: Checker = {
  name: 'one-coordinator',
  says: 'one holder per epoch, decisions only by it, one process per name',
  watch(_scene, blame) {
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
