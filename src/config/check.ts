// Relations between the parts of a configuration: names that must exist, numbers that must fit one another, pools that could never serve. Pure.
// Works on whatever parts of a file are sound, so that one run finds every problem; says nothing that would only echo a broken part.

import { grayWeights } from '../health/gray.ts';
import { confirmEveryMs, faultsFor } from '../health/timing.ts';
import { type ClusterConfig, type GrayPolicy, type Policy, type PoolConfig, pathsOf, type ServiceConfig } from '../model.ts';
import { LOG_CHANNEL, type PageRoute } from '../paging/routing.ts';
import { VALUE_BYTES_MAX } from '../store/store.ts';
import { type CanaryConfig, canaryService } from './canary.ts';
import type { SpanName } from './defaults.ts';
import { sharedObjects } from './objects.ts';
import { NO_PAGING } from './paging.ts';
import { platformsFindings } from './platform-checks.ts';
import { duplicates, type Finding, finding, type Path, showPath } from './problem.ts';
import { shapeOf } from './providers/index.ts';
import { safetyFindings } from './safety.ts';
import type { ReplicaConfig } from './schema.ts';
import { accessFindings, keyFindings, memberFindings } from './trust.ts';
import { didYouMean, list, spell } from './words.ts';

/** The sound parts of a file. */
export interface Draft {
  region: string | null;
  /** null when the file has none, or nothing of it is sound. */
  cluster: ClusterConfig | null;
  /** null when nothing of it is sound, and for a cluster's file. */
  store: ReplicaConfig['store'] | null;
  /** Does this replica sign? null: nobody knows. */
  signs: boolean | null;
  /** null: a cluster's file has none. */
  providers: ReplicaConfig['providers'] | null;
  canaries?: ReplicaConfig['canaries'];
  /** Absent: a cluster's file has none. */
  systems?: ReplicaConfig['systems'];
  paging: ReplicaConfig['paging'];
  record?: ReplicaConfig['record'];
  /** Is anything at, under or above this place broken? Then nothing is concluded from it. */
  broken(path: Path): boolean;
}

const unknown = (what: string, name: string, known: readonly string[], otherwise: string): string =>
  `found "${name}", expected a ${what}: ${list([...new Set(known)])}; ${didYouMean(name, known, otherwise)}`;

const AT = ['cluster'] as const;

const regionsOf = (draft: Draft, cluster: ClusterConfig): Finding[] => {
  const names = cluster.regions.map(({ name }) => name);
  const whole = !draft.broken([...AT, 'regions']);
  const findings = duplicates('region', names, (i) => [...AT, 'regions', i, 'name']);
  if (whole && draft.region !== null && !names.includes(draft.region)) {
    findings.push(finding(['region'], unknown('region of the cluster', draft.region, names, 'declare it under cluster.regions')));
  }
  if (whole && !cluster.regions.some(({ coordinator }) => coordinator)) {
    findings.push(
      finding([...AT, 'regions'], 'found no region with "coordinator: true", expected at least one; nobody could decide anything'),
    );
  }
  if (whole && !cluster.regions.some(({ vote }) => vote)) {
    findings.push(finding([...AT, 'regions'], 'found no region with "vote: true", expected at least three; nobody would see anything'));
  }
  return findings;
};

/** Regions that pools and targets name. */
const placesOf = (draft: Draft, cluster: ClusterConfig, pool: PoolConfig, at: Path): Finding[] => {
  const names = cluster.regions.map(({ name }) => name);
  const findings: Finding[] = [];
  if (!names.includes(pool.region) && !draft.broken([...at, 'region'])) {
    const otherwise = pool.region === pool.name ? 'say which one with "region: …"' : 'declare it under cluster.regions';
    findings.push(
      finding([...at, pool.region === pool.name ? 'name' : 'region'], unknown('region of the cluster', pool.region, names, otherwise)),
    );
  }
  for (const [t, target] of pool.targets.entries()) {
    if (typeof target.from === 'string') continue;
    for (const [i, region] of target.from.entries()) {
      const path = [...at, 'targets', t, 'from', i];
      if (!names.includes(region))
        findings.push(finding(path, unknown('region of the cluster', region, names, 'declare it under cluster.regions')));
    }
    findings.push(...duplicates('region', target.from, (i) => [...at, 'targets', t, 'from', i]));
  }
  return findings;
};

