// Blast radius: at most so many regions are newly drained by automation within a window, over all services. Counts regions, not traffic.
import type { SafetyRule } from '../policy.ts';

export const blastRadius: SafetyRule = {
  kind: 'blast-radius',
  question: 'How many regions may automation drain within a window?',
  defaults: { regions: 1, windowMs: 60_000 },
  judge({ drains }, recent, settings, nowMs) {
    const windowMs = settings.windowMs ?? 60_000;
    const limit = settings.regions ?? 1;
    const inWindow = Object.entries(recent.regionDrainsAtMs).filter(([, atMs]) => nowMs - atMs < windowMs);
    const fresh = drains.filter((region) => !inWindow.some(([known]) => known === region));
    const total = inWindow.length + fresh.length;
    if (fresh.length === 0 || total <= limit) return { allow: true };
    const againAtMs = Math.min(...inWindow.map(([, atMs]) => atMs), nowMs) + windowMs;
    const waitS = Math.ceil((againAtMs - nowMs) / 1000);
    return {
      allow: false,
      because: `${total} regions drained within ${windowMs / 1000} s (limit ${limit}): ${[...inWindow.map(([r]) => r), ...fresh].join(', ')}; again in ${waitS} s`,
      againAtMs,
    };
  },
};
