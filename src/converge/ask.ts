// Asks the servers that stand between a route and its users, and says what their answers amount to. One question first: only a server that passes it
// is asked the other nineteen, at once, so that waiting for a change costs it little and a dead one costs a second. A lost datagram is asked for
// again once: twenty questions over a path that loses one in a hundred would fail each fifth look. Never rejects for what the world does.
import type { Reply } from '../dns/codec.ts';
import { follow } from '../dns/codec.ts';
import { type DnsServer, type QueryOptions, type query, serverText } from '../dns/exchange.ts';
import { errorText } from '../errors.ts';
import type { Route, ServiceConfig } from '../model.ts';
import type { Ports } from '../ports.ts';
import { type Finding, isProxied, judge, ofFamily } from './landing.ts';

export interface Asked {
  server: string;
  finding: Finding;
  /** Whatever it answered, each once. */
  addresses: readonly string[];
}

export interface AskContext {
  ports: Pick<Ports, 'net' | 'timers' | 'random'>;
  dnsQuery: typeof query;
  signal: AbortSignal;
}

export interface Question {
  service: ServiceConfig;
  route: Route;
  /** Answers wanted per family. */
  samples: number;
  /** A resolver, which is to find out, instead of a server that must know. */
  recursive: boolean;
}

/** One question. */
const QUERY_MS = 1000;
/** Servers asked at once: four times twenty sockets, for each of the services under way. */
const SERVERS_AT_ONCE = 4;
const TEXT_MAX = 120;

type Family = 'A' | 'AAAA';

/** `192.0.2.1:53` or `[2001:db8::1]:53`, as the configuration spells them. */
export const serverOf = (text: string): DnsServer => {
  const at = text.lastIndexOf(':');
  return { host: text.slice(0, at).replace(/^\[|\]$/g, ''), port: Number(text.slice(at + 1)) };
};

/** What each of `servers` says, in their order. Rejects only when the signal aborts. */
export const askAll = async (context: AskContext, servers: readonly string[], question: Question): Promise<readonly Asked[]> => {
  const asked: Asked[] = [];
  for (let at = 0; at < servers.length; at += SERVERS_AT_ONCE) {
    const some = servers.slice(at, at + SERVERS_AT_ONCE);
    asked.push(...(await Promise.all(some.map((server) => askServer(context, server, question)))));
    context.signal.throwIfAborted();
  }
  return asked;
};

/** Families that some pool of the service has addresses of: the others are nobody's business. */
const familiesOf = (service: ServiceConfig): readonly { family: Family; service: ServiceConfig }[] =>
  (['A', 'AAAA'] as const)
    .map((family) => ({ family, service: ofFamily(service, family) }))
    .filter(({ service: part }) => part.pools.length > 0);

const askServer = async (context: AskContext, server: string, question: Question): Promise<Asked> => {
  if (isProxied(question.service)) return askForName(context, server, question);
  const addresses = new Set<string>();
  let finding: Finding = { landed: false, wrong: 'empty', because: 'no pool has an address' };
  for (const { family, service } of familiesOf(question.service)) {
    const answers = await samplesOf(context, serverOf(server), question, family, service);
    for (const address of answers.samples.flat()) addresses.add(address);
    finding = answers.silent ?? judge(service, question.route, answers.samples, question.samples);
    if (!finding.landed) break;
  }
  return { server, finding, addresses: [...addresses] };
};

/** Whatever the name resolves to is the provider's: one family will do, and no address is wrong. */
const askForName = async (context: AskContext, server: string, question: Question): Promise<Asked> => {
  const families = ['A', 'AAAA'] as const;
  const found = await Promise.all(families.map((family) => samplesOf(context, serverOf(server), question, family, question.service)));
  const addresses = [...new Set(found.flatMap(({ samples }) => samples.flat()))];
  const silent = found.find((answers) => answers.silent !== null)?.silent ?? null;
  const none: Finding = { landed: false, wrong: 'empty', because: 'answers without an address' };
  const finding: Finding = addresses.length > 0 ? { landed: true, because: 'answers the name' } : (silent ?? none);
  return { server, finding, addresses };
};

interface Answers {
  samples: readonly (readonly string[])[];
  /** Why there are not as many as wanted. */
  silent: Finding | null;
}

const samplesOf = async (
  context: AskContext,
  server: DnsServer,
  question: Question,
  family: Family,
  service: ServiceConfig,
): Promise<Answers> => {
  const once = (): Promise<readonly string[]> => ask(context, server, question, family);
  const again = (): Promise<readonly string[]> => once().catch((error) => (isLost(error) ? once() : Promise.reject(error)));
  let samples: readonly (readonly string[])[] = [];
  try {
    samples = [await once()];
    if (question.samples > 1 && judge(service, question.route, samples, 1).landed)
      samples = [...samples, ...(await Promise.all(Array.from({ length: question.samples - 1 }, again)))];
    return { samples, silent: null };
  } catch (error) {
    return { samples, silent: { landed: false, wrong: 'silent', because: errorText(error).slice(0, TEXT_MAX) } };
  }
};

/** A reply that is not an answer. Asking again at once would bring the same. */
class NoAnswer extends Error {}

const isLost = (error: unknown): boolean => !(error instanceof NoAnswer);

const ask = async (context: AskContext, server: DnsServer, question: Question, family: Family): Promise<readonly string[]> => {
  const { ports, signal } = context;
  const { name } = question.service;
  const options: QueryOptions = {
    ports,
    server,
    name,
    type: family,
    recursionDesired: question.recursive,
    timeoutMs: QUERY_MS,
    signal,
  };
  const reply: Reply = await context.dnsQuery(options);
  if (reply.rcode !== 'NOERROR') throw new NoAnswer(`${serverText(server)} answers ${reply.rcode}`);
  if (!question.recursive && !reply.authoritative) throw new NoAnswer(`${serverText(server)} answers without authority`);
  return follow(reply, name, family).addresses;
};
