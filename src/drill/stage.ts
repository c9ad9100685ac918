// Where the story plays: watches the store, the answers and the users, tells what it sees as it happens, and follows one failover from the kill on.
// All instants are those of one monotonic clock. Waits for nothing itself but offers to: with a deadline, and a sentence for when it passes.

import { errorText, Fault } from '../errors.ts';
import { quorumOf } from '../health/timing.ts';
import type { Route, ServiceRouting } from '../model.ts';
import type { Ports, Timer } from '../ports.ts';
import { withDeadline } from '../ports.ts';
import { type AnswerLook, SAMPLES, watchAnswers } from './answers.ts';
import { type Crowd, gatherCrowd, whereabouts } from './crowd.ts';
import { type Course, newCourse } from './measure.ts';
import type { Narrator } from './narrator.ts';
import type { Rooms } from './rooms.ts';
import { type Pace, PLACES, SERVICE } from './scene.ts';
import { heldDown, NOTHING, type Sighting, sightings, VIEW_QUERY, type View, viewOf } from './sightings.ts';
import { linesOf } from './timeline.ts';

export interface Stage {
  view(): View;
  /** What the store says of the one service; null before the first decision. */
  service(): ServiceRouting | null;
  /** Regions that users are sent to. */
  answering(): ReadonlySet<string>;
  crowd(): Crowd | null;
  /** Users arrive. */
  open(): void;
  /** The app of this region answers from now on, or no longer. */
  setAlive(region: string, alive: boolean): void;
  /** A region was killed: its failover is followed until `end`. */
  follow(region: string, killedAtMs: number): void;
  /** The failover is over: since this instant no user has landed in the dead region or nowhere. */
  settle(atMs: number): void;
  course(): Course | null;
  /** Pools that some decision drained while their app was alive. */
  falseDrains(): number;
  /** First answer of `pick` that is neither null nor false. Rejects with Fault ERR_DEMO saying `otherwise` after `ms`, or when the demo is interrupted. */
  until<T>(ms: number, otherwise: string, pick: () => T | null | false): Promise<T>;
  close(): Promise<void>;
}

export interface StageOptions {
  ports: Ports;
  rooms: Rooms;
  pace: Pace;
  narrator: Narrator;
  /** Aborts when the demo must end early; its reason is thrown by every wait. */
  signal: AbortSignal;
}

/** The store is looked at this often at least. */
const READ_EVERY_MS = 500;
/** From the end of one look at the answers to the start of the next. */
const LOOK_EVERY_MS = 250;
/** Users lose a region one after the other, as their caches bring them there: told once per so many visits. */
const USERS_EVERY_VISITS = 4;

const isDrainOf = (pool: string, change: { before: Route; after: Route }): boolean =>
  (change.before[pool] ?? 0) > 0 && (change.after[pool] ?? 0) === 0;

