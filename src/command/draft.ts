// From what a vendor serves today to a configuration that `check` accepts: every service in observe, targets guessed and said to be guesses, TTLs as found,
// goals raised as far as those TTLs need, and what cannot be taken over with its reasons. Pure: texts and values in, a text out.
// A service that no configuration could hold (a wildcard, a name outside the zone) is left out by the verdict of `check` itself, never by a second opinion.
import { Document, isMap, isScalar, isSeq, type Node, type YAMLMap, type YAMLSeq } from 'yaml';
import type { FoundService, Inventory } from '../../providers/provider.ts';
import { type Sum, type WorstCase, worstCaseGroups } from '../config/arithmetic.ts';
import { GOALS, TTL_S } from '../config/defaults.ts';
import { canonicalIp } from '../config/fields.ts';
import { FILE_BYTES_MAX, parseConfig } from '../config/load.ts';
import type { Problem } from '../config/problem.ts';
import { paceIn } from '../config/providers/index.ts';
import { list, plural, say, spell } from '../config/words.ts';
import type { ClusterConfig } from '../model.ts';

export interface DraftRequest {
  /** What was read, as the end of a sentence: `zone example.com in the file db.example`. */
  source: string;
  /** Name of the entry under `providers`. */
  provider: string;
  /** The entry as the file spells it. */
  entry: Readonly<Record<string, unknown>>;
  /** What of the entry is a guess, by key. */
  guesses: Readonly<Record<string, string>>;
  /** Region by pool; pools that are not named are regions of their own. `*` names all others. */
  regions: ReadonlyMap<string, string>;
  /** How targets are guessed. */
  probe: { scheme: 'http' | 'https'; port: number | null };
  /** Named in problems, and what relative paths start from. */
  file: string;
}

export interface Draft {
  text: string;
  cluster: ClusterConfig;
  taken: readonly FoundService[];
  /** What is not in it, and why: what the vendor's reader refused and what no configuration could hold. */
  left: readonly { what: string; because: string }[];
}

/** Not ok without problems: there is nothing to configure, and `left` says why. */
export type Drafted = { ok: true; draft: Draft } | { ok: false; problems: readonly Problem[]; left: Draft['left'] };

// ---- values ----

const HOUR_MS = 3_600_000;
/** Above it the goals of an hour at most could not be met. */
const TTL_KEPT_MAX_S = 3000;

const ttlOf = ({ ttlS }: FoundService): number => (ttlS === null ? TTL_S : Math.min(TTL_KEPT_MAX_S, Math.max(1, ttlS)));

/** A pool's name as one of a region: lower case, no dots, a letter in it. */
const regionName = (pool: string): string => {
  const plain = pool
    .toLowerCase()
    .replace(/[^a-z0-9_-]+/g, '-')
    .replace(/^[^a-z0-9]+|[^a-z0-9]+$/g, '')
    .slice(0, 60);
  return /[a-z]/.test(plain) ? plain : `r-${plain}`;
};

const regionOf = (pool: string, { regions }: DraftRequest): string => regions.get(pool) ?? regions.get('*') ?? regionName(pool);

const hostText = (answer: string): string => (answer.includes(':') ? `[${answer}]` : answer);

/** One target per address, looked at by the name that users would send; a pool without any address by the service's name. */
const targetsOf = (service: string, answers: readonly string[], { probe }: DraftRequest): readonly object[] => {
  const hosts = answers.length === 0 ? [service] : answers;
  const port = probe.port === null ? '' : `:${probe.port}`;
  return hosts.map((host, at) => {
    const at80 = `${probe.scheme}://${hostText(host)}${port}`;
    const named = probe.scheme === 'https' && host !== service ? { serverName: service } : null;
    const look = (path: string): unknown => (named === null ? `${at80}${path}` : { url: `${at80}${path}`, ...named });
    return { name: hosts.length === 1 ? 'app' : `app-${at + 1}`, healthz: look('/healthz'), readyz: look('/readyz') };
  });
};

