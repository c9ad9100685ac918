// Operators at every region's API and readers at different members of etcd, at work for as long as the world lives; and what they were answered, for a
// judge of histories. An answer that says "nothing was written" is taken at its word: the operation is left out, and a trace of it would be found.
import type { Override, Overrides } from '../../../src/model.ts';
import type { Store } from '../../../src/store/store.ts';
import { checkDocument, type DocumentState, type Operation } from '../../linearizable.ts';
import type { ReplicaName } from './files.ts';

export interface Order {
  kind: Override['kind'];
  scope: Override['scope'];
  /** Unlike that of every other order of this run. */
  reason: string;
}

export type Answer = { outcome: 'done'; version: number } | { outcome: 'stale' | 'missing' | 'unwritten' | 'unknown' };

export interface Orders {
  /** `ifVersion`: only if the document is at this version. */
  put(at: ReplicaName, id: string, order: Order, ifVersion?: number): Promise<Answer>;
  remove(at: ReplicaName, id: string, ifVersion?: number): Promise<Answer>;
  /** As read through that API; null when it could not tell. */
  read(at: ReplicaName): Promise<Overrides | null>;
  /** Throws with the first answer that no past explains. */
  judge(): { operations: number; unknown: number };
}

type Api = (at: ReplicaName, path: string, init?: RequestInit) => Promise<Response>;

/** Codes with which the API promises that nothing happened and nothing will. */
const UNWRITTEN = ['ERR_STORE_UNREACHABLE', 'ERR_STOPPING', 'ERR_STORE_REPLACED'];

const answerOf = async (reply: Response): Promise<Answer> => {
  const body = (await reply.json()) as { version?: number; code?: string };
  if (reply.ok && body.version !== undefined) return { outcome: 'done', version: body.version };
  if (reply.status === 412) return { outcome: 'stale' };
  if (reply.status === 404) return { outcome: 'missing' };
  return { outcome: UNWRITTEN.includes(body.code ?? '') ? 'unwritten' : 'unknown' };
};

export const recordOrders = (api: Api, token: string): Orders => {
  const history: Operation[] = [];
  const authorization = `Bearer ${token}`;
  const stateOf = ({ version, items }: Overrides): DocumentState => ({
    version,
    items: Object.fromEntries(items.map(({ id, reason }) => [id, reason])),
  });
  const write = async (kind: 'put' | 'delete', at: ReplicaName, args: object, send: () => Promise<Response>): Promise<Answer> => {
    const op: Operation = { process: at, kind, args, invokedAtMs: performance.now(), returnedAtMs: null };
    history.push(op);
    // A broken connection says nothing about what it carried.
    const answer = await send()
      .then(answerOf)
      .catch((): Answer => ({ outcome: 'unknown' }));
    if (answer.outcome === 'unwritten') history.splice(history.indexOf(op), 1);
    else if (answer.outcome !== 'unknown') {
      op.returnedAtMs = performance.now();
      op.result = answer.outcome === 'done' ? { version: answer.version } : answer.outcome;
    }
    return answer;
  };
  const guard = (ifVersion: number | undefined): Record<string, string> =>
    ifVersion === undefined ? {} : { 'if-match': `"${ifVersion}"` };
  /** To put an order whether or not there is one takes two answers: those that refuse have written nothing. */
  const whateverIsThere = async (send: (guards: Record<string, string>) => Promise<Response>): Promise<Response> => {
    for (;;) {
      const made = await send({});
      if (made.status !== 428) return made;
      const replaced = await send({ 'if-match': '*' });
      if (replaced.status !== 412) return replaced;
    }
  };
  const guarded = (ifVersion: number | undefined): object => (ifVersion === undefined ? {} : { ifVersion });
  return {
    put: (at, id, order, ifVersion) =>
      write('put', at, { id, mark: order.reason, ...guarded(ifVersion) }, () => {
        const send = (guards: Record<string, string>): Promise<Response> =>
          api(at, `/v1/overrides/${id}`, {
            method: 'PUT',
            headers: { authorization, 'content-type': 'application/json', ...guards },
            body: JSON.stringify({ ...order, owner: 'an operator', ttl: '1h' }),
          });
        return ifVersion === undefined ? whateverIsThere(send) : send(guard(ifVersion));
      }),
    remove: (at, id, ifVersion) =>
      write('delete', at, { id, ...guarded(ifVersion) }, () =>
        api(at, `/v1/overrides/${id}`, { method: 'DELETE', headers: { authorization, 'if-match': '*', ...guard(ifVersion) } }),
      ),
    async read(at) {
      const invokedAtMs = performance.now();
      try {
        const reply = await api(at, '/v1/overrides');
        if (reply.status !== 200) return null;
        const document = (await reply.json()) as Overrides;
        history.push({ process: at, kind: 'read', invokedAtMs, returnedAtMs: performance.now(), result: stateOf(document) });
        return document;
      } catch {
        return null;
      }
    },
    judge() {
      const verdict = checkDocument(history);
      if (!verdict.ok) throw new Error(`${verdict.because}; the last of it: ${JSON.stringify(verdict.prefix.slice(-6))}`);
      return { operations: history.length, unknown: history.filter(({ returnedAtMs }) => returnedAtMs === null).length };
    },
  };
};

