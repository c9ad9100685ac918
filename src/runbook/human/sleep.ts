import type { StepKind } from '../kind.ts';

export const sleep: StepKind<'sleep'> = { kind: 'sleep', signal: 'gate', read: () => Promise.reject(new Error('not built yet')) };
