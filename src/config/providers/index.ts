// The table of providers as the configuration sees them: one line each, the same kinds as providers/index.ts. Loads no vendor's library.
import { z } from 'zod';
import type { ProviderConfig } from '../../../providers/index.ts';
import { type Pace, paceOf } from '../arithmetic.ts';
import type { StoreConfig } from '../schema.ts';
import { builtin } from './builtin.ts';
import { cloudflare } from './cloudflare.ts';
import { gate } from './gate.ts';
import { gclb } from './gclb.ts';
import { kubernetes } from './kubernetes.ts';
import { powerdns } from './powerdns.ts';
import { rfc2136 } from './rfc2136.ts';
import { route53 } from './route53.ts';
import type { ProviderShape } from './shape.ts';

const shapes: { readonly [K in ProviderConfig['kind']]: ProviderShape<Extract<ProviderConfig, { kind: K }>> } = {
  builtin,
  cloudflare,
  gate,
  gclb,
  kubernetes,
  powerdns,
  rfc2136,
  route53,
};

/** The shape for an entry. */
export const shapeOf = (entry: ProviderConfig): ProviderShape<ProviderConfig> => shapes[entry.kind] as ProviderShape<ProviderConfig>;

/** One entry of `providers`. */
export const providerEntry = z.discriminatedUnion(
  'kind',
  Object.values(shapes).map(({ schema }) => schema) as unknown as [z.core.$ZodTypeDiscriminable],
) as unknown as z.ZodType<ProviderConfig>;

/** The pace of what a replica's file names: its store and its providers. */
export const paceIn = ({ store, providers }: { store: StoreConfig; providers: Readonly<Record<string, ProviderConfig>> }): Pace => ({
  ...paceOf(store),
  arrivals: Object.fromEntries(Object.entries(providers).map(([name, entry]) => [name, shapeOf(entry).arrival(entry)])),
});
