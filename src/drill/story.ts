// The story in acts: three regions come up; the one that coordinates dies with its app; it returns up the ramp; a healthy one goes blind and nothing
// moves. Says what is done and waits for what should follow; what happens meanwhile the stage tells by itself.
import { plural, say } from '../config/words.ts';
import { Fault } from '../errors.ts';
import type { Ports } from '../ports.ts';
import { sleep } from '../ports.ts';
import { type Child, startChild } from './child.ts';
import { STEP_MS } from './client.ts';
import { settledAtMs, whereabouts } from './crowd.ts';
import { ownFiguresOf } from './measure.ts';
import type { Narrator } from './narrator.ts';
import type { Rooms } from './rooms.ts';
import { type Pace, PLACES, SERVICE } from './scene.ts';
import { heldDown } from './sightings.ts';
import { type Stage, whereText } from './stage.ts';

export interface StoryOptions {
  ports: Ports;
  rooms: Rooms;
  pace: Pace;
  narrator: Narrator;
  stage: Stage;
  signal: AbortSignal;
  /** A region's process ended although nobody killed it. */
  onCrash(region: string, how: string): void;
}

export interface Story {
  /** Throws Fault ERR_DEMO with the sentence of the first wait that was not rewarded. */
  play(): Promise<void>;
  /** Regions that run now. */
  children(): readonly Child[];
}

/** From the start of a process to a region that answers; generous, since the machine may be busy. */
const START_MS = 60_000;
/** Longest wait for what should take seconds. A goal that is missed is measured nevertheless. */
const LONG_MS = 90_000;

