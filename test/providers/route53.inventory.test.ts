// What import finds in a zone, over the API of the stand-in.
import { expect, test } from 'vitest';
import { formatFence } from '../../providers/fence.ts';
import { route53Inventory } from '../../providers/route53/inventory.ts';
import { quoted } from '../../providers/route53/sets.ts';
import { providerEntry } from '../../src/config/providers/index.ts';
import { startRoute53 } from '../../src/drill/stand-ins/route53.ts';
import type { StandInSet } from '../../src/drill/stand-ins/route53-rules.ts';
import { createHttp } from '../../src/http.ts';
import { realPorts } from '../../src/ports.ts';
import { credentialsText, KEY, ZONE, ZONE_ID } from './route53.fixture.ts';

const set = (name: string, type: string, value: string | readonly string[], over: Partial<StandInSet> = {}): StandInSet => ({
  Name: `${name}.`,
  Type: type,
  TTL: 30,
  ResourceRecords: [value].flat().map((Value) => ({ Value })),
  ...over,
});
const alias = (name: string, target: string, over: Partial<StandInSet>): StandInSet => ({
  Name: `${name}.`,
  Type: 'A',
  AliasTarget: { DNSName: `${target}.`, HostedZoneId: 'Z35SXDOTRQ7X7K', EvaluateTargetHealth: true },
  ...over,
});

const inventory = async (sets: readonly StandInSet[]) => {
  const ports = realPorts();
  const standIn = await startRoute53({ ports, key: KEY, zones: [{ id: ZONE_ID, name: ZONE, sets }] });
  const http = createHttp({ ports, resolve: () => Promise.reject(new Error('no names here')) });
  try {
    const config = { zone: ZONE, hostedZoneId: ZONE_ID, credentialsFile: 'aws', endpoint: standIn.url };
    const found = await route53Inventory(
      config,
      { ports, secret: () => credentialsText(KEY), fetch: http.fetch },
      AbortSignal.timeout(20_000),
    );
    expect(standIn.calls().every(({ method }) => method === 'GET')).toBe(true);
    return found;
  } finally {
    await http.close();
    await standIn.close();
  }
};

test('weighted sets of both families become one service, by their identifiers', async () => {
  const { services, refused } = await inventory([
    set(`web.${ZONE}`, 'A', '192.0.2.1', { SetIdentifier: 'eu-west', Weight: 70, HealthCheckId: 'check-eu' }),
    set(`web.${ZONE}`, 'A', '192.0.2.2', { SetIdentifier: 'US (east)', Weight: 30 }),
    set(`web.${ZONE}`, 'AAAA', '2001:db8::1', { SetIdentifier: 'eu-west', Weight: 70 }),
    set(`web.${ZONE}`, 'AAAA', '2001:db8::2', { SetIdentifier: 'US (east)', Weight: 30 }),
    set(`mail.${ZONE}`, 'A', ['192.0.2.9', '192.0.2.10']),
    set(ZONE, 'MX', '10 mail.tide.test.'),
  ]);
  expect(refused).toEqual([]);
  expect(services).toEqual([
    {
      service: `web.${ZONE}`,
      ttlS: 30,
      pools: [
        { pool: 'us-east', weight: 30, answers: ['192.0.2.2', '2001:db8::2'] },
        { pool: 'eu-west', weight: 70, answers: ['192.0.2.1', '2001:db8::1'] },
      ],
      objects: { pools: { 'eu-west': {}, 'us-east': { setIdentifier: 'US (east)' } } },
      notes: ['eu-west carries health check check-eu: it stays, and takes the pool out by itself when it fails'],
      firstFence: `creates TXT _tidegate.web.${ZONE} (TTL 60 s) and sets the weights to the same proportions of 255: us-east 77, eu-west 178`,
    },
  ]);
});

