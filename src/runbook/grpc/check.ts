// grpc.check: a server says by gRPC's health protocol that it serves, through whatever stands before it, and the certificate that is shown there is good for
// long enough.
import { status } from '@grpc/grpc-js';
import { CallError } from '../../grpc-link.ts';
import { isoTime } from '../../ports.ts';
import type { Reading, StepKind } from '../kind.ts';
import { readOr, saying } from '../outcome.ts';
import type { GrpcSystem, Look } from './system.ts';

const DAY_MS = 86_400_000;

export const grpcCheck: StepKind<'grpc.check'> = {
  kind: 'grpc.check',
  signal: 'gate',
  read: ({ system: name }, { context, signal }) =>
    readOr(`gRPC health of ${name}`, async () =>
      healthOf(await context.system<GrpcSystem>(name, 'grpc'), context.ports.clock.wallMs, signal),
    ),
};

/** Throws for what is no answer of the server. */
export const healthOf = async (system: GrpcSystem, wallMs: () => number, signal: AbortSignal): Promise<Reading> => {
  const what = `${system.service === '' ? 'the server' : system.service} at ${system.address}`;
  try {
    return judged(what, system.certificateMinMs, await system.look(signal), wallMs());
  } catch (error) {
    return answered(what, error);
  }
};

/** Pure. */
export const judged = (what: string, certificateMinMs: number, { status: said, certificateEndsAtMs }: Look, wallMs: number): Reading => {
  if (said === 'UNKNOWN') return { is: 'unknown', because: `${what} says that it does not know whether it serves` };
  if (said !== 'SERVING') return { is: 'pending', because: `${what} says ${said}` };
  if (certificateEndsAtMs === null) return { is: 'reached', because: `${what} serves` };
  const leftMs = certificateEndsAtMs - wallMs;
  const days = (ms: number): string => `${Math.floor((ms / DAY_MS) * 10) / 10} days`;
  const ends = `its certificate ends in ${days(leftMs)} (${isoTime(certificateEndsAtMs)})`;
  const facts = { certificateEndsAtMs };
  if (leftMs >= certificateMinMs) return { is: 'reached', because: `${what} serves; ${ends}`, facts };
  return { is: 'pending', because: `${what} serves, but ${ends}, expected ${days(certificateMinMs)} at least`, facts };
};

/** What the server's refusals mean. Throws what is none. */
const answered = (what: string, error: unknown): Reading => {
  const code = error instanceof CallError ? error.code : null;
  // The library takes a 404 of a proxy for the same.
  if (code === status.UNIMPLEMENTED && !/HTTP status/i.test(saying(error)))
    return { is: 'never', because: `${what} does not speak grpc.health.v1; check it otherwise` };
  if (code === status.NOT_FOUND) return { is: 'pending', because: `${what} is not known there yet` };
  throw error;
};
