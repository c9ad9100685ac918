// What every provider promises, whatever it drives. A table entry passes this suite or is not a provider.
// The harness owns the world behind the provider: each test gets a fresh one in which nothing was ever written.
// Drains are whole (a pool gets nothing), so the claims hold for `exact` and `onOff` weights alike.
import { describe, expect, test } from 'vitest';
import { isManual, manualWriter, stateHash } from '../../providers/fence.ts';
import type { Applied, Capabilities, Change, Fence, Provider, ProviderService, ReadBack } from '../../providers/provider.ts';

export interface ProviderHarness extends AsyncDisposable {
  can: Capabilities;
  /** Two services, each with two or more pools with answers and a positive share, nothing of them served yet. */
  services: readonly [ProviderService, ProviderService];
  /** A new writer, as another process would be. The harness closes it. */
  provider(): Provider;
  /** All that the world behind holds, in its own terms and with its own change counter if it has one. Not through the provider. */
  snapshot(): Promise<string>;
  /** Puts a value of no pool beside what is served of the service, by hand. Returns how `foreign` should name it. Absent where pools are all there is. */
  plant?(service: ProviderService): Promise<string>;
  /** Anything that must not appear in a message, whole or in part. */
  secrets: readonly string[];
  /** What this world calls a write that it has acknowledged, receipts included; null: nothing. Absent where that is not known. */
  requestId?: RegExp | null;
  /** A writer whose credentials are wrong. */
  intruder(): Provider;
  /** How the world may go wrong; leave out what cannot be arranged. */
  faults?: {
    /** The next changing request is carried out and its reply is lost on the way back. */
    loseNextReply(): void;
    /** From now on requests are taken and never answered. */
    hang?(): void;
    /** The next changing request is refused for a part of it that the world does not like. */
    refusePart?(): void;
  };
  /** Changing requests that reached the world so far. */
  changes?(): number;
  /** The vendor's limit on requests, and a world with many services. */
  quota?: {
    services: readonly ProviderService[];
    /** Of all requests, by the vendor's documents. */
    perMinute: number;
    /** All requests that reached the world so far. */
    requests(): number;
  };
}

const RACERS = 16;
const ROUNDS = 20;
const TEST_MS = 60_000;

/** Routine looks at a provider, and the part of its quota that they may use. */
const ROUTINE_PER_MINUTE = 2;
const ROUTINE_PART = 0.2;

/** A signal that a slow shared machine does not reach. */
const patience = (): AbortSignal => AbortSignal.timeout(TEST_MS);

let nonces = 0;
const fenceOf = (v: number, desired: ProviderService, writer = 'eu-west/a'): Fence => ({
  v,
  epoch: 1,
  writer,
  nonce: `n${++nonces}`,
  hash: stateHash(desired),
});

/** The same service with nothing sent to its first pool. */
const drained = (service: ProviderService): ProviderService => ({
  ...service,
  pools: service.pools.map((pool, at) => ({ ...pool, share: at === 0 ? 0 : at === 1 ? service.pools[0]!.share + pool.share : pool.share })),
});

const readOne = async (provider: Provider, service: ProviderService): Promise<ReadBack> => {
  const found = (await provider.read([service], patience())).get(service.service);
  if (found === undefined) throw new Error(`read left out ${service.service}`);
  return found;
};

const changeTo = (desired: ProviderService, v: number, previous: ReadBack, writer?: string): Change => ({
  desired,
  fence: fenceOf(v, desired, writer),
  previous,
});

/** Reads, then writes with fence `v`; the story's setup, so it must succeed. */
const establish = async (provider: Provider, desired: ProviderService, v: number): Promise<Change> => {
  const change = changeTo(desired, v, await readOne(provider, desired));
  expect(await provider.apply([change], patience())).toMatchObject({ outcome: 'applied' });
  return change;
};

