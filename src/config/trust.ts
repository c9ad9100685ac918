// Who may hold what, and who proves who they are: access to the store, credentials of providers, signatures of votes. Pure.
// Knows names and public keys only; whether secret files can be read, and hold what they should, is files.ts.
import type { ClusterConfig, RegionConfig } from '../model.ts';
import type { Draft } from './check.ts';
import { isLocalEndpoint } from './fields.ts';
import { duplicates, type Finding, finding, type Path } from './problem.ts';
import { list } from './words.ts';

const REGIONS: Path = ['cluster', 'regions'];

/** A store that other machines reach lets nobody in without proof, and says nothing in the clear. */
export const accessFindings = ({ store, broken }: Draft): Finding[] => {
  if (store?.kind !== 'etcd' || broken(['store'])) return [];
  const { endpoints, tls, user } = store;
  const findings = duplicates('endpoint', endpoints, (i) => ['store', 'endpoints', i]);
  const remote = endpoints.findIndex((endpoint) => !isLocalEndpoint(endpoint));
  if (remote !== -1 && tls === undefined && user === undefined) {
    const message = `found neither tls nor user beside ${endpoints[remote]}, expected at least one of them off this machine; add tls with caFile, certFile and keyFile, or whoever reaches the store writes it`;
    findings.push(finding(['store'], message));
  }
  const clear = endpoints.findIndex((endpoint) => endpoint.startsWith('http:'));
  if (clear !== -1 && tls !== undefined) {
    const message = `found ${endpoints[clear]} beside tls, expected https:// for every endpoint; write https://, or remove tls`;
    findings.push(finding(['store', 'endpoints', clear], message));
  }
  return findings;
};

const credentialFindings = ({ providers, broken }: Draft, { name, coordinator }: RegionConfig): Finding[] => {
  // Whoever runs the built-in server is the provider, and has no use for credentials.
  const held = Object.entries(providers ?? {}).filter(([, provider]) => provider.kind !== 'builtin' || provider.serve === undefined);
  const first = held[0]?.[0];
  if (coordinator || first === undefined || broken(['providers'])) return [];
  const message = `found "${first}" in ${name}, which is no coordinator, expected no provider: only coordinator regions hold provider credentials; remove it and its secrets, or write "coordinator: true" for ${name}`;
  return [finding(['providers', first], message, 'key')];
};

const signingFindings = ({ signs }: Draft, { name, keys = [] }: RegionConfig, at: Path): Finding[] => {
  if (signs === true && keys.length === 0) {
    const message = `found a signing key, but no keys of ${name} under cluster.regions, expected its public key there; add the line that tidegate keygen printed, or nobody checks what is signed`;
    return [finding(['signing'], message, 'key')];
  }
  if (signs === false && keys.length > 0) {
    const message = `found keys of ${name}, the region of this replica, which has no signing section, expected signing.keyFile; without it no vote of this replica counts`;
    return [finding([...at, 'keys'], message)];
  }
  return [];
};

/** A key says which region speaks, so no two regions have the same. */
const sharedKeys = ({ regions }: ClusterConfig): Finding[] => {
  const owners = new Map<string, string>();
  return regions.flatMap(({ name, keys = [] }, r) =>
    keys.flatMap((key, k) => {
      const owner = owners.get(key);
      owners.set(key, owner ?? name);
      const message = `found a key that ${owner} has already, expected each key once; make one for ${name} with tidegate keygen`;
      return owner === undefined ? [] : [finding([...REGIONS, r, 'keys', k], message)];
    }),
  );
};

/** What a replica may hold and has to prove as part of its region, and what the regions prove with. */
export const memberFindings = (draft: Draft, cluster: ClusterConfig): Finding[] => {
  if (draft.broken(REGIONS)) return [];
  const i = cluster.regions.findIndex(({ name }) => name === draft.region);
  const own = cluster.regions[i];
  return [
    ...sharedKeys(cluster),
    ...(own === undefined ? [] : [...credentialFindings(draft, own), ...signingFindings(draft, own, [...REGIONS, i])]),
  ];
};

/** A key that signs for a region which does not have it. `publicKey` null: it could not be read, and nothing is concluded. */
export const keyFindings = (region: string | null, publicKey: string | null, cluster: ClusterConfig): Finding[] => {
  const own = cluster.regions.find(({ name }) => name === region);
  const keys = own?.keys ?? [];
  if (own === undefined || publicKey === null || keys.length === 0 || keys.includes(publicKey)) return [];
  const message = `found the key of ${publicKey}, expected one of those under cluster.regions for ${own.name}: ${list(keys)}; add it there and apply, or name the file of a key that is there`;
  return [finding(['signing', 'keyFile'], message)];
};
