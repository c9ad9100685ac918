// The table of providers: one line each, imported only when a configuration names it, so that an unused vendor's library costs nothing.
import type { Ports } from '../src/ports.ts';
import type { BuiltinConfig } from './builtin/index.ts';
import type { Provider, ProviderModule } from './provider.ts';
import type { Rfc2136Config } from './rfc2136/index.ts';

export const providers = {
  builtin: async () => (await import('./builtin/index.ts')).builtin,
  rfc2136: async () => (await import('./rfc2136/index.ts')).rfc2136,
} as const satisfies Record<string, () => Promise<ProviderModule<never>>>;

export type ProviderKind = keyof typeof providers;

/** One entry of `providers` in a replica's file. */
export type ProviderConfig = BuiltinConfig | Rfc2136Config;

/** Imports the adapter that `config.kind` names and opens it. Throws what the adapter says about its configuration or secret. */
export const openProvider = async (
  config: ProviderConfig,
  context: { ports: Ports; secret: (path: string) => string },
): Promise<Provider> => {
  switch (config.kind) {
    case 'builtin':
      return (await providers.builtin()).open(config, context);
    case 'rfc2136':
      return (await providers.rfc2136()).open(config, context);
  }
};
