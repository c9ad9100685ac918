// One's own Temporal cluster by its frontend: namespaces are described, moved by force from the cluster that is to be active, or handed over without loss by a
// workflow of the system from the one that is; pollers and backlogs of task queues. Whoever asks decides about trying again.

import { errorText, Fault } from '../../errors.ts';
import { quoted } from '../../exchange.ts';
import { DeadlineError } from '../../ports.ts';
import type { System, SystemContext } from '../kind.ts';
import type { SystemModule, TemporalConfig } from '../systems.ts';
import { silence } from './answering.ts';
import { type Channel, openChannel } from './channel.ts';
import {
  HANDOVER,
  handoverInput,
  handoverOf,
  type Mode,
  placeOf,
  type QueueFacts,
  queueOf,
  type WorkflowDescribed,
} from './cluster-wire.ts';
import { type CodeName, codeName, WRITE } from './codes.ts';
import type { Begun, Look, Mover, Operation } from './mover.ts';

export interface TemporalCluster extends System {
  readonly kind: 'temporal';
  /** Asked of the cluster that is to be active: the other may be gone. */
  readonly forced: Mover;
  /** Asked of the cluster that is active. */
  readonly graceful: Mover;
  /** Rejects with an Error that names the cluster. */
  queue(namespace: string, queue: string, signal: AbortSignal): Promise<QueueFacts>;
  /** How long it took to be told of the namespace. Rejects likewise, with the status that was answered as `code`. */
  describes(namespace: string, signal: AbortSignal): Promise<number>;
  /** Of one small question and its answer. Rejects likewise. */
  roundTripMs(signal: AbortSignal): Promise<number>;
  /** Does the frontend say that it serves? Rejects likewise. */
  serves(signal: AbortSignal): Promise<boolean>;
}

/** Who we are in histories and in the list of pollers. */
const IDENTITY = 'tidegate';
const HEALTH_SERVICE = 'temporal.api.workflowservice.v1.WorkflowService';
const SERVING = 1;
const REJECT_DUPLICATE = 3;
const CLOSE_EVENT = 2;
const TASK_TYPES = [1, 2] as const;

interface Failed {
  /** null: nothing of gRPC: no answer in time, no address, closed. */
  code: CodeName | null;
  because: string;
}

const failedBy = (address: string, error: unknown): Failed => {
  if (error instanceof Fault) throw error;
  if (error instanceof DeadlineError) return { code: null, because: error.message };
  const code = error instanceof Error && 'code' in error && typeof error.code === 'number' ? codeName(error.code) : null;
  const text = error instanceof Error && 'details' in error && typeof error.details === 'string' ? error.details : errorText(error);
  return { code, because: `${address} answered ${code ?? 'nothing'}: ${quoted(text)}` };
};

interface Door {
  address: string;
  channel: Channel;
  context: SystemContext;
}

const describe = async ({ address, channel }: Door, namespace: string, isGraceful: boolean, signal: AbortSignal): Promise<Look> => {
  try {
    const [described, clusters, mode] = await Promise.all([
      channel.call(signal, (connection) => connection.workflowService.describeNamespace({ namespace })),
      // It takes the rights of an operator, which not everybody grants.
      channel.call(signal, (connection) => connection.operatorService.listClusters({})).catch(() => null),
      isGraceful
        ? channel
            .call(signal, (connection) => connection.workflowService.getClusterInfo({}))
            .then((info): Mode => ({ graceful: true, self: info.clusterName ?? '' }))
        : ({ graceful: false } satisfies Mode),
    ]);
    return placeOf(namespace, described, clusters, mode);
  } catch (error) {
    const { code, because } = failedBy(address, error);
    return { is: code === 'NOT_FOUND' ? 'never' : 'unknown', because: `${namespace}: ${because}`, ...silence(code) };
  }
};

const begun = (address: string, error: unknown): Begun => {
  const { code, because } = failedBy(address, error);
  const took = code === null ? 'undecided' : WRITE[code];
  if (took !== 'accepted') return { took, because, ...silence(code) };
  return { took, operation: { is: 'moving', because: 'the same was asked for before', againMs: 0 } };
};

const isNotFound = (error: unknown): boolean => error instanceof Error && 'code' in error && codeName(Number(error.code)) === 'NOT_FOUND';

const forcedMover = (door: Door): Mover => ({
  look: (namespace, signal) => describe(door, namespace, false, signal),
  async begin(namespace, to, _id, signal) {
    try {
      // The active cluster alone: together with any other change the server refuses it.
      await door.channel.call(signal, (connection) =>
        connection.workflowService.updateNamespace({ namespace, replicationConfig: { activeClusterName: to } }),
      );
      return { took: 'accepted', operation: { is: 'moved', because: `the active cluster was set to ${to}` } };
    } catch (error) {
      const refusal = begun(door.address, error);
      // It was there when it was looked at: a frontend learns of a new namespace a little later than its store.
      return isNotFound(error) && refusal.took === 'fatal' ? { ...refusal, took: 'refused' } : refusal;
    }
  },
  // The change is made when it is answered, and has no name by which it could be asked for.
  follow: async () => ({ is: 'unheard', because: 'a forced failover leaves no operation behind' }),
});

const workflowIdOf = (id: string): string => `tidegate-handover-${id}`;