const poolFindings = (draft: Draft, cluster: ClusterConfig, pool: PoolConfig, at: Path): Finding[] => {
  const findings = duplicates(
    'target',
    pool.targets.map(({ name }) => name),
    (t) => [...at, 'targets', t, 'name'],
  );
  for (const [t, target] of pool.targets.entries()) {
    if (target.healthz || target.readyz || draft.broken([...at, 'targets', t])) continue;
    findings.push(
      finding([...at, 'targets', t], `found target "${target.name}" without an endpoint, expected healthz, readyz or both; add one`),
    );
  }
  if (!draft.broken([...at, 'targets'])) {
    const judged = pool.targets.filter(({ from }) => from !== 'local').length;
    if (judged === 0) {
      const message =
        'found only local targets, which have no vote, expected at least one that other regions see; write "from: all" for one';
      findings.push(finding([...at, 'targets'], message));
    } else if (pool.minUp > judged) {
      const message = `found ${pool.minUp}, expected at most ${judged}, the number of targets with a vote; lower it, or the pool is never up`;
      findings.push(finding([...at, 'minUp'], message));
    }
  }
  if (!draft.broken([...AT, 'regions'])) findings.push(...placesOf(draft, cluster, pool, at));
  return findings;
};

/** No address answers for two pools: a drain of one would leave the other's traffic there. */
const answersOf = (service: ServiceConfig, at: Path): Finding[] => {
  const owners = new Map<string, string>();
  return service.pools.flatMap((pool, p) =>
    pool.answers.flatMap((answer, a) => {
      const owner = owners.get(answer);
      if (owner === undefined) owners.set(answer, pool.name);
      return owner === undefined
        ? []
        : [
            finding(
              [...at, 'pools', p, 'answers', a],
              `found ${answer} a second time (pool "${owner}" has it), expected each answer once in a service; remove one`,
            ),
          ];
    }),
  );
};

const providerOf = (draft: Draft, cluster: ClusterConfig, service: ServiceConfig, at: Path): Finding[] => {
  if (draft.providers === null || draft.broken(['providers'])) return [];
  const names = Object.keys(draft.providers);
  const own = cluster.regions.find(({ name }) => name === draft.region);
  // A region that may not coordinate holds no credentials.
  if (own?.coordinator === false || (own === undefined && names.length === 0)) return [];
  const providers = draft.providers;
  const regions = draft.broken([...AT, 'regions']) ? null : cluster.regions;
  return pathsOf(service).flatMap((name, i) => {
    const provider = names.includes(name) ? providers[name] : undefined;
    if (provider === undefined)
      return [finding(pathAt(service, at, i), unknown('provider of this file', name, names, 'declare it under providers'))];
    const misfit = shapeOf(provider).misfit(provider, service, name, regions);
    return misfit === null || draft.broken([...at, ...misfit.at]) ? [] : [finding([...at, ...misfit.at], misfit.message)];
  });
};

/** Where the `i`-th path of a service stands: one alone may be written without a list. */
const pathAt = ({ also }: ServiceConfig, at: Path, i: number): Path => [...at, 'provider', ...(also === undefined ? [] : [i])];

const serviceFindings = (draft: Draft, cluster: ClusterConfig, service: ServiceConfig, at: Path): Finding[] => {
  const findings = [
    ...duplicates(
      'pool',
      service.pools.map(({ name }) => name),
      (p) => [...at, 'pools', p, 'name'],
    ),
    ...service.pools.flatMap((pool, p) => poolFindings(draft, cluster, pool, [...at, 'pools', p])),
    ...answersOf(service, at),
    ...duplicates('provider', pathsOf(service), (i) => pathAt(service, at, i)),
    ...providerOf(draft, cluster, service, at),
  ];
  if (!draft.broken([...at, 'pools']) && service.pools.every(({ weight }) => weight === 0)) {
    findings.push(
      finding([...at, 'pools'], 'found weight 0 in every pool, expected at least one above 0; give the pool that serves normally a weight'),
    );
  }
  return findings;
};

interface Relation {
  of: SpanName;
  holds: boolean;
  found: number;
  expected: string;
  todo: string;
}

