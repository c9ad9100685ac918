// The worlds of Temporal's steps: of temporal.failover the fake of Temporal Cloud behind a wire that fails; of temporal.handover and temporal.wait the fake of
// a frontend behind one of gRPC.
import { EventEmitter, once } from 'node:events';
import net, { type AddressInfo } from 'node:net';
import { status } from '@grpc/grpc-js';
import { temporal } from '@temporalio/proto';
import { fetch } from 'undici';
import type { StepKindName } from '../../../src/runbook/model.ts';
import type { Fault, StepWorld } from '../../contract/step.contract.ts';
import { type Asked, type Said, startFront } from '../front.ts';
import { startFakeCloud, tenant } from './fake-cloud.ts';
import { described, type FakeAnswer, grpcError, startFakeFrontend } from './fake-frontend.ts';
import { TOKEN_FILE } from './fixture.ts';

const TOKEN = 'token-0123456789';
const NAMESPACE = 'orders.acct';

export const startFailoverWorld = async (): Promise<StepWorld<'temporal.failover'>> => {
  const cloud = await startFakeCloud();
  cloud.namespaces.set(NAMESPACE, tenant());
  const passedOn = async ({ method, path, headers, body }: Asked): Promise<Said> => {
    const { host: _, connection: __, 'content-length': ___, 'transfer-encoding': ____, ...rest } = headers;
    const reply = await fetch(`${cloud.url}${path}`, { method, headers: rest, ...(method === 'GET' ? {} : { body }) });
    return { status: reply.status, text: await reply.text(), headers: { 'content-type': reply.headers.get('content-type') ?? '' } };
  };
  const front = await startFront(passedOn);
  return {
    spec: { system: 'cloud', namespaces: [NAMESPACE], to: 'aws-eu-west-1', parallel: 5, stopAfter: 3 },
    systems: { cloud: { kind: 'temporal-cloud', url: front.url, tokenFile: TOKEN_FILE } },
    files: { [TOKEN_FILE]: TOKEN },
    secrets: [TOKEN],
    settle: () => {
      for (const operation of cloud.operations.values()) {
        operation.left = 0;
        cloud.namespaces.get(operation.namespace)!.active = operation.region;
      }
    },
    effects: () => cloud.begun.length,
    meets: front.meets,
    asked: front.asked,
    async [Symbol.asyncDispose]() {
      await front[Symbol.asyncDispose]();
      await cloud[Symbol.asyncDispose]();
    },
  };
};

// ---- a frontend over gRPC ----

type Answer = (asked: Readonly<Record<string, unknown>>) => FakeAnswer;

interface Served {
  of: { encode(message: object): { finish(): Uint8Array } };
  answer: Answer;
  /** Answering it changes something. */
  isEffect?: true;
}

/** The first field as text where each of these messages has a message. Another wire type would be skipped, as a field that is not known. */
const WRONG_TYPES = Buffer.from([0x0a, 0x02, 0xff, 0xff]);
const HUGE_BYTES = 10 * 1024 * 1024;

/**
 * A frontend, and a wire before it. On the wire: `silence`, `html` (a page over HTTP/1.1), `empty` (the connection ends at once), and `lost`, which ends it
 * after the effect and before the reply. The rest is answered: `echo` with a status, the others with bytes.
 */
