// One contract suite over the table of models, on platforms at random; then what each model promises of its own.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { modelOf, models } from '../../../policies/index.ts';
import type { Move } from '../../../policies/policy.ts';
import { tidy } from '../../../policies/steps/order.ts';
import { isOfMode, type Step } from '../../../src/runbook/model.ts';
import { planProblems, stepsOf } from '../../../src/runbook/plan.ts';
import { MODEL_KINDS, type ModelKind, type NamespacesConfig, type PlatformConfig, type RunMode } from '../../../src/runbook/platform.ts';
import { both, bothData, cold, coldOwn, databaseOf, dual, EAST, fleetOf, hot, hotData, WEST } from '../../runbook/platforms.ts';
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
  'gate.lag',
  'pg.caughtup',
  'verify.objectives',
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
const isDataFence = ({ kind }: Step): boolean => kind === 'fence.patroni' || kind === 'fence.pgbouncer';
/** Whatever changes which data is written to, of what is waited for. */
const isPromotion = (step: Step): boolean =>
  step.phase === 'promote' && ['pgbouncer.pause', 'pg.demote', 'pg.promote', 'cache.takeover', 'cache.promote'].includes(step.kind);
const isPromoted = (step: Step): boolean =>
  isMove(step) || isPromotion(step) || (step.kind === 'webhook.call' && step.spec.when === 'promote');
