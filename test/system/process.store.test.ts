// The store out of reach, or its disk full: what is cannot be changed, everybody says so, and it goes on when the store does.
import { expect, test } from 'vitest';
import { startCluster } from './cluster.ts';
import { REGIONS } from './cluster-config.ts';
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
  for (const self of await selves()) expect(self?.because).not.toBe('');
  for (const self of (await selves()).slice(1)) expect(self).toMatchObject({ canVote: false, because: expect.stringContaining('store') });

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
