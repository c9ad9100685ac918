// gate.promql: a number of Prometheus within bounds. Whatever is not plainly a fresh number within them is no reason to go on: an empty answer, NaN, old samples,
// series that disagree, an answer of another kind are unknown. How old samples are is asked of the series that the query is made of.
import type { Call, Reading, StepKind } from '../kind.ts';
import type { StepSpecs } from '../model.ts';
import { readOr } from '../outcome.ts';
import { agesQuery } from './selectors.ts';
import type { PrometheusSystem, Result } from './system.ts';

type Spec = StepSpecs['gate.promql'];

/** Two clocks that are kept by NTP differ by less. */
const AHEAD_MS_MAX = 5_000;

export const promqlGate: StepKind<'gate.promql'> = {
  kind: 'gate.promql',
  signal: 'gate',
  read: (spec, call) => readOr(`query on ${spec.system}`, () => readGate(spec, call)),
};

const readGate = async (spec: Spec, { context, signal }: Call): Promise<Reading> => {
  const server = await context.system<PrometheusSystem>(spec.system, 'prometheus');
  const ages = agesQuery(spec.query);
  const found = await server.query(spec.query, signal);
  // What is made of no series, as `vector(1)` is, is as old as its answer.
  const sampled = ages === null ? null : await server.query(ages, signal);
  return judged(spec, found, sampled, context.ports.clock.wallMs());
};

/** What the answers say. `sampled`: when the samples were taken, as values, in seconds since 1970; null: there are none. Pure. */
export const judged = (spec: Spec, found: Result, sampled: Result | null, wallMs: number): Reading => {
  const unknown = (because: string): Reading => ({ is: 'unknown', because: `query on ${spec.system}: ${because}` });
  if (found.type !== 'vector') return unknown(`the answer is a ${found.type}, expected a vector; wrap a number in vector()`);
  if (found.series.length === 0) return unknown(`the answer has no series`);
  const values = found.series.map(({ value: [, text] }) => numberOf(text));
  const odd = values.findIndex((value) => !Number.isFinite(value));
  if (odd >= 0) return unknown(`the value of ${odd === 0 ? 'a' : `one of ${values.length}`} series is ${shown(values[odd] ?? Number.NaN)}`);
  if (sampled !== null && (sampled.type !== 'vector' || sampled.series.length === 0))
    return unknown('how old its samples are could not be told');
  const takenAtMs = [
    ...found.series.map(({ value: [atS] }) => atS),
    ...(sampled?.series ?? []).map(({ value: [, text] }) => numberOf(text)),
  ].map((atS) => atS * 1000);
  const ageMs = wallMs - Math.min(...takenAtMs);
  if (!Number.isFinite(ageMs)) return unknown('the sample has no time');
  if (ageMs > spec.maxAgeMs) return unknown(`the sample is ${seconds(ageMs)} old, at most ${seconds(spec.maxAgeMs)} is taken`);
  if (wallMs - Math.max(...takenAtMs) < -AHEAD_MS_MAX) return unknown(`the sample is ${seconds(-ageMs)} ahead of our clock`);
  return within(spec, values, ageMs);
};

const within = (spec: Spec, values: readonly number[], ageMs: number): Reading => {
  const good = values.filter((value) => isWithin(spec, value)).length;
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const value = low === high ? shown(low) : `${shown(low)} to ${shown(high)} over ${values.length} series`;
  const said = `query on ${spec.system}: ${value}, expected ${boundsText(spec)}, ${seconds(Math.max(0, ageMs))} old`;
  const facts = { low, high, series: values.length, ageMs };
  if (good === values.length) return { is: 'reached', because: said, facts };
  if (good === 0) return { is: 'pending', because: said, facts };
  return { is: 'unknown', because: `${said}: ${good} of ${values.length} series are, so nobody knows; let the query choose one`, facts };
};

const isWithin = ({ min = -Infinity, max = Infinity }: Spec, value: number): boolean => value >= min && value <= max;

const boundsText = ({ min, max }: Spec): string => {
  if (min === undefined) return `at most ${max}`;
  return max === undefined ? `at least ${min}` : `${min} to ${max}`;
};

/** As Prometheus writes numbers; NaN for what is none. */
const numberOf = (text: string): number => {
  if (text === '+Inf') return Infinity;
  if (text === '-Inf') return -Infinity;
  return /^-?\d/.test(text) ? Number(text) : Number.NaN;
};

const shown = (value: number): string => (Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(6))));
const seconds = (ms: number): string => `${shown(Math.round(ms / 100) / 10)} s`;
