// A real kube-apiserver with RBAC and admission, on an etcd of its own, built from its released Go modules and kept (go-program.ts).
// No kubelet, no controller, no gateway: objects are kept, judged and guarded as in any cluster, and nothing acts on them.
import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Agent, fetch } from 'undici';
import { createAuthority } from '../../etcd-certificates.ts';
import { type EtcdCluster, startEtcd } from '../../etcd-server.ts';
import { freePort, runServer, workDir } from '../server.ts';
import { goProgram } from './go-program.ts';

const VERSION_PACKAGE = 'k8s.io/component-base/version';

/** The program; takes some seven minutes of two cores and 3 GB of disk the first time. */
const built = (): string =>
  goProgram({
    name: 'kube-apiserver',
    folder: 'kubernetes-build',
    module: 'k8s\\.io/kubernetes',
    flags(version) {
      const [, minor] = version.slice(1).split('.');
      return `-X ${VERSION_PACKAGE}.gitVersion=${version} -X ${VERSION_PACKAGE}.gitMajor=1 -X ${VERSION_PACKAGE}.gitMinor=${minor}`;
    },
  });

export interface ApiServer extends AsyncDisposable {
  url: string;
  caPem: string;
  /** A user of the group system:masters. */
  adminToken: string;
  /** Of the service account prod/tidegate, with no rights but those that a test grants. */
  tidegateToken: string;
  /** As the administrator unless a token says otherwise. Throws unless the status is 2xx. */
  call(method: string, path: string, body?: unknown, contentType?: string, token?: string): Promise<unknown>;
  signal(name: 'SIGSTOP' | 'SIGCONT'): void;
}

export const startApiServer = async (): Promise<ApiServer> => {
  const program = built();
  const etcd = await startEtcd();
  try {
    return await startOn(program, etcd);
  } catch (error) {
    await etcd.close();
    throw error;
  }
};

const startOn = async (program: string, etcd: EtcdCluster): Promise<ApiServer> => {
  const dir = workDir('kubernetes');
  const authority = createAuthority(dir);
  const [serving, accounts] = [authority.issue('kube-apiserver', ['IP:127.0.0.1']), authority.issue('service-accounts')];
  const port = await freePort();
  const [adminToken, tidegateToken] = [randomBytes(16).toString('hex'), randomBytes(16).toString('hex')];
  writeFileSync(
    join(dir, 'tokens.csv'),
    `${adminToken},admin,1,system:masters\n${tidegateToken},system:serviceaccount:prod:tidegate,2,system:serviceaccounts\n`,
  );
  const url = `https://127.0.0.1:${port}`;
  const agent = new Agent({ connect: { ca: authority.caPem } });
  const call: ApiServer['call'] = async (method, path, body, contentType = 'application/json', token = adminToken) => {
    const response = await fetch(`${url}${path}`, {
      method,
      dispatcher: agent,
      headers: { authorization: `Bearer ${token}`, 'content-type': contentType },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return text.startsWith('{') ? JSON.parse(text) : text;
  };
  mkdirSync(join(dir, 'certificates'));
  const server = await runServer({
    command: program,
    args: [
      `--etcd-servers=${etcd.endpoints.join(',')}`,
      '--bind-address=127.0.0.1',
      `--secure-port=${port}`,
      `--cert-dir=${join(dir, 'certificates')}`,
      `--tls-cert-file=${serving.certFile}`,
      `--tls-private-key-file=${serving.keyFile}`,
      '--authorization-mode=RBAC',
      `--token-auth-file=${join(dir, 'tokens.csv')}`,
      '--service-account-issuer=https://kubernetes.default.svc',
      `--service-account-key-file=${accounts.certFile}`,
      `--service-account-signing-key-file=${accounts.keyFile}`,
      '--service-cluster-ip-range=10.0.0.0/24',
      '--endpoint-reconciler-type=none',
    ],
    dir,
    logFile: join(dir, 'none'),
    answers: async () => (await call('GET', '/readyz')) === 'ok',
  });
  return {
    url,
    caPem: authority.caPem,
    adminToken,
    tidegateToken,
    call,
    signal: server.signal,
    async [Symbol.asyncDispose]() {
      await agent.destroy();
      await server[Symbol.asyncDispose]();
      await etcd.close();
    },
  };
};
