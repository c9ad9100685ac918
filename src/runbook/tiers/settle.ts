// A human's word for where a database's writer is, judged: it stands only where everything that is seen agrees with it, and where somebody answers for every region
// that nobody can see. No rule of it can be passed by: it exists for what cannot be seen, and what can be is not a matter of words. Pure.
import { list } from '../../config/words.ts';
import type { LooksRecord, TierState } from '../facts.ts';
import type { Run, Step } from '../model.ts';
import type { DatabaseConfig } from '../platform.ts';
import { isEnded, standingOf } from '../run.ts';
import { seconds } from '../words.ts';

export interface SettleOrder {
  region: string;
  /** Regions that the human says take no writes: gone for good, fenced by hand, or known to follow. */
  fenced: readonly string[];
}

export interface SettleWorld {
  database: Pick<DatabaseConfig, 'name' | 'sites'>;
  state: TierState | null;
  /** null: nobody watches. */
  looks: LooksRecord | null;
  /** Of the platform; null: none goes on. */
  run: Run | null;
  /** Age of a stamp of `looks`, in ms. */
  ageMs: (atMs: number) => number;
}

/**
 * An answer that is older says nothing of now. The watch writes anew what stays the same once it is 12 s old, at the look after that, and a look takes up to 20 s
 * when the systems around are slow: with the time of an answer that is 40 s, and no region that writes all the while may seem unseen between two looks.
 */
export const SEEN_MAX_MS = 60_000;
const NAMES_MAX = 8;

export interface Seen {
  region: string;
  /** As it answered last; `unseen`: it has not for so long that nothing is known. */
  is: 'writes' | 'reads' | 'unseen';
  /** null: unseen. */
  agoMs: number | null;
}

export const seenOf = ({ database, looks, ageMs }: Pick<SettleWorld, 'database' | 'looks' | 'ageMs'>): readonly Seen[] =>
  Object.keys(database.sites).map((region): Seen => {
    const last = looks?.databases[database.name]?.[region];
    const agoMs = last === undefined ? null : ageMs(last.atMs);
    return last === undefined || agoMs === null || agoMs > SEEN_MAX_MS
      ? { region, is: 'unseen', agoMs: null }
      : { region, is: last.is, agoMs };
  });

/** Where a step says what it is about: not all name the database, and those that do not name entries of its sites. */
const ENTRIES = ['system', 'sql', 'from', 'to', 'fromSystem', 'toSystem'] as const;

/** Whether it moves the writer, proves it, or waits for one of both. */
const isAbout = ({ kind, spec }: Pick<Step, 'kind' | 'spec'>, { name, sites }: SettleWorld['database']): boolean => {
  if (!kind.startsWith('pg.') && kind !== 'fence.patroni') return false;
  const said = spec as Readonly<Record<string, unknown>>;
  const own = Object.values(sites).flatMap(({ system, sql }) => [system, sql]);
  return said.database === name || ENTRIES.some((each) => own.some((entry) => entry === said[each]));
};

/** A step that does so, or is being taken back, while the word is given: what takes it back is about the same database as the step. */
const movingStep = (run: Run, database: SettleWorld['database']): string | undefined =>
  run.plan.find((step) => isAbout(step, database) && ['acting', 'undoing'].includes(standingOf(run, step.id).state))?.id;

const agoOf = ({ agoMs }: Seen): string => `${seconds(agoMs ?? 0)} ago`;

/** What speaks against it, a sentence each; none: it stands. */
export const againstSettling = ({ region, fenced }: SettleOrder, world: SettleWorld): readonly string[] => {
  const { database, state, run } = world;
  const { name } = database;
  const seen = seenOf(world);
  const own = seen.find((each) => each.region === region);
  const others = seen.filter((each) => each.region !== region);
  const against: string[] = [];
  if (own === undefined) against.push(`${name} has no site in ${region}; it has ${list(Object.keys(database.sites), NAMES_MAX)}`);
  if (state?.writer === region && state.split === undefined)
    against.push(
      state.settled === undefined
        ? `${region} is proved to be the writer of ${name} already: there is nothing to settle`
        : `${state.settled.by} has settled ${name} in ${region} already`,
    );
  if (own?.is === 'reads')
    against.push(
      `${region} said ${agoOf(own)} that it follows: its users could write nothing there. Promote it first; once it is seen to follow no more this is taken`,
    );
  for (const other of others.filter(({ is }) => is === 'writes'))
    against.push(
      `${other.region} was seen to take writes of ${name} ${agoOf(other)}: what it takes would be lost. Stop it, or make a standby of it, and say it again ${seconds(SEEN_MAX_MS)} after it was seen last`,
    );
  const unanswered = others.filter(({ region: each, is }) => is === 'unseen' && !fenced.includes(each)).map((each) => each.region);
  if (unanswered.length > 0)
    against.push(
      `nobody sees whether ${list(unanswered, NAMES_MAX)} ${unanswered.length === 1 ? 'takes' : 'take'} writes of ${name}: name ${unanswered.length === 1 ? 'it' : 'them'} as fenced when you know that not (gone for good, fenced by hand, or following)`,
    );
  const step = run === null || isEnded(run) ? undefined : movingStep(run, database);
  if (run !== null && step !== undefined)
    against.push(`${step} of ${run.id} is under way and moves the writer itself: wait for it, or abort the run`);
  return against;
};

/** What it means, for whoever is asked whether they want it. */
export const meaningOf = (
  { region, fenced }: SettleOrder,
  { database: { name, sites }, state }: SettleWorld,
  services: readonly string[],
): readonly string[] => {
  const who = services.length === 0 ? 'no service names it' : `users of ${list(services, NAMES_MAX)}`;
  const follows = Object.keys(sites).filter((each) => each !== region && !fenced.includes(each));
  return [
    `${region} is held for the writer of ${name} by your word: no row is written for it. ${services.length === 0 ? `${who}, so no route waits for it` : `${who} may be sent there, and to no other region`}`,
    ...(state?.split === undefined
      ? []
      : [`the alarm about ${list(state.split.regions, NAMES_MAX)} ends, and routes of its services move again`]),
    ...(state?.split === undefined && state?.writer != null && state.writer !== region
      ? [`${state.writer}, which was the writer until now, is none any more: what only it has is lost to users of ${region}`]
      : []),
    ...(fenced.length === 0
      ? []
      : [
          `you answer for it that ${list(fenced, NAMES_MAX)} ${fenced.length === 1 ? 'takes' : 'take'} no writes: whatever is written there drifts apart`,
        ]),
    ...(follows.length === 0 ? [] : [`${list(follows, NAMES_MAX)} ${follows.length === 1 ? 'is' : 'are'} seen to follow`]),
    `when another region is seen to take writes the alarm rings again; when ${region} is seen to follow, it is the writer no more; when a row can be written there, it is proved`,
  ];
};
