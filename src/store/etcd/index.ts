// etcd as the store. Decides what a call's outcome means: a transaction is sent at most once, and certain is only what etcd's own words make certain.
// Reads are linearizable, made of one transaction, and may be asked of a second member while the first keeps us waiting.
// A store that was replaced or lost revisions is frozen by src/store/identity.ts until a human adopts it.
import { status } from '@grpc/grpc-js';
import { KEYS } from '../../coordinate/keys.ts';
import { errorText, Fault } from '../../errors.ts';
import { CallError, type Link } from '../../grpc-link.ts';
import type { Log } from '../../log.ts';
import type { Adopted } from '../../model.ts';
import { DeadlineError, type Ports, withDeadline } from '../../ports.ts';
import { type Before, createIdentity, type Judgement } from '../identity.ts';
import { checkedQuery, encodeTxn, READ_BYTES_MAX } from '../limits.ts';
import type { KeyValue, Query, Read, Store, Txn, TxnResult, Watch, WatchEvent } from '../store.ts';
import { StoreAmbiguousError, StoreDefiniteError } from '../store.ts';
import { type Endpoint, parseEndpoints, type ResolveName, type TlsTexts } from './endpoint.ts';
import { follow } from './feed.ts';
import { firstAnswer } from './hedge.ts';
import { type Answer, createMirror, type Mirror, plainAnswer } from './mirror.ts';
import { createPassport, isTokenRefused, lacks, type Passport, type User, type Wanted } from './passport.ts';
import { loadProtocol, positionOf, readRequest, type TxnReply, type TxnRequest, writeRequest } from './protocol.ts';
import { meaningOf } from './refusal.ts';
import { createRoster, type Member, type Roster } from './roster.ts';

export interface EtcdOptions {
  /** `https://host:port`, own region's first; `http://` to loopback only. */
  endpoints: readonly string[];
  /** Before every key on the wire; ends with `/`. */
  prefix: string;
  tls?: TlsTexts;
  /** `tls` as it is now: asked before each connection. */
  renewTls?: () => TlsTexts;
  user?: User;
  /** For a whole call: connection, request and reply. */
  timeoutMs: number;
  ports: Ports;
  log?: Log;
  /** Needed when an endpoint is a host name: names are never resolved by getaddrinfo. */
  resolve?: ResolveName;
}

/** The member is well, and what it said is for the asker to hear. */
const isAnswer = (error: unknown): boolean =>
  error instanceof Fault || (error instanceof CallError && !['member', 'unknown'].includes(meaningOf(error.code, error.message).cause));

const STRANGE_MAX = 1000;

/** One stream of changes, and who hears it. */
interface Feed {
  listeners: Set<(event: WatchEvent) => void>;
  stop: AbortController;
}

class EtcdStore implements Store {
  readonly #ports: Ports;
  readonly #log: Log | undefined;
  readonly #prefix: string;
  readonly #timeoutMs: number;
  readonly #protocol = loadProtocol();
  readonly #identity = createIdentity();
  /** What was read over each connection: later reads are spared what has not changed. */
  #mirrors = new WeakMap<Link, Mirror>();
  /** Revisions of records that are not ours, so that each is said once and not at every read. */
  readonly #strange = new Map<string, number>();
  readonly #passport: Passport;
  readonly #roster: Roster;
  readonly #closed = new AbortController();
  /** By prefix: those who watch the same share one stream. */
  readonly #feeds = new Map<string, Feed>();
  readonly #where: string;

