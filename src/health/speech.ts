// What a vantage says, from what it believes: the vote, whose sequence rises only with its content, and the beat that keeps it fresh. Boot number,
// newest revision seen and signature are added by who writes them down (src/probe/voice.ts). Pure.
import type { Beat, EndpointKey, Self, Suspicion, TargetId, Vote } from '../model.ts';
import type { Gray } from './gray.ts';
import { isSuspect, type Opinion } from './opinion.ts';
import { targetsOf, type VantageRules } from './watched.ts';

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
  /** Name what it does not own as unknown: who counts may be of 0.1, and take what a vote does not mention for up. */
  spellOut: boolean;
}

/** A beat names at most this many suspects, the oldest first: it must stay small when a region of thousands dies. */
const SUSPECTS_MAX = 256;

export const voteOf = (own: Speaking, seq: number, self: Self): Vote => {
  const { rules, all } = own;
  const down = new Set<TargetId>();
  const unready = new Set<TargetId>();
  const unknown = new Set<TargetId>();
  const gray = rules.watched.map((w) => w.key).filter((key) => own.gray.get(key)?.gray === true);
  for (const w of rules.watched) {
    const state = own.opinions.get(w.key)?.state ?? 'unknown';
    if (state === 'unknown') unknown.add(w.target);
    else if (state === 'down') (w.endpoint === 'healthz' ? down : unready).add(w.target);
  }
  if (own.spellOut && rules !== all) {
    const mine = targetsOf(rules);
    for (const target of targetsOf(all).keys()) if (!mine.has(target)) unknown.add(target);
  }
  return {
    boot: own.boot,
    seq,
    configVersion: rules.configVersion,
    ...(rules.configHash === undefined ? {} : { configHash: rules.configHash }),
    self,
    peers: own.peers,
    down: [...down].sort(),
    unready: [...unready].sort(),
    unknown: [...unknown].sort(),
    ...(gray.length === 0 ? {} : { gray: gray.sort() }),
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
  a.length === b.length && a.every((item, i) => item === b[i]);

/** The same state for the same kind of reason: figures inside the sentence change with every look and are no news. */
export const sameSelf = (a: Self, b: Self): boolean =>
  a.state === b.state && (a.state === 'ok' || b.state === 'ok' || a.because.replace(/\d+/g, '') === b.because.replace(/\d+/g, ''));

export const beatOf = (own: Speaking, seq: number, n: number, nowMs: number, loopDelayMs: number, wallMs: number): Beat => {
  const { rules } = own;
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
    seq,
    n,
    configVersion: rules.configVersion,
    ...(rules.configHash === undefined ? {} : { configHash: rules.configHash }),
    suspects: Object.fromEntries(suspects),
    loopDelayMs: Math.round(loopDelayMs),
    wallMs: Math.round(wallMs),
  };
};
