// How much time the cores of this machine had left, whoever took the rest: between two instants, and not as an average of the minute that went before.
import { cpus } from 'node:os';

const EVERY_MS = 100;

interface Count {
  atMs: number;
  idle: number;
  all: number;
}

export interface Idle extends Disposable {
  /** From 0 to 1, over a span that it has watched. */
  share(span: { startMs: number; endMs: number }): number;
}

const countOf = (): Count => {
  const times = cpus().map((core) => core.times);
  const sum = (of: (time: (typeof times)[number]) => number): number => times.reduce((total, time) => total + of(time), 0);
  return { atMs: Date.now(), idle: sum(({ idle }) => idle), all: sum(({ user, nice, sys, idle, irq }) => user + nice + sys + idle + irq) };
};

/** Watches from now on. */
export const startIdle = (): Idle => {
  const counts = [countOf()];
  const timer = setInterval(() => counts.push(countOf()), EVERY_MS);
  return {
    share({ startMs, endMs }) {
      counts.push(countOf());
      const first = counts.findLast(({ atMs }) => atMs <= startMs) ?? counts[0]!;
      const last = counts.find(({ atMs }) => atMs >= endMs) ?? counts.at(-1)!;
      return last.all === first.all ? 1 : (last.idle - first.idle) / (last.all - first.all);
    },
    [Symbol.dispose]: () => clearInterval(timer),
  };
};
