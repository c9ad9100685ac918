// Platforms and runs at a desk of our own, against the production API over fakes of what carries runs out: what is shown, asked, sent and said, with which
// exit code. What a human sees is held to the character: 80 columns, no colour, nothing of anybody else's that could move a cursor.
import { Command } from 'commander';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { addOperating } from '../../../src/cli/operating.ts';
import type { Shell } from '../../../src/cli/shell.ts';
import { answer, approve, type BeginOptions, failback, failover, platforms, run, runs, tell } from '../../../src/command/desk/runs.ts';
import { width } from '../../../src/command/desk/text.ts';
import type { Readiness } from '../../../src/runbook/facts.ts';
import type { Run } from '../../../src/runbook/model.ts';
import { cluster, NOW_MS, type Opened, openApi, principal, viewOf } from '../../api/fixture.ts';
import { DRAIN, FLIP, PLAN, platform, READY, run as runOf, SHIFT, stepped } from '../../api/runs.fixture.ts';
import { json, nobody, problem, endpoint as serverOf } from '../../client/servers.ts';
import { type Desk, desk } from './desk.fixture.ts';

let api: Opened;
let url: string;
let who: string;
beforeEach(async () => {
  who = 'ana';
  const identify = async () => principal(who, { role: 'approver' });
  api = openApi({ access: { identify }, view: viewOf({ cluster: () => ({ ...cluster, platforms: api.runs.platforms }) }) });
  url = await api.app.listen({ host: '127.0.0.1', port: 0 });
});
afterEach(() => api.close());

const exitBefore = process.exitCode;
afterEach(() => {
  process.exitCode = exitBefore ?? 0;
});

const golden = (name: string): string => `golden/${name}.txt`;
const expectScreen = async (text: string, name: string): Promise<void> => {
  await expect(text).toMatchFileSnapshot(golden(name));
  // Commands and ids have to be whole to be copied.
  for (const line of text.split('\n')) if (!line.includes('tidegate ')) expect(width(line), line).toBeLessThanOrEqual(80);
  expect(text).not.toContain('\u001b');
};

type Ran = Desk & { code: number | string };
const at = async (work: (console: Desk['console']) => Promise<number>, answers: readonly string[] | null = null): Promise<Ran> => {
  const sat = desk(answers);
  const code = await work(sat.console).catch((error: { code: string; message: string }) => `${error.code} ${error.message}`);
  return { ...sat, code };
};

const HOSTILE = '\u001b[2J\u202eetis\u2028日本語';
const READINESS: Readiness = {
  platform: 'shop',
  atMs: NOW_MS - 90_000,
  score: 62,
  lines: [
    { check: 'image-pullable', of: 'workers@us-east', is: 'unknown', weight: 'should', because: 'nobody was asked', fix: 'pull it once' },
    {
      check: 'regional-endpoint',
      of: 'workers@us-east',
      is: 'bad',
      weight: 'must',
      because: 'its workers are configured with the Namespace Endpoint, by which they would follow the namespace only when DNS does',
      fix: 'configure the Regional Endpoint of us-east in the fleet',
    },
    { check: 'forwarding-disabled', of: 'orders', is: 'good', weight: 'must', because: 'so it is', fix: '' },
  ],
};
const MOVED = {
  active: 'us-east',
  sinceAtMs: NOW_MS - 3 * 86_400_000,
  run: 'shop-failover-0b9d2e4f6a1c',
  because: 'ungraceful failover by shop-failover-0b9d2e4f6a1c',
  history: [
    { run: 'shop-drill-7a9d1c3e5f0b', purpose: 'drill', mode: 'graceful', tookMs: 48_200, steps: {}, atMs: NOW_MS - 40 * 86_400_000 },
    {
      run: 'shop-failover-0b9d2e4f6a1c',
      purpose: 'failover',
      mode: 'ungraceful',
      tookMs: 31_400,
      steps: {},
      atMs: NOW_MS - 3 * 86_400_000,
    },
  ],
  nonce: 'n',
} as const;
const ID = 'shop-failover-4f6a1c0b9d2e';
const asking = (given: Partial<Run> = {}): Run =>
  stepped(runOf(ID, given), {
    [FLIP]: {
      state: 'asking',
      because: 'two persons have to agree that namespace orders moves',
      approvedBy: ['ben'],
      askedUntilMs: NOW_MS + 840_000,
    },
  });
