// Where the demo keeps its store: in this process, the default, or as an etcd with a member in every region (src/drill/etcd.ts). The story knows only
// what differs: a member that dies and returns with its region.
import { join } from 'node:path';
import type { Ports } from '../ports.ts';
import { ensureSecret } from '../secrets.ts';
import { openEmbedded } from '../store/embedded.ts';
import { serveStore } from '../store/serve.ts';
import type { Store } from '../store/store.ts';

export interface StoreRoom {
  /** As the audience looks into it. */
  store: Store;
  /** Where it is, as the story says it. */
  where: string;
  /** What stands under `store` in a region's file. */
  entry(region: string): object;
  /** null: no region has a part of it. */
  members: StoreMembers | null;
  close(): Promise<void>;
}

export interface StoreMembers {
  /** Of the region's member, for the story: where clients reach it, and its process. */
  of(region: string): { address: string; pid: number };
  /** Starts the region's member again on the data that it left. */
  start(region: string): Promise<void>;
  /** SIGKILL. Resolves when the process is gone. */
  kill(region: string): Promise<void>;
  /** Makes the region's member the leader of the store. Throws Fault ERR_DEMO when it is not within a few seconds. */
  lead(region: string): Promise<void>;
  /** Region of the member that leads. Throws Fault ERR_DEMO when there is none within a few seconds. */
  leader(): Promise<string>;
}

const LOOPBACK = '127.0.0.1';

/** The embedded store in this process, lent over HTTP. */
export const openEmbeddedRoom = async (ports: Ports, folder: string): Promise<StoreRoom> => {
  const tokenFile = 'store.token';
  const store = openEmbedded({ file: join(folder, 'store.sqlite'), ports });
  try {
    const token = ensureSecret(join(folder, tokenFile), ports.random);
    const lent = await serveStore({ store, host: LOOPBACK, port: 0, token, ports });
    return {
      store,
      where: `store on ${LOOPBACK}:${lent.port}`,
      entry: () => ({ kind: 'remote', url: `http://${LOOPBACK}:${lent.port}`, tokenFile }),
      members: null,
      async close() {
        await lent.close();
        await store.close();
      },
    };
  } catch (error) {
    await store.close();
    throw error;
  }
};
