// What serves the demo's users, as a room of its own: the builtin DNS server, a real one, or a vendor's stand-in with what users would meet behind it. The
// story knows only what differs. A table: each room is opened lazily, so that an unused vendor costs nothing.
import type { Ports } from '../ports.ts';
import type { Sample } from './answers.ts';
import type { Pace, Served } from './scene.ts';
import type { Serving } from './timeline.ts';

export interface ProviderRoom extends Served {
  /** Who plays and where, as the story says it. */
  where: string;
  serving: Serving;
  /** What stands under `providers.local` in a region's file. Files are named relative to the demo's folder. */
  entry(region: string): object;
  /** More sections of a region's file. */
  sections?(region: string): object;
  /** Where users resolve names, on 127.0.0.1. */
  dnsPort: number;
  sample: Sample;
  /** Tidegate can measure by itself how users follow. */
  measured: boolean;
  close(): Promise<void>;
}

export interface ProviderRoomOptions {
  ports: Ports;
  /** For its files; gone when the demo ends. */
  folder: string;
  pace: Pace;
  /** The one port of every region's app. */
  app: number;
  /** A process of the room's ended although nobody asked. */
  onCrash(how: string): void;
}

export type OpenProviderRoom = (options: ProviderRoomOptions) => Promise<ProviderRoom>;

/** Of a load balancer that all users go through. */
export const FRONT = '127.0.1.9';

interface RoomKind {
  /** What an audience should know before the story: a real server, or a stand-in of ours. Empty: nothing out of the ordinary. */
  says: string;
  /** Loopback addresses that it needs beside those of the regions. */
  addresses: readonly string[];
  open: () => Promise<OpenProviderRoom>;
}

export const providerRooms = {
  builtin: { says: '', addresses: [], open: async () => (await import('./providers/builtin.ts')).openBuiltinRoom },
  rfc2136: {
    says: 'Users are answered by a real BIND 9. It serves an address or does not: a region that returns has no users until it carries half of its share.',
    addresses: [],
    open: async () => (await import('./providers/rfc2136.ts')).openBindRoom,
  },
} as const satisfies Record<string, RoomKind>;

export type RoomName = keyof typeof providerRooms;

export const isRoomName = (name: string): name is RoomName => Object.hasOwn(providerRooms, name);
