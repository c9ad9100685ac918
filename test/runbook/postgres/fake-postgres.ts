// A fake of one Postgres, at the level of its wire: it takes a password in the clear, answers the few statements that are asked here, and fails in every way that the
// contract of steps names. What real servers answer is proved in test/system/data/postgres.test.ts.
import net, { type Socket } from 'node:net';
import type { Fault } from '../../contract/step.contract.ts';
import { createSilence, listening } from '../loopback.ts';

export interface FakePostgresState {
  inRecovery: boolean;
  systemId: string;
  timeline: number;
  currentLsn: number | null;
  receivedLsn: number | null;
  replayedLsn: number | null;
  replayedAtMs: number | null;
}

export interface FakePostgres extends AsyncDisposable {
  /** `host:port`. */
  address: string;
  state: FakePostgresState;
  /** Rows of the canary's table, by key. */
  rows: Map<string, string>;
  meets(fault: Fault | null): void;
  asked(): Promise<void>;
}

const text = (value: string): Buffer => Buffer.from(`${value}\0`);
const int32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
};
const int16 = (value: number): Buffer => {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
};
const message = (type: string, ...parts: readonly Buffer[]): Buffer => {
  const body = Buffer.concat(parts);
  return Buffer.concat([Buffer.from(type), int32(body.length + 4), body]);
};
const refusal = (code: string, said: string): Buffer =>
  message('E', text('SERROR'), text('VERROR'), text(`C${code}`), text(`M${said}`), Buffer.from([0]));

type Cell = boolean | number | string | null;
const TYPES = { boolean: 16, number: 701, string: 25 } as const;
const cellText = (cell: Exclude<Cell, null>): string => (typeof cell === 'boolean' ? (cell ? 't' : 'f') : String(cell));
const described = (row: Readonly<Record<string, Cell>>): Buffer =>
  message(
    'T',
    int16(Object.keys(row).length),
    ...Object.entries(row).map(([name, cell]) =>
      Buffer.concat([
        text(name),
        int32(0),
        int16(0),
        // Floats are text here; which of them is null does not matter to the reader.
        int32(cell === null ? 701 : TYPES[typeof cell as keyof typeof TYPES]),
        int16(-1),
        int32(-1),
        int16(0),
      ]),
    ),
  );
const rowOf = (row: Readonly<Record<string, Cell>>): Buffer =>
  message(
    'D',
    int16(Object.keys(row).length),
    ...Object.values(row).map((cell) =>
      cell === null ? int32(-1) : Buffer.concat([int32(Buffer.byteLength(cellText(cell))), Buffer.from(cellText(cell))]),
    ),
  );

const READY = message('Z', Buffer.from('I'));
const HUGE_BYTES = 10 * 1024 * 1024;