const startFrontendWorld = async <K extends StepKindName>(
  served: Readonly<Record<string, Served>>,
  rest: Pick<StepWorld<K>, 'spec' | 'settle' | 'effects'>,
): Promise<StepWorld<K>> => {
  const frontend = await startFakeFrontend(null);
  const open = new Set<net.Socket>();
  const news = new EventEmitter();
  let [fault, silenced]: [Fault | null, number] = [null, 0];
  const cut = (): void => {
    for (const socket of open) socket.destroy();
  };
  const keep = (socket: net.Socket): void => {
    open.add(socket);
    socket.on('error', () => undefined);
    socket.once('close', () => open.delete(socket));
  };
  for (const [method, { of, answer, isEffect }] of Object.entries(served))
    frontend.answers.set(method, (asked, authorization) => {
      if (fault === 'echo') return grpcError(status.INVALID_ARGUMENT, `not ${JSON.stringify(asked)} of ${authorization}`);
      if (fault === 'types') return WRONG_TYPES;
      if (fault === 'huge') return Buffer.alloc(HUGE_BYTES);
      if (fault === 'truncated') return Buffer.from(of.encode(answer({}) ?? {}).finish()).subarray(0, -1);
      const said = answer(asked);
      if (fault !== 'lost' || isEffect === undefined) return said;
      fault = null;
      cut();
      return null;
    });
  const wire = net.createServer((socket) => {
    keep(socket);
    if (fault === 'empty') return void socket.destroy();
    if (fault === 'html') return void socket.end('HTTP/1.1 200 OK\r\ncontent-type: text/html\r\n\r\n<html>Welcome</html>');
    const inner = net.connect(frontend.port, '127.0.0.1');
    keep(inner);
    socket.on('data', (bytes) => {
      if (fault !== 'silence') return void inner.write(bytes);
      silenced++;
      news.emit('silenced');
    });
    inner.on('data', (bytes) => void (fault === 'silence' || socket.write(bytes)));
    socket.once('close', () => inner.destroy());
    inner.once('close', () => socket.destroy());
  });
  wire.listen(0, '127.0.0.1');
  await once(wire, 'listening');
  return {
    ...rest,
    systems: { here: { kind: 'temporal', address: `127.0.0.1:${(wire.address() as AddressInfo).port}`, apiKeyFile: TOKEN_FILE } },
    files: { [TOKEN_FILE]: TOKEN },
    secrets: [TOKEN],
    meets: (next) => {
      // These are met by new connections, and what was silent for a while has lost its place.
      if (next === 'html' || next === 'empty' || fault === 'silence') cut();
      fault = next;
    },
    asked: async () => {
      while (silenced === 0) await once(news, 'silenced');
    },
    async [Symbol.asyncDispose]() {
      cut();
      wire.close();
      await once(wire, 'close');
      await frontend[Symbol.asyncDispose]();
    },
  };
};

const { workflowservice, operatorservice } = temporal.api;
const CLUSTERS = ['a', 'b'].map((clusterName) => ({ clusterName, isConnectionEnabled: true }));
const RUNNING = 1;
const COMPLETED = 2;

export const startHandoverWorld = (): Promise<StepWorld<'temporal.handover'>> => {
  const begun = new Set<string>();
  let active = 'a';
  return startFrontendWorld(
    {
      DescribeNamespace: { of: workflowservice.v1.DescribeNamespaceResponse, answer: () => described(active) },
      GetClusterInfo: { of: workflowservice.v1.GetClusterInfoResponse, answer: () => ({ clusterName: 'a' }) },
      ListClusters: { of: operatorservice.v1.ListClustersResponse, answer: () => ({ clusters: CLUSTERS }) },
      StartWorkflowExecution: {
        of: workflowservice.v1.StartWorkflowExecutionResponse,
        isEffect: true,
        answer: ({ workflowId }) => {
          if (typeof workflowId === 'string') {
            if (begun.has(workflowId)) return grpcError(status.ALREADY_EXISTS, 'Workflow execution already started');
            begun.add(workflowId);
          }
          return { runId: 'run-1' };
        },
      },
      DescribeWorkflowExecution: {
        of: workflowservice.v1.DescribeWorkflowExecutionResponse,
        answer: () =>
          begun.size === 0
            ? grpcError(status.NOT_FOUND, 'workflow not found')
            : { workflowExecutionInfo: { status: active === 'a' ? RUNNING : COMPLETED } },
      },
    },
    {
      spec: { system: 'here', namespaces: ['shop'], to: 'b', parallel: 4, stopAfter: 3 },
      // Nothing is handed over that nobody has asked for, but by others.
      settle: () => {
        active = 'b';
      },
      effects: () => begun.size,
    },
  );
};

export const startCanaryWorld = (): Promise<StepWorld<'temporal.canary'>> => {
  let isThere = false;
  return startFrontendWorld(
    {
      DescribeNamespace: {
        of: workflowservice.v1.DescribeNamespaceResponse,
        answer: () => (isThere ? { namespaceInfo: { name: 'shop' } } : grpcError(status.NOT_FOUND, 'namespace not found')),
      },
    },
    {
      spec: { system: 'here', namespace: 'shop' },
      settle: () => {
        isThere = true;
      },
      effects: () => 0,
    },
  );
};

export const startDispatchWorld = (): Promise<StepWorld<'temporal.wait'>> => {
  let isPolled = false;
  const poller = () => ({ identity: 'worker@eu-1', lastAccessTime: { seconds: Math.floor(Date.now() / 1000), nanos: 0 } });
  return startFrontendWorld(
    {
      DescribeTaskQueue: {
        of: workflowservice.v1.DescribeTaskQueueResponse,
        answer: () => ({ pollers: isPolled ? [poller()] : [], stats: { tasksDispatchRate: 1 } }),
      },
    },
    {
      spec: { system: 'here', namespaces: ['shop'], queues: ['work'], identity: '@eu-', pollers: 1 },
      settle: () => {
        isPolled = true;
      },
      effects: () => 0,
    },
  );
};
