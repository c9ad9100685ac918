// The shadow: while this replica coordinates, a second policy is asked about every sight, with a routing record in memory only, and its routes are laid
// beside the live ones. It has no store and no provider to write to, and whatever goes wrong in it ends it, with one line in the log, and nothing else.
import { isDeepStrictEqual } from 'node:util';
import type { Sight } from '../coordinate/read.ts';
import { newUnderstudy, step, translator, type Understudy } from '../decide/understudy.ts';
import { errorText } from '../errors.ts';
import type { Log } from '../log.ts';
import type { ClusterConfig, Route, Routing } from '../model.ts';

export interface Divergence {
  service: string;
  /** Pools whose shares differ, in thousandths. */
  pools: readonly { pool: string; live: number; shadow: number }[];
  sinceAtMs: number;
  /** Why each is as it is. */
  live: string;
  shadow: string;
}

export interface ShadowStatus {
  file: string;
  /** `idle`: another replica coordinates. `broken`: it threw, and is not asked again before the next reload or term. */
  state: 'asked' | 'idle' | 'broken';
  because: string;
  /** Cluster time since which it decides beside the live policy. */
  sinceAtMs: number | null;
  /** Moves it would have made since then. */
  moves: number;
  diverging: readonly Divergence[];
}

export interface ShadowOptions {
  log: Log;
  /** Services that differ, at every change; and the moves it would have made. */
  onChange: (diverging: readonly Divergence[]) => void;
  onMoves: (moves: number) => void;
}

export interface Shadow {
  /** Another policy from now on, or none. It begins from the live record. */
  use(shadow: { file: string; cluster: ClusterConfig } | null): void;
  /** A turn of this replica's term. Never throws. */
  turn(sight: Sight, nowMs: number): void;
  /** This replica no longer coordinates. */
  rest(): void;
  /** null: there is none. */
  status(): ShadowStatus | null;
}

/** A live decision is seen one look after it was made; what differs for less than this is no divergence. */
const LASTS_MS = 2_000;

const same = (a: Route, b: Route): boolean =>
  [...new Set([...Object.keys(a), ...Object.keys(b)])].every((pool) => (a[pool] ?? 0) === (b[pool] ?? 0));

const poolsOf = (live: Route, shadow: Route): Divergence['pools'] =>
  [...new Set([...Object.keys(live), ...Object.keys(shadow)])]
    .map((pool) => ({ pool, live: live[pool] ?? 0, shadow: shadow[pool] ?? 0 }))
    .filter((each) => each.live !== each.shadow);

/** Services that both decide, and whose routes differ. `since`: when each began to. */
const compare = (live: Routing, shadow: Routing, since: ReadonlyMap<string, number>, nowMs: number): readonly Divergence[] =>
  Object.entries(shadow.services).flatMap(([service, theirs]) => {
    const ours = live.services[service];
    if (ours === undefined || ours.fence === 0 || theirs.fence === 0 || same(ours.route, theirs.route)) return [];
    const pools = poolsOf(ours.route, theirs.route);
    return [{ service, pools, sinceAtMs: since.get(service) ?? nowMs, live: ours.because, shadow: theirs.because }];
  });

const textOf = (diverging: readonly Divergence[]): string =>
  JSON.stringify(diverging.map(({ service, pools, live, shadow }) => [service, pools, live, shadow]));

export const createShadow = ({ log, onChange, onMoves }: ShadowOptions): Shadow => {
  let policy: { file: string; cluster: ClusterConfig } | null = null;
  let understudy: Understudy | null = null;
  let translate: { live: ClusterConfig; of: ReturnType<typeof translator> } | null = null;
  let broken: string | null = null;
  let sinceAtMs: number | null = null;
  let moves = 0;
  let since: ReadonlyMap<string, number> = new Map();
  let told: readonly Divergence[] = [];

  const tell = (diverging: readonly Divergence[]): void => {
    if (textOf(diverging) === textOf(told)) return;
    told = diverging;
    log.info('shadow.diverges', { file: policy?.file, services: diverging.length, diverging: diverging.slice(0, 10) });
    onChange(diverging);
  };

  const reset = (): void => {
    understudy = null;
    translate = null;
    broken = null;
    sinceAtMs = null;
    moves = 0;
    since = new Map();
    if (told.length > 0) {
      told = [];
      onChange([]);
    }
  };

  const decide = (sight: Sight, live: ClusterConfig, routing: Routing, nowMs: number, shadow: ClusterConfig): void => {
    if (understudy === null) sinceAtMs = nowMs;
    understudy ??= newUnderstudy({ ...shadow, version: live.version }, routing, sight.incidents);
    if (translate?.live !== live) translate = { live, of: translator({ cluster: live }, understudy.cluster) };
    // Both records as they were before this sight.
    if (understudy.routing !== null) {
      const found = compare(routing, understudy.routing, since, nowMs);
      since = new Map(found.map((each) => [each.service, each.sinceAtMs]));
      tell(found.filter((each) => nowMs - each.sinceAtMs >= LASTS_MS));
    }
    const before = understudy.routing;
    const next = step(
      understudy,
      { heard: translate.of(sight.heard), overrides: sight.overrides, frozen: sight.frozen, reported: sight.reported, tiers: sight.tiers },
      nowMs,
    );
    understudy = next.understudy;
    const made = next.next?.audit.changes.filter(({ service }) => (before?.services[service]?.fence ?? 0) > 0).length ?? 0;
    moves += made;
    if (made > 0) onMoves(made);
  };

  return {
    use(shadow) {
      if (isDeepStrictEqual(policy, shadow)) return;
      reset();
      policy = shadow;
    },
    turn(sight, nowMs) {
      if (policy === null || broken !== null || sight.cluster === null || sight.routing === null) return;
      try {
        decide(sight, sight.cluster, sight.routing, nowMs, policy.cluster);
      } catch (error) {
        const because = errorText(error);
        reset();
        broken = because;
        log.error('shadow.broken', { file: policy.file, because });
      }
    },
    rest: reset,
    status() {
      if (policy === null) return null;
      const state = broken !== null ? 'broken' : sinceAtMs === null ? 'idle' : 'asked';
      const because = broken ?? (state === 'idle' ? 'another replica coordinates; the shadow is asked where the live policy decides' : '');
      return { file: policy.file, state, because, sinceAtMs, moves, diverging: told };
    },
  };
};
