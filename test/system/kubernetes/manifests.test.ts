// What deploy/kubernetes says, as kustomize renders it: that its parts fit one another, and what it says of Tidegate's own files. Taken by a real API server in
// admission.test.ts. `npm run test:system -- kubernetes`.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { examineConfig } from '../../../src/config/files.ts';
import { filesNamed } from '../../../src/config/named-files.ts';
import { STOP_MS } from '../../../src/serve.ts';
import { workDir } from '../server.ts';
import {
  isEmpty,
  MANIFESTS,
  type Manifest,
  OVERLAYS,
  ofKind,
  only,
  ROOT,
  render,
  secretFilesOf,
  selects,
  workload,
  workloadsIn,
} from './manifests.ts';

/** The first run builds kustomize. */
const RENDER_MS = 10 * 60_000;
const read = (...path: readonly string[]): string => readFileSync(join(ROOT, ...path), 'utf8');

const rendered = new Map<string, readonly Manifest[]>();
const objectsOf = (folder: string): readonly Manifest[] => {
  const all = rendered.get(folder) ?? render(join(MANIFESTS, folder));
  rendered.set(folder, all);
  return all;
};
const overlay = (name: string): readonly Manifest[] => objectsOf(`overlays/${name}`);

/** The file that the pods of an overlay read, as text. */
const configOf = (all: readonly Manifest[]): string => {
  const volume = workload(all, 'tidegate').template.spec.volumes?.find(({ configMap }) => configMap !== undefined);
  return only(all, 'ConfigMap', volume?.configMap?.name ?? '').data?.['replica.yaml'] ?? '';
};

const selectorsOf = (manifest: Manifest) => {
  const { spec = {}, kind } = manifest;
  if (kind === 'Service') return [{ matchLabels: spec.selector as unknown as Record<string, string> }];
  return [spec.selector, spec.podSelector].flatMap((selector) => selector ?? []);
};

const FOLDERS = [...OVERLAYS.map((name) => `overlays/${name}`), 'workers'];

