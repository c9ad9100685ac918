// Whether workers of a region work: they were seen polling lately, and tasks reach somebody. Poller lists alone prove nothing of a standby that is told to
// keep away; of the active side they do, together with dispatch. Only reads.
import { errorText, Fault } from '../../errors.ts';
import type { Call, Facts, Reading, StepKind } from '../kind.ts';
import type { StepSpecs } from '../model.ts';
import { inParallel } from '../parallel.ts';
import type { TemporalCluster } from './cluster.ts';
import type { QueueFacts } from './cluster-wire.ts';

/** A poll waits up to a minute, and is noted when it begins; as much again for clocks that differ. */
const LATELY_MS = 120_000;
const PARALLEL = 8;
const NAMED_MAX = 3;

/** null: it works. */
type Missing = { is: 'missing'; because: string } | { is: 'unknown'; because: string };

/** In: `before` the backlog at the last look, null: there was none. */
export const missingIn = (
  facts: QueueFacts,
  wanted: { identity: RegExp | null; pollers: number },
  before: number | null,
  nowMs: number,
): string | null => {
  const isOfRegion = (identity: string): boolean => wanted.identity === null || wanted.identity.test(identity);
  const recent = facts.pollers.filter(({ seenAtMs, identity }) => nowMs - seenAtMs <= LATELY_MS && isOfRegion(identity));
  const found = new Set(recent.map(({ identity }) => identity)).size;
  if (found < wanted.pollers) {
    const others = new Set(facts.pollers.map(({ identity }) => identity)).size - found;
    return `${found} of ${wanted.pollers} pollers seen${others > 0 ? `, beside ${others} of elsewhere or long gone` : ''}`;
  }
  if (facts.backlog === 0 || facts.dispatched > 0 || (before !== null && facts.backlog < before)) return null;
  return `${facts.backlog} tasks wait, and none is dispatched`;
};

type Spec = StepSpecs['temporal.wait'];

const regexOf = (text: string | null): RegExp | null | undefined => {
  try {
    return text === null ? null : new RegExp(text);
  } catch {
    return undefined;
  }
};

const backlogsOf = ({ backlogs }: Facts): Readonly<Record<string, number>> =>
  typeof backlogs === 'object' && backlogs !== null ? (backlogs as Record<string, number>) : {};

const look = async (spec: Spec, identity: RegExp | null, cluster: TemporalCluster, call: Call): Promise<Reading> => {
  const { facts, signal, context } = call;
  const before = backlogsOf(facts);
  const pairs = spec.namespaces.flatMap((namespace) => spec.queues.map((queue) => ({ namespace, queue, name: `${namespace}/${queue}` })));
  const backlogs: Record<string, number> = {};
  const missing = new Map<string, Missing>();
  await inParallel(pairs, PARALLEL, async ({ namespace, queue, name }) => {
    try {
      const seen = await cluster.queue(namespace, queue, signal);
      const because = missingIn(seen, { identity, pollers: spec.pollers }, before[name] ?? null, context.nowMs());
      // A queue that is as it should be needs no memory.
      if (because === null) return;
      backlogs[name] = seen.backlog;
      missing.set(name, { is: 'missing', because });
    } catch (error) {
      if (error instanceof Fault) throw error;
      missing.set(name, { is: 'unknown', because: errorText(error) });
    }
  });
  return readingOf(
    pairs.map(({ name }) => name),
    missing,
    backlogs,
  );
};

const readingOf = (names: readonly string[], missing: ReadonlyMap<string, Missing>, backlogs: Facts): Reading => {
  const kept = Object.fromEntries(Object.entries(backlogs).slice(0, BACKLOGS_MAX));
  const facts: Facts = { backlogs: kept };
  if (missing.size === 0)
    return { is: 'reached', because: `${names.length} task queues have their pollers, and no task waits in vain`, facts };
  const named = [...missing].slice(0, NAMED_MAX).map(([name, { because }]) => `${name}: ${because}`);
  const more = missing.size > NAMED_MAX ? `; and ${missing.size - NAMED_MAX} more` : '';
  const because = `${names.length - missing.size} of ${names.length} task queues work; ${named.join('; ')}${more}`;
  const isUnknown = [...missing.values()].every(({ is }) => is === 'unknown');
  return { is: isUnknown ? 'unknown' : 'pending', because, facts };
};

/** So that facts stay far below 16 KiB. */
const BACKLOGS_MAX = 150;

export const temporalWait: StepKind<'temporal.wait'> = {
  kind: 'temporal.wait',
  signal: 'gate',
  async read(spec, call) {
    const identity = regexOf(spec.identity);
    if (identity === undefined) return { is: 'never', because: `the identity ${JSON.stringify(spec.identity)} is no regular expression` };
    return look(spec, identity, await call.context.system<TemporalCluster>(spec.system, 'temporal'), call);
  },
};
