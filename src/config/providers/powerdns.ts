// An entry of kind `powerdns`.
import { z } from 'zod';
import type { PowerDnsConfig } from '../../../providers/powerdns/index.ts';
import { apiUrl, dnsName, filePath, hostPort, tsigKey } from '../fields.ts';
import { hasAnswers, inZone, type ProviderShape, recordsAt, SECONDARIES } from './shape.ts';

const API = 'a map with url and keyFile; keep the key itself in a file of its own';

export const powerdns: ProviderShape<PowerDnsConfig> = {
  schema: z.strictObject({
    kind: z.literal('powerdns'),
    zone: dnsName,
    server: hostPort,
    key: tsigKey,
    api: z.strictObject({ url: apiUrl, keyFile: filePath }, { error: (issue) => (issue.code === 'invalid_type' ? API : undefined) }),
  }),
  misfit: ({ zone }, service, called) => inZone(zone, service, called) ?? hasAnswers(service, called),
  arrival: () => SECONDARIES,
  objects: ({ zone, server }, service) => [recordsAt(service, zone, `${server.host}:${server.port}`)],
};
