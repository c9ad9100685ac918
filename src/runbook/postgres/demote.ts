// pg.demote: the writer of one region becomes a standby cluster of another region's. Patroni is told by its configuration, and it is so when Postgres itself says
// that it is in recovery and Patroni says that the one that leads there follows.
import type { Call, Effect, Reading, StepKind } from '../kind.ts';
import type { PostgresAddress, StepSpecs } from '../model.ts';
import { applyOr, readOr } from '../outcome.ts';
import { patiently } from './patience.ts';
import type { PatroniSystem } from './patroni.ts';
import { followPatch, isFollowing } from './patroni-wire.ts';
import { refusedBy } from './refused.ts';
import { isAllInRecovery, isSilent, missingOf, type Site, siteOf, writerOf } from './site.ts';

type Spec = StepSpecs['pg.demote'];

/** Of each source: they are asked at the same time. */
const LOOK_MS = 6_000;

export const addressText = ({ host, port }: PostgresAddress): string => `${host}:${port}`;

export const postgresDemote: StepKind<'pg.demote'> = {
  kind: 'pg.demote',
  signal: 'target',
  read: (spec, call) => readOr(`demotion of ${spec.system}`, () => readDemotion(spec, call)),
  apply: (spec, call) => applyOr(`demotion of ${spec.system}`, () => applyDemotion(spec, call)),
};

const readDemotion = (spec: Spec, call: Call): Promise<Reading> =>
  patiently(call, async () => {
    const site = await siteOf(spec, call, LOOK_MS);
    const reading = demoted(spec, site);
    return { reading, isUnderWay: reading.is !== 'reached' && site.config !== null && isFollowing(site.config, spec.follow) };
  });

/** Pure. */
export const demoted = ({ system, follow }: Spec, site: Site): Reading => {
  const of = `${system}, to follow ${addressText(follow)}`;
  const silent = site.silences.join('; ');
  if (isSilent(site)) return { is: 'unknown', because: `${of}: nobody answers: ${silent}` };
  const writer = writerOf(site);
  if (writer !== null) return { is: 'pending', because: `${of}: ${writer}` };
  if (site.config === null) return { is: 'unknown', because: `${of}: Patroni does not say how it is configured: ${silent}` };
  if (!isFollowing(site.config, follow)) return { is: 'pending', because: `${of}: it is not configured so yet` };
  if (!site.sql.some(({ state }) => state?.inRecovery === true))
    return {
      is: 'unknown',
      because: `${of}: it is configured so, but Postgres does not say that it is in recovery: ${silent || missingOf(site).join('; ')}`,
    };
  const leader = site.nodes.find(({ node }) => node?.role === 'standby_leader' && node.inRecovery === true);
  if (leader !== undefined) return { is: 'reached', because: `${of}: ${leader.at} leads and is in recovery` };
  if (isAllInRecovery(site)) return { is: 'reached', because: `${of}: every member is in recovery` };
  return { is: 'pending', because: `${of}: no standby leader yet; ${missingOf(site).join('; ')}` };
};

const applyDemotion = async ({ system, follow }: Spec, { context, signal }: Call): Promise<Effect> => {
  const patroni = await context.system<PatroniSystem>(system, 'patroni');
  const what = `${system}, to follow ${addressText(follow)}`;
  try {
    // A paused Patroni moves nothing, whatever it is configured to be.
    const [{ paused }, before] = await Promise.all([patroni.cluster(signal), patroni.config(signal)]);
    if (paused) return { took: 'refused', because: `${what}: Patroni is paused there; resume it first` };
    if (isFollowing(before, follow)) return { took: 'accepted', because: `${what}: it is configured so already` };
    const after = await patroni.patch(followPatch(follow, before), signal);
    if (!isFollowing(after, follow)) return { took: 'undecided', because: `${what}: it answered with another configuration` };
    return { took: 'accepted', because: `${what}: configured` };
  } catch (error) {
    return refusedBy(what, error);
  }
};
