import { expect, test } from 'vitest';
import { goalFindings } from '../../src/config/arithmetic.ts';
import { checkDraft } from '../../src/config/check.ts';
import { policyOf } from '../../src/config/defaults.ts';
import { parseConfig } from '../../src/config/load.ts';
import { clusterOf, type Doors, FAST_PACE, PACE, PLACES, regionFile } from '../../src/drill/scene.ts';

const DOORS: Doors = { dns: 7753, control: 7720, app: 8080 };
const REMOTE = { kind: 'remote', url: 'http://127.0.0.1:7710', tokenFile: 'store.token' };
const ETCD = {
  kind: 'etcd',
  endpoints: ['http://127.0.0.1:21001', 'http://127.0.0.1:21002'],
  prefix: '/tidegate/demo/',
  timeout: '1500ms',
};

test('the default demo has the default policy but for the hold and the steps', () => {
  const { policy } = clusterOf(PACE, DOORS);
  expect(policy).toEqual({ ...policyOf({}), recoveryHoldMs: 10_000, rampStepMs: 10_000 });
  expect(policy.intervalMs).toBe(5000);
});

test('both paces are configurations that check would accept, goals included, with either store', () => {
  for (const pace of [PACE, FAST_PACE]) {
    const cluster = clusterOf(pace, DOORS);
    expect(goalFindings(cluster)).toEqual([]);
    for (const entry of [REMOTE, ETCD])
      for (const { region } of PLACES) {
        const loaded = parseConfig(regionFile(region, DOORS, entry), `/demo/${region}.yaml`);
        if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
        const { store, providers, paging } = loaded.config;
        expect(checkDraft({ region, cluster, store, signs: false, providers, paging, broken: () => false })).toEqual([]);
      }
  }
});

test('a region joins by its own file: secrets by name, nothing of the cluster in it', () => {
  const loaded = parseConfig(regionFile('eu-west', DOORS, REMOTE), '/demo/eu-west.yaml');
  expect(loaded).toMatchObject({
    ok: true,
    config: {
      region: 'eu-west',
      cluster: null,
      api: { host: '127.0.0.1', port: 0, tokenFile: '/demo/operator.token' },
      store: { kind: 'remote', url: 'http://127.0.0.1:7710', tokenFile: '/demo/store.token' },
    },
  });
});
