// What moves with the routes: carries runs out, begins and proposes them while this replica coordinates, audits platforms, watches namespaces, and answers the
// API about all of it. Where the file names no systems, runs that need one are left to replicas whose files do.
import { readFileSync } from 'node:fs';
import type { RunParts } from '../api/open.ts';
import type { Foresee } from '../api/ruling.ts';
import { parseHostPort } from '../config/fields.ts';
import type { Term } from '../coordinate/coordinator.ts';
import { lagKey, llmKey, readinessKey } from '../coordinate/keys.ts';
import type { Sight } from '../coordinate/read.ts';
import type { DnsServer } from '../dns/exchange.ts';
import { serversOf } from '../dns/resolv-conf.ts';
import { createHttp } from '../http.ts';
import type { LlmRecord } from '../llm/chain.ts';
import { createLlmDuty } from '../llm/duty.ts';
import { llmViewOf } from '../llm/view.ts';
import type { MeasuredReader } from '../objectives/reader.ts';
import type { Desk } from '../paging/desk.ts';
import { withDeadline } from '../ports.ts';
import { probe } from '../probe/index.ts';
import { readinessOf } from '../runbook/audit.ts';
import { cacheFacts } from '../runbook/cache/look.ts';
import type { RedisSystem } from '../runbook/cache/system.ts';
import { comparisonOf, estimateOf } from '../runbook/estimate.ts';
import { createExecutor } from '../runbook/executor.ts';
import type { LagRecord, Readiness } from '../runbook/facts.ts';
import type { KindOf, StepContext, StepKind } from '../runbook/kind.ts';
import { kinds } from '../runbook/kinds.ts';
import type { Run, Span, StepKindName } from '../runbook/model.ts';
import { openSystems, type SystemStanding } from '../runbook/open.ts';
import { chooseTarget, planOf } from '../runbook/plan.ts';
import type { PlatformConfig } from '../runbook/platform.ts';
import { lagBetween, siteFacts, siteSays } from '../runbook/postgres/look.ts';
import type { PatroniSystem } from '../runbook/postgres/patroni.ts';
import type { PostgresSystem } from '../runbook/postgres/sql.ts';
import { createRunReader } from '../runbook/reader.ts';
import { createReadinessDuty } from '../runbook/readiness.ts';
import { createRunOrders } from '../runbook/routing/orders.ts';
import { createStarter } from '../runbook/starter-duty.ts';
import { createSee, type TierLooks } from '../runbook/steady.ts';
import { createTierDesk } from '../runbook/tiers/desk.ts';
import { type DatabaseView, databasesOf, gaugesOf, lossesTo, lossOf, type TierRecords } from '../runbook/tiers/loss.ts';
import { createSettler } from '../runbook/tiers/settler.ts';
import { createRunWriter } from '../runbook/writer.ts';
import { readPem, readSecret } from '../secrets.ts';
import { checkBy } from '../verify/check.ts';
import { createVerifyDesk, type VerifyDesk } from '../verify/desk.ts';
import { createNamespaces } from './namespaces.ts';
import { openMeasured, openObjectives } from './objectives.ts';
import type { Part } from './part.ts';
import { createTiers } from './tiers.ts';

export interface Runbooks {
  /** What the API asks. */
  parts: RunParts;
  /** What the API asks of what was measured. */
  measured: MeasuredReader;
  /** What the API asks of deployments. */
  verify: VerifyDesk;
  /** Once per turn of a term. Returns at once. */
  turn(sight: Sight, nowMs: number, term: Term): void;
  /** This replica does not coordinate any more. */
  rest(): void;
  /** What is proved of databases, by platform. */
  databases(): readonly (DatabaseView & { platform: string })[];
  /** The systems around that this replica's file names, as they answered last. */
  systems(): readonly SystemStanding[];
}

const STORE_MS = 2_000;

const spanOf = ({ plan, mode }: Run): Span => {
  const { p50Ms, p95Ms } = estimateOf(plan, mode).whole;
  return { p50Ms, p95Ms };
};

/** Each is imported when the first plan has one. */
const kindOf = async <K extends StepKindName>(kind: K): Promise<StepKind<K>> => {
  const load: () => Promise<StepKind<K>> = kinds[kind];
  return load();
};

const dnsServersOf = ({ config }: Part): readonly DnsServer[] => {
  const named = config.dns.resolvers.flatMap((text) => parseHostPort(text) ?? []);
  if (named.length > 0) return named;
  try {
    return serversOf(readFileSync('/etc/resolv.conf', 'utf8'));
  } catch {
    return serversOf('');
  }
};

/** Systems are of the kinds that the platform's configuration was checked for. */
const LOOKS: TierLooks = {
  database: ({ patroni, sql }, signal) => siteFacts(patroni as PatroniSystem, sql as PostgresSystem, signal),
  cache: (redis, signal) => cacheFacts(redis as RedisSystem, signal),
};

