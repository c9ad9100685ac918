// The targets on Node: `sockets serve` of sockets.c word for word, but for dropping connections, which Node cannot.
//   node-targets.ts INTERVAL_MS CERTIFICATE SPEAKS     the second as JSON; null: plain. The third: http or grpc
import { once } from 'node:events';
import http2 from 'node:http2';
import net, { type AddressInfo } from 'node:net';
import { createInterface } from 'node:readline';
import tls from 'node:tls';
import { quantile } from '../numbers.ts';
import { type Certificate, readPair } from './targets.ts';

const ANSWER = 'HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 3\r\n\r\nok\n';
const [intervalMs, certificate] = [Number(process.argv[2]), JSON.parse(process.argv[3] ?? 'null') as Certificate | null];
const speaksGrpc = process.argv[4] === 'grpc';
const SERVING = Buffer.from('00000000020801', 'hex');
const lastMs = new Map<string, number>();
let [looks, open] = [0, 0];
let gapsMs: number[] = [];
let hangs = false;

const meet = (socket: net.Socket, second: boolean): void => {
  const at = performance.now();
  const to = `${second} ${socket.localAddress}`;
  const last = lastMs.get(to);
  if (last !== undefined) gapsMs.push(Math.abs(at - last - intervalMs));
  lastMs.set(to, at);
  looks += 1;
  open += 1;
  socket.on('error', () => {});
  socket.once('close', () => {
    open -= 1;
  });
};

const serve = (second: boolean) => (socket: net.Socket) => {
  meet(socket, second);
  const answers = !(second && hangs);
  socket.on('data', () => answers && socket.write(ANSWER));
};

const grpcServer = (second: boolean): net.Server => {
  const server = http2.createServer();
  server.on('connection', (socket: net.Socket) => meet(socket, second));
  server.on('session', (session) => session.on('error', () => {}));
  server.on('sessionError', () => {});
  server.on('stream', (stream: http2.ServerHttp2Stream) => {
    stream.on('error', () => {});
    if (second && hangs) return;
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.once('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    stream.end(SERVING);
  });
  return server;
};

const serverOf = (second: boolean): net.Server => {
  if (speaksGrpc) return grpcServer(second);
  return certificate === null ? net.createServer(serve(second)) : tls.createServer(readPair(certificate), serve(second));
};

const listen = async (second: boolean, port = 0): Promise<net.Server> => {
  const server = serverOf(second);
  server.on('tlsClientError', () => {});
  server.listen({ port, host: '0.0.0.0', backlog: 4096 });
  await once(server, 'listening');
  return server;
};

const portOf = (server: net.Server): number => (server.address() as AddressInfo).port;
const first = await listen(false);
let second = await listen(true);
const ports = [portOf(first), portOf(second)];

const behave = async (how: string): Promise<void> => {
  if (how === 'silent') throw new Error('only sockets.c can drop connections');
  hangs = how === 'hang';
  if (second.listening && how === 'refuse') second.close();
  if (!second.listening && how !== 'refuse') second = await listen(true, ports[1]);
};

const obey = async (line: string): Promise<object> => {
  if (line !== 'stat' && line !== 'forget') {
    await behave(line);
    return {};
  }
  if (line === 'forget') lastMs.clear();
  const seen = { looks, open, gapP99Ms: quantile(gapsMs, 0.99), gapMaxMs: quantile(gapsMs, 1) };
  looks = 0;
  gapsMs = [];
  return line === 'stat' ? seen : {};
};

process.stdout.write(`${JSON.stringify({ ports })}\n`);
for await (const line of createInterface({ input: process.stdin })) process.stdout.write(`${JSON.stringify(await obey(line))}\n`);
process.exit(0);
