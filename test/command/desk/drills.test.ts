// Drills at a desk of our own: what is shown, what keeps one from beginning, what ends it, and what is written down. The cluster is a fake that obeys.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { StatusDocument } from '../../../src/client/types.ts';
import { type DrillOptions, drillAbort, drillHistory, drillList, drillStatus, run } from '../../../src/command/desk/drills.ts';
import { expectedOf } from '../../../src/drill/lose-region.ts';
import type { Scorecard } from '../../../src/drill/scorecard.ts';
import type { Override } from '../../../src/model.ts';
import { type Endpoint, endpoint, json } from '../../client/servers.ts';
import { desk } from './desk.fixture.ts';
import { dying, healthy } from './fixture.ts';
import { FORECAST, REFUSED } from './forecast.fixture.ts';

const REGION = 'eu-west';
let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tidegate-drills-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** What the cluster looks like while the order stands, `looks` looks after it was given. */
type While = (status: StatusDocument, looks: number) => StatusDocument;

const obeyed: While = (status) => ({
  ...status,
  decision: { v: 42, epoch: 7, atMs: status.clusterTimeMs + 800, because: 'drained' },
  services: status.services.map((service) => ({
    ...service,
    fence: 42,
    applied: { fence: 42, atMs: status.clusterTimeMs + 1_100, outcome: 'applied' as const, because: '' },
    arrived: { t5AtMs: status.clusterTimeMs + 2_000, t6AtMs: status.clusterTimeMs + 12_800 },
    pools: service.pools.map((pool) => (pool.region === REGION ? { ...pool, share: 0 } : pool)),
  })),
});

/** `cuts`: it takes the order and breaks the connection, and its list of orders is behind. */
const cluster = async (given: { status?: StatusDocument; during?: While; refused?: boolean; cuts?: boolean } = {}) => {
  const { status = healthy(), during = obeyed, refused = false, cuts = false } = given;
  let order: Override | null = null;
  let looks = 0;
  let lists = 0;
  const server: Endpoint = await endpoint(({ method, url, body }, reply) => {
    if (url === '/v1/status') {
      if (order === null) return json(reply, 200, status);
      const standing = { active: true, leftMs: 600_000, obeyed: true, because: 'it gets no traffic', measured: [] };
      const now = during(status, looks++);
      const ours = order === null ? [] : [{ ...(order as Override), ...standing }];
      return json(reply, 200, { ...now, overrides: { version: 9, items: [...now.overrides.items, ...ours] } });
    }
    if (url === '/v1/simulate') return json(reply, 200, FORECAST);
    if (method === 'POST') return json(reply, 200, { override: body, forecast: refused ? REFUSED : FORECAST });
    if (url === '/v1/overrides') {
      const isBehind = cuts && lists++ === 0;
      return json(reply, 200, { version: 9, items: order === null || isBehind ? [] : [order] });
    }
    const there: Override | null = order;
    if (method === 'DELETE') {
      order = null;
      return json(reply, 200, { override: there, version: 11 });
    }
    order = {
      ...(body as Override),
      id: url.split('/').at(-1) ?? '',
      createdAtMs: status.clusterTimeMs,
      expiresAtMs: status.clusterTimeMs + 900_000,
    };
    if (cuts) return void reply.destroy();
    return json(reply, 200, { override: order, version: 10 });
  });
  const written = (): readonly string[] =>
    server.asked.filter(({ method }) => ['PUT', 'DELETE'].includes(method)).map(({ method }) => method);
  return {
    server,
    written,
    stands: () => order !== null,
    endOrder: () => {
      order = null;
    },
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
    },
  };
};

const options = (server: Endpoint, given: Partial<DrillOptions> = {}): DrillOptions => ({
  region: REGION,
  reason: 'the drill of this quarter',
  onCall: 'ana',
  scorecards: folder,
  endpoint: [server.url],
  ...given,
});

const card = (): Scorecard => {
  const name = readdirSync(folder).find((each) => each.endsWith('.json')) ?? expect.fail('no scorecard');
  return JSON.parse(readFileSync(join(folder, name), 'utf8')) as Scorecard;
};

