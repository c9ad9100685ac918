// A fake mail server: speaks enough SMTP to be sent to, answers each command as it is told, and remembers what it heard. What a real one does is
// test/system/paging/email.test.ts.
import { EventEmitter, once } from 'node:events';
import net from 'node:net';
import tls from 'node:tls';
import { expect } from 'vitest';
import type { Behaviour, Receiver, StartReceiver, Told } from './receiver.ts';

/** HALF: when a part of the message is there. MESSAGE: after its end. */
export type Verb = 'CONNECT' | 'EHLO' | 'STARTTLS' | 'AUTH' | 'MAIL' | 'RCPT' | 'DATA' | 'HALF' | 'MESSAGE';
/** A line to answer with, or something else to do: to say nothing, to hang up. */
export type Answer = string | ((socket: net.Socket) => void);

export interface FakeSmtpOptions {
  /** What EHLO offers. */
  offers?: readonly string[];
  /** Certificate of STARTTLS, or of the port itself with `implicit`. */
  tls?: { key: string; cert: string };
  implicit?: boolean;
  /** First to last for each command; then as a server that takes everything. */
  answers?: Partial<Record<Verb, readonly Answer[]>>;
  /** Asked before `answers`; undefined: as usual. */
  answer?: (verb: Verb) => Answer | undefined;
  /** A connection came or went, or a message was taken. */
  onChange?: () => void;
}

export interface FakeSmtp extends AsyncDisposable {
  port: number;
  /** Commands as heard, `tls ` before those that came over TLS; message texts are not among them. */
  heard: string[];
  messages: string[];
  /** Connections that are open. */
  open(): number;
}

const TAKES_ALL: Readonly<Record<Exclude<Verb, 'EHLO'>, string>> = {
  CONNECT: '220 fake.test ESMTP',
  STARTTLS: '220 go ahead',
  AUTH: '235 welcome',
  MAIL: '250 ok',
  RCPT: '250 ok',
  DATA: '354 go on',
  HALF: '',
  MESSAGE: '250 queued',
};

export const hangUp = (socket: net.Socket): void => void socket.destroy();
export const saysNothing = (): void => undefined;

interface Session {
  socket: net.Socket;
  secure: boolean;
  buffer: string;
  inData: boolean;
  recipients: number;
  /** Nothing more is taken. */
  isOver: boolean;
}

export const startFakeSmtp = async (options: FakeSmtpOptions = {}): Promise<FakeSmtp> => {
  const { offers = [], tls: cert, implicit = false, answers = {}, onChange = () => undefined } = options;
  const [heard, messages]: [string[], string[]] = [[], []];
  const sockets = new Set<net.Socket>();
  const left = new Map(Object.entries(answers).map(([verb, list]) => [verb, [...list]]));
  const usual = (session: Session, verb: Verb): string => {
    if (verb === 'DATA' && session.recipients === 0) return '503 nobody to send it to';
    if (verb !== 'EHLO') return TAKES_ALL[verb];
    const lines = ['fake.test', ...offers.filter((offer) => !session.secure || offer !== 'STARTTLS')];
    return lines.map((line, n) => `250${n === lines.length - 1 ? ' ' : '-'}${line}`).join('\r\n');
  };
  const answer = (session: Session, verb: Verb): string => {
    const next = options.answer?.(verb) ?? left.get(verb)?.shift();
    if (typeof next === 'function') {
      next(session.socket);
      return '';
    }
    const text = next ?? usual(session, verb);
    session.socket.write(`${text}\r\n`);
    return text;
  };
  const listen = (session: Session): void => {
    session.socket.on('error', () => undefined);
    session.socket.on('data', (chunk) => {
      session.buffer += chunk.toString('latin1');
      take(session);
    });
  };
  const upgrade = (session: Session): void => {
    session.socket.removeAllListeners('data');
    const socket = new tls.TLSSocket(session.socket, { isServer: true, secureContext: tls.createSecureContext(cert) });
    Object.assign(session, { socket, secure: true, buffer: '' });
    listen(session);
  };
  const takeMessage = (session: Session): boolean => {
    const end = session.buffer.indexOf('\r\n.\r\n');
    const half = session.buffer.length > 100 ? left.get('HALF')?.shift() : undefined;
    if (typeof half === 'function') {
      half(session.socket);
      session.isOver = true;
    }
    if (end < 0 || session.isOver) return false;
    messages.push(session.buffer.slice(0, end + 2));
    session.buffer = session.buffer.slice(end + 5);
    session.inData = false;
    answer(session, 'MESSAGE');
    onChange();
    return true;
  };
  const takeLine = (session: Session): boolean => {
    const end = session.buffer.indexOf('\r\n');
    if (end < 0) return false;
    const line = session.buffer.slice(0, end);
    session.buffer = session.buffer.slice(end + 2);
    heard.push(`${session.secure ? 'tls ' : ''}${line}`);
    const verb = line.slice(0, 4).toUpperCase();
    const known: Verb | undefined =
      verb === 'STAR' ? 'STARTTLS' : (['EHLO', 'AUTH', 'MAIL', 'RCPT', 'DATA'] as const).find((each) => each === verb);
    if (known === undefined) session.socket.write('500 what?\r\n');
    else {
      const said = answer(session, known);
      if (known === 'RCPT' && said.startsWith('2')) session.recipients += 1;
      if (known === 'DATA' && said.startsWith('3')) session.inData = true;
      if (known === 'STARTTLS' && said.startsWith('2')) upgrade(session);
    }
    return true;
  };
  const take = (session: Session): void => {
    while (session.inData ? takeMessage(session) : takeLine(session));
  };
  const onConnection = (socket: net.Socket): void => {
    sockets.add(socket);
    socket.once('close', () => {
      sockets.delete(socket);
      onChange();
    });
    const session: Session = { socket, secure: implicit, buffer: '', inData: false, recipients: 0, isOver: false };
    listen(session);
    answer(session, 'CONNECT');
  };
  const server = implicit ? tls.createServer({ ...cert }, onConnection) : net.createServer(onConnection);
  server.on('tlsClientError', () => undefined);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as net.AddressInfo).port,
    heard,
    messages,
    open: () => sockets.size,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
};

