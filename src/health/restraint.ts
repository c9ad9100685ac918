// Why a vantage that is sound keeps its vote all the same: somebody else speaks for it, or what it holds is in doubt. Whether it is sound is abstain.ts.
// Pure.
import type { Self } from '../model.ts';

export interface Restraint {
  /** Two configurations claim the same version, or an older one has taken the newer one's place. */
  conflict: string | null;
  /** A sibling of 0.1: it knows no siblings and speaks for the whole region, as long as it does. */
  elder: string | null;
  /** It has just started beside siblings that speak: they do so until it has looked at its share, or until this instant. */
  joiningUntilMs: number | null;
  /** Its uplink was gone until a moment ago: what it came to believe meanwhile is looked at once more until this instant. */
  healingUntilMs: number | null;
}

export const UNRESTRAINED: Restraint = { conflict: null, elder: null, joiningUntilMs: null, healingUntilMs: null };

/** The abstention it asks for; null: none. */
export const restrained = ({ conflict, elder, joiningUntilMs, healingUntilMs }: Restraint, nowMs: number): Self | null => {
  if (conflict !== null) return { state: 'abstain', because: conflict };
  if (elder !== null) return { state: 'abstain', because: `${elder}, a replica of 0.1, speaks for the whole region until it is replaced` };
  if (joiningUntilMs !== null) return { state: 'abstain', because: 'just started: its siblings speak until it has looked at its share' };
  if (healingUntilMs !== null && nowMs < healingUntilMs)
    return { state: 'abstain', because: 'the uplink here was gone a moment ago: it looks at everything once more' };
  return null;
};
