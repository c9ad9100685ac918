// A micro-drill on real servers: BIND takes the update, BIND and an unbound with a cache answer it; one that stands still is not taken for one that follows.
import { expect, test } from 'vitest';
import { rfc2136 } from '../../providers/rfc2136/index.ts';
import type { CanaryConfig } from '../../src/config/canary.ts';
import type { Term } from '../../src/coordinate/coordinator.ts';
import { query } from '../../src/dns/exchange.ts';
import type { Proof } from '../../src/model.ts';
import { realPorts } from '../../src/ports.ts';
import { fly } from '../../src/publish/flight.ts';
import { afterDrill, failOver } from '../../src/publish/micro-drill.ts';
import { heardFrom } from '../health/votes.ts';
import { clusterOf } from '../world.ts';
import { type Bind, startBind } from './bind.ts';
import { startUnbound } from './unbound.ts';

const TEST_MS = 60_000;
const NAME = 'canary.tide.test';
const TTL_S = 2;

/** One drill after another, as the coordinator flies them. */
const driller = (bind: Bind, servers: Pick<CanaryConfig, 'authoritative' | 'resolvers'>) => {
  const ports = realPorts();
  const provider = rfc2136.open(
    {
      kind: 'rfc2136',
      zone: bind.zone,
      server: { host: bind.host, port: bind.port },
      key: { name: bind.key.name, algorithm: bind.key.algorithm, secretFile: '/secrets/dns.key' },
    },
    { ports, secret: () => `${bind.key.secret}\n` },
  );
  const cluster = clusterOf(['a', 'b', 'c'], [{}]);
  const heard = ['a', 'b', 'c'].map((region) => heardFrom(cluster, region));
  const canary: CanaryConfig = {
    provider: 'dns',
    path: 'dns',
    service: NAME,
    everyMs: 60_000,
    ttlS: TTL_S,
    pools: [
      { name: 'a', weight: 1, answers: ['192.0.2.1'] },
      { name: 'b', weight: 1, answers: ['192.0.2.2'] },
    ],
    ...servers,
    microDrill: true,
  };
  let proof: Proof | null = null;
  return async () => {
    const before: Proof | null = proof;
    const flown = await fly(
      {
        ports,
        writer: 'a/a/boot',
        canary,
        provider,
        term: { epoch: 1, nowMs: () => ports.clock.wallMs() } as Term,
        rights: { allows: () => true, group: () => async () => null },
        isBusy: () => false,
        dnsQuery: query,
        signal: AbortSignal.timeout(TEST_MS),
        stand: { cluster, heard },
        proof: before,
        keep: async (next: Proof) => {
          proof = next;
          return true;
        },
        hold: async () => null,
        seenHold: () => null,
      },
      failOver,
    );
    const begun: Proof | null = proof;
    if (begun !== null && begun !== before) proof = afterDrill(before, begun, flown);
    return { flown, proof: proof as Proof | null };
  };
};

test('is proven on BIND and behind a cache, to and fro', { timeout: TEST_MS }, async () => {
  await using bind = await startBind();
  await using unbound = await startUnbound([{ zone: bind.zone, host: bind.host, port: bind.port }]);
  const at = `${bind.host}:${bind.port}`;
  const drill = driller(bind, { authoritative: [at], resolvers: [`${unbound.host}:${unbound.port}`] });
  expect((await drill()).proof).toBeNull();
  expect(await bind.dig(NAME, 'A')).toEqual(['192.0.2.1']);
  for (const [from, to, address] of [
    ['a', 'b', '192.0.2.2'],
    ['b', 'a', '192.0.2.1'],
  ] as const) {
    const { flown, proof } = await drill();
    expect(flown).toMatchObject({ outcome: 'through' });
    expect(await bind.dig(NAME, 'A')).toEqual([address]);
    expect(proof?.last).toMatchObject({ from, to, ok: true });
    const { acknowledged = -1, authoritative = -1, resolver = -1 } = proof?.last.phasesMs ?? {};
    expect(acknowledged).toBeGreaterThan(0);
    expect(authoritative).toBeGreaterThanOrEqual(acknowledged);
    // The cache was primed with the old answer, as users' are: its TTL shows.
    expect(resolver).toBeGreaterThan(500);
    expect(resolver).toBeLessThan(TTL_S * 1000 + 5000);
    expect((await bind.dig(`_tidegate.${NAME}`, 'TXT'))[0]).toContain(`fence=${proof?.last.v}`);
  }
});

test('is not proven by a server that stands still', { timeout: TEST_MS }, async () => {
  await using bind = await startBind();
  // It has the name as it was, and nobody tells it of changes.
  await using still = await startBind({ records: [`${NAME}. 2 IN A 192.0.2.1`] });
  const at = (server: Bind): string => `${server.host}:${server.port}`;
  const lay = driller(bind, { authoritative: [at(bind)], resolvers: [] });
  await lay();
  await lay();
  expect(await bind.dig(NAME, 'A')).toEqual(['192.0.2.2']);
  const { flown, proof } = await driller(bind, { authoritative: [at(bind), at(still)], resolvers: [] })();
  expect(flown).toMatchObject({
    outcome: 'failed',
    at: 'authoritative',
    because: expect.stringContaining(`${at(still)}: still answers 192.0.2.1`),
  });
  expect(proof).toBeNull();
  expect(await bind.dig(NAME, 'A')).toEqual(['192.0.2.2']);
});