  constructor({ prefix, timeoutMs, ports, log, user, tls }: EtcdOptions, endpoints: readonly Endpoint[]) {
    this.#ports = ports;
    this.#log = log;
    this.#prefix = prefix;
    this.#timeoutMs = timeoutMs;
    this.#where = `etcd ${prefix}`;
    this.#passport = createPassport(this.#protocol.authenticate, user, tls?.certPem, log);
    this.#roster = createRoster({
      ports,
      log,
      endpoints,
      timeoutMs,
      identify: async (link, signal) => {
        try {
          await this.#passport.ready(link, signal);
          await this.#readOver(null, link, { keys: [], prefixes: [] }, signal);
        } catch (error) {
          if (!isAnswer(error)) throw error;
        }
      },
    });
  }

  get clusterId(): string {
    return this.#identity.clusterId();
  }

  async get(query: Query, signal?: AbortSignal): Promise<Read> {
    const wanted = checkedQuery(query);
    this.#checkOpen(signal);
    try {
      return await withDeadline(this.#ports.timers, this.#timeoutMs, 'a read', (within) => this.#read(wanted, within), signal);
    } catch (error) {
      throw this.#failed(error, true, { reads: [...wanted.keys, ...wanted.prefixes], writes: [] });
    }
  }

  async txn(txn: Txn, signal?: AbortSignal): Promise<TxnResult> {
    const ops = encodeTxn(txn);
    this.#checkOpen(signal);
    this.#checkFrozen();
    const request = writeRequest(this.#prefix, txn, ops, KEYS.adopted);
    let sentTo: Member | null = null;
    const work = async (within: AbortSignal): Promise<TxnResult> => {
      const member = await this.#roster.anyGood(within);
      this.#checkFrozen();
      const link = member.link();
      if (link === null || link.lost.aborted) throw new StoreDefiniteError(`${member.name}: the connection was lost`);
      sentTo = member;
      const before = this.#identity.before();
      const reply = await this.#send(member, link, request, within);
      this.#learn(reply, before, undefined);
      const { rev } = positionOf(reply.header);
      return { ok: reply.succeeded === true, rev, kvs: reply.succeeded === true ? [] : this.#instead(reply) };
    };
    try {
      return await withDeadline(this.#ports.timers, this.#timeoutMs, 'a transaction', work, signal);
    } catch (error) {
      if (error instanceof DeadlineError) (sentTo as Member | null)?.blame(errorText(error));
      throw this.#failed(error, sentTo === null, {
        reads: [...txn.if.map(({ key }) => key), ...(txn.else ?? [])],
        writes: ops.map(({ key }) => key),
      });
    }
  }

  watch(prefix: string, onEvent: (event: WatchEvent) => void): Watch {
    checkedQuery({ prefixes: [prefix] });
    const stop = new AbortController();
    const signal = AbortSignal.any([stop.signal, this.#closed.signal]);
    const tell = (event: WatchEvent): void => {
      // Later, so that nobody runs inside the writer's call or the stream's.
      queueMicrotask(() => {
        if (signal.aborted) return;
        try {
          onEvent(event);
        } catch (error) {
          this.#log?.error('etcd.watch.listener', {
            prefix,
            because: errorText(error),
            stack: error instanceof Error ? error.stack : undefined,
          });
        }
      });
    };
    const running = this.#feeds.get(prefix);
    const feed = running ?? this.#follow(prefix);
    feed.listeners.add(tell);
    // What changed before it began to listen was not seen.
    if (running !== undefined) tell({ kind: 'resync' });
    return {
      close: () => {
        stop.abort();
        if (!feed.listeners.delete(tell) || feed.listeners.size > 0) return;
        feed.stop.abort();
        if (this.#feeds.get(prefix) === feed) this.#feeds.delete(prefix);
      },
    };
  }

  async close(): Promise<void> {
    this.#feeds.clear();
    this.#closed.abort();
    this.#roster.close();
  }

  #follow(prefix: string): Feed {
    const feed: Feed = { listeners: new Set(), stop: new AbortController() };
    this.#feeds.set(prefix, feed);
    void follow({
      ports: this.#ports,
      log: this.#log,
      roster: this.#roster,
      base: this.#prefix,
      prefix,
      signal: AbortSignal.any([feed.stop.signal, this.#closed.signal]),
      begin: (member, onReply, onEnd) => {
        const link = member.link();
        if (link === null) throw new Error(`${member.name}: the connection was lost`);
        return link.stream(this.#protocol.watch, this.#passport.metadata(), onReply, onEnd);
      },
      believes: ({ header }) => this.#identity.frozen() === null && positionOf(header).clusterId === this.clusterId,
      tell: (event) => {
        for (const tell of feed.listeners) tell(event);
      },
    });
    return feed;
  }

  #checkOpen(signal: AbortSignal | undefined): void {
    if (this.#closed.signal.aborted) throw new StoreDefiniteError(`${this.#where}: the store is closed`);
    if (signal?.aborted) throw new StoreDefiniteError(`${this.#where}: called off before it began`, { cause: signal.reason });
  }

  #checkFrozen(): void {
    const because = this.#identity.frozen();
    if (because === null) return;
    throw new Fault(
      'ERR_STORE_REPLACED',
      `${this.#where}: the store was replaced or restored from an older copy (${because}); nothing is read from it or written to it. ` +
        'Find out why, then run `tidegate adopt`',
    );
  }

  /** One exchange. What it says of the member is noted. */
  async #send(member: Member | null, link: Link, request: TxnRequest, signal: AbortSignal): Promise<TxnReply> {
    const metadata = this.#passport.metadata();
    try {
      const reply = await link.ask(this.#protocol.txn, request, metadata, signal);
      member?.praise();
      return reply;
    } catch (error) {
      if (error instanceof CallError && meaningOf(error.code, error.message).cause === 'member') member?.blame(errorText(error));
      // For the next call; whether this one may be sent again is for the caller to say.
      if (isTokenRefused(error)) await this.#passport.renew(link, metadata, signal).catch(() => undefined);
      throw error;
    }
  }

  #read(wanted: Required<Query>, signal: AbortSignal): Promise<Read> {
    return firstAnswer({
      timers: this.#ports.timers,
      roster: this.#roster,
      patienceMs: this.#timeoutMs / 2,
      isFinal: (error) => isAnswer(error) || error instanceof StoreDefiniteError,
      ask: async (member, within) => {
        const link = member.link();
        if (link === null) throw new CallError(status.UNAVAILABLE, `${member.name}: the connection was lost`);
        return this.#readOver(member, link, wanted, within);
      },
      signal,
    });
  }

  async #readOver(member: Member | null, link: Link, wanted: Required<Query>, signal: AbortSignal): Promise<Read> {
    const before = this.#identity.before();
    const mirror = this.#mirrorOf(link);
    const parts = [
      ...wanted.prefixes.map((name) => ({ kind: 'prefix', name }) as const),
      // Read each time: it tells an adoption, and there is always something to read.
      ...new Set([...wanted.keys, KEYS.adopted]).values().map((name) => ({ kind: 'key', name }) as const),
    ];
    const asked = mirror.ask(parts);
    const request = readRequest(this.#prefix, asked.parts);
    const send = () => this.#send(member, link, request, signal);
    const reply = await send().catch((error: unknown) => {
      if (!isTokenRefused(error)) throw error;
      return send();
    });
    const { rev } = positionOf(reply.header);
    const answer = asked.read(
      this.#prefix,
      parts.map((_, i) => reply.responses[i]?.response_range),
      rev,
    );
    // Something that was kept is gone.
    if (answer === null) {
      this.#mirrors.delete(link);
      return this.#readOver(member, link, wanted, signal);
    }
    const adopted = answer.kvs.find(({ key }) => key === KEYS.adopted);
    const judged = this.#learn(reply, before, (adopted?.value as Adopted | undefined) ?? null);
    // Another history: what was read of the one before says nothing of it.
    if (judged === 'adopted' && asked.parts.some(({ fromRev }) => fromRev > 0)) return this.#readOver(member, link, wanted, signal);
    this.#complain(answer);
    answer.keep();
    const isAsked = wanted.keys.includes(KEYS.adopted) || wanted.prefixes.some((p) => KEYS.adopted.startsWith(p));
    return { rev, kvs: isAsked ? answer.kvs : answer.kvs.filter((record) => record !== adopted) };
  }

  /** What a transaction whose conditions failed returns. */
  #instead(reply: TxnReply): readonly KeyValue[] {
    const answer = plainAnswer(
      this.#prefix,
      reply.responses.map(({ response_range }) => response_range),
    );
    this.#complain(answer);
    return answer.kvs;
  }

  #mirrorOf(link: Link): Mirror {
    const mirror = this.#mirrors.get(link) ?? createMirror();
    this.#mirrors.set(link, mirror);
    return mirror;
  }

  /** Throws when it is too much. */
  #complain({ bytes, strange }: Answer): void {
    if (bytes > READ_BYTES_MAX)
      throw new StoreDefiniteError(`${this.#where}: more than ${READ_BYTES_MAX} bytes match; ask for fewer keys at a time`);
    for (const { key, mod } of strange) {
      if (this.#strange.get(key) === mod) continue;
      if (this.#strange.size >= STRANGE_MAX) this.#strange.clear();
      this.#strange.set(key, mod);
      const because =
        'its value is not JSON: another program wrote it; it is treated as missing. Remove it, and find out who may write here';
      this.#log?.error('etcd.record', { record: this.#prefix + key, mod, because });
    }
  }

  /** Throws when the reply shows another store, or an earlier point of this one. */
  #learn(reply: TxnReply, before: Before, adopted: Adopted | null | undefined): Judgement {
    const wasFrozen = this.#identity.frozen() !== null;
    const judged = this.#identity.learn(positionOf(reply.header), before, adopted);
    if (judged === 'late') throw new Error('answered before the store was adopted');
    if (judged === 'frozen') {
      if (!wasFrozen) this.#log?.error('etcd.replaced', { prefix: this.#prefix, because: this.#identity.frozen() });
      this.#checkFrozen();
    }
    if (judged !== 'adopted') return judged;
    this.#mirrors = new WeakMap();
    this.#log?.warn('etcd.adopted', { by: adopted?.by, reason: adopted?.reason, clusterId: this.clusterId });
    for (const { listeners } of this.#feeds.values()) for (const tell of listeners) tell({ kind: 'resync' });
    return judged;
  }

  /** What a failed call rejects with. `certain`: nothing was sent, or nothing could be changed by it. */
  #failed(error: unknown, certain: boolean, wanted: Wanted): Error {
    if (error instanceof Fault || error instanceof StoreDefiniteError) return error;
    const meaning = error instanceof CallError ? meaningOf(error.code, error.message) : null;
    const Kind = certain || meaning?.certain ? StoreDefiniteError : StoreAmbiguousError;
    const isDenied = meaning?.cause === 'denied';
    const details = [
      errorText(error),
      isDenied ? lacks(this.#passport.holder, this.#prefix, wanted) : '',
      meaning?.advice ?? '',
      this.#roster.complaints(),
    ];
    const text = `${this.#where}: ${details.filter((detail) => detail !== '').join('; ')}`;
    return new Kind(text, { cause: isDenied ? new Fault('ERR_STORE_DENIED', text, { cause: error }) : error });
  }
}

/**
 * Returns at once, whether or not a member is there; `clusterId` is empty until the first answer. Throws Fault ERR_CONFIG for an endpoint, certificate or
 * key that cannot be used. Once the store proves to be another one, or to have lost revisions, every call rejects with Fault ERR_STORE_REPLACED until a
 * record `adopted` newer than the one known appears; then it goes on, and every watcher is told `resync`.
 */
export const openEtcd = (options: EtcdOptions): Store => {
  const { prefix, endpoints, tls, resolve, renewTls, log } = options;
  if (!/^[!-~]*\/$/.test(prefix))
    throw new Fault(
      'ERR_CONFIG',
      `store.prefix: found ${JSON.stringify(prefix)}, expected printable ASCII that ends with a slash, such as /tidegate/prod/`,
    );
  let refused = '';
  const renewal = {
    ...(renewTls === undefined ? {} : { renew: renewTls }),
    onRefused: (because: string): void => {
      if (because !== refused) log?.error('etcd.certificate.refused', { because, running: 'the certificate as before' });
      refused = because;
    },
  };
  return new EtcdStore(options, parseEndpoints(endpoints, tls, resolve, renewal));
};
