// "What if it dies", for every region that has a pool or a vote in the live configuration. Pure.
import type { Snapshot } from '../decide/snapshot.ts';
import { type Forecast, type ForecastOptions, forecasting } from './forecast.ts';

export interface RegionForecast {
  region: string;
  /** Of its services only those that something happens to. */
  forecast: Forecast;
}

export interface WhatIfMatrix {
  regions: readonly RegionForecast[];
}

/** Long enough for a drain, its confirmation and the pacing of what follows. */
const MATRIX_HORIZON_MS = 2 * 60_000;

const concerned = (forecast: Forecast): Forecast => {
  const held = new Set(forecast.holds.map(({ service }) => service));
  const moved = new Set(forecast.steps.flatMap(({ changes }) => changes.map(({ service }) => service)));
  return { ...forecast, services: forecast.services.filter(({ service }) => held.has(service) || moved.has(service)) };
};

/** Yields as `forecasting` does; once told to end, the regions that are left are only named. */
export function* surveying(snapshot: Snapshot, options: ForecastOptions): Generator<undefined, WhatIfMatrix, boolean> {
  const { cluster } = snapshot;
  const withPools = new Set(cluster.services.flatMap(({ pools }) => pools.map(({ region }) => region)));
  const regions: RegionForecast[] = [];
  let goOn = true;
  for (const { name, vote } of cluster.regions) {
    if (!vote && !withPools.has(name)) continue;
    const run = forecasting(snapshot, [{ kind: 'region-down', region: name }], { horizonMs: MATRIX_HORIZON_MS, ...options });
    let step = run.next(true);
    while (step.done !== true) {
      if (goOn) goOn = (yield) !== false;
      step = run.next(goOn);
    }
    regions.push({ region: name, forecast: concerned(step.value) });
  }
  return { regions };
}

export const matrix = (snapshot: Snapshot, options: ForecastOptions): WhatIfMatrix => {
  const run = surveying(snapshot, options);
  for (;;) {
    const { done, value } = run.next(true);
    if (done === true) return value;
  }
};
