// What is really wrong, as the test that broke it knows. A drain is right only of a pool whose application was dead or out of reach of a majority then.
import type { Audit } from '../../../src/model.ts';

export interface Truth {
  /** From now on the region's pool may be drained. */
  break(region: string): void;
  mend(region: string): void;
  /** Sentences about changes of route that the truth does not account for. `audits`: one after the other, from any on. */
  wrongMoves(audits: readonly Audit[]): readonly string[];
}

/** Cluster time is the median of the vantages' last wall stamps at the start of a term: behind the wall clock by an old beat at most. */
const BEHIND_MS = 6000;
/** A decision under way when the region was mended. */
const UNDER_WAY_MS = 2000;

interface Span {
  region: string;
  fromMs: number;
  toMs: number;
}

export const createTruth = (wallMs: () => number = Date.now): Truth => {
  const spans: Span[] = [];
  const open = (region: string): Span | undefined => spans.find((span) => span.region === region && span.toMs === Number.POSITIVE_INFINITY);
  const broken = (region: string, atMs: number): boolean =>
    spans.some((span) => span.region === region && atMs >= span.fromMs - BEHIND_MS && atMs <= span.toMs + UNDER_WAY_MS);
  return {
    break(region) {
      if (open(region) === undefined) spans.push({ region, fromMs: wallMs(), toMs: Number.POSITIVE_INFINITY });
    },
    mend(region) {
      const span = open(region);
      if (span !== undefined) span.toMs = wallMs();
    },
    wrongMoves: (audits) =>
      audits.flatMap(({ v, atMs, because, changes }) =>
        changes.flatMap(({ before, after }) =>
          Object.keys(after).flatMap((pool) => {
            const [was, is] = [before[pool] ?? 0, after[pool] ?? 0];
            if (was > 0 && is === 0 && !broken(pool, atMs)) return [`decision ${v} drained ${pool}, which was well: ${because}`];
            // Whole again is what mends it, so a return within the span came to a pool that was still broken.
            const deep = spans.some((span) => span.region === pool && atMs > span.fromMs + UNDER_WAY_MS && atMs < span.toMs - BEHIND_MS);
            if (was === 0 && is > 0 && Object.keys(before).length > 0 && deep)
              return [`decision ${v} returned traffic to ${pool}, which was broken: ${because}`];
            return [];
          }),
        ),
      ),
  };
};
