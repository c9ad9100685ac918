// `npm run demo`: opens the rooms, plays the story, prints what was measured, and leaves nothing behind: no process, no folder, whatever happened.
// Exit code 0 only if the goals were met and nothing moved that should have stayed.

import { GOALS } from '../config/defaults.ts';
import { errorText } from '../errors.ts';
import type { Ports } from '../ports.ts';
import { killAll, lastWords } from './child.ts';
import { type Outcome, outcomeOf } from './measure.ts';
import { createNarrator, type Narrator } from './narrator.ts';
import { introduction, whatToTry } from './programme.ts';
import { providerRooms, type RoomName } from './provider-room.ts';
import { type OpenStoreRoom, openRooms, type Rooms, removeFolders } from './rooms.ts';
import { FAST_PACE, PACE, type Pace } from './scene.ts';
import { createStage } from './stage.ts';
import { createStory, type Story } from './story.ts';
import { renderOutcome, renderTimeline } from './timeline.ts';

export interface DemoOptions {
  ports: Ports;
  fast: boolean;
  /** The store is a real etcd with a member in each region, and the member that leads dies with the coordinator. */
  cluster: boolean;
  /** What serves users. */
  provider: RoomName;
  /** Leave it running until interrupted. */
  stay: boolean;
  /** The last line of stdout is the outcome as JSON; everything else goes to stderr. */
  json: boolean;
  version: string;
}

/** What a shell reports for a process ended by SIGINT. */
const INTERRUPTED_EXIT = 130;

class Interrupted extends Error {}

/** Runs the whole demo. Out: the exit code. Throws nothing that the world does; Ctrl-C ends it early, cleanly. */
export const runDemo = async ({ ports, fast, cluster, provider, stay, json, version }: DemoOptions): Promise<number> => {
  const out = json ? process.stderr : process.stdout;
  const narrator = createNarrator(ports, out, process.env.NO_COLOR !== undefined && process.env.NO_COLOR !== '');
  const ending = interruption();
  const pace = fast ? FAST_PACE : PACE;
  narrator.text(introduction({ version, pace, fast, cluster, provider: providerRooms[provider].says }, narrator.paper));
  const { outcome, interrupted } = await perform({ ports, pace, cluster, provider, narrator, ending, stay });
  ending.close();
  if (json) process.stdout.write(`${JSON.stringify(jsonOf(outcome, provider))}\n`);
  if (interrupted) return INTERRUPTED_EXIT;
  return outcome.ok ? 0 : 1;
};

/** Members in the order in which the README lists them. */
const jsonOf = (
  { ok, failed, detectionMs, detectionUpperMs, takeoverMs, convergenceMs, falseDrains, goals }: Outcome,
  provider: RoomName,
): object => ({
  ok,
  failed,
  provider,
  behind: providerRooms[provider].behind,
  detectionMs,
  detectionUpperMs,
  takeoverMs,
  convergenceMs,
  falseDrains,
  goals,
});

interface Ending {
  signal: AbortSignal;
  abort(reason: Error): void;
  close(): void;
}

/** Signals, and a reader of our output that has gone, end the demo; the process's own end takes what is left along. */
const interruption = (): Ending => {
  const controller = new AbortController();
  const onSignal = (signal: string): void => controller.abort(new Interrupted(`interrupted by ${signal}`));
  const onPipe = (): void => controller.abort(new Interrupted('interrupted: nobody reads the output any more'));
  const onExit = (): void => {
    void killAll();
    removeFolders();
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.on(signal, onSignal);
  for (const stream of [process.stdout, process.stderr]) stream.on('error', onPipe);
  process.on('exit', onExit);
  return {
    signal: controller.signal,
    abort: (reason) => controller.abort(reason),
    close() {
      for (const signal of signals) process.off(signal, onSignal);
    },
  };
};

interface Performance {
  ports: Ports;
  pace: Pace;
  cluster: boolean;
  provider: RoomName;
  narrator: Narrator;
  ending: Ending;
  stay: boolean;
}

const perform = async ({
  ports,
  pace,
  cluster,
  provider,
  narrator,
  ending,
  stay,
}: Performance): Promise<{ outcome: Outcome; interrupted: boolean }> => {
  const failed: string[] = [];
  let over = false;
  const end = (because: string): void => {
    if (!over) ending.abort(new Error(because));
  };
  const etcd: OpenStoreRoom = async (folder) => {
    const { openEtcdRoom } = await import('./etcd.ts');
    const tell = (text: string): void => narrator.line({ who: 'demo', text, tone: 'plain' });
    return openEtcdRoom({ ports, folder, pace, tell, onCrash: (region, how) => end(`the etcd of ${region} ended by itself (${how})`) });
  };
  let rooms: Rooms;
  try {
    rooms = await openRooms(ports, pace, { ...(cluster ? { openStoreRoom: etcd } : {}), provider, onCrash: end });
  } catch (error) {
    const outcome = outcomeOf(null, 0, GOALS, [errorText(error)]);
    narrator.text(renderOutcome(outcome, narrator.paper));
    return { outcome, interrupted: false };
  }
  const stage = createStage({ ports, rooms, pace, narrator, signal: ending.signal });
  const story: Story = createStory({
    ports,
    rooms,
    pace,
    narrator,
    stage,
    signal: ending.signal,
    onCrash(region, how) {
      narrator.line({ who: region, text: `its process ended (${how})`, tone: 'bad' });
      stage.setAlive(region, false);
      end(`${region} ended by itself (${how})${lastWords(rooms.logFile(region))}`);
    },
  });
  await story.play().catch((error: unknown) => failed.push(errorText(ending.signal.aborted ? ending.signal.reason : error)));
  over = true;
  const interrupted = ending.signal.reason instanceof Interrupted;
  const course = stage.course();
  if (course !== null) narrator.text(renderTimeline(course, narrator.paper, rooms.provider.serving));
  const outcome = outcomeOf(course, stage.falseDrains(), rooms.cluster.goals, failed);
  narrator.text(renderOutcome(outcome, narrator.paper));
  if (stay && !ending.signal.aborted) {
    narrator.act('Left running until Ctrl-C. To try');
    narrator.text(whatToTry(rooms, story.children(), narrator.paper));
    await new Promise<void>((resolve) => ending.signal.addEventListener('abort', () => resolve(), { once: true }));
  }
  // The audience leaves first: what it would see of the end is no part of the story.
  await stage.close();
  await killAll();
  await rooms.close();
  return { outcome, interrupted };
};
