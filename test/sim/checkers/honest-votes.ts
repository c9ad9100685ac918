// A vantage claims only what it has seen: no vote holds down what is well behind an open way, however its process slept, restarted or shared its work.
import { placeOf } from '../../../src/coordinate/keys.ts';
import type { Vote } from '../../../src/model.ts';
import type { Checker } from '../checker.ts';

const SETTLED_MS = 20_000;

export const honestVotes: Checker = {
  name: 'honest-votes',
  says: 'no vantage holds down what is well behind an open way',
  watch(scene, blame) {
    return {
      commit({ txn, before }) {
        for (const op of txn.then) {
          if (!('put' in op) || !op.put.startsWith('vote/')) continue;
          const vote = op.value as Vote;
          if (vote.self.state !== 'ok') continue;
          const { region } = placeOf(op.put);
          const said = before(op.put)?.value as Vote | undefined;
          for (const target of new Set([...vote.down, ...vote.unready])) {
            const isNew = said === undefined || said.boot !== vote.boot || !(said.down.includes(target) || said.unready.includes(target));
            const [, pool = ''] = target.split('/');
            if (isNew && scene.world.ground.wasWell(pool, SETTLED_MS) && scene.world.ground.wasOpen(region, pool, SETTLED_MS))
              blame(`${op.put} holds down ${target}, which is well`);
          }
        }
      },
    };
  },
};
