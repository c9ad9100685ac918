// A small cluster, what the API looks at, and a store whose transactions can be made to go wrong.

import type { Access, Principal } from '../../src/api/access.ts';
import { encoded } from '../../src/api/encoded.ts';
import { createEventHub } from '../../src/api/events.ts';
import { createForecaster } from '../../src/api/forecaster.ts';
import type { HealthFacts } from '../../src/api/health-detail.ts';
import type { HeardVote } from '../../src/api/matrix.ts';
import { createOverrideWriter, type OverrideWriter } from '../../src/api/overrides.ts';
import { overviewDocument, serviceDocument } from '../../src/api/overview.ts';
import { createPageWriter } from '../../src/api/pages.ts';
import { createRecordReader } from '../../src/api/record-reader.ts';
import { createReportWriter } from '../../src/api/reports.ts';
import type { ApiView } from '../../src/api/route.ts';
import { type ApiOptions, buildApp } from '../../src/api/server.ts';
import { type StatusInput, servicesIn, statusDocument, statusInShort } from '../../src/api/status.ts';
import { createAuditReader } from '../../src/audit/reader.ts';
import { createAccess } from '../../src/auth/access.ts';
import { policyOf } from '../../src/config/defaults.ts';
import type { Snapshot } from '../../src/decide/snapshot.ts';
import { Fault } from '../../src/errors.ts';
import { registerSecret } from '../../src/log.ts';
import { createMetrics } from '../../src/metrics.ts';
import type { ClusterConfig, Refusal, ServiceConfig, Vote } from '../../src/model.ts';
import { realPorts } from '../../src/ports.ts';
import { openEmbedded } from '../../src/store/embedded.ts';
import type { Store, TxnResult } from '../../src/store/store.ts';
import type { Forecast } from '../../src/whatif/forecast.ts';
import { type RecordingLog, recordingLog } from '../recording-log.ts';
import { deskOver, type FakeRuns, fakeRuns } from './runs.fixture.ts';

export const NOW_MS = Date.UTC(2026, 10, 22, 3, 12);
export const TOKEN = 'operator-token-0123456789abcdef';
export const REGIONS = ['eu-west', 'us-east', 'ap-south'];

const service = (name: string): ServiceConfig => ({
  name,
  mode: 'auto',
  provider: 'local',
  ttlS: 10,
  steering: { kind: 'weighted' },
  allDown: 'hold',
  pools: REGIONS.map((region) => ({
    name: region,
    region,
    weight: 1,
    minUp: 1,
    answers: ['192.0.2.1'],
    targets: [
      { name: 'app', from: 'all', healthz: { kind: 'tcp', url: 'tcp://192.0.2.1:1' }, readyz: { kind: 'tcp', url: 'tcp://192.0.2.1:2' } },
    ],
  })),
  converge: { authoritative: [], resolvers: [] },
});

export const cluster: ClusterConfig = {
  name: 'test',
  version: 3,
  regions: REGIONS.map((name) => ({ name, vote: true, coordinator: true, anchors: [] })),
  services: [service('web.example.test'), service('api.example.test')],
  policy: policyOf({}),
  goals: { detectionMs: 30_000, convergenceMs: 60_000 },
};

export const statusInput = (given: Partial<StatusInput> = {}): StatusInput => ({
  cluster,
  routing: null,
  overrides: null,
  votes: [],
  tallies: [],
  incidents: [],
  applied: {},
  leader: null,
  self: {
    region: 'eu-west',
    replica: 'a',
    boot: 'b1',
    role: 'standby',
    epoch: 0,
    canVote: true,
    canDecide: false,
    because: 'another region coordinates',
  },
  nowMs: NOW_MS,
  ...given,
});

/** What is heard of a region's replica that holds nothing down. */
export const heardOf = (region: string, ageMs = 500, said: Partial<Vote> = {}): HeardVote => ({
  region,
  replica: 'a',
  vote: { boot: 'b', seq: 1, configVersion: 3, self: { state: 'ok' }, peers: [], down: [], unready: [], unknown: [], ...said },
  beat: { boot: 'b', seq: 1, n: 1, configVersion: 3, suspects: {}, loopDelayMs: 0, wallMs: NOW_MS },
  ageMs,
});

/** Of a replica that votes and decides, in a cluster where all vantages speak. */
const wellStatus = () => {
  const leader = { region: 'eu-west', replica: 'a', boot: 'b', epoch: 1, n: 1, nonce: 'n', released: false };
  const votes = REGIONS.map((region) => heardOf(region));
  return statusDocument(statusInput({ votes, leader, self: { ...statusInput().self, canDecide: true, because: '' } }));
};

export const healthFacts = (given: Partial<HealthFacts> = {}): HealthFacts => ({
  version: '1.0.0',
  status: wellStatus(),
  cluster,
  fleet: { versions: [], clocks: [], skewMs: 0 },
  wallMs: NOW_MS,
  store: { kind: 'etcd', answeredAgoMs: 100, lastTookMs: { get: 20, txn: 40 }, beatAgeMs: 900, complaint: null, rev: 7 },
  leaderAgeMs: 1000,
  loopDelayMs: 2,
  paging: { pages: null, oldestAtMs: null, channels: [], queue: null },
  recorder: null,
  paths: null,
  ...given,
});

