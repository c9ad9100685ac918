// The four modes of route53 against the stand-in.
import type { ProviderService } from '../../providers/provider.ts';
import { canOf } from '../../providers/route53/records.ts';
import { type ProviderHarness, providerContract } from '../contract/provider.contract.ts';
import { api, changesAnything, credentialsText, KEY, type Mode, pool, startWorld, web, ZONE, ZONE_ID } from './route53.fixture.ts';

const many: readonly ProviderService[] = Array.from({ length: 200 }, (_, n) => ({
  service: `s${n}.${ZONE}`,
  ttlS: 30,
  pools: [pool('eu-west', 500, 500, `192.0.3.${n}`), pool('us-east', 500, 500, `192.0.4.${n}`)],
}));

const OTHER = { ...KEY, secretAccessKey: 'another-secret-that-nobody-knows' };

const records = async (mode: 'weighted' | 'failover'): Promise<ProviderHarness> => {
  const world = await startWorld(mode);
  const foreign = mode === 'weighted' ? { Weight: 1 } : { Failover: 'SECONDARY' };
  return {
    can: canOf(mode),
    services: [web, api],
    provider: () => world.writer(),
    snapshot: async () => world.standIn.snapshot(),
    async plant({ service, ttlS }) {
      const value = {
        Name: `${service}.`,
        Type: 'A',
        SetIdentifier: 'by-hand',
        ...foreign,
        TTL: ttlS,
        ResourceRecords: [{ Value: '198.51.100.9' }],
      };
      world.standIn.put(ZONE_ID, value);
      return '198.51.100.9';
    },
    requestId: /^(C[0-9A-Z]+|[0-9a-f]{32})$/,
    secrets: [KEY.secretAccessKey, KEY.sessionToken, OTHER.secretAccessKey],
    intruder: () => world.writer({ credentials: () => credentialsText(OTHER) }),
    faults: {
      ...world.proxy,
      refusePart: () =>
        world.standIn.failNext({
          status: 400,
          code: 'InvalidChangeBatch',
          message: '[Invalid Resource Record: FATAL problem: ARRDATAIllegalIPv4Address]',
        }),
    },
    changes: () => world.proxy.passed().filter(changesAnything).length,
    quota: { services: many, perMinute: 600, requests: () => world.proxy.passed().length },
    [Symbol.asyncDispose]: () => world[Symbol.asyncDispose](),
  };
};

providerContract('route53 weighted', () => records('weighted'));
providerContract('route53 failover', () => records('failover'));

const switches = async (mode: Extract<Mode, 'healthChecks' | 'routingControls'>): Promise<ProviderHarness> => {
  const world = await startWorld(mode, {}, mode === 'healthChecks' ? [web, api, ...many] : [web, api]);
  const { can } = world.writer();
  return {
    can,
    services: [web, api],
    provider: () => world.writer(),
    snapshot: async () => world.standIn.snapshot(),
    requestId: /^(C[0-9A-Z]+|[0-9a-f]{32})$/,
    secrets: [KEY.secretAccessKey, KEY.sessionToken, OTHER.secretAccessKey],
    intruder: () => world.writer({ credentials: () => credentialsText(OTHER) }),
    // A cluster is asked again at its next endpoint: only when all five replies are lost is it lost.
    faults: { ...world.proxy, loseNextReply: () => world.proxy.loseNextReply(mode === 'routingControls' ? 5 : 1) },
    changes: () => world.proxy.passed().filter(changesAnything).length,
    ...(mode === 'healthChecks' ? { quota: { services: many, perMinute: 600, requests: () => world.proxy.passed().length } } : {}),
    [Symbol.asyncDispose]: () => world[Symbol.asyncDispose](),
  };
};

providerContract('route53 healthChecks', () => switches('healthChecks'), ['batch', 'conditional', 'plant', 'refusedPart']);
providerContract('route53 routingControls', () => switches('routingControls'), ['conditional', 'fence', 'plant', 'quota', 'refusedPart']);