/** How the numbers of a policy must fit one another. */
const relationsOf = (policy: Policy): readonly Relation[] => {
  const { intervalMs, timeoutMs, connectTimeoutMs, suspectAfterMs, burstMs, freshMs, beatMs, leaseMs, renewMs, faultSpanMs } = policy;
  const confirmMs = Math.max(faultSpanMs, (faultsFor(policy, 1) - 1) * confirmEveryMs(policy));
  return [
    {
      of: 'timeout',
      holds: timeoutMs <= intervalMs,
      found: timeoutMs,
      expected: `at most the interval (${spell(intervalMs)}), so that looks at one endpoint do not pile up`,
      todo: 'lower timeout or raise interval',
    },
    {
      of: 'connectTimeout',
      holds: connectTimeoutMs <= timeoutMs,
      found: connectTimeoutMs,
      expected: `at most the timeout (${spell(timeoutMs)}), which covers the whole probe`,
      todo: 'lower connectTimeout or raise timeout',
    },
    {
      of: 'suspectAfter',
      holds: suspectAfterMs < timeoutMs,
      found: suspectAfterMs,
      expected: `less than the timeout (${spell(timeoutMs)}), or it would never come first`,
      todo: 'lower suspectAfter or raise timeout',
    },
    {
      of: 'burst',
      holds: burstMs >= confirmMs,
      found: burstMs,
      expected: `at least ${spell(confirmMs)}, which the faults of one opinion take at one probe every ${spell(confirmEveryMs(policy))}`,
      todo: 'raise burst or lower faults and faultSpan',
    },
    {
      of: 'fresh',
      holds: freshMs > 2 * beatMs,
      found: freshMs,
      expected: `more than two beats (2 × ${spell(beatMs)}), so that one lost write silences nobody`,
      todo: 'raise fresh or lower beat',
    },
    {
      of: 'lease',
      holds: leaseMs >= 3 * renewMs,
      found: leaseMs,
      expected: `at least three renewals (3 × ${spell(renewMs)}), so that one lost write does not change the coordinator`,
      todo: 'raise lease or lower renew',
    },
  ];
};

/** Rates in the wrong order tell nothing apart, and a threshold that one fault reaches pages for every lost packet. */
const grayFindings = (gray: GrayPolicy): Finding[] => {
  const at = [...AT, 'policy', 'gray'];
  const { acceptable, rejectable, threshold } = gray;
  if (rejectable <= acceptable) {
    const message = `found rejectable ${rejectable / 10}%, expected more than acceptable (${acceptable / 10}%), or nothing tells the two apart; raise rejectable or lower acceptable`;
    return [finding([...at, 'rejectable'], message)];
  }
  const least = Math.floor(grayWeights(gray).perFault) + 1;
  if (threshold >= least) return [];
  const message = `found threshold ${threshold}, expected at least ${least}, or a single fault is called gray (it adds ${grayWeights(gray).perFault.toFixed(1)}); raise threshold`;
  return [finding([...at, 'threshold'], message)];
};

const policyFindings = (policy: Policy): Finding[] => {
  const at = [...AT, 'policy'];
  const findings = relationsOf(policy)
    .filter(({ holds }) => !holds)
    .map(({ of, found, expected, todo }) => finding([...at, of], `found ${of} ${spell(found)}, expected ${expected}; ${todo}`));
  const { ramp, gray } = policy;
  if (gray !== undefined && gray !== null) findings.push(...grayFindings(gray));
  const fall = ramp.findIndex((stage, i) => i > 0 && stage <= (ramp[i - 1] ?? 0));
  if (fall !== -1)
    findings.push(
      finding([...at, 'ramp', fall], 'found a stage that is not above the one before, expected rising stages; put them in order'),
    );
  if (ramp.at(-1) !== 1000) {
    findings.push(
      finding([...at, 'ramp', ramp.length - 1], `found ${(ramp.at(-1) ?? 0) / 10}% as the last stage, expected 100%; add 100% at the end`),
    );
  }
  return findings;
};

/** Each channel's mark on a delivered page is its name; a route that names no channel would tell nobody. */
const pagingOf = ({ paging: { channels, routes } }: Draft): Finding[] => {
  const names = channels.map(({ name }) => name);
  const at = (i: number): Path => ['paging', 'channels', i, 'name'];
  const reserved = 'found "log", expected another name, since the log itself is a channel of that name; rename this channel';
  return [
    ...duplicates('channel', names, at),
    ...names.flatMap((name, i) => (name === LOG_CHANNEL ? [finding(at(i), reserved)] : [])),
    ...routes.flatMap((route, i) => routeFindings(route, ['paging', 'routes', i], new Set([...names, LOG_CHANNEL]))),
  ];
};

const routeFindings = ({ to, also }: PageRoute, at: Path, known: ReadonlySet<string>): Finding[] => [
  ...(['to', 'also'] as const).flatMap((key) =>
    ({ to, also })[key].flatMap((name, n) =>
      known.has(name)
        ? []
        : [
            finding(
              [...at, key, n],
              `found "${name}", expected the name of a channel in paging.channels; known are ${[...known].join(', ')}`,
            ),
          ],
    ),
  ),
  ...(to.length + also.length > 0
    ? []
    : [finding(at, 'found a route that tells nobody, expected at least one channel; name one, or log to tell only the log')]),
  ...duplicates('channel', [...to, ...also], (n) => (n < to.length ? [...at, 'to', n] : [...at, 'also', n - to.length])),
];

/** With fewer than two files the cap would delete what was recorded a moment ago. */
const recordOf = ({ record }: Draft): Finding[] => {
  if (record === undefined || record.maxBytes >= 2 * record.fileBytes) return [];
  const message = `found ${record.maxBytes}, expected at least twice fileBytes (${record.fileBytes}), so that a full file can stay; raise it or lower fileBytes`;
  return [finding(['record', 'maxBytes'], message)];
};