const half = (given: Partial<Run> = {}): Run =>
  stepped(runOf(ID, given), {
    [DRAIN]: { state: 'skipped', because: 'only of a graceful run' },
    [FLIP]: {
      state: 'done',
      because: 'orders is active in aws-us-east-1',
      approvedBy: ['ben', 'cat'],
      tries: 1,
      startedAtMs: NOW_MS - 30_000,
      endedAtMs: NOW_MS - 26_900,
    },
    [READY]: {
      state: 'asking',
      because: '1 of 2 ready after 60.0 s: ImagePullBackOff',
      tries: 3,
      startedAtMs: NOW_MS - 26_900,
      askedUntilMs: NOW_MS + 900_000,
    },
  });
const over = (given: Partial<Run> = {}): Run => ({
  ...stepped(half(), {
    [READY]: { state: 'done', because: '2 of 2 ready', endedAtMs: NOW_MS - 12_000 },
    [SHIFT]: { state: 'done', because: 'nothing goes to eu-west', startedAtMs: NOW_MS - 12_000, endedAtMs: NOW_MS - 11_000 },
  }),
  state: 'done',
  because: 'all that was planned is done',
  endedAtMs: NOW_MS - 11_000,
  ...given,
});

describe('what is shown', () => {
  test('platforms: where each is active, how ready, what moves it; what it asks with the command that answers', async () => {
    api.runs.records.set('shop', MOVED);
    api.runs.readiness.set('shop', READINESS);
    api.runs.platforms.push(platform('search', { model: 'active-active', regions: ['eu-west', 'us-east'], services: [] }));
    api.runs.readiness.set('search', { ...READINESS, score: 100, lines: [] });
    api.runs.runs.set(ID, asking());
    const ran = await at((console) => platforms(undefined, { endpoint: [url] }, console));
    expect(ran.code).toBe(0);
    await expectScreen(ran.out(), 'platforms');
  });

  test('one platform: what ails it, the gravest first, with what to do', async () => {
    api.runs.records.set('shop', MOVED);
    api.runs.readiness.set('shop', READINESS);
    await expectScreen((await at((console) => platforms('shop', { endpoint: [url] }, console))).out(), 'platform');
    api.runs.runs.set(ID, asking({ platform: 'ledger' }));
    await expectScreen((await at((console) => platforms('ledger', { endpoint: [url] }, console))).out(), 'platform-asked');
    expect((await at((console) => platforms('none', { endpoint: [url] }, console))).code).toMatch(/^ERR_NOT_FOUND/);
  });

  test('none, and no runs', async () => {
    api.runs.platforms.length = 0;
    expect((await at((console) => platforms(undefined, { endpoint: [url] }, console))).out()).toBe('no platform is configured\n');
    expect((await at((console) => runs({ endpoint: [url] }, console))).out()).toBe('nothing moves; --all shows what did\n');
    expect((await at((console) => runs({ endpoint: [url], all: true }, console))).out()).toBe('no run was ever made\n');
  });

  test('runs: their state, how long of what was estimated, what each asks', async () => {
    api.runs.runs.set(ID, half());
    const dropped = runOf('ledger-drill-1', { platform: 'ledger', purpose: 'drill', state: 'dropped', createdAtMs: NOW_MS - 7_200_000 });
    api.runs.runs.set('ledger-drill-1', dropped);
    const failed = { state: 'failed', createdAtMs: NOW_MS - 90_000_000, endedAtMs: NOW_MS - 89_000_000 } as const;
    api.runs.runs.set('old', runOf('old', { ...failed, startedAtMs: NOW_MS - 90_000_000 }));
    const all = await at((console) => runs({ endpoint: [url], all: true }, console));
    await expectScreen(all.out(), 'runs');
    const some = await at((console) => runs({ endpoint: [url], all: true, limit: '1' }, console));
    expect(some.out()).toContain('and 2 more; --limit 3\n');
    expect(JSON.parse((await at((console) => runs({ endpoint: [url], json: true }, console))).out())).toMatchObject({ total: 1 });
    for (const limit of ['0', '201', 'all'])
      expect((await at((console) => runs({ endpoint: [url], limit }, console))).code).toMatch(/^ERR_USAGE --limit/);
  });

  test.each<[string, Run]>([
    ['run-asking', asking()],
    ['run-question', half()],
    ['run-done', over()],
    [
      'run-proposed',
      runOf(ID, {
        state: 'proposed',
        cause: { kind: 'incident', incident: 'inc-42-eu-west', because: 'eu-west down: 3 of 4 vantages (needs 3), first fault 6.1 s ago' },
        because: 'eu-west has been down for 30.0 s',
        approval: { persons: 2, by: ['ben'], untilMs: NOW_MS + 600_000 },
        executor: null,
      }),
    ],
    [
      'run-stopped',
      { ...half(), state: 'stopping', because: 'nothing new begins', aborted: { by: 'cat', reason: 'the wrong platform', atMs: NOW_MS } },
    ],
  ])('a run: %s', async (name, shown) => {
    const { startedAtMs: _, ...unbegun } = shown;
    api.runs.runs.set(ID, shown.state === 'proposed' ? unbegun : shown);
    await expectScreen((await at((console) => run(ID, { endpoint: [url] }, console))).out(), name);
    const raw = JSON.parse((await at((console) => run(ID, { endpoint: [url], json: true }, console))).out());
    expect(raw).toMatchObject({ run: { id: ID, state: shown.state }, clusterTimeMs: NOW_MS });
  });

  test('nothing of what others wrote moves the cursor', async () => {
    const cause = { kind: 'order', by: `x${HOSTILE}`, reason: HOSTILE } as const;
    api.runs.runs.set(ID, { ...asking({ cause, because: HOSTILE }), platform: 'shop' });
    await expectScreen((await at((console) => run(ID, { endpoint: [url] }, console))).out(), 'run-hostile');
  });

  test('a watch goes on until the run has ended, and its exit code says how', async () => {
    api.runs.runs.set(ID, half());
    const reader = api.runs.reader.run;
    let looks = 0;
    api.runs.reader.run = async (id) => {
      if (++looks === 2) api.runs.runs.set(ID, over());
      return reader(id);
    };
    const watched = await at((console) => run(ID, { endpoint: [url], watch: true, every: '500ms' }, console));
    expect([watched.code, looks]).toEqual([0, 2]);
    expect(watched.out()).toMatch(/asks:[\s\S]*done: all that was planned is done/);
    api.runs.runs.set(ID, over({ state: 'failed' }));
    expect((await at((console) => run(ID, { endpoint: [url], watch: true, json: true }, console))).code).toBe(1);
    expect((await at((console) => run('none', { endpoint: [url], watch: true }, console))).code).toMatch(/^ERR_NOT_FOUND/);
  });
});

