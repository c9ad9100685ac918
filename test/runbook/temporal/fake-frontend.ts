// A fake of a Temporal frontend: gRPC over TLS by the protos that the client library carries, with as much behind it as a test says. What a namespace really
// does is tested on real clusters (test/system/temporal).
import { Server, ServerCredentials, type ServerUnaryCall, type ServiceError, type sendUnaryData, status } from '@grpc/grpc-js';
import { temporal } from '@temporalio/proto';

const { workflowservice, operatorservice } = temporal.api;

export interface FakeFrontend extends AsyncDisposable {
  port: number;
  /** Of every call, in order: its name and its authorization. */
  calls: { method: string; authorization: string | null; request: Readonly<Record<string, unknown>> }[];
  /**
   * By method: what is answered; an Error with a `code` is what the call ends with; null: nothing is; a Promise: later; bytes: as they are, whatever they mean;
   * a function: one of those, of what was asked.
   */
  answers: Map<string, FakeAnswer | ((asked: Readonly<Record<string, unknown>>, authorization: string | null) => FakeAnswer)>;
}

export type FakeAnswer = object | Error | null | Promise<object>;

interface Codec {
  encode(message: object): { finish(): Uint8Array };
  decode(bytes: Uint8Array): object;
}

const SERVICES: readonly { service: string; of: Readonly<Record<string, unknown>>; methods: readonly string[] }[] = [
  {
    service: 'temporal.api.workflowservice.v1.WorkflowService',
    of: workflowservice.v1 as never,
    methods: [
      'DescribeNamespace',
      'UpdateNamespace',
      'GetClusterInfo',
      'GetSystemInfo',
      'DescribeTaskQueue',
      'StartWorkflowExecution',
      'DescribeWorkflowExecution',
    ],
  },
  { service: 'temporal.api.operatorservice.v1.OperatorService', of: operatorservice.v1 as never, methods: ['ListClusters'] },
];

export const grpcError = (code: status, details: string): Error => Object.assign(new Error(details), { code, details });

export const startFakeFrontend = async (tls: { certPem: string; keyPem: string; clientCaPem?: string } | null): Promise<FakeFrontend> => {
  const server = new Server();
  const calls: FakeFrontend['calls'] = [];
  const answers: FakeFrontend['answers'] = new Map();
  for (const { service, of, methods } of SERVICES) {
    const definition = Object.fromEntries(
      methods.map((name) => {
        const [asked, replied] = [of[`${name}Request`] as Codec, of[`${name}Response`] as Codec];
        return [
          name,
          {
            path: `/${service}/${name}`,
            requestStream: false,
            responseStream: false,
            requestSerialize: (message: object) => Buffer.from(asked.encode(message).finish()),
            requestDeserialize: (bytes: Buffer) => asked.decode(bytes),
            responseSerialize: (message: object) => (Buffer.isBuffer(message) ? message : Buffer.from(replied.encode(message).finish())),
            responseDeserialize: (bytes: Buffer) => replied.decode(bytes),
          },
        ];
      }),
    );
    const handle =
      (method: string) =>
      (call: ServerUnaryCall<object, object>, reply: sendUnaryData<object>): void => {
        const [shown = null] = call.metadata.get('authorization');
        const authorization = shown === null ? null : String(shown);
        const request = { ...call.request };
        calls.push({ method, authorization, request });
        const given = answers.get(method);
        const answer = typeof given === 'function' ? given(request, authorization) : given;
        if (answer === null) return;
        if (answer === undefined) reply({ code: status.UNIMPLEMENTED, details: 'not here' });
        else if (answer instanceof Promise) void answer.then((late) => reply(null, late));
        else if (answer instanceof Error) reply(answer as ServiceError);
        else reply(null, answer);
      };
    server.addService(definition, Object.fromEntries(methods.map((name) => [name, handle(name)])));
  }
  const credentials =
    tls === null
      ? ServerCredentials.createInsecure()
      : ServerCredentials.createSsl(
          tls.clientCaPem === undefined ? null : Buffer.from(tls.clientCaPem),
          [{ cert_chain: Buffer.from(tls.certPem), private_key: Buffer.from(tls.keyPem) }],
          tls.clientCaPem !== undefined,
        );
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', credentials, (error, bound) => (error === null ? resolve(bound) : reject(error))),
  );
  return {
    port,
    calls,
    answers,
    async [Symbol.asyncDispose]() {
      server.forceShutdown();
    },
  };
};

export const described = (active: string, over: object = {}): object => ({
  namespaceInfo: { name: 'shop', state: 1 },
  isGlobalNamespace: true,
  failoverVersion: 1,
  replicationConfig: { activeClusterName: active, clusters: [{ clusterName: 'a' }, { clusterName: 'b' }], state: 1 },
  ...over,
});
