// A TCP proxy on loopback that misbehaves on command: it delays, loses or cuts what flows through it. Rules hold for open and new connections alike.
// What a rule swallowed is gone: `heal` drops the connections that lost bytes, as a real network would make their ends do sooner or later.
import net from 'node:net';

type Rule =
  | { kind: 'pass' }
  /** Replies arrive this much later. */
  | { kind: 'delay'; replyMs: number }
  /** Requests pass; of the replies only the first bytes, counted per connection from now on. */
  | { kind: 'drop-replies'; afterBytes: number; then: 'silence' | 'reset' }
  /** Requests pass; what answers one that holds this text is swallowed, and its connection reset. */
  | { kind: 'lose-replies'; to: string }
  /** Connections are accepted and nothing ever passes. */
  | { kind: 'blackhole' };

interface Pair {
  client: net.Socket;
  server: net.Socket;
  replyBytes: number;
  damaged: boolean;
  /** The next reply answers a request whose replies are lost. */
  losing: boolean;
  /** Replies leave in order, however their delays differ. */
  tail: Promise<void>;
}

export interface ChaosProxy {
  readonly port: number;
  /** Connections made from now on lead to this port of 127.0.0.1. */
  retarget(port: number): void;
  delay(replyMs: number): void;
  dropReplies(afterBytes: number, then: 'silence' | 'reset'): void;
  /** Requests are served, but of those that hold `text` nobody hears. */
  loseReplies(text: string): void;
  blackhole(): void;
  /** Ends every open connection with RST; new ones follow the rule. */
  reset(): void;
  /** Ends every open connection and refuses new ones. */
  cut(): Promise<void>;
  heal(): Promise<void>;
  /** Bytes that clients sent so far, whether or not they were passed on. */
  readonly requestBytes: number;
  /** Connections accepted so far. */
  readonly accepted: number;
  close(): Promise<void>;
}

const listen = (server: net.Server, port: number): Promise<number> =>
  new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      server.off('error', reject);
      resolve((server.address() as net.AddressInfo).port);
    });
  });

/** Does not keep the process: a reply delayed past the end of a test is nobody's. */
const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms).unref());

export const startChaosProxy = async (toPort: number): Promise<ChaosProxy> => {
  let target = toPort;
  let rule: Rule = { kind: 'pass' };
  let requestBytes = 0;
  let accepted = 0;
  const pairs = new Set<Pair>();

  const drop = (pair: Pair): void => {
    pairs.delete(pair);
    pair.client.resetAndDestroy();
    pair.server.destroy();
  };
  const setRule = (next: Rule): void => {
    rule = next;
    for (const pair of pairs) pair.replyBytes = 0;
  };
  const onRequest = (pair: Pair, chunk: Buffer): void => {
    requestBytes += chunk.length;
    if (rule.kind === 'lose-replies') pair.losing = chunk.includes(rule.to);
    if (rule.kind === 'blackhole') pair.damaged = true;
    else pair.server.write(chunk);
  };
  const onReply = (pair: Pair, chunk: Buffer): void => {
    const send = (bytes: Buffer): void => {
      if (!pair.client.destroyed) pair.client.write(bytes);
    };
    switch (rule.kind) {
      case 'blackhole':
        pair.damaged = true;
        return;
      case 'drop-replies': {
        const left = Math.max(0, rule.afterBytes - pair.replyBytes);
        pair.replyBytes += chunk.length;
        if (left > 0) send(chunk.subarray(0, left));
        if (chunk.length <= left) return;
        pair.damaged = true;
        if (rule.then === 'reset') drop(pair);
        return;
      }
      case 'lose-replies':
        if (pair.losing) drop(pair);
        else send(chunk);
        return;
      case 'pass':
      case 'delay': {
        const due = rule.kind === 'delay' ? wait(rule.replyMs) : Promise.resolve();
        pair.tail = Promise.all([pair.tail, due]).then(() => send(chunk));
        return;
      }
    }
  };
  const onConnection = (client: net.Socket): void => {
    accepted += 1;
    const pair: Pair = {
      client,
      server: net.connect(target, '127.0.0.1'),
      replyBytes: 0,
      damaged: false,
      losing: false,
      tail: Promise.resolve(),
    };
    pairs.add(pair);
    for (const socket of [pair.client, pair.server]) {
      socket.setNoDelay(true);
      socket.on('error', () => drop(pair));
      socket.on('close', () => {
        // A black hole does not tell one end that the other has gone.
        if (rule.kind !== 'blackhole') drop(pair);
      });
    }
    client.on('data', (chunk: Buffer) => onRequest(pair, chunk));
    pair.server.on('data', (chunk: Buffer) => onReply(pair, chunk));
  };

  let server = net.createServer(onConnection);
  const port = await listen(server, 0);
  const stopListening = (): Promise<void> =>
    new Promise((resolve) => {
      if (server.listening) server.close(() => resolve());
      else resolve();
      for (const pair of [...pairs]) drop(pair);
    });

  return {
    port,
    get requestBytes() {
      return requestBytes;
    },
    get accepted() {
      return accepted;
    },
    retarget: (next) => {
      target = next;
    },
    delay: (replyMs) => setRule({ kind: 'delay', replyMs }),
    dropReplies: (afterBytes, then) => setRule({ kind: 'drop-replies', afterBytes, then }),
    loseReplies: (to) => setRule({ kind: 'lose-replies', to }),
    blackhole: () => setRule({ kind: 'blackhole' }),
    reset: () => {
      for (const pair of [...pairs]) drop(pair);
    },
    cut: stopListening,
    heal: async () => {
      setRule({ kind: 'pass' });
      for (const pair of [...pairs]) if (pair.damaged) drop(pair);
      // Somebody else's outgoing connection may sit on the port for a moment.
      for (let attempt = 0; !server.listening; attempt++) {
        server = net.createServer(onConnection);
        await listen(server, port).catch(async (error: unknown) => {
          if (attempt === 50) throw error;
          await wait(100);
        });
      }
    },
    close: stopListening,
  };
};
