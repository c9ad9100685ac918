// How fast a gate answers: the production server over five hundred services, asked over keep-alive connections at the pace of many checkers and then flat out,
// beside a bare node http server. Both run in processes of their own and are asked in turns, so that what else the machine does meets both alike; quantiles
// are medians over the turns. On a machine with few cores they compete with who asks, and the 99th percentiles are the scheduler's: compare them, no more.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Bench, BenchOptions } from './bench.ts';

const CONNECTIONS = 16;
/** A thousand health checks of sixteen places each, every ten seconds. */
const PER_S = 1600;
const GOAL_MS = 1;
const TURN_MS = 1200;

/** CPU of a process so far, ms; the kernel counts in hundredths of a second. */
const cpuMs = (pid: number): number => {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
};

const startServer = async (what: 'floor' | 'gate'): Promise<{ port: number; pid: number } & AsyncDisposable> => {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'gate-child.ts'), what], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  return {
    port: Number(line.toString()),
    pid: child.pid ?? 0,
    async [Symbol.asyncDispose]() {
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
    },
  };
};

/** One connection: a question, the whole answer, the next. Answers are far smaller than a segment. */
const connect = async (port: number): Promise<{ ask(path: string): Promise<string>; close(): void }> => {
  const socket = net.connect(port, '127.0.0.1');
  socket.setNoDelay(true);
  await once(socket, 'connect');
  let said = '';
  let done: ((reply: string) => void) | null = null;
  socket.on('data', (chunk) => {
    said += chunk.toString('latin1');
    const end = said.indexOf('\r\n\r\n');
    const length = Number(/content-length: (\d+)/i.exec(said)?.[1] ?? Number.NaN);
    if (end < 0 || said.length < end + 4 + length) return;
    const reply = said;
    said = '';
    done?.(reply);
  });
  return {
    ask: (path) =>
      new Promise((resolve) => {
        done = resolve;
        socket.write(`GET ${path} HTTP/1.1\r\nhost: gate.example.test\r\nuser-agent: bench\r\n\r\n`);
      }),
    close: () => socket.destroy(),
  };
};

const pathOf = (n: number): string => `/gate/s${n % 500}.example.test/${n % 3 === 0 ? 'eu-west' : 'us-east'}`;

const quantile = (sorted: readonly number[], q: number): number => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? 0;

interface Turn {
  tookMs: readonly number[];
  drains: number;
}

type Line = Awaited<ReturnType<typeof connect>>;

/** Counts up over all questions, so that all services are asked for. */
let asked = 0;

/** At the pace of the checkers. */
const paced = async (lines: readonly Line[], ms: number): Promise<Turn> => {
  const tookMs: number[] = [];
  let drains = 0;
  const endMs = performance.now() + ms;
  const everyMs = (1000 * lines.length) / PER_S;
  await Promise.all(
    lines.map(async (line, at) => {
      await delay((at * everyMs) / lines.length);
      while (performance.now() < endMs) {
        const startedAtMs = performance.now();
        const reply = await line.ask(pathOf(asked++));
        tookMs.push(performance.now() - startedAtMs);
        if (reply.startsWith('HTTP/1.1 200')) drains++;
        await delay(Math.max(0, everyMs - (performance.now() - startedAtMs)));
      }
    }),
  );
  return { tookMs: tookMs.sort((a, b) => a - b), drains };
};

/** As fast as it goes. Out: answers per second. */
const flatOut = async (lines: readonly Line[], ms: number): Promise<number> => {
  const [startedAtMs, before] = [performance.now(), asked];
  await Promise.all(
    lines.map(async (line) => {
      while (performance.now() < startedAtMs + ms) await line.ask(pathOf(asked++));
    }),
  );
  return ((asked - before) * 1000) / (performance.now() - startedAtMs);
};

const median = (values: readonly number[]): number =>
  quantile(
    values.toSorted((a, b) => a - b),
    0.5,
  );

export const benchGate = async ({ quick }: BenchOptions): Promise<Bench> => {
  await using floor = await startServer('floor');
  await using gate = await startServer('gate');
  const sides = [
    { what: 'bare node http', port: floor.port, pid: floor.pid },
    { what: 'gate, 500 services', port: gate.port, pid: gate.pid },
  ];
  const tried = await Promise.all(
    sides.map(async ({ what, port, pid }) => ({
      what,
      pid,
      lines: await Promise.all(Array.from({ length: CONNECTIONS }, () => connect(port))),
      turns: [] as Turn[],
      flatOut: [] as number[],
      cpuMs: 0,
      asked: 0,
    })),
  );
  for (const { lines } of tried) await flatOut(lines, 1000);
  for (let turn = 0; turn < (quick ? 4 : 16); turn++)
    for (const side of tried) {
      const [cpuBeforeMs, askedBefore] = [cpuMs(side.pid), asked];
      side.turns.push(await paced(side.lines, TURN_MS));
      side.flatOut.push(await flatOut(side.lines, TURN_MS / 4));
      side.cpuMs += cpuMs(side.pid) - cpuBeforeMs;
      side.asked += asked - askedBefore;
    }
  const rows = tried.map(({ what, lines, turns, flatOut, cpuMs, asked }) => {
    for (const line of lines) line.close();
    return {
      what,
      answers: turns.reduce((sum, { tookMs }) => sum + tookMs.length, 0),
      p50Ms: median(turns.map(({ tookMs }) => quantile(tookMs, 0.5))),
      p99Ms: median(turns.map(({ tookMs }) => quantile(tookMs, 0.99))),
      cpuMsEach: cpuMs / asked,
      drains: turns.reduce((sum, turn) => sum + turn.drains, 0),
      flatOutPerS: Math.round(median(flatOut)),
    };
  });
  const [bare, ours] = rows;
  const met =
    bare !== undefined && ours !== undefined && ours.drains > 0 && ours.p50Ms - bare.p50Ms <= GOAL_MS && ours.cpuMsEach <= GOAL_MS;
  return { goals: { p50BeyondFloorMs: GOAL_MS, cpuMsEach: GOAL_MS }, met, rows };
};