describe.each(FOLDERS)('%s', { timeout: RENDER_MS }, (folder) => {
  test('every selector selects pods that are there, by the ports that they have', () => {
    const all = objectsOf(folder);
    const pods = workloadsIn(all);
    for (const manifest of ofKind(all, 'Service', 'PodDisruptionBudget', 'NetworkPolicy', 'StatefulSet', 'Deployment')) {
      const [selector] = selectorsOf(manifest);
      const of = `${manifest.kind} ${manifest.metadata.name}`;
      if (selector === undefined) throw new Error(`${of} has no selector`);
      const found = pods.filter(({ template }) => selects(selector, template.metadata.labels));
      expect(found.length, of).toBeGreaterThan(0);
      if (manifest.kind !== 'NetworkPolicy') expect([found.length, isEmpty(selector)], of).toEqual([1, false]);
      const ports = found.flatMap(({ container }) => container.ports ?? []);
      for (const { targetPort } of manifest.kind === 'Service' ? (manifest.spec?.ports ?? []) : [])
        expect(
          ports.map(({ name }) => name),
          of,
        ).toContain(targetPort);
      for (const { port } of (manifest.spec?.ingress ?? []).flatMap((rule) => rule.ports ?? []))
        expect(
          ports.flatMap(({ name, containerPort }) => [name, containerPort]),
          of,
        ).toContain(port);
      const peers = [...(manifest.spec?.ingress ?? []), ...(manifest.spec?.egress ?? [])].flatMap(({ from = [], to = [] }) => [
        ...from,
        ...to,
      ]);
      for (const { podSelector, namespaceSelector } of peers)
        if (podSelector !== undefined && namespaceSelector === undefined)
          expect(
            pods.some(({ template }) => selects(podSelector, template.metadata.labels)),
            `a peer of ${of}`,
          ).toBe(true);
    }
  });

  test('every pod is guarded: a policy of its own, and a budget where it matters', () => {
    const all = objectsOf(folder);
    for (const { name, manifest, template } of workloadsIn(all)) {
      const guarding = (kind: string) =>
        ofKind(all, kind).filter((guard) =>
          selectorsOf(guard).some((selector) => !isEmpty(selector) && selects(selector, template.metadata.labels)),
        );
      expect(guarding('NetworkPolicy').length, name).toBeGreaterThan(0);
      if (manifest.kind !== 'Job' && name !== 'redis') expect(guarding('PodDisruptionBudget'), name).toHaveLength(1);
    }
  });

  test('no policy lets a pod reach what gives out credentials of its machine', () => {
    const blocks = ofKind(objectsOf(folder), 'NetworkPolicy').flatMap(({ spec }) =>
      (spec?.egress ?? []).flatMap(({ to }) => to?.flatMap(({ ipBlock }) => ipBlock ?? []) ?? [{ cidr: 'anywhere' }]),
    );
    const wide = blocks.filter(({ cidr }) => cidr !== '169.254.20.10/32');
    expect(wide.length).toBeGreaterThan(0);
    for (const { cidr, except = [] } of wide as { cidr: string; except?: readonly string[] }[])
      expect(except, cidr).toEqual(expect.arrayContaining(cidr === '::/0' ? ['fd00:ec2::/32', 'fe80::/10'] : ['169.254.0.0/16']));
  });

  test('every mount has its volume, every volume its mount, every ConfigMap its content; nothing but the state is written', () => {
    const all = objectsOf(folder);
    for (const { name, manifest, template, container } of workloadsIn(all)) {
      const claims = (manifest.spec?.volumeClaimTemplates ?? []).map((claim) => claim.metadata.name);
      const volumes = template.spec.volumes ?? [];
      expect((container.volumeMounts ?? []).map((mount) => mount.name).sort(), name).toEqual(
        [...claims, ...volumes.map((volume) => volume.name)].sort(),
      );
      const maps = [
        ...volumes.flatMap(({ configMap }) => configMap ?? []),
        ...(container.envFrom ?? []).flatMap(({ configMapRef }) => configMapRef ?? []),
      ];
      for (const map of maps) expect(Object.keys(only(all, 'ConfigMap', map.name).data ?? {}).length, map.name).toBeGreaterThan(0);
      for (const { projected, ...volume } of volumes)
        if (projected !== undefined) expect([volume.name, projected.defaultMode]).toEqual([volume.name, 0o400]);
      const readOnly = (container.volumeMounts ?? []).filter(({ name: of }) =>
        volumes.some((volume) => volume.name === of && volume.emptyDir === undefined),
      );
      expect(
        readOnly.every((mount) => mount.readOnly === true),
        name,
      ).toBe(true);
    }
  });

  test('images are pinned, resources asked for, tokens of accounts left out, and nothing grants anything', () => {
    const all = objectsOf(folder);
    for (const { name, template, container } of workloadsIn(all)) {
      expect(container.image, name).toMatch(/^[\w.-]+\/[\w./-]+:v?\d[\w.-]+$/);
      expect(Object.keys(container.resources?.requests ?? {}), name).toEqual(expect.arrayContaining(['cpu', 'memory']));
      // A process that is held back answers late, and a late look is no look.
      expect(container.resources?.limits, name).toMatchObject({ memory: expect.any(String) });
      expect(container.resources?.limits, name).not.toHaveProperty('cpu');
      const { serviceAccountName = '', automountServiceAccountToken, volumes = [] } = template.spec;
      expect(
        [
          automountServiceAccountToken,
          volumes.flatMap(({ projected }) => projected?.sources ?? []).some((each) => 'serviceAccountToken' in each),
        ],
        name,
      ).toEqual([false, false]);
      expect(only(all, 'ServiceAccount', serviceAccountName)).toMatchObject({ automountServiceAccountToken: false });
    }
    expect(ofKind(all, 'Role', 'ClusterRole', 'RoleBinding', 'ClusterRoleBinding', 'Secret')).toEqual([]);
  });
});

