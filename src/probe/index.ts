// The kinds of probe, by the `kind` of a ProbeSpec.
import type { Outcome, ProbeSpec } from '../model.ts';
import { grpc } from './grpc.ts';
import { http } from './http.ts';
import type { ProbeContext, ProbeKind } from './kind.ts';
import { tcp } from './tcp.ts';

export const PROBE_KINDS = { http, tcp, grpc } as const satisfies { [S in ProbeSpec as S['kind']]: ProbeKind<S> };

/** One look of the kind that `spec` names. */
export const probe = (spec: ProbeSpec, context: ProbeContext, signal: AbortSignal): Promise<Outcome> => {
  const kind: ProbeKind = PROBE_KINDS[spec.kind];
  return kind.probe(spec, context, signal);
};
