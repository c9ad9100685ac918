// The ways out as the checks see them: providers are read, name servers and anchors are asked, one page may be sent.
import { decidedIn, lookAll } from '../../command/plan.ts';
import type { openedProviders } from '../../command/providers.ts';
import type { ReplicaConfig } from '../../config/schema.ts';
import { serverOf } from '../../converge/ask.ts';
import { follow } from '../../dns/codec.ts';
import { query } from '../../dns/exchange.ts';
import { errorText, Fault } from '../../errors.ts';
import type { Http } from '../../http.ts';
import type { Page, ServiceConfig } from '../../model.ts';
import { pathsOf } from '../../model.ts';
import { type Ports, parseTime, withDeadline } from '../../ports.ts';
import { probe } from '../../probe/index.ts';
import { anchorSpec } from '../../probe/selfcheck.ts';
import { placeOf as pathOf } from '../../publish/pending.ts';
import type { Store } from '../../store/store.ts';
import type { AnchorLook, ProviderLook, ServedTtl } from '../tools.ts';
import { LOOK_MS, type Reach } from './reach.ts';

export const lookAtProviders = async (
  config: ReplicaConfig,
  ports: Ports,
  store: Store,
  open: typeof openedProviders,
): Promise<readonly ProviderLook[]> => {
  const decided = await decidedIn(store, ports);
  const opened = open(config, ports, store);
  try {
    const busy = new Map<string, number>();
    const listening: typeof opened = {
      async provider(name) {
        const provider = await opened.provider(name);
        return {
          can: provider.can,
          quantise: (service) => provider.quantise(service),
          owns: (services) => provider.owns(services),
          apply: () => Promise.reject(new Error('a check never writes')),
          close: async () => undefined,
          read: (services, signal) =>
            provider.read(services, signal).catch((error: unknown) => {
              if (error instanceof Fault && error.busyMs !== undefined) busy.set(name, error.busyMs);
              throw error;
            }),
        };
      },
      close: () => opened.close(),
    };
    const names = Object.keys(config.providers);
    const services = decided.cluster.services.filter((service) => pathsOf(service).some((name) => names.includes(name)));
    const looks = await lookAll(ports, listening, services, decided);
    return names
      .map((provider) => ({ provider, its: services.filter((service) => pathsOf(service).includes(provider)) }))
      .filter(({ its }) => its.length > 0)
      .map(({ provider, its }) => ({
        provider,
        services: its.length,
        unread: its.flatMap(({ name }) => {
          const look = looks.get(pathOf(provider, name));
          const because =
            look === undefined
              ? 'not looked at'
              : 'because' in look
                ? look.because
                : look.back === undefined
                  ? 'nothing was answered for it'
                  : look.back.unread;
          return because === undefined ? [] : [{ service: name, because }];
        }),
        busyMs: busy.get(provider) ?? null,
      }));
  } finally {
    await opened.close();
  }
};

export const askTtl = async (ports: Ports, service: ServiceConfig, server: string): Promise<ServedTtl> => {
  const base = { service: service.name, server, wantedS: service.ttlS };
  const type = service.pools.some(({ answers }) => answers.some((answer) => !answer.includes(':'))) ? 'A' : 'AAAA';
  try {
    const reply = await query({ ports, server: serverOf(server), timeoutMs: LOOK_MS, name: service.name, type, recursionDesired: false });
    const { addresses, ttlS } = follow(reply, service.name, type);
    return { ...base, ttlS, because: addresses.length === 0 ? `no ${type} record is answered` : null };
  } catch (error) {
    return { ...base, ttlS: null, because: errorText(error) };
  }
};

export const lookAtAnchor = async (http: Http, { ports, resolver }: Reach, url: string, userAgent: string): Promise<AnchorLook> => {
  const { clock, timers } = ports;
  const tlsContext = () => ports.net.secureContext();
  const context = { ports, resolve: resolver.resolve, userAgent, tlsContext, timeoutMs: LOOK_MS, connectTimeoutMs: LOOK_MS };
  const outcome = await withDeadline(timers, 2 * LOOK_MS, url, (signal) => probe(anchorSpec(url), context, signal)).catch(
    (error: unknown) => ({ saw: 'nothing' as const, detail: errorText(error) }),
  );
  const because = outcome.saw === 'ok' ? null : outcome.saw === 'fault' ? `${outcome.reason} ${outcome.detail}`.trim() : outcome.detail;
  if (because !== null || !url.startsWith('http')) return { url, because, clock: null };
  const sentMs = clock.wallMs();
  const date = await withDeadline(timers, LOOK_MS, url, (signal) => http.fetch(url, { method: 'HEAD', signal })).then(
    (reply) => reply.headers.get('date'),
    () => null,
  );
  const saidMs = date === null ? null : parseTime(date);
  // Its clock was read between our sending and the arrival, and is told in whole seconds.
  return {
    url,
    because,
    clock: saidMs === null ? null : { replica: url, leastMs: saidMs - clock.wallMs(), mostMs: saidMs + 1000 - sentMs },
  };
};

/** One that opens an alert, as a real one would, and the one that ends it at once. */
export const testPages = (config: ReplicaConfig, ports: Ports): readonly [Page, Page] => {
  const id = `doctor-${ports.random.hex(8)}`;
  const atMs = ports.clock.wallMs();
  const where = `${config.region}/${config.replica}`;
  const common = { dedupKey: id, detail: { test: true, region: config.region, replica: config.replica }, v: 0, delivered: [], nonce: id };
  return [
    { ...common, id, type: 'doctor.test', severity: 'warning', summary: `a test of tidegate doctor on ${where}: nothing is wrong`, atMs },
    {
      ...common,
      id: `${id}-over`,
      type: 'doctor.test_over',
      severity: 'info',
      summary: `the test of tidegate doctor on ${where} is over`,
      atMs: atMs + 1,
    },
  ];
};
