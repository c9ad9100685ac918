// What stands between an adapter and its vendor may answer in its place: a proxy's page, a portal, a cache, a server that stops in the middle. Whatever it says, a
// write is undecided, a read throws, both end in time, and no text holds a secret. Over every adapter that speaks HTTP.
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cloudflare } from '../../providers/cloudflare/index.ts';
import { stateHash } from '../../providers/fence.ts';
import { gclb } from '../../providers/gclb/index.ts';
import { kubernetes } from '../../providers/kubernetes/index.ts';
import { powerdns } from '../../providers/powerdns/index.ts';
import type { Change, Provider, ProviderContext, ProviderService } from '../../providers/provider.ts';
import { route53 } from '../../providers/route53/index.ts';
import { createHttp, type Fetch } from '../../src/http.ts';
import { realPorts } from '../../src/ports.ts';
import * as cf from './cloudflare.fixture.ts';
import * as google from './gclb.fixture.ts';
import * as k8s from './kubernetes.fixture.ts';
import * as aws from './route53.fixture.ts';

interface Victim extends AsyncDisposable {
  service: ProviderService;
  secrets: readonly string[];
  open(context: Pick<ProviderContext, 'ports' | 'fetch'>): Provider;
}

const cloudflareVictim = (mode: 'loadBalancer' | 'dns') => async (): Promise<Victim> => {
  const world = await cf.startWorld();
  const service = { ...aws.web, service: `web.${cf.ZONE}` };
  world.balance(service);
  const config = mode === 'dns' ? world.recordsConfig() : world.balancerConfig();
  return {
    service,
    secrets: [cf.TOKEN],
    open: (context) => cloudflare.open(config, { ...context, secret: () => cf.TOKEN }),
    [Symbol.asyncDispose]: () => world[Symbol.asyncDispose](),
  };
};

const route53Victim = (mode: aws.Mode) => async (): Promise<Victim> => {
  const world = await aws.startWorld(mode);
  return {
    service: aws.web,
    secrets: [aws.KEY.secretAccessKey, aws.KEY.sessionToken],
    open: (context) => route53.open(aws.configFor(mode, world.proxy.url), { ...context, secret: () => aws.credentialsText(aws.KEY) }),
    [Symbol.asyncDispose]: () => world[Symbol.asyncDispose](),
  };
};

const gclbVictim = (mode: 'capacity' | 'urlMap') => async (): Promise<Victim> => {
  const service = google.serviceOf('web', 2);
  const world = await google.startWorld(
    mode === 'capacity' ? { backendServices: [google.backendServiceOf(service, 0)] } : { urlMaps: [google.urlMapOf(service, 0)] },
  );
  const configOf = mode === 'capacity' ? google.capacityConfig : google.urlMapConfig;
  return {
    service,
    secrets: String(JSON.parse(world.standIn.credentials).private_key).split('\n').slice(1, 3),
    open: (context) => gclb.open(configOf([service], world.wire.url), { ...context, secret: () => world.standIn.credentials }),
    [Symbol.asyncDispose]: () => world[Symbol.asyncDispose](),
  };
};

const kubernetesVictim = (mode: k8s.ModeName) => async (): Promise<Victim> => {
  const world = await k8s.standInWorld();
  await k8s.createObjects(world, mode, [k8s.web]);
  return {
    service: k8s.web,
    secrets: [world.token],
    open: (context) =>
      kubernetes.open(
        {
          kind: 'kubernetes',
          clusters: { here: { kubeconfigFile: '/secrets/here' } },
          services: { [k8s.web.service]: k8s.MODES[mode](k8s.web) },
        },
        { ...context, secret: () => k8s.kubeconfigText(world) },
      ),
    [Symbol.asyncDispose]: () => world[Symbol.asyncDispose](),
  };
};

const VICTIMS: Readonly<Record<string, () => Promise<Victim>>> = {
  'cloudflare loadBalancer': cloudflareVictim('loadBalancer'),
  'cloudflare dns': cloudflareVictim('dns'),
  'route53 weighted': route53Victim('weighted'),
  'route53 healthChecks': route53Victim('healthChecks'),
  'route53 routingControls': route53Victim('routingControls'),
  'gclb capacity': gclbVictim('capacity'),
  'gclb urlMap': gclbVictim('urlMap'),
  'kubernetes httpRoute': kubernetesVictim('httpRoute'),
  'kubernetes deployments': kubernetesVictim('deployments'),
};