const startRequest = (namespace: string, to: string, id: string) => ({
  namespace: HANDOVER.namespace,
  workflowId: workflowIdOf(id),
  workflowType: { name: HANDOVER.type },
  taskQueue: { name: HANDOVER.queue },
  input: {
    payloads: [{ metadata: { encoding: Buffer.from('json/plain') }, data: Buffer.from(JSON.stringify(handoverInput(namespace, to))) }],
  },
  // No timeout of the whole: a workflow that is ended in the middle would leave the namespace refusing traffic.
  identity: IDENTITY,
  requestId: id,
  workflowIdReusePolicy: REJECT_DUPLICATE,
});

/** Why it closed as it did; null: it does not say. */
const failureOf = async ({ channel }: Door, id: string, signal: AbortSignal): Promise<string | null> => {
  const { history } = await channel.call(signal, (connection) =>
    connection.workflowService.getWorkflowExecutionHistory({
      namespace: HANDOVER.namespace,
      execution: { workflowId: workflowIdOf(id) },
      historyEventFilterType: CLOSE_EVENT,
    }),
  );
  const failure = history?.events?.at(-1)?.workflowExecutionFailedEventAttributes?.failure;
  return failure?.cause?.message ?? failure?.message ?? null;
};

const ranMs = (described: WorkflowDescribed, nowMs: number): number => {
  const { seconds = null, nanos = 0 } = described.workflowExecutionInfo?.startTime ?? {};
  return seconds === null ? 0 : Math.max(0, nowMs - Number(String(seconds)) * 1000 - Math.floor((nanos ?? 0) / 1e6));
};

/** Ends a handover that has not begun to refuse traffic. Asking twice does no harm; one that has got further by now puts the namespace in order itself. */
const withdraw = async ({ channel }: Door, id: string, signal: AbortSignal): Promise<void> => {
  await channel.call(signal, (connection) =>
    connection.workflowService.requestCancelWorkflowExecution({
      namespace: HANDOVER.namespace,
      workflowExecution: { workflowId: workflowIdOf(id) },
      identity: IDENTITY,
      requestId: `withdraw-${id}`,
      reason: 'replication did not catch up in time',
    }),
  );
};

const followHandover = async (door: Door, to: string, id: string, signal: AbortSignal): Promise<Operation> => {
  const described = await door.channel.call(signal, (connection) =>
    connection.workflowService.describeWorkflowExecution({ namespace: HANDOVER.namespace, execution: { workflowId: workflowIdOf(id) } }),
  );
  const nowMs = door.context.ports.clock.wallMs();
  const { operation, lagging } = handoverOf(described, to, ranMs(described, nowMs), null);
  if (lagging) {
    await withdraw(door, id, signal);
    return { ...operation, because: `${operation.because}; too long, so it is taken back` };
  }
  return operation.is === 'failed' ? handoverOf(described, to, 0, await failureOf(door, id, signal)).operation : operation;
};

const gracefulMover = (door: Door): Mover => ({
  look: (namespace, signal) => describe(door, namespace, true, signal),
  async begin(namespace, to, id, signal) {
    try {
      await door.channel.call(signal, (connection) => connection.workflowService.startWorkflowExecution(startRequest(namespace, to, id)));
      return { took: 'accepted', operation: { is: 'moving', because: 'the handover has been begun', againMs: 0 } };
    } catch (error) {
      return begun(door.address, error);
    }
  },
  async follow(_namespace, to, id, signal) {
    try {
      return await followHandover(door, to, id, signal);
    } catch (error) {
      const { code, because } = failedBy(door.address, error);
      return { is: code === 'NOT_FOUND' ? 'unheard' : 'unknown', because, ...silence(code) };
    }
  },
});

/** Throws an Error whose text is fit for a record, with the status that was answered as its `code`. */
const told = async <T>(address: string, work: Promise<T>): Promise<T> => {
  try {
    return await work;
  } catch (error) {
    const status = error instanceof Error && 'code' in error ? { code: error.code } : {};
    throw Object.assign(new Error(failedBy(address, error).because, { cause: error }), status);
  }
};

const clusterOf = (door: Door): TemporalCluster => {
  const { address, channel, context } = door;
  const call: Channel['call'] = (signal, work) => told(address, channel.call(signal, work));
  return {
    kind: 'temporal',
    forced: forcedMover(door),
    graceful: gracefulMover(door),
    async queue(namespace, queue, signal) {
      const described = TASK_TYPES.map((taskQueueType) =>
        call(signal, (connection) =>
          connection.workflowService.describeTaskQueue({ namespace, taskQueue: { name: queue }, taskQueueType, reportStats: true }),
        ),
      );
      return queueOf(await Promise.all(described));
    },
    async describes(namespace, signal) {
      const startMs = context.ports.clock.monoMs();
      const { namespaceInfo } = await call(signal, (connection) => connection.workflowService.describeNamespace({ namespace }));
      if (namespaceInfo?.name !== namespace) throw new Error(`${address} described another namespace than ${namespace}`);
      return context.ports.clock.monoMs() - startMs;
    },
    async roundTripMs(signal) {
      // The first call also makes the connection.
      await call(signal, (connection) => connection.workflowService.getSystemInfo({}));
      const startMs = context.ports.clock.monoMs();
      await call(signal, (connection) => connection.workflowService.getSystemInfo({}));
      return context.ports.clock.monoMs() - startMs;
    },
    async serves(signal) {
      const { status } = await call(signal, (connection) => connection.healthService.check({ service: HEALTH_SERVICE }));
      return status === SERVING;
    },
    close: channel.close,
  };
};

export const temporal: SystemModule<TemporalConfig> = {
  async open(config, context) {
    return clusterOf({ address: config.address, channel: openChannel(config, context), context });
  },
};
