// Regions of production code whose store loses its majority while one of them dies: what each pages by itself, and what becomes of it when the store is
// back and a decision drains the dead region.
import { expect, test } from 'vitest';
import { memoryDisk } from '../../src/disk.ts';
import type { Page } from '../../src/model.ts';
import type { Notice } from '../../src/paging/channel.ts';
import { createDirectPages } from '../../src/paging/direct.ts';
import { openSpool } from '../../src/paging/spool.ts';
import { clusterOf, silentLog, World } from '../world.ts';
import { noticed, scripted } from './fixture.ts';

test('a region dies while nobody has a store: the others page it, each under its own key, with the command, then its incident takes over', async () => {
  const regions = ['ap', 'eu', 'us'];
  const decisions: string[] = [];
  const world = new World(
    { cluster: clusterOf(regions, [{}]) },
    { decision: (_at, routing) => void decisions.push(`${routing.v} ${routing.because}`) },
  );
  await world.start();
  await world.run(30_000);
  const channels = new Map(regions.map((region) => [region, scripted('oncall', world.virtual.now)]));
  const pages = new Map<string, Page>();
  const direct = await Promise.all(
    regions.map(async (region) => {
      const { ports } = world.process(region)!;
      const { coordinator, vantage } = world.replica(region)!;
      let sight = coordinator.lastSight();
      let seenAtMs = ports.clock.monoMs();
      const look = (): void => {
        if (coordinator.lastSight() !== sight) seenAtMs = ports.clock.monoMs();
        sight = coordinator.lastSight();
        ports.timers.after(250, look);
      };
      look();
      const oncall = channels.get(region)!;
      const remember = {
        ...oncall,
        deliver: (notice: Notice, signal: AbortSignal) => {
          pages.set(notice.page.id, notice.page);
          return oncall.deliver(notice, signal);
        },
      };
      return createDirectPages({
        ports,
        log: silentLog,
        channels: [remember],
        noticeOf: noticed,
        spool: await openSpool({ disk: memoryDisk(), ports, log: silentLog }),
        region,
        replica: 'a',
        store: world.store,
        storeAgeMs: () => ports.clock.monoMs() - seenAtMs,
        belief: () => vantage.vote(),
        cluster: () => coordinator.lastSight()?.cluster ?? null,
        routing: () => coordinator.lastSight()?.routing ?? null,
        nowMs: () => coordinator.nowMs(),
      });
    }),
  );
  for (const region of regions) world.cut(region, true);
  await world.run(5_000);
  world.health('eu', ['healthz', 'readyz'], 'refuse');
  const before = decisions.length;
  await world.run(60_000);
  expect(decisions).toHaveLength(before);
  for (const region of regions) {
    const told = channels.get(region)!.told.map(({ id }) => pages.get(id)!);
    expect(told.map(({ dedupKey, type }) => `${type} ${dedupKey}`)).toEqual([
      `store.lost direct-test-${region}-store`,
      `belief.down direct-test-${region}-down-eu`,
    ]);
    expect(told[1]?.summary).toContain(`${region}/a: we alone see eu down (both endpoints of 1 of 1 target`);
    expect(told[1]?.summary).toMatch(/tidegate route set --break-glass .*eu=0/);
  }
  for (const region of regions) world.cut(region, false);
  await world.run(60_000);
  expect(decisions.slice(before).join('\n')).toContain('eu down');
  const { kvs } = await world.store.get({ prefixes: ['outbox/'] });
  const adopted = kvs.map(({ value }) => value as Page).filter(({ dedupKey }) => dedupKey.startsWith('direct-'));
  for (const region of regions) {
    const own = adopted.filter(({ id }) => id.startsWith(`${region}.`)).sort((a, b) => a.atMs - b.atMs);
    expect(own.map(({ type }) => type).sort()).toEqual(['belief.down', 'belief.handed_over', 'store.lost', 'store.resolved']);
    expect(own.find(({ type }) => type === 'belief.handed_over')?.summary).toMatch(
      /eu carries no traffic since decision v \d+: incident \d+-eu takes over/,
    );
  }
  await Promise.all([...direct.map((one) => one.close(0)), world.run(10)]);
  await world.close();
});
