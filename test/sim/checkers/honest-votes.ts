// A vantage claims only what it has seen: whoever beats keeps no vote alive that holds down what has long been well behind an open way, however its
// process slept, restarted or shared its work.
import { placeOf } from '../../../src/coordinate/keys.ts';
import type { Vote } from '../../../src/model.ts';
import type { Checker } from '../checker.ts';

/** Longer than a look at everything takes. */
const SETTLED_MS = 20_000;
/**
 * What answers again is held down until it has answered often enough, a second apart: who has been awake for a while, and has just begun to speak again, may say
 * so for as long.
 */
const RISES_MS = 2000;
const AWAKE_MS = 5000;
/** Who has not beaten for longer than this was asleep. */
const ASLEEP_MS = 4000;

export const honestVotes: Checker = {
  name: 'honest-votes',
  says: 'no vantage holds down what is well behind an open way',
  watch(scene, blame) {
    const isWell = (region: string, target: string): boolean => {
      const [, pool = ''] = target.split('/');
      const { ground } = scene.world;
      return ground.wasWell(pool, SETTLED_MS) && ground.wasOpen(region, pool, SETTLED_MS);
    };
    /** Since when a replica has said that of a target, which is not so. */
    const since = new Map<string, number>();
    /** Of each replica: its last beat, and the first since it slept. */
    const beats = new Map<string, { lastMs: number; awakeMs: number }>();
    const awakeForMs = (place: string): number => {
      const nowMs = scene.nowMs();
      const known = beats.get(place);
      const awakeMs = known !== undefined && nowMs - known.lastMs <= ASLEEP_MS ? known.awakeMs : nowMs;
      beats.set(place, { lastMs: nowMs, awakeMs });
      return nowMs - awakeMs;
    };
    return {
      commit({ txn, after }, author) {
        for (const op of txn.then) {
          // Forgers claim what they like.
          if (author === null || !('put' in op) || !op.put.startsWith('beat/')) continue;
          const { region, replica } = placeOf(op.put);
          const isAwake = awakeForMs(`${region}/${replica}`) >= AWAKE_MS;
          const vote = after(`vote/${region}/${replica}`)?.value as Vote | undefined;
          const held = vote?.self.state === 'ok' ? new Set([...vote.down, ...vote.unready]) : new Set<string>();
          const wrong = new Set(
            [...held].filter((target) => isWell(region, target)).map((target) => `${region}/${replica} holds down ${target}`),
          );
          for (const said of since.keys()) if (said.startsWith(`${region}/${replica} `) && !wrong.has(said)) since.delete(said);
          for (const said of wrong) {
            const firstMs = since.get(said) ?? scene.nowMs();
            since.set(said, firstMs);
            if (!isAwake || scene.nowMs() - firstMs >= RISES_MS) blame(`${said}, which is well`);
          }
        }
      },
    };
  },
};
