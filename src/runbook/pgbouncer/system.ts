// The admin console of one PgBouncer: how a database stands there, and orders for it. PgBouncer 1.18 was looked at: orders that are repeated are taken again
// without a word; PAUSE may answer while a transaction is still open, so its answer is no proof, and only the counts of pools are; a PAUSE whose console has
// gone stays.
import { z } from 'zod';
import { fitting } from '../../exchange.ts';
import { DeadlineError, withDeadline } from '../../ports.ts';
import { createDial, passwordOf } from '../dial.ts';
import type { System } from '../kind.ts';
import type { PgbouncerConfig, SystemModule } from '../systems.ts';
import { askConsole, quotedName } from './console.ts';

/** PAUSE and WAIT_CLOSE may answer only when what they wait for has happened, and nobody waits here for that. */
const ANSWER_MS = 2_000;
const WAITING: readonly Order[] = ['PAUSE', 'WAIT_CLOSE'];

export type Order = 'PAUSE' | 'RESUME' | 'RECONNECT' | 'WAIT_CLOSE' | 'KILL' | 'DISABLE' | 'ENABLE';

/** How one database stands, over all of its pools. */
export interface Standing {
  /** Where its connections go; empty: to a socket of the pooler's own machine. */
  host: string;
  isPaused: boolean;
  isDisabled: boolean;
  /** Connections to the server on which something is under way. */
  busy: number;
  clients: number;
  /** Clients that wait for a connection, and since when the first of them does. */
  waiting: number;
  waitsMs: number;
}

export interface PgbouncerSystem extends System {
  readonly kind: 'pgbouncer';
  /** null: it has no such database. */
  look(database: string, signal: AbortSignal): Promise<Standing | null>;
  /** False: it has not answered yet, and whether it was heard, looking tells. Throws Answered for a refusal. */
  order(order: Order, database: string, signal: AbortSignal): Promise<boolean>;
}

const count = z.coerce.number().nonnegative();
const databasesShape = z.array(z.object({ name: z.string(), host: z.string().nullable(), paused: count, disabled: count })).min(1);
const poolsShape = z.array(
  z.object({
    database: z.string(),
    cl_active: count,
    cl_waiting: count,
    sv_active: count,
    sv_tested: count,
    // Of 1.18 and later.
    sv_active_cancel: count.default(0),
    sv_being_canceled: count.default(0),
    maxwait: count,
    maxwait_us: count.default(0),
  }),
);

export const pgbouncer: SystemModule<PgbouncerConfig> = {
  async open(config, context) {
    const { user, passwordFile } = config;
    const dial = createDial('pgbouncer', config, context);
    const login = { user, password: () => passwordOf(context.secret, passwordFile) };
    login.password();
    const ask = (text: string, signal: AbortSignal) => askConsole(dial, login, text, signal);
    const system: PgbouncerSystem = {
      kind: 'pgbouncer',
      async look(database, signal) {
        const databases = fitting(databasesShape, await ask('SHOW DATABASES', signal));
        const found = databases.find(({ name }) => name === database);
        if (found === undefined) return null;
        const pools = fitting(poolsShape, await ask('SHOW POOLS', signal)).filter((pool) => pool.database === database);
        const sum = (of: (pool: (typeof pools)[number]) => number): number => pools.reduce((total, pool) => total + of(pool), 0);
        return {
          host: found.host ?? '',
          isPaused: found.paused > 0,
          isDisabled: found.disabled > 0,
          busy: sum((pool) => pool.sv_active + pool.sv_tested + pool.sv_active_cancel + pool.sv_being_canceled),
          clients: sum((pool) => pool.cl_active + pool.cl_waiting),
          waiting: sum((pool) => pool.cl_waiting),
          waitsMs: Math.max(0, ...pools.map((pool) => pool.maxwait * 1000 + pool.maxwait_us / 1000)),
        };
      },
      async order(order, database, signal) {
        const text = `${order} ${quotedName(database)}`;
        if (!WAITING.includes(order)) {
          await ask(text, signal);
          return true;
        }
        try {
          await withDeadline(context.ports.timers, ANSWER_MS, order, (own) => ask(text, own), signal);
          return true;
        } catch (error) {
          if (error instanceof DeadlineError && !signal.aborted) return false;
          throw error;
        }
      },
      close: async () => dial.close(),
    };
    return system;
  },
};
