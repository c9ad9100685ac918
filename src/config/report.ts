// What `tidegate check --config F` prints about an accepted file: who votes, how long the worst case takes, what is lawful but hardly meant. Pure.
// Written for somebody who was woken up: numbers first, equal things once, nothing that scrolls away.
import type { ProviderConfig } from '../../providers/index.ts';
import type { ClusterConfig, RegionConfig } from '../model.ts';
import { type Pace, type Sum, worstCaseGroups } from './arithmetic.ts';
import type { CanaryConfig } from './canary.ts';
import { type ElectorateGroup, electorateGroups } from './electorate.ts';
import { showHostPort } from './fields.ts';
import { type Problem, renderProblem } from './problem.ts';
import { paceIn } from './providers/index.ts';
import type { ReplicaConfig } from './schema.ts';
import { list, plural, say, spell } from './words.ts';

/** Most services named in one line. */
const NAMED_MAX = 3;

const storeLine = (store: ReplicaConfig['store']): string => {
  if (store.kind === 'embedded') return `embedded, ${store.file}${store.serve ? `, served at ${showHostPort(store.serve)}` : ''}`;
  if (store.kind === 'remote') return `remote, ${store.url}`;
  const proof = [store.tls?.certFile === undefined ? '' : 'client certificate', store.user === undefined ? '' : `user ${store.user.name}`];
  const who = proof.filter((part) => part !== '').join(' and ');
  return `etcd, ${list(store.endpoints, 16)}; keys under ${store.prefix}; ${who === '' ? 'nobody proves who they are' : who}; ${say(store.timeoutMs)} per call`;
};

/** What it is and where its objects lie. */
const providerText = (entry: ProviderConfig): string => {
  switch (entry.kind) {
    case 'gate':
      return `gate, ${entry.form} form, polled by ${entry.checker.kind}`;
    case 'gclb':
      return `gclb, project ${entry.project}, mode ${entry.mode}`;
    default:
      return `${entry.kind}${'zone' in entry ? `, zone ${entry.zone}` : ''}`;
  }
};

const canaryText = ({ provider, path, service, everyMs }: CanaryConfig): string =>
  `${service} (${provider}${path === provider ? '' : ` for ${path}`}, every ${spell(everyMs)})`;

const replicaLines = (config: ReplicaConfig): string[] => {
  const { store, providers, canaries = [], cluster, signing, record, shadow, gate } = config;
  const names = Object.entries(providers).map(([name, entry]) => `${name} (${providerText(entry)})`);
  return [
    `replica    ${config.region}/${config.replica}, api at ${config.api.tls === undefined ? '' : 'https://'}${showHostPort(config.api)}`,
    `store      ${storeLine(store)}`,
    ...(signing === undefined ? [] : [`signing    votes, with the key in ${signing.keyFile}`]),
    `providers  ${list(names)}`,
    ...(gate === undefined ? [] : [`gate       served at ${showHostPort(gate)}, remembered in ${gate.file}`]),
    ...(canaries.length === 0 ? [] : [`canaries   ${list(canaries.map(canaryText))}`]),
    ...(record === undefined
      ? []
      : [`record     ${record.folder}, at most ${record.maxBytes} bytes, ${record.observations ? 'with' : 'without'} looks`]),
    ...(shadow === undefined ? [] : [`shadow     ${shadow.file}, asked and never obeyed`]),
    `cluster    ${cluster === null || store.kind !== 'embedded' ? 'taken from the store, and checked when the replica joins' : clusterLine(cluster)}`,
  ];
};

const clusterLine = ({ name, regions, services }: ClusterConfig): string => {
  const votes = regions.filter(({ vote }) => vote).length;
  const coordinators = regions.filter(({ coordinator }) => coordinator).length;
  const modes = (['auto', 'advise', 'observe'] as const)
    .map((mode) => ({ mode, n: services.filter((service) => service.mode === mode).length }))
    .filter(({ n }) => n > 0)
    .map(({ mode, n }) => `${n} ${mode}`);
  const pools = services.flatMap((service) => service.pools);
  const targets = pools.reduce((n, pool) => n + pool.targets.length, 0);
  const of = `${plural(regions.length, 'region')} (${votes} vote, ${coordinators} may coordinate)`;
  return `${name}: ${of}, ${plural(services.length, 'service')}${modes.length === 0 ? '' : ` (${modes.join(', ')})`}, ${plural(pools.length, 'pool')}, ${plural(targets, 'target')}`;
};

