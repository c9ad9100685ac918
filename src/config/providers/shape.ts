// What the configuration has to know of one kind of provider: how an entry is written, which services it can serve, and how long users take to follow.
import type { z } from 'zod';
import type { RegionConfig, ServiceConfig } from '../../model.ts';
import type { Arrival } from '../arithmetic.ts';
import type { Path } from '../problem.ts';

export interface ProviderShape<C> {
  /** A strict object with `kind: z.literal(…)`. Paths end in `File` and nothing else does. */
  schema: z.ZodType<C>;
  /**
   * Why this entry cannot serve this service; null: it can. `at`: where in the service. `called`: the entry's name. `regions`: those of the cluster;
   * null: nobody knows them.
   */
  misfit(entry: C, service: ServiceConfig, called: string, regions: readonly RegionConfig[] | null): { at: Path; message: string } | null;
  /** From the provider's acknowledgement until it answers so everywhere, at worst; `ttl`: whether resolvers keep the old answer after that. */
  arrival(entry: C): Arrival;
  /** The vendor's objects that it writes for this service, spelt so that the same object has the same text whichever entry names it. Pure. */
  objects(entry: C, service: string): readonly string[];
}

export const inZone = (zone: string, service: ServiceConfig, called: string): { at: Path; message: string } | null => {
  if (service.name === zone || service.name.endsWith(`.${zone}`)) return null;
  const message = `found "${service.name}", expected a name in the zone ${zone} of provider "${called}"; rename it or choose another provider`;
  return { at: ['name'], message };
};

/** For what is served by its addresses. */
export const hasAnswers = (service: ServiceConfig, called: string): { at: Path; message: string } | null => {
  const at = service.pools.findIndex(({ answers }) => answers.length === 0);
  if (at < 0) return null;
  const message = `found no answers, expected at least one address, since provider "${called}" serves pools by their addresses; add them`;
  return { at: ['pools', at, 'answers'], message };
};

/** What a server of a zone that is updated by hand holds for a service. */
export const recordsAt = (service: string, zone: string, server: string): string =>
  `the records of ${service} in zone ${zone} at ${server}`;

/** Secondaries of a zone that is served by hand follow a NOTIFY within this. */
export const SECONDARIES = { visibleMs: 5000, what: "spread to the zone's other servers", ttl: true } as const;
