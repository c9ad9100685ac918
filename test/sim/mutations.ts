// The guards of the production code, each as the one edit that takes it away. A simulator that does not notice the loss of a guard proves nothing about
// the code that has it. The edit is made while the module is loaded (mutate.ts): production code knows nothing of it, and a text that is no longer there,
// or there twice, ends the run.
import type { Wishes } from './plan.ts';

export interface Mutation {
  /** What the guard holds off. */
  says: string;
  file: string;
  find: string;
  replace: string;
  /** Worlds in which the guard is needed: others cannot show its loss. */
  wishes?: Wishes;
}

const PROCESSES = ['replica-killed', 'replica-paused', 'cut-from-store', 'store-stalls', 'store-storm'];

export const MUTATIONS: Readonly<Record<string, Mutation>> = {
  leader: {
    says: 'a decision of a holder that lost its office is refused',
    file: 'src/coordinate/office.ts',
    find: '[{ key: KEYS.leader, mod: office.mod }, ...conditions], ops, what)',
    replace: '[...conditions], ops, what)',
  },
  routing: {
    says: 'a decision does not take the place of one it has not seen',
    file: 'src/coordinate/coordinator.ts',
    find: 'const guards = [KEYS.routing, KEYS.override,',
    replace: 'const guards = [KEYS.override,',
    wishes: { faults: ['targets-die', 'store-rewound', 'stranger-takes-fence', 'order-given'] },
  },
  override: {
    says: 'a decision does not pass an order by',
    file: 'src/coordinate/coordinator.ts',
    find: 'KEYS.override, KEYS.members, ...decision.uses',
    replace: 'KEYS.members, ...decision.uses',
    wishes: { faults: ['order-given', 'orders-conflict', 'targets-die', 'endpoint-dies'] },
  },
  members: {
    says: 'a decision does not pass a change of the configuration by',
    file: 'src/coordinate/coordinator.ts',
    find: 'KEYS.override, KEYS.members, ...decision.uses',
    replace: 'KEYS.override, ...decision.uses',
    wishes: { faults: ['configuration-applied', 'targets-die', 'endpoint-dies', 'order-given'] },
  },
  vote: {
    says: 'a vote that was taken back before the commit does not count',
    file: 'src/coordinate/coordinator.ts',
    find: '...decision.uses, ...next.incidents',
    replace: '...next.incidents',
    wishes: { faults: ['targets-die', 'endpoint-dies', 'several-die-at-once', 'store-storm'] },
  },
  'vote-fresh': {
    says: 'evidence that has grown old does not count',
    file: 'src/health/chamber.ts',
    find: 'heard.ageMs <= cluster.policy.freshMs &&',
    replace: '',
  },
  'vote-config': {
    says: 'a vote on another version of the configuration does not count',
    file: 'src/health/chamber.ts',
    find: 'heard.vote.configVersion === cluster.version &&',
    replace: '',
    wishes: { faults: ['configuration-applied', 'targets-die', 'cut-from-store', 'replica-paused', 'several-die-at-once'] },
  },
  'revision-clock': {
    says: 'age is counted from the sending of the read that did not see it, not from its arrival',
    file: 'src/coordinate/revision-clock.ts',
    find: 'nowMs - before.sentAtMs',
    replace: 'nowMs - nowMs',
  },
  abstention: {
    says: 'a vantage that doubts itself has no vote',
    file: 'src/health/abstain.ts',
    find: "  if (facts !== null && isCutOff(facts))\n",
    replace: '  if (facts !== null && isCutOff(facts) && facts.loopDelayP99Ms < 0)\n',
    wishes: { faults: ['uplink-broken', 'uplinks-broken-alike', 'way-broken', 'targets-die'] },
  },
  sleeper: {
    says: 'a vantage that slept looks at everything once more before it speaks',
    file: 'src/health/vantage.ts',
    find: 'catchingUpUntilMs: nowMs + own.rules.intervalMs',
    replace: 'catchingUpUntilMs: 0',
    wishes: { faults: ['replica-paused', 'targets-die', 'uplink-broken'] },
  },
  electorate: {
    says: 'a majority of the voters configured, not of those who speak',
    file: 'src/health/chamber.ts',
    find: 'const needs = quorumOf(voters.length);',
    replace: 'const needs = quorumOf(voters.filter((r) => chamber.regions.has(r)).length);',
    wishes: { faults: [...PROCESSES, 'uplink-broken', 'way-broken', 'partition'] },
  },
  receiver: {
    says: 'nothing is drained when nobody can receive',
    file: 'src/decide/drains.ts',
    find: "if (others.every((s) => s.tally.verdict === 'out')) return 'all-down';",
    replace: '',
    wishes: { faults: ['several-die-at-once', 'targets-die', 'region-lost'] },
  },
  'last-pool': {
    says: 'a service is never left without a pool that carries',
    file: 'src/decide/decide.ts',
    find: 'const ordered = withOverrides(started(bench, nowMs), active, nowMs);',
    replace: 'const ordered = withOverrides(started(bench, nowMs), [...active], nowMs);',
  },
  pacing: {
    says: 'one new region per span',
    file: 'src/decide/drains.ts',
    find: "hold: 'pacing' }",
    replace: 'hold: null }',
    wishes: { faults: ['several-die-at-once', 'targets-die', 'region-lost'] },
  },
  fence: {
    says: 'a writer that finds a newer fence stops',
    file: 'src/publish/plan.ts',
    find: 'if (carried.v > fence.v) return ahead(',
    replace: 'if (carried.v < 0) return ahead(',
    wishes: { faults: ['replica-paused', 'provider-troubled', 'store-rewound', 'stranger-takes-fence', 'targets-die'], fencing: 'conditional' },
  },
  'other-decision': {
    says: 'an equal number of another history is no fence of ours',
    file: 'src/publish/plan.ts',
    find: 'if (carried.v === fence.v && isOtherDecision(carried, fence))',
    replace: 'if (carried.v < 0 && isOtherDecision(carried, fence))',
    wishes: { faults: ['store-rewound', 'targets-die', 'endpoint-dies'], fencing: 'conditional' },
  },
  frozen: {
    says: 'nothing is decided for a service whose provider serves what the store does not know',
    file: 'src/decide/decide.ts',
    find: "snapshot.frozen?.includes(service.name) === true) return 'frozen';",
    replace: "snapshot.frozen?.includes('') === true) return 'frozen';",
    wishes: { faults: ['stranger-takes-fence', 'store-rewound', 'targets-die', 'endpoint-dies'] },
  },
  proof: {
    says: 'the right to write is proved right before each write',
    file: 'src/publish/publisher.ts',
    find: 'if (ports.clock.monoMs() - begunAtMs <= PROOF_MS) return null;',
    replace: 'return null;',
    wishes: { faults: ['replica-paused', 'targets-die', 'store-storm', 'endpoint-dies'] },
  },
  'stop-order': {
    says: 'nothing is written once a stop is in the store',
    file: 'src/publish/publisher.ts',
    find: '[{ key: KEYS.override, mod: sight.mod(KEYS.override) }], [])',
    replace: '[], [])',
    wishes: { faults: ['order-given', 'orders-conflict', 'targets-die', 'provider-troubled', 'endpoint-dies'] },
  },
  'lock-delay': {
    says: 'a new holder waits until a late write of the last one must have ended, where nothing compares fences',
    file: 'src/publish/late.ts',
    find: "can.fencing === 'conditional' ? 0 : Math.max(",
    replace: "can.fencing !== '' ? 0 : Math.max(",
    wishes: { faults: ['replica-killed', 'replica-paused', 'cut-from-store', 'targets-die', 'endpoint-dies'], fencing: 'none' },
  },
  nonce: {
    says: 'a decision in doubt happened only if the store has its nonce',
    file: 'src/coordinate/coordinator.ts',
    find: 'if (inDoubt === null || s.routing?.nonce !== inDoubt.next.routing.nonce) return;',
    replace: 'if (inDoubt === null) return;',
    wishes: { faults: ['store-storm', 'cut-from-store', 'targets-die', 'endpoint-dies', 'order-given'] },
  },
  name: {
    says: 'nobody speaks under a name that another process has taken',
    file: 'src/probe/voice.ts',
    find: '        { key: bootAt, mod: ready.boot },\n',
    replace: '',
    wishes: { faults: ['replica-paused', 'name-taken-twice', 'replica-killed', 'cut-from-store', 'targets-die'] },
  },
  hold: {
    says: 'a pool returns only after its hold',
    file: 'src/decide/pool.ts',
    find: 'policy.recoveryHoldMs * 2 ** Math.max(0, drains - 1)',
    replace: 'policy.recoveryHoldMs',
    wishes: { faults: ['targets-die', 'endpoint-dies', 'region-lost'] },
  },
  latch: {
    says: 'the fourth drain waits for a human',
    file: 'src/decide/pool.ts',
    find: "if (memory.latched) return patch(memory, { upAtMs, hold: 'latched' });",
    replace: '',
    wishes: { faults: ['targets-die', 'endpoint-dies'], policy: 'recoveryHold=4s rampStep=1s pacing=5s flapWindow=30m latchAfter=2' },
  },
  'cluster-time': {
    says: 'cluster time never goes backwards',
    file: 'src/coordinate/cluster-time.ts',
    find: 'clusterMs: Math.max(lastStampAtMs, median(wallsMs))',
    replace: 'clusterMs: median(wallsMs)',
    wishes: { faults: ['wall-clock-steps', 'replica-killed', 'cut-from-store', 'targets-die', 'endpoint-dies'] },
  },
  'page-mark': {
    says: 'a page is marked only when it was accepted',
    file: 'src/paging/courier.ts',
    find: "if (!delivery.retry) {",
    replace: 'if (delivery.retry) {',
    wishes: { faults: ['sink-fails', 'targets-die', 'endpoint-dies'] },
  },
  signature: {
    says: 'a vote that its region has not signed does not count',
    file: 'src/coordinate/trust.ts',
    find: 'if (keys.length === 0 || verifier.isGenuine(kind, place, value, keys)) return null;',
    replace: 'return null;',
    wishes: { faults: ['votes-forged', 'targets-die'], signed: true },
  },
  replay: {
    says: 'an old beat that somebody writes again does not count',
    file: 'src/coordinate/trust.ts',
    find: 'const because = whyNoBeatOf(vote, beat, beatKv.mod) ?? whyReplayed(beat, place);',
    replace: 'const because = whyNoBeatOf(vote, beat, Number.MAX_SAFE_INTEGER);',
    wishes: { faults: ['votes-replayed', 'targets-die'], signed: true },
  },
};
