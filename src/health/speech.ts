// What a vantage says, from what it believes: the vote, whose sequence rises only with its content, and the beat that keeps it fresh. Boot number,
// newest revision seen and signature are added by who writes them down (src/probe/voice.ts). Pure.
import type { Beat, EndpointKey, Self, Suspicion, TargetId, Vote } from '../model.ts';
import type { Gray } from './gray.ts';
import { freshOpinion, type Opinion } from './opinion.ts';
import { targetsOf, type VantageRules, type Watched } from './watched.ts';

/** Who speaks, and of what. */
export interface Speaking {
  boot: string;
  peers: readonly string[];
  /** What it owns. */
  rules: VantageRules;
  /** What its region looks at. */
  all: VantageRules;
  opinions: ReadonlyMap<EndpointKey, Opinion>;
  gray: ReadonlyMap<EndpointKey, Gray>;
  /** Endpoints under suspicion and not held down, in the order in which it fell on them. */
  suspects: ReadonlySet<EndpointKey>;
  /** Endpoints held down, in the order in which they were. The vote says so; a beat adds since when. */
  fallen: ReadonlySet<EndpointKey>;
  lists: Lists;
  /** Name what it does not own as unknown: who counts may be of 0.1, and take what a vote does not mention for up. */
  spellOut: boolean;
}

/** A beat names at most this many endpoints, those first suspected: it must stay small, and cheap, when a region of thousands dies. */
const SUSPECTS_MAX = 256;
/** Of those that have been failing for long, only so many: all that is to be decided of them has been, and a region may stay dead for days. */
const LONG_DOWN_MAX = 32;
const LONG_MS = 120_000;

/** What a vote names, sorted. */
export interface Lists {
  readonly down: readonly TargetId[];
  readonly unready: readonly TargetId[];
  readonly unknown: readonly TargetId[];
  readonly gray: readonly EndpointKey[];
}

const stateOf = ({ opinions }: Pick<Speaking, 'opinions'>, { key }: Watched): Opinion['state'] => opinions.get(key)?.state ?? 'unknown';

/** Counted anew, over everything: when what is looked at has changed. */
export const listsOf = (own: Omit<Speaking, 'lists'>): Lists => {
  const { rules, all } = own;
  const down = new Set<TargetId>();
  const unready = new Set<TargetId>();
  const unknown = new Set<TargetId>();
  for (const w of rules.watched) {
    const state = stateOf(own, w);
    if (state === 'unknown') unknown.add(w.target);
    else if (state === 'down') (w.endpoint === 'healthz' ? down : unready).add(w.target);
  }
  if (own.spellOut && rules !== all) {
    const mine = targetsOf(rules);
    for (const target of targetsOf(all).keys()) if (!mine.has(target)) unknown.add(target);
  }
  const gray = rules.watched.map((w) => w.key).filter((key) => own.gray.get(key)?.gray === true);
  return { down: [...down].sort(), unready: [...unready].sort(), unknown: [...unknown].sort(), gray: gray.sort() };
};

/** After the state of one endpoint has changed. Thousands do so at once when a region dies, and each must not be a count of everything. */
export const relisted = (own: Speaking, watched: Watched): Lists => {
  const { target, endpoint } = watched;
  const isDown = stateOf(own, watched) === 'down';
  const isUnknown = (targetsOf(own.rules).get(target) ?? []).some((w) => stateOf(own, w) === 'unknown');
  const { down, unready, unknown } = own.lists;
  return {
    ...own.lists,
    down: endpoint === 'healthz' ? placed(down, target, isDown) : down,
    unready: endpoint === 'readyz' ? placed(unready, target, isDown) : unready,
    unknown: placed(unknown, target, isUnknown),
  };
};

/** A sorted list with this item, or without it. */
export const placed = (list: readonly string[], item: string, wanted: boolean): readonly string[] => {
  let [low, high] = [0, list.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (list[middle]! < item) low = middle + 1;
    else high = middle;
  }
  if ((list[low] === item) === wanted) return list;
  return wanted ? list.toSpliced(low, 0, item) : list.toSpliced(low, 1);
};

export const voteOf = (own: Speaking, seq: number, self: Self): Vote => {
  const { rules } = own;
  const { gray, ...lists } = own.lists;
  return {
    boot: own.boot,
    seq,
    configVersion: rules.configVersion,
    ...(rules.configHash === undefined ? {} : { configHash: rules.configHash }),
    self,
    peers: own.peers,
    ...lists,
    ...(gray.length === 0 ? {} : { gray }),
  };
};

/** An endpoint may change sides without a change of what its target is said to be; every decision guards votes, so a new sequence has a price. */
export const sameContent = (a: Vote, b: Vote): boolean =>
  a.configVersion === b.configVersion &&
  a.configHash === b.configHash &&
  sameSelf(a.self, b.self) &&
  sameList(a.peers, b.peers) &&
  sameList(a.down, b.down) &&
  sameList(a.unready, b.unready) &&
  sameList(a.unknown, b.unknown) &&
  sameList(a.gray ?? [], b.gray ?? []);

export const sameList = (a: readonly string[], b: readonly string[]): boolean =>
  a === b || (a.length === b.length && a.every((item, i) => item === b[i]));

/** The same state for the same kind of reason: figures inside the sentence change with every look and are no news. */
export const sameSelf = (a: Self, b: Self): boolean =>
  a.state === b.state && (a.state === 'ok' || b.state === 'ok' || a.because.replace(/\d+/g, '') === b.because.replace(/\d+/g, ''));

/** What is only suspected comes first: no vote tells that, and who has a dead region must still hear of doubts about the next one. */
const namedIn = (own: Speaking, nowMs: number): readonly EndpointKey[] => {
  const named = [...own.suspects.values().take(SUSPECTS_MAX)];
  let long = 0;
  for (const key of own.fallen) {
    if (named.length >= SUSPECTS_MAX) break;
    const isLong = nowMs - (own.opinions.get(key)?.firstFaultAtMs ?? nowMs) > LONG_MS;
    if (isLong && ++long > LONG_DOWN_MAX) continue;
    named.push(key);
  }
  return named;
};

export const beatOf = (own: Speaking, seq: number, n: number, nowMs: number, loopDelayMs: number, wallMs: number): Beat => {
  const { rules } = own;
  const suspects = namedIn(own, nowMs)
    .map((key): [EndpointKey, Suspicion] => {
      const o = own.opinions.get(key) ?? freshOpinion;
      return [
        key,
        {
          firstFaultAgeMs: Math.round(nowMs - Math.min(o.firstFaultAtMs ?? nowMs, o.pendingAtMs ?? nowMs)),
          lastOkAgeMs: o.lastOkAtMs === null ? null : Math.round(nowMs - o.lastOkAtMs),
          faults: o.faults,
          reason: o.reason ?? 'pending',
        },
      ];
    })
    .sort(([, a], [, b]) => b.firstFaultAgeMs - a.firstFaultAgeMs);
  return {
    boot: own.boot,
    seq,
    n,
    configVersion: rules.configVersion,
    ...(rules.configHash === undefined ? {} : { configHash: rules.configHash }),
    suspects: Object.fromEntries(suspects),
    loopDelayMs: Math.round(loopDelayMs),
    wallMs: Math.round(wallMs),
  };
};
