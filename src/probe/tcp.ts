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
      const url = new URL(spec.url);
      const socket = await connect(look, context, { host: url.hostname, port: Number(url.port) });
      if (socket !== null) look.ok();
    }),
};
