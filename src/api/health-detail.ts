// The document behind GET /api/health/detail: each thing this replica depends on, with what was measured of it and since when. Its shape is that of an
// expired draft of the IETF (health checks for HTTP APIs), which platforms read all the same; no standard is claimed. Pure; plain data in, JSON out.
// `fail`: if a region died now, nothing would be moved, as far as is seen from here. `warn`: a human should look, and a failover would still work.
// Nothing may be taken out of service because of it: readiness never depends on what a process depends on, so /readyz says nothing of all this.
import { standingText, weakestOf } from '../health/electorate.ts';
import { type Fleet, isSkewed, versionText } from '../health/fleet.ts';
import type { ClusterConfig } from '../model.ts';
import type { MicroDrillStatus } from './proofs.ts';
import type { PathsView, ProviderStatus, StatusInShort } from './status.ts';

export type HealthState = 'pass' | 'warn' | 'fail';

/** What a replica knows of its dependencies, beside its status. Times in ms; null: not known, or there is none. */
export interface HealthFacts {
  version: string;
  /** null: no cluster configuration is known yet. */
  status: StatusInShort | null;
  cluster: ClusterConfig | null;
  fleet: Fleet | null;
  /** This machine's clock: what `time` is. */
  wallMs: number;
  store: {
    kind: string;
    /** Since it last answered; Infinity: it never did. */
    answeredAgoMs: number;
    lastTookMs: { get: number | null; txn: number | null };
    /** Since it last took this replica's beat, at most. */
    beatAgeMs: number | null;
    complaint: string | null;
    rev: number | null;
  };
  /** Of the leader record, at most. */
  leaderAgeMs: number | null;
  loopDelayMs: number | null;
  paging: {
    pages: number | null;
    oldestAtMs: number | null;
    channels: readonly { name: string; failing: string | null }[];
    /** The region's queue; null: there is none. `sinceMs`: for how long it has been away. */
    queue: { state: 'ok' } | { state: 'away'; because: string; sinceMs: number } | null;
  };
  recorder: { isOn: boolean; lost: number } | null;
  /** As seen last; null: not yet. Absent: this replica looks at none. */
  runs?: readonly RunFact[] | null;
  /** Systems around that this replica's file names. Absent: none. */
  systems?: readonly SystemFact[];
  /** What is proved of databases. Absent: none is configured. */
  databases?: readonly DatabaseFact[];
  paths: PathsView | null;
}

/** A database of a platform, as the store has it. */
export interface DatabaseFact {
  platform: string;
  database: string;
  /** null: it is proved writable nowhere. */
  writer: string | null;
  because: string;
  /** Regions that both take writes; null: no two do. */
  split: readonly string[] | null;
  /** null: its writer stands on a row, or there is none. */
  settled: { by: string; reason: string } | null;
  /** null: there is a row, or none is wanted. */
  unproved: { because: string } | null;
  standbys: readonly { region: string; because: string }[];
}

/** A system around, as it answered last. */
export interface SystemFact {
  name: string;
  kind: string;
  isFailing: boolean;
  because: string;
}

/** A run that goes on, or that somebody has to look at. */
export interface RunFact {
  id: string;
  state: string;
  /** What a human should do something about; null: nothing. */
  trouble: string | null;
}

/** One measurement of one component. */
export interface HealthCheck {
  /** Which one, where there are several: a provider, a service, a channel. */
  componentId?: string;
  componentType: 'system' | 'component' | 'datastore';
  observedValue: number | string | boolean | null;
  observedUnit?: string;
  status: HealthState;
  /** RFC 3339, this replica's clock. */
  time: string;
  /** Why, when it is not `pass`; or what is worth saying all the same. */
  output?: string;
}

export interface HealthDetail {
  status: HealthState;
  /** Of the program. */
  releaseId: string;
  serviceId: string;
  description: string;
  /** What is not `pass`, worst first, one sentence each. */
  notes: readonly string[];
  checks: Readonly<Record<string, readonly HealthCheck[]>>;
}

/** Reads and writes of a store across continents take half of this. */
const STORE_SLOW_MS = 1000;
/** Certificates, tokens and signatures of webhooks mind minutes; people who compare logs mind this. */
const CLOCK_SKEW_MS = 1000;
/** A look that starts later than this is not believed. */
const LOOP_LATE_MS = 250;
const PAGE_WAITS_MS = 60_000;

