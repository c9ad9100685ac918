// What each type of page is, beside what its page says. Types are made where things happen (decide/incident.ts, decide/announce.ts, converge/duties.ts,
// publish/told.ts, publish/micro-drill.ts, runbook/news.ts, objectives/duty.ts, paging/alone.ts and outbox.ts, reports of a replica): whoever makes a new one says here what it is. Pure.

interface PageType {
  /** Where it is no more than that (severity `info`) it ends what has the same key. */
  ends?: true;
  /** Where it asks for somebody: what it needs from whoever reads it. */
  need?: string;
  /** It tells what a replica sees or has: its region is the one that speaks. */
  ofReplica?: true;
}

/** By type, or by how several begin: the longest that says something counts. */
const PAGE_TYPES: Readonly<Record<string, PageType>> = {
  'region.drained': { need: 'nothing to do now: within the goal you hear whether users have left it; find out what ails the region' },
  'region.down': { need: 'nothing to do now: its traffic has left already; find out what ails the region' },
  'region.suspect': { need: 'have a look: one endpoint fails while the other answers, and nothing is moved for that' },
  'region.out_in_drill': {
    need: 'have a look: it failed while a drill keeps its traffic away; let no traffic return to it before it is well',
  },
  'region.unready_long': { need: 'have a look: it has been unready for long, and the others carry its load' },
  'incident.resolved': { ends: true },
  'service.hold_all_down': {
    need: 'act now: our probes or a shared cause are likelier than all being down; the last route stays until you order otherwise',
  },
  'service.hold_receiver': { need: 'act now: no other pool is fit to take the traffic; mend one, or order what should be done' },
  'service.hold_floor': { need: 'act now: more would leave too few pools; mend one, or order what should be done' },
  'service.hold_frozen': { need: 'act: nothing is written here until tidegate adopt or ack says which side is right' },
  'service.hold_freeze': { need: 'act: an order holds automation still here; end the freeze, or move the traffic by hand' },
  'service.hold_rule_tier': {
    need: 'act now: its users wait until the database is proved elsewhere; agree to the run that promotes it, or order one: tidegate failover PLATFORM',
  },
  'service.hold_': { need: 'have a look: automation holds still and says why; mend the cause, or order what should be done' },
  'service.failed_open': { need: 'act now: every pool is down, and traffic goes by the configured shares' },
  'convergence.missed': {
    need: 'act now: users are still sent to where the decision took them from; look at the provider and at what is named',
  },
  'target.gray': { need: 'have a look: some requests fail, too few to move traffic' },
  'target.gray_over': { ends: true },
  'override.': { need: 'whoever gave the order should look at it again' },
  'override.ended': { ends: true },
  'override.expired': { ends: true },
  'advice.': { need: 'act if you agree: nothing was written, since this service is in advise' },
  'provider.ahead': { need: 'act now: nothing is written until tidegate adopt says which side is right' },
  'provider.manual': { need: 'tidegate ack, once the route that was set by hand may be left to automation' },
  'provider.drift': { need: 'find out who else writes there' },
  'provider.fence_lost': { need: 'find out who removed the fence record' },
  'provider.failing': { need: 'act if it goes on: routes cannot be written there until it answers' },
  'provider.taken_back': { need: 'act now: what the provider had accepted is gone' },
  'provider.': { need: 'have a look at the provider' },
  'namespace.moved': {
    need: 'have a look: it says who owns the way back; tidegate failover PLATFORM --dry-run shows a run that follows it or leads back',
  },
  'namespace.back': { ends: true },
  'dependency.over_budget': {
    need: 'have a look: it takes longer than it may, and users or workers feel that; tidegate objectives has every number and what helps',
  },
  'dependency.recovered': { ends: true },
  'llm.degraded': { need: 'have a look: answers of agents come from another provider than the wanted one; nothing moves for it' },
  'llm.churn': { need: 'have a look: the chain of providers goes to and fro; pin it to one until they are well' },
  'llm.last': { need: 'act now: no provider is left to fail over to; no route moves for it' },
  'llm.recovered': { ends: true },
  'data.split': {
    need: 'act now: two databases take writes and drift apart; stop the one that shall not stay and make a standby of it, which ends this; where it will never answer again, the commands above settle it',
  },
  'data.whole': { ends: true },
  'data.unproved': {
    need: 'act now if users wait: mend what the proof was refused with; where you know the writer and no row can be had, the command above settles it',
  },
  'data.proved': { ends: true },
  'data.settled': { ends: true, need: 'know of it: routes rest on a word until a row can be written; the command above takes it back' },
  'data.unsettled': { ends: true },
  'data.lag': { need: 'have a look: a failover now would lose more than is allowed, or wait for a word' },
  'data.caught_up': { ends: true },
  'drill.': { need: 'run a drill: what was not tried for so long may not work' },
  'drill.fresh': { ends: true },
  'capacity.': { need: 'add capacity, or give it shares that fit' },
  'store.': { ofReplica: true },
  'store.lost': { need: 'act now: nothing can be decided without the store; a command stands above' },
  'store.resolved': { ends: true },
  'belief.': { ofReplica: true },
  'belief.down': { need: 'act now: only a human can; a command stands above' },
  'belief.resolved': { ends: true },
  'belief.handed_over': { ends: true },
  'config.': { ofReplica: true, need: 'mend the configuration' },
  'vote.': { ofReplica: true, need: 'find out who holds that key' },
  'gate.': { ofReplica: true, need: 'have a look at the gate of this replica' },
  'paging.': { ofReplica: true, need: 'mend the channel: pages go by the others meanwhile' },
  'paging.channel_ok': { ends: true },
  'doctor.test_over': { ends: true },
  'runbook.': { need: 'have a look at the run' },
  'runbook.proposed': { need: 'agree to it, or abort it: it waits for you; the command stands above' },
  'runbook.asking': { need: 'act now: the run waits for your word; the commands stand above' },
  'runbook.failed': { need: 'act now: the platform is between two regions; go on by hand, take it back, or order another run' },
  'runbook.lapsed': { need: 'act now: nobody agreed in time; order the run by hand if it is still wanted, the command stands above' },
  'runbook.held': { need: 'act now: clients wait at a pooler for ever; let them go, the commands stand above' },
  'runbook.unready': { need: 'mend what is named before it is needed: tidegate platforms NAME has every line' },
  'runbook.ready': { ends: true },
  'runbook.done': { ends: true },
  'runbook.aborted': { ends: true },
  'runbook.undone': { ends: true },
};

/** The page by which everybody hears that a human has it. */
export const ACKNOWLEDGED = 'incident.acknowledged';

/** Pages of it that ask for nobody say that something is over. */
export const endsByType = (type: string): boolean => PAGE_TYPES[type]?.ends === true;

/** The longest beginning of the type that says what it needs; null: none does. */
export const needOf = (type: string): string | null =>
  Object.entries(PAGE_TYPES)
    .filter(([beginning, { need }]) => need !== undefined && type.startsWith(beginning))
    .reduce<[string, string | null]>(
      (best, [beginning, { need = null }]) => (beginning.length > best[0].length ? [beginning, need] : best),
      ['', null],
    )[1];

export const isOfReplica = (type: string): boolean =>
  Object.entries(PAGE_TYPES).some(([beginning, { ofReplica }]) => ofReplica === true && type.startsWith(beginning));
