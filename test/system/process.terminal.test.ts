// The commands as a human has them: in a terminal, asked and answered, watched, and ended by ^C.
import { expect, test } from 'vitest';
import { type Answering, type Endpoint, endpoint, json } from '../client/servers.ts';
import { drain, healthy, overridden } from '../command/desk/fixture.ts';
import { FORECAST } from '../command/desk/forecast.fixture.ts';
import { inTerminal, type Shown, type Step } from './pty.ts';
import { MAIN } from './replica-process.ts';

const replica: Answering = ({ method, url, body }, reply) => {
  if (url === '/v1/status') return json(reply, 200, healthy());
  if (method === 'POST') return json(reply, 200, { override: body, forecast: FORECAST, refusals: [], notes: [], approval: 'not-needed' });
  return json(reply, 201, { override: { ...drain(), ...(body as object), id: url.split('/').at(-1) }, version: 10 });
};

const REASON = ['--reason', 'kernel upgrade of the whole region', '--owner', 'ana'];
const at = ({ url }: Endpoint, args: readonly string[], steps: readonly Step[], env: Record<string, string> = {}): Promise<Shown> =>
  inTerminal(
    [process.execPath, MAIN, ...args, '--endpoint', url],
    { PATH: process.env.PATH ?? '', HOME: '/nonexistent', TERM: 'xterm-256color', ...env },
    steps,
  );
const written = ({ asked }: Endpoint): number => asked.filter(({ method }) => method === 'PUT').length;
const CLEAR = '\u001b[H\u001b[2J';

test('a region is drained by typing its name; another name, or ^C at the question, writes nothing', { timeout: 180_000 }, async () => {
  await using server = await endpoint(replica);
  const asked = 'Type eu-west to do it: ';
  expect(await at(server, ['drain', 'eu-west', ...REASON], [{ wait: asked, keys: 'us-east\r' }])).toMatchObject({
    code: 2,
    text: expect.stringContaining('nothing was written'),
  });
  expect(await at(server, ['drain', 'eu-west', ...REASON], [{ wait: asked, keys: '\u0003' }])).toMatchObject({
    code: 130,
    text: expect.stringContaining('nothing was written'),
  });
  expect(written(server)).toBe(0);
  const done = await at(server, ['drain', 'eu-west', ...REASON], [{ wait: asked, keys: 'eu-west\r' }]);
  expect(done).toMatchObject({
    code: 0,
    text: expect.stringMatching(/the order drain-eu-west-\w+ stands until[\s\S]*undo: tidegate undrain/),
  });
  expect(written(server)).toBe(1);
});

test('^C while it waits ends with 130, and says that the order stands and how to undo it', { timeout: 120_000 }, async () => {
  await using server = await endpoint(replica);
  const ran = await at(
    server,
    ['drain', 'eu-west', ...REASON, '--yes', '--wait'],
    [{ wait: 'does not know of the order yet (', keys: '\u0003' }],
  );
  expect(ran).toMatchObject({ code: 130, text: expect.stringMatching(/stands; nobody waits for it any more; undo: tidegate undrain/) });
});

test('status --watch draws the screen again and again in 24 lines, until ^C', { timeout: 120_000 }, async () => {
  await using server = await endpoint((asked, reply) =>
    asked.url === '/v1/status' ? json(reply, 200, overridden()) : replica(asked, reply),
  );
  const ran = await at(
    server,
    ['status', '--watch', '--every', '500ms'],
    [
      { wait: 'PATH', keys: '' },
      { wait: 'PATH', keys: '' },
      { wait: 'PATH', keys: '\u0003' },
    ],
  );
  expect(ran.code).toBe(130);
  const screens = ran.text.split(CLEAR).slice(1);
  expect(screens.length).toBeGreaterThanOrEqual(3);
  for (const screen of screens) expect(screen.split('\r\n').length).toBeLessThanOrEqual(24);
});

test('colour in a terminal; none with NO_COLOR, --no-color or TERM=dumb, and the same words', { timeout: 180_000 }, async () => {
  await using server = await endpoint(replica);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: what colour is made of.
  const SGR = /\u001b\[\d+m/g;
  const coloured = await at(server, ['status'], []);
  expect(coloured.text).toMatch(SGR);
  for (const [args, env] of [
    [['status'], { NO_COLOR: '1' }],
    [['status', '--no-color'], {}],
    [['status'], { TERM: 'dumb' }],
  ] as const) {
    const plain = await at(server, args, [], env);
    expect(plain.text).not.toContain('\u001b');
    expect(plain.text).toBe(coloured.text.replaceAll(SGR, ''));
  }
});