type Draft = Omit<HealthCheck, 'time'>;
/** A state, and the sentence that goes with it. */
type Told = readonly [HealthState, (string | undefined)?];
type Group = readonly [name: string, checks: readonly Draft[]];

const RANK: Readonly<Record<HealthState, number>> = { pass: 0, warn: 1, fail: 2 };
const worst = (states: readonly HealthState[]): HealthState => states.reduce<HealthState>((a, b) => (RANK[b] > RANK[a] ? b : a), 'pass');

const seconds = (ms: number): number => Math.round(ms / 100) / 10;
const finite = (ms: number | null): number | null => (ms === null || !Number.isFinite(ms) ? null : ms);
const secondsOf = (ms: number | null): number | null => (finite(ms) === null ? null : seconds(ms ?? 0));

/** A measurement with the sentence that goes with a bad one. */
const measured = (
  componentType: HealthCheck['componentType'],
  observedValue: Draft['observedValue'],
  observedUnit: string | undefined,
  verdict: Told,
  componentId?: string,
): Draft => ({
  ...(componentId === undefined ? {} : { componentId }),
  componentType,
  observedValue,
  ...(observedUnit === undefined ? {} : { observedUnit }),
  status: verdict[0],
  ...(verdict[1] === undefined ? {} : { output: verdict[1] }),
});

const storeChecks = ({ store, cluster }: HealthFacts): readonly Group[] => {
  const freshMs = cluster?.policy.freshMs ?? 8000;
  const { answeredAgoMs, beatAgeMs, complaint, lastTookMs } = store;
  const said = complaint === null ? '' : `: ${complaint}`;
  const answered = secondsOf(answeredAgoMs);
  const reachable: Told =
    answeredAgoMs <= freshMs
      ? ['pass']
      : [
          'fail',
          `the store has ${answered === null ? 'not answered yet' : `not answered for ${answered} s`}${said}; routes stay as they are`,
        ];
  const beatS = secondsOf(beatAgeMs);
  const writable: Told =
    beatS === null
      ? ['warn', 'no beat of this replica has been seen in the store yet']
      : (beatAgeMs ?? 0) <= freshMs
        ? ['pass']
        : ['fail', `the store has not taken this replica's beat for ${beatS} s${said}`];
  const slow = (what: string, ms: number | null): Told =>
    ms === null || ms <= STORE_SLOW_MS ? ['pass'] : ['warn', `the last ${what} took ${seconds(ms)} s`];
  return [
    ['store:answeredAgo', [measured('datastore', answered, 's', reachable, store.kind)]],
    ['store:beatAge', [measured('datastore', beatS, 's', writable, store.kind)]],
    [
      'store:responseTime',
      (['get', 'txn'] as const).map((op) =>
        measured('datastore', finite(lastTookMs[op]) === null ? null : Math.round(lastTookMs[op] ?? 0), 'ms', slow(op, lastTookMs[op]), op),
      ),
    ],
    ['store:revision', [measured('datastore', store.rev, undefined, ['pass'], store.kind)]],
  ];
};

