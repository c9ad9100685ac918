// Mode weighted and failover: record sets of a hosted zone, changed in one batch together with the fences of their services.
import { assertBatch, behindIn, servicesIn } from '../batch.ts';
import { fenceName } from '../fence.ts';
import type { Applied, Capabilities, Change, Owned, Provider, ProviderService } from '../provider.ts';
import { type AwsContext, openAccount } from './account.ts';
import { CHECKED_ON, type RecordsConfig } from './config.ts';
import { blockedBy, changesOf, type Objects, quantise, readBackOf, tooLarge } from './convert.ts';
import { changeSets, setsOf, settledChange, type Zone } from './zone.ts';

/** A service of six addresses and its fence take about 900 of the 32,000 characters of a batch. */
const BATCH_MAX = 30;

export const canOf = (mode: RecordsConfig['mode']): Capabilities => ({
  fencing: 'conditional',
  weights: mode === 'weighted' ? 'exact' : 'onOff',
  batchMax: BATCH_MAX,
  // Not for pools that the entry serves by CNAME or alias, which the configuration knows.
  servesAnswers: true,
  ttlFloorS: 1,
  checkedOn: CHECKED_ON,
});

export const openRecords = (config: RecordsConfig, context: AwsContext): Provider => {
  const account = openAccount(config, context);
  const zone: Zone = { account, hostedZoneId: config.hostedZoneId };
  const objectsOf = ({ service }: ProviderService): Objects => ({ mode: config.mode, pools: config.services[service]?.pools ?? {} });
  return {
    can: canOf(config.mode),
    quantise: (service) => quantise(objectsOf(service), service),
    async read(services, signal) {
      const names = services.flatMap(({ service }) => [service, fenceName(service)]);
      const sets = await setsOf(zone, names, signal);
      const own = ({ service }: ProviderService) => [service, fenceName(service)].flatMap((name) => sets.get(name) ?? []);
      return new Map(services.map((service) => [service.service, readBackOf(objectsOf(service), service, own(service))]));
    },
    apply: (changes, signal) => applyAll(config, zone, objectsOf, changes, signal),
    settle: (receipt, signal) => settledChange(zone, receipt, signal),
    owns: (services) => services.flatMap((service) => ownedOf(objectsOf(service), service)),
    close: async () => account.close(),
  };
};

const applyAll = async (
  config: RecordsConfig,
  zone: Zone,
  objectsOf: (service: ProviderService) => Objects,
  changes: readonly Change[],
  signal: AbortSignal,
): Promise<Applied> => {
  assertBatch(changes);
  const batch = changes.flatMap((change) => changesOf(objectsOf(change.desired), change));
  const behind = behindIn(changes);
  if (behind !== null) return behind;
  const where = `route53: change of ${servicesIn(changes)} in zone ${config.hostedZoneId}`;
  const blocked = changes.map((change) => blockedBy(config.mode, change)).find((because) => because !== null) ?? tooLarge(batch);
  if (blocked !== null) return { outcome: 'fatal', because: `${where}: ${blocked}` };
  if (batch.length === 0) return { outcome: 'applied' };
  const names = changes.map(({ desired }) => desired.service);
  return changeSets(zone, where, batch, names, signal);
};

const ownedOf = ({ mode, pools }: Objects, service: ProviderService): readonly Owned[] => {
  const field = mode === 'weighted' ? 'weight' : 'failover';
  const block = mode === 'weighted' ? 'weighted_routing_policy' : 'failover_routing_policy';
  const sets = service.pools.map(({ pool }): Owned => {
    const { setIdentifier = pool, cname, alias } = pools[pool] ?? {};
    const types = alias !== undefined ? alias.types.join(' and ') : cname !== undefined ? 'CNAME' : 'A and AAAA';
    return {
      object: `record ${service.service} ${types} "${setIdentifier}"`,
      fields: alias === undefined ? [field, 'ttl', 'values'] : [field, 'alias target'],
      terraform: {
        resource: 'aws_route53_record',
        ignoreChanges: [block, ...(alias === undefined ? ['ttl', 'records'] : ['alias'])],
        note: 'one resource per type and address; a type that no pool in service has is deleted until one has it again',
      },
    };
  });
  return [...sets, { object: `record ${fenceName(service.service)} TXT`, fields: ["the whole record, which is Tidegate's alone"] }];
};
