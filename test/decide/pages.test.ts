// Pages of whole stories, as an adversarial review of November 2026 told them: what ends an outage for those who were paged, and what does not.
import { expect, test } from 'vitest';
import { actionOf, isOvertaken, threadsOf } from '../../src/paging/incidents.ts';
import { noticeOf } from '../../src/paging/message.ts';
import { clusterOf } from '../world.ts';
import { seated } from './council.ts';

const MIN = 60_000;

test('an order that ends within an outage does not end the outage', () => {
  const c = seated(clusterOf(['a', 'b', 'c'], [{}], {}));
  c.watch({ dead: ['b'] }, 30_000);
  c.order('d', 'drain', { region: 'b' }, 10 * MIN);
  c.watch({ dead: ['b'] }, 20 * MIN);
  const open = c.pages[0]!;
  expect([...c.incidents.values()].map((i) => i.closedAtMs)).toEqual([null]);
  expect(c.pages.filter((p) => p.dedupKey === open.dedupKey && actionOf(p) === 'resolve')).toEqual([]);
});

test('a region that is dead when its drain by a human ends: somebody is told', () => {
  const c = seated(clusterOf(['a', 'b', 'c'], [{}], {}));
  c.order('d', 'drain', { region: 'b' }, 10 * MIN);
  c.watch({}, 5 * MIN);
  c.watch({ dead: ['b'] }, 30 * MIN);
  expect(c.pages.filter((p) => actionOf(p) === 'trigger').length).toBeGreaterThan(0);
});

test('advise: region.down does not say that traffic has left', () => {
  const c = seated(clusterOf(['a', 'b', 'c'], [{ mode: 'advise' }], {}));
  c.see({ unready: ['b'] });
  c.watch({ unready: ['b'] }, 30_000);
  c.watch({ dead: ['b'] }, 30_000);
  const texts = c.pages.map((p) => noticeOf(p, { cluster: 't', baseUrl: null }).headline);
  c.watch({}, 30 * MIN);
  expect(texts.join()).not.toContain('its traffic has left already');
});

test('config reload that removes the service: the end of what was told is told', () => {
  const c = seated(clusterOf(['a', 'b', 'c'], [{}, { name: 'api' }], {}));
  c.watch({ dead: ['b'] }, 30_000);
  c.cluster = clusterOf(['a', 'b', 'c'], [{ mode: 'observe' }, { name: 'api', mode: 'observe' }], {});
  c.watch({ dead: ['b'] }, 60_000);
  c.watch({}, 30 * MIN);
  expect(c.pages.some((p) => p.type === 'incident.resolved')).toBe(true);
});
test('a service is removed', () => {
  const c = seated(clusterOf(['a', 'b', 'c'], [{}], {}));
  c.watch({ dead: ['b'] }, 30_000);
  c.cluster = clusterOf(['a', 'b', 'c'], [{ name: 'other' }], {});
  c.watch({}, 30 * MIN);
  expect(c.pages.some((p) => p.type === 'incident.resolved')).toBe(true);
});
test('unready within the hold: nobody is told that the region is back', () => {
  const c = seated(clusterOf(['a', 'b', 'c'], [{}], {}));
  c.watch({ dead: ['b'] }, 30_000);
  for (let n = 0; n < 3600 && [...c.incidents.values()].some((i) => i.closedAtMs === null); n++) c.see({}, 500);
  c.watch({}, 60_000);
  c.watch({ unready: ['b'] }, 60_000);
  const end = c.pages.find((p) => p.type === 'incident.resolved')!;
  expect(isOvertaken(end, threadsOf(c.pages, c.nowMs).get(end.dedupKey))).toBe(true);
});
