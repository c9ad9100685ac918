// A server of gRPC health, looked at through whatever stands before it: each look is a connection of its own, so that the certificate is the one that is shown
// now. Names come from our own resolver; TLS is verified by the name of the address, or by the one that the configuration says.
import { X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import { type ChannelCredentials, credentials, Metadata, type MethodDefinition } from '@grpc/grpc-js';
import { loadSync, type ServiceDefinition } from '@grpc/proto-loader';
import { familyOf } from '../../dns/address.ts';
import { errorText, Fault } from '../../errors.ts';
import { type LinkOptions, openLink } from '../../grpc-link.ts';
import { parseTime } from '../../ports.ts';
import type { System, SystemContext } from '../kind.ts';
import type { GrpcConfig, SystemModule, TlsConfig } from '../systems.ts';

const REPLY_BYTES_MAX = 64 * 1024;
/** An address has no SNI, and the library wants a name to send. */
const NAME_FOR_ADDRESSES = 'address.invalid';

export interface Look {
  /** In the protocol's words; UNKNOWN where the server left it out. */
  status: 'UNKNOWN' | 'SERVING' | 'NOT_SERVING' | 'SERVICE_UNKNOWN';
  /** When the certificate ends, in ms since 1970; null: no TLS. */
  certificateEndsAtMs: number | null;
}

export interface GrpcSystem extends System {
  readonly kind: 'grpc';
  readonly address: string;
  readonly service: string;
  readonly certificateMinMs: number;
  /** Throws CallError with the status of gRPC, or an Error about the name or the certificate. */
  look(signal: AbortSignal): Promise<Look>;
}

type Check = MethodDefinition<{ service: string }, { status?: Look['status'] }>;

const loadCheck = (): Check => {
  const definition = loadSync(join(import.meta.dirname, 'health.proto'), { enums: String });
  return (definition['grpc.health.v1.Health'] as ServiceDefinition).Check as unknown as Check;
};

export const grpc: SystemModule<GrpcConfig> = {
  async open({ address, service, tls, certificateMinMs }, context) {
    const at = new URL(`${tls === undefined ? 'http' : 'https'}://${address}`);
    const host = at.hostname.replace(/[[\]]/g, '');
    const port = Number(at.port || (tls === undefined ? 80 : 443));
    const material = tls === undefined ? null : materialOf(tls, context);
    const check = loadCheck();
    /** A name's addresses take turns, so that one that is dead does not stand for all. */
    let turn = 0;
    const addressFor = async (signal: AbortSignal): Promise<string> => {
      if (familyOf(host) !== null) return host;
      const { addresses, stale } = await context.resolve(host, signal);
      const found = addresses[turn++ % addresses.length];
      if (found === undefined) throw new Error(`${host} has no address: ${stale ?? 'none is known'}`);
      return found;
    };
    const system: GrpcSystem = {
      kind: 'grpc',
      address,
      service,
      certificateMinMs,
      async look(signal) {
        const shown: Shown = { certificate: null, refusal: null };
        const link = openLink({
          address: await addressFor(signal),
          port,
          authority: at.host.includes(':') ? at.host : `${at.host}:${port}`,
          replyBytesMax: REPLY_BYTES_MAX,
          ...secured(material, tls?.serverName ?? host, shown),
        });
        try {
          const { status = 'UNKNOWN' } = await link.ask(check, { service }, new Metadata(), signal);
          return { status, certificateEndsAtMs: shown.certificate === null ? null : parseTime(shown.certificate.validTo) };
        } catch (error) {
          // The library says no more than that there is no connection.
          throw shown.refusal ?? error;
        } finally {
          link.close();
        }
      },
      close: async () => undefined,
    };
    return system;
  },
};

interface Material {
  ca: Buffer | null;
  key: Buffer | null;
  cert: Buffer | null;
}

/** Throws Fault ERR_CONFIG for what is no PEM: the library would find out when it connects. */
const materialOf = ({ caFile, certFile, keyFile }: TlsConfig, { text, secret }: SystemContext): Material => {
  const pem = (content: string | undefined): Buffer | null => (content === undefined ? null : Buffer.from(content));
  const material = {
    ca: pem(caFile === undefined ? undefined : text(caFile)),
    cert: pem(certFile === undefined ? undefined : text(certFile)),
    key: pem(keyFile === undefined ? undefined : secret(keyFile)),
  };
  try {
    for (const certificate of [material.ca, material.cert]) if (certificate !== null) new X509Certificate(certificate);
    credentials.createSsl(material.ca, material.key, material.cert);
    return material;
  } catch (error) {
    const files = [caFile, certFile, keyFile].filter((file) => file !== undefined).join(', ');
    throw new Fault('ERR_CONFIG', `${files}: ${errorText(error)}; certificates and keys must be PEM and belong together`, { cause: error });
  }
};

interface Shown {
  certificate: X509Certificate | null;
  refusal: Error | null;
}

const secured = (
  material: Material | null,
  name: string,
  shown: Shown,
): Pick<LinkOptions, 'serverName'> & { credentials: ChannelCredentials } => {
  if (material === null) return { credentials: credentials.createInsecure() };
  const isAddress = familyOf(name) !== null;
  const verify = (_sent: string, { raw }: { raw: Buffer }): Error | undefined => {
    shown.certificate = new X509Certificate(raw);
    const matches = isAddress ? shown.certificate.checkIP(name) : shown.certificate.checkHost(name);
    shown.refusal = matches === undefined ? new Error(`the certificate is not for ${name}`) : null;
    return shown.refusal ?? undefined;
  };
  return {
    credentials: credentials.createSsl(material.ca, material.key, material.cert, { checkServerIdentity: verify }),
    serverName: isAddress ? NAME_FOR_ADDRESSES : name,
  };
};
