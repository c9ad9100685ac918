// The vantage machine: observations in; vote, beat and probes to make now out. Pure: time is an argument, the shell owns clocks, sockets and the store.
// Suspicion (a fault, or a probe pending too long) starts a burst of confirmation probes of both endpoints of the target, here and, through the beat,
// in every other vantage. The replicas of a region share its targets: this one looks at what it owns among its `peers`, and says nothing of the rest.
// Who is a peer is the shell's finding (src/probe/siblings.ts).
import type { Beat, EndpointKey, Observation, TargetId, Vote } from '../model.ts';
import { isCutOff, judgeSelf, type Loneliness, type SelfFacts } from './abstain.ts';
import { type Burst, type Bursts, burstOf, endBurst, nextTurnMs, noBursts, putBurst, sift, takeDue } from './bursts.ts';
import { afterLookAmid, type Gray, NOT_GRAY } from './gray.ts';
import { afterLook, afterPending, freshOpinion, isSuspect, type Opinion } from './opinion.ts';
import { type Restraint, restrained, UNRESTRAINED } from './restraint.ts';
import { beatOf, type Lists, listsOf, placed, relisted, sameContent, sameList, sameSelf, voteOf } from './speech.ts';
import { endpointsOf, othersOf, shareOf, targetsOf, type VantageRules, type Watched } from './watched.ts';

/**
 * Everything a vantage remembers; `rules` is what it owns of the configuration it was made for. `observe` consumes the value it is given: its maps are
 * changed in place, because a copy of ten thousand opinions per look would cost more than the probe.
 */
export interface Own {
  boot: string;
  replica: string;
  /** Among whom the targets are shared, sorted; always with this replica. */
  peers: readonly string[];
  /** What the region looks at. */
  all: VantageRules;
  rules: VantageRules;
  /** It has been told once who else there is. */
  acquainted: boolean;
  restraint: Restraint;
  spellOut: boolean;
  /** What follows from the opinions and from `gray`: kept up, not counted, since a region may die with thousands of targets at once. */
  suspects: Set<EndpointKey>;
  fallen: Set<EndpointKey>;
  lists: Lists;
  opinions: Map<EndpointKey, Opinion>;
  /** Only what something is held against. */
  gray: Map<EndpointKey, Gray>;
  bursts: Bursts;
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

/** Who else runs in this region, as the shell finds. */
export interface Company {
  /** Replicas among which the targets are shared, sorted, this one among them. */
  peers: readonly string[];
  /** A replica of 0.1 that speaks for the whole region. */
  elder: string | null;
  /** A replica of 0.1 runs somewhere, and may be the one that counts. */
  spellOut: boolean;
}

export type VantageInput =
  /** `scheduled`: it was its turn; else it was made for a reason. */
  | { kind: 'look'; observation: Observation; late: boolean; scheduled: boolean }
  | { kind: 'pending'; key: EndpointKey; startedAtMs: number }
  | { kind: 'hints'; from: string; keys: readonly EndpointKey[] }
  | { kind: 'others'; votes: readonly { region: string; vote: Vote }[] }
  | { kind: 'company'; company: Company }
  /** Why the configuration held is in doubt; null: it no longer is. */
  | { kind: 'conflict'; because: string | null }
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
  /**
   * Present when a beat is due. Made when it is written, of what is believed by then: a region that dies makes thousands of them due while one is on its
   * way, and each costs more than the look that it tells of.
   */
  beat?: (nowMs: number, loopDelayMs: number, wallMs: number) => Beat;
  /** Monotonic instant at which a `tick` is wanted. */
  wakeAtMs: number;
}

/** One peer may cause one burst per target in this span. */
const HINT_EVERY_MS = 30_000;
/** Beats on new suspicions are at least this far apart. */
const BEAT_GAP_MS = 200;
/**
 * With more endpoints than this in doubt at once there is not room for a look at each whenever one is wanted: then those that are held down already are
 * left to the schedule, so that there is room for those that are not.
 */
const CROWD = 500;
/** Looks at a target that has just been gained come this much faster than confirmations: it may be spoken for within a second. */
const GAINED_PACE = 0.35;
/** Gained targets start to warm up so many at a time: a share of a thousand must not be looked at in one instant. */
const GAINED_AT_ONCE = 25;
const GAINED_EVERY_MS = 100;

