// What every kind of step promises, whatever it reads and moves. An entry of `kinds` passes this suite or is no kind.
// To bring a kind: write a world for it (below: what stands around it, as a fake that is named one and held to its vendor's documents elsewhere), and add its
// line to WORLDS in test/runbook/steps.test.ts, which fails for a kind without one. `startFront` of test/runbook/front.ts is a world's wire over HTTP with every fault
// of this suite; a world without one makes its faults itself (test/runbook/grpc/world.ts). Sockets and time are real; nothing waits for time to pass.
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createHttp } from '../../src/http.ts';
import { registerSecret } from '../../src/log.ts';
import { type Clock, DeadlineError, realPorts } from '../../src/ports.ts';
import type { Call, Effect, Facts, Reading, Routing, StepContext, StepKind, TierDesk } from '../../src/runbook/kind.ts';
import { kinds } from '../../src/runbook/kinds.ts';
import type { StepKindName, StepSpecs } from '../../src/runbook/model.ts';
import { openSystems, type Systems } from '../../src/runbook/open.ts';
import type { RunMode } from '../../src/runbook/platform.ts';
import type { SystemConfig } from '../../src/runbook/systems.ts';
import { type RecordingLog, recordingLog } from '../recording-log.ts';
import { tiersOf } from '../runbook/tiers.ts';

/**
 * How a wire fails. `silence`: it takes everything and answers nothing. `lost`: the next effect happens and its reply does not arrive. The others answer with
 * success and nonsense: `empty`, `html`, `truncated` JSON, JSON of wrong `types`, a right answer of 10 MB (`huge`). `echo`: a refusal that quotes all of the
 * request.
 */
export type Fault = 'silence' | 'lost' | 'empty' | 'html' | 'truncated' | 'types' | 'huge' | 'echo';
const NONSENSE = ['empty', 'html', 'truncated', 'types', 'huge'] as const satisfies readonly Fault[];

/**
 * What a kind has not, and with it the claims that need it. `effect`: it is a gate. `wire`: it calls nothing outside this process. `body`: its answers have no
 * body that counts; its world says which faults it makes. `secret`: it is given none. `memory`: reading asks nobody before an effect is known to have been
 * taken; what is not known is done again with the same key.
 */
export type Lack = 'effect' | 'wire' | 'body' | 'secret' | 'memory';

export interface StepWorld<K extends StepKindName> extends AsyncDisposable {
  /** Pending as the world begins; for a target what `apply` brings about. */
  spec: StepSpecs[K];
  /** As a replica's file names them. */
  systems: Readonly<Record<string, SystemConfig>>;
  /** Contents by path, secret or not. */
  files: Readonly<Record<string, string>>;
  /** What must appear nowhere. */
  secrets: readonly string[];
  /** For steps that move routes. */
  routing?: Routing;
  /** What is known of data tiers; absent: nothing. */
  tiers?: TierDesk;
  /** Of the run; absent: it is ungraceful. */
  mode?: RunMode;
  /** What happens outside until it is so: of a gate all of it; of a target what follows its effect. */
  settle(): Promise<void> | void;
  /** Effects so far: changes that were taken, repeats of one left out. */
  effects(): number;
  /** What calls meet from now on. null: nothing bad. */
  meets(fault: Fault | null): void;
  /** Resolves once a call has met the silence. */
  asked(): Promise<void>;
}

export interface StepEntry<K extends StepKindName> {
  lacks: readonly Lack[];
  /** Of a kind that lacks `body`: the faults that its world makes. */
  faults?: readonly Fault[];
  start(): Promise<StepWorld<K>>;
}

const TEST_MS = 20_000;
/** A call whose signal has aborted ends within that. */
const PROMPT_MS = 1_000;
const FACTS_BYTES_MAX = 16 * 1024;
const NEVER = new AbortController().signal;

