// One read asked of one member, and of another when the first fails or keeps us waiting; the first answer counts. Only for reads: asking twice is free.
import { DeadlineError, type Timer, type Timers } from '../../ports.ts';
import type { Member, Roster } from './roster.ts';

/** Asked at most so often for one read. */
const ASKED_MAX = 3;

export interface HedgeOptions<T> {
  timers: Timers;
  roster: Roster;
  /** Another member is asked after this long. */
  patienceMs: number;
  ask(member: Member, signal: AbortSignal): Promise<T>;
  /** Another member would say the same. */
  isFinal(error: unknown): boolean;
  signal: AbortSignal;
}

/** Rejects with the last failure, or with the signal's reason. Members that kept us waiting are blamed. */
export const firstAnswer = <T>({ timers, roster, patienceMs, ask, isFinal, signal }: HedgeOptions<T>): Promise<T> =>
  new Promise((resolve, reject) => {
    const over = new AbortController();
    const within = AbortSignal.any([signal, over.signal]);
    /** With who is being asked, whether he has kept us waiting. */
    const running = new Map<Member, boolean>();
    let asked = 0;
    /** Ends the search for another member. */
    let seeking: AbortController | null = null;
    let patience: Timer | null = null;

    const settle = (): void => {
      patience?.cancel();
      over.abort(new Error('answered'));
    };
    const fail = (error: unknown): void => {
      settle();
      reject(error);
    };
    const onAnswer = (member: Member, answer: T): void => {
      running.delete(member);
      for (const [other, slow] of running) if (slow) other.blame('kept us waiting until another member answered');
      settle();
      resolve(answer);
    };
    const onFailure = (member: Member, error: unknown): void => {
      running.delete(member);
      if (signal.aborted && signal.reason instanceof DeadlineError) member.blame(signal.reason.message);
      if (within.aborted || isFinal(error) || (running.size === 0 && asked >= ASKED_MAX)) fail(error);
      else void another();
    };
    const another = async (): Promise<void> => {
      seeking?.abort();
      if (asked >= ASKED_MAX) return;
      const search = new AbortController();
      seeking = search;
      try {
        const member = await roster.anyGood(AbortSignal.any([within, search.signal]), running);
        asked += 1;
        running.set(member, false);
        patience?.cancel();
        patience = timers.after(patienceMs, () => {
          for (const waiting of running.keys()) running.set(waiting, true);
          void another();
        });
        ask(member, within).then(
          (answer) => onAnswer(member, answer),
          (error) => onFailure(member, error),
        );
      } catch (error) {
        if (!search.signal.aborted && running.size === 0) fail(error);
      }
    };
    void another();
  });
