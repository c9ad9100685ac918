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

/** What stands behind the provider's interface: what its users run themselves, or a server of ours that answers as a vendor does. */
export type Behind = 'real' | 'stand-in';

interface RoomKind {
  behind: Behind;
  /** What an audience should know before the story: a real server, or a stand-in of ours. Empty: nothing out of the ordinary. */
  says: string;
  /** Loopback addresses that it needs beside those of the regions. */
  addresses: readonly string[];
  open: () => Promise<OpenProviderRoom>;
}

export const providerRooms = {
  builtin: { behind: 'real', says: '', addresses: [], open: async () => (await import('./providers/builtin.ts')).openBuiltinRoom },
  rfc2136: {
    behind: 'real',
    says: 'Users are answered by a real BIND 9. It serves an address or does not: a region that returns has no users until it carries half of its share.',
    addresses: [],
    open: async () => (await import('./providers/rfc2136.ts')).openBindRoom,
  },
  route53: {
    behind: 'stand-in',
    says: 'Users are answered by a stand-in of ours for Amazon Route 53, not by AWS: it replies after 50 ms and serves half a second later.',
    addresses: [],
    open: async () => (await import('./providers/route53.ts')).openRoute53Room,
  },
  cloudflare: {
    behind: 'stand-in',
    says: "Users go through a stand-in of ours for Cloudflare's load balancing, not through Cloudflare: it replies after 50 ms and serves half a second later.",
    addresses: [FRONT],
    open: async () => (await import('./providers/cloudflare.ts')).openCloudflareRoom,
  },
  gclb: {
    behind: 'stand-in',
    says: "Users go through a stand-in of ours for Google Cloud's load balancing, not through Google: it replies after 50 ms and serves half a second later.",
    addresses: [FRONT],
    open: async () => (await import('./providers/gclb.ts')).openGclbRoom,
  },
  powerdns: {
    behind: 'real',
    says: 'Users are answered by a real PowerDNS, by weight: the name is a LUA record.',
    addresses: [],
    open: async () => (await import('./providers/powerdns.ts')).openPowerDnsRoom,
  },
  gate: {
    behind: 'stand-in',
    says: "No vendor's API is written: a stand-in of ours for a vendor's health checker polls the gates of the surviving regions every second, and takes a region out of its DNS when both have said so twice.",
    addresses: [],
    open: async () => (await import('./providers/gate.ts')).openGateRoom,
  },
} as const satisfies Record<string, RoomKind>;

export type RoomName = keyof typeof providerRooms;

export const isRoomName = (name: string): name is RoomName => Object.hasOwn(providerRooms, name);
