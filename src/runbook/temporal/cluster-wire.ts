// Between the frontend of one's own Temporal cluster (gRPC, protos of @temporalio/proto) and what is asked of it here. Multi-cluster replication is
// experimental upstream. Numbers of enums are those of the protos. Pure.
import type { Connection } from '@temporalio/client';
import { quoted } from '../../exchange.ts';
import type { Look, Operation, Place } from './mover.ts';

type Service = Connection['workflowService'];
export type Described = Awaited<ReturnType<Service['describeNamespace']>>;
export type Clusters = Awaited<ReturnType<Connection['operatorService']['listClusters']>>;
export type WorkflowDescribed = Awaited<ReturnType<Service['describeWorkflowExecution']>>;
export type QueueDescribed = Awaited<ReturnType<Service['describeTaskQueue']>>;

const NAMESPACE_REGISTERED = 1;
const REPLICATION_HANDOVER = 2;

/** `graceful`: `self` is the cluster that answers, in which a handover has to be begun. */
export type Mode = { graceful: false } | { graceful: true; self: string };

/** In: `clusters` null when the cluster does not list them to us. */
export const placeOf = (namespace: string, described: Described, clusters: Clusters | null, mode: Mode): Look => {
  const active = described.replicationConfig?.activeClusterName ?? '';
  if (active === '') return { is: 'unknown', because: `${namespace}: the answer names no active cluster` };
  const isHandedOver = described.replicationConfig?.state === REPLICATION_HANDOVER;
  const place: Place = {
    active,
    replicas: (described.replicationConfig?.clusters ?? []).map((one) => replicaOf(one.clusterName ?? '', clusters)),
    forwardingDisabled: null,
    managedFailoverDisabled: null,
    // A forced failover ends a handover that hangs; a second handover beside it would not.
    busy: mode.graceful && isHandedOver ? 'is being handed over already' : null,
    fixed: fixedBy(described, active, mode),
    version: Number(String(described.failoverVersion ?? 0)),
  };
  return { is: 'seen', place };
};

const replicaOf = (place: string, clusters: Clusters | null): Place['replicas'][number] => {
  if (clusters === null) return { place, ready: true, state: 'not listed' };
  const isConnected = clusters.clusters?.some((one) => one.clusterName === place && one.isConnectionEnabled === true) ?? false;
  return { place, ready: isConnected, state: isConnected ? 'connected' : 'not connected' };
};

const fixedBy = (described: Described, active: string, mode: Mode): string | null => {
  if (described.isGlobalNamespace !== true) return 'is a local namespace, with no replica anywhere';
  if ((described.namespaceInfo?.state ?? NAMESPACE_REGISTERED) !== NAMESPACE_REGISTERED) return 'is deprecated or deleted';
  if (mode.graceful && mode.self !== active) return `is active in ${active}, and a handover is begun there, not in ${mode.self}`;
  return null;
};

// ---- the system's workflow that hands a namespace over ----

/** As the server registers it, in the namespace and queue of the system. */
export const HANDOVER = { namespace: 'temporal-system', queue: 'default-worker-tq', type: 'namespace-handover' } as const;

/** The server takes 5 to 120 s of lag and at most 30 s of handover, in which the namespace refuses traffic. */
const ALLOWED_LAGGING_S = 30;
const HANDOVER_TIMEOUT_S = 10;

export const handoverInput = (namespace: string, to: string): object => ({
  Namespace: namespace,
  RemoteCluster: to,
  AllowedLaggingSeconds: ALLOWED_LAGGING_S,
  AllowedLaggingTasks: 0,
  HandoverTimeoutSeconds: HANDOVER_TIMEOUT_S,
});

const STATUS: readonly string[] = [
  'UNSPECIFIED',
  'RUNNING',
  'COMPLETED',
  'FAILED',
  'CANCELED',
  'TERMINATED',
  'CONTINUED_AS_NEW',
  'TIMED_OUT',
];

/** The workflow waits for lag by itself, up to an hour; what has not caught up after this long is taken back, lest it moves when nobody expects it. */
export const LAG_MS_MAX = 45_000;
const AGAIN_MS = 1_000;

/** In: `ranMs` since its start, `failure` of the event that closed it. `lagging`: it waits still, and has for too long. */
export const handoverOf = (
  described: WorkflowDescribed,
  to: string,
  ranMs: number,
  failure: string | null,
): { operation: Operation; lagging: boolean } => {
  const status = STATUS[described.workflowExecutionInfo?.status ?? 0] ?? 'UNSPECIFIED';
  if (status === 'COMPLETED') return { operation: { is: 'moved', because: 'the handover has completed' }, lagging: false };
  if (status !== 'RUNNING') {
    const why = failure === null || failure === '' ? '' : `: ${quoted(failure)}`;
    return {
      operation: {
        is: 'failed',
        because: `the handover to ${to} ${status === 'CANCELED' ? 'was taken back' : `ended ${status}`}, and moved nothing${why}`,
      },
      lagging: false,
    };
  }
  const activities = described.pendingActivities?.map((one) => one.activityType?.name ?? '') ?? [];
  const isWaiting = activities.includes('WaitReplication');
  const seconds = Math.round(ranMs / 1000);
  const because = isWaiting ? `replication to ${to} catches up, for ${seconds} s now` : `the handover has been under way for ${seconds} s`;
  return { operation: { is: 'moving', because, againMs: AGAIN_MS }, lagging: isWaiting && ranMs > LAG_MS_MAX };
};

// ---- task queues ----

export interface QueueFacts {
  pollers: readonly { identity: string; seenAtMs: number }[];
  backlog: number;
  /** Tasks per second, of the last half minute. */
  added: number;
  dispatched: number;
}

const poller = ({ identity, lastAccessTime }: NonNullable<QueueDescribed['pollers']>[number]): QueueFacts['pollers'][number] => ({
  identity: identity ?? '',
  seenAtMs: Number(String(lastAccessTime?.seconds ?? 0)) * 1000 + Math.floor((lastAccessTime?.nanos ?? 0) / 1e6),
});

/** Workflow tasks and activities of one queue together. */
export const queueOf = (described: readonly QueueDescribed[]): QueueFacts => ({
  pollers: described.flatMap(({ pollers }) => (pollers ?? []).map(poller)),
  backlog: sum(described.map(({ stats }) => Number(String(stats?.approximateBacklogCount ?? 0)))),
  added: sum(described.map(({ stats }) => stats?.tasksAddRate ?? 0)),
  dispatched: sum(described.map(({ stats }) => stats?.tasksDispatchRate ?? 0)),
});

const sum = (numbers: readonly number[]): number => numbers.reduce((total, one) => total + one, 0);
