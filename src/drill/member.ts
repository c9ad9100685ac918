// One member of an etcd as a process on loopback: started, asked how it is, handed the leadership, killed. It dies with the process that started it,
// however that one ends. Asks through etcd's JSON gateway, a connection per question; records never go this way.
import { z } from 'zod';
import { errorText, Fault } from '../errors.ts';
import { type Ports, sleep, withDeadline } from '../ports.ts';
import { lastWords } from './child.ts';
import { startGuarded } from './guarded.ts';

export interface MemberOptions {
  /** Path of etcd. */
  program: string;
  name: string;
  dataDir: string;
  logFile: string;
  /** Ports on 127.0.0.1. */
  clientPort: number;
  peerPort: number;
  /** Where the others reach it, when that is not `peerPort` itself. */
  peerUrl?: string;
  /** `name=peer URL` of every member, by commas. */
  ring: string;
  heartbeatMs: number;
  electionMs: number;
  /** More flags. */
  flags?: readonly string[];
  /** The process is gone; `asked`: by `kill`. */
  onEnd(how: string, asked: boolean): void;
}

export interface Member {
  name: string;
  pid: number;
  clientPort: number;
  logFile: string;
  /** SIGKILL. Resolves when the process is gone. */
  kill(): Promise<void>;
}

export const LOOPBACK = '127.0.0.1';
export const loopbackUrl = (port: number): string => `http://${LOOPBACK}:${port}`;

export const startMember = (options: MemberOptions): Member => {
  const { program, name, dataDir, logFile, clientPort, peerPort, onEnd } = options;
  const flags = {
    name,
    'data-dir': dataDir,
    'listen-client-urls': loopbackUrl(clientPort),
    'advertise-client-urls': loopbackUrl(clientPort),
    'listen-peer-urls': loopbackUrl(peerPort),
    'initial-advertise-peer-urls': options.peerUrl ?? loopbackUrl(peerPort),
    'initial-cluster': options.ring,
    'initial-cluster-token': options.ring,
    'heartbeat-interval': String(options.heartbeatMs),
    'election-timeout': String(options.electionMs),
  };
  const args = [...Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`), '--pre-vote', ...(options.flags ?? [])];
  const guarded = startGuarded({ program, args, logFile, env: environment(), onEnd });
  return { name, ...guarded, clientPort, logFile };
};

/** Ours without what etcd would take for settings of its own. Debian's refuses 64-bit ARM unless it is told that this is meant. */
const environment = (): NodeJS.ProcessEnv => ({
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('ETCD'))),
  ...(process.arch === 'arm64' ? { ETCD_UNSUPPORTED_ARCH: 'arm64' } : {}),
});

// ---- questions ----

const ASK_MS = 2000;
const LOOK_EVERY_MS = 50;
const REPLY_CHARS_MAX = 64 * 1024;
/** From the start of a process to a member that takes part; generous, since the machine may be busy. */
const START_MS = 60_000;
/** For an election, also a split one. */
const LEAD_MS = 20_000;

type Asking = Pick<Ports, 'net' | 'timers'>;

const statusSchema = z.object({ header: z.object({ member_id: z.string() }), leader: z.string().default('0') });
const healthSchema = z.object({ health: z.string() });

/** Resolves when the member answers and knows a leader. Throws Fault ERR_DEMO with the end of its log. */
export const memberReady = async (ports: Asking, { name, clientPort, logFile }: Omit<Member, 'kill'>): Promise<void> => {
  const isWell = async (): Promise<boolean> => healthSchema.parse(await ask(ports, clientPort, 'GET', '/health')).health === 'true';
  try {
    await withDeadline(ports.timers, START_MS, `the etcd of ${name} starting`, (signal) => until(ports, isWell, signal));
  } catch (error) {
    throw new Fault('ERR_DEMO', `${errorText(error)}${lastWords(logFile)}`, { cause: error });
  }
};

const statusOf = async (ports: Asking, clientPort: number): Promise<{ id: string; leader: string }> => {
  const { header, leader } = statusSchema.parse(await ask(ports, clientPort, 'POST', '/v3/maintenance/status'));
  return { id: header.member_id, leader };
};

/** The member that leads; null while there is none, or when nobody answers. */
export const leaderOf = async <M extends { clientPort: number }>(ports: Asking, members: readonly M[]): Promise<M | null> => {
  const answers = await Promise.all(
    members.map(async (member) => ({ member, status: await statusOf(ports, member.clientPort).catch(() => null) })),
  );
  return answers.find(({ status }) => status !== null && status.id === status.leader)?.member ?? null;
};

/** The member that leads, as soon as one does. Throws Fault ERR_DEMO when that takes longer than a few seconds. */
export const electedOf = async <M extends { clientPort: number }>(ports: Asking, members: readonly M[]): Promise<M> => {
  let elected: M | null = null;
  await soon(ports, 'a leader of the etcd', async () => {
    elected = await leaderOf(ports, members);
    return elected !== null;
  });
  return elected as unknown as M;
};

/** Hands the leadership to `heir`. Throws Fault ERR_DEMO when it does not lead within a few seconds. */
export const handOver = async <M extends { name: string; clientPort: number }>(
  ports: Asking,
  members: readonly M[],
  heir: M,
): Promise<void> => {
  const leads = async (): Promise<boolean> => {
    const leader = await leaderOf(ports, members);
    if (leader === heir) return true;
    if (leader === null) return false;
    const { id } = await statusOf(ports, heir.clientPort);
    await ask(ports, leader.clientPort, 'POST', '/v3/maintenance/transfer-leadership', { targetID: id });
    return false;
  };
  await soon(ports, `the etcd of ${heir.name} becoming leader`, leads);
};

const soon = async (ports: Asking, what: string, holds: () => Promise<boolean>): Promise<void> => {
  try {
    await withDeadline(ports.timers, LEAD_MS, what, (signal) => until(ports, holds, signal));
  } catch (error) {
    throw new Fault('ERR_DEMO', errorText(error), { cause: error });
  }
};

const until = async (ports: Asking, holds: () => Promise<boolean>, signal: AbortSignal): Promise<void> => {
  while (!(await holds().catch(() => false))) await sleep(ports.timers, LOOK_EVERY_MS, signal);
};

/** One question, HTTP/1.0 so that the end of the connection is the end of the reply. Rejects when there is no JSON in time. */
const ask = (ports: Asking, port: number, method: 'GET' | 'POST', path: string, body: object = {}): Promise<unknown> =>
  withDeadline(ports.timers, ASK_MS, `${method} ${path}`, (signal) => {
    const text = method === 'POST' ? JSON.stringify(body) : '';
    const head = `${method} ${path} HTTP/1.0\r\nhost: ${LOOPBACK}\r\ncontent-length: ${Buffer.byteLength(text)}\r\n\r\n`;
    return new Promise((resolve, reject) => {
      const socket = ports.net.tcp({ host: LOOPBACK, port });
      let reply = '';
      signal.addEventListener('abort', () => socket.destroy(), { once: true });
      socket.once('connect', () => socket.write(head + text));
      socket.setEncoding('utf8');
      socket.on('data', (chunk: string) => {
        reply += chunk;
        if (reply.length > REPLY_CHARS_MAX) socket.destroy(new Error(`more than ${REPLY_CHARS_MAX} characters in reply`));
      });
      socket.once('error', reject);
      socket.once('close', () => {
        try {
          resolve(JSON.parse(reply.slice(reply.indexOf('\r\n\r\n') + 4)));
        } catch (error) {
          reject(error);
        }
      });
    });
  });
