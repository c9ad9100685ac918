// Everything that can go wrong in a simulated world, as lines of a story: what begins it, how long it lasts, and what ends it. A seed draws which of them
// exist in its world at all. One row per fault; a new one needs no more than its row.
import type { Draw } from './draw.ts';

/** What is there for a fault to happen to. */
export interface Site {
  regions: readonly string[];
  /** `region/replica`. */
  places: readonly string[];
  services: readonly string[];
  /** Of each region: how many targets its pool has. */
  targets: number;
  weights: readonly number[];
  /** For names of orders. */
  count: () => number;
}

export interface Occurrence {
  begin: readonly string[];
  /** Absent: it is over at once. */
  lastsMs?: number;
  end?: readonly string[];
}

export interface Fault {
  /** Relative frequency in worlds that have it. */
  weight: number;
  /** Nothing but signatures holds it off, so unsigned worlds do not have it. */
  onlySigned?: true;
  /** Not where there is only one region. */
  betweenRegions?: true;
  draw(draw: Draw, site: Site): Occurrence;
}

const s = (ms: number): string => `${ms}ms`;

const lasting = (draw: Draw, lowMs: number, highMs: number, begin: readonly string[], end: readonly string[]): Occurrence => ({
  begin,
  lastsMs: draw.span(lowMs, highMs),
  end,
});

const BOTH = ['healthz', 'readyz'] as const;

/** Regions that do not come to a majority. */
const minority = (draw: Draw, { regions }: Site): readonly string[] =>
  draw.some(regions, draw.whole(1, Math.max(1, Math.ceil(regions.length / 2) - 1)));

/** What an order of this kind is about. */
const scopeOf = (draw: Draw, kind: string, regions: readonly string[], services: readonly string[]): string => {
  switch (kind) {
    case 'drain':
    case 'evacuate':
      return `region=${draw.pick(regions)}`;
    case 'force-in':
      return draw.chance(0.6) ? `region=${draw.pick(regions)}` : `service=${draw.pick(services)}`;
    case 'pin': {
      const pinned = draw.some(regions, draw.whole(1, regions.length));
      return `service=${draw.pick(services)} weights=${pinned.map((r) => `${r}:${draw.whole(1, 1000)}`).join()}`;
    }
    default:
      return draw.chance(0.5) ? `service=${draw.pick(services)}` : '';
  }
};

