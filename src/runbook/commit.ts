// One change of a run as a transaction: the record by compare-and-write, what is told of it, and where its platform is active when it is done. Pure.
import { outboxKey, platformKey, runKey } from '../coordinate/keys.ts';
import type { Op } from '../store/store.ts';
import type { PlatformRecord, Run } from './model.ts';
import { followedNews, isFailure, newsOf, type Teller } from './news.ts';
import { isEnded, servesEverywhere, standingOf } from './run.ts';

export interface Drafted {
  conditions: readonly { key: string; mod: number }[];
  ops: readonly Op[];
}

/** Records as they were read: 0: there is none. */
export interface Before {
  run: Run | null;
  mod: number;
  platform: PlatformRecord | null;
  platformMod: number;
}

const HISTORY_MAX = 20;

/** It moves its platform by this change. */
export const isMoved = (before: Run | null, after: Run): boolean =>
  after.state === 'done' && before?.state !== 'done' && after.purpose !== 'prearm';

/** Steps that were done, from their first try to their end. One that a human began anew measures nothing. */
export const timesOf = (run: Run): Readonly<Record<string, number>> =>
  Object.fromEntries(
    run.plan.flatMap(({ id }) => {
      const { state, startedAtMs, endedAtMs, again } = standingOf(run, id);
      return state === 'done' && startedAtMs !== undefined && endedAtMs !== undefined && again === undefined
        ? [[id, Math.max(0, endedAtMs - startedAtMs)]]
        : [];
    }),
  );

/**
 * What serves everywhere is at home again once a failback has opened the region that was left. In Active/Active it is where the one writer is, which moves only
 * with the region it is in, and back home only.
 */
const activeAfter = (run: Run, before: PlatformRecord | null, { cluster }: Teller): string => {
  const home = cluster.platforms?.find(({ name }) => name === run.platform)?.regions[0];
  const isBack = run.purpose === 'failback';
  if (run.model === 'active-active') {
    const was = before?.active ?? home ?? run.from;
    return was === run.from && (!isBack || run.to === home) ? run.to : was;
  }
  return servesEverywhere(run.model) && isBack ? (home ?? run.to) : run.to;
};

const movedBy = (run: Run, before: PlatformRecord | null, active: string, nowMs: number): PlatformRecord => ({
  active,
  sinceAtMs: nowMs,
  run: run.id,
  because: `${run.purpose} ${run.id} from ${run.from}`,
  history: [
    ...(before?.history ?? []),
    {
      run: run.id,
      purpose: run.purpose,
      mode: run.mode,
      tookMs: Math.max(0, (run.endedAtMs ?? nowMs) - (run.startedAtMs ?? run.createdAtMs)),
      steps: timesOf(run),
      atMs: nowMs,
    },
  ].slice(-HISTORY_MAX),
  nonce: run.nonce,
});

/** Of a record that is there although nothing has moved the platform yet. */
export const AS_CONFIGURED = 'where its configuration says';

/** What makes a platform's runs exclude one another: whoever opens one writes this record, so that of two only one can. */
export const claimed = (before: PlatformRecord | null, home: string, nonce: string, nowMs: number): PlatformRecord =>
  before === null ? { active: home, sinceAtMs: nowMs, run: null, because: AS_CONFIGURED, history: [], nonce } : { ...before, nonce };

const FAILED_MAX = 20;

/** Runs of the platform whose failure stands after this change; null: the same as before. */
const failedAfter = ({ run, platform }: Before, after: Run, teller: Teller): readonly string[] | null => {
  if (platform === null) return null;
  const { failed = [] } = platform;
  const rest = failed.filter((id) => id !== after.id);
  if (run?.state !== after.state && isFailure(after, teller.nowMs)) return [...rest, after.id].slice(-FAILED_MAX);
  return after.state === 'undone' && rest.length < failed.length ? rest : null;
};

/** `after` as it is written, with its nonce. `opens`: it moves nothing yet, but no other run of the platform may be opened beside it. */
export const draftOf = (before: Before, after: Run, teller: Teller, opens: { home: string } | null = null): Drafted => {
  const moved = isMoved(before.run, after);
  const standing = failedAfter(before, after, teller);
  const platform: PlatformRecord | null = moved
    ? {
        ...movedBy(after, before.platform, activeAfter(after, before.platform, teller), teller.nowMs),
        ...(isFailure(after, teller.nowMs) ? { failed: [after.id] } : {}),
      }
    : opens === null && standing === null
      ? null
      : { ...claimed(before.platform, opens?.home ?? '', after.nonce, teller.nowMs), ...(standing === null ? {} : { failed: standing }) };
  const key = platformKey(after.platform);
  const followed = moved
    ? (before.platform?.failed ?? []).filter((id) => id !== after.id).map((id) => followedNews(id, after, teller))
    : [];
  return {
    conditions: [{ key: runKey(after.id), mod: before.mod }, ...(platform === null ? [] : [{ key, mod: before.platformMod }])],
    ops: [
      { put: runKey(after.id), value: after },
      ...(platform === null ? [] : [{ put: key, value: platform }]),
      ...[...newsOf(before.run, after, teller), ...followed].map((page): Op => ({ put: outboxKey(page.id), value: page })),
    ],
  };
};

/** What is to be counted once this change is committed. */
export interface Counted {
  steps: readonly { kind: string; tookMs: number }[];
  ended: string | null;
}

export const countOf = (before: Run | null, after: Run): Counted => ({
  steps: after.plan.flatMap(({ id, kind }) => {
    const at = standingOf(after, id);
    const isNew = at.state === 'done' && (before === null || standingOf(before, id).state !== 'done');
    return isNew ? [{ kind, tookMs: (at.endedAtMs ?? 0) - (at.startedAtMs ?? at.endedAtMs ?? 0) }] : [];
  }),
  ended: isEnded(after) && (before === null || !isEnded(before)) ? after.state : null,
});
