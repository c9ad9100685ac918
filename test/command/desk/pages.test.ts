// The commands about pages at a desk of our own: what is shown, asked, sent, said, and with which exit code; and that the options of one are not another's.
import { Command } from 'commander';
import { afterEach, expect, test } from 'vitest';
import { addOperating } from '../../../src/cli/operating.ts';
import type { Shell } from '../../../src/cli/shell.ts';
import type { PageItem } from '../../../src/client/types.ts';
import { acknowledge, pages, type ReplayOptions, replay } from '../../../src/command/desk/pages.ts';
import { type Answering, type Endpoint, endpoint, json, problem } from '../../client/servers.ts';
import { desk } from './desk.fixture.ts';

const NOW_MS = 1_795_316_400_000;
const item = (id: string, given: Partial<PageItem> = {}): PageItem => ({
  id,
  dedupKey: 'tidegate/test/eu-west',
  type: 'region.drained',
  action: 'trigger',
  severity: 'critical',
  headline: `eu-west down [${id}]`,
  atMs: NOW_MS - 90_000,
  v: 7,
  state: 'waiting',
  thread: 'firing',
  delivered: [],
  dead: {},
  acknowledged: null,
  notBeforeMs: null,
  ...given,
});
const DEAD = { oncall: { because: 'answered 401', atMs: 1, tries: 1 }, chat: { because: 'given up', atMs: 1, tries: 12 } };
const dead = (given: Partial<PageItem> = {}): PageItem =>
  item('7-dead', { state: 'dead', delivered: ['log', 'mail'], dead: DEAD, ...given });

const replica =
  (items: readonly PageItem[], post?: Answering): Answering =>
  (asked, reply) => {
    if (asked.method === 'GET') return json(reply, 200, { items, total: items.length, clusterTimeMs: NOW_MS });
    if (post !== undefined) return post(asked, reply);
    const body = (asked.body ?? {}) as { channels?: string[]; owner?: string };
    if (asked.url.endsWith('/acknowledge'))
      return json(reply, 200, { dedupKey: 'tidegate/test/eu-west', by: body.owner, atMs: NOW_MS, pages: ['7-dead'] });
    return json(reply, 200, { page: items[0], channels: body.channels ?? ['oncall', 'chat'], end: null });
  };
const written = ({ asked }: Endpoint) => asked.filter(({ method }) => method === 'POST');

/** No line of a screen has room for it beside anything else, and it has to be copied whole. */
const LONG = `9-override_break_glass-${'x'.repeat(70)}`;