export const viewOf = (given: Partial<ApiView> = {}): ApiView => ({
  status: async () => encoded(statusDocument(statusInput())),
  short: () => statusInShort(statusInput()),
  glance: async () => statusDocument(statusInput()),
  overview: async () => overviewDocument(statusInput()),
  services: () => servicesIn(statusInput()),
  service: (name) => serviceDocument(statusInput(), name),
  ready: () => ({ ok: true, why: 'configured and listening' }),
  cluster: () => cluster,
  clusterNowMs: () => NOW_MS,
  health: () => healthFacts(),
  ...given,
});

/** What happens to the next transactions, first to last; afterwards all is well. */
export type Trouble = (run: () => Promise<TxnResult>) => Promise<TxnResult>;

export const troubled = (store: Store, troubles: Trouble[]): Store => ({
  clusterId: store.clusterId,
  get: (query, signal) => store.get(query, signal),
  txn: (txn, signal) => {
    const trouble = troubles.shift();
    return trouble === undefined ? store.txn(txn, signal) : trouble(() => store.txn(txn, signal));
  },
  watch: (prefix, onEvent) => store.watch(prefix, onEvent),
  close: () => store.close(),
});

/** Writes a record whatever was there. */
export const putRecord = async (store: Store, key: string, value: unknown): Promise<void> => {
  await store.txn({ if: [], then: [{ put: key, value }] });
};

/** Knows the one token of api.tokenFile; who shows nothing may read. */
export const tokenAccess = (token: string | null, log = recordingLog()): Access => {
  if (token !== null) registerSecret(token);
  return createAccess({ ports: realPorts(), log, bootstrap: token, anonymous: 'viewer' });
};

export interface Opened {
  app: ReturnType<typeof buildApp>;
  options: ApiOptions;
  submit: OverrideWriter;
  store: Store;
  log: RecordingLog;
  troubles: Trouble[];
  /** What carries out runs, a fake. */
  runs: FakeRuns;
  close(): Promise<void>;
}

/** An API over an in-memory store; `inject` needs no socket. */
export const openApi = (given: Partial<ApiOptions> = {}, stopping?: () => boolean): Opened => {
  const ports = realPorts();
  const troubles: Trouble[] = [];
  const embedded = openEmbedded({ file: ':memory:', ports });
  const store = troubled(embedded, troubles);
  const log = recordingLog();
  const submit = createOverrideWriter({ store, ports, clusterNowMs: () => NOW_MS });
  const runs = fakeRuns();
  const snapshot = given.snapshot ?? ((): Snapshot | null => null);
  const options: ApiOptions = {
    ports,
    snapshot,
    records: createRecordReader({ store, ports }),
    whatIf: createForecaster({ ports, snapshot, clusterNowMs: () => NOW_MS }),
    log,
    metrics: createMetrics('test'),
    host: '127.0.0.1',
    port: 0,
    access: tokenAccess(TOKEN, log),
    view: viewOf(),
    version: '0.0.0-test',
    submit,
    pages: createPageWriter({ store, ports, clusterNowMs: () => NOW_MS, channels: ['log', 'oncall', 'mail'] }),
    reports: createReportWriter({ store, ports, clusterNowMs: () => NOW_MS }),
    runs: deskOver(runs, store),
    audit: createAuditReader({ store, ports }),
    events: createEventHub({ ports, log, store, region: 'eu-west', replica: 'a' }),
    ...given,
  };
  const app = buildApp(options, stopping);
  const close = async (): Promise<void> => {
    await app.close();
    await embedded.close();
  };
  return { app, options, submit, store, log, troubles, runs, close };
};

/** Everybody is who the bearer token says: `Bearer ana`. */
export const accessOf = (...principals: readonly Principal[]): Access => ({
  async identify({ authorization }) {
    const found = principals.find(({ name }) => authorization === `Bearer ${name}`);
    if (found === undefined) throw new Fault('ERR_UNAUTHORIZED', 'nobody we know');
    return found;
  },
});

export const principal = (name: string, given: Partial<Principal> = {}): Principal => ({
  name,
  role: 'operator',
  services: null,
  how: 'token',
  ...given,
});

export const foresight = (given: Partial<Forecast> = {}): Forecast => ({
  steps: [],
  services: [],
  refusals: [],
  holds: [],
  pages: [],
  notes: [],
  ...given,
});

export const refusal = (given: Partial<Refusal> = {}): Refusal => ({
  service: 'web.example.test',
  pool: 'eu-west',
  rule: 'capacity',
  risk: 'low',
  because: 'the others bear 700 of 800',
  againAtMs: null,
  counterfactual: 'with a load of 690 it would pass',
  ...given,
});

export const AUTHORIZED = { authorization: `Bearer ${TOKEN}` };
export const DRAIN = { kind: 'drain', scope: { region: 'eu-west' }, reason: 'maintenance of the database', owner: 'ana' };
