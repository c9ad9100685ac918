import type { StepKind } from '../kind.ts';

export const approval: StepKind<'approval'> = { kind: 'approval', signal: 'gate', read: () => Promise.reject(new Error('not built yet')) };
