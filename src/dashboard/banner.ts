// The one sentence that matters, worst first, for whoever was woken by a page; the others after it. Pure: the overview carries it, and /status, which has no
// script, shows it. Every figure in it is one of the document's.
import { type Said, voiceIn } from '../client/voice.ts';
import { count, duration, list, percent, utc } from './page/words.ts';

export interface Banner {
  tone: 'ok' | 'warn' | 'bad';
  sentence: string;
  /** What else is so, worst first; what there is no room for is counted. */
  more: readonly string[];
  /** How old all that is told is at least, when who tells it has lost the store; null: he has not. */
  cutOffMs: number | null;
}

interface PoolFacts {
  name: string;
  region: string;
  verdict: 'up' | 'out' | 'unknown';
  /** Thousandths; null: nothing is decided yet. */
  share: number | null;
  configuredShare: number;
  /** Where the document's list of holds is cut, its pools have their own. */
  hold?: string | null;
}
interface ServiceFacts {
  name: string;
  mode: string;
  because: string;
  pools: readonly PoolFacts[];
}
interface IncidentFacts {
  kind: string;
  region: string;
  because: string;
  t0AtMs: number | null;
  t3AtMs: number;
  closedAtMs: number | null;
  /** Of the slowest service: its provider acknowledged, its users were seen elsewhere. null: not yet, or not to be seen. */
  t4AtMs: number | null;
  t6AtMs: number | null;
  convergence: { judgement: string; goalMs: number; waitingFor: readonly string[]; waitingOmitted?: number };
}
interface OrderFacts {
  kind: string;
  scope: { region?: string; service?: string; pool?: string };
  owner: string;
  by?: string;
  reason: string;
  expiresAtMs: number;
  approval?: { by: string | null };
  active: boolean;
  obeyed: boolean;
  because: string;
}

/** What the status document and the overview have alike. */
export interface BannerFacts {
  /** Cluster time. */
  nowMs: number;
  self: { region: string; replica: string; canVote: boolean; canDecide: boolean; because: string };
  coordinator: { region: string; replica: string; released: boolean } | null;
  decision: { atMs: number } | null;
  services: readonly ServiceFacts[];
  incidents: readonly IncidentFacts[];
  holds: readonly { service: string; pool: string; hold: string; because: string }[];
  overrides: { items: readonly OrderFacts[] };
  reminders: readonly { service: string; rule: string; stage: string; because: string }[];
  providers?: readonly { name: string; failing: boolean }[];
  platforms?: readonly { name: string; databases: readonly { database: string; split: readonly string[] | null }[] }[];
  /** One of the two says who looks: the status document has votes, the overview has regions. */
  votes?: { vantages: readonly (Said & { region: string })[] };
  regions?: readonly { name: string; vantages: readonly { state: string; because: string; ageMs?: number | null }[] }[];
}

/** How much a line matters: users suffer; nothing would be moved if they did; something fell and is dealt with; the rest. */
type Rank = 0 | 1 | 2 | 3;
interface Line {
  rank: Rank;
  text: string;
}

const MORE_MAX = 6;
const NAMED_MAX = 3;
const suffers = (text: string): Line => ({ rank: 0, text });
const stuck = (text: string): Line => ({ rank: 1, text });
const fallen = (text: string): Line => ({ rank: 2, text });
const warn = (text: string): Line => ({ rank: 3, text });

const regionsOf = ({ services }: BannerFacts): readonly string[] => [
  ...new Set(services.flatMap(({ pools }) => pools.map(({ region }) => region))),
];
const poolsIn = ({ services }: BannerFacts, region: string): readonly PoolFacts[] =>
  services.flatMap(({ pools }) => pools.filter((pool) => pool.region === region));
const carries = ({ share }: PoolFacts): boolean => (share ?? 0) > 0;
const serviceNames = (names: readonly string[]): string =>
  names.length > NAMED_MAX ? count(names.length, 'service') : list([...names], NAMED_MAX);

const ofDeciding = (facts: BannerFacts): readonly Line[] => {
  const { self, coordinator, decision } = facts;
  const who = `${self.region}/${self.replica}`;
  if (cutOffMs(facts) !== null) return [suffers(`${who} is cut off: ${self.because}. Others may well go on; all that it shows is as old`)];
  return [
    ...(self.canDecide ? [] : [stuck(`Nothing can be decided: ${self.because}`)]),
    ...(coordinator === null ? [stuck('Nobody coordinates, so that nothing is decided')] : []),
    ...(coordinator?.released === true ? [warn(`${coordinator.region} has laid down its office, and nobody has taken it yet`)] : []),
    ...(self.canDecide && !self.canVote ? [warn(`${who} cannot vote: ${self.because}`)] : []),
    ...(decision === null ? [warn('Nothing has been decided yet')] : []),
  ];
};

