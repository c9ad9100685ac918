// What a gate answers from, as it lies in the store: one record per service, written by this adapter and read by every replica that serves gates
// (src/gate). A record that is not understood, or that has no pool open, is none: it can drain nothing.
import { z } from 'zod';
import { parseFence } from '../fence.ts';

/** Before every key of a gate. The keys of all others are in src/coordinate/keys.ts. */
export const GATE_PREFIX = 'gate/';

export const gateKey = (service: string): string => `${GATE_PREFIX}${service}`;

export const serviceOfKey = (key: string): string => key.slice(GATE_PREFIX.length);

const shape = z.object({
  v: z.literal(1),
  /** The text of the fence (providers/fence.ts). */
  fence: z.string().refine((text) => parseFence(text) !== null),
  /** By name. A pool that is not open is to be drained. */
  pools: z
    .record(z.string(), z.object({ open: z.boolean(), region: z.string() }))
    .refine((pools) => Object.values(pools).some(({ open }) => open)),
});

/** `gate/<service>`. What later releases add to it is read over. */
export type GateRecord = z.infer<typeof shape>;

/** null: not a record of ours. */
export const parseGate = (value: unknown): GateRecord | null => {
  const parsed = shape.safeParse(value);
  return parsed.success ? parsed.data : null;
};
