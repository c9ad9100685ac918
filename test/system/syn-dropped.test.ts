// A target whose host drops SYNs without a word: the commonest death of a region. In a network namespace of its own, dropped at the receiver's input
// (a drop in the sender's own output hook is reported to it at once, which is another story). Needs root, `ip` and `nft`.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ProbeSpec } from '../../src/model.ts';
import { lookAt } from '../probe/origin.ts';

const id = process.pid % 10_000;
const space = `tgsyn${id}`;
const near = `tga${id}`;
const subnet = `10.213.${id % 250}`;
const address = `${subnet}.2`;
const PORT = 8080;

const run = (command: string, ...args: string[]): string => execFileSync(command, args, { stdio: 'pipe', encoding: 'utf8' });
const ip = (...args: string[]): string => run('ip', ...args);
const inside = (...args: string[]): string => run('ip', 'netns', 'exec', space, ...args);
const firewall = (verdict: 'drop' | 'reject with tcp reset'): void => {
  inside('nft', `table inet story { chain arriving { type filter hook input priority 0; tcp dport ${PORT} ${verdict}; }; }`);
};
const noFirewall = (): string => inside('nft', 'flush ruleset');

const SERVER = `require('node:net').createServer((socket) => {
  socket.on('error', () => {});
  socket.once('data', () => socket.write('HTTP/1.1 200 OK\\r\\ncontent-length: 0\\r\\n\\r\\n'));
}).listen(${PORT}, () => console.log('ready'));`;

const isRoot = process.getuid?.() === 0;
let server: ChildProcess | undefined;

beforeAll(async () => {
  if (!isRoot) return;
  ip('netns', 'add', space);
  ip('link', 'add', near, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', space);
  ip('addr', 'add', `${subnet}.1/30`, 'dev', near);
  ip('link', 'set', near, 'up');
  ip('-n', space, 'addr', 'add', `${address}/30`, 'dev', 'eth0');
  ip('-n', space, 'link', 'set', 'eth0', 'up');
  ip('-n', space, 'link', 'set', 'lo', 'up');
  server = spawn('ip', ['netns', 'exec', space, process.execPath, '-e', SERVER], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(server.stdout as NodeJS.ReadableStream, 'data');
});

afterAll(async () => {
  if (!isRoot) return;
  if (server !== undefined && server.exitCode === null) {
    const gone = once(server, 'exit');
    server.kill('SIGKILL');
    await gone;
  }
  // The pair goes first: once the namespace is gone, the kernel takes its interfaces away at a moment of its own.
  if (ip('-br', 'link').includes(near)) ip('link', 'del', near);
  ip('netns', 'del', space);
});

const specs: readonly ProbeSpec[] = [
  { kind: 'http', url: `http://${address}:${PORT}/`, status: [[200, 299]] },
  { kind: 'http', url: `https://${address}:${PORT}/`, status: [[200, 299]] },
  { kind: 'tcp', url: `tcp://${address}:${PORT}` },
];
const limits = { timeoutMs: 2000, connectTimeoutMs: 1000 };

test.skipIf(!isRoot)('dropped SYNs end every kind of probe at the connect deadline, and what was half open is closed', async () => {
  noFirewall();
  expect((await lookAt(specs[0] as ProbeSpec, limits)).outcome.saw).toBe('ok');
  firewall('drop');
  for (const { outcome, tookMs } of await Promise.all(specs.map((spec) => lookAt(spec, limits)))) {
    expect(outcome).toMatchObject({ saw: 'fault', reason: 'timeout', detail: 'no connection within 1000 ms' });
    expect(tookMs).toBeGreaterThanOrEqual(1000);
    expect(tookMs).toBeLessThan(1600);
  }
  expect(run('ss', '-Htan', 'state', 'syn-sent', 'dst', address)).toBe('');
  noFirewall();
  expect((await lookAt(specs[0] as ProbeSpec, limits)).outcome.saw).toBe('ok');
});

test.skipIf(!isRoot)('two hundred probes into the void at once all end on time and leave no socket', async () => {
  noFirewall();
  firewall('drop');
  const looks = await Promise.all(Array.from({ length: 200 }, () => lookAt(specs[0] as ProbeSpec, limits)));
  expect(looks.every(({ outcome }) => outcome.saw === 'fault' && outcome.reason === 'timeout')).toBe(true);
  expect(Math.max(...looks.map(({ tookMs }) => tookMs))).toBeLessThan(1600);
  expect(run('ss', '-Htan', 'state', 'syn-sent', 'dst', address)).toBe('');
  noFirewall();
});

test.skipIf(!isRoot)('a firewall that resets says refused at once', async () => {
  noFirewall();
  firewall('reject with tcp reset');
  const { outcome, tookMs } = await lookAt(specs[0] as ProbeSpec, limits);
  expect(outcome).toMatchObject({ saw: 'fault', reason: 'refused' });
  expect(tookMs).toBeLessThan(900);
  noFirewall();
});

test.skipIf(!isRoot)('a name with two dead addresses takes the connect deadline, not twice it', async () => {
  noFirewall();
  firewall('drop');
  const resolve = () => Promise.resolve({ addresses: [address, address], stale: null });
  const { outcome, tookMs } = await lookAt({ kind: 'tcp', url: `tcp://app.test:${PORT}` }, { ...limits, resolve });
  expect(outcome).toMatchObject({ saw: 'fault', reason: 'timeout' });
  expect(tookMs).toBeLessThan(1600);
  noFirewall();
});
