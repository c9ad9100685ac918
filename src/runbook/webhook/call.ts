// webhook.call: a user's own system is told of a phase, and where it is waited for, asked until it says that it is drained or caught up. The id is the step's,
// the same at every try, so a receiver tells repeats by it. README.md has the contract for whoever writes one.
import { z } from 'zod';
import { type Answer, Answered } from '../../exchange.ts';
import { webhookId } from '../../paging/signer.ts';
import { isoTime, parseTime } from '../../ports.ts';
import { eventOf, type Said, type SaidState, saidIn, saidText, type WebhookSystem } from '../hook.ts';
import type { Call, Effect, Facts, Reading, StepKind } from '../kind.ts';
import type { StepSpecs } from '../model.ts';
import { applyOr, readOr, saying } from '../outcome.ts';

type Spec = StepSpecs['webhook.call'];

/** However long a receiver asks to be left alone. */
const PAUSE_MS_MAX = 60_000;

const factsShape = z.object({
  /** When it was first to be told: the body says it, and is the same at every try. */
  atMs: z.number().optional(),
  told: z.boolean().optional(),
  statusPath: z.string().optional(),
  /** By what it asked for: not asked, and not told, before that. */
  notBeforeAtMs: z.number().optional(),
});
type Kept = z.infer<typeof factsShape>;

const keptOf = (facts: Facts): Kept => factsShape.safeParse(facts).data ?? {};

/** What it has to say before the plan goes on. */
const wordFor = ({ when }: Spec): SaidState => {
  if (when === 'fence') return 'drained';
  return when === 'prearm' || when === 'calm' ? 'done' : 'caught-up';
};

export const webhookCall: StepKind<'webhook.call'> = {
  kind: 'webhook.call',
  signal: 'target',
  read: (spec, call) => readOr(`webhook ${spec.external}`, () => readCall(spec, call)),
  apply: (spec, call) => applyOr(`webhook ${spec.external}`, () => applyCall(spec, call)),
};

// ---- reading ----

const readCall = async (spec: Spec, call: Call): Promise<Reading> => {
  const { context, signal } = call;
  const nowMs = context.nowMs();
  const kept = { atMs: nowMs, ...keptOf(call.facts) };
  const { external, waits } = spec;
  const { told: isTold = false, notBeforeAtMs = 0 } = kept;
  if (notBeforeAtMs > nowMs)
    return { is: 'pending', because: `${external} asked to be left alone until ${isoTime(notBeforeAtMs)}`, facts: kept };
  // What somebody says who was told nothing means nothing: a page for everybody, a word for everybody. Telling twice does no harm.
  if (!isTold) return { is: 'pending', because: `${external} has not been told of ${spec.when} yet`, facts: kept };
  if (!waits) return { is: 'reached', because: `${external} was told of ${spec.when}`, facts: kept };
  const system = await context.system<WebhookSystem>(spec.system, 'webhook');
  try {
    const answer = await system.ask(webhookId(call.key), kept.statusPath ?? null, signal);
    return told(spec, kept, saidIn(answer), nowMs);
  } catch (error) {
    if (!(error instanceof Answered)) throw error;
    return refusedReading(spec, kept, error, call);
  }
};

const told = (spec: Spec, kept: Kept, said: Said, nowMs: number): Reading => {
  const word = wordFor(spec);
  const because = `${spec.external} says ${said.state}${saidText(said)}`;
  const facts = { ...kept, ...pauseOf(said.checkAfterMs, nowMs) };
  if (said.state === word) return { is: 'reached', because, facts };
  if (said.state === 'failed') return { is: 'never', because, facts };
  return { is: 'pending', because: `${because}; it has to say ${word}`, facts };
};

const pauseOf = (ms: number | undefined, nowMs: number): Kept =>
  ms === undefined ? {} : { notBeforeAtMs: nowMs + Math.min(ms, PAUSE_MS_MAX) };

