// Opens the API of a replica and everything that it looks at or writes through: who asks, refusals for the journal, orders, reports, records, the audit.
import { createAuditReader } from '../audit/reader.ts';
import { createRefusalJournal } from '../audit/refusals.ts';
import { openAccess } from '../auth/open.ts';
import { anonymousOf } from '../config/api.ts';
import type { ReplicaConfig } from '../config/schema.ts';
import type { Metrics } from '../metrics.ts';
import type { Ends, Looking, ServeContext } from '../open.ts';
import { LOG_CHANNEL } from '../paging/routing.ts';
import type { Settler } from '../runbook/tiers/settler.ts';
import type { Store } from '../store/store.ts';
import type { EventHub } from './events.ts';
import type { Forecaster } from './forecaster.ts';
import type { RunFact } from './health-detail.ts';
import { createOverrideWriter } from './overrides.ts';
import { createPageWriter } from './pages.ts';
import { createRecordReader } from './record-reader.ts';
import { createReportWriter } from './reports.ts';
import type { ApiView, RouteOptions } from './route.ts';
import { createRunDesk, type RunDeskOptions } from './run-desk.ts';
import { createRunFeed } from './run-feed.ts';
import { runFacts } from './run-view.ts';
import { createApi } from './server.ts';
import { createSettleDesk } from './settle-desk.ts';

export interface OpenApiOptions {
  config: Pick<ReplicaConfig, 'api' | 'dashboard' | 'region' | 'replica' | 'paging'>;
  context: ServeContext;
  metrics: Metrics;
  store: Store;
  resolve: Looking['resolve'];
  view: ApiView;
  snapshot: RouteOptions['snapshot'];
  events: EventHub;
  whatIf: Forecaster;
  /** What carries out runs. Absent: this replica carries out none. */
  runs?: RunParts;
  /** What was measured of the systems around. Absent: nothing is known of that. */
  measured?: RouteOptions['measured'];
  /** What looks at deployments. Absent: nothing does here. */
  verify?: RouteOptions['verify'];
  ends: Ends;
}

export interface RunParts extends Omit<RunDeskOptions, 'store' | 'ports' | 'log' | 'clusterNowMs'> {
  settler: Settler;
}

export interface OpenedApi {
  readonly port: number;
  /** Looks at the files of tokens and certificates now. Out: sentences about what is wrong with them. */
  reload(): readonly string[];
  /** For the health document. null: not seen yet, or none are carried out here. */
  runs(): readonly RunFact[] | null;
}

/** An order in doubt is answered within this. */
const GRACE_MS = 3300;

/** Listens. Throws Fault ERR_LISTEN or ERR_SECRET; what was opened by then is in `ends`. */
export const openApi = async (options: OpenApiOptions): Promise<OpenedApi> => {
  const { config, context, metrics, store, view, whatIf, ends } = options;
  const { ports, log, version } = context;
  const { api, region, replica, paging } = config;
  const { clusterNowMs } = view;
  const refusals = createRefusalJournal({ store, ports, log, region, replica, nowMs: clusterNowMs });
  ends.working.push(() => refusals.stop());
  const access = openAccess({
    api,
    ports,
    log,
    resolve: options.resolve,
    clusterName: () => view.cluster()?.name ?? null,
    onRefused: (calls) => refusals.refused([calls]),
    onRefusedOnce: metrics.authRefused,
    ...(paging.callbacks === undefined ? {} : { callbackFiles: paging.callbacks.secretFiles }),
  });
  ends.open.push(() => access.close());
  const { runs } = options;
  const feed =
    runs === undefined
      ? null
      : createRunFeed({ store, ports, log, reader: runs.reader, onRuns: (seen) => options.events.lookAtRuns(seen) });
  if (feed !== null) ends.working.push(() => feed.close());
  const server = await createApi({
    ports,
    log,
    metrics,
    host: api.host,
    port: api.port,
    ...(api.tls === undefined ? {} : { tls: api.tls }),
    ...(api.limits === undefined ? {} : { limits: api.limits }),
    access,
    dashboard: { peers: config.dashboard?.peers ?? {}, anonymous: anonymousOf(api), signIn: access.signIn },
    version,
    view,
    snapshot: options.snapshot,
    submit: createOverrideWriter({ store, ports, clusterNowMs }),
    pages: createPageWriter({ store, ports, clusterNowMs, channels: [LOG_CHANNEL, ...paging.channels.map(({ name }) => name)] }),
    reports: createReportWriter({ store, ports, clusterNowMs }),
    ...(runs === undefined
      ? {}
      : { runs: createRunDesk({ ...runs, store, ports, log, clusterNowMs }), settles: createSettleDesk({ settler: runs.settler }) }),
    ...(options.measured === undefined ? {} : { measured: options.measured }),
    ...(options.verify === undefined ? {} : { verify: options.verify }),
    records: createRecordReader({ store, ports }),
    audit: createAuditReader({ store, ports }),
    events: options.events,
    whatIf,
    forecast: whatIf.atOnce,
  });
  ends.working.push(() => server.close(GRACE_MS));
  return {
    port: server.port,
    reload() {
      const unread = access.reload();
      server.lookAtCertificate();
      return unread;
    },
    runs() {
      const seen = feed?.latest() ?? null;
      return seen === null ? null : runFacts(seen);
    },
  };
};