const ofData = ({ platforms = [] }: BannerFacts): readonly Line[] =>
  platforms.flatMap(({ name, databases }) =>
    databases.flatMap(({ database, split }) =>
      split === null ? [] : [suffers(`${split.join(' and ')} both take writes of ${database} (${name}): no route of its services moves`)],
    ),
  );

// ---- regions that fell ----

const isOpen = ({ closedAtMs }: IncidentFacts): boolean => closedAtMs === null;
const isFall = ({ kind }: IncidentFacts): boolean => kind === 'region-down' || kind === 'region-unready';

/** A human has ordered that nothing is written of this service's pools there. */
const isStopped = ({ overrides }: BannerFacts, { name, pools }: ServiceFacts, region: string): boolean =>
  overrides.items.some(
    ({ kind, active, obeyed, scope }) =>
      kind === 'stop' &&
      active &&
      obeyed &&
      (scope.service ?? name) === name &&
      (scope.region ?? region) === region &&
      (scope.pool === undefined || pools.some((pool) => pool.region === region && pool.name === scope.pool)),
  );

/** Where the traffic of a region that fell is now. */
const whereTraffic = (facts: BannerFacts, incident: IncidentFacts, sinceAtMs: number): Line => {
  const { region, t4AtMs, t6AtMs, convergence } = incident;
  const there = facts.services.filter(({ pools }) => pools.some((pool) => pool.region === region && pool.verdict === 'out'));
  const still = there.filter(({ pools }) => pools.some((pool) => pool.region === region && carries(pool))).map(({ name }) => name);
  if (still.length > 0) return suffers(`${serviceNames(still)} still ${still.length === 1 ? 'gets' : 'get'} traffic there`);
  if (there.every(({ mode }) => mode !== 'auto')) return suffers('nothing is written of it, since no service of it is in auto');
  if (t4AtMs === null && there.every((service) => isStopped(facts, service, region)))
    return suffers('its traffic stays there, since nothing may be written, by order');
  const { judgement, goalMs, waitingFor, waitingOmitted = 0 } = convergence;
  const after = (atMs: number): string => `${duration(atMs - sinceAtMs)} after`;
  const waiting = waitingOmitted > 0 ? count(waitingFor.length + waitingOmitted, 'service') : serviceNames(waitingFor);
  if (t6AtMs !== null) return fallen(`its traffic was seen to land elsewhere ${after(t6AtMs)}`);
  if (judgement === 'missed') return suffers(`its traffic has not landed elsewhere within ${duration(goalMs)}: ${waiting} not yet`);
  if (judgement === 'unmeasured') return fallen('its traffic was moved, and nobody can see where it lands');
  return suffers(`its traffic ${t4AtMs === null ? 'is being moved' : `left ${after(t4AtMs)}`}, and is not seen to land yet: ${waiting}`);
};

const returning = (region: string, pools: readonly PoolFacts[]): Line => {
  const sum = (of: (pool: PoolFacts) => number): number => pools.reduce((all, pool) => all + of(pool), 0);
  const [now, whole] = [sum(({ share }) => share ?? 0), sum(({ configuredShare }) => configuredShare)];
  const back = whole === 0 ? '' : `, with ${percent(Math.round((1000 * now) / whole))} of its traffic`;
  const isUp = pools.length > 0 && pools.every(({ verdict }) => verdict === 'up');
  return warn(isUp ? `${region} is up again and coming back${back}` : `Nobody can say of ${region} whether it is up again${back}`);
};

const fallLine = (facts: BannerFacts, incident: IncidentFacts): Line => {
  const { region, kind, because, t0AtMs, t3AtMs } = incident;
  const pools = poolsIn(facts, region);
  if (!pools.some(({ verdict }) => verdict === 'out')) return returning(region, pools);
  const sinceAtMs = t0AtMs ?? t3AtMs;
  const votes = /\d+ of \d+ vantages/.exec(because)?.[0];
  const { rank, text } = whereTraffic(facts, incident, sinceAtMs);
  const state = `${region} is ${kind === 'region-down' ? 'down' : 'not ready'} since ${utc(sinceAtMs, facts.nowMs)}`;
  return { rank, text: `${state}${votes === undefined ? '' : ` (${votes})`}; ${text}` };
};

const ofFalls = (facts: BannerFacts): readonly Line[] =>
  facts.incidents
    .filter((incident) => isOpen(incident) && isFall(incident))
    .toSorted((a, b) => Number(b.kind === 'region-down') - Number(a.kind === 'region-down') || a.t3AtMs - b.t3AtMs)
    .map((incident) => fallLine(facts, incident));

const allDownIn = ({ holds, services }: BannerFacts): ReadonlySet<string> =>
  new Set([
    ...holds.filter(({ hold }) => hold === 'all-down').map(({ service }) => service),
    ...services.filter(({ pools }) => pools.some(({ hold }) => hold === 'all-down')).map(({ name }) => name),
  ]);

