// deploy/monitoring/ on the real program: three replicas as processes, a real Prometheus that scrapes them with the rules loaded, and an outage. What the dashboard
// and the rules ask has to be there; what can be absent in such a cluster is listed, with the reason. The alerts on the log see lines that were really written.
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { watchCertificate } from '../../src/auth/serving-certificate.ts';
import { fileDisk } from '../../src/disk.ts';
import { createLog, type Log } from '../../src/log.ts';
import { openSpool } from '../../src/paging/spool.ts';
import { realPorts } from '../../src/ports.ts';
import { openApi, viewOf } from '../api/fixture.ts';
import { type Cluster, startCluster } from './cluster.ts';
import { REGIONS } from './cluster-config.ts';
import { firing, linesOf, parseLogQl, type StreamLine } from './logql.ts';
import { alertsIn, asked, dashboard, queriesOf, rulesOf, selectorsIn, textOf } from './monitoring.ts';
import { spawnReplica } from './replica-process.ts';
import { freePort, runServer, workDir } from './server.ts';
import { until } from './until.ts';

/** What this cluster has not, by the beginning of the selector; everything else has to be there. */
const ABSENT: Readonly<Record<string, string>> = {
  tidegate_canary: 'no canary is configured',
  tidegate_microdrill: 'no canary is a micro-drill',
  tidegate_gate_: 'no gate is configured',
  tidegate_data_: 'no platform has a database',
  tidegate_dependency_: 'no objective is configured',
  tidegate_runbook_runs: 'no run has ended',
  tidegate_runbook_step: 'no run has begun',
  tidegate_system_failing: 'no system around is named',
  tidegate_provider_settle: 'the builtin provider has served what it acknowledges',
  tidegate_provider_receipts: 'as above',
  tidegate_credential_expires: 'no certificate and no token that ends is named in a file',
  'tidegate_health_check{check="paging:queue"}': 'no queue is configured',
  'tidegate_health_check{check="runbook:runs"}': 'no run goes on',
};

/** What may be there or not: a machine that is busy makes the store answer late. */
const CHANCE: Readonly<Record<string, string>> = { tidegate_store_errors: 'the store has to refuse or time out first' };

const stack = new AsyncDisposableStack();
let cluster: Cluster;
let prometheusUrl: string;
const codeLines: string[] = [];

interface Sample {
  metric: Readonly<Record<string, string>>;
  value: readonly [number, string];
}

const query = async (expr: string): Promise<readonly Sample[]> => {
  const reply = await fetch(`${prometheusUrl}/api/v1/query?query=${encodeURIComponent(expr)}`);
  const body = (await reply.json()) as { status: string; error?: string; data?: { result: readonly Sample[] } };
  if (body.status !== 'success') throw new Error(`${expr}: ${body.error}`);
  return body.data?.result ?? [];
};

/** Scrapes the replicas and evaluates the rules twice a second. */
const startScraper = async (): Promise<string> => {
  const dir = workDir('scraper');
  writeFileSync(join(dir, 'rules.yaml'), textOf('prometheus-rules.yaml').replace('interval: 30s', 'interval: 1s'));
  const targets = REGIONS.map(
    (region) => `    - { targets: ['127.0.0.1:${cluster.doors.api[region]}'], labels: { cluster: c, region: ${region} } }`,
  );
  writeFileSync(
    join(dir, 'prometheus.yml'),
    `global: { scrape_interval: 500ms, scrape_timeout: 500ms, evaluation_interval: 1s }
rule_files: [rules.yaml]
scrape_configs:
- job_name: tidegate
  static_configs:
${targets.join('\n')}
`,
  );
  const at = `127.0.0.1:${await freePort()}`;
  const server = await runServer({
    command: 'prometheus',
    args: [
      `--config.file=${join(dir, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(dir, 'data')}`,
      `--web.listen-address=${at}`,
      '--log.level=warn',
    ],
    dir,
    logFile: join(dir, 'none'),
    answers: async () => (await (await fetch(`http://${at}/api/v1/query?query=up`)).text()).includes(String(cluster.doors.api['eu-west'])),
  });
  stack.use(server);
  return `http://${at}`;
};

