// One contract suite over the table of models, on platforms at random; then what each model promises of its own.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { modelOf, models } from '../../../policies/index.ts';
import type { Move } from '../../../policies/policy.ts';
import { tidy } from '../../../policies/steps/order.ts';
import {
  MODEL_KINDS,
  type ModelKind,
  type NamespacesConfig,
  type PlatformConfig,
  type RunMode,
  type Step,
} from '../../../src/runbook/model.ts';
import { planProblems, stepsOf } from '../../../src/runbook/plan.ts';
import { both, cold, coldOwn, dual, EAST, fleetOf, hot, WEST } from '../../runbook/platforms.ts';
import { moved } from './random.ts';

const MODES: readonly RunMode[] = ['graceful', 'ungraceful'];
const READERS = [
  'k8s.wait',
  'http.check',
  'grpc.check',
  'codec.canary',
  'temporal.canary',
  'temporal.wait',
  'gate.promql',
  'route.wait',
  'sleep',
  'approval',
];

const expand = (platform: PlatformConfig, move: Move): readonly Step[] => modelOf(platform.model).expand(platform, move);

/** Ids that have to have ended before each step, in one mode, through steps of that mode. */
const before = (plan: readonly Step[], mode: RunMode): ReadonlyMap<string, ReadonlySet<string>> => {
  const all = new Map<string, Set<string>>();
  for (const { id, needs } of stepsOf(plan, mode)) all.set(id, new Set(needs.flatMap((need) => [need, ...(all.get(need) ?? [])])));
  return all;
};

/** Every step of `later` waits for every step of `earlier`, in both modes. */
const expectOrder = (plan: readonly Step[], earlier: (step: Step) => boolean, later: (step: Step) => boolean): void => {
  for (const mode of MODES) {
    const order = before(plan, mode);
    const steps = stepsOf(plan, mode);
    for (const { id } of steps.filter(later))
      for (const first of steps.filter(earlier)) expect(order.get(id)?.has(first.id), `${mode}: ${id} after ${first.id}`).toBe(true);
  }
};

const isRaise = (step: Step): boolean => step.kind === 'k8s.scale' && step.phase === 'scale';
const isShift = (step: Step): boolean => step.kind === 'route.shift' && step.phase === 'route';
const isMove = (step: Step): boolean => step.kind === 'temporal.failover' || step.kind === 'temporal.handover';