/** Where the platform names nobody for a kind. */
const personsOf = ({ kind, mode, phase }: Step): number => {
  const isLossy = mode === 'ungraceful' && (kind === 'pg.promote' || (kind === 'cache.promote' && phase === 'promote'));
  return isLossy || (kind === 'cache.rejoin' && mode === 'graceful') ? 1 : 0;
};

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
          // What becomes a standby does not answer for a moment.
          expect(retry.tries, id).toBe(of === 'pg.caughtup' ? 8 : 1);
        }
        if ('no' in undo) expect(undo.no.length, id).toBeGreaterThan(10);
      }
    });
  });

  test('persons are asked as the platform says, by kind of step', () => {
    check((platform, _, plan) => {
      for (const step of plan) expect(step.approvals, step.id).toBe(platform.approvals.steps[step.kind] ?? personsOf(step));
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
      const insisted = ['webhook.call', 'fence.patroni'];
      for (const step of plan.filter(({ phase, mode, kind: of }) => phase === 'fence' && mode === 'ungraceful' && !insisted.includes(of))) {
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
          const guarded = (step: Step) => (config.before === 'route' ? isShift(step) : isPromoted(step));
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
          const guards = (step: Step): boolean => (what === 'route' ? isShift(step) : isPromoted(step));
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

describe('data tiers', () => {
  const check = (
    of: (platform: PlatformConfig, move: Move, plan: readonly Step[]) => void,
    purposes: readonly Move['purpose'][] = ['failover', 'failback', 'drill'],
  ): void =>
    fc.assert(
      fc.property(moved(undefined, purposes), ({ platform, move }) => {
        of(platform, move, expand(platform, move));
      }),
      { numRuns: 400 },
    );
  const ofKind = (steps: readonly Step[], kind: Step['kind'], name: string): readonly Step[] =>
    steps.filter((step) => step.kind === kind && step.id.includes(`pg.${name}.`));

  test('nothing is promoted by force before every rung was tried and what would be lost was told', () => {
    check((platform, _, plan) => {
      const order = before(plan, 'ungraceful');
      const steps = stepsOf(plan, 'ungraceful');
      for (const { name, sites } of platform.databases ?? [])
        for (const { id } of ofKind(steps, 'pg.promote', name)) {
          for (const kind of ['fence.patroni', 'fence.pgbouncer', 'gate.lag'] as const) {
            const wanted = ofKind(steps, kind, name);
            expect(wanted.length, `${kind} of ${name}`).toBe(
              kind === 'fence.pgbouncer' ? (Object.values(sites)[0]?.poolers.length ?? 0) : 1,
            );
            for (const step of wanted) expect(order.get(id)?.has(step.id), `${id} after ${step.id}`).toBe(true);
          }
          expect(ofKind(steps, 'fence.patroni', name)[0]?.onFail).toBe('ask');
          expect(ofKind(steps, 'fence.patroni', name)[0]?.ifPassed).toMatch(/both regions write, and what one of them wrote is lost$/);
          expect(ofKind(steps, 'gate.lag', name)[0]?.onFail).toBe('ask');
        }
    });
  });

  test('nothing is promoted in peace before the old writer has stopped and all of it has arrived, and lag is asked before anybody waits', () => {
    check((platform, _, plan) => {
      const order = before(plan, 'graceful');
      const steps = stepsOf(plan, 'graceful');
      for (const { name } of platform.databases ?? [])
        for (const { id } of ofKind(steps, 'pg.promote', name)) {
          const chain = (['gate.lag', 'pg.demote', 'pg.caughtup'] as const).map((kind) => {
            const found = ofKind(steps, kind, name);
            expect(found.length, `${kind} of ${name}`).toBe(1);
            return found[0]?.id ?? '';
          });
          const pauses = ofKind(steps, 'pgbouncer.pause', name);
          for (const [at, earlier] of chain.entries())
            for (const later of [...chain.slice(at + 1), id]) expect(order.get(later)?.has(earlier)).toBe(true);
          for (const pause of pauses) {
            expect(order.get(pause.id)?.has(chain[0] ?? '')).toBe(true);
            expect(order.get(chain[1] ?? '')?.has(pause.id)).toBe(true);
          }
          const [canary] = ofKind(steps, 'pg.canary', name);
          expect(order.get(canary?.id ?? '')?.has(id)).toBe(true);
        }
    });
  });

  test('whoever waits goes on: after the new writer took a row, and also when the run is taken back', () => {
    check((platform, { from, purpose }, plan) => {
      const order = before(plan, 'graceful');
      const steps = stepsOf(plan, 'graceful');
      for (const pause of steps.filter(({ kind }) => kind === 'pgbouncer.pause')) {
        const resumed = steps.filter(
          (step) => step.kind === 'pgbouncer.resume' && JSON.stringify(step.spec) === JSON.stringify(pause.spec),
        );
        expect(resumed.length, pause.id).toBe(1);
        expect(order.get(resumed[0]?.id ?? '')?.has(pause.id)).toBe(true);
        const canaries = steps.filter(({ id, kind }) => kind === 'pg.canary' && order.get(resumed[0]?.id ?? '')?.has(id));
        expect(canaries.length).toBeGreaterThan(0);
        expect(pause.undo).toEqual({ spec: { ...pause.spec, release: true } });
        expect(pause.id.endsWith(`@${from}`)).toBe(true);
      }
      for (const mode of MODES)
        for (const { name, sites } of platform.databases ?? []) {
          const all = stepsOf(plan, mode);
          const promoted = ofKind(all, 'pg.promote', name).length;
          // Where the writer is elsewhere, a region that comes back lets its own clients go on.
          const isReturn = platform.model === 'active-active' && purpose === 'failback' && promoted === 0;
          const regions = isReturn ? 1 : promoted * (mode === 'graceful' ? 2 : 1);
          const wanted = regions * (Object.values(sites)[0]?.poolers.length ?? 0);
          expect(ofKind(all, 'pgbouncer.resume', name).length, `${mode}: ${name}`).toBe(wanted);
        }
    });
  });

  test('what is served or worked on waits until a row was written and read back', () => {
    check(
      (_, __, plan) => {
        for (const mode of MODES) {
          const order = before(plan, mode);
          const steps = stepsOf(plan, mode);
          for (const canary of steps.filter(({ kind }) => kind === 'pg.canary')) {
            const prefix = canary.id.slice(0, canary.id.indexOf('pg.'));
            for (const step of steps.filter(
              (each) => each.kind === 'route.shift' && each.phase === 'route' && each.id === `${prefix}${each.id.slice(prefix.length)}`,
            ))
              expect(order.get(step.id)?.has(canary.id), `${mode}: ${step.id} after ${canary.id}`).toBe(true);
          }
        }
      },
      ['failback'],
    );
  });

  test('a cache that can be filled anew is needed by nothing but what brings its old side back, and stops nothing', () => {
    check((platform, _, plan) => {
      const caches = new Set((platform.caches ?? []).filter(({ policy }) => policy === 'cache').map(({ name }) => name));
      const nameOf = ({ id }: Step): string | undefined => /(?:^|\.)cache\.([^.]+)\.[a-z]+@/.exec(id)?.[1];
      const own = plan.filter((step) => step.kind.startsWith('cache.') && caches.has(nameOf(step) ?? ''));
      const ids = new Set(own.map(({ id }) => id));
      for (const step of own) {
        expect(step.onFail, step.id).toBe('continue');
        expect(step.onUnknown, step.id).toBe('proceed');
        expect(step.timeoutMs, step.id).toBeLessThanOrEqual(5_000);
      }
      for (const step of plan.filter(({ id }) => !ids.has(id)))
        expect(
          step.needs.filter((need) => ids.has(need)),
          step.id,
        ).toEqual([]);
    });
  });

  test('a cache whose data counts is taken over without loss in peace, promoted by force, and asks when it fails', () => {
    check((platform, _, plan) => {
      const strict = (platform.caches ?? []).filter(({ policy }) => policy === 'strict').map(({ name }) => name);
      for (const name of strict) {
        const own = plan.filter(({ id, phase }) => id.includes(`cache.${name}.`) && phase === 'promote');
        expect([[], ['cache.takeover graceful ask', 'cache.promote ungraceful ask']]).toContainEqual(
          own.map(({ kind, mode, onFail }) => `${kind} ${mode} ${onFail}`),
        );
        for (const step of own) if (step.kind === 'cache.promote') expect(step.spec.whole).toBe(true);
      }
    });
  });

  test('in Active/Active a writer that is elsewhere stays where it is', () => {
    const plan = modelOf('active-active').expand(bothData, { from: WEST, to: EAST, purpose: 'failover', active: EAST });
    expect(plan.filter(({ id }) => /^(pg|cache)\./.test(id))).toEqual([]);
    const left = modelOf('active-active').expand(bothData, { from: EAST, to: WEST, purpose: 'failover', active: EAST });
    expect(left.filter(({ kind }) => kind === 'pg.promote')).toHaveLength(2);
    const back = modelOf('active-active').expand(bothData, { from: EAST, to: WEST, purpose: 'failback', active: EAST });
    // Its own poolers let their clients go on before users are there, once its database is seen to follow: that is all that happens to data.
    const tiers = back.filter(({ id }) => /^(pg|cache)\./.test(id));
    const poolers = (bothData.databases ?? []).flatMap(({ sites }) => sites[WEST]?.poolers ?? []);
    expect(poolers.length).toBeGreaterThan(0);
    const ofKind = (kind: Step['kind']): readonly Step[] => tiers.filter((step) => step.kind === kind);
    expect(ofKind('pgbouncer.resume').map(({ spec }) => spec)).toEqual(poolers.map(({ system, database }) => ({ system, database })));
    expect(tiers.length).toBe(poolers.length + ofKind('gate.lag').length);
    const openings = back.filter(isShift);
    expect(openings.length).toBeGreaterThan(0);
    for (const mode of MODES) {
      const gates = ofKind('gate.lag').filter((step) => isOfMode(step, mode));
      expect(gates.map(({ spec }) => spec)).toMatchObject((bothData.databases ?? []).map(({ name }) => ({ database: name, region: WEST })));
      for (const { id } of ofKind('pgbouncer.resume')) {
        for (const gate of gates) expect(before(back, mode).get(id)?.has(gate.id), `${mode}: ${gate.id} before ${id}`).toBe(true);
        for (const opening of openings) expect(before(back, mode).get(opening.id)?.has(id), `${mode}: ${id}`).toBe(true);
      }
    }
  });

  test('once it may have been promoted, in whichever mode, what fences the old side is not taken back', () => {
    check((_, __, plan) => {
      const fences = plan.filter(isDataFence).map(({ id }) => id);
      for (const mode of MODES) {
        const barred = plan.flatMap((step) =>
          step.kind === 'pg.promote' && step.mode === mode && 'no' in step.undo ? (step.undo.bars ?? []) : [],
        );
        expect(barred.filter((id) => fences.includes(id)).sort(), mode).toEqual([...fences].sort());
      }
    });
  });

  test('a demotion is taken back by a promotion, unless the other side may have been promoted meanwhile', () => {
    check((platform, { from, to }, plan) => {
      const demoted = plan.flatMap((step) => (step.kind === 'pg.demote' ? [step] : []));
      const fenced = plan.flatMap((step) => (step.kind === 'fence.patroni' ? [step] : []));
      const forced = plan.flatMap(({ kind, mode, undo }) =>
        kind === 'pg.promote' && mode === 'ungraceful' && 'no' in undo ? (undo.bars ?? []) : [],
      );
      for (const { id } of fenced) expect(forced).toContain(id);
      for (const { id, spec, undo } of [...demoted, ...fenced]) {
        expect(undo).toMatchObject({
          kind: 'pg.promote',
          spec: { region: from, system: spec.system, sql: spec.sql, from: { region: to } },
        });
        for (const mode of demoted.some((each) => each.id === id) ? MODES : []) {
          const bars = stepsOf(plan, mode).flatMap(({ kind, undo: how }) => (kind === 'pg.promote' && 'no' in how ? (how.bars ?? []) : []));
          expect(bars).toContain(id);
        }
      }
      expect(demoted.length).toBe(plan.filter(({ kind }) => kind === 'pg.promote').length / 2);
      expect(platform.databases?.length ?? 0).toBeGreaterThanOrEqual(demoted.length);
    });
  });

  test('nobody works in the new region while somebody is asked whether the old writer still writes', () => {
    check((_, __, plan) => {
      const order = before(plan, 'ungraceful');
      const steps = stepsOf(plan, 'ungraceful');
      for (const fence of steps.filter(({ kind }) => kind === 'fence.patroni')) {
        const prefix = fence.id.slice(0, fence.id.indexOf('pg.'));
        for (const step of steps.filter((each) => isMove(each) && each.id.startsWith(prefix)))
          expect(order.get(step.id)?.has(fence.id), `${step.id} after ${fence.id}`).toBe(true);
      }
    });
  });

  test('a grace is waited for to its end, and no deadline of a fence is longer than what it waits for', () => {
    const planned = (rung: 'witness' | 'grace' | 'lease' | 'acknowledged', graceMs: number) =>
      expand(
        { ...hotData, databases: [databaseOf('orders', { fence: { rung, graceMs } })] },
        { from: EAST, to: WEST, purpose: 'failover' },
      ).find(({ kind }) => kind === 'fence.patroni')?.timeoutMs;
    expect([planned('witness', 600_000), planned('grace', 600_000), planned('lease', 600_000), planned('acknowledged', 1)]).toEqual([
      30_000, 630_000, 60_000, 30_000,
    ]);
  });

  test('a standby follows the address of the region that is gone to, by its slot where there is one', () => {
    const follow = (from: string, to: string) =>
      expand(hotData, { from, to, purpose: 'failover' }).flatMap((step) =>
        step.kind === 'pg.demote' || step.kind === 'fence.patroni' ? [step.spec.follow] : [],
      );
    const west = { host: `pg.${WEST}.example.net`, port: 5432, slot: null };
    expect(follow(EAST, WEST)).toEqual([west, west]);
    const east = { host: `pg.${EAST}.example.net`, port: 5432, slot: 'standby' };
    expect(follow(WEST, EAST)).toEqual([east, east]);
    const v6 = databaseOf('orders');
    const sites = { ...v6.sites, [WEST]: { ...v6.sites[WEST]!, address: '[2001:db8::1]:5432' } };
    const plan = expand({ ...hotData, databases: [{ ...v6, sites }] }, { from: EAST, to: WEST, purpose: 'failover' });
    expect(plan.flatMap((step) => (step.kind === 'pg.demote' ? [step.spec.follow.host] : []))).toEqual(['2001:db8::1']);
  });
});

describe('active-cold', () => {
  test('nothing starts in the new region before every fence of the old one has ended, in both modes', () => {
    fc.assert(
      fc.property(moved(['active-cold'], ['failover', 'failback', 'drill']), ({ platform, move }) =>
        expectOrder(expand(platform, move), (step) => step.phase === 'fence' && !isDataFence(step), isRaise),
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
        const quiet = (key: 'fleets' | 'services' | 'externals' | 'databases' | 'caches', all: readonly string[]): readonly string[] => [
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
        const namesOf = (key: 'databases' | 'caches') =>
          quiet(
            key,
            (platform[key] ?? []).map(({ name }) => name),
          ).map((name) => ({ key, name }));
        const moving = (key: 'databases' | 'caches', name: string): boolean =>
          platform.namespaces.filter((entry) => entry[key]?.includes(name)).every((entry) => isTouched(entry, move));
        const tiers = [...namesOf('databases'), ...namesOf('caches')]
          .filter(({ key, name }) => !moving(key === 'databases' ? 'caches' : 'databases', name))
          .map(({ name }) => name);
        for (const step of plan) {
          if (step.kind === 'k8s.scale' || step.kind === 'k8s.wait') expect(deployments.has(step.spec.deployment), step.id).toBe(false);
          if ('services' in step.spec) for (const name of step.spec.services) expect(services.has(name), step.id).toBe(false);
          if ('namespaces' in step.spec) for (const name of step.spec.namespaces) expect(namespaces.has(name), step.id).toBe(false);
          if (step.kind === 'webhook.call' && step.spec.when !== 'prearm') expect(externals.has(step.spec.external), step.id).toBe(false);
          // Their systems are named after them.
          for (const name of tiers)
            expect(JSON.stringify(step.spec), step.id).not.toMatch(new RegExp(`"(patroni|pg|pooler|redis)-${name}-`));
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
