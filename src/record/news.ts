// What a recording does not have yet: differences between what was told of the store and what a sight shows, and what a vantage takes in, as facts worth a
// line. Remembers what it has told; does no IO.
import { KEYS } from '../coordinate/keys.ts';
import type { Sight } from '../coordinate/read.ts';
import { LOOP_DELAY_MAX_MS, type SelfFacts } from '../health/abstain.ts';
import type { Heard } from '../health/chamber.ts';
import { configHash } from '../health/config-hash.ts';
import type { VantageInput } from '../health/vantage.ts';
import type { AppliedRecord, Beat, Routing, Vote } from '../model.ts';
import { type Fact, type RecordedBeat, type RecordedLook, type RecordedWord, withoutQueries } from './lines.ts';

const beatOf = ({ boot, bootN, seq, n, wallMs, suspects }: Beat): RecordedBeat => ({
  boot,
  ...(bootN === undefined ? {} : { bootN }),
  seq,
  n,
  wallMs,
  suspects,
});

const unsigned = ({ signature: _, ...vote }: Vote): Vote => vote;

interface Known {
  vote: Vote;
  beat: Beat | null;
  /** Cluster time at which the beat was written, at the earliest; null when nothing bounds it. */
  bornAtMs: number | null;
}

const isSameVote = (a: Vote, b: Vote): boolean =>
  a === b || (a.boot === b.boot && a.seq === b.seq && a.configVersion === b.configVersion && a.configHash === b.configHash);

const isSameBeat = (a: Beat | null, b: Beat | null): boolean =>
  a === b || (a !== null && b !== null && a.boot === b.boot && a.bootN === b.bootN && a.n === b.n && a.seq === b.seq);

/** What a recorder has told of the store, so that only differences are told. */
export const createMemory = () => {
  let words = new Map<string, Known>();
  let frozen = '';
  let vacant = false;
  let decision = { v: -1, nonce: '' };
  let config = '';
  let overrides: number | null = null;
  let reported = 0;
  let tiers = 0;
  const applied = new Map<string, number>();

  const wordsOf = (heard: readonly Heard[], nowMs: number): { heard: RecordedWord[]; gone: string[] } => {
    const next = new Map<string, Known>();
    const news: RecordedWord[] = [];
    for (const h of heard) {
      const at = `${h.region}/${h.replica}`;
      const bornAtMs = Number.isFinite(h.ageMs) ? Math.round(nowMs - h.ageMs) : null;
      const before = words.get(at);
      next.set(at, { vote: h.vote, beat: h.beat, bornAtMs });
      const sameVote = before !== undefined && isSameVote(before.vote, h.vote);
      const sameBeat = before !== undefined && isSameBeat(before.beat, h.beat);
      if (sameVote && sameBeat && before.bornAtMs === bornAtMs) continue;
      news.push({
        at,
        ageMs: bornAtMs === null ? null : Math.round(nowMs) - bornAtMs,
        ...(sameVote ? {} : { vote: unsigned(h.vote) }),
        ...(sameBeat ? {} : { beat: h.beat === null ? null : beatOf(h.beat) }),
      });
    }
    const gone = [...words.keys()].filter((at) => !next.has(at));
    words = next;
    return { heard: news, gone };
  };

  return {
    /** As if nothing had been told: the next sight says everything. */
    forget(): void {
      words = new Map();
      frozen = '';
      vacant = false;
      decision = { v: -1, nonce: '' };
      config = '';
      overrides = null;
      reported = 0;
      tiers = 0;
      applied.clear();
    },
    /** The lines of one sight, in the order in which they are to be read: what was decided comes before what is decided on next. */
    factsOf(sight: Sight, nowMs: number, leads: boolean): readonly Fact[] {
      const { cluster, routing } = sight;
      if (cluster === null) return [];
      const facts: Fact[] = [];
      const hash = configHash(cluster);
      if (`${cluster.version} ${hash}` !== config) facts.push({ kind: 'config', cluster: withoutQueries(cluster), hash });
      config = `${cluster.version} ${hash}`;
      if (routing !== null && (routing.v !== decision.v || routing.nonce !== decision.nonce)) {
        facts.push(decided(sight, routing));
        decision = routing;
      }
      const mod = sight.mod(KEYS.override);
      if (mod !== overrides) facts.push({ kind: 'overrides', overrides: sight.overrides });
      overrides = mod;
      if (sight.mod(KEYS.reported) !== reported) facts.push({ kind: 'reported', reported: sight.reported });
      reported = sight.mod(KEYS.reported);
      if (sight.mod(KEYS.tiers) !== tiers) facts.push({ kind: 'tiers', tiers: sight.tiers });
      tiers = sight.mod(KEYS.tiers);
      for (const { key, value, mod } of sight.has('applied/')) {
        if (applied.get(key) === mod) continue;
        applied.set(key, mod);
        const [, provider = '', service = ''] = key.split('/');
        facts.push({ kind: 'applied', provider, service, applied: value as AppliedRecord });
      }
      const { heard, gone } = wordsOf(sight.heard, nowMs);
      const isFrozenNews = sight.frozen.join() !== frozen;
      frozen = sight.frozen.join();
      const isVacantNews = isVacant(sight, leads) !== vacant;
      vacant = isVacant(sight, leads);
      // A coordinator's look is a moment at which it decided, whether or not anything was new; a standby's is not.
      if (leads || heard.length > 0 || gone.length > 0 || isFrozenNews || isVacantNews)
        facts.push({
          kind: 'sight',
          ...(leads ? { leads } : {}),
          ...(heard.length > 0 ? { heard } : {}),
          ...(gone.length > 0 ? { gone } : {}),
          ...(isFrozenNews ? { frozen: sight.frozen } : {}),
          ...(isVacantNews ? { vacant } : {}),
        });
      return facts;
    },
  };
};

