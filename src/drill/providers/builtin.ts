// The demo on the builtin DNS server, in the parent process.
import { join } from 'node:path';
import { serveBuiltin } from '../../../providers/builtin/server.ts';
import { ensureSecret } from '../../secrets.ts';
import { sampleDns } from '../answers.ts';
import type { OpenProviderRoom } from '../provider-room.ts';
import { SERVICE, ZONE } from '../scene.ts';
import { DNS } from '../timeline.ts';

const LOOPBACK = '127.0.0.1';
const TOKEN_FILE = 'dns.token';

export const openBuiltinRoom: OpenProviderRoom = async ({ ports, folder, app }) => {
  const any = { host: LOOPBACK, port: 0 };
  const token = ensureSecret(join(folder, TOKEN_FILE), ports.random);
  const { dnsPort, controlPort, close } = await serveBuiltin({ ports, zoneName: ZONE, dns: any, control: any, token });
  const [dns, control] = [`${LOOPBACK}:${dnsPort}`, `${LOOPBACK}:${controlPort}`];
  return {
    where: `DNS on ${dns}`,
    serving: DNS,
    entry: () => ({ kind: 'builtin', zone: ZONE, control, tokenFile: TOKEN_FILE }),
    dnsPort,
    anchors: [`tcp://${dns}`, `tcp://${control}`],
    converge: { authoritative: [dns], request: { port: app, path: '/' } },
    byAddress: true,
    sample: sampleDns(ports, { host: LOOPBACK, port: dnsPort }, SERVICE),
    close,
  };
};
