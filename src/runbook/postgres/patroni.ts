// The REST API of one Patroni cluster. What is read comes from the first member that answers, in the order of the file; what changes something goes to the one
// that holds the leader's lock, since only that one wakes up for it at once, else to any that answers. Only addresses of the file are ever called.

import { Fault } from '../../errors.ts';
import { type Answer, Answered, type Exchange, exchange, guardedUrl, jsonIn, quoted } from '../../exchange.ts';
import { registerSecret } from '../../log.ts';
import { withDeadline } from '../../ports.ts';
import type { System, SystemContext } from '../kind.ts';
import { saying } from '../outcome.ts';
import type { PatroniConfig, SystemModule } from '../systems.ts';
import { type Cluster, type Config, clusterIn, configIn, type Node, nodeIn } from './patroni-wire.ts';

const ANSWER_BYTES_MAX = 256 * 1024;
/** Of one member, when others may answer instead: within one call's deadline more than one has its turn. */
const MEMBER_MS = 2_500;

/** What a member says of itself, or why it says nothing. */
export interface NodeLook {
  /** `host:port` of its REST API. */
  at: string;
  node: Node | null;
  because: string;
}

export interface PatroniSystem extends System {
  readonly kind: 'patroni';
  /** As the configuration store has it now. Rejects when no member answers. */
  cluster(signal: AbortSignal): Promise<Cluster>;
  config(signal: AbortSignal): Promise<Config>;
  /** Every member of the file, asked at the same time. Rejects when none answers. */
  nodes(signal: AbortSignal): Promise<readonly NodeLook[]>;
  /** Changes the configuration of the cluster and answers with it. Throws Answered for a refusal. */
  patch(change: Readonly<Record<string, unknown>>, signal: AbortSignal): Promise<Config>;
  /** Within the cluster, away from `leader`; answers when it is over, as far as Patroni waits. `candidate` null: whichever fits. Throws Answered. */
  switchover(leader: string, candidate: string | null, signal: AbortSignal): Promise<string>;
}

