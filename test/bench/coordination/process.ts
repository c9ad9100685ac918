// One replica as it runs in life, a process of its own with real probes over 200 targets: what it costs in CPU and memory. The targets are one small server
// in a thread of its own, so that the bench does not answer late.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { stringify } from 'yaml';

const MAIN = join(import.meta.dirname, '../../../src/main.ts');
/** The kernel's ticks of a CPU's time per second; Linux has told user space 100 on every machine for decades. */
const TICKS_PER_S = 100;

export interface Targets {
  port: number;
  /** What lies under `/<name>/` answers nobody any more. */
  silence(name: string): void;
  close(): Promise<unknown>;
}

const SERVER = `
  const { createServer } = require('node:http');
  const { parentPort } = require('node:worker_threads');
  const silent = new Set();
  parentPort.on('message', (name) => silent.add(name));
  createServer((request, response) => {
    if (!silent.has(request.url.split('/')[1])) response.end('ok');
  }).listen(0, '127.0.0.1', function () { parentPort.postMessage(this.address().port); });
`;

export const serveTargets = async (): Promise<Targets> => {
  const worker = new Worker(SERVER, { eval: true });
  const [port] = (await once(worker, 'message')) as [number];
  return { port, silence: (name) => worker.postMessage(name), close: () => worker.terminate() };
};

/** CPU time that a process has used since its start. */
export const cpuSOf = (pid: number): number => {
  // After the name, which may hold anything, in brackets: fields 14 and 15 of the line are user and system time.
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_S;
};

export interface ReplicaProcess {
  /** CPU time used since its start. */
  cpuS(): number;
  rssMB(): number;
  kill(): Promise<void>;
}

/** Starts `serve` with this configuration. Files go to `folder`. */
export const startReplicaProcess = (folder: string, config: object): ReplicaProcess => {
  const file = join(folder, 'replica.yaml');
  writeFileSync(file, stringify(config), { mode: 0o600 });
  const log = openSync(join(folder, 'replica.log'), 'a');
  const child: ChildProcess = spawn(process.execPath, [MAIN, 'serve', '--config', file], { stdio: ['ignore', log, log] });
  closeSync(log);
  const gone = once(child, 'exit');
  process.once('exit', () => child.kill('SIGKILL'));
  const read = (name: string): string => {
    if (child.exitCode !== null) throw new Error(`the replica ended: ${readFileSync(join(folder, 'replica.log'), 'utf8').slice(-500)}`);
    return readFileSync(`/proc/${child.pid}/${name}`, 'utf8');
  };
  return {
    cpuS() {
      read('stat');
      return cpuSOf(child.pid ?? 0);
    },
    rssMB: () => Number(/VmRSS:\s+(\d+)/.exec(read('status'))?.[1]) / 1024,
    async kill() {
      child.kill('SIGKILL');
      await gone;
    },
  };
};