const voteChecks = ({ status, cluster, fleet }: HealthFacts): readonly Group[] => {
  if (status === null || cluster === null) return [];
  const { self, votes } = status;
  const voters = cluster.regions.filter(({ vote }) => vote);
  const isVoter = voters.some(({ name }) => name === self.region);
  const speaking = voters.filter(({ name }) => votes.vantages.some((v) => v.region === name && v.state === 'ok'));
  const silent = voters.filter((voter) => !speaking.includes(voter)).map(({ name }) => name);
  const count = `${speaking.length} of ${voters.length} vantages speak`;
  const electorate: Told = !self.canDecide
    ? ['fail', `${standingText(weakestOf(cluster, new Set(speaking.map(({ name }) => name))))} speak, a majority is needed`]
    : silent.length > 0
      ? ['warn', `${count}; not ${silent.join(', ')}`]
      : ['pass'];
  const own: Told = self.canVote || !isVoter ? ['pass', isVoter ? undefined : `${self.region} has no vote`] : ['warn', self.because];
  const others = votes.vantages.filter(({ configVersion }) => configVersion !== cluster.version);
  const versions: Told =
    fleet !== null && isSkewed(fleet)
      ? ['warn', `replicas run different versions: ${fleet.versions.map(versionText).join('; ')}`]
      : ['pass'];
  const skewS = secondsOf(fleet?.skewMs ?? null);
  return [
    ['vote:counted', [measured('component', self.canVote, undefined, own)]],
    ['vote:regionsSpeaking', [measured('system', speaking.length, 'regions', electorate)]],
    [
      'votes:refused',
      [
        measured(
          'system',
          votes.refused.length,
          'records',
          votes.refused.length === 0
            ? ['pass']
            : [
                'warn',
                votes.refused
                  .slice(0, 3)
                  .map(({ key, because }) => `${key}: ${because}`)
                  .join('; '),
              ],
        ),
      ],
    ],
    [
      'configuration:version',
      [
        measured(
          'component',
          cluster.version,
          undefined,
          others.length === 0
            ? ['pass']
            : [
                'warn',
                `not covered by the votes of ${others.map(({ region, replica, configVersion }) => `${region}/${replica} (at ${configVersion})`).join(', ')}`,
              ],
        ),
      ],
    ],
    ['replicas:version', [measured('system', fleet?.versions.length ?? 0, 'versions', versions)]],
    [
      'clock:skew',
      [
        measured(
          'system',
          skewS,
          's',
          (fleet?.skewMs ?? 0) <= CLOCK_SKEW_MS
            ? ['pass']
            : [
                'warn',
                `the clocks of replicas differ by ${skewS} s at least; ages are measured without them, but certificates and logs are not`,
              ],
        ),
      ],
    ],
  ];
};

const coordinatorChecks = ({ status, cluster, leaderAgeMs }: HealthFacts): readonly Group[] => {
  if (status === null || cluster === null) return [];
  const { coordinator } = status;
  const { leaseMs } = cluster.policy;
  const ageS = secondsOf(leaderAgeMs);
  const who = coordinator === null ? null : `${coordinator.region}/${coordinator.replica}`;
  const verdict = (): Told => {
    if (coordinator === null || coordinator.released)
      return ['fail', 'nobody coordinates: nothing is decided until a replica with providers takes over'];
    if (ageS === null) return ['warn', `it is not known yet how long ago ${who} renewed its term`];
    if ((leaderAgeMs ?? 0) <= leaseMs) return ['pass'];
    return [
      (leaderAgeMs ?? 0) <= 3 * leaseMs ? 'warn' : 'fail',
      `${who} has not renewed its term for ${ageS} s (lease ${seconds(leaseMs)} s)`,
    ];
  };
  return [['coordinator:renewedAgo', [measured('component', ageS, 's', verdict(), ...(who === null ? [] : [who]))]]];
};

const providerChecks = ({ status, cluster, paths }: HealthFacts): readonly Group[] => {
  if (status === null || cluster === null) return [];
  const providers = paths?.providers() ?? [];
  const stuckBy = ({ name }: ProviderStatus): readonly string[] =>
    status.services
      .filter(({ mode, paths: ways }) => mode === 'auto' && ways.some(({ provider }) => provider === name))
      .filter(({ paths: ways }) => ways.every(({ provider }) => providers.find((p) => p.name === provider)?.failing === true))
      .map((service) => service.name);
  const working = (provider: ProviderStatus): Told => {
    if (!provider.failing) return ['pass'];
    const stuck = stuckBy(provider);
    return stuck.length === 0
      ? ['warn', `writes by ${provider.name} fail; its services have other ways`]
      : [
          'fail',
          `writes by ${provider.name} fail, and ${stuck.slice(0, 5).join(', ')} ${stuck.length === 1 ? 'has' : 'have'} no other way`,
        ];
  };
  const canary = ({ canary }: ProviderStatus): Told => (canary?.ok === false ? ['warn', canary.because] : ['pass']);
  const proof = ({ provider, stale, last }: MicroDrillStatus): Told => {
    if (last.ok === false) return ['warn', `the last micro-drill of ${provider} failed: ${last.because}`];
    return stale ? ['warn', `a failover by ${provider} was not proven for three intervals`] : ['pass'];
  };
  const troubled = status.services.flatMap(({ name, paths: ways }) =>
    ways.flatMap(({ provider, applied }) => (applied === null || applied.outcome === 'applied' ? [] : [{ name, provider, applied }])),
  );
  return [
    ['provider:failing', providers.map((p) => measured('component', p.failing, undefined, working(p), p.name))],
    ['provider:provenAgo', providers.map((p) => measured('component', secondsOf(p.provenAgoMs), 's', ['pass'], p.name))],
    [
      'provider:canary',
      providers.flatMap((p) => (p.canary === null ? [] : [measured('component', p.canary.ok, undefined, canary(p), p.name)])),
    ],
    [
      'provider:microDrill',
      (status.microDrills ?? []).map((drill) => measured('component', drill.provenAtMs, 'ms', proof(drill), drill.provider)),
    ],
    [
      'provider:applied',
      troubled.map(({ name, provider, applied }) =>
        measured(
          'component',
          applied.outcome,
          undefined,
          ['warn', applied.because === '' ? applied.outcome : applied.because],
          `${provider}/${name}`,
        ),
      ),
    ],
  ];
};