export const patroni: SystemModule<PatroniConfig> = {
  async open({ urls, user, passwordFile, tls }, context) {
    const { timers } = context.ports;
    const isPlainFine = passwordFile === undefined;
    const bases = urls.map((url) => guardedUrl(url, isPlainFine));
    if (bases.length === 0) throw new Fault('ERR_CONFIG', 'found no urls, expected those of the members of the Patroni cluster');
    if (tls?.serverName !== undefined)
      throw new Fault('ERR_CONFIG', 'found tls.serverName, expected urls with the names of the certificates: those are what is verified');
    const http = context.httpTrusting(trustOf(tls, context));
    const auth = (): Readonly<Record<string, string>> => basic(context, user, passwordFile);
    auth();

    const send = (base: URL, path: string, request: Pick<Exchange, 'method' | 'body'>, signal: AbortSignal): Promise<Answer> => {
      const headers = {
        'user-agent': 'tidegate',
        ...(request.body === undefined ? {} : { 'content-type': 'application/json' }),
        ...auth(),
      };
      return exchange(
        http.fetch,
        { ...request, url: `${base.href.replace(/\/$/, '')}${path}`, headers, bytesMax: ANSWER_BYTES_MAX },
        signal,
      );
    };
    const read = async <T>(base: URL, path: string, into: (json: unknown) => T, signal: AbortSignal): Promise<T> => {
      const answer = await send(base, path, { method: 'GET' }, signal);
      if (answer.status !== 200) throw new Answered(answer.status, `${base.host} answered ${answer.status} to GET ${path}`);
      return into(jsonIn(answer));
    };
    /** Not by `/patroni`, which says the same and waits a second first, for a Postgres that does not answer: just while it stops and starts we look again and again. */
    const nodeOf = async (base: URL, signal: AbortSignal): Promise<Node> => {
      const answer = await send(base, '/health', { method: 'GET' }, signal);
      // 503: its Postgres does not run.
      if (answer.status !== 200 && answer.status !== 503)
        throw new Answered(answer.status, `${base.host} answered ${answer.status} to GET /health`);
      return nodeIn(jsonIn(answer));
    };
    const bounded = <T>(base: URL, work: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T> =>
      bases.length === 1 ? work(signal) : withDeadline(timers, MEMBER_MS, base.host, work, signal);
    const first = async <T>(path: string, into: (json: unknown) => T, signal: AbortSignal): Promise<T> => {
      let failure: unknown;
      for (const base of bases) {
        if (signal.aborted) throw signal.reason;
        try {
          return await bounded(base, (within) => read(base, path, into, within), signal);
        } catch (error) {
          // A member that answered with what no member says is told rather than one that is silent.
          if (!(failure instanceof Answered)) failure = error;
        }
      }
      throw failure;
    };
    /** In the order in which they should be told: who holds the lock, then who answers. */
    const forChange = async (signal: AbortSignal): Promise<URL> => {
      if (bases.length === 1) return bases[0]!;
      const asked = bases.map((base) =>
        bounded(base, (within) => send(base, '/leader', { method: 'GET' }, within), signal).then(({ status }) => ({ base, status })),
      );
      const answers = (await Promise.allSettled(asked)).flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
      if (signal.aborted) throw signal.reason;
      // 503 is the answer of a member that works and does not lead.
      const found = answers.find(({ status }) => status === 200) ?? answers.find(({ status }) => status === 503);
      if (found === undefined) throw new Error(`no member of ${bases.map(({ host }) => host).join(', ')} answers, so nothing was sent`);
      return found.base;
    };

    const system: PatroniSystem = {
      kind: 'patroni',
      cluster: (signal) => first('/cluster', clusterIn, signal),
      config: (signal) => first('/config', configIn, signal),
      async nodes(signal) {
        const looks = await Promise.all(
          bases.map(async (base): Promise<NodeLook & { error?: unknown }> => {
            try {
              const node = await bounded(base, (within) => nodeOf(base, within), signal);
              return { at: base.host, node, because: `${base.host} says ${node.role}, ${node.state}` };
            } catch (error) {
              return { at: base.host, node: null, because: saying(error), error };
            }
          }),
        );
        if (looks.every(({ node }) => node === null)) throw looks.find(({ error }) => error instanceof Answered)?.error ?? looks[0]?.error;
        return looks.map(({ at, node, because }) => ({ at, node, because }));
      },
      async patch(change, signal) {
        const base = await forChange(signal);
        const answer = await send(base, '/config', { method: 'PATCH', body: JSON.stringify(change) }, signal);
        if (answer.status === 200) return configIn(jsonIn(answer));
        throw new Answered(answer.status, `${base.host} answered ${answer.status} to PATCH /config`);
      },
      async switchover(leader, candidate, signal) {
        const base = await forChange(signal);
        const body = JSON.stringify({ leader, ...(candidate === null ? {} : { candidate }) });
        const answer = await send(base, '/switchover', { method: 'POST', body }, signal);
        const said = /html|json/i.test(answer.contentType) && !/^[\w "'.-]+$/.test(answer.text) ? '' : quoted(answer.text);
        const because = `${base.host} answered ${answer.status}${said === '' ? '' : `: ${said}`}`;
        if (answer.status !== 200 && answer.status !== 202) throw new Answered(answer.status, because);
        if (!/switched over/i.test(answer.text))
          throw new Error(`${base.host} answered ${answer.status} with another thing than a switchover`);
        return because;
      },
      close: () => http.close(),
    };
    return system;
  },
};

const trustOf = (tls: PatroniConfig['tls'], { text, secret }: SystemContext): Parameters<SystemContext['httpTrusting']>[0] => {
  const { caFile, certFile, keyFile } = tls ?? {};
  return {
    ...(caFile === undefined ? {} : { caPem: text(caFile) }),
    ...(certFile === undefined || keyFile === undefined ? {} : { own: { certPem: text(certFile), keyPem: secret(keyFile) } }),
  };
};

/** Read anew at each call: a password is replaced while we run. Throws Fault ERR_SECRET. */
const basic = ({ secret }: SystemContext, user: string | undefined, passwordFile: string | undefined): Readonly<Record<string, string>> => {
  if (passwordFile === undefined) return {};
  const password = secret(passwordFile).trim();
  if (password === '') throw new Fault('ERR_SECRET', `${passwordFile}: is empty; write the password of Patroni's REST API into it`);
  const pair = Buffer.from(`${user ?? ''}:${password}`).toString('base64');
  for (const text of [password, pair]) registerSecret(text);
  return { authorization: `Basic ${pair}` };
};