export const FAULTS: Readonly<Record<string, Fault>> = {
  // ---- processes ----
  'replica-killed': {
    weight: 3,
    draw(draw, { places }) {
      const place = draw.pick(places);
      return lasting(draw, 500, 40_000, [`kill ${place}`], [`boot ${place}`]);
    },
  },
  'replica-crashes': {
    weight: 4,
    draw(draw, { places }) {
      const place = draw.pick(places);
      return lasting(draw, 2000, 30_000, [`crash ${place} in=${draw.whole(1, 300)}`], [`boot ${place}`]);
    },
  },
  'replica-paused': {
    weight: 4,
    draw(draw, { places }) {
      const place = draw.pick(places);
      return lasting(draw, 300, 45_000, [`freeze ${place}`], [`thaw ${place}`]);
    },
  },
  'replica-restarted': {
    weight: 2,
    draw(draw, { places }) {
      const place = draw.pick(places);
      return { begin: [`stop ${place}`, `boot ${place}`] };
    },
  },
  'name-taken-twice': { weight: 1, draw: (draw, { places }) => ({ begin: [`twin ${draw.pick(places)}`] }) },
  'wall-clock-steps': {
    weight: 2,
    draw(draw, { places }) {
      const by = draw.pick(['1h', '-1h', '3s', '-3s', '26h']);
      return { begin: [`step-wall ${draw.pick(places)} ${by}`] };
    },
  },
  // ---- regions and targets ----
  'region-lost': {
    weight: 4,
    draw(draw, { regions }) {
      const region = draw.pick(regions);
      return lasting(draw, 5000, 120_000, [`lose ${region}`], [`restore ${region}`]);
    },
  },
  'targets-die': {
    weight: 5,
    draw(draw, { regions }) {
      const region = draw.pick(regions);
      return lasting(draw, 1500, 90_000, [`${draw.pick(['hang', 'refuse', 'error'])} ${region}`], [`ok ${region}`]);
    },
  },
  'endpoint-dies': {
    weight: 3,
    draw(draw, { regions }) {
      const [region, endpoint] = [draw.pick(regions), draw.pick(BOTH)];
      return lasting(draw, 1500, 60_000, [`error ${region} ${endpoint}`], [`ok ${region} ${endpoint}`]);
    },
  },
  'one-target-dies': {
    weight: 2,
    draw(draw, { regions, targets }) {
      const [region, target] = [draw.pick(regions), draw.whole(1, targets)];
      return lasting(
        draw,
        1500,
        60_000,
        [`refuse ${region} healthz target=${target}`, `refuse ${region} readyz target=${target}`],
        [`ok ${region}`],
      );
    },
  },
  'targets-slow': {
    weight: 2,
    draw(draw, { regions }) {
      const region = draw.pick(regions);
      return lasting(draw, 3000, 60_000, [`slow ${region}`], [`ok ${region}`]);
    },
  },
  'targets-gray': {
    weight: 2,
    draw(draw, { regions }) {
      const region = draw.pick(regions);
      return lasting(draw, 5000, 90_000, [`gray ${region} ${draw.pick([0.05, 0.2, 0.5])}`], [`ok ${region}`]);
    },
  },
  'several-die-at-once': {
    weight: 2,
    betweenRegions: true,
    draw(draw, { regions }) {
      const some = draw.some(regions, draw.whole(2, regions.length));
      const how = draw.pick(['hang', 'refuse']);
      return lasting(
        draw,
        3000,
        60_000,
        some.map((r) => `${how} ${r}`),
        some.map((r) => `ok ${r}`),
      );
    },
  },
  // ---- what vantages see ----
  'uplink-broken': {
    weight: 3,
    draw(draw, { regions }) {
      const region = draw.pick(regions);
      return lasting(draw, 2000, 60_000, [`blind ${region}`], [`sight ${region}`]);
    },
  },
  'uplinks-broken-alike': {
    weight: 1,
    betweenRegions: true,
    draw(draw, site) {
      const some = draw.chance(0.7) ? minority(draw, site) : draw.some(site.regions, site.regions.length - 1);
      return lasting(
        draw,
        2000,
        40_000,
        some.map((r) => `blind ${r}`),
        some.map((r) => `sight ${r}`),
      );
    },
  },
  'way-broken': {
    weight: 3,
    betweenRegions: true,
    draw(draw, { regions }) {
      const [from = '', to = ''] = draw.some(regions, 2);
      return lasting(draw, 2000, 90_000, [`way ${from} ${to} cut`], [`way ${from} ${to} open`]);
    },
  },
  // ---- the store ----
  'cut-from-store': {
    weight: 4,
    draw(draw, { places }) {
      const place = draw.pick(places);
      return lasting(draw, 500, 45_000, [`cut ${place} ${draw.pick(['both', 'both', 'out', 'in'])}`], [`heal ${place}`]);
    },
  },
  partition: {
    weight: 3,
    betweenRegions: true,
    draw(draw, site) {
      const cut = minority(draw, site);
      const rest = site.regions.filter((r) => !cut.includes(r));
      const ways = cut.flatMap((a) => rest.flatMap((b) => [`${a} ${b}`, `${b} ${a}`]));
      return lasting(
        draw,
        3000,
        60_000,
        [...cut.map((r) => `cut ${r}`), ...ways.map((w) => `way ${w} cut`)],
        [...cut.map((r) => `heal ${r}`), ...ways.map((w) => `way ${w} open`)],
      );
    },
  },
  'store-stalls': { weight: 3, draw: (draw) => ({ begin: [`stall ${s(draw.span(300, 20_000))}`] }) },
  'store-storm': {
    weight: 2,
    draw: (draw) =>
      lasting(
        draw,
        3000,
        40_000,
        [`weather lost=${draw.pick([0.05, 0.2, 0.4])} late=${draw.pick([0, 0.05, 0.2])}`],
        ['weather lost=0.005 late=0.005'],
      ),
  },
  'store-rewound': {
    weight: 1,
    draw: (draw, { regions }) => lasting(draw, 4000, 60_000, ['backup'], ['rewind', 'run 8s', `adopt via=${draw.pick(regions)}`]),
  },
  // Nobody who remembers the store runs when it is put back.
  'store-rewound-cold': {
    weight: 0.5,
    draw(draw, { regions }) {
      const all = (verb: string): readonly string[] => regions.map((r) => `${verb} ${r}`);
      return lasting(
        draw,
        4000,
        60_000,
        ['backup'],
        [...all('kill'), 'rewind', ...all('boot'), 'run 15s', `adopt via=${draw.pick(regions)}`],
      );
    },
  },
  // ---- thieves of the store's password; only signatures keep them out ----
  'votes-forged': {
    weight: 1,
    onlySigned: true,
    draw(draw, { regions }) {
      const victim = draw.pick(regions);
      const liars = regions.filter((r) => r !== victim);
      const once = liars.map((r) => `forge ${r} ${victim}`);
      return { begin: Array.from({ length: draw.whole(2, 12) }, () => [...once, `run ${s(draw.span(100, 1500))}`]).flat() };
    },
  },
  'votes-replayed': {
    weight: 1,
    onlySigned: true,
    draw(draw, { regions }) {
      const victim = draw.pick(regions);
      const again = regions.filter((r) => r !== victim).map((r) => `replay ${r}`);
      const record = [`hang ${victim}`, 'run 9s', ...regions.map((r) => `record ${r}`), `ok ${victim}`];
      return {
        begin: record,
        lastsMs: draw.span(40_000, 80_000),
        end: Array.from({ length: draw.whole(2, 10) }, () => [...again, `run ${s(draw.span(100, 1200))}`]).flat(),
      };
    },
  },
  // ---- the provider ----
  'provider-troubled': {
    weight: 5,
    draw(draw) {
      const ways = draw.some(['throttle', 'lost', 'unanswered', 'late', 'twice', 'stale', 'lie', 'forget'], draw.whole(1, 3));
      return lasting(
        draw,
        3000,
        60_000,
        [`provider ${ways.map((w) => `${w}=${draw.pick([0.1, 0.4, 0.9])}`).join(' ')}`],
        [`provider ${ways.map((w) => `${w}=0`).join(' ')}`],
      );
    },
  },
  'provider-out-of-reach': {
    weight: 2,
    draw(draw, { regions }) {
      const region = draw.pick(regions);
      return lasting(draw, 3000, 60_000, [`egress ${region} cut`], [`egress ${region} open`]);
    },
  },
  'stranger-edits': {
    weight: 2,
    draw(draw, { services, regions }) {
      const edit = draw.chance(0.5) ? 'fence=gone' : `shares=${draw.pick(regions)}:1000`;
      return { begin: [`stranger ${draw.pick(services)} ${edit}`] };
    },
  },
  'stranger-takes-fence': {
    weight: 0.5,
    draw: (draw, { services, regions }) =>
      lasting(draw, 5000, 40_000, [`stranger ${draw.pick(services)} fence=1000000000`], [`adopt via=${draw.pick(regions)}`]),
  },
  // ---- people ----
  'order-given': {
    weight: 5,
    draw(draw, { regions, services, count }) {
      const kind = draw.pick(['drain', 'drain', 'drain', 'freeze', 'stop', 'force-in', 'force-in', 'pin', 'pin', 'evacuate']);
      const id = `o${count()}`;
      const scope = scopeOf(draw, kind, regions, services);
      // A stop is watched from the moment at which it is in the store.
      const start = kind !== 'stop' && draw.chance(0.2) ? ` start=${s(draw.span(1000, 20_000))}` : '';
      const order = `order ${id} ${kind} ${scope}${start} ttl=${s(draw.span(3000, 90_000))} via=${draw.pick(regions)} because chance`;
      return draw.chance(0.5) ? { begin: [order] } : lasting(draw, 1000, 60_000, [order], [`revoke ${id} via=${draw.pick(regions)}`]);
    },
  },
  'orders-conflict': {
    weight: 2,
    draw(draw, { regions, count }) {
      return {
        begin: draw
          .some(regions, 3)
          .map(
            (via) => `order o${count()} drain region=${draw.pick(regions)} ttl=${s(draw.span(5000, 60_000))} via=${via} because conflict`,
          ),
      };
    },
  },
  'configuration-applied': {
    weight: 2,
    draw(draw, { regions, weights }) {
      const changed = weights.map((w) => (w > 0 && draw.chance(0.5) ? draw.whole(1, 5) : w));
      return { begin: [`apply weights=${changed.join()} via=${draw.pick(regions)}`] };
    },
  },
  'configuration-differs': {
    weight: 1,
    draw(draw, { regions }) {
      const region = draw.pick(regions);
      const anew = [`kill ${region}`, `boot ${region}`];
      return lasting(draw, 10_000, 60_000, [`tamper ${region}`, ...anew], [`untamper ${region}`, ...anew]);
    },
  },
  'sink-fails': {
    weight: 3,
    draw(draw) {
      const sink = draw.pick(['one', 'two']);
      return lasting(draw, 2000, 90_000, [`sink ${sink} ${draw.pick(['fail', 'hang', 'mute'])}`], [`sink ${sink} ok`]);
    },
  },
};

