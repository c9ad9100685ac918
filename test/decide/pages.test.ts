// Pages of whole stories, as an adversarial review of November 2026 told them: what ends an outage for those who were paged, and what does not.
import { expect, test } from 'vitest';
import { endpointKey, targetId } from '../../src/model.ts';
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

test('the end of a drain by a human has a key of its own, also while its region is down', () => {
  const c = seated(clusterOf(['a', 'b', 'c'], [{}], {}));
  c.watch({ dead: ['b'] }, 30_000);
  c.order('d', 'drain', { region: 'b' }, 10 * MIN);
  c.watch({ dead: ['b'] }, 20 * MIN);
  const [opened, ended] = ['region.drained', 'override.ended'].map((type) => c.pages.find((p) => p.type === type));
  expect(opened).toBeDefined();
  expect(ended?.dedupKey).toBe('tidegate/test/released-b');
});

test('an order of which it was told that it ends soon: the alert ends with it', () => {
  const c = seated(clusterOf(['a', 'b', 'c'], [{}], {}));
  c.order('f', 'freeze', { service: 'web' }, 20 * MIN, { breakGlass: true });
  c.watch({}, 16 * MIN);
  expect(threadsOf(c.pages, c.nowMs).get('tidegate/test/override-f')).toMatchObject({ state: 'firing', severity: 'warning' });
  c.watch({}, 5 * MIN);
  expect(c.pages.map((p) => p.type)).toEqual(['override.break_glass', 'override.expiring', 'override.expired']);
  expect(threadsOf(c.pages, c.nowMs).get('tidegate/test/override-f')).toMatchObject({ state: 'resolved' });
});

test('gray that ends while an outage of its region is open has a key of its own, and does not end the outage', () => {
  const c = seated(clusterOf(['a', 'b', 'c'], [{}], {}));
  c.see({ gray: ['b'] }, 500);
  c.watch({ dead: ['b'] }, 30_000);
  c.watch({}, 2 * MIN);
  const { dedupKey } = c.pages.find((p) => p.type === 'region.drained')!;
  expect(threadsOf(c.pages, c.nowMs).get(dedupKey)).toMatchObject({ state: 'firing' });
  expect(c.pages.filter((p) => p.type.startsWith('target.')).map((p) => [p.type, p.dedupKey])).toEqual([
    ['target.gray', 'tidegate/test/gray-b'],
    ['target.gray_over', 'tidegate/test/gray-b'],
  ]);
});

test('two gray services of a region are one alert, which ends with the last', () => {
  const c = seated(clusterOf(['a', 'b', 'c'], [{}, { name: 'api' }], {}));
  c.see({ gray: ['b'] }, 500);
  const says = { gray: [endpointKey(targetId('api', 'b', 'app'), 'readyz')] };
  c.see({ says: { a: says, b: says, c: says } }, 500);
  c.see({}, 500);
  expect(c.pages.map((p) => [p.type, actionOf(p), p.dedupKey])).toEqual([
    ['target.gray', 'trigger', 'tidegate/test/gray-b'],
    ['target.gray_less', 'change', 'tidegate/test/gray-b'],
    ['target.gray_over', 'resolve', 'tidegate/test/gray-b'],
  ]);
});

test('a region that is latched out is critical, be it only unready', () => {
  const c = seated(clusterOf(['a', 'b', 'c'], [{}], {}));
  for (let n = 0; n < 4; n++) {
    c.watch({ unready: ['b'] }, 30_000);
    if (n < 3) c.watch({}, 40 * MIN);
  }
  const drained = c.pages.filter((p) => p.type === 'region.drained');
  expect(drained.map((p) => [p.severity, p.summary.includes('latched out')])).toEqual([
    ['info', false],
    ['info', false],
    ['info', false],
    ['critical', true],
  ]);
});

test('a drill that is refused wakes nobody; an order that is refused asks who gave it', () => {
  for (const [drill, severity] of [
    [true, 'info'],
    [false, 'warning'],
  ] as const) {
    const c = seated(clusterOf(['a', 'b', 'c'], [{}], {}));
    for (const region of ['a', 'b', 'c']) c.order(`d-${region}`, 'drain', { region }, 10 * MIN, drill ? { drill } : {});
    c.watch({}, 10_000);
    expect(c.pages.filter((p) => p.type === 'override.refused').map((p) => p.severity)).toContain(severity);
    expect(c.pages.every((p) => !drill || p.severity === 'info')).toBe(true);
  }
});