/** As the contract of channels wants a receiver: each connection brings one notice, taken when its message is. */
export const startSmtpReceiver: StartReceiver = async (identity): Promise<Receiver> => {
  const queue: Behaviour[] = [];
  const news = new EventEmitter();
  let connections = 0;
  let dripping: net.Socket | null = null;
  const drips = (socket: net.Socket): void => {
    dripping = socket;
  };
  const BY_BEHAVIOUR: Readonly<Record<string, Answer>> = { fail: '451 later', silence: saysNothing, die: hangUp, drip: drips };
  const answer = (verb: Verb): Answer | undefined => {
    if (verb === 'CONNECT') connections += 1;
    if (verb === 'CONNECT' && queue[0] === 'slam') {
      queue.shift();
      return hangUp;
    }
    return verb === 'MESSAGE' ? BY_BEHAVIOUR[String(queue.shift())] : undefined;
  };
  const server = await startFakeSmtp({
    offers: ['AUTH PLAIN'],
    answer,
    onChange: () => void news.emit('change'),
    ...(identity === undefined ? {} : { tls: identity, implicit: true }),
  });
  const until = async (done: () => boolean): Promise<void> => {
    while (!done()) await once(news, 'change');
  };
  return {
    port: server.port,
    get told() {
      return server.messages.map((body): Told => ({ path: '', headers: {}, body }));
    },
    connections: () => connections,
    behave: (...next) => void queue.push(...next),
    taken: (count) => until(() => server.messages.length >= count),
    drip: () => new Promise((resolve) => (dripping?.writable ? dripping.write('2', () => resolve()) : resolve())),
    flooded: () => 0,
    idle: () => until(() => server.open() === 0),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
};

const HEADERS = ['auto-submitted', 'x-tidegate-key', 'from', 'to', 'in-reply-to', 'references', 'subject', 'message-id', 'date'];
const MIME_HEADERS = ['content-transfer-encoding', 'mime-version', 'content-type'];
/** Nobody reads more, and servers take ten times as much. */
const MESSAGE_BYTES_MAX = 100_000;

/** RFC 5322: printable ASCII in lines of at most 998, each header once; what we promise besides: our headers and no other, and a size. */
export const holdMessage = ({ body }: Pick<Told, 'body'>): void => {
  const lines = body.split('\r\n');
  for (const line of lines) expect(line).toMatch(/^[\t\x20-\x7e]{0,998}$/);
  expect(body.length).toBeLessThan(MESSAGE_BYTES_MAX);
  const headers = lines.slice(0, lines.indexOf('')).filter((line) => !/^[ \t]/.test(line));
  expect(headers.map((line) => line.slice(0, line.indexOf(':')).toLowerCase())).toEqual([...HEADERS, ...MIME_HEADERS]);
};
