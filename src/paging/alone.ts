// What a region says while the store does not answer, and what it takes back afterwards: the list of news for the facts of a moment. Nothing can be
// decided then and no route moves, so a human has to hear what this vantage sees and which command would act. Each thing is said once, under a key that
// every replica of this region would choose. Pure; src/paging/direct.ts asks, keeps and sends.
import { type ClusterConfig, type Page, pathsOf, type Routing, type ServiceConfig, type Vote } from '../model.ts';
import { type Belief, beliefsOf, type Eyes, poolsOut, shareOf } from './belief.ts';
import { breakGlass, gateByHand, routeWithout } from './break-glass.ts';

/** What may be open: that the store is lost, and each region that the own vote holds down. */
export type Subject = 'store' | `down/${string}`;

/** Something that was said and not yet taken back. */
export interface OpenSubject {
  dedupKey: string;
  sinceAtMs: number;
}

export type StoreState =
  /** Not a word from it, or not a word of ours taken. `complaint`: its last reason, as far as one was given. */
  | { state: 'silent'; forMs: number; everAnswered: boolean; complaint: string | null }
  /** `adopted`: pages of this outage that are in the outbox now. */
  | { state: 'answers'; adopted: number }
  /** Not asked for long enough to say anything. */
  | { state: 'unclear' };

export interface Facts extends Pick<Eyes, 'firstFaultAgeMs'> {
  region: string;
  replica: string;
  /** What the cluster is called; null: nobody has told this process yet. */
  name: string | null;
  cluster: ClusterConfig | null;
  /** As last read. */
  routing: Routing | null;
  vote: Vote | null;
  store: StoreState;
  open: ReadonlyMap<string, OpenSubject>;
  /** Names of providers whose place is the store itself, as far as this replica knows them: no command can write there now. */
  gates?: ReadonlySet<string>;
  /** False: it was taken back a moment ago, and has to rest. */
  mayOpen: (subject: Subject) => boolean;
  nowMs: number;
}

export interface News extends Pick<Page, 'type' | 'severity' | 'summary' | 'detail' | 'dedupKey'> {
  subject: Subject;
  ends: boolean;
  sinceAtMs: number;
}

/** Subjects open at once. */
export const OPEN_MAX = 50;
/** Characters of the store's own words. */
const COMPLAINT_MAX = 300;
/** Commands and names in one page: the rest is counted. */
const SHOWN_MAX = 20;

