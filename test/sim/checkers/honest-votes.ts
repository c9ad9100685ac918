// A vantage claims only what it has seen: whoever beats keeps no vote alive that holds down what has long been well behind an open way, however its
// process slept, restarted or shared its work.
import { placeOf } from '../../../src/coordinate/keys.ts';
import type { Vote } from '../../../src/model.ts';
import type { Checker } from '../checker.ts';

/** Longer than a look at everything takes. */
const SETTLED_MS = 20_000;

export const honestVotes: Checker = {
  name: 'honest-votes',
  says: 'no vantage holds down what is well behind an open way',
  watch(scene, blame) {
    const isWell = (region: string, target: string): boolean => {
      const [, pool = ''] = target.split('/');
      const { ground } = scene.world;
      return ground.wasWell(pool, SETTLED_MS) && ground.wasOpen(region, pool, SETTLED_MS);
    };
    return {
      commit({ txn, after }, author) {
        for (const op of txn.then) {
          // Forgers claim what they like.
          if (author === null || !('put' in op) || !op.put.startsWith('beat/')) continue;
          const { region, replica } = placeOf(op.put);
          const vote = after(`vote/${region}/${replica}`)?.value as Vote | undefined;
          if (vote === undefined || vote.self.state !== 'ok') continue;
          for (const target of new Set([...vote.down, ...vote.unready]))
            if (isWell(region, target)) blame(`${region}/${replica} holds down ${target}, which is well`);
        }
      },
    };
  },
};
