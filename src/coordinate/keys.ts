// The keys of the store, in one place; but `gate/<service>` is in providers/gate/record.ts, since an adapter writes it.
export const KEYS = {
  members: 'members',
  leader: 'leader',
  routing: 'routing',
  override: 'override',
  adopted: 'adopted',
  reported: 'reported',
  journal: 'journal',
  asked: 'asked',
  tiers: 'tiers',
} as const;

export const voteKey = (region: string, replica: string): string => `vote/${region}/${replica}`;
export const beatKey = (region: string, replica: string): string => `beat/${region}/${replica}`;
export const seenKey = (region: string, replica: string): string => `seen/${region}/${replica}`;
/** What a replica measured of the systems around. */
export const measuredKey = (region: string, replica: string): string => `measured/${region}/${replica}`;
export const bootKey = (region: string, replica: string): string => `boot/${region}/${replica}`;
export const auditKey = (v: number): string => `audit/${String(v).padStart(10, '0')}`;
export const configAuditKey = (version: number): string => `audit/config-${String(version).padStart(10, '0')}`;
/** What humans and machines did beside deciding, counted from 1; the head of the chain is `journal`. */
export const journalKey = (n: number): string => `journal/${String(n).padStart(10, '0')}`;
/** Where old records were removed from `decisions` or `journal`. */
export const anchorKey = (chain: 'decisions' | 'journal'): string => `anchor/${chain}`;
/** How decision `v` reached its providers. */
export const trailKey = (v: number): string => `trail/${String(v).padStart(10, '0')}`;
/** What a request with this key was answered, by hash of the key; `asked` is the list of those that are kept. */
export const askedKey = (hash: string): string => `asked/${hash}`;
export const incidentKey = (id: string): string => `incident/${id}`;
export const outboxKey = (id: string): string => `outbox/${id}`;
/** A run of a platform's runbook. */
export const runKey = (id: string): string => `run/${id}`;
/** Where a platform is active; and its last audit. */
export const platformKey = (name: string): string => `platform/${name}`;
export const readinessKey = (name: string): string => `readiness/${name}`;
/** What of a platform's objectives was told to be over its bound. */
export const budgetsKey = (name: string): string => `budgets/${name}`;
/** On which provider of language models the regions of a platform are, and what of it was told. */
export const llmKey = (platform: string): string => `llm/${platform}`;
/** The last known lags of a platform's databases; in which region each was proved is `tiers`. */
export const lagKey = (platform: string): string => `lag/${platform}`;
/** Which regions were seen to take writes of a platform's databases, and which to follow. */
export const looksKey = (platform: string): string => `lag/${platform}/looks`;
export const appliedKey = (provider: string, service: string): string => `applied/${provider}/${service}`;
/** That a failover by this provider works, as its micro-drills have proved it. */
export const proofKey = (provider: string): string => `proof/${provider}`;
export const observedKey = (provider: string, service: string): string => `observed/${provider}/${service}`;

export interface Place {
  readonly region: string;
  readonly replica: string;
}

/** Keys taken apart: a cluster has few, and each is asked at every read. Far more than the replicas of a cluster write. */
const PLACES_MAX = 4096;
const places = new Map<string, Place>();

/** `vote/eu-west/a` -> region and replica. */
export const placeOf = (key: string): Place => {
  let place = places.get(key);
  if (place === undefined) {
    const [, region = '', replica = ''] = key.split('/', 3);
    place = { region, replica };
    if (places.size >= PLACES_MAX) places.clear();
    places.set(key, place);
  }
  return place;
};
