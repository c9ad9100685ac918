// The demo on a stand-in of Google Cloud load balancing: one global backend service with a group per region, written by the vendor's own client; a front of
// ours passes every visit on by the groups' capacity.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { OpenProviderRoom } from '../provider-room.ts';
import { PLACES, SERVICE } from '../scene.ts';
import { startGclbStandIn } from '../stand-ins/gclb.ts';
import { LATENCY_MS, openProxied, VISIBLE_MS } from './users.ts';

const PROJECT = 'tidegate-demo';
const BACKEND_SERVICE = 'web';
const CREDENTIALS_FILE = 'gcp.json';

const groupOf = (region: string): string => `zones/${region}-a/networkEndpointGroups/${region}`;

export const openGclbRoom: OpenProviderRoom = async (options) => {
  const { ports, folder } = options;
  const users = await openProxied(options, 'Google Cloud');
  try {
    const standIn = await startGclbStandIn({
      ports,
      project: PROJECT,
      latencyMs: LATENCY_MS,
      visibleAfterMs: VISIBLE_MS,
      backendServices: [
        {
          name: BACKEND_SERVICE,
          description: '',
          loadBalancingScheme: 'EXTERNAL_MANAGED',
          protocol: 'HTTP',
          backends: PLACES.map(({ region }) => ({
            group: `https://www.googleapis.com/compute/v1/projects/${PROJECT}/${groupOf(region)}`,
            balancingMode: 'RATE',
            maxRatePerEndpoint: 100,
            capacityScaler: 1,
          })),
        },
      ],
      onServed({ name, weights }) {
        // Groups are called as their regions.
        if (name === BACKEND_SERVICE) users.show(weights);
      },
    });
    writeFileSync(join(folder, CREDENTIALS_FILE), standIn.credentials, { mode: 0o600 });
    return {
      ...users.room,
      where: `a stand-in for Google Cloud on ${new URL(standIn.url).host}, whose front ends are a front of ours`,
      entry: () => ({
        kind: 'gclb',
        mode: 'capacity',
        project: PROJECT,
        endpoint: standIn.url,
        credentialsFile: CREDENTIALS_FILE,
        services: {
          [SERVICE]: {
            backendService: BACKEND_SERVICE,
            pools: Object.fromEntries(PLACES.map(({ region }) => [region, { groups: [groupOf(region)] }])),
          },
        },
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
