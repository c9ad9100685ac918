// How punctual and how dear probes are: start lateness, CPU and memory of the real runner with the real http kind at 1,000 probes/s, beside a floor
// measured in the same run: the same runner with bare sockets, a hand-written request and no parsing to speak of. Targets run in a child process;
// on a machine with few cores they compete for them, so lateness here is an upper bound.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import type { Outcome, ProbeSpec } from '../../src/model.ts';
import { realPorts, sleep } from '../../src/ports.ts';
import { probe } from '../../src/probe/index.ts';
import type { ProbeContext } from '../../src/probe/kind.ts';
import { createRunner } from '../../src/probe/runner.ts';

export interface ProbeBenchRow {
  what: 'http kind' | 'bare sockets';
  /** Probes that ended within the measured span, and per second. */
  probes: number;
  probesPerS: number;
  /** Not ok, whatever the reason: 0 on a healthy machine. */
  notOk: number;
  lateP50Ms: number;
  lateP99Ms: number;
  lateMaxMs: number;
  /** From start to outcome. */
  tookP50Ms: number;
  tookP99Ms: number;
  /** CPU seconds (user and system) of this process per 1,000 probes. */
  cpuSPer1000: number;
  rssMb: number;
}

export interface ProbeBench {
  goals: { lateP99Ms: number };
  met: boolean;
  rows: readonly ProbeBenchRow[];
}

const INTERVAL_MS = 5000;
const LATE_P99_GOAL_MS = 50;

const TARGET = `require('node:net').createServer((socket) => {
  socket.on('error', () => {});
  socket.once('data', () => socket.write('HTTP/1.1 200 OK\\r\\ncontent-type: text/plain\\r\\ncontent-length: 3\\r\\n\\r\\nok\\n'));
}).listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, function () { console.log(this.address().port); });`;

const startTarget = async (): Promise<{ port: number } & AsyncDisposable> => {
  const child = spawn(process.execPath, ['-e', TARGET], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  return {
    port: Number(line.toString()),
    async [Symbol.asyncDispose]() {
      const gone = once(child, 'exit');
      child.kill();
      await gone;
    },
  };
};

/** The floor: connect, write, wait for the first bytes, reset. No deadline, no limits, no judgement. */
const bareLook = (port: number): Promise<Outcome> =>
  new Promise((resolve) => {
    const startedAtMs = performance.now();
    const socket = net.connect({ host: '127.0.0.1', port });
    socket.once('connect', () => socket.write('GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n'));
    socket.once('data', (head) => {
      socket.resetAndDestroy();
      const tookMs = performance.now() - startedAtMs;
      if (head.toString('latin1', 9, 12) === '200') resolve({ saw: 'ok', tookMs });
      else resolve({ saw: 'fault', reason: 'status', tookMs, detail: 'not a 200' });
    });
    socket.once('error', (error) => resolve({ saw: 'fault', reason: 'reset', tookMs: 0, detail: error.message }));
  });

const quantile = (sorted: readonly number[], q: number): number => {
  const value = sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? 0;
  return Math.round(value * 100) / 100;
};

const measure = async (
  what: ProbeBenchRow['what'],
  look: (signal: AbortSignal) => Promise<Outcome>,
  perSecond: number,
  seconds: number,
): Promise<ProbeBenchRow> => {
  const ports = realPorts();
  const late: number[] = [];
  const took: number[] = [];
  let measuring = false;
  let notOk = 0;
  const runner = createRunner({
    ports,
    intervalMs: INTERVAL_MS,
    timeoutMs: 2000,
    suspectAfterMs: 1000,
    lateMs: 250,
    originMonoMs: ports.clock.monoMs(),
    probe: (_key, _startedAtMs, signal) => look(signal),
    onObservation({ outcome }, lateByMs) {
      if (!measuring) return;
      late.push(lateByMs);
      if (outcome.saw === 'ok') took.push(outcome.tookMs);
      else notOk += 1;
    },
    onPending: () => {},
    concurrencyMax: 10_000,
  });
  const entries = (perSecond * INTERVAL_MS) / 1000;
  runner.setEntries(Array.from({ length: entries }, (_, i) => ({ key: `t${i}`, phaseMs: Math.floor((i * INTERVAL_MS) / entries) })));
  await sleep(ports.timers, 2000); // compilers and caches warm up
  measuring = true;
  const before = process.cpuUsage();
  await sleep(ports.timers, seconds * 1000);
  const cpu = process.cpuUsage(before);
  measuring = false;
  const rssMb = Math.round(process.memoryUsage().rss / 1e6);
  await runner.stop();
  late.sort((a, b) => a - b);
  took.sort((a, b) => a - b);
  return {
    what,
    probes: late.length,
    probesPerS: Math.round(late.length / seconds),
    notOk,
    lateP50Ms: quantile(late, 0.5),
    lateP99Ms: quantile(late, 0.99),
    lateMaxMs: quantile(late, 1),
    tookP50Ms: quantile(took, 0.5),
    tookP99Ms: quantile(took, 0.99),
    cpuSPer1000: Math.round((cpu.user + cpu.system) / late.length) / 1000,
    rssMb,
  };
};

/** About 2 x (seconds + 2) seconds. The bare floor runs first, so that its memory is not the other's. */
export const benchProbe = async ({
  perSecond = 1000,
  seconds = 10,
}: {
  perSecond?: number;
  seconds?: number;
} = {}): Promise<ProbeBench> => {
  await using target = await startTarget();
  const { port } = target;
  const context: ProbeContext = {
    ports: realPorts(),
    resolve: () => Promise.reject(new Error('the bench uses addresses')),
    timeoutMs: 2000,
    connectTimeoutMs: 1000,
    userAgent: 'tidegate-probe/bench',
    tlsContext: () => {
      throw new Error('the bench uses plain HTTP');
    },
  };
  const spec: ProbeSpec = { kind: 'http', url: `http://127.0.0.1:${port}/healthz`, status: [[200, 299]] };
  const floor = await measure('bare sockets', () => bareLook(port), perSecond, seconds);
  const real = await measure('http kind', (signal) => probe(spec, context, signal), perSecond, seconds);
  return { goals: { lateP99Ms: LATE_P99_GOAL_MS }, met: real.notOk === 0 && real.lateP99Ms <= LATE_P99_GOAL_MS, rows: [real, floor] };
};