/** `4 min 12 s`, `2 h 5 min`. */
export const lasted = (ms: number): string => {
  const s = Math.max(0, Math.round(ms / 1000));
  if (s < 60) return `${s} s`;
  return s < 3600 ? `${Math.floor(s / 60)} min ${s % 60} s` : `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
};

/** In: the facts of a moment. Out: what to say now, in order; nothing twice while it is open. */
export const newsOf = (facts: Facts): readonly News[] => {
  if (facts.store.state === 'unclear') return [];
  const eyes = eyesOf(facts);
  const beliefs = eyes === null ? [] : beliefsOf(eyes);
  const ended = endings(facts, beliefs);
  if (facts.store.state === 'answers') return ended;
  const wanted = [storeLost(facts, facts.store, eyes, beliefs), ...beliefs.map((belief) => heldDown(facts, eyes, belief))];
  const begun = wanted.filter((news): news is News => news !== null && !facts.open.has(news.subject) && facts.mayOpen(news.subject));
  return [...ended, ...begun.slice(0, Math.max(0, OPEN_MAX - facts.open.size))];
};

const eyesOf = ({ cluster, vote, region, replica, routing, firstFaultAgeMs }: Facts): Eyes | null =>
  cluster === null || vote === null ? null : { region, replica, cluster, routing, vote, firstFaultAgeMs };

/** A region's own: what one region no longer sees another may see still, and only who said it takes it back. Its replicas share it. */
const keyOf = (facts: Facts, subject: Subject): string =>
  `direct-${facts.name === null ? '' : `${facts.name}-`}${facts.region}-${subject.replaceAll('/', '-')}`;

const speaker = ({ region, replica }: Facts): string => `${region}/${replica}`;

const begin = (facts: Facts, subject: Subject, sinceAtMs: number, news: Pick<News, 'type' | 'severity' | 'summary' | 'detail'>): News => ({
  ...news,
  subject,
  ends: false,
  sinceAtMs,
  dedupKey: keyOf(facts, subject),
  summary: `${speaker(facts)}: ${news.summary}`,
  detail: { region: facts.region, replica: facts.replica, ...news.detail },
});

/** For each service: the command that would take out what this vantage holds out. */
const commandsFor = (facts: Facts, eyes: Eyes, services: readonly ServiceConfig[]): readonly string[] =>
  services.flatMap((service) => {
    const route = Object.fromEntries(service.pools.map((pool) => [pool.name, shareOf(facts.routing, service, pool)]));
    const without = routeWithout(service, route, poolsOut(eyes, service));
    if (without === null) return [];
    const reachable = pathsOf(service).filter((path) => facts.gates?.has(path) !== true);
    return [reachable.length === 0 ? gateByHand(service, poolsOut(eyes, service)) : breakGlass(service, without, reachable)];
  });

const firstOf = (commands: readonly string[]): string => {
  const [first] = commands;
  if (first === undefined) return 'none: this region sees no pool that could take the traffic';
  return commands.length === 1 ? first : `${first} (and ${commands.length - 1} more, see detail)`;
};

const shown = (items: readonly string[]): readonly string[] =>
  items.length <= SHOWN_MAX ? items : [...items.slice(0, SHOWN_MAX), `and ${items.length - SHOWN_MAX} more`];

/** What this region sees, in a clause. */
const seenHere = (facts: Facts, beliefs: readonly Belief[]): string => {
  if (facts.cluster === null) return 'this process has not read a configuration, so it sees nothing';
  if (facts.vote === null) return 'this vantage has not looked yet';
  if (facts.vote.self.state === 'abstain') return `this vantage abstains (${facts.vote.self.because}), so it says nothing of the regions`;
  const named = (says: Belief['says']): readonly string[] => beliefs.filter((b) => b.says === says).map((b) => b.region);
  const [down, unknown] = [named('down'), named('unknown')];
  const parts = [
    ...(down.length > 0 ? [`${down.join(', ')} down`] : []),
    ...(unknown.length > 0 ? [`${unknown.join(', ')} not clearly`] : []),
  ];
  return `this region sees ${parts.length === 0 ? 'every region that carries traffic up' : parts.join(' and ')}`;
};

const storeLost = (facts: Facts, store: StoreState & { state: 'silent' }, eyes: Eyes | null, beliefs: readonly Belief[]): News => {
  const held = beliefs.flatMap(({ services }) => services);
  const others = facts.cluster?.services.filter((service) => service.mode !== 'observe') ?? [];
  // Nothing is down: the commands show the present shares, for a human to change.
  const commands = eyes === null ? [] : commandsFor(facts, eyes, held.length > 0 ? [...new Set(held)] : others);
  const advice =
    commands.length === 0 ? '' : `; break-glass${held.length > 0 ? '' : ', should a region have to leave'}: ${firstOf(commands)}`;
  const route =
    facts.routing === null
      ? 'nothing has been read of the routes, and they stay as they are'
      : `routes stay as decided (v ${facts.routing.v})`;
  const since = store.everAnswered ? `for ${lasted(store.forMs)}` : `since this process started, ${lasted(store.forMs)} ago`;
  const silence =
    store.complaint === null ? `has not answered ${since}` : `has failed ${since} (${store.complaint.slice(0, COMPLAINT_MAX)})`;
  const seen = seenHere(facts, beliefs);
  return begin(facts, 'store', facts.nowMs - store.forMs, {
    type: 'store.lost',
    severity: 'critical',
    summary: `the store ${silence}; nothing can be decided and ${route}; ${seen}${advice}`,
    detail: { forMs: Math.round(store.forMs), sees: seen, commands: shown(commands) },
  });
};

const heldDown = (facts: Facts, eyes: Eyes | null, belief: Belief): News | null => {
  if (belief.says !== 'down' || eyes === null) return null;
  const commands = commandsFor(facts, eyes, belief.services);
  return begin(facts, `down/${belief.region}`, facts.nowMs, {
    type: 'belief.down',
    severity: 'critical',
    summary: `we alone see ${belief.region} down (${belief.because}); cannot act without the store; break-glass: ${firstOf(commands)}`,
    detail: {
      down: belief.region,
      because: belief.because,
      services: shown(belief.services.map(({ name }) => name)),
      commands: shown(commands),
    },
  });
};

// ---- taking back ----

const endings = (facts: Facts, beliefs: readonly Belief[]): readonly News[] =>
  [...facts.open].flatMap(([subject, open]): News[] => {
    const end = subject === 'store' ? storeBack(facts, open) : beliefOver(facts, beliefs, subject.slice('down/'.length), open);
    if (end === null) return [];
    return [
      {
        ...end,
        subject: subject as Subject,
        ends: true,
        severity: 'info',
        sinceAtMs: open.sinceAtMs,
        dedupKey: open.dedupKey,
        summary: `${speaker(facts)}: ${end.summary}`,
        detail: { region: facts.region, replica: facts.replica, lastedMs: Math.max(0, facts.nowMs - open.sinceAtMs), ...end.detail },
      },
    ];
  });

type Ending = Pick<News, 'type' | 'summary' | 'detail'>;

const storeBack = (facts: Facts, open: OpenSubject): Ending | null => {
  if (facts.store.state !== 'answers') return null;
  const { adopted } = facts.store;
  return {
    type: 'store.resolved',
    summary: `the store answers again after ${lasted(facts.nowMs - open.sinceAtMs)}; ${adopted} page${adopted === 1 ? '' : 's'} adopted`,
    detail: { adopted },
  };
};

/** Only a look that says up ends a belief, or a decision that has taken the traffic away; silence, warm-up and abstention say nothing. */
const beliefOver = (facts: Facts, beliefs: readonly Belief[], region: string, open: OpenSubject): Ending | null => {
  const forMs = facts.nowMs - open.sinceAtMs;
  const belief = beliefs.find((b) => b.region === region);
  if (belief?.says === 'up')
    return { type: 'belief.resolved', summary: `we no longer see ${region} down, after ${lasted(forMs)}`, detail: { down: region } };
  if (facts.store.state !== 'answers' || facts.cluster === null || carries(facts, facts.cluster, region)) return null;
  const incident = facts.routing?.open[region];
  const heir = incident === undefined ? 'it is left to what was decided' : `incident ${incident} takes over`;
  return {
    type: 'belief.handed_over',
    summary: `${region} carries no traffic since decision v ${facts.routing?.v ?? 0}: ${heir}`,
    detail: { down: region, v: facts.routing?.v ?? 0, ...(incident === undefined ? {} : { incident }) },
  };
};

const carries = ({ routing }: Facts, cluster: ClusterConfig, region: string): boolean =>
  cluster.services.some(
    (service) => service.mode !== 'observe' && service.pools.some((pool) => pool.region === region && shareOf(routing, service, pool) > 0),
  );
