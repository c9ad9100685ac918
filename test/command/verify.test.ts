// `tidegate verify` over fakes of all that it looks at: a cluster, a user interface, a frontend of Temporal, and the production API for what was measured.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type VerifyOptions, verify } from '../../src/command/verify.ts';
import { loadConfig } from '../../src/config/load.ts';
import { shippedObjectives } from '../../src/config/objectives.ts';
import { KEYS } from '../../src/coordinate/keys.ts';
import { Fault } from '../../src/errors.ts';
import { matrixOf } from '../../src/objectives/matrix.ts';
import type { MeasuredBy } from '../../src/objectives/model.ts';
import { realPorts } from '../../src/ports.ts';
import type { PlatformConfig } from '../../src/runbook/platform.ts';
import { openEmbedded } from '../../src/store/embedded.ts';
import type { VerifyReport } from '../../src/verify/desk.ts';
import { cluster as apiCluster, NOW_MS, type Opened, openApi, viewOf } from '../api/fixture.ts';
import { by, cell } from '../objectives/fixture.ts';
import { kubeconfigText } from '../providers/kubernetes.fixture.ts';
import { type Front, startFront } from '../runbook/front.ts';
import { createFakeCluster, deploymentOf, type FakeCluster } from '../runbook/kubernetes/fake.ts';
import { described, type FakeFrontend, startFakeFrontend } from '../runbook/temporal/fake-frontend.ts';
import { desk } from './desk/desk.fixture.ts';

const TOKEN = 'tok-kube-0a1b2c3d4e5f';
const [EU, US] = ['eu-west', 'us-east'];

let folder: string;
let fake: FakeCluster;
let kube: Front;
let ui: Front;
let frontend: FakeFrontend;
let api: Opened;
let url: string;
let records: readonly MeasuredBy[];
let status: Record<string, number>;
let document: unknown;

const put = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text, { mode: 0o600 });
  return join(folder, name);
};

const platformText = `
  platforms:
    - name: shop
      model: active-hot
      regions: [eu-west, us-east]
      services: [web.example.test]
      fleets:
        - name: workers
          kind: workers
          sites:
            eu-west: { system: kube, namespace: prod, deployment: worker, replicas: 2, standby: 2 }
            us-east: { system: kube, namespace: prod, deployment: worker-us, replicas: 2, standby: 2 }
      namespaces:
        - name: orders
          system: { eu-west: temporal-eu, us-east: temporal-us }
          namespaces: [orders]
          places: { eu-west: eu, us-east: us }
      verify:
        migration: { namespace: prod, job: migrate, regions: [eu-west] }
        deployments:
          - name: ui
            sites: { eu-west: { system: kube, namespace: prod, deployment: ui } }
        checks: { eu-west: [ui-ready] }
        health: { systems: { eu-west: ui-health } }
`;

const clusterText = (): string => `cluster:
  name: fixture
  regions:
    - { name: eu-west, anchors: [tcp://192.0.2.1:53] }
    - { name: us-east, anchors: [tcp://192.0.2.1:53] }
    - { name: ap-south, anchors: [tcp://192.0.2.1:53] }
  services:
    - name: web.example.test
      provider: dns
      pools:
        - name: eu-west
          answers: [192.0.2.10]
          targets:
            - { name: app, healthz: '${ui.url}/healthz', readyz: '${ui.url}/readyz' }
        - name: us-east
          answers: [192.0.2.20]
          targets:
            - { name: app, healthz: '${ui.url}/healthz', readyz: '${ui.url}/readyz' }
${platformText}`;

const replicaText = (cluster: string): string => `region: eu-west
replica: a
api: { listen: '127.0.0.1:7700', tokenFile: ./operator.token }
store: { kind: embedded, file: ./store.sqlite }
providers:
  dns: { kind: builtin, zone: example.test, control: '127.0.0.1:7720', tokenFile: ./dns.token }
systems:
  kube: { kind: kubernetes, kubeconfigFile: ./kubeconfig }
  temporal-eu: { kind: temporal, address: '127.0.0.1:${frontend.port}' }
  temporal-us: { kind: temporal, address: '127.0.0.1:${frontend.port}' }
  ui-ready: { kind: http, url: '${ui.url}/readyz' }
  ui-health: { kind: http, url: '${ui.url}/api/health/detail' }
${cluster}`;

