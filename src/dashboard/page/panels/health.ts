// What this very replica depends on, worst first.
import type { HealthDetail } from '../../../client/schema.ts';
import { html } from '../html.ts';
import { get, Refused } from '../live/api.ts';
import { useWatched } from '../live/watch.ts';
import { still, Table, Trouble } from '../parts.ts';
import { count } from '../words.ts';
import { type HealthRow, healthRows } from './budgets.ts';
import { State } from './run.ts';

/** It says `fail` with a 503 and the same document. */
const healthNow = async (): Promise<HealthDetail> => {
  try {
    return await get<HealthDetail>('/api/health/detail');
  } catch (error) {
    if (error instanceof Refused && 'checks' in error.problem) return error.problem as unknown as HealthDetail;
    throw error;
  }
};

const Checks = still(
  ({
    caption,
    rows,
  }: {
    caption: string;
    rows: readonly HealthRow[];
  }) => html`<${Table} caption=${caption} head=${['is', 'check', 'of', 'value', 'because']}>
  ${rows.map(({ name, id, state, value, because }) => html`<tr key="${name} ${id}"><td><${State} state=${state} /></td><th scope="row">${name}</th><td>${id}</td><td>${value}</td><td>${because}</td></tr>`)}
<//>`,
);

const LOOK_MS = 10_000;

export const Health = () => {
  const { value, error, ref } = useWatched(healthNow, LOOK_MS);
  const rows = value === null ? [] : healthRows(value);
  const bad = rows.filter(({ state }) => state !== 'pass');
  const good = rows.filter(({ state }) => state === 'pass');
  return html`<div ref=${ref}><h3>What this replica depends on</h3><${Trouble} error=${error} />
    ${value === null ? null : html`<p role="status"><${State} state=${value.status} /> <span class="dim">${value.description}, ${value.releaseId}</span></p>`}
    ${bad.length === 0 ? null : html`<${Checks} caption="What is not well of this replica, worst first" rows=${bad} />`}
    ${good.length === 0 ? null : html`<details><summary>${count(good.length, 'check')} passed</summary><${Checks} caption="What is well of this replica" rows=${good} /></details>`}
  </div>`;
};