/** Nobody coordinates, as far as a standby sees: two renewals are missing. */
const isVacant = (sight: Sight, leads: boolean): boolean =>
  !leads && (sight.leader?.released !== false || sight.ageMs(KEYS.leader) > 2 * (sight.cluster?.policy.renewMs ?? 0));

const decided = (sight: Sight, routing: Routing): Fact => ({
  kind: 'decision',
  routing,
  incidents: sight.incidents.filter((incident) => incident.closedAtMs === null),
});

/** What a vantage took in, as a line; null: it can be told from other lines, or moves no opinion. */
export const factOf = (input: VantageInput, nowMonoMs: number): Fact | null => {
  switch (input.kind) {
    case 'look': {
      const { key, startedAtMs, outcome } = input.observation;
      const look: RecordedLook =
        outcome.saw === 'nothing'
          ? { saw: 'nothing' }
          : outcome.saw === 'ok'
            ? { saw: 'ok', tookMs: Math.round(outcome.tookMs) }
            : { saw: 'fault', reason: outcome.reason, tookMs: Math.round(outcome.tookMs) };
      return {
        kind: 'look',
        key,
        ageMs: Math.round(nowMonoMs - startedAtMs),
        ...(input.late ? { late: true } : {}),
        ...(input.scheduled ? { due: true } : {}),
        look,
      };
    }
    case 'pending':
      return { kind: 'pending', key: input.key, ageMs: Math.round(nowMonoMs - input.startedAtMs) };
    case 'self':
      return selfFact(input.facts);
    case 'company':
      return { kind: 'company', company: input.company };
    case 'conflict':
      return { kind: 'conflict', because: input.because };
    case 'late':
      return { kind: 'late' };
    case 'hints':
    case 'others':
    case 'rules':
    case 'tick':
      return null;
  }
};

const selfFact = ({ anchorsConfigured, anchorsUnreachable, loopDelayP99Ms }: SelfFacts): Fact & { kind: 'self' } => ({
  kind: 'self',
  anchorsConfigured,
  anchorsUnreachable: withoutQueries(anchorsUnreachable),
  // How far below the limit a loop is late is told every two seconds and changes nothing.
  loopDelayP99Ms: loopDelayP99Ms > LOOP_DELAY_MAX_MS ? Math.round(loopDelayP99Ms) : 0,
});
