// The tables of policies: what may be named in the configuration, and the only registration there is.
import type { ModelKind } from '../src/runbook/platform.ts';
import { activeActive } from './models/active-active.ts';
import { activeCold } from './models/active-cold.ts';
import { activeHot } from './models/active-hot.ts';
import { dualActive } from './models/dual-active.ts';
import type { DeploymentModel, SafetyRule, SteeringPolicy } from './policy.ts';
import { assertion } from './safety/assertion.ts';
import { blastRadius } from './safety/blast-radius.ts';
import { capacity } from './safety/capacity.ts';
import { drillFresh } from './safety/drill-fresh.ts';
import { freezeWindows } from './safety/freeze-windows.ts';
import { gating } from './safety/gating.ts';
import { lastPool } from './safety/last-pool.ts';
import { tier } from './safety/tier.ts';
import { velocity } from './safety/velocity.ts';
import { priority } from './steering/priority.ts';
import { weighted } from './steering/weighted.ts';

export const steering = { weighted, priority } as const satisfies Record<string, SteeringPolicy>;

export const safety = {
  'last-pool': lastPool,
  'blast-radius': blastRadius,
  capacity,
  velocity,
  'freeze-windows': freezeWindows,
  assertion,
  gating,
  'drill-fresh': drillFresh,
  tier,
} as const satisfies Record<string, SafetyRule>;

export const models = {
  'active-cold': activeCold,
  'active-hot': activeHot,
  'active-active': activeActive,
  'dual-active': dualActive,
} as const satisfies Record<ModelKind, DeploymentModel>;

export type SafetyKind = keyof typeof safety;

export const steeringOf = (kind: string): SteeringPolicy | undefined => Object.entries(steering).find(([name]) => name === kind)?.[1];
export const safetyOf = (kind: string): SafetyRule | undefined => (Object.hasOwn(safety, kind) ? safety[kind as SafetyKind] : undefined);
export const modelOf = (kind: ModelKind): DeploymentModel => models[kind];