// ---- the people ----

export interface People {
  /** Resolves when what they had begun is answered. */
  pause(): Promise<void>;
  resume(): void;
  /** Reads of the routing record, and those that went back behind an earlier one. */
  reads(): { count: number; backwards: readonly string[] };
}

/** A region without pools: an order about it moves nothing, so that what is looked at is the order alone. */
export const HARMLESS: Override['scope'] = { region: 'r5' };

const AT: readonly ReplicaName[] = ['r1/a', 'r2/b', 'r4/a'];
const IDS = ['first', 'second'] as const;
const THINK_MS = 700;
/** After an answer that tells nothing: what hangs in the air makes every history harder to judge. */
const PUZZLED_MS = 4000;

/** Works until `stack` ends. `stores`: clients that prefer different members. */
export const startPeople = (orders: Orders, stores: readonly Store[], stack: AsyncDisposableStack): People => {
  let stopping = false;
  let paused = false;
  let count = 0;
  let highest = 0;
  const backwards: string[] = [];
  const busy = new Set<Promise<unknown>>();
  const doing = <T>(work: Promise<T>): Promise<T> => {
    busy.add(work);
    return work.finally(() => busy.delete(work));
  };

  const operate = async (at: ReplicaName, turn: number): Promise<boolean> => {
    const id = IDS[turn % IDS.length] ?? IDS[0];
    const order: Order = { kind: 'drain', scope: HARMLESS, reason: `turn ${turn} at ${at}` };
    const known = await orders.read(at);
    if (known === null) return false;
    const ifVersion = turn % 3 === 0 ? {} : { ifVersion: known.version };
    const answer = turn % 5 === 0 ? await orders.remove(at, id, ifVersion.ifVersion) : await orders.put(at, id, order, ifVersion.ifVersion);
    return answer.outcome !== 'unknown';
  };
  const look = async (store: Store, who: number): Promise<boolean> => {
    const before = highest;
    const { kvs } = await store.get({ keys: ['routing'] });
    const v = (kvs[0]?.value as { v: number } | undefined)?.v ?? 0;
    count += 1;
    if (v < before) backwards.push(`reader ${who} saw decision ${v} after ${before} had been read`);
    highest = Math.max(highest, v);
    return true;
  };
  const live = async (act: (turn: number) => Promise<boolean>): Promise<void> => {
    for (let turn = 1; !stopping; turn++) {
      const sure = paused || (await doing(act(turn).catch(() => false)));
      await new Promise((resolve) => setTimeout(resolve, sure ? THINK_MS : PUZZLED_MS).unref());
    }
  };
  const lives = [
    ...AT.map((at, i) => live((turn) => operate(at, turn * AT.length + i))),
    ...stores.map((store, who) => live(() => look(store, who))),
  ];
  stack.defer(async () => {
    stopping = true;
    await Promise.race([Promise.all(lives), new Promise((resolve) => setTimeout(resolve, 2 * PUZZLED_MS).unref())]);
  });
  return {
    async pause() {
      paused = true;
      await Promise.all([...busy]);
    },
    resume() {
      paused = false;
    },
    reads: () => ({ count, backwards }),
  };
};