const platform = (): PlatformConfig => {
  const loaded = loadConfig(join(folder, 'replica.yaml'));
  const found = loaded.ok ? loaded.config.cluster?.platforms?.[0] : undefined;
  if (found === undefined)
    throw new Error(
      `there is no platform: ${loaded.ok ? '' : loaded.problems.map(({ path, message }) => `${path} ${message}`).join('; ')}`,
    );
  return found;
};

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tidegate-verify-'));
  fake = createFakeCluster(TOKEN);
  kube = await startFront((asked) => fake.answer(asked));
  [status, document] = [{}, { status: 'pass', llm: { active: 'openrouter' } }];
  ui = await startFront(({ path }) =>
    path === '/api/health/detail' ? { status: 200, json: document } : { status: status[path] ?? 200, text: '' },
  );
  frontend = await startFakeFrontend(null);
  frontend.answers.set('DescribeNamespace', () => described('eu', { namespaceInfo: { name: 'orders' } }));
  put('kubeconfig', kubeconfigText({ url: kube.url, token: TOKEN }));
  put('replica.yaml', replicaText(clusterText()));
  const well = { replicas: 2, ready: 2 };
  for (const name of ['worker', 'worker-us', 'ui']) fake.deployments.set(name, deploymentOf(well));
  fake.jobs.set('migrate', { succeeded: 1 });
  for (const name of ['worker', 'worker-us', 'ui']) {
    fake.autoscalers.push({ name, min: 2, max: 9, of: name });
    fake.budgets.push({ name, selector: { matchLabels: { app: name } } });
    fake.policies.push({ name, selector: { matchLabels: { app: name } } });
  }
  const reached = [EU, US].map((to) => cell({ objective: 'temporal-round-trip', of: 'orders', to, ms: 40 }));
  records = [EU, US].map((from) => by(from, reached, { atMs: NOW_MS }));
  platform();
  const measured = { matrices: async () => [matrixOf(platform(), shippedObjectives(), records, NOW_MS)] };
  api = openApi({ measured, view: viewOf({ cluster: () => ({ ...apiCluster, platforms: [platform()] }) }) });
  url = await api.app.listen({ host: '127.0.0.1', port: 0 });
});

