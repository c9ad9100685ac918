// What users are sent to, asked again and again: twenty questions a look, so that a region without a share is seen to be absent and not only missed. Ignores
// what ought to be answered; that is the reader's subject.
import { follow } from '../dns/codec.ts';
import { type DnsServer, query } from '../dns/exchange.ts';
import { type Ports, sleep } from '../ports.ts';
import { PLACES } from './scene.ts';

export const SAMPLES = 20;
const QUERY_MS = 1000;

/** One question as a user's: the regions that its answer leads to. Rejects when nobody answers. */
export type Sample = (signal: AbortSignal) => Promise<readonly string[]>;

/** Asks a DNS server for the addresses of a name. */
export const sampleDns =
  (ports: Ports, server: DnsServer, name: string): Sample =>
  async (signal) => {
    const reply = await query({ ports, server, name, type: 'A', recursionDesired: false, timeoutMs: QUERY_MS, signal });
    const { addresses } = follow(reply, name, 'A');
    return PLACES.filter(({ address }) => addresses.includes(address)).map(({ region }) => region);
  };

/** One look. Instants are monotonic. */
export interface AnswerLook {
  startedAtMs: number;
  atMs: number;
  /** Questions that were answered, of SAMPLES. */
  answered: number;
  regions: ReadonlySet<string>;
}

export interface AnswerWatch {
  close(): Promise<void>;
}

export interface AnswerWatchOptions {
  ports: Ports;
  sample: Sample;
  /** From the end of one look to the start of the next. */
  everyMs: number;
  onLook(look: AnswerLook): void;
}

export const watchAnswers = ({ ports, sample, everyMs, onLook }: AnswerWatchOptions): AnswerWatch => {
  const stopping = new AbortController();
  const { signal } = stopping;
  const look = async (): Promise<AnswerLook> => {
    const startedAtMs = ports.clock.monoMs();
    const replies = await Promise.all(Array.from({ length: SAMPLES }, () => sample(signal).catch(() => null)));
    const answered = replies.filter((reply) => reply !== null);
    return { startedAtMs, atMs: ports.clock.monoMs(), answered: answered.length, regions: new Set(answered.flat()) };
  };

  const life = (async () => {
    while (!signal.aborted) {
      const seen = await look();
      if (signal.aborted) return;
      onLook(seen);
      await sleep(ports.timers, everyMs, signal).catch(() => {});
    }
  })();
  return {
    close() {
      stopping.abort(new Error('the demo ends'));
      return life;
    },
  };
};