const noRouting: Routing = {
  drain: () => Promise.reject(new Error('no routes here')),
  open: () => Promise.reject(new Error('no routes here')),
  orders: () => Promise.reject(new Error('no routes here')),
  look: () => Promise.reject(new Error('no routes here')),
};

export interface Harness<K extends StepKindName, W extends StepWorld<K> = StepWorld<K>> extends AsyncDisposable {
  kind: StepKind<K>;
  world: W;
  systems: Systems;
  log: RecordingLog;
  read(facts?: Facts, signal?: AbortSignal): Promise<Reading>;
  /** What it throws counts as undecided, as for an executor. */
  apply(facts?: Facts, signal?: AbortSignal): Promise<Effect>;
}

/** `clock`: in place of the real one. */
export const startHarness = async <K extends StepKindName, W extends StepWorld<K>>(
  name: K,
  start: () => Promise<W>,
  clock: Clock = realPorts().clock,
): Promise<Harness<K, W>> => {
  const kind: StepKind<K> = await kinds[name]();
  const world = await start();
  const ports = { ...realPorts(), clock };
  const log = recordingLog();
  const file = (path: string): string => {
    const text = world.files[path];
    if (text === undefined) throw new Error(`no file ${path} in this world`);
    return text;
  };
  const resolve = async () => ({ addresses: ['127.0.0.1'], stale: null, ageMs: 0 });
  const systems: Systems = openSystems(world.systems, {
    ports,
    log,
    // As the real one does.
    secret: (path) => {
      registerSecret(file(path));
      return file(path);
    },
    text: file,
    resolve,
    httpTrusting: (trust) => createHttp({ ports, resolve, ...trust }),
  });
  const context: StepContext = {
    ports,
    log,
    system: systems.system,
    routing: world.routing ?? noRouting,
    tiers: world.tiers ?? tiersOf(),
    nowMs: ports.clock.wallMs,
  };
  const callOf = (facts: Facts, signal: AbortSignal): Call => ({
    key: `r7.${name}@eu-west`,
    run: { id: 'r7', platform: 'orders', from: 'us-east', to: 'eu-west', mode: world.mode ?? 'ungraceful' },
    facts,
    signal,
    context,
  });
  const held = <T extends { because: string; facts?: Facts }>(said: T): T => {
    expect(said.because).toMatch(/^[^\p{Cc}]{3,800}$/u);
    expect(said.because).not.toMatch(/not built yet|undefined|\bNaN (s|ms|days|pods)\b|\[object/);
    const all = `${JSON.stringify(said)} ${JSON.stringify(log.lines)}`;
    for (const secret of world.secrets) expect(all).not.toContain(secret);
    expect(JSON.stringify(said.facts ?? {}).length).toBeLessThan(FACTS_BYTES_MAX);
    return said;
  };
  const { apply } = kind;
  return {
    kind,
    world,
    systems,
    log,
    read: async (facts = {}, signal = NEVER) => held(await kind.read(world.spec, callOf(facts, signal))),
    apply: async (facts = {}, signal = NEVER) => {
      if (apply === undefined) throw new Error(`${name} has no effect`);
      return held(
        await apply
          .call(kind, world.spec, callOf(facts, signal))
          .catch((error: unknown): Effect => ({ took: 'undecided', because: String(error) })),
      );
    },
    async [Symbol.asyncDispose]() {
      await systems.close();
      await world[Symbol.asyncDispose]();
    },
  };
};

/** Fails when `call` has not ended promptly. */
const promptly = async <T>(call: Promise<T>): Promise<T> => {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`it goes on ${PROMPT_MS} ms after its signal`)), PROMPT_MS);
  try {
    return await Promise.race([call, late.promise]);
  } finally {
    clearTimeout(timer);
  }
};

