// What verifying a deployment says: one line for each thing that was looked at. Types, and how they add up. Pure.

/** In the order in which a deployment comes to be. */
export const STEPS = ['migration', 'rollout', 'guards', 'health', 'namespaces', 'llm'] as const;
export type StepName = (typeof STEPS)[number];

export interface VerifyLine {
  step: StepName;
  /** For people: `Deployment app/worker`. */
  of: string;
  region: string;
  /** `waiting`: it is on its way. `unknown`: it could not be looked at, which is never good. */
  is: 'ok' | 'waiting' | 'failed' | 'unknown';
  because: string;
  /** What to do; empty when it is good. */
  fix: string;
}

/** What one look says; where it is from is added to it. */
export type Found = Pick<VerifyLine, 'is' | 'because' | 'fix'>;

export const ok = (because: string): Found => ({ is: 'ok', because, fix: '' });
export const waiting = (because: string, fix: string): Found => ({ is: 'waiting', because, fix });
export const failed = (because: string, fix: string): Found => ({ is: 'failed', because, fix });
export const unknown = (because: string, fix: string): Found => ({ is: 'unknown', because, fix });

export const isAllGood = (lines: readonly VerifyLine[]): boolean => lines.every(({ is }) => is === 'ok');

const rank = ({ step }: VerifyLine): number => STEPS.indexOf(step);

/** By step, then by region, then by name. */
export const inOrder = (lines: readonly VerifyLine[]): readonly VerifyLine[] =>
  lines.toSorted(
    (a, b) => rank(a) - rank(b) || (a.region < b.region ? -1 : a.region > b.region ? 1 : a.of < b.of ? -1 : Number(a.of > b.of)),
  );