export const startFakePostgres = async (password: string, given: Partial<FakePostgresState> = {}): Promise<FakePostgres> => {
  const silence = createSilence();
  const rows = new Map<string, string>();
  let fault: Fault | null = null;
  const state: FakePostgresState = {
    inRecovery: false,
    systemId: '7268616322854375442',
    timeline: 1,
    currentLsn: 1000,
    receivedLsn: null,
    replayedLsn: null,
    replayedAtMs: null,
    ...given,
  };
  /** Each is a column of the one row. null: no rows. */
  const answer = (statement: string, values: readonly string[]): Readonly<Record<string, Cell>> | null | Error => {
    if (/pg_is_in_recovery\(\) AS in_recovery/.test(statement))
      return {
        in_recovery: state.inRecovery,
        system_id: state.systemId,
        timeline: state.timeline,
        current_lsn: state.inRecovery ? null : (state.currentLsn ?? state.replayedLsn),
        received_lsn: state.receivedLsn,
        replayed_lsn: state.replayedLsn,
        replayed_at_ms: state.replayedAtMs,
        may_list: false,
        receivers: 0,
        upstream_lsn: null,
        heard_at_ms: null,
        now_ms: Date.now(),
      };
    if (/to_regclass/.test(statement)) return { found: true };
    if (/^INSERT/.test(statement)) {
      if (state.inRecovery) return new Error('cannot execute INSERT in a read-only transaction');
      rows.set(values[0]!, values[1]!);
      return null;
    }
    if (/^SELECT nonce/.test(statement)) return { nonce: rows.get(values[0]!) ?? '' };
    return new Error(`the fake does not know ${statement.slice(0, 40)}`);
  };

  const serve = (socket: Socket): void => {
    let buffer = Buffer.alloc(0);
    let stage: 'startup' | 'password' | 'open' = 'startup';
    let heard = '';
    let [parsed, bound]: [string, readonly string[]] = ['', []];
    const say = (...parts: readonly Buffer[]): void => void socket.write(Buffer.concat(parts));
    const replied = (found: ReturnType<typeof answer>, isSimple: boolean): Buffer => {
      if (found instanceof Error) return refusal('25006', found.message);
      const row = found === null ? [] : [...(isSimple ? [described(found)] : []), rowOf(found)];
      return Buffer.concat([...row, message('C', text(found === null ? 'INSERT 0 1' : 'SELECT 1'))]);
    };
    /** The answer as the fault has it. null: nothing more is said. */
    const spoilt = (found: ReturnType<typeof answer>, statement: string, isSimple: boolean): Buffer | null => {
      const whole = replied(found, isSimple);
      switch (fault) {
        case 'silence':
          silence.meet();
          return null;
        case 'empty':
        case 'html':
          socket.end(fault === 'html' ? 'HTTP/1.1 200 OK\r\n\r\n<html>Welcome, please sign in</html>' : '');
          return null;
        case 'truncated':
          socket.end(whole.subarray(0, -1));
          return null;
        case 'types':
          return replied(
            found === null || found instanceof Error ? null : Object.fromEntries(Object.keys(found).map((key) => [key, 'x'])),
            isSimple,
          );
        case 'huge':
          return Buffer.concat([whole, message('N', Buffer.alloc(HUGE_BYTES))]);
        case 'echo':
          return refusal('42501', `${statement} ${heard}`);
        case 'lost':
          if (!statement.startsWith('INSERT')) return whole;
          socket.destroy();
          return null;
        default:
          return whole;
      }
    };
    const login = (body: Buffer): void => {
      const [given = ''] = body.toString('latin1').split('\0');
      heard += body.toString('latin1').replaceAll('\0', ' ');
      if (stage === 'startup') {
        stage = 'password';
        say(message('R', int32(3)));
      } else if (given === password) {
        stage = 'open';
        say(message('R', int32(0)), READY);
      } else say(refusal('28P01', `password authentication failed: ${given}`));
    };
    const execute = (statement: string, isSimple: boolean): void => {
      const reply = spoilt(answer(statement, bound), statement, isSimple);
      if (reply !== null) say(reply, ...(isSimple ? [READY] : []));
    };
    const take = (type: string, body: Buffer): void => {
      const words = body.toString('latin1').split('\0');
      if (stage !== 'open') login(body);
      else if (type === 'Q') execute(words[0]!, true);
      else if (type === 'P') {
        parsed = words[1]!;
        say(message('1'));
      } else if (type === 'B') {
        bound = valuesIn(body);
        say(message('2'));
      } else if (type === 'D') {
        // Asked about what will be answered: an insert has no rows.
        const found = parsed.startsWith('INSERT') ? null : answer(parsed, bound);
        say(found === null || found instanceof Error ? message('n') : described(found));
      } else if (type === 'E') execute(parsed, false);
      else if (type === 'S' && fault !== 'silence') say(READY);
      else if (type === 'X') socket.end();
    };
    socket.on('data', (chunk: Buffer) => {
      buffer = Buffer.concat([buffer, chunk]);
      for (;;) {
        const head = stage === 'startup' ? 0 : 1;
        if (buffer.length < head + 4) return;
        const size = head + buffer.readInt32BE(head);
        if (buffer.length < size) return;
        const [type, body] = [buffer.subarray(0, head).toString(), buffer.subarray(head + 4, size)];
        buffer = buffer.subarray(size);
        take(type, body);
      }
    });
  };
  const loopback = await listening(net.createServer(serve));
  return {
    address: `127.0.0.1:${loopback.port}`,
    state,
    rows,
    meets: (next) => {
      fault = next;
    },
    asked: silence.met,
    [Symbol.asyncDispose]: () => loopback[Symbol.asyncDispose](),
  };
};

/** Of a Bind with text parameters. */
const valuesIn = (body: Buffer): readonly string[] => {
  let at = body.indexOf(0) + 1;
  at = body.indexOf(0, at) + 1;
  at += 2 + 2 * body.readInt16BE(at);
  const values: string[] = [];
  for (let left = body.readInt16BE(at), from = at + 2; left > 0; left--) {
    const size = body.readInt32BE(from);
    values.push(body.subarray(from + 4, from + 4 + size).toString());
    from += 4 + size;
  }
  return values;
};
