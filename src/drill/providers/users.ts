// What users of the demo meet behind a vendor's stand-in: DNS answers by the weights that it serves, or one front that all of them go through.

import { sampleDns } from '../answers.ts';
import { type Front, openFront, sampleFront } from '../front.ts';
import { FRONT, type ProviderRoom, type ProviderRoomOptions } from '../provider-room.ts';
import { PLACES, SERVICE, ZONE } from '../scene.ts';
import { openServedZone } from '../served-zone.ts';
import { BALANCER, DNS } from '../timeline.ts';

/** From a request to the stand-in until its reply, and from there until users are served by it. */
export const LATENCY_MS = 50;
export const VISIBLE_MS = 500;

const LOOPBACK = '127.0.0.1';

export interface Users {
  /** Weights from now on: by address where DNS answers, by region where there is a front. */
  show(weights: Readonly<Record<string, number>>): void;
  /** What the room has of them. */
  room: Pick<ProviderRoom, 'serving' | 'dnsPort' | 'converge' | 'byAddress' | 'sample'>;
  /** Where a region may look to know that its uplink works. */
  anchor: string;
  close(): Promise<void>;
}

type Options = Pick<ProviderRoomOptions, 'ports' | 'pace' | 'app'>;

/** Users resolve the name and go where the answer says. `name`: of who answers, in sentences. */
export const openAnswered = async ({ ports, pace, app }: Options, name: string): Promise<Users> => {
  const zone = await openServedZone({ ports, zone: ZONE, name: SERVICE, ttlS: pace.ttlS });
  const dns = `${LOOPBACK}:${zone.port}`;
  return {
    show: (weights) => zone.show(weights),
    room: {
      serving: { ...DNS, name },
      dnsPort: zone.port,
      converge: { authoritative: [dns], request: { port: app, path: '/' } },
      byAddress: true,
      sample: sampleDns(ports, { host: LOOPBACK, port: zone.port }, SERVICE),
    },
    anchor: `tcp://${dns}`,
    close: () => zone.close(),
  };
};

/** The name stands for one address, whose front passes every visit on. */
export const openProxied = async ({ ports, pace, app }: Options, name: string): Promise<Users> => {
  const zone = await openServedZone({ ports, zone: ZONE, name: SERVICE, ttlS: pace.ttlS });
  let front: Front;
  try {
    front = await openFront({ ports, host: FRONT, port: app, places: PLACES });
  } catch (error) {
    await zone.close();
    throw error;
  }
  zone.show({ [FRONT]: 1 });
  return {
    show: (weights) => front.show(weights),
    room: {
      serving: { ...BALANCER, name },
      dnsPort: zone.port,
      // Its one address says nothing of where users land: only what answers a request there does.
      converge: { resolvers: [`${LOOPBACK}:${zone.port}`], request: { port: app, path: '/' } },
      byAddress: false,
      sample: sampleFront(ports, { host: FRONT, port: app }, SERVICE),
    },
    anchor: `tcp://${LOOPBACK}:${zone.port}`,
    async close() {
      await front.close();
      await zone.close();
    },
  };
};
