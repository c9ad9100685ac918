// The contract of a provider over both modes of cloudflare, on the stand-in; DNS also as it is with `fencing: conditional`. Every exchange of the suite is
// held to the vendor's documents.
import { expect } from 'vitest';
import type { CloudflareConfig } from '../../providers/cloudflare/config.ts';
import type { ProviderService } from '../../providers/provider.ts';
import { type ProviderHarness, providerContract } from '../contract/provider.contract.ts';
import { type CloudflareWorld, startWorld, TOKEN, ZONE } from './cloudflare.fixture.ts';

const service = (name: string, hosts: readonly number[]): ProviderService => ({
  service: `${name}.${ZONE}`,
  ttlS: 60,
  pools: hosts.map((host, at) => ({
    pool: `region-${at}`,
    region: `region-${at}`,
    share: at === 0 ? 1000 - 333 * (hosts.length - 1) : 333,
    configuredShare: 333,
    answers: [`192.0.2.${host}`, `2001:db8::${host}`],
  })),
});

const MANY = Array.from({ length: 200 }, (_, at) => service(`s${at}`, [1, 2]));
const INTRUDER = 'cf-wrong-token-zyxwvutsrqponmlkjihgfedcba';

/** Of a user's tokens together. */
const PER_MINUTE = 1200 / 5;

const harness = async (configOf: (world: CloudflareWorld) => CloudflareConfig, plant: Plant): Promise<ProviderHarness> => {
  const world = await startWorld({ callsMax: Number.POSITIVE_INFINITY });
  const services = [service('web', [1, 2, 3]), service('api', [11, 12])] as const;
  for (const each of [...services, ...MANY]) world.balance(each);
  const { standIn } = world;
  const config = configOf(world);
  const { can } = world.open(config);
  return {
    can,
    services,
    provider: () => world.open(config),
    intruder: () => world.open(config, INTRUDER),
    requestId: /^[0-9a-f]{16}-TID$/,
    secrets: [TOKEN, INTRUDER],
    snapshot: async () => JSON.stringify(standIn.state()),
    plant: async (target) => plant(world, target),
    changes: () => standIn.calls().filter(({ method }) => method !== 'GET').length,
    faults: {
      loseNextReply: standIn.loseNextReply,
      hang: standIn.hang,
      refusePart: () =>
        standIn.answerNext({
          status: 400,
          body: { result: null, success: false, errors: [{ code: 1002, message: 'a part of it: validation failed' }], messages: [] },
        }),
    },
    quota: { services: MANY, perMinute: PER_MINUTE, requests: () => standIn.calls().length },
    async [Symbol.asyncDispose]() {
      await world[Symbol.asyncDispose]();
      expect(world.problems).toEqual([]);
    },
  };
};

type Plant = (world: CloudflareWorld, service: ProviderService) => string;

const strangePool: Plant = ({ standIn }, { service: name }) => {
  const { id } = standIn.pool({ name: 'by-hand' });
  standIn.byHand(({ balancers }) => balancers.find((each) => each.name === name)?.default_pools.push(id));
  return `pool ${id}`;
};

const strangeAddress: Plant = ({ standIn }, { service: name }) =>
  standIn.record({ name, type: 'A', content: '198.51.100.9', ttl: 60 }).content;

providerContract('cloudflare load balancers', () => harness((world) => world.balancerConfig(), strangePool), ['batch', 'conditional']);
providerContract(
  'cloudflare load balancers, sessions shed',
  () => harness((world) => world.balancerConfig({ sessions: 'shed' }), strangePool),
  ['batch', 'conditional'],
);
providerContract('cloudflare DNS', () => harness((world) => world.recordsConfig(), strangeAddress), ['conditional']);
providerContract('cloudflare DNS, fencing conditional', () =>
  harness((world) => world.recordsConfig({ fencing: 'conditional', plan: 'paid' }), strangeAddress),
);
