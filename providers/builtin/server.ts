// The builtin DNS server: one zone in memory, answered over UDP and TCP, written through the control address. For demo, tests and development:
// it is one process, it forgets everything when it stops, and it knows no rate limit, transfer or DNSSEC.
import { errorText, Fault } from '../../src/errors.ts';
import type { Log } from '../../src/log.ts';
import type { Ports } from '../../src/ports.ts';
import { answerQuery } from './answer.ts';
import { controlApp, type ZoneCell } from './control.ts';
import { listenDns } from './listen.ts';
import { createRotation } from './rotation.ts';
import { emptyZone } from './zone.ts';

export interface BuiltinOptions {
  ports: Ports;
  /** Lower case, without the trailing dot. */
  zoneName: string;
  /** An IP literal; port 0 picks one that is free for UDP and TCP. */
  dns: { host: string; port: number };
  control: { host: string; port: number };
  /** Bearer token of the control address; not empty. */
  token: string;
  log?: Log;
}

export interface BuiltinServer {
  dnsPort: number;
  controlPort: number;
  /** Drops what is in flight; a writer so cut off reads back. May be called again. */
  close(): Promise<void>;
}

/** Listens on both addresses, or on neither: throws Fault ERR_LISTEN, or ERR_SECRET for an empty token. */
export const serveBuiltin = async ({ ports, zoneName, dns, control, token, log }: BuiltinOptions): Promise<BuiltinServer> => {
  if (token === '') throw new Fault('ERR_SECRET', 'builtin dns: the control token is empty; put a random one into its file');
  const cell: ZoneCell = { zone: emptyZone(zoneName, dns.host) };
  const rotate = createRotation();
  const listener = await listenDns(ports, dns.host, dns.port, (packet, over) => answerQuery(packet, over, cell.zone, rotate));
  const app = controlApp(cell, token, (services, serial) => log?.info('zone.changed', { zone: zoneName, services, serial }));
  try {
    await app.listen({ host: control.host, port: control.port });
  } catch (error) {
    await Promise.all([listener.close(), app.close()]);
    throw new Fault(
      'ERR_LISTEN',
      `builtin dns control on ${control.host}:${control.port}: ${errorText(error)}; choose a free address of this machine`,
      {
        cause: error,
      },
    );
  }
  const address = app.server.address();
  const controlPort = typeof address === 'object' && address !== null ? address.port : control.port;
  log?.info('zone.served', { zone: zoneName, dns: `${dns.host}:${listener.port}`, control: `${control.host}:${controlPort}` });
  return { dnsPort: listener.port, controlPort, close: () => Promise.all([listener.close(), app.close()]).then(() => undefined) };
};
