// Gauges of what this replica knows of itself and its cluster: the checks of GET /api/health/detail, whose votes count, ages, what ends when.
// They are for alerts that must fire when Tidegate cannot page any more. Asked at a scrape; what is not known is absent, never 0.
import { Gauge, type Registry } from '@prometheus-io/client';

/** Of a region that is configured to vote. */
export const VANTAGE_STATES = ['speaks', 'abstains', 'silent'] as const;
export type VantageState = (typeof VANTAGE_STATES)[number];

export const CHECK_VALUES = { pass: 0, warn: 1, fail: 2 } as const;

export interface HealthGauges {
  /** `component` is empty where a check has one subject only. */
  checks: readonly { check: string; component: string; status: keyof typeof CHECK_VALUES }[];
  vantages: readonly { vantage: string; state: VantageState }[];
  /** null: no cluster configuration is known yet. */
  votesNeeded: number | null;
  /** Of the electorate that has the fewest to spare; negative: it can decide nothing. null: not known yet. */
  votesSpare: number | null;
  configVersion: number | null;
  /** Infinity: it never answered. */
  storeAnswerAgeMs: number;
  clockSkewMs: number | null;
  loopDelayMs: number | null;
  /** null: this replica does not look into the outbox. */
  pages: { waiting: number; oldestAgeMs: number } | null;
  databases: readonly { platform: string; database: string; isSplit: boolean; isProved: boolean }[];
  /** `what`: the certificate's subject and the key that names its file. No paths and no names of tokens: `/metrics` is open to anybody. */
  expiring: readonly { what: string; untilMs: number }[];
}

type Shown = readonly [labels: readonly string[], value: number];

/** Wall or cluster time; ages and amounts of time alike. */
const seconds = (ms: number): number => ms / 1000;
const ifKnown = (value: number | null): readonly Shown[] => (value === null ? [] : [[[], value]]);

interface Family {
  name: string;
  help: string;
  labelNames?: string[];
  shown: (health: HealthGauges) => readonly Shown[];
}

const FAMILIES: readonly Family[] = [
  {
    name: 'health_check',
    help: 'Checks of GET /api/health/detail: 0 pass, 1 warn, 2 fail',
    labelNames: ['check', 'component'],
    shown: ({ checks }) => checks.map(({ check, component, status }) => [[check, component], CHECK_VALUES[status]]),
  },
  {
    name: 'vantage_state',
    help: '1 for what a configured voter does as seen from here, 0 for the others: it speaks, abstains, or is silent',
    labelNames: ['vantage', 'state'],
    shown: ({ vantages }) =>
      vantages.flatMap(({ vantage, state }) => VANTAGE_STATES.map((one): Shown => [[vantage, one], one === state ? 1 : 0])),
  },
  { name: 'votes_needed', help: 'A majority of the configured voters', shown: ({ votesNeeded }) => ifKnown(votesNeeded) },
  {
    name: 'votes_spare',
    help: 'Vantages that may fall silent before some target is decided on no more: the fewest over the electorates of targets; negative: so many are missing',
    shown: ({ votesSpare }) => ifKnown(votesSpare),
  },
  {
    name: 'config_version',
    help: 'Version of the cluster configuration that this replica follows',
    shown: ({ configVersion }) => ifKnown(configVersion),
  },
  {
    name: 'store_answer_age_seconds',
    help: 'Since the store last answered this replica; +Inf: it never did',
    shown: ({ storeAnswerAgeMs }) => [[[], seconds(storeAnswerAgeMs)]],
  },
  {
    name: 'clock_skew_seconds',
    help: 'The least by which the clocks of two replicas must differ',
    shown: ({ clockSkewMs }) => ifKnown(clockSkewMs === null ? null : seconds(clockSkewMs)),
  },
  {
    name: 'event_loop_delay_seconds',
    help: 'How late the event loop ran at the last look, p99',
    shown: ({ loopDelayMs }) => ifKnown(loopDelayMs === null ? null : seconds(loopDelayMs)),
  },
  {
    name: 'pages_waiting',
    help: 'Pages that somebody should have been told of by now; absent where another replica delivers',
    shown: ({ pages }) => ifKnown(pages === null ? null : pages.waiting),
  },
  {
    name: 'pages_oldest_age_seconds',
    help: 'For how long the oldest of them waits; 0: none does',
    shown: ({ pages }) => ifKnown(pages === null ? null : seconds(pages.oldestAgeMs)),
  },
  {
    name: 'data_split',
    help: '1 while two regions take writes of a database',
    labelNames: ['platform', 'database'],
    shown: ({ databases }) => databases.map(({ platform, database, isSplit }) => [[platform, database], isSplit ? 1 : 0]),
  },
  {
    name: 'data_proved',
    help: '1 while a database is proved writable somewhere: a row was written and read back',
    labelNames: ['platform', 'database'],
    shown: ({ databases }) => databases.map(({ platform, database, isProved }) => [[platform, database], isProved ? 1 : 0]),
  },
  {
    name: 'credential_expires_timestamp_seconds',
    help: 'When a certificate or token ends that a file of this replica holds, wall clock',
    labelNames: ['what'],
    shown: ({ expiring }) => expiring.map(({ what, untilMs }) => [[what], seconds(untilMs)]),
  },
];

/** `current` is asked for each family at each scrape: it answers from what it made a moment ago. null: the replica is not built yet. */
export const healthGauges = (registers: Registry[], current: () => HealthGauges | null): void => {
  for (const { name, help, labelNames = [], shown } of FAMILIES)
    new Gauge({
      name: `tidegate_${name}`,
      help,
      labelNames,
      registers,
      collect() {
        this.reset();
        // Without labels a reset leaves a zero to see.
        if (labelNames.length === 0) this.remove();
        const health = current();
        for (const [labels, value] of health === null ? [] : shown(health)) this.labels(...labels).set(value);
      },
    });
};
