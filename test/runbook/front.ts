// The wire of a world over HTTP: a server on loopback that hands requests to a fake, and fails in every way that the contract of steps names.
import http from 'node:http';
import type { Fault } from '../contract/step.contract.ts';
import { createSilence, listening } from './loopback.ts';

export interface Asked {
  method: string;
  /** With its query. */
  path: string;
  headers: Readonly<Record<string, string>>;
  body: string;
}

export interface Said {
  status: number;
  json?: unknown;
  text?: string;
  headers?: Readonly<Record<string, string>>;
}

export interface Front extends AsyncDisposable {
  url: string;
  /** All that arrived whole, in order. */
  readonly told: readonly Asked[];
  meets(fault: Fault | null): void;
  /** Resolves once a request has met the silence. */
  asked(): Promise<void>;
}

const HUGE_BYTES = 10 * 1024 * 1024;
const WRONG_TYPES = { kind: 7, status: [], metadata: 'x', spec: null, payloads: { a: 1 }, data: 'x', state: 3, items: 5 };

const dump = ({ method, path, headers, body }: Asked): string => `${method} ${path} ${JSON.stringify(headers)} ${body}`;

/** `answer`: a fake's, or what it answered to the same request passed on. `isEffect`: a request that changes something; garbage is answered without it, and its reply may be lost. By default what is no GET. */
export const startFront = async (
  answer: (asked: Asked) => Said | Promise<Said>,
  isEffect: (asked: Asked) => boolean = ({ method }) => method !== 'GET',
): Promise<Front> => {
  const told: Asked[] = [];
  const silence = createSilence();
  let fault: Fault | null = null;

  const say = (reply: http.ServerResponse, { status, json, text = JSON.stringify(json), headers = {} }: Said): void => {
    reply.writeHead(status, { 'content-type': json === undefined ? 'text/plain' : 'application/json', ...headers });
    reply.end(text);
  };
  const nonsense = async (asked: Asked): Promise<Said | null> => {
    const real = async (): Promise<Said> => (isEffect(asked) ? { status: 200, json: {} } : answer(asked));
    const whole = (said: Said): string => said.text ?? JSON.stringify(said.json);
    switch (fault) {
      case 'empty':
        return { status: 200, text: '' };
      case 'html':
        return { status: 200, text: '<html><body>Welcome, please sign in</body></html>', headers: { 'content-type': 'text/html' } };
      case 'truncated':
        return { status: 200, text: whole(await real()).slice(0, -1), headers: { 'content-type': 'application/json' } };
      case 'types':
        return { status: 200, json: WRONG_TYPES };
      case 'huge': {
        const said = await real();
        return { ...said, text: whole(said) + ' '.repeat(HUGE_BYTES) };
      }
      case 'echo':
        return { status: 400, json: { kind: 'Status', status: 'error', reason: 'BadRequest', message: dump(asked), error: dump(asked) } };
      default:
        return null;
    }
  };
  const respond = async (asked: Asked, reply: http.ServerResponse): Promise<void> => {
    if (fault === 'silence') return silence.meet();
    const bad = await nonsense(asked);
    if (bad !== null) return say(reply, bad);
    const isLost = fault === 'lost' && isEffect(asked);
    const said = await answer(asked);
    if (isLost) reply.socket?.destroy();
    else say(reply, said);
  };
  const server = http.createServer((request, reply) => {
    const chunks: Buffer[] = [];
    request.on('error', () => undefined);
    reply.on('error', () => undefined);
    request.on('data', (chunk: Buffer) => void chunks.push(chunk));
    request.on('end', () => {
      const { method = '', url = '', headers } = request;
      const asked = { method, path: url, headers: headers as Record<string, string>, body: Buffer.concat(chunks).toString('utf8') };
      told.push(asked);
      void respond(asked, reply);
    });
  });
  const loopback = await listening(server);
  return {
    url: `http://127.0.0.1:${loopback.port}`,
    told,
    meets: (next) => {
      fault = next;
    },
    asked: silence.met,
    [Symbol.asyncDispose]: () => loopback[Symbol.asyncDispose](),
  };
};