/** A canary is written like a service and must never be one. */
const canariesOf = (draft: Draft): Finding[] => {
  const { canaries = [], cluster } = draft;
  if (draft.providers === null || draft.broken(['providers'])) return [];
  const providers = draft.providers;
  const names = Object.keys(providers);
  const taken = new Set(cluster?.services.map(({ name }) => name));
  const one = (canary: CanaryConfig, i: number): Finding[] => {
    const at = ['canaries', i] as const;
    if (draft.broken(at)) return [];
    const provider = names.includes(canary.provider) ? providers[canary.provider] : undefined;
    if (provider === undefined)
      return [finding([...at, 'provider'], unknown('provider of this file', canary.provider, names, 'declare it under providers'))];
    if (!names.includes(canary.path))
      return [finding([...at, 'for'], unknown('provider of this file', canary.path, names, 'name the one that the canary proves'))];
    const misfit = shapeOf(provider).misfit(provider, canaryService(canary), canary.provider, null);
    const theirs = `found "${canary.service}", which is a service of the cluster, expected a name that no user resolves; give the canary its own`;
    return [
      ...(taken.has(canary.service) ? [finding([...at, 'service'], theirs)] : []),
      ...(misfit === null ? [] : [finding([...at, ...(misfit.at[0] === 'name' ? ['service'] : misfit.at)], misfit.message)]),
    ];
  };
  const perPath = canaries.map(({ path }) => path);
  return [
    ...canaries.flatMap(one),
    ...duplicates('canary for', perPath, (i) => ['canaries', i, canaries[i]?.path === canaries[i]?.provider ? 'provider' : 'for']),
  ];
};

const objectFindings = ({ providers, cluster, broken }: Draft): Finding[] =>
  providers === null || broken(['providers']) ? [] : sharedObjects(providers, cluster).filter(({ path }) => !broken(path));

const clusterFindings = (draft: Draft, cluster: ClusterConfig): Finding[] => {
  const names = cluster.services.map(({ name }) => name);
  const bytes = JSON.stringify(cluster).length;
  return [
    ...regionsOf(draft, cluster),
    ...memberFindings(draft, cluster),
    ...duplicates('service', names, (i) => [...AT, 'services', i, 'name']),
    ...cluster.services.flatMap((service, i) => serviceFindings(draft, cluster, service, [...AT, 'services', i])),
    ...platformsFindings(draft, cluster),
    ...(draft.broken([...AT, 'policy']) ? [] : policyFindings(cluster.policy)),
    ...(draft.broken([...AT, 'policy', 'safety']) || draft.broken([...AT, 'services']) ? [] : safetyFindings(cluster)),
    ...(bytes <= VALUE_BYTES_MAX
      ? []
      : [
          finding(
            AT,
            `found ${bytes} bytes once written out, expected at most ${VALUE_BYTES_MAX}, the largest record of a store; split the cluster in two, by service`,
          ),
        ]),
  ];
};

/** Every relation within the shared part that does not hold, and between it and what else the draft has. In no particular order. */
export const checkCluster = (draft: Draft): Finding[] => (draft.cluster === null ? [] : clusterFindings(draft, draft.cluster));

/** Every relation of a replica's file that does not hold, in no particular order. */
export const checkDraft = (draft: Draft): Finding[] => [
  ...pagingOf(draft),
  ...recordOf(draft),
  ...canariesOf(draft),
  ...objectFindings(draft),
  ...accessFindings(draft),
  ...checkCluster(draft),
];

/** What a replica brings to the cluster that it takes from its store. */
export interface Joining extends Pick<ReplicaConfig, 'region' | 'providers'> {
  signing?: ReplicaConfig['signing'];
  /** Of its signing key, once that has been read. */
  publicKey?: string;
}

/** What keeps a replica out of a cluster that it took from its store; empty when it may join. The file itself has been accepted. */
export const joinProblems = (replica: Joining, cluster: ClusterConfig): readonly string[] => {
  const { region, providers } = replica;
  const signs = replica.signing !== undefined || replica.publicKey !== undefined;
  const draft: Draft = { region, store: null, signs, providers, paging: NO_PAGING, cluster, broken: () => false };
  return [
    ...regionsOf(draft, cluster),
    ...memberFindings(draft, cluster),
    ...keyFindings(region, replica.publicKey ?? null, cluster),
    ...objectFindings(draft),
    ...cluster.services.flatMap((service, i) => providerOf(draft, cluster, service, [...AT, 'services', i])),
  ].map(({ path, message }) => `${showPath(path)}: ${message}`);
};
