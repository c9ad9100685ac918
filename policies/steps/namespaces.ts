// Steps of Temporal namespaces: where they are active, and that tasks are dispatched there. Pure.
import assert from 'node:assert';
import type { Step } from '../../src/runbook/model.ts';
import type { ByRegion, NamespacesConfig } from '../../src/runbook/platform.ts';
import type { Move } from '../policy.ts';
import { placedIn } from './fleets.ts';
import type { Part } from './part.ts';
import { MOVE_MS, ONLY_READS, stepOf } from './step.ts';

/** An entry that moves by itself has its name in the prefix already. */
const subjectOf = ({ prefix }: Part, { name }: NamespacesConfig): string => (prefix === '' ? `${name}.` : '');

const placeOf = ({ name, places }: NamespacesConfig, region: string): string => {
  const place = places[region];
  assert(place !== undefined, `namespaces ${name} have no place for ${region}`);
  return place;
};

const clusterOf = ({ name }: NamespacesConfig, systems: ByRegion<string>, region: string): string => {
  const system = systems[region];
  assert(system !== undefined, `namespaces ${name} have no cluster for ${region}`);
  return system;
};

const LOST = 'what the other region had not received yet is decided by now; to move back is a run of its own, with its own gates';

/** Active in `to`: without loss while `from` works, by force when it does not. What is active there already stays as it is. */
export const moves = (part: Part, { from, to }: Move, needs: readonly string[]): readonly Step[] =>
  part.namespaces.flatMap((entry): readonly Step[] => {
    const { namespaces, stopAfter } = entry;
    const [there, back] = [placeOf(entry, to), placeOf(entry, from)];
    const parallel = part.oneByOne ? 1 : entry.parallel;
    const target = `${namespaces.length === 1 ? namespaces[0] : `${namespaces.length} namespaces of ${entry.name}`} to ${there}`;
    const common = { phase: 'namespaces', target, needs, timeoutMs: MOVE_MS, retry: { tries: 3, everyMs: 5_000 } } as const;
    const forced = { ...common, kind: 'temporal.failover', mode: 'ungraceful', undo: { no: LOST } } as const;
    const spec = (system: string, place: string, most: number) => ({ system, namespaces, to: place, parallel: most, stopAfter });
    if (typeof entry.system === 'string') {
      const { system } = entry;
      return [
        stepOf(part, {
          ...common,
          name: `${subjectOf(part, entry)}failover@${to}`,
          kind: 'temporal.failover',
          mode: 'graceful',
          spec: spec(system, there, parallel),
          undo: { spec: spec(system, back, parallel) },
        }),
        stepOf(part, { ...forced, name: `${subjectOf(part, entry)}failover-forced@${to}`, spec: spec(system, there, entry.parallel) }),
      ];
    }
    const [active, activated] = [clusterOf(entry, entry.system, from), clusterOf(entry, entry.system, to)];
    return [
      stepOf(part, {
        ...common,
        name: `${subjectOf(part, entry)}handover@${to}`,
        kind: 'temporal.handover',
        mode: 'graceful',
        spec: spec(active, there, parallel),
        undo: { spec: spec(activated, back, parallel) },
      }),
      stepOf(part, { ...forced, name: `${subjectOf(part, entry)}failover@${to}`, spec: spec(activated, there, entry.parallel) }),
    ];
  });

/** Whose pollers count as the region's: null as soon as one of its fleets of workers cannot be told from others. */
const identityOf = (part: Part, region: string): string | null => {
  const identities = placedIn(part, region, ['workers']).map(({ site }) => site.identity);
  const known = identities.filter((identity) => identity !== undefined);
  if (known.length === 0 || known.length < identities.length) return null;
  return known.length === 1 ? (known[0] ?? null) : known.map((identity) => `(?:${identity})`).join('|');
};

/** Who is asked for pollers and dispatch in a region. null: nobody can be. */
export const frontendOf = ({ system, frontend }: NamespacesConfig, region: string): string | null => {
  const asked = typeof system === 'string' ? frontend : system;
  return (typeof asked === 'string' ? asked : asked?.[region]) ?? null;
};

/** Tasks are dispatched in the region. One poller per queue is enough here: how many pods there are was asked elsewhere. */
export const dispatches = (part: Part, { to }: Move, needs: readonly string[]): readonly Step[] =>
  part.namespaces.flatMap((entry): readonly Step[] => {
    const system = frontendOf(entry, to);
    const { namespaces, queues } = entry;
    if (system === null || queues.length === 0) return [];
    return [
      stepOf(part, {
        name: `${subjectOf(part, entry)}dispatch@${to}`,
        kind: 'temporal.wait',
        phase: 'ready',
        target: `tasks of ${entry.name} in ${to}`,
        spec: { system, namespaces, queues, identity: identityOf(part, to), pollers: 1 },
        needs,
        timeoutMs: MOVE_MS,
        undo: ONLY_READS,
      }),
    ];
  });
