// A real DNS server as a process of the demo: started, waited for until it answers for the demo's zone, and gone with the demo.
import { query } from '../../dns/exchange.ts';
import { errorText, Fault } from '../../errors.ts';
import { type Ports, sleep, withDeadline } from '../../ports.ts';
import { lastWords } from '../child.ts';
import { type Guarded, startGuarded } from '../guarded.ts';
import { ZONE } from '../scene.ts';

/** Where servers lie that are on nobody's PATH. */
export const SBIN = ['/usr/sbin', '/usr/local/sbin', '/sbin', '/opt/homebrew/sbin'];

export interface ServerOptions {
  ports: Ports;
  name: string;
  program: string;
  args: readonly string[];
  logFile: string;
  /** On 127.0.0.1. */
  port: number;
  /** It ended although nobody asked. */
  onCrash(how: string): void;
}

/** Generous, since the machine may be busy. */
const START_MS = 30_000;
const LOOK_EVERY_MS = 50;
const QUERY_MS = 1000;

const isUp = async (ports: Ports, port: number, signal: AbortSignal): Promise<boolean> => {
  const server = { host: '127.0.0.1', port };
  const reply = await query({ ports, server, name: ZONE, type: 'SOA', timeoutMs: QUERY_MS, recursionDesired: false, signal }).catch(
    () => null,
  );
  return reply?.answers.some(({ type }) => type === 'SOA') === true;
};

/** Resolves when it answers. Throws Fault ERR_DEMO with the end of its log, and the process gone. */
export const startServer = async ({ ports, name, program, args, logFile, port, onCrash }: ServerOptions): Promise<Guarded> => {
  let up = false;
  const server = startGuarded({
    program,
    args,
    logFile,
    onEnd(how, asked) {
      if (!asked && up) onCrash(`${name} ended by itself (${how})${lastWords(logFile)}`);
    },
  });
  try {
    await withDeadline(ports.timers, START_MS, `${name} starting`, async (signal) => {
      while (!(await isUp(ports, port, signal))) await sleep(ports.timers, LOOK_EVERY_MS, signal);
    });
  } catch (error) {
    await server.kill();
    throw new Fault('ERR_DEMO', `${errorText(error)}${lastWords(logFile)}`, { cause: error });
  }
  up = true;
  return server;
};
