// Steps of data tiers: databases of which one region is the writer at a time, and caches. Pure.
import assert from 'node:assert';
import type { Act, PostgresAddress, Step } from '../../src/runbook/model.ts';
import type {
  ByRegion,
  CacheConfig,
  CacheSiteConfig,
  DatabaseConfig,
  DatabaseSiteConfig,
  FENCE_RUNGS,
} from '../../src/runbook/platform.ts';
import type { Move } from '../policy.ts';
import { managedMoves } from './managed.ts';
import { idsOf } from './order.ts';
import type { Part } from './part.ts';
import {
  CALL_MS,
  CHECK_MS,
  FENCE_MS,
  GLANCE_MS,
  MOVE_MS,
  ONLY_READS,
  perMode,
  stepOf,
  TRIED,
  WAIT_LEAST_MS,
  WAIT_MOST_MS,
} from './step.ts';

interface Sited {
  database: DatabaseConfig;
  /** Of the region that is left, and of the one that is gone to. */
  left: DatabaseSiteConfig;
  gone: DatabaseSiteConfig;
}

const siteOf = <T>(name: string, sites: ByRegion<T>, region: string): T => {
  const site = sites[region];
  assert(site !== undefined, `${name} has no site in ${region}`);
  return site;
};

const sitedIn = ({ databases }: Part, { from, to }: Move): readonly Sited[] =>
  databases.map((database) => ({
    database,
    left: siteOf(database.name, database.sites, from),
    gone: siteOf(database.name, database.sites, to),
  }));

/** Is its one writer in the region that is left? Elsewhere nothing of it has to move. */
export const isWriterLeft = ({ from, active = from }: Move): boolean => active === from;

/** Their writer is elsewhere, and stays there. */
export const withoutTiers = (part: Part): Part => ({ ...part, databases: [], managed: [], caches: [] });

const isStrict = ({ policy }: CacheConfig): boolean => policy === 'strict';

/** Is there data that is promoted? */
export const hasTiers = ({ databases, managed, caches }: Pick<Part, 'databases' | 'managed' | 'caches'>): boolean =>
  databases.length > 0 || managed.length > 0 || caches.some(isStrict);

const addressOf = ({ address, slot }: DatabaseSiteConfig): PostgresAddress => {
  const at = address.lastIndexOf(':');
  return { host: address.slice(0, at).replace(/^\[(.*)\]$/, '$1'), port: Number(address.slice(at + 1)), slot: slot ?? null };
};

// ---- before anything moves ----

/** What would be lost: a graceful run waits for it, one by force asks when it is more than is allowed. */
export const lags = (part: Part, { to }: Move, needs: readonly string[]): readonly Step[] =>
  part.databases.flatMap(({ name, lag: { maxMs, maxBytes, maxAgeMs, onUnknown } }) =>
    perMode(
      part,
      {
        name: `pg.${name}.lag@${to}`,
        kind: 'gate.lag',
        phase: 'gate',
        target: `${name}: how far ${to} is behind`,
        spec: { database: name, region: to, maxMs, maxBytes, maxAgeMs },
        needs,
        timeoutMs: WAIT_LEAST_MS,
        onUnknown,
        undo: ONLY_READS,
      },
      {
        target: `${name}: what would be lost, by how far ${to} was behind when that was last known`,
        timeoutMs: GLANCE_MS,
        ifPassed: `more of ${name} may be lost than its lag allows`,
      },
    ),
  );

/** Of steps of both modes, what a graceful run waits for before it begins anything. */
export const inPeace = (steps: readonly Step[]): readonly Step[] => steps.filter(({ mode }) => mode === 'graceful');

// ---- the old writer ----

/** Until its rung may be reached: a grace has to pass, a lease has to run out, whoever cuts the power takes a moment. */
const fenceMs = ({ fence: { rung, graceMs } }: DatabaseConfig, { stonith }: DatabaseSiteConfig): number => {
  if (rung === 'grace') return graceMs + CALL_MS;
  return rung === 'lease' || stonith !== undefined ? CHECK_MS : CALL_MS;
};

const RUNG_TEXT: Readonly<Record<(typeof FENCE_RUNGS)[number], string>> = {
  witness: 'a quorum holds its region down',
  grace: 'a quorum has for its grace',
  lease: 'its own Patroni says that nobody leads',
  acknowledged: 'it says itself that it is no primary',
  stonith: 'its power is cut',
};

const numbered = (name: string, i: number): string => (i === 0 ? name : `${name}-${i + 1}`);

/** The old writer leads again: barred by the promotion of the new one, until which it is the only one that has all of it. */
const leadsAgain = ({ from, to }: Pick<Move, 'from' | 'to'>, { database, left, gone }: Sited): Act => ({
  kind: 'pg.promote',
  spec: { database: database.name, region: from, system: left.system, sql: left.sql, from: { region: to, sql: gone.sql } },
});

