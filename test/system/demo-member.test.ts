// Members of the demo's etcd, real ones: who leads, who follows, what remains of them when they or whoever started them are killed.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { killAll } from '../../src/drill/child.ts';
import { handOver, LOOPBACK, leaderOf, loopbackUrl, type Member, memberReady, startMember } from '../../src/drill/member.ts';
import { freePort } from '../../src/drill/port.ts';
import { realPorts } from '../../src/ports.ts';
import { workDir } from './server.ts';

const WAIT_MS = 120_000;
const ports = realPorts();
const NAMES = ['a', 'b', 'c'] as const;

let folder: string;
beforeEach(() => {
  folder = workDir('etcd');
});
afterEach(async () => {
  await killAll();
  rmSync(folder, { recursive: true, force: true });
});

const startRing = async (ends: string[]): Promise<{ members: Member[]; launch: (name: string) => Member }> => {
  const doors = new Map<string, { client: number; peer: number }>();
  for (const name of NAMES) doors.set(name, { client: await freePort(ports, [LOOPBACK]), peer: await freePort(ports, [LOOPBACK]) });
  const ring = [...doors].map(([name, { peer }]) => `${name}=${loopbackUrl(peer)}`).join(',');
  const launch = (name: string): Member =>
    startMember({
      program: 'etcd',
      name,
      dataDir: join(folder, name),
      logFile: join(folder, `${name}.log`),
      clientPort: doors.get(name)?.client ?? 0,
      peerPort: doors.get(name)?.peer ?? 0,
      ring,
      heartbeatMs: 100,
      electionMs: 1000,
      onEnd: (how, asked) => ends.push(`${name} ${how}${asked ? ' as asked' : ''}`),
    });
  const members = NAMES.map(launch);
  await Promise.all(members.map((member) => memberReady(ports, member)));
  return { members, launch };
};

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

test('leadership goes where it is sent, on when the leader is killed, and the killed one returns on its data', {
  timeout: WAIT_MS,
}, async () => {
  const ends: string[] = [];
  const { members, launch } = await startRing(ends);
  for (const heir of members) {
    await handOver(ports, members, heir);
    expect((await leaderOf(ports, members))?.name).toBe(heir.name);
  }
  const dead = await leaderOf(ports, members);
  await dead?.kill();
  expect(isAlive(dead?.pid ?? 0)).toBe(false);
  await expect.poll(() => leaderOf(ports, members), { timeout: 30_000 }).not.toBeNull();
  expect(await leaderOf(ports, members)).not.toBe(dead);
  const back = launch(dead?.name ?? '');
  await memberReady(ports, back);
  expect(ends).toEqual([`${dead?.name} SIGKILL as asked`]);
});

test('a member that ends by itself is told as such, and nothing of it stays', { timeout: WAIT_MS }, async () => {
  const ends: string[] = [];
  const { members } = await startRing(ends);
  process.kill(members[1]?.pid ?? 0, 'SIGTERM');
  await expect.poll(() => ends.join(), { timeout: 30_000 }).toMatch(/^b (SIGTERM|exit 0)$/);
  // The whole group.
  await expect.poll(() => isAlive(-(members[1]?.pid ?? 0)), { timeout: 30_000 }).toBe(false);
});

let owner: ChildProcess | undefined;
afterEach(async () => {
  if (owner?.exitCode === null && owner.signalCode === null) {
    owner.kill('SIGKILL');
    await once(owner, 'exit');
  }
});

test('members die with the process that started them, even when it is killed', { timeout: WAIT_MS }, async () => {
  const [client, peer] = [await freePort(ports, [LOOPBACK]), await freePort(ports, [LOOPBACK])];
  const options = {
    program: 'etcd',
    name: 'a',
    dataDir: join(folder, 'a'),
    logFile: join(folder, 'a.log'),
    clientPort: client,
    peerPort: peer,
  };
  const module = join(import.meta.dirname, '../../src/drill/member.ts');
  const script = `const { startMember } = await import(${JSON.stringify(module)});
    const options = ${JSON.stringify({ ...options, ring: `a=${loopbackUrl(peer)}`, heartbeatMs: 100, electionMs: 1000 })};
    console.log(startMember({ ...options, onEnd() {} }).pid); setInterval(() => {}, 1000);`;
  owner = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [said] = (await once(owner.stdout as NodeJS.ReadableStream, 'data')) as [Buffer];
  const pid = Number(said.toString());
  await memberReady(ports, { ...options, pid });
  expect(isAlive(pid)).toBe(true);
  owner.kill('SIGKILL');
  await expect.poll(() => isAlive(pid), { timeout: 30_000 }).toBe(false);
});
