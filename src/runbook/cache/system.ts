// One Redis, Valkey or Dragonfly: how it stands, and the orders that move it. Which of them it is, its own answers tell.

import { familyOf } from '../../dns/address.ts';
import { errorText } from '../../errors.ts';
import { createDial, type HostPort, passwordOf } from '../dial.ts';
import type { System } from '../kind.ts';
import type { RedisSystemConfig, SystemModule } from '../systems.ts';
import { type Ask, converse } from './client.ts';
import { type CacheInfo, readInfo } from './info.ts';

/** A takeover answers when it has ended; a call to a system gets ten seconds. */
const TAKEOVER_MS_MAX = 8_000;
/** For its answer that it was given up. */
const LATER_MS = 1_000;

export interface CacheLook extends CacheInfo {
  /** By its own clock. */
  nowS: number;
}

export interface RedisSystem extends System {
  readonly kind: 'redis';
  /** As it is configured. */
  readonly at: HostPort;
  /** Rejects with Refusal where it answers and refuses, or with an Error for what is no answer. */
  look(signal: AbortSignal): Promise<CacheLook>;
  /** It stands for itself, with what it has. */
  promote(signal: AbortSignal): Promise<void>;
  /** It follows that address, and what it has is replaced by what is there. */
  follow(master: HostPort, signal: AbortSignal): Promise<void>;
  /** Of Dragonfly, asked of the replica: its master stops taking writes, hands over what is left, and ends. At most `waitMs`, and never more than 8 s. */
  takeOver(waitMs: number, signal: AbortSignal): Promise<void>;
  /** Of Redis, asked of the master: it holds writes, waits for that replica, and follows it. Answers before that has happened; given up after `waitMs`. */
  handOver(replica: HostPort, waitMs: number, signal: AbortSignal): Promise<void>;
  /** The host itself and what our resolver knows of it. */
  addressesOf(host: string, signal: AbortSignal): Promise<readonly string[]>;
}

export const redis: SystemModule<RedisSystemConfig> = {
  async open(config, context) {
    const { user, passwordFile } = config;
    const dial = createDial('redis', config, context);
    const login = { user, password: () => (passwordFile === undefined ? null : passwordOf(context.secret, passwordFile)) };
    login.password();
    const run = <T>(work: (ask: Ask) => Promise<T>, signal: AbortSignal, commandMs?: number) =>
      converse(dial, login, work, signal, commandMs);
    const order = (words: Parameters<Ask>, signal: AbortSignal, commandMs?: number): Promise<void> =>
      run(async (ask) => saidOk(await ask(...words)), signal, commandMs);
    const system: RedisSystem = {
      kind: 'redis',
      at: { host: dial.host, port: dial.port },
      look: (signal) => run(look, signal),
      promote: (signal) => order(['REPLICAOF', 'NO', 'ONE'], signal),
      follow: ({ host, port }, signal) => order(['REPLICAOF', host, port], signal),
      takeOver(waitMs, signal) {
        const waitS = Math.ceil(Math.min(waitMs, TAKEOVER_MS_MAX) / 1000);
        return order(['REPLTAKEOVER', waitS], signal, waitS * 1000 + LATER_MS);
      },
      handOver: ({ host, port }, waitMs, signal) => order(['FAILOVER', 'TO', host, port, 'TIMEOUT', Math.ceil(waitMs)], signal),
      async addressesOf(host, signal) {
        if (familyOf(host) !== null) return [host];
        const found = await context.resolve(host, signal).catch((error: unknown) => {
          signal.throwIfAborted();
          context.log.warn('cache.name-unknown', { host, because: errorText(error) });
          return { addresses: [] };
        });
        return [host, ...found.addresses];
      },
      close: async () => dial.close(),
    };
    return system;
  },
};

/** Sections one by one: servers before Redis 7 take one at a time. */
const look = async (ask: Ask): Promise<CacheLook> => {
  const [server, replication, persistence, time] = await Promise.all([
    ask('INFO', 'server'),
    ask('INFO', 'replication'),
    ask('INFO', 'persistence'),
    ask('TIME'),
  ]);
  const info = readInfo([server, replication, persistence].map(textIn).join('\n'));
  if (info === null) throw new Error('INFO says no role, or nothing that is known here');
  return { ...info, nowS: secondsIn(time) };
};

const textIn = (reply: unknown): string => {
  if (typeof reply !== 'string') throw new Error('the answer to INFO is no text');
  return reply;
};

const secondsIn = (reply: unknown): number => {
  const [first]: unknown[] = Array.isArray(reply) ? reply : [];
  const seconds = Number(first);
  if (!Number.isSafeInteger(seconds) || seconds <= 0) throw new Error('the answer to TIME is no time');
  return seconds;
};

const saidOk = (reply: unknown): void => {
  if (typeof reply !== 'string' || !reply.startsWith('OK')) throw new Error('it answered an order with something else than OK');
};
