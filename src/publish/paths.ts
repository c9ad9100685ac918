// Paths in order: a service may reach its users by several providers, and each of them is always brought to the decided route. Which of them a decision is
// counted on to act through is judged here, from what this process has seen of each, with a sentence. Pure.

/** What this process knows of one path now. */
export interface PathStanding {
  provider: string;
  /** Since a write was acknowledged, or a canary came through; null: neither happened in this term. */
  provenAgoMs: number | null;
  /** Why it does not work; null: nothing is known against it. */
  failing: string | null;
  /** Of writes until they were acknowledged; null: too few to say. */
  p99Ms: number | null;
  /** From the acknowledgement until users follow, at worst; null: unknown. */
  usersMs: number | null;
}

export interface RankedPaths {
  /** The path acted through, and those that follow it. Every path once. */
  order: readonly string[];
  because: string;
}

/** A proof is worth three canaries of the usual pace. */
const PROVEN_MS = 15 * 60_000;
/** Half of what one call may take: what is acknowledged so late is about to fail. */
const SLOW_MS = 1500;

const isProven = ({ provenAgoMs }: PathStanding): boolean => provenAgoMs !== null && provenAgoMs <= PROVEN_MS;
const isSlow = ({ p99Ms }: PathStanding): boolean => p99Ms !== null && p99Ms > SLOW_MS;

/** Less is better: proven, proven but slow, not known, failing. */
const classOf = (path: PathStanding): number => {
  if (path.failing !== null) return 3;
  if (!isProven(path)) return 2;
  return isSlow(path) ? 1 : 0;
};

const span = (ms: number): string => (ms < 1000 ? `${Math.round(ms)} ms` : `${Math.round(ms / 100) / 10} s`);

const standingText = (path: PathStanding): string => {
  const { provider, provenAgoMs, failing, p99Ms, usersMs } = path;
  if (failing !== null) return `${provider} fails (${failing})`;
  const facts = [
    ...(p99Ms === null ? [] : [`p99 ${span(p99Ms)}`]),
    ...(usersMs === null ? [] : [`users follow within ${span(usersMs)}`]),
    ...(isSlow(path) ? ['slow'] : []),
  ];
  const known = facts.length === 0 ? '' : ` (${facts.join(', ')})`;
  if (provenAgoMs === null) return `${provider} is not proven yet${known}`;
  return `${provider} was proven ${span(provenAgoMs)} ago${isProven(path) ? '' : ', too long to count'}${known}`;
};

/** In: the paths of a service in configured order, which rules among equals. */
export const rankPaths = (paths: readonly PathStanding[]): RankedPaths => {
  const ranked = paths.toSorted((a, b) => classOf(a) - classOf(b));
  const order = ranked.map(({ provider }) => provider);
  const [first] = ranked;
  if (first === undefined) return { order, because: 'no path is configured' };
  const said = ranked.map(standingText).join('; ');
  if (classOf(first) === 3) return { order, because: `no path works: ${said}` };
  const why = order[0] === paths[0]?.provider ? 'first in order' : `before ${paths[0]?.provider}`;
  return { order, because: paths.length === 1 ? said : `through ${first.provider}, ${why}: ${said}` };
};
