// Cloudflare: load balancers (weights of pools) or plain A and AAAA records, by the mode of the entry. Calls go through Cloudflare's own library.
import type { Capabilities, Provider, ProviderContext, ProviderModule } from '../provider.ts';
import { openBalancers } from './balancer.ts';
import { createClient } from './client.ts';
import {
  BALANCER_TTL_S,
  BATCH_RECORDS,
  type BalancerConfig,
  type CloudflareConfig,
  RECORD_TTL_FLOOR_S,
  type RecordsConfig,
} from './config.ts';
import { openRecords } from './dns.ts';

const CHECKED_ON = '2026-11-26';

/** A service of three pools with both families, all of it changed, and its fence. */
const RECORDS_EACH = 10;
const SERVICES_MAX = 100;

const canBalance = ({ proxied }: Pick<BalancerConfig, 'proxied'>): Capabilities => ({
  fencing: 'marker',
  weights: 'exact',
  batchMax: 1,
  servesAnswers: false,
  ttlFloorS: proxied ? 0 : BALANCER_TTL_S,
  checkedOn: CHECKED_ON,
});

const canRecord = ({ fencing, plan, proxied }: RecordsConfig): Capabilities => ({
  fencing,
  weights: 'onOff',
  batchMax: Math.min(SERVICES_MAX, BATCH_RECORDS[plan] / RECORDS_EACH),
  servesAnswers: true,
  ttlFloorS: proxied ? 0 : RECORD_TTL_FLOOR_S[plan],
  checkedOn: CHECKED_ON,
});

export const cloudflare = {
  kind: 'cloudflare',
  can: canBalance({ proxied: true }),
  open(config: CloudflareConfig, context: Pick<ProviderContext, 'ports' | 'fetch' | 'secret'>): Provider {
    const client = createClient(config, context);
    return config.mode === 'loadBalancer'
      ? { can: canBalance(config), ...openBalancers(config, client) }
      : { can: canRecord(config), ...openRecords(config, client) };
  },
} satisfies ProviderModule<CloudflareConfig>;
