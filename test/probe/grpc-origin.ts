// A server of gRPC health as others write them, with the library that Node's world uses.
import { join } from 'node:path';
import { type handleUnaryCall, Server, ServerCredentials, type ServiceDefinition } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

const PROTO = join(import.meta.dirname, '../../src/runbook/grpc/health.proto');
export const HEALTH = loadSync(PROTO, { enums: String, defaults: true })['grpc.health.v1.Health'] as ServiceDefinition;

export interface GrpcOrigin extends AsyncDisposable {
  readonly port: number;
  /** Services that were asked for. */
  readonly asked: string[];
}

/** What Check answers: a status of health, or a code of gRPC; null: it is not implemented. */
export type Says = string | number | null;

export const startGrpcOrigin = async (
  says: Says | ((service: string) => Says) = 'SERVING',
  own?: { key: string; cert: string },
): Promise<GrpcOrigin> => {
  const server = new Server();
  const asked: string[] = [];
  const check: handleUnaryCall<{ service: string }, { status: string }> = ({ request }, reply) => {
    asked.push(request.service);
    const answer = typeof says === 'function' ? says(request.service) : says;
    if (typeof answer === 'string') reply(null, { status: answer });
    else reply({ code: answer ?? 12, details: 'as it was told' });
  };
  if (says !== null) server.addService(HEALTH, { Check: check });
  const credentials =
    own === undefined
      ? ServerCredentials.createInsecure()
      : ServerCredentials.createSsl(null, [{ private_key: Buffer.from(own.key), cert_chain: Buffer.from(own.cert) }]);
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', credentials, (error, bound) => (error === null ? resolve(bound) : reject(error))),
  );
  return { port, asked, [Symbol.asyncDispose]: async () => server.forceShutdown() };
};