test('CNAME and alias pools say what stands behind them, and the configuration takes it', async () => {
  const { services } = await inventory([
    set(`cdn.${ZONE}`, 'CNAME', 'a.example.net.', { SetIdentifier: 'a', Weight: 0, TTL: 300 }),
    set(`cdn.${ZONE}`, 'CNAME', 'b.example.net.', { SetIdentifier: 'b', Weight: 0, TTL: 300 }),
    alias(`app.${ZONE}`, 'lb-1.example.net', { SetIdentifier: 'one', Weight: 1 }),
    alias(`app.${ZONE}`, 'lb-2.example.net', { SetIdentifier: 'two', Weight: 1 }),
  ]);
  const [app, cdn] = services;
  expect(cdn).toMatchObject({
    ttlS: 300,
    pools: [
      { pool: 'a', weight: 1, answers: [] },
      { pool: 'b', weight: 1, answers: [] },
    ],
    notes: [
      'TTL 300 s: users follow a drain that much later; 30 s or less is usual for failing over',
      'all weights are 0, which Route 53 serves evenly; taken as 1 each',
    ],
  });
  expect(app?.ttlS).toBeNull();
  expect(app?.notes).toContain("one is an alias that evaluates its target's health: Route 53 takes it out by itself when all targets fail");
  const entry = {
    kind: 'route53',
    mode: 'weighted',
    zone: ZONE,
    hostedZoneId: ZONE_ID,
    credentialsFile: 'aws',
    services: Object.fromEntries(services.map(({ service, objects }) => [service, objects])),
  };
  expect(providerEntry.safeParse(entry)).toMatchObject({
    success: true,
    data: { services: { [`cdn.${ZONE}`]: { pools: { a: { cname: 'a.example.net' } } } } },
  });
});

test('failover sets become a service of two pools that says which mode it needs', async () => {
  const { services } = await inventory([
    set(`db.${ZONE}`, 'A', ['192.0.2.1', '192.0.2.3'], { SetIdentifier: 'main', Failover: 'PRIMARY' }),
    set(`db.${ZONE}`, 'A', '192.0.2.2', { SetIdentifier: 'spare', Failover: 'SECONDARY' }),
  ]);
  expect(services[0]).toMatchObject({
    pools: [
      { pool: 'main', weight: 1, answers: ['192.0.2.1', '192.0.2.3'] },
      { pool: 'spare', weight: 0, answers: ['192.0.2.2'] },
    ],
    objects: null,
    notes: ['needs an entry of mode failover: one pool serves at a time, and weights are not weighed'],
  });
});

test('what has no weights to decide is refused with its reason, and a fence that is there is told', async () => {
  const fence = formatFence({ v: 7, epoch: 1, writer: 'eu-west/a', nonce: 'n', hash: 'ab' });
  const { services, refused } = await inventory([
    set(`near.${ZONE}`, 'A', '192.0.2.1', { SetIdentifier: 'eu', Region: 'eu-west-1' }),
    set(`far.${ZONE}`, 'A', '192.0.2.1', { SetIdentifier: 'all', GeoLocation: { CountryCode: '*' } }),
    set(`any.${ZONE}`, 'A', '192.0.2.1', { SetIdentifier: 'x', MultiValueAnswer: true }),
    set(`\\052.${ZONE}`, 'A', '192.0.2.1', { SetIdentifier: 'x', Weight: 1 }),
    set(`both.${ZONE}`, 'A', '192.0.2.1', { SetIdentifier: 'x', Weight: 1 }),
    set(`both.${ZONE}`, 'AAAA', '2001:db8::1'),
    set(`web.${ZONE}`, 'A', '192.0.2.1', { SetIdentifier: 'eu', Weight: 1 }),
    set(`_tidegate.web.${ZONE}`, 'TXT', quoted(fence)),
  ]);
  expect(refused.map(({ what, because }) => `${what}: ${because.split(/[;,]/)[0]}`).toSorted()).toEqual([
    `\\052.${ZONE} A: its name is a wildcard or holds characters that no service may have`,
    `any.${ZONE} A: A is routed by multivalue`,
    `both.${ZONE} A, AAAA: its types are routed by weighted and simple`,
    `far.${ZONE} A: A is routed by geolocation`,
    `near.${ZONE} A: A is routed by latency`,
  ]);
  expect(services.map(({ notes }) => notes)).toEqual([['carries fence 7 of eu-west/a already: another Tidegate writes it, or did']]);
});
