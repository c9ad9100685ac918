// The targets of the race, in a thread of their own so that nothing else makes them late: one small HTTP server per address, all on one port. Each
// contender asks under a path of its own, so that its looks can be counted.
import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import { parentPort, workerData } from 'node:worker_threads';
import type { Order, TargetsReply, TargetsWork } from './targets.ts';

const { addresses, port } = workerData as TargetsWork;
const looks: Record<string, number> = {};
const states = new Map<string, Order['state']>();
const servers = new Map<string, Server>();
let lossShare = 0;

const answer =
  (address: string): RequestListener =>
  (request, response) => {
    const path = request.url?.split('/')[1] ?? '';
    looks[path] = (looks[path] ?? 0) + 1;
    const state = states.get(address);
    if (state === 'hang') return;
    response.statusCode = state === '503' || (lossShare > 0 && Math.random() < lossShare) ? 503 : 200;
    response.setHeader('connection', 'close');
    response.end('ok');
  };

const open = async (address: string): Promise<void> => {
  const server = createServer(answer(address));
  servers.set(address, server);
  await once(server.listen(port, address), 'listening');
};

/** Refused: nobody listens and what was open is reset, as the kernel does for a process that is gone. */
const setState = async ({ address, state }: Order): Promise<void> => {
  const server = servers.get(address);
  states.set(address, state);
  if (state === 'refused') {
    server?.close();
    server?.closeAllConnections();
    servers.delete(address);
  } else if (state === 'well') {
    server?.closeAllConnections();
    if (server === undefined) await open(address);
  }
};

const reply = (said: TargetsReply): void => parentPort?.postMessage(said);

await Promise.all(addresses.map(open));
parentPort?.on('message', (order: Order | { lossShare: number } | 'looks') => {
  if (order === 'looks') reply({ looks: { ...looks } });
  else if ('lossShare' in order) lossShare = order.lossShare;
  else void setState(order).then(() => reply({ doneAtMs: performance.timeOrigin + performance.now() }));
});
reply({ doneAtMs: 0 });
