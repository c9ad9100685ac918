// Drills whose fault a command of the operator's injects. The commands are real: they make and remove a file, and the replicas here, one an endpoint, show a
// fault for as long as it is there. What each says is made by the production code from the facts of that moment.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type HealthFacts, healthDetail } from '../../../src/api/health-detail.ts';
import type { PathsView, ProviderStatus } from '../../../src/api/status.ts';
import type { PageItem, StatusDocument } from '../../../src/client/types.ts';
import { type DrillOptions, drillAbort, drillHistory, drillList, drillStatus, run } from '../../../src/command/desk/drills.ts';
import type { Console } from '../../../src/command/desk/session.ts';
import { FAULT_DRILLS } from '../../../src/drill/faults.ts';
import type { Scorecard } from '../../../src/drill/scorecard.ts';
import type { ClusterConfig } from '../../../src/model.ts';
import { isoTime, realPorts } from '../../../src/ports.ts';
import { healthFacts, heardOf, NOW_MS, REGIONS, cluster as small } from '../../api/fixture.ts';
import { type Endpoint, endpoint, json } from '../../client/servers.ts';
import { type Desk, desk } from './desk.fixture.ts';
import { dying, healthy, paths, SCREEN, tallyOf } from './fixture.ts';
import { FORECAST } from './forecast.fixture.ts';

const MAIN = join(import.meta.dirname, '../../../src/main.ts');
/** It serves nothing here. */
const WITNESS = 'ap-south';
const SERVING = REGIONS.filter((region) => region !== WITNESS);

let folder = '';
let flag = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tidegate-faults-'));
  flag = join(folder, 'fault');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const cluster: ClusterConfig = {
  ...small,
  services: small.services.map((service) => ({
    ...service,
    also: ['spare'],
    pools: service.pools.filter(({ region }) => region !== WITNESS),
  })),
};

const votesBut = (silent: readonly string[]): NonNullable<Parameters<typeof healthy>[0]>['votes'] & object =>
  REGIONS.map((region) => heardOf(region, silent.includes(region) ? 60_000 : 800));

const waysOf = (failing: boolean): PathsView => ({
  ranked: () => ({ order: failing ? ['spare', 'local'] : ['local', 'spare'], because: '' }),
  providers: () => paths(failing).providers() as readonly ProviderStatus[],
});

interface Facts {
  /** Whose votes are not there. */
  silent?: readonly string[];
  /** Its provider fails. */
  failing?: boolean;
  /** What its store says, which takes nothing. */
  complaint?: string;
  /** What a channel says. */
  pager?: string;
  /** Nobody answers at its endpoint. */
  gone?: boolean;
  /** Last touch. */
  status?: (status: StatusDocument) => StatusDocument;
}

const statusOf = (region: string, { silent = [], failing = false, complaint, status = (same) => same }: Facts): StatusDocument => {
  const decides = complaint === undefined;
  return status(
    healthy({
      cluster,
      votes: votesBut(silent),
      tallies: cluster.services.flatMap(({ name }) => SERVING.map((pool) => tallyOf(name, pool))),
      paths: region === 'us-east' ? waysOf(failing) : null,
      self: {
        region,
        replica: 'a',
        boot: 'b1',
        role: region === 'us-east' ? 'coordinator' : 'standby',
        epoch: 7,
        canVote: decides,
        canDecide: decides,
        because: decides ? '' : 'the store does not answer',
      },
    }),
  );
};

const healthOf = (region: string, facts: Facts) => {
  const { store } = healthFacts();
  const status = statusOf(region, facts);
  const paging: HealthFacts['paging'] = {
    pages: 0,
    oldestAtMs: null,
    channels: ['log', 'pager', 'chat'].map((name) => ({ name, failing: name === 'pager' ? (facts.pager ?? null) : null })),
    queue: null,
  };
  return healthDetail(
    healthFacts({
      cluster,
      status,
      paging,
      store: facts.complaint === undefined ? store : { ...store, beatAgeMs: 20_000, complaint: facts.complaint },
      paths: region === 'us-east' ? waysOf(facts.failing === true) : null,
    }),
    isoTime,
  );
};

