// A database of a platform whose owner wants the old writer's word before another is promoted never has two writers, whoever dies, wakes or orders meanwhile.
// The ground truth is the databases themselves, not what a run believes of them.
import type { Checker } from '../checker.ts';

export const oneDatabaseWriter: Checker = {
  name: 'one-database-writer',
  says: 'no database is written in two regions',
  watch: (_scene, blame) => ({ torn: (because) => blame(because) }),
};
