// Steps of databases that a vendor keeps: one call moves the writer, and the vendor sees to it that there is one. Pure.
import type { Step } from '../../src/runbook/model.ts';
import type { ManagedConfig } from '../../src/runbook/platform.ts';
import type { Move } from '../policy.ts';
import type { Part } from './part.ts';
import { CHECK_MS, perMode, stepOf, TRIED } from './step.ts';

/** A vendor takes minutes, and is asked until it says that it has ended. */
const VENDOR_MS = 15 * 60_000;
/** A backup or maintenance that is in the way may take as long. */
const PATIENT = { tries: 40, everyMs: 15_000 };
const WRITTEN = 'rows may be written there by now; to move back is a run of its own';

const moveOf = (part: Part, { to }: Move, { name, vendor, sites }: ManagedConfig, needs: readonly string[]): readonly Step[] => {
  const site = sites[to];
  // Its vendor has it in no such region: who is asked to move there is told by `check`.
  if (site === undefined) return [];
  const { system, member, sql } = site;
  const spec = { system, vendor, to: member, lossy: false };
  const moved = perMode(
    part,
    {
      name: `db.${name}.move@${to}`,
      kind: 'managed.failover',
      phase: 'promote',
      target: `${name} in ${to} becomes the writer, without loss`,
      spec,
      needs,
      timeoutMs: VENDOR_MS,
      retry: PATIENT,
      ifPassed: `${name} may still be written in the region that is left`,
      undo: { no: WRITTEN },
    },
    // What had not arrived is lost by it, so somebody says that it may be, unless the platform says that nobody has to.
    { target: `${name} in ${to} becomes the writer, without what it had not received`, spec: { ...spec, lossy: true }, persons: 1 },
  );
  if (sql === undefined) return moved;
  return [
    ...moved,
    stepOf(part, {
      name: `db.${name}.canary@${to}`,
      kind: 'pg.canary',
      phase: 'promote',
      target: `a row is written to ${name} in ${to} and read back`,
      spec: { database: name, region: to, sql },
      needs: [...needs, ...moved.map(({ id }) => id)],
      timeoutMs: CHECK_MS,
      retry: TRIED,
      ifPassed: `nobody has seen ${name} take a write in ${to}`,
      undo: { no: 'a row in a table of its own stays' },
    }),
  ];
};

export const managedMoves = (part: Part, move: Move, needs: readonly string[]): readonly Step[] =>
  part.managed.flatMap((database) => moveOf(part, move, database, needs));
