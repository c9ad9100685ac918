// Worlds of managed.failover: fakes of the two vendors' APIs, written after their published shapes. Aurora's is read by the vendor's own library; Cloud SQL's
// instances and operations are plain JSON.
import { generateKeyPairSync } from 'node:crypto';
import type { StepWorld } from '../../contract/step.contract.ts';
import { type Asked, type Said, startFront } from '../front.ts';

export const ARN = (region: string): string => `arn:aws:rds:${region}:111122223333:cluster:orders-${region}`;
const SECRET = 'wJalrXUtnFEMI/K7MDENG/of-a-fake';
const FILE = '/secrets/aws';
const NS = 'http://rds.amazonaws.com/doc/2014-10-31/';

/** What the API answers beside success. */
export type Refusal = { status: number; code: string };

export interface AuroraWorld extends StepWorld<'managed.failover'> {
  /** As the calls that move it were sent. */
  readonly moves: readonly URLSearchParams[];
  /** The vendor is at it. */
  begin(status: string, to: string): void;
  refuses(refusal: Refusal | null): void;
  /** Of the cluster that is to be activated. */
  resyncs(): void;
}

export const startAuroraWorld = async (lossy = false): Promise<AuroraWorld> => {
  let writer = ARN('eu-west-1');
  let under: { status: string; to: string } | null = null;
  let refusal: Refusal | null = null;
  let isStale = false;
  const moves: URLSearchParams[] = [];
  const member = (arn: string): string =>
    `<GlobalClusterMember><DBClusterArn>${arn}</DBClusterArn><IsWriter>${arn === writer}</IsWriter><SynchronizationStatus>${isStale && arn !== writer ? 'pending-resync' : 'connected'}</SynchronizationStatus></GlobalClusterMember>`;
  const state = (): string =>
    under === null ? '' : `<FailoverState><Status>${under.status}</Status><ToDbClusterArn>${under.to}</ToDbClusterArn></FailoverState>`;
  const cluster = (): string =>
    `<GlobalClusterIdentifier>orders</GlobalClusterIdentifier><GlobalClusterMembers>${member(ARN('eu-west-1'))}${member(ARN('us-east-1'))}</GlobalClusterMembers>${state()}`;
  const answer = ({ body, headers }: Asked): Said => {
    const form = new URLSearchParams(body);
    const action = form.get('Action') ?? '';
    const xml = (inner: string): Said => ({
      status: 200,
      text: `<${action}Response xmlns="${NS}"><${action}Result>${inner}</${action}Result><ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata></${action}Response>`,
      headers: { 'content-type': 'text/xml' },
    });
    if (!headers.authorization?.includes('/rds/aws4_request')) return { status: 403, text: '' };
    if (action === 'DescribeGlobalClusters')
      return xml(`<GlobalClusters><GlobalClusterMember>${cluster()}</GlobalClusterMember></GlobalClusters>`);
    if (refusal !== null)
      return {
        status: refusal.status,
        text: `<ErrorResponse xmlns="${NS}"><Error><Type>Sender</Type><Code>${refusal.code}</Code><Message>not now</Message></Error><RequestId>r-2</RequestId></ErrorResponse>`,
        headers: { 'content-type': 'text/xml' },
      };
    moves.push(form);
    under = {
      status: action === 'FailoverGlobalCluster' ? 'failing-over' : 'switching-over',
      to: form.get('TargetDbClusterIdentifier') ?? '',
    };
    return xml(`<GlobalCluster>${cluster()}</GlobalCluster>`);
  };
  const front = await startFront(answer, ({ body }) => !body.startsWith('Action=Describe') && !body.includes('Action=Describe'));
  return {
    spec: { system: 'orders', vendor: 'aurora', to: ARN('us-east-1'), lossy },
    systems: {
      orders: { kind: 'aurora', region: 'us-east-1', globalCluster: 'orders', credentialsFile: FILE, endpoint: front.url },
    },
    files: { [FILE]: `[default]\naws_access_key_id = AKIAFAKE\naws_secret_access_key = ${SECRET}\n` },
    secrets: [SECRET],
    settle: () => {
      writer = under?.to ?? writer;
      under = null;
    },
    effects: () => moves.length,
    meets: front.meets,
    asked: front.asked,
    moves,
    begin: (status, to) => {
      under = { status, to };
    },
    refuses: (next) => {
      refusal = next;
    },
    resyncs: () => {
      isStale = true;
    },
    [Symbol.asyncDispose]: () => front[Symbol.asyncDispose](),
  };
};