test('a step that is due and cannot begin says why; one whose turn has not come says nothing', async () => {
  const because = 'system ledger: /etc/tidegate/ledger.secret: other users can read it (mode 644), expected 600';
  api.runs.runs.set(ID, stepped(half(), { [READY]: { state: 'pending', because, startedAtMs: NOW_MS - 5_000 } }));
  const shown = (await at((console) => run(ID, { endpoint: [url] }, console))).out();
  expect(shown.replaceAll(/\s+/g, ' ')).toContain(because);
  expect(shown).not.toContain('not begun\n');
});

const REASON = 'eu-west has lost its power';
const moves = (options: Partial<BeginOptions>, answers: readonly string[] | null = null): Promise<Ran> =>
  at((console) => failover('shop', { endpoint: [url], reason: REASON, ...options }, console), answers);

describe('a failover', () => {
  test('shows its plan, what it takes, who has to agree and what cannot be taken back; a dry run writes nothing', async () => {
    const ran = await moves({ dryRun: true });
    expect(ran.code).toBe(0);
    await expectScreen(ran.out(), 'plan-graceful');
    api.runs.platforms[0] = platform('shop', { approvals: { start: 2, steps: {}, expireMs: 900_000 } });
    await expectScreen((await moves({ dryRun: true, ungraceful: true })).out(), 'plan-ungraceful');
    const raw = JSON.parse((await moves({ dryRun: true, json: true, ticket: 'OPS-1' })).out());
    expect(raw).toMatchObject({ outcome: 'planned', order: { mode: 'graceful', ticket: 'OPS-1' }, plan: { to: 'us-east' } });
    expect(api.runs.acts).toEqual([]);
  });

  test('begins only when the region that is left is typed; then where the plan said', async () => {
    for (const typed of ['y', 'yes', 'us-east', '']) {
      const ran = await moves({}, [typed]);
      expect(ran.code).toBe(2);
      expect(ran.asked).toEqual(['failover of shop to us-east, away from eu-west? Type eu-west to do it: ']);
      expect(ran.err()).toContain('nothing was written');
    }
    expect(api.runs.acts).toEqual([]);
    const ran = await moves({ ungraceful: true, to: 'ap-south', ticket: 'OPS-311' }, ['eu-west']);
    expect(ran.code).toBe(0);
    expect(ran.err()).toContain('! cannot be taken back: temporal.failover@orders');
    const [begun] = [...api.runs.runs.values()];
    expect(begun).toMatchObject({ mode: 'ungraceful', purpose: 'failover', to: 'ap-south', cause: { reason: REASON, ticket: 'OPS-311' } });
    expect(ran.out()).toBe(
      `the run ${begun?.id} has begun; how it goes:\n  tidegate run ${begun?.id} --watch\nundo: tidegate undo-run ${begun?.id} --reason WHY\n`,
    );
  });

  test('goes where its plan said or nowhere: what was moved while the human thought is not moved on', async () => {
    const begin = api.runs.writer.begin;
    api.runs.writer.begin = async (order, person) => {
      const begun = await begin(order, person);
      api.runs.records.set('shop', MOVED);
      return begun;
    };
    expect((await moves({ yes: true })).code).toMatch(/^ERR_BAD_REQUEST [\s\S]*active in us-east already/);
    expect(api.runs.acts).toEqual([]);
  });

  test('is what it was told: graceful unless said, a drill, forced after a while; a failback goes home', async () => {
    await moves({ yes: true, forceAfter: '10m' });
    expect([...api.runs.runs.values()]).toMatchObject([{ mode: 'graceful', purpose: 'failover', forceAfterMs: 600_000 }]);
    api.runs.runs.clear();
    await moves({ yes: true, drill: true });
    expect([...api.runs.runs.values()]).toMatchObject([{ purpose: 'drill' }]);
    api.runs.runs.clear();
    api.runs.records.set('shop', MOVED);
    const back = await at((console) => failback('shop', { endpoint: [url], reason: REASON, yes: true }, console));
    expect(back.code).toBe(0);
    expect([...api.runs.runs.values()]).toMatchObject([{ purpose: 'failback', to: 'eu-west', from: 'us-east' }]);
  });

  test.each<[string, Partial<BeginOptions>, readonly string[] | null, RegExp]>([
    ['without a terminal', {}, null, /^ERR_USAGE there is no terminal to ask at: add --yes/],
    ['with --json and no yes', { json: true }, ['eu-west'], /^ERR_USAGE --json asks nothing/],
    ['with both modes', { graceful: true, ungraceful: true, yes: true }, null, /^ERR_USAGE --graceful or --ungraceful/],
    ['with a reason that says nothing', { reason: 'so', yes: true }, null, /^ERR_USAGE --reason/],
    ['with a wait that is none', { wait: 'long', yes: true }, null, /^ERR_USAGE --wait long/],
    ['forced although it is ungraceful', { ungraceful: true, forceAfter: '1m', yes: true }, null, /^ERR_USAGE --force-after/],
    ['to a region that is none of its own', { to: 'mars', yes: true }, null, /^ERR_BAD_REQUEST [\s\S]*\/to: no region of shop/],
  ])('%s is refused before anything is written', async (_, options, answers, refusal) => {
    expect((await moves(options, answers)).code).toMatch(refusal);
    expect(api.runs.acts).toEqual([]);
  });

  test('while another run moves the platform is refused with what stands', async () => {
    api.runs.runs.set('r', runOf('r'));
    expect((await moves({ yes: true })).code).toMatch(/^ERR_CONFLICT r moves shop already/);
  });

  test('that takes two says that it waits, and for what', async () => {
    api.runs.platforms[0] = platform('shop', { approvals: { start: 2, steps: {}, expireMs: 900_000 } });
    const ran = await moves({ yes: true });
    const [{ id = '' } = {}] = [...api.runs.runs.values()];
    expect([ran.code, ran.out()]).toEqual([
      0,
      expect.stringContaining(`the run ${id} waits for a second person:\n  tidegate approve-run ${id}\n`),
    ]);
    api.runs.runs.clear();
    const raw = JSON.parse((await moves({ yes: true, json: true })).out());
    expect(raw).toMatchObject({ outcome: 'awaits-approval', waited: null, run: { state: 'proposed' } });
  });

  /** The run as it is at each look, the last one for good. */
  const going = (...states: readonly ((begun: Run) => Run)[]): void => {
    const reader = api.runs.reader.run;
    let look = 0;
    api.runs.reader.run = async (id) => {
      const found = await reader(id);
      const next = states[Math.min(look++, states.length - 1)];
      return next === undefined ? found : { ...found, run: next(found.run) };
    };
  };
  const like =
    (shown: Run) =>
    (begun: Run): Run => ({ ...shown, id: begun.id });

  test('that is waited for tells each step as it ends and each question once', async () => {
    // The first look is whether the key has begun it before.
    const reader = api.runs.writer.begin;
    api.runs.writer.begin = async (order, person) => {
      const begun = await reader(order, person);
      if (order.dryRun !== true) going(like(runOf(ID)), like(half()), like(half()), like(over()));
      return begun;
    };
    const ran = await moves({ yes: true, ungraceful: true, wait: true });
    const [{ id = '' } = {}] = [...api.runs.runs.values()];
    expect(ran.code).toBe(0);
    await expectScreen(ran.out().replaceAll(id, ID), 'run-followed');
  });

  test.each<[string, Partial<Run>, string | true, number]>([
    ['that fails', { state: 'failed', because: 'workers never became ready' }, true, 1],
    ['that was aborted', { state: 'aborted', because: 'stopped by cat' }, true, 1],
    ['that takes too long', { state: 'running' }, '20ms', 5],
  ])('%s while it is waited for ends so', async (_, given, wait, code) => {
    const begin = api.runs.writer.begin;
    api.runs.writer.begin = async (order, person) => {
      const begun = await begin(order, person);
      if (order.dryRun !== true) going(like(over(given)));
      return begun;
    };
    const text = await moves({ yes: true, wait });
    expect(text.code).toBe(code);
    if (code === 5) expect(text.err()).toMatch(/ERR_TIMEOUT the run shop-failover-\w+ goes on, but /);
    else expect(text.out()).toContain(`${given.state}: ${given.because}\n`);
    api.runs.runs.clear();
    const raw = await moves({ yes: true, wait, json: true });
    expect(raw.code).toBe(code);
    expect(JSON.parse(raw.out())).toMatchObject({ outcome: 'begun', waited: { done: code !== 5 }, run: { state: given.state } });
  });
});

