// Replicas that sign what they say, on a real store and virtual time, and readers of it: what an attacker with a stolen store password or a stolen key
// can write beside them, and what is counted of it.
import { beatKey, KEYS, voteKey } from '../../src/coordinate/keys.ts';
import { createLooker, type Looked, type Looker } from '../../src/coordinate/look.ts';
import { createSigner, newKeyPair, type Signer } from '../../src/coordinate/signing.ts';
import { isFresh } from '../../src/health/chamber.ts';
import { configHash } from '../../src/health/config-hash.ts';
import type { Beat, ClusterConfig, TargetId, Vote } from '../../src/model.ts';
import { openEmbedded } from '../../src/store/embedded.ts';
import type { Store } from '../../src/store/store.ts';
import { recordingLog } from '../recording-log.ts';
import { createVirtual, seededRandom } from '../virtual.ts';
import { clusterOf } from '../world.ts';

export const REGIONS = ['a', 'b', 'c'];
export const keyOf: Readonly<Record<string, { privatePem: string; publicKey: string }>> = Object.fromEntries(
  [...REGIONS, 'a2', 'thief'].map((name) => [name, newKeyPair()]),
);
export const publicKey = (name: string): string => keyOf[name]?.publicKey ?? '';
export const signerOf = (name: string): Signer => createSigner(keyOf[name]?.privatePem ?? '');

export interface Pair {
  vote: Vote;
  beat: Beat;
}

/** One replica as it speaks: signs (or not), counts up, and names the newest revision it has seen. */
export class Speaker {
  readonly region: string;
  readonly replica: string;
  signer: Signer | null;
  bootN = 1;
  seq = 1;
  n = 0;
  asOfRev = 0;
  down: readonly TargetId[] = [];
  /** As it would stand in the vote; absent from it when undefined. */
  gray: unknown;
  clockAheadMs = 0;
  readonly #hall: Hall;

  constructor(hall: Hall, region: string, replica: string, signer: Signer | null) {
    this.#hall = hall;
    this.region = region;
    this.replica = replica;
    this.signer = signer;
  }

  restart(): void {
    this.bootN++;
    this.seq = 1;
    this.n = 0;
  }

  says(down: readonly TargetId[]): void {
    this.down = down;
    this.seq++;
  }

  pair(): Pair {
    this.n++;
    const { cluster, virtual } = this.#hall;
    const common = {
      boot: `${this.region}-${this.bootN}`,
      bootN: this.bootN,
      seq: this.seq,
      configVersion: cluster.version,
      configHash: configHash(cluster),
    };
    const gray = this.gray === undefined ? {} : { gray: this.gray as readonly string[] };
    const said = { peers: [this.replica], down: this.down, unready: this.down, unknown: [], ...gray };
    const vote: Vote = { ...common, self: { state: 'ok' }, ...said };
    const beat: Beat = {
      ...common,
      n: this.n,
      asOfRev: this.asOfRev,
      suspects: {},
      loopDelayMs: 0,
      wallMs: virtual.ports.clock.wallMs() + this.clockAheadMs,
    };
    return { vote: this.signed('vote', vote), beat: this.signed('beat', beat) };
  }

  signed<T extends object>(kind: 'vote' | 'beat', record: T): T {
    const place = { cluster: this.#hall.cluster.name, region: this.region, replica: this.replica };
    return this.signer === null ? record : { ...record, signature: this.signer.sign(kind, place, record) };
  }

  /** Writes its pair, and answers it: that is what a thief could keep. */
  async speak(): Promise<Pair> {
    const pair = this.pair();
    await this.#hall.put(this.region, this.replica, pair);
    this.asOfRev = (await this.#hall.store.get({ keys: [] })).rev;
    return pair;
  }
}

export class Hall {
  readonly virtual = createVirtual({ startWallMs: Date.UTC(2026, 10, 22), seed: 1 });
  readonly store: Store;
  readonly log = recordingLog();
  cluster: ClusterConfig;
  readonly speakers: readonly Speaker[];

  constructor(options: { keys?: Readonly<Record<string, readonly string[]>>; store?: Store } = {}) {
    this.store = options.store ?? openEmbedded({ file: ':memory:', ports: { random: seededRandom('hall') } });
    const keys = options.keys ?? Object.fromEntries(REGIONS.map((name) => [name, [publicKey(name)]]));
    const plain = clusterOf(REGIONS, [{}]);
    this.cluster = {
      ...plain,
      regions: plain.regions.map((r) => ({ ...r, ...(keys[r.name] === undefined ? {} : { keys: keys[r.name] ?? [] }) })),
    };
    this.speakers = REGIONS.map((name) => new Speaker(this, name, 'a', keys[name] === undefined ? null : signerOf(name)));
  }

  speaker(region: string): Speaker {
    const found = this.speakers.find((s) => s.region === region);
    if (found === undefined) throw new Error(`nobody speaks for ${region}`);
    return found;
  }

  async configure(keys: Readonly<Record<string, readonly string[]>> = {}): Promise<void> {
    const regions = this.cluster.regions.map((r) => ({ ...r, ...(keys[r.name] === undefined ? {} : { keys: keys[r.name] ?? [] }) }));
    this.cluster = { ...this.cluster, regions };
    await this.store.txn({ if: [], then: [{ put: KEYS.members, value: this.cluster }] });
  }

  /** Whoever can write to the store writes this. */
  async put(region: string, replica: string, { vote, beat }: { vote?: unknown; beat?: unknown }): Promise<void> {
    const then = [
      ...(vote === undefined ? [] : [{ put: voteKey(region, replica), value: vote }]),
      ...(beat === undefined ? [] : [{ put: beatKey(region, replica), value: beat }]),
    ];
    await this.store.txn({ if: [], then });
  }

  reader(): Looker {
    return createLooker({ ports: this.virtual.ports, store: this.store, log: this.log });
  }

  async look(reader: Looker): Promise<Looked> {
    const looked = await reader.look(new AbortController().signal);
    if (looked === null) throw new Error('the store did not answer');
    return looked;
  }

  /** Time passes: those named speak every 2.5 s, the readers look every half second. */
  async pass(
    ms: number,
    readers: readonly Looker[],
    speaking: readonly Speaker[] = this.speakers,
    each: () => Promise<void> = async () => undefined,
  ): Promise<void> {
    for (let t = 0; t < ms; t += 500) {
      await this.virtual.advance(500);
      if (t % 2500 === 0) for (const s of speaking) await s.speak();
      await each();
      for (const reader of readers) await this.look(reader);
    }
  }

  /** `region/replica` of every vote that counts. */
  async fresh(reader: Looker): Promise<readonly string[]> {
    const { sight } = await this.look(reader);
    return sight.heard.filter((h) => isFresh(h, this.cluster)).map((h) => `${h.region}/${h.replica}`);
  }

  async refused(reader: Looker): Promise<Readonly<Record<string, string>>> {
    const { sight } = await this.look(reader);
    return Object.fromEntries(sight.refused.map(({ key, because }) => [key, because]));
  }
}
