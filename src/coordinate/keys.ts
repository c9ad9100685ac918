// The keys of the store, in one place.
export const KEYS = { members: 'members', leader: 'leader', routing: 'routing', override: 'override', adopted: 'adopted' } as const;

export const voteKey = (region: string, replica: string): string => `vote/${region}/${replica}`;
export const beatKey = (region: string, replica: string): string => `beat/${region}/${replica}`;
export const seenKey = (region: string, replica: string): string => `seen/${region}/${replica}`;
export const bootKey = (region: string, replica: string): string => `boot/${region}/${replica}`;
export const auditKey = (v: number): string => `audit/${String(v).padStart(10, '0')}`;
export const configAuditKey = (version: number): string => `audit/config-${String(version).padStart(10, '0')}`;
export const incidentKey = (id: string): string => `incident/${id}`;
export const outboxKey = (id: string): string => `outbox/${id}`;
export const appliedKey = (provider: string, service: string): string => `applied/${provider}/${service}`;
export const observedKey = (provider: string, service: string): string => `observed/${provider}/${service}`;

/** `vote/eu-west/a` -> region and replica. */
export const placeOf = (key: string): { region: string; replica: string } => {
  const [, region = '', replica = ''] = key.split('/');
  return { region, replica };
};