describe('what humans say', () => {
  beforeEach(() => {
    api.runs.runs.set(ID, asking({ mode: 'graceful' }));
  });
  const agree = (options: { step?: string; yes?: boolean; json?: boolean; dryRun?: boolean }, answers: readonly string[] | null = null) =>
    at((console) => approve(ID, { endpoint: [url], ...options }, console), answers);

  test('an approval shows the run and what is agreed to, and asks; only yes is one', async () => {
    const no = await agree({}, ['n']);
    expect([no.code, no.asked, api.runs.acts]).toEqual([2, ['Do it? [y/N] '], []]);
    expect(no.err()).toContain(`agree to ${FLIP}, in ${ID}`);
    expect(no.err()).toContain('nothing was written');
    const yes = await agree({}, ['y']);
    expect([yes.code, api.runs.acts]).toEqual([0, [`approve ${ID} ${FLIP} by ana`]]);
    expect(yes.out()).toBe(`agreed; ${ID} is running: ordered by ana: eu-west has lost its power\n`);
  });

  test('of what several steps ask, one has to be named; of nothing it is refused', async () => {
    const plan = PLAN.map((each) => (each.id === READY ? { ...each, approvals: 1 as const } : each));
    api.runs.runs.set(ID, stepped(runOf(ID, { plan }), { [FLIP]: { state: 'asking' }, [READY]: { state: 'asking' } }));
    expect((await agree({ yes: true })).code).toMatch(/^ERR_USAGE several steps ask: add --step/);
    expect((await agree({ yes: true, step: READY })).code).toBe(0);
    api.runs.runs.set(ID, runOf(ID));
    expect((await agree({ yes: true })).code).toMatch(/^ERR_CONFLICT .* asks nobody to agree/);
    expect(api.runs.acts).toEqual([`approve ${ID} ${READY} by ana`]);
  });

  test('by the same person twice is refused, with 6', async () => {
    who = 'ben';
    expect((await agree({ yes: true })).code).toMatch(/^ERR_APPROVAL ben has agreed/);
  });

  test('an answer, a stop, an undo, a force: as they are said', async () => {
    api.runs.runs.set(ID, half({ mode: 'graceful' }));
    const common = { endpoint: [url], reason: REASON, yes: true };
    const answered = await at((console) => answer(ID, { ...common, step: READY, choice: 'skip' }, console));
    expect([answered.code, answered.out()]).toEqual([0, expect.stringMatching(/^answered; /)]);
    expect(answered.err()).toContain(`${READY} of ${ID}: go on without it`);
    for (const deed of ['force', 'abort', 'undo'] as const) expect((await at((console) => tell(deed, ID, common, console))).code).toBe(0);
    expect(api.runs.acts).toEqual([
      `answer ${ID} ${READY} skip by ana`,
      `force ${ID}: ${REASON} by ana`,
      `abort ${ID}: ${REASON} by ana`,
      `undo ${ID}: ${REASON} by ana`,
    ]);
    expect((await at((console) => answer(ID, { ...common, step: READY, choice: 'maybe' }, console))).code).toMatch(/^ERR_USAGE maybe/);
    expect((await at((console) => tell('abort', ID, { ...common, reason: 'so' }, console))).code).toMatch(/^ERR_USAGE --reason/);
  });

  test('an undo says what stays', async () => {
    api.runs.runs.set(ID, half());
    const ran = await at((console) => tell('undo', ID, { endpoint: [url], reason: REASON, dryRun: true }, console));
    expect(ran.out().replaceAll('\n', ' ')).toContain(`take back what can be, last first; not: ${FLIP}`);
    expect(api.runs.acts).toEqual([]);
  });

  test('--json is one object, and asks nothing', async () => {
    expect((await agree({ json: true }, ['y'])).code).toMatch(/^ERR_USAGE --json asks nothing/);
    expect(JSON.parse((await agree({ json: true, dryRun: true })).out())).toMatchObject({ outcome: 'planned', run: { id: ID } });
    const ran = await agree({ json: true, yes: true });
    expect(JSON.parse(ran.out())).toMatchObject({ outcome: 'told', run: { id: ID } });
    expect(ran.err()).toBe('');
  });

  test('is for what was seen: a run of which something was decided meanwhile is looked at again', async () => {
    const reader = api.runs.reader.run;
    api.runs.reader.run = async (id) => {
      const found = await reader(id);
      api.runs.runs.set(ID, half());
      return found;
    };
    expect((await agree({ yes: true })).code).toMatch(/^ERR_STALE/);
    expect(api.runs.acts).toEqual([]);
  });
});