export const newOwn = (boot: string, replica: string, rules: VantageRules, nowMs: number): Own => {
  const [opinions, gray] = [new Map<EndpointKey, Opinion>(), new Map<EndpointKey, Gray>()];
  const doubts = { suspects: new Set<EndpointKey>(), fallen: new Set<EndpointKey>() };
  const silent = { boot, peers: [replica], rules, all: rules, opinions, gray, ...doubts, spellOut: false };
  const speaking = { ...silent, lists: listsOf(silent) };
  return {
    ...speaking,
    replica,
    acquainted: false,
    restraint: UNRESTRAINED,
    bursts: noBursts(),
    hintedAtMs: new Map(),
    news: true,
    facts: null,
    alone: { downOnlyHere: 0, others: 0, peers: 0 },
    catchingUpUntilMs: 0,
    vote: voteOf(speaking, 0, { state: 'ok' }),
    beatN: 0,
    beatAtMs: nowMs,
    beatDue: true,
  };
};

/** One step of the vantage. Total: every input has an answer; unknown keys are ignored (a configuration may just have changed). */
export const observe = (own: Own, input: VantageInput, nowMs: number): VantageStep => {
  const heard = listen(own, input, nowMs);
  return speak(heard, fire(heard, input, nowMs), nowMs);
};

// ---- hearing ----

const listen = (own: Own, input: VantageInput, nowMs: number): Own => {
  switch (input.kind) {
    case 'look':
      return look(own, input.observation, input, nowMs);
    case 'pending': {
      const watched = find(own, input.key);
      return watched === undefined ? own : believe(own, watched, afterPending(opinionOf(own, input.key), input.startedAtMs), nowMs);
    }
    case 'hints':
      return input.keys.reduce((state, key) => hinted(state, input.from, key, nowMs), own);
    case 'others':
      return { ...own, alone: loneliness(own, input.votes) };
    case 'self':
      return checked(own, input.facts, nowMs);
    case 'rules':
      return rescheduled(adopt({ ...own, all: input.rules }, shareOf(input.rules, own.peers, own.replica)), nowMs);
    case 'company':
      return acquaint(own, input.company, nowMs);
    case 'conflict':
      return { ...own, restraint: { ...own.restraint, conflict: input.because } };
    case 'late':
      return caughtOut(own, nowMs);
    case 'tick':
      return own;
  }
};

const find = (own: Own, key: EndpointKey): Watched | undefined => endpointsOf(own.rules).get(key);
const opinionOf = (own: Own, key: EndpointKey): Opinion => own.opinions.get(key) ?? freshOpinion;

/** One interval to look at everything once more before this vantage speaks again. */
const caughtOut = (own: Own, nowMs: number): Own => ({ ...own, catchingUpUntilMs: nowMs + own.rules.intervalMs });

/** When the uplink comes back, a majority may have been cut off together: what each believes of the others is as old as the cut. */
const checked = (own: Own, facts: SelfFacts, nowMs: number): Own => {
  const isBack = own.facts !== null && isCutOff(own.facts) && !isCutOff(facts);
  return isBack ? { ...own, facts, restraint: { ...own.restraint, healingUntilMs: nowMs + own.rules.intervalMs } } : { ...own, facts };
};

const look = (own: Own, observation: Observation, { late, scheduled }: { late: boolean; scheduled: boolean }, nowMs: number): Own => {
  const awake = late ? caughtOut(own, nowMs) : own;
  const { key, startedAtMs, outcome } = observation;
  const watched = find(awake, key);
  if (watched === undefined) return awake;
  const before = opinionOf(awake, key);
  const judged = scheduled ? rated(awake, observation, before) : awake;
  return believe(judged, watched, afterLook(before, startedAtMs, outcome, watched.rule), nowMs);
};

/** What a scheduled look says of the endpoint's error rate. A vantage that doubts itself holds nothing against others meanwhile. */
const rated = (own: Own, { key, startedAtMs, outcome }: Observation, before: Opinion): Own => {
  const rule = own.rules.gray;
  if (rule === undefined || own.vote.self.state !== 'ok') return own;
  const held = own.gray.get(key) ?? NOT_GRAY;
  const next = afterLookAmid(held, before, startedAtMs, outcome.saw, rule);
  if (next.evidence > 0) own.gray.set(key, next);
  else own.gray.delete(key);
  return next.gray === held.gray ? own : { ...own, news: true, lists: { ...own.lists, gray: placed(own.lists.gray, key, next.gray) } };
};

const believe = (own: Own, watched: Watched, next: Opinion, nowMs: number): Own => {
  const before = opinionOf(own, watched.key);
  if (next === before) return own;
  own.opinions.set(watched.key, next);
  const [into, outOf] = next.state === 'down' ? [own.fallen, own.suspects] : [own.suspects, own.fallen];
  outOf.delete(watched.key);
  if (isSuspect(next)) into.add(watched.key);
  else into.delete(watched.key);
  const state = next.state === before.state ? own : { ...own, news: true, lists: relisted(own, watched) };
  if (isSuspect(next) && !isSuspect(before)) return { ...startBurst(state, watched.target, false, nowMs), beatDue: true };
  if (next.state === 'unknown' && burstOf(state.bursts, watched.target) === undefined)
    return startBurst(state, watched.target, true, nowMs);
  return state;
};