const refusedReading = ({ external }: Spec, kept: Kept, error: Answered, { context }: Call): Reading => {
  const because = `${external}: ${error.message}`;
  const facts = { ...kept, ...pauseOf(askedMs(error, context), context.nowMs()) };
  if (error.code === 410) return { is: 'never', because: `${because}: it wants no more`, facts };
  if (error.code === 404) return { is: 'pending', because: `${because}: it does not know of it yet`, facts };
  if (error.code === 405 || error.code === 501)
    return { is: 'never', because: `${because} to a GET: what is waited for has to say how far it is`, facts };
  return { is: 'unknown', because, facts };
};

const askedMs = ({ retryAfter }: Answered, { ports }: Call['context']): number | undefined => {
  if (retryAfter === null) return undefined;
  if (/^\d{1,9}$/.test(retryAfter.trim())) return Number(retryAfter) * 1000;
  const atMs = parseTime(retryAfter);
  return atMs === null ? undefined : Math.max(0, atMs - ports.clock.wallMs());
};

// ---- telling ----

/** The same text for the same call. */
const bodyOf = ({ external, when }: Spec, call: Call, atMs: number): string => eventOf(when, call, atMs, { external });

const applyCall = async (spec: Spec, call: Call): Promise<Effect> => {
  const { context, signal } = call;
  const nowMs = context.nowMs();
  const kept = { ...keptOf(call.facts) };
  const { atMs = nowMs, notBeforeAtMs = 0 } = kept;
  const facts = { ...kept, atMs };
  if (kept.told === true) return { took: 'accepted', because: `${spec.external} was told of ${spec.when} already`, facts };
  if (notBeforeAtMs > nowMs)
    return { took: 'refused', because: `${spec.external} asked to be left alone until ${isoTime(notBeforeAtMs)}`, facts };
  const system = await context.system<WebhookSystem>(spec.system, 'webhook');
  try {
    const answer = await system.tell(webhookId(call.key), bodyOf(spec, call, atMs), signal);
    return taken(spec, facts, answer, system, nowMs);
  } catch (error) {
    if (!(error instanceof Answered)) throw error;
    return refusedEffect(spec, facts, error, call);
  }
};

/** Of a 2xx. JSON has to be as agreed; a page of HTML is somebody else's. Anything else is a receiver that says nothing more. */
const taken = (spec: Spec, kept: Kept, answer: Answer, system: WebhookSystem, nowMs: number): Effect => {
  const because = `${spec.external} was told of ${spec.when}: it answered ${answer.status}`;
  const facts = { ...kept, told: true };
  if (/html/i.test(answer.contentType)) return { took: 'undecided', because: `${because} with a page of HTML`, facts: kept };
  if (answer.text.trim() === '' || !/json/i.test(answer.contentType)) return { took: 'accepted', because, facts };
  const said = parsed(answer);
  if (said instanceof Error) return { took: 'undecided', because: `${because}, but ${saying(said)}`, facts: kept };
  if (said.state === 'failed') return { took: 'fatal', because: `${spec.external} says failed${saidText(said)}`, facts };
  if (said.statusPath !== undefined && !system.has(said.statusPath))
    return { took: 'fatal', because: `${because} with a statusPath of another server`, facts };
  const { statusPath } = said;
  return {
    took: 'accepted',
    because: `${because}, ${said.state}${saidText(said)}`,
    facts: { ...facts, ...pauseOf(said.checkAfterMs, nowMs), ...(statusPath === undefined ? {} : { statusPath }) },
  };
};

const parsed = (answer: Answer): Said | Error => {
  try {
    return saidIn(answer);
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
};

const refusedEffect = (spec: Spec, kept: Kept, error: Answered, { context }: Call): Effect => {
  const { code } = error;
  const pause = askedMs(error, context);
  const facts = { ...kept, ...pauseOf(pause, context.nowMs()) };
  const because = `${spec.external}: ${error.message}`;
  if (code === 410) return { took: 'fatal', because: `${because}: it wants no more`, facts };
  if (code >= 300 && code < 400) return { took: 'fatal', because: `${because}: redirects are not followed; name the final address`, facts };
  if (code === 408 || code === 425 || code === 429 || (code === 503 && pause !== undefined))
    return { took: 'refused', because: pause === undefined ? because : `${because} and asks for ${Math.ceil(pause / 1000)} s`, facts };
  return { took: code >= 500 ? 'undecided' : 'fatal', because, facts };
};
