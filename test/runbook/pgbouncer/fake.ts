// A named fake of PgBouncer's admin console: the simple protocol of Postgres, SHOW DATABASES, SHOW POOLS and the orders, as PgBouncer 1.18 was seen to answer
// (test/system/data/pgbouncer.test.ts holds the real one to the same). It fails in every way that the contract of steps names.
import net, { type Socket } from 'node:net';
import type { Fault } from '../../contract/step.contract.ts';
import { createSilence, listening } from '../loopback.ts';

export const USER = 'tidegate';
export const PASSWORD = 'pw-pooler-0a1b2c3d4e5f';

export interface FakeDatabase {
  isPaused: boolean;
  isDisabled: boolean;
  /** Transactions under way. */
  busy: number;
  clients: number;
  waiting: number;
}

export interface FakeConsole extends AsyncDisposable {
  readonly port: number;
  readonly databases: Map<string, FakeDatabase>;
  /** Texts that came, in order. */
  readonly told: readonly string[];
  /** Orders that changed something. */
  readonly effects: readonly string[];
  /** The reply to this order may be lost. */
  loses: string;
  /** PAUSE answers when nothing is under way, as some versions do. */
  isPatient: boolean;
  /** It neither does nor answers what it is ordered. */
  isDeaf: boolean;
  /** Connections that are open. */
  connections(): number;
  /** What it answers to every order; null: as it works. */
  refuses: { severity: string; code: string; message: string } | null;
  meets(fault: Fault | null): void;
  asked(): Promise<void>;
}

const HUGE_BYTES = 10 * 1024 * 1024;
const DATABASE_COLUMNS = ['name', 'host', 'port', 'database', 'paused', 'disabled'];
const POOL_COLUMNS = ['database', 'user', 'cl_active', 'cl_waiting', 'sv_active', 'sv_idle', 'sv_tested', 'maxwait', 'maxwait_us'];

const message = (kind: string, ...parts: readonly Buffer[]): Buffer => {
  const body = Buffer.concat(parts);
  const head = Buffer.alloc(5);
  head.write(kind, 0, 'latin1');
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
};
const int16 = (value: number): Buffer => Buffer.from([value >> 8, value & 255]);
const int32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
};
const text = (value: string): Buffer => Buffer.from(`${value}\0`);
const READY = message('Z', Buffer.from('I'));
const table = (columns: readonly string[], rows: readonly (readonly string[])[]): Buffer =>
  Buffer.concat([
    message(
      'T',
      int16(columns.length),
      ...columns.flatMap((name) => [text(name), int32(0), int16(0), int32(25), int16(-1 & 0xffff), int32(-1), int16(0)]),
    ),
    ...rows.map((row) => message('D', int16(row.length), ...row.flatMap((value) => [int32(Buffer.byteLength(value)), Buffer.from(value)]))),
    message('C', text('SHOW')),
    READY,
  ]);
const refusal = (severity: string, code: string, said: string): Buffer =>
  message('E', ...[`S${severity}`, `V${severity}`, `C${code}`, `M${said}`].map(text), Buffer.from([0]));

