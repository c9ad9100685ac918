// The flight recorder of one replica: what it saw, believed and decided, as lines for a later replay. Whoever tells it something waits for nothing: a
// line goes into a bounded queue, and a timer takes the queue to disk. What does not fit is dropped, counted and said. A disk that fails turns the
// recorder off for a minute; then a new file begins with the whole state, as every file does, so that each can be read without those before it.

import type { Sight } from '../coordinate/read.ts';
import { errorText } from '../errors.ts';
import type { VantageInput } from '../health/vantage.ts';
import type { Log } from '../log.ts';
import { isoTime, type Ports, type Timer, withDeadline } from '../ports.ts';
import { type Fact, FORMAT, renderLine } from './lines.ts';
import { createMemory, factOf } from './news.ts';

/** Where the files of one recorder lie, and nobody else's. */
export interface RecordDisk {
  /** Oldest first. */
  list(): Promise<readonly { name: string; bytes: number }[]>;
  /** Appends one compressed piece that can be read by itself; makes the file if need be. Out: bytes on disk. */
  append(name: string, text: string): Promise<number>;
  remove(name: string): Promise<void>;
}

export interface RecorderOptions {
  ports: Pick<Ports, 'clock' | 'timers'>;
  log: Log;
  disk: RecordDisk;
  region: string;
  replica: string;
  boot: string;
  version: string;
  /** All files together; the oldest go first. */
  maxBytes: number;
  /** One file. */
  fileBytes: number;
  /** Record every look of this vantage too. */
  observations: boolean;
  clusterNowMs: () => number;
  /** Lines that were dropped, for a metric. */
  onDropped: (lines: number) => void;
}

export interface RecorderStanding {
  /** False: there is no disk, or our own mistake turned it off. True before there is anything to record. */
  isOn: boolean;
  /** Lines that are lost and that no file tells of yet. */
  lost: number;
}

export interface Recorder {
  /** After every read of the store. `leads`: this replica coordinates, and decides on it. */
  sight(sight: Sight, nowMs: number, leads: boolean): void;
  /** What the vantage takes in. */
  input(input: VantageInput): void;
  /** Anything else that is worth a line. */
  note(fact: Fact): void;
  standing(): RecorderStanding;
  /** Writes what is queued, within the given time. */
  stop(): Promise<void>;
}

const FLUSH_MS = 5_000;
/** A file is closed at this age, so that the cap deletes little at a time and a folder shows when what was. */
const FILE_AGE_MS = 3_600_000;
/** Text that waits for the disk; a minute of a large cluster in trouble. */
const QUEUE_BYTES_MAX = 8 * 1024 * 1024;
/** A disk that hangs must not hold a piece for ever. */
const DISK_MS = 10_000;
const RETRY_MS = 60_000;
const STOP_MS = 1_000;

/** A queue of text with a limit; what is lost, for want of room or of a disk, is counted until a file says so. */
const createQueue = (onLost: (lines: number) => void) => {
  let lines: string[] = [];
  let bytes = 0;
  let lost = 0;
  const lose = (count: number): void => {
    lost += count;
    if (count > 0) onLost(count);
  };
  return {
    lose,
    lost: () => lost,
    /** A file says so now. */
    told(count: number): void {
      lost -= count;
    },
    /** False: there was no room. */
    push(line: string): boolean {
      if (bytes + line.length > QUEUE_BYTES_MAX) {
        lose(1);
        return false;
      }
      lines.push(line);
      bytes += line.length;
      return true;
    },
    take(): { text: string; count: number } {
      const taken = { text: lines.join(''), count: lines.length };
      lines = [];
      bytes = 0;
      return taken;
    },
  };
};

/** `20261122T031207123Z`: sorts as it reads. */
const stamp = (wallMs: number): string => isoTime(wallMs).replace(/[-:.]/g, '');

interface OpenFile {
  name: string;
  bytes: number;
  openedAtMs: number;
}

