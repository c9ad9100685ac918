// PowerDNS Authoritative Server with true weights: LUA records, written by signed dynamic update with the fence compared in the same transaction, and read
// back through the HTTP API, since no DNS question shows them. The API has no precondition of its own, so nothing is ever written through it.
// No retry, no timer: those are the publisher's.
import { z } from 'zod';
import { errorText, Fault } from '../../src/errors.ts';
import type { Fetch } from '../../src/http.ts';
import { type DynamicUpdateConfig, sendUpdate, updateTarget } from '../dynamic-update.ts';
import { fenceName } from '../fence.ts';
import type {
  Applied,
  Capabilities,
  Change,
  Owned,
  Provider,
  ProviderContext,
  ProviderModule,
  ProviderService,
  ReadBack,
} from '../provider.ts';
import { quantise, type RecordSet, readBackOf, refusal, updatesOf } from './convert.ts';

export interface PowerDnsConfig extends DynamicUpdateConfig {
  kind: 'powerdns';
  api: {
    /** Scheme, host and port: `http://127.0.0.1:8081`. */
    url: string;
    keyFile: string;
  };
}

const can: Capabilities = {
  fencing: 'conditional',
  weights: 'exact',
  batchMax: 40,
  servesAnswers: true,
  ttlFloorS: 1,
  checkedOn: '2026-11-26',
};

const GRANTS = 'A, AAAA and LUA of each service and TXT of its _tidegate name';

export const powerdns = {
  kind: 'powerdns',
  can,
  open(config: PowerDnsConfig, { ports, secret, fetch }: Pick<ProviderContext, 'ports' | 'secret' | 'fetch'>): Provider {
    const target = updateTarget(config, secret);
    const look = { zone: config.zone, url: config.api.url, key: apiKey(secret, config.api.keyFile), fetch };
    return {
      can,
      quantise,
      read: async (services, signal) => {
        await requireLua(look, signal);
        return readAll(look, services, signal);
      },
      apply: async (changes, signal) => {
        const refused = changes.map(refusal).find((outcome) => outcome !== null);
        if (refused !== undefined) return refused;
        const outcome = await sendUpdate(ports, target, { changes, updatesOf, grants: GRANTS }, signal);
        return outcome.outcome === 'applied' ? carriedOut(look, changes, signal) : outcome;
      },
      owns: (services) => services.flatMap(ownedOf),
      close: async () => {},
    };
  },
} satisfies ProviderModule<PowerDnsConfig>;

/** Throws Fault ERR_SECRET. What no header can carry would be quoted by whoever makes the request. */
const apiKey = (secret: ProviderContext['secret'], file: string): string => {
  const key = secret(file).trim();
  if (!/^[\x21-\x7e]+$/.test(key))
    throw new Fault('ERR_SECRET', `${file}: expected the key of the PowerDNS API on one line and nothing else`);
  return key;
};

const ownedOf = ({ service }: ProviderService): readonly Owned[] => [
  ...(['LUA', 'A', 'AAAA'] as const).map((type) => ({
    object: `record ${service} ${type}`,
    fields: type === 'LUA' ? ['ttl', 'records'] : ['the whole set, which is removed: the LUA records answer in its place'],
    terraform: { resource: 'powerdns_record', ignoreChanges: ['records', 'ttl'] },
  })),
  { object: `record ${fenceName(service)} TXT`, fields: ["the whole record, which is Tidegate's alone"] },
];

