// What happens in the world of a seed, drawn before anything runs: how many regions, replicas and services, which faults exist there at all (a swarm: worlds
// with few kinds of faults find what worlds with all of them hide), when each occurs, and how it is mended. A plan is lines of a story, so that it can be
// read, shrunk and kept as one.
import { seededRandom } from '../virtual.ts';
import { duration } from '../world/line.ts';
import { asItWas, CHANGES } from './changes.ts';
import { createDraw, type Draw } from './draw.ts';
import { FAULTS, type Fault, type Occurrence, rulesOf, type Site, UNDER_RULES } from './faults.ts';
import { type DrawnPlatform, platformOf, RUNS } from './platforms.ts';

/** One occurrence. Leaving it out leaves out its end too. */
export interface Item {
  fault: string;
  atMs: number;
  begin: readonly string[];
  endAtMs: number | null;
  end: readonly string[];
}

export interface Plan {
  seed: number;
  /** The story's first line. */
  cluster: string;
  site: Omit<Site, 'count'>;
  items: readonly Item[];
  /** Every fault has ended by then. */
  calmAtMs: number;
  /** Region that dies when everything is well again; null: none. */
  lastDeath: string | null;
  signed: boolean;
}

/** What a caller may force upon every plan, to look at one thing longer. */
export interface Wishes {
  faults?: readonly string[];
  fencing?: 'conditional' | 'marker' | 'none';
  signed?: boolean;
  policy?: string;
  regions?: number;
  /** With a platform, where there are three regions. */
  platform?: boolean;
  /** Of faults, per world. */
  minutes?: number;
  /** How routes reach their users: `paths=2 receipts=yes batch=1 canary=20s`, as far as wanted. */
  ways?: string;
  /** Safety rules, as a `cluster` line says them; `drawn`: some in every world. */
  rules?: string;
  /** People change the configuration. */
  changes?: boolean;
  /** Mean span between two occurrences. */
  everyMs?: number;
}

/** Before the first fault: names taken, first looks, first route. */
const START_MS = 25_000;
/** A platform is configured before anything else happens. */
const PLATFORM_MS = 600;
/** One kind of fault in so many exists in a world. */
export const EXISTS = 0.3;
export const SIGNED = 0.05;
/** Worlds with safety rules beside the usual ones, and with people who order under them. */
export const RULED = 0.35;

/** Worlds with a platform that moves with the routes. */
export const PLATFORMED = 0.1;
/** Worlds in which people change the configuration. */
export const CHANGED = 0.25;

const REGIONS = 'abcdefghijklmnopqrst';

const sizeOf = (draw: Draw): number => {
  const n = draw.unit();
  if (n < 0.4) return 3;
  if (n < 0.9) return 5;
  if (n < 0.985) return draw.pick([1, 2, 4, 7]);
  return draw.pick([9, 9, 20]);
};

/** Fast policies see more of the life of a pool in the same time. */
const POLICIES = [
  'recoveryHold=8s rampStep=3s pacing=10s flapWindow=5m',
  'recoveryHold=15s rampStep=5s pacing=20s flapWindow=10m latchAfter=2',
  'recoveryHold=10s rampStep=2s pacing=10s interval=2s timeout=1s',
  '',
];

const weightsOf = (draw: Draw, regions: readonly string[]): readonly number[] => {
  const kind = draw.unit();
  if (kind < 0.5) return regions.map(() => 1);
  if (kind < 0.75) return regions.map((_, i) => (i === 0 ? 100 : 0));
  return regions.map(() => draw.whole(1, 4));
};

/** How routes reach their users. Drawn by itself, so that what else a seed draws does not hang on it. */
const waysOf = (draw: Draw): string =>
  [
    draw.chance(0.2) ? 'paths=2' : '',
    draw.chance(0.2) ? 'receipts=yes' : '',
    draw.chance(0.2) ? 'batch=1' : '',
    draw.chance(0.2) ? 'canary=20s' : '',
  ]
    .filter((part) => part !== '')
    .join(' ');