const ofAllDown = (facts: BannerFacts): readonly Line[] => {
  const { services } = facts;
  const held = [...allDownIn(facts)];
  if (held.length === 0) return [];
  const which = held.length === services.length ? 'everything' : serviceNames(held);
  return [suffers(`Every pool of ${which} looks down: the last route stays, since our probes or a shared cause are suspect`)];
};

const toldOf = ({ incidents }: BannerFacts): ReadonlySet<string> =>
  new Set(incidents.filter((incident) => isOpen(incident) && isFall(incident)).map(({ region }) => region));

/** Pools of this verdict of which nothing else tells, by region. */
const otherPools = (facts: BannerFacts, verdict: PoolFacts['verdict']) => {
  const [told, held] = [toldOf(facts), allDownIn(facts)];
  const those = facts.services.flatMap((service) =>
    service.pools
      .filter((pool) => pool.verdict === verdict && !told.has(pool.region) && !held.has(service.name))
      .map((pool) => ({ service, pool })),
  );
  return [...Map.groupBy(those, ({ pool }) => pool.region)];
};
const namesOf = (those: readonly { service: ServiceFacts }[]): string =>
  serviceNames([...new Set(those.map(({ service }) => service.name))]);

/** Pools that are out and of which no incident tells. */
const ofPools = (facts: BannerFacts): readonly Line[] =>
  otherPools(facts, 'out').map(([region, those]) => {
    const given = those.filter(({ pool }) => carries(pool)).length;
    const unwritten = those.filter(({ service, pool }) => service.mode !== 'auto' && !carries(pool));
    const traffic =
      given === 0
        ? unwritten.length === 0
          ? 'which gets no traffic there'
          : `and nothing is written of ${namesOf(unwritten)}: not in auto`
        : given === those.length
          ? 'which still gets traffic there'
          : `${given} of which still ${given === 1 ? 'gets' : 'get'} traffic there`;
    return { rank: given === 0 && unwritten.length === 0 ? 2 : 0, text: `${region} is out for ${namesOf(those)}, ${traffic}` };
  });

/** Traffic goes there all the same; that all is well would be too much said. */
const ofUnknown = (facts: BannerFacts): readonly Line[] => {
  const unknown = otherPools(facts, 'unknown');
  const [first] = unknown;
  if (first === undefined || facts.decision === null || cutOffMs(facts) !== null) return [];
  const [region, those] = first;
  const where =
    unknown.length === 1
      ? `${region} is up for ${namesOf(those)}`
      : `${list(
          unknown.map(([name]) => name),
          NAMED_MAX,
        )} are up`;
  return [warn(`Nobody can say whether ${where}`)];
};

// ---- what keeps routes where they are ----