export const openRunbooks = (part: Part, { desk, foresee }: { desk: Desk; foresee: Foresee }): Runbooks => {
  const {
    config,
    context: { ports, log },
    boot,
    metrics,
    looking,
    store,
    seen,
    ends,
  } = part;
  const { region, replica, systems: entries = {} } = config;
  const systems = openSystems(entries, {
    ports,
    log,
    secret: readSecret,
    text: readPem,
    resolve: looking.resolve,
    httpTrusting: (trust = {}) => createHttp({ ports, resolve: looking.resolve, ...trust }),
  });
  ends.open.push(() => systems.close());
  metrics.systems(() => systems.standing());
  const orders = createRunOrders({ store, ports, cluster: seen.cluster, clusterNowMs: seen.nowMs, foresee });
  const measured = openMeasured(part);
  const tiers = createTierDesk({
    store,
    ports,
    clusterNowMs: seen.nowMs,
    ageMs: seen.ageMs,
    tallies: seen.tallies,
    objectives: measured.recovery,
  });
  const context: StepContext = { ports, log, system: systems.system, routing: orders, tiers, nowMs: seen.nowMs };
  const records = (): TierRecords => {
    const sight = seen.sight();
    const lags = new Map(sight?.has(lagKey('')).map(({ key, value }) => [key, value as LagRecord]));
    return {
      tiers: sight?.tiers ?? null,
      lagsOf: (name) => lags.get(lagKey(name)) ?? null,
      nowMs: seen.nowMs(),
      unproved: watched.unproved(),
    };
  };
  metrics.data(() => (seen.cluster()?.platforms ?? []).flatMap((platform) => gaugesOf(platform, records())));
  const platformOf = (name: string): PlatformConfig | undefined => seen.cluster()?.platforms?.find((each) => each.name === name);
  const common = {
    ports,
    store,
    log,
    region,
    replica,
    planOf,
    estimateOf: spanOf,
    lossOf: (run: Run) => lossOf(run, platformOf(run.platform), records()),
  };
  // Who holds no credentials carries nothing out.
  if (Object.keys(config.providers).length > 0 || Object.keys(entries).length > 0) {
    const executor = createExecutor({
      ...common,
      boot,
      kindOf: kindOf as KindOf,
      context,
      cluster: seen.cluster,
      nowMs: seen.nowMs,
      metrics,
    });
    ends.working.push(() => executor.stop());
  }
  const readiness = createReadinessDuty({
    ports,
    log,
    store,
    see: createSee({ context, kindOf, systemKind: (name) => entries[name]?.kind, tiers: LOOKS }),
    judge: readinessOf,
  });
  const namespaces = createNamespaces({
    ports,
    log,
    store,
    context,
    dnsServers: dnsServersOf(part),
    report: desk.report,
    reaches: (name) => Object.hasOwn(entries, name),
  });
  const objectives = openObjectives(part, context);
  const llm = createLlmDuty({ ports, log, store, system: systems.system });
  ends.working.push(() => llm.idle());
  const watched = createTiers({
    ports,
    log,
    store,
    context,
    by: `${region}/${replica}`,
    reaches: (name) => Object.hasOwn(entries, name),
    canary: () => kindOf('pg.canary'),
    siteSays,
    lagBetween,
  });
  const starter = createStarter({ ...common, choose: chooseTarget, orders, followed: namespaces.regions });
  ends.working.push(() => Promise.all([namespaces.stop(), readiness.idle(), watched.idle(), starter.settled()]));
  const lastAudit = async (platform: string): Promise<Readiness | null> => {
    const { kvs } = await withDeadline(ports.timers, STORE_MS, `reading the audit of ${platform}`, (signal) =>
      store.get({ keys: [readinessKey(platform)] }, signal),
    );
    return (kvs[0]?.value as Readiness | undefined) ?? null;
  };
  const reader = createRunReader({ store, ports });
  const verify = createVerifyDesk({
    ports,
    region,
    replica,
    nowMs: seen.nowMs,
    kindOf: (name) => (Object.hasOwn(entries, name) ? entries[name]?.kind : undefined),
    system: systems.system,
    probe:
      ({ policy: { timeoutMs, connectTimeoutMs } }) =>
      (spec, signal) =>
        probe(spec, { ...looking, timeoutMs, connectTimeoutMs }, signal),
    check: (platform) => checkBy(ports, systems.system, platform.namespaces[0]?.namespaces[0] ?? 'default'),
    matrices: measured.matrices,
    activeOf: async (cluster, { name }) => (await reader.platform(cluster, name)).active,
  });
  return {
    measured,
    verify,
    parts: {
      reader,
      writer: createRunWriter({ ...common, cluster: seen.cluster, clusterNowMs: seen.nowMs }),
      settler: createSettler({ store, ports, region, replica, clusterNowMs: seen.nowMs, ageMs: seen.ageMs }),
      planOf,
      estimateOf,
      recoveryMsOf: (run) => comparisonOf(run).recoveryMs,
      readinessOf: lastAudit,
      databasesOf: (platform) => databasesOf(platform, records()),
      llmOf({ name, llm: chain }) {
        if (chain === undefined) return null;
        const known = seen
          .sight()
          ?.has(llmKey(name))
          .find(({ key }) => key === llmKey(name));
        return llmViewOf(chain, (known?.value as LlmRecord | undefined) ?? null, seen.nowMs());
      },
      lossesTo(name, to) {
        const platform = platformOf(name);
        return platform === undefined ? [] : lossesTo(platform, to, records());
      },
    },
    turn(sight, nowMs, term) {
      starter.turn(sight, nowMs, term);
      readiness.turn(sight, nowMs, term);
      objectives.turn(sight, nowMs, term);
      llm.turn(sight, nowMs, term);
      if (sight.cluster !== null) namespaces.turn(sight.cluster);
      watched.turn(sight, term);
    },
    rest() {
      objectives.rest();
      llm.rest();
      namespaces.rest();
      watched.rest();
    },
    databases: () =>
      (seen.cluster()?.platforms ?? []).flatMap((platform) =>
        databasesOf(platform, records()).map((each) => ({ platform: platform.name, ...each })),
      ),
    systems: () => systems.standing(),
  };
};
