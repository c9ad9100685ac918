// A vantage once more: the recorded looks of one replica through the production machine, under any configuration. It sees what was looked at then: looks
// that other rules would have made are not in any recording. Time is the recording's. Pure.
import type { Heard } from '../health/chamber.ts';
import { newOwn, type Own, observe, type VantageInput } from '../health/vantage.ts';
import type { VantageRules } from '../health/watched.ts';
import type { Beat, ClusterConfig, Vote } from '../model.ts';
import { rulesOf, watchedBy } from '../probe/watching.ts';
import type { RecordLine } from '../record/lines.ts';

const BOOT = 'rerun';
/** Votes that are remembered beside the newest: what the store shows is a moment old. */
const VOTES_KEPT = 8;

export interface Rerun {
  take(input: VantageInput, atMs: number): void;
  configure(cluster: ClusterConfig, atMs: number): void;
  /** It has seen everything it watches often enough to speak for it. */
  isWarm(): boolean;
  /** Has it lately meant just what this vote says? */
  meant(vote: Vote): boolean;
  /** The replica's word as it would have been, as fresh as the one it really wrote. */
  word(real: Heard, nowMs: number, freshMs: number): Heard;
}

const rulesFor = (cluster: ClusterConfig, region: string): VantageRules => {
  const { configHash: _, ...rules } = rulesOf(cluster, watchedBy(cluster, region));
  return rules;
};

/** What decides when a look changes an opinion, as text; equal: the same looks lead to the same votes. */
export const thresholdsOf = (cluster: ClusterConfig, region: string): string =>
  JSON.stringify([
    rulesFor(cluster, region).gray ?? null,
    rulesFor(cluster, region).watched.map(({ key, rule, home }) => [key, rule.k, rule.spanMs, home]),
  ]);

const contentOf = ({ self, down, unready, unknown, gray = [] }: Vote): string => JSON.stringify([self.state, down, unready, unknown, gray]);

export const createRerun = (cluster: ClusterConfig, region: string, replica: string, atMs: number): Rerun => {
  let own: Own = newOwn(BOOT, replica, rulesFor(cluster, region), atMs);
  let beat: Beat | null = null;
  let beatAtMs = atMs;
  let votes: string[] = [];
  let warm = false;
  const take = (input: VantageInput, nowMs: number): void => {
    const step = observe(own, input, nowMs);
    own = step.own;
    if (step.vote !== undefined) votes = [...votes.slice(1 - VOTES_KEPT), contentOf(step.vote)];
    if (step.beat !== undefined) {
      beat = step.beat(nowMs, 0, nowMs);
      beatAtMs = nowMs;
    }
    warm ||= own.vote.unknown.length === 0;
  };
  return {
    take,
    configure: (next, nowMs) => take({ kind: 'rules', rules: rulesFor(next, region) }, nowMs),
    isWarm: () => warm,
    meant: (vote) => votes.includes(contentOf(vote)),
    word(real, nowMs, freshMs) {
      const number = real.vote.bootN === undefined ? {} : { bootN: real.vote.bootN };
      const isSilent = real.beat === null || beat === null || real.ageMs > freshMs;
      return {
        ...real,
        vote: { ...own.vote, ...number },
        beat: beat === null || real.beat === null ? null : { ...beat, ...number, seq: own.vote.seq },
        ageMs: isSilent ? real.ageMs : Math.max(0, nowMs - beatAtMs),
      };
    },
  };
};

/** The input that a line stands for; null: it is no input of a vantage. */
export const inputOf = (line: RecordLine): VantageInput | null => {
  switch (line.kind) {
    case 'look': {
      const { key, look, atMs, ageMs } = line;
      const outcome = look.saw === 'ok' ? look : { ...look, detail: '' };
      return {
        kind: 'look',
        observation: { key, startedAtMs: atMs - ageMs, outcome },
        late: line.late === true,
        scheduled: line.due === true,
      };
    }
    case 'pending':
      return { kind: 'pending', key: line.key, startedAtMs: line.atMs - line.ageMs };
    case 'self': {
      const { anchorsConfigured, anchorsUnreachable, loopDelayP99Ms } = line;
      return { kind: 'self', facts: { anchorsConfigured, anchorsUnreachable, loopDelayP99Ms } };
    }
    case 'company':
      return { kind: 'company', company: line.company };
    case 'conflict':
      return { kind: 'conflict', because: line.because };
    case 'late':
      return { kind: 'late' };
    default:
      return null;
  }
};
