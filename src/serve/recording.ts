// What is kept for later: the flight recorder, and the shadow of a second policy, whose differences it notes.
import { createShadow, type Shadow } from '../drill/shadow.ts';
import { fileRecordDisk } from '../record/files.ts';
import { createRecorder, type Recorder } from '../record/recorder.ts';
import type { Part } from './part.ts';

/** null: nothing is to be recorded. */
export const openRecorder = ({ config, context, boot, metrics, seen, ends }: Part): Recorder | null => {
  const { region, replica } = config;
  if (config.record === undefined) return null;
  const recorder = createRecorder({
    ...config.record,
    ports: context.ports,
    log: context.log,
    disk: fileRecordDisk(config.record.folder, region, replica),
    region,
    replica,
    boot,
    version: context.version,
    clusterNowMs: seen.nowMs,
    onDropped: metrics.recordDropped,
  });
  ends.open.push(() => recorder.stop());
  return recorder;
};

export const openShadow = ({ context, metrics }: Part, recorder: Recorder | null): Shadow =>
  createShadow({
    log: context.log,
    onMoves: metrics.shadowMoves,
    onChange(diverging) {
      metrics.shadowDiverging(diverging.length);
      recorder?.note({ kind: 'shadow', diverging: diverging.map(({ service, live, shadow }) => ({ service, live, shadow })) });
    },
  });