const electorateLines = (group: ElectorateGroup): string[] => {
  const { voters, needs, spare, advisesOnly, targets, services } = group;
  const head = `  ${plural(targets, 'target')} of ${list(services, NAMED_MAX)}`;
  if (voters.length === 0)
    return [head, '    no voters: seen from their own region only; they hold a return back and advise, and move nothing'];
  const who = `    ${plural(voters.length, 'voter')}: ${list(voters, 20)}`;
  const rule = advisesOnly
    ? 'advises only: nothing moves by itself with fewer than 3'
    : `${needs} must agree; ${plural(spare, 'voter')} may be lost, a dead region's own included`;
  return [head, who, `    ${rule}`];
};

const sumLines = (name: string, { totalMs, steps }: Sum, goalMs: number): string[] => [
  `    ${name.padEnd(12)}${say(totalMs).padStart(8)}  (goal ${say(goalMs)})`,
  ...steps.map(({ ms, what }) => `      ${say(ms).padStart(18)}  ${what}`),
];

const arithmeticLines = (cluster: ClusterConfig, pace: Pace): string[] =>
  worstCaseGroups(cluster, pace).flatMap(({ worst, services }) => [
    `  ${list(services, NAMED_MAX)}`,
    ...(worst.detection === null
      ? ['    detection    never by itself: too few voters']
      : sumLines('detection', worst.detection, cluster.goals.detectionMs)),
    ...(worst.detection === null || worst.never === null ? [] : [`    but ${worst.never}`]),
    ...sumLines('convergence', worst.convergence, cluster.goals.convergenceMs),
    ...(worst.paths === undefined ? [] : [`      ${pathsLine(worst.paths)}`]),
  ]);

/** Only the first path is held against the goal: the others are for the day on which it does not work. */
const pathsLine = (paths: readonly { provider: string; sum: Sum }[]): string =>
  `each path alone: ${paths.map(({ provider, sum }) => `by ${provider} ${say(sum.totalMs)}`).join(', ')}; the goal is held against the first`;

const roleOf = ({ services }: ClusterConfig, { name, vote, coordinator, keys = [] }: RegionConfig): string => {
  const served = services.filter(({ pools }) => pools.some(({ region }) => region === name)).map((service) => service.name);
  const duty = served.length > 0 ? `serves ${list(served, NAMED_MAX)}` : vote ? 'witness: votes, no pools' : 'looks on: no vote, no pools';
  const more = [served.length > 0 && !vote ? 'no vote' : '', coordinator ? 'coordinator' : '', keys.length > 0 ? 'signs' : ''];
  return [duty, ...more.filter((part) => part !== '')].join('; ');
};

/** Who does what. */
export const regionReport = (cluster: ClusterConfig): string[] => {
  const width = Math.max(...cluster.regions.map(({ name }) => name.length));
  return cluster.regions.map((region) => `  ${region.name.padEnd(width)}  ${roleOf(cluster, region)}`);
};

export const electorateReport = (cluster: ClusterConfig): readonly string[] => electorateGroups(cluster).flatMap(electorateLines);

export const worstCaseReport = (cluster: ClusterConfig, pace: Pace): readonly string[] => [
  'Worst case: a region dies silently at the worst moment, its vantage and the coordinator with it; the store survives',
  ...arithmeticLines(cluster, pace),
];

/** What a cluster's configuration means: who does what, who votes, how long the worst case takes. */
export const clusterReport = (cluster: ClusterConfig, pace: Pace): readonly string[] => [
  'Regions',
  ...regionReport(cluster),
  '',
  'Electorates',
  ...electorateReport(cluster),
  '',
  ...worstCaseReport(cluster, pace),
];

/** The text that `check` prints for an accepted file, ending in a newline. */
export const report = (config: ReplicaConfig, warnings: readonly Problem[]): string => {
  const { cluster, store, file } = config;
  const lines = [`${file}: accepted, ${plural(warnings.length, 'warning')}`, ...warnings.map(renderProblem), '', ...replicaLines(config)];
  // Beside a store of another kind the section is not used, and numbers about it would mislead.
  if (cluster !== null && store.kind === 'embedded') {
    lines.push('', ...clusterReport(cluster, paceIn(config)));
    lines.push('', 'The store lives in this process: while it is down nothing moves, and routes stay as they are.');
  }
  return `${lines.join('\n')}\n`;
};

/** The text that `check` and a refused start or reload print: every problem, then the count. Ends in a newline. */
export const reportProblems = (problems: readonly Problem[]): string =>
  `${[...problems.map(renderProblem), plural(problems.length, 'problem')].join('\n')}\n`;
