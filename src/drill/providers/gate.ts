// The demo on gates: every region says what is to be drained, and a stand-in for a vendor's health checker polls the gates of the others. Its DNS is a zone of
// ours with fixed weights, which nobody writes during a failover.
import { createHttp } from '../../http.ts';
import { freePort } from '../port.ts';
import type { OpenProviderRoom } from '../provider-room.ts';
import { PLACES, SERVICE } from '../scene.ts';
import { askOver, startHealthChecker } from '../stand-ins/health-checker.ts';
import { openAnswered } from './users.ts';

const LOOPBACK = '127.0.0.1';
const INTERVAL_MS = 1000;
const TIMEOUT_MS = 500;
const FAILURES = 2;
const AGREE = 2;

export const openGateRoom: OpenProviderRoom = async (options) => {
  const { ports } = options;
  const users = await openAnswered(options, "the vendor's DNS");
  const numbers = new Set<number>();
  while (numbers.size < PLACES.length) numbers.add(await freePort(ports, [LOOPBACK]));
  const gates = new Map([...numbers].map((port, i) => [PLACES[i]?.region ?? '', `${LOOPBACK}:${port}`]));
  const http = createHttp({ ports, resolve: async (host) => ({ addresses: [host], stale: null, ageMs: 0 }) });
  const checker = startHealthChecker({
    ports,
    ask: askOver(http),
    form: 'survivor',
    name: SERVICE,
    pools: PLACES.map(({ region, address }) => ({
      pool: region,
      address,
      weight: 1,
      gates: [...gates].filter(([other]) => other !== region).map(([, at]) => `http://${at}/gate/${SERVICE}/${region}`),
    })),
    intervalMs: INTERVAL_MS,
    timeoutMs: TIMEOUT_MS,
    failures: FAILURES,
    agree: AGREE,
    onServed: ({ weights }) => users.show(weights),
  });
  return {
    ...users.room,
    where: `a stand-in for a vendor's health checker, whose DNS is on 127.0.0.1:${users.room.dnsPort}; gates on ${[...gates.values()].join(', ')}`,
    serving: { ...users.room.serving, name: 'the gates' },
    entry: () => ({
      kind: 'gate',
      form: 'survivor',
      checker: { kind: 'other', interval: `${INTERVAL_MS}ms`, failures: FAILURES, agree: AGREE, proxied: false },
    }),
    sections: (region) => ({ gate: { listen: gates.get(region), file: `${region}.gate` } }),
    anchors: [users.anchor],
    async close() {
      checker.close();
      await http.close();
      await users.close();
    },
  };
};