/** The old writer of a region that counts as gone. Below the rung that is asked for only a human goes on. */
export const dataFences = (part: Part, move: Move, needs: readonly string[]): readonly Step[] =>
  sitedIn(part, move).flatMap(({ database, left, gone }): readonly Step[] => {
    const { name, fence } = database;
    const { from } = move;
    return [
      ...left.poolers.map(({ system, database: pooled }, i) =>
        stepOf(part, {
          name: `pg.${name}.${numbered('cut', i)}@${from}`,
          kind: 'fence.pgbouncer',
          phase: 'fence',
          target: `clients of ${pooled} at ${system} in ${from}`,
          spec: { system, database: pooled },
          mode: 'ungraceful',
          needs,
          timeoutMs: FENCE_MS,
          retry: { tries: 2, everyMs: 2_000 },
          onFail: 'continue',
          onUnknown: 'proceed',
          ifPassed: `clients of ${system} may still write to ${name} in ${from}, if it takes writes`,
          undo: { spec: { system, database: pooled, release: true } },
        }),
      ),
      stepOf(part, {
        name: `pg.${name}.fence@${from}`,
        kind: 'fence.patroni',
        phase: 'fence',
        target: `${name} in ${from} writes no more, at least as sure as ${fence.rung}: ${RUNG_TEXT[fence.rung]}`,
        spec: {
          database: name,
          region: from,
          system: left.system,
          sql: left.sql,
          follow: addressOf(gone),
          stonith: left.stonith ?? null,
          rung: fence.rung,
          graceMs: fence.graceMs,
        },
        mode: 'ungraceful',
        needs,
        timeoutMs: fenceMs(database, left),
        retry: TRIED,
        ifPassed: `nobody is as sure as ${fence.rung} that ${name} in ${from} writes no more: if it does, both regions write, and what one of them wrote is lost`,
        undo: leadsAgain(move, { database, left, gone }),
      }),
    ];
  });

/** Of fences, what says whether the old writer writes no more: what humans are asked about. */
export const inDoubt = (fences: readonly Step[]): readonly Step[] => fences.filter(({ kind }) => kind === 'fence.patroni');

/** Clients wait at the poolers of the region that is left, instead of failing, while the writer changes. */
const pauses = (part: Part, { from }: Move, { database, left }: Sited, needs: readonly string[]): readonly Step[] =>
  left.poolers.map(({ system, database: pooled }, i) =>
    stepOf(part, {
      name: `pg.${database.name}.${numbered('pause', i)}@${from}`,
      kind: 'pgbouncer.pause',
      phase: 'promote',
      target: `clients of ${pooled} at ${system} in ${from} wait`,
      spec: { system, database: pooled },
      mode: 'graceful',
      needs,
      timeoutMs: CALL_MS,
      retry: TRIED,
      onFail: 'continue',
      onUnknown: 'proceed',
      ifPassed: `clients of ${system} see errors while the writer changes; nothing that was confirmed to them is lost by it`,
      undo: { spec: { system, database: pooled, release: true } },
    }),
  );

const resumes = (
  part: Part,
  region: string,
  { database, site }: { database: DatabaseConfig; site: DatabaseSiteConfig },
  given: Pick<Step, 'mode' | 'needs'>,
): readonly Step[] =>
  site.poolers.map(({ system, database: pooled }, i) =>
    stepOf(part, {
      name: `pg.${database.name}.${numbered('resume', i)}@${region}`,
      kind: 'pgbouncer.resume',
      phase: 'promote',
      target: `clients of ${pooled} at ${system} in ${region} go on`,
      spec: { system, database: pooled },
      ...given,
      timeoutMs: CALL_MS,
      retry: TRIED,
      ifPassed: `clients of ${system} in ${region} may wait for ever, or until the pooler drops them`,
      undo: { no: 'clients that go on harm nothing, wherever the writer is' },
    }),
  );

/**
 * Of a region that comes back beside the writer: a run that left it may have cut its poolers, and they stay so until somebody lets them go. Only once its own
 * database is seen to follow, which a lag that was measured lately says: what lived on there as a writer must not be written to.
 */
export const reopened = (part: Part, move: Move, needs: readonly string[]): readonly Step[] => {
  const behind = lags(part, move, needs);
  const free = part.databases.flatMap((database) =>
    resumes(
      part,
      move.to,
      { database, site: siteOf(database.name, database.sites, move.to) },
      { mode: 'both', needs: [...needs, ...idsOf(behind)] },
    ),
  );
  return [...behind, ...free];
};