const hinted = (own: Own, from: string, key: EndpointKey, nowMs: number): Own => {
  const watched = find(own, key);
  if (watched === undefined || burstOf(own.bursts, watched.target)?.warm === false || isDoubted(own, watched.target)) return own;
  const guard = `${from} ${watched.target}`;
  const last = own.hintedAtMs.get(guard);
  if (last !== undefined && nowMs - last < HINT_EVERY_MS) return own;
  own.hintedAtMs.set(guard, nowMs);
  return startBurst(own, watched.target, false, nowMs);
};

/** This vantage suspects the target itself: it has had its own burst, and a peer's hint is no news during a long outage. */
const isDoubted = (own: Own, target: TargetId): boolean =>
  (targetsOf(own.rules).get(target) ?? []).some((w) => isSuspect(opinionOf(own, w.key)));

const startBurst = (own: Own, target: TargetId, warm: boolean, nowMs: number): Own => {
  if (burstOf(own.bursts, target)?.warm === false) return own;
  // A confirmation burst looks at once; a warm-up burst has just looked.
  const nextAtMs = warm ? nowMs + own.rules.confirmEveryMs : nowMs;
  putBurst(own.bursts, target, {
    startedAtMs: nowMs,
    nextAtMs,
    untilMs: nowMs + own.rules.burstMs,
    everyMs: own.rules.confirmEveryMs,
    warm,
  });
  return own;
};

const loneliness = (own: Own, votes: readonly { vote: Vote }[]): Loneliness => {
  const others = othersOf(own.rules);
  const here = new Set([...own.vote.down, ...own.vote.unready]).intersection(others);
  // Mostly nothing is held down, whatever the others say.
  const heldDown = here.size === 0 ? here : new Set(votes.flatMap(({ vote }) => [...vote.down, ...vote.unready]));
  return { others: others.size, downOnlyHere: here.difference(heldDown).size, peers: votes.length };
};

/** New rules, or another share of them: what is no longer owned is forgotten at once. */
const adopt = (own: Own, rules: VantageRules): Own => {
  const kept = endpointsOf(rules);
  const next: Own = {
    ...own,
    rules,
    opinions: new Map([...own.opinions].filter(([key]) => kept.has(key))),
    suspects: own.suspects.intersection(kept),
    fallen: own.fallen.intersection(kept),
    gray: new Map(rules.gray === undefined ? [] : [...own.gray].filter(([key]) => kept.has(key))),
    hintedAtMs: new Map(),
    news: true,
    beatDue: true,
  };
  sift(next.bursts, (target, burst) => isQuiet(next, target, burst));
  return { ...next, lists: listsOf(next) };
};

/** Whoever keeps silent until everything was looked at once more begins that anew: under another schedule what is left comes at another moment of the interval. */
const rescheduled = (own: Own, nowMs: number): Own => {
  const wholeMs = nowMs + own.rules.intervalMs;
  const until = (ms: number): number => (ms > nowMs ? Math.max(ms, wholeMs) : ms);
  const { restraint, catchingUpUntilMs } = own;
  const healingUntilMs = restraint.healingUntilMs === null ? null : until(restraint.healingUntilMs);
  return { ...own, catchingUpUntilMs: until(catchingUpUntilMs), restraint: { ...restraint, healingUntilMs } };
};

// ---- company ----

const acquaint = (own: Own, { peers, elder, spellOut }: Company, nowMs: number): Own => {
  const { restraint } = own;
  const isNew = !own.acquainted && peers.length > 1;
  const joiningUntilMs = peers.length === 1 ? null : isNew ? nowMs + 2 * own.rules.intervalMs : restraint.joiningUntilMs;
  const next: Own = {
    ...own,
    acquainted: true,
    spellOut,
    news: own.news || spellOut !== own.spellOut,
    restraint: { ...restraint, elder, joiningUntilMs },
  };
  if (sameList(peers, own.peers)) return spellOut === own.spellOut ? next : { ...next, lists: listsOf(next) };
  const sharing = adopt({ ...next, peers }, shareOf(own.all, peers, own.replica));
  const before = targetsOf(own.rules);
  const gained = [...targetsOf(sharing.rules).keys()].filter((target) => isNew || !before.has(target));
  return warmUp(sharing, gained, nowMs);
};

