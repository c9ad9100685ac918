// The demo's store as a real etcd: a member for every region, all on loopback. A member dies with its region and returns with it on the data it left;
// the audience looks through a client of its own that knows all of them.
import { join } from 'node:path';
import type { Ports } from '../ports.ts';
import { openEtcd } from '../store/etcd/index.ts';
import { lastWords } from './child.ts';
import { ensureEtcd } from './install.ts';
import { electedOf, handOver, LOOPBACK, loopbackUrl, type Member, memberReady, startMember } from './member.ts';
import { freePort } from './port.ts';
import { type Pace, PLACES } from './scene.ts';
import type { StoreRoom } from './store-room.ts';

export interface EtcdOptions {
  ports: Ports;
  /** Data and logs go there. */
  folder: string;
  pace: Pace;
  tell(text: string): void;
  /** A member's process ended although nobody killed it. */
  onCrash(region: string, how: string): void;
}

const PREFIX = '/tidegate/demo/';
const TIMEOUT_MS = 1500;

/** Throws Fault ERR_DEMO when there is no etcd and none can be installed, or it does not come up; members it started are killed by `killAll`. */
export const openEtcdRoom = async ({ ports, folder, pace, tell, onCrash }: EtcdOptions): Promise<StoreRoom> => {
  const program = await ensureEtcd(tell);
  const free = new Set<number>();
  while (free.size < 2 * PLACES.length) free.add(await freePort(ports, [LOOPBACK]));
  const [...numbers] = free;
  const doors = new Map(PLACES.map(({ region }, i) => [region, { client: numbers[2 * i] ?? 0, peer: numbers[2 * i + 1] ?? 0 }]));
  const ring = [...doors].map(([region, { peer }]) => `${region}=${loopbackUrl(peer)}`).join(',');
  const members = new Map<string, Member>();

  const launch = (region: string): Member => {
    const { client = 0, peer = 0 } = doors.get(region) ?? {};
    const logFile = join(folder, `${region}.etcd.log`);
    const member = startMember({
      program,
      name: region,
      dataDir: join(folder, `${region}.etcd`),
      logFile,
      clientPort: client,
      peerPort: peer,
      ring,
      heartbeatMs: pace.heartbeatMs,
      electionMs: pace.electionMs,
      onEnd(how, asked) {
        if (!asked) onCrash(region, `${how}${lastWords(logFile)}`);
      },
    });
    members.set(region, member);
    return member;
  };
  const memberOf = (region: string): Member => {
    const member = members.get(region);
    if (member === undefined) throw new Error(`no member of the store belongs to ${region}`);
    return member;
  };
  const closeMembers = async (): Promise<void> => void (await Promise.all([...members.values()].map(({ kill }) => kill())));

  /** Its own first: that one answers without leaving the region. */
  const endpointsFrom = (region: string): readonly string[] =>
    [...doors].sort(([a], [b]) => Number(b === region) - Number(a === region)).map(([, { client }]) => loopbackUrl(client));
  try {
    await Promise.all(PLACES.map(({ region }) => memberReady(ports, launch(region))));
    const store = openEtcd({ endpoints: endpointsFrom(''), prefix: PREFIX, timeoutMs: TIMEOUT_MS, ports });
    return {
      store,
      where: `store in an etcd with a member in each region, on ports ${[...doors.values()].map(({ client }) => client).join(', ')}`,
      entry: (region) => ({ kind: 'etcd', endpoints: endpointsFrom(region), prefix: PREFIX, timeout: `${TIMEOUT_MS}ms` }),
      members: {
        of: (region) => ({ address: `${LOOPBACK}:${memberOf(region).clientPort}`, pid: memberOf(region).pid }),
        start: (region) => memberReady(ports, launch(region)),
        kill: (region) => memberOf(region).kill(),
        lead: (region) => handOver(ports, [...members.values()], memberOf(region)),
        leader: async () => (await electedOf(ports, [...members.values()])).name,
      },
      async close() {
        await store.close();
        await closeMembers();
      },
    };
  } catch (error) {
    await closeMembers();
    throw error;
  }
};