/** A receiver that wants none of the pages it gets. */
const startRefusing = async (): Promise<string> => {
  const server = createServer((request, reply) => {
    request.resume();
    reply.writeHead(410).end('no more');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  stack.defer(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
};

const order = (token: string): Promise<Response> =>
  fetch(`http://127.0.0.1:${cluster.doors.api['us-east']}/v1/overrides/steady`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({
      kind: 'force-in',
      scope: { region: 'us-east' },
      reason: 'so that there is an order to see',
      owner: 'test',
      ttlMs: 600_000,
    }),
  });

/** What operators do wrong: a token of nobody, a file that is not accepted, a second process under one name. */
const blunder = async (): Promise<void> => {
  // Each kind of caller is told of once a minute, and at the end.
  for (let n = 0; n < 12; n++) await order(`${n}${'f'.repeat(20)}`);
  const us = cluster.replica('us-east');
  cluster.edit('us-east', (text) => text.replace('region: us-east', 'regio: us-east'));
  us.signal('SIGHUP');
  await until('the refusal of the file', () => us.lines('config.refused')[0]);
  cluster.edit('us-east', (text) => text.replace('regio: us-east', 'region: us-east'));
  const apiPort = await freePort();
  const configFile = join(cluster.folder, 'twin.yaml');
  writeFileSync(configFile, cluster.read('us-east').replace(`:${cluster.doors.api['us-east']}`, `:${apiPort}`));
  await spawnReplica({ configFile, logFile: join(cluster.folder, 'us-east-twin.log'), apiPort }).ended;
};

/** Code that meets what is hard to bring about in a process: a request that throws, a certificate that is none, a spool that is a folder. */
const breakCode = async (log: Log): Promise<void> => {
  const broken = (): never => {
    throw new TypeError('a mistake of ours');
  };
  const api = openApi({ log, view: { ...viewOf(), status: broken } });
  expect((await api.app.inject({ url: '/v1/status', headers: { authorization: 'Bearer x' } })).statusCode).toBeGreaterThanOrEqual(400);
  await api.app.inject({ url: '/v1/status' });
  await api.close();
  await using folder = new AsyncDisposableStack();
  const dir = workDir('broken');
  folder.defer(() => rmSync(dir, { recursive: true, force: true }));
  const files = { certFile: join(dir, 'cert.pem'), keyFile: join(dir, 'key.pem') };
  const watching = watchCertificate(files, realPorts(), log, () => undefined);
  writeFileSync(files.certFile, 'no certificate', { mode: 0o600 });
  watching.look();
  watching.close();
  // A folder where a file is to be.
  const spool = join(dir, 'spool');
  mkdirSync(spool);
  await openSpool({ disk: fileDisk(spool), ports: realPorts(), log });
};

beforeAll(async () => {
  const webhookUrl = await startRefusing();
  cluster = stack.use(await startCluster({ webhookUrl }));
  prometheusUrl = await startScraper();
  await until('a scrape of all', async () => (await query('up == 1')).length === REGIONS.length);
  await until('the order taken', async () => (await order(cluster.operatorToken)).status === 201);
  await blunder();
  await cluster.killApp('ap-south');
  await cluster.untilServed('ap-south drained', (route) => route['ap-south'] === 0);
  await until('its convergence in Prometheus', async () => (await query('tidegate_convergence_duration_seconds_count > 0')).length > 0);
  await until('a page refused in Prometheus', async () => (await query('tidegate_pages_total{outcome="refused"} > 0')).length > 0);
  await breakCode(createLog({ level: 'info', clock: realPorts().clock, destination: { write: (line) => codeLines.push(line) } }));
}, 180_000);
afterAll(() => stack.disposeAsync(), 60_000);

/** Why a selector may be empty here; undefined: it may not. */
const excuseOf = (selector: string): string | undefined =>
  Object.entries({ ...ABSENT, ...CHANCE }).find(([beginning]) => selector.startsWith(beginning))?.[1];

describe('a real Prometheus that scrapes three replicas in an outage', () => {
  test('every query of the dashboard returns data, or names what this cluster has not', { timeout: 60_000 }, async () => {
    const empty: string[] = [];
    for (const { of, expr } of queriesOf(dashboard())) {
      if ((await query(asked(expr))).length > 0) continue;
      if (!selectorsIn(expr).some(({ name }) => excuseOf(name) !== undefined)) empty.push(`${of}: ${expr}`);
    }
    expect(empty).toEqual([]);
  });

  test('every series that a rule asks for is there, or names what this cluster has not', { timeout: 60_000 }, async () => {
    const asks = new Set(
      rulesOf('prometheus-rules.yaml').flatMap(({ expr }) => selectorsIn(expr).map(({ name, matchers }) => `${name}${matchers}`)),
    );
    const empty: string[] = [];
    for (const selector of asks) if (excuseOf(selector) === undefined && (await query(selector)).length === 0) empty.push(selector);
    expect(empty).toEqual([]);
  });

  test('what is listed as absent is absent', async () => {
    for (const beginning of Object.keys(ABSENT))
      expect(await query(beginning.includes('{') ? beginning : `{__name__=~"${beginning}.*"}`), beginning).toEqual([]);
  });

  test('Prometheus evaluates every rule without an error, and records what the outage was like', async () => {
    const { data } = (await (await fetch(`${prometheusUrl}/api/v1/rules`)).json()) as {
      data: { groups: readonly { rules: readonly { name: string; health: string; lastError?: string }[] }[] };
    };
    const rules = data.groups.flatMap((group) => group.rules);
    expect(rules).toHaveLength(rulesOf('prometheus-rules.yaml').length);
    expect(rules.filter(({ health }) => health !== 'ok')).toEqual([]);
    for (const name of rulesOf('prometheus-rules.yaml').flatMap(({ record }) => record ?? []))
      if (!name.includes('store_errors')) await until(name, async () => (await query(name)).length > 0);
    await until('three that speak', async () => (await query('cluster:tidegate_vantages_speaking:max{cluster="c"} == 3')).length > 0);
    // All landed: a share of failovers, however slow this machine is.
    for (const goal of ['detection', 'convergence'])
      expect(await query(`cluster:tidegate_${goal}_slow:ratio1h >= 0 <= 1`), goal).toHaveLength(1);
  });

  test('the alerts that fire are those of what happened: a page that its channel refused', async () => {
    const names = async (): Promise<string[]> =>
      [...new Set((await query('ALERTS{alertstate="firing"}')).map(({ metric }) => metric.alertname ?? ''))].sort();
    await until('the alert', async () => (await names()).includes('TidegatePageDead'));
    expect(await names()).toEqual(['TidegatePageDead', 'Watchdog']);
    expect((await query('ALERTS{alertname="TidegatePageDead"}')).map(({ metric }) => metric)).toMatchObject([
      { cluster: 'c', channel: 'oncall', outcome: 'refused', severity: 'critical' },
    ]);
  });
});

describe('the alerts on the log, over lines that were really written', () => {
  /** As they are when the replicas have ended, with the labels that whoever ships the log sets. */
  const lines: StreamLine[] = [];
  beforeAll(async () => {
    for (const region of REGIONS) await cluster.stop(region);
    const labels = (region: string) => ({ app: 'tidegate', cluster: 'c', region });
    for (const file of readdirSync(cluster.folder).filter((name) => name.endsWith('.log'))) {
      const region = REGIONS.find((each) => file.startsWith(each)) ?? '';
      for (const text of readFileSync(join(cluster.folder, file), 'utf8').split('\n')) lines.push({ labels: labels(region), text });
    }
    for (const text of codeLines) lines.push({ labels: labels('code'), text });
  }, 60_000);

  const ALERTS = alertsIn(rulesOf('loki-alert-rules.yaml'));
  const EXPECTED: Readonly<Record<string, readonly string[]>> = {
    TidegateLogFatal: ['c/us-east'],
    TidegateLogBroken: ['c/code/api.failed'],
    TidegateLogConfigRefused: ['c/us-east'],
    TidegateLogCredentialsRefused: ['c/code/api.certificate.refused'],
    TidegateLogNameTaken: ['c/us-east'],
    TidegateLogAlone: ['c/code/spool.failed'],
    // One line tells of twelve calls; ten such lines are what it waits for.
    TidegateLogStrangers: [],
  };

  test.each(ALERTS)('$alert', ({ alert, expr }) => {
    const groups = [...firing(parseLogQl(expr), lines).keys()].sort();
    // Whoever coordinates delivers.
    if (alert === 'TidegateLogPageRefused') expect(REGIONS.map((region) => `c/${region}`)).toEqual(expect.arrayContaining(groups));
    else expect(groups).toEqual(EXPECTED[alert]);
    expect(groups.length > 0 || alert === 'TidegateLogStrangers').toBe(true);
  });

  test('of strangers counts the lines that tell of them, and nothing else', () => {
    const { expr = '' } = ALERTS.find(({ alert }) => alert === 'TidegateLogStrangers') ?? {};
    const found = linesOf(parseLogQl(expr), lines);
    expect(found.length).toBeGreaterThan(0);
    const told = found.map(({ text }) => JSON.parse(text) as { event: string });
    expect(new Set(told.map(({ event }) => event))).toEqual(new Set(['auth.refused']));
    expect([
      ...firing(
        parseLogQl(expr),
        Array.from({ length: 11 }, () => found[0]!),
      ).keys(),
    ]).toEqual(['c/us-east']);
  });

  test('lines of another program, and lines that are no JSON, fire nothing', () => {
    const foreign = lines.map((line) => ({ ...line, labels: { ...line.labels, app: 'other' } }));
    const torn = lines.map((line) => ({ ...line, text: line.text.slice(0, -2) }));
    for (const { expr } of ALERTS) for (const those of [foreign, torn]) expect([...firing(parseLogQl(expr), those).keys()]).toEqual([]);
  });
});