/** The second path has troubles of its own, whatever befalls the first. */
const secondTroubles = (draw: Draw, calmAtMs: number): readonly Item[] =>
  Array.from({ length: draw.whole(1, 3) }, () => {
    const way = draw.pick(['throttle', 'lost', 'unanswered', 'deny', 'forget']);
    const begin = [`provider second ${way}=${draw.pick([0.4, 0.9, 1])}`];
    const occurrence = { begin, lastsMs: draw.span(5000, 60_000), end: [`provider second ${way}=0`] };
    return itemOf('second-path-troubled', START_MS + Math.round(draw.unit() * (calmAtMs - START_MS - 2000)), occurrence, calmAtMs);
  });

const isPossible = ({ onlySigned, betweenRegions }: Fault, { regions }: Site, signed = false): boolean =>
  (signed || onlySigned !== true) && (regions.length > 1 || betweenRegions !== true);

/** What people do beside the faults: order, agree and report where there are rules, change the configuration. Each family of its own stream. */
const byPeople = (
  draw: Draw,
  site: Site,
  family: Readonly<Record<string, Fault>>,
  { faults }: Wishes,
  exists: boolean,
  calmAtMs: number,
): readonly Item[] => {
  const rows = Object.entries(family).flatMap(([name, fault]) =>
    (faults?.includes(name) ?? exists) && isPossible(fault, site) ? Array.from({ length: fault.weight }, () => ({ name, fault })) : [],
  );
  if (rows.length === 0) return [];
  const everyMs = draw.span(8000, 25_000);
  const items: Item[] = [];
  for (let atMs = START_MS; ; ) {
    atMs += Math.round(-Math.log(1 - draw.unit()) * everyMs);
    if (atMs >= calmAtMs - 1000) return items;
    const { name, fault } = draw.pick(rows);
    items.push(itemOf(name, atMs, fault.draw(draw, site), calmAtMs));
  }
};

interface Moving {
  platform: DrawnPlatform;
  draw: Draw;
}

/** The platform of a world that has one: with a witness beside the two regions between which it moves. */
const platformIn = (seed: number, regions: readonly string[], wishes: Wishes): Moving | null => {
  const draw = createDraw(seededRandom(`platform ${seed}`));
  const exists = regions.length >= 3 && (wishes.platform ?? (wishes.faults === undefined && draw.chance(PLATFORMED)));
  return exists ? { platform: platformOf(draw, regions), draw } : null;
};

const configured = ({ line }: DrawnPlatform): Item => ({ fault: 'platform', atMs: PLATFORM_MS, begin: [line], endAtMs: null, end: [] });

/** All that people do, and the rules that they do it under. */
const peopleIn = (
  seed: number,
  site: Site,
  wishes: Wishes,
  moving: Moving | null,
  calmAtMs: number,
): { rules: string; items: readonly Item[] } => {
  const draw = createDraw(seededRandom(`people ${seed}`));
  const isRuled = wishes.rules !== undefined || (wishes.faults === undefined && draw.chance(RULED));
  const changesDraw = createDraw(seededRandom(`changes ${seed}`));
  const isChanged = wishes.changes ?? (wishes.faults === undefined && changesDraw.chance(CHANGED));
  const drawn = isRuled ? rulesOf(draw, site) : '';
  const underRules = byPeople(draw, site, UNDER_RULES, wishes, isRuled, calmAtMs);
  const runs = moving === null ? [] : [configured(moving.platform), ...byPeople(moving.draw, site, RUNS, wishes, true, calmAtMs)];
  const changes = byPeople(changesDraw, site, CHANGES, wishes, isChanged, calmAtMs);
  return {
    rules: wishes.rules === undefined || wishes.rules === 'drawn' ? drawn : wishes.rules,
    items: [...underRules, ...runs, ...changes],
  };
};

/** One replica a region, one service, and one target of it a region. */
export const isPlain = ({ site }: Plan): boolean => site.places.length === site.regions.length && site.services.length * site.targets === 1;

