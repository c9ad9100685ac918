// A pod of deploy/kubernetes as a process: its arguments, its file, its secrets as the kubelet lays them (root's, readable by the pod's group), its user, a tree
// that cannot be written, and nothing of the world around: no store, no Redis, no names. `npm run test:system -- kubernetes`.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, closeSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { makeKey } from '../../../src/command/keygen.ts';
import { createHttp, type Http } from '../../../src/http.ts';
import { realPorts } from '../../../src/ports.ts';
import { type Authority, type Certificate, createAuthority } from '../../etcd-certificates.ts';
import { freePort, workDir } from '../server.ts';
import { until } from '../until.ts';
import { MANIFESTS, only, ROOT, render, secretFilesOf, type Workload, workload } from './manifests.ts';

const TEST_MS = 120_000;
/** Where the tree is mounted: a folder that is on every machine, and seen so by this process alone. */
const TREE = '/mnt';
const BASE_ARGS = ['--no-warnings', 'src/main.ts'];

let dir: string;
let port: number;
let authority: Authority;
/** Of the store's client and of the API: one will do for both. */
let certificate: Certificate;
let replica: Workload;
let http: Http;
let child: ChildProcess | null;

const at = (path: string): string => join(dir, path);
const log = (): string => readFileSync(at('log'), 'utf8');
const own = (what: 'runAsUser' | 'runAsGroup' | 'fsGroup'): number => Number(replica.template.spec.securityContext?.[what]);

/** Content of what each Secret has, by the key. Anything that is long enough will do for those that are only read. */
const contentOf = (key: string): string => {
  const known: Readonly<Record<string, () => string>> = {
    'ca.pem': () => authority.caPem,
    'client.pem': () => certificate.certPem,
    'client.key': () => certificate.keyPem,
    'api.pem': () => certificate.certPem,
    'api.key': () => certificate.keyPem,
    'signing.pem': () => {
      makeKey(at('signing.pem'));
      return readFileSync(at('signing.pem'), 'utf8');
    },
    'tsig.secret': () => Buffer.alloc(32, 7).toString('base64'),
  };
  return known[key]?.() ?? '0123456789abcdef0123456789abcdef';
};

/** The pod's files below `dir`, which stands for the root of the container. `mode`: as the kubelet leaves secrets that a group is to read. */
const lay = (mode: number): void => {
  const all = render(join(MANIFESTS, 'overlays/eu-west'));
  replica = workload(all, 'tidegate');
  const put = (path: string, text: string, fileMode: number): void => {
    mkdirSync(dirname(at(path)), { recursive: true });
    writeFileSync(at(path), text);
    chmodSync(at(path), fileMode);
    chownSync(at(path), 0, own('fsGroup'));
  };
  for (const { file, key } of secretFilesOf(replica)) put(file, contentOf(key), mode);
  const volume = replica.template.spec.volumes?.find(({ configMap }) => configMap !== undefined);
  const config = only(all, 'ConfigMap', volume?.configMap?.name ?? '').data?.['replica.yaml'] ?? '';
  const here = config.replaceAll(/\/(etc|var\/lib)\/tidegate/g, (path) => at(path)).replace('0.0.0.0:7700', `127.0.0.1:${port}`);
  put('etc/tidegate/config/replica.yaml', here, 0o644);
  mkdirSync(at('var/lib/tidegate'), { recursive: true });
  chownSync(at('var/lib/tidegate'), 0, own('fsGroup'));
  chmodSync(at('var/lib/tidegate'), 0o2777);
  chmodSync(dir, 0o755);
};

/** As the container is started: the user and group of the pod, no capabilities, nothing to gain, a tree that nobody writes. */
const start = (): ChildProcess => {
  const args = (replica.container.args ?? []).map((arg) => (arg.startsWith('/') ? at(arg) : arg.replace('$(POD_NAME)', 'tidegate-1')));
  const node = join(TREE, relative(ROOT, process.execPath));
  const asUser = `exec setpriv --reuid ${own('runAsUser')} --regid ${own('runAsGroup')} --groups ${own('fsGroup')} --no-new-privs --bounding-set=-all --inh-caps=-all "$@"`;
  const script = `mount --bind "$0" ${TREE} && mount -o remount,bind,ro ${TREE} && cd ${TREE} && ${asUser}`;
  const out = openSync(at('log'), 'a');
  const started = spawn(
    'unshare',
    ['--mount', 'sh', '-ec', script, ROOT, process.execPath.startsWith(ROOT) ? node : process.execPath, ...BASE_ARGS, ...args],
    {
      stdio: ['ignore', out, out],
      env: { PATH: process.env.PATH },
    },
  );
  closeSync(out);
  return started;
};

const ask = async (path: string): Promise<number> => {
  const response = await http.fetch(`https://127.0.0.1:${port}${path}`, { signal: AbortSignal.timeout(5000) });
  await response.text();
  return response.status;
};

beforeEach(async () => {
  dir = workDir('pod');
  port = await freePort();
  authority = createAuthority(dir);
  certificate = authority.issue('eu-west', ['IP:127.0.0.1']);
  child = null;
  http = createHttp({
    ports: realPorts(),
    resolve: async () => ({ addresses: ['127.0.0.1'], stale: null, ageMs: 0 }),
    caPem: authority.caPem,
  });
});

afterEach(async () => {
  if (child !== null && child.exitCode === null && child.signalCode === null) {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  await http.close();
  rmSync(dir, { recursive: true, force: true });
});

describe("the pod's process", { timeout: TEST_MS }, () => {
  test('starts, is alive and ready with nothing around it, under its own name, and stops within its grace', async () => {
    lay(0o440);
    child = start();
    const ended = once(child, 'exit').then(([code]) => {
      throw new Error(`it ended with ${code}\n${log()}`);
    });
    await Promise.race([until('it to be alive', async () => (await ask('/healthz')) === 200), ended]);
    ended.catch(() => undefined);
    expect(await ask('/readyz')).toBe(200);
    expect(log()).toContain('"replica":"tidegate-1"');
    const endedAt = once(child, 'exit');
    const startedMs = performance.now();
    child.kill('SIGTERM');
    expect(await endedAt).toEqual([0, null]);
    expect(performance.now() - startedMs).toBeLessThan((replica.template.spec.terminationGracePeriodSeconds ?? 0) * 1000);
  });

  test('takes no secret that everybody can read', async () => {
    lay(0o444);
    child = start();
    expect(await once(child, 'exit')).not.toEqual([0, null]);
    expect(log()).toMatch(/ERR_SECRET.*other users can read it \(mode 444\)/);
  });
});
