// The vantage machine: observations in; vote, beat and probes to make now out. Pure: time is an argument, the shell owns clocks, sockets and the store.
// Suspicion (a fault, or a probe pending too long) starts a burst of confirmation probes of both endpoints of the target, here and, through the beat,
// in every other vantage. Ignores who else runs in the region: one replica owns all of its region's targets until replicas share them.
import type { Beat, EndpointKey, EndpointName, Observation, Self, Suspicion, TargetId, Vote } from '../model.ts';
import { judgeSelf, type Loneliness, type SelfFacts } from './abstain.ts';
import { afterLook, afterPending, freshOpinion, isSuspect, type Opinion, type OpinionRule } from './opinion.ts';

/** What this vantage looks at, from the cluster configuration. */
export interface Watched {
  key: EndpointKey;
  target: TargetId;
  endpoint: EndpointName;
  rule: OpinionRule;
  /** The target's pool is in this vantage's own region. */
  home: boolean;
}

export interface VantageRules {
  configVersion: number;
  watched: readonly Watched[];
  /** Span between confirmation probes of one endpoint. */
  confirmEveryMs: number;
  burstMs: number;
  intervalMs: number;
  beatMs: number;
}

interface Burst {
  startedAtMs: number;
  nextAtMs: number;
  untilMs: number;
  /** A warm-up burst ends with enough looks, a confirmation burst with a success of each endpoint. */
  warm: boolean;
}

/**
 * Everything a vantage remembers; `rules` is the configuration it was made for. `observe` consumes the value it is given: its maps are
 * changed in place, because a copy of ten thousand opinions per look would cost more than the probe.
 */
export interface Own {
  boot: string;
  replica: string;
  rules: VantageRules;
  opinions: Map<EndpointKey, Opinion>;
  bursts: Map<TargetId, Burst>;
  /** Last burst a peer's hint has caused: amplification guard. Key `region target`. */
  hintedAtMs: Map<string, number>;
  /** An opinion has changed sides since the vote was made. */
  news: boolean;
  facts: SelfFacts | null;
  alone: Loneliness;
  catchingUpUntilMs: number;
  vote: Vote;
  beatN: number;
  beatAtMs: number;
  beatDue: boolean;
}

export type VantageInput =
  | { kind: 'look'; observation: Observation; late: boolean }
  | { kind: 'pending'; key: EndpointKey; startedAtMs: number }
  | { kind: 'hints'; from: string; keys: readonly EndpointKey[] }
  | { kind: 'others'; votes: readonly { region: string; vote: Vote }[] }
  | { kind: 'self'; facts: SelfFacts }
  | { kind: 'rules'; rules: VantageRules }
  /** This process did not run when it wanted to. Before anything else is heard or said: its beliefs are as old as its sleep was long. */
  | { kind: 'late' }
  | { kind: 'tick' };

export interface VantageStep {
  own: Own;
  /** Endpoints to probe now, beside the schedule. */
  probes: readonly EndpointKey[];
  /** Present when the vote's content changed: write it together with `beat`. */
  vote?: Vote;
  /** Present when a beat is due. */
  beat?: (loopDelayMs: number, wallMs: number) => Beat;
  /** Monotonic instant at which a `tick` is wanted. */
  wakeAtMs: number;
}

/** One peer may cause one burst per target in this span. */
const HINT_EVERY_MS = 30_000;
/** Beats on new suspicions are at least this far apart. */
const BEAT_GAP_MS = 200;
/** A beat names at most this many suspects, the oldest first: it must stay small when a region of thousands dies. */
const SUSPECTS_MAX = 256;

export const newOwn = (boot: string, replica: string, rules: VantageRules, nowMs: number): Own => ({
  boot,
  replica,
  rules,
  opinions: new Map(),
  bursts: new Map(),
  hintedAtMs: new Map(),
  news: true,
  facts: null,
  alone: { downOnlyHere: 0, others: 0, peers: 0 },
  catchingUpUntilMs: 0,
  vote: voteOf(boot, 0, replica, rules, new Map(), { state: 'ok' }),
  beatN: 0,
  beatAtMs: nowMs,
  beatDue: true,
});

/** One step of the vantage. Total: every input has an answer; unknown keys are ignored (a configuration may just have changed). */
export const observe = (own: Own, input: VantageInput, nowMs: number): VantageStep => {
  const heard = listen(own, input, nowMs);
  return speak(heard, fire(heard, nowMs), nowMs);
};

// ---- hearing ----

const listen = (own: Own, input: VantageInput, nowMs: number): Own => {
  switch (input.kind) {
    case 'look':
      return look(own, input.observation, input.late, nowMs);
    case 'pending': {
      const watched = find(own, input.key);
      return watched === undefined ? own : believe(own, watched, afterPending(opinionOf(own, input.key), input.startedAtMs), nowMs);
    }
    case 'hints':
      return input.keys.reduce((state, key) => hinted(state, input.from, key, nowMs), own);
    case 'others':
      return { ...own, alone: loneliness(own, input.votes) };
    case 'self':
      return { ...own, facts: input.facts };
    case 'rules':
      return adopt(own, input.rules);
    case 'late':
      return caughtOut(own, nowMs);
    case 'tick':
      return own;
  }
};

