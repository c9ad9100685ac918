// A real receiver of pages: takes them over HTTP, checks each signature with the reference library, and keeps what came.
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import { Webhook } from 'standardwebhooks';

export interface Received {
  id: string;
  type: string;
  summary: string;
  /** How many it came with: one for each secret that its sender has. */
  signatures: number;
  body: Readonly<Record<string, unknown>>;
}

export interface Receiver extends AsyncDisposable {
  url: string;
  /** From now on signatures must be of this secret. Before, nothing is accepted. */
  trust(secret: string): void;
  /** Accepted, in order. */
  readonly received: readonly Received[];
  /** Turned away since the signature was wrong. */
  readonly refused: readonly string[];
}

const textOf = async (request: IncomingMessage): Promise<string> => {
  let text = '';
  for await (const chunk of request) text += String(chunk);
  return text;
};

export interface ReceiverOptions {
  /** An IP literal; 127.0.0.1 and any free port unless said. */
  host?: string;
  port?: number;
  onReceived?(page: Received): void;
}

export const startReceiver = async ({ host = '127.0.0.1', port = 0, onReceived }: ReceiverOptions = {}): Promise<Receiver> => {
  const received: Received[] = [];
  const refused: string[] = [];
  let secret: string | null = null;
  const server = createServer((request, reply) => {
    void textOf(request).then((text) => {
      if (secret === null) return void reply.writeHead(503).end();
      try {
        const headers = Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)]));
        new Webhook(secret).verify(text, headers);
        const body = JSON.parse(text) as { type: string; data: { summary: string } };
        const signatures = (headers['webhook-signature'] ?? '').split(' ').length;
        const page = { id: headers['webhook-id'] ?? '', type: body.type, summary: body.data.summary, signatures, body };
        received.push(page);
        onReceived?.(page);
        reply.writeHead(204).end();
      } catch (error) {
        refused.push(String(error));
        reply.writeHead(401).end();
      }
    });
  });
  server.listen(port, host);
  await once(server, 'listening');
  const address = server.address();
  return {
    url: `http://${host}:${typeof address === 'object' && address !== null ? address.port : 0}/pages`,
    trust: (given) => {
      secret = given;
    },
    received,
    refused,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
};
