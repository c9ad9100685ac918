// The servers of the gate bench, in a process of their own: `floor` is a bare node http server that says one fixed thing, `gate` the production gate over a
// store in memory with many services. Prints its port.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gate as provider } from '../../providers/gate/index.ts';
import { openGate } from '../../src/gate/gate.ts';
import { serveGate } from '../../src/gate/server.ts';
import { createMetrics } from '../../src/metrics.ts';
import { realPorts } from '../../src/ports.ts';
import { openEmbedded } from '../../src/store/embedded.ts';
import { fenceOf, GATE, serviceOf } from '../providers/gate.fixture.ts';
import { silentLog } from '../world.ts';

const SERVICES = 500;

const floor = async (): Promise<number> => {
  const server = createServer((_request, response) => {
    response.writeHead(404, { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store', 'content-length': 14 });
    response.end('tidegate keep\n');
  });
  server.keepAliveTimeout = 60_000;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
};

const gate = async (): Promise<number> => {
  const ports = realPorts();
  const store = openEmbedded({ file: ':memory:', ports });
  const writer = provider.open(GATE, { store });
  const signal = new AbortController().signal;
  for (let at = 0; at < SERVICES; at += 100) {
    const services = Array.from({ length: 100 }, (_, n) =>
      serviceOf(`s${at + n}.example.test`, n % 2 === 0 ? { 'us-east': 500, 'ap-south': 500 } : {}),
    );
    const back = await writer.read(services, signal);
    await writer.apply(
      services.map((desired) => ({ desired, fence: fenceOf(1, desired), previous: back.get(desired.service)! })),
      signal,
    );
  }
  const file = { read: async () => '', replace: async () => undefined, setAside: async () => undefined };
  const opened = await openGate({ ports, store, log: silentLog, file, who: 'bench/a', cluster: () => null });
  const { port } = await serveGate({ host: '127.0.0.1', port: 0, gate: opened, who: 'bench/a', metrics: createMetrics() });
  return port;
};

process.stdout.write(`${await (process.argv[2] === 'floor' ? floor() : gate())}\n`);
