// The route53 provider against an emulator that others have written: the whole contract on ministack, behind a proxy that checks signatures and goes wrong as AWS
// does. And against moto, which is known not to change a batch in one step: there the race must be lost, to show that this suite can tell.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { stateHash } from '../../providers/fence.ts';
import type { Change, Provider, ProviderService, ReadBack } from '../../providers/provider.ts';
import { canOf } from '../../providers/route53/records.ts';
import { signatureTrouble } from '../../src/drill/stand-ins/sigv4.ts';
import { providerContract } from '../contract/provider.contract.ts';
import { type FaultProxy, type Passed, startFaultProxy } from '../providers/fault-proxy.ts';
import { api, changesAnything, configFor, credentialsText, KEY, web, withShares, writers, ZONE } from '../providers/route53.fixture.ts';
import { type EmulatedZone, type Emulator, startMinistack, startMoto } from './route53-emulator.ts';

const TEST_MS = 300_000;
const patience = (): AbortSignal => AbortSignal.timeout(60_000);

const OTHER = { ...KEY, secretAccessKey: 'another-secret-that-nobody-knows' };

/** What AWS would say to a request that is not signed by the key, since the emulators look at no signature. */
const guard = (passed: Passed) => {
  const trouble = signatureTrouble({ ...passed, url: passed.url }, KEY);
  const body = `<?xml version="1.0"?><ErrorResponse xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><Error><Type>Sender</Type><Code>${trouble}</Code><Message>The request signature we calculated does not match the signature you provided.</Message></Error><RequestId>-</RequestId></ErrorResponse>`;
  return trouble === null ? null : { status: 403, contentType: 'text/xml', body };
};

interface World extends AsyncDisposable {
  zone: EmulatedZone;
  proxy: FaultProxy;
  writer(credentials?: typeof KEY): Provider;
}

let ministack: Emulator;
beforeAll(async () => {
  ministack = await startMinistack();
}, TEST_MS);
afterAll(() => ministack?.[Symbol.asyncDispose]());

/** A zone of its own on an emulator that goes on living. */
const worldOn = async (emulator: Emulator, mode: 'weighted' | 'failover' = 'weighted'): Promise<World> => {
  const zone = await emulator.zone(ZONE);
  const proxy = await startFaultProxy(emulator.url, changesAnything, guard);
  const open = writers();
  const config = { ...configFor(mode, proxy.url), hostedZoneId: zone.zoneId } as ReturnType<typeof configFor>;
  return {
    zone,
    proxy,
    writer: (credentials = KEY) => open.open(config, () => credentialsText(credentials)),
    async [Symbol.asyncDispose]() {
      await open.close();
      await proxy[Symbol.asyncDispose]();
    },
  };
};

for (const mode of ['weighted', 'failover'] as const)
  providerContract(`route53 ${mode} on ministack`, async () => {
    const world = await worldOn(ministack, mode);
    const routing = mode === 'weighted' ? '<Weight>1</Weight>' : '<Failover>SECONDARY</Failover>';
    return {
      can: canOf(mode),
      services: [web, api],
      provider: () => world.writer(),
      snapshot: () => world.zone.records(),
      async plant({ service, ttlS }) {
        await world.zone.change(
          `<Action>CREATE</Action><ResourceRecordSet><Name>${service}.</Name><Type>A</Type><SetIdentifier>by-hand</SetIdentifier>${routing}<TTL>${ttlS}</TTL><ResourceRecords><ResourceRecord><Value>198.51.100.9</Value></ResourceRecord></ResourceRecords></ResourceRecordSet>`,
        );
        return '198.51.100.9';
      },
      secrets: [KEY.secretAccessKey, KEY.sessionToken, OTHER.secretAccessKey],
      intruder: () => world.writer(OTHER),
      faults: {
        ...world.proxy,
        // An action that Route 53 does not know, in the last change of the batch: the emulator refuses it after all the others have passed.
        refusePart: () => world.proxy.editNext((body) => body.replace(/(.*)<Action>\w+<\/Action>/s, '$1<Action>EXCHANGE</Action>')),
      },
      changes: () => world.proxy.passed().filter(changesAnything).length,
      quota: {
        services: Array.from({ length: 200 }, (_, n) => ({ ...web, service: `s${n}.${ZONE}` })),
        perMinute: 600,
        requests: () => world.proxy.passed().length,
      },
      [Symbol.asyncDispose]: () => world[Symbol.asyncDispose](),
    };
  });

let nonces = 0;
const changeTo = (desired: ProviderService, v: number, previous: ReadBack, writer = 'eu-west/a'): Change => ({
  desired,
  fence: { v, epoch: 1, writer, nonce: `n${++nonces}`, hash: stateHash(desired) },
  previous,
});
const readOne = async (provider: Provider, service: ProviderService): Promise<ReadBack> =>
  (await provider.read([service], patience())).get(service.service)!;
