// Lets work in flight end: so long from its first look, in cluster time, which a takeover does not begin anew.
import type { StepKind } from '../kind.ts';

export const sleep: StepKind<'sleep'> = {
  kind: 'sleep',
  signal: 'gate',
  async read({ ms }, { facts, context }) {
    const nowMs = Math.round(context.nowMs());
    const fromAtMs = typeof facts.fromAtMs === 'number' ? facts.fromAtMs : nowMs;
    const isOver = nowMs >= fromAtMs + ms;
    const because = `${Math.round(ms / 1000)} s for what is in flight`;
    return { is: isOver ? 'reached' : 'pending', because: isOver ? `${because}: over` : because, facts: { fromAtMs } };
  },
};