const ofHolds = ({ holds, services }: BannerFacts): readonly Line[] =>
  [
    ...Map.groupBy(
      holds.filter(({ hold }) => hold !== 'all-down'),
      ({ hold }) => hold,
    ),
  ].map(([hold, held]) => {
    const all = services.flatMap(({ pools }) => pools).filter((pool) => pool.hold === hold).length;
    const names = held.slice(0, 2).map(({ service, pool }) => `${service}/${pool}`);
    const more = Math.max(all, held.length) - names.length;
    const where = `${names.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
    return { rank: hold === 'freeze' ? 3 : 1, text: `Held (${hold}): ${where}: ${held[0]?.because}` };
  });

const ofProviders = ({ providers = [] }: BannerFacts): readonly Line[] => {
  const failing = providers.filter((provider) => provider.failing).map(({ name }) => name);
  return failing.length === 0 ? [] : [stuck(`${list(failing, NAMED_MAX)} ${failing.length === 1 ? 'takes' : 'take'} no writes`)];
};

interface Vantage {
  region: string;
  state: string;
  because: string;
  ageMs: number | null;
}
type Seen = Pick<BannerFacts, 'self' | 'votes' | 'regions'>;

const vantages = ({ votes, regions }: Seen): readonly Vantage[] =>
  votes !== undefined
    ? votes.vantages.map((said) => ({ region: said.region, ...voiceIn(said), ageMs: said.ageMs }))
    : (regions ?? []).flatMap(({ name, vantages: all }) =>
        all.map(({ state, because, ageMs = null }) => ({ region: name, state, because, ageMs })),
      );

/** Twice as long as a vote usually is the newest one. */
const CUT_OFF_MS = 5_000;

/** How old all that is shown is at least, when who shows it hears neither himself nor anybody else: he has lost the store. null: he has not. */
export const cutOffMs = (facts: Seen): number | null => {
  const ages = vantages(facts).flatMap(({ ageMs }) => ageMs ?? []);
  const newestMs = Math.min(...ages);
  return !facts.self.canVote && !facts.self.canDecide && ages.length > 0 && newestMs > CUT_OFF_MS ? newestMs : null;
};

/** Of a region with several replicas, one that speaks is enough. */
const ofVantages = (facts: BannerFacts): readonly Line[] => {
  if (cutOffMs(facts) !== null) return [];
  const byRegion = Map.groupBy(vantages(facts), ({ region }) => region);
  const mute = [...byRegion].filter(([, those]) => !those.some(({ state }) => state === 'ok'));
  if (mute.length === 0) return [];
  const why = mute.map(([region, those]) => `${region}${those[0]?.because ? `: ${those[0].because}` : ''}`);
  return [
    warn(`${mute.length} of ${count(byRegion.size, 'vantage')} ${mute.length === 1 ? 'does' : 'do'} not speak (${list(why, NAMED_MAX)})`),
  ];
};

// ---- orders ----

const scopeText = ({ region, service, pool }: OrderFacts['scope']): string =>
  service === undefined ? (region ?? 'everything') : [service, pool ?? region].filter((part) => part !== undefined).join('/');

const orderText = ({ kind, scope, owner, by, expiresAtMs, reason }: OrderFacts, nowMs: number): string => {
  const what = scopeText(scope);
  const whose = `by ${by ?? owner}'s order until ${utc(expiresAtMs, nowMs).replace(/:\d\d$/, '')}: ${reason}`;
  switch (kind) {
    case 'stop':
      return what === 'everything' ? `No route is written anywhere, ${whose}` : `No route of ${what} is written, ${whose}`;
    case 'freeze':
      return `${what === 'everything' ? 'Every route' : `The route of ${what}`} stays as it is, ${whose}`;
    case 'force-in':
      return `${what} counts as up whatever the votes say, ${whose}`;
    case 'pin':
      return `${what} is pinned, ${whose}`;
    default:
      return `${what} is ${kind === 'evacuate' ? 'evacuated' : 'drained'}, ${whose}`;
  }
};

/** Those that keep Tidegate from moving anything, first. */
const KINDS = ['stop', 'freeze', 'force-in', 'evacuate', 'drain', 'pin'];

const ofOrders = ({ overrides, nowMs }: BannerFacts): readonly Line[] =>
  overrides.items
    .toSorted((a, b) => KINDS.indexOf(a.kind) - KINDS.indexOf(b.kind))
    .flatMap((order) => {
      if (order.approval?.by === null)
        return [warn(`A second person has to agree: ${order.kind} ${scopeText(order.scope)}, by ${order.owner}`)];
      if (!order.active) return [];
      return [warn(order.obeyed ? orderText(order, nowMs) : `Not obeyed: ${order.kind} ${scopeText(order.scope)}: ${order.because}`)];
    });

// ---- calm ----

const calmText = (facts: BannerFacts): string => {
  const regions = regionsOf(facts);
  if (regions.length === 0) return 'No service is configured';
  const serving = regions.filter((region) => poolsIn(facts, region).some(carries));
  const who =
    serving.length < regions.length
      ? `${serving.length} of ${count(regions.length, 'region')} serve`
      : regions.length === 1
        ? `${regions[0]} serves`
        : `All ${count(regions.length, 'region')} serve`;
  return facts.decision === null ? who : `${who}; nothing has moved for ${duration(facts.nowMs - facts.decision.atMs)}`;
};

/** Worth knowing, and no reason to be woken. */
const asides = ({ services, reminders }: BannerFacts): readonly string[] => {
  const silent = services.filter(({ mode }) => mode !== 'auto');
  const [first] = reminders;
  return [
    ...(silent.length === 0 ? [] : [`Nothing is written of ${serviceNames(silent.map(({ name }) => name))}: not in auto`]),
    ...(first === undefined ? [] : [`${count(reminders.length, 'reminder')}; ${first.service}: ${first.because}`]),
  ];
};

/** What a human should read first. Total: a sentence for every document. Of lines that matter alike the cause comes first: an order before what it holds. */
export const bannerOf = (facts: BannerFacts): Banner => {
  const lines = [ofDeciding, ofAllDown, ofData, ofFalls, ofPools, ofProviders, ofUnknown, ofOrders, ofHolds, ofVantages]
    .flatMap((each) => each(facts))
    .toSorted((a, b) => a.rank - b.rank);
  const [worst, ...others] = lines;
  const rest = [...others.map(({ text }) => text), ...asides(facts)];
  const more = rest.length <= MORE_MAX ? rest : [...rest.slice(0, MORE_MAX - 1), `And ${count(rest.length - MORE_MAX + 1, 'thing')} more`];
  const tone = worst === undefined ? 'ok' : worst.rank === 3 ? 'warn' : 'bad';
  return { tone, sentence: worst?.text ?? calmText(facts), more, cutOffMs: cutOffMs(facts) };
};