describe.each(MODEL_KINDS.map((kind) => [kind]))('model %s keeps the contract', (kind: ModelKind) => {
  const model = models[kind];
  const check = (of: (platform: PlatformConfig, move: Move, plan: readonly Step[]) => void, purposes?: readonly Move['purpose'][]): void =>
    fc.assert(
      fc.property(moved([kind], purposes), ({ platform, move }) => {
        of(platform, move, model.expand(platform, move));
      }),
      { numRuns: 300 },
    );

  test('it goes by its name and asks a question', () => {
    expect(model.kind).toBe(kind);
    expect(modelOf(kind)).toBe(model);
    expect(model.question).toMatch(/^[A-Z].*\?$/);
  });

  test('steps have names of their own, and stand after what they need', () => {
    check((_, __, plan) => expect(planProblems(plan)).toEqual([]));
  });

  test('the same platform and move give the same steps', () => {
    check((platform, move, plan) => expect(model.expand(structuredClone(platform), { ...move })).toEqual(plan));
  });

  test('no step says of itself what its kind cannot do: who only reads has no undo and no second try, who moves has a word about it', () => {
    check((_, __, plan) => {
      for (const { id, kind: of, undo, retry } of plan) {
        if (READERS.includes(of)) {
          expect('no' in undo, id).toBe(true);
          expect(retry.tries, id).toBe(1);
        }
        if ('no' in undo) expect(undo.no.length, id).toBeGreaterThan(10);
      }
    });
  });

  test('persons are asked as the platform says, by kind of step', () => {
    check((platform, _, plan) => {
      for (const { id, kind: of, approvals } of plan) expect(approvals, id).toBe(platform.approvals.steps[of] ?? 0);
    });
  });

  test('deadlines, tries and estimates are numbers that make sense', () => {
    check((_, __, plan) => {
      for (const { id, timeoutMs, retry, estimate } of plan) {
        expect(timeoutMs, id).toBeGreaterThan(0);
        expect(retry.tries, id).toBeGreaterThan(0);
        expect(estimate.source, id).toBe('seed');
        expect(estimate.p50Ms, id).toBeLessThanOrEqual(estimate.p95Ms);
      }
    });
  });

  test('nothing is promoted or routed by a step that goes on when it has failed, but for a fence', () => {
    check((platform, _, plan) => {
      for (const step of plan.filter((each) => isMove(each) || isShift(each))) expect(step.onFail, step.id).toBe('ask');
      const insisted = new Set(platform.externals.filter(({ onFail }) => onFail !== 'continue').map(({ name }) => name));
      for (const step of plan)
        if (step.kind === 'webhook.call' && insisted.has(step.spec.external) && step.spec.when !== 'prearm')
          expect(step.onFail, step.id).not.toBe('continue');
    });
  });

  test('a fence of a region that may be gone is waited for shortly, and what it means when nobody acknowledged it is said', () => {
    check((_, __, plan) => {
      for (const step of plan.filter(({ phase, mode, kind: of }) => phase === 'fence' && mode === 'ungraceful' && of !== 'webhook.call')) {
        expect(step.timeoutMs, step.id).toBeLessThanOrEqual(5_000);
        expect(step.onFail, step.id).toBe('continue');
        expect(step.ifPassed, step.id).toMatch(/^[a-z].{30}/);
      }
    });
  });

  test('a gate that blocks comes before what it guards; one that does not, holds nothing back', () => {
    check((platform, _, plan) => {
      const gates = new Map(platform.gates.map((gate) => [gate.name, gate]));
      const gateOf = (step: Step) => gates.get(/gate\.([^.@]+)$/.exec(step.id)?.[1] ?? '');
      for (const mode of MODES) {
        const order = before(plan, mode);
        const steps = stepsOf(plan, mode);
        for (const gate of steps.filter(({ kind: of }) => of === 'gate.promql')) {
          const config = gateOf(gate);
          const prefix = gate.id.slice(0, gate.id.lastIndexOf('gate.'));
          if (config === undefined) {
            expect(gate.id).toMatch(/\.told$/);
            expect(steps.filter(({ needs }) => needs.includes(gate.id))).toEqual([]);
            continue;
          }
          expect(mode === 'graceful' || config.blocks === 'both', gate.id).toBe(true);
          const guarded = (step: Step) =>
            config.before === 'route' ? isShift(step) : isMove(step) || (step.kind === 'webhook.call' && step.spec.when === 'promote');
          for (const step of steps.filter((each) => guarded(each) && each.id.startsWith(prefix)))
            expect(order.get(step.id)?.has(gate.id), `${step.id} after ${gate.id}`).toBe(true);
        }
      }
    });
  });

  test('a gate that blocks every run is asked in every run in which something waits for it', () => {
    check(
      (platform, _, plan) => {
        for (const { name, blocks, before: what } of platform.gates) {
          const guards = (step: Step): boolean =>
            what === 'route' ? isShift(step) : isMove(step) || (step.kind === 'webhook.call' && step.spec.when === 'promote');
          for (const mode of MODES) {
            const steps = stepsOf(plan, mode);
            const isAsked = steps.some((step) => step.kind === 'gate.promql' && step.id.endsWith(`gate.${name}`));
            expect(isAsked, `${mode}: ${name}`).toBe(steps.some(guards) && (blocks === 'both' || mode === 'graceful'));
          }
        }
      },
      ['failover', 'failback'],
    );
  });

  test('no step needs one that is never run beside it, and none is estimated beyond its deadline', () => {
    check((_, __, plan) => {
      const modeOf = new Map(plan.map(({ id, mode }) => [id, mode]));
      for (const { id, mode, needs, estimate, timeoutMs } of plan) {
        for (const need of needs) expect([mode, modeOf.get(need)].sort(), `${id} needs ${need}`).not.toEqual(['graceful', 'ungraceful']);
        expect(estimate.p95Ms, id).toBeLessThanOrEqual(timeoutMs);
      }
    });
  });

  test('the regions are put into the query of a gate', () => {
    check((_, { from, to }, plan) => {
      for (const step of plan) if (step.kind === 'gate.promql') expect(step.spec.query).toBe(`lag{from="${from}",to="${to}"}`);
    });
  });

  test('one cluster hands over without loss or is taken by force, never both in one run', () => {
    check((_, __, plan) => {
      for (const mode of MODES) {
        const steps = stepsOf(plan, mode).filter(isMove);
        expect(
          new Set(steps.map((step) => JSON.stringify(isMove(step) && 'namespaces' in step.spec ? step.spec.namespaces : []))).size,
        ).toBe(steps.length);
        if (mode === 'ungraceful') expect(steps.filter((step) => step.kind === 'temporal.handover')).toEqual([]);
      }
    });
  });

  test('prearm calls webhooks and warms what takes no work, and can take all of it back', () => {
    check(
      (platform, _, plan) => {
        const processing = new Set(
          platform.fleets.filter(({ kind: of }) => of === 'workers' || of === 'starters').map(({ name }) => `${name}-deployment`),
        );
        for (const step of plan) {
          expect(['webhook.call', 'k8s.scale'], step.id).toContain(step.kind);
          expect('spec' in step.undo, step.id).toBe(true);
          expect(step.onFail, step.id).toBe('continue');
          if (step.kind === 'webhook.call') expect(step.spec.when).toBe('prearm');
          if (step.kind === 'k8s.scale') expect(processing.has(step.spec.deployment), step.id).toBe(false);
        }
      },
      ['prearm'],
    );
  });

  test('no route is asked for when there is no service', () => {
    check(
      (_, __, plan) => {
        for (const step of plan) if (step.kind === 'route.shift') expect(step.spec.services.length, step.id).toBeGreaterThan(0);
      },
      ['failover', 'failback'],
    );
  });
});