const page = (type: string, headline: string, given: Partial<PageItem> = {}): PageItem => ({
  id: `page-${type}`,
  dedupKey: type,
  type,
  action: 'trigger',
  severity: 'critical',
  headline,
  atMs: NOW_MS + 11_000,
  v: 41,
  state: 'told',
  thread: 'firing',
  delivered: ['chat'],
  dead: {},
  acknowledged: null,
  notBeforeMs: null,
  ...given,
});

/** What a replica says while the fault is there; `pages`: then, or once it was. */
interface World {
  during?: (region: string) => Facts;
  always?: (region: string) => Facts;
  pages?: readonly PageItem[];
  before?: readonly PageItem[];
  /** These come to be told only once it is over, and only of one that stood long enough. */
  later?: readonly PageItem[];
}

/** A region that is back sooner pages nothing. */
const PAGED_AFTER_MS = 2_000;

const playing = async ({ during = () => ({}), always = () => ({}), before = [], pages = [], later = [] }: World) => {
  const { clock } = realPorts();
  let faultySinceMs: number | null = null;
  let stoodMs = 0;
  const servers = new Map<string, Endpoint>();
  for (const region of REGIONS)
    servers.set(
      region,
      await endpoint(({ url, method }, reply) => {
        const isFaulty = existsSync(flag);
        faultySinceMs = isFaulty ? (faultySinceMs ?? clock.monoMs()) : null;
        if (faultySinceMs !== null) stoodMs = clock.monoMs() - faultySinceMs;
        const facts = isFaulty ? during(region) : always(region);
        if (facts.gone === true) return reply.destroy();
        if (url === '/v1/status') return json(reply, 200, statusOf(region, facts));
        if (url === '/api/health/detail') {
          const detail = healthOf(region, facts);
          return json(reply, detail.status === 'fail' ? 503 : 200, detail);
        }
        if (url.startsWith('/v1/pages')) {
          const items = [...before, ...(stoodMs > 0 ? pages : []), ...(stoodMs > PAGED_AFTER_MS && !isFaulty ? later : [])];
          return json(reply, 200, { items, total: items.length, clusterTimeMs: NOW_MS });
        }
        if (method === 'POST') return json(reply, 200, { override: {}, forecast: FORECAST });
        return json(reply, 404, {});
      }),
    );
  const urls = [...servers.values()].map(({ url }) => url);
  return {
    urls,
    asked: () => [...servers.values()].reduce((sum, { asked }) => sum + asked.length, 0),
    /** Nothing that writes was asked for, but for previews. */
    written: () =>
      [...servers.values()].flatMap(({ asked }) => asked).filter(({ method, url }) => method !== 'GET' && !url.includes('dryRun=true')),
    async [Symbol.asyncDispose]() {
      for (const server of servers.values()) await server.close();
    },
  };
};

/** A desk whose waits between two looks are short, and at which signals can be given. */
const quick = (): Desk & { stop(signal: string): void; stops(): number } => {
  const mine = desk(null);
  const real = realPorts();
  let heard: ((signal: string) => void) | null = null;
  const console: Console = {
    ...mine.console,
    env: { PATH: process.env.PATH },
    ports: { ...real, timers: { after: (ms, fn, options) => real.timers.after(ms === 1_000 ? 20 : ms, fn, options) } },
    onStop(stop) {
      heard = stop;
      return () => {
        heard = null;
      };
    },
  };
  return { ...mine, console, stop: (signal) => heard?.(signal), stops: () => (heard === null ? 0 : 1) };
};

const options = (urls: readonly string[], given: Partial<DrillOptions> = {}): DrillOptions => ({
  reason: 'the drill of this quarter',
  onCall: 'ana',
  scorecards: folder,
  endpoint: urls,
  inject: `touch ${flag}`,
  restore: `rm ${flag} && echo restored >> ${flag}.restored`,
  yes: true,
  ...given,
});