describe('a reply that is lost', () => {
  test('is asked for again at the next endpoint with the same key; a 409 there is no proof that nothing was done', async () => {
    const keys: unknown[] = [];
    await using flaky = await serverOf(async (asked, reply) => {
      if (asked.method === 'GET' || asked.url.endsWith('dryRun=true')) {
        const { host: _, ...headers } = asked.headers;
        const passed = await api.app.inject({
          method: asked.method as 'GET',
          url: asked.url,
          headers: headers as Record<string, string>,
          ...(asked.body === null ? {} : { payload: asked.body as object }),
        });
        return json(reply, passed.statusCode, passed.json(), { etag: String(passed.headers.etag ?? '') });
      }
      keys.push(asked.headers['idempotency-key']);
      return void reply.destroy();
    });
    await using next = await serverOf((asked, reply) => {
      keys.push(asked.headers['idempotency-key']);
      problem(reply, 409, 'ERR_CONFLICT');
    });
    api.runs.runs.set(ID, half());
    const common = { reason: REASON, yes: true };
    const told = await at((console) => tell('abort', ID, { ...common, endpoint: [flaky.url, next.url] }, console));
    expect(told.code).toMatch(new RegExp(`^ERR_UNDECIDED .*tidegate run ${ID}`));
    expect(new Set(keys).size).toBe(1);
    keys.length = 0;
    api.runs.runs.clear();
    const silent = await nobody();
    const begun = await at((console) => failover('shop', { ...common, endpoint: [flaky.url, silent] }, console));
    expect(begun.code).toMatch(/^ERR_UNDECIDED .*tidegate runs/);
    expect([keys.length, new Set(keys).size]).toEqual([2, 1]);
  });
});

