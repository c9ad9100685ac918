// An entry of kind `builtin`.
import { z } from 'zod';
import type { BuiltinConfig } from '../../../providers/builtin/index.ts';
import { dnsName, filePath, listen, present } from '../fields.ts';
import { hasAnswers, inZone, type ProviderShape, recordsAt, SECONDARIES } from './shape.ts';

export const builtin: ProviderShape<BuiltinConfig> = {
  schema: z
    .strictObject({
      kind: z.literal('builtin'),
      zone: dnsName,
      control: listen,
      tokenFile: filePath,
      serve: z.strictObject({ dns: listen }).optional(),
    })
    .transform((given): BuiltinConfig => present(given)),
  misfit: ({ zone }, service, called) => inZone(zone, service, called) ?? hasAnswers(service, called),
  arrival: () => SECONDARIES,
  objects: ({ zone, control }, service) => [recordsAt(service, zone, `${control.host}:${control.port}`)],
};
