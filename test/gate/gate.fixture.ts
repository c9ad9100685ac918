// A gate on virtual time over a store in memory, with a file that can fail, a wire to the store that can be cut, and the hand that writes records as a
// coordinator's publisher would.
import { gate as provider } from '../../providers/gate/index.ts';
import { gateKey } from '../../providers/gate/record.ts';
import type { GateFile } from '../../src/gate/file.ts';
import { type Gate, openGate } from '../../src/gate/gate.ts';
import type { ClusterConfig } from '../../src/model.ts';
import type { Store, WatchEvent } from '../../src/store/store.ts';
import { createMemoryStore, type MemoryStore } from '../memory-store.ts';
import { fenceOf, GATE, serviceOf, WEB } from '../providers/gate.fixture.ts';
import { type RecordingLog, recordingLog } from '../recording-log.ts';
import { createVirtual, seededRandom, type Virtual } from '../virtual.ts';

export interface FakeFile extends GateFile {
  text: string;
  aside: string | null;
  writes: number;
  /** What goes wrong. */
  trouble: 'none' | 'full' | 'hang' | 'unreadable' | 'immovable';
}

export const fakeFile = (text = ''): FakeFile => {
  const file: FakeFile = {
    text,
    aside: null,
    writes: 0,
    trouble: 'none',
    async read() {
      if (file.trouble === 'hang') return new Promise(() => undefined);
      if (file.trouble === 'unreadable') throw new Error('EACCES: permission denied');
      return file.text;
    },
    async replace(text) {
      if (file.trouble === 'hang') return new Promise(() => undefined);
      if (file.trouble === 'full') throw new Error('ENOSPC: no space left on device');
      file.text = text;
      file.writes++;
    },
    async setAside() {
      if (file.trouble === 'immovable') throw new Error('EPERM: operation not permitted');
      file.aside = file.text;
      file.text = '';
    },
  };
  return file;
};

export interface Bench {
  virtual: Virtual;
  store: MemoryStore;
  log: RecordingLog;
  troubles: { subject: string; because: string }[];
  /** The store answers the gate, and its watch speaks. */
  link: { isUp: boolean; isWatching: boolean; reads: number };
  cluster: ClusterConfig | null;
  open(file?: FakeFile, who?: string): Promise<Gate>;
  /** Writes the record of a service as a publisher would. */
  write(v: number, shares?: Readonly<Record<string, number>>, service?: string): Promise<void>;
}

export const createBench = (): Bench => {
  const virtual = createVirtual({ startWallMs: Date.UTC(2026, 10, 26), seed: 1 });
  const store = createMemoryStore({ random: seededRandom('gate') });
  const log = recordingLog();
  const writer = provider.open(GATE, { store });
  const bench: Bench = {
    virtual,
    store,
    log,
    troubles: [],
    link: { isUp: true, isWatching: true, reads: 0 },
    cluster: null,
    async open(file = fakeFile(), who = 'us-east/a') {
      const seen: Store = {
        get clusterId() {
          return store.clusterId;
        },
        async get(query) {
          bench.link.reads++;
          if (!bench.link.isUp) throw new Error('cut off');
          return store.get(query);
        },
        txn: () => Promise.reject(new Error('a gate writes nothing')),
        watch: (prefix, onEvent: (event: WatchEvent) => void) =>
          store.watch(prefix, (event) => {
            if (bench.link.isUp && bench.link.isWatching) onEvent(event);
          }),
        close: async () => undefined,
      };
      let gate: Gate | null = null;
      void openGate({
        ports: virtual.spawn(who).ports,
        store: seen,
        log,
        file,
        who,
        cluster: () => bench.cluster,
        onTrouble: (subject, because) => void bench.troubles.push({ subject, because }),
      }).then((opened) => {
        gate = opened;
      });
      await virtual.advanceUntil(() => gate !== null, 60_000);
      return gate!;
    },
    async write(v, shares = {}, service = WEB) {
      const desired = serviceOf(service, shares);
      const signal = new AbortController().signal;
      const previous = (await writer.read([desired], signal)).get(service)!;
      const result = await writer.apply([{ desired, fence: fenceOf(v, desired), previous }], signal);
      if (result.outcome !== 'applied') throw new Error(`${gateKey(service)}: ${result.because}`);
      await virtual.advance(0);
    },
  };
  return bench;
};