describe('tidy', () => {
  const random = moved(undefined, ['failover', 'failback']);

  test('what a step waits for is the same in both modes, with fewer words', () => {
    fc.assert(
      fc.property(random, fc.infiniteStream(fc.boolean()), ({ platform, move }, coin) => {
        // Its own result with needs put back that are implied in every mode has the same order.
        const plan = expand(platform, move);
        const orders = MODES.map((mode) => before(plan, mode));
        const wordy = plan.map((step) => ({
          ...step,
          needs: [
            ...step.needs,
            ...plan
              .map(({ id }) => id)
              .filter((id) => orders.every((order) => !order.has(step.id) || order.get(step.id)?.has(id)) && coin.next().value),
          ],
        }));
        expect(tidy(wordy)).toEqual(plan);
        for (const [at, mode] of MODES.entries()) expect(before(tidy(wordy), mode)).toEqual(orders[at]);
      }),
    );
  });
});

describe('what takes a route back', () => {
  const undoOf = (platform: PlatformConfig, move: Move) => expand(platform, move).find(isShift)?.undo;

  test('nobody is drained again, as before the failover', () => {
    expect(undoOf(cold, { from: EAST, to: WEST, purpose: 'failover' })).toEqual({ spec: { services: ['web'], from: null, to: EAST } });
  });

  test('the region that was drained before a failback is drained again', () => {
    expect(undoOf(cold, { from: WEST, to: EAST, purpose: 'failback' })).toEqual({ spec: { services: ['web'], from: EAST, to: WEST } });
    expect(undoOf(both, { from: WEST, to: EAST, purpose: 'failback' })).toEqual({ spec: { services: ['web'], from: EAST, to: WEST } });
  });
});