test('the command line knows them all, each with the options of its own', async () => {
  api.runs.runs.set(ID, asking({ mode: 'graceful' }));
  const go = async (...words: string[]): Promise<string> => {
    const sat = desk();
    const program = new Command('tidegate').exitOverride().configureOutput({ writeErr: () => undefined, writeOut: () => undefined });
    addOperating(program, { console: () => sat.console } as unknown as Shell);
    await program.parseAsync(['node', 'tidegate', ...words, '--endpoint', url]);
    return sat.out();
  };
  expect(JSON.parse(await go('platforms', '--json'))).toMatchObject({ items: [{ name: 'shop' }, { name: 'ledger' }] });
  expect(JSON.parse(await go('platforms', 'ledger', '--json'))).toMatchObject({ platform: { name: 'ledger' } });
  expect(JSON.parse(await go('runs', '--json', '--limit', '3'))).toMatchObject({ total: 1 });
  expect(JSON.parse(await go('run', ID, '--json'))).toMatchObject({ run: { id: ID } });
  await go('approve-run', ID, '--step', FLIP, '--yes');
  who = 'cat';
  api.runs.runs.set(ID, asking({ mode: 'graceful' }));
  await go('approve-run', ID, '--yes');
  api.runs.runs.set(ID, half({ mode: 'graceful' }));
  await go('answer', ID, READY, 'retry', '--reason', REASON, '--yes');
  api.runs.runs.set(ID, half({ mode: 'graceful' }));
  await go('answer', ID, READY, 'stop', '--reason', REASON, '--yes');
  await go('force', ID, '--reason', REASON, '--yes');
  await go('abort', ID, '--reason', REASON, '--yes');
  await go('undo-run', ID, '--reason', REASON, '--yes');
  api.runs.runs.clear();
  await go('failover', 'shop', '--to', 'ap-south', '--ungraceful', '--drill', '--reason', REASON, '--yes');
  expect(api.runs.acts.map((act) => act.split(' ')[0])).toEqual([
    'approve',
    'approve',
    'answer',
    'answer',
    'force',
    'abort',
    'undo',
    'begin',
  ]);
  expect([...api.runs.runs.values()]).toMatchObject([{ purpose: 'drill', mode: 'ungraceful', to: 'ap-south' }]);
  for (const words of [
    ['failover', 'shop'],
    ['abort', ID],
    ['answer', ID, READY, 'stop'],
  ])
    await expect(go(...words)).rejects.toMatchObject({ code: 'commander.missingMandatoryOptionValue' });
  await expect(go('answer', ID, READY, 'maybe', '--reason', REASON)).rejects.toMatchObject({ code: 'commander.invalidArgument' });
  await expect(go('answer', ID, READY, '--reason', REASON)).rejects.toMatchObject({ code: 'commander.missingArgument' });
  // One name for each act.
  await expect(go('run', 'abort', ID)).rejects.toMatchObject({ code: 'commander.excessArguments' });
});
