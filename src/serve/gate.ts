// Opens the gate and its door, if the file has one.
import { gateFile } from '../gate/file.ts';
import { type Gate, openGate } from '../gate/gate.ts';
import { serveGate } from '../gate/server.ts';
import type { Part } from './part.ts';

export interface GatePart {
  gate: Gate | null;
  /** What was found, by subject, before there was anybody to page; whoever pages it empties it. */
  troubles: Map<string, string>;
}

/** Throws Fault ERR_LISTEN. */
export const startGate = async ({ config: file, context, metrics, store, seen, ends }: Part): Promise<GatePart> => {
  const { ports, log } = context;
  const { gate: config, region, replica } = file;
  const troubles = new Map<string, string>();
  if (config === undefined) return { gate: null, troubles };
  const who = `${region}/${replica}`;
  const gate = await openGate({
    store,
    ports,
    log,
    file: gateFile(config.file),
    who,
    cluster: seen.cluster,
    onTrouble: (subject, because) => void troubles.set(subject, because),
  });
  ends.working.push(() => gate.close());
  const door = await serveGate({ host: config.host, port: config.port, gate, who, metrics });
  ends.working.push(() => door.close());
  metrics.gate(() => {
    const { ageS, seesStore, drained } = gate.status();
    return { ageS, seesStore, drained: drained.length };
  });
  log.info('gate.serving', { address: `${config.host}:${door.port}`, file: config.file });
  return { gate, troubles };
};