export const createStage = ({ ports, rooms, pace, narrator, signal }: StageOptions): Stage => {
  let view: View = NOTHING;
  let course: Course | null = null;
  let following = false;
  let falseDrains = 0;
  let crowd: Crowd | null = null;
  /** Users without a reply, as last told. */
  let unserved = 0;
  let usersToldAtMs = Number.NEGATIVE_INFINITY;
  const alive = new Set<string>();
  const answering = new Set<string>();
  const waiting = new Set<() => void>();

  const mono = (): number => ports.clock.monoMs();
  const changed = (): void => {
    for (const look of [...waiting]) look();
  };
  const note = (facts: Partial<Course>): void => {
    if (course !== null) course = { ...course, ...facts };
  };
  const service = (): ServiceRouting | null => view.routing?.services[SERVICE] ?? null;

  // ---- the store ----

  let reading = false;
  let readAgain = false;
  /** What the last read failed with; told once until one succeeds. */
  let trouble: string | null = null;
  const read = async (): Promise<void> => {
    if (reading) {
      readAgain = true;
      return;
    }
    reading = true;
    do {
      readAgain = false;
      await readOnce().catch(tellTrouble);
    } while (readAgain);
    reading = false;
  };

  const readOnce = async (): Promise<void> => {
    const next = viewOf(await rooms.store.get(VIEW_QUERY));
    trouble = null;
    const seen = sightings(view, next);
    view = next;
    for (const sighting of seen) take(sighting);
    if (following) followVotes();
    changed();
  };

  const tellTrouble = (error: unknown): void => {
    if (trouble === null) narrator.line({ who: 'store', text: errorText(error), tone: 'bad' });
    trouble = errorText(error);
  };

  const take = (sighting: Sighting): void => {
    for (const line of linesOf(sighting, rooms.provider.serving)) narrator.line(line);
    if (sighting.kind === 'decision')
      for (const change of sighting.audit.changes) falseDrains += [...alive].filter((pool) => isDrainOf(pool, change)).length;
    if (following && course !== null) followSighting(course, sighting);
  };

  const followSighting = (now: Course, sighting: Sighting): void => {
    const { dead } = now;
    if (sighting.kind === 'suspicion' && sighting.of === dead) note({ suspectedAtMs: now.suspectedAtMs ?? mono() });
    if (sighting.kind === 'leader' && sighting.region !== dead && now.takenOverAtMs === null)
      note({ takenOverAtMs: mono(), heir: sighting.region });
    if (sighting.kind === 'decision' && now.decidedAtMs === null && sighting.audit.changes.some((change) => isDrainOf(dead, change)))
      note({
        decidedAtMs: mono(),
        incident: view.incidents.find(({ region, closedAtMs }) => region === dead && closedAtMs === null) ?? null,
      });
    if (sighting.kind === 'acknowledged' && now.decidedAtMs !== null && sighting.fence === service()?.fence)
      note({ acknowledgedAtMs: now.acknowledgedAtMs ?? mono() });
  };

  const followVotes = (): void => {
    if (course === null || course.quorumAtMs !== null) return;
    const { dead } = course;
    const held = [...view.votes.values()].flatMap((vote) => (vote.self.state === 'ok' ? (heldDown(vote).get(dead) ?? []) : []));
    const most = Math.max(...(['healthz', 'readyz'] as const).map((endpoint) => held.filter((each) => each === endpoint).length));
    if (most >= quorumOf(PLACES.length)) note({ quorumAtMs: mono() });
  };

  const watch = rooms.store.watch('', () => void read());
  // The watch is a hint, and silent while the store elects.
  let tick: Timer | null = null;
  const readAnyway = (): void => {
    void read();
    tick = ports.timers.after(READ_EVERY_MS, readAnyway);
  };
  readAnyway();

  // ---- the answers ----

  const takeLook = (look: AnswerLook): void => {
    if (look.answered === SAMPLES) {
      tellAnswers(look);
      if (following && course !== null && course.decidedAtMs !== null) followAnswers(course, look);
    }
    changed();
  };

  const { serving } = rooms.provider;
  const tellAnswers = ({ regions, atMs }: AnswerLook): void => {
    const came = PLACES.map(({ region }) => region).filter((region) => regions.has(region) && !answering.has(region));
    // A small share may be missed by twenty questions; only a region without any is told to be gone.
    const left = PLACES.map(({ region }) => region).filter(
      (region) => !regions.has(region) && answering.has(region) && (service()?.route[region] ?? 0) === 0,
    );
    if (came.length > 0) narrator.line({ who: serving.who, text: serving.came(came, answering.size > 0), tone: 'plain' }, atMs);
    if (left.length > 0) narrator.line({ who: serving.who, text: serving.left(left, SAMPLES), tone: 'plain' }, atMs);
    for (const region of came) answering.add(region);
    for (const region of left) answering.delete(region);
  };

  const followAnswers = (now: Course, { regions, atMs }: AnswerLook): void =>
    note({ answeredAtMs: regions.has(now.dead) ? null : (now.answeredAtMs ?? atMs) });

  const answers = watchAnswers({ ports, sample: rooms.provider.sample, everyMs: LOOK_EVERY_MS, onLook: takeLook });

  // ---- the users ----

  const takeLanding = (): void => {
    const where = whereabouts(crowd?.landings() ?? []);
    const lost = where.get('') ?? 0;
    if (lost !== unserved && (lost === 0 || mono() - usersToldAtMs >= USERS_EVERY_VISITS * pace.visitEveryMs)) {
      const text = lost === 0 ? `all land again: ${whereText(where)}` : `${lost} of ${pace.users} get no reply`;
      narrator.line({ who: 'users', text, tone: lost === 0 ? 'plain' : 'bad' });
      unserved = lost;
      usersToldAtMs = mono();
    }
    changed();
  };

  return {
    view: () => view,
    service,
    answering: () => answering,
    crowd: () => crowd,
    open() {
      crowd ??= gatherCrowd({
        ports,
        dnsPort: rooms.provider.dnsPort,
        appPort: rooms.app,
        users: pace.users,
        visitEveryMs: pace.visitEveryMs,
        spreadMs: pace.ttlS * 1000,
        onLanding: takeLanding,
      });
    },
    setAlive(region, isAlive) {
      if (isAlive) alive.add(region);
      else alive.delete(region);
    },
    follow(region, killedAtMs) {
      course = newCourse(region, killedAtMs);
      following = true;
    },
    settle(atMs) {
      note({ settledAtMs: Math.max(atMs, course?.answeredAtMs ?? 0) });
      following = false;
    },
    // Its incident goes on collecting stamps after the decision.
    course: () =>
      course === null ? null : { ...course, incident: view.incidents.find(({ id }) => id === course?.incident?.id) ?? course.incident },
    falseDrains: () => falseDrains,
    until: <T>(ms: number, otherwise: string, pick: () => T | null | false): Promise<T> => {
      let look = (): void => {};
      return withDeadline(
        ports.timers,
        ms,
        otherwise,
        () =>
          new Promise<T>((resolve) => {
            look = () => {
              const picked = pick();
              if (picked !== null && picked !== false) resolve(picked);
            };
            waiting.add(look);
            look();
          }),
        signal,
      )
        .catch((error: unknown) => {
          throw signal.aborted ? signal.reason : new Fault('ERR_DEMO', `${otherwise} within ${Math.round(ms / 1000)} s`, { cause: error });
        })
        .finally(() => waiting.delete(look));
    },
    async close() {
      watch.close();
      tick?.cancel();
      await Promise.all([answers.close(), crowd?.close()]);
    },
  };
};

/** `2 in eu-west, 4 in ap-south`. */
export const whereText = (where: ReadonlyMap<string, number>): string =>
  PLACES.filter(({ region }) => (where.get(region) ?? 0) > 0)
    .map(({ region }) => `${where.get(region)} in ${region}`)
    .join(', ');
