// How long each kind of step takes until it was measured here, from the measurements and documents that README.md names: assumptions, which three runs replace. Pure.
import type { Span, StepKindName } from './model.ts';

export const SEEDS: Readonly<Record<StepKindName, Span>> = {
  'route.shift': { p50Ms: 1_000, p95Ms: 3_000 },
  'route.wait': { p50Ms: 2_000, p95Ms: 10_000 },
  'k8s.scale': { p50Ms: 500, p95Ms: 2_000 },
  'k8s.wait': { p50Ms: 15_000, p95Ms: 45_000 },
  'http.check': { p50Ms: 200, p95Ms: 2_000 },
  'grpc.check': { p50Ms: 200, p95Ms: 2_000 },
  'codec.canary': { p50Ms: 200, p95Ms: 2_000 },
  'temporal.failover': { p50Ms: 3_000, p95Ms: 12_000 },
  'temporal.handover': { p50Ms: 10_000, p95Ms: 35_000 },
  'temporal.canary': { p50Ms: 200, p95Ms: 2_000 },
  'temporal.wait': { p50Ms: 5_000, p95Ms: 30_000 },
  'gate.promql': { p50Ms: 200, p95Ms: 2_000 },
  'webhook.call': { p50Ms: 1_000, p95Ms: 30_000 },
  approval: { p50Ms: 0, p95Ms: 0 },
  sleep: { p50Ms: 0, p95Ms: 0 },
};