test('the table says state, severity, age, page, who has it and why not; what others wrote moves no cursor', async () => {
  const items = [
    item(LONG, { severity: 'warning', atMs: NOW_MS - 4_000 }),
    dead({ acknowledged: { by: 'ana\u001b[2J', atMs: 1 } }),
    item('6-told', { state: 'told', delivered: ['log'], atMs: NOW_MS - 7_200_000 }),
  ];
  await using server = await endpoint(replica(items));
  const at = desk();
  expect(await pages({ endpoint: [server.url], state: 'all', limit: '3' }, at.console)).toBe(0);
  expect(server.asked.map(({ url }) => url)).toEqual(['/v1/pages?state=all&limit=3']);
  expect(at.out().trimEnd().split('\n')).toEqual([
    expect.stringMatching(/^STATE +SEVERITY +AGE +WHO HAS IT +PAGE$/),
    expect.stringMatching(/^! waiting +warning +4s +nobody +eu-west down/),
    `  ${LONG}`,
    expect.stringMatching(/^✗ dead +critical +90s +ana\\u001b\[2J; log, mail +eu-west down \[7-dead\]$/),
    '  7-dead',
    '  never reached oncall: answered 401 (1 try); chat: given up (12 tries)',
    expect.stringMatching(/^✓ told +critical +2h +log +eu-west down \[6-told\]$/),
    '  6-told',
  ]);
  expect(at.out()).not.toContain('\u001b');
});

test('nothing to show is said, what was left out too, and --json is the answer itself', async () => {
  await using empty = await endpoint(replica([]));
  for (const [state, said] of [
    [undefined, 'no page waits, and none is dead\n'],
    ['open', 'no pages\n'],
  ] as const) {
    const at = desk();
    await pages({ endpoint: [empty.url], ...(state === undefined ? {} : { state }) }, at.console);
    expect(at.out()).toBe(said);
  }
  expect(empty.asked.map(({ url }) => url)).toEqual(['/v1/pages?limit=100', '/v1/pages?state=open&limit=100']);
  await using more = await endpoint((_asked, reply) => json(reply, 200, { items: [item('a')], total: 3, clusterTimeMs: NOW_MS }));
  const [at, raw] = [desk(), desk()];
  await pages({ endpoint: [more.url], limit: '1' }, at.console);
  expect(at.out()).toContain('and 2 more; --limit 3\n');
  await pages({ endpoint: [more.url], json: true }, raw.console);
  expect(JSON.parse(raw.out())).toEqual({ items: [item('a')], total: 3, clusterTimeMs: NOW_MS });
});

test('a limit that is none is a mistake of usage, and nobody is asked', async () => {
  await using server = await endpoint(replica([]));
  for (const limit of ['0', '501', 'all'])
    await expect(pages({ endpoint: [server.url], limit }, desk().console)).rejects.toMatchObject({ code: 'ERR_USAGE' });
  expect(server.asked).toEqual([]);
});

const OPTIONS = { reason: 'the routing key was replaced', owner: 'ana' };
const replayed = async (page: PageItem, options: Partial<ReplayOptions>, answers: readonly string[] | null, post?: Answering) => {
  await using server = await endpoint(replica([page], post));
  const at = desk(answers);
  const code = await replay('7-dead', { ...OPTIONS, endpoint: [server.url], ...options }, at.console).catch(
    (error: { code: string; message: string }) => `${error.code} ${error.message}`,
  );
  return { code, sent: written(server), all: server.asked, ...at };
};

test('a replay is shown and asked about; only yes sends it, with the reason and whose wish it is', async () => {
  const no = await replayed(dead(), {}, ['n']);
  expect([no.code, no.sent, no.asked]).toEqual([2, [], ['Send 7-dead again? [y/N] ']]);
  expect(no.err()).toContain('nothing was written');
  const yes = await replayed(dead(), {}, ['y']);
  expect(yes.code).toBe(0);
  expect(yes.err()).toContain('again through oncall (answered 401), chat (given up): eu-west down [7-dead]');
  expect(yes.sent).toMatchObject([{ url: '/v1/pages/7-dead/replay', body: OPTIONS }]);
  expect(yes.out()).toBe('7-dead goes again through oncall, chat; tidegate pages shows how it fares\n');
});

test('channels that are named are sent; an end that follows is told before and after', async () => {
  const post: Answering = (_asked, reply) => json(reply, 200, { page: dead(), channels: ['mail'], end: '8-end' });
  const ran = await replayed(dead({ thread: 'resolved' }), { channel: ['mail'], yes: true }, null, post);
  expect(ran.sent[0]?.body).toEqual({ ...OPTIONS, channels: ['mail'] });
  expect(ran.err()).toContain('mail (it took it)');
  expect(ran.err()).toContain('! its alert is over');
  expect(ran.out()).toContain('goes again through mail; 8-end follows it');
});

test('a dry run writes nothing; with --json it is an object', async () => {
  const text = await replayed(dead(), { dryRun: true }, null);
  expect([text.code, text.sent]).toEqual([0, []]);
  expect(text.out()).toContain('again through oncall');
  const object = await replayed(dead(), { dryRun: true, json: true }, null);
  expect(JSON.parse(object.out())).toMatchObject({ outcome: 'planned', channels: ['oncall', 'chat'], page: { id: '7-dead' } });
  const done = await replayed(dead(), { yes: true, json: true }, null);
  expect(JSON.parse(done.out())).toMatchObject({ outcome: 'replayed', channels: ['oncall', 'chat'] });
  expect(done.err()).toBe('');
});

test('without a terminal, a reason, a page or a dead letter nothing is sent, and it is said why', async () => {
  expect((await replayed(dead(), {}, null)).code).toMatch(/^ERR_USAGE there is no terminal/);
  expect((await replayed(dead(), { json: true }, ['y'])).code).toMatch(/^ERR_USAGE --json asks nothing/);
  const short = await replayed(dead(), { reason: 'so', yes: true }, null);
  expect([short.code, short.all]).toEqual([expect.stringMatching(/^ERR_USAGE --reason/), []]);
  const none = await replayed(item('7-dead', { state: 'told' }), { yes: true }, null);
  expect([none.code, none.sent]).toEqual([expect.stringMatching(/^ERR_CONFLICT no channel has refused/), []]);
  const missing = await replayed(item('other'), { yes: true }, null);
  expect([missing.code, missing.sent]).toEqual([expect.stringMatching(/^ERR_NOT_FOUND no page is called "7-dead"/), []]);
  expect(missing.all.map(({ url }) => url)).toEqual(['/v1/pages?state=all&limit=500', '/v1/pages?state=dead&limit=500']);
});

test('what the server refuses ends the command; after an endpoint that broke off it is not called done', async () => {
  const refused = await replayed(dead(), { yes: true }, null, (_asked, reply) => problem(reply, 403, 'ERR_FORBIDDEN'));
  expect(refused.code).toMatch(/^ERR_FORBIDDEN/);
  await using broken = await endpoint((asked, reply) => (asked.method === 'GET' ? problem(reply, 500, 'ERR_INTERNAL') : reply.destroy()));
  await using next = await endpoint(replica([dead()], (_asked, reply) => problem(reply, 409, 'ERR_CONFLICT')));
  const asking = replay('7-dead', { ...OPTIONS, endpoint: [next.url, broken.url], yes: true }, desk().console);
  await expect(asking).rejects.toMatchObject({ code: 'ERR_CONFLICT' });
  await using flaky = await endpoint((asked, reply) => {
    if (asked.method === 'POST') reply.destroy();
    else json(reply, 200, { items: [dead()], total: 1, clusterTimeMs: NOW_MS });
  });
  const doubtful = replay('7-dead', { ...OPTIONS, endpoint: [flaky.url, next.url], yes: true }, desk().console);
  await expect(doubtful).rejects.toMatchObject({ code: 'ERR_UNDECIDED', message: expect.stringContaining('tidegate pages') });
});

test('an acknowledgement asks nothing, and says whose it is', async () => {
  await using server = await endpoint(replica([dead()]));
  const at = desk();
  expect(await acknowledge('7-dead', { endpoint: [server.url], owner: 'ana', reason: 'I am at it' }, at.console)).toBe(0);
  expect(written(server)).toMatchObject([{ url: '/v1/pages/7-dead/acknowledge', body: { owner: 'ana', reason: 'I am at it' } }]);
  expect(at.out()).toBe('ana has tidegate/test/eu-west: nobody else is woken for it\n');
  await using had = await endpoint((_asked, reply) => json(reply, 200, { dedupKey: 'k', by: 'bob', atMs: 1, pages: [] }));
  const [text, object] = [desk(), desk()];
  await acknowledge('x', { endpoint: [had.url], owner: 'ana' }, text.console);
  expect(text.out()).toBe('bob has k already\n');
  await acknowledge('x', { endpoint: [had.url], owner: 'ana', json: true }, object.console);
  expect(JSON.parse(object.out())).toEqual({ outcome: 'already', dedupKey: 'k', by: 'bob', atMs: 1, pages: [] });
});

const exitBefore = process.exitCode;
afterEach(() => {
  process.exitCode = exitBefore ?? 0;
});

test('the command line keeps the options of pages, pages replay and pages ack apart', async () => {
  await using server = await endpoint(replica([dead()]));
  const run = async (...words: string[]): Promise<string> => {
    const at = desk();
    const program = new Command('tidegate').exitOverride().configureOutput({ writeErr: () => undefined });
    addOperating(program, { console: () => at.console } as unknown as Shell);
    await program.parseAsync(['node', 'tidegate', ...words, '--endpoint', server.url]);
    return at.out();
  };
  expect(JSON.parse(await run('pages', '--state', 'dead', '--json'))).toMatchObject({ total: 1 });
  expect(server.asked.at(-1)?.url).toBe('/v1/pages?state=dead&limit=100');
  const ran = await run(
    'pages',
    'replay',
    '7-dead',
    '--channel',
    'mail',
    '--channel',
    'chat',
    '--reason',
    OPTIONS.reason,
    '--yes',
    '--json',
  );
  expect(JSON.parse(ran)).toMatchObject({ outcome: 'replayed', channels: ['mail', 'chat'] });
  expect(JSON.parse(await run('pages', 'ack', '7-dead', '--owner', 'ana', '--json'))).toMatchObject({ outcome: 'acknowledged', by: 'ana' });
  await expect(run('pages', 'replay', '7-dead')).rejects.toMatchObject({ code: 'commander.missingMandatoryOptionValue' });
  await expect(run('pages', '--state', 'lost')).rejects.toMatchObject({ code: 'commander.invalidArgument' });
});