afterEach(async () => {
  await api.close();
  await frontend[Symbol.asyncDispose]();
  for (const front of [kube, ui]) await front[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

interface Line {
  step: string;
  region: string;
  of: string;
  is: string;
  because: string;
  fix: string;
}

const ran = async (
  options: Partial<VerifyOptions> = {},
  context: Parameters<typeof verify>[2] = {},
  hears: (text: string) => void = () => undefined,
) => {
  const sat = desk();
  Object.assign(sat.console, { err: hears });
  const given = { config: join(folder, 'replica.yaml'), platform: 'shop', endpoint: [url], json: true, ...options };
  const code = await verify(given, sat.console, context).catch(
    (error: { code: string; message: string }) => `${error.code} ${error.message}`,
  );
  const lines = (): readonly Line[] => (JSON.parse(sat.out()) as { lines: readonly Line[] }).lines;
  return { code, out: sat.out(), lines, wrong: () => lines().filter(({ is }) => is !== 'ok') };
};

describe('tidegate verify', { timeout: 20_000 }, () => {
  test('a deployment that is out and works: every step is ok, in the order of the deployment', async () => {
    const { code, lines, wrong } = await ran();
    expect(wrong()).toEqual([]);
    expect(code).toBe(0);
    expect([...new Set(lines().map(({ step }) => step))]).toEqual(['migration', 'rollout', 'guards', 'health', 'namespaces', 'llm']);
    const of = (step: string) => lines().filter((line) => line.step === step);
    expect(of('migration').map(({ region }) => region)).toEqual([EU]);
    expect(of('rollout').map(({ region, of: what }) => `${region} ${what}`)).toEqual([
      `${EU} Deployment prod/ui`,
      `${EU} Deployment prod/worker`,
      `${US} Deployment prod/worker-us`,
    ]);
    expect(of('guards')).toHaveLength(9);
    expect(of('health')).toHaveLength(5);
    expect(of('namespaces').map(({ region, because }) => `${region}: ${because}`)).toEqual([
      expect.stringMatching(/^eu-west: temporal-eu describes it, in \d+ ms$/),
      'eu-west: eu-west reaches it: 40 ms to eu-west, 40 ms to us-east',
      'us-east: us-east reaches it: 40 ms to eu-west, 40 ms to us-east',
    ]);
  });

  test('a table for humans, with what to do about each thing that is not good', async () => {
    fake.jobs.set('migrate', { failed: 4, over: 'BackoffLimitExceeded' });
    fake.budgets.splice(0);
    const { code, out } = await ran({ json: false });
    expect(code).toBe(3);
    expect(out).toContain('✗ failed');
    expect(out).toContain('Job prod/migrate, eu-west: Job prod/migrate has failed: BackoffLimitExceeded');
    expect(out).toContain('    read its logs (kubectl -n prod logs job/migrate)');
    expect(out).toMatch(/\d+ of \d+ are as they should be\n$/);
    for (const line of out.split('\n')) expect(line.length, line).toBeLessThanOrEqual(80);
  });

  const WRONG: readonly (readonly [name: string, make: () => void, step: string, is: string, because: RegExp])[] = [
    ['no migration', () => fake.jobs.clear(), 'migration', 'failed', /there is no Job prod\/migrate/],
    [
      'a rollout under way',
      () => fake.deployments.set('ui', deploymentOf({ replicas: 2, ready: 2, updated: 1 })),
      'rollout',
      'waiting',
      /1 of 2 new/,
    ],
    ['no such Deployment', () => fake.deployments.delete('ui'), 'rollout guards', 'failed', /there is no Deployment prod\/ui/],
    ['an autoscaler of another', () => fake.autoscalers.splice(0), 'guards', 'failed', /no HorizontalPodAutoscaler targets/],
    [
      'a policy that selects nothing of it',
      () => fake.policies.splice(0, 9, { name: 'p', selector: { matchLabels: { app: 'x' } } }),
      'guards',
      'failed',
      /there are p, none/,
    ],
    ['what may not be looked at', () => fake.denied.add('networkpolicies'), 'guards', 'unknown', /must grant list networkpolicies/],
    ['a user interface that is not ready', () => Object.assign(status, { '/readyz': 503 }), 'health', 'failed', /503/],
    [
      'a namespace that is not there',
      () =>
        frontend.answers.set('DescribeNamespace', () =>
          Object.assign(new Error('no such namespace'), { code: 5, details: 'no such namespace' }),
        ),
      'namespaces',
      'failed',
      /NOT_FOUND/,
    ],
    [
      'a region that does not reach it',
      () =>
        (records = [
          by(
            EU,
            [EU, US].map((to) => cell({ objective: 'temporal-round-trip', of: 'orders', to })),
            { atMs: NOW_MS },
          ),
        ]),
      'namespaces',
      'unknown',
      /nobody in us-east/,
    ],
    ['no chain of providers', () => (document = { status: 'pass' }), 'llm', 'failed', /has no llm/],
    ['a health document that is none', () => (document = undefined), 'llm', 'unknown', /no JSON|nothing/],
  ];
  test.each(WRONG)('%s', async (_name, make, step, is, because) => {
    make();
    const { code, wrong } = await ran();
    expect(code).toBe(3);
    expect(new Set(wrong().map((line) => line.step))).toEqual(new Set(step.split(' ')));
    expect(wrong()[0]).toMatchObject({ is, because: expect.stringMatching(because), fix: expect.stringMatching(/.{10,}/) });
  });

  test('a Deployment that is scaled to nothing, unless its region is not the active one', async () => {
    const text = replicaText(clusterText()).replaceAll('replicas: 2, standby: 2', 'replicas: 2, standby: 0');
    put('replica.yaml', text.replace('model: active-hot', 'model: active-cold'));
    const none = deploymentOf({ replicas: 0, ready: 0 });
    fake.deployments.set('worker-us', none);
    expect((await ran()).wrong()).toEqual([]);
    fake.deployments.set('worker', none);
    const rollout = (lines: readonly Line[]) => lines.filter(({ step }) => step === 'rollout').map(({ region, is }) => `${region} ${is}`);
    expect(rollout((await ran()).wrong())).toEqual([`${EU} failed`]);
    expect(rollout((await ran({ endpoint: ['http://127.0.0.1:9'] })).wrong())).toEqual([`${EU} unknown`, `${US} unknown`]);
  });

  test('without an API that answers, what others measured is unknown, and never taken for good', async () => {
    const { code, wrong } = await ran({ endpoint: ['http://127.0.0.1:9'] });
    expect(code).toBe(3);
    expect(wrong().map(({ step, region, is }) => `${step} ${region} ${is}`)).toEqual([
      'namespaces eu-west unknown',
      'namespaces us-east unknown',
    ]);
  });

  test('one region', async () => {
    const { code, lines } = await ran({ region: US });
    expect(code).toBe(0);
    expect(new Set(lines().map(({ region }) => region))).toEqual(new Set([US]));
    expect((await ran({ region: 'ap-south' })).code).toMatch(/^ERR_USAGE --region ap-south: platform shop has eu-west, us-east/);
  });

  test('waits until all is good, and ends with 5 when it is not by then', async () => {
    const underWay = deploymentOf({ replicas: 2, ready: 2, updated: 1 });
    fake.deployments.set('ui', underWay);
    expect((await ran({ wait: '1ms' })).code).toBe(5);
    const heard: string[] = [];
    const done = await ran({ wait: '2m' }, { everyMs: 1 }, (text) => {
      heard.push(text);
      if (heard.length === 2) delete underWay.updated;
    });
    expect(done.code).toBe(0);
    expect(heard).toEqual([
      expect.stringMatching(/^1 of \d+ not yet; 120 s left\n$/),
      expect.stringMatching(/^1 of \d+ not yet; \d+ s left\n$/),
    ]);
  });

  test('a file that is not accepted, a platform that is not there, and a cluster that the store holds', async () => {
    put('bad.yaml', 'region: 1\n');
    expect((await ran({ config: join(folder, 'bad.yaml') })).code).toBe(78);
    expect((await ran({ platform: 'elsewhere' })).code).toMatch(/^ERR_NOT_FOUND .*shop/);
    const loaded = loadConfig(join(folder, 'replica.yaml'));
    const members = loaded.ok ? loaded.config.cluster : null;
    put(
      'remote.yaml',
      replicaText('').replace(
        '{ kind: embedded, file: ./store.sqlite }',
        "{ kind: etcd, endpoints: ['http://127.0.0.1:2379'], prefix: /t/ }",
      ),
    );
    const store = openEmbedded({ file: ':memory:', ports: realPorts() });
    const open = async () => store;
    await store.txn({ if: [], then: [{ put: KEYS.members, value: members }] });
    expect((await ran({ config: join(folder, 'remote.yaml') }, { open })).code).toBe(0);
  });

  describe('by the replica that answers', () => {
    const lines = (is: Line['is']) => [
      { step: 'rollout', region: EU, of: 'Deployment prod/ui', is, because: `it is ${is}`, fix: is === 'ok' ? '' : 'wait' },
    ];
    const reportOf = (is: 'ok' | 'waiting'): VerifyReport =>
      ({
        platform: 'shop',
        outcome: is === 'ok' ? 'good' : 'not-good',
        by: { region: EU, replica: 'a' },
        atMs: NOW_MS,
        lines: lines(is),
      }) as VerifyReport;
    let answers: (() => VerifyReport)[];
    let there: Opened;
    let at: string;
    beforeEach(async () => {
      answers = [];
      const next = async (): Promise<VerifyReport> => (answers.length > 1 ? answers.shift() : answers[0])!();
      there = openApi({ verify: { verify: next }, view: viewOf({ cluster: () => ({ ...apiCluster, platforms: [platform()] }) }) });
      at = await there.app.listen({ host: '127.0.0.1', port: 0 });
    });
    afterEach(() => there.close());
    const asked = async (given: Partial<VerifyOptions> = {}, context: Parameters<typeof verify>[2] = {}) => {
      const sat = desk();
      const code = await verify({ platform: 'shop', endpoint: [at], json: true, ...given }, sat.console, context).catch(
        (error: { code: string; message: string }) => `${error.code} ${error.message}`,
      );
      return { code, out: sat.out() };
    };

    test('the same lines, as JSON with who looked, and as a table', async () => {
      answers = [() => reportOf('ok')];
      const good = await asked();
      expect(good.code).toBe(0);
      expect(JSON.parse(good.out)).toEqual({ ...reportOf('ok'), outcome: 'good' });
      answers = [() => reportOf('waiting')];
      const not = await asked({ json: false, region: EU });
      expect([not.code, not.out]).toEqual([3, expect.stringContaining('Deployment prod/ui, eu-west: it is waiting')]);
    });

    test('waits until all is good; one that is busy is asked again', async () => {
      const busy = (): VerifyReport => {
        throw new Fault('ERR_TOO_MANY', 'it looks at another deployment', { busyMs: 1000 });
      };
      answers = [busy, () => reportOf('waiting'), () => reportOf('ok')];
      expect((await asked({ wait: '1m' }, { everyMs: 1 })).code).toBe(0);
      answers = [() => reportOf('waiting')];
      expect((await asked({ wait: '1ms' })).code).toBe(5);
    });

    test('what is not there, and a region that is none, are told by the API', async () => {
      answers = [() => reportOf('ok')];
      expect((await asked({ platform: 'none' })).code).toMatch(/^ERR_NOT_FOUND .*shop/);
      expect((await asked({ region: 'ap-south' })).code).toMatch(/^ERR_BAD_REQUEST /);
    });
  });
});
