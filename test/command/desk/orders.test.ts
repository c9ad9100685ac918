// Giving and ending orders at a desk of our own: what is asked, what is written, what is said, and with which exit code.
import { expect, test } from 'vitest';
import type { Forecast, StatusDocument } from '../../../src/client/types.ts';
import { end, type OrderOptions, order, pin } from '../../../src/command/desk/orders.ts';
import { type Answering, type Endpoint, endpoint, json, problem } from '../../client/servers.ts';
import { type Desk, desk } from './desk.fixture.ts';
import { drain, healthy, overridden } from './fixture.ts';
import { FORECAST, REFUSED } from './forecast.fixture.ts';

interface Given {
  status?: StatusDocument;
  preview?: 'forecast' | 'refused' | 'old';
  /** Instead of what `preview` says, and under which id the server supposes it. */
  forecast?: Forecast;
  supposed?: string;
  /** Statuses from the order on. */
  after?: StatusDocument;
  put?: Answering;
}

const replica = ({ status = healthy(), preview = 'forecast', forecast, supposed, after, put }: Given): Answering => {
  let acted = false;
  return (asked, reply) => {
    const { method, url, body } = asked;
    if (url === '/v1/status') return json(reply, 200, acted && after !== undefined ? after : status);
    if (url === '/v1/overrides') return json(reply, 200, { version: 9, items: status.overrides.items });
    if (method === 'POST' && preview === 'old') return problem(reply, 405, 'ERR_METHOD');
    if (url === '/v1/simulate') return json(reply, 200, FORECAST);
    if (method === 'POST')
      return json(reply, 200, {
        override: { ...(body as object), id: supposed },
        forecast: forecast ?? (preview === 'refused' ? REFUSED : FORECAST),
      });
    acted = true;
    if (put !== undefined) return put(asked, reply);
    const override = method === 'DELETE' ? status.overrides.items[0] : { ...drain(), ...(body as object), id: url.split('/').at(-1) };
    return json(reply, 200, { override, version: 10 });
  };
};

const OPTIONS = { reason: 'kernel upgrade of the whole region', owner: 'ana' };
const written = ({ asked }: Endpoint): readonly string[] =>
  asked.filter(({ method, url }) => ['PUT', 'DELETE'].includes(method) || url.endsWith('/approve')).map(({ method }) => method);
const drainEuWest = async (given: Given, options: Partial<OrderOptions>, answers: readonly string[] | null) => {
  await using server = await endpoint(replica(given));
  const at = desk(answers);
  const code = await order('drain', 'eu-west', { ...OPTIONS, endpoint: [server.url], ...options }, at.console).catch(
    (error: { code: string; message: string }) => `${error.code} ${error.message}`,
  );
  return { code, written: written(server), sent: server.asked.find(({ method }) => method === 'PUT')?.body, ...at };
};

test('a region is drained only when its name is typed: y, another name, or nothing writes nothing', async () => {
  for (const answer of ['y', 'yes', 'us-east', '']) {
    const ran = await drainEuWest({}, {}, [answer]);
    expect(ran).toMatchObject({ code: 2, written: [] });
    expect(ran.asked).toEqual(['drain eu-west? Type eu-west to do it: ']);
    expect(ran.err()).toContain('nothing was written');
  }
  const ran = await drainEuWest({}, {}, ['eu-west']);
  expect(ran).toMatchObject({ code: 0, written: ['PUT'], sent: { kind: 'drain', scope: { region: 'eu-west' }, ...OPTIONS } });
  expect(ran.err()).toMatch(/eu-west 33%->0%[\s\S]*undo: tidegate undrain drain-eu-west-[0-9a-f]{6}/);
  expect(ran.out()).toMatch(/^the order drain-eu-west-[0-9a-f]{6} stands until/);
});

test('without a terminal, or with --json, it says what to add before it asks anybody anything', async () => {
  for (const [options, answers] of [
    [{}, null],
    [{ json: true }, ['eu-west']],
  ] as const) {
    const ran = await drainEuWest({}, options, answers);
    expect(ran).toMatchObject({ code: expect.stringMatching(/^ERR_USAGE .*--yes.*--dry-run/), written: [], asked: [] });
  }
  expect(await drainEuWest({}, { yes: true }, null)).toMatchObject({ code: 0, written: ['PUT'] });
});

test('--dry-run writes nothing; 6 when a rule would refuse it, unless the glass is broken; all of it in one object', async () => {
  const planned = await drainEuWest({}, { dryRun: true }, null);
  expect(planned).toMatchObject({ code: 0, written: [] });
  expect(planned.out()).toContain('written as decided by local');
  const refused = await drainEuWest({ preview: 'refused' }, { dryRun: true, json: true }, null);
  expect(refused).toMatchObject({ code: 6, written: [] });
  expect(JSON.parse(refused.out())).toMatchObject({ outcome: 'refused', forecast: { refusals: [{ rule: 'capacity' }] } });
  expect(await drainEuWest({ preview: 'refused' }, { dryRun: true, breakGlass: true }, null)).toMatchObject({ code: 0 });
});

