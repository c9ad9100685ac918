// A platform that moves with the routes (databases, caches, namespaces, fleets), and people who order its runs while everything else goes wrong, as lines of
// a story. Drawn from a stream of its own. Its databases are promoted only once the old writer has given way, so that there never are two writers.
import type { Draw } from './draw.ts';
import type { Fault } from './faults.ts';

/** Regions between which it moves; the others only vote. */
const PAIR = 2;

const MODELS: Readonly<Record<string, readonly [number, number]>> = {
  'active-cold': [100, 0],
  'active-hot': [100, 0],
  'active-active': [1, 1],
  'dual-active': [1, 1],
};

export interface DrawnPlatform {
  /** Of its services, by region; -1: no pool there. */
  weights: readonly number[];
  /** What its world's `cluster` line has beside the rest. */
  cluster: string;
  /** The line that configures it. */
  line: string;
}

export const platformOf = (draw: Draw, regions: readonly string[]): DrawnPlatform => {
  const model = draw.pick(Object.keys(MODELS));
  const pair = MODELS[model] ?? [1, 1];
  const options = [
    draw.chance(0.5) ? 'caches=sessions:strict,pages' : '',
    draw.chance(0.3) ? 'trigger=propose' : '',
    draw.chance(0.5) ? 'hold=10s' : '',
    draw.chance(0.5) ? 'asks=pg.promote:0,cache.promote:0' : '',
  ].filter((option) => option !== '');
  return {
    weights: regions.map((_, i) => pair[i] ?? -1),
    cluster: `steering=${pair[1] === 0 ? 'priority' : 'weighted'} runbooks=yes${draw.chance(0.5) ? ' watched=yes' : ''}`,
    line: [
      `platform orders model=${model} regions=${regions.slice(0, PAIR).join()} fleets=codec:5s,workers:${draw.pick([10, 45])}s`,
      'namespaces=orders databases=orders rung=acknowledged',
      ...options,
    ].join(' '),
  };
};

/** What people say of a run that another of them has begun: often one that was refused, is over, or never was. */
const SAID = ['agree', 'agree', 'abort', 'force', 'undo'] as const;

export const RUNS: Readonly<Record<string, Fault>> = {
  'run-ordered': {
    weight: 5,
    draw(draw, { regions, count }) {
      const flags = draw.chance(0.2) ? ' failback' : '';
      return {
        begin: [`begin orders to=${draw.pick(regions.slice(0, PAIR))}${flags} id=r${count()} via=${draw.pick(regions)} because chance`],
      };
    },
  },
  // Although the region that is left is well: its writer has to be made to give way.
  'run-forced': {
    weight: 2,
    draw: (draw, { regions, count }) => ({
      begin: [`begin orders to=${draw.pick(regions.slice(0, PAIR))} ungraceful id=r${count()} via=${draw.pick(regions)} because chance`],
    }),
  },
  'run-spoken-of': {
    weight: 3,
    draw(draw, site) {
      const run = `r${draw.whole(1, Math.max(1, site.count()))}`;
      return { begin: [`${draw.pick(SAID)} ${run} by=bob via=${draw.pick(site.regions)} because chance`] };
    },
  },
  'standbys-behind': {
    weight: 1,
    draw: (draw) => ({
      begin: [`gauge orders.lag ${draw.pick([1, 40, 900])}`],
      lastsMs: draw.span(5000, 60_000),
      end: ['gauge orders.lag 0'],
    }),
  },
  'pooler-dead': {
    weight: 1,
    draw(draw, { regions }) {
      const system = `pooler-orders-${draw.pick(regions.slice(0, PAIR))}`;
      return { begin: [`system ${system} dead`], lastsMs: draw.span(3000, 60_000), end: [`system ${system} well`] };
    },
  },
};