const serviceOf = (found: FoundService, request: DraftRequest): Record<string, unknown> => ({
  name: found.service,
  mode: 'observe',
  provider: request.provider,
  ...(found.ttlS === null ? {} : { ttl: spell(ttlOf(found) * 1000) }),
  pools: found.pools.map(({ pool, weight, answers }) => {
    const region = regionOf(pool, request);
    const addresses = answers.filter((answer) => canonicalIp(answer) !== null);
    return {
      name: pool,
      ...(region === pool ? {} : { region }),
      weight,
      ...(addresses.length === 0 ? {} : { answers: addresses }),
      targets: targetsOf(found.service, answers, request),
    };
  }),
});

const entryOf = (taken: readonly FoundService[], { entry }: DraftRequest): Record<string, unknown> => {
  const mapped = taken.filter(({ objects }) => objects !== null);
  if (mapped.length === 0) return { ...entry };
  const given = typeof entry.services === 'object' && entry.services !== null ? entry.services : {};
  return { ...entry, services: { ...given, ...Object.fromEntries(mapped.map(({ service, objects }) => [service, objects])) } };
};

interface GoalTexts {
  detection: string;
  convergence: string;
}

const valuesOf = (taken: readonly FoundService[], goals: GoalTexts, request: DraftRequest) => {
  const regions = [...new Set(taken.flatMap(({ pools }) => pools.map(({ pool }) => regionOf(pool, request))))];
  return {
    region: regions[0] ?? 'here',
    replica: 'a',
    api: { listen: '127.0.0.1:7700', tokenFile: './operator.token' },
    store: { kind: 'embedded', file: './store.sqlite' },
    providers: { [request.provider]: entryOf(taken, request) },
    cluster: {
      name: 'imported',
      goals,
      regions: regions.map((name) => ({ name })),
      services: taken.map((found) => serviceOf(found, request)),
    },
  };
};

/** The verdict of `check` on a text of these services. One that is too long for it is nobody's mistake: less has to be taken. */
const verdictOn = (text: string, taken: readonly FoundService[], { file }: DraftRequest): ReturnType<typeof parseConfig> => {
  if (Buffer.byteLength(text) <= FILE_BYTES_MAX) return parseConfig(text, file);
  const message = `found more than ${FILE_BYTES_MAX} bytes with ${plural(taken.length, 'service')} written out, expected at most that; name some of them with --service`;
  return { ok: false, problems: [{ code: 'ERR_CONFIG', file, line: 1, column: 1, path: '', message }] };
};

/** The file's own verdict on a list of services, with goals that nothing can miss. */
const judge = (taken: readonly FoundService[], request: DraftRequest): ReturnType<typeof parseConfig> =>
  verdictOn(new Document(valuesOf(taken, { detection: '1h', convergence: '1h' }, request)).toString(), taken, request);

// ---- goals ----

const neededMs = (sums: readonly (Sum | null)[], usualMs: number): number =>
  Math.min(HOUR_MS, Math.max(usualMs, ...sums.map((sum) => Math.ceil((sum?.totalMs ?? 0) / 1000) * 1000)));

/** Longest TTL with which a service would meet the usual goal; null: none would. */
const fittingTtlS = (convergence: Sum, ttlS: number): number | null => {
  const fits = ttlS - Math.ceil((convergence.totalMs - GOALS.convergenceMs) / 1000);
  return fits >= 1 && fits < ttlS ? fits : null;
};

type Worst = readonly { worst: WorstCase; services: readonly string[] }[];