const restored = (): number => (existsSync(`${flag}.restored`) ? readFileSync(`${flag}.restored`, 'utf8').split('\n').length - 1 : 0);
const files = (ending: string): readonly string[] => readdirSync(folder).filter((name) => name.endsWith(ending));
const card = (): Scorecard => JSON.parse(readFileSync(join(folder, files('.json')[0] ?? expect.fail('no scorecard')), 'utf8')) as Scorecard;

const FULL = 'etcd /tidegate: etcdserver: mvcc: database space exceeded; compact and defragment the members';
const lost = (region: string, because: string): PageItem =>
  page('store.lost', `${region}/a: the store has failed for 10 s (${because}); nothing can be decided`, {
    id: `lost-${region}`,
    atMs: NOW_MS + 400,
  });

interface Played {
  name: string;
  options: Partial<DrillOptions>;
  world: World;
  /** Phases that are seen, and what is said of them. */
  says: Readonly<Record<string, RegExp>>;
}

const PLAYED: readonly Played[] = [
  {
    name: 'cut-witness',
    options: { region: WITNESS },
    world: { during: (region) => (region === WITNESS ? { gone: true } : { silent: [WITNESS] }) },
    says: { silent: /^2 of 3 vantages speak, one failure from advise-only$/ },
  },
  {
    name: 'revoke-credential',
    options: { provider: 'local' },
    world: {
      during: () => ({ failing: true }),
      pages: [page('provider.canary_failing', 'a failover by local would fail now: its canary canary.example.test was not written')],
    },
    says: { felt: /^local takes no writes$/, 'second way': /by spare$/, paged: /a failover by local would fail now/ },
  },
  {
    name: 'expire-certificate',
    options: { region: 'eu-west', within: '3s' },
    world: {
      during: (region) =>
        region === 'eu-west' ? { complaint: 'certificate has expired', silent: ['us-east', WITNESS] } : { silent: ['eu-west'] },
      later: [lost('eu-west', 'certificate has expired')],
    },
    says: { silent: /^2 of 3/, felt: /not taken this replica's beat for 20 s: certificate has expired/, paged: /lost-eu-west/ },
  },
  {
    name: 'silence-pager',
    options: { channel: 'pager' },
    world: {
      during: (region) => (region === 'us-east' ? { pager: 'connect ECONNREFUSED' } : {}),
      pages: [page('paging.channel_failing', 'us-east/a: channel pager has taken no page for 5 min: refused', { atMs: NOW_MS + 301_000 })],
    },
    says: { felt: /ECONNREFUSED/, told: /channel pager has taken no page/, delivered: /^1 pages, none waits for pager alone$/ },
  },
  {
    name: 'fill-etcd-quota',
    options: { within: '3s' },
    world: {
      during: () => ({ complaint: FULL, silent: REGIONS }),
      later: REGIONS.map((region) => lost(region, FULL)),
    },
    says: { felt: /database space exceeded/, paged: /^3 regions paged it$/ },
  },
];

const played = (name: string): Played => PLAYED.find((each) => each.name === name) ?? expect.fail(name);

test('every drill of the table is played here', () => {
  expect(PLAYED.map(({ name }) => name).toSorted()).toEqual(FAULT_DRILLS.map(({ name }) => name).toSorted());
  const mine = desk(null);
  drillList(mine.console);
  for (const { name } of PLAYED) expect(mine.out()).toContain(`\n${name} `);
});

test.each(PLAYED)('$name without --yes shows both commands and runs neither', async ({ name, world, options: given }) => {
  await using at = await playing(world);
  const mine = quick();
  expect(await run(name, options(at.urls, { ...given, yes: false }), mine.console), mine.out()).toBe(0);
  for (const text of [`inject:  touch ${flag}`, 'restore: rm ', 'must be seen', 'seed: ', 'add --yes', 'tidegate drill abort drill-'])
    expect(mine.out()).toContain(text);
  expect(readdirSync(folder)).toEqual([]);
  expect(at.written()).toEqual([]);
});

test.each(PLAYED)('$name is seen, taken back, and written down', async ({ name, world, options: given, says }) => {
  await using at = await playing(world);
  const mine = quick();
  expect(await run(name, options(at.urls, given), mine.console), `${mine.out()}${mine.err()}`).toBe(0);
  expect(restored()).toBe(1);
  expect(card()).toMatchObject({ drill: name, outcome: 'passed', goalMs: null, services: [], onCall: 'ana' });
  expect(card().phases.returned?.ms).not.toBeNull();
  for (const [phase, said] of Object.entries(says)) {
    expect(card().phases[phase]?.because, phase).toMatch(said);
    expect(card().phases[phase]).toMatchObject({ ms: expect.any(Number), expected: { source: 'seed' } });
  }
  const markdown = readFileSync(join(folder, `${card().id}.md`), 'utf8');
  expect(markdown).toMatch(new RegExp(`^# ${name}( .+)?: passed`));
  expect(files('.open')).toEqual([]);
  expect(at.written()).toEqual([]);
  const past = desk(null);
  drillHistory({ scorecards: folder }, { ...past.console, screen: () => ({ ...SCREEN, columns: 120 }) });
  expect(past.out()).toMatch(new RegExp(`2026-11-22 03:12 +${name}.* passed `));
});

test.each(PLAYED)('$name is missed when nothing shows it, and taken back all the same', async ({ name, options: given }) => {
  await using at = await playing({});
  const mine = quick();
  expect(await run(name, options(at.urls, { ...given, within: '50ms', timeout: '50ms' }), mine.console), mine.err()).toBe(5);
  expect(restored()).toBe(1);
  expect(card()).toMatchObject({ outcome: 'missed', because: expect.stringMatching(/(silent|felt) was not seen/) });
});

/** What happens beside the fault, in each drill. */
const BESIDE: readonly (readonly [what: string, status: (status: StatusDocument) => StatusDocument, because: RegExp])[] = [
  [
    'a route moves',
    (status) => ({ ...status, services: status.services.map((s) => ({ ...s, route: { 'eu-west': 0, 'us-east': 1000 } })) }),
    /the route of web\.example\.test moved/,
  ],
  ['an incident begins', (status) => ({ ...status, incidents: dying().incidents }), /incident inc-42-eu-west has begun/],
  [
    'a pool fails',
    (status) => ({
      ...status,
      services: status.services.map((s) => ({ ...s, pools: s.pools.map((p) => ({ ...p, verdict: 'out' as const })) })),
    }),
    /out/,
  ],
];

test.each(PLAYED.flatMap(({ name }) => BESIDE.map(([what, status, because]) => ({ name, what, status, because }))))(
  '$name is aborted when $what',
  async ({ name, status, because }) => {
    const { options: given, world } = played(name);
    await using at = await playing({ ...world, during: (region) => ({ ...world.during?.(region), status }) });
    expect(await run(name, options(at.urls, given), quick().console)).toBe(3);
    expect(restored()).toBe(1);
    expect(card()).toMatchObject({ outcome: 'aborted', because: expect.stringMatching(because) });
  },
);

test.each(['cut-witness', 'revoke-credential', 'expire-certificate', 'silence-pager'])(
  '%s is aborted when somebody else falls silent',
  async (name) => {
    const { options: given, world } = played(name);
    await using at = await playing({
      ...world,
      during: (region) => {
        const facts = world.during?.(region) ?? {};
        return { ...facts, silent: [...(facts.silent ?? []), 'us-east'] };
      },
    });
    expect(await run(name, options(at.urls, given), quick().console)).toBe(3);
    expect(restored()).toBe(1);
    expect(card().because).toContain('somebody else is silent: us-east');
  },
);

test('a fault that does not go away was not taken back: missed, with what is not as it was', async () => {
  await using at = await playing({ ...played('silence-pager').world, always: () => ({}) });
  const mine = quick();
  // The command says that it did; the file stays. A second word ends the wait of a quarter of an hour.
  const ran = run('silence-pager', options(at.urls, { channel: 'pager', restore: `echo restored >> ${flag}.restored` }), mine.console);
  await expect.poll(restored).toBe(1);
  const before = at.asked();
  await expect.poll(at.asked).toBeGreaterThan(before + 4 * REGIONS.length);
  mine.stop('SIGTERM');
  mine.stop('SIGTERM');
  expect(await ran).toBe(5);
  expect(card().because).toMatch(/not seen to be back as it was: felt: connect ECONNREFUSED/);
  expect(card().phases.returned?.ms).toBeNull();
});

test('what is seen later than expected is missed, and says by how much', async () => {
  await using at = await playing(played('cut-witness').world);
  expect(await run('cut-witness', options(at.urls, { region: WITNESS, within: '1ms' }), quick().console)).toBe(5);
  expect(card().because).toMatch(/^silent was seen after \d+ ms, and 1 ms were expected$/);
});

/** The command line itself, as a process of its own. */
const spawned = (urls: readonly string[]) => {
  const { inject = '', restore = '' } = options(urls);
  const args = ['drill', 'run', 'cut-witness', '--region', WITNESS, '--reason', 'the drill of this quarter', '--on-call', 'ana', '--yes'];
  const hooks = ['--inject', inject, '--restore', restore, '--scorecards', folder, ...urls.flatMap((url) => ['--endpoint', url])];
  const child = spawn(process.execPath, [MAIN, ...args, ...hooks], { stdio: ['ignore', 'pipe', 'pipe'] });
  // Nobody reads what it says.
  for (const stream of [child.stdout, child.stderr]) stream.destroy();
  return { child, ended: new Promise<number | null>((resolve) => child.once('exit', resolve)) };
};

test('a process that is told to end, and that nobody listens to any more, takes it back first', async () => {
  await using at = await playing({});
  const { child, ended } = spawned(at.urls);
  await expect.poll(() => existsSync(flag), { timeout: 20_000 }).toBe(true);
  child.kill('SIGTERM');
  expect(await ended).toBe(3);
  expect(restored()).toBe(1);
  expect(card()).toMatchObject({ outcome: 'aborted', because: 'SIGTERM ended it' });
  expect(files('.open')).toEqual([]);
});

test('a process that is killed leaves a note by which anybody takes it back', async () => {
  await using at = await playing({});
  const { child, ended } = spawned(at.urls);
  await expect.poll(() => existsSync(flag), { timeout: 20_000 }).toBe(true);
  child.kill('SIGKILL');
  await ended;
  const [note = ''] = files('.open');
  expect(statSync(join(folder, note)).mode & 0o777).toBe(0o600);
  const mine = quick();
  expect(await drillAbort(note.replace('.open', ''), { scorecards: folder, yes: true }, mine.console)).toBe(0);
  expect(restored()).toBe(1);
  expect(files('.open')).toEqual([]);
});

test.each(['SIGINT', 'SIGTERM', 'SIGHUP'])('%s while it stands takes it back', async (signal) => {
  await using at = await playing({});
  const mine = quick();
  const ran = run('cut-witness', options(at.urls, { region: WITNESS }), mine.console);
  await expect.poll(() => existsSync(flag)).toBe(true);
  mine.stop(signal);
  expect(await ran).toBe(3);
  expect(restored()).toBe(1);
  expect(card()).toMatchObject({ outcome: 'aborted', because: `${signal} ended it` });
  expect(mine.stops()).toBe(0);
});

test('a signal while the fault is being injected ends that command with all that it began', async () => {
  await using at = await playing({});
  const mine = quick();
  const inject = `touch ${flag}; (sleep 1; touch ${flag}.late) & sleep 60`;
  const ran = run('cut-witness', options(at.urls, { region: WITNESS, inject }), mine.console);
  await expect.poll(() => existsSync(flag)).toBe(true);
  mine.stop('SIGINT');
  expect(await ran).toBe(3);
  expect(restored()).toBe(1);
  expect(card().because).toBe('SIGINT ended it');
});

test.each<[string, Partial<DrillOptions>, RegExp]>([
  ['fails', { inject: `touch ${'FLAG'}; echo no rights >&2; exit 7` }, /--inject failed: it ended with exit code 7/],
  ['takes too long', { inject: `touch ${'FLAG'}; sleep 60`, hookTimeout: '300ms' }, /--inject failed: it took longer than 0\.3 s/],
  ['does not exist', { inject: `touch ${'FLAG'}; /nonexistent/hook` }, /--inject failed: it ended with exit code 127/],
])('when --inject %s, --restore is run', async (_what, given, because) => {
  await using at = await playing({});
  const mine = quick();
  const inject = given.inject?.replaceAll('FLAG', flag) ?? '';
  expect(await run('cut-witness', options(at.urls, { region: WITNESS, ...given, inject }), mine.console)).toBe(3);
  expect(restored()).toBe(1);
  expect(card()).toMatchObject({ outcome: 'aborted', because: expect.stringMatching(because) });
  if (inject.includes('no rights')) expect(mine.err()).toContain('inject says: no rights');
});

test('when --restore fails that is said first, nothing else begins, and drill abort takes it back', async () => {
  await using at = await playing(played('cut-witness').world);
  const mine = quick();
  const restore = `test -e ${flag}.mended && rm -f ${flag}`;
  const ran = run('cut-witness', options(at.urls, { region: WITNESS, restore }), mine.console);
  await expect.poll(() => mine.err()).toContain('restore failed');
  mine.stop('SIGINT');
  mine.stop('SIGINT');
  expect(await ran).toBe(3);
  expect(card()).toMatchObject({
    outcome: 'aborted',
    because: expect.stringMatching(/^--restore failed \(it ended with exit code 1\): .*drill abort/),
  });
  const { id } = card();
  expect(files('.open')).toEqual([`${id}.open`]);

  const look = { endpoint: [at.urls[0] ?? ''], scorecards: folder };
  expect(await drillStatus(look, mine.console)).toBe(0);
  expect(mine.out()).toContain(`${id}: injected`);
  await expect(drillAbort(id, { ...look, yes: true }, mine.console)).rejects.toThrow(/is not taken back: it ended with exit code 1/);
  writeFileSync(`${flag}.mended`, '');
  rmSync(flag);
  const again = quick();
  expect(await run('cut-witness', options(at.urls, { region: WITNESS }), again.console)).toBe(6);
  expect(again.out()).toContain(`NO   nothing unfinished: ${id} is not taken back`);
  expect(await drillAbort(id, { ...look, yes: true }, mine.console)).toBe(0);
  expect(existsSync(flag)).toBe(false);
  expect(files('.open')).toEqual([]);
});

test('drill abort from elsewhere ends the command that watches', async () => {
  await using at = await playing({});
  const mine = quick();
  const ran = run(
    'cut-witness',
    options(at.urls, { region: WITNESS, restore: `rm -f ${flag}; echo restored >> ${flag}.restored` }),
    mine.console,
  );
  await expect.poll(() => existsSync(flag)).toBe(true);
  const id = files('.open')[0]?.replace('.open', '') ?? expect.fail('nothing is noted');
  expect(await drillAbort(id, { endpoint: at.urls, scorecards: folder, yes: true }, quick().console)).toBe(0);
  expect(await ran).toBe(3);
  expect(card().because).toBe('tidegate drill abort took it back');
  expect(restored()).toBe(2);
});

test.each<[string, string, Partial<DrillOptions>, World, RegExp]>([
  ['nobody watches', 'cut-witness', { region: WITNESS, onCall: '' }, {}, /--on-call/],
  ['no command is given', 'cut-witness', { region: WITNESS, inject: '' }, {}, /--inject: expected a command/],
  ['the region serves users', 'cut-witness', { region: 'eu-west' }, {}, /NO +it serves nothing: web\.example\.test has a pool in eu-west/],
  ['it has no vote', 'cut-witness', { region: 'nowhere' }, {}, /NO +it votes: nowhere has no vote/],
  ['the provider has no canary', 'revoke-credential', { provider: 'other' }, {}, /NO +it would show: no canary of other/],
  [
    'the channel is unknown',
    'silence-pager',
    { channel: 'fax' },
    {},
    /NO +it is a channel: no channel is called fax; there are: log, pager, chat/,
  ],
  [
    'a vote is missing already',
    'expire-certificate',
    { region: 'eu-west' },
    { always: () => ({ silent: [WITNESS] }) },
    /NO +every vote is there: ap-south does not speak/,
  ],
  [
    'an endpoint does not answer',
    'silence-pager',
    { channel: 'pager' },
    { always: (region) => ({ gone: region === WITNESS }) },
    /NO +endpoints answer/,
  ],
  [
    'an incident is open',
    'fill-etcd-quota',
    {},
    { always: () => ({ status: (s) => ({ ...s, incidents: dying().incidents }) }) },
    /NO +no incident/,
  ],
  [
    'it would not page again yet',
    'expire-certificate',
    { region: 'eu-west' },
    { before: [page('store.resolved', 'eu-west/a: the store answers again after 20 s', { atMs: NOW_MS - 20_000 })] },
    /NO +it may page: eu-west took store\.lost back, and does not page it again for 40 s/,
  ],
  [
    'it is named by the wrong option',
    'cut-witness',
    { provider: 'local' },
    {},
    /--provider is not understood by cut-witness; cut-witness needs --region/,
  ],
])('when %s it does not begin', async (_what, name, given, world, says) => {
  await using at = await playing(world);
  const mine = quick();
  const ran = await run(name, options(at.urls, given), mine.console).catch((error: Error) => error.message);
  expect(ran === 6 ? mine.out() : ran).toMatch(says);
  expect(existsSync(flag)).toBe(false);
  expect(restored()).toBe(0);
  expect(files('.json')).toEqual([]);
});

test('that the log took the page wakes nobody: the pager was told of to no one', async () => {
  const { world } = played('silence-pager');
  const pages = (world.pages ?? []).map((each) => ({ ...each, delivered: ['log'] }));
  await using at = await playing({ ...world, pages });
  expect(await run('silence-pager', options(at.urls, { channel: 'pager', within: '50ms', timeout: '50ms' }), quick().console)).toBe(5);
  expect(card().because).toMatch(/told was not seen; delivered was not seen/);
});

test('the store is filled only where every region is asked', async () => {
  await using at = await playing(played('fill-etcd-quota').world);
  const mine = quick();
  expect(await run('fill-etcd-quota', options(at.urls.slice(0, 2)), mine.console)).toBe(6);
  expect(mine.out()).toContain('NO   everybody is asked: no endpoint of ap-south is asked');
});

test('without commands a dry run says what they have to do', async () => {
  await using at = await playing({});
  const mine = quick();
  const { inject: _inject, restore: _restore, ...bare } = options(at.urls, { region: WITNESS, yes: false });
  expect(await run('cut-witness', bare, mine.console)).toBe(6);
  expect(mine.out()).toMatch(/NO +hooks given: --inject CMD: a command that cuts it off/);
});

test('three drills of the like speak louder than the defaults', async () => {
  await using at = await playing(played('cut-witness').world);
  await run('cut-witness', options(at.urls, { region: WITNESS }), quick().console);
  const one = card();
  for (const n of [1, 2]) writeFileSync(join(folder, `drill-${n}.json`), JSON.stringify(one));
  const mine = quick();
  await run('cut-witness', options(at.urls, { region: WITNESS, yes: false }), mine.console);
  expect(mine.out()).toContain('measured: p95 of 3 drills');
});
