// The replicas: who speaks, which program and configuration they run, whose clock is off, who coordinates, and whether they are enough. Pure.
import { list, plural, say } from '../../config/words.ts';
import { isSkewed, versionText } from '../../health/fleet.ts';
import { type Finding, fail, NotLooked, type Row, row, warn } from '../check.ts';
import type { Tools, World } from '../tools.ts';

/** A majority of two is two: losing either loses the count. */
const VOTERS_MIN = 3;
const SKEW_MS = 1000;
/** Signatures of webhooks and tokens are refused beyond minutes. */
const SKEW_BAD_MS = 30_000;

const SEE_ITS_NUMBERS = 'GET /api/health/detail at that replica has the numbers';

/** Of replicas that nobody hears nothing can be said, least of all that all is well. */
const heardWorld = async (tools: Tools): Promise<World> => {
  const world = await tools.world();
  if (world.heard.every(({ isFresh }) => !isFresh)) throw new NotLooked('no replica is heard: see votes');
  return world;
};

export const replicaChecks: readonly Row[] = [
  row({
    id: 'replica',
    question: 'What does the running replica of this file say of itself?',
    todo: 'look at its log; tidegate serve -c FILE starts it',
    look: (tools) => tools.replica(),
    judge: ({ notes }) =>
      notes.map((note) =>
        note.startsWith('fail') ? fail(note.replace(/^fail: /, ''), SEE_ITS_NUMBERS) : warn(note.replace(/^warn: /, ''), SEE_ITS_NUMBERS),
      ),
    ok: () => 'every one of its own checks passes',
  }),
  row({
    id: 'configuration',
    question: "Does this file fit the cluster's configuration?",
    todo: 'tidegate check -c FILE',
    look: (tools) => tools.world(),
    judge: ({ unfit }) => unfit.map((text) => fail(text, "change this file, or the cluster's configuration with tidegate apply")),
    ok: ({ cluster }) =>
      `${cluster.name}, version ${cluster.version}: ${plural(cluster.regions.length, 'region')}, ${plural(cluster.services.length, 'service')}`,
  }),
  row({
    id: 'votes',
    question: 'Does every voting region speak, and is it counted?',
    todo: 'start the replicas of the regions that are silent',
    look: (tools) => tools.world(),
    judge({ cluster, heard, refused, listenedMs }) {
      const voters = cluster.regions.filter(({ vote }) => vote).map(({ name }) => name);
      const silent = voters.filter((name) => !heard.some((h) => h.region === name && h.isFresh));
      const mute = voters.filter(
        (name) => !silent.includes(name) && !heard.some((h) => h.region === name && h.isFresh && h.abstains === null),
      );
      const speaking = voters.length - silent.length - mute.length;
      const state = speaking * 2 > voters.length ? warn : fail;
      const left = `${speaking} of ${voters.length} speak`;
      return [
        ...silent.map((name) =>
          state(`${name}: no beat within ${say(listenedMs)}; ${left}`, `start a replica there, or find out what keeps it from the store`),
        ),
        ...mute.map((name) =>
          state(
            `${name} abstains: ${heard.find((h) => h.region === name && h.isFresh)?.abstains}; ${left}`,
            'end the cause that it names: until then its vote is missing',
          ),
        ),
        ...refused.map(({ key, because }) =>
          fail(
            `${key} is not counted: ${because}`,
            'give that replica the signing key that its region names, or find out who writes there',
          ),
        ),
      ];
    },
    ok: ({ cluster }) => `all ${plural(cluster.regions.filter(({ vote }) => vote).length, 'voting region')} speak`,
  }),
  row({
    id: 'config-version',
    question: 'Do all replicas cover the configuration that is in force?',
    todo: 'tidegate status',
    look: heardWorld,
    judge: ({ cluster, heard }) =>
      heard
        .filter((h) => h.isFresh && h.configVersion !== cluster.version)
        .map((h) =>
          warn(
            `${h.region}/${h.replica} covers version ${h.configVersion}, the cluster is at ${cluster.version}`,
            'its vote does not count: see why in its log (vantage.config_conflict)',
          ),
        ),
    ok: ({ cluster }) => `all of them cover version ${cluster.version}`,
  }),
  row({
    id: 'versions',
    question: 'Do all replicas run one version of Tidegate?',
    todo: 'tidegate status',
    look: heardWorld,
    judge: ({ fleet }) =>
      isSkewed(fleet)
        ? [warn(fleet.versions.map(versionText).join('; '), 'finish the rollout: neighbouring versions work together, but not for long')]
        : [],
    ok: ({ fleet }) => fleet.versions.map(versionText).join('; '),
  }),
  row({
    id: 'clocks',
    question: 'Do the clocks of the replicas agree?',
    todo: 'look at the time service of each machine',
    look: heardWorld,
    judge({ fleet }) {
      if (fleet.skewMs <= SKEW_MS) return [];
      const offsets = fleet.clocks.map(({ replica, leastMs, mostMs }) => `${replica} ${Math.round((leastMs + mostMs) / 200) / 10} s`);
      const says = `they differ by ${say(fleet.skewMs)} at least; against this machine: ${list(offsets)}`;
      return [
        (fleet.skewMs > SKEW_BAD_MS ? fail : warn)(
          says,
          'make the time service of those machines work; ages are measured without clocks, certificates and signatures are not',
        ),
      ];
    },
    ok: ({ fleet }) => `${plural(fleet.clocks.length, 'clock')} within ${say(SKEW_MS)}, as far as beats can tell`,
  }),
  row({
    id: 'own-clock',
    question: "Does this machine's clock agree with the anchors'?",
    todo: 'look at the time service of this machine',
    look: (tools) => tools.anchors(),
    judge: (anchors) =>
      anchors.flatMap(({ url, clock }): Finding[] => {
        if (clock === null || (clock.leastMs <= SKEW_MS && clock.mostMs >= -SKEW_MS)) return [];
        const byMs = clock.leastMs > 0 ? clock.leastMs : -clock.mostMs;
        const says = `this machine is ${say(byMs)} ${clock.leastMs > 0 ? 'behind' : 'ahead of'} ${url}`;
        return [(byMs > SKEW_BAD_MS ? fail : warn)(says, 'make the time service of this machine work')];
      }),
    ok: (anchors) => `compared with ${plural(anchors.filter(({ clock }) => clock !== null).length, 'clock')}`,
  }),
  row({
    id: 'coordinator',
    question: 'Does somebody coordinate?',
    todo: 'a replica with providers, in a region that may coordinate, must run',
    look: (tools) => tools.world(),
    judge({ cluster, leader, leaderAgeMs }) {
      const todo = 'start a replica with providers in a region that may coordinate, and see its log';
      if (leader === null || leader.released) return [fail('nobody holds the office: nothing is decided', todo)];
      if (leaderAgeMs > 2 * cluster.policy.leaseMs)
        return [
          fail(
            `${leader.region}/${leader.replica} has not renewed its term for ${Number.isFinite(leaderAgeMs) ? say(leaderAgeMs) : 'longer than was listened'}`,
            todo,
          ),
        ];
      return cluster.regions.filter((r) => r.coordinator).length > 1
        ? []
        : [
            warn(
              'one region may coordinate: with it all decisions stop',
              'give a second region provider credentials, and coordinator: true',
            ),
          ];
    },
    ok: ({ leader }) => `${leader?.region}/${leader?.replica}, term ${leader?.epoch}`,
  }),
  row({
    id: 'witness',
    question: 'Are there voters enough to lose one?',
    todo: 'tidegate check -c FILE prints the electorates',
    look: (tools) => tools.world(),
    judge({ cluster }) {
      const voters = cluster.regions.filter(({ vote }) => vote);
      if (voters.length >= VOTERS_MIN) return [];
      const serving = new Set(cluster.services.flatMap(({ pools }) => pools.map(({ region }) => region)));
      const todo = 'add a witness: a small machine in a third place that probes, votes and hosts a member of the store';
      return [fail(`${plural(voters.length, 'voter')} for ${plural(serving.size, 'serving region')}: nothing is drained by itself`, todo)];
    },
    ok: ({ cluster }) => plural(cluster.regions.filter(({ vote }) => vote).length, 'voter'),
  }),
  row({
    id: 'anchors',
    question: "Do this region's anchors answer?",
    todo: 'without anchors a region cannot tell its own dead uplink from a dead world',
    look: (tools) => tools.anchors(),
    judge: (anchors) => {
      const gone = anchors.filter(({ because }) => because !== null);
      const state = gone.length * 2 > anchors.length ? fail : warn;
      return gone.map(({ url, because }) =>
        state(`${url}: ${because}`, 'choose an anchor that answers while this uplink works; when most are silent the region abstains'),
      );
    },
    ok: (anchors) => `${plural(anchors.length, 'anchor')} answer`,
  }),
];
