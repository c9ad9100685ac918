// Without a majority of the configured voters nothing moves: every drain by automation rests on DOWN votes of a majority, fresh, not abstaining, of the
// configuration in force and unchanged at the commit. And what truly was well, seen by enough open ways, is never drained.
import { configHash } from '../../../src/health/config-hash.ts';
import { against, type Checker, type Decided, drainsOf, isOut, type Move, majorityOf, type Scene, votersIn, votesIn } from '../checker.ts';

/** Evidence may be as old as the policy says by a clock that runs 5 % slow, plus the span from a look to the commit that rests on it. */
const LOOK_MS = 700;
const RATE_MIN = 0.95;
/** Longer than any belief lives: interval, burst, timeout, beat and freshness together. */
const SETTLED_MS = 30_000;
/** An uplink that has been gone for so long has shown at the anchors. */
const UPLINK_MS = 12_000;

/** Regions whose word takes a target of this pool out, each with what speaks against counting it. */
const judgeEvidence = (scene: Scene, { author, after }: Decided, { service, pool }: Move, blame: (sentence: string) => void): void => {
  const { freshMs } = scene.cluster().policy;
  const regions = new Set(pool.targets.flatMap((t) => against(scene, service.name, pool.name, t.name)));
  const needs = majorityOf(votersIn(scene.cluster()).length);
  const sentAtMs = author?.sentAtMs ?? scene.nowMs();
  const oldest = freshMs / RATE_MIN + LOOK_MS;
  const hash = configHash(scene.cluster());
  const votes = votesIn(scene);
  const isGood = (region: string): boolean =>
    votes.some(
      (v) => v.region === region && sentAtMs - v.beatAtMs <= oldest && (v.vote.configHash === undefined || v.vote.configHash === hash),
    );
  const good = [...regions].filter(isGood);
  if (good.length < needs)
    blame(`decision ${after.v} drains ${service.name}/${pool.name} on ${good.length} fresh votes of ${regions.size} (needs ${needs})`);
  const anchored = good.filter((region) => (scene.cluster().regions.find((r) => r.name === region)?.anchors.length ?? 0) > 0);
  const blind = anchored.filter((region) => scene.world.ground.isBlindFor(region, UPLINK_MS));
  if (good.length - blind.length < needs)
    blame(`decision ${after.v} drains ${service.name}/${pool.name} by the votes of ${blind.join(', ')}, which see nothing`);
};

const judgeTruth = (scene: Scene, { after }: Decided, { service, pool }: Move, blame: (sentence: string) => void): void => {
  const { ground } = scene.world;
  const voters = votersIn(scene.cluster());
  const cannotSee = voters.filter((from) => !ground.wasOpen(from, pool.region, SETTLED_MS));
  if (ground.wasWell(pool.region, SETTLED_MS) && cannotSee.length < majorityOf(voters.length))
    blame(
      `decision ${after.v} drains ${service.name}/${pool.name}, which is well; ${voters.length - cannotSee.length} of ${voters.length} see it`,
    );
};

export const noMinorityAction: Checker = {
  name: 'no-minority-action',
  says: 'drains rest on fresh votes of a majority, unchanged at the commit; nothing that is well is drained',
  watch(scene, blame) {
    return {
      decided(decided) {
        if (decided.adopted) return;
        for (const move of drainsOf(scene, decided)) {
          if (!isOut(scene, move.service, move.pool))
            blame(
              `decision ${decided.after.v} drains ${move.service.name}/${move.pool.name}, which no majority of ${votersIn(scene.cluster()).length} holds out`,
            );
          else judgeEvidence(scene, decided, move, blame);
          judgeTruth(scene, decided, move, blame);
        }
      },
    };
  },
};