/** The writer stops, and all that it wrote has arrived: only while it still works. */
const handover = (part: Part, { from, to }: Pick<Move, 'from' | 'to'>, sited: Sited, needs: readonly string[]): readonly Step[] => {
  const { database, left, gone } = sited;
  const { name } = database;
  const demoted = stepOf(part, {
    name: `pg.${name}.demote@${from}`,
    kind: 'pg.demote',
    phase: 'promote',
    target: `${name} in ${from} follows ${to}`,
    spec: { system: left.system, sql: left.sql, follow: addressOf(gone) },
    mode: 'graceful',
    needs,
    timeoutMs: MOVE_MS,
    retry: TRIED,
    ifPassed: `${name} may still take writes in ${from}; it is not promoted in ${to} while it says so itself, nor while a member there says nothing`,
    undo: leadsAgain({ from, to }, sited),
  });
  const caughtUp = stepOf(part, {
    name: `pg.${name}.caughtup@${to}`,
    kind: 'pg.caughtup',
    phase: 'promote',
    target: `${to} has all that ${name} wrote in ${from}`,
    spec: { from: left.sql, fromSystem: left.system, to: gone.sql, toSystem: gone.system },
    mode: 'graceful',
    needs: [...needs, demoted.id],
    timeoutMs: MOVE_MS,
    // One that becomes a standby does not answer for a moment.
    retry: { tries: 8, everyMs: 2_000 },
    ifPassed: `what ${name} wrote in ${from} and ${to} had not received is lost`,
    undo: ONLY_READS,
  });
  return [demoted, caughtUp];
};

const WRITTEN = 'rows may be written there by now; to move back is a run of its own, which waits until the other side has all of them';

const promotion = (part: Part, move: Move, sited: Sited, needs: readonly string[]): readonly Step[] => {
  const { from, to } = move;
  const { database, left, gone } = sited;
  const { name } = database;
  const paused = pauses(part, move, sited, needs);
  const handed = handover(part, move, sited, [...needs, ...idsOf(paused)]);
  const fenced = [...left.poolers.map((_, i) => numbered('cut', i)), 'fence'].map((what) => `${part.prefix}pg.${name}.${what}@${from}`);
  // Whichever mode it was promoted in: a run may be forced after that, and clients of what is left would write to a second writer.
  const undo = { no: WRITTEN, bars: [...idsOf(handed), ...fenced] };
  const promoted = perMode(
    part,
    {
      name: `pg.${name}.promote@${to}`,
      kind: 'pg.promote',
      phase: 'promote',
      target: `${name} in ${to} becomes the writer`,
      spec: { database: name, region: to, system: gone.system, sql: gone.sql, from: { region: from, sql: left.sql } },
      needs: [...needs, ...idsOf(paused, handed)],
      timeoutMs: CHECK_MS,
      retry: TRIED,
      ifPassed: `${name} may have no writer at all`,
      undo,
    },
    // What had not arrived is lost by it, so somebody says that it may be, unless the platform says that nobody has to.
    { persons: 1, needs },
  );
  const canary = stepOf(part, {
    name: `pg.${name}.canary@${to}`,
    kind: 'pg.canary',
    phase: 'promote',
    target: `a row is written to ${name} in ${to} and read back`,
    spec: { database: name, region: to, sql: gone.sql },
    needs: [...needs, ...idsOf(promoted)],
    timeoutMs: CHECK_MS,
    retry: TRIED,
    ifPassed: `nobody has seen ${name} take a write in ${to}`,
    undo: { no: 'a row in a table of its own stays' },
  });
  const active = [...needs, ...idsOf(promoted), canary.id];
  return [
    ...paused,
    ...handed,
    ...promoted,
    canary,
    ...resumes(part, to, { database, site: gone }, { mode: 'both', needs: active }),
    ...resumes(part, from, { database, site: left }, { mode: 'graceful', needs: active }),
  ];
};

/** Of a cache's two sites, and where replicas find the one that is gone to. */
interface Cached {
  cache: CacheConfig;
  left: CacheSiteConfig;
  gone: CacheSiteConfig;
}

const cachedIn = ({ caches }: Part, { from, to }: Move): readonly Cached[] =>
  caches.map((cache) => ({ cache, left: siteOf(cache.name, cache.sites, from), gone: siteOf(cache.name, cache.sites, to) }));

const OWN = 'what was written to it since would be lost if it followed again';
const TAKEOVER_WAIT_MS = 10_000;