const namesOf = (result: Applied): readonly string[] => [
  ...(result.requests ?? []),
  ...(result.outcome === 'applied' && result.receipt !== undefined ? [result.receipt] : []),
];

/** What is read of a fence that was written: nothing, where none is kept. */
const kept = ({ can }: ProviderHarness, fence: unknown): unknown => (can.fencing === 'none' ? null : fence);

/**
 * What a world may lack, and with it the claims that need it: a fence, a provider that compares it, writes of several services, values that belong to no
 * pool, replies that can be lost, parts that can be refused, servers that can hang, a quota.
 */
export type Lack = 'fence' | 'conditional' | 'batch' | 'plant' | 'lostReply' | 'refusedPart' | 'hang' | 'quota';

const lacksOf = ({ can, plant, faults, quota }: ProviderHarness): readonly Lack[] => {
  const all: Readonly<Record<Lack, boolean>> = {
    fence: can.fencing === 'none',
    conditional: can.fencing !== 'conditional',
    batch: can.batchMax < 2,
    plant: plant === undefined,
    lostReply: faults === undefined,
    refusedPart: faults?.refusePart === undefined,
    hang: faults?.hang === undefined,
    quota: quota === undefined,
  };
  return (Object.keys(all) as Lack[]).filter((lack) => all[lack]);
};