test('a preview names the order as it will be called, not as the server called its supposition', async () => {
  const supposed = 'drain-eu-west-0123456789ab';
  const pages = [{ severity: 'warning' as const, type: 'override.unobeyed', summary: `the drain is not obeyed (${supposed})` }];
  const refusals = REFUSED.refusals.map((each) => ({ ...each, because: `${each.because} (${supposed})` }));
  const ran = await drainEuWest(
    { forecast: { ...REFUSED, refusals, pages, notes: [`${supposed} ends later`] }, supposed },
    { dryRun: true, id: 'drain-mine' },
    null,
  );
  expect(ran.out()).toContain('not obeyed (drain-mine)');
  expect(ran.out()).toContain('drain-mine ends later');
  expect(ran.out()).not.toContain(supposed);
});

test('an endpoint that cannot say what would happen: a dry run fails, the order itself is still possible, with that said', async () => {
  expect(await drainEuWest({ preview: 'old' }, { dryRun: true }, null)).toMatchObject({
    code: expect.stringContaining('ERR_NOT_FOUND'),
    written: [],
  });
  const ran = await drainEuWest({ preview: 'old' }, {}, ['eu-west']);
  expect(ran).toMatchObject({ code: 0, written: ['PUT'] });
  expect(ran.err()).toContain('cannot say what it would do');
});

test('--wait ends when it is decided and written, or with 5 and what is still missing; a second yes that is missing is said', async () => {
  const id = 'drain-eu-west-4f2a1c';
  const done = await drainEuWest({ after: overridden() }, { yes: true, wait: true, id, json: true }, null);
  expect(done).toMatchObject({ code: 0 });
  expect(JSON.parse(done.out())).toMatchObject({ outcome: 'ordered', waited: { done: true, because: 'decided and written' } });
  const late = await drainEuWest({}, { yes: true, wait: true, id, timeout: '20ms' }, null);
  expect(late).toMatchObject({ code: 5 });
  expect(late.err()).toMatch(/ERR_TIMEOUT the order drain-eu-west-4f2a1c stands, but .*does not know of the order yet/);
  const awaits = await drainEuWest(
    { after: overridden({ approval: { by: null, atMs: null } }) },
    { yes: true, wait: true, id, timeout: '20ms' },
    null,
  );
  expect(awaits.err()).toContain(`tidegate override approve ${id}`);
});

test('what the server refuses ends it with the code of its problem: 6 by a rule, 77 without the right, 4 stale', async () => {
  for (const [status, code] of [
    [409, 'ERR_REFUSED'],
    [403, 'ERR_FORBIDDEN'],
  ] as const)
    expect(await drainEuWest({ put: (_asked, reply) => problem(reply, status, code) }, { yes: true }, null)).toMatchObject({
      code: expect.stringContaining(code),
    });
});

test.each<[string, Partial<OrderOptions>]>([
  ['--reason', { reason: 'short' }],
  ['--ttl', { ttl: 'soon' }],
  ['--start', { start: 'tomorrow' }],
  ['--timeout', { timeout: '5' }],
  ['--id', { id: 'not an id!' }],
])('%s that says nothing is a mistake of usage', async (option, options) => {
  const ran = await drainEuWest({}, { yes: true, ...options }, null);
  expect(ran.code).toMatch(/^ERR_USAGE/);
  expect(ran.code).toContain(option);
  expect(ran.written).toEqual([]);
});

test('a pin takes percent that are 100 together, of pools that there are', async () => {
  await using server = await endpoint(replica({}));
  const pinned = (...shares: string[]) =>
    pin('web.example.test', shares, { ...OPTIONS, endpoint: [server.url], yes: true }, desk(null).console);
  await expect(pinned('eu-west=50', 'us-east=40')).rejects.toMatchObject({
    code: 'ERR_USAGE',
    message: expect.stringContaining('90 percent'),
  });
  await expect(pinned('eu-wset=100')).rejects.toMatchObject({ code: 'ERR_USAGE' });
  expect(await pinned('eu-west=62.5%', 'us-east=37.5')).toBe(0);
  expect(server.asked.at(-1)?.body).toMatchObject({
    kind: 'pin',
    scope: { service: 'web.example.test' },
    weights: { 'eu-west': 625, 'us-east': 375 },
  });
});

test('an end is meant by id or by what it is about, is asked for, and tells how to give the order again', async () => {
  await using server = await endpoint(replica({ status: overridden() }));
  const undrain = (named: string, at: Desk) => end(['drain', 'evacuate'], named, { endpoint: [server.url] }, at.console);
  const no = desk(['n']);
  expect(await undrain('eu-west', no)).toBe(2);
  expect(written(server)).toEqual([]);
  const yes = desk(['y']);
  expect(await undrain('eu-west', yes)).toBe(0);
  expect(written(server)).toEqual(['DELETE']);
  expect(yes.out()).toContain("undo: tidegate drain eu-west --reason 'kernel upgrade of the whole region' --ttl 12600s --ticket OPS-1234");
  await expect(end(['freeze'], 'drain-eu-west-4f2a1c', { endpoint: [server.url] }, desk(['y']).console)).rejects.toMatchObject({
    code: 'ERR_USAGE',
  });
  await expect(undrain('us-east', desk(['y']))).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' });
});