const takeover = (part: Part, { from, to }: Move, { cache: { name }, left, gone }: Cached, needs: readonly string[]): readonly Step[] => {
  const common = { phase: 'promote', needs, timeoutMs: CHECK_MS, retry: TRIED } as const;
  return [
    stepOf(part, {
      ...common,
      name: `cache.${name}.takeover@${to}`,
      kind: 'cache.takeover',
      target: `${name} in ${to} takes the place of ${from}, with all that it has`,
      spec: { system: gone.system, from: left.system, waitMs: TAKEOVER_WAIT_MS },
      mode: 'graceful',
      ifPassed: `${name} in ${to} may still follow ${from}, and take no writes`,
      undo: { spec: { system: left.system, from: gone.system, waitMs: TAKEOVER_WAIT_MS } },
    }),
    stepOf(part, {
      ...common,
      name: `cache.${name}.promote@${to}`,
      kind: 'cache.promote',
      target: `${name} in ${to} stands for itself with what it has`,
      spec: { system: gone.system, whole: true },
      mode: 'ungraceful',
      // Nothing fences the old master, and what had not arrived is lost by it: somebody says that it may be.
      persons: 1,
      ifPassed: `${name} in ${to} may still follow ${from}, and take no writes`,
      undo: { no: OWN },
    }),
  ];
};

/** What takes part in the promotion: databases, and caches whose data counts. What comes after waits for all of it. */
export const promotions = (part: Part, move: Move, needs: readonly string[]): readonly Step[] => [
  ...sitedIn(part, move).flatMap((sited) => promotion(part, move, sited, needs)),
  ...managedMoves(part, move, needs),
  ...cachedIn(part, move)
    .filter(({ cache }) => isStrict(cache))
    .flatMap((cached) => takeover(part, move, cached, needs)),
];

// ---- what nothing waits for ----

/** Caches that can be filled anew: nothing ever waits for them. */
export const refreshes = (part: Part, move: Move, needs: readonly string[]): readonly Step[] =>
  cachedIn(part, move)
    .filter(({ cache }) => !isStrict(cache))
    .map(({ cache: { name }, gone }) =>
      stepOf(part, {
        name: `cache.${name}.promote@${move.to}`,
        kind: 'cache.promote',
        phase: 'after',
        target: `${name} in ${move.to} stands for itself with what it has`,
        spec: { system: gone.system },
        needs,
        timeoutMs: GLANCE_MS,
        retry: { tries: 2, everyMs: 2_000 },
        onFail: 'continue',
        onUnknown: 'proceed',
        ifPassed: `${name} in ${move.to} may take no writes; whoever uses it has to do without`,
        undo: { no: OWN },
      }),
    );

/**
 * The region that was left follows, when all is over, and loses what it has. Of a cache whose data counts somebody says so first, and only where nothing was lost
 * by force: else what it has may be all that there is of it.
 */
export const rejoins = (part: Part, move: Move, needs: readonly string[]): readonly Step[] =>
  cachedIn(part, move).map(({ cache, left, gone }) =>
    stepOf(part, {
      name: `cache.${cache.name}.rejoin@${move.from}`,
      kind: 'cache.rejoin',
      phase: 'after',
      target: `${cache.name} in ${move.from} follows ${move.to}, and loses what it has`,
      spec: { system: left.system, address: gone.address, master: gone.system, ...(isStrict(cache) ? {} : { begun: true as const }) },
      mode: isStrict(cache) ? 'graceful' : 'both',
      needs: isStrict(cache) ? needs : [...needs, `${part.prefix}cache.${cache.name}.promote@${move.to}`],
      // Until its copy is whole; of the other it is enough that it has begun.
      timeoutMs: isStrict(cache) ? WAIT_MOST_MS : GLANCE_MS,
      retry: TRIED,
      onFail: 'continue',
      onUnknown: 'proceed',
      persons: isStrict(cache) ? 1 : 0,
      ifPassed: `${cache.name} in ${move.from} follows nobody: it has to before the platform can move back without loss`,
      undo: { no: 'what it had is discarded' },
    }),
  );

/** Whether what comes later may wait for it: not for caches that are put in order when all is over. */
export const isWaitedFor = ({ kind, phase }: Step): boolean =>
  !(phase === 'after' && (kind === 'cache.promote' || kind === 'cache.rejoin'));

/** Objectives of recovery are looked at as they were measured lately. */
const LATELY_MS = 60_000;

/** Recovery is declared only when what users were promised holds again. */
export const verifies = (part: Part, { to }: Move, needs: readonly string[]): readonly Step[] =>
  part.namespaces.length === 0 && part.databases.length === 0 && part.managed.length === 0
    ? []
    : [
        stepOf(part, {
          name: `verify.objectives@${to}`,
          kind: 'verify.objectives',
          phase: 'verify',
          target: `objectives of recovery in ${to}`,
          spec: { region: to, maxAgeMs: LATELY_MS },
          needs,
          timeoutMs: WAIT_LEAST_MS,
          onFail: 'continue',
          onUnknown: 'proceed',
          ifPassed: `recovered is not declared: not every objective was seen to hold in ${to}`,
          undo: ONLY_READS,
        }),
      ];
