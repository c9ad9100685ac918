// Budgets of the systems around: this replica measures from its own region, the coordinator tells of what is over its bound, and the API, runs and metrics ask
// what all replicas measured. Where the file names no systems nothing is measured here.
import { shippedObjectives } from '../config/objectives.ts';
import type { BudgetsDuty } from '../objectives/duty.ts';
import { createBudgetsDuty } from '../objectives/duty.ts';
import { matrixOf } from '../objectives/matrix.ts';
import { startMeasurer } from '../objectives/measurer.ts';
import type { MatrixCell } from '../objectives/model.ts';
import { createMeasuredReader, type MeasuredReader } from '../objectives/reader.ts';
import type { StepContext } from '../runbook/kind.ts';
import type { Part } from './part.ts';

/** What runs ask; needs no system, so it is there before they are. */
export const openMeasured = ({ context: { ports }, store, seen }: Part): MeasuredReader =>
  createMeasuredReader({ ports, store, cluster: seen.cluster, nowMs: seen.nowMs, shipped: shippedObjectives });

/** Begins to measure, and gives the coordinator's duty. */
export const openObjectives = (part: Part, context: StepContext): Pick<BudgetsDuty, 'turn' | 'rest'> => {
  const {
    config: { region, replica, systems = {} },
    context: { ports, log },
    boot,
    metrics,
    store,
    seen,
    ends,
  } = part;
  if (Object.keys(systems).length > 0) {
    const { cluster, nowMs } = seen;
    const measurer = startMeasurer({ ports, log, store, context, region, replica, boot, cluster, nowMs, shipped: shippedObjectives });
    ends.working.push(() => measurer.stop());
    metrics.dependencies(() => {
      const record = { boot, atMs: nowMs(), cells: measurer.cells(), nonce: '' };
      return (cluster()?.platforms ?? []).flatMap((platform) =>
        matrixOf(platform, shippedObjectives(), [{ region, replica, record }], nowMs())
          .cells.filter(({ from }) => from === region)
          .map((cell: MatrixCell) => ({ platform: platform.name, ...cell })),
      );
    });
  }
  const duty = createBudgetsDuty({ ports, log, store, shipped: shippedObjectives });
  ends.working.push(() => duty.idle());
  return duty;
};
