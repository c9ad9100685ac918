import { expect, test } from 'vitest';
import { goalFindings } from '../../src/config/arithmetic.ts';
import { checkDraft } from '../../src/config/check.ts';
import { policyOf } from '../../src/config/defaults.ts';
import { parseConfig } from '../../src/config/load.ts';
import { clusterOf, FAST_PACE, PACE, PLACES, regionFile, type Served } from '../../src/drill/scene.ts';

const APP = 8080;
const SERVED: Served = {
  anchors: ['tcp://127.0.0.1:7753', 'tcp://127.0.0.1:7720'],
  converge: { authoritative: ['127.0.0.1:7753'], request: { port: APP, path: '/' } },
  byAddress: true,
};
const PROVIDER = { kind: 'builtin', zone: 'example.test', control: '127.0.0.1:7720', tokenFile: 'dns.token' };
const DOORS = { 'eu-west': 21_001, 'us-east': 21_002, 'ap-south': 21_003 };
const REMOTE = { kind: 'remote', url: 'http://127.0.0.1:7710', tokenFile: 'store.token' };
const ETCD = {
  kind: 'etcd',
  endpoints: ['http://127.0.0.1:21001', 'http://127.0.0.1:21002'],
  prefix: '/tidegate/demo/',
  timeout: '1500ms',
};

test('the default demo has the default policy but for the hold and the steps', () => {
  const { policy } = clusterOf(PACE, APP, SERVED);
  expect(policy).toEqual({ ...policyOf({}), recoveryHoldMs: 10_000, rampStepMs: 10_000 });
  expect(policy.intervalMs).toBe(5000);
});

test('both paces are configurations that check would accept, goals included, with either store', () => {
  for (const pace of [PACE, FAST_PACE]) {
    const cluster = clusterOf(pace, APP, SERVED);
    expect(goalFindings(cluster)).toEqual([]);
    for (const entry of [REMOTE, ETCD])
      for (const { region } of PLACES) {
        const loaded = parseConfig(regionFile(region, DOORS, PROVIDER, entry), `/demo/${region}.yaml`);
        if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
        const { store, providers, paging } = loaded.config;
        expect(checkDraft({ region, cluster, store, signs: false, providers, paging, broken: () => false })).toEqual([]);
      }
  }
});

test('a region joins by its own file: secrets by name, nothing of the cluster in it', () => {
  const loaded = parseConfig(regionFile('eu-west', DOORS, PROVIDER, REMOTE), '/demo/eu-west.yaml');
  expect(loaded).toMatchObject({
    ok: true,
    config: {
      region: 'eu-west',
      cluster: null,
      api: { host: '127.0.0.1', port: 21_001, tokenFile: '/demo/operator.token' },
      store: { kind: 'remote', url: 'http://127.0.0.1:7710', tokenFile: '/demo/store.token' },
      // So that the page goes on when the region that one looks at is killed.
      dashboard: {
        peers: { 'eu-west': 'http://127.0.0.1:21001', 'us-east': 'http://127.0.0.1:21002', 'ap-south': 'http://127.0.0.1:21003' },
      },
    },
  });
});
