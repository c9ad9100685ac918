// The table of providers: one line each, imported only when a configuration names it, so that an unused vendor's library costs nothing.
import type { BuiltinConfig } from './builtin/index.ts';
import type { CloudflareConfig } from './cloudflare/config.ts';
import type { GateConfig } from './gate/index.ts';
import type { GclbConfig } from './gclb/index.ts';
import type { KubernetesConfig } from './kubernetes/index.ts';
import type { PowerDnsConfig } from './powerdns/index.ts';
import type { Provider, ProviderContext, ProviderModule } from './provider.ts';
import type { Rfc2136Config } from './rfc2136/index.ts';
import type { Route53Config } from './route53/config.ts';

export const providers = {
  builtin: async () => (await import('./builtin/index.ts')).builtin,
  cloudflare: async () => (await import('./cloudflare/index.ts')).cloudflare,
  gate: async () => (await import('./gate/index.ts')).gate,
  gclb: async () => (await import('./gclb/index.ts')).gclb,
  kubernetes: async () => (await import('./kubernetes/index.ts')).kubernetes,
  powerdns: async () => (await import('./powerdns/index.ts')).powerdns,
  rfc2136: async () => (await import('./rfc2136/index.ts')).rfc2136,
  route53: async () => (await import('./route53/index.ts')).route53,
} as const satisfies Record<string, () => Promise<ProviderModule<never>>>;

export type ProviderKind = keyof typeof providers;

/** One entry of `providers` in a replica's file. */
export type ProviderConfig =
  | BuiltinConfig
  | CloudflareConfig
  | GateConfig
  | GclbConfig
  | KubernetesConfig
  | PowerDnsConfig
  | Rfc2136Config
  | Route53Config;

/** Imports the adapter that `config.kind` names and opens it. Throws what the adapter says about its configuration or secret. */
export const openProvider = async (config: ProviderConfig, context: ProviderContext): Promise<Provider> => {
  const module: ProviderModule<never> = await providers[config.kind]();
  return module.open(config as never, context);
};
