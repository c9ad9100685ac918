// Blast radius: counts regions that automation has newly drained, so that many services falling together count once. Orders by humans are not counted.
import { ruleOf } from '../policy.ts';

export const blastRadius = ruleOf<{ regions: number; windowMs: number }>({
  kind: 'blast-radius',
  question: 'How many regions may automation drain within a window?',
  risk: 'high',
  passedBy: 'break-glass',
  mayHoldTheDead: true,
  judges: ['health'],
  defaults: { regions: 1, windowMs: 60_000 },
  judge({ drains }, { routing }, { regions: limit, windowMs }, nowMs) {
    const inWindow = Object.entries(routing.regionDrainsAtMs).filter(([, atMs]) => nowMs - atMs < windowMs);
    const fresh = drains.filter((region) => !inWindow.some(([known]) => known === region));
    const total = inWindow.length + fresh.length;
    if (fresh.length === 0 || total <= limit) return { allow: true };
    const againAtMs = Math.min(...inWindow.map(([, atMs]) => atMs), nowMs) + windowMs;
    const waitS = Math.ceil((againAtMs - nowMs) / 1000);
    return {
      allow: false,
      because: `${total} regions drained within ${windowMs / 1000} s (limit ${limit}): ${[...inWindow.map(([r]) => r), ...fresh].join(', ')}; again in ${waitS} s`,
      againAtMs,
      counterfactual: `with ${total} regions allowed per window it would have passed now`,
    };
  },
});
