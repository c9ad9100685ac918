// What replicas say of themselves beside their votes: which version of the program each runs, and what its wall clock shows. For humans; nothing is decided
// by it. A replica that is not heard any more runs nothing.
import type { Beat } from '../model.ts';

/** A replica's last beat, and the most that it can be old. */
export interface Said {
  region: string;
  replica: string;
  beat?: Beat | null;
  /** Infinity when nothing bounds it. */
  ageMs: number;
}

export interface RunningVersion {
  /** null: it does not say, so it is 0.2 or older. */
  version: string | null;
  /** `region/replica`, sorted. */
  replicas: readonly string[];
}

export interface ClockOffset {
  /** `region/replica`. */
  replica: string;
  /** How far its wall clock is ahead of ours, ms: it lies between these. Behind where they are negative. */
  leastMs: number;
  mostMs: number;
}

export interface Fleet {
  /** Of those that are heard, the most common first. */
  versions: readonly RunningVersion[];
  clocks: readonly ClockOffset[];
  /** The least by which two of their clocks must differ, whatever time their beats took; 0 for fewer than two. */
  skewMs: number;
}

const versionsOf = (heard: readonly Said[]): readonly RunningVersion[] =>
  [...Map.groupBy(heard, ({ beat }) => beat?.version ?? null)]
    .map(([version, those]) => ({ version, replicas: those.map(({ region, replica }) => `${region}/${replica}`).sort() }))
    .sort((a, b) => b.replicas.length - a.replicas.length || String(a.version).localeCompare(String(b.version)));

/** A beat is at most `ageMs` old, and at least no time: its clock showed `wallMs` somewhere in between. */
const clocksOf = (heard: readonly Said[], wallMs: number): readonly ClockOffset[] =>
  heard.flatMap(({ region, replica, beat, ageMs }) =>
    beat == null ? [] : [{ replica: `${region}/${replica}`, leastMs: beat.wallMs - wallMs, mostMs: beat.wallMs - wallMs + ageMs }],
  );

/** `wallMs`: what our own clock showed when the beats were read. */
export const fleetOf = (said: readonly Said[], wallMs: number, freshMs: number): Fleet => {
  const heard = said.filter(({ beat, ageMs }) => beat != null && ageMs <= freshMs);
  const clocks = clocksOf(heard, wallMs);
  const [ahead, behind] = [Math.max(...clocks.map((c) => c.leastMs)), Math.min(...clocks.map((c) => c.mostMs))];
  return { versions: versionsOf(heard), clocks, skewMs: clocks.length < 2 ? 0 : Math.max(0, ahead - behind) };
};

export const isSkewed = ({ versions }: Pick<Fleet, 'versions'>): boolean => versions.length > 1;

export const versionText = ({ version, replicas }: RunningVersion): string =>
  `${version ?? '0.2 or older (it does not say)'} at ${replicas.slice(0, 8).join(', ')}${replicas.length > 8 ? ` and ${replicas.length - 8} more` : ''}`;
