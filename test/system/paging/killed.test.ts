// A deliverer that is killed -9 at each step of a delivery: whoever comes next delivers the page, under the same id and with the same body, and the store
// says so in the end. In process, and by a real Redis.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { workDir } from '../server.ts';
import { type RedisServer, startRedis } from './redis.ts';

type Step = 'the connection is made' | 'the request is read' | 'the reply is sent' | 'the page is settled';
const STEPS: readonly Step[] = ['the connection is made', 'the request is read', 'the reply is sent', 'the page is settled'];

let redis: RedisServer;
beforeAll(async () => {
  redis = await startRedis();
}, 60_000);
afterAll(() => redis[Symbol.asyncDispose]());

const dirs: string[] = [];
const running = new Set<ChildProcess>();
const servers = new Set<http.Server>();
afterEach(async () => {
  for (const child of running) child.kill('SIGKILL');
  for (const server of servers) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
  servers.clear();
  for (const dir of dirs.splice(0)) rmSync(dir, { recursive: true, force: true });
});

interface Heard {
  id: string;
  body: string;
}

/** Tells of each step, and goes on only when it was heard. */
const startReceiver = async (onStep: (step: Step) => Promise<void>) => {
  const heard: Heard[] = [];
  const server = http.createServer(async (request, reply) => {
    let body = '';
    for await (const chunk of request) body += String(chunk);
    heard.push({ id: String(request.headers['webhook-id']), body });
    await onStep('the request is read');
    reply.writeHead(204).end();
    reply.on('finish', () => void onStep('the reply is sent'));
  });
  server.on('connection', () => void onStep('the connection is made'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  servers.add(server);
  return { heard, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/` };
};

const deliverer = (args: readonly string[], onLine: (line: string) => void): ChildProcess => {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'deliverer.ts'), ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  running.add(child);
  child.once('exit', () => running.delete(child));
  createInterface({ input: child.stdout! }).on('line', onLine);
  return child;
};

const kill = async (child: ChildProcess): Promise<void> => {
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
};

test.each(STEPS.flatMap((step) => [[step, 'in process'] as const, [step, 'by Redis'] as const]))(
  'killed when %s, %s: the page is delivered by the next, the same',
  async (at, how) => {
    const dir = workDir('paging-killed');
    dirs.push(dir);
    const id = `killed-${STEPS.indexOf(at)}-${how === 'by Redis' ? 'r' : 'p'}`;
    const struck = Promise.withResolvers<void>();
    let isFirst = true;
    const strike = async (step: Step): Promise<void> => {
      if (!isFirst || step !== at) return;
      isFirst = false;
      await kill(first);
      struck.resolve();
    };
    const receiver = await startReceiver(strike);
    const args = [join(dir, 'store.sqlite'), receiver.url, id, ...(how === 'by Redis' ? [redis.url] : [])];
    const first = deliverer(args, (line) => void (line === 'settled' ? strike('the page is settled') : undefined));
    await struck.promise;
    const before = receiver.heard.length;
    const settled = Promise.withResolvers<void>();
    const second = deliverer(args, (line) => (line === 'settled' ? settled.resolve() : undefined));
    await settled.promise;
    await kill(second);
    expect(receiver.heard.length).toBeGreaterThan(0);
    expect(new Set(receiver.heard.map(({ id: each }) => each))).toEqual(new Set([id]));
    expect(new Set(receiver.heard.map(({ body }) => body)).size).toBe(1);
    // What was settled is not sent again; what the receiver never read is.
    if (at === 'the page is settled') expect(receiver.heard).toHaveLength(before);
    if (at === 'the connection is made') expect(receiver.heard.length).toBeGreaterThan(before);
  },
  90_000,
);
