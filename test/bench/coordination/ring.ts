// A real etcd of three members for benches: everybody's own member is near, the others are a round trip away, for members and clients alike.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureEtcd } from '../../../src/drill/install.ts';
import { handOver, LOOPBACK, leaderOf, loopbackUrl, type Member, memberReady, startMember } from '../../../src/drill/member.ts';
import { freePort } from '../../../src/drill/port.ts';
import { realPorts } from '../../../src/ports.ts';
import { openEtcd } from '../../../src/store/etcd/index.ts';
import type { Store } from '../../../src/store/store.ts';
import { startWire, type Wire } from './wire.ts';

export const SITES = ['a', 'b', 'c'] as const;
export type Site = (typeof SITES)[number];

/** As recommended for round trips of up to 150 ms. */
const HEARTBEAT_MS = 150;
export const ELECTION_MS = 1500;
export const TIMEOUT_MS = 1500;
export const PREFIX = '/tidegate/bench/';

export interface Ring {
  /** A client in this site, as production opens it. */
  open(site: Site): Store;
  endpoints(site: Site): readonly string[];
  member(site: Site): Member;
  members(): readonly Member[];
  leader(): Promise<Site | null>;
  /** Makes this site's member the leader. */
  lead(site: Site): Promise<void>;
  /** Starts the member of a site again on the data that it left. */
  restart(site: Site): Promise<void>;
  close(): Promise<void>;
}

/** As deploy/etcd asks for. */
const FLAGS = ['--max-txn-ops=1024', '--max-request-bytes=8388608', '--quota-backend-bytes=536870912'];

/** `rttMs` between sites; within one there is none. */
export const startRing = async (rttMs: number, sites: readonly Site[] = SITES): Promise<Ring> => {
  const ports = realPorts();
  const program = await ensureEtcd((text) => process.stderr.write(`${text}\n`));
  const folder = mkdtempSync(join(tmpdir(), 'tidegate-bench-'));
  const wires: Wire[] = [];
  const wireTo = async (port: number): Promise<number> => {
    if (rttMs === 0) return port;
    const wire = await startWire(port, rttMs / 2);
    wires.push(wire);
    return wire.port;
  };
  const doors = new Map<Site, { client: number; peer: number; peerWire: number; far: number }>();
  for (const site of sites) {
    const [client, peer] = [await freePort(ports, [LOOPBACK]), await freePort(ports, [LOOPBACK])];
    doors.set(site, { client, peer, peerWire: await wireTo(peer), far: await wireTo(client) });
  }
  const ring = [...doors].map(([site, { peerWire }]) => `${site}=${loopbackUrl(peerWire)}`).join(',');
  const members = new Map<Site, Member>();
  const launch = (site: Site): Member => {
    const { client = 0, peer = 0, peerWire = 0 } = doors.get(site) ?? {};
    const member = startMember({
      program,
      name: site,
      dataDir: join(folder, site),
      logFile: join(folder, `${site}.log`),
      clientPort: client,
      peerPort: peer,
      peerUrl: loopbackUrl(peerWire),
      ring,
      heartbeatMs: HEARTBEAT_MS,
      electionMs: ELECTION_MS,
      flags: FLAGS,
      onEnd: () => undefined,
    });
    members.set(site, member);
    return member;
  };
  const member = (site: Site): Member => {
    const found = members.get(site);
    if (found === undefined) throw new Error(`there is no member in ${site}`);
    return found;
  };
  const endpoints = (site: Site): readonly string[] =>
    [...doors]
      .sort(([x], [y]) => Number(y === site) - Number(x === site))
      .map(([each, { client, far }]) => loopbackUrl(each === site ? client : far));
  const close = async (): Promise<void> => {
    await Promise.all([...members.values()].map((each) => each.kill()));
    for (const wire of wires) wire.close();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await Promise.all(sites.map((site) => memberReady(ports, launch(site))));
  } catch (error) {
    await close();
    throw error;
  }
  return {
    open: (site) => openEtcd({ endpoints: endpoints(site), prefix: PREFIX, timeoutMs: TIMEOUT_MS, ports }),
    endpoints,
    member,
    members: () => [...members.values()],
    leader: async () => ((await leaderOf(ports, [...members.values()]))?.name as Site | undefined) ?? null,
    lead: (site) => handOver(ports, [...members.values()], member(site)),
    restart: (site) => memberReady(ports, launch(site)),
    close,
  };
};