const pagingChecks = ({ paging, status }: HealthFacts): readonly Group[] => {
  const { pages, oldestAtMs, channels, queue } = paging;
  const waitsMs = oldestAtMs === null || status === null ? 0 : status.clusterTimeMs - oldestAtMs;
  const late: Told =
    waitsMs <= PAGE_WAITS_MS
      ? ['pass']
      : ['warn', `${pages} page${pages === 1 ? '' : 's'} not delivered, the oldest for ${seconds(waitsMs)} s`];
  return [
    // Only who coordinates looks into the outbox.
    ['paging:backlog', pages === null ? [] : [measured('component', pages, 'pages', late)]],
    [
      'paging:channel',
      channels.map(({ name, failing }) =>
        measured('component', failing === null, undefined, failing === null ? ['pass'] : ['warn', failing], name),
      ),
    ],
    [
      'paging:queue',
      queue === null
        ? []
        : [
            measured(
              'component',
              queue.state === 'ok',
              undefined,
              queue.state === 'ok'
                ? ['pass']
                : ['warn', `${queue.because}, for ${seconds(queue.sinceMs)} s; pages leave in process meanwhile`],
            ),
          ],
    ],
  ];
};

const runChecks = ({ runs }: HealthFacts): readonly Group[] => [
  [
    'runbook:runs',
    (runs ?? []).map(({ id, state, trouble }) =>
      measured('component', state, undefined, trouble === null ? ['pass'] : ['warn', trouble], id),
    ),
  ],
];

/** A warning: routes move without it, and so does what no run needs. */
const systemChecks = ({ systems = [] }: HealthFacts): readonly Group[] =>
  systems.map(({ name, kind, isFailing, because }) => [
    `system:${name}`,
    [measured('component', !isFailing, undefined, isFailing ? ['warn', `${because}; runs that need it wait for it`] : ['pass'], kind)],
  ]);

const troubleOf = ({ writer, because, split, settled, unproved }: DatabaseFact): string | null => {
  if (split !== null) return `${because}: no route of its services moves`;
  const why = unproved === null || because.includes(unproved.because) ? '' : `; no row: ${unproved.because}`;
  if (writer === null) return `proved writable nowhere: ${because}${why}`;
  return settled === null ? null : `held for written in ${writer} by the word of ${settled.by} (${settled.reason})${why}`;
};

/** A warning: routes of its services stay as they are, and those of others move. */
const databaseChecks = ({ databases = [] }: HealthFacts): readonly Group[] =>
  databases.map((each) => {
    const { platform, database, writer, standbys } = each;
    const trouble = troubleOf(each);
    return [
      `data:${platform}/${database}`,
      [
        measured('datastore', writer ?? 'nowhere', undefined, trouble === null ? ['pass'] : ['warn', trouble], 'writer'),
        ...standbys.map((standby) => measured('datastore', standby.because, undefined, ['pass'], standby.region)),
      ],
    ];
  });