/** Goals that the file meets, and what its reader should know of them. */
const goalsOf = (cluster: ClusterConfig, worst: Worst): { goals: GoalTexts; comment: readonly string[] } => {
  const detectionMs = neededMs(
    worst.map((group) => group.worst.detection),
    GOALS.detectionMs,
  );
  const convergenceMs = neededMs(
    worst.map((group) => group.worst.convergence),
    GOALS.convergenceMs,
  );
  const late = worst.filter((group) => group.worst.convergence.totalMs > GOALS.convergenceMs);
  const comment = late.flatMap((group) => {
    const ttlS = cluster.services.find(({ name }) => name === group.worst.service)?.ttlS ?? 0;
    const fits = fittingTtlS(group.worst.convergence, ttlS);
    const todo = fits === null ? 'no TTL alone would meet it' : `a TTL of ${spell(fits * 1000)} or less would meet it`;
    return [`${list(group.services, 3)}: TTL ${spell(ttlS * 1000)}, ${say(group.worst.convergence.totalMs)} at worst; ${todo}.`];
  });
  const raised = [
    `Raised from ${spell(GOALS.convergenceMs)}, the usual goal, as far as the imported TTLs need. Lower the TTLs before auto, then the goal:`,
  ];
  return {
    goals: { detection: spell(detectionMs), convergence: spell(convergenceMs) },
    comment: comment.length === 0 ? [] : [...raised, ...comment],
  };
};

// ---- comments ----

const arithmetic = (all: Worst): readonly string[] =>
  all.flatMap(({ worst, services }) => {
    const steps = ({ totalMs, steps: parts }: Sum): string =>
      `${say(totalMs)} = ${parts.map(({ ms, what }) => `${say(ms)} ${what}`).join(' + ')}`;
    return [
      `${list(services, 3)}`,
      `  detection    ${worst.detection === null ? 'never by itself: fewer than three regions vote on it' : steps(worst.detection)}`,
      `  convergence  ${steps(worst.convergence)}`,
    ];
  });

const ttlComment = ({ ttlS }: FoundService): readonly string[] => {
  if (ttlS === null) return ['No TTL of its own was found: the answer is not a record of ours, or its TTL is automatic.'];
  if (ttlS > TTL_KEPT_MAX_S)
    return [
      `TTL found: ${spell(ttlS * 1000)}; ${spell(TTL_KEPT_MAX_S * 1000)} is the longest that fits goals of an hour. The first fence would set it.`,
    ];
  return ttlS < 1 ? ['TTL found: 0; one second is the shortest. The first fence would set it.'] : [];
};

const serviceComment = (found: FoundService): readonly string[] => [
  ...ttlComment(found),
  ...found.pools
    .filter(({ answers }) => answers.length === 0)
    .map(
      ({ pool }) =>
        `${pool}: no address is known, so its target looks at the name itself and cannot tell the pools apart; put its own address there.`,
    ),
  ...(found.pools.length === 1 ? ['One pool: nowhere to move traffic to until there is a second.'] : []),
  ...found.notes,
  `First fence: ${found.firstFence}`,
];

const headComment = (request: DraftRequest, worst: Worst, left: Draft['left']): readonly string[] => [
  `Imported from ${request.source}. Nothing was written there, and nothing will be: every service is in observe.`,
  'Before auto: put the real health endpoints in place of the guessed ones, give each region an anchor, lower long TTLs, then look at `tidegate plan`.',
  '',
  'Worst case: a region dies silently at the worst moment, its vantage and the coordinator with it; the store survives',
  ...arithmetic(worst).map((line) => `  ${line}`),
  ...(left.length === 0 ? [] : ['', `Not here (${plural(left.length, 'object')} that cannot be owned, or that no configuration holds):`]),
  ...left.map(({ what, because }) => `  ${what}: ${because}`),
];

/** Comments hold no line break but their own; whatever a vendor put into a name stays in its line. */
const commentText = (lines: readonly string[]): string =>
  lines.map((line) => ` ${line.replace(/[\p{Cc}\u2028\u2029]+/gu, ' ')}`.trimEnd()).join('\n');

// ---- the document ----

const keyNode = (map: YAMLMap, key: string): Node | null => {
  const found = map.items.find((pair) => isScalar(pair.key) && pair.key.value === key)?.key;
  return isScalar(found) ? found : null;
};

const mapAt = (document: Document, path: readonly (string | number)[]): YAMLMap | null => {
  const node = path.length === 0 ? document.contents : document.getIn(path, true);
  return isMap(node) ? node : null;
};

