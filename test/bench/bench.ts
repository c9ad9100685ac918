// `npm run bench -- [capacity|detection|false-drains|gray|publish|providers|probe|gate|decide|whatif|traffic|scale|journal|sizing|api|life|paging|fatigue|models|race|pareto|sim] [--json] [--quick] [--trials N]`: prints tables beside a reference measured in the same
// run; `race` also takes `--interval 5` (in s) and `--soak 10m`, `probe` takes `--targets N`, `--every SECONDS` and `--profile`, `traffic` and `scale` `--regions`, `--replicas`, `--targets` and `--profile`. Machines differ: read the ratios and the medians. Exit 1 when a stated goal is missed.
import { argumentsOf, numberIn, refuse } from '../arguments.ts';
import { benchApi } from './api.ts';
import { benchCapacity } from './capacity.ts';
import { benchDecide } from './decide.ts';
import { benchDetection } from './detection.ts';
import { benchFalseDrains } from './false-drains.ts';
import { benchFatigue } from './fatigue.ts';
import { benchGate } from './gate.ts';
import { benchGray } from './gray.ts';
import { benchJournal } from './journal.ts';
import { benchLife } from './life.ts';
import { benchModels } from './models.ts';
import { benchPaging } from './paging.ts';
import { benchPareto } from './pareto.ts';
import { benchProbe } from './probe.ts';
import { benchProviders } from './providers.ts';
import { benchPublish } from './publish.ts';
import { benchRace } from './race.ts';
import { benchScale } from './scale.ts';
import { benchSim } from './sim.ts';
import { benchSizing } from './sizing.ts';
import { benchTraffic } from './traffic.ts';
import { benchWhatIf } from './whatif.ts';

export interface Bench {
  goals: Readonly<Record<string, number>>;
  met: boolean;
  rows: readonly object[];
  /** More tables, of other columns. */
  tables?: readonly (readonly object[])[];
  /** The few numbers of the whole, which `--json` has beside the tables. */
  totals?: Readonly<Record<string, number>>;
  /** What a reader of the tables must know. */
  notes?: readonly string[];
}

export interface BenchOptions {
  /** A minute at most: to see that it works. */
  quick: boolean;
  /** Instead of the bench's own number. */
  trials: number | null;
  /** Of `race`: between two looks. */
  intervalMs: number | null;
  /** Of `race`: how long random failures last, instead of faults. */
  soakMs: number | null;
  /** Of `traffic` and `scale`: the shape of the only cluster to measure. */
  regions: number | null;
  replicas: number | null;
  /** Of `traffic`: of etcd. */
  members: number | null;
  /** Of `probe`: how many, and how often each is looked at. Of `traffic` and `scale` with the two before. */
  targets: number | null;
  everyS: number | null;
  /** Of `probe`: where the time goes, instead of how much there is. Of `traffic`: beside it. */
  profile: boolean;
}

const BENCHES: Readonly<Record<string, { says: string; run: (options: BenchOptions) => Promise<Bench> }>> = {
  detection: {
    says: 'From the fault to the committed decision at default settings, three vantages; reference: one vantage, three strikes every 5 s',
    run: benchDetection,
  },
  'false-drains': {
    says: 'Drains of a target that is well, per year, on lossy paths: the production machines beside a formula and beside the design arithmetic',
    run: benchFalseDrains,
  },
  fatigue: {
    says: 'What a person is paged in an hour of something that goes wrong now and then; reference: a pager that tells every change',
    run: benchFatigue,
  },
  publish: {
    says: 'From the acknowledged commit to the first byte at the provider; reference: connecting and writing one byte, nothing else',
    run: benchPublish,
  },
  probe: {
    says: 'Looks at 1,000 a second and while a region dies; references: bare sockets in Node and in C, haproxy, gdnsd, Prometheus',
    run: benchProbe,
  },
  gate: {
    says: 'An answer of a gate at 1,600 polls/s, and flat out; reference: a bare node http server',
    run: benchGate,
  },
  capacity: {
    says: 'What a cluster of a size takes: looks, records that pass through the store, a decision; the limit is the record that a store takes',
    run: benchCapacity,
  },
  traffic: {
    says: 'Many regions deciding as one, and what they ask of a real etcd; references: three strikes, a lock of etcd, heartbeats that all hear',
    run: benchTraffic,
  },
  scale: {
    says: 'What breaks first at 10 and 100 times the design size: each record, transaction, read and document beside its limit',
    run: benchScale,
  },
  journal: {
    says: 'An entry more, a page and a whole verification of the journal, by its length, on a real etcd; reference: a bare transaction of the same bytes',
    run: benchJournal,
  },
  sizing: {
    says: 'What one replica takes of a machine, as deploy/kubernetes has to ask for it; reference: the limit there',
    run: benchSizing,
  },
  whatif: {
    says: 'A forecast in a cluster of 50 services in five regions, on the core itself, and the longest stretch for which it keeps the event loop',
    run: benchWhatIf,
  },
  api: {
    says: 'The API at 200 requests/s beside full probing, an order to its decision, and 500 listeners; reference: bare node http and Fastify, same bytes',
    run: benchApi,
  },
  life: {
    says: 'A replica from its start to its first vote, from SIGTERM to its end, and a day of it on virtual time; reference: a bare Fastify, to its listening',
    run: benchLife,
  },
  gray: {
    says: 'Errors now and then: how soon they are noticed against false alarms; references: research, and three faults in a row',
    run: benchGray,
  },
  providers: {
    says: "What Tidegate adds to a provider's own time in a failover, by provider; reference: the time of what answers, in the same run",
    run: benchProviders,
  },
  paging: {
    says: 'Pages from their commit to the first receiver that accepted them, and a storm of 10,000; reference: the same bodies posted without an outbox',
    run: benchPaging,
  },
  models: {
    says: 'A platform from the loss of its region to the first task in another one, by model; reference: what its plan estimated',
    run: benchModels,
  },
  race: {
    says: 'From a fault until no answer names the dead target, or with --soak false drains: Tidegate beside gdnsd, PowerDNS and HAProxy, all at once',
    run: benchRace,
  },
  pareto: {
    says: 'How soon the dead are found against how often the well are drained, by rule: the published ones of the field beside Tidegate at several settings',
    run: benchPareto,
  },
  sim: {
    says: 'Worlds of five regions that the simulator plays, in region-hours per CPU second; reference: as many bare timers on the same virtual time',
    run: benchSim,
  },
  decide: {
    says: 'One decision over 100 to 100,000 targets and 3 to 20 vantages, and the whole path on a real etcd; references: JSON.parse of the same votes, a bare transaction and request',
    run: benchDecide,
  },
};