export const planOf = (seed: number, wishes: Wishes = {}): Plan => {
  const draw = createDraw(seededRandom(`plan ${seed}`));
  const regions = [...REGIONS].slice(0, wishes.regions ?? sizeOf(draw));
  const replicas = draw.chance(0.75) ? [1] : regions.map(() => draw.whole(1, 2));
  const services = draw.chance(0.7) ? ['web'] : ['web', 'api'];
  const targets = draw.pick([1, 1, 1, 2]);
  const drawnWeights = weightsOf(draw, regions);
  const moving = platformIn(seed, regions, wishes);
  const weights = moving?.platform.weights ?? drawnWeights;
  const signed = wishes.signed ?? draw.chance(SIGNED);
  const fencing = wishes.fencing ?? draw.pick(['conditional', 'conditional', 'conditional', 'marker', 'none']);
  const delays = draw.pick(['1ms..10ms', '20ms..60ms', '5ms..150ms', '80ms..180ms']);
  // What costs the square of its regions is looked at for less long.
  const minutes = wishes.minutes ?? (regions.length > 7 ? 2 : draw.whole(3, 6));
  const waysDraw = createDraw(seededRandom(`ways ${seed}`));
  const ways = wishes.ways ?? waysOf(waysDraw);
  const line = [
    `cluster regions=${regions.join()} services=${services.join()} weights=${weights.join()} targets=${targets} replicas=${replicas.join()}`,
    `seed=${seed} whole=yes anchors=${draw.pick([0, 2, 3])} delay=${delays} lost=${draw.pick([0, 0, 0.005, 0.02])} late=${draw.pick([0, 0.005])}`,
    `provider=${draw.pick(['5ms..50ms', '50ms..400ms', '200ms..1500ms'])} fencing=${fencing} rate=${draw.pick([0, 0.02, 0.05])} skew=${draw.pick(['0ms', '1s', '20s'])}`,
    wishes.policy ?? draw.pick(POLICIES),
    draw.chance(0.1) ? 'alldown=configured' : '',
    signed ? 'signed=yes' : '',
    ways,
    moving?.platform.cluster ?? '',
  ]
    .filter((part) => part !== '')
    .join(' ');
  let orders = 0;
  const places = regions.flatMap((r, i) =>
    Array.from({ length: replicas[Math.min(i, replicas.length - 1)] ?? 1 }, (_, n) => `${r}/${'ab'[n]}`),
  );
  const site: Site = { regions, places, services, targets, weights, count: () => ++orders };
  const calmAtMs = START_MS + minutes * 60_000;
  const faults = itemsOf(draw, site, signed, wishes, calmAtMs);
  const ofSecondPath = ways.includes('paths=2') && wishes.faults === undefined ? secondTroubles(waysDraw, calmAtMs) : [];
  const people = peopleIn(seed, site, wishes, moving, calmAtMs);
  return {
    seed,
    cluster: people.rules === '' ? line : `${line} rules=${people.rules}`,
    site: { regions, places, services, targets, weights },
    items: [...faults, ...ofSecondPath, ...people.items],
    calmAtMs,
    // With fewer than three voters nothing moves by itself.
    lastDeath: regions.length >= 3 && draw.chance(0.7) ? draw.pick(regions) : null,
    signed,
  };
};

const itemsOf = (draw: Draw, site: Site, signed: boolean, wishes: Wishes, calmAtMs: number): readonly Item[] => {
  const names = Object.keys(FAULTS);
  const exists = wishes.faults ?? names.filter(() => draw.chance(EXISTS));
  const rows = (exists.length === 0 ? ['targets-die'] : exists).flatMap((name) => {
    const fault = FAULTS[name];
    return fault !== undefined && isPossible(fault, site, signed) ? [{ name, fault }] : [];
  });
  const sum = rows.reduce((total, { fault }) => total + fault.weight, 0);
  const next = (): (typeof rows)[number] | undefined => {
    let left = draw.unit() * sum;
    return rows.find(({ fault }) => {
      left -= fault.weight;
      return left < 0;
    });
  };
  const everyMs = wishes.everyMs ?? draw.span(4000, 25_000);
  const items: Item[] = [];
  for (let atMs = START_MS; ; ) {
    atMs += Math.round(-Math.log(1 - draw.unit()) * everyMs);
    if (atMs >= calmAtMs - 1000) return items;
    const row = next();
    if (row === undefined) return items;
    items.push(itemOf(row.name, atMs, row.fault.draw(draw, site), calmAtMs));
  }
};