/** A comment above the key at the end of `path`. */
const above = (document: Document, path: readonly (string | number)[], lines: readonly string[]): void => {
  const key = keyNode(mapAt(document, path.slice(0, -1)) ?? document.createNode({}), String(path.at(-1)));
  if (key !== null && lines.length > 0) key.commentBefore = commentText(lines);
};

const seqAt = (document: Document, path: readonly (string | number)[]): YAMLSeq | null => {
  const node = document.getIn(path, true);
  return isSeq(node) ? node : null;
};

const annotate = (document: Document, taken: readonly FoundService[], request: DraftRequest): void => {
  const services = seqAt(document, ['cluster', 'services'])?.items ?? [];
  for (const [at, item] of services.entries()) {
    const found = taken[at];
    if (!isMap(item) || found === undefined) continue;
    item.commentBefore = commentText(serviceComment(found));
    item.spaceBefore = at > 0;
    for (const [p] of found.pools.entries()) {
      const targets = seqAt(document, ['cluster', 'services', at, 'pools', p, 'targets']);
      for (const target of targets?.items ?? []) if (isMap(target)) target.flow = true;
      const answers = seqAt(document, ['cluster', 'services', at, 'pools', p, 'answers']);
      if (answers !== null) answers.flow = true;
      above(
        document,
        ['cluster', 'services', at, 'pools', p, 'targets'],
        p === 0 ? ['guesses: nobody said where its health is told'] : ['guesses'],
      );
    }
  }
  for (const region of seqAt(document, ['cluster', 'regions'])?.items ?? []) if (isMap(region)) region.flow = true;
  above(
    document,
    ['cluster', 'regions'],
    [
      'One per pool unless --regions said otherwise. Give each an anchor: what answers while its own uplink works, e.g. anchors: [tcp://192.0.2.1:53]',
    ],
  );
  for (const [key, why] of Object.entries(request.guesses)) above(document, ['providers', request.provider, key], [why]);
  const cluster = keyNode(mapAt(document, []) ?? document.createNode({}), 'cluster');
  if (cluster !== null) cluster.spaceBefore = true;
};

/** The first problem of a file that holds this service only: the others are mostly its echoes. */
const whyNot = ([first]: readonly Problem[]): string =>
  first === undefined ? 'no configuration could hold it' : `${first.path.replace(/^cluster\.services\[0\]\.?/, '')}: ${first.message}`;

/** In: what was found and how it should be spelled. Out: a text that `check` accepts, or every problem with it. */
export const draftOf = (inventory: Inventory, request: DraftRequest): Drafted => {
  const verdicts = inventory.services.map((found) => ({ found, verdict: judge([found], request) }));
  const taken = verdicts.filter(({ verdict }) => verdict.ok).map(({ found }) => found);
  const left = [
    ...inventory.refused,
    ...verdicts.flatMap(({ found, verdict }) => (verdict.ok ? [] : [{ what: found.service, because: whyNot(verdict.problems) }])),
  ];
  if (taken.length === 0) return { ok: false, problems: [], left };
  const loose = judge(taken, request);
  if (!loose.ok) return { ok: false, problems: loose.problems, left };
  const { cluster } = loose.config;
  if (cluster === null) return { ok: false, problems: [], left };
  const worst = worstCaseGroups(cluster, paceIn(loose.config));
  const { goals, comment } = goalsOf(cluster, worst);
  const document = new Document(valuesOf(taken, goals, request));
  document.commentBefore = commentText(headComment(request, worst, left));
  annotate(document, taken, request);
  above(document, ['cluster', 'goals'], comment);
  const goalsNode = mapAt(document, ['cluster', 'goals']);
  if (goalsNode !== null) goalsNode.flow = true;
  const text = document.toString({ lineWidth: 0 });
  const final = verdictOn(text, taken, request);
  return final.ok ? { ok: true, draft: { text, cluster, taken, left } } : { ok: false, problems: final.problems, left };
};
