// Velocity: orders and returns move at most so much of a service's traffic within a window. Drains of what is dead are not slowed unless a cluster asks for it.
import type { Moved } from '../../src/model.ts';
import { ruleOf } from '../policy.ts';

interface VelocitySettings {
  percent: number;
  windowMs: number;
  onHealth: 'exempt' | 'hold';
}

/** When so much of the window's moves is over that `wanted` more fit below the limit; null: never. */
const roomAtMs = (moves: readonly Moved[], wanted: number, limit: number, windowMs: number): number | null => {
  if (wanted > limit) return null;
  let left = moves.reduce((sum, m) => sum + m.moved, 0);
  for (const m of moves.toSorted((a, b) => a.atMs - b.atMs)) {
    left -= m.moved;
    if (left + wanted <= limit) return m.atMs + windowMs;
  }
  return null;
};

export const velocity = ruleOf<VelocitySettings>({
  kind: 'velocity',
  question: 'How much of a service may be moved by orders and returns within a window?',
  risk: 'low',
  passedBy: 'break-glass',
  mayHoldTheDead: false,
  judges: ['health', 'return', 'order'],
  defaults: { percent: 50, windowMs: 60_000, onHealth: 'exempt' },
  judge({ service, before, after, cause }, { routing }, { percent, windowMs, onHealth }, nowMs) {
    if (cause === 'health' && onHealth === 'exempt') return { allow: true };
    const wanted = Object.entries(after).reduce((sum, [pool, share]) => sum + Math.max(0, share - (before[pool] ?? 0)), 0);
    const moves = (routing.services[service.name]?.moves ?? []).filter(
      (m) => nowMs - m.atMs < windowMs && (m.cause !== 'health' || onHealth === 'hold'),
    );
    const moved = moves.reduce((sum, m) => sum + m.moved, 0);
    const limit = percent * 10;
    // What comes back up, or is dead, moves in steps that nobody can make smaller: one that is larger than the limit takes a window of its own, or it would
    // wait for ever.
    const counts = cause === 'order' ? wanted : Math.min(wanted, limit);
    if (wanted === 0 || moved + counts <= limit) return { allow: true };
    const againAtMs = roomAtMs(moves, counts, limit, windowMs);
    const earlier = moved === 0 ? '' : ` after ${moved / 10} % within ${windowMs / 1000} s`;
    const when = againAtMs === null ? '' : `; again in ${Math.ceil((againAtMs - nowMs) / 1000)} s`;
    return {
      allow: false,
      because: `it would move ${wanted / 10} % of ${service.name}${earlier} (limit ${percent} % per ${windowMs / 1000} s)${when}`,
      againAtMs,
      counterfactual: `with a limit of ${Math.ceil((moved + wanted) / 10)} % it would have passed`,
    };
  },
});