const itemOf = (fault: string, atMs: number, { begin, lastsMs = 0, end = [] }: Occurrence, calmAtMs: number): Item => ({
  fault,
  atMs,
  begin,
  endAtMs: end.length === 0 ? null : Math.min(atMs + lastsMs, calmAtMs),
  end,
});

/** What must be said once more when all is over: faults overlap, and the end of one is not the end of another of its kind. */
export const mended = ({ site, items }: Pick<Plan, 'site' | 'items'>): readonly string[] => {
  const said = items.flatMap((item) => [...item.begin, ...item.end]);
  const has = (...verbs: readonly string[]): boolean => said.some((line) => verbs.includes(line.split(' ')[0] ?? ''));
  const systems = new Set(said.flatMap((line) => (line.startsWith('system ') ? [line.split(' ')[1] ?? ''] : [])));
  const adopts = said.find((line) => line.startsWith('adopt '));
  const changes = items.some(({ fault }) => Object.hasOwn(CHANGES, fault));
  const orders = said.flatMap((line) => (line.startsWith('order ') ? [line.split(' ')[1] ?? ''] : []));
  return [
    ...site.places.flatMap((p) => [...(has('freeze') ? [`thaw ${p}`] : []), ...(has('cut') ? [`heal ${p}`] : [])]),
    ...site.regions.flatMap((r) => [
      ...(has('hang', 'refuse', 'error', 'slow', 'gray', 'lose') ? [`ok ${r}`] : []),
      ...(has('blind') ? [`sight ${r}`] : []),
      ...(has('tamper') ? [`untamper ${r}`, `kill ${r}`, `boot ${r}`] : []),
      ...(has('egress') ? [`egress ${r} open`] : []),
    ]),
    ...(has('way') ? site.regions.flatMap((a) => site.regions.filter((b) => a !== b).map((b) => `way ${a} ${b} open`)) : []),
    ...(has('weather') ? ['weather lost=0 late=0'] : []),
    ...(has('provider')
      ? ['provider calm', ...(said.some((line) => line.startsWith('provider second')) ? ['provider second calm'] : [])]
      : []),
    ...[...systems].map((system) => `system ${system} well`),
    ...(has('gauge') ? ['gauge orders.lag 0'] : []),
    ...(has('sink') ? ['sink one ok', 'sink two ok'] : []),
    ...(has('crash') ? site.places.map((p) => `crash ${p} in=off`) : []),
    ...(has('kill', 'crash', 'lose', 'stop', 'twin') ? site.regions.map((r) => `boot ${r}`) : []),
    // Twice: the first of them may be lost. Before adoptions, which are of services in auto.
    ...(changes ? ['run 10s', ...site.regions.slice(0, 2).flatMap((r) => [`${asItWas(site)} via=${r}`, 'run 5s'])] : []),
    ...(adopts === undefined ? [] : site.regions.flatMap((r) => ['run 10s', `adopt via=${r}`])),
    ...(orders.length === 0 ? [] : ['run 15s', ...orders.map((id) => `revoke ${id}`)]),
  ];
};

/** The plan as the lines of a story, in order of time, with the time that passes between them. */
export const linesOf = (plan: Plan): readonly string[] => {
  const moments = plan.items.flatMap((item, order) => [
    { atMs: item.atMs, order, lines: item.begin },
    ...(item.endAtMs === null ? [] : [{ atMs: item.endAtMs, order, lines: item.end }]),
  ]);
  moments.sort((a, b) => a.atMs - b.atMs || a.order - b.order);
  const lines = [plan.cluster];
  let nowMs = 0;
  const until = (atMs: number): void => {
    if (atMs > nowMs) lines.push(`run ${atMs - nowMs}ms`);
    nowMs = Math.max(nowMs, atMs);
  };
  for (const { atMs, lines: said } of moments) {
    until(atMs);
    lines.push(...said);
    for (const line of said) if (line.startsWith('run ')) nowMs += duration(line.slice(4));
  }
  until(plan.calmAtMs);
  lines.push(...mended(plan));
  return lines;
};
