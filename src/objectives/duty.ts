// Tells of dependencies that are over their bound, and of their return: once each, by the coordinator. What was told is in the store, so that a successor does
// not tell it again; how often it was seen in a row is not, so that a successor, or a second term, looks for half a minute before it speaks. What was measured by
// replicas that are long gone goes.
import type { Term } from '../coordinate/coordinator.ts';
import { budgetsKey, outboxKey } from '../coordinate/keys.ts';
import type { Sight } from '../coordinate/read.ts';
import { page } from '../decide/incident.ts';
import { errorText } from '../errors.ts';
import type { Log } from '../log.ts';
import type { ClusterConfig, Page } from '../model.ts';
import { type Ports, withDeadline } from '../ports.ts';
import type { ObjectiveConfig } from '../runbook/platform.ts';
import type { KeyValue, Store } from '../store/store.ts';
import { matrixOf } from './matrix.ts';
import type { MatrixCell, Measured, PlatformMatrix } from './model.ts';
import { type Budgets, budgetsAfter, cellName, type Streaks, streaksAfter } from './news.ts';
import { MEASURED, measuredIn } from './reader.ts';

/** `budgets/<platform>`: what was told and is not over. */
export interface BudgetsRecord {
  told: readonly string[];
  /** Of those, what nothing waits for. Absent: none. */
  advice?: readonly string[];
  nonce: string;
}

export interface BudgetsDutyOptions {
  ports: Pick<Ports, 'clock' | 'timers' | 'random'>;
  log: Log;
  store: Pick<Store, 'get'>;
  shipped(): readonly ObjectiveConfig[];
}

export interface BudgetsDuty {
  /** Once per turn of a term. Returns at once. */
  turn(sight: Sight, nowMs: number, term: Pick<Term, 'commit'>): void;
  /** A term has ended: what was seen in a row was seen by it. */
  rest(): void;
  /** Resolves when nothing is under way. */
  idle(): Promise<void>;
}

export const LOOK_EVERY_MS = 10_000;
/** A replica that lives writes several times a minute, unless it has nothing to measure; then its record is gone, and written anew when it has. */
export const GONE_MS = 3_600_000;
/** Removed at one look. */
const GONE_AT_ONCE = 20;
const STORE_MS = 2_000;
const NAMED_MAX = 5;

const lineOf = (cell: MatrixCell): string => `${cellName(cell)}: ${cell.because}`;

/** The records that go now. `nowMs`: cluster time. Pure. */
export const goneIn = (kvs: readonly KeyValue[], nowMs: number): readonly KeyValue[] =>
  kvs.filter(({ key, value }) => key.startsWith(MEASURED) && nowMs - (value as Measured).atMs > GONE_MS).slice(0, GONE_AT_ONCE);

/** Of what was told and is over, what nobody measures any more: that says nothing about whether it holds. */
const endText = (platform: string, before: readonly string[], cells: readonly MatrixCell[]): string => {
  const gone = before.filter((name) => !cells.some((cell) => cellName(cell) === name));
  if (gone.length === 0) return `platform ${platform}: what was over budget holds again`;
  const shown = `${gone.slice(0, NAMED_MAX).join('; ')}${gone.length > NAMED_MAX ? `; and ${gone.length - NAMED_MAX} more` : ''}`;
  return `platform ${platform}: what was over budget ${gone.length < before.length ? 'holds again or ' : ''}is measured no more: ${shown}`;
};