/** `lacks`: what this world has not, said by whoever calls, and held to the truth by a test: no claim is left out unseen. */
export const providerContract = (name: string, makeHarness: () => Promise<ProviderHarness>, lacks: readonly Lack[] = []): void => {
  const claim = (needs: readonly Lack[], title: string, body: () => Promise<void>): void => {
    if (!needs.some((need) => lacks.includes(need))) test(title, body);
  };
  describe(`provider contract: ${name}`, { timeout: TEST_MS }, () => {
    test('what this world lacks is what was said, and no claim is left out for anything else', async () => {
      await using h = await makeHarness();
      expect([...lacks].sort()).toEqual([...lacksOf(h)].sort());
    });

    test('where nothing was ever written, read gives nulls and nothing foreign, for every service asked', async () => {
      await using h = await makeHarness();
      const found = await h.provider().read(h.services, patience());
      expect([...found.keys()].sort()).toEqual(h.services.map((s) => s.service).sort());
      for (const back of found.values()) expect(back).toMatchObject({ fence: null, shares: null, foreign: [] });
    });

    test('a write comes back from another reader: fence with its hash, quantised shares, nothing foreign', async () => {
      await using h = await makeHarness();
      const [service] = h.services;
      for (const [v, desired] of [service, drained(service)].entries()) {
        const { fence } = await establish(h.provider(), desired, v + 1);
        const back = await readOne(h.provider(), service);
        expect(back).toMatchObject({ fence: kept(h, fence), shares: h.provider().quantise(desired), foreign: [] });
        if (h.can.fencing !== 'none') expect(back.fence?.hash).toBe(stateHash(desired));
      }
    });

    test('an acknowledged write carries the names that the vendor gave it, and a refused one no secret among them', async () => {
      await using h = await makeHarness();
      const [service] = h.services;
      const provider = h.provider();
      const result = await provider.apply([changeTo(service, 1, await readOne(provider, service))], patience());
      expect(result.outcome).toBe('applied');
      const names = namesOf(result);
      for (const name of names) expect(name).toMatch(h.requestId ?? /^[\x21-\x7e]{1,200}$/);
      if (h.requestId !== undefined) expect(names.length > 0).toBe(h.requestId !== null);
      const refused = await h.intruder().apply([changeTo(drained(service), 2, await readOne(provider, service))], patience());
      for (const name of namesOf(refused)) for (const secret of h.secrets) expect(name).not.toContain(secret);
    });

    claim(['fence'], 'the fence of a human, and the longest there is, come back to the letter', async () => {
      await using h = await makeHarness();
      const [service] = h.services;
      const provider = h.provider();
      const longest = { epoch: Number.MAX_SAFE_INTEGER, nonce: 'n'.repeat(40), hash: 'f'.repeat(32) };
      for (const [v, fields] of [
        [8, { writer: manualWriter('Åsa O’Hara; on call'), nonce: 'byhand' }],
        [9_007_199_254_740_990, { ...longest, writer: `${manualWriter('x')}${'y'.repeat(40)}` }],
      ] as const) {
        const change = changeTo(drained(service), v, await readOne(provider, service));
        const fence: Fence = { ...change.fence, ...fields };
        expect(await provider.apply([{ ...change, fence }], patience())).toMatchObject({ outcome: 'applied' });
        const back = await readOne(h.provider(), service);
        expect(back.fence).toEqual(fence);
        expect(isManual(fence)).toBe(true);
      }
    });

    test('what quantise promises is never empty, sums to 1000 and sends a drained pool nothing', async () => {
      await using h = await makeHarness();
      const [service] = h.services;
      const provider = h.provider();
      for (const desired of [service, drained(service)]) {
        const shares = provider.quantise(desired);
        expect(Object.keys(shares).sort()).toEqual(desired.pools.map((p) => p.pool).sort());
        expect(Object.values(shares).reduce((sum, share) => sum + share, 0)).toBe(1000);
      }
      expect(provider.quantise(drained(service))[service.pools[0]!.pool]).toBe(0);
    });

    claim(['fence'], 'a first write requires that no fence exists', async () => {
      await using h = await makeHarness();
      const [service] = h.services;
      const nothing = await readOne(h.provider(), service);
      await establish(h.provider(), service, 1);
      const before = await h.snapshot();
      expect(await h.provider().apply([changeTo(drained(service), 2, nothing)], patience())).toMatchObject({ outcome: 'conflict' });
      expect(await h.snapshot()).toBe(before);
    });

    claim(['conditional'], 'a writer that read before somebody else wrote is refused, and the records stay untouched', async () => {
      await using h = await makeHarness();
      const [service] = h.services;
      await establish(h.provider(), service, 1);
      const stale = await readOne(h.provider(), service);
      await establish(h.provider(), service, 2);
      const before = await h.snapshot();
      for (const v of [2, 3, 9]) {
        expect(await h.provider().apply([changeTo(drained(service), v, stale)], patience())).toMatchObject({ outcome: 'conflict' });
      }
      expect(await h.snapshot()).toBe(before);
    });

    claim(['fence'], 'a lower fence never overwrites a higher one, not even after a fresh read', async () => {
      await using h = await makeHarness();
      const [service] = h.services;
      await establish(h.provider(), service, 7);
      const before = await h.snapshot();
      const fresh = await readOne(h.provider(), service);
      expect(await h.provider().apply([changeTo(drained(service), 6, fresh)], patience())).toMatchObject({ outcome: 'conflict' });
      expect(await h.snapshot()).toBe(before);
    });

    claim(
      ['conditional'],
      `${RACERS} writers race from one read over ${ROUNDS} rounds: one is applied, the others conflict, the winner is served`,
      async () => {
        await using h = await makeHarness();
        const [service] = h.services;
        const racers = Array.from({ length: RACERS }, () => h.provider());
        for (let round = 1; round <= ROUNDS; round++) {
          const previous = await readOne(racers[0]!, service);
          const changes = racers.map((_, at) => changeTo(at % 2 === 0 ? service : drained(service), round, previous, `racer/${at}`));
          const outcomes = await Promise.all(racers.map((racer, at) => racer.apply([changes[at]!], patience())));
          expect(outcomes.map((o) => o.outcome).sort(), `round ${round}`).toEqual(['applied', ...Array(RACERS - 1).fill('conflict')]);
          const winner = changes[outcomes.findIndex((o) => o.outcome === 'applied')]!;
          expect(await readOne(racers[0]!, service)).toMatchObject({ fence: winner.fence, shares: racers[0]!.quantise(winner.desired) });
        }
      },
    );

    claim(['batch', 'conditional'], 'one conflicting service leaves the whole batch unwritten', async () => {
      await using h = await makeHarness();
      const [one, two] = h.services;
      await establish(h.provider(), one, 1);
      await establish(h.provider(), two, 1);
      const old = await h.provider().read(h.services, patience());
      await establish(h.provider(), two, 2);
      const before = await h.snapshot();
      const batch = h.services.map((service) => changeTo(drained(service), 3, old.get(service.service)!));
      for (const order of [batch, batch.toReversed()]) {
        expect(await h.provider().apply(order, patience())).toMatchObject({ outcome: 'conflict' });
        expect(await h.snapshot()).toBe(before);
      }
    });

    claim(['batch'], 'a batch changes all of its services and no other', async () => {
      await using h = await makeHarness();
      const [one, two] = h.services;
      const start = await h.provider().read(h.services, patience());
      const both = h.services.map((service) => changeTo(service, 1, start.get(service.service)!));
      expect(await h.provider().apply(both, patience())).toMatchObject({ outcome: 'applied' });
      await establish(h.provider(), drained(one), 2);
      const found = await h.provider().read(h.services, patience());
      expect(found.get(one.service)).toMatchObject({ fence: kept(h, { v: 2 }), shares: h.provider().quantise(drained(one)) });
      expect(found.get(two.service)).toMatchObject({ fence: kept(h, both[1]!.fence), shares: h.provider().quantise(two) });
    });

    test('applying again what is already there is applied and changes nothing', async () => {
      await using h = await makeHarness();
      const [service] = h.services;
      const { desired, fence } = await establish(h.provider(), service, 1);
      const before = await h.snapshot();
      const previous = await readOne(h.provider(), service);
      const changesBefore = h.changes?.() ?? 0;
      expect(await h.provider().apply([{ desired, fence, previous }], patience())).toMatchObject({ outcome: 'applied' });
      expect(await h.snapshot()).toBe(before);
      expect(h.changes?.() ?? 0).toBe(changesBefore);
    });

    test('an empty route is refused as a bug before any call, and so is a batch that names a service twice', async () => {
      await using h = await makeHarness();
      const [service] = h.services;
      await establish(h.provider(), service, 1);
      const before = await h.snapshot();
      const previous = await readOne(h.provider(), service);
      const nobody: ProviderService = { ...service, pools: service.pools.map((pool) => ({ ...pool, share: 0 })) };
      const nowhere: ProviderService = { ...service, pools: service.pools.map((pool) => ({ ...pool, answers: [] })) };
      for (const empty of [nobody, ...(h.can.servesAnswers ? [nowhere] : []), { ...service, pools: [] }]) {
        await expect(h.provider().apply([changeTo(empty, 2, previous)], patience())).rejects.toThrow(/empty/i);
      }
      const twice = [changeTo(service, 2, previous), changeTo(drained(service), 2, previous)];
      await expect(h.provider().apply(twice, patience())).rejects.toThrow(/twice/i);
      expect(await h.snapshot()).toBe(before);
    });

    claim(['plant'], 'a served value that belongs to no pool is reported and does not hide what is ours', async () => {
      await using h = await makeHarness();
      const { plant } = h;
      if (plant === undefined) return;
      const [service, other] = h.services;
      const { fence } = await establish(h.provider(), service, 1);
      await establish(h.provider(), other, 1);
      const value = await plant(service);
      const found = await h.provider().read(h.services, patience());
      expect(found.get(service.service)).toMatchObject({ fence, foreign: [value] });
      expect(found.get(service.service)?.shares).not.toBeNull();
      expect(found.get(other.service)).toMatchObject({ foreign: [] });
    });

    claim(['lostReply'], 'a lost reply is undecided, and reading back shows that the write is ours', async () => {
      await using h = await makeHarness();
      const [service] = h.services;
      const writer = h.provider();
      await establish(writer, service, 1);
      const change = changeTo(drained(service), 2, await readOne(writer, service));
      h.faults?.loseNextReply();
      expect(await writer.apply([change], patience())).toMatchObject({ outcome: 'undecided' });
      expect(await readOne(writer, service)).toMatchObject({ fence: kept(h, change.fence), shares: writer.quantise(change.desired) });
    });

    claim(['refusedPart'], 'a part that is refused leaves nothing of the write', async () => {
      await using h = await makeHarness();
      const start = await h.provider().read(h.services, patience());
      const changes = h.services.slice(0, h.can.batchMax).map((service) => changeTo(service, 1, start.get(service.service)!));
      const before = await h.snapshot();
      h.faults?.refusePart?.();
      expect(['fatal', 'undecided']).toContain((await h.provider().apply(changes, patience())).outcome);
      expect(await h.snapshot()).toBe(before);
    });

    claim(
      ['hang'],
      'a server that hangs is left at the deadline: a write is undecided, a read throws, and neither tells a secret',
      async () => {
        await using h = await makeHarness();
        const [service] = h.services;
        const writer = h.provider();
        await establish(writer, service, 1);
        const previous = await readOne(writer, service);
        h.faults?.hang?.();
        const late = await writer.apply([changeTo(drained(service), 2, previous)], AbortSignal.timeout(300));
        expect(late).toMatchObject({ outcome: 'undecided' });
        const failure = await writer.read([service], AbortSignal.timeout(300)).then(() => 'nothing was thrown', String);
        expect(failure).not.toBe('nothing was thrown');
        for (const secret of h.secrets) expect(`${JSON.stringify(late)} ${failure}`).not.toContain(secret);
      },
    );

    claim(['quota'], 'routine looks at many services stay within their part of the quota', async () => {
      await using h = await makeHarness();
      const { quota } = h;
      if (quota === undefined) return;
      expect(quota.services.length).toBeGreaterThanOrEqual(200);
      const before = quota.requests();
      expect((await h.provider().read(quota.services, patience())).size).toBe(quota.services.length);
      const each = quota.requests() - before;
      expect(each * ROUTINE_PER_MINUTE).toBeLessThanOrEqual(quota.perMinute * ROUTINE_PART);
    });

    test('what it owns is named, with the fields it writes', async () => {
      await using h = await makeHarness();
      const owned = h.provider().owns(h.services);
      expect(owned.length).toBeGreaterThan(0);
      for (const { object, fields } of owned) {
        expect(object).toMatch(/\S/);
        expect(fields.length).toBeGreaterThan(0);
      }
    });

    test('a signal that has already aborted ends a write undecided and a read with an error, and writes nothing', async () => {
      await using h = await makeHarness();
      const [service] = h.services;
      const provider = h.provider();
      const previous = await readOne(provider, service);
      const before = await h.snapshot();
      const over = AbortSignal.abort(new Error('deadline passed'));
      expect(await provider.apply([changeTo(service, 1, previous)], over)).toMatchObject({ outcome: 'undecided' });
      await expect(provider.read([service], over)).rejects.toThrow();
      expect(await h.snapshot()).toBe(before);
    });

    test('wrong credentials write nothing, and no message holds a secret', async () => {
      await using h = await makeHarness();
      const [service] = h.services;
      const previous = await readOne(h.provider(), service);
      const before = await h.snapshot();
      const refused = await h.intruder().apply([changeTo(service, 1, previous)], patience());
      expect(['fatal', 'undecided']).toContain(refused.outcome);
      expect(await h.snapshot()).toBe(before);
      expect(h.secrets.length).toBeGreaterThan(0);
      for (const secret of h.secrets) expect(JSON.stringify(refused)).not.toContain(secret);
    });
  });
};
