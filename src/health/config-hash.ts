// Which configuration a vote covers: version and content. Two stores, or a store before and after a restore, may give the same version to different
// content; votes about them must never be counted together. Pure.
import { createHash } from 'node:crypto';
import type { ClusterConfig } from '../model.ts';

const known = new WeakMap<ClusterConfig, string>();

const canonical = (value: unknown): string =>
  JSON.stringify(value, (_key, inner: unknown) =>
    inner !== null && typeof inner === 'object' && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );

/** 16 hex digits of SHA-256 over the configuration's JSON with sorted keys, as the store holds it. Worked out once per value. */
export const configHash = (cluster: ClusterConfig): string => {
  let hash = known.get(cluster);
  if (hash === undefined) {
    hash = createHash('sha256').update(canonical(cluster)).digest('hex').slice(0, 16);
    known.set(cluster, hash);
  }
  return hash;
};
