// The API as functions: one for each thing that a command asks. Orders are written under an id that this side chose, so the same order sent twice, here or in
// another region, is one order; an end names the version that was read. What may or may not have happened is looked up before anything is said.
import { Fault } from '../errors.ts';
import type { Override } from '../model.ts';
import { type Answer, type Ask, DoubtFault, type Exchange, faultOf, STRANGE } from './exchange.ts';
import { OPERATIONS, type OperationId } from './schema.ts';
import type {
  AcknowledgeBody,
  Acknowledged,
  Committed,
  DecisionItem,
  Dossier,
  Forecast,
  HealthDetail,
  Hypothesis,
  ObjectiveList,
  OrderBody,
  Ordered,
  Orders,
  PageList,
  Platform,
  PlatformList,
  ReplayBody,
  Replayed,
  Run,
  RunBegun,
  RunBody,
  RunDeed,
  RunDeedBody,
  RunList,
  SettleDeed,
  SettleDeedBody,
  Settled,
  StatusDocument,
  VerifyReport,
  WhatIfMatrix,
} from './types.ts';

export interface Api {
  status(): Promise<StatusDocument>;
  /** Of the replica that answers; one that fails answers too. */
  health(): Promise<HealthDetail>;
  overrides(): Promise<Orders>;
  /** null: this endpoint is older than previews. Never writes: it is asked in a way that an older server refuses. */
  preview(body: OrderBody): Promise<Ordered | null>;
  put(id: string, body: OrderBody): Promise<Committed>;
  /** Ends an order, unless somebody changed it since `seen`. */
  remove(seen: Override): Promise<Committed>;
  approve(id: string): Promise<Committed>;
  /** null: this endpoint is older than forecasts. */
  simulate(hypotheses: readonly Hypothesis[], horizonMs?: number): Promise<Forecast | null>;
  matrix(): Promise<WhatIfMatrix>;
  decisions(limit: number): Promise<{ items: readonly DecisionItem[] }>;
  decision(v: number): Promise<Dossier>;
  /** `state` null: what waits and what is dead. */
  pages(state: string | null, limit: number): Promise<PageList>;
  /** Asked of the next endpoint too where one breaks off: at worst a channel hears the same id once more. */
  replayPage(id: string, body: ReplayBody): Promise<Replayed>;
  acknowledgePage(id: string, body: AcknowledgeBody): Promise<Acknowledged>;
  objectives(): Promise<ObjectiveList>;
  platforms(): Promise<PlatformList>;
  platform(name: string): Promise<{ platform: Platform; clusterTimeMs: number }>;
  /** The replica that answers looks. `region`: only what is in that one. */
  verify(platform: string, region?: string): Promise<VerifyReport>;
  runs(state: 'open' | 'all', limit: number): Promise<RunList>;
  run(id: string): Promise<SeenRun>;
  /** What would begin. Writes nothing. */
  previewRun(platform: string, body: RunBody): Promise<RunBegun>;
  /** The same `key` begins nothing twice, whichever endpoints were asked. */
  beginRun(platform: string, body: RunBody, key: string): Promise<RunBegun>;
  /** To the run as it was seen: refused with ERR_STALE when something was decided since. */
  sayToRun<D extends RunDeed>(deed: D, seen: SeenRun, body: RunDeedBody<D>, key: string): Promise<Run>;
  /** What a word about a database would mean. Writes nothing. */
  previewSettling<D extends SettleDeed>(deed: D, of: OfDatabase, body: SettleDeedBody<D>): Promise<SeenSettling>;
  /** About what was seen: refused with ERR_STALE when more is known by now. The same `key` does nothing twice. */
  settling<D extends SettleDeed>(deed: D, of: OfDatabase, body: SettleDeedBody<D>, etag: string, key: string): Promise<Settled>;
}

export interface OfDatabase {
  platform: string;
  database: string;
}

/** `etag`: of what is known of the database. */
export interface SeenSettling {
  settled: Settled;
  etag: string;
}

/** `etag`: of what a human decides about. */
export interface SeenRun {
  run: Run;
  clusterTimeMs: number;
  etag: string;
}

/** An order is a part of one document, whose version others raise too. */
const TRIES_MAX = 5;

const ok = <T>(answer: Answer): T => {
  if (answer.status >= 200 && answer.status < 300) return answer.body as T;
  throw faultOf(answer);
};
const isOffered = ({ status }: Answer): boolean => status !== 404 && status !== 405 && status !== 501;

