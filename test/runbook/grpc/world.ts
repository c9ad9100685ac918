// The world of grpc.check: a server of gRPC health with TLS, and a wire before it that fails below HTTP.
import { rmSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { type handleUnaryCall, Server, ServerCredentials, status } from '@grpc/grpc-js';
import { loadSync, type ServiceDefinition } from '@grpc/proto-loader';
import type { GrpcConfig } from '../../../src/runbook/systems.ts';
import type { Fault, StepWorld } from '../../contract/step.contract.ts';
import { type Authority, createAuthority } from '../../etcd-certificates.ts';
import { workDir } from '../../system/server.ts';
import { createSilence, listening } from '../loopback.ts';

/** `html`: a page over plain HTTP/1.1 where TLS is expected. `empty`: the connection ends at once. */
export const GRPC_FAULTS: readonly Fault[] = ['silence', 'html', 'empty'];

export interface GrpcWorld extends StepWorld<'grpc.check'> {
  authority: Authority;
  /** What Check answers; null: it is not implemented. */
  says: string | null | { code: number };
  config(change: Partial<GrpcConfig>): Record<string, GrpcConfig>;
  asks: string[];
}

export interface GrpcOptions {
  /** Of the certificate that is shown. */
  names?: readonly string[];
  /** Whoever connects has to show one of the authority. */
  wantsClients?: boolean;
}

export const startGrpcWorld = async ({ names = ['IP:127.0.0.1'], wantsClients = false }: GrpcOptions = {}): Promise<GrpcWorld> => {
  const dir = workDir('grpc');
  const authority = createAuthority(dir);
  const serving = authority.issue('health', names);
  const proto = join(import.meta.dirname, '../../../src/runbook/grpc/health.proto');
  const service = loadSync(proto, { enums: String })['grpc.health.v1.Health'] as ServiceDefinition;
  const server = new Server();
  const check: handleUnaryCall<{ service?: string }, { status: string }> = (call, reply) => {
    world.asks.push(call.request.service ?? '');
    if (world.says === null) reply({ code: status.UNIMPLEMENTED, details: 'unknown method Check' });
    else if (typeof world.says === 'object') reply({ ...world.says, details: 'as it was told' });
    else reply(null, { status: world.says });
  };
  server.addService(service, { Check: check });
  const tls = ServerCredentials.createSsl(
    Buffer.from(authority.caPem),
    [{ private_key: Buffer.from(serving.keyPem), cert_chain: Buffer.from(serving.certPem) }],
    wantsClients,
  );
  const behind = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', tls, (error, port) => (error === null ? resolve(port) : reject(error))),
  );
  const silence = createSilence();
  let fault: Fault | null = null;
  const wire = net.createServer((socket) => {
    if (fault === 'silence') silence.meet();
    else if (fault === 'empty') socket.destroy();
    else if (fault === 'html') socket.end('HTTP/1.1 200 OK\r\ncontent-type: text/html\r\n\r\n<html>Welcome</html>');
    else {
      const inner = net.connect(behind, '127.0.0.1');
      loopback.keep(inner);
      socket.pipe(inner).pipe(socket);
      socket.once('close', () => inner.destroy());
      inner.once('close', () => socket.destroy());
    }
  });
  const loopback = await listening(wire);
  const base: GrpcConfig = {
    kind: 'grpc',
    address: `127.0.0.1:${loopback.port}`,
    service: 'orders',
    tls: { caFile: authority.caFile },
    certificateMinMs: 3_600_000,
  };
  const config: GrpcWorld['config'] = (change) => ({ 'proxy-eu': { ...base, ...change } });
  const world: GrpcWorld = {
    authority,
    says: 'NOT_SERVING',
    asks: [],
    config,
    spec: { system: 'proxy-eu' },
    systems: config({}),
    files: { [authority.caFile]: authority.caPem },
    secrets: [],
    settle: () => {
      world.says = 'SERVING';
    },
    effects: () => 0,
    meets: (next) => {
      fault = next;
    },
    asked: silence.met,
    async [Symbol.asyncDispose]() {
      await loopback[Symbol.asyncDispose]();
      server.forceShutdown();
      rmSync(dir, { recursive: true, force: true });
    },
  };
  return world;
};
