// Bursts of looks beside the schedule, and which of them comes next. A look must cost the same whether ten or ten thousand bursts are under way: a region
// that dies with all its targets may not delay looks at the others. Pure; changed in place, like everything an `Own` remembers.
import type { TargetId } from '../model.ts';

export interface Burst {
  startedAtMs: number;
  nextAtMs: number;
  untilMs: number;
  everyMs: number;
  /** A warm-up burst ends with enough looks, a confirmation burst with a success of each endpoint. */
  warm: boolean;
}

/** A burst at the instant that it wants attention. Void once another burst of the target, or none, has taken its place. */
interface Turn {
  atMs: number;
  target: TargetId;
  burst: Burst;
}

export interface Bursts {
  /** In the order in which they began. */
  readonly under: Map<TargetId, { burst: Burst; place: number }>;
  /** A heap: no turn comes before its parent, which is at half its index. */
  readonly turns: Turn[];
  begun: number;
}

export const noBursts = (): Bursts => ({ under: new Map(), turns: [], begun: 0 });

export const burstOf = (bursts: Bursts, target: TargetId): Burst | undefined => bursts.under.get(target)?.burst;

/** In place of the target's burst, if it has one. */
export const putBurst = (bursts: Bursts, target: TargetId, burst: Burst): void => {
  const place = bursts.under.get(target)?.place ?? bursts.begun++;
  bursts.under.set(target, { burst, place });
  push(bursts.turns, { atMs: Math.min(burst.nextAtMs, burst.untilMs), target, burst });
};

export const endBurst = (bursts: Bursts, target: TargetId): void => {
  bursts.under.delete(target);
};

/** Ends those that `ends` says. Asks all: for a change of everything. */
export const sift = (bursts: Bursts, ends: (target: TargetId, burst: Burst) => boolean): void => {
  for (const [target, { burst }] of bursts.under) if (ends(target, burst)) endBurst(bursts, target);
};

/** Those whose turn has come, in the order in which they began. Each is put again, or ended, by who asks. */
export const takeDue = (bursts: Bursts, nowMs: number): readonly { target: TargetId; burst: Burst }[] => {
  const due: { target: TargetId; burst: Burst; place: number }[] = [];
  for (let next = first(bursts); next !== undefined && next.atMs <= nowMs; next = first(bursts)) {
    pop(bursts.turns);
    due.push({ target: next.target, burst: next.burst, place: bursts.under.get(next.target)?.place ?? 0 });
  }
  return due.sort((a, b) => a.place - b.place);
};

/** When the next turn comes; infinite: never. */
export const nextTurnMs = (bursts: Bursts): number => first(bursts)?.atMs ?? Number.POSITIVE_INFINITY;

const first = ({ turns, under }: Bursts): Turn | undefined => {
  while (turns[0] !== undefined && under.get(turns[0].target)?.burst !== turns[0].burst) pop(turns);
  return turns[0];
};

const push = (turns: Turn[], turn: Turn): void => {
  let at = turns.length;
  for (let up = (at - 1) >> 1; at > 0 && turns[up]!.atMs > turn.atMs; up = (at - 1) >> 1) {
    turns[at] = turns[up]!;
    at = up;
  }
  turns[at] = turn;
};

/** Takes the first away: the last one sinks from its place. */
const pop = (turns: Turn[]): void => {
  const last = turns.pop();
  if (last === undefined || turns.length === 0) return;
  let at = 0;
  for (let down = 1; down < turns.length; down = 2 * at + 1) {
    if (down + 1 < turns.length && turns[down + 1]!.atMs < turns[down]!.atMs) down += 1;
    if (turns[down]!.atMs >= last.atMs) break;
    turns[at] = turns[down]!;
    at = down;
  }
  turns[at] = last;
};