export const startFakeConsole = async (databases: readonly string[]): Promise<FakeConsole> => {
  const silence = createSilence();
  const told: string[] = [];
  const effects: string[] = [];
  let fault: Fault | null = null;

  const show = (what: string): Buffer => {
    const all = [...fake.databases];
    if (what === 'DATABASES')
      return table(
        DATABASE_COLUMNS,
        all.map(([name, at]) => [name, '10.1.0.5', '5432', name, String(Number(at.isPaused)), String(Number(at.isDisabled))]),
      );
    const pool = ([name, { clients, waiting, busy }]: (typeof all)[number]): string[] => [
      name,
      'app',
      String(clients - waiting),
      String(waiting),
      String(busy),
      '0',
      '0',
      waiting > 0 ? '1' : '0',
      '500',
    ];
    return table(POOL_COLUMNS, all.filter(([, at]) => at.clients > 0).map(pool));
  };
  const act = (order: string, at: FakeDatabase): void => {
    const before = JSON.stringify(at);
    if (order === 'PAUSE' || order === 'KILL') at.isPaused = true;
    if (order === 'KILL') at.busy = at.clients = at.waiting = 0;
    if (order === 'RESUME') at.isPaused = false;
    if (order === 'DISABLE') at.isDisabled = true;
    if (order === 'ENABLE') at.isDisabled = false;
    if (JSON.stringify(at) !== before) effects.push(order);
  };
  const answer = (query: string, socket: Socket): Buffer | 'wait' | null => {
    const shown = /^SHOW (DATABASES|POOLS)$/.exec(query);
    if (shown !== null) return show(shown[1] ?? '');
    const found = /^([A-Z_]+) "((?:[^"]|"")*)"$/.exec(query);
    if (found === null) return Buffer.concat([refusal('ERROR', '08P01', `invalid command '${query}', use SHOW HELP;`), READY]);
    const [, order = '', quoted = ''] = found;
    const name = quoted.replaceAll('""', '"');
    const at = fake.databases.get(name);
    if (fake.isDeaf) return 'wait';
    if (fake.refuses !== null) return Buffer.concat([refusal(fake.refuses.severity, fake.refuses.code, fake.refuses.message), READY]);
    if (at === undefined) return Buffer.concat([refusal('ERROR', '08P01', `no such database: ${name}`), READY]);
    if (order === 'RESUME' && !at.isPaused) return Buffer.concat([refusal('ERROR', '08P01', `database ${name} is not paused`), READY]);
    act(order, at);
    if (fault === 'lost' && order === fake.loses) {
      socket.destroy();
      return null;
    }
    if (order === 'PAUSE' && fake.isPatient && at.busy > 0) return 'wait';
    return Buffer.concat([message('C', text(order)), READY]);
  };
  const nonsense = (query: string, login: string): Buffer | null => {
    switch (fault) {
      case 'empty':
        return Buffer.concat([message('I'), READY]);
      case 'types':
        return table(['name', 'host', 'paused', 'disabled', 'database', 'cl_active'], [['orders', '7', 'x', '[]', 'orders', 'many']]);
      case 'echo':
        return Buffer.concat([refusal('ERROR', '08P01', `refused: ${login} ${query}`), READY]);
      default:
        return null;
    }
  };
  const respond = (query: string, login: string, socket: Socket): void => {
    told.push(query);
    const bad = nonsense(query, login);
    if (bad !== null) return void socket.write(bad);
    const isShown = query.startsWith('SHOW ');
    if (fault === 'truncated' || fault === 'huge') {
      const good = isShown ? show(query.slice(5)) : Buffer.concat([message('C', text('SHOW')), READY]);
      if (fault === 'truncated') return void socket.end(good.subarray(0, good.length - READY.length - 3));
      return void socket.write(Buffer.concat([message('N', text('Snotice'), Buffer.alloc(HUGE_BYTES, 'x'), Buffer.from([0, 0])), good]));
    }
    const said = answer(query, socket);
    if (said !== null && said !== 'wait') socket.write(said);
  };

  const serve = (socket: Socket): void => {
    let [kept, login, isStarted] = [Buffer.alloc(0), '', false];
    if (fault === 'html') return void socket.end('HTTP/1.1 400 Bad Request\r\n\r\n<html>Welcome</html>');
    const take = (kind: string, body: Buffer): void => {
      const said = body.toString('utf8').replace(/\0$/, '');
      if (kind === 'start') {
        login = said.replaceAll('\0', ' ');
        socket.write(message('R', int32(3)));
      } else if (kind === 'p' && said === PASSWORD) {
        login += said;
        socket.write(Buffer.concat([message('R', int32(0)), READY]));
      } else if (kind === 'p') socket.end(refusal('FATAL', '28P01', `password "${said}" is not good`));
      else if (kind === 'Q') respond(said, login, socket);
    };
    socket.on('data', (chunk: Buffer) => {
      if (fault === 'silence') return silence.meet();
      kept = Buffer.concat([kept, chunk]);
      for (;;) {
        const at = isStarted ? 1 : 0;
        const length = kept.length < at + 4 ? Number.POSITIVE_INFINITY : kept.readInt32BE(at);
        if (kept.length < at + length) return;
        take(isStarted ? kept.toString('latin1', 0, 1) : 'start', kept.subarray(at + 4, at + length));
        kept = kept.subarray(at + length);
        isStarted = true;
      }
    });
  };
  const loopback = await listening(net.createServer(serve));
  const fake: FakeConsole = {
    port: loopback.port,
    databases: new Map(
      databases.map((name) => [name, { isPaused: false, isDisabled: false, busy: 1, clients: 3, waiting: 0 } satisfies FakeDatabase]),
    ),
    told,
    effects,
    loses: '',
    isPatient: false,
    isDeaf: false,
    connections: loopback.connections,
    refuses: null,
    meets: (next) => {
      fault = next;
    },
    asked: silence.met,
    [Symbol.asyncDispose]: () => loopback[Symbol.asyncDispose](),
  };
  return fake;
};
