// Reads the chain of language models of every region and tells of it, by the coordinator. It moves nothing: what was told is in the store, so that a successor
// does not tell it again.
import type { Term } from '../coordinate/coordinator.ts';
import { llmKey, outboxKey } from '../coordinate/keys.ts';
import type { Sight } from '../coordinate/read.ts';
import { page } from '../decide/incident.ts';
import { errorText } from '../errors.ts';
import { quoted } from '../exchange.ts';
import type { Log } from '../log.ts';
import type { ClusterConfig, Page } from '../model.ts';
import { type Ports, withDeadline } from '../ports.ts';
import type { HttpCheckSystem } from '../runbook/http/system.ts';
import type { StepContext } from '../runbook/kind.ts';
import { inParallel } from '../runbook/parallel.ts';
import { withPatience } from '../runbook/patience.ts';
import type { ByRegion, LlmConfig, PlatformConfig } from '../runbook/platform.ts';
import type { Store } from '../store/store.ts';
import { type LlmKnown, type LlmRecord, llmAfter, NOTHING_KNOWN, type Seen, seenIn } from './chain.ts';

export interface LlmDutyOptions {
  ports: Pick<Ports, 'clock' | 'timers' | 'random'>;
  log: Log;
  store: Pick<Store, 'get'>;
  system: StepContext['system'];
}

export interface LlmDuty {
  /** Once per turn of a term. Returns at once. */
  turn(sight: Sight, nowMs: number, term: Pick<Term, 'commit'>): void;
  /** A term has ended: what was seen at the last look was seen by it. */
  rest(): void;
  /** Resolves when nothing is under way. */
  idle(): Promise<void>;
}

export const LLM_EVERY_MS = 15_000;
const ASK_MS = 5_000;
const STORE_MS = 2_000;
const AT_ONCE = 8;
const BECAUSE_CHARS_MAX = 160;

/** A record that says the same is written again so often: readers have to know how old it is. */
const AGAIN_MS = 60_000;

type Looks = NonNullable<LlmRecord['looks']>;

const isSame = (a: LlmKnown, b: LlmKnown): boolean => JSON.stringify(a) === JSON.stringify(b);

/** Whether the looks that are written say the same, and are not old. */
const isFresh = (written: Looks | undefined, looks: Looks): boolean =>
  Object.entries(looks).every(([region, { provider, because, atMs }]) => {
    const before = written?.[region];
    return before?.provider === provider && before.because === because && atMs - before.atMs <= AGAIN_MS;
  });

export const createLlmDuty = ({ ports, log, store, system }: LlmDutyOptions): LlmDuty => {
  let work: Promise<void> | null = null;
  let lookAtMs = 0;
  let seenBefore: ReadonlyMap<string, ByRegion<Seen>> = new Map();

  /** Never rejects: what cannot be asked is unknown. */
  const ask = async (llm: LlmConfig, name: string): Promise<Seen> => {
    try {
      const document = await withPatience(ports.timers, ASK_MS, `asking ${name}`, async (signal) =>
        (await system<HttpCheckSystem>(name, 'http')).document(signal),
      );
      return seenIn(document, llm);
    } catch (error) {
      return { provider: null, because: quoted(errorText(error), BECAUSE_CHARS_MAX) };
    }
  };

  const lookAt = async (
    cluster: ClusterConfig,
    { name, services }: PlatformConfig,
    llm: LlmConfig,
    { v, nowMs }: { v: number; nowMs: number },
    term: Pick<Term, 'commit'>,
  ): Promise<void> => {
    const seen = Object.fromEntries(
      await inParallel(Object.entries(llm.systems), AT_ONCE, async ([region, entry]) => [region, await ask(llm, entry)] as const),
    );
    const looks = { seen, seenBefore: seenBefore.get(name) ?? {} };
    seenBefore = new Map([...seenBefore, [name, seen]]);
    const key = llmKey(name);
    const { kvs } = await withDeadline(ports.timers, STORE_MS, 'reading what was told', (signal) => store.get({ keys: [key] }, signal));
    const { nonce: _, looks: written, ...before } = (kvs[0]?.value as LlmRecord | undefined) ?? { ...NOTHING_KNOWN, nonce: '' };
    const { known, news } = llmAfter(name, llm, before, looks, nowMs);
    const looked: Looks = Object.fromEntries(Object.entries(seen).map(([region, each]) => [region, { ...each, atMs: nowMs }]));
    if (isSame(before, known) && isFresh(written, looked)) return;
    const nonce = ports.random.hex(8);
    const pages = news.map(({ type, severity, summary }): Page => {
      const said = page({ cluster, v, nonce, nowMs }, type, severity, summary, `llm-${name}`, {
        platform: name,
        services,
        told: known.told,
      });
      return { ...said, id: `${said.id}-${nonce}` };
    });
    const value: LlmRecord = { ...known, looks: looked, nonce };
    const isDone = await term.commit(
      [{ key, mod: kvs[0]?.mod ?? 0 }],
      [{ put: key, value }, ...pages.map((each) => ({ put: outboxKey(each.id), value: each }))],
    );
    if (isDone) for (const { type, summary } of news) log.info(type, { platform: name, because: summary });
  };

  return {
    turn({ cluster, routing }, nowMs, term) {
      const asked = (cluster?.platforms ?? []).flatMap((platform) => (platform.llm === undefined ? [] : [{ platform, llm: platform.llm }]));
      if (work !== null || cluster === null || asked.length === 0 || ports.clock.monoMs() < lookAtMs) return;
      lookAtMs = ports.clock.monoMs() + LLM_EVERY_MS;
      const about = { v: routing?.v ?? 0, nowMs };
      work = inParallel(asked, AT_ONCE, ({ platform, llm }) => lookAt(cluster, platform, llm, about, term))
        .then(() => undefined)
        .catch((error: unknown) => log.warn('llm.look', { because: errorText(error) }))
        .finally(() => {
          work = null;
        });
    },
    rest() {
      seenBefore = new Map();
    },
    idle: async () => {
      await work;
    },
  };
};