const cell = (value: unknown): string => {
  if (typeof value !== 'number' || Number.isInteger(value)) return String(value);
  return Math.abs(value) < 0.005 ? value.toExponential(1) : value.toFixed(value < 10 ? 2 : 1);
};

/** Columns in the order in which rows name them first. */
const table = (rows: readonly object[]): string => {
  const names = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const lines = [names, ...rows.map((row) => names.map((name) => cell((row as Record<string, unknown>)[name] ?? '')))];
  const widths = names.map((_, i) => Math.max(...lines.map((line) => (line[i] ?? '').length)));
  return lines
    .map((line) => line.map((text, i) => (i === 0 ? text.padEnd(widths[i] ?? 0) : text.padStart(widths[i] ?? 0))).join('  '))
    .join('\n');
};

/** `90s`, `10m`, `1h`. */
const spanMs = (text: string): number => {
  const unit = { s: 1000, m: 60_000, h: 3_600_000 }[text.slice(-1)];
  if (unit === undefined || !(Number(text.slice(0, -1)) > 0)) return refuse(`--soak ${text}: write it like 10m`);
  return unit * Number(text.slice(0, -1));
};

const main = async (): Promise<void> => {
  const { values, positionals: names } = argumentsOf({
    allowPositionals: true,
    options: {
      json: { type: 'boolean' },
      quick: { type: 'boolean' },
      trials: { type: 'string' },
      interval: { type: 'string' },
      soak: { type: 'string' },
      regions: { type: 'string' },
      replicas: { type: 'string' },
      members: { type: 'string' },
      targets: { type: 'string' },
      every: { type: 'string' },
      profile: { type: 'boolean' },
    },
  });
  const json = values.json === true;
  const intervalS = numberIn('interval', values.interval);
  const options: BenchOptions = {
    quick: values.quick === true,
    trials: numberIn('trials', values.trials),
    intervalMs: intervalS === null ? null : 1000 * intervalS,
    soakMs: values.soak === undefined ? null : spanMs(values.soak),
    regions: numberIn('regions', values.regions),
    replicas: numberIn('replicas', values.replicas),
    members: numberIn('members', values.members),
    targets: numberIn('targets', values.targets),
    everyS: numberIn('every', values.every),
    profile: values.profile === true,
  };
  const unknown = names.filter((name) => BENCHES[name] === undefined);
  if (unknown.length > 0) refuse(`no bench named ${unknown.join(', ')}; there are ${Object.keys(BENCHES).join(', ')}`);
  const results: Record<string, Bench> = {};
  for (const name of names.length > 0 ? names : Object.keys(BENCHES)) {
    const bench = BENCHES[name];
    if (bench === undefined) continue;
    process.stderr.write(`${name}: ${bench.says}\n`);
    const result = await bench.run(options);
    results[name] = result;
    if (!json)
      process.stdout.write(
        `\n${name} (${bench.says})\n${[result.rows, ...(result.tables ?? [])].map(table).join('\n\n')}${(result.notes ?? []).map((note) => `\n${note}`).join('')}\ngoals ${JSON.stringify(result.goals)} ${result.met ? 'met' : 'MISSED'}\n`,
      );
  }
  const totals = Object.assign({}, ...Object.values(results).map((result) => result.totals ?? {}));
  if (json) process.stdout.write(`${JSON.stringify({ ...totals, ...results })}\n`);
  process.exitCode = Object.values(results).every((r) => r.met) ? 0 : 1;
};

await main();
