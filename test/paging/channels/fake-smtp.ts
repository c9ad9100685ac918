// A fake mail server: speaks enough SMTP to be sent to, answers each command as it is told, and remembers what it heard. What a real one does is
// test/system/email.test.ts.
import { once } from 'node:events';
import net from 'node:net';
import tls from 'node:tls';

export type Verb = 'CONNECT' | 'EHLO' | 'STARTTLS' | 'AUTH' | 'MAIL' | 'RCPT' | 'DATA' | 'MESSAGE';
/** A line to answer with, or something else to do: to say nothing, to hang up. */
export type Answer = string | ((socket: net.Socket) => void);

export interface FakeSmtpOptions {
  /** What EHLO offers. */
  offers?: readonly string[];
  /** Certificate of STARTTLS, or of the port itself with `implicit`. */
  tls?: { key: string; cert: string };
  implicit?: boolean;
  /** First to last for each command; then as a server that takes everything. MESSAGE: after the end of the data; half of it is enough for a function. */
  answers?: Partial<Record<Verb, readonly Answer[]>>;
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
  MESSAGE: '250 queued',
};

export const hangUp = (socket: net.Socket): void => void socket.destroy();
export const saysNothing = (): void => undefined;

interface Session {
  socket: net.Socket;
  secure: boolean;
  buffer: string;
  inData: boolean;
}

export const startFakeSmtp = async ({
  offers = [],
  tls: cert,
  implicit = false,
  answers = {},
}: FakeSmtpOptions = {}): Promise<FakeSmtp> => {
  const [heard, messages]: [string[], string[]] = [[], []];
  const sockets = new Set<net.Socket>();
  const left = new Map(Object.entries(answers).map(([verb, list]) => [verb, [...list]]));
  const answer = (session: Session, verb: Verb): string => {
    const next = left.get(verb)?.shift();
    if (typeof next === 'function') {
      next(session.socket);
      return '';
    }
    const lines = ['fake.test', ...offers.filter((offer) => !session.secure || offer !== 'STARTTLS')];
    const usual =
      verb === 'EHLO' ? lines.map((line, n) => `250${n === lines.length - 1 ? ' ' : '-'}${line}`).join('\r\n') : TAKES_ALL[verb];
    const text = next ?? usual;
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
    // One that is to hang up in the middle does not wait for the end.
    if (end < 0 && typeof left.get('MESSAGE')?.[0] === 'function' && session.buffer.length > 100) answer(session, 'MESSAGE');
    if (end < 0) return false;
    messages.push(session.buffer.slice(0, end + 2));
    session.buffer = session.buffer.slice(end + 5);
    session.inData = false;
    answer(session, 'MESSAGE');
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
    socket.once('close', () => sockets.delete(socket));
    const session: Session = { socket, secure: implicit, buffer: '', inData: false };
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
