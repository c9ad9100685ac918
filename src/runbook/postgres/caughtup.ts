// pg.caughtup: all that the demoted site has is replayed where it is wanted. What a silent member of the demoted site has nobody knows, so every one of them has to
// answer; once in recovery it has replayed all of its own WAL, the checkpoint of its shutdown with it, before it answers at all. Where it is wanted, whoever is to
// be promoted has to say that it has it: others there may have more.
import { quoted } from '../../exchange.ts';
import type { Call, Reading, StepContext, StepKind } from '../kind.ts';
import type { StepSpecs } from '../model.ts';
import { readOr, saying } from '../outcome.ts';
import { patiently } from './patience.ts';
import type { NodeLook, PatroniSystem } from './patroni.ts';
import type { Config } from './patroni-wire.ts';
import { endOf, lsnText, type PostgresSystem, type SqlLook, type SqlState } from './sql.ts';

type Spec = StepSpecs['pg.caughtup'];

export const postgresCaughtUp: StepKind<'pg.caughtup'> = {
  kind: 'pg.caughtup',
  signal: 'gate',
  read: (spec, call) => readOr(`what ${spec.to} has of ${spec.from}`, () => readCaughtUp(spec, call)),
};

const readCaughtUp = async ({ from, fromSystem, to, toSystem }: Spec, call: Call): Promise<Reading> => {
  const { context, signal } = call;
  const old = await context.system<PostgresSystem>(from, 'postgres');
  const patroni = await context.system<PatroniSystem>(fromSystem, 'patroni');
  const wanted = await context.system<PostgresSystem>(to, 'postgres');
  return patiently(call, async () => {
    const [config, members] = await Promise.all([patroni.config(signal), old.members(signal)]);
    // Asked last: it has then at least what it had when the others were asked.
    const [state, heir] = await Promise.all([wanted.state(signal), heirOf(toSystem, context, signal)]);
    const reading = caughtUp({ from, to }, config, members, state, heir);
    return { reading, isUnderWay: reading.is === 'pending' && config.standbyOf !== null };
  });
};

/** Whom Patroni promotes there; without a node: that nobody knows, and why. null: nobody is to be asked. */
const heirOf = async (toSystem: string | undefined, context: StepContext, signal: AbortSignal): Promise<NodeLook | null> => {
  if (toSystem === undefined) return null;
  const patroni = await context.system<PatroniSystem>(toSystem, 'patroni');
  try {
    const nodes = await patroni.nodes(signal);
    const said = quoted(nodes.map(({ because }) => because).join('; '));
    return (
      nodes.find(({ node }) => node?.role === 'standby_leader') ?? { at: toSystem, node: null, because: `none that answers leads: ${said}` }
    );
  } catch (error) {
    if (signal.aborted) throw error;
    return { at: toSystem, node: null, because: saying(error) };
  }
};

/** Pure. Why who is promoted is not known to have all up to `end`; null: it is known. What it has received it replays before it takes writes. */
const missingOf = ({ at, node, because }: NodeLook, end: number): string | null => {
  if (node === null) return `whom ${at} promotes nobody knows: ${because}`;
  if (node.endLsn === null) return `what ${at} has, which Patroni promotes, nobody knows: ${because}`;
  return node.endLsn < end ? `${at}, which Patroni promotes, lacks ${end - node.endLsn} bytes of it` : null;
};

/** Pure. */
export const caughtUp = (
  { from, to }: Pick<Spec, 'from' | 'to'>,
  { standbyOf }: Config,
  members: readonly SqlLook[],
  wanted: SqlState,
  heir: NodeLook | null = null,
): Reading => {
  const of = `${to} against ${from}`;
  const writer = members.find(({ state }) => state?.inRecovery === false);
  if (writer !== undefined) return { is: 'pending', because: `${of}: ${writer.at} takes writes yet` };
  if (standbyOf === null)
    return { is: 'pending', because: `${of}: Patroni of ${from} is configured to stand for itself, and may write more` };
  const silent = members.find(({ state }) => state === null);
  if (silent !== undefined)
    return { is: 'pending', because: `${of}: what a silent member has nobody knows: ${saying(new Error(silent.because))}` };
  const states = members.flatMap(({ state }) => (state === null ? [] : [state]));
  if (states.some(({ systemId }) => systemId !== wanted.systemId))
    return { is: 'never', because: `${of}: they are different databases, neither is a copy of the other` };
  const timeline = Math.max(...states.map((state) => state.timeline));
  if (timeline > wanted.timeline)
    return {
      is: 'pending',
      because: `${of}: it is on timeline ${wanted.timeline} as far as it shows, ${from} is on ${timeline}; without pg_monitor it shows late`,
    };
  if (timeline < wanted.timeline)
    return {
      is: 'unknown',
      because: `${of}: it is on timeline ${wanted.timeline} already and ${from} on ${timeline}, so places cannot be compared`,
    };
  const end = Math.max(...states.map(endOf));
  const has = wanted.inRecovery ? (wanted.replayedLsn ?? 0) : endOf(wanted);
  const because = `${of}: it has ${lsnText(has)} of ${lsnText(end)} on timeline ${timeline}`;
  if (end === 0) return { is: 'unknown', because: `${of}: ${from} does not say how far it is` };
  const facts = { endLsn: end, hasLsn: has, timeline };
  const missing = heir === null ? null : missingOf(heir, end);
  if (missing !== null) return { is: 'pending', because: `${because}; ${missing}`, facts };
  return has >= end ? { is: 'reached', because, facts } : { is: 'pending', because: `${because}, ${end - has} bytes are missing`, facts };
};
