// gate.lag: what would be lost by promoting a region now, as it was known last, within bounds. The writer is gone when that matters most, so the value has an
// age, and one that is too old or was never measured is unknown, never good.

import type { LagSample } from '../facts.ts';
import type { Call, Reading, StepKind } from '../kind.ts';
import type { StepSpecs } from '../model.ts';
import { readOr } from '../outcome.ts';
import { agoText, lagText, lossText } from './record.ts';

type Spec = StepSpecs['gate.lag'];

export const lagGate: StepKind<'gate.lag'> = {
  kind: 'gate.lag',
  signal: 'gate',
  read: (spec, call) => readOr(nameOf(spec), () => readLag(spec, call)),
};

const nameOf = ({ database, region }: Spec): string => `${database} in ${region}`;

const readLag = async (spec: Spec, { context, run, signal }: Call): Promise<Reading> => {
  const { tiers } = context;
  const state = await tiers.state(run.platform, spec.database);
  signal.throwIfAborted();
  if (state?.writer === spec.region && state.split === undefined)
    return { is: 'reached', because: `${nameOf(spec)}: it is the writer, so nothing is behind`, facts: { writer: true } };
  return judged(spec, await tiers.lag(run.platform, spec.database, spec.region));
};

/** What the last known lag says. A part that could not be told is no part that is small. Pure. */
export const judged = (spec: Spec, lag: (LagSample & { ageMs: number }) | null): Reading => {
  const said = `${nameOf(spec)}: ${lossText(lag)}`;
  if (lag === null) return { is: 'unknown', because: said };
  const { ms, bytes, ageMs } = lag;
  const facts = { ms, bytes, ageMs };
  const limit = lagText({ ms: spec.maxMs, bytes: spec.maxBytes });
  // However old: time alone makes nothing of it less.
  if ((ms !== null && ms > spec.maxMs) || (bytes !== null && bytes > spec.maxBytes))
    return { is: 'pending', because: `${said}; at most ${limit}`, facts };
  if (ageMs > spec.maxAgeMs) return { is: 'unknown', because: `${said}; at most ${agoText(spec.maxAgeMs)} is taken`, facts };
  if (ms === null || bytes === null) return { is: 'unknown', because: `${said}; what could not be told may be any number`, facts };
  return { is: 'reached', because: `${said}; at most ${limit}`, facts };
};