export const createRecorder = (options: RecorderOptions): Recorder => {
  const { ports, log, disk, region, replica, boot } = options;
  const queue = createQueue(options.onDropped);
  const memory = createMemory();
  /** Of the vantage: said again at the start of each file. */
  const standing = new Map<'company' | 'self', Fact>();
  /** null: nothing is recorded, for there is no state yet, or no disk. */
  let file: OpenFile | null = null;
  let offUntilMs = Number.NEGATIVE_INFINITY;
  let isOffTold = false;
  let isDropTold = false;
  let lastSight: { sight: Sight; atMs: number } | null = null;
  let timer: Timer | null = null;
  let working: Promise<void> | null = null;
  let stopping = false;
  let isBroken = false;

  const mono = (): number => ports.clock.monoMs();

  /** Whoever tells something is in the middle of probing or deciding: our own mistake must cost the recording and nothing else. */
  const safely = (tell: () => void): void => {
    if (stopping || isBroken) return;
    try {
      tell();
    } catch (error) {
      isBroken = true;
      log.error('record.broken', { because: errorText(error), stack: error instanceof Error ? error.stack : undefined });
    }
  };

  const write = (fact: Fact, atMs = options.clusterNowMs()): void => {
    if (file === null) {
      // Off: nobody would ever read it, and the next file begins with the whole state.
      if (isOffTold) queue.lose(1);
    } else if (!queue.push(renderLine(atMs, fact)) && !isDropTold) {
      isDropTold = true;
      log.warn('record.dropping', { because: `more than ${QUEUE_BYTES_MAX} bytes wait for the disk; lines are dropped and counted` });
    }
  };

  const makeRoom = async (): Promise<void> => {
    const files = await disk.list();
    let bytes = files.reduce((sum, each) => sum + each.bytes, 0);
    for (const { name, bytes: size } of files) {
      // The file that comes is part of the cap.
      if (bytes + options.fileBytes <= options.maxBytes) break;
      await disk.remove(name);
      bytes -= size;
    }
  };

  /** Begins a file: who writes it, then everything as it stands. */
  const begin = (): void => {
    file = { name: `${region}+${replica}+${stamp(ports.clock.wallMs())}.ndjson.gz`, bytes: 0, openedAtMs: mono() };
    memory.forget();
    isDropTold = false;
    write({ kind: 'header', format: FORMAT, tidegate: options.version, region, replica, boot });
    if (queue.lost() > 0) write({ kind: 'dropped', lines: queue.lost() });
    if (lastSight !== null) for (const fact of memory.factsOf(lastSight.sight, lastSight.atMs, false)) write(fact, lastSight.atMs);
    for (const fact of standing.values()) write(fact);
  };

  const append = async (to: OpenFile, text: string): Promise<void> => {
    if (text !== '') to.bytes += await withDeadline(ports.timers, DISK_MS, `writing ${to.name}`, () => disk.append(to.name, text));
  };

  const isDone = ({ bytes, openedAtMs }: OpenFile): boolean => bytes >= options.fileBytes || mono() - openedAtMs >= FILE_AGE_MS;

  const flush = async (): Promise<void> => {
    const open = file;
    let taken = 0;
    let told = 0;
    try {
      if (open === null || isDone(open)) {
        await withDeadline(ports.timers, DISK_MS, 'making room for a recording', makeRoom);
        const rest = queue.take();
        taken = rest.count;
        told = queue.lost();
        begin();
        if (open !== null) await append(open, rest.text);
      }
      const { text, count } = queue.take();
      taken = count;
      if (file !== null) await append(file, text);
      queue.told(told);
      if (isOffTold) log.info('record.on', { file: file?.name });
      isOffTold = false;
    } catch (error) {
      queue.lose(taken + queue.take().count);
      // Its end may be half a piece: nothing is appended to it.
      file = null;
      offUntilMs = mono() + RETRY_MS;
      if (!isOffTold) log.error('record.off', { because: errorText(error), againInMs: RETRY_MS });
      isOffTold = true;
    }
  };

  /** One at a time. */
  const work = async (): Promise<void> => {
    if (working !== null || lastSight === null || mono() < offUntilMs) return working ?? undefined;
    working = flush();
    await working;
    working = null;
  };

  const arm = (): void => {
    timer = ports.timers.after(FLUSH_MS, () => void work().then(() => (stopping ? undefined : arm())), { background: true });
  };
  arm();

  const onSight: Recorder['sight'] = (sight, nowMs, leads) => {
    if (sight.cluster === null) return;
    lastSight = { sight, atMs: nowMs };
    if (file !== null) for (const fact of memory.factsOf(sight, nowMs, leads)) write(fact, nowMs);
    else if (isOffTold) queue.lose(1);
    // The first file begins with this, at once.
    else void work();
  };

  const onInput: Recorder['input'] = (input) => {
    const fact = options.observations ? factOf(input, mono()) : null;
    if (fact === null) return;
    if (fact.kind === 'company' || fact.kind === 'self') {
      if (JSON.stringify(fact) === JSON.stringify(standing.get(fact.kind))) return;
      standing.set(fact.kind, fact);
    }
    write(fact);
  };

  return {
    sight: (sight, nowMs, leads) => safely(() => onSight(sight, nowMs, leads)),
    input: (input) => safely(() => onInput(input)),
    note: (fact) => safely(() => write(fact)),
    standing: () => ({ isOn: !isOffTold && !isBroken, lost: queue.lost() }),
    async stop() {
      stopping = true;
      timer?.cancel();
      const last = async (): Promise<void> => {
        await working;
        await work();
      };
      await withDeadline(ports.timers, STOP_MS, 'closing the recording', last).catch(() => undefined);
    },
  };
};
