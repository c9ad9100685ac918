// What tests of gates share: an entry of the configuration, services, and fences.
import { stateHash } from '../../providers/fence.ts';
import type { GateConfig } from '../../providers/gate/index.ts';
import type { Fence, ProviderService } from '../../providers/provider.ts';

export const GATE: GateConfig = {
  kind: 'gate',
  form: 'survivor',
  checker: { kind: 'route53', intervalMs: 10_000, failures: 3, agree: 2, proxied: false },
};

export const REGIONS = ['eu-west', 'us-east', 'ap-south'] as const;
export const WEB = 'web.example.test';

/** A service with a pool per region; shares by pool, all equal when none are given. */
export const serviceOf = (service = WEB, shares: Readonly<Record<string, number>> = {}): ProviderService => ({
  service,
  ttlS: 30,
  pools: REGIONS.map((region, at) => ({
    pool: region,
    region,
    share: Object.keys(shares).length === 0 ? (at === 0 ? 334 : 333) : (shares[region] ?? 0),
    configuredShare: 333,
    answers: [],
  })),
});

export const fenceOf = (v: number, desired: ProviderService, writer = 'eu-west/a/boot'): Fence => ({
  v,
  epoch: 1,
  writer,
  nonce: `d${v}-1`,
  hash: stateHash(desired),
});