const sameScope = (a: Override['scope'], b: Override['scope']): boolean =>
  a.region === b.region && a.service === b.service && a.pool === b.pool;
const isSameOrder = (a: Override, b: Pick<OrderBody, 'kind' | 'scope' | 'reason'>): boolean =>
  a.kind === b.kind && a.reason === b.reason && sameScope(a.scope, b.scope);

/** Which request an operation of the API's document is; `of` fills in what its path names. */
const request = (operation: OperationId, of: Readonly<Record<string, string | number>> = {}): Pick<Ask, 'method' | 'path'> => {
  const { method, path } = OPERATIONS[operation];
  return { method, path: path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(of[name]))) };
};

export const createApi = (exchange: Exchange): Api => {
  const get = async <T>(operation: OperationId, of: Readonly<Record<string, string | number>> = {}, query = ''): Promise<T> => {
    const { path } = request(operation, of);
    return ok<T>(await exchange.ask({ method: 'GET', path: `${path}${query}` }));
  };
  const overrides = (): Promise<Orders> => get<Orders>('listOverrides');
  const find = async (id: string): Promise<Override | undefined> => (await overrides()).items.find((item) => item.id === id);

  /** After a write of which nobody knows: the order is there, or it has to be said that nobody knows. */
  const landed = async (id: string, body: OrderBody, why: unknown): Promise<Committed> => {
    const there = await find(id).catch(() => undefined);
    if (there !== undefined && isSameOrder(there, body)) return { override: there, version: (await overrides()).version };
    if (there !== undefined)
      throw new Fault('ERR_PRECONDITION', `${id} is another order already, by ${there.by ?? there.owner}: choose another --id`);
    const again = `it was not seen to stand so far: look with tidegate override list, or send it again with --id ${id}, which is safe`;
    throw why instanceof Fault ? new Fault('ERR_UNDECIDED', `${why.message}; ${again}`, { cause: why }) : why;
  };

  const undecided = (look: string, cause?: unknown): Fault =>
    new Fault('ERR_UNDECIDED', `nobody knows whether that was done; look with ${look} before you send it again`, { cause });

  /** What has a key may be sent again: once more after a doubt, then it has to be looked at. */
  const surely = async (asked: Ask, look: string): Promise<Answer> => {
    try {
      return await exchange.ask(asked);
    } catch (error) {
      if (!(error instanceof DoubtFault)) throw error;
      return exchange.ask(asked).then(
        (answer) => ({ ...answer, doubt: true }),
        (again: unknown) => {
          throw undecided(look, again);
        },
      );
    }
  };

  const removeOnce = async (seen: Override, doubt: boolean): Promise<Committed | 'again' | 'doubt'> => {
    const { version, items } = await overrides();
    const there = items.find((item) => item.id === seen.id);
    if (there === undefined) {
      if (doubt) return { override: seen, version };
      throw new Fault('ERR_NOT_FOUND', `the order ${seen.id} has ended meanwhile`);
    }
    if (there.createdAtMs !== seen.createdAtMs || there.expiresAtMs !== seen.expiresAtMs)
      throw new Fault('ERR_STALE', `${seen.id} was changed by ${there.by ?? there.owner} since it was read: look again`);
    const headers = { 'if-match': `"${version}"` };
    try {
      const answer = await exchange.ask({ ...request('deleteOverride', { id: seen.id }), headers });
      if (answer.status === 412) return answer.doubt ? 'doubt' : 'again';
      if (answer.status === 404 && answer.doubt) return { override: seen, version };
      return ok<Committed>(answer);
    } catch (error) {
      if (error instanceof DoubtFault) return 'doubt';
      throw error;
    }
  };

  return {
    async status() {
      const document = await get<Partial<StatusDocument>>('getStatus');
      if (document.cluster === undefined) throw new Fault('ERR_UNREACHABLE', `${exchange.endpoint()} answers, ${STRANGE}`);
      return document as StatusDocument;
    },
    async health() {
      const { method, path } = request('getHealthDetail');
      const answer = await exchange.ask({ method, path, accepts: 503 });
      const detail = answer.body as Partial<HealthDetail>;
      if (detail.checks === undefined) throw faultOf(answer);
      return detail as HealthDetail;
    },
    overrides,
    matrix: () => get('matrix'),
    decisions: (limit) => get('listDecisions', {}, `?limit=${limit}`),
    decision: (v) => get('getDecision', { v }),
    pages: (state, limit) => get('listPages', {}, `?${state === null ? '' : `state=${encodeURIComponent(state)}&`}limit=${limit}`),
    acknowledgePage: async (id, body) => ok(await exchange.ask({ ...request('acknowledgePage', { id }), body })),

    async replayPage(id, body) {
      const answer = await exchange.ask({ ...request('replayPage', { id }), body });
      if (answer.status === 409 && answer.doubt)
        throw new Fault('ERR_UNDECIDED', `the endpoint before this one may have done it already; look with tidegate pages --state all`);
      return ok<Replayed>(answer);
    },

    objectives: () => get('listObjectives'),
    platforms: () => get('listPlatforms'),
    platform: (name) => get('getPlatform', { name }),
    verify: (name, region) => get('verifyPlatform', { name }, region === undefined ? '' : `?region=${encodeURIComponent(region)}`),
    runs: (state, limit) => get('listRuns', {}, `?state=${state}&limit=${limit}`),

    async run(id) {
      const answer = await exchange.ask({ method: 'GET', path: request('getRun', { id }).path });
      return { ...ok<Omit<SeenRun, 'etag'>>(answer), etag: answer.etag ?? '*' };
    },

    async previewRun(platform, body) {
      const { method, path } = request('beginRun', { name: platform });
      return ok<RunBegun>(await exchange.ask({ method, path: `${path}?dryRun=true`, body }));
    },

    async beginRun(platform, body, key) {
      const asked: Ask = { ...request('beginRun', { name: platform }), body, headers: { 'idempotency-key': key } };
      return ok<RunBegun>(await surely(asked, 'tidegate runs'));
    },

    async sayToRun(deed, { run, etag }, body, key) {
      const asked: Ask = { ...request(deed, { id: run.id }), body, headers: { 'idempotency-key': key, 'if-match': etag } };
      const answer = await surely(asked, `tidegate run ${run.id}`);
      // The endpoint before this one did it, and could not write down that it had.
      if (answer.doubt && (answer.status === 409 || answer.status === 412)) throw undecided(`tidegate run ${run.id}`);
      return ok<{ run: Run }>(answer).run;
    },

    async previewSettling(deed, { platform, database }, body) {
      const { method, path } = request(deed, { name: platform, database });
      const answer = await exchange.ask({ method, path: `${path}?dryRun=true`, body });
      return { settled: ok<Settled>(answer), etag: answer.etag ?? '*' };
    },

    async settling(deed, { platform, database }, body, etag, key) {
      const headers = { 'idempotency-key': key, 'if-match': etag };
      return ok<Settled>(await surely({ ...request(deed, { name: platform, database }), body, headers }, `tidegate platforms ${platform}`));
    },

    async preview(body) {
      // By POST: what is older than previews would take a PUT for the order itself.
      const { method, path } = request('createOverride');
      const answer = await exchange.ask({ method, path: `${path}?dryRun=true`, body });
      return isOffered(answer) ? ok<Ordered>(answer) : null;
    },

    async put(id, body) {
      try {
        const answer = await exchange.ask({ ...request('putOverride', { id }), body, headers: { 'if-none-match': '*' } });
        // It stands already: the endpoint before this one took it, or an earlier run under the same id did.
        if (answer.status === 428 || answer.status === 412) return await landed(id, body, faultOf(answer));
        return ok<Committed>(answer);
      } catch (error) {
        if (error instanceof DoubtFault) return landed(id, body, error);
        throw error;
      }
    },

    async remove(seen) {
      let doubt = false;
      for (let tries = 0; tries < TRIES_MAX; tries += 1) {
        const outcome = await removeOnce(seen, doubt);
        if (typeof outcome === 'object') return outcome;
        doubt ||= outcome === 'doubt';
      }
      if (doubt) throw new Fault('ERR_UNDECIDED', `nobody knows whether ${seen.id} has ended; look with tidegate override list`);
      throw new Fault('ERR_STALE', `the orders were changed by others in each of ${TRIES_MAX} tries: send it again`);
    },

    async approve(id) {
      for (let tries = 0; ; tries += 1) {
        const { version } = await overrides();
        const headers = { 'if-match': `"${version}"` };
        const answer = await exchange.ask({ ...request('approveOverride', { id }), headers });
        if (answer.status !== 412 || tries >= TRIES_MAX) return ok<Committed>(answer);
      }
    },

    async simulate(hypotheses, horizonMs) {
      const body = { hypotheses, ...(horizonMs === undefined ? {} : { horizonMs }) };
      const answer = await exchange.ask({ ...request('simulate'), body });
      return isOffered(answer) ? ok<Forecast>(answer) : null;
    },
  };
};
