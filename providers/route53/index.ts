// Amazon Route 53: record sets by weight or failover, switches of health checks, or ARC's routing controls, by the mode of the entry.
import type { Provider, ProviderModule } from '../provider.ts';
import type { AwsContext } from './account.ts';
import type { Route53Config } from './config.ts';
import { openHealthChecks } from './health-checks.ts';
import { canOf, openRecords } from './records.ts';
import { openRoutingControls } from './routing-controls.ts';

export const route53 = {
  kind: 'route53',
  can: canOf('weighted'),
  open(config: Route53Config, context: AwsContext): Provider {
    switch (config.mode) {
      case 'healthChecks':
        return openHealthChecks(config, context);
      case 'routingControls':
        return openRoutingControls(config, context);
      default:
        return openRecords(config, context);
    }
  },
} satisfies ProviderModule<Route53Config>;