test('without --yes it says what it would do, and touches nothing', async () => {
  await using at = await cluster();
  const mine = desk(null);
  expect(await run('lose-region', options(at.server), mine.console)).toBe(0);
  expect(at.written()).toEqual([]);
  expect(readdirSync(folder)).toEqual([]);
  for (const text of [
    'quorum full',
    'somebody watches: ana',
    'seed:',
    'ends early when',
    'tidegate drill abort drill-lose-region-eu-west-',
    'add --yes',
  ])
    expect(mine.out()).toContain(text);
});

test('with --yes it drains, measures, brings back, and writes the scorecard in both forms', async () => {
  await using at = await cluster();
  const mine = desk(null);
  expect(await run('lose-region', options(at.server, { yes: true }), mine.console)).toBe(0);
  expect(at.written()).toEqual(['PUT', 'DELETE']);
  expect(at.server.asked.find(({ method }) => method === 'PUT')?.body).toMatchObject({
    kind: 'drain',
    scope: { region: REGION },
    drill: true,
    ttlMs: 900_000,
  });
  expect(card()).toMatchObject({
    outcome: 'passed',
    subject: REGION,
    onCall: 'ana',
    phases: { decided: { ms: 800 }, written: { ms: 300 }, served: { ms: 1200 }, users: { ms: 12_000, expected: { source: 'seed' } } },
  });
  expect(card().phases.returned?.ms).not.toBeNull();
  const markdown = readFileSync(join(folder, `${card().id}.md`), 'utf8');
  expect(markdown).toMatch(/\| users \| .* \| seed: .* \| 12 s \|/);
  const past = desk(null);
  expect(drillHistory({ scorecards: folder }, past.console)).toBe(0);
  expect(past.out()).toMatch(/lose-region eu-west +passed +12 s/);
});

/** One vantage is heard otherwise. */
const healthyBut = (heard: Partial<StatusDocument['votes']['vantages'][number]>): StatusDocument => {
  const status = healthy();
  const vantages = status.votes.vantages.map((vantage, at) => (at === 0 ? { ...vantage, ...heard } : vantage));
  return { ...status, votes: { ...status.votes, vantages } };
};

test.each<[string, StatusDocument, Partial<DrillOptions>, boolean, RegExp]>([
  ['nobody watches', healthy(), { onCall: '' }, false, /--on-call/],
  ['a region is out', dying(), {}, false, /NO +no incident/],
  ['a rule refuses it', healthy(), {}, true, /NO +rules allow it: capacity/],
  ['a vantage abstains', healthyBut({ state: 'abstain', because: 'its anchors do not answer' }), {}, false, /NO +quorum full/],
  ['a vantage is silent that said last that it is well', healthyBut({ state: 'silent' }), {}, false, /NO +quorum full/],
])('when %s it does not begin, --yes or not', async (_what, status, given, refused, says) => {
  await using at = await cluster({ status, refused });
  const mine = desk(null);
  const ran = await run('lose-region', options(at.server, { yes: true, ...given }), mine.console).catch((error: Error) => error.message);
  expect(ran === 6 ? mine.out() : ran).toMatch(says);
  expect(at.written()).toEqual([]);
  expect(readdirSync(folder)).toEqual([]);
});

test.each<[string, While, RegExp]>([
  ['an incident begins', (status) => ({ ...obeyed(status, 0), incidents: dying().incidents }), /incident inc-42-eu-west has begun/],
  [
    'a pool elsewhere fails',
    (status) => ({
      ...obeyed(status, 0),
      services: status.services.map((s) => ({
        ...s,
        pools: s.pools.map((p) => (p.region === REGION ? p : { ...p, verdict: 'out' as const })),
      })),
    }),
    /us-east out, and it carries what was moved/,
  ],
])('when %s it is aborted: what it injected is taken back, and the scorecard says so', async (_what, during, because) => {
  await using at = await cluster({ during });
  expect(await run('lose-region', options(at.server, { yes: true }), desk(null).console)).toBe(3);
  expect(at.written()).toEqual(['PUT', 'DELETE']);
  expect(card()).toMatchObject({ outcome: 'aborted', because: expect.stringMatching(because) });
});

