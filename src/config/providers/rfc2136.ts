// An entry of kind `rfc2136`.
import { z } from 'zod';
import type { Rfc2136Config } from '../../../providers/rfc2136/index.ts';
import { dnsName, hostPort, tsigKey } from '../fields.ts';
import { hasAnswers, inZone, type ProviderShape, recordsAt, SECONDARIES } from './shape.ts';

export const rfc2136: ProviderShape<Rfc2136Config> = {
  schema: z.strictObject({
    kind: z.literal('rfc2136'),
    zone: dnsName,
    server: hostPort,
    key: tsigKey,
  }),
  misfit: ({ zone }, service, called) => inZone(zone, service, called) ?? hasAnswers(service, called),
  arrival: () => SECONDARIES,
  objects: ({ zone, server }, service) => [recordsAt(service, zone, `${server.host}:${server.port}`)],
};