/** Looks at gained targets at once and often: until each has had its k looks, nobody speaks for them. */
const warmUp = (own: Own, gained: readonly TargetId[], nowMs: number): Own => {
  for (const [i, target] of gained.entries()) {
    const startedAtMs = nowMs + Math.floor(i / GAINED_AT_ONCE) * GAINED_EVERY_MS;
    const everyMs = Math.round(GAINED_PACE * own.rules.confirmEveryMs);
    const burst = { startedAtMs, nextAtMs: startedAtMs, untilMs: startedAtMs + own.rules.burstMs, everyMs, warm: true };
    putBurst(own.bursts, target, burst);
    if (isQuiet(own, target, burst)) endBurst(own.bursts, target);
  }
  return own;
};

const isWarm = (own: Own): boolean => own.rules.watched.every((w) => opinionOf(own, w.key).state !== 'unknown');

/** Its siblings need not speak for it any longer. */
const joined = (own: Own, nowMs: number): Own => {
  const { joiningUntilMs } = own.restraint;
  if (joiningUntilMs === null || (nowMs < joiningUntilMs && !(own.news && isWarm(own)))) return own;
  return { ...own, restraint: { ...own.restraint, joiningUntilMs: null } };
};

// ---- bursts ----

const fire = (own: Own, input: VantageInput, nowMs: number): EndpointKey[] => {
  const seen = seenBy(own, input);
  const burst = seen === undefined ? undefined : burstOf(own.bursts, seen.target);
  if (seen !== undefined && burst !== undefined && isQuiet(own, seen.target, burst)) endBurst(own.bursts, seen.target);
  const isCrowded = own.suspects.size + own.fallen.size > CROWD;
  const probes: EndpointKey[] = [];
  for (const due of takeDue(own.bursts, nowMs)) {
    if (nowMs >= due.burst.untilMs) {
      endBurst(own.bursts, due.target);
      continue;
    }
    for (const { key } of targetsOf(own.rules).get(due.target) ?? []) if (!isCrowded || !own.fallen.has(key)) probes.push(key);
    // From now, not from when it was due: after a late wake-up two looks at one instant would count as two faults.
    putBurst(own.bursts, due.target, { ...due.burst, nextAtMs: nowMs + due.burst.everyMs });
  }
  return probes;
};

/** The endpoint of which an input may have changed the opinion. */
const seenBy = (own: Own, input: VantageInput): Watched | undefined => {
  if (input.kind === 'look') return find(own, input.observation.key);
  return input.kind === 'pending' ? find(own, input.key) : undefined;
};

const isQuiet = (own: Own, target: TargetId, burst: Burst): boolean =>
  (targetsOf(own.rules).get(target) ?? []).every((w) => quiet(opinionOf(own, w.key), burst));

/** Nothing more to confirm at this endpoint. */
const quiet = (o: Opinion, burst: Burst): boolean =>
  burst.warm ? o.state !== 'unknown' : !isSuspect(o) && o.lastOkAtMs !== null && o.lastOkAtMs >= burst.startedAtMs;

// ---- speaking ----

const speak = (heard: Own, probes: readonly EndpointKey[], nowMs: number): VantageStep => {
  const own = joined(heard, nowMs);
  const self = restrained(own.restraint, nowMs) ?? judgeSelf(own.facts, own.alone, own.catchingUpUntilMs - nowMs);
  const wanted = own.news || !sameSelf(own.vote.self, self) ? voteOf(own, own.vote.seq + 1, self) : own.vote;
  const changed = own.vote.seq === 0 || (wanted !== own.vote && !sameContent(own.vote, wanted));
  const vote = changed ? wanted : own.vote;
  const due =
    changed || nowMs - own.beatAtMs >= own.rules.beatMs || (own.beatDue && nowMs - own.beatAtMs >= BEAT_GAP_MS) || own.beatN === 0;
  const told: Own = own.news || changed ? { ...own, vote, news: false } : own;
  const spoken: Own = due ? { ...told, beatN: own.beatN + 1, beatAtMs: nowMs, beatDue: false } : told;
  // Most inputs change nothing that is said.
  if (!due) return { own: spoken, probes, wakeAtMs: nextWake(spoken) };
  const beat: VantageStep['beat'] = (atMs, loopDelayMs, wallMs) => beatOf(spoken, vote.seq, spoken.beatN, atMs, loopDelayMs, wallMs);
  return { own: spoken, probes, beat, wakeAtMs: nextWake(spoken), ...(changed ? { vote } : {}) };
};

const nextWake = (own: Own): number => {
  let atMs = own.beatAtMs + (own.beatDue ? BEAT_GAP_MS : own.rules.beatMs);
  const { healingUntilMs } = own.restraint;
  if (healingUntilMs !== null && healingUntilMs > own.beatAtMs) atMs = Math.min(atMs, healingUntilMs);
  if (own.restraint.joiningUntilMs !== null) atMs = Math.min(atMs, own.restraint.joiningUntilMs);
  return Math.min(atMs, nextTurnMs(own.bursts));
};