/** A warning at most: it is advice, and nothing that moves traffic rests on it. */
const llmChecks = ({ status }: HealthFacts): readonly Group[] =>
  (status?.platforms ?? []).flatMap(({ name, llm }): readonly Group[] => {
    if (llm === null) return [];
    const trouble = (region: string): readonly string[] =>
      llm.alarms.flatMap(({ is, region: of }) => {
        if (is === 'last') return [`every region is on the last of ${llm.chain.join(', ')}`];
        if (of !== region) return [];
        return [
          is === 'degraded' ? `not on ${llm.chain[0]}` : `more than ${llm.churn.switches} switches in ${seconds(llm.churn.windowMs)} s`,
        ];
      });
    return [
      [
        `llm:${name}`,
        llm.regions.map(({ region, provider, because }) => {
          const ails = trouble(region);
          return measured('component', provider, undefined, [ails.length === 0 ? 'pass' : 'warn', [because, ...ails].join('; ')], region);
        }),
      ],
    ];
  });

const processChecks = ({ loopDelayMs, recorder, status }: HealthFacts): readonly Group[] => {
  const gate = status?.gate;
  const gateTrouble =
    gate === undefined
      ? []
      : [...(gate.seesStore ? [] : ['the gate does not see the store']), gate.fileTrouble, ...gate.refused].filter((text) => text !== null);
  const stops = status?.overrides.items.filter(({ kind, active }) => kind === 'stop' && active) ?? [];
  return [
    [
      'eventLoop:delay',
      [
        measured(
          'system',
          loopDelayMs === null ? null : Math.round(loopDelayMs),
          'ms',
          (loopDelayMs ?? 0) <= LOOP_LATE_MS
            ? ['pass']
            : ['warn', `the event loop ran ${Math.round(loopDelayMs ?? 0)} ms late: looks that start so late are not believed`],
        ),
      ],
    ],
    [
      'gate:age',
      gate === undefined
        ? []
        : [measured('component', gate.ageS, 's', gateTrouble.length === 0 ? ['pass'] : ['warn', gateTrouble.join('; ')])],
    ],
    [
      'recorder:on',
      recorder === null
        ? []
        : [
            measured(
              'component',
              recorder.isOn,
              undefined,
              recorder.isOn && recorder.lost === 0
                ? ['pass']
                : ['warn', recorder.isOn ? `${recorder.lost} lines are lost` : 'nothing is recorded: its disk fails'],
            ),
          ],
    ],
    [
      'automation:stopped',
      [
        measured(
          'system',
          stops.length > 0,
          undefined,
          stops.length === 0
            ? ['pass']
            : ['warn', `no provider is written while ${stops.map(({ id, reason }) => `stop ${id} is in force (${reason})`).join(', ')}`],
        ),
      ],
    ],
  ];
};

const UNKNOWN: Group = [
  'configuration:version',
  [
    {
      componentType: 'component',
      observedValue: null,
      status: 'fail',
      output: 'no cluster configuration is known here yet; it is read from the store',
    },
  ],
];

const sentence = (name: string, { componentId, output, status }: Draft): string =>
  `${status}: ${name}${componentId === undefined ? '' : ` ${componentId}`}: ${output ?? ''}`;

/** Total: an answer for whatever is known. `isoTime` turns a wall time into RFC 3339. */
export const healthDetail = (facts: HealthFacts, isoTime: (wallMs: number) => string): HealthDetail => {
  const groups: readonly Group[] = [
    ...storeChecks(facts),
    ...(facts.status === null ? [UNKNOWN] : []),
    ...voteChecks(facts),
    ...coordinatorChecks(facts),
    ...providerChecks(facts),
    ...pagingChecks(facts),
    ...runChecks(facts),
    ...systemChecks(facts),
    ...databaseChecks(facts),
    ...llmChecks(facts),
    ...processChecks(facts),
  ];
  const time = isoTime(facts.wallMs);
  const troubles = groups
    .flatMap(([name, checks]) => checks.filter(({ status }) => status !== 'pass').map((check) => ({ name, check })))
    .sort((a, b) => RANK[b.check.status] - RANK[a.check.status]);
  const self = facts.status?.self;
  return {
    status: worst(troubles.map(({ check }) => check.status)),
    releaseId: facts.version,
    serviceId: 'tidegate',
    description: self === undefined ? 'Tidegate' : `Tidegate, ${self.role} ${self.region}/${self.replica}`,
    notes: troubles.map(({ name, check }) => sentence(name, check)),
    checks: Object.fromEntries(
      groups.filter(([, checks]) => checks.length > 0).map(([name, checks]) => [name, checks.map((check) => ({ ...check, time }))]),
    ),
  };
};