describe('who is asked for dispatch', () => {
  test('one’s own cluster itself, of the cloud a frontend of the region, and else nobody', () => {
    fc.assert(
      fc.property(moved(undefined, ['failover', 'drill']), ({ platform, move }) => {
        const wanted = new Map(
          platform.namespaces.map(({ name, system, frontend, queues }) => {
            const asked = typeof system === 'string' ? frontend : system;
            return [name, queues.length === 0 ? undefined : typeof asked === 'string' ? asked : asked?.[move.to]];
          }),
        );
        for (const mode of MODES) {
          const steps = stepsOf(expand(platform, move), mode);
          const movedNames = new Set(steps.flatMap((step) => (isMove(step) && 'namespaces' in step.spec ? [step.spec.namespaces[0]] : [])));
          for (const { name, namespaces } of platform.namespaces) {
            const asked = steps.find((step) => step.kind === 'temporal.wait' && step.spec.namespaces[0] === namespaces[0]);
            const system = asked?.kind === 'temporal.wait' ? asked.spec.system : undefined;
            expect(system, name).toBe(movedNames.has(namespaces[0]) ? wanted.get(name) : undefined);
            expect(system).not.toBe('cloud');
          }
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe('whose pollers count', () => {
  const identityIn = (fleets: PlatformConfig['fleets']) =>
    expand({ ...cold, fleets }, { from: EAST, to: WEST, purpose: 'failover' }).flatMap((step) =>
      step.kind === 'temporal.wait' ? [step.spec.identity] : [],
    );
  const named = (name: string, identity?: string) => fleetOf(name, 'workers', identity === undefined ? {} : { site: { identity } });

  test.each<[string, PlatformConfig['fleets'], string | null]>([
    ['one fleet', [named('a', '^a-')], '^a-'],
    ['several', [named('a', '^a-'), named('b', '^b-')], '(?:^a-)|(?:^b-)'],
    ['as soon as one cannot be told, anybody', [named('a', '^a-'), named('b')], null],
    ['no workers: anybody', [], null],
  ])('%s', (_, fleets, identity) => expect(identityIn(fleets)).toEqual([identity]));
});

describe('active-cold', () => {
  test('nothing starts in the new region before every fence of the old one has ended, in both modes', () => {
    fc.assert(
      fc.property(moved(['active-cold'], ['failover', 'failback', 'drill']), ({ platform, move }) =>
        expectOrder(expand(platform, move), ({ phase }) => phase === 'fence', isRaise),
      ),
      { numRuns: 300 },
    );
  });

  test('what works in the old region is stopped, in both modes, and in the new one nothing but what is started', () => {
    fc.assert(
      fc.property(moved(['active-cold'], ['failover', 'failback']), ({ platform, move }) => {
        const plan = expand(platform, move);
        const stopped = platform.fleets.filter(
          ({ kind, sites }) => (kind === 'workers' || kind === 'starters') && sites[move.from] !== undefined,
        );
        for (const mode of MODES)
          for (const { name } of stopped)
            expect(
              stepsOf(plan, mode).some(
                (step) =>
                  step.kind === 'k8s.scale' &&
                  step.phase === 'fence' &&
                  step.spec.deployment === `${name}-deployment` &&
                  step.spec.replicas === 0,
              ),
              `${mode}: ${name}`,
            ).toBe(true);
      }),
    );
  });

  test('what takes longest is started first, and fleets are waited for in the order of need', () => {
    const steps = stepsOf(expand(cold, { from: EAST, to: WEST, purpose: 'failover' }), 'ungraceful');
    const of = (phase: Step['phase'], kind: Step['kind']) => steps.filter((s) => s.phase === phase && s.kind === kind).map(({ id }) => id);
    expect(of('scale', 'k8s.scale')).toEqual(['workers', 'starters', 'codec', 'proxy'].map((name) => `${name}.scale@${WEST}`));
    expect(of('ready', 'k8s.wait')).toEqual(['codec', 'proxy', 'workers', 'starters'].map((name) => `${name}.ready@${WEST}`));
    const order = before(steps, 'ungraceful');
    expect(order.get(`workers.ready@${WEST}`)?.has(`codec.check@${WEST}`)).toBe(true);
    expect(order.get(`workers.scale@${WEST}`)?.has(`codec.ready@${WEST}`)).toBe(false);
  });

  test('the route waits for every readiness, and for namespaces', () => {
    fc.assert(
      fc.property(moved(['active-cold', 'active-hot'], ['failover', 'failback']), ({ platform, move }) =>
        expectOrder(expand(platform, move), (step) => step.phase === 'ready' || step.phase === 'promote' || isMove(step), isShift),
      ),
    );
  });

  test('the graceful way hands over in clusters of one’s own, and parks what is left last', () => {
    const steps = stepsOf(expand(coldOwn, { from: EAST, to: WEST, purpose: 'failover' }), 'graceful');
    expect(steps.find(isMove)).toMatchObject({
      id: `tenants.handover@${WEST}`,
      spec: { system: 'temporal-us-east', to: 'west' },
      undo: { spec: { system: 'temporal-eu-west', to: 'east' } },
    });
    expect(steps.slice(-2).map(({ id }) => id)).toEqual([`proxy.park@${EAST}`, `codec.park@${EAST}`]);
  });
});

describe('active-hot', () => {
  test('it never scales', () => {
    fc.assert(
      fc.property(moved(['active-hot']), ({ platform, move }) => {
        expect(expand(platform, move).filter(({ kind }) => kind === 'k8s.scale')).toEqual([]);
      }),
    );
  });

  test('warmth is proved by readiness before namespaces move, and work by dispatch after', () => {
    const plan = expand(hot, { from: EAST, to: WEST, purpose: 'failover' });
    expectOrder(plan, ({ kind, phase }) => kind === 'k8s.wait' && phase === 'gate', isMove);
    expectOrder(plan, isMove, ({ kind }) => kind === 'temporal.wait');
    for (const mode of MODES) expect(stepsOf(plan, mode).filter(({ kind }) => kind === 'k8s.wait')).toHaveLength(4);
  });

  test('by force it asks for one that is ready and goes on without; in peace it insists on all that should be warm', () => {
    const plan = expand(hot, { from: EAST, to: WEST, purpose: 'failover' });
    const warm = (id: string) => plan.find((step) => step.id === `workers.${id}@${WEST}`);
    expect(warm('warm')).toMatchObject({ mode: 'graceful', onFail: 'ask', spec: { ready: 2 } });
    expect(warm('warm-forced')).toMatchObject({ mode: 'ungraceful', onFail: 'continue', spec: { ready: 1 } });
  });
});

describe('active-active', () => {
  test('the route moves before any capacity does', () => {
    fc.assert(
      fc.property(moved(['active-active'], ['failover', 'drill']), ({ platform, move }) =>
        expectOrder(expand(platform, move), isShift, ({ kind }) => kind === 'k8s.scale'),
      ),
    );
  });

  test('the region that is left gets what both had, and what it had comes back by undo', () => {
    const plan = expand(both, { from: EAST, to: WEST, purpose: 'failover' });
    expect(plan.find(({ id }) => id === `workers.scale@${WEST}`)).toMatchObject({
      spec: { replicas: 8, atLeast: true },
      undo: { spec: { replicas: 4, atLeast: false } },
    });
  });

  test('coming back adds capacity first and drains nobody', () => {
    const plan = expand(both, { from: WEST, to: EAST, purpose: 'failback' });
    expectOrder(plan, isRaise, isShift);
    const shifts = plan.filter((step) => step.kind === 'route.shift');
    expect(shifts.map(({ spec }) => spec)).toEqual([{ services: ['web'], from: null, to: EAST }]);
    expect(plan.some(({ kind, phase }) => kind === 'k8s.scale' && phase === 'fence')).toBe(false);
  });

  test('a region that is not the first one comes back without taking namespaces with it', () => {
    const plan = expand(both, { from: EAST, to: WEST, purpose: 'failback' });
    expect(plan.filter((step) => isMove(step) || step.phase === 'promote')).toEqual([]);
    expect(expand(both, { from: WEST, to: EAST, purpose: 'failback' }).some(isMove)).toBe(true);
  });
});

describe('dual-active', () => {
  const isTouched = ({ home }: NamespacesConfig, { from, to, purpose }: Move): boolean => home === (purpose === 'failback' ? to : from);

  test('what does not live in the region that is left never appears: no namespace, fleet, service or external', () => {
    fc.assert(
      fc.property(moved(['dual-active']), ({ platform, move }) => {
        const plan = expand(platform, move);
        const rest = platform.namespaces.filter((entry) => !isTouched(entry, move));
        const quiet = (key: 'fleets' | 'services' | 'externals', all: readonly string[]): readonly string[] => [
          ...rest.flatMap((entry) => entry[key] ?? []),
          ...all.filter((name) => !platform.namespaces.some((entry) => entry[key]?.includes(name))),
        ];
        const deployments = new Set(
          quiet(
            'fleets',
            platform.fleets.map(({ name }) => name),
          ).map((name) => `${name}-deployment`),
        );
        const services = new Set(quiet('services', platform.services));
        const externals = new Set(
          quiet(
            'externals',
            platform.externals.map(({ name }) => name),
          ),
        );
        const namespaces = new Set(rest.flatMap((entry) => entry.namespaces));
        for (const step of plan) {
          if (step.kind === 'k8s.scale' || step.kind === 'k8s.wait') expect(deployments.has(step.spec.deployment), step.id).toBe(false);
          if ('services' in step.spec) for (const name of step.spec.services) expect(services.has(name), step.id).toBe(false);
          if ('namespaces' in step.spec) for (const name of step.spec.namespaces) expect(namespaces.has(name), step.id).toBe(false);
          if (step.kind === 'webhook.call' && step.spec.when !== 'prearm') expect(externals.has(step.spec.external), step.id).toBe(false);
        }
      }),
      { numRuns: 500 },
    );
  });

  const entryOf = ({ id }: Step): string => id.slice(0, id.indexOf('.'));

  test('graceful: one entry after the other, one namespace at a time; ungraceful: none waits for another', () => {
    const plan = expand(dual, { from: EAST, to: WEST, purpose: 'failover' });
    expect(new Set(plan.map(entryOf))).toEqual(new Set(['a', 'c']));
    const graceful = before(plan, 'graceful');
    for (const step of stepsOf(plan, 'graceful')) {
      if (entryOf(step) === 'c')
        for (const earlier of stepsOf(plan, 'graceful').filter((each) => entryOf(each) === 'a'))
          expect(graceful.get(step.id)?.has(earlier.id), `${step.id} after ${earlier.id}`).toBe(true);
      if (isMove(step) && 'parallel' in step.spec) expect(step.spec.parallel).toBe(1);
    }
    for (const [id, all] of before(plan, 'ungraceful')) for (const earlier of all) expect(earlier.split('.')[0]).toBe(id.split('.')[0]);
  });

  test('each entry is moved in its own form: cold where nothing runs, hot where it does', () => {
    const there = expand(dual, { from: EAST, to: WEST, purpose: 'failover' });
    expect(there.some((step) => isRaise(step) && entryOf(step) === 'a')).toBe(true);
    const back = expand(dual, { from: WEST, to: EAST, purpose: 'failover' });
    expect(new Set(back.map(entryOf))).toEqual(new Set(['b']));
    expect(back.filter(({ kind }) => kind === 'k8s.scale')).toEqual([]);
  });

  test('what two entries name goes with neither', () => {
    const shared: PlatformConfig = {
      ...dual,
      namespaces: dual.namespaces.map((entry) => ({ ...entry, fleets: ['workers-a'], services: ['web-a'], externals: ['db'] })),
    };
    const plan = expand(shared, { from: EAST, to: WEST, purpose: 'failover' });
    expect(plan.filter(({ kind }) => ['k8s.scale', 'route.shift', 'webhook.call'].includes(kind))).toEqual([]);
    expect(plan.some(isMove)).toBe(true);
  });
});

test('each kind of fleet is asked in its own way: codec by a round trip, proxies by gRPC, workers by HTTP', () => {
  const plan = expand(cold, { from: EAST, to: WEST, purpose: 'failover' });
  const kinds = plan.filter(({ id }) => id.includes('.check@')).map(({ id, kind }) => [id.slice(0, id.indexOf('.')), kind]);
  expect(kinds).toEqual([
    ['codec', 'codec.canary'],
    ['proxy', 'grpc.check'],
    ['workers', 'http.check'],
  ]);
});

test('bounds of a gate are those that it has, and a call that may be passed over is passed over when its answer is unknown', () => {
  const plan = expand(cold, { from: EAST, to: WEST, purpose: 'failover' });
  const specOf = (id: string) => plan.find((step) => step.id === id)?.spec;
  expect(specOf('gate.lag')).toMatchObject({ max: 30 });
  expect(specOf('gate.lag')).not.toHaveProperty('min');
  expect(specOf('gate.room')).toMatchObject({ min: 3 });
  expect(specOf('gate.room')).not.toHaveProperty('max');
  const unknown = plan.filter(({ kind }) => kind === 'webhook.call').map(({ onFail, onUnknown }) => `${onFail} ${onUnknown}`);
  expect(new Set(unknown)).toEqual(new Set(['ask ask', 'continue proceed']));
});