/** An update policy of the server's drops what it does not grant and says NOERROR all the same, so an acknowledgement is looked at. */
const carriedOut = async (look: Look, changes: readonly Change[], signal: AbortSignal): Promise<Applied> => {
  const names = changes.map(({ desired }) => desired.service).join(', ');
  let found: ReadonlyMap<string, ReadBack>;
  try {
    const services = changes.map(({ desired }) => desired);
    found = await readAll(look, services, signal);
  } catch (error) {
    return { outcome: 'undecided', because: `update of ${names}: acknowledged, and could not be read back: ${errorText(error)}` };
  }
  for (const { desired, fence } of changes) {
    const back = found.get(desired.service);
    const isServed = Object.entries(quantise(desired)).every(([pool, share]) => back?.shares?.[pool] === share);
    if (back?.fence?.nonce === fence.nonce && isServed && back.foreign.length === 0) continue;
    if (back?.fence !== null && back?.fence?.nonce !== fence.nonce)
      return { outcome: 'undecided', because: `update of ${names}: acknowledged, and ${desired.service} carries another fence since` };
    const because = `update of ${names}: acknowledged, but not carried out for ${desired.service}; the server's update policy must grant ${GRANTS}`;
    return { outcome: 'fatal', because };
  }
  return { outcome: 'applied' };
};

// ---- reading ----

interface Look {
  zone: string;
  url: string;
  key: string;
  fetch: Fetch;
}

/** Services asked about at once, with two questions each: the API answers each question on a thread of its own. */
const AT_ONCE = 2;

/** Throws Fault ERR_PROVIDER, the transport's error or the signal's reason. */
const readAll = async (look: Look, services: readonly ProviderService[], signal: AbortSignal): Promise<ReadonlyMap<string, ReadBack>> => {
  const found = new Map<string, ReadBack>();
  const left = [...services];
  const work = async (): Promise<void> => {
    for (let service = left.shift(); service !== undefined; service = left.shift()) {
      const names = [fenceName(service.service), service.service] as const;
      const [fence, own] = await Promise.all([setsAt(look, names[0], signal), setsAt(look, names[1], signal)]);
      found.set(service.service, readBackOf(service, { fence, own }));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return found;
};

const metadataShape = z.array(z.object({ kind: z.string(), metadata: z.array(z.string()) }));

/** A server that does not run LUA records keeps them and answers nothing: writing one there would leave a name that serves nobody. */
const requireLua = async (look: Look, signal: AbortSignal): Promise<void> => {
  const metadata = await get(look, '/metadata', metadataShape, signal);
  if (metadata.some(({ kind, metadata: values }) => kind === 'ENABLE-LUA-RECORDS' && values.includes('1'))) return;
  throw new Fault(
    'ERR_PROVIDER',
    `${look.url}: zone ${look.zone} does not answer with LUA records; run: pdnsutil set-meta ${look.zone} ENABLE-LUA-RECORDS 1`,
  );
};

const zoneShape = z.object({
  rrsets: z.array(
    z.object({
      name: z.string(),
      type: z.string(),
      records: z.array(z.object({ content: z.string(), disabled: z.boolean() })),
    }),
  ),
});

const setsAt = async (look: Look, name: string, signal: AbortSignal): Promise<readonly RecordSet[]> => {
  const { rrsets } = await get(look, `?rrset_name=${encodeURIComponent(`${name}.`)}`, zoneShape, signal);
  // Before 4.6 the server tells the whole zone.
  return rrsets.filter((set) => set.name.toLowerCase() === `${name}.`);
};

const get = async <T>(look: Look, rest: string, shape: z.ZodType<T>, signal: AbortSignal): Promise<T> => {
  const url = `${look.url}/api/v1/servers/localhost/zones/${encodeURIComponent(`${look.zone}.`)}${rest}`;
  const response = await look.fetch(url, { headers: { 'X-API-Key': look.key, accept: 'application/json' }, signal });
  const text = await response.text();
  const where = `PowerDNS API ${look.url}`;
  if (response.status !== 200)
    throw new Fault('ERR_PROVIDER', `${where}: ${response.status} for zone ${look.zone}; ${hintOf(response.status)}`);
  const parsed = shape.safeParse(parsedJson(text));
  if (!parsed.success) throw new Fault('ERR_PROVIDER', `${where}: a reply that is not PowerDNS': ${z.prettifyError(parsed.error)}`);
  return parsed.data;
};

const hintOf = (status: number): string => {
  switch (status) {
    case 401:
    case 403:
      return 'compare the key in api.keyFile, and webserver-allow-from';
    case 404:
      return 'does this server have the zone?';
    default:
      return "the server's own log says why";
  }
};

const parsedJson = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
};
