// Namespaces that moved, whoever moved them, and who moves them back. A failover that a human or we order ends Temporal's own failback in the cloud; one that
// Temporal makes by itself it reverses by itself, unless that was switched off; one's own clusters never move by themselves. Pure.
import type { ByRegion } from '../platform.ts';

/** One move that a run of ours asked for. `untilMs` null: it has not ended. Instants of cluster time. */
export interface OurMove {
  namespace: string;
  to: string;
  fromMs: number;
  untilMs: number | null;
}

/** What else is known of it. */
export interface Evidence {
  kind: 'temporal-cloud' | 'temporal';
  /** Of the cloud: does Temporal fail it over by itself? null: not told. */
  managedFailoverDisabled: boolean | null;
  /** Of the cloud's own journal: did anybody order it? null: it could not be read, or need not tell yet. */
  ordered: boolean | null;
}

export interface NamespaceMoved {
  type: 'namespace.moved';
  namespace: string;
  from: string;
  to: string;
  by: 'us' | 'temporal' | 'unknown';
  /** What happened, and who owns the way back. */
  because: string;
}

/** An operation that has ended may show only so much later: its name is believed for 15 s, and looked at every 15 s, twice. */
const LATE_MS = 120_000;

const isOurs = (one: OurMove, namespace: string, to: string, nowMs: number): boolean =>
  one.namespace === namespace && one.to === to && nowMs >= one.fromMs && (one.untilMs === null || nowMs <= one.untilMs + LATE_MS);

/** null: it is where it was. */
export const movedBetween = (
  sight: { namespace: string; before: string; now: string },
  ours: readonly OurMove[],
  evidence: Evidence,
  nowMs: number,
): NamespaceMoved | null => {
  const { namespace, before: from, now: to } = sight;
  if (from === to) return null;
  const by = byWhom(
    ours.some((one) => isOurs(one, namespace, to, nowMs)),
    evidence,
  );
  return {
    type: 'namespace.moved',
    namespace,
    from,
    to,
    by,
    because: `${namespace} moved from ${from} to ${to}: ${ownerOf(by, evidence, to)}`,
  };
};

const byWhom = (isOfOurs: boolean, { kind, managedFailoverDisabled, ordered }: Evidence): NamespaceMoved['by'] => {
  if (isOfOurs) return 'us';
  return kind === 'temporal-cloud' && managedFailoverDisabled === false && ordered === false ? 'temporal' : 'unknown';
};

/** Who owns failback. */
const ownerOf = (by: NamespaceMoved['by'], { kind, managedFailoverDisabled, ordered }: Evidence, to: string): string => {
  if (kind === 'temporal')
    return by === 'us'
      ? 'a run of ours moved it; nothing moves it back but another run'
      : 'no run of ours moved it; clusters of your own never move back by themselves, so whoever moved it has to, or a run does';
  if (by === 'us') return 'a run of ours moved it, which ends the failback of Temporal Cloud; nothing moves it back but another run';
  const stay = `to keep it there, order a failover to ${to}, which ends that`;
  if (by === 'temporal') return `Temporal Cloud failed it over by itself and will move it back by itself; ${stay}`;
  if (ordered === true)
    return 'somebody ordered it, and it was no run of ours; Temporal Cloud does not move it back, whoever ordered it has to';
  if (managedFailoverDisabled === true)
    return 'no run of ours moved it, and Temporal Cloud may not by itself here; so somebody ordered it, and has to order the way back';
  return `no run of ours moved it; if Temporal Cloud did, it will move it back by itself (${stay}); if somebody ordered it, nobody does`;
};

/** In which region of the platform its namespaces are active. */
export type Followed =
  | { is: 'all'; region: string }
  | { is: 'some'; byRegion: ByRegion<readonly string[]>; because: string }
  | { is: 'unknown'; because: string };

/**
 * In: places of each region (what Temporal calls them), and where each namespace was seen; null: not seen. What routing follows: only all of them in one
 * region is an answer.
 */
export const follow = (places: ByRegion<string>, seen: Readonly<Record<string, string | null>>): Followed => {
  const names = Object.keys(seen);
  const unseen = names.filter((name) => seen[name] === null);
  if (names.length === 0 || unseen.length > 0)
    return { is: 'unknown', because: names.length === 0 ? 'there are no namespaces' : `not seen: ${named(unseen)}` };
  const regionOf = (name: string): string | undefined => Object.keys(places).find((region) => places[region] === seen[name]);
  const strangers = names.filter((name) => regionOf(name) === undefined);
  if (strangers.length > 0)
    return {
      is: 'unknown',
      because: `active where the platform has no region: ${named(strangers.map((name) => `${name} in ${seen[name]}`))}`,
    };
  const byRegion: Record<string, readonly string[]> = {};
  for (const name of names) {
    const region = regionOf(name)!;
    byRegion[region] = [...(byRegion[region] ?? []), name];
  }
  const regions = Object.keys(byRegion).sort();
  if (regions.length === 1) return { is: 'all', region: regions[0]! };
  return { is: 'some', byRegion, because: regions.map((region) => `${region}: ${named(byRegion[region]!)}`).join('; ') };
};

const NAMED_MAX = 5;
const named = (names: readonly string[]): string =>
  names.length > NAMED_MAX ? `${names.slice(0, NAMED_MAX).join(', ')} and ${names.length - NAMED_MAX} more` : names.join(', ');
