// Forecasts for those who ask: on what this replica saw last, a few at once, in slices, so that probing and deciding in the same process go on beside them.
import type { Snapshot } from '../decide/snapshot.ts';
import { Fault } from '../errors.ts';
import { type Ports, sleep } from '../ports.ts';
import { type Forecast, type ForecastOptions, forecasting } from '../whatif/forecast.ts';
import type { Hypothesis } from '../whatif/hypothesis.ts';
import { surveying, type WhatIfMatrix } from '../whatif/matrix.ts';
import { configured } from './route.ts';

export interface Forecaster {
  /** Throws Fault ERR_TOO_MANY (others are being worked out), ERR_LIMIT (the cluster is too large), ERR_STORE_UNREACHABLE (nothing has been seen yet). */
  forecast(hypotheses: readonly Hypothesis[], horizonMs?: number): Promise<Forecast>;
  matrix(): Promise<WhatIfMatrix>;
  /** In one go, and cut short sooner: for an order that waits for its preview. null: nothing has been seen yet, or the cluster is too large. */
  atOnce(hypotheses: readonly Hypothesis[]): Forecast | null;
}

export interface ForecasterOptions {
  ports: Pick<Ports, 'clock' | 'timers'>;
  snapshot: () => Snapshot | null;
  clusterNowMs: () => number;
  /** What is known beside the state: measured times, and what providers make of a route. */
  knows?: () => Omit<ForecastOptions, 'nowMs' | 'horizonMs'>;
}

/** Worked out at once. */
export const AT_ONCE_MAX = 2;
/** Beyond it one question to the core alone would keep the process for too long. */
export const TARGETS_MAX = 20_000;
/** The event loop is kept no longer than this, or than one question to the core takes. */
const SLICE_MS = 8;
/** Work of one forecast; what is left then is not looked at. */
const FORECAST_WORK_MS = 1_000;
const MATRIX_WORK_MS = 5_000;
const AT_ONCE_WORK_MS = 150;

const targetsIn = ({ cluster }: Snapshot): number =>
  cluster.services.reduce((sum, { pools }) => sum + pools.reduce((n, { targets }) => n + targets.length, 0), 0);

export const createForecaster = ({ ports, snapshot, clusterNowMs, knows = () => ({}) }: ForecasterOptions): Forecaster => {
  const { clock, timers } = ports;
  let running = 0;

  const seen = (): Snapshot => {
    const found = configured(snapshot());
    const targets = targetsIn(found);
    if (targets > TARGETS_MAX)
      throw new Fault('ERR_LIMIT', `a forecast takes a cluster of at most ${TARGETS_MAX} targets, this one has ${targets}`);
    return found;
  };

  /** Runs it in slices, for so much work at most. */
  const inSlices = async <T>(run: Generator<undefined, T, boolean>, workMs: number): Promise<T> => {
    let workedMs = 0;
    for (;;) {
      const begunAtMs = clock.monoMs();
      const spentMs = (): number => clock.monoMs() - begunAtMs;
      do {
        const { done, value } = run.next(workedMs + spentMs() < workMs);
        if (done === true) return value;
      } while (spentMs() < SLICE_MS);
      const sliceMs = spentMs();
      workedMs += sliceMs;
      // Whoever may read may ask, again and again: half of the time at least stays with probing and deciding, also when several are worked out.
      await sleep(timers, Math.ceil(sliceMs * running));
    }
  };

  const inTurn = async <T>(
    workMs: number,
    begin: (snapshot: Snapshot, options: ForecastOptions) => Generator<undefined, T, boolean>,
  ): Promise<T> => {
    if (running >= AT_ONCE_MAX)
      throw new Fault('ERR_TOO_MANY', `${running} forecasts are being worked out here already; ask again in a second, or another replica`, {
        busyMs: 1000,
      });
    running++;
    try {
      return await inSlices(begin(seen(), { ...knows(), nowMs: clusterNowMs() }), workMs);
    } finally {
      running--;
    }
  };

  return {
    forecast: (hypotheses, horizonMs) =>
      inTurn(FORECAST_WORK_MS, (found, options) =>
        forecasting(found, hypotheses, { ...options, ...(horizonMs === undefined ? {} : { horizonMs }) }),
      ),
    matrix: () => inTurn(MATRIX_WORK_MS, surveying),
    atOnce(hypotheses) {
      const found = snapshot();
      if (found === null || targetsIn(found) > TARGETS_MAX) return null;
      const run = forecasting(found, hypotheses, { ...knows(), nowMs: clusterNowMs() });
      const untilMs = clock.monoMs() + AT_ONCE_WORK_MS;
      for (;;) {
        const { done, value } = run.next(clock.monoMs() < untilMs);
        if (done === true) return value;
      }
    },
  };
};