export const createStory = ({ ports, rooms, pace, narrator, stage, signal, onCrash }: StoryOptions): Story => {
  const children = new Map<string, Child>();
  const mono = (): number => ports.clock.monoMs();
  const tell = (who: string, text: string, tone: 'plain' | 'bad' | 'good' | 'strong' = 'plain'): void => narrator.line({ who, text, tone });

  const { members } = rooms;
  const { serving } = rooms.provider;
  const start = async ({ region, address }: (typeof PLACES)[number]): Promise<void> => {
    const child = await startChild({
      ports,
      region,
      configFile: rooms.configFile(region),
      logFile: rooms.logFile(region),
      app: { host: address, port: rooms.app },
      startMs: START_MS,
      onEnd(how, asked) {
        children.delete(region);
        if (!asked) onCrash(region, how);
      },
    });
    signal.throwIfAborted();
    children.set(region, child);
    stage.setAlive(region, true);
    const etcd = members === null ? '' : `, etcd ${members.of(region).address} (pid ${members.of(region).pid})`;
    tell(region, `up: pid ${child.pid}, app ${address}:${rooms.app}, API 127.0.0.1:${child.apiPort}${etcd}`);
  };

  const childOf = (region: string): Child => {
    const child = children.get(region);
    if (child === undefined) throw new Fault('ERR_DEMO', `${region} should be running and is not`);
    return child;
  };

  const diaries = () => stage.crowd()?.landings() ?? [];

  const opening = async (): Promise<void> => {
    narrator.act('Three regions come up');
    tell('demo', `${rooms.where}, ${rooms.provider.where}; this process neither votes nor decides`);
    await Promise.all(PLACES.map(start));
    await rooms.configure();
    tell('demo', `configuration applied: ${PLACES.length} regions vote, 2 must agree; ${SERVICE} is steered automatically`);
    await stage.until(LONG_MS, 'nobody became coordinator', () => stage.view().leader);
    await stage.until(LONG_MS, 'no first route was decided', () => (stage.service()?.fence ?? 0) > 0);
    await stage.until(
      LONG_MS,
      `users were not sent to all three regions by ${serving.name}`,
      () => stage.answering().size === PLACES.length,
    );
    stage.open();
    await stage.until(LONG_MS, 'not every user landed', () => isServed());
    tell('users', `all ${pace.users} land: ${whereText(whereabouts(diaries()))}`);
    await stage.until(LONG_MS, 'the three vantages did not come to speak with clear votes', () =>
      PLACES.every(({ region }) => isClear(region)),
    );
  };

  const isServed = (): boolean => diaries().length === pace.users && diaries().every((diary) => (diary.at(-1)?.region ?? null) !== null);

  /** Votes, has looked at everything, and doubts nobody. */
  const isClear = (region: string): boolean => {
    const vote = stage.view().votes.get(region);
    const doubts = Object.keys(stage.view().beats.get(region)?.suspects ?? {});
    return vote?.self.state === 'ok' && vote.unknown.length === 0 && heldDown(vote).size === 0 && doubts.length === 0;
  };

  /** Out: the region that died. */
  const death = async (): Promise<string> => {
    const dead = await stage.until(LONG_MS, 'no user landed in the region that coordinates', () => {
      const leader = stage.view().leader?.region;
      return leader !== undefined && whereabouts(diaries()).has(leader) ? leader : null;
    });
    const child = childOf(dead);
    await members?.lead(dead);
    const there = whereabouts(diaries()).get(dead) ?? 0;
    const what = members === null ? 'its app and' : 'its app, the etcd member that leads the store and';
    narrator.act(`Act one: ${dead} dies, ${what} the Tidegate instance that coordinates. ${plural(there, 'user')} of ${pace.users} there`);
    const killedAtMs = mono();
    stage.follow(dead, killedAtMs);
    stage.setAlive(dead, false);
    tell(dead, `kill -9 ${[child.pid, ...(members === null ? [] : [members.of(dead).pid])].join(' ')}`, 'bad');
    await Promise.all([child.kill(), members?.kill(dead)]);
    const lapse = `lease of ${say(rooms.cluster.policy.leaseMs)} has to run out before another may decide; the others look and vote meanwhile`;
    tell('demo', members === null ? `its ${lapse}` : `the two members left elect a leader of the store; the coordinator's ${lapse}`);
    if (members !== null) tell(await members.leader(), 'its etcd member leads the store now');
    await stage.until(LONG_MS, `nobody took over from ${dead}`, () => stage.course()?.takenOverAtMs ?? null);
    await stage.until(LONG_MS, `no decision drained ${dead}`, () => stage.course()?.decidedAtMs ?? null);
    await stage.until(LONG_MS, `${serving.name} still sent users to ${dead}`, () => stage.course()?.answeredAtMs ?? null);
    const settled = await stage.until(LONG_MS, `not every user had left ${dead} for good`, () => settledSince(dead, killedAtMs));
    stage.settle(settled);
    tell('users', `${dead} is left for good, every answer that named it has expired: ${whereText(whereabouts(diaries()))}`, 'good');
    // Its vantages saw the users leave as well; only without the region among them is that the figure of this outage.
    await stage.until(LONG_MS, `Tidegate did not measure how long users took to leave ${dead}`, () => ownConvergenceMs());
    return dead;
  };

  const ownConvergenceMs = (): number | null => {
    const course = stage.course();
    return course === null ? null : (ownFiguresOf(course, rooms.cluster.goals)?.convergenceMs ?? null);
  };

  /** Once no cache can hold an older answer: when the last user had settled. */
  const settledSince = (dead: string, killedAtMs: number): number | null => {
    const answeredAtMs = stage.course()?.answeredAtMs ?? null;
    if (answeredAtMs === null || mono() < answeredAtMs + pace.ttlS * 1000 + 2 * STEP_MS) return null;
    const settled = diaries().map((diary) => settledAtMs(diary, dead, killedAtMs));
    return settled.some((atMs) => atMs === null) ? null : Math.max(...settled.map((atMs) => atMs ?? 0));
  };

  const isPublished = (): boolean =>
    stage.view().applied.some(({ fence, outcome }) => outcome === 'applied' && fence === stage.service()?.fence);

  const returning = async (dead: string): Promise<void> => {
    narrator.act(`${dead} comes back: up for ${say(pace.holdMs)} first, then 10 %, 50 %, 100 % of its share, ${say(pace.stepMs)} each`);
    const place = PLACES.find(({ region }) => region === dead);
    if (members !== null) {
      await members.start(dead);
      tell(dead, 'its etcd member is back on the data it left');
    }
    if (place !== undefined) await start(place);
    const patienceMs = LONG_MS + pace.holdMs + 3 * pace.stepMs;
    await stage.until(patienceMs, `${dead} did not get its full share back`, () => stage.service()?.pools[dead]?.state === 'in');
    await stage.until(LONG_MS, `${serving.name} did not acknowledge the full route`, isPublished);
    await stage.until(LONG_MS, `no user landed in ${dead} again`, () => whereabouts(diaries()).has(dead));
    tell('users', `land in ${dead} again: ${whereText(whereabouts(diaries()))}`, 'good');
  };

  const blindness = async (dead: string): Promise<void> => {
    await stage.until(LONG_MS, 'the three vantages did not come to speak with clear votes', () =>
      PLACES.every(({ region }) => isClear(region)),
    );
    const leader = stage.view().leader?.region;
    const others = PLACES.map(({ region }) => region).filter((region) => region !== leader);
    const blind = others.find((region) => region !== dead) ?? others[0] ?? '';
    const fence = stage.service()?.fence;
    narrator.act(`Act two: the vantage of ${blind} goes blind. Its uplink drops all but its way to the store, every app is well`);
    childOf(blind).blind(true);
    tell(blind, 'uplink cut', 'bad');
    await stage.until(LONG_MS, `${blind} did not abstain`, () => stage.view().votes.get(blind)?.self.state === 'abstain');
    const untilMs = mono() + 3 * pace.intervalMs;
    while (mono() < untilMs && stage.service()?.fence === fence) await sleep(ports.timers, 100, signal);
    if (stage.service()?.fence !== fence) throw new Fault('ERR_DEMO', `the route moved although only ${blind} was blind`);
    tell(
      'demo',
      `nothing moved for three intervals: ${blind} has no vote while it doubts itself, and the other two see every region up`,
      'good',
    );
    childOf(blind).blind(false);
    tell(blind, 'uplink mended', 'good');
    await stage.until(LONG_MS, `${blind} did not come to vote again`, () => isClear(blind));
    if (stage.service()?.fence !== fence) throw new Fault('ERR_DEMO', `the route moved although only ${blind} was blind`);
  };

  return {
    children: () => [...children.values()],
    async play() {
      await opening();
      const dead = await death();
      await returning(dead);
      await blindness(dead);
    },
  };
};
