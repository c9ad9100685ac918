// One replica as it runs in life, a process of its own with real probes over 200 targets: what it costs in CPU and memory. The targets are one small server
// in a thread of its own, so that the bench does not answer late.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { stringify } from 'yaml';
import { cpuS, pidOf, rssMB } from '../probe/process.ts';

const MAIN = join(import.meta.dirname, '../../../src/main.ts');

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
  const pids = (): readonly number[] => {
    if (child.exitCode !== null) throw new Error(`the replica ended: ${readFileSync(join(folder, 'replica.log'), 'utf8').slice(-500)}`);
    return [pidOf(child)];
  };
  return {
    cpuS: () => cpuS(pids()),
    rssMB: () => rssMB(pids()),
    async kill() {
      child.kill('SIGKILL');
      await gone;
    },
  };
};
