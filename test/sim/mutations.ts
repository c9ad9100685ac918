// The guards of the production code, each as the edits that take it away. A simulator that does not notice the loss of a guard proves nothing about
// the code that has it. The edits are made while the module is loaded (mutate.ts): production code knows nothing of it, and a text that is no longer there,
// or there twice, ends the run.
import type { Wishes } from './plan.ts';

/** In this file, this text, which is there once, becomes that one. */
type Edit = readonly [file: string, find: string, replace: string];

export interface Mutation {
  /** What the guard holds off. */
  says: string;
  edits: readonly Edit[];
  /** Worlds in which the guard is needed: others cannot show its loss. */
  wishes?: Wishes;
}

/** Much happens to a pool in little time. */
const FAST = 'recoveryHold=4s rampStep=1s pacing=5s flapWindow=1m latchAfter=0';

/** Votes grow old, while what they speak of comes and goes. */
const SILENT = ['cut-from-store', 'replica-killed', 'targets-die', 'endpoint-dies', 'several-die-at-once'];

const PROCESSES = ['replica-killed', 'replica-paused', 'cut-from-store', 'store-stalls', 'store-storm'];

export const MUTATIONS: Readonly<Record<string, Mutation>> = {
  leader: {
    says: 'a decision of a holder that lost its office is refused',
    edits: [
      ['src/coordinate/office.ts', '[{ key: KEYS.leader, mod: office.mod }, ...conditions], ops, what)', '[...conditions], ops, what)'],
    ],
  },
  routing: {
    says: 'a decision does not take the place of one it has not seen',
    edits: [['src/coordinate/coordinator.ts', 'const guards = [KEYS.routing, KEYS.override,', 'const guards = [KEYS.override,']],
    wishes: { faults: ['targets-die', 'store-rewound', 'stranger-takes-fence', 'order-given'] },
  },
  override: {
    says: 'a decision does not pass an order by',
    edits: [['src/coordinate/coordinator.ts', 'KEYS.override, KEYS.members, KEYS.tiers, ...', 'KEYS.members, KEYS.tiers, ...']],
    wishes: { faults: ['order-given', 'orders-conflict', 'targets-die', 'endpoint-dies'] },
  },
  members: {
    says: 'a decision does not pass a change of the configuration by',
    edits: [['src/coordinate/coordinator.ts', 'KEYS.override, KEYS.members, KEYS.tiers, ...', 'KEYS.override, KEYS.tiers, ...']],
    wishes: { faults: ['configuration-applied', 'targets-die', 'endpoint-dies', 'order-given'], everyMs: 2000, policy: FAST },
  },
  vote: {
    says: 'a vote that was taken back before the commit does not count',
    edits: [['src/coordinate/coordinator.ts', '...decision.uses, ...next.incidents', '...next.incidents']],
    wishes: { faults: ['targets-die', 'endpoint-dies', 'several-die-at-once', 'store-storm'], everyMs: 2000, policy: FAST },
  },
  'vote-fresh': {
    says: 'evidence that has grown old does not count',
    edits: [['src/health/chamber.ts', 'heard.ageMs <= cluster.policy.freshMs &&', '']],
    wishes: { faults: SILENT, everyMs: 4000, policy: FAST },
  },
  'vote-config': {
    says: 'a vote on another configuration, or on other content under its version, does not count',
    edits: [
      ['src/health/chamber.ts', 'heard.vote.configVersion === cluster.version &&', ''],
      ['src/health/chamber.ts', '(heard.vote.configHash === undefined || heard.vote.configHash === configHash(cluster))', 'true'],
    ],
    wishes: { faults: ['configuration-differs', 'targets-die', 'endpoint-dies'], everyMs: 5000 },
  },
  'revision-clock': {
    says: 'a record is as old as the last read that did not see it, however new it is to this process',
    edits: [
      [
        'src/coordinate/revision-clock.ts',
        'return nowMs - (samples[at]?.sentAtMs ?? Number.NEGATIVE_INFINITY);',
        'return at < 0 ? Number.POSITIVE_INFINITY : 0;',
      ],
    ],
    wishes: { faults: SILENT, everyMs: 4000, policy: FAST },
  },
  abstention: {
    says: 'a vantage that doubts itself has no vote',
    edits: [
      [
        'src/health/abstain.ts',
        '  if (facts !== null && isCutOff(facts))\n',
        '  if (facts !== null && isCutOff(facts) && facts.loopDelayP99Ms < 0)\n',
      ],
    ],
    wishes: { faults: ['uplink-broken', 'uplinks-broken-alike', 'way-broken', 'targets-die'] },
  },
  sleeper: {
    says: 'a vantage that slept looks at everything once more before it speaks',
    edits: [['src/health/vantage.ts', 'catchingUpUntilMs: nowMs + own.rules.intervalMs', 'catchingUpUntilMs: 0']],
    wishes: { faults: ['replica-paused', 'targets-die', 'uplink-broken'] },
  },
  electorate: {
    says: 'a majority of the voters configured, not of those who speak',
    edits: [
      [
        'src/health/chamber.ts',
        'const needs = quorumOf(voters.length);',
        'const needs = quorumOf(voters.filter((r) => chamber.regions.has(r)).length);',
      ],
    ],
    wishes: { faults: [...PROCESSES, 'uplink-broken', 'way-broken', 'partition'] },
  },
  receiver: {
    says: 'nothing is drained when nobody can receive',
    edits: [['src/decide/drains.ts', 'bench.still ?? lacksReceiver(bench, seat, nowMs) ?? (', 'bench.still ?? (']],
    wishes: { faults: ['several-die-at-once', 'targets-die', 'region-lost'] },
  },
  'last-pool': {
    says: 'a service is never left without a pool that carries, whatever is ordered or dies',
    // Two layers: orders are refused before, and a reserve comes back after.
    edits: [
      ['src/decide/orders.ts', "if (!canSpare(bench, seat)) return refused(bench, seat, order, 'never-empty');", ''],
      [
        'src/decide/decide.ts',
        'carried(withOrders(started(bench, nowMs), { active, ask, nowMs }), nowMs)',
        'withOrders(started(bench, nowMs), { active, ask, nowMs })',
      ],
    ],
    wishes: { faults: ['order-given', 'orders-conflict', 'targets-die', 'region-lost'] },
  },
  'force-in-never-empty': {
    says: 'what a human puts in gives way where it alone would carry everything, dead, while another is up',
    // Two layers: a reserve comes first, or else the order is refused; and whoever still waits comes back in the end.
    edits: [
      ['src/decide/orders.ts', '  if (!isDeadEnd(next)) return next;', '  if (orders.length > 0) return next;'],
      [
        'src/decide/bench.ts',
        "reservesLeft(bench) === 0 || !carriersOf(bench).every((s) => s.measured.verdict === 'out')",
        "reservesLeft(bench) === 0 || !carriersOf(bench).every((s) => s.tally.verdict === 'out')",
      ],
    ],
    wishes: { faults: ['dead-forced-in', 'replica-restarted'], regions: 3, policy: `${FAST} weights=100,0,0` },
  },
  approval: {
    says: 'an order that needs a second person does nothing before one has agreed',
    edits: [['src/decide/override.ts', 'override.approval?.by !== null;', 'override.id !== null;']],
    wishes: { faults: ['order-under-rules'] },
  },
  'rule-on-order': {
    says: 'safety rules judge orders',
    edits: [
      [
        'src/decide/safety.ts',
        'if (isSameRoute(before, after)) return null;',
        "if (isSameRoute(before, after) || cause === 'order') return null;",
      ],
    ],
    wishes: { faults: ['order-under-rules', 'order-given', 'load-reported'], rules: 'drawn' },
  },
  evacuated: {
    says: 'who is evacuated leaves the office to another region',
    edits: [
      [
        'src/coordinate/candidacy.ts',
        'return order !== undefined && staying(cluster, active).length > 0 ? order : undefined;',
        'return undefined;',
      ],
    ],
    wishes: { faults: ['region-evacuated', 'replica-restarted'], everyMs: 15_000, minutes: 4 },
  },
  pacing: {
    says: 'one new region per span',
    // Two layers: the core's own pace, and the safety rule.
    edits: [
      [
        'src/decide/drains.ts',
        "!pace.granted.has(w.region) ? { ...w, hold: 'pacing' }",
        '!pace.granted.has(w.region) ? { ...w, hold: null }',
      ],
      ['policies/safety/blast-radius.ts', 'if (fresh.length === 0 || total <= limit) return', 'if (limit > 0) return'],
    ],
    wishes: { faults: ['several-die-at-once', 'targets-die', 'region-lost'] },
  },
  fence: {
    says: 'a writer that finds a newer fence stops',
    edits: [['src/publish/plan.ts', 'if (carried.v > fence.v) return ahead(', 'if (carried.v < 0) return ahead(']],
    wishes: {
      faults: ['replica-paused', 'provider-troubled', 'store-rewound', 'stranger-takes-fence', 'targets-die'],
      fencing: 'conditional',
    },
  },
  'other-decision': {
    says: 'an equal number of another history is no fence of ours',
    edits: [
      [
        'src/publish/plan.ts',
        'if (carried.v === fence.v && isOtherDecision(carried, fence))',
        'if (carried.v < 0 && isOtherDecision(carried, fence))',
      ],
    ],
    wishes: {
      faults: ['store-rewound-cold', 'endpoint-dies', 'order-given'],
      fencing: 'conditional',
      everyMs: 4000,
      minutes: 4,
      policy: FAST,
    },
  },
  carried: {
    says: 'the only pool that carries does not leave the configuration',
    edits: [
      [
        'src/config/transition.ts',
        'if (carrying.length === 0 || left.length > 0) return [];',
        'if (carrying.length >= 0 || left.length > 0) return [];',
      ],
    ],
    wishes: { faults: ['pool-leaves', 'targets-die'], regions: 1, policy: FAST },
  },
  'still-frozen': {
    says: 'what is not ours to write stays so, however the number of our own decisions grows',
    edits: [
      [
        'src/publish/plan.ts',
        'if (isAbout(applied, carried) && isClosed(applied))',
        "if (isAbout(applied, carried) && applied.outcome === 'manual')",
      ],
    ],
    wishes: { faults: ['store-rewound-cold', 'pool-leaves', 'targets-die'], everyMs: 3000, minutes: 6, policy: FAST },
  },
  frozen: {
    says: 'nothing is decided for a service whose provider serves what the store does not know',
    edits: [
      [
        'src/decide/decide.ts',
        "snapshot.frozen?.includes(service.name) === true) return 'frozen';",
        "snapshot.frozen?.includes('') === true) return 'frozen';",
      ],
    ],
    wishes: { faults: ['stranger-takes-fence', 'store-rewound', 'targets-die', 'endpoint-dies'], everyMs: 2000, minutes: 4, policy: FAST },
  },
  proof: {
    says: 'the right to write is proved right before each write',
    edits: [
      [
        'src/publish/rights.ts',
        'if (ports.clock.monoMs() - begunAtMs <= PROOF_MS) return { begunAtMs };',
        'return { begunAtMs: Number.POSITIVE_INFINITY };',
      ],
    ],
    wishes: { faults: ['replica-paused', 'store-storm', 'store-stalls', 'endpoint-dies'], everyMs: 1000, minutes: 4, policy: FAST },
  },
  'stop-order': {
    says: 'nothing is written once a stop is in the store',
    edits: [['src/publish/rights.ts', '[{ key: KEYS.override, mod }], [])', '[], [])']],
    // A stop that is in the store while the reads of who has something to write are lost, and its transactions are not, is rare: the worlds are long.
    wishes: { faults: ['order-given', 'provider-troubled', 'store-storm'], everyMs: 1000, minutes: 12, policy: FAST },
  },
  'lock-delay': {
    says: 'a new holder waits until a late write of the last one must have ended, where nothing compares fences',
    edits: [['src/publish/late.ts', "can.fencing === 'conditional' ? 0 : Math.max(", "can.fencing !== '' ? 0 : Math.max("]],
    wishes: {
      faults: ['provider-out-of-reach', 'provider-troubled', 'replica-restarted', 'order-given'],
      everyMs: 2500,
      policy: FAST,
      fencing: 'none',
    },
  },
  nonce: {
    says: 'a decision in doubt happened only if the store has its nonce',
    edits: [
      [
        'src/coordinate/coordinator.ts',
        'if (inDoubt === null || s.routing?.nonce !== inDoubt.next.routing.nonce) return;',
        'if (inDoubt === null) return;',
      ],
    ],
    wishes: { faults: ['store-storm', 'cut-from-store', 'targets-die', 'endpoint-dies', 'order-given'] },
  },
  name: {
    says: 'nobody speaks under a name that another process has taken',
    edits: [['src/probe/voice.ts', 'store.txn({ if: conditions, then }', 'store.txn({ if: conditions.slice(9), then }']],
    wishes: { faults: ['replica-paused', 'name-taken-twice', 'store-storm'], everyMs: 3000, minutes: 4 },
  },
  hold: {
    says: 'a pool returns only after its hold',
    edits: [['src/decide/pool.ts', 'policy.recoveryHoldMs * 2 ** Math.max(0, drains - 1)', 'policy.recoveryHoldMs']],
    wishes: { faults: ['targets-die', 'endpoint-dies', 'region-lost'] },
  },
  latch: {
    says: 'the fourth drain waits for a human',
    edits: [['src/decide/pool.ts', "if (memory.latched) return patch(memory, { upAtMs, hold: 'latched' });", '']],
    wishes: { faults: ['targets-die', 'endpoint-dies'], policy: 'recoveryHold=4s rampStep=1s pacing=5s flapWindow=30m latchAfter=2' },
  },
  'cluster-time': {
    says: 'cluster time never goes backwards',
    edits: [['src/coordinate/cluster-time.ts', 'clusterMs: Math.max(lastStampAtMs, median(wallsMs))', 'clusterMs: median(wallsMs)']],
    wishes: { faults: ['wall-clock-steps', 'replica-killed', 'cut-from-store', 'targets-die', 'endpoint-dies'] },
  },
  'page-mark': {
    says: 'a page is marked only when it was accepted',
    edits: [['src/paging/courier.ts', 'if (delivery.sent) {', 'if (delivery !== null) {']],
    wishes: { faults: ['sink-fails', 'targets-die', 'endpoint-dies'] },
  },
  'dead-letter': {
    says: 'only a receiver that never will ends the tries',
    edits: [['src/paging/courier.ts', 'if (!delivery.retry) {', 'if (delivery.retry) {']],
    wishes: { faults: ['sink-fails', 'targets-die', 'endpoint-dies'] },
  },
  signature: {
    says: 'a vote that its region has not signed does not count',
    edits: [
      ['src/coordinate/trust.ts', 'if (keys.length === 0 || verifier.isGenuine(kind, place, value, keys)) return null;', 'return null;'],
    ],
    wishes: { faults: ['votes-forged', 'targets-die'], signed: true },
  },
  replay: {
    says: 'old votes and beats that somebody writes again do not count',
    // Two layers: what was heard of that replica before, and the revision its writer had seen.
    edits: [
      ['src/coordinate/trust.ts', '?? whyReplayed(beat, place);', ';'],
      ['src/coordinate/trust.ts', 'if (clock.ageMs(asOfRev, nowMs) <= knowledgeMaxMs) return', 'if (asOfRev >= 0) return'],
    ],
    wishes: { faults: ['votes-replayed', 'targets-die'], signed: true },
  },
};
