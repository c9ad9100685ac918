// What `tidegate check --config F` prints about an accepted file: who votes, how long the worst case takes, what is lawful but hardly meant. Pure.
// Written for somebody who was woken up: numbers first, equal things once, nothing that scrolls away.
import type { ProviderConfig } from '../../providers/index.ts';
import type { ClusterConfig, RegionConfig } from '../model.ts';
import { estimateOf } from '../runbook/estimate.ts';
import type { Step } from '../runbook/model.ts';
import { planOf, stepsOf } from '../runbook/plan.ts';
import type { FailbackConfig, PlatformConfig } from '../runbook/platform.ts';
import { servesEverywhere } from '../runbook/run.ts';
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
const SYSTEMS_NAMED_MAX = 12;

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

const canaryText = ({ provider, path, service, everyMs, microDrill }: CanaryConfig): string =>
  `${service} (${provider}${path === provider ? '' : ` for ${path}`}, ${microDrill === true ? 'failed over ' : ''}every ${spell(everyMs)})`;

const replicaLines = (config: ReplicaConfig): string[] => {
  const { store, providers, systems = {}, canaries = [], cluster, signing, record, shadow, gate } = config;
  const peers = Object.keys(config.dashboard?.peers ?? {});
  const names = Object.entries(providers).map(([name, entry]) => `${name} (${providerText(entry)})`);
  return [
    `replica    ${config.region}/${config.replica}, api at ${config.api.tls === undefined ? '' : 'https://'}${showHostPort(config.api)}`,
    ...(peers.length === 0 ? [] : [`dashboard  goes on in ${list(peers)}`]),
    `store      ${storeLine(store)}`,
    ...(signing === undefined ? [] : [`signing    votes, with the key in ${signing.keyFile}`]),
    `providers  ${list(names)}`,
    ...(Object.keys(systems).length === 0
      ? []
      : [
          `systems    ${list(
            Object.entries(systems).map(([name, { kind }]) => `${name} (${kind})`),
            SYSTEMS_NAMED_MAX,
          )}`,
        ]),
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

/** What somebody reads at night in a small terminal. */
const COLUMNS = 80;

/** Words at most so wide, later lines set in. A word that is wider alone stays whole: ids are copied. */
const filled = (label: string, text: string, indent: string): string[] => {
  const lines: string[] = [];
  let line = `${indent}${label}`;
  for (const word of text.split(' ')) {
    const isFirst = line.length === indent.length + label.length && lines.length === 0;
    if (!isFirst && line.length + 1 + word.length > COLUMNS) {
      lines.push(line);
      line = `${indent}${' '.repeat(label.length)}${word}`;
    } else line = isFirst ? `${line}${word}` : `${line} ${word}`;
  }
  return [...lines, line];
};

const others = (n: number): string => (n === 1 ? 'one person agrees' : `${n} different persons agree`);

/** What begins a run, beside a human who orders one. */
const beginText = ({ trigger: { mode, holdMs, prearm }, approvals: { start } }: PlatformConfig): string => {
  const what = prearm ? '; at the first suspicion what is harmless' : '';
  if (mode === 'off') return 'by a human, never by itself';
  const after = `a region is down for ${spell(holdMs)}`;
  if (mode === 'auto') return `by itself when ${after}${what}`;
  return `proposed when ${after}${start === 0 ? ', and begins' : `, begins when ${others(start)}`}${what}`;
};

const failbackText = (failback: FailbackConfig, home: string): string => {
  switch (failback.kind) {
    case 'manual':
      return 'by a human';
    case 'automatic':
      return `by itself when ${home} has been well for ${spell(failback.afterMs)}`;
    case 'fail-forward':
      return 'none: where it went is home';
  }
};

/** Steps that move something: what only reads or waits has nothing to be taken back. */
const READS: readonly Step['kind'][] = [
  'route.wait',
  'k8s.wait',
  'http.check',
  'grpc.check',
  'codec.canary',
  'temporal.canary',
  'temporal.wait',
  'gate.promql',
  'gate.lag',
  'pg.caughtup',
  'verify.objectives',
  'approval',
  'sleep',
];

const spanText = ({ p50Ms, p95Ms }: { p50Ms: number; p95Ms: number }): string => `${say(p50Ms)} to ${say(p95Ms)}`;

const line = (label: string, text: string): string[] => filled(label.padEnd(10), text, '    ');

/** What the loss of a region costs, with the times that are assumed before anything was measured. */
const lossLines = (platform: PlatformConfig, from: string): string[] => {
  const to = platform.regions.find((region) => region !== from) ?? '';
  const plan = planOf(platform, { from, to, purpose: 'failover', active: platform.regions[0] ?? from });
  const steps = stepsOf(plan, 'ungraceful');
  if (steps.length === 0) return line('lost', `${from} gone: nothing has to move`);
  const { recovery, whole, approvals } = estimateOf(plan, 'ungraceful');
  const lasting = steps.filter(({ kind, undo }) => 'no' in undo && !READS.includes(kind));
  const all = whole.p95Ms > recovery.p95Ms ? `, ${spanText(whole)} in all` : '';
  return [
    ...line('lost', `${from} gone: ${to} has recovered in ${spanText(recovery)}${all}, assumed until measured`),
    ...line('longest', recovery.path.join(' > ') || 'nothing has to be waited for'),
    ...(approvals === 0 ? [] : line('persons', `${plural(approvals, 'approval')} of steps on the way, for which no time is counted`)),
    ...line('no undo', lasting.map(({ id }) => id).join(', ') || 'nothing: all of it can be taken back'),
  ];
};

/** Of what serves from several regions any may be lost; of the others the one that is active, which is home. */
const platformLines = (platform: PlatformConfig): string[] => {
  const { name, model, regions, failback } = platform;
  const lost = servesEverywhere(model) ? regions : regions.slice(0, 1);
  return [
    `  ${name}: ${model}, ${regions.join(' > ')}`,
    ...line('begins', beginText(platform)),
    ...line('failback', failbackText(failback, regions[0] ?? '')),
    ...lost.flatMap((region) => lossLines(platform, region)),
  ];
};

/** What moves with the routes; nothing where there is nothing. */
export const platformReport = ({ platforms = [] }: ClusterConfig): readonly string[] =>
  platforms.length === 0 ? [] : ['Platforms', ...platforms.flatMap(platformLines)];

/** What a cluster's configuration means: who does what, who votes, how long the worst case takes, what moves with the routes. */
export const clusterReport = (cluster: ClusterConfig, pace: Pace): readonly string[] => [
  'Regions',
  ...regionReport(cluster),
  '',
  'Electorates',
  ...electorateReport(cluster),
  '',
  ...worstCaseReport(cluster, pace),
  ...(platformReport(cluster).length === 0 ? [] : ['', ...platformReport(cluster)]),
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
