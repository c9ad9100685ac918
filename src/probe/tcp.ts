// Connects, and that is all: ok means that something accepted the connection.
import type { ProbeSpec } from '../model.ts';
import { connect } from './connect.ts';
import type { ProbeKind } from './kind.ts';
import { look } from './look.ts';

type TcpSpec = Extract<ProbeSpec, { kind: 'tcp' }>;

export const tcp: ProbeKind<TcpSpec> = {
  kind: 'tcp',
  probe: (spec, context, signal) =>
    look(context, signal, async (look) => {
      // Parsed by the rules of http, as the configuration does: only so are hosts made canonical. Its default port is then left out.
      const url = new URL(`http${spec.url.slice('tcp'.length)}`);
      const socket = await connect(look, context, { host: url.hostname, port: Number(url.port || 80) });
      if (socket !== null) look.ok();
    }),
};
