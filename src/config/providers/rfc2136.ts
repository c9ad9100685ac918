// An entry of kind `rfc2136`.
import { z } from 'zod';
import type { Rfc2136Config } from '../../../providers/rfc2136/index.ts';
import { dnsName, filePath, hostPort, keyName } from '../fields.ts';
import { hasAnswers, inZone, type ProviderShape, SECONDARIES } from './shape.ts';

const KEY = 'a map with name, algorithm and secretFile; keep the secret itself in a file of its own';

export const rfc2136: ProviderShape<Rfc2136Config> = {
  schema: z.strictObject({
    kind: z.literal('rfc2136'),
    zone: dnsName,
    server: hostPort,
    key: z.strictObject(
      { name: keyName, algorithm: z.enum(['hmac-sha256', 'hmac-sha512']), secretFile: filePath },
      { error: (issue) => (issue.code === 'invalid_type' ? KEY : undefined) },
    ),
  }),
  misfit: ({ zone }, service, called) => inZone(zone, service, called) ?? hasAnswers(service, called),
  arrival: () => SECONDARIES,
};