/** What all of a service's pools are said to bear, in the unit of its load. */
const bearing = (draw: Draw, regions: readonly string[]): string =>
  regions.map((region) => `${region}:${draw.pick([150, 300, 500, 900])}`).join();

/**
 * What happens only in worlds with safety rules, or where it is asked for. Drawn from a stream of its own, so that worlds without rules are what they were.
 */
export const UNDER_RULES: Readonly<Record<string, Fault>> = {
  // With or without the word that passes the rules; agreed to by a second person at once, late, or by nobody.
  'order-under-rules': {
    weight: 4,
    draw(draw, { regions, services, count }) {
      const kind = draw.pick(['drain', 'drain', 'drain', 'force-in', 'pin', 'pin', 'evacuate', 'freeze']);
      const id = `o${count()}`;
      const flags = draw.pick(['', '', ' break-glass', ' approval', ' break-glass approval']);
      const start = draw.chance(0.2) ? ` start=${s(draw.span(1000, 20_000))}` : '';
      const via = draw.pick(regions);
      const order = `order ${id} ${kind}${flags} ${scopeOf(draw, kind, regions, services)}${start} ttl=${s(draw.span(5000, 90_000))} via=${via} because chance`;
      const isAgreed = flags.endsWith('approval') && draw.chance(0.5);
      return isAgreed ? lasting(draw, 1000, 40_000, [order], [`approve ${id} via=${draw.pick(regions)}`]) : { begin: [order] };
    },
  },
  'region-evacuated': {
    weight: 1,
    draw(draw, { regions, count }) {
      const flags = draw.pick([' break-glass', '']);
      const ttl = s(draw.span(100_000, 200_000));
      return {
        begin: [`order o${count()} evacuate${flags} region=${draw.pick(regions)} ttl=${ttl} via=${draw.pick(regions)} because chance`],
      };
    },
  },
  // Who insists on what has just died.
  'dead-forced-in': {
    weight: 1,
    draw(draw, { regions, count }) {
      const region = draw.pick(regions);
      const flags = draw.pick([' break-glass', '']);
      const order = `order o${count()} force-in${flags} region=${region} start=${s(draw.span(1000, 15_000))} ttl=${s(draw.span(20_000, 60_000))} via=${draw.pick(regions)} because chance`;
      return lasting(draw, 20_000, 60_000, [`hang ${region}`, order], [`ok ${region}`]);
    },
  },
  'load-reported': {
    weight: 2,
    draw: (draw, { regions, services }) => ({
      begin: [
        `report ${draw.pick(services)} load=${draw.pick([200, 600, 900, 1500])} capacity=${bearing(draw, regions)} ttl=${s(draw.span(10_000, 120_000))}`,
      ],
    }),
  },
};