/** The page of it; null: nothing is news. `before`: what was told until now. Pure. */
export const budgetsPage = (
  cluster: ClusterConfig,
  { platform, cells }: PlatformMatrix,
  { told, news, before }: Budgets & { before: readonly string[] },
  about: { v: number; nonce: string; nowMs: number },
): Page | null => {
  if (news === null) return null;
  const services = cluster.platforms?.find(({ name }) => name === platform)?.services ?? [];
  const say = (type: string, severity: Page['severity'], summary: string, detail: Record<string, unknown>): Page => {
    const said = page({ cluster, ...about }, type, severity, summary, `objectives-${platform}`, { platform, services, ...detail });
    return { ...said, id: `${said.id}-${about.nonce}` };
  };
  if (news === 'recovered') return say('dependency.recovered', 'info', endText(platform, before, cells), { over: [] });
  const over = cells.filter((cell) => told.includes(cellName(cell)) && cell.verdict === 'breach');
  const remedies = [...new Set(over.flatMap((cell) => cell.remedies))];
  const shown = over.slice(0, NAMED_MAX).map(lineOf);
  const more = over.length > NAMED_MAX ? [`and ${over.length - NAMED_MAX} more`] : [];
  const helps = remedies.length === 0 ? '' : `; what helps between regions: ${remedies.join('; ')}`;
  const isAdvice = over.every(({ role }) => role === 'advice');
  return say(
    'dependency.over_budget',
    isAdvice ? 'info' : 'warning',
    `platform ${platform} is over budget: ${[...shown, ...more].join('; ')}${helps}`,
    {
      over: over.map(cellName),
    },
  );
};

export const createBudgetsDuty = ({ ports, log, store, shipped }: BudgetsDutyOptions): BudgetsDuty => {
  let work: Promise<void> | null = null;
  let lookAtMs = 0;
  let streaks: ReadonlyMap<string, Streaks> = new Map();

  const tellOf = async (
    cluster: ClusterConfig,
    matrix: PlatformMatrix,
    kvs: readonly KeyValue[],
    { v, nowMs }: { v: number; nowMs: number },
    term: Pick<Term, 'commit'>,
  ): Promise<void> => {
    const key = budgetsKey(matrix.platform);
    const record = kvs.find((kv) => kv.key === key);
    const { told = [] } = (record?.value as BudgetsRecord | undefined) ?? {};
    const after = budgetsAfter(told, streaks.get(matrix.platform) ?? new Map());
    if (after.told.join('\n') === told.join('\n')) return;
    const nonce = ports.random.hex(8);
    const news = budgetsPage(cluster, matrix, { ...after, before: told }, { v, nonce, nowMs });
    const roleOf = (name: string): MatrixCell['role'] | undefined => matrix.cells.find((cell) => cellName(cell) === name)?.role;
    const advice = after.told.filter((name) => roleOf(name) === 'advice');
    const value: BudgetsRecord = { told: after.told, ...(advice.length === 0 ? {} : { advice }), nonce };
    await term.commit(
      [{ key, mod: record?.mod ?? 0 }],
      [{ put: key, value }, ...(news === null ? [] : [{ put: outboxKey(news.id), value: news }])],
    );
    if (news !== null) log.info(news.type, { platform: matrix.platform, because: news.summary });
  };

  const look = async (cluster: ClusterConfig, v: number, nowMs: number, term: Pick<Term, 'commit'>): Promise<void> => {
    const { kvs } = await withDeadline(ports.timers, STORE_MS, 'reading what was measured', (signal) =>
      store.get({ prefixes: [MEASURED, budgetsKey('')] }, signal),
    );
    const gone = goneIn(kvs, nowMs);
    if (gone.length > 0)
      await term.commit(
        gone.map(({ key, mod }) => ({ key, mod })),
        gone.map(({ key }) => ({ del: key })),
      );
    const records = measuredIn(kvs);
    const matrices = (cluster.platforms ?? []).map((platform) => matrixOf(platform, shipped(), records, nowMs));
    streaks = new Map(matrices.map(({ platform, cells }) => [platform, streaksAfter(streaks.get(platform) ?? new Map(), cells)]));
    for (const matrix of matrices) await tellOf(cluster, matrix, kvs, { v, nowMs }, term);
  };

  return {
    turn({ cluster, routing }, nowMs, term) {
      if (work !== null || cluster === null || (cluster.platforms ?? []).length === 0 || ports.clock.monoMs() < lookAtMs) return;
      lookAtMs = ports.clock.monoMs() + LOOK_EVERY_MS;
      work = look(cluster, routing?.v ?? 0, nowMs, term)
        .catch((error: unknown) => log.warn('objectives.look', { because: errorText(error) }))
        .finally(() => {
          work = null;
        });
    },
    rest() {
      streaks = new Map();
    },
    idle: async () => {
      await work;
    },
  };
};
