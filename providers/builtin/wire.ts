// The shapes that the control address and the provider exchange, spelled once for both ends. Meaning is judged by zone.ts, not here.
import { z } from 'zod';
import { ANSWERS_MAX, POOLS_MAX, SERVICES_MAX } from './zone.ts';

/** A swap of fifty services is about 20 KiB. */
export const BODY_BYTES_MAX = 1024 * 1024;

const poolShape = z.strictObject({ pool: z.string(), share: z.number(), answers: z.array(z.string()).max(ANSWERS_MAX) });

const serviceShape = z.strictObject({ name: z.string(), ttlS: z.number(), pools: z.array(poolShape).max(POOLS_MAX), fence: z.string() });

/** `GET /zone/v1/services`: those of the asked names that exist; all when no name is given. */
export const servicesShape = z.strictObject({ zone: z.string(), serial: z.number(), services: z.array(serviceShape) });

/** `POST /zone/v1/swap`: all or nothing. `ifFence` null: the service must not exist. */
export const swapShape = z.strictObject({
  changes: z
    .array(z.strictObject({ service: serviceShape, ifFence: z.string().nullable() }))
    .min(1)
    .max(SERVICES_MAX),
});
export type SwapRequest = z.infer<typeof swapShape>;

/** What a reply that is not 200 says about itself. */
export const problemShape = z.object({ title: z.string(), detail: z.string() });