/** Settings of one rule each, as the store holds them; a blank is written `_`. Rules look at one service, so that a checker can tell what each decision did. */
const RULES: Readonly<Record<string, (draw: Draw, site: Site) => readonly string[]>> = {
  capacity: (draw, { regions }) => [
    `"load":${draw.pick([300, 600, 900])}`,
    `"capacities":{${regions.map((r) => `"${r}":${draw.pick([150, 300, 500, 900])}`).join()}}`,
    `"capacity":{"headroomPercent":${draw.pick([80, 100])},"onHealth":"${draw.pick(['warn', 'warn', 'hold'])}"}`,
  ],
  velocity: (draw) => [
    `"velocity":{"percent":${draw.pick([20, 34, 50, 80])},"windowMs":${draw.pick([10_000, 30_000, 60_000])},"onHealth":"${draw.pick(['exempt', 'exempt', 'hold'])}"}`,
  ],
  'freeze-windows': (draw) => [
    `"freeze-windows":{"windows":[{"name":"quiet","cron":"*/${draw.pick([2, 3])}_*_*_*_*","timezone":"UTC","durationMs":${draw.pick([60_000, 75_000])},"drains":${draw.chance(0.2)}}]}`,
  ],
  assertion: (draw, { regions, services }) => {
    const service = draw.pick(services);
    const controls = regions.map((r) => `"${service}/${r}"`).join();
    return [
      `"assertion":{"rules":[{"name":"enough","type":"ATLEAST","threshold":${draw.whole(1, regions.length)},"inverted":false,"controls":[${controls}],"waitPeriodMs":${draw.pick([0, 0, 10_000])}}]}`,
    ];
  },
  gating: (draw, { regions, services }) => {
    const service = draw.pick(services);
    const [gate = '', ...targets] = draw.some(regions, draw.whole(2, regions.length)).map((r) => `"${service}/${r}"`);
    return [
      `"gating":{"rules":[{"name":"gate","type":"OR","threshold":1,"inverted":false,"gates":[${gate}],"targets":[${targets.join()}],"waitPeriodMs":${draw.pick([0, 10_000])}}]}`,
    ];
  },
};

/** One to three of the rules that a cluster may have beside the usual ones, for a `cluster` line. */
export const rulesOf = (draw: Draw, site: Site): string => {
  const kinds = draw.some(Object.keys(RULES), draw.whole(1, 3)).filter((kind) => kind !== 'gating' || site.regions.length > 1);
  return `{${kinds.flatMap((kind) => RULES[kind]?.(draw, site) ?? []).join()}}`;
};
