// The contract over every kind of step.
import { describe, expect, test } from 'vitest';
import { STEP_KINDS, type StepKindName } from '../../src/runbook/model.ts';
import { type StepEntry, stepContract } from '../contract/step.contract.ts';
import { startPromoteWorld as startCachePromoteWorld, startRejoinWorld, startTakeoverWorld } from './cache/world.ts';
import { startCodecWorld } from './codec/world.ts';
import { GRPC_FAULTS, startGrpcWorld } from './grpc/world.ts';
import { HTTP_FAULTS, startHttpWorld } from './http/world.ts';
import { startSleepWorld } from './human/world.ts';
import { startScaleWorld, startWaitWorld } from './kubernetes/world.ts';
import { startPauseWorld, startFenceWorld as startPoolerFenceWorld, startResumeWorld } from './pgbouncer/world.ts';
import {
  startCaughtUpWorld,
  startDemoteWorld,
  startFenceWorld,
  startCanaryWorld as startPostgresCanaryWorld,
  startPromoteWorld,
  startSwitchoverWorld,
} from './postgres/world.ts';
import { startGateWorld } from './prometheus/world.ts';
import { startRouteWaitWorld, startShiftWorld } from './routing/world.ts';
import { startCanaryWorld, startDispatchWorld, startFailoverWorld, startHandoverWorld } from './temporal/world.ts';
import { startWebhookWorld } from './webhook/world.ts';

const WORLDS: { readonly [K in StepKindName]?: StepEntry<K> } = {
  'k8s.scale': { lacks: [], start: startScaleWorld },
  'k8s.wait': { lacks: ['effect'], start: startWaitWorld },
  'gate.promql': { lacks: ['effect'], start: startGateWorld },
  'codec.canary': { lacks: ['effect'], start: startCodecWorld },
  'grpc.check': { lacks: ['effect', 'body', 'secret'], faults: GRPC_FAULTS, start: startGrpcWorld },
  'http.check': { lacks: ['effect', 'body'], faults: HTTP_FAULTS, start: startHttpWorld },
  'temporal.failover': { lacks: [], start: startFailoverWorld },
  'temporal.handover': { lacks: [], start: startHandoverWorld },
  'temporal.canary': { lacks: ['effect'], start: startCanaryWorld },
  'temporal.wait': { lacks: ['effect'], start: startDispatchWorld },
  'fence.pgbouncer': { lacks: [], start: startPoolerFenceWorld },
  'pgbouncer.pause': { lacks: [], start: startPauseWorld },
  'pgbouncer.resume': { lacks: [], start: startResumeWorld },
  'cache.takeover': { lacks: [], start: () => startTakeoverWorld() },
  'cache.promote': { lacks: [], start: startCachePromoteWorld },
  'cache.rejoin': { lacks: [], start: startRejoinWorld },
  'webhook.call': { lacks: ['memory'], start: startWebhookWorld },
  'route.shift': { lacks: ['wire', 'body', 'secret'], start: startShiftWorld },
  'route.wait': { lacks: ['effect', 'wire', 'body', 'secret'], start: startRouteWaitWorld },
  // What happens on the old site is told before anybody is asked; a row that nobody knows of is written again.
  'fence.patroni': { lacks: ['memory'], start: startFenceWorld },
  'pg.switchover': { lacks: [], start: startSwitchoverWorld },
  'pg.demote': { lacks: [], start: startDemoteWorld },
  'pg.caughtup': { lacks: ['effect'], start: startCaughtUpWorld },
  'pg.promote': { lacks: [], start: startPromoteWorld },
  'pg.canary': { lacks: ['memory'], start: startPostgresCanaryWorld },
  sleep: { lacks: ['effect', 'wire', 'body', 'secret'], start: startSleepWorld },
};

/** There is nothing around it to be this way or that: run.ts lets it be looked at only once people have agreed. */
const HUMAN: readonly StepKindName[] = ['approval'];

const run = <K extends StepKindName>(name: K): void => {
  const entry: StepEntry<K> | undefined = WORLDS[name];
  if (entry !== undefined) stepContract(name, entry);
};
for (const name of STEP_KINDS) run(name);

describe('every kind has a world', () => {
  test.each(STEP_KINDS.filter((name) => !HUMAN.includes(name)))('%s', (name) => {
    expect(WORLDS[name], `write a world for ${name}; test/contract/step.contract.ts says how`).toBeDefined();
  });
});
