// What people change in the cluster's configuration while everything else goes wrong, as lines of a story. Drawn from a stream of its own, so that worlds
// in which nobody changes anything are what they were. What the production code refuses (two voters at once, the last pool that carries) is refused here too.
import type { Draw } from './draw.ts';
import type { Fault, Site } from './faults.ts';

/** Applied from the network of some region, by a process of the command's. */
const via = (draw: Draw, { regions }: Site, changes: string): string => `apply ${changes} via=${draw.pick(regions)}`;

const forAWhile = (draw: Draw, site: Site, changes: string, back: string) => ({
  begin: [via(draw, site, changes)],
  lastsMs: draw.span(3000, 90_000),
  end: [via(draw, site, back)],
});

/** The configuration of the beginning, but for what need not be as it was: nobody is left out, and routes move. */
export const asItWas = ({ regions, weights, services, targets }: Omit<Site, 'places' | 'count'>): string =>
  `apply mode=auto regions=${regions.join()} vote=${regions.join()} weights=${weights.join()} services=${services.join()} targets=${targets}`;

export const CHANGES: Readonly<Record<string, Fault>> = {
  'mode-switched': {
    weight: 2,
    draw: (draw, site) => forAWhile(draw, site, `mode=${draw.pick(['observe', 'advise'])}`, 'mode=auto'),
  },
  'voter-leaves': {
    weight: 3,
    draw(draw, site) {
      const left = draw.some(site.regions, Math.max(1, site.regions.length - 1));
      return forAWhile(draw, site, `vote=${left.join()}`, `vote=${site.regions.join()}`);
    },
  },
  'pool-leaves': {
    weight: 3,
    draw(draw, site) {
      const gone = draw.whole(0, site.regions.length - 1);
      return forAWhile(draw, site, `weights=${site.weights.map((w, i) => (i === gone ? -1 : w)).join()}`, `weights=${site.weights.join()}`);
    },
  },
  // With its pools and its vote. Its processes run on, and belong to nothing.
  'region-leaves': {
    weight: 2,
    betweenRegions: true,
    draw(draw, site) {
      const { regions, weights } = site;
      const gone = draw.whole(0, regions.length - 1);
      const without = <T>(list: readonly T[]): string => list.filter((_, i) => i !== gone).join();
      const left = `regions=${without(regions)} vote=${without(regions)} weights=${without(weights)}`;
      return forAWhile(draw, site, left, `regions=${regions.join()} vote=${regions.join()} weights=${weights.join()}`);
    },
  },
  'targets-come-and-go': {
    weight: 2,
    draw: (draw, site) => forAWhile(draw, site, `targets=${site.targets + draw.pick([1, 3])}`, `targets=${site.targets}`),
  },
  'service-comes-and-goes': {
    weight: 2,
    draw: (draw, site) => forAWhile(draw, site, `services=${[...site.services, 'new'].join()}`, `services=${site.services.join()}`),
  },
  'schedule-changed': {
    weight: 2,
    draw: (draw, site) => ({
      begin: [via(draw, site, draw.pick(['interval=2s timeout=1s', 'interval=4s timeout=2s', 'interval=5s timeout=2s']))],
    }),
  },
  'holds-changed': {
    weight: 2,
    draw(draw, site) {
      const hold = `recoveryHold=${draw.pick([5, 15, 40])}s rampStep=${draw.pick([2, 5, 15])}s`;
      return { begin: [via(draw, site, `${hold} pacing=${draw.pick([10, 20, 60])}s flapWindow=${draw.pick([2, 10])}m`)] };
    },
  },
  // What is gray loses so many thousandths of its share.
  'gray-cut-changed': {
    weight: 2,
    draw: (draw, site) => ({ begin: [via(draw, site, `cut=${draw.pick([0, 300, 500, 900])}`)] }),
  },
  'all-down-changed': {
    weight: 1,
    draw: (draw, site) => ({ begin: [via(draw, site, `alldown=${draw.pick(['hold', 'configured'])}`)] }),
  },
  'steering-changed': {
    weight: 1,
    draw: (draw, site) => ({ begin: [via(draw, site, `steering=${draw.pick(['weighted', 'priority'])}`)] }),
  },
};