type Answer = (reply: http.ServerResponse) => void;
const says =
  (status: number, type: string, body: string): Answer =>
  (reply) =>
    reply.writeHead(status, { 'content-type': type }).end(body);

const ANSWERS: readonly [what: string, answer: Answer][] = [
  ['a page with 200', says(200, 'text/html', '<html><body>Welcome to the lounge</body></html>')],
  ['a page with 502', says(502, 'text/html', '<html>Bad Gateway</html>')],
  ['nothing with 200', says(200, 'application/json', '')],
  ['an empty object with 200', says(200, 'application/json', '{}')],
  ['null with 200', says(200, 'application/json', 'null')],
  ['an empty list with 200', says(200, 'application/json', '[]')],
  ['an element of XML with 200', says(200, 'text/xml', '<?xml version="1.0"?><Hello/>')],
  ['half of an object', says(200, 'application/json', '{"metadata":{"resourceVer')],
  ['a redirect', (reply) => reply.writeHead(307, { location: 'http://127.0.0.1:9/elsewhere' }).end()],
  ['a head and then nothing', (reply) => void reply.writeHead(200, { 'content-type': 'application/json' }).write('{"a":')],
  [
    'a head that promises more than comes',
    (reply) => void reply.writeHead(200, { 'content-length': '100' }).write('{}', () => reply.destroy()),
  ],
];

let answer: Answer = () => undefined;
const hostile = http.createServer((request, reply) => {
  request.resume();
  request.once('end', () => answer(reply));
});
beforeAll(() => new Promise<void>((resolve) => hostile.listen(0, '127.0.0.1', resolve)));
afterAll(() => {
  hostile.closeAllConnections();
  hostile.close();
});

const patience = (): AbortSignal => AbortSignal.timeout(30_000);

describe.each(Object.entries(VICTIMS))('%s, answered by something else with', (_, start) => {
  let victim: Victim;
  beforeAll(async () => {
    victim = await start();
  });
  afterAll(() => victim[Symbol.asyncDispose]());

  test.each(ANSWERS)('%s', async (_what, said) => {
    const ports = realPorts();
    const outside = createHttp({ ports, resolve: () => Promise.reject(new Error('no names here')) });
    const { service, secrets } = victim;
    let isAstray = false;
    const fetch: Fetch = (url, init) =>
      outside.fetch(isAstray ? `http://127.0.0.1:${(hostile.address() as AddressInfo).port}/` : url, init);
    const provider = victim.open({ ports: { ...ports }, fetch });
    const previous = (await provider.read([service], patience())).get(service.service)!;
    const change: Change = { desired: service, fence: { v: 1, epoch: 1, writer: 'w', nonce: 'n', hash: stateHash(service) }, previous };
    answer = said;
    isAstray = true;
    const startedAtMs = performance.now();
    const outcome = await provider.apply([change], AbortSignal.timeout(400));
    const failure = await provider.read([service], AbortSignal.timeout(400)).then((found) => `read ${JSON.stringify([...found])}`, String);
    expect(outcome).toMatchObject({ outcome: 'undecided' });
    expect(failure).not.toMatch(/^read /);
    expect(performance.now() - startedAtMs).toBeLessThan(5000);
    for (const secret of secrets) expect(`${JSON.stringify(outcome)} ${failure}`).not.toContain(secret);
    await provider.close();
    await outside.close();
  });
});

test.each(ANSWERS)('powerdns, whose API is answered by something else with %s: nothing is read', async (_what, said) => {
  const ports = realPorts();
  const outside = createHttp({ ports, resolve: () => Promise.reject(new Error('no names here')) });
  const key = Buffer.alloc(32, 7).toString('base64');
  const provider = powerdns.open(
    {
      kind: 'powerdns',
      zone: 'tide.test',
      server: { host: '127.0.0.1', port: 9 },
      key: { name: 'tidegate', algorithm: 'hmac-sha256', secretFile: 'dns.key' },
      api: { url: `http://127.0.0.1:${(hostile.address() as AddressInfo).port}`, keyFile: 'api.key' },
    },
    { ports, secret: () => key, fetch: outside.fetch },
  );
  answer = said;
  const failure = await provider.read([aws.web], AbortSignal.timeout(400)).then((found) => `read ${JSON.stringify([...found])}`, String);
  expect(failure).not.toMatch(/^read /);
  expect(failure).not.toContain(key);
  await outside.close();
});
