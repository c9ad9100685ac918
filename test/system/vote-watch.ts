// Whether every region is heard while something is done to replicas, as a replica that nobody touches sees it.
import { expect } from 'vitest';
import type { Matrix } from '../../src/api/matrix.ts';
import type { StatusDocument } from '../../src/api/status.ts';
import type { Vote } from '../../src/model.ts';
import { REGIONS, type Region } from './cluster-config.ts';

const LOOK_EVERY_MS = 200;
const MUTE: ReadonlySet<string> = new Set(['silent', 'abstain', 'unknown']);

interface Span {
  region: Region;
  target: string;
  sinceMs: number;
  ms: number;
  because: string;
}

export interface VoteWatch extends Disposable {
  /** One look more than those that it takes by itself, 200 ms apart, once started. */
  look(): Promise<void>;
  start(): void;
  /** From here on: what was seen before counts for nothing. */
  forget(): void;
  speaks(self: Vote['self']): boolean;
  /** Targets of which this region says nothing, as of the last look. */
  mute(region: Region): readonly string[];
  /**
   * No look found a region without a voice, no record was refused, and no region had nothing to say of a target for longer than `muteMsMax`.
   * `restarted`: has one replica, which is not there.
   */
  expectVotes(restarted?: Region): void;
}

export interface VoteWatchOptions {
  /** Asks the replica that nobody touches. */
  status: () => Promise<StatusDocument | null>;
  /** A region that was not heard for longer has lost its vote: `fresh` of the cluster's policy. */
  freshMs: number;
  /** What a sibling takes to look at the targets of a replica that stopped as often as a verdict takes. */
  muteMsMax: number;
  /** How abstentions begin that a machine with too much to do brings about, and nothing else. */
  excused: readonly string[];
}

export const watchVotes = ({ status: ask, freshMs, muteMsMax, excused }: VoteWatchOptions): VoteWatch => {
  let silent: { region: Region; what: string }[] = [];
  let refused = new Set<string>();
  let looks = 0;
  /** Of each region and target that is mute now, and all that ever were. */
  let open = new Map<string, Span>();
  let spans: Span[] = [];
  let timer: NodeJS.Timeout | undefined;
  const speaks = (self: Vote['self']): boolean => self.state === 'ok' || excused.some((start) => self.because.startsWith(start));
  const hear = (matrix: Matrix): void => {
    const nowMs = performance.now();
    const before = open;
    open = new Map();
    for (const [target, row] of Object.entries(matrix)) {
      for (const region of REGIONS) {
        const { state = 'silent', because = 'no cell' } = row[region] ?? {};
        if (!MUTE.has(state) || excused.some((start) => because.startsWith(start))) continue;
        const key = `${target} by ${region}`;
        const span = before.get(key) ?? { region, target, sinceMs: nowMs, ms: 0, because: '' };
        if (!before.has(key)) spans.push(span);
        open.set(key, Object.assign(span, { ms: nowMs - span.sinceMs, because }));
      }
    }
  };
  const look = async (): Promise<void> => {
    const status = await ask();
    if (status === null) return;
    looks++;
    hear(status.votes.matrix);
    for (const { key, because } of status.votes.refused) refused.add(`${key}: ${because}`);
    for (const region of REGIONS) {
      const its = status.votes.vantages.filter((vantage) => vantage.region === region);
      if (its.some(({ ageMs, self }) => speaks(self) && (ageMs ?? freshMs) < freshMs)) continue;
      silent.push({ region, what: `${region} at look ${looks}: ${JSON.stringify(its)}` });
    }
  };
  return {
    look,
    speaks,
    mute: (region) => [...open.values()].filter((span) => span.region === region).map(({ target, because }) => `${target}: ${because}`),
    start() {
      timer ??= setInterval(() => void look().catch(() => undefined), LOOK_EVERY_MS);
    },
    forget() {
      [silent, refused, looks] = [[], new Set(), 0];
      [open, spans] = [new Map(), []];
    },
    expectVotes(restarted) {
      expect([...refused]).toEqual([]);
      expect(looks).toBeGreaterThan(3);
      expect(silent.filter(({ region }) => region !== restarted).map(({ what }) => what)).toEqual([]);
      expect(spans.filter(({ region, ms }) => region !== restarted && ms > muteMsMax)).toEqual([]);
    },
    [Symbol.dispose]: () => clearInterval(timer),
  };
};
