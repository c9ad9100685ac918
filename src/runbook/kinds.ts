// The table of kinds of steps: one line each, imported only when a plan has one.
import type { StepKind } from './kind.ts';
import type { StepKindName } from './model.ts';

export const kinds: { readonly [K in StepKindName]: () => Promise<StepKind<K>> } = {
  'route.shift': async () => (await import('./routing/shift.ts')).routeShift,
  'route.wait': async () => (await import('./routing/wait.ts')).routeWait,
  'k8s.scale': async () => (await import('./kubernetes/scale.ts')).kubernetesScale,
  'k8s.wait': async () => (await import('./kubernetes/wait.ts')).kubernetesWait,
  'http.check': async () => (await import('./http/check.ts')).httpCheck,
  'grpc.check': async () => (await import('./grpc/check.ts')).grpcCheck,
  'codec.canary': async () => (await import('./codec/canary.ts')).codecCanary,
  'temporal.failover': async () => (await import('./temporal/failover.ts')).temporalFailover,
  'temporal.handover': async () => (await import('./temporal/handover.ts')).temporalHandover,
  'temporal.canary': async () => (await import('./temporal/canary.ts')).temporalCanary,
  'temporal.wait': async () => (await import('./temporal/wait.ts')).temporalWait,
  'gate.promql': async () => (await import('./prometheus/gate.ts')).promqlGate,
  'webhook.call': async () => (await import('./webhook/call.ts')).webhookCall,
  approval: async () => (await import('./human/approval.ts')).approval,
  sleep: async () => (await import('./human/sleep.ts')).sleep,
};