const drainedWeb = withShares(web, 0, 1000);

const RACERS = 16;
const ROUNDS = 20;

/** Winners of each round: writers that were told `applied` of those that all read the same fence. */
const race = async (world: World, rounds: number): Promise<readonly number[]> => {
  const racers = Array.from({ length: RACERS }, () => world.writer());
  const winners: number[] = [];
  for (let round = 1; round <= rounds; round++) {
    const previous = await readOne(racers[0]!, web);
    const outcomes = await Promise.all(
      racers.map((racer, at) => racer.apply([changeTo(at % 2 === 0 ? web : drainedWeb, round, previous, `racer/${at}`)], patience())),
    );
    winners.push(outcomes.filter(({ outcome }) => outcome === 'applied').length);
  }
  return winners;
};

describe('the race can be lost', { timeout: TEST_MS }, () => {
  test(`on moto, which does not compare and swap, more than one of ${RACERS} writers wins`, async () => {
    await using moto = await startMoto();
    await using world = await worldOn(moto);
    const winners = await race(world, 3);
    expect(Math.max(...winners)).toBeGreaterThan(1);
  });

  test(`on ministack one wins, ${ROUNDS} times`, async () => {
    await using world = await worldOn(ministack);
    expect(await race(world, ROUNDS)).toEqual(Array(ROUNDS).fill(1));
  });
});

const xmlError = (code: string, message: string) =>
  `<?xml version="1.0"?><ErrorResponse xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><Error><Type>Sender</Type><Code>${code}</Code><Message>${message}</Message></Error><RequestId>-</RequestId></ErrorResponse>`;

describe('route53 on ministack, behind faults', { timeout: TEST_MS }, () => {
  test.each([
    ['Throttling', 400, 'text/xml', xmlError('Throttling', 'Rate exceeded'), 'undecided'],
    [
      'PriorRequestNotComplete',
      400,
      'text/xml',
      xmlError('PriorRequestNotComplete', 'Route 53 was still processing a prior request.'),
      'undecided',
    ],
    ['a page of HTML instead of XML', 502, 'text/html', '<html><body>Bad gateway</body></html>', 'undecided'],
    ['a page of HTML that says all is well', 200, 'text/html', '<html><body>Welcome</body></html>', 'undecided'],
    [
      'a record set protection',
      400,
      'text/xml',
      xmlError('InvalidChangeBatch', '[protected by the on-call: it already exists for a reason]'),
      'fatal',
    ],
  ] as const)(
    '%s: nothing is written, and the next attempt of the same change is applied',
    async (_what, status, contentType, body, outcome) => {
      await using world = await worldOn(ministack);
      const writer = world.writer();
      await writer.apply([changeTo(web, 1, await readOne(writer, web))], patience());
      const before = await world.zone.records();
      const change = changeTo(drainedWeb, 2, await readOne(writer, web));
      world.proxy.answerNext({ status, contentType, body });
      expect((await writer.apply([change], patience())).outcome).toBe(outcome);
      expect(await world.zone.records()).toBe(before);
      expect(await writer.apply([change], patience())).toMatchObject({ outcome: 'applied' });
    },
  );

  test('a reply that is lost after the change is found to be ours, and is not written twice', async () => {
    await using world = await worldOn(ministack);
    const writer = world.writer();
    await writer.apply([changeTo(web, 1, await readOne(writer, web))], patience());
    const change = changeTo(drainedWeb, 2, await readOne(writer, web));
    world.proxy.loseNextReply();
    expect(await writer.apply([change], patience())).toMatchObject({ outcome: 'undecided' });
    const back = await readOne(writer, web);
    expect(back.fence).toEqual(change.fence);
    const before = world.proxy.passed().filter(changesAnything).length;
    expect(await writer.apply([{ ...change, previous: back }], patience())).toEqual({ outcome: 'applied' });
    expect(world.proxy.passed().filter(changesAnything).length).toBe(before);
  });

  test('what was applied is pending first, then settled', async () => {
    await using world = await worldOn(ministack);
    const writer = world.writer();
    const applied = await writer.apply([changeTo(web, 1, await readOne(writer, web))], patience());
    const receipt = applied.outcome === 'applied' ? (applied.receipt ?? '') : '';
    expect(await writer.settle?.(receipt, patience())).toEqual({ state: 'pending' });
    expect(await writer.settle?.(receipt, patience())).toEqual({ state: 'settled' });
    expect(await writer.settle?.('C0UNKNOWN', patience())).toMatchObject({ state: 'failed' });
  });
});
