// The name this process speaks under: region and replica, taken from `boot/<region>/<replica>` by compare-and-write, so that never two speak at once.
// A name is free when nobody has it, when its last holder stopped in good order, or when no beat has come under it for longer than one may be late.
// Holds no lease: whoever takes the name changes the boot record, on which every write under it is guarded.
import { beatKey, bootKey } from '../coordinate/keys.ts';
import { errorText } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Beat, Boot } from '../model.ts';
import { type Ports, sleep } from '../ports.ts';
import type { Read, Store } from '../store/store.ts';
import { LISTEN_EVERY_MS, silenceProved } from './silence.ts';

export interface NameOptions {
  ports: Ports;
  store: Store;
  log: Log;
  region: string;
  replica: string;
  /** Made anew at every start. */
  boot: string;
  /** Silence after which whoever spoke under the name is gone. */
  goneMs: () => number;
  /** Every revision seen. */
  saw: (rev: number) => void;
}

/** The boot record as this process wrote it; or why the name is another's. */
export type Name = { taken: false; n: number; mod: number } | { taken: true; because: string };

/** A process that died can have had one write under way. A second beat comes from one that lives. */
const BEATS_OF_THE_LIVING = 2;

/** Takes the name with a number above `above`; resolves when it is taken, by whomever. Rejects only with the signal's reason; waits for the store. */
export const takeName = async (options: NameOptions, above: number, signal: AbortSignal): Promise<Name> => {
  const { ports, store, log, region, replica, boot } = options;
  const [bootAt, beatAt] = [bootKey(region, replica), beatKey(region, replica)];
  const watched = { beatMod: -1, bootMod: -1, beats: 0, silentMs: 0 };
  let lastSentAtMs: number | null = null;

  /** Counts beats and silence under the name; a new boot record begins the count anew. */
  const watch = (beatMod: number, bootMod: number, provedMs: number | null): void => {
    if (bootMod !== watched.bootMod) Object.assign(watched, { bootMod, beatMod, beats: 0, silentMs: 0 });
    else if (beatMod !== watched.beatMod) Object.assign(watched, { beatMod, beats: watched.beats + 1, silentMs: 0 });
    else watched.silentMs = provedMs === null ? 0 : watched.silentMs + provedMs;
  };

  const look = async (): Promise<Name | null> => {
    const sentAtMs = ports.clock.monoMs();
    const read = await store.get({ keys: [bootAt, beatAt] }, signal);
    options.saw(read.rev);
    const [record, bootMod] = recordOf<Boot>(read, bootAt);
    const [beat, beatMod] = recordOf<Beat>(read, beatAt);
    // Ours already: the reply to a write of ours was lost.
    if (record?.boot === boot && record.n > above) return { taken: false, n: record.n, mod: bootMod };
    watch(beatMod, bootMod, silenceProved(lastSentAtMs, sentAtMs));
    lastSentAtMs = sentAtMs;
    if (watched.beats >= BEATS_OF_THE_LIVING)
      return {
        taken: true,
        because: `${region}/${replica} is the name of a process that runs: boot ${record?.boot ?? beat?.boot ?? 'unknown'} has written ${watched.beats} beats since this one (boot ${boot}) started; stop it, or give this one another name`,
      };
    const nobody = record === null && beat === null;
    if (!nobody && record?.stopped !== true && watched.silentMs < options.goneMs()) return null;
    const n = Math.max(record?.n ?? 0, above) + 1;
    const value: Boot = { n, boot, nonce: `${boot}.${n}`, stopped: false };
    const result = await store.txn({ if: [{ key: bootAt, mod: bootMod }], then: [{ put: bootAt, value }] }, signal);
    options.saw(result.rev);
    return result.ok ? { taken: false, n, mod: result.rev } : null;
  };

  for (;;) {
    signal.throwIfAborted();
    try {
      const name = await look();
      if (name !== null) return name;
    } catch (error) {
      // In doubt or refused, the next look tells.
      signal.throwIfAborted();
      log.warn('vantage.name', { because: errorText(error) });
    }
    await sleep(ports.timers, LISTEN_EVERY_MS, signal);
  }
};

const recordOf = <T>(read: Read, key: string): readonly [T | null, number] => {
  const found = read.kvs.find((kv) => kv.key === key);
  return found === undefined ? [null, 0] : [found.value as T, found.mod];
};
