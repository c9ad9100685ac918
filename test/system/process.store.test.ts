// The store out of reach, or its disk full: what is cannot be changed, everybody says so, and it goes on when the store does.
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startCluster } from './cluster.ts';
import { REGIONS } from './cluster-config.ts';
import { workDir } from './server.ts';
import { until } from './until.ts';

test('two replicas cut from the store: nothing moves although a region dies, all say so and stay ready, and vote again when it heals', {
  timeout: 180_000,
}, async () => {
  await using cluster = await startCluster();
  const before = await cluster.routing();
  const cut = ['us-east', 'ap-south'] as const;
  cluster.wire('us-east').store.blackhole();
  await cluster.wire('ap-south').store.cut();
  const selves = () => Promise.all(REGIONS.map(async (region) => (await cluster.replica(region).status())?.self));
  await until('everybody says that nothing can be decided', async () => (await selves()).every((self) => self?.canDecide === false));
  const [first, ...others] = await selves();
  expect(first?.because).not.toBe('');
  for (const self of others) expect(self).toMatchObject({ canVote: false, because: expect.stringMatching(/^the store has not/) });

  await cluster.killApp('ap-south');
  const sees = async (): Promise<boolean> => {
    const status = await cluster.replica('eu-west').status();
    return status?.services[0]?.pools[2]?.targets[0]?.endpoints.healthz?.ballots['eu-west'] === 'down';
  };
  await until('the one that is left sees the death', sees);
  for (const region of REGIONS) {
    for (const path of ['/healthz', '/readyz']) expect((await cluster.replica(region).get(path)).status, `${region} ${path}`).toBe(200);
  }
  expect((await cluster.routing()).services).toEqual(before.services);
  expect(await cluster.answers()).toEqual(REGIONS);

  for (const region of cut) await cluster.wire(region).store.heal();
  await cluster.untilServed('ap-south drained', (route) => route['ap-south'] === 0);
  await until('everybody can vote and decide again', async () =>
    (await selves()).every((self) => self?.canVote === true && self.canDecide && self.because === ''),
  );
  await cluster.expectSound();
});

test('the reply to a decision is lost: it is found in the store and published at once, not by the next routine look', {
  timeout: 120_000,
}, async () => {
  await using cluster = await startCluster({ coordinators: ['us-east', 'ap-south'] });
  const coordinator = await cluster.coordinator();
  const replica = cluster.replica(coordinator);
  await until('the publisher at rest until its next routine look', () => {
    const [written] = replica.lines('publish.acknowledged');
    return written !== undefined && Date.now() - Date.parse(String(written.time)) > 2500;
  });
  const { store } = cluster.wire(coordinator);
  store.loseReplies('"audit/');
  await cluster.killApp('eu-west');
  await until('the decision in the store', async () => (await cluster.route())['eu-west'] === 0);
  await store.heal();
  await cluster.untilServed('it', (route) => route['eu-west'] === 0, 15_000);
  expect(replica.lines('store.txn').filter(({ what, ambiguous }) => what === 'decide' && ambiguous === true).length).toBeGreaterThan(0);
  const last = (await cluster.routing()).v;
  const told = REGIONS.flatMap((region) => cluster.replica(region).lines('decision')).map(({ v }) => Number(v));
  expect(told.sort((a, b) => a - b)).toEqual(Array.from({ length: last }, (_, i) => i + 1));
  await cluster.expectSound();
});

/** Takes what is left of a disk. */
const fill = (file: string): void => {
  for (let bytes = 1 << 20; bytes >= 1; bytes = bytes === 4096 ? 1 : bytes >> 1)
    try {
      for (;;) writeFileSync(file, Buffer.alloc(bytes), { flag: 'a' });
    } catch {
      // This size does not fit any more: on with a smaller one.
    }
};

test('the disk under the store is full while a region dies: the decision waits, everybody lives and says so, and the drain follows', {
  timeout: 180_000,
}, async () => {
  // A disk of the first replica's own, in a mount namespace that ends with it.
  const disk = workDir('disk');
  await using stack = new AsyncDisposableStack();
  stack.defer(() => rmSync(disk, { recursive: true, force: true }));
  const own = process.getuid?.() === 0 ? ['-m'] : ['-U', '-r', '-m'];
  const mounted = 'mount -t tmpfs -o size=12m,mode=700 tidegate "$0" && exec "$@"';
  await using cluster = await startCluster({ storeFolder: disk, wrapFirst: ['unshare', ...own, 'sh', '-c', mounted, disk] });
  const before = await cluster.routing();
  const ballast = join(`/proc/${cluster.replica('eu-west').pid}/root`, disk, 'ballast');
  fill(ballast);
  await until('a refused write', () =>
    cluster
      .replica('eu-west')
      .lines('vantage.write')
      .some(({ because }) => String(because).includes('make space on its disk')),
  );
  await cluster.killRegion('ap-south');
  const left = ['eu-west', 'us-east'] as const;
  for (const region of left) {
    const says = async (): Promise<boolean> =>
      (await cluster.replica(region).status())?.self.because.startsWith('the store has not taken its vote') === true;
    await until(`${region} says that its votes are not taken`, says);
    expect((await cluster.replica(region).get('/readyz')).status).toBe(200);
  }
  expect((await cluster.routing()).v).toBe(before.v);
  expect(await cluster.answers()).toEqual(REGIONS);

  rmSync(ballast);
  await cluster.untilServed('the drain', (route) => route['ap-south'] === 0);
  await cluster.expectSound();
});
