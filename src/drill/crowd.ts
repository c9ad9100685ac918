// The demo's users: each visits on its own, with its own cached answer, started apart so that their answers do not all expire at once.
// Remembers where each landed. Pure questions about those landings are at the end.
import type { Ports } from '../ports.ts';
import { createUser, type Landing, type User } from './client.ts';
import { SERVICE } from './scene.ts';

export interface Crowd {
  /** Landings of each user so far, oldest first, at most LANDINGS_MAX. */
  landings(): readonly (readonly Landing[])[];
  close(): Promise<void>;
}

export interface CrowdOptions {
  ports: Ports;
  dnsPort: number;
  appPort: number;
  users: number;
  visitEveryMs: number;
  /** From the first user's first visit to the last one's. */
  spreadMs: number;
  onLanding(): void;
}

/** Per user; at four visits a second this is longer than any act. */
const LANDINGS_MAX = 2000;

export const gatherCrowd = ({ ports, dnsPort, appPort, users, visitEveryMs, spreadMs, onLanding }: CrowdOptions): Crowd => {
  const diaries: Landing[][] = Array.from({ length: users }, () => []);
  const present: User[] = [];
  const arrivals = diaries.map((diary, i) =>
    ports.timers.after((i * spreadMs) / users, () => {
      present.push(
        createUser({
          ports,
          dnsServer: { host: '127.0.0.1', port: dnsPort },
          name: SERVICE,
          appPort,
          everyMs: visitEveryMs,
          onLanding(landing) {
            diary.push(landing);
            if (diary.length > LANDINGS_MAX) diary.shift();
            onLanding();
          },
        }),
      );
    }),
  );
  return {
    landings: () => diaries,
    async close() {
      for (const arrival of arrivals) arrival.cancel();
      await Promise.all(present.map((user) => user.close()));
    },
  };
};

/** Regions in which users are now, with how many; under '' those who got no answer last. */
export const whereabouts = (diaries: readonly (readonly Landing[])[]): ReadonlyMap<string, number> => {
  const counts = new Map<string, number>();
  for (const diary of diaries) {
    const last = diary.at(-1);
    if (last !== undefined) counts.set(last.region ?? '', (counts.get(last.region ?? '') ?? 0) + 1);
  }
  return counts;
};

/**
 * Instant since which this user has landed on living regions at every visit: the end of the first visit after the last bad one. Null while the last
 * visit was a bad one, or none was made. A user that was never hit settles with its first visit after `sinceAtMs`.
 */
export const settledAtMs = (diary: readonly Landing[], dead: string, sinceAtMs: number): number | null => {
  const visits = diary.filter(({ atMonoMs }) => atMonoMs >= sinceAtMs);
  const lastBad = visits.findLastIndex(({ region }) => region === null || region === dead);
  return visits[lastBad + 1]?.atMonoMs ?? null;
};