describe.each(OVERLAYS)('the replicas of %s', { timeout: RENDER_MS }, (region) => {
  test('have a file that check accepts, as check is run, and that is about this region', () => {
    const dir = workDir('manifests');
    try {
      writeFileSync(join(dir, 'replica.yaml'), configOf(overlay(region)));
      const loaded = examineConfig(join(dir, 'replica.yaml'));
      if (!loaded.ok) throw new Error(loaded.problems.map(({ path, message }) => `${path} ${message}`).join('\n'));
      const { config, warnings } = loaded;
      // Files that only pods have, and nothing else.
      expect(warnings.filter(({ message }) => !message.startsWith('found no file /etc/tidegate/secrets/'))).toEqual([]);
      expect(config).toMatchObject({ region, store: { kind: 'etcd' } });
      expect(Object.keys(config.providers)).toEqual(region === 'witness' ? [] : ['dns']);
      const { args, ports } = workload(overlay(region), 'tidegate').container;
      expect(args).toEqual(['serve', '--config', '/etc/tidegate/config/replica.yaml', '--replica', '$(POD_NAME)']);
      expect(ports).toEqual([{ name: 'api', containerPort: config.api.port }]);
      expect(config.api.host).toBe('0.0.0.0');
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });

  test('find every secret that their file names, and are given no other', () => {
    const replica = workload(overlay(region), 'tidegate');
    const named = filesNamed(parse(configOf(overlay(region))), []).map(({ file }) => file);
    const writable = '/var/lib/tidegate/';
    expect(named.filter((file) => !file.startsWith(writable)).sort()).toEqual(
      secretFilesOf(replica)
        .map(({ file }) => file)
        .sort(),
    );
    expect(named.filter((file) => file.startsWith(writable))).toHaveLength(1);
    expect(secretFilesOf(replica).some(({ secret }) => secret === 'tidegate-provider')).toBe(region !== 'witness');
  });

  test('are asked for their process alone, stop in the time they are given, and are replaced one by one', () => {
    const all = overlay(region);
    const { manifest, template, container } = workload(all, 'tidegate');
    const asked = (['startupProbe', 'livenessProbe', 'readinessProbe'] as const).map((each) => container[each]?.httpGet);
    expect(asked).toEqual(['/healthz', '/healthz', '/readyz'].map((path) => ({ path, port: 'api', scheme: 'HTTPS' })));
    expect((template.spec.terminationGracePeriodSeconds ?? 0) * 1000).toBeGreaterThanOrEqual(2 * STOP_MS);
    expect(manifest.spec).toMatchObject({
      updateStrategy: { type: 'RollingUpdate' },
      podManagementPolicy: 'Parallel',
      replicas: region === 'witness' ? 1 : 2,
    });
    expect(only(all, 'PodDisruptionBudget', 'tidegate').spec).toMatchObject({ maxUnavailable: 1 });
    expect(ofKind(all, 'HorizontalPodAutoscaler')).toEqual([]);
    const { version } = JSON.parse(read('package.json')) as { version: string };
    expect(container.image.split(':')[1]).toBe(version);
  });

  test('reach their own member of the store first, and all members agree on who they are', () => {
    const all = overlay(region);
    const config = parse(configOf(all)) as { store: { endpoints: readonly string[] } };
    const member = workload(all, 'etcd').container;
    const env = only(all, 'ConfigMap', member.envFrom?.[0]?.configMapRef?.name ?? '').data ?? {};
    const others = OVERLAYS.filter((each) => each !== region);
    expect(config.store.endpoints).toEqual([
      'https://etcd.tidegate.svc.cluster.local:2379',
      ...others.map((each) => `https://etcd-${each}.example.net:2379`),
    ]);
    expect(env).toEqual({
      ETCD_NAME: region,
      ETCD_ADVERTISE_CLIENT_URLS: `https://etcd-${region}.example.net:2379`,
      ETCD_INITIAL_ADVERTISE_PEER_URLS: `https://etcd-${region}.example.net:2380`,
      ETCD_INITIAL_CLUSTER: OVERLAYS.map((each) => `${each}=https://etcd-${each}.example.net:2380`).join(','),
      ETCD_INITIAL_CLUSTER_TOKEN: 'tidegate-prod-1',
      ETCD_INITIAL_CLUSTER_STATE: 'new',
    });
    const blocks = (only(all, 'NetworkPolicy', 'etcd-from-elsewhere').spec?.ingress ?? []).flatMap(({ from = [] }) =>
      from.map(({ ipBlock }) => ipBlock?.cidr),
    );
    expect(blocks).toHaveLength(2);
    expect(only(all, 'Service', 'etcd-public').spec?.loadBalancerSourceRanges).toEqual(blocks);
  });
});

describe('beyond one overlay', { timeout: RENDER_MS }, () => {
  test('a change of the file makes other pods, and a change of nothing the same ones', () => {
    const dir = workDir('manifests');
    try {
      cpSync(MANIFESTS, join(dir, 'kubernetes'), { recursive: true });
      const folder = join(dir, 'kubernetes/overlays/eu-west');
      const templateOf = (all: readonly Manifest[]) => workload(all, 'tidegate').template;
      expect(templateOf(render(folder))).toEqual(templateOf(overlay('eu-west')));
      const file = join(folder, 'replica.yaml');
      writeFileSync(file, readFileSync(file, 'utf8').replace('timeout: 1500ms', 'timeout: 2500ms'));
      const changed = render(folder);
      expect(templateOf(changed)).not.toEqual(templateOf(overlay('eu-west')));
      expect(workload(changed, 'etcd').template).toEqual(workload(overlay('eu-west'), 'etcd').template);
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });

  test('where runbooks act, the kubeconfigs that the file names are mounted too, and may be missing', () => {
    const dir = workDir('manifests');
    try {
      cpSync(MANIFESTS, join(dir, 'kubernetes'), { recursive: true });
      const folder = join(dir, 'kubernetes/overlays/eu-west');
      // As the two files say themselves: take the sign of a comment away.
      const edit = (file: string, from: RegExp, to: string): void => {
        const text = readFileSync(join(folder, file), 'utf8');
        expect(text).toMatch(from);
        writeFileSync(join(folder, file), text.replace(from, to));
      };
      edit('kustomization.yaml', /# - (\.\.\/\.\.\/components\/runbook)/, '- $1');
      edit('replica.yaml', /# systems:\n# {3}(.*)\n# {3}(.*)\n/, 'systems:\n  $1\n  $2\n');
      const all = render(folder);
      writeFileSync(join(dir, 'replica.yaml'), configOf(all));
      expect(examineConfig(join(dir, 'replica.yaml'))).toMatchObject({
        ok: true,
        config: { systems: { 'kube-eu': { kind: 'kubernetes' } } },
      });
      const replica = workload(all, 'tidegate');
      const named = filesNamed(parse(configOf(all)), []).map(({ file }) => file);
      expect(named.filter((file) => file.startsWith('/etc/')).sort()).toEqual(
        secretFilesOf(replica)
          .map(({ file }) => file)
          .sort(),
      );
      const sources = replica.template.spec.volumes?.flatMap(({ projected }) => projected?.sources ?? []) ?? [];
      expect(sources.filter(({ secret }) => secret?.optional === true).map(({ secret }) => secret?.name)).toEqual(['tidegate-systems']);
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });

  test('the store and the queue can both be elsewhere', () => {
    const dir = workDir('manifests');
    try {
      cpSync(MANIFESTS, join(dir, 'kubernetes'), { recursive: true });
      const file = join(dir, 'kubernetes/overlays/eu-west/kustomization.yaml');
      const text = readFileSync(file, 'utf8');
      writeFileSync(
        file,
        text
          .replace(/ {2}- \.\.\/\.\.\/components\/(etcd|redis).*\n/g, '')
          .replace(/ {2}- peers\.yaml\n/, '')
          .replace(/ {2}- name: etcd-member\n {4}envs.*\n/, ''),
      );
      const all = render(join(dir, 'kubernetes/overlays/eu-west'));
      expect(workloadsIn(all).map(({ name }) => name)).toEqual(['tidegate']);
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });

  test('members run with the flags that deploy/etcd/README.md gives', () => {
    const block = /etcd --name[\s\S]*?\n\n/.exec(read('deploy/etcd/README.md'))?.[0] ?? '';
    const flags = new Map([...block.matchAll(/--([a-z-]+)(?:[ =](?!--)([^\s\\]+))?/g)].map((m) => [m[1] ?? '', m[2] ?? '']));
    const { args = [] } = workload(overlay('eu-west'), 'etcd').container;
    const given = new Map(
      args.map((arg) => arg.replace(/^--/, '').split('=') as [string, string?]).map(([name, value = '']) => [name, value]),
    );
    const own = [
      'name',
      'advertise-client-urls',
      'initial-advertise-peer-urls',
      'initial-cluster',
      'initial-cluster-token',
      'initial-cluster-state',
    ];
    expect(flags.size).toBeGreaterThan(own.length + 15);
    for (const [name, value] of flags) if (!own.includes(name)) expect(`${name}=${given.get(name)}`).toBe(`${name}=${value}`);
    expect([...given.keys()].filter((name) => !flags.has(name))).toEqual(['listen-metrics-urls', 'peer-skip-client-san-verification']);
  });

  test('the manual makes every Secret with every key that pods mount', () => {
    const manual = read('deploy/README.md');
    const made = new Map<string, Set<string>>();
    for (const [, name = '', rest = ''] of manual.matchAll(/create secret generic ([\w-]+)((?:[^\n]*\\\n)*[^\n]*)/g)) {
      const keys = [...rest.matchAll(/--from-(?:file|literal)=([\w.-]+)=/g)].map((m) => m[1] ?? '');
      made.set(name, new Set([...(made.get(name) ?? []), ...keys]));
    }
    const wanted = OVERLAYS.flatMap((name) => workloadsIn(overlay(name)).flatMap(secretFilesOf));
    for (const { secret, key } of wanted) expect([...(made.get(secret) ?? [])], secret).toContain(key);
    const mounted = new Set(wanted.map(({ secret, key }) => `${secret}/${key}`));
    const systems = [...made].flatMap(([name, keys]) => [...keys].map((key) => `${name}/${key}`)).filter((each) => !mounted.has(each));
    expect(systems.sort()).toEqual(['tidegate-systems/eu-west.kubeconfig', 'tidegate-systems/us-east.kubeconfig']);
  });

  test('a real Redis runs with its file, refuses strangers, and would rather refuse than forget', () => {
    const all = overlay('eu-west');
    const dir = workDir('redis');
    try {
      mkdirSync(join(dir, 'secrets'));
      writeFileSync(join(dir, 'secrets/users.acl'), 'user default on >s3cret-of-redis ~* &* +@all\n');
      const volume = workload(all, 'redis').template.spec.volumes?.find(({ name }) => name === 'config');
      const text = only(all, 'ConfigMap', volume?.configMap?.name ?? '').data?.['redis.conf'] ?? '';
      writeFileSync(
        join(dir, 'redis.conf'),
        text.replace('/etc/redis/secrets', join(dir, 'secrets')).replace('port 6379', `port 0\nunixsocket ${join(dir, 's')}`),
      );
      const script = `redis-server ${join(dir, 'redis.conf')} >${join(dir, 'log')} & trap "kill $!" EXIT
        ask() { redis-cli -s ${join(dir, 's')} "$@" 2>&1; }
        for i in $(seq 100); do ask ping >/dev/null && break; sleep 0.05; done
        ask ping; REDISCLI_AUTH=s3cret-of-redis ask config get maxmemory-policy; REDISCLI_AUTH=s3cret-of-redis ask config get maxmemory`;
      expect(execFileSync('bash', ['-c', script], { encoding: 'utf8' }).split(/\n+/).slice(0, -1), basename(dir)).toEqual([
        expect.stringContaining('NOAUTH'),
        'maxmemory-policy',
        'noeviction',
        'maxmemory',
        String(192 * 1024 * 1024),
      ]);
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });
});
