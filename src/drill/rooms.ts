// What the demo's parent process keeps for its regions: a folder of its own, the embedded store lent over HTTP, the builtin DNS server, and a port that
// is free on every region's address. It neither votes nor coordinates. Closed in reverse; the folder goes with it.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { serveBuiltin } from '../../providers/builtin/server.ts';
import { applyMembers } from '../coordinate/members.ts';
import { errorText, Fault } from '../errors.ts';
import type { ClusterConfig } from '../model.ts';
import type { Ports } from '../ports.ts';
import { ensureSecret } from '../secrets.ts';
import { openEmbedded } from '../store/embedded.ts';
import { serveStore } from '../store/serve.ts';
import type { Store } from '../store/store.ts';
import { clusterOf, type Doors, type Pace, PLACES, regionFile, ZONE } from './scene.ts';

export interface Rooms {
  folder: string;
  store: Store;
  doors: Doors;
  /** What `configure` applies; its version is the store's to count. */
  cluster: ClusterConfig;
  /** Gives the cluster its configuration: from then on the regions probe each other. */
  configure(): Promise<void>;
  configFile(region: string): string;
  logFile(region: string): string;
  close(): Promise<void>;
}

const LOOPBACK = '127.0.0.1';
const PORT_TRIES_MAX = 20;

/** Opens everything and writes the configuration of every region. Throws a Fault with everything closed again. */
export const openRooms = async (ports: Ports, pace: Pace): Promise<Rooms> => {
  const app = await freePort(ports);
  const folder = mkdtempSync(join(tmpdir(), 'tidegate-demo-'));
  const closing: (() => unknown)[] = [() => rmSync(folder, { recursive: true, force: true })];
  folders.add(folder);
  const close = async (): Promise<void> => {
    for (const each of closing.reverse().splice(0)) await each();
    folders.delete(folder);
  };
  try {
    const store = openEmbedded({ file: join(folder, 'store.sqlite'), ports });
    closing.push(() => store.close());
    const storeToken = ensureSecret(join(folder, 'store.token'), ports.random);
    const lent = await serveStore({ store, host: LOOPBACK, port: 0, token: storeToken, ports });
    closing.push(() => lent.close());
    const any = { host: LOOPBACK, port: 0 };
    const token = ensureSecret(join(folder, 'dns.token'), ports.random);
    const dns = await serveBuiltin({ ports, zoneName: ZONE, dns: any, control: any, token });
    closing.push(() => dns.close());
    const doors: Doors = { store: lent.port, dns: dns.dnsPort, control: dns.controlPort, app };
    const configFile = (region: string): string => join(folder, `${region}.yaml`);
    ensureSecret(join(folder, 'operator.token'), ports.random);
    for (const { region } of PLACES) writeFileSync(configFile(region), regionFile(region, doors), { mode: 0o600 });
    const cluster = clusterOf(pace, doors);
    const configure = async (): Promise<void> => void (await applyMembers(store, cluster));
    return { folder, store, doors, cluster, configure, configFile, logFile: (region) => join(folder, `${region}.log`), close };
  } catch (error) {
    await close();
    throw error;
  }
};

/** A TCP port that is free on the address of every region. Throws Fault ERR_LISTEN, with the cure when an address does not exist. */
const freePort = async (ports: Ports): Promise<number> => {
  const addresses = PLACES.map(({ address }) => address);
  for (let attempt = 1; ; attempt++) {
    const [first = LOOPBACK, ...others] = addresses;
    const port = await tryPort(ports, first, 0);
    const taken = await Promise.all(others.map((address) => tryPort(ports, address, port).catch((error: unknown) => faultOnly(error))));
    if (!taken.includes(null)) return port;
    if (attempt === PORT_TRIES_MAX)
      throw new Fault('ERR_LISTEN', `no port is free on all of ${addresses.join(', ')} after ${attempt} tries; close what uses so many`);
  }
};

const faultOnly = (error: unknown): null => {
  if (error instanceof Fault) throw error;
  return null;
};

const tryPort = (ports: Ports, host: string, port: number): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = ports.net.listenTcp((socket) => socket.destroy());
    server.once('error', (error: NodeJS.ErrnoException) => reject(error.code === 'EADDRINUSE' ? error : missing(host, error)));
    server.listen(port, host, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : port));
    });
  });

/** macOS has only 127.0.0.1 on its loopback interface, where Linux has all of 127.0.0.0/8. */
const missing = (host: string, error: Error): Fault =>
  new Fault(
    'ERR_LISTEN',
    `${host}: ${errorText(error)}; each region of the demo needs a loopback address of its own. Linux has them; on macOS add them first: ` +
      PLACES.map(({ address }) => `sudo ifconfig lo0 alias ${address} up`).join('; '),
    { cause: error },
  );

const folders = new Set<string>();

/** For the very end of this process, when nothing can be awaited any more. */
export const removeFolders = (): void => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
};
