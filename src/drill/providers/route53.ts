// The demo on a stand-in of Amazon Route 53: weighted record sets, written by the vendor's own client; its name servers are a zone of ours.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { OpenProviderRoom } from '../provider-room.ts';
import { SERVICE, ZONE } from '../scene.ts';
import { startRoute53 } from '../stand-ins/route53.ts';
import { LATENCY_MS, openAnswered, VISIBLE_MS } from './users.ts';

const ZONE_ID = 'Z00000000000DEMO';
const CREDENTIALS_FILE = 'aws.ini';

export const openRoute53Room: OpenProviderRoom = async (options) => {
  const { ports, folder } = options;
  const users = await openAnswered(options, 'Route 53');
  const key = { accessKeyId: 'AKIADEMODEMODEMODEMO', secretAccessKey: ports.random.hex(20) };
  const text = `[default]\naws_access_key_id = ${key.accessKeyId}\naws_secret_access_key = ${key.secretAccessKey}\n`;
  writeFileSync(join(folder, CREDENTIALS_FILE), text, { mode: 0o600 });
  try {
    const standIn = await startRoute53({
      ports,
      key,
      zones: [{ id: ZONE_ID, name: ZONE }],
      latencyMs: LATENCY_MS,
      visibleAfterMs: VISIBLE_MS,
      onServed({ name, weights }) {
        if (name === SERVICE) users.show(weights);
      },
    });
    return {
      ...users.room,
      where: `a stand-in for Route 53 on ${new URL(standIn.url).host}, whose DNS is on 127.0.0.1:${users.room.dnsPort}`,
      entry: () => ({
        kind: 'route53',
        mode: 'weighted',
        zone: ZONE,
        hostedZoneId: ZONE_ID,
        endpoint: standIn.url,
        credentialsFile: CREDENTIALS_FILE,
      }),
      anchors: [users.anchor, `tcp://${new URL(standIn.url).host}`],
      async close() {
        await standIn.close();
        await users.close();
      },
    };
  } catch (error) {
    await users.close();
    throw error;
  }
};
