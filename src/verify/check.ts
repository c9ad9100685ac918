// Whether a codec server or a gRPC server works, as audits ask them.
import type { Ports } from '../ports.ts';
import type { CodecSystem } from '../runbook/codec/system.ts';
import type { GrpcSystem } from '../runbook/grpc/system.ts';
import type { LookOptions } from './look.ts';

/** `namespace`: in whose name codec servers are asked. */
export const checkBy =
  (ports: Pick<Ports, 'clock' | 'random'>, system: LookOptions['system'], namespace: string): LookOptions['check'] =>
  async (kind, name, signal) => {
    if (kind === 'grpc') {
      const { healthOf } = await import('../runbook/grpc/check.ts');
      return healthOf(await system<GrpcSystem>(name, 'grpc'), ports.clock.wallMs, signal);
    }
    const { canaryThrough, NONCE_BYTES } = await import('../runbook/codec/canary.ts');
    return canaryThrough(name, await system<CodecSystem>(name, 'codec'), namespace, ports.random.hex(NONCE_BYTES), signal);
  };
