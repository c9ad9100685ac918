// The table of checkers: the invariants of the design, and what they rest on.
import type { Checker } from './checker.ts';
import { boundedBlast } from './checkers/bounded-blast.ts';
import { explained } from './checkers/explained.ts';
import { honestVotes } from './checkers/honest-votes.ts';
import { neverEmpty } from './checkers/never-empty.ts';
import { noFlap } from './checkers/no-flap.ts';
import { noMinorityAction } from './checkers/no-minority-action.ts';
import { oneCoordinator } from './checkers/one-coordinator.ts';
import { oneDatabaseWriter } from './checkers/one-database-writer.ts';
import { oneWriter } from './checkers/one-writer.ts';
import { overrideDurable } from './checkers/override-durable.ts';
import { pageDurable } from './checkers/page-durable.ts';
import { rulesKept } from './checkers/rules-kept.ts';

export const CHECKERS: readonly Checker[] = [
  neverEmpty,
  noMinorityAction,
  oneWriter,
  boundedBlast,
  overrideDurable,
  rulesKept,
  pageDurable,
  noFlap,
  explained,
  oneCoordinator,
  honestVotes,
  oneDatabaseWriter,
];