test('when somebody else ends its order it is aborted, and what was measured afterwards is no figure of it', async () => {
  await using at = await cluster({
    during(status, looks) {
      if (looks === 3) at.endOrder();
      return status;
    },
  });
  expect(await run('lose-region', options(at.server, { yes: true }), desk(null).console)).toBe(3);
  expect(card()).toMatchObject({
    outcome: 'aborted',
    because: expect.stringMatching(/^its order ended meanwhile/),
    phases: { users: { ms: null } },
  });
});

test('when nobody knows whether the order stands it is looked for, and ended where it is found', async () => {
  await using at = await cluster({ cuts: true });
  const ran = await run('lose-region', options(at.server, { yes: true }), desk(null).console).catch((error: Error) => error);
  expect(ran).toMatchObject({ code: 'ERR_UNDECIDED' });
  expect(at.written().at(-1)).toBe('DELETE');
  expect(at.stands()).toBe(false);
});

test('a signal ends it early: the order is ended, and traffic returns', async () => {
  const never: While = (status) => status;
  await using at = await cluster({ during: never });
  const heard: ((signal: string) => void)[] = [];
  const mine = desk(null);
  const onStop = (stop: (signal: string) => void) => {
    heard.push(stop);
    return () => undefined;
  };
  const ran = run('lose-region', options(at.server, { yes: true }), { ...mine.console, onStop });
  await expect.poll(() => at.written()).toEqual(['PUT']);
  heard[0]?.('SIGTERM');
  expect(await ran).toBe(3);
  expect(at.written()).toEqual(['PUT', 'DELETE']);
  expect(card()).toMatchObject({ outcome: 'aborted', because: 'SIGTERM ended it' });
});

test('what users take longer than the goal for is missed, with exit code 5', async () => {
  const slow: While = (status) => {
    const now = obeyed(status, 0);
    return {
      ...now,
      services: now.services.map((s) => ({ ...s, arrived: { t5AtMs: null, t6AtMs: null } })),
      clusterTimeMs: status.clusterTimeMs + 600_000,
    };
  };
  await using at = await cluster({ during: slow });
  expect(await run('lose-region', options(at.server, { yes: true }), desk(null).console)).toBe(5);
  expect(card()).toMatchObject({ outcome: 'missed', phases: { users: { ms: null } } });
});

test('three drills of the like speak louder than the forecast; those that were aborted say nothing', async () => {
  await using at = await cluster();
  await run('lose-region', options(at.server, { yes: true }), desk(null).console);
  const one = card();
  const asked = { past: [one, one], forecast: FORECAST };
  expect(expectedOf('users', REGION, one.services, asked)?.source).toBe('seed');
  expect(expectedOf('users', REGION, one.services, { ...asked, past: [one, one, { ...one, outcome: 'aborted' }] })?.source).toBe('seed');
  expect(expectedOf('users', REGION, one.services, { ...asked, past: [one, one, one] })).toMatchObject({ source: 'measured', ms: 12_000 });
});

test('an early end is for drills only; what goes on is listed; a foreign file is a mistake that is said', async () => {
  await using at = await cluster();
  const drill = { kind: 'drain', scope: { region: REGION }, drill: true, reason: '', owner: 'ana' };
  await fetch(`${at.server.url}/v1/overrides/drill-1`, { method: 'PUT', body: JSON.stringify(drill) });
  const mine = desk(null);
  expect(await drillStatus({ endpoint: [at.server.url], scorecards: folder }, mine.console)).toBe(0);
  expect(mine.out()).toContain('drill-1: drain, obeyed');
  expect(await drillAbort('drill-1', { endpoint: [at.server.url], scorecards: folder, yes: true }, mine.console)).toBe(0);
  expect(at.written()).toEqual(['PUT', 'DELETE']);
  writeFileSync(join(folder, 'drill-x.json'), '{}');
  expect(() => drillHistory({ scorecards: folder }, mine.console)).toThrow(/drill-x\.json is no scorecard/);
  expect(drillHistory({ scorecards: join(folder, 'none') }, mine.console)).toBe(0);
  expect(existsSync(join(folder, 'none'))).toBe(false);
  expect(drillList(mine.console)).toBe(0);
  expect(mine.out()).toContain('lose-region');
});