const byKey = new WeakMap<VantageRules, ReadonlyMap<EndpointKey, Watched>>();
const byTarget = new WeakMap<VantageRules, ReadonlyMap<TargetId, readonly Watched[]>>();

/** Index of a rules value, made once for each: rules are immutable. */
const index = (rules: VantageRules): ReadonlyMap<EndpointKey, Watched> => {
  let map = byKey.get(rules);
  if (map === undefined) {
    map = new Map(rules.watched.map((w) => [w.key, w]));
    byKey.set(rules, map);
  }
  return map;
};

const targets = (rules: VantageRules): ReadonlyMap<TargetId, readonly Watched[]> => {
  let map = byTarget.get(rules);
  if (map === undefined) {
    map = Map.groupBy(rules.watched, (w) => w.target);
    byTarget.set(rules, map);
  }
  return map;
};

const find = (own: Own, key: EndpointKey): Watched | undefined => index(own.rules).get(key);
const opinionOf = (own: Own, key: EndpointKey): Opinion => own.opinions.get(key) ?? freshOpinion;

/** One interval to look at everything once more before this vantage speaks again. */
const caughtOut = (own: Own, nowMs: number): Own => ({ ...own, catchingUpUntilMs: nowMs + own.rules.intervalMs });

const look = (own: Own, observation: Observation, late: boolean, nowMs: number): Own => {
  const awake = late ? caughtOut(own, nowMs) : own;
  const watched = find(awake, observation.key);
  if (watched === undefined) return awake;
  return believe(
    awake,
    watched,
    afterLook(opinionOf(awake, observation.key), observation.startedAtMs, observation.outcome, watched.rule),
    nowMs,
  );
};

const believe = (own: Own, watched: Watched, next: Opinion, nowMs: number): Own => {
  const before = opinionOf(own, watched.key);
  if (next === before) return own;
  own.opinions.set(watched.key, next);
  const state = next.state === before.state ? own : { ...own, news: true };
  if (isSuspect(next) && !isSuspect(before)) return { ...startBurst(state, watched.target, false, nowMs), beatDue: true };
  if (next.state === 'unknown' && !state.bursts.has(watched.target)) return startBurst(state, watched.target, true, nowMs);
  return state;
};

const hinted = (own: Own, from: string, key: EndpointKey, nowMs: number): Own => {
  const watched = find(own, key);
  if (watched === undefined || own.bursts.get(watched.target)?.warm === false || isDoubted(own, watched.target)) return own;
  const guard = `${from} ${watched.target}`;
  const last = own.hintedAtMs.get(guard);
  if (last !== undefined && nowMs - last < HINT_EVERY_MS) return own;
  own.hintedAtMs.set(guard, nowMs);
  return startBurst(own, watched.target, false, nowMs);
};

/** This vantage suspects the target itself: it has had its own burst, and a peer's hint is no news during a long outage. */
const isDoubted = (own: Own, target: TargetId): boolean =>
  (targets(own.rules).get(target) ?? []).some((w) => isSuspect(opinionOf(own, w.key)));

const startBurst = (own: Own, target: TargetId, warm: boolean, nowMs: number): Own => {
  if (own.bursts.get(target)?.warm === false) return own;
  // A confirmation burst looks at once; a warm-up burst has just looked.
  const nextAtMs = warm ? nowMs + own.rules.confirmEveryMs : nowMs;
  own.bursts.set(target, { startedAtMs: nowMs, nextAtMs, untilMs: nowMs + own.rules.burstMs, warm });
  return own;
};

const loneliness = (own: Own, votes: readonly { vote: Vote }[]): Loneliness => {
  const heldDown = new Set(votes.flatMap(({ vote }) => [...vote.down, ...vote.unready]));
  const others = [...targets(own.rules)].filter(([, endpoints]) => endpoints[0]?.home === false).map(([target]) => target);
  const here = new Set([...own.vote.down, ...own.vote.unready]);
  return {
    others: others.length,
    downOnlyHere: others.filter((target) => here.has(target) && !heldDown.has(target)).length,
    peers: votes.length,
  };
};

const adopt = (own: Own, rules: VantageRules): Own => {
  const kept = index(rules);
  return {
    ...own,
    rules,
    opinions: new Map([...own.opinions].filter(([key]) => kept.has(key))),
    bursts: new Map([...own.bursts].filter(([target]) => targets(rules).has(target))),
    hintedAtMs: new Map(),
    news: true,
    beatDue: true,
  };
};

// ---- bursts ----

