// A zone that answers users as a stand-in says they are served: weights by address in, DNS answers out. What the vendor's own name servers would be; here the
// answering half of the builtin server, with nothing that could be written from outside. For the demo.
import { answerQuery } from '../../providers/builtin/answer.ts';
import { listenDns } from '../../providers/builtin/listen.ts';
import { createRotation } from '../../providers/builtin/rotation.ts';
import { emptyZone, swap } from '../../providers/builtin/zone.ts';
import { wholeUnits } from '../../providers/rounding.ts';
import type { Ports } from '../ports.ts';

export interface ServedZone {
  port: number;
  /** From now on. All zero or empty: the name has no address. */
  show(weights: Readonly<Record<string, number>>): void;
  close(): Promise<void>;
}

export interface ServedZoneOptions {
  ports: Ports;
  zone: string;
  /** The one name in it. */
  name: string;
  ttlS: number;
}

const HOST = '127.0.0.1';
const THOUSANDTHS = 1000;

/** Listens on a free port of 127.0.0.1. Throws Fault ERR_LISTEN. */
export const openServedZone = async ({ ports, zone: zoneName, name, ttlS }: ServedZoneOptions): Promise<ServedZone> => {
  let zone = emptyZone(zoneName, HOST);
  const rotate = createRotation();
  const listener = await listenDns(ports, HOST, 0, (packet, over) => answerQuery(packet, over, zone, rotate));
  return {
    port: listener.port,
    show(weights) {
      const empty = { ...emptyZone(zoneName, HOST), serial: zone.serial + 1 };
      const given = Object.entries(weights).map(([pool, share]) => ({ pool, share, configuredShare: share }));
      if (given.every(({ share }) => share <= 0)) {
        zone = empty;
        return;
      }
      const pools = [...wholeUnits(given, THOUSANDTHS)].map(([address, share]) => ({ pool: address, share, answers: [address] }));
      const swapped = swap(empty, [{ service: { name, ttlS, pools, fence: 'shown' }, ifFence: null }]);
      if (swapped.outcome !== 'swapped') throw new Error(`${name} cannot be shown: ${JSON.stringify(swapped)}`);
      zone = swapped.zone;
    },
    close: () => listener.close(),
  };
};