// ---- Cloud SQL ----

const KEY = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  publicKeyEncoding: { type: 'spki', format: 'pem' },
});
const KEY_FILE = '/secrets/google';

export interface CloudSqlWorld extends StepWorld<'managed.failover'> {
  /** Paths of the calls that moved it. */
  readonly moves: readonly string[];
  /** The last operation ends with this. */
  fails(message: string): void;
  refuses(status: number | null): void;
}

export const startCloudSqlWorld = async (lossy = false): Promise<CloudSqlWorld> => {
  let isPrimary = false;
  let operation: { status: string; error?: { errors: { code: string; message: string }[] } } = { status: 'PENDING' };
  let refusal: number | null = null;
  const moves: string[] = [];
  const root = '/v1/projects/acme/';
  const answer = ({ method, path, headers }: Asked): Said => {
    if (!headers.authorization?.startsWith('Bearer ey')) return { status: 401, json: { error: { code: 401, message: 'no token' } } };
    if (method === 'GET' && path === `${root}instances/orders-us`)
      return {
        status: 200,
        json: {
          kind: 'sql#instance',
          name: 'orders-us',
          state: 'RUNNABLE',
          ...(isPrimary
            ? { instanceType: 'CLOUD_SQL_INSTANCE' }
            : { instanceType: 'READ_REPLICA_INSTANCE', masterInstanceName: 'acme:orders-eu' }),
        },
      };
    const op = { kind: 'sql#operation', name: 'op-1', operationType: 'PROMOTE_REPLICA', ...operation };
    if (method === 'GET' && path === `${root}operations?instance=orders-us&maxResults=10`)
      return { status: 200, json: { kind: 'sql#operationsList', ...(moves.length === 0 ? {} : { items: [op] }) } };
    if (method === 'GET' && path === `${root}operations/op-1`) return { status: 200, json: op };
    if (method === 'POST' && /^instances\/orders-us\/(promoteReplica\?failover=true|switchover)$/.test(path.slice(root.length))) {
      if (refusal !== null)
        return {
          status: refusal,
          json: { error: { code: refusal, message: 'Operation failed because another operation was already in progress.' } },
        };
      moves.push(path.slice(root.length));
      return { status: 200, json: op };
    }
    return { status: 404, json: { error: { code: 404, message: 'not found' } } };
  };
  const front = await startFront(answer);
  return {
    spec: { system: 'orders', vendor: 'cloud-sql', to: 'orders-us', lossy },
    systems: { orders: { kind: 'cloud-sql', project: 'acme', url: front.url, credentialsFile: KEY_FILE } },
    files: {
      [KEY_FILE]: JSON.stringify({
        type: 'service_account',
        client_email: 'tide@acme.example',
        private_key: KEY.privateKey,
        private_key_id: 'k1',
      }),
    },
    secrets: [KEY.privateKey.split('\n')[2] ?? '-'],
    settle: () => {
      isPrimary = true;
      operation = { status: 'DONE' };
    },
    effects: () => moves.length,
    meets: front.meets,
    asked: front.asked,
    moves,
    fails: (message) => {
      operation = { status: 'DONE', error: { errors: [{ code: 'INTERNAL', message }] } };
    },
    refuses: (status) => {
      refusal = status;
    },
    [Symbol.asyncDispose]: () => front[Symbol.asyncDispose](),
  };
};
