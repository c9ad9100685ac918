// The night at 03:12, as it is typed at real replicas: status, explain, what if, a drain looked at and then given, why, the way back; with the first endpoint
// dead throughout.
import { execFile, spawn } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, test } from 'vitest';
import { startCluster } from '../cluster.ts';
import { MAIN } from '../replica-process.ts';
import { freePort, workDir } from '../server.ts';
import { until } from '../until.ts';

interface Ran {
  code: number;
  out: string;
  err: string;
}

const run = (args: readonly string[], env: Record<string, string>, cwd = process.cwd()): Promise<Ran> =>
  new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [MAIN, ...args],
      { cwd, env: { ...process.env, HOME: '/nonexistent', ...env }, timeout: 90_000 },
      (error, out, err) => resolve({ code: typeof error?.code === 'number' ? error.code : error === null ? 0 : -1, out, err }),
    );
    child.stdin?.end();
  });

interface Told {
  id: string;
  type: string;
  data: { data: { because?: string } };
}

/** `tidegate events --json` of one endpoint, up to the event that is waited for. */
const eventsUntil = async (
  endpoint: string,
  sinceId: string,
  env: Record<string, string>,
  last: (event: Told) => boolean,
): Promise<Told[]> => {
  const args = ['events', '--json', '--since-id', sinceId, '--endpoint', endpoint];
  const child = spawn(process.execPath, [MAIN, ...args], { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    const told: Told[] = [];
    for await (const line of createInterface({ input: child.stdout })) {
      const event = JSON.parse(line) as Told;
      if (!event.type.startsWith('stream.')) told.push(event);
      if (last(event)) break;
    }
    return told;
  } finally {
    child.kill('SIGKILL');
  }
};

test('status, explain, drain --dry-run, drain, status, why, undrain; from another region when the first does not answer', {
  timeout: 240_000,
}, async () => {
  await using cluster = await startCluster({ webhookUrl: 'http://127.0.0.1:9/none' });
  const door = { url: `http://127.0.0.1:${cluster.doors.api['us-east']}` };
  const dead = `http://127.0.0.1:${await freePort()}`;
  const env = { TIDEGATE_ENDPOINTS: `${dead} ${door.url}`, TIDEGATE_TOKEN_FILE: join(cluster.folder, 'operator.token') };
  const tidegate = (...args: string[]): Promise<Ran> => run(args, env);

  // A busy machine makes vantages abstain for a moment, and says so.
  const healthy = await until('a status without a fault', async () => {
    const ran = await tidegate('status', '--check');
    return ran.code === 0 && ran.err.includes('answers') && ran;
  });
  expect(healthy.out).toMatch(/ok/);
  expect(healthy.err).toContain(`${door.url} answers`);
  expect(healthy.out.split('\n').length).toBeLessThanOrEqual(24);
  for (const line of healthy.out.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
  expect((await tidegate('explain', 'ap-south')).out).toContain('WHAT WOULD CHANGE IT');

  // Nobody to ask: it says what to add, before anything is asked of anybody.
  const unasked = await tidegate('drain', 'ap-south', '--reason', 'its disks are full of errors');
  expect(unasked).toMatchObject({ code: 2, out: '', err: expect.stringMatching(/--yes.*--dry-run/) });
  expect(await tidegate('drain', 'ap-south', '--reason', 'short', '--yes')).toMatchObject({
    code: 2,
    err: expect.stringContaining('at least 10'),
  });
  expect(await tidegate('drain', 'ap-suoth', '--reason', 'its disks are full of errors', '--yes')).toMatchObject({
    code: 2,
    err: expect.stringContaining('did you mean "ap-south"'),
  });

  const looked = await tidegate('drain', 'ap-south', '--reason', 'its disks are full of errors', '--dry-run');
  expect(looked).toMatchObject({ code: 0, out: expect.stringMatching(/ap-south 33%->0%[\s\S]*undo: tidegate undrain drain-ap-south-/) });
  expect(JSON.parse((await tidegate('override', 'list', '--json')).out)).toMatchObject({ items: [] });

  // A busy machine makes vantages abstain for a moment, and then nothing is foreseen.
  const supposed = await until('a forecast', async () => {
    const ran = await tidegate('simulate', '--region-down', 'ap-south');
    return ran.code === 0 && ran.out.includes('DECISIONS') && ran;
  });
  expect(supposed.out.replace(/\s+/g, ' ')).toMatch(/ap-south 33%->0%.*DECISIONS \+0s v\d+ ap-south down/);
  const surveyed = await until('a survey', async () => {
    const ran = await tidegate('matrix');
    return ran.out.match(/moves away/g)?.length === 3 && ran;
  });
  for (const line of surveyed.out.split('\n')) expect(line.length).toBeLessThanOrEqual(80);

  const drained = await tidegate(
    'drain',
    'ap-south',
    '--reason',
    'its disks are full of errors',
    '--ttl',
    '30m',
    '--owner',
    'ana',
    '--yes',
    '--wait',
    '--json',
  );
  expect(drained.code, drained.err).toBe(0);
  const order = JSON.parse(drained.out) as { outcome: string; override: { id: string }; waited: { done: boolean } };
  expect(order).toMatchObject({ outcome: 'ordered', waited: { done: true } });
  await cluster.untilServed('ap-south drained', (route) => route['ap-south'] === 0);

  const overridden = await tidegate('status', '--json');
  expect(JSON.parse(overridden.out)).toMatchObject({ overrides: { items: [{ id: order.override.id, owner: 'ana' }] } });
  const screen = (await tidegate('status')).out;
  expect(screen).toMatch(/1 order in force[\s\S]*ap-south\s+0%\s+\(of\s+33%\)/);
  expect(screen).toMatch(/drain ap-south\s+\d+m\s+✓ yes/);
  expect((await tidegate('override', 'list')).out.replace(/\s+/g, ' ')).toContain('its disks are full of errors');
  const decided = await until('a dossier with its trail', async () => {
    const ran = await tidegate('why');
    return /✓ (applied|settled)/.test(ran.out) && ran;
  });
  expect(decided.out.replace(/\s+/g, ' ')).toMatch(/because .*ana.*VANTAGE.*RULE SAID WHY.*WHAT WOULD HAVE CHANGED IT/);
  for (const line of decided.out.split('\n')) expect(line.length).toBeLessThanOrEqual(80);

  expect(await tidegate('undrain', 'eu-west', '--yes')).toMatchObject({ code: 1, err: expect.stringContaining(order.override.id) });
  const ended = await tidegate('undrain', 'ap-south', '--yes');
  expect(ended).toMatchObject({
    code: 0,
    out: expect.stringMatching(/has ended\nundo: tidegate drain ap-south --reason 'its disks are full of errors' --ttl/),
  });
  await cluster.untilServed('the return', (route) => (route['ap-south'] ?? 0) > 300);

  // What happened, as one replica tells it; and from its first event on, as another does.
  const isEnd = ({ type }: Told): boolean => type === 'override.deleted';
  const durable = (told: readonly Told[]): readonly string[] =>
    told.filter(({ type }) => type === 'decision.made' || type.startsWith('override.')).map(({ id, type }) => `${id} ${type}`);
  const told = await eventsUntil(door.url, 'v0.j0', env, isEnd);
  const drainedAt = told.findIndex(({ type }) => type === 'override.put');
  expect(drainedAt).toBeGreaterThan(0);
  const rest = await eventsUntil(`http://127.0.0.1:${cluster.doors.api['ap-south']}`, told[drainedAt]?.id ?? '', env, isEnd);
  expect(durable(rest)).toEqual(durable(told.slice(drainedAt + 1)));
  expect(await tidegate('events', '--since-id', 'yesterday')).toMatchObject({ code: 2, err: expect.stringContaining('v42.j7') });

  // Without the right to, nothing; and no secret in anything that was said.
  const refused = await run(['stop', '--all', '--reason', 'a test of what is refused', '--yes'], {
    ...env,
    TIDEGATE_TOKEN_FILE: join(cluster.folder, 'store.token'),
  });
  expect(refused).toMatchObject({ code: 1, err: expect.stringContaining('ERR_UNAUTHORIZED') });
  for (const { out, err } of [healthy, looked, drained, ended, refused]) expect(out + err).not.toContain(cluster.operatorToken);
  await cluster.expectSound();
});

test('nobody answers: each endpoint is named; a wrong setting is 78; help and completion ask nobody', { timeout: 60_000 }, async () => {
  const dead = `http://127.0.0.1:${await freePort()}`;
  expect(await run(['status', '--endpoint', dead], {})).toMatchObject({
    code: 1,
    out: '',
    err: expect.stringContaining(`${dead}: ECONNREFUSED`),
  });
  expect(await run(['status', '--endpoint', 'ftp://x'], {})).toMatchObject({ code: 78 });
  expect(await run(['status', '--token-file', '/nonexistent'], {})).toMatchObject({ code: 78 });
  expect(await run(['status', '--nonsense'], {})).toMatchObject({ code: 2 });
  const bash = await run(['completion', 'bash'], {});
  expect(bash.code).toBe(0);
  for (const word of ['undrain', '--break-glass', 'override approve', 'promote']) expect(bash.out).toContain(word);
});

test('where nothing at all is said, the token of the example for one machine is read, and it goes nowhere else', {
  timeout: 60_000,
}, async () => {
  const folder = workDir('desk-default');
  try {
    mkdirSync(join(folder, '.tidegate'));
    // Others can read it, so that whoever reads it says so.
    writeFileSync(join(folder, '.tidegate/operator.token'), 'not-a-secret-at-all\n', { mode: 0o644 });
    expect(await run(['status'], {}, folder)).toMatchObject({ code: 78, err: expect.stringContaining('.tidegate/operator.token') });
    const dead = `http://127.0.0.1:${await freePort()}`;
    expect(await run(['status', '--endpoint', dead], {}, folder)).toMatchObject({ code: 1, err: expect.stringContaining('ECONNREFUSED') });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
