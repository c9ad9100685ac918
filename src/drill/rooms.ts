// What the demo's parent process keeps for its regions: a folder of its own, the store, what serves users, and a port that is free on every region's
// address. It neither votes nor coordinates. Closed in reverse; the folder goes with it.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { applyMembers } from '../coordinate/members.ts';
import type { ClusterConfig } from '../model.ts';
import type { Ports } from '../ports.ts';
import { ensureSecret } from '../secrets.ts';
import { freePort } from './port.ts';
import { type ProviderRoom, providerRooms, type RoomName } from './provider-room.ts';
import { clusterOf, type Doors, type Pace, PLACES, regionFile } from './scene.ts';
import { openEmbeddedRoom, type StoreRoom } from './store-room.ts';

/** Of every region's API, which is why their ports differ. */
const API_ADDRESS = '127.0.0.1';

export interface Rooms extends Pick<StoreRoom, 'store' | 'where' | 'members'> {
  folder: string;
  /** The one port of every region's app. */
  app: number;
  /** What serves users. */
  provider: ProviderRoom;
  /** What `configure` applies; its version is the store's to count. */
  cluster: ClusterConfig;
  /** Gives the cluster its configuration: from then on the regions probe each other. */
  configure(): Promise<void>;
  configFile(region: string): string;
  logFile(region: string): string;
  close(): Promise<void>;
}

/** In a folder, with what it says while it does so. */
export type OpenStoreRoom = (folder: string) => Promise<StoreRoom>;

export interface RoomsOptions {
  /** In this process unless said. */
  openStoreRoom?: OpenStoreRoom;
  /** `builtin` unless said. */
  provider?: RoomName;
  /** A process of the provider's ended although nobody asked. */
  onCrash?: (how: string) => void;
}

/** Opens everything and writes the configuration of every region. Throws a Fault with everything closed again. */
export const openRooms = async (
  ports: Ports,
  pace: Pace,
  { openStoreRoom = (folder) => openEmbeddedRoom(ports, folder), provider: kind = 'builtin', onCrash = () => {} }: RoomsOptions = {},
): Promise<Rooms> => {
  const { addresses, open } = providerRooms[kind];
  const app = await freePort(ports, [...PLACES.map(({ address }) => address), ...addresses]);
  const doors = await apiDoors(ports, app);
  const folder = mkdtempSync(join(tmpdir(), 'tidegate-demo-'));
  const closing: (() => unknown)[] = [() => rmSync(folder, { recursive: true, force: true })];
  folders.add(folder);
  const close = async (): Promise<void> => {
    for (const each of closing.reverse().splice(0)) await each();
    folders.delete(folder);
  };
  try {
    const { store, where, entry, members, close: closeStore } = await openStoreRoom(folder);
    closing.push(closeStore);
    const provider = await (await open())({ ports, folder, pace, app, onCrash });
    closing.push(() => provider.close());
    const configFile = (region: string): string => join(folder, `${region}.yaml`);
    ensureSecret(join(folder, 'operator.token'), ports.random);
    for (const { region } of PLACES)
      writeFileSync(configFile(region), regionFile(region, doors, provider.entry(region), entry(region), provider.sections?.(region)), {
        mode: 0o600,
      });
    const cluster = clusterOf(pace, app, provider);
    const configure = async (): Promise<void> =>
      void (await applyMembers(store, cluster, { ports, by: 'demo', reason: 'the story begins' }));
    return {
      folder,
      store,
      where,
      members,
      app,
      provider,
      cluster,
      configure,
      configFile,
      logFile: (region) => join(folder, `${region}.log`),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
};

/** Known before the regions start, so that each can name the others; all differ. */
const apiDoors = async (ports: Ports, taken: number): Promise<Doors> => {
  const doors: Record<string, number> = {};
  for (const { region } of PLACES) {
    const used = [taken, ...Object.values(doors)];
    let port = taken;
    while (used.includes(port)) port = await freePort(ports, [API_ADDRESS]);
    doors[region] = port;
  }
  return doors;
};

const folders = new Set<string>();

/** For the very end of this process, when nothing can be awaited any more. */
export const removeFolders = (): void => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
};
