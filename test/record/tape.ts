// Recordings without a disk: the recorder of the program on a world's replicas, and the lines it wrote.
import { gunzipSync, gzipSync } from 'node:zlib';
import { parseLine, type RecordLine } from '../../src/record/lines.ts';
import { createRecorder, type RecordDisk, type Recorder, type RecorderOptions } from '../../src/record/recorder.ts';
import { recordingLog } from '../recording-log.ts';
import { World, type WorldEvents, type WorldOptions } from '../world.ts';

export interface MemoryDisk extends RecordDisk {
  files: Map<string, Buffer>;
  /** Thrown by the next appends; null: none. */
  trouble: Error | null;
}

export const memoryDisk = (): MemoryDisk => {
  const files = new Map<string, Buffer>();
  const disk: MemoryDisk = {
    files,
    trouble: null,
    list: async () => [...files].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, bytes]) => ({ name, bytes: bytes.length })),
    async append(name, text) {
      if (disk.trouble !== null) throw disk.trouble;
      const piece = gzipSync(text);
      files.set(name, Buffer.concat([files.get(name) ?? Buffer.alloc(0), piece]));
      return piece.length;
    },
    async remove(name) {
      files.delete(name);
    },
  };
  return disk;
};

export const linesIn = (bytes: Buffer): readonly RecordLine[] =>
  gunzipSync(bytes)
    .toString()
    .split('\n')
    .filter((raw) => raw !== '')
    .map((raw) => {
      const read = parseLine(raw);
      if (!('line' in read)) throw new Error(`${JSON.stringify(read)}: ${raw.slice(0, 400)}`);
      return read.line;
    });

/** All lines of one recorder, in the order of its files. */
export const linesOn = (disk: MemoryDisk): readonly RecordLine[] =>
  [...disk.files.keys()].sort().flatMap((name) => linesIn(disk.files.get(name) ?? Buffer.alloc(0)));

export interface TapedWorld {
  world: World;
  /** By `region/replica`. */
  disks: ReadonlyMap<string, MemoryDisk>;
  log: ReturnType<typeof recordingLog>;
  recorder(name: string): Recorder | undefined;
  /** Writes what is queued. */
  stop(): Promise<void>;
}

/** A world whose replicas named in `who` record. */
export const tapedWorld = (
  options: WorldOptions,
  who: readonly string[],
  settings: Partial<RecorderOptions> = {},
  events: Partial<WorldEvents> = {},
): TapedWorld => {
  const disks = new Map(who.map((name) => [name, memoryDisk()]));
  const recorders = new Map<string, Recorder>();
  const log = recordingLog();
  const recorderOf = (name: string): Recorder | null => {
    const disk = disks.get(name);
    const process = world.process(name);
    if (disk === undefined || process === undefined) return null;
    let recorder = recorders.get(name);
    if (recorder === undefined) {
      const [region = '', replica = ''] = name.split('/');
      recorder = createRecorder({
        ports: process.ports,
        log,
        disk,
        region,
        replica,
        boot: 'boot',
        version: '0.0.0',
        maxBytes: 256 * 1024 * 1024,
        fileBytes: 8 * 1024 * 1024,
        observations: true,
        clusterNowMs: () => world.replica(name)?.coordinator.nowMs() ?? 0,
        onDropped: () => undefined,
        ...settings,
      });
      recorders.set(name, recorder);
    }
    return recorder;
  };
  const world = new World(options, {
    ...events,
    sight(name, sight, nowMs, leads) {
      recorderOf(name)?.sight(sight, nowMs, leads);
      events.sight?.(name, sight, nowMs, leads);
    },
    input: (name, input) => recorderOf(name)?.input(input),
  });
  return {
    world,
    disks,
    log,
    recorder: (name) => recorders.get(name),
    async stop() {
      let done = false;
      void Promise.all([...recorders.values()].map((r) => r.stop())).then(() => {
        done = true;
      });
      await world.virtual.advanceUntil(() => done, 10_000);
    },
  };
};