const fire = (own: Own, nowMs: number): EndpointKey[] => {
  const probes: EndpointKey[] = [];
  for (const [target, burst] of own.bursts) {
    const endpoints = targets(own.rules).get(target) ?? [];
    if (nowMs >= burst.untilMs || endpoints.every((w) => quiet(opinionOf(own, w.key), burst))) own.bursts.delete(target);
    else if (nowMs >= burst.nextAtMs) {
      for (const w of endpoints) probes.push(w.key);
      // From now, not from when it was due: after a late wake-up two looks at one instant would count as two faults.
      own.bursts.set(target, { ...burst, nextAtMs: nowMs + own.rules.confirmEveryMs });
    }
  }
  return probes;
};

/** Nothing more to confirm at this endpoint. */
const quiet = (o: Opinion, burst: Burst): boolean =>
  burst.warm ? o.state !== 'unknown' : !isSuspect(o) && o.lastOkAtMs !== null && o.lastOkAtMs >= burst.startedAtMs;

// ---- speaking ----

const voteOf = (
  boot: string,
  seq: number,
  replica: string,
  rules: VantageRules,
  opinions: ReadonlyMap<EndpointKey, Opinion>,
  self: Self,
): Vote => {
  const down = new Set<TargetId>();
  const unready = new Set<TargetId>();
  const unknown = new Set<TargetId>();
  for (const w of rules.watched) {
    const state = opinions.get(w.key)?.state ?? 'unknown';
    if (state === 'unknown') unknown.add(w.target);
    else if (state === 'down') (w.endpoint === 'healthz' ? down : unready).add(w.target);
  }
  return {
    boot,
    seq,
    configVersion: rules.configVersion,
    self,
    peers: [replica],
    down: [...down].sort(),
    unready: [...unready].sort(),
    unknown: [...unknown].sort(),
  };
};

const speak = (own: Own, probes: readonly EndpointKey[], nowMs: number): VantageStep => {
  const self = judgeSelf(own.facts, own.alone, own.catchingUpUntilMs - nowMs);
  const wanted =
    own.news || !sameSelf(own.vote.self, self) ? voteOf(own.boot, own.vote.seq + 1, own.replica, own.rules, own.opinions, self) : own.vote;
  const changed = own.vote.seq === 0 || (wanted !== own.vote && !sameContent(own.vote, wanted));
  const vote = changed ? wanted : own.vote;
  const due =
    changed || nowMs - own.beatAtMs >= own.rules.beatMs || (own.beatDue && nowMs - own.beatAtMs >= BEAT_GAP_MS) || own.beatN === 0;
  const told: Own = { ...own, vote, news: false };
  const spoken: Own = due ? { ...told, beatN: own.beatN + 1, beatAtMs: nowMs, beatDue: false } : told;
  return {
    own: spoken,
    probes,
    ...(changed ? { vote } : {}),
    ...(due ? { beat: (loopDelayMs: number, wallMs: number) => beatOf(spoken, nowMs, loopDelayMs, wallMs) } : {}),
    wakeAtMs: nextWake(spoken),
  };
};

const nextWake = (own: Own): number => {
  let atMs = own.beatAtMs + (own.beatDue ? BEAT_GAP_MS : own.rules.beatMs);
  for (const burst of own.bursts.values()) atMs = Math.min(atMs, burst.nextAtMs, burst.untilMs);
  return atMs;
};

/** An endpoint may change sides without a change of what its target is said to be; every decision guards votes, so a new sequence has a price. */
const sameContent = (a: Vote, b: Vote): boolean =>
  a.configVersion === b.configVersion &&
  sameSelf(a.self, b.self) &&
  sameList(a.peers, b.peers) &&
  sameList(a.down, b.down) &&
  sameList(a.unready, b.unready) &&
  sameList(a.unknown, b.unknown);

const sameList = (a: readonly string[], b: readonly string[]): boolean => a.length === b.length && a.every((item, i) => item === b[i]);

/** The same state for the same kind of reason: figures inside the sentence change with every look and are no news. */
const sameSelf = (a: Self, b: Self): boolean =>
  a.state === b.state && (a.state === 'ok' || b.state === 'ok' || a.because.replace(/\d+/g, '') === b.because.replace(/\d+/g, ''));

const beatOf = (own: Own, nowMs: number, loopDelayMs: number, wallMs: number): Beat => {
  const suspects = [...own.opinions]
    .filter(([, o]) => isSuspect(o))
    .map(([key, o]): [EndpointKey, Suspicion] => [
      key,
      {
        firstFaultAgeMs: Math.round(nowMs - Math.min(o.firstFaultAtMs ?? nowMs, o.pendingAtMs ?? nowMs)),
        lastOkAgeMs: o.lastOkAtMs === null ? null : Math.round(nowMs - o.lastOkAtMs),
        faults: o.faults,
        reason: o.reason ?? 'pending',
      },
    ])
    .sort(([, a], [, b]) => b.firstFaultAgeMs - a.firstFaultAgeMs)
    .slice(0, SUSPECTS_MAX);
  return {
    boot: own.boot,
    seq: own.vote.seq,
    n: own.beatN,
    configVersion: own.rules.configVersion,
    suspects: Object.fromEntries(suspects),
    loopDelayMs: Math.round(loopDelayMs),
    wallMs: Math.round(wallMs),
  };
};