export const stepContract = <K extends StepKindName>(name: K, entry: StepEntry<K>): void => {
  const lacks = (lack: Lack): boolean => entry.lacks.includes(lack);
  const claim = (needs: readonly Lack[], title: string, body: (h: Harness<K>) => Promise<void>): void => {
    if (!needs.some(lacks))
      test(title, async () => {
        await using h = await startHarness(name, entry.start);
        await body(h);
      });
  };
  const faults = lacks('body') ? (entry.faults ?? []) : ([...NONSENSE, 'echo', 'silence'] as const);
  const nonsense = faults.filter((fault) => (NONSENSE as readonly Fault[]).includes(fault));

  describe(`step contract: ${name}`, { timeout: TEST_MS }, () => {
    const leaks: unknown[] = [];
    const onLeak = (error: unknown): void => void leaks.push(error);
    beforeAll(() => void process.on('unhandledRejection', onLeak));
    afterAll(() => void process.off('unhandledRejection', onLeak));
    afterEach(() => expect(leaks.splice(0)).toEqual([]));

    claim([], 'it is what its name says, and what it lacks is what was said', async (h) => {
      expect(h.kind.kind).toBe(name);
      expect(h.kind.signal).toBe(lacks('effect') ? 'gate' : 'target');
      expect(h.kind.apply === undefined).toBe(lacks('effect'));
      expect(h.world.secrets.length === 0).toBe(lacks('secret'));
      expect(Object.keys(h.world.systems).length === 0).toBe(lacks('wire'));
      for (const secret of h.world.secrets) {
        expect(Object.values(h.world.files).some((text) => text.includes(secret))).toBe(true);
        expect(JSON.stringify(h.world.systems)).not.toContain(secret);
      }
    });

    claim([], 'reading says that it is not so yet, and does nothing, however often', async (h) => {
      // A gate may have no way to tell "not yet" from nothing usable.
      const fitting = lacks('effect') ? ['pending', 'unknown'] : ['pending'];
      for (let time = 0; time < 3; time++) expect(fitting).toContain((await h.read()).is);
      expect(h.world.effects()).toBe(0);
    });

    claim([], 'it is reached once it is so', async (h) => {
      const before = await h.read();
      const facts = lacks('effect') ? before.facts : await accepted(h, before.facts);
      await h.world.settle();
      expect(await h.read(facts)).toMatchObject({ is: 'reached' });
    });

    claim(['effect'], 'acting twice with one key has one effect, whether it remembers the first or not', async (h) => {
      const before = await h.read();
      const facts = await accepted(h, before.facts);
      await h.apply(facts);
      await h.apply(before.facts);
      await h.world.settle();
      await h.apply({});
      expect(h.world.effects()).toBe(1);
      expect(await h.read(facts)).toMatchObject({ is: 'reached' });
    });

    claim(['effect', 'wire'], 'an effect whose reply is lost is undecided, is found by reading, and happens once', async (h) => {
      const before = await h.read();
      h.world.meets('lost');
      expect(await h.apply(before.facts)).toMatchObject({ took: 'undecided' });
      expect(h.world.effects()).toBe(1);
      h.world.meets(null);
      await h.world.settle();
      const facts = lacks('memory') ? await accepted(h, before.facts) : before.facts;
      expect(await h.read(facts)).toMatchObject({ is: 'reached' });
      expect(h.world.effects()).toBe(1);
    });

    /** With which reading calls somebody: what lacks `memory` asks nobody who was not told. */
    const asking = async (h: Harness<K>): Promise<Facts> => (lacks('memory') ? accepted(h) : {});

    claim(['wire'], 'silence is unknown, and the signal ends the call in time', async (h) => {
      const facts = await asking(h);
      h.world.meets('silence');
      const stop = new AbortController();
      const reading = h.read(facts, stop.signal);
      await h.world.asked();
      stop.abort(new DeadlineError('the step', 100));
      expect(await promptly(reading)).toMatchObject({ is: 'unknown' });
    });

    claim(['effect', 'wire'], 'acting on silence is not taken for an effect, and the signal ends it in time', async (h) => {
      const before = await h.read();
      h.world.meets('silence');
      const stop = new AbortController();
      const acting = h.apply(before.facts, stop.signal);
      await h.world.asked();
      stop.abort(new DeadlineError('the step', 100));
      expect(['undecided', 'refused']).toContain((await promptly(acting)).took);
    });

    claim(['wire'], 'a signal that has aborted already calls nobody', async (h) => {
      const facts = await asking(h);
      const before = h.world.effects();
      const over = AbortSignal.abort(new Error('stopping'));
      expect(await promptly(h.read(facts, over))).toMatchObject({ is: 'unknown' });
      if (!lacks('effect')) expect((await promptly(h.apply({}, over))).took).not.toBe('accepted');
      expect(h.world.effects()).toBe(before);
    });

    claim(['wire'], 'where nobody listens is unknown, and after it returns it is read again', async (h) => {
      const facts = await asking(h);
      await h.world.settle();
      const { world } = h;
      await world[Symbol.asyncDispose]();
      expect(await h.read(facts)).toMatchObject({ is: 'unknown' });
      world[Symbol.asyncDispose] = async () => undefined;
    });

    if (!lacks('wire'))
      test.each(nonsense)('an answer that is %s is unknown, though it would be reached, and moves nothing', async (fault) => {
        await using h = await startHarness(name, entry.start);
        const before = await h.read();
        let facts = before.facts;
        if (!lacks('effect')) {
          h.world.meets(fault);
          await h.apply(before.facts);
          h.world.meets(null);
          facts = await accepted(h, before.facts);
        }
        await h.world.settle();
        h.world.meets(fault);
        const found = await h.read(lacks('memory') ? facts : {});
        expect(found).toMatchObject({ is: 'unknown' });
        h.world.meets(null);
        expect(await h.read(lacks('effect') ? {} : facts)).toMatchObject({ is: 'reached' });
      });

    claim(['wire', 'secret'], 'a refusal that quotes the request is told without its secrets', async (h) => {
      expect(faults).toContain('echo');
      const facts = await asking(h);
      h.world.meets('echo');
      expect((await h.read(facts)).is).not.toBe('reached');
      if (!lacks('effect')) expect((await h.apply()).took).not.toBe('accepted');
    });

    claim(['wire'], 'a system that this replica does not name is no reason to go on', async (h) => {
      // Whatever the spec calls the entry of a system.
      const named = Object.entries(h.world.spec).flatMap(([field, value]) =>
        typeof value === 'string' && value in h.world.systems ? [[field, `${value}-elsewhere`]] : [],
      );
      const elsewhere: StepSpecs[K] = { ...h.world.spec, ...Object.fromEntries(named) };
      const call = {
        key: 'r7.x',
        run: { id: 'r7', platform: 'p', from: 'a', to: 'b', mode: 'ungraceful' as const },
        facts: await asking(h),
        signal: NEVER,
      };
      const ports = realPorts();
      const none = openSystems(
        {},
        {
          ports,
          log: h.log,
          secret: String,
          text: String,
          resolve: () => Promise.reject(new Error('none')),
          httpTrusting: () => createHttp({ ports, resolve: () => Promise.reject(new Error('none')) }),
        },
      );
      const context: StepContext = {
        ports,
        log: h.log,
        system: none.system,
        routing: noRouting,
        tiers: tiersOf(),
        nowMs: ports.clock.wallMs,
      };
      const reading = await h.kind.read(elsewhere, { ...call, context }).catch((error: unknown) => error);
      expect(JSON.stringify([reading, String(reading)])).toContain('-elsewhere');
      expect(reading).not.toMatchObject({ is: 'reached' });
    });
  });
};

/** Facts as an executor keeps them: what was read, and what acting added. */
const accepted = async <K extends StepKindName>(h: Harness<K>, before: Facts = {}): Promise<Facts> => {
  const effect = await h.apply(before);
  expect(effect).toMatchObject({ took: 'accepted' });
  return { ...before, ...effect.facts };
};
